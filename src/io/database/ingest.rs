//! Bulk loads of an open connection.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use adbc_core::error::Status;
use adbc_core::options::{IngestMode, OptionConnection, OptionStatement};
use adbc_core::{Connection as _, Optionable as _, Statement as _};
use arrow_array::RecordBatchReader;
use arrow_ipc::reader::StreamReader;

use super::connection::{OpenConnection, message, sqlstate};
use super::load::LoadMode;
use crate::error::{Error, Result};
use crate::query::TableName;

/// Prefix of the table in which rows wait until those that they replace are deleted.
const STAGE: &str = "pql_load";

/// Codes of SQLSTATE: a table or a schema does not exist.
const MISSING: [&str; 2] = ["42P01", "3F000"];

type Adbc<T> = adbc_core::error::Result<T>;

impl OpenConnection {
    /// Loads rows into a table in one transaction; a table that does not exist is created.
    ///
    /// # Errors
    /// * [`Error::Database`]: the load fails; the table is as before
    pub(super) fn load(
        &mut self,
        place: &Path,
        table: &TableName,
        mode: LoadMode,
        rows: File,
    ) -> Result<()> {
        let error = |problem: String, hint: Option<&str>| Error::Database {
            place: format!("`{}`", place.display()),
            problem,
            hint: hint.map(str::to_owned),
        };
        let rows = StreamReader::try_new(BufReader::new(rows), None)
            .map_err(|cause| error(format!("cannot read the rows: {cause}"), None))?;
        let schema = rows.schema();
        let columns: Vec<&str> =
            schema.fields().iter().map(|field| field.name().as_str()).collect();
        let existing = self.columns(table).map_err(|cause| {
            let cause = message(&cause, &self.secrets);
            error(format!("cannot read the columns of the table: {cause}"), None)
        })?;
        let lacks = |existing: &Vec<String>| {
            columns.iter().find(|name| !existing.iter().any(|other| other == *name)).copied()
        };
        if let Some(column) = existing.as_ref().and_then(lacks) {
            let problem = format!("the table lacks the column `{column}` of the scores");
            let hint = "add the column, or load the scores into another table";
            return Err(error(problem, Some(hint)));
        }
        if let Err(cause) = self.connection.set_option(OptionConnection::AutoCommit, false.into()) {
            let cause = message(&cause, &self.secrets);
            let problem = format!(
                "the driver has no transactions, so that a failed load could lose rows: {cause}"
            );
            let hint = "write the scores to a file (`-o scores.parquet`) and load it with the tools of the database";
            return Err(error(problem, Some(hint)));
        }
        let loaded = match existing {
            None => self.ingest(table, Box::new(rows)),
            Some(_) => self.replace_rows(table, mode, &columns, Box::new(rows)),
        };
        loaded.and_then(|()| self.connection.commit()).map_err(|cause| {
            let _ = self.connection.rollback();
            let problem = format!(
                "the load failed, and the table is unchanged: {}",
                message(&cause, &self.secrets)
            );
            error(problem, None)
        })
    }

    /// Returns the columns of a table; `None`: it does not exist.
    fn columns(&mut self, TableName(parts): &TableName) -> Adbc<Option<Vec<String>>> {
        let [catalog, schema, table] = last_parts(parts);
        match self.connection.get_table_schema(catalog, schema, table.unwrap_or_default()) {
            Ok(schema) => {
                Ok(Some(schema.fields().iter().map(|field| field.name().clone()).collect()))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a table with rows.
    fn ingest(
        &mut self,
        TableName(parts): &TableName,
        rows: Box<dyn RecordBatchReader + Send>,
    ) -> Adbc<()> {
        let [catalog, schema, table] = last_parts(parts);
        let mut statement = self.connection.new_statement()?;
        let targets = [
            (OptionStatement::TargetCatalog, catalog),
            (OptionStatement::TargetDbSchema, schema),
            (OptionStatement::TargetTable, table),
        ];
        for (option, value) in targets.into_iter().filter_map(|(o, value)| Some((o, value?))) {
            statement.set_option(option, value.into())?;
        }
        statement.set_option(OptionStatement::IngestMode, IngestMode::Create.into())?;
        statement.bind_stream(rows)?;
        statement.execute_update().map(drop)
    }

    /// Replaces rows of a table that exists.
    fn replace_rows(
        &mut self,
        table: &TableName,
        mode: LoadMode,
        columns: &[&str],
        rows: Box<dyn RecordBatchReader + Send>,
    ) -> Adbc<()> {
        let stage = stage_of(table, &unique_suffix());
        self.ingest(&stage, rows)?;
        for sql in statements(table, &stage, mode, columns) {
            self.execute(&sql)?;
        }
        Ok(())
    }
}

/// Returns whether an error is that of a table that does not exist. Not all drivers have a status
/// for it.
fn is_missing(error: &adbc_core::error::Error) -> bool {
    error.status == Status::NotFound
        || MISSING.contains(&sqlstate(error).as_str())
        || error.message.contains("does not exist")
}

/// Returns the table in which rows wait, in the schema of `table`. Databases limit the length of
/// names, so that its name does not contain that of the table.
fn stage_of(TableName(parts): &TableName, suffix: &str) -> TableName {
    let mut parts = parts.clone();
    if let Some(name) = parts.last_mut() {
        *name = format!("{STAGE}_{suffix}");
    }
    TableName(parts)
}

/// Returns a suffix that no other run has.
fn unique_suffix() -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}_{}", std::process::id(), time.as_micros())
}

/// Returns the statements that move rows from a stage to its table.
fn statements(
    table: &TableName,
    stage: &TableName,
    mode: LoadMode,
    columns: &[&str],
) -> Vec<String> {
    let [target, source] = [table, stage].map(quoted_table);
    let own = table.0.last().map_or_else(String::new, |name| quoted(name));
    let delete = match mode {
        LoadMode::Replace => format!("DELETE FROM {target}"),
        LoadMode::Upsert => format!(
            "DELETE FROM {target} WHERE \"account_id\" IN (SELECT \"account_id\" FROM {source})"
        ),
        LoadMode::Append => format!(
            "DELETE FROM {target} WHERE EXISTS (SELECT 1 FROM {source} AS loaded \
             WHERE loaded.\"account_id\" = {own}.\"account_id\" AND loaded.\"model\" = {own}.\"model\" AND (loaded.\"cutoff\" = {own}.\"cutoff\" OR (loaded.\"cutoff\" IS NULL AND {own}.\"cutoff\" IS NULL)))"
        ),
    };
    let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let columns = columns.join(", ");
    vec![
        delete,
        format!("INSERT INTO {target} ({columns}) SELECT {columns} FROM {source}"),
        format!("DROP TABLE {source}"),
    ]
}

/// Returns the catalog, the schema and the name of a table.
fn last_parts(parts: &[String]) -> [Option<&str>; 3] {
    let mut last = parts.iter().rev().map(String::as_str);
    let [table, schema, catalog] = [last.next(), last.next(), last.next()];
    [catalog, schema, table]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted_table(TableName(parts): &TableName) -> String {
    parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_name_tables_and_columns_in_quotes() {
        let table = TableName::parse("crm.\"pql \"\"1\"\"\"").unwrap();
        let statements =
            statements(&table, &stage_of(&table, "7_9"), LoadMode::Upsert, &["account_id", "p"]);
        assert_eq!(
            statements,
            [
                "DELETE FROM \"crm\".\"pql \"\"1\"\"\" WHERE \"account_id\" IN (SELECT \"account_id\" FROM \"crm\".\"pql_load_7_9\")",
                "INSERT INTO \"crm\".\"pql \"\"1\"\"\" (\"account_id\", \"p\") SELECT \"account_id\", \"p\" FROM \"crm\".\"pql_load_7_9\"",
                "DROP TABLE \"crm\".\"pql_load_7_9\"",
            ]
        );
    }
}
