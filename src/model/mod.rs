//! Models: feature encoding ([`encoder`]), fit, calibration, threshold and reference distribution.
//!
//! A model is stored in one file ([`mod@file`]) with a readable card ([`card`]); [`score`] and
//! [`explain`] use it.

pub mod card;
pub mod encoder;
pub mod explain;
pub mod file;
pub mod profile;
mod project;
pub mod score;
pub mod tenure;
pub mod thresholds;
pub mod verdict;

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::ArrayView2;
use pql_stats::calibration::Calibration;
use pql_stats::counts::share;
use pql_stats::glm::{Goodness, LogisticFit, RegularizationPath};
use pql_stats::metrics::{BaseRate, Difference, Evaluation, EvaluationReport};
use pql_stats::quantile::quantile;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::dataset::features::FeatureCatalog;
use crate::dataset::split_summary::{SampleCounts, SplitSummary};
use crate::error::Result;
use crate::log::NumberFormat;
use crate::model::encoder::{FeatureEncoder, Preprocessor};
use crate::model::explain::Family;
use crate::model::profile::ReferenceProfile;
use crate::time::Zone;
use crate::warning::{DroppedFeature, Finding, Warning};

/// Wald tests of an unpenalized fit of the same design columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaximumLikelihood {
    /// Coefficients per standard deviation, intercept first.
    pub coef: Vec<f64>,
    /// Their standard errors.
    pub std_error: Vec<f64>,
    /// Coefficient / standard error.
    pub z: Vec<f64>,
    /// Two-sided p-values of z.
    pub p: Vec<f64>,
}

/// A baseline, compared with the model on the test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Name for people, such as "the base rate".
    pub name: String,
    /// How it predicts.
    pub rule: BaselineRule,
    /// Log loss of the model minus that of the baseline, by account. The model outperforms the
    /// baseline if the whole interval is below 0.
    pub difference: Difference,
}

/// How a baseline predicts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum BaselineRule {
    /// The base rate of the evaluated rows, for each of them.
    BaseRate,
    /// A logistic regression on one feature.
    Feature {
        /// Encoding of the feature as standardized columns.
        encoder: Box<FeatureEncoder>,
        /// Log-odds of the average training row.
        intercept: f64,
        /// Coefficient of each column.
        coef: Vec<f64>,
    },
    /// The conversion rate of matching and of other training rows.
    Definition {
        /// Name of the PQL definition.
        definition: String,
        /// Probability of a row that matches.
        matching: f64,
        /// Probability of another row.
        other: f64,
    },
}

/// The rows that a model was refitted on after its evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Refit {
    /// Counts of all rows with an outcome.
    pub sample: SampleCounts,
    /// Their base rate.
    pub base_rate: BaseRate,
    /// Last cutoff of these rows, µs UTC; `None` without cutoffs.
    pub last_cutoff: Option<i64>,
}

/// Distribution of the cross-fitted probabilities of the training rows, as 1,001 quantiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceDistribution {
    /// Quantiles 0, 0.001, …, 1, ascending.
    pub quantiles: Vec<f64>,
}

/// Coefficients of a fit of all training rows at each alpha of the regularization path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoefficientPath {
    /// Names of the design columns.
    pub columns: Vec<String>,
    /// Coefficients per standard deviation: for each point of the path, one per column.
    pub coef: Vec<Vec<f64>>,
}

/// Number of quantiles of the reference distribution.
const QUANTILES: usize = 1_001;

impl ReferenceDistribution {
    /// Computes the quantiles of at least one probability.
    ///
    /// # Panics
    /// If there is no probability.
    #[must_use]
    pub fn from_probabilities(mut probabilities: Vec<f64>) -> Self {
        probabilities.sort_unstable_by(f64::total_cmp);
        let nth =
            |n| quantile(&probabilities, share(n, QUANTILES - 1)).expect("there are training rows");
        Self { quantiles: (0..QUANTILES).map(nth).collect() }
    }

    /// Computes the percentile of a probability: the share of the reference distribution below it
    /// plus half the share equal to it, from 0 to 100.
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

/// A trained model: everything that scoring needs, with its evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Usage features; `None` for a model of a feature matrix.
    pub catalog: Option<FeatureCatalog>,
    /// Encoding of features as design columns.
    pub preprocessor: Preprocessor,
    /// Fitted coefficients with their covariance.
    pub fit: LogisticFit,
    /// Wald tests of an unpenalized fit; `None` if that fit does not exist, or with too few
    /// converting accounts.
    pub maximum_likelihood: Option<MaximumLikelihood>,
    /// Calibration of the fitted log-odds.
    pub calibration: Calibration,
    /// Regularization path; `None` with a fixed alpha.
    pub regularization_path: Option<RegularizationPath>,
    /// Coefficients along the regularization path; `None` without a path, or if one of its fits
    /// failed.
    pub coefficient_path: Option<CoefficientPath>,
    /// Goodness of fit on the training rows.
    pub goodness: Goodness,
    /// Variance inflation factor of each design column.
    pub vif: Vec<f64>,
    /// Feature importance: each measure with the standard deviation of its contribution over the
    /// training rows, largest first.
    pub importance: Vec<(String, f64)>,
    /// Families of measures that carry the same information, most important first: each measure is
    /// in one.
    pub families: Vec<Family>,
    /// Distributions of features and scores in the training rows, for drift monitoring.
    pub profile: ReferenceProfile,
    /// Reference distribution of percentiles.
    pub reference: ReferenceDistribution,
    /// Probability at or above which an account qualifies.
    pub threshold: f64,
    /// Evaluation on the test rows; `None` without test rows.
    pub evaluation: Option<EvaluationReport>,
    /// Comparison with baselines on the test rows; empty without test rows.
    pub baselines: Vec<Baseline>,
    /// Metrics on the test rows of accounts without training rows; `None` if no or all test
    /// rows are of such accounts.
    pub new_accounts: Option<Evaluation>,
    /// Counts of training and test rows.
    pub split: SplitSummary,
    /// Base rate of the training rows before the refit.
    pub training_base_rate: BaseRate,
    /// BLAKE3 hash of accounts, cutoffs and outcomes of the test rows; `None` without test rows.
    /// Metrics of two models are comparable if they are equal.
    pub test_fingerprint: Option<[u8; 32]>,
    /// The rows of the refit, if any. The evaluation is that of the fit before it.
    pub refit: Option<Refit>,
    /// Features and columns that are not in the model, with reasons.
    pub dropped_features: Vec<DroppedFeature>,
    /// Findings of the leakage audit.
    pub findings: Vec<Finding>,
    /// Warnings of the training.
    pub warnings: Vec<Warning>,
    /// Formats of numbers other than decimal points, as in [`ColumnTypes::formats`].
    ///
    /// [`ColumnTypes::formats`]: crate::log::ColumnTypes::formats
    pub formats: BTreeMap<String, NumberFormat>,
    /// BLAKE3 hash of the training matrix.
    pub training_fingerprint: [u8; 32],
    /// Configuration of the training, as TOML.
    pub config: String,
}

impl Model {
    /// Returns the configuration of the training, without data sources.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`](crate::Error::DamagedModel): the stored text is not a valid
    ///   configuration
    pub fn config(&self) -> Result<Config> {
        Config::from_stored(&self.config, Path::new("the model"))
    }

    /// Returns the time zone of its days.
    pub(crate) fn zone(&self) -> Zone {
        self.config().map(|config| config.input.timezone).unwrap_or_default()
    }

    /// Computes the probability of each row of a standardized design matrix; NaN if a value is not
    /// finite.
    pub(crate) fn probabilities(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        self.fit.log_odds(x).iter().map(|eta| self.calibration.probability(*eta)).collect()
    }

    /// Returns the last cutoff of the rows it was fitted on, µs UTC; `None` without cutoffs.
    #[must_use]
    pub fn last_training_cutoff(&self) -> Option<i64> {
        self.refit.map_or(self.split.last_train, |refit| refit.last_cutoff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_the_share_below_plus_half_the_share_equal() {
        let quantiles: Vec<f64> =
            (0..=1_000).map(|i| f64::from(i.clamp(200, 400)) / 1_000.0).collect();
        let reference = ReferenceDistribution { quantiles };
        assert!((reference.percentile(0.3) - 30.0).abs() < 1e-9);
        assert!((reference.percentile(0.3005) - 30.05).abs() < 1e-9);
        assert!((reference.percentile(0.2) - 10.0).abs() < 1e-9, "a fifth is equal, none below");
        assert!((reference.percentile(0.4) - 70.0).abs() < 1e-9);
        assert_eq!((reference.percentile(0.1), reference.percentile(0.9)), (0.0, 100.0));
    }
}
