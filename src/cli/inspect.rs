//! `pql inspect`

use std::path::PathBuf;

use clap::ValueEnum;

use super::Terminal;
use super::shared::load_model;
use super::tables;
use crate::error::{Error, Result};
use crate::explain::{Coefficient, coefficients};
use crate::model::Model;
use crate::output::format_number;

/// Show what a model has learned: weights, odds ratios, standard errors
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Model: a file, NAME (its champion) or NAME/VERSION
    #[arg(value_name = "MODEL")]
    model: String,
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// How to write the coefficients
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Style,
    /// One list by size of the coefficient, not grouped by measure
    #[arg(long)]
    flat: bool,
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
    let (model, found) = load_model(&args.model, &args.models)?;
    let rows = sorted(&model, args.flat);
    match args.format {
        Style::Table => table(&model, &found.label, &rows, args.flat, terminal),
        Style::Csv => lines(&rows, terminal, |cells| csv_line(&cells)),
        Style::Md => {
            let mut first = true;
            lines(&rows, terminal, |cells| {
                let line =
                    format!("| {} |", cells.iter().map(|c| c.replace('|', "\\|").replace('\n', " ")).collect::<Vec<_>>().join(" | "));
                let rule = if std::mem::take(&mut first) { format!("\n|{}", "---|".repeat(cells.len())) } else { String::new() };
                line + &rule
            })
        }
        Style::Json => {
            let text = serde_json::to_string_pretty(&rows).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
            terminal.say(&text)
        }
    }
}

/// Intercept first; then measures by importance with their columns below, or one list by size.
fn sorted(model: &Model, flat: bool) -> Vec<Coefficient> {
    let mut rows = coefficients(model);
    let rank = |row: &Coefficient| model.importance.iter().position(|(m, _)| *m == row.measure);
    let size = |a: &Coefficient, b: &Coefficient| b.coef.abs().total_cmp(&a.coef.abs());
    rows[1..].sort_by(|a, b| if flat { size(a, b) } else { rank(a).cmp(&rank(b)).then(size(a, b)) });
    rows
}

fn lines(rows: &[Coefficient], terminal: &mut Terminal<'_>, mut line: impl FnMut(Vec<String>) -> String) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let names = numbers(first).map(|(name, _)| name.to_owned());
    terminal.say(&line(std::iter::once("feature".to_owned()).chain(names).collect()))?;
    for row in rows {
        let numbers = numbers(row).map(|(_, value)| value.map_or(String::new(), format_number));
        terminal.say(&line(std::iter::once(row.feature.clone()).chain(numbers).collect()))?;
    }
    Ok(())
}

fn csv_line(cells: &[String]) -> String {
    let quote = |cell: &String| if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() };
    cells.iter().map(quote).collect::<Vec<_>>().join(",")
}

fn table(model: &Model, label: &str, rows: &[Coefficient], flat: bool, terminal: &mut Terminal<'_>) -> Result<()> {
    terminal.say(&format!("Model {label}"))?;
    terminal.say(&tables::extent(&model.extent))?;
    if let Some(judgement) = tables::judgement(model) {
        terminal.say(&judgement)?;
    }
    let fixed = |value: Option<f64>, digits: usize| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"));
    let signed = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:+.3}"));
    let mut cells = Vec::new();
    let mut measure = "";
    for row in rows {
        if !flat && row.measure != measure {
            measure = &row.measure;
            let importance = model.importance.iter().find(|(m, _)| m == measure).map(|(_, i)| *i);
            let mut group = vec![format!("{measure} (importance {})", fixed(importance, 3))];
            group.resize(13, String::new());
            cells.push(group);
        }
        let indent = if flat || row.measure.is_empty() { "" } else { "  " };
        let mut line = vec![format!("{indent}{}", row.feature)];
        line.extend([
            format!("{:+.4}", row.coef),
            fixed(row.std_error, 4),
            fixed(row.z, 2),
            fixed(row.p, 4),
            signed(row.low),
            signed(row.high),
            fixed(Some(row.odds_ratio), 3),
            row.odds_ratio_raw.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}")),
            fixed(row.vif, 1),
            fixed(row.mean, 3),
            fixed(row.sd, 3),
            fixed(row.missing.map(|m| 100.0 * m), 1),
        ]);
        cells.push(line);
    }
    let header = ["feature", "coef", "std error", "z", "p", "2.5 %", "97.5 %", "odds ratio", "per unit", "VIF", "mean", "SD", "missing %"];
    terminal.say(&format!("\nCoefficients per standard deviation\n{}", tables::table(&header, cells, 1..13)))?;
    if model.fit.alpha > 0.0 {
        terminal.say(&format!(
            "\ncoef, std error and interval: penalised (alpha = {}); z and p: the same columns without penalty\n\
             per unit: odds ratio per raw unit, where the column is a straight line in it",
            model.fit.alpha
        ))?;
    }
    for line in tables::left_out(&model.left_out) {
        terminal.say(&line)?;
    }
    for warning in &model.warnings {
        terminal.say(&format!("warning: {warning}"))?;
    }
    Ok(())
}

/// The numeric columns of `pql inspect`, in their order.
fn numbers(row: &Coefficient) -> [(&'static str, Option<f64>); 14] {
    [
        ("coef", Some(row.coef)),
        ("std_error", row.std_error),
        ("z", row.z),
        ("p", row.p),
        ("low", row.low),
        ("high", row.high),
        ("odds_ratio", Some(row.odds_ratio)),
        ("coef_raw", row.coef_raw),
        ("std_error_raw", row.std_error_raw),
        ("odds_ratio_raw", row.odds_ratio_raw),
        ("vif", row.vif),
        ("mean", row.mean),
        ("sd", row.sd),
        ("missing", row.missing),
    ]
}
