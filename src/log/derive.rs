//! Accounts of a log without an account list.

use polars::prelude::DataFrame;

use super::Names;
use super::accounts::{Accounts, Rank, inverse};
use super::events::Raw;
use super::source::{Mark, fold_outcomes};
use crate::error::Result;
use crate::time::NEVER;

/// Without a list an account begins when its first event is seen.
pub(super) fn derive(raw: &Raw) -> Result<(Accounts, Rank, bool)> {
    let n = raw.accounts.len();
    let (mut signed_up, mut converted, mut churned) =
        (vec![NEVER; n], vec![NEVER; n], vec![NEVER; n]);
    for block in raw.sources.iter().flat_map(|source| &source.blocks) {
        let (accounts, moments) = (block.account.get(&raw.spill)?, block.moments(&raw.spill)?);
        for (at, _) in block.marks.iter().enumerate().filter(|(_, mark)| **mark != Mark::Gone) {
            let first = &mut signed_up[accounts[at] as usize];
            *first = moments.seen(at).min(*first);
        }
    }
    fold_outcomes(&raw.occurred, &mut converted, &mut churned);
    let (names, index) = raw.accounts.ranks(|code| signed_up[code as usize] != NEVER);
    let order = inverse(&index, names.len());
    let by = |values: &[i64]| order.iter().map(|c| values[*c as usize]).collect();
    let accounts = Accounts {
        signed_up: by(&signed_up),
        converted: by(&converted),
        churned: by(&churned),
        seats: None,
        revenue: None,
        first_revenue: None,
        attributes: DataFrame::empty_with_height(names.len()),
        id: Names::from_sorted(names),
    };
    let date_only = raw.sources.iter().any(|s| s.quality.date_only);
    Ok((accounts, Rank { reason: vec![None; index.len()], index }, date_only))
}
