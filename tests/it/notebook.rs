//! `pql export notebook`: what it writes runs as it stands, rebuilds every score, and notices where
//! one is not the model's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{csv_rows, pql, python, root, succeed, text};
use crate::project::{Project, Run};

/// The files of a folder, the notebook first.
const FILES: [&str; 5] =
    ["analysis.ipynb", "coefficients.csv", "features.parquet", "model.json", "scores.parquet"];

fn export(project: &Project, args: &[&str]) -> Run {
    project.pql(&[&["export", "notebook"], args].concat())
}

/// Train `name` with settings of the project file, and export it.
fn exported(project: &Project, name: &str, set: &[&str], source: &[&str], more: &[&str]) {
    let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    project.pql(&[&["train", "--name", name], source, &set].concat()).done();
    export(project, &[&[name, "-o", name], more].concat()).done();
}

/// What the notebooks in folders say at their end, run without their plots.
fn ends(python: &Path, folders: &[std::path::PathBuf]) -> Vec<String> {
    let (out, _) =
        succeed(Command::new(python).arg(root().join("tests/parity/notebooks.py")).args(folders));
    let end = |line: &str| line.split_once(": ").unwrap().1.to_owned();
    out.lines().map(end).collect()
}

#[test]
#[ignore = "needs Python: `make python`"]
fn the_notebook_of_the_demo_runs_from_top_to_bottom() {
    let python = python();
    let project = Project::new();
    let config = root().join("data/demo/pql.toml");
    exported(&project, "demo", &[], &["-c", text(&config)], &[]);
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
    assert!(outputs.iter().any(|output| output.contains("335 test rows")));
}

#[test]
#[ignore = "needs Python: `make python`"]
fn the_notebook_of_every_kind_of_model_rebuilds_its_scores() {
    let python = python();
    let (trial, matrix) = (Project::trial(), Project::new());
    trial.pql(&["features", "-o", "matrix.parquet"]).done();
    let rows = ["--features", "matrix.parquet"];
    exported(&trial, "platt", &[], &[], &rows);
    exported(&trial, "isotonic", &["model.calibration=isotonic"], &[], &[]);
    exported(&trial, "spline", &["design.spline=3", "model.calibration=none"], &[], &[]);
    exported(&trial, "again", &["model.refit=true"], &[], &rows);
    exported(&trial, "firth", &["model.penalty=firth"], &[], &rows);
    exported(
        &trial,
        "plain",
        &["model.penalty=none", "design.use=[\"logins_7d\",\"industry\",\"sum_minutes_7d\"]"],
        &[],
        &rows,
    );
    exported(&trial, "l1", &["model.penalty=l1"], &[], &[]);
    let often = "observation.at=snapshot";
    trial.pql(&["features", "-o", "often.parquet", "--set", often]).done();
    exported(&trial, "snapshot", &[often], &[], &["--features", "often.parquet"]);
    matrix.write("matrix.csv", odd_matrix());
    let rows = ["--features", "matrix.csv"];
    exported(
        &matrix,
        "odd",
        &["matrix.label=paid", "design.rare=0.1", "design.categories=[\"code\"]"],
        &rows,
        &rows,
    );
    let names = ["platt", "isotonic", "spline", "again", "firth", "plain", "l1", "snapshot"];
    let mut folders: Vec<_> = names.iter().map(|name| trial.path(name)).collect();
    folders.push(matrix.path("odd"));
    assert_eq!(ends(&python, &folders), ["ok"; 9]);
    assert!(
        trial.text("isotonic/model.json").contains("\"Isotonic\"")
            && trial.text("platt/model.json").contains("\"Platt\"")
    );
    let coefficients = [trial.path("spline/coefficients.csv"), matrix.path("odd/coefficients.csv")];
    let parts: BTreeSet<String> = coefficients
        .iter()
        .flat_map(|file| csv_rows(file))
        .map(|mut row| row.remove("part").unwrap())
        .collect();
    assert_eq!(
        parts,
        ["hinge", "intercept", "jump", "level", "missing", "other", "value"]
            .map(str::to_owned)
            .into()
    );
}

/// A matrix with what is hard to rebuild: nulls, levels that are rare, look like numbers or have to
/// be quoted, two rows per account.
fn odd_matrix() -> String {
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
fn a_changed_number_ends_the_notebook() {
    let python = python();
    let project = Project::trial();
    exported(&project, "good", &[], &[], &[]);
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
    let ends = ends(&python, &[other_coef, other_slope, other_auc]);
    assert!(
        ends[..2].iter().all(|end| end.contains("the rebuilt probabilities differ by")),
        "{ends:?}"
    );
    assert!(ends[2].contains("roc_auc"), "{ends:?}");
}

#[test]
fn the_export_in_the_folder_is_that_of_this_version() {
    let project = Project::new();
    let made = project.path("made");
    succeed(pql().args(["export", "notebook", "demo", "-o", text(&made)]));
    for file in ["analysis.ipynb", "coefficients.csv", "model.json"] {
        let kept = fs::read(root().join("notebooks-export/demo-0001").join(file)).unwrap();
        assert!(kept == fs::read(made.join(file)).unwrap(), "`make data` writes {file} anew");
    }
}

#[test]
fn an_export_needs_the_rows_of_its_model() {
    let project = Project::trained_matrix();
    export(&project, &["m"])
        .refused(3, &["the model has no test rows", "hint: train it with `model.test` above 0"]);
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
                        "model.test=0.3",
                    ],
                    more,
                ]
                .concat(),
            )
            .done();
    };
    train(&["--no-rows"]);
    export(&project, &["t/0001"]).refused(
        3,
        &["no `models/t/0001/test.parquet`", "hint: train it again without `--no-rows`"],
    );
    assert!(!project.path("notebooks-export").exists());
    train(&[]);
    train(&["--set", "model.test=0.4"]);
    fs::copy(
        project.path("models/t/0003/test.parquet"),
        project.path("models/t/0001/test.parquet"),
    )
    .unwrap();
    export(&project, &["t/0001"])
        .refused(3, &["test.parquet", "expected the", "that the model was judged by"]);
    project.write(
        "fewer.csv",
        project.text("matrix.csv").lines().take(150).collect::<Vec<_>>().join("\n"),
    );
    export(&project, &["t/0002", "--features", "fewer.csv"])
        .refused(3, &["are not those of the model", "hint: give the matrix"]);
    assert_eq!(project.names("notebooks-export/t-0002"), [""; 0], "nothing is written by halves");
    export(&project, &["t/0002", "--features", "matrix.csv"]).done();
    assert!(project.path("notebooks-export/t-0002/train.parquet").exists());
}

#[test]
fn an_export_is_never_overwritten_unasked() {
    let project = Project::trained_matrix();
    project
        .pql(&["train", "--name", "t", "--features", "matrix.csv", "--set", "model.test=0.3"])
        .done();
    let run = export(&project, &["t"]).done();
    assert_eq!(
        (run.out.as_str(), project.names("notebooks-export/t-0001")),
        ("", FILES.map(str::to_owned).to_vec())
    );
    let written = FILES.map(|file| project.read(&format!("notebooks-export/t-0001/{file}")));
    project.write("notebooks-export/t-0001/analysis.ipynb", "hours of work");
    export(&project, &["t"]).refused(
        2,
        &["`notebooks-export/t-0001/analysis.ipynb` is there already", "hint: name another folder"],
    );
    assert_eq!(project.text("notebooks-export/t-0001/analysis.ipynb"), "hours of work");
    export(&project, &["t", "--force", "--features", "matrix.csv"]).done();
    assert!(project.path("notebooks-export/t-0001/train.parquet").exists());
    export(&project, &["t", "--force"]).done();
    assert!(
        !project.path("notebooks-export/t-0001/train.parquet").exists(),
        "what this export does not write is gone"
    );
    assert_eq!(
        FILES.map(|file| project.read(&format!("notebooks-export/t-0001/{file}"))),
        written,
        "the same again, to the byte"
    );
    fs::remove_file(project.path("models/t/0001/model.json")).unwrap();
    export(&project, &["models/t/0001/model.pql", "-o", "alone"]).done();
    assert!(
        project.text("alone/model.json").contains("\"evaluation\""),
        "a card of the model alone"
    );
}
