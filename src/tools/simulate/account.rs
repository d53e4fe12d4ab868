//! One account from its sign-up to the end of the log: who it is, when it uses the product, what
//! becomes of it.

use super::draw::{Draw, whole_seconds};
use super::product::{Action, COUNTRIES, Country, INDUSTRIES, PARTS};
use super::{AGE, HORIZON, World};
use crate::time::{DAY, NEVER, SECOND, in_days};

/// Largest team.
pub(super) const LARGEST_TEAM: usize = 40;
/// User of an event that no user caused.
pub(super) const NOBODY: u8 = u8::MAX;

/// Share of accounts that never use the product on trial.
const SILENT: f64 = 0.02;
/// Share of accounts that convert before their cutoff, whatever their use.
const EARLY: f64 = 0.02;
/// Share of the accounts without an outcome in the horizon that convert after it.
const LATE: f64 = 0.02;
/// Share of accounts that stop of which it becomes known.
const CHURN_KNOWN: f64 = 0.5;

/// An event of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    /// µs UTC, whole seconds.
    pub(super) time: i64,
    pub(super) action: Action,
    /// Member of the team, or [`NOBODY`].
    pub(super) user: u8,
    /// Half minutes spent; 0: not measured.
    pub(super) half_minutes: u16,
}

/// A person of the team.
pub(super) struct Member {
    /// How much of the use is theirs.
    pub(super) weight: f64,
    /// When the invitation is due, µs UTC.
    pub(super) due: i64,
    /// When they are there, µs UTC; `None`: not yet invited, [`NEVER`]: declined.
    pub(super) joined: Option<i64>,
}

/// An account with its events so far.
pub(super) struct Account {
    pub(super) draw: Draw,
    /// Number of the account, from 1.
    pub(super) number: u64,
    pub(super) signed_up: i64,
    /// First conversion, µs UTC.
    pub(super) converted: i64,
    /// When it became known that the account has stopped, µs UTC.
    pub(super) churned: i64,
    pub(super) seats: Option<u32>,
    /// Monthly revenue, should it convert.
    pub(super) mrr: u32,
    pub(super) industry: &'static str,
    pub(super) country: &'static Country,
    pub(super) company_size: Option<f64>,
    pub(super) events: Vec<Event>,
    pub(super) habits: Habits,
}

/// How an account uses the product.
pub(super) struct Habits {
    /// Team, the owner first.
    pub(super) team: Vec<Member>,
    /// When each of the [`PARTS`] is taken up, µs UTC.
    pub(super) adopted: [i64; PARTS.len()],
    /// Sessions of the owner on a working day, at sign-up.
    pub(super) pace: f64,
    /// Mean events in a session after the login.
    pub(super) length: f64,
    /// Days in which interest falls to 37 %.
    pub(super) fade: f64,
    /// Events from which on the free plan is at its limit.
    pub(super) limit: usize,
    /// No use on trial from here on, µs UTC.
    pub(super) stop: i64,
}

impl Account {
    /// Draw an account and its use up to its cutoff, or to an earlier conversion.
    pub(super) fn new(world: &World, index: usize) -> Self {
        let number = index as u64 + 1;
        let mut draw = Draw::new(world.seed, number);
        let country = &COUNTRIES[draw.pick(COUNTRIES.iter().map(|c| c.share))];
        let signed_up = world.sign_up(&mut draw, index, country.hours);
        let team = team_size(&mut draw);
        let habits = Habits::new(&mut draw, world, signed_up, team);
        let people = f64::from(u32::try_from(team).expect("a team is small"));
        let seats = 5.0 * (people * draw.between(0.8, 1.8) / 5.0).ceil();
        let churned =
            if draw.happens(CHURN_KNOWN) { known_after(&mut draw, habits.stop) } else { NEVER };
        let early = draw.instant(signed_up + DAY / 24, signed_up + AGE);
        let converted = if draw.happens(EARLY) && early < churned { early } else { NEVER };
        let mut account = Self {
            number,
            signed_up,
            converted,
            churned: if converted == NEVER { churned } else { NEVER },
            seats: (!draw.happens(0.1)).then_some(whole(seats)),
            mrr: whole(people) * if draw.happens(0.3) { 19 } else { 12 },
            industry: INDUSTRIES[draw.pick(INDUSTRIES.iter().map(|(_, share)| *share))].0,
            country,
            company_size: company_size(&mut draw, people),
            events: Vec::new(),
            habits,
            draw,
        };
        account.arrive();
        account.work(signed_up, account.cutoff().min(converted), false);
        account.events.sort_unstable();
        account
    }

    /// When the account is observed.
    pub(super) fn cutoff(&self) -> i64 {
        self.signed_up + AGE
    }

    /// Whether it is known at the cutoff neither to have converted nor to have churned.
    pub(super) fn is_observed(&self) -> bool {
        self.converted.min(self.churned) >= self.cutoff()
    }

    /// Draw what becomes of the account, and the use that follows.
    ///
    /// # Arguments
    /// * `probability` – that an observed account converts in its horizon
    pub(super) fn settle(&mut self, probability: Option<f64>, until: i64) {
        let cutoff = self.cutoff();
        if let Some(probability) = probability {
            if self.draw.happens(probability) {
                self.converted = self.draw.instant(cutoff, cutoff + HORIZON);
            } else if self.churned == NEVER && self.draw.happens(LATE) {
                self.converted = self.draw.instant(cutoff + HORIZON, cutoff + 3 * HORIZON);
            }
        }
        if self.converted == NEVER {
            self.work(cutoff, until, false);
        } else {
            let converted = self.converted;
            self.work(cutoff, converted.min(until), false);
            self.habits.stop = converted + self.draw.span(300.0);
            let stop = self.habits.stop;
            self.churned = known_after(&mut self.draw, stop);
            self.work(converted, until, true);
            self.pay(stop.min(until));
        }
        self.events.retain(|event| event.time < until);
        self.events.sort_unstable();
    }

    /// An invoice on conversion and every 30 days after it.
    fn pay(&mut self, end: i64) {
        let mut due = self.converted + 5 * SECOND;
        while due < end {
            self.events.push(Event {
                time: due,
                user: NOBODY,
                action: Action::InvoicePaid,
                half_minutes: 0,
            });
            due += 30 * DAY;
        }
    }
}

impl Habits {
    fn new(draw: &mut Draw, world: &World, signed_up: i64, team: usize) -> Self {
        let zeal = draw.normal();
        let curiosity = (0.35 * zeal + 0.6 * draw.normal()).exp();
        let silent = draw.happens(SILENT);
        let team = (0..team).map(|at| Member {
            weight: if at == 0 { 1.2 } else { draw.log_normal(0.7, 0.6) },
            due: signed_up + if at == 0 { 0 } else { draw.span(in_turn(at) / curiosity) },
            joined: (at == 0).then_some(signed_up),
        });
        let team = team.collect();
        Self {
            team,
            adopted: std::array::from_fn(|at| {
                signed_up + draw.span(PARTS[at].adopted_after / curiosity)
            }),
            pace: if silent { 0.0 } else { world.pace * (0.85 * zeal).exp() },
            length: world.length,
            fade: draw.log_normal(24.0, 0.8),
            limit: usize::try_from(whole(draw.log_normal(world.limit, 0.6))).unwrap_or(usize::MAX),
            stop: signed_up + DAY / 24 + draw.span(50.0),
        }
    }

    /// Share of the interest at sign-up that is left.
    pub(super) fn interest(&self, age: i64) -> f64 {
        (-in_days(age) / self.fade).exp()
    }
}

/// Mean days until the member of a team is invited: a large team does not come at once.
fn in_turn(at: usize) -> f64 {
    3.0 + 3.0 * f64::from(u32::try_from(at).expect("a team is small"))
}

/// From 1 to [`LARGEST_TEAM`] people, most teams being small.
fn team_size(draw: &mut Draw) -> usize {
    let size = whole(draw.log_normal(2.8, 0.85)).max(1);
    usize::try_from(size).unwrap_or(LARGEST_TEAM).min(LARGEST_TEAM)
}

/// People in the whole company, rounded as people answer; not everyone answers.
fn company_size(draw: &mut Draw, team: f64) -> Option<f64> {
    let size = team * draw.log_normal(5.0, 1.0);
    let step = if size < 50.0 { 1.0 } else { 10.0_f64.powi(whole(size.log10()).cast_signed() - 1) };
    (!draw.happens(0.15)).then_some(((size / step).round() * step).max(team))
}

/// When it becomes known that an account has stopped.
fn known_after(draw: &mut Draw, stop: i64) -> i64 {
    stop + whole_seconds(draw.between(3.0, 21.0))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers from 0 on; a conversion of this kind saturates"
)]
pub(super) fn whole(number: f64) -> u32 {
    number as u32
}
