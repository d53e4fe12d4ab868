//! The features of a batch made ready, to be turned into design columns block by block.

use std::ops::Range;

use ndarray::{ArrayViewMut1, ArrayViewMut2};
use polars::prelude::{Column, DataFrame, DataType, Float64Chunked, StringChunked};
use polars_arrow::array::{PrimitiveArray, StaticArray};
use rayon::prelude::*;

use super::{DesignColumn, Level, Number, Part, Prepared, Preprocessor, Way};
use crate::error::{Error, Result};
use crate::ingest::cells;

/// Rows that are turned into design columns at once: a block of a hundred columns stays in the cache nearest but one.
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
    values: Values,
}

/// The raw values of a feature, in one chunk.
enum Values {
    Numbers(PrimitiveArray<f64>),
    Texts(StringChunked),
}

impl Preprocessor {
    /// Find the features in a batch.
    ///
    /// # Errors
    /// * [`Error::Unsuitable`]: a feature is absent or of another type
    pub(crate) fn inputs(&self, features: &DataFrame, rows: Option<&[u32]>) -> Result<Inputs<'_>> {
        let values = |prepared: &Prepared| {
            let lacks = || format!("the batch lacks the feature `{}` of the model", prepared.feature);
            let column = features.column(&prepared.feature).map_err(|_| Error::Unsuitable { problem: lacks(), hint: None })?;
            Ok(match prepared.way {
                Way::Number(_) => Values::Numbers(number_column(column, rows)?.downcast_as_array().clone()),
                Way::Text(_) => Values::Texts(text_column(column, rows)?),
            })
        };
        let values: Vec<Values> = self.features.par_iter().map(values).collect::<Result<_>>()?;
        let mut inputs = Inputs { features: Vec::new() };
        let mut first = 0;
        for (at, (prepared, values)) in self.features.iter().zip(values).enumerate() {
            let columns = prepared.columns(at);
            let width = columns.len();
            inputs.features.push(Input { prepared, columns, first, values });
            first += width;
        }
        Ok(inputs)
    }
}

impl Inputs<'_> {
    /// Fill the design columns of some rows, `x` having a row for each; answers for each feature how many texts were unseen.
    pub(crate) fn fill(&self, rows: &Range<usize>, x: &mut ArrayViewMut2<'_, f64>) -> Vec<u64> {
        let (mut treated, mut missing) = (vec![0.0; rows.len()], vec![false; rows.len()]);
        let mut nulls = Vec::new();
        let fill = |input: &Input<'_>| {
            let columns = (input.first..).zip(&input.columns);
            match (&input.values, &input.prepared.way) {
                (Values::Numbers(values), Way::Number(number)) => {
                    let raw = &values.values()[rows.clone()];
                    find_nulls(values, rows, &mut nulls);
                    if !input.columns.iter().any(|column| column.part.bends()) {
                        columns.for_each(|(at, column)| straight(raw, &nulls, number, column, x.row_mut(at)));
                        return 0;
                    }
                    number.treat_all(raw, &mut treated, |value| value);
                    missing.fill(false);
                    nulls.iter().for_each(|at| (treated[*at], missing[*at]) = (number.fill, true));
                    columns.for_each(|(at, column)| standardise(column, &treated, &missing, x.row_mut(at)));
                    0
                }
                (Values::Texts(values), Way::Text(text)) => {
                    let levels: Vec<Level<'_>> = rows.clone().map(|row| text.level(values.get(row).filter(|v| !v.is_empty()))).collect();
                    for (at, DesignColumn { part, scale, .. }) in columns {
                        for (x, level) in x.row_mut(at).iter_mut().zip(&levels) {
                            *x = scale.apply(f64::from(u8::from(*part == Part::Level(level.counts_as))));
                        }
                    }
                    levels.iter().filter(|level| level.unseen).count() as u64
                }
                _ => 0,
            }
        };
        self.features.iter().map(fill).collect()
    }

    /// The raw value of a feature in a row.
    pub(crate) fn raw(&self, feature: usize, row: usize) -> Raw<'_> {
        match &self.features[feature].values {
            Values::Numbers(values) => Raw::Number(values.get(row)),
            Values::Texts(values) => Raw::Text(values.get(row).filter(|v| !v.is_empty())),
        }
    }

    /// Features, each with a count of its own that is not 0.
    pub(crate) fn named(&self, counts: &[u64]) -> impl Iterator<Item = (String, u64)> {
        let named = self.features.iter().zip(counts).filter(|(_, count)| **count > 0);
        named.map(|(input, count)| (input.prepared.feature.clone(), *count))
    }
}

/// A column of a number that has no bends, in one pass.
fn straight(raw: &[f64], nulls: &[usize], number: &Number, column: &DesignColumn<'_>, into: ArrayViewMut1<'_, f64>) {
    let into = into.into_slice().expect("a column is a row here");
    let DesignColumn { part, scale, .. } = column;
    let null = if *part == Part::Missing {
        into.fill(scale.apply(part.of(number.fill, false)));
        scale.apply(part.of(number.fill, true))
    } else {
        number.treat_all(raw, into, |value| scale.apply(value));
        scale.apply(number.fill)
    };
    nulls.iter().for_each(|at| into[*at] = null);
}

/// Find the places of the nulls among some rows.
fn find_nulls(values: &PrimitiveArray<f64>, rows: &Range<usize>, nulls: &mut Vec<usize>) {
    nulls.clear();
    if let Some(valid) = values.validity() {
        nulls.extend((!&valid.clone().sliced(rows.start, rows.len())).true_idx_iter());
    }
}

fn standardise(column: &DesignColumn<'_>, treated: &[f64], missing: &[bool], into: ArrayViewMut1<'_, f64>) {
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

/// The values of a numeric column in the rows wanted, in one chunk.
pub(super) fn number_column(column: &Column, rows: Option<&[u32]>) -> Result<Float64Chunked> {
    let values = column.f64().map_err(|_| Error::Unsuitable {
        problem: format!("the feature `{}` is no number here, but it was when the model was trained", column.name()),
        hint: None,
    })?;
    let values = values.rechunk();
    Ok(match rows {
        None => values.into_owned(),
        Some(rows) => rows.iter().map(|row| values.get(*row as usize)).collect(),
    })
}

/// The values of a column as text in the rows wanted, in one chunk.
pub(super) fn text_column(column: &Column, rows: Option<&[u32]>) -> Result<StringChunked> {
    let own = if column.dtype() == &DataType::String { None } else { Some(cells::text(column)?) };
    let values = match &own {
        Some(own) => own,
        None => column.str().map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?,
    };
    let values = values.rechunk();
    Ok(match rows {
        None => values.into_owned(),
        Some(rows) => rows.iter().map(|row| values.get(*row as usize)).collect(),
    })
}
