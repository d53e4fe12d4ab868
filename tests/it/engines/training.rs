//! The training rows of exported SQL equal those of `pql train`, and give the same model.

use std::collections::BTreeMap;
use std::fs;

use pql::config::{CutoffScheme, SplitScheme};
use pql::dataset::features::compute;
use pql::dataset::observations::{Observations, observe};
use pql::dataset::split::{Split, SplitOptions};
use pql::export::sql::{SqlPart, SqlTime};
use pql::io::progress::Progress;
use pql::time::{TimeSpan, Timestamp, iso};
use serde_json::Value;

use super::features::{compare, log_count};
use super::harness::{Engine, Statement};
use super::world::World;
use super::{Tables, run_statement, text_rows};
use crate::common::{DAY, NEW_YEAR, close, csv_rows, root, run, text};
use crate::project::Project;

const HOUR: i64 = DAY / 24;

/// Sets cutoffs, outcomes and split.
fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    let index = usize::try_from(seed).unwrap();
    let pick = |values: &[i64]| values[index / 2 % values.len()];
    let observation = &mut world.config.observation;
    observation.horizon = TimeSpan(pick(&[10 * DAY, 7 * DAY + 5 * HOUR, DAY]));
    observation.gap = TimeSpan(pick(&[0, 12 * HOUR, 0, 3 * DAY]));
    observation.every = TimeSpan(pick(&[7 * DAY, 9 * HOUR, DAY, 100 * DAY]));
    observation.age = TimeSpan(pick(&[0, 5 * DAY, 36 * HOUR]));
    observation.min_age = TimeSpan(pick(&[0, DAY, 2 * DAY + HOUR]));
    observation.since = (seed % 5 == 3).then_some(Timestamp(NEW_YEAR + 9 * DAY + 7 * HOUR));
    let model = &mut world.config.model;
    model.split = [SplitScheme::Time, SplitScheme::Auto, SplitScheme::CrossValidation][index % 3];
    model.test_size = [0.3, 0.05, 0.0, 0.9][index % 4];
    world
}

/// Returns the cutoffs, outcomes and split of pql as text.
fn labels(rows: &Observations) -> Vec<[String; 3]> {
    let labels = rows.outcome.iter().zip(&rows.split).map(|(outcome, split)| {
        let converted = outcome.label().map(|label| u8::from(label).to_string());
        let split = split.name().unwrap_or_default();
        [outcome.name().to_owned(), converted.unwrap_or_default(), split.to_owned()]
    });
    labels.collect()
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn training_rows_in_sql_equal_those_of_random_logs() {
    let engines = Engine::selected();
    let (mut rows, mut too_short, mut schemes, mut splits) = (0, 0, Vec::new(), Vec::new());
    for seed in 0..24 {
        let world = world(seed);
        let log = world.log();
        let options = SplitOptions::from(&world.config.model);
        let observed = observe(&log, &world.config.observation, options);
        let Ok(observed) = observed else {
            too_short += 1;
            continue;
        };
        let features = compute(&world.catalog, &log, &observed, &Progress::silent()).unwrap();
        let name = |account: &u32| log.accounts.id[*account as usize].to_owned();
        let keys: Vec<(String, i64)> =
            observed.account.iter().map(name).zip(observed.cutoff.iter().copied()).collect();
        let labels = labels(&observed);
        for engine in engines.iter().copied().filter(|engine| seed < log_count(*engine)) {
            let check = |time: SqlTime, parameters: &[(&str, &str)]| {
                let place = format!("log {seed}, {time:?}");
                let found = world.found(engine, (SqlPart::Training, time), parameters);
                compare(&keys, &features, &found, engine, &place);
                for ((row, labels), key) in found.iter().zip(&labels).zip(&keys) {
                    let found = ["outcome", "converted", "split"].map(|name| row[name].clone());
                    assert_eq!(found, *labels, "{place}: {key:?} in {}", engine.name());
                }
            };
            check(SqlTime::At(world.at), &[]);
            if seed < 2 && engine != Engine::Spark {
                let at = iso(world.at).trim_end_matches('Z').to_owned();
                check(SqlTime::Parameter("log_end".to_owned()), &[("log_end", &at)]);
            }
        }
        rows += keys.len();
        schemes.push(world.config.observation.cutoffs);
        splits.extend(observed.split);
    }
    assert!(rows > 300 && too_short < 4, "{rows} rows, {too_short} logs without any");
    for scheme in [CutoffScheme::Age, CutoffScheme::Snapshot] {
        assert!(schemes.contains(&scheme), "{scheme:?}");
    }
    for split in [Split::Train, Split::Test, Split::CrossValidated, Split::Unused] {
        assert!(splits.contains(&split), "{split:?}");
    }
}

/// Compares the rows of a statement with a file of `pql features`; returns their number.
pub(super) fn compare_with_file(
    found: &[BTreeMap<String, String>],
    expected: &[BTreeMap<String, String>],
    place: &str,
) -> usize {
    assert_eq!(found.len(), expected.len(), "{place}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.keys().eq(expected.keys()), "{place}");
        for (name, value) in found {
            let same = match (value.parse::<f64>(), expected[name].parse::<f64>()) {
                (Ok(value), Ok(expected)) => close(Some(value), Some(expected)),
                _ => *value == expected[name],
            };
            let key = (&found["account_id"], &found["cutoff"]);
            assert!(same, "{place}: {name} of {key:?}: {value}, {}", expected[name]);
        }
    }
    found.len()
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn training_rows_in_sql_equal_those_of_the_demo() {
    let (dir, demo) = (tempfile::tempdir().unwrap(), root().join("data/demo"));
    let table = |name: &'static str| (vec![name], demo.join(format!("{name}.parquet")));
    let tables: Tables = vec![table("events"), table("accounts")];
    let names = ["--set", "events.0.table=events", "--set", "accounts.table=accounts"];
    let (config, out) = (demo.join("pql.toml"), dir.path().join("rows.csv"));
    let project = ["-c", text(&config)];
    let features = ["features", "--model", "demo", "-q", "-o", text(&out)];
    run([&features[..], &project].concat());
    let expected = csv_rows(&out);
    for engine in Engine::selected() {
        let sql = ["export", "sql", "demo", "-q", "--dialect", engine.name(), "--part", "training"];
        let sql = run([&sql[..], &project, &names].concat());
        assert!(sql.contains("The end of the log, 2025-10-12T00:00:00Z"), "{sql}");
        let found = text_rows(&run_statement(engine, &sql, &tables, &[]));
        assert!(compare_with_file(&found, &expected, engine.name()) > 500);
    }
}

/// Writes the rows of a statement that DuckDB computes to a Parquet file.
fn write_rows(project: &Project, sql: &str, file: &str) {
    let path = project.path(file);
    let table = |name: &'static str| (vec![name], project.path(&format!("{name}.parquet")));
    let statement = Statement {
        sql: format!("COPY (\n{sql}) TO '{}' (FORMAT parquet)", text(&path).replace('\'', "''")),
        tables: vec![table("events"), table("accounts")],
        ..Statement::default()
    };
    Engine::DuckDb.run(&statement).unwrap_or_else(|error| panic!("{error}\n{sql}"));
}

/// Requires that two values are equal, numbers to 1e-12.
fn check_equal(a: &Value, b: &Value, place: &str) {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            // Collinear features inflate rounding errors in the same way as the variance.
            let tolerance = if place.ends_with("vif") { 1e-6 } else { 1e-12 } * y.abs().max(1.0);
            assert!((x - y).abs() <= tolerance, "{place}: {x}, {y}");
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "{place}");
            x.iter().zip(y).for_each(|(x, y)| check_equal(x, y, place));
        }
        (Value::Object(x), Value::Object(y)) => {
            assert!(x.keys().eq(y.keys()), "{place}: {a}, {b}");
            x.iter().for_each(|(key, x)| check_equal(x, &y[key], &format!("{place}.{key}")));
        }
        _ => assert_eq!(a, b, "{place}"),
    }
}

/// Trains on a simulated log, then on the rows that SQL computes from it, and compares the models.
fn check_model(settings: &[&str], method: &str) {
    let project = Project::simulated(500, 11);
    let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    project.pql(&[&["train", "-q", "--name", "m", "--models", "log"], &set[..]].concat()).done();
    let tables = ["--set", "events.0.table=events", "--set", "accounts.table=accounts"];
    let model = "log/m/0001/model.pql";
    let sql = ["export", "sql", model, "-q", "--dialect", "duckdb", "--part", "training"];
    let sql = project.pql(&[&sql[..], &tables, &set].concat()).done().out;
    write_rows(&project, &sql, "rows.parquet");

    let train = ["train", "-q", "--name", "m", "--models", "sql", "--features", "rows.parquet"];
    project.pql(&[&train[..], &["--like", model], &set].concat()).done();

    let card = |models: &str| -> Value {
        serde_json::from_str(&project.text(&format!("{models}/m/0001/model.json"))).unwrap()
    };
    let (log, found) = (card("log"), card("sql"));
    assert!(log["split_method"].to_string().contains(method), "{}", log["split_method"]);
    for key in [
        "catalog",
        "train",
        "test",
        "preprocessor",
        "coefficients",
        "calibration",
        "threshold",
        "reference_quantiles",
        "evaluation",
    ] {
        assert!(log.get(key).is_some(), "{key}");
        check_equal(&found[key], &log[key], &format!("{settings:?}: {key}"));
    }
    // The new model keeps its catalog: it also scores the log.
    let score = |models: &str| {
        let score = ["score", "m", "-q", "-o", "-", "--models", models];
        let out = project.pql(&[&score[..], &set].concat()).done().out;
        fs::write(project.path("scores.csv"), out).unwrap();
        csv_rows(&project.path("scores.csv"))
    };
    assert!(compare_with_file(&score("sql"), &score("log"), &format!("{settings:?}")) > 20);
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn a_model_of_rows_from_sql_equals_that_of_the_log() {
    if !Engine::selected().contains(&Engine::DuckDb) {
        return;
    }
    check_model(&["observation.cutoffs=age"], "");
    check_model(&["observation.cutoffs=snapshot", "model.calibration=isotonic"], "");
    check_model(&["observation.cutoffs=snapshot", "model.split=time"], "newest");
    check_model(&["observation.cutoffs=snapshot", "model.split=cross-validation"], "cross");
}
