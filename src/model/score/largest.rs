//! Finds the families that raise and lower the score of each row most, for many rows at once.

use ndarray::ArrayView2;
use pql_stats::glm::load;
use pulp::{Arch, Simd, WithSimd};

use super::REASONS;
use crate::model::explain::{Contributions, MIN_CONTRIBUTION};

/// Registers of rows processed at once.
const REGISTERS: usize = 2;
/// Families found for each row: those that raise the score, then the one that lowers it.
const FOUND: usize = REASONS + 1;

/// The families with the largest contributions to each row above [`MIN_CONTRIBUTION`], largest
/// first, and the one with the smallest contribution below −[`MIN_CONTRIBUTION`]; of equal ones the
/// first family.
pub(super) struct TopFamilies([Vec<f64>; FOUND]);

impl TopFamilies {
    /// Finds the families; the result is arbitrary for rows with values that are not finite.
    ///
    /// # Arguments
    /// * `x` – design columns, shape (columns, rows)
    pub(super) fn find(contributions: &Contributions, x: ArrayView2<'_, f64>) -> Self {
        let mut top = Self([(); FOUND].map(|()| vec![NONE; x.ncols()]));
        let x = x.as_standard_layout();
        let columns = x.as_slice().expect("its layout is the standard one");
        Arch::new().dispatch(Search { contributions, columns, into: &mut top.0 });
        top
    }

    /// Returns the families that raise the score of a row; the last are `None` if fewer do.
    pub(super) fn raising(&self, row: usize) -> [Option<usize>; REASONS] {
        [0, 1, 2].map(|rank| self.get(rank, row))
    }

    /// Returns the family that lowers the score of a row most; `None` if none does.
    pub(super) fn lowering(&self, row: usize) -> Option<usize> {
        self.get(REASONS, row)
    }

    fn get(&self, rank: usize, row: usize) -> Option<usize> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index, or below 0"
        )]
        Some(self.0[rank][row]).filter(|index| *index >= 0.0).map(|index| index as usize)
    }
}

/// Marks "no family". Indices are stored as `f64`, like the contributions, so that both fit the
/// same registers.
const NONE: f64 = -1.0;

struct Search<'a> {
    contributions: &'a Contributions,
    columns: &'a [f64],
    into: &'a mut [Vec<f64>; FOUND],
}

impl WithSimd for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { contributions, columns, into } = self;
        let Contributions { families, coef, typical } = contributions;
        let (n, lanes) = (into[0].len(), S::F64_LANES);
        for start in (0..n).step_by(REGISTERS * lanes) {
            let part = |i: usize| n.min(start + i * lanes)..n.min(start + (i + 1) * lanes);
            let mut largest = [(); REGISTERS].map(|()| Largest::<S>::empty(simd));
            let mut index = 0.0;
            for family in families {
                let mut sums = [simd.splat_f64s(0.0); REGISTERS];
                for &column in &family.columns {
                    let (coef, typical) =
                        (simd.splat_f64s(coef[column]), simd.splat_f64s(typical[column]));
                    let column = &columns[column * n..(column + 1) * n];
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let x = simd.sub_f64s(load(simd, &column[part(i)]), typical);
                        *sum = simd.add_f64s(*sum, simd.mul_f64s(coef, x));
                    }
                }
                for (largest, sum) in largest.iter_mut().zip(sums) {
                    largest.insert(simd, sum, simd.splat_f64s(index));
                }
                index += 1.0;
            }
            for (i, largest) in largest.into_iter().enumerate() {
                let found = largest.index.into_iter().chain([largest.lowest_index]);
                for (into, index) in into.iter_mut().zip(found) {
                    simd.partial_store_f64s(&mut into[part(i)], index);
                }
            }
        }
    }
}

/// The largest contributions so far of the rows in a register, and the indices of their families.
struct Largest<S: Simd> {
    size: [S::f64s; REASONS],
    index: [S::f64s; REASONS],
    lowest: S::f64s,
    lowest_index: S::f64s,
}

impl<S: Simd> Largest<S> {
    #[inline(always)]
    fn empty(simd: S) -> Self {
        let none = simd.splat_f64s(NONE);
        Self {
            size: [simd.splat_f64s(MIN_CONTRIBUTION); REASONS],
            index: [none; REASONS],
            lowest: simd.splat_f64s(-MIN_CONTRIBUTION),
            lowest_index: none,
        }
    }

    /// Inserts the next family; without branches, which would be unpredictable.
    #[inline(always)]
    fn insert(&mut self, simd: S, sum: S::f64s, index: S::f64s) {
        let lower = simd.less_than_f64s(sum, self.lowest);
        self.lowest_index = simd.select_f64s(lower, index, self.lowest_index);
        self.lowest = simd.min_f64s(sum, self.lowest);
        // An entry pushed out of one rank moves to the next.
        let mut pushed = (sum, index);
        for (largest, index) in self.size.iter_mut().zip(&mut self.index) {
            let before = simd.less_than_f64s(*largest, sum);
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
    use crate::model::explain::Group;

    /// Returns families of one column each, with a coefficient and a typical value.
    fn contributions(count: usize, coef: f64, typical: f64) -> Contributions {
        let family = |column: usize| Group {
            measures: Vec::new(),
            columns: vec![column],
            features: vec![(column, vec![column])],
        };
        Contributions {
            families: (0..count).map(family).collect(),
            coef: vec![coef; count],
            typical: vec![typical; count],
        }
    }

    #[test]
    fn largest_contributions_come_first_and_ties_keep_the_order_of_families() {
        type Row = ([f64; 7], [Option<usize>; REASONS], Option<usize>);
        let rows: [Row; 8] = [
            ([0.5, -2.0, 0.0, 2.0, -0.5, 1.0, 0.5], [Some(3), Some(5), Some(0)], Some(1)),
            ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [Some(0), Some(1), Some(2)], None),
            ([1.0, 1.0, 2.0, 1.0, -3.0, 2.0, -3.0], [Some(2), Some(5), Some(0)], Some(4)),
            ([1.0, 0.0, -1.0, 4.0, 0.0, 0.0, -4.0], [Some(3), Some(0), None], Some(6)),
            ([0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0], [None; REASONS], Some(4)),
            ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [Some(6), None, None], None),
            ([0.0; 7], [None; REASONS], None),
            // These are negligible, except the last one.
            ([0.04, -0.04, 0.0, 0.0, 0.0, 0.0, 0.06], [Some(6), None, None], None),
        ];
        for n in [1, 3, 4, 8, 21] {
            // With coefficients of −1 and typical values of 5.
            let x = Array2::from_shape_fn((7, n), |(column, row)| {
                5.0 - rows[row % rows.len()].0[column]
            });
            let top = TopFamilies::find(&contributions(7, -1.0, 5.0), x.view());
            for row in 0..n {
                let (_, raising, lowering) = rows[row % rows.len()];
                assert_eq!(top.raising(row), raising, "row {row} of {n}");
                assert_eq!(top.lowering(row), lowering, "row {row} of {n}");
            }
        }
    }
}
