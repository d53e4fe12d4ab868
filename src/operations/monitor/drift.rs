//! Drift of the feature values of a batch from the training rows.

use pql_stats::chi_squared::chi_squared_tail;
use pql_stats::counts::share;
use pql_stats::multiplicity::holm;
use serde::Serialize;

use crate::model::profile::{Bins, FeatureProfile};

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
    /// Share of the training rows.
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
    /// Mean of the training rows; `None` for text.
    pub reference_mean: Option<f64>,
    /// Mean of the batch; `None` for text.
    pub current_mean: Option<f64>,
    /// Share of the training rows without a value.
    pub reference_missing: f64,
    /// Share of the batch without a value.
    pub current_missing: f64,
    /// Share of the batch with values absent from training: numbers outside the training range, or
    /// new text levels.
    pub out_of_range: f64,
}

/// Number of independent rows (distinct accounts) behind two distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EffectiveRows {
    pub(super) reference: u64,
    pub(super) current: u64,
}

/// Computes the population stability index Σ (q − p)·ln(q/p) over the bins, with half a row added
/// to each bin.
///
/// Without a change the index is distributed about as (1/n + 1/m)·χ² with (bins − 1) degrees of
/// freedom, where n and m are the numbers of independent rows.
///
/// # Arguments
/// * `bins` – label, training rows and rows of the batch
/// # Source
/// Yurdakul, Naranjo, "Statistical properties of the population stability index", *Journal of Risk
/// Model Validation* 14 (2020); half a row: Haldane, *Annals of Human Genetics* 20 (1956)
#[expect(clippy::cast_precision_loss, reason = "counts of rows and bins")]
pub(super) fn shift(bins: Vec<(String, u64, u64)>, rows: EffectiveRows) -> DistributionShift {
    let bins: Vec<_> =
        bins.into_iter().filter(|(_, reference, current)| reference + current > 0).collect();
    let [reference, current] =
        [bins.iter().map(|bin| bin.1).sum::<u64>(), bins.iter().map(|bin| bin.2).sum::<u64>()];
    let k = bins.len() as f64;
    let smoothed = |count: u64, total: u64| (count as f64 + 0.5) / (total as f64 + 0.5 * k);
    let term = |(_, a, b): &(String, u64, u64)| {
        let (p, q) = (smoothed(*a, reference), smoothed(*b, current));
        (q - p) * (q / p).ln()
    };
    let psi: f64 = bins.iter().map(term).sum();
    let variance = 1.0 / rows.reference as f64 + 1.0 / rows.current as f64;
    let testable = bins.len() > 1 && rows.reference > 0 && rows.current > 0;
    let p = testable.then(|| chi_squared_tail(k - 1.0, psi / variance));
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
    counts: Vec<u64>,
    missing: u64,
    out_of_range: u64,
    numbers: u64,
    sum: f64,
}

impl FeatureCounts {
    /// Adds numeric values.
    pub(super) fn add_numbers(&mut self, profile: &FeatureProfile, values: &[Option<f64>]) {
        let (counts, missing) = profile.count_numbers(values);
        self.add(counts, missing);
        if let Bins::Numbers { range: Some([low, high]), .. } = profile.bins {
            self.out_of_range +=
                values.iter().flatten().filter(|value| !(low..=high).contains(*value)).count()
                    as u64;
        }
        self.numbers += values.iter().flatten().count() as u64;
        self.sum += values.iter().flatten().sum::<f64>();
    }

    /// Adds text values.
    pub(super) fn add_texts(&mut self, profile: &FeatureProfile, values: &[Option<String>]) {
        let (counts, missing) = profile.count_texts(values);
        // The last bin contains the other levels. If it was empty in training, these levels are
        // new.
        if profile.counts.last() == Some(&0) {
            self.out_of_range += counts.last().copied().unwrap_or(0);
        }
        self.add(counts, missing);
    }

    fn add(&mut self, counts: Vec<u64>, missing: u64) {
        self.counts.resize(counts.len(), 0);
        self.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        self.missing += missing;
    }

    /// Computes the drift from the training rows.
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    pub(super) fn drift(&self, profile: &FeatureProfile, rows: EffectiveRows) -> FeatureDrift {
        let counts = profile
            .bin_labels()
            .into_iter()
            .zip(profile.counts.iter().zip(&self.counts))
            .map(|(name, (a, b))| (name, *a, *b));
        let bins = counts.chain([("missing".to_owned(), profile.missing, self.missing)]).collect();
        let current = self.counts.iter().sum::<u64>() + self.missing;
        let reference = profile.counts.iter().sum::<u64>() + profile.missing;
        FeatureDrift {
            feature: profile.feature.clone(),
            shift: shift(bins, rows),
            p_holm: None,
            drifted: false,
            monitored: true,
            reference_mean: profile.mean,
            current_mean: (self.numbers > 0).then(|| self.sum / self.numbers as f64),
            reference_missing: share(profile.missing, reference),
            current_missing: share(self.missing, current),
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

    fn bins(reference: &[u64], current: &[u64]) -> Vec<(String, u64, u64)> {
        reference.iter().zip(current).map(|(a, b)| (String::new(), *a, *b)).collect()
    }

    #[test]
    fn psi_matches_its_definition() {
        let found = shift(
            bins(&[100, 300, 0, 0], &[30, 10, 20, 0]),
            EffectiveRows { reference: 400, current: 60 },
        );
        let smoothed =
            |counts: [f64; 3]| counts.map(|c| (c + 0.5) / (counts.iter().sum::<f64>() + 1.5));
        let (p, q) = (smoothed([100.0, 300.0, 0.0]), smoothed([30.0, 10.0, 20.0]));
        let expected: f64 = (0..3).map(|i| (q[i] - p[i]) * (q[i] / p[i]).ln()).sum();
        assert!((found.psi - expected).abs() < 1e-14 && found.bins.len() == 3);
        // χ² with two degrees of freedom: exp(−x/2).
        let tail = (-0.5 * expected / (1.0 / 400.0 + 1.0 / 60.0)).exp();
        assert!((found.p.unwrap() - tail).abs() <= 1e-12 * tail);
        let same = shift(bins(&[50, 50], &[5, 5]), EffectiveRows { reference: 100, current: 10 });
        assert_eq!((same.psi, same.p), (0.0, Some(1.0)));
        assert_eq!(shift(bins(&[9], &[2]), EffectiveRows { reference: 9, current: 2 }).p, None);
    }

    #[test]
    fn holm_correction_uses_the_number_of_remaining_tests() {
        let drift = |p: Option<f64>| FeatureDrift {
            shift: DistributionShift { psi: 0.2, p, bins: Vec::new() },
            ..FeatureCounts::default().drift(
                &FeatureProfile::from_numbers("x", &[Some(1.0)]),
                EffectiveRows { reference: 1, current: 1 },
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
