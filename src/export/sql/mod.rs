//! Compiles a model to the SQL of an engine: features, scores and reasons, from the raw tables.
//!
//! Each stage of the program states its tables as a query. One emitter
//! (`emit`) writes them, with one table of the differences between engines (`dialect`).

mod dialect;
mod emit;
mod names;
mod scores;

pub use dialect::Dialect;

use crate::config::{Config, CutoffScheme, DefinitionConfig};
use crate::dataset::features::FeatureCatalog;
use crate::dataset::features::query::feature_stages;
use crate::dataset::observations::query::scoring_stages;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::query::{LogEnd, LogQuery, LogTables, TableOptions, TimeScheme};
use crate::log::{ColumnTypes, NullMarks, ValueKind};
use crate::model::Model;
use crate::model::score::query::ScoreQuery;
use crate::names::nearest;
use crate::query::stages::FEATURES;
use crate::query::{Expression, Function, Query, Rows, Select, Stage, TableName, Type};
use crate::rules::definition::query::definition_stages;
use crate::warning::{MissingInput, Warning};

/// The time of scoring in a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SqlTime {
    /// A fixed time, µs UTC.
    At(i64),
    /// A parameter of the statement.
    Parameter(String),
    /// `observation.until`, or 00:00 UTC on the day of the last usage event.
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
    let select = select_features(&stages);
    let key = |name: &str, kind| Expression::column(FEATURES, name, kind).ascending();
    let query = Query {
        comment: comment("Features", label, options),
        stages,
        select,
        order_by: vec![key("account_id", Type::Text), key("cutoff", Type::Integer)],
    };
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

/// The tables and columns that a statement reads.
struct Inputs<'a> {
    tables: LogTables,
    null: &'a NullMarks,
    values: Vec<String>,
    attributes: Vec<(String, ValueKind)>,
    end: LogEnd,
    scheme: TimeScheme,
}

impl<'a> Inputs<'a> {
    fn new(
        catalog: &FeatureCatalog,
        config: &Config,
        definitions: &[DefinitionConfig],
        types: &'a ColumnTypes,
        options: &SqlOptions,
    ) -> Result<Self> {
        let dialect = options.dialect;
        let table_options = TableOptions {
            max_line: config.input.max_line,
            zone: config.input.timezone,
            parses: &|format| dialect.time_format(format).is_some(),
            engine: dialect.name(),
        };
        check_columns(catalog, config)?;
        check_users(config)?;
        let tables = LogTables::resolve(&config.events, config.accounts.as_ref(), &table_options)?;
        if catalog.has_seats && !tables.has_seats() {
            return Err(Error::MissingSeats);
        }
        let kind = |name: &String| types.kinds.get(name).copied().unwrap_or(ValueKind::Text);
        let mut values = catalog.summed_properties.clone();
        let has_value = |name: &String| config.events.iter().any(|e| e.values.contains(name));
        for name in definitions.iter().flat_map(DefinitionConfig::summed_properties) {
            if has_value(&name) && !values.contains(&name) {
                values.push(name);
            }
        }
        let attributes = catalog.attributes.iter().map(|name| (name.clone(), kind(name)));
        let end = match (&options.time, config.observation.until) {
            (SqlTime::At(time), _) => LogEnd::At(*time),
            (SqlTime::Parameter(name), _) => LogEnd::Parameter(name.clone()),
            (SqlTime::EndOfLog, Some(until)) => LogEnd::At(until.0),
            (SqlTime::EndOfLog, None) => LogEnd::LastDay,
        };
        let scheme = match config.observation.cutoffs {
            CutoffScheme::Snapshot => TimeScheme::Snapshot,
            CutoffScheme::Age => TimeScheme::Age,
        };
        Ok(Self {
            tables,
            null: &types.null,
            values,
            attributes: attributes.collect(),
            end,
            scheme,
        })
    }

    /// Returns the stages up to the features.
    fn stages(&self, catalog: &FeatureCatalog, config: &Config) -> Vec<Stage> {
        let log = LogQuery {
            tables: &self.tables,
            roles: &config.roles,
            null: self.null,
            values: &self.values,
            attributes: &self.attributes,
            end: &self.end,
            scheme: self.scheme,
        };
        let mut stages = log.stages();
        stages.extend(scoring_stages(&config.observation));
        stages.extend(feature_stages(catalog, &self.attributes));
        stages
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

/// Checks that the events have accounts: statements do not find them by the user.
fn check_users(config: &Config) -> Result<()> {
    if config.accounts.as_ref().is_some_and(|list| list.history) {
        return Err(Error::Usage {
            problem: "`accounts.history`: found true, expected one row per account: exported SQL does not choose rows by time".to_owned(),
            hint: Some("create a view with the newest row of each account, set `table` in [accounts] to it, and remove `history`".to_owned()),
        });
    }
    let Some(users) = &config.users else { return Ok(()) };
    Err(Error::Usage {
        problem: format!(
            "[users]: found `{}`, expected events with an account column: exported SQL does not look up the accounts of users",
            users.path.display()
        ),
        hint: Some(
            "create a view of the events with the account of each event (`pql ingest` writes such a table), set `table` and `account` in [[events]] to it, and remove [users]".to_owned(),
        ),
    })
}

/// Checks that the sources have the properties and attributes of a catalog.
fn check_columns(catalog: &FeatureCatalog, config: &Config) -> Result<()> {
    let has_value =
        |name: &&String| config.events.iter().any(|source| source.values.contains(name));
    if let Some(property) = catalog.summed_properties.iter().find(|name| !has_value(name)) {
        return Err(Error::MissingProperty { property: property.clone() });
    }
    let known: &[String] = config.accounts.as_ref().map_or(&[], |source| &source.attributes);
    if let Some(attribute) = catalog.attributes.iter().find(|name| !known.contains(name)) {
        return Err(Error::MissingAttribute {
            attribute: attribute.clone(),
            suggestion: nearest(attribute, known.iter().map(String::as_str)),
        });
    }
    Ok(())
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

/// Selects the features of accounts that are scored; the cutoff is a time of the engine.
fn select_features(stages: &[Stage]) -> Select {
    let features = stages.iter().find(|stage| stage.name == FEATURES);
    let Some(Stage { rows: Rows::Select(features), .. }) = features else {
        unreachable!("the features are a selection")
    };
    let mut select = Select::from_stage(FEATURES);
    for column in &features.columns {
        let value = Expression::column(FEATURES, &column.name, column.value.kind);
        let value = match column.name.as_str() {
            "cutoff" => Expression::call(Function::FromMicros, vec![value]),
            _ => value,
        };
        select = select.column(&column.name, value);
    }
    select
}

#[cfg(test)]
mod tests;
