//! Days whose events are in the log twice.

use std::collections::BTreeMap;

use pql_stats::counts::share;
use pql_stats::deviation::{DailySeries, DeviationRule, Direction, largest_deviation};

use super::series::{Affected, Context, Scope, Series, most_specific};
use super::volume::{DEVIATION, MIN_EXPECTED, forecasts};
use super::{RECENT, rounded};
use crate::error::Result;
use crate::log::Log;
use crate::warning::LogFault;

/// Smallest ratio of found to expected events of a doubled day; natural peaks have no repeats.
const DOUBLED: f64 = 1.4;
/// Smallest share of repeats of a doubled day, in addition to those of other days. Half of the
/// events of a doubled day are repeats.
const REPEATS: f64 = 0.3;

/// A day with many more events than expected.
struct HighDay {
    affected: Affected,
    expected: f64,
}

impl HighDay {
    fn day(&self) -> usize {
        self.affected.days.start
    }
}

/// Finds days whose events are in the log twice, of the whole log, a source or an event type.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
pub(super) fn doubled_days(context: &Context<'_>, log: &Log) -> Result<Vec<LogFault>> {
    let high: Vec<HighDay> = context.all().flat_map(|series| high_days(context, series)).collect();
    if high.is_empty() {
        return Ok(Vec::new());
    }
    let repeats = Repeats::count(context, log, &high)?;
    let mut faults = Vec::new();
    for day in context.days().saturating_sub(RECENT)..context.days() {
        let is_doubled = |high: &&HighDay| {
            high.day() == day && repeats.is_doubled(high.affected.scope, &[], day)
        };
        let doubled: Vec<&HighDay> = high.iter().filter(is_doubled).collect();
        let persists = |high: &&HighDay, parts: &[Scope]| {
            repeats.is_empty(high.affected.scope, parts, day)
                || repeats.is_doubled(high.affected.scope, parts, day)
        };
        let doubled = most_specific(context, doubled, &[], |high| &high.affected, persists);
        faults.extend(doubled.into_iter().filter_map(|high| {
            let [source, event] = context.names(high.affected.scope);
            let [events, repeated] = repeats.counts(high.affected.scope, &[], day);
            Some(LogFault::DayDoubled {
                day: context.day(day),
                events: context.series(high.affected.scope)?.sum(day..day + 1),
                expected: rounded(high.expected),
                repeats: share(repeated, events),
                source,
                event,
            })
        }));
    }
    Ok(faults)
}

/// Returns the newest days with many more events than expected.
fn high_days(context: &Context<'_>, series: &Series) -> Vec<HighDay> {
    let rule = DeviationRule {
        direction: Direction::More,
        ratio: DOUBLED,
        min_expected: MIN_EXPECTED,
        min_deviation: DEVIATION / 2.0,
        lengths: 1..2,
        ongoing: false,
    };
    let first = context.days().saturating_sub(RECENT);
    let rest = context.rest(series);
    let Some((forecast, rest)) = forecasts(series, rest.as_ref(), first) else { return Vec::new() };
    let high = |day: usize| {
        let current = DailySeries { forecast: &forecast, counts: &series.counts[first..] };
        let rest = rest.as_ref().map(|(forecast, counts)| DailySeries { forecast, counts });
        let others: Vec<usize> = (0..RECENT).filter(|other| *other != day).collect();
        let run = largest_deviation(current, rest, &others, &rule)?;
        let days = first + day..first + day + 1;
        Some(HighDay { affected: Affected { scope: series.scope, days }, expected: run.expected })
    };
    (0..context.days() - first).filter_map(high).collect()
}

/// Events, and events that equal another one in every column, by event type and day.
struct Repeats<'a> {
    context: &'a Context<'a>,
    /// By event type of the log, its code in the daily counts.
    codes: Vec<Option<usize>>,
    /// By day, then event type of the log.
    counts: BTreeMap<usize, Vec<[u64; 2]>>,
    /// By event type of the log, on the days before the newest seven.
    before: Vec<[u64; 2]>,
}

impl<'a> Repeats<'a> {
    /// Counts the repeats of the days with many events, and of the days before.
    fn count(context: &'a Context<'a>, log: &Log, high: &[HighDay]) -> Result<Self> {
        let names = &log.events.names;
        let codes = names.iter().map(|name| context.daily.names.code(name)).collect();
        let first = context.daily.day_number(0);
        let n = context.days();
        // The first slot counts the days before the newest ones.
        let mut slots: Vec<Option<usize>> = vec![None; n];
        slots[..n.saturating_sub(RECENT)].fill(Some(0));
        let mut days: Vec<usize> = high.iter().map(HighDay::day).collect();
        days.sort_unstable();
        days.dedup();
        days.iter().enumerate().for_each(|(index, day)| slots[*day] = Some(index + 1));
        let mut counts = vec![vec![[0; 2]; names.len()]; days.len() + 1];
        let found =
            log.events.map(|events| events.repeats(first, &slots, [counts.len(), names.len()]))?;
        for partition in &found {
            let sums = counts.iter_mut().flatten().flatten();
            sums.zip(partition.iter().flatten()).for_each(|(sum, count)| *sum += count);
        }
        let before = counts.remove(0);
        Ok(Self { context, codes, counts: days.into_iter().zip(counts).collect(), before })
    }

    /// Returns events and repeats of a scope without some parts of it.
    fn sum(&self, counts: &[[u64; 2]], scope: Scope, without: &[Scope]) -> [u64; 2] {
        let is_of = |code: usize, scope: Scope| match scope {
            Scope::Event(other) => code == other,
            other => self.context.is_within(Scope::Event(code), other),
        };
        let events = self.codes.iter().zip(counts).filter(|(code, _)| {
            code.is_some_and(|code| {
                is_of(code, scope) && without.iter().all(|part| !is_of(code, *part))
            })
        });
        events.fold([0, 0], |sum, (_, count)| [sum[0] + count[0], sum[1] + count[1]])
    }

    fn counts(&self, scope: Scope, without: &[Scope], day: usize) -> [u64; 2] {
        self.counts.get(&day).map_or([0, 0], |counts| self.sum(counts, scope, without))
    }

    fn is_empty(&self, scope: Scope, without: &[Scope], day: usize) -> bool {
        self.counts(scope, without, day)[0] == 0
    }

    /// Returns whether a day has many more repeats than the days before.
    fn is_doubled(&self, scope: Scope, without: &[Scope], day: usize) -> bool {
        let [before, repeats_before] = self.sum(&self.before, scope, without);
        let [events, repeats] = self.counts(scope, without, day);
        let (usual, found) = (share(repeats_before, before), share(repeats, events));
        events > 0 && found - usual >= REPEATS * (1.0 - usual)
    }
}
