//! From a log to rows: when each account is observed ([`observations`]), what is known of it then
//! ([`features`]), and both together with outcomes and split ([`rows`]), also from a feature matrix
//! ([`matrix`]).

pub(crate) mod columns;
pub mod counts;
pub mod features;
pub mod matrix;
pub mod observations;
pub mod rows;
