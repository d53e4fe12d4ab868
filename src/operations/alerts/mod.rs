//! What has changed between two runs of a model: who newly qualifies, who rose or fell a tier.

mod alert;
mod scores;
mod sent;
mod webhook;

use std::collections::BTreeSet;
use std::str::FromStr;

pub use alert::Alert;
use alert::Change;
use scores::Details;
pub(crate) use scores::Standings;
pub use sent::Sent;
use serde::Serialize;
pub use webhook::Webhook;

use crate::error::{Error, Result};
use crate::names::nearest;
use crate::registry::ledger::{Ledger, Run};
use crate::time::iso;

/// What has become of an account since the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It qualifies, and did not in the run before or was not in it.
    Qualified,
    /// It does not qualify any more.
    Unqualified,
    /// Its tier is better.
    Rose,
    /// Its tier is worse.
    Fell,
}

impl Kind {
    /// All of them; an account of which several hold is told of once, by the first.
    pub const ALL: [Self; 4] = [Self::Qualified, Self::Unqualified, Self::Rose, Self::Fell];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Qualified => "qualified",
            Self::Unqualified => "unqualified",
            Self::Rose => "rose",
            Self::Fell => "fell",
        }
    }

    /// Whether it holds.
    fn holds(self, now: &Standing, before: Option<&Standing>) -> bool {
        let was = before.is_some_and(|before| before.qualified == Some(true));
        let tiers = before.and_then(|before| before.tier).zip(now.tier);
        match self {
            Self::Qualified => now.qualified == Some(true) && !was,
            Self::Unqualified => now.qualified == Some(false) && was,
            Self::Rose => tiers.is_some_and(|(before, now)| now < before),
            Self::Fell => tiers.is_some_and(|(before, now)| now > before),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| {
            format!("found `{text}`, expected `qualified`, `unqualified`, `rose` or `fell`")
        })
    }
}

/// How an account stands in a run, as far as two runs are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing<'a> {
    pub(crate) probability: Option<f64>,
    percentile: Option<f64>,
    /// A, B, C or D.
    tier: Option<&'a str>,
    qualified: Option<bool>,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The model, NAME or NAME/VERSION; `None`: the only one in the ledger.
    pub model: Option<String>,
    /// Compare with the newest run at or before this time, µs UTC; `None`: with the run before.
    pub since: Option<i64>,
    /// Take the newest run at or before this time for the newest, µs UTC; `None`: any.
    pub until: Option<i64>,
    /// The kinds of changes.
    pub kinds: Vec<Kind>,
    /// Tell of the accounts of the holdout, too, which are to be left alone.
    pub with_holdout: bool,
}

/// Runs that are looked through for changes that were not sent.
const LOOKED_BACK: usize = 14;

/// The changes of a run.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The newest run.
    pub run: Run,
    /// The run it is compared with; `None`: it is the first.
    pub before: Option<Run>,
    /// The changes, by kind, then by falling probability.
    pub alerts: Vec<Alert>,
    /// Changes of accounts of the holdout that are left out.
    pub held_out: usize,
}

impl Changes {
    /// Compare the newest run of a model with a run before.
    ///
    /// In the first run every account that qualifies newly does. An account that is no longer in
    /// the run (it converted or churned) gives no alert; of several rows of an account the one
    /// with the newest cutoff counts.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the ledger has no run of the model, or of several models and none is
    ///   named
    /// * those of [`Ledger::runs`] and [`Run::rows`]
    pub fn find(ledger: &Ledger, wanted: &Wanted) -> Result<Self> {
        let mut runs = runs_of(ledger, wanted.model.as_deref())?;
        runs.retain(|run| wanted.until.is_none_or(|until| run.at <= until));
        let Some(run) = runs.pop() else {
            let problem = format!("`{}` has no run that early", ledger.dir().display());
            return Err(Error::Usage { problem, hint: None });
        };
        let earlier =
            |other: &Run| other.at < run.at && wanted.since.is_none_or(|since| other.at <= since);
        runs.retain(earlier);
        if let (Some(since), true) = (wanted.since, runs.is_empty()) {
            let problem = format!(
                "`{}` has no run of `{}` at or before {}",
                ledger.dir().display(),
                run.name(),
                iso(since)
            );
            return Err(Error::Usage { problem, hint: None });
        }
        let newest = runs.last().map(|last| last.at);
        runs.retain(|other| Some(other.at) == newest);
        // Of several versions at that time the same one as now says what changed but the model.
        let same = runs.iter().position(|other| other.label == run.label);
        let before = same.map(|at| runs.swap_remove(at)).or_else(|| runs.pop());
        let mut changes = Self { run, before, alerts: Vec::new(), held_out: 0 };
        changes.compare(wanted)?;
        Ok(changes)
    }

    fn compare(&mut self, wanted: &Wanted) -> Result<()> {
        let then = self.before.as_ref().map(Standings::of).transpose()?;
        let then = then.as_ref();
        let (now, details) = (Standings::of(&self.run)?, Details::of(&self.run)?);
        let places = then.map(Standings::places).unwrap_or_default();
        let mut rows: Vec<(&str, usize)> = now.places().into_iter().collect();
        rows.sort_unstable();
        for (account, row) in rows {
            let now = now.get(row);
            let before = then.and_then(|then| places.get(account).map(|row| then.get(*row)));
            let holds =
                |kind: &Kind| wanted.kinds.contains(kind) && kind.holds(&now, before.as_ref());
            let Some(kind) = Kind::ALL.into_iter().find(holds) else { continue };
            if details.held_out(row) && !wanted.with_holdout {
                self.held_out += 1;
            } else {
                let change = Change { kind, account, row, now, before };
                self.alerts.push(Alert::new(&change, &details, &self.run, self.before.as_ref()));
            }
        }
        let place = |alert: &Alert| (alert.kind, -alert.probability.unwrap_or(0.0));
        self.alerts.sort_by(|a, b| {
            let (a, b) = (place(a), place(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        Ok(())
    }

    /// How many changes of earlier runs have not been sent, back to one whose changes all were, and
    /// when the run was that the first of them is compared with; `None` where there are none.
    ///
    /// # Errors
    /// * those of [`Changes::find`] and [`Sent::look`]
    pub fn unsent_before(&self, ledger: &Ledger, wanted: &Wanted) -> Result<Option<(usize, i64)>> {
        let (mut unsent, mut since) = (0, None);
        let mut run = self.before.clone();
        for _ in 0..LOOKED_BACK {
            let Some(at) = run.map(|run| run.at) else { break };
            let earlier =
                Self::find(ledger, &Wanted { until: Some(at), since: None, ..wanted.clone() })?;
            // No time brings back the changes of a first run: everything that qualified in it was
            // new.
            let Some(before) = earlier.before else { break };
            let sent = Sent::look(&earlier.run)?;
            let left = earlier.alerts.iter().filter(|alert| !sent.has(alert)).count();
            // A run without changes does not tell whether any went out, unless some did, as with
            // `--since`.
            if left == 0 && !(earlier.alerts.is_empty() && sent.is_empty()) {
                break;
            }
            if left > 0 {
                (unsent, since) = (unsent + left, Some(before.at));
            }
            run = Some(before);
        }
        Ok(since.map(|since| (unsent, since)))
    }

    /// Whether the runs are of different versions or files of the model, so that probabilities and
    /// tiers may have moved for that alone.
    #[must_use]
    pub fn other_model(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.label != self.run.label)
    }
}

/// The runs of the model that is meant, ascending; at least one.
fn runs_of(ledger: &Ledger, model: Option<&str>) -> Result<Vec<Run>> {
    let all = ledger.runs(None)?;
    let names: BTreeSet<String> = all.iter().map(|run| run.name().to_owned()).collect();
    let usage = |problem: String, hint: Option<String>| Err(Error::Usage { problem, hint });
    let runs = ledger.runs(model)?;
    match model {
        _ if all.is_empty() => usage(
            format!("the ledger `{}` has no scores", ledger.dir().display()),
            Some("`pql score --ledger DIR` adds some".to_owned()),
        ),
        None if names.len() > 1 => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            usage(
                format!("`{}` has runs of {}", ledger.dir().display(), names.join(", ")),
                Some("name one with `--model`".to_owned()),
            )
        }
        Some(model) if runs.is_empty() => {
            let near = nearest(model, names.iter().map(String::as_str))
                .map(|near| format!("did you mean `{near}`?"));
            usage(format!("`{}` has no run of a model `{model}`", ledger.dir().display()), near)
        }
        _ => Ok(runs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(tier: &str, qualified: bool) -> Standing<'_> {
        Standing {
            probability: Some(0.5),
            percentile: Some(50.0),
            tier: Some(tier),
            qualified: Some(qualified),
        }
    }

    #[test]
    fn each_kind_holds_where_it_should() {
        let found = |now: Standing<'_>, before: Option<Standing<'_>>| -> Vec<&str> {
            Kind::ALL
                .into_iter()
                .filter(|kind| kind.holds(&now, before.as_ref()))
                .map(Kind::name)
                .collect()
        };
        assert_eq!(found(standing("A", true), None), ["qualified"]);
        assert_eq!(found(standing("A", false), None), [""; 0]);
        assert_eq!(found(standing("A", true), Some(standing("B", false))), ["qualified", "rose"]);
        assert_eq!(found(standing("D", false), Some(standing("B", true))), ["unqualified", "fell"]);
        assert_eq!(found(standing("B", true), Some(standing("B", true))), [""; 0]);
        let unscored =
            Standing { probability: None, percentile: None, tier: None, qualified: None };
        assert_eq!(found(unscored, Some(standing("A", true))), [""; 0]);
        assert_eq!(found(standing("A", true), Some(unscored)), ["qualified"]);
    }

    #[test]
    fn kinds_are_read_by_their_names() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("risen".parse::<Kind>().unwrap_err().contains("`rose`"));
    }
}
