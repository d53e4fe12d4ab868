//! Validation of Arrow IPC metadata before they are decoded. The reader of polars allocates by
//! their counts and lengths, descends into nested types without a limit, and panics on new types.
//!
//! Source: <https://github.com/apache/arrow/tree/main/format>

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use polars_arrow::io::ipc::format::ipc::planus::{self, Vector};
use polars_arrow::io::ipc::format::ipc::{
    BodyCompressionRef, CompressionType, Endianness, FieldRef, KeyValueRef, RecordBatchRef,
    SchemaRef, TypeRef,
};

use crate::io::read::MAX_COLUMNS;
use crate::io::read::guard::{
    MAX_GROUP_ROWS, MIN_ROW_LIMIT, ROWS_PER_BYTE, damage, expect_at_most,
};
use crate::names::grouped;

/// Maximum number of columns and of columns inside them.
const MAX_FIELDS: usize = 100_000;

/// Maximum number of structs and lists around a column.
const MAX_DEPTH: usize = 64;

/// Size of the texts of a schema for each byte of its metadata: only texts that share their bytes
/// are larger.
const TEXT_RATIO: usize = 4;

/// Size that a buffer may have whatever its compressed size, in bytes.
const MIN_BUFFER_LIMIT: u64 = 1 << 10;

/// Uncompressed size up to which only the ratio of the codec limits a buffer, in bytes.
const LARGE_BUFFER: u64 = 1 << 26;

/// Maximum compression ratio of buffers above [`LARGE_BUFFER`].
const LARGE_BUFFER_RATIO: u64 = 64;

/// Returns the error for metadata that are no valid `FlatBuffers`.
pub(super) fn undecodable(_: planus::Error) -> io::Error {
    damage("its metadata cannot be decoded")
}

/// Checks a schema and returns the names of its columns.
///
/// # Arguments
/// * `bytes` – size of the metadata
pub(super) fn check_schema(schema: SchemaRef<'_>, bytes: usize) -> io::Result<Vec<String>> {
    if schema.endianness().map_err(undecodable)? != Endianness::Little {
        return Err(damage("found big-endian values, expected little-endian ones"));
    }
    let mut check = SchemaCheck { fields: 0, text_bytes: 0, text_limit: TEXT_RATIO * bytes };
    check.key_values(schema.custom_metadata().map_err(undecodable)?)?;
    let fields = schema.fields().map_err(undecodable)?;
    let fields = fields.ok_or_else(|| damage("its schema has no columns"))?;
    if fields.len() > MAX_COLUMNS {
        let [found, limit] = [fields.len(), MAX_COLUMNS].map(|count| grouped(count as u64));
        return Err(damage(format!("found {found} columns, expected at most {limit}")));
    }
    fields.iter().map(|field| check.field(field.map_err(undecodable)?, 0)).collect()
}

/// The sizes of a schema so far. Its parts may share bytes, so that their sum exceeds its size.
struct SchemaCheck {
    fields: usize,
    text_bytes: usize,
    text_limit: usize,
}

impl SchemaCheck {
    /// Checks a column and those inside it, and returns its name.
    fn field(&mut self, field: FieldRef<'_>, depth: usize) -> io::Result<String> {
        let name = field.name().map_err(undecodable)?;
        let name = name.ok_or_else(|| damage("found a column without a name"))?;
        self.text(name)?;
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            let limit = grouped(MAX_FIELDS as u64);
            return Err(damage(format!("found more than {limit} columns and structs")));
        }
        if depth > MAX_DEPTH {
            let problem = format!("found more than {MAX_DEPTH} levels of structs and lists");
            return Err(damage(problem));
        }
        self.key_values(field.custom_metadata().map_err(undecodable)?)?;
        let unsupported = match field.type_().map_err(undecodable)? {
            None => Some("no type"),
            Some(TypeRef::RunEndEncoded(_)) => Some("a run-end encoding"),
            Some(TypeRef::ListView(_) | TypeRef::LargeListView(_)) => Some("a list view"),
            Some(TypeRef::Timestamp(time)) => {
                self.text(time.timezone().map_err(undecodable)?.unwrap_or_default())?;
                None
            }
            Some(_) => None,
        };
        if let Some(found) = unsupported {
            return Err(damage(format!("column `{name}`: found {found}, expected a plain type")));
        }
        for inner in field.children().map_err(undecodable)?.into_iter().flatten() {
            self.field(inner.map_err(undecodable)?, depth + 1)?;
        }
        Ok(name.to_owned())
    }

    fn key_values(
        &mut self,
        pairs: Option<Vector<'_, planus::Result<KeyValueRef<'_>>>>,
    ) -> io::Result<()> {
        for pair in pairs.into_iter().flatten() {
            let pair = pair.map_err(undecodable)?;
            for text in [pair.key(), pair.value()] {
                self.text(text.map_err(undecodable)?.unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Counts a text, which takes some bytes even if it is empty.
    fn text(&mut self, text: &str) -> io::Result<()> {
        self.text_bytes += text.len() + 4;
        if self.text_bytes > self.text_limit {
            return Err(damage("the names and notes of its schema exceed its size"));
        }
        Ok(())
    }
}

/// Checks the numbers of rows of the record batches.
pub(super) struct RowCheck {
    rows: u64,
    limit: u64,
}

impl RowCheck {
    /// Creates the check for data of a size in bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self { rows: 0, limit: MIN_ROW_LIMIT.saturating_add(bytes.saturating_mul(ROWS_PER_BYTE)) }
    }

    /// Checks the number of rows of a batch and returns it.
    pub(super) fn add(&mut self, batch: RecordBatchRef<'_>) -> io::Result<usize> {
        let rows = batch.length().map_err(undecodable)?;
        let rows = u64::try_from(rows).map_err(|_| damage("found a negative number of rows"))?;
        expect_at_most(rows, "rows in a record batch", MAX_GROUP_ROWS)?;
        self.rows += rows;
        expect_at_most(self.rows, "rows", self.limit)?;
        usize::try_from(rows).map_err(|_| damage("found more rows than the machine can count"))
    }
}

/// Checks that the buffers of a batch are inside its body and do not share bytes, and that they do
/// not grow beyond the ratio of their codec.
///
/// # Arguments
/// * `body` – position of the body in the file, and that of its end
pub(super) fn check_buffers(
    batch: RecordBatchRef<'_>,
    file: &mut File,
    body: &Range<u64>,
) -> io::Result<()> {
    let bytes = body.end - body.start;
    let ratio = batch.compression().map_err(undecodable)?.map(max_ratio).transpose()?;
    let mut total = 0_u64;
    for buffer in batch.buffers().map_err(undecodable)?.into_iter().flatten() {
        let range = u64::try_from(buffer.offset()).ok().zip(u64::try_from(buffer.length()).ok());
        let inside = range
            .filter(|(start, length)| start.checked_add(*length).is_some_and(|end| end <= bytes));
        let Some((start, length)) = inside else {
            let (start, length) = (buffer.offset(), buffer.length());
            return Err(damage(format!(
                "found a buffer of {length} bytes at position {start} in a body of {}",
                grouped(bytes)
            )));
        };
        total += length;
        if let Some(ratio) = ratio.filter(|_| length > 0) {
            check_uncompressed(file, body.start + start, length, ratio)?;
        }
    }
    expect_at_most(total, "bytes in buffers", bytes)
}

/// Returns the maximum ratio of the uncompressed to the compressed size of a buffer: LZ4 adds 255
/// bytes by one, and Zstandard repeats a byte 128 Ki times by a block of 4 bytes.
fn max_ratio(compression: BodyCompressionRef<'_>) -> io::Result<u64> {
    Ok(match compression.codec().map_err(undecodable)? {
        CompressionType::Lz4Frame => 256,
        CompressionType::Zstd => 1 << 15,
    })
}

/// Checks the uncompressed size of a buffer, which precedes its data; −1 means uncompressed.
fn check_uncompressed(file: &mut File, start: u64, length: u64, ratio: u64) -> io::Result<()> {
    let mut size = [0; 8];
    if length < size.len() as u64 {
        return Err(damage(format!("found a compressed buffer of {length} bytes")));
    }
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut size)?;
    let size = i64::from_le_bytes(size);
    if size == -1 {
        return Ok(());
    }
    let size = u64::try_from(size).map_err(|_| damage("found a negative size of a buffer"))?;
    let compressed = length - 8;
    let largest = LARGE_BUFFER.max(LARGE_BUFFER_RATIO * compressed);
    let limit = (MIN_BUFFER_LIMIT + ratio * compressed).min(largest);
    expect_at_most(size, &format!("bytes in a buffer of {} bytes", grouped(length)), limit)
}
