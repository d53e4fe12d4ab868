//! Damages Arrow IPC data in their metadata: counts, lengths, offsets and types change, while the
//! messages keep their places.

use std::ops::Range;

use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::io::ipc::format::ipc::planus::{Builder, Offset, WriteAsOffset as _};
use polars_arrow::io::ipc::format::ipc::{
    BodyCompression, BodyCompressionMethod, Buffer, CompressionType, DictionaryBatch, FieldNode,
    KeyValue, Message, MessageHeader, MetadataVersion, RecordBatch,
};
use polars_arrow::io::ipc::write::{StreamWriter, WriteOptions};
use rand::Rng;
use rand::seq::IndexedRandom as _;

/// Numbers at which readers fail.
const NUMBERS: [i64; 10] =
    [0, 1, -1, 7, 127, 65_535, i32::MAX as i64, i32::MIN as i64, 1 << 62, i64::MAX];

/// Data with the places of their metadata.
pub(super) struct ArrowParts {
    bytes: Vec<u8>,
    metadata: Vec<Range<usize>>,
}

impl ArrowParts {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut metadata = Vec::new();
        for start in (0..=bytes.len().saturating_sub(8)).step_by(8) {
            if bytes[start..start + 4] == [0xff; 4] {
                let length = i32::from_le_bytes(bytes[start + 4..start + 8].try_into().unwrap());
                let end = start + 8 + usize::try_from(length.max(0)).unwrap();
                metadata.push(start..end.min(bytes.len()));
            }
        }
        assert!(metadata.len() > 2, "a schema, a record batch and the end");
        Self { bytes: bytes.to_vec(), metadata }
    }

    /// Returns a damaged copy.
    pub(super) fn mutant(&self, rng: &mut impl Rng) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for _ in 0..rng.random_range(1..=4) {
            let anywhere = 0..bytes.len();
            let in_metadata = rng.random_ratio(4, 5);
            let range = if in_metadata { self.metadata.choose(rng).unwrap() } else { &anywhere };
            let at = rng.random_range(range.clone()).min(bytes.len() - 1);
            match rng.random_range(0..5) {
                0 => bytes[at] ^= 1 << rng.random_range(0..8),
                1 => bytes[at] = rng.random(),
                // Fields are aligned by their size.
                2 | 3 => {
                    let size = *[1, 2, 4, 8].choose(rng).unwrap();
                    let at = at / size * size;
                    let number = NUMBERS.choose(rng).unwrap().to_le_bytes();
                    let end = (at + size).min(bytes.len());
                    bytes[at..end].copy_from_slice(&number[..end - at]);
                }
                _ if bytes.len() > 64 => bytes.truncate(at.max(64)),
                _ => {}
            }
        }
        bytes
    }
}

/// Returns the schema message of columns.
fn schema(columns: &[(&str, ArrowDataType)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let field =
        |(name, dtype): &(&str, ArrowDataType)| Field::new((*name).into(), dtype.clone(), true);
    let schema: ArrowSchema = columns.iter().map(field).collect();
    StreamWriter::new(&mut bytes, WriteOptions { compression: None }).start(&schema, None).unwrap();
    bytes
}

/// Returns a message with its body.
fn message(header: MessageHeader, body: &[u8], body_length: i64) -> Vec<u8> {
    let message = Message {
        version: MetadataVersion::V5,
        header: Some(header),
        body_length,
        custom_metadata: None,
    };
    let mut builder = Builder::new();
    let metadata = builder.finish(&message, None).to_vec();
    let padded = metadata.len().next_multiple_of(8);
    let mut bytes = vec![0xff; 4];
    bytes.extend(u32::try_from(padded).unwrap().to_le_bytes());
    bytes.extend(&metadata);
    bytes.resize(8 + padded, 0);
    bytes.extend(body);
    bytes
}

/// Returns a record batch of one column of integers.
fn batch(length: i64, buffers: &[(i64, i64)], compression: Option<CompressionType>) -> RecordBatch {
    let nodes = buffers.chunks(2).map(|_| FieldNode { length, null_count: 0 }).collect();
    let buffers = buffers.iter().map(|&(offset, length)| Buffer { offset, length }).collect();
    let compression = compression
        .map(|codec| Box::new(BodyCompression { codec, method: BodyCompressionMethod::Buffer }));
    RecordBatch {
        length,
        nodes: Some(nodes),
        buffers: Some(buffers),
        compression,
        variadic_buffer_counts: None,
    }
}

/// Returns the data of a schema and a record batch with its body.
fn data(columns: &[(&str, ArrowDataType)], batch: RecordBatch, body: &[u8]) -> Vec<u8> {
    let length = i64::try_from(body.len()).unwrap();
    let header = MessageHeader::RecordBatch(Box::new(batch));
    [schema(columns), message(header, body, length), vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]]
        .concat()
}

/// Returns data that would take much memory, time or stack, with the message of each.
pub(super) fn large() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    const SIZE: usize = 1 << 24;
    let size = i64::try_from(SIZE).unwrap();
    let one = [("a", ArrowDataType::Int64)];
    let body = vec![0; SIZE];
    let mut compressed = body.clone();
    compressed[..8].copy_from_slice(&(1_i64 << 50).to_le_bytes());
    let names: Vec<String> = (0..1_000).map(|n| format!("c{n}")).collect();
    let many: Vec<(&str, ArrowDataType)> =
        names.iter().map(|name| (name.as_str(), ArrowDataType::Int64)).collect();
    let mut nested = ArrowDataType::Int64;
    for _ in 0..200 {
        nested = ArrowDataType::Struct(vec![Field::new("x".into(), nested, true)]);
    }
    let dictionary = || {
        let data = Some(Box::new(batch(0, &[(0, 0); 4], None)));
        let header = DictionaryBatch { id: 0, data, is_delta: false };
        message(MessageHeader::DictionaryBatch(Box::new(header)), &[], 0)
    };
    let end = message(MessageHeader::RecordBatch(Box::new(batch(1 << 62, &[], None))), &[], 0);
    let dictionaries = [vec![dictionary(); 50_000].concat(), end].concat();
    let coded = ArrowDataType::Dictionary(
        polars_arrow::datatypes::IntegerType::Int32,
        Box::new(ArrowDataType::Utf8),
        false,
    );
    vec![
        (
            "rows",
            data(&[("a", ArrowDataType::Null)], batch(1 << 26, &[], None), &[]),
            "67,108,864 rows, expected at most",
        ),
        (
            "a buffer beyond the body",
            data(&one, batch(1 << 40, &[(0, 0), (0, 1 << 43)], None), &body),
            "rows in a record batch, expected at most 134,217,728",
        ),
        (
            "a buffer of 2^43 bytes",
            data(&one, batch(8, &[(0, 0), (0, 1 << 43)], None), &body),
            "found a buffer of 8796093022208 bytes at position 0 in a body of 16,777,216",
        ),
        (
            "buffers that share their bytes",
            data(&many, batch(size / 8, &[(0, 0), (0, size)].repeat(1_000), None), &body),
            "bytes in buffers, expected at most 16,777,216",
        ),
        (
            "a wrong uncompressed size",
            data(&one, batch(8, &[(0, 0), (0, size)], Some(CompressionType::Zstd)), &compressed),
            "1,125,899,906,842,624 bytes in a buffer of 16,777,216 bytes, expected at most",
        ),
        ("nested structs", schema(&[("a", nested)]), "found more than 64 levels of structs"),
        (
            "many dictionaries",
            [schema(&[("a", coded)]), dictionaries].concat(),
            "rows in a record batch, expected at most",
        ),
        ("shared notes", shared_notes(), "the names and notes of its schema exceed its size"),
    ]
}

/// Returns a schema of columns that share a list of notes.
fn shared_notes() -> Vec<u8> {
    use polars_arrow::io::ipc::format::ipc as format;
    let mut builder = Builder::new();
    let pair = KeyValue::create(&mut builder, &*"k".repeat(100), &*"v".repeat(1_000));
    let pairs: Vec<Offset<KeyValue>> = vec![pair; 1_000];
    let notes: Offset<[Offset<KeyValue>]> = pairs.prepare(&mut builder);
    let null = format::Null::create(&mut builder);
    let field = |n: i32| {
        let kind = format::Type::create_null(&mut builder, null);
        format::Field::create(&mut builder, &*format!("c{n}"), true, kind, (), (), notes)
    };
    let fields: Vec<Offset<format::Field>> = (0..1_000).map(field).collect();
    let schema = format::Schema::create(&mut builder, format::Endianness::Little, fields, (), ());
    let header = MessageHeader::create_schema(&mut builder, schema);
    let message = Message::create(&mut builder, MetadataVersion::V5, header, 0, ());
    let metadata = builder.finish(message, None);
    let mut bytes = vec![0xff; 4];
    bytes.extend(u32::try_from(metadata.len()).unwrap().to_le_bytes());
    bytes.extend(metadata);
    bytes
}
