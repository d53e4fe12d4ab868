//! Errors and panics of the reader of polars, as errors.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{PolarsError, PolarsResult};

use crate::error::{Error, Result};
use crate::io::read::unreadable;

/// Returns the error for a file whose content cannot be right.
pub(super) fn damaged(file: &Path, problem: &str) -> Error {
    Error::malformed(file, format!("the Parquet file is damaged: {problem}"), None)
}

/// Runs the reader of polars and converts its errors and panics to errors.
pub(super) fn guarded<T>(file: &Path, read: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let silencer = PanicSilencer::new();
    let outcome = panic::catch_unwind(AssertUnwindSafe(read));
    drop(silencer);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(PolarsError::IO { error, .. })) if error.raw_os_error().is_some() => {
            let source = error
                .raw_os_error()
                .map_or_else(|| error.kind().into(), std::io::Error::from_raw_os_error);
            Err(unreadable(file, source))
        }
        Ok(Err(error)) => Err(damaged(file, &error.to_string())),
        Err(_) => Err(damaged(file, "its pages cannot be decoded")),
    }
}

/// Number of running readers whose panics are not printed.
static SILENCED_READERS: AtomicUsize = AtomicUsize::new(0);

/// Suppresses the output of panics in all threads while it exists; the reader has its own threads.
struct PanicSilencer;

impl PanicSilencer {
    fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if SILENCED_READERS.load(Ordering::SeqCst) == 0 {
                    before(info);
                }
            }));
        });
        SILENCED_READERS.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for PanicSilencer {
    fn drop(&mut self) {
        SILENCED_READERS.fetch_sub(1, Ordering::SeqCst);
    }
}
