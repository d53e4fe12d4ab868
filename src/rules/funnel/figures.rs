//! All figures of one cohort for one definition.

use pql_stats::counts::count;
use pql_stats::intervals::Interval;
use pql_stats::quantile::median;
use pql_stats::survival::FollowUp;
use serde::Serialize;

use super::{Curve, Landmark, Lead, Rate, Terms};
use crate::time::{DAY, NEVER, in_days};

/// Days after the PQL time at which the share of customers is told.
const AFTER: [u32; 4] = [7, 14, 30, 90];

/// What became of the accounts of a cohort.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Accounts that signed up.
    pub sign_ups: u64,
    /// Those for which the definition held by the end of the log, before they were customers.
    pub pqls: u64,
    /// PQLs that converted by the end of the log, at the PQL time or later.
    pub customers: u64,
    /// Of these, those that converted on the UTC day of the PQL time.
    pub customers_same_day: u64,
    /// Accounts for which it held only once they were customers.
    pub already_customers: u64,
    /// Customers for which it never held.
    pub customers_without: u64,
    /// Share of sign-ups that are PQLs at sign-up + `within`, without a limit at sign-up +
    /// horizon.
    pub sign_up_to_pql: Rate,
    /// Share of PQLs that convert in the horizon after the PQL time.
    pub pql_to_customer: Rate,
    /// Share of sign-ups that convert in the horizon after the sign-up.
    pub sign_up_to_customer: Rate,
    /// PQLs against others from sign-up + `within` on; `None` without a limit.
    pub landmark: Option<Landmark>,
    /// Share of PQLs that are customers some days after the PQL time.
    pub converted_after: Vec<After>,
    /// Median days from sign-up to the PQL time among PQLs; `None` without any.
    pub median_days_to_pql: Option<f64>,
    /// Median days from the PQL time to the conversion among PQLs that converted; `None` without
    /// any.
    pub median_days_to_customer: Option<f64>,
    /// What PQLs are worth; `None` without a revenue column.
    pub revenue: Option<Revenue>,
}

/// The share of PQLs that are customers some days after the PQL time, by Kaplan and Meier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct After {
    /// Days after the PQL time.
    pub days: u32,
    /// PQLs that were followed for so long and had not converted before.
    pub at_risk: u64,
    /// The share; who churned stays among those that have not converted. `None` where nobody is
    /// left at risk.
    pub share: Option<f64>,
    /// Its 95% interval; `None` too where nobody or everybody converted.
    pub interval: Option<Interval>,
    /// The share if nobody churned: who churns is followed until then.
    pub if_none_churned: Option<f64>,
}

/// Revenue of the PQLs that count in the share of PQLs that convert.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Revenue {
    /// Customers among them whose revenue is known.
    pub customers: u64,
    /// Customers among them whose revenue is not.
    pub unknown: u64,
    /// Mean revenue of a customer; `None` where none is known.
    pub per_customer: Option<f64>,
    /// Mean revenue of a PQL: the share that converts times the mean revenue of a customer.
    pub per_pql: Option<f64>,
    /// Mean revenue of customers that were no PQLs before.
    pub per_other_customer: Option<f64>,
    /// Revenue against that at the conversion, summed over customers of whom both are known;
    /// `None` without them.
    pub expansion: Option<f64>,
}

impl Figures {
    /// Work out all figures.
    ///
    /// # Arguments
    /// * `revenue` – whether revenue is to be told
    #[must_use]
    pub fn of(leads: &[Lead], terms: &Terms, revenue: bool) -> Self {
        let pqls = || leads.iter().filter_map(|lead| lead.pql().map(|at| (lead, at)));
        let customers = || pqls().filter(|(lead, _)| lead.converted != NEVER);
        let count =
            |holds: &dyn Fn(&Lead) -> bool| leads.iter().filter(|lead| holds(lead)).count() as u64;
        let span = terms.within.unwrap_or(terms.horizon);
        let paying = terms.rate(pqls().map(|(lead, at)| (at, terms.horizon, Some(lead.converted))));
        Self {
            sign_ups: leads.len() as u64,
            pqls: pqls().count() as u64,
            customers: customers().count() as u64,
            customers_same_day: customers()
                .filter(|(lead, at)| at.div_euclid(DAY) == lead.converted.div_euclid(DAY))
                .count() as u64,
            already_customers: count(&|lead| lead.held.is_some() && lead.pql().is_none()),
            customers_without: count(&|lead| lead.held.is_none() && lead.converted != NEVER),
            sign_up_to_pql: terms.rate(leads.iter().map(|lead| (lead.signed_up, span, lead.pql()))),
            pql_to_customer: paying,
            sign_up_to_customer: terms.rate(
                leads.iter().map(|lead| (lead.signed_up, terms.horizon, Some(lead.converted))),
            ),
            landmark: terms.within.map(|within| Landmark::of(leads, within, terms)),
            converted_after: converted_after(leads, terms),
            median_days_to_pql: median(
                pqls().map(|(lead, at)| in_days(at - lead.signed_up)).collect(),
            ),
            median_days_to_customer: median(
                customers().map(|(lead, at)| in_days(lead.converted - at)).collect(),
            ),
            revenue: revenue.then(|| Revenue::of(leads, terms, &paying)),
        }
    }
}

impl Terms {
    /// The share for which something happens in a span after its beginning, among those whose span
    /// is over.
    fn rate(&self, of: impl Iterator<Item = (i64, i64, Option<i64>)>) -> Rate {
        Rate::of(of.map(|(from, span, at)| {
            let end = from.saturating_add(span);
            (end <= self.until).then(|| at.is_some_and(|at| at < end))
        }))
    }
}

fn converted_after(leads: &[Lead], terms: &Terms) -> Vec<After> {
    let pqls = || leads.iter().filter_map(|lead| lead.pql().map(|at| (lead, at)));
    let followed = |(lead, at): (&Lead, i64)| FollowUp {
        time: lead.converted.min(terms.until) - at,
        reached: lead.converted != NEVER,
    };
    // Who had churned before it became a PQL is at no risk at all.
    let until_churn = |(lead, at): (&Lead, i64)| {
        let end = lead.converted.min(lead.churned).min(terms.until);
        (end >= at).then_some(FollowUp { time: end - at, reached: lead.converted == end })
    };
    let all = Curve::of(pqls().map(followed).collect());
    let staying = Curve::of(pqls().filter_map(until_churn).collect());
    AFTER
        .map(|days| {
            let time = i64::from(days) * DAY;
            let reached = all.reached(time);
            After {
                days,
                at_risk: reached.at_risk,
                share: reached.share,
                interval: reached.interval,
                if_none_churned: staying.reached(time).share,
            }
        })
        .to_vec()
}

impl Revenue {
    /// # Arguments
    /// * `paying` – the share of PQLs that convert
    fn of(leads: &[Lead], terms: &Terms, paying: &Rate) -> Self {
        let counts = |lead: &&Lead| {
            let end = lead.pql().map(|at| at.saturating_add(terms.horizon));
            end.is_some_and(|end| end <= terms.until && lead.converted < end)
        };
        let customers: Vec<&Lead> =
            leads.iter().filter(counts).filter(|lead| !lead.revenue.is_nan()).collect();
        let others = leads.iter().filter(|lead| {
            lead.pql().is_none() && lead.converted != NEVER && !lead.revenue.is_nan()
        });
        let per_customer = mean(&customers.iter().map(|lead| lead.revenue).collect::<Vec<_>>());
        let both = customers.iter().filter(|lead| !lead.first_revenue.is_nan());
        let [now, first] = both.fold([0.0, 0.0], |[now, first], lead| {
            [now + lead.revenue, first + lead.first_revenue]
        });
        Self {
            customers: customers.len() as u64,
            unknown: paying.count - customers.len() as u64,
            per_customer,
            // Where nobody converts there is no revenue either.
            per_pql: paying.share.and_then(|share| {
                if share == 0.0 { Some(0.0) } else { per_customer.map(|mean| share * mean) }
            }),
            per_other_customer: mean(&others.map(|lead| lead.revenue).collect::<Vec<_>>()),
            expansion: (first > 0.0).then_some(now / first),
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values.len()))
}
