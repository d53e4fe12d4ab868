//! The sections of a project file and their defaults.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::forms::{cells, optional_cell};
use super::schema::{POSITIVE_DURATION, TABLE_NAME, at_most_one};
use super::{MaxLine, TableFormat};
use crate::time::{TimeSpan, Timestamp, Zone};

/// How values in files are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InputConfig {
    /// Time zone of times without an offset, and of days: `"America/New_York"` for example.
    pub timezone: Zone,
    /// Texts that mean a missing value in columns of numbers and times, in any case. Empty cells
    /// are always missing.
    pub null: Vec<String>,
    /// Maximum length of a line of CSV or NDJSON, after decompression. Default: `"16MB"`.
    #[serde(skip_serializing_if = "MaxLine::is_default")]
    pub max_line: MaxLine,
}

impl InputConfig {
    /// Returns the settings that change what is read from a file, as TOML.
    pub(super) fn compared(&self) -> Table {
        let settings = Self { max_line: MaxLine::default(), ..self.clone() };
        Table::try_from(&settings).unwrap_or_default()
    }
}

impl Default for InputConfig {
    fn default() -> Self {
        let null = ["NA", "N/A", "#N/A", "NaN", "NULL", "None", r"\N", "-"];
        let null = null.map(str::to_owned).to_vec();
        Self { timezone: Zone::default(), null, max_line: MaxLine::default() }
    }
}

/// Event types by their meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Logins.
    pub login: Vec<String>,
    /// The core action of the product, its value metric.
    pub value: Vec<String>,
    /// Invitations of teammates.
    pub invite: Vec<String>,
    /// Reaching a limit of the free plan.
    pub limit: Vec<String>,
    /// Requests for contact with sales.
    pub hand_raise: Vec<String>,
    /// Conversions, if they are events.
    pub converted: Vec<String>,
    /// Churns, if they are events.
    pub churned: Vec<String>,
    /// Events that are not usage; they are left out of the log.
    pub exclude: Vec<String>,
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            login: vec!["login".to_owned()],
            value: Vec::new(),
            invite: Vec::new(),
            limit: Vec::new(),
            hand_raise: Vec::new(),
            converted: Vec::new(),
            churned: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

impl Roles {
    /// Returns the roles whose events are usage, by key of the project file.
    #[must_use]
    pub fn usage(&self) -> [(&'static str, &[String]); 5] {
        [
            ("login", &self.login),
            ("value", &self.value),
            ("invite", &self.invite),
            ("limit", &self.limit),
            ("hand_raise", &self.hand_raise),
        ]
    }

    /// Returns the roles whose events are removed before features are computed.
    #[must_use]
    pub fn not_usage(&self) -> [(&'static str, &[String]); 3] {
        [("converted", &self.converted), ("churned", &self.churned), ("exclude", &self.exclude)]
    }
}

/// When accounts are observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CutoffScheme {
    /// At regular times: every open account once per `every`.
    Snapshot,
    /// At one age: each account once, `age` after its sign-up.
    Age,
}

/// Cutoffs, horizon and the period covered by the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObservationConfig {
    /// When accounts are observed.
    pub cutoffs: CutoffScheme,
    /// Time between two snapshots (only `snapshot`).
    #[schemars(extend("pattern" = POSITIVE_DURATION))]
    pub every: TimeSpan,
    /// Age at which accounts are observed (only `age`).
    pub age: TimeSpan,
    /// Minimum age of observed accounts (only `snapshot`).
    pub min_age: TimeSpan,
    /// Maximum age of observed accounts (only `snapshot`).
    pub max_age: TimeSpan,
    /// Period after the cutoff in which an account converts or not.
    #[schemars(extend("pattern" = POSITIVE_DURATION))]
    pub horizon: TimeSpan,
    /// Lead time between the cutoff and the horizon.
    pub gap: TimeSpan,
    /// Start of the complete log, before which no account is observed. Default: the first event,
    /// without single events long before the others.
    pub since: Option<Timestamp>,
    /// End of the complete log, exclusive. Default: 00:00 on the day of the last event, without
    /// single events long after the others.
    pub until: Option<Timestamp>,
}

impl Default for ObservationConfig {
    fn default() -> Self {
        Self {
            cutoffs: CutoffScheme::Snapshot,
            every: TimeSpan::days(7),
            age: TimeSpan::days(14),
            min_age: TimeSpan::days(1),
            max_age: TimeSpan::days(365),
            horizon: TimeSpan::days(30),
            gap: TimeSpan(0),
            since: None,
            until: None,
        }
    }
}

/// Windows and event counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureConfig {
    /// Windows before the cutoff, in whole days.
    #[schemars(
        length(min = 1),
        extend(
            "uniqueItems" = true,
            "items" = { "title": "duration", "type": "string", "pattern": POSITIVE_DURATION }
        )
    )]
    pub windows: Vec<TimeSpan>,
    /// Number of event types with their own count features, the most used first.
    pub event_types: usize,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self { windows: vec![TimeSpan::days(7), TimeSpan::days(28)], event_types: 20 }
    }
}

/// Columns of a feature matrix (`--features`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("dependencies" = { "query": ["connection"] }))]
pub struct MatrixConfig {
    /// Column of outcomes. Default: `converted`.
    pub label: Option<String>,
    /// Value of `label` that means converted. Default: 1 or true.
    #[serde(deserialize_with = "optional_cell")]
    #[schemars(extend("type" = ["string", "number", "boolean", "null"]))]
    pub positive: Option<String>,
    /// Column of account ids; without it, each row is its own account. Default: `account_id`.
    pub account: Option<String>,
    /// Column of cutoffs. Default: `cutoff`.
    pub cutoff: Option<String>,
    /// Table of a database, such as `analytics.features`, for `pql export sql`. A part in double
    /// quotes may have any characters. Default: none.
    #[schemars(extend("pattern" = TABLE_NAME))]
    pub table: Option<String>,
    /// Database of `[connections]` from which `query` is read. Default: none.
    pub connection: Option<String>,
    /// Statement of SQL whose rows are the matrix `--features CONNECTION:matrix`. Default: none.
    pub query: Option<String>,
    /// Format of the matrix, whatever its extension. Default: by the file extension or, of standard
    /// input (`-`), by the first bytes.
    pub file_format: Option<TableFormat>,
}

impl MatrixConfig {
    /// Returns the section without the keys that name data.
    pub(crate) fn without_source(&self) -> Self {
        Self { table: None, connection: None, query: None, file_format: None, ..self.clone() }
    }
}

/// Whether features are transformed with log1p.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Log1p {
    /// Transform counts and sums, and skewed columns of a feature matrix.
    Auto,
    /// Do not transform.
    Never,
}

/// Quantiles to which numeric features are clipped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Winsorize {
    /// Do not clip.
    Never,
    /// Lower and upper quantile.
    Quantiles(f64, f64),
}

/// Encoding of features as columns of the design matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DesignConfig {
    /// Whether numeric features are transformed with log1p.
    pub log1p: Log1p,
    /// Lower and upper quantile to which numeric features are clipped, or `"never"`.
    pub winsorize: Winsorize,
    /// Levels in a smaller share of training rows are pooled.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub rare: f64,
    /// Knots of the linear spline of each numeric feature, with a jump at its minimum (0: no
    /// spline).
    #[schemars(range(min = 0, max = 10))]
    pub spline: u32,
    /// Numeric features to encode as categories.
    pub categorical: Vec<String>,
    /// Reference level by categorical feature. Default: the most frequent level.
    #[serde(deserialize_with = "cells")]
    pub reference_levels: BTreeMap<String, String>,
    /// Features to use; empty: all.
    pub include: Vec<String>,
}

impl Default for DesignConfig {
    fn default() -> Self {
        Self {
            log1p: Log1p::Auto,
            winsorize: Winsorize::Quantiles(0.005, 0.995),
            rare: 0.01,
            spline: 0,
            categorical: Vec::new(),
            reference_levels: BTreeMap::new(),
            include: Vec::new(),
        }
    }
}

/// Penalty of the coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyKind {
    /// No penalty: maximum likelihood.
    None,
    /// Ridge.
    L2,
    /// Lasso.
    L1,
    /// Mix of ridge and lasso by `l1_ratio`.
    ElasticNet,
    /// Firth's penalized likelihood, for separated or rare outcomes.
    Firth,
}

/// Regularization strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Alpha {
    /// Chosen by cross-validation.
    Cv,
    /// A fixed value.
    Fixed(f64),
}

/// How cross-validation chooses alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlphaSelection {
    /// The minimum of the cross-validated log loss.
    Min,
    /// The strongest penalty within one standard error of the minimum.
    #[serde(rename = "1se")]
    OneSe,
}

/// Solver of the fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SolverKind {
    /// Newton's method.
    Newton,
    /// L-BFGS of linfa-logistic, only for `none` and `l2`.
    Lbfgs,
}

/// Calibration of the probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CalibrationKind {
    /// No calibration.
    None,
    /// Platt scaling: a line in the log-odds.
    Platt,
    /// Isotonic regression: a rising step function.
    Isotonic,
}

/// How the test rows are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitScheme {
    /// The newest `test_size` of the cutoff days, or a shorter test period if that leaves too few
    /// training rows, or cross-validation if no test period has 20 converting accounts.
    Auto,
    /// The newest `test_size` of the cutoff days; without cutoffs, a random share of accounts.
    Time,
    /// Every row, predicted by a model that was trained on other accounts.
    CrossValidation,
}

/// Penalty, solver, calibration and test set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Penalty of the coefficients.
    pub penalty: PenaltyKind,
    /// Regularization strength, or `"cv"` to choose it by cross-validation.
    pub alpha: Alpha,
    /// How cross-validation chooses alpha.
    pub alpha_selection: AlphaSelection,
    /// Minimum number of converting training accounts; fewer give an error.
    pub min_conversions: usize,
    /// Refit on all labeled rows after the evaluation, so that the model also learns from the
    /// newest ones.
    pub refit: bool,
    /// Share of the L1 penalty in `elastic-net`.
    #[schemars(range(min = 0, max = 1))]
    pub l1_ratio: f64,
    /// Solver of the fit.
    pub solver: SolverKind,
    /// Calibration of the probabilities.
    pub calibration: CalibrationKind,
    /// How the test rows are chosen.
    pub split: SplitScheme,
    /// Share of cutoff days in the test set, the newest first (0: no test set).
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub test_size: f64,
    /// Seed of cross-validation folds and the holdout.
    pub seed: u64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            penalty: PenaltyKind::L2,
            alpha: Alpha::Cv,
            alpha_selection: AlphaSelection::Min,
            min_conversions: 10,
            refit: true,
            l1_ratio: 0.5,
            solver: SolverKind::Newton,
            calibration: CalibrationKind::Platt,
            split: SplitScheme::Auto,
            test_size: 0.2,
            seed: 0,
        }
    }
}

/// What qualifies an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QualifyBy {
    /// Its probability reaches the threshold of the model.
    Model,
    /// It matches a PQL definition.
    Definition,
    /// At least one of the two.
    Either,
    /// Both.
    Both,
}

impl QualifyBy {
    /// Returns the value as written in the project file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Definition => "definition",
            Self::Either => "either",
            Self::Both => "both",
        }
    }
}

/// Revenue of a conversion and cost of a contact, in the same currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactValue {
    /// Revenue of a conversion.
    pub revenue: f64,
    /// Cost of contacting an account.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub cost: f64,
}

/// Which accounts qualify. Set at most one of `share`, `threshold`, `capacity`, `precision` and
/// `value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("allOf" = at_most_one(&ThresholdRule::KEYS)))]
pub struct QualifyConfig {
    /// Share of training accounts that qualify. Default: 0.2.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub share: Option<f64>,
    /// Minimum probability.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub threshold: Option<f64>,
    /// Maximum number of accounts that newly qualify per week.
    #[schemars(range(min = 1))]
    pub capacity: Option<u64>,
    /// Minimum mean probability of the qualified accounts.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub precision: Option<f64>,
    /// Revenue and cost: an account qualifies if contacting it pays.
    pub value: Option<ContactValue>,
    /// What qualifies an account.
    pub by: QualifyBy,
    /// Share of accounts left uncontacted for comparison.
    #[schemars(range(min = 0, max = 1))]
    pub holdout: f64,
}

impl Default for QualifyConfig {
    fn default() -> Self {
        Self {
            share: None,
            threshold: None,
            capacity: None,
            precision: None,
            value: None,
            by: QualifyBy::Either,
            holdout: 0.0,
        }
    }
}

/// Alerts about accounts, for `pql alerts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsConfig {
    /// Maximum age of the first match of a definition, if the account has no earlier score. Later
    /// matches give an alert.
    #[schemars(extend("pattern" = POSITIVE_DURATION))]
    pub within: TimeSpan,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self { within: TimeSpan::days(14) }
    }
}

/// Rule that sets the threshold, from the keys of `[qualify]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdRule {
    /// Share of the reference population that qualifies.
    Share(f64),
    /// The threshold itself.
    Threshold(f64),
    /// Maximum number of accounts that newly qualify per week.
    Capacity(u64),
    /// Minimum mean probability of the qualified accounts.
    Precision(f64),
    /// Revenue of a conversion and cost of a contact.
    Value(ContactValue),
}

impl ThresholdRule {
    /// Keys of `[qualify]` that set the threshold.
    pub(super) const KEYS: [&'static str; 5] =
        ["share", "threshold", "capacity", "precision", "value"];
}

impl QualifyConfig {
    /// Default share of the reference population that qualifies.
    pub const DEFAULT_SHARE: f64 = 0.2;

    /// Returns the rule that sets the threshold; default: a share.
    #[must_use]
    pub fn threshold_rule(&self) -> ThresholdRule {
        let configured = self.threshold_rules().into_iter().flatten().next();
        configured.unwrap_or(ThresholdRule::Share(Self::DEFAULT_SHARE))
    }

    /// Returns the rules that are set.
    pub(super) fn threshold_rules(&self) -> [Option<ThresholdRule>; 5] {
        [
            self.share.map(ThresholdRule::Share),
            self.threshold.map(ThresholdRule::Threshold),
            self.capacity.map(ThresholdRule::Capacity),
            self.precision.map(ThresholdRule::Precision),
            self.value.map(ThresholdRule::Value),
        ]
    }
}
