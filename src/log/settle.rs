//! Events as they were read and marked → those that are kept, sorted by part of the accounts.

use std::ops::Range;

use bytemuck::Pod;
use rayon::prelude::*;

use super::Names;
use super::accounts::{Accounts, Rank};
use super::codes::NO_CODE;
use super::events::Raw;
use super::quality::SourceQuality;
use super::source::{Block, Drops, Mark, Source};
use super::spill::{Spill, Stored};
use super::usage::{Parts, Sorted, Usage, Waiting};
use crate::error::Result;
use crate::warning::DropReason;

/// Events of a part, more or less: its columns stay in a core's own cache while they are put in
/// order.
const PART: u32 = 1 << 17;

/// What is known of all events that are left.
#[derive(Default)]
pub(super) struct Census {
    /// First and last time of usage, µs UTC.
    pub(super) extent: Option<(i64, i64)>,
    /// By code of the event name, whether any event has it, and whether usage has.
    pub(super) reached: Vec<bool>,
    used: Vec<bool>,
    /// Events of usage, by source.
    kept: Vec<u64>,
    /// By account.
    pub(super) of_account: Vec<OfAccount>,
    /// Events of usage before the sign-up of their account.
    pub(super) early: u64,
}

/// Events of usage of an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfAccount {
    pub(super) events: u32,
    /// When the last of them happened, µs UTC.
    pub(super) last: i64,
}

impl OfAccount {
    const NONE: Self = Self { events: 0, last: i64::MIN };

    fn add(&mut self, other: Self) {
        (self.events, self.last) = (self.events + other.events, self.last.max(other.last));
    }
}

/// The census of one block.
struct Counted {
    extent: Option<(i64, i64)>,
    reached: Vec<bool>,
    used: Vec<bool>,
    kept: u64,
    early: u64,
    drops: Drops,
}

/// Drop the events of accounts that were dropped, and count those that are left.
pub(super) fn census(raw: &mut Raw, rank: &Rank, accounts: &Accounts) -> Result<Census> {
    let (names, n) = (raw.names.len(), accounts.id.len());
    let (reached, used) = (vec![false; names], vec![false; names]);
    let mut census =
        Census { reached, used, of_account: vec![OfAccount::NONE; n], ..Census::default() };
    let counting = Counting { rank, signed_up: &accounts.signed_up, names, spill: &raw.spill };
    for source in &mut raw.sources {
        // Every thread has counts of its own.
        let share = source.blocks.len().div_ceil(rayon::current_num_threads()).max(1);
        let of_share = |blocks: &mut [Block]| {
            let mut of_account = vec![OfAccount::NONE; n];
            let counted = blocks
                .iter_mut()
                .map(|block| counting.count(block, &mut of_account))
                .collect::<Result<_>>()?;
            Ok((counted, of_account))
        };
        let shares: Vec<(Vec<Counted>, Vec<OfAccount>)> =
            source.blocks.par_chunks_mut(share).map(of_share).collect::<Result<_>>()?;
        for (_, of_account) in &shares {
            census.of_account.iter_mut().zip(of_account).for_each(|(all, of)| all.add(*of));
        }
        let mut kept = 0;
        for (block, counted) in shares.into_iter().flat_map(|(counted, _)| counted).enumerate() {
            source.count(block, &counted.drops);
            kept += counted.kept;
            census.early += counted.early;
            census.extent = match (census.extent, counted.extent) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            };
            for (all, of) in
                [(&mut census.reached, counted.reached), (&mut census.used, counted.used)]
            {
                all.iter_mut().zip(of).for_each(|(all, of)| *all |= of);
            }
        }
        census.kept.push(kept);
    }
    Ok(census)
}

/// How the events of a block are counted.
struct Counting<'a> {
    rank: &'a Rank,
    /// By account, µs UTC.
    signed_up: &'a [i64],
    /// How many event names there are.
    names: usize,
    spill: &'a Spill,
}

impl Counting<'_> {
    /// Count the events of a block, those of usage by account, too, with the time of the last.
    fn count(&self, block: &mut Block, of_account: &mut [OfAccount]) -> Result<Counted> {
        let Self { rank, signed_up, names, spill } = *self;
        let mut marks = std::mem::take(&mut block.marks);
        let (accounts, events, times) =
            (block.account.get(spill)?, block.event.get(spill)?, block.time.get(spill)?);
        let mut counted = Counted {
            extent: None,
            reached: vec![false; names],
            used: vec![false; names],
            kept: 0,
            early: 0,
            drops: Drops::default(),
        };
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for (at, mark) in marks.iter_mut().enumerate().filter(|(_, mark)| **mark != Mark::Gone) {
            let account = accounts[at] as usize;
            if let Some(reason) = rank.reason[account] {
                if *mark == Mark::Keep {
                    let reason = if reason == DropReason::TimeMissing {
                        DropReason::AccountDropped
                    } else {
                        reason
                    };
                    counted.drops.add(reason, at);
                }
                *mark = Mark::Gone;
                continue;
            }
            counted.reached[usize::from(events[at])] = true;
            if *mark == Mark::Keep {
                counted.used[usize::from(events[at])] = true;
                counted.kept += 1;
                let (time, account) = (times[at], rank.index[account] as usize);
                (first, last) = (first.min(time), last.max(time));
                counted.early += u64::from(time < signed_up[account]);
                of_account[account].add(OfAccount { events: 1, last: time });
            }
        }
        counted.extent = (first <= last).then_some((first, last));
        block.marks = marks;
        Ok(counted)
    }
}

/// Sort what is left by part; answers the log and the quality of its sources.
///
/// # Arguments
/// * `room` – bytes of events that may be in memory while they are gathered once for all
pub(super) fn settle(
    raw: Raw,
    census: &Census,
    rank: &Rank,
    room: usize,
) -> Result<(Usage, Vec<SourceQuality>)> {
    let (names, name_rank) = raw.names.ranks(|code| census.used[code as usize]);
    let parts = parts(&census.of_account);
    let mut part_of = vec![0; census.of_account.len()];
    for (part, accounts) in (0..).zip(&parts) {
        part_of[accounts.clone()].fill(part);
    }
    let has_seen =
        raw.sources.iter().flat_map(|source| &source.blocks).any(|block| block.received.len() > 0);
    let sorting = Sorting {
        rank,
        part_of: &part_of,
        parts: parts.len(),
        name_rank: &name_rank,
        values: raw.values.len(),
        spill: &raw.spill,
    };
    let (mut blocks, mut qualities) = (Vec::new(), Vec::new());
    for (source, kept) in raw.sources.into_iter().zip(census.kept.iter().copied()) {
        let Source { blocks: read, values, quality, .. } = source;
        let sorted: Vec<Sorted> = read
            .into_par_iter()
            .map_init(Vec::new, |spare, block| sorting.sort(block, &values, spare))
            .collect::<Result<_>>()?;
        blocks.extend(sorted.into_iter().filter(|block| block.account.len() > 0));
        qualities.push(SourceQuality { kept, ..quality });
    }

    let waiting =
        Waiting { blocks, spill: raw.spill, accounts: parts, values: raw.values.len(), has_seen };
    let fits = waiting.bytes() + waiting.widest() <= room
        && waiting.blocks.iter().all(|block| block.account.is_held());
    let mut usage = Usage {
        names: Names::from_sorted(names),
        values: raw.values,
        users: raw.users,
        extent: census.extent,
        parts: Parts::Waiting(waiting),
    };
    if fits {
        usage.hold()?;
    }
    Ok((usage, qualities))
}

/// Accounts in parts of about [`PART`] events.
fn parts(of_account: &[OfAccount]) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut events) = (Vec::new(), 0, 0_u32);
    for (account, of) in of_account.iter().enumerate() {
        events = events.saturating_add(of.events);
        if events >= PART || account + 1 == of_account.len() {
            parts.push(start..account + 1);
            (start, events) = (account + 1, 0);
        }
    }
    parts
}

/// How events are sorted by part.
struct Sorting<'a> {
    rank: &'a Rank,
    /// By account.
    part_of: &'a [u32],
    parts: usize,
    name_rank: &'a [u32],
    /// How many numeric properties there are.
    values: usize,
    spill: &'a Spill,
}

impl Sorting<'_> {
    /// Sort a block; `spare` is memory to be used again for the next.
    fn sort(&self, mut block: Block, values: &[usize], spare: &mut Vec<u64>) -> Result<Sorted> {
        let spill = self.spill;
        let mut bounds = vec![0; self.parts + 1];
        let rank = |(account, mark): (&u32, &Mark)| {
            if *mark != Mark::Keep {
                return NO_CODE;
            }
            let rank = self.rank.index[*account as usize];
            bounds[self.part_of[rank as usize] as usize + 1] += 1;
            rank
        };
        let account: Vec<u32> =
            block.account.get(spill)?.iter().zip(&block.marks).map(rank).collect();
        for part in 0..self.parts {
            bounds[part + 1] += bounds[part];
        }
        let mut next = bounds.clone();
        let mut place = |account: &u32| {
            let slot = &mut next[self.part_of[*account as usize] as usize];
            *slot += 1;
            *slot - 1
        };
        let to: Vec<u32> = account
            .iter()
            .map(|account| if *account == NO_CODE { NO_CODE } else { place(account) })
            .collect();
        let mut order = Order { to: &to, kept: bounds[self.parts] as usize, spill, spare };
        if block.received.len() > 0 {
            let moments = block.moments(spill)?;
            let seen = (0..block.len()).map(|at| moments.seen(at)).collect();
            block.received.replace(spill, seen)?;
        }
        block.account.replace(spill, account)?;
        // Names that no usage has are in no event that is kept.
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
        for (property, of) in values.iter().zip(block.values) {
            by_property[*property] = order.apply(of)?;
        }
        Ok(Sorted {
            account: order.apply(block.account)?,
            user: order.apply(block.user)?,
            event: order.apply(block.event)?,
            time: order.apply(block.time)?,
            seen: order.apply(block.received)?,
            values: by_property,
            bounds,
        })
    }
}

/// Where each event of a block goes; [`NO_CODE`]: nowhere.
struct Order<'a> {
    to: &'a [u32],
    kept: usize,
    spill: &'a Spill,
    spare: &'a mut Vec<u64>,
}

impl Order<'_> {
    fn apply<T: Pod>(&mut self, mut column: Stored<T>) -> Result<Stored<T>> {
        if column.len() > 0 {
            column.change(self.spill, |values| {
                let bytes = size_of_val(values.as_slice());
                self.spare.resize(self.spare.len().max(bytes.div_ceil(size_of::<u64>())), 0);
                let before = &mut bytemuck::cast_slice_mut(self.spare)[..values.len()];
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
