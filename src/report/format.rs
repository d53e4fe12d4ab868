//! Numbers as a reader wants them.

use pql_stats::intervals::Interval;

use crate::time::TimeSpan;

/// Returns a number with at most two places, fewer where it is large.
pub(super) fn short(x: f64) -> String {
    let places = match x.abs() {
        size if !size.is_finite() => return "–".to_owned(),
        size if size >= 1e6 || size > 0.0 && size < 0.001 => return format!("{x:.1e}"),
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 || size == 0.0 => 2,
        _ => 3,
    };
    let text = format!("{x:.places$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    minus(if text == "-0" { "0".to_owned() } else { text })
}

/// Returns numbers of a range with the places that tell them apart.
pub(super) fn fine(range: f64) -> impl Fn(f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most twelve places"
    )]
    let places = (1.0 - range.log10().floor()).clamp(0.0, 12.0) as usize;
    move |x| minus(format!("{x:.places$}"))
}

/// Returns a share in percent, with as many places as tell something.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let places = match percent.abs() {
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 1.0 => 1,
        size if size >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{percent:.places$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    // The blank keeps number and sign on one line.
    format!("{}\u{a0}%", minus(text))
}

/// Returns a number with four places, as the command line prints it; a dash where there is none.
pub(super) fn four(x: impl Into<Option<f64>>) -> String {
    x.into().map_or_else(|| "–".to_owned(), |x| minus(format!("{x:.4}")))
}

/// Returns a number with three places.
pub(super) fn three(x: impl Into<Option<f64>>) -> String {
    x.into().map_or_else(
        || "–".to_owned(),
        |x| if x.abs() < 1e5 { minus(format!("{x:.3}")) } else { format!("{x:.1e}") },
    )
}

/// Returns the ends of an interval.
pub(super) fn between(interval: Option<Interval>, format: impl Fn(f64) -> String) -> String {
    interval.map_or_else(
        || "–".to_owned(),
        |Interval { low, high }| format!("{} to {}", format(low), format(high)),
    )
}

/// Returns a number with its sign, also of positive ones.
pub(super) fn signed(x: f64, places: usize) -> String {
    minus(format!("{x:+.places$}"))
}

/// Returns a count and its noun.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Returns a span in words.
pub(super) fn span(duration: TimeSpan) -> String {
    let text = duration.to_string();
    match text.strip_suffix('d').and_then(|days| days.parse().ok()) {
        Some(days) => counted(days, "day"),
        None => text,
    }
}

/// Returns a text of at most so many characters, the rest an ellipsis.
pub(super) fn clipped(text: &str, most: usize) -> String {
    // Chinese, Japanese and Korean are twice as wide.
    let wide =
        |c: char| if c < '\u{1100}' || ('\u{2000}'..'\u{2e80}').contains(&c) { 1 } else { 2 };
    if text.chars().map(wide).sum::<usize>() <= most {
        return text.to_owned();
    }
    let mut width = 1;
    let fits = text.chars().take_while(|c| {
        width += wide(*c);
        width <= most
    });
    fits.chain(['…']).collect()
}

/// Returns a text of at most so many characters, an ellipsis in its middle: names that begin alike
/// end differently.
pub(super) fn folded(text: &str, most: usize) -> String {
    if clipped(text, most) == text {
        return text.to_owned();
    }
    let turned = |text: &str| text.chars().rev().collect::<String>();
    let end = turned(&clipped(&turned(text), most / 2));
    clipped(text, most - most / 2) + end.trim_start_matches('…')
}

/// Replaces the hyphen by the minus sign, which is as wide as a plus.
fn minus(text: String) -> String {
    if text.starts_with('-') { text.replacen('-', "−", 1) } else { text }
}

/// Returns a count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub(super) fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

/// Returns some of many items, the first and the last among them.
pub(super) fn thinned<T: Clone>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most {
        return items.to_vec();
    }
    (0..most).map(|at| items[at * (items.len() - 1) / (most - 1)].clone()).collect()
}

/// Returns some of many items, the nearer to the first the denser: curves bend most at their
/// beginning.
pub(super) fn thinned_out<T: Clone>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most {
        return items.to_vec();
    }
    let last = most - 1;
    let mut places: Vec<usize> =
        (0..most).map(|at| at + (items.len() - most) * at * at / (last * last)).collect();
    places.dedup();
    places.into_iter().map(|place| items[place].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_places_that_tell_something() {
        let shorts = [0.0, -0.001, 0.05, 0.123, 3.456, 12.34, 1234.5, 2e7, 1e-5].map(short);
        assert_eq!(
            shorts,
            ["0", "−0.001", "0.05", "0.12", "3.46", "12.3", "1234", "2.0e7", "1.0e-5"]
        );
        assert_eq!(
            [0.0, 0.1045, 0.00123, 1.0].map(percent),
            ["0\u{a0}%", "10.4\u{a0}%", "0.12\u{a0}%", "100\u{a0}%"]
        );
        assert_eq!(span(TimeSpan::days(1)), "1 day");
        assert_eq!(
            (clipped("abcdef", 4), clipped("abcd", 4)),
            ("abc…".to_owned(), "abcd".to_owned())
        );
        assert_eq!(clipped("日本語の", 6), "日本…");
        assert_eq!(
            (folded("abcdefghij", 7), folded("abcdefg", 7)),
            ("abc…ij".to_owned(), "abcdefg".to_owned())
        );
        assert_eq!(thinned(&[0, 1, 2, 3, 4, 5, 6], 3), [0, 3, 6]);
        assert_eq!(thinned_out(&(0..=100).collect::<Vec<_>>(), 5), [0, 7, 26, 57, 100]);
        assert_eq!([0.021, 0.0215, -0.1].map(fine(0.004)), ["0.0210", "0.0215", "−0.1000"]);
    }
}
