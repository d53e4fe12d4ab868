//! Probabilities of rows by fits that were not trained on them.

use std::collections::BTreeMap;
use std::path::Path;

use super::test_set::TestRows;
use crate::error::Result;
use crate::model::Model;
use crate::model::score::Scorer;

/// A test row.
#[derive(Debug, Clone, Copy)]
struct TestRow {
    /// Probability by the evaluated fit, which had not seen the row.
    held_out: f64,
    /// Probability by the final model.
    fitted: f64,
}

/// Relation of a row to the training of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowStatus {
    /// A test row, with the stored probability of the fit that had not seen it.
    Stored(f64),
    /// The cutoff is after the training data.
    Newer,
    /// The model was trained on the row.
    Trained,
    /// Without cutoffs, the model may have been trained on the row.
    Unknown,
}

impl RowStatus {
    /// Returns the held-out probability of the row; `None` for a training row.
    ///
    /// # Arguments
    /// * `fitted` – the probability by the final model
    #[must_use]
    pub fn probability(self, fitted: f64) -> Option<f64> {
        match self {
            Self::Stored(held_out) => Some(held_out),
            Self::Newer | Self::Unknown => Some(fitted),
            Self::Trained => None,
        }
    }
}

/// What is known of a model about rows that it was not trained on: their stored held-out
/// probabilities, and the cutoff after which no row was used for training.
#[derive(Debug, Clone, Default)]
pub struct HeldOut {
    /// Test rows by account and cutoff.
    test_rows: BTreeMap<(String, Option<i64>), Vec<TestRow>>,
    /// Last cutoff of the rows that the model was fitted on, µs UTC; `None` without cutoffs.
    last_training: Option<i64>,
}

impl HeldOut {
    /// Takes a model without its test rows.
    #[must_use]
    pub fn without_test_rows(model: &Model) -> Self {
        Self { test_rows: BTreeMap::new(), last_training: model.last_training_cutoff() }
    }

    /// Reads the stored test rows of a model, if there are any.
    ///
    /// # Errors
    /// * those of [`TestRows::load`], [`TestRows::probabilities`]
    pub fn load(file: &Path, model: &Model, scorer: &Scorer<'_>) -> Result<Self> {
        let mut held_out = Self::without_test_rows(model);
        let Some(rows) = TestRows::load(file, model)? else { return Ok(held_out) };
        // A feature with the name of a key is not stored, so the final model cannot score the rows.
        if rows.missing_feature(model).is_some() {
            return Ok(held_out);
        }
        let fitted = rows.probabilities(scorer)?;
        for (index, account) in rows.account.iter().enumerate() {
            let cutoff = rows.cutoff.as_ref().map(|cutoff| cutoff[index]);
            let row = TestRow { held_out: rows.probability[index], fitted: fitted[index] };
            held_out.test_rows.entry((account.clone(), cutoff)).or_default().push(row);
        }
        Ok(held_out)
    }

    /// Returns whether a row is newer than the training data, a test row or a training row.
    ///
    /// # Arguments
    /// * `cutoff` – µs UTC; `None` without cutoffs
    /// * `fitted` – the probability by the final model
    #[must_use]
    pub fn status(&self, account: &str, cutoff: Option<i64>, fitted: f64) -> RowStatus {
        let newer = cutoff.zip(self.last_training).map(|(cutoff, last)| cutoff > last);
        match (newer, self.test_row(account, cutoff, fitted)) {
            (Some(true), _) => RowStatus::Newer,
            (_, Some(row)) => RowStatus::Stored(row.held_out),
            (Some(false), None) => RowStatus::Trained,
            (None, None) => RowStatus::Unknown,
        }
    }

    /// Finds a test row.
    ///
    /// Account and cutoff identify a row. Without cutoffs, or if several test rows have them, it is
    /// the one to which the final model gives the same probability.
    fn test_row(&self, account: &str, cutoff: Option<i64>, fitted: f64) -> Option<&TestRow> {
        let rows = self.test_rows.get(&(account.to_owned(), cutoff))?;
        match rows.as_slice() {
            [row] if cutoff.is_some() => Some(row),
            rows => rows.iter().find(|row| row.fitted.to_bits() == fitted.to_bits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_out(last_training: Option<i64>, rows: &[(&str, Option<i64>, TestRow)]) -> HeldOut {
        let mut held_out = HeldOut { last_training, ..HeldOut::default() };
        for (account, cutoff, row) in rows {
            held_out.test_rows.entry(((*account).to_owned(), *cutoff)).or_default().push(*row);
        }
        held_out
    }

    const A: TestRow = TestRow { held_out: 0.1, fitted: 0.2 };
    const B: TestRow = TestRow { held_out: 0.3, fitted: 0.4 };

    #[test]
    fn a_row_with_a_cutoff_is_newer_stored_or_trained() {
        let known = held_out(Some(5), &[("a", Some(4), A)]);
        assert_eq!(known.status("a", Some(6), 0.9), RowStatus::Newer);
        assert_eq!(known.status("a", Some(4), 0.9), RowStatus::Stored(0.1), "other features");
        assert_eq!(known.status("a", Some(3), 0.9), RowStatus::Trained);
        assert_eq!(known.status("a", None, 0.9), RowStatus::Unknown);
    }

    #[test]
    fn repeated_keys_are_distinguished_by_their_scores() {
        for cutoff in [None, Some(4)] {
            let last = cutoff.map(|_| 5);
            let known = held_out(last, &[("a", cutoff, A), ("a", cutoff, B)]);
            assert_eq!(known.status("a", cutoff, 0.2), RowStatus::Stored(0.1));
            assert_eq!(known.status("a", cutoff, 0.4), RowStatus::Stored(0.3));
            let other = if cutoff.is_some() { RowStatus::Trained } else { RowStatus::Unknown };
            assert_eq!(known.status("a", cutoff, 0.9), other);
        }
    }
}
