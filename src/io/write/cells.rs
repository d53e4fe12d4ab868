//! Formatting of table values as CSV and JSON.

use std::borrow::Cow;
use std::fmt::{Display, LowerExp, Write as _};
use std::io::{self, Write};

use polars::prelude::{AnyValue, DataFrame, TimeUnit};

use crate::time;

/// Formats a number with the fewest digits that parse back exactly; very large and very small
/// numbers have an exponent.
///
/// NaN and infinities give the empty text, which means null.
#[must_use]
pub fn format_number(x: f64) -> String {
    if x.is_finite() { shortest(x.abs(), &x) } else { String::new() }
}

fn shortest(size: f64, x: &(impl Display + LowerExp)) -> String {
    if size == 0.0 || (1e-5..1e16).contains(&size) { format!("{x}") } else { format!("{x:e}") }
}

/// Formats a CSV record without its line end; values are quoted where necessary.
#[must_use]
pub fn csv_line(cells: &[String]) -> String {
    let special = [',', '"', '\n', '\r'];
    let quote = |cell: &String| {
        if cell.contains(special) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    cells.iter().map(quote).collect::<Vec<_>>().join(",")
}

/// Form of a value in JSON.
enum JsonCell {
    Null,
    Bare,
    Text,
}

/// Writes a value to `text` and returns how to write it in JSON.
fn cell(value: &AnyValue, text: &mut String) -> JsonCell {
    text.clear();
    match value {
        AnyValue::Float64(x) => text.push_str(&format_number(*x)),
        AnyValue::Float32(x) if x.is_finite() => text.push_str(&shortest(f64::from(x.abs()), x)),
        AnyValue::Null | AnyValue::Float32(_) => return JsonCell::Null,
        AnyValue::Boolean(yes) => text.push_str(if *yes { "true" } else { "false" }),
        // The `Display` of polars may add thousands separators.
        integer if integer.is_integer() => {
            write!(text, "{}", integer.extract::<i128>().expect("every integer fits 128 bits"))
                .expect("writing to a String succeeds");
        }
        other => {
            push_text(other, text);
            return JsonCell::Text;
        }
    }
    if text.is_empty() { JsonCell::Null } else { JsonCell::Bare }
}

fn push_text(value: &AnyValue, text: &mut String) {
    match value {
        AnyValue::Date(days) => {
            text.push_str(&time::Day::from_number(i64::from(*days)).to_string());
        }
        AnyValue::Datetime(t, unit, _) | AnyValue::DatetimeOwned(t, unit, _) => {
            text.push_str(&time::iso(micros(*t, *unit)));
        }
        other => match other.get_str() {
            Some(value) => text.push_str(value),
            None => write!(text, "{other}").expect("writing to a String succeeds"),
        },
    }
}

fn micros(t: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => t.div_euclid(1_000),
        TimeUnit::Microseconds => t,
        TimeUnit::Milliseconds => t.saturating_mul(1_000),
    }
}

/// Returns a text as it is written to a cell of CSV.
pub(super) type CellEncoder = fn(&str) -> Cow<'_, str>;

/// Writes rows as CSV; null is the empty value.
///
/// # Arguments
/// * `encode` – for texts
pub(super) fn write_csv(
    writer: &mut csv::Writer<impl Write>,
    encode: CellEncoder,
    frame: &DataFrame,
) -> Result<(), csv::Error> {
    let mut text = String::new();
    each_row(frame, |row| {
        for value in row {
            if let Some(value) = value.get_str() {
                writer.write_field(encode(value).as_bytes())?;
            } else {
                cell(value, &mut text);
                writer.write_field(&text)?;
            }
        }
        writer.write_record(None::<&[u8]>)
    })
}

/// Writes rows as JSON objects, one per line; `keys` are the column names as JSON strings.
pub(super) fn write_ndjson(
    writer: &mut impl Write,
    keys: &[String],
    frame: &DataFrame,
) -> io::Result<()> {
    let mut text = String::new();
    each_row(frame, |row| {
        let mut before = "{";
        for (key, value) in keys.iter().zip(row) {
            write!(writer, "{before}{key}:")?;
            match cell(value, &mut text) {
                JsonCell::Null => writer.write_all(b"null")?,
                JsonCell::Bare => writer.write_all(text.as_bytes())?,
                JsonCell::Text => {
                    serde_json::to_writer(&mut *writer, &text).map_err(io::Error::from)?;
                }
            }
            before = ",";
        }
        writer.write_all(if keys.is_empty() { b"{}\n" } else { b"}\n" })
    })
}

/// Formats a text as a JSON string.
pub(super) fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("every text is a valid JSON string")
}

/// Calls `write` with the values of each row.
fn each_row<E>(
    frame: &DataFrame,
    mut write: impl FnMut(&[AnyValue]) -> Result<(), E>,
) -> Result<(), E> {
    let mut frame = frame.clone();
    frame.rechunk_mut();
    let mut columns: Vec<_> =
        frame.columns().iter().map(|column| column.as_materialized_series().iter()).collect();
    let mut row = Vec::with_capacity(columns.len());
    for _ in 0..frame.height() {
        row.clear();
        row.extend(
            columns
                .iter_mut()
                .map(|values| values.next().expect("every column has a value in every row")),
        );
        write(&row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_quoted() {
        let cells = ["a", "b,c", "\"d\"", "e\rf", ""].map(str::to_owned);
        assert_eq!(csv_line(&cells), "a,\"b,c\",\"\"\"d\"\"\",\"e\rf\",");
    }

    #[test]
    fn numbers_have_the_fewest_digits_that_parse_back_exactly() {
        for (x, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e21, "1e21"),
            (100.0, "100"),
            (1_000.0, "1000"),
            (0.001, "0.001"),
            (1.5e-7, "1.5e-7"),
            (12_345.678, "12345.678"),
        ] {
            assert_eq!(format_number(x), text);
        }
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let x = f64::from_bits(state ^ (state >> 29));
            if x.is_finite() {
                let text = format_number(x);
                assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(x.to_bits()), "{text}");
            }
        }
        assert_eq!(format_number(f64::NAN), "");
        assert_eq!(format_number(f64::INFINITY), "");
    }
}
