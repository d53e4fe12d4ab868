//! The command line: what is asked for, who answers, and the exit code.

mod alerts;
mod compare;
mod definitions;
mod discover;
mod evaluate;
mod explain;
mod export;
mod features;
mod funnel;
mod ingest;
mod init;
mod inspect;
mod models;
mod monitor;
mod report;
mod score;
mod shared;
mod simulate;
mod since;
mod train;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::io::progress::Progress;
use crate::io::sink::Sink;
use crate::warning::{Message, Notice, Warning};

/// Which free-trial and freemium accounts will convert, and why.
#[derive(Debug, Parser)]
#[command(name = "pql", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say nothing but errors on stderr
    #[arg(short, long, global = true)]
    quiet: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed (not converged, output not writable, alerts not taken) · 2 wrong usage (flags, pql.toml) · \
3 bad input data · 4 model file absent or bad · 5 a check asked for did not hold (--strict, --require, monitor) · 130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a realistic, seeded usage log with known true coefficients
    Simulate(simulate::Args),
    /// Read the headers of given files and write a commented pql.toml
    Init(init::Args),
    /// Write the event log and the account list after cleaning, and say what was dropped
    Ingest(ingest::Args),
    /// Write the feature matrix with cutoffs and outcomes
    Features(features::Args),
    /// Train a model: data quality, evaluation on the newest cohorts, weights
    Train(Box<train::Args>),
    /// Score accounts: probability, percentile, tier and reasons
    Score(score::Args),
    /// Show what a model has learned: weights, odds ratios, standard errors
    Inspect(inspect::Args),
    /// Explain one account's probability as a sum of contributions
    Explain(explain::Args),
    /// Judge a model on labelled data
    Evaluate(evaluate::Args),
    /// List the PQL definitions of the project file with what each finds in the log
    Definitions(definitions::Args),
    /// Find rules that tell who converts, on older cohorts, and confirm them on newer ones
    Discover(discover::Args),
    /// Tell of accounts that newly qualified, rose or fell a tier since the run before
    Alerts(alerts::Args),
    /// Write a model in another form
    Export(export::Args),
    /// Follow sign-ups to PQLs to customers, by definition and cohort, PQLs against others
    Funnel(funnel::Args),
    /// Draw a model on one self-contained HTML page
    Report(report::Args),
    /// List the stored versions and which is the champion, or promote one
    Models(models::Args),
    /// Set a challenger against the champion on the same newer cohorts
    Compare(compare::Args),
    /// Hold a batch against the training rows: drift, event names, scores, and what became of
    /// accounts scored before
    Monitor(monitor::Args),
}

/// `pql score` alone: probabilities from events or a feature matrix and a model.
#[derive(Debug, Parser)]
#[command(name = "pql-score", version, after_help = EXIT_CODES)]
pub struct ScoreCli {
    #[command(flatten)]
    args: score::Args,
    /// Say nothing but errors on stderr
    #[arg(short, long)]
    quiet: bool,
}

/// Where a command writes: results to stdout, all else to stderr.
pub(crate) struct Terminal<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    quiet: bool,
    /// Whether notices are a repetition.
    silenced: bool,
    /// The warnings so far.
    pub(crate) warnings: Vec<Message>,
    /// Whether stdout is a terminal, where bars are drawn beside numbers.
    pub(crate) drawn: bool,
    /// What long work reports.
    pub(crate) progress: Progress,
}

impl Terminal<'_> {
    /// Write a line of a result.
    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}").map_err(output_failed)
    }

    /// Write a plot below what was said, where there is anything to be drawn.
    pub(crate) fn say_plot(&mut self, plot: &str) -> Result<()> {
        if plot.is_empty() { Ok(()) } else { self.say(&format!("\n{plot}")) }
    }

    /// Write a result as JSON.
    pub(crate) fn say_json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|source| Error::Json { what: "the result", source })?;
        self.say(&text)
    }

    /// Do what says again what was said before, without a line that is no result.
    pub(crate) fn silenced<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let quiet = std::mem::replace(&mut self.quiet, true);
        self.silenced = true;
        let done = run(self);
        (self.quiet, self.silenced) = (quiet, false);
        done
    }

    /// Returns where library functions report to.
    pub(crate) fn sink(&mut self) -> Sink<'_> {
        let progress = self.progress.clone();
        Sink::new(progress, move |notice| self.notify(&notice))
    }

    /// Writes a notice; a warning is kept for JSON, too.
    fn notify(&mut self, notice: &Notice) {
        if let (Notice::Warning(warning), false) = (notice, self.silenced) {
            self.warnings.push(Message::from(warning));
        }
        self.note(&notice.to_string());
    }

    /// Writes a warning.
    pub(crate) fn warn(&mut self, warning: &Warning) {
        self.notify(&Notice::Warning(warning.clone()));
    }

    /// Write a line that is no result; where nobody listens, nothing is lost.
    pub(crate) fn note(&mut self, line: &str) {
        if !self.quiet {
            let _ = writeln!(self.err, "{line}");
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

/// Run `pql` with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    answer(cli.quiet, |terminal| match &cli.command {
        Command::Simulate(args) => simulate::run(args, terminal),
        Command::Init(args) => init::run(args, terminal),
        Command::Ingest(args) => ingest::run(args, terminal),
        Command::Features(args) => features::run(args, terminal),
        Command::Train(args) => train::run(args, terminal),
        Command::Score(args) => score::run(args, terminal),
        Command::Inspect(args) => inspect::run(args, terminal),
        Command::Explain(args) => explain::run(args, terminal),
        Command::Evaluate(args) => evaluate::run(args, terminal),
        Command::Definitions(args) => definitions::run(args, terminal),
        Command::Discover(args) => discover::run(args, terminal),
        Command::Alerts(args) => alerts::run(args, terminal),
        Command::Export(args) => export::run(args, terminal),
        Command::Funnel(args) => funnel::run(args, terminal),
        Command::Report(args) => report::run(args, terminal),
        Command::Models(args) => models::run(args, terminal),
        Command::Compare(args) => compare::run(args, terminal),
        Command::Monitor(args) => monitor::run(args, terminal),
    })
}

/// Run `pql-score` with the arguments of the process.
#[must_use]
pub fn main_score() -> ExitCode {
    let cli = ScoreCli::parse();
    answer(cli.quiet, |terminal| score::run(&cli.args, terminal))
}

fn answer(quiet: bool, run: impl FnOnce(&mut Terminal<'_>) -> Result<()>) -> ExitCode {
    /// By convention 128 + the number of the signal that a terminal sends on Ctrl-C.
    const INTERRUPTED: i32 = 130;
    // Without a handler the default one ends the process, so nothing is lost where none can be set.
    let _ = ctrlc::set_handler(|| std::process::exit(INTERRUPTED));
    let progress = if quiet { Progress::silent() } else { Progress::terminal() };
    let drawn = io::stdout().is_terminal();
    // Neither is locked: tables are written to the one, and progress is drawn on the other, by
    // threads of their own.
    let mut out = io::BufWriter::new(io::stdout());
    let mut terminal = Terminal {
        out: &mut out,
        err: &mut io::stderr(),
        quiet,
        silenced: false,
        warnings: Vec::new(),
        drawn,
        progress,
    };
    let result = run(&mut terminal).and_then(|()| terminal.out.flush().map_err(output_failed));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.exit_code() != 0 {
                complain(&error, terminal.err);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Print an error with its sources and the next step.
fn complain(error: &Error, err: &mut dyn Write) {
    let mut text = format!("error: {}", error.with_sources());
    if let Some(hint) = error.hint() {
        text += &format!("\nhint: {hint}");
    }
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(err, "{text}");
}
