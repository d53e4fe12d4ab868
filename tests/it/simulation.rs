//! Tests on data simulated from known coefficients: coverage of intervals, calibration of
//! probabilities, and no skill without signal.
//!
//! By default, a few seeds run with wide bounds. `PQL_LONG=1` runs 200 seeds with the nominal
//! bounds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use polars::prelude::{Column, DataFrame};
use pql::dataset::matrix::Matrix;
use pql::dataset::split::Split;
use pql::model::explain::coefficients;
use pql::model::score::Scorer;
use pql::model::score::ScoringBatch;
use pql::{Config, Model, Rows, Sink, TrainOptions, TrainedModel, train_on_rows};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::common::print_figure;

/// Returns the number of seeds and the factor by which the bounds are wider than with 200 seeds.
fn scale() -> (u64, f64) {
    if std::env::var_os("PQL_LONG").is_some() { (200, 1.0) } else { (24, 2.5) }
}

/// Returns the result for each seed, in order. Uses threads outside of rayon because nested rayon
/// jobs would pile up.
fn for_each_seed<T: Send>(seeds: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, done) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    let result = work(seed);
                    done.lock().unwrap().insert(seed, result);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}

/// Simulation settings: `η = intercept + Σ coef·x` with correlated normal columns, and accounts of
/// several rows with a shared effect.
#[derive(Clone)]
struct Scenario {
    intercept: f64,
    coef: Vec<f64>,
    rows: usize,
    per_account: usize,
}

/// A simulated table with the true probability of each row.
struct SimulatedRows {
    features: DataFrame,
    account: Vec<String>,
    y: Vec<bool>,
    truth: Vec<f64>,
}

/// Attenuation of the shared effect of an account.
const BRIDGE: f64 = 0.8;

impl Scenario {
    /// Draws a table.
    ///
    /// The shared effect has the bridge distribution of Wang and Louis (*Biometrika* 90, 2003), so
    /// that the marginal model is logistic with exactly these coefficients: `logit P(y |
    /// x, b) = η/φ + b` gives `logit P(y | x) = η`.
    fn draw(&self, seed: u64) -> SimulatedRows {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let p = self.coef.len();
        let mut columns = vec![Vec::with_capacity(self.rows); p];
        let (mut account, mut y, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        let (mut common, mut effect) = (0.0, 0.0);
        for row in 0..self.rows {
            if row % self.per_account == 0 {
                common = rng.sample::<f64, _>(StandardNormal);
                let u: f64 = rng.random_range(1e-9..1.0 - 1e-9);
                let pi = std::f64::consts::PI;
                effect = ((BRIDGE * pi * u).sin() / (BRIDGE * pi * (1.0 - u)).sin()).ln() / BRIDGE;
            }
            let mut eta = self.intercept;
            for (column, coef) in columns.iter_mut().zip(&self.coef) {
                // Correlated with the other columns and within accounts.
                let x = 0.5 * common + rng.sample::<f64, _>(StandardNormal);
                eta += coef * x;
                column.push(x);
            }
            let conditional = if self.per_account > 1 { eta / BRIDGE + effect } else { eta };
            y.push(rng.random_bool(sigmoid(conditional)));
            truth.push(sigmoid(eta));
            account.push(format!("a{:06}", row / self.per_account));
        }
        let columns = columns
            .into_iter()
            .enumerate()
            .map(|(index, values)| Column::new(format!("x{index}").into(), values))
            .collect();
        SimulatedRows { features: DataFrame::new(self.rows, columns).unwrap(), account, y, truth }
    }
}

fn sigmoid(eta: f64) -> f64 {
    1.0 / (1.0 + (-eta).exp())
}

/// Trains on the rows before `test` and evaluates on the others.
fn train(rows: &SimulatedRows, keys: &str, test: usize) -> TrainedModel {
    let text = format!("[design]\nlog1p = \"never\"\nwinsorize = \"never\"\n[model]\n{keys}");
    let config = Config::parse(&text, Path::new("pql.toml"), &[]).unwrap();
    let split =
        (0..rows.y.len()).map(|row| if row < test { Split::Train } else { Split::Test }).collect();
    let matrix = Matrix {
        features: rows.features.clone(),
        account: rows.account.clone(),
        cutoff: None,
        y: rows.y.iter().map(|y| Some(*y)).collect(),
        split: Some(split),
        formats: std::collections::BTreeMap::new(),
        warnings: Vec::new(),
    };
    let rows = Rows::from_matrix(matrix, &config).unwrap();
    train_on_rows(&config, &rows, TrainOptions::default(), &mut Sink::silent()).unwrap()
}

/// Number of intervals that contain the true value, and number of intervals.
#[derive(Clone, Copy, Default)]
struct Coverage {
    covered: f64,
    total: f64,
}

impl Coverage {
    fn count(&mut self, low: f64, truth: f64, high: f64) {
        self.covered += f64::from(u8::from(low <= truth && truth <= high));
        self.total += 1.0;
    }

    fn add(mut self, other: Self) -> Self {
        (self.covered, self.total) = (self.covered + other.covered, self.total + other.total);
        self
    }

    fn share(self) -> f64 {
        self.covered / self.total
    }
}

/// Coverage of one model: each coefficient, all unpenalized coefficients, and the probabilities of
/// new rows.
#[derive(Clone, Default)]
struct ModelCoverage {
    coef: Vec<Coverage>,
    unpenalized: Coverage,
    probability: Coverage,
}

fn model_coverage(scenario: &Scenario, model: &Model, fresh: &SimulatedRows) -> ModelCoverage {
    let mut covered = ModelCoverage {
        coef: vec![Coverage::default(); scenario.coef.len()],
        ..ModelCoverage::default()
    };
    let rows = coefficients(model);
    let refit = model.maximum_likelihood.as_ref().expect("the unpenalized fit exists");
    for (index, row) in rows.iter().enumerate().skip(1) {
        let column: usize = row.feature.strip_prefix('x').unwrap().parse().unwrap();
        let truth = scenario.coef[column] * row.sd.unwrap();
        let interval = row.interval.unwrap();
        covered.coef[column].count(interval.low, truth, interval.high);
        let half = 1.96 * refit.std_error[index];
        covered.unpenalized.count(refit.coef[index] - half, truth, refit.coef[index] + half);
    }
    let scorer = Scorer::new(model, "").unwrap();
    let n = fresh.y.len();
    let account = Column::new("account_id".into(), &fresh.account);
    let batch = ScoringBatch {
        features: &fresh.features,
        account: &account,
        cutoff: &vec![None; n],
        unscored: &vec![None; n],
        pqls: &[],
        ineligible: &[],
    };
    let (table, _) = scorer.score(&batch).unwrap();
    let end = |name: &str| {
        table.column(name).unwrap().f64().unwrap().iter().flatten().collect::<Vec<f64>>()
    };
    for ((low, high), truth) in
        end("probability_low").into_iter().zip(end("probability_high")).zip(&fresh.truth)
    {
        covered.probability.count(low, *truth, high);
    }
    covered
}

/// Computes the coverage over many seeds.
fn coverage(scenario: &Scenario, keys: &str) -> ModelCoverage {
    let (seeds, _) = scale();
    let all = for_each_seed(seeds, |seed| {
        let model =
            train(&scenario.draw(seed), &format!("{keys}\ntest_size = 0\n"), scenario.rows).model;
        model_coverage(
            scenario,
            &model,
            &Scenario { rows: 400, ..scenario.clone() }.draw(1_000_000 + seed),
        )
    });
    let mut total = ModelCoverage {
        coef: vec![Coverage::default(); scenario.coef.len()],
        ..ModelCoverage::default()
    };
    for one in all {
        total.coef = total.coef.iter().zip(&one.coef).map(|(a, b)| a.add(*b)).collect();
        total.unpenalized = total.unpenalized.add(one.unpenalized);
        total.probability = total.probability.add(one.probability);
    }
    let each: Vec<String> = total.coef.iter().map(|c| format!("{:.3}", c.share())).collect();
    let (together, unpenalized, probability) =
        (together(&total).share(), total.unpenalized.share(), total.probability.share());
    print_figure(&format!(
        "{} rows an account, {keys:?}: coefficients {together:.3} ({}), unpenalized {unpenalized:.3}, probabilities {probability:.3}",
        scenario.per_account,
        each.join(" ")
    ));
    total
}

fn together(covered: &ModelCoverage) -> Coverage {
    covered.coef.iter().fold(Coverage::default(), |a, b| a.add(*b))
}

fn scenario(per_account: usize) -> Scenario {
    Scenario {
        intercept: -1.5,
        coef: vec![0.8, -0.5, 0.3, 0.0, 0.15, -0.2],
        rows: 1200,
        per_account,
    }
}

/// Asserts that a share is near 0.95: within 0.02, or more with few seeds.
#[track_caller]
fn assert_near_95(name: &str, cover: Coverage) {
    let (_, wider) = scale();
    let share = cover.share();
    // Coverage near 1 means that the intervals are too wide.
    assert!(0.95 - 0.02 * wider <= share && share <= 0.985, "{name}: {share}");
}

#[test]
fn maximum_likelihood_intervals_have_nominal_coverage() {
    let (_, wider) = scale();
    for per_account in [1, 4] {
        let covered =
            coverage(&scenario(per_account), "penalty = \"none\"\ncalibration = \"none\"");
        assert_near_95("coefficients", together(&covered));
        assert_near_95("probabilities", covered.probability);
        for (index, cover) in covered.coef.iter().enumerate() {
            assert!(cover.share() >= 0.95 - 0.06 * wider, "x{index}: {}", cover.share());
        }
    }
}

#[test]
fn penalized_intervals_have_almost_nominal_coverage() {
    let (_, wider) = scale();
    let covered = coverage(&scenario(1), "");
    assert!(together(&covered).share() >= 0.95 - 0.05 * wider, "{}", together(&covered).share());
    assert_near_95("the unpenalized refit", covered.unpenalized);
}

#[test]
fn probabilities_of_new_data_are_calibrated_at_every_base_rate() {
    let (seeds, wider) = scale();
    // At least 20 converting accounts for each of 5 columns.
    for (rate, intercept, rows) in [(1, -5.1, 14_000), (10, -2.5, 2_000), (40, -0.45, 1_000)] {
        let scenario =
            Scenario { intercept, coef: vec![0.7, -0.5, 0.3, 0.2, 0.0], rows, per_account: 1 };
        let mut slopes = for_each_seed(seeds, |seed| {
            // The second half is the test set.
            let simulated = Scenario { rows: 2 * rows, ..scenario.clone() }.draw(seed);
            let model = train(&simulated, "test_size = 0.5", rows).model;
            assert!(
                model.split.train.converting_accounts >= 80,
                "{}",
                model.split.train.converting_accounts
            );
            slope(&model)
        });
        slopes.sort_by(f64::total_cmp);
        let median = slopes[slopes.len() / 2];
        print_figure(&format!("base rate {rate}%: median calibration slope {median:.3}"));
        assert!((median - 1.0).abs() <= 0.05 * wider, "{rate}%: {median}");
    }
}

fn slope(model: &Model) -> f64 {
    model.evaluation.as_ref().unwrap().metrics.calibration_slope.unwrap().value
}

#[test]
fn models_without_signal_rarely_beat_the_base_rate() {
    let seeds = if scale().0 == 200 { 100 } else { 40 };
    let scenario = Scenario { intercept: -1.8, coef: vec![0.0; 6], rows: 900, per_account: 1 };
    let beaten = for_each_seed(seeds, |seed| {
        train(&scenario.draw(7_000 + seed), "test_size = 0.3", 600).model.baselines[0]
            .difference
            .is_better()
    });
    let beaten = beaten.into_iter().filter(|beaten| *beaten).count();
    print_figure(&format!("noise beats the base rate in {beaten} of {seeds} seeds"));
    assert!(beaten * 20 <= usize::try_from(seeds).unwrap(), "{beaten} of {seeds}");
}
