//! Values inside struct columns, each read as a column of its own.

use std::fs::File;
use std::path::Path;

use polars::prelude::{ArrowDataType, ArrowField, PolarsError, PolarsResult};
use polars_arrow::array::{Array, NullArray, StructArray};
use polars_arrow::bitmap::Bitmap;
use polars_parquet::read::{BasicDecompressor, ColumnChunkMetadata, column_iter_to_arrays};

use super::{dictionary, scalars};
use crate::error::Error;

/// A scalar inside a struct column.
pub(super) struct StructField {
    /// Name of the struct column.
    pub(super) root: String,
    /// Names inside, from the outermost.
    path: Vec<String>,
    /// The struct column with this scalar alone.
    field: ArrowField,
}

/// Returns the dotted names of the scalars inside a struct column; none for other columns.
pub(super) fn fields(column: &ArrowField) -> Vec<String> {
    scalars_inside(column).into_iter().map(|path| path.join(".")).collect()
}

/// Returns the names from the column to each scalar in it.
fn scalars_inside(field: &ArrowField) -> Vec<Vec<&str>> {
    let ArrowDataType::Struct(inner) = &field.dtype else { return Vec::new() };
    let mut paths = Vec::new();
    for inner in inner {
        let inside = match &inner.dtype {
            ArrowDataType::Struct(_) => scalars_inside(inner),
            dtype if scalars::readable(dtype) => vec![vec![inner.name.as_str()]],
            _ => Vec::new(),
        };
        paths.extend(inside.into_iter().map(|path| [vec![field.name.as_str()], path].concat()));
    }
    paths
}

/// Returns the scalar of a dotted name inside a column.
pub(super) fn find(column: &ArrowField, name: &str) -> Option<StructField> {
    let paths = scalars_inside(column);
    // Of names with dots of their own, the one with fewer steps.
    let path = paths.into_iter().filter(|path| path.join(".") == name).min_by_key(Vec::len)?;
    let path: Vec<String> = path[1..].iter().map(|&name| name.to_owned()).collect();
    let field = pruned(column, &path)?;
    Some(StructField { root: column.name.to_string(), path, field })
}

/// Returns a column with the scalar of a path alone.
fn pruned(field: &ArrowField, path: &[String]) -> Option<ArrowField> {
    let dtype = match (path, &field.dtype) {
        // The values of a dictionary are read as such.
        ([], ArrowDataType::Dictionary(_, values, _)) => values.as_ref().clone(),
        ([], dtype) => dtype.clone(),
        ([first, rest @ ..], ArrowDataType::Struct(inner)) => {
            let inner = inner.iter().find(|inner| inner.name == first.as_str())?;
            ArrowDataType::Struct(vec![pruned(inner, rest)?])
        }
        _ => return None,
    };
    Some(ArrowField::new(field.name.clone(), dtype, field.is_nullable))
}

/// Returns the error for a column that has no scalars.
pub(super) fn not_scalar(file: &Path, name: &str, field: &ArrowField) -> Error {
    let dtype = format!("{:?}", field.dtype);
    // Without the parameters of the type.
    let dtype = dtype.split(['(', ' ']).next().unwrap_or_default();
    let inside = fields(field)
        .into_iter()
        .next()
        .map_or_else(String::new, |first| format!(" (name a value inside, such as `{first}`)"));
    let problem = format!(
        "column `{name}`: found type {dtype}, expected text, numbers, times or true/false{inside}"
    );
    Error::malformed(file, problem, None)
}

impl StructField {
    /// Returns the values inside an array of the struct column; they are null where any struct
    /// around them is. `None` if the array has other fields.
    pub(super) fn extract(&self, array: &dyn Array) -> Option<Box<dyn Array>> {
        let mut array = array.to_boxed();
        for name in &self.path {
            let outer = array.as_any().downcast_ref::<StructArray>()?;
            let index = outer.fields().iter().position(|field| field.name == name.as_str())?;
            let inner = &outer.values()[index];
            array = if inner.as_any().is::<NullArray>() {
                inner.clone()
            } else {
                inner.with_validity(and(outer.validity(), inner.validity()))
            };
        }
        Some(array)
    }

    /// Returns whether a column chunk has the values of the scalar.
    pub(super) fn is_in(&self, chunk: &ColumnChunkMetadata) -> bool {
        let names = &chunk.descriptor().path_in_schema;
        names.len() == self.path.len() + 1
            && names[1..].iter().zip(&self.path).all(|(a, b)| a.as_str() == b)
    }

    /// Reads the values of a column chunk; they are null where any struct around them is.
    pub(super) fn read(
        &self,
        file: &File,
        chunk: &ColumnChunkMetadata,
    ) -> PolarsResult<Box<dyn Array>> {
        let pages = dictionary::chunk_pages(file, chunk)?;
        let primitive = &chunk.descriptor().descriptor.primitive_type;
        let pages = vec![BasicDecompressor::new(pages, Vec::new())];
        let (mut arrays, _) =
            column_iter_to_arrays(pages, vec![primitive], self.field.clone(), None)?;
        let array = arrays.pop().filter(|_| arrays.is_empty());
        let mut array = array
            .ok_or_else(|| PolarsError::ComputeError("found a struct without one array".into()))?;
        while let Some(outer) = array.as_any().downcast_ref::<StructArray>() {
            let inner = &outer.values()[0];
            let validity = and(outer.validity(), inner.validity());
            array = inner.with_validity(validity);
        }
        Ok(array)
    }
}

/// Returns the values that are valid in both.
fn and(outer: Option<&Bitmap>, inner: Option<&Bitmap>) -> Option<Bitmap> {
    match (outer, inner) {
        (Some(outer), Some(inner)) => Some(outer & inner),
        (one, other) => one.or(other).cloned(),
    }
}
