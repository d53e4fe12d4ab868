//! Dictionary columns, read without expanding them to one text per row.

use std::fs::File;
use std::io::{Cursor, Read as _, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use polars::prelude::{ArrowDataType, ArrowField, PolarsError, PolarsResult};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{DTYPE_CATEGORICAL_NEW, IntegerType};
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, PageReader, column_iter_to_arrays,
};

/// Some rows of a text column: the distinct texts, and a key into them for each row.
#[derive(Debug, Clone)]
pub(crate) struct Dictionary {
    texts: Utf8ViewArray,
    keys: PrimitiveArray<u32>,
}

impl Dictionary {
    /// Creates a column; `None` if a key has no text.
    pub(super) fn new(texts: Utf8ViewArray, keys: PrimitiveArray<u32>) -> Option<Self> {
        let dictionary = Self { texts, keys };
        (dictionary.texts.null_count() == 0 && dictionary.is_valid()).then_some(dictionary)
    }

    /// Returns some of the rows.
    pub(super) fn slice(&self, rows: Range<usize>) -> Self {
        let keys = self.keys.clone().sliced(rows.start, rows.len());
        Self { texts: self.texts.clone(), keys }
    }

    /// Returns the number of rows.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the number of distinct texts.
    pub(crate) fn texts(&self) -> usize {
        self.texts.len()
    }

    /// Returns the text of a key.
    pub(crate) fn text(&self, key: u32) -> &str {
        self.texts.value(key as usize)
    }

    /// Returns whether every key has a text.
    fn is_valid(&self) -> bool {
        let has_text = |key: &u32| (*key as usize) < self.texts.len();
        self.keys.values().iter().all(has_text) || self.keys.iter().flatten().all(has_text)
    }

    /// Returns the key of each row, and which rows are not null (`None`: all rows).
    pub(crate) fn keys(&self) -> (&[u32], Option<impl Iterator<Item = bool>>) {
        (self.keys.values(), self.keys.validity().map(|valid| valid.iter()))
    }
}

/// Reads the bytes of a column chunk and returns its pages.
pub(super) fn chunk_pages(
    mut file: &File,
    chunk: &ColumnChunkMetadata,
) -> PolarsResult<PageReader> {
    let range = chunk.byte_range();
    let mut bytes = vec![
        0;
        usize::try_from(range.end - range.start).map_err(|_| {
            PolarsError::ComputeError("a column is too large".into())
        })?
    ];
    file.seek(SeekFrom::Start(range.start))?;
    file.read_exact(&mut bytes)?;
    Ok(PageReader::new(Cursor::new(bytes.into()), chunk, Vec::new(), usize::MAX))
}

/// Reads a column chunk of which all pages have dictionary keys.
pub(super) fn read(file: &File, chunk: &ColumnChunkMetadata) -> PolarsResult<Vec<Dictionary>> {
    let pages = chunk_pages(file, chunk)?;
    let descriptor = &chunk.descriptor().descriptor;
    // With this metadata, the reader expects dictionary keys in every page.
    let metadata = Arc::new([(DTYPE_CATEGORICAL_NEW.into(), "".into())].into());
    let dtype =
        ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false);
    let field = ArrowField {
        metadata: Some(metadata),
        ..ArrowField::new(descriptor.primitive_type.field_info.name.clone(), dtype, true)
    };
    let pages = vec![BasicDecompressor::new(pages, Vec::new())];
    let (arrays, _) = column_iter_to_arrays(pages, vec![&descriptor.primitive_type], field, None)?;
    let parts = |array: Box<dyn Array>| {
        let array = array.as_any().downcast_ref::<DictionaryArray<u32>>()?;
        Some(Dictionary {
            texts: array.values().as_any().downcast_ref::<Utf8ViewArray>()?.clone(),
            keys: array.keys().clone(),
        })
    };
    let parts: Option<Vec<Dictionary>> = arrays.into_iter().map(parts).collect();
    parts
        .filter(|parts| parts.iter().all(Dictionary::is_valid))
        .ok_or_else(|| PolarsError::ComputeError("found dictionary keys without a text".into()))
}
