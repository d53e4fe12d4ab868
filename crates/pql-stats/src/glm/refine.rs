//! The digits that second derivatives lose where columns nearly determine each other.
//!
//! Summed as products, `A = ZᵀWZ + l2·S` has rounding errors of 1e-16 of its largest entries, which
//! its inverse shows times the condition number of `A`: at a variance inflation of 10⁶ standard
//! errors have 10 right digits, that of the raw intercept 6. In the coordinates `T₀z`, `T₀ = L⁻¹`
//! of the Cholesky factor at hand, the same sums are nearly the identity; summed anew there, their
//! errors count times the condition number of the columns alone, its square root, and 14 digits are
//! right.

use ndarray::{Array2, ArrayView2, aview1};

use super::derivatives::{Problem, gram, mirror, sum_chunks};
use super::inference::{self, Groups};
use super::point::Point;

/// Inflation of a variance from which digits are missing: below it 13 are right anyway, and a pass
/// over the rows is saved.
const INFLATED: f64 = 100.0;
/// Largest step, relative to 1 + |β|, that can be rounding; a larger one says that the solver did
/// not end at the minimum.
const STEP: f64 = 1e-9;
/// Rows of a chunk.
const CHUNK: usize = 1024;

/// The inverse of the second derivatives as `TᵀT`, T a lower triangle.
pub(super) struct Refined {
    triangle: Array2<f64>,
}

/// A covariance, k² values by rows, and R with the covariance `RᵀR`, where it is known.
pub(super) struct Covariance {
    pub(super) values: Vec<f64>,
    pub(super) root: Option<Vec<f64>>,
}

/// Sum the second derivatives again where that gains digits, and take the step that the gradient
/// then shows.
///
/// # Arguments
/// * `lower` – Cholesky factor of the second derivatives at `beta`
/// # Source
/// Yamamoto, Nakatsukasa, Yanagisawa, Fukaya, "Roundoff error analysis of the `CholeskyQR2`
/// algorithm", *ETNA* 44 (2015)
pub(super) fn refine(
    problem: &Problem<'_>,
    beta: &mut [f64],
    lower: ArrayView2<'_, f64>,
) -> Option<Refined> {
    let first = inverse(lower);
    let inflated = |j: usize| {
        first.column(j).dot(&first.column(j)) * lower.row(j).dot(&lower.row(j)) > INFLATED
    };
    if !(0..beta.len()).any(inflated) {
        return None;
    }
    let (gradient, second) = derivatives(problem, beta, &first);
    let factor = inference::factor(&second)?;
    let correction = Array2::from_shape_fn(first.raw_dim(), |(i, j)| factor.L()[(i, j)]);
    let triangle = inverse(correction.view()).dot(&first);
    let step = first.t().dot(&aview1(&inference::newton_step(&factor, &gradient)));
    if step.iter().zip(&*beta).all(|(d, b)| d.abs() <= STEP * (1.0 + b.abs())) {
        beta.iter_mut().zip(&step).for_each(|(b, d)| *b += d);
    }
    Some(Refined { triangle })
}

/// Gradient and second derivatives in the coordinates `T₀z`.
fn derivatives(problem: &Problem<'_>, beta: &[f64], first: &Array2<f64>) -> (Vec<f64>, Vec<f64>) {
    let k = beta.len();
    let mut gradient = sum_chunks(problem.y.len(), CHUNK, k + k * k, |rows, z, sums| {
        z.clear();
        for row in rows.clone() {
            z.push(1.0);
            z.extend(problem.x.row(row));
        }
        let z = ArrayView2::from_shape((rows.len(), k), z).expect("k values for each row");
        let mut turned = z.dot(&first.t());
        let (gradient, second) = sums.split_at_mut(k);
        for ((mut turned, z), row) in turned.rows_mut().into_iter().zip(z.rows()).zip(rows) {
            let point = Point::at(z.dot(&aview1(beta)), problem.y[row]);
            let root = point.weight.sqrt();
            for (g, t) in gradient.iter_mut().zip(&mut turned) {
                *g += point.residual * *t;
                *t *= root;
            }
        }
        gram(turned.as_slice().expect("a product is by rows"), k, second);
    });
    let mut second = gradient.split_off(k);
    for (column, b) in first.columns().into_iter().zip(beta).skip(1) {
        gradient.iter_mut().zip(column).for_each(|(g, t)| *g += problem.l2 * b * t);
    }
    add_penalty(problem, first, &mut second);
    mirror(&mut second, k);
    (gradient, second)
}

/// Add `l2·T S Tᵀ`, of which the lower triangle counts.
fn add_penalty(problem: &Problem<'_>, triangle: &Array2<f64>, into: &mut [f64]) {
    if problem.l2 > 0.0 {
        let k = triangle.nrows();
        for column in triangle.columns().into_iter().skip(1) {
            (0..k * k).for_each(|at| into[at] += problem.l2 * column[at / k] * column[at % k]);
        }
    }
}

impl Refined {
    /// Covariance with independent rows.
    pub(super) fn by_row(&self) -> Covariance {
        Covariance {
            values: by_rows(&self.triangle.t().dot(&self.triangle)),
            root: Some(by_rows(&self.triangle)),
        }
    }

    /// Covariance with rows dependent inside groups.
    pub(super) fn by_group(
        &self,
        problem: &Problem<'_>,
        beta: &[f64],
        groups: &Groups,
    ) -> Covariance {
        let k = beta.len();
        let mut inner = inference::between_groups(problem, beta, groups, Some(&self.triangle));
        add_penalty(problem, &self.triangle, &mut inner);
        // With fewer groups than columns there is no such root.
        let root = inference::factor(&inner).map(|factor| {
            let upper = Array2::from_shape_fn((k, k), |(i, j)| factor.L()[(j, i)]);
            by_rows(&upper.dot(&self.triangle))
        });
        let inner = ArrayView2::from_shape((k, k), &inner).expect("k² values");
        let mut values = by_rows(&self.triangle.t().dot(&inner).dot(&self.triangle));
        mirror(&mut values, k);
        Covariance { values, root }
    }
}

fn by_rows(matrix: &Array2<f64>) -> Vec<f64> {
    matrix.iter().copied().collect()
}

/// Invert a lower triangle.
fn inverse(lower: ArrayView2<'_, f64>) -> Array2<f64> {
    let k = lower.nrows();
    let mut inverse = Array2::<f64>::zeros((k, k));
    for i in 0..k {
        for j in 0..=i {
            let unit = f64::from(u8::from(i == j));
            let before: f64 = (j..i).map(|m| lower[[i, m]] * inverse[[m, j]]).sum();
            inverse[[i, j]] = (unit - before) / lower[[i, i]];
        }
    }
    inverse
}
