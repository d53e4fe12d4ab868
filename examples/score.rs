//! Score the open accounts of the demo log with a model that is trained first.
//!
//! Run it with `cargo run --example score`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use pql::{Config, Log, ReadOptions, Sink, TrainOptions, score_log, train_on_log};

fn main() -> pql::Result<()> {
    let mut sink = Sink::silent();
    let file = Config::load(Some("data/demo/pql.toml".as_ref()), &[])?;
    let log = Log::read(&file, &ReadOptions::for_training(&file), &mut sink)?;
    let model = train_on_log(&file, log, TrainOptions::default(), &mut sink)?.model;

    // `pql::find_model` and `Model::load` read a stored model instead.
    let config = model.project_config(&file, &mut sink)?;
    let log = Log::read(&config, &model.read_options(&config, None), &mut sink)?;
    let scores = score_log(&model, "demo", &config, &log, &mut sink)?;

    println!(
        "{} accounts scored, {:.1} conversions expected",
        scores.summary.scored, scores.summary.expected_conversions
    );
    println!("{} qualify", scores.summary.qualified);
    println!("{}", scores.table.head(Some(5)));
    Ok(())
}
