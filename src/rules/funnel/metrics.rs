//! Metrics of one cohort for one definition.

use pql_stats::counts::count;
use pql_stats::intervals::Interval;
use pql_stats::quantile::median;
use pql_stats::survival::FollowUp;
use serde::Serialize;

use super::{AccountJourney, FunnelWindow, KaplanMeier, LandmarkComparison, Rate};
use crate::time::{DAY, NEVER, in_days};

/// Days after the first match at which the share of customers is reported.
const DAYS: [u32; 4] = [7, 14, 30, 90];

/// Funnel metrics of a cohort.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunnelMetrics {
    /// Number of sign-ups.
    pub sign_ups: u64,
    /// Accounts that matched the definition by the end of the log, not later than their
    /// conversion.
    pub pqls: u64,
    /// PQLs that converted by the end of the log.
    pub customers: u64,
    /// Customers that converted on the UTC day of the first match.
    pub customers_same_day: u64,
    /// Accounts that first matched after their conversion.
    pub already_customers: u64,
    /// Customers that never matched.
    pub customers_without_match: u64,
    /// Share of sign-ups that become PQLs within `within` of the sign-up (without a limit: within
    /// the horizon).
    pub sign_up_to_pql: Rate,
    /// Share of PQLs that convert within the horizon after the first match.
    pub pql_to_customer: Rate,
    /// Share of sign-ups that convert within the horizon after the sign-up.
    pub sign_up_to_customer: Rate,
    /// PQLs compared with other accounts from sign-up + `within`; `None` without a limit.
    pub landmark: Option<LandmarkComparison>,
    /// Share of PQLs that converted by some days after the first match.
    pub converted_after: Vec<ConversionAfter>,
    /// Median days from sign-up to the first match among PQLs; `None` without PQLs.
    pub median_days_to_pql: Option<f64>,
    /// Median days from the first match to the conversion among customers; `None` without
    /// customers.
    pub median_days_to_customer: Option<f64>,
    /// Revenue of PQLs; `None` without a revenue column.
    pub revenue: Option<PqlRevenue>,
}

/// Kaplan-Meier estimate of the share of PQLs that converted by some days after the first match.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ConversionAfter {
    /// Days after the first match.
    pub days: u32,
    /// PQLs at risk: followed at least this long and not converted before.
    pub at_risk: u64,
    /// Share of converted PQLs. Churned accounts count as not converted. `None` if no PQL is at
    /// risk.
    pub share: Option<f64>,
    /// 95% interval; also `None` if no or every PQL converted.
    pub interval: Option<Interval>,
    /// Share of converted PQLs if no account churned: accounts are censored at churn.
    pub if_none_churned: Option<f64>,
}

/// Revenue of the PQLs counted in `pql_to_customer`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PqlRevenue {
    /// Customers with known revenue.
    pub customers: u64,
    /// Customers with unknown revenue.
    pub unknown: u64,
    /// Mean revenue per customer; `None` if none is known.
    pub per_customer: Option<f64>,
    /// Mean revenue per PQL: conversion rate times mean revenue per customer.
    pub per_pql: Option<f64>,
    /// Mean revenue per customer that was not a PQL.
    pub per_other_customer: Option<f64>,
    /// Ratio of current revenue to revenue at conversion, over customers with both; `None` without
    /// such customers.
    pub expansion: Option<f64>,
}

impl FunnelMetrics {
    /// Computes all metrics.
    ///
    /// # Arguments
    /// * `revenue` – whether to compute revenue
    #[must_use]
    pub fn compute(accounts: &[AccountJourney], window: &FunnelWindow, revenue: bool) -> Self {
        let pqls =
            || accounts.iter().filter_map(|account| account.pql().map(|time| (account, time)));
        let customers = || pqls().filter(|(account, _)| account.converted != NEVER);
        let count = |holds: &dyn Fn(&AccountJourney) -> bool| {
            accounts.iter().filter(|account| holds(account)).count() as u64
        };
        let span = window.within.unwrap_or(window.horizon);
        let pql_to_customer = window
            .rate(pqls().map(|(account, time)| (time, window.horizon, Some(account.converted))));
        Self {
            sign_ups: accounts.len() as u64,
            pqls: pqls().count() as u64,
            customers: customers().count() as u64,
            customers_same_day: customers()
                .filter(|(account, time)| {
                    window.zone.midnight(*time) == window.zone.midnight(account.converted)
                })
                .count() as u64,
            already_customers: count(&|account| {
                account.first_match.is_some() && account.pql().is_none()
            }),
            customers_without_match: count(&|account| {
                account.first_match.is_none() && account.converted != NEVER
            }),
            sign_up_to_pql: window
                .rate(accounts.iter().map(|account| (account.signed_up, span, account.pql()))),
            pql_to_customer,
            sign_up_to_customer: window.rate(
                accounts
                    .iter()
                    .map(|account| (account.signed_up, window.horizon, Some(account.converted))),
            ),
            landmark: window
                .within
                .map(|within| LandmarkComparison::compute(accounts, within, window)),
            converted_after: converted_after(accounts, window),
            median_days_to_pql: median(
                pqls().map(|(account, time)| in_days(time - account.signed_up)).collect(),
            ),
            median_days_to_customer: median(
                customers().map(|(account, time)| in_days(account.converted - time)).collect(),
            ),
            revenue: revenue.then(|| PqlRevenue::compute(accounts, window, &pql_to_customer)),
        }
    }
}

impl FunnelWindow {
    /// Computes the share for which an event happens in a time span, among those whose span is
    /// over.
    ///
    /// # Arguments
    /// * `spans` – start, length and time of the event
    fn rate(&self, spans: impl Iterator<Item = (i64, i64, Option<i64>)>) -> Rate {
        Rate::from_outcomes(spans.map(|(start, length, event)| {
            let end = start.saturating_add(length);
            (end <= self.until).then(|| event.is_some_and(|event| event < end))
        }))
    }
}

fn converted_after(accounts: &[AccountJourney], window: &FunnelWindow) -> Vec<ConversionAfter> {
    let pqls = || accounts.iter().filter_map(|account| account.pql().map(|time| (account, time)));
    let followed = |(account, time): (&AccountJourney, i64)| FollowUp {
        time: account.converted.min(window.until) - time,
        reached: account.converted != NEVER,
    };
    // Accounts that churned before the first match are never at risk.
    let until_churn = |(account, time): (&AccountJourney, i64)| {
        let end = account.converted.min(account.churned).min(window.until);
        (end >= time).then_some(FollowUp { time: end - time, reached: account.converted == end })
    };
    let all = KaplanMeier::fit(pqls().map(followed).collect());
    let censored_at_churn = KaplanMeier::fit(pqls().filter_map(until_churn).collect());
    DAYS.map(|days| {
        let time = i64::from(days) * DAY;
        let reached = all.reached(time);
        ConversionAfter {
            days,
            at_risk: reached.at_risk,
            share: reached.share,
            interval: reached.interval,
            if_none_churned: censored_at_churn.reached(time).share,
        }
    })
    .to_vec()
}

impl PqlRevenue {
    /// Computes the revenue.
    ///
    /// # Arguments
    /// * `pql_to_customer` – share of PQLs that convert
    fn compute(accounts: &[AccountJourney], window: &FunnelWindow, pql_to_customer: &Rate) -> Self {
        let counts = |account: &&AccountJourney| {
            let end = account.pql().map(|time| time.saturating_add(window.horizon));
            end.is_some_and(|end| end <= window.until && account.converted < end)
        };
        let customers: Vec<&AccountJourney> =
            accounts.iter().filter(counts).filter(|account| !account.revenue.is_nan()).collect();
        let others = accounts.iter().filter(|account| {
            account.pql().is_none() && account.converted != NEVER && !account.revenue.is_nan()
        });
        let per_customer =
            mean(&customers.iter().map(|account| account.revenue).collect::<Vec<_>>());
        let both = customers.iter().filter(|account| !account.first_revenue.is_nan());
        let [now, first] = both.fold([0.0, 0.0], |[now, first], account| {
            [now + account.revenue, first + account.first_revenue]
        });
        Self {
            customers: customers.len() as u64,
            unknown: pql_to_customer.count - customers.len() as u64,
            per_customer,
            // Without conversions there is no revenue.
            per_pql: pql_to_customer.share.and_then(|share| {
                if share == 0.0 { Some(0.0) } else { per_customer.map(|mean| share * mean) }
            }),
            per_other_customer: mean(&others.map(|account| account.revenue).collect::<Vec<_>>()),
            expansion: (first > 0.0).then_some(now / first),
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values.len()))
}
