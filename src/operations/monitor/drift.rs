//! How far the values of a batch are from those of the training rows, feature by feature.

use pql_stats::chi_squared::chi_squared_tail;
use pql_stats::counts::share;
use pql_stats::multiplicity::holm;
use serde::Serialize;

use crate::model::profile::{Cells, FeatureProfile};

/// Level of a test, after Holm's correction over all features: a batch that has not changed alarms
/// once in a hundred times.
pub const LEVEL: f64 = 0.01;
/// Index of population stability from which on a change is called moderate, and large: marks of the
/// trade, not tests (Siddiqi, *Credit Risk Scorecards*, 2006, ch. 10).
pub const MODERATE: f64 = 0.1;
/// See [`MODERATE`].
pub const LARGE: f64 = 0.25;

/// A part of the values, and how many rows have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// What it holds, in words.
    pub name: String,
    /// Share of the training rows.
    pub then: f64,
    /// Share of the rows of the batch.
    pub now: f64,
}

/// How far two spreads of the same values are apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shift {
    /// Index of population stability.
    pub psi: f64,
    /// Probability of one as large by chance; `None` where all values are alike.
    pub p: Option<f64>,
    /// The cells, those that nobody has left out.
    pub cells: Vec<Cell>,
}

/// How far the values of a feature have moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The feature.
    pub feature: String,
    /// How far.
    #[serde(flatten)]
    pub shift: Shift,
    /// `p` after Holm's correction over all features.
    pub p_holm: Option<f64>,
    /// Whether that is beyond chance, and large enough to matter.
    pub drifted: bool,
    /// Whether it counts for the alarm; one that was to be ignored does not.
    pub watched: bool,
    /// Mean of the training rows; `None` of texts.
    pub mean_then: Option<f64>,
    /// Mean of the batch.
    pub mean_now: Option<f64>,
    /// Share of the training rows without a value.
    pub missing_then: f64,
    /// Share of the batch without a value.
    pub missing_now: f64,
    /// Share of the batch beyond all that training rows had: numbers outside of their range, texts
    /// they did not have.
    pub beyond: f64,
}

/// Rows behind two spreads: those that tell something by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Independent {
    pub(super) then: u64,
    pub(super) now: u64,
}

/// Measure how far two spreads are apart: Σ (q − p)·ln(q/p) over the cells, half a row added to
/// each.
///
/// Without a change it is about (1/n + 1/m)·χ² with one degree of freedom fewer than cells, n and m
/// being the independent rows of both sides.
///
/// # Arguments
/// * `cells` – name, training rows and rows of the batch
/// # Source
/// Yurdakul, Naranjo, "Statistical properties of the population stability index", *Journal of Risk
/// Model Validation* 14 (2020); half a row: Haldane, *Annals of Human Genetics* 20 (1956)
#[expect(clippy::cast_precision_loss, reason = "counts of rows and cells")]
pub(super) fn shift(cells: Vec<(String, u64, u64)>, rows: Independent) -> Shift {
    let cells: Vec<_> = cells.into_iter().filter(|(_, then, now)| then + now > 0).collect();
    let [then, now] =
        [cells.iter().map(|c| c.1).sum::<u64>(), cells.iter().map(|c| c.2).sum::<u64>()];
    let k = cells.len() as f64;
    let smoothed = |count: u64, of: u64| (count as f64 + 0.5) / (of as f64 + 0.5 * k);
    let term = |(_, a, b): &(String, u64, u64)| {
        let (p, q) = (smoothed(*a, then), smoothed(*b, now));
        (q - p) * (q / p).ln()
    };
    let psi: f64 = cells.iter().map(term).sum();
    let spread = 1.0 / rows.then as f64 + 1.0 / rows.now as f64;
    let tests = cells.len() > 1 && rows.then > 0 && rows.now > 0;
    let p = tests.then(|| chi_squared_tail(k - 1.0, psi / spread));
    let cells = cells
        .into_iter()
        .map(|(name, a, b)| Cell { name, then: share(a, then), now: share(b, now) })
        .collect();
    Shift { psi, p, cells }
}

/// What a batch has of a feature, counted in the cells of the training rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counted {
    counts: Vec<u64>,
    missing: u64,
    beyond: u64,
    numbers: u64,
    sum: f64,
}

impl Counted {
    /// Take in more numbers.
    pub(super) fn take_numbers(&mut self, profile: &FeatureProfile, values: &[Option<f64>]) {
        let (counts, missing) = profile.count_numbers(values);
        self.add(counts, missing);
        if let Cells::Numbers { range: Some([low, high]), .. } = profile.cells {
            self.beyond +=
                values.iter().flatten().filter(|value| !(low..=high).contains(*value)).count()
                    as u64;
        }
        self.numbers += values.iter().flatten().count() as u64;
        self.sum += values.iter().flatten().sum::<f64>();
    }

    /// Take in more texts.
    pub(super) fn take_texts(&mut self, profile: &FeatureProfile, values: &[Option<String>]) {
        let (counts, missing) = profile.count_texts(values);
        // Where training rows had no others, all others are new.
        if profile.counts.last() == Some(&0) {
            self.beyond += counts.last().copied().unwrap_or(0);
        }
        self.add(counts, missing);
    }

    fn add(&mut self, counts: Vec<u64>, missing: u64) {
        self.counts.resize(counts.len(), 0);
        self.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        self.missing += missing;
    }

    /// Hold it against the training rows.
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    pub(super) fn drift(&self, profile: &FeatureProfile, rows: Independent) -> Drift {
        let counts = profile
            .names()
            .into_iter()
            .zip(profile.counts.iter().zip(&self.counts))
            .map(|(name, (a, b))| (name, *a, *b));
        let cells = counts.chain([("missing".to_owned(), profile.missing, self.missing)]).collect();
        let all = self.counts.iter().sum::<u64>() + self.missing;
        let then = profile.counts.iter().sum::<u64>() + profile.missing;
        Drift {
            feature: profile.feature.clone(),
            shift: shift(cells, rows),
            p_holm: None,
            drifted: false,
            watched: true,
            mean_then: profile.mean,
            mean_now: (self.numbers > 0).then(|| self.sum / self.numbers as f64),
            missing_then: share(profile.missing, then),
            missing_now: share(self.missing, all),
            beyond: share(self.beyond, all),
        }
    }
}

/// Correct the tests of all features for their number, and tell which have drifted.
///
/// # Source
/// Holm, "A simple sequentially rejective multiple test procedure", *Scandinavian Journal of
/// Statistics* 6 (1979)
pub(super) fn corrected(drifts: &mut [Drift]) {
    let (mut tested, p): (Vec<&mut Drift>, Vec<f64>) =
        drifts.iter_mut().filter_map(|drift| drift.shift.p.map(|p| (drift, p))).unzip();
    for (drift, p) in tested.iter_mut().zip(holm(&p)) {
        drift.p_holm = Some(p);
        drift.drifted = p < LEVEL && drift.shift.psi >= MODERATE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(then: &[u64], now: &[u64]) -> Vec<(String, u64, u64)> {
        then.iter().zip(now).map(|(a, b)| (String::new(), *a, *b)).collect()
    }

    #[test]
    fn the_index_is_that_of_its_definition() {
        let found =
            shift(cells(&[100, 300, 0, 0], &[30, 10, 20, 0]), Independent { then: 400, now: 60 });
        let smoothed =
            |counts: [f64; 3]| counts.map(|c| (c + 0.5) / (counts.iter().sum::<f64>() + 1.5));
        let (p, q) = (smoothed([100.0, 300.0, 0.0]), smoothed([30.0, 10.0, 20.0]));
        let expected: f64 = (0..3).map(|i| (q[i] - p[i]) * (q[i] / p[i]).ln()).sum();
        assert!((found.psi - expected).abs() < 1e-14 && found.cells.len() == 3);
        // χ² with two degrees of freedom: exp(−x/2).
        let tail = (-0.5 * expected / (1.0 / 400.0 + 1.0 / 60.0)).exp();
        assert!((found.p.unwrap() - tail).abs() <= 1e-12 * tail);
        let same = shift(cells(&[50, 50], &[5, 5]), Independent { then: 100, now: 10 });
        assert_eq!((same.psi, same.p), (0.0, Some(1.0)));
        assert_eq!(shift(cells(&[9], &[2]), Independent { then: 9, now: 2 }).p, None);
    }

    #[test]
    fn holm_takes_the_number_of_tests_left() {
        let of = |p: Option<f64>| Drift {
            shift: Shift { psi: 0.2, p, cells: Vec::new() },
            ..Counted::default().drift(
                &FeatureProfile::of_numbers("x", &[Some(1.0)]),
                Independent { then: 1, now: 1 },
            )
        };
        let mut drifts = [of(Some(0.004)), of(None), of(Some(0.001)), of(Some(0.5))];
        corrected(&mut drifts);
        assert_eq!(
            drifts.each_ref().map(|d| d.p_holm),
            [Some(0.008), None, Some(0.003), Some(0.5)]
        );
        assert_eq!(drifts.each_ref().map(|d| d.drifted), [true, false, true, false]);
    }
}
