//! Summary of the matches of definitions in a log.

use pql_stats::quantile::median;
use serde::Serialize;

use super::{Definition, first_matches};
use crate::error::Result;
use crate::log::Log;
use crate::time::{NEVER, in_days};

/// Matches of one definition among the accounts of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DefinitionSummary {
    /// Name of the definition.
    pub name: String,
    /// Type of the definition.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Number of accounts.
    pub accounts: u64,
    /// Accounts that match by the end of the log.
    pub pqls: u64,
    /// Share of accounts that match.
    pub share: f64,
    /// Median days from sign-up to the first match; `None` without matches.
    pub median_days: Option<f64>,
    /// Accounts that converted before the first match.
    pub converted_before: u64,
    /// Accounts that converted at the first match or later.
    pub converted_after: u64,
    /// Accounts that converted and never matched.
    pub converted_without_match: u64,
}

/// Summarizes the matches of each definition.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn summarize_definitions(
    definitions: &[Definition],
    log: &Log,
) -> Result<Vec<DefinitionSummary>> {
    let times = first_matches(definitions, log)?;
    Ok(definitions
        .iter()
        .zip(&times)
        .map(|(definition, times)| summarize(definition, times, log))
        .collect())
}

#[expect(clippy::cast_precision_loss, reason = "counts and days")]
fn summarize(definition: &Definition, times: &[Option<i64>], log: &Log) -> DefinitionSummary {
    let accounts = &log.accounts;
    let mut days: Vec<f64> = Vec::new();
    let (mut before, mut after, mut without) = (0, 0, 0);
    for (account, time) in times.iter().enumerate() {
        let converted = accounts.converted[account];
        match time {
            Some(time) => {
                days.push(in_days(time - accounts.signed_up[account]));
                before += u64::from(converted < *time);
                after += u64::from(converted >= *time && converted != NEVER);
            }
            None => without += u64::from(converted != NEVER),
        }
    }
    let pqls = days.len();
    DefinitionSummary {
        name: definition.name.clone(),
        kind: definition.kind.name(),
        accounts: times.len() as u64,
        pqls: pqls as u64,
        share: pqls as f64 / times.len().max(1) as f64,
        median_days: median(days),
        converted_before: before,
        converted_after: after,
        converted_without_match: without,
    }
}
