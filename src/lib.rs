//! Predicts which free-trial and freemium accounts of a SaaS company will convert, and explains
//! why.
//!
//! `pql` reads the product-usage log and the account list, computes usage features as of a cutoff,
//! fits a logistic regression on converted and not converted accounts, stores it in one file, and
//! scores any batch of accounts with calibrated probabilities and reasons. The command line does
//! the same: it parses, calls a function of this crate and prints.
//!
//! # Data flow
//!
//! ```text
//! pql.toml ─► Config
//! files ────► Log::read ─► train_on_log ─► Trained ─► store_model ─► models/NAME/VERSION
//!                 │          rows_for_training: observations, features, outcomes, split
//!                 │          train_on_rows: encoder, fit, calibration, evaluation, leakage audit
//!                 └──────► score_log ─► Scores        the same features and encoder, from the stored Model
//!                          AccountRow ─► Explanation  an exact sum of contributions
//!                          evaluate_model, monitor_log
//! ```
//!
//! What a function reports on the way (warnings, dropped features, findings of the leakage audit)
//! goes to a [`Sink`]; each message has a stable code. The statistics are in the crate `pql_stats`,
//! which knows neither data frames nor files.
//!
//! # From a log to scores
//!
//! ```
//! use pql::{Config, Log, ReadOptions, Sink, StoreOptions, TrainOptions};
//!
//! # fn main() -> pql::Result<()> {
//! # let models = tempfile::tempdir().expect("a folder can be made");
//! # let models = models.path();
//! let mut sink = Sink::stderr();
//! let config = Config::load(Some("data/demo/pql.toml".as_ref()), &[])?;
//!
//! // Train on the accounts whose outcome is known, and store the model as demo/0001.
//! let log = Log::read(&config, &ReadOptions::for_training(&config), &mut sink)?;
//! let trained = pql::train_on_log(&config, log, TrainOptions::default(), &mut sink)?;
//! let stored = pql::store_model(models, "demo", &trained, StoreOptions::default())?;
//!
//! // Score the accounts that are open at the end of the log.
//! let model = pql::Model::load(&stored.path)?;
//! let config = model.project_config(&config, &mut sink)?;
//! let log = Log::read(&config, &model.read_options(&config, None), &mut sink)?;
//! let scores = pql::score_log(&model, &stored.label, &config, &log, &mut sink)?;
//! println!("{:.1} conversions expected of {} accounts", scores.summary.expected_conversions, scores.summary.scored);
//! # assert!(scores.summary.scored > 100 && scores.table.height() as u64 >= scores.summary.scored);
//! # Ok(())
//! # }
//! ```

// The modules are reachable for the tests and benchmarks of this repository alone; the items below
// are the interface.
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod dataset;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod export;
#[doc(hidden)]
pub mod io;
#[doc(hidden)]
pub mod log;
#[doc(hidden)]
pub mod model;
mod names;
#[doc(hidden)]
pub mod operations;
#[doc(hidden)]
pub mod registry;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod rules;
#[doc(hidden)]
pub mod time;
#[doc(hidden)]
pub mod tools;
#[doc(hidden)]
pub mod training;
#[doc(hidden)]
pub mod warning;

pub use config::Config;
pub use config::MatrixRule;
pub use dataset::counts::Extent;
pub use dataset::rows::{Held, Rows};
pub use error::{Error, Result};
pub use io::progress::Progress;
pub use io::sink::Sink;
pub use log::{Kind, Log, Quality, ReadOptions};
pub use model::Model;
pub use model::card::Cohort;
pub use model::score::{
    AccountRow, ColumnShare, Contribution, Explanation, Scores, Summary, score_log,
};
pub use operations::evaluation::{
    DefinitionComparison, EvaluationOptions, EvaluationReport, evaluate_model,
};
pub use operations::monitor::{EarlierScores, Monitored, Monitoring, monitor_log, monitor_matrix};
pub use registry::store::{StoreOptions, StoredModel, store_model};
pub use registry::versions::{Found as ModelLocation, find as find_model};
pub use time::{TimeSpan, Timestamp};
pub use training::{TrainOptions, Trained, rows_for_training, train_on_log, train_on_rows};
pub use warning::{
    Alarm, DefinitionLack, DropReason, DroppedFeature, FeatureDrop, Finding, Message, Notice,
    ObservationDrop, Oddity, Origin, OutcomeDrop, Unscored, Warning,
};

/// Runs the Rust blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
