//! Earlier scores compared with outcomes, once the horizons are over.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use pql_stats::metrics::{Bin, Evaluation, SubsetMetrics, evaluate, reliability, subset_metrics};
use serde::Serialize;

use crate::config::ObservationConfig;
use crate::dataset::observations::{Outcome, resolve_outcome};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::registry::ledger::Run;
use crate::time::ZonedTime;
use crate::training::test_set::group_numbers;
use crate::warning::OutcomeDrop;

/// Scored rows and their outcomes.
#[derive(Debug, Clone, Default)]
pub struct ScoredOutcomes {
    account: Vec<String>,
    y: Vec<bool>,
    probability: Vec<f64>,
    holdout: Vec<bool>,
    /// Index of the run of each row.
    run: Vec<usize>,
    /// Time and model label of each run.
    runs: Vec<(Option<ZonedTime>, String)>,
    /// Rows whose horizon is not over.
    immature: u64,
    /// Rows scored long after their cutoff.
    scored_late: u64,
    /// Rows of accounts that are not in the log.
    unknown_accounts: u64,
}

/// Smallest ratio of the horizon to the delay between cutoff and scoring. With cutoffs at an age,
/// accounts that convert during the delay are not scored, which would bias the outcomes.
const MIN_HORIZON_PER_DELAY: i64 = 20;

/// Performance of one scoring run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunPerformance {
    /// Time of the run; `None` for a matrix.
    pub scored_at: Option<ZonedTime>,
    /// Label of the model.
    pub model: String,
    /// Metrics over its rows.
    #[serde(flatten)]
    pub metrics: SubsetMetrics,
}

/// Performance of earlier scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RealizedPerformance {
    /// Metrics over all rows. Intervals are clustered by account because the horizons of its rows
    /// overlap.
    pub evaluation: Evaluation,
    /// Ten calibration bins of equal size, lowest probabilities first.
    pub reliability: Vec<Bin>,
    /// Performance by run, oldest first.
    pub runs: Vec<RunPerformance>,
    /// Rows of the holdout and other rows; `None` without a holdout.
    pub holdout: Option<[SubsetMetrics; 2]>,
    /// Rows whose horizon is not over.
    pub immature: u64,
    /// Rows scored long after the cutoff. Accounts that converted in between are missing among
    /// them.
    pub scored_late: u64,
    /// Rows of accounts that are not in the log.
    pub unknown_accounts: u64,
}

impl RealizedPerformance {
    /// Returns the number of dropped rows by reason.
    #[must_use]
    pub fn dropped_rows(&self) -> Vec<(OutcomeDrop, u64)> {
        let counts = [
            (OutcomeDrop::HorizonOpen, self.immature),
            (OutcomeDrop::ScoredLate, self.scored_late),
            (OutcomeDrop::AccountNotInLog, self.unknown_accounts),
        ];
        counts.into_iter().filter(|(_, rows)| *rows > 0).collect()
    }
}

impl ScoredOutcomes {
    /// Looks up the outcomes of the rows of some runs.
    ///
    /// With cutoffs at an age, each run scores the same account and cutoff again until the horizon
    /// is over. Only the first of these scores counts.
    ///
    /// # Errors
    /// * those of [`Run::rows`]
    pub fn from_runs(runs: &[Run], log: &Log, rule: &ObservationConfig) -> Result<Self> {
        let mut all = Self::default();
        // Account and cutoff of rows that count, rows scored late, and immature rows.
        let [mut counted, mut late, mut immature]: [BTreeSet<(String, i64)>; 3] =
            Default::default();
        let longest_delay = rule.horizon.0 / MIN_HORIZON_PER_DELAY;
        for run in runs {
            let frame = run.columns(&["account_id", "cutoff", "probability", "holdout"])?;
            let malformed = |e: PolarsError| Error::unexpected_table(&run.path, e);
            let account = frame.column("account_id").and_then(Column::str).map_err(malformed)?;
            let cutoff =
                frame.column("cutoff").and_then(Column::datetime).map_err(malformed)?.physical();
            let probability =
                frame.column("probability").and_then(Column::f64).map_err(malformed)?;
            let holdout = frame.column("holdout").and_then(Column::bool).map_err(malformed)?;
            let number = all.runs.len();
            all.runs.push((Some(ZonedTime::new(run.time, log.zone)), run.label.clone()));
            for (((account, cutoff), probability), holdout) in
                account.iter().zip(cutoff.iter()).zip(probability.iter()).zip(holdout.iter())
            {
                let (Some(account), Some(cutoff), Some(probability)) =
                    (account, cutoff, probability)
                else {
                    continue;
                };
                let Some(code) = log.accounts.id.code(account) else {
                    all.unknown_accounts += 1;
                    continue;
                };
                // The account converted or churned before the cutoff, which was unknown at scoring
                // time. Evaluations also skip such rows.
                let Ok(outcome) = resolve_outcome(&log.accounts, code, cutoff, (rule, log.until))
                else {
                    continue;
                };
                let key = (account.to_owned(), cutoff);
                match outcome {
                    _ if run.time - cutoff > longest_delay => drop(late.insert(key)),
                    Outcome::Immature => drop(immature.insert(key)),
                    _ if !counted.insert(key) => {}
                    outcome => all.push(
                        account,
                        outcome == Outcome::Converted,
                        probability,
                        (holdout == Some(true), number),
                    ),
                }
            }
        }
        all.immature = immature.len() as u64;
        // A row that an earlier run scored in time counts there.
        let is_late = |key: &&(String, i64)| !counted.contains(*key) && !immature.contains(*key);
        all.scored_late = late.iter().filter(is_late).count() as u64;
        Ok(all)
    }

    /// Collects the rows of a matrix with outcomes.
    #[must_use]
    pub fn from_rows(
        account: Vec<String>,
        y: Vec<bool>,
        probability: Vec<f64>,
        label: &str,
    ) -> Self {
        let n = y.len();
        let runs = vec![(None, label.to_owned())];
        Self {
            account,
            y,
            probability,
            holdout: vec![false; n],
            run: vec![0; n],
            runs,
            ..Self::default()
        }
    }

    fn push(&mut self, account: &str, y: bool, probability: f64, (holdout, run): (bool, usize)) {
        self.account.push(account.to_owned());
        self.y.push(y);
        self.probability.push(probability);
        self.holdout.push(holdout);
        self.run.push(run);
    }

    /// Evaluates the scores; `None` if no horizon is over.
    ///
    /// # Errors
    /// * [`Error::Statistics`]: a probability is not between 0 and 1
    pub fn evaluate(&self) -> Result<Option<RealizedPerformance>> {
        if self.y.is_empty() {
            return Ok(None);
        }
        let group = group_numbers(&self.account);
        let by_subset =
            |subset: &[usize]| subset_metrics(&self.y, &self.probability, &group, subset);
        let by_run: BTreeMap<usize, SubsetMetrics> = by_subset(&self.run)
            .into_iter()
            .enumerate()
            .filter(|(_, metrics)| metrics.rows > 0)
            .collect();
        let runs = by_run.into_iter().map(|(number, metrics)| {
            let (scored_at, model) = self.runs[number].clone();
            RunPerformance { scored_at, model, metrics }
        });
        let has_holdout = self.holdout.contains(&true) && self.holdout.contains(&false);
        let group_of_row: Vec<usize> =
            self.holdout.iter().map(|holdout| usize::from(!holdout)).collect();
        Ok(Some(RealizedPerformance {
            evaluation: evaluate(&self.y, &self.probability, &group)?,
            reliability: reliability(&self.y, &self.probability, &group),
            runs: runs.collect(),
            holdout: if has_holdout { by_subset(&group_of_row).try_into().ok() } else { None },
            immature: self.immature,
            scored_late: self.scored_late,
            unknown_accounts: self.unknown_accounts,
        }))
    }
}
