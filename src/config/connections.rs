//! Connections to databases, and the sources that are tables or queries of a database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::connection::{ConnectionConfig, is_file_driver};
use super::problem::InvalidSetting;
use super::{
    AccountSource, Config, EventSource, MatrixConfig, TableFormat, UserSource, VisitorSource,
};
use crate::names::nearest;
use crate::query::TableName;
use crate::remote_path::is_remote;

/// The query of `[matrix]`, as `--features CONNECTION:matrix`.
const MATRIX: &str = "matrix";

/// Where the rows of a section come from.
struct SourceLocation<'a> {
    section: &'static str,
    /// Index among the sections of that name.
    index: usize,
    path: &'a Path,
    connection: Option<&'a str>,
    table: Option<&'a str>,
    query: Option<&'a str>,
    has_format: bool,
}

impl<'a> SourceLocation<'a> {
    fn new(section: &'static str, [connection, table, query]: [&'a Option<String>; 3]) -> Self {
        let [connection, table, query] = [connection, table, query].map(Option::as_deref);
        let path = Path::new("");
        Self { section, index: 0, path, connection, table, query, has_format: false }
    }

    fn with_files(self, path: &'a Path, format: Option<TableFormat>) -> Self {
        Self { path, has_format: format.is_some(), ..self }
    }

    fn with_index(self, index: usize) -> Self {
        Self { index, ..self }
    }

    /// Returns whether the table has a use without a connection.
    fn is_exported(&self) -> bool {
        matches!(self.section, "events" | "accounts" | MATRIX)
    }

    fn header(&self) -> String {
        if self.section == "events" {
            "[[events]]".to_owned()
        } else {
            format!("[{}]", self.section)
        }
    }

    fn invalid(&self, key: &str, message: String) -> InvalidSetting {
        let key = format!("{}.{key}", self.section);
        InvalidSetting { key, section_index: self.index, message }
    }

    fn check(
        &self,
        connections: &BTreeMap<String, ConnectionConfig>,
    ) -> Result<(), InvalidSetting> {
        let (section, header) = (self.section, self.header());
        let has_path = !self.path.as_os_str().is_empty();
        let Some(connection) = self.connection else {
            let key = match (self.query, self.table) {
                (Some(_), _) => "query",
                (None, Some(_)) if !self.is_exported() => "table",
                _ => return Ok(()),
            };
            let problem = format!("`{section}.{key}` requires `{section}.connection`, found none");
            return Err(self.invalid(key, problem));
        };
        if !connections.contains_key(connection) {
            let known = connections.keys().map(String::as_str);
            let suggestion = nearest(connection, known).map_or_else(
                || format!(", such as [connections.{connection}]"),
                |name| format!("; did you mean `{name}`?"),
            );
            let problem = format!(
                "`{section}.connection`: found `{connection}`, expected a connection of the project file{suggestion}"
            );
            return Err(self.invalid("connection", problem));
        }
        let both = |one: &str, other: &str| {
            format!("found `{one}` and `{other}` in {header}, expected only one of them")
        };
        let problem = match (self.table, self.query) {
            _ if has_path => both("path", "connection"),
            (Some(_), Some(_)) => both("table", "query"),
            (None, None) => {
                format!("`{section}.connection` requires `table` or `query`, found none")
            }
            (_, Some(query)) if query.trim().is_empty() => {
                format!("`{section}.query`: found an empty text, expected a statement of SQL")
            }
            _ if self.has_format => both("file_format", "connection"),
            _ => return Ok(()),
        };
        Err(self.invalid("connection", problem))
    }

    /// Returns the path under which the rows of the database are read.
    ///
    /// # Arguments
    /// * `all` – the locations of the project
    fn address(&self, all: &[Self]) -> Option<PathBuf> {
        let count = all.iter().filter(|other| other.section == self.section).count();
        let rows = match (self.table, self.query) {
            (_, Some(_)) if self.section == MATRIX => MATRIX.to_owned(),
            (_, Some(_)) if count > 1 => format!("{} query {}", self.section, self.index + 1),
            (_, Some(_)) => format!("{} query", self.section),
            (table, None) => table?.to_owned(),
        };
        Some(format!("{}:{rows}", self.connection?).into())
    }
}

/// Splits a path such as `warehouse:crm.deals` into a connection and a table. Other paths may have
/// a colon, too: the connection must be known.
pub(crate) fn split_address(path: &Path) -> Option<(&str, &str)> {
    path.to_str()?.split_once(':').filter(|_| !is_remote(path))
}

impl Config {
    fn locations(&self) -> Vec<SourceLocation<'_>> {
        let mut locations = Vec::new();
        for (index, source) in self.events.iter().enumerate() {
            let EventSource { path, connection, table, query, file_format, .. } = source;
            let database = [connection, table, query];
            locations.push(
                SourceLocation::new("events", database)
                    .with_files(path, *file_format)
                    .with_index(index),
            );
        }
        if let Some(AccountSource { path, connection, table, query, file_format, .. }) =
            &self.accounts
        {
            let database = [connection, table, query];
            locations
                .push(SourceLocation::new("accounts", database).with_files(path, *file_format));
        }
        if let Some(UserSource { path, connection, table, query, .. }) = &self.users {
            let database = [connection, table, query];
            locations.push(SourceLocation::new("users", database).with_files(path, None));
        }
        if let Some(VisitorSource { path, connection, table, query, file_format, .. }) =
            &self.visitors
        {
            let database = [connection, table, query];
            locations
                .push(SourceLocation::new("visitors", database).with_files(path, *file_format));
        }
        let MatrixConfig { connection, table, query, file_format, .. } = &self.matrix;
        let matrix = SourceLocation::new(MATRIX, [connection, table, query]);
        locations.push(matrix.with_files(Path::new(""), *file_format));
        locations
    }

    /// Checks the connections, and the sources that name one.
    pub(super) fn check_connections(&self) -> Result<(), InvalidSetting> {
        for (name, connection) in &self.connections {
            connection.validate(name).map_err(|(key, message)| {
                let key = format!("connections.{name}.{key}");
                InvalidSetting { key, section_index: 0, message }
            })?;
        }
        self.locations().iter().try_for_each(|location| location.check(&self.connections))?;
        let lists = self.path_keys();
        let tables = lists.iter().filter_map(|(key, path)| Some((*key, self.table_of(path)?)));
        for (key, table) in tables {
            if let Err(problem) = TableName::parse(table) {
                return Err((key, format!("`{key}`: {problem}")).into());
            }
        }
        Ok(())
    }

    /// Returns the keys whose value is a path, except those of the other sources.
    fn path_keys(&self) -> Vec<(&'static str, &Path)> {
        let alias = self.users.iter().flat_map(|users| &users.alias).map(|p| ("users.alias", p));
        let lists = self.eligibility.iter().flat_map(|section| {
            let deals = section.deals.iter().map(|path| ("eligibility.deals", path));
            deals.chain(section.contacts.iter().map(|path| ("eligibility.contacts", path)))
        });
        alias.chain(lists).map(|(key, path)| (key, path.as_path())).collect()
    }

    /// Returns the table of a path such as `warehouse:crm.deals`.
    fn table_of<'p>(&self, path: &'p Path) -> Option<&'p str> {
        let (connection, table) = split_address(path)?;
        self.connections.contains_key(connection).then_some(table)
    }

    /// Sets the paths of the sources that are in a database.
    pub(super) fn set_addresses(&mut self) {
        let locations = self.locations();
        let addresses: Vec<_> = locations
            .iter()
            .filter(|location| location.section != MATRIX)
            .map(|location| location.address(&locations))
            .collect();
        let events = self.events.iter_mut().map(|source| &mut source.path);
        let accounts = self.accounts.iter_mut().map(|source| &mut source.path);
        let users = self.users.iter_mut().map(|source| &mut source.path);
        let visitors = self.visitors.iter_mut().map(|source| &mut source.path);
        let paths = events.chain(accounts).chain(users).chain(visitors);
        for (path, address) in paths.zip(addresses) {
            if let Some(address) = address {
                *path = address;
            }
        }
    }

    /// Returns the statements of the sources that are queries, by their paths.
    pub(crate) fn queries(&self) -> Vec<(PathBuf, &str)> {
        let locations = self.locations();
        locations.iter().filter_map(|l| Some((l.address(&locations)?, l.query?))).collect()
    }

    /// Returns the paths of sources that may have no rows, such as open deals.
    pub(crate) fn optional_rows(&self) -> Vec<PathBuf> {
        self.path_keys().into_iter().map(|(_, path)| path.to_owned()).collect()
    }
}

/// Resolves the paths of drivers and of database files against the folder of the project file.
pub(super) fn resolve_connection_paths(table: &mut Table, base: &Path) {
    let Some(Value::Table(connections)) = table.get_mut("connections") else { return };
    for connection in connections.iter_mut().filter_map(|(_, value)| value.as_table_mut()) {
        // The addresses of other databases, such as `ann@account/db`, may look like files.
        let driver = connection.get("driver").and_then(Value::as_str).unwrap_or_default();
        let reads_files = is_file_driver(driver);
        let is_file = |key: &str, text: &str| match key {
            "driver" => text.contains(['/', '\\']),
            _ => reads_files && !text.is_empty() && !text.contains([':', '=']),
        };
        for key in ["driver", "uri"] {
            if let Some(Value::String(text)) = connection.get_mut(key)
                && is_file(key, text)
                && Path::new(text.as_str()).is_relative()
            {
                *text = base.join(&*text).to_string_lossy().into_owned();
            }
        }
    }
}

/// Returns whether a path is a table of a connection of the project file.
pub(super) fn is_table_address(table: &Table, path: &str) -> bool {
    let connections = table.get("connections").and_then(Value::as_table);
    let name = path.split_once(':').map(|(name, _)| name);
    let name = name.filter(|_| !is_remote(Path::new(path)));
    connections.zip(name).is_some_and(|(connections, name)| connections.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_files_are_resolved() {
        let resolved = |driver: &str, uri: &str| {
            let text = format!("[connections.ww]\ndriver = \"{driver}\"\nuri = \"{uri}\"\n");
            let mut table: Table = text.parse().unwrap();
            resolve_connection_paths(&mut table, Path::new("/base"));
            table["connections"]["ww"]["uri"].as_str().unwrap().to_owned()
        };
        assert_eq!(resolved("sqlite", "app.db"), "/base/app.db");
        assert_eq!(resolved("/usr/lib/libduckdb.so", "app.db"), "/base/app.db");
        assert_eq!(resolved("sqlite", ":memory:"), ":memory:");
        assert_eq!(resolved("snowflake", "ann@account/db"), "ann@account/db");
    }

    #[test]
    fn urls_are_not_tables_of_a_connection() {
        let table: Table = "[connections.s3]\ndriver = \"sqlite\"\n".parse().unwrap();
        assert!(is_table_address(&table, "s3:events"));
        assert!(!is_table_address(&table, "s3://bucket/events.csv"));
    }
}
