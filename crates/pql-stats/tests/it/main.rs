//! The statistics against published values, other programs and each other.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod golden;
mod laws;
#[expect(dead_code, reason = "some of it serves the tests of pql alone")]
mod lcg;
mod separation;
mod survival;
