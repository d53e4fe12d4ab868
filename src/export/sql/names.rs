//! The names of columns in a statement: short enough, and different in every engine.

use std::collections::{BTreeMap, BTreeSet};

use super::dialect::Dialect;
use crate::error::{Error, Result};
use crate::query::{Query, Rows, Select, Source, Stage, TableName};

/// Checks that the engine accepts the names of all columns.
///
/// # Errors
/// * [`Error::Usage`]: a name is too long
pub(super) fn check(query: &Query, dialect: Dialect) -> Result<()> {
    let limit = dialect.longest_name();
    let columns = query.stages.iter().flat_map(columns).chain(outputs(&query.select));
    let Some(name) = columns.into_iter().find(|name| name.len() > limit) else { return Ok(()) };
    Err(Error::Usage {
        problem: format!(
            "column `{name}`: found a name of {} bytes, expected at most {limit} in {}",
            name.len(),
            dialect.name()
        ),
        hint: Some(
            "rename the event or property in a view, and train a model on it; or limit `design.include` and `features.event_types`".to_owned(),
        ),
    })
}

/// Returns new names for columns that the engine could confuse because their names differ only in
/// upper and lower case; the first one keeps its name.
pub(super) fn distinct(query: &Query, dialect: Dialect) -> BTreeMap<String, String> {
    let mut renamed = BTreeMap::new();
    if dialect.distinguishes_case() {
        return renamed;
    }
    let (mut known, mut taken) = (BTreeSet::new(), BTreeSet::new());
    let columns = query.stages.iter().flat_map(columns).chain(outputs(&query.select));
    for name in columns.filter(|name| known.insert(*name)) {
        let lower = name.to_lowercase();
        let mut candidates = (2..).map(|number| format!("{name} ({number})"));
        if !taken.insert(lower) {
            let new = candidates.find(|new| taken.insert(new.to_lowercase()));
            renamed.extend(new.map(|new| (name.to_owned(), new)));
        }
    }
    renamed
}

/// Returns new names for stages that have the name of a table.
pub(super) fn apart_from_tables(query: &Query) -> BTreeMap<String, String> {
    let selects = query.stages.iter().flat_map(|stage| match &stage.rows {
        Rows::Select(select) => std::slice::from_ref(select),
        Rows::Union(selects) => selects,
        Rows::Values { .. } => &[],
    });
    let sources = selects.chain([&query.select]).flat_map(|select| {
        [&select.from].into_iter().chain(select.joins.iter().map(|j| &j.source))
    });
    let mut taken: BTreeSet<String> = sources
        .filter_map(|source| match source {
            Source::Table(TableName(parts)) if parts.len() == 1 => Some(parts[0].to_lowercase()),
            _ => None,
        })
        .collect();
    let is_table = |name: &String| taken.contains(&name.to_lowercase());
    let stages = query.stages.iter().map(|stage| stage.name.clone());
    let (tables, stages): (Vec<String>, Vec<String>) = stages.partition(is_table);
    taken.extend(stages);
    let renamed = tables.into_iter().map(|stage| {
        let mut candidates = (2..).map(|number| format!("{stage}_{number}"));
        let new = candidates.find(|new| taken.insert(new.to_lowercase()));
        (stage, new.expect("there is a free number"))
    });
    renamed.collect()
}

/// Returns the names of the columns of a stage.
fn columns(stage: &Stage) -> Vec<&str> {
    match &stage.rows {
        Rows::Select(select) => outputs(select),
        Rows::Union(selects) => selects.first().map(outputs).unwrap_or_default(),
        Rows::Values { columns, .. } => columns.iter().map(|(name, _)| name.as_str()).collect(),
    }
}

fn outputs(select: &Select) -> Vec<&str> {
    select.columns.iter().map(|column| column.name.as_str()).collect()
}
