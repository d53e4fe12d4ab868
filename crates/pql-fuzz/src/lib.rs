//! Laws that hold for arbitrary bytes, one function for each target of the fuzzer.
//!
//! A violated law is a panic. `make fuzz` searches for violations with libFuzzer; the test `corpus`
//! checks the laws on the stored corpus, on every input that once violated one, and on random
//! mutations of both.

mod laws;

use std::fmt;
use std::str::FromStr;

/// A kind of input, with its laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Times and time spans.
    Timestamp,
    /// `pql.toml`.
    Config,
    /// A `[[definition]]` of `pql.toml`.
    Definition,
    /// A model file.
    Model,
    /// A CSV file.
    Csv,
    /// An NDJSON file.
    Ndjson,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC stream or file.
    Arrow,
    /// Cells of a score file.
    ScoreWriter,
    /// A text in an HTML page.
    Html,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 10] = [
        Self::Timestamp,
        Self::Config,
        Self::Definition,
        Self::Model,
        Self::Csv,
        Self::Ndjson,
        Self::Parquet,
        Self::Arrow,
        Self::ScoreWriter,
        Self::Html,
    ];

    /// Returns the name, which is also the name of its folder in `corpus`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Config => "config",
            Self::Definition => "definition",
            Self::Model => "model",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::ScoreWriter => "score-writer",
            Self::Html => "html",
        }
    }

    /// Checks the laws of the target for an input, and returns whether pql accepts it.
    ///
    /// # Panics
    /// If a law is violated.
    #[must_use]
    pub fn check(self, data: &[u8]) -> bool {
        match self {
            Self::Timestamp => laws::text::timestamp(data),
            Self::Config => laws::text::config(data),
            Self::Definition => laws::text::definition(data),
            Self::Model => laws::model::model(data),
            Self::Csv => laws::table::file(data, "csv"),
            Self::Ndjson => laws::table::file(data, "ndjson"),
            Self::Parquet => laws::table::file(data, "parquet"),
            Self::Arrow => laws::table::file(data, "arrow"),
            Self::ScoreWriter => laws::text::score_writer(data),
            Self::Html => laws::text::html(data),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            let names: Vec<&str> = Self::ALL.iter().map(|target| target.name()).collect();
            format!("found `{text}`, expected one of {}", names.join(", "))
        };
        Self::ALL.into_iter().find(|target| target.name() == text).ok_or_else(expected)
    }
}
