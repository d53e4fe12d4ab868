//! `pql score`

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use polars::prelude::{Column, DataFrame, IntoColumn, StringChunked};

use super::Terminal;
use super::features::matrix_only;
use super::shared::{ModelsArgs, ProjectArgs, format_of, matrix_rule, spare, spare_data, with_model};
use crate::config::{Config, MatrixRule, QualifyBy};
use crate::definition::{Definition, Pql, pqls};
use crate::error::{Error, Result};
use crate::features::{Catalogue, compute};
use crate::ingest::Log;
use crate::ledger::Entry;
use crate::matrix;
use crate::model::Model;
use crate::observe::{observe_at, scored_at};
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
    #[command(flatten)]
    folder: ModelsArgs,
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
    #[arg(short, long, value_name = "FILE", required_unless_present = "ledger")]
    output: Option<PathBuf>,
    /// Folder to keep the scores in as well, one folder for each time: `pql alerts` and `pql monitor` read it
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// Format, where the ending of the file does not tell: parquet, csv, ndjson
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let format = args.output.as_ref().map(|path| format_of(path, args.format)).transpose()?;
    let (model, found) = args.folder.load(&args.model)?;
    let mut scorer = Scorer::new(&model, &found.label)?.with_reasons(args.reasons.into());
    let table = args.output.as_deref().zip(format);
    let mut output = Output { table, writer: None, ledger: args.ledger.as_deref(), entry: None };
    let (summary, at) = if let Some(path) = &args.features {
        args.output.as_deref().map_or(Ok(()), |output| spare(path, output))?;
        let (file, stored) = (args.project.load()?, model.config()?);
        without_events(if file.definition.is_empty() { &stored } else { &file }, terminal)?;
        let rule = matrix_rule(file.matrix, &model)?;
        check_accounts(path, &rule, args.ledger.is_some(), terminal)?;
        let mut newest = None;
        let summary = output.take(&scorer, |take| {
            matrix::batches(path, &rule, &model.preprocessor.kinds(), &mut |batch| {
                let (features, account) = (&batch.features, &batch.account);
                if args.ledger.is_some() {
                    newest = newest.max(newest_of(path, &batch.cutoff)?);
                }
                take(&Batch { features, account, cutoff: &batch.cutoff, unscored: &[], pqls: &[] })
            })
        })?;
        (summary, newest)
    } else {
        let log = FromLog::read(args, &model, &found.label, terminal)?;
        scorer = scorer.qualifying_by(log.by);
        let FromLog { features, account, cutoff, unscored, pqls, .. } = &log;
        (output.take(&scorer, |take| take(&Batch { features, account, cutoff, unscored, pqls }))?, Some(log.at))
    };
    if summary.scored == 0 && output.forget_ledger() {
        terminal.note("warning: no account was scored: the ledger keeps nothing of this run");
    }
    if let Some(kept) = output.finish(&scorer, at)? {
        terminal.note(&format!("scores kept in {}", kept.display()));
    }
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
    /// The time of the run, µs UTC.
    at: i64,
}

impl FromLog {
    fn read(args: &Args, model: &Model, label: &str, terminal: &mut Terminal<'_>) -> Result<Self> {
        let catalogue = model.catalogue.as_ref().ok_or_else(|| matrix_only(label))?;
        let config = with_model(&args.project.load()?, model, terminal)?;
        args.output.as_deref().map_or(Ok(()), |output| spare_data(&config, output))?;
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
            at: scored_at(&log),
        })
    }
}

/// What makes a log look like none the model knows: it ends long before the cutoff, or event names are gone.
pub(super) fn doubts(log: &Log, catalogue: &Catalogue) -> Vec<String> {
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

/// The tables being written, opened with the first batch.
struct Output<'a> {
    table: Option<(&'a Path, Format)>,
    writer: Option<TableWriter>,
    ledger: Option<&'a Path>,
    entry: Option<Entry>,
}

impl Output<'_> {
    /// Score the batches that `each` hands on and write the tables; while a batch is written, the next is scored.
    fn take(&mut self, scorer: &Scorer<'_>, each: impl FnOnce(&mut dyn FnMut(&Batch<'_>) -> Result<()>) -> Result<()>) -> Result<Summary> {
        // Without room: no more than one batch waits.
        let (sender, tables) = sync_channel::<Vec<Table>>(0);
        let (scored, written) = thread::scope(|scope| {
            let writing = scope.spawn(|| tables.into_iter().flatten().try_for_each(|table| self.put(table, scorer.label())));
            let scored = score(scorer, each, &sender);
            drop(sender);
            (scored, writing.join().unwrap_or_else(|panic| resume_unwind(panic)))
        });
        // Where writing failed, scoring found nobody to take its tables.
        written?;
        scored
    }

    fn put(&mut self, rows: Table, label: &str) -> Result<()> {
        if let Some(dir) = self.ledger {
            let entry = match &mut self.entry {
                Some(entry) => entry,
                None => self.entry.insert(Entry::begin(dir, label, &rows.schema())?),
            };
            entry.write(rows.clone())?;
        }
        let Some((path, format)) = self.table else { return Ok(()) };
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(TableWriter::create(path, format, &rows.schema())?),
        };
        writer.write(rows)
    }

    /// Keep nothing in the ledger: a run without scores would hide the one before. Answers whether there is a ledger.
    fn forget_ledger(&mut self) -> bool {
        self.entry = None;
        self.ledger.take().is_some()
    }

    /// Finish the tables; one without rows has its columns all the same. Answers the file in the ledger.
    ///
    /// # Arguments
    /// * `at` – time of the run, µs UTC
    fn finish(mut self, scorer: &Scorer<'_>, at: Option<i64>) -> Result<Option<PathBuf>> {
        if self.writer.is_none() && self.table.is_some() {
            self.put(scorer.empty()?, scorer.label())?;
        }
        self.writer.map_or(Ok(()), TableWriter::finish)?;
        // A run with scores has a time.
        self.entry.zip(at).map(|(entry, at)| entry.finish(at)).transpose()
    }
}

/// Tell of a matrix without accounts, whose rows go by their numbers; a ledger does not take it, for the next batch has the same numbers.
fn check_accounts(path: &Path, rule: &MatrixRule, to_ledger: bool, terminal: &mut Terminal<'_>) -> Result<()> {
    let Some((file, near)) = matrix::without_accounts(path, rule)? else { return Ok(()) };
    let problem = format!("`{}` has no column `account_id`", file.display());
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    if to_ledger {
        let hint = Some(format!("name the column of accounts in `matrix.account`{near}"));
        return Err(Error::Unsuitable { problem: format!("{problem}, and a ledger keeps scores by account"), hint });
    }
    terminal.note(&format!("warning: {problem} (`matrix.account`): rows go by their numbers{near}"));
    Ok(())
}

/// The newest cutoff of rows of a matrix: the time of its run in a ledger.
fn newest_of(path: &Path, cutoff: &[Option<i64>]) -> Result<Option<i64>> {
    if cutoff.contains(&None) {
        return Err(Error::Usage {
            problem: format!("`{}` has rows without a cutoff, and a ledger keeps scores by their time", path.display()),
            hint: Some("give the matrix a column `cutoff`, or name it in `matrix.cutoff`; or score without `--ledger`".to_owned()),
        });
    }
    Ok(cutoff.iter().copied().max().flatten())
}

/// Score batches, and hand on their tables.
fn score(
    scorer: &Scorer<'_>,
    each: impl FnOnce(&mut dyn FnMut(&Batch<'_>) -> Result<()>) -> Result<()>,
    tables: &SyncSender<Vec<Table>>,
) -> Result<Summary> {
    let mut all = Summary::default();
    each(&mut |rows| {
        let (parts, summary) = scorer.parts(rows)?;
        all.add(summary);
        tables.send(parts).map_err(|_| Error::BrokenPipe)
    })?;
    Ok(all)
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
