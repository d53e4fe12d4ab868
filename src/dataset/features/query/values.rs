//! The values of features, given the totals of an observation.

use super::{DAYS, SESSIONS, USAGE, USERS, column, integer};
use crate::dataset::features::catalog::age_of;
use crate::query::stages::{ACCOUNT_LIST, OBSERVATIONS};
use crate::query::{Expression, Function, Type};
use crate::time::DAY;

/// Returns a whole number of days as a double.
#[expect(clippy::cast_precision_loss, reason = "windows have at most 3,650 days")]
fn days(window: i64) -> f64 {
    window as f64
}

/// Converts a count to a double; an observation without a row of the stage has none.
fn count(stage: &str, name: &str) -> Expression {
    let count = integer(stage, name).cast(Type::Double);
    Expression::call(Function::Coalesce, vec![count, Expression::double(0.0)])
}

/// Converts a time span in µs to days.
fn in_days(span: Expression) -> Expression {
    span.cast(Type::Double).divide(Expression::double(days(DAY)))
}

fn signed_up() -> Expression {
    integer(ACCOUNT_LIST, "signed_up")
}

fn cutoff() -> Expression {
    integer(OBSERVATIONS, "cutoff")
}

/// Returns the age of the account at the cutoff, in µs.
fn age() -> Expression {
    cutoff().subtract(signed_up())
}

/// Returns a value that is missing for accounts younger than some days.
fn of_age(days: i64, value: Expression) -> Expression {
    let is_old_enough = age().greater_equal(Expression::integer(age_of(days)));
    Expression::case(vec![(is_old_enough, value)], Expression::null(Type::Double))
}

/// Returns a feature over the lifetime.
pub(super) fn lifetime_feature(measure: &str) -> Expression {
    match measure {
        "tenure_days" => in_days(age()),
        "events_total" => count(USAGE, "events"),
        "active_users_total" => count(USERS, "users"),
        "features_used_total" => count(USAGE, "features_used"),
        "days_since_last_event" => in_days(integer(USAGE, "last_age")),
        "days_since_last_login" => in_days(integer(USAGE, "last_login_age")),
        "days_to_first_value" => {
            // The first event of the role happened `first_value_age` before the cutoff.
            let first = || integer(USAGE, "first_value_age");
            let span = || cutoff().subtract(first()).subtract(signed_up());
            let is_before = span().less(Expression::integer(0));
            in_days(Expression::case(vec![(is_before, Expression::integer(0))], span()))
        }
        other => unreachable!("`{other}` is not a feature over the lifetime"),
    }
}

/// Returns a feature of a window.
pub(super) fn window_feature(measure: &str, window: i64) -> Expression {
    let in_window = |name: &str| format!("{name}_{window}d");
    let usage = |name: &str| count(USAGE, &in_window(name));
    let velocity = |now: Expression, before: Expression| {
        let more = |count: Expression| count.add(Expression::double(1.0));
        let ratio = more(now).divide(more(before));
        of_age(2 * window, Expression::call(Function::Ln, vec![ratio]))
    };
    let users = || count(USERS, &in_window("users"));
    let double = |stage, name: &str| column(stage, &in_window(name), Type::Double);
    let or_zero =
        |value| Expression::call(Function::Coalesce, vec![value, Expression::double(0.0)]);
    match measure {
        "events" | "logins" | "features_used" | "invites" | "limit_hits" | "hand_raises" => {
            usage(measure)
        }
        "sessions" => count(SESSIONS, &in_window(measure)),
        "login_days" | "active_days" => count(DAYS, &in_window(measure)),
        "active_users" => users(),
        "feature_entropy" => entropy(window),
        "top_user_share" => {
            let number = |name: &str| integer(USERS, &in_window(name)).cast(Type::Double);
            let events = vec![number("events"), Expression::double(0.0)];
            number("top_events").divide(Expression::call(Function::NullIf, events))
        }
        "events_velocity" => velocity(usage("events"), usage("previous_events")),
        "logins_velocity" => velocity(usage("logins"), usage("previous_logins")),
        "users_velocity" => velocity(users(), count(USERS, &in_window("previous_users"))),
        "breadth_velocity" => velocity(usage("features_used"), usage("previous_features")),
        "events_trend" => {
            of_age(window, trend(window, usage("events"), count(DAYS, &in_window("day_sum"))))
        }
        "seat_utilization" => {
            let seats = || column(ACCOUNT_LIST, "seats", Type::Double);
            let has_seats = seats().greater(Expression::double(0.0));
            let share = users().divide(seats());
            Expression::case(vec![(has_seats, share)], Expression::null(Type::Double))
        }
        counted if counted.starts_with("count_") => usage(counted),
        summed => or_zero(double(DAYS, summed)),
    }
}

/// Returns the entropy of the event types, −Σ n/N · ln(n/N) = ln N − Σ n · ln n / N; exactly 0 for a
/// single type.
fn entropy(window: i64) -> Expression {
    let number = |name: &str| integer(USAGE, &format!("{name}_{window}d"));
    let events = || number("events").cast(Type::Double);
    let mean = column(USAGE, &format!("n_ln_n_{window}d"), Type::Double).divide(events());
    let entropy = Expression::call(Function::Ln, vec![events()]).subtract(mean);
    let has_several = number("features_used").greater(Expression::integer(1));
    Expression::case(vec![(has_several, entropy)], Expression::double(0.0))
}

/// Returns the least-squares slope of the daily counts, given the number of events and the sum of
/// their day numbers, as the kernel computes it.
fn trend(window: i64, events: Expression, day_sum: Expression) -> Expression {
    if window == 1 {
        return Expression::double(0.0);
    }
    let w = days(window);
    let half = events.multiply(Expression::double(w - 1.0)).divide(Expression::double(2.0));
    half.subtract(day_sum).divide(Expression::double((w * w * w - w) / 12.0))
}
