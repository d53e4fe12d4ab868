//! `pql evaluate`: tables, groups and JSON.

use std::fs::File;

use polars::prelude::{ParquetReader, SerReader};
use serde_json::{Map, Value};

use crate::project::{Project, Run, dice, lines};

/// Creates a matrix with each account at four cutoffs, and a model trained on the first two.
fn snapshots() -> Project {
    let project = Project::new();
    project.write("pql.toml", "[design]\nlog1p = \"never\"\n\n[model]\npenalty = \"none\"\n\n[observation]\nhorizon = \"7d\"\n");
    let line = |row: u64| {
        let (account, cutoff) = (row / 4, row % 4);
        let usage = dice(account, 1) + 0.1 * dice(row, 2);
        let converted = u8::from(dice(account, 3) < 0.1 + 0.6 * usage);
        let plan = ["basic", "pro", ""][usize::try_from(account % 3).unwrap()];
        format!("a{account},2025-0{}-10,{usage:.4},{},{plan},{converted}", 1 + cutoff, account % 5)
    };
    project.write(
        "rows.csv",
        format!("account_id,cutoff,usage,seats,plan,converted\n{}", lines(800, line)),
    );
    project.train(&["--features", "rows.csv", "--set", "model.test_size=0.5"]).done();
    project
}

fn evaluate(project: &Project, args: &[&str]) -> Run {
    project.pql(&[&["evaluate", "t", "--features", "rows.csv"], args].concat())
}

fn json(project: &Project, args: &[&str]) -> Map<String, Value> {
    serde_json::from_str(&evaluate(project, &[args, &["--format", "json"]].concat()).done().out)
        .unwrap()
}

fn numbers(parts: &Value, key: &str) -> Vec<f64> {
    parts.as_array().unwrap().iter().map(|part| part[key].as_f64().unwrap()).collect()
}

#[test]
fn all_tables_are_shown() {
    let project = snapshots();
    let out = evaluate(&project, &[]).done().out;
    for words in [
        "Model t/0001 on 400 rows of 200 accounts",
        "ROC AUC",
        "Expected calibration error",
        "if perfectly calibrated: ",
        "At the threshold of ",
        "Top of the ranking",
        "Reliability, in bins of equal size",
        "Gains by decile",
        "By cutoff",
        "\n2025-03-10   200",
        "\n2025-04-10   200",
    ] {
        assert!(out.contains(words), "`{words}` is not in: {out}");
    }
    assert!(!out.contains("Expected conversions"), "not summed over overlapping horizons: {out}");
    assert!(!out.contains("By `plan`"), "{out}");
}

#[test]
fn the_json_has_all_sections() {
    let project = snapshots();
    let found = json(&project, &["--by", "plan", "--by", "cohort"]);
    assert_eq!((found["n"].as_u64(), found["accounts"].as_u64()), (Some(400), Some(200)));
    let conversions = found["conversions"].as_f64().unwrap();
    let cutoffs = &found["by_cutoff"];
    assert_eq!(cutoffs[0]["cutoff"], "2025-03-10T00:00:00Z");
    assert_eq!(numbers(cutoffs, "rows"), [200.0, 200.0]);
    assert!((numbers(cutoffs, "conversions").iter().sum::<f64>() - conversions).abs() < 1e-9);
    assert!(cutoffs[0]["expected_interval"].is_object(), "in one cutoff an account has one row");
    let gains = numbers(&found["gains"], "gain");
    assert!(gains.len() == 10 && gains.is_sorted() && (gains[9] - 1.0).abs() < 1e-12);
    assert!((gains[0] - found["top"][2]["recall"].as_f64().unwrap()).abs() < 1e-12);
    assert_eq!(numbers(&found["reliability"], "rows"), [40.0; 10]);
    let threshold = &found["at_threshold"];
    assert!(
        threshold["qualified"].as_u64().unwrap() > 0
            && threshold["precision"].is_number()
            && threshold["precision_interval"].is_object()
    );
    let intervals = ["log_loss", "brier", "calibration_slope", "calibration_error"]
        .map(|metric| &found[metric]["interval"]);
    for interval in intervals.into_iter().chain([&found["top"][1]["precision_interval"]]) {
        assert!(
            interval["low"].as_f64().unwrap() < interval["high"].as_f64().unwrap(),
            "{interval}"
        );
    }
    let plans: Vec<&str> = found["by"]["plan"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["value"].as_str().unwrap())
        .collect();
    assert_eq!(plans, ["basic", "pro", "(missing)"]);
    assert!(
        found["by"]["plan"][0]["expected_interval"].is_null(),
        "the horizons of its rows overlap"
    );
    assert_eq!(numbers(&found["by"]["cohort"], "rows"), [200.0, 200.0]);
    assert_eq!(found["by"]["cohort"][1]["value"], "2025-04");
    assert_eq!(json(&project, &[])["by"], Value::Object(Map::new()));
}

#[test]
fn a_column_groups_the_rows() {
    let project = snapshots();
    let out = evaluate(&project, &["--by", "usage", "--by", "seats"]).done().out;
    let found = json(&project, &["--by", "usage", "--by", "seats"]);
    let usage = &found["by"]["usage"];
    assert_eq!(usage.as_array().unwrap().len(), 4, "more than ten numbers are grouped by quartile");
    assert_eq!(numbers(usage, "rows").iter().sum::<f64>(), 400.0);
    assert!(numbers(usage, "rows").iter().all(|rows| (95.0..=105.0).contains(rows)));
    assert!(numbers(usage, "mean_probability").is_sorted());
    let seats: Vec<&str> = found["by"]["seats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["value"].as_str().unwrap())
        .collect();
    assert_eq!(seats, ["0", "1", "2", "3", "4"]);
    assert!(out.contains("\nBy `usage`\n") && out.contains("\nBy `seats`\n"), "{out}");
    assert!(out.contains(usage[3]["value"].as_str().unwrap()), "{out}");
}

#[test]
fn a_missing_column_is_a_usage_error() {
    let project = snapshots();
    evaluate(&project, &["--by", "plann"])
        .fails_with(2, &["`plann`", "hint: did you mean `plan`?"]);
    evaluate(&project, &["--by", "plan", "--by", "cohorts", "--format", "json"])
        .fails_with(2, &["hint: did you mean `cohort`?"]);
    let project = Project::trained_matrix();
    let run = project.pql(&["evaluate", "m", "--features", "matrix.csv", "--by", "cohort"]);
    run.fails_with(2, &["found rows without cutoffs", "hint: set `matrix.cutoff`"]);
}

#[test]
fn the_model_card_has_the_evaluation() {
    let project = snapshots();
    let card: Value = serde_json::from_str(&project.text("models/t/0001/model.json")).unwrap();
    let mut found = json(&project, &[]);
    ["by", "warnings"].iter().for_each(|key| drop(found.remove(*key)));
    assert_eq!(Some(&card["verdict"]), found.remove("verdict").as_ref(), "one function judges");
    assert_eq!(card["evaluation"], Value::Object(found), "the test rows are the newer ones");
    let trained =
        project.train(&["--features", "rows.csv", "--set", "model.test_size=0.5"]).done().out;
    assert!(
        trained.contains("At the threshold of ") && trained.contains("\nBy cutoff\n"),
        "{trained}"
    );
}

#[test]
fn attributes_and_cohorts_of_a_log_are_groups_too() {
    let project = Project::trial();
    project.train(&[]).done();
    let run = project
        .pql(&["evaluate", "t", "--all", "--by", "industry", "--by", "cohort", "--format", "json"])
        .done();
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(found["by"]["industry"].as_array().unwrap().len(), 3);
    assert_eq!(found["by"]["cohort"][0]["value"], "2025-01");
    assert!(
        found["by_cutoff"].as_array().unwrap().len() <= 12,
        "cutoffs at an age are pooled over days"
    );
}

/// Returns a matrix without cutoffs in which each account has one row.
fn matrix_without_cutoffs(feature: impl Fn(u64) -> f64) -> String {
    let line = |row: u64| {
        let converted = u8::from(dice(row, 3) < 0.1 + 0.6 * dice(row, 1));
        format!("a{row},{:.4},{converted}", feature(row))
    };
    format!("account_id,usage,converted\n{}", lines(400, line))
}

#[test]
fn rows_without_cutoffs_may_include_training_rows() {
    let project = Project::new();
    project.write("pql.toml", "");
    project.write("rows.csv", matrix_without_cutoffs(|row| dice(row, 1)));
    project.train(&["--features", "rows.csv", "--set", "model.split=time"]).done();
    let verdict = json(&project, &[])["verdict"].clone();
    let details = verdict["details"].to_string();
    assert!(details.contains("may have been trained on some of these rows"), "{verdict}");
    // The accounts and outcomes of the test set with other features are not the test set.
    let file = File::open(project.path("models/t/0001/test.parquet")).unwrap();
    let test = ParquetReader::new(file).finish().unwrap();
    let accounts = test.column("account_id").unwrap().str().unwrap();
    let names: Vec<String> = accounts.iter().map(|name| format!("{},", name.unwrap())).collect();
    let other = matrix_without_cutoffs(|row| dice(row, 9));
    let is_kept =
        |line: &&str| line.starts_with("acc") || names.iter().any(|n| line.starts_with(n));
    let kept: Vec<&str> = other.lines().filter(is_kept).collect();
    project.write("rows.csv", kept.join("\n") + "\n");
    let verdict = json(&project, &[])["verdict"].clone();
    assert!(verdict["text"].as_str().unwrap().starts_with("No skill: on "), "{verdict}");
}

#[test]
fn test_rows_with_newer_rows_have_a_verdict_of_their_own() {
    let project = snapshots();
    let verdict = json(&project, &[])["verdict"].clone();
    let card: Value = serde_json::from_str(&project.text("models/t/0001/model.json")).unwrap();
    assert_eq!(verdict, card["verdict"], "the test set alone");
    let newer = project.text("rows.csv").replace("2025-01-10", "2025-08-10");
    project.write("rows.csv", newer);
    let verdict = json(&project, &[])["verdict"].clone();
    assert!(verdict["details"].to_string().contains("fitted on the test rows among"), "{verdict}");
    assert_eq!(verdict["test"]["rows"], 600);
}
