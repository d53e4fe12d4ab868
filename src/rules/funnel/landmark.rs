//! Comparison of PQLs with other accounts from a landmark on.

use pql_stats::counts::count;
use pql_stats::intervals::{Interval, Z_95};
use serde::Serialize;

use super::{AccountJourney, FunnelWindow, Rate};
use crate::dataset::observations::landmark_in;
use crate::log::earlier;

/// Conversions of PQLs and of other accounts in the horizon after the landmark, which is sign-up +
/// `within`. Only accounts that have not converted by then count.
///
/// Without a landmark the comparison is biased: early converters have no time to become a PQL, and
/// late PQLs have already stayed longer.
/// # Source
/// Anderson, Cain, Gelber, Analysis of survival by tumor response, *Journal of Clinical Oncology* 1
/// (1983)
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LandmarkComparison {
    /// Conversion rate of PQLs.
    pub pqls: Rate,
    /// Conversion rate of other accounts.
    pub others: Rate,
    /// Ratio of the two rates; `None` if no other account converts.
    pub lift: Option<f64>,
    /// 95% interval of the lift; `None` if a rate is 0.
    pub lift_interval: Option<Interval>,
    /// Mature accounts that converted before the landmark, PQLs or not.
    pub converted_before: u64,
    /// Mature accounts that churned before the landmark.
    pub churned_before: u64,
}

impl LandmarkComparison {
    /// Compares PQLs with other accounts at `within` after the sign-up.
    #[must_use]
    pub fn compute(accounts: &[AccountJourney], within: i64, window: &FunnelWindow) -> Self {
        let (mut converted_before, mut churned_before) = (0, 0);
        let (mut pqls, mut others) = (Vec::new(), Vec::new());
        for account in accounts {
            let landmark = landmark_in(window.zone, window.date_only, account.signed_up, within);
            let is_pql = account.pql().is_some_and(|time| time < landmark);
            let group = if is_pql { &mut pqls } else { &mut others };
            let end = landmark + window.horizon;
            if end > window.until {
                group.push(None);
            } else if earlier(account.converted, account.churned) >= landmark {
                group.push(Some(account.converted < end));
            } else if account.converted < landmark {
                converted_before += 1;
            } else {
                churned_before += 1;
            }
        }
        let (pqls, others) =
            (Rate::from_outcomes(pqls.into_iter()), Rate::from_outcomes(others.into_iter()));
        let lift = pqls.share.zip(others.share).map(|(a, b)| a / b).filter(|lift| lift.is_finite());
        let lift_interval = lift.filter(|lift| *lift > 0.0).map(|lift| {
            let error = ratio_error(&pqls, &others);
            let end = |error: f64| lift * (Z_95 * error).exp();
            Interval { low: end(-error), high: end(error) }
        });
        Self { pqls, others, lift, lift_interval, converted_before, churned_before }
    }
}

/// Computes the standard error of the logarithm of a ratio of two rates.
///
/// # Source
/// Katz, Baptista, Azen, Pike, Obtaining confidence intervals for the risk ratio in cohort studies,
/// *Biometrics* 34 (1978)
fn ratio_error(a: &Rate, b: &Rate) -> f64 {
    [a, b].iter().map(|rate| 1.0 / count(rate.count) - 1.0 / count(rate.mature)).sum::<f64>().sqrt()
}
