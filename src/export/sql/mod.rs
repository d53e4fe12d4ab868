//! Compiles a model to the SQL of an engine: features, scores and reasons, from the raw tables.
//!
//! Each stage of the program states its tables as a [`query`](crate::query). One emitter
//! ([`emit`]) writes them, with one table of the differences between engines ([`dialect`]).

mod dialect;
mod emit;

pub use dialect::Dialect;

#[cfg(test)]
mod tests;
