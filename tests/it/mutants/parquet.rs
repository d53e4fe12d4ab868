//! Damages Parquet files in their structure: the footer and the page headers stay valid Thrift, but
//! sizes, counts, offsets, types and encodings change, or the content of pages.

use rand::Rng;

use super::thrift::{self, Value};

/// Fields of a Parquet footer, and of the structs in it.
const ROW_GROUPS: i16 = 4;
const COLUMNS: i16 = 1;
const METADATA: i16 = 3;
const TOTAL_SIZE: i16 = 7;
const DATA_PAGE: i16 = 9;
const DICTIONARY_PAGE: i16 = 11;
/// Field of a page header with the size of the page that follows.
const PAGE_SIZE: i16 = 3;

/// A file in parts.
#[derive(Debug, Clone)]
pub(super) struct ParquetParts {
    /// All bytes in front of the footer.
    data: Vec<u8>,
    footer: Value,
    headers: Vec<PageHeader>,
}

/// The header of a page.
#[derive(Debug, Clone)]
struct PageHeader {
    position: usize,
    length: usize,
    /// Kept, because a changed header may not be readable.
    value: Value,
}

impl ParquetParts {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let end = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        let (mut footer, _) = thrift::read(&bytes[end - length..end]);
        let data = bytes[..end - length].to_vec();
        let mut headers = Vec::new();
        for chunk in chunks(&mut footer) {
            let first = chunk.integer(DICTIONARY_PAGE).map(|position| *position);
            let start = first.or(chunk.integer(DATA_PAGE).copied()).unwrap();
            let mut at = usize::try_from(start).unwrap();
            let end = at + usize::try_from(*chunk.integer(TOTAL_SIZE).unwrap()).unwrap();
            while at < end {
                let (mut value, length) = thrift::read(&data[at..]);
                let size = usize::try_from(*value.integer(PAGE_SIZE).unwrap()).unwrap();
                headers.push(PageHeader { position: at, length, value });
                at += length + size;
            }
        }
        Self { data, footer, headers }
    }

    /// Returns a damaged copy.
    pub(super) fn mutant(&self, rng: &mut impl Rng) -> Vec<u8> {
        let mut parts = self.clone();
        for _ in 0..rng.random_range(1..=3) {
            if rng.random() { parts.footer.mutate(rng) } else { parts.mutate_header(rng) }
        }
        if rng.random_ratio(1, 3) {
            parts.flip_bits(rng);
        }
        parts.write()
    }

    /// Returns the footer, to change it.
    pub(super) fn footer(&mut self) -> &mut Value {
        &mut self.footer
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = self.data.clone();
        self.footer.write(&mut bytes);
        let length = u32::try_from(bytes.len() - self.data.len()).unwrap();
        bytes.extend(length.to_le_bytes());
        bytes.extend(b"PAR1");
        bytes
    }

    /// Changes a page header, and moves all positions after it.
    fn mutate_header(&mut self, rng: &mut impl Rng) {
        let chosen = rng.random_range(0..self.headers.len());
        let header = &mut self.headers[chosen];
        let (start, length) = (header.position, header.length);
        header.value.mutate(rng);
        let mut bytes = Vec::new();
        header.value.write(&mut bytes);
        header.length = bytes.len();
        let grown = isize::try_from(bytes.len()).unwrap() - isize::try_from(length).unwrap();
        self.data.splice(start..start + length, bytes);
        for header in &mut self.headers[chosen + 1..] {
            header.position = header.position.checked_add_signed(grown).unwrap();
        }
        let (start, grown) = (i64::try_from(start).unwrap(), i64::try_from(grown).unwrap());
        for chunk in chunks(&mut self.footer) {
            let positions = [DICTIONARY_PAGE, DATA_PAGE];
            let first = positions.iter().find_map(|id| chunk.integer(*id).copied()).unwrap_or(0);
            let size = chunk.integer(TOTAL_SIZE).map_or(0, |size| *size);
            if (first..first.saturating_add(size)).contains(&start)
                && let Some(size) = chunk.integer(TOTAL_SIZE)
            {
                *size = size.saturating_add(grown);
            }
            for id in positions {
                if let Some(position) = chunk.integer(id).filter(|position| **position > start) {
                    *position = position.saturating_add(grown);
                }
            }
        }
    }

    fn flip_bits(&mut self, rng: &mut impl Rng) {
        for _ in 0..rng.random_range(1..20) {
            let index = rng.random_range(4..self.data.len());
            self.data[index] ^= 1 << rng.random_range(0..8);
        }
    }
}

/// Returns the metadata of all column chunks.
fn chunks(footer: &mut Value) -> impl Iterator<Item = &mut Value> {
    footer
        .list(ROW_GROUPS)
        .iter_mut()
        .flat_map(|group| group.list(COLUMNS))
        .filter_map(|chunk| chunk.field(METADATA))
}
