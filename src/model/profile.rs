//! Distributions of features and scores in the training rows, the reference for drift monitoring.

use std::collections::BTreeMap;

use pql_stats::quantile::quantile;
use serde::{Deserialize, Serialize};

use super::tenure::TenureBands;
use crate::log::TrainingActivity;

/// Maximum number of bins of a numeric feature.
const BINS: u32 = 10;
/// Maximum number of levels with a bin of their own.
const LEVELS: usize = 50;

/// Distributions of the features and scores of the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceProfile {
    /// Number of rows.
    pub rows: u64,
    /// Number of distinct accounts.
    pub accounts: u64,
    /// Bands of account age.
    pub tenure: TenureBands,
    /// Distribution of each feature, in the order of the model.
    pub features: Vec<FeatureProfile>,
    /// Distribution of the scores of these rows.
    pub scores: ScoreProfile,
    /// Events of the last training days; `None` for a feature matrix.
    pub activity: Option<TrainingActivity>,
}

/// Distribution of a model's scores of its own training rows.
///
/// Drift is measured against these scores because later batches are scored by the same fit.
/// Cross-fitted probabilities come from other fits, with a different spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreProfile {
    /// Distribution of the probabilities, in percent.
    pub percent: FeatureProfile,
    /// Rows with a probability at or above the threshold.
    pub above_threshold: u64,
    /// The same by band of account age.
    pub above_threshold_by_band: Vec<u64>,
}

impl ReferenceProfile {
    /// Checks that features and scores have one count for each bin and band of account age.
    pub(crate) fn has_consistent_sizes(&self) -> bool {
        let bands = self.tenure.len();
        let is_complete = |profile: &FeatureProfile| {
            let bins = profile.bin_count();
            profile.counts.len() == bins
                && profile.by_band.len() == bands
                && profile.by_band.iter().all(|band| band.counts.len() == bins)
        };
        self.tenure.accounts.len() == bands
            && self.scores.above_threshold_by_band.len() == bands
            && self.features.iter().chain([&self.scores.percent]).all(is_complete)
    }
}

impl ScoreProfile {
    /// Computes the distribution of probabilities.
    ///
    /// # Arguments
    /// * `bands` – band of account age of each row
    #[must_use]
    pub fn from_probabilities(probabilities: &[f64], threshold: f64, bands: &RowBands) -> Self {
        let percent: Vec<Option<f64>> = probabilities.iter().map(|p| Some(100.0 * p)).collect();
        let mut above_threshold_by_band = vec![0; bands.count];
        for (p, band) in probabilities.iter().zip(&bands.of_row) {
            above_threshold_by_band[*band] += u64::from(*p >= threshold);
        }
        Self {
            percent: FeatureProfile::from_numbers("probability", &percent, bands),
            above_threshold: above_threshold_by_band.iter().sum(),
            above_threshold_by_band,
        }
    }
}

/// The band of account age of each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowBands {
    /// Number of bands.
    pub count: usize,
    /// Band of each row.
    pub of_row: Vec<usize>,
}

impl RowBands {
    /// Returns the only band of rows without ages.
    #[must_use]
    pub fn single(rows: usize) -> Self {
        Self { count: 1, of_row: vec![0; rows] }
    }
}

/// Values of some rows, such as those of one band of account age.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BandCounts {
    /// Rows in each bin.
    pub counts: Vec<u64>,
    /// Rows without a value.
    pub missing: u64,
    /// Sum of the numbers.
    pub sum: f64,
}

impl BandCounts {
    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.missing
    }

    /// Adds the counts of other rows.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.missing += other.missing;
        self.sum += other.sum;
    }
}

/// Distribution of the values of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureProfile {
    /// Name of the feature.
    pub feature: String,
    /// Bins of the values.
    pub bins: Bins,
    /// Rows in each bin.
    pub counts: Vec<u64>,
    /// Rows without a value.
    pub missing: u64,
    /// Mean of a numeric feature; `None` for text, or if all values are missing.
    pub mean: Option<f64>,
    /// The same values by band of account age.
    pub by_band: Vec<BandCounts>,
}

/// Bins of the values of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Bins {
    /// Bins of numbers: up to the first edge, (edge, next edge], and above the last edge.
    Numbers {
        /// Inner edges, ascending.
        edges: Vec<f64>,
        /// Smallest and largest value; `None` if all are missing.
        range: Option<[f64; 2]>,
    },
    /// One bin per level, and one for all other texts.
    Texts(Vec<String>),
}

impl FeatureProfile {
    /// Computes the distribution of a numeric feature, with bins between its distinct deciles.
    ///
    /// # Arguments
    /// * `values` – finite, or missing
    /// * `sorted` – those that are not missing, ascending
    /// # Source
    /// Hyndman, Fan, "Sample quantiles in statistical packages", *The American Statistician* 50
    /// (1996): type 7
    #[must_use]
    pub(crate) fn from_sorted(
        feature: &str,
        (values, sorted): (&[Option<f64>], &[f64]),
        bands: &RowBands,
    ) -> Self {
        let decile = |number: u32| quantile(sorted, f64::from(number) / f64::from(BINS));
        let mut edges: Vec<f64> = (1..BINS).filter_map(decile).collect();
        edges.dedup();
        // No value is above the largest.
        edges.retain(|edge| sorted.last().is_some_and(|last| edge < last));
        let range = sorted.first().zip(sorted.last()).map(|(low, high)| [*low, *high]);
        let mut profile = Self {
            feature: feature.to_owned(),
            counts: vec![0; edges.len() + 1],
            bins: Bins::Numbers { edges, range },
            missing: 0,
            mean: mean(values),
            by_band: Vec::new(),
        };
        profile.by_band = profile.count_numbers(values, bands);
        profile.with_totals()
    }

    /// Computes [`FeatureProfile::from_sorted`] of values in any order.
    #[must_use]
    pub fn from_numbers(feature: &str, values: &[Option<f64>], bands: &RowBands) -> Self {
        let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self::from_sorted(feature, (values, &sorted), bands)
    }

    /// Computes the distribution of a text feature: a bin for each of the 50 most frequent levels
    /// (ties in byte order), and one for all others.
    #[must_use]
    pub fn from_texts(feature: &str, values: &[Option<String>], bands: &RowBands) -> Self {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        values.iter().flatten().for_each(|value| *counts.entry(value).or_default() += 1);
        let mut levels: Vec<(&str, u64)> = counts.into_iter().collect();
        levels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let levels: Vec<String> =
            levels.into_iter().take(LEVELS).map(|(level, _)| level.to_owned()).collect();
        let mut profile = Self {
            feature: feature.to_owned(),
            counts: Vec::new(),
            bins: Bins::Texts(levels),
            missing: 0,
            mean: None,
            by_band: Vec::new(),
        };
        profile.by_band = profile.count_texts(values, bands);
        profile.with_totals()
    }

    /// Sums the bands.
    fn with_totals(mut self) -> Self {
        let mut all = BandCounts { counts: vec![0; self.bin_count()], ..BandCounts::default() };
        self.by_band.iter().for_each(|band| all.add(band));
        (self.counts, self.missing) = (all.counts, all.missing);
        self
    }

    /// Returns the number of bins.
    fn bin_count(&self) -> usize {
        1 + match &self.bins {
            Bins::Numbers { edges, .. } => edges.len(),
            Bins::Texts(levels) => levels.len(),
        }
    }

    /// Counts other numbers in the same bins, by band.
    #[must_use]
    pub fn count_numbers(&self, values: &[Option<f64>], bands: &RowBands) -> Vec<BandCounts> {
        let Bins::Numbers { edges, .. } = &self.bins else { return Vec::new() };
        let bin = |value: f64| edges.partition_point(|edge| *edge < value);
        let mut counts = self.count(values.iter().map(|value| value.map(bin)), bands);
        for (value, band) in values.iter().zip(&bands.of_row) {
            counts[*band].sum += value.unwrap_or(0.0);
        }
        counts
    }

    /// Counts other texts in the same bins, by band.
    #[must_use]
    pub fn count_texts(&self, values: &[Option<String>], bands: &RowBands) -> Vec<BandCounts> {
        let Bins::Texts(levels) = &self.bins else { return Vec::new() };
        let bins: BTreeMap<&str, usize> =
            levels.iter().enumerate().map(|(bin, level)| (level.as_str(), bin)).collect();
        let bin = |value: &String| bins.get(value.as_str()).copied().unwrap_or(levels.len());
        self.count(values.iter().map(|value| value.as_ref().map(bin)), bands)
    }

    fn count(
        &self,
        bins: impl Iterator<Item = Option<usize>>,
        bands: &RowBands,
    ) -> Vec<BandCounts> {
        let empty = BandCounts { counts: vec![0; self.bin_count()], ..BandCounts::default() };
        let mut counted = vec![empty; bands.count];
        for (bin, band) in bins.zip(&bands.of_row) {
            match bin {
                Some(bin) => counted[*band].counts[bin] += 1,
                None => counted[*band].missing += 1,
            }
        }
        counted
    }

    /// Returns a label for each bin.
    #[must_use]
    pub fn bin_labels(&self) -> Vec<String> {
        match &self.bins {
            Bins::Texts(levels) => levels
                .iter()
                .map(|level| format!("`{level}`"))
                .chain(["others".to_owned()])
                .collect(),
            Bins::Numbers { edges, .. } => {
                let mut names: Vec<String> = edges
                    .first()
                    .map(|edge| format!("up to {}", brief(*edge)))
                    .into_iter()
                    .collect();
                names.extend(
                    edges
                        .windows(2)
                        .map(|ends| format!("{} to {}", brief(ends[0]), brief(ends[1]))),
                );
                names.push(
                    edges
                        .last()
                        .map_or_else(|| "all".to_owned(), |edge| format!("above {}", brief(*edge))),
                );
                names
            }
        }
    }
}

/// Formats a number with three significant digits; whole numbers keep all digits.
fn brief(x: f64) -> String {
    if x.fract() == 0.0 && x.abs() < 1e7 {
        return x.to_string();
    }
    #[expect(clippy::cast_possible_truncation, reason = "a number of digits")]
    let digits = x.abs().log10().floor() as i32 + 1;
    match usize::try_from(3 - digits) {
        // Without decimal places, trailing zeros are significant.
        Ok(0) | Err(_) if x.abs() < 1e7 => format!("{x:.0}"),
        Ok(places) if places <= 6 => {
            format!("{x:.places$}").trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{x:.1e}"),
    }
}

/// Computes the mean of the values that are not missing.
#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let count = values.iter().flatten().count();
    (count > 0).then(|| values.iter().flatten().sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[Option<f64>]) -> FeatureProfile {
        FeatureProfile::from_numbers("x", values, &RowBands::single(values.len()))
    }

    #[test]
    fn values_are_counted_by_band() {
        let values = [Some(1.0), Some(2.0), Some(3.0), None];
        let bands = RowBands { count: 2, of_row: vec![0, 1, 1, 1] };
        let profile = FeatureProfile::from_numbers("x", &values, &bands);
        let rows: Vec<(u64, u64, f64)> =
            profile.by_band.iter().map(|band| (band.rows(), band.missing, band.sum)).collect();
        assert_eq!(rows, [(1, 0, 1.0), (3, 1, 5.0)]);
        assert_eq!((profile.counts.iter().sum::<u64>(), profile.missing), (3, 1));
    }

    #[test]
    fn numbers_are_binned_by_their_deciles() {
        let values: Vec<Option<f64>> =
            (1..=100).map(|v| Some(f64::from(v))).chain([None]).collect();
        let profile = numbers(&values);
        assert_eq!(
            (profile.counts.clone(), profile.missing, profile.mean),
            (vec![10; 10], 1, Some(50.5))
        );
        let counted = profile.count_numbers(&[Some(-5.0), Some(1e9), None], &RowBands::single(3));
        assert_eq!(
            (counted[0].counts.clone(), counted[0].missing),
            ([&[1], &[0; 8][..], &[1]].concat(), 1)
        );
        assert_eq!(profile.bin_labels().len(), 10);
    }

    #[test]
    fn equal_deciles_share_an_edge() {
        let values: Vec<Option<f64>> = (0..100).map(|v| Some(f64::from((v - 60).max(0)))).collect();
        let profile = numbers(&values);
        assert_eq!(profile.counts, [61, 9, 10, 10, 10]);
        let same = numbers(&[Some(3.0); 4]);
        assert_eq!((same.counts.clone(), same.bin_labels()), (vec![4], vec!["all".to_owned()]));
        let none = numbers(&[None, None]);
        assert_eq!((none.counts, none.missing, none.mean), (vec![0], 2, None));
    }

    #[test]
    fn edges_have_three_digits() {
        let found =
            [0.0, 12.0, 0.05412, -2.7726, 8.6674, 99.96, 100.4, 123.45, 98_765.4, 1e9, 1e-9]
                .map(brief);
        assert_eq!(
            found,
            ["0", "12", "0.0541", "-2.77", "8.67", "100", "100", "123", "98765", "1.0e9", "1.0e-9"]
        );
    }

    #[test]
    fn new_texts_are_counted_as_others() {
        let text = |text: &str| Some(text.to_owned());
        let profile = FeatureProfile::from_texts(
            "t",
            &[text("b"), text("a"), text("b"), None],
            &RowBands::single(4),
        );
        assert_eq!(
            (profile.bin_labels(), profile.counts.clone(), profile.missing),
            (vec!["`b`".into(), "`a`".into(), "others".into()], vec![2, 1, 0], 1)
        );
        let counted = profile.count_texts(&[text("a"), text("c"), text("d")], &RowBands::single(3));
        assert_eq!((counted[0].counts.clone(), counted[0].missing), (vec![0, 1, 2], 0));
    }
}
