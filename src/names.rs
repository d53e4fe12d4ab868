//! Names, counts and numbers in messages.

use std::path::Path;

use crate::escape::one_line;

/// Returns at most five names in backticks, the number of further ones, and a verb that agrees.
///
/// # Arguments
/// * `verb` – singular and plural
pub(crate) fn quoted(names: &[String], verb: [&str; 2]) -> String {
    /// Maximum number of names listed.
    const LISTED: usize = 5;
    let listed: Vec<String> = names.iter().take(LISTED).map(|name| backtick(name)).collect();
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more} {}", listed.join(", "), agree(names.len() as u64, verb))
}

/// Returns a count with thousands separators: `1,234`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a count and its noun, singular or plural: `1 account`, `1,234 accounts`.
///
/// # Arguments
/// * `noun` – singular; its plural ends in `s`
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {}", grouped(count), plural(count, noun))
}

/// Returns what accounts with an outcome did. An account may have rows of both outcomes.
///
/// # Arguments
/// * `converting` – whether the outcome is the conversion
pub(crate) fn outcome_words(accounts: u64, converting: bool) -> &'static str {
    match (converting, accounts) {
        (true, _) => "converted",
        (false, 0 | 1) => "has rows that did not convert",
        (false, _) => "have rows that did not convert",
    }
}

/// Returns the singular or plural of a noun whose plural ends in `s`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!("{noun}{}", agree(count, ["", "s"]))
}

/// Formats a number with fixed decimal places, thousands separators and no sign of a 0.
pub(crate) fn decimal(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let is_zero = digits.chars().all(|digit| matches!(digit, '0' | '.'));
    let (whole, fraction) = digits.find('.').map_or((digits, ""), |point| digits.split_at(point));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
    format!("{}{whole}{fraction}", if is_zero { "" } else { sign })
}

/// Formats a number like [`decimal`], with a plus if it is positive.
pub(crate) fn signed_decimal(value: f64, places: usize) -> String {
    let text = decimal(value, places);
    let is_positive = text.starts_with(|first: char| first.is_ascii_digit())
        && text.contains(|digit: char| matches!(digit, '1'..='9'));
    if is_positive { format!("+{text}") } else { text }
}

/// Returns the decimal places with which none of some numbers looks like 0 without being it, as far
/// as the largest has at most three significant digits.
///
/// # Arguments
/// * `usual` – decimal places if these suffice
pub(crate) fn places_of_small(numbers: &[f64], usual: usize) -> usize {
    /// Most decimal places that are added.
    const MOST: usize = 4;
    let largest = numbers.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
    let looks_like_0 = |number: f64, places: usize| {
        number != 0.0 && format!("{:.places$}", number.abs()).parse() == Ok(0.0)
    };
    let is_exact = |places: usize| {
        let units = 10_f64.powi(i32::try_from(places).unwrap_or(i32::MAX));
        let none = !numbers.iter().any(|number| looks_like_0(*number, places));
        none && (places == usual || largest * units < 1_000.0)
    };
    (usual..=usual + MOST).find(|places| is_exact(*places)).unwrap_or(usual)
}

/// Formats a share in percent with one decimal place, two below 1%.
pub(crate) fn percent(share: f64) -> String {
    let places = if share > 0.0 && share < 0.01 { 2 } else { 1 };
    format!("{:.places$}%", 100.0 * share)
}

/// Formats shares as [`percent`] does, with as many decimal places as distinguish them.
pub(crate) fn percents(shares: &[f64]) -> Vec<String> {
    distinct(shares, |share, more| match more {
        0 => percent(share),
        // From one decimal place on.
        more => format!("{:.places$}%", 100.0 * share, places = 1 + more),
    })
}

/// Formats an interval of shares as `10.1% to 14.6%`. Both bounds have as many decimal places.
pub(crate) fn percent_range(low: f64, high: f64) -> String {
    let [low, high] = with_equal_places([low, high], &[percent(low), percent(high)]);
    format!("{low} to {high}")
}

/// Formats shares in percent with the most decimal places that one of some percentages has.
pub(crate) fn with_equal_places(shares: [f64; 2], percentages: &[String]) -> [String; 2] {
    let places = |percentage: &String| {
        percentage.trim_end_matches('%').split_once('.').map_or(0, |(_, decimals)| decimals.len())
    };
    let most = percentages.iter().map(places).max().unwrap_or(0);
    shares.map(|share| format!("{:.most$}%", 100.0 * share))
}

/// Formats shares in whole percents, with decimal places if different ones would look the same.
pub(crate) fn whole_percents(shares: &[f64]) -> Vec<String> {
    distinct(shares, |share, more| format!("{:.more$}%", 100.0 * share))
}

/// Formats numbers, with as many decimal places as distinguish them. Numbers that differ
/// by rounding errors only look the same.
///
/// # Arguments
/// * `write` – writes a number with some more decimal places than usual
pub(crate) fn distinct(values: &[f64], write: impl Fn(f64, usize) -> String) -> Vec<String> {
    /// Most decimal places that are added.
    const MOST: usize = 6;
    let texts = |more| values.iter().map(|value| write(*value, more)).collect::<Vec<_>>();
    let look_alike = |texts: &Vec<String>| {
        let differ = |i: usize, j: usize| (values[i] - values[j]).abs() > f64::EPSILON;
        let pairs = (0..texts.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        pairs.into_iter().any(|(i, j)| differ(i, j) && texts[i] == texts[j])
    };
    (0..=MOST).map(texts).find(|texts| !look_alike(texts)).unwrap_or_else(|| texts(0))
}

/// Returns the form of a word that agrees with a count: the first one for 1, else the second one.
pub(crate) fn agree(count: u64, [singular, plural]: [&str; 2]) -> &str {
    if count == 1 { singular } else { plural }
}

/// Returns the last part of a path, such as the name of a file.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Returns a text with its first letter in upper case.
pub(crate) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Returns a name in backticks.
fn backtick(name: &str) -> String {
    format!("`{}`", one_line(name))
}

/// Returns all names in backticks, separated by commas.
pub(crate) fn backticked(names: &[String]) -> String {
    names.iter().map(|name| backtick(name)).collect::<Vec<_>>().join(", ")
}

/// Returns items as an English list: `a`, `a and b`, `a, b and c`.
pub(crate) fn enumerated(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [item] => item.clone(),
        [items @ .., last] => format!("{} and {last}", items.join(", ")),
    }
}

/// Prefixes of opposite meaning: a name is never corrected to its opposite.
const OPPOSITES: [(&str, &str); 2] = [("in", "ex"), ("min", "max")];

/// Returns whether one name is the opposite of the other: `include` and `exclude`.
fn are_opposites(one: &str, other: &str) -> bool {
    OPPOSITES.iter().any(|(a, b)| {
        (one.starts_with(a) && other.starts_with(b)) || (one.starts_with(b) && other.starts_with(a))
    })
}

/// Returns the hint for an unknown name: the most similar known name, else the known names.
pub(crate) fn suggest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
) -> Option<String> {
    /// Maximum number of names listed.
    const LISTED: usize = 12;
    let known = known.into_iter();
    if let Some(suggestion) = nearest(name, known.clone()) {
        return Some(format!("did you mean `{suggestion}`?"));
    }
    let count = known.clone().count();
    let listed: Vec<String> = known.take(LISTED).map(|known| format!("`{known}`")).collect();
    let more = if count > LISTED { format!(" and {} more", count - LISTED) } else { String::new() };
    match listed.as_slice() {
        [] => None,
        [only] => Some(format!("use {only}")),
        _ => Some(format!("use one of {}{more}", listed.join(", "))),
    }
}

/// Returns the known name that is most similar to `name`, if one is close enough to suggest a typo.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// Minimum Jaro-Winkler similarity; 0.8 accepts two wrong letters in short names.
    const MIN_SIMILARITY: f64 = 0.8;
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|k| (k.to_lowercase(), k))
        .filter(|(other, _)| !are_opposites(&lower, other))
        .map(|(other, k)| (strsim::jaro_winkler(&lower, &other), k))
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, k)| k.to_owned())
}

/// Returns the known account id that is most similar to an unknown one, if it suggests a typo. Ids
/// without letters, and ids that differ only in digits, are other accounts.
pub(crate) fn nearest_id<'a>(id: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let without_digits = |id: &str| -> String {
        id.chars().filter(|c| !c.is_numeric()).flat_map(char::to_lowercase).collect()
    };
    if !id.chars().any(char::is_alphabetic) {
        return None;
    }
    let words = without_digits(id);
    nearest(id, known.into_iter().filter(|known| without_digits(known) != words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_differ_in_digits_are_no_typos() {
        let nearest = |id: &str, known: &[&str]| nearest_id(id, known.iter().copied());
        assert_eq!(nearest("acme-ltd", &["acme-inc", "acme-ltda"]).as_deref(), Some("acme-ltda"));
        assert_eq!(nearest("1234", &["1235", "1234a"]), None);
        assert_eq!(nearest("12-34", &["12-35"]), None);
        assert_eq!(nearest("acct_0017", &["acct_0018", "acct_0019"]), None);
        assert_eq!(nearest("act_0017", &["acct_0017"]).as_deref(), Some("acct_0017"));
    }

    #[test]
    fn a_small_number_does_not_look_like_0() {
        assert_eq!(places_of_small(&[-0.001, 0.0003], 3), 4);
        assert_eq!(places_of_small(&[-0.02, 0.01], 2), 2);
        assert_eq!(places_of_small(&[0.000_04], 3), 5);
        assert_eq!(places_of_small(&[0.0, 0.2], 2), 2);
        assert_eq!(places_of_small(&[0.0001, 0.35], 2), 2, "0.0001 is negligible");
    }

    #[test]
    fn the_bounds_of_an_interval_have_as_many_digits() {
        assert_eq!(percent_range(0.101, 0.146), "10.1% to 14.6%");
        assert_eq!(percent_range(0.0, 0.0059), "0.00% to 0.59%");
        assert_eq!(percent_range(0.0037, 0.0121), "0.37% to 1.21%");
        assert_eq!(percent_range(0.98, 1.0), "98.0% to 100.0%");
    }

    #[test]
    fn different_shares_look_different() {
        assert_eq!(percents(&[0.4991, 0.4994]), ["49.91%", "49.94%"]);
        assert_eq!(percents(&[0.499, 0.5]), ["49.9%", "50.0%"]);
        assert_eq!(percents(&[0.003_71, 0.003_72]), ["0.371%", "0.372%"]);
        assert_eq!(percents(&[0.1 + 0.2, 0.3]), ["30.0%", "30.0%"], "they are equal");
        assert_eq!(percents(&[0.5, 0.5, 0.500_04]), ["50.000%", "50.000%", "50.004%"]);
    }

    #[test]
    fn only_a_similar_name_is_suggested() {
        assert_eq!(nearest("acount_id", ["account_id", "event"]).as_deref(), Some("account_id"));
        assert_eq!(nearest("zzz", ["account_id", "event"]), None);
        assert_eq!(nearest("exclude", ["include"]), None, "the opposite");
        assert_eq!(nearest("max_conversions", ["min_conversions"]), None, "the opposite");
        assert_eq!(nearest("max_agee", ["min_age", "max_age"]).as_deref(), Some("max_age"));
    }

    #[test]
    fn an_unknown_name_gets_the_nearest_name_or_the_list() {
        assert_eq!(suggest("evnt", ["event", "user"]).as_deref(), Some("did you mean `event`?"));
        assert_eq!(
            suggest("zzz", ["event", "user"]).as_deref(),
            Some("use one of `event`, `user`")
        );
        assert_eq!(suggest("zzz", ["event"]).as_deref(), Some("use `event`"));
        assert_eq!(suggest("zzz", []), None);
        let many: Vec<String> = (10..30).map(|n| format!("name{n}")).collect();
        let hint = suggest("zzz", many.iter().map(String::as_str)).unwrap();
        assert!(hint.ends_with("`name21` and 8 more"), "{hint}");
    }

    #[test]
    fn words_agree_with_counts_and_paths_end_in_names() {
        assert_eq!([0, 1, 2].map(|n| agree(n, ["is", "are"])), ["are", "is", "are"]);
        assert_eq!(file_name(Path::new("log/events.csv")), "events.csv");
        assert_eq!(file_name(Path::new("..")), "..");
        assert_eq!((capitalized("é a"), capitalized("")), ("É a".to_owned(), String::new()));
    }

    #[test]
    fn at_most_five_names_are_listed() {
        let names: Vec<String> = ('a'..='g').map(String::from).collect();
        assert_eq!(quoted(&names[..1], ["separates", "separate"]), "`a` separates");
        assert_eq!(
            quoted(&names, ["separates", "separate"]),
            "`a`, `b`, `c`, `d`, `e` and 2 more separate"
        );
    }
}
