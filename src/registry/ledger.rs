//! The ledger: a folder of stored scores, with one Parquet file per run of a model,
//! `DIR/cutoff=2025-06-30/NAME@VERSION.parquet`.

use std::fs;
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, DataType, IntoColumn, Schema, TimeUnit, TimeZone};

use crate::error::{Error, Result};
use crate::io::read;
use crate::io::write::{
    Format, OutputFile, OutputTable, RunFiles, TableWriter, UnfinishedFolder,
    create_managed_folder, sync_folder,
};
use crate::log::cells::{self, CellLocation};
use crate::names::file_name;
use crate::registry::versions::model_name;
use crate::time::{Zone, parse_iso};

/// Prefix of the folder of a time.
const FOLDER_PREFIX: &str = "cutoff=";
/// Extension of the file of a run.
const EXTENSION: &str = ".parquet";
/// Name of the file, in the folder of a time, that records which alerts were sent.
pub(crate) const SENT_FILE: &str = "sent.ndjson";

/// End of the name of the file, next to a run, with the causes of changes since the run before.
const CAUSES_EXTENSION: &str = ".causes.ndjson";

/// Columns of a score file, in order.
const COLUMNS: [&str; 19] = [
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
    "concern_1",
    "pql_definitions",
    "horizon_end",
    "model",
];

/// Columns that a file may lack; they are null then. Earlier versions had fewer columns, and only
/// runs with `[eligibility]` have `eligible`.
const OPTIONAL: [&str; 4] = ["concern_1", "pql_definitions", "horizon_end", "eligible"];

/// A folder of stored scores.
#[derive(Debug, Clone)]
pub struct Ledger {
    dir: PathBuf,
}

/// The scores of one model at one time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Time of the run, µs UTC: the end of the log, or the newest cutoff of a matrix.
    pub time: i64,
    /// Label of the model: `NAME/VERSION`, or the file name of a model outside the models folder.
    pub label: String,
    /// The score file.
    pub path: PathBuf,
}

impl Ledger {
    /// Opens an existing ledger.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the folder does not exist
    pub fn open(dir: &Path) -> Result<Self> {
        if dir.is_dir() {
            return Ok(Self { dir: dir.to_owned() });
        }
        Err(Error::Usage {
            problem: format!("ledger not found: `{}`", dir.display()),
            hint: Some("create it with `pql score MODEL --ledger DIR`".to_owned()),
        })
    }

    /// Returns the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Lists the runs, ascending by time, then by model. Names that begin with `.` or `_` are
    /// ignored.
    ///
    /// # Arguments
    /// * `name` – only runs of this NAME (all versions) or NAME/VERSION; `None`: all
    /// # Errors
    /// * [`Error::Read`]: a folder cannot be read
    /// * [`Error::Malformed`]: a file or folder does not belong to a ledger
    pub fn runs(&self, name: Option<&str>) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for folder in entries(&self.dir)? {
            let time = time_of(&folder).filter(|_| folder.is_dir());
            let time =
                time.ok_or_else(|| foreign(&folder, "folders such as `cutoff=2025-06-30`"))?;
            for path in entries(&folder)? {
                let name = file_name(&path);
                if name == SENT_FILE || name.ends_with(CAUSES_EXTENSION) {
                    continue;
                }
                let label = label_of(&path)
                    .ok_or_else(|| foreign(&path, "files such as `NAME@0001.parquet`"))?;
                runs.push(Run { time, label, path });
            }
        }
        runs.retain(|run| name.is_none_or(|name| run.label == name || run.name() == name));
        runs.sort();
        Ok(runs)
    }
}

impl Run {
    /// Returns the name of the model without its version.
    #[must_use]
    pub fn name(&self) -> &str {
        model_name(&self.label)
    }

    /// Returns the file with the causes of changes since the run before; it may not exist.
    pub(crate) fn causes_file(&self) -> PathBuf {
        let name = self.label.replace('/', "@") + CAUSES_EXTENSION;
        self.path.with_file_name(name)
    }

    /// Reads the scores, with the columns of `pql score`.
    ///
    /// # Errors
    /// * [`Error::Read`]: the file cannot be read
    /// * [`Error::Malformed`]: the file is damaged, or a column has another type
    /// * [`Error::MissingColumn`]: the file is not a score file
    pub fn rows(&self) -> Result<DataFrame> {
        self.columns(&COLUMNS)
    }

    /// Reads some columns of the scores.
    ///
    /// # Errors
    /// * those of [`Run::rows`]
    pub(crate) fn columns(&self, names: &[&str]) -> Result<DataFrame> {
        let stored = read::columns(&self.path)?;
        let is_absent = |name: &str| OPTIONAL.contains(&name) && !stored.iter().any(|s| s == name);
        let (absent, present): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| is_absent(name));
        let mut rows = DataFrame::empty_with_schema(&schema(&present));
        let names: Vec<String> = present.iter().map(|name| (*name).to_owned()).collect();
        read::read(&self.path, Some(&names), &mut |_, batch| {
            let wrong = batch.columns().iter().zip(rows.columns()).find(|(found, expected)| found.dtype() != expected.dtype());
            if let Some((found, expected)) = wrong {
                let (name, found, expected) = (found.name(), found.dtype(), expected.dtype());
                let problem = format!("column `{name}`: found type {found}, expected {expected} (a score file of `pql score`)");
                return Err(Error::malformed(&self.path, problem, None));
            }
            rows.vstack_mut_owned(batch).map(|_| ()).map_err(|e| Error::unexpected_table(&self.path, e))
        })
        .map_err(|e| e.with_role(|_| "scores have it".to_owned()))?;
        for (name, dtype) in schema(&absent).iter() {
            rows.with_column(Column::full_null(name.clone(), rows.height(), dtype))
                .map_err(|e| Error::unexpected_table(&self.path, e))?;
        }
        rows.rechunk_mut_par();
        // Ledgers of earlier versions have ids as they were written in the log.
        if let Ok(accounts) = rows.column("account_id") {
            let location =
                CellLocation { path: &self.path, column: "account_id", first_row: 1, rows: &[] };
            let accounts = cells::ids(accounts, location)?.into_column();
            rows.with_column(accounts).map_err(|e| Error::unexpected_table(&self.path, e))?;
        }
        Ok(rows)
    }
}

/// Returns the types of some of [`COLUMNS`].
fn schema(names: &[&str]) -> Schema {
    let dtype = |name: &str| match name {
        "cutoff" | "pql_at" | "horizon_end" => {
            DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
        }
        "probability" | "probability_low" | "probability_high" | "percentile" => DataType::Float64,
        "qualified" | "holdout" | "eligible" => DataType::Boolean,
        _ => DataType::String,
    };
    names.iter().map(|name| ((*name).into(), dtype(name))).collect()
}

/// Writes the scores of a run to a ledger. The file appears when it is complete, and replaces an
/// earlier file of the same run.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    label: String,
    writer: TableWriter,
    staged: UnfinishedFolder,
}

impl RunWriter {
    /// Starts the scores of a model; creates the folder if necessary.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the model's label cannot be a file name in a ledger
    /// * [`Error::Write`]: the folder cannot be written to
    pub fn create(dir: &Path, label: &str, schema: &Schema) -> Result<Self> {
        let name = label.replace('/', "@");
        if label.contains('@')
            || label.starts_with(['.', '_'])
            || label_of(Path::new(&(name + EXTENSION))).as_deref() != Some(label)
        {
            return Err(Error::Usage {
                problem: format!("model label `{label}` cannot be a file name in a ledger"),
                hint: Some(
                    "rename the model file: no `@`, and no `.` or `_` at the beginning".to_owned(),
                ),
            });
        }
        let failed = |source| Error::Write { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let staged = UnfinishedFolder::create(dir).map_err(failed)?;
        let file = OutputFile::managed(&staged.path().join("scores.parquet"));
        let writer = TableWriter::create(&file, Format::Parquet, schema)?;
        Ok(Self { dir: dir.to_owned(), label: label.to_owned(), writer, staged })
    }

    /// Writes rows.
    ///
    /// # Errors
    /// * [`Error::Write`]: the file cannot be written, for example because the disk is full
    pub fn write(&mut self, rows: OutputTable) -> Result<()> {
        self.writer.write(rows)
    }

    /// Returns the file of the run at a time, which [`RunWriter::finish`] writes.
    ///
    /// # Errors
    /// * [`Error::Usage`]: it is an input
    pub(crate) fn checked_file(&self, time: i64, files: &RunFiles) -> Result<PathBuf> {
        let name = self.label.replace('/', "@") + EXTENSION;
        let path = self.dir.join(folder_name(time)).join(name);
        files.check_ledger_file(&path)?;
        Ok(path)
    }

    /// Completes the run, and returns its file.
    ///
    /// # Arguments
    /// * `time` – time of the run, µs UTC
    /// * `files` – the inputs of the run, which are not replaced
    ///
    /// # Errors
    /// * [`Error::Usage`]: the file of the run is an input
    /// * [`Error::Write`]: the folder cannot be written to
    pub fn finish(self, time: i64, files: &RunFiles) -> Result<PathBuf> {
        let path = self.checked_file(time, files)?;
        let folder = self.dir.join(folder_name(time));
        let failed = |source| Error::Write { path: path.clone(), source };
        self.writer.finish()?;
        create_managed_folder(&folder).map_err(failed)?;
        fs::rename(self.staged.path().join("scores.parquet"), &path).map_err(failed)?;
        [&folder, &self.dir].into_iter().for_each(|folder| sync_folder(folder));
        Ok(path)
    }
}

/// Returns the name of the folder of a time in UTC: a date, and a time of day unless it is
/// midnight, without colons.
fn folder_name(time: i64) -> String {
    format!("{FOLDER_PREFIX}{}", Zone::default().short(time).replace(':', ""))
}

/// Returns the time of a folder; `None` if its name is not the one of [`folder_name`].
fn time_of(folder: &Path) -> Option<i64> {
    let name = file_name(folder);
    name.strip_prefix(FOLDER_PREFIX).and_then(parse_iso).filter(|time| folder_name(*time) == name)
}

/// Returns the label of the model of a score file.
fn label_of(path: &Path) -> Option<String> {
    let name = file_name(path);
    let stem = name
        .strip_suffix(EXTENSION)
        .filter(|stem| !stem.is_empty() && stem.matches('@').count() <= 1)?;
    Some(stem.replace('@', "/"))
}

/// Lists a folder, without names that begin with `.` or `_`: unfinished files, and files of other
/// programs.
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

/// Returns the error for a file or folder that does not belong to a ledger.
fn foreign(path: &Path, expected: &str) -> Error {
    Error::malformed(path, format!("does not belong to a ledger; expected {expected}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    #[test]
    fn folder_names_round_trip_without_colons() {
        for (text, name) in [
            ("2025-06-30", "cutoff=2025-06-30"),
            ("2025-06-30T06:45:00Z", "cutoff=2025-06-30T064500Z"),
            ("2025-06-30T06:45:00.5Z", "cutoff=2025-06-30T064500.500000Z"),
        ] {
            let time = parse_iso(text).unwrap();
            assert_eq!(folder_name(time), name);
            assert_eq!(time_of(Path::new(name)), Some(time));
        }
        for name in ["cutoff=2025-06-30T000000Z", "cutoff=20250630", "cutoff=soon", "2025-06-30"] {
            assert_eq!(time_of(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn labels_round_trip_and_ambiguous_ones_are_rejected() {
        let dir = tempfile::tempdir().unwrap();
        for label in ["trial/0001", "trial-0001", "model"] {
            RunWriter::create(dir.path(), label, &schema(&COLUMNS))
                .unwrap()
                .finish(0, &RunFiles::default())
                .unwrap();
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
                RunWriter::create(dir.path(), label, &schema(&COLUMNS)).unwrap_err().exit_code(),
                2,
                "{label}"
            );
        }
    }

    #[test]
    fn a_run_without_rows_has_all_columns() {
        let dir = tempfile::tempdir().unwrap();
        RunWriter::create(dir.path(), "m", &schema(&COLUMNS))
            .unwrap()
            .finish(DAY, &RunFiles::default())
            .unwrap();
        let runs = Ledger::open(dir.path()).unwrap().runs(Some("m")).unwrap();
        let rows = runs[0].rows().unwrap();
        assert_eq!(
            (runs.len(), runs[0].time, rows.height(), rows.width()),
            (1, DAY, 0, COLUMNS.len())
        );
    }
}
