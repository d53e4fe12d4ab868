//! Laws of files with tables.

use std::fs;
use std::path::Path;

use polars::prelude::DataFrame;
use pql::Result;
use pql::io::write::OutputFile;
use pql::io::{read, write};
use tempfile::TempDir;

/// Reads a file and checks that its batches are consecutive.
fn rows(file: &Path) -> Result<Vec<DataFrame>> {
    let mut frames = Vec::new();
    let mut next = 1;
    let summary = read::read(file, None, &mut |first_row, frame| {
        assert_eq!(first_row, next);
        next += frame.height() as u64;
        frames.push(frame);
        Ok(())
    })?;
    assert_eq!(summary.rows, next - 1, "rows of the summary");
    Ok(frames)
}

/// Returns a folder in memory where the system has one.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    folder.expect("a folder for temporary files")
}

/// A file that can be read is written as Parquet and as Arrow with the same rows.
pub(crate) fn file(data: &[u8], extension: &str) -> bool {
    let folder = folder();
    let file = folder.path().join(format!("t.{extension}"));
    fs::write(&file, data).expect("a file of the input");
    let Ok(frames) = rows(&file) else { return false };
    // Columns without names are not read, and Parquet has no table without columns.
    let has_values = |frame: &&DataFrame| frame.height() > 0 && frame.width() > 0;
    frames.iter().filter(has_values).all(|frame| round_trip(frame, folder.path()))
}

/// Writes a batch in both typed formats and compares what is read back; returns whether it can be
/// written.
fn round_trip(frame: &DataFrame, folder: &Path) -> bool {
    let formats = [("copy.parquet", write::Format::Parquet), ("copy.arrow", write::Format::Arrow)];
    formats.into_iter().all(|(name, format)| round_trip_in(frame, &folder.join(name), format))
}

fn round_trip_in(frame: &DataFrame, copy: &Path, format: write::Format) -> bool {
    let output = OutputFile::managed(copy);
    let Ok(()) = write::write_table(&output, format, frame) else { return false };
    let again = rows(copy).expect("written by `write_table`");
    let height: usize = again.iter().map(DataFrame::height).sum();
    assert_eq!(height, frame.height());
    let mut start = 0;
    for part in &again {
        let expected = frame.slice(start, part.height());
        assert!(part.equals_missing(&expected), "found {part:?}, expected {expected:?}");
        start += i64::try_from(part.height()).expect("rows of a batch");
    }
    true
}
