//! The files of a source, joined by column name.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_columns::FileColumns;
use super::files::{Listing, list};
use super::{
    BatchHandler, FileOptions, ReadSummary, Request, RowBatch, nested_columns, prefetch,
    read_request,
};
use crate::error::{Error, Result};
use crate::names::nearest;
use crate::warning::Warning;

/// Number of rows that are searched for values inside objects, to suggest one.
const SEARCHED_ROWS: usize = 1_000;

/// The files of a path, glob or folder, which are read as one table: columns have the same name in
/// each file, and are null where a file lacks them.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    options: FileOptions,
    files: Vec<SourceFile>,
    /// Names of the columns of all files, in order of first appearance.
    columns: Vec<String>,
    /// Columns that files lack.
    absent: BTreeMap<String, AbsentColumn>,
    /// Files that cannot be read.
    unread: Vec<PathBuf>,
}

/// A file and its columns.
#[derive(Debug, Clone)]
struct SourceFile {
    path: PathBuf,
    columns: Arc<FileColumns>,
}

/// A column that some files lack.
#[derive(Debug, Clone)]
struct AbsentColumn {
    /// The first of these files.
    first: PathBuf,
    /// Number of these files.
    files: usize,
}

impl Source {
    /// Finds the files of a source, and reads the names of their columns. Empty files are left out.
    ///
    /// # Errors
    /// * [`Error::Read`], [`Error::Malformed`]: a file cannot be read
    /// * [`Error::Empty`]: there are no files, or all are empty
    pub(crate) fn open(path: &Path, options: FileOptions) -> Result<Self> {
        Self::open_files(path, options, FileColumns::read)
    }

    /// Finds the files of a feature matrix like [`Source::open`]. In CSV, the apostrophes that pql
    /// writes before formulas are removed.
    pub(crate) fn open_matrix(path: &Path, options: FileOptions) -> Result<Self> {
        Self::open_files(path, options, FileColumns::read_matrix)
    }

    fn open_files(
        path: &Path,
        options: FileOptions,
        read_columns: fn(&Path, FileOptions) -> Result<FileColumns>,
    ) -> Result<Self> {
        let mut source = Self {
            path: path.to_owned(),
            options,
            files: Vec::new(),
            columns: Vec::new(),
            absent: BTreeMap::new(),
            unread: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        let mut empty = None;
        let Listing { files, unread } = list(path, options.format)?;
        source.unread = unread;
        for file in files {
            let columns = match read_columns(&file, options) {
                Err(error @ Error::Empty { .. }) => {
                    empty.get_or_insert(error);
                    continue;
                }
                columns => columns?,
            };
            for name in columns.names().filter(|name| !seen.contains(*name)).collect::<Vec<_>>() {
                seen.insert(name.clone());
                source.columns.push(name.clone());
            }
            // Files of one table usually have the same columns: keep one list of them.
            let columns = match source.files.last() {
                Some(last) if *last.columns == columns => last.columns.clone(),
                _ => Arc::new(columns),
            };
            source.files.push(SourceFile { path: file, columns });
        }
        match empty {
            Some(error) if source.files.is_empty() => Err(error),
            _ => Ok(source),
        }
    }

    /// Returns the files that cannot be read, sorted.
    pub(crate) fn unread(&self) -> &[PathBuf] {
        &self.unread
    }

    /// Returns the number of files.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns the path of a file.
    pub(crate) fn file(&self, index: usize) -> &Path {
        &self.files[index].path
    }

    /// Returns the names of the columns of all files, in order of first appearance.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns whether a file has a column, or may have values of a dotted name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.columns.has(name))
    }

    /// Returns whether a file has several columns of a name.
    pub(crate) fn is_repeated(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.columns.is_repeated(name))
    }

    /// Returns the first file without a column that it must have. Keys may be absent from the
    /// objects of one NDJSON file if another file has them.
    pub(crate) fn file_without(&self, name: &str) -> Option<&Path> {
        let lacks = |file: &&SourceFile| !file.columns.has(name);
        let first = self.files.iter().find(lacks)?;
        let must_have = |file: &&SourceFile| lacks(file) && !file.columns.has_optional_keys();
        if self.has(name) {
            return self.files.iter().find(must_have).map(|file| file.path.as_path());
        }
        Some(&first.path)
    }

    /// Returns whether a column that no file has may be read as null: keys may be absent from all
    /// objects of NDJSON.
    pub(crate) fn has_optional_keys(&self) -> bool {
        self.files.iter().any(|file| file.columns.has_optional_keys())
    }

    /// Returns the error for a column that a file lacks.
    ///
    /// # Arguments
    /// * `role` – the key of the project file that names the column
    pub(crate) fn missing(&self, file: &Path, name: &str, role: &str) -> Error {
        let mut list = self.files.iter().filter(|other| other.path == file);
        if let Some(list) = list.find_map(|file| file.columns.list_around(name)) {
            let problem = format!(
                "column `{list}`: found a list, expected a struct or a text with JSON, to read `{name}` ({role}); export the column as JSON"
            );
            return Error::malformed(file, problem, None);
        }
        let nested = nested_columns(file, SEARCHED_ROWS, self.options).unwrap_or_default();
        let inside = nested.iter().find(|path| path.rsplit('.').next() == Some(name)).cloned();
        let names = self.columns.iter().chain(&nested).map(String::as_str);
        let suggestion = inside.or_else(|| nearest(name, names));
        Error::MissingColumn {
            path: file.to_owned(),
            column: name.to_owned(),
            role: role.to_owned(),
            suggestion,
        }
    }

    /// Reads columns of a file, in order; the next batch is read while `batch` processes one.
    ///
    /// # Arguments
    /// * `columns` – columns that the file lacks are null
    /// * `dictionary_columns` – text columns to return as dictionaries where the file stores them
    ///   so
    /// # Errors
    /// Those of [`super::read`], except that no column is missing.
    pub(crate) fn read(
        &mut self,
        index: usize,
        columns: &[String],
        dictionary_columns: &[String],
        batch: &mut dyn FnMut(RowBatch) -> Result<()>,
    ) -> Result<ReadSummary> {
        let mut batch = |rows| batch(rows).map(ControlFlow::Continue);
        let read = |send: &mut BatchHandler<'_, RowBatch>| {
            let request = self.request(index, columns, dictionary_columns);
            read_request(&self.files[index].path, &request, send)
        };
        let flow = prefetch(read, &mut batch)?;
        let summary = flow.continue_value().expect("no batch stops the reading");
        self.record_absent(index, &summary.absent);
        Ok(summary)
    }

    /// Reads columns of a file like [`Source::read`], without reading ahead, until `batch` stops
    /// it.
    pub(crate) fn read_batches(
        &mut self,
        index: usize,
        columns: &[String],
        batch: &mut BatchHandler<'_, RowBatch>,
    ) -> Result<ControlFlow<(), ReadSummary>> {
        let request = self.request(index, columns, &[]);
        let flow = read_request(&self.files[index].path, &request, batch)?;
        if let ControlFlow::Continue(summary) = &flow {
            self.record_absent(index, &summary.absent);
        }
        Ok(flow)
    }

    fn request<'r>(
        &'r self,
        index: usize,
        columns: &'r [String],
        dictionary_columns: &'r [String],
    ) -> Request<'r> {
        Request {
            columns: Some(columns),
            dictionary_columns,
            known: Some(&self.files[index].columns),
            lenient: true,
            options: self.options,
        }
    }

    fn record_absent(&mut self, index: usize, names: &BTreeSet<String>) {
        let first = &self.files[index].path;
        for name in names {
            let absent = self.absent.entry(name.clone());
            absent.or_insert(AbsentColumn { first: first.clone(), files: 0 }).files += 1;
        }
    }

    /// Returns warnings about files that cannot be read, and about columns that files lack, after
    /// all files were read.
    ///
    /// # Arguments
    /// * `required` – returns the key of the project file if a column must have values
    /// # Errors
    /// * [`Error::MissingColumn`]: no file has a required column
    pub(crate) fn warnings(
        &self,
        required: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<Warning>> {
        let mut warnings = Vec::new();
        if let Some(first) = self.unread.first() {
            let (source, first) = (self.path.clone(), first.clone());
            let (unread, files) = (self.unread.len(), self.files.len());
            warnings.push(Warning::FilesNotRead { source, unread, files, first });
        }
        for (name, absent) in &self.absent {
            let everywhere = absent.files == self.files.len();
            if everywhere && let Some(role) = required(name) {
                return Err(self.missing(&absent.first, name, &role));
            }
            warnings.push(Warning::ColumnAbsent {
                source: self.path.clone(),
                column: name.clone(),
                absent: absent.files,
                files: self.files.len(),
                first: absent.first.clone(),
            });
        }
        Ok(warnings)
    }
}
