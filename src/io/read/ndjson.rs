//! NDJSON: one JSON object per line, its scalars as text, numbers as they are written.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::source::{self, Source};
use super::{Batch, Gatherer, Packing, Read, Take, empty, missing};
use crate::error::{Error, Result};

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

pub(super) fn columns(file: &Path, packing: Packing) -> Result<Vec<String>> {
    keys(file, packing)
}

pub(super) fn read(
    file: &Path,
    packing: Packing,
    wanted: Option<&[String]>,
    batch: &mut Take<'_, Batch>,
) -> Result<ControlFlow<(), Read>> {
    let names = wanted.map_or_else(|| keys(file, packing), |names| Ok(names.to_vec()))?;
    let place: HashMap<&str, usize> =
        names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut present = vec![false; names.len()];
    let mut quoted: Vec<Vec<RangeInclusive<u64>>> = vec![Vec::new(); names.len()];
    let mut goes_on = vec![false; names.len()];
    let mut lines = Lines::open(file, packing)?;
    let mut gatherer = Gatherer::new(names.iter().map(String::as_str), batch);
    while let Some((at, line)) = lines.next()? {
        let mut raw = vec![None; names.len()];
        object(&at, line, &mut |key| place.get(key).copied(), &mut raw)?;
        let mut texts = Vec::with_capacity(names.len());
        for (i, raw) in raw.into_iter().enumerate() {
            let text = raw.map_or(Ok(None), |raw| scalar(&at, &names[i], raw))?;
            present[i] |= raw.is_some();
            if text.as_ref().is_some_and(|text| !text.is_empty()) {
                let is_string = raw.is_some_and(|raw| raw.get().starts_with('"'));
                match quoted[i].last_mut().filter(|_| goes_on[i]) {
                    Some(rows) if is_string => *rows = *rows.start()..=at.row,
                    None if is_string => quoted[i].push(at.row..=at.row),
                    _ => {}
                }
                goes_on[i] = is_string;
            }
            texts.push(text);
        }
        if gatherer.push(texts.iter().map(Option::as_deref))?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    let ControlFlow::Continue(rows) = gatherer.finish()? else { return Ok(ControlFlow::Break(())) };
    if rows == 0 {
        return Err(empty(file));
    }
    if let Some(absent) = present.iter().position(|present| !present) {
        return Err(missing(
            file,
            &names[absent],
            columns(file, packing)?.iter().map(String::as_str),
        ));
    }
    let quoted = names.into_iter().zip(quoted).filter(|(_, rows)| !rows.is_empty()).collect();
    Ok(ControlFlow::Continue(Read { rows, quoted }))
}

/// The keys of all objects, in order of first appearance: the last object may be the first with
/// one.
fn keys(file: &Path, packing: Packing) -> Result<Vec<String>> {
    let mut lines = Lines::open(file, packing)?;
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    while let Some((at, line)) = lines.next()? {
        let mut note = |key: &str| {
            if !known.contains(key) {
                known.insert(key.to_owned());
                names.push(key.to_owned());
            }
            None
        };
        object(&at, line, &mut note, &mut [])?;
    }
    if lines.row == 0 { Err(empty(file)) } else { Ok(names) }
}

/// Where a line stands.
struct At<'f> {
    file: &'f Path,
    row: u64,
    line: u64,
}

impl At<'_> {
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
    packing: Packing,
    source: BufReader<Source>,
    buffer: Vec<u8>,
    row: u64,
    line: u64,
}

impl<'f> Lines<'f> {
    fn open(file: &'f Path, packing: Packing) -> Result<Self> {
        Ok(Self {
            file,
            packing,
            source: source::open(file, packing)?,
            buffer: Vec::new(),
            row: 0,
            line: 0,
        })
    }

    fn next(&mut self) -> Result<Option<(At<'f>, &str)>> {
        loop {
            self.buffer.clear();
            let row = self.row + 1;
            let count = self
                .source
                .read_until(b'\n', &mut self.buffer)
                .map_err(|e| source::failure(self.file, self.packing, Some(row), e))?;
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        self.row += 1;
        let at = At { file: self.file, row: self.row, line: self.line };
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => Ok(Some((at, text.trim_ascii()))),
            Err(_) => Err(at.malformed("found bytes that are not UTF-8")),
        }
    }
}

/// Read one object: `place` says for each key into which of `values` its value goes, if into any.
fn object<'l>(
    at: &At,
    line: &'l str,
    place: &mut dyn FnMut(&str) -> Option<usize>,
    values: &mut [Option<&'l RawValue>],
) -> Result<()> {
    let mut json = serde_json::Deserializer::from_str(line);
    Object { place, values }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|e| at.not_json(&e))
}

struct Object<'a, 'l> {
    place: &'a mut dyn FnMut(&str) -> Option<usize>,
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
        while let Some(place) = map.next_key_seed(Key(self.place))? {
            match place {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(i) if self.values[i].is_some() => {
                    return Err(A::Error::custom("found a key twice in an object"));
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

/// A text, number, true or false as text.
fn scalar<'l>(at: &At, column: &str, raw: &'l RawValue) -> Result<Option<Cow<'l, str>>> {
    /// A text that is borrowed where it has no escapes.
    #[derive(Deserialize)]
    struct Text<'l>(#[serde(borrow)] Cow<'l, str>);
    let text = raw.get();
    match text.as_bytes()[0] {
        b'n' => Ok(None),
        b'"' => {
            serde_json::from_str::<Text>(text).map(|text| Some(text.0)).map_err(|e| at.not_json(&e))
        }
        b'[' | b'{' => Err(Error::BadValue {
            path: at.file.to_owned(),
            row: Some(at.row),
            column: column.to_owned(),
            found: shown(text),
            expected: "a text, number or true/false".to_owned(),
        }),
        _ => Ok(Some(Cow::Borrowed(text))),
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
