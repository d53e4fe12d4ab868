//! The columns of a run that two runs are compared by, and those that an alert tells besides.

use std::collections::HashMap;

use polars::prelude::*;

use super::Standing;
use crate::error::{Error, Result};
use crate::registry::ledger::Run;
use crate::time::iso;

/// How the accounts of a run stand, a column each.
pub(crate) struct Standings {
    account: StringChunked,
    cutoff: Int64Chunked,
    probability: Float64Chunked,
    percentile: Float64Chunked,
    tier: StringChunked,
    qualified: BooleanChunked,
}

impl Standings {
    /// Read them.
    pub(crate) fn of(run: &Run) -> Result<Self> {
        let rows = run.columns(&[
            "account_id",
            "cutoff",
            "probability",
            "percentile",
            "tier",
            "qualified",
        ])?;
        let columns = || {
            Ok(Self {
                account: rows.column("account_id")?.str()?.clone(),
                cutoff: rows.column("cutoff")?.datetime()?.physical().clone(),
                probability: rows.column("probability")?.f64()?.clone(),
                percentile: rows.column("percentile")?.f64()?.clone(),
                tier: rows.column("tier")?.str()?.clone(),
                qualified: rows.column("qualified")?.bool()?.clone(),
            })
        };
        columns().map_err(|e: PolarsError| Error::unexpected_table(&run.path, e))
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

    pub(super) fn get(&self, row: usize) -> Standing<'_> {
        Standing {
            probability: self.probability.get(row),
            percentile: self.percentile.get(row),
            tier: self.tier.get(row),
            qualified: self.qualified.get(row),
        }
    }

    /// How an account stands; `None`: it has no row.
    pub(crate) fn of_account(&self, account: &str) -> Option<Standing<'_>> {
        self.places().get(account).map(|row| self.get(*row))
    }
}

/// What else an alert tells of a row.
pub(super) struct Details {
    qualified_by: StringChunked,
    pql_types: StringChunked,
    pql_at: Int64Chunked,
    holdout: BooleanChunked,
    reasons: [StringChunked; 3],
}

impl Details {
    pub(super) fn of(run: &Run) -> Result<Self> {
        let rows = run.columns(&[
            "qualified_by",
            "pql_types",
            "pql_at",
            "holdout",
            "reason_1",
            "reason_2",
            "reason_3",
        ])?;
        let text = |name: &str| rows.column(name).and_then(|column| column.str().cloned());
        let columns = || {
            Ok(Self {
                qualified_by: text("qualified_by")?,
                pql_types: text("pql_types")?,
                pql_at: rows.column("pql_at")?.datetime()?.physical().clone(),
                holdout: rows.column("holdout")?.bool()?.clone(),
                reasons: [text("reason_1")?, text("reason_2")?, text("reason_3")?],
            })
        };
        columns().map_err(|e: PolarsError| Error::unexpected_table(&run.path, e))
    }

    pub(super) fn held_out(&self, row: usize) -> bool {
        self.holdout.get(row) == Some(true)
    }

    pub(super) fn qualified_by(&self, row: usize) -> Option<String> {
        self.qualified_by.get(row).map(str::to_owned)
    }

    /// The kinds of the definitions that have held, and when the first of them did.
    pub(super) fn pql(&self, row: usize) -> (Vec<String>, Option<String>) {
        let types =
            self.pql_types.get(row).map(|types| types.split(';').map(str::to_owned).collect());
        (types.unwrap_or_default(), self.pql_at.get(row).map(iso))
    }

    pub(super) fn reasons(&self, row: usize) -> Vec<String> {
        self.reasons.iter().filter_map(|reason| reason.get(row)).map(str::to_owned).collect()
    }
}
