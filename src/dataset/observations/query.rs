//! Observations as a stage of a statement.

use crate::config::{CutoffScheme, ObservationConfig};
use crate::query::stages::{ACCOUNT_LIST, OBSERVATIONS, SCORING_TIME};
use crate::query::{Expression, JoinKind, Rows, Select, Stage, Type};
use crate::time::DAY;
use crate::warning::Unscored;

/// Returns the stage with one row per open account, as
/// [`observe_for_scoring`](super::observe_for_scoring).
pub(crate) fn scoring_stage(config: &ObservationConfig) -> Stage {
    let account = |name: &str, kind| Expression::column(ACCOUNT_LIST, name, kind);
    let signed_up = || account("signed_up", Type::Integer);
    let now = || Expression::column(SCORING_TIME, "scored_at", Type::Integer);
    let span = |span: i64| Expression::integer(span);
    let reason = |reason: Unscored| Expression::text(&reason.to_string());
    let open = |name: &str| {
        let time = account(name, Type::Integer);
        time.clone().is_null().or(time.greater_equal(now()))
    };
    let (cutoff, unscored) = match config.cutoffs {
        CutoffScheme::Snapshot => {
            let age = || now().subtract(signed_up());
            let reasons = vec![
                (age().less(span(config.min_age.0)), reason(Unscored::TooYoung)),
                (age().greater(span(config.max_age.0)), reason(Unscored::TooOld)),
            ];
            (now(), reasons)
        }
        CutoffScheme::Age => {
            let is_young = landmark(config.age.0).greater(now());
            let end = landmark(config.age.0).add(span(config.gap.0 + config.horizon.0));
            let is_over = end.less_equal(now());
            let unscored = is_young.clone().or(is_over.clone());
            let cutoff = Expression::case(vec![(unscored, now())], landmark(config.age.0));
            let reasons = vec![
                (is_young, reason(Unscored::TooYoung)),
                (is_over, reason(Unscored::HorizonOver)),
            ];
            (cutoff, reasons)
        }
    };
    let select = Select::from_stage(ACCOUNT_LIST)
        .join_stage(JoinKind::Cross, SCORING_TIME, Expression::boolean(true))
        .column("account_id", account("account_id", Type::Text))
        .column("cutoff", cutoff)
        .column("unscored", Expression::case(unscored, Expression::null(Type::Text)))
        .column("scored_at", now())
        .filter(signed_up().less(now()))
        .filter(open("converted"))
        .filter(open("churned"));
    Stage {
        name: OBSERVATIONS.to_owned(),
        comment: "Accounts that were open at the time of scoring, and the cutoff before which their events count.".to_owned(),
        rows: Rows::Select(select),
    }
}

/// Returns the time at which an account reaches an age; with dates alone, rounded up to 00:00.
pub(crate) fn landmark(age: i64) -> Expression {
    let signed_up = Expression::column(ACCOUNT_LIST, "signed_up", Type::Integer);
    let dates_only = Expression::column(SCORING_TIME, "dates_only", Type::Boolean);
    let exact = signed_up.add(Expression::integer(age));
    let days =
        exact.clone().add(Expression::integer(DAY - 1)).divide_whole(Expression::integer(DAY));
    let rounded = days.multiply(Expression::integer(DAY));
    Expression::case(vec![(dates_only, rounded)], exact)
}
