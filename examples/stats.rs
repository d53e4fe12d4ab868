//! Use `pql_stats` without an event log: fit, evaluate, and compute an interval.
//!
//! Run it with `cargo run --example stats`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use ndarray::{Array1, Array2};
use pql_stats::glm::{Logistic, Penalty, sigmoid};
use pql_stats::intervals::wilson;
use pql_stats::metrics::evaluate;
use rand::{Rng, SeedableRng};

fn main() -> pql_stats::Result<()> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let x = Array2::from_shape_fn((2_000, 2), |_| random.random_range(-1.0..1.0));
    let y: Array1<bool> = x
        .rows()
        .into_iter()
        .map(|row| random.random_bool(sigmoid(-1.0 + 2.0 * row[0] - row[1])))
        .collect();

    let fit =
        Logistic { penalty: Penalty::None, ..Logistic::default() }.fit_rows(x.view(), y.view())?;
    println!("true coefficients: -1, 2, -1");
    println!("estimated:         {:.3}, {:.3}, {:.3}", fit.intercept, fit.coef[0], fit.coef[1]);

    let probability: Vec<f64> = fit.log_odds(x.view()).iter().map(|eta| sigmoid(*eta)).collect();
    let accounts: Vec<u32> = (0..2_000).collect();
    let evaluation = evaluate(&y.to_vec(), &probability, &accounts)?;
    println!("{evaluation:#?}");
    println!("95% CI of 12 of 200: {:?}", wilson(12.0 / 200.0, 200.0));
    Ok(())
}
