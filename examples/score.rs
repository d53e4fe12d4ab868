//! Train a model on the demo log, and score its accounts.
//!
//! Run it with `cargo run --example score`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use pql::{Config, Log, ReadOptions, Sink, TrainOptions, score_log, train_on_log};

fn main() -> pql::Result<()> {
    let mut sink = Sink::silent();
    let file = Config::load(Some("data/demo/pql.toml".as_ref()), &[])?;
    let log = Log::read(&file, &ReadOptions::for_training(&file), &mut sink)?;
    let model = train_on_log(&file, log, TrainOptions::default(), &mut sink)?.model;

    // To use a stored model, call `pql::find_model` and `Model::load` instead.
    let config = model.project_config(&file, &mut sink)?;
    let log = Log::read(&config, &model.read_options(&config, None), &mut sink)?;
    let scores = score_log(&model, "demo", &config, &log, &mut sink)?;

    println!(
        "{} accounts scored, {:.1} expected conversions",
        scores.summary.scored, scores.summary.expected_conversions
    );
    println!("{} qualify", scores.summary.qualified_by.iter().sum::<u64>());
    println!("{}", scores.table.head(Some(5)));
    Ok(())
}
