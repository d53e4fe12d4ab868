//! Trial of a guessed project file: the reading, observation and training of `pql train`.

use std::path::Path;

use super::draft::ProjectDraft;
use super::observation;
use crate::config::Config;
use crate::dataset::split::SplitMethod;
use crate::dataset::split_summary::SplitSummary;
use crate::error::Result;
use crate::io::sink::Sink;
use crate::log::{Log, ReadOptions};
use crate::report::text::log_summary;
use crate::time::Timestamp;
use crate::training::{TrainOptions, train_on_log};

/// Reads the whole data with the project file, chooses an observation, and trains a model, which is
/// not stored.
pub(super) fn dry_run(
    draft: &mut ProjectDraft,
    folder: &Path,
    now: i64,
    remarks: &mut Vec<String>,
) {
    if let Err(error) = try_training(draft, folder, now, remarks) {
        let problem = error.with_sources();
        let hint = error.hint().map(|h| format!(" ({h})")).unwrap_or_default();
        draft.tasks.push(format!("`pql train` fails with this file: {problem}{hint}"));
    }
}

fn try_training(
    draft: &mut ProjectDraft,
    folder: &Path,
    now: i64,
    remarks: &mut Vec<String>,
) -> Result<()> {
    let path = folder.join("pql.toml");
    let config = Config::parse(&draft.to_toml(), &path, &[])?;
    let options = ReadOptions { now: Timestamp(now), ..ReadOptions::for_training(&config) };
    let log = Log::read(&config, &options, &mut Sink::silent())?;
    remarks.push(log_summary(&log));
    remarks.extend(log.warnings.iter().map(|warning| format!("warning: {warning}")));
    if !draft.tasks.is_empty() {
        return Ok(());
    }
    let (guess, task) = observation::choose(&log, &config.model, remarks);
    draft.observation = guess;
    if let Some(task) = task {
        draft.tasks.push(task);
        return Ok(());
    }
    // What `pql train` calls, so that its numbers are the same and its errors are known.
    let config = Config::parse(&draft.to_toml(), &path, &[])?;
    let trained = train_on_log(&config, log, TrainOptions::default(), &mut Sink::silent())?;
    remarks.push(describe_split(&trained.model.split));
    Ok(())
}

/// Describes training and test set in the words of `pql train`.
pub(in crate::tools) fn describe_split(split: &SplitSummary) -> String {
    if split.method == SplitMethod::CrossValidation {
        return format!("training set: {}, tested by cross-validation", split.train.describe());
    }
    format!("training set: {}; test set: {}", split.train.describe(), split.test.describe())
}
