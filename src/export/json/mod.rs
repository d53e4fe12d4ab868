//! Export as JSON: everything that computes a score from raw features, with a JSON Schema.
//!
//! `docs/reference/export-json.md` has a scorer that needs nothing else.

mod lines;

use lines::json_lines;
use pql_stats::calibration::{Calibration, SMALLEST};
use pql_stats::intervals::Z_95;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::json;

use crate::error::Result;
use crate::model::Model;
use crate::model::encoder::{DesignColumn, Encoding, FeatureEncoder, MISSING, Scale, Term};
use crate::model::explain::{Contributions, Group, MIN_CONTRIBUTION};

/// Address of the schema.
const SCHEMA_URL: &str =
    "https://raw.githubusercontent.com/pql-dev/pql/main/docs/reference/export.schema.json";

/// Version of the format that this version of pql writes.
const FORMAT: u32 = 1;

/// A model in JSON: it computes probability, interval, percentile and contributions from features.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JsonModel<'a> {
    /// Address of this schema.
    #[serde(rename = "$schema")]
    schema: &'a str,
    /// Version of the format. It increases when a reader of the previous version would fail.
    format: u32,
    /// Name and version of the model.
    model: &'a str,
    /// Hash of the model, which two exports of the same model share.
    hash: String,
    /// Features, in the order of the model.
    features: Vec<JsonFeature<'a>>,
    /// Columns of the design matrix.
    columns: Vec<JsonColumn<'a>>,
    /// Log-odds of the fit if all standardized columns are 0.
    intercept: f64,
    /// Covariance of the intercept, which comes first, and the coefficients. Null after l1 and
    /// elastic net: the probability has no interval.
    covariance: Option<Vec<&'a [f64]>>,
    /// Calibration of the log-odds of the fit.
    calibration: JsonCalibration<'a>,
    /// Smallest probability; the largest is 1 minus this value.
    smallest_probability: f64,
    /// Half the width of an interval, in standard errors.
    standard_errors: f64,
    /// Probability from which an account qualifies.
    threshold: f64,
    /// Quantiles 0, 0.001, …, 1 of the reference distribution, for percentiles.
    quantiles: &'a [f64],
    /// Groups of columns that share one reason.
    families: Vec<JsonFamily<'a>>,
    /// Contribution that a family has to exceed to be a reason.
    min_contribution: f64,
}

/// A feature and its encoding.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum JsonFeature<'a> {
    /// A number. An infinite number has no score.
    Number {
        /// Name of the feature.
        name: &'a str,
        /// Name of its measure.
        measure: &'a str,
        /// Days of its window; null without a window.
        window_days: Option<u32>,
        /// Typical value; null if missing is typical.
        typical: Option<f64>,
        /// Whether to replace x by ln(1 + max(x, 0)) first.
        log1p: bool,
        /// Bounds to which the result is clamped; null without bounds.
        bounds: Option<Bounds>,
        /// Result for a missing value.
        fill: f64,
    },
    /// A category.
    Category {
        /// Name of the feature.
        name: &'a str,
        /// Name of its measure.
        measure: &'a str,
        /// Typical level; null if missing is typical.
        typical: Option<&'a str>,
        /// Level of a missing or empty value, before it is looked up in `levels`.
        missing_level: &'a str,
        /// Levels that are not replaced.
        levels: Vec<&'a str>,
        /// Level of all other values.
        other_level: &'a str,
    },
}

/// Smallest and largest value.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bounds {
    low: f64,
    high: f64,
}

/// A column of the design matrix.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JsonColumn<'a> {
    /// Name of the column.
    name: &'a str,
    /// Index of its feature.
    feature: usize,
    /// Function of the feature.
    term: JsonTerm,
    /// Value of `jump` and `hinge`; null for other terms.
    knot: Option<f64>,
    /// Level of `level`; null for other terms.
    level: Option<&'a str>,
    /// Subtracted from the value of the term.
    mean: f64,
    /// Subtracted next: the rounding error of `mean`.
    mean_low: f64,
    /// Divisor of the result, which gives the standardized value.
    sd: f64,
    /// Coefficient of the standardized value.
    coef: f64,
    /// Standardized value of the typical account.
    typical: f64,
}

/// Function of a feature.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum JsonTerm {
    /// The transformed number.
    Value,
    /// 1 if the transformed number is above `knot`, else 0.
    Jump,
    /// Excess of the transformed number over `knot`, at least 0.
    Hinge,
    /// 1 if the value is missing, else 0.
    Missing,
    /// 1 if the level is `level`, else 0.
    Level,
}

/// Map from the log-odds η of the fit to probabilities: a line, then the logistic function or an
/// isotonic one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JsonCalibration<'a> {
    /// Log-odds if η is 0; 0 without Platt scaling.
    intercept: f64,
    /// Change of the log-odds per unit of η; 1 without Platt scaling.
    slope: f64,
    /// Covariance of intercept and slope; 0 without Platt scaling.
    covariance: [[f64; 2]; 2],
    /// Isotonic calibration, which replaces the logistic function; null for the logistic function.
    isotonic: Option<Knots<'a>>,
}

/// Probabilities that are linear between knots, and constant beyond them.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Knots<'a> {
    /// Log-odds of each knot, ascending.
    log_odds: &'a [f64],
    /// Probability at each knot.
    probability: &'a [f64],
}

/// A family of measures that carry the same information.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JsonFamily<'a> {
    /// Names of the measures, most important first.
    measures: &'a [String],
    /// Indices of their columns.
    columns: &'a [usize],
}

/// Returns a model as JSON, indented, with a line end.
///
/// # Arguments
/// * `label` – name and version of the model
/// # Errors
/// * [`Error::EncodeModel`](crate::Error::EncodeModel): the model has no hash
pub fn json(model: &Model, label: &str) -> Result<String> {
    let contributions = Contributions::new(model);
    let columns = model.preprocessor.columns();
    let width = columns.len() + 1;
    let covariance = model.fit.covariance.as_ref();
    let exported = JsonModel {
        schema: SCHEMA_URL,
        format: FORMAT,
        model: label,
        hash: model.hash()?,
        features: model.preprocessor.features.iter().map(JsonFeature::new).collect(),
        columns: columns
            .iter()
            .zip(model.fit.coef.iter().zip(&contributions.typical))
            .map(|(column, (coef, typical))| JsonColumn::new(column, *coef, *typical))
            .collect(),
        intercept: model.fit.intercept,
        covariance: covariance.map(|values| values.chunks_exact(width).collect()),
        calibration: JsonCalibration::new(&model.calibration),
        smallest_probability: SMALLEST,
        standard_errors: Z_95,
        threshold: model.threshold,
        quantiles: &model.reference.quantiles,
        families: contributions.families.iter().map(JsonFamily::new).collect(),
        min_contribution: MIN_CONTRIBUTION,
    };
    Ok(json_lines(&exported))
}

/// Returns the JSON Schema (draft 7) of the format, indented, with a line end.
#[must_use]
pub fn json_schema() -> String {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema =
        settings.into_generator().into_root_schema_for::<JsonModel<'static>>().to_value();
    schema["$id"] = json!(SCHEMA_URL);
    schema["title"] = json!("Model of `pql export json`");
    format!("{schema:#}\n")
}

impl<'a> JsonFeature<'a> {
    fn new(encoder: &'a FeatureEncoder) -> Self {
        let FeatureEncoder { feature, measure, window, encoding, .. } = encoder;
        match encoding {
            Encoding::Numeric(number) => Self::Number {
                name: feature,
                measure,
                window_days: *window,
                typical: number.typical,
                log1p: number.log1p,
                bounds: number.bounds.map(|(low, high)| Bounds { low, high }),
                fill: number.fill,
            },
            Encoding::Categorical(text) => Self::Category {
                name: feature,
                measure,
                typical: Some(text.mode.as_str()).filter(|mode| *mode != MISSING),
                missing_level: MISSING,
                levels: text.known_levels().collect(),
                other_level: text.unknown_level(),
            },
        }
    }
}

impl<'a> JsonColumn<'a> {
    fn new(column: &'a DesignColumn<'_>, coef: f64, typical: f64) -> Self {
        let (term, knot, level) = match column.term {
            Term::Value => (JsonTerm::Value, None, None),
            Term::Jump(above) => (JsonTerm::Jump, Some(above), None),
            Term::Hinge(knot) => (JsonTerm::Hinge, Some(knot), None),
            Term::Missing => (JsonTerm::Missing, None, None),
            Term::Level(level) => (JsonTerm::Level, None, Some(level)),
        };
        let Scale { mean, mean_low, sd } = column.scale;
        let (name, feature) = (column.name.as_str(), column.feature);
        Self { name, feature, term, knot, level, mean, mean_low, sd, coef, typical }
    }
}

impl<'a> JsonCalibration<'a> {
    fn new(calibration: &'a Calibration) -> Self {
        let (intercept, slope) = calibration.intercept_and_slope();
        let [a, ab, ba, b] = match calibration {
            Calibration::Platt(platt) => platt.covariance,
            Calibration::None | Calibration::Isotonic(_) => [0.0; 4],
        };
        let isotonic = match calibration {
            Calibration::Isotonic(isotonic) => {
                Some(Knots { log_odds: &isotonic.log_odds, probability: &isotonic.probability })
            }
            Calibration::None | Calibration::Platt(_) => None,
        };
        Self { intercept, slope, covariance: [[a, ab], [ba, b]], isotonic }
    }
}

impl<'a> JsonFamily<'a> {
    fn new(group: &'a Group) -> Self {
        Self { measures: &group.measures, columns: &group.columns }
    }
}
