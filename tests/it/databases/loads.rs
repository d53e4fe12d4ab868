//! Scores in tables of databases.

use serde_json::Value;

use super::harness::{Database, Kind};
use super::{ALL, trial};
use crate::project::Project;

/// Creates the trial log, in which all accounts of a batch have the same cutoff.
fn snapshots(kind: Kind) -> (Project, Database) {
    let (project, database) = trial(kind);
    for file in ["pql.toml", "db.toml"] {
        project.replace(file, "cutoffs = \"age\"\nage = \"7d\"\n", "cutoffs = \"snapshot\"\n");
    }
    (project, database)
}

/// Scores the accounts at a time into a table.
fn score(
    database: &Database,
    project: &Project,
    model: &str,
    at: &str,
    table: &str,
    args: &[&str],
) {
    let table = format!("warehouse:{table}");
    let fixed = ["score", model, "-c", "db.toml", "--all", "--at", at, "-o", &table];
    database.pql(project, &[&fixed[..], args].concat()).done().stderr_has(&["Loaded warehouse:"]);
}

/// Returns the number of rows and of distinct models, cutoffs and accounts of a table.
fn counts(database: &mut Database, table: &str) -> Vec<i64> {
    let distinct =
        ["model", "cutoff", "account_id"].map(|name| format!("count(distinct \"{name}\")"));
    let rows = database.sql(&format!("select count(*), {} from {table}", distinct.join(", ")));
    rows[0].iter().map(|value| value.as_i64().unwrap()).collect()
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn scores_of_a_table_are_those_of_a_file_and_a_repeated_run_changes_nothing() {
    for kind in ALL {
        let (project, mut database) = snapshots(kind);
        project.train(&[]).done();
        project.train(&["--set", "model.alpha=1"]).done();
        let [first, second] = ["2025-03-01", "2025-03-15"];
        let file =
            ["score", "t/0001", "-c", "pql.toml", "--all", "--at", first, "-o", "scores.csv"];
        project.pql(&file).done();
        let expected = i64::try_from(project.text("scores.csv").lines().count() - 1).unwrap();
        for _ in 0..2 {
            score(&database, &project, "t/0001", first, "pql_scores", &[]);
            let found = counts(&mut database, "pql_scores");
            assert_eq!(found, [expected, 1, 1, expected], "{kind:?}");
        }
        let rows = database.sql("select account_id, probability from pql_scores order by 1");
        let mut csv = csv::Reader::from_path(project.path("scores.csv")).unwrap();
        let mut lines: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
        lines.sort_by(|a, b| a[0].cmp(&b[0]));
        for (row, line) in rows.iter().zip(&lines) {
            assert_eq!(row[0], line[0]);
            assert_eq!(row[1].as_f64(), line[2].parse().ok(), "{kind:?}: {}", &line[0]);
        }
        // An account that a later run does not score keeps its row.
        database.sql("update pql_scores set account_id = 'gone' where account_id = (select min(account_id) from pql_scores)");
        score(&database, &project, "t/0001", first, "pql_scores", &[]);
        let found = counts(&mut database, "pql_scores");
        assert_eq!(found, [expected + 1, 1, 1, expected + 1], "{kind:?}");
        score(&database, &project, "t/0001", second, "pql_scores", &[]);
        score(&database, &project, "t/0002", second, "pql_scores", &["--mode", "append"]);
        let found = counts(&mut database, "pql_scores");
        assert_eq!(found[1..3], [2, 2], "{kind:?}");
        assert!(found[0] > 2 * expected, "{kind:?}: {found:?}");
        score(&database, &project, "t/0001", first, "pql_current", &["--mode", "upsert"]);
        score(&database, &project, "t/0001", second, "pql_current", &["--mode", "upsert"]);
        let found = counts(&mut database, "pql_current");
        assert_eq!((found[0], found[1]), (found[3], 1), "{kind:?}: one row per account");
        score(&database, &project, "t/0001", first, "pql_scores", &["--mode", "replace"]);
        assert_eq!(counts(&mut database, "pql_scores"), [expected, 1, 1, expected], "{kind:?}");
    }
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn a_created_table_has_the_types_of_the_scores() {
    let (project, mut database) = snapshots(Kind::Postgres);
    project.train(&[]).done();
    database.sql("create schema crm");
    score(&database, &project, "t", "2025-03-01", "crm.\"Scores of trials\"", &[]);
    let types = database.sql(
        "select column_name, data_type from information_schema.columns where table_name = 'Scores of trials' and table_schema = 'crm'",
    );
    let find = |name: &str| types.iter().find(|row| row[0] == name).map(|row| row[1].clone());
    for (name, expected) in [
        ("account_id", "text"),
        ("cutoff", "timestamp with time zone"),
        ("probability", "double precision"),
        ("qualified", "boolean"),
        ("horizon_end", "timestamp with time zone"),
        ("model", "text"),
    ] {
        assert_eq!(find(name), Some(Value::from(expected)), "{name}");
    }
}

#[test]
#[ignore = "needs the databases of `make engines`"]
fn a_failed_load_changes_nothing() {
    let (project, mut database) = snapshots(Kind::Postgres);
    project.train(&[]).done();
    let at = "2025-03-01";
    score(&database, &project, "t", at, "pql_scores", &[]);
    let before = counts(&mut database, "pql_scores");
    let fails = |database: &Database, table: &str, code: i32, words: &[&str]| {
        let table = format!("warehouse:{table}");
        let args = ["score", "t", "-c", "db.toml", "--at", at, "-o", &table, "--mode", "replace"];
        let args = [&args[..], &["--ledger", "runs"]].concat();
        database.pql(&project, &args).fails_with(code, words);
        let runs = std::fs::read_dir(project.path("runs")).into_iter().flatten();
        let runs = runs.flatten().filter(|run| !run.file_name().to_string_lossy().starts_with('.'));
        assert_eq!(runs.count(), 0, "{table}: a failed load is no run");
    };
    // The rows are deleted, then refused.
    database.sql("alter table pql_scores add constraint few check (probability < 0.3) not valid");
    fails(
        &database,
        "pql_scores",
        3,
        &["the load failed, and the table is unchanged: ", "violates check constraint"],
    );
    assert_eq!(counts(&mut database, "pql_scores"), before);
    database.sql("alter table pql_scores drop constraint few, drop column tier");
    fails(&database, "pql_scores", 3, &["the table lacks the column `tier` of the scores"]);
    assert_eq!(counts(&mut database, "pql_scores"), before);
    let names = "select count(*) from information_schema.tables where table_name like '%pql_load%'";
    assert_eq!(database.sql(names)[0][0], 0);
    fails(&database, "no_schema.scores", 3, &["the load failed"]);
    fails(&database, "a b", 2, &["`warehouse:a b`: found `a b`"]);
    fails(&database, "a;b", 2, &["`warehouse:a;b`: found `a;b`, expected quotes"]);
    let args = ["score", "t", "-c", "db.toml", "-o", "warehouse:x", "--format", "csv"];
    database.pql(&project, &args).fails_with(2, &["`--format`"]);
    let args = ["score", "t", "-c", "db.toml", "-o", "x.csv", "--mode", "append"];
    database.pql(&project, &args).fails_with(2, &["`--mode` requires a table of a database"]);
}
