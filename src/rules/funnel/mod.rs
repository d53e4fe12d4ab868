//! From sign-up to PQL to customer: shares of those old enough to tell, PQLs against others at a
//! landmark, and the time in between.
//!
//! An account is a PQL from the moment a definition holds for it while it is no customer yet; for
//! one that has bought already it tells nothing that sales could use, and it is counted apart.

mod cohort;
mod figures;
mod landmark;
mod rate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use cohort::{By, Traffic};
pub use figures::{After, Figures, Revenue};
pub use landmark::Landmark;
use pql_stats::intervals::Interval;
pub use pql_stats::survival::Curve;
pub use rate::Rate;
use serde::Serialize;

use crate::config::DefinitionKind;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::{Log, Visitors};
use crate::rules::definition::{Definition, times};
use crate::time::{Timestamp, in_days, midnight};
use crate::warning::{Notice, Warning};

/// Range of the share of trials that qualify, as is usual in the field.
///
/// # Source
/// SaaS Journey, Product Qualified Lead (PQL), mysaasjourney.com; others quote other marks, and
/// none of them has a study behind it
pub const USUAL_PQLS: Interval = Interval { low: 0.15, high: 0.25 };

/// Range of the share of PQLs that become customers, as is usual in the field; as [`USUAL_PQLS`].
pub const USUAL_CUSTOMERS: Interval = Interval { low: 0.20, high: 0.40 };

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lead {
    /// Sign-up, µs UTC.
    pub signed_up: i64,
    /// When the definition first held, µs UTC; `None` where it never did.
    pub held: Option<i64>,
    /// Conversion, µs UTC; [`NEVER`](crate::time::NEVER) where none is known.
    pub converted: i64,
    /// Churn, µs UTC; [`NEVER`](crate::time::NEVER) where none is known.
    pub churned: i64,
    /// Revenue, NaN where unknown.
    pub revenue: f64,
    /// Revenue at the conversion, NaN where unknown.
    pub first_revenue: f64,
}

impl Lead {
    /// When it became a PQL: the definition held, and it was no customer before.
    #[must_use]
    pub fn pql(&self) -> Option<i64> {
        self.held.filter(|held| *held <= self.converted)
    }
}

/// What figures are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Time after sign-up in which the definition has to hold, µs; `None` without a limit.
    pub within: Option<i64>,
    /// Span in which a conversion is looked for, µs.
    pub horizon: i64,
    /// Nothing is known from here on, µs UTC.
    pub until: i64,
    /// Whether times are dates alone: a landmark is then the midnight after it.
    pub date_only: bool,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// One definition.
    Definition,
    /// The definitions of one type: the first of them that holds.
    Type,
    /// All definitions: the first of them that holds.
    Any,
}

/// The figures of one definition, type or all definitions, for one cohort or all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What it is about.
    pub level: Level,
    /// The name of the definition or type, or `any`.
    pub name: String,
    /// The type of the definition or definitions; `None` for all.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// Definitions in it.
    pub definitions: usize,
    /// Time after sign-up in which it has to hold, days; `None` without a limit.
    pub within_days: Option<f64>,
    /// The month (2025-01) or the Monday (2025-01-06) of the sign-ups; `all`.
    pub cohort: String,
    /// Visitors and the share of them that signed up; `None` without a file of visitors.
    pub visitors: Option<Traffic>,
    /// All else.
    pub figures: Figures,
}

impl Row {
    /// Whether it says something that no other row says: a type, or all definitions, of which there
    /// is one tells the same as that one.
    #[must_use]
    pub fn tells_more(&self) -> bool {
        self.level == Level::Definition || self.definitions > 1
    }

    /// What it is about, in words.
    #[must_use]
    pub fn title(&self) -> String {
        match self.level {
            Level::Definition => self.name.clone(),
            Level::Type => format!("type {}", self.name),
            Level::Any => "any of them".to_owned(),
        }
    }
}

/// The name of the row of all cohorts.
pub const ALL: &str = "all";

/// What a funnel is to tell.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Cohorts.
    pub by: By,
    /// Span in which a conversion is looked for, µs.
    pub horizon: i64,
    /// Accounts that signed up before are left out, µs UTC.
    pub since: i64,
    /// Visitors by day.
    pub visitors: Option<&'a Visitors>,
}

/// What became of the sign-ups.
#[derive(Debug, Clone, PartialEq)]
pub struct Funnel {
    /// Accounts that signed up before the log begins: what they did then is unknown, so that they
    /// are left out.
    pub before_log: u64,
    /// All cohorts together, by definition, type and all definitions; then the same cohort by
    /// cohort.
    pub rows: Vec<Row>,
}

impl Funnel {
    /// Reports what limits the meaning of the figures.
    pub(crate) fn report(&self, log: &Log, plan: &Plan<'_>, sink: &mut Sink<'_>) {
        if self.before_log > 0 {
            sink.notify(Notice::EarlyAccountsSkipped {
                accounts: self.before_log,
                since: Timestamp(plan.since),
            });
        }
        if !log.listed {
            sink.notify(Warning::FunnelWithoutAccountList);
        }
        for row in self
            .rows
            .iter()
            .filter(|row| log.date_only && row.cohort == ALL && row.level == Level::Definition)
        {
            let Figures { customers, customers_same_day: same_day, .. } = row.figures;
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

/// Follow all accounts from sign-up to PQL to customer.
///
/// # Errors
/// * [`Error::NoSignUps`]: every account signed up before the log begins
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn funnel(log: &Log, definitions: &[Definition], plan: &Plan<'_>) -> Result<Funnel> {
    let accounts = &log.accounts;
    let in_log: Vec<usize> = (0..accounts.id.len())
        .filter(|account| accounts.signed_up[*account] >= plan.since)
        .collect();
    if in_log.is_empty() {
        return Err(Error::NoSignUps { since: Timestamp(plan.since) });
    }
    let held = times(definitions, log)?;
    let mut cohorts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for account in &in_log {
        cohorts.entry(plan.by.cohort(accounts.signed_up[*account])).or_default().push(*account);
    }
    let known = |day: &&i64| (midnight(plan.since)..log.until).contains(*day);
    for day in plan.visitors.into_iter().flat_map(Visitors::keys).filter(known) {
        cohorts.entry(plan.by.cohort(*day)).or_default();
    }
    let subjects = subjects(definitions);
    let traffic = |of: &[usize], cohort: Option<&str>| {
        let days = plan
            .visitors?
            .iter()
            .filter(|(day, _)| known(day))
            .filter(|(day, _)| cohort.is_none_or(|c| plan.by.cohort(**day) == c));
        Some(Traffic::of(
            days.map(|(day, count)| (*day, *count)),
            of.iter().map(|account| accounts.signed_up[*account]),
        ))
    };
    let row = |subject: &Subject<'_>, cohort: Option<&str>, of: &[usize]| {
        let terms = Terms {
            within: subject.within,
            horizon: plan.horizon,
            until: log.until,
            date_only: log.date_only,
        };
        let leads: Vec<Lead> =
            of.iter().map(|account| lead(log, *account, subject.held(&held, *account))).collect();
        let figures = Figures::of(&leads, &terms, accounts.revenue.is_some());
        subject.row(cohort.unwrap_or(ALL), traffic(of, cohort), figures)
    };
    let mut rows: Vec<Row> = subjects.iter().map(|subject| row(subject, None, &in_log)).collect();
    for subject in &subjects {
        rows.extend(cohorts.iter().map(|(cohort, of)| row(subject, Some(cohort), of)));
    }
    Ok(Funnel { before_log: (accounts.id.len() - in_log.len()) as u64, rows })
}

fn lead(log: &Log, account: usize, held: Option<i64>) -> Lead {
    let accounts = &log.accounts;
    let number = |of: &Option<Vec<f64>>| of.as_ref().map_or(f64::NAN, |of| of[account]);
    Lead {
        signed_up: accounts.signed_up[account],
        held,
        converted: accounts.converted[account],
        churned: accounts.churned[account],
        revenue: number(&accounts.revenue),
        first_revenue: number(&accounts.first_revenue),
    }
}

/// Definitions of which the first that holds counts.
struct Subject<'a> {
    level: Level,
    name: &'a str,
    kind: Option<DefinitionKind>,
    within: Option<i64>,
    /// Places of its definitions.
    of: Vec<usize>,
}

/// Each definition, each type, and all of them.
fn subjects(definitions: &[Definition]) -> Vec<Subject<'_>> {
    let of = |level, name, kind, of: Vec<usize>| {
        // A limit holds for several only where each has one: the longest.
        let within: Option<Vec<i64>> = of.iter().map(|at| definitions[*at].within).collect();
        Subject { level, name, kind, within: within.and_then(|all| all.into_iter().max()), of }
    };
    let each = definitions.iter().enumerate();
    let mut subjects: Vec<Subject<'_>> = each
        .clone()
        .map(|(at, one)| of(Level::Definition, one.name.as_str(), Some(one.kind), vec![at]))
        .collect();
    let kinds: BTreeSet<DefinitionKind> = definitions.iter().map(|one| one.kind).collect();
    for kind in kinds {
        let places = each.clone().filter(|(_, one)| one.kind == kind).map(|(at, _)| at).collect();
        subjects.push(of(Level::Type, kind.name(), Some(kind), places));
    }
    subjects.push(of(Level::Any, "any", None, (0..definitions.len()).collect()));
    subjects
}

impl Subject<'_> {
    /// When the first of its definitions held.
    fn held(&self, times: &[Vec<Option<i64>>], account: usize) -> Option<i64> {
        self.of.iter().filter_map(|at| times[*at][account]).min()
    }

    fn row(&self, cohort: &str, visitors: Option<Traffic>, figures: Figures) -> Row {
        Row {
            level: self.level,
            name: self.name.to_owned(),
            kind: self.kind.map(DefinitionKind::name),
            definitions: self.of.len(),
            within_days: self.within.map(in_days),
            cohort: cohort.to_owned(),
            visitors,
            figures,
        }
    }
}
