//! Columns of a scoring run: those compared between runs, and those only shown in alerts.

use std::collections::HashMap;

use polars::prelude::*;

use super::AccountState;
use crate::error::{Error, Result};
use crate::registry::ledger::Run;
use crate::time::iso;

/// Scores of a run, one field per column.
pub(crate) struct RunScores {
    account: StringChunked,
    cutoff: Int64Chunked,
    probability: Float64Chunked,
    percentile: Float64Chunked,
    tier: StringChunked,
    qualified: BooleanChunked,
}

impl RunScores {
    /// Reads the scores of a run.
    pub(crate) fn read(run: &Run) -> Result<Self> {
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

    /// Returns the row of each account: the last one with the newest cutoff.
    pub(super) fn newest_rows(&self) -> HashMap<&str, usize> {
        let mut rows: HashMap<&str, usize> = HashMap::with_capacity(self.account.len());
        for (row, account) in self.account.iter().enumerate() {
            let Some(account) = account else { continue };
            let newest = rows.entry(account).or_insert(row);
            if self.cutoff.get(row) >= self.cutoff.get(*newest) {
                *newest = row;
            }
        }
        rows
    }

    /// Returns the state of the account of a row.
    pub(super) fn get(&self, row: usize) -> AccountState<'_> {
        AccountState {
            probability: self.probability.get(row),
            percentile: self.percentile.get(row),
            tier: self.tier.get(row),
            qualified: self.qualified.get(row),
        }
    }

    /// Returns the state of an account; `None`: it has no row.
    pub(crate) fn account(&self, account: &str) -> Option<AccountState<'_>> {
        self.newest_rows().get(account).map(|row| self.get(*row))
    }
}

/// Columns that are shown in alerts only.
pub(super) struct AlertDetails {
    qualified_by: StringChunked,
    pql_types: StringChunked,
    pql_at: Int64Chunked,
    holdout: BooleanChunked,
    reasons: [StringChunked; 3],
}

impl AlertDetails {
    /// Reads the columns of a run.
    pub(super) fn read(run: &Run) -> Result<Self> {
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

    pub(super) fn is_holdout(&self, row: usize) -> bool {
        self.holdout.get(row) == Some(true)
    }

    pub(super) fn qualified_by(&self, row: usize) -> Option<String> {
        self.qualified_by.get(row).map(str::to_owned)
    }

    /// Returns the types of the matched definitions and the time of the first match.
    pub(super) fn pql(&self, row: usize) -> (Vec<String>, Option<String>) {
        let types =
            self.pql_types.get(row).map(|types| types.split(';').map(str::to_owned).collect());
        (types.unwrap_or_default(), self.pql_at.get(row).map(iso))
    }

    pub(super) fn reasons(&self, row: usize) -> Vec<String> {
        self.reasons.iter().filter_map(|reason| reason.get(row)).map(str::to_owned).collect()
    }
}
