//! Rows as arrows of length 1 that a separating direction must not point against, and the search
//! for such a direction.

use ndarray::{ArrayView1, ArrayView2, aview1};
use rayon::prelude::*;

use super::derivatives::{gram, mirror, sum_chunks};

/// Cosine of the angle up to which an arrow may point against a direction: rounding of standardised
/// columns leaves about 1e-15.
const AGAINST: f64 = 1e-11;
/// Cosine from which an arrow points along a direction for sure. A row that is nearer stays, and is
/// judged among fewer rows later.
const ALONG: f64 = 1e-8;
/// Length of a mean of arrows that is 0 but for rounding; one separated row in a million leaves
/// 1e-6.
const NOTHING: f64 = 1e-13;
/// Part of an arrow that the arrows it is held by must leave, else it adds no dimension.
const DEPENDENT: f64 = 1e-13;
/// Rows most against a direction that are tried before all rows are looked at again.
const CANDIDATES: usize = 256;
/// Rows of a chunk in sums.
const CHUNK: usize = 1024;

/// The rows `±(1, x)` scaled to length 1, their sign the outcome: a direction with no negative
/// product separates the outcomes.
pub(super) struct Arrows<'a> {
    x: ArrayView2<'a, f64>,
    /// ± 1 / length of the row.
    scale: Vec<f64>,
}

impl<'a> Arrows<'a> {
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

    fn arrow(&self, row: usize) -> impl Iterator<Item = f64> {
        let scale = self.scale[row];
        std::iter::once(scale).chain(self.x.row(row).into_iter().map(move |x| scale * x))
    }

    /// Cosine of the angle between a row and a direction of length 1.
    fn cosine(&self, row: usize, direction: &[f64]) -> f64 {
        self.scale[row] * (direction[0] + self.x.row(row).dot(&aview1(&direction[1..])))
    }

    fn cosines(&self, rows: &[usize], direction: &[f64]) -> Vec<f64> {
        rows.par_iter().map(|row| self.cosine(*row, direction)).collect()
    }

    /// `Σ a aᵀ` over rows, k² values.
    pub(super) fn gram(&self, rows: &[usize]) -> Vec<f64> {
        let k = self.width();
        let mut sums = sum_chunks(rows.len(), CHUNK, k * k, |part, z, sums| {
            z.clear();
            rows[part].iter().for_each(|row| z.extend(self.arrow(*row)));
            gram(z, k, sums);
        });
        mirror(&mut sums, k);
        sums
    }

    /// Find the rows that no direction separates: those on which the maximum-likelihood estimate
    /// exists.
    ///
    /// What a direction separates is taken out, and the rows that lie on its hyperplane are asked
    /// again: a direction for them, added in a small enough share to the one before, separates
    /// both. Answers these rows and the first direction, of length 1.
    ///
    /// # Source
    /// Geyer, "Likelihood inference in exponential families and directions of recession",
    /// *Electron. J. Stat.* 3 (2009), §3
    pub(super) fn inseparable(&self) -> (Vec<usize>, Option<Vec<f64>>) {
        let mut rows: Vec<usize> = (0..self.scale.len()).collect();
        let mut first = None;
        while let Some(direction) = self.separating(&rows) {
            let cosines = self.cosines(&rows, &direction);
            rows = rows
                .into_iter()
                .zip(cosines)
                .filter(|(_, cosine)| *cosine <= ALONG)
                .map(|(row, _)| row)
                .collect();
            first.get_or_insert(direction);
        }
        (rows, first)
    }

    /// Find a direction against which no row points, and along which some do; of length 1.
    ///
    /// That is the remainder `r` of the mean row `c` in `min ‖c + Σ λᵢ aᵢ‖, λ ≥ 0`: at the minimum
    /// `aᵢ·r ≥ 0` for all rows, and `c·r = ‖r‖²`. Where `r` is 0 the rows balance each other
    /// with positive weights `1/n + λᵢ`, so that none can be separated. This is the dual of
    /// Konis' linear programme `max Σ aᵢ·β, aᵢ·β ≥ 0, |β| ≤ 1` with the length of β in place of its
    /// largest entry; it has one answer, and a method that ends.
    /// # Source
    /// Konis, *Linear programming algorithms for detecting separated data in binary logistic
    /// regression models* (2007), §4; Lawson, Hanson, *Solving Least Squares Problems* (1974),
    /// §23.3 (non-negative least squares)
    fn separating(&self, rows: &[usize]) -> Option<Vec<f64>> {
        let mut balance = Balance::new(self.mean(rows)?);
        let (mut candidates, mut refused) = (Vec::new(), Vec::new());
        // Some steps per dimension are usual; many times that is rounding in a circle.
        for _ in 0..1_000 + 100 * self.width() {
            let direction = balance.remainder()?;
            if self.worst(&candidates, &refused, &direction).is_none() {
                let cosines = self.cosines(rows, &direction);
                let (none_against, some_along) =
                    (cosines.iter().all(|c| *c >= -ALONG), cosines.iter().any(|c| *c > ALONG));
                candidates = most_against(rows, &cosines);
                if self.worst(&candidates, &refused, &direction).is_none() {
                    return (none_against && some_along).then_some(direction);
                }
            }
            let worst = self.worst(&candidates, &refused, &direction)?;
            if !balance.enter(self.arrow(worst).collect()) {
                refused.push(worst);
            }
        }
        None
    }

    /// Of some rows the one most against a direction.
    fn worst(&self, candidates: &[usize], refused: &[usize], direction: &[f64]) -> Option<usize> {
        let cosines = candidates
            .iter()
            .filter(|row| !refused.contains(row))
            .map(|row| (self.cosine(*row, direction), *row));
        cosines
            .filter(|(cosine, _)| *cosine < -AGAINST)
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
            .map(|(_, row)| row)
    }

    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
    fn mean(&self, rows: &[usize]) -> Option<Vec<f64>> {
        let sums = sum_chunks(rows.len(), CHUNK, self.width(), |part, _, sums| {
            rows[part].iter().for_each(|row| {
                sums.iter_mut().zip(self.arrow(*row)).for_each(|(sum, a)| *sum += a);
            });
        });
        (!rows.is_empty()).then(|| sums.iter().map(|sum| sum / rows.len() as f64).collect())
    }
}

/// The rows that point most against a direction.
fn most_against(rows: &[usize], cosines: &[f64]) -> Vec<usize> {
    let mut against: Vec<(f64, usize)> =
        cosines.iter().copied().zip(rows.iter().copied()).filter(|(c, _)| *c < -AGAINST).collect();
    if against.len() > CANDIDATES {
        against.select_nth_unstable_by(CANDIDATES, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        against.truncate(CANDIDATES);
    }
    against.into_iter().map(|(_, row)| row).collect()
}

/// Arrows with positive weights that balance a mean as far as they can, with an orthonormal basis
/// of them.
struct Balance {
    mean: Vec<f64>,
    arrows: Vec<Vec<f64>>,
    weights: Vec<f64>,
    basis: Vec<Vec<f64>>,
    /// Each arrow in terms of the basis: column by column an upper triangle.
    triangle: Vec<Vec<f64>>,
}

impl Balance {
    fn new(mean: Vec<f64>) -> Self {
        Self {
            mean,
            arrows: Vec::new(),
            weights: Vec::new(),
            basis: Vec::new(),
            triangle: Vec::new(),
        }
    }

    /// What is left of the mean, scaled to length 1; `None` where nothing is.
    fn remainder(&self) -> Option<Vec<f64>> {
        let mut rest = self.mean.clone();
        reduce(&mut rest, &self.basis);
        let length = norm(&rest);
        (length > NOTHING && self.basis.len() < rest.len())
            .then(|| rest.iter().map(|v| v / length).collect())
    }

    /// Let an arrow take part, and those go that no longer help; `false` where rounding gives it no
    /// weight.
    fn enter(&mut self, arrow: Vec<f64>) -> bool {
        if !self.append(&arrow) {
            return false;
        }
        self.arrows.push(arrow);
        self.weights.push(0.0);
        let mut wanted = self.wanted();
        if wanted.last().is_some_and(|w| *w <= 0.0) {
            self.leave(&[self.arrows.len() - 1]);
            return false;
        }
        while wanted.iter().any(|w| *w <= 0.0) {
            // As far as no weight turns negative; those that reach 0 leave.
            let share =
                |(w, to): (&f64, &f64)| if *to <= 0.0 { w / (w - to) } else { f64::INFINITY };
            let shares: Vec<f64> = self.weights.iter().zip(&wanted).map(share).collect();
            let step = shares.iter().copied().fold(1.0, f64::min);
            self.weights.iter_mut().zip(&wanted).for_each(|(w, to)| *w += step * (to - *w));
            let gone: Vec<usize> =
                (0..shares.len()).filter(|i| shares[*i] <= step || shares[*i].is_nan()).collect();
            self.leave(&gone);
            wanted = self.wanted();
        }
        self.weights = wanted;
        true
    }

    /// The weights of least squares, whatever their sign.
    fn wanted(&self) -> Vec<f64> {
        let mut rest = self.mean.clone();
        let mut weights: Vec<f64> = self
            .basis
            .iter()
            .map(|q| {
                let along = dot(q, &rest);
                rest.iter_mut().zip(q).for_each(|(r, q)| *r -= along * q);
                -along
            })
            .collect();
        for j in (0..weights.len()).rev() {
            weights[j] /= self.triangle[j][j];
            let weight = weights[j];
            weights[..j].iter_mut().zip(&self.triangle[j]).for_each(|(w, t)| *w -= weight * t);
        }
        weights
    }

    fn append(&mut self, arrow: &[f64]) -> bool {
        let mut rest = arrow.to_vec();
        let mut column = reduce(&mut rest, &self.basis);
        let length = norm(&rest);
        if length <= DEPENDENT {
            return false;
        }
        column.push(length);
        self.triangle.push(column);
        self.basis.push(rest.iter().map(|v| v / length).collect());
        true
    }

    /// Take arrows out, and build the basis anew from the first of them on.
    fn leave(&mut self, gone: &[usize]) {
        let Some(&from) = gone.first() else { return };
        self.basis.truncate(from);
        self.triangle.truncate(from);
        let (arrows, weights) = (self.arrows.split_off(from), self.weights.split_off(from));
        for (at, (arrow, weight)) in (from..).zip(arrows.into_iter().zip(weights)) {
            if !gone.contains(&at) && self.append(&arrow) {
                self.arrows.push(arrow);
                self.weights.push(weight);
            }
        }
    }
}

/// Take the part along an orthonormal basis away, twice, for what rounding leaves the first time;
/// answers that part.
fn reduce(rest: &mut [f64], basis: &[Vec<f64>]) -> Vec<f64> {
    let mut along = vec![0.0; basis.len()];
    for _ in 0..2 {
        for (sum, q) in along.iter_mut().zip(basis) {
            let part = dot(q, rest);
            *sum += part;
            rest.iter_mut().zip(q).for_each(|(r, q)| *r -= part * q);
        }
    }
    along
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
