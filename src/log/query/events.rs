//! Events of all tables, cleaned, as stages of a statement.

use super::tables::EventTable;
use super::{LogQuery, canonical_form, present};
use crate::log::cells::canonical;
use crate::query::stages::{ACCOUNT_LIST, CLEAN_EVENTS, LOG_END};
use crate::query::{Expression, Function, JoinKind, Rows, Select, Source, Stage, Type};
use crate::time::{DAY, SECOND};

const RAW_EVENTS: &str = "raw_events";
pub(super) const EVENT_ROWS: &str = "event_rows";
pub(super) const COMPLETE_EVENTS: &str = "complete_events";
const DELIVERIES: &str = "deliveries";
const FIRST_DELIVERIES: &str = "first_deliveries";

/// Name of a table in its selection.
const TABLE: &str = "t";

impl LogQuery<'_> {
    /// Returns the stages with one row per event: its columns under common names, then its ids in
    /// canonical form.
    pub(super) fn event_rows(&self) -> Vec<Stage> {
        let tables = self.tables.events.iter().enumerate();
        let mut selects: Vec<Select> =
            tables.flat_map(|(number, table)| self.table_events(number, table)).collect();
        let rows = match selects.len() {
            1 => Rows::Select(selects.remove(0)),
            _ => Rows::Union(selects),
        };
        let raw = Stage {
            name: RAW_EVENTS.to_owned(),
            comment: "The events as the tables have them.".to_owned(),
            rows,
        };
        let column = |name: &str| raw.output(name);
        let (time, received) = (column("time"), column("received"));
        let is_later = received.clone().greater(time.clone());
        let is_later = is_later.and(received.clone().less(Expression::integer(LAST)));
        let mut select = Select::from_stage(RAW_EVENTS)
            .column("account_id", canonical_form(&column("account_id")))
            .column("user_id", column("user_id"))
            .column("event", canonical_form(&column("event")))
            .column("time", time.clone())
            .column("known_at", Expression::case(vec![(is_later, received)], time));
        if self.has_ids() {
            select = select.column("event_id", present(&column("event_id")));
        }
        for name in self.carried() {
            let value = column(&name);
            select = select.column(&name, value);
        }
        let canonical = Stage {
            name: EVENT_ROWS.to_owned(),
            comment: "The events with accounts and names in one form: without blanks around them, and 7.0 is 7. An event is known from the later of its time and its time of receipt.".to_owned(),
            rows: Rows::Select(select),
        };
        vec![raw, canonical]
    }

    /// Returns the names of columns that pass through all stages.
    fn carried(&self) -> Vec<String> {
        let mut names = Vec::new();
        if self.tables.events.len() > 1 && self.needs_precision() {
            names.push("source".to_owned());
        }
        if self.has_ids() && self.has_id_spaces() {
            names.push("id_space".to_owned());
        }
        names.extend(self.values.iter().map(|name| format!("value_{name}")));
        names
    }

    /// Returns whether any table has event ids.
    fn has_ids(&self) -> bool {
        self.tables.events.iter().any(|table| table.columns.id.is_some())
    }

    /// Returns whether equal ids may belong to different events.
    fn has_id_spaces(&self) -> bool {
        let events = &self.tables.events;
        events.iter().any(|table| table.id_space != events[0].id_space)
            || events.iter().any(|table| !table.source.unpivot.is_empty())
    }

    /// Selects the events of a table: all rows, or for each unpivoted column the rows that have it.
    fn table_events(&self, number: usize, table: &EventTable) -> Vec<Select> {
        if table.source.unpivot.is_empty() {
            let event = match (&table.columns.event, &table.source.event_name) {
                (Some(column), _) => Expression::raw(TABLE, column).cast(Type::Text),
                (None, name) => Expression::text(&canonical(name.as_deref().unwrap_or_default())),
            };
            return vec![self.table_rows(number, table, &event, None)];
        }
        let has_event = |column: &String| {
            let count = self.number(TABLE, column);
            let count = Expression::call(Function::Coalesce, vec![count, Expression::double(0.0)]);
            count.not_equal(Expression::double(0.0))
        };
        let columns = &table.source.unpivot;
        let select = |(index, column): (usize, &String)| {
            // The values of a row belong to its first event, so that sums count them once.
            let has_earlier = columns[..index].iter().map(has_event).reduce(Expression::or);
            let event = Expression::text(&canonical(column));
            self.table_rows(number, table, &event, has_earlier.as_ref()).filter(has_event(column))
        };
        columns.iter().enumerate().map(select).collect()
    }

    /// Selects the columns of the rows of a table, under common names.
    ///
    /// # Arguments
    /// * `without_values` – condition under which a row has no values
    fn table_rows(
        &self,
        number: usize,
        table: &EventTable,
        event: &Expression,
        without_values: Option<&Expression>,
    ) -> Select {
        let EventTable { name, columns, source, id_space } = table;
        let text = |column: &Option<String>| match column {
            Some(column) => Expression::raw(TABLE, column).cast(Type::Text),
            None => Expression::null(Type::Text),
        };
        let time = |column: &str| self.micros(TABLE, column, source.format.as_deref());
        let received = columns.received.as_deref();
        let mut select = Select::from(Source::Table(name.clone()), TABLE)
            .column("account_id", text(&columns.account))
            .column("user_id", text(&columns.user))
            .column("event", event.clone())
            .column("time", time(&columns.timestamp))
            .column("received", received.map_or_else(|| Expression::null(Type::Integer), time));
        if self.has_ids() {
            select = select.column("event_id", text(&columns.id));
        }
        for column in self.carried() {
            let value = match column.strip_prefix("value_") {
                None if column == "source" => {
                    Expression::integer(i64::try_from(number).unwrap_or(i64::MAX))
                }
                None if source.unpivot.is_empty() => Expression::text(&id_space.to_string()),
                // The events of a row share its id.
                None => {
                    let space = Expression::text(&format!("{id_space}/"));
                    Expression::call(Function::Concat, vec![space, event.clone()])
                }
                Some(name) if source.values.iter().any(|value| value == name) => {
                    let number = self.number(TABLE, name);
                    match without_values {
                        None => number,
                        Some(without) => Expression::case(
                            vec![(without.clone(), Expression::null(Type::Double))],
                            number,
                        ),
                    }
                }
                Some(_) => Expression::null(Type::Double),
            };
            select = select.column(&column, value);
        }
        select
    }

    /// Returns the condition that an event has an account, a name and a time.
    ///
    /// With an account list, later joins drop events without an account, and testing each event
    /// would take time. Only the deliveries of an id need the test before.
    pub(super) fn is_complete(&self, relation: &str) -> Expression {
        let is_present =
            |name| Expression::column(relation, name, Type::Text).not_equal(Expression::text(""));
        let time = Expression::column(relation, "time", Type::Integer);
        let is_complete = is_present("event").and(is_known_time(&time));
        if self.tables.accounts.is_some() && !self.has_ids() {
            return is_complete;
        }
        is_present("account_id").and(is_complete)
    }

    /// Returns the stages with the complete events before the end of the log, each id once.
    pub(super) fn complete_events(&self) -> Vec<Stage> {
        let known_at = Expression::column(EVENT_ROWS, "known_at", Type::Integer);
        let log_end = Expression::column(LOG_END, LOG_END, Type::Integer);
        let select = Select::from_stage(EVENT_ROWS).join_stage(
            JoinKind::Cross,
            LOG_END,
            Expression::boolean(true),
        );
        let select = self
            .copied(select, EVENT_ROWS, true)
            .filter(self.is_complete(EVENT_ROWS))
            .filter(known_at.less(log_end));
        let complete = Stage {
            name: COMPLETE_EVENTS.to_owned(),
            comment: "Events with a name and a time that were known before the end of the log. Those without an account do not count.".to_owned(),
            rows: Rows::Select(select),
        };
        if !self.has_ids() {
            return vec![complete];
        }
        let deliveries = Stage {
            name: DELIVERIES.to_owned(),
            comment: "The position of each event among those with its id, in the order in which they became known.".to_owned(),
            rows: Rows::Select(self.deliveries()),
        };
        let is_first = deliveries.output("delivery").equal(Expression::integer(1));
        let select = self
            .copied(Select::from_stage(DELIVERIES), DELIVERIES, false)
            .filter(deliveries.output("event_id").is_null().or(is_first));
        let first = Stage {
            name: FIRST_DELIVERIES.to_owned(),
            comment: "Events without an id, and the first delivery of each id.".to_owned(),
            rows: Rows::Select(select),
        };
        vec![complete, deliveries, first]
    }

    /// Selects all events with their position among those with the same id.
    fn deliveries(&self) -> Select {
        let column = |name: &str, kind| Expression::column(COMPLETE_EVENTS, name, kind);
        let text = |name: &str| column(name, Type::Text);
        let integer = |name: &str| column(name, Type::Integer);
        let mut partition = vec![text("event_id")];
        if self.has_id_spaces() {
            partition.push(text("id_space"));
        }
        // Events without an id are spread over their accounts.
        let without_id = text("event_id").is_null();
        let account = vec![(without_id, text("account_id"))];
        partition.push(Expression::case(account, Expression::null(Type::Text)));
        let order = vec![
            integer("known_at").ascending(),
            text("account_id").ascending(),
            integer("time").ascending(),
            text("event").ascending(),
            text("user_id").ascending(),
        ];
        let select = self.copied(Select::from_stage(COMPLETE_EVENTS), COMPLETE_EVENTS, true);
        select.column("delivery", Expression::row_number(partition, order))
    }

    /// Adds the columns of an earlier stage of events.
    fn copied(&self, select: Select, stage: &str, with_ids: bool) -> Select {
        let mut select =
            ["account_id", "user_id", "event"].into_iter().fold(select, |select, name| {
                select.column(name, Expression::column(stage, name, Type::Text))
            });
        for name in ["time", "known_at"] {
            select = select.column(name, Expression::column(stage, name, Type::Integer));
        }
        if self.has_ids() && with_ids {
            select = select.column("event_id", Expression::column(stage, "event_id", Type::Text));
        }
        for name in self.carried() {
            let kind = match name.as_str() {
                "source" => Type::Integer,
                "id_space" if !with_ids => continue,
                "id_space" => Type::Text,
                _ => Type::Double,
            };
            select = select.column(&name, Expression::column(stage, &name, kind));
        }
        select
    }

    /// Returns the last stage whose rows are events of all accounts and roles.
    pub(super) fn last_event_stage(&self) -> &'static str {
        if self.has_ids() { FIRST_DELIVERIES } else { COMPLETE_EVENTS }
    }

    /// Selects from the last stage whose rows are events of all accounts and roles.
    pub(super) fn select_events(&self) -> Select {
        Select::from(Source::Stage(self.last_event_stage().to_owned()), EVENTS)
    }

    /// Keeps usage: events that have none of the roles `converted`, `churned` and `exclude`.
    pub(super) fn usage(&self, select: Select, relation: &str) -> Select {
        let others: Vec<String> =
            self.roles.not_usage().iter().flat_map(|(_, names)| names.iter().cloned()).collect();
        let event = Expression::column(relation, "event", Type::Text);
        match Self::names(&others) {
            others if others.is_empty() => select,
            others => select.filter(event.is_in(others).negate()),
        }
    }

    /// Returns the stage with the usage events of known accounts.
    ///
    /// The stages that read it join the accounts again. Without the join, PostgreSQL expects so few
    /// rows that it computes the definitions again for each account.
    pub(super) fn clean_events(&self) -> Stage {
        let column = |name: &str, kind| Expression::column(EVENTS, name, kind);
        let account = column("account_id", Type::Text);
        let listed = Expression::column(ACCOUNT_LIST, "account_id", Type::Text);
        let mut select = self
            .select_events()
            .join_stage(JoinKind::Inner, ACCOUNT_LIST, account.clone().equal(listed))
            .column("account_id", account)
            .column("user_id", column("user_id", Type::Text))
            .column("event", column("event", Type::Text))
            .column("time", column("time", Type::Integer))
            .column("known_at", column("known_at", Type::Integer));
        for name in self.values {
            let name = format!("value_{name}");
            select = select.column(&name, column(&name, Type::Double));
        }
        Stage {
            name: CLEAN_EVENTS.to_owned(),
            comment: "Usage: events of known accounts, without conversions, churns and excluded events. Later stages bring the users into one form.".to_owned(),
            rows: Rows::Select(self.usage(select, EVENTS)),
        }
    }
}

/// Name of the last stage with all events in later selections.
pub(super) const EVENTS: &str = "e";

/// The end of the supported years, µs UTC.
const LAST: i64 = 9_246_182_400 * SECOND;

/// Returns the condition that a time does not mean never, as in files: within a day of the zero of
/// spreadsheets and of epoch times, or outside of the supported years.
pub(super) fn is_known_time(time: &Expression) -> Expression {
    const FIRST: i64 = -2_208_988_800 * SECOND + 2 * DAY;
    let at_least = |limit| time.clone().greater_equal(Expression::integer(limit));
    let below = |limit| time.clone().less(Expression::integer(limit));
    at_least(FIRST).and(below(LAST)).and(below(-DAY).or(at_least(2 * DAY)))
}

/// Returns the µs since 00:00 UTC of a time after 1970.
pub(super) fn micros_of_day(time: &Expression) -> Expression {
    let days = time.clone().divide_whole(Expression::integer(DAY));
    time.clone().subtract(days.multiply(Expression::integer(DAY)))
}
