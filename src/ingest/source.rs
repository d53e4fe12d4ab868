//! The events of one source, and what each of them is good for.

use std::collections::HashMap;
use std::path::PathBuf;

use super::cells::{NO_CODE, NO_TIME};
use super::quality::{Reason, SourceQuality};
use crate::time::DAY;

/// A missing event name.
pub(super) const NO_EVENT: u16 = u16::MAX;
/// Account of an event that is not in the account list.
pub(super) const UNKNOWN: u32 = NO_CODE - 1;

/// What an event is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Usage.
    Keep,
    /// A conversion.
    Converted,
    /// A churn.
    Churned,
    /// Neither usage nor outcome, but a sign that the account exists.
    Excluded,
    /// Dropped and counted.
    Gone,
}

/// The events of one source.
pub(super) struct Source {
    pub(super) account: Vec<u32>,
    pub(super) user: Vec<u32>,
    pub(super) event: Vec<u16>,
    pub(super) time: Vec<i64>,
    /// Empty where the source has no such column.
    pub(super) received: Vec<i64>,
    pub(super) id: Vec<u32>,
    /// By index in `Raw::values`; NaN where missing.
    pub(super) values: Vec<(usize, Vec<f64>)>,
    /// Row in its file, from 1.
    pub(super) row: Vec<u32>,
    /// Files, each with the index of its first event.
    pub(super) files: Vec<(PathBuf, usize)>,
    pub(super) quality: SourceQuality,
    /// Whether several events may come from one row, sharing its id.
    pub(super) unpivoted: bool,
}

impl Source {
    /// When an event was known.
    pub(super) fn seen(&self, at: usize) -> i64 {
        self.received.get(at).map_or(self.time[at], |r| self.time[at].max(*r))
    }

    pub(super) fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// Count an event as dropped.
    pub(super) fn drop_event(&mut self, at: usize, reason: Reason) {
        let file = self.files.partition_point(|(_, first)| *first <= at) - 1;
        self.quality.drop_row(reason, &self.files[file].0, u64::from(self.row[at]));
    }
}

impl Source {
    /// The id of an event, where it has one; the events of a row of a daily table share theirs.
    fn repeatable(&self, at: usize) -> Option<(u32, u16)> {
        let id = self.id.get(at).filter(|id| **id != NO_CODE)?;
        Some((*id, if self.unpivoted { self.event[at] } else { 0 }))
    }

    /// The event that stays of each id: the one seen first, of several the first read.
    ///
    /// The first read alone would let a repeat that comes later take away what was known before.
    fn first_of_ids(&self, now: i64, until: i64) -> HashMap<(u32, u16), usize, foldhash::fast::FixedState> {
        let mut first: HashMap<(u32, u16), usize, foldhash::fast::FixedState> = HashMap::default();
        for at in 0..self.id.len() {
            let whole = self.time[at] != NO_TIME && self.account[at] != NO_CODE && self.event[at] != NO_EVENT;
            let seen = self.seen(at);
            if let Some(id) = self.repeatable(at).filter(|_| whole && seen <= now && seen < until) {
                let stays = first.entry(id).or_insert(at);
                if seen < self.seen(*stays) {
                    *stays = at;
                }
            }
        }
        first
    }

    pub(super) fn mark(&mut self, now: i64, until: i64, by_name: &[Mark], not_yet: &[bool]) -> Vec<Mark> {
        let first = self.first_of_ids(now, until);
        let mut marks = vec![Mark::Gone; self.time.len()];
        let (mut date_only, mut any) = (true, false);
        for (at, mark) in marks.iter_mut().enumerate() {
            let (time, account, event) = (self.time[at], self.account[at], self.event[at]);
            let seen = self.seen(at);
            let reason = if time == NO_TIME {
                Some(Reason::TimeMissing)
            } else if seen > now {
                Some(Reason::InTheFuture)
            } else if seen >= until {
                Some(Reason::AfterUntil)
            } else if account == NO_CODE {
                Some(Reason::AccountMissing)
            } else if event == NO_EVENT {
                Some(Reason::EventMissing)
            } else if self.repeatable(at).is_some_and(|id| first.get(&id) != Some(&at)) {
                Some(Reason::RepeatedId)
            } else if account == UNKNOWN {
                Some(Reason::UnknownAccount)
            } else if not_yet.get(account as usize) == Some(&true) {
                // Before dates are looked at: an account of tomorrow must not tell whether the source has times of day.
                Some(Reason::NotYetSignedUp)
            } else {
                any = true;
                date_only &= time % DAY == 0;
                *mark = by_name[usize::from(event)];
                match *mark {
                    Mark::Converted => Some(Reason::RoleConverted),
                    Mark::Churned => Some(Reason::RoleChurned),
                    Mark::Excluded => Some(Reason::RoleExclude),
                    Mark::Keep | Mark::Gone => None,
                }
            };
            if let Some(reason) = reason {
                self.drop_event(at, reason);
            }
        }
        self.quality.date_only = any && date_only;
        marks
    }
}
