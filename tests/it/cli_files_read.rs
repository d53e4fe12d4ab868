//! Which files of a source are read, and how: unknown formats, pipes, separators, repeated names
//! and repeated rows.

use std::fmt::Write as _;

use pql::MatrixConfig;
use pql::dataset::matrix;
use pql::log::{ColumnTypes, ValueKind};

use crate::project::{PLAIN, Project};

const HEADER: &str = "account_id,event,timestamp\n";

/// Returns the number of events that `pql ingest` keeps, and what it prints.
#[track_caller]
fn ingest(project: &Project) -> (u64, String) {
    let run = project.pql(&["ingest", "-o", "out"]).done();
    let kept = run.err.lines().find(|line| line.trim_start().starts_with("kept")).unwrap();
    (kept.split_whitespace().last().unwrap().replace(',', "").parse().unwrap(), run.err)
}

fn log(path: &str) -> Project {
    let project = Project::new();
    project.write("pql.toml", format!("[[events]]\npath = \"{path}\"\n"));
    project
}

#[test]
fn files_in_other_formats_are_counted_and_named() {
    let project = log("e");
    project.write("e/1.csv", format!("{HEADER}a,login,2025-01-01T10:00:00Z\n"));
    for name in ["e/_SUCCESS", "e/.part.crc", "e/_old/2.csv"] {
        project.write(name, "x");
    }
    let (_, err) = ingest(&project);
    assert!(!err.contains("not read"), "markers and hidden files are no data: {err}");
    project.write("e/2.csv.bz2", "BZh9");
    project.write("e/more/3.xlsx", "PK");
    for path in ["e", "e/**/*"] {
        project.write("pql.toml", format!("[[events]]\npath = \"{path}\"\n"));
        let (_, err) = ingest(&project);
        for words in
            ["files not read", "2 of 3 files are not read (the first is `2.csv.bz2`), so rows"]
        {
            assert!(err.contains(words), "{path}: `{words}` is not in {err}");
        }
    }
    project.write("pql.toml", "[[events]]\npath = \"e/1*\"\n");
    assert!(!ingest(&project).1.contains("not read"));
}

#[test]
fn a_training_shows_which_files_are_not_read() {
    let project = Project::trial();
    let events = project.read("events.csv");
    project.write("e/1.csv", events);
    project.write("e/2.csv.bz2", "BZh9");
    let run = project.pql(&["train", "--name", "t", "--set", "events.0.path=e"]).done();
    run.stderr_has(&["warning: `e`: 1 of 2 files is not read (the first is `2.csv.bz2`)"]);
}

#[cfg(unix)]
#[test]
fn named_pipes_and_devices_are_refused_at_once() {
    let project = Project::matrix();
    let pipe = project.path("m.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/null", project.path("null.csv")).unwrap();
    let hint = "hint: use `-` as the path and pipe the data into pql";
    project
        .train(&["--features", "m.csv"])
        .fails_with(2, &["`m.csv`: found a pipe, expected a file", hint]);
    project.train(&["--features", "null.csv"]).fails_with(2, &["found a device", hint]);
    project.pql(&["init", "--events", "m.csv", "-o", "-"]).fails_with(2, &["found a pipe", hint]);
    project.write("pql.toml", "[[events]]\npath = \"m.csv\"\n");
    project.pql(&["ingest", "-o", "out"]).fails_with(2, &["found a pipe", hint]);
    project.write("e/1.csv", format!("{HEADER}a,login,2025-01-01T10:00:00Z\n"));
    std::fs::rename(&pipe, project.path("e/2.csv")).unwrap();
    project.write("pql.toml", "[[events]]\npath = \"e\"\n");
    let (kept, err) = ingest(&project);
    assert_eq!(kept, 1);
    assert!(err.contains("1 of 2 files is not read (the first is `2.csv`)"), "{err}");
}

#[test]
fn each_file_has_its_own_separator() {
    let project = log("e");
    project.write("e/1.csv", "sep=;\naccount_id;event;timestamp\na;log,in;2025-01-01\n");
    project
        .write("e/2.csv", "\u{feff}\"SEP=|\"\r\naccount_id|event|timestamp\r\na|x|2025-01-01\r\n");
    project.write("e/3.tsv", "account_id\tevent\ttimestamp\na\tx;y\t2025-01-01\n");
    // The header has more commas than semicolons, but the rows do not.
    project.write("e/4.csv", "account_id;event;timestamp;a,b,c,d,e\nb;x;2025-01-02;\n");
    project.write("e/5.csv", "sep=x\naccount_idxeventxtimestamp\ncxlogxin\n");
    project
        .pql(&["ingest", "-o", "out"])
        .fails_with(3, &["5.csv`, row 1, column `timestamp`: found `in`"]);
    project.write("e/5.csv", "sep=x\naccount_idxeventxtimestamp\ncxlogx2025-01-03\n");
    assert_eq!(ingest(&project).0, 5);
}

#[test]
fn repeated_column_names_matter_only_where_they_are_used() {
    let project = log("e.csv");
    project.write("e.csv", "account_id,event,timestamp,note,note,,\na,x,2025-01-01,1,2,,\n");
    assert_eq!(ingest(&project).0, 1);
    project
        .pql(&["ingest", "-o", "out", "--set", "events.0.user=note"])
        .fails_with(3, &["`e.csv`: found the column `note` twice"]);
    let project = Project::matrix();
    let nameless: Vec<String> =
        project.text("matrix.csv").lines().map(|l| format!("{l},,")).collect();
    project.write("nameless.csv", nameless.join("\n"));
    project.pql(&["train", "--name", "m", "--features", "nameless.csv"]).done();
    let twice: Vec<String> =
        project.text("matrix.csv").lines().map(|l| format!("{l},{l}")).collect();
    project.write("twice.csv", twice.join("\n"));
    project.train(&["--features", "twice.csv"]).fails_with(3, &["twice, expected one column"]);
}

#[test]
fn files_of_a_matrix_are_joined_by_column_name() {
    let project = Project::new();
    project.write("pql.toml", PLAIN);
    let row = |i: u32| (i, i * 7 % 11, i * 5 % 13, u32::from(i * i % 3 == 1));
    let mut whole = String::from("account_id,x,z,converted\n");
    let (mut first, mut second) = (whole.clone(), String::from("z;converted;account_id;x\n"));
    for (i, x, z, y) in (1..=240).map(row) {
        writeln!(whole, "{i},{x},{z},{y}").unwrap();
        if i <= 120 {
            writeln!(first, "{i},{x},{z},{y}").unwrap();
        } else {
            writeln!(second, "{z};{y};{i};{x}").unwrap();
        }
    }
    project.write("whole.csv", whole);
    project.write("parts/1.csv", first);
    project.write("parts/2.csv", second);
    let score = |data: &str, name: &str| {
        let train = project.pql(&["train", "--name", name, "--features", data]).done();
        let scores = project.pql(&["score", name, "--features", data, "-o", "-"]).done().out;
        (train.err, scores.replace(&format!("{name}/"), ""))
    };
    assert_eq!(score("whole.csv", "w").1, score("parts", "p").1);
    let mut third = String::from("account_id,x,z,w,converted\n");
    for (i, x, z, y) in (241..=300).map(row) {
        writeln!(third, "{i},{x},{z},{},{y}", i % 4).unwrap();
    }
    project.write("parts/3.csv", third);
    let (err, _) = score("parts", "q");
    assert!(
        err.contains("warning: `parts`: 2 of 3 files lack the column `w` (the first is `1.csv`)"),
        "{err}"
    );
}

#[test]
fn sources_with_the_same_columns_share_their_ids() {
    let project = Project::new();
    let sources =
        |second: &str| format!("[[events]]\npath = \"1.csv\"\n[[events]]\npath = \"{second}\"\n");
    let header = "message_id,account_id,event,timestamp\n";
    project.write("1.csv", format!("{header}1,a,login,2025-01-01\n2,a,view,2025-01-02\n"));
    project.write("2.csv", format!("{header}2,a,view,2025-01-02\n3,a,view,2025-01-03\n"));
    project.write(
        "other.csv",
        "message_id,account_id,event,timestamp,page\n2,a,pay,2025-01-02,x\n3,a,pay,2025-01-03,y\n",
    );
    for (second, events) in [("2.csv", 3), ("other.csv", 4)] {
        project.write("pql.toml", sources(second));
        let run = project.pql(&["ingest", "-o", "out"]).done();
        run.stderr_has(&[&format!("Read {events} events of 1 account")]);
    }
}

#[test]
fn sources_of_different_events_have_their_own_ids() {
    let project = Project::new();
    let header = "message_id,account_id,name,timestamp\n";
    project.write("1.csv", format!("{header}1,a,x,2025-01-01\n2,a,y,2025-01-02\n"));
    project.write("2.csv", format!("{header}1,a,y,2025-01-02\n2,a,x,2025-01-03\n"));
    let source = |file: u8, key: &str| format!("[[events]]\npath = \"{file}.csv\"\n{key}\n");
    for (first, second, events) in [
        ("event_name = \"export\"", "event_name = \"invite\"", 4),
        ("event_name = \"export\"", "event_name = \"export\"", 2),
        ("event = \"name\"", "event_name = \"name\"", 4),
    ] {
        project.write("pql.toml", source(1, first) + &source(2, second));
        let run = project.pql(&["ingest", "-o", "out"]).done();
        run.stderr_has(&[&format!("Read {events} events of 1 account")]);
    }
}

#[test]
fn repeated_rows_are_reported_from_one_percent() {
    let project = log("e.csv");
    let log = |repeats: u32, column: &str| {
        let mut text = HEADER.to_owned();
        text.insert_str(text.len() - 1, column);
        let ends = |i: u32| if column.is_empty() { String::new() } else { format!(",{i}") };
        for i in 0..1_000 {
            let time = format!("2025-01-{:02}T10:{:02}:{:02}Z", 1 + i / 100, i % 60, i % 59);
            writeln!(text, "a{},e,{time}{}", i % 7, ends(i)).unwrap();
            if i < repeats {
                writeln!(text, "a{},e,{time}{}", i % 7, ends(i + 5_000)).unwrap();
            }
        }
        text
    };
    let warning = "repeat another one in every column";
    project.write("e.csv", log(5, ""));
    assert!(!ingest(&project).1.contains(warning), "half a percent");
    project.write("e.csv", log(20, ""));
    let (_, err) = ingest(&project);
    assert!(err.contains("`e.csv`: 20 of 1,020 events (2%) repeat another one"), "{err}");
    project.write("e.csv", log(20, ",message_id"));
    assert!(!ingest(&project).1.contains(warning), "events with ids are no repeats");
}

#[test]
fn an_error_in_a_matrix_of_several_files_names_the_file_and_its_row() {
    let project = Project::new();
    project.write("m/1.csv", "cutoff,x,converted\n2025-01-15,1,1\n2025-01-16,2,0\n");
    let types = ColumnTypes {
        kinds: [("x".to_owned(), ValueKind::Number)].into(),
        ..ColumnTypes::default()
    };
    for (second, words) in [
        ("2025-01-17,1,1\n2025-01-18,many,0\n", "2.csv`, row 2, column `x`: found `many`"),
        ("2025-01-17,1,1\n,2,0\n", "2.csv`, row 2, column `cutoff`: found ``"),
        ("2025-01-17,1,1\n12345,2,0\n", "2.csv`, row 2, column `cutoff`: found `12345"),
    ] {
        project.write("m/2.csv", format!("cutoff,x,converted\n{second}"));
        let found = matrix::read(&project.path("m"), &MatrixConfig::default(), &types);
        let message = found.unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn every_command_with_a_matrix_warns_of_its_files() {
    let project = Project::trained_matrix();
    let rows = project.text("matrix.csv");
    project.write("m/1.csv", rows.clone());
    project.write("m/2.csv.bz2", "x");
    for args in [
        &["monitor", "m"][..],
        &["monitor", "m", "--outcomes"],
        &["explain", "m", "1"],
        &["evaluate", "m"],
        &["score", "m", "-o", "-"],
        &["train", "--name", "n"],
    ] {
        let run = project.pql(&[args, &["--features", "m"]].concat());
        run.stderr_has(&["`2.csv.bz2`"]);
    }
}
