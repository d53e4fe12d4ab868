//! A batch against the rows a model was trained on: what its features look like, how it scores,
//! which event names it has, and what became of the accounts that were scored before.

mod drift;
mod names;
mod pipeline;
mod realised;

use std::collections::HashSet;
use std::hash::BuildHasher;

pub use drift::{Cell, Drift, LARGE, LEVEL, MODERATE, Shift};
use drift::{Counted, Independent, corrected, shift};
use foldhash::fast::FixedState;
pub use names::{EventNames, NameUse, Renamed};
pub use pipeline::{EarlierScores, Monitored, monitor_log, monitor_matrix};
use polars::prelude::{Column, DataFrame};
use pql_stats::counts::share;
use pql_stats::intervals::{Interval, Z_95};
use pql_stats::metrics::Evaluation;
pub use realised::{Outcomes, Realised, RunOutcome};
use serde::{Serialize, Serializer};

use crate::dataset::columns::{feature_column, numbers, texts};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::profile::Cells;
use crate::model::score::Scorer;
use crate::names::nearest;
use crate::warning::{Alarm, GoneEvent, MeanAge, Message, ShiftedBin};

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
    /// Distinct accounts of the training rows: so many rows are taken to tell something by
    /// themselves.
    pub training_accounts: u64,
    /// What needs attention.
    #[serde(serialize_with = "messages")]
    pub alarms: Vec<Alarm>,
    /// The scores; `None` where nothing was scored.
    pub scores: Option<ScoreShift>,
    /// The features, the furthest first.
    pub features: Vec<Drift>,
    /// Event names; `None` of a matrix.
    pub events: Option<EventNames>,
    /// What became of accounts that were scored before; `None` where nothing is known.
    pub realised: Option<Realised>,
}

/// Writes alarms with code and sentence.
fn messages<S: Serializer>(
    alarms: &[Alarm],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(alarms.iter().map(Message::from))
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
        Self {
            model,
            scorer,
            label,
            features,
            probability: Vec::new(),
            accounts: HashSet::default(),
            not_finite: 0,
        }
    }

    /// Take in rows.
    ///
    /// # Arguments
    /// * `account` – of each row, as text
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn take(&mut self, features: &DataFrame, account: &Column) -> Result<()> {
        let all = self.scorer.probabilities(features)?;
        let scored: Vec<u32> = (0..)
            .zip(&all)
            .filter(|(_, probability)| probability.is_finite())
            .map(|(row, _)| row)
            .collect();
        self.not_finite += (all.len() - scored.len()) as u64;
        self.probability.extend(all.into_iter().filter(|probability| probability.is_finite()));
        let hasher = FixedState::default();
        let accounts = account.str().map_err(|e| Error::table("the accounts", e))?;
        self.accounts.extend(
            scored
                .iter()
                .filter_map(|row| accounts.get(*row as usize))
                .map(|account| hasher.hash_one(account)),
        );
        for (profile, counted) in self.model.profile.features.iter().zip(&mut self.features) {
            let column = feature_column(features, &profile.feature)?;
            match profile.cells {
                Cells::Numbers { .. } => {
                    counted.take_numbers(profile, &numbers(column, Some(&scored))?);
                }
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
        if let Some(unknown) =
            ignored.iter().find(|name| names().all(|known| known != name.as_str()))
        {
            let hint = nearest(unknown, names()).map(|near| format!("did you mean `{near}`?"));
            return Err(Error::Usage {
                problem: format!("the model reads no feature `{unknown}`"),
                hint,
            });
        }
        let rows = Independent { then: profile.accounts, now: self.accounts.len() as u64 };
        let mut features: Vec<Drift> = Vec::new();
        if rows.now > 0 {
            features = self
                .features
                .iter()
                .zip(&profile.features)
                .map(|(counted, of)| counted.drift(of, rows))
                .collect();
        }
        for drift in &mut features {
            drift.watched = !ignored.contains(&drift.feature);
        }
        corrected(&mut features);
        features.sort_by(|a, b| {
            b.drifted.cmp(&a.drifted).then_with(|| b.shift.psi.total_cmp(&a.shift.psi))
        });
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
    let cells = names
        .zip(then.percent.counts.iter().zip(now))
        .map(|(name, (a, b))| (name, *a, b))
        .collect();
    let shift = shift(cells, rows);
    let expected: f64 = probability.iter().sum();
    let reached = probability.iter().filter(|p| **p >= model.threshold).count() as u64;
    ScoreShift {
        shifted: shift.psi >= MODERATE && shift.p.is_some_and(|p| p < LEVEL),
        shift,
        mean_then: then.percent.mean.unwrap_or(f64::NAN) / 100.0,
        mean_now: expected / probability.len() as f64,
        reach_then: share(then.reached, model.profile.rows),
        reach_now: share(reached, probability.len()),
        expected_conversions: expected,
    }
}

impl Monitoring {
    /// Returns the alarms of the batch itself.
    fn of_batch(&self) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        if self.rows == 0 {
            alarms.push(Alarm::NoRowScored);
        }
        let drifted = self.features.iter().filter(|of| of.drifted && of.watched);
        let features: Vec<String> = drifted.map(|of| of.feature.clone()).collect();
        if !features.is_empty() {
            alarms.push(Alarm::FeatureDrift {
                features,
                all: self.features.len(),
                mean_age: self.older(),
            });
        }
        if let Some(scores) = self.scores.as_ref().filter(|scores| scores.shifted) {
            let most = scores
                .shift
                .cells
                .iter()
                .max_by(|a, b| (a.now - a.then).abs().total_cmp(&(b.now - b.then).abs()));
            let most = most.map(|cell| ShiftedBin {
                name: cell.name.clone(),
                reference: cell.then,
                current: cell.now,
            });
            alarms.push(Alarm::ScoreShift {
                reference_mean: scores.mean_then,
                current_mean: scores.mean_now,
                most,
            });
        }
        alarms
    }

    /// Returns the mean age in days of the training accounts and of the batch, where the batch is
    /// older: most measures move with age.
    fn older(&self) -> Option<MeanAge> {
        let tenure = self.features.iter().find(|of| of.feature == "tenure_days" && of.drifted)?;
        let (reference, current) = tenure.mean_then.zip(tenure.mean_now)?;
        (current > reference).then_some(MeanAge { reference, current })
    }

    /// Add the event names.
    #[must_use]
    pub fn with_events(mut self, events: EventNames) -> Self {
        if !events.gone.is_empty() {
            let gone = |gone: &NameUse| {
                let renamed = events.renamed.iter().find(|renamed| renamed.from == gone.event);
                GoneEvent {
                    event: gone.event.clone(),
                    renamed_to: renamed.map(|renamed| renamed.to.clone()),
                }
            };
            self.alarms.push(Alarm::EventGone { events: events.gone.iter().map(gone).collect() });
        }
        self.events = Some(events);
        self
    }

    /// Add what became of accounts that were scored before.
    #[must_use]
    pub fn with_outcomes(mut self, realised: Option<Realised>) -> Self {
        self.alarms
            .extend(realised.as_ref().and_then(|realised| miscalibrated(&realised.evaluation)));
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
fn miscalibrated(e: &Evaluation) -> Option<Alarm> {
    let Interval { low, high } = e.calibration_in_the_large?.interval?;
    // The interval of 95 % widened to that of 99 %.
    let (middle, half) = (f64::midpoint(low, high), f64::midpoint(-low, high) * Z_99 / Z_95);
    let expected = e.expected_conversions / e.n as f64;
    (middle.abs() > half).then_some(Alarm::Miscalibration {
        converted: e.base_rate,
        expected,
        more: middle > 0.0,
    })
}
