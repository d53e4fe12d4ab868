//! One message in place of many alerts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::alert::hash_id;
use super::{Alert, AlertKind, RunDiff};
use crate::names::counted;
use crate::time::iso;

/// Accounts that a digest lists.
const TOP: usize = 10;

/// A summary of many alerts, sent in their place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertDigest {
    /// Identifier: equal for the same alerts.
    pub id: String,
    /// Always `digest`.
    pub kind: &'static str,
    /// Text of the digest.
    pub text: String,
    /// Time of the run, UTC.
    pub cutoff: String,
    /// Time of the previous run; `None` for a first run.
    pub previous_cutoff: Option<String>,
    /// Number of alerts.
    pub alerts: usize,
    /// Number of alerts by kind.
    pub counts: BTreeMap<AlertKind, usize>,
    /// The first alerts: those of the first kind with the highest probability.
    pub top: Vec<Alert>,
    /// Label of the model, `NAME/VERSION`.
    pub model: String,
}

impl AlertDigest {
    /// Summarizes the alerts of a run.
    #[must_use]
    pub fn new(diff: &RunDiff) -> Self {
        let alerts = &diff.alerts;
        let mut counts = BTreeMap::new();
        alerts.iter().for_each(|alert| *counts.entry(alert.kind).or_default() += 1);
        let ids: Vec<&str> = alerts.iter().map(|alert| alert.id.as_str()).collect();
        let top: Vec<Alert> = alerts.iter().take(TOP).cloned().collect();
        let kinds: Vec<String> =
            counts.iter().map(|(kind, n)| format!("{n} {}", kind.name())).collect();
        let mut text = format!(
            "{} of {} on {}: {}. The first {}:",
            counted(alerts.len() as u64, "alert"),
            diff.run.label,
            diff.zone.short(diff.run.time),
            kinds.join(", "),
            top.len()
        );
        for alert in &top {
            text += &format!("\n{}", alert.text);
        }
        Self {
            id: hash_id(&ids),
            kind: "digest",
            text,
            cutoff: iso(diff.run.time),
            previous_cutoff: diff.previous.as_ref().map(|run| iso(run.time)),
            alerts: alerts.len(),
            counts,
            top,
            model: diff.run.label.clone(),
        }
    }
}
