//! Feature matrices from other tools: read as a whole for training, or batch by batch for scoring.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use polars::prelude::*;
use rayon::prelude::*;

use crate::config::{MatrixConfig, MaxLine};
use crate::dataset::labels::{Labels, find_labels};
use crate::dataset::split::Split;
use crate::error::{Error, Result};
use crate::io::read::{self, FileOptions, Source};
use crate::io::sink::Sink;
use crate::log::cells::{
    self, AbsentTimes, CellLocation, ColumnNotes, NO_TIME, TimeColumn, TimeText, TypedColumn,
};
use crate::log::joined::JoinedTable;
use crate::log::{ColumnTypes, NumberFormat, ValueKind};
use crate::names::nearest;
use crate::warning::Warning;

/// Columns written by `pql features` that are not features.
const RESERVED: [&str; 2] = ["outcome", "split"];

/// A feature matrix with outcomes.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The features, `Float64` or `String`.
    pub features: DataFrame,
    /// Account of each row.
    pub account: Vec<String>,
    /// Cutoff of each row, µs UTC; `None` without such a column.
    pub cutoff: Option<Vec<i64>>,
    /// Whether each row converted; `None` where unknown.
    pub y: Vec<Option<bool>>,
    /// Split of each row; `None` without such a column.
    pub split: Option<Vec<Split>>,
    /// Formats of numbers other than decimal points, by column.
    pub formats: BTreeMap<String, NumberFormat>,
    /// Warnings about the files and columns.
    pub warnings: Vec<Warning>,
}

/// A batch of a feature matrix, for scoring.
#[derive(Debug, Clone)]
pub struct MatrixBatch {
    /// The features, `Float64` with NaN as null or `String`.
    pub features: DataFrame,
    /// Account of each row, as text.
    pub account: Column,
    /// Cutoff of each row, µs UTC, where known.
    pub cutoff: Vec<Option<i64>>,
}

/// The columns of a matrix that are not features.
struct KeyColumns {
    account: Option<String>,
    cutoff: Option<String>,
    label: String,
}

impl KeyColumns {
    fn resolve(config: &MatrixConfig, files: &Source) -> Result<Self> {
        let pick = |configured: &Option<String>, default: &str, key: &str| {
            let name = configured.as_deref().unwrap_or(default);
            match files.file_without(name) {
                None => Ok(Some(name.to_owned())),
                Some(file) if configured.is_some() || files.has(name) => {
                    Err(files.missing(file, name, &format!("`matrix.{key}`")))
                }
                Some(_) => Ok(None),
            }
        };
        Ok(Self {
            account: pick(&config.account, "account_id", "account")?,
            cutoff: pick(&config.cutoff, "cutoff", "cutoff")?,
            label: label_column(config).to_owned(),
        })
    }

    /// Returns the columns of accounts and cutoffs.
    fn names(&self) -> Vec<String> {
        [&self.account, &self.cutoff].into_iter().flatten().cloned().collect()
    }

    /// Returns whether a key is a value inside a column, such as `context` of `context.account`.
    fn is_around_key(&self, files: &Source, column: &str) -> bool {
        let inside = |key: &String| {
            !files.columns().contains(key)
                && key.strip_prefix(column).is_some_and(|rest| rest.starts_with('.'))
        };
        self.names().iter().chain([&self.label]).any(inside)
    }

    fn is_feature(&self, name: &str) -> bool {
        let key = [self.account.as_deref(), self.cutoff.as_deref(), Some(self.label.as_str())]
            .contains(&Some(name));
        !key && !RESERVED.contains(&name)
    }
}

/// Returns how the files are read.
fn options(config: &MatrixConfig, max_line: MaxLine) -> FileOptions {
    FileOptions::new(max_line, config.file_format)
}

/// Returns the column of outcomes.
fn label_column(config: &MatrixConfig) -> &str {
    config.label.as_deref().unwrap_or("converted")
}

/// Collects the batches of a matrix.
struct MatrixBuilder<'a> {
    types: &'a ColumnTypes,
    frame: JoinedTable,
    account: Vec<String>,
    cutoff: TimeColumn,
    labels: Labels<'a>,
    split: Vec<Split>,
    /// Files and the index of their first row.
    files: Vec<(PathBuf, usize)>,
    /// Warnings about the files.
    warnings: Vec<Warning>,
}

/// Reads all rows of a matrix, with outcomes.
///
/// # Arguments
/// * `types` – how the columns are read
/// # Errors
/// * [`Error::MissingColumn`]: the outcome column or a configured column is missing
/// * [`Error::BadValue`]: an outcome, cutoff or split is invalid
/// * [`Error::Empty`]: there are no rows
pub fn read(path: &Path, config: &MatrixConfig, types: &ColumnTypes) -> Result<Matrix> {
    let mut builder = MatrixBuilder {
        types,
        frame: JoinedTable::default(),
        account: Vec::new(),
        cutoff: TimeColumn::in_zone(types.zone),
        labels: Labels::new(config.positive.as_deref(), &types.null),
        split: Vec::new(),
        files: Vec::new(),
        warnings: Vec::new(),
    };
    let mut files = Source::open_matrix(path, options(config, types.max_line))?;
    let keys = KeyColumns::resolve(config, &files)?;
    if let Some(file) = files.file_without(&keys.label) {
        let missing = files.missing(file, &keys.label, "the outcome, `matrix.label`");
        return Err(if config.label.is_none() {
            missing_label(&mut files, missing)
        } else {
            missing
        });
    }
    let has_split = files.has("split");
    if has_split && let Some(file) = files.file_without("split") {
        return Err(files.missing(file, "split", "which other files have"));
    }
    let mut names = keys.names();
    names.push(keys.label.clone());
    let others = files.columns().iter().filter(|name| !keys.is_around_key(&files, name));
    names.extend(others.cloned());
    for index in 0..files.len() {
        let file = files.file(index).to_owned();
        builder.files.push((file.clone(), builder.account.len()));
        files.read(index, &names, &[], &mut |batch| {
            builder.add_batch(&file, batch.first_row, &batch.frame, &keys)
        })?;
    }
    builder.warnings = files
        .warnings(|name| (name == keys.label).then(|| "the outcome, `matrix.label`".to_owned()))?;
    if builder.account.is_empty() {
        return Err(Error::Empty {
            path: path.to_owned(),
            expected: "expected one row per observation".to_owned(),
        });
    }
    builder.finish(path, &keys, has_split)
}

/// Returns the error for a matrix without the default column of outcomes, with the columns of the
/// first rows that may have them.
fn missing_label(files: &mut Source, missing: Error) -> Error {
    let Error::MissingColumn { path, suggestion, .. } = missing else { return missing };
    let (names, mut candidates) = (files.columns().to_vec(), Vec::new());
    let read = files.read_batches(0, &names, &mut |batch| {
        candidates = find_labels(&batch.frame)?;
        Ok(ControlFlow::Break(()))
    });
    // A table that cannot be read has no candidates.
    drop(read);
    Error::MissingLabel { path, suggestion, candidates }
}

impl MatrixBuilder<'_> {
    fn add_batch(
        &mut self,
        file: &Path,
        first_row: u64,
        frame: &DataFrame,
        keys: &KeyColumns,
    ) -> Result<()> {
        let malformed = |e| Error::unexpected_table(file, e);
        let location = |column| CellLocation { path: file, column, first_row, rows: &[] };
        let column = |name: &str| read::column(file, frame, name);
        let before = self.account.len();
        self.account.extend(
            accounts(frame, keys, before, file, first_row)?.iter().flatten().map(str::to_owned),
        );
        if let Some(name) = &keys.cutoff {
            self.cutoff.pad(before);
            let written = TimeText { format: None, null: &self.types.null };
            self.cutoff.push(column(name)?, written, location(name))?;
        }
        self.labels.push(column(&keys.label)?, location(&keys.label))?;
        if let Ok(column) = frame.column("split") {
            for (row_index, split) in cells::text(column)?.iter().enumerate() {
                self.split.push(match split {
                    Some("train") => Split::Train,
                    Some("test") => Split::Test,
                    Some("cross-validated") => Split::CrossValidated,
                    None | Some("") => Split::Unused,
                    Some(other) => {
                        return Err(location("split").bad_value(
                            row_index,
                            other,
                            "`train`, `test`, `cross-validated` or nothing",
                        ));
                    }
                });
            }
        }
        let features: Vec<Column> =
            frame.columns().iter().filter(|c| keys.is_feature(c.name())).cloned().collect();
        let features = DataFrame::new(frame.height(), features).map_err(malformed)?;
        self.frame.append(file, &features)
    }

    fn finish(self, path: &Path, keys: &KeyColumns, has_split: bool) -> Result<Matrix> {
        let Self { types, files, .. } = self;
        let locate = |row: u64| {
            let index = usize::try_from(row - 1).expect("a row of a table in memory");
            let (file, first) = &files[files.partition_point(|(_, first)| *first <= index) - 1];
            (file.clone(), (index - first) as u64 + 1)
        };
        let frame = self.frame.finish();
        let convert = |column: &Column| {
            let location = CellLocation { path, column: column.name(), first_row: 1, rows: &[] };
            let typed = types.convert(column, location).map_err(|e| cells::located(e, locate))?;
            Ok(typed.locate(|row| locate(row).1))
        };
        let columns: Vec<TypedColumn> =
            frame.columns().par_iter().map(convert).collect::<Result<_>>()?;
        let mut notes = ColumnNotes::default();
        let columns: Vec<Column> = columns.into_iter().map(|column| notes.note(column)).collect();
        if columns.is_empty() {
            return Err(Error::NoFeatures {
                problem: format!(
                    "`{}` has no columns other than account, cutoff and outcome",
                    path.display()
                ),
            });
        }
        let features = DataFrame::new(frame.height(), columns)
            .map_err(|e| Error::unexpected_table(path, e))?;
        let cutoff = keys.cutoff.as_ref().map(|column| {
            let bad = |index: usize, found| {
                let (path, row) = locate(index as u64 + 1);
                bad_cutoff(path, row, column, found)
            };
            let (cutoff, _) = self.cutoff.finish().map_err(|(index, found)| bad(index, found))?;
            match cutoff.iter().position(|t| *t == NO_TIME) {
                Some(index) => Err(bad(index, String::new())),
                None => Ok(cutoff),
            }
        });
        if let Some(index) = mixed_split(&self.split) {
            let (path, row) = locate(index as u64 + 1);
            return Err(Error::BadValue {
                path,
                row: Some(row),
                column: "split".to_owned(),
                found: "cross-validated".to_owned(),
                expected: "`train` or `test`, as in other rows".to_owned(),
            });
        }
        let (y, marks) = self.labels.finish()?;
        notes.note_marks(&keys.label, y.len() as u64, marks);
        let split = has_split.then_some(self.split);
        Ok(Matrix {
            features,
            account: self.account,
            cutoff: cutoff.transpose()?,
            y,
            split,
            warnings: self.warnings.into_iter().chain(notes.warnings()).collect(),
            formats: notes.formats,
        })
    }
}

/// Returns the first cross-validated row if others are training or test rows: a cross-validated row
/// is both.
fn mixed_split(split: &[Split]) -> Option<usize> {
    let is_one_set = split.iter().any(|split| matches!(split, Split::Train | Split::Test));
    is_one_set.then(|| split.iter().position(|split| *split == Split::CrossValidated)).flatten()
}

fn bad_cutoff(path: PathBuf, row: u64, column: &str, found: String) -> Error {
    let expected = "a time".to_owned();
    Error::BadValue { path, row: Some(row), column: column.to_owned(), found, expected }
}

/// Returns the accounts of a batch; without such a column, each row is an account with its row
/// number as its id.
fn accounts(
    frame: &DataFrame,
    keys: &KeyColumns,
    before: usize,
    file: &Path,
    first_row: u64,
) -> Result<StringChunked> {
    let Some(name) = &keys.account else {
        return Ok((before + 1..=before + frame.height()).map(|n| Some(n.to_string())).collect());
    };
    let column = read::column(file, frame, name)?;
    let location = CellLocation { path: file, column: name, first_row, rows: &[] };
    let accounts = cells::ids(column, location)?;
    let missing = accounts.iter().position(|account| account.is_none());
    match missing {
        Some(row_index) => Err(location.bad_value(row_index, "", "an account")),
        None => Ok(accounts),
    }
}

/// Returns the first file of a matrix that lacks a column of accounts, and the most similar column
/// name; `None` where all files have accounts.
///
/// # Errors
/// * [`Error::MissingColumn`]: a configured column is missing, or some files lack accounts
/// * errors of [`read::columns`]
pub fn find_file_without_accounts(
    path: &Path,
    config: &MatrixConfig,
    max_line: MaxLine,
) -> Result<Option<(PathBuf, Option<String>)>> {
    let files = Source::open_matrix(path, options(config, max_line))?;
    if KeyColumns::resolve(config, &files)?.account.is_some() {
        return Ok(None);
    }
    let suggestion = nearest("account_id", files.columns().iter().map(String::as_str));
    Ok(Some((files.file(0).to_owned(), suggestion)))
}

/// Reads a matrix batch by batch for scoring; while `batch` processes one, the next is read.
/// Warnings about the files and columns go to the sink.
///
/// # Arguments
/// * `types` – how the features of the model are read, with the kind of each
/// # Errors
/// * [`Error::MissingFeature`]: no file of the matrix has a feature of the model
/// * [`Error::BadValue`]: a value is not a valid number or time
/// * errors of `batch`
pub fn batches(
    (path, config): (&Path, &MatrixConfig),
    types: &ColumnTypes,
    sink: &mut Sink<'_>,
    batch: &mut dyn FnMut(MatrixBatch) -> Result<()>,
) -> Result<()> {
    let mut batch = |next| batch(next).map(ControlFlow::Continue);
    // Prefetch across files: while the end of a file is scored, the next file is read.
    let notes = read::prefetch(|send| read_file_batches(path, config, types, send), &mut batch)?;
    let warnings = notes.continue_value().map(BatchNotes::into_warnings).unwrap_or_default();
    warnings.into_iter().for_each(|warning| sink.notify(warning));
    Ok(())
}

/// What was noticed in the files and columns of a batch.
#[derive(Default)]
struct BatchNotes {
    columns: ColumnNotes,
    /// Cutoffs that are read as missing.
    absent: AbsentTimes,
    warnings: Vec<Warning>,
}

impl BatchNotes {
    fn into_warnings(self) -> Vec<Warning> {
        let mut warnings = self.warnings;
        warnings.extend(self.columns.marks_only().warnings());
        warnings
    }
}

fn read_file_batches(
    path: &Path,
    config: &MatrixConfig,
    types: &ColumnTypes,
    handle: &mut read::BatchHandler<'_, MatrixBatch>,
) -> Result<ControlFlow<(), BatchNotes>> {
    let mut files = Source::open_matrix(path, options(config, types.max_line))?;
    let keys = KeyColumns::resolve(config, &files)?;
    if let Some(feature) = types.kinds.keys().find(|feature| !files.has(feature)) {
        return Err(missing_feature(&files, feature));
    }
    let mut names = keys.names();
    names.extend(types.kinds.keys().cloned());
    let (mut before, mut notes) = (0, BatchNotes::default());
    for index in 0..files.len() {
        let file = files.file(index).to_owned();
        let read = files.read_batches(
            index,
            &names,
            &mut |read::RowBatch { first_row, frame, .. }| {
                let account = accounts(&frame, &keys, before, &file, first_row)?.into_column();
                before += frame.height();
                let cutoff = cutoffs(&frame, &keys, (&file, first_row), types, &mut notes)?;
                let features = features(&frame, types, (&file, first_row), &mut notes.columns)?;
                handle(MatrixBatch { features, account, cutoff })
            },
        );
        if read?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    notes.warnings = files.warnings(|_| None)?;
    notes.warnings.extend((before == 0).then(|| Warning::NoRows { path: path.to_owned() }));
    if let Some(cutoff) = keys.cutoff {
        let AbsentTimes { never, marks } = std::mem::take(&mut notes.absent);
        notes.columns.note_marks(&cutoff, before as u64, marks);
        notes.warnings.extend(never.warning(cutoff));
    }
    Ok(ControlFlow::Continue(notes))
}

fn missing_feature(files: &Source, feature: &str) -> Error {
    let file = files.file_without(feature).map(Path::to_owned);
    let suggestion = nearest(feature, files.columns().iter().map(String::as_str));
    Error::MissingFeature { path: file, feature: feature.to_owned(), suggestion }
}

/// Returns the features of a batch, of the kinds of the model.
fn features(
    frame: &DataFrame,
    types: &ColumnTypes,
    (file, first_row): (&Path, u64),
    notes: &mut ColumnNotes,
) -> Result<DataFrame> {
    let typed = |(name, kind): (&String, &ValueKind)| {
        let location = CellLocation { path: file, column: name, first_row, rows: &[] };
        let column =
            frame.column(name).map_err(|e| location.bad_value(0, e.to_string(), "a column"))?;
        // Used as is: the design treats NaN as null, and replacing NaN here would take a third of
        // the time of the design.
        let ready = *kind == ValueKind::Number
            && column.dtype() == &DataType::Float64
            && !types.null.has_numbers();
        if ready { Ok(TypedColumn::from(column.clone())) } else { types.convert(column, location) }
    };
    let columns: Vec<TypedColumn> = types.kinds.par_iter().map(typed).collect::<Result<_>>()?;
    let columns = columns.into_iter().map(|column| notes.note(column)).collect();
    DataFrame::new(frame.height(), columns).map_err(|e| Error::unexpected_table(file, e))
}

/// Returns the cutoffs of a batch, where they are known.
fn cutoffs(
    frame: &DataFrame,
    keys: &KeyColumns,
    (file, first_row): (&Path, u64),
    types: &ColumnTypes,
    notes: &mut BatchNotes,
) -> Result<Vec<Option<i64>>> {
    let Some(name) = &keys.cutoff else { return Ok(vec![None; frame.height()]) };
    let column = read::column(file, frame, name)?;
    let location = CellLocation { path: file, column: name, first_row, rows: &[] };
    let mut times = TimeColumn::in_zone(types.zone);
    times.push(column, TimeText { format: None, null: &types.null }, location)?;
    let (times, absent) = times
        .finish()
        .map_err(|(index, found)| bad_cutoff(file.to_owned(), location.row(index), name, found))?;
    notes.absent.merge(absent);
    Ok(times.into_iter().map(|t| (t != NO_TIME).then_some(t)).collect())
}
