//! A batch against the rows a model was trained on: what its features look like, how it scores, which event names it has, and what became
//! of the accounts that were scored before.

mod drift;
mod names;
mod realised;

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use polars::prelude::{Column, DataFrame};
use serde::Serialize;

use crate::calibrate::Z_95;
use crate::design::{numbers, texts};
use crate::error::{Error, Result, nearest};
use crate::evaluate::Evaluation;
use crate::model::Model;
use crate::profile::Cells;
use crate::score::Scorer;
pub use drift::{Cell, Drift, LARGE, LEVEL, MODERATE, Shift};
use drift::{Counted, Independent, corrected, share, shift};
pub use names::{EventNames, NameUse, Renamed};
pub use realised::{Outcomes, Realised, RunOutcome};

/// How the scores of a batch differ from those of the training rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreShift {
    /// Over the deciles of the training rows.
    #[serde(flatten)]
    pub shift: Shift,
    /// Whether that is beyond chance, and large enough to matter.
    pub shifted: bool,
    /// Mean probability of the training rows, by the model itself.
    pub mean_then: f64,
    /// Mean probability of the batch.
    pub mean_now: f64,
    /// Share of the training rows that reaches the threshold.
    pub reach_then: f64,
    /// Share of the batch that reaches it.
    pub reach_now: f64,
    /// Sum of the probabilities of the batch.
    pub expected_conversions: f64,
}

/// What there is to say of a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Monitoring {
    /// The model.
    pub model: String,
    /// Time of the batch; `None` of a matrix without cutoffs.
    pub at: Option<String>,
    /// Rows of the batch that were scored.
    pub rows: u64,
    /// Rows that could not be, since a value is not finite.
    pub not_finite: u64,
    /// Distinct accounts of these rows.
    pub accounts: u64,
    /// Training rows.
    pub training_rows: u64,
    /// Distinct accounts of the training rows: so many rows are taken to tell something by themselves.
    pub training_accounts: u64,
    /// What is to be seen to, in sentences; nothing where it is empty.
    pub alarms: Vec<String>,
    /// The scores; `None` where nothing was scored.
    pub scores: Option<ScoreShift>,
    /// The features, the furthest first.
    pub features: Vec<Drift>,
    /// Event names; `None` of a matrix.
    pub events: Option<EventNames>,
    /// What became of accounts that were scored before; `None` where nothing is known.
    pub realised: Option<Realised>,
}

/// Counts batches of rows in the cells of the training rows.
#[derive(Debug)]
pub struct Watch<'a> {
    model: &'a Model,
    scorer: &'a Scorer<'a>,
    label: &'a str,
    features: Vec<Counted>,
    probability: Vec<f64>,
    /// The accounts, by a hash.
    accounts: HashSet<u64, FixedState>,
    not_finite: u64,
}

impl<'a> Watch<'a> {
    /// Begin with no row.
    #[must_use]
    pub fn new(model: &'a Model, scorer: &'a Scorer<'a>, label: &'a str) -> Self {
        let features = vec![Counted::default(); model.profile.features.len()];
        Self { model, scorer, label, features, probability: Vec::new(), accounts: HashSet::default(), not_finite: 0 }
    }

    /// Take in rows.
    ///
    /// # Arguments
    /// * `account` – of each row, as text
    /// # Errors
    /// * [`Error::Unsuitable`]: a feature is absent or of another type
    pub fn take(&mut self, features: &DataFrame, account: &Column) -> Result<()> {
        let all = self.scorer.probabilities(features)?;
        let scored: Vec<u32> = (0..).zip(&all).filter(|(_, probability)| probability.is_finite()).map(|(row, _)| row).collect();
        self.not_finite += (all.len() - scored.len()) as u64;
        self.probability.extend(all.into_iter().filter(|probability| probability.is_finite()));
        let hasher = FixedState::default();
        let accounts = account.str().map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
        self.accounts.extend(scored.iter().filter_map(|row| accounts.get(*row as usize)).map(|account| hasher.hash_one(account)));
        for (profile, counted) in self.model.profile.features.iter().zip(&mut self.features) {
            let column = features.column(&profile.feature).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
            match profile.cells {
                Cells::Numbers { .. } => counted.take_numbers(profile, &numbers(column, Some(&scored))?),
                Cells::Texts(_) => counted.take_texts(profile, &texts(column, Some(&scored))?),
            }
        }
        Ok(())
    }

    /// Hold all rows against the training rows.
    ///
    /// # Arguments
    /// * `at` – time of the batch
    /// * `ignored` – features that raise no alarm
    /// # Errors
    /// * [`Error::Usage`]: a feature that is to be ignored is none of the model
    pub fn finish(self, at: Option<String>, ignored: &[String]) -> Result<Monitoring> {
        let profile = &self.model.profile;
        let names = || profile.features.iter().map(|of| of.feature.as_str());
        if let Some(unknown) = ignored.iter().find(|name| names().all(|known| known != name.as_str())) {
            let hint = nearest(unknown, names()).map(|near| format!("did you mean `{near}`?"));
            return Err(Error::Usage { problem: format!("the model reads no feature `{unknown}`"), hint });
        }
        let rows = Independent { then: profile.accounts, now: self.accounts.len() as u64 };
        let mut features: Vec<Drift> = Vec::new();
        if rows.now > 0 {
            features = self.features.iter().zip(&profile.features).map(|(counted, of)| counted.drift(of, rows)).collect();
        }
        for drift in &mut features {
            drift.watched = !ignored.contains(&drift.feature);
        }
        corrected(&mut features);
        features.sort_by(|a, b| b.drifted.cmp(&a.drifted).then_with(|| b.shift.psi.total_cmp(&a.shift.psi)));
        let mut monitoring = Monitoring {
            model: self.label.to_owned(),
            at,
            rows: self.probability.len() as u64,
            accounts: rows.now,
            training_rows: profile.rows,
            training_accounts: profile.accounts,
            alarms: Vec::new(),
            scores: (rows.now > 0).then(|| scores(self.model, &self.probability, rows)),
            not_finite: self.not_finite,
            features,
            events: None,
            realised: None,
        };
        monitoring.alarms = monitoring.of_batch();
        Ok(monitoring)
    }
}

/// Hold probabilities against those of the training rows.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn scores(model: &Model, probability: &[f64], rows: Independent) -> ScoreShift {
    let then = &model.profile.scores;
    let percent: Vec<Option<f64>> = probability.iter().map(|p| Some(100.0 * p)).collect();
    let (now, _) = then.percent.count_numbers(&percent);
    let names = then.percent.names().into_iter().map(|name| format!("{name} %"));
    let cells = names.zip(then.percent.counts.iter().zip(now)).map(|(name, (a, b))| (name, *a, b)).collect();
    let shift = shift(cells, rows);
    let expected: f64 = probability.iter().sum();
    let reached = probability.iter().filter(|p| **p >= model.threshold).count() as u64;
    ScoreShift {
        shifted: shift.psi >= MODERATE && shift.p.is_some_and(|p| p < LEVEL),
        shift,
        mean_then: then.percent.mean.unwrap_or(f64::NAN) / 100.0,
        mean_now: expected / probability.len() as f64,
        reach_then: share(then.reached, model.profile.rows),
        reach_now: share(reached, probability.len() as u64),
        expected_conversions: expected,
    }
}

/// Features, names that an alarm tells.
const NAMED: usize = 3;

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let rest = names.len().saturating_sub(NAMED);
    let some: Vec<String> = names.take(NAMED).collect();
    if rest > 0 { format!("{} and {rest} more", some.join(", ")) } else { some.join(", ") }
}

impl Monitoring {
    /// What of the batch itself is to be seen to.
    fn of_batch(&self) -> Vec<String> {
        let mut alarms = Vec::new();
        if self.rows == 0 {
            alarms.push("no row was scored".to_owned());
        }
        let drifted: Vec<String> =
            self.features.iter().filter(|of| of.drifted && of.watched).map(|of| format!("`{}`", of.feature)).collect();
        if !drifted.is_empty() {
            let sentence = format!("{} of {} features have drifted: {}", drifted.len(), self.features.len(), listed(drifted.into_iter()));
            alarms.push(sentence + &self.older().unwrap_or_default());
        }
        if let Some(scores) = self.scores.as_ref().filter(|scores| scores.shifted) {
            let [then, now] = [scores.mean_then, scores.mean_now].map(|mean| 100.0 * mean);
            let moved = scores.shift.cells.iter().max_by(|a, b| (a.now - a.then).abs().total_cmp(&(b.now - b.then).abs()));
            let moved = moved.map_or_else(String::new, |cell| {
                format!(
                    "; most of all {}: {:.0} % of the rows, {:.0} % of those of training",
                    cell.name,
                    100.0 * cell.now,
                    100.0 * cell.then
                )
            });
            alarms.push(format!("the scores have shifted: on average {now:.1} %, of the training rows {then:.1} %{moved}"));
        }
        alarms
    }

    /// That accounts are older than those of training, where they are: most measures move with their age.
    fn older(&self) -> Option<String> {
        let tenure = self.features.iter().find(|of| of.feature == "tenure_days" && of.drifted)?;
        let (then, now) = tenure.mean_then.zip(tenure.mean_now)?;
        (now > then)
            .then(|| format!("; accounts are {now:.0} days old on average, in training {then:.0}, and most measures move with their age"))
    }

    /// Add the event names.
    #[must_use]
    pub fn with_events(mut self, events: EventNames) -> Self {
        if !events.gone.is_empty() {
            let name = |gone: &NameUse| {
                let renamed = events.renamed.iter().find(|renamed| renamed.from == gone.event);
                let guess = renamed.map_or_else(String::new, |renamed| format!(", which may have become `{}`", renamed.to));
                format!("`{}`{guess}", gone.event)
            };
            self.alarms.push(format!("event names that training accounts had are gone: {}", listed(events.gone.iter().map(name))));
        }
        self.events = Some(events);
        self
    }

    /// Add what became of accounts that were scored before.
    #[must_use]
    pub fn with_outcomes(mut self, realised: Option<Realised>) -> Self {
        self.alarms.extend(realised.as_ref().and_then(|realised| miscalibrated(&realised.evaluation)));
        self.realised = realised;
        self
    }

    /// How many features have drifted, those that are ignored left out.
    #[must_use]
    pub fn drifted(&self) -> usize {
        self.features.iter().filter(|of| of.drifted && of.watched).count()
    }
}

/// Quantile of the normal distribution that leaves [`LEVEL`] at both ends together.
const Z_99: f64 = 2.575_829_303_548_901;

/// That more or fewer accounts convert than was predicted, where that is beyond chance.
#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
fn miscalibrated(e: &Evaluation) -> Option<String> {
    let [low, high] = e.calibration_in_the_large_95?;
    // The interval of 95 % widened to that of 99 %.
    let (middle, half) = (f64::midpoint(low, high), f64::midpoint(-low, high) * Z_99 / Z_95);
    let more = if middle > 0.0 { "more" } else { "fewer" };
    if middle.abs() <= half {
        return None;
    }
    let [converted, expected] = [e.base_rate, e.expected_conversions / e.n as f64].map(|share| 100.0 * share);
    Some(format!("{more} accounts converted than predicted: {converted:.1} % of the rows, {expected:.1} % expected"))
}
