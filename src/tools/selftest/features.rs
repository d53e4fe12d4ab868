//! The features of a small log, compared with those computed by hand and by SQL.

use polars::prelude::DataFrame;

use super::{csv_rows, write_files};
use crate::config::Config;
use crate::error::Result;
use crate::io::sink::Sink;
use crate::log::{Log, ReadOptions};
use crate::training::rows_for_features;

/// The files of the log, whose README.md explains each value.
const FILES: [(&str, &str); 3] = [
    ("pql.toml", include_str!("../../../tests/fixtures/golden_log/pql.toml")),
    ("accounts.csv", include_str!("../../../tests/fixtures/golden_log/accounts.csv")),
    ("events.csv", include_str!("../../../tests/fixtures/golden_log/events.csv")),
];
const EXPECTED: &str = include_str!("../../../tests/fixtures/golden_log/expected_snapshot.csv");

/// Settings of the expected features.
const SETTINGS: [&str; 2] = ["observation.cutoffs=snapshot", "model.split=time"];

/// Largest difference of a feature, relative for large values.
const TOLERANCE: f64 = 1e-9;

/// Computes the features of the log.
pub(super) fn check() -> std::result::Result<String, String> {
    let features = compute().map_err(|e| e.with_sources())?;
    let values = compare(&features, EXPECTED)?;
    Ok(format!("{values} values, equal to {TOLERANCE:e}"))
}

fn compute() -> Result<DataFrame> {
    let folder = write_files(&FILES)?;
    let settings = SETTINGS.map(str::to_owned);
    let config = Config::load(Some(&folder.path().join("pql.toml")), &settings)?;
    let mut sink = Sink::silent();
    let log = Log::read(&config, &ReadOptions::for_training(&config), &mut sink)?;
    Ok(rows_for_features(&config, log, &mut sink)?.features)
}

/// Returns the number of equal values, or the first difference.
fn compare(features: &DataFrame, expected: &str) -> std::result::Result<usize, String> {
    let rows = csv_rows(expected);
    let (header, rows) = rows.split_first().ok_or("no expected values")?;
    let mut values = 0;
    // The columns before are keys and outcomes.
    let first = header.iter().position(|name| *name == "tenure_days").unwrap_or(0);
    for (position, name) in header.iter().enumerate().skip(first) {
        let column = features.column(name).and_then(|column| column.f64());
        let column = column.map_err(|e| e.to_string())?;
        if column.len() != rows.len() {
            return Err(format!("found {} rows, expected {}", column.len(), rows.len()));
        }
        for (row, found) in rows.iter().zip(column.iter()) {
            let found = found.filter(|value| !value.is_nan());
            let expected: Option<f64> = row[position].parse().ok();
            let is_equal = match (found, expected) {
                (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * b.abs().max(1.0),
                (a, b) => a.is_none() && b.is_none(),
            };
            if !is_equal {
                return Err(format!(
                    "`{name}` of {}: found {found:?}, expected {expected:?}",
                    row[0]
                ));
            }
            values += 1;
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_value_is_found() {
        let features = compute().unwrap();
        assert!(compare(&features, EXPECTED).unwrap() > 100);
        let changed = EXPECTED.replacen(",46.75", ",46.7501", 1);
        assert!(compare(&features, &changed).unwrap_err().contains("sum_minutes_7d"));
    }
}
