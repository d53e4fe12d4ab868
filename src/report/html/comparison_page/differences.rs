//! Where the two models differ: cutoff by cutoff, in what weighs, and about which accounts.

use maud::{Markup, html};
use pql_stats::intervals::Interval;

use super::curves::auc;
use super::metrics::{format_difference, format_interval};
use super::{CLASSES, ComparisonPage};
use crate::model::score::TIERS;
use crate::operations::compare::{GainAtCutoff, Move};
use crate::report::charts::{Area, Axis, Chart, FOOT, HEIGHT, Scale, Spread, WIDTH};
use crate::report::format::{number, percent, short, thinned};
use crate::report::html::cutoff_axis::{cutoff_axis, cutoff_span};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::time::iso_day;

/// Measures that are drawn.
const MEASURES: usize = 20;
/// Height of the row of a measure.
const ROW: f64 = 17.0;
/// Rows of each outcome that are drawn, and accounts that are named.
const DRAWN: [usize; 2] = [250, 10];

/// Returns the differences by cutoff; nothing of a single cutoff.
pub(super) fn cutoffs(page: &ComparisonPage<'_>) -> Markup {
    let gains = &page.comparison.by_cutoff;
    html! {
        @if gains.len() > 1 {
            section id="cutoffs" {
                h2 { "Cohort by cohort" }
                (paragraph("One that is better on the whole should be so in most cohorts."))
                (grid([by_cutoff(page, gains), auc(page)]))
            }
        }
    }
}

fn by_cutoff(page: &ComparisonPage<'_>, gains: &[GainAtCutoff]) -> Figure<'static> {
    let reach = |at: &GainAtCutoff| {
        at.log_loss.interval.map_or(at.log_loss.difference.abs(), |Interval { low, high }| {
            low.abs().max(high.abs())
        })
    };
    let most = gains.iter().map(reach).fold(1e-4, f64::max);
    let y = Axis::new("difference in log loss", Scale::rounded(-most, most), short, true);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &cutoff_axis(&page.comparison.challenger.by_cutoff),
        &y,
    );
    chart.horizontal_line(0.0, "line reference");
    for (place, at) in gains.iter().enumerate() {
        let class = CLASSES[usize::from(at.log_loss.difference > 0.0)];
        let title = format!(
            "{}: {} rows, {} convert; difference {}, 95 % {}",
            iso_day(at.first),
            at.rows,
            at.conversions,
            format_difference(&at.log_loss),
            format_interval(&at.log_loss)
        );
        chart.estimate(
            (number(place), at.log_loss.difference),
            at.log_loss.interval,
            class,
            &title,
        );
    }
    let row = |(at, span): (&GainAtCutoff, String)| {
        let difference = [format_difference(&at.log_loss), format_interval(&at.log_loss)];
        [span, at.rows.to_string(), at.conversions.to_string()]
            .into_iter()
            .chain(difference)
            .collect()
    };
    let spans = page.comparison.challenger.by_cutoff.iter().map(cutoff_span);
    Figure {
        id: "cutoff-differences",
        title: "Difference by cutoff",
        alt_text:
            "Log loss of the challenger less that of the champion in each cohort, with 95 % intervals; below 0 the challenger is better."
                .to_owned(),
        caption: "Log loss of the challenger less that of the champion: below the line the challenger is better.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "challenger better, 95 %"), ("dot no", "champion better")],
        table: Table::new("Difference by cutoff", &["cutoff", "rows", "converted", "difference", "95 %"], gains.iter().zip(spans).map(row)),
    }
}

/// Returns the importance of measures in both.
pub(super) fn weights(page: &ComparisonPage<'_>) -> Markup {
    html! {
        section id="weights" {
            h2 { "What weighs in each" }
            (paragraph("How far the values of a measure move the log-odds of an account, typically: the standard deviation of its joint contribution over the training rows of each model."))
            (grid([importance(page)]))
        }
    }
}

/// Returns the importance of a measure in both models, the weightiest first; `None` in one that
/// does not know it.
fn measures(page: &ComparisonPage<'_>) -> Vec<(String, [Option<f64>; 2])> {
    let find = |side: usize, name: &str| {
        page.models[side]
            .importance
            .iter()
            .find(|(measure, _)| measure == name)
            .map(|(_, value)| *value)
    };
    let mut names: Vec<&String> = page
        .models
        .iter()
        .flat_map(|model| model.importance.iter().map(|(name, _)| name))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut all: Vec<(String, [Option<f64>; 2])> =
        names.into_iter().map(|name| (name.clone(), [find(0, name), find(1, name)])).collect();
    let weight = |both: &[Option<f64>; 2]| both.iter().flatten().copied().fold(0.0, f64::max);
    all.sort_by(|a, b| weight(&b.1).total_cmp(&weight(&a.1)));
    all
}

fn importance(page: &ComparisonPage<'_>) -> Figure<'static> {
    let all = measures(page);
    let drawn = &all[..all.len().min(MEASURES)];
    let height = ROW * number(drawn.len().max(1)) + 56.0;
    let most =
        drawn.iter().flat_map(|(_, both)| both.iter().flatten().copied()).fold(0.01, f64::max);
    let area = Area { left: 162.0, right: WIDTH - 10.0, top: 8.0, bottom: height - FOOT };
    let mut chart = Chart::new(
        area,
        &Axis::new("standard deviation in log-odds", Scale::rounded(0.0, most), short, false),
        &Axis::rows(drawn.len().max(1)),
    );
    for (row, (name, both)) in drawn.iter().enumerate() {
        let at = -number(row);
        chart.row_name(number(row), name);
        if let [Some(one), Some(other)] = both {
            chart.stroke((*one, at), (*other, at), "plain");
        }
        for (side, value) in both.iter().enumerate().rev() {
            if let Some(value) = value {
                chart.dot(
                    (*value, at),
                    CLASSES[side],
                    &format!("{name} in {}: {}", page.labels[side], short(*value)),
                );
            }
        }
    }
    let shown =
        |value: &Option<f64>| value.map_or("not in it".to_owned(), |value| format!("{value:.3}"));
    let rows =
        all.iter().map(|(name, both)| vec![format!("`{name}`"), shown(&both[0]), shown(&both[1])]);
    let rest = if all.len() > drawn.len() {
        format!(" Drawn are {} of {} measures.", drawn.len(), all.len())
    } else {
        String::new()
    };
    Figure {
        id: "importance",
        title: "Importance of the measures",
        alt_text: "Importance of each measure in both models, the weightiest first.".to_owned(),
        caption: format!("A measure with one point is in one of the models alone.{rest}"),
        drawing: chart.drawing(height),
        legend: vec![("dot yes", "challenger"), ("dot no", "champion")],
        table: Table::new(
            "Importance of the measures",
            &["measure", page.labels[0], page.labels[1]],
            rows,
        ),
    }
}

/// Returns the accounts about which the two disagree.
pub(super) fn disagreement(page: &ComparisonPage<'_>) -> Markup {
    html! {
        section id="disagreement" {
            h2 { "Where they disagree" }
            (grid([scores(page)]))
            div.pair { (furthest(page)) }
        }
    }
}

/// Returns a probability that has log-odds that can be drawn.
fn inside(p: f64) -> f64 {
    p.clamp(1e-6, 1.0 - 1e-6)
}

/// Returns the difference of the two log-odds of a row.
fn apart(page: &ComparisonPage<'_>, row: usize) -> f64 {
    let log_odds = |p: f64| (inside(p) / (1.0 - inside(p))).ln();
    log_odds(page.rows.challenger[row]) - log_odds(page.rows.champion[row])
}

/// Returns rows by the probabilities of both models; a sample of very many.
fn scores(page: &ComparisonPage<'_>) -> Figure<'static> {
    let rows = page.rows;
    let by = |converted: bool| {
        let mut rows: Vec<usize> =
            (0..rows.y.len()).filter(|row| rows.y[*row] == converted).collect();
        rows.sort_by(|a, b| page.rows.challenger[*a].total_cmp(&page.rows.challenger[*b]));
        thinned(&rows, DRAWN[0])
    };
    let sides = [by(false), by(true)];
    let values =
        |side: &[f64]| sides.iter().flatten().map(|row| inside(side[*row])).collect::<Vec<f64>>();
    let ends = |values: Vec<f64>| {
        values.iter().fold((1.0_f64, 0.0_f64), |(low, high), p| (low.min(*p), high.max(*p)))
    };
    let [(a, b), (c, d)] = [ends(values(&rows.challenger)), ends(values(&rows.champion))];
    let scale = Scale::new(Spread::Logit, a.min(c), b.max(d)).with_room(0.03);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &Axis::new("probability by the champion", scale, percent, false),
        &Axis::new("probability by the challenger", scale, percent, true),
    );
    chart.line(&[(a.min(c), a.min(c)), (b.max(d), b.max(d))], "reference");
    for (side, class) in [(0, "no small"), (1, "yes small")] {
        for row in &sides[side] {
            let [one, other] = [rows.challenger[*row], rows.champion[*row]];
            let title =
                format!("{} by the challenger, {} by the champion", percent(one), percent(other));
            chart.dot((inside(other), inside(one)), class, &title);
        }
    }
    let drawn = sides[0].len() + sides[1].len();
    let rest = if drawn < rows.y.len() {
        format!(" Drawn are {drawn} of {} rows, spread evenly over each outcome.", rows.y.len())
    } else {
        String::new()
    };
    Figure {
        id: "scores",
        title: "Score against score",
        alt_text: "Probability by the champion against probability by the challenger, by outcome; on the diagonal they agree.".to_owned(),
        caption: format!(
            "Above the diagonal the challenger thinks more of an account: conversions above it and others below it speak for the challenger.{rest}"
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "converted"), ("dot no", "did not"), ("line reference", "they agree")],
        table: tiers(page),
    }
}

/// Returns rows by the tiers of both.
fn tiers(page: &ComparisonPage<'_>) -> Table {
    let cell = |group: &Move| {
        if group.rows == 0 {
            return "–".to_owned();
        }
        format!("{} ({})", group.rows, percent(number(group.conversions) / number(group.rows)))
    };
    let row = |(tier, moves): (&str, &[Move; TIERS.len()])| {
        std::iter::once(format!("champion {tier}")).chain(moves.iter().map(cell)).collect()
    };
    let header: Vec<String> = std::iter::once(String::new())
        .chain(TIERS.map(|tier| format!("challenger {tier}")))
        .collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let caption = "Rows by tier, and the share of them that converted: each model's tiers are those of its own training rows";
    Table::new(caption, &header, TIERS.into_iter().zip(&page.comparison.tiers).map(row))
}

/// Returns the rows about which the two are furthest apart, an account once.
fn furthest(page: &ComparisonPage<'_>) -> Table {
    let mut rows: Vec<usize> = (0..page.rows.y.len()).collect();
    rows.sort_by(|a, b| apart(page, *b).abs().total_cmp(&apart(page, *a).abs()));
    let mut met: Vec<&str> = Vec::new();
    rows.retain(|row| {
        let new = met.len() < DRAWN[1] && !met.contains(&page.rows.account[*row].as_str());
        if new {
            met.push(&page.rows.account[*row]);
        }
        new
    });
    let row = |(place, row): (usize, &usize)| {
        let name = if page.mask {
            format!("account {}", place + 1)
        } else {
            page.rows.account[*row].clone()
        };
        let cutoff =
            page.rows.cutoff.as_ref().map_or("–".to_owned(), |cutoff| iso_day(cutoff[*row]));
        let became = if page.rows.y[*row] { "converted" } else { "did not convert" };
        vec![
            name,
            cutoff,
            percent(page.rows.challenger[*row]),
            percent(page.rows.champion[*row]),
            became.to_owned(),
        ]
    };
    let header = ["account", "cutoff", page.labels[0], page.labels[1], "outcome"];
    Table::new(
        "The accounts about which they are furthest apart",
        &header,
        rows.iter().enumerate().map(row),
    )
}
