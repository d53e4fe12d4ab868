//! Finds standardized columns that are redundant given earlier ones.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::warning::FeatureDrop;

/// Pivot of the Gram matrix (1 − R² of a column on the earlier ones) below which the column is a
/// linear combination. Tuned: rounding of the Gram matrix stays below 1e-12.
const PIVOT: f64 = 1e-9;
/// Two columns with an absolute correlation of at least 1 − this value are equal up to sign.
const EQUAL: f64 = 1e-9;
/// Coefficients of a combination below this value are rounding errors.
const NEGLIGIBLE: f64 = 1e-6;
/// Rows in a partial sum; fixed, so that the result does not depend on the number of threads.
const CHUNK: usize = 4_096;

/// A column that is equal to another one, or a linear combination of others.
#[derive(Debug, PartialEq)]
pub(super) struct RedundantColumn {
    pub(super) column: usize,
    equal: bool,
    sources: Vec<usize>,
}

impl RedundantColumn {
    pub(super) fn reason(&self, names: &[String]) -> FeatureDrop {
        let columns = self.sources.iter().map(|column| names[*column].clone()).collect();
        if self.equal {
            FeatureDrop::Repeats { columns }
        } else {
            FeatureDrop::LinearCombination { columns }
        }
    }
}

/// Finds redundant columns by a Cholesky decomposition of the Gram matrix, in the order of the
/// columns.
///
/// # Arguments
/// * `x` – standardized, shape (n, p), so that the Gram matrix / n is the correlation matrix
pub(super) fn redundant_columns(x: ArrayView2<'_, f64>) -> Vec<RedundantColumn> {
    let gram = gram(x);
    let p = gram.nrows();
    let mut kept: Vec<usize> = Vec::new();
    // Row i of `lower` belongs to the kept column i.
    let mut lower = Array2::<f64>::zeros((p, p));
    let mut found = Vec::new();
    for column in 0..p {
        let k = kept.len();
        let mut row = vec![0.0; k];
        for i in 0..k {
            let dot: f64 = (0..i).map(|j| lower[[i, j]] * row[j]).sum();
            row[i] = (gram[[kept[i], column]] - dot) / lower[[i, i]];
        }
        let pivot = gram[[column, column]] - row.iter().map(|v| v * v).sum::<f64>();
        let equal = kept.iter().find(|i| gram[[**i, column]].abs() >= 1.0 - EQUAL);
        if let Some(equal) = equal {
            found.push(RedundantColumn { column, equal: true, sources: vec![*equal] });
        } else if pivot >= PIVOT {
            row.push(pivot.sqrt());
            lower.row_mut(k).iter_mut().zip(row).for_each(|(to, v)| *to = v);
            kept.push(column);
        } else {
            // Back substitution: the coefficients of the combination.
            for i in (0..k).rev() {
                let dot: f64 = (i + 1..k).map(|j| lower[[j, i]] * row[j]).sum();
                row[i] = (row[i] - dot) / lower[[i, i]];
            }
            let sources = kept
                .iter()
                .zip(&row)
                .filter(|(_, c)| c.abs() > NEGLIGIBLE)
                .map(|(i, _)| *i)
                .collect();
            found.push(RedundantColumn { column, equal: false, sources });
        }
    }
    found
}

/// Computes xᵀx / n in sums over fixed chunks of rows.
#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
fn gram(x: ArrayView2<'_, f64>) -> Array2<f64> {
    let chunks: Vec<ArrayView2<'_, f64>> = x.axis_chunks_iter(Axis(0), CHUNK).collect();
    let mut sum = Array2::zeros((x.ncols(), x.ncols()));
    for group in chunks.chunks(64) {
        let parts: Vec<Array2<f64>> = group.par_iter().map(|chunk| chunk.t().dot(chunk)).collect();
        parts.iter().for_each(|part| sum += part);
    }
    sum / x.nrows() as f64
}
