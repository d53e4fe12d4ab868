//! Validation of Parquet page headers before decoding. The reader of polars trusts their sizes and
//! aborts the program if it cannot allocate the memory that a damaged header requests.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek, SeekFrom};
use std::ops::Range;

use polars_parquet_format::thrift::protocol::TCompactInputProtocol;
use polars_parquet_format::{Encoding, PageHeader};

/// Size of the read buffer, in bytes: a page header takes some dozens, or thousands with statistics
/// of long texts.
const BUFFER: usize = 4_096;

/// Uncompressed size that is always accepted for a page, in bytes: some writers store a wrong total
/// in the footer.
const MIN_SIZE_LIMIT: i64 = 1 << 26;

/// The state and encoding of the pages of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pages {
    /// The headers do not match the column.
    Damaged,
    /// Valid pages with values.
    Plain,
    /// Valid pages, all with dictionary keys.
    Dictionary,
}

/// Encodings of dictionary keys.
const DICTIONARY_ENCODINGS: [Encoding; 2] = [Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY];

/// Checks that the pages are within `bytes` and have `values` values in total, and that none of
/// them takes more than `uncompressed` bytes.
pub(super) fn inspect(
    file: &File,
    bytes: Range<u64>,
    values: i64,
    uncompressed: i64,
) -> io::Result<Pages> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    reader.seek(SeekFrom::Start(bytes.start))?;
    let mut left = bytes.end - bytes.start;
    let mut seen = 0;
    let (mut has_dictionary, mut all_keys) = (false, true);
    while seen < values {
        let mut rest = reader.by_ref().take(left);
        // Texts in a header must not exceed the remaining bytes either.
        let mut header =
            TCompactInputProtocol::new(&mut rest, usize::try_from(left).unwrap_or(usize::MAX));
        let header = PageHeader::read_from_in_protocol(&mut header).ok();
        left = rest.limit();
        let Some(page) = header
            .and_then(|header| PageSizes::checked(&header, left, uncompressed.max(MIN_SIZE_LIMIT)))
        else {
            return Ok(Pages::Damaged);
        };
        left -= page.compressed;
        reader.seek_relative(page.compressed.cast_signed())?;
        seen += page.values;
        match page.encoding {
            Some(encoding) => all_keys &= DICTIONARY_ENCODINGS.contains(&encoding),
            None => has_dictionary |= page.entries > 0,
        }
    }
    Ok(match seen == values {
        true if has_dictionary && all_keys => Pages::Dictionary,
        true => Pages::Plain,
        false => Pages::Damaged,
    })
}

/// The sizes in a page header.
struct PageSizes {
    compressed: u64,
    /// Number of values of a data page.
    values: i64,
    /// Encoding of a data page.
    encoding: Option<Encoding>,
    /// Number of entries of a dictionary page.
    entries: i64,
}

impl PageSizes {
    /// Returns the sizes of a page; `None` if they are inconsistent or exceed `left` bytes
    /// compressed or `max_uncompressed` bytes uncompressed.
    fn checked(header: &PageHeader, left: u64, max_uncompressed: i64) -> Option<Self> {
        let (values, encoding, levels) =
            match (&header.data_page_header, &header.data_page_header_v2) {
                (Some(v1), None) => (v1.num_values, Some(v1.encoding), [0, 0]),
                (None, Some(v2)) => (
                    v2.num_values,
                    Some(v2.encoding),
                    [v2.definition_levels_byte_length, v2.repetition_levels_byte_length],
                ),
                (None, None) => (0, None, [0, 0]),
                (Some(_), Some(_)) => return None,
            };
        let entries =
            header.dictionary_page_header.as_ref().map_or(0, |dictionary| dictionary.num_values);
        let sizes = [
            header.uncompressed_page_size,
            header.compressed_page_size,
            values,
            entries,
            levels[0],
            levels[1],
        ];
        let [uncompressed, compressed, values, entries, definition, repetition] =
            sizes.map(i64::from);
        let fits = uncompressed <= max_uncompressed
            && definition + repetition <= compressed
            && entries <= (8 * uncompressed).max(1);
        let compressed = u64::try_from(compressed).ok().filter(|compressed| *compressed <= left)?;
        (sizes.iter().all(|size| *size >= 0) && fits).then_some(Self {
            compressed,
            values,
            encoding,
            entries,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use polars_parquet_format::thrift::protocol::TCompactOutputProtocol;
    use polars_parquet_format::{DataPageHeaderV2, DictionaryPageHeader, PageType, Statistics};

    use super::*;

    fn empty(type_: PageType, bytes: i32) -> PageHeader {
        PageHeader {
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
    fn page() -> PageHeader {
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
        PageHeader { data_page_header_v2: Some(values), ..empty(PageType::DATA_PAGE_V2, 8) }
    }

    /// Returns the header of a dictionary of 2 texts in 16 bytes.
    fn dictionary() -> PageHeader {
        PageHeader {
            dictionary_page_header: Some(entries(2)),
            ..empty(PageType::DICTIONARY_PAGE, 16)
        }
    }

    fn bytes(header: &PageHeader) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.write_to_out_protocol(&mut TCompactOutputProtocol::new(&mut bytes)).unwrap();
        bytes
    }

    fn inspect_column(column: &[u8], values: i64) -> Pages {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(column).unwrap();
        inspect(&file, 0..column.len() as u64, values, 100).unwrap()
    }

    /// Validates a column of one page.
    fn single_page(header: &PageHeader) -> Pages {
        inspect_column(&[bytes(header), vec![0; 8]].concat(), 3)
    }

    #[test]
    fn valid_pages_are_classified_by_their_encoding() {
        assert_eq!(single_page(&page()), Pages::Plain);
        let column = [
            bytes(&dictionary()),
            vec![0; 16],
            bytes(&page()),
            vec![0; 8],
            bytes(&page()),
            vec![0; 8],
        ]
        .concat();
        assert_eq!(inspect_column(&column, 6), Pages::Dictionary);
        assert_eq!(inspect_column(&column, 7), Pages::Damaged);
        assert_eq!(inspect_column(&column[..column.len() - 1], 6), Pages::Damaged);
    }

    #[test]
    fn a_header_that_exceeds_its_column_is_damaged() {
        let huge = i32::MAX;
        let values =
            |values: DataPageHeaderV2| PageHeader { data_page_header_v2: Some(values), ..page() };
        let v2 = || page().data_page_header_v2.unwrap();
        let damaged = [
            PageHeader { uncompressed_page_size: huge, ..page() },
            PageHeader { uncompressed_page_size: -1, ..page() },
            PageHeader { compressed_page_size: 9, ..page() },
            PageHeader { compressed_page_size: -1, ..page() },
            PageHeader { dictionary_page_header: Some(entries(huge)), ..page() },
            values(DataPageHeaderV2 { num_values: huge, ..v2() }),
            values(DataPageHeaderV2 { num_values: -1, ..v2() }),
            values(DataPageHeaderV2 { definition_levels_byte_length: 8, ..v2() }),
            values(DataPageHeaderV2 { repetition_levels_byte_length: -3, ..v2() }),
        ];
        for header in damaged {
            assert_eq!(single_page(&header), Pages::Damaged, "{header:?}");
        }
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
            [bytes(&PageHeader { data_page_header_v2: Some(values), ..page() }), vec![0; 8]]
                .concat();
        assert_eq!(inspect_column(&column, 3), Pages::Plain);
        // The preceding length is set to the largest 32-bit number.
        let length = column.iter().position(|byte| *byte == b'x').unwrap() - 1;
        column.splice(length..=length, [0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(inspect_column(&column, 3), Pages::Damaged);
    }
}
