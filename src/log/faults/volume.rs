//! Days with too few or too many events.

use std::ops::Range;

use pql_stats::counts::share;

use super::{Context, RECENT, Series, TrainingActivity, rounded};
use crate::error::Result;
use crate::log::Log;
use crate::log::daily::days_number;
use crate::warning::LogFault;

/// Deviation of a day from its forecast, in standard deviations of past forecasts, that counts as
/// improbable.
const DEVIATION: f64 = 4.0;
/// Largest ratio of found to expected events of a drop.
const DROP: f64 = 2.0 / 3.0;
/// Smallest ratio of found to expected events of a doubled day; natural peaks have no repeats.
const DOUBLED: f64 = 1.4;
/// Smallest share of repeats of a doubled day, in addition to those of other days. Half of the
/// events of a doubled day are repeats.
const REPEATS: f64 = 0.3;
/// Largest and smallest ratio of the events of the last training days, now and in training.
const UNCHANGED: [f64; 2] = [0.9, 1.1];
/// Smallest number of events for the comparison with training.
const MIN_HISTORY: u64 = 100;

/// Finds days with far fewer events than expected, of the whole log or of one source.
pub(super) fn drops(context: &Context<'_>, ended: &[(usize, LogFault)]) -> Vec<LogFault> {
    let n = context.days();
    let recent = n.saturating_sub(RECENT)..n;
    let drops = |series: &Series| -> Vec<(Range<usize>, u64, f64)> {
        let Some(forecast) = series.forecast_before(recent.start) else { return Vec::new() };
        let expected = |day: usize| forecast.expected(day - recent.start);
        let is_drop = |day: usize| {
            let count = series.counts[day];
            count > 0
                && f64::from(count) <= DROP * expected(day)
                && forecast.deviation(day - recent.start, count) < -DEVIATION
        };
        let runs = Series::runs(recent.clone(), is_drop).into_iter();
        runs.map(|days| (days.clone(), series.sum(days.clone()), days.map(expected).sum()))
            .collect()
    };
    let fault =
        |source, (days, events, expected): &(Range<usize>, u64, f64)| LogFault::VolumeDrop {
            source,
            from: context.day(days.start),
            to: context.day(days.end - 1),
            events: *events,
            expected: rounded(*expected),
        };
    let of_log = drops(context.total);
    if context.sources.len() < 2 {
        return of_log.iter().map(|run| fault(None, run)).collect();
    }
    let by_source: Vec<_> = context.sources.iter().map(drops).collect();
    let affected = by_source.iter().filter(|runs| !runs.is_empty()).count();
    // One source, or an ended one, explains the drop of the log.
    if of_log.is_empty() || (affected == 1 || (affected == 0 && !ended.is_empty())) {
        let of_source = by_source.iter().enumerate();
        return of_source
            .flat_map(|(source, runs)| runs.iter().map(move |run| (source, run)))
            .map(|(source, run)| fault(context.source_name(source), run))
            .collect();
    }
    of_log.iter().map(|run| fault(None, run)).collect()
}

/// Finds days whose events are in the log twice.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
pub(super) fn doubled_days(context: &Context<'_>, log: &Log) -> Result<Vec<LogFault>> {
    let n = context.days();
    let recent = n.saturating_sub(RECENT)..n;
    let is_high = |series: &Series| -> Vec<usize> {
        let Some(forecast) = series.forecast_before(recent.start) else { return Vec::new() };
        let is_high = |day: &usize| {
            let (offset, count) = (day - recent.start, series.counts[*day]);
            f64::from(count) >= DOUBLED * forecast.expected(offset)
                && forecast.deviation(offset, count) > DEVIATION / 2.0
        };
        recent.clone().filter(is_high).collect()
    };
    let mut high: Vec<usize> =
        context.sources.iter().chain([context.total]).flat_map(is_high).collect();
    high.sort_unstable();
    high.dedup();
    if high.is_empty() {
        return Ok(Vec::new());
    }
    let first = context.daily.day_number(0);
    let found = log.events.map(|events| events.repeats_by_day(first, n))?;
    let mut by_day = vec![[0_u64; 2]; n];
    for partition in &found {
        for (sum, counts) in by_day.iter_mut().flatten().zip(partition.iter().flatten()) {
            *sum += counts;
        }
    }
    let [before, repeats_before] =
        by_day[..recent.start].iter().fold([0, 0], |sum, day| [sum[0] + day[0], sum[1] + day[1]]);
    let usual = share(repeats_before, before);
    let forecast = context.total.forecast_before(recent.start);
    let faults = high.into_iter().filter_map(|day| {
        let repeats = share(by_day[day][1], by_day[day][0]);
        let expected =
            forecast.as_ref().map_or(0.0, |forecast| forecast.expected(day - recent.start));
        (repeats - usual >= REPEATS * (1.0 - usual)).then(|| LogFault::DayDoubled {
            day: context.day(day),
            events: u64::from(context.total.counts[day]),
            expected: rounded(expected),
            repeats,
        })
    });
    Ok(faults.collect())
}

/// Compares the events of the last training days with those in training.
#[expect(clippy::cast_precision_loss, reason = "counts of events")]
pub(super) fn changed_history(
    context: &Context<'_>,
    reference: &TrainingActivity,
) -> Option<LogFault> {
    let first = context.daily.day_number(0);
    let from = usize::try_from(reference.end - days_number(reference.days) - first).ok()?;
    let days = from..from + reference.days;
    // The first day of the log may be incomplete.
    let covered = context.total.start <= days.start + 1 && days.end <= context.days();
    if !covered || reference.total < MIN_HISTORY {
        return None;
    }
    let events = context.total.sum(days.clone());
    let ratio = events as f64 / reference.total as f64;
    let [low, high] = UNCHANGED;
    (!(low..=high).contains(&ratio)).then(|| LogFault::HistoryChanged {
        from: context.day(days.start),
        to: context.day(days.end - 1),
        events,
        reference: reference.total,
    })
}
