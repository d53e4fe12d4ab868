//! Missing, empty and damaged files are errors, and every supported format gives the same features.

use std::fs;

use crate::project::{Project, gz, zst};

const EVENTS: &str =
    "account_id,event,timestamp\na,login,2025-01-01T08:00:00Z\na,login,2025-01-02T08:00:00Z\n";

fn small(events: impl AsRef<[u8]>) -> Project {
    let project = Project::new();
    project.write("pql.toml", "[[events]]\npath = \"events.csv\"\n");
    project.write("events.csv", events);
    project
}

fn ingest(project: &Project, args: &[&str]) -> crate::project::Run {
    project.pql(&[&["ingest", "-o", "out"], args].concat())
}

#[test]
fn a_missing_file_is_reported() {
    let project = Project::trial();
    fs::remove_file(project.path("events.csv")).unwrap();
    project.train(&[]).fails_with(3, &["cannot read `events.csv`", "No such file"]);
    let project = Project::trial();
    fs::remove_file(project.path("accounts.csv")).unwrap();
    project.train(&[]).fails_with(3, &["cannot read `accounts.csv`", "No such file"]);
    let project = Project::matrix();
    project
        .train(&["--features", "absent.parquet"])
        .fails_with(3, &["cannot read `absent.parquet`", "No such file"]);
}

#[cfg(unix)]
#[test]
fn an_unreadable_file_is_reported() {
    let project = small(EVENTS);
    fs::remove_file(project.path("events.csv")).unwrap();
    std::os::unix::fs::symlink("events.csv", project.path("events.csv")).unwrap();
    ingest(&project, &[]).fails_with(3, &["cannot read `events.csv`", "symbolic links"]);
}

#[test]
fn an_empty_file_is_reported() {
    for nothing in ["", "\u{feff}", "\n\n", "account_id,event,timestamp\n"] {
        ingest(&small(nothing), &[]).fails_with(3, &["`events.csv` is empty: "]);
    }
    for (name, bytes) in [
        ("events.csv.gz", gz("")),
        ("events.csv.zst", zst("")),
        ("events.parquet", Vec::new()),
        ("e.ndjson", Vec::new()),
    ] {
        let project = small(EVENTS);
        project.write(name, bytes);
        ingest(&project, &["--set", &format!("events.0.path={name}")])
            .fails_with(3, &[&format!("`{name}` is empty")]);
    }
    let project = Project::trial();
    project.write("accounts.csv", "account_id,signed_up_at,industry\n");
    project.train(&[]).fails_with(3, &["`accounts.csv` is empty", "one row per account"]);
    let project = Project::matrix();
    project.write("matrix.csv", "account_id,usage,converted\n");
    project
        .train(&["--features", "matrix.csv"])
        .fails_with(3, &["`matrix.csv` is empty", "one row per observation"]);
}

#[test]
fn an_empty_folder_or_glob_is_reported() {
    let project = small(EVENTS);
    fs::create_dir(project.path("logs")).unwrap();
    project.write("logs/_part.csv", EVENTS);
    for path in ["logs", "logs/*.csv", "*.parquet"] {
        ingest(&project, &["--set", &format!("events.0.path={path}")])
            .fails_with(3, &[&format!("`{path}` is empty"), "`.parquet`, `.csv`"]);
    }
}

#[test]
fn a_row_with_too_few_or_too_many_fields_is_reported() {
    ingest(&small(format!("{EVENTS}a,login\n")), &[])
        .fails_with(3, &["`events.csv`, row 3", "found 2 fields, expected 3"]);
    ingest(&small(format!("{EVENTS}a,login,2025-01-03,x\n")), &[])
        .fails_with(3, &["`events.csv`, row 3", "found 4 fields, expected 3"]);
    let project = Project::trial();
    project.replace("accounts.csv", "00001,", "00001,,");
    project.train(&[]).fails_with(3, &["`accounts.csv`, row 2", "found 5 fields, expected 4"]);
    let project = Project::matrix();
    project.replace("matrix.csv", "\nm5,", "\nm5,1,");
    project
        .train(&["--features", "matrix.csv"])
        .fails_with(3, &["`matrix.csv`, row 6", "found 5 fields, expected 4"]);
}

#[test]
fn an_unclosed_quote_is_reported() {
    ingest(&small(format!("{EVENTS}a,\"login,2025-01-03\n")), &[])
        .fails_with(3, &["`events.csv`, row 3", "is a closing quote missing?"]);
}

#[test]
fn invalid_utf_8_is_reported() {
    let mut bytes = EVENTS.as_bytes().to_vec();
    bytes.extend(b"a,caf\xe9,2025-01-03T00:00:00Z\n");
    ingest(&small(bytes), &[]).fails_with(3, &["`events.csv`, row 3", "not UTF-8", "field 2"]);
    ingest(&small(b"\xff\xfea\0c\0"), &[])
        .fails_with(3, &["`events.csv`", "UTF-16", "expected UTF-8"]);
    let project = small(EVENTS);
    project.write("e.ndjson", b"{\"account_id\":\"a\",\"event\":\"caf\xe9\",\"timestamp\":1}\n");
    ingest(&project, &["--set", "events.0.path=e.ndjson"])
        .fails_with(3, &["`e.ndjson`, row 1", "UTF-8"]);
}

#[test]
fn two_columns_with_the_same_name_are_reported() {
    ingest(&small("account_id,event,timestamp,event\na,b,2025-01-01,c\n"), &[])
        .fails_with(3, &["`events.csv`", "found the column `event` twice"]);
}

#[test]
fn an_unknown_extension_error_lists_the_supported_ones() {
    let project = small(EVENTS);
    project.write("events.xlsx", "PK");
    ingest(&project, &["--set", "events.0.path=events.xlsx"])
        .fails_with(3, &["`events.xlsx`", "`.parquet`, `.csv`"]);
}

#[test]
fn a_line_that_is_not_json_is_reported() {
    let project = small(EVENTS);
    let line = "{\"account_id\":\"a\",\"event\":\"b\",\"timestamp\":\"2025-01-01\"}\n";
    project.write("e.ndjson", format!("{line}{{\"account_id\":\n"));
    ingest(&project, &["--set", "events.0.path=e.ndjson"]).fails_with(3, &["`e.ndjson`, row 2"]);
    project.write("e.ndjson", format!("{line}{}", line.replace("\"b\"", "[1]")));
    ingest(&project, &["--set", "events.0.path=e.ndjson"])
        .fails_with(3, &["`e.ndjson`, row 2, column `event`", "found `[1]`"]);
}

#[test]
fn a_damaged_or_foreign_file_is_reported() {
    let project = small(EVENTS);
    let packed = gz(&EVENTS.repeat(50));
    project.write("e.csv.gz", &packed[..packed.len() / 2]);
    ingest(&project, &["--set", "events.0.path=e.csv.gz"])
        .fails_with(3, &["`e.csv.gz`", "gzip data ends too early"]);
    project.write("e.csv.zst", "account_id,event,timestamp\n");
    ingest(&project, &["--set", "events.0.path=e.csv.zst"])
        .fails_with(3, &["`e.csv.zst`", "zstd data"]);
    project.write("e.parquet", EVENTS);
    ingest(&project, &["--set", "events.0.path=e.parquet"])
        .fails_with(3, &["`e.parquet`", "not a Parquet file"]);
    ingest(&project, &[]).done();
    let whole = project.read("out/events.parquet");
    project.write("e.parquet", &whole[..whole.len() - 9]);
    ingest(&project, &["--set", "events.0.path=e.parquet"])
        .fails_with(3, &["`e.parquet`", "truncated"]);
}

/// Returns the features of the trial log with its events in another file.
fn features_from(project: &Project, path: &str) -> String {
    project.features(&["--set", &format!("events.0.path={path}")])
}

#[test]
fn every_separator_gives_the_same_features() {
    let project = Project::trial();
    let (expected, text) = (project.features(&[]), project.text("events.csv"));
    assert!(expected.lines().count() > 200);
    for separator in [";", "\t", "|"] {
        project.write("other.csv", text.replace(',', separator));
        assert_eq!(features_from(&project, "other.csv"), expected, "{separator:?}");
    }
    project.write("other.tsv", text.replace(',', "\t"));
    assert_eq!(features_from(&project, "other.tsv"), expected);
    project.write("other.csv", format!("\u{feff}{}", text.replace('\n', "\r\n")));
    assert_eq!(features_from(&project, "other.csv"), expected, "byte order mark and CRLF");
}

#[test]
fn every_compression_and_format_gives_the_same_features() {
    let project = Project::trial();
    let (expected, text) = (project.features(&[]), project.text("events.csv"));
    let mut json = String::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let user =
            if cells[1].is_empty() { "null".to_owned() } else { format!("\"{}\"", cells[1]) };
        json += &format!(
            "{{\"account_id\":\"{}\",\"user_id\":{user},\"event\":\"{}\",\"timestamp\":\"{}\",\"minutes\":{}}}\n",
            cells[0], cells[2], cells[3], cells[4]
        );
    }
    for (name, bytes) in [
        ("e.csv.gz", gz(&text)),
        ("e.csv.zst", zst(&text)),
        ("e.ndjson", json.clone().into_bytes()),
        ("e.jsonl.gz", gz(&json)),
        ("e.json.zst", zst(&json)),
    ] {
        project.write(name, bytes);
        assert_eq!(features_from(&project, name), expected, "{name}");
    }
}

#[test]
fn a_glob_and_a_folder_give_the_same_features_as_one_file() {
    let project = Project::trial();
    let (expected, text) = (project.features(&[]), project.text("events.csv"));
    let (header, rows) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    for (part, rows) in rows.chunks(rows.len() / 3).enumerate() {
        let name = ["logs/a.csv", "logs/2025/b.csv.gz", "logs/2025/c.csv", "logs/d.csv"][part];
        let text = format!("{header}\n{}\n", rows.join("\n"));
        project.write(name, if part == 1 { gz(&text) } else { text.into_bytes() });
    }
    project.write("logs/_unfinished.csv", "nothing");
    project.write("logs/.hidden.csv", "nothing");
    project.write("logs/_tmp/e.csv", "nothing");
    project.write("logs/readme.md", "nothing");
    assert_eq!(features_from(&project, "logs"), expected);
    assert_eq!(features_from(&project, "logs/**/*.csv*"), expected);
    let (first, rest) = rows.split_at(100);
    project.write("first.csv", format!("{header}\n{}\n", first.join("\n")));
    project.write("rest.csv", format!("{header}\n{}\n", rest.join("\n")));
    let second = "events.1.path=first.csv";
    let two = project.features(&[
        "--set",
        "events.0.path=rest.csv",
        "--set",
        second,
        "--set",
        "events.1.values=[\"minutes\"]",
    ]);
    assert_eq!(two, expected, "two sources are read as one log, in any order");
}

#[test]
fn a_bad_value_in_one_of_many_files_is_reported_with_its_file() {
    let project = small(EVENTS);
    project.write("logs/a.csv", EVENTS);
    project.write("logs/b.csv", format!("{EVENTS}a,login,soon\n"));
    ingest(&project, &["--set", "events.0.path=logs"])
        .fails_with(3, &["`logs/b.csv`, row 3, column `timestamp`: found `soon`"]);
    project.write("logs/b.csv", "account_id,timestamp\na,2025-01-01\n");
    ingest(&project, &["--set", "events.0.path=logs"])
        .fails_with(3, &["`logs/b.csv`: missing column `event`"]);
}

#[test]
fn the_output_of_ingest_gives_the_same_features() {
    let project = Project::trial();
    let expected = project.features(&[]);
    project.pql(&["ingest", "-o", "clean"]).done();
    let again = [
        "--set",
        "events.0.path=clean/events.parquet",
        "--set",
        "accounts.path=clean/accounts.parquet",
    ];
    assert_eq!(project.features(&again), expected);
}

#[test]
fn an_input_file_is_never_overwritten() {
    let words = &["refusing to overwrite an input file", "choose another output file"];
    let project = Project::new();
    project.pql(&["simulate", "-o", ".", "--accounts", "400", "--seed", "1"]).done();
    let before = ["events.parquet", "accounts.parquet"].map(|name| project.read(name));
    project.pql(&["ingest", "-o", "."]).fails_with(2, words);
    project.pql(&["features", "-o", "accounts.parquet"]).fails_with(2, words);
    project
        .pql(&["features", "-o", "./events.parquet", "--set", "events.0.path=e*.parquet"])
        .fails_with(2, words);
    assert!(before == ["events.parquet", "accounts.parquet"].map(|name| project.read(name)));
    project.pql(&["ingest", "-o", "clean"]).done();
    project.pql(&["features", "-o", "features.parquet"]).done();
    project.pql(&["features", "-o", "features.parquet"]).done();

    let project = Project::trial();
    project.train(&[]).done();
    project.pql(&["score", "t", "-o", "events.csv"]).fails_with(2, words);
    project.pql(&["features", "-o", "features.csv"]).done();
    let project = Project::matrix();
    project.train(&["--features", "matrix.csv"]).done();
    let before = project.read("matrix.csv");
    project
        .pql(&["score", "t", "--features", "matrix.csv", "-o", "matrix.csv"])
        .fails_with(2, words);
    assert!(before == project.read("matrix.csv"));
}
