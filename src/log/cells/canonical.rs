//! The canonical form of ids and levels, which is the same in every file format.

use std::borrow::Cow;

/// Returns the canonical form of an id or level: without surrounding blanks, and a whole number
/// without a decimal point, so that `7`, `7.0`, `7.00` and ` 7 ` are equal. Digits are never
/// converted to a number, so that long ids stay exact.
///
/// | text | canonical form | reason |
/// |---|---|---|
/// | ` 7 `, `7`, `7.`, `7.0`, `7.00` | `7` | one whole number |
/// | `-0`, `-0.0`, `0.0` | `0` | one whole number |
/// | `007`, `007.0`, `+7` | unchanged | codes, such as postal codes and phone numbers |
/// | `7e0`, `12e4` | unchanged | hexadecimal ids look like this |
/// | `7.5`, `1.2.0`, `a.0` | unchanged | not a whole number |
#[must_use]
pub(crate) fn canonical(text: &str) -> Cow<'_, str> {
    // Nearly all ids are taken from this line: only these ends can belong to another form.
    if let [first @ 0x21..0x80, .., last @ (0x21..=0x2d | 0x31..0x80)] = text.as_bytes()
        && *first != b'-'
        && *last != b'-'
    {
        return Cow::Borrowed(text);
    }
    whole_number(text.trim())
}

/// Returns whether a text is its own canonical form.
#[must_use]
pub(crate) fn is_canonical(text: &str) -> bool {
    canonical(text).len() == text.len()
}

/// Returns a text without blanks around it, and without the decimal point if it is a whole number.
fn whole_number(text: &str) -> Cow<'_, str> {
    let (integer, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = integer.strip_prefix('-').unwrap_or(integer).as_bytes();
    let is_number = match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !is_number || !decimals.bytes().all(|byte| byte == b'0') {
        return Cow::Borrowed(text);
    }
    Cow::Borrowed(if digits == b"0" { "0" } else { integer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_equal_however_they_are_written() {
        for text in ["7", "7.", "7.0", "7.00", " 7", "7\t", "\u{a0}7.0 \r\n"] {
            assert_eq!(canonical(text), "7", "{text:?}");
        }
        for text in ["0", "-0", "0.0", "-0.0", " 0 "] {
            assert_eq!(canonical(text), "0", "{text:?}");
        }
        assert_eq!(canonical("-7.0"), "-7");
        assert_eq!(canonical("100"), "100");
        assert_eq!(canonical("9007199254740993.0"), "9007199254740993");
        assert_eq!(canonical("123456789012345678901234567890.0"), "123456789012345678901234567890");
    }

    #[test]
    fn other_texts_only_lose_the_blanks_around_them() {
        for text in [
            "",
            "a",
            "-",
            ".",
            ".0",
            "a.0",
            "007",
            "007.0",
            "00",
            "+7",
            "7e0",
            "12e4",
            "7.5",
            "1.2.0",
            "1.10",
            "7.0.0",
            "a-0",
            "acme inc.",
            "é",
            "v2.0",
            "--0",
            "a b",
        ] {
            assert_eq!(canonical(text), text);
            assert_eq!(canonical(&format!(" {text}\t")), text);
            assert!(is_canonical(text) && !is_canonical(&format!("{text} ")));
        }
    }
}
