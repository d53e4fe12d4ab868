//! Stored models with versions and champions ([`versions`], [`store`]), and the ledger of scores
//! ([`ledger`]).

pub mod ledger;
pub mod store;
pub mod versions;
