//! The receiver of notices and progress.

use std::fmt;

use super::progress::Progress;
use crate::warning::Notice;

/// Receives notices and progress of a pipeline.
///
/// ```
/// use pql::{Notice, Progress, Sink};
///
/// let mut notices: Vec<Notice> = Vec::new();
/// let sink = Sink::new(Progress::silent(), |notice| notices.push(notice));
/// # drop(sink);
/// ```
pub struct Sink<'a> {
    notify: Box<dyn FnMut(Notice) + 'a>,
    progress: Progress,
}

impl<'a> Sink<'a> {
    /// Creates a sink that passes each notice to `notify` and shows progress in `progress`.
    pub fn new(progress: Progress, notify: impl FnMut(Notice) + 'a) -> Self {
        Self { notify: Box::new(notify), progress }
    }

    /// Creates a sink that ignores everything.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(Progress::silent(), |_| ())
    }

    /// Creates a sink that writes notices to standard error, one line each, and shows progress
    /// there if it is a terminal.
    #[must_use]
    pub fn stderr() -> Self {
        use std::io::Write;
        // Errors are ignored: without standard error, nobody reads the notices.
        Self::new(Progress::terminal(), |notice| drop(writeln!(std::io::stderr(), "{notice}")))
    }

    /// Returns the progress display.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Reports a notice.
    pub(crate) fn notify(&mut self, notice: impl Into<Notice>) {
        (self.notify)(notice.into());
    }
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("progress", &self.progress).finish_non_exhaustive()
    }
}
