//! CSV and its kin: a header line, one row at a time, every value as it is written.

use std::io::{self, BufReader, Chain, Cursor, Read as _};
use std::ops::ControlFlow;
use std::path::Path;

use csv::{ErrorKind, StringRecord};

use super::source::{self, Source};
use super::{Batch, Gatherer, Packing, Read, Take, distinct, empty, places};
use crate::error::{Error, Result};

/// Bytes in which the header line is looked for: enough for thousands of columns.
const HEADER: u64 = 1 << 18;

/// Separators that are known; of equally common ones the first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub(super) fn columns(file: &Path, packing: Packing) -> Result<Vec<String>> {
    Ok(open(file, packing)?.1)
}

pub(super) fn read(
    file: &Path,
    packing: Packing,
    wanted: Option<&[String]>,
    batch: &mut Take<'_, Batch>,
) -> Result<ControlFlow<(), Read>> {
    let (mut reader, header) = open(file, packing)?;
    let places = places(file, wanted, &header)?;
    let mut gatherer = Gatherer::new(places.iter().map(|&place| header[place].as_str()), batch);
    let mut record = StringRecord::new();
    let mut open_end = false;
    while reader
        .read_record(&mut record)
        .map_err(|e| failure(file, packing, Some(gatherer.rows + 1), e))?
    {
        if record.len() != header.len() {
            return Err(ragged(file, gatherer.rows + 1, &record, header.len()));
        }
        open_end = record.get(header.len() - 1).is_some_and(|last| last.contains('\n'));
        if gatherer.push(places.iter().map(|&place| record.get(place)))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    // A line end inside the last value means that it is quoted; then the file has to end with that
    // quote.
    if open_end && reader.get_ref().last != Some(b'"') {
        return Err(Error::malformed_row(
            file,
            Some(gatherer.rows),
            "found a quoted value that is never closed, expected `\"` at its end",
        ));
    }
    Ok(gatherer.finish()?.map_continue(|rows| Read { rows, ..Read::default() }))
}

/// The bytes of a file, remembering the last one that does not end a line.
struct Watched {
    bytes: Chain<Cursor<Vec<u8>>, BufReader<Source>>,
    last: Option<u8>,
}

impl io::Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        let last = buffer[..count].iter().rfind(|byte| !matches!(byte, b'\n' | b'\r'));
        self.last = last.copied().or(self.last);
        Ok(count)
    }
}

/// Open a file and read its header line.
fn open(file: &Path, packing: Packing) -> Result<(csv::Reader<Watched>, Vec<String>)> {
    let mut source = source::open(file, packing)?;
    let mut start = Vec::new();
    source
        .by_ref()
        .take(HEADER)
        .read_to_end(&mut start)
        .map_err(|e| source::failure(file, packing, None, e))?;
    let separator = separator(&start);
    let bytes = Watched { bytes: Cursor::new(start).chain(source), last: None };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .buffer_capacity(1 << 16)
        .from_reader(bytes);
    let header: Vec<String> = reader
        .headers()
        .map_err(|e| failure(file, packing, None, e))?
        .iter()
        .map(str::to_owned)
        .collect();
    if header.is_empty() {
        return Err(empty(file));
    }
    distinct(file, &header)?;
    Ok((reader, header))
}

/// The commonest separator in the header line, outside quotes.
fn separator(start: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut quoted = false;
    let mut begun = false;
    for &byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if begun && !quoted => break,
            _ if quoted => {}
            _ => {
                if let Some(which) = SEPARATORS.iter().position(|&separator| separator == byte) {
                    counts[which] += 1;
                }
            }
        }
        begun |= !matches!(byte, b'\n' | b'\r');
    }
    let best = (0..SEPARATORS.len()).rev().max_by_key(|&which| counts[which]);
    SEPARATORS[best.unwrap_or(0)]
}

fn ragged(file: &Path, row: u64, record: &StringRecord, expected: usize) -> Error {
    let quote = if record.iter().any(|value| value.contains('\n')) {
        "; is a quoted value in it not closed?"
    } else {
        ""
    };
    let fields = if record.len() == 1 { "field" } else { "fields" };
    Error::malformed_row(
        file,
        Some(row),
        format!("found {} {fields}, expected {expected} as in the header{quote}", record.len()),
    )
}

fn failure(file: &Path, packing: Packing, row: Option<u64>, error: csv::Error) -> Error {
    match error.into_kind() {
        ErrorKind::Io(error) => source::failure(file, packing, row, error),
        ErrorKind::Utf8 { err, .. } => {
            let field = err.field() + 1;
            Error::malformed_row(
                file,
                row,
                format!("found bytes that are not UTF-8 in field {field}, expected UTF-8"),
            )
        }
        kind => Error::malformed_row(file, row, format!("found {kind:?}, expected CSV")),
    }
}
