//! `pql monitor` and `pql score` on logs with faults: renamed events, missing and doubled days,
//! sources that end, rounded times.

use std::fs::File;
use std::path::Path;

use polars::prelude::*;
use pql::time::iso;
use serde_json::Value;

use crate::project::{Project, Run};

/// The first day of each fault, a Wednesday.
const FAULT: &str = "2025-08-06";
/// Two days later.
const SECOND_DAY: &str = "2025-08-08";

/// One event of the simulated log.
#[derive(Clone, PartialEq)]
struct Event {
    account: String,
    user: String,
    event: String,
    /// ISO 8601.
    time: String,
    minutes: String,
}

/// A growing log as CSV, with models `age` and `snapshot` of its first half.
struct FaultyLog {
    project: Project,
    events: Vec<Event>,
}

impl FaultyLog {
    fn new(seed: u32) -> Self {
        let project = Project::new();
        let seed = seed.to_string();
        project.pql(&["simulate", "-q", "-o", ".", "--accounts", "2500", "--seed", &seed]).done();
        let text = project.text("pql.toml").replace("events.parquet", "events.csv");
        project.write("pql.toml", text);
        let events = Event::read(&project.path("events.parquet"));
        let log = Self { project, events };
        log.write(&log.events);
        for (name, cutoffs) in [("age", "age"), ("snapshot", "snapshot")] {
            let cutoffs = format!("observation.cutoffs={cutoffs}");
            let until = "observation.until=\"2025-07-01\"";
            log.project
                .pql(&["train", "-q", "--name", name, "--set", until, "--set", &cutoffs])
                .done();
        }
        log
    }

    fn write(&self, events: &[Event]) {
        self.project.write("events.csv", Event::csv(events));
    }

    /// Replaces the log by one in which each event was changed.
    fn write_changed(&self, change: impl Fn(&Event) -> Option<Event>) {
        self.write(&self.events.iter().filter_map(change).collect::<Vec<_>>());
    }

    fn monitor(&self, name: &str, at: &str) -> Run {
        self.project.pql(&["monitor", name, "--at", at, "--format", "json"])
    }

    /// Returns the alarms of both models on the second day; any alarm must set exit code 5.
    #[track_caller]
    fn alarms(&self, at: &str) -> Vec<Vec<Value>> {
        ["age", "snapshot"]
            .map(|name| {
                let run = self.monitor(name, at);
                let found: Value = serde_json::from_str(&run.out).unwrap();
                let alarms = found["alarms"].as_array().unwrap().clone();
                assert_eq!(run.code, Some(if alarms.is_empty() { 0 } else { 5 }), "{}", run.err);
                alarms
            })
            .to_vec()
    }

    /// Checks that the first alarm of both models has a code and words.
    #[track_caller]
    fn first_alarm_has(&self, at: &str, code: &str, words: &[&str]) {
        for alarms in self.alarms(at) {
            let text = alarms.first().map_or("", |alarm| alarm["text"].as_str().unwrap());
            assert_eq!(
                alarms.first().map(|a| a["code"].as_str().unwrap()),
                Some(code),
                "{alarms:?}"
            );
            words
                .iter()
                .for_each(|word| assert!(text.contains(word), "`{word}` is not in: {text}"));
        }
    }
}

impl Event {
    /// Reads the events of a simulated log.
    fn read(path: &Path) -> Vec<Self> {
        let frame = ParquetReader::new(File::open(path).unwrap()).finish().unwrap();
        let text = |name: &str| -> Vec<String> {
            let column = frame.column(name).unwrap().cast(&DataType::String).unwrap();
            column.str().unwrap().iter().map(|text| text.unwrap_or_default().to_owned()).collect()
        };
        let time = frame.column("timestamp").unwrap().cast(&DataType::Int64).unwrap();
        let time = time.i64().unwrap().iter().map(|time| iso(time.unwrap()));
        let columns = text("account_id").into_iter().zip(text("user_id")).zip(text("event"));
        let columns = columns.zip(time).zip(text("minutes"));
        columns
            .map(|((((account, user), event), time), minutes)| Self {
                account,
                user,
                event,
                time,
                minutes,
            })
            .collect()
    }

    fn csv(events: &[Self]) -> String {
        let line =
            |e: &Self| format!("{},{},{},{},{}\n", e.account, e.user, e.event, e.time, e.minutes);
        let header = "account_id,user_id,event,timestamp,minutes\n".to_owned();
        header + &events.iter().map(line).collect::<String>()
    }

    /// Returns the event at the full hour.
    fn rounded(&self) -> Self {
        let mut event = self.clone();
        event.time.replace_range(14..19, "00:00");
        event
    }

    fn is_since(&self, day: &str) -> bool {
        self.time.as_str() >= day
    }

    fn is_on(&self, day: &str) -> bool {
        self.time.starts_with(day)
    }
}

#[test]
fn a_growing_log_raises_no_alarm_and_a_renamed_event_does_on_the_second_day() {
    let log = FaultyLog::new(5);
    let mut clean = 0;
    for at in ["2025-07-03", "2025-07-22", "2025-08-08", "2025-08-20", "2025-09-06", "2025-09-25"] {
        let alarms = log.alarms(at);
        clean += alarms.iter().filter(|alarms| alarms.is_empty()).count();
        let codes = alarms.iter().flatten().map(|alarm| alarm["code"].as_str().unwrap());
        assert!(
            codes.clone().all(|code| code.ends_with("-drift") || code.ends_with("-shift")),
            "{alarms:?}"
        );
    }
    assert!(clean >= 11, "{clean} of 12 clean batches");
    log.write_changed(|event| {
        let mut event = event.clone();
        if event.is_since(FAULT) && event.event == "login" {
            event.event = "user_signed_in".to_owned();
        }
        Some(event)
    });
    log.first_alarm_has(
        SECOND_DAY,
        "event-gone",
        &[
            "`login` was last seen on 2025-08-05.",
            "expected in the 2 days since",
            "`user_signed_in` began on 2025-08-06",
            "Was the event renamed?",
        ],
    );
    // Snapshots are compared on the weekday of the training, a Sunday.
    let compared = ["age", "snapshot"].map(|name| {
        let found: Value = serde_json::from_str(&log.monitor(name, SECOND_DAY).out).unwrap();
        found["compared_at"].as_str().unwrap()[..10].to_owned()
    });
    assert_eq!(compared, [SECOND_DAY, "2025-08-03"]);
    let text = log.project.pql(&["monitor", "age", "--at", SECOND_DAY]).out;
    assert!(
        text.starts_with("1 alarm for the accounts as of 2025-08-08 00:00\n\nevent-gone  `login`"),
        "{text}"
    );
    // Two times in one report are explained.
    let text = log.project.pql(&["monitor", "snapshot", "--at", SECOND_DAY]).out;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "for the accounts as of 2025-08-08 00:00",
        "rows as of 2025-08-03 00:00",
        "The newest Sunday is compared, because the training cutoffs are on Sundays",
    ] {
        assert!(words.contains(part), "`{part}` is not in: {text}");
    }
    let text = log.project.pql(&["monitor", "age", "--at", SECOND_DAY]).out;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("Do: list both names in [roles] and retrain")
            && words.contains("Checked without an alarm: "),
        "{text}"
    );
    // Scores are not given silently on such a log.
    log.project
        .pql(&["score", "age", "--at", SECOND_DAY, "-o", "scores.csv"])
        .done()
        .stderr_has(&["`login` was last seen on 2025-08-05"]);
    // A model that is trained later does not know the old name. With both names in the role,
    // training does not warn, either.
    let text = log.project.text("pql.toml");
    log.project.write("pql.toml", text.replace("[\"login\"]", "[\"login\", \"user_signed_in\"]"));
    let until = "observation.until=\"2025-08-20\"";
    let train = log.project.pql(&["train", "--name", "new", "--set", until]).done();
    assert!(!train.err.contains("`login` was last seen"), "{}", train.err);
    let run = log.monitor("new", "2025-08-25");
    assert!(!run.out.contains("event-gone"), "{}", run.out);
}

#[test]
fn an_event_renamed_in_the_whole_history_is_gone() {
    let log = FaultyLog::new(6);
    log.write_changed(|event| {
        let mut event = event.clone();
        if event.event == "task_completed" {
            event.event = "taskCompleted".to_owned();
        }
        Some(event)
    });
    log.first_alarm_has(
        SECOND_DAY,
        "event-gone",
        &["The log has no `task_completed`.", "`taskCompleted`, unknown in training,"],
    );
    let report =
        log.project.pql(&["monitor", "age", "--at", SECOND_DAY, "-v", "--report", "page.html"]);
    assert!(report.out.contains("gone since: `task_completed`"), "{}", report.out);
    let page = log.project.text("page.html");
    assert!(
        page.contains("The log has no <code>task_completed</code>")
            && page.contains("taskCompleted")
    );
}

#[test]
fn missing_and_doubled_days_and_half_of_the_log_are_named() {
    let log = FaultyLog::new(7);
    // A Monday two days before the end, and the last day.
    log.write_changed(|event| (!event.is_on("2025-08-04")).then(|| event.clone()));
    log.first_alarm_has(SECOND_DAY, "day-missing", &["The log has no events on 2025-08-04."]);
    log.project
        .pql(&["score", "age", "--at", SECOND_DAY, "-o", "scores.csv"])
        .done()
        .stderr_has(&["no events on 2025-08-04"]);
    log.write_changed(|event| (!event.is_since("2025-08-07")).then(|| event.clone()));
    log.first_alarm_has(SECOND_DAY, "day-missing", &["The log has no events on 2025-08-07."]);
    let twice = log.events.iter().flat_map(|event| {
        std::iter::repeat_n(event.clone(), if event.is_on("2025-08-04") { 2 } else { 1 })
    });
    log.write(&twice.collect::<Vec<_>>());
    log.first_alarm_has(
        SECOND_DAY,
        "day-doubled",
        &["2025-08-04 has", "50% of them repeat another event in every column (0% on"],
    );
    // Every second event since a day, and of all days.
    let half = |since: &str| -> Vec<Event> {
        let numbered = log.events.iter().enumerate();
        numbered.filter(|(n, e)| n % 2 == 0 || !e.is_since(since)).map(|(_, e)| e.clone()).collect()
    };
    log.write(&half(FAULT));
    log.first_alarm_has(
        SECOND_DAY,
        "volume-drop",
        &["from 2025-08-06 to 2025-08-07", "of the expected"],
    );
    log.write(&half("2000"));
    log.first_alarm_has(
        SECOND_DAY,
        "history-changed",
        &["from 2025-06-03 to 2025-06-30, 50% of the"],
    );
}

#[test]
fn a_campaign_in_the_history_hides_no_fault() {
    let log = FaultyLog::new(10);
    // Three times as many events on four days, four weeks before the faults.
    let is_campaign = |event: &Event| event.is_since("2025-07-08") && !event.is_since("2025-07-12");
    let with_campaign = |copies: &dyn Fn(usize, &Event) -> usize| {
        let mut events = Vec::new();
        for (number, event) in log.events.iter().enumerate() {
            events.extend(std::iter::repeat_n(event.clone(), copies(number, event)));
            for second in ["07", "23"].iter().filter(|_| is_campaign(event)) {
                let mut other = event.clone();
                other.time.replace_range(17..19, second);
                events.push(other);
            }
        }
        log.write(&events);
    };
    with_campaign(&|_, _| 1);
    for alarm in log.alarms(SECOND_DAY).iter().flatten() {
        let code = alarm["code"].as_str().unwrap();
        assert!(code.ends_with("-drift") || code.ends_with("-shift"), "{alarm}");
    }
    with_campaign(&|number, event| usize::from(!event.is_since(FAULT) || number.is_multiple_of(2)));
    let words = ["The log has", "from 2025-08-06 to 2025-08-07", "of the expected"];
    log.first_alarm_has(SECOND_DAY, "volume-drop", &words);
    with_campaign(&|_, event| if event.is_on("2025-08-04") { 2 } else { 1 });
    let words = ["2025-08-04 has", "were expected, and 50% of them repeat another event"];
    log.first_alarm_has(SECOND_DAY, "day-doubled", &words);
    // Half of the events of a day, each of them twice: the volume is as usual.
    with_campaign(&|number, event| if event.is_on("2025-08-04") { 2 * (number % 2) } else { 1 });
    log.first_alarm_has(SECOND_DAY, "day-doubled", &words);
}

#[test]
fn scores_and_features_are_those_of_the_compared_rows() {
    let log = FaultyLog::new(11);
    let run = log.monitor("snapshot", SECOND_DAY);
    let found: Value = serde_json::from_str(&run.out).unwrap();
    let number = |pointer: &str| found.pointer(pointer).unwrap().as_f64().unwrap();
    let (rows, not_compared) = (number("/rows"), number("/not_compared"));
    let compared = rows - not_compared;
    assert!(not_compared > 0.0 && compared > 0.0, "{rows} {not_compared}");
    let expected = compared * number("/scores/current_mean");
    assert!((number("/scores/expected_conversions") - expected).abs() < 1e-6 * expected);
    let args = ["monitor", "snapshot", "--at", SECOND_DAY, "-v", "--report", "page.html"];
    let text = log.project.pql(&args).out;
    let plain = |text: &str| text.replace(',', "");
    for part in [
        format!("Compared {compared} of {rows} rows as of"),
        format!("{not_compared} rows could not be compared"),
        format!("Scores of the {compared} compared rows (training: rows of the same account ages)"),
        "Features of the compared rows".to_owned(),
    ] {
        assert!(plain(&text).contains(&part), "`{part}` is not in: {text}");
    }
    let page = plain(&log.project.text("page.html"));
    for part in [
        format!("{compared} of {rows} rows of the batch were compared with"),
        format!("of {compared} compared rows; training:"),
        format!("{not_compared} of {rows} rows not compared"),
    ] {
        assert!(page.contains(&part), "`{part}` is not in the page");
    }
}

#[test]
fn times_on_whole_hours_and_a_source_that_ends_are_named() {
    let log = FaultyLog::new(8);
    log.write_changed(|event| {
        Some(if event.is_since(FAULT) { event.rounded() } else { event.clone() })
    });
    log.first_alarm_has(
        SECOND_DAY,
        "round-times",
        &["100% of the times fall on whole hours since 2025-08-06"],
    );
    let is_report =
        |event: &Event| event.event == "report_viewed" || event.event == "task_completed";
    let (reports, others): (Vec<Event>, Vec<Event>) =
        log.events.iter().cloned().partition(is_report);
    log.write(&others);
    let reports: Vec<Event> = reports.into_iter().filter(|event| !event.is_since(FAULT)).collect();
    log.project.write("reports.csv", Event::csv(&reports));
    let text = log.project.text("pql.toml");
    let source = "[[events]]\npath = \"reports.csv\"\nvalues = [\"minutes\"]\n\n[accounts]";
    log.project.write("pql.toml", text.replacen("[accounts]", source, 1));
    log.first_alarm_has(
        SECOND_DAY,
        "source-ended",
        &["reports.csv` ends on 2025-08-05, but other sources go on until 2025-08-07."],
    );
    // Its event types are not reported one by one.
    assert!(log.alarms(SECOND_DAY).iter().flatten().all(|alarm| alarm["code"] != "event-gone"));
}

/// A log whose events are in two files.
struct TwoSources {
    log: FaultyLog,
}

/// A condition on an event.
type Condition<'a> = &'a dyn Fn(&Event) -> bool;

/// The event types of the second file.
const OF_TASKS: [&str; 2] = ["task_completed", "file_shared"];

impl TwoSources {
    fn new(seed: u32) -> Self {
        let log = FaultyLog::new(seed);
        let text = log.project.text("pql.toml");
        let source = "[[events]]\npath = \"tasks.csv\"\nvalues = [\"minutes\"]\n\n[accounts]";
        log.project.write("pql.toml", text.replacen("[accounts]", source, 1));
        Self { log }
    }

    /// Writes both files with a number of copies of each event, at exact or rounded times.
    fn write(&self, copies: impl Fn(usize, &Event) -> usize, is_rounded: impl Fn(&Event) -> bool) {
        let (mut tasks, mut others) = (Vec::new(), Vec::new());
        for (number, event) in self.log.events.iter().enumerate() {
            let file =
                if OF_TASKS.contains(&event.event.as_str()) { &mut tasks } else { &mut others };
            let event_as_written = if is_rounded(event) { event.rounded() } else { event.clone() };
            file.extend(std::iter::repeat_n(event_as_written, copies(number, event)));
        }
        self.log.write(&others);
        self.log.project.write("tasks.csv", Event::csv(&tasks));
    }

    /// Returns the faults of the log at a time.
    #[track_caller]
    fn faults(&self, at: &str) -> Vec<Value> {
        let run = self.log.monitor("age", at);
        let found: Value = serde_json::from_str(&run.out).unwrap();
        let alarms = found["alarms"].as_array().unwrap().iter();
        let is_fault = |alarm: &&Value| {
            let code = alarm["code"].as_str().unwrap();
            !code.ends_with("-drift") && !code.ends_with("-shift")
        };
        alarms.filter(is_fault).cloned().collect()
    }

    /// Checks that one fault is reported, of an event type or of a source.
    #[track_caller]
    fn has_one(&self, code: &str, series: [Option<&str>; 2], words: &[&str]) {
        let faults = self.faults(SECOND_DAY);
        assert_eq!(faults.len(), 1, "{faults:?}");
        let [source, event] = ["source", "event"].map(|key| faults[0]["data"][key].as_str());
        assert_eq!((faults[0]["code"].as_str(), event), (Some(code), series[1]), "{faults:?}");
        let is_source = source.zip(series[0]).is_some_and(|(path, name)| path.ends_with(name));
        assert!(is_source || source == series[0], "{faults:?}");
        let text = faults[0]["text"].as_str().unwrap();
        words.iter().for_each(|word| assert!(text.contains(word), "`{word}` is not in: {text}"));
    }
}

#[test]
fn each_fault_of_one_event_type_or_of_one_source_is_reported_once() {
    let two = TwoSources::new(9);
    let never = |_: &Event| false;
    two.write(|_, _| 1, never);
    for at in ["2025-07-08", "2025-07-24", SECOND_DAY, "2025-08-25", "2025-09-14", "2025-09-30"] {
        assert_eq!(two.faults(at), [Value::Null; 0], "{at}");
    }
    let is_login = |event: &Event| event.event == "login";
    let is_task = |event: &Event| OF_TASKS.contains(&event.event.as_str());
    let is_fault_day = |event: &Event| event.is_on("2025-08-04");
    let series: [(Condition<'_>, [Option<&str>; 2], &str); 2] = [
        (&is_login, [None, Some("login")], "`login` events"),
        (&is_task, [Some("tasks.csv"), None], "tasks.csv`"),
    ];
    for (is_of, names, words) in series {
        let half = |number: usize, event: &Event| {
            usize::from(!(is_of(event) && event.is_since(FAULT)) || number.is_multiple_of(2))
        };
        two.write(half, never);
        let since = ["from 2025-08-06 to 2025-08-07", "of the expected", words];
        two.has_one("volume-drop", names, &since);
        two.write(|_, event| usize::from(!(is_of(event) && is_fault_day(event))), never);
        two.has_one("day-missing", names, &["on 2025-08-04.", "were expected", words]);
        two.write(|_, event| if is_of(event) && is_fault_day(event) { 2 } else { 1 }, never);
        let repeated =
            ["2025-08-04 has", "were expected, and 50% of them repeat another event", words];
        two.has_one("day-doubled", names, &repeated);
        two.write(|_, _| 1, |event| is_of(event) && event.is_since(FAULT));
        two.has_one(
            "round-times",
            names,
            &["100% of the times", "on whole hours since 2025-08-06"],
        );
    }
    // A source that ends is not a loss of the log, nor of its event types.
    two.write(|_, event| usize::from(!(is_task(event) && event.is_since(FAULT))), never);
    two.has_one("source-ended", [Some("tasks.csv"), None], &["ends on 2025-08-05"]);
    // Half of all events is one loss.
    two.write(|number, event| usize::from(!event.is_since(FAULT) || number % 2 == 0), never);
    two.has_one("volume-drop", [None, None], &["The log has", "from 2025-08-06 to 2025-08-07"]);
    // Half of one event type in the whole history.
    two.write(|number, event| usize::from(!is_login(event) || number % 2 == 0), never);
    let changed = ["`login` events from 2025-06-03 to 2025-06-30, 50% of the"];
    two.has_one("history-changed", [None, Some("login")], &changed);
}
