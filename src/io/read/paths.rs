//! Values inside JSON objects, named by dotted paths such as `properties.time`.
//!
//! A key with dots wins over a path: of `{"a.b": 1, "a": {"b": 2}}`, the column `a.b` is 1. Texts
//! with JSON are read like objects, and lists of records with `key` and `value` like objects with
//! these keys.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use crate::error::Error;

/// Number of dots up to which every key of a path may itself have dots.
const MAX_DOTS: usize = 8;

/// The values to read from the objects, by key.
#[derive(Debug, Default)]
pub(super) struct PathTree(HashMap<String, Target>);

/// What to read from the value of a key.
#[derive(Debug, Default)]
struct Target {
    /// The cell of the value itself.
    cell: Option<usize>,
    /// The cells of values inside.
    inside: Option<PathTree>,
}

impl PathTree {
    /// Returns the tree of some paths; the index of a path is that of its cell.
    pub(super) fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut tree = Self::default();
        paths.into_iter().enumerate().for_each(|(cell, path)| tree.insert(path, cell));
        tree
    }

    fn insert(&mut self, path: &str, cell: usize) {
        self.0.entry(path.to_owned()).or_default().cell = Some(cell);
        let splits = if path.matches('.').count() > MAX_DOTS { 1 } else { MAX_DOTS };
        for (dot, _) in path.match_indices('.').take(splits) {
            let (key, rest) = (&path[..dot], &path[dot + 1..]);
            if !key.is_empty() && !rest.is_empty() {
                let target = self.0.entry(key.to_owned()).or_default();
                target.inside.get_or_insert_default().insert(rest, cell);
            }
        }
    }

    /// Reads one JSON object into the cells.
    pub(super) fn read(&self, json: &str, cells: &mut Cells) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_str(json);
        json.deserialize_map(Reader { tree: self, cells, depth: 0 })?;
        json.end()
    }

    /// Reads a text with a JSON object, or a list of records, into the cells.
    pub(super) fn read_text(&self, text: &str, cells: &mut Cells) -> serde_json::Result<()> {
        let text = text.trim_ascii();
        if !text.starts_with(['{', '[']) {
            return Err(serde_json::Error::custom("found no object"));
        }
        Reader { tree: self, cells, depth: 0 }.inside(text)
    }
}

/// What a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// The object lacks the key.
    Absent,
    /// `null`.
    Null,
    /// A string.
    Text,
    /// A number, true or false, as written.
    Scalar,
    /// An array or object, as written.
    Compound,
}

/// A value of a row.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) content: Content,
    text: String,
    /// Number of objects around the value.
    depth: usize,
}

impl Cell {
    /// Returns the text of the value.
    pub(super) fn text(&self) -> Option<&str> {
        match self.content {
            Content::Absent | Content::Null => None,
            _ => Some(&self.text),
        }
    }
}

/// The values of one row; their memory is used again for the next one.
#[derive(Debug)]
pub(super) struct Cells(Vec<Cell>);

impl Cells {
    pub(super) fn new(len: usize) -> Self {
        let cell = || Cell { content: Content::Absent, text: String::new(), depth: 0 };
        Self((0..len).map(|_| cell()).collect())
    }

    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(|cell| cell.content = Content::Absent);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cell> {
        self.0.iter()
    }

    fn set(&mut self, cell: usize, raw: &RawValue, depth: usize) -> serde_json::Result<()> {
        let cell = &mut self.0[cell];
        if cell.content != Content::Absent {
            if cell.depth < depth {
                return Ok(());
            }
            if cell.depth == depth {
                return Err(serde_json::Error::custom("found a duplicate key"));
            }
        }
        let raw = raw.get();
        cell.depth = depth;
        cell.text.clear();
        cell.content = match raw.as_bytes()[0] {
            b'n' => Content::Null,
            b'"' => {
                cell.text.push_str(&serde_json::from_str::<Text<'_>>(raw)?.0);
                Content::Text
            }
            first => {
                cell.text.push_str(raw);
                if matches!(first, b'[' | b'{') { Content::Compound } else { Content::Scalar }
            }
        };
        Ok(())
    }
}

/// A string, borrowed unless it has escapes.
#[derive(Deserialize)]
pub(super) struct Text<'l>(#[serde(borrow)] pub(super) Cow<'l, str>);

/// Reads the values inside an object, or a list of records.
struct Reader<'a> {
    tree: &'a PathTree,
    cells: &'a mut Cells,
    /// Number of objects around.
    depth: usize,
}

impl Reader<'_> {
    /// Reads the value of a key.
    fn value(&mut self, target: &Target, raw: &RawValue) -> serde_json::Result<()> {
        if let Some(cell) = target.cell {
            self.cells.set(cell, raw, self.depth)?;
        }
        let Some(tree) = &target.inside else { return Ok(()) };
        Reader { tree, cells: self.cells, depth: self.depth + 1 }.inside(raw.get())
    }

    /// Reads the values inside a value; only objects, lists of records and texts with JSON have
    /// any.
    fn inside(self, json: &str) -> serde_json::Result<()> {
        match json.as_bytes().first() {
            Some(b'{' | b'[') => {
                let mut json = serde_json::Deserializer::from_str(json);
                json.deserialize_any(self)?;
                json.end()
            }
            Some(b'"') => {
                let text = serde_json::from_str::<Text<'_>>(json)?.0;
                let text = text.trim_ascii();
                if text.starts_with(['{', '[']) { self.inside(text) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

impl<'l> Visitor<'l> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'l>>(mut self, mut map: A) -> std::result::Result<(), A::Error> {
        let tree = self.tree;
        while let Some(target) = map.next_key_seed(Key(|key: &str| tree.0.get(key)))? {
            match target {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(target) => {
                    self.value(target, map.next_value()?).map_err(A::Error::custom)?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'l>>(mut self, mut list: A) -> std::result::Result<(), A::Error> {
        while let Some(raw) = list.next_element::<&RawValue>()? {
            let Ok(Record { key: Some(key), value: Some(value) }) = serde_json::from_str(raw.get())
            else {
                continue;
            };
            if let Some(target) = self.tree.0.get(&*key) {
                self.value(target, typed_value(value)).map_err(A::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// A record of a list, as of the event parameters of Google Analytics.
#[derive(Deserialize)]
pub(super) struct Record<'l> {
    #[serde(borrow, alias = "name")]
    pub(super) key: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub(super) value: Option<&'l RawValue>,
}

/// Returns the value of a record that has one field per type, such as
/// `{"string_value": null, "int_value": 7}`: the first one that is not null.
pub(super) fn typed_value(raw: &RawValue) -> &RawValue {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Typed<'l> {
        #[serde(borrow)]
        string_value: Option<&'l RawValue>,
        #[serde(borrow)]
        int_value: Option<&'l RawValue>,
        #[serde(borrow)]
        float_value: Option<&'l RawValue>,
        #[serde(borrow)]
        double_value: Option<&'l RawValue>,
    }
    let Ok(typed) = serde_json::from_str::<Typed<'_>>(raw.get()) else { return raw };
    let Typed { string_value, int_value, float_value, double_value } = typed;
    [string_value, int_value, float_value, double_value].into_iter().flatten().next().unwrap_or(raw)
}

/// Passes each key of an object to a function.
pub(super) struct Key<F>(pub(super) F);

impl<'l, T, F: FnMut(&str) -> T> DeserializeSeed<'l> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'l>>(self, json: D) -> std::result::Result<T, D::Error> {
        json.deserialize_str(self)
    }
}

impl<T, F: FnMut(&str) -> T> Visitor<'_> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(mut self, key: &str) -> std::result::Result<T, E> {
        Ok((self.0)(key))
    }
}

/// Returns the error for an array or object where a scalar is expected.
pub(super) fn compound_value(file: &Path, row: u64, column: &str, json: &str) -> Error {
    let mut first_key = None;
    if json.starts_with('{') {
        let mut json = serde_json::Deserializer::from_str(json);
        // Only the first key matters, so that errors after it do not.
        drop(json.deserialize_map(FirstKey(&mut first_key)));
    }
    let inside = first_key
        .map(|key: String| format!(" (name a value inside, such as `{column}.{key}`)"))
        .unwrap_or_default();
    Error::BadValue {
        path: file.to_owned(),
        row: Some(row),
        column: column.to_owned(),
        found: truncated(json),
        expected: format!("text, a number or true/false{inside}"),
    }
}

struct FirstKey<'a>(&'a mut Option<String>);

impl<'l> Visitor<'l> for FirstKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        *self.0 = map.next_key()?;
        Ok(())
    }
}

/// Shortens a value for messages.
pub(super) fn truncated(text: &str) -> String {
    /// Maximum number of characters of a value shown in messages.
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
