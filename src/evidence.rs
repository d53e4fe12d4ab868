//! The rows behind a model: those it was judged by, which lie beside it, and those it learned from, found again in a matrix.

use std::path::Path;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::observe::Split;
use crate::output::{Format, time_column, write_table};
use crate::rows::Rows;
use crate::score::{Batch, Scorer};
use crate::table;

/// Name of the table of test rows in the folder of a model's version.
pub const ROWS_FILE: &str = "test.parquet";
/// The columns of [`ROWS_FILE`] that are no features.
const KEYS: [&str; 4] = ["account_id", "cutoff", "converted", "probability"];

/// The test rows of a model: keys, outcome, features, and the probability by a fit that had not seen them.
#[derive(Debug, Clone)]
pub struct TestRows {
    frame: DataFrame,
}

impl TestRows {
    /// Read the rows that lie beside a model file.
    ///
    /// # Errors
    /// * [`Error::Unsuitable`]: there are none
    /// * [`Error::Malformed`]: they are not those of this model
    /// * those of [`table::read`]
    pub fn beside(file: &Path, model: &Model) -> Result<Self> {
        let path = file.with_file_name(ROWS_FILE);
        let rows = model.extent.test.rows;
        let without = |problem: String, hint: &str| Err(Error::Unsuitable { problem, hint: Some(hint.to_owned()) });
        if rows == 0 {
            return without("the model has no test rows".to_owned(), "train it with `model.test` above 0");
        }
        if !path.is_file() {
            return without(
                format!("the test rows of the model are not there: no `{}`", path.display()),
                "train it again without `--no-rows`",
            );
        }
        let malformed = |problem: String| Error::Malformed { path: path.clone(), row: None, problem };
        let mut frame: Option<DataFrame> = None;
        table::read(&path, None, &mut |_, batch| {
            frame = Some(match frame.take() {
                None => batch,
                Some(before) => before.vstack(&batch).map_err(|e| malformed(e.to_string()))?,
            });
            Ok(())
        })?;
        let frame = frame.unwrap_or_default();
        if let Some(key) = KEYS.iter().find(|key| frame.column(key).is_err()) {
            return Err(malformed(format!("it has no column `{key}`")));
        }
        if frame.height() as u64 != rows {
            return Err(malformed(format!("found {} rows, expected the {rows} that the model was judged by", frame.height())));
        }
        Ok(Self { frame })
    }

    /// Write keys, outcome and features, as `--features` reads them.
    ///
    /// # Errors
    /// Those of [`write_table`]
    pub fn write_features(&self, path: &Path) -> Result<()> {
        let frame = self.frame.drop("probability").map_err(|e| unsuitable(&e))?;
        write_table(path, Format::Parquet, &frame)
    }

    /// Write the columns of `pql score` with the outcome, and beside the probability `held_out`, the one the model was judged by: it differs
    /// where the model has learned from these rows since (`model.refit`).
    ///
    /// # Errors
    /// * [`Error::Unsuitable`]: the rows lack a feature of the model
    /// * those of [`write_table`]
    pub fn write_scores(&self, scorer: &Scorer<'_>, path: &Path) -> Result<()> {
        let column = |name: &str| self.frame.column(name).cloned().map_err(|e| unsuitable(&e));
        let cutoff: Vec<Option<i64>> = column("cutoff")?.datetime().map_err(|e| unsuitable(&e))?.physical().iter().collect();
        let rows = Batch { features: &self.frame, account: &column("account_id")?, cutoff: &cutoff, unscored: &[], pqls: &[] };
        let (mut scores, _) = scorer.score(&rows)?;
        let mut put = |name: &str, column: Column| {
            let after = scores.get_column_index(name).map_or(0, |at| at + 1);
            scores.insert_column(after, column).map(|_| ()).map_err(|e| unsuitable(&e))
        };
        put("cutoff", column("converted")?)?;
        put("probability", column("probability")?.with_name("held_out".into()))?;
        write_table(path, Format::Parquet, &scores)
    }
}

/// Write the rows a model learned from, found again in a matrix: keys, outcome and features.
///
/// # Errors
/// * [`Error::Unsuitable`]: they are not as many rows, accounts and conversions as it learned from
/// * those of [`write_table`]
pub fn write_training(model: &Model, rows: &Rows, path: &Path) -> Result<()> {
    let (train, learned) = match &model.refit {
        None => (rows.of(Split::Train), model.extent.train),
        Some(refit) => ((0..).zip(&rows.y).filter(|(_, y)| y.is_some()).map(|(row, _)| row).collect(), refit.learned),
    };
    let found = rows.extent(&train, &[]).train;
    if found != learned {
        return Err(Error::Unsuitable {
            problem: format!(
                "the training rows of the matrix are not those of the model: {} rows with {} conversions, expected {} with {}",
                found.rows, found.positive_rows, learned.rows, learned.positive_rows
            ),
            hint: Some("give the matrix it was trained on, or what `pql features` writes with the same pql.toml".to_owned()),
        });
    }
    let index = IdxCa::from_slice("".into(), &train);
    let cutoff = train.iter().map(|row| rows.cutoff.as_ref().map(|cutoff| cutoff[*row as usize]));
    let mut columns = vec![
        Column::new("account_id".into(), rows.accounts(&train).iter().map(|account| &rows.names[*account as usize]).collect::<Vec<_>>()),
        time_column("cutoff", cutoff),
        Column::new("converted".into(), rows.outcomes(&train).iter().map(|y| i64::from(*y)).collect::<Vec<_>>()),
    ];
    let features = rows.features.take(&index).map_err(|e| unsuitable(&e))?;
    columns.extend(features.columns().iter().filter(|column| !KEYS.contains(&column.name().as_str())).cloned());
    write_table(path, Format::Parquet, &DataFrame::new(train.len(), columns).map_err(|e| unsuitable(&e))?)
}

fn unsuitable(error: &PolarsError) -> Error {
    Error::Unsuitable { problem: error.to_string(), hint: None }
}
