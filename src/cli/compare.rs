//! `pql compare`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use pql_stats::intervals::Interval;
use pql_stats::metrics::{AgainstRule, Difference};
use serde::Serialize;

use super::Terminal;
use super::shared::{ModelsArgs, PageArgs, ProjectArgs, check_page};
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::write::write_bytes;
use crate::model::{Model, card};
use crate::operations::compare::{Common, Comparison, Contender, Move, Verdict, check_alike};
use crate::registry::versions::{Found, promote};
use crate::report::{ComparisonPage, text};
use crate::time::iso;
use crate::training::rows_for_model;
use crate::warning::Message;

/// Set a challenger against the champion on the same newer cohorts
///
/// The rows are those the challenger was tested on, which lie beside it; with `-c FILE` those of
/// the log, with `--features FILE` those of a matrix. Rows that either model may have learned from
/// are left out.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Challenger: a file or NAME/VERSION
    #[arg(value_name = "CHALLENGER")]
    challenger: String,
    /// Champion: a file, NAME (its champion) or NAME/VERSION [default: the champion of the
    /// challenger's name]
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
    /// Make the challenger the champion, where what `--require` asks for holds [default of
    /// `--require` then: better]
    #[arg(long)]
    promote: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    page: PageArgs,
}

impl Args {
    /// Returns whether the rows are the stored test rows of the challenger.
    fn on_test_rows(&self) -> bool {
        self.features.is_none() && self.project.config.is_none()
    }
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

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    verdict: Verdict,
    challenger: Judged<'a>,
    champion: Judged<'a>,
    /// Each the challenger's less the champion's.
    difference: Differences<'a>,
    rank_correlation: Option<f64>,
    warnings: &'a [Message],
    at_equal_volume: AtEqualVolume<'a>,
    /// Rows by tier, the champion's outside.
    tiers: &'a [[Move; 4]; 4],
    by_cutoff: Vec<OfCutoff<'a>>,
}

#[derive(Serialize)]
struct Judged<'a> {
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
    champion: &'a pql_stats::metrics::Found,
    challenger: &'a pql_stats::metrics::Found,
    precision_difference: Option<f64>,
    precision_difference_interval: Option<Interval>,
    recall_difference: Option<f64>,
    recall_difference_interval: Option<Interval>,
}

impl<'a> AtEqualVolume<'a> {
    fn of(against: &'a AgainstRule) -> Self {
        Self {
            rows: against.held,
            champion: &against.rule,
            challenger: &against.model,
            precision_difference: against.precision_difference,
            precision_difference_interval: against.precision_difference_interval,
            recall_difference: against.recall_difference,
            recall_difference_interval: against.recall_difference_interval,
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
    let models = [&challenger.model, &champion.model];
    let rows = common(args, &challenger, &champion, terminal)?.unseen(
        models,
        (args.on_test_rows(), args.all),
        &mut notes,
    )?;
    let comparison = Comparison::of(&challenger.model, &champion.model, &rows)?;
    notes.extend(comparison.lack());
    notes.iter().for_each(|warning| terminal.warn(warning));
    let labels = [challenger.found.label.as_str(), champion.found.label.as_str()];
    if args.json {
        let warnings = std::mem::take(&mut terminal.warnings);
        terminal.say_json(&answer(&comparison, labels, &warnings))?;
    } else {
        terminal.say(&text::comparison(&comparison, labels))?;
    }
    if let Some(path) = &args.page.report {
        draw(
            &ComparisonPage {
                comparison: &comparison,
                rows: &rows,
                models,
                labels,
                notes: &notes,
                mask: args.page.mask,
            },
            path,
            terminal,
        )?;
    }
    settle(args, &comparison, &challenger.found, terminal)
}

/// Hold the challenger to what is asked of it, and promote it.
fn settle(
    args: &Args,
    comparison: &Comparison,
    challenger: &Found,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    let required = args.require.or(args.promote.then_some(Requirement::Better));
    let lack = comparison.lack();
    if let Some(required) =
        required.filter(|required| lack.is_some() || !required.holds(comparison.verdict))
    {
        let check = format!("`{}` is {}", challenger.label, required.name());
        return Err(Error::CheckFailed { check, hint: lack.map(|lack| lack.to_string()) });
    }
    if args.promote {
        promote(&args.folder.models, challenger)?;
        terminal.note(&format!("{} is the champion", challenger.label));
    }
    Ok(())
}

/// Challenger and champion, which are two.
fn contenders(args: &Args) -> Result<(Contender, Contender)> {
    let load = |name: &str| args.folder.load(name).map(|(model, found)| Contender { model, found });
    let challenger = load(&args.challenger)?;
    let champion = match (&args.champion, challenger.found.label.split_once('/')) {
        (Some(champion), _) => load(champion)?,
        (None, Some((name, _))) => load(name)?,
        (None, None) => {
            let problem = format!(
                "`{}` has no name in the store, so that its champion is unknown",
                args.challenger
            );
            return Err(Error::Usage { problem, hint: Some("name the champion too".to_owned()) });
        }
    };
    let [one, other] =
        [&challenger, &champion].map(|side| std::fs::canonicalize(&side.found.path).ok());
    if one == other {
        let versions = crate::registry::versions::list(&args.folder.models, None)?;
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

/// Returns the rows that both are compared on, before those are left out that one of them has
/// learned from.
fn common(
    args: &Args,
    challenger: &Contender,
    champion: &Contender,
    terminal: &mut Terminal<'_>,
) -> Result<Common> {
    if args.on_test_rows() {
        return Common::of_stored_test_rows(challenger, champion);
    }
    let rows = |side: &Contender, terminal: &mut Terminal<'_>| match &args.features {
        Some(path) => side.model.read_matrix(path, args.project.load()?.matrix),
        None => log_rows(args, side, &challenger.model, terminal),
    };
    let one = rows(challenger, terminal)?;
    let other = terminal.silenced(|terminal| rows(champion, terminal))?;
    Common::of_contenders((challenger, &one), (champion, &other), &mut terminal.sink())
}

/// Returns the rows of the log with the features of a model, at the cutoffs of the challenger.
fn log_rows(
    args: &Args,
    side: &Contender,
    challenger: &Model,
    terminal: &mut Terminal<'_>,
) -> Result<Rows> {
    let catalogue = side.model.usage_features(&side.found.label)?.clone();
    let config =
        side.observation_config(&args.project.load()?, challenger, &mut terminal.sink())?;
    let log = args.project.model_log(&config, &side.model, None, terminal)?;
    rows_for_model(&config, log, catalogue, &mut terminal.sink())
}

fn answer<'a>(
    comparison: &'a Comparison,
    labels: [&'a str; 2],
    warnings: &'a [Message],
) -> Answer<'a> {
    let by_cutoff = comparison.by_cutoff.iter().map(|at| OfCutoff {
        cutoff: iso(at.first),
        last_cutoff: iso(at.last),
        rows: at.rows,
        conversions: at.conversions,
        log_loss: &at.log_loss,
    });
    Answer {
        verdict: comparison.verdict,
        challenger: Judged { model: labels[0], judged: card::Judged::of(&comparison.challenger) },
        champion: Judged { model: labels[1], judged: card::Judged::of(&comparison.champion) },
        difference: Differences {
            log_loss: &comparison.log_loss,
            brier: &comparison.brier,
            roc_auc: comparison.roc_auc.as_ref(),
        },
        rank_correlation: comparison.rank_correlation,
        warnings,
        at_equal_volume: AtEqualVolume::of(&comparison.at_equal_volume),
        tiers: &comparison.tiers,
        by_cutoff: by_cutoff.collect(),
    }
}

fn draw(page: &ComparisonPage<'_>, path: &Path, terminal: &mut Terminal<'_>) -> Result<()> {
    write_bytes(path, page.html()?.as_bytes())?;
    terminal.note(&format!(
        "report of {} against {}: {}",
        page.labels[0],
        page.labels[1],
        path.display()
    ));
    Ok(())
}
