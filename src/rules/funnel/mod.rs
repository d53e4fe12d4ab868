//! Funnel from sign-up to PQL to customer: conversion rates, comparison of PQLs with other accounts
//! at a landmark, and times between the stages.
//!
//! An account is a PQL from the time it matches a definition, unless it is already a customer.
//! Customers that match later are counted separately.

mod cohort;
mod landmark;
mod metrics;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use cohort::{CohortPeriod, Traffic};
pub use landmark::LandmarkComparison;
pub use metrics::{ConversionAfter, FunnelMetrics, PqlRevenue};
use pql_stats::intervals::Interval;
pub use pql_stats::survival::KaplanMeier;
pub use rate::Rate;
use serde::Serialize;

use crate::config::DefinitionKind;
use crate::error::{Error, Result};
use crate::escape::one_line;
use crate::io::sink::Sink;
use crate::log::{Log, Visitors};
use crate::rules::definition::{Definition, first_matches};
use crate::time::{Zone, ZonedTime, in_days, midnight};
use crate::warning::{Notice, Warning};

/// Typical range of the share of sign-ups that become PQLs.
///
/// # Source
/// SaaS Journey, Product Qualified Lead (PQL), mysaasjourney.com. Other sources quote other ranges;
/// no range is based on a study
pub const TYPICAL_PQL_SHARE: Interval = Interval { low: 0.15, high: 0.25 };

/// Typical range of the share of PQLs that become customers. Source as for [`TYPICAL_PQL_SHARE`].
pub const TYPICAL_CUSTOMER_SHARE: Interval = Interval { low: 0.20, high: 0.40 };

/// Stages of one account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountJourney {
    /// Sign-up, µs UTC.
    pub signed_up: i64,
    /// First match of the definition, µs UTC; `None`: never.
    pub first_match: Option<i64>,
    /// Conversion, µs UTC; [`NEVER`](crate::time::NEVER) if unknown.
    pub converted: i64,
    /// Churn, µs UTC; [`NEVER`](crate::time::NEVER) if unknown.
    pub churned: i64,
    /// Current revenue, NaN if unknown.
    pub revenue: f64,
    /// Revenue at the conversion, NaN if unknown.
    pub first_revenue: f64,
}

impl AccountJourney {
    /// Returns when the account became a PQL: the first match, unless it was already a customer.
    #[must_use]
    pub fn pql(&self) -> Option<i64> {
        self.first_match.filter(|time| *time <= self.converted)
    }
}

/// Time windows of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunnelWindow {
    /// Time limit of the definition after sign-up, µs; `None`: no limit.
    pub within: Option<i64>,
    /// Length of the outcome window, µs.
    pub horizon: i64,
    /// End of the log, µs UTC.
    pub until: i64,
    /// Whether times are dates only. A landmark is then moved to the next midnight.
    pub date_only: bool,
    /// The zone of the midnights.
    pub zone: Zone,
}

/// Level of a row of the funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FunnelLevel {
    /// One definition.
    Definition,
    /// All definitions of one type: the first match counts.
    Type,
    /// All definitions: the first match counts.
    Any,
}

/// Metrics of a definition, of a type or of all definitions, for one cohort or all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunnelRow {
    /// Level of the row.
    pub level: FunnelLevel,
    /// Name of the definition or type, or `any`.
    pub name: String,
    /// Type of the definitions; `None` for all definitions.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// Number of definitions.
    pub definitions: usize,
    /// Time limit after sign-up, days; `None`: no limit.
    pub within_days: Option<f64>,
    /// Month (`2025-01`) or Monday (`2025-01-06`) of the sign-ups, or `all`.
    pub cohort: String,
    /// Visitors and sign-ups among them; `None` without a visitors file.
    pub visitors: Option<Traffic>,
    /// Metrics.
    pub metrics: FunnelMetrics,
}

impl FunnelRow {
    /// Returns whether the row differs from all others. A type with a single definition repeats the
    /// row of that definition.
    #[must_use]
    pub fn is_distinct(&self) -> bool {
        self.level == FunnelLevel::Definition || self.definitions > 1
    }

    /// Returns a title for tables, on one line.
    #[must_use]
    pub fn title(&self) -> String {
        let name = one_line(&self.name);
        match self.level {
            FunnelLevel::Definition => name.into_owned(),
            FunnelLevel::Type => format!("type: {name}"),
            FunnelLevel::Any => "any definition".to_owned(),
        }
    }
}

/// Name of the cohort that contains all sign-ups.
pub const ALL: &str = "all";

/// Options of a funnel.
#[derive(Debug, Clone, Copy)]
pub struct FunnelOptions<'a> {
    /// Period of the cohorts.
    pub by: CohortPeriod,
    /// Length of the outcome window, µs.
    pub horizon: i64,
    /// Accounts that signed up earlier are skipped, µs UTC.
    pub since: i64,
    /// Visitors per day.
    pub visitors: Option<&'a Visitors>,
}

/// Funnel of the sign-ups of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Funnel {
    /// Number of skipped accounts, which signed up before the start of the log.
    pub before_log: u64,
    /// Number of skipped internal and test accounts, and accounts outside of the territory.
    pub ineligible: u64,
    /// Rows of all sign-ups by definition, type and all definitions, then the same by cohort.
    pub rows: Vec<FunnelRow>,
}

impl Funnel {
    /// Reports warnings about the metrics.
    pub(crate) fn report(&self, log: &Log, plan: &FunnelOptions<'_>, sink: &mut Sink<'_>) {
        if self.before_log > 0 {
            sink.notify(Notice::EarlyAccountsSkipped {
                accounts: self.before_log,
                since: ZonedTime::new(plan.since, log.zone),
            });
        }
        if self.ineligible > 0 {
            sink.notify(Notice::IneligibleAccountsSkipped { accounts: self.ineligible });
        }
        if !log.listed {
            sink.notify(Warning::FunnelWithoutAccountList);
        }
        for row in self.rows.iter().filter(|row| {
            log.date_only && row.cohort == ALL && row.level == FunnelLevel::Definition
        }) {
            let FunnelMetrics { customers, customers_same_day: same_day, .. } = row.metrics;
            if same_day > 0 {
                sink.notify(Warning::SameDayCustomers {
                    same_day,
                    customers,
                    definition: row.name.clone(),
                });
            }
        }
        if let Some(traffic) = self.rows.first().and_then(|row| row.visitors) {
            if traffic.sign_ups > traffic.visitors {
                sink.notify(Warning::MoreSignUpsThanVisitors {
                    visitors: traffic.visitors,
                    sign_ups: traffic.sign_ups,
                });
            }
            if traffic.sign_ups_on_other_days > 0 {
                sink.notify(Warning::VisitorDaysMissing {
                    sign_ups: traffic.sign_ups_on_other_days,
                });
            }
        }
    }
}

/// Computes the funnel from sign-up to PQL to customer.
///
/// # Errors
/// * [`Error::NoSignUps`]: every account signed up before the log begins
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn funnel(log: &Log, definitions: &[Definition], plan: &FunnelOptions<'_>) -> Result<Funnel> {
    let accounts = &log.accounts;
    let mut in_log: Vec<usize> = (0..accounts.id.len())
        .filter(|account| accounts.signed_up[*account] >= plan.since)
        .collect();
    let before_log = (accounts.id.len() - in_log.len()) as u64;
    let all = in_log.len();
    if let Some(exclusions) = &log.exclusions {
        in_log.retain(|account| !exclusions.is_lasting(log, *account));
    }
    let ineligible = (all - in_log.len()) as u64;
    if in_log.is_empty() {
        return Err(Error::NoSignUps { since: ZonedTime::new(plan.since, log.zone) });
    }
    let times = first_matches(definitions, log)?;
    // Visitors are counted by local day, so that cohorts are compared in local time.
    let local = |t: i64| t + log.zone.offset(t);
    let sign_up_times: Vec<i64> = accounts.signed_up.iter().map(|t| local(*t)).collect();
    let mut cohorts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for account in &in_log {
        cohorts.entry(plan.by.cohort(sign_up_times[*account])).or_default().push(*account);
    }
    let known = |day: &&i64| (midnight(local(plan.since))..local(log.until)).contains(*day);
    for day in plan.visitors.into_iter().flat_map(Visitors::keys).filter(known) {
        cohorts.entry(plan.by.cohort(*day)).or_default();
    }
    let row_definitions = definitions_by_row(definitions);
    let traffic = |members: &[usize], cohort: Option<&str>| {
        let days = plan
            .visitors?
            .iter()
            .filter(|(day, _)| known(day))
            .filter(|(day, _)| cohort.is_none_or(|c| plan.by.cohort(**day) == c));
        Some(Traffic::compute(
            days.map(|(day, count)| (*day, *count)),
            members.iter().map(|account| sign_up_times[*account]),
        ))
    };
    let row = |matched: &RowDefinitions<'_>, cohort: Option<&str>, members: &[usize]| {
        let window = FunnelWindow {
            within: matched.within,
            horizon: plan.horizon,
            until: log.until,
            date_only: log.date_only,
            zone: log.zone,
        };
        let journeys: Vec<AccountJourney> = members
            .iter()
            .map(|account| journey(log, *account, matched.first_match(&times, *account)))
            .collect();
        let metrics = FunnelMetrics::compute(&journeys, &window, accounts.revenue.is_some());
        matched.row(cohort.unwrap_or(ALL), traffic(members, cohort), metrics)
    };
    let mut rows: Vec<FunnelRow> =
        row_definitions.iter().map(|matched| row(matched, None, &in_log)).collect();
    for matched in &row_definitions {
        rows.extend(cohorts.iter().map(|(cohort, members)| row(matched, Some(cohort), members)));
    }
    Ok(Funnel { before_log, ineligible, rows })
}

fn journey(log: &Log, account: usize, first_match: Option<i64>) -> AccountJourney {
    let accounts = &log.accounts;
    let number =
        |column: &Option<Vec<f64>>| column.as_ref().map_or(f64::NAN, |values| values[account]);
    AccountJourney {
        signed_up: accounts.signed_up[account],
        first_match,
        converted: accounts.converted[account],
        churned: accounts.churned[account],
        revenue: number(&accounts.revenue),
        first_revenue: number(&accounts.first_revenue),
    }
}

/// Definitions of one row; the first match counts.
struct RowDefinitions<'a> {
    level: FunnelLevel,
    name: &'a str,
    kind: Option<DefinitionKind>,
    within: Option<i64>,
    /// Indices of the definitions.
    members: Vec<usize>,
}

/// Returns the definitions of each row: each definition, each type and all definitions.
fn definitions_by_row(definitions: &[Definition]) -> Vec<RowDefinitions<'_>> {
    let entry = |level, name, kind, members: Vec<usize>| {
        // Several definitions have a limit only if each has one: the longest.
        let within: Option<Vec<i64>> =
            members.iter().map(|index| definitions[*index].within).collect();
        RowDefinitions {
            level,
            name,
            kind,
            within: within.and_then(|all| all.into_iter().max()),
            members,
        }
    };
    let each = definitions.iter().enumerate();
    let mut rows: Vec<RowDefinitions<'_>> = each
        .clone()
        .map(|(index, one)| {
            entry(FunnelLevel::Definition, one.name.as_str(), Some(one.kind), vec![index])
        })
        .collect();
    let kinds: BTreeSet<DefinitionKind> = definitions.iter().map(|one| one.kind).collect();
    for kind in kinds {
        let members =
            each.clone().filter(|(_, one)| one.kind == kind).map(|(index, _)| index).collect();
        rows.push(entry(FunnelLevel::Type, kind.name(), Some(kind), members));
    }
    rows.push(entry(FunnelLevel::Any, "any", None, (0..definitions.len()).collect()));
    rows
}

impl RowDefinitions<'_> {
    /// Returns the first match of any of the definitions.
    fn first_match(&self, times: &[Vec<Option<i64>>], account: usize) -> Option<i64> {
        self.members.iter().filter_map(|index| times[*index][account]).min()
    }

    fn row(&self, cohort: &str, visitors: Option<Traffic>, metrics: FunnelMetrics) -> FunnelRow {
        FunnelRow {
            level: self.level,
            name: self.name.to_owned(),
            kind: self.kind.map(DefinitionKind::name),
            definitions: self.members.len(),
            within_days: self.within.map(in_days),
            cohort: cohort.to_owned(),
            visitors,
            metrics,
        }
    }
}
