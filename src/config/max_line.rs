//! The maximum length of a line, as a size such as `16MB`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The maximum length of a line of a text file: 1 KB to 2 GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxLine(u64);

impl MaxLine {
    /// Returns the length in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Returns whether this is the default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for MaxLine {
    fn default() -> Self {
        Self(16_000_000)
    }
}

/// Writes the size in the largest unit of which it is a multiple.
impl fmt::Display for MaxLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (1 << 30, "GiB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1_000, "KB"),
        ];
        let unit = units.into_iter().find(|(bytes, _)| self.0.is_multiple_of(*bytes));
        let (bytes, unit) = unit.unwrap_or((1, "B"));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

impl FromStr for MaxLine {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = parse_size::parse_size(text).map_err(|_| ())?;
        (1_000..=2_000_000_000).contains(&bytes).then_some(Self(bytes)).ok_or(())
    }
}

impl Serialize for MaxLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MaxLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| {
            de::Error::custom(format!(
                "found `{text}`, expected a size from 1KB to 2GB, such as 16MB"
            ))
        })
    }
}

impl JsonSchema for MaxLine {
    fn schema_name() -> Cow<'static, str> {
        "size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "size",
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]+)? *([KMG]i?)?B$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_their_unit() {
        for text in ["16MB", "1KB", "2GB", "64KiB", "1GiB", "1500B", "20MiB"] {
            assert_eq!(text.parse::<MaxLine>().unwrap().to_string(), text);
        }
        assert_eq!(MaxLine::default().to_string(), "16MB");
        for text in ["", "16", "999B", "3GB", "x"] {
            assert_eq!(text.parse::<MaxLine>(), Err(()), "{text}");
        }
    }
}
