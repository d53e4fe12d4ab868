//! Arrow IPC: streams, and files, which contain a stream. Record batches are read one by one, with
//! only the requested columns. Damaged data cause errors, never panics.

mod check;
mod columns;
mod messages;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::Path;

use check::{RowCheck, check_buffers, check_schema, undecodable};
use columns::{ColumnRequest, DecodedColumn, is_uuid, plain};
use messages::Messages;
use polars::prelude::{ArrowSchema, DataFrame, PolarsResult};
use polars_arrow::array::Array;
use polars_arrow::io::ipc::format::ipc::planus::ReadAsRoot as _;
use polars_arrow::io::ipc::format::ipc::{
    DictionaryBatchRef, MessageHeaderRef, MessageRef, MetadataVersion, RecordBatchRef,
};
use polars_arrow::io::ipc::read::common::{read_dictionary, read_record_batch};
use polars_arrow::io::ipc::read::{Dictionaries, deserialize_schema};
use polars_arrow::io::ipc::{IpcField, IpcSchema};
use rayon::prelude::*;

use super::file_columns::FileSchema;
use super::guard::{self, damage};
use super::{
    BatchHandler, Dictionary, ReadSummary, RowBatch, check_distinct_names, column_index, empty,
    scalars, stdin, struct_column, unreadable,
};
use crate::error::{Error, Result};

/// Maximum number of rows of a batch; larger record batches are passed on in slices.
const BATCH_ROWS: usize = 1 << 19;

/// Maximum number of values of a batch.
const BATCH_CELLS: usize = 1 << 23;

pub(super) fn schema(file: &Path) -> Result<FileSchema> {
    let ArrowFile { names, schema, .. } = ArrowFile::open(file)?;
    Ok(FileSchema::new(names, &schema))
}

pub(super) fn read(
    file: &Path,
    names: &[String],
    dictionary_columns: &[String],
    batch: &mut BatchHandler<'_, RowBatch>,
) -> Result<ControlFlow<(), ReadSummary>> {
    let table = ArrowFile::open(file)?;
    let columns: Vec<ColumnRequest> =
        names.iter().map(|name| table.request(name, dictionary_columns)).collect::<Result<_>>()?;
    let batch_rows = (BATCH_CELLS / columns.len().max(1)).clamp(1, BATCH_ROWS);
    let mut batches = RecordBatches::new(table, columns);
    let mut rows = 0;
    while let Some((frame, dictionaries)) = batches.next()? {
        for start in (0..frame.height()).step_by(batch_rows) {
            let length = batch_rows.min(frame.height() - start);
            let slice = |(name, dictionary): (&String, &Dictionary)| {
                (name.clone(), vec![dictionary.slice(start..start + length)])
            };
            let dictionaries = dictionaries.iter().map(slice).collect();
            let frame = frame.slice(i64::try_from(start).unwrap_or(i64::MAX), length);
            let first_row = rows + 1;
            rows += length as u64;
            if batch(RowBatch { first_row, frame, dictionaries })?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(ReadSummary { rows, ..ReadSummary::default() }))
}

/// A stream or file, after its schema was read.
struct ArrowFile<'f> {
    file: &'f Path,
    messages: Messages,
    names: Vec<String>,
    /// The columns with the types that are read.
    schema: ArrowSchema,
    ipc_schema: IpcSchema,
    version: MetadataVersion,
    /// Names of columns of UUIDs.
    uuids: BTreeSet<String>,
}

impl<'f> ArrowFile<'f> {
    fn open(file: &'f Path) -> Result<Self> {
        let opened = stdin::open(file).map_err(|source| unreadable(file, source))?;
        if opened.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            return Err(empty(file));
        }
        let read_schema = || {
            let mut messages = Messages::new(opened)?;
            let metadata = messages.next()?.ok_or_else(|| damage("it has no schema"))?;
            let message = MessageRef::read_as_root(&metadata).map_err(undecodable)?;
            messages.body(message.body_length().map_err(undecodable)?)?;
            let Some(MessageHeaderRef::Schema(schema)) = message.header().map_err(undecodable)?
            else {
                return Err(damage("its first message is not a schema"));
            };
            let names = check_schema(schema, metadata.len())?;
            Ok((message.version().map_err(undecodable)?, names, messages, metadata))
        };
        let (version, names, messages, metadata) = read_schema().map_err(|e| failure(file, e))?;
        check_distinct_names(file, &names)?;
        if names.is_empty() {
            return Err(damaged(file, "it has no columns"));
        }
        let (fields, ipc_schema, _) = guarded(file, || deserialize_schema(&metadata))?;
        let uuids = fields.iter_values().filter(|field| is_uuid(field));
        let uuids = uuids.map(|field| field.name.to_string()).collect();
        let schema = fields.iter_values().map(plain).collect();
        Ok(Self { file, messages, names, schema, ipc_schema, version, uuids })
    }

    /// Returns the request for a column, which must have scalars.
    fn request(&self, name: &str, dictionary_columns: &[String]) -> Result<ColumnRequest> {
        let field = if self.names.iter().any(|other| other == name) {
            None
        } else {
            self.schema.iter_values().find_map(|field| struct_column::find(field, name))
        };
        let root = field.as_ref().map_or(name, |field| &field.root);
        let index = column_index(self.file, root, &self.names)?;
        let uuid = self.uuids.contains(name);
        let stored = self.schema.get(root).filter(|_| field.is_none());
        if let Some(stored) = stored.filter(|field| !uuid && !scalars::readable(&field.dtype)) {
            return Err(struct_column::not_scalar(self.file, name, stored));
        }
        let is_text = stored.is_some_and(|field| scalars::is_text(&field.dtype));
        let as_dictionary = is_text && dictionary_columns.iter().any(|other| other == name);
        Ok(ColumnRequest { name: name.to_owned(), index, field, as_dictionary, uuid })
    }
}

/// The columns of a record batch: a data frame, and the dictionaries.
type DecodedBatch = (DataFrame, BTreeMap<String, Dictionary>);

/// The record batches of a file.
struct RecordBatches<'f> {
    table: ArrowFile<'f>,
    columns: Vec<ColumnRequest>,
    /// Indices of the columns in the file, sorted.
    projection: Vec<usize>,
    /// Ids of the dictionaries of these columns.
    dictionary_ids: BTreeSet<i64>,
    dictionaries: Dictionaries,
    rows: RowCheck,
    dictionary_rows: RowCheck,
    scratch: Vec<u8>,
}

impl<'f> RecordBatches<'f> {
    fn new(table: ArrowFile<'f>, columns: Vec<ColumnRequest>) -> Self {
        let projection: BTreeSet<usize> = columns.iter().map(|column| column.index).collect();
        let projection: Vec<usize> = projection.into_iter().collect();
        let mut dictionary_ids = BTreeSet::new();
        for index in &projection {
            collect_ids(&table.ipc_schema.fields[*index], &mut dictionary_ids);
        }
        let bytes = table.messages.bytes();
        Self {
            table,
            columns,
            projection,
            dictionary_ids,
            dictionaries: Dictionaries::default(),
            rows: RowCheck::new(bytes),
            dictionary_rows: RowCheck::new(bytes),
            scratch: Vec::new(),
        }
    }

    /// Reads the next record batch that has rows.
    fn next(&mut self) -> Result<Option<DecodedBatch>> {
        let file = self.table.file;
        let invalid = |error| failure(file, undecodable(error));
        while let Some(metadata) = self.table.messages.next().map_err(|e| failure(file, e))? {
            let message = MessageRef::read_as_root(&metadata).map_err(invalid)?;
            let length = message.body_length().map_err(invalid)?;
            let body = self.table.messages.body(length).map_err(|e| failure(file, e))?;
            match message.header().map_err(invalid)? {
                Some(MessageHeaderRef::DictionaryBatch(dictionary)) => {
                    self.add_dictionary(dictionary, &body)?;
                }
                Some(MessageHeaderRef::RecordBatch(batch)) => {
                    if let Some(decoded) = self.decode(batch, &body)? {
                        return Ok(Some(decoded));
                    }
                }
                _ => return Err(damaged(file, "found a message that has no rows")),
            }
        }
        Ok(None)
    }

    /// Reads a dictionary of the requested columns.
    #[expect(clippy::default_trait_access, reason = "the type is of a crate that is not imported")]
    fn add_dictionary(
        &mut self,
        dictionary: DictionaryBatchRef<'_>,
        body: &Range<u64>,
    ) -> Result<()> {
        let table = &mut self.table;
        let file = table.file;
        let invalid = |error| failure(file, undecodable(error));
        if !self.dictionary_ids.contains(&dictionary.id().map_err(invalid)?) {
            return Ok(());
        }
        if let Some(values) = dictionary.data().map_err(invalid)? {
            self.dictionary_rows.add(values).map_err(|e| failure(file, e))?;
            check_buffers(values, &mut table.messages.file, body).map_err(|e| failure(file, e))?;
        }
        guarded(file, || {
            read_dictionary(
                dictionary,
                &table.schema,
                &table.ipc_schema,
                &mut self.dictionaries,
                &mut table.messages.file,
                body.start,
                &mut self.scratch,
                Default::default(),
            )
        })
    }

    /// Reads the requested columns of a record batch; `None` if it has no rows.
    #[expect(clippy::default_trait_access, reason = "the type is of a crate that is not imported")]
    fn decode(
        &mut self,
        batch: RecordBatchRef<'_>,
        body: &Range<u64>,
    ) -> Result<Option<DecodedBatch>> {
        let file = self.table.file;
        let rows = self.rows.add(batch).map_err(|e| failure(file, e))?;
        if rows == 0 {
            return Ok(None);
        }
        check_buffers(batch, &mut self.table.messages.file, body).map_err(|e| failure(file, e))?;
        let (columns, projection) = (&self.columns, &self.projection);
        if projection.is_empty() {
            return Ok(Some((DataFrame::empty_with_height(rows), BTreeMap::new())));
        }
        let table = &mut self.table;
        let arrays = guarded(file, || {
            let batch = read_record_batch(
                batch,
                &table.schema,
                &table.ipc_schema,
                Some(projection),
                None,
                &self.dictionaries,
                table.version,
                &mut table.messages.file,
                body.start,
                &mut self.scratch,
                Default::default(),
            );
            Ok(batch?.into_arrays())
        })?;
        let decode = |column: &ColumnRequest| {
            let array = projection.binary_search(&column.index).ok();
            let array: &dyn Array = arrays[array.expect("every column is read")].as_ref();
            Ok((column.name.clone(), column.decode(array)?))
        };
        guarded(file, || {
            let decoded: Vec<_> =
                columns.par_iter().map(decode).collect::<PolarsResult<Vec<_>>>()?;
            let (mut plain, mut dictionaries) = (Vec::new(), BTreeMap::new());
            for (name, column) in decoded {
                match column {
                    DecodedColumn::Plain(column) => plain.push(column),
                    DecodedColumn::Dictionary(column) => drop(dictionaries.insert(name, column)),
                }
            }
            Ok(Some((DataFrame::new(rows, plain)?, dictionaries)))
        })
    }
}

/// Collects the ids of the dictionaries of a column and of those inside it.
fn collect_ids(field: &IpcField, ids: &mut BTreeSet<i64>) {
    ids.extend(field.dictionary_id);
    field.fields.iter().for_each(|inner| collect_ids(inner, ids));
}

fn damaged(file: &Path, problem: &str) -> Error {
    guard::damaged(file, "Arrow data", problem)
}

/// Returns the error of a failed read: an error of the system, or damaged data.
fn failure(file: &Path, error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        unreadable(file, error)
    } else {
        damaged(file, &error.to_string())
    }
}

/// Runs the reader of polars.
fn guarded<T>(file: &Path, read: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    guard::guarded(file, "Arrow data", read)
}
