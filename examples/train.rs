//! Train a model on the demo log, and print its most important features.
//!
//! Run it with `cargo run --example train [pql.toml]`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use pql::{Config, Log, Notice, Progress, ReadOptions, Sink, TrainOptions, train_on_log};

fn main() -> pql::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "data/demo/pql.toml".to_owned());
    let config = Config::load(Some(path.as_ref()), &[])?;

    // Each warning has a code, a message and its numbers.
    let mut codes = Vec::new();
    let mut sink = Sink::new(Progress::terminal(), |notice| {
        if let Notice::Warning(warning) = notice {
            codes.push(warning.code());
        }
    });
    let log = Log::read(&config, &ReadOptions::for_training(&config), &mut sink)?;
    let trained = train_on_log(&config, log, TrainOptions::default(), &mut sink)?;
    drop(sink);

    println!(
        "{} training rows, {} test rows",
        trained.model.split.train.rows, trained.model.split.test.rows
    );
    for (measure, importance) in trained.model.importance.iter().take(5) {
        println!("{measure:<20} {importance:.3}");
    }
    println!("warnings: {}", codes.join(", "));
    Ok(())
}
