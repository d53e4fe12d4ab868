//! The page headers of a Parquet column, checked ahead of the reader, which trusts the counts in
//! them and aborts the program when it cannot get the memory that a damaged one asks for.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek, SeekFrom};
use std::ops::Range;

use polars_parquet_format::thrift::protocol::TCompactInputProtocol;
use polars_parquet_format::{Encoding, PageHeader};

/// Bytes read at once: a page header has a few dozen, with statistics of long texts a few thousand.
const BUFFER: usize = 4_096;

/// Bytes that a page may have unpacked whatever the footer says of its column: some writers sum
/// their sizes wrongly.
const SMALL: i64 = 1 << 26;

/// What the pages of a column are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pages {
    /// They do not fit their column.
    Damaged,
    /// They fit, and hold values.
    Plain,
    /// They fit, and all of them hold codes in a dictionary.
    Coded,
}

/// Encodings of codes.
const CODES: [Encoding; 2] = [Encoding::PLAIN_DICTIONARY, Encoding::RLE_DICTIONARY];

/// Whether the pages in `bytes` lie in them, hold `values` values in all, and none claims more than
/// `unpacked` bytes.
pub(super) fn look(
    file: &File,
    bytes: Range<u64>,
    values: i64,
    unpacked: i64,
) -> io::Result<Pages> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    reader.seek(SeekFrom::Start(bytes.start))?;
    let mut left = bytes.end - bytes.start;
    let mut seen = 0;
    let (mut dictionary, mut coded) = (false, true);
    while seen < values {
        let mut rest = reader.by_ref().take(left);
        // Texts in a header, too, may claim no more than is left.
        let mut header =
            TCompactInputProtocol::new(&mut rest, usize::try_from(left).unwrap_or(usize::MAX));
        let header = PageHeader::read_from_in_protocol(&mut header).ok();
        left = rest.limit();
        let Some(page) =
            header.and_then(|header| Page::checked(&header, left, unpacked.max(SMALL)))
        else {
            return Ok(Pages::Damaged);
        };
        left -= page.packed;
        reader.seek_relative(page.packed.cast_signed())?;
        seen += page.values;
        match page.encoding {
            Some(encoding) => coded &= CODES.contains(&encoding),
            None => dictionary |= page.entries > 0,
        }
    }
    Ok(match seen == values {
        true if dictionary && coded => Pages::Coded,
        true => Pages::Plain,
        false => Pages::Damaged,
    })
}

/// The sizes in a page header.
struct Page {
    packed: u64,
    /// Values of a data page.
    values: i64,
    /// Encoding of a data page.
    encoding: Option<Encoding>,
    /// Entries of a dictionary.
    entries: i64,
}

impl Page {
    /// Returns the sizes of a page of at most `left` bytes and at most `most` unpacked; `None`
    /// where they do not fit each other.
    fn checked(header: &PageHeader, left: u64, most: i64) -> Option<Self> {
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
        let [unpacked, packed, values, entries, definition, repetition] = sizes.map(i64::from);
        let fits = unpacked <= most
            && definition + repetition <= packed
            && entries <= (8 * unpacked).max(1);
        let packed = u64::try_from(packed).ok().filter(|packed| *packed <= left)?;
        (sizes.iter().all(|size| *size >= 0) && fits).then_some(Self {
            packed,
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

    /// A data page of 3 values in 8 bytes.
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

    /// A dictionary of 2 texts in 16 bytes.
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

    fn looked_at(column: &[u8], values: i64) -> Pages {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(column).unwrap();
        look(&file, 0..column.len() as u64, values, 100).unwrap()
    }

    /// A column of one page.
    fn alone(header: &PageHeader) -> Pages {
        looked_at(&[bytes(header), vec![0; 8]].concat(), 3)
    }

    #[test]
    fn pages_that_fit_are_told_apart_by_their_encoding() {
        assert_eq!(alone(&page()), Pages::Plain);
        let column = [
            bytes(&dictionary()),
            vec![0; 16],
            bytes(&page()),
            vec![0; 8],
            bytes(&page()),
            vec![0; 8],
        ]
        .concat();
        assert_eq!(looked_at(&column, 6), Pages::Coded);
        assert_eq!(looked_at(&column, 7), Pages::Damaged);
        assert_eq!(looked_at(&column[..column.len() - 1], 6), Pages::Damaged);
    }

    #[test]
    fn a_header_that_claims_more_than_its_column_has_is_damaged() {
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
            assert_eq!(alone(&header), Pages::Damaged, "{header:?}");
        }
    }

    #[test]
    fn a_text_in_a_header_is_no_longer_than_its_column() {
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
        assert_eq!(looked_at(&column, 3), Pages::Plain);
        // Its length, in front of it, as the largest number of 32 bits.
        let length = column.iter().position(|byte| *byte == b'x').unwrap() - 1;
        column.splice(length..=length, [0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(looked_at(&column, 3), Pages::Damaged);
    }
}
