#![expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]

use std::collections::BTreeMap;

use ndarray::{Array1, Array2};
use pql_stats::glm::{Logistic, LogisticFit, Penalty};
use serde_json::Value;

use super::product::{Action, PRODUCT_FEATURES};
use super::*;
use crate::config::Config;
use crate::dataset::observations::observe;
use crate::dataset::split::SplitOptions;
use crate::log::{ColumnTypes, DEFAULT_MEMORY, LogBounds, LogSources, ingest};
use crate::time::in_days;
use crate::warning::{Anomaly, DropReason};

/// A log of 2,000 accounts with about 100 events each.
const MEDIUM: Simulation = Simulation {
    accounts: 2_000,
    seed: 0,
    signal: 1.0,
    base_rate: 0.1,
    days: 270,
    events_per_account: 100.0,
};

const SMALL: Simulation = Simulation {
    accounts: 400,
    seed: 5,
    signal: 1.0,
    base_rate: 0.1,
    days: 120,
    events_per_account: 60.0,
};

fn written(simulation: &Simulation) -> (tempfile::TempDir, SimulationSummary) {
    let dir = tempfile::tempdir().unwrap();
    let simulated = simulate(simulation, dir.path(), &Progress::silent()).unwrap();
    (dir, simulated)
}

fn bytes(simulation: &Simulation) -> Vec<Vec<u8>> {
    let (dir, _) = written(simulation);
    ["events.parquet", "accounts.parquet", "pql.toml", "truth.json"]
        .map(|name| std::fs::read(dir.path().join(name)).unwrap())
        .to_vec()
}

/// The files as read by all commands.
struct ReadBack {
    simulated: SimulationSummary,
    log: Log,
    rows: Observations,
    features: DataFrame,
    truth: Value,
}

fn read_back(simulation: &Simulation) -> ReadBack {
    let (dir, simulated) = written(simulation);
    let config = Config::load(Some(&dir.path().join("pql.toml")), &[]).unwrap();
    let types = ColumnTypes::default();
    let sources = LogSources {
        events: &config.events,
        accounts: config.accounts.as_ref(),
        users: config.users.as_ref(),
        roles: &config.roles,
        types: &types,
        memory: DEFAULT_MEMORY,
        names_dropped: false,
    };
    let clip = LogBounds {
        now: NEVER - 1,
        since: config.observation.since.map(|t| t.0),
        until: config.observation.until.map(|t| t.0),
        zone: crate::time::Zone::default(),
    };
    let log = ingest(&sources, clip, &Progress::silent()).unwrap();
    let rows = observe(&log, &config.observation, SplitOptions::from(&config.model)).unwrap();
    let (catalog, _) = FeatureCatalog::fit(&log, &rows, &config.features, &config.roles).unwrap();
    let features = features::compute(&catalog, &log, &rows, &Progress::silent()).unwrap();
    let truth =
        serde_json::from_slice(&std::fs::read(dir.path().join("truth.json")).unwrap()).unwrap();
    ReadBack { simulated, log, rows, features, truth }
}

fn number(term: &Value, key: &str) -> f64 {
    term[key].as_f64().unwrap()
}

impl ReadBack {
    fn terms(&self) -> &[Value] {
        self.truth["features"].as_array().unwrap()
    }

    /// Returns the features of the true model, centered and scaled, with one row per observation.
    fn x(&self) -> Array2<f64> {
        let mut x = Array2::zeros((self.rows.len(), self.terms().len()));
        for (mut column, term) in x.columns_mut().into_iter().zip(self.terms()) {
            let values =
                self.features.column(term["feature"].as_str().unwrap()).unwrap().f64().unwrap();
            for (x, value) in column.iter_mut().zip(values.iter()) {
                *x = (value.unwrap() - number(term, "center")) / number(term, "scale");
            }
        }
        x
    }

    /// Returns the rows with a label, and their labels.
    fn labeled(&self) -> (Vec<usize>, Vec<bool>) {
        self.rows
            .outcome
            .iter()
            .enumerate()
            .filter_map(|(row, outcome)| Some((row, outcome.label()?)))
            .unzip()
    }

    fn probabilities(&self) -> BTreeMap<&str, f64> {
        let accounts = self.truth["accounts"].as_array().unwrap();
        accounts
            .iter()
            .map(|a| (a["account_id"].as_str().unwrap(), a["probability"].as_f64().unwrap()))
            .collect()
    }

    fn fit(&self) -> LogisticFit {
        let (rows, y) = self.labeled();
        let x = self.x().select(ndarray::Axis(0), &rows);
        Logistic { penalty: Penalty::None, ..Logistic::default() }
            .fit_rows(x.view(), Array1::from(y).view())
            .unwrap()
    }
}

/// Returns the share of `true` and its standard error.
fn rate(y: &[bool]) -> (f64, f64) {
    let n = y.len() as f64;
    let rate = y.iter().filter(|y| **y).count() as f64 / n;
    (rate, (rate * (1.0 - rate) / n).sqrt())
}

#[test]
fn output_depends_only_on_the_options() {
    assert_eq!(bytes(&SMALL), bytes(&SMALL));
    let other = bytes(&Simulation { seed: 6, ..SMALL });
    for (file, (a, b)) in bytes(&SMALL).iter().zip(&other).enumerate() {
        assert_eq!(a == b, file == 2, "only the project file is independent of the seed");
    }
}

#[test]
fn output_is_independent_of_the_number_of_threads() {
    let several_chunks = Simulation { accounts: CHUNK + 700, events_per_account: 15.0, ..SMALL };
    let with = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| bytes(&several_chunks))
    };
    assert!(with(1) == with(2));
}

#[test]
fn files_reproduce_the_true_probabilities() {
    for simulation in
        [MEDIUM, Simulation { accounts: CHUNK + 700, events_per_account: 15.0, ..SMALL }]
    {
        let back = read_back(&simulation);
        let x = back.x();
        let coef = Array1::from_iter(back.terms().iter().map(|t| number(t, "coef")));
        let probabilities = back.probabilities();
        assert_eq!(probabilities.len(), back.rows.len());
        assert_eq!(back.simulated.observed, back.rows.len() as u64);
        for (row, account) in back.rows.account.iter().enumerate() {
            let eta = number(&back.truth, "intercept") + x.row(row).dot(&coef);
            let expected = probabilities[&back.log.accounts.id[*account as usize]];
            assert!(
                (pql_stats::glm::sigmoid(eta) - expected).abs() < 1e-12,
                "row {row}: {eta} {expected}"
            );
        }
    }
}

#[test]
fn raw_and_scaled_coefficients_agree() {
    let back = read_back(&SMALL);
    let row = back.x().row(0).to_owned();
    let mut scaled = number(&back.truth, "intercept");
    let mut raw = number(&back.truth, "intercept_raw");
    for (term, x) in back.terms().iter().zip(row) {
        scaled += number(term, "coef") * x;
        raw += number(term, "coef_raw") * (x * number(term, "scale") + number(term, "center"));
    }
    assert!((scaled - raw).abs() < 1e-12);
}

#[test]
fn a_fit_recovers_the_true_coefficients() {
    let back =
        read_back(&Simulation { accounts: 20_000, events_per_account: 30.0, seed: 1, ..MEDIUM });
    let fit = back.fit();
    let truth: Vec<f64> = back.terms().iter().map(|t| number(t, "coef")).collect();
    let found = std::iter::once(fit.intercept).chain(fit.coef.iter().copied());
    let expected = std::iter::once(number(&back.truth, "intercept")).chain(truth);
    for ((found, expected), error) in found.zip(expected).zip(fit.std_error().unwrap()) {
        assert!(
            (found - expected).abs() < 4.0 * error,
            "found {found}, expected {expected}, standard error {error}"
        );
        assert!(error < 0.11, "standard error {error}");
    }
}

#[test]
fn conversions_are_uniform_in_the_horizon_and_some_are_earlier() {
    let back = read_back(&Simulation {
        accounts: 8_000,
        events_per_account: 15.0,
        base_rate: 0.3,
        ..MEDIUM
    });
    let (rows, y) = back.labeled();
    let probabilities = back.probabilities();
    let (mut expected, mut variance, mut after_cutoff) = (0.0, 0.0, Vec::new());
    for (row, converted) in rows.iter().zip(&y) {
        let account = back.rows.account[*row] as usize;
        let after = back.log.accounts.converted[account] - back.rows.cutoff[*row];
        assert!(after >= 0);
        let p = probabilities[&back.log.accounts.id[account]];
        expected += p;
        variance += p * (1.0 - p);
        if *converted {
            after_cutoff.push(in_days(after) / 30.0);
        }
    }
    assert!(
        (after_cutoff.len() as f64 - expected).abs() < 4.0 * variance.sqrt(),
        "{} {expected}",
        after_cutoff.len()
    );
    assert!(after_cutoff.iter().all(|after_cutoff| (0.0..1.0).contains(after_cutoff)));
    let mean = after_cutoff.iter().sum::<f64>() / after_cutoff.len() as f64;
    assert!((mean - 0.5).abs() < 4.0 * (1.0 / 12.0 / after_cutoff.len() as f64).sqrt(), "{mean}");
    let accounts = &back.log.accounts;
    let early = (0..accounts.id.len())
        .filter(|a| accounts.converted[*a] < accounts.signed_up[*a] + AGE)
        .count();
    assert!((100..220).contains(&early), "{early}");
}

#[test]
fn without_signal_all_probabilities_equal_the_base_rate() {
    let back = read_back(&Simulation {
        accounts: 8_000,
        events_per_account: 15.0,
        signal: 0.0,
        base_rate: 0.2,
        ..MEDIUM
    });
    assert!(back.probabilities().values().all(|p| (p - 0.2).abs() < 1e-3));
    let (rows, y) = back.labeled();
    let early = |row: &usize| back.rows.cutoff[*row] < START + 135 * DAY;
    let half = |first: bool| {
        rate(
            &rows
                .iter()
                .zip(&y)
                .filter(|(row, _)| early(row) == first)
                .map(|(_, y)| *y)
                .collect::<Vec<_>>(),
        )
    };
    let ((first, error), (second, other)) = (half(true), half(false));
    assert!((first - second).abs() < 4.0 * error.hypot(other), "{first} {second}");
    assert!(
        back.fit()
            .coef
            .iter()
            .zip(&back.fit().std_error().unwrap()[1..])
            .all(|(coef, error)| coef.abs() < 4.0 * error)
    );
}

#[test]
fn every_option_changes_the_log() {
    let summary = |simulation: &Simulation| written(simulation).1;
    assert_eq!(summary(&SMALL).accounts, 400);
    assert_eq!(summary(&Simulation { accounts: 7, ..SMALL }).accounts, 7);
    assert!(
        summary(&Simulation { events_per_account: 240.0, ..SMALL }).events
            > 2 * summary(&SMALL).events
    );
    let mean = |simulation: &Simulation| {
        let back = read_back(simulation);
        back.probabilities().values().sum::<f64>() / back.rows.len() as f64
    };
    assert!((mean(&SMALL) - 0.1).abs() < 1e-3);
    assert!((mean(&Simulation { base_rate: 0.4, ..SMALL }) - 0.4).abs() < 1e-3);
    let longer = read_back(&Simulation { days: 300, ..SMALL });
    assert_eq!(longer.log.until, START + 314 * DAY);
    assert!(longer.log.accounts.signed_up.iter().any(|t| *t > START + 290 * DAY));
    let twice = read_back(&Simulation { signal: 2.0, ..SMALL });
    let once = read_back(&SMALL);
    let coef = |back: &ReadBack| number(&back.terms()[0], "coef");
    assert!((coef(&twice) - 2.0 * coef(&once)).abs() < 1e-12);
}

#[test]
fn logs_of_one_day_or_one_account_are_valid() {
    for days in [1, 2, 30, 61] {
        let back = read_back(&Simulation { days, ..SMALL });
        let mature = back.labeled().0.len();
        assert!(mature * 5 > back.rows.len() * 2, "{mature} of {}", back.rows.len());
    }
    assert_eq!(written(&Simulation { accounts: 1, ..SMALL }).1.accounts, 1);
}

#[test]
fn the_log_has_no_defects() {
    let back = read_back(&MEDIUM);
    let anomalies = &back.log.quality.anomalies;
    assert!(anomalies.iter().all(|a| a.anomaly == Anomaly::SilentAccount), "{anomalies:?}");
    assert!((40..90).contains(&anomalies[0].count), "about 3%: {}", anomalies[0].count);
    let dropped: Vec<_> = back.log.quality.sources.iter().flat_map(|s| &s.dropped).collect();
    assert!(dropped.len() == 1 && dropped[0].reason == DropReason::RoleExclude, "{dropped:?}");
    assert!(back.log.warnings.is_empty(), "{:?}", back.log.warnings);
    let known = back.log.accounts.converted.iter().filter(|t| **t != NEVER).count();
    assert_eq!(known as u64, back.simulated.conversions);
    assert!(back.log.accounts.churned.iter().filter(|t| **t != NEVER).count() > 200);
    assert!(
        back.rows.split_rows(Split::Train).len() > 1_000
            && back.rows.split_rows(Split::Test).len() > 200
    );
    assert!(back.rows.outcome.contains(&Outcome::Immature));
    let per_account = back.simulated.events as f64 / 2_000.0;
    assert!((80.0..120.0).contains(&per_account), "{per_account}");
}

#[test]
fn the_default_log_is_in_time_order_and_below_4_mb() {
    let (dir, _) = written(&Simulation::default());
    let size: u64 = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size < 4_000_000, "{size}");
    let mut last = i64::MIN;
    crate::io::read::read(&dir.path().join("events.parquet"), None, &mut |_, frame| {
        for time in
            frame.column("timestamp").unwrap().datetime().unwrap().physical().iter().flatten()
        {
            assert!(time >= last && time % crate::time::SECOND == 0);
            last = time;
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn weekends_and_nights_are_quiet() {
    let back = read_back(&MEDIUM);
    let weekend = back
        .log
        .events
        .map(|events| events.time.iter().filter(|t| usage::weekday(**t) >= 5).count())
        .unwrap();
    let (weekend, all) = (weekend.into_iter().sum::<usize>(), back.log.events.len());
    assert!(weekend * 10 < all, "{weekend} of {all}");
}

#[test]
fn action_names_are_sorted_and_match_the_actions() {
    assert!(NAMES.is_sorted());
    let others = [
        Action::ContactSales,
        Action::InviteSent,
        Action::InvoicePaid,
        Action::LimitReached,
        Action::Login,
    ];
    for action in PRODUCT_FEATURES.iter().map(|feature| feature.action).chain(others) {
        let name = NAMES[action as usize].replace('_', "");
        assert_eq!(format!("{action:?}").to_lowercase(), name);
    }
}

#[test]
fn options_out_of_range_are_errors() {
    let wrong = [
        Simulation { accounts: 0, ..SMALL },
        Simulation { signal: f64::NAN, ..SMALL },
        Simulation { base_rate: 1.0, ..SMALL },
        Simulation { days: 0, ..SMALL },
        Simulation { events_per_account: 0.0, ..SMALL },
    ];
    for simulation in wrong {
        let dir = tempfile::tempdir().unwrap();
        let error = simulate(&simulation, dir.path(), &Progress::silent()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
