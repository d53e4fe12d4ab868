//! Which event names rows had in the days before their cutoffs.

use crate::dataset::observations::Observations;
use crate::error::Result;
use crate::log::{Events, Log};
use crate::time::DAY;

/// What some rows had of each event name, by code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recent {
    /// Rows whose account had it in the days before the cutoff.
    pub(crate) rows: Vec<u64>,
    /// When an account of the rows had it last, µs UTC; `None`: never.
    pub(crate) last: Vec<Option<i64>>,
}

impl Recent {
    /// Look at rows.
    ///
    /// # Arguments
    /// * `rows` – numbers of rows, ascending
    /// * `days` – before the cutoff that are looked at
    /// # Errors
    /// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
    pub(crate) fn of(
        log: &Log,
        observations: &Observations,
        rows: &[u32],
        days: u32,
    ) -> Result<Self> {
        let names = log.events.names.len();
        let none = Self { rows: vec![0; names], last: vec![None; names] };
        let parts = log
            .events
            .map(|events| none.clone().met(events, observations, (rows, i64::from(days) * DAY)))?;
        Ok(parts.into_iter().fold(none, Self::with))
    }

    fn met(
        mut self,
        events: &Events,
        observations: &Observations,
        (rows, span): (&[u32], i64),
    ) -> Self {
        let account = |row: &u32| observations.account[*row as usize];
        let place = |code: usize| rows.partition_point(|row| (account(row) as usize) < code);
        let rows = &rows[place(events.accounts.start)..place(events.accounts.end)];
        // By name the account that was met last, and its first row that has not been counted yet.
        let mut counted: Vec<(Option<u32>, usize)> = vec![(None, 0); self.rows.len()];
        let mut cutoffs: Vec<i64> = Vec::new();
        for of_account in rows.chunk_by(|a, b| account(a) == account(b)) {
            let account = account(&of_account[0]);
            cutoffs.clear();
            cutoffs.extend(of_account.iter().map(|row| observations.cutoff[*row as usize]));
            for at in events.of(account as usize) {
                let (time, seen, event) =
                    (events.time[at], events.seen_at(at), usize::from(events.event[at]));
                let (met, next) = &mut counted[event];
                if *met != Some(account) {
                    (*met, *next) = (Some(account), 0);
                }
                // The rows that know of it and look back so far.
                let from = cutoffs.partition_point(|cutoff| *cutoff <= seen).max(*next);
                let to = cutoffs.partition_point(|cutoff| *cutoff <= time + span);
                if to > from {
                    self.rows[event] += (to - from) as u64;
                    *next = to;
                }
                self.last[event] = self.last[event].max(Some(time));
            }
        }
        self
    }

    fn with(mut self, other: Self) -> Self {
        self.rows.iter_mut().zip(other.rows).for_each(|(sum, rows)| *sum += rows);
        self.last.iter_mut().zip(other.last).for_each(|(last, other)| *last = (*last).max(other));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::observations::{Outcome, Split};

    /// Two accounts, of which the first has `a` on days 1 and 9 and `b` on day 9.
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
    fn a_row_counts_once_for_what_its_account_had_in_the_days_before() {
        // The first account at days 1 (its event is not before it), 2, 8, 9, 10 and 20; the second
        // at day 10.
        let cutoff = [1, 2, 8, 9, 10, 20, 10].map(|day| day * DAY).to_vec();
        let n = cutoff.len();
        let observations = Observations {
            account: vec![0, 0, 0, 0, 0, 0, 1],
            cutoff,
            outcome: vec![Outcome::Open; n],
            split: vec![Split::Unused; n],
            ..Observations::default()
        };
        let rows: Vec<u32> = (0..7).collect();
        let none = || Recent { rows: vec![0; 2], last: vec![None; 2] };
        let found = none().met(&events(), &observations, (&rows, 7 * DAY));
        // Of `a`: days 2 and 8 by the first event, day 10 by the second; of `b`: day 10.
        assert_eq!((found.rows, found.last), (vec![3, 1], vec![Some(9 * DAY), Some(9 * DAY)]));
        assert_eq!(none().met(&events(), &observations, (&[5, 6], 7 * DAY)).rows, [0, 0]);
    }
}
