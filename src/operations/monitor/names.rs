//! Event types that stopped or began since training.

use serde::Serialize;

use crate::log::{Log, NewEvent, TrainingActivity, new_events};
use crate::warning::{Alarm, LogFault};

/// Differences between the event types of a log and those of training.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EventNameDrift {
    /// Number of event types in the last training days.
    pub known: usize,
    /// Event types unknown in training, the most frequent first.
    pub new: Vec<NewEvent>,
    /// Known event types that stopped, the most frequent first.
    pub gone: Vec<String>,
}

impl EventNameDrift {
    /// Compares the event types of a log with those of training.
    pub(super) fn new(log: &Log, reference: &TrainingActivity, alarms: &[Alarm]) -> Self {
        let gone = alarms.iter().filter_map(|alarm| match alarm {
            Alarm::LogFault(LogFault::EventGone { event, .. }) => Some(event.clone()),
            _ => None,
        });
        Self {
            known: reference.events.len(),
            new: new_events(log, reference),
            gone: gone.collect(),
        }
    }
}
