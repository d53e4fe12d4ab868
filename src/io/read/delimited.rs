//! CSV and similar formats: a header line and one record per row; values are read as written,
//! except the apostrophes before formulas in a feature matrix.

use std::io::{BufReader, Chain, Cursor, Read as _};
use std::ops::ControlFlow;
use std::path::Path;

use super::decompress::{self, TextSource};
use super::record::{RecordError, RecordReader};
use super::{
    BatchBuilder, BatchHandler, Compression, Delimited, MAX_COLUMNS, ReadSummary, RowBatch,
    check_column_count, column_index, empty,
};
use crate::config::MaxLine;
use crate::error::{Error, Result};
use crate::escape::from_spreadsheet_cell;
use crate::names::{agree, grouped};

/// Number of bytes searched for the separator of the header line: enough for thousands of columns.
const HEADER: u64 = 1 << 18;

/// Supported separators; among equally frequent ones, the first is used.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Returns the names of the header, some of which may be repeated.
pub(super) fn columns(file: &Path, format: Delimited, max_line: MaxLine) -> Result<Vec<String>> {
    Ok(open(file, format, max_line)?.1)
}

pub(super) fn read(
    file: &Path,
    (format, max_line): (Delimited, MaxLine),
    names: &[String],
    batch: &mut BatchHandler<'_, RowBatch>,
) -> Result<ControlFlow<(), ReadSummary>> {
    let (mut reader, header) = open(file, format, max_line)?;
    let indices: Vec<usize> =
        names.iter().map(|name| column_index(file, name, &header)).collect::<Result<_>>()?;
    let mut builder = BatchBuilder::new(names.iter().map(String::as_str), batch);
    let mut ends_inside_value = false;
    while reader.read().map_err(|e| failure(file, format.compression, Some(builder.rows + 1), e))? {
        if reader.len() != header.len() {
            return Err(wrong_field_count(file, builder.rows + 1, &reader, header.len()));
        }
        ends_inside_value = reader.get(header.len() - 1).is_some_and(|last| last.contains('\n'));
        let values = indices.iter().map(|&index| Some(format.value(reader.get(index)?)));
        if builder.push(values)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    // A last value with a line end is quoted, so the file must end with a quote.
    if ends_inside_value && reader.last() != Some(b'"') {
        return Err(Error::malformed_row(
            file,
            Some(builder.rows),
            "found a quoted value without a closing quote, expected `\"` at its end",
        ));
    }
    Ok(builder.finish()?.map_continue(|rows| ReadSummary { rows, ..ReadSummary::default() }))
}

impl Delimited {
    /// Returns the value of a field.
    fn value(self, field: &str) -> &str {
        if self.has_spreadsheet_cells { from_spreadsheet_cell(field) } else { field }
    }
}

/// The records of a file.
type FileRecords = RecordReader<Chain<Cursor<Vec<u8>>, BufReader<TextSource>>>;

/// Opens a file and reads its header line.
fn open(file: &Path, format: Delimited, max_line: MaxLine) -> Result<(FileRecords, Vec<String>)> {
    let compression = format.compression;
    let mut source = decompress::open(file, compression)?;
    let mut start = Vec::new();
    source
        .by_ref()
        .take(HEADER)
        .read_to_end(&mut start)
        .map_err(|e| decompress::failure(file, compression, None, e))?;
    let (separator, first) = match separator_line(&start) {
        Some(found) => found,
        None => (separator(&start), 0),
    };
    let mut start = Cursor::new(start);
    start.set_position(first);
    let mut reader = RecordReader::new(start.chain(source), separator, max_line);
    // A file of blank lines has no header.
    reader.read().map_err(|e| failure(file, compression, None, e))?;
    check_column_count(file, reader.len())?;
    let header: Vec<String> = reader.iter().map(|name| format.value(name).to_owned()).collect();
    if header.is_empty() {
        return Err(empty(file));
    }
    Ok((reader, header))
}

/// Returns the separator of a first line such as `sep=;`, as Excel reads and writes it, and the
/// position after the line.
fn separator_line(start: &[u8]) -> Option<(u8, u64)> {
    let end = start.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let line = start[..end].strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\""));
    let line = line.unwrap_or(&start[..end]);
    let [name @ .., separator] = line else { return None };
    name.eq_ignore_ascii_case(b"sep=").then_some((*separator, end as u64))
}

/// Returns the separator of the header line, ignoring quoted text: of those that the next lines
/// have as often as the header, else of all, the most frequent one.
fn separator(start: &[u8]) -> u8 {
    /// Number of lines that are compared with the header.
    const LINES: usize = 5;
    let mut lines = vec![[0_usize; SEPARATORS.len()]];
    let (mut quoted, mut begun) = (false, false);
    for &byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if begun && !quoted => {
                if lines.len() > LINES {
                    break;
                }
                lines.push([0; SEPARATORS.len()]);
                begun = false;
                continue;
            }
            _ if quoted => {}
            _ => {
                if let Some(which) = SEPARATORS.iter().position(|&separator| separator == byte) {
                    lines.last_mut().expect("there is a line")[which] += 1;
                }
            }
        }
        begun |= !matches!(byte, b'\n' | b'\r');
    }
    // The last line is empty or may be cut off.
    if lines.len() > 1 && (!begun || start.len() as u64 == HEADER) {
        lines.pop();
    }
    let header = lines[0];
    let agrees = |which: usize| lines.iter().all(|line| line[which] == header[which]);
    let best = (0..SEPARATORS.len())
        .rev()
        .max_by_key(|&which| (header[which] > 0 && agrees(which), header[which]));
    SEPARATORS[best.unwrap_or(0)]
}

fn wrong_field_count(file: &Path, row: u64, record: &FileRecords, expected: usize) -> Error {
    let quote = if record.iter().any(|value| value.contains('\n')) {
        " (is a closing quote missing?)"
    } else {
        ""
    };
    let fields = agree(record.len() as u64, ["field", "fields"]);
    Error::malformed_row(
        file,
        Some(row),
        format!("found {} {fields}, expected {expected} as in the header{quote}", record.len()),
    )
}

fn failure(file: &Path, compression: Compression, row: Option<u64>, error: RecordError) -> Error {
    let problem = match error {
        RecordError::Read(error) => return decompress::failure(file, compression, row, error),
        RecordError::NotUtf8(field) => {
            format!("found bytes that are not UTF-8 in field {field}, expected UTF-8")
        }
        RecordError::TooManyFields(limit) => {
            let [limit, expected] = [limit, MAX_COLUMNS].map(|count| grouped(count as u64));
            format!("found more than {limit} fields, expected at most {expected}")
        }
    };
    Error::malformed_row(file, row, problem)
}
