//! Self-contained HTML pages: no script, nothing fetched, readable on paper and on a telephone.
//!
//! They compute nothing anew: their numbers come from a model, its card, its test rows, or from the
//! results of a command.

mod comparison_page;
mod cutoff_axis;
mod elements;
mod header;
mod model_page;
mod monitor_page;
mod provenance;
mod reliability;

pub use comparison_page::ComparisonPage;
pub use model_page::Report;
pub use monitor_page::MonitorPage;
