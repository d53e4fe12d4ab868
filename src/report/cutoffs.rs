//! Conversions expected and observed, and the ranking, cutoff by cutoff.

use super::Seen;
use super::chart::{About, Area, Axis, Chart, Scale, Spread};
use super::html::{Figure, Html, Table};
use super::words::{between, four, number, three};
use crate::evaluate::AtCutoff;
use crate::time::iso_day;

const HEIGHT: f64 = 240.0;
/// Cutoffs that are named on the axis.
const NAMED: usize = 5;

/// Put how the model did on each cutoff of the test rows.
pub(super) fn cutoffs(seen: &Seen<'_>, body: &mut Html) {
    let Some(judgement) = seen.model.judgement.as_ref().filter(|judgement| judgement.by_cutoff.len() > 1) else { return };
    let cutoffs = &judgement.by_cutoff;
    body.section("cutoffs", "Cohort by cohort");
    body.paragraph("Each cohort of test rows alone: a model that ages shows here first.").raw("<div class=\"grid\">\n");
    body.figure(&conversions(cutoffs));
    if cutoffs.iter().any(|at| at.part.roc_auc.is_some()) {
        body.figure(&auc(cutoffs));
    }
    body.raw("</div></section>\n");
}

/// The cutoff, or the first and the last one.
pub(super) fn span(at: &AtCutoff) -> String {
    let [first, last] = [at.first, at.last].map(iso_day);
    if first == last { first } else { format!("{first} to {last}") }
}

/// Cutoffs side by side, the oldest first.
pub(super) fn across(cutoffs: &[AtCutoff]) -> Axis {
    let every = cutoffs.len().div_ceil(NAMED);
    let named = cutoffs.iter().enumerate().step_by(every);
    let ticks = named.map(|(at, cutoff)| (number(at), iso_day(cutoff.first)[5..].to_owned())).collect();
    let scale = Scale::new(Spread::Linear, -0.5, number(cutoffs.len()) - 0.5);
    Axis { label: format!("first cutoff, {}", &iso_day(cutoffs[0].first)[..4]), scale, ticks }
}

fn table(cutoffs: &[AtCutoff]) -> Table {
    let row = |at: &AtCutoff| {
        let part = &at.part;
        let one = |v: f64| format!("{v:.1}");
        let counts = [span(at), part.rows.to_string(), one(part.expected), between(part.expected_95, one), part.conversions.to_string()];
        counts.into_iter().chain([four(part.log_loss), four(part.roc_auc), between(part.roc_auc_95, four)]).collect()
    };
    let header = ["cutoff", "rows", "expected", "95 %", "observed", "log loss", "ROC AUC", "95 %"];
    Table::new("By cutoff", &header, cutoffs.iter().map(row).collect())
}

fn conversions(cutoffs: &[AtCutoff]) -> Figure<'static> {
    let most = cutoffs
        .iter()
        .map(|at| at.part.expected_95.map_or(at.part.expected, |[_, high]| high).max(number(at.part.conversions)))
        .fold(1.0, f64::max);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &across(cutoffs),
        &Axis::new("conversions", Scale::rounded(0.0, most), |v| v.to_string(), true),
    );
    for (place, at) in cutoffs.iter().enumerate() {
        let (x, part) = (number(place), &at.part);
        let range = between(part.expected_95, |v| format!("{v:.1}"));
        let title =
            format!("{}: {} of {} rows convert, {:.1} expected, 95 % {range}", span(at), part.conversions, part.rows, part.expected);
        if let Some([low, high]) = part.expected_95 {
            chart.bar([x - 0.3, x + 0.3], [low, high], ("range", &title));
        }
        chart.stroke((x - 0.3, part.expected), (x + 0.3, part.expected), "plain");
        chart.dot((x, number(part.conversions)), "yes", &title);
    }
    let title = "Expected and observed";
    let about = About {
        id: "cutoff-conversions",
        title,
        description: "Conversions of each cohort of test rows: what the probabilities let expect, with its 95 % range, and what was observed.",
    };
    Figure {
        title,
        about: "The points should lie in the boxes, but for one in twenty.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("dot yes", "observed"), ("bar range", "expected, 95 %")],
        table: table(cutoffs),
    }
}

fn auc(cutoffs: &[AtCutoff]) -> Figure<'static> {
    let low = cutoffs.iter().filter_map(|at| at.part.roc_auc_95.map(|[low, _]| low).or(at.part.roc_auc)).fold(0.5, f64::min);
    let mut chart =
        Chart::new(Area::of_height(HEIGHT), &across(cutoffs), &Axis::new("ROC AUC", Scale::rounded(low, 1.0), |v| format!("{v:.1}"), true));
    chart.level(0.5, "line reference");
    for (place, at) in cutoffs.iter().enumerate() {
        let Some(auc) = at.part.roc_auc else { continue };
        if let Some([low, high]) = at.part.roc_auc_95 {
            chart.stroke((number(place), low), (number(place), high), "yes");
        }
        chart.dot(
            (number(place), auc),
            "yes",
            &format!("{}: ROC AUC {}, 95 % {}", span(at), three(auc), between(at.part.roc_auc_95, three)),
        );
    }
    let title = "Ranking by cutoff";
    let about = About {
        id: "cutoff-auc",
        title,
        description: "ROC AUC inside of each cohort of test rows, with its 95 % interval; 0.5 is chance.",
    };
    Figure {
        title,
        about: "How well it ranks inside of each cohort; with few conversions the intervals are wide.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("dot yes", "ROC AUC, 95 %"), ("line reference", "chance")],
        table: table(cutoffs),
    }
}
