//! Signals, kills and full disks: no unfinished file remains, and the next command says what to do.
#![cfg(unix)]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::project::{Project, run};

/// Starts a long simulation, and waits until it writes.
fn simulation(project: &Project) -> Child {
    let args = ["simulate", "-q", "-o", "data", "--accounts", "5000000", "--seed", "1"];
    let mut command = project.command(env!("CARGO_BIN_EXE_pql"), &args);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..3_000 {
        if project.path("data").exists() && unfinished(project, "data") >= 2 {
            return child;
        }
        sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("the simulation writes nothing: {}", child.wait().unwrap());
}

fn unfinished(project: &Project, folder: &str) -> usize {
    project.names(folder).iter().filter(|name| name.starts_with(".pql-")).count()
}

#[test]
fn signals_remove_unfinished_files() {
    for signal in [1, 2, 15] {
        let project = Project::new();
        let mut child = simulation(&project);
        let kill = ["-s", &signal.to_string(), &child.id().to_string()];
        assert!(Command::new("kill").args(kill).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal));
        assert_eq!(project.names("data"), [""; 0]);
    }
}

#[test]
fn the_next_run_removes_what_a_killed_one_left() {
    let project = Project::new();
    let mut child = simulation(&project);
    // A second run does not touch what the first one writes.
    project.pql(&["simulate", "-q", "-o", "data", "--accounts", "100", "--seed", "1"]).done();
    assert!(unfinished(&project, "data") >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(unfinished(&project, "data") >= 2);
    project.pql(&["simulate", "-q", "-o", "data", "--accounts", "100", "--seed", "1"]).done();
    assert_eq!(
        project.names("data"),
        ["accounts.parquet", "events.parquet", "pql.toml", "truth.json"]
    );
}

#[test]
fn the_next_training_and_score_remove_what_killed_ones_left() {
    let project = Project::trial();
    project.write("models/t/.pql-a.tmp/model.pql", "");
    project.write("models/t/.pql-b.tmp", "");
    project.train(&[]).done();
    assert_eq!(project.names("models/t"), [".lock", "0001", "champion"]);
    project.write("led/.pql-c.tmp/scores.parquet", "");
    project.pql(&["score", "t", "--at", "2025-04-15", "--ledger", "led"]).done();
    assert_eq!(project.names("led"), ["cutoff=2025-04-15"]);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_no_file() {
    let project = Project::trial();
    project.write("features.csv", "before");
    let script = "ulimit -f 8; exec \"$0\" features -o features.csv";
    let pql = env!("CARGO_BIN_EXE_pql");
    run(&mut project.command("sh", &["-c", script, pql]))
        .fails_with(1, &["cannot write `features.csv`: File too large"]);
    assert_eq!(project.text("features.csv"), "before");
    assert_eq!(unfinished(&project, "."), 0);
}

#[test]
fn a_promotion_that_was_interrupted_is_explained() {
    let project = Project::trial();
    project.train(&[]).done();
    project.train(&["--promote"]).done();
    assert_eq!(project.names("models/t/0002"), ["model.json", "model.pql", "test.parquet"]);
    // As after a kill between storing the version and promoting it.
    project.write("models/t/0002/.unpromoted", "");
    project.write("models/t/champion", "0001\n");
    let words = ["warning: t/0002: ", "interrupted", "run `pql models promote t/0002`"];
    project.pql(&["models", "list"]).done().stderr_has(&words);
    project.pql(&["inspect", "t"]).done().stderr_has(&words);
    project.pql(&["models", "promote", "t/0002"]).done();
    assert!(!project.pql(&["models", "list"]).done().err.contains("interrupted"));
    fs::remove_file(project.path("models/t/champion")).unwrap();
    let words = ["`t` has no champion", "`pql models promote t/0002`"];
    project.pql(&["inspect", "t"]).fails_with(4, &words);
}
