//! The benchmark beside other tools runs, on little data, and what all of them compute is the same.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{root, say, succeed, text};

/// A Python with the peers: `BENCH_PYTHON`, else one of the project's own environments.
fn python() -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME")?);
    let own = ["bench-venv", "venv"].map(|name| home.join(".cache/pql").join(name).join("bin/python"));
    let candidates = std::env::var_os("BENCH_PYTHON").map(PathBuf::from).into_iter().chain(own);
    let has_peers = |path: &PathBuf| {
        let found = Command::new(path).args(["-c", "import duckdb, numpy, polars, pyarrow, sklearn"]).output();
        found.is_ok_and(|o| o.status.success())
    };
    let found = candidates.into_iter().find(has_peers);
    if found.is_none() {
        say("skipped: no Python with the packages of benches/requirements.txt (BENCH_PYTHON names one)");
    }
    found
}

/// The kernels that `cargo test` has built beside this test: the newest.
fn kernels() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let named =
        |path: &PathBuf| path.extension().is_none() && path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("kernels-"));
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(named).max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok())
}

#[test]
fn the_benchmark_runs() {
    let Some(python) = python() else { return };
    let work = tempfile::tempdir().unwrap();
    let mut bench = Command::new(python);
    bench.current_dir(root()).arg("benches/bench.py").arg(env!("CARGO_BIN_EXE_pql"));
    bench.args(["--scale", "0.001", "--runs", "1", "--work", text(work.path())]);
    if let Some(kernels) = kernels() {
        bench.arg("--kernels").arg(kernels);
    }
    let (tables, _) = succeed(&mut bench);
    for expected in ["| the same bytes | the same bytes | yes |", "### Features", "### Score", "### From 20 million events", "### Start"] {
        assert!(tables.contains(expected), "no {expected} in\n{tables}");
    }
}
