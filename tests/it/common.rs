//! Shared helpers: the `pql` binary, paths, CSV files and comparisons.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use crate::lcg::Lcg;

/// Microseconds in a day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// 2025-01-01T00:00:00Z, µs.
pub(crate) const NEW_YEAR: i64 = 1_735_689_600_000_000;

/// Returns the `pql` command of this build, independent of the caller's thread settings.
pub(crate) fn pql() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pql"));
    command.env_remove("RAYON_NUM_THREADS").env_remove("POLARS_MAX_THREADS").current_dir(root());
    command
}

/// Runs `pql` and returns its stdout; panics with its output if it fails.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    succeed(pql().args(args)).0
}

/// Runs a command that must succeed; returns stdout and stderr.
pub(crate) fn succeed(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{}\n{out}\n{err}", output.status);
    (out, err)
}

/// Returns the folder of the crate.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns a file or folder of `../shared`, for tests that are ignored because they need it.
pub(crate) fn shared(name: &str) -> PathBuf {
    let path = root().join("../shared").join(name);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// Returns the Python of `make python`, or the one that `PQL_PYTHON` names, for tests that are
/// ignored because they need it.
pub(crate) fn python() -> PathBuf {
    let own =
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/pql/venv/bin/python");
    std::env::var_os("PQL_PYTHON").map_or_else(own, PathBuf::from)
}

/// Prints a measured figure.
pub(crate) fn print_figure(line: &str) {
    println!("{line}");
}

/// Returns a path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns the rows of a CSV file, by column.
pub(crate) fn csv_rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

/// Returns whether two numbers are equal to nine digits, or both absent.
pub(crate) fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
        _ => false,
    }
}
