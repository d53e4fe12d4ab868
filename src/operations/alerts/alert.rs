//! One alert: its fields and its text.

use serde::Serialize;

use super::scores::AlertDetails;
use super::{AccountState, AlertKind};
use crate::escape::one_line;
use crate::names::percents;
use crate::registry::ledger::Run;
use crate::time::{Zone, iso};

/// Alert about a change of one account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// Identifier: equal for the same change of the same account in the same run, independent of
    /// the previous run and of the model version.
    pub id: String,
    /// Kind of the change.
    pub kind: AlertKind,
    /// Account ID.
    pub account_id: String,
    /// Text of the alert, one line without hidden characters.
    pub text: String,
    /// Time of the run, UTC.
    pub cutoff: String,
    /// Time of the run with the previous values: the previous run, or the last earlier run that
    /// scored the account; `None` for a first run.
    pub previous_cutoff: Option<String>,
    /// Probability; `None` only for runs of earlier versions.
    pub probability: Option<f64>,
    /// Probability in the previous run; `None`: the account had none.
    pub previous_probability: Option<f64>,
    /// Percent of the reference distribution below the probability.
    pub percentile: Option<f64>,
    /// Percentile in the previous run.
    pub previous_percentile: Option<f64>,
    /// Tier: A, B, C or D.
    pub tier: Option<String>,
    /// Tier in the previous run.
    pub previous_tier: Option<String>,
    /// Whether the account qualifies.
    pub qualified: Option<bool>,
    /// Reason to qualify: `model`, `definition` or `both`.
    pub qualified_by: Option<String>,
    /// Types of the matched PQL definitions.
    pub pql_types: Vec<String>,
    /// Names of the matched PQL definitions.
    pub pql_definitions: Vec<String>,
    /// Time of the first match, UTC.
    pub pql_at: Option<String>,
    /// Whether the account is in the holdout.
    pub holdout: bool,
    /// Main reasons for the probability.
    pub reasons: Vec<String>,
    /// Why the score changed since the run with the previous values: the feature with the largest
    /// change in this direction. Without it, what lowers the score most if the kind is `unqualified`
    /// or `fell`; `None` for `qualified`.
    pub cause: Option<String>,
    /// Label of the model, `NAME/VERSION`.
    pub model: String,
    /// Label of the model in the previous run.
    pub previous_model: Option<String>,
}

/// A change of an account between two runs.
pub(super) struct AccountChange<'a> {
    pub(super) kind: AlertKind,
    pub(super) account: &'a str,
    /// Row in the newest run.
    pub(super) row: usize,
    /// State in the newest run.
    pub(super) current: AccountState<'a>,
    /// State in the last earlier run that scored the account.
    pub(super) previous: Option<AccountState<'a>>,
    /// That run, or the previous run.
    pub(super) previous_run: Option<&'a Run>,
    /// Why the score changed since that run, if it is known.
    pub(super) cause: Option<String>,
}

impl Alert {
    /// Creates the alert for a change in `run`.
    ///
    /// # Arguments
    /// * `zone` – zone of the days in its text
    pub(super) fn new(
        change: AccountChange<'_>,
        details: &AlertDetails,
        run: &Run,
        zone: Zone,
    ) -> Self {
        let AccountChange { kind, account, row, current, previous, previous_run, cause } = change;
        let owned = |tier: &str| tier.to_owned();
        let alert = Self {
            id: hash_id(&[run.name(), &iso(run.time), kind.name(), account]),
            kind,
            account_id: account.to_owned(),
            text: String::new(),
            cutoff: iso(run.time),
            previous_cutoff: previous_run.map(|run| iso(run.time)),
            probability: current.probability,
            previous_probability: previous.and_then(|state| state.probability),
            percentile: current.percentile,
            previous_percentile: previous.and_then(|state| state.percentile),
            tier: current.tier.map(owned),
            previous_tier: previous.and_then(|state| state.tier).map(owned),
            qualified: current.qualified,
            qualified_by: details.qualified_by(row),
            pql_types: details.pql_types(row),
            pql_definitions: details.pql_definitions(row),
            pql_at: details.pql_at(row),
            holdout: details.is_holdout(row),
            reasons: details.reasons(row),
            cause: match kind {
                AlertKind::Qualified => None,
                AlertKind::Rose => cause,
                AlertKind::Unqualified | AlertKind::Fell => cause.or_else(|| details.concern(row)),
            },
            model: run.label.clone(),
            previous_model: previous_run.map(|run| run.label.clone()),
        };
        let previous_day = previous_run.map(|run| zone.short(run.time));
        let text = alert.format_text(previous_day.as_deref());
        Self { text: one_line(&text).into_owned(), ..alert }
    }

    fn format_text(&self, previous_day: Option<&str>) -> String {
        let Self { account_id, tier, previous_tier, .. } = self;
        let change = match self.kind {
            AlertKind::Qualified => match self.qualified_by.as_deref() {
                Some("definition") => format!("newly qualifies by {}", self.definitions()),
                Some("both") => format!("newly qualifies by the model and {}", self.definitions()),
                _ => "newly qualifies".to_owned(),
            },
            AlertKind::Unqualified => "no longer qualifies".to_owned(),
            AlertKind::Rose => "moved up".to_owned(),
            AlertKind::Fell => "moved down".to_owned(),
        };
        let mut text = format!("{account_id} {change}");
        if let Some(current) = self.probability {
            let previous = self.previous_probability;
            let shares: Vec<f64> = [current].into_iter().chain(previous).collect();
            let percents = percents(&shares);
            text += &format!(": {} likely to convert", percents[0]);
            text += &match (previous, previous_day) {
                (Some(_), Some(day)) => format!(" ({} on {day})", percents[1]),
                (None, Some(day)) => format!(" (no score on {day})"),
                (_, None) => String::new(),
            };
        }
        text += &match (tier, previous_tier) {
            (Some(tier), Some(previous)) if previous != tier => {
                format!(", tier {tier} (was {previous})")
            }
            (Some(tier), _) => format!(", tier {tier}"),
            (None, _) => String::new(),
        };
        let shown = self.shown_reasons();
        if !shown.is_empty() {
            // For an account without a score, the only reason is why it was not scored.
            text += if self.probability.is_some() { ". " } else { ", " };
            text += &shown.join("; ");
        }
        if let Some(previous) = self.previous_model.as_ref().filter(|label| **label != self.model) {
            text += &format!(". Scored by {}, previously by {previous}", self.model);
        }
        text
    }
}

impl Alert {
    /// Returns the sentences that explain the alert: the cause of the change, or the reasons for the
    /// probability. Reasons raise the score, so that they explain no fall.
    #[must_use]
    pub fn shown_reasons(&self) -> Vec<&str> {
        match (&self.cause, self.kind) {
            (Some(cause), _) => vec![cause],
            (None, AlertKind::Unqualified | AlertKind::Fell) => Vec::new(),
            (None, AlertKind::Qualified | AlertKind::Rose) => {
                self.reasons.iter().map(String::as_str).collect()
            }
        }
    }

    /// Names the matched definitions.
    fn definitions(&self) -> String {
        match self.pql_definitions.as_slice() {
            [] => "a PQL definition".to_owned(),
            [name] => format!("the PQL definition \"{name}\""),
            names => format!("the PQL definitions \"{}\"", names.join("\", \"")),
        }
    }

    /// Returns by what the account qualifies: the threshold, or the names of the definitions; empty
    /// for an alert of another kind.
    #[must_use]
    pub fn qualified_by_text(&self) -> String {
        let definitions = || {
            if self.pql_definitions.is_empty() {
                "definition".to_owned()
            } else {
                self.pql_definitions.join(", ")
            }
        };
        match (self.kind, self.qualified_by.as_deref()) {
            (AlertKind::Qualified, Some("model")) => "threshold".to_owned(),
            (AlertKind::Qualified, Some("definition")) => definitions(),
            (AlertKind::Qualified, Some("both")) => format!("threshold, {}", definitions()),
            _ => String::new(),
        }
    }
}

/// Computes an ID: the first half of the BLAKE3 hash of length-prefixed parts, in hexadecimal
/// digits.
pub(super) fn hash_id(parts: &[&str]) -> String {
    /// Hexadecimal digits of 128 bits, so that collisions are negligible.
    const DIGITS: usize = 32;
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alert_text_of_an_unscored_account_and_of_a_changed_model() {
        let alert = Alert {
            id: String::new(),
            kind: AlertKind::Qualified,
            account_id: "a1".to_owned(),
            text: String::new(),
            cutoff: "2025-06-30T00:00:00Z".to_owned(),
            previous_cutoff: Some("2025-06-29T12:00:00Z".to_owned()),
            probability: None,
            previous_probability: None,
            percentile: None,
            previous_percentile: None,
            tier: None,
            previous_tier: None,
            qualified: Some(true),
            qualified_by: Some("definition".to_owned()),
            pql_types: Vec::new(),
            pql_definitions: vec!["hits a limit".to_owned()],
            pql_at: None,
            holdout: false,
            reasons: vec!["not scored: too young".to_owned()],
            cause: None,
            model: "t/0001".to_owned(),
            previous_model: Some("t/0001".to_owned()),
        };
        assert_eq!(
            alert.format_text(Some("2025-06-29")),
            "a1 newly qualifies by the PQL definition \"hits a limit\", not scored: too young"
        );
        assert_eq!(alert.qualified_by_text(), "hits a limit");
        let scored = Alert {
            kind: AlertKind::Fell,
            probability: Some(0.0213),
            previous_probability: Some(0.2),
            tier: Some("C".to_owned()),
            previous_tier: Some("A".to_owned()),
            reasons: vec!["12 events (typical: 3)".to_owned()],
            previous_model: Some("t/0002".to_owned()),
            ..alert
        };
        let expected = "a1 moved down: 2.1% likely to convert (20.0% on 2025-06-29), tier C (was A). Scored by t/0001, previously by t/0002";
        assert_eq!(scored.format_text(Some("2025-06-29")), expected, "a reason raises the score");
        let cause = Some("logins in the last 7 days: 0 (was 5)".to_owned());
        let caused = Alert { cause, previous_model: None, ..scored };
        assert_eq!(
            caused.format_text(Some("2025-06-29")),
            "a1 moved down: 2.1% likely to convert (20.0% on 2025-06-29), tier C (was A). logins in the last 7 days: 0 (was 5)"
        );
        let near = Alert { previous_probability: Some(0.021_34), ..caused };
        let text = near.format_text(Some("2025-06-29"));
        assert!(text.contains("2.130% likely to convert (2.134% on 2025-06-29)"), "{text}");
    }

    #[test]
    fn ids_depend_on_the_boundaries_of_parts() {
        let id = hash_id(&["trial", "2025-06-30", "rose", "a1"]);
        assert_eq!(id.len(), 32);
        assert_eq!(id, hash_id(&["trial", "2025-06-30", "rose", "a1"]));
        assert_ne!(id, hash_id(&["trial", "2025-06-30", "rosea", "1"]));
    }
}
