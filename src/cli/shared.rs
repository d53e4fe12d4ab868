//! What several commands do: read the project file, the log, a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Terminal;
use super::tables;
use crate::audit;
use crate::config::{Config, DifferentKey, MatrixRule, definition_line};
use crate::definition::{Definition, held};
use crate::error::{Error, Result, nearest};
use crate::features::{Catalogue, compute};
use crate::ingest::{Clip, Kind, Log, Sources, ingest};
use crate::matrix;
use crate::model::Model;
use crate::observe::{Observations, observe};
use crate::output::{Format, check_writable};
use crate::rows::{Held, Rows};
use crate::store::{Found, find};
use crate::table::files;
use crate::time::{Instant, NEVER, iso, iso_day, midnight};

/// The project file and what goes over it.
#[derive(Debug, clap::Args)]
pub(super) struct ProjectArgs {
    /// Project file [default: ./pql.toml where it is there]
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Set a key of the project file, such as `model.penalty=none`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Events later than this are mistakes [default: the clock]
    #[arg(long, value_name = "TIME")]
    now: Option<Instant>,
    /// Memory for reading the log, such as 500MB or 4GB: what does not fit waits in a temporary file
    #[arg(long, value_name = "SIZE", default_value = "4GB", value_parser = memory)]
    memory: u64,
}

/// The page that a command can draw beside what it prints.
#[derive(Debug, clap::Args)]
pub(super) struct PageArgs {
    /// Draw it on one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Number accounts on the page instead of naming them
    #[arg(long, requires = "report")]
    pub(super) mask: bool,
}

/// Check that a page goes into a file: what else the command says goes to stdout.
pub(super) fn check_page(report: Option<&Path>) -> Result<()> {
    if report != Some(Path::new("-")) {
        return report.map_or(Ok(()), check_writable);
    }
    Err(Error::Usage { problem: "the page needs a file: stdout has the result".to_owned(), hint: Some("`--report page.html`".to_owned()) })
}

/// Refuse to write over the data of the project: what a cleaned or scored table leaves out would be lost.
pub(super) fn spare_data(config: &Config, output: &Path) -> Result<()> {
    let events = config.events.iter().map(|source| source.path.as_path());
    events.chain(config.accounts.as_ref().map(|source| source.path.as_path())).try_for_each(|input| spare(input, output))
}

/// Refuse to write over what is read.
///
/// # Arguments
/// * `input` – a file, a glob or a folder
pub(super) fn spare(input: &Path, output: &Path) -> Result<()> {
    // A file may go by several names; what is not there yet is no input, and an input that is not there is told where it is read.
    let Ok(same) = output.canonicalize() else { return Ok(()) };
    let is_output = |file: &PathBuf| file.canonicalize().is_ok_and(|file| file == same);
    match files(input).unwrap_or_default().into_iter().find(is_output) {
        Some(_) => Err(Error::Usage {
            problem: format!("`{}` is read by this very command, and would be written over", output.display()),
            hint: Some("name another file with `-o`".to_owned()),
        }),
        None => Ok(()),
    }
}

/// A number of bytes in KB, MB, GB (powers of 1,000) or KiB, MiB, GiB (of 1,024).
fn memory(text: &str) -> std::result::Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err("expected a number and KB, MB, GB, KiB, MiB or GiB, such as 4GB".to_owned()),
    };
    let bytes = number.parse::<f64>().map_err(|_| format!("`{number}` is no number"))? * unit;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked: as large as a float can say exactly")]
    let whole = (1e6..9e15).contains(&bytes).then_some(bytes as u64);
    whole.ok_or_else(|| "expected from 1MB to 8000TB, in KB, MB or GB".to_owned())
}

/// Where models lie.
#[derive(Debug, clap::Args)]
pub(super) struct ModelsArgs {
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models")]
    pub(super) models: PathBuf,
}

impl ModelsArgs {
    /// Find and read a model: a file, NAME or NAME/VERSION.
    pub(super) fn load(&self, model: &str) -> Result<(Model, Found)> {
        let found = find(model, &self.models)?;
        Ok((Model::load(&found.path)?, found))
    }
}

/// The model that a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct ModelArgs {
    /// Model: a file, NAME (its champion) or NAME/VERSION
    #[arg(value_name = "MODEL")]
    pub(super) name: String,
    #[command(flatten)]
    pub(super) folder: ModelsArgs,
}

impl ModelArgs {
    /// Find and read it.
    pub(super) fn load(&self) -> Result<(Model, Found)> {
        self.folder.load(&self.name)
    }
}

impl ProjectArgs {
    pub(super) fn load(&self) -> Result<Config> {
        Config::load(self.config.as_deref(), &self.set)
    }

    fn now(&self) -> i64 {
        self.now.map_or_else(clock, |now| now.0)
    }

    /// Read the log as it was at `until`, which must not lie ahead unless it is [`NEVER`], and print the data-quality table.
    pub(super) fn log(
        &self,
        config: &Config,
        until: Option<i64>,
        kinds: &BTreeMap<String, Kind>,
        terminal: &mut Terminal<'_>,
    ) -> Result<Log> {
        let sources =
            Sources { events: &config.events, accounts: config.accounts.as_ref(), roles: &config.roles, kinds, memory: self.memory };
        let now = self.now();
        if let Some(until) = until.filter(|until| (now + 1..NEVER).contains(until)) {
            return Err(Error::Usage {
                problem: format!("the log cannot be complete before {}: it is {} now", iso(until), iso(now)),
                hint: Some("look at `--at`, `observation.until` and `--now`".to_owned()),
            });
        }
        let clip = Clip { now, since: config.observation.since.map(|t| t.0), until };
        let log = ingest(&sources, clip, &terminal.progress)?;
        tables::quality(&log, terminal);
        Ok(log)
    }

    /// Read the log for training: what `categories` names stays text.
    pub(super) fn training_log(&self, config: &Config, terminal: &mut Terminal<'_>) -> Result<Log> {
        let kinds = config.design.categories.iter().map(|name| (name.clone(), Kind::Text)).collect();
        self.log(config, config.observation.until.map(|t| t.0), &kinds, terminal)
    }
}

/// The definitions of the project file in the codes of the log.
pub(super) fn definitions(project: &ProjectArgs, config: &Config, log: &Log) -> Result<Vec<Definition>> {
    Definition::compile(&config.definition, &log.events).map_err(|unknown| {
        let (path, line) = definition_line(project.config.as_deref(), unknown.definition);
        Error::Config { path, line, problem: unknown.problem, hint: unknown.near.map(|near| format!("did you mean `{near}`?")) }
    })
}

/// From when on accounts are in the log with their first days, µs UTC: a log of which nobody said where it begins begins with the day of its first
/// event.
pub(super) fn first_day(config: &Config, log: &Log) -> i64 {
    config.observation.since.map_or(midnight(log.since), |since| since.0)
}

/// Tell of accounts that are left out since they signed up before that.
pub(super) fn note_older(accounts: u64, first_day: i64, terminal: &mut Terminal<'_>) {
    if accounts > 0 {
        let since = iso(first_day);
        terminal.note(&format!("{accounts} accounts left out: they signed up before the log begins at {since}"));
    }
}

/// The present, µs UTC: what is later is a mistake, and nothing else depends on it.
pub(super) fn clock() -> i64 {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// What rows of a log are made for.
pub(super) enum Purpose {
    /// The features of a model.
    Model(Catalogue),
    /// The features that a model would have.
    Features,
    /// A model: the log is audited, and its event names are remembered.
    Training,
}

/// Rows with outcomes of the log: observed, split, with the features of the catalogue of a model, or of one learned here.
pub(super) fn observed_rows(config: &Config, log: Log, purpose: Purpose, terminal: &mut Terminal<'_>) -> Result<Rows> {
    let observations = observe(&log, &config.observation, config.model.test)?;
    for (reason, count) in &observations.left_out {
        terminal.note(&format!("{count} observations left out: {reason}"));
    }
    let said = log.warnings.len();
    let held = definitions_held(config, &log, &observations, terminal)?;
    let rows = if let Purpose::Model(catalogue) = purpose {
        let features = compute(&catalogue, &log, &observations, &terminal.progress)?;
        Rows::of_log(log, observations, catalogue, features)
    } else {
        let (mut catalogue, left_out) = Catalogue::learn(&log, &observations, &config.features, &config.roles)?;
        let mut findings = Vec::new();
        if matches!(purpose, Purpose::Training) {
            catalogue = catalogue.with_known(&log, &observations)?;
            findings = audit::events(&audit::around(&log, &observations)?, config.observation.gap);
        }
        let features = compute(&catalogue, &log, &observations, &terminal.progress)?;
        Rows { findings, ..Rows::of_log(log, observations, catalogue, features) }.without(left_out).with_fewer_counts(config)?
    };
    let rows = Rows { held, ..rows };
    for warning in &rows.warnings[said..] {
        terminal.note(&format!("warning: {warning}"));
    }
    Ok(rows)
}

/// Definitions that a warning names.
const NAMED: usize = 3;

/// Whether each definition has held at each observation; one that was found on what it is to be judged by is named.
fn definitions_held(config: &Config, log: &Log, observations: &Observations, terminal: &mut Terminal<'_>) -> Result<Vec<Held>> {
    let (definitions, unknown) = Definition::compile_known(&config.definition, &log.events);
    for unknown in unknown {
        terminal.note(&format!("warning: {}", unknown.problem));
    }
    let held = held(&definitions, log, observations)?.into_iter().zip(&config.definition);
    let held: Vec<Held> =
        held.map(|(rows, rule)| Held { name: rule.name.clone(), found_until: rule.found_until.map(|t| t.0), rows }).collect();
    let flattered = |of: &&Held| of.found_until.zip(observations.first_test).is_some_and(|(until, first)| until > first);
    let named: Vec<String> = held.iter().filter(flattered).map(|of| format!("`{}`", of.name)).collect();
    if let (Some(first), false) = (observations.first_test, named.is_empty()) {
        let rest = if named.len() > NAMED { format!(" and {} more", named.len() - NAMED) } else { String::new() };
        terminal.note(&format!(
            "warning: found on data from after the first test cutoff of {}, so that test rows flatter them: {}{rest}",
            iso_day(first),
            named[..named.len().min(NAMED)].join(", ")
        ));
    }
    Ok(held)
}

/// The format asked for, else the one that the ending of the file tells.
pub(super) fn format_of(path: &Path, asked: Option<Format>) -> Result<Format> {
    asked.or_else(|| Format::of(path)).ok_or_else(|| Error::Usage {
        problem: format!("the ending of `{}` tells no format", path.display()),
        hint: Some("end it in .parquet, .csv or .ndjson, or give `--format parquet|csv|ndjson`".to_owned()),
    })
}

/// Sources, `until` and `since` from the project file, all else from the model; each difference is named. Definitions are the file's,
/// with what it says about qualifying, where it has some: they stand beside the model.
pub(super) fn with_model(file: &Config, model: &Model, terminal: &mut Terminal<'_>) -> Result<Config> {
    let stored = model.config()?;
    for DifferentKey { key, value, other } in file.differences(&stored) {
        terminal.note(&format!("warning: {key} = {value}, the model has {other}; the model's own is used"));
    }
    let mut config = Config { events: file.events.clone(), accounts: file.accounts.clone(), ..stored };
    if file.definition.is_empty() && !config.definition.is_empty() {
        terminal.note("the project file has no `[[definition]]`: those of the model are used");
    } else if !file.definition.is_empty() {
        config.definition.clone_from(&file.definition);
        config.qualify.by = file.qualify.by;
    }
    (config.observation.since, config.observation.until) = (file.observation.since, file.observation.until);
    Ok(config)
}

/// Keys of a matrix: as the project file says, else as when the model was trained.
pub(super) fn matrix_rule(file: MatrixRule, model: &Model) -> Result<MatrixRule> {
    Ok(if file == MatrixRule::default() { model.config()?.matrix } else { file })
}

/// Rows with outcomes of a matrix, read as the model's own were.
pub(super) fn matrix_rows(path: &Path, file: MatrixRule, model: &Model) -> Result<Rows> {
    let config = Config { matrix: matrix_rule(file, model)?, ..model.config()? };
    let kinds = model.preprocessor.kinds();
    let text: Vec<String> = kinds.iter().filter(|(_, k)| **k == Kind::Text).map(|(name, _)| name.clone()).collect();
    let matrix = matrix::read(path, &config.matrix, &text)?;
    if let Some(feature) = kinds.keys().find(|name| matrix.features.column(name).is_err()) {
        let near = nearest(feature, matrix.features.get_column_names().iter().map(|n| n.as_str()));
        return Err(Error::MissingFeature { path: path.to_owned(), feature: feature.clone(), near });
    }
    Ok(Rows::of_matrix(matrix, &config))
}
