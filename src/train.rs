//! Strings the stages together: rows → preprocessor → fit → cross-fitting → evaluation → [`Model`].

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, ArrayView1};
use polars::prelude::*;

use crate::calibrate::probability;
use crate::config::{Alpha, Config, ModelRule, PenaltyKind, SolverKind};
use crate::design::{LeftOut, Preprocessor, check_bases};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, evaluate};
use crate::explain::importance;
use crate::features::check_names;
use crate::fit::{Logistic, LogisticFit, Penalty, Solver, vif, wald};
use crate::model::{Extent, MaximumLikelihood, Model, Reference, threshold};
use crate::observe::{Split, folds};
use crate::output::time_column;
use crate::progress::Progress;
use crate::rows::{Rows, fingerprint};
use crate::score::Scorer;

/// Folds of the cross-fitting.
const FOLDS: u8 = 5;

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
/// # Errors
/// * [`Error::NotConverged`]: the fit did not converge
pub fn train(config: &Config, rows: &Rows, setup: Setup, progress: &Progress) -> Result<Trained> {
    let Setup { train, test, extent, preprocessor, left_out } = setup;
    let stage = progress.stage("fitting", Some(u64::from(FOLDS) + 1));
    let fitted = Fitted::new(config, rows, &train, preprocessor)?;
    stage.advance(1);
    let mut warnings = rows.warnings.clone();
    let reference = match cross_fit(config, rows, &train, || stage.advance(1)) {
        Ok(probabilities) => probabilities,
        Err(error @ (Error::NotConverged { .. } | Error::OneClass { .. })) => {
            warnings.push(format!("percentiles refer to the training rows themselves, since cross-fitting failed: {error}"));
            fitted.fit.log_odds(fitted.x.view()).iter().map(|eta| probability(*eta)).collect()
        }
        Err(error) => return Err(error),
    };
    let per_column = per_column(&extent, fitted.fit.coef.len());
    let (maximum_likelihood, tested) = maximum_likelihood(config, &fitted, per_column);
    warnings.extend(tested);
    warnings.extend(few_per_column(per_column));
    if test.is_empty() && config.model.test > 0.0 {
        warnings.push("there is no test row, so nothing was evaluated".to_owned());
    }
    let mut model = Model {
        catalogue: rows.catalogue.clone(),
        vif: vif(fitted.x.view()),
        importance: importance(&fitted.preprocessor, &fitted.fit.coef, fitted.x.view()),
        preprocessor: fitted.preprocessor,
        fit: fitted.fit,
        maximum_likelihood,
        threshold: threshold(&reference, config.qualify.share()),
        reference: Reference::of(reference),
        evaluation: None,
        new_accounts: None,
        extent,
        left_out,
        warnings,
        data: fingerprint(rows, &train)?,
        config: config.stored(),
    };
    let test_rows = judge(&mut model, rows, &test)?;
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

fn per_column(extent: &Extent, columns: usize) -> f64 {
    fraction(usize::try_from(extent.train.converting_accounts).unwrap_or(usize::MAX), columns.max(1))
}

fn few_per_column(per_column: f64) -> Option<String> {
    (per_column < PER_COLUMN).then(|| {
        format!(
            "{per_column:.1} converting training accounts per design column, where 10 are wanted: take a larger `model.alpha`, fewer `features.counts`, or name the features in `design.use`"
        )
    })
}

/// A preprocessor and a fit, with the design they came from.
struct Fitted {
    preprocessor: Preprocessor,
    fit: LogisticFit,
    x: Array2<f64>,
    y: Array1<bool>,
    group: Vec<u32>,
}

impl Fitted {
    fn new(config: &Config, rows: &Rows, train: &[u32], preprocessor: Preprocessor) -> Result<Self> {
        let x = preprocessor.transform(&rows.features, Some(train))?.x;
        let y = Array1::from(rows.outcomes(train));
        let group = rows.accounts(train);
        let fit = logistic(&config.model).fit_groups(x.view(), y.view(), &group).map_err(|error| match error {
            Error::NotConverged { solver, iterations, gradient, .. } => {
                let separated_by = separating(&preprocessor, &x, &y);
                Error::NotConverged { solver, iterations, gradient, separated_by }
            }
            other => other,
        })?;
        Ok(Self { preprocessor, fit, x, y, group })
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
    let alpha = match rule.alpha {
        Alpha::Fixed(alpha) => alpha,
        Alpha::Cv => unreachable!("refused by `Config::validate`"),
    };
    let penalty = if rule.penalty == PenaltyKind::None { Penalty::None } else { Penalty::L2 };
    let solver = if rule.solver == SolverKind::Lbfgs { Solver::Lbfgs } else { Solver::Newton };
    Logistic { penalty, alpha, solver, ..Logistic::default() }
}

/// The probability of each training row by a model that did not see its account; everything is learned anew in each fold.
fn cross_fit(config: &Config, rows: &Rows, train: &[u32], done: impl Fn()) -> Result<Vec<f64>> {
    let fold_of = folds(&rows.accounts(train), &rows.outcomes(train), |a| &rows.names[a as usize], config.model.seed, FOLDS);
    let mut probabilities = vec![f64::NAN; train.len()];
    for fold in 0..FOLDS {
        let part = |inside: bool| -> Vec<usize> { (0..train.len()).filter(|at| (fold_of[*at] == fold) == inside).collect() };
        let (out, inside) = (part(true), part(false));
        let rows_of = |part: &[usize]| -> Vec<u32> { part.iter().map(|at| train[*at]).collect() };
        let (preprocessor, _) = Preprocessor::fit(&rows.features, &rows.kinds, &rows_of(&inside), &config.design)?;
        let design = |part: &[usize]| preprocessor.transform(&rows.features, Some(&rows_of(part))).map(|d| d.x);
        let mut logistic = logistic(&config.model);
        // The penalty stands against a sum over rows, so a fold takes its share of it.
        logistic.alpha *= fraction(inside.len(), train.len());
        let y = Array1::from(rows.outcomes(&rows_of(&inside)));
        let fit = logistic.fit_rows(design(&inside)?.view(), y.view())?;
        for (at, eta) in out.iter().zip(fit.log_odds(design(&out)?.view())) {
            probabilities[*at] = probability(eta);
        }
        done();
    }
    Ok(probabilities)
}

/// Wald tests of the unpenalised fit of the same columns, or why there are none.
fn maximum_likelihood(config: &Config, fitted: &Fitted, per_column: f64) -> (Option<MaximumLikelihood>, Option<String>) {
    if per_column < TESTED_PER_COLUMN {
        return (None, Some(format!("no z and p: {per_column:.1} converting accounts per design column, where 5 are needed")));
    }
    let logistic = Logistic { penalty: Penalty::None, solver: Solver::Newton, ..logistic(&config.model) };
    let mut start = vec![fitted.fit.intercept];
    start.extend(&fitted.fit.coef);
    let unpenalised = Logistic { start: Some(start), ..logistic }.fit_groups(fitted.x.view(), fitted.y.view(), &fitted.group);
    match unpenalised {
        Ok(fit) => {
            let tests = wald(&fit).expect("an unpenalised fit has standard errors");
            let std_error = fit.std_error().expect("an unpenalised fit has standard errors");
            let coef = std::iter::once(fit.intercept).chain(fit.coef).collect();
            (Some(MaximumLikelihood { coef, std_error, z: tests.z, p: tests.p }), None)
        }
        Err(_) => (
            None,
            Some(
                "no z and p: without penalty the fit does not exist, the outcomes are separated or the columns nearly collinear".to_owned(),
            ),
        ),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn fraction(part: usize, of: usize) -> f64 {
    part as f64 / of as f64
}

/// Judge the model on the test rows, and put them in a table.
fn judge(model: &mut Model, rows: &Rows, test: &[u32]) -> Result<DataFrame> {
    let unsuitable = |e: PolarsError| Error::Unsuitable { problem: e.to_string(), hint: None };
    let index = IdxCa::from_slice("".into(), test);
    let features = rows.features.take(&index).map_err(unsuitable)?;
    let probability = Scorer::new(model, "")?.probabilities(&features)?;
    let y = rows.outcomes(test);
    let accounts = rows.accounts(test);
    model.evaluation = judged(&y, &probability, &accounts, &mut model.warnings)?;
    model.new_accounts = judged_new(rows, &y, &probability, &accounts)?;
    let cutoff = test.iter().map(|r| rows.cutoff.as_ref().map(|c| c[*r as usize]));
    let mut columns = vec![
        Column::new("account_id".into(), test.iter().map(|r| &rows.names[rows.account[*r as usize] as usize]).collect::<Vec<_>>()),
        time_column("cutoff", cutoff),
        Column::new("converted".into(), y.iter().map(|y| i64::from(*y)).collect::<Vec<_>>()),
        Column::new("probability".into(), probability),
    ];
    let taken: BTreeSet<PlSmallStr> = columns.iter().map(|c| c.name().clone()).collect();
    columns.extend(features.columns().iter().filter(|c| !taken.contains(c.name())).cloned());
    DataFrame::new(test.len(), columns).map_err(unsuitable)
}

/// Metrics on the test rows of accounts without training rows, where these are some of the test rows and not all.
fn judged_new(rows: &Rows, y: &[bool], probability: &[f64], accounts: &[u32]) -> Result<Option<Evaluation>> {
    let known: BTreeSet<u32> = rows.accounts(&rows.of(Split::Train)).into_iter().collect();
    let new: Vec<usize> = (0..y.len()).filter(|at| !known.contains(&accounts[*at])).collect();
    if new.is_empty() || new.len() == y.len() {
        return Ok(None);
    }
    let y: Vec<bool> = new.iter().map(|at| y[*at]).collect();
    let probability: Vec<f64> = new.iter().map(|at| probability[*at]).collect();
    let accounts: Vec<u32> = new.iter().map(|at| accounts[*at]).collect();
    evaluate(&y, &probability, &accounts).map(Some)
}

fn judged(y: &[bool], probability: &[f64], group: &[u32], warnings: &mut Vec<String>) -> Result<Option<Evaluation>> {
    if y.is_empty() {
        return Ok(None);
    }
    if probability.iter().any(|p| p.is_nan()) {
        return Err(Error::Unsuitable {
            problem: "a test row has a feature that is not finite".to_owned(),
            hint: Some("leave such values empty".to_owned()),
        });
    }
    let evaluation = evaluate(y, probability, group)?;
    if evaluation.roc_auc.is_none() {
        warnings.push("the test rows have one outcome only, so that ranking cannot be judged".to_owned());
    }
    Ok(Some(evaluation))
}
