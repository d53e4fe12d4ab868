//! Exports of a model to other formats.

pub mod dbt;
pub mod json;
pub mod mlflow;
mod notebook;
pub mod onnx;
pub mod sql;

pub use notebook::{NOTEBOOK_FILE, NotebookInput, export_notebook};
