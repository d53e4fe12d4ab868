//! Performance by cohort: expected and observed conversions, and the ranking.

use maud::{Markup, html};
use pql_stats::intervals::Interval;
use pql_stats::metrics::CutoffMetrics;

use super::context::ReportContext;
use crate::report::charts::{Area, Axis, AxisScale, Chart};
use crate::report::format::{
    counted, formatter_for_counts, four, grouped, interval_range, number, one_decimal, three,
};
use crate::report::html::cutoff_axis::{cutoff_axis, cutoff_span};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::time::Zone;

const HEIGHT: f64 = 240.0;

/// Returns the section about the test cohorts; nothing for a single cutoff.
pub(super) fn cutoffs(context: &ReportContext<'_>) -> Markup {
    let Some(evaluation) =
        context.model.evaluation.as_ref().filter(|evaluation| evaluation.by_cutoff.len() > 1)
    else {
        return Markup::default();
    };
    let (cutoffs, zone) = (&evaluation.by_cutoff, context.model.zone());
    let auc =
        cutoffs.iter().any(|cohort| cohort.metrics.roc_auc.is_some()).then(|| auc(cutoffs, zone));
    html! {
        section id="cutoffs" {
            h2 { "Performance by cohort" }
            (paragraph("Results for each test cohort, oldest first. If a model becomes outdated, the newest cohorts get worse."))
            (grid([conversions(cutoffs, zone)].into_iter().chain(auc)))
        }
    }
}

fn table(cutoffs: &[CutoffMetrics], zone: Zone) -> Table {
    let row = |cohort: &CutoffMetrics| {
        let metrics = &cohort.metrics;
        let one = one_decimal;
        let counts = [
            cutoff_span(cohort, zone),
            grouped(metrics.rows),
            one(metrics.expected),
            interval_range(metrics.expected_interval, one),
            grouped(metrics.conversions),
        ];
        counts
            .into_iter()
            .chain([
                four(metrics.log_loss),
                four(metrics.roc_auc),
                interval_range(metrics.roc_auc_interval, four),
            ])
            .collect()
    };
    let header =
        ["cutoff", "rows", "expected", "95% interval", "observed", "log loss", "ROC AUC", "95% CI"];
    Table::new("Performance by cohort", &header, cutoffs.iter().map(row))
}

fn conversions(cutoffs: &[CutoffMetrics], zone: Zone) -> Figure<'static> {
    let max = cutoffs
        .iter()
        .map(|cohort| {
            cohort
                .metrics
                .expected_interval
                .map_or(cohort.metrics.expected, |interval| interval.high)
                .max(number(cohort.metrics.conversions))
        })
        .fold(1.0, f64::max);
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &cutoff_axis(cutoffs, zone),
        &Axis::new("conversions", AxisScale::rounded(0.0, max), formatter_for_counts(max), true),
    );
    for (place, cohort) in cutoffs.iter().enumerate() {
        let (x, metrics) = (number(place), &cohort.metrics);
        let range = interval_range(metrics.expected_interval, |v| format!("{v:.1}"));
        let title = format!(
            "{}: {} of {} converted, {:.1} expected (95% interval {range})",
            cutoff_span(cohort, zone),
            grouped(metrics.conversions),
            counted(metrics.rows, "row"),
            metrics.expected
        );
        if let Some(Interval { low, high }) = metrics.expected_interval {
            chart.bar([x - 0.3, x + 0.3], [low, high], ("range", &title));
        }
        chart.stroke((x - 0.3, metrics.expected), (x + 0.3, metrics.expected), "plain");
        chart.dot((x, number(metrics.conversions)), "yes", &title);
    }
    Figure {
        id: "cutoff-conversions",
        title: "Expected and observed conversions",
        alt_text: "Expected conversions of each test cohort with their 95% prediction interval, and observed conversions."
            .to_owned(),
        caption: "Boxes show the range that the probabilities predict. About 95% of the dots should be inside.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "observed"), ("bar range", "expected, 95% interval")],
        table: table(cutoffs, zone),
    }
}

fn auc(cutoffs: &[CutoffMetrics], zone: Zone) -> Figure<'static> {
    let low = cutoffs
        .iter()
        .filter_map(|cohort| {
            cohort.metrics.roc_auc_interval.map(|interval| interval.low).or(cohort.metrics.roc_auc)
        })
        .fold(0.5, f64::min);
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &cutoff_axis(cutoffs, zone),
        &Axis::new("ROC AUC", AxisScale::rounded(low, 1.0), |v| format!("{v:.1}"), true),
    );
    chart.horizontal_line(0.5, "line reference");
    for (place, cohort) in cutoffs.iter().enumerate() {
        let Some(auc) = cohort.metrics.roc_auc else { continue };
        let title = format!(
            "{}: ROC AUC {} (95% CI {})",
            cutoff_span(cohort, zone),
            three(auc),
            interval_range(cohort.metrics.roc_auc_interval, three)
        );
        chart.estimate((number(place), auc), cohort.metrics.roc_auc_interval, "yes", &title);
    }
    Figure {
        id: "cutoff-auc",
        title: "ROC AUC by cohort",
        alt_text:
            "ROC AUC within each test cohort, with its 95% confidence interval; 0.5 is chance."
                .to_owned(),
        caption:
            "How well the model ranks the accounts within each cohort. Intervals are wide if there are few conversions."
                .to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "ROC AUC, 95% CI"), ("line reference", "chance")],
        table: table(cutoffs, zone),
    }
}
