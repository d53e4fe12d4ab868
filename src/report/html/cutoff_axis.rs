//! Cutoffs in order of time, as an axis and in words.

use pql_stats::metrics::AtCutoff;

use crate::report::charts::Axis;
use crate::time::iso_day;

/// Returns the cutoff, or the first and the last one.
pub(super) fn cutoff_span(at: &AtCutoff) -> String {
    let [first, last] = [at.first, at.last].map(iso_day);
    if first == last { first } else { format!("{first} to {last}") }
}

/// Returns an axis of cutoffs side by side, the oldest first.
pub(super) fn cutoff_axis(cutoffs: &[AtCutoff]) -> Axis {
    let names: Vec<String> =
        cutoffs.iter().map(|cutoff| iso_day(cutoff.first)[5..].to_owned()).collect();
    Axis::items(&format!("first cutoff, {}", &iso_day(cutoffs[0].first)[..4]), &names)
}
