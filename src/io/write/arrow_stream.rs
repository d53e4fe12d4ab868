//! Arrow IPC output: a stream of record batches, which every Arrow library reads.

use std::io::Write as _;

use polars::prelude::{CompatLevel, PolarsResult, Schema, SchemaExt as _};
use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions};

use super::RecordingSink;
use super::dictionary::OutputTable;
use super::row_groups::PendingRows;

/// Number of rows of a record batch.
const BATCH_ROWS: usize = 65_536;

/// The types of the first version of Arrow, which all readers know.
fn types() -> CompatLevel {
    CompatLevel::oldest()
}

/// Writes a stream whose record batches do not depend on how the rows were batched.
pub(super) struct ArrowStreamWriter {
    writer: StreamWriter<RecordingSink>,
    pending: PendingRows,
}

impl ArrowStreamWriter {
    pub(super) fn create(sink: RecordingSink, schema: &Schema) -> PolarsResult<Self> {
        let mut writer = StreamWriter::new(sink, WriteOptions { compression: None });
        writer.start(&schema.to_arrow(types()), None)?;
        Ok(Self { writer, pending: PendingRows::default() })
    }

    pub(super) fn push(&mut self, table: OutputTable) -> PolarsResult<()> {
        self.pending.push(table);
        while self.pending.len() >= BATCH_ROWS {
            self.write(BATCH_ROWS)?;
        }
        Ok(())
    }

    /// Writes the last rows and the end marker.
    pub(super) fn finish(mut self) -> PolarsResult<()> {
        if self.pending.len() > 0 {
            self.write(self.pending.len())?;
        }
        self.writer.finish()?;
        Ok(self.writer.into_inner().flush()?)
    }

    /// Writes the first pending rows as one record batch.
    fn write(&mut self, rows: usize) -> PolarsResult<()> {
        let mut frame = self.pending.take(rows)?.frame()?;
        frame.rechunk_mut();
        let mut batches = frame.iter_chunks(types(), false);
        batches.try_for_each(|batch| self.writer.write(&batch, None))
    }
}
