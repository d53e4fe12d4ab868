//! The format of a file: by its extension, by its first bytes, or as set in the project file.

use std::path::Path;

use super::stdin::{self, is_stdin};
use crate::config::{MaxLine, TableFormat};
use crate::error::{Error, Result};
use crate::io::compression::Compression;
use crate::io::database;

/// File extensions that can be read, for messages.
pub(super) const SUPPORTED_EXTENSIONS: &str = "`.parquet`, `.csv`, `.tsv`, `.ndjson`, `.jsonl`, `.json`, `.arrow`, `.arrows`, `.ipc` or `.feather` (text formats also with `.gz` or `.zst`)";

/// The format and compression of a file, by its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFormat {
    Parquet,
    Arrow,
    Delimited(Delimited),
    Ndjson(Compression),
}

/// CSV or a similar format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delimited {
    pub(super) compression: Compression,
    /// Whether the apostrophes that pql writes before formulas are removed.
    pub(super) has_spreadsheet_cells: bool,
}

impl FileFormat {
    pub(super) fn from_path(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_string_lossy().to_lowercase();
        let compression = Compression::from_path(file);
        let stem = name.strip_suffix(compression.extension()).unwrap_or(&name);
        match stem.rsplit_once('.')?.1 {
            "parquet" if compression == Compression::Plain => Some(Self::Parquet),
            "arrow" | "arrows" | "ipc" | "feather" if compression == Compression::Plain => {
                Some(Self::Arrow)
            }
            "csv" | "tsv" => {
                Some(Self::Delimited(Delimited { compression, has_spreadsheet_cells: false }))
            }
            "ndjson" | "jsonl" | "json" => Some(Self::Ndjson(compression)),
            _ => None,
        }
    }
}

/// Returns the format of a file by its extension or, of standard input, by the first bytes.
pub(super) fn file_format(file: &Path) -> Result<FileFormat> {
    if is_stdin(file) {
        return stdin::detect_format(file);
    }
    if database::is_table(file) {
        return Ok(FileFormat::Arrow);
    }
    FileFormat::from_path(file).ok_or_else(|| {
        let compressed = Compression::from_path(file) != Compression::Plain;
        let inner = FileFormat::from_path(&file.with_extension(""));
        if compressed && matches!(inner, Some(FileFormat::Parquet | FileFormat::Arrow)) {
            return compressed_table(file);
        }
        let problem = format!("unknown file extension, expected {SUPPORTED_EXTENSIONS}");
        Error::malformed(file, problem, None)
    })
}

/// Returns the error for a Parquet or Arrow file inside a compressed one.
pub(super) fn compressed_table(file: &Path) -> Error {
    let problem = "found a compressed Parquet or Arrow file, expected an uncompressed one (decompress the file)";
    Error::malformed(file, problem, None)
}

/// How the files of a source are read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileOptions {
    pub(crate) max_line: MaxLine,
    /// Their format; `None`: by the file extension or, of standard input, by the first bytes.
    pub(crate) format: Option<TableFormat>,
}

impl FileOptions {
    pub(crate) fn new(max_line: MaxLine, format: Option<TableFormat>) -> Self {
        Self { max_line, format }
    }

    /// Returns the format of a file, and its compression.
    pub(super) fn format(self, file: &Path) -> Result<FileFormat> {
        let Some(format) = self.format else { return file_format(file) };
        let compression = || {
            if is_stdin(file) { stdin::compression(file) } else { Ok(Compression::from_path(file)) }
        };
        Ok(match format {
            TableFormat::Parquet => FileFormat::Parquet,
            TableFormat::Arrow => FileFormat::Arrow,
            TableFormat::Csv => {
                let compression = compression()?;
                FileFormat::Delimited(Delimited { compression, has_spreadsheet_cells: false })
            }
            TableFormat::Ndjson => FileFormat::Ndjson(compression()?),
        })
    }
}
