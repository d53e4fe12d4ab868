//! `pql export dbt`

use std::fs;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::Terminal;
use crate::cli::paths::local_path;
use crate::cli::shared::ProjectModelArgs;
use crate::error::{Error, Result};
use crate::export::dbt::{PackageInput, export_dbt};
use crate::export::sql::Dialect;
use crate::io::write::write_bytes;

/// Write a dbt package that computes features and scores in a database
///
/// The models are incremental: each `dbt build` adds the rows of one time of scoring, by default
/// 00:00 UTC of the day. The package reads the tables that pql.toml names.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    inputs: ProjectModelArgs,
    /// Output folder
    #[arg(short, long, value_name = "DIR", help_heading = "Output", value_parser = local_path())]
    output: PathBuf,
    /// Engines that run the package, such as `duckdb,postgres` [default: all]
    #[arg(
        long,
        value_name = "ENGINES",
        value_delimiter = ',',
        value_parser = dialects(),
        help_heading = "Output"
    )]
    dialect: Vec<Dialect>,
    /// Overwrite an earlier package
    #[arg(long, help_heading = "Output")]
    force: bool,
}

/// Parses the name of a dialect.
fn dialects() -> impl TypedValueParser<Value = Dialect> {
    let named = |name: String| {
        let known = Dialect::ALL.into_iter().find(|dialect| dialect.key() == name);
        known.expect("only names of dialects are possible")
    };
    PossibleValuesParser::new(Dialect::ALL.map(Dialect::key)).map(named)
}

pub(in crate::cli) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let project = args.output.join("dbt_project.yml");
    if !args.force && project.symlink_metadata().is_ok() {
        return Err(Error::Usage {
            problem: format!("refusing to overwrite `{}`: the file exists", project.display()),
            hint: Some("choose another folder with `-o`, or add `--force`".to_owned()),
        });
    }
    let (model, location, file) = args.inputs.load(terminal)?;
    let dialects: &[Dialect] = if args.dialect.is_empty() { &Dialect::ALL } else { &args.dialect };
    let input = PackageInput { model: &model, label: &location.label, file: &file, dialects };
    let files = export_dbt(&input, &mut terminal.sink())?;
    for file in files {
        let path = args.output.join(&file.path);
        let folder = path.parent().expect("a file of the package has a folder");
        fs::create_dir_all(folder)
            .map_err(|source| Error::Write { path: folder.to_owned(), source })?;
        write_bytes(&terminal.files.output(&path)?, file.text.as_bytes())?;
    }
    terminal.note(&format!("Wrote {}", args.output.display()));
    Ok(())
}
