//! A model in other forms, which compute nothing anew.

mod notebook;

pub use notebook::{NOTEBOOK, Notebook, notebook};
