//! The values of feature columns.

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::log::cells;
use crate::names::nearest;

/// Returns the column of a feature.
///
/// # Errors
/// * [`Error::MissingFeature`]: there is none of its name
pub(crate) fn feature_column<'a>(features: &'a DataFrame, name: &str) -> Result<&'a Column> {
    features.column(name).map_err(|_| Error::MissingFeature {
        path: None,
        feature: name.to_owned(),
        near: nearest(name, features.get_column_names().iter().map(|n| n.as_str())),
    })
}

/// The values of a numeric column in the rows wanted; NaN is missing.
pub(crate) fn numbers(column: &Column, rows: Option<&[u32]>) -> Result<Vec<Option<f64>>> {
    Ok(number_column(column, rows)?
        .iter()
        .map(|value| value.filter(|value| !value.is_nan()))
        .collect())
}

/// The values of a column as text in the rows wanted; the empty text is missing.
pub(crate) fn texts(column: &Column, rows: Option<&[u32]>) -> Result<Vec<Option<String>>> {
    let value = |v: Option<&str>| v.filter(|v| !v.is_empty()).map(str::to_owned);
    Ok(text_column(column, rows)?.iter().map(value).collect())
}

/// The values of a numeric column in the rows wanted, in one chunk.
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

/// The values of a column as text in the rows wanted, in one chunk.
pub(crate) fn text_column(column: &Column, rows: Option<&[u32]>) -> Result<StringChunked> {
    let own = if column.dtype() == &DataType::String { None } else { Some(cells::text(column)?) };
    let values = match &own {
        Some(own) => own,
        None => {
            column.str().map_err(|e| Error::table(format!("feature `{}`", column.name()), e))?
        }
    };
    let values = values.rechunk();
    Ok(match rows {
        None => values.into_owned(),
        Some(rows) => rows.iter().map(|row| values.get(*row as usize)).collect(),
    })
}
