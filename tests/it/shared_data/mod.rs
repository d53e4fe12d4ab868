//! Tests on the real data of `../shared/data`; `make test` runs them if that folder exists.

mod audit;
mod parity;
mod tables;
