//! Connections to databases, and the sources that are tables or queries of a database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::{Table, Value};

use super::problem::InvalidSetting;
use super::{
    AccountSource, Config, EventSource, MatrixConfig, TableFormat, UserSource, VisitorSource,
};
use crate::names::nearest;
use crate::query::TableName;

/// The query of `[matrix]`, as `--features CONNECTION:matrix`.
const MATRIX: &str = "matrix";

/// Parts of the names of options whose value is a secret.
const SECRET_NAMES: [&str; 8] =
    ["password", "passwd", "pwd", "token", "secret", "private", "credential", "key"];

/// A database, read and written by an ADBC driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionConfig {
    /// ADBC driver: its name, such as `postgresql`, `sqlite`, `snowflake` or `bigquery`, or the path
    /// of its library or manifest.
    pub driver: String,
    /// Address of the database, such as `{ env = "WAREHOUSE_URI" }`, which reads an environment
    /// variable. Text must not contain a password. Default: none.
    #[serde(default)]
    pub uri: Option<ConnectionValue>,
    /// Options of the driver by their names in ADBC, such as
    /// `"adbc.snowflake.sql.warehouse" = "small"`. Secrets must be environment variables.
    #[serde(default)]
    pub options: BTreeMap<String, ConnectionValue>,
    /// Function that initializes the driver. Default: that of ADBC.
    #[serde(default)]
    pub entrypoint: Option<String>,
}

/// A setting of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionValue {
    /// The value itself, which is not secret.
    Text(String),
    /// Name of the environment variable with the value.
    Variable(String),
}

impl Serialize for ConnectionValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Variable(name) => BTreeMap::from([("env", name)]).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ConnectionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let variable = |mut table: Table| match (table.remove("env"), table.is_empty()) {
            (Some(Value::String(name)), true) if !name.is_empty() => Some(Self::Variable(name)),
            _ => None,
        };
        let found = match Value::deserialize(deserializer)? {
            Value::String(text) => Some(Self::Text(text)),
            Value::Table(table) => variable(table),
            _ => None,
        };
        // The value may be a secret.
        found.ok_or_else(|| {
            de::Error::custom("found another value, expected text or { env = \"NAME\" }")
        })
    }
}

impl JsonSchema for ConnectionValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "connection value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "env": { "type": "string", "minLength": 1 } },
                    "required": ["env"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

/// Returns whether an address of a database contains a password.
fn contains_secret(uri: &str) -> bool {
    let after_scheme = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let user = after_scheme.rsplit_once('@').map_or("", |(user, _)| user);
    let lower = uri.to_lowercase();
    user.contains(':') || SECRET_NAMES.iter().any(|name| lower.contains(&format!("{name}=")))
}

impl ConnectionConfig {
    /// Checks the connection `name`.
    fn validate(&self, name: &str) -> Result<(), (&'static str, String)> {
        let key = |key: &str| format!("`connections.{name}.{key}`");
        let is_name = name.len() > 1
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !is_name {
            let problem = "expected two or more of the characters A-Z, a-z, 0-9, `_` and `-`";
            return Err(("", format!("`connections`: found the name `{name}`, {problem}")));
        }
        if self.driver.trim().is_empty() {
            return Err(("driver", format!("{}: found no driver", key("driver"))));
        }
        let is_secret = |value: &ConnectionValue, is_secret_name: bool| match value {
            ConnectionValue::Text(text) => is_secret_name || contains_secret(text),
            ConnectionValue::Variable(_) => false,
        };
        let expected = "expected `{ env = \"NAME\" }`, an environment variable";
        if self.uri.as_ref().is_some_and(|uri| is_secret(uri, false)) {
            return Err(("uri", format!("{}: found a password, {expected}", key("uri"))));
        }
        let secret = self.options.iter().find(|(name, value)| {
            let name = name.to_lowercase();
            is_secret(value, SECRET_NAMES.iter().any(|secret| name.contains(secret)))
        });
        secret.map_or(Ok(()), |(option, _)| {
            Err((
                "options",
                format!("{}: found a secret, {expected}", key(&format!("options.{option}"))),
            ))
        })
    }
}

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
    fn address(&self, count: usize) -> Option<PathBuf> {
        let rows = match (self.table, self.query) {
            (_, Some(_)) if self.section == MATRIX => MATRIX.to_owned(),
            (_, Some(_)) if count > 1 => format!("{} query {}", self.section, self.index + 1),
            (_, Some(_)) => format!("{} query", self.section),
            (table, None) => table?.to_owned(),
        };
        Some(format!("{}:{rows}", self.connection?).into())
    }
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
        let (connection, table) = path.to_str()?.split_once(':')?;
        self.connections.contains_key(connection).then_some(table)
    }

    /// Sets the paths of the sources that are in a database.
    pub(super) fn set_addresses(&mut self) {
        let locations = self.locations();
        let count = |section: &str| locations.iter().filter(|l| l.section == section).count();
        let addresses: Vec<_> = locations
            .iter()
            .filter(|location| location.section != MATRIX)
            .map(|location| location.address(count(location.section)))
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
        let count = |section: &str| locations.iter().filter(|l| l.section == section).count();
        let query = |location: &SourceLocation<'_>| location.address(count(location.section));
        locations.iter().filter_map(|l| Some((query(l)?, l.query?))).collect()
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
        let is_file = |key: &str, text: &str| match key {
            "driver" => text.contains(['/', '\\']),
            _ => !text.is_empty() && !text.contains([':', '=']),
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
    connections.zip(name).is_some_and(|(connections, name)| connections.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_found() {
        for uri in [
            "postgresql://ann:pw@host/db",
            "postgresql://:pw@host/db",
            "user:pw@account/db/schema",
            "host=h password=pw",
            "https://host?access_token=pw",
        ] {
            assert!(contains_secret(uri), "{uri}");
        }
        for uri in [
            "postgresql://host:5432/db",
            "postgresql://ann@host:5432/db",
            "data/app.db",
            ":memory:",
            "host=h dbname=d",
        ] {
            assert!(!contains_secret(uri), "{uri}");
        }
    }
}
