//! Event types that stopped or began.

use serde::Serialize;

use super::series::{Affected, Context, Scope, Series};
use super::silence::improbable_silence;
use super::{LEVEL, RECENT, TrainingActivity, Watch, corrected, rounded};
use crate::log::daily::{DailyCounts, EventDays, days_number};
use crate::names::nearest;
use crate::time::Day;
use crate::warning::{LogFault, Replacement};

/// Smallest number of expected events of an event type that the log lacks from its beginning.
const MIN_EXPECTED: f64 = 20.0;
/// Largest ratio of the daily events of an event type and its replacement, without a similar name.
const SIMILAR: f64 = 1.5;
/// The same with a similar name.
const SIMILAR_WITH_NAME: f64 = 5.0;
/// A replacement begins at most this many days after the last event of the old type.
const DAYS_AFTER: usize = 2;
/// With a similar name it may begin this many days earlier: clients are updated one by one.
const DAYS_BEFORE: usize = 28;
/// Smallest share of the newest events of a new event type that is reported.
const MIN_SHARE: f64 = 0.01;

/// An event type that training did not know.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewEvent {
    /// The event type.
    pub event: String,
    /// Its first day; `None`: before the counted days.
    pub first_seen: Option<Day>,
    /// Its events per day in the last seven days.
    pub per_day: f64,
}

/// An event type that stopped.
pub(super) struct Gone<'a> {
    pub(super) event: &'a str,
    /// Index of its last day; `None` if the counted days have none.
    last: Option<usize>,
    last_seen: Option<Day>,
    days: usize,
    expected: f64,
}

impl Gone<'_> {
    /// Returns the silent days; `None` if the log lacks the event type from its beginning.
    pub(super) fn affected(&self, context: &Context<'_>) -> Option<Affected> {
        let scope = Scope::Event(context.daily.names.code(self.event)?);
        self.last.map(|last| Affected { scope, days: last + 1..context.days() })
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of days")]
    fn per_day(&self) -> f64 {
        self.expected / self.days.max(1) as f64
    }
}

/// Finds known event types that stopped, the most frequent first.
///
/// Known are the event types of the last training days and those of roles and definitions.
pub(super) fn stopped_events<'a>(
    context: &Context<'_>,
    watch: Watch<'a>,
    ended: &[Affected],
) -> Vec<Gone<'a>> {
    let counts =
        |name: &str| context.daily.names.code(name).map(|code| &context.daily.events[code]);
    let known = watch.reference.iter().flat_map(|reference| &reference.events);
    let mut names: Vec<&'a str> = known.map(|(name, _)| name.as_str()).collect();
    // An event type that stopped before the training ended is no news.
    let is_news = |name: &&str| {
        counts(name).is_some_and(|counts| {
            watch.reference.is_none_or(|reference| counts.last >= reference.end)
        })
    };
    names.extend(watch.named.iter().map(String::as_str).filter(is_news));
    names.sort_unstable();
    names.dedup();
    let level = corrected(LEVEL, names.len());
    let mut gone: Vec<Gone<'a>> = names
        .into_iter()
        .filter_map(|name| match counts(name) {
            Some(event) if event.today > 0 => None,
            Some(event) if event.by_day.iter().any(|count| *count > 0) => {
                stopped(context, name, (event, level), ended)
            }
            event => absent(context, name, event, watch.reference?),
        })
        .collect();
    gone.sort_by(|a, b| b.expected.total_cmp(&a.expected));
    gone
}

/// Describes known event types that stopped, each with the event type that may have replaced it.
pub(super) fn gone(context: &Context<'_>, watch: Watch<'_>, stopped: &[Gone<'_>]) -> Vec<LogFault> {
    let (mut taken, mut faults) = (Vec::new(), Vec::new());
    for gone in stopped {
        let replacement = replacement(context, gone, watch, &taken);
        // The configuration already has both names.
        let is_mapped = replacement.as_ref().is_some_and(|new| {
            watch.named.contains(&new.event) && watch.named.contains(gone.event)
        });
        taken.extend(replacement.iter().map(|new| new.event.clone()));
        if !is_mapped {
            faults.push(LogFault::EventGone {
                event: gone.event.to_owned(),
                last_seen: gone.last_seen,
                days: gone.days,
                expected: rounded(gone.expected),
                replacement,
            });
        }
    }
    faults
}

/// Checks an event type whose last event is on a counted day.
fn stopped<'a>(
    context: &Context<'_>,
    event: &'a str,
    (counts, level): (&EventDays, f64),
    ended: &[Affected],
) -> Option<Gone<'a>> {
    let n = context.days();
    let last = counts.by_day.iter().rposition(|count| *count > 0)?;
    let scope = Scope::Event(context.daily.names.code(event)?);
    if last + 1 == n || ended.iter().any(|source| context.is_explained(scope, source.scope)) {
        return None;
    }
    let series = Series { scope, counts: counts.by_day.clone(), start: context.log.start };
    let expected = improbable_silence(context, &series, last + 1..n, level)?;
    Some(Gone {
        event,
        last: Some(last),
        last_seen: Some(context.day(last)),
        days: n - last - 1,
        expected,
    })
}

/// Checks an event type that no counted day has, by its rate in training.
#[expect(clippy::cast_precision_loss, reason = "counts of events and days")]
fn absent<'a>(
    context: &Context<'_>,
    event: &'a str,
    counts: Option<&EventDays>,
    reference: &TrainingActivity,
) -> Option<Gone<'a>> {
    let count = reference.events.iter().find(|(name, _)| name == event)?.1;
    let first = context.daily.day_number(context.log.start.min(context.days()));
    let since = first.max(reference.end - days_number(reference.days));
    let days = usize::try_from(context.daily.end - since).ok()?;
    let expected = count as f64 / reference.days.max(1) as f64 * days as f64;
    (expected >= MIN_EXPECTED && days > 1).then(|| Gone {
        event,
        last: None,
        last_seen: counts.map(|counts| Day::from_number(counts.last)),
        days,
        expected,
    })
}

/// Returns the event type that most likely replaced another one: it began when the other stopped,
/// and has about as many events.
#[expect(clippy::cast_precision_loss, reason = "a number of days")]
fn replacement(
    context: &Context<'_>,
    gone: &Gone<'_>,
    watch: Watch<'_>,
    taken: &[String],
) -> Option<Replacement> {
    let is_known = |name: &str| {
        watch
            .reference
            .is_some_and(|reference| reference.events.iter().any(|(known, _)| known == name))
    };
    let n = context.days();
    let mut best: Option<(f64, Replacement)> = None;
    for (name, counts) in context.daily.names.iter().zip(&context.daily.events) {
        if name == gone.event || is_known(name) || taken.iter().any(|taken| taken == name) {
            continue;
        }
        let since = gone.last.map_or(n - gone.days.min(n), |last| last + 1);
        let events: u64 = counts.by_day[since..].iter().copied().map(u64::from).sum();
        let first = counts.by_day.iter().position(|count| *count > 0);
        let (Some(first), true) = (first, events > 0) else { continue };
        let similar_name = is_similar(name, gone.event);
        let earliest = |days: usize| {
            gone.last.is_none_or(|last| {
                counts.before == 0 && first + days >= last && first <= last + 1 + DAYS_AFTER
            })
        };
        // A replacement may have begun after the first silent day.
        let days = (n - since.max(first)).max(1);
        let per_day = events as f64 / days as f64;
        let ratio = (per_day / gone.per_day().max(1e-9)).ln().abs();
        let is_candidate = if similar_name {
            earliest(DAYS_BEFORE) && ratio <= SIMILAR_WITH_NAME.ln()
        } else {
            earliest(0) && ratio <= SIMILAR.ln()
        };
        // Similar names come first.
        let distance = if similar_name { ratio - SIMILAR_WITH_NAME.ln() } else { ratio };
        if is_candidate && best.as_ref().is_none_or(|(other, _)| distance < *other) {
            let new = Replacement {
                event: name.to_owned(),
                first_seen: gone.last.map(|_| context.day(first)),
                per_day,
                expected_per_day: gone.per_day(),
            };
            best = Some((distance, new));
        }
    }
    best.map(|(_, replacement)| replacement)
}

/// Returns whether two names are equal apart from case and punctuation, or nearly equal.
fn is_similar(one: &str, other: &str) -> bool {
    let normalized = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    normalized(one) == normalized(other) || nearest(one, [other]).is_some()
}

/// See [`super::new_events`].
#[expect(clippy::cast_precision_loss, reason = "a number of days")]
pub(super) fn new_events(daily: &DailyCounts, reference: &TrainingActivity) -> Vec<NewEvent> {
    let recent = daily.days().saturating_sub(RECENT)..daily.days();
    let sum = |by_day: &[u32]| by_day[recent.clone()].iter().copied().map(f64::from).sum::<f64>();
    let total = sum(&daily.total());
    let is_known = |name: &str| reference.events.iter().any(|(known, _)| known == name);
    let mut new: Vec<NewEvent> = daily
        .names
        .iter()
        .zip(&daily.events)
        // A full list of known names is truncated, so other names may not be new.
        .filter(|_| reference.events.len() < super::MAX_EVENT_TYPES)
        .filter(|(name, counts)| {
            !is_known(name) && sum(&counts.by_day) >= MIN_SHARE * total.max(1.0)
        })
        .map(|(name, counts)| {
            let first = counts.by_day.iter().position(|count| *count > 0);
            let first = first.filter(|_| counts.before == 0);
            NewEvent {
                event: name.to_owned(),
                first_seen: first.map(|day| Day::from_number(daily.day_number(day))),
                per_day: sum(&counts.by_day) / recent.len().max(1) as f64,
            }
        })
        .collect();
    new.sort_by(|a, b| b.per_day.total_cmp(&a.per_day).then_with(|| a.event.cmp(&b.event)));
    new
}
