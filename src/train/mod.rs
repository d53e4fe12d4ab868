//! Strings the stages together: rows → preprocessor → cross-fitting → fit → calibration → evaluation → [`Model`].

mod baseline;
mod cross;
mod judge;

use ndarray::{Array1, Array2, ArrayView1};
use polars::prelude::*;

use crate::calibrate::Calibration;
use crate::config::{Alpha, CalibrationKind, Config, ModelRule, PenaltyKind, SolverKind};
use crate::design::{LeftOut, Preprocessor, check_bases};
use crate::error::{Error, Result};
use crate::explain::importance;
use crate::features::check_names;
use crate::fit::{Logistic, LogisticFit, Penalty, Solver, goodness, vif, wald};
use crate::model::{Extent, MaximumLikelihood, Model, Reference, Refit, Side};
use crate::observe::Split;
use crate::progress::{Progress, Stage};
use crate::qualify::{Population, threshold};
use crate::rows::{Rows, fingerprint};
use cross::{Data, Parts, Tuned};

/// A model, and the test rows it was judged on.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// Test rows: `account_id, cutoff, converted, probability` and the features.
    pub test_rows: DataFrame,
}

/// Which rows train and which judge, and the columns the training rows allow.
#[derive(Debug, Clone)]
pub struct Setup {
    train: Vec<u32>,
    test: Vec<u32>,
    extent: Extent,
    preprocessor: Preprocessor,
    /// Columns that were left out, each with the reason.
    pub left_out: Vec<LeftOut>,
}

/// Check that the rows can make a model, and learn on the training rows which columns it has.
///
/// # Errors
/// * [`Error::NoTrainingRows`], [`Error::OneClass`], [`Error::TooFewConversions`]: the rows do not make a model
/// * [`Error::Usage`]: two columns would have one name, or `[design]` names what does not exist
/// * [`Error::NoFeatures`]: no column is left
pub fn prepare(config: &Config, rows: &Rows) -> Result<Setup> {
    let (train, test) = (rows.of(Split::Train), rows.of(Split::Test));
    let extent = rows.extent(&train, &test);
    check(&extent, config)?;
    check_names(&rows.kinds)?;
    let (preprocessor, left_out) = Preprocessor::fit(&rows.features, &rows.kinds, &train, &config.design)?;
    check_bases(&rows.features, &train, &config.design)?;
    Ok(Setup { train, test, extent, preprocessor, left_out })
}

/// Train a model on the training rows and judge it on the test rows.
///
/// With `model.refit` preprocessing, coefficients and calibration are then learned again on all rows with an outcome.
/// # Errors
/// * [`Error::NotConverged`]: the fit did not converge
/// * [`Error::Usage`]: `[qualify]` asks for what the training rows cannot give
pub fn train(config: &Config, rows: &Rows, setup: Setup, progress: &Progress) -> Result<Trained> {
    let Setup { train, test, extent, preprocessor, left_out } = setup;
    let stage = progress.stage("fitting", None);
    let learner = Learner { config, rows, stage: &stage };
    let data = learner.data(&train, &preprocessor)?;
    let mut model = learner.learn(&train, &data, preprocessor, Part { extent, left_out, alpha: config.model.alpha })?;
    if test.is_empty() && config.model.test > 0.0 {
        model.warnings.push("there is no test row, so nothing was evaluated".to_owned());
    }
    let test_rows = judge::judge(&mut model, rows, &data, &test)?;
    if config.model.refit {
        model = learner.refit(model)?;
    }
    Ok(Trained { model, test_rows })
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
        return Err(Error::OneClass { rows: usize::try_from(train.rows).unwrap_or(usize::MAX), converted: train.positive_rows > 0 });
    }
    let found = usize::try_from(train.converting_accounts).unwrap_or(usize::MAX);
    if found < config.model.min_conversions {
        return Err(Error::TooFewConversions { found, needed: config.model.min_conversions });
    }
    Ok(())
}

/// Converting accounts per design column under which coefficients are hardly known (Peduzzi et al. 1996).
const PER_COLUMN: f64 = 10.0;

/// Converting accounts per design column under which Wald tests are not given.
const TESTED_PER_COLUMN: f64 = 5.0;

fn few_per_column(per_column: f64) -> Option<String> {
    (per_column < PER_COLUMN).then(|| {
        format!(
            "{per_column:.1} converting training accounts per design column, where 10 are wanted: take fewer `features.counts`, or name the features in `design.use`"
        )
    })
}

/// What a model is learned from, beside the rows.
struct Part {
    extent: Extent,
    left_out: Vec<LeftOut>,
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
        })
    }

    /// Learn a model on some rows, whose data is given; it is not judged yet.
    fn learn(&self, train: &[u32], data: &Data, preprocessor: Preprocessor, part: Part) -> Result<Model> {
        let (config, rows) = (self.config, self.rows);
        let mut warnings = rows.warnings.clone();
        let base = logistic(&config.model);
        let tuned = self.tune(&base, train, part.alpha, data, &mut warnings)?;
        let fit = fit(&Logistic { alpha: tuned.alpha, ..base.clone() }, &preprocessor, data)?;
        self.stage.advance(1);
        let calibration = calibrate(config.model.calibration, &tuned, data, &part.extent.train, &mut warnings)?;
        let log_odds = tuned.log_odds.unwrap_or_else(|| fit.log_odds(data.x.view()).to_vec());
        let reference: Vec<f64> = log_odds.iter().map(|eta| calibration.probability(*eta)).collect();
        let cutoff: Option<Vec<i64>> = rows.cutoff.as_ref().map(|cutoff| train.iter().map(|row| cutoff[*row as usize]).collect());
        let population = Population { probability: &reference, account: &data.group, cutoff: cutoff.as_deref(), at: config.observation.at };
        let per_column = fraction(part.extent.train.converting_accounts, fit.coef.len() as u64);
        Ok(Model {
            maximum_likelihood: maximum_likelihood(&base, &fit, data, per_column, &mut warnings),
            catalogue: rows.catalogue.clone(),
            vif: vif(data.x.view()),
            importance: importance(&preprocessor, &fit.coef, data.x.view()),
            goodness: goodness(&fit, data.y.view(), part.extent.train.accounts < part.extent.train.rows),
            threshold: threshold(config.qualify.cut(), &population)?,
            preprocessor,
            fit,
            calibration,
            path: tuned.path,
            reference: Reference::of(reference),
            judgement: None,
            baselines: Vec::new(),
            new_accounts: None,
            refit: None,
            extent: part.extent,
            left_out: part.left_out,
            warnings: warnings.into_iter().chain(few_per_column(per_column)).collect(),
            data: fingerprint(rows, train)?,
            config: config.stored(),
        })
    }

    /// Cross-fit; where that fails and the strength of the penalty is known anyway, go on without.
    fn tune(&self, base: &Logistic, train: &[u32], alpha: Alpha, data: &Data, warnings: &mut Vec<String>) -> Result<Tuned> {
        let given = given(alpha, self.config.model.penalty);
        let parts = Parts::new(self.config, self.rows, train);
        match (parts.tune(base, given, data, &|| self.stage.advance(1)), given) {
            (Err(error @ (Error::NotConverged { .. } | Error::OneClass { .. })), Some(alpha)) => {
                warnings.push(format!(
                    "not calibrated, and percentiles refer to the training rows themselves, since cross-fitting failed: {error}"
                ));
                Ok(Tuned { alpha, path: None, log_odds: None })
            }
            (tuned, _) => tuned,
        }
    }

    /// Learn again on all rows with an outcome, the penalty growing with their number.
    fn refit(&self, judged: Model) -> Result<Model> {
        let rows: Vec<u32> = (0..).zip(&self.rows.y).filter(|(_, y)| y.is_some()).map(|(row, _)| row).collect();
        let (preprocessor, left_out) = Preprocessor::fit(&self.rows.features, &self.rows.kinds, &rows, &self.config.design)?;
        let extent = self.rows.extent(&rows, &[]);
        let alpha = Alpha::Fixed(judged.fit.alpha * fraction(extent.train.rows, judged.extent.train.rows));
        let data = self.data(&rows, &preprocessor)?;
        let again = self.learn(&rows, &data, preprocessor, Part { extent, left_out, alpha })?;
        let refit = Some(Refit { learned: extent.train, last: extent.last_train });
        let Model { path, judgement, baselines, new_accounts, extent, .. } = judged;
        Ok(Model { path, judgement, baselines, new_accounts, extent, refit, ..again })
    }
}

/// The strength of the penalty, where it is not to be looked for.
fn given(alpha: Alpha, penalty: PenaltyKind) -> Option<f64> {
    match alpha {
        _ if matches!(penalty, PenaltyKind::None | PenaltyKind::Firth) => Some(0.0),
        Alpha::Fixed(alpha) => Some(alpha),
        Alpha::Cv => None,
    }
}

/// Columns that alone tell the outcome of some rows for sure: the ranges of the two outcomes touch at most.
fn separating(preprocessor: &Preprocessor, x: &Array2<f64>, y: &Array1<bool>) -> Vec<String> {
    let range = |column: ArrayView1<'_, f64>, of: bool| {
        let values = column.iter().zip(y).filter(|(_, y)| **y == of).map(|(v, _)| *v);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let separates = |column| {
        let ((low, high), (other_low, other_high)) = (range(column, true), range(column, false));
        high <= other_low || other_high <= low
    };
    let columns = preprocessor.columns().into_iter().zip(x.columns());
    columns.filter(|(_, x)| separates(*x)).map(|(column, _)| column.name).collect()
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

/// Fit; where that fails, name the features that separate the outcomes.
fn fit(logistic: &Logistic, preprocessor: &Preprocessor, data: &Data) -> Result<LogisticFit> {
    logistic.fit_groups(data.x.view(), data.y.view(), &data.group).map_err(|error| match error {
        Error::NotConverged { solver, iterations, gradient, .. } => {
            let separated_by = separating(preprocessor, &data.x, &data.y);
            Error::NotConverged { solver, iterations, gradient, separated_by }
        }
        other => other,
    })
}

/// Converting accounts under which isotonic steps follow single accounts.
const ISOTONIC: u64 = 200;

/// Learn the calibration on the cross-fitted log-odds.
fn calibrate(kind: CalibrationKind, tuned: &Tuned, data: &Data, train: &Side, warnings: &mut Vec<String>) -> Result<Calibration> {
    let Some(log_odds) = &tuned.log_odds else { return Ok(Calibration::None) };
    let y = data.y.to_vec();
    match kind {
        CalibrationKind::None => Ok(Calibration::None),
        CalibrationKind::Platt => {
            let platt = Calibration::platt(log_odds, &y, &data.group)?;
            if platt.is_none() {
                warnings
                    .push("not calibrated: the cross-fitted log-odds do not rise with the outcome, so the model tells nothing".to_owned());
            }
            Ok(platt.map_or(Calibration::None, Calibration::Platt))
        }
        CalibrationKind::Isotonic => {
            if train.converting_accounts < ISOTONIC {
                warnings.push(format!(
                    "isotonic calibration on {} converting accounts, where {ISOTONIC} are wanted: take `model.calibration = \"platt\"`",
                    train.converting_accounts
                ));
            }
            Ok(Calibration::Isotonic(Calibration::isotonic(log_odds, &y)))
        }
    }
}

/// Wald tests of the unpenalised fit of the same columns; a warning says why there are none.
fn maximum_likelihood(
    base: &Logistic,
    fit: &LogisticFit,
    data: &Data,
    per_column: f64,
    warnings: &mut Vec<String>,
) -> Option<MaximumLikelihood> {
    if per_column < TESTED_PER_COLUMN {
        warnings.push(format!("no z and p: {per_column:.1} converting accounts per design column, where 5 are needed"));
        return None;
    }
    let start = std::iter::once(fit.intercept).chain(fit.coef.iter().copied()).collect();
    let logistic = Logistic { penalty: Penalty::None, solver: Solver::Newton, start: Some(start), ..base.clone() };
    let Ok(fit) = logistic.fit_groups(data.x.view(), data.y.view(), &data.group) else {
        warnings.push(
            "no z and p: without penalty the fit does not exist, the outcomes are separated or the columns nearly collinear".to_owned(),
        );
        return None;
    };
    let (tests, std_error) = (wald(&fit)?, fit.std_error()?);
    let coef = std::iter::once(fit.intercept).chain(fit.coef).collect();
    Some(MaximumLikelihood { coef, std_error, z: tests.z, p: tests.p })
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn fraction(part: u64, of: u64) -> f64 {
    part as f64 / of.max(1) as f64
}
