//! Drift of the feature values of a batch from the training rows.

use pql_stats::chi_squared::chi_squared_tail;
use pql_stats::counts::share;
use pql_stats::multiplicity::holm;
use serde::Serialize;

use crate::model::profile::{BandCounts, Bins, FeatureProfile, RowBands};

/// Significance level after Holm's correction over all features: 1% of unchanged batches raise an
/// alarm.
pub const LEVEL: f64 = 0.01;
/// Population stability index (PSI) of a moderate change: a convention, not a test (Siddiqi,
/// *Credit Risk Scorecards*, 2006, ch. 10).
pub const MODERATE: f64 = 0.1;
/// Population stability index of a large change, as in [`MODERATE`].
pub const LARGE: f64 = 0.25;

/// One bin of values and its share of the rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BinShare {
    /// Label of the bin.
    pub name: String,
    /// Share of the training rows, weighted by account age as in the batch.
    pub reference: f64,
    /// Share of the rows of the batch.
    pub current: f64,
}

/// Difference between the reference distribution and the distribution in a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DistributionShift {
    /// Population stability index.
    pub psi: f64,
    /// P-value of the index; `None` if all values are in one bin.
    pub p: Option<f64>,
    /// Bins with at least one row.
    pub bins: Vec<BinShare>,
}

/// Drift of one feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureDrift {
    /// The feature.
    pub feature: String,
    /// Difference between the two distributions.
    #[serde(flatten)]
    pub shift: DistributionShift,
    /// `p` after Holm's correction over all features.
    pub p_holm: Option<f64>,
    /// Whether the change is significant and at least moderate.
    pub drifted: bool,
    /// Whether drift of this feature raises an alarm (`false`: `--ignore`).
    pub monitored: bool,
    /// Mean of the training rows of the same age; `None` for text.
    pub reference_mean: Option<f64>,
    /// Mean of the batch; `None` for text.
    pub current_mean: Option<f64>,
    /// Share of the training rows of the same age without a value.
    pub reference_missing: f64,
    /// Share of the batch without a value.
    pub current_missing: f64,
    /// Share of the batch with values absent from training: numbers outside the training range, or
    /// new text levels.
    pub out_of_range: f64,
}

/// Number of independent rows (distinct accounts) behind two distributions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EffectiveRows {
    pub(super) reference: f64,
    pub(super) current: f64,
}

/// The training rows, weighted so that their account ages are distributed as those of the batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reweighting {
    /// Share of the batch in each band of account age.
    pub(super) weights: Vec<f64>,
    /// Number of training rows with the same precision as the weighted average.
    pub(super) rows: f64,
    pub(super) effective: EffectiveRows,
}

/// Weighted training rows of a feature.
struct Weighted {
    counts: Vec<f64>,
    missing: f64,
    mean: Option<f64>,
}

impl Reweighting {
    /// Returns the weighted average of a share of the training rows over the bands.
    ///
    /// # Arguments
    /// * `part`, `whole` – training rows of each band
    pub(super) fn share(&self, part: &[u64], whole: &[u64]) -> f64 {
        let bands = self.weights.iter().zip(part).zip(whole);
        bands.map(|((weight, part), whole)| weight * share(*part, *whole)).sum()
    }

    /// Returns the weighted distribution of a feature, as numbers of rows.
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    fn apply(&self, by_band: &[BandCounts], is_number: bool) -> Weighted {
        let bins = by_band.first().map_or(0, |band| band.counts.len());
        let mut weighted = Weighted { counts: vec![0.0; bins], missing: 0.0, mean: None };
        let (mut sum, mut numbers) = (0.0, 0.0);
        for (band, weight) in by_band.iter().zip(&self.weights) {
            let scale = self.rows * weight / (band.rows() as f64).max(1.0);
            for (total, count) in weighted.counts.iter_mut().zip(&band.counts) {
                *total += scale * *count as f64;
            }
            weighted.missing += scale * band.missing as f64;
            sum += scale * band.sum;
            numbers += scale * band.counts.iter().sum::<u64>() as f64;
        }
        weighted.mean = (is_number && numbers > 0.0).then(|| sum / numbers);
        weighted
    }

    /// Compares the weighted training rows of a profile with rows of the batch.
    ///
    /// # Arguments
    /// * `counts`, `missing` – rows of the batch in each bin, and without a value
    pub(super) fn compare(
        &self,
        profile: &FeatureProfile,
        (counts, missing): (&[u64], Option<u64>),
    ) -> (DistributionShift, Option<f64>, f64) {
        let is_number = matches!(profile.bins, Bins::Numbers { .. });
        let weighted = self.apply(&profile.by_band, is_number);
        let bins = profile.bin_labels().into_iter().zip(weighted.counts.iter().zip(counts));
        let mut bins: Vec<(String, f64, u64)> = bins.map(|(name, (a, b))| (name, *a, *b)).collect();
        bins.extend(missing.map(|missing| ("missing".to_owned(), weighted.missing, missing)));
        (shift(bins, self.effective), weighted.mean, weighted.missing / self.rows.max(1.0))
    }
}

/// Computes the population stability index Σ (q − p)·ln(q/p) over the bins, with half a row added
/// to each bin.
///
/// Without a change the index is distributed about as (1/n + 1/m)·χ² with (bins − 1) degrees of
/// freedom, where n and m are the numbers of independent rows.
///
/// # Arguments
/// * `bins` – label, weighted training rows and rows of the batch
/// # Source
/// Yurdakul, Naranjo, "Statistical properties of the population stability index", *Journal of Risk
/// Model Validation* 14 (2020); half a row: Haldane, *Annals of Human Genetics* 20 (1956)
#[expect(clippy::cast_precision_loss, reason = "counts of rows and bins")]
pub(super) fn shift(bins: Vec<(String, f64, u64)>, rows: EffectiveRows) -> DistributionShift {
    let bins: Vec<(String, f64, f64)> = bins
        .into_iter()
        .filter(|(_, reference, current)| *reference > 0.0 || *current > 0)
        .map(|(name, reference, current)| (name, reference, current as f64))
        .collect();
    let reference: f64 = bins.iter().map(|bin| bin.1).sum();
    let current: f64 = bins.iter().map(|bin| bin.2).sum();
    let k = bins.len() as f64;
    let smoothed = |count: f64, total: f64| (count + 0.5) / (total + 0.5 * k);
    let term = |(_, a, b): &(String, f64, f64)| {
        let (p, q) = (smoothed(*a, reference), smoothed(*b, current));
        (q - p) * (q / p).ln()
    };
    let psi: f64 = bins.iter().map(term).sum();
    let variance = 1.0 / rows.reference + 1.0 / rows.current;
    let testable = bins.len() > 1 && rows.reference > 0.0 && rows.current > 0.0;
    let p = testable.then(|| chi_squared_tail(k - 1.0, psi / variance));
    let share = |count: f64, total: f64| if total > 0.0 { count / total } else { 0.0 };
    let bins = bins
        .into_iter()
        .map(|(name, a, b)| BinShare {
            name,
            reference: share(a, reference),
            current: share(b, current),
        })
        .collect();
    DistributionShift { psi, p, bins }
}

/// Values of one feature in a batch, counted in the bins of the training rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct FeatureCounts {
    values: BandCounts,
    out_of_range: u64,
}

impl FeatureCounts {
    /// Adds numeric values.
    pub(super) fn add_numbers(&mut self, profile: &FeatureProfile, values: &[Option<f64>]) {
        self.values.add(&profile.count_numbers(values, &RowBands::single(values.len()))[0]);
        if let Bins::Numbers { range: Some([low, high]), .. } = profile.bins {
            self.out_of_range +=
                values.iter().flatten().filter(|value| !(low..=high).contains(*value)).count()
                    as u64;
        }
    }

    /// Adds text values.
    pub(super) fn add_texts(&mut self, profile: &FeatureProfile, values: &[Option<String>]) {
        let counted = &profile.count_texts(values, &RowBands::single(values.len()))[0];
        // The last bin contains the other levels. If it was empty in training, these levels are
        // new.
        if profile.counts.last() == Some(&0) {
            self.out_of_range += counted.counts.last().copied().unwrap_or(0);
        }
        self.values.add(counted);
    }

    /// Computes the drift from the training rows.
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    pub(super) fn drift(&self, profile: &FeatureProfile, reference: &Reweighting) -> FeatureDrift {
        let BandCounts { counts, missing, sum } = &self.values;
        let batch = (counts.as_slice(), Some(*missing));
        let (shift, reference_mean, reference_missing) = reference.compare(profile, batch);
        let (current, present) = (self.values.rows(), counts.iter().sum::<u64>());
        let is_number = matches!(profile.bins, Bins::Numbers { .. });
        FeatureDrift {
            feature: profile.feature.clone(),
            shift,
            p_holm: None,
            drifted: false,
            monitored: true,
            reference_mean,
            current_mean: (is_number && present > 0).then(|| sum / present as f64),
            reference_missing,
            current_missing: share(*missing, current),
            out_of_range: share(self.out_of_range, current),
        }
    }
}

/// Adjusts the p-values for the number of features and marks the features that drifted.
///
/// # Source
/// Holm, "A simple sequentially rejective multiple test procedure", *Scandinavian Journal of
/// Statistics* 6 (1979)
pub(super) fn adjust_p_values(drifts: &mut [FeatureDrift]) {
    let (mut tested, p): (Vec<&mut FeatureDrift>, Vec<f64>) =
        drifts.iter_mut().filter_map(|drift| drift.shift.p.map(|p| (drift, p))).unzip();
    for (drift, p) in tested.iter_mut().zip(holm(&p)) {
        drift.p_holm = Some(p);
        drift.drifted = p < LEVEL && drift.shift.psi >= MODERATE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(reference: &[f64], current: &[u64]) -> Vec<(String, f64, u64)> {
        reference.iter().zip(current).map(|(a, b)| (String::new(), *a, *b)).collect()
    }

    fn rows(reference: f64, current: f64) -> EffectiveRows {
        EffectiveRows { reference, current }
    }

    #[test]
    fn psi_matches_its_definition() {
        let found = shift(bins(&[100.0, 300.0, 0.0, 0.0], &[30, 10, 20, 0]), rows(400.0, 60.0));
        let smoothed =
            |counts: [f64; 3]| counts.map(|c| (c + 0.5) / (counts.iter().sum::<f64>() + 1.5));
        let (p, q) = (smoothed([100.0, 300.0, 0.0]), smoothed([30.0, 10.0, 20.0]));
        let expected: f64 = (0..3).map(|i| (q[i] - p[i]) * (q[i] / p[i]).ln()).sum();
        assert!((found.psi - expected).abs() < 1e-14 && found.bins.len() == 3);
        // χ² with two degrees of freedom: exp(−x/2).
        let tail = (-0.5 * expected / (1.0 / 400.0 + 1.0 / 60.0)).exp();
        assert!((found.p.unwrap() - tail).abs() <= 1e-12 * tail);
        let same = shift(bins(&[50.0, 50.0], &[5, 5]), rows(100.0, 10.0));
        assert_eq!((same.psi, same.p), (0.0, Some(1.0)));
        assert_eq!(shift(bins(&[9.0], &[2]), rows(9.0, 2.0)).p, None);
    }

    #[test]
    fn older_accounts_are_compared_with_training_rows_of_their_age() {
        // Two bands of 100 rows: 90% of the young have the value 0, 90% of the old the value 1.
        let value = |row: usize| f64::from(u8::from(row.is_multiple_of(10) == (row < 100)));
        let values: Vec<Option<f64>> = (0..200).map(|row| Some(value(row))).collect();
        let bands = RowBands { count: 2, of_row: (0..200).map(|row| row / 100).collect() };
        let profile = FeatureProfile::from_numbers("x", &values, &bands);
        let mut counts = FeatureCounts::default();
        counts.add_numbers(&profile, &values[100..]);
        let reweighting = |weights: [f64; 2]| Reweighting {
            weights: weights.to_vec(),
            rows: 100.0,
            effective: rows(100.0, 100.0),
        };
        let [same_age, pooled] =
            [[0.0, 1.0], [0.5, 0.5]].map(|weights| counts.drift(&profile, &reweighting(weights)));
        assert!(same_age.shift.psi < 1e-12 && pooled.shift.psi > 0.5, "{same_age:?} {pooled:?}");
        assert!((same_age.reference_mean.unwrap() - 0.9).abs() < 1e-12);
        assert!((pooled.reference_mean.unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn holm_correction_uses_the_number_of_remaining_tests() {
        let drift = |p: Option<f64>| FeatureDrift {
            shift: DistributionShift { psi: 0.2, p, bins: Vec::new() },
            ..FeatureCounts::default().drift(
                &FeatureProfile::from_numbers("x", &[Some(1.0)], &RowBands::single(1)),
                &Reweighting { weights: vec![1.0], rows: 1.0, effective: rows(1.0, 1.0) },
            )
        };
        let mut drifts = [drift(Some(0.004)), drift(None), drift(Some(0.001)), drift(Some(0.5))];
        adjust_p_values(&mut drifts);
        assert_eq!(
            drifts.each_ref().map(|d| d.p_holm),
            [Some(0.008), None, Some(0.003), Some(0.5)]
        );
        assert_eq!(drifts.each_ref().map(|d| d.drifted), [true, false, true, false]);
    }
}
