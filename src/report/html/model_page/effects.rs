//! How the odds change with the features of the weightiest measures, over how their values are
//! spread.

use maud::{Markup, html};
use pql_stats::intervals::Interval;

use super::context::ReportContext;
use crate::error::Result;
use crate::model::encoder::{Number, Way};
use crate::model::explain::{Coefficient, Effect, effects as effects_of, level_effects};
use crate::report::charts::{
    Area, Axis, Chart, Drawing, FOOT, MirroredHistogram, Scale, Spread, WIDTH,
};
use crate::report::format::{between, clipped, number, short, thinned, three};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

/// Measures that are shown.
const MEASURES: usize = 8;
const HEIGHT: f64 = 230.0;
/// Points of a curve, of its table, and bars under it.
const POINTS: [usize; 3] = [49, 9, 16];
/// Levels of a text that are shown.
const LEVELS: usize = 10;
/// Odds ratios beyond which nothing is drawn.
const MOST: f64 = 50.0;

/// A feature with its curve.
struct Curve<'a> {
    id: String,
    feature: usize,
    name: &'a str,
    way: &'a Way,
    /// Raw values, and the effect of each; none of a text.
    points: Vec<(f64, Effect)>,
    scale: Option<Scale>,
    /// Values of the test rows that did not convert, and of those that did.
    values: [Vec<f64>; 2],
}

/// Returns the effects of the heaviest feature of each of the weightiest measures, all on one
/// scale.
pub(super) fn effects(context: &ReportContext<'_>, columns: &[Coefficient]) -> Result<Markup> {
    let features = heaviest(context, columns);
    let curves: Vec<Curve<'_>> = features
        .into_iter()
        .enumerate()
        .map(|(at, feature)| curve(context, at, feature))
        .collect::<Result<_>>()?;
    if curves.is_empty() {
        return Ok(Markup::default());
    }
    let of_levels = curves
        .iter()
        .flat_map(|c| level_effects(context.model, c.feature))
        .map(|(_, effect)| effect);
    let all =
        curves.iter().flat_map(|c| c.points.iter().map(|(_, effect)| *effect)).chain(of_levels);
    let ends = all.flat_map(|e| {
        e.interval.map_or([e.odds_ratio; 2], |interval| [interval.low, interval.high])
    });
    let (low, high) = ends
        .map(|v| v.clamp(1.0 / MOST, MOST))
        .fold((0.8, 1.25), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
    let odds = Scale::new(Spread::Log, low, high);
    let figures = curves.iter().map(|curve| match curve.way {
        Way::Number(number) => Ok(number_figure(curve, number, odds)),
        Way::Text(_) => text_figure(context, curve, odds),
    });
    let figures: Vec<Figure<'_>> = figures.collect::<Result<_>>()?;
    Ok(html! {
        h3.wide { "Effects of the weightiest measures" }
        (paragraph("The odds of converting at a value, against those at the typical (median) value, all else equal; the band is the 95 % interval, and the scale is the same everywhere. Below, the test rows: those that converted upwards, the others downwards."))
        (grid(figures))
    })
}

/// Returns the feature of each measure whose column weighs most.
fn heaviest(context: &ReportContext<'_>, columns: &[Coefficient]) -> Vec<usize> {
    let all = context.model.preprocessor.columns();
    let feature =
        |name: &str| all.iter().find(|column| column.name == name).map(|column| column.feature);
    let mut shown: Vec<&str> = Vec::new();
    let mut features = Vec::new();
    for column in columns {
        if !shown.contains(&column.measure.as_str()) && features.len() < MEASURES {
            shown.push(&column.measure);
            features.extend(feature(&column.feature));
        }
    }
    features
}

fn curve<'a>(context: &ReportContext<'a>, at: usize, feature: usize) -> Result<Curve<'a>> {
    let prepared = &context.model.preprocessor.features[feature];
    let mut curve = Curve {
        id: format!("effect-{at}"),
        feature,
        name: &prepared.feature,
        way: &prepared.way,
        points: Vec::new(),
        scale: None,
        values: [Vec::new(), Vec::new()],
    };
    let Way::Number(number) = &prepared.way else { return Ok(curve) };
    if let Some(rows) = context.report.rows.filter(|rows| rows.lacks(context.model).is_none()) {
        for (value, y) in rows.numbers(&prepared.feature)?.into_iter().zip(&rows.y) {
            curve.values[usize::from(*y)].extend(value.filter(|v| v.is_finite()));
        }
    }
    let (low, high) = ends(number, &curve.values);
    let scale = Scale::new(if number.log1p { Spread::Log1p } else { Spread::Linear }, low, high);
    let mut values = scale.values(POINTS[0]);
    let scale = scale.with_room(0.03);
    // On both sides of a jump.
    let raw = |treated: f64| if number.log1p { treated.exp_m1() } else { treated };
    values.extend(number.jump.iter().flat_map(|jump| {
        [raw(jump.above), raw(jump.above) + 1e-6 * (1.0 + raw(jump.above).abs())]
    }));
    values.retain(|v| (low..=high).contains(v));
    values.sort_by(f64::total_cmp);
    curve.points =
        values.iter().copied().zip(effects_of(context.model, feature, &values)).collect();
    curve.scale = Some(scale);
    Ok(curve)
}

/// Returns the range of a number that is drawn: that of nearly all test rows; without any, two
/// standard deviations around the mean.
fn ends(number: &Number, values: &[Vec<f64>; 2]) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.concat();
    sorted.sort_by(f64::total_cmp);
    let quantile = |share: f64| pql_stats::quantile::quantile(&sorted, share);
    // A count begins at 0.
    let floor = |low: f64| if number.log1p { low.max(0.0) } else { low };
    if let Some((low, high)) = quantile(0.005).zip(quantile(0.995)).filter(|(low, high)| low < high)
    {
        return (floor(low), high);
    }
    let scale = number.value.or(number.jump.and_then(|jump| jump.scale));
    let (mean, sd) = scale.map_or((number.typical, 1.0), |scale| (scale.mean, scale.sd));
    let raw = |treated: f64| if number.log1p { treated.exp_m1() } else { treated };
    (floor(raw(mean - 2.0 * sd)), raw(mean + 2.0 * sd))
}

fn title_of(value: &str, effect: &Effect) -> String {
    format!(
        "{value}: odds × {}, 95 % {}",
        three(effect.odds_ratio),
        between(effect.interval, three)
    )
}

fn number_figure<'a>(curve: &'a Curve<'_>, number: &Number, odds: Scale) -> Figure<'a> {
    let scale = curve.scale.expect("a number has a scale");
    let any = curve.values.iter().any(|values| !values.is_empty());
    let area =
        Area { bottom: if any { HEIGHT - 88.0 } else { HEIGHT - FOOT }, ..Area::of_height(HEIGHT) };
    let across = Axis::new(curve.name, scale, short, false);
    let plain = Axis {
        label: String::new(),
        ticks: if any { Vec::new() } else { across.ticks.clone() },
        ..across.clone()
    };
    let mut chart = Chart::new(area, &plain, &Axis::new("odds ×", odds, short, true));
    let band: Vec<(f64, f64, f64)> = curve
        .points
        .iter()
        .filter_map(|(v, e)| e.interval.map(|Interval { low, high }| (*v, low, high)))
        .collect();
    chart.band(&band, "yes");
    chart.horizontal_line(1.0, "line reference");
    chart.line(&curve.points.iter().map(|(v, e)| (*v, e.odds_ratio)).collect::<Vec<_>>(), "yes");
    let shown = thinned(&curve.points, POINTS[1]);
    chart.hover_dots(
        &shown
            .iter()
            .map(|(v, e)| ((*v, e.odds_ratio), title_of(&short(*v), e)))
            .collect::<Vec<_>>(),
    );
    chart.dot((number.typical, 1.0), "chosen", &format!("typical: {}", short(number.typical)));
    let mut charts = vec![chart];
    if any {
        charts.push(spread(
            curve,
            Area { top: area.bottom + 8.0, bottom: HEIGHT - FOOT, ..area },
            &across,
        ));
    }
    let row =
        |(v, e): &(f64, Effect)| vec![short(*v), three(e.odds_ratio), between(e.interval, three)];
    Figure {
        id: &curve.id,
        title: curve.name,
        alt_text: format!(
            "Odds of converting by {}, against those at its typical value {}.",
            curve.name,
            short(number.typical)
        ),
        caption: format!("Typical: {}", short(number.typical)),
        drawing: Drawing { charts, height: HEIGHT },
        legend: Vec::new(),
        table: Table::new("Effect", &["value", "odds ×", "95 %"], shown.iter().map(row)),
    }
}

/// Draws the distribution of the values of the test rows: converted ones upwards, the others
/// downwards.
fn spread(curve: &Curve<'_>, area: Area, across: &Axis) -> Chart {
    let histogram = MirroredHistogram::new(&curve.values, across.scale, POINTS[2]);
    let up = Scale::new(Spread::Linear, -histogram.tallest(), histogram.tallest());
    let mut chart = Chart::new(area, across, &Axis::blank(up));
    histogram.draw(&mut chart, &short);
    chart
}

/// Returns the levels of a text, each against the most frequent one, with what became of the test
/// rows.
fn text_figure<'a>(
    context: &ReportContext<'_>,
    curve: &'a Curve<'_>,
    odds: Scale,
) -> Result<Figure<'a>> {
    let levels = level_effects(context.model, curve.feature);
    let counts = level_counts(context, curve, &levels)?;
    let shown = levels.len().min(LEVELS);
    let height = 22.0 * number(shown) + 50.0;
    let area = Area { left: 130.0, right: WIDTH - 12.0, top: 8.0, bottom: height - FOOT };
    let mut chart = Chart::new(area, &Axis::new("odds ×", odds, short, false), &Axis::rows(shown));
    chart.stroke((1.0, 0.5), (1.0, 0.5 - number(shown)), "zero");
    let said = |at: usize| {
        let [all, converted] = counts[at];
        if all == 0 { String::new() } else { format!("; of {all} test rows {converted} convert") }
    };
    for (row, (level, effect)) in levels.iter().take(shown).enumerate() {
        let class = if row == 0 {
            "chosen"
        } else if effect.odds_ratio >= 1.0 {
            "yes"
        } else {
            "no"
        };
        chart.row_name(number(row), level);
        if let Some(Interval { low, high }) = effect.interval {
            chart.stroke((low, -number(row)), (high, -number(row)), class);
        }
        chart.dot(
            (effect.odds_ratio, -number(row)),
            class,
            &(title_of(level, effect) + &said(row)),
        );
    }
    let row = |(at, (level, effect)): (usize, &(&str, Effect))| {
        let [all, converted] = counts[at];
        let range = between(effect.interval, three);
        vec![
            clipped(level, 60),
            three(effect.odds_ratio),
            range,
            all.to_string(),
            converted.to_string(),
        ]
    };
    let first = levels.first().map_or("", |(level, _)| *level);
    Ok(Figure {
        id: &curve.id,
        title: curve.name,
        alt_text: format!(
            "Odds of converting for each value of {}, against the most frequent one.",
            curve.name
        ),
        caption: format!("Against the most frequent, {}", clipped(first, 40)),
        drawing: chart.drawing(height),
        legend: Vec::new(),
        table: Table::new(
            "Effect",
            &["value", "odds ×", "95 %", "test rows", "convert"],
            levels.iter().enumerate().take(50).map(row),
        ),
    })
}

/// Returns the test rows of each level, and how many of them converted.
fn level_counts(
    context: &ReportContext<'_>,
    curve: &Curve<'_>,
    levels: &[(&str, Effect)],
) -> Result<Vec<[u64; 2]>> {
    let mut counts = vec![[0; 2]; levels.len()];
    let Some(rows) = context.report.rows.filter(|rows| rows.lacks(context.model).is_none()) else {
        return Ok(counts);
    };
    let Way::Text(text) = curve.way else { return Ok(counts) };
    for (value, y) in rows.texts(curve.name)?.iter().zip(&rows.y) {
        let level = text.level(value.as_deref()).counts_as;
        if let Some(at) = levels.iter().position(|(name, _)| *name == level) {
            counts[at][0] += 1;
            counts[at][1] += u64::from(*y);
        }
    }
    Ok(counts)
}
