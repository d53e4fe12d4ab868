//! Sessions of an account: their times and events.

use super::account::{Account, Event, Member};
use super::product::{Action, PRODUCT_FEATURES, WEEKDAYS};
use super::rng::{AccountRng, whole_seconds};
use crate::time::{DAY, NEVER, SECOND, in_days};

/// Microseconds in an hour.
pub(super) const HOUR: i64 = 3_600 * SECOND;
/// Share of accounts without a session right after sign-up.
const NO_FIRST_SESSION: f64 = 0.08;
/// Maximum number of invitations in one session.
const MAX_INVITES: usize = 2;
/// Share of accepted invitations.
const ACCEPTED: f64 = 0.8;
/// Probability that a session reaches the limit of the free plan, once the account is at the limit.
const LIMIT_HIT: f64 = 0.08;
/// Probability that a session ends with a message to sales: usually, and after reaching the limit.
const ASKS_SALES: [f64; 2] = [0.003, 0.05];

impl Account {
    /// Adds the session right after sign-up.
    pub(super) fn add_first_session(&mut self) {
        let first = self.signed_up + self.rng.time_between(20 * SECOND, 180 * SECOND);
        if self.pattern.pace > 0.0
            && !self.rng.bernoulli(NO_FIRST_SESSION)
            && first < self.converted
        {
            self.session(first, false);
        }
    }

    /// Adds the sessions in `[from, to)` until usage stops.
    pub(super) fn add_sessions(&mut self, from: i64, to: i64, customer: bool) {
        let to = to.min(self.pattern.stop);
        let ahead = self.country.hours * HOUR;
        let mut starts = Vec::new();
        let mut midnight = (from + ahead).div_euclid(DAY) * DAY - ahead;
        while midnight < to {
            let sessions = self.sessions(midnight + DAY / 2, customer);
            starts.clear();
            for _ in 0..self.rng.poisson(sessions) {
                starts.push(midnight + time_of_day(&mut self.rng));
            }
            starts.retain(|start| (from..to).contains(start));
            starts.sort_unstable();
            for start in &starts {
                self.session(*start, customer);
            }
            midnight += DAY;
        }
    }

    /// Returns the mean number of sessions on the local day of `noon`.
    fn sessions(&self, noon: i64, customer: bool) -> f64 {
        let pattern = &self.pattern;
        let present = pattern
            .team
            .iter()
            .filter(|m| m.joined.is_some_and(|j| j <= noon))
            .map(|m| m.weight)
            .sum::<f64>();
        let weekday = WEEKDAYS[weekday(noon + self.country.hours * HOUR)];
        let interest = if customer {
            let since = in_days((noon - self.converted).max(0));
            pattern.interest(self.converted - self.signed_up).max(0.4)
                * (1.1 + 0.6 * (since / 60.0).min(1.0))
        } else {
            pattern.interest(noon - self.signed_up)
        };
        let pace = if customer { pattern.pace.max(0.1) } else { pattern.pace };
        pace * weekday * interest * present.max(0.5).sqrt()
    }

    /// Adds one session of one user.
    fn session(&mut self, start: i64, customer: bool) {
        let user = self.pick_user(start);
        self.events.push(Event { time: start, user, action: Action::Login, half_minutes: 0 });
        let mut clock = self.invite(start, user);
        let mean = self.rng.exponential(self.pattern.length);
        for _ in 0..self.rng.poisson(mean) {
            clock = self.pause(clock);
            let index = self.rng.weighted_index(
                PRODUCT_FEATURES
                    .iter()
                    .zip(self.pattern.adopted)
                    .map(|(feature, adopted)| if adopted <= start { feature.weight } else { 0.0 }),
            );
            let half_minutes = match PRODUCT_FEATURES[index].minutes {
                0.0 => 0,
                mean => u16::try_from(self.rng.poisson(2.0 * mean - 1.0) + 1).unwrap_or(u16::MAX),
            };
            self.events.push(Event {
                time: clock,
                user,
                action: PRODUCT_FEATURES[index].action,
                half_minutes,
            });
        }
        if !customer {
            self.maybe_hit_limit(clock, user);
        }
    }

    /// Adds the due invitations.
    fn invite(&mut self, start: i64, user: u8) -> i64 {
        let due = |m: &Member| m.joined.is_none() && m.due <= start;
        let mut clock = start;
        for _ in 0..MAX_INVITES {
            let Some(member) = self.pattern.team.iter().position(due) else { break };
            clock = self.pause(clock);
            self.events.push(Event {
                time: clock,
                user,
                action: Action::InviteSent,
                half_minutes: 0,
            });
            let joins = clock + HOUR + self.rng.exponential_span(1.0);
            self.pattern.team[member].joined =
                Some(if self.rng.bernoulli(ACCEPTED) { joins } else { NEVER });
        }
        clock
    }

    /// Adds a reached limit and a message to sales, if they occur.
    fn maybe_hit_limit(&mut self, clock: i64, user: u8) {
        let hit = self.events.len() > self.pattern.limit && self.rng.bernoulli(LIMIT_HIT);
        let mut clock = clock;
        if hit {
            clock = self.pause(clock);
            self.events.push(Event {
                time: clock,
                user,
                action: Action::LimitReached,
                half_minutes: 0,
            });
        }
        if self.rng.bernoulli(ASKS_SALES[usize::from(hit)]) {
            clock = self.pause(clock);
            self.events.push(Event {
                time: clock,
                user,
                action: Action::ContactSales,
                half_minutes: 0,
            });
        }
    }

    /// Draws the user of a session.
    fn pick_user(&mut self, start: i64) -> u8 {
        let weights = self
            .pattern
            .team
            .iter()
            .map(|m| if m.joined.is_some_and(|j| j <= start) { m.weight } else { 0.0 });
        u8::try_from(self.rng.weighted_index(weights)).expect("a team is small")
    }

    /// Draws the time of the next event, some seconds later.
    fn pause(&mut self, clock: i64) -> i64 {
        clock + 8 * SECOND + whole_seconds(self.rng.exponential(75.0 / 86_400.0))
    }
}

/// Draws a local time of day, mostly in working hours.
pub(super) fn time_of_day(rng: &mut AccountRng) -> i64 {
    let hours = if rng.bernoulli(0.08) {
        rng.uniform_between(6.0, 23.5)
    } else {
        8.0 + 5.0 * (rng.uniform() + rng.uniform())
    };
    whole_seconds(hours / 24.0)
}

/// Returns the number of days since Monday. 1970-01-01 was a Thursday.
pub(super) fn weekday(local: i64) -> usize {
    usize::try_from((local.div_euclid(DAY) + 3).rem_euclid(7)).expect("0 to 6")
}
