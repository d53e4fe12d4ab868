//! Tests on the real data of `../shared/data`; `make test` runs them where that folder exists.

mod audit;
mod parity;
mod tables;
