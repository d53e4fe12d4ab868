//! Databases as sources of tables. A table or query is read once, into a temporary file: readers
//! need the rows more than once, and the table may change meanwhile. The tables of a database are
//! read in one transaction.
//!
//! A path such as `warehouse:analytics.events` is a table of the connection `warehouse`. Drivers
//! exchange data of arrow-rs, which pass through Arrow IPC.

#[cfg(feature = "adbc")]
mod connection;
#[cfg(not(feature = "adbc"))]
#[path = "disabled.rs"]
mod connection;
#[cfg(feature = "adbc")]
mod drivers;
#[cfg(feature = "adbc")]
mod ingest;
mod load;
#[cfg(feature = "adbc")]
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use connection::OpenConnection;
pub(crate) use load::{LoadMode, TableLoad};

use super::write::UnfinishedFile;
use crate::config::{Config, ConnectionConfig, ConnectionValue, split_address};
use crate::error::{Error, Result};
use crate::query::TableName;
use crate::time::{Timestamp, iso};

/// The databases of the process: files are opened by their path alone.
static DATABASES: Mutex<Databases> = Mutex::new(Databases::new());

fn databases() -> MutexGuard<'static, Databases> {
    DATABASES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connections of a project, and the rows that were read.
struct Databases {
    connections: BTreeMap<String, ConnectionConfig>,
    open: BTreeMap<String, OpenConnection>,
    /// Statements with `{since}` and `{until}`, by the path of their rows.
    queries: BTreeMap<PathBuf, String>,
    /// Paths of tables that may be empty.
    optional: BTreeSet<PathBuf>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    copies: BTreeMap<PathBuf, TableCopy>,
}

/// The rows of a statement as a stream of Arrow IPC.
struct TableCopy {
    sql: String,
    file: UnfinishedFile,
    summary: CopySummary,
}

/// Summary of rows that were read from a database.
#[derive(Debug, Clone, Default)]
pub(crate) struct CopySummary {
    pub(crate) rows: u64,
    /// Names of the columns with their types in words.
    pub(crate) types: Vec<(String, String)>,
}

/// Makes the databases of a project known. Its tables are read when they are opened.
///
/// # Arguments
/// * `until` – the end of the log
pub(crate) fn register(config: &Config, until: Timestamp) {
    let mut databases = databases();
    if databases.connections != config.connections {
        databases.close();
    }
    databases.connections.clone_from(&config.connections);
    databases.queries =
        config.queries().into_iter().map(|(path, sql)| (path, sql.to_owned())).collect();
    databases.optional = config.optional_rows().into_iter().collect();
    (databases.since, databases.until) = (config.observation.since, Some(until));
}

/// Returns whether a path is in a database.
pub(crate) fn is_table(path: &Path) -> bool {
    databases().connection_of(path).is_some()
}

/// Returns the file of the database in which a path is, if it is a file of this machine.
pub(crate) fn database_file(path: &Path) -> Option<PathBuf> {
    let databases = databases();
    let connection = &databases.connections[databases.connection_of(path)?];
    match connection.uri.as_ref()? {
        ConnectionValue::Text(uri) => Some(uri.into()),
        ConnectionValue::Variable(name) => std::env::var_os(name).map(PathBuf::from),
    }
    .filter(|path| path.is_file())
}

/// Reads the rows of a path in a database, unless they were read.
///
/// # Errors
/// * [`Error::Usage`]: a driver or an environment variable is missing
/// * [`Error::Database`]: the database refuses the connection or the statement
/// * [`Error::Empty`]: there are no rows
/// * [`Error::Write`]: the folder for temporary files is full or not writable
pub(crate) fn copy(path: &Path) -> Result<()> {
    databases().copy(path).map(drop)
}

/// Returns the summary of a path in a database; `None`: it is in none, or was not read.
pub(crate) fn summary(path: &Path) -> Option<CopySummary> {
    databases().copies.get(path).map(|copy| copy.summary.clone())
}

/// Opens the rows of a path in a database; `None`: it is in none.
pub(crate) fn open(path: &Path) -> Option<io::Result<File>> {
    let mut databases = databases();
    databases.connection_of(path)?;
    let copy = databases.copy(path).map_err(|error| io::Error::other(error.with_sources()));
    Some(copy.and_then(|copy| File::open(copy.file.path())))
}

/// Ends the transactions and closes the connections; rows that were read remain.
pub(crate) fn disconnect() {
    databases().open.clear();
}

/// Closes the connections and removes the rows that were read.
pub(crate) fn close() {
    databases().close();
}

impl Databases {
    const fn new() -> Self {
        Self {
            connections: BTreeMap::new(),
            open: BTreeMap::new(),
            queries: BTreeMap::new(),
            optional: BTreeSet::new(),
            since: None,
            until: None,
            copies: BTreeMap::new(),
        }
    }

    fn close(&mut self) {
        self.open.clear();
        self.copies.clear();
    }

    /// Returns the connection of a path.
    fn connection_of<'p>(&self, path: &'p Path) -> Option<&'p str> {
        let (connection, _) = split_address(path)?;
        self.connections.contains_key(connection).then_some(connection)
    }

    /// Returns the statement for the rows of a path.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the name of the table is invalid
    fn statement(&self, path: &Path) -> Result<String> {
        if let Some(query) = self.queries.get(path) {
            return Ok(with_period(query, self.since, self.until));
        }
        // As it is written: databases convert names without quotes to upper or lower case.
        table_of(path).map(|(_, table)| format!("SELECT * FROM {table}"))
    }

    fn copy(&mut self, path: &Path) -> Result<&TableCopy> {
        let sql = self.statement(path)?;
        if self.copies.get(path).is_none_or(|copy| copy.sql != sql) {
            let copy = self.read(path, sql)?;
            self.copies.insert(path.to_owned(), copy);
        }
        Ok(&self.copies[path])
    }

    fn read(&mut self, path: &Path, sql: String) -> Result<TableCopy> {
        let name = self.connection_of(path).unwrap_or_default();
        if !self.open.contains_key(name) {
            let open = OpenConnection::for_reading(name, &self.connections[name])?;
            self.open.insert(name.to_owned(), open);
        }
        let connection = self.open.get_mut(name).expect("the connection was opened");
        let folder = std::env::temp_dir();
        let file = UnfinishedFile::create_private(&folder)
            .map_err(|source| Error::Write { path: folder, source })?;
        let read = connection.read(path, &sql, file.file());
        // In a transaction that failed, nothing can be read.
        let summary = read.inspect_err(|_| drop(self.open.remove(name)))?;
        if summary.rows == 0 && !self.optional.contains(path) {
            let found = if self.queries.contains_key(path) { "query" } else { "table" };
            let expected = format!("the {found} has no rows, expected at least one");
            return Err(Error::Empty { path: path.to_owned(), expected });
        }
        Ok(TableCopy { sql, file, summary })
    }
}

/// Returns the connection and the table of a path such as `warehouse:analytics.events`.
///
/// # Errors
/// * [`Error::Usage`]: the name of the table is invalid
fn table_of(path: &Path) -> Result<(&str, &str)> {
    let (connection, table) = split_address(path).unwrap_or_default();
    check_table_name(table).map_err(|problem| Error::Usage {
        problem: format!("`{}`: {problem}", path.display()),
        hint: Some(format!("name a table, such as `{connection}:analytics.accounts`")),
    })?;
    Ok((connection, table))
}

/// Checks that a name is no other SQL.
fn check_table_name(table: &str) -> std::result::Result<(), String> {
    TableName::parse(table)?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '.');
    let (mut quote, mut last) = (None, ' ');
    for c in table.chars() {
        match quote {
            Some(opened) => quote = Some(opened).filter(|opened| *opened != c),
            None if matches!(c, '"' | '`') => quote = Some(c),
            None if !is_plain(c) || [last, c] == ['-', '-'] => {
                return Err(format!("found `{table}`, expected quotes around a part with `{c}`"));
            }
            None => {}
        }
        last = c;
    }
    Ok(())
}

/// Replaces `{since}` and `{until}` by times in quotes.
fn with_period(query: &str, since: Option<Timestamp>, until: Option<Timestamp>) -> String {
    let literal = |time: Option<Timestamp>| format!("'{}'", iso(time.map_or(0, |time| time.0)));
    query.replace("{since}", &literal(since)).replace("{until}", &literal(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_contain_no_other_sql() {
        for name in
            ["events", "crm.\"a; b\"", "my-project.crm.`e (1)`", "größe", "a$1", "\"a\"\"(\""]
        {
            assert_eq!(check_table_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a;b", "f(1)", "a--b", "a/**/", "\"a\";b", "'a'", "a,b"] {
            assert!(check_table_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_period_of_a_query_is_in_quotes_and_in_utc() {
        let times = ["2025-01-01T00:00:00Z", "2025-02-01T12:30:00Z"];
        let [since, until] = times.map(|time| Some(time.parse().unwrap()));
        let query = "select * from e where at >= {since} and at < {until} and j = '{}'";
        assert_eq!(
            with_period(query, since, until),
            "select * from e where at >= '2025-01-01T00:00:00Z' and at < '2025-02-01T12:30:00Z' and j = '{}'"
        );
        assert_eq!(with_period("{since}", None, until), "'1970-01-01T00:00:00Z'");
    }
}
