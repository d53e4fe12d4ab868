//! The usage events of a log, grouped by account, in partitions of accounts.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use bytemuck::Pod;
use rayon::prelude::*;

use super::interner::{Interner, NO_CODE};
use super::partition::SORT_BYTES;
use super::spill::{SpillFile, Stored};
use super::{NO_USER, Names};
use crate::error::Result;
use crate::time::LocalDays;

/// The events of one partition of accounts, grouped by account and sorted by time, event, user,
/// time known and values.
#[derive(Debug, Clone, Default)]
pub struct Events {
    /// Codes of the accounts.
    pub accounts: Range<usize>,
    /// Events of the account at position a of `accounts`: `start[a]..start[a + 1]`.
    pub start: Vec<usize>,
    /// When the event happened, µs UTC.
    pub time: Vec<i64>,
    /// When the event became known, `max(time, received)`, µs UTC; `None` where no source has
    /// receipt times.
    pub known_at: Option<Vec<i64>>,
    /// Code in [`EventStore::names`].
    pub event: Vec<u16>,
    /// User, numbered from 0 within the account; [`NO_USER`] where missing.
    pub user: Vec<u32>,
    /// Numeric properties, in the order of [`EventStore::values`]; NaN where missing.
    pub values: Vec<Vec<f64>>,
    /// Users of the account at position a: `users[user_start[a]..user_start[a + 1]]`.
    pub user_start: Vec<usize>,
    /// Codes of the users, account by account.
    pub users: Vec<u32>,
    /// The days of the time zone.
    pub days: LocalDays,
}

impl Events {
    /// Returns the indices of the events of an account, given its code.
    #[must_use]
    pub fn account_range(&self, account: usize) -> Range<usize> {
        let index = account - self.accounts.start;
        self.start[index]..self.start[index + 1]
    }

    /// Returns when an event became known, µs UTC.
    #[must_use]
    pub fn known_at(&self, index: usize) -> i64 {
        self.known_at.as_ref().map_or(self.time[index], |known_at| known_at[index])
    }

    /// Returns the number of users of an account, given its code.
    #[must_use]
    pub fn user_count(&self, account: usize) -> usize {
        let index = account - self.accounts.start;
        self.user_start[index + 1] - self.user_start[index]
    }

    fn compare(&self, users: &Interner, a: usize, b: usize) -> Ordering {
        let user = || {
            if self.user[a] == self.user[b] {
                Ordering::Equal
            } else {
                user_name(users, self.user[a]).cmp(&user_name(users, self.user[b]))
            }
        };
        let known_at = || {
            self.known_at.as_ref().map_or(Ordering::Equal, |known_at| known_at[a].cmp(&known_at[b]))
        };
        let values = || {
            self.values
                .iter()
                .map(|v| v[a].total_cmp(&v[b]))
                .find(|o| o.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        let plain = (self.time[a], self.event[a]).cmp(&(self.time[b], self.event[b]));
        plain.then_with(user).then_with(known_at).then_with(values)
    }

    /// Sorts the events and numbers the users from 0 within each account; `user` has codes before.
    fn sorted(mut self, users: &Interner) -> Self {
        self.sort(users);
        self.localize_users();
        self
    }

    /// Sorts the events of each account; `user` still has codes.
    fn sort(&mut self, users: &Interner) {
        for index in 1..self.start.len() {
            let range = self.start[index - 1]..self.start[index];
            let ascends = self.time[range.clone()].windows(2).all(|t| t[0] < t[1]);
            if ascends || range.clone().is_sorted_by(|a, b| self.compare(users, *a, *b).is_le()) {
                continue;
            }
            let mut order: Vec<usize> = range.clone().collect();
            order.sort_unstable_by(|a, b| self.compare(users, *a, *b));
            permute(&mut self.time, &range, &order);
            if let Some(known_at) = &mut self.known_at {
                permute(known_at, &range, &order);
            }
            permute(&mut self.event, &range, &order);
            permute(&mut self.user, &range, &order);
            for values in &mut self.values {
                permute(values, &range, &order);
            }
        }
    }

    /// Returns whether an event equals the event before it in every column; both belong to one
    /// account.
    fn is_repeat(&self, index: usize) -> bool {
        let (a, b) = (index - 1, index);
        let known_at = self.known_at.as_ref().is_none_or(|known_at| known_at[a] == known_at[b]);
        let values = self.values.iter().all(|v| v[a].total_cmp(&v[b]).is_eq());
        (self.time[a], self.event[a], self.user[a]) == (self.time[b], self.event[b], self.user[b])
            && known_at
            && values
    }

    /// Counts the events that became known on some days, by day and event name code.
    ///
    /// # Arguments
    /// * `first` – number of the first local day
    /// * `counts` – adds to these; shape: days, event names
    fn count_copies(&self, first: i64, names: usize, counts: &mut [CopyCounts]) {
        let days = counts.len() / names.max(1);
        for bounds in self.start.windows(2) {
            let (mut index, end) = (bounds[0], bounds[1]);
            if self.known_at.is_none() {
                index += self.time[index..end].partition_point(|t| self.days.day(*t) < first);
            }
            while index < end {
                let copies = (index + 1..end).take_while(|next| self.is_repeat(*next)).count() + 1;
                let day = usize::try_from(self.days.day(self.known_at(index)) - first);
                if let Some(day) = day.ok().filter(|day| *day < days) {
                    counts[day * names + usize::from(self.event[index])].add(copies);
                }
                index += copies;
            }
        }
    }

    /// Numbers the users from 0 within each account.
    fn localize_users(&mut self) {
        self.user_start = vec![0];
        let mut account_users: Vec<u32> = Vec::new();
        for bounds in self.start.windows(2) {
            let slice = &mut self.user[bounds[0]..bounds[1]];
            account_users.clear();
            account_users.extend(
                slice.chunk_by(|a, b| a == b).map(|run| run[0]).filter(|user| *user != NO_CODE),
            );
            account_users.sort_unstable();
            account_users.dedup();
            for run in slice.chunk_by_mut(|a, b| a == b) {
                let user_index = account_users.binary_search(&run[0]);
                run.fill(user_index.map_or(NO_USER, |index| {
                    u32::try_from(index).expect("an account has fewer than 2³² users")
                }));
            }
            self.users.extend_from_slice(&account_users);
            self.user_start.push(self.users.len());
        }
    }
}

fn user_name(users: &Interner, user: u32) -> Option<&str> {
    (user != NO_CODE).then(|| users.name(user))
}

fn permute<T: Copy>(column: &mut [T], range: &Range<usize>, order: &[usize]) {
    let sorted: Vec<T> = order.iter().map(|index| column[*index]).collect();
    column[range.clone()].copy_from_slice(&sorted);
}

/// Events, and how many of them are equal in every column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CopyCounts {
    /// Events.
    pub(super) events: u64,
    /// Distinct events.
    pub(super) distinct: u64,
    /// Distinct events whose number of copies is divisible by 2 or 3, as of all events of a file
    /// that is read two, three or four times.
    pub(super) multiplied: u64,
}

impl CopyCounts {
    /// Adds the copies of one event.
    pub(super) fn add(&mut self, copies: usize) {
        self.events += copies as u64;
        self.distinct += 1;
        self.multiplied += u64::from(copies.is_multiple_of(2) || copies.is_multiple_of(3));
    }
}

impl std::ops::AddAssign for CopyCounts {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.distinct += other.distinct;
        self.multiplied += other.multiplied;
    }
}

/// All usage events, in partitions of consecutive accounts.
///
/// The partitions of a log that exceeds the memory budget are grouped again for each access.
#[derive(Debug)]
pub struct EventStore {
    /// Event names.
    pub names: Names,
    /// Names of the numeric properties.
    pub values: Vec<String>,
    /// User names.
    pub(super) users: Interner,
    /// Times of the first and last event, µs UTC.
    pub(super) time_range: Option<(i64, i64)>,
    pub(super) partitions: Partitions,
}

/// Storage of the partitions.
#[derive(Debug)]
pub(super) enum Partitions {
    InMemory(Vec<Events>),
    Deferred(DeferredEvents),
}

impl EventStore {
    /// Creates a store with one partition.
    pub(crate) fn from_events(names: Names, events: Events) -> Self {
        let time_range = events.time.iter().copied().min().zip(events.time.iter().copied().max());
        Self {
            names,
            values: Vec::new(),
            users: Interner::default(),
            time_range,
            partitions: Partitions::InMemory(vec![events]),
        }
    }

    /// Returns the number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.partitions {
            Partitions::InMemory(partitions) => {
                partitions.iter().map(|events| events.time.len()).sum()
            }
            Partitions::Deferred(deferred) => {
                deferred.blocks.iter().map(|block| block.account.len()).sum()
            }
        }
    }

    /// Returns whether there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the time of the last event, µs UTC.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.time_range.map(|(_, last)| last)
    }

    /// Returns whether any event has a user.
    #[must_use]
    pub fn has_users(&self) -> bool {
        match &self.partitions {
            Partitions::InMemory(partitions) => {
                partitions.iter().any(|events| !events.users.is_empty())
            }
            Partitions::Deferred(_) => self.users.len() > 0,
        }
    }

    /// Returns the number of partitions.
    pub(crate) fn partition_count(&self) -> usize {
        match &self.partitions {
            Partitions::InMemory(partitions) => partitions.len(),
            Partitions::Deferred(deferred) => deferred.accounts.len(),
        }
    }

    /// Returns the account codes of a partition.
    pub(crate) fn accounts(&self, partition: usize) -> Range<usize> {
        match &self.partitions {
            Partitions::InMemory(partitions) => partitions[partition].accounts.clone(),
            Partitions::Deferred(deferred) => deferred.accounts[partition].clone(),
        }
    }

    /// Applies `work` to one partition.
    ///
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
    pub(crate) fn with_partition<R>(
        &self,
        partition: usize,
        work: impl FnOnce(&Events) -> R,
    ) -> Result<R> {
        match &self.partitions {
            Partitions::InMemory(partitions) => Ok(work(&partitions[partition])),
            Partitions::Deferred(deferred) => Ok(work(&deferred.group(partition, &self.users)?)),
        }
    }

    /// Applies `work` to all partitions in parallel; results are in the order of the partitions.
    ///
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
    pub fn map<R: Send>(&self, work: impl Fn(&Events) -> R + Sync) -> Result<Vec<R>> {
        (0..self.partition_count())
            .into_par_iter()
            .map(|partition| self.with_partition(partition, &work))
            .collect()
    }

    /// Counts the events that became known on some days and the copies among them, by day and event
    /// name code.
    ///
    /// # Arguments
    /// * `first` – number of the first local day
    /// * `days` – number of days
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
    pub(super) fn copies(&self, first: i64, days: usize) -> Result<Vec<CopyCounts>> {
        let names = self.names.len();
        let none = || vec![CopyCounts::default(); days * names];
        let add = |mut a: Vec<CopyCounts>, b: Vec<CopyCounts>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            Ok(a)
        };
        let add_partition = |mut counts: Vec<CopyCounts>, partition| {
            self.with_partition(partition, |events| {
                events.count_copies(first, names, &mut counts);
            })?;
            Ok(counts)
        };
        (0..self.partition_count())
            .into_par_iter()
            .try_fold(none, add_partition)
            .try_reduce(none, add)
    }

    /// Returns whether all events are in memory; otherwise each pass over them groups them again.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.partitions, Partitions::InMemory(_))
    }

    /// Groups all partitions and keeps them in memory.
    pub(super) fn group_in_memory(&mut self) -> Result<()> {
        if let Partitions::Deferred(deferred) = &mut self.partitions {
            self.partitions = Partitions::InMemory(deferred.group_all(&self.users)?);
        }
        Ok(())
    }
}

/// Blocks of events whose partitions are grouped by account on access.
#[derive(Debug)]
pub(super) struct DeferredEvents {
    pub(super) blocks: Vec<SortedBlock>,
    pub(super) spill: SpillFile,
    /// Account codes of each partition.
    pub(super) accounts: Vec<Range<usize>>,
    /// Number of numeric properties.
    pub(super) values: usize,
    /// Whether any source has receipt times.
    pub(super) has_receipt_times: bool,
    /// The days of the time zone.
    pub(super) days: LocalDays,
}

/// The events of a block, sorted by partition.
#[derive(Debug)]
pub(super) struct SortedBlock {
    /// Events of partition p: `bounds[p]..bounds[p + 1]`.
    pub(super) bounds: Vec<u32>,
    pub(super) account: Stored<u32>,
    /// Empty where the file has no users.
    pub(super) user: Stored<u32>,
    pub(super) event: Stored<u16>,
    pub(super) time: Stored<i64>,
    /// Empty where it equals `time`.
    pub(super) known_at: Stored<i64>,
    /// By numeric property; empty where the source lacks it.
    pub(super) values: Vec<Stored<f64>>,
}

impl DeferredEvents {
    /// Returns the size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let block_bytes = |b: &SortedBlock| {
            let values: usize = b.values.iter().map(Stored::bytes).sum();
            b.account.bytes()
                + b.user.bytes()
                + b.event.bytes()
                + b.time.bytes()
                + b.known_at.bytes()
                + values
        };
        self.blocks.iter().map(block_bytes).sum()
    }

    /// Returns the size in memory of the widest column, in bytes.
    pub(super) fn widest_column(&self) -> usize {
        self.blocks.iter().map(|block| block.time.bytes()).sum()
    }

    /// Returns the memory that an event takes while the events of its account are sorted, in bytes.
    pub(super) fn event_bytes(&self) -> u64 {
        let numbers = 1 + usize::from(self.has_receipt_times) + self.values;
        // The event type, the user, and the position in the partition.
        let codes = size_of::<u16>() + 2 * size_of::<u32>();
        (numbers * size_of::<i64>() + codes + SORT_BYTES) as u64
    }

    /// Groups the events of one partition by account.
    fn group(&self, partition: usize, users: &Interner) -> Result<Events> {
        let PartitionOrder { start, to } = self.order(partition)?;
        let events = Events {
            days: self.days.clone(),
            accounts: self.accounts[partition].clone(),
            start,
            time: self.place_column(partition, &to, |block| &block.time, 0)?,
            known_at: if self.has_receipt_times {
                Some(self.place_column(partition, &to, SortedBlock::known_at, 0)?)
            } else {
                None
            },
            event: self.place_column(partition, &to, |block| &block.event, 0)?,
            user: self.place_column(partition, &to, |block| &block.user, NO_CODE)?,
            values: (0..self.values)
                .map(|index| {
                    self.place_column(partition, &to, |block| &block.values[index], f64::NAN)
                })
                .collect::<Result<_>>()?,
            ..Events::default()
        };
        Ok(events.sorted(users))
    }

    /// Groups the events of all partitions, column by column: each column of the blocks is freed
    /// before the next one is placed, so that memory never holds the log twice.
    fn group_all(&mut self, users: &Interner) -> Result<Vec<Events>> {
        let orders: Vec<PartitionOrder> = (0..self.accounts.len())
            .into_par_iter()
            .map(|partition| self.order(partition))
            .collect::<Result<_>>()?;
        self.blocks.iter_mut().for_each(|block| block.account = Stored::default());
        let event = self.place_columns(&orders, |block| &block.event, 0)?;
        self.blocks.iter_mut().for_each(|block| block.event = Stored::default());
        let user = self.place_columns(&orders, |block| &block.user, NO_CODE)?;
        self.blocks.iter_mut().for_each(|block| block.user = Stored::default());
        let known_at = if self.has_receipt_times {
            Some(self.place_columns(&orders, SortedBlock::known_at, 0)?)
        } else {
            None
        };
        self.blocks.iter_mut().for_each(|block| block.known_at = Stored::default());
        let time = self.place_columns(&orders, |block| &block.time, 0)?;
        self.blocks.iter_mut().for_each(|block| block.time = Stored::default());
        let mut values: Vec<Vec<Vec<f64>>> =
            self.accounts.iter().map(|_| Vec::with_capacity(self.values)).collect();
        for index in 0..self.values {
            let placed = self.place_columns(&orders, |block| &block.values[index], f64::NAN)?;
            self.blocks.iter_mut().for_each(|block| block.values[index] = Stored::default());
            values.iter_mut().zip(placed).for_each(|(values, column)| values.push(column));
        }
        let mut known_at = known_at.map(Vec::into_iter);
        let columns = self.accounts.iter().zip(orders).zip(event).zip(user).zip(time).zip(values);
        let partitions: Vec<Events> = columns
            .map(|(((((accounts, order), event), user), time), values)| Events {
                days: self.days.clone(),
                accounts: accounts.clone(),
                start: order.start,
                time,
                known_at: known_at.as_mut().and_then(Iterator::next),
                event,
                user,
                values,
                ..Events::default()
            })
            .collect();
        Ok(partitions.into_par_iter().map(|events| events.sorted(users)).collect())
    }

    /// Iterates over the events of a partition, block by block.
    fn pieces(&self, partition: usize) -> impl Iterator<Item = (&SortedBlock, Range<usize>)> {
        let range = move |block: &SortedBlock| {
            block.bounds[partition] as usize..block.bounds[partition + 1] as usize
        };
        self.blocks
            .iter()
            .map(move |block| (block, range(block)))
            .filter(|(_, range)| !range.is_empty())
    }

    /// Computes the positions of the events of a partition.
    fn order(&self, partition: usize) -> Result<PartitionOrder> {
        let accounts = &self.accounts[partition];
        let pieces =
            self.pieces(partition).map(|(block, range)| block.account.slice(&self.spill, range));
        let pieces: Vec<Cow<'_, [u32]>> = pieces.collect::<Result<_>>()?;
        let mut start = vec![0; accounts.len() + 1];
        pieces
            .iter()
            .flat_map(|piece| piece.iter())
            .for_each(|account| start[*account as usize - accounts.start + 1] += 1);
        for index in 1..start.len() {
            start[index] += start[index - 1];
        }
        let mut next = start.clone();
        let mut next_position = |account: &u32| {
            let slot = &mut next[*account as usize - accounts.start];
            *slot += 1;
            u32::try_from(*slot - 1).expect("a partition has fewer than 2³² events")
        };
        let mut to = Vec::with_capacity(start[accounts.len()]);
        pieces.iter().for_each(|piece| to.extend(piece.iter().map(&mut next_position)));
        Ok(PartitionOrder { start, to })
    }

    /// Returns a column of a partition; `missing` where a block lacks the column.
    fn place_column<T: Pod>(
        &self,
        partition: usize,
        to: &[u32],
        column: impl Fn(&SortedBlock) -> &Stored<T>,
        missing: T,
    ) -> Result<Vec<T>> {
        let mut out = vec![missing; to.len()];
        let mut done = 0;
        for (block, range) in self.pieces(partition) {
            let to = &to[done..done + range.len()];
            done += range.len();
            if column(block).len() > 0 {
                let values = column(block).slice(&self.spill, range)?;
                to.iter().zip(&*values).for_each(|(to, value)| out[*to as usize] = *value);
            }
        }
        Ok(out)
    }

    /// Returns a column of all partitions.
    fn place_columns<T>(
        &self,
        orders: &[PartitionOrder],
        column: impl Fn(&SortedBlock) -> &Stored<T> + Sync,
        missing: T,
    ) -> Result<Vec<Vec<T>>>
    where
        T: Pod + Send + Sync,
    {
        orders
            .par_iter()
            .enumerate()
            .map(|(partition, order)| self.place_column(partition, &order.to, &column, missing))
            .collect()
    }
}

impl SortedBlock {
    /// Returns when the events became known.
    fn known_at(&self) -> &Stored<i64> {
        if self.known_at.len() > 0 { &self.known_at } else { &self.time }
    }
}

/// The positions of the events of a partition once they are grouped by account.
struct PartitionOrder {
    /// First position of each account.
    start: Vec<usize>,
    /// Position of each event, in the order of the blocks.
    to: Vec<u32>,
}
