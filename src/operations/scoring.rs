//! Scores of a log or a matrix, written to a table and to the ledger.

use std::path::{Path, PathBuf};

use crate::config::{Config, MatrixRule, QualifyBy};
use crate::dataset::matrix;
use crate::error::{Error, Result};
use crate::io::sink::Sink;
use crate::io::write::{Format, Table, TableWriter};
use crate::model::Model;
use crate::model::score::{Batch, LogBatch, Scorer, Summary};
use crate::registry::ledger::Entry;
use crate::time::Timestamp;
use crate::warning::Warning;

/// Where scores go.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScoreTargets<'a> {
    /// The table.
    pub table: Option<(&'a Path, Format)>,
    /// The folder of the ledger.
    pub ledger: Option<&'a Path>,
}

/// What became of a run of scoring.
#[derive(Debug, Clone)]
pub struct ScoringRun {
    /// Counts and sums over the rows.
    pub summary: Summary,
    /// The file in the ledger.
    pub ledger_file: Option<PathBuf>,
}

/// Scores the accounts of a log and writes them.
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
    let mut writer = Writer::new(targets);
    let summary = writer.score(&scorer, &batch.as_batch())?;
    writer.finish(&scorer, Some(batch.at), summary, sink)
}

/// Scores the rows of a feature matrix, batch by batch, and writes them.
///
/// # Arguments
/// * `file` – the project file
/// # Errors
/// * [`Error::Usage`]: accounts qualify by definitions, which need events; or a ledger would get
///   rows without a time
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
    let mut writer = Writer::new(targets);
    let (mut summary, mut newest) = (Summary::default(), None);
    matrix::batches(path, &rule, &model.preprocessor.kinds(), &mut |batch| {
        if targets.ledger.is_some() {
            newest = newest.max(newest_cutoff(path, &batch.cutoff)?);
        }
        let (features, account) = (&batch.features, &batch.account);
        summary.add(writer.score(
            scorer,
            &Batch { features, account, cutoff: &batch.cutoff, unscored: &[], pqls: &[] },
        )?);
        Ok(())
    })?;
    writer.finish(scorer, newest.map(Timestamp), summary, sink)
}

/// Checks that accounts can qualify without events, which a matrix does not have.
fn check_definitions(config: &Config, sink: &mut Sink<'_>) -> Result<()> {
    let by = config.qualify.by;
    if matches!(by, QualifyBy::Definition | QualifyBy::Both) {
        let hint = Some("score events (`-c pql.toml` without `--features`), or train with `qualify.by` model or either".to_owned());
        let problem = format!(
            "accounts qualify by {}, and a matrix has no events for a definition to count",
            by.name()
        );
        return Err(Error::Usage { problem, hint });
    }
    if !config.definition.is_empty() && by == QualifyBy::Either {
        sink.notify(Warning::DefinitionsNeedEvents);
    }
    Ok(())
}

/// Warns of a matrix without accounts; a ledger does not take it, since the next batch has the same
/// row numbers.
fn check_accounts(
    path: &Path,
    rule: &MatrixRule,
    to_ledger: bool,
    sink: &mut Sink<'_>,
) -> Result<()> {
    let Some((file, near)) = matrix::without_accounts(path, rule)? else { return Ok(()) };
    if to_ledger {
        return Err(Error::MissingAccountColumn { path: file, near });
    }
    sink.notify(Warning::NoAccountColumn { path: file, near });
    Ok(())
}

/// Returns the newest cutoff of rows of a matrix: the time of its run in a ledger.
fn newest_cutoff(path: &Path, cutoff: &[Option<i64>]) -> Result<Option<i64>> {
    if cutoff.contains(&None) {
        return Err(Error::Usage {
            problem: format!("`{}` has rows without a cutoff, and a ledger keeps scores by their time", path.display()),
            hint: Some("give the matrix a column `cutoff`, or name it in `matrix.cutoff`; or score without `--ledger`".to_owned()),
        });
    }
    Ok(cutoff.iter().copied().max().flatten())
}

/// The tables being written, opened with the first batch.
struct Writer<'a> {
    targets: ScoreTargets<'a>,
    table: Option<TableWriter>,
    entry: Option<Entry>,
}

impl<'a> Writer<'a> {
    fn new(targets: ScoreTargets<'a>) -> Self {
        Self { targets, table: None, entry: None }
    }

    /// Scores a batch and writes its rows.
    fn score(&mut self, scorer: &Scorer<'_>, batch: &Batch<'_>) -> Result<Summary> {
        let (tables, summary) = scorer.parts(batch)?;
        tables.into_iter().try_for_each(|table| self.write(table, scorer.label()))?;
        Ok(summary)
    }

    fn write(&mut self, rows: Table, label: &str) -> Result<()> {
        if let Some(dir) = self.targets.ledger {
            let entry = match &mut self.entry {
                Some(entry) => entry,
                None => self.entry.insert(Entry::begin(dir, label, &rows.schema())?),
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

    /// Finishes the tables; one without rows has its columns all the same.
    fn finish(
        mut self,
        scorer: &Scorer<'_>,
        at: Option<Timestamp>,
        summary: Summary,
        sink: &mut Sink<'_>,
    ) -> Result<ScoringRun> {
        if summary.scored == 0 {
            // A run without scores would hide the one before.
            self.entry = None;
            if self.targets.ledger.take().is_some() {
                sink.notify(Warning::NoneScored);
            }
        }
        if self.table.is_none() && self.targets.table.is_some() {
            self.write(scorer.empty()?, scorer.label())?;
        }
        self.table.map_or(Ok(()), TableWriter::finish)?;
        // A run with scores has a time.
        let ledger_file = self.entry.zip(at).map(|(entry, at)| entry.finish(at.0)).transpose()?;
        summary.warnings().into_iter().for_each(|warning| sink.notify(warning));
        Ok(ScoringRun { summary, ledger_file })
    }
}
