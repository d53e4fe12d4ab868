//! Types of Parquet columns that are read, and what their values come as.

use polars::prelude::{
    ArrowDataType, Column, DataType, IntoColumn, NamedFrom, PolarsResult, Series,
};
use polars_parquet::parquet::schema::types::{ParquetType, PrimitiveLogicalType};

/// Whether a column is of a type that can be read: scalars, and codes of scalars.
pub(super) fn readable(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    if let T::Dictionary(_, values, _) = dtype {
        return readable(values);
    }
    let whole = matches!(
        dtype,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64
    );
    let number = whole || matches!(dtype, T::Float32 | T::Float64 | T::Decimal(..));
    let text = matches!(
        dtype,
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView
    );
    let time = matches!(dtype, T::Date32 | T::Date64 | T::Timestamp(..));
    number || text || time || matches!(dtype, T::Null | T::Boolean)
}

/// Whether a column holds UUIDs, which come as bytes.
pub(super) fn is_uuid(field: &ParquetType) -> bool {
    matches!(field, ParquetType::PrimitiveType(field) if field.logical_type == Some(PrimitiveLogicalType::Uuid))
}

/// Make text of what came as bytes, codes of text or UUIDs, and numbers of decimals; what is
/// neither stays.
pub(super) fn plain(column: &Column, uuid: bool) -> PolarsResult<Column> {
    match column.dtype() {
        DataType::Binary if uuid => {
            let texts: Vec<Option<String>> =
                column.binary()?.iter().map(|bytes| bytes.and_then(in_words)).collect();
            Ok(Series::new(column.name().clone(), texts).into_column())
        }
        DataType::Binary | DataType::Categorical(..) | DataType::Enum(..) => {
            column.strict_cast(&DataType::String)
        }
        DataType::Decimal(_, 0) => {
            // What is too large for a number of 64 bits becomes null here: numbers that long name
            // something.
            let whole = column.cast(&DataType::Int64)?;
            if whole.null_count() == column.null_count() {
                Ok(whole)
            } else {
                column.strict_cast(&DataType::String)
            }
        }
        DataType::Decimal(..) => column.strict_cast(&DataType::Float64),
        _ => Ok(column.clone()),
    }
}

/// A UUID as it is written (RFC 9562, section 4): 8, 4, 4, 4 and 12 hexadecimal digits.
fn in_words(bytes: &[u8]) -> Option<String> {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes.try_into().ok()?));
    Some([&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"))
}
