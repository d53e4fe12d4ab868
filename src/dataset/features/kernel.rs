//! One pass over an account's events for all its cutoffs and windows.
//!
//! With c the cutoff, an event at time t has distance u = c − t > 0; a window of w days covers u ≤
//! w days, the one before it w days < u ≤ 2w days, and day k of it is (u − 1) div 1 day. Going back
//! in time u only grows, so the first time a user, event name or day is met tells the smallest
//! window it belongs to, and sums over windows give all windows at once.

use pql_stats::counts::count;

use super::catalogue::LIFETIME;
use super::plan::{HAND_RAISE, INVITE, LIMIT, LOGIN, Plan, VALUE};
use super::tally::Tally;
use crate::log::{Events, NO_USER};
use crate::time::{DAY, SECOND, in_days};

/// A user's session ends where no event of the user follows within this time.
const SESSION_GAP: i64 = 30 * 60 * SECOND;

/// What a thread needs for one account after the other; stamps say what was met in the row at hand.
pub(super) struct Kernel<'a> {
    pub(super) plan: &'a Plan<'a>,
    events: &'a Events,
    pub(super) stamp: u32,
    user_stamp: Vec<u32>,
    pub(super) event_stamp: Vec<u32>,
    /// By window, then user or event: met in the window before.
    previous_user: Vec<u32>,
    previous_event: Vec<u32>,
    /// By user or event, then window: events whose smallest window this is, then (by `accumulate`)
    /// events in the window.
    pub(super) user_count: Vec<u32>,
    pub(super) event_count: Vec<u32>,
    /// Users and events with a count other than 0.
    pub(super) met_users: Vec<usize>,
    pub(super) met_events: Vec<usize>,
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

/// Events of an account: all of them, or those already seen at a cutoff.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    time: &'a [i64],
    event: &'a [u16],
    user: &'a [u32],
    /// In the order of the log's properties.
    values: &'a [&'a [f64]],
    /// Users of the account.
    users: usize,
    signed_up: i64,
    pub(super) seats: Option<f64>,
}

impl View<'_> {
    fn event(&self, i: usize) -> usize {
        usize::from(self.event[i])
    }

    fn user(&self, i: usize) -> Option<usize> {
        Some(self.user[i]).filter(|u| *u != NO_USER).map(|u| u as usize)
    }
}

impl<'a> Kernel<'a> {
    /// Make ready for the accounts of a part of the log.
    pub(super) fn new(plan: &'a Plan<'a>, events: &'a Events) -> Self {
        let k = plan.windows.len();
        let users =
            events.accounts.clone().map(|account| events.users_of(account)).max().unwrap_or(0);
        Self {
            plan,
            events,
            stamp: 0,
            user_stamp: vec![0; users],
            event_stamp: vec![0; plan.names],
            previous_user: vec![0; k * users],
            previous_event: vec![0; k * plan.names],
            user_count: vec![0; k * users],
            event_count: vec![0; k * plan.names],
            met_users: Vec::new(),
            met_events: Vec::new(),
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
            for stamps in [
                &mut self.user_stamp,
                &mut self.event_stamp,
                &mut self.previous_user,
                &mut self.previous_event,
            ] {
                stamps.fill(0);
            }
            self.stamp = 0;
        }
        self.stamp += 1;
        self.met_users.clear();
        self.met_events.clear();
        self.tallies.fill(Tally::default());
        self.sums.fill(0.0);
    }

    /// Compute the rows of one account, its cutoffs ascending, into `out`, row by row.
    pub(super) fn account_rows(&mut self, account: usize, cutoffs: &[i64], out: &mut [f64]) {
        let (plan, events) = (self.plan, self.events);
        let range = events.of(account);
        let values: Vec<&[f64]> =
            events.values.iter().map(|values| &values[range.clone()]).collect();
        let view = View {
            time: &events.time[range.clone()],
            event: &events.event[range.clone()],
            user: &events.user[range.clone()],
            values: &values,
            users: events.users_of(account),
            signed_up: plan.accounts.signed_up[account],
            seats: plan.seats.map(|seats| seats[account]),
        };
        let seen = events.seen.as_ref().map(|seen| &seen[range]);
        let Some(seen) =
            seen.filter(|seen| seen.iter().zip(view.time).any(|(seen, time)| seen > time))
        else {
            return self.view_rows(view, cutoffs, out);
        };
        // Some events became known late: each cutoff sees a log of its own.
        for (cutoff, row) in cutoffs.iter().zip(out.chunks_mut(plan.width())) {
            let known = |at: &usize| seen[*at] < *cutoff;
            let (time, event, user) =
                (of(view.time, known), of(view.event, known), of(view.user, known));
            let values: Vec<Vec<f64>> =
                view.values.iter().map(|values| of(values, known)).collect();
            let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
            let view = View { time: &time, event: &event, user: &user, values: &values, ..view };
            self.view_rows(view, std::slice::from_ref(cutoff), row);
        }
    }

    fn view_rows(&mut self, view: View<'_>, cutoffs: &[i64], out: &mut [f64]) {
        let plan = self.plan;
        self.mark_sessions(view);
        self.next_lifetime();
        let mut lifetime = Lifetime::default();
        for (cutoff, row) in cutoffs.iter().zip(out.chunks_mut(plan.width())) {
            let end = view.time.partition_point(|time| time < cutoff);
            lifetime.advance(view, end, self);
            self.next_row();
            self.scan(view, end, *cutoff);
            self.accumulate();
            let (lived, windows) = row.split_at_mut(LIFETIME.len());
            lifetime.write(view, *cutoff, lived);
            for (w, into) in
                (0..plan.windows.len()).rev().zip(windows.chunks_mut(plan.window_width()))
            {
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

    /// A session starts at an event of a user that follows none of the same user within 30 minutes;
    /// events without user are one stream.
    fn mark_sessions(&mut self, view: View<'_>) {
        self.session.clear();
        self.last_of_user.clear();
        self.last_of_user.resize(view.users + 1, i64::MIN / 2);
        for (i, time) in view.time.iter().enumerate() {
            let last = &mut self.last_of_user[view.user(i).unwrap_or(view.users)];
            self.session.push(time - *last >= SESSION_GAP);
            *last = *time;
        }
    }

    /// Go back in time from the cutoff to the start of the longest window before.
    fn scan(&mut self, view: View<'_>, end: usize, cutoff: i64) {
        let plan = self.plan;
        let (mut last_day, mut last_login_day) = (-1, -1);
        for i in (0..end).rev() {
            let day = (cutoff - view.time[i] - 1) / DAY;
            let at = usize::try_from(day).expect("only events before the cutoff are looked at");
            let Some(previous) = plan.previous_of.get(at) else { break };
            let roles = plan.roles[view.event(i)];
            if let Some(w) = plan.window_of.get(at).copied() {
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
                    tally.login_days +=
                        u32::from(std::mem::replace(&mut last_login_day, day) != day);
                }
                self.count_distinct(view, i, w);
                for (sum, property) in self.sums[w * plan.sums.len()..].iter_mut().zip(&plan.sums) {
                    let value = view.values[*property][i];
                    *sum += if value.is_nan() { 0.0 } else { value };
                }
            }
            previous.iter().for_each(|w| self.count_previous(view, i, *w));
        }
    }

    fn count_distinct(&mut self, view: View<'_>, i: usize, w: usize) {
        let k = self.plan.windows.len();
        let event = view.event(i);
        if std::mem::replace(&mut self.event_stamp[event], self.stamp) != self.stamp {
            self.tallies[w].names += 1;
            self.met_events.push(event);
            self.event_count[event * k..(event + 1) * k].fill(0);
        }
        self.event_count[event * k + w] += 1;
        let Some(user) = view.user(i) else { return };
        if std::mem::replace(&mut self.user_stamp[user], self.stamp) != self.stamp {
            self.tallies[w].users += 1;
            self.met_users.push(user);
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
            self.names += u32::from(
                std::mem::replace(&mut kernel.lifetime_event[event], kernel.lifetime)
                    != kernel.lifetime,
            );
            if let Some(user) = view.user(i) {
                self.users += u32::from(
                    std::mem::replace(&mut kernel.lifetime_user[user], kernel.lifetime)
                        != kernel.lifetime,
                );
            }
            self.last = Some(view.time[i]);
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
        let since = |t: Option<i64>| t.map_or(f64::NAN, |t| in_days(cutoff - t));
        out.copy_from_slice(&[
            in_days(cutoff - view.signed_up),
            count(self.events as u64),
            f64::from(self.users),
            f64::from(self.names),
            since(self.last),
            since(self.last_login),
            self.first_value.map_or(f64::NAN, |t| in_days((t - view.signed_up).max(0))),
        ]);
    }
}

/// The values at the places that `known` takes.
fn of<T: Copy>(values: &[T], known: impl Fn(&usize) -> bool) -> Vec<T> {
    (0..values.len()).filter(known).map(|at| values[at]).collect()
}
