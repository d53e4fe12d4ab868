//! Days, sources and event types without events.

use std::ops::Range;

use pql_stats::daily::{dispersion, exceeds_past_gaps, silence_probability};

use super::series::{Affected, Context, Scope, Series};
use super::{LEVEL, RECENT, corrected, rounded};
use crate::warning::LogFault;

/// Returns the number of events expected on silent days, if this silence is improbable and longer
/// than past gaps; `None` otherwise.
///
/// For a part of the log, days on which the rest has fewer events than expected count less, and
/// days on which the log has no events do not count. The rest of a source are the sources with
/// events on these days, so that several sources can be silent at once.
///
/// # Arguments
/// * `days` – consecutive days without events
/// * `level` – maximum probability of an improbable silence
pub(super) fn improbable_silence(
    context: &Context<'_>,
    series: &Series,
    days: Range<usize>,
    level: f64,
) -> Option<f64> {
    let forecast = series.forecast_before(days.start)?;
    let rest = context.rest_in_silence(series, &days);
    let rest_forecast = rest.as_ref().and_then(|rest| rest.forecast_before(days.start));
    let counts = |offset: usize| rest.is_none() || context.log.counts[days.start + offset] > 0;
    let silent: Vec<usize> = (0..days.len()).filter(|offset| counts(*offset)).collect();
    let ratio = |offset: usize| {
        rest.as_ref().zip(rest_forecast.as_ref()).map_or(1.0, |(rest, forecast)| {
            let count = f64::from(rest.counts[days.start + offset]);
            ((count + 0.5) / (forecast.expected(offset) + 0.5)).min(1.0)
        })
    };
    let adjusted = silent.iter().map(|offset| ratio(*offset) * forecast.expected(*offset));
    let history = series.history(days.start);
    let improbable = silence_probability(adjusted, dispersion(history)) <= level
        && exceeds_past_gaps(history, &silent);
    improbable.then(|| silent.iter().map(|offset| forecast.expected(*offset)).sum())
}

/// Finds sources that end before the log does.
pub(super) fn ended_sources(context: &Context<'_>) -> Vec<(Affected, LogFault)> {
    let n = context.days();
    let last_day = |series: &Series| series.counts.iter().rposition(|count| *count > 0);
    let Some(log_end) = last_day(&context.log) else { return Vec::new() };
    let level = corrected(LEVEL, context.sources.len());
    let mut ended = Vec::new();
    for series in &context.sources {
        let Scope::Source(source) = series.scope else { continue };
        let Some(last) =
            last_day(series).filter(|last| context.today(series.scope) == 0 && *last < log_end)
        else {
            continue;
        };
        // Days on which the whole log is silent are missing days.
        let days = last + 1..(log_end + 1).min(n);
        if let Some(expected) = improbable_silence(context, series, days, level) {
            let fault = LogFault::SourceEnded {
                source: context.daily.sources[source].name.clone(),
                last_seen: Some(context.day(last)),
                log_end: context.day(log_end),
                expected: rounded(expected),
            };
            ended.push((Affected { scope: series.scope, days: last + 1..n }, fault));
        }
    }
    ended
}

/// Finds recent days on which the log, a source or an event type improbably has no events.
///
/// # Arguments
/// * `ended` – sources that ended and event types that stopped, which are not checked again
pub(super) fn missing_days(context: &Context<'_>, ended: &[Affected]) -> Vec<(Affected, LogFault)> {
    let n = context.days();
    let mut missing: Vec<(Affected, LogFault)> = Vec::new();
    for series in context.all() {
        let scope = series.scope;
        let level = corrected(LEVEL, RECENT * context.count_like(scope));
        for days in series.silent_runs().into_iter().filter(|run| run.end + RECENT > n) {
            // An event type without later events has stopped.
            let stopped = days.end == n && context.today(scope) == 0;
            let is_explained = ended.iter().chain(missing.iter().map(|(affected, _)| affected));
            let mut explaining = is_explained.filter(|affected| affected.overlaps(&days));
            if matches!(scope, Scope::Event(_)) && stopped
                || explaining.any(|affected| context.is_explained(scope, affected.scope))
            {
                continue;
            }
            let Some(expected) = improbable_silence(context, series, days.clone(), level) else {
                continue;
            };
            let [source, event] = context.names(scope);
            let fault = LogFault::DayMissing {
                source,
                from: context.day(days.start),
                to: context.day(days.end - 1),
                expected: rounded(expected),
                event,
            };
            missing.push((Affected { scope, days }, fault));
        }
    }
    missing
}
