//! Features as stages of a statement: the meaning of [`compute`](super::compute) in SQL.
//!
//! The events are joined to their observations once. From then on, only daily counts per account,
//! user and event type are read, which are much smaller.

mod values;

use values::{lifetime_feature, window_feature};

use super::catalog::FeatureCatalog;
use crate::log::ValueKind;
use crate::query::stages::{ACCOUNT_LIST, CLEAN_EVENTS, FEATURES, OBSERVATIONS};
use crate::query::{Aggregate, Expression, Function, JoinKind, Rows, Select, Stage, Type};
use crate::time::{DAY, SECOND};

const KNOWN_EVENTS: &str = "known_events";
const SESSION_STARTS: &str = "session_starts";
const DAILY_COUNTS: &str = "daily_counts";
const EVENT_COUNTS: &str = "event_counts";
const EVENT_SHARES: &str = "event_shares";
const USAGE: &str = "usage_totals";
const USER_COUNTS: &str = "user_counts";
const USERS: &str = "user_totals";
const DAY_COUNTS: &str = "day_counts";
const DAYS: &str = "day_totals";

/// Builds the stages of a catalog.
struct FeatureQuery<'a> {
    catalog: &'a FeatureCatalog,
    /// Kinds of the attributes.
    attributes: &'a [(String, ValueKind)],
}

/// Returns the stages up to [`FEATURES`], which has the columns `account_id` and `cutoff` and the
/// features of a catalog.
///
/// They read [`CLEAN_EVENTS`], [`OBSERVATIONS`] and [`ACCOUNT_LIST`]. An account may have several
/// observations.
///
/// # Arguments
/// * `attributes` – attributes of the catalog and their kinds
pub(crate) fn feature_stages(
    catalog: &FeatureCatalog,
    attributes: &[(String, ValueKind)],
) -> Vec<Stage> {
    let query = FeatureQuery { catalog, attributes };
    let mut stages = query.daily_counts();
    stages.extend(query.event_totals());
    stages.extend(query.user_totals());
    stages.extend(query.day_totals());
    stages.push(query.features());
    stages
}

/// Returns a column of a stage.
fn column(stage: &str, name: &str, kind: Type) -> Expression {
    Expression::column(stage, name, kind)
}

/// Returns an integer column of a stage.
fn integer(stage: &str, name: &str) -> Expression {
    column(stage, name, Type::Integer)
}

/// Selects the account and the cutoff of a stage.
fn keyed(stage: &str) -> Select {
    Select::from_stage(stage)
        .column("account_id", column(stage, "account_id", Type::Text))
        .column("cutoff", integer(stage, "cutoff"))
}

/// Groups a stage by account and cutoff.
fn grouped(stage: &str) -> Select {
    Select::from_stage(stage)
        .key("account_id", column(stage, "account_id", Type::Text))
        .key("cutoff", integer(stage, "cutoff"))
}

fn stage(name: &str, comment: &str, select: Select) -> Stage {
    Stage { name: name.to_owned(), comment: comment.to_owned(), rows: Rows::Select(select) }
}

/// Returns the condition that a stage belongs to the observation of another one.
fn same_row(a: &str, b: &str) -> Expression {
    let account = |stage| column(stage, "account_id", Type::Text);
    account(a).equal(account(b)).and(integer(a, "cutoff").equal(integer(b, "cutoff")))
}

/// Adds up a column of a group.
fn sum(value: Expression) -> Expression {
    Expression::aggregate(Aggregate::Sum, value)
}

impl FeatureQuery<'_> {
    /// Returns the windows in days, longest first, as the features are.
    fn windows(&self) -> Vec<i64> {
        self.catalog.windows.iter().rev().map(|window| i64::from(*window)).collect()
    }

    /// Returns the condition that a day of a stage is in a window: day 0 ends at the cutoff.
    fn in_window(stage: &str, window: i64) -> Expression {
        integer(stage, "day").less(Expression::integer(window))
    }

    /// Returns the condition that a day of a stage is in the window before a window.
    fn in_previous(stage: &str, window: i64) -> Expression {
        let day = || integer(stage, "day");
        day()
            .greater_equal(Expression::integer(window))
            .and(day().less(Expression::integer(2 * window)))
    }

    /// Returns the condition that an event of a stage has a role; `None` for a role without events.
    fn has_role(&self, stage: &str, role: &str) -> Option<Expression> {
        let names = self.catalog.role(role).iter();
        let mut names: Vec<String> =
            names.map(|name| crate::log::canonical(name).into_owned()).collect();
        names.sort_unstable();
        names.dedup();
        let names: Vec<Expression> = names.iter().map(|name| Expression::text(name)).collect();
        (!names.is_empty()).then(|| column(stage, "event", Type::Text).is_in(names))
    }

    /// Returns the names of the sums of properties in daily counts, with those of their values.
    fn sums(&self) -> Vec<(String, String)> {
        let properties = self.catalog.summed_properties.iter();
        properties.map(|name| (format!("sum_{name}"), format!("value_{name}"))).collect()
    }

    /// Returns the stages from events to daily counts.
    fn daily_counts(&self) -> Vec<Stage> {
        let event = |name: &str| integer(CLEAN_EVENTS, name);
        let cutoff = || integer(OBSERVATIONS, "cutoff");
        let account = |stage| column(stage, "account_id", Type::Text);
        let known = account(CLEAN_EVENTS)
            .equal(account(OBSERVATIONS))
            .and(event("time").less(cutoff()))
            .and(event("known_at").less(cutoff()));
        let mut select = keyed(OBSERVATIONS)
            .join_stage(JoinKind::Inner, CLEAN_EVENTS, known)
            .column("user_id", column(CLEAN_EVENTS, "user_id", Type::Text))
            .column("event", column(CLEAN_EVENTS, "event", Type::Text))
            .column("age", cutoff().subtract(event("time")));
        for (_, value) in self.sums() {
            select = select.column(&value, column(CLEAN_EVENTS, &value, Type::Double));
        }
        let known = stage(
            KNOWN_EVENTS,
            "The events of each observation that were known before its cutoff, and their age: microseconds before the cutoff.",
            select,
        );
        let sessions = stage(
            SESSION_STARTS,
            "An event starts a session if it follows none of the same user within 30 minutes; events without a user form one stream. Day 0 ends at the cutoff.",
            self.session_starts(),
        );
        let daily = stage(
            DAILY_COUNTS,
            "Daily counts per account, user and event type. Older days, of which only totals count, are one day.",
            self.counts_by_day(),
        );
        vec![known, sessions, daily]
    }

    /// Selects the events with their day, and marks those that start a session.
    fn session_starts(&self) -> Select {
        const SESSION_GAP: i64 = 30 * 60 * SECOND;
        let text = |name: &str| column(KNOWN_EVENTS, name, Type::Text);
        let age = || integer(KNOWN_EVENTS, "age");
        let user = vec![text("account_id"), integer(KNOWN_EVENTS, "cutoff"), text("user_id")];
        let previous = age().lag(user, vec![age().descending()]);
        let follows = previous.subtract(age()).less(Expression::integer(SESSION_GAP));
        let starts =
            Expression::case(vec![(follows, Expression::integer(0))], Expression::integer(1));
        let whole_days =
            age().subtract(Expression::integer(1)).divide_whole(Expression::integer(DAY));
        let oldest = 2 * i64::from(self.catalog.longest_window());
        let day = Expression::call(Function::Least, vec![whole_days, Expression::integer(oldest)]);
        let mut select = keyed(KNOWN_EVENTS)
            .column("user_id", text("user_id"))
            .column("event", text("event"))
            .column("day", day)
            .column("age", age())
            .column("session_start", starts);
        for (_, value) in self.sums() {
            select = select.column(&value, column(KNOWN_EVENTS, &value, Type::Double));
        }
        select
    }

    /// Selects the counts per account, user, event type and day.
    fn counts_by_day(&self) -> Select {
        let text = |name: &str| column(SESSION_STARTS, name, Type::Text);
        let age = || integer(SESSION_STARTS, "age");
        let mut select = grouped(SESSION_STARTS)
            .key("user_id", text("user_id"))
            .key("event", text("event"))
            .key("day", integer(SESSION_STARTS, "day"))
            .column("events", Expression::count_rows())
            .column("sessions", sum(integer(SESSION_STARTS, "session_start")))
            .column("first_age", Expression::aggregate(Aggregate::Max, age()))
            .column("last_age", Expression::aggregate(Aggregate::Min, age()));
        for (total, value) in self.sums() {
            select = select.column(&total, sum(column(SESSION_STARTS, &value, Type::Double)));
        }
        select
    }

    /// Returns the stages with totals over the event types of an account.
    fn event_totals(&self) -> Vec<Stage> {
        let daily = |name: &str| integer(DAILY_COUNTS, name);
        let mut select = grouped(DAILY_COUNTS)
            .key("event", column(DAILY_COUNTS, "event", Type::Text))
            .column("events", sum(daily("events")))
            .column("first_age", Expression::aggregate(Aggregate::Max, daily("first_age")))
            .column("last_age", Expression::aggregate(Aggregate::Min, daily("last_age")));
        for window in self.windows() {
            let within = |value: Expression| {
                let value = sum(value).filter(Self::in_window(DAILY_COUNTS, window));
                Expression::call(Function::Coalesce, vec![value, Expression::integer(0)])
            };
            let previous = sum(daily("events")).filter(Self::in_previous(DAILY_COUNTS, window));
            let previous =
                Expression::call(Function::Coalesce, vec![previous, Expression::integer(0)]);
            select = select
                .column(&format!("events_{window}d"), within(daily("events")))
                .column(&format!("previous_{window}d"), previous)
                .column(&format!("sessions_{window}d"), within(daily("sessions")))
                .column(
                    &format!("day_sum_{window}d"),
                    within(daily("events").multiply(daily("day"))),
                );
            for (total, _) in self.sums() {
                let value = sum(column(DAILY_COUNTS, &total, Type::Double));
                let value = value.filter(Self::in_window(DAILY_COUNTS, window));
                select = select.column(&format!("{total}_{window}d"), value);
            }
        }
        let counts = stage(
            EVENT_COUNTS,
            "Counts per event type: in all, in each window, and in the window before it. The sum of day numbers gives the trend.",
            select,
        );
        let shares = stage(
            EVENT_SHARES,
            "The share of each event type in the events of each window.",
            self.event_shares(),
        );
        let totals = stage(USAGE, "Totals over all event types.", self.usage_totals());
        vec![counts, shares, totals]
    }

    /// Selects the counts per event type with their shares.
    fn event_shares(&self) -> Select {
        let count = |name: &str| integer(EVENT_COUNTS, name);
        let mut select = keyed(EVENT_COUNTS)
            .column("event", column(EVENT_COUNTS, "event", Type::Text))
            .column("events", count("events"))
            .column("first_age", count("first_age"))
            .column("last_age", count("last_age"));
        for window in self.windows() {
            for measure in ["events", "previous", "sessions", "day_sum"] {
                let name = format!("{measure}_{window}d");
                select = select.column(&name, count(&name));
            }
            let events = || count(&format!("events_{window}d"));
            let row = vec![column(EVENT_COUNTS, "account_id", Type::Text), count("cutoff")];
            let all = Expression::over(Aggregate::Sum, events(), row);
            let share = events().cast(Type::Double).divide(all.cast(Type::Double));
            let has_events = events().greater(Expression::integer(0));
            let share = Expression::case(vec![(has_events, share)], Expression::null(Type::Double));
            select = select.column(&format!("share_{window}d"), share);
            for (total, _) in self.sums() {
                let name = format!("{total}_{window}d");
                select = select.column(&name, column(EVENT_COUNTS, &name, Type::Double));
            }
        }
        select
    }

    /// Selects the totals over all event types.
    fn usage_totals(&self) -> Select {
        let count = |name: &str| integer(EVENT_SHARES, name);
        let age_of = |function, age: &str, role| {
            let value = Expression::aggregate(function, count(age));
            match self.has_role(EVENT_SHARES, role) {
                Some(has_role) => value.filter(has_role),
                None => Expression::null(Type::Integer),
            }
        };
        let mut select = grouped(EVENT_SHARES)
            .column("events", sum(count("events")))
            .column("features_used", Expression::count_rows())
            .column("last_age", Expression::aggregate(Aggregate::Min, count("last_age")))
            .column("last_login_age", age_of(Aggregate::Min, "last_age", "login"))
            .column("first_value_age", age_of(Aggregate::Max, "first_age", "value"));
        for window in self.windows() {
            select = self.window_totals(select, window);
        }
        select
    }

    /// Adds the totals of a window over all event types.
    fn window_totals(&self, select: Select, window: i64) -> Select {
        let count = |measure: &str| integer(EVENT_SHARES, &format!("{measure}_{window}d"));
        let of_role = |measure, role| match self.has_role(EVENT_SHARES, role) {
            Some(has_role) => sum(count(measure)).filter(has_role),
            None => Expression::integer(0),
        };
        let types = |measure| {
            Expression::count_rows().filter(count(measure).greater(Expression::integer(0)))
        };
        let share = || column(EVENT_SHARES, &format!("share_{window}d"), Type::Double);
        let entropy = sum(share().multiply(Expression::call(Function::Ln, vec![share()])));
        let mut select = select
            .column(&format!("events_{window}d"), sum(count("events")))
            .column(&format!("previous_events_{window}d"), sum(count("previous")))
            .column(&format!("logins_{window}d"), of_role("events", "login"))
            .column(&format!("previous_logins_{window}d"), of_role("previous", "login"))
            .column(&format!("features_used_{window}d"), types("events"))
            .column(&format!("previous_features_{window}d"), types("previous"))
            .column(&format!("entropy_{window}d"), entropy)
            .column(&format!("sessions_{window}d"), sum(count("sessions")))
            .column(&format!("invites_{window}d"), of_role("events", "invite"))
            .column(&format!("limit_hits_{window}d"), of_role("events", "limit"))
            .column(&format!("hand_raises_{window}d"), of_role("events", "hand_raise"))
            .column(&format!("day_sum_{window}d"), sum(count("day_sum")));
        for event in &self.catalog.counted_events {
            let is_event = column(EVENT_SHARES, "event", Type::Text).equal(Expression::text(event));
            let value = sum(count("events")).filter(is_event);
            select = select.column(&format!("count_{event}_{window}d"), value);
        }
        for (total, _) in self.sums() {
            let name = format!("{total}_{window}d");
            select = select.column(&name, sum(column(EVENT_SHARES, &name, Type::Double)));
        }
        select
    }

    /// Returns the stages with totals over the users of an account.
    fn user_totals(&self) -> Vec<Stage> {
        let user = || column(DAILY_COUNTS, "user_id", Type::Text);
        let events = || sum(integer(DAILY_COUNTS, "events"));
        let mut counts = grouped(DAILY_COUNTS).key("user_id", user()).filter(user().is_not_null());
        let mut totals = grouped(USER_COUNTS).column("users", Expression::count_rows());
        for window in self.windows() {
            let (within, previous) = (format!("events_{window}d"), format!("previous_{window}d"));
            counts = counts
                .column(&within, events().filter(Self::in_window(DAILY_COUNTS, window)))
                .column(&previous, events().filter(Self::in_previous(DAILY_COUNTS, window)));
            let count =
                |name: &str| Expression::aggregate(Aggregate::Count, integer(USER_COUNTS, name));
            totals = totals
                .column(&format!("users_{window}d"), count(&within))
                .column(&format!("previous_users_{window}d"), count(&previous))
                .column(&format!("events_{window}d"), sum(integer(USER_COUNTS, &within)))
                .column(
                    &format!("top_events_{window}d"),
                    Expression::aggregate(Aggregate::Max, integer(USER_COUNTS, &within)),
                );
        }
        vec![
            stage(USER_COUNTS, "Events per user; null without any.", counts),
            stage(USERS, "Users with events, and the events of the most active user.", totals),
        ]
    }

    /// Returns the stages with totals over the days of an account.
    fn day_totals(&self) -> Vec<Stage> {
        let events = || sum(integer(DAILY_COUNTS, "events"));
        let logins = match self.has_role(DAILY_COUNTS, "login") {
            Some(is_login) => events().filter(is_login),
            None => Expression::null(Type::Integer),
        };
        let longest = i64::from(self.catalog.longest_window());
        let counts = grouped(DAILY_COUNTS)
            .key("day", integer(DAILY_COUNTS, "day"))
            .column("logins", logins)
            .filter(Self::in_window(DAILY_COUNTS, longest));
        let mut totals = grouped(DAY_COUNTS);
        for window in self.windows() {
            let is_login_day = integer(DAY_COUNTS, "logins").is_not_null();
            let in_window = || Self::in_window(DAY_COUNTS, window);
            totals = totals
                .column(
                    &format!("active_days_{window}d"),
                    Expression::count_rows().filter(in_window()),
                )
                .column(
                    &format!("login_days_{window}d"),
                    Expression::count_rows().filter(in_window().and(is_login_day)),
                );
        }
        vec![
            stage(DAY_COUNTS, "Days with events; logins are null without any.", counts),
            stage(DAYS, "Days with events and with logins.", totals),
        ]
    }

    /// Returns the stage with the features.
    fn features(&self) -> Stage {
        let account = |stage| column(stage, "account_id", Type::Text);
        let mut select = keyed(OBSERVATIONS).join_stage(
            JoinKind::Inner,
            ACCOUNT_LIST,
            account(OBSERVATIONS).equal(account(ACCOUNT_LIST)),
        );
        for totals in [USAGE, USERS, DAYS] {
            select = select.join_stage(JoinKind::Left, totals, same_row(OBSERVATIONS, totals));
        }
        for (name, kind) in self.attributes {
            let kind = if *kind == ValueKind::Number { Type::Double } else { Type::Text };
            let value = column(ACCOUNT_LIST, &format!("attribute_{name}"), kind);
            select = select.column(name, value);
        }
        for feature in self.catalog.features().split_off(self.attributes.len()) {
            let value = match feature.window {
                Some(window) => window_feature(&feature.measure, i64::from(window)),
                None => lifetime_feature(&feature.measure),
            };
            select = select.column(&feature.name, value);
        }
        stage(FEATURES, "The features of each observation.", select)
    }
}
