//! Lines of a TOML file with comments.

use std::fmt::Write as _;

use super::columns::Choice;
use crate::escape::{self, is_hidden};

/// Column of comments.
const COMMENT: usize = 40;

/// Returns a TOML string without line breaks, which also fits into a comment.
pub(super) fn string(text: &str) -> String {
    let mut out = String::from('"');
    let mut previous = '"';
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c, previous) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
        previous = c;
    }
    out.push('"');
    out
}

/// Returns a TOML array of strings.
pub(super) fn strings(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|t| string(t)).collect::<Vec<_>>().join(", "))
}

/// The text of a project file.
pub(super) struct TomlPage(pub(super) String);

impl TomlPage {
    /// Adds a comment.
    pub(super) fn comment(&mut self, comment: &str) {
        self.0.push_str(format!("# {comment}").trim_end());
        self.0.push('\n');
    }

    /// Starts a section.
    pub(super) fn section(&mut self, header: &str) {
        self.0.push('\n');
        self.0.push_str(header);
        self.0.push('\n');
    }

    /// Adds `key = value` and an optional comment.
    pub(super) fn key(&mut self, key: &str, value: &str, comment: &str) {
        let pair = format!("{key} = {value}");
        if comment.is_empty() {
            self.0.push_str(&pair);
        } else {
            let _ = write!(self.0, "{pair:width$}  # {comment}", width = COMMENT - 2);
        }
        self.0.push('\n');
    }

    /// Adds a key that is commented out.
    pub(super) fn commented_key(&mut self, key: &str, value: &str, comment: &str) {
        self.key(&format!("# {key}"), value, comment);
    }

    /// Adds the key of a column, commented out if the column was not found.
    pub(super) fn column(
        &mut self,
        key: &str,
        found: Option<&String>,
        default: &str,
        comment: &str,
    ) {
        match found {
            Some(name) => self.key(key, &string(name), comment),
            None => self.commented_key(key, &string(default), &format!("{comment}; not found")),
        }
    }

    /// Adds the key of a column that is required: `FIXME` if none could be chosen.
    pub(super) fn chosen(&mut self, key: &str, choice: &Choice, comment: &str) {
        match choice {
            Choice::Column { name, evidence } if evidence.is_empty() => {
                self.key(key, &string(name), comment);
            }
            Choice::Column { name, evidence } => {
                self.key(key, &string(name), &format!("{comment}; {}", one_line(evidence)));
            }
            Choice::OfUser { evidence, .. } => {
                self.comment(&format!(
                    "{key}: that of the user at the time of the event ([users]); {}",
                    one_line(evidence)
                ));
            }
            Choice::Undecided { task } => {
                self.key(key, &string(PLACEHOLDER), &format!("FIXME: {}", one_line(task)));
            }
        }
    }
}

/// Value of a required key that could not be guessed.
const PLACEHOLDER: &str = "FIXME";

/// Returns a text that fits into a comment.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    escape::one_line(&words).into_owned()
}
