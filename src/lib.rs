//! Predicts which trial and freemium accounts of a SaaS company will convert, and explains why.
//!
//! `pql` reads a product-usage log and an account list, computes usage features as of a cutoff, and
//! fits a logistic regression on accounts with a known outcome. It stores the model in one file and
//! scores any batch of accounts with calibrated probabilities and reasons. Each command of the
//! program parses its arguments, calls one function of this crate and prints the result.
//!
//! # Data flow
//!
//! ```text
//! pql.toml ─► Config
//! files ────► Log::read ─► train_on_log ─► TrainedModel ─► store_model ─► models/NAME/VERSION
//!                 │          rows_for_training: observations, features, outcomes, split
//!                 │          train_on_rows: encoder, fit, calibration, evaluation, leakage audit
//!                 └──────► score_log ─► Scores        the same features and encoder, from the stored Model
//!                          AccountRow ─► Explanation  an exact sum of contributions
//!                          evaluate_model, monitor_log
//! ```
//!
//! Functions report warnings, dropped features and findings of the leakage audit to a [`Sink`];
//! each message has a stable code. The statistics are in the crate `pql_stats`, which uses neither
//! data frames nor files.
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
//! // Train on the accounts with a known outcome, and store the model as demo/0001.
//! let log = Log::read(&config, &ReadOptions::for_training(&config), &mut sink)?;
//! let trained = pql::train_on_log(&config, log, TrainOptions::default(), &mut sink)?;
//! let stored = pql::store_model(models, "demo", &trained, StoreOptions::default())?;
//!
//! // Score the accounts that are open at the end of the log.
//! let model = pql::Model::load(&stored.path)?;
//! let config = model.project_config(&config, &mut sink)?;
//! let log = Log::read(&config, &model.read_options(&config, None), &mut sink)?;
//! let scores = pql::score_log(&model, &stored.label, &config, &log, &mut sink)?;
//! println!("{:.1} conversions expected among {} accounts", scores.summary.expected_conversions, scores.summary.scored);
//! # assert!(scores.summary.scored > 100 && scores.table.height() as u64 >= scores.summary.scored);
//! # Ok(())
//! # }
//! ```

// The modules are public only for the tests and benchmarks of this repository. The items below are
// the public interface.
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod dataset;
#[doc(hidden)]
pub mod error;
mod escape;
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
mod query;
#[doc(hidden)]
pub mod registry;
mod remote_path;
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
pub use config::MatrixConfig;
pub use dataset::rows::{DefinitionMatches, Rows};
pub use dataset::split_summary::SplitSummary;
pub use error::{Error, Result};
pub use io::progress::Progress;
pub use io::sink::Sink;
pub use log::{DataQuality, Log, ReadOptions, ValueKind};
pub use model::Model;
pub use model::card::Cohort;
pub use model::score::{
    AccountRow, ColumnContribution, Contribution, Explanation, FeatureContribution, Scores,
    ScoringSummary, score_log,
};
pub use model::verdict::{Conclusion, Requirement, Verdict};
pub use operations::evaluation::{
    DefinitionComparison, EvaluationOptions, ModelEvaluation, evaluate_model,
};
pub use operations::monitor::{
    EarlierScores, MonitorTarget, MonitoringReport, monitor_log, monitor_matrix,
};
pub use registry::store::{StoreOptions, StoredModel, store_model};
pub use registry::versions::{ModelLocation, Promotion, find as find_model};
pub use time::{TimeSpan, Timestamp};
pub use training::{TrainOptions, TrainedModel, rows_for_training, train_on_log, train_on_rows};
pub use warning::{
    Alarm, Anomaly, DropReason, DroppedFeature, FeatureDrop, Finding, Message, MissingInput,
    Notice, ObservationDrop, Origin, OutcomeDrop, Unscored, Warning,
};
