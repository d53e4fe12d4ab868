//! Prepares the features of a batch, and computes their design columns block by block.

use std::collections::BTreeMap;
use std::ops::Range;

use ndarray::{ArrayViewMut1, ArrayViewMut2};
use polars::prelude::{DataFrame, StringChunked};
use polars_arrow::array::{PrimitiveArray, StaticArray};
use rayon::prelude::*;

use super::{
    CategoricalEncoding, DesignColumn, Encoding, FeatureEncoder, Level, NumericEncoding,
    Preprocessor, Term, ValueCounts,
};
use crate::dataset::columns::{feature_column, number_column, text_column};
use crate::error::Result;

/// Rows encoded at once: a block of a hundred columns fits the second-level cache.
pub(crate) const BLOCK: usize = 512;

/// A raw value of a feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RawValue<'a> {
    /// A number; `None` if missing.
    Number(Option<f64>),
    /// A text; `None` if missing.
    Text(Option<&'a str>),
}

impl RawValue<'_> {
    /// Converts the value to JSON: null if it is missing.
    #[must_use]
    pub fn into_json(self) -> serde_json::Value {
        match self {
            Self::Number(value) => value.into(),
            Self::Text(value) => value.into(),
        }
    }
}

/// The features of a batch with their design columns.
pub(crate) struct Inputs<'a> {
    features: Vec<FeatureInput<'a>>,
}

/// One feature of a batch.
struct FeatureInput<'a> {
    encoder: &'a FeatureEncoder,
    /// Its design columns, and the index of the first.
    columns: Vec<DesignColumn<'a>>,
    first: usize,
    values: Values<'a>,
}

/// The raw values of a feature, in one chunk.
enum Values<'a> {
    Numbers(Numbers<'a>),
    Texts(StringChunked, &'a CategoricalEncoding),
}

/// The raw values of a numeric feature.
struct Numbers<'a> {
    raw: PrimitiveArray<f64>,
    /// Rows with null, ascending.
    nulls: Vec<usize>,
    number: &'a NumericEncoding,
    /// Whether its only columns are the transformed value and the missing indicator.
    is_linear: bool,
}

impl<'a> Numbers<'a> {
    fn new(
        raw: PrimitiveArray<f64>,
        number: &'a NumericEncoding,
        columns: &[DesignColumn<'_>],
    ) -> Self {
        let nulls = raw.validity().map_or(Vec::new(), |valid| (!valid).true_idx_iter().collect());
        let is_linear = !columns.iter().any(|column| column.term.is_spline_term());
        Self { raw, nulls, number, is_linear }
    }

    /// Finds the positions of missing values (null or NaN) among some rows.
    fn missing(&self, rows: &Range<usize>, into: &mut Vec<usize>) {
        into.clear();
        let from = self.nulls.partition_point(|null| *null < rows.start);
        into.extend(
            self.nulls[from..]
                .iter()
                .take_while(|null| **null < rows.end)
                .map(|null| null - rows.start),
        );
        // A loop without early exit reads memory faster than the transformation would.
        let raw = &self.raw.values()[rows.clone()];
        if raw.iter().fold(false, |any, value| any | value.is_nan()) {
            into.extend(
                raw.iter().enumerate().filter(|(_, value)| value.is_nan()).map(|(index, _)| index),
            );
            // The value of a null may be NaN.
            into.sort_unstable();
            into.dedup();
        }
    }
}

impl Preprocessor {
    /// Finds the features in a batch; NaN counts as missing.
    ///
    /// # Errors
    /// * [`MissingFeature`](crate::Error::MissingFeature),
    ///   [`FeatureType`](crate::Error::FeatureType): a feature is absent or has another type
    pub(crate) fn inputs<'a>(
        &'a self,
        features: &DataFrame,
        rows: Option<&[u32]>,
    ) -> Result<Inputs<'a>> {
        let values = |(encoder, columns): (&'a FeatureEncoder, &Vec<DesignColumn<'a>>)| {
            let column = feature_column(features, &encoder.feature)?;
            Ok(match &encoder.encoding {
                Encoding::Numeric(number) => Values::Numbers(Numbers::new(
                    number_column(column, rows)?.downcast_as_array().clone(),
                    number,
                    columns,
                )),
                Encoding::Categorical(text) => Values::Texts(text_column(column, rows)?, text),
            })
        };
        let columns: Vec<Vec<DesignColumn<'_>>> = self
            .features
            .iter()
            .enumerate()
            .map(|(index, encoder)| encoder.columns(index))
            .collect();
        let values: Vec<Values<'_>> =
            self.features.par_iter().zip(&columns).map(values).collect::<Result<_>>()?;
        let mut inputs = Inputs { features: Vec::new() };
        let mut first = 0;
        for ((encoder, columns), values) in self.features.iter().zip(columns).zip(values) {
            let width = columns.len();
            inputs.features.push(FeatureInput { encoder, columns, first, values });
            first += width;
        }
        Ok(inputs)
    }
}

impl Inputs<'_> {
    /// Computes the design columns of some rows. Returns the counts of values by feature.
    ///
    /// # Arguments
    /// * `x` – output, shape (columns, rows)
    pub(crate) fn fill(
        &self,
        rows: &Range<usize>,
        x: &mut ArrayViewMut2<'_, f64>,
    ) -> Vec<ValueCounts> {
        let (mut transformed, mut missing) = (vec![0.0; rows.len()], vec![false; rows.len()]);
        let mut nulls = Vec::new();
        let fill = |input: &FeatureInput<'_>| {
            let columns = (input.first..).zip(&input.columns);
            match &input.values {
                Values::Numbers(numbers) => {
                    numbers.missing(rows, &mut nulls);
                    let counts = ValueCounts {
                        present: (rows.len() - nulls.len()) as u64,
                        missing: nulls.len() as u64,
                        ..ValueCounts::default()
                    };
                    let (raw, number) = (&numbers.raw.values()[rows.clone()], numbers.number);
                    if numbers.is_linear {
                        columns.for_each(|(index, column)| {
                            linear(raw, &nulls, number, column, x.row_mut(index));
                        });
                        return counts;
                    }
                    transformed
                        .iter_mut()
                        .zip(raw)
                        .for_each(|(value, raw)| *value = number.transform_present(*raw));
                    missing.fill(false);
                    nulls.iter().for_each(|index| {
                        (transformed[*index], missing[*index]) = (number.fill, true);
                    });
                    columns.for_each(|(index, column)| {
                        standardize(column, &transformed, &missing, x.row_mut(index));
                    });
                    counts
                }
                Values::Texts(values, text) => {
                    let mut counts = ValueCounts::default();
                    let level = |row: usize| {
                        let value = values.get(row).filter(|v| !v.is_empty());
                        let level = text.level(value);
                        counts.count(value, level.unseen);
                        level
                    };
                    let levels: Vec<Level<'_>> = rows.clone().map(level).collect();
                    for (index, DesignColumn { term, scale, .. }) in columns {
                        for (x, level) in x.row_mut(index).iter_mut().zip(&levels) {
                            *x = scale.apply(f64::from(u8::from(*term == Term::Level(level.name))));
                        }
                    }
                    counts
                }
            }
        };
        self.features.iter().map(fill).collect()
    }

    /// Returns the raw value of a feature in a row.
    pub(crate) fn raw(&self, feature: usize, row: usize) -> RawValue<'_> {
        match &self.features[feature].values {
            Values::Numbers(numbers) => {
                RawValue::Number(numbers.raw.get(row).filter(|value| !value.is_nan()))
            }
            Values::Texts(values, _) => RawValue::Text(values.get(row).filter(|v| !v.is_empty())),
        }
    }

    /// Returns the counts of the features with their names.
    pub(crate) fn named(&self, counts: Vec<ValueCounts>) -> BTreeMap<String, ValueCounts> {
        let names = self.features.iter().map(|input| input.encoder.feature.clone());
        names.zip(counts).collect()
    }
}

/// Computes a column of a feature without spline in one pass: the standardized value or the missing
/// indicator.
fn linear(
    raw: &[f64],
    nulls: &[usize],
    number: &NumericEncoding,
    column: &DesignColumn<'_>,
    into: ArrayViewMut1<'_, f64>,
) {
    let into = into.into_slice().expect("a column is a row here");
    let (DesignColumn { term, scale, .. }, fill) = (column, number.fill);
    let null = if *term == Term::Missing {
        into.fill(scale.apply(term.evaluate(fill, false)));
        scale.apply(term.evaluate(fill, true))
    } else {
        into.iter_mut()
            .zip(raw)
            .for_each(|(value, raw)| *value = scale.apply(number.transform_present(*raw)));
        scale.apply(fill)
    };
    nulls.iter().for_each(|index| into[*index] = null);
}

fn standardize(
    column: &DesignColumn<'_>,
    transformed: &[f64],
    missing: &[bool],
    into: ArrayViewMut1<'_, f64>,
) {
    let into = into.into_slice().expect("a column is a row here");
    let DesignColumn { term, scale, .. } = column;
    if *term == Term::Value {
        into.iter_mut().zip(transformed).for_each(|(x, value)| *x = scale.apply(*value));
    } else {
        for (x, (value, missing)) in into.iter_mut().zip(transformed.iter().zip(missing)) {
            *x = scale.apply(term.evaluate(*value, *missing));
        }
    }
}
