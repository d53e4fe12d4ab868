//! `pql-score`: the command `pql score` as a program of its own, for nightly batches.

use std::process::ExitCode;

fn main() -> ExitCode {
    pql::cli::main_score()
}
