//! Log → rows: the cutoffs and outcomes of each account ([`observations`]), its features
//! ([`features`]), and both combined with the split ([`rows`]), or rows from a feature matrix
//! ([`matrix`]).

pub(crate) mod columns;
pub mod features;
mod identifiers;
mod labels;
pub mod matrix;
pub mod observations;
pub mod rows;
pub(crate) mod sorted_features;
pub mod split;
pub mod split_summary;
