//! The log as tables of an engine: which events and accounts count, as stages of a statement.
//!
//! The stages mean the same as [`ingest`](super::ingest), which reads files.

mod accounts;
mod events;
mod tables;
mod time;
mod training;

pub(crate) use accounts::level;
pub(crate) use tables::{LogTables, TableOptions, table_name};
pub(crate) use time::{LogEnd, TimeScheme};

use super::cells::{NullMarks, ValueKind, canonical};
use crate::query::{Expression, Function, Stage, Type};

/// How the log is read, and which of its columns are needed.
pub(crate) struct LogQuery<'a> {
    /// The tables.
    pub(crate) tables: &'a LogTables,
    /// Event names by role.
    pub(crate) roles: &'a crate::config::Roles,
    /// Texts and numbers that mean a missing value.
    pub(crate) null: &'a NullMarks,
    /// Numeric properties of events.
    pub(crate) values: &'a [String],
    /// Attributes of accounts and their kinds.
    pub(crate) attributes: &'a [(String, ValueKind)],
    /// The end of the log.
    pub(crate) end: &'a LogEnd,
    /// The rows that are computed from it.
    pub(crate) purpose: LogPurpose,
}

/// The rows that are computed from a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogPurpose {
    /// Accounts as of the end of the log.
    Scoring(TimeScheme),
    /// Accounts at all cutoffs of the training.
    Training {
        /// Start of the log, µs UTC; default: its first usage event.
        since: Option<i64>,
    },
}

impl LogQuery<'_> {
    /// Returns the stages up to the accounts and the events that count:
    /// [`LOG_END`](crate::query::stages::LOG_END),
    /// [`ACCOUNT_LIST`](crate::query::stages::ACCOUNT_LIST) and
    /// [`CLEAN_EVENTS`](crate::query::stages::CLEAN_EVENTS).
    ///
    /// Scoring also has [`SCORING_TIME`](crate::query::stages::SCORING_TIME); training has
    /// [`TIME_PRECISION`](crate::query::stages::TIME_PRECISION),
    /// [`ACCOUNT_OUTCOMES`](crate::query::stages::ACCOUNT_OUTCOMES) and
    /// [`LOG_START`](crate::query::stages::LOG_START).
    pub(crate) fn stages(&self) -> Vec<Stage> {
        let mut stages = Vec::new();
        stages.extend(self.account_rows());
        stages.extend(self.event_rows());
        stages.push(self.log_end());
        stages.extend(self.complete_events());
        stages.extend(self.outcome_events());
        stages.extend(self.outcome_precision());
        stages.push(self.account_list());
        stages.extend(self.time_precision());
        match self.purpose {
            LogPurpose::Scoring(_) => {
                stages.push(self.scoring_time());
                stages.push(self.clean_events());
            }
            LogPurpose::Training { since } => {
                stages.push(self.clean_events());
                stages.push(self.account_outcomes());
                stages.extend(Self::log_start(since));
            }
        }
        stages
    }

    /// Returns the names of events with a role, in canonical form, as literals.
    fn names(names: &[String]) -> Vec<Expression> {
        let mut names: Vec<String> =
            names.iter().map(|name| canonical(name).into_owned()).collect();
        names.sort_unstable();
        names.dedup();
        names.iter().map(|name| Expression::text(name)).collect()
    }

    /// Returns a number of a source table; NaN and the numbers that mean missing are null.
    fn number(&self, relation: &str, column: &str) -> Expression {
        source_number(&Expression::raw(relation, column), self.null)
    }

    /// Returns a time of a source table, µs UTC.
    fn micros(&self, relation: &str, column: &str, format: Option<&str>) -> Expression {
        let raw = Expression::raw(relation, column);
        let Some(format) = format else {
            return Expression::call(Function::ToMicros, vec![raw]);
        };
        let text = Expression::call(Function::Trim, vec![raw.cast(Type::Text)]);
        let mut missing: Vec<String> =
            self.null.texts().iter().map(|mark| mark.to_lowercase()).collect();
        missing.push(String::new());
        missing.sort_unstable();
        missing.dedup();
        let missing = missing.iter().map(|mark| Expression::text(mark)).collect();
        let is_missing = Expression::call(Function::Lower, vec![text.clone()]).is_in(missing);
        let time = Expression::call(Function::ToMicros, vec![text.parse_time(format)]);
        Expression::case(vec![(is_missing, Expression::null(Type::Integer))], time)
    }
}

/// Returns a number of a source table; NaN and the numbers that mean missing are null.
pub(crate) fn source_number(raw: &Expression, null: &NullMarks) -> Expression {
    let number = Expression::call(Function::NullIfNan, vec![raw.clone().cast(Type::Double)]);
    let marks: Vec<Expression> =
        null.numbers().iter().map(|mark| Expression::double(*mark)).collect();
    if marks.is_empty() {
        return number;
    }
    let is_mark = number.clone().is_in(marks);
    Expression::case(vec![(is_mark, Expression::null(Type::Double))], number)
}

/// Returns the canonical form of a text, as [`canonical`].
fn canonical_form(text: &Expression) -> Expression {
    Expression::case(vec![other_form(text)], text.clone())
}

/// Returns the canonical form of a text; null if it is blank.
pub(crate) fn present(text: &Expression) -> Expression {
    let blank = || Expression::text("");
    let (may_differ, form) = other_form(text);
    let form = Expression::call(Function::NullIf, vec![form, blank()]);
    let is_blank = (text.clone().equal(blank()), Expression::null(Type::Text));
    Expression::case(vec![is_blank, (may_differ, form)], text.clone())
}

/// Returns the condition that a text may not be in canonical form, and this form: only such texts
/// are converted, since that takes time.
fn other_form(text: &Expression) -> (Expression, Expression) {
    let like = |pattern: &str| {
        Expression::call(Function::Like, vec![text.clone(), Expression::text(pattern)])
    };
    let may_differ = like("%.%").or(like("-0%")).or(like(" %")).or(like("% "));
    let trimmed = Expression::call(Function::Trim, vec![text.clone()]);
    (may_differ, Expression::call(Function::WholeNumber, vec![trimmed]))
}
