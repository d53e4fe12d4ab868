//! The columns to read from a source of events.

use super::account_columns::AccountColumns;
use super::visitors;
use crate::config::{AccountSource, EventSource, VisitorSource};
use crate::error::Result;
use crate::io::read::Source;

/// The columns that are read from a source.
pub(crate) struct UsedColumns {
    /// Their names, sorted.
    pub(crate) names: Vec<String>,
    /// The column of the main time.
    pub(crate) time: String,
}

/// Returns the columns of a source of events.
///
/// # Arguments
/// * `has_users` – whether the users have accounts, so that the events need none
/// # Errors
/// * [`Error::MissingColumn`](crate::Error::MissingColumn): a file lacks a column
pub(crate) fn event_columns(
    source: &EventSource,
    files: &Source,
    has_users: bool,
) -> Result<UsedColumns> {
    let columns = EventColumns::resolve(source, files, has_users)?;
    Ok(UsedColumns { names: columns.names(source), time: columns.timestamp })
}

/// Returns the columns of an account list.
///
/// # Errors
/// Those of [`event_columns`]
pub(crate) fn account_columns(source: &AccountSource, files: &Source) -> Result<UsedColumns> {
    let columns = AccountColumns::resolve(source, files)?;
    Ok(UsedColumns { names: columns.names(source), time: columns.signed_up })
}

/// Returns the columns of a list of visitors.
///
/// # Errors
/// Those of [`event_columns`]
pub(crate) fn visitor_columns(source: &VisitorSource, files: &Source) -> Result<UsedColumns> {
    let [date, count] = visitors::columns(source, files)?;
    Ok(UsedColumns { names: vec![date.clone(), count], time: date })
}

/// The columns to read from a source.
pub(super) struct EventColumns {
    /// `None`: the accounts are those of the users.
    pub(super) account: Option<String>,
    pub(super) user: Option<String>,
    pub(super) event: Option<String>,
    pub(super) timestamp: String,
    pub(super) received: Option<String>,
    pub(super) id: Option<String>,
}

impl EventColumns {
    /// Resolves the configured or default column names against the columns of the files.
    ///
    /// # Arguments
    /// * `has_users` – whether the users have accounts, so that the events need none
    pub(super) fn resolve(source: &EventSource, files: &Source, has_users: bool) -> Result<Self> {
        let optional = |configured: &Option<String>, default: &str, key: &str| {
            optional_column(files, configured.as_ref(), default, key)
        };
        let required = |configured: &Option<String>, default: &str, key: &str| {
            require(files, configured.as_ref(), default, key)
        };
        for (names, key) in [(&source.values, "values"), (&source.unpivot, "unpivot")] {
            for name in names {
                check_optional(files, name, &format!("`events.{key}`"))?;
            }
        }
        let has_fixed_names = source.event_name.is_some() || !source.unpivot.is_empty();
        let account = if has_users {
            optional(&source.account, "account_id", "`events.account`")?
        } else {
            Some(required(&source.account, "account_id", "`events.account`")?)
        };
        let user = match account {
            Some(_) => optional(&source.user, "user_id", "`events.user`")?,
            None => Some(required(&source.user, "user_id", "`events.user`; or set `account`")?),
        };
        Ok(Self {
            account,
            user,
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
            // Not by name alone: a load time looks the same, and would hide the history of a
            // backfilled log.
            received: match source.received {
                Some(_) => optional(&source.received, "", "`events.received`")?,
                None => None,
            },
            id: optional(&source.id, "message_id", "`events.id`")?,
        })
    }

    /// Returns the configured columns of a table whose columns are not known. A required column has
    /// its default name if none is configured; an optional one is not used.
    pub(super) fn configured(source: &EventSource) -> Self {
        let required = |configured: &Option<String>, default: &str| {
            configured.clone().unwrap_or_else(|| default.to_owned())
        };
        let has_fixed_names = source.event_name.is_some() || !source.unpivot.is_empty();
        Self {
            account: Some(required(&source.account, "account_id")),
            user: source.user.clone(),
            event: (!has_fixed_names).then(|| required(&source.event, "event")),
            timestamp: required(&source.timestamp, "timestamp"),
            received: source.received.clone(),
            id: source.id.clone(),
        }
    }

    /// Returns the names of the columns to read, sorted.
    pub(super) fn names(&self, source: &EventSource) -> Vec<String> {
        let mut columns: Vec<String> = vec![self.timestamp.clone()];
        let optional = [&self.account, &self.user, &self.event, &self.received, &self.id];
        columns.extend(optional.into_iter().flatten().cloned());
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
        let identifiers = [&self.account, &self.user, &self.event, &self.id].map(Option::as_ref);
        let times = [Some(&self.timestamp), self.received.as_ref()];
        let has_other_use =
            |name: &&String| times.contains(&Some(*name)) || source.values.contains(*name);
        identifiers.into_iter().flatten().filter(|name| !has_other_use(name)).cloned().collect()
    }
}

/// Returns the key of the project file if a column must have values, for messages.
///
/// # Arguments
/// * `has_users` – as for [`EventColumns::resolve`]
pub(super) fn required_key(
    columns: &EventColumns,
    column: &str,
    has_users: bool,
) -> Option<String> {
    let is = |name: &Option<String>| name.as_deref() == Some(column);
    let key = match column {
        _ if is(&columns.account) && !has_users => "account",
        _ if columns.account.is_none() && is(&columns.user) => "user",
        _ if column == columns.timestamp => "timestamp",
        _ if columns.event.as_deref() == Some(column) => "event",
        _ => return None,
    };
    Some(format!("`events.{key}`"))
}

/// Returns the configured column, or the default one if a file has it.
pub(super) fn optional_column(
    files: &Source,
    configured: Option<&String>,
    default: &str,
    key: &str,
) -> Result<Option<String>> {
    if let Some(column) = configured {
        check_optional(files, column, key)?;
        return Ok(Some(column.clone()));
    }
    Ok(files.has(default).then(|| default.to_owned()))
}

/// Checks that some file has a configured column, unless NDJSON may lack its key in every object.
pub(super) fn check_optional(files: &Source, column: &str, key: &str) -> Result<()> {
    match files.file_without(column) {
        Some(file) if !files.has(column) && !files.has_optional_keys() => {
            Err(files.missing(file, column, key))
        }
        _ => Ok(()),
    }
}

/// Returns the configured or default column, which every file must have.
pub(super) fn require(
    files: &Source,
    configured: Option<&String>,
    default: &str,
    key: &str,
) -> Result<String> {
    let column = configured.map_or(default, String::as_str);
    match files.file_without(column) {
        Some(file) => Err(files.missing(file, column, key)),
        None => Ok(column.to_owned()),
    }
}
