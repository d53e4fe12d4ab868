//! Validation of a Parquet footer before it is decoded. The decoder of polars allocates by the
//! counts in the footer, and the readers by its numbers of rows.
//!
//! Source: <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>

use std::io;

use super::thrift::{Field, ThriftReader, ThriftType};
use crate::io::read::MAX_COLUMNS;
use crate::io::read::guard::{
    MAX_GROUP_ROWS, MIN_ROW_LIMIT, ROWS_PER_BYTE, damage, expect_at_most,
};
use crate::names::grouped;

/// Maximum number of column chunks (columns × row groups): decoded, they take about 250 MB.
const MAX_CHUNKS: u64 = 500_000;

/// Number of column chunks that any file may have.
const MIN_CHUNK_LIMIT: u64 = 1_000;

/// Minimum size of a file for each further column chunk, in bytes.
const CHUNK_BYTES: u64 = 100;

/// Maximum number of key-value pairs.
const MAX_KEY_VALUES: u64 = 10_000;

/// Maximum number of structs and lists around a column.
const MAX_SCHEMA_DEPTH: usize = 64;

/// Number of codecs in the format.
const CODECS: u64 = 8;

/// Checks a footer: each list, length and number must fit into it, and the row groups into the
/// file.
///
/// # Arguments
/// * `footer` – the footer, without its length and the magic bytes
/// * `data_end` – position of the footer in the file
/// # Errors
/// The problem, as the text of an error of invalid data
pub(super) fn check(footer: &[u8], data_end: u64) -> io::Result<()> {
    let file_bytes = data_end + footer.len() as u64;
    let mut check = FooterCheck { data_end, file_bytes, ..FooterCheck::default() };
    let mut thrift = ThriftReader::new(footer, footer.len() as u64);
    thrift.fields(|thrift, field| check.file_field(thrift, field))?;
    check.finish()
}

type Footer<'a> = ThriftReader<&'a [u8]>;

/// The numbers of a footer that must agree.
#[derive(Default)]
struct FooterCheck {
    data_end: u64,
    file_bytes: u64,
    /// By column (a leaf of the schema), whether each row has exactly one value.
    single_values: Vec<bool>,
    /// Number of rows of the file.
    rows: Option<u64>,
    group_rows: u64,
    chunks: u64,
}

/// A struct or list of the schema whose columns are being read.
struct OpenGroup {
    /// Number of children that follow.
    children: u64,
    is_repeated: bool,
}

/// An element of the schema.
#[derive(Default)]
struct SchemaElement {
    children: u64,
    is_repeated: bool,
}

/// The position of a column chunk, and its number of values.
#[derive(Default)]
struct ColumnChunk {
    has_metadata: bool,
    values: u64,
    bytes: u64,
    data_page: u64,
    dictionary_page: Option<u64>,
}

impl FooterCheck {
    fn file_field(&mut self, thrift: &mut Footer<'_>, field: Field) -> io::Result<bool> {
        match field.id {
            1 => drop(thrift.size_32(field)?),
            2 => self.schema(thrift, field)?,
            3 => self.rows = Some(thrift.size(field)?),
            4 => {
                for _ in 0..thrift.list(field, ThriftType::Struct)? {
                    self.row_group(thrift)?;
                }
            }
            5 => {
                let pairs = thrift.list(field, ThriftType::Struct)?;
                expect_at_most(pairs, "key-value pairs", MAX_KEY_VALUES)?;
                for _ in 0..pairs {
                    thrift.fields(|_, _| Ok(false))?;
                }
            }
            7 => {
                let orders = thrift.list(field, ThriftType::Struct)?;
                expect_at_most(orders, "column orders", MAX_COLUMNS as u64)?;
                for _ in 0..orders {
                    thrift.fields(|_, _| Ok(false))?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads the schema, whose elements are in the order of a depth-first walk.
    fn schema(&mut self, thrift: &mut Footer<'_>, field: Field) -> io::Result<()> {
        let mut open: Vec<OpenGroup> = Vec::new();
        self.single_values.clear();
        let elements = thrift.list(field, ThriftType::Struct)?;
        for index in 0..elements {
            let element = SchemaElement::read(thrift)?;
            if index > 0 {
                let parent =
                    open.last_mut().ok_or_else(|| damage("its schema has several roots"))?;
                parent.children -= 1;
            }
            if element.children > elements - index - 1 {
                let (children, left) = (grouped(element.children), grouped(elements - index - 1));
                return Err(damage(format!(
                    "its schema has {left} more columns, expected {children}"
                )));
            }
            if element.children > 0 {
                open.push(OpenGroup {
                    children: element.children,
                    is_repeated: element.is_repeated,
                });
                if open.len() > MAX_SCHEMA_DEPTH {
                    return Err(damage(format!(
                        "its schema has more than {MAX_SCHEMA_DEPTH} levels of structs and lists"
                    )));
                }
            } else if index > 0 {
                let is_repeated = element.is_repeated || open.iter().any(|group| group.is_repeated);
                self.single_values.push(!is_repeated);
                expect_at_most(self.single_values.len() as u64, "columns", MAX_COLUMNS as u64)?;
            }
            while open.last().is_some_and(|group| group.children == 0) {
                open.pop();
            }
        }
        if open.is_empty() { Ok(()) } else { Err(damage("its schema ends too early")) }
    }

    fn row_group(&mut self, thrift: &mut Footer<'_>) -> io::Result<()> {
        let (mut chunks, mut rows) = (Vec::new(), 0);
        thrift.fields(|thrift, field| {
            match field.id {
                1 => {
                    let count = thrift.list(field, ThriftType::Struct)?;
                    self.count_chunks(count)?;
                    chunks =
                        (0..count).map(|_| ColumnChunk::read(thrift)).collect::<io::Result<_>>()?;
                }
                2 => drop(thrift.i64(field)?),
                3 => rows = thrift.size(field)?,
                4 => {
                    let columns = thrift.list(field, ThriftType::Struct)?;
                    expect_at_most(columns, "sorting columns", self.single_values.len() as u64)?;
                    for _ in 0..columns {
                        thrift.fields(|_, _| Ok(false))?;
                    }
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        expect_at_most(rows, "rows in a row group", MAX_GROUP_ROWS)?;
        self.group_rows = self.group_rows.saturating_add(rows);
        for (index, (chunk, is_single)) in chunks.iter().zip(&self.single_values).enumerate() {
            chunk.check(is_single.then_some(rows), self.data_end).map_err(|problem| {
                damage(format!("column {} of a row group: {problem}", index + 1))
            })?;
        }
        Ok(())
    }

    /// Checks the number of column chunks of a row group before memory is taken for them.
    fn count_chunks(&mut self, count: u64) -> io::Result<()> {
        let columns = self.single_values.len() as u64;
        if count != columns {
            let (count, columns) = (grouped(count), grouped(columns));
            return Err(damage(format!(
                "found {count} columns in a row group, expected {columns}"
            )));
        }
        self.chunks += count;
        let limit = (MIN_CHUNK_LIMIT + self.file_bytes / CHUNK_BYTES).min(MAX_CHUNKS);
        expect_at_most(self.chunks, "column chunks", limit)
    }

    fn finish(&self) -> io::Result<()> {
        let rows = self.rows.ok_or_else(|| damage("its number of rows is missing"))?;
        if rows != self.group_rows {
            let (rows, found) = (grouped(rows), grouped(self.group_rows));
            return Err(damage(format!("its row groups have {found} rows, expected {rows}")));
        }
        let limit = MIN_ROW_LIMIT + ROWS_PER_BYTE * self.file_bytes;
        expect_at_most(rows, &format!("rows in {} bytes", grouped(self.file_bytes)), limit)
    }
}

impl SchemaElement {
    fn read(thrift: &mut Footer<'_>) -> io::Result<Self> {
        let mut element = Self::default();
        thrift.fields(|thrift, field| {
            match field.id {
                3 => element.is_repeated = thrift.size_32(field)? == 2,
                5 => element.children = thrift.size_32(field)?,
                1 | 2 | 6 => drop(thrift.size_32(field)?),
                7..=9 => drop(thrift.i64(field)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(element)
    }
}

impl ColumnChunk {
    fn read(thrift: &mut Footer<'_>) -> io::Result<Self> {
        let mut chunk = Self::default();
        thrift.fields(|thrift, field| {
            if field.id != 3 {
                return Ok(false);
            }
            field.expect_struct()?;
            chunk.has_metadata = true;
            thrift.fields(|thrift, field| chunk.metadata_field(thrift, field))?;
            Ok(true)
        })?;
        Ok(chunk)
    }

    fn metadata_field(&mut self, thrift: &mut Footer<'_>, field: Field) -> io::Result<bool> {
        match field.id {
            4 => {
                let codec = thrift.size_32(field)?;
                if codec >= CODECS {
                    return Err(damage(format!("found the unknown codec {codec}")));
                }
            }
            5 => self.values = thrift.size(field)?,
            6 => drop(thrift.size(field)?),
            7 => self.bytes = thrift.size(field)?,
            9 => self.data_page = thrift.size(field)?,
            10 => drop(thrift.i64(field)?),
            11 => self.dictionary_page = Some(thrift.size(field)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks that the chunk is in front of the footer and has the expected number of values.
    fn check(&self, expected: Option<u64>, data_end: u64) -> Result<(), String> {
        if !self.has_metadata {
            return Err("its position is missing".to_owned());
        }
        let start = self.dictionary_page.unwrap_or(self.data_page);
        let is_inside = start.checked_add(self.bytes).is_some_and(|end| end <= data_end);
        if self.bytes > 0 && !is_inside {
            let (bytes, start) = (grouped(self.bytes), grouped(start));
            return Err(format!("found {bytes} bytes at position {start}, which exceeds the file"));
        }
        match expected {
            Some(rows) if rows != self.values => {
                let (values, rows) = (grouped(self.values), grouped(rows));
                Err(format!("found {values} values, expected {rows}"))
            }
            _ => Ok(()),
        }
    }
}
