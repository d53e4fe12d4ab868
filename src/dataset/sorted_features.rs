//! Numeric features in the order of their values, sorted once for all subsets of rows.

use std::collections::BTreeMap;

use polars::prelude::*;
use rayon::prelude::*;

use super::columns::{feature_column, number_column};
use crate::error::Result;

/// A table of features, with the rows of each number in ascending order of its value.
///
/// The training rows, each fold and the rows of the refit are subsets of one table. Their sorted
/// values follow from one sort.
#[derive(Debug, Clone)]
pub(crate) struct SortedFeatures<'a> {
    /// The features, one column each.
    pub(crate) frame: &'a DataFrame,
    /// By feature: the rows with a value, in ascending order of the value.
    order: BTreeMap<&'a str, Vec<u32>>,
}

/// Some rows of a table.
#[derive(Debug, Clone)]
pub(crate) struct RowSubset<'a> {
    /// Their indices, without repetition.
    pub(crate) rows: &'a [u32],
    is_member: Vec<bool>,
}

impl<'a> RowSubset<'a> {
    /// # Arguments
    /// * `height` – number of rows of the table
    pub(crate) fn new(rows: &'a [u32], height: usize) -> Self {
        let mut is_member = vec![false; height];
        rows.iter().for_each(|row| is_member[*row as usize] = true);
        Self { rows, is_member }
    }
}

impl<'a> SortedFeatures<'a> {
    /// Sorts the rows of each numeric column. NaN counts as missing.
    ///
    /// # Errors
    /// * [`FeatureType`](crate::Error::FeatureType): a column cannot be read
    pub(crate) fn new(frame: &'a DataFrame) -> Result<Self> {
        let is_number = |column: &&Column| column.dtype() == &DataType::Float64;
        let columns: Vec<&Column> = frame.columns().iter().filter(is_number).collect();
        let sort = |column: &&'a Column| {
            let values = number_column(column, None)?;
            let mut pairs: Vec<(f64, u32)> = Vec::with_capacity(values.len());
            let present = values.iter().zip(0..).filter_map(|(value, row)| Some((value?, row)));
            pairs.extend(present.filter(|(value, _)| !value.is_nan()));
            radsort::sort_by_key(&mut pairs, |pair| pair.0);
            let order = pairs.into_iter().map(|(_, row)| row).collect();
            Ok((column.name().as_str(), order))
        };
        Ok(Self { frame, order: columns.par_iter().map(sort).collect::<Result<_>>()? })
    }

    /// Returns the rows of a subset with a value of a feature, in ascending order of the value.
    ///
    /// # Errors
    /// * [`MissingFeature`](crate::Error::MissingFeature), [`FeatureType`](crate::Error::FeatureType):
    ///   the feature is absent or not a number
    pub(crate) fn ascending(&self, name: &str, subset: &RowSubset<'_>) -> Result<Vec<(u32, f64)>> {
        let column = feature_column(self.frame, name)?;
        let values = number_column(column, None)?;
        let order = self.order.get(name).map_or(&[][..], Vec::as_slice);
        let members = order.iter().copied().filter(|row| subset.is_member[*row as usize]);
        let values = values.downcast_iter().next().map_or(&[][..], |chunk| chunk.values());
        Ok(members.map(|row| (row, values[row as usize])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_has_its_values_in_ascending_order() {
        let x = [Some(2.0), None, Some(-1.0), Some(f64::NAN), Some(5.0), Some(-0.0), Some(2.0)];
        let column = Column::new("x".into(), x);
        let text = Column::new("t".into(), ["a"; 7]);
        let frame = DataFrame::new(7, vec![column, text]).unwrap();
        let sorted = SortedFeatures::new(&frame).unwrap();
        let ascending = |rows: &[u32]| sorted.ascending("x", &RowSubset::new(rows, 7)).unwrap();
        assert_eq!(
            ascending(&[0, 1, 2, 3, 4, 5, 6]),
            [(2, -1.0), (5, 0.0), (0, 2.0), (6, 2.0), (4, 5.0)]
        );
        assert_eq!(ascending(&[6, 4, 2]), [(2, -1.0), (6, 2.0), (4, 5.0)]);
        assert_eq!(ascending(&[1, 3]), []);
        assert!(sorted.ascending("t", &RowSubset::new(&[0], 7)).is_err());
        assert!(sorted.ascending("y", &RowSubset::new(&[0], 7)).is_err());
    }
}
