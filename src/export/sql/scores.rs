//! Scores of a table of features.

use super::dialect::Dialect;
use super::emit::write_query;
use crate::error::Result;
use crate::model::Model;
use crate::model::score::query::{FeatureTable, ScoreQuery, are_finite, feature_stage};
use crate::query::stages::FEATURES;
use crate::query::{Query, Select};

/// Writes the statement that scores a table of features.
///
/// # Errors
/// * [`Error::DamagedModel`](crate::Error::DamagedModel): the stored configuration cannot be read
pub fn score_table(
    (model, label): (&Model, &str),
    table: &str,
    with_interval: bool,
    dialect: Dialect,
) -> Result<String> {
    let table = FeatureTable {
        name: crate::query::TableName(vec![table.to_owned()]),
        account: "account_id".to_owned(),
        cutoff: Some("cutoff".to_owned()),
    };
    let features = feature_stage(&model.preprocessor, &table);
    let query = ScoreQuery {
        model,
        label,
        qualify_by: model.config()?.qualify.by,
        horizon: None,
        with_interval,
        definitions: None,
    };
    let is_scored = are_finite(&model.preprocessor);
    let rows = query.rows(Select::from_stage(FEATURES).filter(is_scored))?;
    let query = Query {
        comment: vec![format!("Scores of the model {label}.")],
        stages: std::iter::once(features).chain(rows.stages).collect(),
        select: rows.select,
        order_by: rows.order_by,
    };
    Ok(write_query(&query, dialect))
}
