//! `pql inspect`

use clap::ValueEnum;

use super::Terminal;
use super::shared::ModelArgs;
use super::shared::When;
use crate::config::PenaltyKind;
use crate::error::{Error, Result};
use crate::io::write::{csv_line, format_number};
use crate::model::Model;
use crate::model::explain::{Coefficient, coefficients};
use crate::report::text;
use crate::warning::{Notice, dropped_features};

/// Show what a model has learned: weights, odds ratios, standard errors
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// How to write the coefficients
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Style,
    /// One list by size of the coefficient, not grouped by measure
    #[arg(long)]
    flat: bool,
    /// Show the strengths of the penalty that were tried, instead of the coefficients
    #[arg(long)]
    path: bool,
    /// Draw plots below the tables, as wide as the terminal or the variable COLUMNS says
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    plot: When,
}

/// How the coefficients are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Style {
    /// For people: what matters most
    Table,
    /// All columns, comma-separated
    Csv,
    /// All columns, an array of objects
    Json,
    /// All columns, a Markdown table
    Md,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = args.model.load()?;
    if args.path {
        return path(&model, args.format, terminal);
    }
    let rows = sorted(&model, args.flat);
    match args.format {
        Style::Table => {
            table(&model, &found.label, &rows, args.flat, terminal)?;
            args.plot
                .drawing(terminal.drawn)
                .map_or(Ok(()), |drawing| terminal.say_plot(&drawing.weights(&rows)))
        }
        Style::Json => terminal.say_json(&rows),
        style => lines(style, cells(&rows), terminal),
    }
}

/// Intercept first; then measures by importance with their columns below, or one list by size.
fn sorted(model: &Model, flat: bool) -> Vec<Coefficient> {
    let mut rows = coefficients(model);
    let rank = |row: &Coefficient| model.importance.iter().position(|(m, _)| *m == row.measure);
    let size = |a: &Coefficient, b: &Coefficient| b.coef.abs().total_cmp(&a.coef.abs());
    rows[1..]
        .sort_by(|a, b| if flat { size(a, b) } else { rank(a).cmp(&rank(b)).then(size(a, b)) });
    rows
}

/// Header and rows of the coefficients.
fn cells(rows: &[Coefficient]) -> Vec<Vec<String>> {
    let header = rows
        .iter()
        .take(1)
        .map(|row| ("feature".to_owned(), row.numbers().map(|(name, _)| name.to_owned())));
    let body = rows.iter().map(|row| {
        (
            row.feature.clone(),
            row.numbers().map(|(_, value)| value.map_or(String::new(), format_number)),
        )
    });
    header.chain(body).map(|(name, rest)| std::iter::once(name).chain(rest).collect()).collect()
}

/// Write rows, the header first, as CSV or Markdown.
fn lines(style: Style, rows: Vec<Vec<String>>, terminal: &mut Terminal<'_>) -> Result<()> {
    for (at, cells) in rows.into_iter().enumerate() {
        if style == Style::Csv {
            terminal.say(&csv_line(&cells))?;
            continue;
        }
        let plain: Vec<String> =
            cells.iter().map(|c| c.replace('|', "\\|").replace('\n', " ")).collect();
        terminal.say(&format!("| {} |", plain.join(" | ")))?;
        if at == 0 {
            terminal.say(&format!("|{}", "---|".repeat(cells.len())))?;
        }
    }
    Ok(())
}

fn table(
    model: &Model,
    label: &str,
    rows: &[Coefficient],
    flat: bool,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    if let Some(defeat) = text::defeat(model) {
        terminal.say(&defeat)?;
    }
    terminal.say(&format!("Model {label}"))?;
    terminal.say(&text::extent(&model.extent))?;
    if let Some(judgement) = text::held_out(model) {
        terminal.say(&judgement)?;
    }
    terminal.say(&format!("\n{}", text::fit(model)?))?;
    let mut cells = Vec::new();
    let mut sizes = Vec::new();
    let mut measure = "";
    for row in rows {
        if !flat && row.measure != measure {
            measure = &row.measure;
            let importance = model.importance.iter().find(|(m, _)| m == measure).map(|(_, i)| *i);
            let mut group = vec![format!("{measure} (importance {})", fixed(importance, 3))];
            group.resize(HEADER.len(), String::new());
            cells.push(group);
            sizes.push(0.0);
        }
        let indent = if flat || row.measure.is_empty() { "" } else { "  " };
        cells.push(line(row, format!("{indent}{}", row.feature)));
        // The intercept is no weight.
        sizes.push(if row.measure.is_empty() { 0.0 } else { row.coef });
    }
    let numbers = 1..HEADER.len();
    terminal.say(&format!(
        "\nCoefficients per standard deviation\n{}",
        text::with_bars(&HEADER, cells, numbers, &sizes, terminal.drawn)
    ))?;
    terminal.say(&format!("\n{}", reading(model)?))?;
    for line in dropped_features(&model.left_out) {
        terminal.say(&line)?;
    }
    for finding in &model.findings {
        terminal.say(&Notice::Finding(finding.clone()).to_string())?;
    }
    for warning in &model.warnings {
        terminal.say(&Notice::Warning(warning.clone()).to_string())?;
    }
    Ok(())
}

const HEADER: [&str; 13] = [
    "feature",
    "coef",
    "std err",
    "z",
    "P>|z|",
    "[0.025",
    "0.975]",
    "odds ratio",
    "per unit",
    "VIF",
    "mean",
    "SD",
    "missing %",
];

fn fixed(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"))
}

fn line(row: &Coefficient, name: String) -> Vec<String> {
    let signed = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:+.3}"));
    vec![
        name,
        format!("{:+.4}", row.coef),
        fixed(row.std_error, 4),
        fixed(row.z, 2),
        fixed(row.p, 3),
        signed(row.interval.map(|interval| interval.low)),
        signed(row.interval.map(|interval| interval.high)),
        text::ratio(row.odds_ratio, 3),
        row.odds_ratio_raw.map_or_else(|| "–".to_owned(), |ratio| text::ratio(ratio, 4)),
        fixed(row.vif, 1),
        fixed(row.mean, 3),
        fixed(row.sd, 3),
        fixed(row.missing.map(|m| 100.0 * m), 1),
    ]
}

/// How the columns are to be read.
fn reading(model: &Model) -> Result<String> {
    let penalty = model.config()?.model.penalty;
    let mut text = match penalty {
        PenaltyKind::L1 | PenaltyKind::ElasticNet => {
            "no standard errors: there is no valid inference after a selection; z and P>|z|: the same columns without penalty".to_owned()
        }
        PenaltyKind::Firth => {
            "coef, std err and interval: Firth's penalised likelihood; z and P>|z|: the same columns without penalty".to_owned()
        }
        _ if model.fit.alpha > 0.0 => format!(
            "coef, std err and interval: penalised (alpha = {}); z and P>|z|: the same columns without penalty",
            text::strength(model.fit.alpha)
        ),
        _ => "maximum likelihood; P>|z|: Wald tests".to_owned(),
    };
    text += "\nper unit: odds ratio per raw unit, where the column is a straight line in it";
    if model.preprocessor.columns().iter().any(|column| column.part.bends()) {
        text +=
            "\n`x>a`: x is above a, its minimum; `x from b`: by how much the slope changes at b";
    }
    Ok(text)
}

/// The strengths of the penalty that were tried, the chosen one marked.
fn path(model: &Model, style: Style, terminal: &mut Terminal<'_>) -> Result<()> {
    let Some(path) = &model.path else {
        let rule = model.config()?.model;
        let (problem, hint) = match rule.penalty {
            PenaltyKind::None => (
                "the model has no penalty, so that no strength was tried",
                "`model.penalty = \"l2\"` has one",
            ),
            PenaltyKind::Firth => {
                ("Firth's penalty has no strength to be tried", "`model.penalty = \"l2\"` has one")
            }
            _ => (
                "the strength of the penalty was given, no path was tried",
                "`model.alpha = \"cv\"` looks for it",
            ),
        };
        return Err(Error::Usage { problem: problem.to_owned(), hint: Some(hint.to_owned()) });
    };
    if style == Style::Json {
        return terminal.say_json(path);
    }
    let header = ["alpha", "log_loss", "excess", "excess_se", "non_zero", "chosen"];
    let chosen = |at: usize| if at == path.chosen { "chosen" } else { "" }.to_owned();
    let points = path.points.iter().enumerate();
    if style == Style::Table {
        let rows = points.map(|(at, point)| {
            let mut row = vec![format!("{:.4e}", point.alpha), format!("{:.6}", point.log_loss)];
            row.extend([
                format!("{:.6}", point.excess),
                fixed(point.excess_se, 6),
                format!("{:.1}", point.non_zero),
                chosen(at),
            ]);
            row
        });
        terminal.say("Cross-validated log loss by strength of the penalty; excess over the least, with its standard error by account; non_zero: coefficients, mean of the folds")?;
        return terminal.say(&text::table(&header, rows.collect(), 0..5));
    }
    let rows = points.map(|(at, point)| {
        let numbers = [
            Some(point.alpha),
            Some(point.log_loss),
            Some(point.excess),
            point.excess_se,
            Some(point.non_zero),
        ];
        numbers
            .map(|number| number.map_or(String::new(), format_number))
            .into_iter()
            .chain([chosen(at)])
            .collect()
    });
    lines(
        style,
        std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect(),
        terminal,
    )
}
