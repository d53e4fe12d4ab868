//! Tables for output: columns of polars, and dictionary columns of repeated texts.

use std::ops::Range;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use polars::prelude::{
    ArrowDataType, Column, DataFrame, DataType, IdxCa, IntoColumn, NewChunkedArray, PlSmallStr,
    PolarsResult, Schema, StringChunked,
};
use polars_arrow::array::PrimitiveArray;

use super::bitmap;

/// A column of repeated texts: the distinct texts, and a key into them for each row.
#[derive(Debug, Clone, Default)]
pub struct DictionaryColumn {
    texts: Arc<Vec<Arc<str>>>,
    /// Indices of texts, or [`DictionaryColumn::NULL`].
    keys: Vec<u32>,
}

impl DictionaryColumn {
    /// Key of a null.
    pub const NULL: u32 = u32::MAX;

    /// Creates a column from its distinct texts and a key for each row: the index of its text, or
    /// [`DictionaryColumn::NULL`].
    #[must_use]
    pub fn new(texts: Arc<Vec<Arc<str>>>, keys: Vec<u32>) -> Self {
        debug_assert!(
            keys.iter().all(|key| *key == Self::NULL || (*key as usize) < texts.len()),
            "every key has a text"
        );
        Self { texts, keys }
    }

    /// Iterates over the texts of the rows.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.iter().map(|key| self.texts.get(*key as usize).map(AsRef::as_ref))
    }

    /// Returns the distinct texts.
    pub(super) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// Returns the keys of the rows, with nulls.
    pub(super) fn keys(&self) -> PrimitiveArray<u32> {
        let is_valid = |key: &u32| *key != Self::NULL;
        let validity =
            if self.keys.iter().all(is_valid) { None } else { Some(bitmap(&self.keys, is_valid)) };
        let keys: Vec<u32> =
            self.keys.iter().map(|key| if is_valid(key) { *key } else { 0 }).collect();
        PrimitiveArray::new(ArrowDataType::UInt32, keys.into(), validity)
    }

    /// Returns rows by their index.
    fn take(&self, rows: &[u32]) -> Self {
        let keys = rows.iter().map(|row| self.keys[*row as usize]).collect();
        Self { texts: self.texts.clone(), keys }
    }

    /// Concatenates rows of several columns. Texts are in the order of their first rows, so that
    /// the result does not depend on how the rows were batched.
    fn concat<'a>(columns: impl Iterator<Item = (&'a Self, Range<usize>)>) -> Self {
        let (mut texts, mut keys) = (Vec::new(), Vec::new());
        let mut known: HashMap<&str, u32> = HashMap::new();
        // Batches share most texts by pointer; looking up the pointer avoids hashing the text
        // again.
        let mut known_pointers: HashMap<(*const u8, usize), u32> = HashMap::new();
        for (column, rows) in columns {
            let mut new_keys = vec![Self::NULL; column.texts.len()];
            keys.extend(column.keys[rows].iter().map(|key| {
                let Some(new_key) = new_keys.get_mut(*key as usize) else { return Self::NULL };
                if *new_key == Self::NULL {
                    let text = &column.texts[*key as usize];
                    let pointer = (text.as_ptr(), text.len());
                    *new_key = *known_pointers.entry(pointer).or_insert_with(|| {
                        *known.entry(text).or_insert_with(|| {
                            texts.push(text.clone());
                            u32::try_from(texts.len() - 1)
                                .expect("a column has fewer texts than 2³² rows")
                        })
                    });
                }
                *new_key
            }));
        }
        Self { texts: Arc::new(texts), keys }
    }
}

/// The values of an output column.
#[derive(Debug, Clone)]
pub enum ColumnValues {
    /// A polars column.
    Plain(Column),
    /// Repeated texts.
    Dictionary(DictionaryColumn),
}

/// A table for output.
#[derive(Debug, Clone)]
pub struct OutputTable {
    height: usize,
    columns: Vec<(PlSmallStr, ColumnValues)>,
}

impl OutputTable {
    /// Creates a table from columns of `height` rows.
    #[must_use]
    pub fn new(height: usize, columns: Vec<(&str, ColumnValues)>) -> Self {
        Self {
            height,
            columns: columns.into_iter().map(|(name, values)| (name.into(), values)).collect(),
        }
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the names and types of the columns.
    #[must_use]
    pub fn schema(&self) -> Schema {
        let dtype = |values: &ColumnValues| match values {
            ColumnValues::Plain(column) => column.dtype().clone(),
            ColumnValues::Dictionary(_) => DataType::String,
        };
        self.columns.iter().map(|(name, values)| (name.clone(), dtype(values))).collect()
    }

    /// Converts the table to a data frame.
    ///
    /// # Errors
    /// * columns have different lengths or the same name
    pub fn frame(self) -> PolarsResult<DataFrame> {
        let column = |(name, values): (PlSmallStr, ColumnValues)| match values {
            ColumnValues::Plain(column) => column.with_name(name),
            ColumnValues::Dictionary(dictionary) => {
                dictionary.iter().collect::<StringChunked>().with_name(name).into_column()
            }
        };
        DataFrame::new(self.height, self.columns.into_iter().map(column).collect())
    }

    /// Returns the polars column of this name, if any.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(other, _)| other == name).and_then(|(_, values)| match values {
            ColumnValues::Plain(column) => Some(column),
            ColumnValues::Dictionary(_) => None,
        })
    }

    /// Returns rows by their index.
    ///
    /// # Panics
    /// If an index is not that of a row.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        assert!(rows.iter().all(|row| (*row as usize) < self.height), "every index is a row");
        let indices = IdxCa::from_slice(PlSmallStr::EMPTY, rows);
        let values = |values: &ColumnValues| match values {
            ColumnValues::Plain(column) => {
                ColumnValues::Plain(column.take(&indices).expect("every index is a row"))
            }
            ColumnValues::Dictionary(dictionary) => ColumnValues::Dictionary(dictionary.take(rows)),
        };
        let columns =
            self.columns.iter().map(|(name, column)| (name.clone(), values(column))).collect();
        Self { height: rows.len(), columns }
    }

    /// Iterates over the columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = &ColumnValues> {
        self.columns.iter().map(|(_, values)| values)
    }

    /// Concatenates rows of several tables with the same columns; each column is one chunk.
    pub(super) fn concat(tables: &[(&Self, Range<usize>)]) -> PolarsResult<Self> {
        let Some((first, _)) = tables.first() else {
            return Ok(Self { height: 0, columns: Vec::new() });
        };
        let column = |(index, (name, values)): (usize, &(PlSmallStr, ColumnValues))| {
            let concatenated = match values {
                ColumnValues::Plain(_) => ColumnValues::Plain(concat_plain(tables, index)?),
                ColumnValues::Dictionary(_) => ColumnValues::Dictionary(DictionaryColumn::concat(
                    tables.iter().filter_map(|(table, rows)| match &table.columns[index].1 {
                        ColumnValues::Dictionary(dictionary) => Some((dictionary, rows.clone())),
                        ColumnValues::Plain(_) => None,
                    }),
                )),
            };
            Ok((name.clone(), concatenated))
        };
        let columns = first.columns.iter().enumerate().map(column).collect::<PolarsResult<_>>()?;
        Ok(Self { height: tables.iter().map(|(_, rows)| rows.len()).sum(), columns })
    }
}

/// Concatenates rows of the polars column at an index.
fn concat_plain(tables: &[(&OutputTable, Range<usize>)], index: usize) -> PolarsResult<Column> {
    let mut concatenated: Option<Column> = None;
    for (table, rows) in tables {
        let ColumnValues::Plain(column) = &table.columns[index].1 else { continue };
        let column = column.slice(i64::try_from(rows.start).unwrap_or(i64::MAX), rows.len());
        match &mut concatenated {
            None => concatenated = Some(column),
            Some(before) => drop(before.append_owned(column)?),
        }
    }
    Ok(concatenated.unwrap_or_default().rechunk())
}

impl From<&DataFrame> for OutputTable {
    fn from(frame: &DataFrame) -> Self {
        let columns = frame
            .columns()
            .iter()
            .map(|column| (column.name().clone(), ColumnValues::Plain(column.clone())));
        Self { height: frame.height(), columns: columns.collect() }
    }
}
