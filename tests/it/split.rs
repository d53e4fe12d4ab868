//! How the test set is chosen, and evaluation by cross-validation.

use serde_json::Value;

use crate::project::Project;

fn card(project: &Project, version: &str) -> Value {
    serde_json::from_str(&project.text(&format!("models/t/{version}/model.json"))).unwrap()
}

/// A log of few conversions, whose newest cutoffs have too few of them to judge a model.
fn small() -> Project {
    Project::simulated(500, 3)
}

#[test]
fn a_log_with_few_conversions_is_tested_by_cross_validation() {
    let project = small();
    let run = project.train(&[]).done();
    assert!(
        run.out.contains("Tested by cross-validation: each row by a model of other accounts"),
        "{}",
        run.out
    );
    let card = card(&project, "0001");
    assert_eq!(card["split_method"], "cross-validation");
    // Every account is tested, and none is purged.
    assert_eq!(card["test"], card["train"]);
    assert_eq!((&card["purged_rows"], &card["first_test_cutoff"]), (&0.into(), &Value::Null));
    assert_eq!(card["evaluation"]["conversions"], card["train"]["positive_rows"]);
    let warning = card["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|warning| warning["code"] == "cross-validated");
    let text = warning.unwrap()["text"].as_str().unwrap();
    assert!(text.contains("with `model.test_size = 0.2` the test set would have"), "{text}");
    // The stored rows are evaluated like any test set.
    let run = project.pql(&["evaluate", "t", "--format", "json"]).done();
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(found["roc_auc"], card["evaluation"]["roc_auc"]);
    assert_eq!(found["log_loss"], card["evaluation"]["log_loss"]);
    project.pql(&["report", "t", "-o", "report.html"]).done();
    assert!(project.text("report.html").contains("Tested by cross-validation"));
}

#[test]
fn the_split_can_be_fixed() {
    let project = small();
    project.train(&["--set", "model.split=time"]).done();
    let time = card(&project, "0001");
    assert_eq!(time["split_method"]["newest"]["test_size"], 0.2);
    assert!(time["purged_rows"].as_u64().unwrap() > 0);
    project.train(&["--set", "model.split=cross-validation", "--set", "model.test_size=0"]).done();
    let crossed = card(&project, "0002");
    assert_eq!(crossed["split_method"], "cross-validation");
    let has_warning = crossed["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .any(|warning| warning["code"] == "cross-validated");
    assert!(!has_warning, "it is what was asked for");
    project.train(&["--set", "model.test_size=0"]).done();
    assert_eq!(card(&project, "0003")["split_method"], "none");
}

#[test]
fn cross_validation_finds_no_skill_where_there_is_none() {
    let project = Project::new();
    let args = ["simulate", "-o", ".", "--accounts", "900", "--seed", "5", "--signal", "0"];
    project.pql(&args).done();
    project.train(&["--set", "model.split=cross-validation"]).done();
    let card = card(&project, "0001");
    assert_eq!(card["split_method"], "cross-validation");
    let interval = &card["evaluation"]["roc_auc"]["interval"];
    let low = interval["low"].as_f64().unwrap();
    assert!(low < 0.5, "each row is predicted without its own account: {interval}");
    assert_eq!(card["verdict"]["code"], "no-skill");
}

#[test]
fn the_split_of_a_log_is_kept_in_its_feature_matrix() {
    let project = small();
    project.train(&[]).done();
    project.pql(&["features", "-c", "pql.toml", "-o", "rows.csv"]).done();
    assert!(project.text("rows.csv").contains("cross-validated"));
    project.train(&["--features", "rows.csv"]).done();
    let (log, matrix) = (card(&project, "0001"), card(&project, "0002"));
    assert_eq!(matrix["split_method"], "cross-validation");
    assert_eq!(matrix["test"], log["test"]);
}

#[test]
fn a_split_of_training_rows_and_cross_validated_rows_is_refused() {
    let project = Project::matrix();
    let rows = project.text("matrix.csv");
    let split = |line: usize| match line {
        0 => "split",
        150 => "cross-validated",
        line if line % 4 == 0 => "test",
        _ => "train",
    };
    let lines = rows.lines().enumerate().map(|(line, text)| format!("{text},{}\n", split(line)));
    project.write("matrix.csv", lines.collect::<String>());
    let words =
        ["matrix.csv", "row 150", "`split`", "found `cross-validated`", "`train` or `test`"];
    project.train(&["--features", "matrix.csv"]).fails_with(3, &words);
}

#[test]
fn a_refitted_model_has_the_warnings_of_its_final_fit() {
    let project = small();
    project.train(&["--set", "model.split=time"]).done();
    let card = card(&project, "0001");
    assert!(!card["refit"].is_null());
    let warnings = card["warnings"].as_array().unwrap();
    let few: Vec<&Value> = warnings.iter().filter(|w| w["code"] == "few-per-column").collect();
    assert_eq!(few.len(), 1, "{warnings:#?}");
}
