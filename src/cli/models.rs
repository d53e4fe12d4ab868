//! `pql models`

mod listed;

use std::collections::BTreeSet;
use std::path::Path;

use clap::Subcommand;
use serde_json::Value;

use self::listed::ListedVersion;
use super::Terminal;
use super::output::{CsvArgs, OutputArgs, OutputFormat, csv_text, limit_formats, markdown_text};
use super::shared::{ModelsArgs, whole_number};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::registry::versions::{
    Pruned, broken, find, find_champion, list, model_name, promote, prune, rollback,
};
use crate::report::text::table;
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
    #[command(flatten)]
    csv: CsvArgs,
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

/// Returns whether all evaluated versions have the same test set, so that their metrics can be
/// compared.
fn have_same_test_set(versions: &[ListedVersion]) -> bool {
    let ids: BTreeSet<&str> =
        versions.iter().filter_map(|version| Some(version.test()?.id.as_str())).collect();
    ids.len() == 1
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
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    let stored = list(&args.folder.models, args.name.as_deref())?;
    for version in &stored {
        args.folder.add_versions(model_name(&version.location.label), &terminal.files)?;
    }
    let versions: Vec<ListedVersion> = stored.into_iter().map(ListedVersion::read).collect();
    warn_of_broken(&versions, &args.folder.models, terminal);
    match output.format {
        OutputFormat::Json => return output.write_json(&versions, terminal),
        OutputFormat::Csv => return output.write(&versions_csv(&versions, args.csv)?, terminal),
        _ => {}
    }
    if versions.is_empty() {
        terminal.note(&format!(
            "No model in `{}`; `pql train` stores the first one",
            args.folder.models.display()
        ));
        return Ok(());
    }
    let with_auc = have_same_test_set(&versions);
    let mut header =
        vec!["model", "champion", "verdict", "trained to", "test period", "rows", "converted"];
    if versions.iter().any(ListedVersion::is_refitted) {
        terminal.note(
            "*: after its test, the version was fitted again on all rows, including the test rows. The test is that of a fit without them.",
        );
    }
    if with_auc {
        header.push("ROC AUC");
    } else if versions.iter().any(|version| version.test().is_some()) {
        terminal.note(
            "ROC AUC is not listed, because the versions were tested on different rows. `pql compare` evaluates two versions on the same rows.",
        );
    }
    let mut rows: Vec<Vec<String>> = versions.iter().map(|v| v.cells(with_auc)).collect();
    let text = if output.format == OutputFormat::Table {
        header[1] = "";
        table(&header, rows, 6..header.len())
    } else {
        rows.iter_mut().for_each(|row| row.resize(header.len(), String::new()));
        rows.insert(0, header.iter().map(|name| (*name).to_owned()).collect());
        markdown_text(&rows)
    };
    output.write(&text, terminal)
}

/// Warns about champions, versions and cards that are broken, and notes names without a champion.
fn warn_of_broken(versions: &[ListedVersion], models: &Path, terminal: &mut Terminal<'_>) {
    for version in versions {
        if let Some(problem) = &version.problem {
            let (model, problem) = (version.model.clone(), problem.clone());
            terminal.warn(&Warning::UnreadableVersion { model, problem });
        }
        if let Some(problem) = &version.card_problem {
            let (model, problem) = (version.model.clone(), problem.clone());
            terminal.warn(&Warning::BrokenModel { model, problem });
        }
    }
    for versions in versions.chunk_by(|a, b| model_name(&a.model) == model_name(&b.model)) {
        let name = model_name(&versions[0].model);
        let broken = broken(models, name);
        if let Err(error) = find_champion(name, models)
            && broken.iter().all(|(model, _)| model != name)
        {
            let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
            terminal.note(&format!("{error}{hint}"));
        }
        for (model, problem) in broken {
            terminal.warn(&Warning::BrokenModel { model, problem });
        }
    }
}

/// Columns of the CSV output, and the keys of the JSON output that they contain.
const CSV_COLUMNS: [(&str, &str); 24] = [
    ("model", "/model"),
    ("champion", "/champion"),
    ("path", "/path"),
    ("problem", "/problem"),
    ("verdict", "/verdict/code"),
    ("verdict_text", "/verdict/text"),
    ("verdict_caution", "/verdict/caution"),
    ("training_rows", "/training_rows"),
    ("converting_training_accounts", "/converting_training_accounts"),
    ("last_training_cutoff", "/last_training_cutoff"),
    ("columns", "/columns"),
    ("penalty", "/penalty/kind"),
    ("l1_ratio", "/penalty/l1_ratio"),
    ("alpha", "/alpha"),
    ("threshold", "/threshold"),
    ("test_id", "/test/id"),
    ("test_rows", "/test/rows"),
    ("test_accounts", "/test/accounts"),
    ("test_converting_accounts", "/test/converting_accounts"),
    ("test_first_cutoff", "/test/first_cutoff"),
    ("test_last_cutoff", "/test/last_cutoff"),
    ("test_roc_auc", "/test/roc_auc"),
    ("test_log_loss", "/test/log_loss"),
    ("refit", "/refit"),
];

/// Returns the versions as CSV, with the values of the JSON output; null is empty.
fn versions_csv(versions: &[ListedVersion], csv: CsvArgs) -> Result<String> {
    let mut rows = vec![CSV_COLUMNS.map(|(name, _)| name.to_owned()).to_vec()];
    for version in versions {
        let values = serde_json::to_value(version)
            .map_err(|source| Error::Json { value: "the result", source })?;
        let cell = |(_, pointer): (&str, &str)| match values.pointer(pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        rows.push(CSV_COLUMNS.map(cell).to_vec());
    }
    Ok(csv_text(rows, csv))
}
