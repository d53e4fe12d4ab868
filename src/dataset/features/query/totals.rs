//! From daily counts to totals over event types, users and days.

use super::{
    DAILY_COUNTS, DAYS, FeatureQuery, USAGE, USERS, column, grouped, integer, keyed, stage, sum,
};
use crate::query::{Aggregate, Expression, Function, Select, Stage, Type};

const EVENT_COUNTS: &str = "event_counts";
const EVENT_SHARES: &str = "event_shares";
const USER_COUNTS: &str = "user_counts";
const DAY_COUNTS: &str = "day_counts";

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

    /// Returns the stages with totals over the event types of an account.
    pub(super) fn event_totals(&self) -> Vec<Stage> {
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
    pub(super) fn user_totals(&self) -> Vec<Stage> {
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
    pub(super) fn day_totals(&self) -> Vec<Stage> {
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
}
