//! The sources of a project file: events, the account list and visitors.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{TABLE_NAME, at_most_one, without_table};
use crate::error::{Error, Result};

/// The format of a table in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    /// Parquet.
    Parquet,
    /// CSV, or a format with another separator.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// Arrow IPC: a stream or a file.
    Arrow,
}

/// A source of events. Several sources form one log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "if" = without_table(),
    "then" = { "required": ["path"] },
    "dependencies" = { "query": ["connection"] },
    "allOf" = at_most_one(&["event", "event_name", "unpivot"])
))]
pub struct EventSource {
    /// File, glob or folder: Parquet, CSV, NDJSON or Arrow, text also compressed (.gz, .zst); `-` is
    /// standard input. May be a URL such as `s3://bucket/events/`. Relative paths start at the folder of the project file. Default: none; required without `table` and `query`.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// Format of the files, whatever their extension. Default: by the file extension or, of standard
    /// input, by the first bytes.
    pub file_format: Option<TableFormat>,
    /// Table of a database, such as `analytics.events`: of `connection`, or for `pql export sql`. A
    /// part in double quotes may have any characters. Default: none.
    #[schemars(extend("pattern" = TABLE_NAME))]
    pub table: Option<String>,
    /// Database of `[connections]` from which `table` or `query` is read. Default: none.
    pub connection: Option<String>,
    /// Statement of SQL whose rows are read from `connection`. In it, `{since}` and `{until}` are
    /// replaced by the start and the end of the log. Default: none.
    pub query: Option<String>,
    /// Column of account ids. Default: `account_id`.
    pub account: Option<String>,
    /// Column of user ids. Default: `user_id`.
    pub user: Option<String>,
    /// Column of event types. Default: `event`.
    pub event: Option<String>,
    /// One event type for all rows of this source.
    pub event_name: Option<String>,
    /// Columns of a daily table; each one is an event type and occurs where it is not 0.
    pub unpivot: Vec<String>,
    /// Columns of numeric properties, which are summed per window.
    pub values: Vec<String>,
    /// Column of event times. Default: `timestamp`.
    pub timestamp: Option<String>,
    /// strftime format of the times, if not ISO 8601.
    pub format: Option<String>,
    /// Column of the times at which events were received; an event counts from the later of both
    /// times. Default: none.
    pub received: Option<String>,
    /// Column of event ids; repeated ids are dropped. Default: `message_id`.
    pub id: Option<String>,
}

/// The account list. Without it, an account signs up with its first event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "if" = without_table(),
    "then" = { "required": ["path"] },
    "dependencies" = { "query": ["connection"] }
))]
pub struct AccountSource {
    /// File, glob or folder: Parquet, CSV, NDJSON or Arrow, text also compressed (.gz, .zst); `-` is
    /// standard input. May be a URL such as `s3://bucket/accounts/`. Relative paths start at the folder of the project file. Default: none; required without `table` and `query`.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// Format of the files, whatever their extension. Default: by the file extension or, of standard
    /// input, by the first bytes.
    pub file_format: Option<TableFormat>,
    /// Table of a database, such as `analytics.events`: of `connection`, or for `pql export sql`. A
    /// part in double quotes may have any characters. Default: none.
    #[schemars(extend("pattern" = TABLE_NAME))]
    pub table: Option<String>,
    /// Database of `[connections]` from which `table` or `query` is read. Default: none.
    pub connection: Option<String>,
    /// Statement of SQL whose rows are read from `connection`. In it, `{since}` and `{until}` are
    /// replaced by the start and the end of the log. Default: none.
    pub query: Option<String>,
    /// Column of account ids. Default: `account_id`.
    pub account: Option<String>,
    /// Column of sign-up times. Default: `signed_up_at`.
    pub signed_up: Option<String>,
    /// Column of conversion times, empty if not converted. Default: `converted_at`. Times that
    /// mean never, such as 1970-01-01 and 9999-12-31, count as empty.
    pub converted: Option<String>,
    /// Column of churn times. Default: `churned_at`.
    pub churned: Option<String>,
    /// Column of seats granted at sign-up. Default: `seats`.
    pub seats: Option<String>,
    /// Column of current revenue; never a feature. Default: `mrr`.
    pub revenue: Option<String>,
    /// Column of revenue at conversion, for expansion in `pql funnel`; never a feature. Default:
    /// `first_mrr`.
    pub first_revenue: Option<String>,
    /// Columns that are features. Their values must be known at sign-up, or from `valid_from` on.
    #[schemars(extend("uniqueItems" = true))]
    pub attributes: Vec<String>,
    /// Whether an account may have several rows. Features use the newest row before the cutoff.
    pub history: bool,
    /// Column of the times from which rows count, if `history` is true; a row without a time counts
    /// from the start. Default: `valid_from`.
    pub valid_from: Option<String>,
    /// strftime format of the times, if not ISO 8601.
    pub format: Option<String>,
}

/// Website visitors by day, for the conversion from visitor to sign-up in `pql funnel`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "if" = without_table(),
    "then" = { "required": ["path"] },
    "dependencies" = { "query": ["connection"], "table": ["connection"] }
))]
pub struct VisitorSource {
    /// File, glob or folder: Parquet, CSV, NDJSON or Arrow, text also compressed (.gz, .zst); `-` is
    /// standard input. May be a URL such as `s3://bucket/visitors/`. Relative paths start at the folder of the project file. Default: none; required without `table` and `query`.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// Format of the files, whatever their extension. Default: by the file extension or, of standard
    /// input, by the first bytes.
    pub file_format: Option<TableFormat>,
    /// Table of `connection`, such as `analytics.visitors`. Default: none.
    #[schemars(extend("pattern" = TABLE_NAME))]
    pub table: Option<String>,
    /// Database of `[connections]` from which `table` or `query` is read. Default: none.
    pub connection: Option<String>,
    /// Statement of SQL whose rows are read from `connection`. Default: none.
    pub query: Option<String>,
    /// Column of days. Default: `date`.
    pub date: Option<String>,
    /// Column of visitor counts. Default: `visitors`.
    pub visitors: Option<String>,
    /// strftime format of the days, if not ISO 8601.
    pub format: Option<String>,
}

impl EventSource {
    /// Returns the file, glob or folder of the source.
    ///
    /// # Errors
    /// * [`Error::OnlyTable`]: the source has only a table
    pub fn file(&self) -> Result<&Path> {
        file("[[events]]", &self.path, self.table.as_deref())
    }
}

impl AccountSource {
    /// Returns the file, glob or folder of the account list.
    ///
    /// # Errors
    /// * [`Error::OnlyTable`]: the account list is only a table
    pub fn file(&self) -> Result<&Path> {
        file("[accounts]", &self.path, self.table.as_deref())
    }
}

/// Returns the path of a source, unless it is only a table.
fn file<'a>(section: &'static str, path: &'a Path, table: Option<&str>) -> Result<&'a Path> {
    match table {
        Some(table) if path.as_os_str().is_empty() => {
            Err(Error::OnlyTable { section, table: table.to_owned() })
        }
        _ => Ok(path),
    }
}
