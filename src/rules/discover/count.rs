//! Counts of each account at each landmark, in one pass over the log.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::config::{Condition, DefinitionConfig};
use crate::error::Result;
use crate::log::{Events, Log, NO_USER};
use crate::names::counted;
use crate::time::{DAY, TimeSpan};

/// Number of event names that are searched: those of the most accounts.
const MAX_EVENT_NAMES: usize = 100;

/// A quantity that a condition counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// Events of a name, by code.
    Event(u16),
    Users,
    Features,
    ActiveDays,
}

/// A condition: a measure is at least `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MinimumCondition {
    pub(super) measure: Measure,
    pub(super) n: u16,
}

impl MinimumCondition {
    /// Returns the condition as written in `pql.toml`.
    fn condition(self, log: &Log) -> Condition {
        let n = Some(u64::from(self.n));
        match self.measure {
            Measure::Event(code) => Condition {
                event: Some(log.events.names[usize::from(code)].to_owned()),
                at_least: Some(f64::from(self.n)),
                ..Condition::default()
            },
            Measure::Users => Condition { users: n, ..Condition::default() },
            Measure::Features => Condition { features: n, ..Condition::default() },
            Measure::ActiveDays => Condition { active_days: n, ..Condition::default() },
        }
    }

    /// Returns the condition as part of a rule name, such as `3 users` or `login 8 times`.
    fn label(self, log: &Log) -> String {
        match self.measure {
            Measure::Event(code) => {
                let name = quote_if_ambiguous(&log.events.names[usize::from(code)]);
                if self.n == 1 {
                    format!("{name} once")
                } else {
                    format!("{name} {} times", self.n)
                }
            }
            Measure::Users => counted(self.n.into(), "user"),
            Measure::Features => counted(self.n.into(), "feature"),
            Measure::ActiveDays => counted(self.n.into(), "active day"),
        }
    }
}

/// Quotes an event name that would be ambiguous in the name of a rule.
fn quote_if_ambiguous(name: &str) -> String {
    let like_a_measure = ["users", "features", "active days"].contains(&name);
    let like_a_rule =
        [" and ", " within ", " once", " times", "\"", "\\"].iter().any(|part| name.contains(part));
    let blank = name.trim() != name || name.is_empty() || name.contains(char::is_control);
    if like_a_measure || like_a_rule || blank { format!("{name:?}") } else { name.to_owned() }
}

/// Creates a definition from one or two conditions and a number of days after sign-up.
pub(super) fn rule(conditions: &[MinimumCondition], days: i64, log: &Log) -> DefinitionConfig {
    let labels: Vec<String> = conditions.iter().map(|condition| condition.label(log)).collect();
    DefinitionConfig {
        name: format!("{} within {}", labels.join(" and "), counted(days.unsigned_abs(), "day")),
        within: Some(TimeSpan::days(days)),
        all: conditions.iter().map(|condition| condition.condition(log)).collect(),
        ..DefinitionConfig::default()
    }
}

/// Counts by landmark, measure and account, capped at 65,535.
pub(super) struct MeasureCounts {
    pub(super) measures: Vec<Measure>,
    accounts: usize,
    counts: Vec<u16>,
}

impl MeasureCounts {
    /// Counts the events of each account up to each landmark.
    ///
    /// # Arguments
    /// * `days` – landmarks, ascending
    /// * `excluded_events` – codes of event names that are not used in rules
    pub(super) fn compute(
        log: &Log,
        days: &[i64],
        excluded_events: &BTreeSet<usize>,
    ) -> Result<Self> {
        let measures = measures(log, excluded_events)?;
        let accounts = log.accounts.id.len();
        let mut all = vec![0; days.len() * measures.len() * accounts];
        let parts = log
            .events
            .map(|events| (events.accounts.clone(), count_part(log, events, days, &measures)))?;
        for (range, part) in parts {
            for (rows, counted) in
                all.chunks_exact_mut(accounts).zip(part.chunks_exact(range.len()))
            {
                rows[range.clone()].copy_from_slice(counted);
            }
        }
        Ok(Self { measures, accounts, counts: all })
    }

    /// Returns the counts of one measure by account.
    pub(super) fn get(&self, landmark: usize, measure: usize) -> &[u16] {
        let row = landmark * self.measures.len() + measure;
        &self.counts[row * self.accounts..(row + 1) * self.accounts]
    }
}

/// Returns the event names of the most accounts in code order, then users, features and active
/// days.
fn measures(log: &Log, excluded_events: &BTreeSet<usize>) -> Result<Vec<Measure>> {
    let names = log.events.names.len();
    let parts = log.events.map(|events| {
        let mut with = vec![0_u64; names];
        let mut last_account = vec![usize::MAX; names];
        for account in events.accounts.clone() {
            for event in &events.event[events.account_range(account)] {
                with[usize::from(*event)] += u64::from(
                    std::mem::replace(&mut last_account[usize::from(*event)], account) != account,
                );
            }
        }
        with
    })?;
    let with = |event: usize| parts.iter().map(|part| part[event]).sum::<u64>();
    let mut order: Vec<usize> =
        (0..names).filter(|event| !excluded_events.contains(event)).collect();
    order.sort_by_key(|event| (std::cmp::Reverse(with(*event)), *event));
    order.truncate(MAX_EVENT_NAMES);
    order.sort_unstable();
    let names = order
        .into_iter()
        .map(|event| Measure::Event(u16::try_from(event).expect("names have u16 codes")));
    Ok(names.chain([Measure::Users, Measure::Features, Measure::ActiveDays]).collect())
}

/// Counts the events of the accounts in a part of the log, by landmark, measure, then account.
fn count_part(log: &Log, events: &Events, days: &[i64], measures: &[Measure]) -> Vec<u16> {
    let n = events.accounts.len();
    let mut out = vec![0; days.len() * measures.len() * n];
    let mut place_of = vec![None; log.events.names.len()];
    for (place, measure) in measures.iter().enumerate() {
        if let Measure::Event(code) = measure {
            place_of[usize::from(*code)] = Some(place);
        }
    }
    for (position, account) in events.accounts.clone().enumerate() {
        let signed_up = log.accounts.signed_up[account];
        let mut progress = AccountProgress {
            place_of: &place_of,
            signed_up,
            counts: vec![0; measures.len()],
            users: BTreeSet::new(),
            names: BTreeSet::new(),
            days: BTreeSet::new(),
        };
        let order = by_known_time(events, events.account_range(account));
        let mut next = order.iter().peekable();
        for (landmark, days) in days.iter().enumerate() {
            while let Some((_, row)) =
                next.next_if(|(known_at, _)| *known_at < signed_up + days * DAY)
            {
                progress.record(events, *row);
            }
            progress.write(|measure, count| {
                out[(landmark * measures.len() + measure) * n + position] = count;
            });
        }
    }
    out
}

/// Returns the events with the time when they became known, in that order.
fn by_known_time(events: &Events, range: Range<usize>) -> Vec<(i64, usize)> {
    let mut order: Vec<(i64, usize)> = range.map(|row| (events.known_at(row), row)).collect();
    if !order.is_sorted() {
        order.sort_unstable();
    }
    order
}

/// Counters of one account.
struct AccountProgress<'a> {
    place_of: &'a [Option<usize>],
    signed_up: i64,
    counts: Vec<u16>,
    users: BTreeSet<u32>,
    names: BTreeSet<u16>,
    days: BTreeSet<i64>,
}

impl AccountProgress<'_> {
    /// Records one event.
    fn record(&mut self, events: &Events, row: usize) {
        let event = events.event[row];
        if let Some(place) = self.place_of[usize::from(event)] {
            self.counts[place] = self.counts[place].saturating_add(1);
        }
        self.users.extend(Some(events.user[row]).filter(|user| *user != NO_USER));
        self.names.insert(event);
        // Events before the sign-up count on its day.
        self.days.insert(events.days.day(events.time[row].max(self.signed_up)));
    }

    /// Passes on all counts. Users, features and active days are the last three measures.
    fn write(&mut self, mut into: impl FnMut(usize, u16)) {
        let others = self.counts.len() - 3;
        let sizes = [self.users.len(), self.names.len(), self.days.len()];
        for (count, size) in self.counts[others..].iter_mut().zip(sizes) {
            *count = u16::try_from(size).unwrap_or(u16::MAX);
        }
        self.counts.iter().enumerate().for_each(|(measure, count)| into(measure, *count));
    }
}

#[cfg(test)]
mod tests {
    use super::quote_if_ambiguous;

    #[test]
    fn ambiguous_event_names_are_quoted() {
        for plain in ["login", "Thumbs Up", "größer", "sign-in"] {
            assert_eq!(quote_if_ambiguous(plain), plain);
        }
        let odd = [
            ("users", "\"users\""),
            ("a and 1 b", "\"a and 1 b\""),
            ("a\nb", "\"a\\nb\""),
            (" a", "\" a\""),
            ("\"a", "\"\\\"a\""),
        ];
        for (name, quoted) in odd {
            assert_eq!(quote_if_ambiguous(name), quoted);
        }
    }
}
