//! pql
pub mod config;
pub mod design;
pub mod error;
pub mod evaluate;
pub mod features;
pub mod fit;
pub mod ingest;
pub mod matrix;
pub mod model;
pub mod observe;
pub mod output;
pub mod progress;
pub mod table;
pub mod time;
