//! `pql score`

use std::path::PathBuf;

use super::Terminal;
use super::shared::{ModelsArgs, ProjectArgs, format_of, spare, spare_data};
use crate::error::Result;
use crate::io::write::Format;
use crate::model::Model;
use crate::model::score::{LogBatch, Scorer, Summary};
use crate::operations::scoring::{ScoreTargets, score_log_to, score_matrix_to};
use crate::time::Timestamp;

/// Score accounts: probability, percentile, tier and reasons
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Model: a file, NAME (its champion) or NAME/VERSION
    #[arg(long, value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    folder: ModelsArgs,
    /// Score a feature matrix instead of events
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    features: Option<PathBuf>,
    /// Score the accounts as they stood at this time, a date being its midnight, UTC [default: the
    /// end of the log]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Reasons for each account; the columns of the others stay empty
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=3))]
    reasons: u8,
    /// Table to write, `-` for stdout
    #[arg(short, long, value_name = "FILE", required_unless_present = "ledger")]
    output: Option<PathBuf>,
    /// Folder to keep the scores in as well, one folder for each time: `pql alerts` and `pql
    /// monitor` read it
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// Format, where the ending of the file does not tell: parquet, csv, ndjson
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let format = args.output.as_ref().map(|path| format_of(path, args.format)).transpose()?;
    let (model, found) = args.folder.load(&args.model)?;
    let scorer = Scorer::new(&model, &found.label)?.with_reasons(args.reasons.into());
    let targets =
        ScoreTargets { table: args.output.as_deref().zip(format), ledger: args.ledger.as_deref() };
    let file = args.project.load()?;
    let run = if let Some(path) = &args.features {
        args.output.as_deref().map_or(Ok(()), |output| spare(path, output))?;
        score_matrix_to(targets, &scorer, (&model, path, &file), &mut terminal.sink())?
    } else {
        model.usage_features(&found.label)?;
        let config = model.project_config(&file, &mut terminal.sink())?;
        args.output.as_deref().map_or(Ok(()), |output| spare_data(&config, output))?;
        let log = args.project.model_log(&config, &model, args.at, terminal)?;
        let batch = LogBatch::observe(&model, &found.label, &config, &log, &mut terminal.sink())?;
        score_log_to(targets, scorer, &batch, &mut terminal.sink())?
    };
    if let Some(file) = &run.ledger_file {
        terminal.note(&format!("scores kept in {}", file.display()));
    }
    report(&run.summary, &model, terminal);
    Ok(())
}

fn report(summary: &Summary, model: &Model, terminal: &mut Terminal<'_>) {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = 100.0 * summary.reached as f64 / summary.scored.max(1) as f64;
    let value = summary.expected_value.map_or(String::new(), |value| {
        format!(", worth {value:.0} after the cost of contacting them")
    });
    terminal.note(&format!(
        "{} accounts scored, {:.1} conversions expected; {} ({share:.1} %) reach the threshold of {:.4}, {:.1} conversions expected of them{value}",
        summary.scored, summary.expected_conversions, summary.reached, model.threshold, summary.expected_of_reached
    ));
    if summary.pqls > 0 {
        terminal.note(&format!(
            "{} accounts are PQLs by a definition; {} qualify",
            summary.pqls, summary.qualified
        ));
    }
}
