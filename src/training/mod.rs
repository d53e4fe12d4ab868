//! Strings the stages together: rows → preprocessor → cross-fitting → fit → calibration →
//! evaluation → [`Model`].

pub mod audit;
mod baseline;
mod cross;
pub(crate) mod feature_counts;
mod judge;
mod likelihood;
mod pipeline;
mod profile;
pub mod test_set;

use cross::{Data, Parts, Tuned};
use feature_counts::PER_COLUMN;
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
use pql_stats::glm::{Logistic, Path, Penalty, Solver, fits_along, goodness, grid, vif};
use pql_stats::metrics::roc_auc;
use profile::profile;

use crate::config::{Alpha, CalibrationKind, Config, ModelRule, PenaltyKind, SolverKind};
use crate::dataset::counts::{Extent, Side};
use crate::dataset::features::check_names;
use crate::dataset::observations::Split;
use crate::dataset::rows::{Rows, fingerprint};
use crate::error::{Error, Result};
use crate::io::progress::{Progress, Stage};
use crate::log::Quality;
use crate::model::card::{Cohort, cohorts};
use crate::model::encoder::{Preprocessor, check_bases, check_names as check_rule};
use crate::model::explain::importance;
use crate::model::profile::ScoreProfile;
use crate::model::thresholds::{Population, threshold};
use crate::model::{CoefficientPath, Model, Reference, Refit};
use crate::warning::{DroppedFeature, Finding, Warning};

/// A model, and the test rows it was judged on.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// Test rows: `account_id, cutoff, converted, probability` and the features.
    pub test_rows: DataFrame,
    /// Rows and conversions by month of the cutoff.
    pub cohorts: Vec<Cohort>,
    /// What became of every row of the log; `None` of a matrix.
    pub quality: Option<Quality>,
}

/// Which rows train and which judge, and the columns the training rows allow.
#[derive(Debug, Clone)]
pub struct Setup {
    train: Vec<u32>,
    test: Vec<u32>,
    extent: Extent,
    preprocessor: Preprocessor,
    /// Columns that were left out, each with the reason.
    pub left_out: Vec<DroppedFeature>,
    /// Signs of leakage in the training rows and the log behind them.
    pub findings: Vec<Finding>,
}

/// Check that the rows can make a model, learn on the training rows which columns it has, and audit
/// them for leakage.
///
/// # Errors
/// * [`Error::NoTrainingRows`], [`Error::Statistics`], [`Error::TooFewConversions`]: the rows do
///   not make a model
/// * [`Error::Usage`]: two columns would have one name, or `[design]` names what does not exist
/// * [`Error::NoFeatures`]: no column is left
pub fn prepare(config: &Config, rows: &Rows) -> Result<Setup> {
    let (train, test) = (rows.of(Split::Train), rows.of(Split::Test));
    let extent = rows.extent(&train, &test);
    check(&extent, config)?;
    check_names(&rows.kinds)?;
    check_rule(&rows.kinds, &rows.left_out, &config.design)?;
    let mut left_out = rows.left_out.clone();
    let (preprocessor, of_design) =
        Preprocessor::fit(&rows.features, &rows.kinds, &train, &config.design)?;
    left_out.extend(of_design);
    check_bases(&rows.features, &train, &config.design)?;
    let mut findings = audit::columns(rows, &train, &config.design)?;
    findings.extend(rows.findings.iter().cloned());
    Ok(Setup { train, test, extent, preprocessor, left_out, findings })
}

/// Train a model on the training rows and judge it on the test rows.
///
/// With `model.refit` preprocessing, coefficients and calibration are then learned again on all
/// rows with an outcome.
///
/// # Errors
/// * [`Error::Statistics`]: the fit did not converge
/// * [`Error::Usage`]: `[qualify]` asks for what the training rows cannot give
pub fn train(config: &Config, rows: &Rows, setup: Setup, progress: &Progress) -> Result<Trained> {
    let Setup { train, test, extent, preprocessor, left_out, findings } = setup;
    let stage = progress.stage("fitting", None);
    let learner = Learner { config, rows, stage: &stage };
    let data = learner.data(&train, &preprocessor)?;
    let mut model = learner.learn(
        &train,
        &data,
        preprocessor,
        Part { extent, left_out, findings, alpha: config.model.alpha },
    )?;
    if test.is_empty() && config.model.test > 0.0 {
        model.warnings.push(Warning::NoTestRows);
    }
    let test_rows = judge::judge(&mut model, rows, &data, &test)?;
    if config.model.refit {
        model = learner.refit(model)?;
    }
    Ok(Trained { model, test_rows, cohorts: cohorts(rows), quality: None })
}

fn check(extent: &Extent, config: &Config) -> Result<()> {
    let train = &extent.train;
    if train.rows == 0 {
        return Err(Error::NoTrainingRows {
            problem: format!(
                "{} test rows, {} rows without outcome, {} rows whose horizon reaches into the test rows; a longer log, a shorter `observation.horizon` or a smaller `model.test` is needed",
                extent.test.rows, extent.open, extent.purged
            ),
        });
    }
    if train.positive_rows == 0 || train.positive_rows == train.rows {
        let rows = usize::try_from(train.rows).unwrap_or(usize::MAX);
        return Err(Statistics::OneClass { rows, converted: train.positive_rows > 0 }.into());
    }
    let found = usize::try_from(train.converting_accounts).unwrap_or(usize::MAX);
    if found < config.model.min_conversions {
        return Err(Error::TooFewConversions { found, needed: config.model.min_conversions });
    }
    Ok(())
}

fn few_per_column(per_column: f64) -> Option<Warning> {
    (per_column < f64::from(PER_COLUMN))
        .then_some(Warning::FewPerColumn { per_column, needed: PER_COLUMN })
}

/// A path whose least loss is at its end did not look far enough, or does not need to.
fn at_the_end(path: Option<&Path>) -> Option<Warning> {
    let path = path?;
    let strongest = path.chosen == 0;
    let end = strongest || path.chosen + 1 == path.points.len();
    end.then(|| Warning::AlphaAtEnd { strongest, alpha: path.points[path.chosen].alpha })
}

/// The cross-fitted probabilities of few distinct accounts differ by fold: a threshold that none of
/// the model's own reaches qualifies nobody.
fn reached_by_none(threshold: f64, scores: &ScoreProfile) -> Option<Warning> {
    (scores.reached == 0).then_some(Warning::ThresholdNotReached { threshold })
}

/// What a model is learned from, beside the rows.
struct Part {
    extent: Extent,
    left_out: Vec<DroppedFeature>,
    findings: Vec<Finding>,
    alpha: Alpha,
}

/// Learns models from rows.
struct Learner<'a> {
    config: &'a Config,
    rows: &'a Rows,
    stage: &'a Stage,
}

impl Learner<'_> {
    fn data(&self, train: &[u32], preprocessor: &Preprocessor) -> Result<Data> {
        Ok(Data {
            x: preprocessor.transform(&self.rows.features, Some(train))?.x,
            y: Array1::from(self.rows.outcomes(train)),
            group: self.rows.accounts(train),
            rows: train.to_vec(),
        })
    }

    /// Learn a model on some rows, whose data is given; it is not judged yet.
    fn learn(
        &self,
        train: &[u32],
        data: &Data,
        preprocessor: Preprocessor,
        part: Part,
    ) -> Result<Model> {
        let (config, rows) = (self.config, self.rows);
        let mut warnings = rows.warnings.clone();
        let base = logistic(&config.model);
        let tuned = self.tune(&base, train, part.alpha, data, &mut warnings)?;
        let fit = fit(&Logistic { alpha: tuned.alpha, ..base.clone() }, &preprocessor, data)?;
        self.stage.advance(1);
        let calibration =
            calibrate(config.model.calibration, &tuned, data, &part.extent.train, &mut warnings)?;
        let importance = importance(&preprocessor, &fit.coef, data.x.view());
        let mut findings = part.findings;
        if let Some(log_odds) = &tuned.log_odds {
            findings.extend(audit::model(roc_auc(&data.y.to_vec(), log_odds), &importance));
        }
        let log_odds = tuned.log_odds.unwrap_or_else(|| fit.log_odds(data.x.view()).to_vec());
        let reference: Vec<f64> =
            log_odds.iter().map(|eta| calibration.probability(*eta)).collect();
        let cutoff = rows.cutoffs(train);
        let population = Population {
            probability: &reference,
            account: &data.group,
            cutoff: cutoff.as_deref(),
            at: config.observation.at,
        };
        let converting = part.extent.train.converting_accounts;
        // The penalty holds what bends a line near to 0: such columns take less than one that
        // stands alone.
        let straight = preprocessor.columns().iter().filter(|column| !column.part.bends()).count();
        let (per_column, per_straight) =
            (share(converting, fit.coef.len()), share(converting, straight));
        warnings.extend(at_the_end(tuned.path.as_ref()));
        let threshold = threshold(config.qualify.cut(), &population)?;
        let own: Vec<f64> =
            fit.log_odds(data.x.view()).iter().map(|eta| calibration.probability(*eta)).collect();
        let scores = ScoreProfile::of(&own, threshold);
        warnings.extend(reached_by_none(threshold, &scores));
        let profile = profile(&preprocessor, rows, train, (&part.extent.train, scores))?;
        let coefficient_path = along(&base, tuned.path.as_ref(), data, &preprocessor);
        let inflation = vif(data.x.view());
        let columns = Columns { preprocessor: &preprocessor, data, inflation: &inflation };
        Ok(Model {
            maximum_likelihood: maximum_likelihood(&fit, &columns, per_column, &mut warnings),
            catalogue: rows.catalogue.clone(),
            vif: inflation,
            importance,
            goodness: goodness(
                &fit,
                data.y.view(),
                part.extent.train.accounts < part.extent.train.rows,
            ),
            threshold,
            preprocessor,
            fit,
            calibration,
            path: tuned.path,
            coefficient_path,
            profile,
            reference: Reference::of(reference),
            judgement: None,
            baselines: Vec::new(),
            new_accounts: None,
            refit: None,
            extent: part.extent,
            left_out: part.left_out,
            findings,
            warnings: warnings.into_iter().chain(few_per_column(per_straight)).collect(),
            data: fingerprint(rows, train)?,
            config: config.stored(),
        })
    }

    /// Cross-fit; where that fails and the strength of the penalty is known anyway, go on without.
    fn tune(
        &self,
        base: &Logistic,
        train: &[u32],
        alpha: Alpha,
        data: &Data,
        warnings: &mut Vec<Warning>,
    ) -> Result<Tuned> {
        let given = given(alpha, self.config.model.penalty);
        let parts = Parts::new(self.config, self.rows, train);
        let done = || self.stage.advance(1);
        match (parts.tune(base, given, data, &done), given) {
            (Err(Error::Statistics(Statistics::NotConverged { .. })), Some(alpha))
                if base.penalty == Penalty::None =>
            {
                let weakest = grid(Penalty::L2, data.x.view(), data.y.view()).pop();
                warnings.push(Warning::UnpenalizedFold);
                Ok(Tuned {
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
                Ok(Tuned { alpha, path: None, log_odds: None })
            }
            (tuned, _) => tuned,
        }
    }

    /// Learn again on all rows with an outcome, the penalty growing with their number.
    fn refit(&self, judged: Model) -> Result<Model> {
        let rows: Vec<u32> =
            (0..).zip(&self.rows.y).filter(|(_, y)| y.is_some()).map(|(row, _)| row).collect();
        let (preprocessor, of_design) =
            Preprocessor::fit(&self.rows.features, &self.rows.kinds, &rows, &self.config.design)?;
        let left_out = self.rows.left_out.iter().cloned().chain(of_design).collect();
        let extent = self.rows.extent(&rows, &[]);
        let alpha =
            Alpha::Fixed(judged.fit.alpha * share(extent.train.rows, judged.extent.train.rows));
        let data = self.data(&rows, &preprocessor)?;
        let again = self.learn(
            &rows,
            &data,
            preprocessor,
            Part { extent, left_out, findings: Vec::new(), alpha },
        )?;
        let refit = Some(Refit { learned: extent.train, last: extent.last_train });
        let Model {
            path,
            coefficient_path,
            judgement,
            baselines,
            new_accounts,
            extent,
            findings,
            warnings: mut before,
            ..
        } = judged;
        before.retain(|warning| !again.warnings.contains(warning));
        let warnings = before.into_iter().chain(again.warnings.iter().cloned()).collect();
        Ok(Model {
            path,
            coefficient_path,
            judgement,
            baselines,
            new_accounts,
            extent,
            refit,
            findings,
            warnings,
            ..again
        })
    }
}

/// The coefficients of all rows at each strength of a path; `None` where one of the fits does not
/// exist.
fn along(
    base: &Logistic,
    path: Option<&Path>,
    data: &Data,
    preprocessor: &Preprocessor,
) -> Option<CoefficientPath> {
    let alphas: Vec<f64> = path?.points.iter().map(|point| point.alpha).collect();
    let fits = fits_along(base, &alphas, data.x.view(), data.y.view()).ok()?;
    let columns = preprocessor.columns().iter().map(|column| column.name.clone()).collect();
    Some(CoefficientPath {
        columns,
        coef: fits.into_iter().map(|beta| beta[1..].to_vec()).collect(),
    })
}

/// The strength of the penalty, where it is not to be looked for.
fn given(alpha: Alpha, penalty: PenaltyKind) -> Option<f64> {
    match alpha {
        _ if matches!(penalty, PenaltyKind::None | PenaltyKind::Firth) => Some(0.0),
        Alpha::Fixed(alpha) => Some(alpha),
        Alpha::Cv => None,
    }
}

fn logistic(rule: &ModelRule) -> Logistic {
    let penalty = match rule.penalty {
        PenaltyKind::None => Penalty::None,
        PenaltyKind::L2 => Penalty::L2,
        PenaltyKind::L1 => Penalty::L1,
        PenaltyKind::ElasticNet => Penalty::ElasticNet { l1_ratio: rule.l1_ratio },
        PenaltyKind::Firth => Penalty::Firth,
    };
    let solver = if rule.solver == SolverKind::Lbfgs { Solver::Lbfgs } else { Solver::Newton };
    Logistic { penalty, solver, ..Logistic::default() }
}

/// Converting accounts under which isotonic steps follow single accounts.
const ISOTONIC: u64 = 200;

/// Learn the calibration on the cross-fitted log-odds.
fn calibrate(
    kind: CalibrationKind,
    tuned: &Tuned,
    data: &Data,
    train: &Side,
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
            if train.converting_accounts < ISOTONIC {
                warnings.push(Warning::FewForIsotonic {
                    accounts: train.converting_accounts,
                    needed: ISOTONIC,
                });
            }
            Ok(Calibration::Isotonic(Calibration::isotonic(log_odds, &y)))
        }
    }
}
