//! Model + features → probabilities with percentile, tier and reasons.

mod account;
mod account_row;
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for wide registers")]
mod largest;
mod log_batch;
mod moved;
mod part;
mod qualified;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

pub use account::{ColumnShare, Contribution, Explanation};
pub use account_row::AccountRow;
pub(crate) use log_batch::log_warnings;
pub use log_batch::{LogBatch, Scores, score_log};
pub use moved::{Move, Moved};
use part::Part;
use polars::prelude::*;
use pql_stats::glm::Quadratic;
use rayon::prelude::*;

use crate::config::{Config, Cut, QualifyBy, Worth};
use crate::error::{Error, Result};
use crate::io::write::Table;
use crate::model::Model;
use crate::model::encoder::{DesignColumn, Way};
use crate::model::explain::{Measures, Reasons, Words};
use crate::rules::definition::Pql;
use crate::warning::{Unscored, Warning};

/// The most reasons that are given for an account: the table has a column for each.
pub const REASONS: usize = 3;
/// Rows of a part that one thread scores: enough that few texts of reasons are made in several
/// parts, and no more than half a row group.
const PART: std::ops::RangeInclusive<usize> = 16_384..=131_072;
/// Parts into which a batch of any size is cut, so that every thread has some.
const PARTS: usize = 4;

/// Batch to be scored.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The features, a column each.
    pub features: &'a DataFrame,
    /// Account of each row, as text.
    pub account: &'a Column,
    /// Cutoff of each row, µs UTC, where known.
    pub cutoff: &'a [Option<i64>],
    /// Why a row is not scored; `None`: it is. Empty: all are.
    pub unscored: &'a [Option<Unscored>],
    /// What PQL definitions say of each row. Empty: there are none.
    pub pqls: &'a [Option<Pql>],
}

/// What a run of scoring prints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Rows with a probability.
    pub scored: u64,
    /// Rows without, by reason.
    pub unscored: BTreeMap<Unscored, u64>,
    /// Rows from the threshold up.
    pub reached: u64,
    /// Rows for which a definition has held.
    pub pqls: u64,
    /// Rows that qualify, by the threshold, a definition or both.
    pub qualified: u64,
    /// Sum of the probabilities.
    pub expected_conversions: f64,
    /// Sum of the probabilities from the threshold up.
    pub expected_of_reached: f64,
    /// What contacting those from the threshold up brings, where `qualify.value` says what a
    /// conversion is worth.
    pub expected_value: Option<f64>,
    /// Texts that no training row had: how many rows, by feature.
    pub unseen: BTreeMap<String, u64>,
}

impl Summary {
    /// Returns what to warn of: levels that are new, and rows without a score.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let unseen = self
            .unseen
            .iter()
            .map(|(feature, rows)| Warning::UnseenLevels { rows: *rows, feature: feature.clone() });
        let unscored = self
            .unscored
            .iter()
            .map(|(reason, rows)| Warning::RowsNotScored { rows: *rows, reason: reason.clone() });
        unseen.chain(unscored).collect()
    }

    /// Add the numbers of another batch.
    pub fn add(&mut self, other: Self) {
        self.scored += other.scored;
        self.reached += other.reached;
        self.pqls += other.pqls;
        self.qualified += other.qualified;
        self.expected_conversions += other.expected_conversions;
        self.expected_of_reached += other.expected_of_reached;
        self.expected_value = match (self.expected_value, other.expected_value) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        for (reason, count) in other.unscored {
            *self.unscored.entry(reason).or_default() += count;
        }
        for (feature, count) in other.unseen {
            *self.unseen.entry(feature).or_default() += count;
        }
    }
}

/// A model made ready for scoring.
#[derive(Debug)]
pub struct Scorer<'a> {
    model: &'a Model,
    measures: Measures,
    words: Words,
    /// Texts of the reasons of earlier rows: each thread that scores takes some and gives them
    /// back.
    known: Mutex<Vec<Reasons>>,
    /// Coefficients as they act on the reported log-odds.
    coef: Vec<f64>,
    variances: Option<Quadratic>,
    label: String,
    reasons: usize,
    by: QualifyBy,
    holdout: f64,
    seed: u64,
    worth: Option<Worth>,
}

impl<'a> Scorer<'a> {
    /// Make a model ready; `label` is what the column `model` says.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`]: the configuration in the model cannot be read
    pub fn new(model: &'a Model, label: &str) -> Result<Self> {
        let config: Config = model.config()?;
        let slope = model.calibration.base_and_slope().1;
        let measures = Measures::of(&model.preprocessor);
        let usual: Vec<Option<f64>> =
            model.preprocessor.columns().iter().map(DesignColumn::usual).collect();
        Ok(Self {
            model,
            measures,
            words: Words::of(&model.preprocessor),
            known: Mutex::default(),
            coef: model.fit.coef.iter().map(|coef| slope * coef).collect(),
            variances: model.fit.variances(&usual),
            label: label.to_owned(),
            reasons: REASONS,
            by: config.qualify.by,
            holdout: config.qualify.holdout,
            seed: config.model.seed,
            worth: if let Cut::Value(worth) = config.qualify.cut() { Some(worth) } else { None },
        })
    }

    /// Texts that an earlier thread has made, or none.
    fn reasons_before(&self) -> Reasons {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keep the texts of a thread for the next.
    fn keep(&self, reasons: Reasons) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).push(reasons.kept());
    }

    /// What the column `model` says.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Give so many reasons instead of [`REASONS`]; the other columns of reasons stay empty.
    #[must_use]
    pub fn with_reasons(self, reasons: usize) -> Self {
        Self { reasons: reasons.min(REASONS), ..self }
    }

    /// Let accounts qualify by something else than what the model was trained with.
    #[must_use]
    pub fn qualifying_by(self, by: QualifyBy) -> Self {
        Self { by, ..self }
    }

    /// Compute the probability of each row, and nothing else; NaN where a feature is infinite.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn probabilities(&self, features: &DataFrame) -> Result<Vec<f64>> {
        Ok(self.model.probabilities(self.model.preprocessor.transform(features, None)?.x.view()))
    }

    /// Score rows: a table in the order of the rows, and what to print about it.
    ///
    /// Columns: `account_id, cutoff, probability, probability_low, probability_high, percentile,
    /// tier, qualified, qualified_by, pql_types, pql_at, holdout, reason_1, reason_2, reason_3,
    /// model`. A row that is not scored has null probability and the reason why in `reason_1`.
    /// The 95 % interval is the uncertainty of the estimate; it is null after l1 and elastic net.
    /// `qualified_by` is `model`, `definition` or `both`; `pql_types` are the kinds of the
    /// definitions that have held by the end of the log, as `criteria;limit`, and `pql_at` is
    /// when the first of them did.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn score(&self, rows: &Batch<'_>) -> Result<(DataFrame, Summary)> {
        let (parts, summary) = self.parts(rows)?;
        let failed = |e: PolarsError| Error::table("the scores", e);
        let mut frames = parts.into_iter().map(Table::frame);
        let mut table =
            frames.next().expect("there is a part even without rows").map_err(failed)?;
        for frame in frames {
            table.vstack_mut_owned(frame.map_err(failed)?).map_err(failed)?;
        }
        Ok((table, summary))
    }

    /// Score rows as [`Scorer::score`] does, the table in parts as it is written: at least one,
    /// also without rows.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub(crate) fn parts(&self, rows: &Batch<'_>) -> Result<(Vec<Table>, Summary)> {
        let n = rows.account.len();
        let step = (n / PARTS).clamp(*PART.start(), *PART.end());
        let starts: Vec<usize> = (0..n.max(1)).step_by(step).collect();
        let part = |from: usize| Part::score(self, rows, from..n.min(from + step));
        let parts: Vec<(Table, Summary)> =
            starts.into_par_iter().map(part).collect::<Result<_>>()?;
        let mut all = Summary { expected_value: self.worth.map(|_| 0.0), ..Summary::default() };
        let mut tables = Vec::new();
        for (table, summary) in parts {
            all.add(summary);
            tables.push(table);
        }
        Ok((tables, all))
    }

    /// The table of no rows, with all its columns.
    ///
    /// # Errors
    /// * [`Error::Table`]: polars cannot hold it
    pub(crate) fn empty(&self) -> Result<Table> {
        let dtype = |way: &Way| {
            if matches!(way, Way::Number(_)) { DataType::Float64 } else { DataType::String }
        };
        let features = self
            .model
            .preprocessor
            .features
            .iter()
            .map(|p| Column::new_empty(p.feature.as_str().into(), &dtype(&p.way)));
        let features =
            DataFrame::new(0, features.collect()).map_err(|e| Error::table("the features", e))?;
        let account = Column::new_empty("account_id".into(), &DataType::String);
        Ok(Part::score(
            self,
            &Batch {
                features: &features,
                account: &account,
                cutoff: &[],
                unscored: &[],
                pqls: &[],
            },
            0..0,
        )?
        .0)
    }
}

/// Tiers, the best first.
pub(crate) const TIERS: [&str; 4] = ["A", "B", "C", "D"];

/// The place among [`TIERS`]: A from percentile 95, B from 80, C from 50, D below.
pub(crate) fn tier(percentile: f64) -> usize {
    match percentile {
        p if p >= 95.0 => 0,
        p if p >= 80.0 => 1,
        p if p >= 50.0 => 2,
        _ => 3,
    }
}
