//! Conversion rate and net value by number of accounts contacted.

use pql_stats::intervals::Interval;
use pql_stats::metrics::{GainsPoint, ThresholdMetrics, threshold_metrics};

use super::context::ReportContext;
use super::ranking_curves::first_drawn;
use crate::config::{ContactValue, ThresholdRule};
use crate::report::charts::{Area, Axis, AxisScale, Chart, HEIGHT, Transform};
use crate::report::format::{
    abbreviated, counted, denser_at_start, formatter_for_counts, four, grouped, grouped_number,
    interval_range, number, one_decimal, percent, percent_range, probability, short,
};
use crate::report::html::elements::{Figure, Table};

/// Points of the lines, and points with an interval.
const POINTS: [usize; 2] = [200, 20];

/// Returns the conversion rate by number of accounts contacted, and the net value if `[qualify]`
/// has a `value`.
pub(super) fn contacts(context: &ReportContext<'_>) -> Vec<Figure<'static>> {
    let Some(rows) = context.page.rows.filter(|_| !context.points.is_empty()) else {
        return Vec::new();
    };
    let max = context.points.last().map_or(0, |p| p.rows);
    let enough: Vec<GainsPoint> =
        context.points.iter().filter(|p| p.rows >= first_drawn(max)).copied().collect();
    let points = denser_at_start(&enough, POINTS[0]);
    let group = rows.group();
    let evaluated =
        |point: &GainsPoint| threshold_metrics(&rows.y, &rows.probability, &group, point.threshold);
    let estimates: Vec<ThresholdMetrics> =
        denser_at_start(&enough, POINTS[1]).iter().map(evaluated).collect();
    let mut figures = vec![precision(context, &points, &estimates)];
    if let ThresholdRule::Value(worth) = context.config.qualify.threshold_rule() {
        figures.push(value(context, &points, worth));
    }
    figures
}

/// Returns an axis for the number of accounts contacted.
fn contacted(context: &ReportContext<'_>) -> Axis {
    let max = context.points.last().map_or(1.0, |p| number(p.rows));
    let label = format!("{}s contacted, highest scores first", context.unit());
    Axis::new(&label, AxisScale::new(Transform::Linear, 0.0, max), formatter_for_counts(max), false)
}

/// Returns a note if accounts have several rows.
fn repetition_note(context: &ReportContext<'_>) -> &'static str {
    if context.unit() == "row" {
        " A row is an account at a cutoff, so an account can count several times."
    } else {
        ""
    }
}

/// Marks the number of rows that reach the threshold.
fn mark_threshold(context: &ReportContext<'_>, chart: &mut Chart) {
    if let Some(qualified) = context
        .model
        .evaluation
        .as_ref()
        .map(|evaluation| evaluation.at_threshold.qualified)
        .filter(|rows| *rows > 0)
    {
        chart.vertical_line(number(qualified), &format!("threshold: {}", grouped(qualified)));
    }
}

fn precision(
    context: &ReportContext<'_>,
    points: &[GainsPoint],
    estimates: &[ThresholdMetrics],
) -> Figure<'static> {
    let share = |p: &GainsPoint, conversions: f64| (number(p.rows), conversions / number(p.rows));
    let max = points
        .iter()
        .map(|p| share(p, p.expected.max(number(p.conversions))).1)
        .fold(0.0, f64::max);
    let up = Axis::new("share that converted", AxisScale::rounded(0.0, max), percent, true);
    let mut chart = Chart::new(Area::below_label(HEIGHT), &contacted(context), &up);
    let band: Vec<(f64, f64, f64)> = estimates
        .iter()
        .filter_map(|point| {
            point
                .precision_interval
                .map(|Interval { low, high }| (number(point.qualified), low, high))
        })
        .collect();
    chart.band(&band, "yes");
    chart.line(&points.iter().map(|p| share(p, p.expected)).collect::<Vec<_>>(), "plain");
    chart.line(&points.iter().map(|p| share(p, number(p.conversions))).collect::<Vec<_>>(), "yes");
    let unit = context.unit();
    let tooltip = |point: &ThresholdMetrics| {
        format!(
            "{} contacted (threshold {}): {} converted, {:.1} expected; conversion rate 95% CI {}",
            counted(point.qualified, unit),
            percent(point.threshold),
            point.conversions,
            point.expected,
            percent_range(point.precision_interval)
        )
    };
    let hovered: Vec<((f64, f64), String)> = estimates
        .iter()
        .filter_map(|point| {
            point.precision.map(|precision| ((number(point.qualified), precision), tooltip(point)))
        })
        .collect();
    chart.hover_dots(&hovered);
    mark_threshold(context, &mut chart);
    let row = |point: &ThresholdMetrics| {
        let counts = [
            grouped(point.qualified),
            probability(point.threshold),
            grouped(point.conversions),
            one_decimal(point.expected),
        ];
        counts
            .into_iter()
            .chain([
                four(point.precision),
                interval_range(point.precision_interval, four),
                four(point.recall),
            ])
            .collect()
    };
    Figure {
        id: "contacts",
        title: "Conversion rate by number contacted",
        alt_text: format!(
            "Conversion rate of the {unit}s with the highest scores, observed with its 95% confidence interval, and expected."
        ),
        caption: format!(
            "Conversion rate if you contact this many {unit}s from the top. It is not the causal effect of contacting them.{}",
            repetition_note(context)
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("line yes", "observed"), ("band yes", "95% CI"), ("line plain", "expected")],
        table: Table::new(
            "Conversion rate by number contacted",
            &["contacted", "threshold", "converted", "expected", "precision", "95% CI", "recall"],
            estimates.iter().map(row),
        ),
    }
}

fn value(
    context: &ReportContext<'_>,
    points: &[GainsPoint],
    worth: ContactValue,
) -> Figure<'static> {
    let net = |p: &GainsPoint, conversions: f64| {
        (number(p.rows), worth.revenue * conversions - worth.cost * number(p.rows))
    };
    let observed: Vec<(f64, f64)> = points.iter().map(|p| net(p, number(p.conversions))).collect();
    let expected: Vec<(f64, f64)> = points.iter().map(|p| net(p, p.expected)).collect();
    let ends = observed
        .iter()
        .chain(&expected)
        .fold((0.0_f64, 0.0_f64), |(low, high), (_, v)| (low.min(*v), high.max(*v)));
    let mut chart = Chart::new(
        Area::below_label(HEIGHT),
        &contacted(context),
        &Axis::new("revenue minus cost", AxisScale::rounded(ends.0, ends.1), abbreviated, true),
    );
    chart.horizontal_line(0.0, "zero");
    chart.line(&expected, "plain");
    chart.line(&observed, "yes");
    let titles = points.iter().zip(&observed).zip(&expected);
    let titles = titles.map(|((p, o), e)| {
        (
            *o,
            format!(
                "{} contacted: {} observed, {} expected",
                counted(p.rows, context.unit()),
                abbreviated(o.1),
                abbreviated(e.1)
            ),
        )
    });
    chart.hover_dots(&denser_at_start(&titles.collect::<Vec<_>>(), 2 * POINTS[1]));
    mark_threshold(context, &mut chart);
    let row = |index: usize| {
        vec![
            grouped(points[index].rows),
            grouped_number(expected[index].1),
            grouped_number(observed[index].1),
        ]
    };
    let rows =
        denser_at_start(&(0..points.len()).collect::<Vec<_>>(), POINTS[1]).into_iter().map(row);
    Figure {
        id: "value",
        title: "Net value by number contacted",
        alt_text: "Revenue of the conversions minus the cost of contacting, observed and expected."
            .to_owned(),
        caption: format!(
            "Revenue of {} per conversion minus a cost of {} per contact. It credits every conversion to the contact, so it is an upper bound.{}",
            short(worth.revenue),
            short(worth.cost),
            repetition_note(context)
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("line yes", "observed"), ("line plain", "expected")],
        table: Table::new(
            "Net value by number contacted",
            &["contacted", "expected", "observed"],
            rows,
        ),
    }
}
