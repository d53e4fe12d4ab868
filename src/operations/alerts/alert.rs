//! One change, as it is sent: its fields, and the same in words.

use serde::Serialize;

use super::scores::Details;
use super::{Kind, Standing};
use crate::registry::ledger::Run;
use crate::time::iso;

/// What has changed about an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// The same for the same change of the same account in the same run, whatever run it is
    /// compared with and whichever version of the model scored it.
    pub id: String,
    /// What has changed.
    pub kind: Kind,
    /// The account.
    pub account_id: String,
    /// All of it in words.
    pub text: String,
    /// Time of the run, UTC.
    pub cutoff: String,
    /// Time of the run before; `None`: there is none.
    pub cutoff_before: Option<String>,
    /// The probability; `None`: the account has no score, but qualifies by a definition.
    pub probability: Option<f64>,
    /// The probability in the run before; `None`: the account had none.
    pub probability_before: Option<f64>,
    /// Percent of the reference population below it.
    pub percentile: Option<f64>,
    /// The percentile in the run before.
    pub percentile_before: Option<f64>,
    /// A, B, C or D.
    pub tier: Option<String>,
    /// The tier in the run before.
    pub tier_before: Option<String>,
    /// Whether the account qualifies.
    pub qualified: Option<bool>,
    /// `model`, `definition` or `both`.
    pub qualified_by: Option<String>,
    /// The types of the PQL definitions that have held.
    pub pql_types: Vec<String>,
    /// When the first of them did, UTC.
    pub pql_at: Option<String>,
    /// Whether the account is to be left alone for comparison.
    pub holdout: bool,
    /// What moves the probability most.
    pub reasons: Vec<String>,
    /// The model, `NAME/VERSION`.
    pub model: String,
    /// The model of the run before.
    pub model_before: Option<String>,
}

/// A change of an account that was found.
pub(super) struct Change<'a> {
    pub(super) kind: Kind,
    pub(super) account: &'a str,
    /// Its row among the scores of the newest run.
    pub(super) row: usize,
    /// How it stands there.
    pub(super) now: Standing<'a>,
    /// How it stood in the run before.
    pub(super) before: Option<Standing<'a>>,
}

impl Alert {
    /// Tell of a change in `run` since the run before.
    pub(super) fn new(
        change: &Change<'_>,
        details: &Details,
        run: &Run,
        before: Option<&Run>,
    ) -> Self {
        let Change { kind, account, row, now, before: was } = *change;
        let (pql_types, pql_at) = details.pql(row);
        let owned = |tier: &str| tier.to_owned();
        let alert = Self {
            id: id_of(&[run.name(), &iso(run.at), kind.name(), account]),
            kind,
            account_id: account.to_owned(),
            text: String::new(),
            cutoff: iso(run.at),
            cutoff_before: before.map(|before| iso(before.at)),
            probability: now.probability,
            probability_before: was.and_then(|was| was.probability),
            percentile: now.percentile,
            percentile_before: was.and_then(|was| was.percentile),
            tier: now.tier.map(owned),
            tier_before: was.and_then(|was| was.tier).map(owned),
            qualified: now.qualified,
            qualified_by: details.qualified_by(row),
            pql_types,
            pql_at,
            holdout: details.held_out(row),
            reasons: details.reasons(row),
            model: run.label.clone(),
            model_before: before.map(|before| before.label.clone()),
        };
        Self { text: alert.in_words(), ..alert }
    }

    fn in_words(&self) -> String {
        let Self { account_id, tier, tier_before, .. } = self;
        let what = match self.kind {
            Kind::Qualified => match self.qualified_by.as_deref() {
                Some("definition") => "newly qualifies, by a definition",
                Some("both") => "newly qualifies, by the model and a definition",
                _ => "newly qualifies",
            },
            Kind::Unqualified => "no longer qualifies",
            Kind::Rose => "rose a tier",
            Kind::Fell => "fell a tier",
        };
        let mut text = format!("{account_id} {what}");
        if let Some(now) = self.probability {
            text += &format!(": {} likely to convert", percent(now));
            text += &match (self.probability_before, &self.cutoff_before) {
                (Some(was), Some(when)) => format!(" ({} on {})", percent(was), day(when)),
                (None, Some(when)) => format!(" (no score on {})", day(when)),
                (_, None) => String::new(),
            };
        }
        text += &match (tier, tier_before) {
            (Some(tier), Some(before)) if before != tier => format!(", tier {tier} after {before}"),
            (Some(tier), _) => format!(", tier {tier}"),
            (None, _) => String::new(),
        };
        if !self.reasons.is_empty() {
            // Of an account without a score the only reason says why it has none.
            text += if self.probability.is_some() { ". " } else { ", " };
            text += &self.reasons.join("; ");
        }
        if let Some(before) = self.model_before.as_ref().filter(|before| **before != self.model) {
            text += &format!(". By model {}, before by {before}", self.model);
        }
        text
    }
}

/// A probability as people read it.
fn percent(probability: f64) -> String {
    format!("{:.1} %", 100.0 * probability)
}

/// A time, a midnight being its day.
fn day(time: &str) -> &str {
    time.strip_suffix("T00:00:00Z").unwrap_or(time)
}

/// The first half of the BLAKE3 of some parts, each with its length before it, in hexadecimal
/// digits.
fn id_of(parts: &[&str]) -> String {
    /// Digits of 128 bits, which no two alerts share by chance.
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
    fn an_account_without_a_score_and_one_by_another_model_are_put_in_words() {
        let alert = Alert {
            id: String::new(),
            kind: Kind::Qualified,
            account_id: "a1".to_owned(),
            text: String::new(),
            cutoff: "2025-06-30T00:00:00Z".to_owned(),
            cutoff_before: Some("2025-06-29T12:00:00Z".to_owned()),
            probability: None,
            probability_before: None,
            percentile: None,
            percentile_before: None,
            tier: None,
            tier_before: None,
            qualified: Some(true),
            qualified_by: Some("definition".to_owned()),
            pql_types: Vec::new(),
            pql_at: None,
            holdout: false,
            reasons: vec!["not scored: too young".to_owned()],
            model: "t/0001".to_owned(),
            model_before: Some("t/0001".to_owned()),
        };
        assert_eq!(alert.in_words(), "a1 newly qualifies, by a definition, not scored: too young");
        let scored = Alert {
            kind: Kind::Fell,
            probability: Some(0.0213),
            probability_before: Some(0.2),
            tier: Some("C".to_owned()),
            tier_before: Some("A".to_owned()),
            reasons: Vec::new(),
            model_before: Some("t/0002".to_owned()),
            ..alert
        };
        let expected = "a1 fell a tier: 2.1 % likely to convert (20.0 % on 2025-06-29T12:00:00Z), tier C after A. By model t/0001, before by t/0002";
        assert_eq!(scored.in_words(), expected);
    }

    #[test]
    fn ids_tell_every_part_from_the_others() {
        let id = id_of(&["trial", "2025-06-30", "rose", "a1"]);
        assert_eq!(id.len(), 32);
        assert_eq!(id, id_of(&["trial", "2025-06-30", "rose", "a1"]));
        assert_ne!(id, id_of(&["trial", "2025-06-30", "rosea", "1"]));
    }
}
