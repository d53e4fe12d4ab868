//! `pql compare`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::Terminal;
use super::features::matrix_only;
use super::shared::{ModelsArgs, PageArgs, ProjectArgs, Purpose, check_page, matrix_rows, observed_rows, with_model};
use super::tables;
use crate::card;
use crate::compare::{Common, Comparison, Move, Unlike, Verdict, check_alike};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::evaluate::{AgainstRule, Difference};
use crate::evidence::TestRows;
use crate::model::Model;
use crate::output::write_bytes;
use crate::report::Versus;
use crate::rows::Rows;
use crate::score::Scorer;
use crate::store::{Found, promote};
use crate::time::iso;

/// Set a challenger against the champion on the same newer cohorts
///
/// The rows are those the challenger was tested on, which lie beside it; with `-c FILE` those of the log, with `--features FILE` those of a
/// matrix. Rows that either model may have learned from are left out.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Challenger: a file or NAME/VERSION
    #[arg(value_name = "CHALLENGER")]
    challenger: String,
    /// Champion: a file, NAME (its champion) or NAME/VERSION [default: the champion of the challenger's name]
    #[arg(value_name = "CHAMPION")]
    champion: Option<String>,
    #[command(flatten)]
    folder: ModelsArgs,
    /// Compare on a feature matrix
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// Keep rows that one of the models may have learned from
    #[arg(long)]
    all: bool,
    /// End with exit code 5 unless the challenger is so good
    #[arg(long, value_name = "HOW")]
    require: Option<Requirement>,
    /// Make the challenger the champion, where what `--require` asks for holds [default of `--require` then: better]
    #[arg(long)]
    promote: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// What is asked of a challenger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Requirement {
    /// Its log loss is lower, and the whole 95 % interval of the difference says so
    Better,
    /// Its log loss is not surely higher
    NotWorse,
}

impl Requirement {
    fn holds(self, verdict: Verdict) -> bool {
        match self {
            Self::Better => verdict == Verdict::Better,
            Self::NotWorse => verdict != Verdict::Worse,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Better => "better than the champion",
            Self::NotWorse => "not worse than the champion",
        }
    }
}

/// A model and where it lies.
struct Side {
    model: Model,
    found: Found,
}

impl Side {
    fn scorer(&self) -> Result<Scorer<'_>> {
        Scorer::new(&self.model, &self.found.label)
    }
}

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    verdict: Verdict,
    challenger: Contender<'a>,
    champion: Contender<'a>,
    /// Each the challenger's less the champion's.
    difference: Differences<'a>,
    rank_correlation: Option<f64>,
    at_equal_volume: AtEqualVolume<'a>,
    /// Rows by tier, the champion's outside.
    tiers: &'a [[Move; 4]; 4],
    by_cutoff: Vec<OfCutoff<'a>>,
}

#[derive(Serialize)]
struct Contender<'a> {
    model: &'a str,
    #[serde(flatten)]
    judged: card::Judged<'a>,
}

#[derive(Serialize)]
struct Differences<'a> {
    log_loss: &'a Difference,
    brier: &'a Difference,
    roc_auc: Option<&'a Difference>,
}

/// As many rows at each cutoff as the champion qualifies.
#[derive(Serialize)]
struct AtEqualVolume<'a> {
    rows: u64,
    champion: &'a crate::evaluate::Found,
    challenger: &'a crate::evaluate::Found,
    precision_difference: Option<f64>,
    precision_difference_95: Option<[f64; 2]>,
    recall_difference: Option<f64>,
    recall_difference_95: Option<[f64; 2]>,
}

impl<'a> AtEqualVolume<'a> {
    fn of(against: &'a AgainstRule) -> Self {
        Self {
            rows: against.held,
            champion: &against.rule,
            challenger: &against.model,
            precision_difference: against.precision_difference,
            precision_difference_95: against.precision_difference_95,
            recall_difference: against.recall_difference,
            recall_difference_95: against.recall_difference_95,
        }
    }
}

#[derive(Serialize)]
struct OfCutoff<'a> {
    cutoff: String,
    last_cutoff: String,
    rows: u64,
    conversions: u64,
    log_loss: &'a Difference,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    check_page(args.page.report.as_deref())?;
    let (challenger, champion) = contenders(args)?;
    check_alike(&challenger.model, &champion.model)?;
    let mut notes = Vec::new();
    let rows = kept(args, common(args, &challenger, &champion, terminal)?, [&challenger, &champion], &mut notes)?;
    let comparison = Comparison::of(&challenger.model, &champion.model, &rows)?;
    notes.extend(comparison.lack());
    notes.iter().for_each(|note| terminal.note(&format!("warning: {note}")));
    let labels = [challenger.found.label.as_str(), champion.found.label.as_str()];
    if args.json {
        terminal.say_json(&answer(&comparison, labels))?;
    } else {
        terminal.say(&tables::comparison(&comparison, labels))?;
    }
    if let Some(path) = &args.page.report {
        let models = [&challenger.model, &champion.model];
        draw(&Versus { comparison: &comparison, rows: &rows, models, labels, notes: &notes, mask: args.page.mask }, path, terminal)?;
    }
    settle(args, &comparison, &challenger.found, terminal)
}

/// Hold the challenger to what is asked of it, and promote it.
fn settle(args: &Args, comparison: &Comparison, challenger: &Found, terminal: &mut Terminal<'_>) -> Result<()> {
    let required = args.require.or(args.promote.then_some(Requirement::Better));
    let lack = comparison.lack();
    if let Some(required) = required.filter(|required| lack.is_some() || !required.holds(comparison.verdict)) {
        let check = format!("`{}` is {}", challenger.label, required.name());
        return Err(Error::NotHeld { check, hint: lack });
    }
    if args.promote {
        promote(&args.folder.models, challenger)?;
        terminal.note(&format!("{} is the champion", challenger.label));
    }
    Ok(())
}

/// Challenger and champion, which are two.
fn contenders(args: &Args) -> Result<(Side, Side)> {
    let load = |name: &str| args.folder.load(name).map(|(model, found)| Side { model, found });
    let challenger = load(&args.challenger)?;
    let champion = match (&args.champion, challenger.found.label.split_once('/')) {
        (Some(champion), _) => load(champion)?,
        (None, Some((name, _))) => load(name)?,
        (None, None) => {
            let problem = format!("`{}` has no name in the store, so that its champion is unknown", args.challenger);
            return Err(Error::Usage { problem, hint: Some("name the champion too".to_owned()) });
        }
    };
    let [one, other] = [&challenger, &champion].map(|side| std::fs::canonicalize(&side.found.path).ok());
    if one == other {
        let versions = crate::store::list(&args.folder.models, None)?;
        let others: Vec<String> = versions
            .iter()
            .filter(|other| other.found.path != champion.found.path)
            .map(|other| format!("`{}`", other.found.label))
            .collect();
        let problem = format!("`{}` is the champion itself", challenger.found.label);
        let hint = (!others.is_empty()).then(|| format!("there are also {}", others.join(", ")));
        return Err(Error::Usage { problem, hint });
    }
    Ok((challenger, champion))
}

/// The rows that both can be judged by.
fn common(args: &Args, challenger: &Side, champion: &Side, terminal: &mut Terminal<'_>) -> Result<Common> {
    if args.features.is_none() && args.project.config.is_none() {
        return of_test_rows(challenger, champion);
    }
    let rows = |side: &Side, terminal: &mut Terminal<'_>| match &args.features {
        Some(path) => matrix_rows(path, args.project.load()?.matrix, &side.model),
        None => log_rows(args, side, &challenger.model, terminal),
    };
    let one = rows(challenger, terminal)?;
    let other = terminal.hushed(|terminal| rows(champion, terminal))?;
    let (common, Unlike { outcomes, not_finite }) = Common::of_rows((&one, &challenger.scorer()?), (&other, &champion.scorer()?))?;
    if outcomes > 0 {
        terminal.note(&format!("warning: {outcomes} rows have another outcome by the roles of the champion; the challenger's is used"));
    }
    if not_finite > 0 {
        terminal.note(&format!("warning: {not_finite} rows left out, since a value is not finite"));
    }
    Ok(common)
}

/// The test rows beside the challenger, where the champion's features mean the same in them.
fn of_test_rows(challenger: &Side, champion: &Side) -> Result<Common> {
    let rows = TestRows::beside(&challenger.found.path, &challenger.model)?;
    let (label, other) = (&challenger.found.label, &champion.found.label);
    let elsewhere = |problem: String| {
        let source = if challenger.model.catalogue.is_some() { "-c pql.toml" } else { "--features FILE" };
        Err(Error::Unsuitable { problem, hint: Some(format!("compare on other rows: `{source}`")) })
    };
    let (mine, theirs): (Config, Config) = (challenger.model.config()?, champion.model.config()?);
    if let Some(different) = mine.differences(&theirs).iter().find(|different| different.key.starts_with("roles.")) {
        let key = &different.key;
        return elsewhere(format!("the features of `{other}` mean something else in the test rows of `{label}`: `{key}` differs"));
    }
    if let Some(feature) = rows.lacks(&champion.model) {
        return elsewhere(format!("the test rows of `{label}` have no `{feature}`, which `{other}` needs"));
    }
    Common::of_test_rows(&rows, &champion.scorer()?)
}

/// Rows of the log as a model reads it, at the cutoffs of the challenger.
fn log_rows(args: &Args, side: &Side, challenger: &Model, terminal: &mut Terminal<'_>) -> Result<Rows> {
    let catalogue = side.model.catalogue.clone().ok_or_else(|| matrix_only(&side.found.label))?;
    let mut config = with_model(&args.project.load()?, &side.model, terminal)?;
    let (since, until) = (config.observation.since, config.observation.until);
    config.observation = challenger.config()?.observation;
    (config.observation.since, config.observation.until) = (since, until);
    config.definition.clear();
    let log = args.project.log(&config, until.map(|t| t.0), &side.model.preprocessor.kinds(), terminal)?;
    observed_rows(&config, log, Purpose::Model(catalogue), terminal)
}

/// Rows from which neither model has learned; `notes` gets what a reader should know of them.
fn kept(args: &Args, rows: Common, sides: [&Side; 2], notes: &mut Vec<String>) -> Result<Common> {
    let judged = args.features.is_none() && args.project.config.is_none();
    // The probabilities beside a challenger are those of a fit that had not seen the rows, also where it has learned from them since.
    let last = |side: &Side| if judged { side.model.extent.last_train } else { side.model.last_learned() };
    let last = last(sides[0]).max(sides[1].model.last_learned());
    let newer = match last.map(|last| rows.after(last)) {
        None | Some((_, 0)) => rows,
        Some((_, old)) if args.all => {
            notes
                .push(format!("{old} rows at or before the last cutoff that one of them learned from count too, as asked: they favour it"));
            rows
        }
        Some((newer, old)) => {
            notes.push(format!("{old} rows at or before the last cutoff that one of them learned from are left out (`--all` keeps them)"));
            newer
        }
    };
    if newer.cutoff.is_none() {
        notes.push("without cutoffs rows that a model has learned from cannot be told apart and count too: they favour it".to_owned());
    }
    if newer.y.is_empty() {
        let hint = if judged {
            "the champion has learned from the test rows of the challenger: compare on a newer log, `-c pql.toml`"
        } else {
            "newer cohorts are needed whose horizon is over; `--all` keeps the others"
        };
        return Err(Error::Unsuitable {
            problem: "no row with an outcome is newer than what both have learned from".to_owned(),
            hint: Some(hint.to_owned()),
        });
    }
    Ok(newer)
}

fn answer<'a>(comparison: &'a Comparison, labels: [&'a str; 2]) -> Answer<'a> {
    let by_cutoff = comparison.by_cutoff.iter().map(|at| OfCutoff {
        cutoff: iso(at.first),
        last_cutoff: iso(at.last),
        rows: at.rows,
        conversions: at.conversions,
        log_loss: &at.log_loss,
    });
    Answer {
        verdict: comparison.verdict,
        challenger: Contender { model: labels[0], judged: card::Judged::of(&comparison.challenger) },
        champion: Contender { model: labels[1], judged: card::Judged::of(&comparison.champion) },
        difference: Differences { log_loss: &comparison.log_loss, brier: &comparison.brier, roc_auc: comparison.roc_auc.as_ref() },
        rank_correlation: comparison.rank_correlation,
        at_equal_volume: AtEqualVolume::of(&comparison.at_equal_volume),
        tiers: &comparison.tiers,
        by_cutoff: by_cutoff.collect(),
    }
}

fn draw(versus: &Versus<'_>, path: &Path, terminal: &mut Terminal<'_>) -> Result<()> {
    write_bytes(path, versus.html()?.as_bytes())?;
    terminal.note(&format!("report of {} against {}: {}", versus.labels[0], versus.labels[1], path.display()));
    Ok(())
}
