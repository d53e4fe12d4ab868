//! Numbers, percentages, counts and intervals as text.

mod width;

use pql_stats::intervals::Interval;
pub(crate) use width::{
    PROSE_WIDTH, shorten_at_word, shorten_distinct, shorten_end, shorten_middle, wrap, wrap_lines,
    wrapped_lines,
};

pub(crate) use crate::names::{
    agree, capitalized, counted, distinct, enumerated, file_name, grouped, plural,
};
use crate::time::TimeSpan;

/// Returns a number with at most two decimal places, fewer if it is large.
pub(crate) fn short(x: f64) -> String {
    let places = match x.abs() {
        size if !size.is_finite() => return "–".to_owned(),
        size if size >= 1e6 || size > 0.0 && size < 1e-5 => return minus(format!("{x:.1e}")),
        // Two significant digits.
        size if size > 0.0 && size < 0.0001 => 6,
        size if size > 0.0 && size < 0.001 => 5,
        size if size >= 100.0 => return grouped_number(x),
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
    minus(text)
}

/// Returns a number without decimal places and with thousands separators.
pub(crate) fn grouped_number(x: f64) -> String {
    let digits = format!("{:.0}", x.abs());
    let digits = digits.parse().map_or(digits, grouped);
    minus(if x < 0.0 { format!("-{digits}") } else { digits })
}

/// Returns a number with one decimal place and thousands separators.
pub(crate) fn one_decimal(x: f64) -> String {
    let text = format!("{x:.1}");
    match text.split_once('.').and_then(|(whole, part)| Some((whole.parse().ok()?, part))) {
        Some((whole, part)) => format!("{}.{part}", grouped(whole)),
        None => minus(text),
    }
}

/// Returns a formatter for the ticks of an axis of counts or money: `5,000`, or `10k` if the
/// largest has five digits.
pub(crate) fn formatter_for_counts(most: f64) -> impl Fn(f64) -> String {
    move |x| if most.abs() < 10_000.0 { grouped_number(x) } else { abbreviated(x) }
}

/// Returns an abbreviated large number, such as `12k`.
pub(crate) fn abbreviated(x: f64) -> String {
    match x.abs() {
        size if size >= 1e6 => format!("{}M", short(x / 1e6)),
        size if size >= 1e3 => format!("{}k", short(x / 1e3)),
        _ => short(x),
    }
}

/// Returns a count that ties may make fractional, with its sign and at most one decimal place.
pub(crate) fn signed_count(x: f64) -> String {
    let text = signed(x, 1);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Returns a probability with four decimal places, or two significant digits if it is very small; a
/// dash for `None`.
pub(crate) fn probability(p: impl Into<Option<f64>>) -> String {
    let p = p.into();
    match p {
        Some(p) if p > 0.0 && p < 0.001 => short(p),
        p => four(p),
    }
}

/// Returns a p-value with four decimal places; a dash for `None`.
pub(crate) fn p_value(p: Option<f64>) -> String {
    p.map_or_else(
        || "–".to_owned(),
        |p| if p < 1e-4 { "<0.0001".to_owned() } else { format!("{p:.4}") },
    )
}

/// Returns a formatter with enough decimal places to distinguish the numbers of a range.
pub(crate) fn formatter_for_range(range: f64) -> impl Fn(f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most twelve places"
    )]
    let places = (1.0 - range.log10().floor()).clamp(0.0, 12.0) as usize;
    move |x| minus(format!("{x:.places$}"))
}

/// Returns a share in percent with about three significant digits, such as `10.4%`.
pub(crate) fn percent(share: f64) -> String {
    percent_with(share, 0)
}

/// Returns shares in percent as [`percent`] does, with as many digits as distinguish them.
pub(crate) fn percents(shares: &[f64]) -> Vec<String> {
    distinct(shares, percent_with)
}

/// Returns a share in percent with some more decimal places than usual.
fn percent_with(share: f64, more: usize) -> String {
    let percent = 100.0 * share;
    let places = match percent.abs() {
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 1.0 => 1,
        size if size >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{percent:.places$}", places = places + more);
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    format!("{}%", minus(text))
}

/// Returns an interval of shares in whole percents, such as `15% to 30%`.
pub(crate) fn whole_percent_range(Interval { low, high }: Interval) -> String {
    format!("{:.0}% to {:.0}%", 100.0 * low, 100.0 * high)
}

/// Returns a number with four decimal places; a dash for `None`.
pub(crate) fn four(x: impl Into<Option<f64>>) -> String {
    x.into().map_or_else(|| "–".to_owned(), |x| minus(format!("{x:.4}")))
}

/// Returns a number with three decimal places; a dash for `None`.
pub(crate) fn three(x: impl Into<Option<f64>>) -> String {
    x.into().map_or_else(
        || "–".to_owned(),
        |x| if x.abs() < 1e5 { minus(format!("{x:.3}")) } else { minus(format!("{x:.1e}")) },
    )
}

/// Returns the bounds of an interval as `low to high`; a dash for `None`.
pub(crate) fn interval_range(interval: Option<Interval>, format: impl Fn(f64) -> String) -> String {
    interval.map_or_else(
        || "–".to_owned(),
        |Interval { low, high }| format!("{} to {}", format(low), format(high)),
    )
}

/// Returns an interval of shares, such as `10.1% to 14.6%`; a dash for `None`.
pub(crate) fn percent_range(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || "–".to_owned(),
        |Interval { low, high }| crate::names::percent_range(low, high),
    )
}

/// Returns a number with its sign, including a plus.
pub(crate) fn signed(x: f64, places: usize) -> String {
    minus(format!("{x:+.places$}"))
}

/// Returns items as alternatives: `a`, `a or b`, `a, b or c`.
pub(crate) fn alternatives(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [item] => item.clone(),
        [items @ .., last] => format!("{} or {last}", items.join(", ")),
    }
}

/// Returns a time span in words.
pub(crate) fn span(duration: TimeSpan) -> String {
    let text = duration.to_string();
    match text.strip_suffix('d').and_then(|days| days.parse().ok()) {
        Some(days) => counted(days, "day"),
        None => text,
    }
}

/// Replaces the hyphens of a number by minus signs, which are as wide as a plus; a number that
/// rounds to 0 has no sign.
pub(crate) fn minus(text: String) -> String {
    if text.starts_with(['-', '+']) && text[1..].bytes().all(|c| matches!(c, b'0' | b'.')) {
        return text[1..].to_owned();
    }
    if text.contains('-') { text.replace('-', "−") } else { text }
}

/// Replaces the hyphens before numbers in a text by minus signs: `-1 to 0` becomes `−1 to 0`.
pub(crate) fn with_minus(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut previous = ' ';
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let is_sign =
            c == '-' && previous == ' ' && characters.peek().is_some_and(char::is_ascii_digit);
        result.push(if is_sign { '−' } else { c });
        previous = c;
    }
    result
}

/// Converts a count to a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub(crate) fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

/// Returns at most `max_items` evenly spaced items, including the first and the last.
pub(crate) fn evenly_spaced<T: Clone>(items: &[T], max_items: usize) -> Vec<T> {
    if items.len() <= max_items {
        return items.to_vec();
    }
    (0..max_items).map(|i| items[i * (items.len() - 1) / (max_items - 1)].clone()).collect()
}

/// Returns at most `max_items` items, denser near the first, because curves bend most at their
/// start.
pub(crate) fn denser_at_start<T: Clone>(items: &[T], max_items: usize) -> Vec<T> {
    if items.len() <= max_items {
        return items.to_vec();
    }
    let last = max_items - 1;
    let mut positions: Vec<usize> =
        (0..max_items).map(|i| i + (items.len() - max_items) * i * i / (last * last)).collect();
    positions.dedup();
    positions.into_iter().map(|position| items[position].clone()).collect()
}

/// Rounds the terms of a sum to hundredths that add up to the rounded sum.
///
/// The terms that rounding changed most are rounded in the other direction, unless one would become
/// 0.
pub(crate) fn rounded_terms(terms: &[f64], sum: f64) -> Vec<f64> {
    let mut hundredths: Vec<f64> = terms.iter().map(|term| (100.0 * term).round()).collect();
    let mut missing = (100.0 * sum).round() - hundredths.iter().sum::<f64>();
    let step = missing.signum();
    let becomes_zero = |index: usize| hundredths[index] == -step;
    let error = |index: usize| step * (100.0 * terms[index] - hundredths[index]);
    let mut order: Vec<usize> = (0..terms.len()).collect();
    order.sort_by(|a, b| {
        becomes_zero(*a).cmp(&becomes_zero(*b)).then(error(*b).total_cmp(&error(*a)))
    });
    for index in order {
        if missing == 0.0 {
            break;
        }
        hundredths[index] += step;
        missing -= step;
    }
    // Adding 0 removes the sign of −0.
    hundredths.into_iter().map(|hundredths| hundredths / 100.0 + 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_few_significant_digits() {
        let shorts = [0.0, -0.001, 0.05, 0.123, 3.456, 12.34, 1234.5, 2e7].map(short);
        assert_eq!(shorts, ["0", "−0.001", "0.05", "0.12", "3.46", "12.3", "1,234", "2.0e7"]);
        assert_eq!(
            [4e-4, 3.84e-4, -2.1e-5, 1e-6].map(short),
            ["0.0004", "0.00038", "−0.000021", "1.0e−6"]
        );
        assert_eq!([0.05, 0.0004, 0.0].map(probability), ["0.0500", "0.0004", "0.0000"]);
        assert_eq!([Some(0.03), Some(1e-9), None].map(p_value), ["0.0300", "<0.0001", "–"]);
        assert_eq!([3.0, -2.5, -0.01].map(signed_count), ["+3", "−2.5", "0"]);
        assert_eq!((three(-0.0001), signed(0.0001, 3)), ("0.000".to_owned(), "0.000".to_owned()));
        assert_eq!([0.0, 5_000.0].map(formatter_for_counts(8_000.0)), ["0", "5,000"]);
        assert_eq!(
            [0.0, 5_000.0, -20_000.0, 3e6].map(formatter_for_counts(2e4)),
            ["0", "5k", "−20k", "3M"]
        );
        assert_eq!([795.0, 1234.56, -0.5].map(one_decimal), ["795.0", "1,234.6", "−0.5"]);
        assert_eq!(with_minus("up to -1.1; plan-2, -x: -3"), "up to −1.1; plan-2, -x: −3");
        assert_eq!([0.0, 0.1045, 0.00123, 1.0].map(percent), ["0%", "10.4%", "0.12%", "100%"]);
        assert_eq!(span(TimeSpan::days(1)), "1 day");
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2, 1_500].map(|n| counted(n, "row")), ["1 row", "2 rows", "1,500 rows"]);
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([1, 2, 3].map(|n| enumerated(&names[..n])), ["a", "a and b", "a, b and c"]);
        assert_eq!(evenly_spaced(&[0, 1, 2, 3, 4, 5, 6], 3), [0, 3, 6]);
        assert_eq!(denser_at_start(&(0..=100).collect::<Vec<_>>(), 5), [0, 7, 26, 57, 100]);
        assert_eq!(
            [0.021, 0.0215, -0.1].map(formatter_for_range(0.004)),
            ["0.0210", "0.0215", "−0.1000"]
        );
    }

    #[test]
    fn rounded_terms_add_up() {
        assert_eq!(rounded_terms(&[0.004, 0.004, 0.004], 0.012), [0.01, 0.0, 0.0]);
        assert_eq!(rounded_terms(&[-3.014, -0.003], -3.017), [-3.02, 0.0]);
        assert_eq!(rounded_terms(&[1.006, 0.006, 0.006], 1.018), [1.0, 0.01, 0.01]);
        assert_eq!(rounded_terms(&[0.25, -0.5], -0.25), [0.25, -0.5]);
        assert_eq!(rounded_terms(&[], 0.0), [0.0; 0]);
    }
}
