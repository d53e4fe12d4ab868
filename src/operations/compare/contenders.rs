//! Which rows a challenger and a champion are compared on.

use super::{Common, Unlike};
use crate::config::Config;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::model::Model;
use crate::model::score::Scorer;
use crate::registry::versions::Found;
use crate::training::test_set::TestRows;
use crate::warning::Warning;

/// A model that is compared.
#[derive(Debug, Clone)]
pub struct Contender {
    /// The model.
    pub model: Model,
    /// Where it is, and what it is called.
    pub found: Found,
}

impl Contender {
    /// Makes the model ready for scoring.
    ///
    /// # Errors
    /// Those of [`Scorer::new`]
    pub fn scorer(&self) -> Result<Scorer<'_>> {
        Scorer::new(&self.model, &self.found.label)
    }

    /// Returns the configuration for observing a log as this model does, at the cutoffs of the
    /// challenger.
    ///
    /// # Errors
    /// Those of [`Model::config`]
    pub fn observation_config(
        &self,
        file: &Config,
        challenger: &Model,
        sink: &mut Sink<'_>,
    ) -> Result<Config> {
        let mut config = self.model.project_config(file, sink)?;
        let (since, until) = (config.observation.since, config.observation.until);
        config.observation = challenger.config()?.observation;
        (config.observation.since, config.observation.until) = (since, until);
        config.definition.clear();
        Ok(config)
    }
}

impl Common {
    /// Returns rows that both models score, each with the features of its own.
    ///
    /// # Errors
    /// Those of [`Common::of_rows`]
    pub fn of_contenders(
        (challenger, rows): (&Contender, &Rows),
        (champion, others): (&Contender, &Rows),
        sink: &mut Sink<'_>,
    ) -> Result<Self> {
        let (common, Unlike { outcomes, not_finite }) =
            Self::of_rows((rows, &challenger.scorer()?), (others, &champion.scorer()?))?;
        if outcomes > 0 {
            sink.notify(Warning::OutcomesDiffer { rows: outcomes });
        }
        if not_finite > 0 {
            sink.notify(Warning::RowsNotFinite { rows: not_finite });
        }
        Ok(common)
    }

    /// Returns the stored test rows of the challenger, where the champion's features mean the same
    /// in them.
    ///
    /// # Errors
    /// * [`Error::NoTestRows`], [`Error::MissingTestRows`]: there are no stored test rows
    /// * [`Error::RolesDiffer`], [`Error::MissingTestFeature`]: features differ
    pub fn of_stored_test_rows(challenger: &Contender, champion: &Contender) -> Result<Self> {
        let rows = TestRows::beside(&challenger.found.path, &challenger.model)?;
        let (label, other) = (&challenger.found.label, &champion.found.label);
        let other_rows =
            if challenger.model.catalogue.is_some() { "-c pql.toml" } else { "--features FILE" };
        let (mine, theirs): (Config, Config) =
            (challenger.model.config()?, champion.model.config()?);
        if let Some(different) =
            mine.differences(&theirs).iter().find(|different| different.key.starts_with("roles."))
        {
            let key = different.key.clone();
            return Err(Error::RolesDiffer {
                challenger: label.clone(),
                champion: other.clone(),
                key,
                other_rows,
            });
        }
        if let Some(feature) = rows.lacks(&champion.model) {
            let feature = feature.to_owned();
            return Err(Error::MissingTestFeature {
                challenger: label.clone(),
                champion: other.clone(),
                feature,
                other_rows,
            });
        }
        Self::of_test_rows(&rows, &champion.scorer()?)
    }

    /// Keeps the rows that neither model has learned from.
    ///
    /// # Arguments
    /// * `stored` – whether they are the stored test rows of the challenger: their probabilities
    ///   are those of a fit that had not seen them, also where it has learned from them since
    /// * `all` – keeps the others, too
    /// * `warnings` – gets what a reader of the comparison should know
    /// # Errors
    /// * [`Error::NoNewerRows`]: no row is left
    pub fn unseen(
        self,
        [challenger, champion]: [&Model; 2],
        (stored, all): (bool, bool),
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let last = if stored { challenger.extent.last_train } else { challenger.last_learned() };
        let newer = match last.max(champion.last_learned()).map(|last| self.after(last)) {
            None | Some((_, 0)) => self,
            Some((_, old)) if all => {
                warnings.push(Warning::TrainingRowsKept { rows: old });
                self
            }
            Some((newer, old)) => {
                warnings.push(Warning::TrainingRowsLeftOut { rows: old });
                newer
            }
        };
        if newer.cutoff.is_none() {
            warnings.push(Warning::NoCutoffsInComparison);
        }
        if newer.y.is_empty() {
            return Err(Error::NoNewerRows { test_rows: stored });
        }
        Ok(newer)
    }
}
