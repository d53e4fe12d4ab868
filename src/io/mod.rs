//! Tables and files: read ([`read`]), written whole or not at all ([`write`]), and progress and
//! notices on the way ([`progress`], [`sink`]).

pub mod progress;
pub mod read;
pub mod sink;
pub mod write;
