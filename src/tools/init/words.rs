//! Words of names, and patterns that match them.

/// Splits a name into words: at punctuation, between letters and digits, and at capitals that start
/// a word.
pub(super) fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let letters: Vec<char> = name.chars().collect();
    let mut inside = false;
    for (i, c) in letters.iter().copied().enumerate() {
        if !c.is_alphanumeric() {
            inside = false;
            continue;
        }
        if !inside || starts_word(&letters, i) {
            words.push(String::new());
        }
        inside = true;
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// Returns the words of the last part of a column name, and the number of objects around it:
/// `properties.distinct_id` is `distinct id` within one object. A unit such as `(UTC)` is no word.
pub(super) fn of_path(name: &str) -> (Vec<String>, usize) {
    let parts: Vec<&str> = name.split('.').filter(|part| !split(part).is_empty()).collect();
    // A dot within a sentence, such as `No. of seats`, does not separate objects.
    let nested = parts.len() > 1 && !name.contains(char::is_whitespace);
    let (last, depth) = if nested { (parts[parts.len() - 1], parts.len() - 1) } else { (name, 0) };
    let mut words = split(last);
    if words.len() > 1 && words.last().is_some_and(|word| word == "utc") {
        words.pop();
    }
    (words, depth)
}

/// Returns whether a character starts a word within letters: `userId`, `HTTPServer`, `plan2`.
fn starts_word(letters: &[char], i: usize) -> bool {
    let (Some(before), c) = (i.checked_sub(1).map(|b| letters[b]), letters[i]) else {
        return true;
    };
    let lower_after = letters.get(i + 1).is_some_and(|after| after.is_lowercase());
    before.is_numeric() != c.is_numeric()
        || c.is_uppercase() && (before.is_lowercase() || before.is_uppercase() && lower_after)
}

/// Returns whether words match a pattern: each of its parts, separated by spaces, occurs.
///
/// A part is a word, or consecutive words joined by `_`. A word that ends in `*` matches all words
/// with this prefix.
pub(super) fn matches(words: &[String], pattern: &str) -> bool {
    pattern.split(' ').all(|part| {
        let globs: Vec<&str> = part.split('_').collect();
        words
            .windows(globs.len())
            .any(|run| run.iter().zip(&globs).all(|(word, glob)| fits(word, glob)))
    })
}

/// Returns the index of the first pattern that matches.
pub(super) fn first(words: &[String], patterns: &[&str]) -> Option<usize> {
    patterns.iter().position(|pattern| matches(words, pattern))
}

/// Returns whether any pattern matches.
pub(super) fn any(words: &[String], patterns: &[&str]) -> bool {
    first(words, patterns).is_some()
}

/// Ranks a name by a list of whole names, then by patterns; 0 is the best.
pub(super) fn rank(words: &[String], whole: &[&str], patterns: &[&str]) -> Option<usize> {
    let key = words.concat();
    whole
        .iter()
        .position(|name| *name == key)
        .or_else(|| first(words, patterns).map(|i| i + whole.len()))
}

/// Returns whether every word matches one of the globs.
pub(super) fn only(words: &[String], globs: &[&str]) -> bool {
    words.iter().all(|word| globs.iter().any(|glob| fits(word, glob)))
}

fn fits(word: &str, glob: &str) -> bool {
    glob.strip_suffix('*').map_or(word == glob, |prefix| word.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_into_words() {
        for (name, words) in [
            ("userId", "user id"),
            ("date_of-Signup", "date of signup"),
            ("HTTPServer2", "http server 2"),
            ("Logged In", "logged in"),
            ("MRR", "mrr"),
            ("$", ""),
        ] {
            assert_eq!(split(name).join(" "), words, "{name}");
        }
    }

    #[test]
    fn patterns_match_words_and_sequences() {
        let words = split("Demo was requested");
        assert!(
            matches(&words, "request* demo")
                && !matches(&words, "demo_request*")
                && matches(&words, "was_request*")
        );
        assert!(!matches(&split("login"), "log_in") && matches(&split("login"), "login"));
        assert_eq!(rank(&split("Event Name"), &["event", "eventname"], &["event"]), Some(1));
        assert_eq!(rank(&split("my_event"), &["event"], &["event"]), Some(1));
    }
}
