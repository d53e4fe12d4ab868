//! What is wrong with a configuration, before it has a file and a line.

/// What is wrong with a configuration.
pub(super) struct Mistake {
    /// `section` or `section.key`.
    pub(super) key: &'static str,
    /// Which one of the sections of that name, from 0.
    pub(super) source: usize,
    /// What was found and what was expected.
    pub(super) problem: String,
}

impl From<(&'static str, String)> for Mistake {
    fn from((key, problem): (&'static str, String)) -> Self {
        Self { key, source: 0, problem }
    }
}
