//! Columns and events that may leak the outcome into a model.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::dataset::features::role_measures;
use crate::model::Model;
use crate::model::encoder::{DesignColumn, Preprocessor, Term};
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
                if uses_column(&model.preprocessor, &model.fit.coef, column) {
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

/// Returns whether a model uses a feature, a level or a missing indicator of the leakage audit: one
/// of its design columns has a coefficient other than 0.
///
/// A level without a column of its own is the reference level or a rare one: all columns of its
/// feature together show it.
fn uses_column(preprocessor: &Preprocessor, coef: &[f64], column: &str) -> bool {
    let columns = preprocessor.columns();
    let uses = |is_own: &dyn Fn(&DesignColumn<'_>) -> bool| {
        columns.iter().zip(coef).any(|(own, coef)| is_own(own) && *coef != 0.0)
    };
    if columns.iter().any(|own| own.name == column && own.term != Term::Value) {
        return uses(&|own| own.name == column);
    }
    preprocessor.features.iter().enumerate().any(|(index, encoder)| {
        let is_level =
            column.strip_prefix(&encoder.feature).is_some_and(|rest| rest.starts_with('='));
        let is_number = column == encoder.feature;
        (is_level || is_number)
            && uses(&|own| own.feature == index && (is_level || own.term != Term::Missing))
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

#[cfg(test)]
mod tests {
    use polars::prelude::{Column, DataFrame};

    use super::*;
    use crate::config::DesignConfig;
    use crate::dataset::features::Feature;
    use crate::dataset::sorted_features::SortedFeatures;

    #[test]
    fn a_column_is_used_if_its_coefficient_is_not_0() {
        let number: Vec<Option<f64>> =
            (0..60).map(|row| (row % 5 > 0).then_some(f64::from(row))).collect();
        let text: Vec<&str> = (0..60).map(|row| ["free", "team", "paid"][row / 25]).collect();
        let columns = vec![Column::new("x".into(), number), Column::new("plan".into(), text)];
        let features: Vec<Feature> = ["x", "plan"].map(Feature::external).to_vec();
        let rows: Vec<u32> = (0..60).collect();
        let frame = DataFrame::new(60, columns).unwrap();
        let (preprocessor, _) = Preprocessor::fit(
            &SortedFeatures::new(&frame).unwrap(),
            &features,
            &rows,
            &DesignConfig::default(),
        )
        .unwrap();
        let names: Vec<String> = preprocessor.columns().into_iter().map(|own| own.name).collect();
        assert_eq!(names, ["x", "missing_x", "plan=paid", "plan=team"]);
        let used = |coef: [f64; 4]| {
            let audited = ["x", "missing_x", "plan=free", "plan=paid", "plan=team", "y"];
            let used = audited.into_iter().filter(|name| uses_column(&preprocessor, &coef, name));
            used.collect::<Vec<&str>>()
        };
        assert!(used([0.0; 4]).is_empty());
        assert_eq!(used([0.1, 0.0, 0.0, 0.0]), ["x"]);
        assert_eq!(used([0.0, 0.1, 0.0, 0.0]), ["missing_x"]);
        assert_eq!(used([0.0, 0.0, 0.0, 0.1]), ["plan=free", "plan=team"], "the reference level");
    }
}
