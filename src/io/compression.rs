//! Compression of text files, by the file extension.

use std::path::Path;

/// Compression of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gz,
    Zst,
}

impl Compression {
    /// Returns the compression that the extension of a path means.
    pub(crate) fn from_path(path: &Path) -> Self {
        let extension =
            path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("gz") => Self::Gz,
            Some("zst") => Self::Zst,
            _ => Self::Plain,
        }
    }

    /// Returns the file extension with its point.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gz => ".gz",
            Self::Zst => ".zst",
        }
    }
}
