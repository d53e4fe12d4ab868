//! The accounts of a log that can be scored at its end.

use polars::prelude::{Column, DataFrame, IntoColumn, StringChunked};

use super::{Batch, Scorer, Summary};
use crate::config::{Config, QualifyBy};
use crate::dataset::features::{Catalogue, compute};
use crate::dataset::observations::{observe_at, scored_at};
use crate::error::Result;
use crate::io::sink::Sink;
use crate::log::Log;
use crate::model::Model;
use crate::rules::definition::{Definition, Pql, pqls};
use crate::time::{DAY, Timestamp};
use crate::warning::{Notice, Unscored, Warning};

/// The open accounts of a log with the features of a model.
#[derive(Debug, Clone)]
pub struct LogBatch {
    features: DataFrame,
    account: Column,
    cutoff: Vec<Option<i64>>,
    unscored: Vec<Option<Unscored>>,
    pqls: Vec<Option<Pql>>,
    /// What makes an account qualify.
    pub(crate) qualify_by: QualifyBy,
    /// The time of the run.
    pub(crate) at: Timestamp,
}

impl LogBatch {
    /// Observes the open accounts at the end of a log.
    ///
    /// # Arguments
    /// * `config` – what [`Model::project_config`] returns
    /// * `label` – what the model is called, for messages
    /// # Errors
    /// * [`Error::Usage`](crate::Error::Usage): the model was trained on a feature matrix
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
    pub fn observe(
        model: &Model,
        label: &str,
        config: &Config,
        log: &Log,
        sink: &mut Sink<'_>,
    ) -> Result<Self> {
        let catalogue = model.usage_features(label)?;
        let (definitions, unknown) = Definition::compile_known(&config.definition, &log.events);
        let warnings =
            log_warnings(log, catalogue).into_iter().chain(unknown.into_iter().map(Warning::from));
        warnings.for_each(|warning| sink.notify(warning));
        let (observations, standings) = observe_at(log, &config.observation);
        for (reason, count) in &observations.left_out {
            sink.notify(Notice::AccountsDropped { count: *count, reason: *reason });
        }
        let account: StringChunked =
            observations.account.iter().map(|a| Some(&log.accounts.id[*a as usize])).collect();
        Ok(Self {
            features: compute(catalogue, log, &observations, sink.progress())?,
            account: account.into_column(),
            pqls: pqls(&definitions, log, &observations.account)?,
            cutoff: observations.cutoff.iter().map(|c| Some(*c)).collect(),
            unscored: standings.iter().map(|s| s.reason()).collect(),
            qualify_by: config.qualify.by,
            at: Timestamp(scored_at(log)),
        })
    }

    /// Returns the rows to score.
    pub(crate) fn as_batch(&self) -> Batch<'_> {
        let Self { features, account, cutoff, unscored, pqls, .. } = self;
        Batch { features, account, cutoff, unscored, pqls }
    }
}

/// Scores of some accounts.
#[derive(Debug, Clone)]
pub struct Scores {
    /// A row for each account, with the columns of `pql score`.
    pub table: DataFrame,
    /// Counts and sums over the accounts.
    pub summary: Summary,
}

/// Scores the open accounts at the end of a log.
///
/// # Arguments
/// * `config` – what [`Model::project_config`] returns
/// * `label` – what the scores call the model
/// # Errors
/// Those of [`LogBatch::observe`]
pub fn score_log(
    model: &Model,
    label: &str,
    config: &Config,
    log: &Log,
    sink: &mut Sink<'_>,
) -> Result<Scores> {
    let batch = LogBatch::observe(model, label, config, log, sink)?;
    let scorer = Scorer::new(model, label)?.qualifying_by(batch.qualify_by);
    let (table, summary) = scorer.score(&batch.as_batch())?;
    summary.warnings().into_iter().for_each(|warning| sink.notify(warning));
    Ok(Scores { table, summary })
}

/// Returns what makes a log look unlike those the model knows: it ends long before the cutoff, or
/// event names are gone.
pub(crate) fn log_warnings(log: &Log, catalogue: &Catalogue) -> Vec<Warning> {
    /// Days without any event after which a log looks as if its extract had stopped.
    const SILENT: i64 = 3;
    let mut warnings = Vec::new();
    let silent = log.events.last().map_or(0, |last| (log.until - last) / DAY);
    if silent >= SILENT {
        warnings.push(Warning::LogEndsEarly { days: silent });
    }
    let events: Vec<String> = catalogue
        .counted
        .iter()
        .filter(|name| log.events.names.code(name).is_none())
        .cloned()
        .collect();
    if !events.is_empty() {
        warnings.push(Warning::CountedEventsMissing { events });
    }
    warnings
}
