//! Parquet output: tables as row groups, with columns encoded and compressed in parallel.

use std::ops::Range;

use foldhash::{HashMap, HashSet};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{
    ArrowDataType, CompatLevel, ParquetCompression, ParquetWriter, PolarsResult, Schema,
    StatisticsOptions,
};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::IntegerType;
use polars_parquet::write::{
    CompressedPage, CompressionOptions, Encoding, ParquetType, Version, WriteOptions, ZstdLevel,
    array_to_columns, compress, get_dtype_encoding,
};
use rayon::prelude::*;

use super::RecordingSink;
use super::dictionary::{ColumnValues, DictionaryColumn, OutputTable};

/// Number of rows of a row group.
pub(super) const ROW_GROUP: usize = 262_144;

/// Returns the options for pages.
fn options() -> WriteOptions {
    WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::from(ZSTD),
        data_page_size: None,
    }
}

const ZSTD: ParquetCompression = ParquetCompression::Zstd(None);

/// Returns zstd at its fastest level, for data that is already compact.
fn fastest() -> ParquetCompression {
    ParquetCompression::Zstd(ZstdLevel::try_new(1).ok())
}

/// Writes a Parquet file whose row groups do not depend on how the rows were batched.
pub(super) struct RowGroupWriter {
    writer: BatchedWriter<RecordingSink>,
    types: Vec<ParquetType>,
    pending: PendingRows,
}

/// Rows that wait until there are enough of them.
#[derive(Default)]
pub(super) struct PendingRows {
    tables: Vec<OutputTable>,
    /// Number of rows of the first table that are already taken.
    taken: usize,
}

impl PendingRows {
    pub(super) fn push(&mut self, table: OutputTable) {
        self.tables.push(table);
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.tables.iter().map(OutputTable::height).sum::<usize>() - self.taken
    }

    /// Takes the first rows.
    pub(super) fn take(&mut self, rows: usize) -> PolarsResult<OutputTable> {
        let mut slices: Vec<(&OutputTable, Range<usize>)> = Vec::new();
        let (mut left, mut start) = (rows, self.taken);
        for table in &self.tables {
            let end = table.height().min(start + left);
            left -= end - start;
            slices.push((table, start..end));
            start = 0;
        }
        let taken = OutputTable::concat(&slices)?;
        self.taken += rows;
        while self.tables.first().is_some_and(|table| table.height() <= self.taken) {
            self.taken -= self.tables.remove(0).height();
        }
        Ok(taken)
    }
}

impl RowGroupWriter {
    pub(super) fn create(sink: RecordingSink, schema: &Schema) -> PolarsResult<Self> {
        let mut writer = ParquetWriter::new(sink).with_compression(ZSTD).batched(schema)?;
        let types = writer.parquet_schema().fields().to_vec();
        Ok(Self { writer, types, pending: PendingRows::default() })
    }

    pub(super) fn push(&mut self, table: OutputTable) -> PolarsResult<()> {
        self.pending.push(table);
        while self.pending.len() >= ROW_GROUP {
            self.write(ROW_GROUP)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> PolarsResult<()> {
        if self.pending.len() > 0 {
            self.write(self.pending.len())?;
        }
        self.writer.finish().map(drop)
    }

    /// Writes the first pending rows as one row group.
    fn write(&mut self, rows: usize) -> PolarsResult<()> {
        let group = self.pending.take(rows)?;
        let columns: Vec<(&ColumnValues, &ParquetType)> =
            group.columns().zip(&self.types).collect();
        let pages: Vec<Vec<CompressedPage>> = columns
            .into_par_iter()
            .map(|(values, parquet_type)| encode_column(values, parquet_type))
            .collect::<PolarsResult<_>>()?;
        self.writer.write_row_group(rows as u64, &pages)
    }
}

/// Encodes and compresses a column.
fn encode_column(
    values: &ColumnValues,
    parquet_type: &ParquetType,
) -> PolarsResult<Vec<CompressedPage>> {
    let array = match values {
        ColumnValues::Plain(column) => {
            column.as_materialized_series().to_arrow(0, CompatLevel::newest())
        }
        ColumnValues::Dictionary(column) => {
            return compress_pages(dictionary(column)?.as_ref(), parquet_type, fastest());
        }
    };
    let Some(numbers) = array.as_any().downcast_ref::<PrimitiveArray<f64>>() else {
        return compress_pages(array.as_ref(), parquet_type, ZSTD);
    };
    if let Some(encoded) = encode_distinct(numbers) {
        return compress_pages(encoded.as_ref(), parquet_type, fastest());
    }
    let sample = numbers.clone().sliced(0, numbers.len().min(SAMPLE));
    let compression = if shrinks(&compress_pages(&sample, parquet_type, ZSTD)?) {
        ZSTD
    } else {
        ParquetCompression::Uncompressed
    };
    compress_pages(numbers, parquet_type, compression)
}

/// Maximum number of distinct values of a numeric column written as a dictionary; keys take at most
/// 12 bits.
const MAX_DISTINCT: usize = 4_096;

/// Encodes numbers with few distinct values, such as counts, as a dictionary; `None` for others.
fn encode_distinct(numbers: &PrimitiveArray<f64>) -> Option<Box<dyn Array>> {
    let (mut distinct, mut codes) = (Vec::new(), HashMap::default());
    let mut code = |number: f64| {
        // Compare bits, so that −0 and every NaN are preserved.
        let code = *codes.entry(number.to_bits()).or_insert_with(|| {
            distinct.push(number);
            u32::try_from(distinct.len() - 1).expect("there are few distinct values")
        });
        (distinct.len() <= MAX_DISTINCT).then_some(code)
    };
    let keys: Vec<u32> = numbers
        .iter()
        .map(|number| number.map_or(Some(0), |number| code(*number)))
        .collect::<Option<_>>()?;
    if distinct.is_empty() {
        return None;
    }
    let keys = PrimitiveArray::new(ArrowDataType::UInt32, keys.into(), numbers.validity().cloned());
    Some(dictionary_array(keys, PrimitiveArray::from_vec(distinct).boxed()).ok()?.boxed())
}

/// Number of values sampled to decide how to encode a column.
const SAMPLE: usize = 4_096;

/// Returns whether compression saves at least an eighth; otherwise it is not worth its time.
fn shrinks(pages: &[CompressedPage]) -> bool {
    let sizes = pages.iter().map(|page| match page {
        CompressedPage::Data(page) => (page.compressed_size(), page.uncompressed_size()),
        // Plain numbers have no dictionary page.
        CompressedPage::Dict(_) => (0, 0),
    });
    let (compressed, plain) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
    compressed * 8 <= plain * 7
}

/// Encodes an array as pages and compresses them.
fn compress_pages(
    array: &dyn Array,
    parquet_type: &ParquetType,
    compression: ParquetCompression,
) -> PolarsResult<Vec<CompressedPage>> {
    let options = WriteOptions { compression: compression.into(), ..options() };
    // Without this choice, polars would first count distinct values of columns that it then cannot
    // encode as dictionaries.
    let plain = array.dtype() == &ArrowDataType::Float64
        || array.as_any().downcast_ref().is_some_and(mostly_distinct);
    let encodings = if plain { vec![Encoding::Plain] } else { get_dtype_encoding(array.dtype()) };
    let pages = array_to_columns(array, parquet_type.clone(), options, &encodings)?;
    pages
        .into_iter()
        .flatten()
        .map(|page| Ok(compress(page?, Vec::new(), options.compression)?))
        .collect()
}

/// Returns whether nearly all texts of a column differ, as account ids do: more than nine of ten
/// neighbors, and nine of ten texts at a distance.
fn mostly_distinct(texts: &Utf8ViewArray) -> bool {
    let most = |step: usize| {
        let sample = || texts.values_iter().step_by(step).take(SAMPLE);
        sample().collect::<HashSet<&str>>().len() * 10 > sample().count() * 9
    };
    most(1) && most(texts.len().div_ceil(SAMPLE).max(1))
}

/// Returns a dictionary column as an Arrow array.
fn dictionary(column: &DictionaryColumn) -> PolarsResult<Box<dyn Array>> {
    Ok(dictionary_array(column.keys(), Utf8ViewArray::from_slice_values(column.texts()).boxed())?
        .boxed())
}

/// Creates an Arrow dictionary array.
fn dictionary_array(
    keys: PrimitiveArray<u32>,
    values: Box<dyn Array>,
) -> PolarsResult<DictionaryArray<u32>> {
    let dtype =
        ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(values.dtype().clone()), false);
    DictionaryArray::try_new(dtype, keys, values)
}
