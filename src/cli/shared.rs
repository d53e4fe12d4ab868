//! Arguments and steps that several commands share: the project file, the log, a model.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Terminal;
use super::paths::{file_path, local_path};
use crate::config::{Config, DEFAULT_FILE, definition_line};
use crate::error::{Error, Result};
use crate::io::database;
use crate::io::sink::Sink;
use crate::io::write::{OutputFile, RunFiles, check_writable};
use crate::log::{Log, ReadOptions, SourceQuality};
use crate::model::Model;
use crate::registry::versions::{
    ModelLocation, find, interrupted_promotion, model_name, stored_files, version_files,
};
use crate::report::text;
use crate::report::text::plot::Plotter;
use crate::rules::definition::Definition;
use crate::time::{Timestamp, WrittenTime};
use crate::warning::Warning;

/// The project file, and the options that override it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct ConfigArgs {
    /// Project file [default: ./pql.toml if it exists]
    #[arg(short, long, value_name = "FILE", value_parser = local_path())]
    config: Option<PathBuf>,
    /// Override a key of the project file, such as `model.penalty=none`; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigArgs {
    /// Returns the path of the project file; `None`: the default.
    pub(super) fn path(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Reads the project file with its overrides. The file and the data that it names are inputs.
    pub(super) fn load(&self, files: &RunFiles) -> Result<Config> {
        files.add_input(self.path().unwrap_or(Path::new(DEFAULT_FILE)))?;
        let config = Config::load(self.path(), &self.set)?;
        database::register(&config, config.observation.until.unwrap_or_else(Timestamp::now));
        let events = config.events.iter().map(|source| (&source.path, source.file_format));
        let accounts = config.accounts.iter().map(|source| (&source.path, source.file_format));
        let users = config.users.iter().map(|source| (&source.path, None));
        let alias = config.users.iter().filter_map(|source| source.alias.as_ref());
        let alias = alias.map(|path| (path, None));
        let visitors = config.visitors.iter().map(|source| (&source.path, source.file_format));
        let eligibility =
            config.eligibility.iter().flat_map(|source| [&source.deals, &source.contacts]);
        let eligibility = eligibility.flatten().map(|path| (path, None));
        // A source that is only a table of a database has no path.
        let sources: Vec<_> = events
            .chain(accounts)
            .chain(users)
            .chain(alias)
            .chain(visitors)
            .chain(eligibility)
            .filter(|(path, _)| !path.as_os_str().is_empty())
            .collect();
        sources.into_iter().try_for_each(|(path, format)| files.add_tables_of(path, format))?;
        Ok(config)
    }
}

/// The project file, and how its log is read.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct ProjectArgs {
    #[command(flatten)]
    file: ConfigArgs,
    /// Drop events after this time as errors [default: the current time]
    #[arg(long, value_name = "TIME")]
    now: Option<WrittenTime>,
    /// Memory limit for reading the log, such as 500MB; the excess is spilled to a temporary file
    #[arg(long, value_name = "SIZE", default_value = "4GB", value_parser = parse_memory)]
    pub(super) memory: u64,
}

/// A feature matrix in place of the log.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct MatrixArgs {
    /// Read a feature matrix instead of events
    #[arg(long, value_name = "FILE", conflicts_with_all = ["now", "memory"], value_parser = file_path())]
    features: Option<PathBuf>,
}

impl MatrixArgs {
    /// Returns whether a feature matrix replaces the log.
    pub(super) fn is_some(&self) -> bool {
        self.features.is_some()
    }

    /// Returns the feature matrix, an input of the command.
    pub(super) fn path(&self, files: &RunFiles) -> Result<Option<&Path>> {
        matrix_path(self.features.as_deref(), files)
    }
}

/// Records a feature matrix as an input.
fn matrix_path<'a>(path: Option<&'a Path>, files: &RunFiles) -> Result<Option<&'a Path>> {
    path.map_or(Ok(()), |path| files.add_tables(path))?;
    Ok(path)
}

/// The accounts that a model scores.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct BatchArgs {
    /// Read a feature matrix instead of events
    #[arg(long, value_name = "FILE", conflicts_with_all = ["at", "now"], value_parser = file_path())]
    features: Option<PathBuf>,
    /// Use the accounts as of this time (a date means 00:00) [default: the end of the log]
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<WrittenTime>,
}

impl BatchArgs {
    /// Returns the feature matrix, an input of the command.
    pub(super) fn path(&self, files: &RunFiles) -> Result<Option<&Path>> {
        matrix_path(self.features.as_deref(), files)
    }
}

/// The HTML page that a command can write in addition to its result.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct PageArgs {
    /// Also write an HTML report
    #[arg(long, value_name = "FILE", value_parser = file_path())]
    report: Option<PathBuf>,
}

impl PageArgs {
    /// Returns the file of the page, which can be written.
    pub(super) fn file(&self, files: &RunFiles) -> Result<Option<OutputFile>> {
        self.report.as_deref().map(|path| writable(path, files)).transpose()
    }

    /// Returns the file of the page of a command whose result goes to stdout.
    pub(super) fn file_beside_result(&self, files: &RunFiles) -> Result<Option<OutputFile>> {
        if self.report.as_deref() == Some(Path::new("-")) {
            let problem = "`--report`: found `-`, expected a file, because stdout has the result";
            let hint = Some("use `--report page.html`".to_owned());
            return Err(Error::Usage { problem: problem.to_owned(), hint });
        }
        self.file(files)
    }
}

/// Records an output, and checks that it can be written, because a result may take minutes and
/// must not be lost.
pub(super) fn writable(path: &Path, files: &RunFiles) -> Result<OutputFile> {
    let output = files.output(path)?;
    check_writable(&output)?;
    Ok(output)
}

/// Refuses to overwrite a file that exists; stdout is never refused.
pub(super) fn refuse_existing(output: &Path, hint: &str) -> Result<()> {
    if output == Path::new("-") || output.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::Usage {
        problem: format!("refusing to overwrite `{}`: the file exists", output.display()),
        hint: Some(hint.to_owned()),
    })
}

/// Parses a number of bytes in KB, MB, GB (powers of 1,000) or KiB, MiB, GiB (powers of 1,024).
fn parse_memory(text: &str) -> std::result::Result<u64, String> {
    let bytes = parse_size::parse_size(text);
    let bytes = bytes.map_err(|_| {
        "expected a number with a unit (KB, MB, GB, KiB, MiB or GiB), such as 4GB".to_owned()
    })?;
    let in_range = (1_000_000..9_000_000_000_000_000).contains(&bytes).then_some(bytes);
    in_range.ok_or_else(|| "expected 1MB to 8000TB, with the unit KB, MB or GB".to_owned())
}

/// Parses a whole number from 0.
pub(super) fn whole_number<T: FromStr>(text: &str) -> std::result::Result<T, String> {
    text.parse().map_err(|_| "expected a whole number from 0".to_owned())
}

/// When plots are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PlotMode {
    /// On a terminal
    Auto,
    /// Also in a file or a pipe
    Always,
    /// Never
    Never,
}

/// The option that draws plots below the tables.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct PlotArgs {
    /// Draw plots below the tables; the width is that of the terminal or of $COLUMNS
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    plot: PlotMode,
}

impl PlotArgs {
    /// Returns how to draw, or `None` if no plots are drawn.
    pub(super) fn drawing(&self, is_terminal: bool) -> Option<Plotter> {
        let draws = self.plot == PlotMode::Always || (self.plot == PlotMode::Auto && is_terminal);
        if draws { Plotter::for_stdout(is_terminal) } else { None }
    }
}

/// The folder of models.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub(super) struct ModelsArgs {
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models", value_parser = local_path())]
    pub(super) models: PathBuf,
}

impl ModelsArgs {
    /// Finds and reads a model: a file, NAME or NAME/VERSION. All versions of its name are inputs.
    pub(super) fn load(
        &self,
        model: &str,
        terminal: &mut Terminal<'_>,
    ) -> Result<(Model, ModelLocation)> {
        let location = find(model, &self.models)?;
        version_files(&location.path).iter().try_for_each(|file| terminal.files.add_input(file))?;
        let name = model_name(&location.label);
        self.add_versions(name, &terminal.files)?;
        // NAME/VERSION does not depend on the champion.
        if let Some((label, problem)) =
            interrupted_promotion(&self.models, name).filter(|_| !model.contains('/'))
        {
            terminal.warn(&Warning::BrokenModel { model: label, problem });
        }
        Ok((Model::load(&location.path)?, location))
    }

    /// Records the versions and the champion of a name as inputs.
    pub(super) fn add_versions(&self, name: &str, files: &RunFiles) -> Result<()> {
        stored_files(&self.models, name).iter().try_for_each(|file| files.add_input(file))
    }
}

/// The model of a command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub(super) struct ModelArgs {
    /// Model: NAME (its champion), NAME/VERSION or a file
    #[arg(value_name = "MODEL", display_order = 0)]
    pub(super) name: String,
    #[command(flatten)]
    pub(super) folder: ModelsArgs,
}

impl ModelArgs {
    /// Finds and reads the model.
    pub(super) fn load(&self, terminal: &mut Terminal<'_>) -> Result<(Model, ModelLocation)> {
        self.folder.load(&self.name, terminal)
    }
}

/// A model, and the project file that names the tables it reads.
#[derive(Debug, clap::Args)]
pub(super) struct ProjectModelArgs {
    #[command(flatten)]
    file: ConfigArgs,
    #[command(flatten)]
    model: ModelArgs,
}

impl ProjectModelArgs {
    /// Reads the model and the project file.
    pub(super) fn load(
        &self,
        terminal: &mut Terminal<'_>,
    ) -> Result<(Model, ModelLocation, Config)> {
        let (model, location) = self.model.load(terminal)?;
        Ok((model, location, self.file.load(&terminal.files)?))
    }
}

impl ProjectArgs {
    /// Returns the path of the project file; `None`: the default.
    pub(super) fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    /// Reads the project file with its overrides.
    pub(super) fn load(&self, files: &RunFiles) -> Result<Config> {
        self.file.load(files)
    }

    /// Reads the log and prints a line about it; with `--verbose` the data-quality table.
    pub(super) fn log(
        &self,
        config: &Config,
        options: ReadOptions,
        terminal: &mut Terminal<'_>,
    ) -> Result<Log> {
        let log = self.log_without_summary(config, options, terminal)?;
        // A source that lost all of its rows explains what follows.
        if terminal.verbose || log.quality.sources.iter().any(SourceQuality::is_lost) {
            terminal.note_lines(&text::quality(&log));
        } else {
            terminal.note(&text::log_summary(&log));
        }
        log.warnings.iter().for_each(|warning| terminal.warn(warning));
        Ok(log)
    }

    /// Reads the log; its warnings are left to the caller.
    pub(super) fn log_without_summary(
        &self,
        config: &Config,
        options: ReadOptions,
        terminal: &mut Terminal<'_>,
    ) -> Result<Log> {
        if config.events.is_empty() {
            return Err(Error::NoEventSource { path: self.path().map(Path::to_owned) });
        }
        let options = self.read_options(config, options);
        // The warnings about the log follow its table.
        let progress = terminal.progress.clone();
        Log::read(config, &options, &mut Sink::new(progress, |_| ()))
    }

    /// Returns options with the time and memory of the arguments.
    pub(super) fn read_options(&self, config: &Config, options: ReadOptions) -> ReadOptions {
        let now = self.now.map_or(options.now, |now| Timestamp(now.in_zone(config.input.timezone)));
        ReadOptions { now, memory: self.memory, ..options }
    }

    /// Reads the log for training.
    pub(super) fn training_log(&self, config: &Config, terminal: &mut Terminal<'_>) -> Result<Log> {
        self.log(config, ReadOptions::for_training(config), terminal)
    }

    /// Reads the log with the options of a model.
    pub(super) fn model_log(
        &self,
        config: &Config,
        model: &Model,
        at: Option<WrittenTime>,
        terminal: &mut Terminal<'_>,
    ) -> Result<Log> {
        let at = at.map(|at| Timestamp(at.in_zone(config.input.timezone)));
        self.log(config, model.read_options(config, at), terminal)
    }
}

/// Compiles the definitions of the project file for a log.
///
/// # Errors
/// * [`Error::Config`]: a definition names an event or attribute that the log does not have
pub(super) fn definitions(
    project: &ProjectArgs,
    config: &Config,
    log: &Log,
) -> Result<Vec<Definition>> {
    Definition::compile(&config.definition, &log.events).map_err(|unknown| {
        let (path, line) = definition_line(project.path(), unknown.definition);
        let hint = unknown.missing.suggestion().map(|near| format!("did you mean `{near}`?"));
        Error::Config { path, line, problem: Warning::from(unknown).to_string(), hint }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_units_are_powers_of_1000_or_1024() {
        let sizes = [
            ("1000KB", 1_000_000),
            ("2.5 mb", 2_500_000),
            ("4GB", 4_000_000_000),
            ("1024KiB", 1 << 20),
            ("500MiB", 500 << 20),
            ("0.5gib", 1 << 29),
            ("1TB", 1_000_000_000_000),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse_memory(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn an_invalid_memory_size_is_refused_with_an_example() {
        for text in ["", "GB", "much", "4 gigs", "-4GB", "1..5GB", "1e99GB"] {
            let problem = parse_memory(text).unwrap_err();
            assert!(problem.contains("(KB, MB, GB, KiB, MiB or GiB), such as 4GB"), "{problem}");
        }
        for text in ["4", "0GB", "999KB", "9000TB"] {
            assert_eq!(
                parse_memory(text).unwrap_err(),
                "expected 1MB to 8000TB, with the unit KB, MB or GB",
                "{text}"
            );
        }
    }

    #[test]
    fn an_existing_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pql.toml");
        assert!(refuse_existing(&path, "").is_ok() && refuse_existing(Path::new("-"), "").is_ok());
        std::fs::write(&path, "").unwrap();
        let error = refuse_existing(&path, "choose another file").unwrap_err();
        assert_eq!((error.exit_code(), error.hint().is_some()), (2, true));
    }
}
