//! The sections of a project file and their defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::time::{TimeSpan, Timestamp};

/// One source of events; a column that is not named is looked for under its usual name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventSource {
    /// File, glob or folder; Parquet, CSV or NDJSON, also .gz and .zst.
    pub path: PathBuf,
    /// Column of accounts (`account_id`).
    pub account: Option<String>,
    /// Column of users (`user_id`).
    pub user: Option<String>,
    /// Column of event names (`event`).
    pub event: Option<String>,
    /// One event name for all rows of this source.
    pub event_name: Option<String>,
    /// Columns of a daily table that are each an event where they are not 0.
    pub unpivot: Vec<String>,
    /// Numeric properties, summed per window.
    pub values: Vec<String>,
    /// Column of times (`timestamp`).
    pub timestamp: Option<String>,
    /// strftime pattern of the times, where they are not ISO 8601.
    pub format: Option<String>,
    /// Column of the times at which an event became known (`received_at`).
    pub received: Option<String>,
    /// Column of ids of which repeats are dropped (`message_id`).
    pub id: Option<String>,
}

/// The account list; a column that is not named is looked for under its usual name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountSource {
    /// File, glob or folder; Parquet, CSV or NDJSON, also .gz and .zst.
    pub path: PathBuf,
    /// Column of accounts (`account_id`).
    pub account: Option<String>,
    /// Column of sign-up times (`signed_up_at`).
    pub signed_up: Option<String>,
    /// Column of conversion times (`converted_at`), null where not converted.
    pub converted: Option<String>,
    /// Column of churn times (`churned_at`).
    pub churned: Option<String>,
    /// Column of seats granted at sign-up (`seats`).
    pub seats: Option<String>,
    /// Column of revenue (`mrr`), never a feature.
    pub revenue: Option<String>,
    /// Column of revenue at the conversion (`first_mrr`), for expansion, never a feature.
    pub first_revenue: Option<String>,
    /// Columns known at sign-up that are features.
    pub attributes: Vec<String>,
    /// strftime pattern of the times, where they are not ISO 8601.
    pub format: Option<String>,
}

/// Visitors by day, for the share of them that signs up; a column that is not named is looked for
/// under its usual name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VisitorSource {
    /// File, glob or folder; Parquet, CSV or NDJSON, also .gz and .zst.
    pub path: PathBuf,
    /// Column of days (`date`), UTC.
    pub date: Option<String>,
    /// Column of how many visitors there were (`visitors`).
    pub visitors: Option<String>,
    /// strftime pattern of the days, where they are not ISO 8601.
    pub format: Option<String>,
}

/// What events mean: each a list of event names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Signing in.
    pub login: Vec<String>,
    /// The core action: the value metric.
    pub value: Vec<String>,
    /// Bringing in teammates.
    pub invite: Vec<String>,
    /// Hitting a limit of the free plan.
    pub limit: Vec<String>,
    /// Asking for sales.
    pub hand_raise: Vec<String>,
    /// Conversion as an event.
    pub converted: Vec<String>,
    /// Churn as an event.
    pub churned: Vec<String>,
    /// Never usage.
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
    /// The roles whose events are usage, by the key of the project file.
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

    /// The roles whose events leave the log before any feature is computed.
    #[must_use]
    pub fn not_usage(&self) -> [(&'static str, &[String]); 3] {
        [("converted", &self.converted), ("churned", &self.churned), ("exclude", &self.exclude)]
    }
}

/// When an account is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// Every open account each `every`.
    Snapshot,
    /// Once, at sign-up + `age`.
    Age,
}

/// Cutoffs, horizon and the span of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObservationRule {
    /// Kind of cutoff (`snapshot`).
    pub at: At,
    /// Time between two snapshots (`7d`).
    pub every: TimeSpan,
    /// Age at which an account is observed once (`14d`).
    pub age: TimeSpan,
    /// Youngest tenure observed in a snapshot (`1d`).
    pub min_age: TimeSpan,
    /// Oldest tenure observed in a snapshot (`365d`).
    pub max_age: TimeSpan,
    /// Span in which a conversion is looked for (`30d`).
    pub horizon: TimeSpan,
    /// Lead time between cutoff and horizon (`0d`).
    pub gap: TimeSpan,
    /// The log is complete from here on; default: its first event.
    pub since: Option<Timestamp>,
    /// The log is complete before this instant; default: 00:00 UTC of the day of its last event.
    pub until: Option<Timestamp>,
}

impl Default for ObservationRule {
    fn default() -> Self {
        Self {
            at: At::Snapshot,
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

/// Windows and counted events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureRule {
    /// Trailing windows, whole days (`7d`, `28d`).
    pub windows: Vec<TimeSpan>,
    /// Number of event names with counts of their own (20).
    pub counts: usize,
}

impl Default for FeatureRule {
    fn default() -> Self {
        Self { windows: vec![TimeSpan::days(7), TimeSpan::days(28)], counts: 20 }
    }
}

/// Columns of a feature matrix made elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MatrixRule {
    /// Column of outcomes (`converted`).
    pub label: Option<String>,
    /// The value of `label` that means converted, where it is neither 1/0 nor true/false.
    pub positive: Option<String>,
    /// Column of accounts (`account_id`); without one each row is its own account.
    pub account: Option<String>,
    /// Column of cutoffs (`cutoff`).
    pub cutoff: Option<String>,
}

/// When log1p is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log1p {
    /// By the kind of the column.
    Auto,
    /// Not at all.
    Never,
}

/// Quantiles at which numeric columns are cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Winsorize {
    /// Columns stay as they are.
    Never,
    /// Lower and upper quantile.
    At(f64, f64),
}

/// From features to design columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DesignRule {
    /// When log1p is taken (`auto`).
    pub log1p: Log1p,
    /// Quantiles at which numeric columns are cut off (0.005, 0.995).
    pub winsorize: Winsorize,
    /// Share of training rows under which a level is pooled (0.01).
    pub rare: f64,
    /// Knots at which the line of a numeric feature may bend, beside a jump at its minimum (0:
    /// straight lines).
    pub spline: u32,
    /// Numeric columns that are treated as text.
    pub categories: Vec<String>,
    /// Reference level of a category.
    pub base: BTreeMap<String, String>,
    /// Feature columns to keep; empty: all.
    #[serde(rename = "use")]
    pub keep: Vec<String>,
}

impl Default for DesignRule {
    fn default() -> Self {
        Self {
            log1p: Log1p::Auto,
            winsorize: Winsorize::At(0.005, 0.995),
            rare: 0.01,
            spline: 0,
            categories: Vec::new(),
            base: BTreeMap::new(),
            keep: Vec::new(),
        }
    }
}

/// Kind of penalty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PenaltyKind {
    /// Maximum likelihood.
    None,
    /// Ridge.
    L2,
    /// Lasso.
    L1,
    /// Both, in the proportion `l1_ratio`.
    ElasticNet,
    /// Firth's penalised likelihood, for separated or rare outcomes.
    Firth,
}

/// Strength of the penalty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Alpha {
    /// By cross-validation.
    Cv,
    /// A number.
    Fixed(f64),
}

/// How alpha is chosen on the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathRule {
    /// At the minimum of the held-out loss.
    Min,
    /// The strongest penalty whose loss is within one standard error of the minimum.
    #[serde(rename = "1se")]
    OneSe,
}

/// Which solver fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SolverKind {
    /// Newton's method.
    Newton,
    /// linfa-logistic.
    Lbfgs,
}

/// How log-odds become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalibrationKind {
    /// As the fit gives them.
    None,
    /// A straight line in the log-odds.
    Platt,
    /// Any rising step function.
    Isotonic,
}

/// Penalty, solver, evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRule {
    /// Kind of penalty (`l2`).
    pub penalty: PenaltyKind,
    /// Strength of the penalty (`cv`).
    pub alpha: Alpha,
    /// How alpha is chosen on the path (`min`).
    pub rule: PathRule,
    /// Converting training accounts under which there is no model (10).
    pub min_conversions: usize,
    /// After evaluation learn again on all labelled rows (false).
    pub refit: bool,
    /// Share of l1 in elastic net (0.5).
    pub l1_ratio: f64,
    /// Which solver fits (`newton`).
    pub solver: SolverKind,
    /// How log-odds become probabilities (`platt`).
    pub calibration: CalibrationKind,
    /// Newest share of cutoffs held out (0.2); 0: none.
    pub test: f64,
    /// Seed of folds and hashes (0).
    pub seed: u64,
}

impl Default for ModelRule {
    fn default() -> Self {
        Self {
            penalty: PenaltyKind::L2,
            alpha: Alpha::Cv,
            rule: PathRule::Min,
            min_conversions: 10,
            refit: false,
            l1_ratio: 0.5,
            solver: SolverKind::Newton,
            calibration: CalibrationKind::Platt,
            test: 0.2,
            seed: 0,
        }
    }
}

/// What makes an account qualified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QualifyBy {
    /// The model's threshold.
    Model,
    /// A PQL definition.
    Definition,
    /// One of them.
    Either,
    /// Both of them.
    Both,
}

impl QualifyBy {
    /// The word as it is written.
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

/// Worth of a conversion and cost of a touch, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worth {
    /// What a conversion brings.
    pub deal: f64,
    /// What contacting an account costs.
    pub touch: f64,
}

/// Which accounts count as qualified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qualify {
    /// Share of the reference population that qualifies (0.2).
    pub share: Option<f64>,
    /// Probability from which on an account qualifies.
    pub threshold: Option<f64>,
    /// Accounts a week.
    pub capacity: Option<u64>,
    /// Mean probability of those that qualify.
    pub precision: Option<f64>,
    /// By what a conversion is worth.
    pub value: Option<Worth>,
    /// What makes an account qualified (`either`).
    pub by: QualifyBy,
    /// Share of accounts marked to be left alone for comparison (0).
    pub holdout: f64,
}

impl Default for Qualify {
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

/// By what the threshold is set: one of the kinds of `[qualify]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    /// Share of the reference population that qualifies.
    Share(f64),
    /// The threshold itself.
    Threshold(f64),
    /// Accounts that newly qualify in a week, at most.
    Capacity(u64),
    /// Mean probability of those that qualify.
    Precision(f64),
    /// What a conversion is worth against the cost of a touch.
    Value(Worth),
}

impl Cut {
    /// The keys of the kinds.
    pub(super) const KINDS: [&'static str; 5] =
        ["share", "threshold", "capacity", "precision", "value"];
}

impl Qualify {
    /// Share of the reference population that qualifies where nothing else is said.
    pub const SHARE: f64 = 0.2;

    /// By what the threshold is set; a share where no kind is given.
    #[must_use]
    pub fn cut(&self) -> Cut {
        let given = self.kinds().into_iter().flatten().next();
        given.unwrap_or(Cut::Share(Self::SHARE))
    }

    /// The kinds, as far as they are given.
    pub(super) fn kinds(&self) -> [Option<Cut>; 5] {
        [
            self.share.map(Cut::Share),
            self.threshold.map(Cut::Threshold),
            self.capacity.map(Cut::Capacity),
            self.precision.map(Cut::Precision),
            self.value.map(Cut::Value),
        ]
    }
}
