//! Runs statements in the engines of `make engines`, each started once per test process.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};

/// An engine of `tests/engines/run.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    DuckDb,
    Postgres,
    Spark,
    /// `BigQuery`, translated to `DuckDB` by sqlglot.
    BigQuery,
    /// Snowflake, translated to `DuckDB` by sqlglot.
    Snowflake,
}

/// A statement and its tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statement<'a> {
    pub(crate) sql: String,
    /// Tables with their Parquet files; a name has one or two parts.
    pub(crate) tables: Vec<(Vec<&'a str>, PathBuf)>,
    pub(crate) parameters: Vec<(&'a str, Value)>,
    /// Settings of Spark.
    pub(crate) options: Vec<(&'a str, &'a str)>,
    /// A dbt package that is built before the statement, with each set of variables.
    pub(crate) package: Option<(PathBuf, Vec<Value>)>,
}

/// Rows of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Names and types: boolean, integer, double, text, timestamp, or a name of the engine.
    pub(crate) columns: Vec<(String, String)>,
    /// Values; timestamps are µs UTC, infinite doubles and NaN are texts.
    pub(crate) rows: Vec<Vec<Value>>,
}

/// A process of `run.py`; it stops its engine when this process ends, which closes its input.
struct Process {
    _child: Child,
    requests: ChildStdin,
    responses: BufReader<ChildStdout>,
}

static PROCESSES: LazyLock<[Mutex<Option<Process>>; 5]> = LazyLock::new(Default::default);

impl Engine {
    pub(crate) const ALL: [Self; 5] =
        [Self::DuckDb, Self::Postgres, Self::Spark, Self::BigQuery, Self::Snowflake];

    /// Returns its name in `run.py` and in `pql export sql --dialect`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "duckdb",
            Self::Postgres => "postgres",
            Self::Spark => "spark",
            Self::BigQuery => "bigquery",
            Self::Snowflake => "snowflake",
        }
    }

    /// Returns the engines to test: those that the variable `PQL_ENGINES` names, or all.
    pub(crate) fn selected() -> Vec<Self> {
        let Ok(names) = std::env::var("PQL_ENGINES") else { return Self::ALL.to_vec() };
        let engine = |name: &str| {
            let known = Self::ALL.into_iter().find(|engine| engine.name() == name);
            known.unwrap_or_else(|| panic!("PQL_ENGINES: unknown engine `{name}`"))
        };
        names.split_whitespace().map(engine).collect()
    }

    /// Runs a statement; an error has the engine's message.
    pub(crate) fn run(self, statement: &Statement) -> Result<Table, String> {
        let tables: Vec<Value> =
            statement.tables.iter().map(|(name, path)| json!([name, path])).collect();
        let object = |pairs: Vec<(&str, Value)>| -> Value {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        let options = statement.options.iter().map(|(name, value)| (*name, json!(value))).collect();
        let mut request = json!({
            "sql": statement.sql,
            "tables": tables,
            "parameters": object(statement.parameters.clone()),
            "options": object(options),
        });
        if let Some((folder, builds)) = &statement.package {
            request["dbt"] = json!({"folder": folder, "builds": builds});
        }
        let response = self.respond(&request);
        if let Some(error) = response["error"].as_str() {
            return Err(error.to_owned());
        }
        let columns: Vec<(String, String)> =
            serde_json::from_value(response["columns"].clone()).unwrap();
        let rows: Vec<Vec<Value>> = serde_json::from_value(response["rows"].clone()).unwrap();
        Ok(Table { columns, rows })
    }

    fn respond(self, request: &Value) -> Value {
        let process = &PROCESSES[self as usize];
        let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
        let process = process.get_or_insert_with(|| Process::start(self));
        writeln!(process.requests, "{request}").unwrap();
        let mut line = String::new();
        process.responses.read_line(&mut line).unwrap();
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{}: no response: {error}", self.name()))
    }
}

impl Process {
    fn start(engine: Engine) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/run.py");
        let mut child = Command::new(python())
            .arg(script)
            .arg(engine.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} (run `make engines`): {error}", python().display()));
        let requests = child.stdin.take().unwrap();
        let responses = BufReader::new(child.stdout.take().unwrap());
        Self { _child: child, requests, responses }
    }
}

/// Returns the Python of `make engines`, or the one that `PQL_ENGINES_PYTHON` names.
pub(crate) fn python() -> PathBuf {
    let own = || {
        let home = std::env::var_os("HOME").unwrap();
        PathBuf::from(home).join(".cache/pql/engines-venv/bin/python")
    };
    std::env::var_os("PQL_ENGINES_PYTHON").map_or_else(own, PathBuf::from)
}

/// Writes the rows of a statement of `DuckDB` to a Parquet file.
pub(crate) fn write_parquet(path: &Path, sql: &str) {
    let path = path.to_str().unwrap().replace('\'', "''");
    let sql = format!("COPY ({sql}) TO '{path}' (FORMAT parquet)");
    Engine::DuckDb.run(&Statement { sql, ..Statement::default() }).unwrap();
}

/// Returns the first difference of two tables: names, types, number of rows, or a value. Numbers
/// may differ by 1e-9, relative to numbers beyond ±1.
pub(crate) fn difference(found: &Table, expected: &Table) -> Option<String> {
    if found.columns != expected.columns {
        return Some(format!("columns {:?}, expected {:?}", found.columns, expected.columns));
    }
    if found.rows.len() != expected.rows.len() {
        return Some(format!("{} rows, expected {}", found.rows.len(), expected.rows.len()));
    }
    let columns = &expected.columns;
    let mut pairs = found.rows.iter().zip(&expected.rows).enumerate();
    pairs.find_map(|(row, (found, expected))| {
        let unlike = (0..found.len()).find(|&c| !is_equal(&found[c], &expected[c]))?;
        Some(format!(
            "row {row}, column `{}`: {}, expected {}",
            columns[unlike].0, found[unlike], expected[unlike]
        ))
    })
}

fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            a == b || (a - b).abs() <= 1e-9 * b.abs().max(1.0)
        }
        _ => a == b,
    }
}
