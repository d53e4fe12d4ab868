//! The series that are checked: the whole log, its sources and its event types.

use std::collections::BTreeSet;
use std::ops::Range;

use pql_stats::daily::{DailyForecast, RollingForecasts};

use super::Watch;
use crate::log::daily::{DailyCounts, SourceDays};
use crate::time::Day;

/// The events of a series, by which faults are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All events.
    Log,
    /// The events of a source.
    Source(usize),
    /// The events of a type.
    Event(usize),
}

/// Days on which a series has a fault.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affected {
    pub(super) scope: Scope,
    pub(super) days: Range<usize>,
}

impl Affected {
    pub(super) fn overlaps(&self, days: &Range<usize>) -> bool {
        self.days.start < days.end && days.start < self.days.end
    }
}

/// Daily counts from the first complete day with events.
pub(super) struct Series {
    pub(super) scope: Scope,
    pub(super) counts: Vec<u32>,
    /// Index of the first day that belongs to the history.
    pub(super) start: usize,
}

impl Series {
    fn new(scope: Scope, counts: Vec<u32>) -> Self {
        // The first day with events may be incomplete.
        let start = counts.iter().position(|count| *count > 0).map_or(counts.len(), |day| day + 1);
        let start = start.min(counts.len());
        Self { scope, counts, start }
    }

    /// Fits a forecast to the history before a day.
    pub(super) fn forecast_before(&self, day: usize) -> Option<DailyForecast> {
        DailyForecast::fit(self.history(day))
    }

    /// Returns the forecasts before each of the newest days; `None` for a short history or a small
    /// series.
    ///
    /// # Arguments
    /// * `checked` – number of newest days that are checked
    /// * `min_events` – smallest number of events of these days and of the four weeks before
    pub(super) fn forecasts(
        &self,
        checked: usize,
        min_events: u64,
    ) -> Option<RollingForecasts<'_>> {
        let n = self.counts.len();
        let newest = n.saturating_sub(checked + 28)..n;
        (self.sum(newest) >= min_events).then_some(())?;
        RollingForecasts::fit(self.history(n), checked)
    }

    /// Returns the counts before a day.
    pub(super) fn history(&self, day: usize) -> &[u32] {
        self.counts.get(self.start..day).unwrap_or_default()
    }

    /// Returns the runs of consecutive days without events, oldest first.
    pub(super) fn silent_runs(&self) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for day in (self.start..self.counts.len()).filter(|day| self.counts[*day] == 0) {
            match runs.last_mut() {
                Some(run) if run.end == day => run.end = day + 1,
                _ => runs.push(day..day + 1),
            }
        }
        runs
    }

    pub(super) fn sum(&self, days: Range<usize>) -> u64 {
        self.counts[days].iter().copied().map(u64::from).sum()
    }
}

/// The counts that all checks use.
pub(super) struct Context<'a> {
    pub(super) daily: &'a DailyCounts,
    pub(super) log: Series,
    /// Empty if the log has one source.
    pub(super) sources: Vec<Series>,
    /// The watched event types.
    pub(super) events: Vec<Series>,
}

impl<'a> Context<'a> {
    /// Collects the series of a log.
    ///
    /// The watched event types are those of training, roles and definitions; in training, all.
    pub(super) fn new(daily: &'a DailyCounts, watch: Watch<'_>) -> Self {
        let log = Series::new(Scope::Log, daily.total());
        let several = daily.sources.len() > 1;
        let sources = daily
            .sources
            .iter()
            .enumerate()
            .filter(|_| several)
            .map(|(source, days)| Series::new(Scope::Source(source), days.by_day.clone()));
        let watched: Option<BTreeSet<&str>> = watch.reference.map(|reference| {
            let known = reference.events.iter().map(|(name, _)| name.as_str());
            known.chain(watch.named.iter().map(String::as_str)).collect()
        });
        let is_watched = |name: &str| watched.as_ref().is_none_or(|names| names.contains(name));
        let events = daily.names.iter().zip(&daily.events).enumerate();
        let events = events.filter(|(_, (name, _))| is_watched(name)).map(|(code, (_, event))| {
            Series { scope: Scope::Event(code), counts: event.by_day.clone(), start: log.start }
        });
        Self { daily, sources: sources.collect(), events: events.collect(), log }
    }

    /// Iterates over the log, its sources and its event types.
    pub(super) fn all(&self) -> impl Iterator<Item = &Series> {
        std::iter::once(&self.log).chain(&self.sources).chain(&self.events)
    }

    /// Returns the series of a scope.
    pub(super) fn series(&self, scope: Scope) -> Option<&Series> {
        self.all().find(|series| series.scope == scope)
    }

    /// Returns the events of the log that are not of a series, with the same history; `None` for
    /// the log.
    pub(super) fn rest(&self, series: &Series) -> Option<Series> {
        let counts = || self.log.counts.iter().zip(&series.counts);
        (series.scope != Scope::Log).then(|| Series {
            scope: Scope::Log,
            counts: counts().map(|(all, own)| all.saturating_sub(*own)).collect(),
            start: series.start,
        })
    }

    /// Returns the events with which the silence of a series is compared; `None` for the log. A source
    /// is compared with the other sources that have events on these days, another series with the
    /// rest of the log.
    pub(super) fn rest_in_silence(&self, series: &Series, days: &Range<usize>) -> Option<Series> {
        let Scope::Source(own) = series.scope else { return self.rest(series) };
        let mut counts = vec![0; self.days()];
        for (source, other) in self.daily.sources.iter().enumerate() {
            if source != own && other.by_day[days.clone()].iter().any(|count| *count > 0) {
                counts.iter_mut().zip(&other.by_day).for_each(|(sum, count)| *sum += count);
            }
        }
        Some(Series { scope: Scope::Log, counts, start: series.start })
    }

    /// Returns a counted local day.
    pub(super) fn day(&self, index: usize) -> Day {
        Day::from_number(self.daily.day_number(index))
    }

    pub(super) fn days(&self) -> usize {
        self.log.counts.len()
    }

    /// Returns the events of a scope on the incomplete last day.
    pub(super) fn today(&self, scope: Scope) -> u32 {
        let of_sources = |sources: &[SourceDays]| sources.iter().map(|source| source.today).sum();
        match scope {
            Scope::Log => of_sources(&self.daily.sources),
            Scope::Source(source) => self.daily.sources[source].today,
            Scope::Event(code) => self.daily.events[code].today,
        }
    }

    /// Returns the number of series that are tested together with one.
    pub(super) fn count_like(&self, scope: Scope) -> usize {
        match scope {
            Scope::Log => 1,
            Scope::Source(_) => self.sources.len(),
            Scope::Event(_) => self.events.len(),
        }
    }

    /// Returns the names of a scope in messages: the source, or the event type.
    pub(super) fn names(&self, scope: Scope) -> [Option<String>; 2] {
        match scope {
            Scope::Log => [None, None],
            Scope::Source(source) => [Some(self.daily.sources[source].name.clone()), None],
            Scope::Event(code) => [None, Some(self.daily.names[code].to_owned())],
        }
    }

    /// Returns whether the silence of one scope explains that of another one.
    pub(super) fn is_explained(&self, scope: Scope, by: Scope) -> bool {
        match (scope, by) {
            (Scope::Event(code), Scope::Source(source)) => {
                self.daily.events[code].share_from(source) >= 0.5
            }
            _ => scope == by || by == Scope::Log,
        }
    }

    /// Returns whether a scope consists of events of another one, for the most part.
    pub(super) fn is_within(&self, scope: Scope, parent: Scope) -> bool {
        /// Smallest share of an event type from a source.
        const MIN_SHARE: f64 = 0.8;
        match (scope, parent) {
            (Scope::Source(_) | Scope::Event(_), Scope::Log) => true,
            (Scope::Event(code), Scope::Source(source)) => {
                self.daily.events[code].share_from(source) >= MIN_SHARE
            }
            _ => false,
        }
    }
}

/// Keeps the most specific cause of each fault.
///
/// A source and some of its event types may have the same fault. If the other events of the source
/// also have it, the source is reported, otherwise the event types are. Afterwards the log is
/// compared in the same way with the remaining sources and event types.
///
/// # Arguments
/// * `faults` – faults of one kind
/// * `others` – faults of another kind that may explain those of their log or source
/// * `persists` – whether a scope without some parts of it has the fault
pub(super) fn most_specific<F>(
    context: &Context<'_>,
    mut faults: Vec<F>,
    others: &[Affected],
    affected: impl Fn(&F) -> &Affected,
    persists: impl Fn(&F, &[Scope]) -> bool,
) -> Vec<F> {
    let sources = context.sources.iter().map(|series| series.scope);
    for parent in sources.chain([Scope::Log]) {
        let Some(index) = faults.iter().position(|fault| affected(fault).scope == parent) else {
            continue;
        };
        let days = affected(&faults[index]).days.clone();
        let is_part =
            |part: &Affected| context.is_within(part.scope, parent) && part.overlaps(&days);
        let candidates = faults.iter().map(&affected).chain(others);
        let mut parts: Vec<Scope> = Vec::new();
        for part in candidates.filter(|part| is_part(part)).map(|part| part.scope) {
            // The events of a source are counted once.
            if parts.iter().all(|other| *other != part && !context.is_within(part, *other)) {
                parts.retain(|other| !context.is_within(*other, part));
                parts.push(part);
            }
        }
        if parts.is_empty() {
            continue;
        }
        if persists(&faults[index], &parts) {
            faults.retain(|fault| !is_part(affected(fault)));
        } else {
            faults.remove(index);
        }
    }
    faults
}
