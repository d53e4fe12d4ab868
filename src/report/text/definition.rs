//! The model compared with a PQL definition at equal volume.

use pql_stats::intervals::Interval;
use pql_stats::metrics::{CapturedConversions, EqualVolumeAtCutoff, EqualVolumeComparison};

use super::evaluation::cutoff_range;
use super::{count, decimal, fixed, signed_decimal, signed_range, table};
use crate::escape::one_line;
use crate::report::format::{counted, grouped, wrap_lines};
use crate::time::{Timestamp, Zone};

/// Describes how many conversions the definition and the same number of the model's highest scores
/// contain.
///
/// # Arguments
/// * `discovered_until` – end of the data on which the definition was discovered, if some rows are
///   older
pub(crate) fn definition_comparison(
    name: &str,
    discovered_until: Option<Timestamp>,
    comparison: &EqualVolumeComparison,
    zone: Zone,
) -> String {
    let mut text = format!("\nModel and definition `{}`", one_line(name));
    if comparison.matched > 0 {
        text += &format!(": {}", verdict(comparison));
    }
    text += &format!(
        "\nThe definition matches {} of {}",
        grouped(comparison.matched),
        counted(comparison.rows, "row")
    );
    if comparison.matched > 0 {
        text += &format!(
            ". They are compared with the {} highest scores of the model (as many at each cutoff).",
            grouped(comparison.matched)
        );
    }
    if let Some(until) = discovered_until {
        text += &format!(
            "\nIts numbers are optimistic: it was discovered on data until {}, which includes some of these rows",
            zone.short(until.0)
        );
    }
    text = wrap_lines(&text, "  ");
    if comparison.matched == 0 {
        return text;
    }
    let sides = [("definition", &comparison.baseline), ("model", &comparison.model)];
    text += &format!("\n{}", at_equal_volume(comparison, sides, "model - definition"));
    if comparison.by_cutoff.len() > 1 {
        let row = |comparison: &EqualVolumeAtCutoff| {
            let counts = [comparison.rows, comparison.conversions, comparison.matched].map(grouped);
            let captured = [comparison.baseline, comparison.model].map(count);
            std::iter::once(cutoff_range(comparison.first, comparison.last, zone))
                .chain(counts)
                .chain(captured)
                .collect()
        };
        let header = ["cutoff", "rows", "conversions", "matches", "by definition", "by model"];
        text += &format!(
            "\n\nConversions captured by cutoff\n{}",
            table(&header, comparison.by_cutoff.iter().map(row).collect(), 1..6)
        );
    }
    text
}

/// Formats a difference with its sign; empty for `None`.
pub(super) fn signed(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| signed_decimal(value, 4))
}

/// Formats the conversions, precision and recall of both sides, and the differences.
///
/// # Arguments
/// * `sides` – names and numbers, in the order of their rows
/// * `difference` – name of the last row
pub(super) fn at_equal_volume(
    comparison: &EqualVolumeComparison,
    sides: [(&str, &CapturedConversions); 2],
    difference: &str,
) -> String {
    let range = |interval: Option<Interval>| signed_range(interval, 4);
    let side = |(name, captured): (&str, &CapturedConversions)| {
        vec![
            name.to_owned(),
            count(captured.conversions),
            fixed(captured.precision, 4),
            String::new(),
            fixed(captured.recall, 4),
            String::new(),
        ]
    };
    let difference = vec![
        difference.to_owned(),
        signed_count(comparison.model.conversions - comparison.baseline.conversions),
        signed(comparison.precision_difference),
        range(comparison.precision_difference_interval),
        signed(comparison.recall_difference),
        range(comparison.recall_difference_interval),
    ];
    let rows = sides.into_iter().map(side).chain([difference]).collect();
    table(&["", "conversions", "precision", "95% CI", "recall", "95% CI"], rows, 1..6)
}

/// Formats a difference of counts with its sign.
fn signed_count(difference: f64) -> String {
    let text = count(difference);
    if difference > 0.0 && text != "0" { format!("+{text}") } else { text }
}

/// Returns which side captures more conversions, and how many rows the model needs to capture as
/// many as the definition.
fn verdict(comparison: &EqualVolumeComparison) -> String {
    let winner = match comparison.precision_difference_interval {
        Some(Interval { low, .. }) if low > 0.0 => "the model captures more conversions",
        Some(Interval { high, .. }) if high < 0.0 => "the definition captures more conversions",
        Some(_) => "no significant difference in captured conversions",
        None => "no verdict, too few conversions",
    };
    let rows = comparison.model_needs.map_or_else(String::new, |rows| {
        format!(
            "\nThe model captures the definition's {} in {} instead of {}",
            counted_conversions(comparison.baseline.conversions),
            counted(rows, "row"),
            grouped(comparison.matched)
        )
    });
    format!("{winner}{rows}")
}

/// Formats a number of conversions, which is a fraction if equal scores share some.
fn counted_conversions(conversions: f64) -> String {
    let text = decimal(conversions, 0);
    format!("{text} conversion{}", if text == "1" { "" } else { "s" })
}
