//! Compiles a model to the SQL of an engine: features, scores and reasons, or training rows, from
//! the raw tables.
//!
//! Each stage of the program states its tables as a query. One emitter
//! (`emit`) writes them, with one table of the differences between engines (`dialect`).

mod dialect;
mod emit;
mod inputs;
mod names;
mod scores;
mod training;

pub use dialect::Dialect;

use self::inputs::Inputs;
use crate::config::Config;
use crate::dataset::features::FeatureCatalog;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::ColumnTypes;
use crate::model::Model;
use crate::model::score::query::ScoreQuery;
use crate::names::nearest;
use crate::query::stages::FEATURES;
use crate::query::{Expression, Function, Order, Query, Rows, Select, Stage, TableName, Type};
use crate::rules::definition::query::definition_stages;
use crate::warning::{MissingInput, Warning};

/// The time of scoring in a statement, or the end of the log of a training.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SqlTime {
    /// A fixed time, µs UTC.
    At(i64),
    /// A parameter of the statement.
    Parameter(String),
    /// `observation.until`; else 00:00 UTC on the day of the last usage event for scoring, and the
    /// end of the log of the model for training.
    #[default]
    EndOfLog,
}

/// The rows that a statement returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SqlPart {
    /// The features of open accounts.
    #[default]
    Features,
    /// The columns of `pql score`.
    Scores {
        /// Whether to compute intervals.
        interval: bool,
    },
    /// The features of all accounts at all cutoffs of the training, with outcomes and split.
    Training,
}

/// What a statement does with its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SqlForm {
    /// It returns them, sorted.
    #[default]
    Query,
    /// It defines a view of this name.
    View(String),
    /// It creates a table of this name.
    Table(String),
}

/// Options of [`export_sql`].
#[derive(Debug, Clone)]
pub struct SqlOptions {
    /// The engine.
    pub dialect: Dialect,
    /// The time of scoring.
    pub time: SqlTime,
    /// The rows.
    pub part: SqlPart,
    /// What happens to them.
    pub form: SqlForm,
}

/// Compiles a model to one statement over the tables of a project file.
///
/// # Arguments
/// * `label` – label of the model, for messages and comments
/// * `file` – the project file
/// # Errors
/// * [`Error::Usage`]: features of a model that was trained on a feature matrix, a source has no
///   table, a column cannot be read by SQL, or a name is too long for the engine
/// * [`Error::MissingProperty`], [`Error::MissingSeats`], [`Error::MissingAttribute`]: the tables
///   lack a column of the model
/// * those of [`Model::project_config`]
pub fn export_sql(
    model: &Model,
    label: &str,
    file: &Config,
    options: &SqlOptions,
    sink: &mut Sink<'_>,
) -> Result<String> {
    let mut config = model.project_config(file, sink)?;
    // The tables may have UTC although the files of the training had local times.
    config.input.timezone = file.input.timezone;
    let types = model.column_types(&config);
    let (catalog, interval) = match (options.part, &model.catalog) {
        (SqlPart::Features, _) => {
            let catalog = model.usage_features(label)?;
            return export_features(catalog, label, &config, &types, options);
        }
        (SqlPart::Training, _) => {
            let catalog = model.usage_features(label)?;
            let period = model.training_period()?;
            let observation = &mut config.observation;
            observation.since = observation.since.or(period.since);
            observation.until = observation.until.or(period.until);
            return export_training(catalog, label, &config, &types, options);
        }
        (SqlPart::Scores { interval }, Some(catalog)) => (catalog, interval),
        (SqlPart::Scores { interval }, None) => {
            check_matrix_time(label, &options.time)?;
            let query = scores::score_table(model, label, file, &types, interval, sink)?;
            return write_scores(query, label, options);
        }
    };
    check_eligibility(&config)?;
    let inputs = Inputs::new(catalog, &config, &config.definition, &types, options)?;
    warn_of_unknown_properties(&config, sink);
    let definitions = match config.definition.as_slice() {
        [] => Vec::new(),
        definitions => definition_stages(definitions, &inputs.values),
    };
    let query = ScoreQuery {
        model,
        label,
        qualify_by: config.qualify.by,
        horizon: Some(config.observation.gap.0 + config.observation.horizon.0),
        with_interval: interval,
        definitions: definitions.last(),
    };
    let mut stages = inputs.stages(catalog, &config);
    stages.extend(definitions.iter().cloned());
    write_scores(scores::score_log(&query, stages)?, label, options)
}

/// Checks that a statement over a feature matrix has no time of its own.
fn check_matrix_time(label: &str, time: &SqlTime) -> Result<()> {
    if *time == SqlTime::EndOfLog {
        return Ok(());
    }
    Err(Error::Usage {
        problem: format!(
            "`--at`: model `{label}` was trained on a feature matrix, whose rows have cutoffs of their own"
        ),
        hint: Some("select the rows in a view, and name it in `matrix.table`".to_owned()),
    })
}

/// Writes a query of scores in its form.
fn write_scores(query: Query, label: &str, options: &SqlOptions) -> Result<String> {
    write_statement(Query { comment: comment("Scores", label, options), ..query }, options)
}

/// Compiles the features of a catalog, with the columns of [`compute`] and the account and cutoff
/// before them.
///
/// [`compute`]: crate::dataset::features::compute
///
/// # Arguments
/// * `label` – label of the model, for comments
/// * `types` – how columns are read; attributes without a kind are texts
/// # Errors
/// Those of [`export_sql`]
pub fn export_features(
    catalog: &FeatureCatalog,
    label: &str,
    config: &Config,
    types: &ColumnTypes,
    options: &SqlOptions,
) -> Result<String> {
    let inputs = Inputs::new(catalog, config, &[], types, options)?;
    let stages = inputs.stages(catalog, config);
    let select = feature_columns(&stages)
        .fold(Select::from_stage(FEATURES), |select, (name, value)| select.column(name, value));
    let comment = comment("Features", label, options);
    write_statement(Query { comment, stages, select, order_by: by_account() }, options)
}

/// Compiles the rows of a training with the columns of `pql features`: account, cutoff, outcome,
/// split and the features of a catalog.
///
/// # Arguments
/// As for [`export_features`]; the log ends at `options.time` or `observation.until`
/// # Errors
/// * [`Error::Usage`]: neither of them is set
/// * those of [`export_sql`]
pub fn export_training(
    catalog: &FeatureCatalog,
    label: &str,
    config: &Config,
    types: &ColumnTypes,
    options: &SqlOptions,
) -> Result<String> {
    let inputs = Inputs::new(catalog, config, &[], types, options)?;
    let stages = inputs.stages(catalog, config);
    let query = training::training_rows(stages, config);
    let query = Query { comment: comment("Training rows", label, options), ..query };
    write_statement(query, options)
}

/// Writes a query in its form.
fn write_statement(mut query: Query, options: &SqlOptions) -> Result<String> {
    if options.form != SqlForm::Query {
        query.order_by.clear();
    }
    names::check(&query, options.dialect)?;
    let statement = emit::write_query(&query, options.dialect);
    Ok(options.form.create(options.dialect)? + &statement)
}

impl SqlForm {
    /// Returns the text before the query.
    fn create(&self, dialect: Dialect) -> Result<String> {
        let name = |name: &str| match TableName::parse(name) {
            Ok(TableName(parts)) => {
                Ok(parts.iter().map(|part| dialect.name_of(part)).collect::<Vec<_>>().join("."))
            }
            Err(problem) => {
                Err(Error::Usage { problem: format!("name `{name}`: {problem}"), hint: None })
            }
        };
        Ok(match self {
            Self::Query => String::new(),
            Self::View(view) => format!("CREATE OR REPLACE VIEW {} AS\n", name(view)?),
            Self::Table(table) => format!("CREATE TABLE {} AS\n", name(table)?),
        })
    }
}

/// Checks that all accounts may qualify: statements do not look up deals and contacts.
fn check_eligibility(config: &Config) -> Result<()> {
    if config.eligibility.is_none() {
        return Ok(());
    }
    Err(Error::Usage {
        problem: "[eligibility]: exported SQL does not compute which accounts are eligible".to_owned(),
        hint: Some(
            "remove [eligibility] and filter the scores in a view with your tables of deals and contacts, or run `pql score`".to_owned(),
        ),
    })
}

/// Warns of properties in definitions that no source has: their conditions are never met.
fn warn_of_unknown_properties(config: &Config, sink: &mut Sink<'_>) {
    let known = || config.events.iter().flat_map(|source| &source.values);
    for definition in &config.definition {
        for property in definition.summed_properties() {
            if known().any(|name| *name == property) {
                continue;
            }
            let suggestion = nearest(&property, known().map(String::as_str));
            sink.notify(Warning::UnknownInDefinition {
                definition: definition.name.clone(),
                missing: MissingInput::Property { property, suggestion },
            });
        }
    }
}

/// Returns the lines at the top of a statement.
fn comment(part: &str, label: &str, options: &SqlOptions) -> Vec<String> {
    let engine = options.dialect.name();
    vec![format!("{part} of the model {label}, for {engine}; written by pql export sql.")]
}

/// Returns the columns of the stage with the features: account, cutoff and features; the cutoff is a
/// time of the engine.
fn feature_columns(stages: &[Stage]) -> impl Iterator<Item = (&str, Expression)> {
    let features = stages.iter().find(|stage| stage.name == FEATURES);
    let Some(Stage { rows: Rows::Select(features), .. }) = features else {
        unreachable!("the features are a selection")
    };
    features.columns.iter().map(|column| {
        let value = Expression::column(FEATURES, &column.name, column.value.kind);
        let value = match column.name.as_str() {
            "cutoff" => Expression::call(Function::FromMicros, vec![value]),
            _ => value,
        };
        (column.name.as_str(), value)
    })
}

/// Returns the order of rows: by account, then cutoff.
fn by_account() -> Vec<Order> {
    let key = |name: &str, kind| Expression::column(FEATURES, name, kind).ascending();
    vec![key("account_id", Type::Text), key("cutoff", Type::Integer)]
}

#[cfg(test)]
mod tests;
