//! One account from sign-up to the end of the log: its attributes, its usage and its outcome.

use super::product::{Action, COUNTRIES, Country, INDUSTRIES, PRODUCT_FEATURES};
use super::rng::{AccountRng, whole_seconds};
use super::{AGE, HORIZON, Scenario};
use crate::time::{DAY, NEVER, SECOND, in_days};

/// Maximum team size.
pub(super) const LARGEST_TEAM: usize = 40;
/// User of system events, which have no user.
pub(super) const SYSTEM_USER: u8 = u8::MAX;

/// Share of accounts without any usage in the trial.
const SILENT: f64 = 0.02;
/// Share of accounts that convert before their cutoff, independent of usage.
const EARLY: f64 = 0.02;
/// Share of accounts that convert after the horizon, among those that did not convert in it.
const LATE: f64 = 0.02;
/// Probability that churn is recorded.
const CHURN_KNOWN: f64 = 0.5;

/// An event of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    /// Time in whole seconds, µs UTC.
    pub(super) time: i64,
    pub(super) action: Action,
    /// Member of the team, or [`SYSTEM_USER`].
    pub(super) user: u8,
    /// Half minutes spent; 0: not recorded.
    pub(super) half_minutes: u16,
}

/// A member of the team.
pub(super) struct Member {
    /// Relative share of the sessions.
    pub(super) weight: f64,
    /// When the invitation is due, µs UTC.
    pub(super) due: i64,
    /// When the member joined, µs UTC; `None`: not yet invited, [`NEVER`]: declined.
    pub(super) joined: Option<i64>,
}

/// An account with its events.
pub(super) struct Account {
    pub(super) rng: AccountRng,
    /// Number of the account, from 1.
    pub(super) number: u64,
    pub(super) signed_up: i64,
    /// First conversion, µs UTC.
    pub(super) converted: i64,
    /// When the churn was recorded, µs UTC.
    pub(super) churned: i64,
    pub(super) seats: Option<u32>,
    /// Monthly revenue if the account converts.
    pub(super) mrr: u32,
    pub(super) industry: &'static str,
    pub(super) country: &'static Country,
    pub(super) company_size: Option<f64>,
    pub(super) events: Vec<Event>,
    pub(super) pattern: UsagePattern,
}

/// Usage pattern of an account.
pub(super) struct UsagePattern {
    /// Team members, the owner first.
    pub(super) team: Vec<Member>,
    /// When each of the [`PRODUCT_FEATURES`] is adopted, µs UTC.
    pub(super) adopted: [i64; PRODUCT_FEATURES.len()],
    /// Mean sessions of the owner on a working day, at sign-up.
    pub(super) pace: f64,
    /// Mean number of events in a session after the login.
    pub(super) length: f64,
    /// Days until usage falls to 37%.
    pub(super) fade: f64,
    /// Number of events at which the free plan reaches its limit.
    pub(super) limit: usize,
    /// End of usage in the trial, µs UTC.
    pub(super) stop: i64,
}

impl Account {
    /// Draws an account and its usage up to its cutoff or an earlier conversion.
    pub(super) fn new(scenario: &Scenario, index: usize) -> Self {
        let number = index as u64 + 1;
        let mut rng = AccountRng::new(scenario.seed, number);
        let country = &COUNTRIES[rng.weighted_index(COUNTRIES.iter().map(|c| c.share))];
        let signed_up = scenario.sign_up(&mut rng, index, country.hours);
        let team = team_size(&mut rng);
        let pattern = UsagePattern::new(&mut rng, scenario, signed_up, team);
        let people = f64::from(u32::try_from(team).expect("a team is small"));
        let seats = 5.0 * (people * rng.uniform_between(0.8, 1.8) / 5.0).ceil();
        let churned = if rng.bernoulli(CHURN_KNOWN) {
            draw_churn_record_time(&mut rng, pattern.stop)
        } else {
            NEVER
        };
        let early = rng.time_between(signed_up + DAY / 24, signed_up + AGE);
        let converted = if rng.bernoulli(EARLY) && early < churned { early } else { NEVER };
        let mut account = Self {
            number,
            signed_up,
            converted,
            churned: if converted == NEVER { churned } else { NEVER },
            seats: (!rng.bernoulli(0.1)).then_some(to_whole(seats)),
            mrr: to_whole(people) * if rng.bernoulli(0.3) { 19 } else { 12 },
            industry: INDUSTRIES[rng.weighted_index(INDUSTRIES.iter().map(|(_, share)| *share))].0,
            country,
            company_size: company_size(&mut rng, people),
            events: Vec::new(),
            pattern,
            rng,
        };
        account.add_first_session();
        account.add_sessions(signed_up, account.cutoff().min(converted), false);
        account.events.sort_unstable();
        account
    }

    /// Returns the cutoff of the account.
    pub(super) fn cutoff(&self) -> i64 {
        self.signed_up + AGE
    }

    /// Returns whether the account has neither converted nor churned before its cutoff.
    pub(super) fn is_observed(&self) -> bool {
        self.converted.min(self.churned) >= self.cutoff()
    }

    /// Draws the outcome of the account and its usage after the cutoff.
    ///
    /// # Arguments
    /// * `probability` – conversion probability of an observed account
    pub(super) fn draw_outcome(&mut self, probability: Option<f64>, until: i64) {
        let cutoff = self.cutoff();
        if let Some(probability) = probability {
            if self.rng.bernoulli(probability) {
                self.converted = self.rng.time_between(cutoff, cutoff + HORIZON);
            } else if self.churned == NEVER && self.rng.bernoulli(LATE) {
                self.converted = self.rng.time_between(cutoff + HORIZON, cutoff + 3 * HORIZON);
            }
        }
        if self.converted == NEVER {
            self.add_sessions(cutoff, until, false);
        } else {
            let converted = self.converted;
            self.add_sessions(cutoff, converted.min(until), false);
            self.pattern.stop = converted + self.rng.exponential_span(300.0);
            let stop = self.pattern.stop;
            self.churned = draw_churn_record_time(&mut self.rng, stop);
            self.add_sessions(converted, until, true);
            self.add_invoices(stop.min(until));
        }
        self.events.retain(|event| event.time < until);
        self.events.sort_unstable();
    }

    /// Adds an invoice at the conversion and every 30 days after it.
    fn add_invoices(&mut self, end: i64) {
        let mut due = self.converted + 5 * SECOND;
        while due < end {
            self.events.push(Event {
                time: due,
                user: SYSTEM_USER,
                action: Action::InvoicePaid,
                half_minutes: 0,
            });
            due += 30 * DAY;
        }
    }
}

impl UsagePattern {
    fn new(rng: &mut AccountRng, scenario: &Scenario, signed_up: i64, team: usize) -> Self {
        let zeal = rng.normal();
        let curiosity = (0.35 * zeal + 0.6 * rng.normal()).exp();
        let silent = rng.bernoulli(SILENT);
        let team = (0..team).map(|member| Member {
            weight: if member == 0 { 1.2 } else { rng.log_normal(0.7, 0.6) },
            due: signed_up
                + if member == 0 {
                    0
                } else {
                    rng.exponential_span(mean_invite_delay(member) / curiosity)
                },
            joined: (member == 0).then_some(signed_up),
        });
        let team = team.collect();
        Self {
            team,
            adopted: std::array::from_fn(|index| {
                signed_up + rng.exponential_span(PRODUCT_FEATURES[index].adopted_after / curiosity)
            }),
            pace: if silent { 0.0 } else { scenario.pace * (0.85 * zeal).exp() },
            length: scenario.length,
            fade: rng.log_normal(24.0, 0.8),
            limit: usize::try_from(to_whole(rng.log_normal(scenario.limit, 0.6)))
                .unwrap_or(usize::MAX),
            stop: signed_up + DAY / 24 + rng.exponential_span(50.0),
        }
    }

    /// Returns the usage at an age relative to the usage at sign-up.
    pub(super) fn interest(&self, age: i64) -> f64 {
        (-in_days(age) / self.fade).exp()
    }
}

/// Returns the mean number of days until a team member is invited.
fn mean_invite_delay(member: usize) -> f64 {
    3.0 + 3.0 * f64::from(u32::try_from(member).expect("a team is small"))
}

/// Draws a team size from 1 to [`LARGEST_TEAM`]. Most teams are small.
fn team_size(rng: &mut AccountRng) -> usize {
    let size = to_whole(rng.log_normal(2.8, 0.85)).max(1);
    usize::try_from(size).unwrap_or(LARGEST_TEAM).min(LARGEST_TEAM)
}

/// Draws the number of employees, rounded as in a sign-up form and sometimes missing.
fn company_size(rng: &mut AccountRng, team: f64) -> Option<f64> {
    let size = team * rng.log_normal(5.0, 1.0);
    let step =
        if size < 50.0 { 1.0 } else { 10.0_f64.powi(to_whole(size.log10()).cast_signed() - 1) };
    (!rng.bernoulli(0.15)).then_some(((size / step).round() * step).max(team))
}

/// Draws when the end of usage is recorded as churn.
fn draw_churn_record_time(rng: &mut AccountRng, stop: i64) -> i64 {
    stop + whole_seconds(rng.uniform_between(3.0, 21.0))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nonnegative numbers; the cast saturates"
)]
pub(super) fn to_whole(number: f64) -> u32 {
    number as u32
}
