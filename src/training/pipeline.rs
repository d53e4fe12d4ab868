//! The pipeline from a log, or from rows, to a trained model.

use crate::config::Config;
use crate::dataset::features::{Catalogue, compute};
use crate::dataset::observations::{Observations, observe, observe_at};
use crate::dataset::rows::{Held, Rows};
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::Log;
use crate::rules::definition::{Definition, held};
use crate::time::Timestamp;
use crate::training::{Trained, audit, prepare, train};
use crate::warning::{Finding, Notice, Warning};

/// Definitions that a warning names.
const NAMED: usize = 3;

/// How a model is trained, beside its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrainOptions {
    /// Whether a finding of the leakage audit ends the training (no).
    pub strict: bool,
}

/// Trains a model on a log and evaluates it on the newest cohorts.
///
/// # Errors
/// * [`Error::NoCutoff`]: the log is too short
/// * those of [`train_on_rows`]
pub fn train_on_log(
    config: &Config,
    log: Log,
    options: TrainOptions,
    sink: &mut Sink<'_>,
) -> Result<Trained> {
    let quality = log.quality.clone();
    let rows = rows_for_training(config, log, sink)?;
    Ok(Trained { quality: Some(quality), ..train_on_rows(config, &rows, options, sink)? })
}

/// Trains a model on rows of a log or a feature matrix and evaluates it on the test rows.
///
/// # Errors
/// * [`Error::NoTrainingRows`], [`Error::TooFewConversions`], [`Error::NoFeatures`]: the rows do
///   not allow a model
/// * [`Error::Usage`]: `[design]` or `[qualify]` asks for what the rows do not have
/// * [`Error::Statistics`]: one outcome only, or the fit did not converge
/// * [`Error::Leak`]: the leakage audit found something, with `strict`
pub fn train_on_rows(
    config: &Config,
    rows: &Rows,
    options: TrainOptions,
    sink: &mut Sink<'_>,
) -> Result<Trained> {
    let setup = prepare(config, rows)?;
    if !setup.left_out.is_empty() {
        sink.notify(Notice::FeaturesDropped(setup.left_out.clone()));
    }
    let audited = setup.findings.len();
    report_findings(&setup.findings, options, sink)?;
    let trained = train(config, rows, setup, sink.progress())?;
    report_findings(&trained.model.findings[audited..], options, sink)?;
    let new = trained.model.warnings.iter().filter(|warning| !rows.warnings.contains(warning));
    new.for_each(|warning| sink.notify(warning.clone()));
    Ok(trained)
}

/// Reports what the leakage audit found; with `strict` it ends the training.
fn report_findings(findings: &[Finding], options: TrainOptions, sink: &mut Sink<'_>) -> Result<()> {
    if options.strict && !findings.is_empty() {
        return Err(Error::Leak { findings: findings.to_vec() });
    }
    findings.iter().for_each(|finding| sink.notify(Notice::Finding(finding.clone())));
    Ok(())
}

/// Observes a log for training: outcomes, split, features that are learned here, and the audit of
/// its events.
///
/// # Errors
/// * [`Error::NoCutoff`]: the log is too short
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn rows_for_training(config: &Config, log: Log, sink: &mut Sink<'_>) -> Result<Rows> {
    observed(config, log, sink, |log, observations, sink| {
        let (catalogue, dropped) =
            Catalogue::learn(&log, &observations, &config.features, &config.roles)?;
        let catalogue = catalogue.with_known(&log, &observations)?;
        let findings = audit::events(&audit::around(&log, &observations)?, config.observation.gap);
        let features = compute(&catalogue, &log, &observations, sink.progress())?;
        let rows = Rows { findings, ..Rows::of_log(log, observations, catalogue, features) };
        rows.without(dropped).with_fewer_counts(config)
    })
}

/// Observes a log with the features that a model of it would have.
///
/// # Errors
/// Those of [`rows_for_training`]
pub fn rows_for_features(config: &Config, log: Log, sink: &mut Sink<'_>) -> Result<Rows> {
    observed(config, log, sink, |log, observations, sink| {
        let (catalogue, dropped) =
            Catalogue::learn(&log, &observations, &config.features, &config.roles)?;
        let features = compute(&catalogue, &log, &observations, sink.progress())?;
        Rows::of_log(log, observations, catalogue, features)
            .without(dropped)
            .with_fewer_counts(config)
    })
}

/// Observes a log with the features of a model.
///
/// # Errors
/// Those of [`rows_for_training`]
pub fn rows_for_model(
    config: &Config,
    log: Log,
    catalogue: Catalogue,
    sink: &mut Sink<'_>,
) -> Result<Rows> {
    observed(config, log, sink, |log, observations, sink| {
        let features = compute(&catalogue, &log, &observations, sink.progress())?;
        Ok(Rows::of_log(log, observations, catalogue, features))
    })
}

/// Observes the open accounts at the end of a log with the features of a model, and those that are
/// too young or too old for a score.
///
/// # Errors
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn rows_for_scoring(
    config: &Config,
    log: Log,
    catalogue: Catalogue,
    sink: &mut Sink<'_>,
) -> Result<Rows> {
    let (observations, standings) = observe_at(&log, &config.observation);
    let unscored = standings.iter().filter(|standing| standing.reason().is_some()).count();
    if unscored > 0 {
        sink.notify(Warning::RowsNotEligible { rows: unscored, all: standings.len() });
    }
    let features = compute(&catalogue, &log, &observations, sink.progress())?;
    Ok(Rows::of_log(log, observations, catalogue, features))
}

/// Observes a log, and adds which definitions were fulfilled to the rows that `build` makes.
fn observed(
    config: &Config,
    log: Log,
    sink: &mut Sink<'_>,
    build: impl FnOnce(Log, Observations, &mut Sink<'_>) -> Result<Rows>,
) -> Result<Rows> {
    let observations = observe(&log, &config.observation, config.model.test)?;
    for (reason, count) in &observations.left_out {
        sink.notify(Notice::ObservationsDropped { count: *count, reason: *reason });
    }
    let reported = log.warnings.len();
    let held = definitions_held(config, &log, &observations, sink)?;
    let rows = Rows { held, ..build(log, observations, sink)? };
    rows.warnings[reported..].iter().for_each(|warning| sink.notify(warning.clone()));
    Ok(rows)
}

/// Returns whether each definition was fulfilled at each observation, and warns of those that were
/// found on test data.
fn definitions_held(
    config: &Config,
    log: &Log,
    observations: &Observations,
    sink: &mut Sink<'_>,
) -> Result<Vec<Held>> {
    let (definitions, unknown) = Definition::compile_known(&config.definition, &log.events);
    unknown.into_iter().for_each(|unknown| sink.notify(Warning::from(unknown)));
    let held = held(&definitions, log, observations)?.into_iter().zip(&config.definition);
    let held: Vec<Held> = held
        .map(|(rows, rule)| Held {
            name: rule.name.clone(),
            found_until: rule.found_until.map(|t| t.0),
            rows,
        })
        .collect();
    let saw_test_data = |of: &&Held| {
        of.found_until.zip(observations.first_test).is_some_and(|(until, first)| until > first)
    };
    let mut definitions: Vec<String> =
        held.iter().filter(saw_test_data).map(|of| of.name.clone()).collect();
    if let (Some(first_test), false) = (observations.first_test, definitions.is_empty()) {
        let more = definitions.len().saturating_sub(NAMED);
        definitions.truncate(NAMED);
        sink.notify(Warning::DefinitionSawTestData {
            definitions,
            more,
            first_test: Timestamp(first_test),
        });
    }
    Ok(held)
}
