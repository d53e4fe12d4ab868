//! `pql export sql`

use std::path::{Path, PathBuf};

use crate::cli::Terminal;
use crate::cli::paths::file_path;
use crate::cli::shared::{ProjectModelArgs, writable};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::export::sql::{Dialect, SqlForm, SqlOptions, SqlPart, SqlTime, export_sql};
use crate::io::write::write_bytes;
use crate::time::WrittenTime;

/// Write a statement that scores accounts in a database
///
/// The statement reads the tables that pql.toml names, cleans them as pql does, and returns one row
/// per open account: its scores with reasons, as `pql score` writes them, or its features. A model
/// of a feature matrix scores the rows of the table in `[matrix]`. With `--part training` the
/// statement returns the rows for `pql train --features FILE --like MODEL`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    inputs: ProjectModelArgs,
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
    #[arg(long, value_name = "PART", default_value = "scores", help_heading = "Output")]
    part: SqlPartArg,
    /// Leave out the columns of the confidence interval
    #[arg(long, help_heading = "Output")]
    no_interval: bool,
    /// Write a query, or a statement that creates a view or table
    #[arg(long = "as", value_name = "FORM", default_value = "query", help_heading = "Output")]
    form: SqlFormArg,
    /// Name of the view or table [default: `pql_PART`]
    #[arg(long = "name", value_name = "NAME", help_heading = "Output")]
    relation: Option<String>,
    /// Output file [default: standard output]
    #[arg(short, long, value_name = "FILE", help_heading = "Output", value_parser = file_path())]
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
    /// The columns of `pql score`
    Scores,
    /// All accounts at all cutoffs of the training: features, outcome and split
    Training,
}

impl SqlPartArg {
    /// Returns the default name of a view or table.
    fn relation(self) -> &'static str {
        match self {
            Self::Features => "pql_features",
            Self::Scores => "pql_scores",
            Self::Training => "pql_training",
        }
    }
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

pub(in crate::cli) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let path = args.output.as_deref().filter(|path| *path != Path::new("-"));
    let output = path.map(|path| writable(path, &terminal.files)).transpose()?;
    let (model, location, file) = args.inputs.load(terminal)?;
    let options = args.options(&file)?;
    let statement = export_sql(&model, &location.label, &file, &options, &mut terminal.sink())?;
    let Some(output) = output else { return terminal.print(&[&statement]) };
    write_bytes(&output, statement.as_bytes())?;
    terminal.note(&format!("Wrote {}", output.path().display()));
    Ok(())
}

impl Args {
    /// Returns the options of the statement.
    fn options(&self, file: &Config) -> Result<SqlOptions> {
        let part = match self.part {
            SqlPartArg::Features => SqlPart::Features,
            SqlPartArg::Scores => SqlPart::Scores { interval: !self.no_interval },
            SqlPartArg::Training => SqlPart::Training,
        };
        let name = || self.relation.clone().unwrap_or_else(|| self.part.relation().to_owned());
        let form = match self.form {
            SqlFormArg::Query => SqlForm::Query,
            SqlFormArg::View => SqlForm::View(name()),
            SqlFormArg::Table => SqlForm::Table(name()),
        };
        if form == SqlForm::Query && self.relation.is_some() {
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
