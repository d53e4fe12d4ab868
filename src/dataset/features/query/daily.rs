//! From events to sessions and daily counts.

use super::{DAILY_COUNTS, FeatureQuery, SESSIONS, column, integer, stage, sum};
use crate::log::query::present;
use crate::query::stages::{CLEAN_EVENTS, OBSERVATIONS};
use crate::query::{Aggregate, Expression, JoinKind, Select, Stage, Type};
use crate::time::{DAY, SECOND};

const KNOWN_EVENTS: &str = "known_events";
const SESSION_STARTS: &str = "session_starts";

impl FeatureQuery<'_> {
    /// Returns the stages from events to sessions and daily counts.
    pub(super) fn event_stages(&self) -> Vec<Stage> {
        vec![
            stage(
                KNOWN_EVENTS,
                "The events of each observation that were known before its cutoff, and their age: microseconds before the cutoff. Day 0 ends at the cutoff; days before the longest window count as few long ones.",
                self.known_events(),
            ),
            stage(
                SESSION_STARTS,
                "The events of the longest window. An event starts a session if it follows none of the same user within 30 minutes; events without a user form one stream.",
                self.session_starts(),
            ),
            stage(SESSIONS, "Sessions in each window.", self.sessions()),
            stage(
                DAILY_COUNTS,
                "Daily counts per account, user and event type.",
                self.counts_by_day(),
            ),
        ]
    }

    /// Selects the events of each observation.
    fn known_events(&self) -> Select {
        let event = |name: &str| integer(CLEAN_EVENTS, name);
        let cutoff = || integer(OBSERVATIONS, "cutoff");
        let account = |stage| column(stage, "account_id", Type::Text);
        let known = account(CLEAN_EVENTS)
            .equal(account(OBSERVATIONS))
            .and(event("time").less(cutoff()))
            .and(event("known_at").less(cutoff()));
        let age = || cutoff().subtract(event("time"));
        let select = self
            .keyed(OBSERVATIONS)
            .join_stage(JoinKind::Inner, CLEAN_EVENTS, known)
            .column("user_id", present(&column(CLEAN_EVENTS, "user_id", Type::Text)))
            .column("event", column(CLEAN_EVENTS, "event", Type::Text))
            .column("age", age())
            .column("day", self.day(&age()));
        self.sums().iter().fold(select, |select, (_, value)| {
            select.column(value, column(CLEAN_EVENTS, value, Type::Double))
        })
    }

    /// Returns the day of an age. Days before the longest window are as long as the windows allow,
    /// so that there are few counts.
    fn day(&self, age: &Expression) -> Expression {
        let until = |days: i64| age.clone().less_equal(Expression::integer(days * DAY));
        let longest = self.longest_window();
        let whole_days =
            age.clone().subtract(Expression::integer(1)).divide_whole(Expression::integer(DAY));
        let mut branches = vec![(until(longest), whole_days)];
        let mut start = longest;
        for end in self.edges().into_iter().filter(|edge| *edge > longest) {
            branches.push((until(end), Expression::integer(start)));
            start = end;
        }
        Expression::case(branches, Expression::integer(start))
    }

    /// Selects the events of the longest window, and marks those that start a session.
    fn session_starts(&self) -> Select {
        const SESSION_GAP: i64 = 30 * 60 * SECOND;
        let age = || integer(KNOWN_EVENTS, "age");
        let mut user = self.keys(KNOWN_EVENTS);
        user.push(column(KNOWN_EVENTS, "user_id", Type::Text));
        let previous = age().lag(user, vec![age().descending()]);
        let follows = previous.subtract(age()).less(Expression::integer(SESSION_GAP));
        let starts =
            Expression::case(vec![(follows, Expression::integer(0))], Expression::integer(1));
        // An event of the longest window may follow one from before it.
        let oldest = self.longest_window() * DAY + SESSION_GAP;
        self.keyed(KNOWN_EVENTS)
            .column("age", age())
            .column("session_start", starts)
            .filter(age().less(Expression::integer(oldest)))
    }

    /// Selects the sessions in each window.
    fn sessions(&self) -> Select {
        self.windows().into_iter().fold(self.grouped(SESSION_STARTS), |select, window| {
            let limit = Expression::integer(window * DAY);
            let in_window = integer(SESSION_STARTS, "age").less_equal(limit);
            let starts = sum(integer(SESSION_STARTS, "session_start")).filter(in_window);
            select.column(&format!("sessions_{window}d"), starts)
        })
    }

    /// Selects the counts per account, user, event type and day.
    fn counts_by_day(&self) -> Select {
        let text = |name: &str| column(KNOWN_EVENTS, name, Type::Text);
        let age = || integer(KNOWN_EVENTS, "age");
        let mut select = self
            .grouped(KNOWN_EVENTS)
            .key("user_id", text("user_id"))
            .key("event", text("event"))
            .key("day", integer(KNOWN_EVENTS, "day"))
            .column("events", Expression::count_rows())
            .column("first_age", Expression::aggregate(Aggregate::Max, age()))
            .column("last_age", Expression::aggregate(Aggregate::Min, age()));
        for (total, value) in self.sums() {
            select = select.column(&total, sum(column(KNOWN_EVENTS, &value, Type::Double)));
        }
        select
    }
}
