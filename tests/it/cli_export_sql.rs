//! `pql export sql`: its options, and errors that name what SQL cannot read.

use crate::project::{Project, Run, TRIAL};

/// Creates the trial with a model `t`, and tables in its project file.
fn project() -> Project {
    let project = Project::trial();
    project.pql(&["train", "-q", "--name", "t"]).done();
    project.write("pql.toml", with_tables());
    project
}

fn with_tables() -> String {
    TRIAL
        .replace("[[events]]", "[[events]]\ntable = \"raw.events\"")
        .replace("[accounts]", "[accounts]\ntable = \"raw.accounts\"")
}

fn export(project: &Project, options: &[&str]) -> Run {
    project.pql(&[&["export", "sql", "t", "--part", "features"], options].concat())
}

#[test]
fn each_dialect_and_form_has_its_own_statement() {
    let project = project();
    let dialects = ["duckdb", "postgres", "spark", "bigquery", "snowflake"];
    let statements = dialects.map(|dialect| export(&project, &["--dialect", dialect]).done().out);
    for (index, statement) in statements.iter().enumerate() {
        assert!(statement.contains("FROM raw.events AS t"), "{statement}");
        assert!(statement.contains("\nORDER BY"), "{statement}");
        assert!(!statements[..index].contains(statement), "{}", dialects[index]);
    }
    let duckdb = |options: &[&str]| {
        export(&project, &[&["--dialect", "duckdb"], options].concat()).done().out
    };
    assert!(duckdb(&["--as", "view"]).starts_with("CREATE OR REPLACE VIEW pql_features AS\n"));
    let table = duckdb(&["--as", "table", "--name", "out.\"a b\""]);
    assert!(table.starts_with("CREATE TABLE out.\"a b\" AS\n") && !table.contains("\nORDER BY"));
    assert!(duckdb(&["--at", "2025-05-01"]).contains("2025-05-01T00:00:00Z"));
    assert!(duckdb(&["--at-parameter", "night"]).contains("CAST($night AS TIMESTAMP)"));
    let written = export(&project, &["--dialect", "duckdb", "-o", "features.sql"]).done();
    assert_eq!((written.out.as_str(), project.text("features.sql")), ("", duckdb(&[])));
}

#[test]
fn errors_name_what_sql_cannot_read() {
    let project = project();
    let duckdb = |options: &[&str]| export(&project, &[&["--dialect", "duckdb"], options].concat());
    duckdb(&["--as", "view", "--at-parameter", "x"]).fails_with(2, &["a view has no parameters"]);
    duckdb(&["--name", "x"]).fails_with(2, &["`--name`", "--as view"]);
    duckdb(&["--set", "input.timezone=Europe/Berlin"])
        .fails_with(2, &["`timestamp`", "Europe/Berlin", "create a view"]);
    let format = with_tables()
        .replace("values = [\"minutes\"]", "values = [\"minutes\"]\nformat = \"%d %b %Y\"");
    project.write("pql.toml", format);
    duckdb(&[]).fails_with(2, &["`timestamp`", "`%d %b %Y`", "DuckDB", "create a view"]);
    project.write("pql.toml", TRIAL);
    duckdb(&[]).fails_with(2, &["`[[events]]`", "only the file", "events.csv", "set `table`"]);
    project.write("pql.toml", with_tables().replace("table = \"raw.accounts\"", ""));
    duckdb(&[]).fails_with(2, &["`[accounts]`", "only the file", "accounts.csv", "set `table`"]);
    let path = |file: &str| format!("path = \"{file}\"\n");
    let only_tables =
        with_tables().replace(&path("events.csv"), "").replace(&path("accounts.csv"), "");
    project.write("pql.toml", only_tables.replace(", \"industry\"", ""));
    duckdb(&[]).done();
    project.write("pql.toml", only_tables.replace("\"industry\"", ""));
    duckdb(&[]).fails_with(3, &["industry"]);
}

#[test]
fn training_rows_state_the_period_of_the_log() {
    let project = project();
    let training = |options: &[&str]| {
        let export = ["export", "sql", "t", "--part", "training", "--dialect", "duckdb"];
        project.pql(&[&export[..], options].concat()).done().out
    };
    // The last event is on 2025-05-29.
    let own = training(&[]);
    assert!(own.contains("The end of the log, 2025-05-29T00:00:00Z"), "{own}");
    assert!(own.contains("MIN(first_events.first_event)"), "{own}");
    assert!(own.contains("The first cutoff of the longest period"), "{own}");
    let set = ["--set", "observation.since=2025-02-03", "--set", "observation.until=2025-04-05"];
    let configured = training(&set);
    assert!(configured.contains("The end of the log, 2025-04-05T00:00:00Z"), "{configured}");
    assert!(configured.contains("The start of the log, 2025-02-03T00:00:00Z"), "{configured}");
    let at = training(&["--at", "2025-04-01", "--as", "view"]);
    assert!(at.starts_with("CREATE OR REPLACE VIEW pql_training AS\n"), "{at}");
    assert!(at.contains("The end of the log, 2025-04-01T00:00:00Z"), "{at}");
    assert!(training(&["--at-parameter", "log_end"]).contains("CAST($log_end AS TIMESTAMP)"));

    project.pql(&[&["train", "-q", "--name", "t", "--promote"], &set[..]].concat()).done();
    let stored = training(&[]);
    assert!(stored.contains("The end of the log, 2025-04-05T00:00:00Z"), "{stored}");
    assert!(stored.contains("The start of the log, 2025-02-03T00:00:00Z"), "{stored}");
}

#[test]
fn training_rows_of_a_model_of_a_matrix_need_the_end_of_the_log() {
    let project = project();
    project.pql(&["features", "--model", "t", "-q", "-o", "rows.csv"]).done();
    project.pql(&["train", "-q", "--name", "n", "--features", "rows.csv", "--like", "t"]).done();
    let training = ["export", "sql", "n", "--part", "training", "--dialect", "duckdb"];
    project.pql(&training).fails_with(2, &["found no end of the log", "add `--at TIME`"]);
    project.pql(&[&training[..], &["--at", "2025-05-01"]].concat()).done();
}

#[test]
fn a_model_of_a_matrix_has_no_features_in_sql() {
    let project = Project::trained_matrix();
    for part in ["features", "training"] {
        let matrix = ["export", "sql", "m", "--part", part, "--dialect", "duckdb"];
        project.pql(&matrix).fails_with(2, &["was trained on a feature matrix"]);
    }
}

#[test]
fn scores_of_a_matrix_need_its_table() {
    let project = Project::trained_matrix();
    let scores = ["export", "sql", "m", "--dialect", "duckdb"];
    project.pql(&scores).fails_with(2, &["found no table of features", "`[matrix]`"]);
    let export = |table: &str, options: &[&str]| {
        let table = format!("matrix.table={table}");
        project.pql(&[&scores[..], &["--set", &table], options].concat())
    };
    let statement = export("ml.features", &["--as", "table"]).done().out;
    assert!(statement.starts_with("CREATE TABLE pql_scores AS\n"), "{statement}");
    assert!(statement.contains("FROM ml.features AS"), "{statement}");
    assert!(statement.contains("probability_low"), "{statement}");
    let short = export("ml.features", &["--no-interval"]).done().out;
    assert!(!short.contains("probability_low"), "{short}");
    export("x", &["--at", "2025-05-01"]).fails_with(2, &["cutoffs of their own", "a view"]);
    export("a..b", &[]).fails_with(2, &["`matrix.table`", "an empty part"]);
    let by =
        "[qualify]\nby = \"definition\"\n[[definition]]\nname = \"d\"\nall = [{ users = 2 }]\n";
    project.write("pql.toml", by);
    export("x", &[]).fails_with(2, &["has no events to match a definition"]);
}
