//! A stored model, read and applied.

use std::path::Path;

use super::{csv_rows, write_files};
use crate::dataset::matrix;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::model::Model;
use crate::model::score::Scorer;

/// A model in the newest format, and rows with their probabilities, which `make golden` writes.
const MODEL: &[u8] = include_bytes!("../../../tests/golden/models/current.pql");
const ROWS: &str = include_str!("../../../tests/golden/models/current.csv");

/// Largest difference of a probability.
const TOLERANCE: f64 = 1e-14;

/// Decodes the model, encodes it to the same bytes, and detects a flipped bit.
pub(super) fn check_file() -> std::result::Result<String, String> {
    let path = Path::new("the compiled-in model");
    let model = Model::from_bytes(MODEL, path).map_err(|e| e.with_sources())?;
    let encoded = model.to_bytes().map_err(|e| e.with_sources())?;
    if encoded != MODEL {
        return Err("the model is encoded to other bytes".to_owned());
    }
    let mut flipped = MODEL.to_vec();
    flipped[MODEL.len() / 2] ^= 1;
    if !matches!(Model::from_bytes(&flipped, path), Err(Error::DamagedModel { .. })) {
        return Err("a flipped bit was not detected".to_owned());
    }
    Ok(format!("{} bytes decoded and encoded", MODEL.len()))
}

/// Scores the rows.
pub(super) fn check_scores() -> std::result::Result<String, String> {
    let (rows, difference) = largest_difference(ROWS).map_err(|e| e.with_sources())?;
    if difference.is_nan() || difference > TOLERANCE {
        return Err(format!(
            "probabilities differ by {difference:e}, expected at most {TOLERANCE:e}"
        ));
    }
    Ok(format!("{rows} rows, equal to {TOLERANCE:e}"))
}

/// Returns the number of rows and the largest difference from their column `probability`.
fn largest_difference(rows: &str) -> Result<(usize, f64)> {
    let model = Model::from_bytes(MODEL, Path::new("the compiled-in model"))?;
    let scorer = Scorer::new(&model, "golden")?;
    let folder = write_files(&[("rows.csv", rows)])?;
    let path = folder.path().join("rows.csv");
    let config = model.config()?;
    let mut found = Vec::new();
    let types = model.column_types(&config);
    matrix::batches((&path, &config.matrix), &types, &mut Sink::silent(), &mut |batch| {
        found.extend(scorer.probabilities(&batch.features)?);
        Ok(())
    })?;
    let rows = csv_rows(rows);
    let column = rows[0].iter().position(|name| *name == "probability");
    let expected = rows[1..].iter().map(|row| column.map_or("", |column| row[column]));
    // A missing number is NaN, which no tolerance accepts.
    let differences = expected
        .zip(&found)
        .map(|(expected, found)| (expected.parse().unwrap_or(f64::NAN) - found).abs());
    let larger = |a: f64, b: f64| if b.is_nan() || b > a { b } else { a };
    let largest = differences.fold(0.0, larger);
    Ok((found.len(), if found.len() == rows.len() - 1 { largest } else { f64::NAN }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_probability_is_found() {
        let (rows, difference) = largest_difference(ROWS).unwrap();
        assert!(rows >= 10 && difference <= TOLERANCE, "{rows} rows, {difference}");
        let (row, probability) = ROWS.lines().nth(1).unwrap().rsplit_once(',').unwrap();
        let other = probability.parse::<f64>().unwrap() + 1e-12;
        let changed = ROWS.replacen(&format!("{row},{probability}"), &format!("{row},{other}"), 1);
        assert!(largest_difference(&changed).unwrap().1 > TOLERANCE);
        let missing = ROWS.replacen(&format!("{row},{probability}"), &format!("{row},"), 1);
        assert!(largest_difference(&missing).unwrap().1.is_nan());
    }
}
