//! Properties that hold for random data.

use ndarray::{Array1, Array2, Axis, concatenate};
use pql_stats::glm::{Logistic, LogisticFit, Penalty, Solver, sigmoid};
use pql_stats::metrics::{BrierParts, evaluate, gains, reliability, roc_auc};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

/// Random columns, outcomes of both classes, and accounts.
#[derive(Debug, Clone)]
struct Data {
    x: Array2<f64>,
    y: Array1<bool>,
    group: Vec<u32>,
}

fn data() -> impl Strategy<Value = Data> {
    (20..150_usize, 1..5_usize).prop_flat_map(|(n, p)| {
        (vec(-2.0..2.0_f64, n * p), vec(0.0..1.0_f64, n), vec(0..40_u32, n)).prop_map(
            move |(x, u, group)| {
                let x = Array2::from_shape_vec((n, p), x).unwrap();
                let mut y: Array1<bool> = x
                    .rows()
                    .into_iter()
                    .zip(&u)
                    .map(|(row, u)| *u < sigmoid(row[0] - 0.7))
                    .collect();
                (y[0], y[1]) = (true, false);
                Data { x, y, group }
            },
        )
    })
}

fn fit(data: &Data, alpha: f64, solver: Solver) -> LogisticFit {
    Logistic { alpha, solver, ..Logistic::default() }
        .fit_rows(data.x.view(), data.y.view())
        .unwrap()
}

/// Fits with an l1 part.
fn sparse(data: &Data, alpha: f64, l1_ratio: f64) -> LogisticFit {
    let penalty = Penalty::ElasticNet { l1_ratio };
    Logistic { penalty, alpha, ..Logistic::default() }
        .fit_rows(data.x.view(), data.y.view())
        .unwrap()
}

fn twice(data: &Data) -> Data {
    Data {
        x: concatenate(Axis(0), &[data.x.view(), data.x.view()]).unwrap(),
        y: concatenate(Axis(0), &[data.y.view(), data.y.view()]).unwrap(),
        group: vec![],
    }
}

/// Returns the largest difference of intercepts and coefficients.
fn max_difference(a: &LogisticFit, b: &LogisticFit) -> f64 {
    a.coef
        .iter()
        .zip(&b.coef)
        .map(|(a, b)| (a - b).abs())
        .fold((a.intercept - b.intercept).abs(), f64::max)
}

/// Draws outcomes, probabilities with few distinct values (for ties), and accounts.
fn scores() -> impl Strategy<Value = (Vec<bool>, Vec<f64>, Vec<u32>)> {
    vec((any::<bool>(), 1..40_u32, 0..20_u32), 2..200).prop_map(|rows| {
        let p = rows.iter().map(|r| f64::from(r.1) / 41.0).collect();
        (rows.iter().map(|r| r.0).collect(), p, rows.iter().map(|r| r.2).collect())
    })
}

/// Returns every number of a JSON value with its path.
fn numbers(path: &str, value: &Value) -> Vec<(String, f64)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| numbers(&format!("{path}.{key}"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, value)| numbers(&format!("{path}.{index}"), value))
            .collect(),
        value => value.as_f64().map(|number| (path.to_owned(), number)).into_iter().collect(),
    }
}

/// Returns row indices in an order that depends on `seed`.
fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&i| {
        (i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    });
    order
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_solvers_agree(data in data(), alpha in 0.05..20.0_f64) {
        prop_assert!(max_difference(&fit(&data, alpha, Solver::Newton), &fit(&data, alpha, Solver::Lbfgs)) < 1e-6);
    }

    #[test]
    fn repeating_all_rows_at_twice_the_alpha_changes_nothing(data in data(), alpha in 0.05..20.0_f64) {
        prop_assert!(max_difference(&fit(&data, alpha, Solver::Newton), &fit(&twice(&data), 2.0 * alpha, Solver::Newton)) < 1e-11);
    }

    #[test]
    fn repeating_all_rows_at_twice_the_l1_alpha_changes_nothing(data in data(), alpha in 0.05..20.0_f64, l1_ratio in 0.01..1.0_f64) {
        let (once, twice) = (sparse(&data, alpha, l1_ratio), sparse(&twice(&data), 2.0 * alpha, l1_ratio));
        prop_assert!(max_difference(&once, &twice) < 1e-10);
        prop_assert!(once.coef.iter().zip(&twice.coef).all(|(a, b)| (*a == 0.0) == (*b == 0.0)));
    }

    #[test]
    fn an_elastic_net_with_a_tiny_l1_ratio_is_l2(data in data(), alpha in 0.05..20.0_f64) {
        prop_assert!(max_difference(&sparse(&data, alpha, 1e-15), &fit(&data, alpha, Solver::Newton)) < 1e-11);
    }

    #[test]
    fn elastic_net_fits_satisfy_the_optimality_conditions(data in data(), alpha in 0.05..20.0_f64, l1_ratio in 0.1..1.0_f64) {
        let fit = sparse(&data, alpha, l1_ratio);
        let eta = fit.log_odds(data.x.view());
        let residual: Array1<f64> = eta.iter().zip(&data.y).map(|(eta, y)| f64::from(u8::from(*y)) - sigmoid(*eta)).collect();
        prop_assert!(residual.sum().abs() < 1e-9);
        for (b, x) in fit.coef.iter().zip(data.x.columns()) {
            let score = x.dot(&residual) - alpha * (1.0 - l1_ratio) * b;
            let optimal = if *b == 0.0 { score.abs() <= alpha * l1_ratio + 1e-9 } else { (score - alpha * l1_ratio * b.signum()).abs() < 1e-9 };
            prop_assert!(optimal, "score {}, coefficient {}", score, b);
        }
    }

    #[test]
    fn firth_probabilities_sum_to_the_conversions(data in data()) {
        let firth = Logistic { penalty: Penalty::Firth, ..Logistic::default() };
        let fit = firth.fit_rows(data.x.view(), data.y.view()).unwrap();
        let sum: f64 = fit.log_odds(data.x.view()).iter().map(|eta| sigmoid(*eta)).sum();
        let converted: f64 = data.y.iter().map(|y| f64::from(u8::from(*y))).sum();
        prop_assert!((sum - converted).abs() < 1e-9);
        // Rescaled columns give the same log-odds.
        let scaled = firth.fit_rows((&data.x * 1e-3 + 5e-4).view(), data.y.view()).unwrap();
        prop_assert!(fit.coef.iter().zip(&scaled.coef).all(|(a, b)| (a - b * 1e-3).abs() < 1e-8 * (1.0 + a.abs())));
    }

    #[test]
    fn the_order_of_rows_does_not_change_the_fit(data in data(), seed in any::<u64>()) {
        let order = shuffled(data.y.len(), seed);
        let other = Data {
            x: data.x.select(Axis(0), &order),
            y: data.y.select(Axis(0), &order),
            group: order.iter().map(|&i| data.group[i]).collect(),
        };
        let by_account = |data: &Data| Logistic::default().fit_groups(data.x.view(), data.y.view(), &data.group).unwrap();
        let (a, b) = (by_account(&data), by_account(&other));
        prop_assert!(max_difference(&a, &b) < 1e-12);
        prop_assert!(a.covariance.iter().flatten().zip(b.covariance.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn reversed_outcomes_reverse_all_signs(data in data(), alpha in 0.05..20.0_f64) {
        let mut reversed = fit(&Data { y: data.y.mapv(|y| !y), ..data.clone() }, alpha, Solver::Newton);
        reversed.intercept *= -1.0;
        reversed.coef.iter_mut().for_each(|b| *b *= -1.0);
        prop_assert!(max_difference(&fit(&data, alpha, Solver::Newton), &reversed) < 1e-11);
    }

    #[test]
    fn auc_is_invariant_under_monotone_transformations((y, p, _) in scores()) {
        let logit: Vec<f64> = p.iter().map(|p| (p / (1.0 - p)).ln()).collect();
        let cubed: Vec<f64> = p.iter().map(|p| 5.0 + p.powi(3)).collect();
        let falling: Vec<f64> = p.iter().map(|p| -p).collect();
        prop_assert_eq!(roc_auc(&y, &p), roc_auc(&y, &logit));
        prop_assert_eq!(roc_auc(&y, &p), roc_auc(&y, &cubed));
        if let (Some(up), Some(down)) = (roc_auc(&y, &p), roc_auc(&y, &falling)) {
            prop_assert!((up + down - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn the_brier_decomposition_sums_to_the_brier_score((y, p, group) in scores()) {
        let e = evaluate(&y, &p, &group).unwrap();
        let BrierParts { reliability, resolution, uncertainty, within } = e.brier_parts;
        let sum = reliability - resolution + uncertainty + within;
        prop_assert!((sum - e.brier.value).abs() < 1e-12, "{} {}", sum, e.brier.value);
    }

    #[test]
    fn deciles_and_bins_count_every_row_and_conversion_once((y, p, group) in scores()) {
        let e = evaluate(&y, &p, &group).unwrap();
        let conversions = f64::from(u32::try_from(e.conversions).unwrap());
        let deciles = gains(&y, &p);
        prop_assert_eq!(deciles.iter().map(|d| d.rows).sum::<u64>(), e.n);
        prop_assert!((deciles.iter().map(|d| d.conversions).sum::<f64>() - conversions).abs() < 1e-9);
        prop_assert!((deciles.iter().map(|d| d.expected).sum::<f64>() - e.expected_conversions).abs() < 1e-9);
        prop_assert!(deciles.last().unwrap().gain.is_none_or(|gain| (gain - 1.0).abs() < 1e-12));
        for (decile, recall) in [(1, e.top_share(10).unwrap().recall), (2, e.top_share(20).unwrap().recall)] {
            // With few rows a decile may be empty; the one above has the same gain.
            let gain = deciles.iter().rfind(|d| d.decile <= decile).and_then(|d| d.gain);
            prop_assert!(gain.zip(recall).is_none_or(|(gain, recall)| (gain - recall).abs() < 1e-12));
        }
        let bins = reliability(&y, &p, &group);
        prop_assert_eq!(bins.iter().map(|b| b.rows).sum::<u64>(), e.n);
        #[expect(clippy::cast_precision_loss, reason = "few rows")]
        let converted: f64 = bins.iter().map(|b| b.rows as f64 * b.observed_rate).sum();
        prop_assert!((converted - conversions).abs() < 1e-9);
        prop_assert!(bins.iter().all(|b| b.observed_rate_interval.low <= b.observed_rate + 1e-12 && b.observed_rate <= b.observed_rate_interval.high + 1e-12));
    }

    #[test]
    fn the_order_of_rows_changes_no_metric((y, p, group) in scores(), seed in any::<u64>()) {
        let order = shuffled(y.len(), seed);
        let by = |order: &[usize]| {
            let y: Vec<bool> = order.iter().map(|&i| y[i]).collect();
            let p: Vec<f64> = order.iter().map(|&i| p[i]).collect();
            let group: Vec<u32> = order.iter().map(|&i| group[i]).collect();
            numbers("evaluation", &serde_json::to_value(evaluate(&y, &p, &group).unwrap()).unwrap())
        };
        let (a, b) = (by(&(0..y.len()).collect::<Vec<_>>()), by(&order));
        prop_assert_eq!(a.len(), b.len());
        for ((key, a), (other, b)) in a.iter().zip(&b) {
            prop_assert_eq!(key, other);
            prop_assert!((a - b).abs() < 1e-9, "{}: {} and {}", key, a, b);
        }
    }
}
