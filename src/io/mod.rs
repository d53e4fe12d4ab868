//! Input and output: reading tables ([`read`]), writing files atomically ([`write`]), and reporting
//! progress and notices ([`progress`], [`sink`]).

pub(crate) mod compression;
pub(crate) mod database;
pub(crate) mod lake;
pub mod progress;
pub mod read;
pub(crate) mod remote;
pub mod sink;
pub mod write;
