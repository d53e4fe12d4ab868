//! `pql features`

use polars::prelude::*;

use super::Terminal;
use super::output::{CsvArgs, OutputArgs, ROW_FORMATS, limit_formats};
use super::shared::{ModelsArgs, ProjectArgs};
use crate::dataset::observations::Outcome;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::write::{time_column, write_table};
use crate::report::format::{counted, wrap};
use crate::time::WrittenTime;
use crate::training::{rows_for_features, rows_for_model, rows_for_scoring};
use crate::warning::dropped_features;

/// Write the feature matrix with cutoffs and outcomes
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, ROW_FORMATS)))]
#[command(mut_arg("output", |arg| arg.required(true).help("Output file (`-`: standard output)")))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Use the accounts as of this time (a date means 00:00) [default: the training cutoffs]
    #[arg(long, value_name = "TIME", requires = "model", help_heading = "Input")]
    at: Option<WrittenTime>,
    /// Write the features of this model: NAME, NAME/VERSION or a file
    #[arg(long, value_name = "MODEL", help_heading = "Model")]
    model: Option<String>,
    #[command(flatten)]
    folder: ModelsArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    csv: CsvArgs,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (output, format) =
        args.output.row_file(args.csv, &terminal.files)?.expect("clap requires `--output`");
    let file = args.project.load(&terminal.files)?;
    let rows = match &args.model {
        None => {
            let log = args.project.training_log(&file, terminal)?;
            let rows = rows_for_features(&file, log, &mut terminal.sink())?;
            dropped_features(&rows.uncomputed_measures())
                .iter()
                .for_each(|line| terminal.note_lines(&wrap(line, "  ")));
            rows
        }
        Some(model) => {
            let (model, location) = args.folder.load(model, terminal)?;
            let config = model.project_config(&file, &mut terminal.sink())?;
            let catalog = model.usage_features(&location.label)?.clone();
            let log = args.project.model_log(&config, &model, args.at, terminal)?;
            if args.at.is_none() {
                rows_for_model(&config, log, catalog, &mut terminal.sink())?
            } else {
                rows_for_scoring(&config, log, catalog, &mut terminal.sink())?
            }
        }
    };
    let table = table(&rows)?;
    write_table(&output, format, &table)?;
    terminal.note(&format!(
        "Wrote {} with {} to {}",
        counted(table.height() as u64, "row"),
        counted(rows.features.width() as u64, "feature"),
        output.path().display()
    ));
    Ok(())
}

/// Returns keys, outcomes and features in one table.
fn table(rows: &Rows) -> Result<DataFrame> {
    let outcome = |y: &Option<bool>| match y {
        Some(true) => Outcome::Converted.name(),
        Some(false) => Outcome::NotConverted.name(),
        None => Outcome::Immature.name(),
    };
    let mut columns = vec![
        Column::new(
            "account_id".into(),
            rows.account.iter().map(|a| &rows.names[*a as usize]).collect::<Vec<_>>(),
        ),
        time_column("cutoff", rows.cutoff.iter().flatten().map(|c| Some(*c))),
        Column::new("outcome".into(), rows.y.iter().map(outcome).collect::<Vec<_>>()),
        Column::new(
            "converted".into(),
            rows.y.iter().map(|y| y.map(i64::from)).collect::<Vec<_>>(),
        ),
        Column::new("split".into(), rows.split.iter().map(|s| s.name()).collect::<Vec<_>>()),
    ];
    columns.extend(rows.features.columns().iter().cloned());
    DataFrame::new(rows.account.len(), columns).map_err(|e| Error::table("the feature matrix", e))
}
