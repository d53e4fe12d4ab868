//! The quadratic form of many rows at once, for the variance of their log-odds.

use std::array::from_fn;
use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use pulp::{Arch, Simd, WithSimd};

/// Registers of rows that are worked on at once.
const WIDE: usize = 2;
/// Products that are summed side by side, so that no sum waits for its last addition.
const SUMS: usize = 4;
/// Columns whose products are taken together: what lies above the diagonal stands below it, too,
/// and is passed over.
const PANEL: usize = 16;

/// A covariance made ready for `(1, x)ᵀV(1, x)`.
///
/// Columns that are at one value in most rows, `x = u + d` with `d` mostly 0, are taken apart: with
/// `u` for their values the form is one of the other columns alone, and each `d` that is not 0 adds
/// `d(2V(1, x, u) + Vd)`.
#[derive(Debug)]
pub struct Quadratic {
    columns: usize,
    /// Columns of the form that every row has.
    dense: Vec<usize>,
    constant: f64,
    groups: Vec<Group>,
    rare: Vec<Rare>,
}

/// A column that is at one value in most rows.
#[derive(Debug)]
struct Rare {
    column: usize,
    usual: f64,
    /// Twice the product with the intercept and the usual values.
    linear: f64,
    /// Twice the entries of the columns that every row has, filled up with 0.
    dense: Vec<[f64; SUMS]>,
    /// Twice the entries of the rare columns before, and its own.
    rare: Vec<f64>,
}

/// Some rows of the matrix, from the first column of their panel on.
#[derive(Debug)]
struct Group {
    first: usize,
    panel: usize,
    /// Twice the entries of the intercept's column.
    linear: [f64; SUMS],
    /// The entries of each column; those right of the panel twice, for what stands below the
    /// diagonal.
    entries: Vec<[f64; SUMS]>,
}

impl Quadratic {
    /// Make a matrix ready.
    ///
    /// # Arguments
    /// * `matrix` – shape (p + 1, p + 1), the intercept being first
    /// * `usual` – for each column the value it has in most rows, where there is one
    pub(super) fn of(matrix: ArrayView2<'_, f64>, usual: &[Option<f64>]) -> Self {
        let columns = matrix.nrows() - 1;
        let dense: Vec<usize> = (0..columns).filter(|j| usual[*j].is_none()).collect();
        let p = dense.len();
        let mut usually = Array2::zeros((columns + 1, p + 1));
        usually[[0, 0]] = 1.0;
        let rarely: Vec<(usize, f64)> =
            usual.iter().enumerate().filter_map(|(j, value)| Some((j, (*value)?))).collect();
        rarely.iter().for_each(|(j, value)| usually[[j + 1, 0]] = *value);
        dense.iter().enumerate().for_each(|(k, j)| usually[[j + 1, k + 1]] = 1.0);
        let products = matrix.dot(&usually);
        let inner = usually.t().dot(&products);
        let group = |first: usize| {
            let panel = first - first % PANEL;
            let of = |j: usize, k: usize| if j < p { inner[[j + 1, k]] } else { 0.0 };
            let times = |k: usize| if k < panel + PANEL { 1.0 } else { 2.0 };
            let entries =
                (panel..p).map(|k| from_fn(|i| times(k) * of(first + i, k + 1))).collect();
            Group { first, panel, linear: from_fn(|i| 2.0 * of(first + i, 0)), entries }
        };
        let groups = (0..p).step_by(SUMS).map(group).collect();
        let mut rare: Vec<Rare> = Vec::new();
        for (column, usual) in rarely {
            let own = matrix[[column + 1, column + 1]];
            let before = rare
                .iter()
                .map(|before| 2.0 * matrix[[column + 1, before.column + 1]])
                .chain([own])
                .collect();
            let twice = |k: usize| if k <= p { 2.0 * products[[column + 1, k]] } else { 0.0 };
            let others =
                (0..p).step_by(SUMS).map(|first| from_fn(|i| twice(first + i + 1))).collect();
            rare.push(Rare { column, usual, linear: twice(0), dense: others, rare: before });
        }
        Self { columns, dense, constant: inner[[0, 0]], groups, rare }
    }

    /// Compute the variance of each row; that of one does not depend on the rows beside it.
    ///
    /// # Arguments
    /// * `x` – the columns of the rows, shape (p, n)
    /// # Panics
    /// If `x` has another number of columns than the matrix.
    #[must_use]
    pub fn of_rows(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        assert_eq!(x.nrows(), self.columns, "columns of `x` and of the matrix");
        let mut forms = vec![0.0; x.ncols()];
        let x = x.as_standard_layout();
        let columns = x.as_slice().expect("its layout is the standard one");
        Arch::new().dispatch(Forms { of: self, columns, forms: &mut forms });
        // Of a covariance none is below 0 but by rounding.
        forms.iter_mut().for_each(|form| *form = form.max(0.0));
        forms
    }
}

/// The forms of rows, computed in the widest registers of the machine.
///
/// By loops, for what takes a function (`array::from_fn`, `map`) is not always inlined, and only
/// what is inlined is compiled for these.
struct Forms<'a> {
    of: &'a Quadratic,
    columns: &'a [f64],
    forms: &'a mut [f64],
}

impl WithSimd for Forms<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.forms.len();
        let dense = vec![[simd.splat_f64s(0.0); WIDE]; self.of.dense.len().next_multiple_of(SUMS)];
        let mut tile = Tile::<S> { dense, away: Vec::with_capacity(self.of.rare.len()) };
        for at in (0..n).step_by(WIDE * S::F64_LANES) {
            // Side by side, for columns far apart push each other out of the nearest cache.
            for (tile, column) in tile.dense.iter_mut().zip(&self.of.dense) {
                *tile = self.values(simd, *column, at);
            }
            let mut forms = self.of.tile(simd, &tile.dense);
            tile.away.clear();
            for rare in &self.of.rare {
                rare.add(simd, self.values(simd, rare.column, at), &mut tile, &mut forms);
            }
            for (i, form) in forms.into_iter().enumerate() {
                simd.partial_store_f64s(&mut self.forms[part::<S>(at, i, n)], form);
            }
        }
    }
}

impl Forms<'_> {
    /// The values of a column in the rows from `at` on.
    #[inline(always)]
    fn values<S: Simd>(&self, simd: S, column: usize, at: usize) -> [S::f64s; WIDE] {
        let n = self.forms.len();
        let column = &self.columns[column * n..(column + 1) * n];
        let mut values = [simd.splat_f64s(0.0); WIDE];
        for (i, values) in values.iter_mut().enumerate() {
            *values = load(simd, &column[part::<S>(at, i, n)]);
        }
        values
    }
}

/// The rows of the register `i` of those from `at` on, `n` being the number of all.
#[inline(always)]
fn part<S: Simd>(at: usize, i: usize, n: usize) -> Range<usize> {
    n.min(at + i * S::F64_LANES)..n.min(at + (i + 1) * S::F64_LANES)
}

/// Some rows.
struct Tile<S: Simd> {
    /// The columns that every row has, filled up with 0.
    dense: Vec<[S::f64s; WIDE]>,
    /// The rare columns in which a row is away from the usual value, by their place, and by how
    /// much.
    away: Vec<(usize, [S::f64s; WIDE])>,
}

/// Values to a register: as many as it holds, or the last ones.
#[inline(always)]
pub fn load<S: Simd>(simd: S, values: &[f64]) -> S::f64s {
    S::as_simd_f64s(values).0.first().copied().unwrap_or_else(|| simd.partial_load_f64s(values))
}

impl Quadratic {
    #[inline(always)]
    fn tile<S: Simd>(&self, simd: S, tile: &[[S::f64s; WIDE]]) -> [S::f64s; WIDE] {
        let mut forms = [simd.splat_f64s(self.constant); WIDE];
        for Group { first, panel, linear, entries } in &self.groups {
            let mut products = [[simd.splat_f64s(0.0); WIDE]; SUMS];
            for (entries, x) in entries.iter().zip(&tile[*panel..]) {
                for (products, entry) in products.iter_mut().zip(entries) {
                    let entry = simd.splat_f64s(*entry);
                    for (product, x) in products.iter_mut().zip(x) {
                        *product = simd.mul_add_e_f64s(entry, *x, *product);
                    }
                }
            }
            for ((products, linear), x) in products.iter().zip(linear).zip(&tile[*first..]) {
                let linear = simd.splat_f64s(*linear);
                for ((form, product), x) in forms.iter_mut().zip(products).zip(x) {
                    *form =
                        simd.add_f64s(*form, simd.mul_f64s(simd.add_f64s(*product, linear), *x));
                }
            }
        }
        forms
    }
}

impl Rare {
    /// Add what rows away from the usual value do to their forms.
    ///
    /// # Arguments
    /// * `values` – its values in the rows
    /// * `tile` – the rows, so far as the columns before it
    #[inline(always)]
    fn add<S: Simd>(
        &self,
        simd: S,
        values: [S::f64s; WIDE],
        tile: &mut Tile<S>,
        forms: &mut [S::f64s; WIDE],
    ) {
        let mut by = values;
        for by in &mut by {
            *by = simd.sub_f64s(*by, simd.splat_f64s(self.usual));
        }
        // A sum of sizes is 0 where all are, and NaN where one is.
        if simd.reduce_sum_f64s(
            by.iter().fold(simd.splat_f64s(0.0), |sum, by| simd.add_f64s(sum, simd.abs_f64s(*by))),
        ) == 0.0
        {
            return;
        }
        tile.away.push((self.rare.len() - 1, by));
        let mut sums = [[simd.splat_f64s(0.0); WIDE]; SUMS];
        let add = |sum: &mut [S::f64s; WIDE], entry: f64, x: &[S::f64s; WIDE]| {
            sum.iter_mut()
                .zip(x)
                .for_each(|(sum, x)| *sum = simd.mul_add_e_f64s(simd.splat_f64s(entry), *x, *sum));
        };
        for (entries, x) in self.dense.iter().zip(tile.dense.as_chunks::<SUMS>().0) {
            sums.iter_mut()
                .zip(entries.iter().zip(x))
                .for_each(|(sum, (entry, x))| add(sum, *entry, x));
        }
        // In one sum: which columns are here depends on the rows beside, and a 0 more changes no
        // digit.
        tile.away.iter().for_each(|(rare, by)| add(&mut sums[0], self.rare[*rare], by));
        for (i, (form, by)) in forms.iter_mut().zip(by).enumerate() {
            let sum = sums
                .iter()
                .fold(simd.splat_f64s(self.linear), |sum, sums| simd.add_f64s(sum, sums[i]));
            *form = simd.mul_add_e_f64s(sum, by, *form);
        }
    }
}
