//! `pql-score`: `pql score` alone, for nightly batches.

use std::process::ExitCode;

fn main() -> ExitCode {
    pql::cli::main_score()
}
