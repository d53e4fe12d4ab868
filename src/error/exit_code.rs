//! The exit code of each error.

use super::Error;

impl Error {
    /// Returns the exit code: 1 failed, 2 usage, 3 input data, 4 model file, 5 a requested check
    /// failed.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Statistics(pql_stats::Error::NotConverged { .. })
            | Self::Write { .. }
            | Self::WebhookFailed { .. } => 1,
            Self::Config { .. }
            | Self::Usage { .. }
            | Self::NoEventSource { .. }
            | Self::OnlyTable { .. } => 2,
            Self::NoModel { .. }
            | Self::UnusableChampion { .. }
            | Self::UnreadableModel { .. }
            | Self::NotAModel { .. }
            | Self::DamagedModel { .. }
            | Self::NewerModel { .. }
            | Self::OldModel { .. } => 4,
            Self::Leak { .. } | Self::CheckFailed { .. } => 5,
            _ => 3,
        }
    }
}
