//! The model card (`model.json`): the model in readable form, with data quality and cohorts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path as FilePath;

use pql_stats::calibration::Calibration;
use pql_stats::glm::{Goodness, RegularizationPath};
use pql_stats::metrics::{
    Bin, Decile, Difference, Evaluation, EvaluationReport, SubsetMetrics, ThresholdMetrics,
};
use serde::{Deserialize, Serialize};

use crate::dataset::features::FeatureCatalog;
use crate::dataset::rows::Rows;
use crate::dataset::split::{Split, SplitMethod};
use crate::dataset::split_summary::SampleCounts;
use crate::error::{Error, Result};
use crate::io::read::read_limited;
use crate::log::DataQuality;
use crate::model::encoder::Preprocessor;
use crate::model::explain::{Coefficient, Family, coefficients};
use crate::model::file::{FORMAT, stored_hash};
use crate::model::verdict::VerdictCard;
use crate::model::{Baseline, BaselineRule, CoefficientPath, Model};
use crate::time::{Zone, iso};
use crate::warning::{DroppedFeature, Message};

/// The rows of a calendar month of cutoffs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cohort {
    /// Month, such as `2025-06`.
    pub month: String,
    /// Rows with an outcome.
    pub rows: u64,
    /// Rows that converted.
    pub conversions: u64,
    /// Training rows.
    pub training_rows: u64,
    /// Test rows.
    pub test_rows: u64,
}

/// The card of a model.
#[derive(Debug, Serialize)]
pub struct Card<'a> {
    program: String,
    verdict: VerdictCard,
    format: u32,
    training_fingerprint: String,
    /// The hash at the end of the model file.
    model_hash: String,
    train: SampleCounts,
    test: SampleCounts,
    /// How the test rows were chosen.
    split_method: SplitMethod,
    immature_rows: u64,
    purged_rows: u64,
    first_training_cutoff: Option<String>,
    last_training_cutoff: Option<String>,
    first_test_cutoff: Option<String>,
    refit: Option<SampleCounts>,
    threshold: f64,
    baselines: Vec<BaselineCard<'a>>,
    evaluation: Option<EvaluationCard<'a>>,
    new_accounts: Option<&'a Evaluation>,
    alpha: f64,
    regularization_path: Option<&'a RegularizationPath>,
    coefficient_path: Option<&'a CoefficientPath>,
    calibration: &'a Calibration,
    goodness_of_fit: &'a Goodness,
    log_likelihood: f64,
    iterations: usize,
    gradient_per_row: f64,
    coefficients: Vec<Coefficient>,
    importance: &'a [(String, f64)],
    families: &'a [Family],
    dropped_features: Vec<DroppedFeatureCard<'a>>,
    findings: Vec<Message>,
    catalog: Option<&'a FeatureCatalog>,
    preprocessor: &'a Preprocessor,
    reference_quantiles: &'a [f64],
    warnings: Vec<Message>,
    cohorts: Vec<Cohort>,
    data_quality: Option<&'a DataQuality>,
    configuration: &'a str,
}

/// A feature that is not in the model.
#[derive(Debug, Serialize)]
struct DroppedFeatureCard<'a> {
    column: &'a str,
    #[serde(flatten)]
    message: Message,
}

impl<'a> DroppedFeatureCard<'a> {
    fn new(feature: &'a DroppedFeature) -> Self {
        Self { column: &feature.column, message: Message::from(&feature.reason) }
    }
}

/// A baseline, compared with the model on the test rows.
#[derive(Debug, Serialize)]
struct BaselineCard<'a> {
    name: &'a str,
    kind: &'static str,
    difference: &'a Difference,
}

impl<'a> BaselineCard<'a> {
    fn new(baseline: &'a Baseline) -> Self {
        let kind = match baseline.rule {
            BaselineRule::BaseRate => "base-rate",
            BaselineRule::Feature { .. } => "feature",
            BaselineRule::Definition { .. } => "definition",
        };
        Self { name: &baseline.name, kind, difference: &baseline.difference }
    }
}

/// An evaluation as JSON: the metrics by name, followed by the details.
#[derive(Debug, Serialize)]
pub struct EvaluationCard<'a> {
    #[serde(flatten)]
    metrics: &'a Evaluation,
    at_threshold: &'a ThresholdMetrics,
    gains: &'a [Decile],
    reliability: &'a [Bin],
    by_cutoff: Vec<CutoffCard<'a>>,
}

/// The metrics of one cutoff, or of several near each other.
#[derive(Debug, Serialize)]
struct CutoffCard<'a> {
    cutoff: String,
    last_cutoff: String,
    #[serde(flatten)]
    metrics: &'a SubsetMetrics,
}

impl<'a> EvaluationCard<'a> {
    /// Creates the JSON form of an evaluation.
    #[must_use]
    pub fn new(evaluation: &'a EvaluationReport) -> Self {
        let by_cutoff = evaluation.by_cutoff.iter();
        Self {
            metrics: &evaluation.metrics,
            at_threshold: &evaluation.at_threshold,
            gains: &evaluation.gains,
            reliability: &evaluation.reliability,
            by_cutoff: by_cutoff
                .map(|cutoff_metrics| CutoffCard {
                    cutoff: iso(cutoff_metrics.first),
                    last_cutoff: iso(cutoff_metrics.last),
                    metrics: &cutoff_metrics.metrics,
                })
                .collect(),
        }
    }
}

/// Counts rows and conversions by calendar month of the cutoff in a zone.
#[must_use]
pub fn cohorts(rows: &Rows, zone: Zone) -> Vec<Cohort> {
    let mut months: BTreeMap<String, Cohort> = BTreeMap::new();
    for (row, cutoff) in rows.cutoff.iter().flatten().enumerate() {
        let Some(converted) = rows.y[row] else { continue };
        let month = zone.day(*cutoff).month();
        let cohort =
            months.entry(month.clone()).or_insert_with(|| Cohort { month, ..Cohort::default() });
        cohort.rows += 1;
        cohort.conversions += u64::from(converted);
        cohort.training_rows += u64::from(rows.split[row] == Split::Train);
        cohort.test_rows += u64::from(rows.split[row] == Split::Test);
    }
    months.into_values().collect()
}

/// Returns the text of `model.json`.
///
/// # Errors
/// * [`Error::Json`]: the card cannot be written as JSON
pub fn json(model: &Model, cohorts: Vec<Cohort>, quality: Option<&DataQuality>) -> Result<Vec<u8>> {
    let split = &model.split;
    let card = Card {
        program: format!("pql {}", env!("CARGO_PKG_VERSION")),
        format: FORMAT,
        verdict: VerdictCard::from(&model.verdict()),
        training_fingerprint: fingerprint(model),
        model_hash: model.hash()?,
        train: split.train,
        test: split.test,
        split_method: split.method,
        immature_rows: split.immature,
        purged_rows: split.purged,
        first_training_cutoff: split.first_train.map(iso),
        last_training_cutoff: split.last_train.map(iso),
        first_test_cutoff: split.first_test.map(iso),
        refit: model.refit.map(|refit| refit.sample),
        threshold: model.threshold,
        baselines: model.baselines.iter().map(BaselineCard::new).collect(),
        evaluation: model.evaluation.as_ref().map(EvaluationCard::new),
        new_accounts: model.new_accounts.as_ref(),
        alpha: model.fit.alpha,
        regularization_path: model.regularization_path.as_ref(),
        coefficient_path: model.coefficient_path.as_ref(),
        calibration: &model.calibration,
        goodness_of_fit: &model.goodness,
        log_likelihood: model.fit.log_likelihood,
        iterations: model.fit.iterations,
        gradient_per_row: model.fit.gradient,
        coefficients: coefficients(model),
        importance: &model.importance,
        families: &model.families,
        dropped_features: model.dropped_features.iter().map(DroppedFeatureCard::new).collect(),
        findings: model.findings.iter().map(Message::from).collect(),
        catalog: model.catalog.as_ref(),
        preprocessor: &model.preprocessor,
        reference_quantiles: &model.reference.quantiles,
        warnings: model.warnings.iter().map(Message::from).collect(),
        cohorts,
        data_quality: quality,
        configuration: &model.config,
    };
    let mut bytes = serde_json::to_vec_pretty(&card)
        .map_err(|source| Error::Json { value: "the model card", source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Facts that only the model card stores, in addition to the model file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct CardContext {
    /// Cohorts by month of the cutoff; empty without cutoffs.
    pub cohorts: Vec<Cohort>,
    /// Data quality of the log; `None` for a feature matrix.
    pub data_quality: Option<DataQuality>,
    training_fingerprint: String,
    /// `None`: a card of an earlier version.
    #[serde(default)]
    model_hash: Option<String>,
}

/// Name of the model card in the folder of its model.
pub const CARD_FILE: &str = "model.json";

/// Largest model card, in bytes: four times the largest model file.
const MAX_CARD_SIZE: u64 = 256 << 20;

impl CardContext {
    /// Creates the context of a new model.
    #[must_use]
    pub fn new(model: &Model, cohorts: Vec<Cohort>, data_quality: Option<DataQuality>) -> Self {
        let training_fingerprint = fingerprint(model);
        Self { cohorts, data_quality, training_fingerprint, model_hash: None }
    }

    /// Reads the card of a model; `None` if the file does not exist.
    ///
    /// # Errors
    /// Those of [`read`]
    pub fn read(model_file: &FilePath, model: &Model) -> Result<Option<Self>> {
        Ok(read(model_file, model)?.map(|(_, context)| context))
    }
}

/// Reads the card of a model, with its text; `None` if the file does not exist.
///
/// # Arguments
/// * `model_file` – the file of the model, in whose folder the card is
/// # Errors
/// * [`Error::Read`]: the file cannot be read
/// * [`Error::Malformed`]: the file is not a model card, or the card of another model
pub fn read(model_file: &FilePath, model: &Model) -> Result<Option<(Vec<u8>, CardContext)>> {
    let path = model_file.with_file_name(CARD_FILE);
    let bytes = match read_limited(&path, MAX_CARD_SIZE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| Error::Read { path: path.clone(), source })?,
    };
    // The error of the parser would repeat the content.
    let context: CardContext = serde_json::from_slice(&bytes).map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        Error::malformed(&path, format!("not a model card: {place}"), None)
    })?;
    let differs = if context.training_fingerprint != fingerprint(model) {
        Some("training fingerprint")
    } else if let Some(hash) = &context.model_hash
        && *hash != stored_hash(model_file)?
    {
        Some("hash of the model file")
    } else {
        None
    };
    match differs {
        None => Ok(Some((bytes, context))),
        Some(what) => {
            let problem = format!("the card of another model: the {what} differs");
            Err(Error::malformed(&path, problem, None))
        }
    }
}

fn fingerprint(model: &Model) -> String {
    blake3::Hash::from_bytes(model.training_fingerprint).to_hex().to_string()
}
