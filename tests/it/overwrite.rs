//! No output of a command replaces a file that the command reads or needs.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::project::{Project, TRIAL};

const WORDS: &[&str] = &["refusing to overwrite an input file", "choose another output file"];

/// Files that a command reads.
const LOG: &[&str] = &["pql.toml", "events.csv", "accounts.csv", "visitors.csv"];
const MODEL: &[&str] = &[
    "models/t/0001/model.pql",
    "models/t/0001/model.json",
    "models/t/0001/test.parquet",
    "models/t/0002/model.pql",
    "models/t/champion",
];
const LEDGER: &[&str] =
    &["led/cutoff=2025-04-15/t@0001.parquet", "led/cutoff=2025-04-15/sent.ndjson"];
const SCORE: [&str; 6] = ["score", "t", "--at", "2025-04-15", "--ledger", "led"];
const MATRIX: &[&str] = &["pql.toml", "matrix.csv"];

/// A command without its output, the option of the output, and the inputs.
type Case = (&'static [&'static str], &'static [&'static str], Vec<&'static str>);

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    const OUTPUT: &[&str] = &["-o"];
    const PAGE: &[&str] = &["--report"];
    let both = [OUTPUT, PAGE];
    let log = LOG.to_vec();
    let model = [LOG, MODEL].concat();
    let stored = [LOG, MODEL, LEDGER].concat();
    let matrix = [MATRIX, &MODEL[..1]].concat();
    let mut cases: Vec<Case> = vec![
        (&["features", "--format", "csv"], OUTPUT, log.clone()),
        (&["features", "--format", "csv", "--model", "t"], OUTPUT, model.clone()),
        (&["funnel", "--format", "csv"], OUTPUT, log.clone()),
        (&["discover", "--format", "json"], OUTPUT, log.clone()),
        (&["doctor", "--format", "json"], OUTPUT, log.clone()),
        (&["models", "list", "--format", "json"], OUTPUT, MODEL.to_vec()),
        (&["inspect", "t", "--format", "json"], OUTPUT, MODEL.to_vec()),
        (&["report", "t", "-c", "pql.toml"], OUTPUT, model.clone()),
        (&["evaluate", "t", "--format", "json"], OUTPUT, model.clone()),
        (&["evaluate", "t", "--features", "matrix.csv", "--format", "json"], OUTPUT, matrix.clone()),
        (&["score", "t", "--format", "csv"], OUTPUT, model.clone()),
        (&["score", "t", "--ledger", "led", "--format", "csv"], OUTPUT, stored.clone()),
        (&["score", "t", "--features", "matrix.csv", "--format", "csv"], OUTPUT, matrix.clone()),
        (&["explain", "t", "00001", "--format", "json"], OUTPUT, model.clone()),
        (&["explain", "t", "00001", "--since", "2025-03-01", "--ledger", "led", "--format", "json"], OUTPUT, stored.clone()),
        (&["alerts", "--ledger", "led", "--format", "json"], OUTPUT, [&["pql.toml"], MODEL, LEDGER].concat()),
    ];
    for output in both {
        cases.extend([
            (&["train", "--name", "t", "--format", "json"] as &[_], output, [LOG, MODEL].concat()),
            (&["train", "--name", "t", "--features", "matrix.csv", "--format", "json"], output, matrix.clone()),
            (&["compare", "t/0002", "t", "--format", "json"], output, MODEL.to_vec()),
            (&["compare", "t/0002", "t", "-c", "pql.toml", "--format", "json"], output, model.clone()),
            (&["monitor", "t", "--ledger", "led", "--format", "json"], output, stored.clone()),
            (&["monitor", "t", "--features", "matrix.csv", "--format", "json"], output, matrix.clone()),
        ]);
    }
    cases
}

/// Creates a log with two versions of a model, a ledger and a feature matrix.
fn project() -> Project {
    let project = Project::trial();
    let definition = "[[definition]]\nname = \"a\"\nall = [{ event = \"report\", at_least = 2 }]\n";
    project
        .write("pql.toml", format!("{TRIAL}\n[visitors]\npath = \"visitors.csv\"\n\n{definition}"));
    project.write("visitors.csv", "date,visitors\n2025-01-01,10\n");
    project.train(&[]).done();
    project.train(&[]).done();
    project.pql(&SCORE).done();
    project.write(LEDGER[1], "");
    project.pql(&["features", "-o", "matrix.csv"]).done();
    project
}

/// Returns another name of a file.
fn alias(project: &Project, file: &str, number: usize) -> String {
    let place = format!("links/{number}");
    fs::create_dir_all(project.path("links")).unwrap();
    fs::remove_file(project.path(&place)).ok();
    match number % 5 {
        0 => file.to_owned(),
        1 => format!("models/../{file}"),
        2 => project.path(file).to_str().unwrap().to_owned(),
        3 => {
            symlink(project.path(file), project.path(&place)).unwrap();
            place
        }
        _ => {
            fs::hard_link(project.path(file), project.path(&place)).unwrap();
            place
        }
    }
}

/// Returns the bytes and the time of the last change.
fn state(project: &Project, file: &str) -> (Vec<u8>, SystemTime) {
    let modified = fs::metadata(project.path(file)).unwrap().modified().unwrap();
    (project.read(file), modified)
}

/// Returns all files below a folder, sorted.
fn tree(folder: PathBuf) -> Vec<PathBuf> {
    let mut paths = vec![folder];
    let mut all = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() && !path.is_symlink() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}

#[test]
fn no_output_replaces_an_input_under_any_name() {
    let project = project();
    let mut number = 0;
    for (command, output, inputs) in cases() {
        for input in inputs {
            number += 1;
            let before = state(&project, input);
            let name = alias(&project, input, number);
            let files = tree(project.path("models"));
            let args = [command, output, &[name.as_str()]].concat();
            println!("pql {}", args.join(" "));
            project.pql(&args).fails_with(2, WORDS);
            assert!(state(&project, input) == before, "{args:?}");
            assert_eq!(tree(project.path("models")), files, "{args:?}");
        }
    }
}

#[test]
fn the_files_in_an_output_folder_replace_no_input() {
    let project = project();
    fs::create_dir(project.path("out")).unwrap();
    let cases: [(&[&str], &str, &str); 5] = [
        (&["ingest"], "events.csv", "events.parquet"),
        (&["ingest"], "accounts.csv", "accounts.parquet"),
        (&["export", "notebook", "t", "--force"], "models/t/0001/model.json", "model.json"),
        (&["export", "notebook", "t", "--force"], "models/t/champion", "train.parquet"),
        (
            &["export", "notebook", "t", "--features", "matrix.csv", "--force"],
            "matrix.csv",
            "scores.parquet",
        ),
    ];
    for (command, input, name) in cases {
        for link in [fs::hard_link, |input: PathBuf, place: PathBuf| symlink(input, place)] {
            link(project.path(input), project.path("out").join(name)).unwrap();
            let before = state(&project, input);
            project.pql(&[command, &["-o", "out"]].concat()).fails_with(2, WORDS);
            assert!(state(&project, input) == before, "{command:?}");
            assert_eq!(project.names("out"), [name]);
            fs::remove_file(project.path("out").join(name)).unwrap();
        }
    }
    project.pql(&["export", "notebook", "t", "-o", "models/t/0001"]).fails_with(2, WORDS);
}

#[test]
fn the_ledger_replaces_its_own_run_but_no_input() {
    let project = project();
    project.pql(&SCORE).done();
    let run = LEDGER[0];
    fs::remove_file(project.path(run)).unwrap();
    fs::hard_link(project.path("events.csv"), project.path(run)).unwrap();
    let before = state(&project, "events.csv");
    project.pql(&SCORE).fails_with(2, WORDS);
    assert!(state(&project, "events.csv") == before);
}

#[test]
fn nothing_is_written_if_the_ledger_would_replace_an_input() {
    let project = project();
    let score = ["score", "t", "--features", "matrix.csv", "--ledger", "led"];
    project.pql(&score).done();
    let run = project.names("led").into_iter().find(|name| *name != "cutoff=2025-04-15").unwrap();
    let run = project.path(&format!("led/{run}/t@0001.parquet"));
    fs::remove_file(&run).unwrap();
    fs::hard_link(project.path("matrix.csv"), run).unwrap();
    let before = state(&project, "matrix.csv");
    for order in ["probability", "account"] {
        let args = [&score[..], &["-o", "new.csv", "--sort", order]].concat();
        project.pql(&args).fails_with(2, WORDS);
        assert!(!project.path("new.csv").exists());
    }
    assert!(state(&project, "matrix.csv") == before);
}

#[test]
fn a_new_file_in_an_input_folder_is_written_and_then_an_input() {
    let project = Project::trial();
    fs::create_dir(project.path("logs")).unwrap();
    fs::rename(project.path("events.csv"), project.path("logs/events.csv")).unwrap();
    project.replace("pql.toml", "events.csv", "logs");
    let definition = "definition.0.all=[{ event = \"report\", at_least = 2 }]";
    let sets = ["--set", "definition.0.name=a", "--set", definition];
    let args = [&["funnel", "-o", "logs/x.csv"], &sets[..]].concat();
    project.pql(&args).done();
    let before = state(&project, "logs/x.csv");
    project.pql(&args).fails_with(2, WORDS);
    assert!(state(&project, "logs/x.csv") == before);
}

#[test]
fn two_outputs_of_a_command_need_two_files() {
    let project = Project::trial();
    let args = ["train", "--name", "t", "--format", "json", "-o", "a", "--report", "./a"];
    project.pql(&args).fails_with(2, &["two outputs have the same file"]);
    assert!(!project.path("models").exists());
}
