use super::*;
use crate::MICROS_PER_DAY;
use crate::counts::count;
use crate::intervals::Z_95;

/// Outcomes and probabilities of six rows with a tie across the classes.
const Y: [bool; 6] = [false, false, true, false, true, true];
const P: [f64; 6] = [0.1, 0.2, 0.4, 0.4, 0.6, 0.9];
const EACH: [u32; 6] = [0, 1, 2, 3, 4, 5];

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn auc_counts_pairs_and_ties_as_half() {
    // Of 9 pairs one is tied, and all others are in the correct order.
    near(roc_auc(&Y, &P).unwrap(), 8.5 / 9.0);
    near(roc_auc(&[true, false], &[0.1, 0.9]).unwrap(), 0.0);
    near(roc_auc(&[true, false, true], &[0.5; 3]).unwrap(), 0.5);
    near(roc_auc(&[true, false], &[0.0, -0.0]).unwrap(), 0.5);
    let mut sorted: Vec<(f64, bool)> = P.into_iter().zip(Y).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(roc_auc_sorted(sorted), roc_auc(&Y, &P));
    assert_eq!(roc_auc_sorted([(-0.0, false), (0.0, true)]), Some(0.5));
    assert_eq!(roc_auc_sorted([(0.1, true), (0.2, true)]), None);
    assert_eq!(roc_auc_sorted([]), None);
}

#[test]
fn auc_needs_both_classes_and_no_nan() {
    assert_eq!(roc_auc(&[true, true], &[0.1, 0.2]), None);
    assert_eq!(roc_auc(&[], &[]), None);
    assert_eq!(roc_auc(&[true, false], &[f64::NAN, 0.2]), None);
}

#[test]
fn the_standard_error_of_the_auc_is_delongs_for_single_rows() {
    // Placements minus the mean 17/18: converted -1/9, 1/18, 1/18; unconverted 1/18, 1/18, -1/9.
    // Variance of each class: 3/2 · (4 + 1 + 1)/324 / 9 = 1/324; no account has rows of both
    // classes.
    let auc = auc_with_error(&Y, &P, &EACH).unwrap();
    near(auc.std_error.unwrap(), (2.0_f64 / 324.0).sqrt());
}

#[test]
fn the_standard_error_of_the_auc_needs_two_accounts_per_class() {
    assert_eq!(auc_with_error(&Y, &P, &[0, 0, 9, 1, 9, 9]).unwrap().std_error, None);
    assert_eq!(auc_with_error(&Y, &P, &[7; 6]).unwrap().std_error, None);
}

#[test]
fn account_numbers_may_have_gaps() {
    let dense = evaluate(&Y, &P, &[0, 0, 1, 2, 2, 3]).unwrap();
    assert_eq!(dense, evaluate(&Y, &P, &[40, 40, 1_000, u32::MAX, u32::MAX, 3]).unwrap());
    assert_ne!(dense.log_loss.std_error, evaluate(&Y, &P, &EACH).unwrap().log_loss.std_error);
}

#[test]
fn metrics_of_six_rows_match_a_hand_calculation() {
    let e = evaluate(&Y, &P, &EACH).unwrap();
    assert_eq!((e.n, e.conversions), (6, 3));
    near(e.base_rate, 0.5);
    near(e.expected_conversions, 2.6);
    // Precision 1, 1 and 3/4 where recall rises to 1/3, 2/3, 1.
    near(e.average_precision.unwrap(), (1.0 + 1.0 + 0.75) / 3.0);
    near(e.brier.value, (0.01 + 0.04 + 0.36 + 0.16 + 0.16 + 0.01) / 6.0);
    near(
        e.log_loss.value,
        -(0.9_f64.ln() + 0.8_f64.ln() + 0.4_f64.ln() + 0.6_f64.ln() + 0.6_f64.ln() + 0.9_f64.ln())
            / 6.0,
    );
    // One row per bin; the two tied rows have a mean outcome of 1/2.
    near(e.calibration_error.value, (0.1 + 0.2 + 0.1 + 0.1 + 0.4 + 0.1) / 6.0);
    // 20% of 6 rows are 2 rows.
    let top = e.top_share(20).unwrap();
    near(top.precision, 1.0);
    near(top.recall.unwrap(), 2.0 / 3.0);
    near(top.lift.unwrap(), 2.0);
    near(e.top_share(1).unwrap().precision, 1.0);
    assert_eq!(e.top_share(2), None);
}

#[test]
fn a_split_tie_contributes_its_share_to_the_top_rows() {
    // 200 equal probabilities: any top has the base rate.
    let y: Vec<bool> = (0..200).map(|i| i % 4 == 0).collect();
    let e = evaluate(&y, &[0.3; 200], &(0..200).collect::<Vec<u32>>()).unwrap();
    assert_eq!(e.top.iter().map(|top| top.percent).collect::<Vec<_>>(), TOP_PERCENT);
    e.top.iter().for_each(|top| near(top.precision, 0.25));
    near(e.top_share(5).unwrap().recall.unwrap(), 0.05);
    near(e.roc_auc.unwrap().value, 0.5);
    near(e.calibration_error.value, 0.05);
    assert_eq!(e.calibration_slope, None);
    near(e.calibration_in_the_large.unwrap().value, (0.25_f64 / 0.75).ln() - (0.3_f64 / 0.7).ln());
}

#[test]
fn one_class_leaves_brier_score_and_log_loss() {
    let e = evaluate(&[false; 3], &[0.1, 0.2, 0.3], &[0, 1, 2]).unwrap();
    assert_eq!((e.roc_auc, e.average_precision), (None, None));
    assert_eq!(
        (e.calibration_in_the_large, e.calibration_slope, e.calibration_intercept),
        (None, None, None)
    );
    assert!(e.top.iter().all(|top| top.recall.is_none() && top.lift.is_none()));
    near(e.brier.value, (0.01 + 0.04 + 0.09) / 3.0);
    near(e.log_loss.value, -(0.9_f64.ln() + 0.8_f64.ln() + 0.7_f64.ln()) / 3.0);
    assert!(e.log_loss.std_error.is_some());
}

#[test]
fn separated_outcomes_have_no_calibration_slope() {
    let e = evaluate(&[false, false, true, true], &[0.1, 0.2, 0.8, 0.9], &[0, 1, 2, 3]).unwrap();
    assert_eq!((e.calibration_slope, e.calibration_intercept), (None, None));
    near(e.calibration_in_the_large.unwrap().value, 0.0);
    assert_eq!(e.roc_auc.unwrap().std_error, Some(0.0));
}

#[test]
fn certain_probabilities_stay_finite() {
    let e = evaluate(&[true, false, true, false], &[1.0, 0.0, 0.0, 1.0], &[0, 1, 2, 3]).unwrap();
    assert!(e.log_loss.value.is_finite() && e.log_loss.value > 17.0);
    near(e.calibration_in_the_large.unwrap().value, 0.0);
    near(e.calibration_slope.unwrap().value, 0.0);
}

#[test]
fn one_account_has_no_standard_error() {
    let e = evaluate(&Y, &P, &[5; 6]).unwrap();
    let auc = e.roc_auc.unwrap();
    assert_eq!((e.log_loss.std_error, auc.std_error, auc.interval), (None, None, None));
}

#[test]
fn invalid_probabilities_and_lengths_are_errors() {
    assert!(matches!(evaluate(&[], &[], &[]), Err(Error::NoRows { .. })));
    for p in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        assert!(matches!(
            evaluate(&[true, false], &[0.5, p], &[0, 1]),
            Err(Error::OutOfRange { .. })
        ));
    }
    assert!(evaluate(&[true, false], &[0.5], &[0, 1]).is_err());
}

#[test]
fn the_calibration_shift_converges_with_extreme_log_odds() {
    let y: Vec<bool> = (0..10).map(|i| i < 3).collect();
    let mut p = [1e-9; 10];
    p[9] = 1.0 - 1e-9;
    let e = evaluate(&y, &p, &EACH.iter().copied().chain(6..10).collect::<Vec<_>>()).unwrap();
    let s = e.calibration_in_the_large.unwrap().value;
    let expected: f64 = p.iter().map(|p| crate::glm::sigmoid((p / (1.0 - p)).ln() + s)).sum();
    assert!((expected - 3.0).abs() < 1e-9, "{expected}");
}

#[test]
fn intervals_of_six_rows_match_a_hand_calculation() {
    let e = evaluate(&Y, &P, &EACH).unwrap();
    let losses: Vec<f64> =
        Y.iter().zip(P).map(|(&y, p)| if y { -p.ln() } else { -(1.0 - p).ln() }).collect();
    let mean = losses.iter().sum::<f64>() / 6.0;
    let se = (losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 5.0 / 6.0).sqrt();
    near(e.log_loss.interval.unwrap().low, mean - Z_95 * se);
    // Squares 0.01, 0.04, 0.36, 0.16, 0.16, 0.01: mean 0.74/6, their squares sum to 0.1826.
    near(e.brier.std_error.unwrap(), ((0.1826_f64 - 0.74 * 0.74 / 6.0) / 30.0).sqrt());
    // 2 of 2: Wilson's lower end is 1/(1 + z²/2).
    let precision = e.top_share(20).unwrap().precision_interval;
    near(precision.low, 1.0 / (1.0 + Z_95 * Z_95 / 2.0));
    assert_eq!(precision.high, 1.0);
    // One row per bin: the mean deviation of a row with probability p is 2p(1 - p), and that of
    // half a tie of two rows √(2/π)·√(2·0.24)/2.
    let tie = 2.0 * (std::f64::consts::FRAC_2_PI * 0.24 / 2.0).sqrt();
    near(e.calibration_error.expected, (0.18 + 0.32 + tie + 0.48 + 0.18) / 6.0);
    near(e.brier_parts.reliability, (0.01 + 0.04 + 0.01 + 0.01 + 0.16 + 0.01) / 6.0);
    near(e.brier_parts.resolution, 4.0 * 0.25 / 6.0);
    near(e.brier_parts.uncertainty, 0.25);
    near(e.brier_parts.within, 0.0);
}

#[test]
fn deciles_of_six_rows_match_a_hand_calculation() {
    let found = gains(&Y, &P);
    // ⌈0.6⌉ = 1, ⌈1.2⌉ = 2, 2, 3, 3, 4, 5, 5, 6, 6 rows from the top.
    assert_eq!(found.iter().map(|d| d.decile).collect::<Vec<_>>(), [1, 2, 4, 6, 7, 9]);
    assert!(found.iter().all(|d| d.rows == 1));
    near(found[2].conversions, 0.5);
    near(found[3].gain.unwrap(), 1.0);
    near(found[2].cumulative_lift.unwrap(), 2.5 / 3.0 / 0.5);
    near(found[5].lift.unwrap(), 0.0);
    near(found[1].lowest, 0.6);
    assert!(gains(&[], &[]).is_empty());
    assert_eq!(gains(&[false; 2], &[0.1, 0.2])[0].lift, None);
}

#[test]
fn rows_equal_to_the_threshold_qualify() {
    let metrics = threshold_metrics(&Y, &P, &EACH, 0.4);
    assert_eq!((metrics.qualified, metrics.conversions), (4, 3));
    near(metrics.precision.unwrap(), 0.75);
    near(metrics.recall.unwrap(), 1.0);
    near(metrics.lift.unwrap(), 1.5);
    near(metrics.expected, 2.3);
    near(metrics.share, 4.0 / 6.0);
    let Interval { low, high } = metrics.precision_interval.unwrap();
    near(low + high, 2.0 * (0.75 + Z_95 * Z_95 / 8.0) / (1.0 + Z_95 * Z_95 / 4.0));
    let none = threshold_metrics(&Y, &P, &EACH, 0.91);
    assert_eq!(
        (none.qualified, none.precision, none.precision_interval, none.lift),
        (0, None, None, None)
    );
    near(none.recall.unwrap(), 0.0);
    assert_eq!(threshold_metrics(&[false], &[0.5], &[0], 0.1).recall, None);
}

#[test]
fn subsets_are_evaluated_separately() {
    let subsets = subset_metrics(&Y, &P, &[0, 1, 2, 0, 1, 1], &[0, 2, 2, 0, 2, 2]);
    assert_eq!(subsets.iter().map(|p| p.rows).collect::<Vec<_>>(), [2, 0, 4]);
    assert_eq!(
        (subsets[1].observed_rate, subsets[1].log_loss, subsets[1].roc_auc),
        (None, None, None)
    );
    assert_eq!(
        (subsets[0].accounts, subsets[0].conversions, subsets[0].expected_interval),
        (1, 0, None),
        "its account has two rows"
    );
    near(subsets[2].roc_auc.unwrap(), 1.0);
    near(subsets[2].expected, 2.1);
    let single = &subset_metrics(&Y, &P, &EACH, &[0; 6])[0];
    let half = Z_95 * (0.09_f64 + 0.16 + 0.24 + 0.24 + 0.24 + 0.09).sqrt();
    let Interval { low, high } = single.expected_interval.unwrap();
    near(low, 2.6 - half);
    near(high, 2.6 + half);
    near(single.roc_auc_interval.unwrap().high, 1.0);
    assert_eq!(subsets[2].roc_auc_interval, None, "a perfect ranking");
    assert!(subset_metrics(&[], &[], &[], &[]).is_empty());
}

#[test]
fn the_log_loss_difference_is_paired() {
    let better = P.map(|p| if p == 0.4 { 0.5 } else { p });
    let compare_with_p = |probability, group| {
        PairedProbabilities { y: &Y, group, probability, other: &P }.log_loss()
    };
    let d = compare_with_p(&better, &EACH).unwrap();
    // Two rows change: a conversion from 0.4 to 0.5, none from 0.6 to 0.5.
    let (a, b) = ((0.4_f64 / 0.5).ln(), (0.6_f64 / 0.5).ln());
    near(d.difference, (a + b) / 6.0);
    let mean = (a + b) / 6.0;
    let squares = (a - mean).powi(2) + (b - mean).powi(2) + 4.0 * mean * mean;
    near(d.std_error.unwrap(), (squares / 30.0).sqrt());
    let Interval { low, high } = d.interval.unwrap();
    near(high - low, 2.0 * Z_95 * d.std_error.unwrap());
    assert!(!d.is_better());
    let same = compare_with_p(&P, &EACH).unwrap();
    assert_eq!((same.difference, same.std_error, same.is_better()), (0.0, Some(0.0), false));
    assert_eq!(compare_with_p(&better, &[3; 6]).unwrap().std_error, None);
    assert!(
        PairedProbabilities { y: &Y, group: &EACH, probability: &P, other: &P[..5] }
            .log_loss()
            .is_err()
    );
}

#[test]
fn cutoffs_are_pooled_only_if_no_account_repeats() {
    let cutoff: Vec<i64> = (0..40).map(|row| (100 + row) * MICROS_PER_DAY + row * 7_919).collect();
    let y: Vec<bool> = (0..40).map(|row| row % 3 == 0).collect();
    let p = [0.3; 40];
    let in_zone = |group: &[u32], local_cutoff| {
        let rows =
            LabeledScores { y: &y, probability: &p, group, cutoff: Some(&cutoff), local_cutoff };
        EvaluationReport::compute(rows, 0.5).unwrap().by_cutoff
    };
    let by_cutoff = |group: &[u32]| in_zone(group, None);
    let accounts: Vec<u32> = (0..40).collect();
    let weeks = by_cutoff(&accounts);
    // Each sixth local day is skipped, so that a local week has six cutoffs.
    let local: Vec<i64> = (0..).zip(&cutoff).map(|(row, t)| t + row / 6 * MICROS_PER_DAY).collect();
    let local_weeks = in_zone(&accounts, Some(&local));
    assert_eq!((local_weeks[0].first, local_weeks[0].last), (cutoff[0], cutoff[5]));
    assert_eq!(weeks.iter().map(|week| week.metrics.rows).collect::<Vec<_>>(), [7, 7, 7, 7, 7, 5]);
    assert_eq!((weeks[1].first, weeks[1].last), (cutoff[7], cutoff[13]));
    assert_eq!(by_cutoff(&(0..40).map(|row| row / 2).collect::<Vec<_>>()).len(), 40);
}

/// A reproducible generator of numbers in [0, 1) (splitmix64).
struct TestRng(u64);

impl TestRng {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        count(usize::try_from((z ^ (z >> 31)) >> 32).unwrap()) / 2.0_f64.powi(32)
    }
}

/// Evaluates 400 draws of outcomes with known conversion probabilities; each account has `repeat`
/// rows with the same outcome.
fn draws(probability: &[f64], chance: impl Fn(f64) -> f64, repeat: usize) -> Vec<Evaluation> {
    let mut random = TestRng(7);
    let p: Vec<f64> = probability.iter().flat_map(|p| std::iter::repeat_n(*p, repeat)).collect();
    let group: Vec<u32> =
        (0..).take(probability.len()).flat_map(|g| std::iter::repeat_n(g, repeat)).collect();
    let mut draw = || {
        let y: Vec<bool> = probability
            .iter()
            .flat_map(|p| std::iter::repeat_n(random.uniform() < chance(*p), repeat))
            .collect();
        evaluate(&y, &p, &group).unwrap()
    };
    (0..400).map(|_| draw()).collect()
}

fn mean_of(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / count(values.len())
}

#[test]
fn calibration_error_equals_its_expectation_under_perfect_calibration() {
    let spread: Vec<f64> = (0..300).map(|i| (f64::from(i) / 300.0).powi(3) * 0.8 + 0.002).collect();
    let tied: Vec<f64> = (0..300).map(|i| [0.02, 0.1, 0.3][i % 3]).collect();
    for (metric, p, repeat) in [
        ("spread", &spread, 1),
        ("tied", &tied, 1),
        ("repeated", &spread, 4),
        ("one value", &vec![0.2; 300], 1),
    ] {
        let found = draws(p, |p| p, repeat);
        let error = mean_of(found.iter().map(|e| e.calibration_error.value));
        let expected = mean_of(found.iter().map(|e| e.calibration_error.expected));
        assert!(
            (error / expected - 1.0).abs() < 0.06,
            "{metric}: found {error}, expected {expected}"
        );
        let covered = mean_of(
            found.iter().map(|e| f64::from(e.calibration_error.interval.unwrap().low == 0.0)),
        );
        assert!(covered > 0.95, "{metric}: {covered} of the intervals contain 0");
    }
}

#[test]
fn intervals_cover_the_true_value_in_95_percent_of_draws() {
    let p: Vec<f64> = (0..300).map(|i| f64::from(i) / 300.0 * 0.6 + 0.02).collect();
    // The true probabilities are half of the predicted ones, so that the observed rate of a bin is
    // half its mean probability.
    let chance = |p: f64| 0.5 * p;
    let error = 0.5 * mean_of(p.iter().copied());
    let loss =
        mean_of(p.iter().map(|&p| -(chance(p) * p.ln() + (1.0 - chance(p)) * (1.0 - p).ln())));
    let brier =
        mean_of(p.iter().map(|&p| chance(p) * (1.0 - p).powi(2) + (1.0 - chance(p)) * p * p));
    let top = mean_of(p[270..].iter().map(|&p| chance(p)));
    for repeat in [1, 3] {
        let found = draws(&p, chance, repeat);
        let covered = |interval: &dyn Fn(&Evaluation) -> Interval, truth: f64| {
            mean_of(found.iter().map(|e| f64::from(interval(e).contains(truth))))
        };
        for (metric, covered) in [
            ("log loss", covered(&|e| e.log_loss.interval.unwrap(), loss)),
            ("Brier", covered(&|e| e.brier.interval.unwrap(), brier)),
            ("precision", covered(&|e| e.top_share(10).unwrap().precision_interval, top)),
            ("calibration error", covered(&|e| e.calibration_error.interval.unwrap(), error)),
        ] {
            assert!(
                (0.92..=1.0).contains(&covered),
                "{metric}, {repeat} rows per account: {covered}"
            );
        }
        let perfect = draws(&p, |p| p, repeat);
        let inside =
            |estimate: &dyn Fn(&Evaluation) -> Option<Estimate>, truth: f64| {
                let interval = |e: &Evaluation| estimate(e).and_then(|estimate| estimate.interval);
                mean_of(perfect.iter().map(|e| {
                    f64::from(interval(e).is_some_and(|interval| interval.contains(truth)))
                }))
            };
        for (metric, inside) in [
            ("slope", inside(&|e| e.calibration_slope, 1.0)),
            ("intercept", inside(&|e| e.calibration_intercept, 0.0)),
            ("shift", inside(&|e| e.calibration_in_the_large, 0.0)),
        ] {
            assert!(
                (0.92..=0.98).contains(&inside),
                "{metric}, {repeat} rows per account: {inside}"
            );
        }
    }
}
