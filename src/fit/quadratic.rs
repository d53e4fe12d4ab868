//! The quadratic form of many rows at once, for the variance of their log-odds.

use std::array::from_fn;

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};

/// Registers of rows that are worked on at once.
const WIDE: usize = 2;
/// Products that are summed side by side, so that no sum waits for its last addition.
const SUMS: usize = 4;
/// Columns whose products are taken together: what lies above the diagonal stands below it, too, and is passed over.
const PANEL: usize = 16;

/// A covariance made ready for `(1, x)ᵀV(1, x)`.
#[derive(Debug)]
pub(crate) struct Quadratic {
    columns: usize,
    constant: f64,
    groups: Vec<Group>,
}

/// Some rows of the matrix, from the first column of their panel on.
#[derive(Debug)]
struct Group {
    first: usize,
    panel: usize,
    /// Twice the entries of the intercept's column.
    linear: [f64; SUMS],
    /// The entries of each column; those right of the panel twice, for what stands below the diagonal.
    entries: Vec<[f64; SUMS]>,
}

impl Quadratic {
    /// Make a matrix of shape (p + 1, p + 1) ready, the intercept being first.
    pub(super) fn of(matrix: ArrayView2<'_, f64>) -> Self {
        let p = matrix.nrows() - 1;
        let group = |first: usize| {
            let panel = first - first % PANEL;
            let of = |j: usize, k: usize| if j < p { matrix[[j + 1, k]] } else { 0.0 };
            let times = |k: usize| if k < panel + PANEL { 1.0 } else { 2.0 };
            let entries = (panel..p).map(|k| from_fn(|i| times(k) * of(first + i, k + 1))).collect();
            Group { first, panel, linear: from_fn(|i| 2.0 * of(first + i, 0)), entries }
        };
        Self { columns: p, constant: matrix[[0, 0]], groups: (0..p).step_by(SUMS).map(group).collect() }
    }

    /// Compute the variance of each row; that of one does not depend on the rows beside it.
    ///
    /// # Arguments
    /// * `x` – the columns of the rows, shape (p, n)
    /// # Panics
    /// If `x` has another number of columns than the matrix.
    pub(crate) fn of_rows(&self, x: ArrayView2<'_, f64>) -> Vec<f64> {
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
struct Forms<'a> {
    of: &'a Quadratic,
    columns: &'a [f64],
    forms: &'a mut [f64],
}

impl WithSimd for Forms<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (n, lanes) = (self.forms.len(), S::F64_LANES);
        let mut tile = vec![[simd.splat_f64s(0.0); WIDE]; self.columns.len() / n.max(1)];
        for at in (0..n).step_by(WIDE * lanes) {
            let part = |i: usize| n.min(at + i * lanes)..n.min(at + (i + 1) * lanes);
            // Side by side, for columns far apart push each other out of the nearest cache.
            for (tile, column) in tile.iter_mut().zip(self.columns.chunks_exact(n)) {
                *tile = from_fn(|i| load(simd, &column[part(i)]));
            }
            for (i, form) in self.of.tile(simd, &tile).into_iter().enumerate() {
                simd.partial_store_f64s(&mut self.forms[part(i)], form);
            }
        }
    }
}

/// Values to a register: as many as it holds, or the last ones.
#[inline(always)]
pub(crate) fn load<S: Simd>(simd: S, values: &[f64]) -> S::f64s {
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
                    *form = simd.add_f64s(*form, simd.mul_f64s(simd.add_f64s(*product, linear), *x));
                }
            }
        }
        forms
    }
}
