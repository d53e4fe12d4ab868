//! Access to the values of feature columns.

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::log::cells;
use crate::names::nearest;

/// Returns the column of a feature.
///
/// # Errors
/// * [`Error::MissingFeature`]: the table lacks the feature
pub(crate) fn feature_column<'a>(features: &'a DataFrame, name: &str) -> Result<&'a Column> {
    features.column(name).map_err(|_| Error::MissingFeature {
        path: None,
        feature: name.to_owned(),
        suggestion: nearest(name, features.get_column_names().iter().map(|n| n.as_str())),
    })
}

/// Returns the values of a numeric column in some rows; NaN becomes `None`.
pub(crate) fn numbers(column: &Column, rows: Option<&[u32]>) -> Result<Vec<Option<f64>>> {
    let column = number_column(column, None)?;
    let is_number = |value: &f64| !value.is_nan();
    let values = column.downcast_iter().next().map_or(&[][..], |chunk| chunk.values());
    let value = |row: usize| Some(values[row]).filter(is_number);
    Ok(match (rows, column.null_count()) {
        (None, 0) => (0..values.len()).map(value).collect(),
        (None, _) => column.iter().map(|value| value.filter(is_number)).collect(),
        (Some(rows), 0) => rows.iter().map(|row| value(*row as usize)).collect(),
        (Some(rows), _) => {
            rows.iter().map(|row| column.get(*row as usize).filter(is_number)).collect()
        }
    })
}

/// Returns the values of a column as text in some rows; the empty text becomes `None`.
pub(crate) fn texts(column: &Column, rows: Option<&[u32]>) -> Result<Vec<Option<String>>> {
    let value = |v: Option<&str>| v.filter(|v| !v.is_empty()).map(str::to_owned);
    Ok(text_column(column, rows)?.iter().map(value).collect())
}

/// Returns the values of a numeric column in some rows, as one chunk.
pub(crate) fn number_column(column: &Column, rows: Option<&[u32]>) -> Result<Float64Chunked> {
    let values = column.f64().map_err(|_| Error::FeatureType {
        feature: column.name().to_string(),
        found: column.dtype().to_string(),
    })?;
    let values = values.rechunk();
    Ok(match rows {
        None => values.into_owned(),
        Some(rows) => rows.iter().map(|row| values.get(*row as usize)).collect(),
    })
}

/// Returns the values of a column as text in some rows, as one chunk.
pub(crate) fn text_column(column: &Column, rows: Option<&[u32]>) -> Result<StringChunked> {
    let converted =
        if column.dtype() == &DataType::String { None } else { Some(cells::text(column)?) };
    let values = match &converted {
        Some(converted) => converted,
        None => {
            column.str().map_err(|e| Error::table(format!("the feature `{}`", column.name()), e))?
        }
    };
    let values = values.rechunk();
    Ok(match rows {
        None => values.into_owned(),
        Some(rows) => rows.iter().map(|row| values.get(*row as usize)).collect(),
    })
}
