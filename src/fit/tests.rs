use ndarray::{Array1, Array2, ArrayView1, array};

use super::*;

const NONE: Logistic =
    Logistic { penalty: Penalty::None, alpha: 0.0, solver: Solver::Newton, tolerance: 1e-10, max_iterations: 100, start: None };

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{found} is not {expected}");
}

/// Four cells of a two-by-two table: (x, outcome, rows).
fn table() -> (Array2<f64>, Array1<bool>) {
    let cells = [(0.0, true, 10), (0.0, false, 30), (1.0, true, 25), (1.0, false, 15)];
    let rows: Vec<(f64, bool)> = cells.iter().flat_map(|&(x, y, n)| std::iter::repeat_n((x, y), n)).collect();
    (Array2::from_shape_fn((rows.len(), 1), |(i, _)| rows[i].0), rows.iter().map(|r| r.1).collect())
}

/// Pseudo-random columns and outcomes; enough rows for several chunks.
fn drawn(n: usize, p: usize) -> (Array2<f64>, Array1<bool>) {
    let mut state = 1_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 33) as u32) / f64::from(1_u32 << 31)
    };
    let x = Array2::from_shape_fn((n, p), |_| (draw() - 0.5) * 3.4);
    let y = x.rows().into_iter().map(|row| draw() < sigmoid(-1.0 + 0.6 * row[0])).collect();
    (x, y)
}

#[test]
fn a_two_by_two_table_gives_its_log_odds_and_their_errors() {
    let (x, y) = table();
    let fit = NONE.fit_rows(x.view(), y.view()).unwrap();
    near(fit.intercept, (1.0_f64 / 3.0).ln());
    near(fit.coef[0], 5.0_f64.ln());
    let se = fit.std_error();
    near(se[0], (1.0_f64 / 10.0 + 1.0 / 30.0).sqrt());
    near(se[1], (1.0_f64 / 10.0 + 1.0 / 30.0 + 1.0 / 25.0 + 1.0 / 15.0).sqrt());
    near(fit.log_likelihood, 10.0 * 0.25_f64.ln() + 30.0 * 0.75_f64.ln() + 25.0 * 0.625_f64.ln() + 15.0 * 0.375_f64.ln());
    assert!(fit.gradient <= 1e-10 && fit.rows == 80 && fit.alpha == 0.0);
    let test = wald(&fit);
    near(test.z[1], 5.0_f64.ln() / se[1]);
}

#[test]
fn a_table_fitted_by_either_solver_is_the_same() {
    let (x, y) = table();
    // `true` is first the minority, then the majority.
    for y in [y.clone(), y.mapv(|y| !y)] {
        for start in [None, Some(vec![0.3, -0.2])] {
            let newton = Logistic { alpha: 0.7, ..Logistic::default() };
            let lbfgs = Logistic { solver: Solver::Lbfgs, start, ..newton.clone() };
            let (a, b) = (newton.fit_rows(x.view(), y.view()).unwrap(), lbfgs.fit_rows(x.view(), y.view()).unwrap());
            assert!((a.intercept - b.intercept).abs() < 1e-6 && (a.coef[0] - b.coef[0]).abs() < 1e-6, "{a:?} {b:?}");
            assert_eq!(b.iterations, 0);
        }
    }
}

#[test]
fn a_penalty_shrinks_and_its_strength_counts() {
    let (x, y) = table();
    let coef = |penalty, alpha| Logistic { penalty, alpha, ..NONE }.fit_rows(x.view(), y.view()).unwrap();
    let (none, weak, strong) = (coef(Penalty::None, 9.0), coef(Penalty::L2, 1.0), coef(Penalty::L2, 10.0));
    assert!(none.coef[0] > weak.coef[0] && weak.coef[0] > strong.coef[0] && strong.coef[0] > 0.0);
    assert_eq!((none.alpha, weak.alpha), (0.0, 1.0));
    near(none.coef[0], coef(Penalty::L2, 0.0).coef[0]);
    let huge = coef(Penalty::L2, 1e12);
    assert!(huge.coef[0].abs() < 1e-9);
    assert!((huge.intercept - (35.0_f64 / 45.0).ln()).abs() < 1e-9);
}

#[test]
fn separated_outcomes_do_not_converge_without_a_penalty() {
    let x = array![[-2.0], [-1.0], [-0.5], [0.5], [1.0], [2.0]];
    let y = array![false, false, false, true, true, true];
    // Quasi-separated: converted wherever the column is 1.
    let dummy = array![[0.0], [0.0], [0.0], [0.0], [1.0], [1.0]];
    let mixed = array![false, true, false, true, true, true];
    for solver in [Solver::Newton, Solver::Lbfgs] {
        for (x, y) in [(&x, &y), (&dummy, &mixed)] {
            let found = Logistic { solver, ..NONE }.fit_rows(x.view(), y.view());
            assert!(matches!(found, Err(Error::NotConverged { .. })), "{found:?}");
            assert!(Logistic { solver, ..Logistic::default() }.fit_rows(x.view(), y.view()).is_ok());
        }
    }
}

#[test]
fn collinear_columns_do_not_converge_without_a_penalty() {
    let (x, y) = drawn(300, 2);
    let sum = x.sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1));
    let x = ndarray::concatenate(ndarray::Axis(1), &[x.view(), sum.view()]).unwrap();
    assert!(matches!(NONE.fit_rows(x.view(), y.view()), Err(Error::NotConverged { .. })));
    assert!(Logistic::default().fit_rows(x.view(), y.view()).is_ok());
}

#[test]
fn too_few_iterations_are_an_error() {
    let (x, y) = table();
    let found = Logistic { max_iterations: 2, ..NONE }.fit_rows(x.view(), y.view());
    assert!(matches!(found, Err(Error::NotConverged { solver: "newton", iterations: 2, .. })), "{found:?}");
}

#[test]
fn without_columns_the_intercept_is_the_mean_outcome() {
    let x = Array2::zeros((8, 0));
    let y = array![true, false, false, false, true, false, false, false];
    for solver in [Solver::Newton, Solver::Lbfgs] {
        let fit = Logistic { solver, ..NONE }.fit_rows(x.view(), y.view()).unwrap();
        assert!((fit.intercept - (1.0_f64 / 3.0).ln()).abs() < 1e-7);
        assert!(fit.coef.is_empty() && fit.covariance.len() == 1);
    }
}

#[test]
fn bad_numbers_are_refused() {
    let (x, y) = (array![[1.0], [2.0], [3.0]], array![true, false, true]);
    let unsuitable = |found: Result<LogisticFit>| assert!(matches!(found, Err(Error::Unsuitable { .. })), "{found:?}");
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        unsuitable(NONE.fit_rows(array![[1.0], [bad], [3.0]].view(), y.view()));
        unsuitable(Logistic { alpha: bad, ..Logistic::default() }.fit_rows(x.view(), y.view()));
        unsuitable(Logistic { start: Some(vec![bad, 0.0]), ..NONE }.fit_rows(x.view(), y.view()));
    }
    unsuitable(Logistic { alpha: -1.0, ..Logistic::default() }.fit_rows(x.view(), y.view()));
    unsuitable(Logistic { start: Some(vec![0.0]), ..NONE }.fit_rows(x.view(), y.view()));
    unsuitable(NONE.fit_rows(x.view(), array![true].view()));
    unsuitable(NONE.fit_rows(Array2::zeros((0, 1)).view(), ArrayView1::from(&[] as &[bool])));
    unsuitable(NONE.fit_groups(x.view(), y.view(), &[0, 1]));
    unsuitable(NONE.fit_groups(x.view(), y.view(), &[4, 4, 4]));
    let one = NONE.fit_rows(x.view(), array![true, true, true].view());
    assert!(matches!(one, Err(Error::OneClass { rows: 3, converted: true })), "{one:?}");
}

#[test]
fn a_start_far_off_ends_at_the_same_minimum() {
    let (x, y) = table();
    let fit = NONE.fit_rows(x.view(), y.view()).unwrap();
    for start in [vec![800.0, -3000.0], vec![1e300, 1e300], vec![6.0, -20.0]] {
        let far = Logistic { start: Some(start), ..NONE }.fit_rows(x.view(), y.view()).unwrap();
        near(far.coef[0], fit.coef[0]);
    }
}

#[test]
fn groups_of_one_row_are_no_groups() {
    let (x, y) = table();
    let single: Vec<u32> = (0..80).rev().collect();
    assert_eq!(NONE.fit_groups(x.view(), y.view(), &single).unwrap(), NONE.fit_rows(x.view(), y.view()).unwrap());
}

#[test]
fn the_order_and_names_of_groups_do_not_matter() {
    let (x, y) = drawn(200, 2);
    let group: Vec<u32> = (0..200).map(|i| i / 3).collect();
    let fit = Logistic::default().fit_groups(x.view(), y.view(), &group).unwrap();
    let renamed: Vec<u32> = group.iter().map(|g| u32::MAX - g * 7).collect();
    let other = Logistic::default().fit_groups(x.view(), y.view(), &renamed).unwrap();
    fit.covariance.iter().zip(&other.covariance).for_each(|(a, b)| near(*a, *b));
    let rows = Logistic::default().fit_rows(x.view(), y.view()).unwrap();
    assert_eq!(fit.coef, rows.coef);
    assert_ne!(fit.covariance, rows.covariance);
}

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let (x, y) = drawn(70_000, 5);
    let group: Vec<u32> = (0..70_000).map(|i| i / 4).collect();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (Logistic::default().fit_groups(x.view(), y.view(), &group).unwrap(), vif(x.view())))
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn rows_by_columns_give_what_rows_by_rows_give() {
    let (x, y) = drawn(40_000, 4);
    let mut by_columns = Array2::zeros(ndarray::ShapeBuilder::f(x.raw_dim()));
    by_columns.assign(&x);
    let a = NONE.fit_rows(x.view(), y.view()).unwrap();
    assert_eq!(a, NONE.fit_rows(by_columns.view(), y.view()).unwrap());
    let backwards = x.slice_axis(ndarray::Axis(0), ndarray::Slice::new(0, None, -1));
    let reversed = y.slice_axis(ndarray::Axis(0), ndarray::Slice::new(0, None, -1));
    let b = NONE.fit_rows(backwards, reversed).unwrap();
    a.coef.iter().zip(&b.coef).for_each(|(a, b)| near(*a, *b));
    // A probability off by 1e-9 would show in the sum.
    let total: f64 = a.log_odds(by_columns.view()).iter().map(|eta| sigmoid(*eta)).sum();
    let positive = y.iter().map(|&y| f64::from(y)).sum::<f64>();
    assert!((total - positive).abs() < 1e-5);
}

#[test]
fn linfa_reaches_the_same_door() {
    let (x, y) = table();
    let direct = Logistic::default().fit_rows(x.view(), y.view()).unwrap();
    assert_eq!(Logistic::default().fit(&DatasetBase::new(x, y)).unwrap(), direct);
}

#[test]
fn extreme_log_odds_neither_overflow_nor_lose_digits() {
    assert_eq!((sigmoid(800.0), sigmoid(-800.0), sigmoid(0.0)), (1.0, 0.0, 0.5));
    assert!(sigmoid(-700.0) > 0.0 && sigmoid(f64::NAN).is_nan());
    let log_loss = |eta, y| derivatives::Point::at(eta, y).loss;
    assert_eq!((log_loss(800.0, true), log_loss(800.0, false)), (0.0, 800.0));
    assert_eq!((log_loss(-800.0, true), log_loss(-800.0, false)), (800.0, 0.0));
    near(log_loss(0.0, true), 2.0_f64.ln());
    assert!((log_loss(-40.0, false) / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
}

#[test]
fn wald_keeps_its_digits_in_the_tail() {
    let fit = LogisticFit {
        intercept: 0.0,
        coef: vec![10.0, -1.959_963_984_540_054],
        covariance: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        gradient: 0.0,
        iterations: 1,
        log_likelihood: 0.0,
        alpha: 0.0,
        rows: 1,
    };
    let test = wald(&fit);
    near(test.p[0], 1.0);
    // 2 · Φ(−10), 40-digit arithmetic.
    assert!((test.p[1] / 1.523_970_604_832_105e-23 - 1.0).abs() < 1e-9, "{}", test.p[1]);
    assert!((test.p[2] / 0.05 - 1.0).abs() < 1e-9);
}

#[test]
fn variance_inflation_tells_what_other_columns_explain() {
    let x = array![[1.0, 1.0, 5.0], [1.0, -1.0, 5.0], [-1.0, 1.0, 5.0], [-1.0, -1.0, 5.0]];
    let free = vif(x.view());
    near(free[0], 1.0);
    near(free[1], 1.0);
    assert!(free[2].is_nan());
    // r = 1/2: 1/(1 - 1/4).
    let x = array![[1.0, 1.0], [2.0, 3.0], [3.0, 2.0]];
    for v in vif(x.view()) {
        near(v, 4.0 / 3.0);
    }
    let x = array![[1.0, 2.0, 1.0], [2.0, 4.0, -1.0], [3.0, 6.0, -1.0], [4.0, 8.0, 1.0]];
    let found = vif(x.view());
    assert_eq!((found[0], found[1]), (f64::INFINITY, f64::INFINITY));
    near(found[2], 1.0);
    assert!(vif(Array2::zeros((3, 0)).view()).is_empty());
}
