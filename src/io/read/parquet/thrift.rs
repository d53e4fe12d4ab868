//! The Thrift compact protocol, which encodes the footer and the page headers of Parquet files.
//! Each length and count is compared with the remaining bytes before it is used.
//!
//! Source: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

use std::io::{self, Read};

use crate::io::read::guard::damage;
use crate::names::grouped;

/// Maximum number of structs and lists around a value.
const MAX_DEPTH: usize = 32;

/// Maximum number of bytes of an integer of 64 bits, with 7 bits in each.
const MAX_VARINT: u32 = 10;

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThriftType {
    Bool,
    Byte,
    Integer,
    Double,
    Binary,
    List,
    Struct,
}

/// A field of a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) id: i16,
    thrift_type: ThriftType,
    /// The value of a Boolean field, which is part of its type.
    is_true: bool,
}

/// Reads values of at most a number of bytes.
#[derive(Debug)]
pub(super) struct ThriftReader<R> {
    source: R,
    left: u64,
}

impl<R: Read> ThriftReader<R> {
    pub(super) fn new(source: R, left: u64) -> Self {
        Self { source, left }
    }

    /// Returns the number of bytes that may still be read.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.left = self.left.checked_sub(1).ok_or_else(|| damage("it ends too early"))?;
        let mut byte = [0];
        self.source.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for index in 0..MAX_VARINT {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damage("found an integer of more than 64 bits"))
    }

    fn zigzag(&mut self) -> io::Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Reads a length or count, each unit of which takes at least one byte.
    fn length(&mut self, unit: &str) -> io::Result<u64> {
        let length = self.varint()?;
        self.check_length(length, unit)
    }

    fn check_length(&self, length: u64, unit: &str) -> io::Result<u64> {
        if length > self.left {
            let (length, left) = (grouped(length), grouped(self.left));
            return Err(damage(format!("found {length} {unit} in the last {left} bytes")));
        }
        Ok(length)
    }

    fn skip_bytes(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.source.by_ref().take(count), &mut io::sink())?;
        self.left -= skipped;
        if skipped == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads the fields of a struct; those that `read` does not accept are skipped.
    ///
    /// # Arguments
    /// * `read` – reads the value of a field, and returns whether it did
    pub(super) fn fields(
        &mut self,
        mut read: impl FnMut(&mut Self, Field) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut last = 0;
        while let Some(field) = self.field(last)? {
            if !read(self, field)? {
                self.skip(field.thrift_type, 1)?;
            }
            last = field.id;
        }
        Ok(())
    }

    /// Reads the start of a field; `None`: the struct ends.
    fn field(&mut self, last: i16) -> io::Result<Option<Field>> {
        let header = self.byte()?;
        let code = header & 0x0f;
        if code == 0 {
            return Ok(None);
        }
        let id = match header >> 4 {
            0 => i16::try_from(self.zigzag()?).ok(),
            delta => last.checked_add(i16::from(delta)),
        };
        let id = id.ok_or_else(|| damage("found a field number of more than 16 bits"))?;
        Ok(Some(Field { id, thrift_type: thrift_type(code)?, is_true: code == 1 }))
    }

    /// Reads the start of a list, and returns the number of its elements.
    pub(super) fn list(&mut self, field: Field, element: ThriftType) -> io::Result<u64> {
        field.expect(ThriftType::List)?;
        let (count, found) = self.any_list()?;
        if count > 0 && found != element {
            return Err(damage(format!(
                "field {}: found a list of {found:?}, expected {element:?}",
                field.id
            )));
        }
        Ok(count)
    }

    /// Reads the start of a list; an empty list may lack a valid type.
    fn any_list(&mut self) -> io::Result<(u64, ThriftType)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            0 => return Ok((0, ThriftType::Byte)),
            15 => self.length("elements of a list")?,
            count => self.check_length(u64::from(count), "elements of a list")?,
        };
        Ok((count, thrift_type(header & 0x0f)?))
    }

    /// Reads an integer of up to 64 bits.
    pub(super) fn i64(&mut self, field: Field) -> io::Result<i64> {
        field.expect(ThriftType::Integer)?;
        self.zigzag()
    }

    /// Reads a number that is not negative.
    pub(super) fn size(&mut self, field: Field) -> io::Result<u64> {
        let size = self.i64(field)?;
        u64::try_from(size)
            .map_err(|_| damage(format!("field {}: found the negative size {size}", field.id)))
    }

    /// Reads a number of 32 bits that is not negative.
    pub(super) fn size_32(&mut self, field: Field) -> io::Result<u64> {
        let size = self.size(field)?;
        if i32::try_from(size).is_err() {
            let size = grouped(size);
            return Err(damage(format!(
                "field {}: found the size {size}, expected 32 bits",
                field.id
            )));
        }
        Ok(size)
    }

    /// Skips a value inside `depth` structs and lists.
    fn skip(&mut self, thrift_type: ThriftType, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(damage(format!("found more than {MAX_DEPTH} levels of structs and lists")));
        }
        match thrift_type {
            ThriftType::Bool => Ok(()),
            ThriftType::Byte => self.byte().map(|_| ()),
            ThriftType::Integer => self.varint().map(|_| ()),
            ThriftType::Double => self
                .check_length(8, "bytes of a number")
                .map(|_| ())
                .and_then(|()| self.skip_bytes(8)),
            ThriftType::Binary => {
                let length = self.length("bytes of text")?;
                self.skip_bytes(length)
            }
            ThriftType::List => {
                let (count, element) = self.any_list()?;
                // An element of a list, unlike a field, stores a Boolean in a byte.
                let element = if element == ThriftType::Bool { ThriftType::Byte } else { element };
                (0..count).try_for_each(|_| self.skip(element, depth + 1))
            }
            ThriftType::Struct => {
                let mut last = 0;
                while let Some(field) = self.field(last)? {
                    self.skip(field.thrift_type, depth + 1)?;
                    last = field.id;
                }
                Ok(())
            }
        }
    }
}

impl Field {
    fn expect(self, expected: ThriftType) -> io::Result<()> {
        if self.thrift_type == expected {
            return Ok(());
        }
        Err(damage(format!(
            "field {}: found {:?}, expected {expected:?}",
            self.id, self.thrift_type
        )))
    }

    /// Checks that the field is a struct, which is read next.
    pub(super) fn expect_struct(self) -> io::Result<()> {
        self.expect(ThriftType::Struct)
    }

    /// Returns the value of a Boolean field.
    pub(super) fn bool(self) -> io::Result<bool> {
        self.expect(ThriftType::Bool)?;
        Ok(self.is_true)
    }
}

/// Returns the type of a code. Parquet has no sets and maps.
fn thrift_type(code: u8) -> io::Result<ThriftType> {
    Ok(match code {
        1 | 2 => ThriftType::Bool,
        3 => ThriftType::Byte,
        4..=6 => ThriftType::Integer,
        7 => ThriftType::Double,
        8 => ThriftType::Binary,
        9 => ThriftType::List,
        12 => ThriftType::Struct,
        code => return Err(damage(format!("found the type code {code}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> ThriftReader<&[u8]> {
        ThriftReader::new(bytes, bytes.len() as u64)
    }

    /// Skips a struct and returns its error, or the number of bytes that are left.
    fn skipped(bytes: &[u8]) -> Result<u64, String> {
        let mut reader = reader(bytes);
        reader.fields(|_, _| Ok(false)).map(|()| reader.left()).map_err(|e| e.to_string())
    }

    #[test]
    fn values_of_every_type_are_skipped() {
        let bytes = [
            &[0x11, 0x12, 0x13, 0x7f, 0x15, 0x80, 0x01, 0x17][..],
            &[0; 8],
            &[0x18, 3, b'a', b'b', b'c'],
            // A list of two Booleans, an empty list without a type, a list of a struct with a
            // byte.
            &[0x19, 0x21, 1, 2, 0x19, 0x00, 0x19, 0x1c, 0x13, 9, 0],
            &[0x00, 0xaa],
        ]
        .concat();
        assert_eq!(skipped(&bytes), Ok(1));
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        let huge = [0xff, 0xff, 0xff, 0xff, 0x07];
        for (start, message) in [
            (vec![0x18], "found 2,147,483,647 bytes of text in the last 2 bytes"),
            (vec![0x19, 0xfc], "found 2,147,483,647 elements of a list in the last 2 bytes"),
        ] {
            assert_eq!(skipped(&[&start[..], &huge, &[0, 0]].concat()).unwrap_err(), message);
        }
        assert_eq!(
            skipped(&[0x19, 0xeb, 0]).unwrap_err(),
            "found 14 elements of a list in the last 1 bytes"
        );
        assert_eq!(
            skipped(&[0x17, 0]).unwrap_err(),
            "found 8 bytes of a number in the last 1 bytes"
        );
        assert_eq!(skipped(&[0x15, 0x80]).unwrap_err(), "it ends too early");
        assert_eq!(skipped(&[]).unwrap_err(), "it ends too early");
    }

    #[test]
    fn deep_nesting_long_integers_and_unknown_types_are_refused() {
        assert!(skipped(&[0x1c; 40]).unwrap_err().contains("more than 32 levels"));
        assert!(
            skipped(&[&[0x19][..], &[0x19; 40]].concat())
                .unwrap_err()
                .contains("more than 32 levels")
        );
        assert!(
            skipped(&[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])
                .unwrap_err()
                .contains("64 bits")
        );
        assert_eq!(skipped(&[0x1b, 0]).unwrap_err(), "found the type code 11");
        // A field number above 32,767.
        assert!(skipped(&[0x05, 0xfe, 0xff, 0x03, 2, 0x15, 2]).unwrap_err().contains("16 bits"));
    }

    #[test]
    fn numbers_are_read_with_their_sign_and_range() {
        let read = |bytes: &[u8], size: bool| {
            let mut number = Ok(0);
            let outcome = reader(bytes).fields(|thrift, field| {
                number = if size {
                    thrift.size_32(field).map(u64::cast_signed)
                } else {
                    thrift.i64(field)
                };
                Ok(true)
            });
            outcome.and(number).map_err(|e| e.to_string())
        };
        assert_eq!(read(&[0x15, 1, 0], false), Ok(-1));
        assert_eq!(read(&[0x15, 4, 0], true), Ok(2));
        assert_eq!(read(&[0x15, 1, 0], true).unwrap_err(), "field 1: found the negative size -1");
        assert!(
            read(&[0x16, 0x80, 0x80, 0x80, 0x80, 0x10, 0], true).unwrap_err().contains("32 bits")
        );
        assert_eq!(
            read(&[0x18, 0, 0], false).unwrap_err(),
            "field 1: found Binary, expected Integer"
        );
    }
}
