//! Recovers the digits that second derivatives lose with nearly collinear columns.
//!
//! The rounding errors of `A = ZᵀWZ + l2·S` are 1e-16 of its largest entries, and its inverse
//! multiplies them by the condition number of `A`. At a variance inflation of 10⁶, standard errors
//! have 10 correct digits, and that of the raw intercept 6. In the coordinates `T₀z` with `T₀ =
//! L⁻¹`, the inverse Cholesky factor, the same sums are nearly the identity. Summed again there,
//! the errors are multiplied by the condition number of the columns alone, the square root, and 14
//! digits are correct.

use ndarray::{Array2, ArrayView2, aview1};

use super::derivatives::{Problem, gram, mirror, sum_chunks};
use super::inference::{self, Groups};
use super::point::Point;

/// Variance inflation above which digits are lost: below it 13 digits are correct, and a pass over
/// the rows is saved.
const INFLATED: f64 = 100.0;
/// Largest step, relative to 1 + |β|, that rounding can cause; after a larger step the solver was
/// not at the minimum.
const STEP: f64 = 1e-9;
/// Rows per chunk.
const CHUNK: usize = 1024;

/// The inverse of the second derivatives as `TᵀT` with a lower triangle T.
pub(super) struct Refined {
    triangle: Array2<f64>,
}

/// A covariance, k² values by rows, and R with the covariance `RᵀR` if known.
pub(super) struct Covariance {
    pub(super) values: Vec<f64>,
    pub(super) root: Option<Vec<f64>>,
}

/// Recomputes the second derivatives if that gains digits, and takes the remaining Newton step;
/// `None` if no variance is inflated.
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

/// Computes gradient and second derivatives in the coordinates `T₀z`.
fn derivatives(problem: &Problem<'_>, beta: &[f64], first: &Array2<f64>) -> (Vec<f64>, Vec<f64>) {
    let k = beta.len();
    let mut gradient = sum_chunks(problem.y.len(), CHUNK, k + k * k, |rows, z, sums| {
        z.clear();
        for row in rows.clone() {
            z.push(1.0);
            z.extend(problem.x.row(row));
        }
        let z = ArrayView2::from_shape((rows.len(), k), z).expect("k values for each row");
        let mut transformed = z.dot(&first.t());
        let (gradient, second) = sums.split_at_mut(k);
        for ((mut transformed, z), row) in
            transformed.rows_mut().into_iter().zip(z.rows()).zip(rows)
        {
            let point = Point::new(z.dot(&aview1(beta)), problem.y[row]);
            let root = point.weight.sqrt();
            for (g, t) in gradient.iter_mut().zip(&mut transformed) {
                *g += point.residual * *t;
                *t *= root;
            }
        }
        gram(transformed.as_slice().expect("a product is by rows"), k, second);
    });
    let mut second = gradient.split_off(k);
    for (column, b) in first.columns().into_iter().zip(beta).skip(1) {
        gradient.iter_mut().zip(column).for_each(|(g, t)| *g += problem.l2 * b * t);
    }
    add_penalty(problem, first, &mut second);
    mirror(&mut second, k);
    (gradient, second)
}

/// Adds `l2·T S Tᵀ`; only the lower triangle is used.
fn add_penalty(problem: &Problem<'_>, triangle: &Array2<f64>, into: &mut [f64]) {
    if problem.l2 > 0.0 {
        let k = triangle.nrows();
        for column in triangle.columns().into_iter().skip(1) {
            (0..k * k).for_each(|i| into[i] += problem.l2 * column[i / k] * column[i % k]);
        }
    }
}

impl Refined {
    /// Computes the covariance for independent rows.
    pub(super) fn by_row(&self) -> Covariance {
        Covariance {
            values: by_rows(&self.triangle.t().dot(&self.triangle)),
            root: Some(by_rows(&self.triangle)),
        }
    }

    /// Computes the covariance for rows that are dependent within groups.
    pub(super) fn by_group(
        &self,
        problem: &Problem<'_>,
        beta: &[f64],
        groups: &Groups,
    ) -> Covariance {
        let k = beta.len();
        let mut inner = inference::between_groups(problem, beta, groups, Some(&self.triangle));
        add_penalty(problem, &self.triangle, &mut inner);
        // With fewer groups than columns the root does not exist.
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

/// Inverts a lower triangle.
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
