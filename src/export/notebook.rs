//! A folder in which analysis goes on: rows, scores, coefficients, the model card, and a notebook
//! that starts from them.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::write::{csv_line, format_number, write_bytes};
use crate::model::Model;
use crate::model::encoder::{OTHER, Part, Prepared, Way};
use crate::model::explain::coefficients;
use crate::model::score::Scorer;
use crate::training::test_set::{TestRows, write_training};

/// Name of the notebook in its folder.
pub const NOTEBOOK: &str = "analysis.ipynb";
/// Name of the table of training rows in its folder.
const TRAINING: &str = "train.parquet";

/// The cells, as a script: each begins with [`MARK`].
const SCRIPT: &str = include_str!("analysis.py");
/// What begins a cell, before its kind in brackets: `markdown`, or a tag of code.
const MARK: &str = "# %%";
/// What stands in the script for the name and version of the model.
const LABEL: &str = "MODEL_LABEL";

/// What a notebook starts from.
#[derive(Debug, Clone, Copy)]
pub struct Notebook<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its name and version.
    pub label: &'a str,
    /// The rows it was judged by.
    pub test: &'a TestRows,
    /// Rows among which are those it learned from; `None`: the notebook does without them.
    pub training: Option<&'a Rows>,
    /// The model card, JSON.
    pub card: &'a [u8],
}

/// Write the folder: `features.parquet`, `scores.parquet`, `coefficients.csv`, `model.json`, where
/// they are given the training rows in `train.parquet`, and last the notebook.
///
/// # Errors
/// * [`Error::TrainingRowsDiffer`]: the training rows are not those of the model
/// * [`Error::Write`]: the folder cannot be written
pub fn notebook(source: &Notebook<'_>, folder: &Path) -> Result<()> {
    let failed = |source| Error::Write { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    let training = folder.join(TRAINING);
    match source.training {
        Some(rows) => write_training(source.model, rows, &training)?,
        None => remove(&training).map_err(failed)?,
    }
    source.test.write_features(&folder.join("features.parquet"))?;
    source
        .test
        .write_scores(&Scorer::new(source.model, source.label)?, &folder.join("scores.parquet"))?;
    write_bytes(&folder.join("coefficients.csv"), table(source.model).as_bytes())?;
    write_bytes(&folder.join("model.json"), source.card)?;
    let mut cells =
        serde_json::to_vec_pretty(&document(source.label)).expect("a notebook is plain JSON");
    cells.push(b'\n');
    write_bytes(&folder.join(NOTEBOOK), &cells)
}

/// Remove what an earlier export left and this one does not write.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The columns before those of `pql inspect`: a design column, and its way from the raw value.
const WAY: [&str; 12] = [
    "feature",
    "from",
    "measure",
    "part",
    "log1p",
    "low_bound",
    "high_bound",
    "fill",
    "at",
    "level",
    "known",
    "rest",
];

/// The coefficients as CSV, intercept first, each with all that leads from the raw value to its
/// design column.
fn table(model: &Model) -> String {
    let columns = model.preprocessor.columns();
    let mut lines = Vec::new();
    for (at, row) in coefficients(model).iter().enumerate() {
        let numbers = row.numbers();
        if at == 0 {
            let header = WAY.into_iter().chain(numbers.iter().map(|(name, _)| *name));
            lines.push(csv_line(&header.map(str::to_owned).collect::<Vec<_>>()));
        }
        let mut cells = match at.checked_sub(1).map(|at| &columns[at]) {
            None => vec![row.feature.clone(), String::new(), String::new(), "intercept".to_owned()],
            Some(column) => {
                let prepared = &model.preprocessor.features[column.feature];
                let mut cells =
                    vec![row.feature.clone(), prepared.feature.clone(), row.measure.clone()];
                cells.extend(way(prepared, column.part));
                cells.push(format_number(column.scale.rest));
                cells
            }
        };
        cells.resize(WAY.len(), String::new());
        cells.extend(
            numbers.into_iter().map(|(_, value)| value.map_or(String::new(), format_number)),
        );
        lines.push(csv_line(&cells));
    }
    lines.join("\n") + "\n"
}

/// From `part` to `known`: what a design column is of its feature, and how it comes from the raw
/// value.
fn way(prepared: &Prepared, part: Part<'_>) -> [String; 8] {
    let none = String::new;
    let (kind, at, level) = match part {
        Part::Value => ("value", None, none()),
        Part::Jump(above) => ("jump", Some(above), none()),
        Part::Hinge(knot) => ("hinge", Some(knot), none()),
        Part::Missing => ("missing", None, none()),
        Part::Level(level) => ("level", None, level.to_owned()),
    };
    match &prepared.way {
        Way::Number(number) => {
            let bound =
                |of: fn((f64, f64)) -> f64| number.bounds.map(of).map_or_else(none, format_number);
            let log1p = u8::from(number.log1p).to_string();
            let at = at.map_or_else(none, format_number);
            [
                kind.to_owned(),
                log1p,
                bound(|b| b.0),
                bound(|b| b.1),
                format_number(number.fill),
                at,
                none(),
                none(),
            ]
        }
        Way::Text(text) => {
            let pooled = level == OTHER && text.levels.iter().all(|(known, _)| known != OTHER);
            let known: Vec<&String> = std::iter::once(&text.base)
                .chain(text.levels.iter().map(|(level, _)| level))
                .collect();
            let known = if pooled { json!(known).to_string() } else { none() };
            let kind = if pooled { "other" } else { kind };
            [kind.to_owned(), none(), none(), none(), none(), none(), level, known]
        }
    }
}

/// The notebook, without outputs.
///
/// # Source
/// nbformat 4.5: <https://nbformat.readthedocs.io/en/latest/format_description.html>
fn document(label: &str) -> Value {
    let script = SCRIPT.replace(LABEL, label);
    let mut cells: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in script.lines() {
        match (line.strip_prefix(MARK), cells.last_mut()) {
            (Some(kind), _) => cells.push((kind.trim().trim_matches(['[', ']']), Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            // What stands before the first cell is said to readers of the script.
            (None, None) => {}
        }
    }
    let cells: Vec<Value> =
        cells.iter().enumerate().map(|(at, (kind, lines))| cell(at, kind, lines)).collect();
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

/// One cell, its lines without the blank ones at its end.
fn cell(at: usize, kind: &str, lines: &[&str]) -> Value {
    let written = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    let markdown = kind == "markdown";
    let plain = |line: &&str| {
        if markdown { line.strip_prefix("# ").unwrap_or_default() } else { line }.to_owned()
    };
    let mut source: Vec<String> = lines[..written].iter().map(|line| plain(line) + "\n").collect();
    if let Some(last) = source.last_mut() {
        last.pop();
    }
    let id = format!("cell-{:02}", at + 1);
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
    fn every_cell_of_the_script_is_in_the_notebook_with_an_id_of_its_own() {
        let document = document("trial/0001");
        let cells = document["cells"].as_array().unwrap();
        assert_eq!(cells.len(), SCRIPT.lines().filter(|line| line.starts_with(MARK)).count());
        let mut ids: Vec<&str> = cells.iter().map(|cell| cell["id"].as_str().unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), cells.len());
        let text = document.to_string();
        assert!(text.contains("trial/0001") && !text.contains(LABEL));
        assert!(cells.iter().any(|cell| cell["metadata"]["tags"][0] == "go-on"));
        assert_eq!(cells[0]["source"][0], "# Model trial/0001\n");
    }

    #[test]
    fn a_cell_keeps_its_inner_blank_lines_alone() {
        let code = cell(0, "plot", &["a", "", "b", ""]);
        assert_eq!(
            (&code["source"], &code["metadata"]["tags"]),
            (&json!(["a\n", "\n", "b"]), &json!(["plot"]))
        );
        let words = cell(1, "markdown", &["# ## Title", "# text"]);
        assert_eq!(words["source"], json!(["## Title\n", "text"]));
    }
}
