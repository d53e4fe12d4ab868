//! Arrays of record batches as columns.

use polars::prelude::{
    ArrowDataType, ArrowField, Column, IdxCa, IntoColumn, PlSmallStr, PolarsError, PolarsResult,
    Series,
};
use polars_arrow::array::{Array, DictionaryArray, DictionaryKey, PrimitiveArray, Utf8ViewArray};

use crate::io::read::dictionary::Dictionary;
use crate::io::read::scalars;
use crate::io::read::struct_column::StructField;

/// Name of the extension type of UUIDs.
const UUID: &str = "arrow.uuid";

/// A column to read.
pub(super) struct ColumnRequest {
    pub(super) name: String,
    /// Index of the column in the file.
    pub(super) index: usize,
    /// The value inside a struct column.
    pub(super) field: Option<StructField>,
    /// Whether it may be read as a dictionary.
    pub(super) as_dictionary: bool,
    /// Whether it contains UUIDs.
    pub(super) uuid: bool,
}

/// A column that was read.
pub(super) enum DecodedColumn {
    Plain(Column),
    Dictionary(Dictionary),
}

impl ColumnRequest {
    /// Converts the array of the column in the file.
    pub(super) fn decode(&self, array: &dyn Array) -> PolarsResult<DecodedColumn> {
        let array = match &self.field {
            None => array.to_boxed(),
            Some(field) => field.extract(array).ok_or_else(|| unexpected("a struct"))?,
        };
        let name = PlSmallStr::from(self.name.as_str());
        let ArrowDataType::Dictionary(..) = array.dtype() else {
            let column = Series::try_from((name, array))?.into_column();
            return scalars::normalize(&column, self.uuid).map(DecodedColumn::Plain);
        };
        let (keys, values) = split(array.as_ref())?;
        let values = Series::try_from((name.clone(), values))?;
        if self.as_dictionary
            && let Some(texts) =
                values.str().ok().and_then(|texts| only_chunk(texts.downcast_iter()))
            && let Some(dictionary) = Dictionary::new(texts, keys.clone())
        {
            return Ok(DecodedColumn::Dictionary(dictionary));
        }
        let column = values.take(&IdxCa::with_chunk(name, keys))?.into_column();
        scalars::normalize(&column, self.uuid).map(DecodedColumn::Plain)
    }
}

/// Returns the chunk of a column that has one.
fn only_chunk<'c>(mut chunks: impl Iterator<Item = &'c Utf8ViewArray>) -> Option<Utf8ViewArray> {
    let first = chunks.next().cloned();
    first.filter(|_| chunks.next().is_none())
}

/// Returns the keys and the values of a dictionary array, whatever the type of its keys.
fn split(array: &dyn Array) -> PolarsResult<(PrimitiveArray<u32>, Box<dyn Array>)> {
    let splits = [
        split_keys::<u8>,
        split_keys::<i8>,
        split_keys::<u16>,
        split_keys::<i16>,
        split_keys::<u32>,
        split_keys::<i32>,
        split_keys::<u64>,
        split_keys::<i64>,
    ];
    let split = splits.iter().find_map(|split| split(array));
    split.ok_or_else(|| unexpected("a dictionary"))
}

fn split_keys<K: DictionaryKey>(
    array: &dyn Array,
) -> Option<(PrimitiveArray<u32>, Box<dyn Array>)> {
    let array = array.as_any().downcast_ref::<DictionaryArray<K>>()?;
    // Every key is the index of a value.
    u32::try_from(array.values().len()).ok()?;
    let keys = array.keys_iter().map(|key| key.and_then(|key| u32::try_from(key).ok()));
    Some((keys.collect(), array.values().clone()))
}

fn unexpected(expected: &str) -> PolarsError {
    PolarsError::ComputeError(format!("found another type, expected {expected}").into())
}

/// Returns whether a column contains UUIDs.
pub(super) fn is_uuid(field: &ArrowField) -> bool {
    matches!(&field.dtype, ArrowDataType::Extension(extension) if extension.name == UUID)
}

/// Returns a column with the types that are read: without extensions, and with UTC as time zone,
/// because all values are in UTC.
pub(super) fn plain(field: &ArrowField) -> ArrowField {
    ArrowField::new(field.name.clone(), plain_type(&field.dtype), field.is_nullable)
}

fn plain_type(dtype: &ArrowDataType) -> ArrowDataType {
    use ArrowDataType as T;
    match dtype {
        T::Extension(extension) => plain_type(&extension.inner),
        T::Timestamp(unit, Some(_)) => T::Timestamp(*unit, Some(PlSmallStr::from_static("UTC"))),
        T::Dictionary(keys, values, is_ordered) => {
            T::Dictionary(*keys, Box::new(plain_type(values)), *is_ordered)
        }
        T::Struct(fields) => T::Struct(fields.iter().map(plain).collect()),
        other => other.clone(),
    }
}
