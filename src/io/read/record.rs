//! Records of CSV, one at a time, with a limit of their length and of their number of fields.

use std::io::{self, BufRead};
use std::str;

use csv_core::ReadRecordResult;

use super::decompress::LineTooLong;
use crate::config::MaxLine;

/// Maximum number of fields of a record: many more than columns, so that messages can count them.
const MAX_FIELDS: usize = 1 << 20;

/// Reads the records of a text; blank lines are none.
///
/// The reader of the crate `csv` does the same, but takes nine bytes of memory for each byte of a
/// row of separators.
pub(super) struct RecordReader<R> {
    source: R,
    parser: csv_core::Reader,
    /// The last record: the text of its fields, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
    /// The last byte that is not a line end.
    last: Option<u8>,
    max_line: MaxLine,
}

/// Why a record cannot be read.
#[derive(Debug)]
pub(super) enum RecordError {
    /// The file cannot be read, or the record is too long.
    Read(io::Error),
    /// It has more fields than this number.
    TooManyFields(usize),
    /// A field, counted from 1, is not UTF-8.
    NotUtf8(usize),
}

impl<R: BufRead> RecordReader<R> {
    pub(super) fn new(source: R, separator: u8, max_line: MaxLine) -> Self {
        Self {
            source,
            parser: csv_core::ReaderBuilder::new().delimiter(separator).build(),
            text: vec![0; 1 << 10],
            ends: vec![0; 1 << 6],
            fields: 0,
            last: None,
            max_line,
        }
    }

    /// Reads the next record; returns `false` at the end of the text.
    pub(super) fn read(&mut self) -> Result<bool, RecordError> {
        let (mut length, mut bytes) = (0, 0);
        self.fields = 0;
        loop {
            let input = self.source.fill_buf().map_err(RecordError::Read)?;
            let (result, read, written, ended) = self.parser.read_record(
                input,
                &mut self.text[length..],
                &mut self.ends[self.fields..],
            );
            let last = input[..read].iter().rfind(|byte| !matches!(byte, b'\n' | b'\r'));
            self.last = last.copied().or(self.last);
            self.source.consume(read);
            (length, self.fields, bytes) = (length + written, self.fields + ended, bytes + read);
            if bytes as u64 > self.max_line.bytes() {
                return Err(RecordError::Read(LineTooLong(self.max_line).into()));
            }
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull if self.fields >= MAX_FIELDS => {
                    return Err(RecordError::TooManyFields(MAX_FIELDS));
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record => return self.check_utf8(length).map(|()| true),
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// Checks that each field is UTF-8.
    fn check_utf8(&self, length: usize) -> Result<(), RecordError> {
        if self.text[..length].is_ascii() {
            return Ok(());
        }
        let wrong = (0..self.fields).find(|&index| str::from_utf8(self.bytes(index)).is_err());
        wrong.map_or(Ok(()), |index| Err(RecordError::NotUtf8(index + 1)))
    }

    fn bytes(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..self.ends[index]]
    }

    /// Returns the number of fields of the record.
    pub(super) fn len(&self) -> usize {
        self.fields
    }

    /// Returns a field of the record.
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let bytes = (index < self.fields).then(|| self.bytes(index))?;
        Some(str::from_utf8(bytes).expect("checked by `read`"))
    }

    /// Returns the fields of the record.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.fields).filter_map(|index| self.get(index))
    }

    /// Returns the last byte read that is not a line end.
    pub(super) fn last(&self) -> Option<u8> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// Reads all records, through buffers of some bytes.
    fn records(text: &[u8], buffer: usize) -> Result<Vec<Vec<String>>, RecordError> {
        let source = BufReader::with_capacity(buffer, text);
        let mut reader = RecordReader::new(source, b',', "1KB".parse().unwrap());
        let mut records = Vec::new();
        while reader.read()? {
            records.push(reader.iter().map(str::to_owned).collect());
        }
        Ok(records)
    }

    #[test]
    fn a_record_has_limits() {
        let large: MaxLine = "1GB".parse().unwrap();
        let separators = vec![b','; 3 * MAX_FIELDS];
        let mut reader = RecordReader::new(separators.as_slice(), b',', large);
        assert!(matches!(reader.read(), Err(RecordError::TooManyFields(MAX_FIELDS))));
        assert!(reader.ends.len() <= 2 * MAX_FIELDS);
        assert!(matches!(records(&[b'a'; 1_001], 64), Err(RecordError::Read(_))));
        assert_eq!(records(&[b'a'; 1_000], 64).unwrap()[0][0].len(), 1_000);
        assert!(matches!(records(b"a,b\n\xc3,\xa4\n", 64), Err(RecordError::NotUtf8(1))));
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_crate_csv(text in "[ab,\"\n\r é]{0,60}", buffer in 1_usize..9) {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            prop_assert_eq!(records(text.as_bytes(), buffer).unwrap(), expected);
        }
    }
}
