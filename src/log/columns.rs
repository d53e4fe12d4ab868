//! Which columns of a file of events are read.

use std::path::Path;

use crate::config::EventSource;
use crate::error::{Error, Result};
use crate::io::read;
use crate::names::nearest;

/// The columns of one file that are read.
pub(super) struct Picked {
    pub(super) account: String,
    pub(super) user: Option<String>,
    pub(super) event: Option<String>,
    pub(super) timestamp: String,
    pub(super) received: Option<String>,
    pub(super) id: Option<String>,
}

impl Picked {
    pub(super) fn of(source: &EventSource, file: &Path) -> Result<Self> {
        let columns = read::columns(file)?;
        let take = |named: &Option<String>, default: &str| pick(&columns, named.as_ref(), default);
        let must = |named: &Option<String>, default: &str, role: &str| {
            require(file, &columns, named.as_ref(), default, role)
        };
        let whole = source.event_name.is_some() || !source.unpivot.is_empty();
        Ok(Self {
            account: must(&source.account, "account_id", "`events.account`")?,
            user: take(&source.user, "user_id"),
            event: if whole {
                None
            } else {
                Some(must(
                    &source.event,
                    "event",
                    "`events.event`; or give `event_name` or `unpivot`",
                )?)
            },
            timestamp: must(&source.timestamp, "timestamp", "`events.timestamp`")?,
            received: take(&source.received, "received_at"),
            id: take(&source.id, "message_id"),
        })
    }

    pub(super) fn columns(&self, source: &EventSource) -> Vec<String> {
        let mut columns: Vec<String> = vec![self.account.clone(), self.timestamp.clone()];
        columns.extend(
            [&self.user, &self.event, &self.received, &self.id].into_iter().flatten().cloned(),
        );
        columns.extend(source.values.iter().chain(&source.unpivot).cloned());
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Those of them that only name something, so that their texts may come as codes.
    pub(super) fn texts(&self, source: &EventSource) -> Vec<String> {
        // Rows of such a source are taken column by column.
        if !source.unpivot.is_empty() {
            return Vec::new();
        }
        let names =
            [Some(&self.account), self.user.as_ref(), self.event.as_ref(), self.id.as_ref()];
        let others = [Some(&self.timestamp), self.received.as_ref()];
        let read_otherwise =
            |name: &&String| others.contains(&Some(*name)) || source.values.contains(*name);
        names.into_iter().flatten().filter(|name| !read_otherwise(name)).cloned().collect()
    }
}

/// The column that is named, or the usual one where it exists.
pub(super) fn pick(columns: &[String], named: Option<&String>, default: &str) -> Option<String> {
    named.cloned().or_else(|| columns.iter().any(|c| c == default).then(|| default.to_owned()))
}

/// The column that is named, or the usual one, which must exist.
pub(super) fn require(
    file: &Path,
    columns: &[String],
    named: Option<&String>,
    default: &str,
    role: &str,
) -> Result<String> {
    let column = named.map_or(default, String::as_str);
    if columns.iter().any(|c| c == column) {
        return Ok(column.to_owned());
    }
    let near = nearest(column, columns.iter().map(String::as_str));
    Err(Error::MissingColumn {
        path: file.to_owned(),
        column: column.to_owned(),
        role: role.to_owned(),
        near,
    })
}

/// The key of the project file by which a column is asked for, as messages name it.
pub(super) fn role(source: &EventSource, column: &str) -> String {
    let is = |named: &Option<String>| named.as_deref() == Some(column);
    let key = match column {
        _ if is(&source.user) => "user",
        _ if is(&source.received) => "received",
        _ if is(&source.id) => "id",
        _ if source.unpivot.iter().any(|c| c == column) => "unpivot",
        _ => "values",
    };
    format!("`events.{key}`")
}
