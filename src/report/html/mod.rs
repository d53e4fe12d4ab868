//! Self-contained HTML pages: no script, nothing fetched, readable on paper and on a telephone.
//!
//! Pages only present results: their numbers come from a model, its card, its test rows, or the
//! result of a command.

mod calibration;
mod comparison_page;
mod cutoff_axis;
mod elements;
mod header;
mod model_page;
mod monitor_page;
mod training_facts;

pub use comparison_page::ComparisonPage;
pub use elements::{document, rich_text};
pub use model_page::ModelPage;
pub use monitor_page::MonitorPage;
