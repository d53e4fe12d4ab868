//! A challenger against the champion.

use pql_stats::intervals::Interval;
use pql_stats::metrics::{Difference, Evaluation};

use super::judgement::{shown, span};
use super::rule::{at_equal_volume, signed};
use super::table;
use crate::model::score::TIERS;
use crate::operations::compare::{Comparison, GainAtCutoff, Move, Verdict};

/// Who is better, by what, and where they disagree; labels of challenger and champion.
pub(crate) fn comparison(of: &Comparison, [challenger, champion]: [&str; 2]) -> String {
    let e = &of.challenger.evaluation;
    let first = match of.verdict {
        Verdict::Better => format!("{challenger} is better than {champion}"),
        Verdict::Worse => format!("{challenger} is worse than {champion}"),
        Verdict::Undecided if of.alike => {
            format!("{challenger} and {champion} give every row the same probability")
        }
        Verdict::Undecided => {
            format!("The rows do not tell whether {challenger} or {champion} is better")
        }
    };
    let mut text = format!("{first}: log loss {}\n", with_interval(&of.log_loss));
    text += &format!("{} rows of {} accounts, {} converted\n\n", e.n, e.accounts, e.conversions);
    text += &metrics(of, [challenger, champion]);
    text += &format!("\n\n{}", equal_volume(of, [challenger, champion]));
    text += &format!(
        "\n\nRows by tier, of {champion} down and of {challenger} across: rows (share that converted)\n{}",
        tiers(of)
    );
    if let Some(correlation) = of.rank_correlation {
        text += &format!("\nThe two rankings correlate with {correlation:.3} (Spearman)");
    }
    if of.by_cutoff.len() > 1 {
        text += &format!(
            "\n\nLog loss of {challenger} less that of {champion}, by cutoff\n{}",
            by_cutoff(of)
        );
    }
    text
}

/// A difference with its interval.
fn with_interval(difference: &Difference) -> String {
    format!(
        "{}{}",
        less(difference),
        ends(difference).map_or(String::new(), |ends| format!(" (95 % {ends})"))
    )
}

fn less(difference: &Difference) -> String {
    format!("{:+.*}", difference.places(), difference.difference)
}

fn ends(difference: &Difference) -> Option<String> {
    let places = difference.places();
    difference.interval.map(|Interval { low, high }| format!("{low:+.places$} to {high:+.places$}"))
}

fn metrics(of: &Comparison, labels: [&str; 2]) -> String {
    let [a, b] = [&of.challenger, &of.champion].map(|judgement| &judgement.evaluation);
    let row =
        |name: &str, metric: fn(&Evaluation) -> Option<f64>, difference: Option<&Difference>| {
            let (one, other) = (metric(a), metric(b));
            let less = difference
                .map_or_else(|| signed(one.zip(other).map(|(one, other)| one - other)), less);
            vec![
                name.to_owned(),
                shown(one),
                shown(other),
                less,
                difference.and_then(ends).unwrap_or_default(),
            ]
        };
    let rows = vec![
        row("log loss", |e| Some(e.log_loss.value), Some(&of.log_loss)),
        row("Brier", |e| Some(e.brier.value), Some(&of.brier)),
        row("ROC AUC", |e| e.roc_auc.map(|auc| auc.value), of.roc_auc.as_ref()),
        row("average precision", |e| e.average_precision, None),
        row("precision, top 10 %", |e| e.top_share(10).map(|top| top.precision), None),
        row("lift, top 10 %", |e| e.top_share(10).and_then(|top| top.lift), None),
        row(
            "calibration in the large",
            |e| e.calibration_in_the_large.map(|shift| shift.value),
            None,
        ),
        row("calibration slope", |e| e.calibration_slope.map(|slope| slope.value), None),
        row("calibration error", |e| Some(e.calibration_error.value), None),
    ];
    table(&["metric", labels[0], labels[1], "difference", "95 %"], rows, 1..5)
}

fn equal_volume(of: &Comparison, labels: [&str; 2]) -> String {
    let against = &of.at_equal_volume;
    let sides = [(labels[0], &against.model), (labels[1], &against.rule)];
    format!(
        "{} qualifies {} rows by its threshold; as many of {}'s best at each cutoff\n{}",
        labels[1],
        against.held,
        labels[0],
        at_equal_volume(against, sides, "difference")
    )
}

fn tiers(of: &Comparison) -> String {
    let row = |(tier, moves): (&str, &[Move; TIERS.len()])| {
        let cell = |of: &Move| {
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = 100.0 * of.conversions as f64 / of.rows.max(1) as f64;
            if of.rows == 0 { "–".to_owned() } else { format!("{} ({share:.1} %)", of.rows) }
        };
        std::iter::once(tier.to_owned()).chain(moves.iter().map(cell)).collect()
    };
    let header: Vec<&str> = std::iter::once("").chain(TIERS).collect();
    table(&header, TIERS.into_iter().zip(&of.tiers).map(row).collect(), 1..5)
}

fn by_cutoff(of: &Comparison) -> String {
    let row = |at: &GainAtCutoff| {
        let counts = [at.rows, at.conversions].map(|n| n.to_string());
        let difference = [less(&at.log_loss), ends(&at.log_loss).unwrap_or_default()];
        std::iter::once(span(at.first, at.last)).chain(counts).chain(difference).collect()
    };
    table(
        &["cutoff", "rows", "conversions", "difference", "95 %"],
        of.by_cutoff.iter().map(row).collect(),
        1..5,
    )
}
