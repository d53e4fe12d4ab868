//! Using a model with a project file: which settings apply, and reading its features.

use std::path::Path;

use crate::config::{Config, ConfigDifference, MatrixConfig};
use crate::dataset::features::{Feature, FeatureCatalog};
use crate::dataset::matrix;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::{ColumnTypes, NullMarks, ReadOptions, ValueKind};
use crate::model::Model;
use crate::names::nearest;
use crate::time::{DAY, Timestamp};
use crate::warning::{DroppedFeature, Notice, Warning};

/// The period of the log of a training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TrainingPeriod {
    /// Start of the log; `None`: its first usage event.
    pub(crate) since: Option<Timestamp>,
    /// End of the log; `None` if it is unknown, as for a feature matrix.
    pub(crate) until: Option<Timestamp>,
}

impl Model {
    /// Returns the configuration for using the model on the data of a project file.
    ///
    /// Data sources, `input.max_line`, `since` and `until` come from the file, all other settings
    /// from the model; each difference is a warning. Definitions and `qualify.by` come from the
    /// file if it has definitions.
    /// # Errors
    /// Those of [`Model::config`]
    pub fn project_config(&self, file: &Config, sink: &mut Sink<'_>) -> Result<Config> {
        let stored = self.config()?;
        for ConfigDifference { key, value, other } in file.differences(&stored) {
            sink.notify(Warning::ConfigDiffers { key, value, model: other });
        }
        let mut config = Config {
            events: file.events.clone(),
            accounts: file.accounts.clone(),
            users: file.users.clone(),
            connections: file.connections.clone(),
            eligibility: file.eligibility.clone(),
            ..stored
        };
        if file.definition.is_empty() && !config.definition.is_empty() {
            sink.notify(Notice::ModelDefinitions);
        } else if !file.definition.is_empty() {
            config.definition.clone_from(&file.definition);
            config.qualify.by = file.qualify.by;
        }
        config.input.max_line = file.input.max_line;
        (config.observation.since, config.observation.until) =
            (file.observation.since, file.observation.until);
        Ok(config)
    }

    /// Returns the configuration for training a model that keeps the usage features of this one.
    ///
    /// `input`, `roles`, `features` and `observation` come from this model, except
    /// `input.max_line`, `since` and `until`; each difference is a warning. All other settings
    /// come from the file.
    /// # Errors
    /// Those of [`Model::config`]
    pub fn training_config(&self, file: &Config, sink: &mut Sink<'_>) -> Result<Config> {
        let applied = self.project_config(file, sink)?;
        Ok(Config {
            input: applied.input,
            roles: applied.roles,
            features: applied.features,
            observation: applied.observation,
            ..file.clone()
        })
    }

    /// Returns the period of the log of the training, as far as it is known: the configured one, or
    /// the day on which the log ended.
    ///
    /// # Errors
    /// Those of [`Model::config`]
    pub(crate) fn training_period(&self) -> Result<TrainingPeriod> {
        let config = self.config()?;
        let zone = config.input.timezone;
        let last_day = self.profile.activity.as_ref();
        let last_day = last_day.map(|activity| Timestamp(zone.to_utc(activity.end * DAY)));
        let until = config.observation.until.or(last_day);
        Ok(TrainingPeriod { since: config.observation.since, until })
    }

    /// Returns how the columns of a matrix with the usage features of this model are read: usage
    /// is numbers, and attributes have the kinds of the training.
    pub(crate) fn usage_types(&self, catalog: &FeatureCatalog, config: &Config) -> ColumnTypes {
        let training = ColumnTypes::for_training(config);
        let known = self.preprocessor.kinds();
        let kind = |Feature { name, .. }: Feature| {
            let kind = if catalog.attributes.contains(&name) {
                *training.kinds.get(&name).or_else(|| known.get(&name))?
            } else {
                ValueKind::Number
            };
            Some((name, kind))
        };
        ColumnTypes { kinds: catalog.features().into_iter().filter_map(kind).collect(), ..training }
    }

    /// Returns the dropped features that lacked support in the log.
    pub(crate) fn unsupported_features(&self) -> Vec<DroppedFeature> {
        let dropped = self.dropped_features.iter();
        dropped.filter(|dropped| dropped.reason.is_support()).cloned().collect()
    }

    /// Returns the options to read a log for the model; attributes keep their types of the
    /// training.
    ///
    /// # Arguments
    /// * `until` – end of the log; `None`: `observation.until`, or the day of the last event
    #[must_use]
    pub fn read_options(&self, config: &Config, until: Option<Timestamp>) -> ReadOptions {
        ReadOptions {
            until: until.or(config.observation.until),
            types: self.column_types(config),
            ..ReadOptions::default()
        }
    }

    /// Returns how columns are read: with the kinds and number formats of the training.
    ///
    /// # Arguments
    /// * `config` – configuration of the model
    #[must_use]
    pub fn column_types(&self, config: &Config) -> ColumnTypes {
        ColumnTypes {
            kinds: self.preprocessor.kinds(),
            formats: Some(self.formats.clone()),
            null: NullMarks::new(&config.input.null),
            zone: config.input.timezone,
            max_line: config.input.max_line,
        }
    }

    /// Returns the usage features of the model.
    ///
    /// # Arguments
    /// * `label` – label of the model, for messages
    /// # Errors
    /// * [`Error::Usage`]: the model was trained on a feature matrix
    pub fn usage_features(&self, label: &str) -> Result<&FeatureCatalog> {
        self.catalog.as_ref().ok_or_else(|| Error::Usage {
            problem: format!("model `{label}` was trained on a feature matrix: it cannot compute features from events"),
            hint: Some("add `--features FILE`".to_owned()),
        })
    }

    /// Returns the column names of a matrix: from the project file if set there, else from the
    /// training.
    pub(crate) fn matrix_config(&self, file: MatrixConfig) -> Result<MatrixConfig> {
        let has_columns = file.without_source() != MatrixConfig::default();
        if has_columns {
            return Ok(file);
        }
        let stored = self.config()?.matrix;
        let table = file.table.or(stored.table);
        let MatrixConfig { connection, query, file_format, .. } = file;
        Ok(MatrixConfig { table, connection, query, file_format, ..stored })
    }

    /// Reads a matrix with outcomes in the same way as the training rows. Warnings about the files
    /// and columns go to the sink.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`]: the matrix lacks a feature of the model
    /// * those of [`matrix::read`]
    pub fn read_matrix(
        &self,
        path: &Path,
        file: MatrixConfig,
        sink: &mut Sink<'_>,
    ) -> Result<Rows> {
        let config = Config { matrix: self.matrix_config(file)?, ..self.config()? };
        let types = self.column_types(&config);
        let matrix = matrix::read(path, &config.matrix, &types)?;
        matrix.warnings.iter().for_each(|warning| sink.notify(warning.clone()));
        let lacks = |name: &&String| matrix.features.column(name).is_err();
        if let Some(feature) = types.kinds.keys().find(lacks) {
            let suggestion =
                nearest(feature, matrix.features.get_column_names().iter().map(|n| n.as_str()));
            return Err(Error::MissingFeature {
                path: Some(path.to_owned()),
                feature: feature.clone(),
                suggestion,
            });
        }
        Rows::from_matrix(matrix, &config)
    }
}
