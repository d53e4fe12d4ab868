//! `pql models`

use std::path::PathBuf;

use serde::Serialize;

use super::Terminal;
use super::shared::ModelsArgs;
use crate::error::Result;
use crate::model::Model;
use crate::registry::versions::{Stored, find, list, promote};
use crate::report::text::{penalty, table};
use crate::time::iso;
use crate::warning::Warning;

/// List the stored versions and which is the champion, or promote one
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Versions of this name alone, or NAME/VERSION
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    folder: ModelsArgs,
    /// Make this version the champion of its name first: what NAME alone means from then on
    #[arg(long, value_name = "NAME/VERSION")]
    promote: Option<String>,
    /// A JSON array with an object for each version
    #[arg(long)]
    json: bool,
}

/// A version as it is listed.
#[derive(Serialize)]
struct Version {
    model: String,
    champion: bool,
    path: PathBuf,
    /// Why the file cannot be read.
    problem: Option<String>,
    #[serde(flatten)]
    known: Option<Known>,
}

/// What its file says.
#[derive(Serialize)]
struct Known {
    training_rows: u64,
    converting_training_accounts: u64,
    last_learned_cutoff: Option<String>,
    columns: usize,
    penalty: String,
    alpha: f64,
    threshold: f64,
    test_rows: u64,
    roc_auc: Option<f64>,
    log_loss: Option<f64>,
    /// Whether it surely beats every simple rule it was set against; null without test rows.
    beats_simple_rules: Option<bool>,
}

impl Known {
    fn of(model: &Model) -> Result<Self> {
        let evaluation = model.judgement.as_ref().map(|judgement| &judgement.evaluation);
        let learned = model.refit.map_or(model.extent.train, |refit| refit.learned);
        Ok(Self {
            training_rows: learned.rows,
            converting_training_accounts: learned.converting_accounts,
            last_learned_cutoff: model.last_learned().map(iso),
            columns: model.fit.coef.len(),
            penalty: penalty(model)?,
            alpha: model.fit.alpha,
            threshold: model.threshold,
            test_rows: model.extent.test.rows,
            roc_auc: evaluation.and_then(|e| e.roc_auc).map(|auc| auc.value),
            log_loss: evaluation.map(|e| e.log_loss.value),
            beats_simple_rules: evaluation
                .map(|_| model.baselines.iter().all(|b| b.difference.better())),
        })
    }
}

impl Version {
    fn of(stored: Stored) -> Self {
        let known = Model::load(&stored.found.path).and_then(|model| Known::of(&model));
        let (known, problem) = match known {
            Ok(known) => (Some(known), None),
            Err(error) => (None, Some(error.with_sources())),
        };
        Self {
            model: stored.found.label,
            champion: stored.champion,
            path: stored.found.path,
            problem,
            known,
        }
    }

    fn row(&self) -> Vec<String> {
        let champion = if self.champion { "champion" } else { "" };
        let number = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
        };
        let known = self.known.as_ref().map_or_else(
            || vec!["cannot be read".to_owned()],
            |known| {
                let counts = [known.training_rows, known.converting_training_accounts]
                    .map(|count| count.to_string());
                let last = known.last_learned_cutoff.as_ref().map_or("–", |cutoff| &cutoff[..10]);
                let fit = [last.to_owned(), known.columns.to_string(), known.penalty.clone()];
                let beats =
                    known.beats_simple_rules.map_or("–", |beats| if beats { "yes" } else { "no" });
                let quality = [number(known.roc_auc), number(known.log_loss), beats.to_owned()];
                counts.into_iter().chain(fit).chain(quality).collect()
            },
        );
        [self.model.clone(), champion.to_owned()].into_iter().chain(known).collect()
    }
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    // A name that is none is told before anything is promoted.
    list(&args.folder.models, args.name.as_deref())?;
    if let Some(version) = &args.promote {
        let found = find(version, &args.folder.models)?;
        // A file that scoring could not read must not be what a name means.
        Model::load(&found.path)?;
        promote(&args.folder.models, &found)?;
        terminal.note(&format!("{} is the champion", found.label));
    }
    let versions: Vec<Version> =
        list(&args.folder.models, args.name.as_deref())?.into_iter().map(Version::of).collect();
    for (version, problem) in
        versions.iter().filter_map(|version| Some((version, version.problem.as_ref()?)))
    {
        terminal.warn(&Warning::UnreadableVersion {
            model: version.model.clone(),
            problem: problem.clone(),
        });
    }
    if args.json {
        return terminal.say_json(&versions);
    }
    if versions.is_empty() {
        terminal.note(&format!(
            "no model under `{}`: `pql train` stores the first",
            args.folder.models.display()
        ));
        return Ok(());
    }
    let header = [
        "model",
        "",
        "training rows",
        "converting accounts",
        "learned until",
        "columns",
        "penalty",
        "ROC AUC",
        "log loss",
        "beats simple rules",
    ];
    terminal.say(&table(&header, versions.iter().map(Version::row).collect(), 2..9))
}
