//! `pql train`

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use super::Terminal;
use super::funnel::by_month;
use super::output::{OutputArgs, OutputFormat, limit_formats};
use super::shared::{MatrixArgs, ModelsArgs, PageArgs, ProjectArgs, definitions};
use crate::config::Config;
use crate::dataset::matrix;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::write::OutputFile;
use crate::log::ColumnTypes;
use crate::model::Model;
use crate::model::card::{self, CardContext};
use crate::model::verdict::{Requirement, Verdict};
use crate::registry::store::{StoreOptions, StoredModel, store_model};
use crate::registry::versions::{self, ModelLocation, Promotion};
use crate::report::ModelPage;
use crate::report::text::{self, TrainingSummary};
use crate::rules::funnel::Funnel;
use crate::training::test_set::TestRows;
use crate::training::{
    TrainOptions, TrainedModel, rows_from_usage_matrix, train_on_log, train_on_rows,
};

/// Train a model, evaluate it on newer accounts and store it
///
/// Prints a summary of at most 25 lines; `--verbose` adds data quality, all metrics and the fit.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    matrix: MatrixArgs,
    /// Keep the usage features of this model, so that the new one can also score events
    ///
    /// NAME, NAME/VERSION or a file. The feature matrix has its features, as written by
    /// `pql features --model MODEL`. The settings of `[input]`, `[roles]`, `[features]` and
    /// `[observation]` are those of this model.
    #[arg(long, value_name = "MODEL", requires = "features", help_heading = "Model")]
    like: Option<String>,
    /// Name of the model
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    name: String,
    #[command(flatten)]
    folder: ModelsArgs,
    /// Make the new version the champion
    #[arg(long, help_heading = "Model")]
    promote: bool,
    /// Exit with code 5 and promote nothing unless the verdict meets this requirement
    ///
    /// The version is stored in any case.
    #[arg(long, value_name = "REQUIREMENT", help_heading = "Model")]
    require: Option<RequirementArg>,
    /// Exit with code 5 and store no model if the leakage audit finds anything
    #[arg(long, help_heading = "Model")]
    strict: bool,
    /// Do not store the test rows
    #[arg(long, help_heading = "Model")]
    no_test_rows: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    page: PageArgs,
}

/// The requirement for a new version.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RequirementArg {
    /// No leak is suspected, and the model ranks better than chance and predicts better than the
    /// base rate
    Skill,
    /// The model is also better than every baseline
    Baseline,
}

impl From<RequirementArg> for Requirement {
    fn from(requirement: RequirementArg) -> Self {
        match requirement {
            RequirementArg::Skill => Self::Skill,
            RequirementArg::Baseline => Self::Baseline,
        }
    }
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Json];

/// A trained model with the data line and the funnel of its summary and page.
struct TrainingResult {
    trained: TrainedModel,
    /// The line about the data.
    data: String,
    /// The funnel, if a page shows it.
    funnel: Option<Funnel>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    versions::check_name(&args.name)?;
    // The model is stored before its page is written.
    let page = args.page.file(&terminal.files)?;
    args.folder.add_versions(&args.name, &terminal.files)?;
    let config = args.project.load(&terminal.files)?;
    let like = args.like.as_ref().map(|like| args.folder.load(like, terminal)).transpose()?;
    let config = match &like {
        Some((model, _)) => model.training_config(&config, &mut terminal.sink())?,
        None => config,
    };
    let data = (&config, like.as_ref());
    let training = if terminal.verbose {
        train(args, data, page.is_some(), terminal)?
    } else {
        // The summary has the most important warnings.
        terminal.defer_notes(|terminal| train(args, data, page.is_some(), terminal))?
    };
    let verdict = training.trained.model.verdict();
    let unmet = args.require.map(Requirement::from).filter(|required| !verdict.meets(*required));
    let promotion = match (unmet, args.promote) {
        (Some(_), _) => Promotion::Never,
        (None, true) => Promotion::Always,
        (None, false) => Promotion::IfFirst,
    };
    let options = StoreOptions { promotion, test_rows: !args.no_test_rows };
    let stored = store_model(&args.folder.models, &args.name, &training.trained, options)?;
    if let Some(file) = &page {
        write_page(&training, &stored.label, file, terminal)?;
    }
    let champion = versions::find_champion(&args.name, &args.folder.models).ok();
    let champion = champion.as_ref().map(|champion| champion.label.as_str());
    if output.format == OutputFormat::Json {
        output.write(&json(&training.trained, &stored)?, terminal)?;
        return unmet.map_or(Ok(()), |unmet| Err(not_promoted(unmet, &verdict, &stored, champion)));
    }
    let summary = TrainingSummary {
        model: &training.trained.model,
        data: &training.data,
        label: &stored.label,
        path: &stored.path,
        champion,
        unmet,
        options: &next_options(args),
    };
    let text = if terminal.verbose {
        let details = text::training_details(summary.model)?;
        format!("{details}\n\n{}", text::stored(&summary).join("\n"))
    } else {
        text::training_summary(&summary)
    };
    output.write(&text, terminal)?;
    unmet.map_or(Ok(()), |unmet| Err(not_promoted(unmet, &verdict, &stored, champion)))
}

/// Returns the error for a version that does not meet its requirement.
fn not_promoted(
    unmet: Requirement,
    verdict: &Verdict,
    stored: &StoredModel,
    champion: Option<&str>,
) -> Error {
    let champion = champion.map_or_else(
        || "there is no champion".to_owned(),
        |champion| format!("the champion is still {champion}"),
    );
    Error::CheckFailed {
        check: format!("`--require {}`: {}", unmet.name(), verdict.short()),
        hint: Some(format!("{} is stored but not promoted; {champion}", stored.label)),
    }
}

/// Trains on the log or the matrix, and computes the funnel if a page shows it.
///
/// # Arguments
/// * `like` – the model whose usage features a matrix has
fn train(
    args: &Args,
    (config, like): (&Config, Option<&(Model, ModelLocation)>),
    with_funnel: bool,
    terminal: &mut Terminal<'_>,
) -> Result<TrainingResult> {
    let options = TrainOptions { strict: args.strict };
    if let Some(path) = args.matrix.path(&terminal.files)? {
        return train_on_matrix(path, (config, like), options, terminal);
    }
    let log = args.project.training_log(config, terminal)?;
    let data = text::log_summary(&log);
    definitions(&args.project, config, &log)?;
    let funnel = if with_funnel {
        by_month(&args.project, config, &log, &mut terminal.sink())?
    } else {
        None
    };
    let trained = train_on_log(config, log, options, &mut terminal.sink())?;
    Ok(TrainingResult { trained, data, funnel })
}

/// Trains on a feature matrix.
fn train_on_matrix(
    path: &Path,
    (config, like): (&Config, Option<&(Model, ModelLocation)>),
    options: TrainOptions,
    terminal: &mut Terminal<'_>,
) -> Result<TrainingResult> {
    let rows = match like {
        None => {
            let matrix = matrix::read(path, &config.matrix, &ColumnTypes::for_training(config))?;
            Rows::from_matrix(matrix, config)?
        }
        Some((model, location)) => rows_from_usage_matrix(path, config, (model, &location.label))?,
    };
    let data = text::matrix_summary(rows.account.len(), rows.design_features.len(), path);
    terminal.note(&data);
    rows.warnings.iter().for_each(|warning| terminal.warn(warning));
    let trained = train_on_rows(config, &rows, options, &mut terminal.sink())?;
    Ok(TrainingResult { trained, data, funnel: None })
}

/// Returns the options that the suggested commands repeat.
fn next_options(args: &Args) -> String {
    let mut options = Vec::new();
    let can_score_logs = !args.matrix.is_some() || args.like.is_some();
    if let Some(path) = args.project.path().filter(|_| can_score_logs) {
        options.push(format!("-c {}", path.display()));
    }
    if args.folder.models != Path::new("models") {
        options.push(format!("--models {}", args.folder.models.display()));
    }
    options.join(" ")
}

/// The version that a training stored.
#[derive(Serialize)]
struct StoredOutput<'a> {
    model: &'a str,
    path: &'a Path,
    is_champion: bool,
}

/// Returns the model card as JSON, with the stored version as its first key.
fn json(trained: &TrainedModel, stored: &StoredModel) -> Result<String> {
    let failed = |source| Error::Json { value: "the result", source };
    let version =
        StoredOutput { model: &stored.label, path: &stored.path, is_champion: stored.is_champion };
    let version = serde_json::to_string_pretty(&version).map_err(failed)?.replace('\n', "\n  ");
    let card = card::json(&trained.model, trained.cohorts.clone(), trained.quality.as_ref())?;
    let card = String::from_utf8_lossy(&card);
    let fields = card.trim().strip_prefix('{').expect("the card is an object");
    Ok(format!("{{\n  \"stored\": {version},{fields}"))
}

/// Writes the HTML report about the new model.
fn write_page(
    training: &TrainingResult,
    label: &str,
    file: &OutputFile,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    let TrainedModel { model, test_rows, cohorts, quality } = &training.trained;
    let rows = (test_rows.height() > 0)
        .then(|| TestRows::from_table(test_rows.clone(), file.path(), model))
        .transpose()?;
    let card = CardContext::new(model, cohorts.clone(), quality.clone());
    let page = ModelPage {
        model,
        label,
        card: Some(&card),
        rows: rows.as_ref(),
        funnel: training.funnel.as_ref(),
        mask: false,
    };
    super::report::write(&page, file, terminal)
}
