//! Tables as row groups of a Parquet file, the columns encoded and packed in parallel.

use std::ops::Range;

use foldhash::{HashMap, HashSet};
use polars::prelude::{
    ArrowDataType, BatchedWriter, CompatLevel, ParquetCompression, ParquetWriter, PolarsResult,
    Schema, StatisticsOptions,
};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::IntegerType;
use polars_parquet::write::{
    CompressedPage, CompressionOptions, Encoding, ParquetType, Version, WriteOptions, ZstdLevel,
    array_to_columns, compress, get_dtype_encoding,
};
use rayon::prelude::*;

use super::Sink;
use super::coded::{Coded, Table, Values};

/// Rows of a row group.
pub(super) const ROW_GROUP: usize = 262_144;

/// How pages are written.
fn options() -> WriteOptions {
    WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::from(ZSTD),
        data_page_size: None,
    }
}

const ZSTD: ParquetCompression = ParquetCompression::Zstd(None);

/// Zstd at its fastest level, for what is small already.
fn fastest() -> ParquetCompression {
    ParquetCompression::Zstd(ZstdLevel::try_new(1).ok())
}

/// A Parquet file being written; however its rows come, it has the same row groups.
pub(super) struct Groups {
    writer: BatchedWriter<Sink>,
    types: Vec<ParquetType>,
    waiting: Vec<Table>,
    /// Rows of the first waiting table that are written.
    written: usize,
}

impl Groups {
    pub(super) fn create(sink: Sink, schema: &Schema) -> PolarsResult<Self> {
        let mut writer = ParquetWriter::new(sink).with_compression(ZSTD).batched(schema)?;
        let types = writer.parquet_schema().fields().to_vec();
        Ok(Self { writer, types, waiting: Vec::new(), written: 0 })
    }

    pub(super) fn put(&mut self, table: Table) -> PolarsResult<()> {
        self.waiting.push(table);
        while self.rows() >= ROW_GROUP {
            self.write(ROW_GROUP)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> PolarsResult<()> {
        if self.rows() > 0 {
            self.write(self.rows())?;
        }
        self.writer.finish().map(drop)
    }

    /// How many rows wait.
    fn rows(&self) -> usize {
        self.waiting.iter().map(Table::height).sum::<usize>() - self.written
    }

    /// Write the first waiting rows as one row group, in one piece: how they were gathered leaves
    /// no trace in the file.
    fn write(&mut self, rows: usize) -> PolarsResult<()> {
        let mut parts: Vec<(&Table, Range<usize>)> = Vec::new();
        let (mut left, mut from) = (rows, self.written);
        for table in &self.waiting {
            let to = table.height().min(from + left);
            left -= to - from;
            parts.push((table, from..to));
            from = 0;
        }
        let group = Table::gather(&parts)?;
        let columns: Vec<(&Values, &ParquetType)> = group.columns().zip(&self.types).collect();
        let pages: Vec<Vec<CompressedPage>> = columns
            .into_par_iter()
            .map(|(values, of)| pages(values, of))
            .collect::<PolarsResult<_>>()?;
        self.writer.write_row_group(rows as u64, &pages)?;
        self.written += rows;
        while self.waiting.first().is_some_and(|table| table.height() <= self.written) {
            self.written -= self.waiting.remove(0).height();
        }
        Ok(())
    }
}

/// The pages of a column, packed.
fn pages(values: &Values, of: &ParquetType) -> PolarsResult<Vec<CompressedPage>> {
    let array = match values {
        Values::Plain(column) => column.as_materialized_series().to_arrow(0, CompatLevel::newest()),
        Values::Coded(coded) => return packed(dictionary(coded)?.as_ref(), of, fastest()),
    };
    let Some(numbers) = array.as_any().downcast_ref::<PrimitiveArray<f64>>() else {
        return packed(array.as_ref(), of, ZSTD);
    };
    if let Some(few) = few(numbers) {
        return packed(few.as_ref(), of, fastest());
    }
    let sample = numbers.clone().sliced(0, numbers.len().min(SAMPLE));
    let compression =
        if shrinks(&packed(&sample, of, ZSTD)?) { ZSTD } else { ParquetCompression::Uncompressed };
    packed(numbers, of, compression)
}

/// Distinct numbers up to which a column is written as codes, which take 12 bits at most.
const FEW: usize = 4_096;

/// Numbers of which there are few, such as counts, as codes; `None` where there are many.
fn few(numbers: &PrimitiveArray<f64>) -> Option<Box<dyn Array>> {
    let (mut distinct, mut codes) = (Vec::new(), HashMap::default());
    let mut code = |number: f64| {
        // By their bits, so that −0 and every NaN stay what they are.
        let code = *codes.entry(number.to_bits()).or_insert_with(|| {
            distinct.push(number);
            u32::try_from(distinct.len() - 1).expect("there are few")
        });
        (distinct.len() <= FEW).then_some(code)
    };
    let keys: Vec<u32> = numbers
        .iter()
        .map(|number| number.map_or(Some(0), |number| code(*number)))
        .collect::<Option<_>>()?;
    if distinct.is_empty() {
        return None;
    }
    let keys = PrimitiveArray::new(ArrowDataType::UInt32, keys.into(), numbers.validity().cloned());
    Some(keyed(keys, PrimitiveArray::from_vec(distinct).boxed()).ok()?.boxed())
}

/// Values by which a column is judged before it is packed.
const SAMPLE: usize = 4_096;

/// Whether packing takes off an eighth: numbers without a pattern shrink by less, and cost the time
/// to pack and to unpack them.
fn shrinks(pages: &[CompressedPage]) -> bool {
    let sizes = pages.iter().map(|page| match page {
        CompressedPage::Data(page) => (page.compressed_size(), page.uncompressed_size()),
        // Numbers have none.
        CompressedPage::Dict(_) => (0, 0),
    });
    let (packed, plain) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
    packed * 8 <= plain * 7
}

fn packed(
    array: &dyn Array,
    of: &ParquetType,
    compression: ParquetCompression,
) -> PolarsResult<Vec<CompressedPage>> {
    let options = WriteOptions { compression: compression.into(), ..options() };
    // The writer of polars would count distinct values before it finds that it has no codes for
    // them.
    let apart = array.dtype() == &ArrowDataType::Float64
        || array.as_any().downcast_ref().is_some_and(differ);
    let encodings = if apart { vec![Encoding::Plain] } else { get_dtype_encoding(array.dtype()) };
    let pages = array_to_columns(array, of.clone(), options, &encodings)?;
    pages
        .into_iter()
        .flatten()
        .map(|page| Ok(compress(page?, Vec::new(), options.compression)?))
        .collect()
}

/// Whether nearly all texts of a column differ, as names of accounts do: nine of ten neighbours,
/// and of ten far apart. Of others the writer of polars looks at each.
fn differ(texts: &Utf8ViewArray) -> bool {
    let most = |step: usize| {
        let sample = || texts.values_iter().step_by(step).take(SAMPLE);
        sample().collect::<HashSet<&str>>().len() * 10 > sample().count() * 9
    };
    most(1) && most(texts.len().div_ceil(SAMPLE).max(1))
}

/// Texts and codes as a Parquet file holds them.
fn dictionary(coded: &Coded) -> PolarsResult<Box<dyn Array>> {
    Ok(keyed(coded.places(), Utf8ViewArray::from_slice_values(coded.texts()).boxed())?.boxed())
}

fn keyed(keys: PrimitiveArray<u32>, values: Box<dyn Array>) -> PolarsResult<DictionaryArray<u32>> {
    let dtype =
        ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(values.dtype().clone()), false);
    DictionaryArray::try_new(dtype, keys, values)
}
