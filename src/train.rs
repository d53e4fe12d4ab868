//! Strings the stages together: rows → preprocessor → fit → cross-fitting → evaluation → [`Model`].

use std::collections::BTreeSet;

use ndarray::Array1;
use polars::prelude::*;

use crate::config::{Alpha, Config, ModelRule, PenaltyKind, SolverKind};
use crate::design::{LeftOut, Preprocessor, quantile};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, evaluate};
use crate::features::{Catalogue, Feature};
use crate::fit::{Logistic, LogisticFit, Penalty, Solver, vif, wald};
use crate::ingest::{Log, Names};
use crate::matrix::Matrix;
use crate::model::{Extent, MaximumLikelihood, Model, Reference, Side};
use crate::observe::{Observations, Outcome, Split, folds, split_by_time, stable_share};
use crate::progress::Progress;
use crate::score::{Scorer, probability};

/// Folds of the cross-fitting.
const FOLDS: u8 = 5;
/// Quantiles that stand for the reference population.
const QUANTILES: usize = 1_001;

/// Rows with features, accounts and outcomes, from a log or a matrix.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The features, a column each; other columns are passed over.
    pub features: DataFrame,
    /// What each feature is, in the order of the catalogue.
    pub kinds: Vec<Feature>,
    /// Which usage features there are; `None` where a matrix was given.
    pub catalogue: Option<Catalogue>,
    /// Account of each row, a code in `names`.
    pub account: Vec<u32>,
    /// Names of the accounts.
    pub names: Names,
    /// Cutoff of each row, µs UTC; `None` where a matrix has none.
    pub cutoff: Option<Vec<i64>>,
    /// Outcome of each row; `None` where open.
    pub y: Vec<Option<bool>>,
    /// What each row is used for.
    pub split: Vec<Split>,
    /// The first test cutoff, where there is one.
    pub first_test: Option<i64>,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// A model, and the test rows it was judged on.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// Test rows: `account_id, cutoff, converted, probability` and the features.
    pub test_rows: DataFrame,
}

impl Rows {
    /// Rows of a log.
    #[must_use]
    pub fn of_log(log: Log, observations: Observations, catalogue: Catalogue, features: DataFrame) -> Self {
        let mut warnings = log.warnings;
        if !log.listed {
            warnings.push("without an account list the base rate is among accounts with at least one event".to_owned());
        }
        Self {
            features,
            kinds: catalogue.features(),
            catalogue: Some(catalogue),
            account: observations.account,
            names: log.accounts.id,
            cutoff: Some(observations.cutoff),
            y: observations.outcome.into_iter().map(Outcome::label).collect(),
            split: observations.split,
            first_test: observations.first_test,
            warnings,
        }
    }

    /// Rows of a matrix: split by its own column, else by time, else by a stable hash of the account.
    ///
    /// # Arguments
    /// * `test` – share held out, 0: all labelled rows train
    #[must_use]
    pub fn of_matrix(matrix: Matrix, config: &Config) -> Self {
        let mut names: Vec<Box<str>> = matrix.account.iter().map(|a| a.as_str().into()).collect();
        names.sort_unstable();
        names.dedup();
        let names = Names::from_sorted(names);
        let code = |account: &String| u32::try_from(names.code(account).expect("it was listed")).expect("accounts have u32 codes");
        let account: Vec<u32> = matrix.account.iter().map(code).collect();
        let labelled: Vec<bool> = matrix.y.iter().map(Option::is_some).collect();
        let test = config.model.test;
        let span = config.observation.gap.0 + config.observation.horizon.0;
        let first_of =
            |split: &[Split], cutoff: &[i64]| split.iter().zip(cutoff).filter(|(s, _)| **s == Split::Test).map(|(_, c)| *c).min();
        let (split, first_test) = match (&matrix.split, &matrix.cutoff) {
            _ if test == 0.0 => (vec![Split::Train; labelled.len()], None),
            (Some(split), cutoff) => (split.clone(), cutoff.as_ref().and_then(|c| first_of(split, c))),
            (None, Some(cutoff)) => split_by_time(cutoff, &labelled, span, test),
            (None, None) => {
                let held_out = |a: &String| stable_share("split", config.model.seed, a) < test;
                (matrix.account.iter().map(|a| if held_out(a) { Split::Test } else { Split::Train }).collect(), None)
            }
        };
        let split = split.into_iter().zip(&labelled).map(|(s, labelled)| if *labelled { s } else { Split::Unused }).collect();
        Self {
            kinds: matrix.features.get_column_names().iter().map(|n| Feature::given(n)).collect(),
            features: matrix.features,
            catalogue: None,
            account,
            names,
            cutoff: matrix.cutoff,
            y: matrix.y,
            split,
            first_test,
            warnings: Vec::new(),
        }
    }

    fn of(&self, split: Split) -> Vec<u32> {
        (0..).zip(&self.split).filter(|(_, s)| **s == split).map(|(row, _)| row).collect()
    }

    fn outcomes(&self, rows: &[u32]) -> Vec<bool> {
        rows.iter().map(|r| self.y[*r as usize] == Some(true)).collect()
    }

    fn accounts(&self, rows: &[u32]) -> Vec<u32> {
        rows.iter().map(|r| self.account[*r as usize]).collect()
    }

    fn side(&self, rows: &[u32]) -> Side {
        let accounts: BTreeSet<u32> = self.accounts(rows).into_iter().collect();
        let positive: Vec<u32> = rows.iter().copied().filter(|r| self.y[*r as usize] == Some(true)).collect();
        let converting: BTreeSet<u32> = self.accounts(&positive).into_iter().collect();
        Side {
            rows: rows.len() as u64,
            accounts: accounts.len() as u64,
            positive_rows: positive.len() as u64,
            converting_accounts: converting.len() as u64,
        }
    }

    fn extent(&self, train: &[u32], test: &[u32]) -> Extent {
        let open = self.y.iter().filter(|y| y.is_none()).count();
        let cutoffs = || self.cutoff.iter().flat_map(|c| train.iter().map(|r| c[*r as usize]));
        Extent {
            train: self.side(train),
            test: self.side(test),
            open: open as u64,
            purged: (self.y.len() - open - train.len() - test.len()) as u64,
            first_train: cutoffs().min(),
            last_train: cutoffs().max(),
            first_test: self.first_test,
        }
    }
}

/// Train a model on the training rows and judge it on the test rows.
///
/// # Errors
/// * [`Error::NoTrainingRows`], [`Error::OneClass`], [`Error::TooFewConversions`]: the rows do not make a model
/// * [`Error::NoFeatures`]: no column is left
/// * [`Error::NotConverged`]: the fit did not converge
pub fn train(config: &Config, rows: &Rows, progress: &Progress) -> Result<Trained> {
    let (train, test) = (rows.of(Split::Train), rows.of(Split::Test));
    let extent = rows.extent(&train, &test);
    check(&extent, config)?;
    let stage = progress.stage("fitting", Some(u64::from(FOLDS) + 1));
    let fitted = Fitted::new(config, rows, &train)?;
    stage.advance(1);
    let mut warnings = rows.warnings.clone();
    let reference = match cross_fit(config, rows, &train, || stage.advance(1)) {
        Ok(probabilities) => probabilities,
        Err(error) => {
            warnings.push(format!("percentiles refer to the training rows themselves, since cross-fitting failed: {error}"));
            fitted.fit.log_odds(fitted.x.view()).iter().map(|eta| probability(*eta)).collect()
        }
    };
    let (maximum_likelihood, tested) = maximum_likelihood(config, &fitted);
    warnings.extend(tested);
    if test.is_empty() && config.model.test > 0.0 {
        warnings.push("there is no test row, so nothing was evaluated".to_owned());
    }
    let mut model = Model {
        catalogue: rows.catalogue.clone(),
        vif: vif(fitted.x.view()),
        importance: importance(&fitted),
        preprocessor: fitted.preprocessor,
        fit: fitted.fit,
        maximum_likelihood,
        threshold: threshold(&reference, config.qualify.share()),
        reference: Reference { quantiles: quantiles(reference) },
        evaluation: None,
        extent,
        left_out: fitted.left_out,
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

/// A preprocessor and a fit, with the design they came from.
struct Fitted {
    preprocessor: Preprocessor,
    left_out: Vec<LeftOut>,
    fit: LogisticFit,
    x: ndarray::Array2<f64>,
    y: Array1<bool>,
    group: Vec<u32>,
}

impl Fitted {
    fn new(config: &Config, rows: &Rows, train: &[u32]) -> Result<Self> {
        let (preprocessor, left_out) = Preprocessor::fit(&rows.features, &rows.kinds, train, &config.design)?;
        let x = preprocessor.transform(&rows.features, Some(train))?.x;
        let y = Array1::from(rows.outcomes(train));
        let group = rows.accounts(train);
        let fit = logistic(&config.model).fit_groups(x.view(), y.view(), &group)?;
        Ok(Self { preprocessor, left_out, fit, x, y, group })
    }
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
fn maximum_likelihood(config: &Config, fitted: &Fitted) -> (Option<MaximumLikelihood>, Option<String>) {
    let logistic = Logistic { penalty: Penalty::None, solver: Solver::Newton, ..logistic(&config.model) };
    let mut start = vec![fitted.fit.intercept];
    start.extend(&fitted.fit.coef);
    let unpenalised = Logistic { start: Some(start), ..logistic }.fit_groups(fitted.x.view(), fitted.y.view(), &fitted.group);
    match unpenalised {
        Ok(fit) => {
            let tests = wald(&fit);
            let std_error = fit.std_error();
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

/// Standard deviation of each measure's joint contribution over the training rows, largest first.
fn importance(fitted: &Fitted) -> Vec<(String, f64)> {
    let columns = fitted.preprocessor.columns();
    let n = fraction(fitted.x.nrows(), 1);
    let measures = crate::explain::Measures::of(&fitted.preprocessor);
    let (mut sums, mut squares) = (Vec::new(), vec![0.0; measures.names.len()]);
    debug_assert_eq!(columns.len(), fitted.fit.coef.len());
    for row in fitted.x.rows() {
        // Columns are centred, so that the mean square of a contribution is its variance.
        measures.contributions(&fitted.fit.coef, row.iter().copied(), &mut sums);
        squares.iter_mut().zip(&sums).for_each(|(q, s)| *q += s * s);
    }
    let mut importance: Vec<(String, f64)> = measures.names.into_iter().zip(squares.iter().map(|q| (q / n).sqrt())).collect();
    importance.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    importance
}

/// The smallest reference probability t with P(p ≥ t) ≤ share; above all of them where ties leave none.
fn threshold(reference: &[f64], share: f64) -> f64 {
    let mut sorted = reference.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    let fits = |t: f64| fraction(n - sorted.partition_point(|p| *p < t), n) <= share;
    sorted.iter().copied().find(|t| fits(*t)).unwrap_or_else(|| sorted.last().map_or(1.0, |p| p.next_up()))
}

fn quantiles(mut reference: Vec<f64>) -> Vec<f64> {
    reference.sort_unstable_by(f64::total_cmp);
    (0..QUANTILES).map(|q| quantile(&reference, fraction(q, QUANTILES - 1)).expect("there are training rows")).collect()
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
    model.evaluation = judged(&y, &probability, &rows.accounts(test), &mut model.warnings)?;
    let cutoff = test.iter().map(|r| rows.cutoff.as_ref().map(|c| c[*r as usize]));
    let mut columns = vec![
        Column::new("account_id".into(), test.iter().map(|r| &rows.names[rows.account[*r as usize] as usize]).collect::<Vec<_>>()),
        Int64Chunked::from_iter_options("cutoff".into(), cutoff).into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column(),
        Column::new("converted".into(), y.iter().map(|y| i64::from(*y)).collect::<Vec<_>>()),
        Column::new("probability".into(), probability),
    ];
    let taken: BTreeSet<PlSmallStr> = columns.iter().map(|c| c.name().clone()).collect();
    columns.extend(features.columns().iter().filter(|c| !taken.contains(c.name())).cloned());
    DataFrame::new(test.len(), columns).map_err(unsuitable)
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

/// BLAKE3 of the training matrix: column names, then each column's values in row order, keys and outcomes.
fn fingerprint(rows: &Rows, train: &[u32]) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let text = |hasher: &mut blake3::Hasher, t: &str| {
        hasher.update(&(t.len() as u64).to_le_bytes()).update(t.as_bytes());
    };
    for feature in &rows.kinds {
        text(&mut hasher, &feature.name);
    }
    for feature in &rows.kinds {
        let column = rows.features.column(&feature.name).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
        if column.dtype() == &DataType::Float64 {
            for value in crate::design::numbers(column, Some(train))? {
                hasher.update(&[u8::from(value.is_some())]).update(&value.unwrap_or(0.0).to_le_bytes());
            }
        } else {
            for value in crate::design::texts(column, Some(train))? {
                hasher.update(&[u8::from(value.is_some())]);
                text(&mut hasher, value.as_deref().unwrap_or(""));
            }
        }
    }
    for row in train {
        let at = *row as usize;
        text(&mut hasher, &rows.names[rows.account[at] as usize]);
        hasher.update(&rows.cutoff.as_ref().map_or(i64::MIN, |c| c[at]).to_le_bytes()).update(&[u8::from(rows.y[at] == Some(true))]);
    }
    Ok(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_lets_at_most_the_share_through() {
        let reference: Vec<f64> = (1..=10).map(|p| f64::from(p) / 10.0).collect();
        assert_eq!(threshold(&reference, 0.2), 0.9);
        assert_eq!(threshold(&reference, 0.25), 0.9);
        assert!(threshold(&[0.5; 10], 0.2) > 0.5, "ties leave none");
    }
}
