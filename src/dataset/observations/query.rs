//! Observations as stages of a statement.

mod training;

pub(crate) use training::{outcome_name, training_stages};

use crate::config::{CutoffScheme, ObservationConfig};
use crate::query::stages::{ACCOUNT_LIST, OBSERVATIONS, SCORING_TIME};
use crate::query::{Expression, JoinKind, Rows, Select, Stage, Type};
use crate::time::DAY;
use crate::warning::Unscored;

const OPEN_ACCOUNTS: &str = "open_accounts";

/// Returns the stages with one row per open account, as
/// [`observe_for_scoring`](super::observe_for_scoring).
pub(crate) fn scoring_stages(config: &ObservationConfig) -> [Stage; 2] {
    [open_accounts(config), observations(config)]
}

/// Returns the stage with the accounts that are open at the time of scoring, and the time at which
/// they reach the age of observation.
fn open_accounts(config: &ObservationConfig) -> Stage {
    let account = |name: &str, kind| Expression::column(ACCOUNT_LIST, name, kind);
    let now = || Expression::column(SCORING_TIME, "scored_at", Type::Integer);
    let open = |name: &str| {
        let time = account(name, Type::Integer);
        time.clone().is_null().or(time.greater_equal(now()))
    };
    let select = Select::from_stage(ACCOUNT_LIST)
        .join_stage(JoinKind::Cross, SCORING_TIME, Expression::boolean(true))
        .column("account_id", account("account_id", Type::Text))
        .column("signed_up", account("signed_up", Type::Integer))
        .column("scored_at", now());
    let (comment, select) = match config.cutoffs {
        CutoffScheme::Snapshot => ("Accounts that are open at the time of scoring.", select),
        CutoffScheme::Age => (
            "Accounts that are open at the time of scoring, and when they reach the age of observation; with dates alone, at 00:00.",
            select.column("observed_at", landmark(ACCOUNT_LIST, SCORING_TIME, config.age.0)),
        ),
    };
    let select = select
        .filter(account("signed_up", Type::Integer).less(now()))
        .filter(open("converted"))
        .filter(open("churned"));
    stage(OPEN_ACCOUNTS, comment, select)
}

/// Returns the stage with the cutoff of each open account.
fn observations(config: &ObservationConfig) -> Stage {
    let integer = |name: &str| Expression::column(OPEN_ACCOUNTS, name, Type::Integer);
    let now = || integer("scored_at");
    let span = |span: i64| Expression::integer(span);
    let reason = |reason: Unscored| Expression::text(&reason.to_string());
    let (cutoff, unscored) = match config.cutoffs {
        CutoffScheme::Snapshot => {
            let age = || now().subtract(integer("signed_up"));
            let reasons = vec![
                (age().less(span(config.min_age.0)), reason(Unscored::TooYoung)),
                (age().greater(span(config.max_age.0)), reason(Unscored::TooOld)),
            ];
            (now(), reasons)
        }
        CutoffScheme::Age => {
            let is_young = integer("observed_at").greater(now());
            let end = integer("observed_at").add(span(config.gap.0 + config.horizon.0));
            let is_over = end.less_equal(now());
            let unscored = is_young.clone().or(is_over.clone());
            let reasons = vec![
                (is_young, reason(Unscored::TooYoung)),
                (is_over, reason(Unscored::HorizonOver)),
            ];
            (Expression::case(vec![(unscored, now())], integer("observed_at")), reasons)
        }
    };
    let select = Select::from_stage(OPEN_ACCOUNTS)
        .column("account_id", Expression::column(OPEN_ACCOUNTS, "account_id", Type::Text))
        .column("cutoff", cutoff)
        .column("unscored", Expression::case(unscored, Expression::null(Type::Text)))
        .column("scored_at", now());
    let comment = "Observations: only events before the cutoff count. Some accounts are not scored, for a reason.";
    stage(OBSERVATIONS, comment, select)
}

fn stage(name: &str, comment: &str, select: Select) -> Stage {
    Stage { name: name.to_owned(), comment: comment.to_owned(), rows: Rows::Select(select) }
}

/// Returns the time at which an account of a stage reaches an age; with dates alone, rounded up to
/// 00:00.
///
/// # Arguments
/// * `precision` – stage with the column `dates_only`
fn landmark(accounts: &str, precision: &str, age: i64) -> Expression {
    let signed_up = Expression::column(accounts, "signed_up", Type::Integer);
    let dates_only = Expression::column(precision, "dates_only", Type::Boolean);
    let exact = signed_up.add(Expression::integer(age));
    let rounded = midnight(exact.clone().add(Expression::integer(DAY - 1)));
    Expression::case(vec![(dates_only, rounded)], exact)
}

/// Returns the 00:00 UTC at or before a time after 1970.
fn midnight(time: Expression) -> Expression {
    time.divide_whole(Expression::integer(DAY)).multiply(Expression::integer(DAY))
}
