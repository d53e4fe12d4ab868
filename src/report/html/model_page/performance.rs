//! How good the probabilities are on the test rows.

use maud::{Markup, html};
use pql_stats::intervals::{Estimate, Interval};
use pql_stats::metrics::{Bin, Evaluation, Judgement, TopShare};

use super::context::ReportContext;
use super::{contacts, ranking};
use crate::report::charts::{
    Area, Axis, Chart, Drawing, FOOT, HEIGHT, MirroredHistogram, Scale, Spread, bar_index,
};
use crate::report::format::{between, four, number, percent, short};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

/// Bars of a histogram of scores.
const BARS: usize = 24;

/// Returns all curves and their numbers.
pub(super) fn performance(context: &ReportContext<'_>) -> Markup {
    let Some(judgement) = &context.model.judgement else { return Markup::default() };
    let figures =
        ranking::curves(context, judgement).into_iter().chain([reliability(context, judgement)]);
    html! {
        section id="performance" {
            h2 { "How good it is on rows it has not seen" }
            (paragraph("Every interval is a 95 % interval by account: rows of one account count as one draw."))
            (grid(figures.chain(scores(context)).chain(contacts::contacts(context))))
            div.pair { (metrics(&judgement.evaluation)) }
        }
    }
}

/// Returns the metrics by their names in the card.
fn metrics(e: &Evaluation) -> Table {
    let row = |name: &str, value: Option<f64>, interval: Option<Interval>, note: &str| {
        vec![name.to_owned(), four(value), between(interval, four), note.to_owned()]
    };
    let estimate = |name: &str, estimate: Option<Estimate>, note: &str| {
        row(
            name,
            estimate.map(|estimate| estimate.value),
            estimate.and_then(|estimate| estimate.interval),
            note,
        )
    };
    let mut rows = vec![
        row("base rate", Some(e.base_rate), None, ""),
        estimate("ROC AUC", e.roc_auc, "0.5 is chance"),
        row("average precision", e.average_precision, None, "the base rate is chance"),
        estimate("log loss", Some(e.log_loss), ""),
        estimate(
            "Brier score",
            Some(e.brier),
            &format!("{} for the base rate alone", four(e.brier_parts.uncertainty)),
        ),
        estimate("calibration in the large", e.calibration_in_the_large, "0 is right"),
        estimate("calibration slope", e.calibration_slope, "1 is right"),
        row(
            "calibration error",
            Some(e.calibration_error.value),
            e.calibration_error.interval,
            &format!("{} by chance alone", four(e.calibration_error.expected)),
        ),
    ];
    let precision = |top: &TopShare| {
        row(
            &format!("precision, top {} %", top.percent),
            Some(top.precision),
            Some(top.precision_interval),
            "",
        )
    };
    rows.extend(e.top.iter().map(precision));
    Table::new("Metrics on the test rows", &["metric", "value", "95 %", ""], rows)
}

/// Returns the mean probability against share that converted, over the bins of the evaluation.
fn reliability(context: &ReportContext<'_>, judgement: &Judgement) -> Figure<'static> {
    let bins = &judgement.reliability;
    let most =
        bins.iter().map(|bin| bin.converted_interval.high.max(bin.probability)).fold(0.0, f64::max);
    let scale = Scale::rounded(0.0, most.min(1.0));
    // Below the curve stands how the rows are spread.
    let room = if context.report.rows.is_some() { 46.0 } else { 0.0 };
    let area = Area { bottom: HEIGHT - FOOT - room, ..Area::of_height(HEIGHT) };
    let across = Axis::new("probability", scale, percent, false);
    let plain = Axis::blank(scale);
    let mut curve = Chart::new(
        area,
        if room > 0.0 { &plain } else { &across },
        &Axis::new("share that converted", scale, percent, true),
    );
    curve.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    let points: Vec<(f64, f64)> = bins.iter().map(|bin| (bin.probability, bin.converted)).collect();
    curve.line(&points, "yes");
    points.iter().zip(bins).for_each(|(point, bin)| {
        curve.estimate(*point, Some(bin.converted_interval), "yes", &bin_title(bin));
    });
    let mut charts = vec![curve];
    if let Some(rows) = context.report.rows {
        charts.push(histogram(
            &rows.probability,
            Area { top: area.bottom + 8.0, bottom: HEIGHT - FOOT, ..area },
            &across,
        ));
    }
    let row = |bin: &Bin| {
        let numbers = [bin.lowest, bin.highest, bin.probability, bin.converted].map(four);
        std::iter::once(bin.rows.to_string())
            .chain(numbers)
            .chain([between(Some(bin.converted_interval), four)])
            .collect()
    };
    let below = if room > 0.0 { " Below: how the rows are spread." } else { "" };
    Figure {
        id: "reliability",
        title: "Reliability",
        alt_text: format!(
            "{} bins of equal size: mean probability against the share that converted, with 95 % intervals. On the diagonal they agree.",
            bins.len()
        ),
        caption: format!(
            "Of accounts at 10 % one in ten should convert: the points should lie on the diagonal, give or take their intervals.{below}"
        ),
        drawing: Drawing { charts, height: HEIGHT },
        legend: vec![("line reference", "as it should be"), ("dot yes", "observed, 95 %")],
        table: Table::new(
            "Reliability, bins of equal size",
            &["rows", "from", "to", "probability", "converted", "95 %"],
            bins.iter().map(row),
        ),
    }
}

/// Draws the number of rows by probability; rows beyond the axis are in its last bar.
fn histogram(probability: &[f64], area: Area, across: &Axis) -> Chart {
    let mut counts = [0_u64; BARS];
    probability.iter().for_each(|p| counts[bar_index(across.scale.place(*p), BARS)] += 1);
    let most = number(counts.iter().max().copied().unwrap_or(1));
    let mut chart = Chart::new(area, across, &Axis::blank(Scale::new(Spread::Linear, 0.0, most)));
    let edges = across.scale.values(BARS + 1);
    for (bar, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let title = format!(
            "{count} rows from {} to {}",
            percent(edges[bar]),
            if bar + 1 == BARS { "the highest".to_owned() } else { percent(edges[bar + 1]) }
        );
        chart.bar([edges[bar], edges[bar + 1]], [0.0, number(*count)], ("train", &title));
    }
    chart
}

fn bin_title(bin: &Bin) -> String {
    format!(
        "{} rows at {} on average: {} convert, 95 % {}",
        bin.rows,
        percent(bin.probability),
        percent(bin.converted),
        between(Some(bin.converted_interval), percent)
    )
}

/// Returns the probabilities of rows that converted and of those that did not.
fn scores(context: &ReportContext<'_>) -> Option<Figure<'static>> {
    let rows = context.report.rows?;
    let mut values = [Vec::new(), Vec::new()];
    for (p, y) in rows.probability.iter().zip(&rows.y) {
        values[usize::from(*y)].push(p.clamp(1e-6, 1.0 - 1e-6));
    }
    let ends = values
        .iter()
        .flatten()
        .fold((1.0_f64, 0.0_f64), |(low, high), p| (low.min(*p), high.max(*p)));
    let threshold = context.model.threshold;
    let scale = Scale::new(Spread::Logit, ends.0, ends.1);
    let histogram = MirroredHistogram::new(&values, scale, BARS);
    let tallest = histogram.tallest();
    let ticks = Scale::rounded(0.0, tallest).ticks(0.3).into_iter().filter(|t| *t <= tallest);
    let ticks = ticks
        .flat_map(|t| {
            [(t, percent(t)), (-t, percent(t))].into_iter().take(if t > 0.0 { 2 } else { 1 })
        })
        .collect();
    let y = Axis {
        label: "share of each outcome".to_owned(),
        scale: Scale::new(Spread::Linear, -tallest * 1.05, tallest * 1.05),
        ticks,
    };
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::new("probability, by its log-odds", scale, percent, false),
        &y,
    );
    histogram.draw(&mut chart, &percent);
    if (ends.0..=ends.1).contains(&threshold) {
        chart.vertical_line(threshold, &format!("threshold {}", short(threshold)));
    }
    Some(Figure {
        id: "scores",
        title: "Scores by outcome",
        alt_text: "Distribution of the probabilities: of rows that converted upwards, of rows that did not downwards.".to_owned(),
        caption: "The further apart the two, the better they are told apart. Each side adds up to 100 %.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("bar yes", "converted, upwards"), ("bar no", "not, downwards")],
        table: Table::new("Scores by outcome", &["probability", "converted", "not"], histogram.rows(&percent)),
    })
}
