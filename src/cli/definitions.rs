//! `pql definitions`

use super::Terminal;
use super::shared::{ProjectArgs, definitions};
use crate::error::{Error, Result};
use crate::io::write::format_number;
use crate::report::text;
use crate::rules::definition::{Counted, counts};

/// List the PQL definitions of the project file with what each finds in the log
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// An array of JSON objects
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let config = args.project.load()?;
    if config.definition.is_empty() {
        let hint =
            Some("write one as in the README, or let `pql discover --write` find some".to_owned());
        return Err(Error::Usage {
            problem: "the project file has no `[[definition]]`".to_owned(),
            hint,
        });
    }
    let log = args.project.training_log(&config, terminal)?;
    let counted = counts(&definitions(&args.project, &config, &log)?, &log)?;
    if args.json {
        return terminal.say_json(&counted);
    }
    let header = [
        "definition",
        "type",
        "PQLs",
        "% of accounts",
        "median days",
        "converted before",
        "at or after",
        "never a PQL",
    ];
    terminal.say(&text::table(&header, counted.iter().map(row).collect(), 2..8))
}

fn row(of: &Counted) -> Vec<String> {
    let days =
        of.median_days.map_or_else(String::new, |days| format_number((days * 10.0).round() / 10.0));
    let converted =
        [of.converted_before, of.converted_after, of.converted_without].map(|n| n.to_string());
    let mut cells = vec![
        of.name.clone(),
        of.kind.to_owned(),
        of.pqls.to_string(),
        format!("{:.1}", 100.0 * of.share),
        days,
    ];
    cells.extend(converted);
    cells
}
