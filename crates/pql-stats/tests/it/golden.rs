//! Comparison with 40-digit arithmetic, statsmodels and scikit-learn;
//! `crates/pql-stats/tests/golden/make.py` computes the expected numbers.

use std::path::Path;

use ndarray::{Array2, ArrayView1};
use pql_stats::calibration::Calibration;
use pql_stats::glm::{Logistic, LogisticFit, Penalty, Solver, correlation, goodness, vif, wald};
use pql_stats::metrics::{PairedProbabilities, evaluate, gains, reliability};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
struct FitCase {
    alpha: f64,
    x: Vec<Vec<f64>>,
    y: Vec<bool>,
    group: Vec<u32>,
    beta: Vec<f64>,
    std_error: Vec<f64>,
    std_error_grouped: Vec<f64>,
    log_likelihood: f64,
    std_error_statsmodels: Option<Vec<f64>>,
    z: Option<Vec<f64>>,
    p: Option<Vec<f64>>,
    vif: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct CalibrationCase {
    eta: Vec<f64>,
    y: Vec<bool>,
    group: Vec<u32>,
    line: Vec<f64>,
    covariance: Vec<f64>,
    covariance_grouped: Vec<f64>,
    steps: Vec<f64>,
}

#[derive(Deserialize)]
struct SparseCase {
    alpha: f64,
    l1_ratio: f64,
    x: Vec<Vec<f64>>,
    y: Vec<bool>,
    beta: Vec<f64>,
    log_likelihood: f64,
    effective_df: f64,
}

#[derive(Deserialize)]
struct FirthCase {
    x: Vec<Vec<f64>>,
    y: Vec<bool>,
    beta: Vec<f64>,
    std_error: Vec<f64>,
    log_likelihood: f64,
}

#[derive(Deserialize)]
struct MetricsCase {
    y: Vec<bool>,
    probability: Vec<f64>,
    group: Vec<u32>,
    expected: Value,
    gains: Value,
    reliability: Value,
    other: Vec<f64>,
    paired: Value,
}

const METRICS: [&str; 2] = ["metrics_rows.json", "metrics_ties.json"];

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

/// Returns intercept and coefficients.
fn beta(fit: &LogisticFit) -> Vec<f64> {
    std::iter::once(fit.intercept).chain(fit.coef.iter().copied()).collect()
}

impl FitCase {
    fn x(&self) -> Array2<f64> {
        matrix(&self.x)
    }

    fn model(&self) -> Logistic {
        let penalty = if self.alpha > 0.0 { Penalty::L2 } else { Penalty::None };
        Logistic { penalty, alpha: self.alpha, ..Logistic::default() }
    }
}

/// Returns the largest relative difference.
fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| ((a - b) / b).abs()).fold(0.0, f64::max)
}

const FITS: [&str; 3] = ["fit_ml.json", "fit_l2.json", "fit_rare.json"];

#[test]
fn coefficients_and_standard_errors_have_12_correct_digits() {
    for name in FITS {
        let case: FitCase = read(name);
        let y = ArrayView1::from(&case.y[..]);
        let fit = case.model().fit_rows(case.x().view(), y).unwrap();
        let grouped = case.model().fit_groups(case.x().view(), y, &case.group).unwrap();
        for (quantity, relative_error) in [
            ("coefficients", relative_error(&beta(&fit), &case.beta)),
            ("standard errors", relative_error(&fit.std_error().unwrap(), &case.std_error)),
            (
                "standard errors by account",
                relative_error(&grouped.std_error().unwrap(), &case.std_error_grouped),
            ),
            ("log-likelihood", relative_error(&[fit.log_likelihood], &[case.log_likelihood])),
        ] {
            assert!(
                relative_error < 1e-12,
                "{name}: {quantity}: relative error {relative_error:e}"
            );
        }
    }
}

#[test]
fn lbfgs_coefficients_have_6_correct_digits() {
    for name in FITS {
        let case: FitCase = read(name);
        let model = Logistic { solver: Solver::Lbfgs, ..case.model() };
        let fit = model.fit_rows(case.x().view(), ArrayView1::from(&case.y[..])).unwrap();
        assert!(beta(&fit).iter().zip(&case.beta).all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
        assert!(relative_error(&fit.std_error().unwrap(), &case.std_error) < 1e-6, "{name}");
    }
}

#[test]
fn l1_zeros_are_exact_and_other_coefficients_have_12_correct_digits() {
    for name in ["l1_lasso.json", "l1_net.json"] {
        let case: SparseCase = read(name);
        let penalty = if case.l1_ratio == 1.0 {
            Penalty::L1
        } else {
            Penalty::ElasticNet { l1_ratio: case.l1_ratio }
        };
        let model = Logistic { penalty, alpha: case.alpha, ..Logistic::default() };
        let fit = model.fit_rows(matrix(&case.x).view(), ArrayView1::from(&case.y[..])).unwrap();
        let kept = |beta: &[f64]| beta.iter().copied().filter(|b| *b != 0.0).collect::<Vec<_>>();
        let zeros = |beta: &[f64]| beta.iter().map(|b| *b == 0.0).collect::<Vec<_>>();
        assert_eq!(zeros(&beta(&fit)), zeros(&case.beta), "{name}");
        assert!(
            zeros(&case.beta).contains(&true) && fit.gradient <= 1e-10 && fit.covariance.is_none()
        );
        for (quantity, relative_error) in [
            ("coefficients", relative_error(&kept(&beta(&fit)), &kept(&case.beta))),
            ("log-likelihood", relative_error(&[fit.log_likelihood], &[case.log_likelihood])),
            ("degrees of freedom", relative_error(&[fit.effective_df], &[case.effective_df])),
        ] {
            assert!(
                relative_error < 1e-12,
                "{name}: {quantity}: relative error {relative_error:e}"
            );
        }
    }
}

#[test]
fn firth_has_12_correct_digits_on_published_data() {
    for name in ["firth_endometrial.json", "firth_sex2.json"] {
        let case: FirthCase = read(name);
        let model = Logistic { penalty: Penalty::Firth, ..Logistic::default() };
        let fit = model.fit_rows(matrix(&case.x).view(), ArrayView1::from(&case.y[..])).unwrap();
        for (quantity, relative_error) in [
            ("coefficients", relative_error(&beta(&fit), &case.beta)),
            ("standard errors", relative_error(&fit.std_error().unwrap(), &case.std_error)),
            ("log-likelihood", relative_error(&[fit.log_likelihood], &[case.log_likelihood])),
        ] {
            assert!(
                relative_error < 1e-12,
                "{name}: {quantity}: relative error {relative_error:e} after {} steps",
                fit.iterations
            );
        }
    }
}

#[test]
fn likelihood_ratio_and_criteria_equal_those_of_statsmodels() {
    let expected: Value = read("goodness.json");
    for (name, expected) in expected.as_object().unwrap() {
        let case: FitCase = read(name);
        let y = ArrayView1::from(&case.y[..]);
        let found = goodness(&case.model().fit_rows(case.x().view(), y).unwrap(), y, false);
        let found = serde_json::to_value(found).unwrap();
        assert_eq!(found.as_object().unwrap().len(), expected.as_object().unwrap().len());
        for (key, expected) in expected.as_object().unwrap() {
            let relative_error =
                relative_error(&[found[key].as_f64().unwrap()], &[expected.as_f64().unwrap()]);
            assert!(relative_error < 1e-11, "{name}: {key}: relative error {relative_error:e}");
        }
    }
}

#[test]
fn clustered_errors_tests_and_vif_equal_those_of_statsmodels_and_numpy() {
    for name in FITS {
        let case: FitCase = read(name);
        let (Some(se), Some(z), Some(p), Some(inflation)) =
            (&case.std_error_statsmodels, &case.z, &case.p, &case.vif)
        else {
            continue;
        };
        let y = ArrayView1::from(&case.y[..]);
        let grouped = case.model().fit_groups(case.x().view(), y, &case.group).unwrap();
        assert!(relative_error(&grouped.std_error().unwrap(), se) < 1e-6, "{name}");
        let test = wald(&case.model().fit_rows(case.x().view(), y).unwrap()).unwrap();
        assert!(relative_error(&test.z, z) < 1e-9 && relative_error(&test.p, p) < 1e-9, "{name}");
        assert!(relative_error(&vif(&correlation(case.x().view())), inflation) < 1e-11, "{name}");
    }
}

#[test]
fn platt_scaling_equals_statsmodels_to_9_digits() {
    let case: CalibrationCase = read("calibration.json");
    let each: Vec<u32> = (0..).take(case.y.len()).collect();
    for (group, covariance) in [(&each, &case.covariance), (&case.group, &case.covariance_grouped)]
    {
        let platt = Calibration::platt(&case.eta, &case.y, group).unwrap().unwrap();
        assert!(relative_error(&[platt.intercept, platt.slope], &case.line) < 1e-9);
        assert!(
            relative_error(&platt.covariance, covariance) < 1e-9,
            "{:e}",
            relative_error(&platt.covariance, covariance)
        );
    }
}

#[test]
fn isotonic_blocks_equal_those_of_scikit_learn() {
    let case: CalibrationCase = read("calibration.json");
    let isotonic = Calibration::isotonic(&case.eta, &case.y);
    let mut order: Vec<usize> = (0..case.y.len()).collect();
    order.sort_by(|a, b| case.eta[*a].total_cmp(&case.eta[*b]));
    // The shares of different blocks differ by more than rounding.
    let blocks: Vec<&[usize]> =
        order.chunk_by(|a, b| (case.steps[*a] - case.steps[*b]).abs() < 1e-9).collect();
    assert!(blocks.len() > 5);
    assert_eq!(blocks.len(), isotonic.log_odds.len());
    let edge = 1.0 / (f64::from(u32::try_from(case.y.len()).unwrap()) + 2.0);
    for (block, (knot, probability)) in
        blocks.iter().zip(isotonic.log_odds.iter().zip(&isotonic.probability))
    {
        let mean = block.iter().map(|row| case.eta[*row]).sum::<f64>()
            / f64::from(u32::try_from(block.len()).unwrap());
        assert!((mean - knot).abs() < 1e-9, "{mean} {knot}");
        assert!((case.steps[block[0]].clamp(edge, 1.0 - edge) - probability).abs() < 1e-12);
    }
}

#[test]
fn metrics_equal_those_of_scikit_learn_to_9_digits() {
    for name in METRICS {
        let case: MetricsCase = read(name);
        let found =
            serde_json::to_value(evaluate(&case.y, &case.probability, &case.group).unwrap())
                .unwrap();
        for (key, expected) in case.expected.as_object().unwrap() {
            let pointer = pointer_to(key);
            near(
                &format!("{name}: {key}"),
                found.pointer(&pointer).unwrap_or(&Value::Null),
                expected,
            );
        }
    }
}

#[test]
fn gains_and_reliability_equal_those_of_numpy_and_statsmodels_to_9_digits() {
    for name in METRICS {
        let case: MetricsCase = read(name);
        near(name, &serde_json::to_value(gains(&case.y, &case.probability)).unwrap(), &case.gains);
        near(
            name,
            &serde_json::to_value(reliability(&case.y, &case.probability, &case.group)).unwrap(),
            &case.reliability,
        );
    }
}

/// Converts a key of `make.py` to a JSON pointer into an
/// [`Evaluation`](pql_stats::metrics::Evaluation).
fn pointer_to(key: &str) -> String {
    const TOPS: [&str; 4] = ["1pct", "5pct", "10pct", "20pct"];
    let (metric, part) = match key {
        _ if key.ends_with("_se") => (&key[..key.len() - 3], "std_error"),
        _ if key.ends_with("_95") => (&key[..key.len() - 3], "interval"),
        _ => (key, "value"),
    };
    if let Some((metric, percent)) = metric.split_once("_top_") {
        let index =
            TOPS.iter().position(|top| *top == percent).expect("one of the four percentages");
        return if part == "interval" {
            format!("/top/{index}/{metric}_interval")
        } else {
            format!("/top/{index}/{metric}")
        };
    }
    match metric {
        "roc_auc"
        | "log_loss"
        | "brier"
        | "calibration_in_the_large"
        | "calibration_slope"
        | "calibration_intercept" => {
            format!("/{metric}/{part}")
        }
        "ece_10_equal_mass" => format!("/calibration_error/{part}"),
        "ece_10_equal_mass_expected" => "/calibration_error/expected".to_owned(),
        "brier_reliability" | "brier_resolution" | "brier_uncertainty" | "brier_within" => {
            metric.replace("brier_", "/brier_parts/")
        }
        _ => format!("/{metric}"),
    }
}

/// Checks every expected number; `found` may have more. `make.py` writes an interval as an array of
/// its ends.
fn near(path: &str, found: &Value, expected: &Value) {
    match expected {
        Value::Object(expected) => expected.iter().for_each(|(key, value)| {
            let key = match key.as_str() {
                "probability" => "mean_probability".to_owned(),
                "converted" => "observed_rate".to_owned(),
                "converted_95" => "observed_rate_interval".to_owned(),
                _ => key.replace("_95", "_interval"),
            };
            near(&format!("{path}: {key}"), &found[&key], value);
        }),
        Value::Array(ends) if found.is_object() && ends.len() == 2 => {
            near(&format!("{path}, low"), &found["low"], &ends[0]);
            near(&format!("{path}, high"), &found["high"], &ends[1]);
        }
        Value::Array(expected) => {
            assert_eq!(found.as_array().map(Vec::len), Some(expected.len()), "{path}");
            expected
                .iter()
                .enumerate()
                .for_each(|(i, value)| near(&format!("{path}[{i}]"), &found[i], value));
        }
        _ => {
            let (a, b) = (found.as_f64(), expected.as_f64());
            assert!(
                a.zip(b).is_some_and(|(a, b)| (a - b).abs() < 1e-9),
                "{path}: found {a:?}, expected {b:?}"
            );
        }
    }
}

#[test]
fn paired_differences_equal_those_of_scipy_and_brute_force() {
    for name in METRICS {
        let case: MetricsCase = read(name);
        let paired = PairedProbabilities {
            y: &case.y,
            group: &case.group,
            probability: &case.probability,
            other: &case.other,
        };
        let near = |found: f64, expected: &Value| {
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() < 1e-12, "{name}: {found} and {expected}");
        };
        let (log_loss, brier, auc) = (
            paired.log_loss().unwrap(),
            paired.brier().unwrap(),
            paired.roc_auc().unwrap().unwrap(),
        );
        for (metric, difference) in [("log_loss", log_loss), ("brier", brier), ("roc_auc", auc)] {
            near(difference.difference, &case.paired[metric][0]);
            near(difference.std_error.unwrap(), &case.paired[metric][1]);
        }
        near(paired.rank_correlation().unwrap(), &case.paired["rank_correlation"]);
    }
}
