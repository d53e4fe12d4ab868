use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use polars::prelude::*;

use super::*;
use crate::io::write::{Format, OutputFile, TableWriter, write_table};

/// Files of one test, removed at its end.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("table").tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Returns all rows of a file as texts, `None` for null.
fn texts(path: &Path, requested: Option<&[&str]>) -> Result<Vec<Vec<Option<String>>>> {
    let requested: Option<Vec<String>> =
        requested.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    let mut rows = Vec::new();
    let message = super::read(path, requested.as_deref(), &mut |first, frame| {
        assert_eq!(first, rows.len() as u64 + 1);
        for row in 0..frame.height() {
            let text = |column: &Column| column.str().unwrap().get(row).map(str::to_owned);
            rows.push(frame.columns().iter().map(text).collect());
        }
        Ok(())
    })?;
    assert_eq!(message.rows, rows.len() as u64);
    Ok(rows)
}

fn row(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|&value| (!value.is_empty()).then(|| value.to_owned())).collect()
}

fn message(path: &Path) -> String {
    let error = texts(path, None).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    error.to_string()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn csv_values_are_text_and_empty_values_are_null() {
    let files = Files::new();
    let path = files.put("a.csv", "\u{feff}id,x,note\r\n00001, NA ,\"a,\"\"b\"\"\nc\"\r\n,,last");
    assert_eq!(columns(&path).unwrap(), ["id", "x", "note"]);
    assert_eq!(
        texts(&path, None).unwrap(),
        [row(&["00001", " NA ", "a,\"b\"\nc"]), row(&["", "", "last"])]
    );
    assert_eq!(texts(&path, Some(&["note", "id", "note"])).unwrap()[1], row(&["last", ""]));
}

#[test]
fn the_most_frequent_separator_of_the_header_is_used() {
    let files = Files::new();
    for (text, name) in [
        ("a;b,c;d\n1;2,3;4\n", "s.csv"),
        ("a\tb,c\td\n1\t2,3\t4\n", "t.tsv"),
        ("a|\"b|c,,,,\"|d\n1|2,3|4\n", "p.csv"),
    ] {
        let path = files.put(name, text);
        assert_eq!(columns(&path).unwrap().len(), 3, "{name}");
        assert_eq!(texts(&path, None).unwrap(), [row(&["1", "2,3", "4"])], "{name}");
    }
    assert_eq!(columns(&files.put("one.csv", "account\n1;2\n")).unwrap(), ["account"]);
}

#[test]
fn malformed_rows_are_reported() {
    let files = Files::new();
    assert!(
        message(&files.put("few.csv", "a,b\n1,2\n3\n"))
            .ends_with("row 2: found 1 field, expected 2 as in the header")
    );
    assert!(
        message(&files.put("many.csv", "a,b\n1,2,3\n"))
            .ends_with("row 1: found 3 fields, expected 2 as in the header")
    );
    assert!(message(&files.put("open.csv", "a,b\n1,2\n3,\"4\n5,6\n")).ends_with(
        "row 2: found a quoted value without a closing quote, expected `\"` at its end"
    ));
    assert!(
        message(&files.put("first.csv", "a,b\n\"1,2\n3,4\n"))
            .contains("is a closing quote missing?")
    );
    assert!(
        message(&files.put("latin.csv", b"a,b\n1,2\n3,caf\xe9\n"))
            .ends_with("row 2: found bytes that are not UTF-8 in field 2, expected UTF-8")
    );
    assert!(message(&files.put("head.csv", b"caf\xe9,b\n1,2\n")).contains("not UTF-8"));
    assert!(message(&files.put("wide.csv", b"\xff\xfea\0,\0b\0")).contains("UTF-16"));
    assert!(
        message(&files.put("twice.csv", "a,b,a\n1,2,3\n")).contains("found the column `a` twice")
    );
}

#[test]
fn a_missing_column_is_reported_with_a_suggestion() {
    let files = Files::new();
    for path in
        [files.put("a.csv", "account_id,x\n1,2\n"), files.put("a.jsonl", "{\"account_id\":1}\n")]
    {
        let error = texts(&path, Some(&["acount_id"])).unwrap_err();
        assert!(
            matches!(&error, Error::MissingColumn { column, suggestion: Some(suggestion), .. } if column == "acount_id" && suggestion == "account_id")
        );
    }
}

#[test]
fn an_empty_file_is_an_error_but_a_header_alone_is_not() {
    let files = Files::new();
    for path in [
        files.put("a.csv", ""),
        files.put("b.csv", "\u{feff}"),
        files.put("c.csv", "\n\n"),
        files.put("d.csv.gz", gz(b"")),
        files.put("e.json", ""),
        files.put("f.json", "\n \n"),
        files.put("g.parquet", ""),
        files.put("h.csv.zst", ""),
    ] {
        assert!(matches!(texts(&path, None), Err(Error::Empty { .. })), "{}", path.display());
        assert!(matches!(columns(&path), Err(Error::Empty { .. })), "{}", path.display());
    }
    assert!(texts(&files.put("head.csv", "a,b\n"), None).unwrap().is_empty());
    assert!(matches!(columns(Path::new("absent.csv")), Err(Error::Read { .. })));
}

#[test]
fn a_long_file_is_read_in_batches() {
    let files = Files::new();
    let mut csv = String::from("n,x\n");
    let mut json = String::new();
    for i in 1..=150_000 {
        writeln!(csv, "{i},a").unwrap();
        writeln!(json, "{{\"n\":{i}}}{}", if i % 7 == 0 { "\n" } else { "" }).unwrap();
    }
    for path in [
        files.put("a.csv", &csv),
        files.put("a.csv.gz", gz(csv.as_bytes())),
        files.put("a.ndjson", &json),
    ] {
        let mut firsts = Vec::new();
        let message = super::read(&path, Some(&["n".to_owned()]), &mut |first, frame| {
            firsts.push(first);
            assert_eq!(
                frame.column("n").unwrap().str().unwrap().get(0),
                Some(first.to_string().as_str())
            );
            Ok(())
        });
        assert_eq!(message.unwrap().rows, 150_000);
        assert_eq!(firsts, [1, 65_537, 131_073]);
        assert_eq!(row_count(&path), None);
    }
}

#[test]
fn an_error_of_the_caller_stops_reading() {
    let path = Files::new();
    let path = path.put("a.csv", "a\n1\n");
    assert!(matches!(
        super::read(&path, None, &mut |_, _| Err(Error::BrokenPipe)),
        Err(Error::BrokenPipe)
    ));
}

#[test]
fn stopping_early_hides_later_errors() {
    let files = Files::new();
    let csv = format!("n,x\n{}1\n", "1,2\n".repeat(200_000));
    let json = format!("{}[]\n", "{\"n\":1}\n".repeat(200_000));
    let parquet = files.0.path().join("a.parquet");
    write_table(&OutputFile::managed(&parquet), Format::Parquet, &log(1_000_000)).unwrap();
    let n = ["n".to_owned()];
    for path in [files.put("a.csv", csv), files.put("a.ndjson", json), parquet] {
        for reader in [read_batches, read_ahead] {
            let mut batches = 0;
            let stopped = reader(&path, Some(&n), &[], &mut |_| {
                batches += 1;
                Ok(ControlFlow::Break(()))
            });
            assert_eq!(
                (stopped.unwrap(), batches),
                (ControlFlow::Break(()), 1),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn json_numbers_keep_their_digits() {
    let files = Files::new();
    let text = "\u{feff}{\"id\":\"00123\",\"n\":1.50,\"ok\":true}\n\n{\"n\":1e400,\"id\":\"\",\"late\":\"\\u00e9\\n\"}\r\n{\"n\":null,\"big\":12345678901234567890123,\"deep\":[1]}";
    let path = files.put("a.ndjson", text);
    assert_eq!(columns(&path).unwrap(), ["id", "n", "ok", "late", "big", "deep"]);
    let requested = ["id", "n", "ok", "late", "big"];
    let rows = [
        row(&["00123", "1.50", "true", "", ""]),
        row(&["", "1e400", "", "é\n", ""]),
        row(&["", "", "", "", "12345678901234567890123"]),
    ];
    assert_eq!(texts(&path, Some(&requested)).unwrap(), rows);
    let error = texts(&path, None).unwrap_err();
    assert!(
        matches!(&error, Error::BadValue { row: Some(3), column, found, .. } if column == "deep" && found == "[1]"),
        "{error}"
    );
}

#[test]
fn a_key_that_first_appears_late_is_a_column() {
    let files = Files::new();
    let mut text = "{\"a\":1}\n".repeat(1_500);
    text.push_str("{\"b\":2}\n");
    let path = files.put("a.jsonl", text);
    assert_eq!(columns(&path).unwrap(), ["a", "b"]);
    assert_eq!(texts(&path, None).unwrap()[1_500], row(&["", "2"]));
    assert_eq!(texts(&path, Some(&["b"])).unwrap().len(), 1_501);
}

#[test]
fn lines_without_an_object_are_reported() {
    let files = Files::new();
    let bad = |text: &[u8]| message(&files.put("a.ndjson", text));
    assert!(
        bad(b"{\"a\":1}\n{\"a\":1}{\"a\":2}\n").contains(
            "row 2: trailing characters at character 8, expected one JSON object per line"
        )
    );
    assert!(
        bad(b"\n{\"a\":1}\n\n[1]\n")
            .contains("row 2: line 4: invalid type: sequence, expected an object")
    );
    assert!(bad(b"{\"a\":1,\"a\":2}\n").contains("duplicate key"));
    assert!(bad(b"{\"a\":1").contains("row 1"));
    assert!(bad(b"{\"a\":\"\xe9\"}\n").contains("not UTF-8"));
    assert!(bad(b"{\"a\":\"\\ud800\"}\n").contains("row 1"));
    assert!(bad(b"{\"a\":01}\n").contains("row 1"));
}

#[test]
fn compressed_files_are_read_and_damaged_ones_refused() {
    let files = Files::new();
    let mut text = String::from("n,x\n");
    (0..20_000).for_each(|i| writeln!(text, "{i},{}", i * 7919 % 10_007).unwrap());
    let (head, rest) = text.as_bytes().split_at(70_000);
    let members = [gz(head), gz(rest)].concat();
    let frames = [zstd::encode_all(head, 3).unwrap(), zstd::encode_all(rest, 3).unwrap()].concat();
    for (name, packed) in [("a.csv.gz", members), ("a.csv.zst", frames)] {
        assert_eq!(texts(&files.put(name, &packed), None).unwrap().len(), 20_000);
        for cut in [packed.len() - 1, packed.len() / 2, 20, 3] {
            let error = texts(&files.put(name, &packed[..cut]), None).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{name} {cut}: {error}");
        }
        for index in (0..packed.len()).step_by(97) {
            let mut broken = packed.clone();
            broken[index] ^= 0x10;
            // Some flips (a time in a header) change nothing; none panics.
            drop(texts(&files.put(name, &broken), None));
        }
        assert!(matches!(texts(&files.put(name, &text), None), Err(Error::Malformed { .. })));
    }
}

fn log(rows: u32) -> DataFrame {
    let id = (0..rows)
        .map(|i| (i % 11 != 0).then(|| format!("account number {}", i % 97)))
        .collect::<StringChunked>()
        .with_name("id".into());
    let x = (0..rows)
        .map(|i| (i % 5 != 0).then(|| f64::from(i) / 3.0))
        .collect::<Float64Chunked>()
        .with_name("x".into());
    let n = (0..rows).map(|i| Some(i64::from(i))).collect::<Int64Chunked>().with_name("n".into());
    DataFrame::new(rows as usize, vec![id.into_column(), x.into_column(), n.into_column()]).unwrap()
}

#[test]
fn row_groups_are_read_in_order_with_the_requested_columns() {
    let files = Files::new();
    let path = files.0.path().join("a.parquet");
    let frame = log(1_000_000);
    let mut writer =
        TableWriter::create(&OutputFile::managed(&path), Format::Parquet, frame.schema()).unwrap();
    writer.write(&frame).unwrap();
    writer.finish().unwrap();
    assert_eq!(row_count(&path), Some(1_000_000));
    assert_eq!(columns(&path).unwrap(), ["id", "x", "n"]);
    let mut firsts = Vec::new();
    let requested = ["n".to_owned(), "id".to_owned()];
    let message = super::read(&path, Some(&requested), &mut |first, frame| {
        assert_eq!(frame.get_column_names(), ["n", "id"]);
        let n = frame.column("n").unwrap().i64().unwrap();
        assert!(n.iter().zip(first..).all(|(n, row)| n == i64::try_from(row - 1).ok()));
        firsts.push(first);
        Ok(())
    });
    assert_eq!(message.unwrap(), ReadSummary { rows: 1_000_000, ..ReadSummary::default() });
    assert_eq!(firsts, [1, 524_289]);
}

#[test]
fn invalid_parquet_files_are_reported() {
    let files = Files::new();
    let path = files.0.path().join("a.parquet");
    write_table(&OutputFile::managed(&path), Format::Parquet, &log(1_000)).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(message(&files.put("b.parquet", "id,x\n1,2\n3,4\n")).contains("not a Parquet file"));
    assert!(message(&files.put("b.parquet", "PAR1")).contains("not a Parquet file"));
    for cut in [bytes.len() - 1, bytes.len() / 2, 12] {
        assert!(message(&files.put("b.parquet", &bytes[..cut])).contains("truncated"), "{cut}");
    }
    let mut long = bytes.clone();
    let index = long.len() - 8;
    long[index..index + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(message(&files.put("b.parquet", &long)).contains("truncated"));
    assert!(message(&files.put("b.parquet.gz", gz(&bytes))).contains("decompress the file"));
}

#[test]
fn a_column_of_lists_is_reported() {
    let files = Files::new();
    let path = files.0.path().join("a.parquet");
    let lists =
        Series::new("tags".into(), [Series::new("".into(), [1, 2]), Series::new("".into(), [3])]);
    let mut frame = DataFrame::new(2, vec![lists.into_column()]).unwrap();
    ParquetWriter::new(fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let message = message(&path);
    assert!(
        message.contains(
            "column `tags`: found type LargeList, expected text, numbers, times or true/false"
        ),
        "{message}"
    );
}

#[test]
fn flipped_bits_in_parquet_never_panic_and_keep_the_number_of_rows() {
    let files = Files::new();
    let path = files.0.path().join("a.parquet");
    write_table(&OutputFile::managed(&path), Format::Parquet, &log(3_000)).unwrap();
    let warehouse = |name: &str| fs::read(warehouse(name)).unwrap();
    let originals = [
        (fs::read(&path).unwrap(), "id"),
        (warehouse("duckdb.parquet"), "plan"),
        (warehouse("pyarrow.parquet"), "plan"),
    ];
    let flips = |bytes: &[u8]| (4..bytes.len() - 4).step_by((bytes.len() / 1_500).max(1));
    let mut refused = 0;
    for (bytes, text, index) in originals
        .iter()
        .flat_map(|(bytes, text)| flips(bytes).map(move |index| (bytes, *text, index)))
    {
        let mut broken = bytes.clone();
        broken[index] ^= 1 << (index % 8);
        let broken = files.put("b.parquet", broken);
        let mut count = 0;
        match super::read(&broken, None, &mut |_, frame| {
            count += frame.height() as u64;
            Ok(())
        }) {
            Ok(message) => assert_eq!(message.rows, count),
            Err(error) => {
                assert_eq!(error.exit_code(), 3);
                refused += 1;
            }
        }
        let coded = read_batches(&broken, None, &[text.to_owned()], &mut |batch| {
            // A damaged name has no suggestion.
            if batch.dictionaries.contains_key(text) || batch.frame.column(text).is_ok() {
                texts_of(&batch, text);
            }
            Ok(ControlFlow::Continue(()))
        });
        assert!(coded.map_or_else(
            |error| error.exit_code() == 3,
            |message| message.continue_value().is_some_and(|message| message.rows <= 3_000)
        ));
    }
    assert!(refused > 100);
}

/// Returns the texts of a column, and whether they were read as a dictionary.
fn texts_of(batch: &RowBatch, name: &str) -> (Vec<Option<String>>, bool) {
    let Some(pieces) = batch.dictionaries.get(name) else {
        let plain = batch
            .frame
            .column(name)
            .unwrap()
            .str()
            .unwrap()
            .iter()
            .map(|text| text.map(str::to_owned))
            .collect();
        return (plain, false);
    };
    let text = |piece: &Dictionary| {
        let (codes, valid) = piece.keys();
        let valid = valid.map_or_else(|| vec![true; codes.len()], Iterator::collect);
        codes
            .iter()
            .zip(valid)
            .map(|(code, valid)| valid.then(|| piece.text(*code).to_owned()))
            .collect::<Vec<_>>()
    };
    (pieces.iter().flat_map(text).collect(), true)
}

#[test]
fn text_columns_are_read_as_dictionaries_where_stored_so() {
    let files = Files::new();
    let path = files.0.path().join("a.parquet");
    let text = |row: u32| match row {
        _ if row.is_multiple_of(13) => None,
        // The texts of the last batch are all distinct, so they have no dictionary.
        _ if row >= 600_000 => Some(format!("text {row}")),
        _ => Some(format!("text {}", row % 97)),
    };
    let texts: Vec<Option<String>> = (0..900_000).map(text).collect();
    let column = texts
        .iter()
        .map(Option::as_deref)
        .collect::<StringChunked>()
        .with_name("id".into())
        .into_column();
    let n = (0..900_000).map(Some).collect::<Int64Chunked>().with_name("n".into()).into_column();
    write_table(
        &OutputFile::managed(&path),
        Format::Parquet,
        &DataFrame::new(900_000, vec![column, n]).unwrap(),
    )
    .unwrap();
    let both = ["id".to_owned(), "n".to_owned()];
    let (mut read, mut coded) = (Vec::new(), Vec::new());
    let message = read_batches(&path, None, &both, &mut |batch| {
        assert_eq!(usize::try_from(batch.first_row).unwrap(), read.len() + 1);
        assert_eq!(
            batch.frame.column("n").unwrap().i64().unwrap().get(0),
            i64::try_from(batch.first_row - 1).ok(),
            "a number is no text"
        );
        let (texts, as_codes) = texts_of(&batch, "id");
        assert_eq!(texts.len(), batch.frame.height());
        read.extend(texts);
        coded.push(as_codes);
        Ok(ControlFlow::Continue(()))
    });
    assert_eq!(
        message.unwrap(),
        ControlFlow::Continue(ReadSummary { rows: 900_000, ..ReadSummary::default() })
    );
    assert!(read == texts);
    assert_eq!(coded, [true, false]);
    let alone = read_ahead(&path, Some(&both[..1]), &both, &mut |batch| {
        assert_eq!(texts_of(&batch, "id").0.len(), batch.frame.height());
        Ok(ControlFlow::Continue(()))
    });
    assert_eq!(
        alone.unwrap(),
        ControlFlow::Continue(ReadSummary { rows: 900_000, ..ReadSummary::default() })
    );
}

/// Returns the path of a file exported by a warehouse.
fn warehouse(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/warehouse").join(name)
}

#[test]
fn warehouse_exports_are_read_as_text_numbers_and_times() {
    let expected = texts(&warehouse("rows.csv"), None).unwrap();
    for file in ["duckdb.parquet", "pyarrow.parquet"] {
        let mut frames = Vec::new();
        super::read(&warehouse(file), None, &mut |_, frame| {
            frames.push(frame);
            Ok(())
        })
        .unwrap();
        let [frame] = &frames[..] else { panic!("a small file is one batch") };
        let values = |column: usize| expected.iter().map(move |row| row[column].as_deref());
        for (index, column) in frame.columns().iter().enumerate() {
            match column.name().as_str() {
                "account_id" | "user_id" | "plan" => {
                    assert!(column.str().unwrap().iter().eq(values(index)), "{file}: {column:?}");
                }
                // One number exceeds the precision of a double; as a 64-bit integer it keeps its
                // last digit.
                "number" | "seats" => {
                    let originals =
                        values(index).map(|text| text.map(|text| text.parse().unwrap()));
                    assert!(column.i64().unwrap().iter().eq(originals), "{file}: {column:?}");
                }
                "minutes" | "revenue" => {
                    let number = values(index).map(|text| text.map(|text| text.parse().unwrap()));
                    assert!(column.f64().unwrap().iter().eq(number), "{file}: {column:?}");
                }
                other => assert!(
                    other == "at" && matches!(column.dtype(), DataType::Datetime(..)),
                    "{file}: {column:?}"
                ),
            }
        }
        assert_eq!((frame.height(), frame.width()), (4, 8));
    }
}
