//! The page headers of a Parquet column, read ahead of the reader, which trusts the counts in them and aborts the program when it cannot
//! get the memory that a damaged one asks for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

/// Bytes read at once: a page header has a few dozen, with statistics of long texts a few thousand.
const BUFFER: usize = 4_096;

/// Depth of structures in a header; those of pages have three.
const DEPTH: usize = 16;

/// Bytes that a page may have unpacked whatever the footer says of its column: some writers sum their sizes wrongly.
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

/// Encodings of codes: `PLAIN_DICTIONARY` and `RLE_DICTIONARY`.
const CODES: [i64; 2] = [2, 8];

/// Whether the pages in `bytes` lie in them, hold `values` values in all, and none claims more than `unpacked` bytes.
pub(super) fn look(file: &File, bytes: Range<u64>, values: i64, unpacked: i64) -> io::Result<Pages> {
    match walk(file, bytes, values, unpacked.max(SMALL)) {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => Ok(Pages::Damaged),
        outcome => outcome,
    }
}

fn walk(file: &File, bytes: Range<u64>, values: i64, unpacked: i64) -> io::Result<Pages> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    reader.seek(SeekFrom::Start(bytes.start))?;
    let mut at = bytes.start;
    let mut seen = 0;
    let (mut dictionary, mut coded) = (false, true);
    while seen < values {
        let mut thrift = Thrift { bytes: reader.by_ref().take(bytes.end - at), used: 0 };
        let mut header = Header::default();
        thrift.structure(&mut |path, number| header.note(path, number), &mut Vec::new())?;
        at += thrift.used;
        if !header.sound(unpacked) || u64::try_from(header.packed).is_ok_and(|packed| packed > bytes.end - at) {
            return Ok(Pages::Damaged);
        }
        at += u64::try_from(header.packed).unwrap_or(0);
        reader.seek_relative(header.packed)?;
        seen += header.values.iter().sum::<i64>();
        match header.encoding {
            Some(encoding) => coded &= CODES.contains(&encoding),
            None => dictionary |= header.entries > 0,
        }
    }
    Ok(match seen == values {
        true if dictionary && coded => Pages::Coded,
        true => Pages::Plain,
        false => Pages::Damaged,
    })
}

/// The numbers of a page header that stand for sizes, and the encoding of a data page.
#[derive(Default)]
struct Header {
    unpacked: i64,
    packed: i64,
    /// Values of a data page, in the first or second version of its header; one of them is 0.
    values: [i64; 2],
    /// Entries of a dictionary.
    entries: i64,
    /// Bytes of repetition and definition levels.
    levels: [i64; 2],
    encoding: Option<i64>,
}

impl Header {
    fn note(&mut self, path: &[i16], number: i64) {
        match path {
            [2] => self.unpacked = number,
            [3] => self.packed = number,
            [5, 1] => self.values[0] = number,
            [8, 1] => self.values[1] = number,
            [5, 2] | [8, 4] => self.encoding = Some(number),
            [7, 1] => self.entries = number,
            [8, 5] => self.levels[0] = number,
            [8, 6] => self.levels[1] = number,
            _ => {}
        }
    }

    fn sound(&self, unpacked: i64) -> bool {
        let sizes = [self.unpacked, self.packed, self.entries, self.values[0], self.values[1], self.levels[0], self.levels[1]];
        let positive = sizes.iter().all(|size| (0..=i64::from(i32::MAX)).contains(size));
        let fits = self.unpacked <= unpacked && self.levels.iter().sum::<i64>() <= self.packed;
        positive && fits && self.values.contains(&0) && self.entries <= self.unpacked.saturating_mul(8).max(1)
    }
}

/// Reads the compact protocol of Thrift, as far as page headers use it.
struct Thrift<R> {
    bytes: R,
    used: u64,
}

impl<R: BufRead> Thrift<R> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte)?;
        self.used += 1;
        Ok(byte[0])
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.bytes.by_ref().take(count), &mut io::sink())?;
        self.used += skipped;
        if skipped == count { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn unsigned(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ErrorKind::InvalidData.into())
    }

    fn signed(&mut self) -> io::Result<i64> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// Read a structure; `note` gets each number with the ids of the fields that lead to it.
    fn structure(&mut self, note: &mut dyn FnMut(&[i16], i64), path: &mut Vec<i16>) -> io::Result<()> {
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.signed()?).map_err(|_| ErrorKind::InvalidData)?,
                delta => id.checked_add(i16::from(delta)).ok_or(ErrorKind::InvalidData)?,
            };
            path.push(id);
            if path.len() > DEPTH {
                return Err(ErrorKind::InvalidData.into());
            }
            match head & 0x0f {
                // True and false: the type is the value.
                1 | 2 => {}
                3 => drop(self.byte()?),
                4..=6 => {
                    let number = self.signed()?;
                    note(path, number);
                }
                7 => self.skip(8)?,
                8 => {
                    let length = self.unsigned()?;
                    self.skip(length)?;
                }
                12 => self.structure(note, path)?,
                // Lists, sets and maps: no page header has one.
                _ => return Err(ErrorKind::InvalidData.into()),
            }
            path.pop();
        }
    }
}
