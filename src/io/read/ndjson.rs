//! NDJSON: one JSON object per line; scalars are read as text, numbers as written.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::decompress::{self, TextSource};
use super::{BatchBuilder, BatchHandler, Compression, ReadSummary, RowBatch, empty, missing};
use crate::error::{Error, Result};

/// Maximum number of characters of a value shown in messages.
const SHOWN: usize = 60;

pub(super) fn columns(file: &Path, compression: Compression) -> Result<Vec<String>> {
    keys(file, compression)
}

pub(super) fn read(
    file: &Path,
    compression: Compression,
    requested: Option<&[String]>,
    batch: &mut BatchHandler<'_, RowBatch>,
) -> Result<ControlFlow<(), ReadSummary>> {
    let names = requested.map_or_else(|| keys(file, compression), |names| Ok(names.to_vec()))?;
    let indices: HashMap<&str, usize> =
        names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut present = vec![false; names.len()];
    let mut quoted: Vec<Vec<RangeInclusive<u64>>> = vec![Vec::new(); names.len()];
    let mut extends = vec![false; names.len()];
    let mut lines = Lines::open(file, compression)?;
    let mut builder = BatchBuilder::new(names.iter().map(String::as_str), batch);
    while let Some((position, line)) = lines.next()? {
        let mut raw = vec![None; names.len()];
        object(&position, line, &mut |key| indices.get(key).copied(), &mut raw)?;
        let mut texts = Vec::with_capacity(names.len());
        for (i, raw) in raw.into_iter().enumerate() {
            let text = raw.map_or(Ok(None), |raw| scalar(&position, &names[i], raw))?;
            present[i] |= raw.is_some();
            if text.as_ref().is_some_and(|text| !text.is_empty()) {
                let is_string = raw.is_some_and(|raw| raw.get().starts_with('"'));
                match quoted[i].last_mut().filter(|_| extends[i]) {
                    Some(rows) if is_string => *rows = *rows.start()..=position.row,
                    None if is_string => quoted[i].push(position.row..=position.row),
                    _ => {}
                }
                extends[i] = is_string;
            }
            texts.push(text);
        }
        if builder.push(texts.iter().map(Option::as_deref))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    let ControlFlow::Continue(rows) = builder.finish()? else { return Ok(ControlFlow::Break(())) };
    if rows == 0 {
        return Err(empty(file));
    }
    if let Some(absent) = present.iter().position(|present| !present) {
        return Err(missing(
            file,
            &names[absent],
            columns(file, compression)?.iter().map(String::as_str),
        ));
    }
    let quoted = names.into_iter().zip(quoted).filter(|(_, rows)| !rows.is_empty()).collect();
    Ok(ControlFlow::Continue(ReadSummary { rows, quoted }))
}

/// Returns the keys of all objects, in order of first appearance; a key may first appear in the
/// last object.
fn keys(file: &Path, compression: Compression) -> Result<Vec<String>> {
    let mut lines = Lines::open(file, compression)?;
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    while let Some((position, line)) = lines.next()? {
        let mut note = |key: &str| {
            if !seen.contains(key) {
                seen.insert(key.to_owned());
                names.push(key.to_owned());
            }
            None
        };
        object(&position, line, &mut note, &mut [])?;
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
    source: BufReader<TextSource>,
    buffer: Vec<u8>,
    row: u64,
    line: u64,
}

impl<'f> Lines<'f> {
    fn open(file: &'f Path, compression: Compression) -> Result<Self> {
        Ok(Self {
            file,
            compression,
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
            let count = self
                .source
                .read_until(b'\n', &mut self.buffer)
                .map_err(|e| decompress::failure(self.file, self.compression, Some(row), e))?;
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

/// Reads an object; `index` maps each key to an index of `values`, or `None` to skip its value.
fn object<'l>(
    position: &LinePosition,
    line: &'l str,
    index: &mut dyn FnMut(&str) -> Option<usize>,
    values: &mut [Option<&'l RawValue>],
) -> Result<()> {
    let mut json = serde_json::Deserializer::from_str(line);
    Object { index, values }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|e| position.not_json(&e))
}

struct Object<'a, 'l> {
    index: &'a mut dyn FnMut(&str) -> Option<usize>,
    values: &'a mut [Option<&'l RawValue>],
}

impl<'l> DeserializeSeed<'l> for Object<'_, 'l> {
    type Value = ();

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> std::result::Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'l> Visitor<'l> for Object<'_, 'l> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        while let Some(index) = map.next_key_seed(Key(self.index))? {
            match index {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(i) if self.values[i].is_some() => {
                    return Err(A::Error::custom("found a duplicate key"));
                }
                Some(i) => self.values[i] = Some(map.next_value()?),
            }
        }
        Ok(())
    }
}

struct Key<'a>(&'a mut dyn FnMut(&str) -> Option<usize>);

impl<'l> DeserializeSeed<'l> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'l>>(
        self,
        json: D,
    ) -> std::result::Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> std::result::Result<Option<usize>, E> {
        Ok((self.0)(key))
    }
}

/// Returns a string, number, true or false as text.
fn scalar<'l>(
    position: &LinePosition,
    column: &str,
    raw: &'l RawValue,
) -> Result<Option<Cow<'l, str>>> {
    /// A string, borrowed unless it has escapes.
    #[derive(Deserialize)]
    struct Text<'l>(#[serde(borrow)] Cow<'l, str>);
    let text = raw.get();
    match text.as_bytes()[0] {
        b'n' => Ok(None),
        b'"' => serde_json::from_str::<Text>(text)
            .map(|text| Some(text.0))
            .map_err(|e| position.not_json(&e)),
        b'[' | b'{' => Err(Error::BadValue {
            path: position.file.to_owned(),
            row: Some(position.row),
            column: column.to_owned(),
            found: truncated(text),
            expected: "text, a number or true/false".to_owned(),
        }),
        _ => Ok(Some(Cow::Borrowed(text))),
    }
}

/// Shortens a value for messages.
fn truncated(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
