//! Tables as they are written: columns of polars, and texts that many rows have in common.

use std::ops::Range;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use polars::prelude::{
    ArrowDataType, Column, DataFrame, DataType, IntoColumn, PlSmallStr, PolarsResult, Schema,
    StringChunked,
};
use polars_arrow::array::PrimitiveArray;

use super::bits;

/// A column of texts that many rows have in common: each text once, and which one a row has.
#[derive(Debug, Clone, Default)]
pub struct Coded {
    texts: Arc<Vec<Arc<str>>>,
    /// Places among the texts, or [`Coded::NONE`].
    codes: Vec<u32>,
}

impl Coded {
    /// Stands for the place of no text.
    pub const NONE: u32 = u32::MAX;

    /// Take texts, and for each row the place of its text among them, or [`Coded::NONE`].
    #[must_use]
    pub fn new(texts: Arc<Vec<Arc<str>>>, codes: Vec<u32>) -> Self {
        debug_assert!(
            codes.iter().all(|code| *code == Self::NONE || (*code as usize) < texts.len()),
            "every code has its text"
        );
        Self { texts, codes }
    }

    /// The text of each row.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.codes.iter().map(|code| self.texts.get(*code as usize).map(AsRef::as_ref))
    }

    /// The texts, each once.
    pub(super) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// The place of each row's text among them; null for none.
    pub(super) fn places(&self) -> PrimitiveArray<u32> {
        let has = |code: &u32| *code != Self::NONE;
        let known = if self.codes.iter().all(has) { None } else { Some(bits(&self.codes, has)) };
        let places: Vec<u32> =
            self.codes.iter().map(|code| if has(code) { *code } else { 0 }).collect();
        PrimitiveArray::new(ArrowDataType::UInt32, places.into(), known)
    }

    /// One column of the rows of several: its texts in the order of their first rows, so that how
    /// rows were gathered leaves no trace.
    fn gather<'a>(parts: impl Iterator<Item = (&'a Self, Range<usize>)>) -> Self {
        let (mut texts, mut codes) = (Vec::new(), Vec::new());
        let mut known: HashMap<&str, u32> = HashMap::new();
        // Parts have most texts in common, the very same ones: these need not be read again.
        let mut seen: HashMap<(*const u8, usize), u32> = HashMap::new();
        for (part, rows) in parts {
            let mut place = vec![Self::NONE; part.texts.len()];
            codes.extend(part.codes[rows].iter().map(|code| {
                let Some(to) = place.get_mut(*code as usize) else { return Self::NONE };
                if *to == Self::NONE {
                    let text = &part.texts[*code as usize];
                    *to = *seen.entry((text.as_ptr(), text.len())).or_insert_with(|| {
                        *known.entry(text).or_insert_with(|| {
                            texts.push(text.clone());
                            u32::try_from(texts.len() - 1)
                                .expect("a column has fewer texts than 2³² rows")
                        })
                    });
                }
                *to
            }));
        }
        Self { texts: Arc::new(texts), codes }
    }
}

/// The values of a column that is written.
#[derive(Debug, Clone)]
pub enum Values {
    /// As polars has them.
    Plain(Column),
    /// Texts that many rows have in common.
    Coded(Coded),
}

/// Rows to be written.
#[derive(Debug, Clone)]
pub struct Table {
    height: usize,
    columns: Vec<(PlSmallStr, Values)>,
}

impl Table {
    /// Put columns together, all of `height` rows.
    #[must_use]
    pub fn new(height: usize, columns: Vec<(&str, Values)>) -> Self {
        Self {
            height,
            columns: columns.into_iter().map(|(name, values)| (name.into(), values)).collect(),
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The names and types of its columns.
    #[must_use]
    pub fn schema(&self) -> Schema {
        let dtype = |values: &Values| match values {
            Values::Plain(column) => column.dtype().clone(),
            Values::Coded(_) => DataType::String,
        };
        self.columns.iter().map(|(name, values)| (name.clone(), dtype(values))).collect()
    }

    /// The same as polars has it.
    ///
    /// # Errors
    /// * columns of unequal lengths or of one name
    pub fn frame(self) -> PolarsResult<DataFrame> {
        let column = |(name, values): (PlSmallStr, Values)| match values {
            Values::Plain(column) => column.with_name(name),
            Values::Coded(coded) => {
                coded.iter().collect::<StringChunked>().with_name(name).into_column()
            }
        };
        DataFrame::new(self.height, self.columns.into_iter().map(column).collect())
    }

    /// The columns, in their order.
    pub(super) fn columns(&self) -> impl Iterator<Item = &Values> {
        self.columns.iter().map(|(_, values)| values)
    }

    /// One table of the rows of several that have the same columns; each column in one piece.
    pub(super) fn gather(parts: &[(&Self, Range<usize>)]) -> PolarsResult<Self> {
        let Some((first, _)) = parts.first() else {
            return Ok(Self { height: 0, columns: Vec::new() });
        };
        let column = |(at, (name, values)): (usize, &(PlSmallStr, Values))| {
            let gathered = match values {
                Values::Plain(_) => Values::Plain(plain(parts, at)?),
                Values::Coded(_) => {
                    Values::Coded(Coded::gather(parts.iter().filter_map(|(part, rows)| {
                        match &part.columns[at].1 {
                            Values::Coded(coded) => Some((coded, rows.clone())),
                            Values::Plain(_) => None,
                        }
                    })))
                }
            };
            Ok((name.clone(), gathered))
        };
        let columns = first.columns.iter().enumerate().map(column).collect::<PolarsResult<_>>()?;
        Ok(Self { height: parts.iter().map(|(_, rows)| rows.len()).sum(), columns })
    }
}

/// The plain column at a place, of the rows of several tables.
fn plain(parts: &[(&Table, Range<usize>)], at: usize) -> PolarsResult<Column> {
    let mut gathered: Option<Column> = None;
    for (part, rows) in parts {
        let Values::Plain(column) = &part.columns[at].1 else { continue };
        let column = column.slice(i64::try_from(rows.start).unwrap_or(i64::MAX), rows.len());
        match &mut gathered {
            None => gathered = Some(column),
            Some(before) => drop(before.append_owned(column)?),
        }
    }
    Ok(gathered.unwrap_or_default().rechunk())
}

impl From<&DataFrame> for Table {
    fn from(frame: &DataFrame) -> Self {
        let columns = frame
            .columns()
            .iter()
            .map(|column| (column.name().clone(), Values::Plain(column.clone())));
        Self { height: frame.height(), columns: columns.collect() }
    }
}
