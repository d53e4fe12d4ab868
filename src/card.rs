//! The model card: what the model file says, readable, with data quality and cohorts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FilePath;

use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::design::{LeftOut, Preprocessor};
use crate::error::{Error, Result};
use crate::evaluate::{AtThreshold, Bin, Decile, Evaluation, Judgement, Part};
use crate::explain::{Coefficient, coefficients};
use crate::features::Catalogue;
use crate::finding::Finding;
use crate::fit::{Goodness, Path};
use crate::ingest::Quality;
use crate::model::{Baseline, CoefficientPath, FORMAT, Model, Side};
use crate::observe::Split;
use crate::rows::Rows;
use crate::time::{iso, iso_day};

/// A calendar month of cutoffs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    /// Month, `2025-06`.
    pub month: String,
    /// Rows with an outcome.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
    /// Rows the model learned from.
    pub train: u64,
    /// Rows the model was judged by.
    pub test: u64,
}

/// The card of a model.
#[derive(Debug, Serialize)]
pub struct Card<'a> {
    program: String,
    format: u32,
    fingerprint: String,
    train: Side,
    test: Side,
    open_rows: u64,
    purged_rows: u64,
    first_training_cutoff: Option<String>,
    last_training_cutoff: Option<String>,
    first_test_cutoff: Option<String>,
    learned_again: Option<Side>,
    threshold: f64,
    baselines: &'a [Baseline],
    evaluation: Option<Judged<'a>>,
    evaluation_of_accounts_without_training_rows: Option<&'a Evaluation>,
    alpha: f64,
    path: Option<&'a Path>,
    coefficient_path: Option<&'a CoefficientPath>,
    calibration: &'a Calibration,
    goodness: &'a Goodness,
    log_likelihood: f64,
    iterations: usize,
    gradient_per_row: f64,
    coefficients: Vec<Coefficient>,
    importance: &'a [(String, f64)],
    left_out: &'a [LeftOut],
    findings: &'a [Finding],
    catalogue: Option<&'a Catalogue>,
    preprocessor: &'a Preprocessor,
    reference_quantiles: &'a [f64],
    warnings: &'a [String],
    cohorts: Vec<Cohort>,
    data_quality: Option<&'a Quality>,
    configuration: &'a str,
}

/// How good a model is: the metrics by their names, and what goes into detail below them.
#[derive(Debug, Serialize)]
pub struct Judged<'a> {
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    at_threshold: &'a AtThreshold,
    gains: &'a [Decile],
    reliability: &'a [Bin],
    by_cutoff: Vec<AtCutoff<'a>>,
}

#[derive(Debug, Serialize)]
struct AtCutoff<'a> {
    cutoff: String,
    last_cutoff: String,
    #[serde(flatten)]
    part: &'a Part,
}

impl<'a> Judged<'a> {
    /// A judgement as it is written in JSON.
    #[must_use]
    pub fn of(judgement: &'a Judgement) -> Self {
        let by_cutoff = judgement.by_cutoff.iter();
        Self {
            evaluation: &judgement.evaluation,
            at_threshold: &judgement.at_threshold,
            gains: &judgement.gains,
            reliability: &judgement.reliability,
            by_cutoff: by_cutoff.map(|at| AtCutoff { cutoff: iso(at.first), last_cutoff: iso(at.last), part: &at.part }).collect(),
        }
    }
}

/// Count rows and conversions by calendar month of the cutoff.
#[must_use]
pub fn cohorts(rows: &Rows) -> Vec<Cohort> {
    let mut months: BTreeMap<String, Cohort> = BTreeMap::new();
    for (row, cutoff) in rows.cutoff.iter().flatten().enumerate() {
        let Some(converted) = rows.y[row] else { continue };
        let month = iso_day(*cutoff)[..7].to_owned();
        let cohort = months.entry(month.clone()).or_insert_with(|| Cohort { month, ..Cohort::default() });
        cohort.rows += 1;
        cohort.conversions += u64::from(converted);
        cohort.train += u64::from(rows.split[row] == Split::Train);
        cohort.test += u64::from(rows.split[row] == Split::Test);
    }
    months.into_values().collect()
}

/// The bytes of `model.json`.
///
/// # Errors
/// * [`Error::Unsuitable`]: the card has no JSON form
pub fn json(model: &Model, cohorts: Vec<Cohort>, quality: Option<&Quality>) -> Result<Vec<u8>> {
    let extent = &model.extent;
    let card = Card {
        program: format!("pql {}", env!("CARGO_PKG_VERSION")),
        format: FORMAT,
        fingerprint: fingerprint(model),
        train: extent.train,
        test: extent.test,
        open_rows: extent.open,
        purged_rows: extent.purged,
        first_training_cutoff: extent.first_train.map(iso),
        last_training_cutoff: extent.last_train.map(iso),
        first_test_cutoff: extent.first_test.map(iso),
        learned_again: model.refit.map(|refit| refit.learned),
        threshold: model.threshold,
        baselines: &model.baselines,
        evaluation: model.judgement.as_ref().map(Judged::of),
        evaluation_of_accounts_without_training_rows: model.new_accounts.as_ref(),
        alpha: model.fit.alpha,
        path: model.path.as_ref(),
        coefficient_path: model.coefficient_path.as_ref(),
        calibration: &model.calibration,
        goodness: &model.goodness,
        log_likelihood: model.fit.log_likelihood,
        iterations: model.fit.iterations,
        gradient_per_row: model.fit.gradient,
        coefficients: coefficients(model),
        importance: &model.importance,
        left_out: &model.left_out,
        findings: &model.findings,
        catalogue: model.catalogue.as_ref(),
        preprocessor: &model.preprocessor,
        reference_quantiles: &model.reference.quantiles,
        warnings: &model.warnings,
        cohorts,
        data_quality: quality,
        configuration: &model.config,
    };
    let mut bytes =
        serde_json::to_vec_pretty(&card).map_err(|e| Error::Unsuitable { problem: format!("the model card: {e}"), hint: None })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// What the card knows that the model file does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Beside {
    /// Rows and conversions by month of the cutoff; none without cutoffs.
    pub cohorts: Vec<Cohort>,
    /// What became of every row read; `None` of a matrix.
    pub data_quality: Option<Quality>,
    fingerprint: String,
}

impl Beside {
    /// What a training has in its hands.
    #[must_use]
    pub fn of(model: &Model, cohorts: Vec<Cohort>, data_quality: Option<Quality>) -> Self {
        Self { cohorts, data_quality, fingerprint: fingerprint(model) }
    }

    /// Read the card in a file; `None` where there is none.
    ///
    /// # Errors
    /// * [`Error::Read`]: the file cannot be read
    /// * [`Error::Malformed`]: it is no card, or that of another model
    pub fn read(path: &FilePath, model: &Model) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let malformed = |problem: String| Error::Malformed { path: path.to_owned(), row: None, problem };
        let beside: Self = serde_json::from_slice(&bytes).map_err(|e| malformed(format!("it is no model card: {e}")))?;
        if beside.fingerprint != fingerprint(model) {
            return Err(malformed("it is the card of another model: the fingerprint of its training rows differs".to_owned()));
        }
        Ok(Some(beside))
    }
}

fn fingerprint(model: &Model) -> String {
    blake3::Hash::from_bytes(model.data).to_hex().to_string()
}
