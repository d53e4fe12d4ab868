//! Dates and times of the log: dates without a time of day, digits, time zones and times of
//! receipt.

use std::collections::BTreeSet;

use polars::prelude::*;
use pql::dataset::matrix;
use pql::log::{ColumnTypes, Watch, log_faults};
use pql::{Config, Log, MatrixConfig, ReadOptions, Sink};

use crate::project::{Project, Run, counted};

const HEADER: &str = "account_id,event,timestamp\n";

/// Returns a project with these events and accounts.
fn project(events: &str, accounts: &str) -> Project {
    let project = Project::new();
    project.write("events.csv", HEADER.to_owned() + events);
    project.write("accounts.csv", accounts);
    project.write(
        "pql.toml",
        "[[events]]\npath = \"events.csv\"\n[accounts]\npath = \"accounts.csv\"\n",
    );
    project
}

/// Reads the log and returns a column of its accounts or events as text.
#[track_caller]
fn ingested(
    project: &Project,
    sets: &[&str],
    file: &str,
    column: &str,
) -> (Vec<Option<String>>, Run) {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let run = project.pql(&[&["ingest", "-o", "out", "-v"], &sets[..]].concat()).done();
    let file = std::fs::File::open(project.path(&format!("out/{file}.parquet"))).unwrap();
    let frame = ParquetReader::new(file).finish().unwrap();
    let times =
        frame.column(column).unwrap().as_materialized_series().cast(&DataType::Int64).unwrap();
    let texts = times.i64().unwrap().iter().map(|t| t.map(pql::time::iso)).collect();
    (texts, run)
}

#[test]
fn a_conversion_on_the_day_of_the_sign_up_is_at_the_sign_up() {
    let events = "a,login,2025-03-04T16:00:00Z\nb,login,2025-03-05T16:00:00Z\nb,login,2025-06-05T16:00:00Z\n";
    for (column, other) in [("converted_at", "churned_at"), ("churned_at", "converted_at")] {
        for format in ["csv", "ndjson", "parquet"] {
            let project = project(events, "");
            let rows =
                [["a", "2025-03-04T15:20:00Z", "2025-03-04"], ["b", "2025-03-05T15:20:00Z", ""]];
            match format {
                "csv" => {
                    let text = rows.map(|row| row.join(",") + "\n").concat();
                    project.write("list.csv", format!("account_id,signed_up_at,{column}\n{text}"));
                }
                "ndjson" => {
                    let text = rows.map(|[id, signed_up, outcome]| {
                        format!("{{\"account_id\":\"{id}\",\"signed_up_at\":\"{signed_up}\",\"{column}\":\"{outcome}\"}}\n")
                    });
                    project.write("list.ndjson", text.concat());
                }
                _ => {
                    let date = Int32Chunked::new(column.into(), [Some(20_151), None]).into_date();
                    let ids = Column::new("account_id".into(), ["a", "b"]);
                    let signed_up = Column::new("signed_up_at".into(), rows.map(|row| row[1]));
                    project.parquet(
                        "list.parquet",
                        DataFrame::new(2, vec![ids, signed_up, date.into_column()]).unwrap(),
                    );
                }
            }
            let list = format!("accounts.path=list.{format}");
            let (times, run) = ingested(&project, &[&list], "accounts", column);
            assert_eq!(times, [Some("2025-03-04T15:20:00Z".to_owned()), None], "{}", run.err);
            assert!(ingested(&project, &[&list], "accounts", other).0.iter().all(Option::is_none));
        }
    }
    // With times of day, a conversion before the sign-up is an error.
    let list = "account_id,signed_up_at,converted_at\na,2025-03-04T15:20:00Z,2025-03-04T10:00:00Z\nb,2025-03-05T15:20:00Z,\n";
    let (times, run) = ingested(&project(events, list), &[], "accounts", "converted_at");
    assert_eq!((times.len(), counted(&run.err, "converts or churns before sign-up").0), (1, 1));
}

#[test]
fn dates_in_digits_are_local_times() {
    for (first, second, expected) in [
        ("20250101", "20250302", "2025-03-02T00:00:00Z"),
        ("2025010110", "2025030211", "2025-03-02T11:00:00Z"),
        ("202501011000", "202503021130", "2025-03-02T11:30:00Z"),
        ("20250101100000", "20250302113059", "2025-03-02T11:30:59Z"),
    ] {
        let rows = format!("a,login,{first}\na,login,{second}\n");
        let project = project(&rows, "account_id,signed_up_at\na,2025-01-01\n");
        let (times, _) = ingested(&project, &[], "events", "timestamp");
        assert_eq!(times[1].as_deref(), Some(expected));
        let numbers = [first, second].map(|t| t.parse::<i64>().unwrap());
        let columns = vec![
            Column::new("account_id".into(), ["a", "a"]),
            Column::new("event".into(), ["login", "login"]),
            Column::new("timestamp".into(), numbers),
        ];
        project.parquet("events.parquet", DataFrame::new(2, columns).unwrap());
        let (times, _) =
            ingested(&project, &["events.0.path=events.parquet"], "events", "timestamp");
        assert_eq!(times[1].as_deref(), Some(expected));
    }
}

#[test]
fn times_that_mean_never_are_no_outcomes() {
    let events = "a,login,2025-01-02T10:00:00Z\nb,login,2025-01-03T10:00:00Z\n";
    for never in ["1970-01-01", "0", "1900-01-01T00:00:00Z", "9999-12-31", "0000-00-00 00:00:00"] {
        let other = if never == "0" { "1735900000" } else { "2025-01-04" };
        let list = format!(
            "account_id,signed_up_at,converted_at,churned_at\na,2025-01-01,{never},{other}\nb,2025-01-01,{never},{never}\n"
        );
        let project = project(events, &list);
        let (times, run) = ingested(&project, &[], "accounts", "converted_at");
        assert_eq!(times, [None, None], "{never}: {}", run.err);
        let words = [
            format!("`converted_at`: 2 times such as `{never}` read as missing"),
            format!("`churned_at`: 1 time such as `{never}` read as missing"),
            "3 conversion or churn times read as never".to_owned(),
        ];
        let run = run.stderr_has(&words.each_ref().map(String::as_str));
        assert!(!run.err.contains("922337"), "{}", run.err);
        assert_eq!(ingested(&project, &[], "accounts", "churned_at").0.iter().flatten().count(), 1);
    }
}

#[test]
fn events_and_sign_ups_whose_times_mean_never_are_dropped() {
    for never in ["1970-01-01", "1900-01-01", "9999-12-31", "0000-00-00"] {
        let events = format!(
            "a,login,2025-01-02T10:00:00Z\na,login,{never}\nb,login,2025-01-03T10:00:00Z\n"
        );
        let list = format!("account_id,signed_up_at\na,2025-01-01\nb,{never}\n");
        let project = project(&events, &list);
        let (times, run) = ingested(&project, &[], "events", "timestamp");
        assert_eq!(times, [Some("2025-01-02T10:00:00Z".to_owned())], "{never}: {}", run.err);
        assert!(counted(&run.err, "time missing").0 == 1, "{}", run.err);
        let words = ["timestamp", "signed_up_at"]
            .map(|column| format!("`{column}`: 1 time such as `{never}` read as missing"));
        run.stderr_has(&words.each_ref().map(String::as_str));
    }
}

#[test]
fn marks_are_missing_times_in_every_column() {
    for mark in ["NULL", r"\N", "NA", "-"] {
        let events = format!("a,login,2025-01-02T10:00:00Z\na,login,{mark}\nb,login,2025-01-03\n");
        let list = format!(
            "account_id,signed_up_at,converted_at,churned_at\na,2025-01-01,{mark},2025-01-04\nb,{mark},2025-01-02,\n"
        );
        let project = project(&events, &list);
        let (times, run) = ingested(&project, &[], "accounts", "converted_at");
        assert_eq!(times, [None], "{mark}: {}", run.err);
        // Lines are broken at blanks.
        let message = run.err.split_whitespace().collect::<Vec<_>>().join(" ");
        for (column, values) in [("converted_at", 2), ("signed_up_at", 2), ("timestamp", 3)] {
            let words = format!("`{column}` (`{mark}`, 1 of {values} values)");
            assert!(message.contains(&words), "{message}");
        }
        assert!(message.contains("Read as missing: "), "{message}");
    }
}

#[test]
fn cutoffs_of_a_matrix_are_local_times() {
    let project = Project::new();
    project.write("m.csv", "cutoff,x,converted\n2025-01-15,1,1\n2025-01-15T00:00:00Z,2,0\n");
    let types = ColumnTypes { zone: "America/New_York".parse().unwrap(), ..ColumnTypes::default() };
    let matrix = matrix::read(&project.path("m.csv"), &MatrixConfig::default(), &types).unwrap();
    let cutoffs: Vec<String> = matrix.cutoff.unwrap().into_iter().map(pql::time::iso).collect();
    assert_eq!(cutoffs, ["2025-01-15T05:00:00Z", "2025-01-15T00:00:00Z"]);
}

#[test]
fn a_time_zone_interprets_local_times_and_defines_days() {
    let events = "a,login,2025-01-02 22:00\nb,login,2025-01-03T23:30:00\na,login,2025-02-10 21:00\na,login,2025-02-11T03:00:00Z\n";
    let list = "account_id,signed_up_at\na,2025-01-01\nb,2025-01-02T00:00:00Z\n";
    let project = project(events, list);
    let zone = "input.timezone=America/New_York";
    let (times, _) = ingested(&project, &[zone], "events", "timestamp");
    let found: Vec<&str> = times.iter().flatten().map(String::as_str).collect();
    assert_eq!(
        found,
        [
            "2025-01-03T03:00:00Z",
            "2025-02-11T02:00:00Z",
            "2025-02-11T03:00:00Z",
            "2025-01-04T04:30:00Z"
        ]
    );
    let (times, _) = ingested(&project, &[zone], "accounts", "signed_up_at");
    assert_eq!(
        times.into_iter().flatten().collect::<Vec<_>>(),
        ["2025-01-01T05:00:00Z", "2025-01-02T00:00:00Z"]
    );
    // The last local day is 2025-02-10, so the log ends at its local midnight.
    let sets = ["features", "-o", "-", "-v", "--set", "observation.horizon=7d", "--set", zone];
    let run = project.pql(&sets).done();
    assert!(run.out.contains("\na,2025-02-03T05:00:00Z"), "cutoffs at local midnight: {}", run.out);
    run.stderr_has(&["2025-01-02 to 2025-02-09"]);
    let until = [&sets[..], &["--set", "observation.until=2025-02-05"]].concat();
    let run = project.pql(&until).done();
    assert!(run.out.contains("\na,2025-01-29T05:00:00Z"), "{}", run.out);
    project
        .pql(&["features", "-o", "-", "--set", "input.timezone=America/NewYork"])
        .fails_with(2, &["expected a time zone; did you mean `America/New_York`?"]);
}

#[test]
fn cutoffs_stay_at_local_midnight_when_clocks_are_turned() {
    let events: String = (0..150).fold(String::new(), |text, day| {
        let t = crate::common::NEW_YEAR + day * crate::common::DAY + crate::common::DAY / 2;
        text + &format!("a,login,{}\n", pql::time::iso(t))
    });
    let project = project(&events, "account_id,signed_up_at\na,2025-01-01\n");
    for (zone, winter, summer) in [
        ("America/New_York", "T05:00:00Z", "T04:00:00Z"),
        ("Europe/Berlin", "T23:00:00Z", "T22:00:00Z"),
    ] {
        let set = format!("input.timezone={zone}");
        let features = project.features(&["--set", &set, "--set", "observation.horizon=30d"]);
        let cutoffs: Vec<&str> =
            features.lines().skip(1).map(|l| l.split(',').nth(1).unwrap()).collect();
        assert!(
            cutoffs.iter().any(|c| c.ends_with(winter))
                && cutoffs.iter().any(|c| c.ends_with(summer))
        );
        assert!(cutoffs.iter().all(|c| c.ends_with(winter) || c.ends_with(summer)), "{cutoffs:?}");
    }
}

#[test]
fn events_are_counted_by_local_day_when_clocks_are_turned() {
    let start = pql::time::parse_iso("2025-08-01").unwrap();
    let events: String = (0..100 * 20).fold(String::new(), |text, n| {
        let day = pql::time::Day::from_local(start + n / 20 * crate::common::DAY);
        text + &format!("a{},login,{day}\n", n % 20)
    });
    let list: Vec<String> = (0..20).map(|n| format!("a{n},2025-07-01")).collect();
    let project = project(&events, &format!("account_id,signed_up_at\n{}\n", list.join("\n")));
    let (file, zone) = (project.path("pql.toml"), "input.timezone=America/New_York");
    for until in ["2025-11-05", "2025-11-09"] {
        let until = format!("observation.until={until}");
        let config = Config::load(Some(&file), &[zone.to_owned(), until]).unwrap();
        let options = ReadOptions::for_training(&config);
        let log = Log::read(&config, &options, &mut Sink::silent()).unwrap();
        let watch = Watch { reference: None, named: &BTreeSet::new() };
        assert_eq!(log_faults(&log, watch).unwrap(), []);
    }
}

#[test]
fn times_of_receipt_are_used_only_if_they_are_named() {
    let rows = "a,login,2025-01-02T10:00:00Z,2025-02-20T10:00:00Z\na,login,2025-03-01T10:00:00Z,2025-03-01T10:00:00Z\n";
    let project = project("", "account_id,signed_up_at\na,2025-01-01\n");
    project.write("events.csv", format!("account_id,event,timestamp,received_at\n{rows}"));
    let features = |sets: &[&str]| {
        let horizon = ["--set", "observation.until=2025-03-02", "--set", "observation.horizon=7d"];
        project.pql(&[&["features", "-o", "-"], &horizon[..], sets].concat()).done()
    };
    let plain = features(&[]);
    let received = features(&["--set", "events.0.received=received_at"]);
    assert_ne!(plain.out, received.out);
    assert!(!plain.err.contains("received"), "{}", plain.err);
    received.stderr_has(&[
        "`events.csv`: 50% of the events were received on 2025-02-20",
        "Remove `received` from [[events]]",
    ]);
}
