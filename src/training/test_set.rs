//! The rows behind a model: those it was judged by, which lie beside it, and those it learned from,
//! found again in a matrix.

use std::path::Path;

use ndarray::Array2;
use polars::prelude::*;

use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::observations::Split;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::read;
use crate::io::write::{Format, time_column, write_table};
use crate::model::Model;
use crate::model::score::{Batch, Explanation, Scorer};

/// Name of the table of test rows in the folder of a model's version.
pub const ROWS_FILE: &str = "test.parquet";
/// The columns of [`ROWS_FILE`] that are no features; a feature of such a name is not stored.
const KEYS: [&str; 4] = ["account_id", "cutoff", "converted", "probability"];

/// The test rows of a model, with the probability by a fit that had not seen them.
#[derive(Debug, Clone)]
pub struct TestRows {
    /// Account of each row.
    pub account: Vec<String>,
    /// Cutoff of each row, µs UTC; `None` where a matrix has none.
    pub cutoff: Option<Vec<i64>>,
    /// Outcomes.
    pub y: Vec<bool>,
    /// Probabilities.
    pub probability: Vec<f64>,
    /// Keys, outcome, probability and features.
    frame: DataFrame,
}

impl TestRows {
    /// Read the rows that lie beside a model file; `None` where there are none.
    ///
    /// # Errors
    /// * those of [`read::read`], [`Error::Malformed`]: the table holds something else, or the rows
    ///   of another model
    pub fn find(file: &Path, model: &Model) -> Result<Option<Self>> {
        let path = file.with_file_name(ROWS_FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let mut all: Option<DataFrame> = None;
        read::read(&path, None, &mut |_, frame| {
            match &mut all {
                Some(all) => {
                    all.vstack_mut(&frame).map_err(|e| Error::unexpected_table(&path, e))?;
                }
                None => all = Some(frame),
            }
            Ok(())
        })?;
        Self::of(all.unwrap_or_default(), &path, model).map(Some)
    }

    /// Read the rows that lie beside a model file, where nothing can be done without them.
    ///
    /// # Errors
    /// * [`Error::NoTestRows`], [`Error::MissingTestRows`]: there are none
    /// * those of [`TestRows::find`]
    pub fn beside(file: &Path, model: &Model) -> Result<Self> {
        if model.extent.test.rows == 0 {
            return Err(Error::NoTestRows);
        }
        Self::find(file, model)?
            .ok_or_else(|| Error::MissingTestRows { path: file.with_file_name(ROWS_FILE) })
    }

    /// Take the rows of a table as [`train`](crate::training()) makes it; `path` serves messages.
    ///
    /// # Errors
    /// * [`Error::Malformed`]: a column is absent or of another type, or the rows are not those
    ///   that the model was judged by
    pub fn of(frame: DataFrame, path: &Path, model: &Model) -> Result<Self> {
        let wrong = |e: PolarsError| Error::unexpected_table(path, e);
        if let Some(key) = KEYS.iter().find(|key| frame.column(key).is_err()) {
            return Err(Error::malformed(path, format!("it has no column `{key}`"), None));
        }
        let rows = model.extent.test.rows;
        if frame.height() as u64 != rows {
            let problem = format!(
                "found {} rows, expected the {rows} that the model was judged by",
                frame.height()
            );
            return Err(Error::malformed(path, problem, None));
        }
        let column = |name: &str| frame.column(name).map_err(wrong);
        let integers = |name: &str| -> Result<Vec<Option<i64>>> {
            let cast = column(name)?.to_physical_repr().cast(&DataType::Int64).map_err(wrong)?;
            Ok(cast.i64().map_err(wrong)?.iter().collect())
        };
        let account = column("account_id")?
            .str()
            .map_err(wrong)?
            .iter()
            .map(|a| a.unwrap_or_default().to_owned())
            .collect();
        let y: Vec<bool> = integers("converted")?.into_iter().map(|y| y == Some(1)).collect();
        let probability: Vec<f64> = column("probability")?
            .f64()
            .map_err(wrong)?
            .iter()
            .map(|p| p.unwrap_or(f64::NAN))
            .collect();
        let cutoff = integers("cutoff")?.into_iter().collect();
        let rows = Self { account, cutoff, y, probability, frame };
        if rows.fit(model) {
            Ok(rows)
        } else {
            Err(Error::malformed(path, "its rows are not those that the model was judged by", None))
        }
    }

    /// Whether they are the rows of the model's own evaluation.
    fn fit(&self, model: &Model) -> bool {
        model.judgement.as_ref().is_some_and(|judgement| {
            let of = &judgement.evaluation;
            let conversions = self.y.iter().filter(|y| **y).count() as u64;
            let expected: f64 = self.probability.iter().sum();
            self.y.len() as u64 == of.n
                && conversions == of.conversions
                && (expected - of.expected_conversions).abs() < 1e-6 * (1.0 + expected)
        })
    }

    /// Number the accounts: equal numbers are one account.
    #[must_use]
    pub fn group(&self) -> Vec<u32> {
        numbered(&self.account)
    }

    /// What another model says of the rows; NaN where a feature is not finite.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn probabilities(&self, scorer: &Scorer<'_>) -> Result<Vec<f64>> {
        scorer.probabilities(&self.frame)
    }

    /// The feature of the model that the rows lack: one of the name of a key is not stored.
    #[must_use]
    pub fn lacks<'m>(&self, model: &'m Model) -> Option<&'m str> {
        let stored = |name: &str| !KEYS.contains(&name) && self.frame.column(name).is_ok();
        model
            .preprocessor
            .features
            .iter()
            .map(|prepared| prepared.feature.as_str())
            .find(|name| !stored(name))
    }

    /// The values of a numeric feature.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: it is absent or no number
    pub fn numbers(&self, feature: &str) -> Result<Vec<Option<f64>>> {
        numbers(self.column(feature)?, None)
    }

    /// The values of a feature that is text.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`]: it is absent
    pub fn texts(&self, feature: &str) -> Result<Vec<Option<String>>> {
        texts(self.column(feature)?, None)
    }

    fn column(&self, feature: &str) -> Result<&Column> {
        feature_column(&self.frame, feature)
    }

    /// The standardised design of some rows.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn design(&self, model: &Model, rows: &[u32]) -> Result<Array2<f64>> {
        Ok(model.preprocessor.transform(&self.frame, Some(rows))?.x)
    }

    /// Explain the score of a row.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`], [`Error::NotFiniteColumn`]: a feature
    ///   is absent, of another type or not finite
    pub fn explain(&self, scorer: &Scorer<'_>, row: u32) -> Result<Explanation> {
        scorer.explain(&self.frame, row)
    }

    /// Write keys, outcome and features, as `--features` reads them.
    ///
    /// # Errors
    /// Those of [`write_table`]
    pub fn write_features(&self, path: &Path) -> Result<()> {
        let frame = self.frame.drop("probability").map_err(|e| Error::table("the test rows", e))?;
        write_table(path, Format::Parquet, &frame)
    }

    /// Write the columns of `pql score` with the outcome, and beside the probability `held_out`,
    /// the one the model was judged by: it differs where the model has learned from these rows
    /// since (`model.refit`).
    ///
    /// # Errors
    /// * [`Error::MissingFeature`]: the rows lack a feature of the model
    /// * those of [`write_table`]
    pub fn write_scores(&self, scorer: &Scorer<'_>, path: &Path) -> Result<()> {
        let failed = |e: PolarsError| Error::table("the test rows", e);
        let column = |name: &str| self.frame.column(name).cloned().map_err(failed);
        let cutoff: Vec<Option<i64>> =
            column("cutoff")?.datetime().map_err(failed)?.physical().iter().collect();
        let rows = Batch {
            features: &self.frame,
            account: &column("account_id")?,
            cutoff: &cutoff,
            unscored: &[],
            pqls: &[],
        };
        let (mut scores, _) = scorer.score(&rows)?;
        let mut put = |name: &str, column: Column| {
            let after = scores.get_column_index(name).map_or(0, |at| at + 1);
            scores.insert_column(after, column).map(|_| ()).map_err(failed)
        };
        put("cutoff", column("converted")?)?;
        put("probability", column("probability")?.with_name("held_out".into()))?;
        write_table(path, Format::Parquet, &scores)
    }
}

/// Number accounts: equal numbers are one account.
pub(crate) fn numbered(account: &[String]) -> Vec<u32> {
    let mut known: Vec<&String> = account.iter().collect();
    known.sort_unstable();
    known.dedup();
    let code = |account: &String| {
        u32::try_from(known.partition_point(|k| *k < account)).expect("accounts have u32 codes")
    };
    account.iter().map(code).collect()
}

/// Write the rows a model learned from, found again in a matrix: keys, outcome and features.
///
/// # Errors
/// * [`Error::TrainingRowsDiffer`]: they are not as many rows, accounts and conversions as it
///   learned from
/// * those of [`write_table`]
pub fn write_training(model: &Model, rows: &Rows, path: &Path) -> Result<()> {
    let (train, learned) = match &model.refit {
        None => (rows.of(Split::Train), model.extent.train),
        Some(refit) => (
            (0..).zip(&rows.y).filter(|(_, y)| y.is_some()).map(|(row, _)| row).collect(),
            refit.learned,
        ),
    };
    let found = rows.extent(&train, &[]).train;
    if found != learned {
        return Err(Error::TrainingRowsDiffer {
            found_rows: found.rows,
            found_conversions: found.positive_rows,
            rows: learned.rows,
            conversions: learned.positive_rows,
        });
    }
    let failed = |e: PolarsError| Error::table("the training rows", e);
    let index = IdxCa::from_slice("".into(), &train);
    let cutoff = train.iter().map(|row| rows.cutoff.as_ref().map(|cutoff| cutoff[*row as usize]));
    let mut columns = vec![
        Column::new(
            "account_id".into(),
            rows.accounts(&train)
                .iter()
                .map(|account| &rows.names[*account as usize])
                .collect::<Vec<_>>(),
        ),
        time_column("cutoff", cutoff),
        Column::new(
            "converted".into(),
            rows.outcomes(&train).iter().map(|y| i64::from(*y)).collect::<Vec<_>>(),
        ),
    ];
    let features = rows.features.take(&index).map_err(failed)?;
    columns.extend(
        features.columns().iter().filter(|column| !KEYS.contains(&column.name().as_str())).cloned(),
    );
    write_table(path, Format::Parquet, &DataFrame::new(train.len(), columns).map_err(failed)?)
}
