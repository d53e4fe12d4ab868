//! The pipeline from a log, or from rows, to a trained model.

use std::path::Path;

use crate::config::{Config, CutoffScheme, ObservationConfig};
use crate::dataset::features::{FeatureCatalog, compute};
use crate::dataset::matrix;
use crate::dataset::observations::{Observations, observe, observe_for_scoring};
use crate::dataset::rows::{DefinitionMatches, Rows};
use crate::dataset::split::SplitOptions;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::log::{Accounts, Log, Watch, log_faults};
use crate::model::Model;
use crate::names::counted;
use crate::rules::definition::{Definition, matches_before_cutoff};
use crate::time::NEVER;
use crate::training::{TrainedModel, TrainingSetup, audit, prepare, train};
use crate::warning::{Finding, Notice, Warning};

/// Maximum number of definitions listed in a warning.
const LISTED: usize = 3;

/// Options of a training, in addition to the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrainOptions {
    /// Whether a finding of the leakage audit is an error (default: no).
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
) -> Result<TrainedModel> {
    let quality = log.quality.clone();
    let hint = conversion_hint(&log.accounts, &config.observation);
    let rows = rows_for_training(config, log, sink)?;
    let trained = train_on_rows(config, &rows, options, sink);
    let trained = trained.map_err(|error| with_conversion_hint(error, hint))?;
    Ok(TrainedModel { quality: Some(quality), ..trained })
}

/// Inspects the rows of a log and what [`train_on_log`] would fit on them; fits no model.
///
/// # Errors
/// Those of [`train_on_log`], except those of the fit
pub(crate) fn prepare_log<T>(
    config: &Config,
    log: Log,
    sink: &mut Sink<'_>,
    inspect: impl FnOnce(&Rows, &TrainingSetup<'_>) -> T,
) -> Result<T> {
    let hint = conversion_hint(&log.accounts, &config.observation);
    let rows = rows_for_training(config, log, sink)?;
    let setup = prepare(config, &rows).map_err(|error| with_conversion_hint(error, hint))?;
    Ok(inspect(&rows, &setup))
}

/// Adds the setting that puts conversions into the horizon to the error that there are none.
fn with_conversion_hint(error: Error, hint: Option<String>) -> Error {
    match error {
        Error::OneClass { rows, converted: false, .. } if hint.is_some() => {
            Error::OneClass { rows, converted: false, hint }
        }
        other => other,
    }
}

/// Returns the setting that puts the conversions of a log into the horizon; `None` without
/// conversions.
fn conversion_hint(accounts: &Accounts, config: &ObservationConfig) -> Option<String> {
    let (key, first) = match config.cutoffs {
        CutoffScheme::Snapshot => ("min_age", config.min_age),
        CutoffScheme::Age => ("age", config.age),
    };
    let times = accounts.converted.iter().zip(&accounts.signed_up);
    let ages: Vec<i64> =
        times.filter(|(converted, _)| **converted != NEVER).map(|(t, from)| t - from).collect();
    let early = ages.iter().filter(|age| **age < first.0 + config.gap.0).count();
    (!ages.is_empty()).then(|| {
        if 2 * early > ages.len() {
            format!(
                "{early} of {} convert before the first cutoff: set a smaller `observation.{key}`",
                counted(ages.len() as u64, "account")
            )
        } else {
            "the conversions of the log are outside the horizon or after the training period: set a longer `observation.horizon`"
                .to_owned()
        }
    })
}

/// Trains a model on rows of a log or a feature matrix and evaluates it on the test rows.
///
/// # Errors
/// * [`Error::NoTrainingRows`], [`Error::TooFewConversions`], [`Error::NoFeatures`]: the rows do
///   not allow a model
/// * [`Error::Usage`]: `[design]` or `[qualify]` does not fit the rows
/// * [`Error::Statistics`]: all outcomes are equal, or the fit did not converge
/// * [`Error::Leak`]: the leakage audit has findings, with `strict`
pub fn train_on_rows(
    config: &Config,
    rows: &Rows,
    options: TrainOptions,
    sink: &mut Sink<'_>,
) -> Result<TrainedModel> {
    let setup = prepare(config, rows)?;
    if !setup.dropped_features.is_empty() {
        sink.notify(Notice::FeaturesDropped(setup.dropped_features.clone()));
    }
    let reported = setup.findings.len();
    report_findings(&setup.findings, options, sink)?;
    let trained = train(config, rows, setup, sink.progress())?;
    report_findings(&trained.model.findings[reported..], options, sink)?;
    let new = trained.model.warnings.iter().filter(|warning| !rows.warnings.contains(warning));
    new.for_each(|warning| sink.notify(warning.clone()));
    Ok(trained)
}

/// Reports findings of the leakage audit; with `strict` they are an error.
fn report_findings(findings: &[Finding], options: TrainOptions, sink: &mut Sink<'_>) -> Result<()> {
    if options.strict && !findings.is_empty() {
        return Err(Error::Leak { findings: findings.to_vec() });
    }
    findings.iter().for_each(|finding| sink.notify(Notice::Finding(finding.clone())));
    Ok(())
}

/// Observes a log for training: computes outcomes, split and features, and audits the events.
///
/// # Errors
/// * [`Error::NoCutoff`]: the log is too short
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn rows_for_training(config: &Config, log: Log, sink: &mut Sink<'_>) -> Result<Rows> {
    observed(config, log, sink, |mut log, observations, sink| {
        let named = config.event_names();
        let faults = log_faults(&log, Watch { reference: None, named: &named })?;
        log.warnings.extend(faults.into_iter().map(Warning::LogFault));
        log.warnings.extend(audit::changed_attributes(&log, &observations));
        let (catalog, dropped) =
            FeatureCatalog::fit(&log, &observations, &config.features, &config.roles)?;
        let findings =
            audit::events(&audit::event_timing(&log, &observations)?, config.observation.gap);
        let features = compute(&catalog, &log, &observations, sink.progress())?;
        let rows = Rows { findings, ..Rows::from_log(log, observations, catalog, features) };
        rows.drop_measures(dropped).with_fewer_counts(config)
    })
}

/// Observes a log with the features that a model trained on it would have.
///
/// # Errors
/// Those of [`rows_for_training`]
pub fn rows_for_features(config: &Config, log: Log, sink: &mut Sink<'_>) -> Result<Rows> {
    observed(config, log, sink, |log, observations, sink| {
        let (catalog, dropped) =
            FeatureCatalog::fit(&log, &observations, &config.features, &config.roles)?;
        let features = compute(&catalog, &log, &observations, sink.progress())?;
        Rows::from_log(log, observations, catalog, features)
            .drop_measures(dropped)
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
    catalog: FeatureCatalog,
    sink: &mut Sink<'_>,
) -> Result<Rows> {
    observed(config, log, sink, |log, observations, sink| {
        report_ineligible(&log, &observations, sink)?;
        let features = compute(&catalog, &log, &observations, sink.progress())?;
        Ok(Rows::from_log(log, observations, catalog, features))
    })
}

/// Reports how many rows with an outcome are of accounts that were not eligible at the cutoff.
fn report_ineligible(log: &Log, observations: &Observations, sink: &mut Sink<'_>) -> Result<()> {
    let Some(exclusions) = &log.exclusions else { return Ok(()) };
    let reasons = exclusions.reasons(log, &observations.account, &observations.cutoff)?;
    let mature = observations.outcome.iter().zip(reasons).filter(|(o, _)| o.label().is_some());
    let (mut rows, mut all) = (0, 0);
    for (_, reasons) in mature {
        all += 1;
        rows += u64::from(!reasons.is_eligible());
    }
    if rows > 0 {
        sink.notify(Notice::IneligibleRowsKept { rows, all });
    }
    Ok(())
}

/// Reads a feature matrix with the usage features of a model, so that a model trained on it can also
/// score logs.
///
/// # Arguments
/// * `path` – the matrix
/// * `config` – as returned by [`Model::training_config`]
/// * `model`, `label` – the model whose features the matrix has, and its label for messages
///
/// # Errors
/// * [`Error::Usage`]: the model was trained on a feature matrix, or the matrix has another column
/// * [`Error::MissingFeature`], [`Error::MissingColumn`]: the matrix lacks a column
/// * those of [`matrix::read`]
pub fn rows_from_usage_matrix(
    path: &Path,
    config: &Config,
    (model, label): (&Model, &str),
) -> Result<Rows> {
    let catalog = model.usage_features(label)?.clone();
    let matrix = matrix::read(path, &config.matrix, &model.usage_types(&catalog, config))?;
    let rows = Rows::from_usage_matrix(matrix, config, catalog, path)?;
    Rows { formats: model.formats.clone(), ..rows }
        .drop_measures(model.unsupported_features())
        .with_fewer_counts(config)
}

/// Observes the open accounts at the end of a log with the features of a model, including accounts
/// that are too young or too old to score.
///
/// # Errors
/// * [`Error::Write`]: the temporary file of a large log fails
pub fn rows_for_scoring(
    config: &Config,
    log: Log,
    catalog: FeatureCatalog,
    sink: &mut Sink<'_>,
) -> Result<Rows> {
    let (observations, eligibility) = observe_for_scoring(&log, &config.observation);
    let unscored = eligibility.iter().filter(|account| account.reason().is_some()).count();
    if unscored > 0 {
        sink.notify(Warning::RowsNotEligible { rows: unscored, all: eligibility.len() });
    }
    let features = compute(&catalog, &log, &observations, sink.progress())?;
    Ok(Rows::from_log(log, observations, catalog, features))
}

/// Observes a log, builds rows, and adds the matches of the PQL definitions.
fn observed(
    config: &Config,
    log: Log,
    sink: &mut Sink<'_>,
    build: impl FnOnce(Log, Observations, &mut Sink<'_>) -> Result<Rows>,
) -> Result<Rows> {
    let observations = observe(&log, &config.observation, SplitOptions::from(&config.model))?;
    for (reason, count) in &observations.dropped_accounts {
        sink.notify(Notice::ObservationsDropped { count: *count, reason: *reason });
    }
    let reported = log.warnings.len();
    let definitions = match_definitions(config, &log, &observations, sink)?;
    let rows = Rows { definitions, ..build(log, observations, sink)? };
    rows.warnings[reported..].iter().for_each(|warning| sink.notify(warning.clone()));
    Ok(rows)
}

/// Matches each definition with each observation, and warns about definitions that were discovered
/// on test data.
fn match_definitions(
    config: &Config,
    log: &Log,
    observations: &Observations,
    sink: &mut Sink<'_>,
) -> Result<Vec<DefinitionMatches>> {
    let (definitions, unknown) = Definition::compile_lenient(&config.definition, &log.events);
    unknown.into_iter().for_each(|unknown| sink.notify(Warning::from(unknown)));
    let matches =
        matches_before_cutoff(&definitions, log, observations)?.into_iter().zip(&config.definition);
    let matches: Vec<DefinitionMatches> = matches
        .map(|(matches, rule)| DefinitionMatches {
            name: rule.name.clone(),
            found_until: rule.found_until.map(|t| t.0),
            matches,
        })
        .collect();
    let saw_test_data = |definition: &&DefinitionMatches| {
        definition
            .found_until
            .zip(observations.first_test)
            .is_some_and(|(until, first)| until > first)
    };
    let mut definitions: Vec<String> =
        matches.iter().filter(saw_test_data).map(|definition| definition.name.clone()).collect();
    if let (Some(first_test), false) = (observations.first_test, definitions.is_empty()) {
        let more = definitions.len().saturating_sub(LISTED);
        definitions.truncate(LISTED);
        sink.notify(Warning::DefinitionSawTestData {
            definitions,
            more,
            first_test: log.zone.day(first_test),
        });
    }
    Ok(matches)
}
