//! The scores of exported SQL equal those of pql.

use serde_json::Value;

use super::harness::{Engine, Statement, Table, difference};
use super::{Tables, run_statement};
use crate::common::{root, run, text};

/// Returns the first columns of a table, with the names and types of another one.
fn first_columns(mut found: Table, expected: &Table) -> Table {
    let count = expected.columns.len();
    for (name, (expected, _)) in found.columns.iter().zip(&expected.columns) {
        assert_eq!(name.0, *expected);
    }
    // An engine has its own types of integers and times.
    found.columns.clone_from(&expected.columns);
    found.rows.iter_mut().for_each(|row| row.truncate(count));
    found
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn scores_in_sql_equal_those_of_the_demo() {
    let (dir, demo) = (tempfile::tempdir().unwrap(), root().join("data/demo"));
    let (config, scores) = (demo.join("pql.toml"), dir.path().join("scores.parquet"));
    let project = ["-c", text(&config), "--at", "2025-08-01T12:00"];
    run(["score", "demo", "-q", "-o", text(&scores)].into_iter().chain(project));
    let sql = format!("SELECT * FROM read_parquet('{}')", text(&scores).replace('\'', "''"));
    let expected = Engine::DuckDb.run(&Statement { sql, ..Statement::default() }).unwrap();
    assert!(
        expected.rows.len() > 100 && expected.rows.iter().any(|row| row.contains(&Value::Null))
    );
    let table = |name: &'static str| (vec![name], demo.join(format!("{name}.parquet")));
    let tables: Tables = vec![table("events"), table("accounts")];
    let names = ["--set", "events.0.table=events", "--set", "accounts.table=accounts"];
    for engine in Engine::selected() {
        let sql = ["export", "sql", "demo", "-q", "--dialect", engine.name()];
        let sql = run(sql.into_iter().chain(project).chain(names));
        let found = first_columns(run_statement(engine, &sql, &tables, &[]), &expected);
        assert_eq!(difference(&found, &expected), None, "{}", engine.name());
    }
}
