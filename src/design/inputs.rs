//! The features of a batch made ready, to be turned into design columns block by block.

use std::ops::Range;

use ndarray::{ArrayViewMut2, Axis};
use polars::prelude::{Column, DataFrame, DataType, Float64Chunked, StringChunked};
use rayon::prelude::*;

use super::{DesignColumn, Number, Part, Prepared, Preprocessor, Text, Way};
use crate::error::{Error, Result};
use crate::ingest::cells;

/// Rows that are turned into design columns at once: a block of fifty columns stays in the second cache.
pub(crate) const BLOCK: usize = 256;

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
    Numbers(Float64Chunked),
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
                Way::Number(_) => Values::Numbers(number_column(column, rows)?),
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
    /// Fill the design columns of the rows from `first` on, as many as `x` has; answers for each feature how many texts were unseen.
    pub(crate) fn fill(&self, first: usize, x: &mut ArrayViewMut2<'_, f64>) -> Vec<u64> {
        let rows = first..first + x.nrows();
        let fill = |input: &Input<'_>| {
            let mut into = x.view_mut();
            let (_, mut into) = into.view_mut().split_at(Axis(1), input.first);
            match (&input.values, &input.prepared.way) {
                (Values::Numbers(values), Way::Number(number)) => fill_numbers(values, number, input, rows.clone(), &mut into),
                (Values::Texts(values), Way::Text(text)) => return fill_texts(values, text, input, rows.clone(), &mut into),
                _ => {}
            }
            0
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

/// Fill the columns of a number, block by block.
fn fill_numbers(values: &Float64Chunked, number: &Number, input: &Input<'_>, rows: Range<usize>, into: &mut ArrayViewMut2<'_, f64>) {
    let Some(chunk) = values.downcast_iter().next() else { return };
    let (mut treated, mut missing, mut column) = ([0.0; BLOCK], [false; BLOCK], [0.0; BLOCK]);
    for (from, mut into) in rows.clone().step_by(BLOCK).zip(into.axis_chunks_iter_mut(Axis(0), BLOCK)) {
        let n = into.nrows();
        let (treated, missing, column) = (&mut treated[..n], &mut missing[..n], &mut column[..n]);
        for (treated, raw) in treated.iter_mut().zip(&chunk.values()[from..from + n]) {
            *treated = number.treat(Some(*raw));
        }
        if let Some(valid) = chunk.validity() {
            for (at, (treated, missing)) in treated.iter_mut().zip(missing.iter_mut()).enumerate() {
                *missing = !valid.get_bit(from + at);
                if *missing {
                    *treated = number.treat(None);
                }
            }
        }
        for (DesignColumn { part, scale, .. }, mut into) in input.columns.iter().zip(into.columns_mut()) {
            for (x, (value, missing)) in column.iter_mut().zip(treated.iter().zip(missing.iter())) {
                *x = scale.apply(part.of(*value, *missing));
            }
            into.iter_mut().zip(column.iter()).for_each(|(to, x)| *to = *x);
        }
    }
}

/// Fill the columns of a text; answers how many values no training row had.
fn fill_texts(values: &StringChunked, text: &Text, input: &Input<'_>, rows: Range<usize>, into: &mut ArrayViewMut2<'_, f64>) -> u64 {
    let columns = &input.columns;
    let scales: Vec<(f64, f64)> = columns.iter().map(|c| (c.scale.apply(0.0), c.scale.apply(1.0))).collect();
    let mut unseen = 0;
    for (row, mut into) in rows.zip(into.rows_mut()) {
        let level = text.level(values.get(row).filter(|v| !v.is_empty()));
        unseen += u64::from(level.unseen);
        for ((column, (zero, one)), into) in columns.iter().zip(&scales).zip(into.iter_mut()) {
            *into = if column.part == Part::Level(level.counts_as) { *one } else { *zero };
        }
    }
    unseen
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
