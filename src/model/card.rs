//! The model card: what the model file says, readable, with data quality and cohorts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FilePath;

use pql_stats::calibration::Calibration;
use pql_stats::glm::{Goodness, Path};
use pql_stats::metrics::{AtThreshold, Bin, Decile, Evaluation, Judgement, Part};
use serde::{Deserialize, Serialize};

use crate::dataset::counts::Side;
use crate::dataset::features::Catalogue;
use crate::dataset::observations::Split;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::log::Quality;
use crate::model::encoder::Preprocessor;
use crate::model::explain::{Coefficient, coefficients};
use crate::model::file::FORMAT;
use crate::model::{Baseline, CoefficientPath, Model};
use crate::time::{iso, iso_day};
use crate::warning::{DroppedFeature, Message};

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
    left_out: Vec<Dropped<'a>>,
    findings: Vec<Message>,
    catalogue: Option<&'a Catalogue>,
    preprocessor: &'a Preprocessor,
    reference_quantiles: &'a [f64],
    warnings: Vec<Message>,
    cohorts: Vec<Cohort>,
    data_quality: Option<&'a Quality>,
    configuration: &'a str,
}

/// A feature that is not in the model.
#[derive(Debug, Serialize)]
struct Dropped<'a> {
    column: &'a str,
    #[serde(flatten)]
    message: Message,
}

impl<'a> Dropped<'a> {
    fn new(feature: &'a DroppedFeature) -> Self {
        Self { column: &feature.column, message: Message::from(&feature.reason) }
    }
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
            by_cutoff: by_cutoff
                .map(|at| AtCutoff {
                    cutoff: iso(at.first),
                    last_cutoff: iso(at.last),
                    part: &at.part,
                })
                .collect(),
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
        let cohort =
            months.entry(month.clone()).or_insert_with(|| Cohort { month, ..Cohort::default() });
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
/// * [`Error::Json`]: the card has no JSON form
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
        left_out: model.left_out.iter().map(Dropped::new).collect(),
        findings: model.findings.iter().map(Message::from).collect(),
        catalogue: model.catalogue.as_ref(),
        preprocessor: &model.preprocessor,
        reference_quantiles: &model.reference.quantiles,
        warnings: model.warnings.iter().map(Message::from).collect(),
        cohorts,
        data_quality: quality,
        configuration: &model.config,
    };
    let mut bytes = serde_json::to_vec_pretty(&card)
        .map_err(|source| Error::Json { what: "the model card", source })?;
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
        let bytes =
            fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let beside: Self = serde_json::from_slice(&bytes)
            .map_err(|e| Error::malformed(path, "it is no model card", Some(e.into())))?;
        if beside.fingerprint != fingerprint(model) {
            return Err(Error::malformed(
                path,
                "it is the card of another model: the fingerprint of its training rows differs",
                None,
            ));
        }
        Ok(Some(beside))
    }
}

fn fingerprint(model: &Model) -> String {
    blake3::Hash::from_bytes(model.data).to_hex().to_string()
}
