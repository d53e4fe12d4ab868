//! JSON with one line for each item of the lists at the top, such as a feature or a column.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Lists and objects inside others up to which each item has its own line.
const OPEN_DEPTH: usize = 2;

/// Writes a value as JSON, with a line end.
///
/// # Panics
/// If the value is not JSON, such as a map with other keys than texts.
pub(super) fn json_lines(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Lines { depth: 0 });
    value.serialize(&mut serializer).expect("the value is plain JSON");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is text")
}

/// Breaks lines between the items of the outer lists and objects.
struct Lines {
    /// Lists and objects around the current place.
    depth: usize,
}

impl Lines {
    /// Starts an item.
    fn start<W: ?Sized + Write>(&self, writer: &mut W, first: bool) -> io::Result<()> {
        let separator: &[u8] = if first { b"" } else { b"," };
        writer.write_all(separator)?;
        match self.depth {
            1..=OPEN_DEPTH => self.break_line(writer),
            _ if first => Ok(()),
            _ => writer.write_all(b" "),
        }
    }

    /// Ends a list or an object.
    fn end<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.depth < OPEN_DEPTH {
            self.break_line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn break_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.start(to, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        self.start(to, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_of_the_outer_lists_have_their_own_lines() {
        let value = json!({ "a": [{ "x": 1, "y": [1, 2] }, {}], "b": null });
        let expected =
            "{\n  \"a\": [\n    {\"x\": 1, \"y\": [1, 2]},\n    {}\n  ],\n  \"b\": null\n}\n";
        assert_eq!(json_lines(&value), expected);
    }
}
