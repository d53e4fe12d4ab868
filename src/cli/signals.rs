//! Signals: those that end the process first remove unfinished files.

/// Handles signals from now on.
#[cfg(unix)]
pub(super) fn handle() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;

    use crate::io::write::remove_unfinished;

    // With any handler a file beyond the size limit is an error of the write instead. A failure to
    // set a handler leaves the default, which ends the process.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let hangup = (!ignores(SIGHUP)).then_some(SIGHUP);
    let ending = [SIGINT, SIGTERM].into_iter().chain(hangup);
    let Ok(mut signals) = Signals::new(ending) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _unfinished = remove_unfinished();
            // By convention 128 + the number of the signal.
            std::process::exit(128 + signal);
        }
    });
}

/// Returns whether the caller ignores a signal, as `nohup` ignores SIGHUP; false where the system
/// does not report it.
#[cfg(unix)]
fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let bits = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    bits >> (signal - 1) & 1 == 1
}

/// Handles no signals: the next run removes unfinished files.
#[cfg(not(unix))]
pub(super) fn handle() {}
