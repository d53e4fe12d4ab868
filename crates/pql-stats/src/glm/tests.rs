use ndarray::{Array1, Array2, ArrayView1, Axis, array};

use super::*;

const UNPENALIZED: Logistic = Logistic {
    penalty: Penalty::None,
    alpha: 0.0,
    solver: Solver::Newton,
    tolerance: 1e-10,
    max_iterations: 100,
    start: None,
};

fn near(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
        "{found} is not {expected}"
    );
}

/// Returns the rows of a two-by-two table.
fn table() -> (Array2<f64>, Array1<bool>) {
    let cells = [(0.0, true, 10), (0.0, false, 30), (1.0, true, 25), (1.0, false, 15)];
    let rows: Vec<(f64, bool)> =
        cells.iter().flat_map(|&(x, y, n)| std::iter::repeat_n((x, y), n)).collect();
    (Array2::from_shape_fn((rows.len(), 1), |(i, _)| rows[i].0), rows.iter().map(|r| r.1).collect())
}

/// Draws pseudo-random columns and outcomes.
fn draw_data(n: usize, p: usize) -> (Array2<f64>, Array1<bool>) {
    let mut state = 1_u64;
    let mut draw = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 33) as u32) / f64::from(1_u32 << 31)
    };
    let x = Array2::from_shape_fn((n, p), |_| (draw() - 0.5) * 3.4);
    let y = x.rows().into_iter().map(|row| draw() < sigmoid(-1.0 + 0.6 * row[0])).collect();
    (x, y)
}

#[test]
fn a_two_by_two_table_has_known_log_odds_and_standard_errors() {
    let (x, y) = table();
    let fit = UNPENALIZED.fit_rows(x.view(), y.view()).unwrap();
    near(fit.intercept, (1.0_f64 / 3.0).ln());
    near(fit.coef[0], 5.0_f64.ln());
    let se = fit.std_error().unwrap();
    near(se[0], (1.0_f64 / 10.0 + 1.0 / 30.0).sqrt());
    near(se[1], (1.0_f64 / 10.0 + 1.0 / 30.0 + 1.0 / 25.0 + 1.0 / 15.0).sqrt());
    near(
        fit.log_likelihood,
        10.0 * 0.25_f64.ln() + 30.0 * 0.75_f64.ln() + 25.0 * 0.625_f64.ln() + 15.0 * 0.375_f64.ln(),
    );
    assert!(fit.gradient <= 1e-10 && fit.rows == 80 && fit.alpha == 0.0);
    let test = wald(&fit).unwrap();
    near(test.z[1], 5.0_f64.ln() / se[1]);
}

#[test]
fn both_solvers_fit_a_table_equally() {
    let (x, y) = table();
    // `true` is first the minority, then the majority.
    for y in [y.clone(), y.mapv(|y| !y)] {
        for start in [None, Some(vec![0.3, -0.2])] {
            let newton = Logistic { alpha: 0.7, ..Logistic::default() };
            let lbfgs = Logistic { solver: Solver::Lbfgs, start, ..newton.clone() };
            let (a, b) = (
                newton.fit_rows(x.view(), y.view()).unwrap(),
                lbfgs.fit_rows(x.view(), y.view()).unwrap(),
            );
            assert!(
                (a.intercept - b.intercept).abs() < 1e-6 && (a.coef[0] - b.coef[0]).abs() < 1e-6,
                "{a:?} {b:?}"
            );
            assert_eq!(b.iterations, 0);
        }
    }
}

#[test]
fn a_larger_alpha_shrinks_more() {
    let (x, y) = table();
    let coef = |penalty, alpha| {
        Logistic { penalty, alpha, ..UNPENALIZED }.fit_rows(x.view(), y.view()).unwrap()
    };
    let (none, weak, strong) =
        (coef(Penalty::None, 9.0), coef(Penalty::L2, 1.0), coef(Penalty::L2, 10.0));
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
            let found = Logistic { solver, ..UNPENALIZED }.fit_rows(x.view(), y.view());
            assert!(matches!(found, Err(Error::NotConverged { .. })), "{found:?}");
            assert!(
                Logistic { solver, ..Logistic::default() }.fit_rows(x.view(), y.view()).is_ok()
            );
        }
    }
}

#[test]
fn collinear_columns_do_not_converge_without_a_penalty() {
    let (x, y) = draw_data(300, 2);
    let sum = x.sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1));
    let x = ndarray::concatenate(ndarray::Axis(1), &[x.view(), sum.view()]).unwrap();
    assert!(matches!(UNPENALIZED.fit_rows(x.view(), y.view()), Err(Error::NotConverged { .. })));
    assert!(Logistic::default().fit_rows(x.view(), y.view()).is_ok());
}

/// Draws columns of which the last nearly equals the first (variance inflation about 10⁵).
fn nearly_collinear() -> (Array2<f64>, Array1<bool>) {
    let (mut x, y) = draw_data(400, 3);
    let first = &x.column(0) + &(&x.column(2) * 3e-3);
    x.column_mut(2).assign(&first);
    (x, y)
}

#[test]
fn nearly_collinear_columns_keep_a_root_of_the_covariance() {
    let (x, y) = nearly_collinear();
    let group: Vec<u32> = (0..400).map(|i| i / 4).collect();
    for penalty in [Penalty::None, Penalty::L2] {
        let model = Logistic { penalty, alpha: 1e-3, ..UNPENALIZED };
        for fit in [
            model.fit_rows(x.view(), y.view()).unwrap(),
            model.fit_groups(x.view(), y.view(), &group).unwrap(),
        ] {
            let root = Array2::from_shape_vec((4, 4), fit.root.clone().unwrap()).unwrap();
            let product = root.t().dot(&root);
            product.iter().zip(fit.covariance.as_ref().unwrap()).for_each(|(a, b)| near(*a, *b));
            near(fit.std_error_of(&[0.0, 1.0, 0.0, 0.0]).unwrap(), fit.std_error().unwrap()[1]);
        }
    }
    let (x, y) = draw_data(400, 3);
    let fit = UNPENALIZED.fit_rows(x.view(), y.view()).unwrap();
    assert!(fit.root.is_none());
    near(fit.std_error_of(&[0.0, 0.0, 1.0, 0.0]).unwrap(), fit.std_error().unwrap()[2]);
}

#[test]
fn fewer_groups_than_columns_have_a_covariance_without_a_root() {
    let (x, y) = nearly_collinear();
    let group: Vec<u32> = (0..400).map(|i| i / 200).collect();
    let fit = UNPENALIZED.fit_groups(x.view(), y.view(), &group).unwrap();
    assert!(fit.root.is_none() && fit.std_error().unwrap().iter().all(|e| e.is_finite()));
}

#[test]
fn the_factor_of_a_covariance_has_its_quadratic_form() {
    let (x, y) = nearly_collinear();
    let halves: Vec<u32> = (0..400).map(|i| i / 200).collect();
    let regular = UNPENALIZED.fit_rows(x.view(), y.view()).unwrap();
    let singular = UNPENALIZED.fit_groups(x.view(), y.view(), &halves).unwrap();
    // The gradients of two groups add up to 0, so that their covariance has rank 1.
    for (fit, rank) in [(regular, 4), (singular, 1)] {
        let factor = fit.covariance_factor().unwrap();
        assert_eq!(factor.len(), rank);
        let form = |w: [f64; 4]| -> f64 {
            let product = |row: &Vec<f64>| row.iter().zip(w).map(|(r, w)| r * w).sum::<f64>();
            factor.iter().map(|row| product(row).powi(2)).sum()
        };
        for w in [[1.0, 0.0, 0.0, 0.0], [1.0, 0.5, -1.0, 0.5], [1.0, 2.0, 2.0, 2.0]] {
            let (found, expected) = (form(w), fit.std_error_of(&w).unwrap().powi(2));
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}

#[test]
fn standard_errors_do_not_depend_on_the_coordinates_of_a_column() {
    // x₃ = x₁ + 0.003·d: the coefficient of d alone is 0.003 times that of x₃, as is its standard
    // error.
    let (x, y) = nearly_collinear();
    let (orthogonal, _) = draw_data(400, 3);
    let errors =
        |x: &Array2<f64>| UNPENALIZED.fit_rows(x.view(), y.view()).unwrap().std_error().unwrap();
    let (collinear, orthogonal) = (errors(&x), errors(&orthogonal));
    assert!((collinear[3] * 3e-3 / orthogonal[3] - 1.0).abs() < 1e-12);
    assert!((collinear[2] / orthogonal[2] - 1.0).abs() < 1e-12);
}

#[test]
fn too_few_iterations_are_an_error() {
    let (x, y) = table();
    let found = Logistic { max_iterations: 2, ..UNPENALIZED }.fit_rows(x.view(), y.view());
    assert!(
        matches!(found, Err(Error::NotConverged { solver: "newton", iterations: 2, .. })),
        "{found:?}"
    );
}

#[test]
fn without_columns_the_intercept_is_the_mean_outcome() {
    let x = Array2::zeros((8, 0));
    let y = array![true, false, false, false, true, false, false, false];
    for solver in [Solver::Newton, Solver::Lbfgs] {
        let fit = Logistic { solver, ..UNPENALIZED }.fit_rows(x.view(), y.view()).unwrap();
        assert!((fit.intercept - (1.0_f64 / 3.0).ln()).abs() < 1e-7);
        assert!(fit.coef.is_empty() && fit.covariance.unwrap().len() == 1);
    }
}

#[test]
fn invalid_input_is_an_error() {
    let (x, y) = (array![[1.0], [2.0], [3.0]], array![true, false, true]);
    let refused = |found: Result<LogisticFit>| assert!(found.is_err(), "{found:?}");
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for penalty in [
            Penalty::None,
            Penalty::L2,
            Penalty::L1,
            Penalty::ElasticNet { l1_ratio: 0.5 },
            Penalty::Firth,
        ] {
            refused(with(penalty, 1.0).fit_rows(array![[1.0], [bad], [3.0]].view(), y.view()));
        }
        refused(
            Logistic { solver: Solver::Lbfgs, ..UNPENALIZED }
                .fit_rows(array![[1.0], [bad], [3.0]].view(), y.view()),
        );
        refused(Logistic { alpha: bad, ..Logistic::default() }.fit_rows(x.view(), y.view()));
        refused(
            Logistic { start: Some(vec![bad, 0.0]), ..UNPENALIZED }.fit_rows(x.view(), y.view()),
        );
    }
    refused(Logistic { alpha: -1.0, ..Logistic::default() }.fit_rows(x.view(), y.view()));
    refused(Logistic { start: Some(vec![0.0]), ..UNPENALIZED }.fit_rows(x.view(), y.view()));
    refused(UNPENALIZED.fit_rows(x.view(), array![true].view()));
    refused(UNPENALIZED.fit_rows(Array2::zeros((0, 1)).view(), ArrayView1::from(&[] as &[bool])));
    refused(UNPENALIZED.fit_groups(x.view(), y.view(), &[0, 1]));
    refused(UNPENALIZED.fit_groups(x.view(), y.view(), &[4, 4, 4]));
    let one = UNPENALIZED.fit_rows(x.view(), array![true, true, true].view());
    assert!(matches!(one, Err(Error::OneClass { rows: 3, converted: true })), "{one:?}");
}

#[test]
fn a_distant_start_reaches_the_same_minimum() {
    let (x, y) = table();
    let fit = UNPENALIZED.fit_rows(x.view(), y.view()).unwrap();
    for start in [vec![800.0, -3000.0], vec![1e300, 1e300], vec![6.0, -20.0]] {
        let far =
            Logistic { start: Some(start), ..UNPENALIZED }.fit_rows(x.view(), y.view()).unwrap();
        near(far.coef[0], fit.coef[0]);
    }
}

#[test]
fn groups_of_one_row_equal_independent_rows() {
    let (x, y) = table();
    let single: Vec<u32> = (0..80).rev().collect();
    assert_eq!(
        UNPENALIZED.fit_groups(x.view(), y.view(), &single).unwrap(),
        UNPENALIZED.fit_rows(x.view(), y.view()).unwrap()
    );
}

#[test]
fn group_numbers_and_their_order_do_not_matter() {
    let (x, y) = draw_data(200, 2);
    let group: Vec<u32> = (0..200).map(|i| i / 3).collect();
    let fit = Logistic::default().fit_groups(x.view(), y.view(), &group).unwrap();
    let renamed: Vec<u32> = group.iter().map(|g| u32::MAX - g * 7).collect();
    let other = Logistic::default().fit_groups(x.view(), y.view(), &renamed).unwrap();
    fit.covariance
        .iter()
        .flatten()
        .zip(other.covariance.iter().flatten())
        .for_each(|(a, b)| near(*a, *b));
    let rows = Logistic::default().fit_rows(x.view(), y.view()).unwrap();
    assert_eq!(fit.coef, rows.coef);
    assert_ne!(fit.covariance, rows.covariance);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (x, y) = draw_data(70_000, 5);
    let group: Vec<u32> = (0..70_000).map(|i| i / 4).collect();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            (
                Logistic::default().fit_groups(x.view(), y.view(), &group).unwrap(),
                vif(&correlation(x.view())),
            )
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn results_do_not_depend_on_the_memory_layout() {
    let (x, y) = draw_data(40_000, 4);
    let mut by_columns = Array2::zeros(ndarray::ShapeBuilder::f(x.raw_dim()));
    by_columns.assign(&x);
    let a = UNPENALIZED.fit_rows(x.view(), y.view()).unwrap();
    assert_eq!(a, UNPENALIZED.fit_rows(by_columns.view(), y.view()).unwrap());
    let backwards = x.slice_axis(ndarray::Axis(0), ndarray::Slice::new(0, None, -1));
    let reversed = y.slice_axis(ndarray::Axis(0), ndarray::Slice::new(0, None, -1));
    let b = UNPENALIZED.fit_rows(backwards, reversed).unwrap();
    a.coef.iter().zip(&b.coef).for_each(|(a, b)| near(*a, *b));
    // An error of 1e-9 in the probabilities would be visible in the sum.
    let total: f64 = a.log_odds(by_columns.view()).iter().map(|eta| sigmoid(*eta)).sum();
    let positive = y.iter().map(|&y| f64::from(y)).sum::<f64>();
    assert!((total - positive).abs() < 1e-5);
}

fn with(penalty: Penalty, alpha: f64) -> Logistic {
    Logistic { penalty, alpha, ..Logistic::default() }
}

#[test]
fn all_coefficients_are_zero_at_the_largest_alpha_of_the_grid() {
    let (x, y) = draw_data(500, 4);
    for penalty in [Penalty::L1, Penalty::ElasticNet { l1_ratio: 0.3 }] {
        let strongest = alpha_grid(penalty, x.view(), y.view())[0];
        let none = with(penalty, strongest).fit_rows(x.view(), y.view()).unwrap();
        assert_eq!(none.coef, [0.0; 4]);
        let positive: f64 = y.iter().map(|y| f64::from(u8::from(*y))).sum();
        near(none.intercept, (positive / (500.0 - positive)).ln());
        assert_eq!((none.effective_df, none.covariance), (1.0, None));
        let one = with(penalty, 0.999 * strongest).fit_rows(x.view(), y.view()).unwrap();
        assert_eq!(one.coef.iter().filter(|b| **b != 0.0).count(), 1);
    }
}

#[test]
fn an_l1_fit_does_not_depend_on_its_start() {
    let (x, y) = draw_data(300, 5);
    let penalty = Penalty::ElasticNet { l1_ratio: 0.7 };
    let cold = with(penalty, 6.0).fit_rows(x.view(), y.view()).unwrap();
    assert!(cold.coef.contains(&0.0) && cold.coef.iter().any(|b| *b != 0.0), "{:?}", cold.coef);
    let near_by = with(penalty, 8.0).fit_rows(x.view(), y.view()).unwrap();
    let near_by: Vec<f64> = std::iter::once(near_by.intercept).chain(near_by.coef).collect();
    for start in [near_by, vec![3.0; 6], vec![-800.0; 6], vec![1e300; 6]] {
        let warm = Logistic { start: Some(start), ..with(penalty, 6.0) }
            .fit_rows(x.view(), y.view())
            .unwrap();
        cold.coef.iter().zip(&warm.coef).for_each(|(a, b)| near(*a, *b));
        assert!(cold.coef.iter().zip(&warm.coef).all(|(a, b)| (*a == 0.0) == (*b == 0.0)));
    }
}

#[test]
fn an_l1_penalty_handles_collinear_columns_and_separated_outcomes() {
    let (x, y) = draw_data(300, 2);
    let doubled = ndarray::concatenate(
        ndarray::Axis(1),
        &[x.view(), x.view(), Array2::zeros((300, 1)).view()],
    )
    .unwrap();
    let (fit, single) = (
        with(Penalty::L1, 3.0).fit_rows(doubled.view(), y.view()),
        with(Penalty::L1, 3.0).fit_rows(x.view(), y.view()),
    );
    let (fit, single) = (fit.unwrap(), single.unwrap());
    assert!(
        (fit.coef[0] + fit.coef[2] - single.coef[0]).abs() < 1e-9 && fit.coef[4] == 0.0,
        "{fit:?}"
    );
    let x = array![[-2.0], [-1.0], [-0.5], [0.5], [1.0], [2.0]];
    let separated = with(Penalty::L1, 1e-3)
        .fit_rows(x.view(), array![false, false, false, true, true, true].view())
        .unwrap();
    assert!(separated.coef[0] > 5.0 && separated.gradient <= 1e-10);
}

#[test]
fn an_l1_penalty_fits_more_columns_than_rows() {
    let (x, y) = draw_data(40, 120);
    let fit = with(Penalty::L1, 0.5).fit_rows(x.view(), y.view()).unwrap();
    let kept = fit.coef.iter().filter(|b| **b != 0.0).count();
    assert!(kept > 3 && kept < 40 && fit.gradient <= 1e-10, "{kept}");
}

#[test]
fn penalty_and_l1_ratio_change_the_fit() {
    let (x, y) = draw_data(200, 3);
    let coef = |penalty| with(penalty, 2.0).fit_rows(x.view(), y.view()).unwrap().coef;
    let net = |l1_ratio| coef(Penalty::ElasticNet { l1_ratio });
    assert_eq!((net(0.0), net(1.0)), (coef(Penalty::L2), coef(Penalty::L1)));
    assert_ne!(net(0.5), net(1.0));
    assert_ne!(coef(Penalty::Firth), coef(Penalty::None));
    assert_eq!(
        coef(Penalty::Firth),
        with(Penalty::Firth, 7.0).fit_rows(x.view(), y.view()).unwrap().coef
    );
    for l1_ratio in [-0.1, 1.1, f64::NAN] {
        let refused = with(Penalty::ElasticNet { l1_ratio }, 1.0).fit_rows(x.view(), y.view());
        assert!(matches!(refused, Err(Error::OutOfRange { .. })), "{refused:?}");
    }
    for penalty in [Penalty::L1, Penalty::ElasticNet { l1_ratio: 0.5 }, Penalty::Firth] {
        let refused = Logistic { solver: Solver::Lbfgs, ..with(penalty, 1.0) }
            .fit_rows(x.view(), y.view())
            .unwrap_err();
        assert!(matches!(refused, Error::UnsupportedPenalty), "{refused}");
    }
}

#[test]
fn firth_adds_half_a_row_to_each_cell_of_a_table() {
    // Converted wherever the column is 1: (40 + ½)/½ · (30 + ½)/(30 + ½) = 81.
    let cells = [(0.0, true, 30), (0.0, false, 30), (1.0, true, 40)];
    let rows: Vec<(f64, bool)> =
        cells.iter().flat_map(|&(x, y, n)| std::iter::repeat_n((x, y), n)).collect();
    let x = Array2::from_shape_fn((rows.len(), 1), |(i, _)| rows[i].0);
    let y: Array1<bool> = rows.iter().map(|r| r.1).collect();
    let fit = with(Penalty::Firth, 1.0).fit_rows(x.view(), y.view()).unwrap();
    near(fit.coef[0], 81.0_f64.ln());
    let se = fit.std_error().unwrap();
    // 1/(n μ(1 − μ)) of either group, μ with the half rows; brglm2: 1.463549.
    near(se[1], (1.0_f64 / 15.0 + 41.0 * 41.0 / (40.0 * 40.5 * 0.5)).sqrt());
    assert!((se[1] - 1.463_549).abs() < 5e-7);
    assert_eq!((fit.effective_df, fit.alpha), (2.0, 0.0));
    let (p0, p1) = (sigmoid(fit.intercept), sigmoid(fit.intercept + fit.coef[0]));
    near(60.0 * p0 + 40.0 * p1, 70.0);
    let groups: Vec<u32> = (0..100).map(|i| i / 2).collect();
    assert_eq!(with(Penalty::Firth, 1.0).fit_groups(x.view(), y.view(), &groups).unwrap(), fit);
    let start = Some(vec![900.0, -20.0]);
    let far = Logistic { start, ..with(Penalty::Firth, 1.0) }.fit_rows(x.view(), y.view()).unwrap();
    near(far.coef[0], fit.coef[0]);
}

#[test]
fn firth_fits_two_rows() {
    let fit = with(Penalty::Firth, 1.0)
        .fit_rows(array![[0.0], [1.0]].view(), array![false, true].view())
        .unwrap();
    near(fit.coef[0], 9.0_f64.ln());
    near(fit.intercept, -3.0_f64.ln());
    assert!(
        with(Penalty::Firth, 1.0)
            .fit_rows(array![[1.0], [1.0]].view(), array![false, true].view())
            .is_err()
    );
}

#[test]
fn effective_degrees_of_freedom_fall_as_the_penalty_grows() {
    let (x, y) = table();
    let df = |alpha| with(Penalty::L2, alpha).fit_rows(x.view(), y.view()).unwrap().effective_df;
    near(df(0.0), 2.0);
    assert!(df(0.1) > df(10.0) && df(10.0) > df(1000.0) && df(1e12) - 1.0 < 1e-9);
    // By hand: A⁻¹ZᵀWZ of [[a, b], [b, b]] with and without alpha below right.
    let fit = with(Penalty::L2, 3.0).fit_rows(x.view(), y.view()).unwrap();
    let (p0, p1) = (sigmoid(fit.intercept), sigmoid(fit.intercept + fit.coef[0]));
    let (w0, w1) = (40.0 * p0 * (1.0 - p0), 40.0 * p1 * (1.0 - p1));
    near(fit.effective_df, 2.0 - 3.0 * (w0 + w1) / ((w0 + w1) * (w1 + 3.0) - w1 * w1));
}

#[test]
fn the_variance_of_log_odds_equals_the_quadratic_form() {
    for (p, rare) in [(1, 0), (11, 0), (37, 0), (1, 1), (11, 3), (37, 18)] {
        let (mut x, y) = draw_data(600, p);
        // Columns with one value in nine of ten rows.
        let modal_values: Vec<Option<f64>> = (0..p)
            .map(|j| (j % p.div_ceil(rare.max(1)) == 0 && rare > 0).then_some(-0.25))
            .collect();
        for (mut column, modal_value) in x
            .columns_mut()
            .into_iter()
            .zip(&modal_values)
            .filter_map(|(column, modal_value)| Some((column, (*modal_value)?)))
        {
            column.mapv_inplace(|x| if x > 1.3 { x } else { modal_value });
        }
        let fit = Logistic::default().fit_rows(x.view(), y.view()).unwrap();
        let (covariance, k) = (fit.covariance.as_ref().unwrap(), p + 1);
        let form = fit.variances(&modal_values).unwrap();
        let variances = form.evaluate_rows(x.t());
        for (row, variance) in x.rows().into_iter().zip(&variances) {
            let z: Vec<f64> = std::iter::once(1.0).chain(row.iter().copied()).collect();
            near(*variance, (0..k * k).map(|i| z[i / k] * covariance[i] * z[i % k]).sum());
        }
        let alone: Vec<f64> =
            x.axis_chunks_iter(Axis(0), 7).flat_map(|rows| form.evaluate_rows(rows.t())).collect();
        assert_eq!(alone, variances, "a row does not depend on the other rows");
        near(form.evaluate_rows(Array2::zeros((p, 1)).view())[0], covariance[0]);
        assert!(
            with(Penalty::L1, 1.0)
                .fit_rows(x.view(), y.view())
                .unwrap()
                .variances(&modal_values)
                .is_none()
        );
    }
}

#[test]
fn log_odds_by_column_are_those_by_row() {
    for p in [1, 7, 8, 37] {
        let (x, y) = draw_data(600, p);
        let fit = Logistic::default().fit_rows(x.view(), y.view()).unwrap();
        assert_eq!(fit.log_odds_by_column(x.t()), fit.log_odds(x.view()).to_vec());
    }
}

#[test]
fn likelihood_criteria_need_unpenalized_fits_of_independent_rows() {
    let (x, y) = table();
    let goodness_of = |logistic: &Logistic, grouped| {
        goodness(&logistic.fit_rows(x.view(), y.view()).unwrap(), y.view(), grouped)
    };
    let plain = goodness_of(&UNPENALIZED, false);
    let (null, ratio) =
        (35.0 * 0.4375_f64.ln() + 45.0 * 0.5625_f64.ln(), plain.likelihood_ratio.unwrap());
    let full =
        10.0 * 0.25_f64.ln() + 30.0 * 0.75_f64.ln() + 25.0 * 0.625_f64.ln() + 15.0 * 0.375_f64.ln();
    near(plain.null_log_likelihood, null);
    near(plain.mcfadden_r2, 1.0 - full / null);
    near(ratio, 2.0 * (full - null));
    near(plain.aic.unwrap(), 4.0 - 2.0 * full);
    near(plain.bic.unwrap(), 2.0 * 80.0_f64.ln() - 2.0 * full);
    // χ² with one degree of freedom is a squared normal variable.
    near(plain.likelihood_ratio_p.unwrap(), statrs::function::erf::erfc((ratio / 2.0).sqrt()));
    for other in [
        goodness_of(&UNPENALIZED, true),
        goodness_of(&Logistic::default(), false),
        goodness_of(&with(Penalty::Firth, 0.0), false),
    ] {
        assert_eq!(
            (other.likelihood_ratio, other.likelihood_ratio_p, other.aic, other.bic),
            (None, None, None, None)
        );
        assert!(other.mcfadden_r2 > 0.0 && other.effective_df > 1.0);
    }
}

#[test]
fn the_linfa_trait_equals_fit_rows() {
    let (x, y) = table();
    let direct = Logistic::default().fit_rows(x.view(), y.view()).unwrap();
    assert_eq!(Logistic::default().fit(&DatasetBase::new(x, y)).unwrap(), direct);
}

#[test]
fn extreme_log_odds_do_not_overflow_or_lose_digits() {
    assert_eq!((sigmoid(800.0), sigmoid(-800.0), sigmoid(0.0)), (1.0, 0.0, 0.5));
    assert!(sigmoid(-700.0) > 0.0 && sigmoid(f64::NAN).is_nan());
    let log_loss = |eta, y| point::Point::new(eta, y).loss;
    assert_eq!((log_loss(800.0, true), log_loss(800.0, false)), (0.0, 800.0));
    assert_eq!((log_loss(-800.0, true), log_loss(-800.0, false)), (800.0, 0.0));
    near(log_loss(0.0, true), 2.0_f64.ln());
    assert!((log_loss(-40.0, false) / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
}

#[test]
fn wald_p_values_are_accurate_in_the_tail() {
    let fit = LogisticFit {
        intercept: 0.0,
        coef: vec![10.0, -1.959_963_984_540_054],
        covariance: Some(vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        root: None,
        gradient: 0.0,
        iterations: 1,
        log_likelihood: 0.0,
        effective_df: 3.0,
        penalty: Penalty::None,
        alpha: 0.0,
        rows: 1,
    };
    let test = wald(&fit).unwrap();
    near(test.p[0], 1.0);
    // 2 · Φ(−10), 40-digit arithmetic.
    assert!((test.p[1] / 1.523_970_604_832_105e-23 - 1.0).abs() < 1e-9, "{}", test.p[1]);
    assert!((test.p[2] / 0.05 - 1.0).abs() < 1e-9);
}

#[test]
fn variance_inflation_measures_collinearity() {
    let x = array![[1.0, 1.0, 5.0], [1.0, -1.0, 5.0], [-1.0, 1.0, 5.0], [-1.0, -1.0, 5.0]];
    let free = vif(&correlation(x.view()));
    near(free[0], 1.0);
    near(free[1], 1.0);
    assert!(free[2].is_nan());
    // r = 1/2: 1/(1 - 1/4).
    let x = array![[1.0, 1.0], [2.0, 3.0], [3.0, 2.0]];
    for v in vif(&correlation(x.view())) {
        near(v, 4.0 / 3.0);
    }
    let x = array![[1.0, 2.0, 1.0], [2.0, 4.0, -1.0], [3.0, 6.0, -1.0], [4.0, 8.0, 1.0]];
    let found = vif(&correlation(x.view()));
    assert_eq!((found[0], found[1]), (f64::INFINITY, f64::INFINITY));
    near(found[2], 1.0);
    assert!(vif(&correlation(Array2::zeros((3, 0)).view())).is_empty());
}
