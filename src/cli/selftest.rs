//! `pql selftest`

use super::Terminal;
use crate::error::{Error, Result};
use crate::names::counted;
use crate::tools::selftest::selftest;

/// Check that pql computes known results on this machine
///
/// Fits published data, reads and applies a stored model, computes the features of a small log, and
/// escapes hostile names. Any failed check sets exit code 5.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args, terminal: &mut Terminal<'_>) -> Result<()> {
    let checks = selftest();
    for check in &checks {
        let (verdict, text) = match &check.outcome {
            Ok(found) => ("ok", found),
            Err(problem) => ("FAILED", problem),
        };
        terminal.print_line(&format!("{:<12}{verdict:<8}{text}", check.name))?;
    }
    let failed = checks.iter().filter(|check| check.outcome.is_err()).count() as u64;
    if failed == 0 {
        return Ok(());
    }
    Err(Error::CheckFailed {
        check: format!("{} of {}", failed, counted(checks.len() as u64, "self-test")),
        hint: Some(
            "do not use this build: install pql again, or report the lines above".to_owned(),
        ),
    })
}
