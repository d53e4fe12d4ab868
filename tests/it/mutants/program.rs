//! The program reads damaged files of every format, each in a process of its own.
//!
//! `PQL_PROGRAM` names another build of the program, such as an optimized one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use polars::prelude::{Column, DataFrame, IpcStreamWriter, ParquetWriter, SerWriter as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::arrow::ArrowParts;
use super::damage;
use super::parquet::ParquetParts;
use crate::common::print_figure;
use crate::project::Project;

/// Seconds after which a run has failed.
const TIME_LIMIT: u64 = 20;

/// Memory of a run, in KB of address space: beyond it, an allocation by a wrong number aborts.
const ADDRESS_SPACE: &str = "6000000";

/// A kind of damaged file.
#[derive(Debug, Clone, Copy)]
enum Format {
    Parquet,
    Arrow,
    Csv,
    Ndjson,
    Gzip,
    Zstd,
    Config,
    Model,
}

impl Format {
    const ALL: [Self; 8] = [
        Self::Parquet,
        Self::Arrow,
        Self::Csv,
        Self::Ndjson,
        Self::Gzip,
        Self::Zstd,
        Self::Config,
        Self::Model,
    ];

    /// Returns the name of a damaged file.
    fn file(self) -> &'static str {
        match self {
            Self::Parquet => "x.parquet",
            Self::Arrow => "x.arrows",
            Self::Csv => "x.csv",
            Self::Ndjson => "x.ndjson",
            Self::Gzip => "x.csv.gz",
            Self::Zstd => "x.ndjson.zst",
            Self::Config => "x.toml",
            Self::Model => "x.pql",
        }
    }

    /// Returns the exit codes that a damaged file may have.
    fn exit_codes(self) -> &'static [i32] {
        match self {
            Self::Config => &[0, 2, 3],
            Self::Model => &[0, 3, 4],
            _ => &[0, 3],
        }
    }
}

/// How a file is read: as a log of events, or as a feature matrix. Project files and model files
/// have two commands as well.
#[derive(Debug, Clone, Copy)]
enum Reading {
    Log,
    Matrix,
}

/// The valid files.
struct Originals {
    /// Events and a feature matrix.
    csv: [String; 2],
    ndjson: [String; 2],
    parquet: [ParquetParts; 2],
    arrow: [ArrowParts; 2],
    config: String,
    model: Vec<u8>,
}

/// Returns some lines of a CSV file, and the same rows as NDJSON.
fn rows(text: &str) -> [String; 2] {
    let lines: Vec<&str> = text.lines().take(60).collect();
    let names: Vec<&str> = lines[0].split(',').collect();
    let mut objects = String::new();
    for line in &lines[1..] {
        let pairs = names.iter().zip(line.split(','));
        let pairs: Vec<String> =
            pairs.map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        objects += &format!("{{{}}}\n", pairs.join(","));
    }
    [lines.join("\n") + "\n", objects]
}

/// Returns rows of CSV as a table.
fn table(text: &str) -> DataFrame {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    let column = |index: usize| {
        let values: Vec<&str> = rows.iter().map(|row| row[index]).collect();
        Column::new(names[index].into(), values)
    };
    DataFrame::new(rows.len(), (0..names.len()).map(column).collect()).unwrap()
}

/// Returns rows of CSV as Parquet.
fn parquet(text: &str) -> ParquetParts {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut table(text)).unwrap();
    ParquetParts::new(&bytes)
}

/// Returns rows of CSV as an Arrow stream.
fn arrow(text: &str) -> ArrowParts {
    let mut bytes = Vec::new();
    IpcStreamWriter::new(&mut bytes).finish(&mut table(text)).unwrap();
    ArrowParts::new(&bytes)
}

/// Settings of every section, so that each is damaged.
const SETTINGS: &str = "\
[input]
timezone = \"Europe/Berlin\"
null = [\"NA\", \"-\"]
max_line = \"1MB\"

[roles]
login = [\"login\"]
invite = [\"share\"]

[design]
spline = 3
rare = 0.05
categorical = [\"industry\"]

[model]
penalty = \"l2\"
test_size = 0.2

[qualify]
by = \"either\"

[alerts]
within = \"7d\"

[[definition]]
name = \"team\"
type = \"criteria\"
all = [{ users = 2 }, { any = [{ event = \"share\", at_least = 2 }, { active_days = 5 }] }]
within = \"14d\"
";

impl Originals {
    /// Returns files of a project, to which it adds a model for the feature matrix and short files.
    fn new(project: &Project) -> Self {
        project.write("matrix.csv", Project::matrix().text("matrix.csv"));
        project.write("matrix.toml", crate::project::PLAIN);
        let train = ["train", "-c", "matrix.toml", "--name", "m", "--features", "matrix.csv"];
        project.pql(&train).done();
        let [events, matrix] = ["events.csv", "matrix.csv"].map(|name| rows(&project.text(name)));
        project.write("short.csv", &events[0]);
        let config = project.text("pql.toml").replace("events.csv", "short.csv") + SETTINGS;
        Self {
            parquet: [parquet(&events[0]), parquet(&matrix[0])],
            arrow: [arrow(&events[0]), arrow(&matrix[0])],
            config,
            model: project.read("models/m/0001/model.pql"),
            csv: [events[0].clone(), matrix[0].clone()],
            ndjson: [events[1].clone(), matrix[1].clone()],
        }
    }

    fn mutant(&self, format: Format, reading: Reading, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let index = reading as usize;
        match format {
            Format::Parquet => self.parquet[index].mutant(rng),
            Format::Arrow => self.arrow[index].mutant(rng),
            Format::Csv => damage::text(&self.csv[index], &[','], rng),
            Format::Ndjson => damage::text(&self.ndjson[index], &[',', ':', '{', '}'], rng),
            Format::Gzip => damage::compressed(&self.csv[index], "gz", rng),
            Format::Zstd => damage::compressed(&self.ndjson[index], "zst", rng),
            Format::Config => damage::text(&self.config, &['=', ',', '[', ']', '{', '}'], rng),
            Format::Model => damage::model(&self.model, rng),
        }
    }
}

/// Returns the arguments of a command that reads the damaged file.
fn arguments(format: Format, reading: Reading) -> Vec<&'static str> {
    let file = format.file();
    match (format, reading) {
        (Format::Config, Reading::Log) => vec!["features", "-c", file, "-o", "out.csv"],
        (Format::Config, Reading::Matrix) => vec!["funnel", "-c", file, "-o", "out.csv"],
        (Format::Model, Reading::Log) => vec!["inspect", file],
        (Format::Model, Reading::Matrix) => {
            vec![
                "score",
                file,
                "-c",
                "matrix.toml",
                "--features",
                "short-matrix.csv",
                "-o",
                "out.csv",
            ]
        }
        (_, Reading::Log) => vec!["ingest", "-c", "events.toml", "-o", "out"],
        (_, Reading::Matrix) => {
            vec!["score", "m", "-c", "matrix.toml", "--features", file, "-o", "out.csv"]
        }
    }
}

/// What the runs of a format ended with.
#[derive(Default)]
struct Tally {
    codes: BTreeMap<i32, usize>,
    slowest: Duration,
    problems: Vec<String>,
}

impl Tally {
    fn record(
        &mut self,
        format: Format,
        mutant: usize,
        (status, time): (Option<ExitStatus>, Duration),
        message: &str,
    ) {
        self.slowest = self.slowest.max(time);
        let code = status.and_then(|status| status.code());
        *self.codes.entry(code.unwrap_or(-1)).or_default() += 1;
        let is_expected = code.is_some_and(|code| format.exit_codes().contains(&code));
        if !is_expected || message.contains("panicked") {
            let last = message.lines().last().unwrap_or_default();
            self.problems.push(format!("{format:?} {mutant}: {status:?}, {last}"));
        }
    }
}

/// A folder in which one thread runs the program.
struct Worker {
    project: Project,
    program: OsString,
    originals: Originals,
}

impl Worker {
    fn new(format: Format) -> Self {
        let project = Project::trial();
        let originals = Originals::new(&project);
        project.write("short-matrix.csv", &originals.csv[1]);
        let settings =
            format!("[[events]]\npath = \"{}\"\nvalues = [\"minutes\"]\n", format.file());
        project.write("events.toml", settings);
        let program = std::env::var_os("PQL_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_pql").into());
        Self { project, program, originals }
    }

    fn run(&self, format: Format, mutant: usize, tally: &Mutex<Tally>) {
        let mut rng = ChaCha8Rng::seed_from_u64(mutant as u64);
        let reading = if rng.random() { Reading::Log } else { Reading::Matrix };
        let bytes = self.originals.mutant(format, reading, &mut rng);
        self.project.write(format.file(), &bytes);
        let script = format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"");
        let start = Instant::now();
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(&self.program)
            .args(arguments(format, reading))
            .current_dir(self.project.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.project.path("stderr")).unwrap())
            .spawn()
            .unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if start.elapsed() > Duration::from_secs(TIME_LIMIT) {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            thread::sleep(Duration::from_millis(1));
        };
        let time = start.elapsed();
        let message = String::from_utf8_lossy(&self.project.read("stderr")).into_owned();
        let mut tally = tally.lock().unwrap();
        let before = tally.problems.len();
        tally.record(format, mutant, (status, time), &message);
        if tally.problems.len() > before
            && let Some(kept) = std::env::var_os("PQL_KEEP")
        {
            let name = format!("{mutant:05}-{}", format.file());
            fs::write(Path::new(&kept).join(name), bytes).unwrap();
        }
    }
}

/// Runs the program on damaged files of a format, on all cores.
fn run_all(format: Format, count: usize) -> Tally {
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let worker = Worker::new(format);
                loop {
                    let mutant = next.fetch_add(1, Ordering::Relaxed);
                    if mutant >= count {
                        break;
                    }
                    worker.run(format, mutant, &tally);
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

#[test]
fn the_program_reads_or_refuses_damaged_files_of_every_format() {
    let is_long = std::env::var_os("PQL_LONG").is_some();
    let count = if is_long { 20_000 } else { 40 };
    let mut problems = Vec::new();
    for format in Format::ALL {
        let tally = run_all(format, count);
        print_figure(&format!(
            "{format:?}: {count} mutants, exit codes {:?}, {} problems, slowest {:.2} s",
            tally.codes,
            tally.problems.len(),
            tally.slowest.as_secs_f64()
        ));
        problems.extend(tally.problems);
    }
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
}
