//! `pql.toml`: its keys, their defaults, and the checks that hold for every later stage.

mod check;
mod definition;
mod forms;
mod mistake;
mod read;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use definition::{Condition, DefinitionKind, DefinitionRule};
use mistake::Mistake;
use read::{apply_set, flag, from_toml, line_of, resolve_paths};
pub use sections::{
    AccountSource, Alpha, At, CalibrationKind, Cut, DesignRule, EventSource, FeatureRule, Log1p,
    MatrixRule, ModelRule, ObservationRule, PathRule, PenaltyKind, Qualify, QualifyBy, Roles,
    SolverKind, VisitorSource, Winsorize, Worth,
};
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::error::{Error, Result};

/// The project file that is read where none is named.
const DEFAULT: &str = "pql.toml";

/// Everything a project file says, with defaults filled in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sources of events, read as one log.
    pub events: Vec<EventSource>,
    /// The account list; without it an account begins at its first event.
    pub accounts: Option<AccountSource>,
    /// Visitors by day.
    pub visitors: Option<VisitorSource>,
    /// What event names mean.
    pub roles: Roles,
    /// Cutoffs, horizon and the span of the log.
    pub observation: ObservationRule,
    /// Windows and counted events.
    pub features: FeatureRule,
    /// Columns of a feature matrix made elsewhere.
    pub matrix: MatrixRule,
    /// From features to design columns.
    pub design: DesignRule,
    /// Penalty, solver, evaluation.
    pub model: ModelRule,
    /// Which accounts count as qualified.
    pub qualify: Qualify,
    /// PQL definitions.
    pub definition: Vec<DefinitionRule>,
}

impl Config {
    /// Read the project file and the `--set KEY=VALUE` of the command line over it, and check both.
    ///
    /// # Arguments
    /// * `path` – the project file; `None`: `./pql.toml` where it is there, else the defaults
    /// * `sets` – `section.key=value`, the value in TOML or bare text
    /// # Errors
    /// * [`Error::Config`]: the file cannot be read, an unknown key, a value of the wrong kind, or
    ///   values that do not go together
    pub fn load(path: Option<&Path>, sets: &[String]) -> Result<Self> {
        let default = Path::new(DEFAULT);
        let path = path.or_else(|| default.exists().then_some(default));
        let text = match path {
            Some(path) => std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?,
            None => String::new(),
        };
        let path = path.unwrap_or(Path::new("--set"));
        Self::parse(&text, path, sets)
    }

    /// Read the text of a project file; `path` serves messages and is the base of relative paths in
    /// it.
    ///
    /// # Errors
    /// * [`Error::Config`]: an unknown key, a value of the wrong kind, or values that do not go
    ///   together
    pub fn parse(text: &str, path: &Path, sets: &[String]) -> Result<Self> {
        toml::from_str::<Self>(text).map_err(|e| from_toml(&e, text, path))?;
        let mut table: Table = text.parse().map_err(|e| from_toml(&e, text, path))?;
        resolve_paths(&mut table, path.parent().unwrap_or(Path::new("")));
        let mut config: Self = table.clone().try_into().map_err(|e| from_toml(&e, text, path))?;
        // A mistake is the file's, unless it came with a set.
        let mut mistake = config.validate().err().map(|m| (m, None));
        for set in sets {
            apply_set(&mut table, set)?;
            config = table.clone().try_into().map_err(|e| from_toml(&e, "", &flag(set)))?;
            mistake = config.validate().err().map(|m| {
                mistake.filter(|(old, _)| old.problem == m.problem).unwrap_or((m, Some(set)))
            });
        }
        match mistake {
            None => Ok(config),
            Some((Mistake { problem, .. }, Some(set))) => {
                Err(Error::Config { path: flag(set), line: None, problem, hint: None })
            }
            Some((mistake, None)) => {
                let line = line_of(text, mistake.key, mistake.source);
                Err(Error::Config {
                    path: path.to_owned(),
                    line,
                    problem: mistake.problem,
                    hint: None,
                })
            }
        }
    }

    /// The part that a model stores: everything but where the data lies.
    ///
    /// # Panics
    /// Never: every value of a configuration has a TOML form.
    #[must_use]
    pub fn stored(&self) -> String {
        let config = Self { events: Vec::new(), accounts: None, visitors: None, ..self.clone() };
        toml::to_string(&config).expect("every value of a configuration has a TOML form")
    }

    /// Read back what [`Config::stored`] wrote.
    ///
    /// # Errors
    /// * [`Error::DamagedModel`]: the text is not a configuration
    pub fn from_stored(text: &str, model: &Path) -> Result<Self> {
        let damaged = |problem: &str| Error::DamagedModel {
            path: model.to_owned(),
            problem: format!("its configuration: {problem}"),
            source: None,
        };
        let config: Self = toml::from_str(text).map_err(|e| damaged(e.message()))?;
        config.validate().map_err(|mistake| damaged(&mistake.problem))?;
        Ok(config)
    }

    /// The keys of roles, features and observation that differ from those of `other`, but the span
    /// of the log.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<DifferentKey> {
        let tables = |config: &Self| {
            let mut observation = config.observation.clone();
            (observation.since, observation.until) = (None, None);
            [
                ("roles", Table::try_from(&config.roles).unwrap_or_default()),
                ("features", Table::try_from(&config.features).unwrap_or_default()),
                ("observation", Table::try_from(&observation).unwrap_or_default()),
            ]
        };
        different(&tables(self), &tables(other))
    }

    /// Keys by which two models were set up differently, which stand in what each stores.
    #[must_use]
    pub fn all_differences(&self, other: &Self) -> Vec<DifferentKey> {
        let tables = |config: &Self| {
            [
                ("roles", Table::try_from(&config.roles).unwrap_or_default()),
                ("features", Table::try_from(&config.features).unwrap_or_default()),
                ("observation", Table::try_from(&config.observation).unwrap_or_default()),
                ("design", Table::try_from(&config.design).unwrap_or_default()),
                ("model", Table::try_from(&config.model).unwrap_or_default()),
            ]
        };
        different(&tables(self), &tables(other))
    }
}

/// The keys of some sections that are not the same in both.
fn different(mine: &[(&str, Table)], theirs: &[(&str, Table)]) -> Vec<DifferentKey> {
    let mut different = Vec::new();
    for ((section, mine), (_, theirs)) in mine.iter().zip(theirs) {
        let keys: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
        let value = |of: &Table, key: &String| {
            of.get(key).map_or_else(|| "none".to_owned(), ToString::to_string)
        };
        for key in keys.into_iter().filter(|key| mine.get(*key) != theirs.get(*key)) {
            different.push(DifferentKey {
                key: format!("{section}.{key}"),
                value: value(mine, key),
                other: value(theirs, key),
            });
        }
    }
    different
}

/// A key that two configurations do not agree about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferentKey {
    /// The key, `features.counts`.
    pub key: String,
    /// Its value here, as TOML.
    pub value: String,
    /// Its value in the other.
    pub other: String,
}

/// The project file and the line on which a definition stands in it, for messages.
///
/// # Arguments
/// * `path` – as for [`Config::load`]
/// * `which` – place of the definition among all, from 0
#[must_use]
pub fn definition_line(path: Option<&Path>, which: usize) -> (PathBuf, Option<usize>) {
    let path = path.unwrap_or(Path::new(DEFAULT));
    let line =
        std::fs::read_to_string(path).ok().and_then(|text| line_of(&text, "definition", which));
    (path.to_owned(), line)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let hint = (error.kind() == std::io::ErrorKind::NotFound)
        .then(|| "`pql init --events FILE` writes a project file".to_owned());
    Error::Config {
        path: path.to_owned(),
        line: None,
        problem: format!("the project file cannot be read: {error}"),
        hint,
    }
}
