//! From daily counts to totals over event types, users and days.

use super::{DAILY_COUNTS, DAYS, FeatureQuery, USAGE, USERS, column, integer, stage, sum};
use crate::query::{Aggregate, Expression, Function, Select, Stage, Type};

const EVENT_COUNTS: &str = "event_counts";
const USER_COUNTS: &str = "user_counts";
const DAY_COUNTS: &str = "day_counts";

/// Returns the events of a row in the window before a window.
fn previous_events(stage: &str, window: i64) -> Expression {
    let events = |days: i64| integer(stage, &format!("events_{days}d"));
    events(2 * window).subtract(events(window))
}

/// Counts the rows of a group in which a number is positive.
fn count_positive(number: Expression) -> Expression {
    Expression::count_rows().filter(number.greater(Expression::integer(0)))
}

impl FeatureQuery<'_> {
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

    /// Adds the events of a group since each edge of the windows.
    fn events_since_edges(&self, select: Select) -> Select {
        self.edges().into_iter().fold(select, |select, edge| {
            let is_since = integer(DAILY_COUNTS, "day").less(Expression::integer(edge));
            let events = sum(integer(DAILY_COUNTS, "events")).filter(is_since);
            let events = Expression::call(Function::Coalesce, vec![events, Expression::integer(0)]);
            select.column(&format!("events_{edge}d"), events)
        })
    }

    /// Returns the stages with totals over the event types of an account.
    pub(super) fn event_totals(&self) -> [Stage; 2] {
        let daily = |name: &str| integer(DAILY_COUNTS, name);
        let counts = self
            .grouped(DAILY_COUNTS)
            .key("event", column(DAILY_COUNTS, "event", Type::Text))
            .column("events", sum(daily("events")))
            .column("first_age", Expression::aggregate(Aggregate::Max, daily("first_age")))
            .column("last_age", Expression::aggregate(Aggregate::Min, daily("last_age")));
        [
            stage(
                EVENT_COUNTS,
                "Events per type: in all, and in the last days.",
                self.events_since_edges(counts),
            ),
            stage(USAGE, "Totals over all event types.", self.usage_totals()),
        ]
    }

    /// Selects the totals over all event types.
    fn usage_totals(&self) -> Select {
        let count = |name: &str| integer(EVENT_COUNTS, name);
        let age_of = |function, age: &str, role| {
            let value = Expression::aggregate(function, count(age));
            match self.has_role(EVENT_COUNTS, role) {
                Some(has_role) => value.filter(has_role),
                None => Expression::null(Type::Integer),
            }
        };
        let select = self
            .grouped(EVENT_COUNTS)
            .column("events", sum(count("events")))
            .column("features_used", Expression::count_rows())
            .column("last_age", Expression::aggregate(Aggregate::Min, count("last_age")))
            .column("last_login_age", age_of(Aggregate::Min, "last_age", "login"))
            .column("first_value_age", age_of(Aggregate::Max, "first_age", "value"));
        self.windows().into_iter().fold(select, |select, window| self.window_totals(select, window))
    }

    /// Adds the totals of a window over all event types.
    fn window_totals(&self, select: Select, window: i64) -> Select {
        let events = || integer(EVENT_COUNTS, &format!("events_{window}d"));
        let previous = || previous_events(EVENT_COUNTS, window);
        let of_role = |events: Expression, role| match self.has_role(EVENT_COUNTS, role) {
            Some(has_role) => sum(events).filter(has_role),
            None => Expression::integer(0),
        };
        let number = || events().cast(Type::Double);
        // Without events: 0 · ln 1.
        let at_least_1 =
            Expression::call(Function::Greatest, vec![number(), Expression::double(1.0)]);
        let logarithm = Expression::call(Function::Ln, vec![at_least_1]);
        let select = select
            .column(&format!("events_{window}d"), sum(events()))
            .column(&format!("previous_events_{window}d"), sum(previous()))
            .column(&format!("logins_{window}d"), of_role(events(), "login"))
            .column(&format!("previous_logins_{window}d"), of_role(previous(), "login"))
            .column(&format!("features_used_{window}d"), count_positive(events()))
            .column(&format!("previous_features_{window}d"), count_positive(previous()))
            .column(&format!("n_ln_n_{window}d"), sum(number().multiply(logarithm)))
            .column(&format!("invites_{window}d"), of_role(events(), "invite"))
            .column(&format!("limit_hits_{window}d"), of_role(events(), "limit"))
            .column(&format!("hand_raises_{window}d"), of_role(events(), "hand_raise"));
        self.catalog.counted_events.iter().fold(select, |select, event| {
            let is_event = column(EVENT_COUNTS, "event", Type::Text).equal(Expression::text(event));
            select.column(&format!("count_{event}_{window}d"), sum(events()).filter(is_event))
        })
    }

    /// Returns the stages with totals over the users of an account.
    pub(super) fn user_totals(&self) -> [Stage; 2] {
        let user = || column(DAILY_COUNTS, "user_id", Type::Text);
        let counts = self.grouped(DAILY_COUNTS).key("user_id", user()).filter(user().is_not_null());
        let mut totals = self.grouped(USER_COUNTS).column("users", Expression::count_rows());
        for window in self.windows() {
            let events = || integer(USER_COUNTS, &format!("events_{window}d"));
            totals = totals
                .column(&format!("users_{window}d"), count_positive(events()))
                .column(
                    &format!("previous_users_{window}d"),
                    count_positive(previous_events(USER_COUNTS, window)),
                )
                .column(&format!("events_{window}d"), sum(events()))
                .column(
                    &format!("top_events_{window}d"),
                    Expression::aggregate(Aggregate::Max, events()),
                );
        }
        [
            stage(
                USER_COUNTS,
                "Events per user in the last days.",
                self.events_since_edges(counts),
            ),
            stage(USERS, "Users with events, and the events of the most active user.", totals),
        ]
    }

    /// Returns the stages with totals over the days of an account.
    pub(super) fn day_totals(&self) -> [Stage; 2] {
        let events = || sum(integer(DAILY_COUNTS, "events"));
        let logins = match self.has_role(DAILY_COUNTS, "login") {
            Some(is_login) => events().filter(is_login),
            None => Expression::null(Type::Integer),
        };
        let day = || integer(DAILY_COUNTS, "day");
        let mut counts = self
            .grouped(DAILY_COUNTS)
            .key("day", day())
            .column("events", events())
            .column("logins", logins)
            .filter(day().less(Expression::integer(self.longest_window())));
        for (total, _) in self.sums() {
            counts = counts.column(&total, sum(column(DAILY_COUNTS, &total, Type::Double)));
        }
        let totals = self
            .windows()
            .into_iter()
            .fold(self.grouped(DAY_COUNTS), |select, window| self.days_in_window(select, window));
        [
            stage(
                DAY_COUNTS,
                "Events and sums per day of the longest window; logins are null without any.",
                counts,
            ),
            stage(
                DAYS,
                "Days with events and with logins, and sums. The sum of the day numbers of all events gives the trend.",
                totals,
            ),
        ]
    }

    /// Adds the totals of a window over the days.
    fn days_in_window(&self, select: Select, window: i64) -> Select {
        let day = |name: &str| integer(DAY_COUNTS, name);
        let in_window = || day("day").less(Expression::integer(window));
        let has_logins = day("logins").is_not_null();
        let day_sum = sum(day("events").multiply(day("day"))).filter(in_window());
        let select = select
            .column(&format!("active_days_{window}d"), Expression::count_rows().filter(in_window()))
            .column(
                &format!("login_days_{window}d"),
                Expression::count_rows().filter(in_window().and(has_logins)),
            )
            .column(&format!("day_sum_{window}d"), day_sum);
        self.sums().into_iter().fold(select, |select, (total, _)| {
            let value = sum(column(DAY_COUNTS, &total, Type::Double)).filter(in_window());
            select.column(&format!("{total}_{window}d"), value)
        })
    }
}
