//! Whether the outcomes are separated, so that no maximum-likelihood estimate exists, and by which
//! columns.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::cone::Arrows;

/// Share of a column that the columns before it must leave, else they determine it: rounding leaves
/// about 1e-15.
const PIVOT: f64 = 1e-12;
/// Part in a combination of columns, relative to the combined column, below which it is rounding.
const NAMED: f64 = 1e-7;

/// Columns up to which it is tried how few separate all rows; to name more tells nothing, and takes
/// long.
const FEW: usize = 8;

/// How far the outcomes are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A hyperplane has all conversions on one side and all others on the other.
    Complete,
    /// A hyperplane has rows of one outcome alone on each of its sides, and rows of both on itself.
    Quasi,
}

/// What separates the outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Separation {
    /// How far.
    pub kind: Kind,
    /// Columns whose coefficient is unbounded, ascending. Of complete separation, where every
    /// coefficient is, those of `alone` and a few columns that do it together, of which none
    /// can be spared; all where eight do not suffice.
    pub columns: Vec<usize>,
    /// Columns that separate on their own, ascending: the ranges of the two outcomes touch at
    /// most.
    pub alone: Vec<usize>,
}

/// Tell whether the outcomes are separated; `None` where they overlap, so that the
/// maximum-likelihood estimate exists.
///
/// The estimate exists exactly where no direction β ≠ 0 has `±(β₀ + xβ) ≥ 0` in every row, its sign
/// the outcome, and more in some. Rows count as lying on a hyperplane where they do but for
/// rounding (1e-11 of their length). Columns that others determine are not asked.
/// # Arguments
/// * `x` – standardised columns, shape (n, p), finite, without intercept
/// * `y` – outcomes, shape (n,)
/// # Source
/// Albert, Anderson, "On the existence of maximum likelihood estimates in logistic regression
/// models", *Biometrika* 71 (1984); Konis, *Linear programming algorithms for detecting separated
/// data in binary logistic regression models* (2007)
#[must_use]
pub fn separation(x: ArrayView2<'_, f64>, y: ArrayView1<'_, bool>) -> Option<Separation> {
    let alone: Vec<usize> = (0..x.ncols()).filter(|j| alone(x.column(*j), y)).collect();
    let all: Vec<usize> = (0..y.len()).collect();
    let determined = combinations(&Arrows::new(x, y).gram(&all));
    let independent: Vec<usize> =
        (0..x.ncols()).filter(|j| determined.iter().all(|d| d.column != j + 1)).collect();
    let selected = (!determined.is_empty()).then(|| x.select(Axis(1), &independent));
    let x = selected.as_ref().map_or_else(|| x.view(), Array2::view);
    let arrows = Arrows::new(x, y);
    let (inseparable, direction) = arrows.inseparable();
    let mut columns: Vec<usize> = match direction {
        None if alone.is_empty() => return None,
        None => Vec::new(),
        Some(direction) if inseparable.is_empty() => {
            let weight = |j: usize| (alone.contains(&independent[j]), direction[j + 1].abs());
            let mut order: Vec<usize> = (0..x.ncols()).collect();
            order.sort_by(|a, b| weight(*b).partial_cmp(&weight(*a)).expect("finite numbers"));
            smallest(x, y, &order)
        }
        Some(_) => unbounded(&arrows.gram(&inseparable)),
    };
    columns.iter_mut().for_each(|j| *j = independent[*j]);
    columns.extend(&alone);
    columns.sort_unstable();
    columns.dedup();
    let kind = if inseparable.is_empty() { Kind::Complete } else { Kind::Quasi };
    Some(Separation { kind, columns, alone })
}

/// Whether a column tells the outcome of some rows for sure.
fn alone(column: ArrayView1<'_, f64>, y: ArrayView1<'_, bool>) -> bool {
    let range = |of: bool| {
        let values = column.iter().zip(y).filter(|(_, y)| **y == of).map(|(v, _)| *v);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((low, high), (other_low, other_high)) = (range(true), range(false));
    (high <= other_low || other_high <= low) && low.min(other_low) < high.max(other_high)
}

/// A column that those before it determine.
struct Combination {
    /// Column, the intercept being 0.
    column: usize,
    /// Columns it is a combination of.
    of: Vec<usize>,
}

/// Find the columns that those before them determine, by a Cholesky decomposition of `ZᵀZ` in the
/// order of the columns.
fn combinations(gram: &[f64]) -> Vec<Combination> {
    let k = gram.len().isqrt();
    let at = |i: usize, j: usize| gram[i * k + j];
    let mut kept: Vec<usize> = Vec::new();
    let mut lower: Vec<Vec<f64>> = Vec::new();
    let mut found = Vec::new();
    for column in 0..k {
        let mut row: Vec<f64> = Vec::new();
        for (i, before) in lower.iter().enumerate() {
            let dot: f64 = before.iter().zip(&row).map(|(a, b)| a * b).sum();
            row.push((at(kept[i], column) - dot) / before[i]);
        }
        let pivot = at(column, column) - row.iter().map(|v| v * v).sum::<f64>();
        if pivot > PIVOT * at(column, column) {
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
        let part = |(i, coef): &(&usize, f64)| {
            coef.abs() * at(**i, **i).sqrt() > NAMED * at(column, column).sqrt()
        };
        let of = kept.iter().zip(row).filter(part).map(|(i, _)| *i).collect();
        found.push(Combination { column, of });
    }
    found
}

/// Columns whose coefficient the rows that cannot be separated leave free: those in any combination
/// that is 0 on them.
fn unbounded(gram: &[f64]) -> Vec<usize> {
    let combinations = combinations(gram);
    let mut columns: Vec<usize> =
        combinations.into_iter().flat_map(|c| c.of.into_iter().chain([c.column])).collect();
    columns.sort_unstable();
    columns.dedup();
    columns.iter().filter_map(|column| column.checked_sub(1)).collect()
}

/// Find a few columns that separate all rows, of which none can be spared, or take all; `order`
/// says which are tried first.
fn smallest(x: ArrayView2<'_, f64>, y: ArrayView1<'_, bool>, order: &[usize]) -> Vec<usize> {
    let whole = |columns: &[usize]| {
        Arrows::new(x.select(Axis(1), columns).view(), y).inseparable().0.is_empty()
    };
    let mut take = 1;
    while take < order.len() && !whole(&order[..take]) {
        take *= 2;
        if take > FEW {
            return order.to_vec();
        }
    }
    let mut columns = order[..take.min(order.len())].to_vec();
    for at in (0..columns.len()).rev() {
        let spared = columns.remove(at);
        if !whole(&columns) {
            columns.insert(at, spared);
        }
    }
    columns
}
