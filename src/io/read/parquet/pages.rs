//! Validation of Parquet page headers before decoding. The reader of polars trusts their sizes and
//! aborts the program if it cannot allocate the memory that a damaged header requests.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek, SeekFrom};
use std::ops::Range;

use flate2::Crc;
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::schema::types::PhysicalType;
use polars_parquet::read::ColumnChunkMetadata;

use super::thrift::{Field, ThriftReader};
use crate::io::read::guard::damage;
use crate::names::grouped;

/// Size of the read buffer, in bytes: a page header takes some dozens, or thousands with statistics
/// of long texts.
const BUFFER: usize = 4_096;

/// Uncompressed size up to which only the ratio of the codec limits a page, in bytes.
const LARGE_PAGE: u64 = 1 << 26;

/// Maximum compression ratio of pages above [`LARGE_PAGE`].
const LARGE_PAGE_RATIO: u64 = 64;

/// Size that a page may have whatever its compressed size, in bytes.
const MIN_PAGE_LIMIT: u64 = 1 << 10;

/// Encodings of dictionary keys: `PLAIN_DICTIONARY` and `RLE_DICTIONARY`.
const DICTIONARY_ENCODINGS: [i64; 2] = [2, 8];

/// The encoding of the pages of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    /// Pages with values.
    Plain,
    /// Pages that all have dictionary keys.
    Dictionary,
}

/// The bounds of the pages of a column chunk.
#[derive(Debug, Clone)]
pub(super) struct PageLimits {
    /// Their position in the file.
    bytes: Range<u64>,
    /// Number of values.
    values: u64,
    codec: Compression,
    /// Minimum size of an entry of a dictionary, in bytes.
    entry_bytes: u64,
}

impl PageLimits {
    pub(super) fn new(chunk: &ColumnChunkMetadata) -> Self {
        let entry_bytes = match chunk.descriptor().descriptor.primitive_type.physical_type {
            PhysicalType::Boolean => 1,
            // A text is preceded by its length, of 4 bytes.
            PhysicalType::Int32 | PhysicalType::Float | PhysicalType::ByteArray => 4,
            PhysicalType::Int64 | PhysicalType::Double => 8,
            PhysicalType::Int96 => 12,
            PhysicalType::FixedLenByteArray(bytes) => bytes.max(1) as u64,
        };
        Self {
            bytes: chunk.byte_range(),
            values: chunk.num_values().unsigned_abs(),
            codec: chunk.compression(),
            entry_bytes,
        }
    }

    /// Returns the maximum uncompressed size of a page, in bytes.
    fn max_uncompressed(&self, compressed: u64) -> u64 {
        let largest = LARGE_PAGE.max(LARGE_PAGE_RATIO * compressed);
        (MIN_PAGE_LIMIT + max_ratio(self.codec) * compressed).min(largest)
    }
}

/// Returns the maximum ratio of the uncompressed to the compressed size of a page.
///
/// Snappy copies at most 64 bytes by 3 bytes, LZ4 adds 255 bytes by one, and deflate copies 258
/// bytes by 2 bits; Zstandard repeats a byte 128 Ki times by a block of 4 bytes. Brotli has no such
/// bound: 1 MB of zeros takes 13 bytes.
fn max_ratio(codec: Compression) -> u64 {
    match codec {
        Compression::Uncompressed => 1,
        Compression::Snappy => 22,
        Compression::Lz4 | Compression::Lz4Raw | Compression::Lzo => 256,
        Compression::Gzip => 1_040,
        Compression::Zstd => 1 << 15,
        Compression::Brotli => 1 << 20,
    }
}

/// Checks the pages of a column chunk: their sizes, their number of values and their checksums.
///
/// # Errors
/// An error of the system, or the problem as the text of an error of invalid data
pub(super) fn inspect(file: &File, limits: &PageLimits) -> io::Result<PageKind> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    reader.seek(SeekFrom::Start(limits.bytes.start))?;
    let mut left = limits.bytes.end - limits.bytes.start;
    let mut seen = 0;
    let (mut has_dictionary, mut all_keys) = (false, true);
    while seen < limits.values {
        let is_first = left == limits.bytes.end - limits.bytes.start;
        let mut thrift = ThriftReader::new(&mut reader, left);
        let page = PageHeader::read(&mut thrift)?;
        left = thrift.left();
        page.check(left, limits)?;
        left -= page.compressed;
        match page.checksum {
            Some(expected) => check_content(&mut reader, page.compressed, expected)?,
            None => reader.seek_relative(page.compressed.cast_signed())?,
        }
        match page.page_type {
            PageType::Data { values, encoding } => {
                seen += values;
                all_keys &= DICTIONARY_ENCODINGS.contains(&encoding);
            }
            PageType::Dictionary { .. } if !is_first => {
                return Err(damage("found a dictionary after other pages"));
            }
            PageType::Dictionary { entries } => has_dictionary = entries > 0,
            PageType::Index => {}
        }
    }
    if seen != limits.values {
        let (seen, values) = (grouped(seen), grouped(limits.values));
        return Err(damage(format!("found {seen} values, expected {values}")));
    }
    Ok(if has_dictionary && all_keys { PageKind::Dictionary } else { PageKind::Plain })
}

/// Returns a checksum, which is stored as a signed integer.
fn checksum(value: i64) -> io::Result<u32> {
    let value =
        i32::try_from(value).map_err(|_| damage("found a checksum of more than 32 bits"))?;
    Ok(value.cast_unsigned())
}

/// Compares the content of a page with its checksum.
fn check_content(reader: &mut BufReader<&File>, bytes: u64, expected: u32) -> io::Result<()> {
    let (mut crc, mut content) = (Crc::new(), reader.take(bytes));
    loop {
        let buffer = io::BufRead::fill_buf(&mut content)?;
        if buffer.is_empty() {
            break;
        }
        crc.update(buffer);
        let read = buffer.len();
        io::BufRead::consume(&mut content, read);
    }
    if crc.sum() == expected {
        return Ok(());
    }
    Err(damage(format!("found the checksum {:08x}, expected {expected:08x}", crc.sum())))
}

/// The kind of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum PageType {
    Data {
        values: u64,
        encoding: i64,
    },
    Dictionary {
        entries: u64,
    },
    #[default]
    Index,
}

/// The fields of a page header that the reader trusts.
#[derive(Debug, Default)]
struct PageHeader {
    page_type: PageType,
    uncompressed: u64,
    compressed: u64,
    checksum: Option<u32>,
    /// Size of the levels in front of the values, in bytes.
    levels: u64,
    /// Whether the values are stored as they are, whatever the codec of the column.
    is_stored: bool,
}

/// A reader of a page header.
type HeaderReader<'r, 'f> = ThriftReader<&'r mut BufReader<&'f File>>;

impl PageHeader {
    fn read(thrift: &mut HeaderReader<'_, '_>) -> io::Result<Self> {
        let (mut header, mut code, mut contents) = (Self::default(), None, Vec::new());
        thrift.fields(|thrift, field| {
            match field.id {
                1 => code = Some(thrift.size_32(field)?),
                2 => header.uncompressed = thrift.size_32(field)?,
                3 => header.compressed = thrift.size_32(field)?,
                4 => header.checksum = Some(checksum(thrift.i64(field)?)?),
                5..=8 => {
                    header.content(thrift, field)?;
                    contents.push(field.id);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let expected = match code {
            Some(0) => 5,
            Some(1) => 6,
            Some(2) => 7,
            Some(3) => 8,
            _ => return Err(damage("found a page of unknown type")),
        };
        // Index pages may have no fields.
        if contents == [expected] || contents.is_empty() && expected == 6 {
            Ok(header)
        } else {
            Err(damage("found a page whose header does not match its type"))
        }
    }

    /// Reads the part of a header that depends on the type of the page.
    fn content(&mut self, thrift: &mut HeaderReader<'_, '_>, content: Field) -> io::Result<()> {
        content.expect_struct()?;
        let (mut count, mut encoding) = (0, -1);
        thrift.fields(|thrift, field| {
            match (content.id, field.id) {
                (5 | 7 | 8, 1) => count = thrift.size_32(field)?,
                (5, 2) | (8, 4) => encoding = thrift.i64(field)?,
                (8, 2 | 3) => drop(thrift.size_32(field)?),
                (8, 5 | 6) => self.levels += thrift.size_32(field)?,
                (8, 7) => self.is_stored = !field.bool()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        self.page_type = match content.id {
            5 | 8 => PageType::Data { values: count, encoding },
            7 => PageType::Dictionary { entries: count },
            _ => PageType::Index,
        };
        Ok(())
    }

    /// Checks the sizes of a page whose content is in the next `left` bytes.
    fn check(&self, left: u64, limits: &PageLimits) -> io::Result<()> {
        let Self { compressed, uncompressed, levels, .. } = *self;
        let refuse = |found: u64, what: &str, limit: u64| {
            let (found, limit) = (grouped(found), grouped(limit));
            Err(damage(format!("found a page of {found} {what}, expected at most {limit}")))
        };
        if compressed > left {
            return refuse(compressed, "bytes", left);
        }
        let largest = limits.max_uncompressed(compressed);
        if uncompressed > largest {
            return refuse(uncompressed, "uncompressed bytes", largest);
        }
        if levels > compressed.min(uncompressed) {
            return refuse(levels, "bytes of levels", compressed.min(uncompressed));
        }
        if self.is_stored && uncompressed != compressed {
            return Err(damage("found an uncompressed page with two sizes"));
        }
        match self.page_type {
            PageType::Data { values, .. } if values > limits.values => {
                refuse(values, "values", limits.values)
            }
            PageType::Dictionary { entries } if entries > uncompressed / limits.entry_bytes => {
                refuse(entries, "dictionary entries", uncompressed / limits.entry_bytes)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use polars_parquet_format::thrift::protocol::TCompactOutputProtocol;
    use polars_parquet_format::{
        DataPageHeaderV2, DictionaryPageHeader, Encoding, PageHeader as Header, PageType,
        Statistics,
    };

    use super::*;

    fn empty(type_: PageType, bytes: i32) -> Header {
        Header {
            type_,
            uncompressed_page_size: bytes,
            compressed_page_size: bytes,
            crc: None,
            data_page_header: None,
            index_page_header: None,
            dictionary_page_header: None,
            data_page_header_v2: None,
        }
    }

    fn entries(num_values: i32) -> DictionaryPageHeader {
        DictionaryPageHeader { num_values, encoding: Encoding::PLAIN, is_sorted: None }
    }

    /// Returns the header of a data page of 3 values in 8 bytes.
    fn page() -> Header {
        let values = DataPageHeaderV2 {
            num_values: 3,
            num_nulls: 0,
            num_rows: 3,
            encoding: Encoding::RLE_DICTIONARY,
            definition_levels_byte_length: 2,
            repetition_levels_byte_length: 1,
            is_compressed: Some(false),
            statistics: None,
        };
        Header { data_page_header_v2: Some(values), ..empty(PageType::DATA_PAGE_V2, 8) }
    }

    /// Returns the header of a dictionary of 2 texts in 16 bytes.
    fn dictionary() -> Header {
        Header { dictionary_page_header: Some(entries(2)), ..empty(PageType::DICTIONARY_PAGE, 16) }
    }

    fn bytes(header: &Header) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.write_to_out_protocol(&mut TCompactOutputProtocol::new(&mut bytes)).unwrap();
        bytes
    }

    /// Inspects the pages of a column; `None`: they are damaged.
    fn inspect_column(column: &[u8], values: u64) -> Option<PageKind> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(column).unwrap();
        let limits = PageLimits {
            bytes: 0..column.len() as u64,
            values,
            codec: Compression::Snappy,
            entry_bytes: 4,
        };
        inspect(&file, &limits).ok()
    }

    /// Validates a column of one page.
    fn single_page(header: &Header) -> Option<PageKind> {
        inspect_column(&[bytes(header), vec![0; 8]].concat(), 3)
    }

    #[test]
    fn valid_pages_are_classified_by_their_encoding() {
        assert_eq!(single_page(&page()), Some(PageKind::Plain));
        let column = [
            bytes(&dictionary()),
            vec![0; 16],
            bytes(&page()),
            vec![0; 8],
            bytes(&page()),
            vec![0; 8],
        ]
        .concat();
        assert_eq!(inspect_column(&column, 6), Some(PageKind::Dictionary));
        assert_eq!(inspect_column(&column, 7), None);
        assert_eq!(inspect_column(&column[..column.len() - 1], 6), None);
    }

    #[test]
    fn a_header_that_exceeds_its_column_is_damaged() {
        let huge = i32::MAX;
        let values =
            |values: DataPageHeaderV2| Header { data_page_header_v2: Some(values), ..page() };
        let v2 = || page().data_page_header_v2.unwrap();
        let damaged = [
            Header { uncompressed_page_size: huge, ..page() },
            Header { uncompressed_page_size: -1, ..page() },
            Header { compressed_page_size: 9, ..page() },
            Header { compressed_page_size: -1, ..page() },
            Header { dictionary_page_header: Some(entries(huge)), ..dictionary() },
            Header { dictionary_page_header: Some(entries(5)), ..dictionary() },
            Header { dictionary_page_header: Some(entries(1)), ..page() },
            Header { type_: PageType(9), ..page() },
            Header { crc: Some(1), ..page() },
            values(DataPageHeaderV2 { num_values: huge, ..v2() }),
            values(DataPageHeaderV2 { num_values: -1, ..v2() }),
            values(DataPageHeaderV2 { definition_levels_byte_length: 8, ..v2() }),
            values(DataPageHeaderV2 { repetition_levels_byte_length: -3, ..v2() }),
        ];
        for header in damaged {
            assert_eq!(single_page(&header), None, "{header:?}");
        }
    }

    #[test]
    fn a_checksum_is_that_of_the_page() {
        let mut crc = Crc::new();
        crc.update(&[0; 8]);
        let header = Header { crc: Some(crc.sum().cast_signed()), ..page() };
        assert_eq!(single_page(&header), Some(PageKind::Plain));
        let column = [bytes(&header), vec![0, 0, 0, 1, 0, 0, 0, 0]].concat();
        assert_eq!(inspect_column(&column, 3), None);
    }

    #[test]
    fn the_ratio_of_the_codec_limits_the_size_of_a_page() {
        let limit = |codec, compressed| {
            PageLimits { bytes: 0..0, values: 0, codec, entry_bytes: 4 }
                .max_uncompressed(compressed)
        };
        assert_eq!(limit(Compression::Snappy, 100), 1_024 + 2_200);
        assert_eq!(limit(Compression::Zstd, 1_000), 1_024 + 32_768_000);
        assert_eq!(limit(Compression::Zstd, 10_000), 1 << 26);
        assert_eq!(limit(Compression::Gzip, 10_000_000), 640_000_000);
    }

    #[test]
    fn a_text_in_a_header_must_fit_into_its_column() {
        let statistics = Statistics {
            max: None,
            min: None,
            null_count: None,
            distinct_count: None,
            max_value: Some(vec![b'x'; 100]),
            min_value: None,
            is_max_value_exact: None,
            is_min_value_exact: None,
        };
        let values = DataPageHeaderV2 {
            statistics: Some(statistics),
            ..page().data_page_header_v2.unwrap()
        };
        let mut column =
            [bytes(&Header { data_page_header_v2: Some(values), ..page() }), vec![0; 8]].concat();
        assert_eq!(inspect_column(&column, 3), Some(PageKind::Plain));
        // The preceding length is set to the largest 32-bit number.
        let length = column.iter().position(|byte| *byte == b'x').unwrap() - 1;
        column.splice(length..=length, [0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(inspect_column(&column, 3), None);
    }
}
