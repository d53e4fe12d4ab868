//! `pql export notebook`: the notebook runs unchanged, rebuilds every score, and detects changed
//! numbers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{csv_rows, pql, python, root, succeed, text};
use crate::project::{Project, Run};

/// The files of an export.
const FILES: [&str; 5] =
    ["analysis.ipynb", "coefficients.csv", "features.parquet", "model.json", "scores.parquet"];

fn export(project: &Project, args: &[&str]) -> Run {
    project.pql(&[&["export", "notebook"], args].concat())
}

/// Trains `name` with settings of the project file, and exports it.
fn train_and_export(project: &Project, name: &str, set: &[&str], source: &[&str], more: &[&str]) {
    let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    project.pql(&[&["train", "--name", name], source, &set].concat()).done();
    export(project, &[&[name, "-o", name], more].concat()).done();
}

/// Runs the notebooks of folders without their plots, and returns `ok` or the error of each.
fn run_notebooks(python: &Path, folders: &[std::path::PathBuf]) -> Vec<String> {
    let (out, _) =
        succeed(Command::new(python).arg(root().join("tests/parity/notebooks.py")).args(folders));
    let result = |line: &str| line.split_once(": ").unwrap().1.to_owned();
    out.lines().map(result).collect()
}

#[test]
#[ignore = "needs Python: `make python`"]
fn the_notebook_of_the_demo_runs() {
    let python = python();
    let project = Project::new();
    let config = root().join("data/demo/pql.toml");
    train_and_export(&project, "demo", &[], &["-c", text(&config)], &[]);
    let mut notebook = project
        .command(text(&python), &["-m", "nbconvert", "--to", "notebook", "--execute", "--stdout"]);
    let (run, _) =
        succeed(notebook.arg("demo/analysis.ipynb").env("IPYTHONDIR", project.path("ipython")));
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    let outputs = run["cells"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|cell| cell["outputs"].as_array())
        .flatten();
    let outputs: Vec<String> = outputs.map(ToString::to_string).collect();
    assert_eq!(
        outputs.iter().filter(|output| output.contains("image/png")).count(),
        3,
        "every plot is drawn"
    );
    assert!(
        outputs
            .iter()
            .any(|output| output.contains("rebuilt and reported probabilities differ by at most"))
    );
    assert!(outputs.iter().any(|output| output.contains("1166 test rows")));
}

#[test]
#[ignore = "needs Python: `make python`"]
fn notebooks_rebuild_the_scores_of_every_kind_of_model() {
    let python = python();
    let (trial, matrix) = (Project::trial(), Project::new());
    trial.pql(&["features", "-o", "matrix.parquet"]).done();
    let rows = ["--features", "matrix.parquet"];
    train_and_export(&trial, "platt", &[], &[], &rows);
    train_and_export(&trial, "isotonic", &["model.calibration=isotonic"], &[], &[]);
    train_and_export(&trial, "spline", &["design.spline=3", "model.calibration=none"], &[], &[]);
    train_and_export(&trial, "again", &["model.refit=true"], &[], &rows);
    train_and_export(&trial, "firth", &["model.penalty=firth"], &[], &rows);
    train_and_export(
        &trial,
        "plain",
        &["model.penalty=none", "design.include=[\"logins_7d\",\"industry\",\"sum_minutes_7d\"]"],
        &[],
        &rows,
    );
    train_and_export(&trial, "l1", &["model.penalty=l1"], &[], &[]);
    let often = "observation.cutoffs=snapshot";
    trial.pql(&["features", "-o", "often.parquet", "--set", often]).done();
    train_and_export(&trial, "snapshot", &[often], &[], &["--features", "often.parquet"]);
    matrix.write("matrix.csv", odd_matrix());
    let rows = ["--features", "matrix.csv"];
    train_and_export(
        &matrix,
        "odd",
        &["matrix.label=paid", "design.rare=0.1", "design.categorical=[\"code\"]"],
        &rows,
        &rows,
    );
    let names = ["platt", "isotonic", "spline", "again", "firth", "plain", "l1", "snapshot"];
    let mut folders: Vec<_> = names.iter().map(|name| trial.path(name)).collect();
    folders.push(matrix.path("odd"));
    assert_eq!(run_notebooks(&python, &folders), ["ok"; 9]);
    assert!(
        trial.text("isotonic/model.json").contains("\"Isotonic\"")
            && trial.text("platt/model.json").contains("\"Platt\"")
    );
    let coefficients = [trial.path("spline/coefficients.csv"), matrix.path("odd/coefficients.csv")];
    let terms: BTreeSet<String> = coefficients
        .iter()
        .flat_map(|file| csv_rows(file))
        .map(|mut row| row.remove("term").unwrap())
        .collect();
    assert_eq!(
        terms,
        ["hinge", "intercept", "jump", "level", "missing", "other", "value"]
            .map(str::to_owned)
            .into()
    );
}

/// Returns a matrix with difficult cases: missing values, levels that are rare, look like numbers
/// or need quotes, and two rows per account.
pub(crate) fn odd_matrix() -> String {
    let mut text = "account_id,code,plan,usage,depth,paid\n".to_owned();
    for row in 0..400_u32 {
        let dice = |purpose: u32| {
            row.wrapping_mul(2_654_435_761).rotate_left(purpose).wrapping_mul(40_503) >> 16 & 1023
        };
        let code = ["01", "2", "1e3", "rare"][if row % 37 == 0 { 3 } else { (row % 3) as usize }];
        let plan = ["\"a, \"\"b\"\"\"", "(other)", "", "c"][(dice(3) % 4) as usize];
        let usage = if row % 5 == 0 {
            String::new()
        } else {
            format!("{}", f64::from(dice(7)) / 16.0 - 8.0)
        };
        let paid = u32::from(dice(11) < 250 + dice(7) / 2);
        text += &format!("a{},{code},{plan},{usage},{},{paid}\n", row / 2, dice(5).pow(2));
    }
    text
}

#[test]
#[ignore = "needs Python: `make python`"]
fn a_changed_number_fails_the_notebook() {
    let python = python();
    let project = Project::trial();
    train_and_export(&project, "good", &[], &[], &[]);
    let change = |name: &str, file: &str, from: &str, to: &str| {
        for copied in FILES {
            project.write(&format!("{name}/{copied}"), project.read(&format!("good/{copied}")));
        }
        project.replace(&format!("{name}/{file}"), from, to);
        project.path(name)
    };
    let coef = csv_rows(&project.path("good/coefficients.csv"))[1]["coef"].clone();
    let changed = format!("{},", coef.parse::<f64>().unwrap() + 1e-9);
    let other_coef = change("coef", "coefficients.csv", &format!("{coef},"), &changed);
    let other_slope = change("slope", "model.json", "\"slope\": ", "\"slope\": 1");
    let other_auc = change(
        "auc",
        "model.json",
        "\"roc_auc\": {\n      \"value\": 0.",
        "\"roc_auc\": {\n      \"value\": 0.1",
    );
    let results = run_notebooks(&python, &[other_coef, other_slope, other_auc]);
    assert!(
        results[..2].iter().all(|error| error.contains("the rebuilt probabilities differ by")),
        "{results:?}"
    );
    assert!(results[2].contains("roc_auc"), "{results:?}");
}

#[test]
fn the_export_in_the_repository_is_current() {
    let project = Project::new();
    let written = project.path("written");
    succeed(pql().args(["export", "notebook", "demo", "-o", text(&written)]));
    for file in ["analysis.ipynb", "coefficients.csv", "model.json"] {
        let kept = fs::read(root().join("notebooks-export/demo-0001").join(file)).unwrap();
        assert!(
            kept == fs::read(written.join(file)).unwrap(),
            "{file} is outdated: run `make data`"
        );
    }
}

#[test]
fn an_export_needs_the_rows_of_its_model() {
    let project = Project::trained_matrix();
    export(&project, &["m"]).fails_with(
        3,
        &["the model has no test rows", "hint: train with `model.test_size` above 0"],
    );
    let train = |more: &[&str]| {
        project
            .pql(
                &[
                    &[
                        "train",
                        "--name",
                        "t",
                        "--features",
                        "matrix.csv",
                        "--set",
                        "model.test_size=0.3",
                    ],
                    more,
                ]
                .concat(),
            )
            .done();
    };
    train(&["--no-test-rows"]);
    export(&project, &["t/0001"]).fails_with(
        3,
        &["missing `models/t/0001/test.parquet`", "hint: train again without `--no-test-rows`"],
    );
    assert!(!project.path("notebooks-export").exists());
    train(&[]);
    train(&["--set", "model.test_size=0.4"]);
    fs::copy(
        project.path("models/t/0003/test.parquet"),
        project.path("models/t/0001/test.parquet"),
    )
    .unwrap();
    export(&project, &["t/0001"]).fails_with(3, &["test.parquet", "expected"]);
    project.write(
        "fewer.csv",
        project.text("matrix.csv").lines().take(150).collect::<Vec<_>>().join("\n"),
    );
    export(&project, &["t/0002", "--features", "fewer.csv"]).fails_with(
        3,
        &["is not the training matrix of the model", "hint: pass the training matrix"],
    );
    assert_eq!(
        project.names("notebooks-export/t-0002"),
        [""; 0],
        "a failed export leaves no files"
    );
    export(&project, &["t/0002", "--features", "matrix.csv"]).done();
    assert!(project.path("notebooks-export/t-0002/train.parquet").exists());
}

#[test]
fn an_export_is_only_overwritten_with_force() {
    let project = Project::trained_matrix();
    project
        .pql(&["train", "--name", "t", "--features", "matrix.csv", "--set", "model.test_size=0.3"])
        .done();
    let run = export(&project, &["t"]).done();
    assert_eq!(
        (run.out.as_str(), project.names("notebooks-export/t-0001")),
        ("", FILES.map(str::to_owned).to_vec())
    );
    let written = FILES.map(|file| project.read(&format!("notebooks-export/t-0001/{file}")));
    project.write("notebooks-export/t-0001/analysis.ipynb", "hours of work");
    export(&project, &["t"]).fails_with(
        2,
        &[
            "refusing to overwrite `notebooks-export/t-0001/analysis.ipynb`",
            "hint: choose another folder",
        ],
    );
    assert_eq!(project.text("notebooks-export/t-0001/analysis.ipynb"), "hours of work");
    export(&project, &["t", "--force", "--features", "matrix.csv"]).done();
    assert!(project.path("notebooks-export/t-0001/train.parquet").exists());
    export(&project, &["t", "--force"]).done();
    assert!(
        !project.path("notebooks-export/t-0001/train.parquet").exists(),
        "a file that this export does not write is removed"
    );
    assert_eq!(
        FILES.map(|file| project.read(&format!("notebooks-export/t-0001/{file}"))),
        written,
        "a repeated export is identical"
    );
    fs::remove_file(project.path("models/t/0001/model.json")).unwrap();
    export(&project, &["models/t/0001/model.pql", "-o", "alone"]).done();
    assert!(
        project.text("alone/model.json").contains("\"evaluation\""),
        "a new model card is written"
    );
}
