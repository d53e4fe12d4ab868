//! One pass over an account's events for all its cutoffs and windows.
//!
//! With c the cutoff, an event at time t has distance u = c − t > 0; a window of w days covers u ≤ w days, the one before
//! it w days < u ≤ 2w days, and day k of it is (u − 1) div 1 day. Going back in time u only grows, so the first time a user,
//! event name or day is met tells the smallest window it belongs to, and sums over windows give all windows at once.

use super::catalogue::LIFETIME;
use super::plan::{HAND_RAISE, INVITE, LIMIT, LOGIN, Plan, VALUE};
use super::window::{Tally, days, float};
use crate::ingest::{Log, NO_USER};
use crate::time::{DAY, SECOND};

/// A user's session ends where no event of the user follows within this time.
const SESSION_GAP: i64 = 30 * 60 * SECOND;

/// What a thread needs for one account after the other; stamps say what was met in the row at hand.
pub(super) struct Kernel<'a> {
    pub(super) plan: &'a Plan<'a>,
    log: &'a Log,
    pub(super) stamp: u32,
    user_stamp: Vec<u32>,
    pub(super) event_stamp: Vec<u32>,
    /// By window, then user or event: met in the window before.
    previous_user: Vec<u32>,
    previous_event: Vec<u32>,
    /// By user or event, then window: events whose smallest window this is, then (by `accumulate`) events in the window.
    pub(super) user_count: Vec<u32>,
    pub(super) event_count: Vec<u32>,
    pub(super) users: Vec<usize>,
    pub(super) events: Vec<usize>,
    /// Stamps of accounts: what an account, or a cutoff of an account with late events, has met.
    lifetime: u32,
    lifetime_user: Vec<u32>,
    lifetime_event: Vec<u32>,
    session: Vec<bool>,
    last_of_user: Vec<i64>,
    pub(super) tallies: Vec<Tally>,
    /// By window, then numeric property.
    pub(super) sums: Vec<f64>,
}

/// Events of an account by index: all of them, or those already seen at a cutoff.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    log: &'a Log,
    /// Users of the account.
    users: usize,
    /// Indices in the log, in its order.
    at: &'a [usize],
    signed_up: i64,
    pub(super) seats: Option<f64>,
}

impl<'a> View<'a> {
    fn of(plan: &Plan<'_>, log: &'a Log, account: usize, at: &'a [usize]) -> Self {
        let (signed_up, seats) = (log.accounts.signed_up[account], plan.seats.map(|s| s[account]));
        Self { log, users: log.events.users_of(account), at, signed_up, seats }
    }

    fn time(&self, i: usize) -> i64 {
        self.log.events.time[self.at[i]]
    }

    fn event(&self, i: usize) -> usize {
        usize::from(self.log.events.event[self.at[i]])
    }

    fn user(&self, i: usize) -> Option<usize> {
        Some(self.log.events.user[self.at[i]]).filter(|u| *u != NO_USER).map(|u| u as usize)
    }
}

impl<'a> Kernel<'a> {
    pub(super) fn new(plan: &'a Plan<'a>, log: &'a Log) -> Self {
        let (users, k) = (plan.users, plan.windows.len());
        Self {
            plan,
            log,
            stamp: 0,
            user_stamp: vec![0; users],
            event_stamp: vec![0; plan.names],
            previous_user: vec![0; k * users],
            previous_event: vec![0; k * plan.names],
            user_count: vec![0; k * users],
            event_count: vec![0; k * plan.names],
            users: Vec::new(),
            events: Vec::new(),
            lifetime: 0,
            lifetime_user: vec![0; users],
            lifetime_event: vec![0; plan.names],
            session: Vec::new(),
            last_of_user: Vec::new(),
            tallies: vec![Tally::default(); k],
            sums: vec![0.0; k * plan.sums.len()],
        }
    }

    fn next_row(&mut self) {
        if self.stamp == u32::MAX {
            for stamps in [&mut self.user_stamp, &mut self.event_stamp, &mut self.previous_user, &mut self.previous_event] {
                stamps.fill(0);
            }
            self.stamp = 0;
        }
        self.stamp += 1;
        self.users.clear();
        self.events.clear();
        self.tallies.fill(Tally::default());
        self.sums.fill(0.0);
    }

    /// Compute the rows of one account, its cutoffs ascending, into `out`, row by row.
    pub(super) fn account_rows(&mut self, account: usize, cutoffs: &[i64], out: &mut [f64]) {
        let (log, range) = (self.log, self.log.events.of(account));
        let late = log.events.seen.as_ref().filter(|seen| range.clone().any(|at| seen[at] > log.events.time[at]));
        let Some(seen) = late else {
            let at: Vec<usize> = range.collect();
            return self.view_rows(View::of(self.plan, log, account, &at), cutoffs, out);
        };
        // Some events became known late: each cutoff sees a log of its own.
        for (cutoff, row) in cutoffs.iter().zip(out.chunks_mut(self.plan.width())) {
            let at: Vec<usize> = range.clone().filter(|at| seen[*at] < *cutoff).collect();
            self.view_rows(View::of(self.plan, log, account, &at), std::slice::from_ref(cutoff), row);
        }
    }

    fn view_rows(&mut self, view: View<'_>, cutoffs: &[i64], out: &mut [f64]) {
        let plan = self.plan;
        self.mark_sessions(view);
        self.next_lifetime();
        let mut lifetime = Lifetime::default();
        for (cutoff, row) in cutoffs.iter().zip(out.chunks_mut(plan.width())) {
            let end = view.at.partition_point(|at| view.log.events.time[*at] < *cutoff);
            lifetime.advance(view, end, self);
            self.next_row();
            self.scan(view, end, *cutoff);
            self.accumulate();
            let (lived, windows) = row.split_at_mut(LIFETIME.len());
            lifetime.write(view, *cutoff, lived);
            for (w, into) in (0..plan.windows.len()).rev().zip(windows.chunks_mut(plan.window_width())) {
                self.write_window(view, w, into);
            }
        }
    }

    fn next_lifetime(&mut self) {
        if self.lifetime == u32::MAX {
            self.lifetime_user.fill(0);
            self.lifetime_event.fill(0);
            self.lifetime = 0;
        }
        self.lifetime += 1;
    }

    /// A session starts at an event of a user that follows none of the same user within 30 minutes; events without user are one stream.
    fn mark_sessions(&mut self, view: View<'_>) {
        self.session.clear();
        self.last_of_user.clear();
        self.last_of_user.resize(view.users + 1, i64::MIN / 2);
        for i in 0..view.at.len() {
            let last = &mut self.last_of_user[view.user(i).unwrap_or(view.users)];
            self.session.push(view.time(i) - *last >= SESSION_GAP);
            *last = view.time(i);
        }
    }

    /// Go back in time from the cutoff to the start of the longest window before.
    fn scan(&mut self, view: View<'_>, end: usize, cutoff: i64) {
        let plan = self.plan;
        let longest = plan.windows[plan.windows.len() - 1];
        let (mut last_day, mut last_login_day) = (-1, -1);
        for i in (0..end).rev() {
            let day = (cutoff - view.time(i) - 1) / DAY;
            if day >= 2 * longest {
                break;
            }
            let roles = plan.roles[view.event(i)];
            if let Some(w) = plan.windows.iter().position(|w| day < *w) {
                let tally = &mut self.tallies[w];
                tally.events += 1;
                tally.days += day;
                tally.sessions += u32::from(self.session[i]);
                tally.logins += u32::from(roles & LOGIN != 0);
                tally.invites += u32::from(roles & INVITE != 0);
                tally.limit_hits += u32::from(roles & LIMIT != 0);
                tally.hand_raises += u32::from(roles & HAND_RAISE != 0);
                tally.active_days += u32::from(std::mem::replace(&mut last_day, day) != day);
                if roles & LOGIN != 0 {
                    tally.login_days += u32::from(std::mem::replace(&mut last_login_day, day) != day);
                }
                self.count_distinct(view, i, w);
                for (sum, values) in self.sums[w * plan.sums.len()..].iter_mut().zip(&plan.sums) {
                    let value = values[view.at[i]];
                    *sum += if value.is_nan() { 0.0 } else { value };
                }
            }
            for (w, _) in plan.windows.iter().enumerate().filter(|(_, w)| (**w..2 * **w).contains(&day)) {
                self.count_previous(view, i, w);
            }
        }
    }

    fn count_distinct(&mut self, view: View<'_>, i: usize, w: usize) {
        let k = self.plan.windows.len();
        let event = view.event(i);
        if std::mem::replace(&mut self.event_stamp[event], self.stamp) != self.stamp {
            self.tallies[w].names += 1;
            self.events.push(event);
            self.event_count[event * k..(event + 1) * k].fill(0);
        }
        self.event_count[event * k + w] += 1;
        let Some(user) = view.user(i) else { return };
        if std::mem::replace(&mut self.user_stamp[user], self.stamp) != self.stamp {
            self.tallies[w].users += 1;
            self.users.push(user);
            self.user_count[user * k..(user + 1) * k].fill(0);
        }
        self.user_count[user * k + w] += 1;
    }

    fn count_previous(&mut self, view: View<'_>, i: usize, w: usize) {
        let plan = self.plan;
        let roles = plan.roles[view.event(i)];
        let previous = &mut self.tallies[w].previous;
        previous.events += 1;
        previous.logins += u32::from(roles & LOGIN != 0);
        let met = &mut self.previous_event[w * plan.names + view.event(i)];
        previous.names += u32::from(std::mem::replace(met, self.stamp) != self.stamp);
        if let Some(user) = view.user(i) {
            let met = &mut self.previous_user[w * self.user_stamp.len() + user];
            previous.users += u32::from(std::mem::replace(met, self.stamp) != self.stamp);
        }
    }
}

/// What is counted from the first event on.
#[derive(Default)]
struct Lifetime {
    events: usize,
    users: u32,
    names: u32,
    last: Option<i64>,
    last_login: Option<i64>,
    first_value: Option<i64>,
}

impl Lifetime {
    fn advance(&mut self, view: View<'_>, end: usize, kernel: &mut Kernel<'_>) {
        for i in self.events..end {
            let event = view.event(i);
            let roles = kernel.plan.roles[event];
            self.names += u32::from(std::mem::replace(&mut kernel.lifetime_event[event], kernel.lifetime) != kernel.lifetime);
            if let Some(user) = view.user(i) {
                self.users += u32::from(std::mem::replace(&mut kernel.lifetime_user[user], kernel.lifetime) != kernel.lifetime);
            }
            self.last = Some(view.time(i));
            if roles & LOGIN != 0 {
                self.last_login = self.last;
            }
            if roles & VALUE != 0 && self.first_value.is_none() {
                self.first_value = self.last;
            }
        }
        self.events = end;
    }

    fn write(&self, view: View<'_>, cutoff: i64, out: &mut [f64]) {
        let since = |t: Option<i64>| t.map_or(f64::NAN, |t| days(cutoff - t));
        out.copy_from_slice(&[
            days(cutoff - view.signed_up),
            float(self.events as u64),
            f64::from(self.users),
            f64::from(self.names),
            since(self.last),
            since(self.last_login),
            self.first_value.map_or(f64::NAN, |t| days((t - view.signed_up).max(0))),
        ]);
    }
}
