//! Loss, gradient and second derivatives of the objective, in one pass over fixed chunks of rows.
//!
//! Chunks are worked on in parallel and added in their order, so that the sums do not depend on the number of threads.

use std::ops::Range;

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice, aview1};
use rayon::prelude::*;

/// Rows of a chunk: with 40 columns its weighted copy (330 KB) stays in a core's own cache.
pub(super) const CHUNK: usize = 1024;
/// Rows that are copied, weighed and scaled while they are in the nearest cache.
const BLOCK: usize = 32;
/// Chunks whose sums are held at once: enough to keep all threads busy, and memory does not grow with the rows.
const CHUNKS_AT_ONCE: usize = 64;

/// The data and the penalty of a fit, checked.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) x: ArrayView2<'a, f64>,
    pub(super) y: ArrayView1<'a, bool>,
    /// Strength of `½‖β‖²`.
    pub(super) l2: f64,
    /// Strength of `‖β‖₁`.
    pub(super) l1: f64,
}

/// The objective and its derivatives at one set of coefficients, intercept first.
pub(super) struct Derivatives {
    /// Sum of log losses.
    pub(super) loss: f64,
    /// `loss` plus both penalties.
    pub(super) objective: f64,
    /// Gradient of the objective without its l1 part, which has none at 0.
    pub(super) gradient: Vec<f64>,
    /// `ZᵀWZ`, without penalty, k² values.
    pub(super) information: Vec<f64>,
}

impl Derivatives {
    /// Largest absolute gradient entry, per row.
    pub(super) fn gradient_per_row(&self, problem: &Problem<'_>) -> f64 {
        largest(&self.gradient) / problem.rows()
    }

    /// `ZᵀWZ + l2·S`.
    pub(super) fn hessian(&self, l2: f64) -> Vec<f64> {
        let mut hessian = self.information.clone();
        hessian.iter_mut().step_by(self.gradient.len() + 1).skip(1).for_each(|h| *h += l2);
        hessian
    }
}

/// Largest absolute value; NaN if there is one.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().map(|v| v.abs()).fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
}

impl Problem<'_> {
    /// Number of coefficients, with the intercept.
    pub(super) fn width(&self) -> usize {
        self.x.ncols() + 1
    }

    /// Number of rows, to divide by.
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
    pub(super) fn rows(&self) -> f64 {
        self.y.len() as f64
    }

    /// Number of rows that converted.
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
    pub(super) fn positive(&self) -> f64 {
        self.y.iter().filter(|&&y| y).count() as f64
    }

    /// The l1 part of the objective.
    pub(super) fn absolute(&self, beta: &[f64]) -> f64 {
        self.l1 * beta[1..].iter().map(|b| b.abs()).sum::<f64>()
    }

    /// Compute loss, gradient and second derivatives at `beta`.
    pub(super) fn at(&self, beta: &[f64]) -> Derivatives {
        let (n, k) = (self.y.len(), self.width());
        let mut sums = sum_chunks(n, CHUNK, 1 + k + k * k, |rows, z, sums| self.chunk(beta, rows, z, sums));
        let mut information = sums.split_off(1 + k);
        mirror(&mut information, k);
        let mut gradient = sums.split_off(1);
        let loss = sums[0];
        for (g, b) in gradient.iter_mut().zip(beta).skip(1) {
            *g += self.l2 * b;
        }
        let objective = loss + 0.5 * self.l2 * beta[1..].iter().map(|b| b * b).sum::<f64>() + self.absolute(beta);
        Derivatives { loss, objective, gradient, information }
    }

    /// Some of the rows.
    pub(super) fn part(&self, rows: Range<usize>) -> (ArrayView2<'_, f64>, ArrayView1<'_, bool>) {
        (self.x.slice_axis(Axis(0), Slice::from(rows.clone())), self.y.slice_axis(Axis(0), Slice::from(rows)))
    }

    /// The share of one chunk: loss, gradient, lower triangle of `ZᵀWZ`.
    fn chunk(&self, beta: &[f64], rows: Range<usize>, z: &mut Vec<f64>, sums: &mut [f64]) {
        let k = beta.len();
        z.resize(rows.len() * k, 1.0);
        let (x, y) = self.part(rows);
        let (head, information) = sums.split_at_mut(1 + k);
        let (loss, gradient) = head.split_at_mut(1);
        let blocks = z.chunks_mut(BLOCK * k).zip(x.axis_chunks_iter(Axis(0), BLOCK)).zip(y.axis_chunks_iter(Axis(0), BLOCK));
        for ((z, x), y) in blocks {
            with_intercept(x, z);
            for (row, &y) in z.chunks_exact_mut(k).zip(y) {
                let point = Point::at(aview1(row).dot(&aview1(beta)), y);
                loss[0] += point.loss;
                let root = point.weight.sqrt();
                for (g, v) in gradient.iter_mut().zip(row) {
                    *g += point.residual * *v;
                    *v *= root;
                }
            }
        }
        gram(z, k, information);
    }

    /// Residual `μ − y` of a row at `beta`.
    pub(super) fn residual(&self, row: usize, beta: &[f64]) -> f64 {
        Point::at(beta[0] + self.x.row(row).dot(&aview1(&beta[1..])), self.y[row]).residual
    }
}

/// One row's loss and its derivatives by η.
pub(super) struct Point {
    /// Log loss `ln(1 + exp η) − y·η`.
    pub(super) loss: f64,
    /// `μ − y`.
    pub(super) residual: f64,
    /// `μ(1 − μ)`.
    pub(super) weight: f64,
}

impl Point {
    /// All from `exp(−|η|)`, which cannot overflow, and without a difference of nearly equal numbers.
    pub(super) fn at(eta: f64, y: bool) -> Self {
        let e = (-eta.abs()).exp();
        let (likely, unlikely) = (1.0 / (1.0 + e), e / (1.0 + e));
        let right = (eta >= 0.0) == y;
        let miss = if right { unlikely } else { likely };
        Self { loss: e.ln_1p() + if right { 0.0 } else { eta.abs() }, residual: if y { -miss } else { miss }, weight: likely * unlikely }
    }
}

/// Copy rows into `z`, by rows, with a leading 1.
pub(super) fn with_intercept(x: ArrayView2<'_, f64>, z: &mut [f64]) {
    let k = x.ncols() + 1;
    if x.nrows() > 1 && x.strides()[0] == 1 {
        for (j, column) in x.columns().into_iter().enumerate() {
            z[j + 1..].iter_mut().step_by(k).zip(column).for_each(|(to, from)| *to = *from);
        }
        z.iter_mut().step_by(k).for_each(|to| *to = 1.0);
        return;
    }
    for (to, from) in z.chunks_exact_mut(k).zip(x.rows()) {
        to[0] = 1.0;
        match from.as_slice() {
            Some(from) => to[1..].copy_from_slice(from),
            None => to[1..].iter_mut().zip(from).for_each(|(to, from)| *to = *from),
        }
    }
}

/// Write the lower triangle of `zᵀz` of row-major `z` with `k` columns into `out`.
pub(super) fn gram(z: &[f64], k: usize, out: &mut [f64]) {
    let z = MatRef::from_row_major_slice(z, z.len() / k, k);
    let out = MatMut::from_row_major_slice_mut(out, k, k);
    let (whole, lower) = (BlockStructure::Rectangular, BlockStructure::TriangularLower);
    settled(|| triangular::matmul(out, lower, Accum::Replace, z.transpose(), whole, z, whole, 1.0, Par::Seq));
}

/// Do some work of faer's and leave the vector registers as other code expects them.
///
/// The kernels of faer 0.24 on `x86_64` return without `vzeroupper`; from then on `exp` and all SSE code of the thread is up to 40 times
/// slower (a million `exp`: 5 ms before, 195 ms after). Those of matrixmultiply, behind ndarray's `dot`, end with it; 16 × 16 is large
/// enough to reach them and takes a microsecond.
pub(super) fn settled<R>(work: impl FnOnce() -> R) -> R {
    let done = work();
    let small = Array2::<f64>::zeros((16, 16));
    std::hint::black_box(small.dot(&small));
    done
}

/// Copy the lower triangle of a k × k matrix onto its upper one.
pub(super) fn mirror(matrix: &mut [f64], k: usize) {
    for i in 0..k {
        for j in 0..i {
            matrix[j * k + i] = matrix[i * k + j];
        }
    }
}

/// Add up `width` values over all chunks of `0..n`: `part` adds those of a range to zeros, with a buffer of its own to work in.
pub(super) fn sum_chunks<F>(n: usize, chunk: usize, width: usize, part: F) -> Vec<f64>
where
    F: Fn(Range<usize>, &mut Vec<f64>, &mut [f64]) + Sync,
{
    let mut total = Sums::zeros(width);
    let chunks = n.div_ceil(chunk);
    for first in (0..chunks).step_by(CHUNKS_AT_ONCE) {
        let parts: Vec<Vec<f64>> = (first..chunks.min(first + CHUNKS_AT_ONCE))
            .into_par_iter()
            .map_init(Vec::new, |buffer, c| {
                let mut sums = vec![0.0; width];
                part(c * chunk..n.min((c + 1) * chunk), buffer, &mut sums);
                sums
            })
            .collect();
        for part in &parts {
            total.add(part);
        }
    }
    total.finish()
}

/// Sums that carry their rounding error along (Neumaier 1974).
struct Sums {
    value: Vec<f64>,
    error: Vec<f64>,
}

impl Sums {
    fn zeros(width: usize) -> Self {
        Self { value: vec![0.0; width], error: vec![0.0; width] }
    }

    fn add(&mut self, part: &[f64]) {
        for ((value, error), &v) in self.value.iter_mut().zip(&mut self.error).zip(part) {
            let sum = *value + v;
            *error += if value.abs() >= v.abs() { (*value - sum) + v } else { (v - sum) + *value };
            *value = sum;
        }
    }

    fn finish(self) -> Vec<f64> {
        self.value.iter().zip(&self.error).map(|(value, error)| value + error).collect()
    }
}
