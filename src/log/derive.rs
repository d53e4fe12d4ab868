//! Accounts derived from a log without an account list.

use polars::prelude::DataFrame;

use super::Names;
use super::accounts::{AccountMap, Accounts, invert};
use super::cells::NO_TIME;
use super::raw_events::RawEvents;
use super::raw_source::{Disposition, fold_outcomes};
use crate::error::Result;
use crate::time::NEVER;

/// Returns the sign-up of each account as far as events and memberships show it, by account code:
/// the time at which its first event was known or, if users add accounts, of its first membership;
/// [`NEVER`] without any.
pub(super) fn first_seen(raw: &RawEvents, until: i64) -> Result<Vec<i64>> {
    let mut signed_up = vec![NEVER; raw.accounts.len()];
    let memberships = raw.first_memberships(until);
    for (first, from) in signed_up.iter_mut().zip(memberships).filter(|(_, t)| *t != NO_TIME) {
        *first = from;
    }
    for block in raw.sources.iter().flat_map(|source| &source.blocks) {
        let (accounts, times) = (block.account.get(&raw.spill)?, block.event_times(&raw.spill)?);
        let kept = block.dispositions.iter().enumerate();
        for (index, _) in kept.filter(|(_, disposition)| **disposition != Disposition::Dropped) {
            let first = &mut signed_up[accounts[index] as usize];
            *first = times.known_at(index).min(*first);
        }
    }
    Ok(signed_up)
}

/// Derives the accounts, which sign up when they are first seen.
pub(super) fn derive(raw: &RawEvents, until: i64) -> Result<(Accounts, AccountMap, bool)> {
    let signed_up = first_seen(raw, until)?;
    let n = signed_up.len();
    let (mut converted, mut churned) = (vec![NEVER; n], vec![NEVER; n]);
    fold_outcomes(&raw.outcome_events, &mut converted, &mut churned);
    let (names, row) = raw.accounts.ranks(|code| signed_up[code as usize] != NEVER);
    let order = invert(&row, names.len());
    let reorder = |values: &[i64]| order.iter().map(|c| values[*c as usize]).collect();
    let accounts = Accounts {
        signed_up: reorder(&signed_up),
        converted: reorder(&converted),
        churned: reorder(&churned),
        seats: None,
        revenue: None,
        first_revenue: None,
        attributes: DataFrame::empty_with_height(names.len()),
        history: None,
        id: Names::from_sorted(names),
    };
    let date_only = raw.sources.iter().any(|s| s.quality.date_only);
    Ok((accounts, AccountMap { drop_reason: vec![None; row.len()], row }, date_only))
}
