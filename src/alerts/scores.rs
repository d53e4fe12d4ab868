//! The columns of a run that two runs are compared by.

use std::collections::HashMap;

use polars::prelude::*;

use super::Standing;
use crate::error::{Error, Result};
use crate::ledger::Run;
use crate::time::iso;

/// Scores of a run, a column each.
pub(super) struct Scores {
    account: StringChunked,
    cutoff: Int64Chunked,
    probability: Float64Chunked,
    percentile: Float64Chunked,
    tier: StringChunked,
    qualified: BooleanChunked,
    qualified_by: StringChunked,
    pql_types: StringChunked,
    pql_at: Int64Chunked,
    holdout: BooleanChunked,
    reasons: [StringChunked; 3],
}

impl Scores {
    /// Read the scores of a run.
    pub(super) fn of(run: &Run) -> Result<Self> {
        let rows = run.rows()?;
        let malformed = |e: PolarsError| Error::Malformed { path: run.path.clone(), row: None, problem: e.to_string() };
        let text = |name: &str| rows.column(name).and_then(|column| column.str().cloned()).map_err(malformed);
        let number = |name: &str| rows.column(name).and_then(|column| column.f64().cloned()).map_err(malformed);
        let truth = |name: &str| rows.column(name).and_then(|column| column.bool().cloned()).map_err(malformed);
        let time = |name: &str| rows.column(name).and_then(|column| Ok(column.datetime()?.physical().clone())).map_err(malformed);
        Ok(Self {
            account: text("account_id")?,
            cutoff: time("cutoff")?,
            probability: number("probability")?,
            percentile: number("percentile")?,
            tier: text("tier")?,
            qualified: truth("qualified")?,
            qualified_by: text("qualified_by")?,
            pql_types: text("pql_types")?,
            pql_at: time("pql_at")?,
            holdout: truth("holdout")?,
            reasons: [text("reason_1")?, text("reason_2")?, text("reason_3")?],
        })
    }

    /// The row of each account; of several the one with the newest cutoff, of those the last.
    pub(super) fn places(&self) -> HashMap<&str, usize> {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(self.account.len());
        for (row, account) in self.account.iter().enumerate() {
            let Some(account) = account else { continue };
            let place = places.entry(account).or_insert(row);
            if self.cutoff.get(row) >= self.cutoff.get(*place) {
                *place = row;
            }
        }
        places
    }

    pub(super) fn standing(&self, row: usize) -> Standing<'_> {
        Standing {
            probability: self.probability.get(row),
            percentile: self.percentile.get(row),
            tier: self.tier.get(row),
            qualified: self.qualified.get(row),
        }
    }

    pub(super) fn held_out(&self, row: usize) -> bool {
        self.holdout.get(row) == Some(true)
    }

    pub(super) fn qualified_by(&self, row: usize) -> Option<String> {
        self.qualified_by.get(row).map(str::to_owned)
    }

    /// The kinds of the definitions that have held, and when the first of them did.
    pub(super) fn pql(&self, row: usize) -> (Vec<String>, Option<String>) {
        let types = self.pql_types.get(row).map(|types| types.split(';').map(str::to_owned).collect());
        (types.unwrap_or_default(), self.pql_at.get(row).map(iso))
    }

    pub(super) fn reasons(&self, row: usize) -> Vec<String> {
        self.reasons.iter().filter_map(|reason| reason.get(row)).map(str::to_owned).collect()
    }
}
