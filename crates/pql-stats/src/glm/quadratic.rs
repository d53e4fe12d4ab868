//! The quadratic form of many rows, which is the variance of their log-odds.

use std::array::from_fn;
use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use pulp::{Arch, Simd, WithSimd};

/// Registers of rows per tile.
const WIDE: usize = 2;
/// Independent partial sums, so that additions do not wait for each other.
const SUMS: usize = 4;
/// Columns per panel: by symmetry, the entries below the diagonal block are skipped, and those
/// above it count twice.
const PANEL: usize = 16;

/// A covariance V prepared to compute `(1, x)ᵀV(1, x)` for many rows.
///
/// Rare columns have one value u in most rows: `x = u + d` with `d` mostly 0. With `x = u` the form
/// depends on the other columns alone, and each nonzero `d` adds `d(2V(1, x, u) + Vd)`.
#[derive(Debug)]
pub struct QuadraticForm {
    columns: usize,
    /// Columns without a modal value.
    dense: Vec<usize>,
    constant: f64,
    groups: Vec<Group>,
    rare: Vec<SparseColumn>,
}

/// A column that has one value in most rows.
#[derive(Debug)]
struct SparseColumn {
    column: usize,
    modal_value: f64,
    /// Twice the product with the intercept and the modal values of all rare columns.
    linear: f64,
    /// Twice the entries of the dense columns, padded with 0.
    dense: Vec<[f64; SUMS]>,
    /// Twice the entries of the previous rare columns, then its own entry.
    rare: Vec<f64>,
}

/// Several rows of the matrix, from the first column of their panel.
#[derive(Debug)]
struct Group {
    first: usize,
    panel: usize,
    /// Twice the entries of the intercept column.
    linear: [f64; SUMS],
    /// The entries of each column; doubled to the right of the panel, by symmetry.
    entries: Vec<[f64; SUMS]>,
}

impl QuadraticForm {
    /// Prepares a covariance.
    ///
    /// # Arguments
    /// * `matrix` – shape (p + 1, p + 1), intercept first
    /// * `modal_values` – value of each column in most rows; `None` for dense columns
    pub(super) fn new(matrix: ArrayView2<'_, f64>, modal_values: &[Option<f64>]) -> Self {
        let columns = matrix.nrows() - 1;
        let dense: Vec<usize> = (0..columns).filter(|j| modal_values[*j].is_none()).collect();
        let p = dense.len();
        let mut modal = Array2::zeros((columns + 1, p + 1));
        modal[[0, 0]] = 1.0;
        let rare_columns: Vec<(usize, f64)> =
            modal_values.iter().enumerate().filter_map(|(j, value)| Some((j, (*value)?))).collect();
        rare_columns.iter().for_each(|(j, value)| modal[[j + 1, 0]] = *value);
        dense.iter().enumerate().for_each(|(k, j)| modal[[j + 1, k + 1]] = 1.0);
        let products = matrix.dot(&modal);
        let inner = modal.t().dot(&products);
        let group = |first: usize| {
            let panel = first - first % PANEL;
            let entry = |j: usize, k: usize| if j < p { inner[[j + 1, k]] } else { 0.0 };
            let times = |k: usize| if k < panel + PANEL { 1.0 } else { 2.0 };
            let entries =
                (panel..p).map(|k| from_fn(|i| times(k) * entry(first + i, k + 1))).collect();
            Group { first, panel, linear: from_fn(|i| 2.0 * entry(first + i, 0)), entries }
        };
        let groups = (0..p).step_by(SUMS).map(group).collect();
        let mut rare: Vec<SparseColumn> = Vec::new();
        for (column, modal_value) in rare_columns {
            let own = matrix[[column + 1, column + 1]];
            let before = rare
                .iter()
                .map(|before| 2.0 * matrix[[column + 1, before.column + 1]])
                .chain([own])
                .collect();
            let twice = |k: usize| if k <= p { 2.0 * products[[column + 1, k]] } else { 0.0 };
            let others =
                (0..p).step_by(SUMS).map(|first| from_fn(|i| twice(first + i + 1))).collect();
            rare.push(SparseColumn {
                column,
                modal_value,
                linear: twice(0),
                dense: others,
                rare: before,
            });
        }
        Self { columns, dense, constant: inner[[0, 0]], groups, rare }
    }

    /// Computes the variance of each row. The result of a row does not depend on the other rows.
    ///
    /// # Arguments
    /// * `x` – columns of the rows, shape (p, n)
    /// # Panics
    /// If `x` has another number of columns than the matrix.
    #[must_use]
    pub fn evaluate_rows(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
        assert_eq!(x.nrows(), self.columns, "columns of `x` and of the matrix");
        let mut forms = vec![0.0; x.ncols()];
        let x = x.as_standard_layout();
        let columns = x.as_slice().expect("the layout is standard");
        Arch::new().dispatch(FormKernel { matrix: self, columns, forms: &mut forms });
        // Only rounding makes a variance negative.
        forms.iter_mut().for_each(|form| *form = form.max(0.0));
        forms
    }
}

/// Computes the forms of rows in the widest vector registers of the machine.
///
/// Uses loops, because closures of `array::from_fn` and `map` are not always inlined, and only
/// inlined code is compiled for these registers.
struct FormKernel<'a> {
    matrix: &'a QuadraticForm,
    columns: &'a [f64],
    forms: &'a mut [f64],
}

impl WithSimd for FormKernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.forms.len();
        let dense =
            vec![[simd.splat_f64s(0.0); WIDE]; self.matrix.dense.len().next_multiple_of(SUMS)];
        let mut tile = Tile::<S> { dense, deviations: Vec::with_capacity(self.matrix.rare.len()) };
        for start in (0..n).step_by(WIDE * S::F64_LANES) {
            // Copied to adjacent memory, because distant columns evict each other from the L1
            // cache.
            for (tile, column) in tile.dense.iter_mut().zip(&self.matrix.dense) {
                *tile = self.values(simd, *column, start);
            }
            let mut forms = self.matrix.tile(simd, &tile.dense);
            tile.deviations.clear();
            for rare in &self.matrix.rare {
                rare.add(simd, self.values(simd, rare.column, start), &mut tile, &mut forms);
            }
            for (i, form) in forms.into_iter().enumerate() {
                simd.partial_store_f64s(&mut self.forms[register_rows::<S>(start, i, n)], form);
            }
        }
    }
}

impl FormKernel<'_> {
    /// Loads the values of a column for the tile that starts at row `start`.
    #[inline(always)]
    fn values<S: Simd>(&self, simd: S, column: usize, start: usize) -> [S::f64s; WIDE] {
        let n = self.forms.len();
        let column = &self.columns[column * n..(column + 1) * n];
        let mut values = [simd.splat_f64s(0.0); WIDE];
        for (i, values) in values.iter_mut().enumerate() {
            *values = load(simd, &column[register_rows::<S>(start, i, n)]);
        }
        values
    }
}

/// Returns the rows in register `i` of the tile that starts at row `start`, of `n` rows.
#[inline(always)]
fn register_rows<S: Simd>(start: usize, i: usize, n: usize) -> Range<usize> {
    n.min(start + i * S::F64_LANES)..n.min(start + (i + 1) * S::F64_LANES)
}

/// The rows of a tile.
struct Tile<S: Simd> {
    /// The dense columns, padded with 0.
    dense: Vec<[S::f64s; WIDE]>,
    /// Index of each rare column with a deviation in this tile, and the deviations from the modal
    /// value.
    deviations: Vec<(usize, [S::f64s; WIDE])>,
}

/// Loads values into a register; pads the last values with 0.
#[inline(always)]
pub fn load<S: Simd>(simd: S, values: &[f64]) -> S::f64s {
    S::as_simd_f64s(values).0.first().copied().unwrap_or_else(|| simd.partial_load_f64s(values))
}

impl QuadraticForm {
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

impl SparseColumn {
    /// Adds the effect of deviations from the modal value to the forms.
    ///
    /// # Arguments
    /// * `values` – values of the column in the rows
    /// * `tile` – the rows, with the deviations of the previous rare columns
    #[inline(always)]
    fn add<S: Simd>(
        &self,
        simd: S,
        values: [S::f64s; WIDE],
        tile: &mut Tile<S>,
        forms: &mut [S::f64s; WIDE],
    ) {
        let mut deviation = values;
        for deviation in &mut deviation {
            *deviation = simd.sub_f64s(*deviation, simd.splat_f64s(self.modal_value));
        }
        // The sum of absolute values is 0 if all are 0, and NaN if any is NaN.
        if simd.reduce_sum_f64s(
            deviation
                .iter()
                .fold(simd.splat_f64s(0.0), |sum, d| simd.add_f64s(sum, simd.abs_f64s(*d))),
        ) == 0.0
        {
            return;
        }
        tile.deviations.push((self.rare.len() - 1, deviation));
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
        // One sum: the columns listed here depend on the other rows, and an additional 0 does not
        // change a digit.
        tile.deviations.iter().for_each(|(rare, d)| add(&mut sums[0], self.rare[*rare], d));
        for (i, (form, d)) in forms.iter_mut().zip(deviation).enumerate() {
            let sum = sums
                .iter()
                .fold(simd.splat_f64s(self.linear), |sum, sums| simd.add_f64s(sum, sums[i]));
            *form = simd.mul_add_e_f64s(sum, d, *form);
        }
    }
}
