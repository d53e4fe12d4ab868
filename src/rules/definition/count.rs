//! What definitions find in a log.

use pql_stats::quantile::median;
use serde::Serialize;

use super::{Definition, times};
use crate::error::Result;
use crate::log::Log;
use crate::time::{NEVER, in_days};

/// What one definition finds among the accounts of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counted {
    /// Its name.
    pub name: String,
    /// What kind of PQL it makes.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// All accounts.
    pub accounts: u64,
    /// Accounts for which it ever holds.
    pub pqls: u64,
    /// Their share of all.
    pub share: f64,
    /// Median days from the sign-up to the PQL time among them; `None` where there are none.
    pub median_days: Option<f64>,
    /// Those that converted before it held.
    pub converted_before: u64,
    /// Those that converted at the PQL time or later.
    pub converted_after: u64,
    /// Accounts that converted and for which it never held.
    pub converted_without: u64,
}

/// Count what each definition finds.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn counts(definitions: &[Definition], log: &Log) -> Result<Vec<Counted>> {
    let times = times(definitions, log)?;
    Ok(definitions
        .iter()
        .zip(&times)
        .map(|(definition, times)| count(definition, times, log))
        .collect())
}

#[expect(clippy::cast_precision_loss, reason = "counts and days")]
fn count(definition: &Definition, times: &[Option<i64>], log: &Log) -> Counted {
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
    Counted {
        name: definition.name.clone(),
        kind: definition.kind.name(),
        accounts: times.len() as u64,
        pqls: pqls as u64,
        share: pqls as f64 / times.len().max(1) as f64,
        median_days: median(days),
        converted_before: before,
        converted_after: after,
        converted_without: without,
    }
}
