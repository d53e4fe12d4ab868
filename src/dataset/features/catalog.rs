//! The catalog of usage features: fitted on the training rows and stored in the model.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::support::Support;
use crate::config::{FeatureConfig, Roles};
use crate::dataset::observations::Observations;
use crate::error::{Error, Result};
use crate::log::{Log, Names};
use crate::time::DAY;
use crate::warning::{DroppedFeature, FeatureDrop};

/// The kind of number of a feature, which decides whether it is log1p-transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeatureKind {
    /// A count.
    Count,
    /// A time span in days.
    Duration,
    /// The sum of a numeric property.
    Sum,
    /// An entropy, share, ratio, velocity or trend.
    Derived,
    /// A value from outside the log: an attribute, or a column of a feature matrix.
    External,
}

/// A feature: a column of the feature matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Name of the column: `{measure}_{window}` if it has a window.
    pub name: String,
    /// The measured quantity; features of one measure differ only in their window.
    pub measure: String,
    /// Length of the window before the cutoff, in days; `None` for lifetime and external features.
    pub window: Option<u32>,
    /// The kind of number.
    pub kind: FeatureKind,
}

impl Feature {
    /// Creates a feature whose values come from outside the log.
    #[must_use]
    pub fn external(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            measure: name.to_owned(),
            window: None,
            kind: FeatureKind::External,
        }
    }

    /// Returns whether the feature counts events of this name.
    pub(crate) fn counts_event(&self, event: &str) -> bool {
        self.kind == FeatureKind::Count && self.measure.strip_prefix("count_") == Some(event)
    }
}

/// Column names that pql uses in its own tables.
const RESERVED: [&str; 7] =
    ["account_id", "cutoff", "outcome", "converted", "split", "probability", "intercept"];

/// Checks that feature names are unique and that pql does not use them itself.
///
/// # Errors
/// * [`Error::Usage`]: a name is reserved, or collides with another feature or its design columns
pub fn check_names(features: &[Feature]) -> Result<()> {
    let refuse = |problem: String| {
        let hint = Some(
            "rename the column or event; attributes, `events.values` and event names must give distinct feature names"
                .to_owned(),
        );
        Err(Error::Usage { problem, hint })
    };
    let names: BTreeSet<&str> = features.iter().map(|f| f.name.as_str()).collect();
    let mut seen = BTreeSet::new();
    for feature in features {
        let name = feature.name.as_str();
        if RESERVED.contains(&name) {
            return refuse(format!("reserved feature name `{name}`"));
        }
        if !seen.insert(name) {
            return refuse(format!("duplicate feature name `{name}`"));
        }
        // Names of the design columns of another feature.
        let design_feature = name
            .strip_prefix("missing_")
            .or_else(|| name.split_once('=').map(|(feature, _)| feature));
        if let Some(other) = design_feature.filter(|other| names.contains(other)) {
            return refuse(format!(
                "feature name `{name}` collides with a design column of the feature `{other}`"
            ));
        }
    }
    Ok(())
}

/// Lifetime features, in the order of their columns.
pub(super) const LIFETIME: [(&str, FeatureKind); 7] = [
    ("tenure_days", FeatureKind::Duration),
    ("events_total", FeatureKind::Count),
    ("active_users_total", FeatureKind::Count),
    ("features_used_total", FeatureKind::Count),
    ("days_since_last_event", FeatureKind::Duration),
    ("days_since_last_login", FeatureKind::Duration),
    ("days_to_first_value", FeatureKind::Duration),
];

/// Measures of each window, in the order of their columns. Velocities, the trend, seat utilization,
/// event counts and sums follow them.
pub(super) const PER_WINDOW: [(&str, FeatureKind); 12] = [
    ("events", FeatureKind::Count),
    ("logins", FeatureKind::Count),
    ("login_days", FeatureKind::Count),
    ("active_days", FeatureKind::Count),
    ("active_users", FeatureKind::Count),
    ("features_used", FeatureKind::Count),
    ("feature_entropy", FeatureKind::Derived),
    ("top_user_share", FeatureKind::Derived),
    ("sessions", FeatureKind::Count),
    ("invites", FeatureKind::Count),
    ("limit_hits", FeatureKind::Count),
    ("hand_raises", FeatureKind::Count),
];

/// Measures that compare a window with the one before it, in the order of their columns.
pub(super) const VELOCITIES: [&str; 4] =
    ["events_velocity", "logins_velocity", "users_velocity", "breadth_velocity"];

/// The slope of the daily counts of a window.
pub(super) const TREND: &str = "events_trend";

/// Returns the age, in µs, from which a number of days before the cutoff are days of the account.
/// Local days need an hour less where daylight saving time starts.
pub(super) fn age_of(days: i64) -> i64 {
    const HOUR: i64 = DAY / 24;
    days * DAY - HOUR
}

/// Roles and the measures that are constant without their events.
const ROLE_MEASURES: [(&str, &[&str]); 5] = [
    ("login", &["logins", "login_days", "logins_velocity", "days_since_last_login"]),
    ("value", &["days_to_first_value"]),
    ("invite", &["invites"]),
    ("limit", &["limit_hits"]),
    ("hand_raise", &["hand_raises"]),
];

/// Returns the measures that count the events of a role; none for an unknown role.
pub(crate) fn role_measures(role: &str) -> &'static [&'static str] {
    ROLE_MEASURES.iter().find(|(name, _)| *name == role).map_or(&[], |(_, measures)| measures)
}

/// The usage features of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureCatalog {
    /// Windows in days, ascending.
    pub windows: Vec<u32>,
    /// Windows with velocities, ascending. The others are longer than half the age of the training
    /// accounts.
    pub velocity_windows: Vec<u32>,
    /// Windows with a trend, ascending. The others are longer than the age of the training
    /// accounts.
    pub trend_windows: Vec<u32>,
    /// Event names of the roles `login`, `value`, `invite`, `limit` and `hand_raise`.
    pub roles: Vec<(String, Vec<String>)>,
    /// Event names that have a count feature.
    pub counted_events: Vec<String>,
    /// Numeric properties that have a sum feature.
    pub summed_properties: Vec<String>,
    /// Attributes of the account list.
    pub attributes: Vec<String>,
    /// Whether the account list has seats.
    pub has_seats: bool,
}

impl FeatureCatalog {
    /// Returns the longest window, in days.
    #[must_use]
    pub fn longest_window(&self) -> u32 {
        self.windows.last().copied().unwrap_or(1)
    }

    /// Selects the event names and numeric properties that get features.
    ///
    /// Both need enough support: at least 10 distinct training accounts had it before their last
    /// training cutoff, and it first occurred before the median training cutoff. Of the event names
    /// with support, the `event_types` names that most accounts used before the first test cutoff
    /// get a count; ties go to the first name in byte order. Velocities and trends need as many
    /// accounts whose age covers their windows. Without training rows, all rows are used, no support
    /// is required, and one account of the age suffices.
    ///
    /// Returns the catalog and the dropped features: event names that would have had a count by
    /// their rank, properties, velocities and trends, and measures of roles, which are computed but
    /// not part of the design.
    ///
    /// # Errors
    /// * [`Error::Usage`]: an attribute has the name of a usage feature or a reserved name
    /// * [`Error::Write`]: the temporary file of a large log cannot be read
    pub fn fit(
        log: &Log,
        observations: &Observations,
        config: &FeatureConfig,
        roles: &Roles,
    ) -> Result<(Self, Vec<DroppedFeature>)> {
        let mut windows: Vec<u32> = config
            .windows
            .iter()
            .map(|w| u32::try_from(w.0 / DAY).expect("windows were checked to be at most 3650d"))
            .collect();
        windows.sort_unstable();
        let support = Support::compute(log, observations, roles)?;
        let (counted_events, mut dropped) =
            select_counted_events(&support, &log.events.names, config.event_types);
        let (velocity_windows, young) = support.covered_windows(&windows, 2, &VELOCITIES);
        dropped.extend(young);
        let (trend_windows, young) = support.covered_windows(&windows, 1, &[TREND]);
        dropped.extend(young);
        let mut summed_properties = Vec::new();
        for (name, usage) in log.events.values.iter().zip(&support.values) {
            match support.drop_reason(usage) {
                None => summed_properties.push(name.clone()),
                Some(reason) => dropped.push(DroppedFeature::new(&format!("sum_{name}"), reason)),
            }
        }
        for (role_index, (role, _)) in roles.usage().into_iter().enumerate() {
            let measures = ROLE_MEASURES
                .iter()
                .find(|(r, _)| *r == role)
                .map_or(&[][..], |(_, measures)| measures);
            if let Some(reason) = support.role_drop_reason(role_index) {
                let reason =
                    FeatureDrop::RoleTooRare { role: role.to_owned(), reason: Box::new(reason) };
                dropped.extend(
                    measures.iter().map(|measure| DroppedFeature::new(measure, reason.clone())),
                );
            }
        }
        let catalog = Self {
            windows,
            velocity_windows,
            trend_windows,
            roles: roles
                .usage()
                .into_iter()
                .map(|(role, names)| (role.to_owned(), names.to_vec()))
                .collect(),
            counted_events,
            summed_properties,
            attributes: log
                .accounts
                .attributes
                .get_column_names()
                .iter()
                .map(std::string::ToString::to_string)
                .collect(),
            has_seats: log.accounts.seats.is_some(),
        };
        check_names(&catalog.features())?;
        Ok((catalog, dropped))
    }

    /// Returns the features in the order of their columns: attributes, lifetime features, then
    /// windows from the longest to the shortest.
    #[must_use]
    pub fn features(&self) -> Vec<Feature> {
        let mut features: Vec<Feature> =
            self.attributes.iter().map(|name| Feature::external(name)).collect();
        let lifetime =
            LIFETIME.iter().map(|(name, kind)| Feature { kind: *kind, ..Feature::external(name) });
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
            if self.velocity_windows.contains(window) {
                VELOCITIES.iter().for_each(|m| push((*m).to_owned(), FeatureKind::Derived));
            }
            if self.trend_windows.contains(window) {
                push(TREND.to_owned(), FeatureKind::Derived);
            }
            if self.has_seats {
                push("seat_utilization".to_owned(), FeatureKind::Derived);
            }
            for event in &self.counted_events {
                push(format!("count_{event}"), FeatureKind::Count);
            }
            for property in &self.summed_properties {
                push(format!("sum_{property}"), FeatureKind::Sum);
            }
        }
        features
    }

    /// Returns the event names of a role.
    #[must_use]
    pub fn role(&self, role: &str) -> &[String] {
        self.roles.iter().find(|(r, _)| r == role).map_or(&[], |(_, names)| names)
    }
}

/// Selects the event names that get a count; also returns those that lack support but would have
/// had one by their rank.
fn select_counted_events(
    support: &Support,
    names: &Names,
    event_types: usize,
) -> (Vec<String>, Vec<DroppedFeature>) {
    let mut order: Vec<usize> =
        (0..names.len()).filter(|e| support.events[*e].accounts > 0).collect();
    order.sort_by_key(|e| (std::cmp::Reverse(support.events[*e].accounts), *e));
    let (mut counted, mut dropped, mut others) = (Vec::new(), Vec::new(), 0);
    for (rank, event) in order.into_iter().enumerate() {
        match support.drop_reason(&support.events[event]) {
            None if counted.len() < event_types => counted.push(names[event].to_owned()),
            None => {}
            Some(reason) if rank < event_types => {
                dropped.push(DroppedFeature::new(&format!("count_{}", &names[event]), reason));
            }
            Some(_) => others += 1,
        }
    }
    if others > 0 && event_types > 0 {
        dropped.push(DroppedFeature::new("count_*", FeatureDrop::OtherEvents { events: others }));
    }
    (counted, dropped)
}
