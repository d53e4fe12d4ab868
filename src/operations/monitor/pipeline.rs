//! The pipelines from a log, or from a matrix, to the report of monitoring.

use std::path::Path;

use polars::prelude::{IntoColumn, StringChunked};

use super::{EventNames, Monitoring, Outcomes, Realised, Watch};
use crate::config::{Config, MatrixRule};
use crate::dataset::features::compute;
use crate::dataset::matrix;
use crate::dataset::observations::{observe_newest, scored_at};
use crate::error::Result;
use crate::io::sink::Sink;
use crate::log::Log;
use crate::model::Model;
use crate::model::score::{Scorer, log_warnings};
use crate::registry::ledger::Ledger;
use crate::registry::versions::{find, name_of};
use crate::time::iso;
use crate::warning::Warning;

/// What is monitored.
#[derive(Debug, Clone, Copy)]
pub struct Monitored<'a> {
    /// The model.
    pub model: &'a Model,
    /// What it is called.
    pub label: &'a str,
    /// Features that raise no alarm.
    pub ignore: &'a [String],
}

/// The scores that were given before.
#[derive(Debug, Clone, Copy)]
pub struct EarlierScores<'a> {
    /// Folder of the ledger.
    pub ledger: &'a Path,
    /// Folder of the models that gave them.
    pub models: &'a Path,
}

/// Compares the newest accounts of a log with the training rows, and earlier scores with outcomes.
///
/// # Arguments
/// * `config` – what [`Model::project_config`] returns
/// # Errors
/// * [`Error::Usage`](crate::Error::Usage): the model was trained on a matrix, or has no such
///   feature to ignore
/// * those of [`Ledger::open`]
pub fn monitor_log(
    of: Monitored<'_>,
    config: &Config,
    log: &Log,
    given: Option<EarlierScores<'_>>,
    sink: &mut Sink<'_>,
) -> Result<Monitoring> {
    let catalogue = of.model.usage_features(of.label)?;
    log_warnings(log, catalogue).into_iter().for_each(|warning| sink.notify(warning));
    let scorer = Scorer::new(of.model, of.label)?;
    let mut watch = Watch::new(of.model, &scorer, of.label);
    let observations = observe_newest(log, &config.observation);
    let account: StringChunked = observations
        .account
        .iter()
        .map(|account| Some(&log.accounts.id[*account as usize]))
        .collect();
    watch
        .take(&compute(catalogue, log, &observations, sink.progress())?, &account.into_column())?;
    let events = EventNames::of(catalogue, log, &observations)?;
    let monitoring = watch.finish(Some(iso(scored_at(log))), of.ignore)?.with_events(events);
    let outcomes =
        given.map(|given| realised(given, (log, config), of.label, sink)).transpose()?.flatten();
    Ok(monitoring.with_outcomes(outcomes))
}

/// Compares the rows of a matrix with the training rows, and with their outcomes where it has some.
///
/// # Arguments
/// * `file` – the columns of the project file
/// * `outcomes` – whether the matrix has outcomes
/// # Errors
/// * [`Error::Usage`](crate::Error::Usage): the model has no such feature to ignore
/// * those of [`matrix::batches`]
pub fn monitor_matrix(
    of: Monitored<'_>,
    path: &Path,
    file: &MatrixRule,
    outcomes: bool,
) -> Result<Monitoring> {
    let scorer = Scorer::new(of.model, of.label)?;
    let mut watch = Watch::new(of.model, &scorer, of.label);
    let rule = of.model.matrix_config(file.clone())?;
    let mut newest: Option<i64> = None;
    matrix::batches(path, &rule, &of.model.preprocessor.kinds(), &mut |batch| {
        newest = newest.max(batch.cutoff.iter().flatten().max().copied());
        watch.take(&batch.features, &batch.account)
    })?;
    let mut realised = None;
    if outcomes {
        let rows = of.model.read_matrix(path, file.clone())?;
        let all = scorer.probabilities(&rows.features)?;
        // Of a row with a value that is not finite there is no probability that could be judged; it
        // is counted with the batch.
        let judged = |row: &u32| rows.y[*row as usize].is_some() && all[*row as usize].is_finite();
        let known: Vec<u32> = (0..).take(all.len()).filter(judged).collect();
        let account = rows
            .accounts(&known)
            .iter()
            .map(|account| rows.names[*account as usize].to_owned())
            .collect();
        let probability = known.iter().map(|row| all[*row as usize]).collect();
        realised =
            Outcomes::of_rows(account, rows.outcomes(&known), probability, of.label).judge()?;
    }
    Ok(watch.finish(newest.map(iso), of.ignore)?.with_outcomes(realised))
}

/// Returns what became of the accounts that versions of the model scored; those that predicted
/// something else are left out.
fn realised(
    given: EarlierScores<'_>,
    (log, config): (&Log, &Config),
    label: &str,
    sink: &mut Sink<'_>,
) -> Result<Option<Realised>> {
    let mut runs = Ledger::open(given.ledger)?.runs(Some(name_of(label)))?;
    // Later runs are not known at this time.
    runs.retain(|run| run.at <= log.until);
    let mut labels: Vec<String> =
        runs.iter().map(|run| run.label.clone()).filter(|of| of != label).collect();
    labels.sort_unstable();
    labels.dedup();
    for other in labels {
        let spans = |config: &Config| {
            (
                config.observation.at,
                config.observation.age,
                config.observation.gap,
                config.observation.horizon,
            )
        };
        let load = || Model::load(&find(&other, given.models)?.path)?.config();
        let same = load().map(|stored| spans(&stored) == spans(config));
        if same.as_ref().is_ok_and(|same| *same) {
            continue;
        }
        let problem = same.map_or_else(
            |error| error.to_string(),
            |_| "it observed at another age, gap or horizon".to_owned(),
        );
        runs.retain(|run| run.label != other);
        sink.notify(Warning::ScoresLeftOut { model: other, problem });
    }
    Outcomes::of_runs(&runs, log, &config.observation)?.judge()
}
