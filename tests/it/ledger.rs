//! `pql score --ledger`: what a run leaves there, and what reads it.

use std::fs;
use std::path::Path;

use polars::prelude::*;
use pql::Error;
use pql::registry::ledger::Ledger;
use pql::time::parse_iso;

use crate::project::{Project, TRIAL};

/// A trial log whose accounts are scored each week, with a model of it.
pub(crate) fn weekly() -> Project {
    weekly_with(&[])
}

/// The same with further settings of the training.
pub(crate) fn weekly_with(sets: &[&str]) -> Project {
    let project = Project::trial();
    let toml =
        TRIAL.replace("at = \"age\"\nage = \"7d\"\n", "at = \"snapshot\"\nmax_age = \"60d\"\n");
    project.write("pql.toml", toml);
    let sets: Vec<&str> =
        ["model.min_conversions=5"].iter().chain(sets).flat_map(|set| ["--set", set]).collect();
    project.train(&sets).done();
    project
}

/// Score at a time into the ledger `led`.
#[track_caller]
pub(crate) fn score(project: &Project, at: &str, args: &[&str]) -> String {
    let all = [&["score", "--model", "t", "--at", at, "--ledger", "led"], args].concat();
    project.pql(&all).done().err
}

fn runs(project: &Project, name: Option<&str>) -> pql::Result<Vec<String>> {
    let ledger = Ledger::open(&project.path("led"))?;
    Ok(ledger
        .runs(name)?
        .into_iter()
        .map(|run| format!("{} {}", pql::time::iso(run.at), run.label))
        .collect())
}

#[test]
fn a_run_is_one_file_in_the_folder_of_its_time_and_again_the_same_bytes() {
    let project = weekly();
    score(&project, "2025-05-01", &["-o", "scores.parquet"]);
    score(&project, "2025-05-08T06:45:00Z", &[]);
    assert_eq!(project.names("led"), ["cutoff=2025-05-01", "cutoff=2025-05-08T064500Z"]);
    let file = "led/cutoff=2025-05-01/t@0001.parquet";
    let before = project.read(file);
    assert!(
        before == project.read("scores.parquet"),
        "the ledger has what was asked for with `-o`"
    );
    let again = project
        .pql_score(&["--model", "t", "--at", "2025-05-01", "--ledger", "led", "-o", "-"])
        .done();
    again.says(&["scores kept in led/cutoff=2025-05-01/t@0001.parquet"]);
    assert!(before == project.read(file));
    assert_eq!(project.names("led/cutoff=2025-05-01"), ["t@0001.parquet"]);
    assert_eq!(
        runs(&project, Some("t")).unwrap(),
        ["2025-05-01T00:00:00Z t/0001", "2025-05-08T06:45:00Z t/0001"]
    );
}

#[test]
fn a_run_that_lies_ahead_or_scores_nobody_is_not_kept() {
    let project = weekly();
    score(&project, "2025-05-01", &[]);
    for command in [
        &["score", "--model", "t", "--ledger", "led"][..],
        &["monitor", "t"],
        &["explain", "a1", "--model", "t"],
    ] {
        let ahead = [command, &["--at", "2025-07-01", "--now", "2025-06-01"]].concat();
        project.pql(&ahead).refused(2, &["the log cannot be complete before 2025-07-01T00:00:00Z: it is 2025-06-01T00:00:00Z now"]);
    }
    // Nobody is of an age any more at which the model scores.
    let said = score(&project, "2025-11-01", &["-o", "scores.csv"]);
    assert!(said.contains("no account was scored: the ledger keeps nothing of this run"), "{said}");
    assert_eq!(project.names("led"), ["cutoff=2025-05-01"]);
    assert!(project.text("scores.csv").starts_with("account_id,"));
}

#[test]
fn the_rows_read_back_are_those_that_were_scored() {
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
fn versions_of_a_model_stand_beside_each_other() {
    let project = weekly();
    project.train(&["--set", "model.min_conversions=5", "--set", "model.penalty=none"]).done();
    for model in ["t/0002", "t/0001"] {
        project.pql(&["score", "--model", model, "--at", "2025-05-01", "--ledger", "led"]).done();
    }
    fs::copy(project.path("models/t/0001/model.pql"), project.path("other.pql")).unwrap();
    project.pql(&["score", "--model", "other.pql", "--at", "2025-04-01", "--ledger", "led"]).done();
    assert_eq!(
        runs(&project, Some("t")).unwrap(),
        ["2025-05-01T00:00:00Z t/0001", "2025-05-01T00:00:00Z t/0002"]
    );
    assert_eq!(runs(&project, Some("t/0002")).unwrap(), ["2025-05-01T00:00:00Z t/0002"]);
    assert_eq!(runs(&project, None).unwrap()[0], "2025-04-01T00:00:00Z other");
}

#[test]
fn an_account_scored_at_its_own_age_lies_in_the_folder_of_the_run() {
    let project = Project::trial();
    project.train(&[]).done();
    score(&project, "2025-04-01", &[]);
    let run = &Ledger::open(&project.path("led")).unwrap().runs(None).unwrap()[0];
    assert_eq!(run.at, parse_iso("2025-04-01").unwrap());
    let cutoff =
        run.rows().unwrap().column("cutoff").unwrap().datetime().unwrap().physical().clone();
    assert!(cutoff.n_unique().unwrap() > 10 && cutoff.max().unwrap() <= run.at);
}

#[test]
fn in_a_log_of_dates_the_time_of_a_run_is_a_midnight() {
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
fn a_matrix_lies_at_its_newest_cutoff_and_without_cutoffs_nowhere() {
    let project = Project::trained_matrix();
    let args = ["score", "--model", "m", "--ledger", "led", "--features"];
    project
        .pql(&[&args[..], &["matrix.csv"]].concat())
        .refused(2, &["`matrix.csv` has rows without a cutoff", "hint: "]);
    assert!(runs(&project, None).unwrap_or_default().is_empty());
    project.write("dated.csv", "account_id,cutoff,usage,plan\na,2025-01-01,0.5,pro\nb,2025-01-08,0.2,pro\nc,2025-01-03,0.1,team\n");
    project.pql(&[&args[..], &["dated.csv"]].concat()).done();
    assert_eq!(runs(&project, None).unwrap(), ["2025-01-08T00:00:00Z m/0001"]);
    project.write("none.csv", "account_id,cutoff,usage,plan\n");
    project
        .pql(&[&args[..], &["none.csv"]].concat())
        .done()
        .says(&["no account was scored: the ledger keeps nothing of this run"]);
    assert_eq!(runs(&project, None).unwrap().len(), 1);
    project.pql(&["score", "--model", "m", "--features", "dated.csv"]).refused(2, &["--output"]);
}

#[test]
fn what_is_no_part_of_a_ledger_is_named_and_leftovers_are_not() {
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
fn damaged_scores_are_named() {
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
