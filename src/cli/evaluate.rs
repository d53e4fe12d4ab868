//! `pql evaluate`

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::Terminal;
use super::by::groups;
use super::features::matrix_only;
use super::plot::{Drawing, When};
use super::shared::{ModelArgs, ProjectArgs, Purpose, definitions, matrix_rows, observed_rows, with_model};
use super::tables::{against_definition, by_value, whole};
use crate::card;
use crate::config::Config;
use crate::error::{Error, Result, nearest};
use crate::evaluate::{AgainstRule, Judged, Judgement, Part, RuleAtCutoff, against_rule, by_part};
use crate::model::Model;
use crate::rows::{Held, Rows};
use crate::score::Scorer;
use crate::time::iso;

/// Judge a model on labelled data
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Judge on a feature matrix instead of events
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Keep rows at or before the last training cutoff too
    #[arg(long)]
    all: bool,
    /// Judge each value of a column alone: an attribute, a feature (numbers with more than 10 values by quarters), or `cohort`, the
    /// calendar month of the cutoff; may be repeated
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// Set a PQL definition against the model, at equal volume
    #[arg(long, value_name = "NAME", conflicts_with = "features")]
    definition: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Draw plots below the tables, as wide as the terminal or the variable COLUMNS says
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    plot: When,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    judged: card::Judged<'a>,
    by: BTreeMap<&'a str, Vec<OfValue<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<OfDefinition<'a>>,
}

#[derive(Serialize)]
struct OfDefinition<'a> {
    name: &'a str,
    /// It was found on data until then, and some rows are older: they flatter it.
    found_until: Option<String>,
    #[serde(flatten)]
    against: AgainstRule,
    by_cutoff: Vec<OfCutoff>,
}

/// What definition and model find at one cutoff, or from one to another.
#[derive(Serialize)]
struct OfCutoff {
    first: String,
    last: String,
    rows: u64,
    conversions: u64,
    held: u64,
    rule: f64,
    model: f64,
}

impl OfCutoff {
    fn of(at: &RuleAtCutoff) -> Self {
        let RuleAtCutoff { first, last, rows, conversions, held, rule, model } = *at;
        Self { first: iso(first), last: iso(last), rows, conversions, held, rule, model }
    }
}

#[derive(Serialize)]
struct OfValue<'a> {
    value: &'a str,
    #[serde(flatten)]
    part: &'a Part,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, found) = args.model.load()?;
    let rows = rows(args, &model, &found.label, terminal)?;
    let all = Scorer::new(&model, &found.label)?.probabilities(&rows.features)?;
    let (kept, not_finite): (Vec<u32>, Vec<u32>) =
        kept(args, &model, &rows, terminal)?.into_iter().partition(|row| all[*row as usize].is_finite());
    if !not_finite.is_empty() {
        terminal.note(&format!("warning: {} rows left out, since a value is not finite", not_finite.len()));
    }
    let probability: Vec<f64> = kept.iter().map(|row| all[*row as usize]).collect();
    let (y, group) = (rows.outcomes(&kept), rows.accounts(&kept));
    let cutoff = rows.cutoffs(&kept);
    let judged = Judged { y: &y, probability: &probability, group: &group, cutoff: cutoff.as_deref() };
    let judgement = Judgement::of(judged, model.threshold)?;
    let mut by = Vec::new();
    for column in &args.by {
        let groups = groups(&rows, &kept, column)?;
        let parts = by_part(&y, &probability, &group, &groups.of_row);
        by.push((column.as_str(), groups.names.into_iter().zip(parts).collect::<Vec<_>>()));
    }
    let seed = model.config()?.model.seed;
    let held = args.definition.as_ref().map(|name| rows.held.iter().find(|held| held.name == *name).expect("it was looked for before"));
    let against = held.map(|held| compared(held, &kept, judged, seed)).transpose()?;
    if args.json {
        return terminal.say_json(&answer(&judgement, &by, against));
    }
    terminal.say(&format!(
        "Model {} on {} rows of {} accounts\n{}",
        found.label,
        kept.len(),
        judgement.evaluation.accounts,
        whole(&judgement)
    ))?;
    if let Some(drawing) = Drawing::of(args.plot, terminal.drawn) {
        for plot in [drawing.reliability(&judgement.reliability), drawing.gains(&judgement.gains)] {
            terminal.say_plot(&plot)?;
        }
    }
    by.iter().try_for_each(|(column, parts)| terminal.say(&by_value(column, parts)))?;
    against.map_or(Ok(()), |of| terminal.say(&against_definition(of.name, of.found_until.as_deref(), &of.against)))
}

/// Set a definition against the model on the rows that are kept.
fn compared<'a>(of: &'a Held, kept: &[u32], judged: Judged<'_>, seed: u64) -> Result<OfDefinition<'a>> {
    let held: Vec<bool> = kept.iter().map(|row| of.rows[*row as usize]).collect();
    let first = judged.cutoff.and_then(|cutoff| cutoff.iter().min());
    let found_until = of.found_until.filter(|until| first.is_some_and(|first| first < until)).map(iso);
    let against = against_rule(judged, &held, seed)?;
    Ok(OfDefinition { name: &of.name, found_until, by_cutoff: against.by_cutoff.iter().map(OfCutoff::of).collect(), against })
}

/// Labelled rows that the model has not learned from.
fn kept(args: &Args, model: &Model, rows: &Rows, terminal: &mut Terminal<'_>) -> Result<Vec<u32>> {
    let newer = |row: usize| match (&rows.cutoff, model.last_learned()) {
        (Some(cutoff), Some(last)) if !args.all => cutoff[row] > last,
        _ => true,
    };
    let kept: Vec<u32> = (0..).take(rows.y.len()).filter(|row| rows.y[*row as usize].is_some() && newer(*row as usize)).collect();
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
    Ok(kept)
}

fn answer<'a>(judgement: &'a Judgement, by: &'a [(&'a str, Vec<(String, Part)>)], definition: Option<OfDefinition<'a>>) -> Answer<'a> {
    let of_values = |parts: &'a [(String, Part)]| parts.iter().map(|(value, part)| OfValue { value, part }).collect();
    let by = by.iter().map(|(column, parts)| (*column, of_values(parts)));
    Answer { judged: card::Judged::of(judgement), by: by.collect(), definition }
}

/// Check that there is a definition of that name.
fn known(name: &str, config: &Config) -> Result<()> {
    let names = || config.definition.iter().map(|rule| rule.name.as_str());
    if names().any(|known| known == name) {
        return Ok(());
    }
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    let hint = if config.definition.is_empty() { "neither the project file nor the model has a `[[definition]]`".to_owned() } else { hint };
    Err(Error::Usage { problem: format!("no definition is named `{name}`"), hint: Some(hint) })
}

fn rows(args: &Args, model: &Model, label: &str, terminal: &mut Terminal<'_>) -> Result<Rows> {
    let file = args.project.load()?;
    if let Some(path) = &args.features {
        return matrix_rows(path, file.matrix, model);
    }
    let config = with_model(&file, model, terminal)?;
    let catalogue = model.catalogue.clone().ok_or_else(|| matrix_only(label))?;
    let log = args.project.log(&config, config.observation.until.map(|t| t.0), &model.preprocessor.kinds(), terminal)?;
    if let Some(name) = &args.definition {
        known(name, &config)?;
        definitions(&args.project, &config, &log)?;
    }
    observed_rows(&config, log, Purpose::Model(catalogue), terminal)
}
