//! A temporary project with a small log, in which tests run the binaries.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use polars::prelude::{DataFrame, ParquetWriter};

/// A temporary folder for one test.
pub(crate) struct Project {
    dir: tempfile::TempDir,
}

/// The project file of [`Project::trial`].
pub(crate) const TRIAL: &str = "\
[[events]]
path = \"events.csv\"
values = [\"minutes\"]

[accounts]
path = \"accounts.csv\"
attributes = [\"industry\"]

[observation]
cutoffs = \"age\"
age = \"7d\"
horizon = \"14d\"

[features]
windows = [\"7d\"]
event_types = 3
";

/// Project file for a feature matrix without transforms and penalty.
pub(crate) const PLAIN: &str = "\
[design]
log1p = \"never\"
winsorize = \"never\"
rare = 0

[model]
penalty = \"none\"
test_size = 0
";

/// A day in seconds.
const DAY: u64 = 86_400;
/// 2025-01-01T00:00:00Z in epoch seconds.
const START: u64 = 1_735_689_600;

/// Result of a program.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Checks that the program succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    /// Checks that the program failed with an exit code, wrote nothing to stdout, and wrote all
    /// words to stderr.
    #[track_caller]
    pub(crate) fn fails_with(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        assert_eq!(self.out, "", "no output on failure");
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.stderr_has(words)
    }

    /// Returns stderr with each message in one line; long messages are broken into indented lines.
    pub(crate) fn unwrapped_messages(&self) -> String {
        self.err.replace("\n  ", " ")
    }

    /// Checks that stderr has all words.
    #[track_caller]
    pub(crate) fn stderr_has(self, words: &[&str]) -> Self {
        let unwrapped = self.unwrapped_messages();
        for word in words {
            assert!(
                self.err.contains(word) || unwrapped.contains(word),
                "`{word}` is not in: {}",
                self.err
            );
        }
        self
    }
}

impl Project {
    /// Creates an empty project.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("project").tempdir().unwrap() }
    }

    /// Creates a log of 240 trials with an account list and pql.toml, small enough to train
    /// quickly.
    pub(crate) fn trial() -> Self {
        let project = Self::new();
        project.write("pql.toml", TRIAL);
        project.write("accounts.csv", accounts());
        project.write("events.csv", events());
        project
    }

    /// Creates a feature matrix `matrix.csv` with a number, a text and the outcome, and its
    /// pql.toml.
    pub(crate) fn matrix() -> Self {
        let project = Self::new();
        project.write("pql.toml", PLAIN);
        project.write("matrix.csv", matrix());
        project
    }

    /// Creates the feature matrix with a model `m`.
    pub(crate) fn trained_matrix() -> Self {
        let project = Self::matrix();
        project.pql(&["train", "--name", "m", "--features", "matrix.csv"]).done();
        project
    }

    /// Creates a project with a simulated log of accounts that have 100 events on average, of which
    /// 10% convert.
    pub(crate) fn simulated(accounts: u32, seed: u32) -> Self {
        let project = Self::new();
        project.simulate(".", accounts, seed);
        project
    }

    /// Simulates a log in a folder; see [`Project::simulated`].
    pub(crate) fn simulate(&self, folder: &str, accounts: u32, seed: u32) {
        let (accounts, seed) = (accounts.to_string(), seed.to_string());
        let size = ["--accounts", &accounts, "--events-per-account", "100", "--base-rate", "0.1"];
        self.pql(&[&["simulate", "-q", "-o", folder, "--seed", &seed], &size[..]].concat()).done();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Replaces a text in a file that contains it.
    #[track_caller]
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let before = self.text(name);
        assert!(before.contains(from), "`{from}` is not in {name}");
        self.write(name, before.replacen(from, to, 1));
    }

    pub(crate) fn parquet(&self, name: &str, mut frame: DataFrame) {
        ParquetWriter::new(fs::File::create(self.path(name)).unwrap()).finish(&mut frame).unwrap();
    }

    /// Returns the names in a folder, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs `pql` in the folder.
    pub(crate) fn pql(&self, args: &[&str]) -> Run {
        run(&mut self.command(env!("CARGO_BIN_EXE_pql"), args))
    }

    /// Runs `pql-score` in the folder.
    pub(crate) fn pql_score(&self, args: &[&str]) -> Run {
        run(&mut self.command(env!("CARGO_BIN_EXE_pql-score"), args))
    }

    /// Runs `pql train --name t --verbose`, with more arguments.
    pub(crate) fn train(&self, args: &[&str]) -> Run {
        self.pql(&[&["train", "--name", "t", "-v"], args].concat())
    }

    /// Returns the features as CSV.
    #[track_caller]
    pub(crate) fn features(&self, args: &[&str]) -> String {
        self.pql(&[&["features", "-o", "-"], args].concat()).done().out
    }
}

pub(crate) fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Returns the lines of a file, generated from their numbers.
pub(crate) fn lines(count: u64, line: impl Fn(u64) -> String) -> String {
    (0..count).map(|number| line(number) + "\n").collect()
}

/// Returns a pseudorandom number in [0, 1) for its arguments.
pub(crate) fn dice(a: u64, b: u64) -> f64 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ b.wrapping_mul(0xD1B5_4A32_D192_ED03)
        ^ 0x5851_F42D_4C95_7F2D;
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    f64::from(u32::try_from(x >> 32).unwrap()) / 4_294_967_296.0
}

fn iso(t: u64) -> String {
    pql::time::iso(i64::try_from(t).unwrap() * 1_000_000)
}

/// Returns a share of a maximum, in whole seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a small number"
)]
fn within(share: f64, max: u64) -> u64 {
    (share * f64::from(u32::try_from(max).unwrap())) as u64
}

/// Returns the sign-up time of an account, epoch seconds.
fn signed_up(account: u64) -> u64 {
    START + account % 120 * DAY + within(dice(account, 1), DAY)
}

/// Returns an account list of 240 accounts, in which active accounts convert more often.
fn accounts() -> String {
    let mut text = "account_id,signed_up_at,converted_at,industry\n".to_owned();
    for account in 0..240 {
        let signed_up = signed_up(account);
        let converts = dice(account, 3) < 0.15 + 0.6 * dice(account, 2);
        let converted = if converts {
            iso(signed_up + 7 * DAY + 1 + within(dice(account, 4), 14 * DAY - 2))
        } else {
            String::new()
        };
        let industry = ["media", "retail", "NA"][usize::try_from(account % 3).unwrap()];
        writeln!(text, "{account:05},{},{converted},{industry}", iso(signed_up)).unwrap();
    }
    text
}

/// Returns the events of 30 days for each account.
fn events() -> String {
    let mut text = "account_id,user_id,event,timestamp,minutes\n".to_owned();
    for account in 0..240 {
        for day in 0..30 {
            let roll = dice(account, 100 + day);
            if roll > 0.1 + 0.8 * dice(account, 2) {
                continue;
            }
            let time = signed_up(account) + day * DAY + within(roll, DAY);
            let event = ["login", "report", "share"][usize::try_from((account + day) % 3).unwrap()];
            let user = if day % 5 == 4 { String::new() } else { format!("u{}", day % 3) };
            writeln!(text, "{account:05},{user},{event},{},{}", iso(time), day % 7).unwrap();
        }
    }
    text
}

fn matrix() -> String {
    let mut text = "account_id,usage,plan,converted\n".to_owned();
    for account in 0..200 {
        let usage = dice(account, 7);
        let plan = ["basic", "pro", "team"][usize::try_from(account % 3).unwrap()];
        let converted = u8::from(dice(account, 8) < 0.2 + 0.5 * usage);
        writeln!(text, "m{account},{usage:.3},{plan},{converted}").unwrap();
    }
    text
}

/// Compresses as gzip.
pub(crate) fn gz(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Compresses as zstd.
pub(crate) fn zst(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

/// Returns the count and first place of a reason in the data-quality table.
#[track_caller]
pub(crate) fn counted(output: &str, reason: &str) -> (u64, String) {
    let line = output
        .lines()
        .find_map(|l| l.trim().strip_prefix(reason))
        .unwrap_or_else(|| panic!("no `{reason}` in: {output}"));
    let (count, place) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let count = count.replace(',', "");
    (count.parse().unwrap_or_else(|_| panic!("{line}")), place.trim().to_owned())
}
