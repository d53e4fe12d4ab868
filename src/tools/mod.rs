//! Helpers for a new project: a guessed project file ([`init`]), a simulated log ([`simulate`]),
//! checks of its data ([`doctor`]); and known results to check a build ([`selftest`]).

pub mod doctor;
pub mod init;
pub mod selftest;
pub mod simulate;
