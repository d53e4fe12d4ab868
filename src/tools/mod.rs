//! Helpers for a new project: a guessed project file ([`init`]), a simulated log ([`simulate`]).

pub mod init;
pub mod simulate;
