//! A connection to a database in a project file. Its messages show no values, which may be secrets.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::{Table, Value};

use super::problem::InvalidSetting;

/// Parts of the names of options whose value is a secret.
const SECRET_NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passcode",
    "passphrase",
    "pwd",
    "token",
    "secret",
    "private",
    "credential",
    "key",
    "authorization",
    "signature",
];

/// Words between other characters that make a name one of [`SECRET_NAMES`].
const SECRET_PARTS: [&str; 2] = ["sas", "sig"];

/// Names that begin URLs.
const SCHEMES: [&str; 12] =
    ["http", "https", "s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "adl", "file"];

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

/// Returns whether the value of an option or parameter is a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut parts = name.split(|c: char| !c.is_alphanumeric());
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
        || parts.any(|part| SECRET_PARTS.contains(&part))
}

/// Returns whether a driver reads database files.
pub(crate) fn is_file_driver(driver: &str) -> bool {
    let name = driver.rsplit(['/', '\\']).next().unwrap_or_default();
    name.contains("sqlite") || name.contains("duckdb")
}

/// Returns the parameters of an address, such as `password = 'two words'`, without the quotes.
pub(crate) fn parameters(address: &str) -> Vec<(&str, &str)> {
    let (mut parameters, mut rest) = (Vec::new(), address);
    while let Some((before, after)) = rest.split_once('=') {
        let is_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let key = before.trim_end().rsplit(|c| !is_key(c)).next().unwrap_or_default();
        let value = after.trim_start();
        let closing = match value.chars().next() {
            Some(quote @ ('\'' | '"')) => Some(quote),
            Some('{') => Some('}'),
            _ => None,
        };
        let end = match closing {
            Some(closing) => 1 + quoted_length(&value[1..], closing),
            None => value
                .find(|c: char| c.is_whitespace() || matches!(c, '?' | '&' | ';'))
                .unwrap_or(value.len()),
        };
        parameters.push((key, &value[usize::from(closing.is_some())..end]));
        rest = &value[end..];
    }
    parameters
}

/// Returns the length of a text up to the closing quote. A quote that is doubled or follows a
/// backslash is part of it.
fn quoted_length(text: &str, closing: char) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        if c == closing && chars.next_if(|(_, next)| *next == closing).is_none() {
            return index;
        }
        if c == '\\' && closing != '}' {
            chars.next();
        }
    }
    text.len()
}

/// Returns whether an address of a database contains a password.
fn contains_secret(uri: &str) -> bool {
    let after_scheme = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let user = after_scheme.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || parameters(uri).iter().any(|(name, _)| is_secret_name(name))
}

/// Checks the types of `[connections]`. The parser would print values, which may be secrets.
pub(super) fn check_connection_types(connections: &Table) -> Result<(), InvalidSetting> {
    for (name, connection) in connections {
        let wrong_type = |key: &str, value: &Value, expected: &str| {
            let key = format!("connections.{name}{key}");
            let found = type_in_words(value);
            let message = format!("`{key}`: found {found}, expected {expected}");
            Err(InvalidSetting { key, section_index: 0, message })
        };
        let Value::Table(keys) = connection else {
            let expected = format!("a table such as [connections.{name}]");
            return wrong_type("", connection, &expected);
        };
        for (key, value) in keys {
            match (key.as_str(), value) {
                ("driver" | "entrypoint", Value::String(_)) | ("options", Value::Table(_)) => {}
                ("driver" | "entrypoint", _) => {
                    return wrong_type(&format!(".{key}"), value, "text");
                }
                ("options", _) => {
                    let expected = "a table such as { option = { env = \"NAME\" } }";
                    return wrong_type(".options", value, expected);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Returns the type of a value in words, without the value.
pub(super) fn type_in_words(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

impl ConnectionConfig {
    /// Checks the connection `name`.
    pub(super) fn validate(&self, name: &str) -> Result<(), (&'static str, String)> {
        let key = |key: &str| format!("`connections.{name}.{key}`");
        let is_name = name.len() > 1
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !is_name {
            let problem = "expected two or more of the characters A-Z, a-z, 0-9, `_` and `-`";
            return Err(("", format!("`connections`: found the name `{name}`, {problem}")));
        }
        if SCHEMES.iter().any(|scheme| name.eq_ignore_ascii_case(scheme)) {
            let problem = "expected one that does not begin URLs";
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
        let secret =
            self.options.iter().find(|(name, value)| is_secret(value, is_secret_name(name)));
        secret.map_or(Ok(()), |(option, _)| {
            Err((
                "options",
                format!("{}: found a secret, {expected}", key(&format!("options.{option}"))),
            ))
        })
    }
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
            "host=h password = pw",
            "https://host?access_token=pw",
            "https://host/?sig=pw",
            "Driver={x;y};PWD={a;b}",
        ] {
            assert!(contains_secret(uri), "{uri}");
        }
        for uri in [
            "postgresql://host:5432/db",
            "postgresql://ann@host:5432/db",
            "data/app.db",
            ":memory:",
            "host=h dbname=d",
            "host=h application_name='password = x'",
            "host/?sassafras=1&design=2",
        ] {
            assert!(!contains_secret(uri), "{uri}");
        }
    }

    #[test]
    fn names_of_secrets_are_found() {
        for name in ["adbc.flight.sql.authorization_header", "passcode", "azure.SAS", "x-signature"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["adbc.snowflake.sql.warehouse", "adbc.snowflake.sql.auth_type", "sassafras"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn values_in_quotes_are_whole() {
        let address = r"host=h password = 'it\'s two' PWD={a;b}}c};uid=ann&x=";
        let expected = [
            ("host", "h"),
            ("password", r"it\'s two"),
            ("PWD", "a;b}}c"),
            ("uid", "ann"),
            ("x", ""),
        ];
        assert_eq!(parameters(address), expected);
    }
}
