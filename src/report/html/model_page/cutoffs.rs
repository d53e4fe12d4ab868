//! Conversions expected and observed, and the ranking, cutoff by cutoff.

use maud::{Markup, html};
use pql_stats::intervals::Interval;
use pql_stats::metrics::AtCutoff;

use super::context::ReportContext;
use crate::report::charts::{Area, Axis, Chart, Scale};
use crate::report::format::{between, four, number, three};
use crate::report::html::cutoff_axis::{cutoff_axis, cutoff_span};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

const HEIGHT: f64 = 240.0;

/// Returns how the model did on each cutoff of the test rows.
pub(super) fn cutoffs(context: &ReportContext<'_>) -> Markup {
    let Some(judgement) =
        context.model.judgement.as_ref().filter(|judgement| judgement.by_cutoff.len() > 1)
    else {
        return Markup::default();
    };
    let cutoffs = &judgement.by_cutoff;
    let auc = cutoffs.iter().any(|at| at.part.roc_auc.is_some()).then(|| auc(cutoffs));
    html! {
        section id="cutoffs" {
            h2 { "Cohort by cohort" }
            (paragraph("Each cohort of test rows alone: a model that ages shows here first."))
            (grid([conversions(cutoffs)].into_iter().chain(auc)))
        }
    }
}

fn table(cutoffs: &[AtCutoff]) -> Table {
    let row = |at: &AtCutoff| {
        let part = &at.part;
        let one = |v: f64| format!("{v:.1}");
        let counts = [
            cutoff_span(at),
            part.rows.to_string(),
            one(part.expected),
            between(part.expected_interval, one),
            part.conversions.to_string(),
        ];
        counts
            .into_iter()
            .chain([four(part.log_loss), four(part.roc_auc), between(part.roc_auc_interval, four)])
            .collect()
    };
    let header = ["cutoff", "rows", "expected", "95 %", "observed", "log loss", "ROC AUC", "95 %"];
    Table::new("By cutoff", &header, cutoffs.iter().map(row))
}

fn conversions(cutoffs: &[AtCutoff]) -> Figure<'static> {
    let most = cutoffs
        .iter()
        .map(|at| {
            at.part
                .expected_interval
                .map_or(at.part.expected, |interval| interval.high)
                .max(number(at.part.conversions))
        })
        .fold(1.0, f64::max);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &cutoff_axis(cutoffs),
        &Axis::new("conversions", Scale::rounded(0.0, most), |v| v.to_string(), true),
    );
    for (place, at) in cutoffs.iter().enumerate() {
        let (x, part) = (number(place), &at.part);
        let range = between(part.expected_interval, |v| format!("{v:.1}"));
        let title = format!(
            "{}: {} of {} rows convert, {:.1} expected, 95 % {range}",
            cutoff_span(at),
            part.conversions,
            part.rows,
            part.expected
        );
        if let Some(Interval { low, high }) = part.expected_interval {
            chart.bar([x - 0.3, x + 0.3], [low, high], ("range", &title));
        }
        chart.stroke((x - 0.3, part.expected), (x + 0.3, part.expected), "plain");
        chart.dot((x, number(part.conversions)), "yes", &title);
    }
    Figure {
        id: "cutoff-conversions",
        title: "Expected and observed",
        alt_text: "Conversions of each cohort of test rows: what the probabilities let expect, with its 95 % range, and what was observed."
            .to_owned(),
        caption: "The points should lie in the boxes, but for one in twenty.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "observed"), ("bar range", "expected, 95 %")],
        table: table(cutoffs),
    }
}

fn auc(cutoffs: &[AtCutoff]) -> Figure<'static> {
    let low = cutoffs
        .iter()
        .filter_map(|at| at.part.roc_auc_interval.map(|interval| interval.low).or(at.part.roc_auc))
        .fold(0.5, f64::min);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &cutoff_axis(cutoffs),
        &Axis::new("ROC AUC", Scale::rounded(low, 1.0), |v| format!("{v:.1}"), true),
    );
    chart.horizontal_line(0.5, "line reference");
    for (place, at) in cutoffs.iter().enumerate() {
        let Some(auc) = at.part.roc_auc else { continue };
        let title = format!(
            "{}: ROC AUC {}, 95 % {}",
            cutoff_span(at),
            three(auc),
            between(at.part.roc_auc_interval, three)
        );
        chart.estimate((number(place), auc), at.part.roc_auc_interval, "yes", &title);
    }
    Figure {
        id: "cutoff-auc",
        title: "Ranking by cutoff",
        alt_text:
            "ROC AUC inside of each cohort of test rows, with its 95 % interval; 0.5 is chance."
                .to_owned(),
        caption:
            "How well it ranks inside of each cohort; with few conversions the intervals are wide."
                .to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "ROC AUC, 95 %"), ("line reference", "chance")],
        table: table(cutoffs),
    }
}
