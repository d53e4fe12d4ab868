//! Horizon and cutoffs that fit the log, found by trying them.

use crate::config::ObservationRule;
use crate::dataset::observations::{Outcome, Split, observe};
use crate::log::Log;
use crate::time::{DAY, NEVER, TimeSpan, iso_day};

/// (horizon, every) in days, the first that does is taken: the usual one, shorter ones, longer
/// ones.
const TRIED: [(i64, i64); 6] = [(30, 7), (14, 7), (7, 7), (60, 7), (90, 7), (180, 7)];
/// The same for logs so short that a snapshot a week leaves too few.
const TRIED_SHORT: [(i64, i64); 6] = [(30, 7), (14, 7), (7, 7), (7, 1), (3, 1), (1, 1)];
/// Days of a log up to which it is short.
const SHORT: i64 = 60;
/// Days of a log up to which a window of 28 days is most of it.
const NARROW: i64 = 42;
/// Converting accounts under which there is nothing to learn.
const LEAST: usize = 3;

/// The observation that is written.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) rule: ObservationRule,
    /// Windows, where the usual ones do not suit.
    pub(super) windows: Option<Vec<TimeSpan>>,
    /// `min_conversions`, where the usual one is more than there are.
    pub(super) min_conversions: Option<usize>,
    /// First and last day of the log, and the day before which it is complete.
    pub(super) span: Option<(String, String)>,
}

impl Chosen {
    /// The usual observation, of a log that was not read.
    pub(super) fn usual() -> Self {
        Self { rule: ObservationRule::default(), windows: None, min_conversions: None, span: None }
    }
}

/// What an observation of the log gives.
#[derive(Debug, Clone, Copy, Default)]
struct Trial {
    rows: usize,
    accounts: usize,
    /// Distinct converting accounts.
    converting: usize,
    positive_rows: usize,
    test_rows: usize,
    test_converting: usize,
}

impl Trial {
    fn of(log: &Log, rule: &ObservationRule, test: f64) -> Option<Self> {
        let rows = observe(log, rule, test).ok()?;
        let mut trial = Self::default();
        let (mut counted, mut converting, mut tested) = (None, None, None);
        for ((account, outcome), split) in rows.account.iter().zip(&rows.outcome).zip(&rows.split) {
            let converted = *outcome == Outcome::Converted;
            // Rows are sorted by account, so that the last one counted tells whether this one is
            // new.
            match split {
                Split::Train => {
                    trial.rows += 1;
                    trial.positive_rows += usize::from(converted);
                    trial.accounts += usize::from(counted.replace(*account) != Some(*account));
                    trial.converting +=
                        usize::from(converted && converting.replace(*account) != Some(*account));
                }
                Split::Test => {
                    trial.test_rows += 1;
                    trial.test_converting +=
                        usize::from(converted && tested.replace(*account) != Some(*account));
                }
                Split::Unused => {}
            }
        }
        Some(trial)
    }

    fn trains(&self, needed: usize) -> bool {
        self.converting >= needed && self.positive_rows < self.rows
    }

    /// Whether it is to be taken although another was tried before it: it can be judged and the
    /// other cannot, or gives half as many again to learn from, which is worth a less usual
    /// horizon.
    fn beats(&self, other: &Self) -> bool {
        let judged = |trial: &Self| trial.test_converting > 0;
        judged(self) && !judged(other)
            || judged(self) == judged(other) && self.converting * 2 >= other.converting * 3
    }
}

/// Choose an observation by which the log trains; answers remarks beside it.
///
/// # Arguments
/// * `needed` – converting training accounts asked for
/// * `test` – share of cutoffs held out
pub(super) fn choose(log: &Log, needed: usize, test: f64, remarks: &mut Vec<String>) -> Chosen {
    let days = (log.until - log.since) / DAY;
    let span = Some((iso_day(log.since), iso_day(log.until)));
    if log.accounts.converted.iter().all(|t| *t == NEVER) {
        let how = "name a column of times as `accounts.converted`, or events as `roles.converted`";
        remarks.push(format!(
            "no conversion before {} was found, so that nothing can be trained yet: {how}",
            iso_day(log.until)
        ));
        return Chosen { span, ..Chosen::usual() };
    }
    let tried = if days <= SHORT { TRIED_SHORT } else { TRIED };
    let with = |(horizon, every): (i64, i64)| ObservationRule {
        horizon: TimeSpan::days(horizon),
        every: TimeSpan::days(every),
        ..ObservationRule::default()
    };
    let mut best: Option<(ObservationRule, Trial)> = None;
    for rule in tried.map(with) {
        let Some(trial) = Trial::of(log, &rule, test) else { continue };
        if trial.trains(needed) && trial.test_converting > 0 {
            best = Some((rule, trial));
            break;
        }
        if trial.trains(LEAST) && best.as_ref().is_none_or(|(_, other)| trial.beats(other)) {
            best = Some((rule, trial));
        }
    }
    let Some((rule, trial)) = best else {
        remarks.push(hopeless(log, days));
        return Chosen { span, ..Chosen::usual() };
    };
    let min_conversions =
        (trial.converting < needed).then_some(if trial.converting < 5 { LEAST } else { 5 });
    remarks.push(told(&rule, &trial, days));
    if let Some(lowered) = min_conversions {
        remarks.push(format!(
            "only {} training accounts convert: `model.min_conversions` is lowered from {needed} to {lowered}, and the model will be weak",
            trial.converting
        ));
    }
    let windows = (days < NARROW).then(|| vec![TimeSpan::days(7), TimeSpan::days(14)]);
    Chosen { rule, windows, min_conversions, span }
}

fn told(rule: &ObservationRule, trial: &Trial, days: i64) -> String {
    let usual = ObservationRule::default();
    let why = match rule.horizon.cmp(&usual.horizon) {
        std::cmp::Ordering::Less => format!(", short because the log covers only {days} days"),
        std::cmp::Ordering::Greater => {
            format!(", long because within {} too few accounts convert", usual.horizon)
        }
        std::cmp::Ordering::Equal => String::new(),
    };
    format!(
        "observation: a horizon of {}{why}, a snapshot every {}: {} training rows of {} accounts, {} of which convert; {} test rows, {} accounts convert in them",
        rule.horizon,
        rule.every,
        trial.rows,
        trial.accounts,
        trial.converting,
        trial.test_rows,
        trial.test_converting
    )
}

/// Why no observation was found by which the log trains.
fn hopeless(log: &Log, days: i64) -> String {
    let converted = log.accounts.converted.iter().filter(|t| **t != NEVER).count();
    format!(
        "{converted} accounts convert, but in no observation tried do {LEAST} of them convert after a training cutoff of the {days} days of the log: it will not train yet"
    )
}
