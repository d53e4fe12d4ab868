//! Loss, gradient and second derivatives of the objective, in one pass over fixed chunks of rows.
//!
//! Chunks are computed in parallel and added in order, so that the sums do not depend on the number
//! of threads.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Slice, aview1};
use rayon::prelude::*;

use super::point::{Point, with_simd};

/// Rows per chunk. The sums of the chunks are added with compensation.
pub(super) const CHUNK: usize = 2048;
/// Rows per matrix product: with 40 columns their weighted copy (200 KB) fits into the cache of a
/// core.
const PANEL: usize = 512;
/// Rows that are copied and scaled by their weights while they are in the L1 cache.
const BLOCK: usize = 32;
/// Values per cache line. Each copied row starts on a cache line.
const LINE: usize = 8;
/// Rows per strip of a symmetric product. A strip is computed up to its diagonal, which skips about
/// half of the upper triangle.
const STRIP: usize = 16;
/// Chunks in memory at the same time: enough for all threads, and independent of the number of
/// rows.
const CHUNKS_AT_ONCE: usize = 64;

/// The validated data and penalty of a fit.
#[derive(Clone, Copy)]
pub(super) struct Problem<'a> {
    pub(super) x: ArrayView2<'a, f64>,
    pub(super) y: ArrayView1<'a, bool>,
    /// Strength of `½‖β‖²`.
    pub(super) l2: f64,
    /// Strength of `‖β‖₁`.
    pub(super) l1: f64,
}

/// The objective and its derivatives at given coefficients, intercept first.
pub(super) struct Derivatives {
    /// Sum of log losses.
    pub(super) loss: f64,
    /// `loss` plus both penalties.
    pub(super) objective: f64,
    /// Gradient of the objective without its l1 part, which is not differentiable at 0.
    pub(super) gradient: Vec<f64>,
    /// `ZᵀWZ` without the penalty, k² values.
    pub(super) information: Vec<f64>,
}

impl Derivatives {
    /// Returns the largest absolute gradient entry per row.
    pub(super) fn gradient_per_row(&self, problem: &Problem<'_>) -> f64 {
        largest(&self.gradient) / problem.rows()
    }

    /// Computes `ZᵀWZ + l2·S`.
    pub(super) fn hessian(&self, l2: f64) -> Vec<f64> {
        hessian(self.information.clone(), l2)
    }
}

/// Computes `ZᵀWZ + l2·S` from `ZᵀWZ`, k² values.
pub(super) fn hessian(mut information: Vec<f64>, l2: f64) -> Vec<f64> {
    let k = information.len().isqrt();
    information.iter_mut().step_by(k + 1).skip(1).for_each(|h| *h += l2);
    information
}

/// Returns the largest absolute value; NaN if any value is NaN.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().map(|v| v.abs()).fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
}

impl Problem<'_> {
    /// Returns the number of coefficients, including the intercept.
    pub(super) fn width(&self) -> usize {
        self.x.ncols() + 1
    }

    /// Returns the number of rows as a divisor.
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
    pub(super) fn rows(&self) -> f64 {
        self.y.len() as f64
    }

    /// Returns the number of rows that converted.
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2⁵³")]
    pub(super) fn positive(&self) -> f64 {
        self.y.iter().filter(|&&y| y).count() as f64
    }

    /// Computes the l1 part of the objective.
    pub(super) fn absolute(&self, beta: &[f64]) -> f64 {
        self.l1 * beta[1..].iter().map(|b| b.abs()).sum::<f64>()
    }

    /// Computes loss, gradient and second derivatives at `beta`.
    pub(super) fn derivatives(&self, beta: &[f64]) -> Derivatives {
        let (n, k) = (self.y.len(), self.width());
        let mut sums =
            sum_chunks(n, CHUNK, 1 + k + k * k, |rows, z, sums| self.chunk(beta, rows, z, sums));
        let mut information = sums.split_off(1 + k);
        mirror(&mut information, k);
        let mut gradient = sums.split_off(1);
        let loss = sums[0];
        for (g, b) in gradient.iter_mut().zip(beta).skip(1) {
            *g += self.l2 * b;
        }
        let objective = loss
            + 0.5 * self.l2 * beta[1..].iter().map(|b| b * b).sum::<f64>()
            + self.absolute(beta);
        Derivatives { loss, objective, gradient, information }
    }

    /// Returns a range of the rows.
    pub(super) fn slice_rows(
        &self,
        rows: Range<usize>,
    ) -> (ArrayView2<'_, f64>, ArrayView1<'_, bool>) {
        (
            self.x.slice_axis(Axis(0), Slice::from(rows.clone())),
            self.y.slice_axis(Axis(0), Slice::from(rows)),
        )
    }

    /// Adds one chunk to `sums`: loss, gradient, and the lower triangle of `ZᵀWZ`.
    fn chunk(&self, beta: &[f64], rows: Range<usize>, buffer: &mut Vec<f64>, sums: &mut [f64]) {
        let k = beta.len();
        let (head, information) = sums.split_at_mut(1 + k);
        let mut gradient_sums =
            GradientSums { beta: padded(beta), loss: 0.0, gradient: padded(&vec![0.0; k]) };
        for panel in rows.clone().step_by(PANEL) {
            let (x, y) = self.slice_rows(panel..rows.end.min(panel + PANEL));
            let z = padded_rows(buffer, y.len(), k);
            with_simd(
                #[inline(always)]
                || {
                    let y = y.axis_chunks_iter(Axis(0), BLOCK);
                    let blocks = z
                        .chunks_mut(BLOCK * gradient_sums.beta.len())
                        .zip(x.axis_chunks_iter(Axis(0), BLOCK))
                        .zip(y);
                    for ((z, x), y) in blocks {
                        copy_with_intercept(x, z, k);
                        gradient_sums.add_block(z, y);
                    }
                },
            );
            gram_of_padded(z, k, information);
        }
        head[0] += gradient_sums.loss;
        head[1..].iter_mut().zip(&gradient_sums.gradient).for_each(|(sum, g)| *sum += g);
    }

    /// Computes the gradients of the loss at several vectors of coefficients in one pass over the
    /// rows.
    pub(super) fn slopes(&self, betas: &[&[f64]]) -> Vec<Vec<f64>> {
        let (k, m) = (self.width(), betas.len());
        let betas = betas.concat();
        let betas = MatRef::from_column_major_slice(&betas, k, m);
        let sums = sum_chunks(self.y.len(), CHUNK, k * m, |rows, buffer, sums| {
            let mut eta = vec![0.0; PANEL * m];
            for panel in rows.clone().step_by(PANEL) {
                let (x, converted) = self.slice_rows(panel..rows.end.min(panel + PANEL));
                let (n, converted) = (converted.len(), converted.to_vec());
                let panel_rows = padded_rows(buffer, n, k);
                copy_with_intercept(x, panel_rows, k);
                let (panel_rows, eta) = (padded_matrix(panel_rows, k), &mut eta[..n * m]);
                run_faer(|| {
                    matmul(
                        MatMut::from_column_major_slice_mut(eta, n, m),
                        Accum::Replace,
                        panel_rows,
                        betas,
                        1.0,
                        Par::Seq,
                    );
                    to_residuals(eta, &converted);
                    let residuals = MatRef::from_column_major_slice(eta, n, m);
                    matmul(
                        MatMut::from_column_major_slice_mut(sums, k, m),
                        Accum::Add,
                        panel_rows.transpose(),
                        residuals,
                        1.0,
                        Par::Seq,
                    );
                });
            }
        });
        sums.chunks_exact(k).map(<[f64]>::to_vec).collect()
    }

    /// Computes the residual `μ − y` of a row at `beta`.
    pub(super) fn residual(&self, row: usize, beta: &[f64]) -> f64 {
        Point::new(beta[0] + self.x.row(row).dot(&aview1(&beta[1..])), self.y[row]).residual
    }
}

/// Running sums of loss and gradient; coefficients and gradient are padded to whole cache lines.
struct GradientSums {
    beta: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
}

impl GradientSums {
    /// Adds a block of rows, and scales each row by the square root of its weight.
    #[inline(always)]
    fn add_block(&mut self, z: &mut [f64], y: ArrayView1<'_, bool>) {
        let width = self.beta.len();
        let (mut eta, mut converted) = ([0.0; BLOCK], [false; BLOCK]);
        for ((eta, converted), (row, y)) in
            eta.iter_mut().zip(&mut converted).zip(z.chunks_exact(width).zip(y))
        {
            (*eta, *converted) = (dot_padded(row, &self.beta), *y);
        }
        let (mut loss, mut residual, mut root) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        for i in 0..BLOCK {
            let point = Point::new(eta[i], converted[i]);
            (loss[i], residual[i], root[i]) = (point.loss, point.residual, point.weight.sqrt());
        }
        for ((row, residual), root) in z.chunks_exact_mut(width).zip(residual).zip(root) {
            for (g, v) in self.gradient.iter_mut().zip(row) {
                *g += residual * *v;
                *v *= root;
            }
        }
        self.loss += loss[..y.len()].iter().sum::<f64>();
    }
}

/// Computes the dot product of two padded rows.
#[inline(always)]
fn dot_padded(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LINE];
    for (a, b) in a.chunks_exact(LINE).zip(b.chunks_exact(LINE)) {
        for i in 0..LINE {
            sums[i] += a[i] * b[i];
        }
    }
    for half in [4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0]
}

/// Pads values with zeros to whole cache lines.
fn padded(values: &[f64]) -> Vec<f64> {
    let mut padded = values.to_vec();
    padded.resize(values.len().next_multiple_of(LINE), 0.0);
    padded
}

/// Replaces log-odds by residuals; `eta` has the same rows once per vector of coefficients.
fn to_residuals(eta: &mut [f64], y: &[bool]) {
    with_simd(
        #[inline(always)]
        || {
            for eta in eta.chunks_exact_mut(y.len()) {
                for (eta, y) in eta.iter_mut().zip(y) {
                    *eta = Point::new(*eta, *y).residual;
                }
            }
        },
    );
}

/// Returns space for rows of k values, each starting on a cache line, which makes products a
/// quarter faster. The padding is 0 as long as the buffer is only used for rows of k values and the
/// padding is never written.
pub(super) fn padded_rows(buffer: &mut Vec<f64>, rows: usize, k: usize) -> &mut [f64] {
    let len = rows * k.next_multiple_of(LINE);
    if buffer.len() < len + LINE {
        buffer.clear();
        buffer.resize(len + LINE, 0.0);
    }
    let skip = buffer.as_ptr().align_offset(LINE * size_of::<f64>()).min(LINE);
    &mut buffer[skip..skip + len]
}

/// Copies rows with a leading 1 into the padded rows of `z`.
#[inline(always)]
pub(super) fn copy_with_intercept(x: ArrayView2<'_, f64>, z: &mut [f64], k: usize) {
    let width = k.next_multiple_of(LINE);
    if x.nrows() > 1 && x.strides()[0] == 1 {
        for (j, column) in x.columns().into_iter().enumerate() {
            for (row, from) in z.chunks_exact_mut(width).zip(column) {
                row[j + 1] = *from;
            }
        }
    } else {
        for (to, from) in z.chunks_exact_mut(width).zip(x.rows()) {
            match from.as_slice() {
                Some(from) => to[1..k].copy_from_slice(from),
                None => to[1..k].iter_mut().zip(from).for_each(|(to, from)| *to = *from),
            }
        }
    }
    z.iter_mut().step_by(width).for_each(|first| *first = 1.0);
}

/// Adds `zᵀz` to `out` for row-major `z` with k columns; only the lower triangle of the k² values
/// is valid.
pub(super) fn gram(z: &[f64], k: usize, out: &mut [f64]) {
    add_gram(MatRef::from_row_major_slice(z, z.len() / k, k), out);
}

/// Adds `zᵀz` to `out` for padded rows, as [`gram`].
pub(super) fn gram_of_padded(z: &[f64], k: usize, out: &mut [f64]) {
    add_gram(padded_matrix(z, k), out);
}

/// Views padded rows as a matrix with k columns.
fn padded_matrix(z: &[f64], k: usize) -> MatRef<'_, f64> {
    let width = k.next_multiple_of(LINE);
    MatRef::from_row_major_slice_with_stride(z, z.len() / width, k, width)
}

fn add_gram(z: MatRef<'_, f64>, out: &mut [f64]) {
    let k = z.ncols();
    run_faer(|| {
        for (strip, out) in out.chunks_mut(STRIP * k).enumerate() {
            let (from, height) = (strip * STRIP, out.len() / k);
            let out =
                MatMut::from_row_major_slice_mut(out, height, k).subcols_mut(0, from + height);
            matmul(
                out,
                Accum::Add,
                z.subcols(from, height).transpose(),
                z.subcols(0, from + height),
                1.0,
                Par::Seq,
            );
        }
    });
}

/// Runs faer code, then resets the vector registers for other code.
///
/// The kernels of faer 0.24 on `x86_64` return without `vzeroupper`. After that, `exp` and all SSE
/// code of the thread are up to 40 times slower (a million `exp`: 5 ms before, 195 ms after). The
/// kernels of matrixmultiply, which ndarray's `dot` uses, end with `vzeroupper`. A 16 × 16 product
/// is large enough to reach them, and takes a microsecond.
pub(super) fn run_faer<R>(work: impl FnOnce() -> R) -> R {
    let done = work();
    let small = Array2::<f64>::zeros((16, 16));
    std::hint::black_box(small.dot(&small));
    done
}

/// Copies the lower triangle of a k × k matrix to the upper one.
pub(super) fn mirror(matrix: &mut [f64], k: usize) {
    for i in 0..k {
        for j in 0..i {
            matrix[j * k + i] = matrix[i * k + j];
        }
    }
}

/// Sums `width` values over all chunks of `0..n`. `add_chunk` adds the values of a range to zeros;
/// it gets a work buffer.
pub(super) fn sum_chunks<F>(n: usize, chunk: usize, width: usize, add_chunk: F) -> Vec<f64>
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
                add_chunk(c * chunk..n.min((c + 1) * chunk), buffer, &mut sums);
                sums
            })
            .collect();
        for part in &parts {
            total.add(part);
        }
    }
    total.finish()
}

/// Compensated sums (Neumaier 1974).
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
