//! `--format` and `--output`: how a result is written, and to which file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ValueEnum};
use serde::Serialize;

use super::Terminal;
use super::paths::file_path;
use super::shared::writable;
use crate::error::{Error, Result};
use crate::escape;
use crate::io::compression::Compression;
use crate::io::database::{self, LoadMode, TableLoad};
use crate::io::write::{Format, OutputFile, RunFiles, csv_line, split_compression, write_bytes};
use crate::report::format::alternatives;
use crate::report::text::plot::COLORS;

/// A format of a result; each command writes some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// Tables and sentences for people.
    Table,
    /// One JSON value.
    Json,
    /// Comma-separated values with a header line.
    Csv,
    /// A Markdown table.
    Md,
    /// `[[definition]]` blocks of pql.toml.
    Toml,
    /// Parquet.
    Parquet,
    /// One JSON object per line.
    Ndjson,
    /// A stream of Arrow IPC.
    Arrow,
}

/// The formats of a file with one row per account.
pub(super) const ROW_FORMATS: &[OutputFormat] =
    &[OutputFormat::Parquet, OutputFormat::Csv, OutputFormat::Ndjson, OutputFormat::Arrow];

impl OutputFormat {
    /// Returns the name that `--format` takes.
    fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Md => "md",
            Self::Toml => "toml",
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Arrow => "arrow",
        }
    }

    /// Returns the format of a file extension, before `.gz` or `.zst`.
    fn from_extension(path: &Path) -> Option<Self> {
        let (path, _) = split_compression(path);
        let extension = path.extension()?.to_str()?.to_lowercase();
        match extension.as_str() {
            "jsonl" => Some(Self::Ndjson),
            "arrows" => Some(Self::Arrow),
            "markdown" => Some(Self::Md),
            "txt" => Some(Self::Table),
            name => Self::from_str(name, true).ok().filter(|format| *format != Self::Table),
        }
    }

    /// Returns the usual file extension.
    fn extension(self) -> &'static str {
        if self == Self::Table { "txt" } else { self.name() }
    }

    /// Returns the format of a row file, if it is one.
    fn row_format(self) -> Option<Format> {
        match self {
            Self::Parquet => Some(Format::Parquet),
            Self::Csv => Some(Format::Csv),
            Self::Ndjson => Some(Format::Ndjson),
            Self::Arrow => Some(Format::Arrow),
            _ => None,
        }
    }
}

/// The result of a command: its format and its file.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Output format [default: from the file extension, else table]
    #[arg(long, value_name = "FORMAT")]
    format: Option<OutputFormat>,
    /// Output file [default: standard output]
    #[arg(short, long, value_name = "FILE", value_parser = file_path())]
    output: Option<PathBuf>,
}

/// The cells of CSV.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct CsvArgs {
    /// In CSV, write `'` before texts that a spreadsheet could take for a formula
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    csv_safe: bool,
}

/// Limits `--format` to the formats of a command.
pub(super) fn limit_formats(arg: Arg, formats: &'static [OutputFormat]) -> Arg {
    let names = PossibleValuesParser::new(formats.iter().map(|format| format.name()));
    let arg = arg.value_parser(names.map(|name| {
        OutputFormat::from_str(&name, false).expect("the possible values are names of formats")
    }));
    if formats.contains(&OutputFormat::Table) {
        return arg;
    }
    arg.help("Output format [default: from the file extension]")
}

impl OutputArgs {
    /// Returns whether a format or a file is given.
    pub(super) fn is_given(&self) -> bool {
        self.format.is_some() || self.output.is_some()
    }

    /// Returns the output of a command that writes these formats, the first one by default.
    ///
    /// # Errors
    /// * [`Error::Usage`]: the file extension means a format that the command does not write, or
    ///   the file is an input
    /// * [`Error::Write`]: the file cannot be written
    pub(super) fn resolve(&self, formats: &[OutputFormat], files: &RunFiles) -> Result<Output> {
        let path = self.output.clone().filter(|path| path != Path::new("-"));
        let from_extension = path.as_deref().and_then(OutputFormat::from_extension);
        let format = match (self.format, from_extension) {
            (Some(format), _) => format,
            (None, Some(format)) if formats.contains(&format) => format,
            (None, _) => match path.as_deref().filter(|path| !is_device(path)) {
                None => formats[0],
                Some(path) => return Err(unsupported_extension(path, formats)),
            },
        };
        let file = path.as_deref().map(|path| writable(path, files)).transpose()?;
        Ok(Output { format, file })
    }

    /// Returns the table of a database to which the rows go; `None`: they go to a file.
    ///
    /// # Errors
    /// * [`Error::Usage`]: a format is given for a table, or a mode for a file
    pub(super) fn database_table(&self, mode: Option<LoadMode>) -> Result<Option<TableLoad>> {
        let path = self.output.as_deref().filter(|path| database::is_table(path));
        let problem = match (path, mode, self.format) {
            (Some(_), _, Some(_)) => {
                "`--format`: found a table of a database as output, which has no format"
            }
            (None, Some(_), _) => {
                "`--mode` requires a table of a database as output, such as `-o warehouse:pql_scores`"
            }
            (path, ..) => {
                return path
                    .map(|path| TableLoad::new(path, mode.unwrap_or(LoadMode::Append)))
                    .transpose();
            }
        };
        Err(Error::Usage { problem: problem.to_owned(), hint: None })
    }

    /// Returns the file of a command that writes rows, and its format; `None` without `--output`.
    ///
    /// # Errors
    /// * [`Error::Usage`]: neither `--format` nor the file extension is a format of rows, or the
    ///   file is an input
    /// * [`Error::Write`]: the file cannot be written
    pub(super) fn row_file(
        &self,
        csv: CsvArgs,
        files: &RunFiles,
    ) -> Result<Option<(OutputFile, Format)>> {
        let Some(path) = self.output.as_deref() else { return Ok(None) };
        let from_extension = || {
            let is_stdout = path == Path::new("-");
            is_stdout.then_some(OutputFormat::Csv).or_else(|| OutputFormat::from_extension(path))
        };
        let format = self.format.or_else(from_extension).and_then(OutputFormat::row_format);
        let format = match format.ok_or_else(|| unsupported_extension(path, ROW_FORMATS))? {
            Format::Csv if !csv.csv_safe => Format::ExactCsv,
            format => format,
        };
        if !format.is_text() && split_compression(path).1 != Compression::Plain {
            return Err(Error::Usage {
                problem: format!("`{}`: only text formats can be compressed", path.display()),
                hint: Some("remove `.gz` or `.zst`, or choose `--format csv|ndjson`".to_owned()),
            });
        }
        Ok(Some((writable(path, files)?, format)))
    }
}

/// Returns whether a path is a device or pipe, such as `/dev/null`, which has no file extension.
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Returns the error of a file whose extension means none of the formats of a command.
fn unsupported_extension(path: &Path, formats: &[OutputFormat]) -> Error {
    let found = if path.extension().is_some() { "unsupported" } else { "no" };
    let extensions: Vec<String> =
        formats.iter().map(|format| format!(".{}", format.extension())).collect();
    let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
    Error::Usage {
        problem: format!(
            "`{}`: {found} file extension, expected {}",
            path.display(),
            alternatives(&extensions)
        ),
        hint: Some(format!("rename the file, or add `--format {}`", names.join("|"))),
    }
}

/// The format and destination of a result.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) format: OutputFormat,
    /// The file; `None`: standard output.
    pub(super) file: Option<OutputFile>,
}

impl Output {
    /// Returns whether the result is shown on a terminal, where bars and plots are drawn.
    pub(super) fn is_on_terminal(&self, terminal: &Terminal<'_>) -> bool {
        self.file.is_none() && terminal.stdout_is_terminal
    }

    /// Writes a text, and a line break after it unless it is empty. Hidden characters are escaped,
    /// in JSON by its own escapes; colors of plots, CSV and TOML stay as they are.
    pub(super) fn write(&self, text: &str, terminal: &mut Terminal<'_>) -> Result<()> {
        let text = match self.format {
            OutputFormat::Table => escape::lines_with(&COLORS, text).into(),
            OutputFormat::Md => escape::lines(text),
            OutputFormat::Json | OutputFormat::Ndjson => escape::json(text),
            OutputFormat::Csv
            | OutputFormat::Toml
            | OutputFormat::Parquet
            | OutputFormat::Arrow => text.into(),
        };
        let line_break = if text.is_empty() { "" } else { "\n" };
        let Some(file) = &self.file else { return terminal.print(&[&text, line_break]) };
        write_bytes(file, [&text, line_break].concat().as_bytes())?;
        terminal.note(&format!("Wrote {}", file.path().display()));
        Ok(())
    }

    /// Writes a value as JSON.
    pub(super) fn write_json(
        &self,
        value: &impl Serialize,
        terminal: &mut Terminal<'_>,
    ) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|source| Error::Json { value: "the result", source })?;
        self.write(&text, terminal)
    }
}

/// Returns rows, the header first, as CSV.
pub(super) fn csv_text(mut rows: Vec<Vec<String>>, csv: CsvArgs) -> String {
    let is_text = |cell: &String| cell.parse::<f64>().is_err();
    for cell in rows.iter_mut().flatten().filter(|cell| csv.csv_safe && is_text(cell)) {
        if let Cow::Owned(safe) = escape::spreadsheet_cell(cell) {
            *cell = safe;
        }
    }
    rows.iter().map(|row| csv_line(row)).collect::<Vec<_>>().join("\n")
}

/// Returns rows, the header first, as a Markdown table.
pub(super) fn markdown_text(rows: &[Vec<String>]) -> String {
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().map(|cell| escape::markdown_cell(cell));
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    if let Some(header) = rows.first() {
        lines.insert(1, format!("|{}", "---|".repeat(header.len())));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &[OutputFormat] = &[OutputFormat::Table, OutputFormat::Json, OutputFormat::Csv];

    fn resolve(format: Option<OutputFormat>, path: Option<&str>) -> Result<OutputFormat> {
        let args = OutputArgs { format, output: path.map(PathBuf::from) };
        args.resolve(SOME, &RunFiles::default()).map(|output| output.format)
    }

    #[test]
    fn the_format_is_the_option_then_the_extension_then_the_first() {
        assert_eq!(resolve(None, None).unwrap(), OutputFormat::Table);
        assert_eq!(resolve(None, Some("-")).unwrap(), OutputFormat::Table);
        assert_eq!(resolve(None, Some("a.txt")).unwrap(), OutputFormat::Table);
        assert_eq!(resolve(None, Some("a.JSON")).unwrap(), OutputFormat::Json);
        assert_eq!(resolve(Some(OutputFormat::Csv), Some("a.json")).unwrap(), OutputFormat::Csv);
    }

    #[test]
    fn an_extension_of_another_format_is_refused() {
        let error = resolve(None, Some("a.md")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(
            error.to_string(),
            "`a.md`: unsupported file extension, expected .txt, .json or .csv"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("`--format table|json|csv`"), "{hint}");
        let error = resolve(None, Some("result")).unwrap_err();
        assert!(error.to_string().starts_with("`result`: no file extension, expected "), "{error}");
    }

    #[test]
    fn a_row_file_needs_a_format_of_rows() {
        let row_file = |format, path: &str| {
            let args = OutputArgs { format, output: Some(path.into()) };
            let file = args.row_file(CsvArgs { csv_safe: true }, &RunFiles::default());
            file.map(|file| file.map(|(_, format)| format))
        };
        assert_eq!(row_file(None, "-").unwrap(), Some(Format::Csv));
        assert_eq!(row_file(None, "a.jsonl").unwrap(), Some(Format::Ndjson));
        assert_eq!(row_file(Some(OutputFormat::Csv), "a.txt").unwrap(), Some(Format::Csv));
        assert_eq!(row_file(None, "a.json").unwrap_err().exit_code(), 2);
        let none = OutputArgs { format: None, output: None };
        let safe = CsvArgs { csv_safe: true };
        assert!(none.row_file(safe, &RunFiles::default()).unwrap().is_none());
    }

    #[test]
    fn csv_has_apostrophes_before_formulas_but_not_before_numbers() {
        let rows = || vec![vec!["=1+1".to_owned(), "-0.5".to_owned(), "-a".to_owned()]];
        assert_eq!(csv_text(rows(), CsvArgs { csv_safe: true }), "'=1+1,-0.5,'-a");
        assert_eq!(csv_text(rows(), CsvArgs { csv_safe: false }), "=1+1,-0.5,-a");
    }

    #[test]
    fn markdown_cells_escape_bars_and_line_breaks() {
        let rows =
            [vec!["a".to_owned(), "b".to_owned()], vec!["x|y".to_owned(), "1\n2".to_owned()]];
        assert_eq!(markdown_text(&rows), "| a | b |\n|---|---|\n| x\\|y | 1\\\\n2 |");
    }
}
