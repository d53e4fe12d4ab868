//! TOML forms of values that have two types.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::Value;

use super::{Alpha, Winsorize};
use crate::names::nearest;
use crate::time::{Timestamp, Zone};

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|()| {
            let suggestion = nearest(&name, Self::names()).map_or_else(
                || ", such as `America/New_York`".to_owned(),
                |zone| format!("; did you mean `{zone}`?"),
            );
            de::Error::custom(format!("found `{name}`, expected a time zone{suggestion}"))
        })
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        // Model files are not self-describing: there, a time is always a string.
        if !deserializer.is_human_readable() {
            return String::deserialize(deserializer)?.parse().map_err(de::Error::custom);
        }
        match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().map_err(de::Error::custom),
            Value::Datetime(time) => time.to_string().parse().map_err(de::Error::custom),
            other => Err(de::Error::custom(format!(
                "found {other}, expected a date or time such as \"2025-06-30\""
            ))),
        }
    }
}

impl Serialize for Alpha {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Cv => serializer.serialize_str("cv"),
            Self::Fixed(alpha) => serializer.serialize_f64(*alpha),
        }
    }
}

impl<'de> Deserialize<'de> for Alpha {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match number(&value) {
            Some(alpha) => Ok(Self::Fixed(alpha)),
            None if value.as_str() == Some("cv") => Ok(Self::Cv),
            None => Err(de::Error::custom(format!("found {value}, expected a number or \"cv\""))),
        }
    }
}

impl Serialize for Winsorize {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Never => serializer.serialize_str("never"),
            Self::Quantiles(low, high) => [low, high].serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Winsorize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let bounds: Option<Vec<f64>> =
            value.as_array().and_then(|items| items.iter().map(number).collect());
        match bounds.as_deref() {
            Some([low, high]) => Ok(Self::Quantiles(*low, *high)),
            _ if value.as_str() == Some("never") => Ok(Self::Never),
            _ => Err(de::Error::custom(format!(
                "found {value}, expected two quantiles such as [0.005, 0.995], or \"never\""
            ))),
        }
    }
}

/// Reads a value of a column: text, or a number or true/false as its text.
fn cell(value: Value) -> std::result::Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Ok(value.to_string()),
        other => Err(format!("found {other}, expected text, a number or true/false")),
    }
}

/// Reads a value of a column as text.
pub(super) fn optional_cell<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<String>, D::Error> {
    Value::deserialize(deserializer)
        .and_then(|value| cell(value).map_err(de::Error::custom))
        .map(Some)
}

/// Reads values of columns as text.
pub(super) fn cells<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<BTreeMap<String, String>, D::Error> {
    let values: BTreeMap<String, Value> = BTreeMap::deserialize(deserializer)?;
    let cells = values.into_iter().map(|(name, value)| Ok((name, cell(value)?)));
    cells.collect::<std::result::Result<_, String>>().map_err(de::Error::custom)
}

#[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|i| i as f64))
}
