//! The laws of each target.

pub(crate) mod model;
pub(crate) mod table;
pub(crate) mod text;
