//! An account list with several rows per account: its attributes as of a time.

use super::cells::NO_TIME;

/// The rows of an account list with several rows per account.
#[derive(Debug, Default)]
pub(super) struct AccountVersions {
    /// Code of the account of each row.
    pub(super) code: Vec<u32>,
    /// Time from which each row counts, µs UTC; [`NO_TIME`]: from the start.
    pub(super) from: Vec<i64>,
}

impl AccountVersions {
    /// Returns the number of accounts.
    pub(super) fn accounts(&self) -> usize {
        self.code.iter().max().map_or(0, |code| *code as usize + 1)
    }

    /// Returns a row of an account that counts from the same time as an earlier one.
    pub(super) fn duplicate(&self) -> Option<usize> {
        let mut rows: Vec<usize> = (0..self.code.len()).collect();
        let key = |row: &usize| (self.code[*row], self.from[*row]);
        rows.sort_by_key(key);
        rows.windows(2).filter(|pair| key(&pair[0]) == key(&pair[1])).map(|pair| pair[1]).min()
    }

    /// Returns the rows that count before a time, by account.
    pub(super) fn rows_before(&self, time: i64) -> RowsByAccount {
        let mut rows: Vec<u32> = (0..).take(self.code.len()).collect();
        rows.retain(|row| self.from[*row as usize] < time);
        rows.sort_by_key(|row| (self.code[*row as usize], self.from[*row as usize]));
        let mut start = vec![0; self.accounts() + 1];
        rows.iter().for_each(|row| start[self.code[*row as usize] as usize + 1] += 1);
        (1..start.len()).for_each(|code| start[code] += start[code - 1]);
        RowsByAccount { rows, start }
    }
}

/// Rows of an account list by account, oldest first.
pub(super) struct RowsByAccount {
    rows: Vec<u32>,
    /// Rows of the account with code c: `rows[start[c]..start[c + 1]]`.
    start: Vec<usize>,
}

impl RowsByAccount {
    /// Returns the rows of an account.
    pub(super) fn rows(&self, code: usize) -> &[u32] {
        &self.rows[self.start[code]..self.start[code + 1]]
    }

    /// Returns a value of each account: of the first row that has one.
    pub(super) fn first<T: Copy>(
        &self,
        values: &[T],
        is_known: impl Fn(&T) -> bool,
    ) -> Vec<Option<T>> {
        let value = |code| {
            let mut values = self.rows(code).iter().map(|row| values[*row as usize]);
            values.find(|value| is_known(value))
        };
        (0..self.start.len() - 1).map(value).collect()
    }

    /// Returns a value of each account: of the last row that has one.
    pub(super) fn last<T: Copy>(
        &self,
        values: &[T],
        is_known: impl Fn(&T) -> bool,
    ) -> Vec<Option<T>> {
        let value = |code| {
            let mut values = self.rows(code).iter().rev().map(|row| values[*row as usize]);
            values.find(|value| is_known(value))
        };
        (0..self.start.len() - 1).map(value).collect()
    }

    /// Returns the earliest time of each account; [`NO_TIME`] without one.
    pub(super) fn earliest(&self, times: &[i64]) -> Vec<i64> {
        let earliest = |code| {
            let times = self.rows(code).iter().map(|row| times[*row as usize]);
            times.filter(|t| *t != NO_TIME).min().unwrap_or(NO_TIME)
        };
        (0..self.start.len() - 1).map(earliest).collect()
    }
}

/// Which row of the attributes of an account counts at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeHistory {
    /// Rows of the account with code c: `start[c]..start[c + 1]`.
    start: Vec<u32>,
    /// Time from which each row counts, µs UTC.
    from: Vec<i64>,
}

impl AttributeHistory {
    /// Creates the history of no account.
    pub(super) fn new() -> Self {
        Self { start: vec![0], from: Vec::new() }
    }

    /// Adds the rows of the next account, given the times from which they count.
    pub(super) fn push_account(&mut self, from: impl Iterator<Item = i64>) {
        self.from.extend(from);
        self.start.push(u32::try_from(self.from.len()).expect("a table has fewer than 2³² rows"));
    }

    fn rows(&self, account: u32) -> std::ops::Range<usize> {
        self.start[account as usize] as usize..self.start[account as usize + 1] as usize
    }

    /// Returns the newest row of an account that counts before a time, µs UTC.
    #[must_use]
    pub fn row(&self, account: u32, time: i64) -> Option<u32> {
        let rows = self.rows(account);
        let before = self.from[rows.clone()].partition_point(|from| *from < time);
        let row = (rows.start + before).checked_sub(1).filter(|row| *row >= rows.start)?;
        u32::try_from(row).ok()
    }

    /// Returns the newest row of an account.
    #[must_use]
    pub fn latest(&self, account: u32) -> Option<u32> {
        self.row(account, i64::MAX)
    }

    /// Returns the account of each row.
    pub(super) fn accounts(&self) -> Vec<u32> {
        let accounts = (0..).take(self.start.len() - 1);
        accounts.flat_map(|account| self.rows(account).map(move |_| account)).collect()
    }

    /// Returns the time from which each row counts, µs UTC.
    pub(super) fn valid_from(&self) -> &[i64] {
        &self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_row_before_a_time_counts() {
        let mut history = AttributeHistory::new();
        history.push_account([NO_TIME, 10, 20].into_iter());
        history.push_account(std::iter::empty());
        history.push_account([5].into_iter());
        let rows = |account, times: &[i64]| -> Vec<Option<u32>> {
            times.iter().map(|time| history.row(account, *time)).collect()
        };
        assert_eq!(rows(0, &[0, 10, 11, 20, 21]), [Some(0), Some(0), Some(1), Some(1), Some(2)]);
        assert_eq!(rows(1, &[0, 99]), [None, None]);
        assert_eq!(rows(2, &[5, 6]), [None, Some(3)]);
        assert_eq!((history.latest(0), history.latest(1)), (Some(2), None));
        assert_eq!(history.accounts(), [0, 0, 0, 2]);
    }

    #[test]
    fn rows_are_collected_by_account_up_to_a_time() {
        let versions =
            AccountVersions { code: vec![1, 0, 1, 0, 1], from: vec![30, NO_TIME, 10, 20, 40] };
        let rows = versions.rows_before(40);
        assert_eq!((rows.rows(0), rows.rows(1)), (&[1, 3][..], &[2, 0][..]));
        let values = [1.0, f64::NAN, f64::NAN, 4.0, 5.0];
        assert_eq!(rows.first(&values, |v| !v.is_nan()), [Some(4.0), Some(1.0)]);
        assert_eq!(rows.last(&[1, 2, 3, 4, 5], |v| *v > 1), [Some(4), Some(3)]);
        assert_eq!(rows.earliest(&[7, NO_TIME, 3, NO_TIME, 1]), [NO_TIME, 3]);
        assert_eq!(versions.duplicate(), None);
        let same = AccountVersions { code: vec![0, 1, 0], from: vec![5, 5, 5] };
        assert_eq!(same.duplicate(), Some(2));
    }
}
