//! An invalid setting, before its file and line are known.

/// An invalid setting.
pub(super) struct InvalidSetting {
    /// `section` or `section.key`.
    pub(super) key: String,
    /// Index among the sections of that name, from 0.
    pub(super) section_index: usize,
    /// What was found and what was expected.
    pub(super) message: String,
}

impl From<(&'static str, String)> for InvalidSetting {
    fn from((key, message): (&'static str, String)) -> Self {
        Self { key: key.to_owned(), section_index: 0, message }
    }
}
