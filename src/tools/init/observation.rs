//! Choice of horizon and snapshots, by trial on the log.

use crate::config::{ModelConfig, ObservationConfig};
use crate::dataset::observations::{Outcome, observe};
use crate::dataset::split::{Split, SplitOptions};
use crate::log::Log;
use crate::names::{agree, counted};
use crate::time::{DAY, NEVER, TimeSpan};
use crate::warning::{Anomaly, DropReason};

/// Candidates (horizon, every), days, in order of preference: default, shorter, longer.
const CANDIDATES: [(i64, i64); 6] = [(30, 7), (14, 7), (7, 7), (60, 7), (90, 7), (180, 7)];
/// Candidates for short logs, for which weekly snapshots may be too few.
const CANDIDATES_SHORT: [(i64, i64); 6] = [(30, 7), (14, 7), (7, 7), (7, 1), (3, 1), (1, 1)];
/// Maximum length of a short log, days.
const SHORT: i64 = 60;
/// Length of logs, days, below which the default windows are too long.
const NARROW: i64 = 42;
/// Minimum number of converting accounts.
const MIN_CONVERSIONS: usize = 3;

/// The guessed observation.
#[derive(Debug, Clone, Default)]
pub(super) struct ObservationGuess {
    pub(super) config: ObservationConfig,
    /// Windows, if not the default.
    pub(super) windows: Option<Vec<TimeSpan>>,
    /// `min_conversions`, if the default is too high.
    pub(super) min_conversions: Option<usize>,
    /// First day of the log and day after its last complete day.
    pub(super) span: Option<(String, String)>,
}

impl ObservationGuess {
    /// The default observation, with which no model can be trained.
    fn failed(span: Option<(String, String)>) -> Self {
        Self { span, ..Self::default() }
    }
}

/// Numbers of rows and accounts for one candidate.
#[derive(Debug, Clone, Copy, Default)]
struct CandidateCounts {
    rows: usize,
    /// Distinct converting accounts.
    converting: usize,
    positive_rows: usize,
    test_converting: usize,
}

impl CandidateCounts {
    fn run(log: &Log, config: &ObservationConfig, split: SplitOptions) -> Option<Self> {
        let rows = observe(log, config, split).ok()?;
        let mut trial = Self::default();
        let (mut converting, mut tested) = (None, None);
        for ((account, outcome), split) in rows.account.iter().zip(&rows.outcome).zip(&rows.split) {
            let converted = *outcome == Outcome::Converted;
            // Rows are sorted by account: a new account differs from the last one counted.
            match split {
                Split::Train => {
                    trial.rows += 1;
                    trial.positive_rows += usize::from(converted);
                    trial.converting +=
                        usize::from(converted && converting.replace(*account) != Some(*account));
                }
                Split::Test => {
                    trial.test_converting +=
                        usize::from(converted && tested.replace(*account) != Some(*account));
                }
                Split::CrossValidated => {
                    trial.rows += 1;
                    trial.positive_rows += usize::from(converted);
                    let new = converted && converting.replace(*account) != Some(*account);
                    trial.converting += usize::from(new);
                    trial.test_converting += usize::from(new);
                }
                Split::Unused => {}
            }
        }
        Some(trial)
    }

    fn trains(&self, needed: usize) -> bool {
        self.converting >= needed && self.positive_rows < self.rows
    }

    /// Returns whether it replaces an earlier candidate: only it can be evaluated, or it has at
    /// least 50% more converting accounts.
    fn is_preferred_to(&self, other: &Self) -> bool {
        let evaluable = |trial: &Self| trial.test_converting > 0;
        evaluable(self) && !evaluable(other)
            || evaluable(self) == evaluable(other) && self.converting * 2 >= other.converting * 3
    }
}

/// Returns the first candidate with enough converting accounts in training and test set, else the
/// one with the most.
///
/// # Arguments
/// * `needed` – minimum number of converting training accounts
fn best_candidate(
    log: &Log,
    candidates: [(i64, i64); 6],
    needed: usize,
    split: SplitOptions,
) -> Option<(ObservationConfig, CandidateCounts)> {
    let mut best: Option<(ObservationConfig, CandidateCounts)> = None;
    for (horizon, every) in candidates {
        let config = ObservationConfig {
            horizon: TimeSpan::days(horizon),
            every: TimeSpan::days(every),
            ..ObservationConfig::default()
        };
        let Some(trial) = CandidateCounts::run(log, &config, split) else { continue };
        if trial.trains(needed) && trial.test_converting > 0 {
            return Some((config, trial));
        }
        if trial.trains(MIN_CONVERSIONS)
            && best.as_ref().is_none_or(|(_, other)| trial.is_preferred_to(other))
        {
            best = Some((config, trial));
        }
    }
    best
}

/// Chooses an observation with which a model can be trained on the log, and adds remarks. Without
/// one, returns the default and what is missing. A test on the newest cutoffs is preferred to other
/// tests that `model.split` allows.
pub(super) fn choose(
    log: &Log,
    model: &ModelConfig,
    remarks: &mut Vec<String>,
) -> (ObservationGuess, Option<String>) {
    let days = (log.until - log.since) / DAY;
    let span = Some((log.zone.day(log.since).to_string(), log.zone.day(log.until).to_string()));
    if log.accounts.converted.iter().all(|t| *t == NEVER) {
        return (ObservationGuess::failed(span), Some(explain_no_conversions(log)));
    }
    let candidates = if days <= SHORT { CANDIDATES_SHORT } else { CANDIDATES };
    let needed = model.min_conversions;
    let newest = SplitOptions::newest(model.test_size);
    let best = best_candidate(log, candidates, needed, newest)
        .or_else(|| best_candidate(log, candidates, needed, SplitOptions::from(model)));
    let Some((config, trial)) = best else {
        return (ObservationGuess::failed(span), Some(explain_failure(log, days)));
    };
    // The training accounts that `pql train` will have.
    let trial = CandidateCounts::run(log, &config, SplitOptions::from(model)).unwrap_or(trial);
    let min_conversions = (trial.converting < needed).then_some(if trial.converting < 5 {
        MIN_CONVERSIONS
    } else {
        5
    });
    remarks.push(describe(&config, days));
    if let Some(reduced) = min_conversions {
        remarks.push(format!(
            "only {}: `model.min_conversions` is reduced from {needed} to {reduced}, and the model will be weak",
            counted(trial.converting as u64, "converting training account")
        ));
    }
    let windows = (days < NARROW).then(|| vec![TimeSpan::days(7), TimeSpan::days(14)]);
    let guess = ObservationGuess { config, windows, min_conversions, span };
    (guess, None)
}

fn describe(config: &ObservationConfig, days: i64) -> String {
    let default = ObservationConfig::default();
    let why = match config.horizon.cmp(&default.horizon) {
        std::cmp::Ordering::Less => {
            format!(" (short, because the log covers only {})", counted(days.unsigned_abs(), "day"))
        }
        std::cmp::Ordering::Greater => {
            format!(" (long, because too few accounts convert within {})", default.horizon)
        }
        std::cmp::Ordering::Equal => String::new(),
    };
    format!("observation: horizon {}{why}, snapshots every {}", config.horizon, config.every)
}

/// Explains why no account of a log with columns or events of conversions converts.
fn explain_no_conversions(log: &Log) -> String {
    let sources = || log.quality.sources.iter().flat_map(|source| &source.dropped);
    let early = sources().filter(|rows| rows.reason == DropReason::OutcomeBeforeSignUp);
    let early: u64 = early.map(|rows| rows.count).sum();
    let never = log.quality.anomalies.iter().filter(|odd| odd.anomaly == Anomaly::TimeMeansNever);
    let never: u64 = never.map(|odd| odd.count).sum();
    let why = if early > 0 {
        format!(
            "{} {} dropped because the conversion or churn is before the sign-up. Check the columns of both times.",
            counted(early, "account"),
            agree(early, ["is", "are"])
        )
    } else if never > 0 {
        format!(
            "{} of conversion or churn {} never, such as 1970-01-01. Export the times of conversion.",
            counted(never, "time"),
            agree(never, ["means", "mean"])
        )
    } else {
        "Check `accounts.converted` and `roles.converted`, or export a longer log.".to_owned()
    };
    format!(
        "no model can be trained yet: no account converts before {}. {why}",
        log.zone.short(log.until)
    )
}

/// Explains why no candidate works.
fn explain_failure(log: &Log, days: i64) -> String {
    // Accounts may be too old or too young for every cutoff.
    let options = SplitOptions::newest(0.0);
    if let Err(error) = observe(log, &ObservationConfig::default(), options) {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        return format!("no model can be trained yet: {error}{hint}");
    }
    let converted = log.accounts.converted.iter().filter(|t| **t != NEVER).count();
    format!(
        "no model can be trained yet: the log covers {} with {}, too few after any training cutoff (at least {MIN_CONVERSIONS} required)",
        counted(days.unsigned_abs(), "day"),
        counted(converted as u64, "converting account")
    )
}
