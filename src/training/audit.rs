//! The leakage audit: looks for columns and events that may leak the outcome into the training
//! rows.
//!
//! No single measure has reached these thresholds in data without leakage so far. A finding is a
//! sign of leakage, not a proof.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{Column, DataType};
use pql_stats::counts::share;
use pql_stats::metrics::roc_auc;
use rayon::prelude::*;

use crate::config::DesignConfig;
use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::features::{Feature, FeatureCatalog, FeatureKind};
use crate::dataset::observations::Observations;
use crate::dataset::rows::Rows;
use crate::dataset::split::Split;
use crate::error::Result;
use crate::log::{Events, Log};
use crate::model::encoder::MISSING;
use crate::time::{DAY, TimeSpan};
use crate::warning::{Finding, MeasureImportance, Origin};

/// A column with an AUC at or below the first, or at or above the second value is a finding.
const AUC_LIMITS: [f64; 2] = [0.10, 0.90];
/// Minimum number of distinct accounts of each outcome.
const MIN_ACCOUNTS: usize = 10;
/// Share of converting rows at or above which a nonzero column is nearly pure.
const PURE: f64 = 0.90;
/// Base rate at or above which such a share is not suspicious.
const HIGH_BASE_RATE: f64 = 0.50;
/// Minimum number of occurrences of an event in converting accounts.
const MIN_OCCURRENCES: u64 = 20;
/// Share of occurrences at or after the conversion from which on an event follows from it.
const FOLLOWS: f64 = 0.95;
/// Share of converting accounts among those with an event, from which on the event can follow from
/// the conversion. Events of many other accounts are usage, which paying accounts continue for
/// longer.
const MOSTLY_CONVERTING: f64 = 0.90;
/// Share of the occurrences before a conversion that are in its last day, from which on an event
/// announces the conversion.
const ANNOUNCES: f64 = 0.50;
/// Cross-validated AUC at or above which a model is a finding.
const MODEL_AUC: f64 = 0.95;
/// Number of measures listed with a model.
const LISTED_MEASURES: usize = 3;

/// Outcomes and accounts of the training rows.
struct Outcomes {
    y: Vec<bool>,
    account: Vec<u32>,
    positive: usize,
}

/// A column that is audited.
struct AuditedColumn<'a> {
    name: &'a str,
    origin: Origin,
}

/// Audits every candidate column on the training rows: each number, each level of a text, and each
/// missing indicator.
///
/// The AUC of a number is computed over the rows in which it is not missing. A column is only a
/// finding if at least 10 distinct accounts of each outcome have these rows.
///
/// # Arguments
/// * `train` – indices of the training rows, with both outcomes
/// * `config` – which columns are candidates, and which numbers are treated as text
/// # Errors
/// * [`MissingFeature`](crate::Error::MissingFeature), [`FeatureType`](crate::Error::FeatureType):
///   a column is absent or has an unsupported type
pub fn columns(rows: &Rows, train: &[u32], config: &DesignConfig) -> Result<Vec<Finding>> {
    let y = rows.outcomes(train);
    let outcomes =
        Outcomes { positive: y.iter().filter(|y| **y).count(), account: rows.accounts(train), y };
    let candidate = |f: &&Feature| config.include.is_empty() || config.include.contains(&f.name);
    let candidates: Vec<&Feature> = rows.design_features.iter().filter(candidate).collect();
    let audit = |feature: &&Feature| {
        let column = feature_column(&rows.features, &feature.name)?;
        let origin = origin(feature, rows.catalog.as_ref());
        if column.dtype() == &DataType::String || config.categorical.contains(&feature.name) {
            outcomes.text(&AuditedColumn { name: &feature.name, origin }, column, train)
        } else {
            outcomes.number(&AuditedColumn { name: &feature.name, origin }, column, train)
        }
    };
    let found: Vec<Vec<Finding>> = candidates.par_iter().map(audit).collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Returns where a feature comes from.
fn origin(feature: &Feature, catalog: Option<&FeatureCatalog>) -> Origin {
    let Some(catalog) = catalog else { return Origin::Matrix };
    let named = |prefix, names: &[String]| {
        feature
            .measure
            .strip_prefix(prefix)
            .filter(|n| names.iter().any(|name| name == n))
            .map(str::to_owned)
    };
    match feature.kind {
        FeatureKind::External => Origin::Attribute(feature.name.clone()),
        FeatureKind::Count => {
            named("count_", &catalog.counted_events).map_or(Origin::Usage, Origin::Event)
        }
        FeatureKind::Sum => {
            named("sum_", &catalog.summed_properties).map_or(Origin::Usage, Origin::Property)
        }
        FeatureKind::Derived if feature.measure == "seat_utilization" => Origin::Seats,
        FeatureKind::Duration | FeatureKind::Derived => Origin::Usage,
    }
}

impl Outcomes {
    /// Audits a number.
    fn number(
        &self,
        audited: &AuditedColumn<'_>,
        column: &Column,
        train: &[u32],
    ) -> Result<Vec<Finding>> {
        let values = numbers(column, Some(train))?;
        let (mut y, mut known, mut missing, mut present) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (row, value) in values.iter().enumerate() {
            match value {
                None => missing.push(row),
                Some(value) => {
                    y.push(self.y[row]);
                    known.push(*value);
                    if *value != 0.0 {
                        present.push(row);
                    }
                }
            }
        }
        let auc = roc_auc(&y, &known).filter(|auc| {
            is_extreme(*auc) && self.has_enough_accounts(|row| values[row].is_some())
        });
        let mut found: Vec<Finding> = auc.map(|auc| audited.high_auc(auc)).into_iter().collect();
        found.extend(self.near_pure(audited, &present));
        let name = format!("missing_{}", audited.name);
        found.extend(
            self.indicator(
                &AuditedColumn { name: &name, origin: audited.origin.clone() },
                &missing,
            ),
        );
        Ok(found)
    }

    /// Audits the levels of a text.
    fn text(
        &self,
        audited: &AuditedColumn<'_>,
        column: &Column,
        train: &[u32],
    ) -> Result<Vec<Finding>> {
        let values = texts(column, Some(train))?;
        let mut levels: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, value) in values.iter().enumerate() {
            levels.entry(value.as_deref().unwrap_or(MISSING)).or_default().push(row);
        }
        let mut found = Vec::new();
        for (level, present) in levels {
            let name = format!("{}={level}", audited.name);
            found.extend(self.indicator(
                &AuditedColumn { name: &name, origin: audited.origin.clone() },
                &present,
            ));
        }
        Ok(found)
    }

    /// Audits a 0/1 column. Its AUC is ½(1 + share of ones among converting rows − share among
    /// others).
    fn indicator(&self, audited: &AuditedColumn<'_>, present: &[usize]) -> Vec<Finding> {
        if present.is_empty() {
            return Vec::new();
        }
        let positive = present.iter().filter(|row| self.y[**row]).count();
        let auc = 0.5
            + (share(positive, self.positive)
                - share(present.len() - positive, self.y.len() - self.positive))
                / 2.0;
        let high_auc =
            (is_extreme(auc) && self.has_enough_accounts(|_| true)).then(|| audited.high_auc(auc));
        high_auc.into_iter().chain(self.near_pure(audited, present)).collect()
    }

    /// Returns a finding if nearly all rows with a nonzero value convert.
    fn near_pure(&self, audited: &AuditedColumn<'_>, present: &[usize]) -> Option<Finding> {
        let positive: Vec<usize> = present.iter().copied().filter(|row| self.y[*row]).collect();
        let base_rate = share(self.positive, self.y.len());
        if base_rate >= HIGH_BASE_RATE
            || positive.len() < MIN_ACCOUNTS
            || share(positive.len(), present.len()) < PURE
        {
            return None;
        }
        let accounts = self.accounts(positive.iter().copied());
        (accounts >= MIN_ACCOUNTS).then(|| Finding::NearPure {
            column: audited.name.to_owned(),
            origin: audited.origin.clone(),
            rows: present.len() as u64,
            converted: positive.len() as u64,
            accounts: accounts as u64,
            base_rate,
        })
    }

    /// Returns whether enough distinct accounts have each outcome among the selected rows.
    fn has_enough_accounts(&self, selected: impl Fn(usize) -> bool) -> bool {
        let rows = || (0..self.y.len()).filter(|row| selected(*row));
        [true, false].iter().all(|outcome| {
            self.accounts(rows().filter(|row| self.y[*row] == *outcome)) >= MIN_ACCOUNTS
        })
    }

    fn accounts(&self, rows: impl Iterator<Item = usize>) -> usize {
        rows.map(|row| self.account[row]).collect::<BTreeSet<u32>>().len()
    }
}

impl AuditedColumn<'_> {
    fn high_auc(&self, auc: f64) -> Finding {
        Finding::HighAuc { column: self.name.to_owned(), origin: self.origin.clone(), auc }
    }
}

/// Returns whether an AUC is too far from 0.5.
fn is_extreme(auc: f64) -> bool {
    auc <= AUC_LIMITS[0] || auc >= AUC_LIMITS[1]
}

/// Occurrences of an event before and after the conversions of the training accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventTiming {
    /// Event type.
    pub event: String,
    /// Training accounts with the event.
    pub accounts: u64,
    /// Converting accounts among them.
    pub converting: u64,
    /// Occurrences before the conversion.
    pub before: u64,
    /// Occurrences in the last 24 hours before the conversion.
    pub last_day: u64,
    /// Occurrences at or after the conversion.
    pub after: u64,
}

impl EventTiming {
    fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.converting += other.converting;
        self.before += other.before;
        self.last_day += other.last_day;
        self.after += other.after;
    }
}

/// Counts the occurrences of each event type before and after conversions, from data before the
/// first test cutoff.
///
/// An event counts from its receipt time on. A conversion with a date only counts as 00:00 UTC:
/// events of that day are at or after it.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn event_timing(log: &Log, observations: &Observations) -> Result<Vec<EventTiming>> {
    let until = observations.first_test.unwrap_or(log.until);
    let mut accounts: Vec<u32> = observations
        .split_rows(Split::Train)
        .iter()
        .map(|row| observations.account[*row as usize])
        .collect();
    accounts.dedup();
    let mut all: Vec<EventTiming> = log
        .events
        .names
        .iter()
        .map(|name| EventTiming { event: name.to_owned(), ..EventTiming::default() })
        .collect();
    let parts = log.events.map(|events| {
        let index = |code: usize| accounts.partition_point(|account| (*account as usize) < code);
        let accounts = &accounts[index(events.accounts.start)..index(events.accounts.end)];
        event_timing_in(log, events, accounts, until)
    })?;
    for part in parts {
        all.iter_mut().zip(&part).for_each(|(sum, counts)| sum.add(counts));
    }
    Ok(all)
}

/// Counts the occurrences for some accounts in one part of the log.
fn event_timing_in(log: &Log, events: &Events, accounts: &[u32], until: i64) -> Vec<EventTiming> {
    let mut counts = vec![EventTiming::default(); log.events.names.len()];
    let mut last_account = vec![u32::MAX; counts.len()];
    for &account in accounts {
        let converted = Some(log.accounts.converted[account as usize]).filter(|t| *t < until);
        for i in events.account_range(account as usize) {
            let known_at = events.known_at(i);
            if known_at >= until {
                continue;
            }
            let event = usize::from(events.event[i]);
            let counts = &mut counts[event];
            if std::mem::replace(&mut last_account[event], account) != account {
                counts.accounts += 1;
                counts.converting += u64::from(converted.is_some());
            }
            if let Some(converted) = converted {
                counts.after += u64::from(known_at >= converted);
                counts.before += u64::from(known_at < converted);
                counts.last_day += u64::from(known_at < converted && known_at >= converted - DAY);
            }
        }
    }
    counts
}

/// Finds events that mostly occur after conversions or on the day before.
///
/// # Arguments
/// * `gap` – time between cutoff and horizon; from 24 hours on, no row contains the last day before
///   its conversion
#[must_use]
pub fn events(timings: &[EventTiming], gap: TimeSpan) -> Vec<Finding> {
    let reaches = |part: u64, whole: u64, minimum: f64| {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = part as f64 / whole as f64;
        share >= minimum
    };
    let mut found = Vec::new();
    for EventTiming { event, accounts, converting, before, last_day, after } in timings {
        let occurrences = before + after;
        if occurrences >= MIN_OCCURRENCES
            && reaches(*after, occurrences, FOLLOWS)
            && reaches(*converting, *accounts, MOSTLY_CONVERTING)
        {
            found.push(Finding::AfterConversion {
                event: event.clone(),
                occurrences,
                after: *after,
            });
        }
        if gap.0 < DAY && *before >= MIN_OCCURRENCES && reaches(*last_day, *before, ANNOUNCES) {
            found.push(Finding::JustBeforeConversion {
                event: event.clone(),
                before: *before,
                last_day: *last_day,
            });
        }
    }
    found
}

/// Returns a finding if a model is too good, with its most important measures.
///
/// # Arguments
/// * `auc` – cross-validated ROC AUC
/// * `importance` – measures with their importance, largest first
#[must_use]
pub fn model(auc: Option<f64>, importance: &[(String, f64)]) -> Option<Finding> {
    let named = |(measure, importance): &(String, f64)| MeasureImportance {
        measure: measure.clone(),
        importance: *importance,
    };
    let most_important = || importance.iter().take(LISTED_MEASURES).map(named).collect();
    auc.filter(|auc| *auc >= MODEL_AUC)
        .map(|auc| Finding::ModelAuc { auc, most_important: most_important() })
}

#[cfg(test)]
mod tests;
