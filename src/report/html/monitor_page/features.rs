//! Scores and features of the batch beside those of the training rows.

use maud::{Markup, html};

use super::CLASSES;
use crate::operations::monitor::{Cell, Drift, LARGE, MODERATE, ScoreShift, Shift};
use crate::report::charts::{Area, Axis, Chart, FOOT, Scale, WIDTH};
use crate::report::format::{four, number, percent, short, three};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

const HEIGHT: f64 = 240.0;
/// Features that are drawn in one chart.
const DRAWN: usize = 24;
/// Features of which the spread is drawn: so many in any case, and at most so many of those that
/// drifted.
const SPREADS: [usize; 2] = [2, 8];
/// Least distance of ticks of shares, as a share of the axis.
const TICK_GAP: f64 = 0.2;
/// Height of a row.
const ROW: f64 = 17.0;
/// Cells that are drawn; the rarest others are in the table.
const CELLS: usize = 12;

/// Returns the scores.
pub(super) fn scores(scores: &ScoreShift) -> Markup {
    let caption = format!(
        "Each pair of bars is a tenth of the training rows: without a shift all are 10 %. PSI {}, {} conversions expected of the batch.",
        three(scores.shift.psi),
        short(scores.expected_conversions)
    );
    let figure =
        spread(("scores-spread", "Scores by tenths of the training rows"), &scores.shift, caption);
    html! { section id="scores-now" { h2 { "Scores" } (grid([figure])) } }
}

/// Returns how far the features have moved, and how those that moved most are spread.
pub(super) fn features(features: &[Drift]) -> Markup {
    let drifted = features.iter().filter(|drift| drift.drifted).count();
    let spread = features.iter().take(drifted.clamp(SPREADS[0], SPREADS[1])).enumerate();
    html! {
        section id="features" {
            h2 { "Features" }
            (paragraph("A feature has drifted where that is beyond chance, all features being tested together (Holm, 1 %), and its index of population stability (PSI) is 0.1 or more."))
            div.grid {
                (indices(features))
                @for (at, drift) in spread { (feature_spread(&format!("feature-{at}"), drift)) }
            }
        }
    }
}

fn feature_spread<'a>(id: &'a str, drift: &'a Drift) -> Figure<'a> {
    let means = drift.mean_then.zip(drift.mean_now).map_or(String::new(), |(then, now)| {
        format!(" Mean {} now, {} then.", short(now), short(then))
    });
    let caption = format!(
        "PSI {}{}.{means}",
        three(drift.shift.psi),
        if drift.drifted { ": drifted" } else { "" }
    );
    spread((id, &drift.feature), &drift.shift, caption)
}

/// Returns the stability index of each feature.
fn indices(features: &[Drift]) -> Figure<'static> {
    let drawn = &features[..features.len().min(DRAWN)];
    let height = ROW * number(drawn.len()) + 56.0;
    let most = drawn.iter().map(|drift| drift.shift.psi).fold(LARGE * 1.1, f64::max);
    let area = Area { left: 162.0, right: WIDTH - 10.0, top: 24.0, bottom: height - FOOT + 16.0 };
    let mut chart = Chart::new(
        area,
        &Axis::new("PSI", Scale::rounded(0.0, most), short, false),
        &Axis::rows(drawn.len()),
    );
    chart.vertical_line_below_label(MODERATE, "0.1");
    for (row, drift) in drawn.iter().enumerate() {
        let (at, class) = (-number(row), if drift.drifted { "yes" } else { "train" });
        chart.row_name(number(row), &drift.feature);
        let title = format!(
            "{}: PSI {}, p {} after Holm",
            drift.feature,
            three(drift.shift.psi),
            three(drift.p_holm)
        );
        chart.bar([0.0, drift.shift.psi], [at - 0.32, at + 0.32], (class, &title));
    }
    let row = |drift: &Drift| {
        let means = [drift.mean_then, drift.mean_now].map(three);
        let shares = [drift.missing_then, drift.missing_now, drift.beyond].map(percent);
        let note = match (drift.drifted, drift.watched) {
            (true, true) => "drifted",
            (true, false) => "drifted, ignored",
            _ => "",
        };
        let numbers = [format!("`{}`", drift.feature), three(drift.shift.psi), three(drift.p_holm)];
        numbers.into_iter().chain(means).chain(shares).chain([note.to_owned()]).collect()
    };
    let rest = if drawn.len() < features.len() {
        format!(" Drawn are the {} furthest of {}.", drawn.len(), features.len())
    } else {
        String::new()
    };
    let header = [
        "feature",
        "PSI",
        "p after Holm",
        "mean then",
        "now",
        "missing then",
        "now",
        "beyond training",
        "",
    ];
    Figure {
        id: "indices",
        title: "How far the features have moved",
        alt_text: "Index of population stability of each feature, the furthest first; from 0.1 on a change matters.".to_owned(),
        caption: format!("With few rows a large index may be chance: then it is not marked as drifted.{rest}"),
        drawing: chart.drawing(height + 16.0),
        legend: vec![("bar yes", "drifted"), ("bar train", "not beyond chance, or small")],
        table: Table::new("Features", &header, features.iter().map(row)),
    }
}

/// Returns the shares of the cells of both sides.
fn spread<'a>((id, title): (&'a str, &'a str), shift: &Shift, caption: String) -> Figure<'a> {
    // Where not all have room, those that stand for many do: what is new is among the others.
    let (together, single): (Vec<&Cell>, Vec<&Cell>) =
        shift.cells.iter().partition(|cell| ["others", "missing"].contains(&cell.name.as_str()));
    let drawn: Vec<&Cell> =
        single.into_iter().take(CELLS - together.len()).chain(together).collect();
    let height = 30.0 * number(drawn.len().max(1)) + 56.0;
    let height = if drawn.len() < 4 { height.max(HEIGHT / 2.0) } else { height };
    let most = drawn.iter().map(|cell| cell.then.max(cell.now)).fold(0.01, f64::max);
    let area = Area { left: 122.0, right: WIDTH - 14.0, top: 8.0, bottom: height - FOOT };
    let scale = Scale::rounded(0.0, most);
    let ticks = scale.ticks(TICK_GAP).into_iter().map(|tick| (tick, percent(tick))).collect();
    let x = Axis { label: "share of the rows".to_owned(), scale, ticks };
    let mut chart = Chart::new(area, &x, &Axis::rows(drawn.len().max(1)));
    for (row, cell) in drawn.iter().enumerate() {
        let at = -number(row);
        chart.row_name(number(row), &cell.name);
        for (class, value, from) in [(CLASSES[0], cell.then, 0.04), (CLASSES[1], cell.now, -0.36)] {
            let who = if class == CLASSES[0] { "training rows" } else { "batch" };
            chart.bar(
                [0.0, value],
                [at + from, at + from + 0.32],
                (class, &format!("{}: {} of the {who}", cell.name, percent(value))),
            );
        }
    }
    let row = |cell: &Cell| vec![cell.name.clone(), four(cell.then), four(cell.now)];
    Figure {
        id,
        title,
        alt_text: format!(
            "Share of the training rows and of the batch in each of {} cells.",
            drawn.len()
        ),
        caption,
        drawing: chart.drawing(height),
        legend: vec![("bar train", "training rows"), ("bar yes", "batch")],
        table: Table::new(title, &["", "training rows", "batch"], shift.cells.iter().map(row)),
    }
}
