//! What each account has done by each landmark: one pass over the log.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::config::{Condition, DefinitionRule};
use crate::error::Result;
use crate::log::{Events, Log, NO_USER};
use crate::time::{DAY, TimeSpan, midnight};

/// Event names that are looked at: those that most accounts have.
const NAMES: usize = 100;

/// What a condition can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// Events of a name, by code.
    Event(u16),
    Users,
    Features,
    ActiveDays,
}

/// A condition: at least so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AtLeast {
    pub(super) measure: Measure,
    pub(super) n: u16,
}

impl AtLeast {
    /// The condition as `pql.toml` has it.
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

    fn words(self, log: &Log) -> String {
        let what = match self.measure {
            Measure::Event(code) => unmistakable(&log.events.names[usize::from(code)]),
            Measure::Users => "users".to_owned(),
            Measure::Features => "features".to_owned(),
            Measure::ActiveDays => "active days".to_owned(),
        };
        format!("{} {what}", self.n)
    }
}

/// An event name inside the name of a rule: in quotes where it could be taken for something else,
/// so that no two rules have one name.
fn unmistakable(name: &str) -> String {
    let like_a_measure = ["users", "features", "active days"].contains(&name);
    let like_a_rule = [" and ", " in ", "\"", "\\"].iter().any(|part| name.contains(part));
    let blank = name.trim() != name || name.is_empty() || name.contains(char::is_control);
    if like_a_measure || like_a_rule || blank { format!("{name:?}") } else { name.to_owned() }
}

/// A rule of one or two conditions within some days of the sign-up.
pub(super) fn rule(of: &[AtLeast], days: i64, log: &Log) -> DefinitionRule {
    let words: Vec<String> = of.iter().map(|condition| condition.words(log)).collect();
    DefinitionRule {
        name: format!(
            "{} in {days} {}",
            words.join(" and "),
            if days == 1 { "day" } else { "days" }
        ),
        within: Some(TimeSpan::days(days)),
        all: of.iter().map(|condition| condition.condition(log)).collect(),
        ..DefinitionRule::default()
    }
}

/// Counts of all accounts by landmark, measure and account; what exceeds 65,535 stays there.
pub(super) struct Counts {
    pub(super) measures: Vec<Measure>,
    accounts: usize,
    of: Vec<u16>,
}

impl Counts {
    /// Count what every account has done in the first days after its sign-up.
    ///
    /// # Arguments
    /// * `days` – landmarks, ascending
    /// * `leave_out` – event names by code that are no candidates
    pub(super) fn of(log: &Log, days: &[i64], leave_out: &BTreeSet<usize>) -> Result<Self> {
        let measures = measures(log, leave_out)?;
        let accounts = log.accounts.id.len();
        let mut of = vec![0; days.len() * measures.len() * accounts];
        let parts = log
            .events
            .map(|events| (events.accounts.clone(), of_part(log, events, days, &measures)))?;
        for (range, part) in parts {
            for (rows, counted) in of.chunks_exact_mut(accounts).zip(part.chunks_exact(range.len()))
            {
                rows[range.clone()].copy_from_slice(counted);
            }
        }
        Ok(Self { measures, accounts, of })
    }

    /// The counts of one measure by account.
    pub(super) fn get(&self, landmark: usize, measure: usize) -> &[u16] {
        let row = landmark * self.measures.len() + measure;
        &self.of[row * self.accounts..(row + 1) * self.accounts]
    }
}

/// Event names that most accounts have, in the order of their codes, then users, features and days.
fn measures(log: &Log, leave_out: &BTreeSet<usize>) -> Result<Vec<Measure>> {
    let names = log.events.names.len();
    let parts = log.events.map(|events| {
        let mut with = vec![0_u64; names];
        let mut met = vec![usize::MAX; names];
        for account in events.accounts.clone() {
            for event in &events.event[events.of(account)] {
                with[usize::from(*event)] +=
                    u64::from(std::mem::replace(&mut met[usize::from(*event)], account) != account);
            }
        }
        with
    })?;
    let with = |event: usize| parts.iter().map(|part| part[event]).sum::<u64>();
    let mut order: Vec<usize> = (0..names).filter(|event| !leave_out.contains(event)).collect();
    order.sort_by_key(|event| (std::cmp::Reverse(with(*event)), *event));
    order.truncate(NAMES);
    order.sort_unstable();
    let names = order
        .into_iter()
        .map(|event| Measure::Event(u16::try_from(event).expect("names have u16 codes")));
    Ok(names.chain([Measure::Users, Measure::Features, Measure::ActiveDays]).collect())
}

/// The same of the accounts of a part, by landmark, measure, then account.
fn of_part(log: &Log, events: &Events, days: &[i64], measures: &[Measure]) -> Vec<u16> {
    let n = events.accounts.len();
    let mut out = vec![0; days.len() * measures.len() * n];
    let mut place_of = vec![None; log.events.names.len()];
    for (place, measure) in measures.iter().enumerate() {
        if let Measure::Event(code) = measure {
            place_of[usize::from(*code)] = Some(place);
        }
    }
    for (row, account) in events.accounts.clone().enumerate() {
        let signed_up = log.accounts.signed_up[account];
        let mut counted = Counting {
            place_of: &place_of,
            signed_up,
            counts: vec![0; measures.len()],
            users: BTreeSet::new(),
            names: BTreeSet::new(),
            days: BTreeSet::new(),
        };
        let order = in_order(events, events.of(account));
        let mut next = order.iter().peekable();
        for (landmark, days) in days.iter().enumerate() {
            while let Some((_, at)) = next.next_if(|(seen, _)| *seen < signed_up + days * DAY) {
                counted.meet(events, *at);
            }
            counted.write(|measure, count| {
                out[(landmark * measures.len() + measure) * n + row] = count;
            });
        }
    }
    out
}

/// Events in the order in which they were known.
fn in_order(events: &Events, range: Range<usize>) -> Vec<(i64, usize)> {
    let mut order: Vec<(i64, usize)> = range.map(|at| (events.seen_at(at), at)).collect();
    if !order.is_sorted() {
        order.sort_unstable();
    }
    order
}

/// What one account has done so far.
struct Counting<'a> {
    place_of: &'a [Option<usize>],
    signed_up: i64,
    counts: Vec<u16>,
    users: BTreeSet<u32>,
    names: BTreeSet<u16>,
    days: BTreeSet<i64>,
}

impl Counting<'_> {
    fn meet(&mut self, events: &Events, at: usize) {
        let event = events.event[at];
        if let Some(place) = self.place_of[usize::from(event)] {
            self.counts[place] = self.counts[place].saturating_add(1);
        }
        self.users.extend(Some(events.user[at]).filter(|user| *user != NO_USER));
        self.names.insert(event);
        // What was before the sign-up counts at it.
        self.days.insert(midnight(events.time[at].max(self.signed_up)));
    }

    /// Users, features and days are the last three measures.
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
    use super::unmistakable;

    #[test]
    fn an_event_name_that_could_be_taken_for_something_else_stands_in_quotes() {
        for plain in ["login", "Thumbs Up", "größer", "sign-in"] {
            assert_eq!(unmistakable(plain), plain);
        }
        let odd = [
            ("users", "\"users\""),
            ("a and 1 b", "\"a and 1 b\""),
            ("a\nb", "\"a\\nb\""),
            (" a", "\" a\""),
            ("\"a", "\"\\\"a\""),
        ];
        for (name, quoted) in odd {
            assert_eq!(unmistakable(name), quoted);
        }
    }
}
