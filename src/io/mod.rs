//! Input and output: reading tables ([`read`]), writing files atomically ([`write`]), and reporting
//! progress and notices ([`progress`], [`sink`]).

pub(crate) mod compression;
pub mod progress;
pub mod read;
pub mod sink;
pub mod write;
