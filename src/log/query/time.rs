//! The end of the log and the time of scoring, as stages of a statement.

use super::accounts::ACCOUNT_ROWS;
use super::events::{COMPLETE_EVENTS, EVENT_ROWS, micros_of_day};
use super::{LogPurpose, LogQuery};
use crate::query::stages::{ACCOUNT_LIST, LOG_END, SCORING_TIME, TIME_PRECISION};
use crate::query::{Aggregate, Expression, Function, JoinKind, Rows, Select, Source, Stage, Type};
use crate::time::{DAY, iso};

const LATEST_TIMES: &str = "latest_times_of_day";

/// The end of a log: later events do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogEnd {
    /// A fixed time, µs UTC.
    At(i64),
    /// A parameter of the statement.
    Parameter(String),
    /// 00:00 UTC on the day of the last usage event of an account of the list.
    LastDay,
}

impl LogEnd {
    /// Returns whether the log ends at 00:00 UTC.
    fn is_midnight(&self) -> bool {
        match self {
            Self::At(end) => end % DAY == 0,
            Self::Parameter(_) => false,
            Self::LastDay => true,
        }
    }
}

/// Which cutoffs are computed from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeScheme {
    /// The time of scoring.
    Snapshot,
    /// The time at which an account reaches an age; with dates alone, it is rounded.
    Age,
}

impl LogQuery<'_> {
    /// Returns whether the time of scoring or a cutoff depends on whether the log has only dates.
    pub(super) fn needs_precision(&self) -> bool {
        match self.purpose {
            LogPurpose::Scoring(TimeScheme::Snapshot) => !self.end.is_midnight(),
            LogPurpose::Scoring(TimeScheme::Age) | LogPurpose::Training { .. } => true,
        }
    }

    /// Returns the stage with the end of the log.
    pub(super) fn log_end(&self) -> Stage {
        let (comment, rows) = match self.end {
            LogEnd::At(end) => (
                format!("The end of the log, {}: later events do not count. Times are in microseconds since 1970, UTC.", iso(*end)),
                Rows::Values {
                    columns: vec![(LOG_END.to_owned(), Type::Integer)],
                    rows: vec![vec![Expression::integer(*end)]],
                },
            ),
            LogEnd::Parameter(name) => {
                let time = Expression::parameter(name, Type::Raw).cast(Type::Timestamp);
                let micros = Expression::call(Function::ToMicros, vec![time]);
                (
                    format!("The end of the log, the parameter {name}: later events do not count. Times are in microseconds since 1970, UTC."),
                    Rows::Values {
                        columns: vec![(LOG_END.to_owned(), Type::Integer)],
                        rows: vec![vec![micros]],
                    },
                )
            }
            LogEnd::LastDay => (
                "The end of the log: 00:00 UTC on the day of the last usage event. Times are in microseconds since 1970, UTC.".to_owned(),
                Rows::Select(self.last_day()),
            ),
        };
        Stage { name: LOG_END.to_owned(), comment, rows }
    }

    /// Selects the start of the day of the last usage event of a known account.
    fn last_day(&self) -> Select {
        let column = |name: &str, kind| Expression::column(EVENT_ROWS, name, kind);
        let known_at = column("known_at", Type::Integer);
        let now = Expression::call(Function::Now, Vec::new());
        let now = Expression::call(Function::ToMicros, vec![now]);
        let last = Expression::aggregate(Aggregate::Max, known_at.clone());
        let days = last.divide_whole(Expression::integer(DAY));
        let select = Select::from_stage(EVENT_ROWS)
            .column(LOG_END, days.multiply(Expression::integer(DAY)))
            .filter(self.is_complete(EVENT_ROWS))
            .filter(known_at.less_equal(now));
        let select = self.usage(select, EVENT_ROWS);
        self.of_accounts(select, EVENT_ROWS, ACCOUNT_ROWS)
    }

    /// Returns the stages that show whether the log has only dates; none if nothing depends on it.
    pub(super) fn time_precision(&self) -> Vec<Stage> {
        if !self.needs_precision() {
            return Vec::new();
        }
        let latest = Stage {
            name: LATEST_TIMES.to_owned(),
            comment: "The latest time of day of each table: 0 if it has only dates.".to_owned(),
            rows: Rows::Union(self.latest_times()),
        };
        let earliest = Expression::aggregate(Aggregate::Min, latest.output("time_of_day"));
        let flag = Expression::call(
            Function::Coalesce,
            vec![earliest.equal(Expression::integer(0)), Expression::boolean(false)],
        );
        let precision = Stage {
            name: TIME_PRECISION.to_owned(),
            comment: "Whether a table has dates without a time of day.".to_owned(),
            rows: Rows::Select(Select::from_stage(LATEST_TIMES).column("dates_only", flag)),
        };
        vec![latest, precision]
    }

    /// Returns the stage with the time of scoring.
    pub(super) fn scoring_time(&self) -> Stage {
        let log_end = Expression::column(LOG_END, LOG_END, Type::Integer);
        let dates_only = Expression::column(TIME_PRECISION, "dates_only", Type::Boolean);
        let select = Select::from_stage(LOG_END);
        let (comment, select) = if self.needs_precision() {
            let midnight = log_end.clone().subtract(micros_of_day(&log_end));
            let scored_at = Expression::case(vec![(dates_only.clone(), midnight)], log_end);
            (
                "The time of scoring: the end of the log; with dates alone, the 00:00 before it.",
                select
                    .join_stage(JoinKind::Cross, TIME_PRECISION, Expression::boolean(true))
                    .column("scored_at", scored_at)
                    .column("dates_only", dates_only),
            )
        } else {
            (
                "The time of scoring.",
                select
                    .column("scored_at", log_end)
                    .column("dates_only", Expression::boolean(false)),
            )
        };
        Stage {
            name: SCORING_TIME.to_owned(),
            comment: comment.to_owned(),
            rows: Rows::Select(select),
        }
    }

    /// Selects the latest time of day of each table.
    fn latest_times(&self) -> Vec<Select> {
        let events =
            Select::from(Source::Stage(self.last_event_stage().to_owned()), COMPLETE_EVENTS);
        let time = Expression::column(COMPLETE_EVENTS, "time", Type::Integer);
        let latest = Expression::aggregate(Aggregate::Max, micros_of_day(&time));
        let events = self.of_accounts(events, COMPLETE_EVENTS, ACCOUNT_LIST);
        let events = if self.tables.events.len() > 1 {
            let source = Expression::column(COMPLETE_EVENTS, "source", Type::Integer);
            Select { group_by: vec![source], ..events }
        } else {
            events
        };
        let mut selects = vec![events.column("time_of_day", latest)];
        selects.extend(self.latest_account_time());
        selects
    }
}
