//! Bands of account age, within which a batch is compared with the training rows.

use serde::{Deserialize, Serialize};

/// Name of the feature with the age of the account, in days.
pub const TENURE: &str = "tenure_days";
/// Cells per doubling of the age. Within a cell, ages differ by at most 19%.
const CELLS_PER_OCTAVE: f64 = 4.0;
/// Fewest training accounts of a band; cells with fewer are merged with older ones.
const MIN_ACCOUNTS: u64 = 20;

/// Bands of account age (days), with the training rows and accounts in each.
///
/// In a growing product, accounts are older in each batch than in the one before, and most features
/// change with age. Drift is therefore measured between rows of the same age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenureBands {
    /// First cell of each band; empty if the rows have no age.
    first_cells: Vec<i32>,
    /// Cell after the last band.
    end_cell: i32,
    /// Training rows by band.
    pub rows: Vec<u64>,
    /// Distinct training accounts by band.
    pub accounts: Vec<u64>,
}

/// Returns the cell of an age in days; ages below a day share a cell.
#[expect(clippy::cast_possible_truncation, reason = "a logarithm")]
fn cell(tenure: f64) -> i32 {
    (CELLS_PER_OCTAVE * tenure.max(1.0).log2()).floor() as i32
}

impl TenureBands {
    /// Creates a single band for rows without ages.
    #[must_use]
    pub fn single(rows: u64, accounts: u64) -> Self {
        Self { first_cells: Vec::new(), end_cell: 0, rows: vec![rows], accounts: vec![accounts] }
    }

    /// Creates bands of at least 20 accounts.
    ///
    /// # Arguments
    /// * `tenure` – age of each row, in days
    /// * `account` – code of the account of each row
    #[must_use]
    pub fn from_rows(tenure: &[f64], account: &[u32]) -> Self {
        let mut by_cell: Vec<(i32, u32)> =
            tenure.iter().zip(account).map(|(tenure, account)| (cell(*tenure), *account)).collect();
        by_cell.sort_unstable();
        let mut bands: Vec<(i32, Vec<u32>)> = Vec::new();
        let mut is_full = true;
        for rows in by_cell.chunk_by(|a, b| a.0 == b.0) {
            if is_full {
                bands.push((rows[0].0, Vec::new()));
            }
            let (_, accounts) = bands.last_mut().expect("a band was pushed");
            accounts.extend(rows.iter().map(|(_, account)| *account));
            is_full = distinct(accounts) >= MIN_ACCOUNTS;
        }
        if let (false, true, Some((_, rest))) = (is_full, bands.len() > 1, bands.last().cloned()) {
            bands.pop();
            bands.last_mut().expect("there were two").1.extend(rest);
        }
        Self {
            first_cells: bands.iter().map(|(first, _)| *first).collect(),
            end_cell: by_cell.last().map_or(0, |(last, _)| last + 1),
            rows: bands.iter().map(|(_, rows)| rows.len() as u64).collect(),
            accounts: bands.iter().map(|(_, rows)| distinct(rows)).collect(),
        }
    }

    /// Returns the number of bands.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether there are no bands: no training rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns whether the bands have ages.
    #[must_use]
    pub fn has_ages(&self) -> bool {
        !self.first_cells.is_empty()
    }

    /// Returns the band of an age; `None` if no training row is about as old.
    #[must_use]
    pub fn band(&self, tenure: f64) -> Option<usize> {
        if !self.has_ages() {
            return (!self.is_empty()).then_some(0);
        }
        let cell = cell(tenure);
        let band = self.first_cells.partition_point(|first| *first <= cell).checked_sub(1)?;
        (cell < self.end_cell).then_some(band)
    }

    /// Returns the number of independent training accounts behind an average over bands.
    ///
    /// # Arguments
    /// * `weights` – weight of each band, summing to 1
    /// # Source
    /// Kish, *Survey Sampling* (1965), §11.7
    #[must_use]
    pub fn effective_accounts(&self, weights: &[f64]) -> f64 {
        effective(weights, &self.accounts)
    }

    /// Returns the number of independent training rows behind an average over bands; see
    /// [`TenureBands::effective_accounts`].
    #[must_use]
    pub fn effective_rows(&self, weights: &[f64]) -> f64 {
        effective(weights, &self.rows)
    }

    /// Returns the share of the training rows in each band.
    #[must_use]
    pub fn shares(&self) -> Vec<f64> {
        let all: u64 = self.rows.iter().sum();
        self.rows.iter().map(|rows| pql_stats::counts::share(*rows, all)).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows")]
fn effective(weights: &[f64], counts: &[u64]) -> f64 {
    let variance: f64 = weights
        .iter()
        .zip(counts)
        .filter(|(weight, _)| **weight > 0.0)
        .map(|(weight, count)| weight * weight / *count as f64)
        .sum();
    if variance > 0.0 { variance.recip() } else { 0.0 }
}

fn distinct(accounts: &[u32]) -> u64 {
    let mut accounts = accounts.to_vec();
    accounts.sort_unstable();
    accounts.dedup();
    accounts.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_have_twenty_accounts_and_end_with_the_oldest_training_row() {
        // Ages 7, 8, …, 106, one account each, and one account twice.
        let tenure: Vec<f64> = (7..107).chain([106]).map(f64::from).collect();
        let account: Vec<u32> = (0..100).chain([99]).collect();
        let bands = TenureBands::from_rows(&tenure, &account);
        assert!(bands.len() > 2 && bands.accounts.iter().all(|accounts| *accounts >= 20));
        assert_eq!(
            (bands.rows.iter().sum::<u64>(), bands.accounts.iter().sum::<u64>()),
            (101, 100)
        );
        assert_eq!(bands.band(7.0), Some(0));
        assert_eq!(bands.band(106.0), Some(bands.len() - 1));
        assert_eq!([bands.band(5.0), bands.band(140.0)], [None, None]);
    }

    #[test]
    fn rows_without_ages_have_one_band() {
        let bands = TenureBands::single(9, 5);
        assert_eq!((bands.band(1e9), bands.shares()), (Some(0), vec![1.0]));
        assert!((bands.effective_accounts(&[1.0]) - 5.0).abs() < 1e-12);
        assert!((bands.effective_rows(&[1.0]) - 9.0).abs() < 1e-12);
    }

    #[test]
    fn uneven_weights_leave_fewer_effective_accounts() {
        let bands = TenureBands {
            first_cells: vec![0, 8],
            end_cell: 12,
            rows: vec![100, 400],
            accounts: vec![50, 100],
        };
        // 0.25²/50 + 0.75²/100 = 0.006875.
        assert!((bands.effective_accounts(&[0.25, 0.75]) - 1.0 / 0.006_875).abs() < 1e-9);
        assert!((bands.effective_accounts(&[0.0, 1.0]) - 100.0).abs() < 1e-9);
    }
}
