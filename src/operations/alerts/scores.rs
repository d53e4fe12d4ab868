//! Columns of a scoring run: those compared between runs, and those only shown in alerts.

use std::collections::{HashMap, HashSet};

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
    qualified_by: StringChunked,
    pql_at: Int64Chunked,
    horizon_end: Int64Chunked,
    eligible: BooleanChunked,
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
            "qualified_by",
            "pql_at",
            "horizon_end",
            "eligible",
        ])?;
        let time =
            |name: &str| Ok::<_, PolarsError>(rows.column(name)?.datetime()?.physical().clone());
        let columns = || {
            Ok(Self {
                account: rows.column("account_id")?.str()?.clone(),
                cutoff: time("cutoff")?,
                probability: rows.column("probability")?.f64()?.clone(),
                percentile: rows.column("percentile")?.f64()?.clone(),
                tier: rows.column("tier")?.str()?.clone(),
                qualified: rows.column("qualified")?.bool()?.clone(),
                qualified_by: rows.column("qualified_by")?.str()?.clone(),
                pql_at: time("pql_at")?,
                horizon_end: time("horizon_end")?,
                eligible: rows.column("eligible")?.bool()?.clone(),
            })
        };
        columns().map_err(|e: PolarsError| Error::unexpected_table(&run.path, e))
    }

    /// Returns whether accounts are scored at an age (`observation.cutoffs = "age"`): a cutoff
    /// remains until its horizon ends, and is earlier than the run.
    pub(super) fn are_at_an_age(&self, run_time: i64) -> bool {
        let rows = self.cutoff.iter().zip(self.horizon_end.iter());
        rows.into_iter().any(|(cutoff, end)| end.is_some() && cutoff.is_some_and(|t| t < run_time))
    }

    /// Returns the row of each account: the last one with the newest cutoff.
    pub(super) fn newest_rows(&self) -> HashMap<&str, usize> {
        self.newest(|_, _| true)
    }

    fn newest(&self, is_needed: impl Fn(usize, &str) -> bool) -> HashMap<&str, usize> {
        let mut rows: HashMap<&str, usize> = HashMap::new();
        for (row, account) in self.account.iter().enumerate() {
            let Some(account) = account.filter(|account| is_needed(row, account)) else { continue };
            let newest = rows.entry(account).or_insert(row);
            if self.cutoff.get(row) >= self.cutoff.get(*newest) {
                *newest = row;
            }
        }
        rows
    }

    /// Returns the state of the account of a row.
    pub(super) fn get(&self, row: usize) -> AccountState<'_> {
        let probability = self.probability.get(row);
        AccountState {
            probability,
            percentile: self.percentile.get(row),
            tier: self.tier.get(row),
            // Earlier versions stored accounts without a probability that qualify by a definition.
            qualified: self.qualified.get(row).filter(|_| probability.is_some()),
            qualified_by: self.qualified_by.get(row),
            pql_at: self.pql_at.get(row),
            cutoff: self.cutoff.get(row),
            eligible: self.eligible.get(row) != Some(false),
        }
    }

    /// Returns the newest row with a probability of each of some accounts.
    pub(super) fn scored_rows<'a>(&'a self, accounts: &HashSet<&str>) -> HashMap<&'a str, usize> {
        self.newest(|row, account| {
            accounts.contains(account) && self.probability.get(row).is_some()
        })
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
    pql_definitions: StringChunked,
    pql_at: Int64Chunked,
    holdout: BooleanChunked,
    reasons: [StringChunked; 3],
    concern: StringChunked,
}

impl AlertDetails {
    /// Reads the columns of a run.
    pub(super) fn read(run: &Run) -> Result<Self> {
        let rows = run.columns(&[
            "qualified_by",
            "pql_types",
            "pql_definitions",
            "pql_at",
            "holdout",
            "reason_1",
            "reason_2",
            "reason_3",
            "concern_1",
        ])?;
        let text = |name: &str| rows.column(name).and_then(|column| column.str().cloned());
        let columns = || {
            Ok(Self {
                qualified_by: text("qualified_by")?,
                pql_types: text("pql_types")?,
                pql_definitions: text("pql_definitions")?,
                pql_at: rows.column("pql_at")?.datetime()?.physical().clone(),
                holdout: rows.column("holdout")?.bool()?.clone(),
                reasons: [text("reason_1")?, text("reason_2")?, text("reason_3")?],
                concern: text("concern_1")?,
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

    /// Returns the types of the matched definitions.
    pub(super) fn pql_types(&self, row: usize) -> Vec<String> {
        split(self.pql_types.get(row))
    }

    /// Returns the names of the matched definitions.
    pub(super) fn pql_definitions(&self, row: usize) -> Vec<String> {
        split(self.pql_definitions.get(row))
    }

    /// Returns the time of the first match.
    pub(super) fn pql_at(&self, row: usize) -> Option<String> {
        self.pql_at.get(row).map(iso)
    }

    pub(super) fn reasons(&self, row: usize) -> Vec<String> {
        self.reasons.iter().filter_map(|reason| reason.get(row)).map(str::to_owned).collect()
    }

    /// Returns what lowers the score most.
    pub(super) fn concern(&self, row: usize) -> Option<String> {
        self.concern.get(row).map(str::to_owned)
    }
}

/// Splits a list of a score file.
fn split(list: Option<&str>) -> Vec<String> {
    list.map(|list| list.split(';').map(str::to_owned).collect()).unwrap_or_default()
}
