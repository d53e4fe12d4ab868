//! Reasons in words.

use crate::design::{Preprocessor, Way};

/// A raw value of a feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// A number; `None` where missing.
    Number(Option<f64>),
    /// A text; `None` where missing.
    Text(Option<String>),
}

/// Put a reason in words: the value, the typical one and the contribution to the log-odds.
#[must_use]
pub fn reason(preprocessor: &Preprocessor, feature: usize, value: &Raw, contribution: f64) -> String {
    let prepared = &preprocessor.features[feature];
    let phrase = phrase(&prepared.measure, prepared.window);
    let stated = match (&prepared.way, value) {
        (Way::Number(number), Raw::Number(value)) => {
            let typical = short(number.typical);
            match (&phrase, value) {
                (Phrase::After(words), Some(value)) => format!("{} {words}, typical {typical}", short(*value)),
                (Phrase::Before(words), Some(value)) => format!("{words} {}, typical {typical}", short(*value)),
                (Phrase::After(words) | Phrase::Before(words), None) => {
                    format!("{}: none known, typical {typical}", words.trim_end_matches([':', '=', ' ']))
                }
            }
        }
        (Way::Text(text), Raw::Text(value)) => {
            format!("{} = {}, typical {}", prepared.feature, value.as_deref().unwrap_or("missing"), text.typical)
        }
        _ => prepared.feature.clone(),
    };
    format!("{stated}: {contribution:+.2}")
}

/// A number as a person would say it.
fn short(x: f64) -> String {
    if !x.is_finite() {
        return "unknown".to_owned();
    }
    if x.abs() >= 1e9 || (x != 0.0 && x.abs() < 0.005) {
        return format!("{x:.1e}");
    }
    let rounded = if x.abs() >= 100.0 {
        format!("{x:.0}")
    } else if x.abs() >= 10.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.2}")
    };
    if rounded.contains('.') { rounded.trim_end_matches('0').trim_end_matches('.').to_owned() } else { rounded }
}

/// Words for a measure, standing after or before its value.
enum Phrase {
    After(String),
    Before(String),
}

fn phrase(measure: &str, window: Option<u32>) -> Phrase {
    let span = window.map_or(String::new(), |w| format!(" in the last {w} days"));
    let after = |words: &str| Phrase::After(format!("{words}{span}"));
    let before = |words: &str| Phrase::Before(format!("{words}{span}:"));
    if window.is_none() {
        return match measure {
            "tenure_days" => after("days since sign-up"),
            "events_total" => after("events so far"),
            "active_users_total" => after("users so far"),
            "features_used_total" => after("features used so far"),
            "days_since_last_event" => after("days since the last event"),
            "days_since_last_login" => after("days since the last login"),
            "days_to_first_value" => after("days from sign-up to the first core action"),
            other => Phrase::Before(format!("{other} =")),
        };
    }
    match measure {
        "events" | "logins" | "sessions" | "invites" => after(measure),
        "login_days" => after("days with a login"),
        "active_days" => after("active days"),
        "active_users" => after("active users"),
        "features_used" => after("features used"),
        "limit_hits" => after("hits of a plan limit"),
        "hand_raises" => after("requests for sales"),
        "feature_entropy" => before("spread of use over features"),
        "top_user_share" => before("share of the busiest user"),
        "events_velocity" => before("growth of events"),
        "logins_velocity" => before("growth of logins"),
        "users_velocity" => before("growth of active users"),
        "breadth_velocity" => before("growth of features used"),
        "events_trend" => before("daily trend of events"),
        "seat_utilization" => before("share of seats in use"),
        other => match (other.strip_prefix("count_"), other.strip_prefix("sum_")) {
            (Some(event), _) => after(&format!("× {event}")),
            (_, Some(value)) => before(&format!("sum of {value}")),
            _ => before(other),
        },
    }
}
