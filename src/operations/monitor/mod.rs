//! Monitoring: whether a model still fits a batch of rows.
//!
//! Compares the features, scores and event names of the batch with the training data, and earlier
//! scores with the outcomes since.

mod drift;
mod names;
mod pipeline;
mod realized;

use std::collections::BTreeMap;
use std::hash::BuildHasher;

pub use drift::{BinShare, DistributionShift, FeatureDrift, LARGE, LEVEL, MODERATE};
use drift::{EffectiveRows, FeatureCounts, Reweighting, adjust_p_values};
use foldhash::HashSet;
use foldhash::fast::RandomState;
pub use names::EventNameDrift;
pub use pipeline::{EarlierScores, MonitorTarget, monitor_log, monitor_matrix};
use polars::prelude::{Column, DataFrame};
use pql_stats::counts::share;
use pql_stats::intervals::{Interval, Z_95};
use pql_stats::metrics::Evaluation;
pub use realized::{RealizedPerformance, RunPerformance, ScoredOutcomes};
use serde::{Serialize, Serializer};

use crate::dataset::columns::{feature_column, numbers, texts};
use crate::error::{Error, Result};
use crate::log::Log;
use crate::model::Model;
use crate::model::encoder::ValueCounts;
use crate::model::profile::{Bins, ReferenceProfile, RowBands};
use crate::model::tenure::TENURE;
use crate::names::suggest;
use crate::time::ZonedTime;
use crate::warning::{Alarm, LogFault, Message, ShiftedBin};

/// Difference between the scores of the compared rows of a batch and those of training rows of the
/// same account ages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreShift {
    /// Shift over the deciles of the training scores.
    #[serde(flatten)]
    pub shift: DistributionShift,
    /// Whether the shift is significant and at least moderate.
    pub shifted: bool,
    /// Mean in-sample probability of the training rows.
    pub reference_mean: f64,
    /// Mean probability of the compared rows.
    pub current_mean: f64,
    /// Share of the training rows at or above the threshold.
    pub reference_above_threshold: f64,
    /// Share of the compared rows at or above the threshold.
    pub current_above_threshold: f64,
    /// Sum of the probabilities of the compared rows.
    pub expected_conversions: f64,
}

/// Result of monitoring a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MonitoringReport {
    /// Label of the model.
    pub model: String,
    /// Time of the batch; `None` for a matrix without cutoffs.
    pub as_of: Option<ZonedTime>,
    /// Time of the compared rows: with weekly snapshots the newest time on the weekday of the
    /// training cutoffs, otherwise `as_of`.
    pub compared_at: Option<ZonedTime>,
    /// Scored rows of the batch.
    pub rows: u64,
    /// Rows not scored because a value is not finite.
    pub not_finite: u64,
    /// Scored rows that no training row is as old as: they are not compared with the training
    /// rows.
    pub not_compared: u64,
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
    /// Changes of event types; `None` for a matrix.
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
    label: &'a str,
    features: Vec<FeatureCounts>,
    /// Values of each feature in all rows.
    values: BTreeMap<String, ValueCounts>,
    /// Probability of each scored row.
    probability: Vec<f64>,
    /// Probability of each compared row.
    compared: Vec<f64>,
    /// Compared rows by band of account age.
    by_band: Vec<u64>,
    /// Whether all rows had an age.
    has_ages: bool,
    /// Hashes of the accounts of scored rows and of compared rows.
    accounts: [HashSet<u64>; 2],
    /// Random, so that nobody can choose accounts with equal hashes.
    hasher: RandomState,
    not_finite: u64,
}

impl<'a> DriftMonitor<'a> {
    /// Creates a monitor without rows.
    #[must_use]
    pub fn new(model: &'a Model, label: &'a str) -> Self {
        let features = vec![FeatureCounts::default(); model.profile.features.len()];
        Self {
            model,
            label,
            features,
            values: BTreeMap::new(),
            probability: Vec::new(),
            compared: Vec::new(),
            by_band: vec![0; model.profile.tenure.len()],
            has_ages: model.profile.tenure.has_ages(),
            accounts: Default::default(),
            hasher: RandomState::default(),
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
        let design = self.model.preprocessor.transform(features, None)?;
        let all = self.model.probabilities(design.x.view());
        for (feature, counts) in design.values {
            self.values.entry(feature).or_default().add(counts);
        }
        let scored: Vec<u32> = (0..)
            .zip(&all)
            .filter(|(_, probability)| probability.is_finite())
            .map(|(row, _)| row)
            .collect();
        self.not_finite += (all.len() - scored.len()) as u64;
        let compared = self.comparable(features, &scored)?;
        let accounts = account.str().map_err(|e| Error::table("the accounts", e))?;
        let kinds = [&scored, &compared].into_iter().zip(&mut self.accounts);
        for ((rows, hashes), probability) in kinds.zip([&mut self.probability, &mut self.compared])
        {
            probability.extend(rows.iter().map(|row| all[*row as usize]));
            let accounts = rows.iter().filter_map(|row| accounts.get(*row as usize));
            hashes.extend(accounts.map(|account| self.hasher.hash_one(account)));
        }
        for (profile, counted) in self.model.profile.features.iter().zip(&mut self.features) {
            let column = feature_column(features, &profile.feature)?;
            match profile.bins {
                Bins::Numbers { .. } => {
                    counted.add_numbers(profile, &numbers(column, Some(&compared))?);
                }
                Bins::Texts(_) => counted.add_texts(profile, &texts(column, Some(&compared))?),
            }
        }
        Ok(())
    }

    /// Returns the rows with an age that training rows have, and counts them by band. Without ages,
    /// all rows are compared.
    fn comparable(&mut self, features: &DataFrame, scored: &[u32]) -> Result<Vec<u32>> {
        let bands = &self.model.profile.tenure;
        self.has_ages &=
            features.column(TENURE).is_ok_and(|column| column.dtype().is_primitive_numeric());
        if !self.has_ages {
            return Ok(scored.to_vec());
        }
        let ages = numbers(feature_column(features, TENURE)?, Some(scored))?;
        let mut compared = Vec::with_capacity(scored.len());
        for (row, age) in scored.iter().zip(ages) {
            if let Some(band) = age.and_then(|age| bands.band(age)) {
                self.by_band[band] += 1;
                compared.push(*row);
            }
        }
        Ok(compared)
    }

    /// Weights the training rows by the account ages of the batch.
    #[expect(clippy::cast_precision_loss, reason = "counts of accounts")]
    fn reweighting(&self) -> Reweighting {
        let profile = &self.model.profile;
        let weights = if self.has_ages {
            self.by_band.iter().map(|rows| share(*rows, self.compared.len())).collect()
        } else {
            profile.tenure.shares()
        };
        // An account may be in several bands.
        let reference = profile.tenure.effective_accounts(&weights).min(profile.accounts as f64);
        Reweighting {
            rows: profile.tenure.effective_rows(&weights),
            effective: EffectiveRows { reference, current: self.accounts[1].len() as f64 },
            weights,
        }
    }

    /// Compares all rows with the training rows.
    ///
    /// # Arguments
    /// * `as_of` – time of the batch
    /// * `ignored` – features that raise no alarm
    /// # Errors
    /// * [`Error::Usage`]: an ignored feature is not a feature of the model
    pub fn finish(self, as_of: Option<ZonedTime>, ignored: &[String]) -> Result<MonitoringReport> {
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
        let reference = self.reweighting();
        let mut features: Vec<FeatureDrift> = Vec::new();
        if !self.compared.is_empty() {
            features = self
                .features
                .iter()
                .zip(&profile.features)
                .map(|(counts, profile)| counts.drift(profile, &reference))
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
            compared_at: as_of,
            as_of,
            rows: self.probability.len() as u64,
            not_compared: (self.probability.len() - self.compared.len()) as u64,
            accounts: self.accounts[0].len() as u64,
            training_rows: profile.rows,
            training_accounts: profile.accounts,
            alarms: Vec::new(),
            scores: (!self.compared.is_empty()).then(|| self.scores(&reference)),
            not_finite: self.not_finite,
            features,
            events: None,
            realized: None,
        };
        report.alarms = report.batch_alarms();
        let preprocessor = &self.model.preprocessor;
        let new = preprocessor.only_new_levels(&self.values, profile.rows);
        let monitored = new.filter(|levels| !ignored.contains(&levels.feature));
        report.alarms.extend(monitored.map(Alarm::OnlyNewLevels));
        Ok(report)
    }

    /// Compares the probabilities with those of the training rows.
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    fn scores(&self, reference: &Reweighting) -> ScoreShift {
        let ReferenceProfile { scores, tenure, .. } = &self.model.profile;
        let percent: Vec<Option<f64>> = self.compared.iter().map(|p| Some(100.0 * p)).collect();
        let bands = RowBands::single(percent.len());
        let current = &scores.percent.count_numbers(&percent, &bands)[0];
        let (mut shift, mean, _) = reference.compare(&scores.percent, (&current.counts, None));
        shift.bins.iter_mut().for_each(|bin| bin.name += "%");
        let is_above = |p: &&f64| **p >= self.model.threshold;
        let above_threshold = self.compared.iter().filter(is_above).count() as u64;
        ScoreShift {
            shifted: shift.psi >= MODERATE && shift.p.is_some_and(|p| p < LEVEL),
            shift,
            reference_mean: mean.unwrap_or(f64::NAN) / 100.0,
            current_mean: self.compared.iter().sum::<f64>() / self.compared.len() as f64,
            reference_above_threshold: reference
                .share(&scores.above_threshold_by_band, &tenure.rows),
            current_above_threshold: share(above_threshold, self.compared.len()),
            expected_conversions: self.compared.iter().sum(),
        }
    }
}

impl MonitoringReport {
    /// Returns the alarms from the features and scores of the batch.
    fn batch_alarms(&self) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        if self.rows == 0 {
            alarms.push(Alarm::NoRowScored);
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
                reference_above_threshold: scores.reference_above_threshold,
                current_above_threshold: scores.current_above_threshold,
                largest_shift,
            });
        }
        let drifted = self.features.iter().filter(|drift| drift.drifted && drift.monitored);
        let features: Vec<String> = drifted.map(|drift| drift.feature.clone()).collect();
        if !features.is_empty() {
            alarms.push(Alarm::FeatureDrift { features, total: self.features.len() });
        }
        alarms
    }

    /// Sets the time of the compared rows.
    fn with_cutoff(self, cutoff: ZonedTime) -> Self {
        Self { compared_at: Some(cutoff), ..self }
    }

    /// Adds the faults of the log, each as an alarm, and the changes of event types.
    #[must_use]
    fn with_log(mut self, log: &Log, faults: Vec<LogFault>, model: &Model) -> Self {
        self.alarms.extend(faults.into_iter().map(Alarm::LogFault));
        self.alarms.sort_by_key(Alarm::rank);
        let reference = model.profile.activity.as_ref();
        self.events = reference.map(|known| EventNameDrift::new(log, known, &self.alarms));
        self
    }

    /// Adds earlier scores compared with outcomes, and an alarm if they are miscalibrated.
    #[must_use]
    pub fn with_outcomes(mut self, realized: Option<RealizedPerformance>) -> Self {
        self.alarms
            .extend(realized.as_ref().and_then(|realized| miscalibrated(&realized.evaluation)));
        self.alarms.sort_by_key(Alarm::rank);
        self.realized = realized;
        self
    }

    /// Returns the number of rows that were compared with the training rows.
    #[must_use]
    pub fn compared_rows(&self) -> u64 {
        self.rows - self.not_compared
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
