//! Names of measures in sentences.

use crate::model::encoder::{
    CategoricalEncoding, Encoding, FeatureEncoder, MISSING, OTHER, Preprocessor,
};

/// Form in which a sentence has the value of a measure.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phrase {
    /// A number, then a noun: `3 logins`.
    Counted {
        /// The noun for a value of 1.
        one: String,
        /// The noun for other values.
        many: String,
    },
    /// Days, as a number with a noun: `9 days since the last login`.
    Days {
        /// The noun for a value of 1.
        one: &'static str,
        /// The noun for other values.
        many: &'static str,
        /// The clause for a missing value: `no login yet`.
        missing: &'static str,
    },
    /// Growth over the previous window, as both counts: `5 logins in the last 7 days, 2 in the 7 days
    /// before`.
    Growth {
        /// The noun for a count of 1.
        one: &'static str,
        /// The noun for other counts.
        many: &'static str,
        /// The measure that counts.
        count: &'static str,
    },
    /// Change from the start to the end of the window: `events per day rose by 3.5 over the last 7
    /// days`.
    Trend {
        /// The name of the counts.
        counts: &'static str,
        /// The noun for a window without any.
        none: &'static str,
        /// The measure that counts.
        count: &'static str,
    },
    /// A share in percent, then a clause: `80% of events came from the most active user`.
    Share {
        /// The clause after the percentage.
        clause: &'static str,
        /// The clause for a missing value.
        missing: &'static str,
        /// The name without a value.
        name: &'static str,
    },
    /// Entropy of event types, as the number of equally frequent types that has it:
    /// `activity spread over about 8.4 kinds of events`.
    Variety,
    /// A label, then the value: `sum of minutes: 12`.
    Labeled(String),
    /// The name of a column: `employees = 50`.
    Named(String),
}

impl Phrase {
    /// Returns the name without a value.
    fn into_name(self) -> String {
        match self {
            Self::Counted { many: name, .. } | Self::Labeled(name) | Self::Named(name) => name,
            Self::Days { many: name, .. } | Self::Share { name, .. } => name.to_owned(),
            Self::Variety => "variety of events".to_owned(),
            Self::Growth { many, .. } => format!("growth in {many}"),
            Self::Trend { counts, .. } => format!("trend in {counts}"),
        }
    }

    /// Returns how many windows a growth or a trend compares.
    pub(super) fn compared_windows(&self) -> Option<u32> {
        match self {
            Self::Growth { .. } => Some(2),
            Self::Trend { .. } => Some(1),
            _ => None,
        }
    }

    /// Returns the measure whose count in the same window a sentence also needs.
    pub(super) fn count_measure(&self) -> Option<&'static str> {
        match self {
            Self::Growth { count, .. } | Self::Trend { count, .. } => Some(*count),
            _ => None,
        }
    }
}

/// Describes a feature, such as `active users in the last 7 days`.
#[must_use]
pub fn describe_feature(preprocessor: &Preprocessor, feature: usize) -> String {
    let prepared = &preprocessor.features[feature];
    match &prepared.encoding {
        Encoding::Categorical(_) => prepared.feature.clone(),
        Encoding::Numeric(_) => {
            let name = phrase(&prepared.measure, prepared.window.is_some()).into_name();
            name + &window_words(prepared.window)
        }
    }
}

/// Describes a measure over all of its windows, such as `active users`.
#[must_use]
pub fn describe_measure(preprocessor: &Preprocessor, measure: &str) -> String {
    phrase(measure, has_window(preprocessor, measure)).into_name()
}

/// Returns whether a measure counts something, so that a larger value means more of it.
#[must_use]
pub fn is_count(preprocessor: &Preprocessor, measure: &str) -> bool {
    let phrase = phrase(measure, has_window(preprocessor, measure));
    matches!(phrase, Phrase::Counted { .. } | Phrase::Days { .. })
}

fn has_window(preprocessor: &Preprocessor, measure: &str) -> bool {
    let windowed = |p: &FeatureEncoder| p.measure == measure && p.window.is_some();
    preprocessor.features.iter().any(windowed)
}

/// Returns ` in the last 7 days`; empty without a window.
pub(super) fn window_words(window: Option<u32>) -> String {
    window.map_or(String::new(), |days| format!(" in the last {}", days_words(days)))
}

/// Returns `7 days`, or `day`.
pub(super) fn days_words(days: u32) -> String {
    if days == 1 { "day".to_owned() } else { format!("{days} days") }
}

/// Returns the phrase of a numeric measure.
pub(super) fn phrase(measure: &str, has_window: bool) -> Phrase {
    if has_window { windowed_phrase(measure) } else { lifetime_phrase(measure) }
}

fn counted(one: &str, many: &str) -> Phrase {
    Phrase::Counted { one: one.to_owned(), many: many.to_owned() }
}

fn lifetime_phrase(measure: &str) -> Phrase {
    match measure {
        "tenure_days" => Phrase::Days {
            one: "day since sign-up",
            many: "days since sign-up",
            missing: "days since sign-up unknown",
        },
        "events_total" => counted("event since sign-up", "events since sign-up"),
        "active_users_total" => counted("user since sign-up", "users since sign-up"),
        "features_used_total" => {
            counted("feature used since sign-up", "features used since sign-up")
        }
        "days_since_last_event" => Phrase::Days {
            one: "day since the last event",
            many: "days since the last event",
            missing: "no event yet",
        },
        "days_since_last_login" => Phrase::Days {
            one: "day since the last login",
            many: "days since the last login",
            missing: "no login yet",
        },
        "days_to_first_value" => Phrase::Days {
            one: "day from sign-up to the first core action",
            many: "days from sign-up to the first core action",
            missing: "no core action yet",
        },
        other => Phrase::Named(other.to_owned()),
    }
}

fn windowed_phrase(measure: &str) -> Phrase {
    match measure {
        "events" => counted("event", "events"),
        "logins" => counted("login", "logins"),
        "sessions" => counted("session", "sessions"),
        "invites" => counted("invite", "invites"),
        "login_days" => counted("day with a login", "days with a login"),
        "active_days" => counted("active day", "active days"),
        "active_users" => counted("active user", "active users"),
        "features_used" => counted("feature used", "features used"),
        "limit_hits" => counted("plan limit hit", "plan limit hits"),
        "hand_raises" => counted("sales request", "sales requests"),
        "feature_entropy" => Phrase::Variety,
        "top_user_share" => Phrase::Share {
            clause: "of events came from the most active user",
            missing: "no event with a user",
            name: "share of the most active user",
        },
        "seat_utilization" => Phrase::Share {
            clause: "of seats were used",
            missing: "number of seats unknown",
            name: "share of seats in use",
        },
        "events_velocity" => Phrase::Growth { one: "event", many: "events", count: "events" },
        "logins_velocity" => Phrase::Growth { one: "login", many: "logins", count: "logins" },
        "users_velocity" => {
            Phrase::Growth { one: "active user", many: "active users", count: "active_users" }
        }
        "breadth_velocity" => {
            Phrase::Growth { one: "feature used", many: "features used", count: "features_used" }
        }
        "events_trend" => {
            Phrase::Trend { counts: "events per day", none: "no events", count: "events" }
        }
        other => match (other.strip_prefix("count_"), other.strip_prefix("sum_")) {
            (Some(event), _) => {
                Phrase::Counted { one: format!("{event} event"), many: format!("{event} events") }
            }
            (_, Some(property)) => Phrase::Labeled(format!("sum of {property}")),
            _ => Phrase::Labeled(other.to_owned()),
        },
    }
}

/// Says as what a text counts that does not occur in the training rows.
pub(super) fn unseen(text: &CategoricalEncoding, value: Option<&str>) -> Option<String> {
    let found = text.level(value);
    found.unseen.then(|| counted_as(found.name))
}

/// Says as which level a text counts that does not occur in the training rows.
pub(super) fn counted_as(name: &str) -> String {
    let counted = if name == OTHER { "a rare value" } else { level(name) };
    format!("not in training, counted as {counted}")
}

/// Returns a level in words.
pub(super) fn level(name: &str) -> &str {
    if name == MISSING { "missing" } else { name }
}
