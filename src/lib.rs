#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod cli;

pub mod alerts;
pub mod audit;
pub mod calibrate;
pub mod card;
pub mod compare;
pub mod config;
pub mod definition;
pub mod design;
pub mod discover;
pub mod error;
pub mod evaluate;
pub mod evidence;
pub mod explain;
pub mod export;
pub mod features;
pub mod finding;
pub mod fit;
pub mod funnel;
pub mod ingest;
pub mod init;
pub mod ledger;
pub mod matrix;
pub mod model;
pub mod monitor;
pub mod observe;
pub mod output;
pub mod profile;
pub mod progress;
pub mod qualify;
pub mod report;
pub mod rows;
pub mod score;
pub mod simulate;
pub mod store;
pub mod table;
pub mod time;
pub mod train;

pub use calibrate::Calibration;
pub use config::Config;
pub use error::{Error, Result};
pub use evaluate::{Evaluation, Judgement, evaluate};
pub use features::{Catalogue, compute};
pub use fit::{Logistic, LogisticFit};
pub use ingest::{Accounts, Events, Log, Usage, ingest};
pub use model::Model;
pub use observe::{Observations, observe, observe_at};
pub use progress::Progress;
pub use rows::Rows;
pub use score::Scorer;
pub use train::{Trained, prepare, train};
