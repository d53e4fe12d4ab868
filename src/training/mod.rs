//! Training: rows → preprocessor → cross-fitting → fit → calibration → evaluation → [`Model`].

pub mod audit;
pub(crate) mod baseline;
mod cross;
mod cross_validation;
pub(crate) mod feature_counts;
pub mod held_out;
mod likelihood;
mod pipeline;
mod profile;
mod test_evaluation;
pub mod test_set;

use cross::{CrossFitting, TrainingData, TunedAlpha};
use feature_counts::ACCOUNTS_PER_COLUMN;
use likelihood::{Columns, fit, maximum_likelihood};
use ndarray::Array1;
pub use pipeline::{
    TrainOptions, rows_for_features, rows_for_model, rows_for_scoring, rows_for_training,
    train_on_log, train_on_rows,
};
use polars::prelude::*;
use pql_stats::Error as Statistics;
use pql_stats::calibration::Calibration;
use pql_stats::counts::share;
use pql_stats::glm::{
    Logistic, LogisticFit, Penalty, RegularizationPath, Solver, alpha_grid, coefficient_path,
    goodness, vif,
};
use pql_stats::metrics::{BaseRate, roc_auc};
use profile::{ProfileRows, profile};

use crate::config::{Alpha, CalibrationKind, Config, ModelConfig, PenaltyKind, SolverKind};
use crate::dataset::features::check_names;
use crate::dataset::rows::{Rows, fingerprint};
use crate::dataset::split::{Split, SplitMethod};
use crate::dataset::split_summary::{SampleCounts, SplitSummary};
use crate::error::{Error, Result};
use crate::io::progress::{Progress, Stage};
use crate::log::DataQuality;
use crate::model::card::{Cohort, cohorts};
use crate::model::encoder::{Preprocessor, check_names as check_rule, check_reference_levels};
use crate::model::explain::{families, importance};
use crate::model::profile::ScoreProfile;
use crate::model::thresholds::{ReferenceRows, threshold};
use crate::model::{CoefficientPath, Model, ReferenceDistribution, Refit};
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
pub struct TrainingSetup {
    train: Vec<u32>,
    test: Vec<u32>,
    split: SplitSummary,
    preprocessor: Preprocessor,
    /// Features and columns that were dropped, with reasons.
    pub dropped_features: Vec<DroppedFeature>,
    /// Findings of the leakage audit.
    pub findings: Vec<Finding>,
}

/// Checks the rows, fits the preprocessor on the training rows, and audits them for leakage.
///
/// # Errors
/// * [`Error::NoTrainingRows`], [`Error::Statistics`], [`Error::TooFewConversions`]: the rows do
///   not allow a model
/// * [`Error::Usage`]: two columns would have the same name, or `[design]` names an unknown feature
/// * [`Error::NoFeatures`]: no column remains
pub fn prepare(config: &Config, rows: &Rows) -> Result<TrainingSetup> {
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
    let (preprocessor, dropped_columns) =
        Preprocessor::fit(&rows.features, &rows.design_features, &train, &config.design)?;
    dropped_features.extend(dropped_columns);
    check_reference_levels(&rows.features, &train, &config.design)?;
    let mut findings = audit::columns(rows, &train, &config.design)?;
    findings.extend(rows.findings.iter().cloned());
    Ok(TrainingSetup { train, test, split, preprocessor, dropped_features, findings })
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
    setup: TrainingSetup,
    progress: &Progress,
) -> Result<TrainedModel> {
    let TrainingSetup { train, test, split, preprocessor, dropped_features, findings } = setup;
    let stage = progress.stage("fitting", None);
    let trainer = ModelTrainer { config, rows, stage: &stage };
    let data = trainer.data(&train, &preprocessor)?;
    let mut model = trainer.train(
        &train,
        &data,
        preprocessor,
        LearningInputs { split, dropped_features, findings, alpha: config.model.alpha },
    )?;
    if let Some(problem) = rows.split_problem {
        let test_size = match model.split.method {
            SplitMethod::Newest { test_size } => Some(test_size),
            _ => None,
        };
        model.warnings.insert(0, Warning::TestSetChanged { test_size, problem });
    }
    if test.is_empty() && config.model.test_size > 0.0 {
        model.warnings.push(Warning::NoTestRows);
    }
    if model.split.method == SplitMethod::CrossValidation {
        let test_rows = cross_validation::cross_validate(&trainer, &mut model, &data)?;
        return Ok(TrainedModel { model, test_rows, cohorts: cohorts(rows), quality: None });
    }
    let test_rows = test_evaluation::evaluate_on_test_rows(&mut model, rows, &data, &test)?;
    if config.model.refit && !test.is_empty() {
        model = trainer.refit(model)?;
        test_evaluation::apply_threshold(&mut model, rows, &test, &test_rows)?;
    }
    Ok(TrainedModel { model, test_rows, cohorts: cohorts(rows), quality: None })
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

fn few_accounts_per_column(per_column: f64) -> Option<Warning> {
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

/// Inputs of a training, in addition to the rows.
struct LearningInputs {
    split: SplitSummary,
    dropped_features: Vec<DroppedFeature>,
    findings: Vec<Finding>,
    alpha: Alpha,
}

/// Coefficients with their calibration.
struct LearnedScore {
    tuned: TunedAlpha,
    fit: LogisticFit,
    calibration: Calibration,
}

/// Trains models on rows.
struct ModelTrainer<'a> {
    config: &'a Config,
    rows: &'a Rows,
    stage: &'a Stage,
}

impl ModelTrainer<'_> {
    fn data(&self, train: &[u32], preprocessor: &Preprocessor) -> Result<TrainingData> {
        Ok(TrainingData {
            x: preprocessor.transform(&self.rows.features, Some(train))?.x,
            y: Array1::from(self.rows.outcomes(train)),
            group: self.rows.accounts(train),
            rows: train.to_vec(),
        })
    }

    /// Tunes alpha, fits the coefficients and calibrates the log-odds.
    ///
    /// # Arguments
    /// * `sample` – counts of the rows
    fn learn(
        &self,
        data: &TrainingData,
        preprocessor: &Preprocessor,
        alpha: Alpha,
        sample: &SampleCounts,
        warnings: &mut Vec<Warning>,
    ) -> Result<LearnedScore> {
        let base = logistic(&self.config.model);
        let tuned = self.tune(&base, &data.rows, alpha, data, warnings)?;
        let fit = fit(&Logistic { alpha: tuned.alpha, ..base }, preprocessor, data)?;
        self.stage.advance(1);
        let calibration = calibrate(self.config.model.calibration, &tuned, data, sample, warnings)?;
        Ok(LearnedScore { tuned, fit, calibration })
    }

    /// Trains a model on some rows, without evaluation.
    fn train(
        &self,
        train: &[u32],
        data: &TrainingData,
        preprocessor: Preprocessor,
        inputs: LearningInputs,
    ) -> Result<Model> {
        let (config, rows) = (self.config, self.rows);
        let mut warnings = rows.warnings.clone();
        let base = logistic(&config.model);
        let LearnedScore { tuned, fit, calibration } =
            self.learn(data, &preprocessor, inputs.alpha, &inputs.split.train, &mut warnings)?;
        let importance = importance(&preprocessor, &fit.coef, data.x.view());
        let families = families(&preprocessor, &fit.coef, data.x.view(), &importance);
        let mut findings = inputs.findings;
        if let Some(log_odds) = &tuned.log_odds {
            let importance = || importance.clone();
            findings.extend(audit::model(&data.y.to_vec(), log_odds, &data.group, importance));
        }
        let log_odds = tuned.log_odds.unwrap_or_else(|| fit.log_odds(data.x.view()).to_vec());
        let reference: Vec<f64> =
            log_odds.iter().map(|eta| calibration.probability(*eta)).collect();
        let cutoff = rows.cutoffs(train);
        let population = ReferenceRows {
            probability: &reference,
            account: &data.group,
            cutoff: cutoff.as_deref(),
            cutoff_scheme: config.observation.cutoffs,
        };
        let converting = inputs.split.train.converting_accounts;
        // The penalty keeps spline columns near 0, so that they use less than one degree of
        // freedom.
        let linear_columns =
            preprocessor.columns().iter().filter(|column| !column.term.is_spline_term()).count();
        let (per_column, per_linear_column) =
            (share(converting, fit.coef.len()), share(converting, linear_columns));
        warnings.extend(alpha_at_end(tuned.path.as_ref()));
        let threshold = threshold(config.qualify.threshold_rule(), &population)?;
        let fitted: Vec<f64> =
            fit.log_odds(data.x.view()).iter().map(|eta| calibration.probability(*eta)).collect();
        let profiled = ProfileRows {
            rows,
            train,
            sample: &inputs.split.train,
            probabilities: &fitted,
            threshold,
        };
        let profile = profile(&preprocessor, &profiled)?;
        warnings.extend(threshold_not_reached(threshold, &profile.scores));
        let coefficient_path =
            coefficients_along_path(&base, tuned.path.as_ref(), data, &preprocessor);
        let inflation = vif(data.x.view());
        let columns = Columns { preprocessor: &preprocessor, data, inflation: &inflation };
        Ok(Model {
            maximum_likelihood: maximum_likelihood(&fit, &columns, per_column, &mut warnings),
            catalog: rows.catalog.clone(),
            vif: inflation,
            importance,
            families,
            goodness: goodness(
                &fit,
                data.y.view(),
                inputs.split.train.accounts < inputs.split.train.rows,
            ),
            threshold,
            preprocessor,
            fit,
            calibration,
            regularization_path: tuned.path,
            coefficient_path,
            profile,
            reference: ReferenceDistribution::from_probabilities(reference),
            evaluation: None,
            baselines: Vec::new(),
            new_accounts: None,
            refit: None,
            training_base_rate: BaseRate::compute(&data.y.to_vec(), &data.group),
            test_fingerprint: None,
            split: inputs.split,
            dropped_features: inputs.dropped_features,
            findings,
            warnings: warnings
                .into_iter()
                .chain(few_accounts_per_column(per_linear_column))
                .collect(),
            formats: rows.formats.clone(),
            training_fingerprint: fingerprint(rows, train)?,
            config: config.stored(),
        })
    }

    /// Tunes alpha by cross-fitting. If it fails with a fixed alpha, training continues without it.
    fn tune(
        &self,
        base: &Logistic,
        train: &[u32],
        alpha: Alpha,
        data: &TrainingData,
        warnings: &mut Vec<Warning>,
    ) -> Result<TunedAlpha> {
        let fixed_alpha = fixed_alpha(alpha, self.config.model.penalty);
        let parts = CrossFitting::new(self.config, self.rows, train);
        let done = || self.stage.advance(1);
        match (parts.tune(base, fixed_alpha, data, &done), fixed_alpha) {
            (Err(Error::Statistics(Statistics::NotConverged { .. })), Some(alpha))
                if base.penalty == Penalty::None =>
            {
                let weakest = alpha_grid(Penalty::L2, data.x.view(), data.y.view()).pop();
                warnings.push(Warning::UnpenalizedFold);
                Ok(TunedAlpha {
                    alpha,
                    ..parts.tune(
                        &Logistic { penalty: Penalty::L2, ..base.clone() },
                        weakest,
                        data,
                        &done,
                    )?
                })
            }
            (
                Err(
                    error @ Error::Statistics(
                        Statistics::NotConverged { .. } | Statistics::OneClass { .. },
                    ),
                ),
                Some(alpha),
            ) => {
                warnings.push(Warning::CrossFittingFailed { problem: error.to_string() });
                Ok(TunedAlpha { alpha, path: None, log_odds: None })
            }
            (tuned, _) => tuned,
        }
    }

    /// Fits the model again on all rows with an outcome; alpha grows with their number.
    fn refit(&self, evaluated: Model) -> Result<Model> {
        let rows: Vec<u32> =
            (0..).zip(&self.rows.y).filter(|(_, y)| y.is_some()).map(|(row, _)| row).collect();
        let (preprocessor, dropped_columns) = Preprocessor::fit(
            &self.rows.features,
            &self.rows.design_features,
            &rows,
            &self.config.design,
        )?;
        let dropped_features = self.rows.dropped.iter().cloned().chain(dropped_columns).collect();
        let split = self.rows.split_summary(&rows, &[]);
        let alpha =
            Alpha::Fixed(evaluated.fit.alpha * share(split.train.rows, evaluated.split.train.rows));
        let data = self.data(&rows, &preprocessor)?;
        let refitted = self.train(
            &rows,
            &data,
            preprocessor,
            LearningInputs { split, dropped_features, findings: Vec::new(), alpha },
        )?;
        let refit = Some(Refit {
            sample: split.train,
            base_rate: refitted.training_base_rate,
            last_cutoff: split.last_train,
        });
        let Model {
            regularization_path,
            coefficient_path,
            evaluation,
            mut baselines,
            new_accounts,
            split,
            training_base_rate,
            test_fingerprint,
            findings,
            warnings: mut before,
            ..
        } = evaluated;
        baseline::refit(&mut baselines, &refitted.preprocessor, self.rows, &data);
        before.retain(|warning| !refitted.warnings.contains(warning));
        let warnings = before.into_iter().chain(refitted.warnings.iter().cloned()).collect();
        Ok(Model {
            regularization_path,
            coefficient_path,
            evaluation,
            baselines,
            new_accounts,
            split,
            training_base_rate,
            test_fingerprint,
            refit,
            findings,
            warnings,
            ..refitted
        })
    }
}

/// Fits all rows at each alpha of a path; `None` without a path, or if one of the fits fails.
fn coefficients_along_path(
    base: &Logistic,
    path: Option<&RegularizationPath>,
    data: &TrainingData,
    preprocessor: &Preprocessor,
) -> Option<CoefficientPath> {
    let alphas: Vec<f64> = path?.points.iter().map(|point| point.alpha).collect();
    let fits = coefficient_path(base, &alphas, data.x.view(), data.y.view()).ok()?;
    let columns = preprocessor.columns().iter().map(|column| column.name.clone()).collect();
    Some(CoefficientPath {
        columns,
        coef: fits.into_iter().map(|beta| beta[1..].to_vec()).collect(),
    })
}

/// Returns alpha if it is not tuned.
fn fixed_alpha(alpha: Alpha, penalty: PenaltyKind) -> Option<f64> {
    match alpha {
        _ if matches!(penalty, PenaltyKind::None | PenaltyKind::Firth) => Some(0.0),
        Alpha::Fixed(alpha) => Some(alpha),
        Alpha::Cv => None,
    }
}

/// Returns the regression for a configuration.
fn logistic(config: &ModelConfig) -> Logistic {
    let penalty = match config.penalty {
        PenaltyKind::None => Penalty::None,
        PenaltyKind::L2 => Penalty::L2,
        PenaltyKind::L1 => Penalty::L1,
        PenaltyKind::ElasticNet => Penalty::ElasticNet { l1_ratio: config.l1_ratio },
        PenaltyKind::Firth => Penalty::Firth,
    };
    let solver = if config.solver == SolverKind::Lbfgs { Solver::Lbfgs } else { Solver::Newton };
    Logistic { penalty, solver, ..Logistic::default() }
}

/// Converting accounts below which isotonic calibration overfits.
const MIN_FOR_ISOTONIC: u64 = 200;

/// Fits the calibration on the cross-fitted log-odds.
fn calibrate(
    kind: CalibrationKind,
    tuned: &TunedAlpha,
    data: &TrainingData,
    train: &SampleCounts,
    warnings: &mut Vec<Warning>,
) -> Result<Calibration> {
    let Some(log_odds) = &tuned.log_odds else { return Ok(Calibration::None) };
    let y = data.y.to_vec();
    match kind {
        CalibrationKind::None => Ok(Calibration::None),
        CalibrationKind::Platt => {
            let platt = Calibration::platt(log_odds, &y, &data.group)?;
            if platt.is_none() {
                warnings
                    .push(Warning::NotCalibrated { separated: roc_auc(&y, log_odds) == Some(1.0) });
            }
            Ok(platt.map_or(Calibration::None, Calibration::Platt))
        }
        CalibrationKind::Isotonic => {
            if train.converting_accounts < MIN_FOR_ISOTONIC {
                warnings.push(Warning::FewForIsotonic {
                    accounts: train.converting_accounts,
                    needed: MIN_FOR_ISOTONIC,
                });
            }
            Ok(Calibration::Isotonic(Calibration::isotonic(log_odds, &y)))
        }
    }
}
