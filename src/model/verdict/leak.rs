//! Columns and events that may leak the outcome into a model.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::dataset::features::role_measures;
use crate::model::Model;
use crate::warning::Finding;

/// Smallest importance of a measure that a model uses, in log-odds.
const USED: f64 = 1e-6;

/// A column or event that may leak the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspect {
    /// The column, or the event type.
    pub name: String,
    /// Code of the finding.
    pub code: &'static str,
}

/// Returns the suspects among the columns and events that a model uses, each once.
pub(super) fn suspects(model: &Model) -> Vec<Suspect> {
    let mut suspects: Vec<Suspect> = Vec::new();
    let mut add = |name: &str, code: &'static str| {
        if suspects.iter().all(|suspect| suspect.name != name) {
            suspects.push(Suspect { name: name.to_owned(), code });
        }
    };
    for finding in &model.findings {
        match finding {
            Finding::HighAuc { column, .. } | Finding::NearPure { column, .. } => {
                if uses_column(model, column) {
                    add(column, finding.code());
                }
            }
            Finding::AfterConversion { event, .. }
            | Finding::JustBeforeConversion { event, .. } => {
                if uses_event(model, event) {
                    add(event, finding.code());
                }
            }
            Finding::ModelAuc { .. } => {}
        }
    }
    // A model that is too good needs no further suspects if some are known.
    if suspects.is_empty() {
        for finding in &model.findings {
            if let Finding::ModelAuc { most_important, .. } = finding {
                suspects.extend(most_important.iter().map(|measure| Suspect {
                    name: measure.measure.clone(),
                    code: finding.code(),
                }));
            }
        }
    }
    suspects
}

/// Returns whether a model uses a feature, a level or a missing indicator of the leakage audit.
fn uses_column(model: &Model, column: &str) -> bool {
    let used = used_measures(model);
    model.preprocessor.features.iter().any(|encoder| {
        let feature = encoder.feature.as_str();
        let is_own = column
            .strip_prefix(feature)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            || column.strip_prefix("missing_") == Some(feature);
        is_own && used.contains(encoder.measure.as_str())
    })
}

/// Returns whether a model uses the counts of an event type, by itself or as one of its role.
fn uses_event(model: &Model, event: &str) -> bool {
    let Some(catalog) = &model.catalog else { return false };
    let used = used_measures(model);
    let is_counted = catalog.counted_events.iter().any(|counted| counted == event)
        && used.contains(format!("count_{event}").as_str());
    is_counted
        || catalog.roles.iter().any(|(role, events)| {
            events.iter().any(|name| name == event)
                && role_measures(role).iter().any(|measure| used.contains(measure))
        })
}

/// Returns the measures whose contribution varies between accounts.
fn used_measures(model: &Model) -> BTreeSet<&str> {
    let used = model.importance.iter().filter(|(_, importance)| *importance > USED);
    used.map(|(measure, _)| measure.as_str()).collect()
}
