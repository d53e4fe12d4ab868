use super::*;

/// Outcomes and probabilities of six rows with a tie across the classes.
const Y: [bool; 6] = [false, false, true, false, true, true];
const P: [f64; 6] = [0.1, 0.2, 0.4, 0.4, 0.6, 0.9];
const EACH: [u32; 6] = [0, 1, 2, 3, 4, 5];

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn auc_counts_pairs_and_ties_as_half() {
    // Of 9 pairs one is tied, all others are in order.
    near(roc_auc(&Y, &P).unwrap(), 8.5 / 9.0);
    near(roc_auc(&[true, false], &[0.1, 0.9]).unwrap(), 0.0);
    near(roc_auc(&[true, false, true], &[0.5; 3]).unwrap(), 0.5);
    near(roc_auc(&[true, false], &[0.0, -0.0]).unwrap(), 0.5);
}

#[test]
fn auc_needs_both_classes_and_no_nan() {
    assert_eq!(roc_auc(&[true, true], &[0.1, 0.2]), None);
    assert_eq!(roc_auc(&[], &[]), None);
    assert_eq!(roc_auc(&[true, false], &[f64::NAN, 0.2]), None);
}

#[test]
fn the_error_of_the_auc_is_delongs_for_single_rows() {
    // Placements less the mean 17/18: converted -1/9, 1/18, 1/18; unconverted 1/18, 1/18, -1/9.
    // Each side: 3/2 · (4 + 1 + 1)/324 / 9 = 1/324; no account has rows on both sides.
    let (_, se) = auc_with_error(&Y, &P, &EACH).unwrap();
    near(se.unwrap(), (2.0_f64 / 324.0).sqrt());
}

#[test]
fn the_error_of_the_auc_needs_two_accounts_on_each_side() {
    assert_eq!(auc_with_error(&Y, &P, &[0, 0, 9, 1, 9, 9]).unwrap().1, None);
    assert_eq!(auc_with_error(&Y, &P, &[7; 6]).unwrap().1, None);
}

#[test]
fn account_numbers_are_only_names() {
    let dense = evaluate(&Y, &P, &[0, 0, 1, 2, 2, 3]).unwrap();
    assert_eq!(dense, evaluate(&Y, &P, &[40, 40, 1_000, u32::MAX, u32::MAX, 3]).unwrap());
    assert_ne!(dense.log_loss_se, evaluate(&Y, &P, &EACH).unwrap().log_loss_se);
}

#[test]
fn metrics_of_six_rows_are_those_worked_out_by_hand() {
    let e = evaluate(&Y, &P, &EACH).unwrap();
    assert_eq!((e.n, e.conversions), (6, 3));
    near(e.base_rate, 0.5);
    near(e.expected_conversions, 2.6);
    // Precision 1, 1 and 3/4 where recall rises to 1/3, 2/3, 1.
    near(e.average_precision.unwrap(), (1.0 + 1.0 + 0.75) / 3.0);
    near(e.brier, (0.01 + 0.04 + 0.36 + 0.16 + 0.16 + 0.01) / 6.0);
    near(e.log_loss, -(0.9_f64.ln() + 0.8_f64.ln() + 0.4_f64.ln() + 0.6_f64.ln() + 0.6_f64.ln() + 0.9_f64.ln()) / 6.0);
    // One row a bin; the two tied rows have a share of 1/2.
    near(e.ece_10_equal_mass, (0.1 + 0.2 + 0.1 + 0.1 + 0.4 + 0.1) / 6.0);
    // 20 % of 6 rows are 2.
    near(e.precision_top_20pct, 1.0);
    near(e.recall_top_20pct.unwrap(), 2.0 / 3.0);
    near(e.lift_top_20pct.unwrap(), 2.0);
    near(e.precision_top_1pct, 1.0);
}

#[test]
fn the_top_takes_its_share_of_a_tie() {
    // 200 equal probabilities: any top has the base rate.
    let y: Vec<bool> = (0..200).map(|i| i % 4 == 0).collect();
    let e = evaluate(&y, &[0.3; 200], &(0..200).collect::<Vec<u32>>()).unwrap();
    for precision in [e.precision_top_1pct, e.precision_top_5pct, e.precision_top_10pct, e.precision_top_20pct] {
        near(precision, 0.25);
    }
    near(e.recall_top_5pct.unwrap(), 0.05);
    near(e.roc_auc.unwrap(), 0.5);
    near(e.ece_10_equal_mass, 0.05);
    assert_eq!(e.calibration_slope, None);
    near(e.calibration_in_the_large.unwrap(), (0.25_f64 / 0.75).ln() - (0.3_f64 / 0.7).ln());
}

#[test]
fn one_class_leaves_what_needs_no_other() {
    let e = evaluate(&[false; 3], &[0.1, 0.2, 0.3], &[0, 1, 2]).unwrap();
    assert_eq!((e.roc_auc, e.roc_auc_se, e.roc_auc_95, e.average_precision), (None, None, None, None));
    assert_eq!((e.calibration_in_the_large, e.calibration_slope, e.calibration_intercept), (None, None, None));
    assert_eq!((e.recall_top_1pct, e.lift_top_20pct), (None, None));
    near(e.brier, (0.01 + 0.04 + 0.09) / 3.0);
    near(e.log_loss, -(0.9_f64.ln() + 0.8_f64.ln() + 0.7_f64.ln()) / 3.0);
    assert!(e.log_loss_se.is_some());
}

#[test]
fn separated_outcomes_have_no_calibration_slope() {
    let e = evaluate(&[false, false, true, true], &[0.1, 0.2, 0.8, 0.9], &[0, 1, 2, 3]).unwrap();
    assert_eq!((e.calibration_slope, e.calibration_intercept), (None, None));
    near(e.calibration_in_the_large.unwrap(), 0.0);
    assert_eq!(e.roc_auc_se, Some(0.0));
}

#[test]
fn certain_probabilities_stay_finite() {
    let e = evaluate(&[true, false, true, false], &[1.0, 0.0, 0.0, 1.0], &[0, 1, 2, 3]).unwrap();
    assert!(e.log_loss.is_finite() && e.log_loss > 17.0);
    near(e.calibration_in_the_large.unwrap(), 0.0);
    near(e.calibration_slope.unwrap(), 0.0);
}

#[test]
fn one_account_has_no_standard_error() {
    let e = evaluate(&Y, &P, &[5; 6]).unwrap();
    assert_eq!((e.log_loss_se, e.roc_auc_se, e.roc_auc_95), (None, None, None));
    assert!(e.roc_auc.is_some());
}

#[test]
fn what_is_no_probability_is_refused() {
    assert!(matches!(evaluate(&[], &[], &[]), Err(Error::Unsuitable { .. })));
    for p in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        assert!(matches!(evaluate(&[true, false], &[0.5, p], &[0, 1]), Err(Error::Unsuitable { .. })));
    }
    assert!(evaluate(&[true, false], &[0.5], &[0, 1]).is_err());
}

#[test]
fn extreme_log_odds_do_not_stop_the_shift() {
    let y: Vec<bool> = (0..10).map(|i| i < 3).collect();
    let mut p = [1e-9; 10];
    p[9] = 1.0 - 1e-9;
    let s = evaluate(&y, &p, &EACH.iter().copied().chain(6..10).collect::<Vec<_>>()).unwrap().calibration_in_the_large.unwrap();
    let expected: f64 = p.iter().map(|p| crate::fit::sigmoid((p / (1.0 - p)).ln() + s)).sum();
    assert!((expected - 3.0).abs() < 1e-9, "{expected}");
}
