//! Counts of values in a batch, to find out whether a feature has changed its meaning.

use std::collections::{BTreeMap, BTreeSet};

use super::{CategoricalEncoding, Encoding, Preprocessor};
use crate::warning::{OnlyNewLevels, Warning};

/// Maximum number of levels in a message.
const LISTED: usize = 5;

/// Values of a feature in a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueCounts {
    /// Rows with a value.
    pub present: u64,
    /// Rows with a text that does not occur in the training rows.
    pub unseen: u64,
    /// Rows without a value.
    pub missing: u64,
    /// Some of the values, if all are unseen.
    pub examples: BTreeSet<String>,
}

impl ValueCounts {
    /// Counts a text.
    pub(super) fn count(&mut self, value: Option<&str>, unseen: bool) {
        let Some(value) = value else {
            self.missing += 1;
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
        self.missing += other.missing;
        self.examples.extend(other.examples);
        while self.examples.len() > LISTED {
            self.examples.pop_last();
        }
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
    /// Finds categorical features with only new values, as after a change of their meaning or
    /// spelling. A few such values are a coincidence.
    pub(crate) fn only_new_levels<'a>(
        &'a self,
        counts: &'a BTreeMap<String, ValueCounts>,
        training_rows: u64,
    ) -> impl Iterator<Item = OnlyNewLevels> + 'a {
        self.features.iter().filter_map(move |encoder| {
            let Encoding::Categorical(text) = &encoder.encoding else { return None };
            let found = counts.get(&encoder.feature)?;
            if !found.is_all_unseen() || !text.is_implausible(found.present, training_rows) {
                return None;
            }
            let levels = text.training_levels();
            Some(OnlyNewLevels {
                feature: encoder.feature.clone(),
                rows: found.present,
                found: found.examples.iter().cloned().collect(),
                more: levels.len().saturating_sub(LISTED),
                expected: levels.into_iter().take(LISTED).collect(),
            })
        })
    }

    /// Warns of values and missing values that no training row has.
    pub(crate) fn warnings(&self, counts: &BTreeMap<String, ValueCounts>) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for encoder in &self.features {
            let Some(found) = counts.get(&encoder.feature) else { continue };
            let feature = || encoder.feature.clone();
            if found.unseen > 0 {
                warnings.push(Warning::UnseenLevels { rows: found.unseen, feature: feature() });
            }
            if found.missing > 0 && encoder.missing_share == 0.0 {
                warnings.push(Warning::NewlyMissing {
                    feature: feature(),
                    missing: found.missing,
                    rows: found.present + found.missing,
                });
            }
        }
        warnings
    }
}
