//! Export of a notebook: a folder with rows, scores, coefficients, the model card, and a Jupyter
//! notebook that analyzes them.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::escape::markdown_cell;
use crate::io::write::{RunFiles, csv_line, format_number, write_bytes};
use crate::model::Model;
use crate::model::encoder::{Encoding, FeatureEncoder, OTHER, Term};
use crate::model::explain::coefficients;
use crate::model::score::Scorer;
use crate::training::test_set::{TestRows, write_training_rows};

/// File name of the notebook.
pub const NOTEBOOK_FILE: &str = "analysis.ipynb";
/// File name of the training rows.
const TRAINING_FILE: &str = "train.parquet";

/// The cells as a script; each starts with [`CELL_MARKER`].
const SCRIPT: &str = include_str!("analysis.py");
/// Start of a cell, followed by its type in brackets: `markdown`, or a tag of a code cell.
const CELL_MARKER: &str = "# %%";
/// Placeholder in the script for the name and version of the model.
const LABEL_PLACEHOLDER: &str = "MODEL_LABEL";

/// Inputs of a notebook export.
#[derive(Debug, Clone, Copy)]
pub struct NotebookInput<'a> {
    /// The model.
    pub model: &'a Model,
    /// Name and version of the model.
    pub label: &'a str,
    /// The test rows.
    pub test_set: &'a TestRows,
    /// Rows that include the training rows; `None` to export without training rows.
    pub training: Option<&'a Rows>,
    /// The model card as JSON.
    pub card: &'a [u8],
}

/// Writes the folder: `features.parquet`, `scores.parquet`, `coefficients.csv`, `model.json`,
/// `train.parquet` if there are training rows, and finally the notebook.
///
/// # Arguments
/// * `files` – the inputs of the run, which are not replaced
/// # Errors
/// * [`Error::TrainingRowsDiffer`]: the training rows are not those of the model
/// * [`Error::Usage`]: a file of the export is an input
/// * [`Error::Write`]: the folder cannot be written
pub fn export_notebook(input: &NotebookInput<'_>, folder: &Path, files: &RunFiles) -> Result<()> {
    let file = |name: &str| files.output(&folder.join(name));
    let training = file(TRAINING_FILE)?;
    let features = file("features.parquet")?;
    let scores = file("scores.parquet")?;
    let coefficients = file("coefficients.csv")?;
    let card = file("model.json")?;
    let notebook = file(NOTEBOOK_FILE)?;
    let failed = |source| Error::Write { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    match input.training {
        Some(rows) => write_training_rows(input.model, rows, &training)?,
        None => remove_if_exists(training.path()).map_err(failed)?,
    }
    input.test_set.write_features(&features)?;
    input.test_set.write_scores(&Scorer::new(input.model, input.label)?, &scores)?;
    write_bytes(&coefficients, coefficient_csv(input.model).as_bytes())?;
    write_bytes(&card, input.card)?;
    let mut cells =
        serde_json::to_vec_pretty(&document(input.label)).expect("a notebook is plain JSON");
    cells.push(b'\n');
    write_bytes(&notebook, &cells)
}

/// Removes a file of an earlier export, if it exists.
fn remove_if_exists(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Columns that describe how a design column is computed from its raw feature. The columns of
/// `pql inspect` follow.
const ENCODING_COLUMNS: [&str; 12] = [
    "feature",
    "raw_feature",
    "measure",
    "term",
    "log1p",
    "low_bound",
    "high_bound",
    "fill",
    "knot",
    "level",
    "known_levels",
    "mean_low",
];

/// Returns the coefficients as CSV, intercept first, each with the encoding of its design column.
fn coefficient_csv(model: &Model) -> String {
    let columns = model.preprocessor.columns();
    let mut lines = Vec::new();
    for (index, row) in coefficients(model).iter().enumerate() {
        let numbers = row.numbers();
        if index == 0 {
            let header = ENCODING_COLUMNS.into_iter().chain(numbers.iter().map(|(name, _)| *name));
            lines.push(csv_line(&header.map(str::to_owned).collect::<Vec<_>>()));
        }
        let mut cells = match index.checked_sub(1).map(|index| &columns[index]) {
            None => vec![row.feature.clone(), String::new(), String::new(), "intercept".to_owned()],
            Some(column) => {
                let prepared = &model.preprocessor.features[column.feature];
                let mut cells =
                    vec![row.feature.clone(), prepared.feature.clone(), row.measure.clone()];
                cells.extend(encoding_cells(prepared, column.term));
                cells.push(format_number(column.scale.mean_low));
                cells
            }
        };
        cells.resize(ENCODING_COLUMNS.len(), String::new());
        cells.extend(
            numbers.into_iter().map(|(_, value)| value.map_or(String::new(), format_number)),
        );
        lines.push(csv_line(&cells));
    }
    lines.join("\n") + "\n"
}

/// Returns the cells from `term` to `known_levels` of a design column.
fn encoding_cells(prepared: &FeatureEncoder, term: Term<'_>) -> [String; 8] {
    let none = String::new;
    let (name, knot, level) = match term {
        Term::Value => ("value", None, none()),
        Term::Jump(above) => ("jump", Some(above), none()),
        Term::Hinge(knot) => ("hinge", Some(knot), none()),
        Term::Missing => ("missing", None, none()),
        Term::Level(level) => ("level", None, level.to_owned()),
    };
    match &prepared.encoding {
        Encoding::Numeric(number) => {
            let bound = |end: fn((f64, f64)) -> f64| {
                number.bounds.map(end).map_or_else(none, format_number)
            };
            let log1p = u8::from(number.log1p).to_string();
            let knot = knot.map_or_else(none, format_number);
            [
                name.to_owned(),
                log1p,
                bound(|b| b.0),
                bound(|b| b.1),
                format_number(number.fill),
                knot,
                none(),
                none(),
            ]
        }
        Encoding::Categorical(text) => {
            let pooled = level == OTHER && text.levels.iter().all(|(known, _)| known != OTHER);
            let known: Vec<&String> = std::iter::once(&text.reference_level)
                .chain(text.levels.iter().map(|(level, _)| level))
                .collect();
            let known = if pooled { json!(known).to_string() } else { none() };
            let name = if pooled { "other" } else { name };
            [name.to_owned(), none(), none(), none(), none(), none(), level, known]
        }
    }
}

/// Returns the notebook, without outputs.
///
/// # Source
/// nbformat 4.5: <https://nbformat.readthedocs.io/en/latest/format_description.html>
fn document(label: &str) -> Value {
    let script = SCRIPT.replace(LABEL_PLACEHOLDER, &markdown_cell(label));
    let mut cells: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in script.lines() {
        match (line.strip_prefix(CELL_MARKER), cells.last_mut()) {
            (Some(kind), _) => cells.push((kind.trim().trim_matches(['[', ']']), Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            // The docstring of the script is not part of the notebook.
            (None, None) => {}
        }
    }
    let cells: Vec<Value> =
        cells.iter().enumerate().map(|(index, (kind, lines))| cell(index, kind, lines)).collect();
    json!({
        "cells": cells,
        "metadata": {
            "kernelspec": { "display_name": "Python 3", "language": "python", "name": "python3" },
            "language_info": { "name": "python" },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    })
}

/// Returns a cell, without trailing blank lines.
fn cell(index: usize, kind: &str, lines: &[&str]) -> Value {
    let written = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    let markdown = kind == "markdown";
    let plain = |line: &&str| {
        if markdown { line.strip_prefix("# ").unwrap_or_default() } else { line }.to_owned()
    };
    let mut source: Vec<String> = lines[..written].iter().map(|line| plain(line) + "\n").collect();
    if let Some(last) = source.last_mut() {
        last.pop();
    }
    let id = format!("cell-{:02}", index + 1);
    if markdown {
        return json!({ "cell_type": "markdown", "id": id, "metadata": {}, "source": source });
    }
    let tags: Vec<&str> = Some(kind).filter(|kind| !kind.is_empty()).into_iter().collect();
    json!({
        "cell_type": "code",
        "execution_count": null,
        "id": id,
        "metadata": { "tags": tags },
        "outputs": [],
        "source": source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_script_is_in_the_notebook_with_a_unique_id() {
        let document = document("trial/0001");
        let cells = document["cells"].as_array().unwrap();
        assert_eq!(
            cells.len(),
            SCRIPT.lines().filter(|line| line.starts_with(CELL_MARKER)).count()
        );
        let mut ids: Vec<&str> = cells.iter().map(|cell| cell["id"].as_str().unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), cells.len());
        let text = document.to_string();
        assert!(text.contains("trial/0001") && !text.contains(LABEL_PLACEHOLDER));
        assert!(cells.iter().any(|cell| cell["metadata"]["tags"][0] == "continue"));
        assert_eq!(cells[0]["source"][0], "# Model trial/0001\n");
    }

    #[test]
    fn a_cell_keeps_inner_blank_lines_but_no_trailing_ones() {
        let code = cell(0, "plot", &["a", "", "b", ""]);
        assert_eq!(
            (&code["source"], &code["metadata"]["tags"]),
            (&json!(["a\n", "\n", "b"]), &json!(["plot"]))
        );
        let words = cell(1, "markdown", &["# ## Title", "# text"]);
        assert_eq!(words["source"], json!(["## Title\n", "text"]));
    }
}
