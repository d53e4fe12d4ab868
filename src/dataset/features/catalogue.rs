//! Which features there are: learned once on the training rows' log, stored in the model.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::recent::Recent;
use super::support::Support;
use crate::config::{FeatureRule, Roles};
use crate::dataset::observations::{Observations, Split};
use crate::error::{Error, Result};
use crate::log::{Log, Names};
use crate::time::DAY;
use crate::warning::{DroppedFeature, FeatureDrop};

/// What kind of number a feature is; it tells whether log1p is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureKind {
    /// How many.
    Count,
    /// How long, in days.
    Span,
    /// Sum of a numeric property.
    Sum,
    /// Entropy, share, ratio, velocity or trend.
    Shape,
    /// Known from elsewhere: an attribute, or a column of a matrix.
    Given,
}

/// A feature: a column of the feature matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Name of the column, `{measure}_{window}` where it has a window.
    pub name: String,
    /// What it measures; features of one measure differ in their window alone.
    pub measure: String,
    /// Days before the cutoff it looks back; `None`: over the lifetime, or given.
    pub window: Option<u32>,
    /// What kind of number it is.
    pub kind: FeatureKind,
}

impl Feature {
    /// A column that is known from elsewhere.
    #[must_use]
    pub fn given(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            measure: name.to_owned(),
            window: None,
            kind: FeatureKind::Given,
        }
    }

    /// Whether it counts this event name.
    pub(crate) fn is_count_of(&self, event: &str) -> bool {
        self.kind == FeatureKind::Count && self.measure.strip_prefix("count_") == Some(event)
    }
}

/// Names that tables and lists of coefficients have for themselves.
const RESERVED: [&str; 7] =
    ["account_id", "cutoff", "outcome", "converted", "split", "probability", "intercept"];

/// Check that no feature has a name of its tables, or of another feature.
///
/// # Errors
/// * [`Error::Usage`]: one has
pub fn check_names(features: &[Feature]) -> Result<()> {
    let refuse = |problem: String| {
        let hint =
            Some("rename the column or the event: attributes, `events.values` and event names share the names of features".to_owned());
        Err(Error::Usage { problem, hint })
    };
    let names: BTreeSet<&str> = features.iter().map(|f| f.name.as_str()).collect();
    let mut met = BTreeSet::new();
    for feature in features {
        let name = feature.name.as_str();
        if RESERVED.contains(&name) {
            return refuse(format!(
                "a feature cannot be named `{name}`, a name that pql's own columns have"
            ));
        }
        if !met.insert(name) {
            return refuse(format!("two features are named `{name}`"));
        }
        // Design columns of other features are named so.
        let given_to =
            name.strip_prefix("missing_").or_else(|| name.split_once('=').map(|(of, _)| of));
        if let Some(other) = given_to.filter(|other| names.contains(other)) {
            return refuse(format!(
                "a feature cannot be named `{name}` beside `{other}`: design columns of that are named so"
            ));
        }
    }
    Ok(())
}

/// Features over the lifetime, in their order.
pub(super) const LIFETIME: [(&str, FeatureKind); 7] = [
    ("tenure_days", FeatureKind::Span),
    ("events_total", FeatureKind::Count),
    ("active_users_total", FeatureKind::Count),
    ("features_used_total", FeatureKind::Count),
    ("days_since_last_event", FeatureKind::Span),
    ("days_since_last_login", FeatureKind::Span),
    ("days_to_first_value", FeatureKind::Span),
];

/// Measures of a window, in their order, but seats, counts and sums.
pub(super) const PER_WINDOW: [(&str, FeatureKind); 17] = [
    ("events", FeatureKind::Count),
    ("logins", FeatureKind::Count),
    ("login_days", FeatureKind::Count),
    ("active_days", FeatureKind::Count),
    ("active_users", FeatureKind::Count),
    ("features_used", FeatureKind::Count),
    ("feature_entropy", FeatureKind::Shape),
    ("top_user_share", FeatureKind::Shape),
    ("sessions", FeatureKind::Count),
    ("invites", FeatureKind::Count),
    ("limit_hits", FeatureKind::Count),
    ("hand_raises", FeatureKind::Count),
    ("events_velocity", FeatureKind::Shape),
    ("logins_velocity", FeatureKind::Shape),
    ("users_velocity", FeatureKind::Shape),
    ("breadth_velocity", FeatureKind::Shape),
    ("events_trend", FeatureKind::Shape),
];

/// Roles, each with the measures that are constant without its events.
const ROLE_MEASURES: [(&str, &[&str]); 5] = [
    ("login", &["logins", "login_days", "logins_velocity", "days_since_last_login"]),
    ("value", &["days_to_first_value"]),
    ("invite", &["invites"]),
    ("limit", &["limit_hits"]),
    ("hand_raise", &["hand_raises"]),
];

/// Which features there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Windows in days, ascending.
    pub windows: Vec<u32>,
    /// Event names of the roles `login`, `value`, `invite`, `limit` and `hand_raise`.
    pub roles: Vec<(String, Vec<String>)>,
    /// Event names with counts of their own.
    pub counted: Vec<String>,
    /// Numeric properties that are summed.
    pub sums: Vec<String>,
    /// Attributes of the account list.
    pub attributes: Vec<String>,
    /// Whether seats are known.
    pub seats: bool,
    /// Event names, each with the training rows whose account had it in the longest window before
    /// the cutoff: those of most rows first, at most [`KNOWN`]; none before a model is
    /// trained.
    pub known: Vec<(String, u64)>,
    /// Training rows that were looked at for them.
    pub known_rows: u64,
}

/// Event names that a catalogue remembers.
pub const KNOWN: usize = 1_000;

impl Catalogue {
    /// Days that its longest window looks back.
    #[must_use]
    pub fn longest(&self) -> u32 {
        self.windows.last().copied().unwrap_or(1)
    }

    /// Learn which event names and properties get columns: those that enough training accounts had
    /// early enough, of event names the `counts` that most of them used before the first test
    /// cutoff; ties go to the name first in byte order.
    ///
    /// Enough: 10 distinct training accounts had it, seen before their last training cutoff, and
    /// any training account had it first before the median cutoff of the training rows. Without
    /// a training row the accounts of all rows tell, and nothing is asked for.
    ///
    /// Answers the catalogue and what was left out: of event names those that would have had
    /// columns by their rank, and the measures of roles, which are computed but stay out of the
    /// design.
    ///
    /// # Errors
    /// * [`Error::Usage`]: an attribute has the name of a usage feature, or of a column of pql's
    ///   own
    /// * [`Error::Write`]: the temporary file of a large log fails
    pub fn learn(
        log: &Log,
        observations: &Observations,
        rule: &FeatureRule,
        roles: &Roles,
    ) -> Result<(Self, Vec<DroppedFeature>)> {
        let mut windows: Vec<u32> = rule
            .windows
            .iter()
            .map(|w| u32::try_from(w.0 / DAY).expect("windows were checked to be at most 3650d"))
            .collect();
        windows.sort_unstable();
        let support = Support::of(log, observations, roles)?;
        let (counted, mut left_out) = counted(&support, &log.events.names, rule.counts);
        let mut sums = Vec::new();
        for (name, of) in log.events.values.iter().zip(&support.values) {
            match support.lack(of) {
                None => sums.push(name.clone()),
                Some(reason) => left_out.push(DroppedFeature::new(&format!("sum_{name}"), reason)),
            }
        }
        for (at, (role, _)) in roles.usage().into_iter().enumerate() {
            let measures = ROLE_MEASURES
                .iter()
                .find(|(r, _)| *r == role)
                .map_or(&[][..], |(_, measures)| measures);
            if let Some(reason) = support.role_lack(at) {
                let reason =
                    FeatureDrop::RoleTooRare { role: role.to_owned(), reason: Box::new(reason) };
                left_out.extend(
                    measures.iter().map(|measure| DroppedFeature::new(measure, reason.clone())),
                );
            }
        }
        let catalogue = Self {
            windows,
            roles: roles
                .usage()
                .into_iter()
                .map(|(role, names)| (role.to_owned(), names.to_vec()))
                .collect(),
            counted,
            sums,
            attributes: log
                .accounts
                .attributes
                .get_column_names()
                .iter()
                .map(std::string::ToString::to_string)
                .collect(),
            seats: log.accounts.seats.is_some(),
            known: Vec::new(),
            known_rows: 0,
        };
        check_names(&catalogue.features())?;
        Ok((catalogue, left_out))
    }

    /// The same with the event names that the training rows had, for those of later batches to be
    /// held against.
    ///
    /// # Errors
    /// * [`Error::Write`]: the temporary file of a large log fails
    pub fn with_known(self, log: &Log, observations: &Observations) -> Result<Self> {
        let rows = observations.rows(Split::Train);
        let recent = Recent::of(log, observations, &rows, self.longest())?;
        Ok(Self { known: known(&recent, &log.events.names), known_rows: rows.len() as u64, ..self })
    }

    /// The features in their order: attributes, lifetime, then windows from the longest to the
    /// shortest.
    #[must_use]
    pub fn features(&self) -> Vec<Feature> {
        let mut features: Vec<Feature> =
            self.attributes.iter().map(|name| Feature::given(name)).collect();
        let lifetime =
            LIFETIME.iter().map(|(name, kind)| Feature { kind: *kind, ..Feature::given(name) });
        features.extend(lifetime);
        for window in self.windows.iter().rev() {
            let mut push = |measure: String, kind| {
                features.push(Feature {
                    name: format!("{measure}_{window}d"),
                    measure,
                    window: Some(*window),
                    kind,
                });
            };
            for (measure, kind) in PER_WINDOW {
                push(measure.to_owned(), kind);
            }
            if self.seats {
                push("seat_utilization".to_owned(), FeatureKind::Shape);
            }
            for event in &self.counted {
                push(format!("count_{event}"), FeatureKind::Count);
            }
            for value in &self.sums {
                push(format!("sum_{value}"), FeatureKind::Sum);
            }
        }
        features
    }

    /// The event names of a role.
    #[must_use]
    pub fn role(&self, role: &str) -> &[String] {
        self.roles.iter().find(|(r, _)| r == role).map_or(&[], |(_, names)| names)
    }
}

/// The event names that rows had, and how many.
fn known(recent: &Recent, names: &Names) -> Vec<(String, u64)> {
    let mut known: Vec<(String, u64)> =
        names.iter().zip(&recent.rows).map(|(name, rows)| (name.to_owned(), *rows)).collect();
    known.retain(|(_, rows)| *rows > 0);
    known.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    known.truncate(KNOWN);
    known
}

/// The event names that get counts of their own, and those that would have had them by their rank
/// alone.
fn counted(support: &Support, names: &Names, counts: usize) -> (Vec<String>, Vec<DroppedFeature>) {
    let mut order: Vec<usize> =
        (0..names.len()).filter(|e| support.events[*e].accounts > 0).collect();
    order.sort_by_key(|e| (std::cmp::Reverse(support.events[*e].accounts), *e));
    let (mut counted, mut left_out, mut others) = (Vec::new(), Vec::new(), 0);
    for (rank, event) in order.into_iter().enumerate() {
        match support.lack(&support.events[event]) {
            None if counted.len() < counts => counted.push(names[event].to_owned()),
            None => {}
            Some(reason) if rank < counts => {
                left_out.push(DroppedFeature::new(&format!("count_{}", &names[event]), reason));
            }
            Some(_) => others += 1,
        }
    }
    if others > 0 && counts > 0 {
        left_out.push(DroppedFeature::new("count_*", FeatureDrop::OtherEvents { events: others }));
    }
    (counted, left_out)
}
