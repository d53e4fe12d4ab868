//! Which measures contribute most to rows, many rows at once.

use ndarray::ArrayView2;
use pql_stats::glm::load;
use pulp::{Arch, Simd, WithSimd};

use super::REASONS;
use crate::model::explain::Measures;

/// Registers of rows that are worked on at once.
const WIDE: usize = 2;

/// The measures of the largest contributions of each row, the largest first, of equal ones the
/// first measure.
pub(super) struct Largest([Vec<f64>; REASONS]);

impl Largest {
    /// Find them, `x` being the columns of the rows and `coef` what a column counts; rows with
    /// numbers that are not finite get any.
    pub(super) fn of(measures: &Measures, coef: &[f64], x: ArrayView2<'_, f64>) -> Self {
        let mut largest = Self([(); REASONS].map(|()| vec![NONE; x.ncols()]));
        let x = x.as_standard_layout();
        let columns = x.as_slice().expect("its layout is the standard one");
        Arch::new().dispatch(Search { measures, coef, columns, into: &mut largest.0 });
        largest
    }

    /// Those of one row; where fewer contribute, the last are `None`.
    pub(super) fn of_row(&self, row: usize) -> [Option<usize>; REASONS] {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a place, or below 0"
        )]
        [0, 1, 2].map(|rank| Some(self.0[rank][row]).filter(|at| *at >= 0.0).map(|at| at as usize))
    }
}

/// Stands for no measure; places are numbers of the size of the contributions, so that both lie in
/// registers of one kind.
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
        for at in (0..n).step_by(WIDE * lanes) {
            let part = |i: usize| n.min(at + i * lanes)..n.min(at + (i + 1) * lanes);
            let mut best = [(); WIDE].map(|()| Best::<S>::none(simd));
            let mut place = 0.0;
            for measure in 0..measures.names.len() {
                let mut sums = [simd.splat_f64s(0.0); WIDE];
                for &column in measures.columns(measure) {
                    let (coef, column) =
                        (simd.splat_f64s(coef[column]), &columns[column * n..(column + 1) * n]);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum =
                            simd.add_f64s(*sum, simd.mul_f64s(coef, load(simd, &column[part(i)])));
                    }
                }
                for (best, sum) in best.iter_mut().zip(sums) {
                    best.take(simd, simd.abs_f64s(sum), simd.splat_f64s(place));
                }
                place += 1.0;
            }
            for (i, best) in best.into_iter().enumerate() {
                for (into, place) in into.iter_mut().zip(best.place) {
                    simd.partial_store_f64s(&mut into[part(i)], place);
                }
            }
        }
    }
}

/// The largest sizes so far of as many rows as a register holds, and their places.
struct Best<S: Simd> {
    size: [S::f64s; REASONS],
    place: [S::f64s; REASONS],
}

impl<S: Simd> Best<S> {
    #[inline(always)]
    fn none(simd: S) -> Self {
        Self { size: [simd.splat_f64s(0.0); REASONS], place: [simd.splat_f64s(NONE); REASONS] }
    }

    /// Take in the next place; without branches, which nobody could foretell.
    #[inline(always)]
    fn take(&mut self, simd: S, size: S::f64s, place: S::f64s) {
        // What is pushed out of one rank stands before all that are behind it.
        let mut pushed = (size, place);
        for (best, at) in self.size.iter_mut().zip(&mut self.place) {
            let before = simd.less_than_f64s(*best, size);
            let next = (simd.min_f64s(*best, pushed.0), simd.select_f64s(before, *at, pushed.1));
            (*best, *at) =
                (simd.max_f64s(*best, pushed.0), simd.select_f64s(before, pushed.1, *at));
            pushed = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::model::encoder::{Number, Prepared, Preprocessor, Scale, Way};

    /// A measure for each number.
    fn measures(count: usize) -> Measures {
        let value = Some(Scale { mean: 0.0, rest: 0.0, sd: 1.0 });
        let number = Number {
            log1p: false,
            bounds: None,
            fill: 0.0,
            value,
            jump: None,
            hinges: Vec::new(),
            missing: None,
            typical: 0.0,
        };
        let feature = |at: usize| Prepared {
            feature: format!("f{at}"),
            measure: format!("f{at}"),
            window: None,
            way: Way::Number(number.clone()),
            missing_share: 0.0,
        };
        Measures::of(&Preprocessor { features: (0..count).map(feature).collect() })
    }

    #[test]
    fn the_largest_come_first_and_of_equal_ones_the_first() {
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
            let largest = Largest::of(&measures(7), &[-1.0; 7], x.view());
            for row in 0..n {
                assert_eq!(largest.of_row(row), rows[row % rows.len()].1, "row {row} of {n}");
            }
        }
    }
}
