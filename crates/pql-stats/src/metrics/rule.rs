//! A rule against the model at equal volume: as many rows of the model's best as the rule holds
//! for.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::Judged;
use super::accounts::Codes;
use super::judgement::{CutoffRange, parts_by_cutoff};
use super::ranking::Ranking;
use crate::counts::count;
use crate::error::Result;
use crate::intervals::Interval;

/// Times that accounts are drawn anew.
const DRAWS: u64 = 1_000;

/// What a rule and the model find among as many rows, those of each cutoff by themselves, or of
/// some days where each account has its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgainstRule {
    /// Rows, over all cutoffs.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
    /// Rows for which the rule holds: so many of the model's best are taken at each cutoff.
    pub held: u64,
    /// What the rule finds.
    pub rule: Found,
    /// What the model finds.
    pub model: Found,
    /// Precision of the model less that of the rule.
    pub precision_difference: Option<f64>,
    /// Its 95 % interval, accounts being drawn anew.
    pub precision_difference_interval: Option<Interval>,
    /// Recall of the model less that of the rule.
    pub recall_difference: Option<f64>,
    /// Its 95 % interval, accounts being drawn anew.
    pub recall_difference_interval: Option<Interval>,
    /// The fewest rows, taken by falling probability over all cutoffs, with as many conversions as
    /// the rule finds.
    pub model_needs: Option<u64>,
    /// The same numbers by cutoff, the oldest first; none without cutoffs. Not written, since a
    /// time is a number here.
    #[serde(skip)]
    pub by_cutoff: Vec<RuleAtCutoff>,
}

/// Conversions found among the rows that were taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Found {
    /// Conversions; of rows of equal probability of which some are taken, their share.
    pub conversions: f64,
    /// Of the rows taken.
    pub precision: Option<f64>,
    /// Of all conversions.
    pub recall: Option<f64>,
}

/// What both find at one cutoff, or at several near each other, as in
/// [`AtCutoff`](super::AtCutoff).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleAtCutoff {
    /// First cutoff, µs UTC.
    pub first: i64,
    /// Last cutoff, µs UTC.
    pub last: i64,
    /// Rows.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
    /// Rows for which the rule holds.
    pub held: u64,
    /// Conversions that the rule finds.
    pub rule: f64,
    /// Conversions that the model finds.
    pub model: f64,
}

/// Rows, conversions and what is found of them; sums over cutoffs.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    rows: f64,
    conversions: f64,
    held: f64,
    rule: f64,
    model: f64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.conversions += other.conversions;
        self.held += other.held;
        self.rule += other.rule;
        self.model += other.model;
    }

    fn found(&self, conversions: f64) -> Found {
        let of = |all: f64| (all > 0.0).then(|| conversions / all);
        Found { conversions, precision: of(self.held), recall: of(self.conversions) }
    }

    /// Differences of precision and recall, the model's less the rule's.
    fn differences(&self) -> [Option<f64>; 2] {
        [self.held, self.conversions].map(|all| (all > 0.0).then(|| (self.model - self.rule) / all))
    }
}

/// Set a rule against the model.
///
/// # Arguments
/// * `held` – whether the rule has held before the cutoff of each row
/// * `seed` – of the draws of accounts
/// # Errors
/// * [`Error::NoRows`](crate::Error::NoRows),
///   [`Error::LengthMismatch`](crate::Error::LengthMismatch),
///   [`Error::OutOfRange`](crate::Error::OutOfRange): no rows, unequal lengths, or a probability
///   outside of [0, 1]
/// # Source
/// Efron, Tibshirani, *An Introduction to the Bootstrap* (1993), §13.3 (percentile interval); whole
/// accounts are drawn, and both sides judged on the same draw
pub fn against_rule(judged: Judged<'_>, held: &[bool], seed: u64) -> Result<AgainstRule> {
    super::check(judged.y, judged.probability, judged.group)?;
    let both = Both { judged, held, groups: Codes::of(judged.group) };
    let volumes = volumes(&judged);
    let once = vec![1; both.groups.len];
    let each: Vec<Tally> = volumes.iter().map(|volume| both.tally(&volume.rows, &once)).collect();
    let mut all = Tally::default();
    each.iter().for_each(|of| all.add(*of));
    let draw = |number: u64| {
        let times = drawn(both.groups.len, seed, number);
        let mut all = Tally::default();
        volumes.iter().for_each(|volume| all.add(both.tally(&volume.rows, &times)));
        all.differences()
    };
    let draws: Vec<[Option<f64>; 2]> = (0..DRAWS).into_par_iter().map(draw).collect();
    let [precision_difference, recall_difference] = all.differences();
    let dated = volumes.iter().zip(&each).filter_map(|(volume, of)| Some((volume.range?, of)));
    let by_cutoff = dated.map(|(CutoffRange { first, last }, of)| RuleAtCutoff {
        first,
        last,
        rows: whole(of.rows),
        conversions: whole(of.conversions),
        held: whole(of.held),
        rule: of.rule,
        model: of.model,
    });
    Ok(AgainstRule {
        rows: whole(all.rows),
        conversions: whole(all.conversions),
        held: whole(all.held),
        rule: all.found(all.rule),
        model: all.found(all.model),
        precision_difference,
        precision_difference_interval: interval(&draws, 0),
        recall_difference,
        recall_difference_interval: interval(&draws, 1),
        model_needs: needed(&judged, all.rule),
        by_cutoff: by_cutoff.collect(),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Rows of a cutoff, or of several near each other, by falling probability.
struct Volume {
    /// `None` where there are no cutoffs.
    range: Option<CutoffRange>,
    rows: Vec<usize>,
}

/// The volumes, the oldest first: all rows are one where there are no cutoffs.
fn volumes(judged: &Judged<'_>) -> Vec<Volume> {
    let (part, ranges) = match judged.cutoff {
        Some(cutoff) => {
            let (part, ranges) = parts_by_cutoff(judged.group, cutoff);
            (part, ranges.into_iter().map(Some).collect())
        }
        None => (vec![0; judged.y.len()], vec![None]),
    };
    let mut volumes: Vec<Volume> =
        ranges.into_iter().map(|range| Volume { range, rows: Vec::new() }).collect();
    part.iter().enumerate().for_each(|(row, part)| volumes[*part].rows.push(row));
    for volume in &mut volumes {
        volume.rows.sort_by(|a, b| judged.probability[*b].total_cmp(&judged.probability[*a]));
    }
    volumes
}

/// How often each account is drawn when as many are drawn as there are.
fn drawn(accounts: usize, seed: u64, number: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let mut times = vec![0; accounts];
    (0..accounts).for_each(|_| times[random.random_range(0..accounts)] += 1);
    times
}

/// A model's probabilities and for which rows a rule holds.
struct Both<'a> {
    judged: Judged<'a>,
    held: &'a [bool],
    groups: Codes,
}

impl Both<'_> {
    /// What is found at one cutoff, `rows` going by falling probability and each account counting
    /// so many times.
    fn tally(&self, rows: &[usize], times: &[u32]) -> Tally {
        let Self { judged, held, groups } = self;
        let mut of = Tally::default();
        for &row in rows {
            let weight = f64::from(times[groups.code[row]]);
            let converted = if judged.y[row] { weight } else { 0.0 };
            of.rows += weight;
            of.conversions += converted;
            if held[row] {
                of.held += weight;
                of.rule += converted;
            }
        }
        let mut left = of.held;
        for tie in
            rows.chunk_by(|a, b| judged.probability[*a].total_cmp(&judged.probability[*b]).is_eq())
        {
            if left <= 0.0 {
                break;
            }
            let (mut weight, mut converted) = (0.0, 0.0);
            for &row in tie {
                let times = f64::from(times[groups.code[row]]);
                weight += times;
                converted += if judged.y[row] { times } else { 0.0 };
            }
            if weight > 0.0 {
                of.model += converted * (left / weight).min(1.0);
                left -= weight;
            }
        }
        of
    }
}

/// The middle 95 % of the draws of one of the differences; `None` where a tenth of them has none.
fn interval(draws: &[[Option<f64>; 2]], which: usize) -> Option<Interval> {
    let mut found: Vec<f64> = draws.iter().filter_map(|of| of[which]).collect();
    if 10 * found.len() < 9 * draws.len() {
        return None;
    }
    found.sort_unstable_by(f64::total_cmp);
    let last = found.len() - 1;
    Some(Interval { low: found[last * 25 / 1_000], high: found[last - last * 25 / 1_000] })
}

/// The fewest rows by falling probability with so many conversions.
fn needed(judged: &Judged<'_>, conversions: f64) -> Option<u64> {
    let ranking = Ranking::of(judged.y, judged.probability);
    let (mut rows, mut left) = (0.0, conversions);
    for tie in ranking.ties.iter().rev() {
        if left <= 0.0 {
            break;
        }
        let positive = count(tie.positive);
        rows += if positive > left { left / tie.share() } else { count(tie.rows.len()) };
        left -= positive;
    }
    (left <= 0.0).then(|| whole(rows.ceil()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const Y: [bool; 8] = [true, false, true, false, false, true, false, false];
    const PROBABILITY: [f64; 8] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
    const GROUP: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    const HELD: [bool; 8] = [false, true, true, true, false, false, false, false];

    fn judged<'a>(cutoff: Option<&'a [i64]>, group: &'a [u32]) -> Judged<'a> {
        Judged { y: &Y, probability: &PROBABILITY, group, cutoff }
    }

    #[test]
    fn as_many_of_the_models_best_are_taken_as_the_rule_holds_for() {
        let found = against_rule(judged(None, &GROUP), &HELD, 0).unwrap();
        assert_eq!((found.rows, found.conversions, found.held), (8, 3, 3));
        assert_eq!((found.rule.conversions, found.model.conversions), (1.0, 2.0));
        assert_eq!((found.rule.precision, found.model.recall), (Some(1.0 / 3.0), Some(2.0 / 3.0)));
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
        let held = [true, false, false, false, false, false, true, true];
        let found = against_rule(judged(Some(&cutoff), &GROUP), &held, 0).unwrap();
        let of = |at: usize| {
            (found.by_cutoff[at].held, found.by_cutoff[at].rule, found.by_cutoff[at].model)
        };
        assert_eq!((of(0), of(1)), ((1, 1.0, 1.0), (2, 0.0, 1.0)));
        assert_eq!((found.rule.conversions, found.model.conversions), (1.0, 2.0));
    }

    #[test]
    fn cutoffs_of_accounts_that_have_one_each_are_pooled() {
        const HOUR: i64 = 3_600_000_000;
        let cutoff: Vec<i64> = (0..40).map(|row| row * 13 * HOUR).collect();
        let (group, held): (Vec<u32>, Vec<bool>) = (0..40).map(|row| (row, row % 4 == 0)).unzip();
        let (y, probability): (Vec<bool>, Vec<f64>) =
            (0..40).map(|row| (row % 4 == 1, if row % 4 == 1 { 0.9 } else { 0.1 })).unzip();
        let judged =
            Judged { y: &y, probability: &probability, group: &group, cutoff: Some(&cutoff) };
        let found = against_rule(judged, &held, 0).unwrap();
        assert_eq!((found.by_cutoff.len(), found.by_cutoff[0].last), (4, 12 * 13 * HOUR));
        assert_eq!((found.rule.conversions, found.held), (0.0, 10));
        assert!(found.model.conversions >= 9.0, "{}", found.model.conversions);
    }

    #[test]
    fn rows_of_one_probability_share_their_conversions() {
        let judged = Judged { probability: &[0.5; 8], ..judged(None, &GROUP) };
        let found = against_rule(judged, &HELD, 0).unwrap();
        assert_eq!((found.model.conversions, found.model_needs), (9.0 / 8.0, Some(3)));
        let Interval { low, high } = found.recall_difference_interval.unwrap();
        assert!(low < 0.0 && high > 0.0);
    }

    #[test]
    fn a_rule_that_is_the_model_differs_by_nothing() {
        let held = PROBABILITY.map(|p| p > 0.55);
        let found = against_rule(judged(None, &GROUP), &held, 3).unwrap();
        assert_eq!(
            (found.precision_difference_interval, found.model_needs),
            (Some(Interval { low: 0.0, high: 0.0 }), Some(3))
        );
        let none = against_rule(judged(None, &GROUP), &[false; 8], 0).unwrap();
        assert_eq!(
            (none.rule.precision, none.precision_difference_interval, none.model_needs),
            (None, None, Some(0))
        );
    }

    #[test]
    fn accounts_are_drawn_whole() {
        // Each account twice: the interval is that of half as many rows.
        let (alone, twice) = ([0, 1, 2, 3, 4, 5, 6, 7], [0, 0, 1, 1, 2, 2, 3, 3]);
        let width = |group: &[u32]| {
            let Interval { low, high } = against_rule(judged(None, group), &HELD, 0)
                .unwrap()
                .recall_difference_interval
                .unwrap();
            high - low
        };
        assert!(width(&twice) > 0.0 && width(&alone) > 0.0);
        let drawn: u32 = drawn(100, 1, 2).iter().sum();
        assert_eq!(drawn, 100);
    }
}
