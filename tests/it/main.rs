//! All tests beside those of the modules, in one crate, so that polars is linked once.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod golden;
mod laws;
mod readme;
