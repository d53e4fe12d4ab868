//! Axis and labels for cutoffs in order of time.

use pql_stats::metrics::CutoffMetrics;

use crate::report::charts::Axis;
use crate::time::Zone;

/// Returns the day of the cutoffs, or their first and last day.
pub(super) fn cutoff_span(cohort: &CutoffMetrics, zone: Zone) -> String {
    zone.days(cohort.first, cohort.last)
}

/// Returns an axis of cohorts side by side, oldest first.
pub(super) fn cutoff_axis(cutoffs: &[CutoffMetrics], zone: Zone) -> Axis {
    let days: Vec<String> =
        cutoffs.iter().map(|cutoff| zone.day(cutoff.first).to_string()).collect();
    let names: Vec<String> = days.iter().map(|day| day[5..].to_owned()).collect();
    Axis::items(&format!("first cutoff of the cohort, {}", &days[0][..4]), &names)
}
