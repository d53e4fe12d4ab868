//! Exports of a model to other formats.

pub mod json;
mod notebook;
pub mod sql;

pub use notebook::{NOTEBOOK_FILE, NotebookInput, export_notebook};
