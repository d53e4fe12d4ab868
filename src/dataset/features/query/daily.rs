//! From events to daily counts.

use super::{DAILY_COUNTS, FeatureQuery, column, grouped, integer, keyed, stage, sum};
use crate::query::stages::{CLEAN_EVENTS, OBSERVATIONS};
use crate::query::{Aggregate, Expression, Function, JoinKind, Select, Stage, Type};
use crate::time::{DAY, SECOND};

const KNOWN_EVENTS: &str = "known_events";
const SESSION_STARTS: &str = "session_starts";

impl FeatureQuery<'_> {
    /// Returns the stages from events to daily counts.
    pub(super) fn daily_counts(&self) -> Vec<Stage> {
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
}
