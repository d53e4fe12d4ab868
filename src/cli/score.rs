//! `pql score`

use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, IntoColumn, StringChunked};

use super::Terminal;
use super::features::matrix_only;
use super::shared::{ProjectArgs, format_of, load_model, matrix_rule, with_model};
use crate::config::{Config, QualifyBy};
use crate::definition::{Definition, Pql, pqls};
use crate::error::{Error, Result};
use crate::features::{Catalogue, compute};
use crate::ingest::Log;
use crate::matrix;
use crate::model::Model;
use crate::observe::observe_at;
use crate::output::{Format, Table, TableWriter};
use crate::score::{Batch, Scorer, Summary};
use crate::time::{DAY, Instant};

/// Score accounts: probability, percentile, tier and reasons
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Model: a file, NAME (its champion) or NAME/VERSION
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Score a feature matrix instead of events
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    features: Option<PathBuf>,
    /// Score the accounts as they stood at this time, a date being its midnight, UTC [default: the end of the log]
    #[arg(long, value_name = "TIME")]
    at: Option<Instant>,
    /// Reasons for each account; the columns of the others stay empty
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=3))]
    reasons: u8,
    /// Table to write, `-` for stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Format, where the ending of the file does not tell: parquet, csv, ndjson
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let format = format_of(&args.output, args.format)?;
    let (model, found) = load_model(&args.model, &args.models)?;
    let mut scorer = Scorer::new(&model, &found.label)?.with_reasons(args.reasons.into());
    let mut output = Output { path: &args.output, format, writer: None, summary: Summary::default() };
    if let Some(path) = &args.features {
        let (file, stored) = (args.project.load()?, model.config()?);
        without_events(if file.definition.is_empty() { &stored } else { &file }, terminal)?;
        let rule = matrix_rule(file.matrix, &model)?;
        matrix::batches(path, &rule, &model.preprocessor.kinds(), &mut |batch| {
            let (features, account) = (&batch.features, &batch.account);
            output.take(&scorer, &Batch { features, account, cutoff: &batch.cutoff, unscored: &[], pqls: &[] })
        })?;
    } else {
        let log = FromLog::read(args, &model, &found.label, terminal)?;
        scorer = scorer.qualifying_by(log.by);
        output.take_log(&log, &scorer)?;
    }
    let summary = output.finish(&scorer)?;
    report(&summary, &model, terminal);
    Ok(())
}

/// A matrix has no events for a definition to count.
fn without_events(config: &Config, terminal: &mut Terminal<'_>) -> Result<()> {
    let by = config.qualify.by;
    if matches!(by, QualifyBy::Definition | QualifyBy::Both) {
        let hint = Some("score events (`-c pql.toml` without `--features`), or train with `qualify.by` model or either".to_owned());
        let problem = format!("accounts qualify by {}, and a matrix has no events for a definition to count", by.name());
        return Err(Error::Usage { problem, hint });
    }
    if !config.definition.is_empty() && by == QualifyBy::Either {
        terminal.note("warning: a matrix has no events for definitions to count: accounts qualify by the model alone");
    }
    Ok(())
}

/// What is scored of a log.
struct FromLog {
    features: DataFrame,
    account: Column,
    cutoff: Vec<Option<i64>>,
    unscored: Vec<Option<&'static str>>,
    pqls: Vec<Option<Pql>>,
    by: QualifyBy,
}

impl FromLog {
    fn read(args: &Args, model: &Model, label: &str, terminal: &mut Terminal<'_>) -> Result<Self> {
        let catalogue = model.catalogue.as_ref().ok_or_else(|| matrix_only(label))?;
        let config = with_model(&args.project.load()?, model, terminal)?;
        let until = args.at.or(config.observation.until).map(|t| t.0);
        let log = args.project.log(&config, until, &model.preprocessor.kinds(), terminal)?;
        let (definitions, unknown) = Definition::compile_known(&config.definition, &log.events);
        for warning in doubts(&log, catalogue).into_iter().chain(unknown.into_iter().map(|unknown| unknown.problem)) {
            terminal.note(&format!("warning: {warning}"));
        }
        let (observations, standings) = observe_at(&log, &config.observation);
        for (reason, count) in &observations.left_out {
            terminal.note(&format!("{count} accounts give no row: {reason}"));
        }
        let account: StringChunked = observations.account.iter().map(|a| Some(&log.accounts.id[*a as usize])).collect();
        Ok(Self {
            features: compute(catalogue, &log, &observations, &terminal.progress)?,
            account: account.into_column(),
            pqls: pqls(&definitions, &log, &observations.account)?,
            cutoff: observations.cutoff.iter().map(|c| Some(*c)).collect(),
            unscored: standings.iter().map(|s| s.reason()).collect(),
            by: config.qualify.by,
        })
    }
}

/// What makes a log look like none the model knows: it ends long before the cutoff, or event names are gone.
fn doubts(log: &Log, catalogue: &Catalogue) -> Vec<String> {
    /// Days without any event after which a log looks as if its extract had stopped.
    const SILENT: i64 = 3;
    let mut doubts = Vec::new();
    let last = log.events.last();
    let silent = last.map_or(0, |last| (log.until - last) / DAY);
    if silent >= SILENT {
        doubts.push(format!("the last event is {silent} days before the cutoff: is the log complete?"));
    }
    let gone: Vec<String> = catalogue.counted.iter().filter(|n| log.events.names.code(n).is_none()).map(|n| format!("`{n}`")).collect();
    if !gone.is_empty() {
        doubts.push(format!("no event is named {}, which the model counts", gone.join(", ")));
    }
    doubts
}

/// The table being written, opened with the first batch.
struct Output<'a> {
    path: &'a Path,
    format: Format,
    writer: Option<TableWriter>,
    summary: Summary,
}

impl Output<'_> {
    fn take_log(&mut self, log: &FromLog, scorer: &Scorer<'_>) -> Result<()> {
        let FromLog { features, account, cutoff, unscored, pqls, .. } = log;
        self.take(scorer, &Batch { features, account, cutoff, unscored, pqls })
    }

    fn take(&mut self, scorer: &Scorer<'_>, rows: &Batch<'_>) -> Result<()> {
        let (tables, summary) = scorer.parts(rows)?;
        self.summary.add(summary);
        tables.into_iter().try_for_each(|table| self.put(table))
    }

    fn put(&mut self, table: Table) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(TableWriter::create(self.path, self.format, &table.schema())?),
        };
        writer.write(table)
    }

    /// Finish the table; one without rows has its columns all the same.
    fn finish(mut self, scorer: &Scorer<'_>) -> Result<Summary> {
        if self.writer.is_none() {
            self.put(scorer.empty()?)?;
        }
        self.writer.expect("it was just opened").finish()?;
        Ok(self.summary)
    }
}

fn report(summary: &Summary, model: &Model, terminal: &mut Terminal<'_>) {
    for (feature, count) in &summary.unseen {
        terminal.note(&format!("warning: {count} rows have a value of `{feature}` that no training row had"));
    }
    for (reason, count) in &summary.unscored {
        terminal.note(&format!("warning: {count} rows {reason}"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = 100.0 * summary.reached as f64 / summary.scored.max(1) as f64;
    let value = summary.expected_value.map_or(String::new(), |value| format!(", worth {value:.0} after the cost of contacting them"));
    terminal.note(&format!(
        "{} accounts scored, {:.1} conversions expected; {} ({share:.1} %) reach the threshold of {:.4}, {:.1} conversions expected of them{value}",
        summary.scored, summary.expected_conversions, summary.reached, model.threshold, summary.expected_of_reached
    ));
    if summary.pqls > 0 {
        terminal.note(&format!("{} accounts are PQLs by a definition; {} qualify", summary.pqls, summary.qualified));
    }
}
