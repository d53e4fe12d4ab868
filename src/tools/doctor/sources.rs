//! Checks of the sources: their files, columns and times.

use std::ops::ControlFlow;
use std::path::Path;

use polars::prelude::DataType;

use super::{CheckStatus, ProjectCheck};
use crate::config::{Config, MaxLine, TableFormat};
use crate::error::Result;
use crate::io::database::{self, CopySummary};
use crate::io::read::{self, FileOptions, Source};
use crate::log::{ReadOptions, UsedColumns, account_columns, event_columns, visitor_columns};
use crate::names::{backticked, counted, file_name};
use crate::time::{Zone, parse_written};

/// How the times of a column are written, as far as their first rows tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeForm {
    /// With an offset or a zone, or as seconds since 1970.
    Absolute,
    /// Without an offset.
    Local,
    /// Dates without a time of day.
    Dates,
    /// Some with an offset and some without.
    Mixed,
    /// In a format of the project file, or empty.
    Other,
}

/// Returns the columns of a source, given its files.
type FindColumns<'a> = Box<dyn Fn(&Source) -> Result<UsedColumns> + 'a>;

/// A source of the project file.
struct ProjectSource<'a> {
    path: Result<&'a Path>,
    format: Option<TableFormat>,
    columns: FindColumns<'a>,
}

/// Checks each source.
pub(super) fn check_sources(config: &Config, options: &ReadOptions) -> Vec<ProjectCheck> {
    let (mut checks, mut forms) = (Vec::new(), Vec::new());
    for source in sources(config) {
        let found = source.check(options.types.max_line, config.input.timezone, &mut checks);
        forms.extend(found);
    }
    let mixed = [TimeForm::Absolute, TimeForm::Local].iter().all(|form| forms.contains(form));
    if mixed || forms.contains(&TimeForm::Mixed) {
        let zone = config.input.timezone;
        let found = format!("some have an offset; those without one are read as {zone}");
        let action = "set `input.timezone` to the zone of the times without an offset";
        checks
            .push(ProjectCheck::ok("log", "time zones", found).with(CheckStatus::Warning, action));
    }
    checks
}

/// Returns the sources of a project file.
fn sources(config: &Config) -> Vec<ProjectSource<'_>> {
    let mut sources: Vec<ProjectSource<'_>> = Vec::new();
    for source in &config.events {
        sources.push(ProjectSource {
            path: source.file(),
            format: source.file_format,
            columns: Box::new(|files| event_columns(source, files, config.users.is_some())),
        });
    }
    if let Some(source) = &config.accounts {
        sources.push(ProjectSource {
            path: source.file(),
            format: source.file_format,
            columns: Box::new(|files| account_columns(source, files)),
        });
    }
    if let Some(source) = &config.visitors {
        sources.push(ProjectSource {
            path: Ok(&source.path),
            format: source.file_format,
            columns: Box::new(|files| visitor_columns(source, files)),
        });
    }
    sources
}

impl ProjectSource<'_> {
    /// Checks the source and returns how its times are written; `None` if they are not known.
    fn check(
        self,
        max_line: MaxLine,
        zone: Zone,
        checks: &mut Vec<ProjectCheck>,
    ) -> Option<TimeForm> {
        let label = self.path.as_ref().map_or_else(|_| "table".to_owned(), |path| file_name(path));
        let is_table = self.path.as_ref().is_ok_and(|path| database::is_table(path));
        let options = FileOptions::new(max_line, self.format);
        let mut files = match self.path.and_then(|path| Source::open(path, options)) {
            Ok(files) => files,
            Err(error) => {
                let check = if is_table { "connection" } else { "files" };
                checks.push(ProjectCheck::failed(&label, check, &error));
                return None;
            }
        };
        match database::summary(files.file(0)) {
            Some(summary) => checks.extend(check_table(&label, &summary)),
            None => checks.push(check_files(&label, &files)),
        }
        let columns = match (self.columns)(&files) {
            Ok(columns) => columns,
            Err(error) => {
                checks.push(ProjectCheck::failed(&label, "columns", &error));
                return None;
            }
        };
        checks.push(ProjectCheck::ok(&label, "columns", backticked(&columns.names)));
        match time_form(&mut files, &columns) {
            Ok(form) => {
                let found = format!("`{}`: {}", columns.time, form.describe(zone));
                checks.push(ProjectCheck::ok(&label, "times", found));
                Some(form)
            }
            Err(error) => {
                checks.push(ProjectCheck::failed(&label, "times", &error));
                None
            }
        }
    }
}

/// Describes the rows of a database.
fn check_table(label: &str, summary: &CopySummary) -> [ProjectCheck; 2] {
    let rows = format!("{} from the database", counted(summary.rows, "row"));
    let types: Vec<String> =
        summary.types.iter().map(|(name, kind)| format!("`{name}` {kind}")).collect();
    [
        ProjectCheck::ok(label, "connection", rows),
        ProjectCheck::ok(label, "types", types.join(", ")),
    ]
}

/// Checks that every file can be read.
fn check_files(label: &str, files: &Source) -> ProjectCheck {
    let read = counted(files.len() as u64, "file");
    let check = ProjectCheck::ok(label, "files", &*read);
    let Some(first) = files.unread().first() else { return check };
    let unread = files.unread().len();
    let found = format!("{read}; {unread} not read (the first is `{}`)", file_name(first));
    let action = "convert the other files to a supported format, or set `file_format`";
    ProjectCheck { found, ..check }.with(CheckStatus::Warning, action)
}

impl TimeForm {
    fn describe(self, zone: Zone) -> String {
        match self {
            Self::Absolute => "with an offset or as epoch".to_owned(),
            Self::Local => format!("without an offset, read as {zone} (`input.timezone`)"),
            Self::Dates => format!("dates, which begin at 00:00 {zone} (`input.timezone`)"),
            Self::Mixed => "some with an offset and some without".to_owned(),
            Self::Other => "in another format".to_owned(),
        }
    }
}

/// Returns how the times in the first rows of a source are written.
fn time_form(files: &mut Source, columns: &UsedColumns) -> Result<TimeForm> {
    let names = [columns.time.clone()];
    let (mut forms, file) = (Vec::new(), files.file(0).to_owned());
    let read = files.read_batches(0, &names, &mut |batch| {
        let column = read::column(&file, &batch.frame, &names[0])?;
        match column.dtype() {
            DataType::Datetime(_, Some(_)) => forms.push(TimeForm::Absolute),
            DataType::Datetime(..) => forms.push(TimeForm::Local),
            DataType::Date => forms.push(TimeForm::Dates),
            DataType::String => {
                let texts = column.str().into_iter().flat_map(|texts| texts.iter().flatten());
                forms.extend(texts.map(text_form));
            }
            _ => forms.push(TimeForm::Absolute),
        }
        // The first batch is enough.
        Ok(ControlFlow::Break(()))
    });
    drop(read?);
    forms.retain(|form| *form != TimeForm::Other);
    let Some(first) = forms.first().copied() else { return Ok(TimeForm::Other) };
    if forms.contains(&TimeForm::Absolute) && forms.contains(&TimeForm::Local) {
        return Ok(TimeForm::Mixed);
    }
    // A time at midnight may be written as a date.
    Ok(forms.into_iter().find(|form| *form != TimeForm::Dates).unwrap_or(first))
}

/// Returns how a time is written.
fn text_form(text: &str) -> TimeForm {
    /// Length of `2025-06-30`, the longest date.
    const DATE: usize = 10;
    match parse_written(text) {
        Some(time) if time.has_offset() => TimeForm::Absolute,
        Some(_) if text.trim().len() <= DATE => TimeForm::Dates,
        Some(_) => TimeForm::Local,
        None if text.trim().parse::<f64>().is_ok() => TimeForm::Absolute,
        None => TimeForm::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_time_is_its_offset() {
        for (text, form) in [
            ("2025-06-30T12:00:00Z", TimeForm::Absolute),
            ("2025-06-30 12:00+02:00", TimeForm::Absolute),
            ("1735689600", TimeForm::Absolute),
            ("2025-06-30T12:00:00", TimeForm::Local),
            ("20250630", TimeForm::Dates),
            (" 2025-06-30 ", TimeForm::Dates),
            ("30/06/2025", TimeForm::Other),
        ] {
            assert_eq!(text_form(text), form, "{text}");
        }
    }
}
