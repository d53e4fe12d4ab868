//! `pql export json`, `onnx` and `mlflow`: other programs compute the scores of `pql score`.

mod json;
mod runtimes;

use std::path::PathBuf;

use crate::common::{csv_rows, root, text};
use crate::notebook::odd_matrix;
use crate::project::Project;

/// Largest difference of a number from that of `pql score`.
const TOLERANCE: f64 = 1e-12;

/// Numbers that every export computes, as `pql score` names them.
const NUMBERS: [&str; 3] = ["probability", "probability_low", "probability_high"];

/// A model with a feature matrix, which `pql score` and an export score.
struct Case {
    project: Project,
    model: String,
}

impl Case {
    /// Trains on a project, and scores its feature matrix `matrix.csv`.
    fn train(project: Project, set: &[&str], source: &[&str]) -> Self {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        project.pql(&[&["train", "--name", "m"], source, &set].concat()).done();
        Self { project, model: "m".to_owned() }.score()
    }

    /// Scores the feature matrix as CSV.
    fn score(self) -> Self {
        let models = self.models();
        let score = ["score", &self.model, "--models", text(&models), "--features", "matrix.csv"];
        let output = ["--all", "--sort", "account", "-o", "scores.csv"];
        self.project.pql(&[&score[..], &output].concat()).done();
        self
    }

    /// Returns the folder of models.
    fn models(&self) -> PathBuf {
        if self.model == "demo" { root().join("models") } else { self.path("models") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.project.path(name)
    }

    /// Runs `pql export FORMAT` of the model.
    fn export(&self, format: &str, args: &[&str]) {
        let models = self.models();
        let export = ["export", format, &self.model, "--models", text(&models)];
        self.project.pql(&[&export[..], args].concat()).done();
    }

    /// Compares scores of the rows of the matrix with those of pql. Returns the number of rows with
    /// a probability.
    fn compare(&self, file: &str) -> usize {
        let (expected, mut found) =
            (csv_rows(&self.path("scores.csv")), csv_rows(&self.path(file)));
        // Rows of an account keep their order.
        found.sort_by(|a, b| a["account_id"].cmp(&b["account_id"]));
        assert_eq!(found.len(), expected.len(), "rows");
        let number = |text: &str| text.parse::<f64>().ok();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found["account_id"], expected["account_id"]);
            for name in NUMBERS {
                let (found, expected) = (number(&found[name]), number(&expected[name]));
                let is_equal = match (found, expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() <= TOLERANCE,
                    (found, expected) => found == expected,
                };
                assert!(is_equal, "{name}: found {found:?}, expected {expected:?}");
            }
        }
        expected.iter().filter(|row| !row["probability"].is_empty()).count()
    }
}

/// Returns the log of 240 trials with its feature matrix.
fn trial(set: &[&str]) -> Case {
    let project = Project::trial();
    let settings: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    project.pql(&[&["features", "-o", "matrix.csv"], &settings[..]].concat()).done();
    Case::train(project, set, &[])
}

/// Returns a matrix with missing values, rare levels and levels that look like numbers or names of
/// pql. The rows to score also have unseen levels, empty texts and numbers far outside.
fn odd(set: &[&str]) -> Case {
    let project = Project::new();
    project.write("matrix.csv", odd_matrix());
    let fixed = ["matrix.label=paid", "design.rare=0.1", "design.categorical=[\"code\"]"];
    let case = Case::train(project, &[&fixed, set].concat(), &["--features", "matrix.csv"]);
    let line = |(index, line): (usize, &str)| match index % 7 {
        3 => line.replacen(",c,", ",Überraschung,", 1).replacen(",2,", ",,", 1),
        5 => line.replacen(",01,", ",unseen,", 1).replacen(",0,", ",1e9,", 1),
        _ => line.to_owned(),
    };
    let rows: Vec<String> = odd_matrix().lines().enumerate().map(line).collect();
    case.project.write("matrix.csv", rows.join("\n") + "\n");
    case.score()
}

/// Returns every kind of model: of a log and of a matrix, with each encoding and calibration.
fn cases() -> Vec<(&'static str, Case)> {
    let demo = Project::new();
    let config = root().join("data/demo/pql.toml");
    demo.pql(&["features", "-c", text(&config), "-o", "matrix.csv"]).done();
    vec![
        ("demo", Case { project: demo, model: "demo".to_owned() }.score()),
        ("platt", trial(&[])),
        ("isotonic", trial(&["model.calibration=isotonic", "design.log1p=never"])),
        ("spline", trial(&["design.spline=3", "model.calibration=none"])),
        ("winsorized", trial(&["design.winsorize=[0.1,0.9]", "observation.cutoffs=snapshot"])),
        ("l1", trial(&["model.penalty=l1"])),
        ("odd", odd(&[])),
        ("odd spline", odd(&["design.spline=2", "model.calibration=isotonic"])),
        ("odd l1", odd(&["model.penalty=l1", "design.rare=0"])),
    ]
}
