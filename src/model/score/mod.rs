//! Computes scores from a model and features: probability, percentile, tier and reasons.

mod account;
mod account_row;
mod change;
mod chunk;
#[expect(clippy::inline_always, reason = "only inlined functions are compiled for wide registers")]
mod largest;
mod log_batch;
mod order;
mod qualified;
pub(crate) mod query;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use account::{ColumnContribution, Contribution, Explanation, FeatureContribution};
pub use account_row::AccountRow;
pub use change::{ContributionChange, ScoreChange};
use chunk::ChunkScorer;
pub use log_batch::{LogBatch, Scores, score_log};
pub(crate) use log_batch::{log_warnings, model_log_faults};
pub(crate) use order::ScoreSorter;
pub use order::{ScoreOrder, ScoreRows};
use polars::prelude::*;
use pql_stats::glm::QuadraticForm;
use rayon::prelude::*;

use crate::config::{Config, ContactValue, QualifyBy, ThresholdRule};
use crate::error::{Error, Result};
use crate::io::write::OutputTable;
use crate::model::Model;
use crate::model::encoder::{DesignColumn, Encoding, ValueCounts};
use crate::model::explain::{Contributions, ReasonTemplates, ReasonTexts};
use crate::rules::definition::Pql;
use crate::warning::{IneligibleReason, IneligibleReasons, Unscored, Warning};

/// Maximum number of reasons per account: the score table has a column for each.
pub const REASONS: usize = 3;
/// Columns of the reasons that raise the score, most important first, and of the one that lowers
/// it.
pub(crate) const REASON_COLUMNS: [&str; REASONS + 1] =
    ["reason_1", "reason_2", "reason_3", "concern_1"];
/// Index of the column of the reason that lowers the score.
const CONCERN: usize = REASONS;
/// Rows that one thread scores at a time: enough to reuse most reason texts, and at most half a
/// row group.
const CHUNK_ROWS: std::ops::RangeInclusive<usize> = 16_384..=131_072;
/// Minimum number of chunks of a large batch, so that every thread has work.
const MIN_CHUNKS: usize = 4;

/// Rows to score.
#[derive(Debug, Clone, Copy)]
pub struct ScoringBatch<'a> {
    /// The features, one column each.
    pub features: &'a DataFrame,
    /// Account of each row, as a text column.
    pub account: &'a Column,
    /// Cutoff of each row, µs UTC, if known.
    pub cutoff: &'a [Option<i64>],
    /// Reason why each row is not scored; `None`: the row is scored. Empty: all rows are scored.
    pub unscored: &'a [Option<Unscored>],
    /// Matches of the PQL definitions by row. Empty: no definitions.
    pub pqls: &'a [Option<Pql>],
    /// Reasons why the account of each row must not be contacted. Empty: all are eligible.
    pub ineligible: &'a [IneligibleReasons],
}

/// Counts and sums over scored rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoringSummary {
    /// Rows with a probability.
    pub scored: u64,
    /// Rows without a probability, by reason.
    pub unscored: BTreeMap<Unscored, u64>,
    /// Rows with a probability at or above the threshold.
    pub above_threshold: u64,
    /// Rows with a probability that qualify: by the model, by a definition and by both.
    pub qualified_by: [u64; 3],
    /// Rows with a probability of accounts that are not eligible, and by reason; a row may have
    /// several reasons.
    pub ineligible: u64,
    /// Rows with a probability, by the reason why their account is not eligible.
    pub ineligible_by: BTreeMap<IneligibleReason, u64>,
    /// Sum of the probabilities.
    pub expected_conversions: f64,
    /// Sum of the probabilities at or above the threshold.
    pub expected_above_threshold: f64,
    /// Expected net value of contacting the rows at or above the threshold; `None` without
    /// `qualify.value`.
    pub expected_value: Option<f64>,
    /// Values of each feature.
    pub values: BTreeMap<String, ValueCounts>,
}

impl ScoringSummary {
    /// Adds the counts and sums of another batch.
    pub fn add(&mut self, other: Self) {
        self.scored += other.scored;
        self.above_threshold += other.above_threshold;
        self.qualified_by.iter_mut().zip(other.qualified_by).for_each(|(sum, n)| *sum += n);
        self.expected_conversions += other.expected_conversions;
        self.expected_above_threshold += other.expected_above_threshold;
        self.expected_value = match (self.expected_value, other.expected_value) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        self.ineligible += other.ineligible;
        for (reason, count) in other.ineligible_by {
            *self.ineligible_by.entry(reason).or_default() += count;
        }
        for (reason, count) in other.unscored {
            *self.unscored.entry(reason).or_default() += count;
        }
        for (feature, counts) in other.values {
            self.values.entry(feature).or_default().add(counts);
        }
    }
}

/// Scores rows with a model.
#[derive(Debug)]
pub struct Scorer<'a> {
    model: &'a Model,
    contributions: Contributions,
    reason_templates: ReasonTemplates,
    /// Reason texts of earlier rows, reused by the threads.
    reason_texts: Mutex<Vec<ReasonTexts>>,
    variances: Option<QuadraticForm>,
    label: String,
    reasons: usize,
    qualify_by: QualifyBy,
    holdout: f64,
    seed: u64,
    /// Time from the cutoff to the end of the horizon, µs; `None` for a feature matrix.
    horizon: Option<i64>,
    /// Names of each set of definitions that an account matches, joined by `;`.
    definition_names: Arc<Vec<Arc<str>>>,
    contact_value: Option<ContactValue>,
    /// Whether the table has the columns `eligible` and `ineligible_reason`.
    with_eligibility: bool,
}

impl<'a> Scorer<'a> {
    /// Creates a scorer.
    ///
    /// # Arguments
    /// * `label` – value of the column `model`
    /// # Errors
    /// * [`Error::DamagedModel`]: the stored configuration cannot be read
    pub fn new(model: &'a Model, label: &str) -> Result<Self> {
        let config: Config = model.config()?;
        let modal_values: Vec<Option<f64>> =
            model.preprocessor.columns().iter().map(DesignColumn::modal_value).collect();
        Ok(Self {
            model,
            contributions: Contributions::new(model),
            reason_templates: ReasonTemplates::new(&model.preprocessor, &model.profile.features),
            reason_texts: Mutex::default(),
            variances: model.fit.variances(&modal_values),
            label: label.to_owned(),
            reasons: REASONS,
            qualify_by: config.qualify.by,
            holdout: config.qualify.holdout,
            seed: config.model.seed,
            horizon: None,
            definition_names: Arc::default(),
            contact_value: match config.qualify.threshold_rule() {
                ThresholdRule::Value(value) => Some(value),
                _ => None,
            },
            with_eligibility: false,
        })
    }

    /// Takes the reason texts of an earlier chunk, or starts with none.
    fn take_reason_texts(&self) -> ReasonTexts {
        self.reason_texts.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Stores the reason texts of a chunk for later chunks.
    fn store_reason_texts(&self, reasons: ReasonTexts) {
        self.reason_texts.lock().unwrap_or_else(PoisonError::into_inner).push(reasons.retained());
    }

    /// Returns the value of the column `model`.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Limits the number of reasons to fewer than [`REASONS`]; the other reason columns stay empty.
    /// With 0, there is no concern, either.
    #[must_use]
    pub fn with_reasons(self, reasons: usize) -> Self {
        Self { reasons: reasons.min(REASONS), ..self }
    }

    /// Sets what the accounts of a log have in common: how they qualify, in place of the stored
    /// `qualify.by`, their horizon and their definitions.
    #[must_use]
    pub(crate) fn for_batch(self, batch: &LogBatch) -> Self {
        Self {
            qualify_by: batch.qualify_by,
            horizon: Some(batch.horizon),
            definition_names: batch.definition_names.clone(),
            with_eligibility: batch.ineligible.is_some(),
            ..self
        }
    }

    /// Checks that no categorical feature of a whole batch has only new values.
    ///
    /// # Errors
    /// * [`Error::OnlyNewLevels`]: all values of a feature are new, and too many for a coincidence
    pub fn check_levels(&self, values: &BTreeMap<String, ValueCounts>) -> Result<()> {
        let Model { preprocessor, profile, .. } = self.model;
        match preprocessor.only_new_levels(values, profile.rows).next() {
            Some(found) => Err(Error::OnlyNewLevels(found)),
            None => Ok(()),
        }
    }

    /// Returns warnings about new levels, values that are newly missing, and rows without a score.
    #[must_use]
    pub fn warnings(&self, summary: &ScoringSummary) -> Vec<Warning> {
        let unscored = summary
            .unscored
            .iter()
            .map(|(reason, rows)| Warning::RowsNotScored { rows: *rows, reason: reason.clone() });
        self.model.preprocessor.warnings(&summary.values).into_iter().chain(unscored).collect()
    }

    /// Computes the probability of each row; NaN if a feature is infinite.
    ///
    /// # Errors
    /// * [`Error::OnlyNewLevels`]: as for [`Scorer::check_levels`]
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn probabilities(&self, features: &DataFrame) -> Result<Vec<f64>> {
        let design = self.model.preprocessor.transform(features, None)?;
        self.check_levels(&design.values)?;
        Ok(self.model.probabilities(design.x.view()))
    }

    /// Scores rows. Returns a table in the order of the rows, and a summary.
    ///
    /// Columns: `account_id, cutoff, probability, probability_low, probability_high, percentile,
    /// tier, qualified, qualified_by, pql_types, pql_at, holdout, reason_1, reason_2, reason_3,
    /// concern_1, pql_definitions, horizon_end, model`. Reasons raise the score, the concern lowers
    /// it. With `[eligibility]`, `eligible` and `ineligible_reason` follow `holdout`. A row that is
    /// not scored has a null probability and the cause in `reason_1`.
    /// The 95% interval is the uncertainty of the estimate; it is null after l1 and elastic net.
    /// `qualified_by` is `model`, `definition` or `both`. `pql_types` are the types of the
    /// definitions that match by the end of the log, such as `criteria;limit`, and `pql_at` is the
    /// time of the first match. `horizon_end` is the end of the period in which the account
    /// converts with this probability.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn score(&self, rows: &ScoringBatch<'_>) -> Result<(DataFrame, ScoringSummary)> {
        let (chunks, summary) = self.score_chunks(rows)?;
        Ok((into_frame(chunks)?, summary))
    }

    /// Scores rows as [`Scorer::score`] does; returns the table in at least one chunk.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub(crate) fn score_chunks(
        &self,
        rows: &ScoringBatch<'_>,
    ) -> Result<(Vec<OutputTable>, ScoringSummary)> {
        let n = rows.account.len();
        let step = (n / MIN_CHUNKS).clamp(*CHUNK_ROWS.start(), *CHUNK_ROWS.end());
        let starts: Vec<usize> = (0..n.max(1)).step_by(step).collect();
        let score = |from: usize| ChunkScorer::score(self, rows, from..n.min(from + step));
        let chunks: Vec<(OutputTable, ScoringSummary)> =
            starts.into_par_iter().map(score).collect::<Result<_>>()?;
        let mut all = ScoringSummary {
            expected_value: self.contact_value.map(|_| 0.0),
            ..ScoringSummary::default()
        };
        let mut tables = Vec::new();
        for (table, summary) in chunks {
            all.add(summary);
            tables.push(table);
        }
        Ok((tables, all))
    }

    /// Returns a score table without rows, with all columns.
    ///
    /// # Errors
    /// * [`Error::OutputTable`]: the table cannot be created
    pub(crate) fn empty(&self) -> Result<OutputTable> {
        let dtype = |encoding: &Encoding| {
            if matches!(encoding, Encoding::Numeric(_)) {
                DataType::Float64
            } else {
                DataType::String
            }
        };
        let features = self
            .model
            .preprocessor
            .features
            .iter()
            .map(|p| Column::new_empty(p.feature.as_str().into(), &dtype(&p.encoding)));
        let features =
            DataFrame::new(0, features.collect()).map_err(|e| Error::table("the features", e))?;
        let account = Column::new_empty("account_id".into(), &DataType::String);
        Ok(ChunkScorer::score(
            self,
            &ScoringBatch {
                features: &features,
                account: &account,
                cutoff: &[],
                unscored: &[],
                pqls: &[],
                ineligible: &[],
            },
            0..0,
        )?
        .0)
    }
}

/// Joins the rows of score tables, of which there is at least one.
fn into_frame(tables: Vec<OutputTable>) -> Result<DataFrame> {
    let failed = |e: PolarsError| Error::table("the scores", e);
    let mut frames = tables.into_iter().map(OutputTable::frame);
    let mut all = frames.next().expect("there is at least one table").map_err(failed)?;
    for frame in frames {
        all.vstack_mut_owned(frame.map_err(failed)?).map_err(failed)?;
    }
    Ok(all)
}

/// Tiers, best first.
pub(crate) const TIERS: [&str; 4] = ["A", "B", "C", "D"];

/// Returns the index in [`TIERS`]: A from percentile 95, B from 80, C from 50, D below.
pub(crate) fn tier(percentile: f64) -> usize {
    match percentile {
        p if p >= 95.0 => 0,
        p if p >= 80.0 => 1,
        p if p >= 50.0 => 2,
        _ => 3,
    }
}
