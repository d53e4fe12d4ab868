//! The accounts and the start of the log of a training, as stages of a statement.

use super::LogQuery;
use super::accounts::{OUTCOMES, same_day};
use crate::query::stages::TIME_PRECISION;
use crate::query::stages::{ACCOUNT_LIST, ACCOUNT_OUTCOMES, CLEAN_EVENTS, LOG_END, LOG_START};
use crate::query::{Aggregate, Expression, Function, JoinKind, Rows, Select, Stage, Type};
use crate::time::iso;

const FIRST_EVENTS: &str = "first_events";

impl LogQuery<'_> {
    /// Returns the stage with the accounts of a training and their outcomes.
    ///
    /// With dates alone, the order within the day of the sign-up is unknown: outcomes on this day
    /// are at the sign-up. An account of the list with an earlier outcome does not count.
    pub(super) fn account_outcomes(&self) -> Stage {
        let column = |name: &str| Expression::column(ACCOUNT_LIST, name, Type::Integer);
        let account = Expression::column(ACCOUNT_LIST, "account_id", Type::Text);
        let mut select = Select::from_stage(ACCOUNT_LIST)
            .column("account_id", account)
            .column("signed_up", column("signed_up"));
        if self.tables.accounts.is_none() {
            let select =
                OUTCOMES.iter().fold(select, |select, name| select.column(name, column(name)));
            return stage(
                ACCOUNT_OUTCOMES,
                "The accounts and their first conversions and churns.",
                select,
            );
        }
        select = select.join_stage(JoinKind::Cross, TIME_PRECISION, Expression::boolean(true));
        for name in OUTCOMES {
            let dates_only = Expression::column(TIME_PRECISION, "dates_only", Type::Boolean);
            let is_moved = dates_only.and(same_day(&column(name), &column("signed_up")));
            let is_later = column(name).greater_equal(column("signed_up"));
            let is_valid = column(name).is_null().or(is_later).or(is_moved.clone());
            let time = Expression::case(vec![(is_moved, column("signed_up"))], column(name));
            select = select.column(name, time).filter(is_valid);
        }
        let comment = "The accounts and their first conversions and churns, none of them before the sign-up. With dates alone, those on the day of the sign-up are at the sign-up.";
        stage(ACCOUNT_OUTCOMES, comment, select)
    }

    /// Returns the stages with the start of the log: a fixed time, or the first usage event of the
    /// accounts.
    pub(super) fn log_start(since: Option<i64>) -> Vec<Stage> {
        if let Some(since) = since {
            return vec![Stage {
                name: LOG_START.to_owned(),
                comment: format!(
                    "The start of the log, {}: no account is observed before it.",
                    iso(since)
                ),
                rows: Rows::Values {
                    columns: vec![(LOG_START.to_owned(), Type::Integer)],
                    rows: vec![vec![Expression::integer(since)]],
                },
            }];
        }
        let account = |stage| Expression::column(stage, "account_id", Type::Text);
        let minimum = |stage, name| {
            Expression::aggregate(Aggregate::Min, Expression::column(stage, name, Type::Integer))
        };
        let first = Select::from_stage(CLEAN_EVENTS)
            .key("account_id", account(CLEAN_EVENTS))
            .column("first_event", minimum(CLEAN_EVENTS, "time"));
        let start = vec![
            minimum(FIRST_EVENTS, "first_event"),
            minimum(ACCOUNT_OUTCOMES, "signed_up"),
            minimum(LOG_END, LOG_END),
        ];
        let same_account = account(ACCOUNT_OUTCOMES).equal(account(FIRST_EVENTS));
        let select = Select::from_stage(ACCOUNT_OUTCOMES)
            .join_stage(JoinKind::Left, FIRST_EVENTS, same_account)
            .join_stage(JoinKind::Cross, LOG_END, Expression::boolean(true))
            .column(LOG_START, Expression::call(Function::Coalesce, start));
        vec![
            stage(FIRST_EVENTS, "The first usage event of each account.", first),
            stage(
                LOG_START,
                "The start of the log, its first usage event: no account is observed before it.",
                select,
            ),
        ]
    }
}

fn stage(name: &str, comment: &str, select: Select) -> Stage {
    Stage { name: name.to_owned(), comment: comment.to_owned(), rows: Rows::Select(select) }
}
