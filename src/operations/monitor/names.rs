//! Event names of a batch against those that the training accounts had.

use pql_stats::counts::share;
use serde::Serialize;

use super::drift::LEVEL;
use crate::dataset::features::{Catalogue, KNOWN, Recent};
use crate::dataset::observations::Observations;
use crate::error::Result;
use crate::log::Log;
use crate::names::nearest;
use crate::time::iso;

/// Share of the rows of the batch, and number of them, from which on a name that is not known is
/// told.
const COMMON: (f64, u64) = (0.01, 3);
/// Quotient of two shares up to which they are alike.
const ALIKE: f64 = 1.5;

/// An event name, and how many rows have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NameUse {
    /// The event name.
    pub event: String,
    /// Share of the training rows whose account had it in the longest window before the cutoff.
    pub then: f64,
    /// Share of the rows of the batch.
    pub now: f64,
    /// When an account of the batch had it last; `None` where none had.
    pub last_seen: Option<String>,
}

/// Two names that may stand for one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// The name that is gone.
    pub from: String,
    /// The name that is new.
    pub to: String,
    /// What speaks for it: the names are alike, or as common.
    pub because: &'static str,
}

/// How the event names of a batch differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EventNames {
    /// Days before the cutoff that were looked at, those of the longest window.
    pub days: u32,
    /// Rows of the batch.
    pub rows: u64,
    /// Names that no training row had, the most common first.
    pub new: Vec<NameUse>,
    /// Names that some rows should have had, and none has.
    pub gone: Vec<NameUse>,
    /// Guesses which of them were renamed.
    pub renamed: Vec<Renamed>,
}

impl EventNames {
    /// Look at the rows that were observed at the end of a log.
    ///
    /// A name is gone where none of the rows has it and at least ln(K / 1 %) should, K being the
    /// number of names that are known: by chance that comes in less than one of a hundred
    /// batches, whatever K is (Bonferroni; none of n rows has it with a probability below
    /// exp(−n·share)).
    ///
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
    pub fn of(catalogue: &Catalogue, log: &Log, observations: &Observations) -> Result<Self> {
        let (days, rows) = (catalogue.longest(), observations.len() as u64);
        let all: Vec<u32> = (0..).take(observations.len()).collect();
        let recent = Recent::of(log, observations, &all, days)?;
        let of = |event: &str, then: u64| {
            let code = log.events.names.code(event);
            let now = code.map_or(0.0, |code| share(recent.rows[code], rows));
            let last_seen = code.and_then(|code| recent.last[code]).map(iso);
            NameUse {
                event: event.to_owned(),
                then: share(then, catalogue.known_rows),
                now,
                last_seen,
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "counts of names and rows")]
        let should = |of: &NameUse| {
            of.now == 0.0 && of.then * rows as f64 >= (catalogue.known.len() as f64 / LEVEL).ln()
        };
        let gone: Vec<NameUse> =
            catalogue.known.iter().map(|(event, then)| of(event, *then)).filter(should).collect();
        let known = |event: &str| catalogue.known.iter().any(|(name, _)| name == event);
        let (least, fewest) = COMMON;
        let common =
            |code: &usize| recent.rows[*code] >= fewest && share(recent.rows[*code], rows) >= least;
        let mut new: Vec<NameUse> = Vec::new();
        // A list that is full may lack names that were known.
        if catalogue.known.len() < KNOWN {
            let unknown = (0..recent.rows.len())
                .filter(common)
                .map(|code| &log.events.names[code])
                .filter(|name| !known(name));
            new = unknown.map(|name| of(name, 0)).collect();
            new.sort_by(|a, b| b.now.total_cmp(&a.now).then_with(|| a.event.cmp(&b.event)));
        }
        let renamed = all_renamed(&gone, &new);
        Ok(Self { days, rows, new, gone, renamed })
    }
}

/// What names that are gone may have become; no new name is taken for two of them.
fn all_renamed(gone: &[NameUse], new: &[NameUse]) -> Vec<Renamed> {
    let (mut left, mut found) = (new.to_vec(), Vec::new());
    for gone in gone {
        let Some(renamed) = renamed(gone, &left) else { continue };
        left.retain(|new| new.event != renamed.to);
        found.push(renamed);
    }
    found
}

/// Which of the new names a name that is gone may have become.
fn renamed(gone: &NameUse, new: &[NameUse]) -> Option<Renamed> {
    let plain = |name: &str| {
        name.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect::<String>()
    };
    let to = |event: &str, because| {
        Some(Renamed { from: gone.event.clone(), to: event.to_owned(), because })
    };
    if let Some(same) = new.iter().find(|new| plain(&new.event) == plain(&gone.event)) {
        return to(&same.event, "the names are alike");
    }
    if let Some(near) = nearest(&gone.event, new.iter().map(|new| new.event.as_str())) {
        return to(&near, "the names are alike");
    }
    let alike = |new: &&NameUse| (new.now / gone.then).max(gone.then / new.now) <= ALIKE;
    let mut candidates = new.iter().filter(alike);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => to(&only.event, "as many rows have it"),
        _ => None,
    }
}
