//! Finds the measures that contribute most to each row, for many rows at once.

use ndarray::ArrayView2;
use pql_stats::glm::load;
use pulp::{Arch, Simd, WithSimd};

use super::REASONS;
use crate::model::explain::Measures;

/// Registers of rows processed at once.
const REGISTERS: usize = 2;

/// The measures with the largest contributions to each row, largest first; of equal ones the first
/// measure.
pub(super) struct TopMeasures([Vec<f64>; REASONS]);

impl TopMeasures {
    /// Finds the measures; the result is arbitrary for rows with values that are not finite.
    ///
    /// # Arguments
    /// * `coef` – coefficient of each design column
    /// * `x` – design columns, shape (columns, rows)
    pub(super) fn find(measures: &Measures, coef: &[f64], x: ArrayView2<'_, f64>) -> Self {
        let mut top = Self([(); REASONS].map(|()| vec![NONE; x.ncols()]));
        let x = x.as_standard_layout();
        let columns = x.as_slice().expect("its layout is the standard one");
        Arch::new().dispatch(Search { measures, coef, columns, into: &mut top.0 });
        top
    }

    /// Returns the measures of one row; the last are `None` if fewer contribute.
    pub(super) fn for_row(&self, row: usize) -> [Option<usize>; REASONS] {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index, or below 0"
        )]
        [0, 1, 2].map(|rank| {
            Some(self.0[rank][row]).filter(|index| *index >= 0.0).map(|index| index as usize)
        })
    }
}

/// Marks "no measure". Indices are stored as `f64`, like the contributions, so that both fit the
/// same registers.
const NONE: f64 = -1.0;

struct Search<'a> {
    measures: &'a Measures,
    coef: &'a [f64],
    columns: &'a [f64],
    into: &'a mut [Vec<f64>; REASONS],
}

impl WithSimd for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { measures, coef, columns, into } = self;
        let (n, lanes) = (into[0].len(), S::F64_LANES);
        for start in (0..n).step_by(REGISTERS * lanes) {
            let part = |i: usize| n.min(start + i * lanes)..n.min(start + (i + 1) * lanes);
            let mut largest = [(); REGISTERS].map(|()| Largest::<S>::empty(simd));
            let mut index = 0.0;
            for measure in 0..measures.names.len() {
                let mut sums = [simd.splat_f64s(0.0); REGISTERS];
                for &column in measures.columns(measure) {
                    let (coef, column) =
                        (simd.splat_f64s(coef[column]), &columns[column * n..(column + 1) * n]);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum =
                            simd.add_f64s(*sum, simd.mul_f64s(coef, load(simd, &column[part(i)])));
                    }
                }
                for (largest, sum) in largest.iter_mut().zip(sums) {
                    largest.insert(simd, simd.abs_f64s(sum), simd.splat_f64s(index));
                }
                index += 1.0;
            }
            for (i, largest) in largest.into_iter().enumerate() {
                for (into, index) in into.iter_mut().zip(largest.index) {
                    simd.partial_store_f64s(&mut into[part(i)], index);
                }
            }
        }
    }
}

/// The largest contributions so far of the rows in a register, and the indices of their measures.
struct Largest<S: Simd> {
    size: [S::f64s; REASONS],
    index: [S::f64s; REASONS],
}

impl<S: Simd> Largest<S> {
    #[inline(always)]
    fn empty(simd: S) -> Self {
        Self { size: [simd.splat_f64s(0.0); REASONS], index: [simd.splat_f64s(NONE); REASONS] }
    }

    /// Inserts the next measure; without branches, which would be unpredictable.
    #[inline(always)]
    fn insert(&mut self, simd: S, size: S::f64s, index: S::f64s) {
        // An entry pushed out of one rank moves to the next.
        let mut pushed = (size, index);
        for (largest, index) in self.size.iter_mut().zip(&mut self.index) {
            let before = simd.less_than_f64s(*largest, size);
            let next =
                (simd.min_f64s(*largest, pushed.0), simd.select_f64s(before, *index, pushed.1));
            (*largest, *index) =
                (simd.max_f64s(*largest, pushed.0), simd.select_f64s(before, pushed.1, *index));
            pushed = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::model::encoder::{Encoding, FeatureEncoder, NumericEncoding, Preprocessor, Scale};

    /// Returns measures `f0`, `f1`, … of one number each.
    fn measures(count: usize) -> Measures {
        let value = Some(Scale { mean: 0.0, mean_low: 0.0, sd: 1.0 });
        let number = NumericEncoding {
            log1p: false,
            bounds: None,
            fill: 0.0,
            value,
            jump: None,
            hinges: Vec::new(),
            missing: None,
            median: 0.0,
        };
        let feature = |i: usize| FeatureEncoder {
            feature: format!("f{i}"),
            measure: format!("f{i}"),
            window: None,
            encoding: Encoding::Numeric(number.clone()),
            missing_share: 0.0,
        };
        Measures::new(&Preprocessor { features: (0..count).map(feature).collect() })
    }

    #[test]
    fn largest_contributions_come_first_and_ties_keep_the_order_of_measures() {
        let rows: [([f64; 7], [Option<usize>; REASONS]); 6] = [
            ([0.5, -2.0, 0.0, 2.0, -0.5, 1.0, 0.5], [Some(1), Some(3), Some(5)]),
            ([0.5, 0.5, -0.5, 0.5, 0.5, 0.5, 0.5], [Some(0), Some(1), Some(2)]),
            ([1.0, 1.0, 2.0, 1.0, -3.0, 2.0, 0.0], [Some(4), Some(2), Some(5)]),
            ([1.0, 1.0, 1.0, 4.0, 0.0, 0.0, -4.0], [Some(3), Some(6), Some(0)]),
            ([0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0], [Some(4), None, None]),
            ([0.0; 7], [None; REASONS]),
        ];
        for n in [1, 3, 4, 8, 21] {
            let x =
                Array2::from_shape_fn((7, n), |(column, row)| -rows[row % rows.len()].0[column]);
            let top = TopMeasures::find(&measures(7), &[-1.0; 7], x.view());
            for row in 0..n {
                assert_eq!(top.for_row(row), rows[row % rows.len()].1, "row {row} of {n}");
            }
        }
    }
}
