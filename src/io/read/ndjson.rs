//! NDJSON: one JSON object per line; scalars are read as text, numbers as written.

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::Path;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::decompress::{self, LineTooLong, TextSource};
use super::paths::{Cell, Cells, Content, Key, PathTree, compound_value};
use super::{
    BatchBuilder, BatchHandler, Compression, MAX_COLUMNS, ReadSummary, RowBatch,
    check_column_count, empty,
};
use crate::config::MaxLine;
use crate::error::{Error, Result};

/// Reads a file in batches; also returns the requested columns that no object has.
pub(super) fn read(
    file: &Path,
    (compression, max_line): (Compression, MaxLine),
    names: &[String],
    batch: &mut BatchHandler<'_, RowBatch>,
) -> Result<ControlFlow<(), ReadSummary>> {
    let tree = PathTree::new(names.iter().map(String::as_str));
    let mut cells = Cells::new(names.len());
    let mut present = vec![false; names.len()];
    let mut lines = Lines::open(file, compression, max_line)?;
    let mut builder = BatchBuilder::new(names.iter().map(String::as_str), batch);
    while let Some((position, line)) = lines.next()? {
        cells.clear();
        tree.read(line, &mut cells).map_err(|e| position.not_json(&e))?;
        for (index, cell) in cells.iter().enumerate() {
            present[index] |= cell.content != Content::Absent;
            if cell.content == Content::Compound {
                return Err(compound(file, position.row, &names[index], cell));
            }
        }
        if builder.push(cells.iter().map(Cell::text))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    let ControlFlow::Continue(rows) = builder.finish()? else { return Ok(ControlFlow::Break(())) };
    if rows == 0 {
        return Err(empty(file));
    }
    let absent = names.iter().zip(present).filter(|(_, present)| !present);
    let absent = absent.map(|(name, _)| name.clone()).collect();
    Ok(ControlFlow::Continue(ReadSummary { rows, absent }))
}

/// Returns the error for an array or object where a scalar is expected.
fn compound(file: &Path, row: u64, column: &str, cell: &Cell) -> Error {
    compound_value(file, row, column, cell.text().unwrap_or_default())
}

/// Returns the keys of all objects, in order of first appearance; a key may first appear in the
/// last object.
pub(super) fn columns(
    file: &Path,
    compression: Compression,
    max_line: MaxLine,
) -> Result<Vec<String>> {
    let mut lines = Lines::open(file, compression, max_line)?;
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    while let Some((position, line)) = lines.next()? {
        let mut note = |key: &str| {
            // One more than allowed is enough for the error.
            if names.len() <= MAX_COLUMNS && !seen.contains(key) {
                seen.insert(key.to_owned());
                names.push(key.to_owned());
            }
        };
        read_keys(&position, line, &mut note)?;
        check_column_count(file, names.len())?;
    }
    if lines.row == 0 { Err(empty(file)) } else { Ok(names) }
}

/// The position of a line, for messages.
struct LinePosition<'f> {
    file: &'f Path,
    row: u64,
    line: u64,
}

impl LinePosition<'_> {
    fn malformed(&self, problem: &str) -> Error {
        let line =
            if self.line == self.row { String::new() } else { format!("line {}: ", self.line) };
        Error::malformed_row(
            self.file,
            Some(self.row),
            format!("{line}{problem}, expected one JSON object per line"),
        )
    }

    fn not_json(&self, error: &serde_json::Error) -> Error {
        self.malformed(&error.to_string().replace(" at line 1 column ", " at character "))
    }
}

/// The lines of a file that are not blank.
struct Lines<'f> {
    file: &'f Path,
    compression: Compression,
    max_line: MaxLine,
    source: BufReader<TextSource>,
    buffer: Vec<u8>,
    row: u64,
    line: u64,
}

impl<'f> Lines<'f> {
    fn open(file: &'f Path, compression: Compression, max_line: MaxLine) -> Result<Self> {
        Ok(Self {
            file,
            compression,
            max_line,
            source: decompress::open(file, compression)?,
            buffer: Vec::new(),
            row: 0,
            line: 0,
        })
    }

    fn next(&mut self) -> Result<Option<(LinePosition<'f>, &str)>> {
        loop {
            self.buffer.clear();
            let row = self.row + 1;
            let failure = |e| decompress::failure(self.file, self.compression, Some(row), e);
            let limit = self.max_line.bytes() + 1;
            let count = self
                .source
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.buffer)
                .map_err(failure)?;
            if count as u64 == limit && self.buffer.last() != Some(&b'\n') {
                return Err(failure(LineTooLong(self.max_line).into()));
            }
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        self.row += 1;
        let position = LinePosition { file: self.file, row: self.row, line: self.line };
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => Ok(Some((position, text.trim_ascii()))),
            Err(_) => Err(position.malformed("found bytes that are not UTF-8")),
        }
    }
}

/// Passes the text of each of the first `rows` rows to `note`.
pub(super) fn first_rows(
    file: &Path,
    (compression, max_line): (Compression, MaxLine),
    rows: usize,
    note: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut lines = Lines::open(file, compression, max_line)?;
    for _ in 0..rows {
        let Some((_, line)) = lines.next()? else { break };
        note(line);
    }
    Ok(())
}

/// Passes the keys of an object to `note`.
fn read_keys(position: &LinePosition, line: &str, note: &mut dyn FnMut(&str)) -> Result<()> {
    let mut json = serde_json::Deserializer::from_str(line);
    json.deserialize_map(Keys(note)).and_then(|()| json.end()).map_err(|e| position.not_json(&e))
}

struct Keys<'a>(&'a mut dyn FnMut(&str));

impl<'l> Visitor<'l> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while map.next_key_seed(Key(&mut *self.0))?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
