//! `pql score`

use std::path::{Path, PathBuf};

use super::Terminal;
use super::output::{CsvArgs, OutputArgs, ROW_FORMATS, limit_formats};
use super::paths::local_path;
use super::shared::{BatchArgs, ModelArgs, ProjectArgs};
use crate::config::{CutoffScheme, ObservationConfig};
use crate::error::Result;
use crate::io::database::LoadMode;
use crate::io::write::Format;
use crate::model::Model;
use crate::model::score::{LogBatch, ScoreOrder, ScoreRows, Scorer, ScoringSummary};
use crate::operations::alerts::ScoredLog;
use crate::operations::scoring::{ScoreTargets, score_log_to, score_matrix_to};
use crate::report::format::{agree, counted, grouped, percent, span, wrap};
use crate::report::text;
use crate::time::{TimeSpan, Timestamp, ZonedTime};

/// Score accounts: probability, percentile, tier and reasons
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, ROW_FORMATS).requires("output")))]
#[command(mut_arg("memory", |arg| {
    arg.help("Memory limit for the log and for sorting, such as 500MB; the excess is spilled to temporary files")
}))]
#[command(mut_arg("output", |arg| {
    arg.required_unless_present("ledger")
        .help("Output file (`-`: standard output), or a table such as `warehouse:pql_scores`")
}))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    batch: BatchArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    csv: CsvArgs,
    /// Maximum number of reasons; all reason columns are written
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 3,
        value_parser = clap::value_parser!(u8).range(0..=3),
        allow_negative_numbers = true,
        help_heading = "Output"
    )]
    reasons: u8,
    /// Order of the rows: highest probability first, or by account
    #[arg(
        long,
        value_name = "ORDER",
        default_value = "probability",
        requires = "output",
        help_heading = "Output"
    )]
    sort: SortOrder,
    /// Also write accounts without a probability; `reason_1` has the cause
    #[arg(long, requires = "output", help_heading = "Output")]
    all: bool,
    /// Rows of the output table to replace [default: append]
    #[arg(long, value_name = "MODE", requires = "output", help_heading = "Output")]
    mode: Option<TableMode>,
    /// Also store the scores in this folder, for `pql alerts` and `pql monitor`
    #[arg(long, value_name = "DIR", help_heading = "Output", value_parser = local_path())]
    ledger: Option<PathBuf>,
}

/// Order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SortOrder {
    /// Highest probability first, of equal ones by account
    Probability,
    /// By account
    Account,
}

/// What happens to the rows of an output table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TableMode {
    /// Those of the same accounts, model and cutoff
    Append,
    /// All
    Replace,
    /// Those of the same accounts
    Upsert,
}

impl From<TableMode> for LoadMode {
    fn from(mode: TableMode) -> Self {
        match mode {
            TableMode::Append => Self::Append,
            TableMode::Replace => Self::Replace,
            TableMode::Upsert => Self::Upsert,
        }
    }
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let file = args.project.load(&terminal.files)?;
    let load = args.output.database_table(args.mode.map(LoadMode::from))?;
    let table = match &load {
        Some(load) => Some((load.file(), Format::Arrow)),
        None => args.output.row_file(args.csv, &terminal.files)?,
    };
    args.ledger.as_deref().map_or(Ok(()), |ledger| terminal.files.add_ledger(ledger))?;
    let (model, location) = args.model.load(terminal)?;
    terminal.warn_of_verdict(&model, &location.label);
    let scorer = Scorer::new(&model, &location.label)?.with_reasons(args.reasons.into());
    let order = match args.sort {
        SortOrder::Probability => ScoreOrder::Probability,
        SortOrder::Account => ScoreOrder::Account,
    };
    let files = terminal.files.clone();
    let targets = ScoreTargets {
        table: table.as_ref().map(|(file, format)| (file, *format)),
        load: load.as_ref(),
        rows: ScoreRows { order, all: args.all },
        ledger: args.ledger.as_deref(),
        files: &files,
        memory: args.project.memory,
    };
    let mut period = None;
    let run = if let Some(path) = args.batch.path(&terminal.files)? {
        score_matrix_to(targets, &scorer, (&model, path, &file), &mut terminal.sink())?
    } else {
        model.usage_features(&location.label)?;
        let config = model.project_config(&file, &mut terminal.sink())?;
        let log = args.project.model_log(&config, &model, args.batch.at, terminal)?;
        let batch =
            LogBatch::observe(&model, &location.label, &config, &log, &mut terminal.sink())?;
        let ObservationConfig { cutoffs, age, horizon, .. } = config.observation;
        let age = (cutoffs == CutoffScheme::Age).then_some(age);
        period = Some(Period { time: batch.time, horizon, age });
        let source = ScoredLog { model: &model, config: &config, log: &log };
        score_log_to(targets, scorer, (&batch, source), &mut terminal.sink())?
    };
    report(&run.summary, &model, period.as_ref(), terminal);
    let order = match args.sort {
        SortOrder::Probability => ", highest probability first",
        SortOrder::Account => ", by account",
    };
    let path = table.as_ref().map(|(file, _)| file.path());
    if let Some(load) = &load {
        terminal.note(&format!("Loaded {}", load.path().display()));
    } else if let Some(path) = path.filter(|path| *path != Path::new("-")) {
        terminal.note(&format!("Wrote {}{order}", path.display()));
    }
    if let Some(file) = &run.ledger_file {
        terminal.note(&format!("Wrote {}", file.display()));
    }
    Ok(())
}

/// The time of the scores and the horizon of the conversions.
struct Period {
    time: Timestamp,
    horizon: TimeSpan,
    /// Age at which accounts are observed; `None` with snapshots.
    age: Option<TimeSpan>,
}

/// Prints how many conversions are expected.
fn report(
    summary: &ScoringSummary,
    model: &Model,
    period: Option<&Period>,
    terminal: &mut Terminal<'_>,
) {
    let time = period.map_or(String::new(), |p| {
        format!(" as of {}", ZonedTime::new(p.time.0, model.zone()).with_time_of_day())
    });
    let scored = format!("{} scored{time}", counted(summary.scored, "account"));
    if summary.scored == 0 {
        return terminal.note(&scored);
    }
    let expected = text::decimal(summary.expected_conversions, 1);
    match period {
        Some(Period { horizon, age: Some(age), .. }) => {
            terminal.note(&format!("{scored}; at most {expected} conversions expected"));
            terminal.note_lines(&wrap(
                &format!(
                    "  Each account is scored at the age of {}: the probability to convert within {} from then on. The score does not change until this horizon ends.",
                    span(*age),
                    span(*horizon)
                ),
                "  ",
            ));
        }
        Some(Period { horizon, .. }) => terminal.note(&format!(
            "{scored}; {expected} conversions expected in the next {}",
            span(*horizon)
        )),
        None => terminal.note(&format!("{scored}; {expected} conversions expected")),
    }
    let value = summary.expected_value.map_or(String::new(), |value| {
        format!(", worth {} after the cost of contacting them", text::decimal(value, 0))
    });
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = summary.above_threshold as f64 / summary.scored.max(1) as f64;
    let at_most = if period.is_some_and(|p| p.age.is_some()) { "at most " } else { "" };
    let line = format!(
        "  {} ({}) {} the threshold of {}; {at_most}{} conversions expected among them{value}",
        grouped(summary.above_threshold),
        text::percent(Some(share)),
        agree(summary.above_threshold, ["reaches", "reach"]),
        percent(model.threshold),
        text::decimal(summary.expected_above_threshold, 1)
    );
    terminal.note_lines(&wrap(&line, "  "));
    for line in [ineligible_line(summary), qualified_line(summary)].into_iter().flatten() {
        terminal.note_lines(&wrap(&line, "  "));
    }
}

/// Returns how many scored accounts are not eligible, by reason; `None` if all are.
fn ineligible_line(summary: &ScoringSummary) -> Option<String> {
    if summary.ineligible == 0 {
        return None;
    }
    let counts: Vec<String> = summary
        .ineligible_by
        .iter()
        .map(|(reason, count)| format!("{} {}", grouped(*count), reason.code()))
        .collect();
    let line = format!(
        "  {} of the {} {} not eligible and {} not qualify: {}",
        grouped(summary.ineligible),
        counted(summary.scored, "scored account"),
        agree(summary.ineligible, ["is", "are"]),
        agree(summary.ineligible, ["does", "do"]),
        counts.join(", ")
    );
    let reasons: u64 = summary.ineligible_by.values().sum();
    let overlap =
        if reasons > summary.ineligible { " (an account can have several reasons)" } else { "" };
    Some(line + overlap)
}

/// Returns how many scored accounts qualify, by cause. `None` if these are the accounts that reach
/// the threshold: all are eligible, and none qualifies by a definition.
fn qualified_line(summary: &ScoringSummary) -> Option<String> {
    let causes = ["by the model", "by a definition", "by both"];
    let [_, by_definition, by_both] = summary.qualified_by;
    if by_definition + by_both + summary.ineligible == 0 {
        return None;
    }
    let qualified: u64 = summary.qualified_by.iter().sum();
    if by_definition + by_both == 0 {
        return Some(format!(
            "  {} of the {} {}: {} eligible and {} the threshold",
            grouped(qualified),
            counted(summary.scored, "scored account"),
            agree(qualified, ["qualifies", "qualify"]),
            agree(qualified, ["it is", "they are"]),
            agree(qualified, ["reaches", "reach"])
        ));
    }
    let counts: Vec<String> = causes
        .iter()
        .zip(summary.qualified_by)
        .filter(|(_, count)| *count > 0)
        .map(|(cause, count)| format!("{} {cause}", grouped(count)))
        .collect();
    Some(format!(
        "  {} of the {} {}: {}",
        grouped(qualified),
        counted(summary.scored, "scored account"),
        agree(qualified, ["qualifies", "qualify"]),
        counts.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warning::IneligibleReason;

    #[test]
    fn only_scored_accounts_are_counted_as_qualified() {
        let summary =
            ScoringSummary { scored: 594, qualified_by: [20, 50, 90], ..ScoringSummary::default() };
        assert_eq!(
            qualified_line(&summary).unwrap(),
            "  160 of the 594 scored accounts qualify: 20 by the model, 50 by a definition, 90 by both"
        );
        assert_eq!(qualified_line(&ScoringSummary { qualified_by: [5, 0, 0], ..summary }), None);
    }

    #[test]
    fn accounts_that_are_not_eligible_are_counted_once() {
        let by = |deals, few| {
            [(IneligibleReason::OpenDeal, deals), (IneligibleReason::FewUsers, few)].into()
        };
        let mut summary = ScoringSummary {
            scored: 594,
            above_threshold: 34,
            qualified_by: [29, 0, 0],
            ineligible: 100,
            ineligible_by: by(40, 60),
            ..ScoringSummary::default()
        };
        assert_eq!(
            qualified_line(&summary).unwrap(),
            "  29 of the 594 scored accounts qualify: they are eligible and reach the threshold"
        );
        assert_eq!(
            ineligible_line(&summary).unwrap(),
            "  100 of the 594 scored accounts are not eligible and do not qualify: 40 open-deal, 60 few-active-users"
        );
        summary.ineligible_by = by(70, 60);
        assert!(
            ineligible_line(&summary).unwrap().ends_with(
                "70 open-deal, 60 few-active-users (an account can have several reasons)"
            )
        );
    }
}
