//! onnxruntime, tract and MLflow compute the scores of `pql score` from exported models.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::{Case, TOLERANCE, cases};
use crate::common::{csv_rows, root, succeed, text};
use crate::project::Project;

/// Runtimes with the arguments of an export for them, and its file or folder.
const RUNTIMES: [(&str, &[&str], &str); 3] = [
    ("onnxruntime", &["onnx", "-o", "model.onnx"], "model.onnx"),
    ("tract", &["onnx", "--category-codes", "-o", "codes.onnx"], "codes.onnx"),
    ("mlflow", &["mlflow", "-o", "mlflow"], "mlflow"),
];

/// Returns a command of the Python of `make engines`, or the one that `PQL_ENGINES_PYTHON` names.
fn script() -> Command {
    let own = || {
        let home = std::env::var_os("HOME").unwrap();
        PathBuf::from(home).join(".cache/pql/engines-venv/bin/python")
    };
    let python = std::env::var_os("PQL_ENGINES_PYTHON").map_or_else(own, PathBuf::from);
    let mut command = Command::new(python);
    command.arg(root().join("tests/engines/models.py"));
    command
}

/// Returns the runtimes to test; one that is missing is skipped, except in CI.
fn runtimes() -> Vec<(&'static str, &'static [&'static str], &'static str)> {
    let available = script().arg("--available").output();
    let available = available
        .map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned());
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let mut selected = RUNTIMES.to_vec();
    selected.retain(|(name, ..)| {
        let is_selected = is_ci || available.split_whitespace().any(|found| found == *name);
        if !is_selected {
            println!("Skipping {name}: it is missing (run `make engines`)");
        }
        is_selected
    });
    selected
}

impl Case {
    /// Scores a matrix with an exported model, into a file.
    fn run(&self, runtime: &str, model: &str, matrix: &str, file: &str) {
        let (model, matrix) = (self.path(model), self.path(matrix));
        let (out, err) =
            succeed(script().args([runtime, text(&model), text(&matrix)]).env("NO_COLOR", "1"));
        assert!(!err.contains("initializer"), "{err}");
        self.project.write(file, out);
    }

    /// Checks that a row with an infinite number has neither numbers nor reasons.
    fn refuse_infinity(&self, runtime: &str, model: &str) {
        let matrix = self.project.text("matrix.csv");
        let row = "a,01,c,inf,1,0";
        self.project.write("infinite.csv", format!("{}\n{row}\n", matrix.lines().next().unwrap()));
        self.run(runtime, model, "infinite.csv", "unscored.csv");
        let unscored = csv_rows(&self.path("unscored.csv")).remove(0);
        let is_empty = |(name, value): (&String, &String)| match name.as_str() {
            "account_id" => true,
            name if name.starts_with("reason_") => value == "-1",
            _ => value.is_empty(),
        };
        assert!(unscored.iter().all(is_empty), "{unscored:?}");
    }

    /// Compares contributions and reasons of some accounts with those of `pql explain`, and the
    /// number of reasons of all rows with those of `pql score`.
    fn compare_reasons(&self, file: &str) {
        let (expected, mut found) =
            (csv_rows(&self.path("scores.csv")), csv_rows(&self.path(file)));
        found.sort_by(|a, b| a["account_id"].cmp(&b["account_id"]));
        for (found, expected) in found.iter().zip(&expected) {
            for rank in ["reason_1", "reason_2", "reason_3"] {
                let is_scored = !expected["probability"].is_empty();
                let has_reason = is_scored && !expected[rank].is_empty();
                assert_eq!(found[rank] != "-1", has_reason, "{rank} of {found:?}");
            }
        }
        let mut counts = BTreeMap::<&str, usize>::new();
        found.iter().for_each(|row| *counts.entry(&row["account_id"]).or_default() += 1);
        let is_single = |row: &&BTreeMap<String, String>| {
            counts[row["account_id"].as_str()] == 1 && !row["probability"].is_empty()
        };
        found.iter().filter(is_single).take(2).for_each(|row| self.compare_explanation(row));
    }

    fn compare_explanation(&self, row: &BTreeMap<String, String>) {
        let models = self.models();
        let args = ["explain", &self.model, &row["account_id"], "--models", text(&models)];
        let matrix = ["--features", "matrix.csv", "--format", "json"];
        let run = self.project.pql(&[&args[..], &matrix].concat()).done();
        let explained: Value = serde_json::from_str(&run.out).unwrap();
        let explained = &explained["explanation"];
        let number = |name: &str| row[name].parse::<f64>().unwrap();
        let is_near = |a: f64, b: &Value| (a - b.as_f64().unwrap()).abs() <= TOLERANCE;
        assert!(is_near(number("log_odds"), &explained["log_odds"]), "{row:?}");
        let model: Value = serde_json::from_str(&self.project.text("model.json")).unwrap();
        let families = model["families"].as_array().unwrap();
        let mut reasons: Vec<(f64, usize)> = Vec::new();
        for contribution in explained["contributions"].as_array().unwrap() {
            let is_family = |family: &Value| family["measures"] == contribution["family"];
            let index = families.iter().position(is_family).unwrap();
            let found = number(&format!("contribution_{index}"));
            assert!(is_near(found, &contribution["contribution"]), "{index}: {row:?}");
            reasons.push((contribution["contribution"].as_f64().unwrap(), index));
        }
        reasons.retain(|(contribution, _)| *contribution > 0.05);
        reasons.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let index = |rank: usize| reasons.get(rank).map_or("-1".to_owned(), |(_, i)| i.to_string());
        for rank in 0..3 {
            assert_eq!(row[&format!("reason_{}", rank + 1)], index(rank), "{row:?}");
        }
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn other_runtimes_compute_the_scores_of_every_kind_of_model() {
    let runtimes = runtimes();
    let cases = if runtimes.is_empty() { Vec::new() } else { cases() };
    for (name, case) in cases {
        case.export("json", &["-o", "model.json"]);
        for (runtime, export, model) in &runtimes {
            case.export(export[0], &export[1..]);
            let file = format!("{runtime}.csv");
            case.run(runtime, model, "matrix.csv", &file);
            let rows = case.compare(&file);
            case.compare_reasons(&file);
            if name == "odd" {
                case.refuse_infinity(runtime, model);
            }
            println!("{runtime} scored {rows} rows of the model `{name}`");
        }
    }
}

#[test]
fn a_feature_with_the_name_of_an_output_is_refused() {
    let project = Project::matrix();
    let matrix = project.text("matrix.csv").replacen("usage", "log_odds", 1);
    project.write("matrix.csv", matrix);
    project.pql(&["train", "--name", "m", "--features", "matrix.csv"]).done();
    let words = ["the feature `log_odds` has the name of an output", "hint: rename the column"];
    for format in ["onnx", "mlflow"] {
        project.pql(&["export", format, "m"]).fails_with(2, &words);
    }
    assert!(!project.path("m-0001.onnx").exists() && !project.path("mlflow-export").exists());
}

#[test]
fn exports_have_names_by_default_and_are_deterministic() {
    let project = Project::trained_matrix();
    let files = ["m-0001.onnx", "mlflow-export/m-0001/MLmodel", "mlflow-export/m-0001/model.onnx"];
    let export = || {
        project.pql(&["export", "onnx", "m"]).done();
        project.pql(&["export", "mlflow", "m"]).done();
        files.map(|file| project.read(file))
    };
    let first = export();
    assert!(first == export());
    assert_eq!(first[0], first[2]);
    let words = ["refusing to overwrite an input file"];
    for format in ["json", "onnx"] {
        let args = ["export", format, "m", "-o", "models/m/0001/model.pql"];
        project.pql(&args).fails_with(2, &words);
    }
}
