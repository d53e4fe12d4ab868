//! `pql inspect`

use super::Terminal;
use super::output::{
    CsvArgs, Output, OutputArgs, OutputFormat, csv_text, limit_formats, markdown_text,
};
use super::shared::{ModelArgs, PlotArgs};
use crate::config::PenaltyKind;
use crate::error::{Error, Result};
use crate::io::write::format_number;
use crate::model::Model;
use crate::model::explain::{Coefficient, coefficients, describe_measure};
use crate::names::places_of_small;
use crate::report::format::{shorten_middle, wrap, wrap_lines};
use crate::report::text::{self, fixed};
use crate::warning::{Notice, dropped_features};

/// Show coefficients, odds ratios and standard errors of a model
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Show the regularization path instead of the coefficients
    #[arg(long, help_heading = "Output")]
    regularization_path: bool,
    #[command(flatten)]
    plot: PlotArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    csv: CsvArgs,
}

const FORMATS: &[OutputFormat] =
    &[OutputFormat::Table, OutputFormat::Json, OutputFormat::Csv, OutputFormat::Md];

/// The widest name of a feature in a table; the labels of pql's own features are shorter.
const NAME_WIDTH: usize = 32;

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    let (model, location) = args.model.load(terminal)?;
    if args.regularization_path {
        return write_path(&model, &output, args.csv, terminal);
    }
    let rows = sorted(&model);
    match output.format {
        OutputFormat::Json => output.write_json(&rows, terminal),
        OutputFormat::Csv => output.write(&csv_text(cells(&rows), args.csv), terminal),
        OutputFormat::Md => output.write(&markdown_text(&cells(&rows)), terminal),
        _ => {
            let mut text = table(&model, &location.label, &rows, terminal.verbose)?;
            if let Some(drawing) = args.plot.drawing(output.is_on_terminal(terminal)) {
                let plot = drawing.coefficients(&rows);
                if !plot.is_empty() {
                    text += &format!("\n\n{plot}");
                }
            }
            output.write(&text, terminal)
        }
    }
}

/// Returns the coefficients: the intercept first, then the measures by importance.
fn sorted(model: &Model) -> Vec<Coefficient> {
    let mut rows = coefficients(model);
    let rank = |row: &Coefficient| model.importance.iter().position(|(m, _)| *m == row.measure);
    let size = |a: &Coefficient, b: &Coefficient| b.coef.abs().total_cmp(&a.coef.abs());
    rows[1..].sort_by(|a, b| rank(a).cmp(&rank(b)).then(size(a, b)));
    rows
}

/// Returns the header and all columns of the coefficients.
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

/// Returns the coefficients as a table, with everything that is stored about the model if
/// `verbose`.
fn table(model: &Model, label: &str, rows: &[Coefficient], verbose: bool) -> Result<String> {
    let mut text = format!("Model {label}\n");
    for line in text::verdict(&model.verdict()) {
        text += &format!("{line}\n");
    }
    text += &format!("\n{}\n", text::split_summary(&model.split, model.zone()));
    if let Some(metrics) = text::held_out(model) {
        text += &format!("\n{metrics}\n");
    }
    text += &format!("\nFit\n{}\n", text::fit(model)?);
    text += &format!("\nCoefficients per standard deviation\n{}", coefficient_table(model, rows));
    if verbose {
        text += &format!("\n\nMore about the coefficients\n{}", details_table(rows));
    }
    text += &families(model);
    text += &format!("\n\n{}", wrap_lines(&notes(model, verbose)?, "  "));
    for line in dropped_features(&model.dropped_features) {
        text += &format!("\n{}", wrap(&line, "  "));
    }
    for finding in &model.findings {
        text += &format!("\n{}", wrap(&Notice::Finding(finding.clone()).to_string(), "  "));
    }
    for warning in &model.warnings {
        text += &format!("\n{}", wrap(&Notice::Warning(warning.clone()).to_string(), "  "));
    }
    Ok(text)
}

/// Lists the families of several measures; empty without any.
fn families(model: &Model) -> String {
    let describe = |measure: &String| describe_measure(&model.preprocessor, measure);
    let mut text = String::new();
    for family in model.families.iter().filter(|family| family.measures.len() > 1) {
        if text.is_empty() {
            text += "\n\nMeasures with the same information, which share one reason";
        }
        let members = family.measures.iter().map(describe).collect::<Vec<_>>().join(", ");
        let line = format!("importance {:.3}: {members}", family.importance);
        text += &format!("\n{}", wrap(&line, "  "));
    }
    text
}

/// Returns the columns that answer most questions, by feature, at most 100 characters wide.
fn coefficient_table(model: &Model, rows: &[Coefficient]) -> String {
    let header = ["feature", "importance", "coef", "95% CI", "P>|z| *", "odds ratio", "missing"];
    let mut cells = Vec::new();
    let mut measure = "";
    for row in rows {
        if row.measure != measure {
            measure = &row.measure;
            let importance = model.importance.iter().find(|(m, _)| m == measure).map(|(_, i)| *i);
            let name = describe_measure(&model.preprocessor, measure);
            let mut heading = vec![shorten_middle(&name, NAME_WIDTH), fixed(importance, 3)];
            heading.resize(header.len(), String::new());
            cells.push(heading);
        }
        let indent = if row.measure.is_empty() { "" } else { "  " };
        let name = format!("{indent}{}", shorten_middle(&row.feature, NAME_WIDTH - indent.len()));
        cells.push([name, String::new()].into_iter().chain(short_numbers(row)).collect());
    }
    text::table(&header, cells, 1..header.len())
}

fn short_numbers(row: &Coefficient) -> Vec<String> {
    let interval = row.interval.map_or_else(
        || "–".to_owned(),
        |interval| {
            let places = places_of_small(&[interval.low, interval.high], 2);
            text::signed_range(Some(interval), places)
        },
    );
    vec![
        text::signed_decimal(row.coef, places_of_small(&[row.coef], 3)),
        interval,
        p_value(row.p_unpenalized),
        text::odds_ratio(row.odds_ratio, 2),
        row.missing.map_or_else(|| "–".to_owned(), |share| format!("{:.1}%", 100.0 * share)),
    ]
}

/// Returns the other columns, at most 100 characters wide.
fn details_table(rows: &[Coefficient]) -> String {
    let header = ["feature", "std err", "z *", "per unit", "VIF", "mean", "SD"];
    let row = |row: &Coefficient| {
        vec![
            shorten_middle(&row.feature, NAME_WIDTH),
            fixed(row.std_error, 4),
            fixed(row.z_unpenalized, 2),
            row.odds_ratio_raw.map_or_else(|| "–".to_owned(), |ratio| text::odds_ratio(ratio, 4)),
            fixed(row.vif, 1),
            fixed(row.mean, 3),
            fixed(row.sd, 3),
        ]
    };
    text::table(&header, rows.iter().map(row).collect(), 1..header.len())
}

/// Formats a p-value with three decimal places.
fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.001 => "<0.001".to_owned(),
        p => fixed(p, 3),
    }
}

/// Explains the columns.
fn notes(model: &Model, verbose: bool) -> Result<String> {
    let penalty = model.config()?.model.penalty;
    let mut text = match penalty {
        PenaltyKind::L1 | PenaltyKind::ElasticNet => {
            "No 95% CI: inference after selection is not valid.\n* without penalty: from a fit of the same columns without a penalty".to_owned()
        }
        PenaltyKind::Firth => {
            "coef and 95% CI are of Firth's penalized likelihood.\n* without penalty: from a fit of the same columns without a penalty".to_owned()
        }
        _ if model.fit.alpha > 0.0 => format!(
            "coef and 95% CI are penalized (alpha {}).\n* without penalty: from a fit of the same columns without a penalty",
            text::alpha(model.fit.alpha)
        ),
        _ => "* Wald tests of the maximum-likelihood fit".to_owned(),
    };
    if verbose {
        text += "\nper unit: odds ratio per raw unit, if the column is linear in it\nAll numbers in one table: --format csv";
    } else {
        text += "\nMore columns: -v, or --format csv";
    }
    if model.preprocessor.columns().iter().any(|column| column.term.is_spline_term()) {
        text += "\n`x>a`: x exceeds its minimum a. `x from b`: change of the slope at b.";
    }
    Ok(text)
}

/// Writes the regularization path, with the chosen alpha marked.
fn write_path(
    model: &Model,
    output: &Output,
    csv: CsvArgs,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    let Some(path) = &model.regularization_path else {
        let l2 = "train with `model.penalty = \"l2\"`, which has one";
        let (problem, hint) = match model.config()?.model.penalty {
            PenaltyKind::None => ("no regularization path: the model has no penalty", l2),
            PenaltyKind::Firth => ("no regularization path: Firth's penalty has no alpha", l2),
            _ => (
                "no regularization path: alpha was fixed",
                "train with `model.alpha = \"cv\"` to choose it by cross-validation",
            ),
        };
        return Err(Error::Usage { problem: problem.to_owned(), hint: Some(hint.to_owned()) });
    };
    if output.format == OutputFormat::Json {
        return output.write_json(path, terminal);
    }
    let header = ["alpha", "log_loss", "excess", "excess_std_error", "nonzero", "chosen"];
    let chosen = |index: usize| if index == path.chosen { "chosen" } else { "" }.to_owned();
    let points = path.points.iter().enumerate();
    if output.format == OutputFormat::Table {
        let rows = points.map(|(index, point)| {
            vec![
                text::alpha(point.alpha),
                fixed(Some(point.log_loss), 6),
                fixed(Some(point.excess), 6),
                fixed(point.excess_std_error, 6),
                text::count(point.nonzero),
                chosen(index),
            ]
        });
        let table = text::table(
            &["alpha", "log loss", "excess", "std err", "non-zero", ""],
            rows.collect(),
            0..5,
        );
        return output.write(
            &format!(
                "Regularization path: cross-validated log loss by regularization strength (alpha)\n\n{table}\n\n\
                excess: log loss above the minimum, with its standard error by account\n\
                non-zero: mean number of non-zero coefficients over the folds"
            ),
            terminal,
        );
    }
    let rows = points.map(|(index, point)| {
        let numbers = [
            Some(point.alpha),
            Some(point.log_loss),
            Some(point.excess),
            point.excess_std_error,
            Some(point.nonzero),
        ];
        numbers
            .map(|number| number.map_or(String::new(), format_number))
            .into_iter()
            .chain([chosen(index)])
            .collect()
    });
    let rows: Vec<Vec<String>> =
        std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect();
    let is_csv = output.format == OutputFormat::Csv;
    output.write(&if is_csv { csv_text(rows, csv) } else { markdown_text(&rows) }, terminal)
}
