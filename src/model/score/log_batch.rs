//! The open accounts at the end of a log, ready to score.

use std::sync::Arc;

use polars::prelude::{Column, DataFrame, IntoColumn, StringChunked};

use super::{ScoreRows, ScoreSorter, Scorer, ScoringBatch, ScoringSummary, into_frame};
use crate::config::{Config, QualifyBy};
use crate::dataset::features::{FeatureCatalog, compute};
use crate::dataset::observations::{observe_for_scoring, scoring_time};
use crate::error::Result;
use crate::io::sink::Sink;
use crate::log::{Log, Watch, log_faults};
use crate::model::Model;
use crate::rules::definition::{Definition, Pql, pqls};
use crate::time::{DAY, Timestamp};
use crate::warning::{IneligibleReasons, LogFault, Notice, Unscored, Warning};

/// The open accounts of a log, with the features of a model.
#[derive(Debug, Clone)]
pub struct LogBatch {
    features: DataFrame,
    account: Column,
    cutoff: Vec<Option<i64>>,
    unscored: Vec<Option<Unscored>>,
    pqls: Vec<Option<Pql>>,
    /// Reasons why each account must not be contacted; `None` without `[eligibility]`.
    pub(super) ineligible: Option<Vec<IneligibleReasons>>,
    /// Names of each set of definitions that an account matches, joined by `;`.
    pub(super) definition_names: Arc<Vec<Arc<str>>>,
    /// Time from a cutoff to the end of the horizon, µs.
    pub(super) horizon: i64,
    /// How accounts qualify.
    pub(crate) qualify_by: QualifyBy,
    /// Scoring time.
    pub(crate) time: Timestamp,
}

impl LogBatch {
    /// Observes the open accounts at the end of a log.
    ///
    /// # Arguments
    /// * `config` – configuration from [`Model::project_config`]
    /// * `label` – label of the model, for messages
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
        let catalog = model.usage_features(label)?;
        let (definitions, unknown) = Definition::compile_lenient(&config.definition, &log.events);
        let faults = model_log_faults(model, config, log)?.into_iter().map(Warning::LogFault);
        let warnings = log_warnings(log, catalog).into_iter().chain(faults);
        let warnings = warnings.chain(unknown.into_iter().map(Warning::from));
        warnings.for_each(|warning| sink.notify(warning));
        let (observations, eligibility) = observe_for_scoring(log, &config.observation);
        for (reason, count) in &observations.dropped_accounts {
            sink.notify(Notice::AccountsDropped { count: *count, reason: *reason });
        }
        let account: StringChunked =
            observations.account.iter().map(|a| Some(&log.accounts.id[*a as usize])).collect();
        let (pqls, definition_names) = pqls(&definitions, log, &observations.account)?;
        // As of today, whatever the cutoff of a row.
        let time = scoring_time(log);
        let ineligible = log.exclusions.as_ref().map(|exclusions| {
            let times = vec![time; observations.account.len()];
            exclusions.reasons(log, &observations.account, &times)
        });
        Ok(Self {
            ineligible: ineligible.transpose()?,
            features: compute(catalog, log, &observations, sink.progress())?,
            account: account.into_column(),
            pqls,
            definition_names: Arc::new(definition_names),
            horizon: config.observation.gap.0 + config.observation.horizon.0,
            cutoff: observations.cutoff.iter().map(|c| Some(*c)).collect(),
            unscored: eligibility.iter().map(|s| s.reason()).collect(),
            qualify_by: config.qualify.by,
            time: Timestamp(time),
        })
    }

    /// Returns the rows to score.
    pub(crate) fn as_batch(&self) -> ScoringBatch<'_> {
        let Self { features, account, cutoff, unscored, pqls, ineligible, .. } = self;
        let ineligible = ineligible.as_deref().unwrap_or_default();
        ScoringBatch { features, account, cutoff, unscored, pqls, ineligible }
    }
}

/// Scores of the open accounts of a log.
#[derive(Debug, Clone)]
pub struct Scores {
    /// One row per scored account, with the columns of `pql score`, highest probability first.
    pub table: DataFrame,
    /// Counts and sums over the accounts.
    pub summary: ScoringSummary,
}

/// Scores the open accounts at the end of a log.
///
/// # Arguments
/// * `config` – configuration from [`Model::project_config`]
/// * `label` – label of the model, for the column `model`
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
    let scorer = Scorer::new(model, label)?.for_batch(&batch);
    let (chunks, summary) = scorer.score_chunks(&batch.as_batch())?;
    scorer.check_levels(&summary.values)?;
    let mut sorter = ScoreSorter::new(ScoreRows::default(), u64::MAX);
    chunks.iter().try_for_each(|chunk| sorter.push(chunk))?;
    let mut tables = vec![scorer.empty()?];
    sorter.finish(&mut |table| {
        tables.push(table);
        Ok(())
    })?;
    let table = into_frame(tables)?;
    scorer.warnings(&summary).into_iter().for_each(|warning| sink.notify(warning));
    Ok(Scores { table, summary })
}

/// Finds the faults of the newest days of a log that change the scores of a model.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
pub(crate) fn model_log_faults(model: &Model, config: &Config, log: &Log) -> Result<Vec<LogFault>> {
    let named = config.event_names();
    log_faults(log, Watch { reference: model.profile.activity.as_ref(), named: &named })
}

/// Returns warnings about a log that ends long before the cutoff, or that lacks event types of the
/// model.
pub(crate) fn log_warnings(log: &Log, catalog: &FeatureCatalog) -> Vec<Warning> {
    /// Days without events after which the export of the log has probably stopped.
    const SILENT_DAYS: i64 = 3;
    let mut warnings = Vec::new();
    let silent = log.events.last().map_or(0, |last| (log.until - last) / DAY);
    if silent >= SILENT_DAYS {
        warnings.push(Warning::LogEndsEarly { days: silent });
    }
    let events: Vec<String> = catalog
        .counted_events
        .iter()
        .filter(|name| log.events.names.code(name).is_none())
        .cloned()
        .collect();
    if !events.is_empty() {
        warnings.push(Warning::CountedEventsMissing { events });
    }
    warnings
}
