//! `pql.toml`: its keys, their defaults, and the checks that hold for every later stage.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::{Table, Value};

use crate::error::{Error, Result, nearest};
use crate::time::{DAY, Duration, Instant};

/// Everything a project file says, with defaults filled in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sources of events, read as one log.
    pub events: Vec<EventSource>,
    /// The account list; without it an account begins at its first event.
    pub accounts: Option<AccountSource>,
    /// What event names mean.
    pub roles: Roles,
    /// Cutoffs, horizon and the span of the log.
    pub observation: ObservationRule,
    /// Windows and counted events.
    pub features: FeatureRule,
    /// Columns of a feature matrix made elsewhere.
    pub matrix: MatrixRule,
    /// From features to design columns.
    pub design: DesignRule,
    /// Penalty, solver, evaluation.
    pub model: ModelRule,
    /// Which accounts count as qualified.
    pub qualify: Qualify,
    /// PQL definitions, read so that they can be refused by name.
    pub definition: Vec<Table>,
}

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
    /// Columns known at sign-up that are features.
    pub attributes: Vec<String>,
    /// strftime pattern of the times, where they are not ISO 8601.
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
        [("login", &self.login), ("value", &self.value), ("invite", &self.invite), ("limit", &self.limit), ("hand_raise", &self.hand_raise)]
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
    pub every: Duration,
    /// Age at which an account is observed once (`14d`).
    pub age: Duration,
    /// Youngest tenure observed in a snapshot (`1d`).
    pub min_age: Duration,
    /// Oldest tenure observed in a snapshot (`365d`).
    pub max_age: Duration,
    /// Span in which a conversion is looked for (`30d`).
    pub horizon: Duration,
    /// Lead time between cutoff and horizon (`0d`).
    pub gap: Duration,
    /// The log is complete from here on; default: its first event.
    pub since: Option<Instant>,
    /// The log is complete before this instant; default: 00:00 UTC of the day of its last event.
    pub until: Option<Instant>,
}

impl Default for ObservationRule {
    fn default() -> Self {
        Self {
            at: At::Snapshot,
            every: Duration::days(7),
            age: Duration::days(14),
            min_age: Duration::days(1),
            max_age: Duration::days(365),
            horizon: Duration::days(30),
            gap: Duration(0),
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
    pub windows: Vec<Duration>,
    /// Number of event names with counts of their own (20).
    pub counts: usize,
}

impl Default for FeatureRule {
    fn default() -> Self {
        Self { windows: vec![Duration::days(7), Duration::days(28)], counts: 20 }
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
    /// Ridge and lasso mixed.
    ElasticNet,
    /// Firth's bias reduction.
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
    /// The largest alpha within one standard error of it.
    #[serde(rename = "1se")]
    OneStandardError,
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
    /// A logistic curve through them.
    Platt,
    /// A monotone step curve through them.
    Isotonic,
}

/// Penalty, solver, evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelRule {
    /// Kind of penalty (`l2`).
    pub penalty: PenaltyKind,
    /// Strength of the penalty (1).
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
    /// How log-odds become probabilities (`none`).
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
            alpha: Alpha::Fixed(1.0),
            rule: PathRule::Min,
            min_conversions: 10,
            refit: false,
            l1_ratio: 0.5,
            solver: SolverKind::Newton,
            calibration: CalibrationKind::None,
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
        Self { share: None, threshold: None, capacity: None, precision: None, value: None, by: QualifyBy::Either, holdout: 0.0 }
    }
}

impl Qualify {
    /// Share of the reference population that qualifies where nothing else is said.
    const SHARE: f64 = 0.2;

    /// The share of the reference population that qualifies.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share.unwrap_or(Self::SHARE)
    }
}

impl Config {
    /// Read the project file and the `--set KEY=VALUE` of the command line over it, and check both.
    ///
    /// # Arguments
    /// * `path` – the project file; `None`: `./pql.toml` where it is there, else the defaults
    /// * `sets` – `section.key=value`, the value in TOML or bare text
    /// # Errors
    /// * [`Error::Read`]: the file cannot be read
    /// * [`Error::Config`]: an unknown key, a value of the wrong kind, or values that do not go together
    pub fn load(path: Option<&Path>, sets: &[String]) -> Result<Self> {
        let default = Path::new("pql.toml");
        let path = path.or_else(|| default.exists().then_some(default));
        let text = match path {
            Some(path) => std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?,
            None => String::new(),
        };
        let path = path.unwrap_or(Path::new("--set"));
        Self::parse(&text, path, sets)
    }

    /// Read the text of a project file; `path` serves messages and is the base of relative paths in it.
    ///
    /// # Errors
    /// * [`Error::Config`]: an unknown key, a value of the wrong kind, or values that do not go together
    pub fn parse(text: &str, path: &Path, sets: &[String]) -> Result<Self> {
        toml::from_str::<Self>(text).map_err(|e| from_toml(&e, text, path))?;
        let mut table: Table = text.parse().map_err(|e| from_toml(&e, text, path))?;
        resolve_paths(&mut table, path.parent().unwrap_or(Path::new("")));
        for set in sets {
            apply_set(&mut table, set)?;
            let check: std::result::Result<Self, _> = table.clone().try_into();
            check.map_err(|e| from_toml(&e, "", Path::new(&format!("--set {set}"))))?;
        }
        let config: Self = table.try_into().map_err(|e| from_toml(&e, text, path))?;
        config.validate().map_err(|(key, problem)| Error::Config {
            path: path.to_owned(),
            line: line_of(text, key),
            problem,
            hint: None,
        })?;
        Ok(config)
    }

    /// The part that a model stores: everything but where the data lies.
    ///
    /// # Panics
    /// Never: every value of a configuration has a TOML form.
    #[must_use]
    pub fn stored(&self) -> String {
        let config = Self { events: Vec::new(), accounts: None, ..self.clone() };
        toml::to_string(&config).expect("every value of a configuration has a TOML form")
    }

    /// Read back what [`Config::stored`] wrote.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`]: the text is not a configuration
    pub fn from_stored(text: &str, model: &Path) -> Result<Self> {
        toml::from_str(text)
            .map_err(|e| Error::DamagedModel { path: model.to_owned(), problem: format!("its configuration: {}", e.message()) })
    }

    /// Name the keys of roles, features and observation that differ from those of `other`, but the span of the log.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let tables = |config: &Self| {
            let mut observation = config.observation.clone();
            (observation.since, observation.until) = (None, None);
            [
                ("roles", Table::try_from(&config.roles).unwrap_or_default()),
                ("features", Table::try_from(&config.features).unwrap_or_default()),
                ("observation", Table::try_from(&observation).unwrap_or_default()),
            ]
        };
        let mut named = Vec::new();
        for ((section, mine), (_, theirs)) in tables(self).iter().zip(&tables(other)) {
            for (key, value) in mine {
                if theirs.get(key) != Some(value) {
                    let theirs = theirs.get(key).map_or_else(|| "none".to_owned(), ToString::to_string);
                    named.push(format!("{section}.{key} = {value}, the model has {theirs}"));
                }
            }
        }
        named
    }

    /// Check what the types do not say; answers the key and the problem.
    fn validate(&self) -> std::result::Result<(), (&'static str, String)> {
        let refuse = |key: &'static str, problem: String| Err((key, problem));
        for source in &self.events {
            source.validate()?;
        }
        if let Some(accounts) = &self.accounts {
            accounts.validate()?;
        }
        for (role, names) in self.roles.usage() {
            for (other, left_out) in self.roles.not_usage() {
                if let Some(name) = names.iter().find(|n| left_out.contains(n)) {
                    return refuse("roles", format!("`{name}` has the role `{role}` and the role `{other}`, whose events are no usage"));
                }
            }
        }
        self.observation.validate()?;
        self.features.validate()?;
        self.design.validate()?;
        self.model.validate()?;
        self.qualify.validate()?;
        if !self.definition.is_empty() {
            return refuse("definition", "`[[definition]]` is not in this version of pql".to_owned());
        }
        Ok(())
    }
}

type Checked = std::result::Result<(), (&'static str, String)>;

fn ensure(holds: bool, key: &'static str, problem: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err((key, problem())) }
}

impl EventSource {
    fn validate(&self) -> Checked {
        ensure(!self.path.as_os_str().is_empty(), "events", || "`[[events]]` has no `path`".to_owned())?;
        let kinds = usize::from(self.event.is_some()) + usize::from(self.event_name.is_some()) + usize::from(!self.unpivot.is_empty());
        ensure(kinds <= 1, "events.event", || "`event`, `event_name` and `unpivot` exclude one another".to_owned())
    }
}

impl AccountSource {
    fn validate(&self) -> Checked {
        ensure(!self.path.as_os_str().is_empty(), "accounts", || "`[accounts]` has no `path`".to_owned())?;
        let outcome = [&self.account, &self.signed_up, &self.converted, &self.churned, &self.revenue];
        for name in &self.attributes {
            let clash = outcome.iter().any(|c| c.as_ref() == Some(name));
            ensure(!clash, "accounts.attributes", || format!("`{name}` is named for something else too and cannot be an attribute"))?;
        }
        Ok(())
    }
}

impl ObservationRule {
    fn validate(&self) -> Checked {
        ensure(self.every.0 > 0, "observation.every", || "`observation.every` is 0".to_owned())?;
        ensure(self.horizon.0 > 0, "observation.horizon", || "`observation.horizon` is 0".to_owned())?;
        ensure(self.min_age <= self.max_age, "observation.min_age", || {
            format!("`observation.min_age` ({}) is above `max_age` ({})", self.min_age, self.max_age)
        })?;
        let span = self.since.zip(self.until);
        ensure(span.is_none_or(|(since, until)| since < until), "observation.since", || {
            "`observation.since` is not before `until`".to_owned()
        })
    }
}

impl FeatureRule {
    fn validate(&self) -> Checked {
        ensure(!self.windows.is_empty(), "features.windows", || "`features.windows` is empty".to_owned())?;
        for w in &self.windows {
            let days = (1..=3_650).contains(&(w.0 / DAY)) && w.0 % DAY == 0;
            ensure(days, "features.windows", || format!("`features.windows` has {w}: expected whole days, 1d to 3650d"))?;
        }
        let mut sorted = self.windows.clone();
        sorted.dedup();
        ensure(sorted.len() == self.windows.len(), "features.windows", || "`features.windows` names a window twice".to_owned())
    }
}

impl DesignRule {
    fn validate(&self) -> Checked {
        ensure((0.0..1.0).contains(&self.rare), "design.rare", || {
            format!("`design.rare` is {}: expected a share from 0 to below 1", self.rare)
        })?;
        if let Winsorize::At(low, high) = self.winsorize {
            ensure(0.0 <= low && low < high && high <= 1.0, "design.winsorize", || {
                format!("`design.winsorize` is [{low}, {high}]: expected two rising quantiles from 0 to 1, or \"never\"")
            })?;
        }
        Ok(())
    }
}

impl ModelRule {
    fn validate(&self) -> Checked {
        let exist = |key: &str, found: &str, known: &str| format!("`{key} = {found}` is not in this version of pql, which has {known}");
        let penalty = matches!(self.penalty, PenaltyKind::None | PenaltyKind::L2);
        ensure(penalty, "model.penalty", || exist("model.penalty", name(&self.penalty).as_str(), "\"none\" and \"l2\""))?;
        match self.alpha {
            Alpha::Cv => ensure(false, "model.alpha", || exist("model.alpha", "\"cv\"", "a number"))?,
            Alpha::Fixed(alpha) => {
                ensure(alpha.is_finite() && alpha >= 0.0, "model.alpha", || format!("`model.alpha` is {alpha}: expected a number from 0"))?;
            }
        }
        ensure(self.rule == PathRule::Min, "model.rule", || exist("model.rule", name(&self.rule).as_str(), "\"min\""))?;
        ensure(!self.refit, "model.refit", || exist("model.refit", "true", "false"))?;
        let calibration = self.calibration == CalibrationKind::None;
        ensure(calibration, "model.calibration", || exist("model.calibration", name(&self.calibration).as_str(), "\"none\""))?;
        ensure((0.0..=1.0).contains(&self.l1_ratio), "model.l1_ratio", || {
            format!("`model.l1_ratio` is {}: expected 0 to 1", self.l1_ratio)
        })?;
        ensure((0.0..1.0).contains(&self.test), "model.test", || {
            format!("`model.test` is {}: expected a share from 0 to below 1", self.test)
        })
    }
}

impl Qualify {
    fn validate(&self) -> Checked {
        let other = [
            ("threshold", self.threshold.is_some()),
            ("capacity", self.capacity.is_some()),
            ("precision", self.precision.is_some()),
            ("value", self.value.is_some()),
        ];
        for (key, given) in other {
            ensure(!given, "qualify", || format!("`qualify.{key}` is not in this version of pql, which has `share`"))?;
        }
        ensure(matches!(self.by, QualifyBy::Either | QualifyBy::Model), "qualify.by", || {
            "`qualify.by` needs PQL definitions, which are not in this version of pql; it has \"either\" and \"model\"".to_owned()
        })?;
        let share = self.share();
        ensure(share > 0.0 && share < 1.0, "qualify.share", || format!("`qualify.share` is {share}: expected a share between 0 and 1"))?;
        ensure((0.0..=1.0).contains(&self.holdout), "qualify.holdout", || {
            format!("`qualify.holdout` is {}: expected a share from 0 to 1", self.holdout)
        })
    }
}

/// The TOML form of a value, for messages.
fn name<T: Serialize>(value: &T) -> String {
    Value::try_from(value).map_or_else(|_| String::new(), |v| v.to_string())
}

/// Line (from 1) on which `section` or `section.key` stands in a project file.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let (section, key) = key.split_once('.').unwrap_or((key, ""));
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            inside = header.trim_matches(['[', ']', ' ']) == section;
            if inside && key.is_empty() {
                return Some(at + 1);
            }
        } else if inside && line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')) {
            return Some(at + 1);
        }
    }
    None
}

fn from_toml(error: &toml::de::Error, text: &str, path: &Path) -> Error {
    let message = error.message();
    let line = error.span().filter(|_| !text.is_empty()).map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let near = match quoted.split_first() {
        Some((unknown, known)) if message.starts_with("unknown") => nearest(unknown, known.iter().copied()),
        _ => None,
    };
    let problem = message.replacen("unknown field", "unknown key", 1).trim_end().to_owned();
    Error::Config { path: path.to_owned(), line, problem, hint: near.map(|n| format!("did you mean `{n}`?")) }
}

/// Let relative paths of the file count from its folder.
fn resolve_paths(table: &mut Table, base: &Path) {
    let mut resolve = |source: &mut Value| {
        if let Some(Value::String(path)) = source.get_mut("path")
            && !path.is_empty()
            && Path::new(path.as_str()).is_relative()
        {
            *path = base.join(&*path).to_string_lossy().into_owned();
        }
    };
    if let Some(Value::Array(sources)) = table.get_mut("events") {
        sources.iter_mut().for_each(&mut resolve);
    }
    if let Some(accounts) = table.get_mut("accounts") {
        resolve(accounts);
    }
}

/// Set one key, `section.key=value`; `events.0.path=…` reaches into a list of tables.
fn apply_set(table: &mut Table, set: &str) -> Result<()> {
    let usage = |problem: String| Error::Usage {
        problem,
        hint: Some("write `--set section.key=value`, such as `--set model.penalty=none`".to_owned()),
    };
    let (key, text) = set.split_once('=').ok_or_else(|| usage(format!("`--set {set}` has no `=`")))?;
    let parsed: Option<Value> = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
    let value = parsed.unwrap_or_else(|| Value::String(text.to_owned()));
    let parts: Vec<&str> = key.trim().split('.').collect();
    let (last, parents) =
        parts.split_last().filter(|(last, _)| !last.is_empty()).ok_or_else(|| usage(format!("`--set {set}` has no key")))?;
    let mut at: &mut Table = table;
    let mut parents = parents.iter().peekable();
    while let Some(part) = parents.next() {
        let index = parents.peek().and_then(|next| next.parse::<usize>().ok());
        let entry = at.entry(*part).or_insert_with(|| if index.is_some() { Value::Array(Vec::new()) } else { Value::Table(Table::new()) });
        let slot = match (entry, index) {
            (Value::Array(items), Some(index)) => {
                parents.next();
                if index == items.len() {
                    items.push(Value::Table(Table::new()));
                }
                items.get_mut(index).ok_or_else(|| usage(format!("`--set {set}`: there is no `{part}.{index}`")))?
            }
            (entry, _) => entry,
        };
        at = slot.as_table_mut().ok_or_else(|| usage(format!("`--set {set}`: `{part}` is no section")))?;
    }
    at.insert((*last).to_owned(), value);
    Ok(())
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().map_err(de::Error::custom),
            Value::Datetime(time) => time.to_string().parse().map_err(de::Error::custom),
            other => Err(de::Error::custom(format!("found {other}, expected a date or time such as \"2025-06-30\""))),
        }
    }
}

impl Serialize for Alpha {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Cv => serializer.serialize_str("cv"),
            Self::Fixed(alpha) => serializer.serialize_f64(*alpha),
        }
    }
}

impl<'de> Deserialize<'de> for Alpha {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match number(&value) {
            Some(alpha) => Ok(Self::Fixed(alpha)),
            None if value.as_str() == Some("cv") => Ok(Self::Cv),
            None => Err(de::Error::custom(format!("found {value}, expected a number or \"cv\""))),
        }
    }
}

impl Serialize for Winsorize {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Never => serializer.serialize_str("never"),
            Self::At(low, high) => [low, high].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Winsorize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let bounds: Option<Vec<f64>> = value.as_array().and_then(|items| items.iter().map(number).collect());
        match bounds.as_deref() {
            Some([low, high]) => Ok(Self::At(*low, *high)),
            _ if value.as_str() == Some("never") => Ok(Self::Never),
            _ => Err(de::Error::custom(format!("found {value}, expected two quantiles such as [0.005, 0.995], or \"never\""))),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|i| i as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, sets: &[&str]) -> Result<Config> {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        Config::parse(text, Path::new("dir/pql.toml"), &sets)
    }

    fn problem(text: &str, sets: &[&str]) -> String {
        let error = parse(text, sets).expect_err("a configuration that cannot be");
        assert_eq!(error.exit_code(), 2);
        format!("{error}; {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let config = parse("", &[]).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.observation.horizon, Duration::days(30));
        assert_eq!(config.roles.login, ["login"]);
    }

    #[test]
    fn an_unknown_key_names_the_line_and_the_nearest_key() {
        let message = problem("[observation]\nhorizn = \"30d\"\n", &[]);
        assert!(
            message.contains("line 2") && message.contains("unknown key `horizn`") && message.contains("did you mean `horizon`?"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_value_names_its_line() {
        let message = problem("[observation]\nevery = \"7d\"\nhorizon = \"30\"\n", &[]);
        assert!(message.contains("line 3") && message.contains("found `30`"), "{message}");
        let message = problem("[model]\n\ntest = 1.5\n", &[]);
        assert!(message.contains("line 3") && message.contains("`model.test` is 1.5"), "{message}");
    }

    #[test]
    fn a_set_overrides_the_file() {
        let config = parse(
            "[model]\npenalty = \"l2\"\n",
            &["model.penalty=none", "model.alpha=3", "observation.until=2022-10-21", "features.windows=[\"7d\"]"],
        )
        .unwrap();
        assert_eq!(config.model.penalty, PenaltyKind::None);
        assert_eq!(config.model.alpha, Alpha::Fixed(3.0));
        assert_eq!(config.observation.until, "2022-10-21".parse().ok());
        assert_eq!(config.features.windows, [Duration::days(7)]);
        let message = problem("", &["model.penaltie=none"]);
        assert!(message.contains("--set model.penaltie=none") && message.contains("did you mean `penalty`?"), "{message}");
        assert!(problem("", &["model"]).contains("has no `=`"));
    }

    #[test]
    fn relative_paths_of_the_file_count_from_its_folder_and_those_of_a_set_do_not() {
        let config = parse("[[events]]\npath = \"e.csv\"\n[accounts]\npath = \"a.csv\"\n", &["accounts.path=b.csv"]).unwrap();
        assert_eq!(config.events[0].path, Path::new("dir/e.csv"));
        assert_eq!(config.accounts.unwrap().path, Path::new("b.csv"));
    }

    #[test]
    fn what_is_not_there_yet_is_refused_by_name() {
        for (set, named) in [
            ("model.penalty=firth", "\"none\" and \"l2\""),
            ("model.alpha=cv", "a number"),
            ("model.calibration=platt", "\"none\""),
            ("model.refit=true", "false"),
            ("qualify.threshold=0.3", "`share`"),
            ("qualify.by=both", "PQL definitions"),
        ] {
            assert!(problem("", &[set]).contains(named), "{set}: {}", problem("", &[set]));
        }
        assert!(problem("[[definition]]\nname = \"x\"\n", &[]).contains("`[[definition]]`"));
    }

    #[test]
    fn what_a_model_stores_reads_back_and_names_no_path() {
        let config = parse("[[events]]\npath = \"secret.csv\"\n[observation]\nuntil = 2022-10-21\n", &[]).unwrap();
        let stored = config.stored();
        assert!(!stored.contains("secret"));
        let back = Config::from_stored(&stored, Path::new("m")).unwrap();
        assert_eq!(back, Config { events: Vec::new(), ..config });
    }

    #[test]
    fn differences_in_what_a_model_owns_are_named() {
        let (file, model) = (parse("", &["observation.horizon=14d", "observation.until=2022-10-21"]).unwrap(), Config::default());
        assert_eq!(file.differences(&model), ["observation.horizon = \"14d\", the model has \"30d\""]);
    }
}
