//! Comparison of a rule with a model at equal volume: as many of the model's top rows as the rule
//! matches.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::LabeledScores;
use super::accounts::GroupCodes;
use super::ranking::Ranking;
use super::report::CutoffRange;
use crate::counts::count;
use crate::error::Result;
use crate::intervals::Interval;

/// Number of bootstrap samples.
const SAMPLES: u64 = 1_000;

/// Conversions captured by a baseline rule and by the model among the same number of rows, by
/// cutoff (or by period, if each account has its own cutoff).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EqualVolumeComparison {
    /// Number of rows, over all cutoffs.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
    /// Rows that the rule matches: the same number of the model's top rows is taken at each
    /// cutoff.
    pub matched: u64,
    /// Conversions captured by the rule.
    pub baseline: CapturedConversions,
    /// Conversions captured by the model.
    pub model: CapturedConversions,
    /// Precision of the model minus that of the rule.
    pub precision_difference: Option<f64>,
    /// Its 95% interval, by a bootstrap of accounts.
    pub precision_difference_interval: Option<Interval>,
    /// Recall of the model minus that of the rule.
    pub recall_difference: Option<f64>,
    /// Its 95% interval, by a bootstrap of accounts.
    pub recall_difference_interval: Option<Interval>,
    /// Smallest number of top rows, over all cutoffs, with as many conversions as the rule
    /// captures.
    pub model_needs: Option<u64>,
    /// The same counts by cutoff, oldest first; empty without cutoffs. Not serialized, because
    /// times are numbers here.
    #[serde(skip)]
    pub by_cutoff: Vec<EqualVolumeAtCutoff>,
}

impl EqualVolumeComparison {
    /// Removes the intervals, for too few conversions to trust a bootstrap.
    pub fn remove_intervals(&mut self) {
        self.precision_difference_interval = None;
        self.recall_difference_interval = None;
    }
}

/// Conversions captured among the selected rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CapturedConversions {
    /// Conversions; if only some rows of equal probability are selected, their share.
    pub conversions: f64,
    /// Share of the selected rows that converted.
    pub precision: Option<f64>,
    /// Share of all conversions.
    pub recall: Option<f64>,
}

/// Conversions captured by both at one cutoff, or at several adjacent ones, as in
/// [`CutoffMetrics`](super::CutoffMetrics).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EqualVolumeAtCutoff {
    /// First cutoff, µs UTC.
    pub first: i64,
    /// Last cutoff, µs UTC.
    pub last: i64,
    /// Rows.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
    /// Rows that the rule matches.
    pub matched: u64,
    /// Conversions captured by the rule.
    pub baseline: f64,
    /// Conversions captured by the model.
    pub model: f64,
}

/// Rows, conversions and captured conversions; sums over cutoffs.
#[derive(Debug, Clone, Copy, Default)]
struct VolumeCounts {
    rows: f64,
    conversions: f64,
    matched: f64,
    baseline: f64,
    model: f64,
}

impl VolumeCounts {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.conversions += other.conversions;
        self.matched += other.matched;
        self.baseline += other.baseline;
        self.model += other.model;
    }

    fn captured(&self, conversions: f64) -> CapturedConversions {
        let share = |all: f64| (all > 0.0).then(|| conversions / all);
        CapturedConversions {
            conversions,
            precision: share(self.matched),
            recall: share(self.conversions),
        }
    }

    /// Returns the differences of precision and recall, model minus rule.
    fn differences(&self) -> [Option<f64>; 2] {
        [self.matched, self.conversions]
            .map(|all| (all > 0.0).then(|| (self.model - self.baseline) / all))
    }
}

/// Compares a rule with the model at equal volume.
///
/// # Arguments
/// * `matched` – whether the rule matches before the cutoff of each row
/// * `seed` – seed of the bootstrap
/// # Errors
/// * [`Error::NoRows`](crate::Error::NoRows),
///   [`Error::LengthMismatch`](crate::Error::LengthMismatch),
///   [`Error::OutOfRange`](crate::Error::OutOfRange): no rows, unequal lengths, or a probability
///   outside of [0, 1]
/// # Source
/// Efron, Tibshirani, *An Introduction to the Bootstrap* (1993), §13.3 (percentile interval); whole
/// accounts are drawn, and both sides are evaluated on the same sample
pub fn compare_at_equal_volume(
    scores: LabeledScores<'_>,
    matched: &[bool],
    seed: u64,
) -> Result<EqualVolumeComparison> {
    super::check(scores.y, scores.probability, scores.group)?;
    let comparison = RuleComparison { scores, matched, groups: GroupCodes::new(scores.group) };
    let volumes = volumes(&scores);
    let once = vec![1; comparison.groups.len];
    let by_volume: Vec<VolumeCounts> =
        volumes.iter().map(|volume| comparison.count_captured(&volume.rows, &once)).collect();
    let mut all = VolumeCounts::default();
    by_volume.iter().for_each(|counts| all.add(*counts));
    let draw = |number: u64| {
        let times = draw_accounts(comparison.groups.len, seed, number);
        let mut all = VolumeCounts::default();
        volumes.iter().for_each(|volume| all.add(comparison.count_captured(&volume.rows, &times)));
        all.differences()
    };
    let draws: Vec<[Option<f64>; 2]> = (0..SAMPLES).into_par_iter().map(draw).collect();
    let [precision_difference, recall_difference] = all.differences();
    let dated =
        volumes.iter().zip(&by_volume).filter_map(|(volume, counts)| Some((volume.range?, counts)));
    let by_cutoff = dated.map(|(CutoffRange { first, last }, counts)| EqualVolumeAtCutoff {
        first,
        last,
        rows: to_count(counts.rows),
        conversions: to_count(counts.conversions),
        matched: to_count(counts.matched),
        baseline: counts.baseline,
        model: counts.model,
    });
    Ok(EqualVolumeComparison {
        rows: to_count(all.rows),
        conversions: to_count(all.conversions),
        matched: to_count(all.matched),
        baseline: all.captured(all.baseline),
        model: all.captured(all.model),
        precision_difference,
        precision_difference_interval: interval(&draws, 0),
        recall_difference,
        recall_difference_interval: interval(&draws, 1),
        model_needs: rows_to_capture(&scores, all.baseline),
        by_cutoff: by_cutoff.collect(),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
fn to_count(count: f64) -> u64 {
    count as u64
}

/// Rows of a cutoff, or of several adjacent ones, by descending probability.
struct Volume {
    /// `None` without cutoffs.
    range: Option<CutoffRange>,
    rows: Vec<usize>,
}

/// Groups the rows by cutoff, oldest first; all rows are one group without cutoffs.
fn volumes(scores: &LabeledScores<'_>) -> Vec<Volume> {
    let (period, ranges) = match scores.cutoff {
        Some(cutoff) => {
            let (period, ranges) = scores.periods(cutoff);
            (period, ranges.into_iter().map(Some).collect())
        }
        None => (vec![0; scores.y.len()], vec![None]),
    };
    let mut volumes: Vec<Volume> =
        ranges.into_iter().map(|range| Volume { range, rows: Vec::new() }).collect();
    period.iter().enumerate().for_each(|(row, period)| volumes[*period].rows.push(row));
    for volume in &mut volumes {
        volume.rows.sort_by(|a, b| scores.probability[*b].total_cmp(&scores.probability[*a]));
    }
    volumes
}

/// Draws a bootstrap sample: how often each account is drawn.
fn draw_accounts(accounts: usize, seed: u64, number: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let mut times = vec![0; accounts];
    (0..accounts).for_each(|_| times[random.random_range(0..accounts)] += 1);
    times
}

/// A model's probabilities, and the rows that a rule matches.
struct RuleComparison<'a> {
    scores: LabeledScores<'a>,
    matched: &'a [bool],
    groups: GroupCodes,
}

impl RuleComparison<'_> {
    /// Counts captured conversions at one cutoff.
    ///
    /// # Arguments
    /// * `rows` – by descending probability
    /// * `times` – weight of each account
    fn count_captured(&self, rows: &[usize], times: &[u32]) -> VolumeCounts {
        let Self { scores, matched, groups } = self;
        let mut counts = VolumeCounts::default();
        for &row in rows {
            let weight = f64::from(times[groups.code[row]]);
            let converted = if scores.y[row] { weight } else { 0.0 };
            counts.rows += weight;
            counts.conversions += converted;
            if matched[row] {
                counts.matched += weight;
                counts.baseline += converted;
            }
        }
        let mut left = counts.matched;
        for tie in
            rows.chunk_by(|a, b| scores.probability[*a].total_cmp(&scores.probability[*b]).is_eq())
        {
            if left <= 0.0 {
                break;
            }
            let (mut weight, mut converted) = (0.0, 0.0);
            for &row in tie {
                let times = f64::from(times[groups.code[row]]);
                weight += times;
                converted += if scores.y[row] { times } else { 0.0 };
            }
            if weight > 0.0 {
                counts.model += converted * (left / weight).min(1.0);
                left -= weight;
            }
        }
        counts
    }
}

/// Computes the 95% percentile interval of a difference; `None` if it is missing in over a tenth of
/// the samples.
fn interval(draws: &[[Option<f64>; 2]], index: usize) -> Option<Interval> {
    let mut found: Vec<f64> = draws.iter().filter_map(|draw| draw[index]).collect();
    if 10 * found.len() < 9 * draws.len() {
        return None;
    }
    found.sort_unstable_by(f64::total_cmp);
    let last = found.len() - 1;
    Some(Interval { low: found[last * 25 / 1_000], high: found[last - last * 25 / 1_000] })
}

/// Counts the top rows with a number of conversions.
fn rows_to_capture(scores: &LabeledScores<'_>, conversions: f64) -> Option<u64> {
    let ranking = Ranking::new(scores.y, scores.probability);
    let (mut rows, mut left) = (0.0, conversions);
    for tie in ranking.ties.iter().rev() {
        if left <= 0.0 {
            break;
        }
        let positive = count(tie.positive);
        rows += if positive > left { left / tie.share() } else { count(tie.rows.len()) };
        left -= positive;
    }
    (left <= 0.0).then(|| to_count(rows.ceil()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const Y: [bool; 8] = [true, false, true, false, false, true, false, false];
    const PROBABILITY: [f64; 8] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
    const GROUP: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    const MATCHED: [bool; 8] = [false, true, true, true, false, false, false, false];

    fn scores<'a>(cutoff: Option<&'a [i64]>, group: &'a [u32]) -> LabeledScores<'a> {
        LabeledScores { y: &Y, probability: &PROBABILITY, group, cutoff, local_cutoff: None }
    }

    #[test]
    fn the_model_selects_as_many_rows_as_the_rule_matches() {
        let found = compare_at_equal_volume(scores(None, &GROUP), &MATCHED, 0).unwrap();
        assert_eq!((found.rows, found.conversions, found.matched), (8, 3, 3));
        assert_eq!((found.baseline.conversions, found.model.conversions), (1.0, 2.0));
        assert_eq!(
            (found.baseline.precision, found.model.recall),
            (Some(1.0 / 3.0), Some(2.0 / 3.0))
        );
        assert_eq!(
            (found.precision_difference, found.recall_difference),
            (Some(1.0 / 3.0), Some(1.0 / 3.0))
        );
        let Interval { low, high } = found.precision_difference_interval.unwrap();
        assert!(low < 1.0 / 3.0 && high > 1.0 / 3.0, "{low} {high}");
        assert_eq!((found.model_needs, found.by_cutoff), (Some(1), Vec::new()));
    }

    #[test]
    fn each_cutoff_has_its_own_volume() {
        let cutoff = [1, 1, 1, 1, 2, 2, 2, 2];
        let matched = [true, false, false, false, false, false, true, true];
        let found = compare_at_equal_volume(scores(Some(&cutoff), &GROUP), &matched, 0).unwrap();
        let counts = |i: usize| {
            (found.by_cutoff[i].matched, found.by_cutoff[i].baseline, found.by_cutoff[i].model)
        };
        assert_eq!((counts(0), counts(1)), ((1, 1.0, 1.0), (2, 0.0, 1.0)));
        assert_eq!((found.baseline.conversions, found.model.conversions), (1.0, 2.0));
    }

    #[test]
    fn cutoffs_by_age_are_pooled() {
        const HOUR: i64 = 3_600_000_000;
        let cutoff: Vec<i64> = (0..40).map(|row| row * 13 * HOUR).collect();
        let (group, matched): (Vec<u32>, Vec<bool>) =
            (0..40).map(|row| (row, row % 4 == 0)).unzip();
        let (y, probability): (Vec<bool>, Vec<f64>) =
            (0..40).map(|row| (row % 4 == 1, if row % 4 == 1 { 0.9 } else { 0.1 })).unzip();
        let scores = LabeledScores {
            y: &y,
            probability: &probability,
            group: &group,
            cutoff: Some(&cutoff),
            local_cutoff: None,
        };
        let found = compare_at_equal_volume(scores, &matched, 0).unwrap();
        assert_eq!((found.by_cutoff.len(), found.by_cutoff[0].last), (4, 12 * 13 * HOUR));
        assert_eq!((found.baseline.conversions, found.matched), (0.0, 10));
        assert!(found.model.conversions >= 9.0, "{}", found.model.conversions);
    }

    #[test]
    fn rows_of_one_probability_share_their_conversions() {
        let scores = LabeledScores { probability: &[0.5; 8], ..scores(None, &GROUP) };
        let found = compare_at_equal_volume(scores, &MATCHED, 0).unwrap();
        assert_eq!((found.model.conversions, found.model_needs), (9.0 / 8.0, Some(3)));
        let Interval { low, high } = found.recall_difference_interval.unwrap();
        assert!(low < 0.0 && high > 0.0);
    }

    #[test]
    fn a_rule_equal_to_the_model_has_no_difference() {
        let matched = PROBABILITY.map(|p| p > 0.55);
        let found = compare_at_equal_volume(scores(None, &GROUP), &matched, 3).unwrap();
        assert_eq!(
            (found.precision_difference_interval, found.model_needs),
            (Some(Interval { low: 0.0, high: 0.0 }), Some(3))
        );
        let none = compare_at_equal_volume(scores(None, &GROUP), &[false; 8], 0).unwrap();
        assert_eq!(
            (none.baseline.precision, none.precision_difference_interval, none.model_needs),
            (None, None, Some(0))
        );
    }

    #[test]
    fn the_bootstrap_draws_whole_accounts() {
        // Each account twice: the interval is that of half as many rows.
        let (alone, twice) = ([0, 1, 2, 3, 4, 5, 6, 7], [0, 0, 1, 1, 2, 2, 3, 3]);
        let width = |group: &[u32]| {
            let Interval { low, high } = compare_at_equal_volume(scores(None, group), &MATCHED, 0)
                .unwrap()
                .recall_difference_interval
                .unwrap();
            high - low
        };
        assert!(width(&twice) > 0.0 && width(&alone) > 0.0);
        let drawn: u32 = draw_accounts(100, 1, 2).iter().sum();
        assert_eq!(drawn, 100);
    }
}
