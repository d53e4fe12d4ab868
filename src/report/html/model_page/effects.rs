//! Effects of the most important features on the odds, above the distribution of their values.

use maud::{Markup, html};
use pql_stats::intervals::Interval;

use super::context::ReportContext;
use super::effect_values::EffectValues;
use crate::error::Result;
use crate::model::encoder::{Encoding, NumericEncoding, Preprocessor};
use crate::model::explain::{
    Coefficient, Effect, describe_feature, effects as effects_of, level_effects,
};
use crate::report::charts::{
    Area, Axis, AxisScale, Chart, Drawing, FOOT, MirroredHistogram, Transform, WIDTH,
};
use crate::report::format::{
    capitalized, grouped, interval_range, number, short, shorten_distinct, shorten_middle, three,
};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

/// Measures with a chart.
const MEASURES: usize = 8;
const HEIGHT: f64 = 230.0;
/// Bars of the histogram.
const BARS: usize = 16;
/// Most points of a curve that are drawn as dots.
const DOTS: usize = 12;
/// Drawn levels of a text.
const LEVELS: usize = 10;
/// Levels of a text in its table.
const TABULATED: usize = 50;
/// Largest drawn odds ratio; its inverse is the smallest.
const MAX_ODDS_RATIO: f64 = 50.0;

/// A feature with its curve.
struct Curve<'a> {
    id: String,
    feature: usize,
    name: &'a str,
    /// The feature in words.
    title: String,
    encoding: &'a Encoding,
    /// Raw values; `None` for a text.
    drawn: Option<EffectValues>,
    /// Values of the curve, and the effect of each; empty for a text.
    points: Vec<(f64, Effect)>,
    /// Values of test rows that did not convert, and of those that did.
    values: [Vec<f64>; 2],
}

/// Returns the effect of the most important feature of each of the most important measures, all on
/// one scale.
pub(super) fn effects(context: &ReportContext<'_>, columns: &[Coefficient]) -> Result<Markup> {
    let features = most_important(context, columns);
    let curves: Vec<Curve<'_>> = features
        .into_iter()
        .enumerate()
        .map(|(index, feature)| curve(context, index, feature))
        .collect::<Result<_>>()?;
    if curves.is_empty() {
        return Ok(Markup::default());
    }
    let levels = curves
        .iter()
        .flat_map(|c| level_effects(context.model, c.feature))
        .map(|(_, effect)| effect);
    let all = curves.iter().flat_map(|c| c.points.iter().map(|(_, effect)| *effect)).chain(levels);
    let odds_ends = all.flat_map(|e| {
        e.interval.map_or([e.odds_ratio; 2], |interval| [interval.low, interval.high])
    });
    let (low, high) = odds_ends
        .map(|v| v.clamp(1.0 / MAX_ODDS_RATIO, MAX_ODDS_RATIO))
        .fold((0.8, 1.25), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
    let odds = AxisScale::new(Transform::Log, low, high);
    let figures = curves.iter().map(|curve| match curve.encoding {
        Encoding::Numeric(number) => Ok(number_figure(context, curve, number, odds)),
        Encoding::Categorical(_) => text_figure(context, curve, odds),
    });
    let figures: Vec<Figure<'_>> = figures.collect::<Result<_>>()?;
    Ok(html! {
        h3.wide { "Effects of the most important features" }
        (paragraph("Each curve shows the odds of converting at a value, relative to the typical value and with other features equal. The band is the 95% CI. All charts have the same scale. The bars show the values of the test rows: those that converted (up) and those that did not (down)."))
        (grid(figures))
    })
}

/// Returns the feature with the largest column of each measure.
fn most_important(context: &ReportContext<'_>, columns: &[Coefficient]) -> Vec<usize> {
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

fn curve<'a>(context: &ReportContext<'a>, index: usize, feature: usize) -> Result<Curve<'a>> {
    let prepared = &context.model.preprocessor.features[feature];
    let mut curve = Curve {
        id: format!("effect-{index}"),
        feature,
        name: &prepared.feature,
        title: title(&context.model.preprocessor, feature),
        encoding: &prepared.encoding,
        drawn: None,
        points: Vec::new(),
        values: [Vec::new(), Vec::new()],
    };
    let Encoding::Numeric(number) = &prepared.encoding else { return Ok(curve) };
    if let Some(rows) =
        context.page.rows.filter(|rows| rows.missing_feature(context.model).is_none())
    {
        for (value, y) in rows.numbers(&prepared.feature)?.into_iter().zip(&rows.y) {
            curve.values[usize::from(*y)].extend(value.filter(|v| v.is_finite()));
        }
    }
    let profile = context.model.profile.features.iter().find(|p| p.feature == prepared.feature);
    let drawn = EffectValues::new(number, profile, &curve.values.concat());
    let effects = effects_of(context.model, feature, &drawn.points);
    curve.points = drawn.points.iter().copied().zip(effects).collect();
    curve.drawn = Some(drawn);
    Ok(curve)
}

/// Returns a feature in words, or its name if there are none.
fn title(preprocessor: &Preprocessor, feature: usize) -> String {
    let words = describe_feature(preprocessor, feature);
    if words == preprocessor.features[feature].feature { words } else { capitalized(&words) }
}

fn tooltip(value: &str, effect: &Effect) -> String {
    format!(
        "{value}: odds ratio {} (95% CI {})",
        three(effect.odds_ratio),
        interval_range(effect.interval, three)
    )
}

fn number_figure<'a>(
    context: &ReportContext<'_>,
    curve: &'a Curve<'_>,
    number: &NumericEncoding,
    odds: AxisScale,
) -> Figure<'a> {
    let drawn = curve.drawn.as_ref().expect("a number has drawn values");
    let any = curve.values.iter().any(|values| !values.is_empty());
    let area = Area {
        bottom: if any { HEIGHT - 88.0 } else { HEIGHT - FOOT },
        ..Area::with_height(HEIGHT)
    };
    let mut across = Axis::new(curve.name, drawn.scale, short, false);
    across.ticks.retain(|(tick, _)| !drawn.is_whole || tick.fract() == 0.0);
    let plain = Axis {
        label: String::new(),
        ticks: if any { Vec::new() } else { across.ticks.clone() },
        ..across.clone()
    };
    let mut chart = Chart::new(area, &plain, &Axis::new("odds ratio", odds, short, true));
    let rows: Vec<(f64, Effect)> = drawn
        .rows
        .iter()
        .copied()
        .zip(effects_of(context.model, curve.feature, &drawn.rows))
        .collect();
    let beyond = draw_curve(&mut chart, curve, drawn, &rows);
    let typical = number.typical.map_or_else(|| "missing".to_owned(), short);
    if let Some(value) = number.typical {
        chart.dot((value, 1.0), "chosen", &format!("typical: {typical}"));
    }
    let mut charts = vec![chart];
    if any {
        charts.push(histogram(
            curve,
            Area { top: area.bottom + 8.0, bottom: HEIGHT - FOOT, ..area },
            &across,
        ));
    }
    let row = |(v, e): &(f64, Effect)| {
        vec![drawn.name(*v), three(e.odds_ratio), interval_range(e.interval, three)]
    };
    Figure {
        id: &curve.id,
        title: &curve.title,
        alt_text: format!(
            "Odds of converting by value of {}, relative to its typical value {typical}.",
            curve.title
        ),
        caption: format!("Typical value: {typical}.{}{beyond}", drawn.note()),
        drawing: Drawing { charts, height: HEIGHT },
        legend: Vec::new(),
        table: Table::new(
            "Effect on the odds",
            &["value", "odds ratio", "95% CI"],
            rows.iter().map(row),
        ),
    }
}

/// Draws a curve with its band. Returns a note if a part of it is beyond the largest drawn odds
/// ratio, where it ends.
fn draw_curve(
    chart: &mut Chart,
    curve: &Curve<'_>,
    drawn: &EffectValues,
    rows: &[(f64, Effect)],
) -> String {
    let fits = |(_, e): &&(f64, Effect)| is_drawn(e.odds_ratio);
    let points: Vec<&(f64, Effect)> = curve.points.iter().filter(fits).collect();
    let band: Vec<(f64, f64, f64)> = points
        .iter()
        .filter_map(|(v, e)| e.interval.map(|Interval { low, high }| (*v, low, high)))
        .collect();
    chart.band(&band, "yes");
    chart.horizontal_line(1.0, "line reference");
    chart.line(&points.iter().map(|(v, e)| (*v, e.odds_ratio)).collect::<Vec<_>>(), "yes");
    let class = if drawn.is_whole && curve.points.len() <= DOTS { "yes" } else { "hover" };
    for (value, effect) in rows.iter().filter(fits) {
        chart.dot((*value, effect.odds_ratio), class, &tooltip(&drawn.name(*value), effect));
    }
    if points.len() < curve.points.len() { beyond_note() } else { String::new() }
}

/// Returns whether an odds ratio is within the largest scale.
fn is_drawn(odds_ratio: f64) -> bool {
    (1.0 / MAX_ODDS_RATIO..=MAX_ODDS_RATIO).contains(&odds_ratio)
}

fn beyond_note() -> String {
    format!(
        " Odds ratios above {MAX_ODDS_RATIO} or below {} are only in the table.",
        short(1.0 / MAX_ODDS_RATIO)
    )
}

/// Draws the distribution of the test rows: converted ones up, the others down.
fn histogram(curve: &Curve<'_>, area: Area, across: &Axis) -> Chart {
    let bars = MirroredHistogram::new(&curve.values, across.scale, BARS);
    let up = AxisScale::new(Transform::Linear, -bars.tallest(), bars.tallest());
    let mut chart = Chart::new(area, across, &Axis::blank(up));
    bars.draw(&mut chart, &short);
    chart
}

/// Returns the effect of each level of a text relative to the most frequent one, with the outcomes
/// of the test rows.
fn text_figure<'a>(
    context: &ReportContext<'_>,
    curve: &'a Curve<'_>,
    odds: AxisScale,
) -> Result<Figure<'a>> {
    let levels = level_effects(context.model, curve.feature);
    let counts = level_counts(context, curve, &levels)?;
    let shown = levels.len().min(LEVELS);
    let height = 22.0 * number(shown) + 50.0;
    let area = Area { left: 130.0, right: WIDTH - 12.0, top: 8.0, bottom: height - FOOT };
    let mut chart =
        Chart::new(area, &Axis::new("odds ratio", odds, short, false), &Axis::rows(shown));
    chart.stroke((1.0, 0.5), (1.0, 0.5 - number(shown)), "zero");
    let outcomes = |index: usize| {
        let [all, converted] = counts[index];
        if all == 0 { String::new() } else { format!("; {converted} of {all} test rows converted") }
    };
    let names: Vec<&str> = levels.iter().map(|(level, _)| *level).collect();
    chart.row_names(&names[..shown]);
    for (row, (level, effect)) in levels.iter().take(shown).enumerate() {
        let class = if row == 0 {
            "chosen"
        } else if effect.odds_ratio >= 1.0 {
            "yes"
        } else {
            "no"
        };
        if !is_drawn(effect.odds_ratio) {
            continue;
        }
        if let Some(Interval { low, high }) = effect.interval {
            chart.stroke((low, -number(row)), (high, -number(row)), class);
        }
        chart.dot(
            (effect.odds_ratio, -number(row)),
            class,
            &(tooltip(level, effect) + &outcomes(row)),
        );
    }
    let all_drawn = levels.iter().take(shown).all(|(_, effect)| is_drawn(effect.odds_ratio));
    let beyond = if all_drawn { String::new() } else { beyond_note() };
    let cells = shorten_distinct(&names[..names.len().min(TABULATED)], 60);
    let row = |(index, (_, effect)): (usize, &(&str, Effect))| {
        let [all, converted] = counts[index];
        let range = interval_range(effect.interval, three);
        vec![
            cells[index].clone(),
            three(effect.odds_ratio),
            range,
            grouped(all),
            grouped(converted),
        ]
    };
    let first = levels.first().map_or("", |(level, _)| *level);
    Ok(Figure {
        id: &curve.id,
        title: &curve.title,
        alt_text: format!(
            "Odds of converting for each value of {}, relative to the most frequent one.",
            curve.title
        ),
        caption: format!(
            "Relative to the most frequent value, {}.{beyond}",
            shorten_middle(first, 40)
        ),
        drawing: chart.drawing(height),
        legend: Vec::new(),
        table: Table::new(
            "Effect on the odds",
            &["value", "odds ratio", "95% CI", "test rows", "converted"],
            levels.iter().enumerate().take(TABULATED).map(row),
        ),
    })
}

/// Returns the number of test rows and conversions of each level.
fn level_counts(
    context: &ReportContext<'_>,
    curve: &Curve<'_>,
    levels: &[(&str, Effect)],
) -> Result<Vec<[u64; 2]>> {
    let mut counts = vec![[0; 2]; levels.len()];
    let Some(rows) = context.page.rows.filter(|rows| rows.missing_feature(context.model).is_none())
    else {
        return Ok(counts);
    };
    let Encoding::Categorical(text) = curve.encoding else { return Ok(counts) };
    for (value, y) in rows.texts(curve.name)?.iter().zip(&rows.y) {
        let level = text.level(value.as_deref()).name;
        if let Some(index) = levels.iter().position(|(name, _)| *name == level) {
            counts[index][0] += 1;
            counts[index][1] += u64::from(*y);
        }
    }
    Ok(counts)
}
