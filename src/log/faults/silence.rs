//! Days and sources without events.

use std::ops::Range;

use pql_stats::daily::exceeds_past_gaps;

use super::{Context, RECENT, Series, level, rounded};
use crate::warning::LogFault;

/// Returns the number of events expected on silent days, if this silence is improbable and longer
/// than past gaps; `None` otherwise.
///
/// # Arguments
/// * `days` – consecutive days without events
/// * `level` – maximum probability of an improbable silence
pub(super) fn improbable_silence(series: &Series, days: Range<usize>, level: f64) -> Option<f64> {
    let forecast = series.forecast_before(days.start)?;
    let offsets: Vec<usize> = (0..days.len()).collect();
    let expected = || offsets.iter().map(|day| forecast.expected(*day));
    let improbable = forecast.silence_probability(expected()) <= level
        && exceeds_past_gaps(series.history(days.start), &offsets);
    improbable.then(|| expected().sum())
}

/// Finds sources that end before the log does; returns the index and the fault of each.
pub(super) fn ended_sources(context: &Context<'_>) -> Vec<(usize, LogFault)> {
    let n = context.days();
    let last_day = |series: &Series| series.counts.iter().rposition(|count| *count > 0);
    let Some(log_end) = last_day(context.total).filter(|_| context.sources.len() > 1) else {
        return Vec::new();
    };
    let level = level(context.sources.len());
    let mut ended = Vec::new();
    for (source, series) in context.sources.iter().enumerate() {
        let today = context.daily.sources[source].today > 0;
        let Some(last) = last_day(series).filter(|last| !today && *last < log_end) else {
            continue;
        };
        // Days on which the whole log is silent are missing days.
        let days = last + 1..(log_end + 1).min(n);
        if let Some(expected) = improbable_silence(series, days, level) {
            let fault = LogFault::SourceEnded {
                source: context.daily.sources[source].name.clone(),
                last_seen: Some(context.day(last)),
                log_end: context.day(log_end),
                expected: rounded(expected),
            };
            ended.push((source, fault));
        }
    }
    ended
}

/// Finds recent days on which the log, or one of several sources, improbably has no events.
///
/// # Arguments
/// * `ended` – sources that ended, which are not checked again
pub(super) fn missing_days(context: &Context<'_>, ended: &[(usize, LogFault)]) -> Vec<LogFault> {
    let level = level(RECENT * context.sources.len().max(1));
    let n = context.days();
    let missing = |series: &Series| -> Vec<(Range<usize>, f64)> {
        let runs = Series::runs(series.start..n, |day| series.counts[day] == 0);
        let recent = runs.into_iter().filter(|run| run.end + RECENT > n);
        recent
            .filter_map(|run| {
                improbable_silence(series, run.clone(), level).map(|expected| (run, expected))
            })
            .collect()
    };
    let fault = |source, (days, expected): &(Range<usize>, f64)| LogFault::DayMissing {
        source,
        from: context.day(days.start),
        to: context.day(days.end - 1),
        expected: rounded(*expected),
    };
    let of_log = missing(context.total);
    let mut faults: Vec<LogFault> = of_log.iter().map(|run| fault(None, run)).collect();
    if context.sources.len() > 1 {
        for (source, series) in context.sources.iter().enumerate() {
            if ended.iter().any(|(index, _)| *index == source) {
                continue;
            }
            let is_new = |run: &&(Range<usize>, f64)| {
                of_log.iter().all(|(days, _)| days.end <= run.0.start || run.0.end <= days.start)
            };
            let name = context.source_name(source);
            faults
                .extend(missing(series).iter().filter(is_new).map(|run| fault(name.clone(), run)));
        }
    }
    faults
}
