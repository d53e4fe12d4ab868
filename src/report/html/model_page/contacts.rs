//! What contacting the accounts of highest probability brings.

use pql_stats::intervals::Interval;
use pql_stats::metrics::{AtThreshold, FromTop, at_threshold};

use super::context::ReportContext;
use super::ranking::first_drawn;
use crate::config::{Cut, Worth};
use crate::report::charts::{Area, Axis, Chart, HEIGHT, Scale, Spread};
use crate::report::format::{between, four, number, percent, short, thinned_out};
use crate::report::html::elements::{Figure, Table};

/// Points of the lines, and those that have an interval.
const POINTS: [usize; 2] = [200, 20];

/// Returns precision, and value where `[qualify]` says what a conversion is worth, against the
/// number of accounts contacted.
pub(super) fn contacts(context: &ReportContext<'_>) -> Vec<Figure<'static>> {
    let Some(rows) = context.report.rows.filter(|_| !context.points.is_empty()) else {
        return Vec::new();
    };
    let most = context.points.last().map_or(0, |p| p.rows);
    let enough: Vec<FromTop> =
        context.points.iter().filter(|p| p.rows >= first_drawn(most)).copied().collect();
    let points = thinned_out(&enough, POINTS[0]);
    let group = rows.group();
    let evaluated =
        |point: &FromTop| at_threshold(&rows.y, &rows.probability, &group, point.threshold);
    let sure: Vec<AtThreshold> = thinned_out(&enough, POINTS[1]).iter().map(evaluated).collect();
    let mut figures = vec![precision(context, &points, &sure)];
    if let Cut::Value(worth) = context.config.qualify.cut() {
        figures.push(value(context, &points, worth));
    }
    figures
}

/// Returns an axis of contacts.
fn contacted(context: &ReportContext<'_>) -> Axis {
    let most = context.points.last().map_or(1.0, |p| number(p.rows));
    let label = format!("{}s contacted, the likeliest first", context.unit());
    Axis::new(&label, Scale::new(Spread::Linear, 0.0, most), |v| v.to_string(), false)
}

/// Returns a note for rows in which accounts repeat.
fn once(context: &ReportContext<'_>) -> &'static str {
    if context.unit() == "row" { " An account counts once at each cutoff." } else { "" }
}

/// Marks the number of rows that reach the threshold.
fn mark(context: &ReportContext<'_>, chart: &mut Chart) {
    if let Some(at) = context
        .model
        .judgement
        .as_ref()
        .map(|judgement| judgement.at_threshold.qualified)
        .filter(|rows| *rows > 0)
    {
        chart.vertical_line(number(at), &format!("threshold: {at}"));
    }
}

fn precision(
    context: &ReportContext<'_>,
    points: &[FromTop],
    sure: &[AtThreshold],
) -> Figure<'static> {
    let share = |p: &FromTop, conversions: f64| (number(p.rows), conversions / number(p.rows));
    let most = points
        .iter()
        .map(|p| share(p, p.expected.max(number(p.conversions))).1)
        .fold(0.0, f64::max);
    let up = Axis::new("share that converts", Scale::rounded(0.0, most), percent, true);
    let mut chart = Chart::new(Area::of_height(HEIGHT), &contacted(context), &up);
    let band: Vec<(f64, f64, f64)> = sure
        .iter()
        .filter_map(|at| {
            at.precision_interval.map(|Interval { low, high }| (number(at.qualified), low, high))
        })
        .collect();
    chart.band(&band, "yes");
    chart.line(&points.iter().map(|p| share(p, p.expected)).collect::<Vec<_>>(), "plain");
    chart.line(&points.iter().map(|p| share(p, number(p.conversions))).collect::<Vec<_>>(), "yes");
    let title_of = |at: &AtThreshold| {
        format!(
            "{} contacted, from {} on: {} convert, {:.1} expected; 95 % {}",
            at.qualified,
            short(at.threshold),
            at.conversions,
            at.expected,
            between(at.precision_interval, percent)
        )
    };
    let hovered: Vec<((f64, f64), String)> = sure
        .iter()
        .filter_map(|at| {
            at.precision.map(|precision| ((number(at.qualified), precision), title_of(at)))
        })
        .collect();
    chart.hover_dots(&hovered);
    mark(context, &mut chart);
    let row = |at: &AtThreshold| {
        let counts = [
            at.qualified.to_string(),
            four(at.threshold),
            at.conversions.to_string(),
            format!("{:.1}", at.expected),
        ];
        counts
            .into_iter()
            .chain([four(at.precision), between(at.precision_interval, four), four(at.recall)])
            .collect()
    };
    Figure {
        id: "contacts",
        title: "Precision by number contacted",
        alt_text: "Share that converts among the accounts contacted, observed with its 95 % interval and as expected.".to_owned(),
        caption: format!("How many of those contacted convert anyway: it is no effect of the contact.{}", once(context)),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("line yes", "observed"), ("band yes", "95 %"), ("line plain", "expected")],
        table: Table::new(
            "By number contacted",
            &["contacted", "probability from", "convert", "expected", "precision", "95 %", "recall"],
            sure.iter().map(row),
        ),
    }
}

fn value(context: &ReportContext<'_>, points: &[FromTop], worth: Worth) -> Figure<'static> {
    let net = |p: &FromTop, conversions: f64| {
        (number(p.rows), worth.deal * conversions - worth.touch * number(p.rows))
    };
    let observed: Vec<(f64, f64)> = points.iter().map(|p| net(p, number(p.conversions))).collect();
    let expected: Vec<(f64, f64)> = points.iter().map(|p| net(p, p.expected)).collect();
    let ends = observed
        .iter()
        .chain(&expected)
        .fold((0.0_f64, 0.0_f64), |(low, high), (_, v)| (low.min(*v), high.max(*v)));
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &contacted(context),
        &Axis::new("value less cost", Scale::rounded(ends.0, ends.1), thousands, true),
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
                p.rows,
                thousands(o.1),
                thousands(e.1)
            ),
        )
    });
    chart.hover_dots(&thinned_out(&titles.collect::<Vec<_>>(), 2 * POINTS[1]));
    mark(context, &mut chart);
    let row = |at: usize| {
        vec![
            points[at].rows.to_string(),
            format!("{:.0}", expected[at].1),
            format!("{:.0}", observed[at].1),
        ]
    };
    let rows = thinned_out(&(0..points.len()).collect::<Vec<_>>(), POINTS[1]).into_iter().map(row);
    Figure {
        id: "value",
        title: "Value by number contacted",
        alt_text:
            "What the conversions are worth less the cost of contacting, observed and expected."
                .to_owned(),
        caption: format!(
            "At {} a conversion and {} a contact, as if contacting made the conversion: an upper bound.{}",
            short(worth.deal),
            short(worth.touch),
            once(context)
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("line yes", "observed"), ("line plain", "expected")],
        table: Table::new(
            "Value by number contacted",
            &["contacted", "expected", "observed"],
            rows,
        ),
    }
}

/// Returns a sum of money that fits beside an axis.
fn thousands(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{}M", short(value / 1e6)),
        size if size >= 1e3 => format!("{}k", short(value / 1e3)),
        _ => short(value),
    }
}
