//! Describes what was learned: makes it a [`Model`] with threshold, reference distributions, tests
//! and importance.

use pql_stats::counts::share;
use pql_stats::glm::{Logistic, RegularizationPath, coefficient_path, correlation, goodness, vif};
use pql_stats::metrics::BaseRate;

use super::cross::TrainingData;
use super::feature_counts::ACCOUNTS_PER_COLUMN;
use super::learning::{Learned, Trainer};
use super::likelihood::{Columns, maximum_likelihood};
use super::profile::{ProfileRows, profile};
use crate::dataset::rows::fingerprint;
use crate::dataset::split_summary::SplitSummary;
use crate::error::Result;
use crate::model::encoder::Preprocessor;
use crate::model::explain::{families, importance};
use crate::model::profile::{ReferenceProfile, ScoreProfile};
use crate::model::thresholds::{ReferenceRows, threshold};
use crate::model::{CoefficientPath, Model, ReferenceDistribution, Refit};
use crate::warning::{DroppedFeature, Finding, Warning};

/// What is known of a training besides the final fit.
pub(super) struct TrainingRecord {
    pub(super) split: SplitSummary,
    pub(super) dropped_features: Vec<DroppedFeature>,
    pub(super) findings: Vec<Finding>,
    pub(super) training_base_rate: BaseRate,
    pub(super) regularization_path: Option<RegularizationPath>,
    pub(super) coefficient_path: Option<CoefficientPath>,
    pub(super) refit: Option<Refit>,
    /// Warnings about the rows.
    pub(super) warnings: Vec<Warning>,
}

/// Threshold and reference distributions of a fit.
struct References {
    threshold: f64,
    reference: ReferenceDistribution,
    profile: ReferenceProfile,
}

/// Makes a model of a fit, without evaluation.
pub(super) fn describe(
    trainer: &Trainer<'_>,
    learned: Learned,
    record: TrainingRecord,
) -> Result<Model> {
    let rows = trainer.rows;
    let References { threshold, reference, profile } = references(trainer, &learned)?;
    let Learned { preprocessor, data, sample, tuned: _, fit, calibration, warnings: fit_warnings } =
        learned;
    let TrainingRecord { regularization_path, mut warnings, .. } = record;
    warnings.extend(fit_warnings);
    warnings.extend(alpha_at_end(regularization_path.as_ref()));
    warnings.extend(threshold_not_reached(threshold, &profile.scores));
    let importance = importance(&preprocessor, &fit.coef, data.x.view());
    let correlation = correlation(data.x.view());
    let vif = vif(&correlation);
    let columns = Columns { preprocessor: &preprocessor, data: &data, inflation: &vif };
    let per_column = share(sample.converting_accounts, fit.coef.len());
    let maximum_likelihood = maximum_likelihood(&fit, &columns, per_column, &mut warnings);
    warnings.extend(few_accounts_per_column(&preprocessor, sample.converting_accounts));
    Ok(Model {
        catalog: rows.catalog.clone(),
        families: families(&preprocessor, &fit.coef, (data.x.view(), &correlation), &importance),
        goodness: goodness(&fit, data.y.view(), sample.accounts < sample.rows),
        maximum_likelihood,
        vif,
        importance,
        threshold,
        reference,
        profile,
        preprocessor,
        fit,
        calibration,
        regularization_path,
        coefficient_path: record.coefficient_path,
        evaluation: None,
        baselines: Vec::new(),
        new_accounts: None,
        test_fingerprint: None,
        refit: record.refit,
        training_base_rate: record.training_base_rate,
        split: record.split,
        dropped_features: record.dropped_features,
        findings: record.findings,
        warnings,
        formats: rows.formats.clone(),
        training_fingerprint: fingerprint(rows, &data.rows)?,
        config: trainer.config.stored(),
    })
}

/// Computes the threshold and the reference distributions of the training rows.
fn references(trainer: &Trainer<'_>, learned: &Learned) -> Result<References> {
    let (config, rows) = (trainer.config, trainer.rows);
    let TrainingData { x, group, rows: train, .. } = &learned.data;
    let fitted = learned.probabilities(x.view());
    let cross_fitted = |log_odds: &Vec<f64>| {
        log_odds.iter().map(|eta| learned.calibration.probability(*eta)).collect()
    };
    let reference: Vec<f64> =
        learned.tuned.log_odds.as_ref().map_or_else(|| fitted.clone(), cross_fitted);
    let cutoff = rows.cutoffs(train);
    let population = ReferenceRows {
        probability: &reference,
        account: group,
        cutoff: cutoff.as_deref(),
        cutoff_scheme: config.observation.cutoffs,
    };
    let threshold = threshold(config.qualify.threshold_rule(), &population)?;
    let profiled = ProfileRows {
        rows,
        sorted: trainer.sorted,
        train,
        sample: &learned.sample,
        probabilities: &fitted,
        threshold,
    };
    let profile = profile(&learned.preprocessor, &profiled)?;
    Ok(References {
        threshold,
        reference: ReferenceDistribution::from_probabilities(reference),
        profile,
    })
}

/// Returns a warning if there are few converting accounts for the columns. The penalty keeps spline
/// columns near 0, so that they use less than one degree of freedom: they are not counted.
fn few_accounts_per_column(preprocessor: &Preprocessor, converting: u64) -> Option<Warning> {
    let linear =
        preprocessor.columns().iter().filter(|column| !column.term.is_spline_term()).count();
    let per_column = share(converting, linear);
    (per_column < f64::from(ACCOUNTS_PER_COLUMN))
        .then_some(Warning::FewPerColumn { per_column, needed: ACCOUNTS_PER_COLUMN })
}

/// Returns a warning if the chosen alpha is at an end of the regularization path.
fn alpha_at_end(path: Option<&RegularizationPath>) -> Option<Warning> {
    let path = path?;
    let strongest = path.chosen == 0;
    let end = strongest || path.chosen + 1 == path.points.len();
    end.then(|| Warning::AlphaAtEnd { strongest, alpha: path.points[path.chosen].alpha })
}

/// Returns a warning if no training row reaches the threshold. The threshold comes from
/// cross-fitted probabilities, which vary by fold if there are few distinct accounts.
fn threshold_not_reached(threshold: f64, scores: &ScoreProfile) -> Option<Warning> {
    (scores.above_threshold == 0).then_some(Warning::ThresholdNotReached { threshold })
}

/// Fits all rows at each alpha of a path; `None` without a path, or if one of the fits fails.
pub(super) fn coefficients_along_path(
    base: &Logistic,
    learned: &Learned,
) -> Option<CoefficientPath> {
    let Learned { tuned, data, preprocessor, .. } = learned;
    let alphas: Vec<f64> = tuned.path.as_ref()?.points.iter().map(|point| point.alpha).collect();
    let fits = coefficient_path(base, &alphas, data.x.view(), data.y.view()).ok()?;
    let columns = preprocessor.columns().iter().map(|column| column.name.clone()).collect();
    Some(CoefficientPath {
        columns,
        coef: fits.into_iter().map(|beta| beta[1..].to_vec()).collect(),
    })
}
