//! Explain the score of one account as an exact sum.
//!
//! Run it with `cargo run --example explain [ACCOUNT]`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use pql::{AccountRow, Config, Log, ReadOptions, Sink, TrainOptions, train_on_log};

fn main() -> pql::Result<()> {
    let account = std::env::args().nth(1).unwrap_or_else(|| "a01679".to_owned());
    let mut sink = Sink::silent();
    let file = Config::load(Some("data/demo/pql.toml".as_ref()), &[])?;
    let log = Log::read(&file, &ReadOptions::for_training(&file), &mut sink)?;
    let model = train_on_log(&file, log, TrainOptions::default(), &mut sink)?.model;

    let config = model.project_config(&file, &mut sink)?;
    let cutoff = Some("2025-09-01".parse().expect("a date"));
    let log = Log::read(&config, &model.read_options(&config, cutoff), &mut sink)?;
    let explanation = AccountRow::from_log((&model, "demo"), &config, &log, &account, &sink)?
        .explain(&model, "demo")?;

    println!("{account}: probability of conversion {:.1}%", 100.0 * explanation.probability);
    println!("{:+.4}  typical account", explanation.base);
    let mut sum = explanation.base;
    for contribution in &explanation.contributions {
        println!("{:+.4}  {}", contribution.contribution, contribution.reason);
        sum += contribution.contribution;
    }
    println!("{sum:+.4}  log-odds");
    assert!(
        (sum + explanation.calibration.unwrap_or(0.0) - explanation.log_odds).abs() < 1e-12,
        "the contributions sum to the log-odds"
    );
    Ok(())
}
