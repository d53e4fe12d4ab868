//! Days with too few events, and a history that has changed since training.

use std::ops::Range;

use pql_stats::deviation::{DeviationRule, largest_drop, normal_deviation};

use super::series::{Affected, Context, Scope, Series, most_specific};
use super::{RECENT, TrainingActivity, corrected, rounded};
use crate::log::daily::days_number;
use crate::warning::LogFault;

/// Largest ratio of found to expected events of a drop.
const DROP: f64 = 2.0 / 3.0;
/// Fewest expected events of a series that is checked.
const MIN_EXPECTED: f64 = 20.0;
/// Fewest events of the newest days and of the four weeks before: fewer cannot let expect 20.
const MIN_EVENTS: u64 = 10;
/// Nominal significance level of the deviation, over the series of one kind together. Residuals have
/// heavier tails than a normal distribution, so false alarms are more frequent.
const DROP_LEVEL: f64 = 1e-5;
/// Additional deviation of runs of more than seven days, whose forecast is older.
const DEVIATION_OF_LONG_RUN: f64 = 1.0;
/// Largest and smallest ratio of the events of the last training days, now and in training.
const UNCHANGED: [f64; 2] = [0.9, 1.1];
/// Smallest number of events for the comparison with training.
const MIN_HISTORY: u64 = 100;

/// Days on which a series has far fewer events than expected.
struct Drop {
    affected: Affected,
    events: u64,
    expected: f64,
    margin: f64,
}

/// Finds days with far fewer events than expected, of the whole log, a source or an event type.
///
/// # Arguments
/// * `silent` – days without events, which are other faults
pub(super) fn drops(context: &Context<'_>, silent: &[Affected]) -> Vec<LogFault> {
    let found: Vec<Drop> =
        context.all().filter_map(|series| drop_of(context, series, silent)).collect();
    let mut kept = most_specific(
        context,
        found,
        silent,
        |drop| &drop.affected,
        |drop, parts| persists(context, drop, parts, silent),
    );
    let losses: Vec<(usize, Range<usize>, f64)> = source_losses(&kept, silent);
    kept.retain(|drop| !is_explained(context, drop, &losses));
    let fault = |drop: &Drop| {
        let [source, event] = context.names(drop.affected.scope);
        let days = &drop.affected.days;
        LogFault::VolumeDrop {
            source,
            from: context.day(days.start),
            to: context.day(days.end - 1),
            events: drop.events,
            expected: rounded(drop.expected),
            event,
        }
    };
    kept.iter().map(fault).collect()
}

/// Returns the run of days on which a series lacks the most events.
///
/// Checked are runs of the newest seven days, and longer runs of the newest fourteen days up to the
/// last one.
fn drop_of(context: &Context<'_>, series: &Series, silent: &[Affected]) -> Option<Drop> {
    let rest = context.rest(series);
    let skipped: Vec<usize> = silent
        .iter()
        .filter(|fault| context.is_explained(series.scope, fault.scope))
        .flat_map(|fault| fault.days.clone())
        .filter_map(|day| day.checked_sub(series.start))
        .collect();
    let deviation = normal_deviation(corrected(DROP_LEVEL, context.count_like(series.scope)));
    let rules = [
        (RECENT, deviation, 1..RECENT + 1),
        (2 * RECENT, deviation + DEVIATION_OF_LONG_RUN, RECENT + 1..2 * RECENT + 1),
    ];
    let drop = |(days, min_deviation, lengths): (usize, f64, Range<usize>)| {
        let forecasts = series.forecasts(days, MIN_EVENTS)?;
        let of_rest = match &rest {
            Some(rest) => Some(rest.forecasts(days, 0)?),
            None => None,
        };
        let rule = DeviationRule {
            ratio: DROP,
            min_expected: MIN_EXPECTED,
            min_deviation,
            ongoing: days > RECENT,
            days,
            lengths,
        };
        let run = largest_drop(&forecasts, of_rest.as_ref(), &skipped, &rule)?;
        let days = series.start + run.days.start..series.start + run.days.end;
        Some(Drop {
            events: series.sum(days.clone()),
            affected: Affected { scope: series.scope, days },
            expected: run.expected,
            margin: run.margin,
        })
    };
    rules.into_iter().filter_map(drop).max_by(|a, b| a.margin.total_cmp(&b.margin))
}

/// Returns whether a log or source without some of its parts has too few events on the same days.
/// Without any other events, it has, unless parts are silent: this is the more specific fault.
fn persists(context: &Context<'_>, drop: &Drop, parts: &[Scope], silent: &[Affected]) -> bool {
    /// Smallest share of the expected events of the other parts.
    const MIN_SHARE: f64 = 0.01;
    /// The same if parts are silent.
    const MIN_SHARE_IN_SILENCE: f64 = 0.2;
    let days = drop.affected.days.clone();
    let expected = |scope: Scope| {
        let forecast = context.series(scope).and_then(|series| series.forecast_before(days.start));
        forecast.map_or(0.0, |f| (0..days.len()).map(|day| f.expected(day)).sum::<f64>())
    };
    let events = |scope: Scope| context.series(scope).map_or(0, |series| series.sum(days.clone()));
    let whole = expected(drop.affected.scope);
    let remaining = whole - parts.iter().map(|part| expected(*part)).sum::<f64>();
    let overlaps = |other: &Range<usize>| other.start < days.end && days.start < other.end;
    let is_silent =
        |part: &Scope| silent.iter().any(|fault| fault.scope == *part && overlaps(&fault.days));
    if parts.iter().any(is_silent) && remaining < MIN_SHARE_IN_SILENCE * whole {
        return false;
    }
    if remaining < MIN_SHARE * whole {
        return true;
    }
    let found = drop.events.saturating_sub(parts.iter().map(|part| events(*part)).sum());
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    let found = found as f64;
    // The same share of the expected events is missing in the rest of the log.
    let ratio = drop.expected / whole.max(1.0);
    found <= DROP * ratio * remaining
}

/// Returns the share of the expected events that each source lacks on some days.
#[expect(clippy::cast_precision_loss, reason = "counts of events")]
fn source_losses(drops: &[Drop], silent: &[Affected]) -> Vec<(usize, Range<usize>, f64)> {
    let of_drops = drops.iter().map(|drop| {
        (
            drop.affected.scope,
            &drop.affected.days,
            1.0 - drop.events as f64 / drop.expected.max(1.0),
        )
    });
    let of_silence = silent.iter().map(|silent| (silent.scope, &silent.days, 1.0));
    let of_sources = of_drops.chain(of_silence).filter_map(|(scope, days, loss)| match scope {
        Scope::Source(source) => Some((source, days.clone(), loss)),
        Scope::Log | Scope::Event(_) => None,
    });
    of_sources.collect()
}

/// Returns whether losses of its sources explain the drop of an event type.
#[expect(clippy::cast_precision_loss, reason = "counts of events and days")]
fn is_explained(context: &Context<'_>, drop: &Drop, losses: &[(usize, Range<usize>, f64)]) -> bool {
    let Scope::Event(code) = drop.affected.scope else { return false };
    let own = &drop.affected.days;
    let explained: f64 = losses
        .iter()
        .map(|(source, days, loss)| {
            let common = own.end.min(days.end).saturating_sub(own.start.max(days.start));
            let share = common as f64 / own.len() as f64;
            loss * share * context.daily.events[code].share_from(*source)
        })
        .sum();
    drop.events as f64 > DROP * drop.expected * (1.0 - explained)
}

/// Compares the events of the last training days with those in training, of the whole log or of
/// event types.
pub(super) fn changed_history(
    context: &Context<'_>,
    reference: &TrainingActivity,
) -> Vec<LogFault> {
    let first = context.daily.day_number(0);
    let from = usize::try_from(reference.end - days_number(reference.days) - first);
    let Ok(days) = from.map(|from| from..from + reference.days) else { return Vec::new() };
    // The first day of the log may be incomplete.
    let covered = context.log.start <= days.start + 1 && days.end <= context.days();
    if !covered || reference.days == 0 {
        return Vec::new();
    }
    let counts = |scope: Scope| {
        let series = context.series(scope)?;
        let reference = match scope {
            Scope::Event(code) => {
                let name = &context.daily.names[code];
                reference.events.iter().find(|(known, _)| known == name)?.1
            }
            Scope::Log | Scope::Source(_) => reference.total,
        };
        Some([series.sum(days.clone()), reference])
    };
    #[expect(clippy::cast_precision_loss, reason = "counts of events")]
    let is_changed = |[events, reference]: [u64; 2]| {
        let [low, high] = UNCHANGED;
        !(low..=high).contains(&(events as f64 / reference as f64))
    };
    let scopes = context.events.iter().map(|series| series.scope).chain([Scope::Log]);
    let changed = scopes
        .filter_map(|scope| Some((Affected { scope, days: days.clone() }, counts(scope)?)))
        // An event type without events is gone.
        .filter(|(_, counts)| counts[0] > 0 && counts[1] >= MIN_HISTORY && is_changed(*counts));
    let persists = |(_, [events, reference]): &(Affected, [u64; 2]), parts: &[Scope]| {
        let of_parts = parts.iter().filter_map(|part| counts(*part));
        let [of_events, of_reference] = of_parts.fold([0, 0], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let remaining = reference.saturating_sub(of_reference);
        // Without any other events.
        remaining * 100 < *reference || is_changed([events.saturating_sub(of_events), remaining])
    };
    most_specific(context, changed.collect(), &[], |(affected, _)| affected, persists)
        .into_iter()
        .map(|(affected, [events, reference])| LogFault::HistoryChanged {
            from: context.day(days.start),
            to: context.day(days.end - 1),
            events,
            reference,
            event: context.names(affected.scope)[1].clone(),
        })
        .collect()
}
