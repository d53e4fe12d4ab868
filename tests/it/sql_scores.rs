//! Scores and reasons of exported SQL, computed by DuckDB, equal those of `pql score`.

use std::path::Path;
use std::process::Command;

use crate::common::{csv_rows, python, root, run, text};
use crate::project::Project;

/// Runs a statement on the tables of some files, and compares its rows with a file of scores.
const COMPARE: &str = r#"
import duckdb, os, sys
statement, scores, *tables = sys.argv[1:]
connection = duckdb.connect(config={"threads": 2})
connection.execute("SET TimeZone = 'UTC'")
for path in tables:
    name = os.path.splitext(os.path.basename(path))[0]
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet(?)", [path])
expected = connection.execute("SELECT * FROM read_parquet(?)", [scores])
names, expected = [column[0] for column in expected.description], expected.fetchall()
found = connection.execute(open(statement, encoding="utf-8").read())
assert [column[0] for column in found.description][: len(names)] == names, found.description
found = found.fetchall()
assert len(found) == len(expected) > 0, (len(found), len(expected))

def plain(value):
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value

for row, other in zip(found, expected):
    for name, value, wanted in zip(names, map(plain, row), map(plain, other)):
        if isinstance(wanted, float) and isinstance(value, float):
            assert abs(value - wanted) <= 1e-9, (other[0], name, value, wanted)
        else:
            assert value == wanted, (other[0], name, value, wanted)
"#;

/// Writes two feature matrices with missing, infinite and negative values, rare and unseen levels,
/// quotes and hidden characters.
const MATRICES: &str = r#"
import datetime, math, random, sys
import pyarrow as pa, pyarrow.parquet as pq

random.seed(3)
levels = ["gold", "it's", "sil\u200bver", "b\nr", "naïve", "r1", "r2", None]

def row(i, is_new):
    x, big, tiny = random.gauss(0, 1), random.lognormvariate(3, 2), random.gauss(0, 1)
    plan = random.choices(levels, [30, 25, 10, 8, 8, 0.3, 0.3, 8])[0]
    z = None if random.random() < 0.3 else round(random.expovariate(1), random.choice([0, 1, 6]))
    size = float(random.randint(-5, 400))
    eta = x + (plan == "gold") / 2 + 0.3 * math.log1p(big) - 0.3 * (z or 2) + 0.01 * size - 2.5
    converted = random.random() < 1 / (1 + math.exp(-eta))
    if is_new and random.random() < 0.3:
        plan = random.choice(["neu", "zz z", 'q"'])
        big = random.choice([math.inf, 5.0, 1e6, 1e12])
        x = random.choice([math.nan, x])
        size = random.choice([-50.125, 1000.001, size])
    return {
        "account_id": f"a{i:05}é",
        "cutoff": datetime.datetime(2025, 1, 1) + datetime.timedelta(days=i % 90),
        "converted": converted,
        "x": x,
        "Big": big,
        "plan": plan,
        "z": z,
        "tiny": tiny * 10 ** random.choice([-9, -5, -3, 0]),
        "huge": random.lognormvariate(20, 4),
        "size": size,
        "kind": random.choice(["a", "a", "b", ""]),
    }

for path, rows, is_new in [(sys.argv[1], 1500, False), (sys.argv[2], 1000, True)]:
    pq.write_table(pa.Table.from_pylist([row(i, is_new) for i in range(rows)]), path)
"#;

/// Definitions with nested conditions, a sum, and with or without a limit of time.
const DEFINITIONS: &str = r#"
[[definition]]
name = "it's; \"deep\""
type = "criteria"
any = [{ all = [{ users = 2 }, { event = "task_completed", at_least = 3 }] }, { active_days = 9 }]

[[definition]]
name = "hours"
type = "self_serve"
within = "10d"
all = [{ event = "task_completed", sum = "minutes", at_least = 90.5 }, { features = 3 }]

[[definition]]
name = "asks"
type = "hand_raise"
all = [{ event = "contact_sales" }]
"#;

/// A definition that no account can match.
const UNREAD: &str = r#"
[[definition]]
name = "unread property"
type = "limit"
all = [{ event = "limit_reached", sum = "money", at_least = 1 }]
"#;

/// Names the tables of a simulated log in its project file.
fn with_tables(project: &str) -> String {
    project
        .replace("[[events]]", "[[events]]\ntable = \"events\"")
        .replace("[accounts]", "[accounts]\ntable = \"main.accounts\"")
}

fn run_python(script: &str, arguments: &[&Path]) {
    let mut command = Command::new(python());
    command.args(["-c", script]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Scores by pql and by SQL.
///
/// # Arguments
/// * `model` – the model and its folder
/// * `input` – options of `pql score` for its input
/// * `tables` – options of `pql export sql` for its tables
/// * `files` – Parquet files that have the names of these tables
fn compare(dir: &Path, model: [&str; 3], input: &[&str], tables: &[&str], files: &[&Path]) {
    let (scores, statement) = (dir.join("scores.parquet"), dir.join("statement.sql"));
    run([&["score"][..], &model, input, &["-o", text(&scores), "-q"]].concat());
    let output = ["--dialect", "duckdb", "-o", text(&statement), "-q"];
    run([&["export", "sql"][..], &model, tables, &output].concat());
    run_python(COMPARE, &[&[statement.as_path(), &scores], files].concat());
}

#[test]
#[ignore = "needs Python with DuckDB (`make python`)"]
fn scores_of_a_matrix_equal_those_of_pql() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (training, batch) = (dir.join("training.parquet"), dir.join("batch.parquet"));
    run_python(MATRICES, &[&training, &batch]);
    let folder = dir.join("models");
    let models: [(&str, &[&str]); 4] = [
        ("platt", &["qualify.holdout=0.2"]),
        ("isotonic", &["model.calibration=isotonic", "design.spline=3"]),
        ("free", &["model.penalty=none", "model.calibration=none", "design.winsorize=never"]),
        ("lasso", &["model.penalty=l1"]),
    ];
    for (name, settings) in models {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        run(["train", "--features", text(&training), "--name", name, "-q", "--models"]
            .into_iter()
            .chain([text(&folder)])
            .chain(settings));
        let input = ["--features", text(&batch)];
        let model = [name, "--models", text(&folder)];
        compare(dir, model, &input, &["--set", "matrix.table=batch"], &[&batch]);
    }
}

#[test]
#[ignore = "needs Python with DuckDB (`make python`)"]
fn scores_of_a_log_equal_those_of_pql() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let log = dir.join("log");
    run(["simulate", "-o", text(&log), "--seed", "1", "--accounts", "1500", "-q"]);
    let project = log.join("pql.toml");
    let input = ["-c", text(&project)];
    let models = dir.join("models");
    run([&["train", "--name", "age", "-q", "--models", text(&models)], &input[..]].concat());
    let tables = ["--set", "events.0.table=events", "--set", "accounts.table=accounts"];
    let files = ["events", "accounts"].map(|name| log.join(name).with_extension("parquet"));
    let model = ["age", "--models", text(&models)];
    compare(dir, model, &input, &[&input[..], &tables].concat(), &[&files[0], &files[1]]);
}

#[test]
#[ignore = "needs Python with DuckDB (`make python`)"]
fn scores_of_the_demo_equal_those_of_pql() {
    let dir = tempfile::tempdir().unwrap();
    let (models, demo) = (root().join("models"), root().join("data/demo"));
    let project = demo.join("pql.toml");
    let tables = ["--set", "events.0.table=events", "--set", "accounts.table=main.accounts"];
    let files = ["events", "accounts"].map(|name| demo.join(name).with_extension("parquet"));
    let files = [files[0].as_path(), &files[1]];
    let model = ["demo", "--models", text(&models)];
    for at in [&["--at", "2025-08-01T12:00"][..], &[]] {
        let input = [&["-c", text(&project)], at].concat();
        let tables = [&input[..], &tables].concat();
        compare(dir.path(), model, &input, &tables, &files);
        let sql =
            |options: &[&str]| run([&["export", "sql"], &model[..], &tables, options].concat());
        for dialect in ["duckdb", "postgres", "spark", "bigquery", "snowflake"] {
            let scores = sql(&["--dialect", dialect]);
            assert!(scores.contains("probability_low"));
            assert!(scores.len() < 350_000, "{dialect}: {} bytes", scores.len());
            let short = sql(&["--dialect", dialect, "--no-interval"]);
            assert!(!short.contains("probability_low"));
            assert!(short.len() + 50_000 < scores.len(), "{dialect}: {} bytes", short.len());
        }
    }
}

#[test]
#[ignore = "needs Python with DuckDB (`make python`)"]
fn scores_of_random_logs_with_definitions_equal_those_of_pql() {
    for (seed, by) in [(3, "either"), (4, "both"), (5, "definition")] {
        let project = Project::simulated(600, seed);
        let file = with_tables(&project.text("pql.toml"));
        let own = file.split("\n[[definition]]").next().unwrap().to_owned();
        let qualify = format!("\n[qualify]\nby = \"{by}\"\nholdout = 0.3\n");
        let file = own + DEFINITIONS + &qualify;
        project.write("pql.toml", &file);
        project.pql(&["train", "-q", "--name", "t", "--set", "features.event_types=2"]).done();
        project.write("pql.toml", file + UNREAD);
        let export = ["export", "sql", "t", "--dialect", "duckdb"];
        project.pql(&export).done().stderr_has(&["unread property", "money"]);
        let (path, models) = (project.path("pql.toml"), project.path("models"));
        let input = ["-c", text(&path), "--at", "2025-07-15"];
        let files = ["events.parquet", "accounts.parquet"].map(|file| project.path(file));
        let model = ["t", "--models", text(&models)];
        compare(&project.path(""), model, &input, &input, &[&files[0], &files[1]]);
        project.pql(&["score", "t", "-q", "-o", "scores.csv", "--at", "2025-07-15"]).done();
        let rows = csv_rows(&project.path("scores.csv"));
        for column in ["pql_types", "qualified_by", "holdout"] {
            let first = &rows[0][column];
            assert!(rows.iter().any(|row| row[column] != *first), "{column} of log {seed}");
        }
    }
}
