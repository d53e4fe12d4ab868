//! Why scores changed since the previous run: found when a run is stored, read by alerts.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AlertKind, AlertQuery, RunDiff};
use crate::config::{Config, CutoffScheme};
use crate::dataset::features::compute;
use crate::dataset::observations::{Observations, Outcome};
use crate::dataset::split::Split;
use crate::error::{Error, Result};
use crate::io::read::read_limited;
use crate::io::sink::Sink;
use crate::io::write::{OutputFile, RunFiles, write_bytes};
use crate::log::Log;
use crate::model::Model;
use crate::model::score::Scorer;
use crate::registry::ledger::{Ledger, Run};
use crate::time::{iso, parse_iso};

/// Largest file, in bytes.
const MAX_SIZE: u64 = 1 << 30;

/// Why the score of an account changed since an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cause {
    account_id: String,
    /// Time of the earlier run, UTC.
    previous_cutoff: String,
    /// Whether it raised the score.
    raises: bool,
    /// The change of a feature, as a sentence.
    text: String,
}

/// The causes of a run.
#[derive(Debug, Default)]
pub(super) struct Causes(HashMap<String, Cause>);

impl Causes {
    /// Reads the causes of a run; none if the run was stored without.
    ///
    /// # Errors
    /// * [`Error::Read`]: the file cannot be read
    /// * [`Error::Malformed`]: it is damaged
    pub(super) fn read(run: &Run) -> Result<Self> {
        let path = run.causes_file();
        if !path.exists() {
            return Ok(Self::default());
        }
        let failed = |source| Error::Read { path: path.clone(), source };
        let bytes = read_limited(&path, MAX_SIZE).map_err(failed)?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let causes = lines.map(|line| {
            let cause: Cause = serde_json::from_slice(line).map_err(|_| {
                let problem = "expected a JSON object with the cause of a change; delete the file to show alerts without causes";
                Error::malformed(&path, problem.to_owned(), None)
            })?;
            Ok((cause.account_id.clone(), cause))
        });
        Ok(Self(causes.collect::<Result<_>>()?))
    }

    /// Returns why the score of an account changed in the direction of an alert.
    ///
    /// # Arguments
    /// * `since` – time of the earlier run, µs UTC
    pub(super) fn get(&self, account: &str, kind: AlertKind, since: i64) -> Option<String> {
        let cause = self.0.get(account)?;
        let is_same = cause.previous_cutoff == iso(since) && Some(cause.raises) == raises(kind);
        is_same.then(|| cause.text.clone())
    }
}

/// Returns whether a change of a kind raises the score; `None` for a qualification, which is no
/// change of the score.
fn raises(kind: AlertKind) -> Option<bool> {
    match kind {
        AlertKind::Qualified => None,
        AlertKind::Rose => Some(true),
        AlertKind::Unqualified | AlertKind::Fell => Some(false),
    }
}

/// A log, and the model and the settings with which its accounts are scored.
#[derive(Debug, Clone, Copy)]
pub struct ScoredLog<'a> {
    /// The model.
    pub model: &'a Model,
    /// Configuration from [`Model::project_config`].
    pub config: &'a Config,
    /// The log.
    pub log: &'a Log,
}

impl ScoredLog<'_> {
    /// Stores why the scores of accounts changed between the newest run of a ledger and the earlier
    /// ones, as `pql alerts` compares them. The features of the earlier time come from this log.
    ///
    /// # Arguments
    /// * `path` – file of the newest run
    /// * `files` – the inputs of the run, which are not replaced
    /// # Errors
    /// * those of [`RunDiff::compute`]
    /// * [`Error::Write`]: the file cannot be written
    pub(crate) fn store_causes(
        &self,
        scorer: &Scorer<'_>,
        (dir, path): (&Path, &Path),
        (files, sink): (&RunFiles, &Sink<'_>),
    ) -> Result<()> {
        // Scores at an age do not change.
        if self.config.observation.cutoffs == CutoffScheme::Age {
            return Ok(());
        }
        let ledger = Ledger::open(dir)?;
        let Some(run) = ledger.runs(None)?.into_iter().find(|run| run.path == path) else {
            return Ok(());
        };
        // Causes of an earlier run of the same time are outdated.
        let file = run.causes_file();
        files.check_ledger_file(&file)?;
        remove(&file)?;
        let causes = self.find_causes(scorer, &ledger, &run, sink)?;
        if causes.is_empty() { Ok(()) } else { write_causes(&file, &causes) }
    }

    fn find_causes(
        &self,
        scorer: &Scorer<'_>,
        ledger: &Ledger,
        run: &Run,
        sink: &Sink<'_>,
    ) -> Result<Vec<Cause>> {
        let query = AlertQuery {
            model: Some(run.name().to_owned()),
            until: Some(run.time),
            kinds: vec![AlertKind::Unqualified, AlertKind::Rose, AlertKind::Fell],
            include_holdout: true,
            ..AlertQuery::default()
        };
        let diff = RunDiff::compute(ledger, &query)?;
        // Alerts are those of the newest version.
        if diff.run != *run {
            return Ok(Vec::new());
        }
        let mut changed: Vec<(u32, i64, Cause)> = Vec::new();
        for alert in diff.alerts {
            let code = self.log.accounts.id.code(&alert.account_id);
            let code = code.and_then(|code| u32::try_from(code).ok());
            let time = alert.previous_cutoff.as_deref().and_then(parse_iso);
            let (Some(code), Some(time), Some(raises)) = (code, time, raises(alert.kind)) else {
                continue;
            };
            // The account list may have changed since.
            if self.log.accounts.signed_up[code as usize] >= time {
                continue;
            }
            let cause = Cause {
                account_id: alert.account_id,
                previous_cutoff: iso(time),
                raises,
                text: String::new(),
            };
            changed.push((code, time, cause));
        }
        changed.sort_by_key(|(code, time, _)| (*code, *time));
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = Observations::default();
        for (code, previous, _) in &changed {
            for cutoff in [*previous, run.time] {
                rows.account.push(*code);
                rows.cutoff.push(cutoff);
                rows.outcome.push(Outcome::Immature);
                rows.split.push(Split::Unused);
            }
        }
        let catalog = self.model.usage_features(&run.label)?;
        let features = compute(catalog, self.log, &rows, sink.progress())?;
        let raises: Vec<bool> = changed.iter().map(|(_, _, cause)| cause.raises).collect();
        let changes = scorer.leading_changes(&features, &raises)?;
        let causes = changed
            .into_iter()
            .zip(changes)
            .filter_map(|((_, _, cause), change)| Some(Cause { text: change?.sentence, ..cause }));
        Ok(causes.collect())
    }
}

/// Removes a file that may not exist.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Writes the causes of a run, one JSON object per line.
fn write_causes(path: &Path, causes: &[Cause]) -> Result<()> {
    let mut lines = String::new();
    for cause in causes {
        let line = serde_json::to_string(cause);
        lines += &line.map_err(|source| Error::Json { value: "the cause", source })?;
        lines.push('\n');
    }
    write_bytes(&OutputFile::managed(path), lines.as_bytes())
}
