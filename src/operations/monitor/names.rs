//! Event names that disappeared or appeared since training.

use pql_stats::counts::share;
use serde::Serialize;

use super::drift::LEVEL;
use crate::dataset::features::{EventPrevalence, FeatureCatalog, MAX_TRACKED_EVENTS};
use crate::dataset::observations::Observations;
use crate::error::Result;
use crate::log::Log;
use crate::names::nearest;
use crate::time::iso;

/// Smallest share and number of rows of the batch for which a new event name is reported.
const MIN_USAGE: (f64, u64) = (0.01, 3);
/// Largest ratio of two similar shares.
const MAX_RATIO: f64 = 1.5;

/// Usage of one event name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventUsage {
    /// The event name.
    pub event: String,
    /// Share of training rows with the event in the longest window before the cutoff.
    pub reference: f64,
    /// Share of rows of the batch with the event in that window.
    pub current: f64,
    /// Last occurrence in an account of the batch; `None`: never.
    pub last_seen: Option<String>,
}

/// A missing event and a new event that may be the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenameCandidate {
    /// The old name.
    pub from: String,
    /// The new name.
    pub to: String,
    /// Evidence: a similar name or a similar number of rows.
    pub reason: &'static str,
}

/// Differences between the event names of a batch and those of training.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EventNameDrift {
    /// Length of the longest window, in days before the cutoff.
    pub days: u32,
    /// Rows of the batch.
    pub rows: u64,
    /// Names unknown in training, the most frequent first.
    pub new: Vec<EventUsage>,
    /// Names expected in some rows but found in none.
    pub gone: Vec<EventUsage>,
    /// Likely renames among them.
    pub renamed: Vec<RenameCandidate>,
}

impl EventNameDrift {
    /// Compares the event names of the newest rows of a log with those of training.
    ///
    /// A name is gone if no row has it although at least ln(K / 1%) rows should, where K is the
    /// number of known names. This happens by chance in fewer than 1% of batches, for any K
    /// (Bonferroni: no row out of n has a name of this share with probability below
    /// exp(−n·share)).
    ///
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
    pub fn compute(
        catalog: &FeatureCatalog,
        log: &Log,
        observations: &Observations,
    ) -> Result<Self> {
        let (days, rows) = (catalog.longest_window(), observations.len() as u64);
        let all: Vec<u32> = (0..).take(observations.len()).collect();
        let recent = EventPrevalence::compute(log, observations, &all, days)?;
        let usage = |event: &str, training_rows: u64| {
            let code = log.events.names.code(event);
            let current = code.map_or(0.0, |code| share(recent.rows[code], rows));
            let last_seen = code.and_then(|code| recent.last[code]).map(iso);
            EventUsage {
                event: event.to_owned(),
                reference: share(training_rows, catalog.prevalence_rows),
                current,
                last_seen,
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "counts of names and rows")]
        let is_gone = |usage: &EventUsage| {
            usage.current == 0.0
                && usage.reference * rows as f64
                    >= (catalog.event_prevalence.len() as f64 / LEVEL).ln()
        };
        let gone: Vec<EventUsage> = catalog
            .event_prevalence
            .iter()
            .map(|(event, rows)| usage(event, *rows))
            .filter(is_gone)
            .collect();
        let known = |event: &str| catalog.event_prevalence.iter().any(|(name, _)| name == event);
        let (min_share, min_rows) = MIN_USAGE;
        let is_common = |code: &usize| {
            recent.rows[*code] >= min_rows && share(recent.rows[*code], rows) >= min_share
        };
        let mut new: Vec<EventUsage> = Vec::new();
        // A full list of known names is truncated, so other names may not be new.
        if catalog.event_prevalence.len() < MAX_TRACKED_EVENTS {
            let unknown = (0..recent.rows.len())
                .filter(is_common)
                .map(|code| &log.events.names[code])
                .filter(|name| !known(name));
            new = unknown.map(|name| usage(name, 0)).collect();
            new.sort_by(|a, b| b.current.total_cmp(&a.current).then_with(|| a.event.cmp(&b.event)));
        }
        let renamed = rename_candidates(&gone, &new);
        Ok(Self { days, rows, new, gone, renamed })
    }
}

/// Returns the likely renames. Each new name is used at most once.
fn rename_candidates(gone: &[EventUsage], new: &[EventUsage]) -> Vec<RenameCandidate> {
    let (mut left, mut found) = (new.to_vec(), Vec::new());
    for gone in gone {
        let Some(renamed) = rename_candidate(gone, &left) else { continue };
        left.retain(|new| new.event != renamed.to);
        found.push(renamed);
    }
    found
}

/// Returns the new name that a missing name was most likely renamed to.
fn rename_candidate(gone: &EventUsage, new: &[EventUsage]) -> Option<RenameCandidate> {
    let normalized = |name: &str| {
        name.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    let candidate = |event: &str, reason| {
        Some(RenameCandidate { from: gone.event.clone(), to: event.to_owned(), reason })
    };
    if let Some(same) = new.iter().find(|new| normalized(&new.event) == normalized(&gone.event)) {
        return candidate(&same.event, "similar name");
    }
    if let Some(near) = nearest(&gone.event, new.iter().map(|new| new.event.as_str())) {
        return candidate(&near, "similar name");
    }
    let similar = |new: &&EventUsage| {
        (new.current / gone.reference).max(gone.reference / new.current) <= MAX_RATIO
    };
    let mut candidates = new.iter().filter(similar);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => candidate(&only.event, "similar number of rows"),
        _ => None,
    }
}
