//! Simulation of a usage log whose outcomes have known coefficients.
//!
//! Accounts sign up, invite members, adopt features and lose interest. At sign-up + 14 days,
//! [`features::compute`] computes the features of each account. A logistic regression with fixed
//! coefficients on these features gives the probability that the account converts within 30 days,
//! and the outcome is drawn from it. A model of the same form therefore estimates these
//! coefficients. Usage after the cutoff depends on the outcome, as in real logs.

mod account;
mod product;
mod rng;
mod truth;
mod usage;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use account::Account;
use polars::prelude::DataFrame;
use product::{NAMES, WEEKDAYS};
use rayon::prelude::*;
use rng::AccountRng;
use truth::TrueModel;
use write::LogFiles;

use crate::dataset::features::{self, FeatureCatalog};
use crate::dataset::observations::{Observations, Outcome};
use crate::dataset::split::Split;
use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::log::{Accounts, DailyCounts, DataQuality, EventStore, Events, Log, MemberTimes, Names};
use crate::time::{DAY, NEVER};

/// Start of the log: 2025-01-01.
const START: i64 = 1_735_689_600 * crate::time::SECOND;
/// Age at which accounts are observed.
const AGE: i64 = 14 * DAY;
/// Length of the outcome window.
const HORIZON: i64 = 30 * DAY;
/// Maximum number of accounts in memory. It is fixed, so that the result does not depend on the
/// number of threads.
const CHUNK: usize = 8_192;

/// Options of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// Number of accounts (default: 7,000).
    pub accounts: usize,
    /// Seed of the random numbers (default: 0).
    pub seed: u64,
    /// Multiplier of the true coefficients (default: 1). With 0, usage does not predict the
    /// outcome.
    pub signal: f64,
    /// Mean conversion probability of the observed accounts, between 0 and 1 (default: 0.15).
    pub base_rate: f64,
    /// Number of days with sign-ups, 1 to 3,650 (default: 270).
    pub days: u32,
    /// Approximate mean number of events per account in a log of 270 days with a base rate of 10%,
    /// 1 to 100,000 (default: 45). The log has more events below 30 or at a higher base rate.
    pub events_per_account: f64,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            accounts: 7_000,
            seed: 0,
            signal: 1.0,
            base_rate: 0.15,
            days: 270,
            events_per_account: 45.0,
        }
    }
}

/// Counts of the written log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimulationSummary {
    /// Number of accounts.
    pub accounts: u64,
    /// Number of events.
    pub events: u64,
    /// Number of accounts observed at their age, which have a probability in `truth.json`.
    pub observed: u64,
    /// Number of accounts that converted by the end of the log.
    pub conversions: u64,
}

/// Writes `events.parquet`, `accounts.parquet`, `pql.toml` and `truth.json` into a folder, and
/// creates the folder if necessary.
///
/// Equal arguments give equal bytes on any number of threads. Accounts are drawn in chunks of at
/// most 8,192, and the events of each chunk are written in time order, which bounds the memory.
/// Existing files are replaced, except a `pql.toml` that is not from a simulation.
///
/// # Panics
/// Never: there is at least one account, so that the true model exists.
/// # Errors
/// * [`Error::Usage`]: an option is out of range, or the `pql.toml` in the folder is not from a
///   simulation
/// * [`Error::Write`]: the folder or a file cannot be written
pub fn simulate(
    simulation: &Simulation,
    dir: &Path,
    progress: &Progress,
) -> Result<SimulationSummary> {
    simulation.check()?;
    std::fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
    write::refuse_foreign_project(dir)?;
    let scenario = Scenario::new(simulation);
    let mut files = LogFiles::create(dir, &scenario)?;
    let mut truth = None;
    let stage = progress.stage("simulating accounts", Some(simulation.accounts as u64));
    let chunk = simulation.chunk();
    for first in (0..simulation.accounts).step_by(chunk) {
        let numbers = first..simulation.accounts.min(first + chunk);
        let mut accounts: Vec<Account> =
            numbers.into_par_iter().map(|index| Account::new(&scenario, index)).collect();
        let features = features_at_cutoff(&accounts, &scenario)?;
        let truth = match &mut truth {
            Some(truth) => truth,
            none => {
                none.insert(TrueModel::solve(simulation.signal, simulation.base_rate, &features)?)
            }
        };
        let probability = probabilities(truth, &accounts, &features)?;
        accounts
            .par_iter_mut()
            .zip(&probability)
            .for_each(|(account, p)| account.draw_outcome(*p, scenario.until));
        files.write(&accounts, &probability, &scenario)?;
        stage.advance(accounts.len() as u64);
    }
    files.finish(&truth.expect("there is at least one account"), &scenario)
}

impl Simulation {
    fn check(&self) -> Result<()> {
        let refuse = |option: &str, found: f64, expected: &str| {
            Err(Error::Usage {
                problem: format!("{option}: found {found}, expected {expected}"),
                hint: None,
            })
        };
        if self.accounts == 0 {
            return refuse("`--accounts`", 0.0, "at least 1");
        }
        if !self.signal.is_finite() || self.signal.abs() > 10.0 {
            return refuse("`--signal`", self.signal, "a number from -10 to 10");
        }
        if !(self.base_rate > 0.0 && self.base_rate < 1.0) {
            return refuse("`--base-rate`", self.base_rate, "a number between 0 and 1");
        }
        if !(1..=3_650).contains(&self.days) {
            return refuse("`--days`", f64::from(self.days), "1 to 3,650");
        }
        if !(1.0..=100_000.0).contains(&self.events_per_account) {
            return refuse("`--events-per-account`", self.events_per_account, "1 to 100,000");
        }
        Ok(())
    }

    /// Returns the number of accounts in memory at once: fewer if each has many events.
    fn chunk(&self) -> usize {
        /// Approximate number of events in memory at once.
        const EVENTS: f64 = 4e6;
        usize::try_from(account::to_whole(EVENTS / self.events_per_account))
            .unwrap_or(CHUNK)
            .clamp(64, CHUNK)
    }
}

/// Properties shared by all accounts of a simulation.
struct Scenario {
    seed: u64,
    accounts: usize,
    /// Cumulative sign-ups up to the end of each day, in units of those on a Tuesday.
    sign_ups: Vec<f64>,
    /// End of the log, µs UTC, exclusive: all accounts reach their cutoff, and at least half of
    /// them the end of their horizon.
    until: i64,
    /// Mean sessions of an owner on a working day.
    pace: f64,
    /// Mean number of events in a session after the login.
    length: f64,
    /// Median number of events at which the free plan reaches its limit.
    limit: f64,
}

impl Scenario {
    fn new(simulation: &Simulation) -> Self {
        /// Mean sessions of a median owner on a working day. Calibrated to 100 events per account
        /// in a log of 270 days.
        const PACE: f64 = 0.47;
        /// Mean number of events in a session after the login.
        const LENGTH: f64 = 3.2;
        /// Median number of events at which the free plan reaches its limit.
        const LIMIT: f64 = 40.0;
        let factor = simulation.events_per_account / 100.0;
        let mut sum = 0.0;
        let days = i64::from(simulation.days);
        let sign_ups = (0..days).map(|day| {
            sum += WEEKDAYS[usage::weekday(START + day * DAY)];
            sum
        });
        Self {
            seed: simulation.seed,
            accounts: simulation.accounts,
            sign_ups: sign_ups.collect(),
            until: START + (days * DAY + AGE).max((days + 1) / 2 * DAY + AGE + HORIZON),
            // More events are split evenly between more and longer sessions.
            pace: PACE * factor.sqrt(),
            length: LENGTH * factor.sqrt(),
            limit: LIMIT * factor,
        }
    }

    /// Returns the ID of an account. All IDs of a log have the same length, so that they sort by
    /// number.
    fn id(&self, number: u64) -> String {
        /// Minimum number of digits.
        const DIGITS: usize = 5;
        let digits = self.accounts.to_string().len().max(DIGITS);
        format!("a{number:0digits$}")
    }

    /// Draws a sign-up time. IDs increase with time, and sign-ups follow the weekdays without a
    /// trend.
    #[expect(clippy::cast_precision_loss, reason = "a number of accounts")]
    fn sign_up(&self, rng: &mut AccountRng, index: usize, hours: i64) -> i64 {
        let all = self.sign_ups[self.sign_ups.len() - 1];
        let position = (index as f64 + rng.uniform()) / self.accounts as f64 * all;
        let day = self
            .sign_ups
            .partition_point(|before| *before <= position)
            .min(self.sign_ups.len() - 1);
        let local = usage::time_of_day(rng);
        START
            + i64::try_from(day).expect("at most 3,650 days") * DAY
            + (local - hours * usage::HOUR).rem_euclid(DAY)
    }
}

/// Computes the features of the observed accounts at their cutoffs, exactly as from the files.
fn features_at_cutoff(accounts: &[Account], scenario: &Scenario) -> Result<DataFrame> {
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let catalog = FeatureCatalog {
        windows: vec![7, 14],
        velocity_windows: vec![7],
        trend_windows: vec![7, 14],
        roles: [
            ("login", "login"),
            ("invite", "invite_sent"),
            ("limit", "limit_reached"),
            ("hand_raise", "contact_sales"),
        ]
        .map(|(role, name)| (role.to_owned(), names(&[name])))
        .to_vec(),
        counted_events: Vec::new(),
        summed_properties: Vec::new(),
        attributes: Vec::new(),
        has_seats: false,
    };
    let mut rows = Observations::default();
    for (code, account) in (0..).zip(accounts).filter(|(_, account)| account.is_observed()) {
        rows.account.push(code);
        rows.cutoff.push(account.cutoff());
        rows.outcome.push(Outcome::Immature);
        rows.split.push(Split::Unused);
    }
    features::compute(&catalog, &log(accounts, scenario), &rows, &Progress::silent())
}

/// Builds the log as [`crate::log::ingest`] would read it. Users are numbered within their team.
fn log(accounts: &[Account], scenario: &Scenario) -> Log {
    let n = accounts.len();
    let mut events =
        Events { accounts: 0..n, start: vec![0], user_start: vec![0], ..Events::default() };
    for account in accounts {
        events.time.extend(account.events.iter().map(|e| e.time));
        events.event.extend(account.events.iter().map(|e| e.action as u16));
        events.user.extend(account.events.iter().map(|e| u32::from(e.user)));
        events.start.push(events.time.len());
        let team = account.pattern.team.len();
        events.users.extend((0..).take(team));
        events.user_start.push(events.users.len());
    }
    let accounts = Accounts {
        id: Names::from_sorted(
            accounts.iter().map(|a| scenario.id(a.number).into_boxed_str()).collect(),
        ),
        signed_up: accounts.iter().map(|a| a.signed_up).collect(),
        converted: vec![NEVER; n],
        churned: vec![NEVER; n],
        seats: None,
        revenue: None,
        first_revenue: None,
        attributes: DataFrame::empty_with_height(n),
        history: None,
    };
    Log {
        events: EventStore::from_events(Names::from_sorted(NAMES.map(Box::from).to_vec()), events),
        accounts,
        since: START,
        until: scenario.until,
        zone: crate::time::Zone::default(),
        date_only: false,
        listed: true,
        quality: DataQuality::default(),
        warnings: Vec::new(),
        formats: BTreeMap::new(),
        daily: DailyCounts::default(),
        members: MemberTimes::default(),
        dropped_accounts: HashMap::default(),
        exclusions: None,
    }
}

/// Computes the true probability of each observed account.
fn probabilities(
    truth: &TrueModel,
    accounts: &[Account],
    features: &DataFrame,
) -> Result<Vec<Option<f64>>> {
    let mut probabilities = truth.log_odds(features)?.into_iter().map(pql_stats::glm::sigmoid);
    Ok(accounts
        .iter()
        .map(|account| if account.is_observed() { probabilities.next() } else { None })
        .collect())
}

#[cfg(test)]
mod tests;
