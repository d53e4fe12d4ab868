//! The package of `pql export dbt`, built by dbt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::harness::{Engine, Statement};
use super::text_rows;
use super::training::compare_with_file;
use crate::common::{close, csv_rows, root, run, text};

/// Columns of the scores that are compared.
const SCORES: [&str; 6] =
    ["probability", "probability_low", "tier", "qualified_by", "reason_1", "model"];

/// Times of scoring.
const TIMES: [&str; 2] = ["2025-08-01", "2025-09-01"];

/// Engines for which dbt is installed.
fn engines() -> Vec<Engine> {
    let has_dbt = |engine: &Engine| matches!(engine, Engine::DuckDb | Engine::Postgres);
    Engine::selected().into_iter().filter(has_dbt).collect()
}

/// Writes the package of the demo.
fn export(config: &Path, package: &Path) -> Vec<String> {
    let tables = ["--set", "events.0.table=events", "--set", "accounts.table=accounts"];
    let export = ["export", "dbt", "demo", "-c", text(config), "-o", text(package)];
    let export = [&export[..], &tables].concat();
    run(&export);
    export.into_iter().map(str::to_owned).collect()
}

/// Returns features and scores by account and cutoff.
fn expected(config: &Path, dir: &Path) -> BTreeMap<[String; 2], BTreeMap<String, String>> {
    let mut expected: BTreeMap<_, BTreeMap<String, String>> = BTreeMap::new();
    for (at, command) in TIMES.iter().flat_map(|at| [(at, "features"), (at, "score")]) {
        let out = dir.join("rows.csv");
        let model: &[&str] = if command == "score" { &["demo"] } else { &["--model", "demo"] };
        let options = ["-q", "-c", text(config), "--at", at, "-o", text(&out)];
        run([&[command], model, &options].concat());
        for row in csv_rows(&out) {
            let key = ["account_id", "cutoff"].map(|name| row[name].clone());
            expected.entry(key).or_default().extend(row);
        }
    }
    expected
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn dbt_builds_the_features_and_scores_of_each_time() {
    let (dir, demo) = (tempfile::tempdir().unwrap(), root().join("data/demo"));
    let (config, package) = (demo.join("pql.toml"), dir.path().join("package"));
    let again = crate::common::pql().args(export(&config, &package)).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "the package exists");

    let expected = expected(&config, dir.path());
    let variables = |at: &str| json!({ "pql_scored_at": at });
    // The first time is built twice: its rows are replaced.
    let builds: Vec<Value> = [TIMES[0], TIMES[0], TIMES[1]].map(variables).to_vec();
    let table = |name: &'static str| (vec![name], demo.join(format!("{name}.parquet")));
    let columns = SCORES.map(|name| format!("scores.{name}")).join(", ");
    let sql = format!(
        "SELECT features.*, {columns} FROM pql_demo_features AS features \
         LEFT JOIN pql_demo_scores AS scores USING (account_id, cutoff)"
    );
    for engine in engines() {
        check(engine, &sql, &[table("events"), table("accounts")], (&package, &builds), &expected);
    }
}

/// Builds the package in an engine and compares its rows.
fn check(
    engine: Engine,
    sql: &str,
    tables: &[(Vec<&str>, PathBuf)],
    (package, builds): (&Path, &[Value]),
    expected: &BTreeMap<[String; 2], BTreeMap<String, String>>,
) {
    let statement = Statement {
        sql: sql.to_owned(),
        tables: tables.to_vec(),
        package: Some((package.to_owned(), builds.to_vec())),
        ..Statement::default()
    };
    let found = engine.run(&statement).unwrap_or_else(|error| panic!("{error}"));
    let found = text_rows(&found);
    assert!(found.len() > 100, "{}", found.len());
    assert_eq!(found.len(), expected.len(), "{}", engine.name());
    for row in &found {
        let key = ["account_id", "cutoff"].map(|name| row[name].clone());
        for (name, value) in row {
            let expected = expected[&key].get(name).map_or("", String::as_str);
            let is_same = match (value.parse::<f64>(), expected.parse::<f64>()) {
                (Ok(value), Ok(expected)) => close(Some(value), Some(expected)),
                _ => value == expected,
            };
            assert!(is_same, "{}: {name} of {key:?}: {value}, {expected}", engine.name());
        }
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn dbt_builds_the_training_rows() {
    let (dir, demo) = (tempfile::tempdir().unwrap(), root().join("data/demo"));
    let (config, package) = (demo.join("pql.toml"), dir.path().join("package"));
    export(&config, &package);
    let out = dir.path().join("rows.csv");
    let until = format!("observation.until={}", TIMES[1]);
    let features = ["features", "--model", "demo", "-q", "-c", text(&config), "-o", text(&out)];
    run([&features[..], &["--set", &until]].concat());
    let key =
        |row: &BTreeMap<String, String>| ["account_id", "cutoff"].map(|name| row[name].clone());
    let mut expected = csv_rows(&out);
    expected.sort_by_key(key);
    let table = |name: &'static str| (vec![name], demo.join(format!("{name}.parquet")));
    let builds = vec![json!({ "pql_scored_at": TIMES[1], "pql_training": true })];
    let statement = Statement {
        sql: "SELECT * FROM pql_demo_training".to_owned(),
        tables: vec![table("events"), table("accounts")],
        package: Some((package, builds)),
        ..Statement::default()
    };
    for engine in engines() {
        let found = engine.run(&statement).unwrap_or_else(|error| panic!("{error}"));
        let mut found = text_rows(&found);
        found.sort_by_key(key);
        assert!(compare_with_file(&found, &expected, engine.name()) > 500);
    }
}
