//! Axis and labels for cutoffs in order of time.

use pql_stats::metrics::CutoffMetrics;

use crate::report::charts::Axis;
use crate::time::iso_day;

/// Returns the date of the cutoffs, or their first and last date.
pub(super) fn cutoff_span(cohort: &CutoffMetrics) -> String {
    let [first, last] = [cohort.first, cohort.last].map(iso_day);
    if first == last { first } else { format!("{first} to {last}") }
}

/// Returns an axis of cohorts side by side, oldest first.
pub(super) fn cutoff_axis(cutoffs: &[CutoffMetrics]) -> Axis {
    let names: Vec<String> =
        cutoffs.iter().map(|cutoff| iso_day(cutoff.first)[5..].to_owned()).collect();
    Axis::items(&format!("first cutoff of the cohort, {}", &iso_day(cutoffs[0].first)[..4]), &names)
}
