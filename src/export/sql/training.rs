//! The rows of a training: account, cutoff, outcome, split and features.

use super::{by_account, feature_columns};
use crate::config::Config;
use crate::dataset::observations::query::outcome_name;
use crate::dataset::split::SplitOptions;
use crate::dataset::split::query::SplitQuery;
use crate::query::stages::{FEATURES, OBSERVATIONS};
use crate::query::{Expression, JoinKind, Query, Select, Stage, Type};

/// Number of the columns before the features: account and cutoff.
const KEYS: usize = 2;

/// Adds outcomes and split to the stages up to the features of all observations.
pub(super) fn training_rows(stages: Vec<Stage>, config: &Config) -> Query {
    let split = SplitQuery {
        options: SplitOptions::from(&config.model),
        span: config.observation.gap.0 + config.observation.horizon.0,
    };
    let key = |stage: &str, name, kind| Expression::column(stage, name, kind);
    let same = |name, kind| key(FEATURES, name, kind).equal(key(OBSERVATIONS, name, kind));
    let is_same_row = same("account_id", Type::Text).and(same("cutoff", Type::Integer));
    let select =
        Select::from_stage(FEATURES).join_stage(JoinKind::Inner, OBSERVATIONS, is_same_row);
    let columns: Vec<(&str, Expression)> = feature_columns(&stages).collect();
    let (keys, features) = columns.split_at(KEYS);
    let labels = [
        ("outcome", outcome_name()),
        ("converted", key(OBSERVATIONS, "converted", Type::Integer)),
        ("split", split.split()),
    ];
    let columns = keys.iter().chain(&labels).chain(features);
    let select = columns
        .fold(split.join(select), |select, (name, value)| select.column(name, value.clone()));
    Query {
        comment: Vec::new(),
        stages: stages.into_iter().chain(split.stages()).collect(),
        select,
        order_by: by_account(),
    }
}
