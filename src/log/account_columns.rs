//! The columns of the account list.

use super::columns::{check_optional, optional_column, require};
use crate::config::AccountSource;
use crate::error::Result;
use crate::io::read::Source;

/// The columns of the account list.
pub(super) struct AccountColumns {
    pub(super) account: String,
    pub(super) signed_up: String,
    pub(super) converted: Option<String>,
    pub(super) churned: Option<String>,
    pub(super) seats: Option<String>,
    pub(super) revenue: Option<String>,
    pub(super) first_revenue: Option<String>,
    pub(super) valid_from: Option<String>,
}

impl AccountColumns {
    /// Returns the configured columns of a table whose columns are not known. A required column has
    /// its default name if none is configured; an optional one is not used.
    pub(super) fn configured(source: &AccountSource) -> Self {
        let required = |configured: &Option<String>, default: &str| {
            configured.clone().unwrap_or_else(|| default.to_owned())
        };
        Self {
            account: required(&source.account, "account_id"),
            signed_up: required(&source.signed_up, "signed_up_at"),
            converted: source.converted.clone(),
            churned: source.churned.clone(),
            seats: source.seats.clone(),
            revenue: source.revenue.clone(),
            first_revenue: source.first_revenue.clone(),
            valid_from: None,
        }
    }

    /// Resolves the configured or default column names against the columns of the files.
    pub(super) fn resolve(source: &AccountSource, files: &Source) -> Result<Self> {
        let optional = |configured: &Option<String>, default: &str, key: &str| {
            optional_column(files, configured.as_ref(), default, &format!("`accounts.{key}`"))
        };
        let required = |configured: &Option<String>, default: &str, key: &str| {
            require(files, configured.as_ref(), default, &format!("`accounts.{key}`"))
        };
        for name in &source.attributes {
            check_optional(files, name, "`accounts.attributes`")?;
        }
        Ok(Self {
            account: required(&source.account, "account_id", "account")?,
            signed_up: required(&source.signed_up, "signed_up_at", "signed_up")?,
            converted: optional(&source.converted, "converted_at", "converted")?,
            churned: optional(&source.churned, "churned_at", "churned")?,
            seats: optional(&source.seats, "seats", "seats")?,
            revenue: optional(&source.revenue, "mrr", "revenue")?,
            first_revenue: optional(&source.first_revenue, "first_mrr", "first_revenue")?,
            valid_from: if source.history {
                Some(required(&source.valid_from, "valid_from", "valid_from")?)
            } else {
                None
            },
        })
    }

    /// Returns the names of the columns to read, sorted.
    pub(super) fn names(&self, source: &AccountSource) -> Vec<String> {
        let mut columns = vec![self.account.clone(), self.signed_up.clone()];
        let others = [
            &self.converted,
            &self.churned,
            &self.seats,
            &self.revenue,
            &self.first_revenue,
            &self.valid_from,
        ];
        columns.extend(others.into_iter().flatten().cloned());
        columns.extend(source.attributes.iter().cloned());
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

/// Returns the key of the project file if a column must have values, for messages.
pub(super) fn required_key(columns: &AccountColumns, column: &str) -> Option<String> {
    match column {
        _ if column == columns.account => Some("`accounts.account`".to_owned()),
        _ if column == columns.signed_up => Some("`accounts.signed_up`".to_owned()),
        _ => None,
    }
}
