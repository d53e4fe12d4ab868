//! Limits of typed files before they are decoded; errors and panics of the readers of polars, as
//! errors.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::{PolarsError, PolarsResult};

use crate::error::{Error, Result};
use crate::io::read::unreadable;
use crate::names::grouped;

/// Rows that any file may have.
pub(super) const MIN_ROW_LIMIT: u64 = 1 << 20;

/// Maximum number of further rows for each byte of a file: in Parquet, a row takes less than an eighth of a bit
/// only where every column repeats its value.
pub(super) const ROWS_PER_BYTE: u64 = 64;

/// Maximum number of rows of a row group or record batch: twice the largest one that Apache Arrow writes.
pub(super) const MAX_GROUP_ROWS: u64 = 1 << 27;

/// Returns the error for a value that cannot be right.
pub(super) fn damage(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

/// Checks a number before memory is taken for it.
pub(super) fn expect_at_most(count: u64, unit: &str, limit: u64) -> io::Result<()> {
    if count <= limit {
        return Ok(());
    }
    Err(damage(format!("found {} {unit}, expected at most {}", grouped(count), grouped(limit))))
}

/// Returns the error for a file whose content cannot be right.
///
/// # Arguments
/// * `format` – a noun such as `Parquet file`
pub(super) fn damaged(file: &Path, format: &str, problem: &str) -> Error {
    Error::malformed(file, format!("the {format} is damaged: {problem}"), None)
}

/// Runs the reader of polars and converts its errors and panics to errors.
pub(super) fn guarded<T>(
    file: &Path,
    format: &str,
    read: impl FnOnce() -> PolarsResult<T>,
) -> Result<T> {
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
        Ok(Err(error)) => Err(damaged(file, format, &error.to_string())),
        Err(_) => Err(damaged(file, format, "its values cannot be decoded")),
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
