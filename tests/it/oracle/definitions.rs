//! The features of an account by their definitions, one event at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(super) fn float(n: i64) -> f64 {
    n as f64
}

pub(super) fn count(n: usize) -> f64 {
    float(i64::try_from(n).unwrap())
}

pub(super) fn within<'a>(events: &[&'a Event], from: i64, to: i64) -> Vec<&'a Event> {
    events.iter().filter(|e| from <= e.time && e.time < to).copied().collect()
}

pub(super) fn users<'a>(events: &[&'a Event]) -> BTreeSet<&'a str> {
    events.iter().filter_map(|e| e.user.as_deref()).collect()
}

fn names<'a>(events: &[&'a Event]) -> BTreeSet<&'a str> {
    events.iter().map(|e| e.name).collect()
}

fn with_role<'a>(events: &[&'a Event], role: &[&str]) -> Vec<&'a Event> {
    events.iter().filter(|e| role.contains(&e.name)).copied().collect()
}

pub(super) fn lifetime(
    seen: &[&Event],
    signed_up: i64,
    cutoff: i64,
) -> BTreeMap<String, Option<f64>> {
    let days = |span: i64| float(span) / float(DAY);
    let last = |events: &[&Event]| events.iter().map(|e| e.time).max().map(|t| days(cutoff - t));
    let first_value = with_role(seen, &VALUE).iter().map(|e| (e.time - signed_up).max(0)).min();
    [
        ("tenure_days", Some(days(cutoff - signed_up))),
        ("events_total", Some(count(seen.len()))),
        ("active_users_total", Some(count(users(seen).len()))),
        ("features_used_total", Some(count(names(seen).len()))),
        ("days_since_last_event", last(seen)),
        ("days_since_last_login", last(&with_role(seen, &LOGIN))),
        ("days_to_first_value", first_value.map(days)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

pub(super) fn one_window<T>(
    seen: &[&Event],
    (signed_up, cutoff): (i64, i64),
    window: i64,
    put: &mut impl FnMut(&str, Option<f64>) -> T,
) {
    let now = within(seen, cutoff - window * DAY, cutoff);
    let before = within(seen, cutoff - 2 * window * DAY, cutoff - window * DAY);
    let day =
        |events: &[&Event], k: i64| within(events, cutoff - (k + 1) * DAY, cutoff - k * DAY).len();
    let days_with = |events: &[&Event]| count((0..window).filter(|k| day(events, *k) > 0).count());
    let logins = with_role(&now, &LOGIN);
    put("events", Some(count(now.len())));
    put("logins", Some(count(logins.len())));
    put("login_days", Some(days_with(&logins)));
    put("active_days", Some(days_with(&now)));
    put("active_users", Some(count(users(&now).len())));
    put("features_used", Some(count(names(&now).len())));
    let share = |n: usize, total: usize| count(n) / count(total);
    let entropy = names(&now)
        .into_iter()
        .map(|name| share(now.iter().filter(|e| e.name == name).count(), now.len()))
        .map(|p| -p * p.ln());
    put("feature_entropy", Some(entropy.sum::<f64>()));
    let named: Vec<&str> = now.iter().filter_map(|e| e.user.as_deref()).collect();
    let busiest = users(&now).iter().map(|user| named.iter().filter(|u| *u == user).count()).max();
    put("top_user_share", busiest.map(|n| share(n, named.len())));
    put("sessions", Some(count(sessions(seen, &now))));
    put("invites", Some(count(with_role(&now, &INVITE).len())));
    put("limit_hits", Some(count(with_role(&now, &LIMIT).len())));
    put("hand_raises", Some(count(with_role(&now, &HAND_RAISE).len())));
    // A local day may have 23 hours.
    let is_older = |days: i64| cutoff - signed_up >= days * DAY - 60 * MINUTE;
    let mut velocity = |measure: &str, now: usize, before: usize| {
        let ratio = count(now + 1) / count(before + 1);
        put(measure, is_older(2 * window).then_some(ratio.ln()))
    };
    velocity("events_velocity", now.len(), before.len());
    velocity("logins_velocity", logins.len(), with_role(&before, &LOGIN).len());
    velocity("users_velocity", users(&now).len(), users(&before).len());
    velocity("breadth_velocity", names(&now).len(), names(&before).len());
    let daily: Vec<f64> = (0..window).rev().map(|k| count(day(&now, k))).collect();
    put("events_trend", is_older(window).then_some(slope(&daily)));
    put("sum_minutes", Some(now.iter().filter_map(|e| e.minutes).sum()));
    put("sum_credits", Some(now.iter().filter_map(|e| e.credits).sum()));
}

/// Counts session starts: event times of a user without another event of the same user in the 30
/// minutes before.
fn sessions(seen: &[&Event], now: &[&Event]) -> usize {
    let starts = |e: &&&Event| {
        !seen.iter().any(|p| p.user == e.user && p.time < e.time && e.time - p.time < 30 * MINUTE)
    };
    now.iter().filter(starts).map(|e| (&e.user, e.time)).collect::<BTreeSet<_>>().len()
}

/// Computes the least-squares slope of equally spaced numbers.
fn slope(y: &[f64]) -> f64 {
    let n = count(y.len());
    let x = |i: usize| count(i) - (n - 1.0) / 2.0;
    let mean = y.iter().sum::<f64>() / n;
    let down: f64 = (0..y.len()).map(|i| x(i) * x(i)).sum();
    if y.len() == 1 {
        0.0
    } else {
        y.iter().enumerate().map(|(i, y)| x(i) * (y - mean)).sum::<f64>() / down
    }
}
