//! Formats of numbers in text columns.

use serde::{Deserialize, Serialize};

use super::parse_number;

/// How the numbers of a text column are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberFormat {
    /// Decimal points: `1234.5`, also with an exponent.
    #[default]
    Plain,
    /// Thousands separators and decimal points: `1,234.5`.
    Thousands,
    /// Decimal commas, with or without thousands separators: `3,5` and `1.234,5`.
    DecimalComma,
}

impl NumberFormat {
    /// All formats; the first one that fits all values of a column is its format.
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Thousands, Self::DecimalComma];

    /// Returns an example of a number.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Plain => "1234.5",
            Self::Thousands => "1,234.5",
            Self::DecimalComma => "1.234,5",
        }
    }

    /// Describes the numbers of the format.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Plain => "decimal points",
            Self::Thousands => "thousands separators (`1,234.5`)",
            Self::DecimalComma => "decimal commas (`1.234,5`)",
        }
    }

    /// Parses a number without blanks around it.
    pub(super) fn parse(self, text: &str) -> Option<f64> {
        match self {
            Self::Plain => parse_number(text),
            Self::Thousands => parse_grouped(text, b',', b'.'),
            Self::DecimalComma => parse_grouped(text, b'.', b','),
        }
    }
}

/// Parses a number whose digits before the decimal separator may be grouped by three.
fn parse_grouped(text: &str, group: u8, decimal: u8) -> Option<f64> {
    /// The longest number, in characters.
    const LONGEST: usize = 40;
    let mut plain = [0_u8; LONGEST];
    let mut length = 0;
    // Digits since the last separator, and whether they follow a group or decimal separator.
    let (mut digits, mut grouped, mut decimals) = (0, false, false);
    for (index, &byte) in text.as_bytes().iter().enumerate() {
        let byte = match byte {
            b'0'..=b'9' => {
                digits += 1;
                byte
            }
            b'+' | b'-' if index == 0 => byte,
            _ if byte == group => {
                let starts = !grouped && (1..=3).contains(&digits) && leads(&plain[..length]);
                if decimals || !(starts || grouped && digits == 3) {
                    return None;
                }
                (digits, grouped) = (0, true);
                continue;
            }
            _ if byte == decimal => {
                if decimals || grouped && digits != 3 {
                    return None;
                }
                (digits, grouped, decimals) = (0, false, true);
                b'.'
            }
            _ => return None,
        };
        *plain.get_mut(length)? = byte;
        length += 1;
    }
    if grouped && digits != 3 {
        return None;
    }
    std::str::from_utf8(&plain[..length]).ok().and_then(parse_number)
}

/// Returns whether digits can be the first of several groups: `0.123` has no groups.
fn leads(digits: &[u8]) -> bool {
    let unsigned = digits.strip_prefix(b"-").or(digits.strip_prefix(b"+")).unwrap_or(digits);
    unsigned.first() != Some(&b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_reads_its_own_numbers() {
        let parsed = |text: &str| NumberFormat::ALL.map(|format| format.parse(text));
        for (text, expected) in [
            ("1234", [Some(1234.0); 3]),
            ("-12", [Some(-12.0); 3]),
            ("3.5", [Some(3.5), Some(3.5), None]),
            ("3,5", [None, None, Some(3.5)]),
            ("1,234", [None, Some(1234.0), Some(1.234)]),
            ("1.234", [Some(1.234), Some(1.234), Some(1234.0)]),
            ("-1,234,567.25", [None, Some(-1_234_567.25), None]),
            ("1.234.567,25", [None, None, Some(1_234_567.25)]),
            ("0,123", [None, None, Some(0.123)]),
            ("0.123", [Some(0.123), Some(0.123), None]),
            ("1e3", [Some(1000.0), None, None]),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        for text in
            ["", "-", ",", "1,,234", "12,34,567", "1,2345", "1,234,5", "1,234.5,6", "a", "1 2"]
        {
            assert_eq!(NumberFormat::Thousands.parse(text), None, "{text}");
        }
        assert_eq!(NumberFormat::Thousands.parse(&"9".repeat(41)), None);
    }
}
