//! Parsers of path arguments.

use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::remote_path::{is_remote, without_secrets};

/// Parses the path of a table or a result, which may be a URL: its secrets are kept apart.
pub(super) fn file_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(|text| without_secrets(Path::new(&text)))
}

/// Parses a path of the file system.
pub(super) fn local_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text| {
        let path = PathBuf::from(text);
        if is_remote(&path) {
            return Err("expected a path on this machine; URLs are for tables and results");
        }
        Ok(path)
    })
}
