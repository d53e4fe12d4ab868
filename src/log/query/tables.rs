//! The tables of a log: their names and columns.

use std::path::Path;

use crate::config::{AccountSource, EventSource, MaxLine, TableFormat};
use crate::error::{Error, Result};
use crate::io::database;
use crate::io::read::{FileOptions, Source};
use crate::log::account_columns::AccountColumns;
use crate::log::columns::EventColumns;
use crate::names::backticked;
use crate::query::TableName;
use crate::time::Zone;

/// The tables of a log.
pub(crate) struct LogTables {
    pub(super) events: Vec<EventTable>,
    pub(super) accounts: Option<AccountTable>,
}

/// A table of events.
pub(super) struct EventTable {
    pub(super) name: TableName,
    pub(super) columns: EventColumns,
    pub(super) source: EventSource,
    /// Tables with the same number share their event ids.
    pub(super) id_space: usize,
}

/// The table of accounts.
pub(super) struct AccountTable {
    pub(super) name: TableName,
    pub(super) columns: AccountColumns,
    pub(super) source: AccountSource,
}

/// How tables are found and read.
pub(crate) struct TableOptions<'a> {
    /// Maximum length of a line of a text file.
    pub(crate) max_line: MaxLine,
    /// Zone of times without an offset.
    pub(crate) zone: Zone,
    /// Returns whether the engine can parse times of a format.
    pub(crate) parses: &'a dyn Fn(&str) -> bool,
    /// Name of the engine.
    pub(crate) engine: &'a str,
}

impl LogTables {
    /// Resolves the names of tables and columns.
    ///
    /// Default columns are used if a file of the source has them; without files, only configured
    /// columns are used.
    ///
    /// # Errors
    /// * [`Error::Usage`]: a source has no table, or a column cannot be read by SQL
    /// * [`Error::Read`], [`Error::Malformed`], [`Error::MissingColumn`]: a file is not suitable
    pub(crate) fn resolve(
        events: &[EventSource],
        accounts: Option<&AccountSource>,
        options: &TableOptions<'_>,
    ) -> Result<Self> {
        if events.is_empty() {
            return Err(Error::NoEventSource { path: None });
        }
        let mut keys: Vec<IdSpace> = Vec::new();
        let mut tables = Vec::new();
        for source in events {
            let table = table_name(source.table.as_deref(), &source.path, "[[events]]")?;
            let (columns, key) = resolve_events(source, options)?;
            let id_space = keys.iter().position(|known| *known == key).unwrap_or(keys.len());
            keys.push(key);
            tables.push(EventTable { name: table, columns, source: source.clone(), id_space });
        }
        let accounts: Option<Result<AccountTable>> = accounts.map(|source| {
            let name = table_name(source.table.as_deref(), &source.path, "[accounts]")?;
            let columns = resolve_accounts(source, options)?;
            Ok(AccountTable { name, columns, source: source.clone() })
        });
        Ok(Self { events: tables, accounts: accounts.transpose()? })
    }

    /// Returns whether the account list has seats.
    pub(crate) fn has_seats(&self) -> bool {
        self.accounts.as_ref().is_some_and(|table| table.columns.seats.is_some())
    }
}

/// The properties of a source that are equal in all sources with shared event ids.
#[derive(PartialEq)]
struct IdSpace {
    /// The columns of its files, sorted; without files, its configured columns.
    columns: Vec<String>,
    id: Option<String>,
    event: Option<String>,
    event_name: Option<String>,
    unpivoted: bool,
}

/// Returns the table of a source.
///
/// # Errors
/// * [`Error::Usage`]: the source has no table, or its name cannot be read
pub(crate) fn table_name(table: Option<&str>, path: &Path, section: &str) -> Result<TableName> {
    let Some(table) = table else {
        return Err(Error::Usage {
            problem: format!(
                "`{section}`: found only the file `{}`, expected a table of the database",
                path.display()
            ),
            hint: Some(format!("set `table` in `{section}`")),
        });
    };
    TableName::parse(table).map_err(|problem| Error::Usage {
        problem: format!("`table` in `{section}`: {problem}"),
        hint: None,
    })
}

/// Resolves the columns of a source of events.
fn resolve_events(
    source: &EventSource,
    options: &TableOptions<'_>,
) -> Result<(EventColumns, IdSpace)> {
    let files = open(&source.path, source.file_format, options)?;
    let columns = match &files {
        Some(files) => EventColumns::resolve(source, files, false)?,
        None => EventColumns::configured(source),
    };
    let mut times = vec![("events.timestamp", &columns.timestamp)];
    times.extend(columns.received.iter().map(|column| ("events.received", column)));
    options.check_times("events", &times, source.format.as_deref())?;
    let names = columns.names(source);
    check_nested(files.as_ref(), &names, "events")?;
    let mut known = files.map_or_else(|| names, |files| files.columns().to_vec());
    known.sort_unstable();
    let key = IdSpace {
        columns: known,
        id: columns.id.clone(),
        event: columns.event.clone(),
        event_name: source.event_name.clone(),
        unpivoted: !source.unpivot.is_empty(),
    };
    Ok((columns, key))
}

/// Resolves the columns of the account list.
fn resolve_accounts(source: &AccountSource, options: &TableOptions<'_>) -> Result<AccountColumns> {
    let files = open(&source.path, source.file_format, options)?;
    let columns = match &files {
        Some(files) => AccountColumns::resolve(source, files)?,
        None => AccountColumns::configured(source),
    };
    let mut times = vec![("accounts.signed_up", &columns.signed_up)];
    times.extend(columns.converted.iter().map(|column| ("accounts.converted", column)));
    times.extend(columns.churned.iter().map(|column| ("accounts.churned", column)));
    options.check_times("accounts", &times, source.format.as_deref())?;
    check_nested(files.as_ref(), &columns.names(source), "accounts")?;
    Ok(columns)
}

/// Opens the files of a source; `None` without files.
fn open(
    path: &Path,
    format: Option<TableFormat>,
    options: &TableOptions<'_>,
) -> Result<Option<Source>> {
    let has_files = !path.as_os_str().is_empty() && !database::is_table(path);
    let options = FileOptions::new(options.max_line, format);
    has_files.then(|| Source::open(path, options)).transpose()
}

impl TableOptions<'_> {
    /// Checks that SQL can read the times of a table.
    ///
    /// # Arguments
    /// * `times` – settings and their columns
    fn check_times(
        &self,
        section: &str,
        times: &[(&str, &String)],
        format: Option<&str>,
    ) -> Result<()> {
        let columns: Vec<String> = times.iter().map(|(_, column)| (*column).clone()).collect();
        let columns = backticked(&columns);
        let keys: Vec<String> = times.iter().map(|(key, _)| (*key).to_owned()).collect();
        let keys = backticked(&keys);
        if !self.zone.is_utc() {
            return Err(Error::Usage {
                problem: format!(
                    "column {columns} ({keys}): found times of the zone {}, expected UTC in SQL",
                    self.zone
                ),
                hint: Some(format!(
                    "create a view whose column {columns} is in UTC, name it in `{section}.table`, and export with `--set input.timezone=UTC`"
                )),
            });
        }
        match format {
            Some(format) if !(self.parses)(format) => Err(Error::Usage {
                problem: format!(
                    "column {columns} ({keys}): found the format `{format}`, which pql cannot translate for {}",
                    self.engine
                ),
                hint: Some(format!(
                    "create a view whose column {columns} has the type TIMESTAMP, and name it in `{section}.table` without `{section}.format`"
                )),
            }),
            _ => Ok(()),
        }
    }
}

/// Checks that no column is a part of another column.
fn check_nested(files: Option<&Source>, names: &[String], section: &str) -> Result<()> {
    let is_nested = |name: &&String| {
        name.contains('.')
            && files.is_some_and(|files| files.has(name) && !files.columns().contains(name))
    };
    let Some(name) = names.iter().find(is_nested) else { return Ok(()) };
    Err(Error::Usage {
        problem: format!(
            "column `{name}` (`{section}`): found a value inside another column, expected a column of the table"
        ),
        hint: Some(format!(
            "create a view with the column `{name}`, and name it in `{section}.table`"
        )),
    })
}
