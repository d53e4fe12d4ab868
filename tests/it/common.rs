//! What several tests need: the real binaries, files in a folder of their own, random numbers that are the same every time.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Microseconds in a day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// 2025-01-01T00:00:00Z, µs.
pub(crate) const NEW_YEAR: i64 = 1_735_689_600_000_000;

/// The `pql` of this build, deaf to the environment of who runs the tests.
pub(crate) fn pql() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pql"));
    command.env_remove("RAYON_NUM_THREADS").env_remove("POLARS_MAX_THREADS").current_dir(root());
    command
}

/// Run `pql` and take what it says on stdout; where it fails, so does the test, with its words.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    succeed(pql().args(args)).0
}

/// Run a command that must succeed: its stdout and stderr.
pub(crate) fn succeed(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{}\n{out}\n{err}", output.status);
    (out, err)
}

/// The folder of the crate.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder beside the crate that need not be there; says so where it is not.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    say(&format!("skipped: {} is not there", path.display()));
    None
}

/// Print a line that tells why a test did nothing.
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// A path as text, for an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Rows of a CSV file by column.
pub(crate) fn csv_rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

/// The sign of equality of two measured numbers.
pub(crate) fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
        _ => false,
    }
}

/// Random numbers by a linear congruential generator (Knuth's MMIX), its high bits.
#[derive(Debug, Clone)]
pub(crate) struct Lcg(u64);

impl Lcg {
    pub(crate) fn new(seed: u64) -> Self {
        let mut lcg = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D);
        lcg.next();
        lcg.next();
        lcg
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A whole number from 0 to below `n`.
    pub(crate) fn below(&mut self, n: i64) -> i64 {
        let wide = (u128::from(self.next()) << 31) | u128::from(self.next());
        i64::try_from((wide * u128::try_from(n).unwrap()) >> 62).unwrap()
    }

    /// True `percent` times of 100.
    pub(crate) fn chance(&mut self, percent: i64) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(i64::try_from(from.len()).unwrap())).unwrap()]
    }

    /// Put in another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, usize::try_from(self.below(i64::try_from(at).unwrap() + 1)).unwrap());
        }
    }
}
