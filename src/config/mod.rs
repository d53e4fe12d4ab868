//! The project file `pql.toml`: keys, defaults, validation and JSON Schema.

mod check;
mod connection;
mod connections;
mod definition;
mod domains;
mod eligibility;
mod forms;
mod max_line;
mod problem;
mod read;
pub mod schema;
mod sections;
mod sources;
#[cfg(test)]
mod tests;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

pub use connection::{ConnectionConfig, ConnectionValue};
pub(crate) use connection::{is_file_driver, is_secret_name, parameters};
pub(crate) use connections::split_address;
pub use definition::{Condition, DefinitionConfig, DefinitionKind};
pub(crate) use domains::is_domain;
pub use eligibility::EligibilityConfig;
pub use max_line::MaxLine;
use problem::InvalidSetting;
use read::{apply_set, check_types, flag, from_toml, line_of, resolve_paths};
use schemars::JsonSchema;
pub use sections::{
    AlertsConfig, Alpha, AlphaSelection, CalibrationKind, ContactValue, CutoffScheme, DesignConfig,
    FeatureConfig, InputConfig, Log1p, MatrixConfig, ModelConfig, ObservationConfig, PenaltyKind,
    QualifyBy, QualifyConfig, Roles, SolverKind, SplitScheme, ThresholdRule, Winsorize,
};
use serde::{Deserialize, Serialize};
pub use sources::{AccountSource, EventSource, TableFormat, VisitorSource};
use toml::Table;
pub use users::{PersonalAddresses, UserSource};

use crate::error::{Error, Result};
use crate::time::{Timestamp, parse_written};

/// Default name of the project file.
pub(crate) const DEFAULT_FILE: &str = "pql.toml";

/// Maximum size of a project file in bytes: its values take 40 times the memory of their text.
const MAX_SIZE: u64 = 1 << 20;

/// A project file with its defaults filled in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sources of events. Several sources form one log.
    pub events: Vec<EventSource>,
    /// The account list. Without it, an account signs up with its first event.
    pub accounts: Option<AccountSource>,
    /// Users and the accounts that they belong to. An event without an account belongs to the
    /// account of its user at the time of the event.
    pub users: Option<UserSource>,
    /// Website visitors by day, for `pql funnel`.
    pub visitors: Option<VisitorSource>,
    /// Databases by name. Sources name one in `connection`. A path such as `warehouse:crm.deals` is
    /// a table of the database `warehouse`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<String, ConnectionConfig>,
    /// How values in files are read.
    pub input: InputConfig,
    /// Event types by their meaning.
    pub roles: Roles,
    /// Cutoffs, horizon and the period covered by the log.
    pub observation: ObservationConfig,
    /// Windows and event counts.
    pub features: FeatureConfig,
    /// Columns of a feature matrix (`--features`).
    pub matrix: MatrixConfig,
    /// Encoding of features as columns of the design matrix.
    pub design: DesignConfig,
    /// Penalty, solver, calibration and test set.
    pub model: ModelConfig,
    /// Which accounts qualify. Set at most one of `share`, `threshold`, `capacity`, `precision`
    /// and `value`.
    pub qualify: QualifyConfig,
    /// Which accounts sales may contact. The others are scored, but never qualify and give no
    /// alert; their scores have the reason.
    pub eligibility: Option<EligibilityConfig>,
    /// Alerts about accounts, for `pql alerts`.
    pub alerts: AlertsConfig,
    /// PQL definitions: rules on usage. Set exactly one of `all` and `any`.
    pub definition: Vec<DefinitionConfig>,
}

impl Config {
    /// Reads the project file, applies the `--set KEY=VALUE` options and validates the result.
    ///
    /// # Arguments
    /// * `path` – the project file; `None`: `./pql.toml` if it exists, else the defaults
    /// * `sets` – `section.key=value`; the value is TOML or plain text
    /// # Errors
    /// * [`Error::Config`]: the file is unreadable, has an unknown key or an invalid value
    pub fn load(path: Option<&Path>, sets: &[String]) -> Result<Self> {
        let default = Path::new(DEFAULT_FILE);
        let path = path.or_else(|| default.exists().then_some(default));
        let text = match path {
            Some(path) => read_text(path).map_err(|e| unreadable(path, &e))?,
            None => String::new(),
        };
        let path = path.unwrap_or(Path::new("--set"));
        Self::parse(&text, path, sets)
    }

    /// Parses the text of a project file.
    ///
    /// # Arguments
    /// * `text` – TOML
    /// * `path` – the project file: named in errors; its folder is the base of relative paths
    /// * `sets` – as in [`Config::load`]
    ///
    /// # Errors
    /// * [`Error::Config`]: an unknown key or an invalid value
    pub fn parse(text: &str, path: &Path, sets: &[String]) -> Result<Self> {
        let mut table: Table = text.parse().map_err(|e| from_toml(&e, text, path))?;
        check_types(&table).map_err(|problem| invalid(problem, text, path))?;
        toml::from_str::<Self>(text).map_err(|e| from_toml(&e, text, path))?;
        resolve_paths(&mut table, path.parent().unwrap_or(Path::new("")));
        let mut config: Self = table.clone().try_into().map_err(|e| from_toml(&e, text, path))?;
        config.localize(&table);
        // A problem belongs to the file unless a `--set` introduced it.
        let mut problem = config.validate().err().map(|p| (p, None));
        for set in sets {
            apply_set(&mut table, set)?;
            // Paths of the command line start at the working directory.
            resolve_paths(&mut table, Path::new(""));
            check_types(&table).map_err(|problem| invalid(problem, "", &flag(set)))?;
            config = table.clone().try_into().map_err(|e| from_toml(&e, "", &flag(set)))?;
            config.localize(&table);
            problem = config.validate().err().map(|p| {
                problem.filter(|(old, _)| old.message == p.message).unwrap_or((p, Some(set)))
            });
        }
        let Some((problem, set)) = problem else {
            config.set_addresses();
            return Ok(config);
        };
        Err(match set {
            Some(set) => invalid(problem, "", &flag(set)),
            None => invalid(problem, text, path),
        })
    }

    /// Reads the times of the project file that have no offset in the time zone of the input.
    fn localize(&mut self, table: &Table) {
        let zone = self.input.timezone;
        let written = |key: &str| match table.get("observation")?.get(key)? {
            toml::Value::String(text) => parse_written(text),
            time => parse_written(&time.to_string()),
        };
        let local = |key: &str| written(key).map(|time| Timestamp(time.in_zone(zone)));
        (self.observation.since, self.observation.until) = (local("since"), local("until"));
    }

    /// Returns the TOML that a model stores: all sections except the data sources.
    ///
    /// # Panics
    /// Never: every value of a configuration has a TOML form.
    #[must_use]
    pub fn stored(&self) -> String {
        let config = Self {
            events: Vec::new(),
            accounts: None,
            users: None,
            visitors: None,
            connections: BTreeMap::new(),
            eligibility: None,
            matrix: self.matrix.without_source(),
            // Alerts do not change a model.
            alerts: AlertsConfig::default(),
            ..self.clone()
        };
        toml::to_string(&config).expect("every value of a configuration has a TOML form")
    }

    /// Parses the TOML written by [`Config::stored`].
    ///
    /// # Errors
    /// * [`Error::DamagedModel`]: the text is not a valid configuration
    pub fn from_stored(text: &str, model: &Path) -> Result<Self> {
        let damaged = |problem: &str| Error::DamagedModel {
            path: model.to_owned(),
            problem: format!("invalid configuration: {problem}"),
            source: None,
        };
        let config: Self = toml::from_str(text).map_err(|e| damaged(e.message()))?;
        config.validate().map_err(|problem| damaged(&problem.message))?;
        Ok(config)
    }

    /// Returns the keys of roles, features and observation that differ from those of `other`,
    /// except the period of the log.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<ConfigDifference> {
        let tables = |config: &Self| {
            let mut observation = config.observation.clone();
            (observation.since, observation.until) = (None, None);
            [
                ("input", config.input.compared()),
                ("roles", Table::try_from(&config.roles).unwrap_or_default()),
                ("features", Table::try_from(&config.features).unwrap_or_default()),
                ("observation", Table::try_from(&observation).unwrap_or_default()),
            ]
        };
        compare_tables(&tables(self), &tables(other))
    }

    /// Returns the keys that differ between the stored configurations of two models.
    #[must_use]
    pub fn all_differences(&self, other: &Self) -> Vec<ConfigDifference> {
        let tables = |config: &Self| {
            [
                ("input", config.input.compared()),
                ("roles", Table::try_from(&config.roles).unwrap_or_default()),
                ("features", Table::try_from(&config.features).unwrap_or_default()),
                ("observation", Table::try_from(&config.observation).unwrap_or_default()),
                ("design", Table::try_from(&config.design).unwrap_or_default()),
                ("model", Table::try_from(&config.model).unwrap_or_default()),
            ]
        };
        compare_tables(&tables(self), &tables(other))
    }
}

/// Returns the keys that differ between the same sections of two configurations.
fn compare_tables(mine: &[(&str, Table)], theirs: &[(&str, Table)]) -> Vec<ConfigDifference> {
    let mut differences = Vec::new();
    for ((section, mine), (_, theirs)) in mine.iter().zip(theirs) {
        let keys: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
        let value = |table: &Table, key: &String| {
            table.get(key).map_or_else(|| "not set".to_owned(), ToString::to_string)
        };
        for key in keys.into_iter().filter(|key| mine.get(*key) != theirs.get(*key)) {
            differences.push(ConfigDifference {
                key: format!("{section}.{key}"),
                value: value(mine, key),
                other: value(theirs, key),
            });
        }
    }
    differences
}

/// A key with different values in two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDifference {
    /// The key, such as `features.event_types`.
    pub key: String,
    /// Its value in the first, as TOML.
    pub value: String,
    /// Its value in the other, as TOML.
    pub other: String,
}

/// Returns the project file and the line of a definition in it, for messages.
///
/// # Arguments
/// * `path` – as for [`Config::load`]
/// * `index` – index of the definition, from 0
#[must_use]
pub fn definition_line(path: Option<&Path>, index: usize) -> (PathBuf, Option<usize>) {
    let path = path.unwrap_or(Path::new(DEFAULT_FILE));
    let line = read_text(path).ok().and_then(|text| line_of(&text, "definition", index));
    (path.to_owned(), line)
}

/// Reads the text of a project file.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_SIZE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SIZE {
        let problem = "found more than 1 MiB, expected less";
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(text)
}

/// Returns the error for an invalid setting of a project file or, with an empty text, of a `--set`.
fn invalid(problem: InvalidSetting, text: &str, path: &Path) -> Error {
    let line = line_of(text, &problem.key, problem.section_index);
    Error::Config { path: path.to_owned(), line, problem: problem.message, hint: None }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let hint = (error.kind() == std::io::ErrorKind::NotFound)
        .then(|| "create a project file with `pql init --events FILE`".to_owned());
    Error::Config {
        path: path.to_owned(),
        line: None,
        problem: format!("cannot read the project file: {error}"),
        hint,
    }
}
