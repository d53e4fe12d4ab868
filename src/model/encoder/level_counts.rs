//! Counts of levels in a batch, to find out whether a category has changed its meaning.

use std::collections::{BTreeMap, BTreeSet};

use super::{CategoricalEncoding, Encoding, Preprocessor};
use crate::error::{Error, Result};

/// Maximum number of levels in a message.
const LISTED: usize = 5;

/// Values of a categorical feature in a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelCounts {
    /// Rows with a value.
    pub present: u64,
    /// Rows with a value that does not occur in the training rows.
    pub unseen: u64,
    /// Rows without a value, if no training row is without one.
    pub unseen_missing: u64,
    /// Some of the values, if all are unseen.
    pub examples: BTreeSet<String>,
}

impl LevelCounts {
    /// Counts a value.
    pub(super) fn count(&mut self, value: Option<&str>, unseen: bool) {
        let Some(value) = value else {
            self.unseen_missing += u64::from(unseen);
            return;
        };
        self.present += 1;
        self.unseen += u64::from(unseen);
        let is_example = unseen && self.examples.len() < LISTED && self.is_all_unseen();
        if is_example && !self.examples.contains(value) {
            self.examples.insert(value.to_owned());
        }
    }

    /// Adds the counts of other rows.
    pub(crate) fn add(&mut self, other: Self) {
        self.present += other.present;
        self.unseen += other.unseen;
        self.unseen_missing += other.unseen_missing;
        self.examples.extend(other.examples);
        while self.examples.len() > LISTED {
            self.examples.pop_last();
        }
    }

    /// Returns the number of rows whose level does not occur in the training rows.
    #[must_use]
    pub fn unseen_rows(&self) -> u64 {
        self.unseen + self.unseen_missing
    }

    fn is_all_unseen(&self) -> bool {
        self.present > 0 && self.unseen == self.present
    }
}

impl CategoricalEncoding {
    /// Returns whether a number of new values, and no other ones, is implausible: a value is rare
    /// or new with the share of rare levels in the training rows and that of one row.
    fn is_implausible(&self, new: u64, training_rows: u64) -> bool {
        /// Probability below which new values alone are no coincidence.
        const COINCIDENCE: f64 = 0.001;
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let one = 1.0 / training_rows.max(1) as f64;
        let rare = self.other.map_or(0.0, |scale| scale.mean);
        let new = i32::try_from(new).unwrap_or(i32::MAX);
        new >= 2 && (rare + one).min(1.0).powi(new) < COINCIDENCE
    }

    /// Returns the levels of the training rows.
    fn training_levels(&self) -> Vec<String> {
        let levels = self.levels.iter().map(|(level, _)| level);
        let all = std::iter::once(&self.reference_level).chain(levels).chain(&self.rare_levels);
        all.filter(|level| *level != super::MISSING).cloned().collect()
    }
}

impl Preprocessor {
    /// Checks that no categorical feature has only new values, as after a change of its meaning or
    /// spelling.
    ///
    /// # Errors
    /// * [`Error::UnseenCategory`]: all values of a feature are new, and too many for a coincidence
    pub(crate) fn check_levels(
        &self,
        counts: &BTreeMap<String, LevelCounts>,
        training_rows: u64,
    ) -> Result<()> {
        for encoder in &self.features {
            let Encoding::Categorical(text) = &encoder.encoding else { continue };
            let Some(found) = counts.get(&encoder.feature) else { continue };
            if found.is_all_unseen() && text.is_implausible(found.present, training_rows) {
                let levels = text.training_levels();
                return Err(Error::UnseenCategory {
                    feature: encoder.feature.clone(),
                    rows: found.present,
                    found: found.examples.iter().cloned().collect(),
                    more: levels.len().saturating_sub(LISTED),
                    expected: levels.into_iter().take(LISTED).collect(),
                });
            }
        }
        Ok(())
    }
}
