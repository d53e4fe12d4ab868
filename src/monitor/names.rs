//! Event names of a batch against those that the training accounts had.

use serde::Serialize;

use super::drift::share;
use crate::error::{Result, nearest};
use crate::features::{Catalogue, KNOWN};
use crate::ingest::{Events, Log};
use crate::observe::Observations;
use crate::time::{DAY, iso};

/// Accounts with a name that are to be expected before its absence is more than chance: none has it then with a probability below exp(−5).
const EXPECTED: f64 = 5.0;
/// Share of the active accounts, and number of them, from which on a name that is not known is told.
const COMMON: (f64, u64) = (0.01, 3);
/// Quotient of two shares up to which they are alike.
const ALIKE: f64 = 1.5;

/// An event name, and how many accounts have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NameUse {
    /// The event name.
    pub event: String,
    /// Share of the training accounts that had it before their last cutoff.
    pub then: f64,
    /// Share of the active accounts of the batch that had it in the longest window before the cutoff.
    pub now: f64,
    /// When it was last seen; `None` where it never was.
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
    /// Days that were looked at, those of the longest window.
    pub days: u32,
    /// Accounts of the batch with an event in them.
    pub active: u64,
    /// Names that no training account had, the most common first.
    pub new: Vec<NameUse>,
    /// Names that some of the active accounts should have had, and none has.
    pub gone: Vec<NameUse>,
    /// Guesses which of them were renamed.
    pub renamed: Vec<Renamed>,
}

/// What part of a log has.
#[derive(Debug, Clone)]
struct Seen {
    active: u64,
    /// By event name: accounts in the window, the account that was met last, when it was last seen.
    names: Vec<(u64, Option<usize>, i64)>,
}

impl EventNames {
    /// Look at the accounts that were observed at the end of a log.
    ///
    /// # Arguments
    /// * `accounts` – training accounts
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
    pub fn of(catalogue: &Catalogue, accounts: u64, log: &Log, observations: &Observations) -> Result<Self> {
        let days = catalogue.windows.last().copied().unwrap_or(1);
        let seen = look(log, observations, log.until - i64::from(days) * DAY)?;
        let now = |code: Option<usize>| {
            code.map_or((0.0, None), |code| {
                let (count, _, last) = seen.names[code];
                (share(count, seen.active), (last > i64::MIN).then(|| iso(last)))
            })
        };
        let of = |event: &str, then: u32| {
            let (now, last_seen) = now(log.events.names.code(event));
            NameUse { event: event.to_owned(), then: share(then.into(), accounts), now, last_seen }
        };
        #[expect(clippy::cast_precision_loss, reason = "a count of accounts")]
        let should = |of: &NameUse| of.now == 0.0 && of.then * seen.active as f64 >= EXPECTED;
        let gone: Vec<NameUse> = catalogue.known.iter().map(|(event, then)| of(event, *then)).filter(should).collect();
        let known = |event: &str| catalogue.known.iter().any(|(name, _)| name == event);
        let (least, fewest) = COMMON;
        let common = |code: &usize| seen.names[*code].0 >= fewest && share(seen.names[*code].0, seen.active) >= least;
        let mut new: Vec<NameUse> = Vec::new();
        // A list that is full may lack names that were known.
        if catalogue.known.len() < KNOWN {
            let unknown = (0..seen.names.len()).filter(common).map(|code| &log.events.names[code]).filter(|name| !known(name));
            new = unknown.map(|name| of(name, 0)).collect();
            new.sort_by(|a, b| b.now.total_cmp(&a.now).then_with(|| a.event.cmp(&b.event)));
        }
        let renamed = gone.iter().filter_map(|gone| renamed(gone, &new)).collect();
        Ok(Self { days, active: seen.active, new, gone, renamed })
    }
}

/// Which of the new names a name that is gone may have become.
fn renamed(gone: &NameUse, new: &[NameUse]) -> Option<Renamed> {
    let plain = |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let to = |event: &str, because| Some(Renamed { from: gone.event.clone(), to: event.to_owned(), because });
    if let Some(same) = new.iter().find(|new| plain(&new.event) == plain(&gone.event)) {
        return to(&same.event, "the names are alike");
    }
    if let Some(near) = nearest(&gone.event, new.iter().map(|new| new.event.as_str())) {
        return to(&near, "the names are alike");
    }
    let alike = |new: &&NameUse| (new.now / gone.then).max(gone.then / new.now) <= ALIKE;
    let mut candidates = new.iter().filter(alike);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => to(&only.event, "as many accounts have it"),
        _ => None,
    }
}

/// Count the accounts that have each name from `since` on.
fn look(log: &Log, observations: &Observations, since: i64) -> Result<Seen> {
    let none = Seen { active: 0, names: vec![(0, None, i64::MIN); log.events.names.len()] };
    let parts = log.events.map(|events| none.clone().met(events, observations, since))?;
    Ok(parts.into_iter().fold(none, Seen::with))
}

impl Seen {
    fn met(mut self, events: &Events, observations: &Observations, since: i64) -> Self {
        for row in observations.rows_of(&events.accounts) {
            let account = observations.account[row] as usize;
            let mut active = false;
            for at in events.of(account) {
                let (seen, of) = (events.seen_at(at), &mut self.names[usize::from(events.event[at])]);
                of.2 = of.2.max(seen);
                if seen >= since {
                    active = true;
                    of.0 += u64::from(of.1 != Some(account));
                    of.1 = Some(account);
                }
            }
            self.active += u64::from(active);
        }
        self
    }

    fn with(mut self, other: Self) -> Self {
        self.active += other.active;
        for (mine, other) in self.names.iter_mut().zip(other.names) {
            *mine = (mine.0 + other.0, None, mine.2.max(other.2));
        }
        self
    }
}
