//! Events of all sources gathered by account, each account's slice in one fixed order.

use std::cmp::Ordering;

use polars::prelude::*;

use super::accounts::{Accounts, Rank};
use super::cells::NO_CODE;
use super::events::{Raw, unknown_roles};
use super::quality::{Kept, Quality, Reason};
use super::source::{Mark, Source};
use super::{Events, Log, NO_USER, Names, Sources};
use crate::error::{Error, Result};
use crate::output::time_column;
use crate::time::{NEVER, iso_day};

/// What span the log covers, and whether accounts come from it.
pub(super) struct Span {
    pub(super) until: i64,
    pub(super) since: Option<i64>,
    pub(super) derived: bool,
}

/// Put the log together.
pub(super) fn finish(
    mut raw: Raw,
    mut marks: Vec<Vec<Mark>>,
    accounts: (Accounts, Rank, bool),
    span: &Span,
    sources: &Sources<'_>,
) -> Result<Log> {
    let (accounts, rank, date_only) = accounts;
    drop_lost_accounts(&mut raw, &mut marks, &rank);
    let first_sign_up = || accounts.signed_up.iter().copied().min();
    let since = span.since.or_else(|| first(&raw, &marks)).or_else(first_sign_up).unwrap_or(span.until);
    let warnings = unknown_roles(&raw, &marks, sources.roles);
    let events = gather(&raw, &marks, &rank, accounts.id.len());
    let mut quality = Quality { sources: raw.account_quality.into_iter().collect(), kept: Vec::new() };
    for (source, marks) in raw.sources.into_iter().zip(&marks) {
        let mut of = source.quality;
        of.kept = marks.iter().filter(|m| **m == Mark::Keep).count() as u64;
        quality.sources.push(of);
    }
    if events.is_empty() && accounts.id.is_empty() {
        return Err(Error::Unsuitable {
            problem: format!("neither an event nor an account is left of what came before {}", iso_day(span.until)),
            hint: Some("`--at` or `observation.until` lies before the log, or `roles` takes every event away".to_owned()),
        });
    }
    let mut log = Log { events, accounts, since, until: span.until, date_only, listed: !span.derived, quality, warnings };
    count_kept(&mut log);
    Ok(log)
}

fn drop_lost_accounts(raw: &mut Raw, marks: &mut [Vec<Mark>], rank: &Rank) {
    for (source, marks) in raw.sources.iter_mut().zip(marks) {
        for (at, mark) in marks.iter_mut().enumerate() {
            if *mark == Mark::Gone {
                continue;
            }
            if let Some(reason) = rank.reason[source.account[at] as usize] {
                if *mark == Mark::Keep {
                    let reason = if reason == Reason::TimeMissing { Reason::AccountDropped } else { reason };
                    source.drop_event(at, reason);
                }
                *mark = Mark::Gone;
            }
        }
    }
}

/// The first time at which anything was used.
fn first(raw: &Raw, marks: &[Vec<Mark>]) -> Option<i64> {
    let kept = raw.sources.iter().zip(marks).flat_map(|(s, m)| s.time.iter().zip(m).filter(|(_, m)| **m == Mark::Keep).map(|(t, _)| *t));
    kept.min()
}

fn gather(raw: &Raw, marks: &[Vec<Mark>], rank: &Rank, accounts: usize) -> Events {
    let kept = || raw.sources.iter().zip(marks).flat_map(|(s, m)| (0..m.len()).filter(|at| m[*at] == Mark::Keep).map(move |at| (s, at)));
    let mut used_names = vec![false; raw.names.names.len()];
    let mut used_users = vec![false; raw.users.names.len()];
    let mut start = vec![0; accounts + 1];
    for (source, at) in kept() {
        used_names[usize::from(source.event[at])] = true;
        if let Some(user) = used_users.get_mut(source.user[at] as usize) {
            *user = true;
        }
        start[rank.index[source.account[at] as usize] as usize + 1] += 1;
    }
    for a in 0..accounts {
        start[a + 1] += start[a];
    }
    let (names, name_rank) = raw.names.ranks(|c| used_names[c as usize]);
    let (user_names, user_rank) = raw.users.ranks(|c| used_users[c as usize]);
    let n = start[accounts];
    let has_seen = raw.sources.iter().any(Source::has_received);
    let mut flat = Flat {
        time: vec![0; n],
        seen: if has_seen { vec![0; n] } else { Vec::new() },
        event: vec![0; n],
        user: vec![0; n],
        values: raw.values.iter().map(|_| vec![f64::NAN; n]).collect(),
    };
    let mut next = start.clone();
    for (source, at) in kept() {
        let slot = &mut next[rank.index[source.account[at] as usize] as usize];
        let to = *slot;
        *slot += 1;
        flat.time[to] = source.time[at];
        if has_seen {
            flat.seen[to] = source.seen(at);
        }
        let code = name_rank[usize::from(source.event[at])];
        flat.event[to] = u16::try_from(code).expect("names were counted while they were read");
        flat.user[to] = user_rank.get(source.user[at] as usize).copied().unwrap_or(NO_CODE);
        for (value, from) in &source.values {
            flat.values[*value][to] = from[at];
        }
    }
    flat.sort(&start);
    let (user_start, users) = flat.localize_users(&start);
    Events {
        start,
        time: flat.time,
        seen: has_seen.then_some(flat.seen),
        event: flat.event,
        user: flat.user,
        values: raw.values.iter().cloned().zip(flat.values).collect(),
        names: Names::from_sorted(names),
        user_start,
        users,
        user_names: Names::from_sorted(user_names),
    }
}

/// Columns of events while they are put in order.
struct Flat {
    time: Vec<i64>,
    seen: Vec<i64>,
    event: Vec<u16>,
    user: Vec<u32>,
    values: Vec<Vec<f64>>,
}

impl Flat {
    fn compare(&self, a: usize, b: usize) -> Ordering {
        let plain = (self.time[a], self.event[a], self.user[a]).cmp(&(self.time[b], self.event[b], self.user[b]));
        let seen = || self.seen.get(a).cmp(&self.seen.get(b));
        let values = || self.values.iter().map(|v| v[a].total_cmp(&v[b])).find(|o| o.is_ne()).unwrap_or(Ordering::Equal);
        plain.then_with(seen).then_with(values)
    }

    /// Put every account's slice in order of time, event, user, time seen and values.
    fn sort(&mut self, start: &[usize]) {
        for bounds in start.windows(2) {
            let range = bounds[0]..bounds[1];
            if range.clone().is_sorted_by(|a, b| self.compare(*a, *b).is_le()) {
                continue;
            }
            let mut order: Vec<usize> = range.clone().collect();
            order.sort_unstable_by(|a, b| self.compare(*a, *b));
            permute(&mut self.time, &range, &order);
            if !self.seen.is_empty() {
                permute(&mut self.seen, &range, &order);
            }
            permute(&mut self.event, &range, &order);
            permute(&mut self.user, &range, &order);
            for values in &mut self.values {
                permute(values, &range, &order);
            }
        }
    }

    /// Count users from 0 inside each account, by the order of their names.
    fn localize_users(&mut self, start: &[usize]) -> (Vec<usize>, Vec<u32>) {
        let (mut user_start, mut users) = (vec![0], Vec::new());
        let mut of_account: Vec<u32> = Vec::new();
        for bounds in start.windows(2) {
            let slice = &mut self.user[bounds[0]..bounds[1]];
            of_account.clear();
            of_account.extend(slice.iter().filter(|u| **u != NO_CODE));
            of_account.sort_unstable();
            of_account.dedup();
            for user in slice.iter_mut() {
                *user = of_account.binary_search(user).map_or(NO_USER, |at| u32::try_from(at).expect("no more users than codes"));
            }
            users.extend_from_slice(&of_account);
            user_start.push(users.len());
        }
        (user_start, users)
    }
}

fn permute<T: Copy>(column: &mut [T], range: &std::ops::Range<usize>, order: &[usize]) {
    let sorted: Vec<T> = order.iter().map(|at| column[*at]).collect();
    column[range.clone()].copy_from_slice(&sorted);
}

/// Count what is kept but looks odd, and warn of what a model may suffer from.
fn count_kept(log: &mut Log) {
    /// Share of churn times equal to the last event from which on they look back-dated.
    const BACK_DATED: f64 = 0.2;
    let (accounts, events) = (&log.accounts, &log.events);
    let (mut before, mut silent, mut older, mut churned, mut at_last) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    for account in 0..accounts.id.len() {
        let times = &events.time[events.of(account)];
        before += times.partition_point(|t| *t < accounts.signed_up[account]) as u64;
        silent += u64::from(times.is_empty());
        older += u64::from(accounts.signed_up[account] < log.since);
        if accounts.churned[account] != NEVER {
            churned += 1;
            at_last += u64::from(times.last() == Some(&accounts.churned[account]));
        }
    }
    let mut keep = |what: &str, count: u64| {
        if count > 0 {
            log.quality.kept.push(Kept { what: what.to_owned(), count });
        }
    };
    keep("events before the sign-up of their account", before);
    keep("accounts without events", silent);
    keep("accounts that signed up before the log begins", older);
    if older > 0 {
        let since = iso_day(log.since);
        log.warnings.push(format!("{older} accounts signed up before the log begins ({since}): their lifetime measures begin with it"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = at_last as f64 / churned.max(1) as f64;
    if share >= BACK_DATED {
        keep("churn times that equal the account's last event", at_last);
        log.warnings.push(format!("{at_last} of {churned} churn times equal the account's last event: they look back-dated, give the time at which the churn became known"));
    }
}

/// The usage log in the columns that are read by default.
pub(super) fn events_table(log: &Log) -> Result<DataFrame> {
    let events = &log.events;
    let n = events.len();
    let mut account = StringChunkedBuilder::new("account_id".into(), n);
    let mut user = StringChunkedBuilder::new("user_id".into(), n);
    let mut event = StringChunkedBuilder::new("event".into(), n);
    for a in 0..log.accounts.id.len() {
        let users = &events.users[events.user_start[a]..events.user_start[a + 1]];
        for at in events.of(a) {
            account.append_value(&log.accounts.id[a]);
            user.append_option(users.get(events.user[at] as usize).map(|u| &events.user_names[*u as usize]));
            event.append_value(&events.names[usize::from(events.event[at])]);
        }
    }
    let time = |name: &str, values: &[i64]| time_column(name, values.iter().map(|t| Some(*t)));
    let mut columns =
        vec![account.finish().into_column(), user.finish().into_column(), event.finish().into_column(), time("timestamp", &events.time)];
    columns.extend(events.seen.iter().map(|seen| time("received_at", seen)));
    for (name, values) in &events.values {
        columns.push(
            Float64Chunked::from_iter_options(name.as_str().into(), values.iter().map(|v| Some(*v).filter(|v| !v.is_nan()))).into_column(),
        );
    }
    DataFrame::new(n, columns).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })
}
