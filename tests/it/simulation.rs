//! Data simulated from known coefficients: intervals cover, probabilities are calibrated, nothing
//! is found where nothing is.
//!
//! A few seeds run always, with bounds as wide as so few allow; `PQL_LONG=1` runs 200 of each with
//! the bounds that hold of the method.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use polars::prelude::{Column, DataFrame};
use pql::dataset::matrix::Matrix;
use pql::dataset::observations::Split;
use pql::model::explain::coefficients;
use pql::model::score::Batch;
use pql::model::score::Scorer;
use pql::{Config, Model, Rows, Sink, TrainOptions, Trained, train_on_rows};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::common::say;

/// How many seeds, and how much wider the bounds are than with 200.
fn extent() -> (u64, f64) {
    if std::env::var_os("PQL_LONG").is_some() { (200, 1.0) } else { (24, 2.5) }
}

/// What each seed gives, in their order; on threads outside of rayon's, whose own work would pile
/// up inside of one another.
fn each<T: Send>(seeds: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
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

/// How data is drawn: `η = intercept + Σ coef·x`, correlated normal columns, accounts of several
/// rows with a shared effect.
#[derive(Clone)]
struct World {
    intercept: f64,
    coef: Vec<f64>,
    rows: usize,
    per_account: usize,
}

/// A table with the true probability of each row.
struct Drawn {
    features: DataFrame,
    account: Vec<String>,
    y: Vec<bool>,
    truth: Vec<f64>,
}

/// Attenuation of the effect that the rows of an account share.
const BRIDGE: f64 = 0.8;

impl World {
    /// Draw a table.
    ///
    /// The shared effect has the bridge distribution of Wang and Louis (*Biometrika* 90, 2003), so
    /// that the marginal model is again logistic, with exactly these coefficients: `logit P(y |
    /// x, b) = η/φ + b` gives `logit P(y | x) = η`.
    fn draw(&self, seed: u64) -> Drawn {
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
                // Correlated with the other columns, and inside an account.
                let x = 0.5 * common + rng.sample::<f64, _>(StandardNormal);
                eta += coef * x;
                column.push(x);
            }
            let given = if self.per_account > 1 { eta / BRIDGE + effect } else { eta };
            y.push(rng.random_bool(sigmoid(given)));
            truth.push(sigmoid(eta));
            account.push(format!("a{:06}", row / self.per_account));
        }
        let columns = columns
            .into_iter()
            .enumerate()
            .map(|(at, values)| Column::new(format!("x{at}").into(), values))
            .collect();
        Drawn { features: DataFrame::new(self.rows, columns).unwrap(), account, y, truth }
    }
}

fn sigmoid(eta: f64) -> f64 {
    1.0 / (1.0 + (-eta).exp())
}

/// Train on a table; the rows from `test` on judge.
fn fitted(drawn: &Drawn, keys: &str, test: usize) -> Trained {
    let text = format!("[design]\nlog1p = \"never\"\nwinsorize = \"never\"\n[model]\n{keys}");
    let config = Config::parse(&text, Path::new("pql.toml"), &[]).unwrap();
    let split =
        (0..drawn.y.len()).map(|row| if row < test { Split::Train } else { Split::Test }).collect();
    let matrix = Matrix {
        features: drawn.features.clone(),
        account: drawn.account.clone(),
        cutoff: None,
        y: drawn.y.iter().map(|y| Some(*y)).collect(),
        split: Some(split),
    };
    let rows = Rows::of_matrix(matrix, &config);
    train_on_rows(&config, &rows, TrainOptions::default(), &mut Sink::silent()).unwrap()
}

/// How many of how many intervals hold the truth.
#[derive(Clone, Copy, Default)]
struct Cover {
    held: f64,
    of: f64,
}

impl Cover {
    fn count(&mut self, low: f64, truth: f64, high: f64) {
        self.held += f64::from(u8::from(low <= truth && truth <= high));
        self.of += 1.0;
    }

    fn add(mut self, other: Self) -> Self {
        (self.held, self.of) = (self.held + other.held, self.of + other.of);
        self
    }

    fn share(self) -> f64 {
        self.held / self.of
    }
}

/// What one model covers: each coefficient, the same without penalty, and the probabilities of
/// fresh rows.
#[derive(Clone, Default)]
struct Covered {
    coef: Vec<Cover>,
    unpenalised: Cover,
    probability: Cover,
}

fn covered(world: &World, model: &Model, fresh: &Drawn) -> Covered {
    let mut covered =
        Covered { coef: vec![Cover::default(); world.coef.len()], ..Covered::default() };
    let rows = coefficients(model);
    let refit = model.maximum_likelihood.as_ref().expect("the unpenalised fit exists");
    for (at, row) in rows.iter().enumerate().skip(1) {
        let which: usize = row.feature.strip_prefix('x').unwrap().parse().unwrap();
        let truth = world.coef[which] * row.sd.unwrap();
        let interval = row.interval.unwrap();
        covered.coef[which].count(interval.low, truth, interval.high);
        let half = 1.96 * refit.std_error[at];
        covered.unpenalised.count(refit.coef[at] - half, truth, refit.coef[at] + half);
    }
    let scorer = Scorer::new(model, "").unwrap();
    let n = fresh.y.len();
    let account = Column::new("account_id".into(), &fresh.account);
    let batch = Batch {
        features: &fresh.features,
        account: &account,
        cutoff: &vec![None; n],
        unscored: &vec![None; n],
        pqls: &[],
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

/// Coverage over many seeds.
fn coverage(world: &World, keys: &str) -> Covered {
    let (seeds, _) = extent();
    let all = each(seeds, |seed| {
        let model = fitted(&world.draw(seed), &format!("{keys}\ntest = 0\n"), world.rows).model;
        covered(world, &model, &World { rows: 400, ..world.clone() }.draw(1_000_000 + seed))
    });
    let mut total =
        Covered { coef: vec![Cover::default(); world.coef.len()], ..Covered::default() };
    for one in all {
        total.coef = total.coef.iter().zip(&one.coef).map(|(a, b)| a.add(*b)).collect();
        total.unpenalised = total.unpenalised.add(one.unpenalised);
        total.probability = total.probability.add(one.probability);
    }
    let each: Vec<String> = total.coef.iter().map(|c| format!("{:.3}", c.share())).collect();
    let (together, unpenalised, probability) =
        (together(&total).share(), total.unpenalised.share(), total.probability.share());
    say(&format!(
        "{} rows an account, {keys:?}: coefficients {together:.3} ({}), unpenalised {unpenalised:.3}, probabilities {probability:.3}",
        world.per_account,
        each.join(" ")
    ));
    total
}

fn together(covered: &Covered) -> Cover {
    covered.coef.iter().fold(Cover::default(), |a, b| a.add(*b))
}

fn world(per_account: usize) -> World {
    World { intercept: -1.5, coef: vec![0.8, -0.5, 0.3, 0.0, 0.15, -0.2], rows: 1200, per_account }
}

/// A share that should be 0.95, within 0.02 or more where there are few seeds.
#[track_caller]
fn near_95(what: &str, cover: Cover) {
    let (_, wider) = extent();
    let share = cover.share();
    // Intervals that hold everything would be no intervals.
    assert!(0.95 - 0.02 * wider <= share && share <= 0.985, "{what}: {share}");
}

#[test]
fn intervals_of_maximum_likelihood_cover_the_truth() {
    let (_, wider) = extent();
    for per_account in [1, 4] {
        let covered = coverage(&world(per_account), "penalty = \"none\"\ncalibration = \"none\"");
        near_95("coefficients", together(&covered));
        near_95("probabilities", covered.probability);
        for (at, cover) in covered.coef.iter().enumerate() {
            assert!(cover.share() >= 0.95 - 0.06 * wider, "x{at}: {}", cover.share());
        }
    }
}

#[test]
fn intervals_at_the_cross_validated_penalty_cover_nearly_as_often() {
    let (_, wider) = extent();
    let covered = coverage(&world(1), "");
    assert!(together(&covered).share() >= 0.95 - 0.05 * wider, "{}", together(&covered).share());
    near_95("the unpenalised refit", covered.unpenalised);
}

#[test]
fn probabilities_of_fresh_data_are_calibrated_at_every_base_rate() {
    let (seeds, wider) = extent();
    // At least 20 converting accounts for each of 5 columns.
    for (rate, intercept, rows) in [(1, -5.1, 14_000), (10, -2.5, 2_000), (40, -0.45, 1_000)] {
        let world = World { intercept, coef: vec![0.7, -0.5, 0.3, 0.2, 0.0], rows, per_account: 1 };
        let mut slopes = each(seeds, |seed| {
            // The second half is fresh data, drawn apart from the training rows.
            let drawn = World { rows: 2 * rows, ..world.clone() }.draw(seed);
            let model = fitted(&drawn, "test = 0.5", rows).model;
            assert!(
                model.extent.train.converting_accounts >= 80,
                "{}",
                model.extent.train.converting_accounts
            );
            slope(&model)
        });
        slopes.sort_by(f64::total_cmp);
        let median = slopes[slopes.len() / 2];
        say(&format!("base rate {rate} %: median calibration slope {median:.3}"));
        assert!((median - 1.0).abs() <= 0.05 * wider, "{rate} %: {median}");
    }
}

fn slope(model: &Model) -> f64 {
    model.judgement.as_ref().unwrap().evaluation.calibration_slope.unwrap().value
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let seeds = if extent().0 == 200 { 100 } else { 40 };
    let world = World { intercept: -1.8, coef: vec![0.0; 6], rows: 900, per_account: 1 };
    let beaten = each(seeds, |seed| {
        fitted(&world.draw(7_000 + seed), "test = 0.3", 600).model.baselines[0].difference.better()
    });
    let beaten = beaten.into_iter().filter(|beaten| *beaten).count();
    say(&format!("noise beats the base rate in {beaten} of {seeds} seeds"));
    assert!(beaten * 20 <= usize::try_from(seeds).unwrap(), "{beaten} of {seeds}");
}
