//! Raw, classified events → usage events, sorted by partition of the accounts.

use std::ops::Range;

use bytemuck::Pod;
use rayon::prelude::*;

use super::accounts::{AccountMap, Accounts};
use super::assemble::LogSpan;
use super::daily::{CountedDays, DayTally};
use super::event_store::{DeferredEvents, EventStore, Partitions, SortedBlock};
use super::interner::NO_CODE;
use super::quality::SourceQuality;
use super::raw_events::RawEvents;
use super::raw_source::{Disposition, DropCounts, RawBlock, RawSource};
use super::spill::{SpillFile, Stored};
use super::{Names, READER_OVERHEAD};
use crate::error::{Error, Result};
use crate::names::grouped;
use crate::time::LocalDays;
use crate::warning::DropReason;

/// Approximate number of events of a partition: its columns fit into the cache of one core while
/// they are sorted.
const PARTITION_EVENTS: u32 = 1 << 17;

/// Size of the positions and of one column while the events of an account are sorted, in bytes per
/// event.
pub(super) const SORT_BYTES: usize = 16;

/// Counts over all events that are not dropped.
#[derive(Default)]
pub(super) struct LogCounts {
    /// Times of the first and last usage event, µs UTC.
    pub(super) time_range: Option<(i64, i64)>,
    /// Time of the first usage event of the covered days, µs UTC; `None`: all days are covered.
    pub(super) first_covered: Option<i64>,
    /// By event name code, whether any event has the name.
    pub(super) present: Vec<bool>,
    /// By event name code, whether any usage event has the name.
    used: Vec<bool>,
    /// Number of usage events by source.
    kept: Vec<u64>,
    /// By account.
    pub(super) by_account: Vec<AccountCounts>,
    /// Number of usage events before the sign-up of their account.
    pub(super) before_sign_up: u64,
    /// Events by day, by source.
    pub(super) by_day: Vec<DayTally>,
}

/// The usage events of an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct AccountCounts {
    pub(super) events: u32,
    /// Time of the last event, µs UTC.
    pub(super) last: i64,
}

impl AccountCounts {
    const NONE: Self = Self { events: 0, last: i64::MIN };

    fn add(&mut self, other: Self) {
        self.events = self.events.saturating_add(other.events);
        self.last = self.last.max(other.last);
    }
}

/// Counts over the blocks of one thread.
struct ShareCounts {
    blocks: Vec<BlockCounts>,
    by_account: Vec<AccountCounts>,
    by_day: DayTally,
}

/// Counts over the events of one block.
struct BlockCounts {
    time_range: Option<(i64, i64)>,
    first_covered: Option<i64>,
    present: Vec<bool>,
    used: Vec<bool>,
    kept: u64,
    before_sign_up: u64,
    drops: DropCounts,
}

/// Drops the events of dropped accounts, and counts the remaining ones.
pub(super) fn count_events(
    raw: &mut RawEvents,
    account_map: &AccountMap,
    accounts: &Accounts,
    span: &LogSpan<'_>,
) -> Result<LogCounts> {
    let (names, n) = (raw.names.len(), accounts.id.len());
    let (present, used) = (vec![false; names], vec![false; names]);
    let mut counts = LogCounts {
        present,
        used,
        by_account: vec![AccountCounts::NONE; n],
        ..LogCounts::default()
    };
    let signed_up = &accounts.signed_up;
    let covered_from = span.covered_from;
    let days = span.days;
    let counter =
        EventCounter { account_map, signed_up, names, covered_from, days, spill: &raw.spill };
    // The log may end after the last event, and so after the days of its events.
    let counted_days = CountedDays::new(span.zone.day_number(span.until), names);
    for source in &mut raw.sources {
        // Every thread has its own counts by account and by day.
        let share = source.blocks.len().div_ceil(rayon::current_num_threads()).max(1);
        let count_share = |blocks: &mut [RawBlock]| {
            let mut by_account = vec![AccountCounts::NONE; n];
            let mut by_day = DayTally::new(counted_days);
            let blocks = blocks
                .iter_mut()
                .map(|block| counter.count(block, &mut by_account, &mut by_day))
                .collect::<Result<_>>()?;
            Ok(ShareCounts { blocks, by_account, by_day })
        };
        let shares: Vec<ShareCounts> =
            source.blocks.par_chunks_mut(share).map(count_share).collect::<Result<_>>()?;
        let mut by_day = DayTally::new(counted_days);
        for share in &shares {
            by_day.merge(&share.by_day);
            let by_account = counts.by_account.iter_mut().zip(&share.by_account);
            by_account.for_each(|(all, share)| all.add(*share));
        }
        counts.by_day.push(by_day);
        let mut kept = 0;
        for (block, counted) in shares.into_iter().flat_map(|share| share.blocks).enumerate() {
            source.count_drops(block, &counted.drops);
            kept += counted.kept;
            counts.before_sign_up += counted.before_sign_up;
            counts.time_range = match (counts.time_range, counted.time_range) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            };
            counts.first_covered = match (counts.first_covered, counted.first_covered) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            for (all, of_block) in
                [(&mut counts.present, counted.present), (&mut counts.used, counted.used)]
            {
                all.iter_mut().zip(of_block).for_each(|(all, of_block)| *all |= of_block);
            }
        }
        counts.kept.push(kept);
    }
    Ok(counts)
}

/// Counts the events of a block.
struct EventCounter<'a> {
    account_map: &'a AccountMap,
    /// By account, µs UTC.
    signed_up: &'a [i64],
    /// Number of event names.
    names: usize,
    /// Start of the first covered day, µs UTC.
    covered_from: Option<i64>,
    days: &'a LocalDays,
    spill: &'a SpillFile,
}

impl EventCounter<'_> {
    /// Drops events of dropped accounts, and counts the others by name, by account and by day.
    fn count(
        &self,
        block: &mut RawBlock,
        by_account: &mut [AccountCounts],
        by_day: &mut DayTally,
    ) -> Result<BlockCounts> {
        let Self { account_map, signed_up, names, covered_from, days, spill } = *self;
        let mut dispositions = std::mem::take(&mut block.dispositions);
        let (accounts, events, times) =
            (block.account.get(spill)?, block.event.get(spill)?, block.event_times(spill)?);
        let mut counted = BlockCounts {
            time_range: None,
            first_covered: None,
            present: vec![false; names],
            used: vec![false; names],
            kept: 0,
            before_sign_up: 0,
            drops: DropCounts::default(),
        };
        let (mut first, mut last, mut first_covered) = (i64::MAX, i64::MIN, i64::MAX);
        for (index, disposition) in dispositions.iter_mut().enumerate() {
            if *disposition == Disposition::Dropped {
                continue;
            }
            let account = accounts[index] as usize;
            if let Some(reason) = account_map.drop_reason[account] {
                if *disposition == Disposition::Usage {
                    let reason = if reason == DropReason::TimeMissing {
                        DropReason::AccountDropped
                    } else {
                        reason
                    };
                    counted.drops.add(reason, index);
                }
                *disposition = Disposition::Dropped;
                continue;
            }
            counted.present[usize::from(events[index])] = true;
            let [time, known_at] =
                [times.time[index], times.known_at(index)].map(|time| days.local(time));
            by_day.add(events[index], time, known_at);
            if *disposition == Disposition::Usage {
                counted.used[usize::from(events[index])] = true;
                counted.kept += 1;
                let (time, account) = (times.time[index], account_map.row[account] as usize);
                (first, last) = (first.min(time), last.max(time));
                if covered_from.is_some_and(|from| time >= from) {
                    first_covered = first_covered.min(time);
                }
                counted.before_sign_up += u64::from(time < signed_up[account]);
                by_account[account].add(AccountCounts { events: 1, last: time });
            }
        }
        counted.first_covered = (first_covered < i64::MAX).then_some(first_covered);
        counted.time_range = (first <= last).then_some((first, last));
        block.dispositions = dispositions;
        Ok(counted)
    }
}

/// Sorts the usage events by partition; returns them and the data quality of their sources.
///
/// # Arguments
/// * `memory` – bytes that the events may take while they are grouped by account
/// * `days` – the days of the time zone
pub(super) fn partition_events(
    raw: RawEvents,
    counts: &LogCounts,
    (account_map, accounts): (&AccountMap, &Accounts),
    (memory, days): (usize, &LocalDays),
) -> Result<(EventStore, Vec<SourceQuality>)> {
    let (names, name_rank) = raw.names.ranks(|code| counts.used[code as usize]);
    let partitions = split_accounts(&counts.by_account);
    let mut partition_of = vec![0; counts.by_account.len()];
    for (partition, accounts) in (0..).zip(&partitions) {
        partition_of[accounts.clone()].fill(partition);
    }
    let has_receipt_times =
        raw.sources.iter().flat_map(|source| &source.blocks).any(|block| block.received.len() > 0);
    let sorter = BlockSorter {
        account_map,
        partition_of: &partition_of,
        partitions: partitions.len(),
        name_rank: &name_rank,
        values: raw.values.len(),
        spill: &raw.spill,
    };
    let (mut blocks, mut qualities) = (Vec::new(), Vec::new());
    for (source, kept) in raw.sources.into_iter().zip(counts.kept.iter().copied()) {
        let RawSource { blocks: read, values, quality, .. } = source;
        let sorted: Vec<SortedBlock> = read
            .into_par_iter()
            .map_init(Vec::new, |buffer, block| sorter.sort(block, &values, buffer))
            .collect::<Result<_>>()?;
        blocks.extend(sorted.into_iter().filter(|block| block.account.len() > 0));
        qualities.push(SourceQuality { kept, ..quality });
    }

    let deferred = DeferredEvents {
        blocks,
        spill: raw.spill,
        accounts: partitions,
        values: raw.values.len(),
        has_receipt_times,
        days: days.clone(),
    };
    let largest = counts.by_account.iter().max_by_key(|account| account.events);
    let sorting = largest.map_or(0, |largest| largest.events as usize * SORT_BYTES);
    let fits = deferred.bytes() + deferred.widest_column().max(sorting) <= memory
        && deferred.blocks.iter().all(|block| block.account.is_in_memory());
    if !fits {
        check_largest_account(&deferred, &counts.by_account, (&accounts.id, memory))?;
    }
    let mut store = EventStore {
        names: Names::from_sorted(names),
        values: raw.values,
        users: raw.users,
        time_range: counts.time_range,
        partitions: Partitions::Deferred(deferred),
    };
    if fits {
        store.group_in_memory()?;
    }
    Ok((store, qualities))
}

/// Checks that the events of each account fit into memory: all events of an account are sorted at
/// once.
fn check_largest_account(
    events: &DeferredEvents,
    by_account: &[AccountCounts],
    (names, memory): (&Names, usize),
) -> Result<()> {
    let Some((account, largest)) =
        by_account.iter().enumerate().max_by_key(|(_, account)| account.events)
    else {
        return Ok(());
    };
    let bytes = u64::from(largest.events) * events.event_bytes();
    let limit = (memory as u64).max(READER_OVERHEAD);
    if bytes <= limit && largest.events < u32::MAX {
        return Ok(());
    }
    let megabytes = |bytes: u64| format!("{} MB", grouped(bytes.div_ceil(1_000_000)));
    Err(Error::Usage {
        problem: format!(
            "account `{}`: found {} events, which take {} while they are sorted, expected at most {} (`--memory`)",
            &names[account],
            grouped(u64::from(largest.events)),
            megabytes(bytes),
            megabytes(limit)
        ),
        hint: Some("set a larger `--memory`, or leave the account out of the events if it is a test or a robot".to_owned()),
    })
}

/// Splits the accounts into partitions of about [`PARTITION_EVENTS`] events.
fn split_accounts(by_account: &[AccountCounts]) -> Vec<Range<usize>> {
    let (mut partitions, mut start, mut events) = (Vec::new(), 0, 0_u32);
    for (account, counts) in by_account.iter().enumerate() {
        events = events.saturating_add(counts.events);
        if events >= PARTITION_EVENTS || account + 1 == by_account.len() {
            partitions.push(start..account + 1);
            (start, events) = (account + 1, 0);
        }
    }
    partitions
}

/// Sorts the events of a block by partition.
struct BlockSorter<'a> {
    account_map: &'a AccountMap,
    /// Partition by account.
    partition_of: &'a [u32],
    partitions: usize,
    /// Final code by interned event name code.
    name_rank: &'a [u32],
    /// Number of numeric properties.
    values: usize,
    spill: &'a SpillFile,
}

impl BlockSorter<'_> {
    /// Sorts a block; `buffer` is memory that is reused for the next block.
    fn sort(
        &self,
        mut block: RawBlock,
        values: &[usize],
        buffer: &mut Vec<u64>,
    ) -> Result<SortedBlock> {
        let spill = self.spill;
        let mut bounds = vec![0; self.partitions + 1];
        let row = |(account, disposition): (&u32, &Disposition)| {
            if *disposition != Disposition::Usage {
                return NO_CODE;
            }
            let row = self.account_map.row[*account as usize];
            bounds[self.partition_of[row as usize] as usize + 1] += 1;
            row
        };
        let account: Vec<u32> =
            block.account.get(spill)?.iter().zip(&block.dispositions).map(row).collect();
        for partition in 0..self.partitions {
            bounds[partition + 1] += bounds[partition];
        }
        let mut next = bounds.clone();
        let mut place = |account: &u32| {
            let slot = &mut next[self.partition_of[*account as usize] as usize];
            *slot += 1;
            *slot - 1
        };
        let to: Vec<u32> = account
            .iter()
            .map(|account| if *account == NO_CODE { NO_CODE } else { place(account) })
            .collect();
        let mut order =
            Placement { to: &to, kept: bounds[self.partitions] as usize, spill, buffer };
        if block.received.len() > 0 {
            let times = block.event_times(spill)?;
            let known_at = (0..block.len()).map(|index| times.known_at(index)).collect();
            block.received.replace(spill, known_at)?;
        }
        block.account.replace(spill, account)?;
        // Names without usage occur only in events that are not kept.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "names were counted while they were read"
        )]
        let rank = |event: &u16| {
            self.name_rank.get(usize::from(*event)).copied().unwrap_or(NO_CODE) as u16
        };
        let event = block.event.get(spill)?.iter().map(rank).collect();
        block.event.replace(spill, event)?;
        let mut by_property: Vec<Stored<f64>> =
            (0..self.values).map(|_| Stored::default()).collect();
        for (property, column) in values.iter().zip(block.values) {
            by_property[*property] = order.apply(column)?;
        }
        Ok(SortedBlock {
            account: order.apply(block.account)?,
            user: order.apply(block.user)?,
            event: order.apply(block.event)?,
            time: order.apply(block.time)?,
            known_at: order.apply(block.received)?,
            values: by_property,
            bounds,
        })
    }
}

/// The position of each event of a block after sorting; [`NO_CODE`] where it is not kept.
struct Placement<'a> {
    to: &'a [u32],
    kept: usize,
    spill: &'a SpillFile,
    buffer: &'a mut Vec<u64>,
}

impl Placement<'_> {
    fn apply<T: Pod>(&mut self, mut column: Stored<T>) -> Result<Stored<T>> {
        if column.len() > 0 {
            column.modify(self.spill, |values| {
                let bytes = size_of_val(values.as_slice());
                self.buffer.resize(self.buffer.len().max(bytes.div_ceil(size_of::<u64>())), 0);
                let before = &mut bytemuck::cast_slice_mut(self.buffer)[..values.len()];
                before.copy_from_slice(values);
                for (value, to) in before.iter().zip(self.to).filter(|(_, to)| **to != NO_CODE) {
                    values[*to as usize] = *value;
                }
                values.truncate(self.kept);
            })?;
        }
        Ok(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_with_too_many_events_is_refused_by_name() {
        let events = DeferredEvents {
            blocks: Vec::new(),
            spill: SpillFile::default(),
            accounts: Vec::new(),
            values: 1,
            has_receipt_times: true,
            days: LocalDays::default(),
        };
        let names = Names::from_sorted(vec!["acme".into(), "robot".into()]);
        let check = |events_of_robot: u32, memory: usize| {
            let counts = [80, events_of_robot].map(|events| AccountCounts { events, last: 0 });
            check_largest_account(&events, &counts, (&names, memory)).map_err(|e| e.to_string())
        };
        let error = check(80_000_000, 1_000_000_000).unwrap_err();
        assert_eq!(
            error,
            "account `robot`: found 80,000,000 events, which take 4,000 MB while they are sorted, expected at most 1,000 MB (`--memory`)"
        );
        assert_eq!(check(80_000_000, 4_000_000_000), Ok(()));
        assert_eq!(check(5_000_000, 0), Ok(()), "the readers take as much");
        assert!(check(u32::MAX, usize::MAX).is_err());
    }
}
