//! Faults of the newest days of a log: missing days, sources and event types, too few or repeated
//! events, rounded times.
//!
//! The series of the log, of each source and of each event type are compared with forecasts from the
//! weeks before, and a fault is reported once, of the series that explains it best. Tests of silence
//! and of doubled days have the level [`LEVEL`] over all series together.

mod doubled;
mod events;
mod round_times;
mod series;
mod silence;
mod volume;

#[cfg(test)]
mod rates;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use events::NewEvent;
use serde::{Deserialize, Serialize};
use series::{Affected, Context};

use super::Log;
use super::daily::DailyCounts;
use crate::error::Result;
use crate::warning::LogFault;

/// Significance level of the tests of silence and of doubled days, over all series of a kind
/// together: the tests are repeated every night.
const LEVEL: f64 = 0.001;
/// Newest days that are checked.
const RECENT: usize = 7;
/// Days of [`TrainingActivity`].
const REFERENCE_DAYS: usize = 28;
/// Maximum number of event types in [`TrainingActivity`].
const MAX_EVENT_TYPES: usize = 1_000;

/// Events of the last days of a training log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainingActivity {
    /// Number of the local day after the last one, in days since 1970-01-01.
    pub end: i64,
    /// Number of days.
    pub days: usize,
    /// Number of events.
    pub total: u64,
    /// Events by event type, most frequent first, at most 1,000 types.
    pub events: Vec<(String, u64)>,
}

impl DailyCounts {
    /// Returns the events of the last 28 complete days, without event types that have stopped.
    #[must_use]
    pub fn activity(&self) -> TrainingActivity {
        let named = self.names.iter().map(str::to_owned).collect();
        let watch = Watch { reference: None, named: &named };
        let stopped = events::stopped_events(&Context::new(self, watch), watch, &[]);
        let is_current = |name: &str| stopped.iter().all(|gone| gone.event != name);
        let days = self.days().min(REFERENCE_DAYS);
        let sum = |by_day: &[u32]| by_day.iter().rev().take(days).copied().map(u64::from).sum();
        let mut events: Vec<(String, u64)> = self
            .names
            .iter()
            .zip(&self.events)
            .map(|(name, event)| (name.to_owned(), sum(&event.by_day)))
            .filter(|(name, count)| *count > 0 && is_current(name))
            .collect();
        // The sort is stable: ties stay in byte order.
        events.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        events.truncate(MAX_EVENT_TYPES);
        TrainingActivity { end: self.end, days, total: sum(&self.total()), events }
    }
}

/// What to look for in a log.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// Activity at the end of training; `None` while training.
    pub reference: Option<&'a TrainingActivity>,
    /// Event types of roles and definitions.
    pub named: &'a BTreeSet<String>,
}

/// Finds the faults of the newest days of a log, most serious first.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
pub fn log_faults(log: &Log, watch: Watch<'_>) -> Result<Vec<LogFault>> {
    let context = Context::new(&log.daily, watch);
    let doubled = doubled::doubled_days(&context, log)?;
    Ok(faults(&context, watch, doubled))
}

/// Finds the faults of daily counts.
///
/// # Arguments
/// * `doubled` – doubled days
fn faults(context: &Context<'_>, watch: Watch<'_>, doubled: Vec<LogFault>) -> Vec<LogFault> {
    let (mut silent, mut faults): (Vec<Affected>, Vec<LogFault>) =
        silence::ended_sources(context).into_iter().unzip();
    let gone = events::stopped_events(context, watch, &silent);
    faults.extend(events::gone(context, watch, &gone));
    silent.extend(gone.iter().filter_map(|gone| gone.affected(context)));
    let (missing, of_days): (Vec<Affected>, Vec<LogFault>) =
        silence::missing_days(context, &silent).into_iter().unzip();
    silent.extend(missing);
    faults.extend(of_days);
    faults.extend(volume::drops(context, &silent));
    faults.extend(doubled);
    faults.extend(round_times::round_times(context));
    let reference = watch.reference.into_iter();
    faults.extend(reference.flat_map(|reference| volume::changed_history(context, reference)));
    faults.sort_by_key(LogFault::rank);
    faults
}

/// Returns the event types that training did not know and that have at least 1% of the events of
/// the last seven days, most frequent first.
#[must_use]
pub fn new_events(log: &Log, reference: &TrainingActivity) -> Vec<NewEvent> {
    events::new_events(&log.daily, reference)
}

/// Returns the level of each of some tests that have a level together (Bonferroni).
#[expect(clippy::cast_precision_loss, reason = "a number of tests")]
fn corrected(level: f64, tests: usize) -> f64 {
    level / tests.max(1) as f64
}

/// Rounds an expected count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of events, not negative"
)]
fn rounded(expected: f64) -> u64 {
    expected.round() as u64
}
