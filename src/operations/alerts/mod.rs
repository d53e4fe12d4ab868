//! Accounts that newly qualified or changed tier between two scoring runs.

mod alert;
mod causes;
mod digest;
mod previous;
mod scores;
mod sent;
mod webhook;

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;

use alert::AccountChange;
pub use alert::Alert;
use causes::Causes;
pub use causes::ScoredLog;
pub use digest::AlertDigest;
use previous::{EarlierScores, MatchAge};
use scores::AlertDetails;
pub(crate) use scores::RunScores;
pub use sent::SentAlerts;
use serde::Serialize;
pub use webhook::Webhook;

use crate::config::AlertsConfig;
use crate::error::{Error, Result};
use crate::names::suggest;
use crate::registry::ledger::{Ledger, Run};
use crate::time::{TimeSpan, Zone};

/// Change of an account since the previous run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertKind {
    /// It qualifies, but did not qualify in the previous run, or was not scored in it.
    Qualified,
    /// It no longer qualifies.
    Unqualified,
    /// It moved to a better tier.
    Rose,
    /// It moved to a worse tier.
    Fell,
}

impl AlertKind {
    /// All kinds. An account with several changes gets one alert of the first kind.
    pub const ALL: [Self; 4] = [Self::Qualified, Self::Unqualified, Self::Rose, Self::Fell];

    /// The kinds that are reported by default.
    pub const DEFAULT: [Self; 3] = [Self::Qualified, Self::Rose, Self::Fell];

    /// Returns the name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Qualified => "qualified",
            Self::Unqualified => "unqualified",
            Self::Rose => "rose",
            Self::Fell => "fell",
        }
    }

    /// Returns whether an account changed in this way.
    fn matches(self, current: &AccountState, previous: Option<&AccountState>) -> bool {
        let was_qualified = previous.is_some_and(|previous| previous.qualified == Some(true));
        let tiers = previous.and_then(|previous| previous.tier).zip(current.tier);
        match self {
            Self::Qualified => current.qualified == Some(true) && !was_qualified,
            Self::Unqualified => current.qualified == Some(false) && was_qualified,
            Self::Rose => tiers.is_some_and(|(previous, current)| current < previous),
            Self::Fell => tiers.is_some_and(|(previous, current)| current > previous),
        }
    }
}

impl FromStr for AlertKind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| {
            format!("found `{text}`, expected `qualified`, `unqualified`, `rose` or `fell`")
        })
    }
}

/// State of an account in a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AccountState<'a> {
    pub(crate) probability: Option<f64>,
    percentile: Option<f64>,
    /// A, B, C or D.
    tier: Option<&'a str>,
    qualified: Option<bool>,
    /// `model`, `definition` or `both`.
    qualified_by: Option<&'a str>,
    /// First match of a definition, µs UTC.
    pql_at: Option<i64>,
    /// Cutoff of the row, µs UTC.
    cutoff: Option<i64>,
    /// Whether the account may be contacted.
    eligible: bool,
}

/// Options of a comparison of runs.
#[derive(Debug, Clone)]
pub struct AlertQuery {
    /// Model, NAME or NAME/VERSION; `None`: the only model in the ledger.
    pub model: Option<String>,
    /// Compare with the newest run at or before this time, µs UTC; `None`: with the previous run.
    pub since: Option<i64>,
    /// Ignore runs after this time, µs UTC; `None`: use all runs.
    pub until: Option<i64>,
    /// Kinds of changes to report; empty: [`AlertKind::DEFAULT`], as far as they can occur.
    pub kinds: Vec<AlertKind>,
    /// Maximum age of the first match of a definition, if no earlier run scored the account.
    pub within: TimeSpan,
    /// Whether to report accounts of the holdout.
    pub include_holdout: bool,
    /// Zone of the days in texts.
    pub zone: Zone,
}

impl Default for AlertQuery {
    fn default() -> Self {
        Self {
            model: None,
            since: None,
            until: None,
            kinds: Vec::new(),
            within: AlertsConfig::default().within,
            include_holdout: false,
            zone: Zone::default(),
        }
    }
}

/// Number of earlier runs that are searched for the last score of an account, and for unsent
/// alerts.
const MAX_EARLIER_RUNS: usize = 14;

/// Changes between two runs.
#[derive(Debug, Clone)]
pub struct RunDiff {
    /// The newest run.
    pub run: Run,
    /// The run to compare with; `None`: there is no earlier run.
    pub previous: Option<Run>,
    /// One alert for each changed account, by kind, then by falling probability.
    pub alerts: Vec<Alert>,
    /// Number of changed holdout accounts that are not reported.
    pub skipped_holdout: usize,
    /// Number of changed accounts that are not reported because they must not be contacted.
    pub skipped_ineligible: usize,
    /// Number of scored accounts that must not be contacted.
    pub ineligible: usize,
    /// Number of accounts that are not reported because their definition has held for longer.
    pub skipped_matches: usize,
    /// Zone of the days in texts.
    pub zone: Zone,
}

impl RunDiff {
    /// Compares the newest run of a model with an earlier run.
    ///
    /// An account without a probability, or that must not be contacted, gets no alert. One that the previous run did not score is
    /// compared with the last earlier run that did. An account that qualifies by a definition alone
    /// gets an alert only if the definition first held since then; without such a run, within
    /// `query.within`. In a first run the other accounts that qualify are all reported. If an
    /// account has several rows, the newest cutoff counts.
    ///
    /// # Errors
    /// * [`Error::Usage`]: a kind of change cannot occur because accounts are scored at an age
    /// * [`Error::Usage`]: the ledger has no run of the model, or has several models and the query
    ///   names none
    /// * those of [`Ledger::runs`] and [`Run::rows`]
    pub fn compute(ledger: &Ledger, query: &AlertQuery) -> Result<Self> {
        let mut runs = model_runs(ledger, query.model.as_deref())?;
        runs.retain(|run| query.until.is_none_or(|until| run.time <= until));
        let Some(run) = runs.pop() else {
            let problem = format!("`{}` has no run at or before that time", ledger.dir().display());
            return Err(Error::Usage { problem, hint: None });
        };
        let earlier = |other: &Run| {
            other.time < run.time && query.since.is_none_or(|since| other.time <= since)
        };
        runs.retain(earlier);
        let all_earlier = runs.clone();
        if let (Some(since), true) = (query.since, runs.is_empty()) {
            let problem = format!(
                "`{}` has no run of `{}` at or before {}",
                ledger.dir().display(),
                run.name(),
                query.zone.short(since)
            );
            return Err(Error::Usage { problem, hint: None });
        }
        let newest = runs.last().map(|last| last.time);
        runs.retain(|other| Some(other.time) == newest);
        // Prefers the same version, so that the differences are not due to the model.
        let same = runs.iter().position(|other| other.label == run.label);
        let previous = same.map(|index| runs.swap_remove(index)).or_else(|| runs.pop());
        let mut older = all_earlier;
        older.retain(|other| previous.as_ref().is_some_and(|previous| other.time < previous.time));
        let earlier: Vec<&Run> = previous.iter().chain(older.iter().rev()).collect();
        let mut diff = Self {
            run,
            previous: previous.clone(),
            alerts: Vec::new(),
            skipped_holdout: 0,
            skipped_ineligible: 0,
            ineligible: 0,
            skipped_matches: 0,
            zone: query.zone,
        };
        diff.collect_alerts(query, &earlier)?;
        Ok(diff)
    }

    /// Collects the alerts, given all earlier runs, newest first.
    fn collect_alerts(&mut self, query: &AlertQuery, earlier: &[&Run]) -> Result<()> {
        let (current, details) = (RunScores::read(&self.run)?, AlertDetails::read(&self.run)?);
        let causes = Causes::read(&self.run)?;
        let at_an_age = current.are_at_an_age(self.run.time);
        let kinds = kinds(query, at_an_age)?;
        let age = MatchAge {
            run: self.run.time,
            previous: self.previous.as_ref().map(|run| run.time),
            within: query.within.0,
            at_an_age,
        };
        let mut rows: Vec<(&str, usize)> = current.newest_rows().into_iter().collect();
        rows.retain(|(_, row)| current.get(*row).probability.is_some());
        rows.sort_unstable();
        let accounts: HashSet<&str> = rows.iter().map(|(account, _)| *account).collect();
        let earlier = EarlierScores::read(earlier, &accounts)?;
        let states = earlier.states(&accounts);
        for (account, row) in rows {
            let current = current.get(row);
            self.ineligible += usize::from(!current.eligible);
            let previous = states.get(account);
            let state = previous.map(|(state, _)| state);
            // A definition may have matched while the account was not eligible.
            let is_new = state.is_some_and(|state| !state.eligible)
                || age.is_new(&current, previous.map(|(_, run)| run.time));
            let mut changes = kinds.iter().filter(|kind| kind.matches(&current, state));
            let Some(kind) = changes.find(|kind| is_new || **kind != AlertKind::Qualified) else {
                let newly_qualifies = AlertKind::Qualified.matches(&current, state);
                self.skipped_matches +=
                    usize::from(newly_qualifies && kinds.contains(&AlertKind::Qualified));
                continue;
            };
            if !current.eligible {
                self.skipped_ineligible += 1;
            } else if details.is_holdout(row) && !query.include_holdout {
                self.skipped_holdout += 1;
            } else {
                let change = AccountChange {
                    kind: *kind,
                    account,
                    row,
                    current,
                    previous: state.copied(),
                    previous_run: previous.map(|(_, run)| *run).or(self.previous.as_ref()),
                    cause: previous.and_then(|(_, run)| causes.get(account, *kind, run.time)),
                };
                self.alerts.push(Alert::new(change, &details, &self.run, self.zone));
            }
        }
        let order = |alert: &Alert| (alert.kind, -alert.probability.unwrap_or(0.0));
        self.alerts.sort_by(|a, b| {
            let (a, b) = (order(a), order(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        Ok(())
    }

    /// Counts the unsent alerts of earlier runs, back to the last run whose alerts were all sent.
    /// Returns their number and the `since` time that would report them; `None` if all were sent.
    ///
    /// # Errors
    /// * those of [`RunDiff::compute`] and [`SentAlerts::read`]
    pub fn earlier_unsent(
        &self,
        ledger: &Ledger,
        query: &AlertQuery,
    ) -> Result<Option<(usize, i64)>> {
        let (mut unsent, mut since) = (0, None);
        let mut run = self.previous.clone();
        for _ in 0..MAX_EARLIER_RUNS {
            let Some(until) = run.map(|run| run.time) else { break };
            let query = AlertQuery { until: Some(until), since: None, ..query.clone() };
            let earlier = Self::compute(ledger, &query)?;
            // The alerts of a first run cannot be requested with `--since`.
            let Some(previous) = earlier.previous else { break };
            let sent = SentAlerts::read(&earlier.run)?;
            let left = earlier.alerts.iter().filter(|alert| !sent.contains(alert)).count();
            // A run without alerts does not show whether earlier alerts were sent, unless it has
            // sent alerts from `--since`.
            if left == 0 && !(earlier.alerts.is_empty() && sent.is_empty()) {
                break;
            }
            if left > 0 {
                (unsent, since) = (unsent + left, Some(previous.time));
            }
            run = Some(previous);
        }
        Ok(since.map(|since| (unsent, since)))
    }

    /// Returns whether the two runs used different models, which alone can change probabilities and
    /// tiers.
    #[must_use]
    pub fn model_changed(&self) -> bool {
        self.previous.as_ref().is_some_and(|previous| previous.label != self.run.label)
    }
}

/// Returns the kinds of changes to report, in the order of [`AlertKind::ALL`].
///
/// # Errors
/// * [`Error::Usage`]: a requested kind cannot occur, because scores at an age do not change
fn kinds(query: &AlertQuery, at_an_age: bool) -> Result<Vec<AlertKind>> {
    let can_occur = |kind: &AlertKind| !at_an_age || *kind == AlertKind::Qualified;
    if let Some(kind) = query.kinds.iter().find(|kind| !can_occur(kind)) {
        return Err(Error::Usage {
            problem: format!(
                "`--kind {}` requires scores that change: with `observation.cutoffs = \"age\"` an account keeps the score of its age until the horizon ends",
                kind.name()
            ),
            hint: Some(
                "use `--kind qualified`, or train with `observation.cutoffs = \"snapshot\"`"
                    .to_owned(),
            ),
        });
    }
    let requested: &[AlertKind] =
        if query.kinds.is_empty() { &AlertKind::DEFAULT } else { &query.kinds };
    let kinds = AlertKind::ALL.into_iter();
    Ok(kinds.filter(|kind| requested.contains(kind) && can_occur(kind)).collect())
}

/// Returns the runs of the selected model in ascending order; at least one.
fn model_runs(ledger: &Ledger, model: Option<&str>) -> Result<Vec<Run>> {
    let all = ledger.runs(None)?;
    let names: BTreeSet<String> = all.iter().map(|run| run.name().to_owned()).collect();
    let usage = |problem: String, hint: Option<String>| Err(Error::Usage { problem, hint });
    let runs = ledger.runs(model)?;
    match model {
        _ if all.is_empty() => usage(
            format!("the ledger `{}` has no scores", ledger.dir().display()),
            Some("run `pql score MODEL --ledger DIR` first".to_owned()),
        ),
        None if names.len() > 1 => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            usage(
                format!(
                    "`{}` has runs of several models: {}",
                    ledger.dir().display(),
                    names.join(", ")
                ),
                Some("name one: `pql alerts MODEL --ledger DIR`".to_owned()),
            )
        }
        Some(model) if runs.is_empty() => {
            let hint = suggest(model, names.iter().map(String::as_str));
            usage(format!("`{}` has no run of `{model}`", ledger.dir().display()), hint)
        }
        _ => Ok(runs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(tier: &str, qualified: bool) -> AccountState<'_> {
        AccountState {
            probability: Some(0.5),
            percentile: Some(50.0),
            tier: Some(tier),
            qualified: Some(qualified),
            qualified_by: None,
            pql_at: None,
            cutoff: None,
            eligible: true,
        }
    }

    #[test]
    fn kinds_match_changes_of_qualification_and_tier() {
        let kinds = |current: AccountState<'_>, previous: Option<AccountState<'_>>| -> Vec<&str> {
            AlertKind::ALL
                .into_iter()
                .filter(|kind| kind.matches(&current, previous.as_ref()))
                .map(AlertKind::name)
                .collect()
        };
        assert_eq!(kinds(state("A", true), None), ["qualified"]);
        assert_eq!(kinds(state("A", false), None), [""; 0]);
        assert_eq!(kinds(state("A", true), Some(state("B", false))), ["qualified", "rose"]);
        assert_eq!(kinds(state("D", false), Some(state("B", true))), ["unqualified", "fell"]);
        assert_eq!(kinds(state("B", true), Some(state("B", true))), [""; 0]);
        let unscored = AccountState {
            probability: None,
            percentile: None,
            tier: None,
            qualified: None,
            ..state("A", true)
        };
        assert_eq!(kinds(unscored, Some(state("A", true))), [""; 0]);
        assert_eq!(kinds(state("A", true), Some(unscored)), ["qualified"]);
    }

    #[test]
    fn kinds_are_parsed_from_their_names() {
        for kind in AlertKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("risen".parse::<AlertKind>().unwrap_err().contains("`rose`"));
    }
}
