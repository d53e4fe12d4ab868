//! Pipes: standard input as a source, Arrow IPC on both sides, and compressed outputs.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use polars::prelude::DataFrame;
use pql::io::read::read;

use crate::common::{csv_rows, root, text};
use crate::engines::python;
use crate::project::{Project, Run, gz, zst};

const PQL: &str = env!("CARGO_BIN_EXE_pql");

/// Runs `pql` in a project with data on standard input.
fn pql_with(project: &Project, args: &[&str], input: &[u8]) -> Run {
    let mut command = project.command(PQL, args);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The program may end before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Reads all rows of a file.
#[track_caller]
fn table(path: &Path) -> DataFrame {
    let mut table = DataFrame::default();
    read(path, None, &mut |_, batch| {
        table.vstack_mut(&batch).unwrap();
        Ok(())
    })
    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    table
}

#[test]
fn arrow_gives_the_rows_of_parquet() {
    let pages = root().join("tests/fixtures/pages");
    let names = "account_id user_id event timestamp minutes count flag price day context.plan context.seats";
    let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
    let rows = |file: &str| {
        let mut table = DataFrame::default();
        let read = read(&pages.join(file), Some(&names), &mut |_, batch| {
            table.vstack_mut(&batch).unwrap();
            Ok(())
        });
        assert_eq!(read.unwrap_or_else(|error| panic!("{file}: {error}")).rows, 120);
        table
    };
    let expected = rows("none.parquet");
    let files =
        ["stream", "stream-lz4", "stream-zstd", "texts"].map(|name| format!("{name}.arrows"));
    for file in files.iter().map(String::as_str).chain(["file.arrow", "file-zstd.arrow"]) {
        let found = rows(file);
        assert_eq!(found.schema(), expected.schema(), "{file}");
        assert!(found.equals_missing(&expected), "{file}: {found}, expected {expected}");
    }
    let lists = read(&pages.join("stream.arrows"), Some(&["tags".to_owned()]), &mut |_, _| Ok(()));
    let message = lists.unwrap_err().to_string();
    assert!(message.contains("column `tags`: found type List, expected text"), "{message}");
}

#[test]
fn further_types_of_arrow_are_read_as_those_of_parquet() {
    let folder = root().join("tests/fixtures/types");
    let names =
        "uuid seconds millis nanos amount whole bytes small single a.b deep.inner.code codes";
    let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
    let [arrow, parquet] = ["types.arrows", "types.parquet"].map(|file| {
        let mut table = DataFrame::default();
        read(&folder.join(file), Some(&names), &mut |_, batch| {
            table.vstack_mut(&batch).unwrap();
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{file}: {error}"));
        table
    });
    assert_eq!(arrow.schema(), parquet.schema());
    assert!(arrow.equals_missing(&parquet), "{arrow}, expected {parquet}");
}

#[test]
fn a_log_is_read_from_standard_input_in_every_format() {
    let project = Project::trial();
    let args = ["features", "-o", "-"];
    let expected = project.pql(&args).done().out;
    let events = project.text("events.csv");
    project.pql(&["ingest", "-o", "clean", "-q"]).done();
    let ndjson: String = csv_rows(&project.path("events.csv"))
        .iter()
        .map(|row| serde_json::to_string(row).unwrap() + "\n")
        .collect();
    project.write("events.ndjson", &ndjson);
    std::fs::remove_file(project.path("events.csv")).unwrap();
    project.replace("pql.toml", "\"events.csv\"", "\"-\"");
    let inputs: [(&str, Vec<u8>); 6] = [
        ("csv", events.clone().into_bytes()),
        ("semicolons", events.replace(',', ";").into_bytes()),
        ("gzip", gz(&events)),
        ("zstd", zst(&ndjson)),
        ("ndjson", format!("\n {ndjson}").into_bytes()),
        ("parquet", project.read("clean/events.parquet")),
    ];
    for (name, input) in inputs {
        let run = pql_with(&project, &args, &input).done();
        assert!(run.out == expected, "{name}: {}", run.err);
        assert!(run.err.contains("240 accounts"), "{name}: {}", run.err);
    }
    let accounts = project.read("accounts.csv");
    let set = ["--set", "events.0.path=events.ndjson", "--set", "accounts.path=-"];
    let run = pql_with(&project, &[&args[..], &set].concat(), &accounts).done();
    assert!(run.out == expected, "{}", run.err);
}

#[test]
fn standard_input_that_cannot_be_read_is_a_clear_error() {
    let project = Project::trial();
    project.replace("pql.toml", "\"events.csv\"", "\"-\"");
    let args = ["features", "-o", "-"];
    let fails = |input: &[u8], words: &[&str]| {
        pql_with(&project, &args, input).fails_with(3, words);
    };
    fails(b"", &["`-` is empty"]);
    fails(b"[{\"a\": 1}]", &["`-`, row 1", "expected one JSON object per line"]);
    let stream = std::fs::read(root().join("tests/fixtures/pages/stream.arrows")).unwrap();
    fails(&stream[..stream.len() - 8], &["`-`: the Arrow data is damaged: it is truncated"]);
    fails(&stream[..stream.len() - 100], &["it may be truncated"]);
    fails(&gz_bytes(&stream), &["`-`: found a compressed Parquet or Arrow file"]);
    let file = std::fs::read(root().join("tests/fixtures/pages/file.arrow")).unwrap();
    fails(&file[..file.len() - 1], &["it is truncated: it has no footer"]);
    fails(b"FEA1", &["found Feather version 1, expected version 2"]);
    fails(&[0xff; 64], &["bytes of metadata of a message, expected at most 56"]);
    let twice = [&args[..], &["--set", "accounts.path=-"]].concat();
    pql_with(&project, &twice, b"")
        .fails_with(2, &["expected at most one source from standard input"]);
}

fn gz_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn file_format_overrides_the_extension_and_the_first_bytes() {
    let project = Project::trial();
    let expected = project.features(&[]);
    std::fs::rename(project.path("events.csv"), project.path("events.log")).unwrap();
    project.replace("pql.toml", "\"events.csv\"", "\"events.log\"");
    project.pql(&["features", "-o", "-"]).fails_with(3, &["`events.log`: unknown file extension"]);
    let set = ["--set", "events.0.file_format=csv"];
    assert_eq!(project.features(&set), expected);
    project
        .pql(&["features", "-o", "-", "--set", "events.0.file_format=arrow"])
        .fails_with(3, &["`events.log`: the Arrow data is damaged"]);
    project
        .pql(&["features", "-o", "-", "--set", "events.0.file_format=xlsx"])
        .fails_with(2, &["found `xlsx`, expected one of `parquet`, `csv`, `ndjson`, `arrow`"]);
    // A folder of files without extensions.
    project.write("log/part-0", project.read("events.log"));
    let set = ["--set", "events.0.path=log", "--set", "events.0.file_format=csv"];
    assert_eq!(project.features(&set), expected);
}

#[test]
fn a_matrix_goes_through_pipes_in_every_format() {
    let project = Project::trained_matrix();
    let score = ["score", "m", "-o", "scores.csv", "--features"];
    project.pql(&[&score[..], &["matrix.csv"]].concat()).done();
    let expected = project.text("scores.csv");
    let matrix = project.read("matrix.csv");
    for input in [matrix.clone(), zst(&project.text("matrix.csv"))] {
        pql_with(&project, &[&score[..], &["-"]].concat(), &input).done();
        assert_eq!(project.text("scores.csv"), expected);
    }
    // Every row of the scores survives Arrow, whatever the chunks.
    for (path, format) in [("-", "arrow"), ("scores.arrows", "arrow"), ("scores.arrow", "arrow")] {
        let args = ["score", "m", "--features", "matrix.csv", "-o", path, "--format", format];
        let output = project.command(PQL, &args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = if path == "-" { output.stdout } else { project.read(path) };
        project.write("found.arrow", &bytes);
        project.pql(&["score", "m", "--features", "matrix.csv", "-o", "scores.parquet"]).done();
        let [found, parquet] =
            ["found.arrow", "scores.parquet"].map(|name| table(&project.path(name)));
        assert_eq!(found.schema(), parquet.schema());
        assert!(found.equals_missing(&parquet));
    }
}

#[test]
fn the_extension_of_an_output_compresses_it() {
    let project = Project::trained_matrix();
    let score = |path: &str| {
        project.pql(&["score", "m", "--features", "matrix.csv", "-o", path]).done();
        project.read(path)
    };
    let unpack = |bytes: &[u8], extension: &str| {
        let mut text = String::new();
        let mut reader: Box<dyn std::io::Read + '_> = match extension {
            "gz" => Box::new(flate2::read::GzDecoder::new(bytes)),
            _ => Box::new(zstd::Decoder::new(bytes).unwrap()),
        };
        reader.read_to_string(&mut text).unwrap();
        text
    };
    for name in ["scores.csv", "scores.ndjson", "scores.jsonl"] {
        let plain = String::from_utf8(score(name)).unwrap();
        for extension in ["gz", "zst"] {
            let packed = score(&format!("{name}.{extension}"));
            assert!(packed.len() < plain.len() / 2, "{name}.{extension}");
            assert_eq!(unpack(&packed, extension), plain, "{name}.{extension}");
            assert_eq!(score(&format!("{name}.{extension}")), packed, "the same bytes each time");
        }
    }
    for (args, path) in [
        (vec!["inspect", "m"], "i.json.gz"),
        (vec!["report", "m"], "page.html.zst"),
        (vec!["models", "list"], "list.csv.gz"),
        (vec!["export", "json", "m"], "m.json.gz"),
    ] {
        let extension = path.rsplit('.').next().unwrap();
        project.pql(&[&args[..], &["-o", path]].concat()).done();
        let plain = path.strip_suffix(&format!(".{extension}")).unwrap();
        project.pql(&[&args[..], &["-o", plain]].concat()).done();
        assert_eq!(unpack(&project.read(path), extension), project.text(plain), "{path}");
    }
    for path in ["scores.parquet.gz", "scores.arrow.zst"] {
        project.pql(&["score", "m", "--features", "matrix.csv", "-o", path]).fails_with(
            2,
            &["only text formats can be compressed", "hint: remove `.gz` or `.zst`"],
        );
        assert!(!project.path(path).exists());
    }
    let left: Vec<String> = project.names(".");
    assert!(left.iter().all(|name| !name.starts_with(".pql-")), "{left:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_copy_of_standard_input_is_private_and_removed() {
    let project = Project::trained_matrix();
    std::fs::create_dir(project.path("tmp")).unwrap();
    let args = ["score", "m", "--features", "-", "-o", "scores.csv"];
    let run = |input: &[u8]| {
        let mut command = project.command(PQL, &args);
        let mut child: Child = command
            .env("TMPDIR", project.path("tmp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        (child, stdin)
    };
    let matrix = project.read("matrix.csv");
    let (child, stdin) = run(&matrix);
    let copy = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        project.names("tmp").pop()
    });
    let copy = project.path("tmp").join(copy.expect("a copy of standard input"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&copy.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    drop(stdin);
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(project.names("tmp"), Vec::<String>::new());
    let (child, _stdin) = run(&matrix);
    while project.names("tmp").is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(128 + 15));
    assert_eq!(project.names("tmp"), Vec::<String>::new(), "a signal removes the copy");
    // What standard input is redirected from is an input.
    let mut command = project.command(PQL, &["score", "m", "--features", "-", "-o", "matrix.csv"]);
    let output =
        command.stdin(std::fs::File::open(project.path("matrix.csv")).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("refusing to overwrite an input file"), "{err}");
    assert_eq!(project.read("matrix.csv"), matrix);
}

/// Reads the trials of a folder with `DuckDB` and writes them to stdout as an Arrow stream.
const DUCKDB: &str = "
import duckdb, pyarrow as pa, sys
query = \"select * from read_csv('events.csv', types={'account_id': 'varchar'})\"
reader = duckdb.sql(query).to_arrow_reader(10_000)
with pa.ipc.new_stream(sys.stdout.buffer, reader.schema) as stream:
    for batch in reader:
        stream.write_batch(batch)
";

/// Reads an Arrow stream from stdin with pyarrow, and writes accounts and probabilities by `DuckDB`.
const PYARROW: &str = "
import duckdb, pyarrow as pa, sys
scores = pa.ipc.open_stream(sys.stdin.buffer).read_all()
assert scores.schema.field('cutoff').type == pa.timestamp('us', 'UTC'), scores.schema
assert scores.schema.field('probability').type == pa.float64(), scores.schema
for account, probability in duckdb.sql('select account_id, probability from scores order by 1').fetchall():
    print(f'{account},{probability!r}')
";

#[test]
#[ignore = "needs the engines of `make engines`"]
fn duckdb_pql_and_pyarrow_form_a_pipe() {
    let project = Project::trial();
    project.train(&[]).done();
    let scores = ["score", "t", "-c", "pql.toml", "--at", "2025-04-01", "--sort", "account"];
    let csv = project.pql(&[&scores[..], &["-o", "-"]].concat()).done().out;
    let expected: Vec<String> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| format!("{},{:?}", cells[0], cells[2].parse::<f64>().unwrap()))
        .collect();
    assert!(expected.len() > 10, "{csv}");
    let python = python();
    let mut duckdb =
        project.command(text(&python), &["-c", DUCKDB]).stdout(Stdio::piped()).spawn().unwrap();
    let args = ["--set", "events.0.path=-", "-o", "-", "--format", "arrow"];
    let mut pql = project
        .command(PQL, &[&scores[..], &args].concat())
        .stdin(duckdb.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pyarrow = project
        .command(text(&python), &["-c", PYARROW])
        .stdin(pql.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(duckdb.wait().unwrap().success() && pql.wait().unwrap().success());
    let found = String::from_utf8(pyarrow.stdout).unwrap();
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(&pyarrow.stderr));
}
