//! Sources of several files, values inside JSON and structs, and columns from folder names.

use polars::prelude::*;
use pql::time::iso;

use crate::common::root;
use crate::project::{Project, Run, counted, gz, zst};

/// Ten events like `nested.parquet`, as NDJSON: one row has no properties and one has no account.
fn nested() -> String {
    (0..10)
        .map(|i| {
            let (time, account) = (1_735_725_600 + 86_400 * i, format!("a{}", i % 3));
            let who = if i == 4 { "null".into() } else { format!("{{\"id\":\"{account}\"}}") };
            let minutes = if i == 5 { "null".into() } else { format!("{}", f64::from(i) + 0.5) };
            let inside =
                format!("{{\"time\":{time},\"who\":{who},\"minutes\":{minutes},\"tags\":[\"x\"]}}");
            let properties = if i == 3 { "null".into() } else { inside };
            format!("{{\"properties\":{properties},\"event\":\"e{}\"}}\n", i % 2)
        })
        .collect::<Vec<_>>()
        .concat()
}

/// The same events as CSV, with the properties as a text.
fn as_csv(ndjson: &str) -> String {
    let mut csv = "properties,event\n".to_owned();
    for line in ndjson.lines() {
        let (properties, event) = line
            .strip_prefix("{\"properties\":")
            .and_then(|rest| rest.rsplit_once(",\"event\":"))
            .unwrap();
        let properties = if properties == "null" { "" } else { properties };
        let event = event.trim_matches(['"', '}']);
        csv += &format!("\"{}\",{event}\n", properties.replace('"', "\"\""));
    }
    csv
}

/// Returns a table that pql wrote as CSV lines, sorted.
fn csv_lines(project: &Project, name: &str) -> Vec<String> {
    let file = std::fs::File::open(project.path(name)).unwrap();
    let table = ParquetReader::new(file).finish().unwrap();
    let cell = |column: &Column, row: usize| match column.dtype() {
        DataType::String => column.str().unwrap().get(row).unwrap_or_default().to_owned(),
        DataType::Float64 => {
            column.f64().unwrap().get(row).map_or(String::new(), |v| format!("{v:?}"))
        }
        _ => column.datetime().unwrap().phys.get(row).map_or(String::new(), iso),
    };
    let line =
        |row| table.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(",");
    let mut lines: Vec<String> = (0..table.height()).map(line).collect();
    lines.sort();
    lines
}

/// Ingests sources and returns the events as CSV lines, and the run.
#[track_caller]
fn ingested(project: &Project) -> (Vec<String>, Run) {
    let run = project.pql(&["ingest", "-o", "out"]).done();
    (csv_lines(project, "out/events.parquet"), run)
}

const NESTED_KEYS: &str = "\
account = \"properties.who.id\"
timestamp = \"properties.time\"
values = [\"properties.minutes\"]
";

#[test]
fn a_dotted_name_reads_the_same_values_in_every_format() {
    let text = nested();
    let project = Project::new();
    project.write("n.ndjson", &text);
    project.write("n.json.gz", gz(&text));
    project.write("n.jsonl.zst", zst(&text));
    project.write("n.csv", as_csv(&text));
    let texts: Vec<Option<String>> = text
        .lines()
        .map(|line| line["{\"properties\":".len()..].rsplit_once(",\"event\"").unwrap().0)
        .map(|json| (json != "null").then(|| json.to_owned()))
        .collect();
    let names: Vec<String> = (0..10).map(|i| format!("e{}", i % 2)).collect();
    let columns = vec![Column::new("properties".into(), texts), Column::new("event".into(), names)];
    project.parquet("text.parquet", DataFrame::new(10, columns).unwrap());
    let fixture = root().join("tests/fixtures/warehouse/nested.parquet");
    project.write("struct.parquet", std::fs::read(fixture).unwrap());
    let mut first = None;
    for file in ["n.ndjson", "n.json.gz", "n.jsonl.zst", "n.csv", "text.parquet", "struct.parquet"]
    {
        project.write("pql.toml", format!("[[events]]\npath = \"{file}\"\n{NESTED_KEYS}"));
        let (events, run) = ingested(&project);
        assert_eq!(events.len(), 8, "{file}: {events:?}");
        assert_eq!(events[0], "a0,,e0,2025-01-01T10:00:00Z,0.5", "{file}");
        assert_eq!(events[6], "a2,,e0,2025-01-09T10:00:00Z,8.5", "{file}");
        assert!(
            events.contains(&"a2,,e1,2025-01-06T10:00:00Z,".to_owned()),
            "{file}: a value is missing in row 6: {events:?}"
        );
        assert!(!run.err.contains("warning"), "{file}: {}", run.err);
        assert_eq!(*first.get_or_insert_with(|| events.clone()), events, "{file}");
    }
}

#[test]
fn a_key_with_dots_wins_over_a_path() {
    let project = Project::new();
    project.write(
        "pql.toml",
        "[[events]]\npath = \"e.ndjson\"\naccount = \"a.id\"\nevent = \"a.b.name\"\n",
    );
    project.write(
        "e.ndjson",
        "{\"a\":{\"id\":\"inner\",\"b\":{\"name\":\"x\"}},\"a.id\":\"outer\",\"timestamp\":\"2025-01-01\"}\n\
         {\"a.id\":\"outer\",\"a\":{\"id\":\"inner\",\"b.name\":\"y\"},\"timestamp\":\"2025-01-02\"}\n\
         {\"a\":{\"id\":\"inner\"},\"a.b\":{\"name\":\"z\"},\"timestamp\":\"2025-01-03\"}\n\
         {\"a\":\"{\\\"id\\\":\\\"text\\\",\\\"b\\\":{\\\"name\\\":\\\"x\\\"}}\",\"timestamp\":\"2025-01-04\"}\n",
    );
    let (events, _) = ingested(&project);
    assert_eq!(
        events,
        [
            "inner,,z,2025-01-03T00:00:00Z",
            "outer,,x,2025-01-01T00:00:00Z",
            "outer,,y,2025-01-02T00:00:00Z",
            "text,,x,2025-01-04T00:00:00Z",
        ]
    );
}

#[test]
fn lists_of_records_with_key_and_value_are_read_like_objects() {
    let project = Project::new();
    project.write(
        "pql.toml",
        "[[events]]\npath = \"e.ndjson\"\naccount = \"params.org\"\nvalues = [\"params.pages\"]\n",
    );
    let param = |key: &str, value: &str| format!("{{\"key\":\"{key}\",\"value\":{value}}}");
    let org = param("org", "{\"string_value\":\"acme\",\"int_value\":null}");
    let pages = param("pages", "{\"int_value\":\"12\"}");
    let plain = param("org", "\"beta\"");
    project.write(
        "e.ndjson",
        format!(
            "{{\"params\":[{pages},{org}],\"event\":\"view\",\"timestamp\":1735725600}}\n\
             {{\"params\":[{plain}],\"event\":\"view\",\"timestamp\":1735725600}}\n"
        ),
    );
    let (events, _) = ingested(&project);
    assert_eq!(
        events,
        ["acme,,view,2025-01-01T10:00:00Z,12.0", "beta,,view,2025-01-01T10:00:00Z,"]
    );
}

#[test]
fn dotted_names_work_for_accounts_and_daily_tables() {
    let project = Project::new();
    project.write(
        "pql.toml",
        "[[events]]\npath = \"d.ndjson\"\naccount = \"who.id\"\ntimestamp = \"day.at\"\n\
         unpivot = [\"counts.logins\", \"counts.exports\"]\n\
         [accounts]\npath = \"a.ndjson\"\naccount = \"org.id\"\nsigned_up = \"org.made.at\"\n\
         converted = \"billing.paid_at\"\nattributes = [\"org.plan\"]\n",
    );
    project.write(
        "d.ndjson",
        "{\"who\":{\"id\":7},\"day\":{\"at\":\"2025-01-02\"},\"counts\":{\"logins\":2,\"exports\":0}}\n\
         {\"who\":{\"id\":7},\"day\":{\"at\":\"2025-01-09\"},\"counts\":{\"logins\":1,\"exports\":5}}\n",
    );
    project.write(
        "a.ndjson",
        "{\"org\":{\"id\":7,\"made\":{\"at\":\"2025-01-01\"},\"plan\":\"free\"},\"billing\":{\"paid_at\":\"2025-01-05\"}}\n\
         {\"org\":{\"id\":8,\"made\":{\"at\":\"2025-01-01\"},\"plan\":\"team\"}}\n",
    );
    let (events, _) = ingested(&project);
    assert_eq!(
        events,
        [
            "7,,counts.exports,2025-01-09T00:00:00Z",
            "7,,counts.logins,2025-01-02T00:00:00Z",
            "7,,counts.logins,2025-01-09T00:00:00Z"
        ]
    );
    assert_eq!(
        csv_lines(&project, "out/accounts.parquet"),
        ["7,2025-01-01T00:00:00Z,2025-01-05T00:00:00Z,,free", "8,2025-01-01T00:00:00Z,,,team"]
    );
}

#[test]
fn values_that_are_no_scalars_are_refused_with_a_name_inside() {
    let project = Project::new();
    let ingest = |file: &str, account: &str| {
        let keys = format!("account = \"{account}\"\ntimestamp = \"properties.time\"");
        project.write("pql.toml", format!("[[events]]\npath = \"{file}\"\n{keys}\n"));
        project.pql(&["ingest", "-o", "out"])
    };
    project.write("n.ndjson", nested());
    project.write("n.csv", as_csv(&nested()));
    project.write("bad.csv", "properties,event\n\"{\"\"time\"\":1}\",a\nnone,b\n");
    let fixture = root().join("tests/fixtures/warehouse/nested.parquet");
    project.write("n.parquet", std::fs::read(fixture).unwrap());
    ingest("n.ndjson", "properties").fails_with(
        3,
        &["row 1, column `properties`: found `{\"time\"", "such as `properties.time`)"],
    );
    ingest("n.ndjson", "properties.who").fails_with(
        3,
        &["row 1, column `properties.who`: found `{\"id\"", "such as `properties.who.id`)"],
    );
    ingest("n.csv", "properties.tags")
        .fails_with(3, &["row 1, column `properties.tags`: found `[\"x\"]`"]);
    ingest("bad.csv", "properties.id").fails_with(
        3,
        &["row 2, column `properties`: found `none`, expected a JSON object, to read `properties.id`"],
    );
    ingest("n.parquet", "properties")
        .fails_with(3, &["column `properties`: found type Struct", "such as `properties.time`)"]);
    ingest("n.parquet", "properties.tags")
        .fails_with(3, &["missing column `properties.tags` (`events.account`)"]);
    ingest("n.parquet", "params.plan").fails_with(
        3,
        &["column `params`: found a list, expected a struct", "to read `params.plan`"],
    );
    for file in ["n.ndjson", "n.csv", "n.parquet"] {
        ingest(file, "id").fails_with(
            3,
            &["missing column `id` (`events.account`)", "did you mean `properties.who.id`?"],
        );
    }
    for file in ["n.ndjson", "n.csv"] {
        ingest(file, "properties.whoo.id").fails_with(
            3,
            &["missing column `properties.whoo.id`", "did you mean `properties.who.id`?"],
        );
    }
}

/// Writes a log of two files, the second without users, with an account list.
fn joined(second: &str) -> Project {
    let project = Project::new();
    project.write("pql.toml", "[[events]]\npath = \"e\"\nuser = \"user_id\"\n");
    project.write("e/1.csv", "account_id,event,timestamp,user_id\na,login,2025-01-01,u\n");
    project.write("e/2.csv", second);
    project
}

#[test]
fn files_of_a_source_are_joined_by_column_name() {
    let project = joined("timestamp,account_id,event\n2025-01-02,a,view\n");
    let (events, run) = ingested(&project);
    assert_eq!(events, ["a,,view,2025-01-02T00:00:00Z", "a,u,login,2025-01-01T00:00:00Z"]);
    run.stderr_has(&[
        "warning: `e`: 1 of 2 files lacks the column `user_id` (the first is `2.csv`)",
    ]);
    joined("timestamp,event\n2025-01-02,view\n")
        .pql(&["ingest", "-o", "out"])
        .fails_with(3, &["2.csv`: missing column `account_id` (`events.account`)"]);
    let project = joined("timestamp;account_id;event;user_id\n2025-01-02;a;view;w\n");
    assert_eq!(ingested(&project).0[1], "a,w,view,2025-01-02T00:00:00Z");
}

#[test]
fn empty_files_of_a_source_have_no_rows() {
    let project = joined("");
    project.write("e/3.ndjson", "\n\n");
    project.write("e/4.csv.gz", gz(""));
    project.write("e/5.parquet", "");
    assert_eq!(ingested(&project).0.len(), 1);
    let project = Project::new();
    project.write("pql.toml", "[[events]]\npath = \"e\"\n");
    project.write("e/1.csv", "");
    project.pql(&["ingest", "-o", "out"]).fails_with(3, &["1.csv` is empty"]);
}

#[test]
fn a_key_that_no_object_has_is_missing_in_every_row() {
    let project = Project::new();
    project.write(
        "pql.toml",
        "[[events]]\npath = \"e.csv\"\n[accounts]\npath = \"a\"\nconverted = \"paid_at\"\n",
    );
    project.write("e.csv", "account_id,event,timestamp\na,login,2025-01-01\nb,login,2025-03-02\n");
    project.write("a/1.ndjson", "{\"account_id\":\"a\",\"signed_up_at\":\"2025-01-01\"}\n");
    project.write("a/2.ndjson", "{\"account_id\":\"b\",\"signed_up_at\":\"2025-01-02\"}\n");
    let (_, run) = ingested(&project);
    run.stderr_has(&["warning: `a` has no column `paid_at`, so it is missing in every row"]);
    assert_eq!(csv_lines(&project, "out/accounts.parquet")[1], "b,2025-01-02T00:00:00Z,,");
    project.write(
        "a/3.ndjson",
        "{\"account_id\":\"c\",\"signed_up_at\":\"2025-01-02\",\"paid_at\":\"2025-02-01\"}\n",
    );
    let (_, run) = ingested(&project);
    run.stderr_has(&[
        "warning: `a`: 2 of 3 files lack the column `paid_at` (the first is `1.ndjson`)",
    ]);
    assert_eq!(
        csv_lines(&project, "out/accounts.parquet")[2],
        "c,2025-01-02T00:00:00Z,2025-02-01T00:00:00Z,"
    );
    project
        .pql(&["ingest", "-o", "out", "--set", "accounts.signed_up=paid"])
        .fails_with(3, &["missing column `paid` (`accounts.signed_up`)", "did you mean `paid_at`"]);
}

#[test]
fn folders_with_an_equals_sign_are_columns() {
    let project = Project::new();
    project.write(
        "pql.toml",
        "[[events]]\npath = \"e\"\ntimestamp = \"day\"\nevent = \"kind\"\naccount = \"org\"\n",
    );
    let null = "__HIVE_DEFAULT_PARTITION__";
    project.write("e/day=2025-01-01/kind=log%20in/1.csv", "org,x\na,1\nb,2\n");
    project.write(
        "e/day=2025-01-02/kind=view/1.ndjson",
        "{\"org\":\"a\"}\n{\"kind\":\"own\",\"org\":\"b\"}\n",
    );
    let frame = DataFrame::new(1, vec![Column::new("org".into(), ["c"])]).unwrap();
    std::fs::create_dir_all(project.path(&format!("e/day={null}/kind=view"))).unwrap();
    std::fs::create_dir_all(project.path("e/day=2025-01-03/kind=view")).unwrap();
    project.parquet(&format!("e/day={null}/kind=view/1.parquet"), frame.clone());
    project.parquet("e/day=2025-01-03/kind=view/1.parquet", frame);
    let (events, run) = ingested(&project);
    assert_eq!(
        events,
        [
            "a,,log in,2025-01-01T00:00:00Z",
            "b,,log in,2025-01-01T00:00:00Z",
            "b,,own,2025-01-02T00:00:00Z",
            "c,,view,2025-01-03T00:00:00Z",
        ],
        "a column of the file wins over the folder"
    );
    for reason in ["time missing", "event type missing"] {
        assert_eq!(counted(&run.err, reason).0, 1, "{}", run.err);
    }
}
