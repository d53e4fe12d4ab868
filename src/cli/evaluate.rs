//! `pql evaluate`

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Terminal;
use super::features::matrix_only;
use super::shared::{ProjectArgs, load_model, observed_rows, with_model};
use super::tables;
use crate::error::{Error, Result};
use crate::evaluate::evaluate;
use crate::ingest::Kind;
use crate::matrix;
use crate::model::Model;
use crate::rows::Rows;
use crate::score::Scorer;

/// Judge a model on labelled data
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Model: a file, NAME (its champion) or NAME/VERSION
    #[arg(value_name = "MODEL")]
    model: String,
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Judge on a feature matrix instead of events
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Keep rows at or before the last training cutoff too
    #[arg(long)]
    all: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = load_model(&args.model, &args.models)?;
    let rows = rows(args, &model, &found.label, terminal)?;
    let newer = |row: usize| match (&rows.cutoff, model.last_learned()) {
        (Some(cutoff), Some(last)) if !args.all => cutoff[row] > last,
        _ => true,
    };
    let kept: Vec<usize> = (0..rows.y.len()).filter(|row| rows.y[*row].is_some() && newer(*row)).collect();
    let old = (0..rows.y.len()).filter(|row| !newer(*row)).count();
    if old > 0 {
        terminal.note(&format!("{old} rows at or before the last training cutoff are left out (`--all` keeps them)"));
    }
    if rows.cutoff.is_none() && !args.all {
        terminal.note("warning: without cutoffs rows that the model has learned from cannot be told apart and count too");
    }
    if kept.is_empty() {
        let hint = (old > 0).then(|| "`--all` keeps rows at or before the last training cutoff".to_owned());
        return Err(Error::Unsuitable { problem: "no labelled row is left to judge by".to_owned(), hint });
    }
    let scorer = Scorer::new(&model, &found.label)?;
    let all = scorer.probabilities(&rows.features)?;
    let probability: Vec<f64> = kept.iter().map(|row| all[*row]).collect();
    let y: Vec<bool> = kept.iter().map(|row| rows.y[*row] == Some(true)).collect();
    let group: Vec<u32> = kept.iter().map(|row| rows.account[*row]).collect();
    let evaluation = evaluate(&y, &probability, &group)?;
    let distinct: BTreeSet<u32> = group.iter().copied().collect();
    if args.json {
        let text = serde_json::to_string_pretty(&evaluation).map_err(|e| Error::Unsuitable { problem: e.to_string(), hint: None })?;
        return terminal.say(&text);
    }
    terminal.say(&format!("Model {} on {} rows\n{}", found.label, kept.len(), tables::evaluation(&evaluation, distinct.len() < kept.len())))
}

fn rows(args: &Args, model: &Model, label: &str, terminal: &mut Terminal<'_>) -> Result<Rows> {
    let file = args.project.load()?;
    if let Some(path) = &args.features {
        let mut config = model.config()?;
        if file.matrix != crate::config::MatrixRule::default() {
            config.matrix = file.matrix;
        }
        let kinds = model.preprocessor.kinds();
        let text: Vec<String> = kinds.iter().filter(|(_, k)| **k == Kind::Text).map(|(name, _)| name.clone()).collect();
        let matrix = matrix::read(path, &config.matrix, &text)?;
        if let Some(feature) = kinds.keys().find(|name| matrix.features.column(name).is_err()) {
            let near = crate::error::nearest(feature, matrix.features.get_column_names().iter().map(|n| n.as_str()));
            return Err(Error::MissingFeature { path: path.clone(), feature: feature.clone(), near });
        }
        return Ok(Rows::of_matrix(matrix, &config));
    }
    let config = with_model(&file, model, terminal)?;
    let catalogue = model.catalogue.clone().ok_or_else(|| matrix_only(label))?;
    let log = args.project.log(&config, config.observation.until.map(|t| t.0), &model.preprocessor.kinds(), terminal)?;
    observed_rows(&config, log, Some(catalogue), terminal)
}
