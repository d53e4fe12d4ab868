//! All integration tests in one crate, so that polars is linked once.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
#![allow(clippy::print_stdout, reason = "tests print what they measure")]

mod alerts;
mod artifact;
mod audit;
mod browser;
mod certified;
mod cli_accounts;
mod cli_columns;
mod cli_commands;
mod cli_config;
mod cli_data;
mod cli_evaluate;
mod cli_events;
mod cli_files;
mod cli_files_read;
mod cli_log_period;
mod cli_models;
mod cli_output;
mod cli_plot;
mod cli_score;
mod cli_sources;
mod cli_times;
mod codes;
mod commands;
mod common;
mod compare;
mod definition;
mod explain;
mod exports;
mod funnel;
mod language;
mod layers;
#[path = "../../crates/pql-stats/tests/it/lcg.rs"]
mod lcg;
mod leakage;
mod ledger;
mod memory;
mod monitor;
mod monitor_faults;
mod notebook;
mod oracle;
mod overwrite;
mod project;
mod readme;
mod report;
mod schema;
mod shared_data;
mod signals;
mod simulation;
mod speed;
mod spline;
mod split;
mod statistics;
mod verdict;
mod webdriver;
