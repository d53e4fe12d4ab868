//! Performance on the test rows: curves, calibration, metrics and baselines.

use maud::{Markup, html};
use pql_stats::metrics::{Bin, Evaluation, EvaluationReport, TopShare};

use super::context::ReportContext;
use super::{contacts, ranking_curves};
use crate::report::charts::{
    Area, Axis, AxisScale, Chart, Drawing, FOOT, HEIGHT, MirroredHistogram, Transform, bar_index,
};
use crate::report::format::{
    counted, four, grouped, interval_range, number, percent, percent_range,
};
use crate::report::html::elements::{Figure, Table, estimate_row, grid, metric_row, paragraph};

/// Bars of a histogram of scores.
const BARS: usize = 24;

/// Returns the section about performance.
pub(super) fn performance(context: &ReportContext<'_>) -> Markup {
    let Some(evaluation) = &context.model.evaluation else { return Markup::default() };
    let figures = ranking_curves::ranking_curves(context, evaluation)
        .into_iter()
        .chain([reliability(context, evaluation)]);
    html! {
        section id="performance" {
            h2 { "Performance on held-out rows" }
            (paragraph("All intervals are 95% confidence intervals (95% CI). They account for repeated rows of the same account. Hover over a mark, or open \"Show data\", to see its values."))
            (grid(figures.chain(scores(context)).chain(contacts::contacts(context))))
            div.pair {
                (metrics(&evaluation.metrics))
                @if !context.model.baselines.is_empty() { (baselines(context)) }
            }
        }
    }
}

/// Returns the difference in log loss from each baseline.
fn baselines(context: &ReportContext<'_>) -> Table {
    let rows = context.model.baselines.iter().map(|baseline| {
        let difference = &baseline.difference;
        let result = if difference.is_better() {
            "model is better"
        } else if difference.is_worse() {
            "model is worse"
        } else {
            "not significant"
        };
        vec![
            baseline.name.clone(),
            four(difference.difference),
            interval_range(difference.interval, four),
            result.to_owned(),
        ]
    });
    Table::new(
        "Log loss compared with the baselines (below 0: the model is better)",
        &["baseline", "difference", "95% CI", "result"],
        rows,
    )
}

/// Returns the metrics with their intervals.
fn metrics(e: &Evaluation) -> Table {
    let mut rows = vec![
        metric_row("Base rate", Some(e.base_rate), None, ""),
        estimate_row("ROC AUC", e.roc_auc, "0.5 is chance"),
        metric_row("Average precision", e.average_precision, None, "chance: the base rate"),
        estimate_row("Log loss", e.log_loss, ""),
        estimate_row(
            "Brier score",
            e.brier,
            &format!("base rate alone: {}", four(e.brier_parts.uncertainty)),
        ),
        estimate_row("Calibration in the large", e.calibration_in_the_large, "0 is ideal"),
        estimate_row("Calibration slope", e.calibration_slope, "1 is ideal"),
        metric_row(
            "Expected calibration error",
            Some(e.calibration_error.value),
            e.calibration_error.interval,
            &format!("{} expected under perfect calibration", four(e.calibration_error.expected)),
        ),
    ];
    let precision = |top: &TopShare| {
        metric_row(
            &format!("Precision in the top {}%", top.percent),
            Some(top.precision),
            Some(top.precision_interval),
            "",
        )
    };
    rows.extend(e.top.iter().map(precision));
    Table::new("Metrics on the test rows", &["metric", "value", "95% CI", "note"], rows)
}

/// Returns the calibration curve: mean probability and conversion rate of each bin.
fn reliability(context: &ReportContext<'_>, evaluation: &EvaluationReport) -> Figure<'static> {
    let bins = &evaluation.reliability;
    let max = bins
        .iter()
        .map(|bin| bin.observed_rate_interval.high.max(bin.mean_probability))
        .fold(0.0, f64::max);
    let scale = AxisScale::rounded(0.0, max.min(1.0));
    // Space for the histogram of probabilities below the curve.
    let room = if context.page.rows.is_some() { 46.0 } else { 0.0 };
    let area = Area { bottom: HEIGHT - FOOT - room, ..Area::with_height(HEIGHT) };
    let across = Axis::new("predicted probability", scale, percent, false);
    let plain = Axis::blank(scale);
    let mut curve = Chart::new(
        area,
        if room > 0.0 { &plain } else { &across },
        &Axis::new("share that converted", scale, percent, true),
    );
    curve.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    let points: Vec<(f64, f64)> =
        bins.iter().map(|bin| (bin.mean_probability, bin.observed_rate)).collect();
    curve.line(&points, "yes");
    points.iter().zip(bins).for_each(|(point, bin)| {
        curve.estimate(*point, Some(bin.observed_rate_interval), "yes", &bin_title(bin));
    });
    let mut charts = vec![curve];
    if let Some(rows) = context.page.rows {
        charts.push(histogram(
            &rows.probability,
            Area { top: area.bottom + 8.0, bottom: HEIGHT - FOOT, ..area },
            &across,
        ));
    }
    let row = |bin: &Bin| {
        let numbers = [bin.lowest, bin.highest, bin.mean_probability, bin.observed_rate].map(four);
        std::iter::once(grouped(bin.rows))
            .chain(numbers)
            .chain([interval_range(Some(bin.observed_rate_interval), four)])
            .collect()
    };
    let below = if room > 0.0 { " Gray bars: number of rows." } else { "" };
    Figure {
        id: "reliability",
        title: "Calibration",
        alt_text: format!(
            "Predicted probability and observed conversion rate in {} of equal size, with 95% confidence intervals. The diagonal is perfect calibration.",
            counted(bins.len() as u64, "bin")
        ),
        caption: format!(
            "Of {}s with a probability of 10%, one in ten should convert. About 95% of the intervals should cross the diagonal.{below}",
            context.unit()
        ),
        drawing: Drawing { charts, height: HEIGHT },
        legend: vec![("line reference", "perfect calibration"), ("dot yes", "observed, 95% CI")],
        table: Table::new(
            "Calibration in bins of equal size",
            &["rows", "from", "to", "mean probability", "converted", "95% CI"],
            bins.iter().map(row),
        ),
    }
}

/// Draws a histogram of probabilities; values beyond the axis count in its last bar.
fn histogram(probability: &[f64], area: Area, across: &Axis) -> Chart {
    let mut counts = [0_u64; BARS];
    probability.iter().for_each(|p| counts[bar_index(across.scale.position(*p), BARS)] += 1);
    let max = number(counts.iter().max().copied().unwrap_or(1));
    let mut chart =
        Chart::new(area, across, &Axis::blank(AxisScale::new(Transform::Linear, 0.0, max)));
    let edges = across.scale.values(BARS + 1);
    for (bar, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let title = format!(
            "{} with a probability {}",
            counted(*count, "row"),
            if bar + 1 == BARS {
                format!("of {} or more", percent(edges[bar]))
            } else {
                format!("from {} to {}", percent(edges[bar]), percent(edges[bar + 1]))
            }
        );
        chart.bar([edges[bar], edges[bar + 1]], [0.0, number(*count)], ("train", &title));
    }
    chart
}

fn bin_title(bin: &Bin) -> String {
    format!(
        "{} with a mean probability of {}: {} converted (95% CI {})",
        counted(bin.rows, "row"),
        percent(bin.mean_probability),
        percent(bin.observed_rate),
        percent_range(Some(bin.observed_rate_interval))
    )
}

/// Returns the distribution of probabilities by outcome.
fn scores(context: &ReportContext<'_>) -> Option<Figure<'static>> {
    let rows = context.page.rows?;
    let mut values = [Vec::new(), Vec::new()];
    for (p, y) in rows.probability.iter().zip(&rows.y) {
        values[usize::from(*y)].push(p.clamp(1e-6, 1.0 - 1e-6));
    }
    let ends = values
        .iter()
        .flatten()
        .fold((1.0_f64, 0.0_f64), |(low, high), p| (low.min(*p), high.max(*p)));
    let threshold = context.model.threshold;
    let scale = AxisScale::new(Transform::Logit, ends.0, ends.1);
    let histogram = MirroredHistogram::new(&values, scale, BARS);
    let tallest = histogram.tallest();
    let ticks = AxisScale::rounded(0.0, tallest).ticks(0.3).into_iter().filter(|t| *t <= tallest);
    let ticks = ticks
        .flat_map(|t| {
            [(t, percent(t)), (-t, percent(t))].into_iter().take(if t > 0.0 { 2 } else { 1 })
        })
        .collect();
    let y = Axis {
        label: "share of rows with this outcome".to_owned(),
        scale: AxisScale::new(Transform::Linear, -tallest * 1.05, tallest * 1.05),
        ticks,
    };
    let mut chart = Chart::new(
        Area::below_label(HEIGHT),
        &Axis::new("predicted probability (log-odds scale)", scale, percent, false),
        &y,
    );
    histogram.draw(&mut chart, &percent);
    if (ends.0..=ends.1).contains(&threshold) {
        chart.vertical_line(threshold, &format!("threshold {}", percent(threshold)));
    }
    Some(Figure {
        id: "scores",
        title: "Scores by outcome",
        alt_text: "Distribution of the probabilities of rows that converted (up) and of rows that did not (down).".to_owned(),
        caption: "The less the two distributions overlap, the better the model separates the outcomes. Each adds up to 100%.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("bar yes", "converted (up)"), ("bar no", "did not convert (down)")],
        table: Table::new("Scores by outcome", &["probability", "converted", "did not convert"], histogram.rows(&percent)),
    })
}
