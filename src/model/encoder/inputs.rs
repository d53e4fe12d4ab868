//! The features of a batch made ready, to be turned into design columns block by block.

use std::ops::Range;

use ndarray::{ArrayViewMut1, ArrayViewMut2};
use polars::prelude::{DataFrame, StringChunked};
use polars_arrow::array::{PrimitiveArray, StaticArray};
use rayon::prelude::*;

use super::{DesignColumn, Level, Number, Part, Prepared, Preprocessor, Text, Way};
use crate::dataset::columns::{feature_column, number_column, text_column};
use crate::error::Result;

/// Rows that are turned into design columns at once: a block of a hundred columns stays in the
/// cache nearest but one.
pub(crate) const BLOCK: usize = 512;

/// A raw value of a feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw<'a> {
    /// A number; `None` where missing.
    Number(Option<f64>),
    /// A text; `None` where missing.
    Text(Option<&'a str>),
}

/// The features of a batch, each with the design columns it becomes.
pub(crate) struct Inputs<'a> {
    features: Vec<Input<'a>>,
}

struct Input<'a> {
    prepared: &'a Prepared,
    /// Its design columns, and the place of the first.
    columns: Vec<DesignColumn<'a>>,
    first: usize,
    values: Values<'a>,
}

/// The raw values of a feature, in one chunk.
enum Values<'a> {
    Numbers(Numbers<'a>),
    Texts(StringChunked, &'a Text),
}

struct Numbers<'a> {
    raw: PrimitiveArray<f64>,
    /// Rows that have none, ascending.
    nulls: Vec<usize>,
    number: &'a Number,
    /// Whether all its columns are the standardised value and the 0/1 column of nulls.
    straight: bool,
}

impl<'a> Numbers<'a> {
    fn new(raw: PrimitiveArray<f64>, number: &'a Number, columns: &[DesignColumn<'_>]) -> Self {
        let nulls = raw.validity().map_or(Vec::new(), |valid| (!valid).true_idx_iter().collect());
        let straight = !columns.iter().any(|column| column.part.bends());
        Self { raw, nulls, number, straight }
    }

    /// Find the places among some rows that have no number: null or NaN.
    fn missing(&self, rows: &Range<usize>, into: &mut Vec<usize>) {
        into.clear();
        let from = self.nulls.partition_point(|null| *null < rows.start);
        into.extend(
            self.nulls[from..]
                .iter()
                .take_while(|null| **null < rows.end)
                .map(|null| null - rows.start),
        );
        // All are looked at without a stop in between, which fetches them from memory faster than
        // treating them could.
        let raw = &self.raw.values()[rows.clone()];
        if raw.iter().fold(false, |any, value| any | value.is_nan()) {
            into.extend(
                raw.iter().enumerate().filter(|(_, value)| value.is_nan()).map(|(at, _)| at),
            );
        }
    }
}

impl Preprocessor {
    /// Find the features in a batch; NaN counts as null.
    ///
    /// # Errors
    /// * [`MissingFeature`](crate::Error::MissingFeature),
    ///   [`FeatureType`](crate::Error::FeatureType): a feature is absent or of another type
    pub(crate) fn inputs<'a>(
        &'a self,
        features: &DataFrame,
        rows: Option<&[u32]>,
    ) -> Result<Inputs<'a>> {
        let values = |(prepared, columns): (&'a Prepared, &Vec<DesignColumn<'a>>)| {
            let column = feature_column(features, &prepared.feature)?;
            Ok(match &prepared.way {
                Way::Number(number) => Values::Numbers(Numbers::new(
                    number_column(column, rows)?.downcast_as_array().clone(),
                    number,
                    columns,
                )),
                Way::Text(text) => Values::Texts(text_column(column, rows)?, text),
            })
        };
        let columns: Vec<Vec<DesignColumn<'_>>> =
            self.features.iter().enumerate().map(|(at, prepared)| prepared.columns(at)).collect();
        let values: Vec<Values<'_>> =
            self.features.par_iter().zip(&columns).map(values).collect::<Result<_>>()?;
        let mut inputs = Inputs { features: Vec::new() };
        let mut first = 0;
        for ((prepared, columns), values) in self.features.iter().zip(columns).zip(values) {
            let width = columns.len();
            inputs.features.push(Input { prepared, columns, first, values });
            first += width;
        }
        Ok(inputs)
    }
}

impl Inputs<'_> {
    /// Fill the design columns of some rows, `x` having a row for each; answers for each feature
    /// how many texts were unseen.
    pub(crate) fn fill(&self, rows: &Range<usize>, x: &mut ArrayViewMut2<'_, f64>) -> Vec<u64> {
        let (mut treated, mut missing) = (vec![0.0; rows.len()], vec![false; rows.len()]);
        let mut nulls = Vec::new();
        let fill = |input: &Input<'_>| {
            let columns = (input.first..).zip(&input.columns);
            match &input.values {
                Values::Numbers(numbers) => {
                    numbers.missing(rows, &mut nulls);
                    let (raw, number) = (&numbers.raw.values()[rows.clone()], numbers.number);
                    if numbers.straight {
                        columns.for_each(|(at, column)| {
                            straight(raw, &nulls, number, column, x.row_mut(at));
                        });
                        return 0;
                    }
                    treated
                        .iter_mut()
                        .zip(raw)
                        .for_each(|(value, raw)| *value = number.treat_known(*raw));
                    missing.fill(false);
                    nulls.iter().for_each(|at| (treated[*at], missing[*at]) = (number.fill, true));
                    columns.for_each(|(at, column)| {
                        standardise(column, &treated, &missing, x.row_mut(at));
                    });
                    0
                }
                Values::Texts(values, text) => {
                    let levels: Vec<Level<'_>> = rows
                        .clone()
                        .map(|row| text.level(values.get(row).filter(|v| !v.is_empty())))
                        .collect();
                    for (at, DesignColumn { part, scale, .. }) in columns {
                        for (x, level) in x.row_mut(at).iter_mut().zip(&levels) {
                            *x = scale
                                .apply(f64::from(u8::from(*part == Part::Level(level.counts_as))));
                        }
                    }
                    levels.iter().filter(|level| level.unseen).count() as u64
                }
            }
        };
        self.features.iter().map(fill).collect()
    }

    /// The raw value of a feature in a row.
    pub(crate) fn raw(&self, feature: usize, row: usize) -> Raw<'_> {
        match &self.features[feature].values {
            Values::Numbers(numbers) => {
                Raw::Number(numbers.raw.get(row).filter(|value| !value.is_nan()))
            }
            Values::Texts(values, _) => Raw::Text(values.get(row).filter(|v| !v.is_empty())),
        }
    }

    /// Features, each with a count of its own that is not 0.
    pub(crate) fn named(&self, counts: &[u64]) -> impl Iterator<Item = (String, u64)> {
        let named = self.features.iter().zip(counts).filter(|(_, count)| **count > 0);
        named.map(|(input, count)| (input.prepared.feature.clone(), *count))
    }
}

/// A column of a number that has no bends, in one pass: the standardised value, or whether it is
/// missing.
fn straight(
    raw: &[f64],
    nulls: &[usize],
    number: &Number,
    column: &DesignColumn<'_>,
    into: ArrayViewMut1<'_, f64>,
) {
    let into = into.into_slice().expect("a column is a row here");
    let (DesignColumn { part, scale, .. }, fill) = (column, number.fill);
    let null = if *part == Part::Missing {
        into.fill(scale.apply(part.of(fill, false)));
        scale.apply(part.of(fill, true))
    } else {
        into.iter_mut()
            .zip(raw)
            .for_each(|(value, raw)| *value = scale.apply(number.treat_known(*raw)));
        scale.apply(fill)
    };
    nulls.iter().for_each(|at| into[*at] = null);
}

fn standardise(
    column: &DesignColumn<'_>,
    treated: &[f64],
    missing: &[bool],
    into: ArrayViewMut1<'_, f64>,
) {
    let into = into.into_slice().expect("a column is a row here");
    let DesignColumn { part, scale, .. } = column;
    if *part == Part::Value {
        into.iter_mut().zip(treated).for_each(|(x, value)| *x = scale.apply(*value));
    } else {
        for (x, (value, missing)) in into.iter_mut().zip(treated.iter().zip(missing)) {
            *x = scale.apply(part.of(*value, *missing));
        }
    }
}
