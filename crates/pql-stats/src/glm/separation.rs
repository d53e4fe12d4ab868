//! Detects separated outcomes, for which no maximum-likelihood estimate exists, and the columns
//! that separate them.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::cone::SignedRows;

/// Smallest pivot relative to the diagonal entry: below it earlier columns determine the column
/// (rounding leaves about 1e-15).
const PIVOT: f64 = 1e-12;
/// Size of a term of a linear combination, relative to the combined column, below which it is
/// rounding.
const MIN_TERM: f64 = 1e-7;

/// Maximum size of a minimal set of separating columns; larger sets are slow to find and not
/// informative.
const MAX_MINIMAL: usize = 8;

/// Kind of separation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeparationKind {
    /// A hyperplane separates all conversions from all other rows.
    Complete,
    /// A hyperplane has rows of one outcome on each side, and rows of both outcomes on it.
    Quasi,
}

/// A separation of the outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Separation {
    /// Kind of separation.
    pub kind: SeparationKind,
    /// Columns with unbounded coefficients, ascending. With complete separation, where all
    /// coefficients are unbounded: the columns of `alone`, and a minimal set of at most eight
    /// columns that separate together; all columns if eight do not suffice.
    pub columns: Vec<usize>,
    /// Columns that separate alone, ascending: the ranges of the two outcomes do not overlap.
    pub alone: Vec<usize>,
}

/// Detects separated outcomes; `None` if they overlap, so that the maximum-likelihood estimate
/// exists.
///
/// The estimate exists if and only if no direction β ≠ 0 has `±(β₀ + xβ) ≥ 0` in every row, with
/// the sign of the outcome, and strict inequality in some row. Rows within rounding (1e-11 of their
/// length) count as on the hyperplane. Columns determined by others are ignored.
/// # Arguments
/// * `x` – standardized columns, shape (n, p), finite, without intercept
/// * `y` – outcomes, shape (n,)
/// # Source
/// Albert, Anderson, "On the existence of maximum likelihood estimates in logistic regression
/// models", *Biometrika* 71 (1984); Konis, *Linear programming algorithms for detecting separated
/// data in binary logistic regression models* (2007)
#[must_use]
pub fn separation(x: ArrayView2<'_, f64>, y: ArrayView1<'_, bool>) -> Option<Separation> {
    let alone: Vec<usize> = (0..x.ncols()).filter(|j| separates_alone(x.column(*j), y)).collect();
    let all: Vec<usize> = (0..y.len()).collect();
    let determined = combinations(&SignedRows::new(x, y).gram(&all));
    let independent: Vec<usize> =
        (0..x.ncols()).filter(|j| determined.iter().all(|d| d.column != j + 1)).collect();
    let selected = (!determined.is_empty()).then(|| x.select(Axis(1), &independent));
    let x = selected.as_ref().map_or_else(|| x.view(), Array2::view);
    let signed_rows = SignedRows::new(x, y);
    let (inseparable, direction) = signed_rows.inseparable();
    let mut columns: Vec<usize> = match direction {
        None if alone.is_empty() => return None,
        None => Vec::new(),
        Some(direction) if inseparable.is_empty() => {
            let weight = |j: usize| (alone.contains(&independent[j]), direction[j + 1].abs());
            let mut order: Vec<usize> = (0..x.ncols()).collect();
            order.sort_by(|a, b| weight(*b).partial_cmp(&weight(*a)).expect("finite numbers"));
            smallest(x, y, &order)
        }
        Some(_) => unbounded(&signed_rows.gram(&inseparable)),
    };
    columns.iter_mut().for_each(|j| *j = independent[*j]);
    columns.extend(&alone);
    columns.sort_unstable();
    columns.dedup();
    let kind =
        if inseparable.is_empty() { SeparationKind::Complete } else { SeparationKind::Quasi };
    Some(Separation { kind, columns, alone })
}

/// Returns whether a column alone separates the outcomes.
fn separates_alone(column: ArrayView1<'_, f64>, y: ArrayView1<'_, bool>) -> bool {
    let range = |outcome: bool| {
        let values = column.iter().zip(y).filter(|(_, y)| **y == outcome).map(|(v, _)| *v);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((low, high), (other_low, other_high)) = (range(true), range(false));
    (high <= other_low || other_high <= low) && low.min(other_low) < high.max(other_high)
}

/// A column that is determined by earlier columns.
struct Combination {
    /// Index of the column; the intercept is 0.
    column: usize,
    /// Columns of the linear combination.
    sources: Vec<usize>,
}

/// Finds the columns that are determined by earlier columns, by a Cholesky decomposition of `ZᵀZ`
/// in the order of the columns.
fn combinations(gram: &[f64]) -> Vec<Combination> {
    let k = gram.len().isqrt();
    let entry = |i: usize, j: usize| gram[i * k + j];
    let mut kept: Vec<usize> = Vec::new();
    let mut lower: Vec<Vec<f64>> = Vec::new();
    let mut found = Vec::new();
    for column in 0..k {
        let mut row: Vec<f64> = Vec::new();
        for (i, before) in lower.iter().enumerate() {
            let dot: f64 = before.iter().zip(&row).map(|(a, b)| a * b).sum();
            row.push((entry(kept[i], column) - dot) / before[i]);
        }
        let pivot = entry(column, column) - row.iter().map(|v| v * v).sum::<f64>();
        if pivot > PIVOT * entry(column, column) {
            row.push(pivot.sqrt());
            lower.push(row);
            kept.push(column);
            continue;
        }
        // Back substitution: the coefficients of the combination.
        for i in (0..row.len()).rev() {
            row[i] /= lower[i][i];
            let coef = row[i];
            row[..i].iter_mut().zip(&lower[i]).for_each(|(v, l)| *v -= coef * l);
        }
        let significant = |(i, coef): &(&usize, f64)| {
            coef.abs() * entry(**i, **i).sqrt() > MIN_TERM * entry(column, column).sqrt()
        };
        let sources = kept.iter().zip(row).filter(significant).map(|(i, _)| *i).collect();
        found.push(Combination { column, sources });
    }
    found
}

/// Returns the columns with unbounded coefficients: those in any linear combination that is 0 on
/// all inseparable rows.
fn unbounded(gram: &[f64]) -> Vec<usize> {
    let combinations = combinations(gram);
    let mut columns: Vec<usize> =
        combinations.into_iter().flat_map(|c| c.sources.into_iter().chain([c.column])).collect();
    columns.sort_unstable();
    columns.dedup();
    columns.iter().filter_map(|column| column.checked_sub(1)).collect()
}

/// Finds a minimal set of columns that separate all rows, or returns all columns; `order` is the
/// order in which they are tried.
fn smallest(x: ArrayView2<'_, f64>, y: ArrayView1<'_, bool>, order: &[usize]) -> Vec<usize> {
    let separates_all = |columns: &[usize]| {
        SignedRows::new(x.select(Axis(1), columns).view(), y).inseparable().0.is_empty()
    };
    let mut take = 1;
    while take < order.len() && !separates_all(&order[..take]) {
        take *= 2;
        if take > MAX_MINIMAL {
            return order.to_vec();
        }
    }
    let mut columns = order[..take.min(order.len())].to_vec();
    for index in (0..columns.len()).rev() {
        let removed = columns.remove(index);
        if !separates_all(&columns) {
            columns.insert(index, removed);
        }
    }
    columns
}
