//! A challenger compared with the champion.

use pql_stats::metrics::{Difference, Evaluation};

use super::definition::{at_equal_volume, signed};
use super::evaluation::cutoff_range;
use super::{fixed, percent, signed_decimal, signed_range, table};
use crate::dataset::split_summary::SampleCounts;
use crate::model::score::TIERS;
use crate::operations::compare::{Comparison, ComparisonVerdict, GainAtCutoff, TierTransition};
use crate::report::format::{agree, counted, enumerated, grouped, wrap};
use crate::time::Zone;

/// Describes which model is better, by how much, and where they disagree.
///
/// # Arguments
/// * `[challenger, champion]` – labels of the models
/// * `zone` – of the days
pub(crate) fn comparison(
    comparison: &Comparison,
    [challenger, champion]: [&str; 2],
    zone: Zone,
) -> String {
    let e = &comparison.challenger.metrics;
    let difference = || format!("difference in log loss {}", with_interval(&comparison.log_loss));
    let headline = match comparison.verdict() {
        _ if comparison.identical => {
            return format!(
                "{challenger} and {champion} are identical on these rows\n{}",
                compared_rows(e)
            );
        }
        ComparisonVerdict::Better => {
            format!("{challenger} is better than {champion}: {}", difference())
        }
        ComparisonVerdict::Worse => {
            format!("{challenger} is worse than {champion}: {}", difference())
        }
        ComparisonVerdict::Undecided => {
            format!(
                "No significant difference between {challenger} and {champion}: {}",
                difference()
            )
        }
        ComparisonVerdict::NoVerdict => {
            let shortage = comparison.shortage().unwrap_or_default();
            format!("No verdict: {shortage} to compare {challenger} with {champion}")
        }
    };
    let mut text = wrap(&headline, "  ");
    text += &format!(
        "\n{}\n{}\n\n",
        compared_rows(e),
        model_verdicts(comparison, [challenger, champion])
    );
    text += &metrics(comparison, [challenger, champion]);
    text += &format!("\n\n{}", equal_volume(comparison, [challenger, champion]));
    text += &format!(
        "\n\n{}\n{}",
        wrap(
            &format!(
                "Rows (share converted) by tier of {champion} (down) and {challenger} (across)"
            ),
            "  "
        ),
        tiers(comparison)
    );
    if let Some(correlation) = comparison.rank_correlation {
        text += &format!("\nSpearman rank correlation of the two scores: {correlation:.3}");
    }
    if comparison.by_cutoff.len() > 1 {
        text += &format!(
            "\n\nLog loss of {challenger} minus {champion}, by cutoff\n{}",
            by_cutoff(comparison, zone)
        );
    }
    text
}

/// Describes the rows of the comparison.
fn compared_rows(e: &Evaluation) -> String {
    let sample = SampleCounts {
        rows: e.n,
        accounts: e.accounts,
        positive_rows: e.conversions,
        converting_accounts: e.converting_accounts,
    };
    format!("Compared on {}", sample.describe())
}

/// Lists the verdict on each model from its own test set, and the models without skill on the
/// compared rows.
fn model_verdicts(comparison: &Comparison, labels: [&str; 2]) -> String {
    let mut lines: Vec<String> = labels
        .iter()
        .zip(&comparison.model_verdicts)
        .map(|(label, verdict)| {
            wrap(&format!("{label} on its own test set: {}", verdict.headline()), "  ")
        })
        .collect();
    let without_skill = comparison.without_skill(labels);
    if !without_skill.is_empty() {
        let verb = agree(without_skill.len() as u64, ["has", "have"]);
        lines.push(format!("On these rows {} {verb} no skill", enumerated(&without_skill)));
    }
    lines.join("\n")
}

/// Formats a difference with its interval.
fn with_interval(difference: &Difference) -> String {
    format!(
        "{}{}",
        signed_difference(difference),
        range(difference).map_or(String::new(), |range| format!(" (95% CI {range})"))
    )
}

fn signed_difference(difference: &Difference) -> String {
    signed_decimal(difference.difference, difference.places())
}

fn range(difference: &Difference) -> Option<String> {
    difference.interval.map(|interval| signed_range(Some(interval), difference.places()))
}

fn metrics(comparison: &Comparison, labels: [&str; 2]) -> String {
    let [a, b] =
        [&comparison.challenger, &comparison.champion].map(|evaluation| &evaluation.metrics);
    let row = |name: &str,
               metric: fn(&Evaluation) -> Option<f64>,
               difference: Option<&Difference>| {
        let (one, other) = (metric(a), metric(b));
        let is_lift = name.starts_with("Lift");
        let gain = one.zip(other).map(|(one, other)| one - other);
        let signed = match (difference, gain) {
            (Some(difference), _) => signed_difference(difference),
            (None, Some(gain)) if is_lift => signed_decimal(gain, 2) + "×",
            (None, gain) => signed(gain),
        };
        let places = if name == "ROC AUC" { 3 } else { 4 };
        let format = |value| if is_lift { fixed(value, 2) + "×" } else { fixed(value, places) };
        vec![
            name.to_owned(),
            format(one),
            format(other),
            signed,
            difference.and_then(range).unwrap_or_default(),
        ]
    };
    let rows = vec![
        row("Log loss", |e| Some(e.log_loss.value), Some(&comparison.log_loss)),
        row("Brier score", |e| Some(e.brier.value), Some(&comparison.brier)),
        row("ROC AUC", |e| e.roc_auc.map(|auc| auc.value), comparison.roc_auc.as_ref()),
        row("Average precision", |e| e.average_precision, None),
        row("Precision, top 10%", |e| e.top_share(10).map(|top| top.precision), None),
        row("Lift, top 10%", |e| e.top_share(10).and_then(|top| top.lift), None),
        row(
            "Calibration-in-the-large",
            |e| e.calibration_in_the_large.map(|shift| shift.value),
            None,
        ),
        row("Calibration slope", |e| e.calibration_slope.map(|slope| slope.value), None),
        row("Expected calibration error", |e| Some(e.calibration_error.value), None),
    ];
    table(&["metric", labels[0], labels[1], "difference", "95% CI"], rows, 1..5)
}

fn equal_volume(comparison: &Comparison, labels: [&str; 2]) -> String {
    let at_volume = &comparison.at_equal_volume;
    let sides = [(labels[0], &at_volume.model), (labels[1], &at_volume.baseline)];
    let rows = format!(
        "The {} that {} qualifies, and the {} highest scores of {} (as many at each cutoff)",
        counted(at_volume.matched, "row"),
        labels[1],
        grouped(at_volume.matched),
        labels[0]
    );
    format!(
        "Conversions captured at equal volume\n{}\n{}",
        wrap(&rows, "  "),
        at_equal_volume(at_volume, sides, "difference")
    )
}

fn tiers(comparison: &Comparison) -> String {
    let row = |(tier, transitions): (&str, &[TierTransition; TIERS.len()])| {
        let cell = |transition: &TierTransition| {
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = transition.conversions as f64 / transition.rows.max(1) as f64;
            if transition.rows == 0 {
                "–".to_owned()
            } else {
                format!("{} ({})", grouped(transition.rows), percent(Some(share)))
            }
        };
        std::iter::once(tier.to_owned()).chain(transitions.iter().map(cell)).collect()
    };
    let header: Vec<&str> = std::iter::once("").chain(TIERS).collect();
    table(&header, TIERS.into_iter().zip(&comparison.tiers).map(row).collect(), 1..5)
}

fn by_cutoff(comparison: &Comparison, zone: Zone) -> String {
    let row = |gain: &GainAtCutoff| {
        let counts = [gain.rows, gain.conversions].map(grouped);
        let difference =
            [signed_difference(&gain.log_loss), range(&gain.log_loss).unwrap_or_default()];
        std::iter::once(cutoff_range(gain.first, gain.last, zone))
            .chain(counts)
            .chain(difference)
            .collect()
    };
    table(
        &["cutoff", "rows", "conversions", "difference", "95% CI"],
        comparison.by_cutoff.iter().map(row).collect(),
        1..5,
    )
}
