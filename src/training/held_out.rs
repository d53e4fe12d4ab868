//! Probabilities of rows by fits that were not trained on them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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

/// What is known of a model about rows that it was not trained on: their stored held-out
/// probabilities, and the cutoff after which no row was used for training.
#[derive(Debug, Clone, Default)]
pub struct HeldOut {
    /// Test rows by account and cutoff; `None` for a key that several rows have.
    test_rows: BTreeMap<(String, Option<i64>), Option<TestRow>>,
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
            match held_out.test_rows.entry((account.clone(), cutoff)) {
                Entry::Vacant(entry) => _ = entry.insert(Some(row)),
                Entry::Occupied(mut entry) => _ = entry.insert(None),
            }
        }
        Ok(held_out)
    }

    /// Returns the held-out probability of a row: the stored one of a test row, or `fitted` if the
    /// cutoff is after the training data or unknown; `None` for a training row.
    ///
    /// # Arguments
    /// * `cutoff` – µs UTC; `None` without cutoffs
    /// * `fitted` – the probability by the final model
    #[must_use]
    pub fn probability(&self, account: &str, cutoff: Option<i64>, fitted: f64) -> Option<f64> {
        let unknown = cutoff.zip(self.last_training).is_none();
        self.stored(account, cutoff, fitted)
            .or_else(|| (unknown || self.is_newer(cutoff)).then_some(fitted))
    }

    /// Returns the stored probability of a test row that the final model was trained on.
    ///
    /// Without cutoffs, a row with the account of a test row may be another row of the account. It
    /// is the same one if the final model gives it the same probability.
    #[must_use]
    pub fn stored(&self, account: &str, cutoff: Option<i64>, fitted: f64) -> Option<f64> {
        if self.is_newer(cutoff) {
            return None;
        }
        let row = (*self.test_rows.get(&(account.to_owned(), cutoff))?)?;
        let is_same = cutoff.is_some() || row.fitted.to_bits() == fitted.to_bits();
        is_same.then_some(row.held_out)
    }

    fn is_newer(&self, cutoff: Option<i64>) -> bool {
        cutoff.zip(self.last_training).is_some_and(|(cutoff, last)| cutoff > last)
    }
}
