//! What long work reports: drawn on a terminal, nothing anywhere else.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Time between two drawings of a stage whose end is not known, in milliseconds.
const TICK: u64 = 200;

/// Where the stages of long work are shown.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Show nothing.
    #[must_use]
    pub const fn silent() -> Self {
        Self { bars: None }
    }

    /// Draw on standard error if that is a terminal, else show nothing.
    #[must_use]
    pub fn terminal() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Begin a stage of `total` steps; it is shown until the value returned is dropped.
    #[must_use = "the stage ends when it is dropped"]
    pub fn stage(&self, what: &str, total: Option<u64>) -> Stage {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(total.map_or_else(ProgressBar::no_length, ProgressBar::new));
            let template = if total.is_some() {
                "{msg} {wide_bar} {percent:>3} % ({eta})"
            } else {
                "{msg} {spinner} {human_pos}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(TICK));
            bar
        });
        Stage { bar }
    }
}

/// A stage of long work; threads may share it.
#[derive(Debug)]
pub struct Stage {
    bar: Option<ProgressBar>,
}

impl Stage {
    /// Report `n` more steps done.
    pub fn advance(&self, n: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(n);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_shared_by_threads_and_cleared_at_their_end() {
        let bars = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
        for progress in [Progress::silent(), Progress { bars: Some(bars) }] {
            for total in [Some(20), None] {
                let stage = progress.stage("reading", total);
                std::thread::scope(|scope| {
                    scope.spawn(|| stage.advance(10));
                    scope.spawn(|| stage.advance(10));
                });
                let bar = stage.bar.clone();
                drop(stage);
                assert!(bar.is_none_or(|bar| bar.is_finished() && bar.position() == 20));
            }
        }
    }
}
