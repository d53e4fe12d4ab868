//! Sessions: when the people of an account come, and what they do then.

use super::account::{Account, Event, Member};
use super::draw::{Draw, whole_seconds};
use super::product::{Action, PARTS, WEEKDAYS};
use crate::time::{DAY, NEVER, SECOND, in_days};

/// Microseconds in an hour.
pub(super) const HOUR: i64 = 3_600 * SECOND;
/// Share of accounts whose owner does not look around right after signing up.
const LATER: f64 = 0.08;
/// Most people invited in one session.
const AT_ONCE: usize = 2;
/// Share of invitations that are taken.
const ACCEPTED: f64 = 0.8;
/// Chance that a session at the limit of the free plan runs into it.
const LIMIT_HIT: f64 = 0.08;
/// Chance that a session ends in a question to sales, and after running into the limit.
const ASKS_SALES: [f64; 2] = [0.003, 0.05];

impl Account {
    /// The session right after signing up.
    pub(super) fn arrive(&mut self) {
        let first = self.signed_up + self.draw.instant(20 * SECOND, 180 * SECOND);
        if self.habits.pace > 0.0 && !self.draw.happens(LATER) && first < self.converted {
            self.session(first, false);
        }
    }

    /// Use the product in `[from, to)`, but not beyond the day on which use stops.
    pub(super) fn work(&mut self, from: i64, to: i64, customer: bool) {
        let to = to.min(self.habits.stop);
        let ahead = self.country.hours * HOUR;
        let mut starts = Vec::new();
        let mut midnight = (from + ahead).div_euclid(DAY) * DAY - ahead;
        while midnight < to {
            let sessions = self.sessions(midnight + DAY / 2, customer);
            starts.clear();
            for _ in 0..self.draw.poisson(sessions) {
                starts.push(midnight + time_of_day(&mut self.draw));
            }
            starts.retain(|at| (from..to).contains(at));
            starts.sort_unstable();
            for start in &starts {
                self.session(*start, customer);
            }
            midnight += DAY;
        }
    }

    /// Mean number of sessions on the local day whose noon is given.
    fn sessions(&self, noon: i64, customer: bool) -> f64 {
        let habits = &self.habits;
        let there = habits
            .team
            .iter()
            .filter(|m| m.joined.is_some_and(|j| j <= noon))
            .map(|m| m.weight)
            .sum::<f64>();
        let weekday = WEEKDAYS[weekday(noon + self.country.hours * HOUR)];
        let interest = if customer {
            let since = in_days((noon - self.converted).max(0));
            habits.interest(self.converted - self.signed_up).max(0.4)
                * (1.1 + 0.6 * (since / 60.0).min(1.0))
        } else {
            habits.interest(noon - self.signed_up)
        };
        let pace = if customer { habits.pace.max(0.1) } else { habits.pace };
        pace * weekday * interest * there.max(0.5).sqrt()
    }

    /// One session of one person.
    fn session(&mut self, start: i64, customer: bool) {
        let user = self.who(start);
        self.events.push(Event { time: start, user, action: Action::Login, half_minutes: 0 });
        let mut clock = self.invite(start, user);
        let mean = self.draw.exponential(self.habits.length);
        for _ in 0..self.draw.poisson(mean) {
            clock = self.pause(clock);
            let part = self.draw.pick(
                PARTS
                    .iter()
                    .zip(self.habits.adopted)
                    .map(|(p, at)| if at <= start { p.weight } else { 0.0 }),
            );
            let half_minutes = match PARTS[part].minutes {
                0.0 => 0,
                mean => u16::try_from(self.draw.poisson(2.0 * mean - 1.0) + 1).unwrap_or(u16::MAX),
            };
            self.events.push(Event { time: clock, user, action: PARTS[part].action, half_minutes });
        }
        if !customer {
            self.outgrow(clock, user);
        }
    }

    /// Send the invitations that are due.
    fn invite(&mut self, start: i64, user: u8) -> i64 {
        let due = |m: &Member| m.joined.is_none() && m.due <= start;
        let mut clock = start;
        for _ in 0..AT_ONCE {
            let Some(at) = self.habits.team.iter().position(due) else { break };
            clock = self.pause(clock);
            self.events.push(Event {
                time: clock,
                user,
                action: Action::InviteSent,
                half_minutes: 0,
            });
            let comes = clock + HOUR + self.draw.span(1.0);
            self.habits.team[at].joined =
                Some(if self.draw.happens(ACCEPTED) { comes } else { NEVER });
        }
        clock
    }

    /// Run into the limit of the free plan, ask for more.
    fn outgrow(&mut self, clock: i64, user: u8) {
        let hit = self.events.len() > self.habits.limit && self.draw.happens(LIMIT_HIT);
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
        if self.draw.happens(ASKS_SALES[usize::from(hit)]) {
            clock = self.pause(clock);
            self.events.push(Event {
                time: clock,
                user,
                action: Action::ContactSales,
                half_minutes: 0,
            });
        }
    }

    /// Whose session it is.
    fn who(&mut self, start: i64) -> u8 {
        let there = self
            .habits
            .team
            .iter()
            .map(|m| if m.joined.is_some_and(|j| j <= start) { m.weight } else { 0.0 });
        u8::try_from(self.draw.pick(there)).expect("a team is small")
    }

    /// Some seconds later.
    fn pause(&mut self, clock: i64) -> i64 {
        clock + 8 * SECOND + whole_seconds(self.draw.exponential(75.0 / 86_400.0))
    }
}

/// A local time of day: working hours, now and then another.
pub(super) fn time_of_day(draw: &mut Draw) -> i64 {
    let hours = if draw.happens(0.08) {
        draw.between(6.0, 23.5)
    } else {
        8.0 + 5.0 * (draw.share() + draw.share())
    };
    whole_seconds(hours / 24.0)
}

/// Days since Monday; 1970 began on a Thursday.
pub(super) fn weekday(local: i64) -> usize {
    usize::try_from((local.div_euclid(DAY) + 3).rem_euclid(7)).expect("0 to 6")
}
