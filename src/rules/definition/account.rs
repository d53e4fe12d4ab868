//! What an account has done so far, as far as a definition asks.

use std::collections::BTreeSet;

use super::Leaf;
use crate::log::{Events, NO_USER};
use crate::time::midnight;

/// What is counted for one account, event after event.
pub(super) struct Progress<'a> {
    leaves: &'a [Leaf],
    signed_up: i64,
    /// Whether each condition holds.
    pub(super) held: Vec<bool>,
    counts: Vec<u64>,
    sums: Vec<f64>,
    /// Users, event names or days met.
    met: Vec<BTreeSet<i64>>,
}

impl<'a> Progress<'a> {
    pub(super) fn of(leaves: &'a [Leaf], signed_up: i64) -> Self {
        let n = leaves.len();
        Self {
            leaves,
            signed_up,
            held: vec![false; n],
            counts: vec![0; n],
            sums: vec![0.0; n],
            met: vec![BTreeSet::new(); n],
        }
    }

    /// Count one event; answers whether a condition begins or ceases to hold (a sum may fall).
    pub(super) fn meet(&mut self, events: &Events, at: usize) -> bool {
        let (event, user) = (events.event[at], events.user[at]);
        let mut changed = false;
        for (place, leaf) in self.leaves.iter().enumerate() {
            let met = &mut self.met[place];
            let holds = match *leaf {
                Leaf::Events { event: of, at_least } => {
                    self.counts[place] += u64::from(of == event);
                    self.counts[place] >= at_least
                }
                Leaf::Sum { event: of, property, at_least } => {
                    let value = events.values[property][at];
                    if of == event && !value.is_nan() {
                        self.sums[place] += value;
                    }
                    self.sums[place] >= at_least
                }
                Leaf::Users(least) => {
                    met.extend(Some(user).filter(|user| *user != NO_USER).map(i64::from));
                    met.len() as u64 >= least
                }
                Leaf::Features(least) => {
                    met.insert(i64::from(event));
                    met.len() as u64 >= least
                }
                Leaf::ActiveDays(least) => {
                    // What was before the sign-up counts at it.
                    met.insert(midnight(events.time[at].max(self.signed_up)));
                    met.len() as u64 >= least
                }
                Leaf::Never => false,
            };
            changed |= holds != std::mem::replace(&mut self.held[place], holds);
        }
        changed
    }
}
