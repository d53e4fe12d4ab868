//! `pql features`

use std::path::PathBuf;

use polars::prelude::*;

use super::Terminal;
use super::shared::{ModelsArgs, ProjectArgs, Purpose, format_of, observed_rows, spare_data, with_model};
use super::tables;
use crate::error::{Error, Result};
use crate::features::compute;
use crate::observe::{Outcome, observe_at};
use crate::output::{Format, time_column, write_table};
use crate::rows::Rows;
use crate::time::Instant;

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
    /// With --model: observe at this time, as `pql score` would, instead of at the cutoffs of training
    #[arg(long, value_name = "TIME", requires = "model")]
    at: Option<Instant>,
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
            let rows = observed_rows(&file, log, Purpose::Features, terminal)?;
            for line in tables::left_out(&rows.not_computed()) {
                terminal.note(&line);
            }
            rows
        }
        Some(model) => {
            let (model, found) = args.folder.load(model)?;
            let config = with_model(&file, &model, terminal)?;
            let catalogue = model.catalogue.clone().ok_or_else(|| matrix_only(&found.label))?;
            let kinds = model.preprocessor.kinds();
            let until = args.at.or(config.observation.until).map(|t| t.0);
            let log = args.project.log(&config, until, &kinds, terminal)?;
            if args.at.is_none() {
                observed_rows(&config, log, Purpose::Model(catalogue), terminal)?
            } else {
                let (observations, standings) = observe_at(&log, &config.observation);
                let unscored = standings.iter().filter(|standing| standing.reason().is_some()).count();
                if unscored > 0 {
                    terminal.note(&format!(
                        "warning: {unscored} of {} rows are of accounts that `pql score --at` does not score, being too young, too old, or past their horizon",
                        standings.len()
                    ));
                }
                let features = compute(&catalogue, &log, &observations, &terminal.progress)?;
                Rows::of_log(log, observations, catalogue, features)
            }
        }
    };
    let table = table(&rows)?;
    write_table(&args.output, format, &table)?;
    terminal.note(&format!("{} rows, {} features to {}", table.height(), rows.features.width(), args.output.display()));
    Ok(())
}

/// The refusal of a model that knows no usage features.
pub(super) fn matrix_only(label: &str) -> Error {
    Error::Usage {
        problem: format!("the model `{label}` was trained on a feature matrix and cannot compute features from events"),
        hint: Some("give `--features FILE`".to_owned()),
    }
}

/// Keys, outcomes and features in one table.
fn table(rows: &Rows) -> Result<DataFrame> {
    let outcome = |y: &Option<bool>| match y {
        Some(true) => Outcome::Converted.name(),
        Some(false) => Outcome::Not.name(),
        None => Outcome::Open.name(),
    };
    let mut columns = vec![
        Column::new("account_id".into(), rows.account.iter().map(|a| &rows.names[*a as usize]).collect::<Vec<_>>()),
        time_column("cutoff", rows.cutoff.iter().flatten().map(|c| Some(*c))),
        Column::new("outcome".into(), rows.y.iter().map(outcome).collect::<Vec<_>>()),
        Column::new("converted".into(), rows.y.iter().map(|y| y.map(i64::from)).collect::<Vec<_>>()),
        Column::new("split".into(), rows.split.iter().map(|s| s.name()).collect::<Vec<_>>()),
    ];
    columns.extend(rows.features.columns().iter().cloned());
    DataFrame::new(rows.account.len(), columns).map_err(|e| Error::Unsuitable { problem: format!("the feature matrix: {e}"), hint: None })
}
