//! Rows signed by their outcome and scaled to length 1, and the search for a direction that
//! separates them.

use ndarray::{ArrayView1, ArrayView2, aview1};
use rayon::prelude::*;

use super::derivatives::{gram, mirror, sum_chunks};

/// Size of a negative cosine above which a row counts as violated: rounding of standardized columns
/// leaves about 1e-15.
const VIOLATION: f64 = 1e-11;
/// Cosine above which a row counts as separated. Rows with a smaller cosine are checked again
/// later, among fewer rows.
const SEPARATED: f64 = 1e-8;
/// Length of a mean that counts as 0: one separated row in a million leaves 1e-6.
const ZERO_LENGTH: f64 = 1e-13;
/// Smallest part of a row outside the span of the previous rows: below it the row is linearly
/// dependent.
const DEPENDENT: f64 = 1e-13;
/// Number of most violated rows that are tried before all rows are checked again.
const CANDIDATES: usize = 256;
/// Rows per chunk.
const CHUNK: usize = 1024;

/// The rows `±(1, x)` scaled to length 1, with the sign of the outcome. A direction with no
/// negative product separates the outcomes.
pub(super) struct SignedRows<'a> {
    x: ArrayView2<'a, f64>,
    /// ±1 / length of each row.
    scale: Vec<f64>,
}

impl<'a> SignedRows<'a> {
    pub(super) fn new(x: ArrayView2<'a, f64>, y: ArrayView1<'_, bool>) -> Self {
        let length = |row: usize| (1.0 + x.row(row).dot(&x.row(row))).sqrt();
        let scale = (0..y.len())
            .into_par_iter()
            .map(|row| if y[row] { 1.0 } else { -1.0 } / length(row))
            .collect();
        Self { x, scale }
    }

    fn width(&self) -> usize {
        self.x.ncols() + 1
    }

    fn signed_row(&self, row: usize) -> impl Iterator<Item = f64> {
        let scale = self.scale[row];
        std::iter::once(scale).chain(self.x.row(row).into_iter().map(move |x| scale * x))
    }

    /// Computes the cosine of the angle between a row and a direction of length 1.
    fn cosine(&self, row: usize, direction: &[f64]) -> f64 {
        self.scale[row] * (direction[0] + self.x.row(row).dot(&aview1(&direction[1..])))
    }

    fn cosines(&self, rows: &[usize], direction: &[f64]) -> Vec<f64> {
        rows.par_iter().map(|row| self.cosine(*row, direction)).collect()
    }

    /// Computes `Σ a aᵀ` over rows, k² values.
    pub(super) fn gram(&self, rows: &[usize]) -> Vec<f64> {
        let k = self.width();
        let mut sums = sum_chunks(rows.len(), CHUNK, k * k, |chunk, z, sums| {
            z.clear();
            rows[chunk].iter().for_each(|row| z.extend(self.signed_row(*row)));
            gram(z, k, sums);
        });
        mirror(&mut sums, k);
        sums
    }

    /// Finds the rows that no direction separates: on these rows the maximum-likelihood estimate
    /// exists. Returns them, and the first separating direction, of length 1.
    ///
    /// Removes the rows that a direction separates, and repeats with the rows on its hyperplane: a
    /// direction for them, added to the previous one with a small enough weight, separates both.
    ///
    /// # Source
    /// Geyer, "Likelihood inference in exponential families and directions of recession",
    /// *Electron. J. Stat.* 3 (2009), §3
    pub(super) fn inseparable(&self) -> (Vec<usize>, Option<Vec<f64>>) {
        let mut rows: Vec<usize> = (0..self.scale.len()).collect();
        let mut first = None;
        while let Some(direction) = self.find_direction(&rows) {
            let cosines = self.cosines(&rows, &direction);
            rows = rows
                .into_iter()
                .zip(cosines)
                .filter(|(_, cosine)| *cosine <= SEPARATED)
                .map(|(row, _)| row)
                .collect();
            first.get_or_insert(direction);
        }
        (rows, first)
    }

    /// Finds a direction with no negative and some positive products; of length 1.
    ///
    /// It is the residual `r` of the mean row `c` in `min ‖c + Σ λᵢ aᵢ‖, λ ≥ 0`: at the minimum
    /// `aᵢ·r ≥ 0` for all rows, and `c·r = ‖r‖²`. If `r` is 0, the rows balance each other with
    /// positive weights `1/n + λᵢ`, so that none can be separated. This is the dual of Konis'
    /// linear program `max Σ aᵢ·β, aᵢ·β ≥ 0, |β| ≤ 1`, with the length of β instead of its largest
    /// entry. Its solution is unique, and the method terminates.
    /// # Source
    /// Konis, *Linear programming algorithms for detecting separated data in binary logistic
    /// regression models* (2007), §4; Lawson, Hanson, *Solving Least Squares Problems* (1974),
    /// §23.3 (non-negative least squares)
    fn find_direction(&self, rows: &[usize]) -> Option<Vec<f64>> {
        let mut balance = Balance::new(self.mean(rows)?);
        let (mut candidates, mut rejected) = (Vec::new(), Vec::new());
        // A few steps per dimension are typical; many more mean cycling by rounding.
        for _ in 0..1_000 + 100 * self.width() {
            let direction = balance.remainder()?;
            if self.most_violated(&candidates, &rejected, &direction).is_none() {
                let cosines = self.cosines(rows, &direction);
                let (none_violated, some_separated) = (
                    cosines.iter().all(|c| *c >= -SEPARATED),
                    cosines.iter().any(|c| *c > SEPARATED),
                );
                candidates = most_violated_rows(rows, &cosines);
                if self.most_violated(&candidates, &rejected, &direction).is_none() {
                    return (none_violated && some_separated).then_some(direction);
                }
            }
            let most_violated = self.most_violated(&candidates, &rejected, &direction)?;
            if !balance.add(self.signed_row(most_violated).collect()) {
                rejected.push(most_violated);
            }
        }
        None
    }

    /// Returns the most violated of the candidates.
    fn most_violated(
        &self,
        candidates: &[usize],
        rejected: &[usize],
        direction: &[f64],
    ) -> Option<usize> {
        let cosines = candidates
            .iter()
            .filter(|row| !rejected.contains(row))
            .map(|row| (self.cosine(*row, direction), *row));
        cosines
            .filter(|(cosine, _)| *cosine < -VIOLATION)
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, row)| row)
    }

    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
    fn mean(&self, rows: &[usize]) -> Option<Vec<f64>> {
        let sums = sum_chunks(rows.len(), CHUNK, self.width(), |chunk, _, sums| {
            rows[chunk].iter().for_each(|row| {
                sums.iter_mut().zip(self.signed_row(*row)).for_each(|(sum, a)| *sum += a);
            });
        });
        (!rows.is_empty()).then(|| sums.iter().map(|sum| sum / rows.len() as f64).collect())
    }
}

/// Returns the rows that a direction violates most.
fn most_violated_rows(rows: &[usize], cosines: &[f64]) -> Vec<usize> {
    let mut violated: Vec<(f64, usize)> = cosines
        .iter()
        .copied()
        .zip(rows.iter().copied())
        .filter(|(c, _)| *c < -VIOLATION)
        .collect();
    if violated.len() > CANDIDATES {
        violated.select_nth_unstable_by(CANDIDATES, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        violated.truncate(CANDIDATES);
    }
    violated.into_iter().map(|(_, row)| row).collect()
}

/// Rows with positive weights that balance a mean by least squares, and an orthonormal basis of
/// them.
struct Balance {
    mean: Vec<f64>,
    rows: Vec<Vec<f64>>,
    weights: Vec<f64>,
    basis: Vec<Vec<f64>>,
    /// Coordinates of each row in the basis: the columns of an upper triangle.
    triangle: Vec<Vec<f64>>,
}

impl Balance {
    fn new(mean: Vec<f64>) -> Self {
        Self {
            mean,
            rows: Vec::new(),
            weights: Vec::new(),
            basis: Vec::new(),
            triangle: Vec::new(),
        }
    }

    /// Computes the residual of the mean, scaled to length 1; `None` if it is 0.
    fn remainder(&self) -> Option<Vec<f64>> {
        let mut residual = self.mean.clone();
        reduce(&mut residual, &self.basis);
        let length = norm(&residual);
        (length > ZERO_LENGTH && self.basis.len() < residual.len())
            .then(|| residual.iter().map(|v| v / length).collect())
    }

    /// Adds a row, and removes rows with nonpositive weights. Returns `false` if rounding gives the
    /// new row no weight.
    fn add(&mut self, signed_row: Vec<f64>) -> bool {
        if !self.append(&signed_row) {
            return false;
        }
        self.rows.push(signed_row);
        self.weights.push(0.0);
        let mut target = self.least_squares();
        if target.last().is_some_and(|w| *w <= 0.0) {
            self.remove(&[self.rows.len() - 1]);
            return false;
        }
        while target.iter().any(|w| *w <= 0.0) {
            // Step until the first weight reaches 0, and remove that row.
            let share =
                |(w, to): (&f64, &f64)| if *to <= 0.0 { w / (w - to) } else { f64::INFINITY };
            let shares: Vec<f64> = self.weights.iter().zip(&target).map(share).collect();
            let step = shares.iter().copied().fold(1.0, f64::min);
            self.weights.iter_mut().zip(&target).for_each(|(w, to)| *w += step * (to - *w));
            let removed: Vec<usize> =
                (0..shares.len()).filter(|i| shares[*i] <= step || shares[*i].is_nan()).collect();
            self.remove(&removed);
            target = self.least_squares();
        }
        self.weights = target;
        true
    }

    /// Computes the least-squares weights, of either sign.
    fn least_squares(&self) -> Vec<f64> {
        let mut residual = self.mean.clone();
        let mut weights: Vec<f64> = self
            .basis
            .iter()
            .map(|q| {
                let component = dot(q, &residual);
                residual.iter_mut().zip(q).for_each(|(r, q)| *r -= component * q);
                -component
            })
            .collect();
        for j in (0..weights.len()).rev() {
            weights[j] /= self.triangle[j][j];
            let weight = weights[j];
            weights[..j].iter_mut().zip(&self.triangle[j]).for_each(|(w, t)| *w -= weight * t);
        }
        weights
    }

    fn append(&mut self, signed_row: &[f64]) -> bool {
        let mut residual = signed_row.to_vec();
        let mut column = reduce(&mut residual, &self.basis);
        let length = norm(&residual);
        if length <= DEPENDENT {
            return false;
        }
        column.push(length);
        self.triangle.push(column);
        self.basis.push(residual.iter().map(|v| v / length).collect());
        true
    }

    /// Removes rows, and rebuilds the basis from the first of them.
    fn remove(&mut self, removed: &[usize]) {
        let Some(&from) = removed.first() else { return };
        self.basis.truncate(from);
        self.triangle.truncate(from);
        let (rows, weights) = (self.rows.split_off(from), self.weights.split_off(from));
        for (index, (signed_row, weight)) in (from..).zip(rows.into_iter().zip(weights)) {
            if !removed.contains(&index) && self.append(&signed_row) {
                self.rows.push(signed_row);
                self.weights.push(weight);
            }
        }
    }
}

/// Removes the component along an orthonormal basis, twice for accuracy. Returns that component.
fn reduce(residual: &mut [f64], basis: &[Vec<f64>]) -> Vec<f64> {
    let mut component = vec![0.0; basis.len()];
    for _ in 0..2 {
        for (sum, q) in component.iter_mut().zip(basis) {
            let projection = dot(q, residual);
            *sum += projection;
            residual.iter_mut().zip(q).for_each(|(r, q)| *r -= projection * q);
        }
    }
    component
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
