//! `pql schema`

use super::Terminal;
use super::output::{OutputArgs, OutputFormat, limit_formats};
use crate::config::schema::json_schema;
use crate::error::Result;

/// Print the JSON Schema of pql.toml
///
/// Editors use it to complete and check the keys of a project file.
#[derive(Debug, clap::Args)]
#[command(mut_arg("format", |arg| limit_formats(arg, FORMATS)))]
pub(super) struct Args {
    #[command(flatten)]
    output: OutputArgs,
}

const FORMATS: &[OutputFormat] = &[OutputFormat::Json];

pub(super) fn run(args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    args.output.resolve(FORMATS, &terminal.files)?.write(json_schema().trim_end(), terminal)
}
