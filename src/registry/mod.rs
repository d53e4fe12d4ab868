//! Stored models with their versions and champion ([`versions`], [`store`]), and the scores that
//! were given ([`ledger`]).

pub mod ledger;
pub mod store;
pub mod versions;
