//! Compares the output of `pql train --features` and `pql inspect` with 60-digit arithmetic;
//! `tests/golden/certified/make.py` computes the data and the expected numbers.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::common::{print_figure, root};
use crate::project::Project;

/// Required number of correct digits, including for columns far from 0 and for units that differ by
/// a factor of a million.
const DIGITS: f64 = 12.0;

/// Data and expected numbers, as texts with 25 digits.
#[derive(Deserialize)]
struct Case {
    names: Vec<String>,
    x: Vec<Vec<f64>>,
    y: Vec<u8>,
    group: Option<Vec<u32>>,
    alpha: f64,
    coef: Vec<String>,
    std_error: Vec<String>,
    coef_raw: Vec<String>,
    std_error_raw: Vec<String>,
    log_likelihood: Vec<String>,
}

/// Number of correct digits of the worst number of each kind.
struct CorrectDigits {
    coef: f64,
    std_error: f64,
    coef_raw: f64,
    std_error_raw: f64,
    log_likelihood: f64,
}

impl CorrectDigits {
    fn minimum(&self) -> f64 {
        [self.coef, self.std_error, self.coef_raw, self.std_error_raw, self.log_likelihood]
            .into_iter()
            .fold(16.0, f64::min)
    }
}

impl Case {
    /// Returns the feature matrix as CSV; the shortest form of each number parses back exactly.
    fn csv(&self) -> String {
        let mut csv = format!("account_id,{},converted\n", self.names.join(","));
        for row in 0..self.y.len() {
            let account = self.group.as_ref().map_or(row, |group| group[row] as usize);
            write!(csv, "a{account}").unwrap();
            self.x.iter().for_each(|column| write!(csv, ",{}", column[row]).unwrap());
            writeln!(csv, ",{}", self.y[row]).unwrap();
        }
        csv
    }

    fn correct_digits(&self) -> CorrectDigits {
        let project = Project::new();
        project.write("matrix.csv", self.csv());
        let penalty = if self.alpha > 0.0 { "l2" } else { "none" };
        let config = format!(
            "[design]\nlog1p = \"never\"\nwinsorize = \"never\"\nrare = 0\n[model]\npenalty = \"{penalty}\"\nalpha = {:?}\ntest_size = 0\nmin_conversions = 1\n",
            self.alpha.max(1e-9)
        );
        project.write("pql.toml", config);
        project.train(&["--features", "matrix.csv"]).done();
        let rows: Vec<Value> =
            serde_json::from_str(&project.pql(&["inspect", "t", "--format", "json"]).done().out)
                .unwrap();
        let card: Value = serde_json::from_str(&project.text("models/t/0001/model.json")).unwrap();
        let worst = |key: &str, expected: &[String]| {
            let names = std::iter::once("intercept").chain(self.names.iter().map(String::as_str));
            let found = names.map(|name| {
                rows.iter().find(|row| row["feature"] == name).unwrap()[key].as_f64().unwrap()
            });
            found
                .zip(expected)
                .map(|(found, expected)| matching_digits(found, expected))
                .fold(16.0, f64::min)
        };
        CorrectDigits {
            coef: worst("coef", &self.coef),
            std_error: worst("std_error", &self.std_error),
            coef_raw: worst("coef_raw", &self.coef_raw),
            std_error_raw: worst("std_error_raw", &self.std_error_raw),
            log_likelihood: matching_digits(
                card["log_likelihood"].as_f64().unwrap(),
                &self.log_likelihood[0],
            ),
        }
    }
}

/// Returns `−log₁₀` of the relative error, at most 16.
fn matching_digits(found: f64, exact: &str) -> f64 {
    let exact: f64 = exact.parse().unwrap();
    (-((found - exact) / exact).abs().log10()).min(16.0)
}

#[test]
fn twelve_digits_of_every_number_are_correct() {
    let mut paths: Vec<_> = std::fs::read_dir(root().join("tests/golden/certified"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    paths.sort();
    let mut short = Vec::new();
    print_figure(
        "| data | coefficients | standard errors | raw coefficients | raw standard errors | log-likelihood |\n|---|---|---|---|---|---|",
    );
    for path in &paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let case: Case = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let found = case.correct_digits();
        let CorrectDigits { coef, std_error, coef_raw, std_error_raw, log_likelihood } = found;
        print_figure(&format!(
            "| {name} | {coef:.1} | {std_error:.1} | {coef_raw:.1} | {std_error_raw:.1} | {log_likelihood:.1} |"
        ));
        if found.minimum() < DIGITS {
            short.push(name.to_owned());
        }
    }
    assert!(paths.len() >= 20 && short.is_empty(), "too few correct digits in {short:?}");
}
