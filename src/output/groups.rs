//! Tables as row groups of a Parquet file, the columns encoded and packed in parallel.

use std::ops::Range;

use polars::prelude::{
    ArrowDataType, BatchedWriter, CompatLevel, ParquetCompression, ParquetWriter, PolarsResult, Schema, StatisticsOptions,
};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::IntegerType;
use polars_parquet::write::{
    CompressedPage, CompressionOptions, ParquetType, Version, WriteOptions, array_to_columns, compress, get_dtype_encoding,
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
        compression: CompressionOptions::from(COMPRESSION),
        data_page_size: None,
    }
}

const COMPRESSION: ParquetCompression = ParquetCompression::Zstd(None);

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
        let mut writer = ParquetWriter::new(sink).with_compression(COMPRESSION).batched(schema)?;
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

    /// Write the first waiting rows as one row group, in one piece: how they were gathered leaves no trace in the file.
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
        let pages: Vec<Vec<CompressedPage>> = columns.into_par_iter().map(|(values, of)| pages(values, of)).collect::<PolarsResult<_>>()?;
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
        Values::Coded(coded) => dictionary(coded)?,
    };
    let sample = array.sliced(0, array.len().min(SAMPLE));
    if array.dtype() == &ArrowDataType::Float64 && !shrinks(&packed(sample.as_ref(), of, COMPRESSION)?) {
        return packed(array.as_ref(), of, ParquetCompression::Uncompressed);
    }
    packed(array.as_ref(), of, COMPRESSION)
}

/// Values that tell whether numbers shrink when they are packed.
const SAMPLE: usize = 4_096;

/// Whether packing takes off an eighth: numbers without a pattern shrink by less, and cost the time to pack and to unpack them.
fn shrinks(pages: &[CompressedPage]) -> bool {
    let sizes = pages.iter().map(|page| match page {
        CompressedPage::Data(page) => (page.compressed_size(), page.uncompressed_size()),
        // Numbers have none.
        CompressedPage::Dict(_) => (0, 0),
    });
    let (packed, plain) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
    packed * 8 <= plain * 7
}

fn packed(array: &dyn Array, of: &ParquetType, compression: ParquetCompression) -> PolarsResult<Vec<CompressedPage>> {
    let options = WriteOptions { compression: compression.into(), ..options() };
    let pages = array_to_columns(array, of.clone(), options, &get_dtype_encoding(array.dtype()))?;
    pages.into_iter().flatten().map(|page| Ok(compress(page?, Vec::new(), options.compression)?)).collect()
}

/// Texts and codes as a Parquet file holds them.
fn dictionary(coded: &Coded) -> PolarsResult<Box<dyn Array>> {
    let (texts, codes) = coded.parts();
    let keys: PrimitiveArray<u32> = codes.collect();
    let texts = Utf8ViewArray::from_slice_values(texts);
    let dtype = ArrowDataType::Dictionary(IntegerType::UInt32, Box::new(ArrowDataType::Utf8View), false);
    Ok(DictionaryArray::try_new(dtype, keys, texts.boxed())?.boxed())
}
