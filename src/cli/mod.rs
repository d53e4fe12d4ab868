//! The command line: parses arguments, runs a command, and sets the exit code.

mod alerts;
mod compare;
mod completions;
mod discover;
mod doctor;
mod evaluate;
mod explain;
mod export;
mod features;
mod funnel;
mod ingest;
mod init;
mod inspect;
mod man;
mod models;
mod monitor;
mod output;
mod overview;
mod paths;
mod report;
mod schema;
mod score;
mod selftest;
mod shared;
mod signals;
mod simulate;
mod since;
mod train;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::escape;
use crate::io::database;
use crate::io::progress::Progress;
use crate::io::read::remove_copies;
use crate::io::sink::Sink;
use crate::io::write::RunFiles;
use crate::model::Model;
use crate::names::nearest;
use crate::report::format::wrap_lines;
use crate::warning::{Message, Notice, Warning};

/// Predict which trial and freemium accounts will convert, and explain why
#[derive(Debug, Parser)]
#[command(
    name = "pql",
    version,
    propagate_version = true,
    disable_help_flag = true,
    disable_version_flag = true,
    arg_required_else_help = true,
    override_help = overview::overview()
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    general: GeneralArgs,
}

/// The options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "General")]
struct GeneralArgs {
    /// Print only errors on stderr
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print details
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Print help
    #[arg(short, long, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, global = true, action = ArgAction::Version)]
    version: Option<bool>,
}

// A doc comment on a variant would hide the long help of its arguments.
#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Simulate(simulate::Args),
    Ingest(ingest::Args),
    Features(features::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
    Selftest(selftest::Args),
    Doctor(doctor::Args),
    Train(Box<train::Args>),
    Evaluate(evaluate::Args),
    Compare(compare::Args),
    Models(models::Args),
    Score(score::Args),
    Explain(explain::Args),
    Inspect(inspect::Args),
    Report(report::Args),
    Export(export::Args),
    Discover(discover::Args),
    Funnel(funnel::Args),
    Monitor(monitor::Args),
    Alerts(alerts::Args),
}

/// Score accounts: probability, percentile, tier and reasons
///
/// The same as `pql score`, for nightly batches.
#[derive(Debug, Parser)]
#[command(name = "pql-score", version, disable_help_flag = true, disable_version_flag = true)]
pub struct ScoreCli {
    #[command(flatten)]
    args: score::Args,
    #[command(flatten)]
    general: GeneralArgs,
}

/// The output streams of a command: results go to stdout, everything else to stderr.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(crate) struct Terminal<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    quiet: bool,
    /// Whether details are printed.
    pub(crate) verbose: bool,
    /// Whether warnings are repetitions, which JSON output does not list again.
    silenced: bool,
    /// The notes since [`Terminal::defer_notes`].
    deferred: Option<Vec<String>>,
    /// The warnings so far.
    pub(crate) warnings: Vec<Message>,
    /// Whether stdout is a terminal, where bars and plots are drawn.
    pub(crate) stdout_is_terminal: bool,
    /// The progress bars of long work.
    pub(crate) progress: Progress,
    /// The inputs and outputs of the command.
    pub(crate) files: RunFiles,
}

impl Terminal<'_> {
    /// Writes parts of a result.
    pub(crate) fn print(&mut self, parts: &[&str]) -> Result<()> {
        parts.iter().try_for_each(|part| self.out.write_all(part.as_bytes())).map_err(output_failed)
    }

    /// Writes a line of a result, without hidden characters.
    pub(crate) fn print_line(&mut self, line: &str) -> Result<()> {
        self.print(&[&escape::one_line(line), "\n"])
    }

    /// Flushes stdout, so that a failure is known before the next step.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(output_failed)
    }

    /// Runs a step that repeats an earlier one, without its notes.
    pub(crate) fn silenced<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let quiet = std::mem::replace(&mut self.quiet, true);
        self.silenced = true;
        let result = run(self);
        (self.quiet, self.silenced) = (quiet, false);
        result
    }

    /// Runs a step whose notes matter only if it fails; then they are written before the error.
    pub(crate) fn defer_notes<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.deferred = Some(Vec::new());
        let result = run(self);
        let notes = self.deferred.take().unwrap_or_default();
        if result.is_err() {
            notes.iter().for_each(|note| self.note_lines(note));
        }
        result
    }

    /// Returns the sink to which library functions report.
    pub(crate) fn sink(&mut self) -> Sink<'_> {
        let progress = self.progress.clone();
        Sink::new(progress, move |notice| self.notify(&notice))
    }

    /// Writes a notice, and keeps a warning for JSON output.
    fn notify(&mut self, notice: &Notice) {
        if let (Notice::Warning(warning), false) = (notice, self.silenced) {
            self.warnings.push(Message::from(warning));
        }
        let text = wrap_lines(&notice.to_string(), "  ");
        let deferred = match notice {
            Notice::Warning(warning) if warning.is_about_lost_input() => self.deferred.take(),
            _ => None,
        };
        self.note_lines(&text);
        self.deferred = self.deferred.take().or(deferred);
    }

    /// Writes a warning.
    pub(crate) fn warn(&mut self, warning: &Warning) {
        self.notify(&Notice::Warning(warning.clone()));
    }

    /// Warns about a model whose scores are not proven to help.
    pub(crate) fn warn_of_verdict(&mut self, model: &Model, label: &str) {
        if let Some(warning) = model.verdict().warning(label) {
            self.warn(&warning);
        }
    }

    /// Writes a line that is not part of the result.
    pub(crate) fn note(&mut self, line: &str) {
        self.note_lines(&escape::one_line(line));
    }

    /// Writes lines that are not part of the result; a closed stderr is ignored.
    pub(crate) fn note_lines(&mut self, text: &str) {
        if let Some(deferred) = &mut self.deferred {
            deferred.push(text.to_owned());
        } else if !self.quiet {
            let _ = writeln!(self.err, "{}", escape::lines(text));
        }
    }
}

fn output_failed(source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::BrokenPipe {
        Error::BrokenPipe
    } else {
        Error::Write { path: "standard output".into(), source }
    }
}

/// Runs `pql` with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli: Cli = parse();
    execute(&cli.general, |terminal| match &cli.command {
        Command::Init(args) => init::run(args, terminal),
        Command::Simulate(args) => simulate::run(args, terminal),
        Command::Ingest(args) => ingest::run(args, terminal),
        Command::Features(args) => features::run(args, terminal),
        Command::Schema(args) => schema::run(args, terminal),
        Command::Completions(args) => completions::run(args, terminal),
        Command::Man(args) => man::run(args, terminal),
        Command::Selftest(args) => selftest::run(args, terminal),
        Command::Doctor(args) => doctor::run(args, terminal),
        Command::Train(args) => train::run(args, terminal),
        Command::Evaluate(args) => evaluate::run(args, terminal),
        Command::Compare(args) => compare::run(args, terminal),
        Command::Models(args) => models::run(args, terminal),
        Command::Score(args) => score::run(args, terminal),
        Command::Explain(args) => explain::run(args, terminal),
        Command::Inspect(args) => inspect::run(args, terminal),
        Command::Report(args) => report::run(args, terminal),
        Command::Export(args) => export::run(args, terminal),
        Command::Discover(args) => discover::run(args, terminal),
        Command::Funnel(args) => funnel::run(args, terminal),
        Command::Monitor(args) => monitor::run(args, terminal),
        Command::Alerts(args) => alerts::run(args, terminal),
    })
}

/// Runs `pql-score` with the arguments of the process.
#[must_use]
pub fn main_score() -> ExitCode {
    let cli: ScoreCli = parse();
    execute(&cli.general, |terminal| score::run(&cli.args, terminal))
}

/// Parses the arguments of the process; ends it if they are invalid.
fn parse<C: Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| exit(&with_good_tips(error)))
}

/// Prints a message about the arguments, such as the help, and ends the process.
fn exit(error: &clap::Error) -> ! {
    let text = error.render().ansi().to_string();
    let mut shown = text.clone();
    // A message repeats an argument, or its part after `=`.
    for arg in std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()) {
        for part in [arg.as_str()].into_iter().chain(arg.split_once('=').map(|(_, value)| value)) {
            if let Cow::Owned(escaped) = escape::one_line(part) {
                shown = shown.replace(part, &escaped);
            }
        }
    }
    if shown == text {
        error.exit();
    }
    // A closed stderr is ignored.
    let _ = writeln!(io::stderr(), "{}", escape::lines(without_colors(&shown).trim_end()));
    std::process::exit(error.exit_code());
}

/// Removes the colors of clap.
fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let start = parts.next().unwrap_or_default().to_owned();
    parts.fold(start, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

/// Removes tips that do not help: to pass an unknown option as a value, and names that are not
/// similar.
fn with_good_tips(mut error: clap::Error) -> clap::Error {
    error.remove(ContextKind::Suggested);
    let text = |value: &ContextValue| match value {
        ContextValue::String(text) => vec![text.clone()],
        ContextValue::Strings(texts) => texts.clone(),
        _ => Vec::new(),
    };
    for (found, tip) in [
        (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
    ] {
        let found: Vec<String> = error.get(found).map(text).unwrap_or_default();
        let tips: Vec<String> = error.get(tip).map(text).unwrap_or_default();
        let [found] = found.as_slice() else { continue };
        let name = |text: &str| text.trim_start_matches('-').to_owned();
        let names: Vec<String> = tips.iter().map(|tip| name(tip)).collect();
        if nearest(&name(found), names.iter().map(String::as_str)).is_none() {
            error.remove(tip);
        }
    }
    error
}

/// Runs a command and returns its exit code.
fn execute(general: &GeneralArgs, run: impl FnOnce(&mut Terminal<'_>) -> Result<()>) -> ExitCode {
    signals::handle();
    let progress = if general.quiet { Progress::silent() } else { Progress::terminal() };
    // Neither is locked: other threads write tables to stdout and draw progress on stderr.
    let mut out = io::BufWriter::new(io::stdout());
    let mut terminal = Terminal {
        out: &mut out,
        err: &mut io::stderr(),
        quiet: general.quiet,
        verbose: general.verbose,
        silenced: false,
        deferred: None,
        warnings: Vec::new(),
        stdout_is_terminal: io::stdout().is_terminal(),
        progress,
        files: RunFiles::default(),
    };
    let result = run(&mut terminal).and_then(|()| terminal.flush());
    remove_copies();
    database::close();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A failed check also has a result.
            let _ = terminal.flush();
            if error.exit_code() != 0 {
                print_error(&error, terminal.err);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints an error with its sources and the hint.
fn print_error(error: &Error, err: &mut dyn Write) {
    let mut lines = vec![format!("error: {}", error.with_sources())];
    lines.extend(error.details());
    lines.extend(error.hint().map(|hint| format!("hint: {hint}")));
    let lines: Vec<_> = lines.iter().map(|line| escape::one_line(line)).collect();
    // A closed stderr is ignored.
    let _ = writeln!(err, "{}", lines.join("\n"));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::overview::{ABOUT, GROUPS, overview};
    use super::*;

    #[test]
    fn the_overview_lists_every_command_once_in_order() {
        let command = Cli::command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(grouped, names);
        assert_eq!(command.get_about().map(ToString::to_string).as_deref(), Some(ABOUT));
        assert!(overview().lines().all(|line| line.chars().count() <= 80), "{}", overview());
    }

    #[test]
    fn every_option_has_a_heading_and_help() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments() {
                let place = format!("{} {}", command.get_name(), arg.get_id());
                let heading = arg.get_help_heading().unwrap_or_else(|| panic!("{place}: heading"));
                assert!(["Input", "Model", "Output", "General"].contains(&heading), "{place}");
                assert!(arg.get_help().is_some(), "{place}: help");
            }
            command.get_subcommands().filter(|below| below.get_name() != "help").for_each(check);
        }
        for mut command in [Cli::command(), ScoreCli::command()] {
            command.build();
            check(&command);
        }
    }
}
