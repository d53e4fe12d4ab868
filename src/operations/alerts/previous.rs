//! The state of each account in the earlier runs, and whether a change since then is new.

use std::collections::{HashMap, HashSet};

use super::scores::RunScores;
use super::{AccountState, MAX_EARLIER_RUNS};
use crate::error::Result;
use crate::registry::ledger::Run;

/// Scores of the earlier runs of a model, newest first: the previous run, and older runs for the
/// accounts that newer ones did not score.
pub(super) struct EarlierScores<'a> {
    runs: Vec<(&'a Run, RunScores)>,
}

impl<'a> EarlierScores<'a> {
    /// Reads the earlier runs, back to the one that scored the last of the accounts.
    ///
    /// # Arguments
    /// * `runs` – earlier runs, newest first
    /// * `accounts` – the scored accounts of the current run
    pub(super) fn read(runs: &[&'a Run], accounts: &HashSet<&str>) -> Result<Self> {
        let mut needed = Vec::new();
        let mut missing = accounts.clone();
        for run in runs.iter().take(MAX_EARLIER_RUNS) {
            if missing.is_empty() {
                break;
            }
            let scores = RunScores::read(run)?;
            let before = missing.len();
            let found = scores.scored_rows(&missing);
            missing.retain(|account| !found.contains_key(account));
            drop(found);
            // Most accounts that are new in a run are in no earlier run.
            if missing.len() < before {
                needed.push((*run, scores));
            }
        }
        Ok(Self { runs: needed })
    }

    /// Returns the state of each account in the newest run that scored it, and that run.
    pub(super) fn states<'s>(
        &'s self,
        accounts: &HashSet<&str>,
    ) -> HashMap<&'s str, (AccountState<'s>, &'a Run)> {
        let mut states = HashMap::with_capacity(accounts.len());
        for (run, scores) in &self.runs {
            for (account, row) in scores.scored_rows(accounts) {
                states.entry(account).or_insert_with(|| (scores.get(row), *run));
            }
        }
        states
    }
}

/// Decides whether the match of a definition is new in a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchAge {
    /// Time of the run, µs UTC.
    pub(super) run: i64,
    /// Time of the previous run, µs UTC; `None` for a first run.
    pub(super) previous: Option<i64>,
    /// Maximum age of a match of an account without an earlier score, µs.
    pub(super) within: i64,
    /// Whether accounts are scored at an age.
    pub(super) at_an_age: bool,
}

impl MatchAge {
    /// Returns whether an account that qualifies does so for a new reason.
    ///
    /// By the threshold it does: it did not before. By a definition alone it does if the definition
    /// first held since the last run that scored the account. Without such a run, the match may be
    /// as old as `within`, or as the previous run. An account scored at an age cannot qualify
    /// before its cutoff.
    ///
    /// # Arguments
    /// * `scored` – time of the last earlier run that scored the account
    pub(super) fn is_new(&self, current: &AccountState<'_>, scored: Option<i64>) -> bool {
        if current.qualified_by != Some("definition") {
            return true;
        }
        let Some(matched) = current.pql_at else { return true };
        let eligible = current.cutoff.filter(|_| self.at_an_age).unwrap_or(i64::MIN);
        let oldest = scored.unwrap_or_else(|| {
            let oldest = self.run.saturating_sub(self.within);
            self.previous.map_or(oldest, |previous| previous.min(oldest))
        });
        matched.max(eligible) >= oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    #[test]
    fn a_definition_is_new_from_the_last_run_that_scored_the_account() {
        let state = |by, matched: i64, cutoff: i64| AccountState {
            probability: Some(0.1),
            percentile: Some(50.0),
            tier: Some("C"),
            qualified: Some(true),
            qualified_by: Some(by),
            pql_at: Some(matched * DAY),
            cutoff: Some(cutoff * DAY),
            eligible: true,
        };
        let age = |run: i64, previous: Option<i64>, at_an_age| MatchAge {
            run: run * DAY,
            previous: previous.map(|day| day * DAY),
            within: 14 * DAY,
            at_an_age,
        };
        let nightly = age(100, Some(99), false);
        for (by, matched, scored, expected) in [
            ("definition", 99, Some(99), true),
            ("definition", 98, Some(99), false),
            // The account was not scored in the previous run, but earlier.
            ("definition", 98, Some(97), true),
            ("definition", 96, Some(97), false),
            // It was never scored, as if this were the first run.
            ("definition", 86, None, true),
            ("definition", 85, None, false),
            ("model", 1, Some(99), true),
            ("both", 1, None, true),
        ] {
            let found = nightly.is_new(&state(by, matched, 100), scored.map(|day| day * DAY));
            assert_eq!(found, expected, "{by} {matched} {scored:?}");
        }
        let first = age(100, None, false);
        assert!(first.is_new(&state("definition", 86, 100), None));
        assert!(!first.is_new(&state("definition", 85, 100), None));
        let after_a_gap = age(100, Some(60), false);
        assert!(after_a_gap.is_new(&state("definition", 60, 100), None));
        let at_an_age = age(100, Some(99), true);
        assert!(at_an_age.is_new(&state("definition", 60, 99), None), "eligible since yesterday");
        assert!(!at_an_age.is_new(&state("definition", 60, 85), None));
    }
}
