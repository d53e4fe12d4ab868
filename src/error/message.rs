//! The whole message of an error: its sources, and what it lists below itself.

use super::Error;
use super::phrases::source_drops;
use crate::escape::one_line;

impl Error {
    /// Returns the message and those of all sources, separated by `: `, as one line without hidden
    /// characters.
    #[must_use]
    pub fn with_sources(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        one_line(&text).into_owned()
    }

    /// Returns what a message lists below itself: the findings of the leakage audit, or the rows
    /// read and dropped of each source.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::Leak { findings } => {
                findings.iter().map(|finding| format!("possible leak: {finding}")).collect()
            }
            Self::EmptyLog { sources, .. } | Self::NoUsage { sources, .. } => {
                sources.iter().map(source_drops).collect()
            }
            _ => Vec::new(),
        }
    }
}
