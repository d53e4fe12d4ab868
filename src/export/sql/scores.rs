//! Scores of a table of features.

use crate::config::{Config, MatrixConfig};
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::ColumnTypes;
use crate::model::Model;
use crate::model::score::query::{FeatureTable, ScoreQuery, are_finite, feature_stage};
use crate::operations::scoring::check_definitions;
use crate::query::stages::{FEATURES, OBSERVATIONS};
use crate::query::{Expression, JoinKind, Query, Select, Stage, TableName, Type};

/// Scores the table of features that `[matrix]` names.
///
/// # Errors
/// * [`Error::Usage`]: `[matrix]` has no table, accounts qualify by definitions, or the times are
///   not UTC
/// * [`Error::DamagedModel`]: the stored configuration cannot be read
pub(super) fn score_table(
    model: &Model,
    label: &str,
    file: &Config,
    types: &ColumnTypes,
    with_interval: bool,
    sink: &mut Sink<'_>,
) -> Result<Query> {
    let stored = model.config()?;
    check_definitions(if file.definition.is_empty() { &stored } else { file }, sink)?;
    let matrix = model.matrix_config(file.matrix.clone())?;
    let table = FeatureTable {
        name: matrix_table(&matrix, label)?,
        account: matrix.account.unwrap_or_else(|| "account_id".to_owned()),
        cutoff: matrix.cutoff.or_else(|| {
            // The default column is optional: only some matrices have cutoffs.
            model.last_training_cutoff().map(|_| "cutoff".to_owned())
        }),
    };
    check_zone(table.cutoff.as_deref(), file)?;
    let features = feature_stage(&model.preprocessor, &table, &types.null);
    let query = ScoreQuery {
        model,
        label,
        qualify_by: stored.qualify.by,
        horizon: None,
        with_interval,
        definitions: None,
    };
    let is_scored = are_finite(&model.preprocessor);
    let rows = query.rows(Select::from_stage(FEATURES).filter(is_scored))?;
    Ok(Query {
        comment: Vec::new(),
        stages: std::iter::once(features).chain(rows.stages).collect(),
        select: rows.select,
        order_by: rows.order_by,
    })
}

/// Returns the table of a feature matrix.
fn matrix_table(matrix: &MatrixConfig, label: &str) -> Result<TableName> {
    let Some(table) = &matrix.table else {
        return Err(Error::Usage {
            problem: format!(
                "model `{label}` was trained on a feature matrix: found no table of features, expected a table of the database"
            ),
            hint: Some("set `table` in `[matrix]`, or add `--set matrix.table=NAME`".to_owned()),
        });
    };
    TableName::parse(table).map_err(|problem| Error::Usage {
        problem: format!("`table` in `[matrix]`: {problem}"),
        hint: None,
    })
}

/// Checks that cutoffs without an offset are in UTC.
fn check_zone(cutoff: Option<&str>, file: &Config) -> Result<()> {
    let zone = file.input.timezone;
    match cutoff {
        Some(column) if !zone.is_utc() => Err(Error::Usage {
            problem: format!(
                "column `{column}` (`matrix.cutoff`): found times of the zone {zone}, expected UTC in SQL"
            ),
            hint: Some(format!(
                "create a view whose column `{column}` is in UTC, name it in `matrix.table`, and export with `--set input.timezone=UTC`"
            )),
        }),
        _ => Ok(()),
    }
}

/// Adds scores to the stages up to the features of open accounts; accounts that are not scored are
/// left out.
///
/// # Errors
/// * [`Error::DamagedModel`](crate::Error::DamagedModel): the stored configuration cannot be read
pub(super) fn score_log(query: &ScoreQuery<'_>, stages: Vec<Stage>) -> Result<Query> {
    let key = |stage: &str, name, kind| Expression::column(stage, name, kind);
    let same = |name, kind| key(FEATURES, name, kind).equal(key(OBSERVATIONS, name, kind));
    let is_same_row = same("account_id", Type::Text).and(same("cutoff", Type::Integer));
    let features = Select::from_stage(FEATURES)
        .join_stage(JoinKind::Inner, OBSERVATIONS, is_same_row)
        .filter(key(OBSERVATIONS, "unscored", Type::Text).is_null())
        .filter(are_finite(&query.model.preprocessor));
    let rows = query.rows(features)?;
    Ok(Query {
        comment: Vec::new(),
        stages: stages.into_iter().chain(rows.stages).collect(),
        select: rows.select,
        order_by: rows.order_by,
    })
}
