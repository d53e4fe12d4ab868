//! A column of numbers with texts that mean a missing value.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::{counted, grouped};

/// A column of numbers with texts that mean a missing value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkedColumn {
    /// The column.
    pub column: String,
    /// Values with such a text.
    pub missing: u64,
    /// All values.
    pub values: u64,
    /// The texts, most frequent first; an empty text means blanks.
    pub marks: Vec<String>,
}

impl fmt::Display for MarkedColumn {
    /// Writes the column and its missing values: `` `x` (`NA`, 1 of 60 values) ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |mark: &String| {
            if mark.is_empty() { "blank".to_owned() } else { format!("`{mark}`") }
        };
        let marks: Vec<String> = self.marks.iter().map(mark).collect();
        write!(
            f,
            "`{}` ({}, {} of {})",
            self.column,
            marks.join(" or "),
            grouped(self.missing),
            counted(self.values, "value")
        )
    }
}
