//! Sample of the first rows of a source, by column.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, NewChunkedArray, StringChunked};

use super::times::{self, TimeFormat};
use super::words;
use crate::error::{Error, Result};
use crate::io::read::{self, FileOptions, Source};
use crate::log::cells::{self, NullMarks, TextColumnKind};

/// Maximum number of rows read from all files of a source.
const ROWS: usize = 50_000;
/// Maximum number of rows read of an account list, which should have all accounts of the events.
const LIST_ROWS: usize = 500_000;
/// Maximum number of cells, which bounds memory for wide tables.
const CELLS: usize = 5_000_000;
/// Minimum number of rows read per file.
const FILE_ROWS: usize = 500;
/// Maximum number of files read, spread evenly.
const FILES: usize = 100;
/// Maximum number of files and of rows of each that are searched for values inside objects.
const NESTED_FILES: usize = 5;
const NESTED_ROWS: usize = 1_000;
/// Maximum number of rows whose values are kept by row, to compare columns with each other.
const HEAD: usize = 2_000;

/// Kind of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// No values.
    Empty,
    /// 0/1 or true/false.
    Flag,
    /// Numbers.
    Number,
    /// Anything else.
    Text,
}

/// What a column is for the training, which reads numbers also with separators, decimal commas and
/// marks of missing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrainedKind {
    /// Numbers.
    Number,
    /// Numbers and a few other values, so that it is text.
    NearlyNumber,
    /// Text.
    Text,
}

/// A sampled column of a source.
#[derive(Debug)]
pub(super) struct Column {
    /// Its name; a dotted one is a key within an object.
    pub(super) name: String,
    /// The words of its name, without the objects around it.
    pub(super) words: Vec<String>,
    /// Number of objects around it.
    pub(super) depth: usize,
    /// Distinct values in canonical form and their counts, most frequent first, then by bytes.
    pub(super) values: Vec<(String, usize)>,
    /// Rows with a value.
    pub(super) present: usize,
    /// Rows sampled.
    pub(super) rows: usize,
    /// Kind of the values.
    pub(super) kind: ColumnKind,
    /// Values of the first rows of each file, in the same rows for all columns of a sample.
    pub(super) head: Vec<Option<Box<str>>>,
    /// The format of the times, if almost all values are times or mean never.
    time_format: Option<TimeFormat>,
    /// Values of a column of times that are no times.
    not_times: Vec<String>,
}

impl Column {
    fn new(name: String, counted: ColumnValues, rows: usize) -> Self {
        let mut values: Vec<(String, usize)> = counted.counts.into_iter().collect();
        values.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let present = values.iter().map(|(_, n)| n).sum();
        let all = |holds: &dyn Fn(&str) -> bool| values.iter().all(|(v, _)| holds(v.trim()));
        let kind = if values.is_empty() {
            ColumnKind::Empty
        } else if all(&|v| flag(v).is_some()) {
            ColumnKind::Flag
        } else if all(&|v| cells::parse_number(v).is_some()) {
            ColumnKind::Number
        } else {
            ColumnKind::Text
        };
        let (words, depth) = words::of_path(&name);
        let texts = values.iter().map(|(text, _)| text.as_str());
        let is_missing = times::missing();
        let times = times::detect(texts.filter(|text| !is_missing(text)));
        let (time_format, not_times) = times.map_or((None, Vec::new()), |times| {
            let others = times.others.into_iter().map(str::to_owned).collect();
            (Some(times.format), others)
        });
        let head = counted.head;
        Self { name, words, depth, values, present, rows, kind, head, time_format, not_times }
    }

    /// Returns what the column is for the training.
    pub(super) fn trained_kind(&self) -> TrainedKind {
        if self.kind != ColumnKind::Text {
            return TrainedKind::Number;
        }
        let texts = StringChunked::from_iter_values("".into(), self.texts());
        match cells::infer_kind(&texts, &NullMarks::default()) {
            TextColumnKind::Numbers(_) => TrainedKind::Number,
            TextColumnKind::NearlyNumbers { .. } => TrainedKind::NearlyNumber,
            TextColumnKind::NumbersWithUnit { .. } | TextColumnKind::Texts => TrainedKind::Text,
        }
    }

    /// Returns the time format of the values, if almost all are times; values that are read as
    /// missing are left out.
    pub(super) fn time_format(&self) -> Option<TimeFormat> {
        self.time_format.clone()
    }

    /// Returns the number of rows with a time that is not read as missing.
    pub(super) fn times_present(&self) -> usize {
        let is_missing = times::missing();
        let is_time = |text: &String| !is_missing(text) && !self.not_times.contains(text);
        self.values.iter().filter(|(text, _)| is_time(text)).map(|(_, n)| n).sum()
    }

    /// Returns whether there are values, all of which are times that mean never.
    pub(super) fn never_has_a_time(&self) -> bool {
        self.present > 0 && self.texts().all(cells::text_means_never)
    }

    /// Returns the distinct values.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> + Clone {
        self.values.iter().map(|(value, _)| value.as_str())
    }

    /// Returns the number of distinct values.
    pub(super) fn distinct(&self) -> usize {
        self.values.len()
    }
}

/// Parses 0/1 or true/false.
pub(super) fn flag(text: &str) -> Option<bool> {
    match cells::parse_bool(text).or_else(|| cells::parse_number(text))? {
        0.0 => Some(false),
        1.0 => Some(true),
        _ => None,
    }
}

/// The values of a column while they are counted.
#[derive(Debug, Default)]
struct ColumnValues {
    counts: HashMap<String, usize>,
    head: Vec<Option<Box<str>>>,
}

/// The first rows of a source.
#[derive(Debug)]
pub(super) struct Sample {
    /// Path, glob or folder, as passed.
    pub(super) path: PathBuf,
    /// Its files.
    pub(super) files: Vec<PathBuf>,
    /// The columns that can be used.
    pub(super) columns: Vec<Column>,
    /// Names of which a file has several columns, so that they cannot be used.
    pub(super) repeated: Vec<String>,
    /// Rows read.
    pub(super) rows: usize,
    /// Whether all rows of the source were read.
    pub(super) whole: bool,
}

impl Sample {
    /// Reads the first rows of a source.
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::read_rows(path, ROWS)
    }

    /// Reads the first rows of an account list.
    pub(super) fn read_list(path: &Path) -> Result<Self> {
        Self::read_rows(path, LIST_ROWS)
    }

    /// Reads the first rows; a source of empty files has no columns.
    fn read_rows(path: &Path, max_rows: usize) -> Result<Self> {
        let files = read::files(path)?;
        let mut source = match Source::open(path, FileOptions::default()) {
            Err(Error::Empty { .. }) => {
                let (columns, repeated) = (Vec::new(), Vec::new());
                let path = path.to_owned();
                return Ok(Self { path, files, columns, repeated, rows: 0, whole: true });
            }
            opened => opened?,
        };
        let mut names = all_columns(&source)?;
        let is_repeated = |name: &mut String| source.is_repeated(name);
        let repeated = names.extract_if(.., is_repeated).collect();
        let sampled: Vec<usize> = (0..source.len()).step_by(source.len().div_ceil(FILES)).collect();
        let quota = (max_rows.min(CELLS / names.len().max(1)) / sampled.len()).max(FILE_ROWS);
        let head = HEAD.div_ceil(sampled.len());
        let mut counts: HashMap<String, ColumnValues> =
            names.iter().map(|n| (n.clone(), ColumnValues::default())).collect();
        let (mut rows, mut whole) = (0, sampled.len() == source.len());
        for index in sampled {
            let read = count_file((&mut source, index), quota, head, &names, &mut counts)?;
            rows += read;
            whole &= read < quota;
        }
        let columns = names
            .into_iter()
            .filter_map(|n| counts.remove(&n).map(|c| Column::new(n, c, rows)))
            .collect();
        Ok(Self { path: path.to_owned(), files, columns, repeated, rows, whole })
    }

    /// Returns the path as passed.
    pub(super) fn label(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns the column of a name.
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the column names in backticks.
    pub(super) fn column_list(&self) -> String {
        self.columns.iter().map(|c| format!("`{}`", c.name)).collect::<Vec<_>>().join(", ")
    }
}

/// Returns the columns of all files, and the dotted names of values inside objects instead of the
/// columns with the objects.
fn all_columns(source: &Source) -> Result<Vec<String>> {
    let mut nested: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for index in (0..source.len()).step_by(source.len().div_ceil(NESTED_FILES)) {
        let names = read::nested_columns(source.file(index), NESTED_ROWS, FileOptions::default())?;
        nested.extend(names.into_iter().filter(|name| seen.insert(name.clone())));
    }
    let has_values_inside = |column: &&String| {
        let inside = |name: &String| {
            name.strip_prefix(column.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        nested.iter().any(inside)
    };
    let plain = source.columns().iter().filter(|column| !has_values_inside(column));
    Ok(plain.chain(&nested).cloned().collect())
}

/// Counts the values of the first rows of a file; unreadable columns are removed from `counts`.
fn count_file(
    (source, index): (&mut Source, usize),
    quota: usize,
    head: usize,
    names: &[String],
    counts: &mut HashMap<String, ColumnValues>,
) -> Result<usize> {
    loop {
        let requested: Vec<String> =
            names.iter().filter(|n| counts.contains_key(*n)).cloned().collect();
        let mut frames = Vec::new();
        let mut rows = 0;
        let read = first_rows((source, index), &requested, quota, &mut |frame| {
            rows += frame.height();
            frames.push(frame);
        });
        match read {
            Ok(()) => {
                let mut left = head;
                for frame in &frames {
                    count(frame, left, counts)?;
                    left = left.saturating_sub(frame.height());
                }
                return Ok(rows);
            }
            Err(error) => {
                let unreadable = unreadable((source, index), &requested, &error);
                if unreadable.is_empty() {
                    return Err(error);
                }
                counts.retain(|name, _| !unreadable.contains(name));
            }
        }
    }
}

/// Returns the columns that cause an error, such as lists and objects.
fn unreadable(
    (source, index): (&mut Source, usize),
    requested: &[String],
    error: &Error,
) -> Vec<String> {
    match error {
        Error::BadValue { column, .. } | Error::MissingColumn { column, .. } => {
            vec![column.clone()]
        }
        _ if requested.len() < 2 => Vec::new(),
        _ => {
            let mut fails = |name: &&String| {
                first_rows((source, index), std::slice::from_ref(*name), 1, &mut |_| {}).is_err()
            };
            let failing: Vec<String> =
                requested.iter().filter(|name| fails(name)).cloned().collect();
            if failing.len() == requested.len() { Vec::new() } else { failing }
        }
    }
}

/// Reads the first rows of a file.
fn first_rows(
    (source, index): (&mut Source, usize),
    columns: &[String],
    rows: usize,
    take: &mut dyn FnMut(DataFrame),
) -> Result<()> {
    let mut left = rows;
    // No read-ahead: the first batch is usually enough.
    let read = source.read_batches(index, columns, &mut |batch| {
        let frame = batch.frame.head(Some(left));
        left -= frame.height();
        take(frame);
        Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    read.map(drop)
}

/// Counts the values of a frame in canonical form, and keeps those of its first `head` rows.
fn count(frame: &DataFrame, head: usize, counts: &mut HashMap<String, ColumnValues>) -> Result<()> {
    for column in frame.columns() {
        let Some(values) = counts.get_mut(column.name().as_str()) else { continue };
        let texts = cells::text(column)?;
        for (row, text) in texts.iter().enumerate() {
            let value = text.map(cells::canonical).filter(|text| !text.is_empty());
            if row < head {
                values.head.push(value.as_deref().map(Into::into));
            }
            let Some(value) = value else { continue };
            match values.counts.get_mut(&*value) {
                Some(n) => *n += 1,
                None => {
                    values.counts.insert(value.into_owned(), 1);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_inside_objects_are_columns_but_lists_are_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("e.ndjson");
        let text = "{\"a\":\"x\",\"p\":{\"q\":{\"distinct_id\":1}},\"l\":[1],\"f\":true}\n\
                    {\"a\":\"y\",\"l\":[],\"f\":false}\n{\"a\":\"x\",\"f\":null}\n";
        std::fs::write(&file, text).unwrap();
        let sample = Sample::read(&file).unwrap();
        assert_eq!(sample.column_list(), "`a`, `f`, `p.q.distinct_id`");
        assert_eq!(sample.columns[0].values, [("x".to_owned(), 2), ("y".to_owned(), 1)]);
        assert_eq!(
            (sample.columns[1].kind, sample.columns[1].present, sample.columns[1].rows),
            (ColumnKind::Flag, 2, 3)
        );
        assert_eq!(
            (sample.columns[2].words.join(" ").as_str(), sample.columns[2].depth),
            ("distinct id", 2)
        );
    }

    #[test]
    fn columns_of_any_file_and_of_folders_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let days = ["day=2024-01-01", "day=2024-01-02"].map(|day| folder.path().join(day));
        days.iter().for_each(|day| std::fs::create_dir(day).unwrap());
        std::fs::write(days[0].join("1.csv"), "a,b\n1,2\n").unwrap();
        std::fs::write(days[1].join("2.csv"), "c,a\n1,2\n").unwrap();
        let sample = Sample::read(folder.path()).unwrap();
        let mut names: Vec<&str> = sample.columns.iter().map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b", "c", "day"]);
        assert_eq!(sample.column("b").unwrap().present, 1);
    }
}
