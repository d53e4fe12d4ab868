//! Cutoffs, outcomes, the split by time and folds by account.

pub(crate) mod query;

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use sha2::{Digest as _, Sha256};

use crate::config::{CutoffScheme, ObservationConfig};
use crate::dataset::split::{
    RowsToSplit, Split, SplitAssignment, SplitMethod, SplitOptions, rows_in_split,
};
use crate::error::{Error, Result};
use crate::log::{Accounts, Log, earlier};
use crate::names::{counted, grouped};
use crate::time::{DAY, TimeSpan, Zone, ZonedTime};
use crate::warning::{ObservationDrop, SplitProblem, Unscored};

/// Maximum number of snapshot cutoffs: every hour of more than a year.
const MAX_CUTOFFS: u64 = 10_000;

/// Maximum number of pairs of an account and a snapshot cutoff; they take about 2 GB.
const MAX_ROWS: u64 = 100_000_000;

/// The outcome of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The account converted within the horizon.
    Converted,
    /// The horizon is complete, without a conversion.
    NotConverted,
    /// The horizon is not complete: no label yet.
    Immature,
}

impl Outcome {
    /// Returns the outcome as written to files: `converted`, `not_converted` or `immature`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::NotConverted => "not_converted",
            Self::Immature => "immature",
        }
    }

    /// Returns whether the account converted; `None` for an immature observation.
    #[must_use]
    pub fn label(self) -> Option<bool> {
        match self {
            Self::Converted => Some(true),
            Self::NotConverted => Some(false),
            Self::Immature => None,
        }
    }
}

/// Rows of accounts at cutoffs, sorted by account, then cutoff.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// Code of the account.
    pub account: Vec<u32>,
    /// Cutoff, µs UTC.
    pub cutoff: Vec<i64>,
    /// Outcome.
    pub outcome: Vec<Outcome>,
    /// Training set, test set or neither.
    pub split: Vec<Split>,
    /// First cutoff of the test set, µs UTC; `None` without test cutoffs.
    pub first_test: Option<i64>,
    /// How the test rows were chosen.
    pub split_method: SplitMethod,
    /// Why they are not the configured test set, if they are not.
    pub split_problem: Option<SplitProblem>,
    /// Number of times that an account has no row at a cutoff, by reason.
    pub dropped_accounts: BTreeMap<ObservationDrop, u64>,
}

impl Observations {
    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.account.len()
    }

    /// Returns whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.account.is_empty()
    }

    /// Returns the indices of the rows of one split.
    #[must_use]
    pub fn split_rows(&self, split: Split) -> Vec<u32> {
        rows_in_split(&self.split, split)
    }

    /// Returns the rows of a range of accounts.
    pub(crate) fn account_rows(&self, accounts: &Range<usize>) -> Range<usize> {
        let before =
            |code: usize| self.account.partition_point(|account| (*account as usize) < code);
        before(accounts.start)..before(accounts.end)
    }

    fn push(&mut self, account: usize, cutoff: i64, outcome: Outcome) {
        self.account.push(u32::try_from(account).expect("accounts have u32 codes"));
        self.cutoff.push(cutoff);
        self.outcome.push(outcome);
    }

    fn drop_account(&mut self, reason: ObservationDrop) {
        *self.dropped_accounts.entry(reason).or_default() += 1;
    }
}

/// Creates one row per account and cutoff, with its outcome, and splits the rows by time.
///
/// # Errors
/// * [`Error::NoCutoff`]: the log has no cutoff with a complete horizon after it
/// * [`Error::Usage`]: the snapshots make too many rows
pub fn observe(
    log: &Log,
    config: &ObservationConfig,
    options: SplitOptions,
) -> Result<Observations> {
    let mut rows = Observations::default();
    match config.cutoffs {
        CutoffScheme::Snapshot => {
            let cutoffs = snapshot_cutoffs(log, config)?;
            for account in 0..log.accounts.id.len() {
                for cutoff in &cutoffs {
                    let tenure = cutoff - log.accounts.signed_up[account];
                    if (config.min_age.0..=config.max_age.0).contains(&tenure) {
                        observe_account(
                            &mut rows,
                            &log.accounts,
                            account,
                            *cutoff,
                            config,
                            log.until,
                        );
                    }
                }
            }
        }
        CutoffScheme::Age => {
            for account in 0..log.accounts.id.len() {
                let cutoff = landmark(log, log.accounts.signed_up[account], config.age.0);
                if cutoff > log.until {
                    rows.drop_account(ObservationDrop::TooYoung);
                } else if cutoff < log.since {
                    rows.drop_account(ObservationDrop::BeforeLog);
                } else {
                    observe_account(&mut rows, &log.accounts, account, cutoff, config, log.until);
                }
            }
        }
    }
    let converted: Vec<Option<bool>> = rows.outcome.iter().map(|outcome| outcome.label()).collect();
    if converted.iter().all(Option::is_none) {
        return Err(no_cutoff_error(log, config, Some(&rows)));
    }
    let to_split = RowsToSplit { account: &rows.account, converted: &converted };
    let SplitAssignment { split, first_test, method, problem } =
        to_split.by_time((&rows.cutoff, log.zone), config.gap.0 + config.horizon.0, options);
    Ok(Observations { split, first_test, split_method: method, split_problem: problem, ..rows })
}

fn observe_account(
    rows: &mut Observations,
    accounts: &Accounts,
    account: usize,
    cutoff: i64,
    config: &ObservationConfig,
    until: i64,
) {
    match resolve_outcome(accounts, account, cutoff, (config, until)) {
        Ok(outcome) => rows.push(account, cutoff, outcome),
        Err(reason) => rows.drop_account(reason),
    }
}

/// Returns the outcome of an account after a cutoff, given a log that ends at `until`; an error is
/// the reason why the account has no row.
pub(crate) fn resolve_outcome(
    accounts: &Accounts,
    account: usize,
    cutoff: i64,
    (config, until): (&ObservationConfig, i64),
) -> std::result::Result<Outcome, ObservationDrop> {
    let closed = earlier(accounts.converted[account], accounts.churned[account]);
    let start = cutoff + config.gap.0;
    if closed < cutoff {
        return Err(ObservationDrop::ClosedBeforeCutoff);
    }
    if closed < start {
        return Err(ObservationDrop::ClosedInGap);
    }
    Ok(if start + config.horizon.0 > until {
        Outcome::Immature
    } else if accounts.converted[account] < start + config.horizon.0 {
        Outcome::Converted
    } else {
        Outcome::NotConverted
    })
}

/// Returns the snapshot cutoffs in ascending order: until − gap − horizon − k·every, no earlier
/// than since + `min_age`; if the log ends at midnight, at midnight of the time zone.
fn snapshot_cutoffs(log: &Log, config: &ObservationConfig) -> Result<Vec<i64>> {
    let (zone, span) = (log.zone, config.gap.0 + config.horizon.0);
    let oldest = log.since + config.min_age.0;
    let at_midnight = log.date_only || (zone.is_midnight(log.until) && span % DAY == 0);
    let newest = if at_midnight { zone.midnight(log.until - span) } else { log.until - span };
    check_row_count(log, config, oldest..=newest)?;
    let mut cutoffs = Vec::new();
    for back in (0..).map(|k| k * config.every.0) {
        let cutoff = zone.add(newest, -back);
        if cutoff < oldest {
            break;
        }
        cutoffs.push(if log.date_only { zone.midnight(cutoff) } else { cutoff });
    }
    cutoffs.retain(|c| *c >= oldest);
    cutoffs.dedup();
    cutoffs.reverse();
    if cutoffs.is_empty() { Err(no_cutoff_error(log, config, None)) } else { Ok(cutoffs) }
}

/// Checks the number of rows of snapshots before memory is taken for them.
///
/// # Arguments
/// * `cutoffs` – earliest possible and newest cutoff, µs UTC
fn check_row_count(
    log: &Log,
    config: &ObservationConfig,
    cutoffs: RangeInclusive<i64>,
) -> Result<()> {
    let (oldest, newest, every) = (*cutoffs.start(), *cutoffs.end(), config.every.0);
    let rows = |signed_up: &i64| {
        let first = oldest.max(signed_up.saturating_add(config.min_age.0));
        let last = newest.min(signed_up.saturating_add(config.max_age.0));
        let (from, to) = ((newest - last).max(0) / every, (newest - first).div_euclid(every));
        u64::try_from(to - from + 1).unwrap_or(0)
    };
    let count = u64::try_from((newest - oldest) / every + 1).unwrap_or(0);
    let rows = log.accounts.signed_up.iter().map(rows).fold(0_u64, u64::saturating_add);
    if rows <= MAX_ROWS && count <= MAX_CUTOFFS {
        return Ok(());
    }
    let accounts = counted(log.accounts.signed_up.len() as u64, "account");
    let [found, max_rows, count, max_count] = [rows, MAX_ROWS, count, MAX_CUTOFFS].map(grouped);
    Err(Error::Usage {
        problem: format!(
            "`observation.every = \"{}\"`: found up to {found} rows of {accounts} at {count} cutoffs, expected at most {max_rows} rows and {max_count} cutoffs",
            config.every
        ),
        hint: Some("set a longer `observation.every`, such as 1w".to_owned()),
    })
}

/// Returns the number of accounts without an observation, by reason, most accounts first.
fn account_drops(
    log: &Log,
    config: &ObservationConfig,
    rows: &Observations,
) -> Vec<(ObservationDrop, u64)> {
    let mut drops = rows.dropped_accounts.clone();
    if config.cutoffs == CutoffScheme::Snapshot {
        // Accounts of an unsuitable age are not counted cutoff by cutoff: most are too young at the
        // older ones. Here, no account is observed, so that each has one reason.
        let newest = log.until - config.gap.0 - config.horizon.0;
        for signed_up in &log.accounts.signed_up {
            let reason = match newest - signed_up {
                age if age < config.min_age.0 => ObservationDrop::BelowMinAge,
                age if age > config.max_age.0 => ObservationDrop::AboveMaxAge,
                _ => continue,
            };
            *drops.entry(reason).or_default() += 1;
        }
    }
    let mut drops: Vec<(ObservationDrop, u64)> = drops.into_iter().collect();
    drops.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    drops
}

fn no_cutoff_error(log: &Log, config: &ObservationConfig, rows: Option<&Observations>) -> Error {
    const HOUR: i64 = DAY / 24;
    let age = if config.cutoffs == CutoffScheme::Age { config.age } else { config.min_age };
    let available = log.until - log.since - age.0 - config.gap.0;
    let unit = if available >= DAY { DAY } else { HOUR };
    let longest =
        Some(available.div_euclid(unit) * unit).filter(|t| *t > 0 && *t < config.horizon.0);
    let dropped = rows.map(|rows| account_drops(log, config, rows)).unwrap_or_default();
    // A log with cutoffs is not too short: its accounts do not suit.
    if longest.is_none() && !dropped.is_empty() {
        let oldest = log.accounts.signed_up.iter().min().map_or(0, |t| log.until - t);
        return Error::NoObservations {
            accounts: log.accounts.id.len() as u64,
            dropped,
            oldest: TimeSpan((oldest + DAY - 1).div_euclid(DAY) * DAY),
        };
    }
    let mut needed = format!(
        "an observation needs an age of {age}, a gap of {} and a horizon of {}",
        config.gap, config.horizon
    );
    if !dropped.is_empty() {
        let dropped: Vec<String> = dropped
            .iter()
            .map(|(reason, count)| format!("{} {reason}", counted(*count, "account")))
            .collect();
        needed += &format!(" ({})", dropped.join(", "));
    }
    Error::NoCutoff {
        since: ZonedTime::new(log.since, log.zone),
        until: ZonedTime::new(log.until, log.zone),
        needed,
        age_key: match config.cutoffs {
            CutoffScheme::Age => "observation.age",
            CutoffScheme::Snapshot => "observation.min_age",
        },
        longest: longest.map(|t| TimeSpan(t).to_string()),
    }
}

/// Returns the time at which an account of a log reaches an age; with dates alone, rounded up to
/// midnight.
pub(crate) fn landmark(log: &Log, signed_up: i64, age: i64) -> i64 {
    landmark_in(log.zone, log.date_only, signed_up, age)
}

/// Returns the time at which an account reaches an age; with dates alone, rounded up to midnight of
/// the zone.
pub(crate) fn landmark_in(zone: Zone, date_only: bool, signed_up: i64, age: i64) -> i64 {
    if !date_only {
        return signed_up + age;
    }
    let exact = zone.add(signed_up, age);
    if zone.is_midnight(exact) { exact } else { zone.add(zone.midnight(exact), DAY) }
}

/// Eligibility of an account for scoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// The account is scored.
    Scored,
    /// The account is younger than any training observation.
    TooYoung,
    /// The account is older than any training observation.
    TooOld,
    /// The account was observed at its age, and its horizon is over.
    HorizonOver,
}

impl Eligibility {
    /// Returns why the account is not scored; `None` where it is.
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

/// Returns the scoring time, µs UTC: the end of the log; with dates alone, rounded down to local
/// midnight.
#[must_use]
pub fn scoring_time(log: &Log) -> i64 {
    if log.date_only { log.zone.midnight(log.until) } else { log.until }
}

/// Creates one row per open account for scoring at the end of the log; later outcomes are not used.
#[must_use]
pub fn observe_for_scoring(
    log: &Log,
    config: &ObservationConfig,
) -> (Observations, Vec<Eligibility>) {
    let now = scoring_time(log);
    let (mut rows, mut eligibilities) = (Observations::default(), Vec::new());
    for account in 0..log.accounts.id.len() {
        let signed_up = log.accounts.signed_up[account];
        if signed_up >= now {
            rows.drop_account(ObservationDrop::SignedUpAfterCutoff);
            continue;
        }
        if earlier(log.accounts.converted[account], log.accounts.churned[account]) < now {
            rows.drop_account(ObservationDrop::ClosedBeforeCutoff);
            continue;
        }
        let (cutoff, eligibility) = match config.cutoffs {
            CutoffScheme::Snapshot if now - signed_up < config.min_age.0 => {
                (now, Eligibility::TooYoung)
            }
            CutoffScheme::Snapshot if now - signed_up > config.max_age.0 => {
                (now, Eligibility::TooOld)
            }
            CutoffScheme::Snapshot => (now, Eligibility::Scored),
            CutoffScheme::Age => match landmark(log, signed_up, config.age.0) {
                cutoff if cutoff > now => (now, Eligibility::TooYoung),
                cutoff if now >= cutoff + config.gap.0 + config.horizon.0 => {
                    (now, Eligibility::HorizonOver)
                }
                cutoff => (cutoff, Eligibility::Scored),
            },
        };
        rows.push(account, cutoff, Outcome::Immature);
        rows.split.push(Split::Unused);
        eligibilities.push(eligibility);
    }
    (rows, eligibilities)
}

/// Returns the newest cutoffs at which a batch of snapshots is comparable with the training rows,
/// newest first.
///
/// Recency and short windows depend on the weekday. If the training snapshots are whole weeks
/// apart, the cutoff is the newest one on their weekday; otherwise there is one on each of the last
/// seven days.
///
/// # Arguments
/// * `zone` – zone of the weekdays
/// * `training_cutoff` – any cutoff of the training; `None` if it is unknown
#[must_use]
pub fn comparable_cutoffs(
    now: i64,
    zone: Zone,
    config: &ObservationConfig,
    training_cutoff: Option<i64>,
) -> Vec<i64> {
    const WEEK: i64 = 7 * DAY;
    let before = |span: i64| zone.add(now, -span);
    match (config.cutoffs, training_cutoff) {
        (CutoffScheme::Age, _) | (_, None) => vec![now],
        (CutoffScheme::Snapshot, Some(training)) if config.every.0 % WEEK == 0 => {
            vec![before((zone.local(now) - zone.local(training)).rem_euclid(WEEK))]
        }
        (CutoffScheme::Snapshot, Some(_)) => (0..7).map(|days| before(days * DAY)).collect(),
    }
}

/// Creates rows of the newest accounts as in training, whatever their outcomes: with snapshots,
/// accounts open at the [`comparable_cutoffs`]; at an age, accounts that reached it within the last
/// horizon.
///
/// The accounts still to be scored cannot replace them: the earliest converters are no longer among
/// them.
#[must_use]
pub fn observe_newest(
    log: &Log,
    config: &ObservationConfig,
    training_cutoff: Option<i64>,
) -> Observations {
    let (now, mut rows) = (scoring_time(log), Observations::default());
    let mut cutoffs = comparable_cutoffs(now, log.zone, config, training_cutoff);
    cutoffs.reverse();
    for account in 0..log.accounts.id.len() {
        let signed_up = log.accounts.signed_up[account];
        for snapshot in &cutoffs {
            let cutoff = match config.cutoffs {
                CutoffScheme::Snapshot => *snapshot,
                CutoffScheme::Age => landmark(log, signed_up, config.age.0),
            };
            let observed = match config.cutoffs {
                CutoffScheme::Snapshot => {
                    (config.min_age.0..=config.max_age.0).contains(&(cutoff - signed_up))
                }
                CutoffScheme::Age => {
                    (now - config.gap.0 - config.horizon.0 + 1..=now).contains(&cutoff)
                }
            };
            if observed && resolve_outcome(&log.accounts, account, cutoff, (config, now)).is_ok() {
                rows.push(account, cutoff, Outcome::Immature);
                rows.split.push(Split::Unused);
            }
        }
    }
    rows
}

/// Returns a hash of purpose, seed and account: the first 13 hexadecimal digits (52 bits) of the
/// SHA-256 of the text `purpose/seed/account`, such as `holdout/0/acme`.
///
/// Purposes are `holdout`, `fold` and `split`. Every SQL engine can compute the hash, and a double
/// holds it exactly.
#[must_use]
pub fn stable_hash(purpose: &str, seed: u64, account: &str) -> u64 {
    let digest = Sha256::digest(format!("{purpose}/{seed}/{account}"));
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes")) >> 12
}

/// Returns the stable hash as a share of its range, in [0, 1).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a double holds 52 bits exactly")]
pub fn stable_share(purpose: &str, seed: u64, account: &str) -> f64 {
    stable_hash(purpose, seed, account) as f64 / (1_u64 << 52) as f64
}

/// Assigns accounts to folds in turn, ordered by (ever converted, stable hash), so that every fold
/// has the same share of converting accounts.
///
/// Returns the fold of each row, from 0 to `folds` − 1.
///
/// # Arguments
/// * `group` – account code of each row
/// * `y` – whether each row converted
/// * `name` – id of an account code
pub fn assign_folds<'a>(
    group: &[u32],
    y: &[bool],
    name: impl Fn(u32) -> &'a str,
    seed: u64,
    folds: u8,
) -> Vec<u8> {
    let mut ever_converted: BTreeMap<u32, bool> = BTreeMap::new();
    for (g, y) in group.iter().zip(y) {
        *ever_converted.entry(*g).or_default() |= *y;
    }
    let mut order: Vec<(bool, u64, u32)> = ever_converted
        .into_iter()
        .map(|(g, positive)| (positive, stable_hash("fold", seed, name(g)), g))
        .collect();
    order.sort_unstable_by(|a, b| (a.0, a.1, name(a.2)).cmp(&(b.0, b.1, name(b.2))));
    let assigned: BTreeMap<u32, u8> =
        order.iter().zip((0..folds).cycle()).map(|((_, _, g), fold)| (*g, fold)).collect();
    group.iter().map(|g| assigned[g]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_iso;

    #[test]
    fn folds_keep_accounts_together_and_are_stratified() {
        let group: Vec<u32> = (0..100).map(|r| r / 2).collect();
        let y: Vec<bool> = group.iter().map(|g| g % 5 == 0).collect();
        let names: Vec<String> = (0..50).map(|g| format!("a{g}")).collect();
        let fold = assign_folds(&group, &y, |g| &names[g as usize], 0, 5);
        assert!(fold.chunks(2).all(|f| f[0] == f[1]));
        for f in 0..5 {
            assert_eq!(fold.iter().zip(&y).filter(|(g, y)| **g == f && **y).count(), 4);
        }
        assert_ne!(
            fold,
            assign_folds(&group, &y, |g| &names[g as usize], 1, 5),
            "another seed assigns other folds"
        );
    }

    #[test]
    fn comparable_cutoffs_are_at_the_same_local_time_when_clocks_are_turned() {
        let zone: Zone = "Europe/Berlin".parse().unwrap();
        let midnight = |day: &str| zone.to_utc(parse_iso(day).unwrap());
        // The clocks are turned back on 2025-10-26. Both days are Mondays.
        let (training, now) = (midnight("2025-10-20"), midnight("2025-10-29"));
        let cutoffs = |every: i64| {
            let config =
                ObservationConfig { every: TimeSpan::days(every), ..ObservationConfig::default() };
            comparable_cutoffs(now, zone, &config, Some(training))
        };
        assert_eq!(cutoffs(7), [midnight("2025-10-27")]);
        let week: Vec<i64> =
            (23..=29).rev().map(|day| midnight(&format!("2025-10-{day}"))).collect();
        assert_eq!(cutoffs(1), week);
    }

    /// The expected values are `int(sha256(text.encode()).hexdigest()[:13], 16)` of Python's hashlib.
    #[test]
    fn the_stable_hash_never_changes() {
        let cases = [
            (("holdout", 0, "acme"), 0x0003_a417_68c8_eb8d),
            (("fold", 0, "acme"), 0x000c_871c_23ce_83ae),
            (("split", u64::MAX, "Zürich / 北京"), 0x0007_88b5_ec07_930e),
            (("holdout", 7, ""), 0x000b_b61e_bd9a_8925),
        ];
        for ((purpose, seed, account), expected) in cases {
            assert_eq!(stable_hash(purpose, seed, account), expected, "{purpose}/{seed}/{account}");
        }
        assert_eq!(stable_share("holdout", 0, "acme"), 0.227_561_387_363_240_94);
        let share = (0..10_000)
            .map(|i| stable_share("holdout", 7, &i.to_string()))
            .filter(|s| *s < 0.25)
            .count();
        assert!((2_300..2_700).contains(&share), "{share}");
    }
}
