//! Exported SQL, run in the engines of `make engines`, equals what pql computes from files.

mod dbt;
mod features;
mod harness;
mod scores;
mod training;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pql::export::sql::Dialect;
use pql::time::iso;
use serde_json::Value;

pub(crate) use self::harness::python;
use self::harness::{Engine, Statement, Table, write_parquet};

impl Engine {
    /// Returns the dialect of its statements.
    fn dialect(self) -> Dialect {
        match self {
            Self::DuckDb => Dialect::DuckDb,
            Self::Postgres => Dialect::Postgres,
            Self::Spark => Dialect::Spark,
            Self::BigQuery => Dialect::BigQuery,
            Self::Snowflake => Dialect::Snowflake,
        }
    }
}

/// Tables of an engine: names and Parquet files.
type Tables<'a> = Vec<(Vec<&'a str>, PathBuf)>;

/// Runs a statement; panics with the statement if it fails.
fn run_statement(
    engine: Engine,
    sql: &str,
    tables: &Tables<'_>,
    parameters: &[(&str, &str)],
) -> Table {
    let parameters = parameters.iter().map(|(name, value)| (*name, Value::from(*value))).collect();
    let statement = Statement {
        sql: sql.to_owned(),
        tables: tables.clone(),
        parameters,
        ..Statement::default()
    };
    engine.run(&statement).unwrap_or_else(|error| panic!("{}: {error}\n{sql}", engine.name()))
}

/// Returns the rows as text, by column: times in ISO 8601, empty if missing.
fn text_rows(table: &Table) -> Vec<BTreeMap<String, String>> {
    let text = |kind: &str, value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(micros) if kind == "timestamp" => iso(micros.as_i64().unwrap()),
        value => value.to_string(),
    };
    let row = |row: &Vec<Value>| {
        let cells = table.columns.iter().zip(row);
        cells.map(|((name, kind), value)| (name.clone(), text(kind, value))).collect()
    };
    table.rows.iter().map(row).collect()
}

/// Converts a CSV file, in which an empty cell is missing, to Parquet; returns its path.
fn parquet_of_csv(csv: &Path, columns: &[(&str, &str)]) -> PathBuf {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let types = columns.iter().map(|(name, kind)| format!("{}: '{kind}'", quoted(name)));
    let types: Vec<String> = types.collect();
    let parquet = csv.with_extension("table.parquet");
    write_parquet(
        &parquet,
        &format!(
            "SELECT * FROM read_csv({}, columns = {{{}}}, header = true, nullstr = '')",
            quoted(csv.to_str().unwrap()),
            types.join(", ")
        ),
    );
    parquet
}
