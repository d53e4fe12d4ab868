//! Tests of the statistics against published values, other programs and each other.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod golden;
mod laws;
#[expect(dead_code, reason = "some functions are only used by the tests of pql")]
mod lcg;
mod separation;
mod survival;
