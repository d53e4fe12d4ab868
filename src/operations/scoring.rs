//! Scoring of a log or a matrix into a table and a ledger.

use std::path::{Path, PathBuf};

use crate::config::{Config, MatrixConfig, QualifyBy};
use crate::dataset::matrix;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::io::write::{Format, OutputTable, TableWriter};
use crate::model::Model;
use crate::model::score::{LogBatch, Scorer, ScoringBatch, ScoringSummary};
use crate::registry::ledger::RunWriter;
use crate::time::Timestamp;
use crate::warning::Warning;

/// Outputs of the scores.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScoreTargets<'a> {
    /// Output table and its format.
    pub table: Option<(&'a Path, Format)>,
    /// Folder of the ledger.
    pub ledger: Option<&'a Path>,
}

/// Result of a scoring run.
#[derive(Debug, Clone)]
pub struct ScoringRun {
    /// Counts and sums over all rows.
    pub summary: ScoringSummary,
    /// Scores file in the ledger.
    pub ledger_file: Option<PathBuf>,
}

/// Scores the accounts of a log and writes the scores.
///
/// # Errors
/// * [`Error::Write`]: a target cannot be written
pub fn score_log_to(
    targets: ScoreTargets<'_>,
    scorer: Scorer<'_>,
    batch: &LogBatch,
    sink: &mut Sink<'_>,
) -> Result<ScoringRun> {
    let scorer = scorer.qualifying_by(batch.qualify_by);
    let mut writer = ScoreWriter::new(targets);
    let summary = writer.score(&scorer, &batch.as_batch())?;
    writer.finish(&scorer, Some(batch.time), summary, sink)
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
    check_definitions(if file.definition.is_empty() { &stored } else { file }, sink)?;
    let rule = model.matrix_config(file.matrix.clone())?;
    check_accounts(path, &rule, targets.ledger.is_some(), sink)?;
    let mut writer = ScoreWriter::new(targets);
    let (mut summary, mut newest) = (ScoringSummary::default(), None);
    let warnings = matrix::batches(path, &rule, &model.preprocessor.kinds(), &mut |batch| {
        if targets.ledger.is_some() {
            newest = newest.max(newest_cutoff(path, &batch.cutoff)?);
        }
        let (features, account) = (&batch.features, &batch.account);
        summary.add(writer.score(
            scorer,
            &ScoringBatch { features, account, cutoff: &batch.cutoff, unscored: &[], pqls: &[] },
        )?);
        Ok(())
    })?;
    warnings.into_iter().for_each(|warning| sink.notify(warning));
    writer.finish(scorer, newest.map(Timestamp), summary, sink)
}

/// Checks that accounts can qualify without events.
fn check_definitions(config: &Config, sink: &mut Sink<'_>) -> Result<()> {
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

/// Warns about a matrix without accounts. It cannot go to a ledger because the next batch would
/// have the same row numbers.
fn check_accounts(
    path: &Path,
    rule: &MatrixConfig,
    to_ledger: bool,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let Some((file, suggestion)) = matrix::find_file_without_accounts(path, rule)? else {
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

/// The open output tables; the first batch opens them.
struct ScoreWriter<'a> {
    targets: ScoreTargets<'a>,
    table: Option<TableWriter>,
    entry: Option<RunWriter>,
}

impl<'a> ScoreWriter<'a> {
    fn new(targets: ScoreTargets<'a>) -> Self {
        Self { targets, table: None, entry: None }
    }

    /// Scores a batch and writes its rows.
    fn score(&mut self, scorer: &Scorer<'_>, batch: &ScoringBatch<'_>) -> Result<ScoringSummary> {
        let (tables, summary) = scorer.score_chunks(batch)?;
        tables.into_iter().try_for_each(|table| self.write(table, scorer.label()))?;
        Ok(summary)
    }

    fn write(&mut self, rows: OutputTable, label: &str) -> Result<()> {
        if let Some(dir) = self.targets.ledger {
            let entry = match &mut self.entry {
                Some(entry) => entry,
                None => self.entry.insert(RunWriter::create(dir, label, &rows.schema())?),
            };
            entry.write(rows.clone())?;
        }
        let Some((path, format)) = self.targets.table else { return Ok(()) };
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(TableWriter::create(path, format, &rows.schema())?),
        };
        table.write(rows)
    }

    /// Finishes the tables. An empty table is written with its columns.
    fn finish(
        mut self,
        scorer: &Scorer<'_>,
        run_time: Option<Timestamp>,
        summary: ScoringSummary,
        sink: &mut Sink<'_>,
    ) -> Result<ScoringRun> {
        if summary.scored == 0 {
            // A run without scores would hide the previous run.
            self.entry = None;
            if self.targets.ledger.take().is_some() {
                sink.notify(Warning::NoneScored);
            }
        }
        if self.table.is_none() && self.targets.table.is_some() {
            self.write(scorer.empty()?, scorer.label())?;
        }
        self.table.map_or(Ok(()), TableWriter::finish)?;
        let ledger_file =
            self.entry.zip(run_time).map(|(entry, time)| entry.finish(time.0)).transpose()?;
        summary.warnings().into_iter().for_each(|warning| sink.notify(warning));
        Ok(ScoringRun { summary, ledger_file })
    }
}
