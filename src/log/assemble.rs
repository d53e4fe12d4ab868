//! Assembles the log from accounts and raw events, and counts records that look odd.

use std::collections::HashMap;
use std::ops::Range;

use polars::prelude::*;

use super::accounts::{AccountMap, Accounts};
use super::daily::daily_counts;
use super::event_store::Events;
use super::interner::NO_CODE;
use super::partition::{LogCounts, count_events, partition_events};
use super::quality::{AnomalyCount, DataQuality, SourceQuality};
use super::raw_events::{RawEvents, unknown_role_events};
use super::{Log, LogSources};
use crate::error::{Error, Result};
use crate::io::write::time_column;
use crate::time::{LocalDays, NEVER, Zone, ZonedTime};
use crate::warning::{Anomaly, DropReason, Warning};

/// The period of the log, and whether its accounts are derived from events.
pub(super) struct LogSpan<'a> {
    pub(super) until: i64,
    pub(super) since: Option<i64>,
    /// Start of the first covered day; `None`: that of the first event.
    pub(super) covered_from: Option<i64>,
    pub(super) derived: bool,
    pub(super) zone: Zone,
    /// The days of the zone at the times of the events.
    pub(super) days: &'a LocalDays,
}

/// Assembles the log.
pub(super) fn assemble(
    mut raw: RawEvents,
    accounts: (Accounts, AccountMap, bool),
    span: &LogSpan<'_>,
    sources: &LogSources<'_>,
) -> Result<Log> {
    let (accounts, account_map, date_only) = accounts;
    let counts = count_events(&mut raw, &account_map, &accounts, span)?;
    let first_sign_up = || accounts.signed_up.iter().copied().min();
    let since = span
        .since
        .or(counts.first_covered)
        .or(counts.time_range.map(|(first, _)| first))
        .or_else(first_sign_up)
        .unwrap_or(span.until);
    let mut warnings = std::mem::take(&mut raw.warnings);
    warnings.extend(unknown_role_events(&raw, &counts.present, sources.roles));
    let notes = std::mem::take(&mut raw.notes);
    warnings.extend(notes.warnings());
    let never_times = raw.never_times;
    let account_quality = raw.account_quality.take();
    let members = raw.member_times(&account_map.row, (accounts.id.len(), span.until));
    let user_quality = raw.directory.take().map(|users| users.quality).unwrap_or_default();
    let dropped_accounts = if sources.names_dropped {
        dropped_accounts(&raw, &account_map)
    } else {
        HashMap::default()
    };
    let daily = daily_counts(&raw, &counts.by_day, &counts.present);
    let (events, event_quality) = partition_events(
        raw,
        &counts,
        (&account_map, &accounts),
        (sources.grouping_budget(), span.days),
    )?;
    if events.is_empty() && accounts.id.is_empty() {
        let sources = account_quality.iter().chain(&event_quality).map(SourceQuality::drops);
        return Err(Error::EmptyLog {
            until: ZonedTime::new(span.until, span.zone),
            sources: sources.collect(),
        });
    }
    let quality = DataQuality {
        sources: account_quality.into_iter().chain(user_quality).chain(event_quality).collect(),
        anomalies: Vec::new(),
    };
    let mut log = Log {
        events,
        accounts,
        since,
        until: span.until,
        zone: span.zone,
        date_only,
        listed: !span.derived,
        quality,
        warnings,
        formats: notes.formats,
        daily,
        members,
        dropped_accounts,
        exclusions: None,
    };
    count_anomalies(&mut log, &counts, never_times);
    Ok(log)
}

/// Returns the accounts that were dropped, and why. Without an account list, their events are at or
/// after the end of the log.
fn dropped_accounts(raw: &RawEvents, map: &AccountMap) -> HashMap<Box<str>, DropReason> {
    let reason = |code: usize| match map.drop_reason[code] {
        None | Some(DropReason::NotYetSignedUp) => DropReason::NotYetSignedUp,
        Some(_) => DropReason::AccountDropped,
    };
    let accounts = raw.accounts.iter().enumerate();
    accounts
        .filter(|(code, _)| map.row[*code] == NO_CODE)
        .map(|(code, name)| (name.into(), reason(code)))
        .collect()
}

/// Counts records that were kept but look odd, and warns of those that may bias a model.
fn count_anomalies(log: &mut Log, counts: &LogCounts, never_times: u64) {
    /// Share of churn times equal to the last event above which churn looks back-dated.
    const BACK_DATED: f64 = 0.2;
    let accounts = &log.accounts;
    let silent = counts.by_account.iter().filter(|account| account.events == 0).count() as u64;
    let at_last = accounts
        .churned
        .iter()
        .zip(&counts.by_account)
        .filter(|(churned, account)| **churned != NEVER && **churned == account.last)
        .count() as u64;
    // A sign-up without a time of day is at midnight, before the first event of the day.
    let first_day = log.zone.midnight(log.since);
    let older = accounts.signed_up.iter().filter(|t| **t < first_day).count() as u64;
    let churned = accounts.churned.iter().filter(|t| **t != NEVER).count();
    let mut report = |anomaly: Anomaly, count: u64| {
        if count > 0 {
            log.quality.anomalies.push(AnomalyCount { anomaly, count });
        }
    };
    report(Anomaly::EventBeforeSignUp, counts.before_sign_up);
    report(Anomaly::SilentAccount, silent);
    report(Anomaly::AccountBeforeLog, older);
    report(Anomaly::TimeMeansNever, never_times);
    if older > 0 {
        let since = log.zone.day(log.since);
        log.warnings.push(Warning::SignedUpBeforeLog { accounts: older, since });
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = at_last as f64 / churned.max(1) as f64;
    if share >= BACK_DATED {
        report(Anomaly::ChurnAtLastEvent, at_last);
        log.warnings.push(Warning::BackDatedChurn { at_last_event: at_last, churned });
    }
}

/// Returns some events of a partition, with the default column names.
pub(super) fn events_table(log: &Log, events: &Events, rows: Range<usize>) -> Result<DataFrame> {
    let n = rows.len();
    let mut account = StringChunkedBuilder::new("account_id".into(), n);
    let mut user = StringChunkedBuilder::new("user_id".into(), n);
    let mut event = StringChunkedBuilder::new("event".into(), n);
    for (position, a) in events.accounts.clone().enumerate() {
        let users = &events.users[events.user_start[position]..events.user_start[position + 1]];
        let range = events.account_range(a);
        for index in range.start.max(rows.start)..range.end.min(rows.end) {
            account.append_value(&log.accounts.id[a]);
            user.append_option(
                users.get(events.user[index] as usize).map(|user| log.events.users.name(*user)),
            );
            event.append_value(&log.events.names[usize::from(events.event[index])]);
        }
    }
    let time = |name: &str, values: &[i64]| time_column(name, values.iter().map(|t| Some(*t)));
    let mut columns = vec![
        account.finish().into_column(),
        user.finish().into_column(),
        event.finish().into_column(),
        time("timestamp", &events.time[rows.clone()]),
    ];
    let known_at = events.known_at.iter();
    columns.extend(known_at.map(|known_at| time("received_at", &known_at[rows.clone()])));
    for (name, values) in log.events.values.iter().zip(&events.values) {
        columns.push(
            Float64Chunked::from_iter_options(
                name.as_str().into(),
                values[rows.clone()].iter().map(|v| Some(*v).filter(|v| !v.is_nan())),
            )
            .into_column(),
        );
    }
    DataFrame::new(n, columns).map_err(|e| Error::table("the events", e))
}
