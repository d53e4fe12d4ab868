//! The log put together: accounts, usage, and what was kept but looks odd.

use polars::prelude::*;

use super::accounts::{Accounts, Rank};
use super::events::{Raw, unknown_roles};
use super::quality::{Kept, Quality};
use super::settle::{Census, census, settle};
use super::usage::{Events, Parts};
use super::{Log, Sources};
use crate::error::{Error, Result};
use crate::io::write::time_column;
use crate::time::{NEVER, SECOND, Timestamp};
use crate::warning::{Oddity, Warning};

/// What span the log covers, and whether accounts come from it.
pub(super) struct Span {
    pub(super) until: i64,
    pub(super) since: Option<i64>,
    pub(super) derived: bool,
}

/// Put the log together.
pub(super) fn finish(
    mut raw: Raw,
    accounts: (Accounts, Rank, bool),
    span: &Span,
    sources: &Sources<'_>,
) -> Result<Log> {
    let (accounts, rank, date_only) = accounts;
    let census = census(&mut raw, &rank, &accounts)?;
    let first_sign_up = || accounts.signed_up.iter().copied().min();
    let since = span
        .since
        .or(census.extent.map(|(first, _)| first))
        .or_else(first_sign_up)
        .unwrap_or(span.until);
    let warnings = unknown_roles(&raw, &census.reached, sources.roles);
    let of_accounts = raw.account_quality.take();
    let (events, of_events) = settle(raw, &census, &rank, sources.gathering_room())?;
    if events.is_empty() && accounts.id.is_empty() {
        return Err(Error::EmptyLog { until: Timestamp(span.until) });
    }
    let quality =
        Quality { sources: of_accounts.into_iter().chain(of_events).collect(), kept: Vec::new() };
    let mut log = Log {
        events,
        accounts,
        since,
        until: span.until,
        date_only,
        listed: !span.derived,
        quality,
        warnings,
    };
    count_kept(&mut log, &census);
    log.warnings.extend(repeats(&log));
    Ok(log)
}

/// A warning where many events are there again with all that is read of them, as where a file is
/// read twice; `None` also for a log that waits on the disk.
fn repeats(log: &Log) -> Option<Warning> {
    /// Events that are looked at.
    const LOOKED_AT: usize = 1 << 20;
    /// Share of them from which on there is a warning: clicks in the same second are fewer.
    const MANY: f64 = 0.2;
    /// Times that are all so coarse tell too little of an event: many of a user fall on one.
    const COARSE: i64 = 60 * SECOND;
    let Parts::Held(parts) = &log.events.parts else { return None };
    let events = parts.iter().find(|events| !events.time.is_empty())?;
    let looked_at = ..events.time.len().min(LOOKED_AT);
    if events.time[looked_at].iter().all(|time| time % COARSE == 0) {
        return None;
    }
    let repeats = events.repeats(looked_at.end);
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = repeats as f64 / looked_at.end as f64;
    (share >= MANY).then_some(Warning::RepeatedEvents { share, events: looked_at.end })
}

/// Count what is kept but looks odd, and warn of what a model may suffer from.
fn count_kept(log: &mut Log, census: &Census) {
    /// Share of churn times equal to the last event from which on they look back-dated.
    const BACK_DATED: f64 = 0.2;
    let accounts = &log.accounts;
    let silent = census.of_account.iter().filter(|of| of.events == 0).count() as u64;
    let at_last = accounts
        .churned
        .iter()
        .zip(&census.of_account)
        .filter(|(churned, of)| **churned != NEVER && **churned == of.last)
        .count() as u64;
    let older = accounts.signed_up.iter().filter(|t| **t < log.since).count() as u64;
    let churned = accounts.churned.iter().filter(|t| **t != NEVER).count();
    let mut keep = |what: Oddity, count: u64| {
        if count > 0 {
            log.quality.kept.push(Kept { what, count });
        }
    };
    keep(Oddity::EventBeforeSignUp, census.early);
    keep(Oddity::SilentAccount, silent);
    keep(Oddity::AccountBeforeLog, older);
    if older > 0 {
        log.warnings
            .push(Warning::SignedUpBeforeLog { accounts: older, since: Timestamp(log.since) });
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = at_last as f64 / churned.max(1) as f64;
    if share >= BACK_DATED {
        keep(Oddity::ChurnAtLastEvent, at_last);
        log.warnings.push(Warning::BackDatedChurn { at_last_event: at_last, churned });
    }
}

/// The events of a part of the log in the columns that are read by default.
pub(super) fn events_table(log: &Log, events: &Events) -> Result<DataFrame> {
    let n = events.time.len();
    let mut account = StringChunkedBuilder::new("account_id".into(), n);
    let mut user = StringChunkedBuilder::new("user_id".into(), n);
    let mut event = StringChunkedBuilder::new("event".into(), n);
    for (place, a) in events.accounts.clone().enumerate() {
        let users = &events.users[events.user_start[place]..events.user_start[place + 1]];
        for at in events.of(a) {
            account.append_value(&log.accounts.id[a]);
            user.append_option(
                users.get(events.user[at] as usize).map(|user| log.events.users.name(*user)),
            );
            event.append_value(&log.events.names[usize::from(events.event[at])]);
        }
    }
    let time = |name: &str, values: &[i64]| time_column(name, values.iter().map(|t| Some(*t)));
    let mut columns = vec![
        account.finish().into_column(),
        user.finish().into_column(),
        event.finish().into_column(),
        time("timestamp", &events.time),
    ];
    columns.extend(events.seen.iter().map(|seen| time("received_at", seen)));
    for (name, values) in log.events.values.iter().zip(&events.values) {
        columns.push(
            Float64Chunked::from_iter_options(
                name.as_str().into(),
                values.iter().map(|v| Some(*v).filter(|v| !v.is_nan())),
            )
            .into_column(),
        );
    }
    DataFrame::new(n, columns).map_err(|e| Error::table("the events", e))
}
