//! Events: every documented form of columns, times and values, and counts of dropped rows.

use std::fmt::Write as _;

use polars::prelude::*;
use pql::time::{DAY, iso, parse_iso};

use crate::project::{Project, Run, counted};

fn small(events: &str) -> Project {
    let project = Project::new();
    project.write("pql.toml", "[[events]]\npath = \"events.csv\"\n");
    project.write("events.csv", events);
    project
}

fn ingest(events: &str, args: &[&str]) -> Run {
    small(events).pql(&[&["ingest", "-o", "out"], args].concat())
}

#[test]
fn a_missing_or_misspelled_column_suggests_the_nearest_name() {
    let row = "a,login,2025-01-01T08:00:00Z\n";
    for (header, column, near) in [
        ("acount_id,event,timestamp", "account_id", "acount_id"),
        ("account_id,events,timestamp", "event", "events"),
        ("account_id,event,time_stamp", "timestamp", "time_stamp"),
    ] {
        let words =
            [format!("`events.csv`: missing column `{column}`"), format!("did you mean `{near}`?")];
        ingest(&format!("{header}\n{row}"), &[])
            .fails_with(3, &words.each_ref().map(String::as_str));
    }
    let events = &format!("account_id,event,timestamp\n{row}");
    for key in ["account", "user", "event", "timestamp", "received", "id"] {
        let words = [
            format!("`events.csv`: missing column `acount_id` (`events.{key}`"),
            "did you mean `account_id`?".to_owned(),
        ];
        ingest(events, &["--set", &format!("events.0.{key}=acount_id")])
            .fails_with(3, &words.each_ref().map(String::as_str));
    }
    for key in ["values", "unpivot"] {
        let words = [
            format!("`events.csv`: missing column `evnt` (`events.{key}`"),
            "did you mean `event`?".to_owned(),
        ];
        ingest(events, &["--set", &format!("events.0.{key}=[\"evnt\"]")])
            .fails_with(3, &words.each_ref().map(String::as_str));
    }
    ingest("a,b,c\nx,y,z\n", &[])
        .fails_with(3, &["missing column `account_id` (`events.account`)"]);
}

#[test]
fn a_text_instead_of_a_time_is_reported() {
    let events = "account_id,event,timestamp,received_at\na,login,2025-01-01,\nb,login,soon,\n";
    ingest(events, &[]).fails_with(
        3,
        &[
            "`events.csv`, row 2, column `timestamp`: found `soon`, expected a time: ISO 8601",
            "hint: ",
        ],
    );
    let events = "account_id,event,timestamp,received_at\na,login,2025-01-01,yesterday\n";
    ingest(events, &["--set", "events.0.received=received_at"])
        .fails_with(3, &["`events.csv`, row 1, column `received_at`: found `yesterday`"]);
    for bad in [
        "2025-13-01",
        "2025-02-29",
        "2025-01-01T25:00",
        "01/02/2025",
        "true",
        "2025-01-01T08:00:00+99:00",
    ] {
        let events = format!("account_id,event,timestamp\na,login,2025-01-01\na,login,{bad}\n");
        ingest(&events, &[])
            .fails_with(3, &["`events.csv`, row 2, column `timestamp`", &format!("found `{bad}`")]);
    }
    let events = "account_id,event,timestamp\na,login,31/12/2024\na,login,12/31/2024\n";
    ingest(events, &["--set", "events.0.format=%d/%m/%Y"]).fails_with(
        3,
        &["row 2", "found `12/31/2024`", "expected a time in the format `%d/%m/%Y`"],
    );
    let events = "account_id,event,timestamp\na,login,1735689600\na,login,\na,login,-99999999999\n";
    ingest(events, &[])
        .fails_with(3, &["row 3, column `timestamp`: found `-99999999999`", "1900 and 2262"]);
}

#[test]
fn a_value_that_is_not_a_number_is_reported() {
    let events = "account_id,event,timestamp,minutes\na,login,2025-01-01,5\na,login,2025-01-02,\na,login,2025-01-03,long\n";
    let values = ["--set", "events.0.values=[\"minutes\"]"];
    ingest(events, &values).fails_with(
        3,
        &["`events.csv`, row 3, column `minutes`: found `long`, expected a number", "hint: "],
    );
    for bad in ["inf", "0x10", "1,5,5"] {
        let quoted = format!("account_id,event,timestamp,minutes\na,login,2025-01-01,\"{bad}\"\n");
        ingest(&quoted, &values)
            .fails_with(3, &["row 1, column `minutes`", &format!("found `{bad}`")]);
    }
    let rows = |values: [&str; 3]| {
        let row = |value: &str| format!("a,login,2025-01-01,\"{value}\"\n");
        format!("account_id,event,timestamp,minutes\n{}", values.map(row).concat())
    };
    ingest(&rows(["5", "NA", " "]), &values)
        .done()
        .stderr_has(&["Read as missing: `minutes` (blank or `NA`, 2 of 3 values)"]);
    ingest(&rows(["1,5", "NA", "2"]), &values)
        .done()
        .stderr_has(&["`minutes` has decimal commas (`1.234,5`)"]);
    ingest(&rows(["1.5", "2,5", "2"]), &values)
        .fails_with(3, &["row 2, column `minutes`: found `2,5`, expected a number such as 1234.5"]);
    let daily = "account_id,timestamp,quizzes\na,2025-01-01,1\na,2025-01-02,many\n";
    let unpivot = ["--set", "events.0.unpivot=[\"quizzes\"]"];
    ingest(daily, &unpivot)
        .fails_with(3, &["`events.csv`, row 2, column `quizzes`: found `many`, expected a number"]);
}

#[test]
fn dropped_rows_are_counted_with_the_first_row_of_each_reason() {
    let events = "account_id,event,timestamp,message_id\n\
        a,login,2025-01-01T08:00:00Z,1\n\
        ,login,2025-01-01T08:00:00Z,2\n\
        a,,2025-01-01T08:00:00Z,3\n\
        a,login,,4\n\
        a,login,2025-01-02T08:00:00Z,1\n\
        nobody,login,2025-01-02T08:00:00Z,5\n\
        a,login,2025-03-01T08:00:00Z,6\n\
        a,login,2025-01-03T08:00:00Z,\n\
        a,login,2025-01-03T08:00:00Z,\n\
        a,login,2025-01-03T09:00:00Z,1\n\
        early,login,2025-01-03T09:00:00Z,7\n";
    let accounts = "account_id,signed_up_at,converted_at\na,2025-01-01T00:00:00Z,\nearly,2025-01-02T00:00:00Z,2025-01-01T00:00:00Z\n\
        ,2025-01-01T00:00:00Z,\nb,,\n";
    let project = small(events);
    project.write("accounts.csv", accounts);
    let args =
        ["ingest", "-o", "out", "--set", "accounts.path=accounts.csv", "--now", "2025-02-01"];
    let run = project.pql(&args).done();
    for (reason, count, place) in [
        ("event type missing", 1, "events.csv, row 3"),
        ("repeated id", 2, "events.csv, row 5"),
        ("unknown account", 1, "events.csv, row 6"),
        ("in the future", 1, "events.csv, row 7"),
        ("converts or churns before sign-up", 1, "accounts.csv, row 2"),
    ] {
        assert_eq!(counted(&run.err, reason), (count, place.to_owned()), "{reason}");
    }
    for (file, row, reason) in [
        ("accounts.csv", 3, "account missing"),
        ("events.csv", 2, "account missing"),
        ("accounts.csv", 4, "time missing"),
        ("events.csv", 4, "time missing"),
    ] {
        let place = format!("{file}, row {row}");
        assert!(
            run.err.lines().any(|l| l.contains(reason) && l.ends_with(&place)),
            "{reason} {place}: {}",
            run.err
        );
    }
    let lost = run
        .err
        .lines()
        .filter(|l| l.contains("before sign-up"))
        .any(|l| l.ends_with("events.csv, row 11"));
    assert!(lost, "the events of a dropped account are counted, too: {}", run.err);
    let kept: u64 = run
        .err
        .lines()
        .filter_map(|l| l.trim().strip_prefix("kept "))
        .map(|n| n.trim().parse::<u64>().unwrap())
        .sum();
    assert_eq!(kept, 1 + 3, "one account, three events: {}", run.err);
    run.stderr_has(&["Wrote 3 rows to out/events.parquet", "Wrote 1 row to out/accounts.parquet"]);
}

#[test]
fn rows_kept_and_dropped_add_up_to_rows_read() {
    let project = Project::trial();
    let run = project.pql(&["ingest", "-o", "out", "--now", "2025-04-01"]).done();
    let rows = project.text("events.csv").lines().count() as u64 - 1;
    let numbers = |line: &str| {
        line.split_whitespace().find_map(|word| word.replace(',', "").parse::<u64>().ok()).unwrap()
    };
    let read = numbers(run.err.lines().find(|l| l.trim().starts_with("events.csv")).unwrap());
    let kept = numbers(run.err.lines().rfind(|l| l.trim().starts_with("kept ")).unwrap());
    assert_eq!((read, kept + counted(&run.err, "in the future").0), (rows, rows), "{}", run.err);
    assert!(kept < rows && !run.err.contains("9223372036854775807"), "{}", run.err);
}

#[test]
fn a_log_without_usable_events_is_refused() {
    let events = "account_id,event,timestamp\na,login,2025-03-01\n";
    ingest(events, &["--set", "observation.until=2025-01-01"]).fails_with(3, &["the log is empty"]);
    ingest(events, &["--now", "2025-01-01", "--set", "observation.until=2025-01-01"])
        .fails_with(3, &["no usage events left after dropping rows: 1 in the future"]);
    small(events)
        .train(&["--now", "2025-01-01"])
        .fails_with(3, &["no usage events left after dropping rows: 1 in the future"]);
}

#[test]
fn more_event_names_than_codes_are_refused() {
    let mut events = "account_id,event,timestamp\n".to_owned();
    for number in 0..65_536 {
        writeln!(events, "a,e{number},2025-01-01").unwrap();
    }
    ingest(&events, &[]).fails_with(3, &["found more than 65,534", "hint: ", "`events.event`"]);
}

/// Rows of the trial log: account, user, event, time, minutes.
fn rows(project: &Project) -> Vec<[String; 5]> {
    let text = project.text("events.csv");
    text.lines()
        .skip(1)
        .map(|l| l.split(',').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap())
        .collect()
}

fn csv(rows: &[[String; 5]]) -> String {
    let lines: Vec<String> = rows.iter().map(|r| r.join(",")).collect();
    format!("account_id,user_id,event,timestamp,minutes\n{}\n", lines.join("\n"))
}

/// Returns the trial log with its times in another format.
fn with_times(project: &Project, write: impl Fn(i64) -> String) -> String {
    let mut rows = rows(project);
    rows.iter_mut().for_each(|row| row[3] = write(parse_iso(&row[3]).unwrap()));
    csv(&rows)
}

#[test]
fn every_time_format_gives_the_same_features() {
    let project = Project::trial();
    let expected = project.features(&[]);
    let iso_less = |t: i64| iso(t).trim_end_matches('Z').to_owned();
    let formats: [(&str, &dyn Fn(i64) -> String); 10] = [
        ("T, no offset", &iso_less),
        ("blank", &|t| iso_less(t).replace('T', " ")),
        ("blank and Z", &|t| iso(t).replace('T', " ")),
        ("offset", &|t| format!("{}+02:00", iso_less(t + DAY / 12))),
        ("offset without colon", &|t| format!("{}-0530", iso_less(t - DAY / 48 * 11))),
        ("compact date", &|t| iso(t).replace('-', "")),
        ("epoch s", &|t| (t / 1_000_000).to_string()),
        ("epoch ms", &|t| (t / 1_000).to_string()),
        ("epoch µs", &|t| t.to_string()),
        ("epoch ns", &|t| format!("{t}000")),
    ];
    for (name, write) in formats {
        project.write("other.csv", with_times(&project, write));
        assert_eq!(project.features(&["--set", "events.0.path=other.csv"]), expected, "{name}");
    }
    let pattern = |t: i64| {
        let iso = iso(t);
        format!("{}/{}/{} {}", &iso[5..7], &iso[8..10], &iso[..4], &iso[11..19])
    };
    project.write("other.csv", with_times(&project, pattern));
    let format = ["--set", "events.0.path=other.csv", "--set", "events.0.format=%m/%d/%Y %H:%M:%S"];
    assert_eq!(project.features(&format), expected, "a format");
}

fn frame(rows: &[[String; 5]], times: Column) -> DataFrame {
    let texts = |i: usize| {
        rows.iter().map(|r| Some(r[i].as_str()).filter(|v| !v.is_empty())).collect::<Vec<_>>()
    };
    let columns = vec![
        Column::new("account_id".into(), texts(0)),
        Column::new("user_id".into(), texts(1)),
        Column::new("event".into(), texts(2)),
        times,
        Column::new(
            "minutes".into(),
            rows.iter().map(|r| r[4].parse::<f64>().unwrap()).collect::<Vec<_>>(),
        ),
    ];
    DataFrame::new(rows.len(), columns).unwrap()
}

#[test]
fn native_times_of_every_unit_give_the_same_features() {
    let project = Project::trial();
    let (expected, rows) = (project.features(&[]), rows(&project));
    let micros: Vec<i64> = rows.iter().map(|r| parse_iso(&r[3]).unwrap()).collect();
    for (unit, zone) in [
        (TimeUnit::Milliseconds, None),
        (TimeUnit::Microseconds, None),
        (TimeUnit::Microseconds, Some(TimeZone::UTC)),
        (TimeUnit::Nanoseconds, None),
    ] {
        let scaled = micros.iter().map(|t| match unit {
            TimeUnit::Milliseconds => t / 1_000,
            TimeUnit::Microseconds => *t,
            TimeUnit::Nanoseconds => t * 1_000,
        });
        let times = Int64Chunked::from_iter_values("timestamp".into(), scaled)
            .into_datetime(unit, zone.clone())
            .into_column();
        project.parquet("other.parquet", frame(&rows, times));
        assert_eq!(
            project.features(&["--set", "events.0.path=other.parquet"]),
            expected,
            "{unit:?} {zone:?}"
        );
    }
}

#[test]
fn dates_in_every_format_give_the_same_features_and_are_marked_as_dates() {
    let project = Project::trial();
    let day = |t: i64| iso(t)[..10].to_owned();
    project.write("days.csv", with_times(&project, day));
    let run = project.pql(&["features", "-v", "-o", "-", "--set", "events.0.path=days.csv"]).done();
    let expected = run.out.clone();
    run.stderr_has(&["events, dates only"]);
    assert!(expected.lines().skip(1).all(|l| l.split(',').nth(1).unwrap().ends_with("T00:00:00Z")));
    let american = |t: i64| format!("{}/{}/{}", &iso(t)[5..7], &iso(t)[8..10], &iso(t)[..4]);
    project.write("number.csv", with_times(&project, |t| day(t).replace('-', "")));
    project.write("american.csv", with_times(&project, american));
    assert_eq!(project.features(&["--set", "events.0.path=number.csv"]), expected);
    assert_eq!(
        project.features(&[
            "--set",
            "events.0.path=american.csv",
            "--set",
            "events.0.format=%m/%d/%Y"
        ]),
        expected
    );
    let rows = rows(&project);
    let dates: Vec<i32> =
        rows.iter().map(|r| i32::try_from(parse_iso(&r[3]).unwrap() / DAY).unwrap()).collect();
    project.parquet(
        "days.parquet",
        frame(&rows, Int32Chunked::from_vec("timestamp".into(), dates).into_date().into_column()),
    );
    assert_eq!(project.features(&["--set", "events.0.path=days.parquet"]), expected);
}

#[test]
fn a_daily_table_has_an_event_per_nonzero_column() {
    let project = Project::trial();
    let (mut daily, mut long) = (
        "account_id,timestamp,quizzes,exams,minutes\n".to_owned(),
        "account_id,timestamp,event,minutes\n".to_owned(),
    );
    for (number, row) in rows(&project).iter().enumerate() {
        let (quizzes, exams) = (number % 3, if number % 4 == 0 { "" } else { "2" });
        writeln!(daily, "{},{},{quizzes},{exams},{}", row[0], row[3], row[4]).unwrap();
        let (is_quiz, is_exam) = (quizzes != 0, !exams.is_empty());
        if is_quiz {
            writeln!(long, "{},{},quizzes,{}", row[0], row[3], row[4]).unwrap();
        }
        if is_exam {
            // The minutes of a day are not counted twice.
            writeln!(long, "{},{},exams,{}", row[0], row[3], if is_quiz { "" } else { &row[4] })
                .unwrap();
        }
    }
    project.write("daily.csv", daily);
    project.write("long.csv", long);
    // With `design.include`, no counts are dropped.
    let sets = ["-o", "-", "--set", "design.include=[\"count_quizzes_7d\"]", "--set"];
    let daily = ["events.0.path=daily.csv", "--set", "events.0.unpivot=[\"quizzes\",\"exams\"]"];
    let run = project.pql(&[&["features", "-v"], &sets[..], &daily].concat()).done();
    assert_eq!(
        run.out,
        project.pql(&[&["features"], &sets[..], &["events.0.path=long.csv"]].concat()).done().out
    );
    assert!(run.out.lines().next().unwrap().contains("count_quizzes_7d"));
    assert!(counted(&run.err, "all event columns are 0").0 > 10);
}

#[test]
fn a_source_can_have_a_single_event_name() {
    let project = Project::trial();
    let rows = rows(&project);
    let mut exams = "account_id,timestamp,minutes\n".to_owned();
    let mut all = rows.clone();
    for row in rows.iter().step_by(2) {
        writeln!(exams, "{},{},{}", row[0], row[3], row[4]).unwrap();
        all.push([
            row[0].clone(),
            String::new(),
            "exam".to_owned(),
            row[3].clone(),
            row[4].clone(),
        ]);
    }
    project.write("all.csv", csv(&all));
    project.write("exams.csv", exams);
    let source =
        ["events.1.path=exams.csv", "events.1.event_name=exam", "events.1.values=[\"minutes\"]"];
    let args: Vec<&str> = source.iter().flat_map(|s| ["--set", s]).collect();
    assert_eq!(project.features(&args), project.features(&["--set", "events.0.path=all.csv"]));
}

#[test]
fn an_event_counts_from_its_time_or_receipt_whichever_is_later() {
    let project = Project::trial();
    let rows = rows(&project);
    let signed_up = project
        .text("accounts.csv")
        .lines()
        .find(|l| l.starts_with("00007,"))
        .unwrap()
        .split(',')
        .nth(1)
        .map(parse_iso)
        .unwrap()
        .unwrap();
    let inside =
        |r: &[String; 5]| r[0] == "00007" && parse_iso(&r[3]).unwrap() < signed_up + 6 * DAY;
    let late = rows.iter().position(inside).unwrap();
    let with_receipt = |receipt: &dyn Fn(usize, i64) -> String| {
        let mut text = "account_id,user_id,event,timestamp,minutes,received_at\n".to_owned();
        for (number, row) in rows.iter().enumerate() {
            writeln!(text, "{},{}", row.join(","), receipt(number, parse_iso(&row[3]).unwrap()))
                .unwrap();
        }
        project.write("received.csv", text);
        let received = ["events.0.path=received.csv", "events.0.received=received_at"];
        project.features(&received.map(|set| ["--set", set]).concat())
    };
    let expected = project.features(&[]);
    assert_eq!(with_receipt(&|_, _| String::new()), expected, "no receipt");
    assert_eq!(with_receipt(&|_, t| iso(t - DAY)), expected, "an earlier receipt");
    let mut without = rows.clone();
    without.remove(late);
    project.write("without.csv", csv(&without));
    let dropped = project.features(&["--set", "events.0.path=without.csv"]);
    assert_ne!(dropped, expected);
    assert_eq!(
        with_receipt(&|number, t| if number == late { iso(t + 8 * DAY) } else { String::new() }),
        dropped,
        "known after the cutoff"
    );
}

#[test]
fn a_log_without_users_equals_one_with_missing_users() {
    let project = Project::trial();
    let expected = project.features(&[]);
    let mut none = rows(&project);
    none.iter_mut().for_each(|row| row[1].clear());
    let lines: Vec<String> =
        none.iter().map(|r| format!("{},{},{},{}", r[0], r[2], r[3], r[4])).collect();
    project.write("blank.csv", csv(&none));
    project
        .write("absent.csv", format!("account_id,event,timestamp,minutes\n{}\n", lines.join("\n")));
    let blank = project.features(&["--set", "events.0.path=blank.csv"]);
    assert_ne!(blank, expected, "users matter");
    assert_eq!(project.features(&["--set", "events.0.path=absent.csv"]), blank);
}

#[test]
fn repeated_ids_change_nothing() {
    let project = Project::trial();
    let expected = project.features(&[]);
    let rows = rows(&project);
    let mut text = "account_id,user_id,event,timestamp,minutes,key\n".to_owned();
    for (number, row) in rows.iter().enumerate() {
        writeln!(text, "{},k{number}", row.join(",")).unwrap();
    }
    for (number, row) in rows.iter().enumerate().skip(10).take(50) {
        writeln!(text, "{},k{number}", row.join(",")).unwrap();
    }
    project.write("twice.csv", text);
    let run = project
        .pql(&[
            "features",
            "-v",
            "-o",
            "-",
            "--set",
            "events.0.path=twice.csv",
            "--set",
            "events.0.id=key",
        ])
        .done();
    assert_eq!(run.out, expected);
    assert_eq!(
        counted(&run.err, "repeated id"),
        (50, format!("twice.csv, row {}", rows.len() + 1))
    );
    assert_ne!(
        project.features(&["--set", "events.0.path=twice.csv"]),
        expected,
        "without an id repeats count"
    );
}

#[test]
fn a_log_that_is_read_twice_is_reported() {
    let project = Project::trial();
    let warning = "as if a file was read twice";
    let run = project.pql(&["features", "-o", "-"]).done();
    assert!(!run.err.contains(warning), "{}", run.err);
    let rows = rows(&project);
    // The minutes differ, so that no event is an exact duplicate.
    let text = |copies: usize| {
        let once: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(number, row)| format!("{},{number}\n", row[..4].join(",")))
            .collect();
        format!("account_id,user_id,event,timestamp,minutes\n{}", once.concat().repeat(copies))
    };
    for (copies, share) in
        [(1, None), (2, Some("(50%) repeat another one")), (3, Some("(67%) repeat another one"))]
    {
        project.write("twice.csv", text(copies));
        let run = project.pql(&["features", "-o", "-", "--set", "events.0.path=twice.csv"]).done();
        assert_eq!(run.err.contains(warning), share.is_some(), "{}", run.err);
        run.stderr_has(share.as_slice());
    }
}

#[test]
fn a_role_without_events_suggests_the_nearest_name() {
    let project = Project::trial();
    project.pql(&["features", "-o", "-", "--set", "roles.value=[\"reprot\"]"]).done().stderr_has(
        &[
            "`roles.value` lists `reprot`, which does not occur before the end of the log",
            "did you mean `report`?",
        ],
    );
    // An event with a role is no suggestion.
    let sets = ["--set", "roles.value=[\"reprot\"]", "--set", "roles.exclude=[\"report\"]"];
    let run = project.pql(&[&["features", "-o", "-"], &sets[..]].concat()).done();
    assert!(
        run.err.contains("`reprot`") && !run.err.contains("did you mean `report`"),
        "{}",
        run.err
    );
}

#[test]
fn a_batch_without_events_of_listed_accounts_is_refused() {
    let project = Project::trial();
    project.train(&[]).done();
    let rows: Vec<String> =
        rows(&project).iter().map(|row| format!("x{}\n", row.join(","))).collect();
    project.write(
        "events.csv",
        format!("account_id,user_id,event,timestamp,minutes\n{}", rows.concat()),
    );
    let words = ["no usage events left", "unknown account", "found `x"];
    project.pql(&["score", "t", "--at", "2025-05-01", "-o", "-"]).fails_with(3, &words);
}

#[test]
fn ids_that_a_file_rounds_are_refused() {
    let project = Project::new();
    project.write("pql.toml", "[[events]]\npath = \"e.parquet\"\n");
    let texts = |name: &str, value: &str| Column::new(name.into(), [value; 2]);
    let times = || texts("timestamp", "2025-01-01T08:00:00Z");
    let events = |ids: Column| {
        let others = ["account_id", "user_id", "message_id", "event"].map(|name| texts(name, "x"));
        let mut columns: Vec<Column> =
            others.into_iter().filter(|other| other.name() != ids.name()).collect();
        columns.extend([ids, times()]);
        project.parquet("e.parquet", DataFrame::new(2, columns).unwrap());
        project.pql(&["ingest", "-o", "out"])
    };
    for column in ["account_id", "user_id", "message_id"] {
        let words = [format!(
            "`e.parquet`, row 2, column `{column}`: found the decimal number `9007199254740992`, expected text or an integer"
        )];
        events(Column::new(column.into(), [1.0, 9_007_199_254_740_993.0]))
            .fails_with(3, &[&words[0], "hint: decimal numbers of this size are rounded"]);
        events(Column::new(column.into(), [1.0_f32, 16_777_217.0]))
            .fails_with(3, &[&format!("row 2, column `{column}`"), "`16777216`"]);
        events(Column::new(column.into(), [1.0, 9_007_199_254_740_991.0])).done();
        events(Column::new(column.into(), [1_i64, 9_007_199_254_740_993])).done();
    }
    let ids = Column::new("account_id".into(), [9e15, 9.5e15]);
    let converted = Column::new("converted".into(), [0, 1]);
    project.parquet("m.parquet", DataFrame::new(2, vec![ids, converted]).unwrap());
    project
        .pql(&["train", "--name", "m", "--features", "m.parquet"])
        .fails_with(3, &["`m.parquet`, row 2, column `account_id`: found the decimal number"]);
}
