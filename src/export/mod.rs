//! Exports of a model to other formats.

mod notebook;
pub mod sql;

pub use notebook::{NOTEBOOK_FILE, NotebookInput, export_notebook};
