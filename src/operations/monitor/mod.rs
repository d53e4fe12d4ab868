//! Monitoring: whether a model still fits a batch of rows.
//!
//! Compares the features, scores and event names of the batch with the training data, and earlier
//! scores with the outcomes since.

mod drift;
mod names;
mod pipeline;
mod realized;

use std::collections::HashSet;
use std::hash::BuildHasher;

pub use drift::{BinShare, DistributionShift, FeatureDrift, LARGE, LEVEL, MODERATE};
use drift::{EffectiveRows, FeatureCounts, adjust_p_values, shift};
use foldhash::fast::FixedState;
pub use names::{EventNameDrift, EventUsage, RenameCandidate};
pub use pipeline::{EarlierScores, MonitorTarget, monitor_log, monitor_matrix};
use polars::prelude::{Column, DataFrame};
use pql_stats::counts::share;
use pql_stats::intervals::{Interval, Z_95};
use pql_stats::metrics::Evaluation;
pub use realized::{RealizedPerformance, RunPerformance, ScoredOutcomes};
use serde::{Serialize, Serializer};

use crate::dataset::columns::{feature_column, numbers, texts};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::profile::Bins;
use crate::model::score::Scorer;
use crate::names::suggest;
use crate::warning::{Alarm, GoneEvent, MeanAge, Message, ShiftedBin};

/// Difference between the scores of a batch and those of the training rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreShift {
    /// Shift over the deciles of the training scores.
    #[serde(flatten)]
    pub shift: DistributionShift,
    /// Whether the shift is significant and at least moderate.
    pub shifted: bool,
    /// Mean in-sample probability of the training rows.
    pub reference_mean: f64,
    /// Mean probability of the batch.
    pub current_mean: f64,
    /// Share of the training rows at or above the threshold.
    pub reference_above_threshold: f64,
    /// Share of the batch at or above the threshold.
    pub current_above_threshold: f64,
    /// Sum of the probabilities of the batch.
    pub expected_conversions: f64,
}

/// Result of monitoring a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MonitoringReport {
    /// Label of the model.
    pub model: String,
    /// Time of the batch; `None` for a matrix without cutoffs.
    pub as_of: Option<String>,
    /// Scored rows of the batch.
    pub rows: u64,
    /// Rows not scored because a value is not finite.
    pub not_finite: u64,
    /// Distinct accounts of the scored rows.
    pub accounts: u64,
    /// Training rows.
    pub training_rows: u64,
    /// Distinct accounts of the training rows: the number of independent training rows.
    pub training_accounts: u64,
    /// Alarms of the batch.
    #[serde(serialize_with = "messages")]
    pub alarms: Vec<Alarm>,
    /// Shift of the scores; `None` if no row was scored.
    pub scores: Option<ScoreShift>,
    /// Drift of each feature, drifted ones first, then by falling index.
    pub features: Vec<FeatureDrift>,
    /// Changes of event names; `None` for a matrix.
    pub events: Option<EventNameDrift>,
    /// Earlier scores compared with outcomes; `None` without any.
    pub realized: Option<RealizedPerformance>,
}

/// Serializes alarms with their code and message.
fn messages<S: Serializer>(
    alarms: &[Alarm],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(alarms.iter().map(Message::from))
}

/// Counts rows of a batch in the bins of the training rows.
#[derive(Debug)]
pub struct DriftMonitor<'a> {
    model: &'a Model,
    scorer: &'a Scorer<'a>,
    label: &'a str,
    features: Vec<FeatureCounts>,
    probability: Vec<f64>,
    /// Hashes of the accounts.
    accounts: HashSet<u64, FixedState>,
    not_finite: u64,
}

impl<'a> DriftMonitor<'a> {
    /// Creates a monitor without rows.
    #[must_use]
    pub fn new(model: &'a Model, scorer: &'a Scorer<'a>, label: &'a str) -> Self {
        let features = vec![FeatureCounts::default(); model.profile.features.len()];
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

    /// Adds rows.
    ///
    /// # Arguments
    /// * `account` – account of each row, as text
    /// # Errors
    /// * [`Error::MissingFeature`], [`Error::FeatureType`]: a feature is absent or of another type
    pub fn update(&mut self, features: &DataFrame, account: &Column) -> Result<()> {
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
            match profile.bins {
                Bins::Numbers { .. } => {
                    counted.add_numbers(profile, &numbers(column, Some(&scored))?);
                }
                Bins::Texts(_) => counted.add_texts(profile, &texts(column, Some(&scored))?),
            }
        }
        Ok(())
    }

    /// Compares all rows with the training rows.
    ///
    /// # Arguments
    /// * `as_of` – time of the batch
    /// * `ignored` – features that raise no alarm
    /// # Errors
    /// * [`Error::Usage`]: an ignored feature is not a feature of the model
    pub fn finish(self, as_of: Option<String>, ignored: &[String]) -> Result<MonitoringReport> {
        let profile = &self.model.profile;
        let names = || profile.features.iter().map(|feature| feature.feature.as_str());
        if let Some(unknown) =
            ignored.iter().find(|name| names().all(|known| known != name.as_str()))
        {
            let hint = suggest(unknown, names());
            return Err(Error::Usage {
                problem: format!("`--ignore`: found `{unknown}`, expected a feature of the model"),
                hint,
            });
        }
        let rows =
            EffectiveRows { reference: profile.accounts, current: self.accounts.len() as u64 };
        let mut features: Vec<FeatureDrift> = Vec::new();
        if rows.current > 0 {
            features = self
                .features
                .iter()
                .zip(&profile.features)
                .map(|(counts, profile)| counts.drift(profile, rows))
                .collect();
        }
        for drift in &mut features {
            drift.monitored = !ignored.contains(&drift.feature);
        }
        adjust_p_values(&mut features);
        features.sort_by(|a, b| {
            b.drifted.cmp(&a.drifted).then_with(|| b.shift.psi.total_cmp(&a.shift.psi))
        });
        let mut report = MonitoringReport {
            model: self.label.to_owned(),
            as_of,
            rows: self.probability.len() as u64,
            accounts: rows.current,
            training_rows: profile.rows,
            training_accounts: profile.accounts,
            alarms: Vec::new(),
            scores: (rows.current > 0).then(|| scores(self.model, &self.probability, rows)),
            not_finite: self.not_finite,
            features,
            events: None,
            realized: None,
        };
        report.alarms = report.batch_alarms();
        Ok(report)
    }
}

/// Compares probabilities with those of the training rows.
#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn scores(model: &Model, probability: &[f64], rows: EffectiveRows) -> ScoreShift {
    let reference = &model.profile.scores;
    let percent: Vec<Option<f64>> = probability.iter().map(|p| Some(100.0 * p)).collect();
    let (current, _) = reference.percent.count_numbers(&percent);
    let names = reference.percent.bin_labels().into_iter().map(|name| format!("{name}%"));
    let bins = names
        .zip(reference.percent.counts.iter().zip(current))
        .map(|(name, (a, b))| (name, *a, b))
        .collect();
    let shift = shift(bins, rows);
    let expected: f64 = probability.iter().sum();
    let above_threshold = probability.iter().filter(|p| **p >= model.threshold).count() as u64;
    ScoreShift {
        shifted: shift.psi >= MODERATE && shift.p.is_some_and(|p| p < LEVEL),
        shift,
        reference_mean: reference.percent.mean.unwrap_or(f64::NAN) / 100.0,
        current_mean: expected / probability.len() as f64,
        reference_above_threshold: share(reference.above_threshold, model.profile.rows),
        current_above_threshold: share(above_threshold, probability.len()),
        expected_conversions: expected,
    }
}

impl MonitoringReport {
    /// Returns the alarms from the features and scores of the batch.
    fn batch_alarms(&self) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        if self.rows == 0 {
            alarms.push(Alarm::NoRowScored);
        }
        let drifted = self.features.iter().filter(|drift| drift.drifted && drift.monitored);
        let features: Vec<String> = drifted.map(|drift| drift.feature.clone()).collect();
        if !features.is_empty() {
            alarms.push(Alarm::FeatureDrift {
                features,
                total: self.features.len(),
                mean_age: self.older(),
            });
        }
        if let Some(scores) = self.scores.as_ref().filter(|scores| scores.shifted) {
            let largest_shift = scores.shift.bins.iter().max_by(|a, b| {
                (a.current - a.reference).abs().total_cmp(&(b.current - b.reference).abs())
            });
            let largest_shift = largest_shift.map(|bin| ShiftedBin {
                name: bin.name.clone(),
                reference: bin.reference,
                current: bin.current,
            });
            alarms.push(Alarm::ScoreShift {
                reference_mean: scores.reference_mean,
                current_mean: scores.current_mean,
                largest_shift,
            });
        }
        alarms
    }

    /// Returns the mean age in days of the training accounts and of the batch if the batch is
    /// older. Most features change with age.
    fn older(&self) -> Option<MeanAge> {
        let tenure =
            self.features.iter().find(|drift| drift.feature == "tenure_days" && drift.drifted)?;
        let (reference, current) = tenure.reference_mean.zip(tenure.current_mean)?;
        (current > reference).then_some(MeanAge { reference, current })
    }

    /// Adds the changes of event names, and an alarm if a name is gone.
    #[must_use]
    pub fn with_events(mut self, events: EventNameDrift) -> Self {
        if !events.gone.is_empty() {
            let gone_event = |gone: &EventUsage| {
                let renamed = events.renamed.iter().find(|renamed| renamed.from == gone.event);
                GoneEvent {
                    event: gone.event.clone(),
                    renamed_to: renamed.map(|renamed| renamed.to.clone()),
                }
            };
            self.alarms
                .push(Alarm::EventGone { events: events.gone.iter().map(gone_event).collect() });
        }
        self.events = Some(events);
        self
    }

    /// Adds earlier scores compared with outcomes, and an alarm if they are miscalibrated.
    #[must_use]
    pub fn with_outcomes(mut self, realized: Option<RealizedPerformance>) -> Self {
        self.alarms
            .extend(realized.as_ref().and_then(|realized| miscalibrated(&realized.evaluation)));
        self.realized = realized;
        self
    }

    /// Returns the number of drifted features, without ignored ones.
    #[must_use]
    pub fn drifted(&self) -> usize {
        self.features.iter().filter(|drift| drift.drifted && drift.monitored).count()
    }
}

/// Two-sided normal quantile at [`LEVEL`].
const Z_99: f64 = 2.575_829_303_548_901;

/// Returns an alarm if significantly more or fewer accounts converted than predicted.
#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
fn miscalibrated(e: &Evaluation) -> Option<Alarm> {
    let Interval { low, high } = e.calibration_in_the_large?.interval?;
    // Widens the 95% interval to 99%.
    let (middle, half) = (f64::midpoint(low, high), f64::midpoint(-low, high) * Z_99 / Z_95);
    let expected = e.expected_conversions / e.n as f64;
    (middle.abs() > half).then_some(Alarm::Miscalibration {
        converted: e.base_rate,
        expected,
        more: middle > 0.0,
    })
}
