//! A PQL definition against the model.

use pql_stats::intervals::Interval;
use pql_stats::metrics::{AgainstRule, Found, RuleAtCutoff};

use super::judgement::{shown, span};
use super::table;

/// What both find at equal volume, and how many rows the model needs to find as much as the
/// definition.
pub(crate) fn against_definition(
    name: &str,
    found_until: Option<&str>,
    of: &AgainstRule,
) -> String {
    let mut text = format!(
        "\nThe definition `{name}` has held for {} of {} rows; as many of the model's best at each cutoff",
        of.held, of.rows
    );
    if let Some(until) = found_until {
        text += &format!(
            "\nIt was found on data until {until}, which some of the rows are older than: they flatter it"
        );
    }
    if of.held == 0 {
        return text;
    }
    let sides = [("definition", &of.rule), ("model", &of.model)];
    let mut text =
        format!("{text}\n{}\n{}", at_equal_volume(of, sides, "model less definition"), verdict(of));
    if of.by_cutoff.len() > 1 {
        let row = |at: &RuleAtCutoff| {
            let counts = [at.rows, at.conversions, at.held].map(|n| n.to_string());
            let found = [at.rule, at.model].map(|n| format!("{n:.1}"));
            std::iter::once(span(at.first, at.last)).chain(counts).chain(found).collect()
        };
        let header = ["cutoff", "rows", "conversions", "held", "by definition", "by model"];
        text += &format!("\n\n{}", table(&header, of.by_cutoff.iter().map(row).collect(), 1..6));
    }
    text
}

pub(crate) fn signed(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:+.4}"))
}

/// What both find at equal volume, and what the model finds more.
///
/// # Arguments
/// * `sides` – names and numbers, in the order of their lines
/// * `difference` – what the last line is called
pub(crate) fn at_equal_volume(
    of: &AgainstRule,
    sides: [(&str, &Found); 2],
    difference: &str,
) -> String {
    let interval = |of: Option<Interval>| {
        of.map_or_else(String::new, |Interval { low, high }| format!("{low:+.4} to {high:+.4}"))
    };
    let side = |(who, found): (&str, &Found)| {
        vec![
            who.to_owned(),
            format!("{:.1}", found.conversions),
            shown(found.precision),
            String::new(),
            shown(found.recall),
            String::new(),
        ]
    };
    let difference = vec![
        difference.to_owned(),
        format!("{:+.1}", of.model.conversions - of.rule.conversions),
        signed(of.precision_difference),
        interval(of.precision_difference_interval),
        signed(of.recall_difference),
        interval(of.recall_difference_interval),
    ];
    let rows = sides.into_iter().map(side).chain([difference]).collect();
    table(&["", "conversions", "precision", "95 %", "recall", "95 %"], rows, 1..6)
}

/// Who finds more, and what the model would have to be given to find as much.
fn verdict(of: &AgainstRule) -> String {
    let who = match of.precision_difference_interval {
        Some(Interval { low, .. }) if low > 0.0 => "The model finds more.",
        Some(Interval { high, .. }) if high < 0.0 => "The definition finds more.",
        _ => "Neither finds more beyond chance.",
    };
    let rows = of.model_needs.map_or_else(String::new, |rows| {
        format!(
            " For the {:.0} conversions of the definition's {} rows the model needs {rows}.",
            of.rule.conversions, of.held
        )
    });
    format!("{who}{rows}")
}
