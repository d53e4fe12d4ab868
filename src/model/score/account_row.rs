//! The row of features of one account, from a log or a matrix.

use std::path::Path;

use polars::prelude::DataFrame;

use super::{Explanation, Scorer};
use crate::config::{Config, MatrixRule};
use crate::dataset::features::compute;
use crate::dataset::matrix;
use crate::dataset::observations::{Observations, Standing, observe_at, scored_at};
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::Log;
use crate::model::Model;
use crate::names::nearest;
use crate::time::{Timestamp, iso};
use crate::warning::Unscored;

/// An account as the model sees it.
#[derive(Debug, Clone)]
pub struct AccountRow {
    pub(crate) features: DataFrame,
    pub(crate) cutoff: Option<Timestamp>,
    pub(crate) standing: Standing,
    /// The time that scoring looks back from; `None` for a row of a matrix.
    pub(crate) at: Option<Timestamp>,
}

impl AccountRow {
    /// Observes an account at the end of a log.
    ///
    /// # Arguments
    /// * `config` – what [`Model::project_config`] returns
    /// # Errors
    /// * [`Error::Usage`]: the log does not have the account, or it converted, churned or had not
    ///   signed up
    pub fn from_log(
        (model, label): (&Model, &str),
        config: &Config,
        log: &Log,
        account: &str,
        sink: &Sink<'_>,
    ) -> Result<Self> {
        let names = &log.accounts.id;
        let usage = |problem: String, hint: Option<String>| Error::Usage { problem, hint };
        let code = names.code(account).ok_or_else(|| {
            let near = nearest(account, names.iter()).map(|n| format!("did you mean `{n}`?"));
            usage(format!("there is no account `{account}` before {}", iso(log.until)), near)
        })?;
        let (all, standings) = observe_at(log, &config.observation);
        let at =
            all.account.iter().position(|account| *account as usize == code).ok_or_else(|| {
                let why = "it converted or churned before, or signed up on that day";
                usage(format!("`{account}` is not scored at {}: {why}", iso(log.until)), None)
            })?;
        let one = Observations {
            account: vec![all.account[at]],
            cutoff: vec![all.cutoff[at]],
            outcome: vec![all.outcome[at]],
            split: vec![all.split[at]],
            ..Observations::default()
        };
        let features = compute(model.usage_features(label)?, log, &one, sink.progress())?;
        let cutoff = Some(Timestamp(all.cutoff[at]));
        Ok(Self { features, cutoff, standing: standings[at], at: Some(Timestamp(scored_at(log))) })
    }

    /// Reads the newest row of an account in a matrix.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the matrix does not have the account
    /// * those of [`matrix::batches`]
    pub fn from_matrix(
        model: &Model,
        path: &Path,
        file: MatrixRule,
        account: &str,
    ) -> Result<Self> {
        let rule = model.matrix_config(file)?;
        let mut newest: Option<(Option<i64>, DataFrame)> = None;
        matrix::batches(path, &rule, &model.preprocessor.kinds(), &mut |batch| {
            let accounts = batch.account.str().map_err(|e| Error::table("the accounts", e))?;
            for (at, found) in accounts.iter().enumerate() {
                if found == Some(account)
                    && newest.as_ref().is_none_or(|(cutoff, _)| *cutoff <= batch.cutoff[at])
                {
                    let index = i64::try_from(at).unwrap_or(i64::MAX);
                    newest = Some((batch.cutoff[at], batch.features.slice(index, 1)));
                }
            }
            Ok(())
        })?;
        let (cutoff, features) = newest.ok_or_else(|| Error::Usage {
            problem: format!("`{}` has no row of the account `{account}`", path.display()),
            hint: None,
        })?;
        Ok(Self { features, cutoff: cutoff.map(Timestamp), standing: Standing::Scored, at: None })
    }

    /// Returns why the account gets no score; `None`: it gets one.
    #[must_use]
    pub fn not_scored(&self) -> Option<Unscored> {
        self.standing.reason()
    }

    /// Explains the score as an exact sum of contributions.
    ///
    /// # Arguments
    /// * `label` – what the model is called
    /// # Errors
    /// Those of [`Scorer::explain`]
    pub fn explain(&self, model: &Model, label: &str) -> Result<Explanation> {
        Scorer::new(model, label)?.explain(&self.features, 0)
    }
}
