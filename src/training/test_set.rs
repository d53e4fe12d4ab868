//! The stored test rows of a model, and its training rows from a matrix.

use std::path::Path;

use ndarray::Array2;
use polars::prelude::*;

use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::rows::Rows;
use crate::dataset::split::Split;
use crate::error::{Error, Result};
use crate::io::read;
use crate::io::write::{Format, OutputFile, time_column, write_table};
use crate::model::Model;
use crate::model::score::{Explanation, Scorer, ScoringBatch};
use crate::names::counted;

/// Name of the file of test rows in the folder of a model version.
pub const TEST_ROWS_FILE: &str = "test.parquet";
/// The columns of [`TEST_ROWS_FILE`] that are not features; a feature with one of these names is
/// not stored.
const KEYS: [&str; 4] = ["account_id", "cutoff", "converted", "probability"];

/// The test rows of a model with their held-out probabilities.
#[derive(Debug, Clone)]
pub struct TestRows {
    /// Account of each row.
    pub account: Vec<String>,
    /// Cutoff of each row, µs UTC; `None` without cutoffs.
    pub cutoff: Option<Vec<i64>>,
    /// Outcomes.
    pub y: Vec<bool>,
    /// Held-out probabilities.
    pub probability: Vec<f64>,
    /// Account, cutoff, outcome, probability and features.
    frame: DataFrame,
}

impl TestRows {
    /// Reads the test rows stored with a model file; `None` if there are none.
    ///
    /// # Errors
    /// * those of [`read::read`], [`Error::Malformed`]: the file has other contents, or the rows of
    ///   another model
    pub fn load(file: &Path, model: &Model) -> Result<Option<Self>> {
        let path = file.with_file_name(TEST_ROWS_FILE);
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
        Self::from_table(all.unwrap_or_default(), &path, model).map(Some)
    }

    /// Reads the test rows stored with a model file.
    ///
    /// # Errors
    /// * [`Error::NoTestRows`], [`Error::MissingTestRows`]: the model has no test rows, or the file
    ///   is missing
    /// * those of [`TestRows::load`]
    pub fn require(file: &Path, model: &Model) -> Result<Self> {
        if model.split.test.rows == 0 {
            return Err(Error::NoTestRows);
        }
        Self::load(file, model)?
            .ok_or_else(|| Error::MissingTestRows { path: file.with_file_name(TEST_ROWS_FILE) })
    }

    /// Reads test rows from a table.
    ///
    /// # Arguments
    /// * `frame` – [`TrainedModel::test_rows`](crate::training::TrainedModel::test_rows)
    /// * `path` – for error messages
    /// # Errors
    /// * [`Error::Malformed`]: a column is absent or has another type, or the rows are not the test
    ///   rows of the model
    pub fn from_table(frame: DataFrame, path: &Path, model: &Model) -> Result<Self> {
        let wrong = |e: PolarsError| Error::unexpected_table(path, e);
        if let Some(key) = KEYS.iter().find(|key| frame.column(key).is_err()) {
            return Err(Error::malformed(path, format!("column `{key}` is missing"), None));
        }
        let rows = model.split.test.rows;
        if frame.height() as u64 != rows {
            let problem = format!(
                "found {}, expected the {} of the model",
                counted(frame.height() as u64, "row"),
                counted(rows, "test row")
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
        if rows.matches_evaluation(model) {
            Ok(rows)
        } else {
            Err(Error::malformed(path, "the rows are not the test rows of the model", None))
        }
    }

    /// Returns whether the rows match the evaluation of the model.
    fn matches_evaluation(&self, model: &Model) -> bool {
        model.evaluation.as_ref().is_some_and(|evaluation| {
            let metrics = &evaluation.metrics;
            let conversions = self.y.iter().filter(|y| **y).count() as u64;
            let expected: f64 = self.probability.iter().sum();
            self.y.len() as u64 == metrics.n
                && conversions == metrics.conversions
                && (expected - metrics.expected_conversions).abs() < 1e-6 * (1.0 + expected)
        })
    }

    /// Returns a number for each row's account; rows of one account have the same number.
    #[must_use]
    pub fn group(&self) -> Vec<u32> {
        group_numbers(&self.account)
    }

    /// Computes the probabilities of a model for the rows; NaN if a feature is not finite.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or has another type
    pub fn probabilities(&self, scorer: &Scorer<'_>) -> Result<Vec<f64>> {
        scorer.probabilities(&self.frame)
    }

    /// Returns a feature of the model that is not stored, if any.
    #[must_use]
    pub fn missing_feature<'m>(&self, model: &'m Model) -> Option<&'m str> {
        let is_stored = |name: &str| !KEYS.contains(&name) && self.frame.column(name).is_ok();
        model
            .preprocessor
            .features
            .iter()
            .map(|encoder| encoder.feature.as_str())
            .find(|name| !is_stored(name))
    }

    /// Returns the values of a numeric feature.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: the feature is absent or not a number
    pub fn numbers(&self, feature: &str) -> Result<Vec<Option<f64>>> {
        numbers(self.column(feature)?, None)
    }

    /// Returns the values of a text feature.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`]: the feature is absent
    pub fn texts(&self, feature: &str) -> Result<Vec<Option<String>>> {
        texts(self.column(feature)?, None)
    }

    fn column(&self, feature: &str) -> Result<&Column> {
        feature_column(&self.frame, feature)
    }

    /// Computes the standardized design matrix of some rows.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or has another type
    pub fn design(&self, model: &Model, rows: &[u32]) -> Result<Array2<f64>> {
        Ok(model.preprocessor.transform(&self.frame, Some(rows))?.x)
    }

    /// Explains the score of a row.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`], [`Error::NotFiniteColumn`]: a feature
    ///   is absent, has another type or is not finite
    pub fn explain(&self, scorer: &Scorer<'_>, row: u32) -> Result<Explanation> {
        scorer.explain(&self.frame, row)
    }

    /// Writes accounts, cutoffs, outcomes and features in the format of `--features`.
    ///
    /// # Errors
    /// Those of [`write_table`]
    pub fn write_features(&self, output: &OutputFile) -> Result<()> {
        let frame = self.frame.drop("probability").map_err(|e| Error::table("the test rows", e))?;
        write_table(output, Format::Parquet, &frame)
    }

    /// Writes the columns of `pql score` with the outcome and the held-out probability
    /// (`held_out`), which differs from `probability` after a refit.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`]: the rows lack a feature of the model
    /// * those of [`write_table`]
    pub fn write_scores(&self, scorer: &Scorer<'_>, output: &OutputFile) -> Result<()> {
        let failed = |e: PolarsError| Error::table("the test rows", e);
        let column = |name: &str| self.frame.column(name).cloned().map_err(failed);
        let cutoff: Vec<Option<i64>> =
            column("cutoff")?.datetime().map_err(failed)?.physical().iter().collect();
        let rows = ScoringBatch {
            features: &self.frame,
            account: &column("account_id")?,
            cutoff: &cutoff,
            unscored: &[],
            pqls: &[],
            ineligible: &[],
        };
        let (mut scores, _) = scorer.score(&rows)?;
        let mut insert_after = |name: &str, column: Column| {
            let after = scores.get_column_index(name).map_or(0, |index| index + 1);
            scores.insert_column(after, column).map(|_| ()).map_err(failed)
        };
        insert_after("cutoff", column("converted")?)?;
        insert_after("probability", column("probability")?.with_name("held_out".into()))?;
        write_table(output, Format::Parquet, &scores)
    }
}

/// Returns a number for each account; equal accounts have the same number.
pub(crate) fn group_numbers(account: &[String]) -> Vec<u32> {
    let mut known: Vec<&String> = account.iter().collect();
    known.sort_unstable();
    known.dedup();
    let code = |account: &String| {
        u32::try_from(known.partition_point(|k| *k < account)).expect("accounts have u32 codes")
    };
    account.iter().map(code).collect()
}

/// Writes the training rows of a model from a matrix: accounts, cutoffs, outcomes and features.
///
/// # Errors
/// * [`Error::TrainingRowsDiffer`]: the matrix does not have the same number of training rows,
///   accounts and conversions
/// * those of [`write_table`]
pub fn write_training_rows(model: &Model, rows: &Rows, output: &OutputFile) -> Result<()> {
    let (train, expected) = match &model.refit {
        None => (rows.split_rows(Split::Train), model.split.train),
        Some(refit) => (
            (0..).zip(&rows.y).filter(|(_, y)| y.is_some()).map(|(row, _)| row).collect(),
            refit.sample,
        ),
    };
    let found = rows.split_summary(&train, &[]).train;
    if found != expected {
        return Err(Error::TrainingRowsDiffer {
            found_rows: found.rows,
            found_conversions: found.positive_rows,
            rows: expected.rows,
            conversions: expected.positive_rows,
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
    write_table(output, Format::Parquet, &DataFrame::new(train.len(), columns).map_err(failed)?)
}
