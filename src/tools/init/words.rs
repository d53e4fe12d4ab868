//! Names taken apart into words, and what they match.

/// Take a name apart: at what is no letter or digit, between letters and digits, and where a
/// capital begins a word.
pub(super) fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let letters: Vec<char> = name.chars().collect();
    let mut inside = false;
    for (at, c) in letters.iter().copied().enumerate() {
        if !c.is_alphanumeric() {
            inside = false;
            continue;
        }
        if !inside || begins(&letters, at) {
            words.push(String::new());
        }
        inside = true;
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// Whether the character begins a word although one stands before it: `userId`, `HTTPServer`,
/// `plan2`.
fn begins(letters: &[char], at: usize) -> bool {
    let (Some(before), c) = (at.checked_sub(1).map(|b| letters[b]), letters[at]) else {
        return true;
    };
    let lower_after = letters.get(at + 1).is_some_and(|after| after.is_lowercase());
    before.is_numeric() != c.is_numeric()
        || c.is_uppercase() && (before.is_lowercase() || before.is_uppercase() && lower_after)
}

/// Whether words match a pattern: every part of it, parted by blanks, stands somewhere.
///
/// A part is a word, or words after one another joined by `_`; a word that ends in `*` matches all
/// that begin with it.
pub(super) fn matches(words: &[String], pattern: &str) -> bool {
    pattern.split(' ').all(|part| {
        let globs: Vec<&str> = part.split('_').collect();
        words
            .windows(globs.len())
            .any(|run| run.iter().zip(&globs).all(|(word, glob)| fits(word, glob)))
    })
}

/// The place of the first pattern that matches.
pub(super) fn first(words: &[String], patterns: &[&str]) -> Option<usize> {
    patterns.iter().position(|pattern| matches(words, pattern))
}

/// Whether a pattern matches.
pub(super) fn any(words: &[String], patterns: &[&str]) -> bool {
    first(words, patterns).is_some()
}

/// How usual a name is, 0 the most: by the name as a whole, then by patterns.
pub(super) fn rank(words: &[String], whole: &[&str], patterns: &[&str]) -> Option<usize> {
    let key = words.concat();
    whole
        .iter()
        .position(|name| *name == key)
        .or_else(|| first(words, patterns).map(|at| at + whole.len()))
}

/// Whether every word fits one of the globs.
pub(super) fn only(words: &[String], globs: &[&str]) -> bool {
    words.iter().all(|word| globs.iter().any(|glob| fits(word, glob)))
}

fn fits(word: &str, glob: &str) -> bool {
    glob.strip_suffix('*').map_or(word == glob, |beginning| word.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_falls_into_its_words() {
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
    fn a_pattern_matches_words_and_runs_of_words() {
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
