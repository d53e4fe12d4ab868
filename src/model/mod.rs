//! A model: how features become columns ([`encoder`]), the fit with its calibration, thresholds and
//! reference population, the one file it is stored in ([`file`]) and its readable card ([`card`]);
//! [`score`] and [`explain`] use it.

pub mod card;
pub mod encoder;
pub mod explain;
pub mod file;
pub mod profile;
mod project;
pub mod score;
pub mod thresholds;

use std::path::Path;

use ndarray::ArrayView2;
use pql_stats::calibration::Calibration;
use pql_stats::counts::share;
use pql_stats::glm::{Goodness, LogisticFit, Path as AlphaPath};
use pql_stats::metrics::{Difference, Evaluation, Judgement};
use pql_stats::quantile::quantile;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::dataset::counts::{Extent, Side};
use crate::dataset::features::Catalogue;
use crate::error::Result;
use crate::model::encoder::Preprocessor;
use crate::model::profile::Profile;
use crate::warning::{DroppedFeature, Finding, Warning};

/// Wald tests of the same columns without penalty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaximumLikelihood {
    /// Coefficients per standard deviation, intercept first.
    pub coef: Vec<f64>,
    /// Their standard errors.
    pub std_error: Vec<f64>,
    /// Coefficient / standard error.
    pub z: Vec<f64>,
    /// Two-sided p of z.
    pub p: Vec<f64>,
}

/// What the model is set against on the test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// What it is, in words.
    pub name: String,
    /// Log loss of the model less that of the baseline, by account: the model beats it where the
    /// whole interval is below 0.
    pub difference: Difference,
}

/// What a model learned from after it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refit {
    /// All rows with an outcome.
    pub learned: Side,
    /// Their last cutoff, µs UTC; `None` without cutoffs.
    pub last: Option<i64>,
}

/// The probabilities of the training rows, each by a model that did not see its account, as 1,001
/// quantiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Quantiles 0, 0.001, …, 1, ascending.
    pub quantiles: Vec<f64>,
}

/// The coefficients of all training rows at each strength of the penalty that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoefficientPath {
    /// The design columns.
    pub columns: Vec<String>,
    /// For each point of the path the coefficients per standard deviation, in the order of the
    /// columns.
    pub coef: Vec<Vec<f64>>,
}

/// Quantiles that stand for the reference population.
const QUANTILES: usize = 1_001;

impl Reference {
    /// The quantiles of probabilities, of which there is at least one.
    #[must_use]
    pub fn of(mut probabilities: Vec<f64>) -> Self {
        probabilities.sort_unstable_by(f64::total_cmp);
        let at =
            |q| quantile(&probabilities, share(q, QUANTILES - 1)).expect("there are training rows");
        Self { quantiles: (0..QUANTILES).map(at).collect() }
    }

    /// Share of the reference population below `probability` plus half the share equal to it, in
    /// percent.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "an index below 1001")]
    pub fn percentile(&self, probability: f64) -> f64 {
        let q = &self.quantiles;
        let below = q.partition_point(|v| *v < probability);
        let upto = below + q[below..].iter().take_while(|v| **v <= probability).count();
        let last = (q.len() - 1) as f64;
        let position = if upto > below {
            (below + upto - 1) as f64 / 2.0
        } else if below == 0 {
            0.0
        } else if below == q.len() {
            last
        } else {
            let (low, high) = (q[below - 1], q[below]);
            (below - 1) as f64 + (probability - low) / (high - low)
        };
        100.0 * position / last
    }
}

/// Everything that scoring needs, and what was learned about the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Which usage features there are; `None` where a matrix was given.
    pub catalogue: Option<Catalogue>,
    /// From features to design columns.
    pub preprocessor: Preprocessor,
    /// Coefficients and their covariance.
    pub fit: LogisticFit,
    /// The same columns without penalty; `None` where that fit does not exist, or too few accounts
    /// convert for tests.
    pub maximum_likelihood: Option<MaximumLikelihood>,
    /// From the log-odds of the fit to those that are reported.
    pub calibration: Calibration,
    /// Strengths of the penalty that were tried; `None` where it was given.
    pub path: Option<AlphaPath>,
    /// What the coefficients are at each of them; `None` without a path, or where a fit of it does
    /// not exist.
    pub coefficient_path: Option<CoefficientPath>,
    /// How well the fit describes the training rows.
    pub goodness: Goodness,
    /// Variance inflation factor of each design column.
    pub vif: Vec<f64>,
    /// Each measure with the standard deviation of its joint contribution over the training rows,
    /// largest first.
    pub importance: Vec<(String, f64)>,
    /// What the rows it learned from looked like.
    pub profile: Profile,
    /// The population that percentiles refer to.
    pub reference: Reference,
    /// Probability from which on an account qualifies.
    pub threshold: f64,
    /// How good it is on the test rows; `None` without any.
    pub judgement: Option<Judgement>,
    /// What the model had to beat on the test rows; empty without any.
    pub baselines: Vec<Baseline>,
    /// Metrics on the test rows of accounts without training rows; `None` where these are none or
    /// all.
    pub new_accounts: Option<Evaluation>,
    /// What it was trained and judged on.
    pub extent: Extent,
    /// What it learned from in the end, where that is more: the metrics are those of the fit
    /// before.
    pub refit: Option<Refit>,
    /// Columns that were left out, each with the reason.
    pub left_out: Vec<DroppedFeature>,
    /// Signs of leakage.
    pub findings: Vec<Finding>,
    /// What a user should know.
    pub warnings: Vec<Warning>,
    /// BLAKE3 of the training matrix.
    pub data: [u8; 32],
    /// Configuration, as TOML.
    pub config: String,
}

impl Model {
    /// The configuration it was trained with, without sources.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the text is no configuration
    pub fn config(&self) -> Result<Config> {
        Config::from_stored(&self.config, Path::new("the model"))
    }

    /// Compute the probability of each row of a standardised design; NaN where a value is not
    /// finite.
    pub(crate) fn probabilities(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        self.fit.log_odds(x).iter().map(|eta| self.calibration.probability(*eta)).collect()
    }

    /// The last cutoff it has learned from, µs UTC; `None` without cutoffs.
    #[must_use]
    pub fn last_learned(&self) -> Option<i64> {
        self.refit.map_or(self.extent.last_train, |refit| refit.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_the_share_below_plus_half_the_share_equal() {
        let quantiles: Vec<f64> =
            (0..=1_000).map(|i| f64::from(i.clamp(200, 400)) / 1_000.0).collect();
        let reference = Reference { quantiles };
        assert!((reference.percentile(0.3) - 30.0).abs() < 1e-9);
        assert!((reference.percentile(0.3005) - 30.05).abs() < 1e-9);
        assert!((reference.percentile(0.2) - 10.0).abs() < 1e-9, "a fifth is equal, none below");
        assert!((reference.percentile(0.4) - 70.0).abs() < 1e-9);
        assert_eq!((reference.percentile(0.1), reference.percentile(0.9)), (0.0, 100.0));
    }
}
