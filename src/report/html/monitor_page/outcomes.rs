//! Outcomes of accounts scored in earlier runs.

use maud::{Markup, html};
use pql_stats::intervals::Interval;
use pql_stats::metrics::{Evaluation, SubsetMetrics};

use crate::operations::monitor::{RealizedPerformance, RunPerformance};
use crate::report::charts::{Area, Axis, AxisScale, Chart, HEIGHT};
use crate::report::format::{counted, four, grouped, interval_range, number, percent, three};
use crate::report::html::calibration::{BinSeries, calibration_curves};
use crate::report::html::elements::{Figure, Table, estimate_row, grid, metric_row, paragraph};

/// Returns the section about predictions and outcomes.
pub(super) fn outcomes(realized: &RealizedPerformance) -> Markup {
    let scored = BinSeries { name: "earlier runs", class: "yes", bins: &realized.reliability };
    let runs = (realized.runs.len() > 1).then(|| runs(&realized.runs));
    html! {
        section id="outcomes" {
            h2 { "Outcomes of earlier scores" }
            (paragraph("All intervals are 95% confidence intervals (95% CI). The horizons of consecutive runs overlap, so one conversion can count in several runs."))
            (grid([calibration_curves(&[scored])].into_iter().chain(runs)))
            div.pair {
                (metrics(&realized.evaluation))
                @if let Some(groups) = &realized.holdout { (holdout(groups)) }
            }
        }
    }
}

fn holdout([held, others]: &[SubsetMetrics; 2]) -> Table {
    let row = |who: &str, metrics: &SubsetMetrics| {
        vec![
            who.to_owned(),
            grouped(metrics.rows),
            four(metrics.mean_probability),
            four(metrics.observed_rate),
            interval_range(metrics.observed_rate_interval, four),
        ]
    };
    let rows = vec![row("holdout (not contacted)", held), row("others", others)];
    Table::new(
        "Holdout and other accounts",
        &["group", "rows", "predicted", "converted", "95% CI"],
        rows,
    )
}

fn metrics(e: &Evaluation) -> Table {
    let rows = vec![
        metric_row(
            "Predicted conversion rate",
            Some(e.expected_conversions / number(e.n)),
            None,
            "mean probability",
        ),
        metric_row("Observed conversion rate", Some(e.base_rate), None, ""),
        estimate_row("Calibration in the large", e.calibration_in_the_large, "0 is ideal"),
        estimate_row("Calibration slope", e.calibration_slope, "1 is ideal"),
        estimate_row("ROC AUC", e.roc_auc, "0.5 is chance"),
        estimate_row("Log loss", e.log_loss, ""),
    ];
    Table::new("Predictions and outcomes", &["metric", "value", "95% CI", "note"], rows)
}

/// Returns the predicted and observed conversion rate of each run.
fn runs(runs: &[RunPerformance]) -> Figure<'static> {
    let name =
        |run: &RunPerformance| run.scored_at.map_or(String::new(), |time| time.day().to_string());
    let days: Vec<String> =
        runs.iter().map(|run| name(run).get(5..).unwrap_or_default().to_owned()).collect();
    let x = Axis::items("date of the run", &days);
    let ends = |metrics: &SubsetMetrics| {
        metrics
            .observed_rate_interval
            .map_or(0.0, |interval| interval.high)
            .max(metrics.mean_probability.unwrap_or(0.0))
    };
    let max = runs.iter().map(|run| ends(&run.metrics)).fold(0.01, f64::max);
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &x,
        &Axis::new("conversion rate", AxisScale::rounded(0.0, max), percent, true),
    );
    for (index, run) in runs.iter().enumerate() {
        let (x, metrics) = (number(index), &run.metrics);
        let shares = [metrics.mean_probability, metrics.observed_rate]
            .map(|share| share.map_or("–".to_owned(), percent));
        let title = format!(
            "{}, model {}: {}, {} predicted, {} converted",
            name(run),
            run.model,
            counted(metrics.rows, "row"),
            shares[0],
            shares[1]
        );
        if let Some(Interval { low, high }) = metrics.observed_rate_interval {
            chart.stroke((x, low), (x, high), "yes");
        }
        if let Some(predicted) = metrics.mean_probability {
            chart.stroke((x - 0.3, predicted), (x + 0.3, predicted), "chosen");
        }
        if let Some(converted) = metrics.observed_rate {
            chart.dot((x, converted), "yes", &title);
        }
    }
    let row = |run: &RunPerformance| {
        let metrics = &run.metrics;
        let counts =
            [name(run), run.model.clone(), grouped(metrics.rows), grouped(metrics.conversions)];
        counts
            .into_iter()
            .chain([
                four(metrics.mean_probability),
                four(metrics.observed_rate),
                interval_range(metrics.observed_rate_interval, four),
                three(metrics.roc_auc),
            ])
            .collect()
    };
    let header =
        ["run", "model", "rows", "conversions", "predicted", "converted", "95% CI", "ROC AUC"];
    Figure {
        id: "runs",
        title: "Predicted and observed by run",
        alt_text: "Observed conversion rate of each run with its 95% confidence interval, and its mean predicted probability.".to_owned(),
        caption: "About 95% of the intervals should include the predicted rate.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "converted, 95% CI"), ("line plain", "predicted")],
        table: Table::new("Predicted and observed by run", &header, runs.iter().map(row)),
    }
}
