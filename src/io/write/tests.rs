use std::fs;

use polars::prelude::*;

use super::*;
use crate::io::read;

/// Returns a column of every supported type, each with a null.
fn every_type() -> DataFrame {
    let utc = Some(TimeZone::UTC);
    let times = Int64Chunked::new("cutoff".into(), &[Some(1_751_241_600_000_000), None, Some(1)]);
    // Not by a cast: polars without its `timezones` feature drops the zone there.
    let times = times.into_datetime(TimeUnit::Microseconds, utc).into_series();
    let days = Int32Chunked::new("day".into(), &[Some(20_269), None, Some(0)])
        .into_series()
        .cast(&DataType::Date)
        .unwrap();
    let columns = vec![
        StringChunked::new("account, \"id\"".into(), &[Some("a,1"), None, Some("é\n\"")])
            .into_column(),
        times.into_column(),
        days.into_column(),
        Float64Chunked::new("probability".into(), &[Some(0.1), None, Some(f64::NAN)]).into_column(),
        Int64Chunked::new("count".into(), &[Some(-1_234_567), None, Some(i64::MAX)]).into_column(),
        UInt64Chunked::new("large".into(), &[Some(u64::MAX), None, Some(0)]).into_column(),
        BooleanChunked::new("qualified".into(), &[Some(true), None, Some(false)]).into_column(),
        Float32Chunked::new("short".into(), &[Some(0.1_f32), None, Some(f32::INFINITY)])
            .into_column(),
        Column::new_scalar("nothing".into(), Scalar::null(DataType::Null), 3),
    ];
    DataFrame::new(3, columns).unwrap()
}

fn numbers(range: std::ops::Range<i32>) -> DataFrame {
    let text = range
        .clone()
        .map(|i| format!("account {}", i % 1_000))
        .collect::<StringChunked>()
        .with_name("id".into());
    let value = range
        .clone()
        .map(|i| Some(f64::from(i) / 7.0))
        .collect::<Float64Chunked>()
        .with_name("x".into());
    DataFrame::new(
        usize::try_from(range.end - range.start).unwrap(),
        vec![text.into_column(), value.into_column()],
    )
    .unwrap()
}

fn output(path: &Path) -> OutputFile {
    RunFiles::default().output(path).unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("output").tempdir().unwrap()
}

fn listed(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn csv_supports_every_type() {
    let folder = folder();
    let path = folder.path().join("x.csv");
    write_table(&output(&path), Format::Csv, &every_type()).unwrap();
    let expected = "\"account, \"\"id\"\"\",cutoff,day,probability,count,large,qualified,short,nothing\n\
        \"a,1\",2025-06-30T00:00:00Z,2025-06-30,0.1,-1234567,18446744073709551615,true,0.1,\n\
        ,,,,,,,,\n\
        \"é\n\"\"\",1970-01-01T00:00:00.000001Z,1970-01-01,,9223372036854775807,0,false,,\n";
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

#[test]
fn ndjson_supports_every_type_in_column_order() {
    let folder = folder();
    let path = folder.path().join("x.ndjson");
    write_table(&output(&path), Format::Ndjson, &every_type().tail(Some(2))).unwrap();
    let expected = "{\"account, \\\"id\\\"\":null,\"cutoff\":null,\"day\":null,\"probability\":null,\"count\":null,\"large\":null,\
        \"qualified\":null,\"short\":null,\"nothing\":null}\n\
        {\"account, \\\"id\\\"\":\"é\\n\\\"\",\"cutoff\":\"1970-01-01T00:00:00.000001Z\",\"day\":\"1970-01-01\",\"probability\":null,\
        \"count\":9223372036854775807,\"large\":0,\"qualified\":false,\"short\":null,\"nothing\":null}\n";
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

#[test]
fn parquet_survives_a_round_trip() {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    let frame = every_type();
    write_table(&output(&path), Format::Parquet, &frame).unwrap();
    let mut read = Vec::new();
    let summary = read::read(&path, None, &mut |first, batch| {
        read.push((first, batch));
        Ok(())
    });
    assert_eq!(summary.unwrap().rows, 3);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].0, 1);
    let mut schema = frame.schema().as_ref().clone();
    // Parquet has no type without values.
    schema.with_column("nothing".into(), DataType::Int32);
    assert_eq!(read[0].1.schema().as_ref(), &schema);
    assert_eq!(
        read[0].1.schema().get("cutoff"),
        Some(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))
    );
    for (written, read_back) in frame.columns().iter().zip(read[0].1.columns()) {
        let (written, read_back) = (written.to_physical_repr(), read_back.to_physical_repr());
        assert!(
            written.as_materialized_series().iter().eq(read_back.as_materialized_series().iter()),
            "{}",
            written.name()
        );
    }
}

#[test]
fn the_file_does_not_depend_on_the_batches() {
    let folder = folder();
    let (one, many) = (folder.path().join("one.parquet"), folder.path().join("many.parquet"));
    write_table(&output(&one), Format::Parquet, &numbers(0..600_000)).unwrap();
    let mut writer =
        TableWriter::create(&output(&many), Format::Parquet, numbers(0..1).schema()).unwrap();
    for batch in [0..1, 1..70_000, 70_000..70_000, 70_000..599_999, 599_999..600_000] {
        writer.write(&numbers(batch)).unwrap();
    }
    writer.finish().unwrap();
    assert!(fs::read(&one).unwrap() == fs::read(&many).unwrap());
    assert_eq!(read::row_count(&one), Some(600_000));
}

#[test]
fn a_table_without_rows_has_its_columns() {
    let folder = folder();
    for name in ["x.parquet", "x.csv"] {
        let path = folder.path().join(name);
        write_table(&output(&path), Format::from_path(&path).unwrap(), &every_type().head(Some(0)))
            .unwrap();
        assert_eq!(read::columns(&path).unwrap().len(), 9, "{name}");
        let summary = read::read(&path, None, &mut |_, frame| panic!("{frame:?}")).unwrap();
        assert_eq!(summary.rows, 0);
    }
}

#[test]
fn an_unfinished_file_is_removed_and_the_old_one_kept() {
    let folder = folder();
    for format in [Format::Parquet, Format::Csv, Format::Ndjson] {
        let path = folder.path().join("scores");
        fs::write(&path, "before").unwrap();
        let mut writer =
            TableWriter::create(&output(&path), format, numbers(0..1).schema()).unwrap();
        writer.write(&numbers(0..300_000)).unwrap();
        assert_eq!(listed(folder.path()).len(), 2);
        drop(writer);
        assert_eq!(listed(folder.path()), ["scores"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    }
}

#[test]
fn bytes_replace_a_file() {
    let folder = folder();
    let path = folder.path().join("model.pql");
    write_bytes(&output(&path), b"one").unwrap();
    write_bytes(&output(&path), b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(listed(folder.path()), ["model.pql"]);
}

#[test]
fn a_missing_folder_or_a_folder_as_target_is_an_error() {
    let folder = folder();
    for path in [folder.path().to_owned(), folder.path().join("absent/x.csv")] {
        assert!(
            matches!(write_bytes(&output(&path), b""), Err(Error::Write { .. })),
            "{}",
            path.display()
        );
        assert!(matches!(
            write_table(&output(&path), Format::Csv, &numbers(0..2)),
            Err(Error::Write { .. })
        ));
    }
    assert!(listed(folder.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn permissions_and_links_are_preserved() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = folder();
    let (path, link, reference) =
        (folder.path().join("a.csv"), folder.path().join("b.csv"), folder.path().join("c"));
    fs::write(&reference, "").unwrap();
    write_bytes(&output(&path), b"1").unwrap();
    symlink("a.csv", &link).unwrap();
    write_bytes(&output(&link), b"2").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"2");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&reference), "a new file follows the umask");
    for replaced in [0o600, 0o640, 0o755] {
        fs::set_permissions(&path, fs::Permissions::from_mode(replaced)).unwrap();
        write_bytes(&output(&path), b"3").unwrap();
        assert_eq!(mode(&path) & 0o7777, replaced);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn devices_are_written_directly_and_a_full_disk_is_an_error() {
    let null = Path::new("/dev/null");
    write_table(&output(null), Format::Parquet, &every_type()).unwrap();
    assert!(!fs::metadata(null).unwrap().is_file());
    for format in [Format::Parquet, Format::Csv, Format::Ndjson] {
        let full = write_table(&output(Path::new("/dev/full")), format, &every_type());
        assert!(
            matches!(&full, Err(Error::Write { source, .. }) if source.kind() == io::ErrorKind::StorageFull),
            "{full:?}"
        );
    }
}

#[test]
fn formats_are_parsed_from_extensions_and_names() {
    let format = |path: &str| Format::from_path(Path::new(path));
    assert_eq!(format("a/b.PARQUET"), Some(Format::Parquet));
    assert_eq!(format("-"), Some(Format::Csv));
    assert_eq!(format("b.jsonl"), Some(Format::Ndjson));
    assert_eq!(format("b"), None);
    assert_eq!("ndjson".parse(), Ok(Format::Ndjson));
    assert!("xlsx".parse::<Format>().unwrap_err().contains("`parquet`"));
}

#[test]
fn columns_with_few_distinct_numbers_are_dictionaries_and_keep_all_bits() {
    let folder = folder();
    let numbers = |name: &str, number: fn(u32) -> Option<f64>| {
        (0..20_000).map(number).collect::<Float64Chunked>().with_name(name.into()).into_column()
    };
    let odd = [Some(0.0), Some(-0.0), None, Some(f64::NAN), Some(f64::INFINITY), Some(1e-310)];
    let columns = vec![
        numbers("counts", |row| Some(f64::from(row % 4_096))),
        numbers("one too many", |row| Some(f64::from(row % 4_097))),
        numbers("none", |_| None),
        Float64Chunked::from_iter_options("odd".into(), odd.into_iter().cycle().take(20_000))
            .into_column(),
    ];
    let frame = DataFrame::new(20_000, columns).unwrap();
    let path = folder.path().join("x.parquet");
    write_table(&output(&path), Format::Parquet, &frame).unwrap();
    read::read(&path, None, &mut |_, read| {
        for (written, read_back) in frame.columns().iter().zip(read.columns()) {
            let float_bits = |column: &Column| {
                column.f64().unwrap().iter().map(|x| x.map(f64::to_bits)).collect::<Vec<_>>()
            };
            assert!(float_bits(written) == float_bits(read_back), "{}", written.name());
        }
        Ok(())
    })
    .unwrap();
    let size = |name: &str| {
        let one = folder.path().join("one.parquet");
        write_table(&output(&one), Format::Parquet, &frame.select([name]).unwrap()).unwrap();
        fs::metadata(&one).unwrap().len()
    };
    assert!(size("odd") < 10_000, "{}", size("odd"));
}
