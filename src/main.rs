//! `pql`: which free-trial and freemium accounts will convert, and why.

use std::process::ExitCode;

fn main() -> ExitCode {
    pql::cli::main()
}
