//! Progress of long tasks, shown on terminals only.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::escape::one_line;

/// Time between updates of a progress bar, in milliseconds.
const TICK_INTERVAL: u64 = 200;

/// Shows the progress of long tasks.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Creates a progress display that shows nothing.
    #[must_use]
    pub const fn silent() -> Self {
        Self { bars: None }
    }

    /// Creates a progress display on standard error; it shows nothing if that is not a terminal.
    #[must_use]
    pub fn terminal() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Starts a stage of `total` steps (`None`: unknown); it is shown until the returned value is
    /// dropped.
    #[must_use = "the stage ends when it is dropped"]
    pub fn stage(&self, label: &str, total: Option<u64>) -> Stage {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(total.map_or_else(ProgressBar::no_length, ProgressBar::new));
            let template = if total.is_some() {
                "{msg} {wide_bar} {percent:>3}% ({eta})"
            } else {
                "{msg} {spinner} {human_pos}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(one_line(label).into_owned());
            bar.enable_steady_tick(Duration::from_millis(TICK_INTERVAL));
            bar
        });
        Stage { bar }
    }
}

/// A stage of a long task; threads may share it.
#[derive(Debug)]
pub struct Stage {
    bar: Option<ProgressBar>,
}

impl Stage {
    /// Reports `n` more completed steps.
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
    fn threads_share_a_stage_and_dropping_it_clears_the_bar() {
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
