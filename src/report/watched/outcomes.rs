//! What became of the accounts that were scored before.

use super::{between, four, number, percent, three};
use crate::evaluate::{Evaluation, Part};
use crate::monitor::{Realised, RunOutcome};
use crate::report::chart::{About, Area, Axis, Chart, Scale, Spread};
use crate::report::html::{Figure, Html, Table};
use crate::report::performance::HEIGHT;
use crate::report::reliability::{Side, reliability};

/// Runs that are named on the axis.
const NAMED: usize = 5;

/// Put predictions against outcomes.
pub(super) fn outcomes(of: &Realised, body: &mut Html) {
    body.section("outcomes", "What became of accounts scored before");
    body.paragraph("Every interval is a 95 % interval by account. Horizons of runs that follow each other overlap: an account that converts may count in several.");
    body.raw("<div class=\"grid\">\n");
    body.figure(&reliability(&[Side { name: "scored before", class: "yes", bins: &of.reliability }]));
    if of.runs.len() > 1 {
        body.figure(&runs(&of.runs));
    }
    body.raw("</div>\n<div class=\"pair\">").table(&metrics(&of.evaluation));
    if let Some([held, others]) = &of.holdout {
        let row = |who: &str, part: &Part| {
            vec![who.to_owned(), part.rows.to_string(), four(part.probability), four(part.converted), between(part.converted_95, four)]
        };
        let rows = vec![row("left alone", held), row("others", others)];
        body.table(&Table::new("Holdout and others", &["", "rows", "predicted", "converted", "95 %"], rows));
    }
    body.raw("</div></section>\n");
}

fn metrics(e: &Evaluation) -> Table {
    let row = |name: &str, value: Option<f64>, interval: Option<[f64; 2]>, note: &str| {
        vec![name.to_owned(), four(value), between(interval, four), note.to_owned()]
    };
    let rows = vec![
        row("predicted", Some(e.expected_conversions / number(e.n)), None, "mean probability"),
        row("converted", Some(e.base_rate), None, ""),
        row("calibration in the large", e.calibration_in_the_large, e.calibration_in_the_large_95, "0 is right"),
        row("calibration slope", e.calibration_slope, e.calibration_slope_95, "1 is right"),
        row("ROC AUC", e.roc_auc, e.roc_auc_95, "0.5 is chance"),
        row("log loss", Some(e.log_loss), e.log_loss_95, ""),
    ];
    Table::new("Predictions against outcomes", &["metric", "value", "95 %", ""], rows)
}

/// Share predicted and share observed, run by run.
fn runs(runs: &[RunOutcome]) -> Figure<'static> {
    let name = |run: &RunOutcome| run.at.as_ref().map_or(String::new(), |at| at[..10].to_owned());
    let every = runs.len().div_ceil(NAMED);
    let ticks =
        runs.iter().enumerate().step_by(every).map(|(at, run)| (number(at), name(run).get(5..).unwrap_or_default().to_owned())).collect();
    let x = Axis { label: "scored at".to_owned(), scale: Scale::new(Spread::Linear, -0.5, number(runs.len()) - 0.5), ticks };
    let ends = |part: &Part| part.converted_95.map_or(0.0, |[_, high]| high).max(part.probability.unwrap_or(0.0));
    let most = runs.iter().map(|run| ends(&run.part)).fold(0.01, f64::max);
    let mut chart = Chart::new(Area::of_height(HEIGHT), &x, &Axis::new("share of the rows", Scale::rounded(0.0, most), percent, true));
    for (at, run) in runs.iter().enumerate() {
        let (x, part) = (number(at), &run.part);
        let shares = [part.probability, part.converted].map(|share| share.map_or("–".to_owned(), percent));
        let title = format!("{} by {}: {} rows, {} predicted, {} converted", name(run), run.model, part.rows, shares[0], shares[1]);
        if let Some([low, high]) = part.converted_95 {
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
        let counts = [name(run), run.model.clone(), part.rows.to_string(), part.conversions.to_string()];
        counts
            .into_iter()
            .chain([four(part.probability), four(part.converted), between(part.converted_95, four), three(part.roc_auc)])
            .collect()
    };
    let title = "Predicted and observed, run by run";
    let about = About {
        id: "runs",
        title,
        description: "Share of the rows of each run that converted, with its 95 % interval, and the mean probability it was given.",
    };
    let header = ["scored at", "model", "rows", "conversions", "predicted", "converted", "95 %", "ROC AUC"];
    Figure {
        title,
        about: "The bars should cross the lines, but for one in twenty.".to_owned(),
        drawing: chart.drawing(HEIGHT, &about),
        legend: vec![("dot yes", "converted, 95 %"), ("line plain", "predicted")],
        table: Table::new("Run by run", &header, runs.iter().map(row).collect()),
    }
}
