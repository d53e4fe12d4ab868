//! Faults of the newest days of a log: missing days, sources and event types, too few or repeated
//! events, rounded times.
//!
//! Each day is compared with a forecast from the weeks before it. Tests of silence have the level
//! [`LEVEL`] over all series together.

mod events;
mod round_times;
mod silence;
mod volume;

use std::collections::BTreeSet;
use std::ops::Range;

pub use events::NewEvent;
use pql_stats::daily::DailyForecast;
use serde::{Deserialize, Serialize};

use super::Log;
use super::daily::DailyCounts;
use crate::error::Result;
use crate::time::Day;
use crate::warning::LogFault;

/// Significance level of the tests of silence, over all event types or sources together: the tests
/// are repeated every night.
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
        let checks = Checks::new(self);
        let watch = Watch { reference: None, named: &named };
        let stopped = events::stopped_events(&checks.context(), watch, &[]);
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
    let checks = Checks::new(&log.daily);
    let context = checks.context();
    let ended = silence::ended_sources(&context);
    let mut faults: Vec<LogFault> = ended.iter().map(|(_, fault)| fault.clone()).collect();
    faults.extend(silence::missing_days(&context, &ended));
    faults.extend(volume::drops(&context, &ended));
    faults.extend(volume::doubled_days(&context, log)?);
    faults.extend(round_times::round_times(&context));
    faults
        .extend(watch.reference.and_then(|reference| volume::changed_history(&context, reference)));
    faults.extend(events::gone(&context, watch, &ended));
    faults.sort_by_key(LogFault::rank);
    Ok(faults)
}

/// Returns the event types that training did not know and that have at least 1% of the events of
/// the last seven days, most frequent first.
#[must_use]
pub fn new_events(log: &Log, reference: &TrainingActivity) -> Vec<NewEvent> {
    events::new_events(&log.daily, reference)
}

/// The series of a log.
struct Checks<'a> {
    daily: &'a DailyCounts,
    total: Series,
    sources: Vec<Series>,
}

impl<'a> Checks<'a> {
    fn new(daily: &'a DailyCounts) -> Self {
        let sources = daily.sources.iter().map(|source| Series::new(source.by_day.clone()));
        Self { daily, total: Series::new(daily.total()), sources: sources.collect() }
    }

    fn context(&self) -> Context<'_> {
        Context { daily: self.daily, total: &self.total, sources: &self.sources }
    }
}

/// The counts that all checks use.
struct Context<'a> {
    daily: &'a DailyCounts,
    total: &'a Series,
    sources: &'a [Series],
}

impl Context<'_> {
    /// Returns a counted local day.
    fn day(&self, index: usize) -> Day {
        Day::from_number(self.daily.day_number(index))
    }

    fn days(&self) -> usize {
        self.total.counts.len()
    }

    /// Returns the name of a source; `None` if it is the only one.
    fn source_name(&self, source: usize) -> Option<String> {
        (self.sources.len() > 1).then(|| self.daily.sources[source].name.clone())
    }
}

/// Daily counts from the first complete day with events.
struct Series {
    counts: Vec<u32>,
    /// Index of the first day that belongs to the history.
    start: usize,
}

impl Series {
    fn new(counts: Vec<u32>) -> Self {
        // The first day with events may be incomplete.
        let start = counts.iter().position(|count| *count > 0).map_or(counts.len(), |day| day + 1);
        let start = start.min(counts.len());
        Self { counts, start }
    }

    /// Fits a forecast to the history before a day.
    fn forecast_before(&self, day: usize) -> Option<DailyForecast> {
        DailyForecast::fit(self.history(day))
    }

    /// Returns the counts before a day.
    fn history(&self, day: usize) -> &[u32] {
        self.counts.get(self.start..day).unwrap_or_default()
    }

    /// Returns the runs of consecutive days that match, oldest first.
    fn runs(days: Range<usize>, matches: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for day in days.filter(|day| matches(*day)) {
            match runs.last_mut() {
                Some(run) if run.end == day => run.end = day + 1,
                _ => runs.push(day..day + 1),
            }
        }
        runs
    }

    fn sum(&self, days: Range<usize>) -> u64 {
        self.counts[days].iter().copied().map(u64::from).sum()
    }
}

/// Returns the level of each of some tests that are made together (Bonferroni).
#[expect(clippy::cast_precision_loss, reason = "a number of tests")]
fn level(tests: usize) -> f64 {
    LEVEL / tests.max(1) as f64
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
