//! Damaged files are errors with an exit code, or are read: they never abort the program.
//!
//! `PQL_LONG=1` (`make mutants`) reads 20,000 mutants of each format instead of a few.

mod arrow;
mod damage;
mod parquet;
mod program;
mod thrift;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use arrow::ArrowParts;
use parquet::ParquetParts;
use polars::prelude::DataFrame;
use pql::config::Config;
use pql::io::read::read;
use pql::{Log, ReadOptions, Sink};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use thrift::Value;

use crate::common::root;
use crate::project::Project;

/// Folder of the mutants, for the process that reads them.
const FOLDER: &str = "PQL_MUTANTS";

/// Mutants that one process reads.
const BATCH: usize = 500;

/// Maximum memory of the process that reads them, in KB; the program itself takes a part.
const MAX_MEMORY: u64 = 400_000;

/// Returns the names of the columns that can be read: all but the lists.
fn columns() -> Vec<String> {
    "account_id user_id event timestamp minutes count flag price day context.plan context.seats"
        .split(' ')
        .map(str::to_owned)
        .collect()
}

/// Returns the files of a format, sorted.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extensions.iter().any(|other| extension == *other))
    };
    let folder = root().join("tests/fixtures/pages");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(is_one).collect();
    files.sort();
    files
}

/// Returns the Parquet files in parts, with their names.
fn originals() -> Vec<(String, ParquetParts)> {
    let files = files(&["parquet"]);
    let parts = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, ParquetParts::new(&fs::read(path).unwrap()))
    };
    files.iter().map(parts).collect()
}

#[test]
fn every_codec_page_version_and_encoding_gives_the_same_rows() {
    let mut tables = Vec::new();
    for (name, parts) in originals() {
        let project = Project::new();
        project.write("x.parquet", parts.write());
        let mut table = DataFrame::default();
        read(&project.path("x.parquet"), Some(&columns()), &mut |_, batch| {
            table.vstack_mut(&batch).unwrap();
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(table.shape(), (120, 11), "{name}");
        tables.push((name, table));
    }
    for (name, table) in &tables {
        assert!(table.equals_missing(&tables[0].1), "{name}");
    }
}

#[test]
fn damaged_parquet_files_never_abort_the_program() {
    let long = std::env::var_os("PQL_LONG").is_some();
    let count = if long { 20_000 } else { 400 };
    let originals = originals();
    let mut rng = ChaCha8Rng::seed_from_u64(18);
    let mut problems = Vec::new();
    for first in (0..count).step_by(BATCH) {
        let folder = tempfile::Builder::new().prefix("mutants").tempdir().unwrap();
        for index in first..count.min(first + BATCH) {
            let (name, parts) = &originals[index % originals.len()];
            let path = folder.path().join(format!("{index:05}-{name}.parquet"));
            fs::write(path, parts.mutant(&mut rng)).unwrap();
        }
        problems.extend(read_in_processes(folder.path()));
    }
    assert!(problems.is_empty(), "{} of {count}:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn damaged_arrow_data_never_abort_the_program() {
    let long = std::env::var_os("PQL_LONG").is_some();
    let count = if long { 20_000 } else { 400 };
    let originals: Vec<ArrowParts> = files(&["arrow", "arrows"])
        .iter()
        .map(|path| ArrowParts::new(&fs::read(path).unwrap()))
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let mut problems = Vec::new();
    for first in (0..count).step_by(BATCH) {
        let folder = tempfile::Builder::new().prefix("mutants").tempdir().unwrap();
        for index in first..count.min(first + BATCH) {
            let path = folder.path().join(format!("{index:05}.arrow"));
            fs::write(path, originals[index % originals.len()].mutant(&mut rng)).unwrap();
        }
        problems.extend(read_in_processes(folder.path()));
    }
    assert!(problems.is_empty(), "{} of {count}:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn large_damaged_arrow_data_take_at_most_four_times_their_size() {
    /// Memory that differs between runs, in bytes.
    const SLACK: u64 = 4_000_000;
    let base = peak_memory_of(&[0; 100], "arrow");
    for (name, bytes, message) in arrow::large() {
        let start = Instant::now();
        let memory = peak_memory_of(&bytes, "arrow");
        let seconds = start.elapsed().as_secs_f64();
        println!("{name}: {} bytes: {memory} KB (program: {base} KB), {seconds:.1} s", bytes.len());
        let limit = 4 * bytes.len() as u64 + SLACK;
        assert!(memory.saturating_sub(base) * 1_000 < limit, "{name}: {memory} KB");
        let project = Project::new();
        project.write("x.arrow", bytes);
        let error = read(&project.path("x.arrow"), None, &mut |_, _| Ok(())).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains(message), "{name}: {error}");
    }
}

/// Changes a footer.
type Lie = fn(&mut Value);

#[test]
fn a_footer_with_wrong_numbers_is_refused_by_the_program() {
    let none = |lie: Lie| {
        let mut parts = originals().into_iter().find(|(name, _)| name == "none").unwrap().1;
        lie(parts.footer());
        parts.write()
    };
    let lies: [(Lie, &str); 5] = [
        (
            |footer| *footer.integer(3).unwrap() = 1 << 62,
            "its row groups have 120 rows, expected 4,611,686,018,427,387,904",
        ),
        (
            |footer| *footer.list(4)[0].integer(3).unwrap() = 1 << 62,
            "4,611,686,018,427,387,904 rows in a row group, expected at most 134,217,728",
        ),
        (
            |footer| footer.list(4)[0].claim(1, (1 << 31) - 1),
            "found 2,147,483,647 elements of a list in the last",
        ),
        (
            |footer| footer.list(2)[1].claim(4, 1 << 40),
            "found 1,099,511,627,776 bytes of text in the last",
        ),
        (
            |footer| *footer.list(4)[1].list(1)[2].field(3).unwrap().integer(7).unwrap() = 1 << 50,
            "column 3 of a row group: found 1,125,899,906,842,624 bytes at position",
        ),
    ];
    for (lie, message) in lies {
        let project = Project::new();
        project.write("pql.toml", "[[events]]\npath = \"events.parquet\"\n");
        project.write("events.parquet", none(lie));
        let words = ["`events.parquet`: the Parquet file is damaged", message];
        project.pql(&["ingest", "-o", "out"]).fails_with(3, &words);
    }
}

#[test]
fn large_damaged_files_take_at_most_four_times_their_size() {
    const SIZE: usize = 1 << 26;
    let filled = |id: i16, element: Value| {
        let mut parts = originals().into_iter().find(|(name, _)| name == "none").unwrap().1;
        let mut bytes = Vec::new();
        element.write(&mut bytes);
        let elements = vec![element; SIZE / bytes.len()];
        *parts.footer().field(id).unwrap() = Value::List(12, elements, None);
        parts.write()
    };
    let name = (4, Value::Binary(b"x".to_vec(), None));
    let leaf = Value::Struct(vec![(1, Value::Integer(5, 6)), (3, Value::Integer(5, 1)), name]);
    let group = Value::Struct(vec![
        (1, Value::List(12, vec![Value::Struct(Vec::new()); 12], None)),
        (2, Value::Integer(6, 0)),
        (3, Value::Integer(6, 0)),
    ]);
    let pair = Value::Struct(vec![(1, Value::Binary(Vec::new(), None))]);
    let base = peak_memory_of(&[0; 100], "parquet");
    for bytes in [filled(2, leaf), filled(4, group), filled(5, pair)] {
        let start = Instant::now();
        let memory = peak_memory_of(&bytes, "parquet");
        let seconds = start.elapsed().as_secs_f64();
        println!("{} bytes: {memory} KB (program: {base} KB), {seconds:.1} s", bytes.len());
        assert!((memory - base) * 1_000 < 4 * bytes.len() as u64, "{memory} KB");
    }
}

/// Returns the peak memory of a process that reads a damaged file, in KB.
fn peak_memory_of(bytes: &[u8], extension: &str) -> u64 {
    let folder = tempfile::Builder::new().prefix("mutants").tempdir().unwrap();
    fs::write(folder.path().join("x").with_extension(extension), bytes).unwrap();
    assert_eq!(read_in_processes(folder.path()), Vec::<String>::new());
    fs::read_to_string(folder.path().join("memory")).unwrap().parse().unwrap()
}

/// Reads all mutants of a folder in a process of their own, and continues after each that ends it.
/// Returns the problems.
fn read_in_processes(folder: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    loop {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["mutants::read_mutants", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        if child.status.success() {
            return problems;
        }
        let current = fs::read_to_string(folder.join("current")).unwrap_or_default();
        let path = folder.join(&current);
        let message = String::from_utf8_lossy(&child.stderr);
        let message = message.lines().last().unwrap_or_default();
        problems.push(format!("{current}: signal {:?}: {message}", child.status.signal()));
        if let Some(kept) = std::env::var_os("PQL_KEEP") {
            fs::copy(&path, Path::new(&kept).join(&current)).unwrap();
        }
        fs::remove_file(&path).unwrap();
    }
}

/// Reads the mutants of a folder, each as a table and as a log; removes those that were read.
#[test]
#[ignore = "runs in a process of its own"]
fn read_mutants() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "parquet" || e == "arrow"))
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        fs::write(folder.join("current"), name).unwrap();
        // Large files have columns of their own.
        let columns = (!name.starts_with("x.")).then(columns);
        if let Err(error) = read(&file, columns.as_deref(), &mut |_, _| Ok(())) {
            assert_eq!(error.exit_code(), 3, "{error}");
        }
        let text = format!("[[events]]\npath = {name:?}\nvalues = [\"minutes\"]\n");
        let config = Config::parse(&text, &folder.join("pql.toml"), &[]).unwrap();
        let mut sink = Sink::silent();
        if let Err(error) = Log::read(&config, &ReadOptions::default(), &mut sink) {
            assert_eq!(error.exit_code(), 3, "{error}");
        }
        fs::remove_file(&file).unwrap();
        let memory = peak_memory();
        fs::write(folder.join("memory"), memory.to_string()).unwrap();
        assert!(memory < MAX_MEMORY, "{name}: {memory} KB");
    }
}

/// Returns the peak memory of this process, in KB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}
