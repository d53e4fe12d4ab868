//! Scoring of a log or a matrix into a table and a ledger.

use std::path::{Path, PathBuf};

use crate::config::{Config, MatrixConfig, MaxLine, QualifyBy};
use crate::dataset::matrix;
use crate::error::{Error, Result};
use crate::io::database::TableLoad;
use crate::io::sink::Sink;
use crate::io::write::{Format, OutputFile, RunFiles, TableWriter};
use crate::model::Model;
use crate::model::score::{LogBatch, ScoreRows, ScoreSorter, Scorer, ScoringBatch, ScoringSummary};
use crate::operations::alerts::ScoredLog;
use crate::registry::ledger::RunWriter;
use crate::time::Timestamp;
use crate::warning::Warning;

/// Outputs of the scores.
#[derive(Debug, Clone, Copy)]
pub struct ScoreTargets<'a> {
    /// Output table and its format.
    pub table: Option<(&'a OutputFile, Format)>,
    /// Load of the output table into a database, before the ledger gets the run.
    pub(crate) load: Option<&'a TableLoad>,
    /// Rows of the output table.
    pub rows: ScoreRows,
    /// Folder of the ledger. Its rows are those with a probability, highest first.
    pub ledger: Option<&'a Path>,
    /// Files of the run; the ledger does not replace an input.
    pub files: &'a RunFiles,
    /// Memory for sorting in bytes; more rows go to temporary files.
    pub memory: u64,
}

/// Result of a scoring run.
#[derive(Debug, Clone)]
pub struct ScoringRun {
    /// Counts and sums over all rows.
    pub summary: ScoringSummary,
    /// Scores file in the ledger.
    pub ledger_file: Option<PathBuf>,
}

/// Scores the accounts of a log and writes the scores. The ledger also gets the causes of changes
/// since the run before, or a warning if they cannot be found.
///
/// # Arguments
/// * `source` – the log of the batch
/// # Errors
/// * [`Error::Write`]: a target cannot be written
pub fn score_log_to(
    targets: ScoreTargets<'_>,
    scorer: Scorer<'_>,
    (batch, source): (&LogBatch, ScoredLog<'_>),
    sink: &mut Sink<'_>,
) -> Result<ScoringRun> {
    let scorer = scorer.for_batch(batch);
    let mut writer = ScoreWriter::new(targets);
    let summary = writer.score(&scorer, &batch.as_batch())?;
    let run = writer.finish(&scorer, Some(batch.time), summary, sink)?;
    if let (Some(dir), Some(file)) = (targets.ledger, &run.ledger_file) {
        // The scores are stored already.
        if let Err(error) = source.store_causes(&scorer, (dir, file), (targets.files, sink)) {
            sink.notify(Warning::CausesMissing { problem: error.with_sources() });
        }
    }
    Ok(run)
}

/// Scores the rows of a feature matrix in batches and writes the scores.
///
/// # Arguments
/// * `file` – project file
/// # Errors
/// * [`Error::Usage`]: accounts qualify by definitions, which need events, or rows for the ledger
///   have no cutoff
/// * [`Error::Write`]: a target cannot be written
/// * those of [`matrix::batches`]
pub fn score_matrix_to(
    targets: ScoreTargets<'_>,
    scorer: &Scorer<'_>,
    (model, path, file): (&Model, &Path, &Config),
    sink: &mut Sink<'_>,
) -> Result<ScoringRun> {
    let stored = model.config()?;
    check_eligibility(file)?;
    check_definitions(if file.definition.is_empty() { &stored } else { file }, sink)?;
    let rule = model.matrix_config(file.matrix.clone())?;
    let types = model.column_types(&stored);
    check_accounts((path, types.max_line), &rule, targets.ledger.is_some(), sink)?;
    let mut writer = ScoreWriter::new(targets);
    let (mut summary, mut newest) = (ScoringSummary::default(), None);
    matrix::batches((path, &rule), &types, sink, &mut |batch| {
        if targets.ledger.is_some() {
            newest = newest.max(newest_cutoff(path, &batch.cutoff)?);
        }
        let (features, account) = (&batch.features, &batch.account);
        summary.add(writer.score(
            scorer,
            &ScoringBatch {
                features,
                account,
                cutoff: &batch.cutoff,
                unscored: &[],
                pqls: &[],
                ineligible: &[],
            },
        )?);
        Ok(())
    })?;
    writer.finish(scorer, newest.map(Timestamp), summary, sink)
}

/// Checks that accounts can qualify without events.
///
/// # Errors
/// * [`Error::Usage`]: accounts qualify by definitions
pub(crate) fn check_definitions(config: &Config, sink: &mut Sink<'_>) -> Result<()> {
    let by = config.qualify.by;
    if matches!(by, QualifyBy::Definition | QualifyBy::Both) {
        let hint = Some(
            "score events (`-c pql.toml` without `--features`), or train with `qualify.by = \"model\"`"
                .to_owned(),
        );
        let problem = format!(
            "`qualify.by` is `{}`, but a feature matrix has no events to match a definition",
            by.name()
        );
        return Err(Error::Usage { problem, hint });
    }
    if !config.definition.is_empty() && by == QualifyBy::Either {
        sink.notify(Warning::DefinitionsNeedEvents);
    }
    Ok(())
}

/// Checks that the project file does not restrict which accounts qualify: that needs events.
///
/// # Errors
/// * [`Error::Usage`]: it has `[eligibility]`
fn check_eligibility(file: &Config) -> Result<()> {
    if file.eligibility.is_none() {
        return Ok(());
    }
    Err(Error::Usage {
        problem: "[eligibility] requires events, but a feature matrix has none".to_owned(),
        hint: Some("score events (`-c pql.toml` without `--features`), or remove [eligibility] and filter the scores".to_owned()),
    })
}

/// Warns about a matrix without accounts. It cannot go to a ledger because the next batch would
/// have the same row numbers.
fn check_accounts(
    (path, max_line): (&Path, MaxLine),
    rule: &MatrixConfig,
    to_ledger: bool,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let Some((file, suggestion)) = matrix::find_file_without_accounts(path, rule, max_line)? else {
        return Ok(());
    };
    if to_ledger {
        return Err(Error::MissingAccountColumn { path: file, suggestion });
    }
    sink.notify(Warning::NoAccountColumn { path: file, suggestion });
    Ok(())
}

/// Returns the newest cutoff of rows of a matrix, the time of the run in a ledger.
fn newest_cutoff(path: &Path, cutoff: &[Option<i64>]) -> Result<Option<i64>> {
    if cutoff.contains(&None) {
        return Err(Error::Usage {
            problem: format!(
                "`{}`: found rows without a cutoff, expected a cutoff in each row for `--ledger`",
                path.display()
            ),
            hint: Some(
                "set `matrix.cutoff` to the name of the cutoff column, or score without `--ledger`"
                    .to_owned(),
            ),
        });
    }
    Ok(cutoff.iter().copied().max().flatten())
}

/// The outputs of the scores, which need all rows because they are sorted.
struct ScoreWriter<'a> {
    targets: ScoreTargets<'a>,
    outputs: Vec<SortedOutput>,
}

/// Rows in an order, and the open files to which they go; the first batch opens them.
struct SortedOutput {
    sorter: ScoreSorter,
    goes_to: Destination,
    table: Option<TableWriter>,
    entry: Option<RunWriter>,
}

/// The files of an output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Table,
    Ledger,
    /// Both have the same rows.
    TableAndLedger,
}

impl<'a> ScoreWriter<'a> {
    fn new(targets: ScoreTargets<'a>) -> Self {
        let ledger_rows = ScoreRows::default();
        let needed: Vec<(Destination, ScoreRows)> = match (targets.table, targets.ledger) {
            (None, None) => Vec::new(),
            (Some(_), None) => vec![(Destination::Table, targets.rows)],
            (None, Some(_)) => vec![(Destination::Ledger, ledger_rows)],
            (Some(_), Some(_)) if targets.rows == ledger_rows => {
                vec![(Destination::TableAndLedger, ledger_rows)]
            }
            (Some(_), Some(_)) => {
                vec![(Destination::Table, targets.rows), (Destination::Ledger, ledger_rows)]
            }
        };
        let memory = targets.memory / needed.len().max(1) as u64;
        let output = |(goes_to, rows)| SortedOutput {
            sorter: ScoreSorter::new(rows, memory),
            goes_to,
            table: None,
            entry: None,
        };
        Self { targets, outputs: needed.into_iter().map(output).collect() }
    }

    /// Scores a batch and keeps its rows.
    fn score(&mut self, scorer: &Scorer<'_>, batch: &ScoringBatch<'_>) -> Result<ScoringSummary> {
        let (tables, summary) = scorer.score_chunks(batch)?;
        for output in &mut self.outputs {
            output.open(&self.targets, scorer)?;
            tables.iter().try_for_each(|table| output.sorter.push(table))?;
        }
        Ok(summary)
    }

    /// Writes the rows, unless the batch is refused. An empty table is written with its columns.
    fn finish(
        mut self,
        scorer: &Scorer<'_>,
        run_time: Option<Timestamp>,
        summary: ScoringSummary,
        sink: &mut Sink<'_>,
    ) -> Result<ScoringRun> {
        scorer.check_levels(&summary.values)?;
        // A run without scores would hide the previous run.
        let is_stored = summary.scored > 0;
        let run_time = run_time.filter(|_| is_stored);
        // Before any file is complete.
        for output in &mut self.outputs {
            output.open(&self.targets, scorer)?;
            if let Some((entry, time)) = output.entry.as_ref().zip(run_time) {
                entry.checked_file(time.0, self.targets.files)?;
            }
        }
        let mut entry = None;
        for output in self.outputs {
            entry = output.write()?.or(entry);
        }
        self.targets.load.map_or(Ok(()), TableLoad::finish)?;
        let mut ledger_file = None;
        if let Some((entry, time)) = entry.zip(run_time) {
            ledger_file = Some(entry.finish(time.0, self.targets.files)?);
        }
        if !is_stored && self.targets.ledger.is_some() {
            sink.notify(Warning::NoneScored);
        }
        scorer.warnings(&summary).into_iter().for_each(|warning| sink.notify(warning));
        Ok(ScoringRun { summary, ledger_file })
    }
}

impl SortedOutput {
    /// Opens the files that are not open yet.
    fn open(&mut self, targets: &ScoreTargets<'_>, scorer: &Scorer<'_>) -> Result<()> {
        if self.table.is_some() || self.entry.is_some() {
            return Ok(());
        }
        let schema = scorer.empty()?.schema();
        if let Some(dir) = targets.ledger.filter(|_| self.goes_to != Destination::Table) {
            self.entry = Some(RunWriter::create(dir, scorer.label(), &schema)?);
        }
        if let Some((file, format)) = targets.table.filter(|_| self.goes_to != Destination::Ledger)
        {
            self.table = Some(TableWriter::create(file, format, &schema)?);
        }
        Ok(())
    }

    /// Writes the rows in order and completes the table. Returns the run of the ledger.
    fn write(self) -> Result<Option<RunWriter>> {
        let Self { sorter, mut table, mut entry, .. } = self;
        sorter.finish(&mut |rows| {
            if let Some(entry) = &mut entry {
                entry.write(rows.clone())?;
            }
            table.as_mut().map_or(Ok(()), |table| table.write(rows))
        })?;
        table.map_or(Ok(()), TableWriter::finish)?;
        Ok(entry)
    }
}
