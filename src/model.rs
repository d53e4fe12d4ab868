//! What is stored of a model, and the one file it is stored in.
//!
//! The file: magic `PQLM`, format number (u32), payload length (u64), payload, BLAKE3 of all before it (32 bytes); integers
//! little-endian. The payload is the [`Model`] in bincode 2. It names no path, version, thread count, clock or host, so
//! that the same input and configuration give the same bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::config::Config;
use crate::design::{LeftOut, Preprocessor, quantile};
use crate::error::{Error, Result};
use crate::evaluate::{Difference, Evaluation, Judgement};
use crate::features::Catalogue;
use crate::finding::Finding;
use crate::fit::{Goodness, LogisticFit, Path as AlphaPath};
use crate::profile::Profile;

const MAGIC: [u8; 4] = *b"PQLM";
/// The format this version writes.
pub const FORMAT: u32 = 4;
/// The oldest format this version reads: others are of before the first release.
const OLDEST: u32 = 4;
/// Bytes before the payload.
const HEADER: usize = 16;
/// Bytes after it.
const HASH: usize = 32;
/// Largest payload; it also keeps a forged length inside the payload from being allocated.
const LIMIT: usize = 64 << 20;

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
    /// Log loss of the model less that of the baseline, by account: the model beats it where the whole interval is below 0.
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

/// How many rows and accounts one side has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Rows.
    pub rows: u64,
    /// Distinct accounts.
    pub accounts: u64,
    /// Rows that converted.
    pub positive_rows: u64,
    /// Distinct accounts with a row that converted.
    pub converting_accounts: u64,
}

/// What the model was trained and judged on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Training rows.
    pub train: Side,
    /// Test rows.
    pub test: Side,
    /// Rows without outcome.
    pub open: u64,
    /// Rows between training and test, whose horizon reaches into the test rows.
    pub purged: u64,
    /// First training cutoff, µs UTC; `None` without cutoffs.
    pub first_train: Option<i64>,
    /// Last training cutoff, µs UTC; `None` without cutoffs.
    pub last_train: Option<i64>,
    /// First test cutoff, µs UTC; `None` without test rows or cutoffs.
    pub first_test: Option<i64>,
}

/// The probabilities of the training rows, each by a model that did not see its account, as 1,001 quantiles.
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
    /// For each point of the path the coefficients per standard deviation, in the order of the columns.
    pub coef: Vec<Vec<f64>>,
}

/// Quantiles that stand for the reference population.
const QUANTILES: usize = 1_001;

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn fraction(part: usize, of: usize) -> f64 {
    part as f64 / of as f64
}

impl Reference {
    /// The quantiles of probabilities, of which there is at least one.
    #[must_use]
    pub fn of(mut probabilities: Vec<f64>) -> Self {
        probabilities.sort_unstable_by(f64::total_cmp);
        let at = |q| quantile(&probabilities, fraction(q, QUANTILES - 1)).expect("there are training rows");
        Self { quantiles: (0..QUANTILES).map(at).collect() }
    }

    /// Share of the reference population below `probability` plus half the share equal to it, in percent.
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
    /// The same columns without penalty; `None` where that fit does not exist, or too few accounts convert for tests.
    pub maximum_likelihood: Option<MaximumLikelihood>,
    /// From the log-odds of the fit to those that are reported.
    pub calibration: Calibration,
    /// Strengths of the penalty that were tried; `None` where it was given.
    pub path: Option<AlphaPath>,
    /// What the coefficients are at each of them; `None` without a path, or where a fit of it does not exist.
    pub coefficient_path: Option<CoefficientPath>,
    /// How well the fit describes the training rows.
    pub goodness: Goodness,
    /// Variance inflation factor of each design column.
    pub vif: Vec<f64>,
    /// Each measure with the standard deviation of its joint contribution over the training rows, largest first.
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
    /// Metrics on the test rows of accounts without training rows; `None` where these are none or all.
    pub new_accounts: Option<Evaluation>,
    /// What it was trained and judged on.
    pub extent: Extent,
    /// What it learned from in the end, where that is more: the metrics are those of the fit before.
    pub refit: Option<Refit>,
    /// Columns that were left out, each with the reason.
    pub left_out: Vec<LeftOut>,
    /// Signs of leakage.
    pub findings: Vec<Finding>,
    /// What a user should know.
    pub warnings: Vec<String>,
    /// BLAKE3 of the training matrix.
    pub data: [u8; 32],
    /// Configuration, as TOML.
    pub config: String,
}

impl Model {
    /// The configuration it was trained with, without sources.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`]: the text is no configuration
    pub fn config(&self) -> Result<Config> {
        Config::from_stored(&self.config, Path::new("the model"))
    }

    /// Compute the probability of each row of a standardised design; NaN where a value is not finite.
    pub(crate) fn probabilities(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        self.fit.log_odds(x).iter().map(|eta| self.calibration.probability(*eta)).collect()
    }

    /// The last cutoff it has learned from, µs UTC; `None` without cutoffs.
    #[must_use]
    pub fn last_learned(&self) -> Option<i64> {
        self.refit.map_or(self.extent.last_train, |refit| refit.last)
    }

    /// The bytes of the model file.
    ///
    /// # Errors
    /// * [`Error::Unsuitable`], [`Error::DamagedModel`]: the model is larger than 64 MiB, or could not be read back
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let payload = bincode::serde::encode_to_vec(self, bincode::config::standard()).map_err(|e| unsuitable(&e.to_string()))?;
        if payload.len() > LIMIT {
            return Err(unsuitable(&format!("it takes {} bytes", payload.len())));
        }
        let mut bytes = Vec::with_capacity(HEADER + payload.len() + HASH);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(&payload);
        let hash = blake3::hash(&bytes);
        bytes.extend(hash.as_bytes());
        // What cannot be read back must not be stored.
        Self::from_bytes(&bytes, Path::new("the new model"))?;
        Ok(bytes)
    }

    /// Read the bytes of a model file; `path` serves messages.
    ///
    /// # Errors
    /// In the order of the checks:
    /// * [`Error::NotAModel`]: the bytes do not begin like a model
    /// * [`Error::DamagedModel`]: length or hash is not what was written
    /// * [`Error::NewerModel`], [`Error::OldModel`]: a format that this version does not read
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        if bytes.len() < MAGIC.len() || bytes[..MAGIC.len()] != MAGIC {
            return Err(Error::NotAModel { path: path.to_owned() });
        }
        let damaged = |problem: String| Error::DamagedModel { path: path.to_owned(), problem };
        if bytes.len() < HEADER + HASH {
            return Err(damaged(format!("it ends after {} bytes, inside the header", bytes.len())));
        }
        let format = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes"));
        let length = u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes"));
        let held = bytes.len() - HEADER - HASH;
        if length != held as u64 {
            return Err(damaged(format!("the header promises {length} bytes of content, the file has {held}")));
        }
        let (content, hash) = bytes.split_at(HEADER + held);
        // Comparing hashes takes the same time wherever they differ; that is a property of `blake3::Hash`.
        if blake3::hash(content) != blake3::Hash::from_bytes(hash.try_into().expect("the rest is the hash")) {
            return Err(damaged("its hash does not match its content".to_owned()));
        }
        if format > FORMAT {
            return Err(Error::NewerModel { path: path.to_owned(), found: format, known: FORMAT });
        }
        if format < OLDEST {
            return Err(Error::OldModel { path: path.to_owned(), found: format });
        }
        let config = bincode::config::standard().with_limit::<LIMIT>();
        let (model, read): (Self, usize) =
            bincode::serde::decode_from_slice(&content[HEADER..], config).map_err(|e| damaged(e.to_string()))?;
        if read != held {
            return Err(damaged(format!("{} bytes are left over", held - read)));
        }
        model.check().map_err(damaged)?;
        Ok(model)
    }

    /// Read a model file.
    ///
    /// # Errors
    /// Those of [`Model::from_bytes`], and [`Error::UnreadableModel`]: the file cannot be read
    pub fn load(path: &Path) -> Result<Self> {
        let largest = (HEADER + LIMIT + HASH) as u64;
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(largest + 1).read_to_end(&mut bytes));
        match read {
            Err(source) => Err(Error::UnreadableModel { path: path.to_owned(), source }),
            Ok(read) if read as u64 > largest => Err(Error::NotAModel { path: path.to_owned() }),
            Ok(_) => Self::from_bytes(&bytes, path),
        }
    }

    /// Sizes that the rest of the program relies on.
    fn check(&self) -> std::result::Result<(), String> {
        let p = self.preprocessor.columns().len();
        let k = p + 1;
        let steps = match &self.calibration {
            Calibration::Isotonic(steps) => [steps.log_odds.len(), steps.probability.len()],
            Calibration::None | Calibration::Platt(_) => [1, 1],
        };
        if self.path.as_ref().is_some_and(|path| path.chosen >= path.points.len()) {
            return Err("its path of penalties ends before the one chosen".to_owned());
        }
        if let Some(along) = &self.coefficient_path {
            let points = self.path.as_ref().map_or(0, |path| path.points.len());
            if along.coef.len() != points || along.coef.iter().any(|coef| coef.len() != along.columns.len()) {
                return Err("its coefficients along the path are not one for each column and strength".to_owned());
            }
        }
        if self.profile.features.iter().any(|of| of.counts.len() != of.names().len()) {
            return Err("the cells of a feature and their counts are not one for one".to_owned());
        }
        if steps[0] == 0 {
            return Err("its calibration has no step".to_owned());
        }
        let sizes = [
            ("probabilities of the calibration", steps[1], steps[0]),
            ("roots of the covariance", self.fit.root.as_ref().map_or(k * k, Vec::len), k * k),
            ("coefficients", self.fit.coef.len(), p),
            ("covariances", self.fit.covariance.as_ref().map_or(k * k, Vec::len), k * k),
            ("inflation factors", self.vif.len(), p),
            ("quantiles", self.reference.quantiles.len(), QUANTILES),
        ];
        let tests = self.maximum_likelihood.iter().flat_map(|m| [&m.coef, &m.std_error, &m.z, &m.p]);
        let tests = tests.map(|values| ("tested coefficients", values.len(), k));
        let windows = self.catalogue.as_ref().map(|c| &c.windows);
        if windows.is_some_and(|w| w.is_empty() || !w.is_sorted_by(|a, b| a < b)) {
            return Err("its windows do not ascend".to_owned());
        }
        self.config().map_err(|e| e.to_string())?;
        match sizes.into_iter().chain(tests).find(|(_, found, expected)| found != expected) {
            Some((what, found, expected)) => Err(format!("it holds {found} {what}, expected {expected}")),
            None => Ok(()),
        }
    }
}

fn unsuitable(problem: &str) -> Error {
    Error::Unsuitable {
        problem: format!("the model cannot be stored: {problem}"),
        hint: Some("a feature with very many levels should not be one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_the_share_below_plus_half_the_share_equal() {
        let quantiles: Vec<f64> = (0..=1_000).map(|i| f64::from(i.clamp(200, 400)) / 1_000.0).collect();
        let reference = Reference { quantiles };
        assert!((reference.percentile(0.3) - 30.0).abs() < 1e-9);
        assert!((reference.percentile(0.3005) - 30.05).abs() < 1e-9);
        assert!((reference.percentile(0.2) - 10.0).abs() < 1e-9, "a fifth is equal, none below");
        assert!((reference.percentile(0.4) - 70.0).abs() < 1e-9);
        assert_eq!((reference.percentile(0.1), reference.percentile(0.9)), (0.0, 100.0));
    }
}
