//! Stored models of every format, with the probabilities that they must give.
//!
//! `tests/golden/models` has the model of the newest format, `current.pql`, which `pql selftest`
//! also reads, and those of earlier formats, `format-N.pql`. The rows of each and their
//! probabilities are next to it. `make golden` writes the files of a new format.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pql::error::Error;
use pql::model::Model;
use pql::model::file::FORMAT;

use crate::common::{csv_rows, root, text};
use crate::project::{Project, dice, run};

/// Largest difference of a probability.
const TOLERANCE: f64 = 1e-14;

/// The project file of the models: one fit, so that the file is small.
const CONFIG: &str = "\
[design]
rare = 0.02

[model]
alpha = 2.0
test_size = 0
";

/// Rows with usual, missing, extreme and new values.
const ROWS: &str = "\
account_id,seats,usage,plan
usual,5,0.5,pro
large,800,0.99,team
beyond,1e12,-3,basic
zero,0,0,basic
no seats,,0.25,pro
no usage,12,,team
no plan,12,0.75,
nothing,,,
new plan,7,0.4,enterprise
rare plan,7,0.4,trial
precise,3.0000000001,0.123456789012345,pro
";

fn folder() -> PathBuf {
    root().join("tests/golden/models")
}

/// Returns the format number of a model file.
fn format(file: &Path) -> u32 {
    u32::from_le_bytes(fs::read(file).unwrap()[4..8].try_into().unwrap())
}

/// Returns a feature matrix of 400 accounts.
fn matrix() -> String {
    let mut matrix = "account_id,seats,usage,plan,converted\n".to_owned();
    for account in 0..400 {
        let usage = dice(account, 1);
        let seats = (dice(account, 2) * 6.0).exp().round();
        let plan = ["basic", "pro", "team", ""][usize::try_from(account % 4).unwrap()];
        let plan = if account == 17 { "trial" } else { plan };
        let converted = u8::from(dice(account, 3) < 0.1 + 0.4 * usage + 0.002 * seats.min(100.0));
        let seats = if account % 11 == 0 { String::new() } else { seats.to_string() };
        writeln!(matrix, "m{account},{seats},{usage:.4},{plan},{converted}").unwrap();
    }
    matrix
}

/// Returns the probability of each row by a model file.
fn probabilities(model: &Path, rows: &Path) -> Vec<f64> {
    let project = Project::new();
    let scores = project.path("scores.csv");
    let args = ["score", text(model), "--features", text(rows), "--sort", "account"];
    let args = [&args[..], &["-q", "-o", text(&scores)]].concat();
    run(&mut project.command(env!("CARGO_BIN_EXE_pql"), &args)).done();
    let scores = csv_rows(&scores);
    let score = |row: &std::collections::BTreeMap<String, String>| {
        let score = scores.iter().find(|score| score["account_id"] == row["account_id"]);
        score.unwrap()["probability"].parse().unwrap()
    };
    csv_rows(rows).iter().map(score).collect()
}

/// Writes the files of the newest format; those of an earlier one get its number.
fn write() {
    let [model, rows] = ["current.pql", "current.csv"].map(|name| folder().join(name));
    if model.exists() && format(&model) != FORMAT {
        let number = format(&model);
        for (file, extension) in [(&model, "pql"), (&rows, "csv")] {
            fs::rename(file, folder().join(format!("format-{number}.{extension}"))).unwrap();
        }
    }
    let project = Project::new();
    project.write("pql.toml", CONFIG);
    project.write("matrix.csv", matrix());
    project.write("rows.csv", ROWS);
    project.pql(&["train", "--name", "golden", "--features", "matrix.csv"]).done();
    fs::create_dir_all(folder()).unwrap();
    fs::copy(project.path("models/golden/0001/model.pql"), &model).unwrap();
    let scored = probabilities(&model, &project.path("rows.csv"));
    let mut lines = ROWS.lines();
    let mut table = format!("{},probability\n", lines.next().unwrap());
    for (line, probability) in lines.zip(scored) {
        writeln!(table, "{line},{probability}").unwrap();
    }
    fs::write(rows, table).unwrap();
}

#[test]
fn models_of_every_format_keep_their_scores_or_are_refused() {
    if std::env::var_os("PQL_GOLDEN").is_some() {
        write();
    }
    let mut formats = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let model = entry.unwrap().path();
        if model.extension().is_none_or(|extension| extension != "pql") {
            continue;
        }
        let number = format(&model);
        formats.push(number);
        if model.file_stem().unwrap() != "current" {
            assert_eq!(model.file_stem().unwrap(), format!("format-{number}").as_str());
        }
        match Model::load(&model) {
            Err(Error::OldModel { found, .. }) => assert!(found == number && number < FORMAT),
            Err(error) => panic!("{}: {error}", model.display()),
            Ok(_) => {
                let rows = model.with_extension("csv");
                let found = probabilities(&model, &rows);
                for (row, found) in csv_rows(&rows).iter().zip(found) {
                    let expected: f64 = row["probability"].parse().unwrap();
                    assert!(
                        (found - expected).abs() <= TOLERANCE,
                        "{}, {}: {found}, expected {expected}",
                        model.display(),
                        row["account_id"]
                    );
                }
            }
        }
    }
    assert!(formats.contains(&FORMAT), "`make golden` writes the model of format {FORMAT}");
}

#[test]
fn the_selftest_passes_in_under_three_seconds() {
    let start = Instant::now();
    let run = Project::new().pql(&["selftest"]).done();
    assert!(start.elapsed().as_secs() < 3, "{:?}", start.elapsed());
    let verdicts: Vec<&str> = run.out.lines().map(|line| line[12..].trim_start()).collect();
    assert_eq!(verdicts.len(), 5, "{}", run.out);
    assert!(verdicts.iter().all(|line| line.starts_with("ok ")), "{}", run.out);
}
