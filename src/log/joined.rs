//! Tables of several files joined by column name.

use std::path::Path;

use polars::prelude::*;

use super::cells;
use crate::error::{Error, Result};

/// Tables one below the other, joined by column name; absent columns are null.
///
/// A column of several types gets the widest: numbers of both kinds become `Float64`, dates and
/// times become times, and other types become text, from which [`cells::ColumnTypes::convert`]
/// infers numbers again.
#[derive(Debug, Default)]
pub(crate) struct JoinedTable {
    columns: Vec<Column>,
    rows: usize,
}

impl JoinedTable {
    /// Appends the rows of a table.
    ///
    /// # Arguments
    /// * `file` – the file of the table, for messages
    pub(crate) fn append(&mut self, file: &Path, table: &DataFrame) -> Result<()> {
        let added = table.height();
        let malformed = |e: PolarsError| Error::unexpected_table(file, e);
        let new = table
            .columns()
            .iter()
            .filter(|column| self.columns.iter().all(|existing| existing.name() != column.name()));
        let new: Vec<Column> = new
            .map(|column| Column::full_null(column.name().clone(), self.rows, column.dtype()))
            .collect();
        self.columns.extend(new);
        for existing in &mut self.columns {
            let other = match table.column(existing.name()) {
                Ok(other) => other.clone(),
                Err(_) => Column::full_null(existing.name().clone(), added, existing.dtype()),
            };
            let (first, second) = widened(existing, &other)?;
            if let Some(first) = first {
                *existing = first;
            }
            existing.append_owned(second.unwrap_or(other)).map_err(malformed)?;
        }
        self.rows += added;
        Ok(())
    }

    /// Returns the whole table.
    pub(crate) fn finish(self) -> DataFrame {
        DataFrame::new(self.rows, self.columns)
            .expect("every column has a value of every row, and names are unique")
    }
}

/// Converts two columns to one type; `None`: a column has it already.
fn widened(first: &Column, second: &Column) -> Result<(Option<Column>, Option<Column>)> {
    let (a, b) = (first.dtype(), second.dtype());
    if a == b {
        return Ok((None, None));
    }
    let empty = |column: &Column| column.null_count() == column.len();
    let is_number = |dtype: &DataType| dtype.is_primitive_numeric() || dtype == &DataType::Boolean;
    let common = if empty(first) {
        b.clone()
    } else if empty(second) {
        a.clone()
    } else if is_number(a) && is_number(b) {
        number_type(a, b)
    } else if a.is_temporal() && b.is_temporal() {
        DataType::Datetime(TimeUnit::Microseconds, None)
    } else {
        DataType::String
    };
    let convert = |column: &Column| -> Result<Option<Column>> {
        if column.dtype() == &common {
            return Ok(None);
        }
        if common == DataType::String && !empty(column) {
            return Ok(Some(cells::text(column)?.into_column()));
        }
        let failure = |e| Error::table(format!("the column `{}`", column.name()), e);
        column.cast(&common).map(Some).map_err(failure)
    };
    Ok((convert(first)?, convert(second)?))
}

/// Returns the type of numbers of two types; 64-bit integers keep their last digit.
fn number_type(a: &DataType, b: &DataType) -> DataType {
    let is_small = |dtype: &DataType| dtype.is_integer() && dtype != &DataType::UInt64;
    if is_small(a) && is_small(b) { DataType::Int64 } else { DataType::Float64 }
}
