//! The text of `pql explain`: a score, its contributions, and what changes with other values.

use pql_stats::intervals::Interval;

use super::{signed_decimal, table, table_with_bars};
use crate::model::Model;
use crate::model::explain::{MIN_CONTRIBUTION, describe_measure};
use crate::model::score::{Contribution, Explanation};
use crate::names::with_equal_places;
use crate::report::format::{counted, percents, rounded_terms, wrap, wrapped_lines};

/// The widest text of a reason in a table.
const REASON_WIDTH: usize = 86;

/// The widest text of a reason before a bar.
const REASON_WIDTH_WITH_BAR: usize = 72;

/// Describes a score: probability, interval, tier, rank, and whether it qualifies.
pub(crate) fn describe_score(explanation: &Explanation, threshold: Option<f64>) -> String {
    let bounds = explanation.probability_interval.map(|Interval { low, high }| [low, high]);
    let shares = [explanation.probability].into_iter().chain(bounds.into_iter().flatten());
    let mut percents = percents(&shares.chain(threshold).collect::<Vec<_>>());
    if let Some(bounds) = bounds {
        let equal = with_equal_places(bounds, &percents[1..3]);
        percents[1..3].clone_from_slice(&equal);
    }
    let mut percents = percents.into_iter();
    let mut next = || percents.next().unwrap_or_default();
    let mut text = next();
    if bounds.is_some() {
        text += &format!(" (95% CI {} to {})", next(), next());
    }
    text += &format!(", tier {}, {}", explanation.tier, rank(explanation.percentile));
    if threshold.is_some() {
        let side = if explanation.reaches_threshold { "reaches" } else { "below" };
        text += &format!(", {side} the threshold of {}", next());
    }
    text
}

/// Describes a percentile of the training rows; only the extremes are 0% and 100%.
fn rank(percentile: f64) -> String {
    if percentile >= 100.0 {
        "above all training rows".to_owned()
    } else if percentile <= 0.0 {
        "below all training rows".to_owned()
    } else {
        format!("above {:.1}% of the training rows", percentile.clamp(0.1, 99.9))
    }
}

/// Returns the contributions and their sum as a table: for each family its reason, then its other
/// measures.
pub(crate) fn contributions(model: &Model, explanation: &Explanation, bars: bool) -> String {
    let width = if bars { REASON_WIDTH_WITH_BAR } else { REASON_WIDTH };
    let mut rows = WrappedRows { width, rows: Vec::new(), sizes: Vec::new() };
    let (parts, rest): (Vec<&Contribution>, Vec<&Contribution>) = explanation
        .contributions
        .iter()
        .partition(|part| part.contribution.abs() > MIN_CONTRIBUTION);
    let negligible: f64 = rest.iter().map(|part| part.contribution).sum();
    let terms: Vec<f64> = parts.iter().map(|part| part.contribution).collect();
    let terms = [&[explanation.base, negligible], &terms[..], explanation.calibration.as_slice()];
    let rounded = rounded_terms(&terms.concat(), explanation.log_odds);
    rows.push("typical account", Some(rounded[0]), 0.0);
    for (part, contribution) in parts.into_iter().zip(&rounded[2..]) {
        rows.push(&part.reason, Some(*contribution), part.contribution);
        let others = other_measures(model, part);
        if !others.is_empty() {
            rows.push(&format!("  with {others}"), None, 0.0);
        }
    }
    let rest: Vec<&str> =
        rest.into_iter().flat_map(|part| &part.family).map(String::as_str).collect();
    if !rest.is_empty() {
        let names = describe_measures(model, &rest);
        rows.push(&format!("typical or negligible: {names}"), Some(rounded[1]), 0.0);
    }
    if explanation.calibration.is_some() {
        rows.push("calibration", rounded.last().copied(), 0.0);
    }
    rows.push("sum", Some(explanation.log_odds), 0.0);
    let WrappedRows { rows, sizes, .. } = rows;
    table_with_bars(&["", "log-odds"], rows, 1..2, &sizes, bars)
}

/// Rows of a table of log-odds. A long text continues in further rows.
struct WrappedRows {
    /// The widest text.
    width: usize,
    rows: Vec<Vec<String>>,
    /// Size of the bar of each row; 0: none.
    sizes: Vec<f64>,
}

impl WrappedRows {
    fn push(&mut self, text: &str, value: Option<f64>, size: f64) {
        let value = value.map_or_else(String::new, |value| signed_decimal(value, 2));
        let lines = wrap_cells(text, self.width, &[value]);
        self.sizes.push(size);
        self.sizes.resize(self.sizes.len() + lines.len() - 1, 0.0);
        self.rows.extend(lines);
    }
}

/// Breaks a text into the first cells of rows, of which the first also has the other cells.
fn wrap_cells(text: &str, width: usize, others: &[String]) -> Vec<Vec<String>> {
    let start: String = text.chars().take_while(|c| *c == ' ').collect();
    let mut lines = wrapped_lines(text, width, &format!("{start}  ")).into_iter();
    let first = lines.next().into_iter().chain(others.iter().cloned()).collect();
    std::iter::once(first).chain(lines.map(|line| vec![line])).collect()
}

/// Describes the measures of a family other than that of its reason.
fn other_measures(model: &Model, part: &Contribution) -> String {
    let named = part.features.iter().find(|member| part.feature.as_ref() == Some(&member.feature));
    let others: Vec<&str> = part
        .family
        .iter()
        .filter(|measure| named.is_none_or(|named| named.measure != **measure))
        .map(String::as_str)
        .collect();
    describe_measures(model, &others)
}

/// Describes measures: `events, logins, active days`.
fn describe_measures(model: &Model, measures: &[&str]) -> String {
    let describe = |measure: &&str| describe_measure(&model.preprocessor, measure);
    measures.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// Returns the contributions of families and of each of their features, with the names that
/// `--what-if` takes.
pub(crate) fn named_contributions(explanation: &Explanation) -> String {
    /// The narrowest and widest texts of a reason.
    const REASON_WIDTHS: (usize, usize) = (30, 54);
    /// The width of a table.
    const WIDTH: usize = 88;
    // Names are not shortened, because `--what-if` takes them.
    let names = explanation.contributions.iter().flat_map(|part| &part.features);
    let longest = names.map(|member| member.feature.chars().count() + 2).max().unwrap_or(0);
    let reason_width = WIDTH.saturating_sub(longest).clamp(REASON_WIDTHS.0, REASON_WIDTHS.1);
    let line = |text: &str, name: &str, value: f64| {
        let lines = wrap_cells(text, reason_width, &[signed_decimal(value, 2)]).into_iter();
        let names = std::iter::once(name.to_owned()).chain(std::iter::repeat(String::new()));
        names.zip(lines).map(|(name, cells)| [vec![name], cells].concat()).collect::<Vec<_>>()
    };
    let terms: Vec<f64> = explanation.contributions.iter().map(|part| part.contribution).collect();
    let terms = [&[explanation.base], &terms[..], explanation.calibration.as_slice()].concat();
    let rounded = rounded_terms(&terms, explanation.log_odds);
    let mut rows = line("", "typical account", rounded[0]);
    for (part, contribution) in explanation.contributions.iter().zip(&rounded[1..]) {
        let single = part.features.len() == 1;
        if !single {
            let count = counted(part.features.len() as u64, "feature");
            rows.extend(line("", &format!("{} ({count})", part.family[0]), *contribution));
        }
        let members: Vec<f64> = part.features.iter().map(|member| member.contribution).collect();
        for (member, value) in part.features.iter().zip(rounded_terms(&members, *contribution)) {
            let indent = if single { "" } else { "  " };
            let name = format!("{indent}{}", member.feature);
            rows.extend(line(&member.reason, &name, value));
        }
    }
    if explanation.calibration.is_some() {
        rows.extend(line("", "calibration", rounded[rounded.len() - 1]));
    }
    rows.extend(line("", "sum", explanation.log_odds));
    table(&["", "", "log-odds"], rows, 2..3)
}

/// Returns a line for each value that counts as another value; empty without any.
pub(crate) fn adjusted_values(values: &[&String], most: usize) -> String {
    if values.is_empty() {
        return String::new();
    }
    let mut text = "\n\nValues beyond the training rows".to_owned();
    for value in values.iter().take(most) {
        text += &format!("\n{}", wrap(value, "  "));
    }
    match values.len().saturating_sub(most) {
        0 => text,
        more => text + &format!("\nand {} (see `-v`)", counted(more as u64, "other value")),
    }
}

/// Returns the score with the replaced values, and the contributions that differ.
pub(crate) fn what_if(
    model: &Model,
    before: &Explanation,
    after: &Explanation,
    replacements: &[String],
) -> String {
    /// Maximum width of the measures, next to two columns of log-odds.
    const MEASURES_WIDTH: usize = 83;
    let mut rows = Vec::new();
    for part in &after.contributions {
        let was = before.contributions.iter().find(|b| b.family == part.family);
        let was = was.map_or(0.0, |b| b.contribution);
        if part.contribution != was {
            let measures: Vec<&str> = part.family.iter().map(String::as_str).collect();
            let values = [was, part.contribution].map(|value| signed_decimal(value, 2));
            rows.extend(wrap_cells(&describe_measures(model, &measures), MEASURES_WIDTH, &values));
        }
    }
    let new_values = after.adjusted_values.iter();
    let new_values: Vec<&String> =
        new_values.filter(|value| !before.adjusted_values.contains(value)).collect();
    rows.push(vec![
        "sum".to_owned(),
        signed_decimal(before.log_odds, 2),
        signed_decimal(after.log_odds, 2),
    ]);
    format!(
        "\n\n{}\n\n{}{}\n\nAccounts with such values convert at this rate. It is not the effect of changing the values.",
        wrap(&format!("With {}: {}", replacements.join(", "), describe_score(after, None)), "  "),
        table(&["log-odds", "now", "what if"], rows, 1..3),
        adjusted_values(&new_values, usize::MAX)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_continue_in_further_rows() {
        let mut rows = WrappedRows { width: 20, rows: Vec::new(), sizes: Vec::new() };
        rows.push("growth in logins: 3.04 (typical: 0)", Some(0.5), 0.5);
        rows.push("  with events, logins, active days", None, 0.0);
        let texts: Vec<&str> = rows.rows.iter().map(|row| row[0].as_str()).collect();
        let expected = [
            "growth in logins:",
            "  3.04 (typical: 0)",
            "  with events,",
            "    logins, active",
            "    days",
        ];
        assert_eq!(texts, expected);
        assert_eq!(rows.rows[0][1], "+0.50");
        assert_eq!(rows.rows[1].len(), 1, "no value in the second line");
        assert_eq!(rows.sizes, [0.5, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_bounds_of_a_probability_have_as_many_digits() {
        let explanation = Explanation {
            probability: 0.0014,
            probability_interval: Some(Interval { low: 0.0, high: 0.0059 }),
            percentile: 50.0,
            tier: "D",
            reaches_threshold: false,
            log_odds: -6.5,
            base: -3.0,
            calibration: None,
            contributions: Vec::new(),
            adjusted_values: Vec::new(),
        };
        assert_eq!(
            describe_score(&explanation, None),
            "0.14% (95% CI 0.00% to 0.59%), tier D, above 50.0% of the training rows"
        );
    }

    #[test]
    fn only_the_extremes_are_above_all_or_no_rows() {
        assert_eq!(rank(96.52), "above 96.5% of the training rows");
        assert_eq!(rank(99.99), "above 99.9% of the training rows");
        assert_eq!(rank(0.01), "above 0.1% of the training rows");
        assert_eq!([100.0, 0.0].map(rank), ["above all training rows", "below all training rows"]);
    }
}
