//! What several commands do: read the project file, the log, a model.

use std::path::{Path, PathBuf};

use super::Terminal;
use crate::config::{Config, definition_line};
use crate::error::{Error, Result};
use crate::io::read::files;
use crate::io::sink::Sink;
use crate::io::write::{Format, check_writable};
use crate::log::{Log, ReadOptions};
use crate::model::Model;
use crate::registry::versions::{Found, find};
use crate::report::text;
use crate::report::text::plot::Drawing;
use crate::rules::definition::Definition;
use crate::time::Timestamp;
use crate::warning::Warning;

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
    now: Option<Timestamp>,
    /// Memory for reading the log, such as 500MB or 4GB: what does not fit waits in a temporary
    /// file
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
    Err(Error::Usage {
        problem: "the page needs a file: stdout has the result".to_owned(),
        hint: Some("`--report page.html`".to_owned()),
    })
}

/// Refuse to write over the data of the project: what a cleaned or scored table leaves out would be
/// lost.
pub(super) fn spare_data(config: &Config, output: &Path) -> Result<()> {
    let events = config.events.iter().map(|source| source.path.as_path());
    events
        .chain(config.accounts.as_ref().map(|source| source.path.as_path()))
        .try_for_each(|input| spare(input, output))
}

/// Refuse to write over what is read.
///
/// # Arguments
/// * `input` – a file, a glob or a folder
pub(super) fn spare(input: &Path, output: &Path) -> Result<()> {
    // A file may go by several names; what is not there yet is no input, and an input that is not
    // there is told where it is read.
    let Ok(same) = output.canonicalize() else { return Ok(()) };
    let is_output = |file: &PathBuf| file.canonicalize().is_ok_and(|file| file == same);
    match files(input).unwrap_or_default().into_iter().find(is_output) {
        Some(_) => Err(Error::Usage {
            problem: format!(
                "`{}` is read by this very command, and would be written over",
                output.display()
            ),
            hint: Some("name another file with `-o`".to_owned()),
        }),
        None => Ok(()),
    }
}

/// A number of bytes in KB, MB, GB (powers of 1,000) or KiB, MiB, GiB (of 1,024).
fn memory(text: &str) -> std::result::Result<u64, String> {
    let bytes = parse_size::parse_size(text);
    let bytes = bytes
        .map_err(|_| "expected a number and KB, MB, GB, KiB, MiB or GiB, such as 4GB".to_owned())?;
    let enough = (1_000_000..9_000_000_000_000_000).contains(&bytes).then_some(bytes);
    enough.ok_or_else(|| "expected from 1MB to 8000TB, in KB, MB or GB".to_owned())
}

/// When plots are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum When {
    /// On a terminal
    Auto,
    /// In a file or pipe, too
    Always,
    /// Nowhere
    Never,
}

impl When {
    /// Returns how to draw, where plots are drawn.
    pub(super) fn drawing(self, is_terminal: bool) -> Option<Drawing> {
        let drawn = self == Self::Always || (self == Self::Auto && is_terminal);
        if drawn { Drawing::for_stdout(is_terminal) } else { None }
    }
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

    /// Reads the log, and prints the data-quality table.
    pub(super) fn log(
        &self,
        config: &Config,
        options: ReadOptions,
        terminal: &mut Terminal<'_>,
    ) -> Result<Log> {
        let now = self.now.unwrap_or(options.now);
        let options = ReadOptions { now, memory: self.memory, ..options };
        // The warnings about the log follow its table.
        let progress = terminal.progress.clone();
        let log = Log::read(config, &options, &mut Sink::new(progress, |_| ()))?;
        terminal.note(&text::quality(&log));
        log.warnings.iter().for_each(|warning| terminal.warn(warning));
        Ok(log)
    }

    /// Reads the log for training.
    pub(super) fn training_log(&self, config: &Config, terminal: &mut Terminal<'_>) -> Result<Log> {
        self.log(config, ReadOptions::for_training(config), terminal)
    }

    /// Reads the log as a model does.
    pub(super) fn model_log(
        &self,
        config: &Config,
        model: &Model,
        at: Option<Timestamp>,
        terminal: &mut Terminal<'_>,
    ) -> Result<Log> {
        self.log(config, model.read_options(config, at), terminal)
    }
}

/// The definitions of the project file in the codes of the log.
pub(super) fn definitions(
    project: &ProjectArgs,
    config: &Config,
    log: &Log,
) -> Result<Vec<Definition>> {
    Definition::compile(&config.definition, &log.events).map_err(|unknown| {
        let (path, line) = definition_line(project.config.as_deref(), unknown.definition);
        let hint = unknown.lack.near().map(|near| format!("did you mean `{near}`?"));
        Error::Config { path, line, problem: Warning::from(unknown).to_string(), hint }
    })
}

/// The format asked for, else the one that the ending of the file tells.
pub(super) fn format_of(path: &Path, asked: Option<Format>) -> Result<Format> {
    asked.or_else(|| Format::of(path)).ok_or_else(|| Error::Usage {
        problem: format!("the ending of `{}` tells no format", path.display()),
        hint: Some(
            "end it in .parquet, .csv or .ndjson, or give `--format parquet|csv|ndjson`".to_owned(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_powers_of_1000_and_of_1024() {
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
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_memory_that_is_none_is_refused_with_an_example() {
        for text in ["", "GB", "much", "4 gigs", "-4GB", "1..5GB", "1e99GB"] {
            let problem = memory(text).unwrap_err();
            assert!(
                problem.contains("KB, MB, GB, KiB, MiB or GiB, such as 4GB"),
                "{text}: {problem}"
            );
        }
        for text in ["4", "0GB", "999KB", "9000TB"] {
            assert_eq!(
                memory(text).unwrap_err(),
                "expected from 1MB to 8000TB, in KB, MB or GB",
                "{text}"
            );
        }
    }
}
