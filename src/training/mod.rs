//! Training: rows → preprocessor → cross-fitting → fit → calibration → evaluation → [`Model`].

pub mod audit;
pub(crate) mod baseline;
mod cross;
mod cross_validation;
mod description;
pub(crate) mod feature_counts;
pub mod held_out;
mod learning;
mod likelihood;
mod pipeline;
mod profile;
mod test_evaluation;
pub mod test_set;

use cross_validation::cross_validate;
use description::{TrainingRecord, coefficients_along_path, describe};
use learning::{Learned, Trainer, logistic};
pub(crate) use pipeline::prepare_log;
pub use pipeline::{
    TrainOptions, rows_for_features, rows_for_model, rows_for_scoring, rows_for_training,
    rows_from_usage_matrix, train_on_log, train_on_rows,
};
use polars::prelude::DataFrame;
use test_evaluation::TestEvaluation;

use crate::config::Config;
use crate::dataset::features::check_names;
use crate::dataset::rows::Rows;
use crate::dataset::sorted_features::SortedFeatures;
use crate::dataset::split::{Split, SplitMethod};
use crate::dataset::split_summary::SplitSummary;
use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::log::DataQuality;
use crate::model::card::{Cohort, cohorts};
use crate::model::encoder::{Preprocessor, check_names as check_rule, check_reference_levels};
use crate::model::{Model, Refit};
use crate::warning::{DroppedFeature, Finding, Warning, unasked_features};

/// A trained model with its test rows.
#[derive(Debug, Clone)]
pub struct TrainedModel {
    /// The model.
    pub model: Model,
    /// Test rows: `account_id, cutoff, converted, probability` and the features.
    pub test_rows: DataFrame,
    /// Cohorts by month of the cutoff.
    pub cohorts: Vec<Cohort>,
    /// Data quality of the log; `None` for a feature matrix.
    pub quality: Option<DataQuality>,
}

/// Training and test rows, with the preprocessor fitted on the training rows.
#[derive(Debug, Clone)]
pub struct TrainingSetup<'a> {
    sorted: SortedFeatures<'a>,
    train: Vec<u32>,
    test: Vec<u32>,
    split: SplitSummary,
    preprocessor: Preprocessor,
    /// Features and columns that were dropped, with reasons.
    pub dropped_features: Vec<DroppedFeature>,
    /// Findings of the leakage audit.
    pub findings: Vec<Finding>,
}

impl TrainingSetup<'_> {
    /// Returns the sizes and periods of the training and test sets.
    pub(crate) fn split(&self) -> &SplitSummary {
        &self.split
    }

    /// Returns the warnings about the rows and their split.
    pub(crate) fn warnings(&self, config: &Config, rows: &Rows) -> Vec<Warning> {
        row_warnings(config, rows, &self.test)
    }
}

/// Checks the rows, fits the preprocessor on the training rows, and audits them for leakage.
///
/// # Errors
/// * [`Error::NoTrainingRows`], [`Error::Statistics`], [`Error::TooFewConversions`]: the rows do
///   not allow a model
/// * [`Error::Usage`]: two columns would have the same name, or `[design]` names an unknown feature
/// * [`Error::NoFeatures`]: no column remains
pub fn prepare<'a>(config: &Config, rows: &'a Rows) -> Result<TrainingSetup<'a>> {
    let (train, test) = (rows.split_rows(Split::Train), rows.split_rows(Split::Test));
    let split = rows.split_summary(&train, &test);
    check(&split, config, rows.catalog.is_some())?;
    check_names(&rows.design_features)?;
    check_rule(&rows.design_features, &rows.dropped, &config.design)?;
    let mut dropped_features = rows.dropped.clone();
    if let (true, Some(problem)) =
        (rows.design_features.is_empty(), unasked_features(&dropped_features))
    {
        return Err(Error::NoFeatures { problem });
    }
    let sorted = SortedFeatures::new(&rows.features)?;
    let (preprocessor, dropped_columns) =
        Preprocessor::fit(&sorted, &rows.design_features, &train, &config.design)?;
    dropped_features.extend(dropped_columns);
    check_reference_levels(&rows.features, &train, &config.design)?;
    let mut findings = audit::columns(rows, &sorted, &train, &config.design)?;
    findings.extend(rows.findings.iter().cloned());
    Ok(TrainingSetup { sorted, train, test, split, preprocessor, dropped_features, findings })
}

/// Trains a model on the training rows and evaluates it on the test rows.
///
/// With `model.refit`, preprocessor, coefficients and calibration are then fitted again on all rows
/// with an outcome.
///
/// # Errors
/// * [`Error::Statistics`]: the fit did not converge
/// * [`Error::Usage`]: `[qualify]` cannot be satisfied by the training rows
pub fn train(
    config: &Config,
    rows: &Rows,
    setup: TrainingSetup<'_>,
    progress: &Progress,
) -> Result<TrainedModel> {
    let TrainingSetup { sorted, train, test, split, preprocessor, dropped_features, mut findings } =
        setup;
    let stage = progress.stage("fitting", None);
    let trainer = Trainer { config, rows, sorted: &sorted, stage: &stage };
    let evaluated = trainer.learn(&train, preprocessor, config.model.alpha)?;
    findings.extend(evaluated.finding());
    let mut record = TrainingRecord {
        split,
        dropped_features,
        findings,
        training_base_rate: evaluated.base_rate(),
        regularization_path: evaluated.tuned.path.clone(),
        coefficient_path: coefficients_along_path(&logistic(&config.model), &evaluated),
        refit: None,
        warnings: row_warnings(config, rows, &test),
    };
    let evaluation;
    let learned = if split.method == SplitMethod::CrossValidation {
        evaluation = cross_validate(&trainer, &evaluated)?;
        // The evaluated fits are those of the folds.
        record.refit = Some(refit_record(rows, &evaluated));
        evaluated
    } else {
        let mut on_test_rows = TestEvaluation::compute(rows, &evaluated, &test)?;
        let learned = if config.model.refit && !test.is_empty() {
            let (learned, dropped_columns) = trainer.refit(&evaluated)?;
            on_test_rows.refit_baselines(rows, &learned);
            record.dropped_features = rows.dropped.iter().cloned().chain(dropped_columns).collect();
            record.refit = Some(refit_record(rows, &learned));
            learned
        } else {
            evaluated
        };
        evaluation = on_test_rows;
        learned
    };
    let mut model = describe(&trainer, learned, record)?;
    let test_rows = evaluation.store(&mut model, rows)?;
    Ok(TrainedModel {
        model,
        test_rows,
        cohorts: cohorts(rows, config.input.timezone),
        quality: None,
    })
}

/// Describes the rows of the final fit.
fn refit_record(rows: &Rows, learned: &Learned) -> Refit {
    Refit {
        sample: learned.sample,
        base_rate: learned.base_rate(),
        last_cutoff: rows.cutoffs(&learned.data.rows).and_then(|cutoff| cutoff.into_iter().max()),
    }
}

/// Returns the warnings about the rows and their split.
fn row_warnings(config: &Config, rows: &Rows, test: &[u32]) -> Vec<Warning> {
    let test_size = match rows.split_method {
        SplitMethod::Newest { test_size } => Some(test_size),
        _ => None,
    };
    let changed = rows.split_problem.map(|problem| Warning::TestSetChanged { test_size, problem });
    let has_none = test.is_empty() && config.model.test_size > 0.0;
    let none = has_none.then_some(Warning::NoTestRows);
    changed.into_iter().chain(rows.warnings.iter().cloned()).chain(none).collect()
}

/// Next step without conversions in a log.
const CONVERTED_HINT: &str =
    "set `accounts.converted` or `roles.converted` to the column or the events of conversions";

/// Next step without conversions in a feature matrix.
const LABEL_HINT: &str = "set `matrix.label` to the column of outcomes, and `matrix.positive` to its value for converted";

/// Checks that the training rows allow a model.
///
/// # Arguments
/// * `is_log` – whether they come from a log, not from a feature matrix
fn check(split: &SplitSummary, config: &Config, is_log: bool) -> Result<()> {
    let train = &split.train;
    if train.rows == 0 {
        return Err(Error::NoTrainingRows {
            test: split.test.rows,
            immature: split.immature,
            purged: split.purged,
        });
    }
    if train.positive_rows == 0 || train.positive_rows == train.rows {
        let converted = train.positive_rows > 0;
        let hint =
            (!converted).then(|| if is_log { CONVERTED_HINT } else { LABEL_HINT }.to_owned());
        return Err(Error::OneClass { rows: train.rows, converted, hint });
    }
    let found = usize::try_from(train.converting_accounts).unwrap_or(usize::MAX);
    if found < config.model.min_conversions {
        return Err(Error::TooFewConversions { found, needed: config.model.min_conversions });
    }
    Ok(())
}
