//! The events of one source, batch by batch, and their classification.

use std::borrow::Cow;
use std::path::PathBuf;

use foldhash::HashMap;
use rayon::prelude::*;

use super::cells::{NO_TIME, NeverTimes, NumericTimes, UnitHint};
use super::interner::NO_CODE;
use super::quality::SourceQuality;
use super::spill::{SpillFile, Stored};
use crate::error::Result;
use crate::time::LocalDays;
use crate::warning::DropReason;

/// Code of a missing event name.
pub(super) const NO_EVENT: u16 = u16::MAX;
/// Maximum number of distinct unknown accounts that are counted separately.
pub(super) const UNKNOWN_CODES: u32 = 4_096;
/// First code of an unknown account, which is not in the account list.
const FIRST_UNKNOWN: u32 = NO_CODE - UNKNOWN_CODES;

/// Returns the code of the n-th unknown account; accounts beyond the maximum share the last code.
pub(super) fn unknown_code(number: u32) -> u32 {
    FIRST_UNKNOWN + number.min(UNKNOWN_CODES - 1)
}

/// Returns the number of the unknown account with a code; `None` for a known account.
pub(super) fn unknown_number(code: u32) -> Option<u32> {
    (FIRST_UNKNOWN..NO_CODE).contains(&code).then(|| code - FIRST_UNKNOWN)
}

/// Reasons why the user of an event has no account; the codes of such events are below those of
/// unknown accounts.
const WITHOUT_ACCOUNT: [DropReason; 4] = [
    DropReason::UnknownUser,
    DropReason::UserWithoutAccount,
    DropReason::PersonalAddress,
    DropReason::UserInTwoAccounts,
];

/// Returns the account code of an event whose user has no account.
pub(super) fn missing_code(reason: DropReason) -> u32 {
    let position = (1..).zip(WITHOUT_ACCOUNT).find(|(_, other)| *other == reason);
    position.map_or(NO_CODE, |(position, _)| FIRST_UNKNOWN - position)
}

/// Returns why an event has no account; `None` for known and unknown accounts.
pub(super) fn missing_account(code: u32) -> Option<DropReason> {
    match FIRST_UNKNOWN.checked_sub(code) {
        Some(position @ 1..=4) => Some(WITHOUT_ACCOUNT[position as usize - 1]),
        _ => (code == NO_CODE).then_some(DropReason::AccountMissing),
    }
}

/// Returns whether a code is that of an unknown account.
pub(super) fn is_unknown(code: u32) -> bool {
    unknown_number(code).is_some()
}

/// Use of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Usage.
    Usage,
    /// A conversion.
    Converted,
    /// A churn.
    Churned,
    /// Neither usage nor an outcome, but evidence that the account exists.
    Excluded,
    /// Dropped and counted.
    Dropped,
}

/// The events of one source.
pub(super) struct RawSource {
    pub(super) blocks: Vec<RawBlock>,
    pub(super) files: Vec<PathBuf>,
    /// Indices of the numeric properties in `RawEvents::values`.
    pub(super) values: Vec<usize>,
    pub(super) quality: SourceQuality,
    /// Whether several events may come from one row, sharing its id.
    pub(super) unpivoted: bool,
    /// Index of the table: sources with the same columns and event names are parts of one, with
    /// one space of ids.
    pub(super) table: usize,
}

/// The events of one batch of rows.
#[derive(Default)]
pub(super) struct RawBlock {
    /// Index of the file.
    pub(super) file: usize,
    /// Row of the first event in its file, from 1.
    pub(super) first_row: u64,
    /// Offset of the row of each event from `first_row`; empty where every row has an event.
    pub(super) rows: Vec<u32>,
    pub(super) account: Stored<u32>,
    pub(super) user: Stored<u32>,
    pub(super) event: Stored<u16>,
    pub(super) time: Stored<i64>,
    /// Empty where the file has no such column.
    pub(super) received: Stored<i64>,
    /// Empty where the file has no such column.
    pub(super) id: Stored<u32>,
    /// In the order of `RawSource::values`; NaN where missing.
    pub(super) values: Vec<Stored<f64>>,
    /// Indices of the events of internal users, ascending.
    pub(super) internal: Vec<u32>,
    /// Which of `time` and `received` are numbers without a unit.
    pub(super) numbers: [NumericTimes; 2],
    /// Empty until the events are classified.
    pub(super) dispositions: Vec<Disposition>,
}

/// Times at which the events of a block happened and became known, µs UTC.
pub(super) struct EventTimes<'a> {
    pub(super) time: Cow<'a, [i64]>,
    received: Cow<'a, [i64]>,
}

impl EventTimes<'_> {
    /// Returns when an event became known.
    pub(super) fn known_at(&self, index: usize) -> i64 {
        self.received.get(index).map_or(self.time[index], |r| self.time[index].max(*r))
    }
}

impl RawBlock {
    pub(super) fn len(&self) -> usize {
        self.account.len()
    }

    /// Returns the size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let columns = self.account.bytes()
            + self.user.bytes()
            + self.event.bytes()
            + self.time.bytes()
            + self.received.bytes();
        columns + self.id.bytes() + self.values.iter().map(Stored::bytes).sum::<usize>()
    }

    /// Returns whether an event is usage: its name is, and its user is not internal.
    pub(super) fn is_usage(&self, index: usize, by_name: Disposition) -> bool {
        by_name == Disposition::Usage && !self.is_internal(index)
    }

    /// Returns whether the user of an event is internal.
    pub(super) fn is_internal(&self, index: usize) -> bool {
        !self.internal.is_empty()
            && u32::try_from(index).is_ok_and(|index| self.internal.binary_search(&index).is_ok())
    }

    /// Moves the columns to the temporary file.
    pub(super) fn spill(&mut self, spill: &SpillFile) -> Result<()> {
        self.account.spill(spill)?;
        self.user.spill(spill)?;
        self.event.spill(spill)?;
        self.time.spill(spill)?;
        self.received.spill(spill)?;
        self.id.spill(spill)?;
        self.values.iter_mut().try_for_each(|values| values.spill(spill))
    }

    pub(super) fn event_times(&self, spill: &SpillFile) -> Result<EventTimes<'_>> {
        Ok(EventTimes { time: self.time.get(spill)?, received: self.received.get(spill)? })
    }

    /// Returns the row of an event in its file, from 1.
    pub(super) fn row(&self, index: usize) -> u64 {
        self.first_row + self.rows.get(index).map_or(index as u64, |row| u64::from(*row))
    }

    /// Converts the numbers among event times (0) or receipt times (1) to µs UTC, and returns those
    /// that mean never.
    ///
    /// # Errors
    /// The index and text of a number that is not a valid time.
    pub(super) fn convert(
        &mut self,
        which: usize,
        unit_hint: UnitHint,
        spill: &SpillFile,
    ) -> Result<std::result::Result<NeverTimes, (usize, String)>> {
        let numbers = std::mem::take(&mut self.numbers[which]);
        let times = if which == 0 { &mut self.time } else { &mut self.received };
        if numbers.is_empty() {
            return Ok(Ok(NeverTimes::default()));
        }
        let mut values = times.get(spill)?.into_owned();
        let converted = numbers.convert(&mut values, unit_hint);
        times.replace(spill, values)?;
        Ok(converted)
    }
}

/// Dropped events of a block by reason: their number, and the index of the first one.
#[derive(Default)]
pub(super) struct DropCounts(Vec<(DropReason, u64, usize)>);

impl DropCounts {
    pub(super) fn add(&mut self, reason: DropReason, index: usize) {
        match self.0.iter_mut().find(|(counted, ..)| *counted == reason) {
            Some((_, count, _)) => *count += 1,
            None => self.0.push((reason, 1, index)),
        }
    }
}

/// Context of the classification of events.
pub(super) struct ClassifyContext<'a> {
    /// The current time, µs UTC; later events are dropped as errors.
    pub(super) now: i64,
    /// End of the log (exclusive), µs UTC.
    pub(super) until: i64,
    /// Disposition by event name code.
    pub(super) by_name: &'a [Disposition],
    /// By account code, whether a listed account signs up after the end of the log.
    pub(super) not_signed_up: &'a [bool],
    pub(super) days: &'a LocalDays,
    pub(super) spill: &'a SpillFile,
}

/// A conversion or churn in the log.
pub(super) struct OutcomeEvent {
    pub(super) account: u32,
    pub(super) kind: Disposition,
    /// When it became known, µs UTC.
    pub(super) known_at: i64,
}

/// Moves the conversion and churn of each account to its earliest outcome event.
pub(super) fn fold_outcomes(
    outcome_events: &[OutcomeEvent],
    converted: &mut [i64],
    churned: &mut [i64],
) {
    for OutcomeEvent { account, kind, known_at } in outcome_events {
        let times = if *kind == Disposition::Converted { &mut *converted } else { &mut *churned };
        let first = &mut times[*account as usize];
        *first = (*first).min(*known_at);
    }
}

/// The classification of one block.
#[derive(Default)]
struct BlockDispositions {
    dispositions: Vec<Disposition>,
    drops: DropCounts,
    outcome_events: Vec<OutcomeEvent>,
    /// Whether any event has a valid time.
    any: bool,
    /// Whether any event has a time other than 00:00:00.
    times_of_day: bool,
}

/// The place of an event: the index of its source and of its block, and its index in the block.
type EventPlace = (u32, u32, u32);

/// The delivery to keep of each event id: when it became known, and its place.
pub(super) enum FirstDeliveries {
    /// By id, whose codes are dense.
    ById(Vec<Delivery>),
    /// By id and event name, where the events of a row share the id.
    ByEvent(HashMap<(u32, u16), Delivery>),
}

/// When a delivery became known, and its place.
type Delivery = (i64, EventPlace);

impl FirstDeliveries {
    /// Creates an empty list.
    ///
    /// # Arguments
    /// * `unpivoted` – whether several events may come from one row
    /// * `ids` – number of distinct ids
    pub(super) fn new(unpivoted: bool, ids: usize) -> Self {
        if unpivoted {
            Self::ByEvent(HashMap::default())
        } else {
            Self::ById(vec![(i64::MAX, (u32::MAX, u32::MAX, u32::MAX)); ids])
        }
    }

    /// Keeps a delivery if it became known before the one that is kept.
    fn keep(&mut self, id: u32, event: u16, delivery: Delivery) {
        let kept = match self {
            Self::ById(first) => &mut first[id as usize],
            Self::ByEvent(first) => first.entry((id, event)).or_insert(delivery),
        };
        if delivery.0 < kept.0 {
            *kept = delivery;
        }
    }

    /// Returns whether the delivery at a place is the one that is kept.
    fn is_first(&self, id: u32, event: u16, place: EventPlace) -> bool {
        match self {
            Self::ById(first) => first[id as usize].1 == place,
            Self::ByEvent(first) => first.get(&(id, event)).is_some_and(|kept| kept.1 == place),
        }
    }
}

fn place(source: usize, block: usize, index: usize) -> EventPlace {
    let code = |index| u32::try_from(index).expect("memory has fewer than 2³² blocks and rows");
    (code(source), code(block), code(index))
}

impl RawSource {
    /// Adds the dropped events of a block to the data quality.
    pub(super) fn count_drops(&mut self, block: usize, drops: &DropCounts) {
        let block = &self.blocks[block];
        for (reason, count, first) in &drops.0 {
            self.quality.drop_rows(*reason, *count, &self.files[block.file], block.row(*first));
        }
    }

    /// Adds the delivery to keep of each id: the one known first; among ties the first one read.
    ///
    /// Keeping the first one read would let a later delivery hide an event that was already known.
    ///
    /// # Arguments
    /// * `source` – index of this source
    /// * `first` – the deliveries of the table before this source
    pub(super) fn add_deliveries(
        &self,
        source: usize,
        context: &ClassifyContext<'_>,
        first: &mut FirstDeliveries,
    ) -> Result<()> {
        for (b, block) in self.blocks.iter().enumerate().filter(|(_, block)| block.id.len() > 0) {
            let (ids, times) = (block.id.get(context.spill)?, block.event_times(context.spill)?);
            let (accounts, events) =
                (block.account.get(context.spill)?, block.event.get(context.spill)?);
            for index in (0..block.len()).filter(|index| ids[*index] != NO_CODE) {
                let complete = times.time[index] != NO_TIME
                    && missing_account(accounts[index]).is_none()
                    && events[index] != NO_EVENT;
                let known_at = times.known_at(index);
                if complete && known_at <= context.now && known_at < context.until {
                    first.keep(ids[index], events[index], (known_at, place(source, b, index)));
                }
            }
        }
        Ok(())
    }

    /// Classifies every event, counts dropped ones, and returns the conversions and churns.
    ///
    /// # Arguments
    /// * `source` – index of this source
    /// * `first` – the delivery to keep of each id
    pub(super) fn classify(
        &mut self,
        source: usize,
        context: &ClassifyContext<'_>,
        first: &FirstDeliveries,
    ) -> Result<Vec<OutcomeEvent>> {
        let classified = (0..self.blocks.len())
            .into_par_iter()
            .map(|block| self.classify_block((source, block), context, first));
        let classified: Vec<BlockDispositions> = classified.collect::<Result<_>>()?;
        let (any, times_of_day) =
            (classified.iter().any(|m| m.any), classified.iter().any(|m| m.times_of_day));
        self.quality.date_only = any && !times_of_day;
        let mut outcome_events = Vec::new();
        for (block, classified) in classified.into_iter().enumerate() {
            self.count_drops(block, &classified.drops);
            self.blocks[block].dispositions = classified.dispositions;
            outcome_events.extend(classified.outcome_events);
        }
        Ok(outcome_events)
    }

    fn classify_block(
        &self,
        (source, b): (usize, usize),
        context: &ClassifyContext<'_>,
        first: &FirstDeliveries,
    ) -> Result<BlockDispositions> {
        let block = &self.blocks[b];
        let (ids, times) = (block.id.get(context.spill)?, block.event_times(context.spill)?);
        let (accounts, events) =
            (block.account.get(context.spill)?, block.event.get(context.spill)?);
        let mut classified = BlockDispositions {
            dispositions: vec![Disposition::Dropped; block.len()],
            ..BlockDispositions::default()
        };
        for index in 0..block.len() {
            let (time, account, event, known_at) =
                (times.time[index], accounts[index], events[index], times.known_at(index));
            let repeated = || {
                let id = ids.get(index).filter(|id| **id != NO_CODE);
                id.is_some_and(|id| !first.is_first(*id, event, place(source, b, index)))
            };
            let reason = if time == NO_TIME {
                Some(DropReason::TimeMissing)
            } else if known_at > context.now {
                Some(DropReason::InTheFuture)
            } else if is_unknown(account) {
                // Whatever the end of the log: these events do not decide where it is.
                Some(DropReason::UnknownAccount)
            } else if known_at >= context.until {
                Some(DropReason::AfterUntil)
            } else if let Some(reason) = missing_account(account) {
                Some(reason)
            } else if event == NO_EVENT {
                Some(DropReason::EventMissing)
            } else if repeated() {
                Some(DropReason::RepeatedId)
            } else if context.not_signed_up.get(account as usize) == Some(&true) {
                // Checked before the times of day: an account that signs up after the end of the
                // log must not decide whether the source has times of day.
                Some(DropReason::NotYetSignedUp)
            } else {
                classified.any = true;
                classified.times_of_day =
                    classified.times_of_day || !context.days.is_midnight(time);
                let kind = context.by_name[usize::from(event)];
                let is_internal = kind == Disposition::Usage && block.is_internal(index);
                let kind = if is_internal { Disposition::Excluded } else { kind };
                classified.dispositions[index] = kind;
                match kind {
                    Disposition::Usage | Disposition::Dropped => None,
                    Disposition::Excluded if is_internal => Some(DropReason::InternalUser),
                    Disposition::Excluded => Some(DropReason::RoleExclude),
                    Disposition::Converted | Disposition::Churned => {
                        classified.outcome_events.push(OutcomeEvent { account, kind, known_at });
                        Some(if kind == Disposition::Converted {
                            DropReason::RoleConverted
                        } else {
                            DropReason::RoleChurned
                        })
                    }
                }
            };
            if let Some(reason) = reason {
                classified.drops.add(reason, index);
            }
        }
        Ok(classified)
    }
}
