//! Starts the databases of `tests/engines/databases.py`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::common::{root, text};
use crate::engines::python;
use crate::project::{Project, Run, run};

/// Name of the variable that the project files of the tests use.
const VARIABLE: &str = "WAREHOUSE_URI";

/// Types of the columns of the trial log that are not text.
pub(crate) const TYPES: [(&str, &str); 4] = [
    ("timestamp", "TIMESTAMPTZ"),
    ("signed_up_at", "TIMESTAMPTZ"),
    ("converted_at", "TIMESTAMPTZ"),
    ("minutes", "INTEGER"),
];

/// A database with an ADBC driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Sqlite,
    DuckDb,
}

/// A database, which stops when this value is dropped.
pub(crate) struct Database {
    pub(crate) kind: Kind,
    pub(crate) uri: String,
    driver: String,
    preload: Option<String>,
    requests: Option<ChildStdin>,
    responses: BufReader<ChildStdout>,
    process: Child,
}

impl Database {
    /// Starts a server, or creates a file in a project.
    pub(crate) fn start(kind: Kind, project: &Project) -> Self {
        let file = project.path("warehouse.db");
        let mut command = Command::new(python());
        command.arg(root().join("tests/engines/databases.py"));
        match kind {
            Kind::Postgres => command.arg("postgres"),
            Kind::Sqlite => command.args(["sqlite", text(&file)]),
            Kind::DuckDb => command.args(["duckdb", text(&file)]),
        };
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let requests = process.stdin.take();
        let mut responses = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        responses.read_line(&mut line).unwrap();
        let address: Value = serde_json::from_str(&line).expect("the database starts");
        let field = |name: &str| address[name].as_str().map(str::to_owned);
        let (uri, driver) = (field("uri").unwrap(), field("driver").unwrap());
        Self { kind, uri, driver, preload: field("preload"), requests, responses, process }
    }

    fn respond(&mut self, request: &Value) -> Vec<Vec<Value>> {
        writeln!(self.requests.as_mut().unwrap(), "{request}").unwrap();
        let mut line = String::new();
        self.responses.read_line(&mut line).unwrap();
        let response: Value = serde_json::from_str(&line).unwrap();
        assert!(response["error"].is_null(), "{request}: {response}");
        serde_json::from_value(response["rows"].clone()).unwrap()
    }

    /// Runs a statement and returns its rows.
    pub(crate) fn sql(&mut self, sql: &str) -> Vec<Vec<Value>> {
        self.respond(&json!({ "sql": sql }))
    }

    /// Loads a CSV file of a project into a table of that name.
    pub(crate) fn load(&mut self, project: &Project, table: &str, types: &[(&str, &str)]) {
        self.load_file(project, (&format!("{table}.csv"), table), types);
    }

    /// Loads a CSV or Parquet file of a project into a table.
    pub(crate) fn load_file(
        &mut self,
        project: &Project,
        (file, table): (&str, &str),
        types: &[(&str, &str)],
    ) {
        let types: Value =
            types.iter().map(|(name, kind)| ((*name).to_owned(), Value::from(*kind))).collect();
        self.respond(&json!({ "table": table, "csv": project.path(file), "types": types }));
    }

    /// Loads the events and accounts of the trial log.
    pub(crate) fn load_trial(&mut self, project: &Project) {
        let types = if self.kind == Kind::Sqlite { &TYPES[3..] } else { &TYPES[..] };
        self.load(project, "events", types);
        self.load(project, "accounts", types);
    }

    /// Returns the section of the connection in a project file.
    pub(crate) fn section(&self) -> String {
        format!(
            "[connections.warehouse]\ndriver = \"{}\"\nuri = {{ env = \"{VARIABLE}\" }}\n",
            self.driver
        )
    }

    /// Returns a command that can connect.
    pub(crate) fn command(&self, project: &Project, args: &[&str]) -> Command {
        let mut command = project.command(env!("CARGO_BIN_EXE_pql"), args);
        let environment = python();
        let environment = environment.parent().and_then(|folder| folder.parent()).unwrap();
        command.env(VARIABLE, &self.uri).env("VIRTUAL_ENV", environment);
        command.envs(self.preload.as_ref().map(|library| ("LD_PRELOAD", library)));
        command
    }

    /// Runs `pql` with the address of the database in the environment.
    pub(crate) fn pql(&self, project: &Project, args: &[&str]) -> Run {
        run(&mut self.command(project, args))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The end of its input stops the database.
        drop(self.requests.take());
        let _ = self.process.wait();
    }
}
