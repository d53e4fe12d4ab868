//! The usage log: events by account, in parts of accounts.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use bytemuck::Pod;
use rayon::prelude::*;

use super::codes::{Codes, NO_CODE};
use super::spill::{Spill, Stored};
use super::{NO_USER, Names};
use crate::error::Result;

/// The events of some accounts, gathered by account, inside an account by time, then event, user,
/// time seen and values.
#[derive(Debug, Clone, Default)]
pub struct Events {
    /// The accounts, by code.
    pub accounts: Range<usize>,
    /// Events of the account at place a of `accounts`: `start[a]..start[a + 1]`.
    pub start: Vec<usize>,
    /// When it happened, µs UTC.
    pub time: Vec<i64>,
    /// When it was known, `max(time, received)`; `None` where no source has a time of receipt.
    pub seen: Option<Vec<i64>>,
    /// Code in [`Usage::names`].
    pub event: Vec<u16>,
    /// User, counted from 0 inside the account; [`NO_USER`] where missing.
    pub user: Vec<u32>,
    /// Numeric properties, in the order of [`Usage::values`]; NaN where missing.
    pub values: Vec<Vec<f64>>,
    /// Users of the account at place a: `users[user_start[a]..user_start[a + 1]]`, by code.
    pub user_start: Vec<usize>,
    /// Codes of users, account by account.
    pub users: Vec<u32>,
}

impl Events {
    /// The events of one account, by its code.
    #[must_use]
    pub fn of(&self, account: usize) -> Range<usize> {
        let at = account - self.accounts.start;
        self.start[at]..self.start[at + 1]
    }

    /// When an event was known, µs UTC.
    #[must_use]
    pub fn seen_at(&self, at: usize) -> i64 {
        self.seen.as_ref().map_or(self.time[at], |seen| seen[at])
    }

    /// How many users the account has, by its code.
    #[must_use]
    pub fn users_of(&self, account: usize) -> usize {
        let at = account - self.accounts.start;
        self.user_start[at + 1] - self.user_start[at]
    }

    fn compare(&self, codes: &Codes, a: usize, b: usize) -> Ordering {
        let user = || {
            if self.user[a] == self.user[b] {
                Ordering::Equal
            } else {
                name(codes, self.user[a]).cmp(&name(codes, self.user[b]))
            }
        };
        let seen = || self.seen.as_ref().map_or(Ordering::Equal, |seen| seen[a].cmp(&seen[b]));
        let values = || {
            self.values
                .iter()
                .map(|v| v[a].total_cmp(&v[b]))
                .find(|o| o.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        let plain = (self.time[a], self.event[a]).cmp(&(self.time[b], self.event[b]));
        plain.then_with(user).then_with(seen).then_with(values)
    }

    /// The same in order, its users counted from 0 inside each account; they are codes still.
    fn in_order(mut self, users: &Codes) -> Self {
        self.sort(users);
        self.localize_users();
        self
    }

    /// Put every account's slice in order; users are codes still.
    fn sort(&mut self, codes: &Codes) {
        for at in 1..self.start.len() {
            let range = self.start[at - 1]..self.start[at];
            let ascends = self.time[range.clone()].windows(2).all(|t| t[0] < t[1]);
            if ascends || range.clone().is_sorted_by(|a, b| self.compare(codes, *a, *b).is_le()) {
                continue;
            }
            let mut order: Vec<usize> = range.clone().collect();
            order.sort_unstable_by(|a, b| self.compare(codes, *a, *b));
            permute(&mut self.time, &range, &order);
            if let Some(seen) = &mut self.seen {
                permute(seen, &range, &order);
            }
            permute(&mut self.event, &range, &order);
            permute(&mut self.user, &range, &order);
            for values in &mut self.values {
                permute(values, &range, &order);
            }
        }
    }

    /// Count those of the first so many events that are the one before them once more.
    pub(super) fn repeats(&self, first: usize) -> usize {
        let same = |a: usize, b: usize| {
            let seen = self.seen.as_ref().is_none_or(|seen| seen[a] == seen[b]);
            let values = self.values.iter().all(|v| v[a].total_cmp(&v[b]).is_eq());
            (self.time[a], self.event[a], self.user[a])
                == (self.time[b], self.event[b], self.user[b])
                && seen
                && values
        };
        let of_account = |bounds: &[usize]| {
            (bounds[0] + 1..bounds[1].min(first)).filter(|at| same(at - 1, *at)).count()
        };
        self.start.windows(2).map(of_account).sum()
    }

    /// Count users from 0 inside each account.
    fn localize_users(&mut self) {
        self.user_start = vec![0];
        let mut of_account: Vec<u32> = Vec::new();
        for bounds in self.start.windows(2) {
            let slice = &mut self.user[bounds[0]..bounds[1]];
            of_account.clear();
            of_account.extend(
                slice.chunk_by(|a, b| a == b).map(|run| run[0]).filter(|user| *user != NO_CODE),
            );
            of_account.sort_unstable();
            of_account.dedup();
            for run in slice.chunk_by_mut(|a, b| a == b) {
                let place = of_account.binary_search(&run[0]);
                run.fill(
                    place
                        .map_or(NO_USER, |at| u32::try_from(at).expect("no more users than codes")),
                );
            }
            self.users.extend_from_slice(&of_account);
            self.user_start.push(self.users.len());
        }
    }
}

fn name(codes: &Codes, user: u32) -> Option<&str> {
    (user != NO_CODE).then(|| codes.name(user))
}

fn permute<T: Copy>(column: &mut [T], range: &Range<usize>, order: &[usize]) {
    let sorted: Vec<T> = order.iter().map(|at| column[*at]).collect();
    column[range.clone()].copy_from_slice(&sorted);
}

/// The usage log: all events, in parts of accounts that follow each other.
///
/// Where the log is large its parts are gathered anew each time they are asked for.
#[derive(Debug)]
pub struct Usage {
    /// Event names.
    pub names: Names,
    /// Names of the numeric properties.
    pub values: Vec<String>,
    /// User names.
    pub(super) users: Codes,
    /// First and last time at which anything was used, µs UTC.
    pub(super) extent: Option<(i64, i64)>,
    pub(super) parts: Parts,
}

/// Where the parts are.
#[derive(Debug)]
pub(super) enum Parts {
    Held(Vec<Events>),
    Waiting(Waiting),
}

impl Usage {
    /// A log of one part.
    pub(crate) fn of(names: Names, events: Events) -> Self {
        let extent = events.time.iter().copied().min().zip(events.time.iter().copied().max());
        Self {
            names,
            values: Vec::new(),
            users: Codes::default(),
            extent,
            parts: Parts::Held(vec![events]),
        }
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.parts {
            Parts::Held(parts) => parts.iter().map(|events| events.time.len()).sum(),
            Parts::Waiting(waiting) => waiting.blocks.iter().map(|block| block.account.len()).sum(),
        }
    }

    /// Whether there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the last event happened, µs UTC.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.extent.map(|(_, last)| last)
    }

    /// Whether any event has a user.
    #[must_use]
    pub fn has_users(&self) -> bool {
        match &self.parts {
            Parts::Held(parts) => parts.iter().any(|events| !events.users.is_empty()),
            Parts::Waiting(_) => self.users.len() > 0,
        }
    }

    /// How many parts there are.
    pub(crate) fn parts(&self) -> usize {
        match &self.parts {
            Parts::Held(parts) => parts.len(),
            Parts::Waiting(waiting) => waiting.accounts.len(),
        }
    }

    /// The accounts of a part, by code.
    pub(crate) fn accounts(&self, part: usize) -> Range<usize> {
        match &self.parts {
            Parts::Held(parts) => parts[part].accounts.clone(),
            Parts::Waiting(waiting) => waiting.accounts[part].clone(),
        }
    }

    /// Work on one part.
    ///
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
    pub(crate) fn with_part<R>(&self, part: usize, work: impl FnOnce(&Events) -> R) -> Result<R> {
        match &self.parts {
            Parts::Held(parts) => Ok(work(&parts[part])),
            Parts::Waiting(waiting) => Ok(work(&waiting.gather(part, &self.users)?)),
        }
    }

    /// Work on all parts, several at a time; the answers come in the order of the parts.
    ///
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
    pub fn map<R: Send>(&self, work: impl Fn(&Events) -> R + Sync) -> Result<Vec<R>> {
        (0..self.parts()).into_par_iter().map(|part| self.with_part(part, &work)).collect()
    }

    /// Gather all parts for good.
    pub(super) fn hold(&mut self) -> Result<()> {
        if let Parts::Waiting(waiting) = &mut self.parts {
            self.parts = Parts::Held(waiting.gather_all(&self.users)?);
        }
        Ok(())
    }
}

/// Events that are sorted by part, batch by batch.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) blocks: Vec<Sorted>,
    pub(super) spill: Spill,
    /// The accounts of each part.
    pub(super) accounts: Vec<Range<usize>>,
    /// How many numeric properties there are.
    pub(super) values: usize,
    /// Whether times of being known are other than those of happening.
    pub(super) has_seen: bool,
}

/// The events of a batch, sorted by part.
#[derive(Debug)]
pub(super) struct Sorted {
    /// Events of part p: `bounds[p]..bounds[p + 1]`.
    pub(super) bounds: Vec<u32>,
    pub(super) account: Stored<u32>,
    /// Empty where no user is known.
    pub(super) user: Stored<u32>,
    pub(super) event: Stored<u16>,
    pub(super) time: Stored<i64>,
    /// Empty where it is `time`.
    pub(super) seen: Stored<i64>,
    /// By numeric property; empty where missing.
    pub(super) values: Vec<Stored<f64>>,
}

impl Waiting {
    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let of = |b: &Sorted| {
            let values: usize = b.values.iter().map(Stored::bytes).sum();
            b.account.bytes()
                + b.user.bytes()
                + b.event.bytes()
                + b.time.bytes()
                + b.seen.bytes()
                + values
        };
        self.blocks.iter().map(of).sum()
    }

    /// Bytes in memory of the widest column.
    pub(super) fn widest(&self) -> usize {
        self.blocks.iter().map(|block| block.time.bytes()).sum()
    }

    /// Gather one part.
    fn gather(&self, part: usize, users: &Codes) -> Result<Events> {
        let Order { start, to } = self.order(part)?;
        let events = Events {
            accounts: self.accounts[part].clone(),
            start,
            time: self.place(part, &to, |block| &block.time, 0)?,
            seen: if self.has_seen { Some(self.place(part, &to, Sorted::seen, 0)?) } else { None },
            event: self.place(part, &to, |block| &block.event, 0)?,
            user: self.place(part, &to, |block| &block.user, NO_CODE)?,
            values: (0..self.values)
                .map(|at| self.place(part, &to, |block| &block.values[at], f64::NAN))
                .collect::<Result<_>>()?,
            ..Events::default()
        };
        Ok(events.in_order(users))
    }

    /// Gather all parts, column by column: each column of the batches is gone before the next is
    /// placed, and never are there two logs.
    fn gather_all(&mut self, users: &Codes) -> Result<Vec<Events>> {
        let orders: Vec<Order> = (0..self.accounts.len())
            .into_par_iter()
            .map(|part| self.order(part))
            .collect::<Result<_>>()?;
        self.blocks.iter_mut().for_each(|block| block.account = Stored::default());
        let event = self.place_all(&orders, |block| &block.event, 0)?;
        self.blocks.iter_mut().for_each(|block| block.event = Stored::default());
        let user = self.place_all(&orders, |block| &block.user, NO_CODE)?;
        self.blocks.iter_mut().for_each(|block| block.user = Stored::default());
        let seen =
            if self.has_seen { Some(self.place_all(&orders, Sorted::seen, 0)?) } else { None };
        self.blocks.iter_mut().for_each(|block| block.seen = Stored::default());
        let time = self.place_all(&orders, |block| &block.time, 0)?;
        self.blocks.iter_mut().for_each(|block| block.time = Stored::default());
        let mut values: Vec<Vec<Vec<f64>>> =
            self.accounts.iter().map(|_| Vec::with_capacity(self.values)).collect();
        for at in 0..self.values {
            let placed = self.place_all(&orders, |block| &block.values[at], f64::NAN)?;
            self.blocks.iter_mut().for_each(|block| block.values[at] = Stored::default());
            values.iter_mut().zip(placed).for_each(|(values, of)| values.push(of));
        }
        let mut seen = seen.map(Vec::into_iter);
        let columns = self.accounts.iter().zip(orders).zip(event).zip(user).zip(time).zip(values);
        let parts: Vec<Events> = columns
            .map(|(((((accounts, order), event), user), time), values)| Events {
                accounts: accounts.clone(),
                start: order.start,
                time,
                seen: seen.as_mut().and_then(Iterator::next),
                event,
                user,
                values,
                ..Events::default()
            })
            .collect();
        Ok(parts.into_par_iter().map(|events| events.in_order(users)).collect())
    }

    /// The events of a part in each batch.
    fn pieces(&self, part: usize) -> impl Iterator<Item = (&Sorted, Range<usize>)> {
        let range =
            move |block: &Sorted| block.bounds[part] as usize..block.bounds[part + 1] as usize;
        self.blocks
            .iter()
            .map(move |block| (block, range(block)))
            .filter(|(_, range)| !range.is_empty())
    }

    /// Where the events of a part go.
    fn order(&self, part: usize) -> Result<Order> {
        let accounts = &self.accounts[part];
        let pieces = self.pieces(part).map(|(block, range)| block.account.part(&self.spill, range));
        let pieces: Vec<Cow<'_, [u32]>> = pieces.collect::<Result<_>>()?;
        let mut start = vec![0; accounts.len() + 1];
        pieces
            .iter()
            .flat_map(|piece| piece.iter())
            .for_each(|account| start[*account as usize - accounts.start + 1] += 1);
        for at in 1..start.len() {
            start[at] += start[at - 1];
        }
        let mut next = start.clone();
        let mut place = |account: &u32| {
            let slot = &mut next[*account as usize - accounts.start];
            *slot += 1;
            u32::try_from(*slot - 1).expect("a part has fewer events than there are codes")
        };
        let mut to = Vec::with_capacity(start[accounts.len()]);
        pieces.iter().for_each(|piece| to.extend(piece.iter().map(&mut place)));
        Ok(Order { start, to })
    }

    /// A column of a part; `missing` where a batch has none.
    fn place<T: Pod>(
        &self,
        part: usize,
        to: &[u32],
        column: impl Fn(&Sorted) -> &Stored<T>,
        missing: T,
    ) -> Result<Vec<T>> {
        let mut out = vec![missing; to.len()];
        let mut done = 0;
        for (block, range) in self.pieces(part) {
            let to = &to[done..done + range.len()];
            done += range.len();
            if column(block).len() > 0 {
                let values = column(block).part(&self.spill, range)?;
                to.iter().zip(&*values).for_each(|(to, value)| out[*to as usize] = *value);
            }
        }
        Ok(out)
    }

    /// A column of all parts.
    fn place_all<T>(
        &self,
        orders: &[Order],
        column: impl Fn(&Sorted) -> &Stored<T> + Sync,
        missing: T,
    ) -> Result<Vec<Vec<T>>>
    where
        T: Pod + Send + Sync,
    {
        orders
            .par_iter()
            .enumerate()
            .map(|(part, order)| self.place(part, &order.to, &column, missing))
            .collect()
    }
}

impl Sorted {
    /// When its events were known.
    fn seen(&self) -> &Stored<i64> {
        if self.seen.len() > 0 { &self.seen } else { &self.time }
    }
}

/// Where the events of a part go: in the order of the batches, and where each account begins.
struct Order {
    start: Vec<usize>,
    to: Vec<u32>,
}
