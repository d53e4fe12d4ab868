//! An open connection of an ADBC driver.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use adbc_core::options::{OptionConnection, OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Optionable as _, Statement as _};
use adbc_driver_manager::{ManagedConnection, ManagedStatement};
use arrow_array::RecordBatchReader as _;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType};

use super::secrets::Secrets;
use super::{CopySummary, drivers};
use crate::config::{ConnectionConfig, ConnectionValue, is_file_driver};
use crate::error::{Error, Result};

/// Size of the buffer of a temporary file in bytes.
const BUFFER: usize = 1 << 20;

/// Begins a transaction of PostgreSQL whose statements read the same state.
const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A connection with a transaction; dropping it ends the transaction.
pub(super) struct OpenConnection {
    pub(super) connection: ManagedConnection,
    pub(super) secrets: Secrets,
}

impl OpenConnection {
    /// Opens a connection and begins a transaction that reads.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the driver or an environment variable is missing
    /// * [`Error::Database`]: the database refuses the connection
    pub(super) fn for_reading(name: &str, config: &ConnectionConfig) -> Result<Self> {
        let mut open = Self::open(name, config)?;
        // Databases without transactions read each statement by itself.
        let begins = open.connection.set_option(OptionConnection::AutoCommit, false.into());
        if begins.is_ok() && config.driver.contains("postgres") {
            open.execute(SNAPSHOT).map_err(|error| {
                let text = message(&error, &open.secrets);
                Error::Database {
                    place: format!("connection `{name}`"),
                    problem: format!("cannot begin a transaction that reads one state: {text}"),
                    hint: None,
                }
            })?;
        }
        Ok(open)
    }

    /// Opens a connection for a load, which begins a transaction itself.
    ///
    /// # Errors
    /// Those of [`OpenConnection::for_reading`]
    pub(super) fn for_writing(name: &str, config: &ConnectionConfig) -> Result<Self> {
        Self::open(name, config)
    }

    fn open(name: &str, config: &ConnectionConfig) -> Result<Self> {
        let mut secrets = Secrets::default();
        let mut options = Vec::new();
        if let Some(uri) = &config.uri {
            let text = value(name, uri)?;
            if matches!(uri, ConnectionValue::Variable(_)) {
                secrets.add_address(&text);
            }
            options.push((OptionDatabase::Uri, OptionValue::from(text)));
        }
        for (key, option) in &config.options {
            let text = value(name, option)?;
            if matches!(option, ConnectionValue::Variable(_)) {
                secrets.add(&text);
            }
            options.push((OptionDatabase::from(key.as_str()), OptionValue::from(text)));
        }
        let mut driver = drivers::load(name, config)?;
        let connection = driver
            .new_database_with_opts(options)
            .and_then(|database| database.new_connection())
            .map_err(|error| {
                let problem = format!("cannot connect: {}", message(&error, &secrets));
                let hint = if is_file_driver(&config.driver) {
                    "check the path of the file, and that you may read and write it"
                } else {
                    "check the address, the user and the password, and that the database accepts connections from this machine"
                };
                Error::Database {
                    place: format!("connection `{name}`"),
                    problem,
                    hint: Some(hint.to_owned()),
                }
            })?;
        Ok(Self { connection, secrets })
    }

    fn statement(&mut self, sql: &str) -> adbc_core::error::Result<ManagedStatement> {
        let mut statement = self.connection.new_statement()?;
        statement.set_sql_query(sql)?;
        Ok(statement)
    }

    pub(super) fn execute(&mut self, sql: &str) -> adbc_core::error::Result<()> {
        self.statement(sql)?.execute_update().map(drop)
    }

    /// Writes the rows of a statement to a file as a stream of Arrow IPC.
    ///
    /// # Arguments
    /// * `place` – the source, for messages
    /// # Errors
    /// * [`Error::Database`]: the statement fails
    /// * [`Error::Write`]: the file cannot be written
    pub(super) fn read(&mut self, place: &Path, sql: &str, file: &File) -> Result<CopySummary> {
        let failed = |text: String| Error::Database {
            place: format!("`{}`", place.display()),
            problem: format!("the database refuses the statement: {text}"),
            hint: Some("run the statement in a client of the database".to_owned()),
        };
        let mut statement =
            self.statement(sql).map_err(|error| failed(message(&error, &self.secrets)))?;
        let reader = statement.execute().map_err(|error| failed(message(&error, &self.secrets)))?;
        let lost = |error: &ArrowError| Error::Database {
            place: format!("`{}`", place.display()),
            problem: format!(
                "cannot read all rows: {}",
                one_line(&error.to_string(), &self.secrets)
            ),
            hint: None,
        };
        let schema = reader.schema();
        let mut rows = 0;
        let mut writer = StreamWriter::try_new(BufWriter::with_capacity(BUFFER, file), &schema)
            .map_err(|error| write_error(error, lost))?;
        for batch in reader {
            let batch = batch.map_err(|error| lost(&error))?;
            rows += batch.num_rows() as u64;
            writer.write(&batch).map_err(|error| write_error(error, lost))?;
        }
        writer.finish().map_err(|error| write_error(error, lost))?;
        writer.get_mut().flush().map_err(temporary_file_error)?;
        let types = schema.fields().iter().map(|field| {
            let type_name = type_name(field.data_type(), field.extension_type_name());
            (field.name().clone(), type_name)
        });
        Ok(CopySummary { rows, types: types.collect() })
    }
}

/// Returns a type of Arrow in words.
fn type_name(data_type: &DataType, extension: Option<&str>) -> String {
    let name = match data_type {
        DataType::Timestamp(_, Some(_)) => "time with a zone",
        DataType::Timestamp(_, None) => "time without a zone",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Boolean => "true or false",
        _ if extension == Some("arrow.json") => "JSON",
        _ if data_type.is_integer() => "integer",
        _ if data_type.is_numeric() => "number",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        other => return other.to_string(),
    };
    name.to_owned()
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        // The end of a transaction that only read, or failed.
        let _ = self.connection.rollback();
    }
}

/// Returns the value of a setting.
fn value(connection: &str, value: &ConnectionValue) -> Result<String> {
    match value {
        ConnectionValue::Text(text) => Ok(text.clone()),
        ConnectionValue::Variable(name) => {
            let found = std::env::var(name).ok().filter(|value| !value.is_empty());
            found.ok_or_else(|| Error::Usage {
                problem: format!(
                    "connection `{connection}`: the environment variable `{name}` is not set"
                ),
                hint: Some(format!("set it before pql runs: `export {name}=…`")),
            })
        }
    }
}

/// Returns the SQLSTATE of an error.
pub(super) fn sqlstate(error: &adbc_core::error::Error) -> String {
    error.sqlstate.iter().filter_map(|c| u8::try_from(*c).ok()).map(char::from).collect()
}

/// Returns the message of a driver without secrets, and with the code of the error.
pub(super) fn message(error: &adbc_core::error::Error, secrets: &Secrets) -> String {
    let text = one_line(&error.message, secrets);
    let code = sqlstate(error);
    let is_code = code.chars().all(|c| c.is_ascii_alphanumeric()) && code != "00000";
    if is_code { format!("{text} (SQLSTATE {code})") } else { text }
}

/// Returns the text of a driver in one line, without secrets and the words of the C interface.
fn one_line(text: &str, secrets: &Secrets) -> String {
    let text = text.split_once("Producer error: ").map_or(text, |(_, text)| text);
    secrets.mask(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn write_error(error: ArrowError, other: impl Fn(&ArrowError) -> Error) -> Error {
    match error {
        ArrowError::IoError(_, source) => temporary_file_error(source),
        error => other(&error),
    }
}

fn temporary_file_error(source: io::Error) -> Error {
    Error::Write { path: std::env::temp_dir(), source }
}
