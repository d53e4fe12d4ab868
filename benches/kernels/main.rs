//! Benchmarks of the stages of training and scoring, and of the fits that `make bench` compares.
//!
//! ```sh
//! # All benchmarks on generated data; the fastest of five runs counts.
//! cargo bench --profile dev --bench kernels
//! # Only these benchmarks.
//! cargo bench --profile dev --bench kernels -- compute fit
//! # A fit (or path, linfa) of x.f64 and y.u8 in FOLDER with 40 columns, as JSON.
//! cargo bench --profile dev --bench kernels -- matrix FOLDER 40 fit
//! ```
//!
//! `cargo test` runs each benchmark once on little data.
#![allow(clippy::print_stdout, reason = "prints the results")]

mod matrix;
mod stages;

use std::path::Path;
use std::time::Instant;

use pql::Result;

/// Size of the benchmark data.
#[derive(Clone, Copy)]
struct Size {
    /// Number of accounts of the simulated log.
    accounts: usize,
    /// Number of rows of the matrix.
    rows: usize,
    /// Number of runs; the fastest counts.
    runs: usize,
}

/// Size with `cargo bench`.
const BENCH_SIZE: Size = Size { accounts: 20_000, rows: 200_000, runs: 5 };
/// Size with `cargo test`.
const TEST_SIZE: Size = Size { accounts: 1_000, rows: 2_000, runs: 1 };

fn main() -> Result<()> {
    let (flags, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    match &words[..] {
        [command, folder, columns, name] if command == "matrix" => {
            let columns = columns.parse().expect("an integer number of columns");
            println!("{}", matrix::fits(&matrix::Data::read(Path::new(folder), columns), name)?);
            Ok(())
        }
        names => stages::run(
            names,
            if flags.iter().any(|flag| flag == "--bench") { BENCH_SIZE } else { TEST_SIZE },
        ),
    }
}

/// Runs `work`, and returns its result and the time in seconds.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed().as_secs_f64()))
}
