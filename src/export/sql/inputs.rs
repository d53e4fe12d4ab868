//! The tables and columns that a statement reads.

use super::{SqlOptions, SqlPart, SqlTime};
use crate::config::{Config, CutoffScheme, DefinitionConfig};
use crate::dataset::features::FeatureCatalog;
use crate::dataset::features::query::{ObservationsPerAccount, feature_stages};
use crate::dataset::observations::query::{scoring_stages, training_stages};
use crate::error::{Error, Result};
use crate::log::query::{LogEnd, LogPurpose, LogQuery, LogTables, TableOptions, TimeScheme};
use crate::log::{ColumnTypes, NullMarks, ValueKind};
use crate::names::nearest;
use crate::query::Stage;

/// The tables and columns that a statement reads.
pub(super) struct Inputs<'a> {
    tables: LogTables,
    null: &'a NullMarks,
    /// Numeric properties of events.
    pub(super) values: Vec<String>,
    attributes: Vec<(String, ValueKind)>,
    end: LogEnd,
    purpose: LogPurpose,
}

impl<'a> Inputs<'a> {
    /// Resolves the tables and columns of a catalog and of definitions.
    ///
    /// # Errors
    /// Those of [`export_sql`](super::export_sql)
    pub(super) fn new(
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
            (SqlTime::EndOfLog, None) if options.part == SqlPart::Training => {
                return Err(unknown_end());
            }
            (SqlTime::EndOfLog, None) => LogEnd::LastDay,
        };
        let purpose = match (options.part, config.observation.cutoffs) {
            (SqlPart::Training, _) => {
                LogPurpose::Training { since: config.observation.since.map(|since| since.0) }
            }
            (_, CutoffScheme::Snapshot) => LogPurpose::Scoring(TimeScheme::Snapshot),
            (_, CutoffScheme::Age) => LogPurpose::Scoring(TimeScheme::Age),
        };
        Ok(Self {
            tables,
            null: &types.null,
            values,
            attributes: attributes.collect(),
            end,
            purpose,
        })
    }

    /// Returns the stages up to the features.
    pub(super) fn stages(&self, catalog: &FeatureCatalog, config: &Config) -> Vec<Stage> {
        let log = LogQuery {
            tables: &self.tables,
            roles: &config.roles,
            null: self.null,
            values: &self.values,
            attributes: &self.attributes,
            end: &self.end,
            purpose: self.purpose,
        };
        let mut stages = log.stages();
        let observations = match self.purpose {
            LogPurpose::Scoring(_) => {
                stages.extend(scoring_stages(&config.observation));
                ObservationsPerAccount::One
            }
            LogPurpose::Training { .. } => {
                stages.extend(training_stages(&config.observation));
                ObservationsPerAccount::Several
            }
        };
        stages.extend(feature_stages(catalog, &self.attributes, observations));
        stages
    }
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

/// Returns the error for training rows of a log whose end is unknown.
fn unknown_end() -> Error {
    Error::Usage {
        problem: "found no end of the log, expected the time at which the log of the training ends"
            .to_owned(),
        hint: Some("add `--at TIME`, or set `observation.until`".to_owned()),
    }
}
