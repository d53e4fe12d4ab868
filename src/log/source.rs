//! The events of one source, batch by batch, and what each of them is good for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;

use super::cells::{NO_TIME, Numbers, Scale};
use super::codes::NO_CODE;
use super::quality::SourceQuality;
use super::spill::{Spill, Stored};
use crate::error::Result;
use crate::time::DAY;
use crate::warning::DropReason;

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
    pub(super) blocks: Vec<Block>,
    pub(super) files: Vec<PathBuf>,
    /// Numeric properties, by index in `Raw::values`.
    pub(super) values: Vec<usize>,
    pub(super) quality: SourceQuality,
    /// Whether several events may come from one row, sharing its id.
    pub(super) unpivoted: bool,
}

/// The events of one batch of rows.
#[derive(Default)]
pub(super) struct Block {
    /// Index of the file.
    pub(super) file: usize,
    /// Row of the first event in its file, from 1, and the offset of each event's row from it;
    /// empty: every row gives an event.
    pub(super) first_row: u64,
    pub(super) rows: Vec<u32>,
    pub(super) account: Stored<u32>,
    pub(super) user: Stored<u32>,
    pub(super) event: Stored<u16>,
    pub(super) time: Stored<i64>,
    /// Empty where the file has no such column.
    pub(super) received: Stored<i64>,
    /// Empty where the file has no such column.
    pub(super) id: Stored<u32>,
    /// In the order of `Source::values`; NaN where missing.
    pub(super) values: Vec<Stored<f64>>,
    /// Which of `time` and `received` are numbers without a unit.
    pub(super) numbers: [Numbers; 2],
    /// What each event is good for, once that is known.
    pub(super) marks: Vec<Mark>,
}

/// When the events of a block happened and were known.
pub(super) struct Moments<'a> {
    pub(super) time: Cow<'a, [i64]>,
    received: Cow<'a, [i64]>,
}

impl Moments<'_> {
    /// When an event was known.
    pub(super) fn seen(&self, at: usize) -> i64 {
        self.received.get(at).map_or(self.time[at], |r| self.time[at].max(*r))
    }
}

impl Block {
    pub(super) fn len(&self) -> usize {
        self.account.len()
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.account.bytes()
            + self.user.bytes()
            + self.event.bytes()
            + self.time.bytes()
            + self.received.bytes();
        columns + self.id.bytes() + self.values.iter().map(Stored::bytes).sum::<usize>()
    }

    /// Move the columns to the file.
    pub(super) fn spill(&mut self, spill: &Spill) -> Result<()> {
        self.account.spill(spill)?;
        self.user.spill(spill)?;
        self.event.spill(spill)?;
        self.time.spill(spill)?;
        self.received.spill(spill)?;
        self.id.spill(spill)?;
        self.values.iter_mut().try_for_each(|values| values.spill(spill))
    }

    pub(super) fn moments(&self, spill: &Spill) -> Result<Moments<'_>> {
        Ok(Moments { time: self.time.get(spill)?, received: self.received.get(spill)? })
    }

    /// Row of an event in its file, from 1.
    pub(super) fn row(&self, at: usize) -> u64 {
        self.first_row + self.rows.get(at).map_or(at as u64, |row| u64::from(*row))
    }

    /// Turn the numbers among times of happening (0) or of receipt (1) into µs UTC.
    ///
    /// # Errors
    /// The index and text of a number that cannot be a time.
    pub(super) fn convert(
        &mut self,
        which: usize,
        scale: Scale,
        spill: &Spill,
    ) -> Result<std::result::Result<(), (usize, String)>> {
        let numbers = std::mem::take(&mut self.numbers[which]);
        let times = if which == 0 { &mut self.time } else { &mut self.received };
        if numbers.is_empty() {
            return Ok(Ok(()));
        }
        let mut values = times.get(spill)?.into_owned();
        let converted = numbers.convert(&mut values, scale);
        times.replace(spill, values)?;
        Ok(converted)
    }
}

/// Why events of a block are dropped: how often, and the first event.
#[derive(Default)]
pub(super) struct Drops(Vec<(DropReason, u64, usize)>);

impl Drops {
    pub(super) fn add(&mut self, reason: DropReason, at: usize) {
        match self.0.iter_mut().find(|(of, ..)| *of == reason) {
            Some((_, count, _)) => *count += 1,
            None => self.0.push((reason, 1, at)),
        }
    }
}

/// What is asked of every event.
pub(super) struct Asked<'a> {
    /// Events later than this are mistakes, µs UTC.
    pub(super) now: i64,
    /// Nothing at or after this exists, µs UTC.
    pub(super) until: i64,
    /// What each event name is good for.
    pub(super) by_name: &'a [Mark],
    /// Which accounts of the list do not exist yet.
    pub(super) not_yet: &'a [bool],
    pub(super) spill: &'a Spill,
}

/// A conversion or churn in the log.
pub(super) struct Occurred {
    pub(super) account: u32,
    pub(super) what: Mark,
    pub(super) seen: i64,
}

/// The earliest conversion and churn of each account, by code.
pub(super) fn fold_outcomes(occurred: &[Occurred], converted: &mut [i64], churned: &mut [i64]) {
    for Occurred { account, what, seen } in occurred {
        let times = if *what == Mark::Converted { &mut *converted } else { &mut *churned };
        let first = &mut times[*account as usize];
        *first = (*first).min(*seen);
    }
}

/// The answer for one block.
#[derive(Default)]
struct Marked {
    marks: Vec<Mark>,
    drops: Drops,
    occurred: Vec<Occurred>,
    any: bool,
    times_of_day: bool,
}

/// An id, with the event name where the events of a row share it; and its event that stays: when it
/// was known, block and index. The hash has a random seed, as in the standard library, but is
/// faster.
type Firsts = HashMap<(u32, u16), (i64, (usize, usize)), string_interner::DefaultHashBuilder>;

impl Source {
    /// Count the events of a block that are dropped.
    pub(super) fn count(&mut self, block: usize, drops: &Drops) {
        let block = &self.blocks[block];
        for (reason, count, first) in &drops.0 {
            self.quality.drop_rows(*reason, *count, &self.files[block.file], block.row(*first));
        }
    }

    /// The event that stays of each id: the one seen first, of several the first read.
    ///
    /// The first read alone would let a repeat that comes later take away what was known before.
    fn first_of_ids(&self, asked: &Asked<'_>) -> Result<Firsts> {
        let mut first = Firsts::default();
        for (b, block) in self.blocks.iter().enumerate().filter(|(_, block)| block.id.len() > 0) {
            let (ids, moments) = (block.id.get(asked.spill)?, block.moments(asked.spill)?);
            let (accounts, events) =
                (block.account.get(asked.spill)?, block.event.get(asked.spill)?);
            for at in (0..block.len()).filter(|at| ids[*at] != NO_CODE) {
                let whole = moments.time[at] != NO_TIME
                    && accounts[at] != NO_CODE
                    && events[at] != NO_EVENT;
                let seen = moments.seen(at);
                if whole && seen <= asked.now && seen < asked.until {
                    let stays =
                        first.entry(self.key(ids[at], events[at])).or_insert((seen, (b, at)));
                    if seen < stays.0 {
                        *stays = (seen, (b, at));
                    }
                }
            }
        }
        Ok(first)
    }

    fn key(&self, id: u32, event: u16) -> (u32, u16) {
        (id, if self.unpivoted { event } else { 0 })
    }

    /// Say of every event what it is good for, count what is dropped, and answer conversions and
    /// churns.
    pub(super) fn mark(&mut self, asked: &Asked<'_>) -> Result<Vec<Occurred>> {
        let first = self.first_of_ids(asked)?;
        let marked = (0..self.blocks.len())
            .into_par_iter()
            .map(|block| self.mark_block(block, asked, &first));
        let marked: Vec<Marked> = marked.collect::<Result<_>>()?;
        let (any, times_of_day) =
            (marked.iter().any(|m| m.any), marked.iter().any(|m| m.times_of_day));
        self.quality.date_only = any && !times_of_day;
        let mut occurred = Vec::new();
        for (block, marked) in marked.into_iter().enumerate() {
            self.count(block, &marked.drops);
            self.blocks[block].marks = marked.marks;
            occurred.extend(marked.occurred);
        }
        Ok(occurred)
    }

    fn mark_block(&self, b: usize, asked: &Asked<'_>, first: &Firsts) -> Result<Marked> {
        let block = &self.blocks[b];
        let (ids, moments) = (block.id.get(asked.spill)?, block.moments(asked.spill)?);
        let (accounts, events) = (block.account.get(asked.spill)?, block.event.get(asked.spill)?);
        let mut marked = Marked { marks: vec![Mark::Gone; block.len()], ..Marked::default() };
        for at in 0..block.len() {
            let (time, account, event, seen) =
                (moments.time[at], accounts[at], events[at], moments.seen(at));
            let repeated = || {
                ids.get(at).is_some_and(|id| {
                    *id != NO_CODE
                        && first.get(&self.key(*id, event)).is_none_or(|f| f.1 != (b, at))
                })
            };
            let reason = if time == NO_TIME {
                Some(DropReason::TimeMissing)
            } else if seen > asked.now {
                Some(DropReason::InTheFuture)
            } else if seen >= asked.until {
                Some(DropReason::AfterUntil)
            } else if account == NO_CODE {
                Some(DropReason::AccountMissing)
            } else if event == NO_EVENT {
                Some(DropReason::EventMissing)
            } else if repeated() {
                Some(DropReason::RepeatedId)
            } else if account == UNKNOWN {
                Some(DropReason::UnknownAccount)
            } else if asked.not_yet.get(account as usize) == Some(&true) {
                // Before dates are looked at: an account of tomorrow must not tell whether the
                // source has times of day.
                Some(DropReason::NotYetSignedUp)
            } else {
                marked.any = true;
                marked.times_of_day |= time % DAY != 0;
                let what = asked.by_name[usize::from(event)];
                marked.marks[at] = what;
                match what {
                    Mark::Keep | Mark::Gone => None,
                    Mark::Excluded => Some(DropReason::RoleExclude),
                    Mark::Converted | Mark::Churned => {
                        marked.occurred.push(Occurred { account, what, seen });
                        Some(if what == Mark::Converted {
                            DropReason::RoleConverted
                        } else {
                            DropReason::RoleChurned
                        })
                    }
                }
            };
            if let Some(reason) = reason {
                marked.drops.add(reason, at);
            }
        }
        Ok(marked)
    }
}
