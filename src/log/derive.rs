//! Accounts derived from a log without an account list.

use polars::prelude::DataFrame;

use super::Names;
use super::accounts::{AccountMap, Accounts, invert};
use super::raw_events::RawEvents;
use super::raw_source::{Disposition, fold_outcomes};
use crate::error::Result;
use crate::time::NEVER;

/// Derives the accounts; the sign-up of an account is the time at which its first event was known.
pub(super) fn derive(raw: &RawEvents) -> Result<(Accounts, AccountMap, bool)> {
    let n = raw.accounts.len();
    let (mut signed_up, mut converted, mut churned) =
        (vec![NEVER; n], vec![NEVER; n], vec![NEVER; n]);
    for block in raw.sources.iter().flat_map(|source| &source.blocks) {
        let (accounts, times) = (block.account.get(&raw.spill)?, block.event_times(&raw.spill)?);
        let kept = block.dispositions.iter().enumerate();
        for (index, _) in kept.filter(|(_, disposition)| **disposition != Disposition::Dropped) {
            let first = &mut signed_up[accounts[index] as usize];
            *first = times.known_at(index).min(*first);
        }
    }
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
        id: Names::from_sorted(names),
    };
    let date_only = raw.sources.iter().any(|s| s.quality.date_only);
    Ok((accounts, AccountMap { drop_reason: vec![None; row.len()], row }, date_only))
}
