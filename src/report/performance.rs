//! How good the probabilities are on the test rows.

use super::Seen;
use super::chart::{About, Area, Axis, Chart, FOOT, Scale, Spread};
use super::contacts;
use super::html::{Figure, Html, Table};
use super::mirror::{Mirror, bar_of};
use super::ranking;
use super::words::{between, four, number, percent, short};
use crate::evaluate::{Bin, Evaluation, Judgement};

/// Height of the charts of this section.
pub(super) const HEIGHT: f64 = 270.0;
/// Bars of a histogram of scores.
const BARS: usize = 24;

/// Put all curves and their numbers.
pub(super) fn performance(seen: &Seen<'_>, body: &mut Html) {
    let Some(judgement) = &seen.model.judgement else { return };
    body.section("performance", "How good it is on rows it has not seen");
    body.paragraph("Every interval is a 95 % interval by account: rows of one account count as one draw.").raw("<div class=\"grid\">\n");
    for figure in ranking::curves(seen, judgement) {
        body.figure(&figure);
    }
    body.figure(&reliability(seen, judgement));
    if let Some(figure) = scores(seen) {
        body.figure(&figure);
    }
    for figure in contacts::contacts(seen) {
        body.figure(&figure);
    }
    body.raw("</div>\n<div class=\"pair\">").table(&metrics(&judgement.evaluation)).raw("</div></section>\n");
}

/// The metrics by their names in the card.
fn metrics(e: &Evaluation) -> Table {
    let row = |name: &str, value: Option<f64>, interval: Option<[f64; 2]>, note: &str| {
        vec![name.to_owned(), four(value), between(interval, four), note.to_owned()]
    };
    let rows = vec![
        row("base rate", Some(e.base_rate), None, ""),
        row("ROC AUC", e.roc_auc, e.roc_auc_95, "0.5 is chance"),
        row("average precision", e.average_precision, None, "the base rate is chance"),
        row("log loss", Some(e.log_loss), e.log_loss_95, ""),
        row("Brier score", Some(e.brier), e.brier_95, &format!("{} for the base rate alone", four(e.brier_uncertainty))),
        row("calibration in the large", e.calibration_in_the_large, e.calibration_in_the_large_95, "0 is right"),
        row("calibration slope", e.calibration_slope, e.calibration_slope_95, "1 is right"),
        row(
            "calibration error",
            Some(e.ece_10_equal_mass),
            e.ece_10_equal_mass_95,
            &format!("{} by chance alone", four(e.ece_10_equal_mass_expected)),
        ),
        row("precision, top 1 %", Some(e.precision_top_1pct), Some(e.precision_top_1pct_95), ""),
        row("precision, top 5 %", Some(e.precision_top_5pct), Some(e.precision_top_5pct_95), ""),
        row("precision, top 10 %", Some(e.precision_top_10pct), Some(e.precision_top_10pct_95), ""),
        row("precision, top 20 %", Some(e.precision_top_20pct), Some(e.precision_top_20pct_95), ""),
    ];
    Table::new("Metrics on the test rows", &["metric", "value", "95 %", ""], rows)
}

/// Mean probability against share that converted, over the bins of the evaluation.
fn reliability(seen: &Seen<'_>, judgement: &Judgement) -> Figure<'static> {
    let bins = &judgement.reliability;
    let most = bins.iter().map(|bin| bin.converted_95[1].max(bin.probability)).fold(0.0, f64::max);
    let scale = Scale::rounded(0.0, most.min(1.0));
    // Below the curve stands how the rows are spread.
    let room = if seen.report.rows.is_some() { 46.0 } else { 0.0 };
    let area = Area { bottom: HEIGHT - FOOT - room, ..Area::of_height(HEIGHT) };
    let across = Axis::new("probability", scale, percent, false);
    let plain = Axis { label: String::new(), scale, ticks: Vec::new() };
    let mut curve = Chart::new(area, if room > 0.0 { &plain } else { &across }, &Axis::new("share that converted", scale, percent, true));
    curve.line(&[(0.0, 0.0), (1.0, 1.0)], "reference");
    let points: Vec<(f64, f64)> = bins.iter().map(|bin| (bin.probability, bin.converted)).collect();
    curve.line(&points, "yes");
    for (point, bin) in points.iter().zip(bins) {
        curve.stroke((point.0, bin.converted_95[0]), (point.0, bin.converted_95[1]), "yes");
        curve.dot(*point, "yes", &bin_title(bin));
    }
    let mut charts = vec![curve];
    if let Some(rows) = seen.report.rows {
        charts.push(histogram(&rows.probability, Area { top: area.bottom + 8.0, bottom: HEIGHT - FOOT, ..area }, &across));
    }
    let title = "Reliability";
    let description = format!(
        "{} bins of equal size: mean probability against the share that converted, with 95 % intervals. On the diagonal they agree.",
        bins.len()
    );
    let about = About { id: "reliability", title, description: &description };
    let row = |bin: &Bin| {
        let numbers = [bin.lowest, bin.highest, bin.probability, bin.converted].map(four);
        std::iter::once(bin.rows.to_string()).chain(numbers).chain([between(Some(bin.converted_95), four)]).collect()
    };
    let below = if room > 0.0 { " Below: how the rows are spread." } else { "" };
    Figure {
        title,
        about: format!(
            "Of accounts at 10 % one in ten should convert: the points should lie on the diagonal, give or take their intervals.{below}"
        ),
        drawing: super::chart::drawing(&charts, HEIGHT, &about),
        legend: vec![("line reference", "as it should be"), ("dot yes", "observed, 95 %")],
        table: Table::new(
            "Reliability, bins of equal size",
            &["rows", "from", "to", "probability", "converted", "95 %"],
            bins.iter().map(row).collect(),
        ),
    }
}

/// How many rows there are by probability; those beyond the axis are in its last bar.
fn histogram(probability: &[f64], area: Area, across: &Axis) -> Chart {
    let mut counts = [0_u64; BARS];
    probability.iter().for_each(|p| counts[bar_of(across.scale.place(*p), BARS)] += 1);
    let most = number(counts.iter().max().copied().unwrap_or(1));
    let mut chart =
        Chart::new(area, across, &Axis { label: String::new(), scale: Scale::new(Spread::Linear, 0.0, most), ticks: Vec::new() });
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
        between(Some(bin.converted_95), percent)
    )
}

/// Probabilities of rows that converted and of those that did not.
fn scores(seen: &Seen<'_>) -> Option<Figure<'static>> {
    let rows = seen.report.rows?;
    let mut values = [Vec::new(), Vec::new()];
    for (p, y) in rows.probability.iter().zip(&rows.y) {
        values[usize::from(*y)].push(p.clamp(1e-6, 1.0 - 1e-6));
    }
    let ends = values.iter().flatten().fold((1.0_f64, 0.0_f64), |(low, high), p| (low.min(*p), high.max(*p)));
    let threshold = seen.model.threshold;
    let scale = Scale::new(Spread::Logit, ends.0, ends.1);
    let mirror = Mirror::of(&values, scale, BARS);
    let tallest = mirror.tallest();
    let ticks = Scale::rounded(0.0, tallest).ticks(0.3).into_iter().filter(|t| *t <= tallest);
    let ticks = ticks.flat_map(|t| [(t, percent(t)), (-t, percent(t))].into_iter().take(if t > 0.0 { 2 } else { 1 })).collect();
    let y = Axis { label: "share of each outcome".to_owned(), scale: Scale::new(Spread::Linear, -tallest * 1.05, tallest * 1.05), ticks };
    let mut chart = Chart::new(Area::of_height(HEIGHT), &Axis::new("probability, by its log-odds", scale, percent, false), &y);
    mirror.draw(&mut chart, &percent);
    if (ends.0..=ends.1).contains(&threshold) {
        chart.upright(threshold, &format!("threshold {}", short(threshold)));
    }
    let title = "Scores by outcome";
    let about = About {
        id: "scores",
        title,
        description: "Distribution of the probabilities: of rows that converted upwards, of rows that did not downwards.",
    };
    Some(Figure {
        title,
        about: "The further apart the two, the better they are told apart. Each side adds up to 100 %.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("bar yes", "converted, upwards"), ("bar no", "not, downwards")],
        table: Table::new("Scores by outcome", &["probability", "converted", "not"], mirror.rows(&percent)),
    })
}
