//! The prevalence of event names in the days before the cutoffs of rows.

use crate::dataset::observations::Observations;
use crate::error::Result;
use crate::log::{Events, Log};
use crate::time::DAY;

/// The prevalence of each event name in some rows, by code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventPrevalence {
    /// Number of rows whose account had the event in the days before the cutoff.
    pub(crate) rows: Vec<u64>,
    /// Time of the last event in any account of the rows, µs UTC; `None` without such an event.
    pub(crate) last: Vec<Option<i64>>,
}

impl EventPrevalence {
    /// Computes the prevalence in some rows.
    ///
    /// # Arguments
    /// * `rows` – indices of rows, ascending
    /// * `days` – length of the window before the cutoff
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log cannot be read
    pub(crate) fn compute(
        log: &Log,
        observations: &Observations,
        rows: &[u32],
        days: u32,
    ) -> Result<Self> {
        let names = log.events.names.len();
        let none = Self { rows: vec![0; names], last: vec![None; names] };
        let parts = log
            .events
            .map(|events| none.clone().scan(events, observations, (rows, i64::from(days) * DAY)))?;
        Ok(parts.into_iter().fold(none, Self::merge))
    }

    /// Adds the events of a partition of the log.
    fn scan(
        mut self,
        events: &Events,
        observations: &Observations,
        (rows, span): (&[u32], i64),
    ) -> Self {
        let account = |row: &u32| observations.account[*row as usize];
        let first_row = |code: usize| rows.partition_point(|row| (account(row) as usize) < code);
        let rows = &rows[first_row(events.accounts.start)..first_row(events.accounts.end)];
        // By event name, the account counted last and its first row that has not been counted yet.
        let mut counted: Vec<(Option<u32>, usize)> = vec![(None, 0); self.rows.len()];
        let mut cutoffs: Vec<i64> = Vec::new();
        for account_rows in rows.chunk_by(|a, b| account(a) == account(b)) {
            let account = account(&account_rows[0]);
            cutoffs.clear();
            cutoffs.extend(account_rows.iter().map(|row| observations.cutoff[*row as usize]));
            for index in events.account_range(account as usize) {
                let (time, known_at, event) =
                    (events.time[index], events.known_at(index), usize::from(events.event[index]));
                let (last_account, next) = &mut counted[event];
                if *last_account != Some(account) {
                    (*last_account, *next) = (Some(account), 0);
                }
                // The rows whose window contains the event, if it was known at their cutoff.
                let start = cutoffs.partition_point(|cutoff| *cutoff <= known_at).max(*next);
                let end = cutoffs.partition_point(|cutoff| *cutoff <= time + span);
                if end > start {
                    self.rows[event] += (end - start) as u64;
                    *next = end;
                }
                self.last[event] = self.last[event].max(Some(time));
            }
        }
        self
    }

    fn merge(mut self, other: Self) -> Self {
        self.rows.iter_mut().zip(other.rows).for_each(|(sum, rows)| *sum += rows);
        self.last.iter_mut().zip(other.last).for_each(|(last, other)| *last = (*last).max(other));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::observations::{Outcome, Split};

    /// Returns two accounts; the first has `a` on days 1 and 9 and `b` on day 9.
    fn events() -> Events {
        Events {
            accounts: 0..2,
            start: vec![0, 3, 3],
            time: vec![DAY, 9 * DAY, 9 * DAY],
            event: vec![0, 0, 1],
            ..Events::default()
        }
    }

    #[test]
    fn a_row_counts_once_per_event_name() {
        // The first account has cutoffs on days 1 (not after its event), 2, 8, 9, 10 and 20; the
        // second one on day 10.
        let cutoff = [1, 2, 8, 9, 10, 20, 10].map(|day| day * DAY).to_vec();
        let n = cutoff.len();
        let observations = Observations {
            account: vec![0, 0, 0, 0, 0, 0, 1],
            cutoff,
            outcome: vec![Outcome::Immature; n],
            split: vec![Split::Unused; n],
            ..Observations::default()
        };
        let rows: Vec<u32> = (0..7).collect();
        let none = || EventPrevalence { rows: vec![0; 2], last: vec![None; 2] };
        let found = none().scan(&events(), &observations, (&rows, 7 * DAY));
        // `a` counts for days 2 and 8 (first event) and day 10 (second event); `b` for day 10.
        assert_eq!((found.rows, found.last), (vec![3, 1], vec![Some(9 * DAY), Some(9 * DAY)]));
        assert_eq!(none().scan(&events(), &observations, (&[5, 6], 7 * DAY)).rows, [0, 0]);
    }
}
