//! One pass over an account's events for all its cutoffs and windows.
//!
//! With c the cutoff, an event at time t has distance u = c − t > 0; a window of w days covers u ≤ w days, the one before
//! it w days < u ≤ 2w days, and day k of it is (u − 1) div 1 day. Going back in time u only grows, so the first time a user,
//! event name or day is met tells the smallest window it belongs to, and sums over windows give all windows at once.

use super::catalogue::{Catalogue, LIFETIME, PER_WINDOW};
use crate::error::{Error, Result};
use crate::ingest::{Log, NO_USER};
use crate::time::{DAY, SECOND};

/// A user's session ends where no event of the user follows within this time.
const SESSION_GAP: i64 = 30 * 60 * SECOND;

const LOGIN: u8 = 1;
const VALUE: u8 = 2;
const INVITE: u8 = 4;
const LIMIT: u8 = 8;
const HAND_RAISE: u8 = 16;

/// The catalogue in the codes of one log.
pub(super) struct Plan<'a> {
    /// Windows in days, ascending.
    windows: Vec<i64>,
    /// Roles of each event name.
    roles: Vec<u8>,
    /// Codes of the event names with counts of their own; `None`: not in this log.
    counted: Vec<Option<u16>>,
    sums: Vec<&'a [f64]>,
    seats: Option<&'a [f64]>,
    names: usize,
}

impl<'a> Plan<'a> {
    pub(super) fn new(catalogue: &Catalogue, log: &'a Log) -> Result<Self> {
        let names = &log.events.names;
        let mut roles = vec![0; names.len()];
        for (role, bit) in [("login", LOGIN), ("value", VALUE), ("invite", INVITE), ("limit", LIMIT), ("hand_raise", HAND_RAISE)] {
            for code in catalogue.role(role).iter().filter_map(|name| names.code(name)) {
                roles[code] |= bit;
            }
        }
        let lacks = |what: String| Error::Unsuitable { problem: format!("the log has no {what}, which the model needs"), hint: None };
        let sum = |name: &String| {
            let found = log.events.values.iter().find(|(n, _)| n == name);
            found.map(|(_, v)| v.as_slice()).ok_or_else(|| lacks(format!("numeric property `{name}` (`events.values`)")))
        };
        let seats = match (&log.accounts.seats, catalogue.seats) {
            (Some(seats), true) => Some(seats.as_slice()),
            (None, true) => return Err(lacks("column of seats (`accounts.seats`)".to_owned())),
            (_, false) => None,
        };
        Ok(Self {
            windows: catalogue.windows.iter().map(|w| i64::from(*w)).collect(),
            roles,
            counted: catalogue.counted.iter().map(|n| names.code(n).and_then(|c| u16::try_from(c).ok())).collect(),
            sums: catalogue.sums.iter().map(sum).collect::<Result<_>>()?,
            seats,
            names: names.len(),
        })
    }

    /// Numbers in a row.
    pub(super) fn width(&self) -> usize {
        LIFETIME.len() + self.windows.len() * self.window_width()
    }

    fn window_width(&self) -> usize {
        PER_WINDOW.len() + usize::from(self.seats.is_some()) + self.counted.len() + self.sums.len()
    }
}

/// What a thread needs for one account after the other; stamps say what was met in the row at hand.
pub(super) struct Scratch {
    stamp: u32,
    user_stamp: Vec<u32>,
    event_stamp: Vec<u32>,
    /// By window, then user or event: met in the window before.
    previous_user: Vec<u32>,
    previous_event: Vec<u32>,
    /// By user or event, then window: events whose smallest window this is, then (by `accumulate`) events in the window.
    user_count: Vec<u32>,
    event_count: Vec<u32>,
    users: Vec<usize>,
    events: Vec<usize>,
    lifetime_user: Vec<bool>,
    lifetime_event: Vec<bool>,
    session: Vec<bool>,
    last_of_user: Vec<i64>,
    tallies: Vec<Tally>,
    /// By window, then numeric property.
    sums: Vec<f64>,
}

/// Counts of one window, at first of the events whose smallest window it is.
#[derive(Clone, Default)]
struct Tally {
    events: u32,
    logins: u32,
    login_days: u32,
    active_days: u32,
    users: u32,
    names: u32,
    sessions: u32,
    invites: u32,
    limit_hits: u32,
    hand_raises: u32,
    /// Sum of the days of the events, 0 being the newest.
    days: i64,
    previous: Previous,
}

/// Counts of the window before.
#[derive(Clone, Default)]
struct Previous {
    events: u32,
    logins: u32,
    users: u32,
    names: u32,
}

impl Scratch {
    pub(super) fn new(plan: &Plan<'_>, log: &Log) -> Self {
        let users = (0..log.accounts.id.len()).map(|a| log.events.users_of(a)).max().unwrap_or(0);
        let k = plan.windows.len();
        Self {
            stamp: 0,
            user_stamp: vec![0; users],
            event_stamp: vec![0; plan.names],
            previous_user: vec![0; k * users],
            previous_event: vec![0; k * plan.names],
            user_count: vec![0; k * users],
            event_count: vec![0; k * plan.names],
            users: Vec::new(),
            events: Vec::new(),
            lifetime_user: vec![false; users],
            lifetime_event: vec![false; plan.names],
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
}

/// Events of an account by index: all of them, or those already seen at a cutoff.
#[derive(Clone, Copy)]
struct View<'a> {
    log: &'a Log,
    /// Indices in the log, in its order.
    at: &'a [usize],
    signed_up: i64,
    seats: Option<f64>,
}

impl<'a> View<'a> {
    fn of(plan: &Plan<'_>, log: &'a Log, account: usize, at: &'a [usize]) -> Self {
        Self { log, at, signed_up: log.accounts.signed_up[account], seats: plan.seats.map(|s| s[account]) }
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

/// Compute the rows of one account, its cutoffs ascending, into `out`, row by row.
pub(super) fn account_rows(plan: &Plan<'_>, log: &Log, account: usize, cutoffs: &[i64], scratch: &mut Scratch, out: &mut [f64]) {
    let range = log.events.of(account);
    let users = log.events.users_of(account);
    let late = log.events.seen.as_ref().filter(|seen| range.clone().any(|at| seen[at] > log.events.time[at]));
    let Some(seen) = late else {
        let at: Vec<usize> = range.collect();
        return view_rows(plan, View::of(plan, log, account, &at), users, cutoffs, scratch, out);
    };
    // Some events became known late: each cutoff sees a log of its own.
    for (cutoff, row) in cutoffs.iter().zip(out.chunks_mut(plan.width())) {
        let at: Vec<usize> = range.clone().filter(|at| seen[*at] < *cutoff).collect();
        view_rows(plan, View::of(plan, log, account, &at), users, std::slice::from_ref(cutoff), scratch, row);
    }
}

fn view_rows(plan: &Plan<'_>, view: View<'_>, users: usize, cutoffs: &[i64], scratch: &mut Scratch, out: &mut [f64]) {
    mark_sessions(view, users, scratch);
    let mut lifetime = Lifetime::default();
    scratch.lifetime_user[..users].fill(false);
    scratch.lifetime_event.fill(false);
    for (cutoff, row) in cutoffs.iter().zip(out.chunks_mut(plan.width())) {
        let end = view.at.partition_point(|at| view.log.events.time[*at] < *cutoff);
        lifetime.advance(plan, view, end, scratch);
        scratch.next_row();
        scan(plan, view, end, *cutoff, scratch);
        accumulate(plan, scratch);
        let (lived, windows) = row.split_at_mut(LIFETIME.len());
        lifetime.write(view, *cutoff, lived);
        for (w, into) in (0..plan.windows.len()).rev().zip(windows.chunks_mut(plan.window_width())) {
            write_window(plan, view, w, scratch, into);
        }
    }
}

/// A session starts at an event of a user that follows none of the same user within 30 minutes; events without user are one stream.
fn mark_sessions(view: View<'_>, users: usize, scratch: &mut Scratch) {
    scratch.session.clear();
    scratch.last_of_user.clear();
    scratch.last_of_user.resize(users + 1, i64::MIN / 2);
    for i in 0..view.at.len() {
        let last = &mut scratch.last_of_user[view.user(i).unwrap_or(users)];
        scratch.session.push(view.time(i) - *last >= SESSION_GAP);
        *last = view.time(i);
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
    fn advance(&mut self, plan: &Plan<'_>, view: View<'_>, end: usize, scratch: &mut Scratch) {
        for i in self.events..end {
            let event = view.event(i);
            let roles = plan.roles[event];
            self.names += u32::from(!std::mem::replace(&mut scratch.lifetime_event[event], true));
            if let Some(user) = view.user(i) {
                self.users += u32::from(!std::mem::replace(&mut scratch.lifetime_user[user], true));
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

/// Go back in time from the cutoff to the start of the longest window before.
fn scan(plan: &Plan<'_>, view: View<'_>, end: usize, cutoff: i64, scratch: &mut Scratch) {
    let k = plan.windows.len();
    let longest = plan.windows[k - 1];
    let (mut last_day, mut last_login_day) = (-1, -1);
    for i in (0..end).rev() {
        let day = (cutoff - view.time(i) - 1) / DAY;
        if day >= 2 * longest {
            break;
        }
        let roles = plan.roles[view.event(i)];
        if let Some(w) = plan.windows.iter().position(|w| day < *w) {
            let tally = &mut scratch.tallies[w];
            tally.events += 1;
            tally.days += day;
            tally.sessions += u32::from(scratch.session[i]);
            tally.logins += u32::from(roles & LOGIN != 0);
            tally.invites += u32::from(roles & INVITE != 0);
            tally.limit_hits += u32::from(roles & LIMIT != 0);
            tally.hand_raises += u32::from(roles & HAND_RAISE != 0);
            tally.active_days += u32::from(std::mem::replace(&mut last_day, day) != day);
            if roles & LOGIN != 0 {
                tally.login_days += u32::from(std::mem::replace(&mut last_login_day, day) != day);
            }
            count_distinct(view, i, w, k, scratch);
            for (sum, values) in scratch.sums[w * plan.sums.len()..].iter_mut().zip(&plan.sums) {
                let value = values[view.at[i]];
                *sum += if value.is_nan() { 0.0 } else { value };
            }
        }
        for (w, _) in plan.windows.iter().enumerate().filter(|(_, w)| (**w..2 * **w).contains(&day)) {
            count_previous(plan, view, i, w, roles, scratch);
        }
    }
}

fn count_distinct(view: View<'_>, i: usize, w: usize, k: usize, scratch: &mut Scratch) {
    let event = view.event(i);
    if std::mem::replace(&mut scratch.event_stamp[event], scratch.stamp) != scratch.stamp {
        scratch.tallies[w].names += 1;
        scratch.events.push(event);
        scratch.event_count[event * k..(event + 1) * k].fill(0);
    }
    scratch.event_count[event * k + w] += 1;
    let Some(user) = view.user(i) else { return };
    if std::mem::replace(&mut scratch.user_stamp[user], scratch.stamp) != scratch.stamp {
        scratch.tallies[w].users += 1;
        scratch.users.push(user);
        scratch.user_count[user * k..(user + 1) * k].fill(0);
    }
    scratch.user_count[user * k + w] += 1;
}

fn count_previous(plan: &Plan<'_>, view: View<'_>, i: usize, w: usize, roles: u8, scratch: &mut Scratch) {
    let previous = &mut scratch.tallies[w].previous;
    previous.events += 1;
    previous.logins += u32::from(roles & LOGIN != 0);
    let met = &mut scratch.previous_event[w * plan.names + view.event(i)];
    previous.names += u32::from(std::mem::replace(met, scratch.stamp) != scratch.stamp);
    if let Some(user) = view.user(i) {
        let met = &mut scratch.previous_user[w * scratch.user_stamp.len() + user];
        previous.users += u32::from(std::mem::replace(met, scratch.stamp) != scratch.stamp);
    }
}

/// From counts by smallest window to counts by window: each window holds the shorter ones.
fn accumulate(plan: &Plan<'_>, scratch: &mut Scratch) {
    let (k, v) = (plan.windows.len(), plan.sums.len());
    for w in 1..k {
        let (shorter, longer) = scratch.tallies.split_at_mut(w);
        longer[0].add(&shorter[w - 1]);
        for at in 0..v {
            scratch.sums[w * v + at] += scratch.sums[(w - 1) * v + at];
        }
    }
    for (met, counts) in [(&scratch.users, &mut scratch.user_count), (&scratch.events, &mut scratch.event_count)] {
        for at in met {
            for w in at * k + 1..(at + 1) * k {
                counts[w] += counts[w - 1];
            }
        }
    }
}

impl Tally {
    fn add(&mut self, shorter: &Self) {
        self.events += shorter.events;
        self.logins += shorter.logins;
        self.login_days += shorter.login_days;
        self.active_days += shorter.active_days;
        self.users += shorter.users;
        self.names += shorter.names;
        self.sessions += shorter.sessions;
        self.invites += shorter.invites;
        self.limit_hits += shorter.limit_hits;
        self.hand_raises += shorter.hand_raises;
        self.days += shorter.days;
    }
}

fn write_window(plan: &Plan<'_>, view: View<'_>, w: usize, scratch: &Scratch, out: &mut [f64]) {
    let (tally, previous) = (&scratch.tallies[w], &scratch.tallies[w].previous);
    let (fixed, mut rest) = out.split_at_mut(PER_WINDOW.len());
    fixed.copy_from_slice(&[
        f64::from(tally.events),
        f64::from(tally.logins),
        f64::from(tally.login_days),
        f64::from(tally.active_days),
        f64::from(tally.users),
        f64::from(tally.names),
        entropy(plan, w, tally.events, scratch),
        top_share(plan, w, scratch),
        f64::from(tally.sessions),
        f64::from(tally.invites),
        f64::from(tally.limit_hits),
        f64::from(tally.hand_raises),
        velocity(tally.events, previous.events),
        velocity(tally.logins, previous.logins),
        velocity(tally.users, previous.users),
        velocity(tally.names, previous.names),
        trend(plan.windows[w], tally),
    ]);
    if let Some(seats) = view.seats {
        let (utilization, after) = rest.split_at_mut(1);
        utilization[0] = if seats > 0.0 { f64::from(tally.users) / seats } else { f64::NAN };
        rest = after;
    }
    let (counts, sums) = rest.split_at_mut(plan.counted.len());
    let k = plan.windows.len();
    for (out, code) in counts.iter_mut().zip(&plan.counted) {
        let met = code.map(usize::from).filter(|c| scratch.event_stamp[*c] == scratch.stamp);
        *out = met.map_or(0.0, |c| f64::from(scratch.event_count[c * k + w]));
    }
    let v = plan.sums.len();
    sums.copy_from_slice(&scratch.sums[w * v..(w + 1) * v]);
}

/// Shannon entropy, in nats, of how a window's events spread over event names.
fn entropy(plan: &Plan<'_>, w: usize, events: u32, scratch: &Scratch) -> f64 {
    let k = plan.windows.len();
    let shares = scratch.events.iter().map(|e| scratch.event_count[e * k + w]).filter(|n| *n > 0).map(|n| f64::from(n) / f64::from(events));
    // 0 − Σ, so that a single event name gives 0 and not −0.
    0.0 - shares.map(|s| s * s.ln()).sum::<f64>()
}

/// Share of the busiest user in the events of named users; NaN without one.
fn top_share(plan: &Plan<'_>, w: usize, scratch: &Scratch) -> f64 {
    let k = plan.windows.len();
    let counts = || scratch.users.iter().map(|u| scratch.user_count[u * k + w]);
    match counts().sum::<u32>() {
        0 => f64::NAN,
        all => f64::from(counts().max().unwrap_or(0)) / f64::from(all),
    }
}

/// ln((now + 1) / (before + 1)): growth against the window before.
fn velocity(now: u32, before: u32) -> f64 {
    ((f64::from(now) + 1.0) / (f64::from(before) + 1.0)).ln()
}

/// Least-squares slope of the daily counts over the days of the window, oldest first: Σ(x − x̄)·count / Σ(x − x̄)².
fn trend(window: i64, tally: &Tally) -> f64 {
    if window == 1 {
        return 0.0;
    }
    let w = float(window.unsigned_abs());
    // With x = w − 1 − day and x̄ = (w − 1)/2 the sum over events is events·(w − 1)/2 − Σ day; Σ(x − x̄)² = (w³ − w)/12.
    (f64::from(tally.events) * (w - 1.0) / 2.0 - float(tally.days.unsigned_abs())) / ((w * w * w - w) / 12.0)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a lifetime stay below 2^53")]
fn days(micros: i64) -> f64 {
    micros as f64 / DAY as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
