//! Messages in JSON output.

use std::fmt;

use serde::Serialize;

use super::{Alarm, FeatureDrop, Finding, Unscored, Warning};

/// A message in JSON output: its code, text and data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// The stable code.
    pub code: &'static str,
    /// The text.
    pub text: String,
    /// Numbers and names of the text; null if none.
    pub data: serde_json::Value,
}

impl Message {
    fn new(code: &'static str, message: &(impl fmt::Display + Serialize)) -> Self {
        // An enum with data is an object whose only key is its variant; one without is a string.
        let data = match serde_json::to_value(message) {
            Ok(serde_json::Value::Object(variant)) => {
                variant.into_iter().next().map_or(serde_json::Value::Null, |(_, data)| data)
            }
            _ => serde_json::Value::Null,
        };
        Self { code, text: message.to_string(), data }
    }
}

impl From<&Warning> for Message {
    fn from(warning: &Warning) -> Self {
        match warning {
            Warning::LogFault(fault) => Self::new(fault.code(), fault),
            other => Self::new(other.code(), other),
        }
    }
}

impl From<&Finding> for Message {
    fn from(finding: &Finding) -> Self {
        Self::new(finding.code(), finding)
    }
}

impl From<&FeatureDrop> for Message {
    fn from(reason: &FeatureDrop) -> Self {
        Self::new(reason.code(), reason)
    }
}

impl From<&Unscored> for Message {
    fn from(reason: &Unscored) -> Self {
        Self::new(reason.code(), reason)
    }
}

impl From<&Alarm> for Message {
    fn from(alarm: &Alarm) -> Self {
        match alarm {
            Alarm::LogFault(fault) => Self::new(fault.code(), fault),
            other => Self::new(other.code(), other),
        }
    }
}
