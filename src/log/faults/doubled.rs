//! Days whose events are in the log twice.

use super::series::{Affected, Context, Scope, Series, most_specific};
use super::{LEVEL, RECENT, corrected, rounded};
use crate::error::Result;
use crate::log::Log;
use crate::log::event_store::CopyCounts;
use crate::warning::LogFault;

/// Days before the checked ones whose share of copies is usual.
const REFERENCE_DAYS: usize = 56;
/// Fewest reference days with events.
const MIN_REFERENCE_DAYS: usize = 14;
/// Fewest events of a day that is checked.
const MIN_EVENTS: u64 = 20;
/// Smallest share of repeats of a doubled day among the events that usually repeat no other. Half of
/// the events of a doubled day are repeats.
const REPEATS: f64 = 0.3;
/// Largest share of the distinct events whose number of copies is divisible neither by 2 nor by 3, in
/// relation to the usual one. If 30% of the events are second copies, it is 57%.
const SINGLE: f64 = 0.6;
/// Largest usual share of these: a log without any repeats yet may have a few.
const MAX_SINGLE: f64 = 0.98;
/// Reference days that look doubled, at most: a log that often has them raises no alarm.
const MAX_USUAL: usize = 2;
/// Most event types of which copies are counted, 6 MB.
const MAX_NAMES: usize = 4_096;
/// Smallest ratio of found to expected events at which the copies of a log are counted whose events
/// exceed the memory.
const HIGH: f64 = 1.2;

/// Finds days whose events are in the log twice, of the whole log, a source or an event type.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
pub(super) fn doubled_days(context: &Context<'_>, log: &Log) -> Result<Vec<LogFault>> {
    // Another pass over a log that exceeds the memory takes long.
    let is_worth_it = log.events.is_in_memory() || context.all().any(has_high_day);
    if context.days() < RECENT + MIN_REFERENCE_DAYS
        || log.events.names.len() > MAX_NAMES
        || !is_worth_it
    {
        return Ok(Vec::new());
    }
    Ok(DailyCopies::count(context, log)?.faults(context))
}

/// Returns whether the newest days have one with more events than expected, or with an unknown
/// expectation.
fn has_high_day(series: &Series) -> bool {
    let newest = series.counts.len().saturating_sub(RECENT)..series.counts.len();
    let expected = |day| series.forecast_before(day).map(|forecast| forecast.expected(0));
    newest.filter(|day| series.sum(*day..day + 1) >= MIN_EVENTS).any(|day| {
        expected(day).is_none_or(|expected| f64::from(series.counts[day]) >= HIGH * expected)
    })
}

/// Events and copies of the newest days and of the reference days before.
#[derive(Clone)]
pub(super) struct DailyCopies {
    /// Index of the first day.
    pub(super) first: usize,
    /// By day, then event type of the daily counts.
    pub(super) days: Vec<Vec<CopyCounts>>,
}

/// The events of a scope without some parts of it.
#[derive(Debug, Clone, Copy)]
struct Selection<'a> {
    scope: Scope,
    without: &'a [Scope],
}

/// What is usual on the reference days.
struct UsualCopies {
    /// Share of distinct events.
    distinct: f64,
    /// Share of the distinct events whose number of copies is divisible neither by 2 nor by 3.
    single: f64,
}

impl DailyCopies {
    /// Counts the copies of the newest 63 days.
    fn count(context: &Context<'_>, log: &Log) -> Result<Self> {
        let first = context.days().saturating_sub(RECENT + REFERENCE_DAYS);
        let day_count = context.days() - first;
        let counts = log.events.copies(context.daily.day_number(first), day_count)?;
        let names = &log.events.names;
        let codes: Vec<Option<usize>> =
            names.iter().map(|name| context.daily.names.code(name)).collect();
        let mut days = vec![vec![CopyCounts::default(); context.daily.names.len()]; day_count];
        for (day, counts) in days.iter_mut().zip(counts.chunks(names.len().max(1))) {
            for (code, count) in codes.iter().zip(counts) {
                if let Some(code) = code {
                    day[*code] = *count;
                }
            }
        }
        Ok(Self { first, days })
    }

    /// Finds the newest days whose events are in the log twice.
    pub(super) fn faults(&self, context: &Context<'_>) -> Vec<LogFault> {
        let mut faults = Vec::new();
        for day in context.days().saturating_sub(RECENT)..context.days() {
            let doubled: Vec<Affected> = context
                .all()
                .filter(|series| {
                    let all = Selection { scope: series.scope, without: &[] };
                    self.is_doubled(context, all, day)
                })
                .map(|series| Affected { scope: series.scope, days: day..day + 1 })
                .collect();
            let persists = |affected: &Affected, parts: &[Scope]| {
                // The rest may have too few events for an alarm of its own.
                let rest = Selection { scope: affected.scope, without: parts };
                let found = self.sum(context, rest, day);
                found.events == 0
                    || self.usual(context, rest).is_none_or(|usual| usual.has_fewer(&found))
            };
            let doubled = most_specific(context, doubled, &[], |affected| affected, persists);
            faults.extend(
                doubled.iter().filter_map(|affected| self.fault(context, affected.scope, day)),
            );
        }
        faults
    }

    fn fault(&self, context: &Context<'_>, scope: Scope, day: usize) -> Option<LogFault> {
        let [source, event] = context.names(scope);
        let (series, all) = (context.series(scope)?, Selection { scope, without: &[] });
        let usual = self.usual(context, all)?;
        Some(LogFault::DayDoubled {
            day: context.day(day),
            events: series.sum(day..day + 1),
            expected: series.forecast_before(day).map(|forecast| rounded(forecast.expected(0))),
            repeats: 1.0 - self.sum(context, all, day).distinct_share(),
            usual_repeats: 1.0 - usual.distinct,
            source,
            event,
        })
    }

    /// Returns the events of a selection on a day.
    fn sum(&self, context: &Context<'_>, selection: Selection<'_>, day: usize) -> CopyCounts {
        let mut sum = CopyCounts::default();
        let Some(counts) = day.checked_sub(self.first).and_then(|day| self.days.get(day)) else {
            return sum;
        };
        let is_of = |code: usize, scope: Scope| match scope {
            Scope::Event(other) => code == other,
            other => context.is_within(Scope::Event(code), other),
        };
        for (code, counts) in counts.iter().enumerate().filter(|(_, counts)| counts.events > 0) {
            if is_of(code, selection.scope)
                && selection.without.iter().all(|part| !is_of(code, *part))
            {
                sum += *counts;
            }
        }
        sum
    }

    /// Returns the reference days with events.
    fn reference(&self, context: &Context<'_>, selection: Selection<'_>) -> Vec<CopyCounts> {
        let end = context.days().saturating_sub(RECENT);
        let days = self.first.max(end.saturating_sub(REFERENCE_DAYS))..end;
        let sums = days.map(|day| self.sum(context, selection, day));
        sums.filter(|counts| counts.events > 0).collect()
    }

    /// Returns what is usual; `None` with few reference days.
    fn usual(&self, context: &Context<'_>, selection: Selection<'_>) -> Option<UsualCopies> {
        let days = self.reference(context, selection);
        let mut sum = CopyCounts::default();
        days.iter().for_each(|day| sum += *day);
        (days.len() >= MIN_REFERENCE_DAYS).then(|| UsualCopies {
            distinct: sum.distinct_share(),
            single: sum.single_share().min(MAX_SINGLE),
        })
    }

    /// Returns whether a day has many more copies than the reference days.
    fn is_doubled(&self, context: &Context<'_>, selection: Selection<'_>, day: usize) -> bool {
        let found = self.sum(context, selection, day);
        if found.events < MIN_EVENTS || found.distinct_share() > 1.0 - REPEATS {
            return false;
        }
        let Some(usual) = self.usual(context, selection) else { return false };
        let level = corrected(LEVEL, RECENT * context.count_like(selection.scope));
        let is_like_doubled = |day: &CopyCounts| usual.is_exceeded(day, level);
        is_like_doubled(&found)
            && self.reference(context, selection).iter().filter(|day| is_like_doubled(day)).count()
                <= MAX_USUAL
    }
}

impl UsualCopies {
    /// Returns whether a day looks doubled: it has far fewer distinct events, and the numbers of their
    /// copies are divisible by 2 or 3 more often than by chance.
    fn is_exceeded(&self, day: &CopyCounts, level: f64) -> bool {
        self.has_fewer(day) && tail_bound(day.distinct, day.single_share(), self.single) <= level
    }

    /// Returns whether the shares are far lower than usual, which may be by chance.
    fn has_fewer(&self, day: &CopyCounts) -> bool {
        day.distinct_share() <= (1.0 - REPEATS) * self.distinct
            && day.single_share() <= SINGLE * self.single
    }
}

impl CopyCounts {
    #[expect(clippy::cast_precision_loss, reason = "counts of events")]
    fn distinct_share(&self) -> f64 {
        self.distinct as f64 / (self.events as f64).max(1.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of events")]
    fn single_share(&self) -> f64 {
        (self.distinct - self.multiplied) as f64 / (self.distinct as f64).max(1.0)
    }
}

/// Returns an upper bound of the probability that at most a share of n events has a property of
/// probability `p`, for a share below `p`.
///
/// # Source
/// Hoeffding, "Probability inequalities for sums of bounded random variables", *Journal of the
/// American Statistical Association* 58 (1963), theorem 1
#[expect(clippy::cast_precision_loss, reason = "a count of events")]
fn tail_bound(n: u64, share: f64, p: f64) -> f64 {
    let term = |a: f64, b: f64| if a > 0.0 { a * (a / b).ln() } else { 0.0 };
    (-(n as f64) * (term(share, p) + term(1.0 - share, 1.0 - p))).exp()
}
