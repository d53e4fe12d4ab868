//! `pql score --ledger`: the stored scores, and the commands that read them.

use std::fs;
use std::path::Path;

use polars::prelude::*;
use pql::Error;
use pql::registry::ledger::Ledger;
use pql::time::parse_iso;

use crate::project::{Project, TRIAL};

/// Creates a trial whose accounts are scored each week, with a model.
pub(crate) fn weekly() -> Project {
    weekly_with(&[])
}

/// Creates the project of [`weekly`] with more settings of the training.
pub(crate) fn weekly_with(sets: &[&str]) -> Project {
    let project = Project::trial();
    let toml = TRIAL.replace(
        "cutoffs = \"age\"\nage = \"7d\"\n",
        "cutoffs = \"snapshot\"\nmax_age = \"60d\"\n",
    );
    project.write("pql.toml", toml);
    let sets: Vec<&str> =
        ["model.min_conversions=5"].iter().chain(sets).flat_map(|set| ["--set", set]).collect();
    project.train(&sets).done();
    project
}

/// Scores as of a time and adds the scores to the ledger `led`; returns the messages.
#[track_caller]
pub(crate) fn score(project: &Project, time: &str, args: &[&str]) -> String {
    let all = [&["score", "t", "--at", time, "--ledger", "led"], args].concat();
    project.pql(&all).done().err
}

fn runs(project: &Project, name: Option<&str>) -> pql::Result<Vec<String>> {
    let ledger = Ledger::open(&project.path("led"))?;
    Ok(ledger
        .runs(name)?
        .into_iter()
        .map(|run| format!("{} {}", pql::time::iso(run.time), run.label))
        .collect())
}

#[test]
fn a_run_is_one_file_and_reproducible() {
    let project = weekly();
    score(&project, "2025-05-01", &["-o", "scores.parquet"]);
    score(&project, "2025-05-08T06:45:00Z", &[]);
    assert_eq!(project.names("led"), ["cutoff=2025-05-01", "cutoff=2025-05-08T064500Z"]);
    let file = "led/cutoff=2025-05-01/t@0001.parquet";
    let before = project.read(file);
    assert!(before == project.read("scores.parquet"), "the ledger and `-o` have the same bytes");
    let again =
        project.pql_score(&["t", "--at", "2025-05-01", "--ledger", "led", "-o", "-"]).done();
    again.stderr_has(&["Wrote led/cutoff=2025-05-01/t@0001.parquet"]);
    assert!(before == project.read(file));
    assert_eq!(project.names("led/cutoff=2025-05-01"), ["t@0001.parquet"]);
    assert_eq!(
        runs(&project, Some("t")).unwrap(),
        ["2025-05-01T00:00:00Z t/0001", "2025-05-08T06:45:00Z t/0001"]
    );
}

#[test]
fn a_run_in_the_future_or_without_scores_is_not_stored() {
    let project = weekly();
    score(&project, "2025-05-01", &[]);
    for command in
        [&["score", "t", "--ledger", "led"][..], &["monitor", "t"], &["explain", "t", "a1"]]
    {
        let ahead = [command, &["--at", "2025-07-01", "--now", "2025-06-01"]].concat();
        project.pql(&ahead).fails_with(
            2,
            &["end of the log: found 2025-07-01, expected no later than now (2025-06-01)"],
        );
    }
    // All accounts are older than the maximum age of the model.
    let messages = score(&project, "2025-11-01", &["-o", "scores.csv"]);
    assert!(
        messages.contains("no account was scored, so nothing was added to the ledger"),
        "{messages}"
    );
    assert_eq!(project.names("led"), ["cutoff=2025-05-01"]);
    assert!(project.text("scores.csv").starts_with("account_id,"));
}

#[test]
fn stored_rows_equal_the_scored_rows() {
    let project = weekly();
    score(&project, "2025-05-01", &["-o", "scores.csv"]);
    let run = &Ledger::open(&project.path("led")).unwrap().runs(None).unwrap()[0];
    let rows = run.rows().unwrap();
    let csv = project.text("scores.csv");
    assert_eq!(
        csv.lines().next().unwrap(),
        rows.get_column_names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(",")
    );
    let probability = rows.column("probability").unwrap().f64().unwrap();
    let written: Vec<Option<f64>> =
        csv.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().ok()).collect();
    assert_eq!(probability.iter().collect::<Vec<_>>(), written);
    assert_eq!(
        rows.column("cutoff").unwrap().dtype(),
        &DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
    );
}

#[test]
fn versions_of_a_model_have_separate_files() {
    let project = weekly();
    project.train(&["--set", "model.min_conversions=5", "--set", "model.penalty=none"]).done();
    for model in ["t/0002", "t/0001"] {
        project.pql(&["score", model, "--at", "2025-05-01", "--ledger", "led"]).done();
    }
    fs::copy(project.path("models/t/0001/model.pql"), project.path("other.pql")).unwrap();
    project.pql(&["score", "other.pql", "--at", "2025-04-01", "--ledger", "led"]).done();
    assert_eq!(
        runs(&project, Some("t")).unwrap(),
        ["2025-05-01T00:00:00Z t/0001", "2025-05-01T00:00:00Z t/0002"]
    );
    assert_eq!(runs(&project, Some("t/0002")).unwrap(), ["2025-05-01T00:00:00Z t/0002"]);
    assert_eq!(runs(&project, None).unwrap()[0], "2025-04-01T00:00:00Z other");
}

#[test]
fn accounts_scored_at_an_age_are_in_the_folder_of_the_run() {
    let project = Project::trial();
    project.train(&[]).done();
    score(&project, "2025-04-01", &[]);
    let run = &Ledger::open(&project.path("led")).unwrap().runs(None).unwrap()[0];
    assert_eq!(run.time, parse_iso("2025-04-01").unwrap());
    let cutoff =
        run.rows().unwrap().column("cutoff").unwrap().datetime().unwrap().physical().clone();
    assert!(cutoff.n_unique().unwrap() > 10 && cutoff.max().unwrap() <= run.time);
}

#[test]
fn a_log_with_dates_has_runs_at_midnight() {
    let project = weekly();
    for file in ["events.csv", "accounts.csv"] {
        let cell =
            |cell: &str| if cell.ends_with('Z') { cell[..10].to_owned() } else { cell.to_owned() };
        let line = |line: &str| line.split(',').map(cell).collect::<Vec<_>>().join(",");
        project.write(
            file,
            project.text(file).lines().map(line).collect::<Vec<_>>().join("\n") + "\n",
        );
    }
    score(&project, "2025-05-01T18:00:00Z", &[]);
    assert_eq!(runs(&project, None).unwrap(), ["2025-05-01T00:00:00Z t/0001"]);
}

#[test]
fn a_matrix_is_stored_at_its_newest_cutoff() {
    let project = Project::trained_matrix();
    let args = ["score", "m", "--ledger", "led", "--features"];
    project
        .pql(&[&args[..], &["matrix.csv"]].concat())
        .fails_with(2, &["`matrix.csv`: found rows without a cutoff", "hint: "]);
    assert!(runs(&project, None).unwrap_or_default().is_empty());
    project.write("dated.csv", "account_id,cutoff,usage,plan\na,2025-01-01,0.5,pro\nb,2025-01-08,0.2,pro\nc,2025-01-03,0.1,team\n");
    project.pql(&[&args[..], &["dated.csv"]].concat()).done();
    assert_eq!(runs(&project, None).unwrap(), ["2025-01-08T00:00:00Z m/0001"]);
    project.write("none.csv", "account_id,cutoff,usage,plan\n");
    project
        .pql(&[&args[..], &["none.csv"]].concat())
        .done()
        .stderr_has(&["no account was scored, so nothing was added to the ledger"]);
    assert_eq!(runs(&project, None).unwrap().len(), 1);
    project.pql(&["score", "m", "--features", "dated.csv"]).fails_with(2, &["--output"]);
}

#[test]
fn foreign_files_are_errors_and_leftovers_are_ignored() {
    let project = weekly();
    score(&project, "2025-05-01", &[]);
    for leftover in [
        "led/.pql-x/scores.parquet",
        "led/cutoff=2025-05-01/.pql-y.tmp",
        "led/_SUCCESS",
        "led/cutoff=2025-05-01/sent.ndjson",
    ] {
        project.write(leftover, "half");
    }
    assert_eq!(runs(&project, None).unwrap().len(), 1);
    for foreign in
        ["led/notes.txt", "led/cutoff=soon/t@0001.parquet", "led/cutoff=2025-05-01/scores.csv"]
    {
        project.write(foreign, "x");
        let error = runs(&project, None).unwrap_err();
        let named = foreign.strip_suffix("/t@0001.parquet").unwrap_or(foreign);
        assert!(error.to_string().contains(named) && error.exit_code() == 3, "{error}");
        let removed = if named == foreign { fs::remove_file } else { fs::remove_dir_all };
        removed(project.path(named)).unwrap();
    }
    assert_eq!(Ledger::open(Path::new("absent")).unwrap_err().exit_code(), 2);
}

#[test]
fn damaged_score_files_are_errors() {
    let project = weekly();
    score(&project, "2025-05-01", &[]);
    let file = "led/cutoff=2025-05-01/t@0001.parquet";
    let rows = || Ledger::open(&project.path("led")).unwrap().runs(None).unwrap()[0].rows();
    let bytes = project.read(file);
    project.write(file, &bytes[..bytes.len() / 2]);
    assert!(matches!(rows(), Err(Error::Malformed { path, .. }) if path.ends_with(file)));
    project
        .parquet(file, DataFrame::new(1, vec![Column::new("account_id".into(), ["a"])]).unwrap());
    assert!(matches!(rows(), Err(Error::MissingColumn { path, .. }) if path.ends_with(file)));
    project.write(file, bytes);
    let mut other = rows().unwrap();
    other.with_column(Column::new("probability".into(), vec!["x"; other.height()])).unwrap();
    project.parquet(file, other);
    assert!(
        matches!(rows(), Err(Error::Malformed { problem, .. }) if problem.contains("`probability`"))
    );
}
