//! What became of accounts that were scored, once their horizons are over.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use pql_stats::metrics::{Bin, Evaluation, Part, by_part, evaluate, reliability};
use serde::Serialize;

use crate::config::ObservationRule;
use crate::dataset::observations::{Outcome, outcome};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::registry::ledger::Run;
use crate::time::iso;
use crate::training::test_set::numbered;
use crate::warning::OutcomeDrop;

/// Rows that were scored, and what came of them.
#[derive(Debug, Clone, Default)]
pub struct Outcomes {
    account: Vec<String>,
    y: Vec<bool>,
    probability: Vec<f64>,
    holdout: Vec<bool>,
    /// Which run the row is of.
    run: Vec<usize>,
    /// Time and model of each run.
    runs: Vec<(Option<i64>, String)>,
    /// Rows whose horizon is not over.
    open: u64,
    /// Rows that were scored long after their cutoff.
    late: u64,
    /// Rows of accounts that the log does not have.
    unknown: u64,
}

/// How many times as long as the time between a cutoff and the run that scores it the horizon has
/// to be, at least: at an age those that convert first are not scored any more.
const LATEST: i64 = 20;

/// A run of scoring, and what became of its rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunOutcome {
    /// Time of the run; `None` of a matrix.
    pub at: Option<String>,
    /// The model that scored.
    pub model: String,
    /// Its rows.
    #[serde(flatten)]
    pub part: Part,
}

/// Predictions against outcomes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Realised {
    /// Metrics over all rows; intervals are by account, since horizons of an account's rows
    /// overlap.
    pub evaluation: Evaluation,
    /// Ten bins of equal size, the lowest probabilities first.
    pub reliability: Vec<Bin>,
    /// Run by run, the oldest first.
    pub runs: Vec<RunOutcome>,
    /// The rows that were left alone and those that were not; `None` without a holdout.
    pub holdout: Option<[Part; 2]>,
    /// Rows whose horizon is not over.
    pub open: u64,
    /// Rows that were scored long after the account came of age: those that converted first are
    /// lacking among them.
    pub late: u64,
    /// Rows of accounts that the log does not have.
    pub unknown: u64,
}

impl Realised {
    /// Returns how many rows do not count, by reason.
    #[must_use]
    pub fn left_out(&self) -> Vec<(OutcomeDrop, u64)> {
        let counts = [
            (OutcomeDrop::HorizonOpen, self.open),
            (OutcomeDrop::ScoredLate, self.late),
            (OutcomeDrop::AccountNotInLog, self.unknown),
        ];
        counts.into_iter().filter(|(_, rows)| *rows > 0).collect()
    }
}

impl Outcomes {
    /// Look up what came of the rows of some runs. Of rows of one account and cutoff, which models
    /// of an age score anew each time until the horizon is over, the first counts.
    ///
    /// # Errors
    /// * those of [`Run::rows`]
    pub fn of_runs(runs: &[Run], log: &Log, rule: &ObservationRule) -> Result<Self> {
        let mut all = Self::default();
        // Account and cutoff of the rows that count, and of those that were scored late or whose
        // horizon is not over.
        let [mut met, mut late, mut open]: [BTreeSet<(String, i64)>; 3] = Default::default();
        for run in runs {
            let frame = run.rows()?;
            let malformed = |e: PolarsError| Error::unexpected_table(&run.path, e);
            let account = frame.column("account_id").and_then(Column::str).map_err(malformed)?;
            let cutoff =
                frame.column("cutoff").and_then(Column::datetime).map_err(malformed)?.physical();
            let probability =
                frame.column("probability").and_then(Column::f64).map_err(malformed)?;
            let holdout = frame.column("holdout").and_then(Column::bool).map_err(malformed)?;
            let number = all.runs.len();
            all.runs.push((Some(run.at), run.label.clone()));
            for (((account, cutoff), probability), holdout) in
                account.iter().zip(cutoff.iter()).zip(probability.iter()).zip(holdout.iter())
            {
                let (Some(account), Some(cutoff), Some(probability)) =
                    (account, cutoff, probability)
                else {
                    continue;
                };
                let Some(code) = log.accounts.id.code(account) else {
                    all.unknown += 1;
                    continue;
                };
                // Outcomes that came before the cutoff were not known when it was scored: it is no
                // row of the evaluation either.
                let Ok(outcome) = outcome(&log.accounts, code, cutoff, (rule, log.until)) else {
                    continue;
                };
                let key = (account.to_owned(), cutoff);
                match outcome {
                    _ if run.at - cutoff > rule.horizon.0 / LATEST => drop(late.insert(key)),
                    Outcome::Open => drop(open.insert(key)),
                    _ if !met.insert(key) => {}
                    outcome => all.push(
                        account,
                        outcome == Outcome::Converted,
                        probability,
                        (holdout == Some(true), number),
                    ),
                }
            }
        }
        all.open = open.len() as u64;
        // One that was scored again later counts by the first time.
        all.late =
            late.iter().filter(|key| !met.contains(*key) && !open.contains(*key)).count() as u64;
        Ok(all)
    }

    /// Rows of a matrix with outcomes.
    #[must_use]
    pub fn of_rows(account: Vec<String>, y: Vec<bool>, probability: Vec<f64>, label: &str) -> Self {
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

    /// Judge the predictions; `None` where no horizon is over.
    ///
    /// # Errors
    /// * [`Error::Statistics`]: a probability is none
    pub fn judge(&self) -> Result<Option<Realised>> {
        if self.y.is_empty() {
            return Ok(None);
        }
        let group = numbered(&self.account);
        let parts = |part: &[usize]| by_part(&self.y, &self.probability, &group, part);
        let of_runs: BTreeMap<usize, Part> =
            parts(&self.run).into_iter().enumerate().filter(|(_, part)| part.rows > 0).collect();
        let runs = of_runs.into_iter().map(|(number, part)| {
            let (at, model) = &self.runs[number];
            RunOutcome { at: at.map(iso), model: model.clone(), part }
        });
        let held_out = self.holdout.contains(&true) && self.holdout.contains(&false);
        let sides: Vec<usize> =
            self.holdout.iter().map(|held_out| usize::from(!held_out)).collect();
        Ok(Some(Realised {
            evaluation: evaluate(&self.y, &self.probability, &group)?,
            reliability: reliability(&self.y, &self.probability, &group),
            runs: runs.collect(),
            holdout: if held_out { parts(&sides).try_into().ok() } else { None },
            open: self.open,
            late: self.late,
            unknown: self.unknown,
        }))
    }
}
