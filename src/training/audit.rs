//! The leakage audit: looks for columns and events that may leak the outcome into the training
//! rows.
//!
//! A finding exceeds its threshold significantly, so that few accounts alone give none. It is a
//! sign of leakage, not a proof.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{Column, DataType};
use pql_stats::counts::{count, share};
use pql_stats::intervals::{Z_95, wilson};
use pql_stats::metrics::{BaseRate, roc_auc, roc_auc_sorted};
use pql_stats::power::auc_std_error;
use rayon::prelude::*;

use crate::config::DesignConfig;
use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::features::{Feature, FeatureCatalog, FeatureKind};
use crate::dataset::observations::Observations;
use crate::dataset::rows::Rows;
use crate::dataset::sorted_features::{RowSubset, SortedFeatures};
use crate::dataset::split::Split;
use crate::error::Result;
use crate::log::{Events, Log};
use crate::model::encoder::MISSING;
use crate::time::{DAY, TimeSpan};
use crate::warning::{Finding, MeasureImportance, Origin, Warning};

/// AUC, or 1 − AUC, that a column or a model must exceed significantly.
const HIGH_AUC: f64 = 0.90;
/// Minimum number of distinct accounts of each outcome.
const MIN_ACCOUNTS: usize = 10;
/// Share of converting rows from which on a nonzero column is nearly pure; also the shares from
/// which on an event follows from the conversion.
const PURE: f64 = 0.90;
/// Base rate at or above which such a share is not suspicious.
const HIGH_BASE_RATE: f64 = 0.50;
/// Share of the accounts with an event before their conversion that have it only in the last day,
/// at or above which it announces the conversion.
const ANNOUNCES: f64 = 0.50;
/// Largest distance of the lower 95% limit of a share below its threshold.
const TOLERANCE: f64 = 0.10;
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
/// The AUC of a number is computed over the rows in which it is not missing. Its standard error is
/// that of the distinct accounts of each outcome with these rows.
///
/// # Arguments
/// * `sorted` – the features of the rows, sorted
/// * `train` – indices of the training rows, with both outcomes
/// * `config` – which columns are candidates, and which numbers are treated as text
/// # Errors
/// * [`MissingFeature`](crate::Error::MissingFeature), [`FeatureType`](crate::Error::FeatureType):
///   a column is absent or has an unsupported type
pub(crate) fn columns(
    rows: &Rows,
    sorted: &SortedFeatures<'_>,
    train: &[u32],
    config: &DesignConfig,
) -> Result<Vec<Finding>> {
    let subset = RowSubset::new(train, rows.y.len());
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
            let ascending = sorted.ascending(&feature.name, &subset)?.into_iter();
            let auc = roc_auc_sorted(
                ascending.map(|(row, value)| (value, rows.y[row as usize] == Some(true))),
            );
            let values = numbers(column, Some(train))?;
            Ok(outcomes.number(&AuditedColumn { name: &feature.name, origin }, &values, auc))
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
    ///
    /// # Arguments
    /// * `auc` – AUC of the values that are not missing
    fn number(
        &self,
        audited: &AuditedColumn<'_>,
        values: &[Option<f64>],
        auc: Option<f64>,
    ) -> Vec<Finding> {
        let (mut missing, mut present) = (Vec::new(), Vec::new());
        for (row, value) in values.iter().enumerate() {
            match value {
                None => missing.push(row),
                Some(value) if *value != 0.0 => present.push(row),
                Some(_) => {}
            }
        }
        let auc = auc
            .filter(|auc| is_extreme(*auc, || self.accounts_by_outcome(|r| values[r].is_some())));
        let mut found: Vec<Finding> = auc.map(|auc| audited.high_auc(auc)).into_iter().collect();
        found.extend(self.near_pure(audited, &present));
        let name = format!("missing_{}", audited.name);
        found.extend(
            self.indicator(
                &AuditedColumn { name: &name, origin: audited.origin.clone() },
                &missing,
            ),
        );
        found
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
            is_extreme(auc, || self.accounts_by_outcome(|_| true)).then(|| audited.high_auc(auc));
        high_auc.into_iter().chain(self.near_pure(audited, present)).collect()
    }

    /// Returns a finding if nearly all rows with a nonzero value convert.
    fn near_pure(&self, audited: &AuditedColumn<'_>, present: &[usize]) -> Option<Finding> {
        let base_rate = share(self.positive, self.y.len());
        let positive = present.iter().filter(|row| self.y[**row]).count();
        if present.is_empty()
            || share(positive, present.len()) < PURE
            || base_rate >= HIGH_BASE_RATE
        {
            return None;
        }
        let y: Vec<bool> = present.iter().map(|row| self.y[*row]).collect();
        let group: Vec<u32> = present.iter().map(|row| self.account[*row]).collect();
        let BaseRate { rate, independent_rows } = BaseRate::compute(&y, &group);
        let converted = present.iter().copied().filter(|row| self.y[*row]);
        let accounts = self.accounts(converted.clone());
        (accounts >= MIN_ACCOUNTS && reaches(rate, independent_rows, PURE)).then(|| {
            Finding::NearPure {
                column: audited.name.to_owned(),
                origin: audited.origin.clone(),
                rows: present.len() as u64,
                converted: converted.count() as u64,
                accounts: accounts as u64,
                base_rate,
            }
        })
    }

    /// Returns the numbers of distinct accounts that convert and that do not, among the selected
    /// rows.
    fn accounts_by_outcome(&self, selected: impl Fn(usize) -> bool) -> [usize; 2] {
        let rows = || (0..self.y.len()).filter(|row| selected(*row));
        [true, false].map(|outcome| self.accounts(rows().filter(|row| self.y[*row] == outcome)))
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

/// Returns whether an AUC is too far from 0.5, beyond chance.
///
/// # Arguments
/// * `accounts` – returns the numbers of converting and of other accounts
fn is_extreme(auc: f64, accounts: impl Fn() -> [usize; 2]) -> bool {
    let excess = auc.max(1.0 - auc) - HIGH_AUC;
    excess >= 0.0 && {
        let accounts = accounts();
        let [converting, others] = accounts.map(count);
        accounts.iter().all(|n| *n >= MIN_ACCOUNTS)
            && excess >= Z_95 * auc_std_error(HIGH_AUC, converting, others)
    }
}

/// Returns whether a share reaches a minimum, and its lower 95% limit nearly so.
///
/// # Arguments
/// * `n` – number of independent rows, above 0
fn reaches(share: f64, n: f64, minimum: f64) -> bool {
    share >= minimum && wilson(share, n).low >= minimum - TOLERANCE
}

/// Numbers of training accounts with an event type before and after their conversions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventTiming {
    /// Event type.
    pub event: String,
    /// Accounts with the event.
    pub accounts: u64,
    /// Converting accounts with the event.
    pub converting: u64,
    /// Converting accounts with the event before the conversion.
    pub before: u64,
    /// Accounts of `before` that have the event only in the last 24 hours before the conversion,
    /// or later.
    pub last_day: u64,
}

impl EventTiming {
    fn add(&mut self, other: &Self) {
        self.accounts += other.accounts;
        self.converting += other.converting;
        self.before += other.before;
        self.last_day += other.last_day;
    }
}

/// Counts the training accounts with each event type before and after their conversions, from data
/// before the first test cutoff.
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

/// Counts some accounts in one part of the log.
fn event_timing_in(log: &Log, events: &Events, accounts: &[u32], until: i64) -> Vec<EventTiming> {
    let mut counts = vec![EventTiming::default(); log.events.names.len()];
    // Times at which the account first has each event, and the events that it has.
    let mut first = vec![i64::MAX; counts.len()];
    let mut present = Vec::new();
    for &account in accounts {
        for i in events.account_range(account as usize) {
            let (event, known_at) = (usize::from(events.event[i]), events.known_at(i));
            if known_at < until {
                if first[event] == i64::MAX {
                    present.push(event);
                }
                first[event] = first[event].min(known_at);
            }
        }
        let converted = Some(log.accounts.converted[account as usize]).filter(|t| *t < until);
        for event in present.drain(..) {
            let first = std::mem::replace(&mut first[event], i64::MAX);
            let counts = &mut counts[event];
            counts.accounts += 1;
            if let Some(converted) = converted {
                counts.converting += 1;
                counts.before += u64::from(first < converted);
                counts.last_day += u64::from(first < converted && first >= converted - DAY);
            }
        }
    }
    counts
}

/// Finds events that nearly all accounts have only after conversions, or many only on the day
/// before.
///
/// # Arguments
/// * `gap` – time between cutoff and horizon; from 24 hours on, no row contains the last day before
///   its conversion
#[must_use]
pub fn events(timings: &[EventTiming], gap: TimeSpan) -> Vec<Finding> {
    let enough = |part: u64, whole: u64, minimum: f64| {
        whole >= MIN_ACCOUNTS as u64 && reaches(share(part, whole), count(whole), minimum)
    };
    let mut found = Vec::new();
    for EventTiming { event, accounts, converting, before, last_day } in timings {
        let after = converting - before;
        // Events of many other accounts are usage, which paying accounts continue for longer.
        if enough(after, *converting, PURE) && enough(*converting, *accounts, PURE) {
            found.push(Finding::AfterConversion {
                event: event.clone(),
                accounts: *converting,
                after,
            });
        }
        if gap.0 < DAY && enough(*last_day, *before, ANNOUNCES) {
            found.push(Finding::JustBeforeConversion {
                event: event.clone(),
                accounts: *before,
                last_day: *last_day,
            });
        }
    }
    found
}

/// Compares the newest value of each attribute with its value at the cutoffs. Returns a warning for
/// each attribute that changed later: an export without a history would have shown the later value.
#[must_use]
pub fn changed_attributes(log: &Log, observations: &Observations) -> Vec<Warning> {
    let Some(history) = &log.accounts.history else { return Vec::new() };
    let cutoffs = || observations.account.iter().zip(&observations.cutoff);
    let accounts = observations.account.iter().collect::<BTreeSet<_>>().len() as u64;
    let mut warnings = Vec::new();
    for column in log.accounts.attributes.columns() {
        let value = |row: Option<u32>| row.and_then(|row| column.get(row as usize).ok());
        let is_changed = |(account, cutoff): &(&u32, &i64)| {
            let (then, latest) = (history.row(**account, **cutoff), history.latest(**account));
            then != latest
                && value(then).filter(|v| !v.is_null()) != value(latest).filter(|v| !v.is_null())
        };
        let changed: BTreeSet<u32> = cutoffs().filter(is_changed).map(|(a, _)| *a).collect();
        if !changed.is_empty() {
            let (attribute, changed) = (column.name().to_string(), changed.len() as u64);
            warnings.push(Warning::AttributeChanged { attribute, changed, accounts });
        }
    }
    warnings
}

/// Returns a finding if a model is too good beyond chance, with its most important measures.
///
/// # Arguments
/// * `log_odds` – cross-fitted log-odds of the training rows
/// * `group` – number of the account of each row
/// * `importance` – returns the measures with their importance, largest first
#[must_use]
pub fn model(
    y: &[bool],
    log_odds: &[f64],
    group: &[u32],
    importance: impl FnOnce() -> Vec<(String, f64)>,
) -> Option<Finding> {
    let accounts = || {
        [true, false].map(|outcome| {
            let rows = y.iter().zip(group).filter(|(y, _)| **y == outcome);
            rows.map(|(_, account)| account).collect::<BTreeSet<_>>().len()
        })
    };
    let auc = roc_auc(y, log_odds).filter(|auc| *auc >= MODEL_AUC && is_extreme(*auc, accounts))?;
    let named = |(measure, importance)| MeasureImportance { measure, importance };
    let most_important = importance().into_iter().take(LISTED_MEASURES).map(named).collect();
    Some(Finding::ModelAuc { auc, most_important })
}

#[cfg(test)]
mod tests;
