//! `pql compare`

use clap::ValueEnum;
use pql_stats::intervals::Interval;
use pql_stats::metrics::{Difference, EqualVolumeComparison};
use serde::Serialize;

use super::Terminal;
use super::output::{OutputArgs, OutputFormat, limit_formats};
use super::shared::{MatrixArgs, ModelsArgs, PageArgs, ProjectArgs};
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::io::write::{OutputFile, write_bytes};
use crate::model::verdict::VerdictCard;
use crate::model::{Model, card};
use crate::operations::compare::{
    Comparison, ComparisonVerdict, Contender, PairedScores, TierTransition, check_same_target,
};
use crate::registry::versions::{ModelLocation, list, model_name, promote};
use crate::report::{ComparisonPage, text};
use crate::time::iso;
use crate::training::rows_for_model;
use crate::warning::Message;

/// Compare a challenger with the champion on newer cohorts
///
/// By default the rows are the stored test rows of the challenger. With `-c FILE` they come from
/// the log, with `--features FILE` from a feature matrix. Rows that either model was trained on are
/// skipped; test rows count as not trained on, with the probabilities from before the final refit.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    matrix: MatrixArgs,
    /// Keep rows that one of the models may have been trained on
    #[arg(long, help_heading = "Input")]
    all: bool,
    /// Challenger: NAME/VERSION or a file
    #[arg(value_name = "CHALLENGER", help_heading = "Model", display_order = 0)]
    challenger: String,
    /// Champion: NAME, NAME/VERSION or a file [default: the champion of the challenger's name]
    #[arg(value_name = "CHAMPION", help_heading = "Model", display_order = 1)]
    champion: Option<String>,
    #[command(flatten)]
    folder: ModelsArgs,
    /// Exit with code 5 unless the challenger meets this requirement
    #[arg(long, value_name = "REQUIREMENT", help_heading = "Model")]
    require: Option<Requirement>,
    /// Make the challenger the champion if it meets the requirement [default requirement: better]
    #[arg(long, help_heading = "Model")]
    promote: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    page: PageArgs,
    /// Replace account names by numbers in the HTML report
    #[arg(long, requires = "report", help_heading = "Output")]
    mask: bool,
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Json];

impl Args {
    /// Returns whether the rows are the stored test rows of the challenger.
    fn uses_test_rows(&self) -> bool {
        !self.matrix.is_some() && self.project.path().is_none()
    }
}

/// The requirement for a challenger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Requirement {
    /// Its log loss is significantly lower: the 95% CI of the difference excludes 0
    Better,
    /// Its log loss is not significantly higher
    NotWorse,
}

impl Requirement {
    fn is_met(self, verdict: ComparisonVerdict) -> bool {
        match self {
            Self::Better => verdict == ComparisonVerdict::Better,
            Self::NotWorse => {
                matches!(verdict, ComparisonVerdict::Better | ComparisonVerdict::Undecided)
            }
        }
    }

    fn failure(self) -> &'static str {
        match self {
            Self::Better => "is not significantly better than the champion",
            Self::NotWorse => "is significantly worse than the champion",
        }
    }
}

/// The JSON output.
#[derive(Serialize)]
struct CompareOutput<'a> {
    verdict: ComparisonVerdict,
    challenger: ModelMetrics<'a>,
    champion: ModelMetrics<'a>,
    /// The challenger's metrics minus the champion's.
    difference: Differences<'a>,
    rank_correlation: Option<f64>,
    warnings: &'a [Message],
    at_equal_volume: EqualVolumeOutput<'a>,
    /// Rows by the champion's tier (outer) and the challenger's.
    tiers: &'a [[TierTransition; 4]; 4],
    by_cutoff: Vec<CutoffDifference<'a>>,
}

#[derive(Serialize)]
struct ModelMetrics<'a> {
    model: &'a str,
    /// The verdict from its own test set.
    verdict: VerdictCard,
    /// Whether it ranks better than chance and predicts better than the base rate of these rows;
    /// null if there are too few rows for a verdict.
    has_skill: Option<bool>,
    #[serde(flatten)]
    evaluation: card::EvaluationCard<'a>,
}

#[derive(Serialize)]
struct Differences<'a> {
    log_loss: &'a Difference,
    brier: &'a Difference,
    roc_auc: Option<&'a Difference>,
}

/// The models compared on as many rows per cutoff as the champion qualifies.
#[derive(Serialize)]
struct EqualVolumeOutput<'a> {
    rows: u64,
    champion: &'a pql_stats::metrics::CapturedConversions,
    challenger: &'a pql_stats::metrics::CapturedConversions,
    precision_difference: Option<f64>,
    precision_difference_interval: Option<Interval>,
    recall_difference: Option<f64>,
    recall_difference_interval: Option<Interval>,
}

impl<'a> EqualVolumeOutput<'a> {
    fn new(against: &'a EqualVolumeComparison) -> Self {
        Self {
            rows: against.matched,
            champion: &against.baseline,
            challenger: &against.model,
            precision_difference: against.precision_difference,
            precision_difference_interval: against.precision_difference_interval,
            recall_difference: against.recall_difference,
            recall_difference_interval: against.recall_difference_interval,
        }
    }
}

#[derive(Serialize)]
struct CutoffDifference<'a> {
    cutoff: String,
    last_cutoff: String,
    rows: u64,
    conversions: u64,
    log_loss: &'a Difference,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let output = args.output.resolve(FORMATS, &terminal.files)?;
    let page = args.page.file_beside_result(&terminal.files)?;
    let (challenger, champion) = contenders(args, terminal)?;
    check_same_target(&challenger.model, &champion.model)?;
    let mut notes = Vec::new();
    let models = [&challenger.model, &champion.model];
    let rows = paired_scores(args, &challenger, &champion, terminal)?.exclude_training_rows(
        [&challenger.held_out()?, &champion.held_out()?],
        args.all,
        &mut notes,
    )?;
    let comparison = Comparison::compute(&challenger.model, &champion.model, &rows)?;
    notes.extend(comparison.insufficient_data());
    notes.iter().for_each(|warning| terminal.warn(warning));
    let labels = [challenger.location.label.as_str(), champion.location.label.as_str()];
    if output.format == OutputFormat::Json {
        let warnings = std::mem::take(&mut terminal.warnings);
        output.write_json(&json(&comparison, labels, &warnings), terminal)?;
    } else {
        output.write(&text::comparison(&comparison, labels, challenger.model.zone()), terminal)?;
    }
    if let Some(file) = &page {
        write_page(
            &ComparisonPage {
                comparison: &comparison,
                rows: &rows,
                models,
                labels,
                notes: &notes,
                mask: args.mask,
            },
            file,
            terminal,
        )?;
    }
    finish(args, &comparison, &challenger.location, terminal)
}

/// Checks the requirement and promotes the challenger.
fn finish(
    args: &Args,
    comparison: &Comparison,
    challenger: &ModelLocation,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    let required = args.require.or(args.promote.then_some(Requirement::Better));
    let insufficient = comparison.insufficient_data();
    if let Some(required) = required.filter(|required| !required.is_met(comparison.verdict())) {
        let failure = match insufficient {
            Some(_) => "cannot be compared with the champion",
            None => required.failure(),
        };
        let check = format!("`{}` {failure}", challenger.label);
        return Err(Error::CheckFailed {
            check,
            hint: insufficient.map(|warning| warning.to_string()),
        });
    }
    if args.promote {
        promote(&args.folder.models, challenger)?;
        terminal.note(&format!("{} is now the champion", challenger.label));
    }
    Ok(())
}

/// Finds the challenger and the champion, and checks that they are different models.
fn contenders(args: &Args, terminal: &mut Terminal<'_>) -> Result<(Contender, Contender)> {
    let mut load = |name: &str| -> Result<Contender> {
        let (model, location) = args.folder.load(name, terminal)?;
        Ok(Contender { model, location })
    };
    let challenger = load(&args.challenger)?;
    let champion = match (&args.champion, challenger.location.label.split_once('/')) {
        (Some(champion), _) => load(champion)?,
        (None, Some((name, _))) => load(name)?,
        (None, None) => {
            let problem = format!(
                "`{}` is outside the folder of models, so it has no default champion",
                args.challenger
            );
            let hint = Some("add the champion as the second argument".to_owned());
            return Err(Error::Usage { problem, hint });
        }
    };
    let [one, other] = [&challenger, &champion]
        .map(|contender| std::fs::canonicalize(&contender.location.path).ok());
    if one == other {
        // A model outside the folder of models has no versions.
        let name = model_name(&champion.location.label);
        let versions = list(&args.folder.models, Some(name)).unwrap_or_default();
        let others: Vec<String> = versions
            .iter()
            .filter(|other| other.location.path != champion.location.path)
            .map(|other| format!("`{}`", other.location.label))
            .collect();
        let problem = format!("`{}` is already the champion", challenger.location.label);
        let hint = (!others.is_empty()).then(|| format!("compare one of {}", others.join(", ")));
        return Err(Error::Usage { problem, hint });
    }
    Ok((challenger, champion))
}

/// Returns the rows of the comparison, including those that one of the models was trained on.
fn paired_scores(
    args: &Args,
    challenger: &Contender,
    champion: &Contender,
    terminal: &mut Terminal<'_>,
) -> Result<PairedScores> {
    if args.uses_test_rows() {
        return PairedScores::from_stored_test_rows(challenger, champion);
    }
    let rows = |contender: &Contender, terminal: &mut Terminal<'_>| match args
        .matrix
        .path(&terminal.files)?
    {
        Some(path) => {
            let file = args.project.load(&terminal.files)?.matrix;
            contender.model.read_matrix(path, file, &mut terminal.sink())
        }
        None => log_rows(args, contender, &challenger.model, terminal),
    };
    let one = rows(challenger, terminal)?;
    let other = terminal.silenced(|terminal| rows(champion, terminal))?;
    PairedScores::from_contenders((challenger, &one), (champion, &other), &mut terminal.sink())
}

/// Returns the rows of the log with the features of a model, at the cutoffs of the challenger.
fn log_rows(
    args: &Args,
    contender: &Contender,
    challenger: &Model,
    terminal: &mut Terminal<'_>,
) -> Result<Rows> {
    let catalog = contender.model.usage_features(&contender.location.label)?.clone();
    let config = contender.observation_config(
        &args.project.load(&terminal.files)?,
        challenger,
        &mut terminal.sink(),
    )?;
    let log = args.project.model_log(&config, &contender.model, None, terminal)?;
    rows_for_model(&config, log, catalog, &mut terminal.sink())
}

/// Collects the JSON output.
fn json<'a>(
    comparison: &'a Comparison,
    labels: [&'a str; 2],
    warnings: &'a [Message],
) -> CompareOutput<'a> {
    let by_cutoff = comparison.by_cutoff.iter().map(|gain| CutoffDifference {
        cutoff: iso(gain.first),
        last_cutoff: iso(gain.last),
        rows: gain.rows,
        conversions: gain.conversions,
        log_loss: &gain.log_loss,
    });
    let have_skill = comparison.have_skill();
    CompareOutput {
        verdict: comparison.verdict(),
        challenger: ModelMetrics {
            model: labels[0],
            verdict: VerdictCard::from(&comparison.model_verdicts[0]),
            has_skill: have_skill.map(|[challenger, _]| challenger),
            evaluation: card::EvaluationCard::new(&comparison.challenger),
        },
        champion: ModelMetrics {
            model: labels[1],
            verdict: VerdictCard::from(&comparison.model_verdicts[1]),
            has_skill: have_skill.map(|[_, champion]| champion),
            evaluation: card::EvaluationCard::new(&comparison.champion),
        },
        difference: Differences {
            log_loss: &comparison.log_loss,
            brier: &comparison.brier,
            roc_auc: comparison.roc_auc.as_ref(),
        },
        rank_correlation: comparison.rank_correlation,
        warnings,
        at_equal_volume: EqualVolumeOutput::new(&comparison.at_equal_volume),
        tiers: &comparison.tiers,
        by_cutoff: by_cutoff.collect(),
    }
}

/// Writes the HTML report.
fn write_page(
    page: &ComparisonPage<'_>,
    file: &OutputFile,
    terminal: &mut Terminal<'_>,
) -> Result<()> {
    write_bytes(file, page.html()?.as_bytes())?;
    terminal.note(&format!("Wrote {}", file.path().display()));
    Ok(())
}
