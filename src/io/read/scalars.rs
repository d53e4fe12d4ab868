//! Supported types of columns of Parquet and Arrow, and their conversion.

use polars::prelude::{
    ArrowDataType, Column, DataType, IntoColumn, NamedFrom, PolarsResult, Series, TimeZone,
};
use polars_parquet::parquet::schema::types::{ParquetType, PrimitiveLogicalType};

/// Up to this limit, 2⁵³, a float represents every whole number exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns whether a type can be read: scalars and dictionaries of scalars.
pub(super) fn readable(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    if let T::Dictionary(_, values, _) = dtype {
        return readable(values);
    }
    let integer = matches!(
        dtype,
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64
    );
    let number = integer || matches!(dtype, T::Float32 | T::Float64 | T::Decimal(..));
    let text = matches!(
        dtype,
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView
    );
    let time = matches!(dtype, T::Date32 | T::Date64 | T::Timestamp(..));
    number || text || time || matches!(dtype, T::Null | T::Boolean)
}

/// Returns whether a type is text.
pub(super) fn is_text(dtype: &ArrowDataType) -> bool {
    match dtype {
        ArrowDataType::Dictionary(_, values, _) => is_text(values),
        other => matches!(
            other,
            ArrowDataType::Utf8 | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8View
        ),
    }
}

/// Returns whether a column has UUIDs, which are stored as bytes.
pub(super) fn is_uuid(field: &ParquetType) -> bool {
    matches!(field, ParquetType::PrimitiveType(field) if field.logical_type == Some(PrimitiveLogicalType::Uuid))
}

/// Converts bytes, categories and UUIDs to text, decimals to numbers, and times with a zone to UTC;
/// other types are unchanged.
pub(super) fn normalize(column: &Column, uuid: bool) -> PolarsResult<Column> {
    match column.dtype() {
        DataType::Binary if uuid => {
            let texts: Vec<Option<String>> =
                column.binary()?.iter().map(|bytes| bytes.and_then(format_uuid)).collect();
            Ok(Series::new(column.name().clone(), texts).into_column())
        }
        DataType::Binary | DataType::Categorical(..) | DataType::Enum(..) => {
            column.strict_cast(&DataType::String)
        }
        // The name of the zone is that of the writer; the values are in UTC.
        DataType::Datetime(unit, Some(_)) => {
            let times = column.datetime()?.physical().clone();
            Ok(times.into_datetime(*unit, Some(TimeZone::UTC)).into_column())
        }
        DataType::Decimal(_, 0) => {
            // Numbers that exceed 64 bits become null in the cast; such columns are identifiers.
            let integers = column.cast(&DataType::Int64)?;
            if integers.null_count() == column.null_count() {
                Ok(integers)
            } else {
                column.strict_cast(&DataType::String)
            }
        }
        DataType::Decimal(..) => {
            let numbers = column.strict_cast(&DataType::Float64)?;
            // Numbers that a float cannot represent exactly are identifiers.
            let is_long = numbers.f64()?.iter().flatten().any(|number| number.abs() > EXACT);
            if is_long { column.strict_cast(&DataType::String) } else { Ok(numbers) }
        }
        _ => Ok(column.clone()),
    }
}

/// Formats a UUID (RFC 9562, section 4): 8, 4, 4, 4 and 12 hexadecimal digits.
fn format_uuid(bytes: &[u8]) -> Option<String> {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes.try_into().ok()?));
    Some([&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"))
}
