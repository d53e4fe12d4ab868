//! The benchmark against other tools runs on little data, and all tools agree.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{python, root, succeed, text};

/// Returns the newest `kernels` benchmark that `cargo test` has built.
fn kernels() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let named = |path: &PathBuf| {
        path.extension().is_none()
            && path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("kernels-"))
    };
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(named).max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok())
}

#[test]
#[ignore = "needs Python: `make python`"]
fn the_benchmark_runs() {
    let work = tempfile::tempdir().unwrap();
    let mut bench =
        Command::new(std::env::var_os("BENCH_PYTHON").map_or_else(python, PathBuf::from));
    bench.current_dir(root()).arg("benches/bench.py").arg(env!("CARGO_BIN_EXE_pql"));
    bench.args(["--scale", "0.001", "--runs", "1", "--work", text(work.path())]);
    bench
        .arg("--kernels")
        .arg(kernels().expect("`cargo test` builds the kernels, `cargo test --test it` does not"));
    let (tables, _) = succeed(&mut bench);
    for expected in [
        "| identical | identical | yes |",
        "### Features",
        "### Score",
        "### From 20 million events",
        "### Start",
    ] {
        assert!(tables.contains(expected), "no {expected} in\n{tables}");
    }
}
