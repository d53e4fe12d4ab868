//! Rows on which a challenger and a champion are compared.

use super::{Mismatches, PairedScores};
use crate::config::Config;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::model::Model;
use crate::model::score::Scorer;
use crate::registry::versions::ModelLocation;
use crate::training::held_out::HeldOut;
use crate::training::test_set::TestRows;
use crate::warning::Warning;

/// A model in a comparison.
#[derive(Debug, Clone)]
pub struct Contender {
    /// The model.
    pub model: Model,
    /// Path and label of the model.
    pub location: ModelLocation,
}

impl Contender {
    /// Creates a scorer of the model.
    ///
    /// # Errors
    /// Those of [`Scorer::new`]
    pub fn scorer(&self) -> Result<Scorer<'_>> {
        Scorer::new(&self.model, &self.location.label)
    }

    /// Reads the held-out probabilities of the model.
    ///
    /// # Errors
    /// Those of [`HeldOut::load`]
    pub fn held_out(&self) -> Result<HeldOut> {
        HeldOut::load(&self.location.path, &self.model, &self.scorer()?)
    }

    /// Returns the configuration to build rows of a log for this model at the cutoffs of the
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

impl PairedScores {
    /// Pairs rows that both models score, each with its own features.
    ///
    /// # Errors
    /// Those of [`PairedScores::from_rows`]
    pub fn from_contenders(
        (challenger, rows): (&Contender, &Rows),
        (champion, others): (&Contender, &Rows),
        sink: &mut Sink<'_>,
    ) -> Result<Self> {
        let (common, Mismatches { outcomes, not_finite }) =
            Self::from_rows((rows, &challenger.scorer()?), (others, &champion.scorer()?))?;
        if outcomes > 0 {
            sink.notify(Warning::OutcomesDiffer { rows: outcomes });
        }
        if not_finite > 0 {
            sink.notify(Warning::RowsNotFinite { rows: not_finite });
        }
        Ok(common)
    }

    /// Pairs the stored test rows of the challenger if the champion's features have the same
    /// meaning in them.
    ///
    /// # Errors
    /// * [`Error::NoTestRows`], [`Error::MissingTestRows`]: there are no stored test rows
    /// * [`Error::RolesDiffer`], [`Error::MissingTestFeature`]: features differ
    pub fn from_stored_test_rows(challenger: &Contender, champion: &Contender) -> Result<Self> {
        let rows = TestRows::require(&challenger.location.path, &challenger.model)?;
        let (label, other) = (&challenger.location.label, &champion.location.label);
        let other_rows =
            if challenger.model.catalog.is_some() { "-c pql.toml" } else { "--features FILE" };
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
        if let Some(feature) = rows.missing_feature(&champion.model) {
            let feature = feature.to_owned();
            return Err(Error::MissingTestFeature {
                challenger: label.clone(),
                champion: other.clone(),
                feature,
                other_rows,
            });
        }
        Self::from_test_rows(&rows, &champion.scorer()?)
    }

    /// Keeps the rows that neither model was trained on. A test row has the probability of the fit
    /// before the final refit, which had not seen it.
    ///
    /// # Arguments
    /// * `held_out` – of the challenger and of the champion
    /// * `all` – whether to keep training rows
    /// * `warnings` – receives warnings about the rows
    /// # Errors
    /// * [`Error::NoNewerRows`]: no row is left
    pub fn exclude_training_rows(
        self,
        [challenger, champion]: [&HeldOut; 2],
        all: bool,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let (mut kept, mut trained) = (Self { cutoff: None, ..Self::default() }, 0);
        let mut cutoffs = Vec::new();
        for row in 0..self.y.len() {
            let cutoff = self.cutoff.as_ref().map(|cutoff| cutoff[row]);
            let (one, other) = (self.challenger[row], self.champion[row]);
            let account = &self.account[row];
            let unseen = (
                challenger.status(account, cutoff, one).probability(one),
                champion.status(account, cutoff, other).probability(other),
            );
            let is_unseen = unseen.0.is_some() && unseen.1.is_some();
            trained += usize::from(!is_unseen);
            if is_unseen || all {
                kept.account.push(account.clone());
                cutoffs.extend(cutoff);
                kept.y.push(self.y[row]);
                kept.challenger.push(unseen.0.unwrap_or(one));
                kept.champion.push(unseen.1.unwrap_or(other));
            }
        }
        kept.cutoff = self.cutoff.map(|_| cutoffs);
        match trained {
            0 => {}
            rows if all => warnings.push(Warning::TrainingRowsKept { rows }),
            rows => warnings.push(Warning::TrainingRowsLeftOut { rows }),
        }
        if kept.cutoff.is_none() {
            warnings.push(Warning::NoCutoffsInComparison);
        }
        if kept.y.is_empty() { Err(Error::NoNewerRows) } else { Ok(kept) }
    }
}
