//! Differences between the models: by cohort, in feature importance, and by account.

use maud::{Markup, html};
use pql_stats::intervals::Interval;

use super::curves::auc;
use super::metrics::{format_difference, format_interval};
use super::{CLASSES, ComparisonPage};
use crate::model::score::TIERS;
use crate::operations::compare::{GainAtCutoff, TierTransition};
use crate::report::charts::{Area, Axis, AxisScale, Chart, FOOT, HEIGHT, Transform, WIDTH};
use crate::report::format::{counted, evenly_spaced, grouped, number, percent, short, three};
use crate::report::html::cutoff_axis::{cutoff_axis, cutoff_span};
use crate::report::html::elements::{Figure, Table, grid, paragraph};

/// Drawn measures.
const MEASURES: usize = 20;
/// Height of the row of a measure.
const ROW: f64 = 17.0;
/// Drawn rows of each outcome, and accounts in the table.
const DRAWN: [usize; 2] = [250, 10];

/// Returns the section about cohorts; nothing for a single cutoff.
pub(super) fn cutoffs(page: &ComparisonPage<'_>) -> Markup {
    let gains = &page.comparison.by_cutoff;
    html! {
        @if gains.len() > 1 {
            section id="cutoffs" {
                h2 { "Performance by cohort" }
                (paragraph("A better model should be better in most cohorts."))
                (grid([by_cutoff(page, gains), auc(page)]))
            }
        }
    }
}

fn by_cutoff(page: &ComparisonPage<'_>, gains: &[GainAtCutoff]) -> Figure<'static> {
    let reach = |cohort: &GainAtCutoff| {
        cohort
            .log_loss
            .interval
            .map_or(cohort.log_loss.difference.abs(), |Interval { low, high }| {
                low.abs().max(high.abs())
            })
    };
    let max = gains.iter().map(reach).fold(1e-4, f64::max);
    let zone = page.zone();
    let y = Axis::new("difference in log loss", AxisScale::rounded(-max, max), short, true);
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &cutoff_axis(&page.comparison.challenger.by_cutoff, zone),
        &y,
    );
    chart.horizontal_line(0.0, "line reference");
    for (place, cohort) in gains.iter().enumerate() {
        let class = CLASSES[usize::from(cohort.log_loss.difference > 0.0)];
        let title = format!(
            "{}: {}, {} converted; difference {} (95% CI {})",
            zone.day(cohort.first),
            counted(cohort.rows, "row"),
            grouped(cohort.conversions),
            format_difference(&cohort.log_loss),
            format_interval(&cohort.log_loss)
        );
        chart.estimate(
            (number(place), cohort.log_loss.difference),
            cohort.log_loss.interval,
            class,
            &title,
        );
    }
    let row = |(cohort, span): (&GainAtCutoff, String)| {
        let difference = [format_difference(&cohort.log_loss), format_interval(&cohort.log_loss)];
        [span, grouped(cohort.rows), grouped(cohort.conversions)]
            .into_iter()
            .chain(difference)
            .collect()
    };
    let cohorts = page.comparison.challenger.by_cutoff.iter();
    let spans = cohorts.map(|cohort| cutoff_span(cohort, zone));
    Figure {
        id: "cutoff-differences",
        title: "Difference in log loss by cohort",
        alt_text:
            "Log loss of the challenger minus that of the champion in each cohort, with 95% confidence intervals; below 0 the challenger is better."
                .to_owned(),
        caption: "Log loss of the challenger minus that of the champion. Below 0 the challenger is better.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "challenger better, 95% CI"), ("dot no", "champion better, 95% CI")],
        table: Table::new("Difference in log loss by cohort", &["cutoff", "rows", "converted", "difference", "95% CI"], gains.iter().zip(spans).map(row)),
    }
}

/// Returns the section about features.
pub(super) fn features(page: &ComparisonPage<'_>) -> Markup {
    html! {
        section id="features" {
            h2 { "What drives the scores" }
            (paragraph("The importance of a feature is how much its values typically move the log-odds of an account: the standard deviation of its contribution over the training rows."))
            (grid([importance(page)]))
        }
    }
}

/// Returns the importance of each measure in both models, most important first; `None` if a model
/// does not use it.
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
    let max =
        drawn.iter().flat_map(|(_, both)| both.iter().flatten().copied()).fold(0.01, f64::max);
    let area = Area { left: 162.0, right: WIDTH - 10.0, top: 8.0, bottom: height - FOOT };
    let mut chart = Chart::new(
        area,
        &Axis::new("importance (log-odds)", AxisScale::rounded(0.0, max), short, false),
        &Axis::rows(drawn.len().max(1)),
    );
    chart.row_names(&drawn.iter().map(|(name, _)| name).collect::<Vec<_>>());
    for (row, (name, both)) in drawn.iter().enumerate() {
        let y = -number(row);
        if let [Some(one), Some(other)] = both {
            chart.stroke((*one, y), (*other, y), "plain");
        }
        for (side, value) in both.iter().enumerate().rev() {
            if let Some(value) = value {
                chart.dot(
                    (*value, y),
                    CLASSES[side],
                    &format!("{name}, {}: {}", page.labels[side], short(*value)),
                );
            }
        }
    }
    let shown = |value: &Option<f64>| value.map_or("not used".to_owned(), three);
    let rows =
        all.iter().map(|(name, both)| vec![format!("`{name}`"), shown(&both[0]), shown(&both[1])]);
    let rest = if all.len() > drawn.len() {
        format!(" Shown: {} of {} features.", drawn.len(), all.len())
    } else {
        String::new()
    };
    Figure {
        id: "importance",
        title: "Feature importance",
        alt_text: "Importance of each feature in both models, most important first.".to_owned(),
        caption: format!("Features with a single dot are used by only one of the models.{rest}"),
        drawing: chart.drawing(height),
        legend: vec![("dot yes", "challenger"), ("dot no", "champion")],
        table: Table::new("Feature importance", &["feature", page.labels[0], page.labels[1]], rows),
    }
}

/// Returns the section about accounts with different scores.
pub(super) fn disagreement(page: &ComparisonPage<'_>) -> Markup {
    html! {
        section id="disagreement" {
            h2 { "Where the models disagree" }
            (grid([scores(page)]))
            div.pair { (largest_disagreements(page)) }
        }
    }
}

/// Returns a probability with finite log-odds.
fn clamped(p: f64) -> f64 {
    p.clamp(1e-6, 1.0 - 1e-6)
}

/// Returns the difference in log-odds of a row.
fn log_odds_difference(page: &ComparisonPage<'_>, row: usize) -> f64 {
    let log_odds = |p: f64| (clamped(p) / (1.0 - clamped(p))).ln();
    log_odds(page.rows.challenger[row]) - log_odds(page.rows.champion[row])
}

/// Returns a scatter plot of the probabilities of both models; a sample if there are many rows.
fn scores(page: &ComparisonPage<'_>) -> Figure<'static> {
    let rows = page.rows;
    let by = |converted: bool| {
        let mut rows: Vec<usize> =
            (0..rows.y.len()).filter(|row| rows.y[*row] == converted).collect();
        rows.sort_by(|a, b| page.rows.challenger[*a].total_cmp(&page.rows.challenger[*b]));
        evenly_spaced(&rows, DRAWN[0])
    };
    let sides = [by(false), by(true)];
    let values =
        |side: &[f64]| sides.iter().flatten().map(|row| clamped(side[*row])).collect::<Vec<f64>>();
    let ends = |values: Vec<f64>| {
        values.iter().fold((1.0_f64, 0.0_f64), |(low, high), p| (low.min(*p), high.max(*p)))
    };
    let [(a, b), (c, d)] = [ends(values(&rows.challenger)), ends(values(&rows.champion))];
    let scale = AxisScale::new(Transform::Logit, a.min(c), b.max(d)).with_room(0.03);
    let mut chart = Chart::new(
        Area::with_height(HEIGHT),
        &Axis::new("probability, champion", scale, percent, false),
        &Axis::new("probability, challenger", scale, percent, true),
    );
    chart.line(&[(a.min(c), a.min(c)), (b.max(d), b.max(d))], "reference");
    for (side, class) in [(0, "no small"), (1, "yes small")] {
        for row in &sides[side] {
            let [one, other] = [rows.challenger[*row], rows.champion[*row]];
            let title = format!("challenger {}, champion {}", percent(one), percent(other));
            chart.dot((clamped(other), clamped(one)), class, &title);
        }
    }
    let drawn = sides[0].len() + sides[1].len();
    let rest = if drawn < rows.y.len() {
        format!(
            " Shown: {drawn} of {}, sampled evenly from each outcome.",
            counted(rows.y.len() as u64, "row")
        )
    } else {
        String::new()
    };
    Figure {
        id: "scores",
        title: "Probabilities of both models",
        alt_text: "Probability of each row by the champion and by the challenger, by outcome. On the diagonal both are equal.".to_owned(),
        caption: format!(
            "Above the diagonal, the challenger gives the higher probability. It is better if converted rows are above and the others below.{rest}"
        ),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "converted"), ("dot no", "did not convert"), ("line reference", "equal")],
        table: tiers(page),
    }
}

/// Returns the rows and conversion rate for each pair of tiers.
fn tiers(page: &ComparisonPage<'_>) -> Table {
    let cell = |group: &TierTransition| {
        if group.rows == 0 {
            return "–".to_owned();
        }
        format!(
            "{} ({})",
            grouped(group.rows),
            percent(number(group.conversions) / number(group.rows))
        )
    };
    let row = |(tier, moves): (&str, &[TierTransition; TIERS.len()])| {
        std::iter::once(format!("champion {tier}")).chain(moves.iter().map(cell)).collect()
    };
    let header: Vec<String> = std::iter::once("tier".to_owned())
        .chain(TIERS.map(|tier| format!("challenger {tier}")))
        .collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let caption =
        "Rows and conversion rate by tier (each model has the tiers of its own training rows)";
    Table::new(caption, &header, TIERS.into_iter().zip(&page.comparison.tiers).map(row))
}

/// Returns the accounts with the largest differences, one row per account.
fn largest_disagreements(page: &ComparisonPage<'_>) -> Table {
    let zone = page.zone();
    let mut rows: Vec<usize> = (0..page.rows.y.len()).collect();
    rows.sort_by(|a, b| {
        log_odds_difference(page, *b).abs().total_cmp(&log_odds_difference(page, *a).abs())
    });
    let mut accounts: Vec<&str> = Vec::new();
    rows.retain(|row| {
        let new =
            accounts.len() < DRAWN[1] && !accounts.contains(&page.rows.account[*row].as_str());
        if new {
            accounts.push(&page.rows.account[*row]);
        }
        new
    });
    let row = |(place, row): (usize, &usize)| {
        let name = if page.mask {
            format!("account {}", place + 1)
        } else {
            page.rows.account[*row].clone()
        };
        let cutoff = page
            .rows
            .cutoff
            .as_ref()
            .map_or("–".to_owned(), |cutoff| zone.day(cutoff[*row]).to_string());
        let outcome = if page.rows.y[*row] { "converted" } else { "did not convert" };
        vec![
            name,
            cutoff,
            percent(page.rows.challenger[*row]),
            percent(page.rows.champion[*row]),
            outcome.to_owned(),
        ]
    };
    let header = ["account", "cutoff", page.labels[0], page.labels[1], "outcome"];
    Table::new("Accounts with the largest disagreement", &header, rows.iter().enumerate().map(row))
}
