//! An input of a definition that the log lacks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::counted;

/// An input that a definition needs and the log lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingInput {
    /// An event type.
    Event {
        /// The name.
        event: String,
        /// The most similar name in the log.
        suggestion: Option<String>,
    },
    /// A numeric property.
    Property {
        /// The property.
        property: String,
        /// The most similar property that is read.
        suggestion: Option<String>,
    },
    /// Enough event types.
    EventTypes {
        /// Number that the definition requires.
        required: u64,
        /// Number in the log.
        available: usize,
    },
    /// Users.
    Users,
}

impl MissingInput {
    /// Returns the most similar name in the log.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        match self {
            Self::Event { suggestion, .. } | Self::Property { suggestion, .. } => {
                suggestion.as_deref()
            }
            Self::EventTypes { .. } | Self::Users => None,
        }
    }
}

impl fmt::Display for MissingInput {
    /// Writes a verb phrase with the definition as its subject.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event { event, .. } => {
                write!(f, "counts `{event}`, which is not a usage event of the log")
            }
            Self::Property { property, .. } => {
                write!(f, "sums `{property}`, which is not in `events.values`")
            }
            Self::EventTypes { required, available } => write!(
                f,
                "requires {}, and the log has {available}",
                counted(*required, "event type")
            ),
            Self::Users => f.write_str("counts users, which the log does not have"),
        }
    }
}
