//! `pql train --features FILE --like MODEL`: a model of a feature matrix that also scores events.

use crate::common::text;
use crate::project::Project;

/// Trains on the log and on its feature matrix, whose rows are in reverse order.
fn trained_twice(project: &Project, settings: &[&str]) {
    let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    project.pql(&[&["train", "--name", "m", "--models", "log"], &set[..]].concat()).done();
    let of_model = ["features", "--model", "log/m/0001/model.pql", "-o", "matrix.csv"];
    project.pql(&[&of_model, &set[..]].concat()).done();
    let matrix = std::fs::read_to_string(project.path("matrix.csv")).unwrap();
    let (header, rows) = matrix.split_once('\n').unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.reverse();
    project.write("matrix.csv", format!("{header}\n{}\n", rows.join("\n")));
    let like = ["train", "--name", "m", "--models", "matrix", "--features", "matrix.csv"];
    let like = [&like[..], &["--like", "log/m/0001/model.pql"], &set[..]].concat();
    project.pql(&like).done();
}

/// Returns the output of a command about one of the two models.
fn output(project: &Project, models: &str, args: &[&str]) -> String {
    project.pql(&[args, &["--models", models]].concat()).done().out
}

#[test]
fn a_model_of_the_matrix_equals_that_of_the_log_and_scores_events() {
    let snapshots = ["observation.cutoffs=snapshot", "observation.every=5d"];
    let no_refit = ["model.refit=false", "model.calibration=isotonic", "design.spline=2"];
    for settings in [&[][..], &snapshots, &no_refit] {
        let project = Project::trial();
        trained_twice(&project, settings);
        for args in [
            &["inspect", "m", "--format", "csv"][..],
            &["score", "m", "-o", "-", "--all"],
            &["score", "m", "--features", "matrix.csv", "-o", "-"],
        ] {
            let [log, matrix] = ["log", "matrix"].map(|models| output(&project, models, args));
            assert_eq!(log, matrix, "{settings:?}: {args:?}");
        }
        let card = |models: &str| -> serde_json::Value {
            let path = project.path(&format!("{models}/m/0001/model.json"));
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
        };
        let (log, matrix) = (card("log"), card("matrix"));
        for key in ["catalog", "threshold", "calibration", "evaluation", "training_fingerprint"] {
            assert!(log.get(key).is_some() && log[key] == matrix[key], "{settings:?}: {key}");
        }
    }
}

#[test]
fn settings_of_the_features_are_those_of_the_model() {
    let project = Project::trial();
    project.pql(&["train", "--name", "m"]).done();
    project.pql(&["features", "--model", "m", "-o", "matrix.parquet"]).done();
    let like = ["train", "--name", "n", "--features", "matrix.parquet", "--like", "m"];
    let set = ["--set", "observation.horizon=10d", "--set", "model.alpha=2"];
    let run = project.pql(&[&like[..], &set].concat()).done();
    run.stderr_has(&["observation.horizon", "14d"]);
    let card = std::fs::read_to_string(project.path("models/n/0001/model.json")).unwrap();
    assert!(card.contains("horizon = \\\"14d\\\""), "{card}");
    assert!(card.contains("alpha = 2.0"), "{card}");
}

#[test]
fn a_matrix_needs_exactly_the_features_of_the_model() {
    let project = Project::trial();
    project.pql(&["train", "--name", "m"]).done();
    project.pql(&["features", "--model", "m", "-o", "matrix.csv"]).done();
    let matrix = std::fs::read_to_string(project.path("matrix.csv")).unwrap();
    let (header, rows) = matrix.split_once('\n').unwrap();
    let like = |header: &str, with: &str| {
        let rows: Vec<String> = rows.lines().map(|row| format!("{row}{with}")).collect();
        let path = project.path("other.csv");
        std::fs::write(&path, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        project.pql(&["train", "--name", "n", "--features", text(&path), "--like", "m"])
    };
    like(&header.replace("events_total", "events_totl"), "").fails_with(
        3,
        &["missing feature `events_total` of the model", "did you mean `events_totl`?"],
    );
    like(&format!("{header},employees"), ",3").fails_with(
        2,
        &[
            "found the column `employees`, expected only features of the model in `--like`",
            "hint: leave the column out",
        ],
    );
    like(&header.replace("cutoff", "cut"), "").fails_with(3, &["missing column `cutoff`"]);
    like(header, "").done();
    project.write("small.csv", &matrix);
    project.pql(&["train", "--name", "x", "--features", "small.csv"]).done();
    project
        .pql(&["train", "--name", "n", "--features", "small.csv", "--like", "x"])
        .fails_with(2, &["model `x/0001` was trained on a feature matrix"]);
    project.pql(&["train", "--name", "n", "--like", "m"]).fails_with(2, &["--features"]);
}
