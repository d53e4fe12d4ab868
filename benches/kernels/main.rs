//! Times of the kernels, for finding out why a command takes as long as it does, and the fits that
//! `make bench` compares.
//!
//! ```sh
//! cargo bench --profile dev --bench kernels                          # each kernel: the fastest of five runs, on data made here
//! cargo bench --profile dev --bench kernels -- compute fit           # those alone
//! cargo bench --profile dev --bench kernels -- matrix FOLDER 40 fit  # of x.f64 and y.u8 in FOLDER with 40 columns: fit, path or linfa; as JSON
//! ```
//!
//! `cargo test` runs each once on little data, so that they cannot rot.
#![allow(clippy::print_stdout, reason = "the results")]

mod matrix;
mod stages;

use std::path::Path;
use std::time::Instant;

use pql::Result;

/// How much work there is.
#[derive(Clone, Copy)]
struct Size {
    /// Accounts of the simulated log.
    accounts: usize,
    /// Rows of the matrix that is fitted.
    rows: usize,
    /// Runs, the fastest of which counts.
    runs: usize,
}

/// With `cargo bench`.
const MEASURED: Size = Size { accounts: 20_000, rows: 200_000, runs: 5 };
/// With `cargo test`.
const TRIED: Size = Size { accounts: 1_000, rows: 2_000, runs: 1 };

fn main() -> Result<()> {
    let (flags, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    match &words[..] {
        [command, folder, columns, what] if command == "matrix" => {
            let columns = columns.parse().expect("the number of columns is a number");
            println!("{}", matrix::fits(&matrix::Data::read(Path::new(folder), columns), what)?);
            Ok(())
        }
        names => stages::run(
            names,
            if flags.iter().any(|flag| flag == "--bench") { MEASURED } else { TRIED },
        ),
    }
}

/// Run, and answer what came out with the seconds it took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let start = Instant::now();
    let made = work()?;
    Ok((made, start.elapsed().as_secs_f64()))
}
