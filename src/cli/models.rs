//! `pql models`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use super::Terminal;
use super::output::{OutputArgs, OutputFormat, csv_text, limit_formats, markdown_text};
use super::shared::{ModelsArgs, whole_number};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::registry::versions::{
    Pruned, StoredVersion, find, find_champion, list, model_name, promote, prune, rollback,
};
use crate::report::format::grouped;
use crate::report::text::{penalty, table};
use crate::time::iso;
use crate::warning::Warning;

/// List stored models, choose the champion, delete old versions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(ListArgs),
    Promote(PromoteArgs),
    Rollback(RollbackArgs),
    Prune(PruneArgs),
}

/// List the stored versions and their champions
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
struct ListArgs {
    /// NAME or NAME/VERSION [default: all models]
    #[arg(value_name = "NAME", help_heading = "Model", display_order = 0)]
    name: Option<String>,
    #[command(flatten)]
    folder: ModelsArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Make a version the champion: the model that NAME means
#[derive(Debug, clap::Args)]
struct PromoteArgs {
    /// Version to promote
    #[arg(value_name = "NAME/VERSION", help_heading = "Model", display_order = 0)]
    model: String,
    #[command(flatten)]
    folder: ModelsArgs,
}

/// Make the previous champion the champion again
///
/// The previous champion is the newest former champion that has not been deleted.
#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// Name of the model
    #[arg(value_name = "NAME", help_heading = "Model", display_order = 0)]
    name: String,
    #[command(flatten)]
    folder: ModelsArgs,
}

/// Delete old versions, but never the champion or the previous champion
///
/// Unreadable versions do not count as kept; one is deleted only if it is older than the kept
/// versions. A model without a readable champion is not pruned (exit code 4).
#[derive(Debug, clap::Args)]
struct PruneArgs {
    /// Name of the model [default: all models]
    #[arg(value_name = "NAME", help_heading = "Model", display_order = 0)]
    name: Option<String>,
    /// Newest versions of each model to keep, besides the champion and the previous champion
    #[arg(
        long,
        value_name = "N",
        value_parser = whole_number::<usize>,
        allow_negative_numbers = true,
        help_heading = "Model"
    )]
    keep: usize,
    #[command(flatten)]
    folder: ModelsArgs,
}

const FORMATS: &[OutputFormat] =
    &[OutputFormat::Table, OutputFormat::Json, OutputFormat::Csv, OutputFormat::Md];

/// A version in the list.
#[derive(Serialize)]
struct ListedVersion {
    model: String,
    champion: bool,
    path: PathBuf,
    /// Reason why the file cannot be read.
    problem: Option<String>,
    #[serde(flatten)]
    details: Option<VersionDetails>,
}

/// Facts from the file of a version.
#[derive(Serialize)]
struct VersionDetails {
    training_rows: u64,
    converting_training_accounts: u64,
    last_training_cutoff: Option<String>,
    columns: usize,
    penalty: String,
    alpha: f64,
    threshold: f64,
    test_rows: u64,
    roc_auc: Option<f64>,
    log_loss: Option<f64>,
    /// Whether it is significantly better than every baseline; null without a test set.
    beats_baselines: Option<bool>,
}

impl VersionDetails {
    fn new(model: &Model) -> Result<Self> {
        let evaluation = model.evaluation.as_ref().map(|evaluation| &evaluation.metrics);
        let learned = model.refit.map_or(model.split.train, |refit| refit.sample);
        Ok(Self {
            training_rows: learned.rows,
            converting_training_accounts: learned.converting_accounts,
            last_training_cutoff: model.last_training_cutoff().map(iso),
            columns: model.fit.coef.len(),
            penalty: penalty(model)?,
            alpha: model.fit.alpha,
            threshold: model.threshold,
            test_rows: model.split.test.rows,
            roc_auc: evaluation.and_then(|e| e.roc_auc).map(|auc| auc.value),
            log_loss: evaluation.map(|e| e.log_loss.value),
            beats_baselines: evaluation
                .map(|_| model.baselines.iter().all(|b| b.difference.is_better())),
        })
    }
}

impl ListedVersion {
    /// Reads the file of a stored version.
    fn read(stored: StoredVersion) -> Self {
        let details =
            Model::load(&stored.location.path).and_then(|model| VersionDetails::new(&model));
        let (details, problem) = match details {
            Ok(details) => (Some(details), None),
            Err(error) => (None, Some(error.with_sources())),
        };
        Self {
            model: stored.location.label,
            champion: stored.is_champion,
            path: stored.location.path,
            problem,
            details,
        }
    }

    /// Returns the cells of the list.
    fn cells(&self) -> Vec<String> {
        let champion = if self.champion { "champion" } else { "" };
        let number = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
        };
        let details = self.details.as_ref().map_or_else(
            || vec!["unreadable".to_owned()],
            |details| {
                let cutoff =
                    details.last_training_cutoff.as_ref().map_or("–", |time| &time[..10]);
                let beats = match details.beats_baselines {
                    None => "–",
                    Some(true) => "yes",
                    Some(false) => "no",
                };
                vec![
                    grouped(details.training_rows),
                    grouped(details.converting_training_accounts),
                    cutoff.to_owned(),
                    details.columns.to_string(),
                    number(details.roc_auc),
                    number(details.log_loss),
                    beats.to_owned(),
                ]
            },
        );
        [self.model.clone(), champion.to_owned()].into_iter().chain(details).collect()
    }
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    match &args.command {
        Command::List(args) => list_versions(args, terminal),
        Command::Promote(args) => promote_version(args, terminal),
        Command::Rollback(args) => {
            let champion = rollback(&args.folder.models, &args.name, check_readable)?;
            terminal.note(&format!("{} is the champion again", champion.label));
            Ok(())
        }
        Command::Prune(args) => prune_versions(args, terminal),
    }
}

/// Checks that a model file can be read.
fn check_readable(path: &Path) -> Result<()> {
    Model::load(path).map(drop)
}

fn prune_versions(args: &PruneArgs, terminal: &mut Terminal<'_>) -> Result<()> {
    let pruned = prune(&args.folder.models, args.name.as_deref(), args.keep, check_readable)?;
    let Pruned { deleted, kept_champions, kept_previous_champions, unreadable, failures } = &pruned;
    let results = [
        (deleted, "Deleted", ""),
        (kept_champions, "Kept", ", the champion"),
        (kept_previous_champions, "Kept", ", the previous champion"),
        (unreadable, "Kept", ", which cannot be read and does not count"),
    ];
    for (versions, verb, role) in results {
        for version in versions {
            terminal.note(&format!("{verb} {}{role}", version.label));
        }
    }
    if deleted.is_empty() && failures.is_empty() {
        terminal.note("No version was deleted");
    }
    pruned.check_failures()
}

fn promote_version(args: &PromoteArgs, terminal: &mut Terminal<'_>) -> Result<()> {
    let location = find(&args.model, &args.folder.models)?;
    // A file that cannot be read must not become the champion.
    Model::load(&location.path)?;
    promote(&args.folder.models, &location)?;
    terminal.note(&format!("{} is now the champion", location.label));
    Ok(())
}

fn list_versions(args: &ListArgs, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS)?;
    let versions: Vec<ListedVersion> = list(&args.folder.models, args.name.as_deref())?
        .into_iter()
        .map(ListedVersion::read)
        .collect();
    for version in &versions {
        if let Some(problem) = &version.problem {
            let (model, problem) = (version.model.clone(), problem.clone());
            terminal.warn(&Warning::UnreadableVersion { model, problem });
        }
    }
    note_missing_champions(&versions, &args.folder.models, terminal);
    match output.format {
        OutputFormat::Json => return output.write_json(&versions, terminal),
        OutputFormat::Csv => return output.write(&csv(&versions)?, terminal),
        _ => {}
    }
    if versions.is_empty() {
        terminal.note(&format!(
            "No model in `{}`; `pql train` stores the first one",
            args.folder.models.display()
        ));
        return Ok(());
    }
    let header = [
        "model",
        "champion",
        "rows",
        "converting",
        "trained until",
        "columns",
        "ROC AUC",
        "log loss",
        "beats baselines",
    ];
    let mut rows: Vec<Vec<String>> = versions.iter().map(ListedVersion::cells).collect();
    let text = if output.format == OutputFormat::Table {
        table(&header.map(|name| if name == "champion" { "" } else { name }), rows, 2..8)
    } else {
        rows.iter_mut().for_each(|row| row.resize(header.len(), String::new()));
        rows.insert(0, header.map(str::to_owned).to_vec());
        markdown_text(&rows)
    };
    output.write(&text, terminal)
}

/// Notes each listed model that has no champion.
fn note_missing_champions(versions: &[ListedVersion], models: &Path, terminal: &mut Terminal<'_>) {
    for versions in versions.chunk_by(|a, b| model_name(&a.model) == model_name(&b.model)) {
        if let Err(error) = find_champion(model_name(&versions[0].model), models) {
            let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
            terminal.note(&format!("{error}{hint}"));
        }
    }
}

/// Columns of the CSV output: the keys of the JSON output.
const CSV_COLUMNS: [&str; 15] = [
    "model",
    "champion",
    "path",
    "problem",
    "training_rows",
    "converting_training_accounts",
    "last_training_cutoff",
    "columns",
    "penalty",
    "alpha",
    "threshold",
    "test_rows",
    "roc_auc",
    "log_loss",
    "beats_baselines",
];

/// Returns the versions as CSV, with the values of the JSON output; null is empty.
fn csv(versions: &[ListedVersion]) -> Result<String> {
    let mut rows = vec![CSV_COLUMNS.map(str::to_owned).to_vec()];
    for version in versions {
        let values = serde_json::to_value(version)
            .map_err(|source| Error::Json { value: "the result", source })?;
        let cell = |name: &str| match values.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        rows.push(CSV_COLUMNS.map(cell).to_vec());
    }
    Ok(csv_text(&rows))
}
