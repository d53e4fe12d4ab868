//! `pql export`

mod json;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Terminal;
use super::shared::{ModelArgs, load_config, writable};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::export::sql::{Dialect, SqlForm, SqlOptions, SqlPart, SqlTime, export_sql};
use crate::export::{NOTEBOOK_FILE, NotebookInput, export_notebook};
use crate::io::write::write_bytes;
use crate::model::card;
use crate::time::WrittenTime;
use crate::training::test_set::TestRows;

/// Export a model to another format
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Json(json::Args),
    Notebook(NotebookArgs),
    Sql(SqlArgs),
}

/// Write a statement that computes features in a database
///
/// The statement reads the tables that pql.toml names, cleans them as pql does, and returns one row
/// per open account.
#[derive(Debug, clap::Args)]
struct SqlArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Project file [default: ./pql.toml if it exists]
    #[arg(short, long, value_name = "FILE", help_heading = "Input")]
    config: Option<PathBuf>,
    /// Override a key of the project file, such as `model.penalty=none`; repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Input")]
    set: Vec<String>,
    /// Use the accounts as of this time (a date means 00:00) [default: the end of the log]
    #[arg(long, value_name = "TIME", help_heading = "Input")]
    at: Option<WrittenTime>,
    /// Use the accounts as of the time in this parameter of the statement
    #[arg(long, value_name = "NAME", value_parser = parameter_name, conflicts_with = "at", help_heading = "Input")]
    at_parameter: Option<String>,
    /// Engine that runs the statement
    #[arg(long, value_name = "ENGINE", help_heading = "Output")]
    dialect: SqlDialect,
    /// Rows of the statement
    #[arg(long, value_name = "PART", default_value = "features", help_heading = "Output")]
    part: SqlPartArg,
    /// Write a query, or a statement that creates a view or table
    #[arg(long = "as", value_name = "FORM", default_value = "query", help_heading = "Output")]
    form: SqlFormArg,
    /// Name of the view or table [default: pql_PART]
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    name: Option<String>,
    /// Output file [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
}

/// Engine of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SqlDialect {
    /// DuckDB 1.1 and newer
    #[value(name = "duckdb")]
    DuckDb,
    /// PostgreSQL 15 and newer
    Postgres,
    /// Apache Spark 3.5 and newer
    Spark,
    /// Google BigQuery
    #[value(name = "bigquery")]
    BigQuery,
    /// Snowflake
    Snowflake,
}

/// Rows of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SqlPartArg {
    /// Features of open accounts
    Features,
}

/// Form of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SqlFormArg {
    /// A query
    Query,
    /// A view
    View,
    /// A table
    Table,
}

/// Parses the name of a parameter.
fn parameter_name(text: &str) -> std::result::Result<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    (starts && text.chars().all(is_word))
        .then(|| text.to_owned())
        .ok_or_else(|| "expected letters, digits and `_`, such as scored_at".to_owned())
}

/// Export test rows, scores, coefficients, the model card and a Python notebook
///
/// The notebook draws the plots, recomputes the probabilities from the coefficients, and refits
/// the model with scikit-learn and statsmodels. It needs the stored test rows, which
/// `pql train --no-test-rows` does not write.
#[derive(Debug, clap::Args)]
struct NotebookArgs {
    /// Feature matrix of the training rows, from `pql features`, to reproduce the fit as well
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    features: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Output folder [default: notebooks-export/NAME-VERSION]
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Overwrite an earlier export, including its notebook
    #[arg(long, help_heading = "Output")]
    force: bool,
}

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    match &args.command {
        Command::Json(args) => json::run(args, terminal),
        Command::Notebook(args) => write_notebook(args, terminal),
        Command::Sql(args) => write_sql(args, terminal),
    }
}

fn write_sql(args: &SqlArgs, terminal: &mut Terminal<'_>) -> Result<()> {
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let output = path.map(|path| writable(path, &terminal.files)).transpose()?;
    let (model, location) = args.model.load(terminal)?;
    let file = load_config(args.config.as_deref(), &args.set, &terminal.files)?;
    let options = args.options(&file)?;
    let statement = export_sql(&model, &location.label, &file, &options, &mut terminal.sink())?;
    let Some(output) = output else { return terminal.print(&[&statement]) };
    write_bytes(&output, statement.as_bytes())?;
    terminal.note(&format!("Wrote {}", output.path().display()));
    Ok(())
}

impl SqlArgs {
    /// Returns the options of the statement.
    fn options(&self, file: &Config) -> Result<SqlOptions> {
        let part = match self.part {
            SqlPartArg::Features => SqlPart::Features,
        };
        let name = || {
            self.name.clone().unwrap_or_else(|| match self.part {
                SqlPartArg::Features => "pql_features".to_owned(),
            })
        };
        let form = match self.form {
            SqlFormArg::Query => SqlForm::Query,
            SqlFormArg::View => SqlForm::View(name()),
            SqlFormArg::Table => SqlForm::Table(name()),
        };
        if form == SqlForm::Query && self.name.is_some() {
            return Err(Error::Usage {
                problem: "`--name`: found a query, expected a view or table".to_owned(),
                hint: Some("add `--as view` or `--as table`".to_owned()),
            });
        }
        let time = match (&self.at, &self.at_parameter) {
            (Some(at), _) => SqlTime::At(at.in_zone(file.input.timezone)),
            (None, Some(name)) => SqlTime::Parameter(name.clone()),
            (None, None) => SqlTime::EndOfLog,
        };
        if matches!(form, SqlForm::View(_)) && matches!(time, SqlTime::Parameter(_)) {
            return Err(Error::Usage {
                problem: "`--at-parameter`: found a view, expected a query or table, because a view has no parameters".to_owned(),
                hint: Some("use `--as table`, or leave out `--at-parameter`".to_owned()),
            });
        }
        let dialect = match self.dialect {
            SqlDialect::DuckDb => Dialect::DuckDb,
            SqlDialect::Postgres => Dialect::Postgres,
            SqlDialect::Spark => Dialect::Spark,
            SqlDialect::BigQuery => Dialect::BigQuery,
            SqlDialect::Snowflake => Dialect::Snowflake,
        };
        Ok(SqlOptions { dialect, time, part, form })
    }
}

fn write_notebook(args: &NotebookArgs, terminal: &mut Terminal<'_>) -> Result<()> {
    let (model, location) = args.model.load(terminal)?;
    let folder = args
        .output
        .clone()
        .unwrap_or_else(|| Path::new("notebooks-export").join(location.label.replace('/', "-")));
    let path = folder.join(NOTEBOOK_FILE);
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(Error::Usage {
            problem: format!("refusing to overwrite `{}`: the file exists", path.display()),
            hint: Some("choose another folder with `-o`, or add `--force`".to_owned()),
        });
    }
    args.features.as_deref().map_or(Ok(()), |path| terminal.files.add_tables(path))?;
    let test = TestRows::require(&location.path, &model)?;
    let training = args
        .features
        .as_deref()
        .map(|file| model.read_matrix(file, model.config()?.matrix, &mut terminal.sink()))
        .transpose()?;
    // The stored card also has data quality and cohorts.
    let card = match card::read(&location.path, &model)? {
        Some((bytes, _)) => bytes,
        None => card::json(&model, Vec::new(), None)?,
    };
    export_notebook(
        &NotebookInput {
            model: &model,
            label: &location.label,
            test_set: &test,
            training: training.as_ref(),
            card: &card,
        },
        &folder,
        &terminal.files,
    )?;
    terminal.note(&format!("Wrote {}", folder.display()));
    terminal.note(&format!("Next: jupyter lab {}", path.display()));
    Ok(())
}
