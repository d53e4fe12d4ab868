//! Cutoffs, outcomes, the split by time and folds by account.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::config::{At, ObservationRule};
use crate::error::{Error, Result};
use crate::log::{Accounts, Log, earlier};
use crate::time::{DAY, TimeSpan, Timestamp, midnight};
use crate::warning::{ObservationDrop, Unscored};

/// What came of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Converted inside the horizon.
    Converted,
    /// The horizon is over without a conversion.
    Not,
    /// The horizon is not over: no label.
    Open,
}

impl Outcome {
    /// The outcome as it is written: `converted`, `not_converted`, `open`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::Not => "not_converted",
            Self::Open => "open",
        }
    }

    /// The label, where there is one.
    #[must_use]
    pub fn label(self) -> Option<bool> {
        match self {
            Self::Converted => Some(true),
            Self::Not => Some(false),
            Self::Open => None,
        }
    }
}

/// What a row is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The model learns from it.
    Train,
    /// The model is judged by it.
    Test,
    /// Open, or purged because its horizon reaches into the test rows.
    Unused,
}

impl Split {
    /// The split as it is written: `train`, `test`, null.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Train => Some("train"),
            Self::Test => Some("test"),
            Self::Unused => None,
        }
    }
}

/// Indices of the rows of one split.
pub(crate) fn rows_of(splits: &[Split], split: Split) -> Vec<u32> {
    (0..).zip(splits).filter(|(_, s)| **s == split).map(|(row, _)| row).collect()
}

/// Rows of accounts at cutoffs, sorted by account, then cutoff.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// Code of the account.
    pub account: Vec<u32>,
    /// µs UTC.
    pub cutoff: Vec<i64>,
    /// What came of it.
    pub outcome: Vec<Outcome>,
    /// What the row is used for.
    pub split: Vec<Split>,
    /// The first test cutoff, where there is a test set.
    pub first_test: Option<i64>,
    /// Accounts that gave no row at a cutoff, by reason.
    pub left_out: BTreeMap<ObservationDrop, u64>,
}

impl Observations {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.account.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.account.is_empty()
    }

    /// Indices of the rows of one split.
    #[must_use]
    pub fn rows(&self, split: Split) -> Vec<u32> {
        rows_of(&self.split, split)
    }

    /// The rows of some accounts that follow each other.
    pub(crate) fn rows_of(&self, accounts: &Range<usize>) -> Range<usize> {
        let before =
            |code: usize| self.account.partition_point(|account| (*account as usize) < code);
        before(accounts.start)..before(accounts.end)
    }

    fn push(&mut self, account: usize, cutoff: i64, outcome: Outcome) {
        self.account.push(u32::try_from(account).expect("accounts have u32 codes"));
        self.cutoff.push(cutoff);
        self.outcome.push(outcome);
    }

    fn leave_out(&mut self, reason: ObservationDrop) {
        *self.left_out.entry(reason).or_default() += 1;
    }
}

/// Observe every account at its cutoffs, with what came of it, and split the rows by time.
///
/// # Arguments
/// * `test` – newest share of cutoff days held out, 0 to below 1
/// # Errors
/// * [`Error::NoCutoff`]: no cutoff lies inside the log with a whole horizon after it
pub fn observe(log: &Log, rule: &ObservationRule, test: f64) -> Result<Observations> {
    let mut rows = Observations::default();
    match rule.at {
        At::Snapshot => {
            let cutoffs = snapshots(log, rule)?;
            for account in 0..log.accounts.id.len() {
                for cutoff in &cutoffs {
                    let tenure = cutoff - log.accounts.signed_up[account];
                    if (rule.min_age.0..=rule.max_age.0).contains(&tenure) {
                        observe_one(&mut rows, &log.accounts, account, *cutoff, rule, log.until);
                    }
                }
            }
        }
        At::Age => {
            for account in 0..log.accounts.id.len() {
                let cutoff = landmark(log.accounts.signed_up[account], rule.age.0, log.date_only);
                if cutoff > log.until {
                    rows.leave_out(ObservationDrop::TooYoung);
                } else {
                    observe_one(&mut rows, &log.accounts, account, cutoff, rule, log.until);
                }
            }
        }
    }
    let mature: Vec<bool> = rows.outcome.iter().map(|o| *o != Outcome::Open).collect();
    if !mature.contains(&true) {
        return Err(no_cutoff(log, rule, Some(&rows)));
    }
    (rows.split, rows.first_test) =
        split_by_time(&rows.cutoff, &mature, rule.gap.0 + rule.horizon.0, test);
    Ok(rows)
}

fn observe_one(
    rows: &mut Observations,
    accounts: &Accounts,
    account: usize,
    cutoff: i64,
    rule: &ObservationRule,
    until: i64,
) {
    match outcome(accounts, account, cutoff, (rule, until)) {
        Ok(outcome) => rows.push(account, cutoff, outcome),
        Err(reason) => rows.leave_out(reason),
    }
}

/// What came of an account after a cutoff, as a log that ends at `until` tells; an error says why
/// it is no row.
pub(crate) fn outcome(
    accounts: &Accounts,
    account: usize,
    cutoff: i64,
    (rule, until): (&ObservationRule, i64),
) -> std::result::Result<Outcome, ObservationDrop> {
    let closed = earlier(accounts.converted[account], accounts.churned[account]);
    let from = cutoff + rule.gap.0;
    if closed < cutoff {
        return Err(ObservationDrop::ClosedBeforeCutoff);
    }
    if closed < from {
        return Err(ObservationDrop::ClosedInGap);
    }
    Ok(if from + rule.horizon.0 > until {
        Outcome::Open
    } else if accounts.converted[account] < from + rule.horizon.0 {
        Outcome::Converted
    } else {
        Outcome::Not
    })
}

/// Snapshot cutoffs, ascending: until − gap − horizon − k·every, from since + `min_age` on.
fn snapshots(log: &Log, rule: &ObservationRule) -> Result<Vec<i64>> {
    let newest = log.until - rule.gap.0 - rule.horizon.0;
    let oldest = log.since + rule.min_age.0;
    let mut cutoffs = Vec::new();
    let mut next = newest;
    while next >= oldest {
        cutoffs.push(if log.date_only { midnight(next) } else { next });
        next -= rule.every.0;
    }
    cutoffs.retain(|c| *c >= oldest);
    cutoffs.dedup();
    cutoffs.reverse();
    if cutoffs.is_empty() { Err(no_cutoff(log, rule, None)) } else { Ok(cutoffs) }
}

fn no_cutoff(log: &Log, rule: &ObservationRule, rows: Option<&Observations>) -> Error {
    const HOUR: i64 = DAY / 24;
    let age = if rule.at == At::Age { rule.age } else { rule.min_age };
    let room = log.until - log.since - age.0 - rule.gap.0;
    let unit = if room >= DAY { DAY } else { HOUR };
    let longest = Some(room.div_euclid(unit) * unit).filter(|t| *t > 0 && *t < rule.horizon.0);
    let mut needed = format!(
        "an observation needs an age of {age}, a gap of {} and a horizon of {} in it",
        rule.gap, rule.horizon
    );
    for (reason, count) in rows.iter().flat_map(|r| &r.left_out) {
        needed += &format!("; {count} accounts {reason}");
    }
    Error::NoCutoff {
        since: Timestamp(log.since),
        until: Timestamp(log.until),
        needed,
        longest: longest.map(|t| TimeSpan(t).to_string()),
    }
}

/// So long after the sign-up; with dates alone rounded up to 00:00 UTC.
pub(crate) fn landmark(signed_up: i64, age: i64, date_only: bool) -> i64 {
    let exact = signed_up + age;
    if date_only { midnight(exact + DAY - 1) } else { exact }
}

/// Split rows by time alone: the newest days of cutoffs are the test set, and a row trains when its
/// horizon ends before them.
///
/// # Arguments
/// * `cutoff` – µs UTC, a row an observation
/// * `labelled` – whether the row has an outcome
/// * `span` – gap + horizon, µs
/// * `test` – newest share of distinct UTC days with a labelled cutoff held out
///
/// Answers the split of each row and the first test cutoff.
#[must_use]
pub fn split_by_time(
    cutoff: &[i64],
    labelled: &[bool],
    span: i64,
    test: f64,
) -> (Vec<Split>, Option<i64>) {
    let mut days: Vec<i64> =
        cutoff.iter().zip(labelled).filter(|(_, l)| **l).map(|(c, _)| midnight(*c)).collect();
    days.sort_unstable();
    days.dedup();
    let held_out = held_out_days(days.len(), test);
    let first_day = (held_out > 0).then(|| days[days.len() - held_out]);
    let first_test = first_day.and_then(|day| {
        cutoff.iter().zip(labelled).filter(|(c, l)| **l && **c >= day).map(|(c, _)| *c).min()
    });
    let of_row = |(cutoff, labelled): (&i64, &bool)| match first_test {
        _ if !labelled => Split::Unused,
        None => Split::Train,
        Some(t1) if *cutoff >= t1 => Split::Test,
        Some(t1) if cutoff + span <= t1 => Split::Train,
        Some(_) => Split::Unused,
    };
    (cutoff.iter().zip(labelled).map(of_row).collect(), first_test)
}

/// ⌈test·days⌉, without the rounding of the product making one more.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of days"
)]
fn held_out_days(days: usize, test: f64) -> usize {
    (test * days as f64 - 1e-9).ceil().max(0.0) as usize
}

/// Whether an account can be scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is scored.
    Scored,
    /// Not yet of the age at which accounts are observed.
    TooYoung,
    /// Older than the oldest observed.
    TooOld,
    /// Observed at its age, and the horizon after that is over.
    HorizonOver,
}

impl Standing {
    /// Returns why there is no score.
    #[must_use]
    pub fn reason(self) -> Option<Unscored> {
        match self {
            Self::Scored => None,
            Self::TooYoung => Some(Unscored::TooYoung),
            Self::TooOld => Some(Unscored::TooOld),
            Self::HorizonOver => Some(Unscored::HorizonOver),
        }
    }
}

/// The time that scoring looks back from, µs UTC: the end of the log, in a log of dates the
/// midnight before it.
#[must_use]
pub fn scored_at(log: &Log) -> i64 {
    if log.date_only { midnight(log.until) } else { log.until }
}

/// Observe every open account for scoring at the end of the log; outcomes after it are never read.
#[must_use]
pub fn observe_at(log: &Log, rule: &ObservationRule) -> (Observations, Vec<Standing>) {
    let at = scored_at(log);
    let (mut rows, mut standings) = (Observations::default(), Vec::new());
    for account in 0..log.accounts.id.len() {
        let signed_up = log.accounts.signed_up[account];
        if signed_up >= at {
            rows.leave_out(ObservationDrop::SignedUpAfterCutoff);
            continue;
        }
        if earlier(log.accounts.converted[account], log.accounts.churned[account]) < at {
            rows.leave_out(ObservationDrop::ClosedBeforeCutoff);
            continue;
        }
        let (cutoff, standing) = match rule.at {
            At::Snapshot if at - signed_up < rule.min_age.0 => (at, Standing::TooYoung),
            At::Snapshot if at - signed_up > rule.max_age.0 => (at, Standing::TooOld),
            At::Snapshot => (at, Standing::Scored),
            At::Age => match landmark(signed_up, rule.age.0, log.date_only) {
                cutoff if cutoff > at => (at, Standing::TooYoung),
                cutoff if at >= cutoff + rule.gap.0 + rule.horizon.0 => (at, Standing::HorizonOver),
                cutoff => (cutoff, Standing::Scored),
            },
        };
        rows.push(account, cutoff, Outcome::Open);
        rows.split.push(Split::Unused);
        standings.push(standing);
    }
    (rows, standings)
}

/// Observe the newest accounts as training would, whatever came of them since: in snapshots those
/// that are open at the end of the log; at an age those that reached it in the last horizon. Among
/// accounts that are still to be scored those that converted first are lacking.
#[must_use]
pub fn observe_newest(log: &Log, rule: &ObservationRule) -> Observations {
    let (at, mut rows) = (scored_at(log), Observations::default());
    for account in 0..log.accounts.id.len() {
        let signed_up = log.accounts.signed_up[account];
        let cutoff = match rule.at {
            At::Snapshot => at,
            At::Age => landmark(signed_up, rule.age.0, log.date_only),
        };
        let observed = match rule.at {
            At::Snapshot => (rule.min_age.0..=rule.max_age.0).contains(&(at - signed_up)),
            At::Age => (at - rule.gap.0 - rule.horizon.0 + 1..=at).contains(&cutoff),
        };
        if observed && outcome(&log.accounts, account, cutoff, (rule, at)).is_ok() {
            rows.push(account, cutoff, Outcome::Open);
            rows.split.push(Split::Unused);
        }
    }
    rows
}

/// A number that depends on purpose, seed and account alone: the first 8 bytes of BLAKE3(purpose,
/// seed, account).
///
/// Purposes are `holdout`, `fold` and `split`; the seed goes in as 8 bytes, little-endian.
#[must_use]
pub fn stable_hash(purpose: &str, seed: u64, account: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(purpose.as_bytes()).update(&seed.to_le_bytes()).update(account.as_bytes());
    u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
}

/// The stable hash as a share of its range, in [0, 1).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "53 of 64 bits are enough for a share")]
pub fn stable_share(purpose: &str, seed: u64, account: &str) -> f64 {
    (stable_hash(purpose, seed, account) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Deal accounts to folds, ordered by (ever positive, stable hash), so that every fold has its
/// share of positives.
///
/// # Arguments
/// * `group` – account of each row, any codes
/// * `y` – outcome of each row
/// * `name` – id of an account code
///
/// Answers the fold of each row, 0 to `folds` − 1.
pub fn folds<'a>(
    group: &[u32],
    y: &[bool],
    name: impl Fn(u32) -> &'a str,
    seed: u64,
    folds: u8,
) -> Vec<u8> {
    let mut ever: BTreeMap<u32, bool> = BTreeMap::new();
    for (g, y) in group.iter().zip(y) {
        *ever.entry(*g).or_default() |= *y;
    }
    let mut order: Vec<(bool, u64, u32)> = ever
        .into_iter()
        .map(|(g, positive)| (positive, stable_hash("fold", seed, name(g)), g))
        .collect();
    order.sort_unstable_by(|a, b| (a.0, a.1, name(a.2)).cmp(&(b.0, b.1, name(b.2))));
    let dealt: BTreeMap<u32, u8> =
        order.iter().zip((0..folds).cycle()).map(|((_, _, g), fold)| (*g, fold)).collect();
    group.iter().map(|g| dealt[g]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_days_are_held_out_and_rows_that_reach_into_them_are_purged() {
        let cutoff: Vec<i64> = (0..10).map(|d| d * DAY).collect();
        let (split, first) = split_by_time(&cutoff, &[true; 10], 3 * DAY, 0.2);
        assert_eq!(first, Some(8 * DAY));
        let names: Vec<_> = split.iter().map(|s| s.name().unwrap_or("-")).collect();
        assert_eq!(
            names,
            ["train", "train", "train", "train", "train", "train", "-", "-", "test", "test"]
        );
    }

    #[test]
    fn open_rows_are_in_no_set_and_their_days_do_not_count() {
        let cutoff: Vec<i64> = (0..4).map(|d| d * DAY).collect();
        let (split, first) = split_by_time(&cutoff, &[true, true, false, false], 0, 0.5);
        assert_eq!(
            (split[0], split[1], split[2], first),
            (Split::Train, Split::Test, Split::Unused, Some(DAY))
        );
        let (split, first) = split_by_time(&cutoff, &[true; 4], 30 * DAY, 0.0);
        assert_eq!((split, first), (vec![Split::Train; 4], None));
    }

    #[test]
    fn the_share_of_days_is_not_rounded_up_by_the_product() {
        assert_eq!(held_out_days(30, 0.1), 3);
        assert_eq!(held_out_days(31, 0.1), 4);
        assert_eq!(held_out_days(5, 0.0), 0);
        assert_eq!(held_out_days(1, 0.2), 1);
    }

    #[test]
    fn folds_keep_an_account_together_and_spread_the_positives() {
        let group: Vec<u32> = (0..100).map(|r| r / 2).collect();
        let y: Vec<bool> = group.iter().map(|g| g % 5 == 0).collect();
        let names: Vec<String> = (0..50).map(|g| format!("a{g}")).collect();
        let fold = folds(&group, &y, |g| &names[g as usize], 0, 5);
        assert!(fold.chunks(2).all(|f| f[0] == f[1]));
        for f in 0..5 {
            assert_eq!(fold.iter().zip(&y).filter(|(g, y)| **g == f && **y).count(), 4);
        }
        assert_ne!(fold, folds(&group, &y, |g| &names[g as usize], 1, 5), "the seed deals anew");
    }

    #[test]
    fn the_stable_hash_never_changes() {
        assert_eq!(stable_hash("holdout", 0, "acme"), stable_hash("holdout", 0, "acme"));
        assert_ne!(stable_hash("holdout", 0, "acme"), stable_hash("fold", 0, "acme"));
        let share = (0..10_000)
            .map(|i| stable_share("holdout", 7, &i.to_string()))
            .filter(|s| *s < 0.25)
            .count();
        assert!((2_300..2_700).contains(&share), "{share}");
    }
}
