//! The features of exported SQL equal those of pql.

use std::collections::BTreeMap;
use std::fs;

use polars::prelude::{DataFrame, DataType};
use pql::dataset::features::compute;
use pql::dataset::observations::observe_for_scoring;
use pql::export::sql::{SqlPart, SqlTime};
use pql::io::progress::Progress;
use pql::time::iso;

use super::harness::Engine;
use super::world::World;
use super::{Tables, run_statement, text_rows};
use crate::common::{close, csv_rows, root, run, succeed, text};

/// Returns the rows of pql: accounts and cutoffs, and their features.
fn expected(world: &World) -> (Vec<(String, i64)>, DataFrame) {
    let log = world.log();
    let (rows, _) = observe_for_scoring(&log, &world.config.observation);
    let keys = rows.account.iter().zip(&rows.cutoff);
    let keys =
        keys.map(|(account, cutoff)| (log.accounts.id[*account as usize].to_owned(), *cutoff));
    (keys.collect(), compute(&world.catalog, &log, &rows, &Progress::silent()).unwrap())
}

/// Returns the name of a column in an engine that may not distinguish `Login` from `login`.
fn renamed(name: &str, engine: Engine) -> String {
    let is_renamed = engine != Engine::Postgres && name.starts_with("count_Login");
    if is_renamed { format!("{name} (2)") } else { name.to_owned() }
}

/// Compares the rows of a statement with those of pql; returns the number of values.
pub(super) fn compare(
    keys: &[(String, i64)],
    features: &DataFrame,
    found: &[BTreeMap<String, String>],
    engine: Engine,
    place: &str,
) -> usize {
    let place = format!("{place} in {}", engine.name());
    let found_keys: Vec<(&str, String)> =
        found.iter().map(|row| (row["account_id"].as_str(), row["cutoff"].clone())).collect();
    let expected_keys: Vec<(&str, String)> =
        keys.iter().map(|(id, cutoff)| (id.as_str(), iso(*cutoff))).collect();
    assert_eq!(found_keys, expected_keys, "{place}");
    for column in features.columns() {
        let name = renamed(column.name(), engine);
        for (index, row) in found.iter().enumerate() {
            let value = &row[&name];
            let is_same = match column.dtype() {
                DataType::String => column.str().unwrap().get(index).unwrap_or_default() == value,
                _ => close(value.parse().ok(), column.f64().unwrap().get(index)),
            };
            let expected = column.get(index).unwrap();
            assert!(
                is_same,
                "{place}: {name} of {:?}: `{value}`, expected {expected}",
                keys[index]
            );
        }
    }
    features.width() * found.len()
}

/// Returns how many random logs an engine gets: fewer where a statement takes many seconds.
pub(super) fn log_count(engine: Engine) -> u64 {
    match engine {
        Engine::DuckDb | Engine::Postgres => 20,
        Engine::BigQuery | Engine::Snowflake => 8,
        Engine::Spark => 1,
    }
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn features_in_sql_equal_those_of_random_logs() {
    let engines = Engine::selected();
    let (mut compared, mut statements) = (0, 0);
    for seed in 0..20 {
        let world = World::new(seed);
        let (keys, features) = expected(&world);
        for engine in engines.iter().copied().filter(|engine| seed < log_count(*engine)) {
            let place = format!("log {seed}");
            let found = world.found(engine, (SqlPart::Features, SqlTime::At(world.at)), &[]);
            compared += compare(&keys, &features, &found, engine, &place);
            statements += 1;
            if seed < 2 && engine != Engine::Spark {
                let at = iso(world.at).trim_end_matches('Z').to_owned();
                let parameter = SqlTime::Parameter("scored_at".to_owned());
                let parameter = (SqlPart::Features, parameter);
                let found = world.found(engine, parameter, &[("scored_at", &at)]);
                compare(&keys, &features, &found, engine, &place);
            }
        }
    }
    assert!(compared > 20 * statements, "{compared} values of {statements} statements");
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn features_in_sql_equal_those_of_the_demo() {
    let (dir, demo) = (tempfile::tempdir().unwrap(), root().join("data/demo"));
    for file in ["events.parquet", "accounts.parquet"] {
        fs::copy(demo.join(file), dir.path().join(file)).unwrap();
    }
    let table = |name: Vec<&'static str>| {
        let path = demo.join(format!("{}.parquet", name.last().unwrap()));
        (name, path)
    };
    let tables: Tables = vec![table(vec!["events"]), table(vec!["lists", "accounts"])];
    let config = dir.path().join("pql.toml");
    let project = fs::read_to_string(demo.join("pql.toml")).unwrap();
    let project = project
        .replace("[[events]]", "[[events]]\ntable = \"events\"")
        .replace("[accounts]", "[accounts]\ntable = \"lists.accounts\"");
    fs::write(&config, project).unwrap();
    let out = dir.path().join("features.csv");
    for at in [&["--at", "2025-08-01T12:00"][..], &[]] {
        let project = ["-c", text(&config)];
        let features = ["features", "--model", "demo", "-o", text(&out)];
        // Without `--at`, `pql features` writes the rows of the training.
        let end = if at.is_empty() { &["--at", "2025-10-12"][..] } else { at };
        succeed(crate::common::pql().args(features).args(project).args(end));
        let expected = csv_rows(&out);
        // In Spark, a statement takes many seconds: it has the default time only.
        let has_time = |engine: &Engine| at.is_empty() || *engine != Engine::Spark;
        for engine in Engine::selected().into_iter().filter(has_time) {
            let sql = ["export", "sql", "demo", "--dialect", engine.name(), "--part", "features"];
            let sql = run(sql.into_iter().chain(project).chain(at.iter().copied()));
            let found = text_rows(&run_statement(engine, &sql, &tables, &[]));
            assert!(found.len() > 100 && found.len() == expected.len(), "{}", found.len());
            for (found, expected) in found.iter().zip(&expected) {
                for (name, value) in found {
                    let same = match (value.parse::<f64>(), expected[name].parse::<f64>()) {
                        (Ok(value), Ok(expected)) => close(Some(value), Some(expected)),
                        _ => *value == expected[name],
                    };
                    let account = &found["account_id"];
                    assert!(same, "{name} of {account}: {value}, {}", expected[name]);
                }
            }
        }
    }
}
