//! Computes the features of an account for all cutoffs and windows in one pass over its events.
//!
//! With cutoff c, an event at time t has distance u = c − t > 0. A window of w days covers u ≤ w
//! days, the preceding window covers w days < u ≤ 2w days, and the day of an event is (u − 1) div 1
//! day. The pass goes back in time, so u only increases: the first occurrence of a user, event name
//! or day determines the shortest window that contains it, and cumulative sums over the windows
//! give the counts of all windows.

use pql_stats::counts::count;

use super::catalog::LIFETIME;
use super::plan::{HAND_RAISE, INVITE, LIMIT, LOGIN, Plan, VALUE};
use super::window_counts::WindowCounts;
use crate::log::{Events, NO_USER};
use crate::time::{DAY, SECOND, in_days};

/// A session ends if the user has no other event within this time.
const SESSION_GAP: i64 = 30 * 60 * SECOND;

/// Buffers of a thread, reused for every account. A stamp marks what occurred in the current row.
pub(super) struct Kernel<'a> {
    pub(super) plan: &'a Plan<'a>,
    events: &'a Events,
    pub(super) stamp: u32,
    user_stamp: Vec<u32>,
    pub(super) event_stamp: Vec<u32>,
    /// Stamps of the preceding window, by window, then user or event name.
    previous_user: Vec<u32>,
    previous_event: Vec<u32>,
    /// By user or event name, then window: events whose shortest window this is; after
    /// `accumulate`, all events in the window.
    pub(super) user_count: Vec<u32>,
    pub(super) event_count: Vec<u32>,
    /// Users and event names with a count other than 0.
    pub(super) touched_users: Vec<usize>,
    pub(super) touched_events: Vec<usize>,
    /// Stamp of the lifetime of an account, or of one cutoff if the account has late events.
    lifetime: u32,
    lifetime_user: Vec<u32>,
    lifetime_event: Vec<u32>,
    session: Vec<bool>,
    last_of_user: Vec<i64>,
    pub(super) tallies: Vec<WindowCounts>,
    /// By window, then numeric property.
    pub(super) sums: Vec<f64>,
}

/// The events of an account: all of them, or those known at a cutoff.
#[derive(Clone, Copy)]
pub(super) struct EventView<'a> {
    time: &'a [i64],
    event: &'a [u16],
    user: &'a [u32],
    /// Numeric properties, in the order of the log.
    values: &'a [&'a [f64]],
    /// Number of users of the account.
    users: usize,
    pub(super) signed_up: i64,
    pub(super) seats: Option<f64>,
}

impl EventView<'_> {
    fn event(&self, i: usize) -> usize {
        usize::from(self.event[i])
    }

    fn user(&self, i: usize) -> Option<usize> {
        Some(self.user[i]).filter(|u| *u != NO_USER).map(|u| u as usize)
    }
}

impl<'a> Kernel<'a> {
    /// Allocates the buffers for a partition of the log.
    pub(super) fn new(plan: &'a Plan<'a>, events: &'a Events) -> Self {
        let k = plan.windows.len();
        let users =
            events.accounts.clone().map(|account| events.user_count(account)).max().unwrap_or(0);
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
            touched_users: Vec::new(),
            touched_events: Vec::new(),
            lifetime: 0,
            lifetime_user: vec![0; users],
            lifetime_event: vec![0; plan.names],
            session: Vec::new(),
            last_of_user: Vec::new(),
            tallies: vec![WindowCounts::default(); k],
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
        self.touched_users.clear();
        self.touched_events.clear();
        self.tallies.fill(WindowCounts::default());
        self.sums.fill(0.0);
    }

    /// Computes the rows of one account into `out`, row by row; `cutoffs` are ascending.
    pub(super) fn account_rows(&mut self, account: usize, cutoffs: &[i64], out: &mut [f64]) {
        let (plan, events) = (self.plan, self.events);
        let range = events.account_range(account);
        let values: Vec<&[f64]> =
            events.values.iter().map(|values| &values[range.clone()]).collect();
        let view = EventView {
            time: &events.time[range.clone()],
            event: &events.event[range.clone()],
            user: &events.user[range.clone()],
            values: &values,
            users: events.user_count(account),
            signed_up: plan.accounts.signed_up[account],
            seats: plan.seats.map(|seats| seats[account]),
        };
        let known_at = events.known_at.as_ref().map(|known_at| &known_at[range]);
        let Some(known_at) = known_at.filter(|known_at| {
            known_at.iter().zip(view.time).any(|(known_at, time)| known_at > time)
        }) else {
            return self.view_rows(view, cutoffs, out);
        };
        // Some events became known late, so that each cutoff has its own set of known events.
        for (cutoff, row) in cutoffs.iter().zip(out.chunks_mut(plan.width())) {
            let known = |index: &usize| known_at[*index] < *cutoff;
            let (time, event, user) =
                (select(view.time, known), select(view.event, known), select(view.user, known));
            let values: Vec<Vec<f64>> =
                view.values.iter().map(|values| select(values, known)).collect();
            let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
            let view =
                EventView { time: &time, event: &event, user: &user, values: &values, ..view };
            self.view_rows(view, std::slice::from_ref(cutoff), row);
        }
    }

    fn view_rows(&mut self, view: EventView<'_>, cutoffs: &[i64], out: &mut [f64]) {
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
            let (lived, mut rest) = row.split_at_mut(LIFETIME.len());
            lifetime.write(view, *cutoff, lived);
            for w in (0..plan.windows.len()).rev() {
                let (out_window, shorter) = rest.split_at_mut(plan.window_width(w));
                self.write_window(view, *cutoff, w, out_window);
                rest = shorter;
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

    /// Marks the events that start a session: those without another event of the same user in the
    /// 30 minutes before. Events without a user are treated as one user.
    fn mark_sessions(&mut self, view: EventView<'_>) {
        self.session.clear();
        self.last_of_user.clear();
        self.last_of_user.resize(view.users + 1, i64::MIN / 2);
        for (i, time) in view.time.iter().enumerate() {
            let last = &mut self.last_of_user[view.user(i).unwrap_or(view.users)];
            self.session.push(time - *last >= SESSION_GAP);
            *last = *time;
        }
    }

    /// Scans back in time from the cutoff to the start of the longest preceding window.
    fn scan(&mut self, view: EventView<'_>, end: usize, cutoff: i64) {
        let plan = self.plan;
        let (mut last_day, mut last_login_day) = (-1, -1);
        for i in (0..end).rev() {
            let day = (cutoff - view.time[i] - 1) / DAY;
            let index = usize::try_from(day).expect("all events are before the cutoff");
            let Some(previous) = plan.previous_of.get(index) else { break };
            let roles = plan.roles[view.event(i)];
            if let Some(w) = plan.window_of.get(index).copied() {
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

    fn count_distinct(&mut self, view: EventView<'_>, i: usize, w: usize) {
        let k = self.plan.windows.len();
        let event = view.event(i);
        if std::mem::replace(&mut self.event_stamp[event], self.stamp) != self.stamp {
            self.tallies[w].names += 1;
            self.touched_events.push(event);
            self.event_count[event * k..(event + 1) * k].fill(0);
        }
        self.event_count[event * k + w] += 1;
        let Some(user) = view.user(i) else { return };
        if std::mem::replace(&mut self.user_stamp[user], self.stamp) != self.stamp {
            self.tallies[w].users += 1;
            self.touched_users.push(user);
            self.user_count[user * k..(user + 1) * k].fill(0);
        }
        self.user_count[user * k + w] += 1;
    }

    fn count_previous(&mut self, view: EventView<'_>, i: usize, w: usize) {
        let plan = self.plan;
        let roles = plan.roles[view.event(i)];
        let previous = &mut self.tallies[w].previous;
        previous.events += 1;
        previous.logins += u32::from(roles & LOGIN != 0);
        let stamp = &mut self.previous_event[w * plan.names + view.event(i)];
        previous.names += u32::from(std::mem::replace(stamp, self.stamp) != self.stamp);
        if let Some(user) = view.user(i) {
            let stamp = &mut self.previous_user[w * self.user_stamp.len() + user];
            previous.users += u32::from(std::mem::replace(stamp, self.stamp) != self.stamp);
        }
    }
}

/// Counts over the lifetime of an account.
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
    fn advance(&mut self, view: EventView<'_>, end: usize, kernel: &mut Kernel<'_>) {
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

    fn write(&self, view: EventView<'_>, cutoff: i64, out: &mut [f64]) {
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

/// Returns the values whose indices `known` accepts.
fn select<T: Copy>(values: &[T], known: impl Fn(&usize) -> bool) -> Vec<T> {
    (0..values.len()).filter(known).map(|index| values[index]).collect()
}
