//! The account list, or the accounts that the events name, as stages of a statement.

use super::events::{EVENTS, is_known_time, micros_of_day};
use super::tables::AccountTable;
use super::{LogPurpose, LogQuery, other_form, present};
use crate::log::cells::ValueKind;
use crate::query::stages::{ACCOUNT_LIST, LOG_END};
use crate::query::{Aggregate, Expression, Function, JoinKind, Rows, Select, Source, Stage, Type};
use crate::time::DAY;

const RAW_ACCOUNTS: &str = "raw_accounts";
pub(super) const ACCOUNT_ROWS: &str = "account_rows";
const OUTCOME_EVENTS: &str = "outcome_events";
const OUTCOME_PRECISION: &str = "precision_of_outcomes";

/// Name of the table in its selection.
const TABLE: &str = "t";

impl LogQuery<'_> {
    /// Returns the stages with the rows of the account list; none without a list.
    pub(super) fn account_rows(&self) -> Vec<Stage> {
        let Some(table) = &self.tables.accounts else { return Vec::new() };
        let raw = Stage {
            name: RAW_ACCOUNTS.to_owned(),
            comment: "The account list as the table has it.".to_owned(),
            rows: Rows::Select(self.table_rows_of_accounts(table)),
        };
        let mut select = Select::from_stage(RAW_ACCOUNTS)
            .column("account_id", present(&raw.output("account_id")));
        for name in ["signed_up", "converted", "churned"] {
            let time = raw.output(name);
            let known = vec![(is_known_time(&time), time)];
            select = select.column(name, Expression::case(known, Expression::null(Type::Integer)));
        }
        select = select.column("seats", raw.output("seats"));
        for (name, kind) in self.attributes {
            let name = format!("attribute_{name}");
            let value = match kind {
                ValueKind::Number => raw.output(&name),
                ValueKind::Text => level(&raw.output(&name)),
            };
            select = select.column(&name, value);
        }
        let rows = Stage {
            name: ACCOUNT_ROWS.to_owned(),
            comment: "The account list with ids and texts in one form, and without times that mean never.".to_owned(),
            rows: Rows::Select(select),
        };
        vec![raw, rows]
    }

    /// Selects the columns of the account list, under common names.
    fn table_rows_of_accounts(&self, table: &AccountTable) -> Select {
        let AccountTable { name, columns, source } = table;
        let time = |column: &str| self.micros(TABLE, column, source.format.as_deref());
        let optional_time = |column: &Option<String>| {
            column.as_deref().map_or_else(|| Expression::null(Type::Integer), time)
        };
        let seats = match &columns.seats {
            Some(column) => self.number(TABLE, column),
            None => Expression::null(Type::Double),
        };
        let mut select = Select::from(Source::Table(name.clone()), TABLE)
            .column("account_id", Expression::raw(TABLE, &columns.account).cast(Type::Text))
            .column("signed_up", time(&columns.signed_up))
            .column("converted", optional_time(&columns.converted))
            .column("churned", optional_time(&columns.churned))
            .column("seats", seats);
        for (attribute, kind) in self.attributes {
            let value = match kind {
                ValueKind::Number => self.number(TABLE, attribute),
                ValueKind::Text => Expression::raw(TABLE, attribute).cast(Type::Text),
            };
            select = select.column(&format!("attribute_{attribute}"), value);
        }
        select
    }

    /// Returns whether conversions or churns are events.
    fn has_outcome_events(&self) -> bool {
        !self.roles.converted.is_empty() || !self.roles.churned.is_empty()
    }

    /// Returns the stage with the conversions and churns among the events of an account list.
    pub(super) fn outcome_events(&self) -> Option<Stage> {
        if self.tables.accounts.is_none() || !self.has_outcome_events() {
            return None;
        }
        let account = Expression::column(EVENTS, "account_id", Type::Text);
        let event = Expression::column(EVENTS, "event", Type::Text);
        let outcomes: Vec<String> =
            self.roles.converted.iter().chain(&self.roles.churned).cloned().collect();
        let select = self.select_events().key("account_id", account);
        let [converted, churned] = self.outcomes();
        let select = select
            .column("converted", converted)
            .column("churned", churned)
            .filter(event.is_in(Self::names(&outcomes)));
        Some(Stage {
            name: OUTCOME_EVENTS.to_owned(),
            comment: "The first conversion and churn among the events of each account.".to_owned(),
            rows: Rows::Select(select),
        })
    }

    /// Returns when the first conversion and churn among the events of a group became known.
    fn outcomes(&self) -> [Expression; 2] {
        let event = || Expression::column(EVENTS, "event", Type::Text);
        let known_at = || Expression::column(EVENTS, "known_at", Type::Integer);
        let converted = Self::names(&self.roles.converted);
        // An event with both roles is a conversion.
        let mut churned = Self::names(&self.roles.churned);
        churned.retain(|name| !converted.contains(name));
        [converted, churned].map(|names| {
            if names.is_empty() {
                return Expression::null(Type::Integer);
            }
            Expression::aggregate(Aggregate::Min, known_at()).filter(event().is_in(names))
        })
    }

    /// Returns the stage with the accounts that signed up before the end of the log.
    pub(super) fn account_list(&self) -> Stage {
        let (comment, select) = if self.tables.accounts.is_some() {
            (
                "Accounts that signed up before the end of the log, with what was known then.",
                self.listed(),
            )
        } else {
            ("Accounts sign up with their first event.", self.derived())
        };
        let rows = Rows::Select(select);
        Stage { name: ACCOUNT_LIST.to_owned(), comment: comment.to_owned(), rows }
    }

    /// Selects the accounts of the list.
    fn listed(&self) -> Select {
        let column = |name: &str, kind| Expression::column(ACCOUNT_ROWS, name, kind);
        let log_end = || Expression::column(LOG_END, LOG_END, Type::Integer);
        let (account, signed_up) =
            (column("account_id", Type::Text), column("signed_up", Type::Integer));
        let mut select = Select::from_stage(ACCOUNT_ROWS)
            .join_stage(JoinKind::Cross, LOG_END, Expression::boolean(true))
            .column("account_id", account.clone())
            .column("signed_up", signed_up.clone());
        if self.has_outcome_events() {
            let other = Expression::column(OUTCOME_EVENTS, "account_id", Type::Text);
            select =
                select.join_stage(JoinKind::Left, OUTCOME_EVENTS, account.clone().equal(other));
        }
        let moves = self.moves_dates();
        if moves {
            let always = Expression::boolean(true);
            select = select.join_stage(JoinKind::Cross, OUTCOME_PRECISION, always);
        }
        for name in OUTCOMES {
            let time = if moves { moved_date(name) } else { known_time(name) };
            let event = || Expression::column(OUTCOME_EVENTS, name, Type::Integer);
            let time = if self.has_outcome_events() { earlier(time, event()) } else { time };
            select = select.column(name, time);
        }
        select = select.column("seats", column("seats", Type::Double));
        for (name, kind) in self.attributes {
            let name = format!("attribute_{name}");
            select = select.column(&name, column(&name, value_type(*kind)));
        }
        select.filter(account.is_not_null()).filter(signed_up.less(log_end()))
    }

    /// Selects the accounts of the events.
    fn derived(&self) -> Select {
        let known_at = Expression::column(EVENTS, "known_at", Type::Integer);
        let [converted, churned] = self.outcomes();
        let mut select = self
            .select_events()
            .key("account_id", Expression::column(EVENTS, "account_id", Type::Text))
            .column("signed_up", Expression::aggregate(Aggregate::Min, known_at))
            .column("converted", converted)
            .column("churned", churned)
            .column("seats", Expression::null(Type::Double));
        for (name, kind) in self.attributes {
            let value = Expression::null(value_type(*kind));
            select = select.column(&format!("attribute_{name}"), value);
        }
        select
    }

    /// Keeps events of the accounts of a stage, if there is an account list.
    pub(super) fn of_accounts(&self, select: Select, events: &str, accounts: &str) -> Select {
        if self.tables.accounts.is_none() {
            return select;
        }
        let [event, account] =
            [events, accounts].map(|stage| Expression::column(stage, "account_id", Type::Text));
        select.join_stage(JoinKind::Inner, accounts, event.equal(account))
    }

    /// Selects the latest time of day of the account list, if there is one.
    pub(super) fn latest_account_time(&self) -> Option<Select> {
        self.tables.accounts.as_ref()?;
        let latest = ["signed_up", "converted", "churned"].map(known_time_of_day);
        let latest = Expression::call(Function::Greatest, latest.to_vec());
        let latest = Expression::aggregate(Aggregate::Max, latest);
        Some(known_rows().column("time_of_day", latest))
    }

    /// Returns whether outcomes on the day of the sign-up are moved to the sign-up: training counts
    /// them, while scoring needs only the accounts without outcomes.
    fn moves_dates(&self) -> bool {
        let is_training = matches!(self.purpose, LogPurpose::Training { .. });
        is_training && self.tables.accounts.is_some()
    }

    /// Returns the stage that shows which outcomes of the account list have only dates; none if
    /// nothing depends on it.
    pub(super) fn outcome_precision(&self) -> Option<Stage> {
        if !self.moves_dates() {
            return None;
        }
        let has_only_dates = |name: &str| {
            let latest = Expression::aggregate(Aggregate::Max, known_time_of_day(name));
            let latest = Expression::call(Function::Coalesce, vec![latest, Expression::integer(0)]);
            latest.equal(Expression::integer(0))
        };
        let select = OUTCOMES.into_iter().fold(known_rows(), |select, name| {
            select.column(&format!("{name}_dates"), has_only_dates(name))
        });
        Some(Stage {
            name: OUTCOME_PRECISION.to_owned(),
            comment: "Whether the conversions and churns of the account list are dates without a time of day.".to_owned(),
            rows: Rows::Select(select),
        })
    }
}

/// The columns with the times of outcomes.
pub(super) const OUTCOMES: [&str; 2] = ["converted", "churned"];

/// Selects from the account list, and joins the end of the log.
fn known_rows() -> Select {
    let account = Expression::column(ACCOUNT_ROWS, "account_id", Type::Text);
    Select::from_stage(ACCOUNT_ROWS)
        .join_stage(JoinKind::Cross, LOG_END, Expression::boolean(true))
        .filter(account.is_not_null())
}

/// Returns a time of the account list; null if it is not before the end of the log.
fn known_time(name: &str) -> Expression {
    let time = Expression::column(ACCOUNT_ROWS, name, Type::Integer);
    let log_end = Expression::column(LOG_END, LOG_END, Type::Integer);
    let known = vec![(time.clone().less(log_end), time)];
    Expression::case(known, Expression::null(Type::Integer))
}

/// Returns the time of day of a time of the account list; 0 if it is not known.
fn known_time_of_day(name: &str) -> Expression {
    let time = Expression::column(ACCOUNT_ROWS, name, Type::Integer);
    let log_end = Expression::column(LOG_END, LOG_END, Type::Integer);
    let known = vec![(time.clone().less(log_end), micros_of_day(&time))];
    Expression::case(known, Expression::integer(0))
}

/// Returns the time of an outcome of the account list; in a column that has only dates, an outcome
/// on the day of the sign-up is at the sign-up.
fn moved_date(name: &str) -> Expression {
    let column = |name: &str| Expression::column(ACCOUNT_ROWS, name, Type::Integer);
    let log_end = Expression::column(LOG_END, LOG_END, Type::Integer);
    let (time, signed_up) = (column(name), column("signed_up"));
    let is_unknown = time.clone().greater_equal(log_end);
    let has_only_dates =
        Expression::column(OUTCOME_PRECISION, &format!("{name}_dates"), Type::Boolean);
    let branches = vec![
        (is_unknown, Expression::null(Type::Integer)),
        (has_only_dates.and(same_day(&time, &signed_up)), signed_up),
    ];
    Expression::case(branches, time)
}

/// Returns the condition that two times after 1970 are on the same day.
pub(super) fn same_day(a: &Expression, b: &Expression) -> Expression {
    let day = |time: &Expression| time.clone().divide_whole(Expression::integer(DAY));
    day(a).equal(day(b))
}

/// Returns the type of an attribute.
fn value_type(kind: ValueKind) -> Type {
    match kind {
        ValueKind::Number => Type::Double,
        ValueKind::Text => Type::Text,
    }
}

/// Returns the earlier of two times, each of which may be null.
fn earlier(a: Expression, b: Expression) -> Expression {
    let is_later = a.clone().is_null().or(b.clone().less(a.clone()));
    Expression::case(vec![(is_later, b)], a)
}

/// Returns the canonical form of a level: that of an id, and true and false in lower case; null if
/// it is blank.
pub(crate) fn level(text: &Expression) -> Expression {
    let blank = || Expression::text("");
    let is = |forms: [&str; 2]| text.clone().is_in(forms.map(Expression::text).to_vec());
    let (may_differ, form) = other_form(text);
    let form = Expression::call(Function::NullIf, vec![form, blank()]);
    let branches = vec![
        (text.clone().equal(blank()), Expression::null(Type::Text)),
        (is(["True", "TRUE"]), Expression::text("true")),
        (is(["False", "FALSE"]), Expression::text("false")),
        (may_differ, form),
    ];
    Expression::case(branches, text.clone())
}
