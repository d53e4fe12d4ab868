//! The columns to read from a file of events.

use std::path::Path;

use crate::config::EventSource;
use crate::error::{Error, Result};
use crate::io::read;
use crate::names::nearest;

/// The columns to read from one file.
pub(super) struct EventColumns {
    pub(super) account: String,
    pub(super) user: Option<String>,
    pub(super) event: Option<String>,
    pub(super) timestamp: String,
    pub(super) received: Option<String>,
    pub(super) id: Option<String>,
}

impl EventColumns {
    /// Resolves the configured or default column names against the columns of a file.
    pub(super) fn resolve(source: &EventSource, file: &Path) -> Result<Self> {
        let columns = read::columns(file)?;
        let optional = |configured: &Option<String>, default: &str| {
            optional_column(&columns, configured.as_ref(), default)
        };
        let required = |configured: &Option<String>, default: &str, key: &str| {
            require(file, &columns, configured.as_ref(), default, key)
        };
        let has_fixed_names = source.event_name.is_some() || !source.unpivot.is_empty();
        Ok(Self {
            account: required(&source.account, "account_id", "`events.account`")?,
            user: optional(&source.user, "user_id"),
            event: if has_fixed_names {
                None
            } else {
                Some(required(
                    &source.event,
                    "event",
                    "`events.event`; or set `event_name` or `unpivot`",
                )?)
            },
            timestamp: required(&source.timestamp, "timestamp", "`events.timestamp`")?,
            received: optional(&source.received, "received_at"),
            id: optional(&source.id, "message_id"),
        })
    }

    /// Returns the names of the columns to read, sorted.
    pub(super) fn names(&self, source: &EventSource) -> Vec<String> {
        let mut columns: Vec<String> = vec![self.account.clone(), self.timestamp.clone()];
        columns.extend(
            [&self.user, &self.event, &self.received, &self.id].into_iter().flatten().cloned(),
        );
        columns.extend(source.values.iter().chain(&source.unpivot).cloned());
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Returns the columns that contain only identifiers and may be read as dictionaries.
    pub(super) fn identifiers(&self, source: &EventSource) -> Vec<String> {
        // Rows of an unpivoted source are filtered for each column.
        if !source.unpivot.is_empty() {
            return Vec::new();
        }
        let identifiers =
            [Some(&self.account), self.user.as_ref(), self.event.as_ref(), self.id.as_ref()];
        let times = [Some(&self.timestamp), self.received.as_ref()];
        let has_other_use =
            |name: &&String| times.contains(&Some(*name)) || source.values.contains(*name);
        identifiers.into_iter().flatten().filter(|name| !has_other_use(name)).cloned().collect()
    }
}

/// Returns the configured column, or the default one where the file has it.
pub(super) fn optional_column(
    columns: &[String],
    configured: Option<&String>,
    default: &str,
) -> Option<String> {
    configured.cloned().or_else(|| columns.iter().any(|c| c == default).then(|| default.to_owned()))
}

/// Returns the configured or default column, which must exist.
pub(super) fn require(
    file: &Path,
    columns: &[String],
    configured: Option<&String>,
    default: &str,
    key: &str,
) -> Result<String> {
    let column = configured.map_or(default, String::as_str);
    if columns.iter().any(|c| c == column) {
        return Ok(column.to_owned());
    }
    let suggestion = nearest(column, columns.iter().map(String::as_str));
    Err(Error::MissingColumn {
        path: file.to_owned(),
        column: column.to_owned(),
        role: key.to_owned(),
        suggestion,
    })
}

/// Returns the key of the project file that names a column, for messages.
pub(super) fn config_key(source: &EventSource, column: &str) -> String {
    let is_column = |configured: &Option<String>| configured.as_deref() == Some(column);
    let key = match column {
        _ if is_column(&source.user) => "user",
        _ if is_column(&source.received) => "received",
        _ if is_column(&source.id) => "id",
        _ if source.unpivot.iter().any(|c| c == column) => "unpivot",
        _ => "values",
    };
    format!("`events.{key}`")
}
