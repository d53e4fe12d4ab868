//! Texts of which a Parquet file holds each once, taken as codes: no row needs a text of its own.

use std::fs::File;
use std::io::{Cursor, Read as _, Seek, SeekFrom};
use std::sync::Arc;

use polars::prelude::{ArrowDataType, ArrowField, PolarsError, PolarsResult};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{DTYPE_CATEGORICAL_NEW, IntegerType};
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, PageReader, column_iter_to_arrays,
};

/// The texts of some rows of a column: each text once, and which of them a row has.
#[derive(Debug, Clone)]
pub(crate) struct Dictionary {
    texts: Utf8ViewArray,
    codes: PrimitiveArray<u32>,
}

impl Dictionary {
    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.codes.len()
    }

    /// The number of texts.
    pub(crate) fn texts(&self) -> usize {
        self.texts.len()
    }

    /// A text by its code.
    pub(crate) fn text(&self, code: u32) -> &str {
        self.texts.value(code as usize)
    }

    /// Whether every code has its text.
    fn is_whole(&self) -> bool {
        let has = |code: &u32| (*code as usize) < self.texts.len();
        self.codes.values().iter().all(has) || self.codes.iter().flatten().all(has)
    }

    /// The code of each row, and which rows have a text; `None`: all of them.
    pub(crate) fn codes(&self) -> (&[u32], Option<impl Iterator<Item = bool>>) {
        (self.codes.values(), self.codes.validity().map(|valid| valid.iter()))
    }
}

/// Whether a column of this type holds text.
pub(super) fn is_text(dtype: &ArrowDataType) -> bool {
    match dtype {
        ArrowDataType::Dictionary(_, values, _) => is_text(values),
        other => matches!(
            other,
            ArrowDataType::Utf8 | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8View
        ),
    }
}

/// Read the texts of a column in a row group; all its pages hold codes.
pub(super) fn read(mut file: &File, chunk: &ColumnChunkMetadata) -> PolarsResult<Vec<Dictionary>> {
    let range = chunk.byte_range();
    let mut bytes = vec![
        0;
        usize::try_from(range.end - range.start).map_err(|_| {
            PolarsError::ComputeError("a column is too large".into())
        })?
    ];
    file.seek(SeekFrom::Start(range.start))?;
    file.read_exact(&mut bytes)?;
    let pages = PageReader::new(Cursor::new(bytes.into()), chunk, Vec::new(), usize::MAX);
    let descriptor = &chunk.descriptor().descriptor;
    // By this mark the reader knows a column of which every page holds codes.
    let marked = Arc::new([(DTYPE_CATEGORICAL_NEW.into(), "".into())].into());
    let dtype =
        ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false);
    let field = ArrowField {
        metadata: Some(marked),
        ..ArrowField::new(descriptor.primitive_type.field_info.name.clone(), dtype, true)
    };
    let pages = vec![BasicDecompressor::new(pages, Vec::new())];
    let (arrays, _) = column_iter_to_arrays(pages, vec![&descriptor.primitive_type], field, None)?;
    let parts = |array: Box<dyn Array>| {
        let array = array.as_any().downcast_ref::<DictionaryArray<u32>>()?;
        Some(Dictionary {
            texts: array.values().as_any().downcast_ref::<Utf8ViewArray>()?.clone(),
            codes: array.keys().clone(),
        })
    };
    let parts: Option<Vec<Dictionary>> = arrays.into_iter().map(parts).collect();
    parts
        .filter(|parts| parts.iter().all(Dictionary::is_whole))
        .ok_or_else(|| PolarsError::ComputeError("codes without a text".into()))
}
