//! Progress of an account toward the conditions of a definition.

use std::collections::BTreeSet;

use super::CountCondition;
use crate::log::{Events, NO_USER};

/// Counters of one account, updated event by event.
pub(super) struct ConditionCounters<'a> {
    conditions: &'a [CountCondition],
    signed_up: i64,
    /// Whether each condition is met.
    pub(super) met: Vec<bool>,
    counts: Vec<u64>,
    sums: Vec<f64>,
    /// Distinct users, event names or days.
    distinct: Vec<BTreeSet<i64>>,
}

impl<'a> ConditionCounters<'a> {
    pub(super) fn new(conditions: &'a [CountCondition], signed_up: i64) -> Self {
        let n = conditions.len();
        Self {
            conditions,
            signed_up,
            met: vec![false; n],
            counts: vec![0; n],
            sums: vec![0.0; n],
            distinct: vec![BTreeSet::new(); n],
        }
    }

    /// Records one event. Returns whether a condition changed (sums can fall).
    pub(super) fn record(&mut self, events: &Events, row: usize) -> bool {
        let (event, user) = (events.event[row], events.user[row]);
        let mut changed = false;
        for (index, condition) in self.conditions.iter().enumerate() {
            let distinct = &mut self.distinct[index];
            let met = match *condition {
                CountCondition::Events { event: counted, at_least } => {
                    self.counts[index] += u64::from(counted == event);
                    self.counts[index] >= at_least
                }
                CountCondition::Sum { event: summed, property, at_least } => {
                    let value = events.values[property][row];
                    if summed == event && !value.is_nan() {
                        self.sums[index] += value;
                    }
                    self.sums[index] >= at_least
                }
                CountCondition::Users(at_least) => {
                    distinct.extend(Some(user).filter(|user| *user != NO_USER).map(i64::from));
                    distinct.len() as u64 >= at_least
                }
                CountCondition::Features(at_least) => {
                    distinct.insert(i64::from(event));
                    distinct.len() as u64 >= at_least
                }
                CountCondition::ActiveDays(at_least) => {
                    // Events before the sign-up count on its day.
                    distinct.insert(events.days.day(events.time[row].max(self.signed_up)));
                    distinct.len() as u64 >= at_least
                }
                CountCondition::Never => false,
            };
            changed |= met != std::mem::replace(&mut self.met[index], met);
        }
        changed
    }
}
