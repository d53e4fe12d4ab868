//! Names in messages: listed in backticks, and the nearest of those that are known.

/// Returns names in backticks, the first five and how many more, and their verb for one or several.
pub(crate) fn quoted(names: &[String], verb: [&str; 2]) -> String {
    /// Names that are read; the rest is a number.
    const SAID: usize = 5;
    let said: Vec<String> = names.iter().take(SAID).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SAID);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more} {}", said.join(", "), verb[usize::from(names.len() != 1)])
}

/// Returns the name in `known` that is nearest to `name`, if one is near enough to be a slip of the
/// pen.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// Jaro-Winkler similarity from which two names are taken for one another; 0.8 catches
    /// two-letter slips in short names.
    const NEAR: f64 = 0.8;
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&lower, &k.to_lowercase()), k))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, k)| k.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("acount_id", ["account_id", "event"]).as_deref(), Some("account_id"));
        assert_eq!(nearest("zzz", ["account_id", "event"]), None);
    }

    #[test]
    fn names_are_quoted_and_not_more_than_five() {
        let names: Vec<String> = ('a'..='g').map(String::from).collect();
        assert_eq!(quoted(&names[..1], ["separates", "separate"]), "`a` separates");
        assert_eq!(
            quoted(&names, ["separates", "separate"]),
            "`a`, `b`, `c`, `d`, `e` and 2 more separate"
        );
    }
}
