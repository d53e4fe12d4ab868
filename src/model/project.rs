//! A model beside a project file: whose settings count, and matrices with the features of the
//! model.

use std::path::Path;

use crate::config::{Config, DifferentKey, MatrixRule};
use crate::dataset::features::Catalogue;
use crate::dataset::matrix;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::{Kind, ReadOptions};
use crate::model::Model;
use crate::names::nearest;
use crate::time::Timestamp;
use crate::warning::{Notice, Warning};

impl Model {
    /// Returns the configuration for using the model on the data of a project file.
    ///
    /// Sources, `since` and `until` are those of the file, all else is the model's; each difference
    /// is a warning. Definitions are the file's, with its `qualify.by`, where it has some.
    /// # Errors
    /// Those of [`Model::config`]
    pub fn project_config(&self, file: &Config, sink: &mut Sink<'_>) -> Result<Config> {
        let stored = self.config()?;
        for DifferentKey { key, value, other } in file.differences(&stored) {
            sink.notify(Warning::ConfigDiffers { key, value, model: other });
        }
        let mut config =
            Config { events: file.events.clone(), accounts: file.accounts.clone(), ..stored };
        if file.definition.is_empty() && !config.definition.is_empty() {
            sink.notify(Notice::ModelDefinitions);
        } else if !file.definition.is_empty() {
            config.definition.clone_from(&file.definition);
            config.qualify.by = file.qualify.by;
        }
        (config.observation.since, config.observation.until) =
            (file.observation.since, file.observation.until);
        Ok(config)
    }

    /// Returns how a log is read for the model: attributes are taken for what they were in
    /// training.
    ///
    /// # Arguments
    /// * `at` – the end of the log; `None`: `observation.until`, else the day of the last event
    #[must_use]
    pub fn read_options(&self, config: &Config, at: Option<Timestamp>) -> ReadOptions {
        ReadOptions {
            until: at.or(config.observation.until),
            kinds: self.preprocessor.kinds(),
            ..ReadOptions::default()
        }
    }

    /// Returns the usage features of the model.
    ///
    /// # Arguments
    /// * `label` – what the model is called, for messages
    /// # Errors
    /// * [`Error::Usage`]: it was trained on a feature matrix
    pub fn usage_features(&self, label: &str) -> Result<&Catalogue> {
        self.catalogue.as_ref().ok_or_else(|| Error::Usage {
            problem: format!("the model `{label}` was trained on a feature matrix and cannot compute features from events"),
            hint: Some("give `--features FILE`".to_owned()),
        })
    }

    /// Returns the columns of a matrix: those of the project file, else those of the training.
    pub(crate) fn matrix_config(&self, file: MatrixRule) -> Result<MatrixRule> {
        Ok(if file == MatrixRule::default() { self.config()?.matrix } else { file })
    }

    /// Reads the rows with outcomes of a matrix, as those of the training were read.
    ///
    /// # Errors
    /// * [`Error::MissingFeature`]: the matrix lacks a feature of the model
    /// * those of [`matrix::read`]
    pub fn read_matrix(&self, path: &Path, file: MatrixRule) -> Result<Rows> {
        let config = Config { matrix: self.matrix_config(file)?, ..self.config()? };
        let kinds = self.preprocessor.kinds();
        let text: Vec<String> =
            kinds.iter().filter(|(_, k)| **k == Kind::Text).map(|(name, _)| name.clone()).collect();
        let matrix = matrix::read(path, &config.matrix, &text)?;
        if let Some(feature) = kinds.keys().find(|name| matrix.features.column(name).is_err()) {
            let near =
                nearest(feature, matrix.features.get_column_names().iter().map(|n| n.as_str()));
            return Err(Error::MissingFeature {
                path: Some(path.to_owned()),
                feature: feature.clone(),
                near,
            });
        }
        Ok(Rows::of_matrix(matrix, &config))
    }
}
