//! The account list as a table.

use polars::prelude::*;

use super::accounts::Accounts;
use super::cells::NO_TIME;
use crate::error::{Error, Result};
use crate::io::write::time_column;
use crate::time::NEVER;

/// Returns the account list with the default column names; with a history, one row per account and
/// time.
pub(super) fn table(accounts: &Accounts) -> Result<DataFrame> {
    let failed = |e| Error::table("the account list", e);
    let table = accounts_table(accounts)?;
    let (rows, mut columns) = match &accounts.history {
        None => (accounts.id.len(), table.columns().to_vec()),
        Some(history) => {
            let rows = IdxCa::from_vec("".into(), history.accounts());
            let mut columns = table.take(&rows).map_err(failed)?.columns().to_vec();
            let from = history.valid_from().iter().map(|t| (*t != NO_TIME).then_some(*t));
            columns.push(time_column("valid_from", from));
            (rows.len(), columns)
        }
    };
    for attribute in accounts.attributes.columns() {
        if columns.iter().all(|c| c.name() != attribute.name()) {
            columns.push(attribute.clone());
        }
    }
    DataFrame::new(rows, columns).map_err(failed)
}

/// Returns the account list with the default column names, without attributes.
fn accounts_table(accounts: &Accounts) -> Result<DataFrame> {
    let time = |name: &str, values: &[i64]| {
        time_column(name, values.iter().map(|t| (*t != NEVER).then_some(*t)))
    };
    let number = |name: &str, values: &[f64]| {
        Float64Chunked::from_iter_options(
            name.into(),
            values.iter().map(|v| Some(*v).filter(|v| !v.is_nan())),
        )
        .into_column()
    };
    let mut columns = vec![
        Column::new("account_id".into(), accounts.id.iter().collect::<Vec<_>>()),
        time("signed_up_at", &accounts.signed_up),
        time("converted_at", &accounts.converted),
        time("churned_at", &accounts.churned),
    ];
    columns.extend(accounts.seats.iter().map(|s| number("seats", s)));
    columns.extend(accounts.revenue.iter().map(|r| number("mrr", r)));
    columns.extend(accounts.first_revenue.iter().map(|r| number("first_mrr", r)));
    DataFrame::new(accounts.id.len(), columns).map_err(|e| Error::table("the account list", e))
}
