//! What became of the accounts that were scored before.

use maud::{Markup, html};
use pql_stats::intervals::{Estimate, Interval};
use pql_stats::metrics::{Evaluation, Part};

use crate::operations::monitor::{Realised, RunOutcome};
use crate::report::charts::{Area, Axis, Chart, HEIGHT, Scale};
use crate::report::format::{between, four, number, percent, three};
use crate::report::html::elements::{Figure, Table, grid, paragraph};
use crate::report::html::reliability::{BinSeries, reliability};

/// Returns predictions against outcomes.
pub(super) fn outcomes(realised: &Realised) -> Markup {
    let scored = BinSeries { name: "scored before", class: "yes", bins: &realised.reliability };
    let runs = (realised.runs.len() > 1).then(|| runs(&realised.runs));
    html! {
        section id="outcomes" {
            h2 { "What became of accounts scored before" }
            (paragraph("Every interval is a 95 % interval by account. Horizons of runs that follow each other overlap: an account that converts may count in several."))
            (grid([reliability(&[scored])].into_iter().chain(runs)))
            div.pair {
                (metrics(&realised.evaluation))
                @if let Some(parts) = &realised.holdout { (holdout(parts)) }
            }
        }
    }
}

fn holdout([held, others]: &[Part; 2]) -> Table {
    let row = |who: &str, part: &Part| {
        vec![
            who.to_owned(),
            part.rows.to_string(),
            four(part.probability),
            four(part.converted),
            between(part.converted_interval, four),
        ]
    };
    let rows = vec![row("left alone", held), row("others", others)];
    Table::new("Holdout and others", &["", "rows", "predicted", "converted", "95 %"], rows)
}

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
    let rows = vec![
        row("predicted", Some(e.expected_conversions / number(e.n)), None, "mean probability"),
        row("converted", Some(e.base_rate), None, ""),
        estimate("calibration in the large", e.calibration_in_the_large, "0 is right"),
        estimate("calibration slope", e.calibration_slope, "1 is right"),
        estimate("ROC AUC", e.roc_auc, "0.5 is chance"),
        estimate("log loss", Some(e.log_loss), ""),
    ];
    Table::new("Predictions against outcomes", &["metric", "value", "95 %", ""], rows)
}

/// Returns the share predicted and share observed, run by run.
fn runs(runs: &[RunOutcome]) -> Figure<'static> {
    let name = |run: &RunOutcome| run.at.as_ref().map_or(String::new(), |at| at[..10].to_owned());
    let days: Vec<String> =
        runs.iter().map(|run| name(run).get(5..).unwrap_or_default().to_owned()).collect();
    let x = Axis::items("scored at", &days);
    let ends = |part: &Part| {
        part.converted_interval
            .map_or(0.0, |interval| interval.high)
            .max(part.probability.unwrap_or(0.0))
    };
    let most = runs.iter().map(|run| ends(&run.part)).fold(0.01, f64::max);
    let mut chart = Chart::new(
        Area::of_height(HEIGHT),
        &x,
        &Axis::new("share of the rows", Scale::rounded(0.0, most), percent, true),
    );
    for (at, run) in runs.iter().enumerate() {
        let (x, part) = (number(at), &run.part);
        let shares =
            [part.probability, part.converted].map(|share| share.map_or("–".to_owned(), percent));
        let title = format!(
            "{} by {}: {} rows, {} predicted, {} converted",
            name(run),
            run.model,
            part.rows,
            shares[0],
            shares[1]
        );
        if let Some(Interval { low, high }) = part.converted_interval {
            chart.stroke((x, low), (x, high), "yes");
        }
        if let Some(predicted) = part.probability {
            chart.stroke((x - 0.3, predicted), (x + 0.3, predicted), "chosen");
        }
        if let Some(converted) = part.converted {
            chart.dot((x, converted), "yes", &title);
        }
    }
    let row = |run: &RunOutcome| {
        let part = &run.part;
        let counts =
            [name(run), run.model.clone(), part.rows.to_string(), part.conversions.to_string()];
        counts
            .into_iter()
            .chain([
                four(part.probability),
                four(part.converted),
                between(part.converted_interval, four),
                three(part.roc_auc),
            ])
            .collect()
    };
    let header =
        ["scored at", "model", "rows", "conversions", "predicted", "converted", "95 %", "ROC AUC"];
    Figure {
        id: "runs",
        title: "Predicted and observed, run by run",
        alt_text: "Share of the rows of each run that converted, with its 95 % interval, and the mean probability it was given.".to_owned(),
        caption: "The bars should cross the lines, but for one in twenty.".to_owned(),
        drawing: chart.drawing(HEIGHT),
        legend: vec![("dot yes", "converted, 95 %"), ("line plain", "predicted")],
        table: Table::new("Run by run", &header, runs.iter().map(row)),
    }
}
