//! `pql`: predicts which trial and freemium accounts will convert, and explains why.

use std::process::ExitCode;

fn main() -> ExitCode {
    pql::cli::main()
}
