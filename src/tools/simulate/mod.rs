//! A usage log drawn at random, with known coefficients behind its outcomes.
//!
//! Accounts sign up, their people come and go, teams take the product up part by part, interest
//! fades. At sign-up + 14 days [`features::compute`] tells what each account has done, and a
//! logistic regression with fixed coefficients on these features tells its probability to convert
//! within 30 days. Outcomes are drawn from it, so that a model of the same form estimates exactly
//! these coefficients. Use after the cutoff depends on the outcome, as it does in real logs.

mod account;
mod draw;
mod product;
mod truth;
mod usage;
mod write;

use std::path::Path;

use account::Account;
use draw::Draw;
use polars::prelude::DataFrame;
use product::{NAMES, WEEKDAYS};
use rayon::prelude::*;
use truth::Truth;
use write::Files;

use crate::dataset::features::{self, Catalogue};
use crate::dataset::observations::{Observations, Outcome, Split};
use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::log::{Accounts, Events, Log, Names, Quality, Usage};
use crate::time::{DAY, NEVER};

/// First instant of the log: 2025-01-01.
const START: i64 = 1_735_689_600 * crate::time::SECOND;
/// Age at which accounts are observed.
const AGE: i64 = 14 * DAY;
/// Span after it in which conversions are drawn.
const HORIZON: i64 = 30 * DAY;
/// Most accounts in memory at once; fixed, so that the result does not depend on the number of
/// threads.
const CHUNK: usize = 4_096;

/// A log to be simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// Number of accounts (2,000).
    pub accounts: usize,
    /// Equal seeds give equal logs (0).
    pub seed: u64,
    /// What the true coefficients are multiplied by (1); 0: use tells nothing about the outcome.
    pub signal: f64,
    /// Mean probability of the accounts observed, above 0 and below 1 (0.1).
    pub base_rate: f64,
    /// Days over which sign-ups spread, 1 to 3,650 (270).
    pub days: u32,
    /// Mean number of events per account in a log of 270 days, roughly, 1 to 100,000 (100); below
    /// 30 it is more than is asked for.
    pub events_per_account: f64,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            accounts: 2_000,
            seed: 0,
            signal: 1.0,
            base_rate: 0.1,
            days: 270,
            events_per_account: 100.0,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Simulated {
    /// Accounts.
    pub accounts: u64,
    /// Events.
    pub events: u64,
    /// Accounts observed at their age, thus with a probability in `truth.json`.
    pub observed: u64,
    /// Accounts known to have converted by the end of the log.
    pub conversions: u64,
}

/// Write `events.parquet`, `accounts.parquet`, `pql.toml` and `truth.json` into a folder, which is
/// made where it is absent.
///
/// Equal arguments give equal bytes, on any number of threads. Accounts are drawn in chunks of at
/// most 4,096, each written in order of time, so that events take no more memory where accounts are
/// more. Files that are there already are replaced, but not a `pql.toml` that was written by hand.
///
/// # Panics
/// Never: there is at least one account, and with it a truth.
/// # Errors
/// * [`Error::Usage`]: a number of the simulation outside of its range, or a `pql.toml` that is not
///   a simulation's
/// * [`Error::Write`]: the folder or a file cannot be written
pub fn simulate(simulation: &Simulation, dir: &Path, progress: &Progress) -> Result<Simulated> {
    simulation.check()?;
    std::fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
    write::refuse_foreign_project(dir)?;
    let world = World::new(simulation);
    let mut files = Files::create(dir, &world)?;
    let mut truth = None;
    let stage = progress.stage("simulating accounts", Some(simulation.accounts as u64));
    let chunk = simulation.chunk();
    for first in (0..simulation.accounts).step_by(chunk) {
        let numbers = first..simulation.accounts.min(first + chunk);
        let mut accounts: Vec<Account> =
            numbers.into_par_iter().map(|index| Account::new(&world, index)).collect();
        let features = features_at_cutoff(&accounts, &world)?;
        let truth = match &mut truth {
            Some(truth) => truth,
            none => none.insert(Truth::solve(simulation.signal, simulation.base_rate, &features)?),
        };
        let probability = probabilities(truth, &accounts, &features)?;
        accounts
            .par_iter_mut()
            .zip(&probability)
            .for_each(|(account, p)| account.settle(*p, world.until));
        files.write(&accounts, &probability, &world)?;
        stage.advance(accounts.len() as u64);
    }
    files.finish(&truth.expect("there is at least one account"), &world)
}

impl Simulation {
    fn check(&self) -> Result<()> {
        let refuse = |what: &str, found: f64, expected: &str| {
            Err(Error::Usage {
                problem: format!("{what}: found {found}, expected {expected}"),
                hint: None,
            })
        };
        if self.accounts == 0 {
            return refuse("number of accounts", 0.0, "at least 1");
        }
        if !self.signal.is_finite() || self.signal.abs() > 10.0 {
            return refuse("signal", self.signal, "a number from -10 to 10");
        }
        if !(self.base_rate > 0.0 && self.base_rate < 1.0) {
            return refuse("base rate", self.base_rate, "a share above 0 and below 1");
        }
        if !(1..=3_650).contains(&self.days) {
            return refuse("days of sign-ups", f64::from(self.days), "1 to 3650");
        }
        if !(1.0..=100_000.0).contains(&self.events_per_account) {
            return refuse("events per account", self.events_per_account, "1 to 100000");
        }
        Ok(())
    }

    /// Accounts in memory at once: fewer where each has many events.
    fn chunk(&self) -> usize {
        /// Events in memory at once, about.
        const EVENTS: f64 = 4e6;
        usize::try_from(account::whole(EVENTS / self.events_per_account))
            .unwrap_or(CHUNK)
            .clamp(64, CHUNK)
    }
}

/// What all accounts of a simulation share.
struct World {
    seed: u64,
    accounts: usize,
    /// Sign-ups up to the end of each day, in units of a Tuesday's.
    sign_ups: Vec<f64>,
    /// End of the log, µs UTC, exclusive: all accounts have been observed, the horizon of at least
    /// half of them is over.
    until: i64,
    /// Sessions of an owner on a working day.
    pace: f64,
    /// Mean events in a session after the login.
    length: f64,
    /// Median events from which on the free plan is at its limit.
    limit: f64,
}

impl World {
    fn new(simulation: &Simulation) -> Self {
        /// Sessions of a median owner on a working day, set so that a log of 270 days has 100
        /// events per account.
        const PACE: f64 = 0.47;
        /// Mean events in a session after the login.
        const LENGTH: f64 = 3.2;
        /// Median events from which on the free plan is at its limit.
        const LIMIT: f64 = 40.0;
        let more = simulation.events_per_account / 100.0;
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
            // Half of what is more is more sessions, half longer ones: neither becomes absurd.
            pace: PACE * more.sqrt(),
            length: LENGTH * more.sqrt(),
            limit: LIMIT * more,
        }
    }

    /// The id of an account: all ids of a log are equally long, so that they stand in order.
    fn id(&self, number: u64) -> String {
        /// Digits, where fewer would do too.
        const DIGITS: usize = 5;
        let digits = self.accounts.to_string().len().max(DIGITS);
        format!("a{number:0digits$}")
    }

    /// Draw a sign-up: ids rise with time, days follow the rhythm of the week, no day is busier for
    /// being later.
    #[expect(clippy::cast_precision_loss, reason = "a number of accounts")]
    fn sign_up(&self, draw: &mut Draw, index: usize, hours: i64) -> i64 {
        let all = self.sign_ups[self.sign_ups.len() - 1];
        let position = (index as f64 + draw.share()) / self.accounts as f64 * all;
        let day = self
            .sign_ups
            .partition_point(|before| *before <= position)
            .min(self.sign_ups.len() - 1);
        let local = usage::time_of_day(draw);
        START
            + i64::try_from(day).expect("at most 3,650 days") * DAY
            + (local - hours * usage::HOUR).rem_euclid(DAY)
    }
}

/// Compute the usage features of the accounts observed at their cutoffs, as they will be computed
/// from the files.
fn features_at_cutoff(accounts: &[Account], world: &World) -> Result<DataFrame> {
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let catalogue = Catalogue {
        windows: vec![7, 14],
        roles: [
            ("login", "login"),
            ("invite", "invite_sent"),
            ("limit", "limit_reached"),
            ("hand_raise", "contact_sales"),
        ]
        .map(|(role, name)| (role.to_owned(), names(&[name])))
        .to_vec(),
        counted: Vec::new(),
        sums: Vec::new(),
        attributes: Vec::new(),
        seats: false,
        known: Vec::new(),
        known_rows: 0,
    };
    let mut rows = Observations::default();
    for (code, account) in (0..).zip(accounts).filter(|(_, account)| account.is_observed()) {
        rows.account.push(code);
        rows.cutoff.push(account.cutoff());
        rows.outcome.push(Outcome::Open);
        rows.split.push(Split::Unused);
    }
    features::compute(&catalogue, &log(accounts, world), &rows, &Progress::silent())
}

/// The use so far as [`crate::log::ingest`] would give it; users are coded by their place in the
/// team.
fn log(accounts: &[Account], world: &World) -> Log {
    let n = accounts.len();
    let mut events =
        Events { accounts: 0..n, start: vec![0], user_start: vec![0], ..Events::default() };
    for account in accounts {
        events.time.extend(account.events.iter().map(|e| e.time));
        events.event.extend(account.events.iter().map(|e| e.action as u16));
        events.user.extend(account.events.iter().map(|e| u32::from(e.user)));
        events.start.push(events.time.len());
        let team = account.habits.team.len();
        events.users.extend((0..).take(team));
        events.user_start.push(events.users.len());
    }
    let accounts = Accounts {
        id: Names::from_sorted(
            accounts.iter().map(|a| world.id(a.number).into_boxed_str()).collect(),
        ),
        signed_up: accounts.iter().map(|a| a.signed_up).collect(),
        converted: vec![NEVER; n],
        churned: vec![NEVER; n],
        seats: None,
        revenue: None,
        first_revenue: None,
        attributes: DataFrame::empty_with_height(n),
    };
    Log {
        events: Usage::of(Names::from_sorted(NAMES.map(Box::from).to_vec()), events),
        accounts,
        since: START,
        until: world.until,
        date_only: false,
        listed: true,
        quality: Quality::default(),
        warnings: Vec::new(),
    }
}

/// The true probability of every account observed.
fn probabilities(
    truth: &Truth,
    accounts: &[Account],
    features: &DataFrame,
) -> Result<Vec<Option<f64>>> {
    let mut of_row = truth.log_odds(features)?.into_iter().map(pql_stats::glm::sigmoid);
    Ok(accounts
        .iter()
        .map(|account| if account.is_observed() { of_row.next() } else { None })
        .collect())
}

#[cfg(test)]
mod tests;
