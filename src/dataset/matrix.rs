//! Feature matrices made elsewhere, read whole for training or batch by batch for scoring.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use polars::prelude::*;
use rayon::prelude::*;

use crate::config::MatrixRule;
use crate::dataset::observations::Split;
use crate::error::{Error, Result};
use crate::io::read;
use crate::log::Kind;
use crate::log::cells::{self, NO_TIME, Place, Times};
use crate::names::nearest;

/// Columns that are never features, as `pql features` writes them.
const RESERVED: [&str; 2] = ["outcome", "split"];

/// Values of the outcome that are kept to name the nearest.
const NAMED: usize = 1_000;

/// A feature matrix with outcomes.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The features, `Float64` or `String`.
    pub features: DataFrame,
    /// Account of each row.
    pub account: Vec<String>,
    /// Cutoff of each row, µs UTC; `None` without such a column.
    pub cutoff: Option<Vec<i64>>,
    /// Outcome of each row; `None` where open.
    pub y: Vec<Option<bool>>,
    /// Split of each row; `None` without such a column.
    pub split: Option<Vec<Split>>,
}

/// A part of a feature matrix, to be scored.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The features, `Float64` with NaN as null or `String`.
    pub features: DataFrame,
    /// Account of each row, as text.
    pub account: Column,
    /// Cutoff of each row, µs UTC, where known.
    pub cutoff: Vec<Option<i64>>,
}

/// Which columns of a matrix are no features.
struct Keys {
    account: Option<String>,
    cutoff: Option<String>,
    label: String,
}

impl Keys {
    fn of(rule: &MatrixRule, columns: &[String], path: &Path) -> Result<Self> {
        let has = |name: &str| columns.iter().any(|c| c == name);
        let pick = |named: &Option<String>, usual: &str, key: &str| match named {
            Some(name) if !has(name) => Err(Error::MissingColumn {
                path: path.to_owned(),
                column: name.clone(),
                role: format!("`matrix.{key}`"),
                near: nearest(name, columns.iter().map(String::as_str)),
            }),
            Some(name) => Ok(Some(name.clone())),
            None => Ok(has(usual).then(|| usual.to_owned())),
        };
        Ok(Self {
            account: pick(&rule.account, "account_id", "account")?,
            cutoff: pick(&rule.cutoff, "cutoff", "cutoff")?,
            label: rule.label.clone().unwrap_or_else(|| "converted".to_owned()),
        })
    }

    fn is_feature(&self, name: &str) -> bool {
        let key = [self.account.as_deref(), self.cutoff.as_deref(), Some(self.label.as_str())]
            .contains(&Some(name));
        !key && !RESERVED.contains(&name)
    }
}

/// Columns gathered over the batches of a matrix.
struct Gathered {
    frame: Option<DataFrame>,
    account: Vec<String>,
    cutoff: Times,
    y: Vec<Option<bool>>,
    /// Values of the outcome other than the positive one, some of them.
    values: BTreeSet<String>,
    split: Vec<Split>,
    /// Files, each with the index of its first row.
    files: Vec<(PathBuf, usize)>,
}

/// Read a matrix whole, with outcomes.
///
/// # Arguments
/// * `text` – columns that are text even if every value is a number
/// # Errors
/// * [`Error::MissingColumn`]: no column of outcomes, or a named column is absent
/// * [`Error::BadValue`]: an outcome, cutoff or split that is none
/// * [`Error::Empty`]: no row
pub fn read(path: &Path, rule: &MatrixRule, text: &[String]) -> Result<Matrix> {
    let mut gathered = Gathered {
        frame: None,
        account: Vec::new(),
        cutoff: Times::default(),
        y: Vec::new(),
        values: BTreeSet::new(),
        split: Vec::new(),
        files: Vec::new(),
    };
    let mut kinds: BTreeMap<String, Kind> =
        text.iter().map(|name| (name.clone(), Kind::Text)).collect();
    let (mut has_cutoff, mut has_split) = (false, false);
    for file in read::files(path)? {
        let columns = read::columns(&file)?;
        let keys = Keys::of(rule, &columns, &file)?;
        if !columns.contains(&keys.label) {
            let near = nearest(&keys.label, columns.iter().map(String::as_str));
            return Err(Error::MissingColumn {
                path: file,
                column: keys.label,
                role: "the outcome, `matrix.label`".to_owned(),
                near,
            });
        }
        has_cutoff |= keys.cutoff.is_some();
        has_split |= columns.iter().any(|c| c == "split");
        gathered.files.push((file.clone(), gathered.account.len()));
        let read = read::read(&file, None, &mut |first_row, frame| {
            gathered.take(&file, first_row, &frame, &keys, rule)
        })?;
        for column in read.quoted.into_keys() {
            kinds.entry(column).or_insert(Kind::Text);
        }
    }
    if gathered.account.is_empty() {
        return Err(Error::Empty {
            path: path.to_owned(),
            expected: "a feature matrix has one row per observation".to_owned(),
        });
    }
    gathered.finish(path, &kinds, has_cutoff, has_split, rule)
}

impl Gathered {
    fn take(
        &mut self,
        file: &Path,
        first_row: u64,
        frame: &DataFrame,
        keys: &Keys,
        rule: &MatrixRule,
    ) -> Result<()> {
        let malformed = |e| Error::unexpected_table(file, e);
        let place = |column| Place { path: file, column, first_row, rows: &[] };
        let column = |name: &str| read::column(file, frame, name);
        let before = self.account.len();
        self.account.extend(
            accounts(frame, keys, before, file, first_row)?.iter().flatten().map(str::to_owned),
        );
        if let Some(name) = &keys.cutoff {
            self.cutoff.pad(before);
            self.cutoff.push(column(name)?, None, place(name))?;
        }
        let label = column(&keys.label)?;
        self.y.extend(labels(label, rule.positive.as_deref(), place(&keys.label))?);
        if self.values.len() < NAMED {
            self.values.extend(
                cells::text(label)?.iter().flatten().map(|v| v.trim().to_owned()).take(NAMED),
            );
        }
        if let Ok(column) = frame.column("split") {
            for (at, split) in cells::text(column)?.iter().enumerate() {
                self.split.push(match split {
                    Some("train") => Split::Train,
                    Some("test") => Split::Test,
                    None | Some("") => Split::Unused,
                    Some(other) => {
                        return Err(place("split").bad(at, other, "`train`, `test` or nothing"));
                    }
                });
            }
        }
        let features: Vec<Column> =
            frame.columns().iter().filter(|c| keys.is_feature(c.name())).cloned().collect();
        let features = DataFrame::new(frame.height(), features).map_err(malformed)?;
        self.frame = Some(match self.frame.take() {
            None => features,
            Some(before) => before.vstack(&features).map_err(malformed)?,
        });
        Ok(())
    }

    fn finish(
        self,
        path: &Path,
        kinds: &BTreeMap<String, Kind>,
        has_cutoff: bool,
        has_split: bool,
        rule: &MatrixRule,
    ) -> Result<Matrix> {
        let frame = self.frame.unwrap_or_default();
        let mut columns = Vec::new();
        for column in frame.columns() {
            let place = Place { path, column: column.name(), first_row: 1, rows: &[] };
            columns.push(cells::typed(column, kinds.get(column.name().as_str()).copied(), place)?);
        }
        if columns.is_empty() {
            return Err(Error::NoFeatures {
                problem: format!(
                    "`{}` has no column beside account, cutoff and outcome",
                    path.display()
                ),
            });
        }
        let features = DataFrame::new(frame.height(), columns)
            .map_err(|e| Error::unexpected_table(path, e))?;
        let files = self.files;
        let cutoff = self.cutoff.finish().map_err(|(at, found)| {
            let file = &files[files.partition_point(|(_, first)| *first <= at) - 1];
            bad_cutoff(&file.0, Some((at - file.1) as u64 + 1), rule, found)
        })?;
        if has_cutoff
            && let Some(at) =
                (0..features.height()).find(|at| cutoff.get(*at).is_none_or(|t| *t == NO_TIME))
        {
            return Err(bad_cutoff(path, Some(at as u64 + 1), rule, String::new()));
        }
        if has_split && self.split.len() != features.height() {
            return Err(Error::malformed(
                path,
                "only some of its files have a column `split`",
                None,
            ));
        }
        check_positive(&self.y, &self.values, rule)?;
        let split = has_split.then_some(self.split);
        Ok(Matrix {
            features,
            account: self.account,
            cutoff: has_cutoff.then_some(cutoff),
            y: self.y,
            split,
        })
    }
}

/// A positive value that no row has is a slip of the pen.
fn check_positive(y: &[Option<bool>], values: &BTreeSet<String>, rule: &MatrixRule) -> Result<()> {
    match &rule.positive {
        Some(positive) if !y.contains(&Some(true)) => Err(Error::NoPositiveOutcome {
            positive: positive.clone(),
            near: nearest(positive, values.iter().map(String::as_str)),
        }),
        _ => Ok(()),
    }
}

fn bad_cutoff(path: &Path, row: Option<u64>, rule: &MatrixRule, found: String) -> Error {
    let column = rule.cutoff.clone().unwrap_or_else(|| "cutoff".to_owned());
    Error::BadValue { path: path.to_owned(), row, column, found, expected: "a time".to_owned() }
}

/// Accounts of a batch; without such a column each row is its own account, named by its number.
fn accounts(
    frame: &DataFrame,
    keys: &Keys,
    before: usize,
    file: &Path,
    first_row: u64,
) -> Result<StringChunked> {
    let Some(name) = &keys.account else {
        return Ok((before + 1..=before + frame.height()).map(|n| Some(n.to_string())).collect());
    };
    let column = read::column(file, frame, name)?;
    let accounts = cells::text(column)?;
    let nameless = accounts.iter().position(|account| account.is_none_or(str::is_empty));
    match nameless {
        Some(at) => {
            Err(Place { path: file, column: name, first_row, rows: &[] }.bad(at, "", "an account"))
        }
        None => Ok(accounts),
    }
}

fn labels(column: &Column, positive: Option<&str>, place: Place<'_>) -> Result<Vec<Option<bool>>> {
    let mut labels = Vec::with_capacity(column.len());
    for (at, value) in cells::text(column)?.iter().enumerate() {
        let value = value.map(str::trim).filter(|v| !v.is_empty());
        labels.push(match (value, positive) {
            (None, _) => None,
            (Some(value), Some(positive)) => Some(value == positive),
            (Some(value), None) => match cells::number(value).or_else(|| cells::truth(value)) {
                Some(1.0) => Some(true),
                Some(0.0) => Some(false),
                _ => {
                    return Err(place.bad(
                        at,
                        value,
                        "1/0 or true/false, or the value of `matrix.positive`",
                    ));
                }
            },
        });
    }
    Ok(labels)
}

/// The first file of a matrix without a column of accounts, and the column whose name is near;
/// `None` where all have one.
///
/// # Errors
/// * [`Error::MissingColumn`]: a column that the rule names is absent
/// * those of [`read::columns`]
pub fn without_accounts(
    path: &Path,
    rule: &MatrixRule,
) -> Result<Option<(PathBuf, Option<String>)>> {
    for file in read::files(path)? {
        let columns = read::columns(&file)?;
        if Keys::of(rule, &columns, &file)?.account.is_none() {
            let near = nearest("account_id", columns.iter().map(String::as_str));
            return Ok(Some((file, near)));
        }
    }
    Ok(None)
}

/// Read a matrix batch by batch for scoring; while `batch` works on one, the next is read.
///
/// # Arguments
/// * `kinds` – the features of the model, and what each is taken for
/// # Errors
/// * [`Error::MissingFeature`]: the matrix lacks a feature of the model
/// * [`Error::BadValue`]: a number or time that is none
/// * whatever `batch` returns
pub fn batches(
    path: &Path,
    rule: &MatrixRule,
    kinds: &BTreeMap<String, Kind>,
    batch: &mut dyn FnMut(Batch) -> Result<()>,
) -> Result<()> {
    let mut batch = |next| batch(next).map(ControlFlow::Continue);
    // Over all files: while the end of one is scored, the next begins.
    read::ahead(|send| each_batch(path, rule, kinds, send), &mut batch).map(drop)
}

fn each_batch(
    path: &Path,
    rule: &MatrixRule,
    kinds: &BTreeMap<String, Kind>,
    take: &mut read::Take<'_, Batch>,
) -> Result<ControlFlow<()>> {
    let mut before = 0;
    for file in read::files(path)? {
        let columns = read::columns(&file)?;
        let keys = Keys::of(rule, &columns, &file)?;
        if let Some(feature) = kinds.keys().find(|f| !columns.contains(f)) {
            let near = nearest(feature, columns.iter().map(String::as_str));
            return Err(Error::MissingFeature { path: Some(file), feature: feature.clone(), near });
        }
        let mut wanted: Vec<String> =
            [&keys.account, &keys.cutoff].into_iter().flatten().cloned().collect();
        wanted.extend(kinds.keys().filter(|k| !wanted.contains(k)).cloned().collect::<Vec<_>>());
        let read = read::read_batches(
            &file,
            Some(&wanted),
            &[],
            &mut |read::Batch { first_row, frame, .. }| {
                let account = accounts(&frame, &keys, before, &file, first_row)?.into_column();
                before += frame.height();
                let cutoff = cutoffs(&frame, &keys, &file, first_row, rule)?;
                let typed = |(name, kind): (&String, &Kind)| {
                    let place = Place { path: &file, column: name, first_row, rows: &[] };
                    let column =
                        frame.column(name).map_err(|e| place.bad(0, e.to_string(), "a column"))?;
                    // As it is: the design takes NaN for null, and to look for it here costs as
                    // much as a third of the design.
                    let ready = *kind == Kind::Number && column.dtype() == &DataType::Float64;
                    if ready {
                        Ok(column.clone())
                    } else {
                        cells::typed(column, Some(*kind), place)
                    }
                };
                let columns = kinds.par_iter().map(typed).collect::<Result<_>>()?;
                let features = DataFrame::new(frame.height(), columns)
                    .map_err(|e| Error::unexpected_table(&file, e))?;
                take(Batch { features, account, cutoff })
            },
        );
        if read?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn cutoffs(
    frame: &DataFrame,
    keys: &Keys,
    file: &Path,
    first_row: u64,
    rule: &MatrixRule,
) -> Result<Vec<Option<i64>>> {
    let Some(name) = &keys.cutoff else { return Ok(vec![None; frame.height()]) };
    let column = read::column(file, frame, name)?;
    let mut times = Times::default();
    times.push(column, None, Place { path: file, column: name, first_row, rows: &[] })?;
    let times = times
        .finish()
        .map_err(|(at, found)| bad_cutoff(file, Some(first_row + at as u64), rule, found))?;
    Ok(times.into_iter().map(|t| (t != NO_TIME).then_some(t)).collect())
}
