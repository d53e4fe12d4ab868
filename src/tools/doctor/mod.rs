//! `pql doctor`: checks the data of a project before anything long runs, up to the rows that a
//! training would use. No model is fitted.

mod log;
mod sources;

use log::check_log;
use serde::Serialize;
use sources::check_sources;

use crate::config::Config;
use crate::error::Error;
use crate::io::database;
use crate::io::sink::Sink;
use crate::log::{Log, ReadOptions};
use crate::time::Timestamp;
use crate::warning::{Message, Warning};

/// How a check ended, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// Nothing to do.
    Ok,
    /// Training and scoring work, but may be worse than expected.
    Warning,
    /// Training or scoring fails.
    Problem,
}

impl CheckStatus {
    /// Returns the word for the status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// The result of a check of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectCheck {
    /// The source as in the project file, `log` or `training`.
    pub source: String,
    /// What was checked, such as `columns`.
    pub check: &'static str,
    /// How the check ended.
    pub status: CheckStatus,
    /// What was found.
    pub found: String,
    /// What to do; `None` if there is nothing to do.
    pub action: Option<String>,
}

impl ProjectCheck {
    fn ok(source: &str, check: &'static str, found: impl Into<String>) -> Self {
        let (source, found) = (source.to_owned(), found.into());
        Self { source, check, status: CheckStatus::Ok, found, action: None }
    }

    fn failed(source: &str, check: &'static str, error: &Error) -> Self {
        let (status, action) = (CheckStatus::Problem, error.hint());
        Self { status, action, ..Self::ok(source, check, error.with_sources()) }
    }

    /// Returns the check of a warning, which has its advice in its text.
    fn warned(source: &str, warning: &Warning) -> Self {
        let status = CheckStatus::Warning;
        Self { status, ..Self::ok(source, "warnings", Message::from(warning).text) }
    }

    fn with(self, status: CheckStatus, action: impl Into<String>) -> Self {
        Self { status, action: Some(action.into()), ..self }
    }
}

/// Checks the sources of a project, its log and what training needs. The log is read only if no
/// source has a problem.
///
/// # Arguments
/// * `options` – how the log is read
/// * `reference` – time to which the age of the newest events refers
#[must_use]
pub fn examine(
    config: &Config,
    options: &ReadOptions,
    reference: Timestamp,
    sink: &mut Sink<'_>,
) -> Vec<ProjectCheck> {
    database::register(config, reference);
    let mut checks = check_sources(config, options);
    if checks.iter().any(|check| check.status == CheckStatus::Problem) {
        return checks;
    }
    let progress = sink.progress().clone();
    // The warnings about the log are among the checks.
    match Log::read(config, options, &mut Sink::new(progress, |_| ())) {
        Ok(log) => checks.extend(check_log((config, options), log, reference, sink)),
        Err(error) => checks.push(ProjectCheck::failed("log", "values", &error)),
    }
    checks
}
