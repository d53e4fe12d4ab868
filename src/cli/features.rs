//! `pql features`

use std::path::PathBuf;

use polars::prelude::*;

use super::Terminal;
use super::shared::{ModelsArgs, ProjectArgs, format_of, spare_data};
use crate::dataset::observations::Outcome;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::write::{Format, time_column, write_table};
use crate::time::Timestamp;
use crate::training::{rows_for_features, rows_for_model, rows_for_scoring};
use crate::warning::dropped_features;

/// Write the feature matrix with cutoffs and outcomes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Table to write, `-` for stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Format, where the ending of the file does not tell: parquet, csv, ndjson
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Take the features of this model: a file, NAME or NAME/VERSION
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// With --model: observe at this time, as `pql score` would, instead of at the cutoffs of
    /// training
    #[arg(long, value_name = "TIME", requires = "model")]
    at: Option<Timestamp>,
    #[command(flatten)]
    folder: ModelsArgs,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let format = format_of(&args.output, args.format)?;
    let file = args.project.load()?;
    spare_data(&file, &args.output)?;
    let rows = match &args.model {
        None => {
            let log = args.project.training_log(&file, terminal)?;
            let rows = rows_for_features(&file, log, &mut terminal.sink())?;
            dropped_features(&rows.not_computed()).iter().for_each(|line| terminal.note(line));
            rows
        }
        Some(model) => {
            let (model, found) = args.folder.load(model)?;
            let config = model.project_config(&file, &mut terminal.sink())?;
            let catalogue = model.usage_features(&found.label)?.clone();
            let log = args.project.model_log(&config, &model, args.at, terminal)?;
            if args.at.is_none() {
                rows_for_model(&config, log, catalogue, &mut terminal.sink())?
            } else {
                rows_for_scoring(&config, log, catalogue, &mut terminal.sink())?
            }
        }
    };
    let table = table(&rows)?;
    write_table(&args.output, format, &table)?;
    terminal.note(&format!(
        "{} rows, {} features to {}",
        table.height(),
        rows.features.width(),
        args.output.display()
    ));
    Ok(())
}

/// Keys, outcomes and features in one table.
fn table(rows: &Rows) -> Result<DataFrame> {
    let outcome = |y: &Option<bool>| match y {
        Some(true) => Outcome::Converted.name(),
        Some(false) => Outcome::Not.name(),
        None => Outcome::Open.name(),
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
