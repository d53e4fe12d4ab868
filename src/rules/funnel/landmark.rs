//! PQLs against others from one moment on.

use pql_stats::counts::count;
use pql_stats::intervals::{Interval, Z_95};
use serde::Serialize;

use super::{Lead, Rate, Terms};
use crate::dataset::observations::landmark;
use crate::log::earlier;

/// Accounts that are still free at sign-up + `within`, by whether they are PQLs then: which of them
/// convert in the horizon after it.
///
/// Read at any other moment, the comparison is unfair: who converts early has no time to become a
/// PQL, and who becomes one late has shown by then that it stays.
/// # Source
/// Anderson, Cain, Gelber, Analysis of survival by tumor response, *Journal of Clinical Oncology* 1
/// (1983)
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Landmark {
    /// PQLs that convert in the horizon after the landmark.
    pub pqls: Rate,
    /// Others that do.
    pub others: Rate,
    /// How many times as large the share of PQLs is; `None` where none of the others converts.
    pub lift: Option<f64>,
    /// Its 95% interval; `None` where one of the two shares is 0.
    pub lift_interval: Option<Interval>,
    /// Mature accounts that had converted before the landmark, PQLs or not: nothing is left to
    /// tell of them.
    pub converted_before: u64,
    /// Mature accounts that had churned before it.
    pub churned_before: u64,
}

impl Landmark {
    /// Compare at `within` after the sign-up.
    #[must_use]
    pub fn of(leads: &[Lead], within: i64, terms: &Terms) -> Self {
        let (mut converted_before, mut churned_before) = (0, 0);
        let (mut pqls, mut others) = (Vec::new(), Vec::new());
        for lead in leads {
            let landmark = landmark(lead.signed_up, within, terms.date_only);
            let side =
                if lead.pql().is_some_and(|at| at < landmark) { &mut pqls } else { &mut others };
            let end = landmark + terms.horizon;
            if end > terms.until {
                side.push(None);
            } else if earlier(lead.converted, lead.churned) >= landmark {
                side.push(Some(lead.converted < end));
            } else if lead.converted < landmark {
                converted_before += 1;
            } else {
                churned_before += 1;
            }
        }
        let (pqls, others) = (Rate::of(pqls.into_iter()), Rate::of(others.into_iter()));
        let lift = pqls.share.zip(others.share).map(|(a, b)| a / b).filter(|lift| lift.is_finite());
        let lift_interval = lift.filter(|lift| *lift > 0.0).map(|lift| {
            let error = ratio_error(&pqls, &others);
            let end = |error: f64| lift * (Z_95 * error).exp();
            Interval { low: end(-error), high: end(error) }
        });
        Self { pqls, others, lift, lift_interval, converted_before, churned_before }
    }
}

/// Standard error of the logarithm of a ratio of two shares.
///
/// # Source
/// Katz, Baptista, Azen, Pike, Obtaining confidence intervals for the risk ratio in cohort studies,
/// *Biometrics* 34 (1978)
fn ratio_error(a: &Rate, b: &Rate) -> f64 {
    [a, b].iter().map(|rate| 1.0 / count(rate.count) - 1.0 / count(rate.of)).sum::<f64>().sqrt()
}
