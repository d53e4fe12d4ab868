//! A ledger of scores: a folder of Parquet files, `DIR/cutoff=2025-06-30/NAME@VERSION.parquet`, one
//! for each run of a model.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use polars::prelude::{DataFrame, DataType, Schema, TimeUnit, TimeZone};

use crate::error::{Error, Result};
use crate::io::read;
use crate::io::write::{Format, Table, TableWriter};
use crate::registry::versions::{name_of, sweep};
use crate::time::{DAY, iso, iso_day, parse_iso};

/// How the name of the folder of a time begins.
const FOLDER: &str = "cutoff=";
/// How the file of a run ends.
const ENDING: &str = ".parquet";
/// How a folder begins while its file is written.
const STAGED: &str = ".pql-";
/// Name of the file that remembers, beside the runs of a time, which alerts have been sent.
pub(crate) const SENT_FILE: &str = "sent.ndjson";

/// The columns of a file of scores, in their order.
const COLUMNS: [&str; 16] = [
    "account_id",
    "cutoff",
    "probability",
    "probability_low",
    "probability_high",
    "percentile",
    "tier",
    "qualified",
    "qualified_by",
    "pql_types",
    "pql_at",
    "holdout",
    "reason_1",
    "reason_2",
    "reason_3",
    "model",
];

/// A folder of scores of several runs.
#[derive(Debug, Clone)]
pub struct Ledger {
    dir: PathBuf,
}

/// The scores that one model gave at one time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The time of the run, µs UTC: the end of the log it scored, of a matrix the newest cutoff.
    pub at: i64,
    /// The model, as the scores call it: `NAME/VERSION`, or the name of a model file that lies
    /// elsewhere.
    pub label: String,
    /// The file.
    pub path: PathBuf,
}

impl Ledger {
    /// Open a ledger that is there.
    ///
    /// # Errors
    /// * [`Error::Usage`]: there is no such folder
    pub fn open(dir: &Path) -> Result<Self> {
        if dir.is_dir() {
            return Ok(Self { dir: dir.to_owned() });
        }
        Err(Error::Usage {
            problem: format!("there is no ledger `{}`", dir.display()),
            hint: Some("`pql score --ledger DIR` writes one".to_owned()),
        })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// List the runs, ascending by time, then by model. Names that begin with `.` or `_` are passed
    /// over.
    ///
    /// # Arguments
    /// * `name` – only runs of this model, of whatever version; NAME/VERSION: of this version.
    ///   `None`: all
    /// # Errors
    /// * [`Error::Read`]: a folder cannot be read
    /// * [`Error::Malformed`]: a file or folder that does not belong to a ledger
    pub fn runs(&self, name: Option<&str>) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for folder in entries(&self.dir)? {
            let at = time_of(&folder).filter(|_| folder.is_dir());
            let at = at.ok_or_else(|| foreign(&folder, "folders such as `cutoff=2025-06-30`"))?;
            for path in entries(&folder)? {
                if file_name(&path) == SENT_FILE {
                    continue;
                }
                let label = label_of(&path)
                    .ok_or_else(|| foreign(&path, "files such as `NAME@0001.parquet`"))?;
                runs.push(Run { at, label, path });
            }
        }
        runs.retain(|run| name.is_none_or(|name| run.label == name || run.name() == name));
        runs.sort();
        Ok(runs)
    }
}

impl Run {
    /// The name of the model without its version.
    #[must_use]
    pub fn name(&self) -> &str {
        name_of(&self.label)
    }

    /// Read the scores: the columns of the table that `pql score` wrote.
    ///
    /// # Errors
    /// * [`Error::Read`]: the file cannot be read
    /// * [`Error::Malformed`]: it is damaged, or a column is of another type
    /// * [`Error::MissingColumn`]: it is no table of scores
    pub fn rows(&self) -> Result<DataFrame> {
        self.columns(&COLUMNS)
    }

    /// Read some columns of the scores.
    ///
    /// # Errors
    /// * those of [`Run::rows`]
    pub(crate) fn columns(&self, names: &[&str]) -> Result<DataFrame> {
        let mut rows = DataFrame::empty_with_schema(&schema(names));
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        read::read(&self.path, Some(&names), &mut |_, batch| {
            let wrong = batch.columns().iter().zip(rows.columns()).find(|(found, expected)| found.dtype() != expected.dtype());
            if let Some((found, expected)) = wrong {
                let (name, is, should) = (found.name(), found.dtype(), expected.dtype());
                let problem = format!("column `{name}` is of type {is}, expected {should}: is it a file of `pql score`?");
                return Err(Error::malformed(&self.path, problem, None));
            }
            rows.vstack_mut_owned(batch).map(|_| ()).map_err(|e| Error::unexpected_table(&self.path, e))
        })
        .map_err(|e| e.needed_for(|_| "scores have it".to_owned()))?;
        rows.rechunk_mut_par();
        Ok(rows)
    }
}

/// The types of some of [`COLUMNS`].
fn schema(names: &[&str]) -> Schema {
    let dtype = |name: &str| match name {
        "cutoff" | "pql_at" => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)),
        "probability" | "probability_low" | "probability_high" | "percentile" => DataType::Float64,
        "qualified" | "holdout" => DataType::Boolean,
        _ => DataType::String,
    };
    names.iter().map(|name| ((*name).into(), dtype(name))).collect()
}

/// Scores on their way into a ledger: they appear there when they are finished, whole, in place of
/// those of the same run before.
#[derive(Debug)]
pub struct Entry {
    dir: PathBuf,
    label: String,
    writer: TableWriter,
    staged: tempfile::TempDir,
}

impl Entry {
    /// Begin the scores of a model; the folder is made where there is none.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the model's label cannot be the name of a file here
    /// * [`Error::Write`]: the folder cannot be written to
    pub fn begin(dir: &Path, label: &str, schema: &Schema) -> Result<Self> {
        let name = label.replace('/', "@");
        if label.contains('@')
            || label.starts_with(['.', '_'])
            || label_of(Path::new(&(name + ENDING))).as_deref() != Some(label)
        {
            return Err(Error::Usage {
                problem: format!("scores of a model called `{label}` cannot go into a ledger"),
                hint: Some(
                    "give the model file a name without `@` that begins with neither `.` nor `_`"
                        .to_owned(),
                ),
            });
        }
        let failed = |source| Error::Write { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        sweep(dir);
        let staged = tempfile::Builder::new().prefix(STAGED).tempdir_in(dir).map_err(failed)?;
        let writer =
            TableWriter::create(&staged.path().join("scores.parquet"), Format::Parquet, schema)?;
        Ok(Self { dir: dir.to_owned(), label: label.to_owned(), writer, staged })
    }

    /// Add rows.
    ///
    /// # Errors
    /// * [`Error::Write`]: the disk is full, or whatever else the system says
    pub fn write(&mut self, rows: Table) -> Result<()> {
        self.writer.write(rows)
    }

    /// Let the scores appear as those of a run at `at`, µs UTC; answers their file.
    ///
    /// # Errors
    /// * [`Error::Write`]: the folder cannot be written to
    pub fn finish(self, at: i64) -> Result<PathBuf> {
        let folder = self.dir.join(folder_name(at));
        let path = folder.join(self.label.replace('/', "@") + ENDING);
        let failed = |source| Error::Write { path: path.clone(), source };
        self.writer.finish()?;
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::rename(self.staged.path().join("scores.parquet"), &path).map_err(failed)?;
        // The file is in its place; that a file system cannot sync folders is no reason to say that
        // it is not.
        for folder in [&folder, &self.dir] {
            File::open(folder).and_then(|folder| folder.sync_all()).ok();
        }
        Ok(path)
    }
}

/// The name of the folder of a time: a date, with a time of day only where it is not midnight, and
/// without colons.
fn folder_name(at: i64) -> String {
    let time = if at % DAY == 0 { iso_day(at) } else { iso(at).replace(':', "") };
    format!("{FOLDER}{time}")
}

/// The time of a folder, if it has one and is written as [`folder_name`] writes it.
fn time_of(folder: &Path) -> Option<i64> {
    let name = file_name(folder);
    name.strip_prefix(FOLDER).and_then(parse_iso).filter(|at| folder_name(*at) == name)
}

/// The label of the model of a file.
fn label_of(path: &Path) -> Option<String> {
    let name = file_name(path);
    let stem = name
        .strip_suffix(ENDING)
        .filter(|stem| !stem.is_empty() && stem.matches('@').count() <= 1)?;
    Some(stem.replace('@', "/"))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What is in a folder, but for names that begin with `.` or `_`: what is being written, and what
/// other programs leave.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !file_name(&path).starts_with(['.', '_']) {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn foreign(path: &Path, expected: &str) -> Error {
    Error::malformed(
        path,
        format!("it does not belong into a ledger, which holds {expected}"),
        None,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_time_reads_back_and_has_no_colon() {
        for (text, name) in [
            ("2025-06-30", "cutoff=2025-06-30"),
            ("2025-06-30T06:45:00Z", "cutoff=2025-06-30T064500Z"),
            ("2025-06-30T06:45:00.5Z", "cutoff=2025-06-30T064500.500000Z"),
        ] {
            let at = parse_iso(text).unwrap();
            assert_eq!(folder_name(at), name);
            assert_eq!(time_of(Path::new(name)), Some(at));
        }
        for name in ["cutoff=2025-06-30T000000Z", "cutoff=20250630", "cutoff=soon", "2025-06-30"] {
            assert_eq!(time_of(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn labels_read_back_and_ambiguous_ones_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for label in ["trial/0001", "trial-0001", "model"] {
            Entry::begin(dir.path(), label, &schema(&COLUMNS)).unwrap().finish(0).unwrap();
        }
        let labels: Vec<String> = Ledger::open(dir.path())
            .unwrap()
            .runs(None)
            .unwrap()
            .into_iter()
            .map(|run| run.label)
            .collect();
        assert_eq!(labels, ["model", "trial-0001", "trial/0001"]);
        for label in ["a@b", ".hidden", "_x", ""] {
            assert_eq!(
                Entry::begin(dir.path(), label, &schema(&COLUMNS)).unwrap_err().exit_code(),
                2,
                "{label}"
            );
        }
    }

    #[test]
    fn a_run_without_rows_has_the_columns() {
        let dir = tempfile::tempdir().unwrap();
        Entry::begin(dir.path(), "m", &schema(&COLUMNS)).unwrap().finish(DAY).unwrap();
        let runs = Ledger::open(dir.path()).unwrap().runs(Some("m")).unwrap();
        let rows = runs[0].rows().unwrap();
        assert_eq!(
            (runs.len(), runs[0].at, rows.height(), rows.width()),
            (1, DAY, 0, COLUMNS.len())
        );
    }
}
