//! Pipelines from a log or a matrix to a monitoring report.

use std::path::Path;

use polars::prelude::{IntoColumn, StringChunked};

use super::{DriftMonitor, MonitoringReport, RealizedPerformance, ScoredOutcomes};
use crate::config::{Config, MatrixConfig};
use crate::dataset::features::compute;
use crate::dataset::matrix;
use crate::dataset::observations::{comparable_cutoffs, observe_newest, scoring_time};
use crate::error::Result;
use crate::io::sink::Sink;
use crate::log::Log;
use crate::model::Model;
use crate::model::score::{log_warnings, model_log_faults};
use crate::registry::ledger::Ledger;
use crate::registry::versions::{find, model_name};
use crate::time::ZonedTime;
use crate::warning::Warning;

/// The monitored model.
#[derive(Debug, Clone, Copy)]
pub struct MonitorTarget<'a> {
    /// The model.
    pub model: &'a Model,
    /// Label of the model.
    pub label: &'a str,
    /// Features that raise no alarm.
    pub ignore: &'a [String],
}

/// Folders of earlier scores and their models.
#[derive(Debug, Clone, Copy)]
pub struct EarlierScores<'a> {
    /// Folder of the ledger.
    pub ledger: &'a Path,
    /// Folder of the models that computed them.
    pub models: &'a Path,
}

/// Compares the newest accounts of a log with the training rows, and earlier scores with outcomes.
///
/// # Arguments
/// * `config` – configuration from [`Model::project_config`]
/// # Errors
/// * [`Error::Usage`](crate::Error::Usage): the model was trained on a matrix, or an ignored
///   feature is not a feature of the model
/// * those of [`Ledger::open`]
pub fn monitor_log(
    target: MonitorTarget<'_>,
    config: &Config,
    log: &Log,
    earlier: Option<EarlierScores<'_>>,
    sink: &mut Sink<'_>,
) -> Result<MonitoringReport> {
    let catalog = target.model.usage_features(target.label)?;
    log_warnings(log, catalog).into_iter().for_each(|warning| sink.notify(warning));
    let mut monitor = DriftMonitor::new(target.model, target.label);
    let training_cutoff = target.model.last_training_cutoff();
    let observations = observe_newest(log, &config.observation, training_cutoff);
    let now = scoring_time(log);
    let newest = comparable_cutoffs(now, log.zone, &config.observation, training_cutoff)[0];
    let account: StringChunked = observations
        .account
        .iter()
        .map(|account| Some(&log.accounts.id[*account as usize]))
        .collect();
    monitor
        .update(&compute(catalog, log, &observations, sink.progress())?, &account.into_column())?;
    let faults = model_log_faults(target.model, config, log)?;
    let [now, newest] = [now, newest].map(|time| ZonedTime::new(time, log.zone));
    let report = monitor.finish(Some(now), target.ignore)?.with_cutoff(newest).with_log(
        log,
        faults,
        target.model,
    );
    let outcomes = earlier
        .map(|earlier| realized(earlier, (log, config), target.label, sink))
        .transpose()?
        .flatten();
    Ok(report.with_outcomes(outcomes))
}

/// Compares the rows of a matrix with the training rows, and their scores with outcomes.
///
/// # Arguments
/// * `file` – matrix section of the project file
/// * `outcomes` – whether the matrix has outcomes
/// # Errors
/// * [`Error::Usage`](crate::Error::Usage): an ignored feature is not a feature of the model
/// * those of [`matrix::batches`]
pub fn monitor_matrix(
    target: MonitorTarget<'_>,
    (path, file): (&Path, &MatrixConfig),
    outcomes: bool,
    sink: &mut Sink<'_>,
) -> Result<MonitoringReport> {
    let mut monitor = DriftMonitor::new(target.model, target.label);
    let rule = target.model.matrix_config(file.clone())?;
    let mut newest: Option<i64> = None;
    let types = target.model.column_types(&target.model.config()?);
    matrix::batches((path, &rule), &types, sink, &mut |batch| {
        newest = newest.max(batch.cutoff.iter().flatten().max().copied());
        monitor.update(&batch.features, &batch.account)
    })?;
    let mut realized = None;
    if outcomes {
        // The batches have given the same warnings.
        let rows = target.model.read_matrix(path, file.clone(), &mut Sink::silent())?;
        let design = target.model.preprocessor.transform(&rows.features, None)?;
        let all = target.model.probabilities(design.x.view());
        // Rows with a value that is not finite have no score. They are counted with the batch.
        let has_score =
            |row: &u32| rows.y[*row as usize].is_some() && all[*row as usize].is_finite();
        let known: Vec<u32> = (0..).take(all.len()).filter(has_score).collect();
        let account = rows
            .accounts(&known)
            .iter()
            .map(|account| rows.names[*account as usize].to_owned())
            .collect();
        let probability = known.iter().map(|row| all[*row as usize]).collect();
        realized =
            ScoredOutcomes::from_rows(account, rows.outcomes(&known), probability, target.label)
                .evaluate()?;
    }
    let newest = newest.map(|cutoff| ZonedTime::new(cutoff, target.model.zone()));
    Ok(monitor.finish(newest, target.ignore)?.with_outcomes(realized))
}

/// Returns the earlier scores of all versions of the model, compared with outcomes. Versions with
/// another target are skipped.
fn realized(
    earlier: EarlierScores<'_>,
    (log, config): (&Log, &Config),
    label: &str,
    sink: &mut Sink<'_>,
) -> Result<Option<RealizedPerformance>> {
    let mut runs = Ledger::open(earlier.ledger)?.runs(Some(model_name(label)))?;
    // Skips runs after the end of the log.
    runs.retain(|run| run.time <= log.until);
    let mut labels: Vec<String> =
        runs.iter().map(|run| run.label.clone()).filter(|other| other != label).collect();
    labels.sort_unstable();
    labels.dedup();
    for other in labels {
        let spans = |config: &Config| {
            (
                config.observation.cutoffs,
                config.observation.age,
                config.observation.gap,
                config.observation.horizon,
            )
        };
        let load = || Model::load(&find(&other, earlier.models)?.path)?.config();
        let same = load().map(|stored| spans(&stored) == spans(config));
        if same.as_ref().is_ok_and(|same| *same) {
            continue;
        }
        let problem = same.map_or_else(
            |error| error.to_string(),
            |_| "its age, gap or horizon differs".to_owned(),
        );
        runs.retain(|run| run.label != other);
        sink.notify(Warning::ScoresLeftOut { model: other, problem });
    }
    ScoredOutcomes::from_runs(&runs, log, &config.observation)?.evaluate()
}
