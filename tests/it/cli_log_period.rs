//! The start and end of the log, and accounts that are not in the account list.

use std::fmt::Write as _;

use crate::project::{Project, Run, counted};

const HEADER: &str = "account_id,event,timestamp\n";

/// Returns 20 accounts that sign up on 2025-01-01, one event each per day from 2025-01-02 on.
fn steady(days: u32) -> Project {
    let project = Project::new();
    let accounts: String =
        (0..20).fold(String::new(), |text, a| text + &format!("{a},2025-01-01,\n"));
    project.write("accounts.csv", format!("account_id,signed_up_at,converted_at\n{accounts}"));
    project.write("events.csv", HEADER.to_owned() + &usage(0, days, ""));
    project.write(
        "pql.toml",
        "[[events]]\npath = \"events.csv\"\n[accounts]\npath = \"accounts.csv\"\n[observation]\nhorizon = \"7d\"\n",
    );
    project
}

/// Returns one event of each account per day, with a prefix before the ids.
fn usage(from: u32, to: u32, prefix: &str) -> String {
    let mut text = String::new();
    for day in from..to {
        for account in 0..20 {
            let t = pql::time::iso(
                crate::common::NEW_YEAR + i64::from(day + 1) * crate::common::DAY + 3_600_000_000,
            );
            writeln!(text, "{prefix}{account},login,{t}").unwrap();
        }
    }
    text
}

/// Reads the log, with more events.
#[track_caller]
fn features(project: &Project, more: &str) -> Run {
    project.write("more.csv", project.text("events.csv") + more);
    project.pql(&["features", "-o", "-", "-v", "--set", "events.0.path=more.csv"])
}

#[test]
fn a_late_event_does_not_extend_the_log() {
    let project = steady(60);
    let plain = features(&project, "").done();
    assert!(!plain.err.contains("ignored"), "{}", plain.err);
    // 2025-03-02 is the last day with events: the log ends at its start.
    plain.stderr_has(&["2025-01-02 to 2025-03-01"]);
    for (late, events) in [
        ("3,login,2025-04-12T10:00:00Z\n", 1),
        ("3,login,2025-03-20T10:00:00Z\n4,login,2025-04-12T10:00:00Z\n", 2),
        ("3,login,2026-01-01T10:00:00Z\n", 1),
    ] {
        let run = features(&project, late).done();
        assert_eq!(run.out, features(&project, "").done().out);
        let words = [
            "ignored: after 2025-03-02 there are almost no events",
            "so its last complete day is 2025-03-01",
            "2025-01-02 to 2025-03-01",
        ];
        let run = run.stderr_has(&words);
        assert_eq!(counted(&run.err, "at or after the end of the log").0, 20 + events);
    }
    let until = ["features", "-o", "-", "-v", "--set", "observation.until=2025-03-20"];
    project.pql(&until).done().stderr_has(&["2025-01-02 to 2025-03-19"]);
}

#[test]
fn an_early_event_does_not_extend_the_log() {
    let project = steady(60);
    let plain = features(&project, "").done();
    for early in ["3,login,1999-01-01T10:00:00Z\n", "3,login,2024-06-01T10:00:00Z\n"] {
        let run = features(&project, early).done();
        run.stderr_has(&[
            "long before the others, so the log starts on 2025-01-02",
            "2025-01-02 to",
        ]);
        let cutoffs = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split(',').take(2).collect::<String>()).collect()
        };
        assert_eq!(cutoffs(&features(&project, early).done().out), cutoffs(&plain.out));
    }
}

#[test]
fn events_after_a_set_end_do_not_decide_where_the_log_starts() {
    let project = steady(60);
    let features = |more: &str| {
        project.write("more.csv", project.text("events.csv") + more);
        let sets = ["--set", "events.0.path=more.csv", "--set", "observation.until=2025-01-25"];
        project.pql(&[&["features", "-o", "-", "-v"], &sets[..]].concat()).done()
    };
    let plain = features("");
    let run = features(&usage(25, 55, "").repeat(60));
    assert_eq!(run.out, plain.out);
    run.stderr_has(&["2025-01-02 to 2025-01-24"]);
}

#[test]
fn unknown_accounts_neither_extend_nor_shorten_the_log() {
    let project = steady(60);
    let plain = features(&project, "").done();
    let unknown = (0..30).fold(String::new(), |text, n| {
        text + &format!("x,login,2025-{:02}-05T10:00:00Z\n", 4 + n / 10)
    });
    let run = features(&project, &unknown).done();
    assert_eq!(run.out, plain.out);
    assert_eq!(counted(&run.err, "unknown account").0, 30);
    run.stderr_has(&["every event from 2025-04-05 on (30) is of an account that is not in the account list, such as `x`"]);
}

#[test]
fn ids_that_change_their_writing_stop_the_program() {
    let project = steady(30);
    let run = features(&project, &usage(30, 60, "A-"));
    let words = [
        "`more.csv`: the account ids change on 2025-02-01",
        "100% of the events",
        "Ids before: `0`, `1`, `10`; from then on: `A-0`, `A-1`, `A-10`",
        "hint: write the ids as in the account list",
        "observation.until = \"2025-02-01\"",
    ];
    run.fails_with(3, &words);
    // An end before the change, and another writing of whole numbers, are no problem.
    let until = ["ingest", "-o", "out", "--set", "events.0.path=more.csv", "--set"];
    project.pql(&[&until[..], &["observation.until=2025-02-01"]].concat()).done();
    let numbers = usage(30, 60, "").replace(",login", ".0,login");
    let run = features(&project, &numbers).done();
    assert_eq!(run.out, features(&project, &usage(30, 60, "")).done().out);
    // A few events are enough if the new ids are known ids in another writing.
    project.write("accounts.csv", "account_id,signed_up_at\n7,2025-01-01\n8,2025-01-01\n");
    let day = |id: &str, day: u32| format!("{id},login,2025-01-{day:02}T10:00:00Z\n");
    let few = [day("7", 2), day("8", 3), day("A-7", 4), day("A-8", 5), day("A-7", 6)].concat();
    project.write("events.csv", HEADER);
    features(&project, &few).fails_with(3, &["change on 2025-01-04", "`7`, `8`", "`A-7`, `A-8`"]);
    let other = few.replace("A-7", "x").replace("A-8", "x");
    project.write("other.csv", HEADER.to_owned() + &other);
    project.pql(&["ingest", "-o", "out", "--set", "events.0.path=other.csv"]).done();
}

#[test]
fn an_account_list_that_gets_older_is_no_change_of_ids() {
    let project = steady(60);
    let new = (0..50).fold(String::new(), |text, n| text + &usage(n + 10, 60, &format!("new{n}-")));
    let run = features(&project, &new).done();
    assert!(counted(&run.err, "unknown account").0 > 20_000, "{}", run.err);
}

#[test]
fn a_log_without_usable_accounts_shows_the_reasons() {
    let project = steady(20);
    let list = project.text("accounts.csv").replace("2025-01-01,", "2025-01-01,2024-12-01");
    project.write("accounts.csv", &list);
    let run = features(&project, "").fails_with(
        3,
        &[
            "the log is empty",
            "`accounts.csv` (accounts): 20 rows read, dropped: 20 converts or churns before sign-up",
            "`more.csv` (events): 400 rows read",
            "hint: check `accounts.signed_up`",
        ],
    );
    assert!(!run.err.contains("922337"), "{}", run.err);
    let run = project.pql(&["ingest", "-o", "out"]).fails_with(3, &["left before now"]);
    assert!(!run.err.contains("922337"), "{}", run.err);
}

#[test]
fn the_hint_names_the_setting_that_drops_the_accounts() {
    let project = steady(60);
    let list = project.text("accounts.csv").replace("2025-01-01,", "2015-01-01,");
    project.write("accounts.csv", &list);
    features(&project, "").fails_with(
        3,
        &["of 20 accounts, 20 older than `observation.max_age`", "hint: set `observation.max_age`"],
    );
    let since = ["features", "-o", "-", "--set", "observation.cutoffs=age", "--set"];
    project.pql(&[&since[..], &["observation.age=7d"]].concat()).fails_with(
        3,
        &["20 observed before the log starts", "hint: set `observation.since` earlier"],
    );
}

#[test]
fn no_account_is_observed_before_the_log_starts() {
    let project = Project::trial();
    let all = project.features(&[]);
    let since = project.features(&["--set", "observation.since=2025-02-01"]);
    let cutoff = |line: &str| line.split(',').nth(1).unwrap().to_owned();
    let expected: Vec<&str> =
        all.lines().filter(|line| cutoff(line).as_str() >= "2025-02-01").collect();
    let found: Vec<&str> = since.lines().collect();
    assert!(found.len() > 10 && found.len() < all.lines().count());
    let keys = |lines: &[&str]| -> Vec<String> {
        lines.iter().map(|l| l.split(',').take(2).collect()).collect()
    };
    assert_eq!(keys(&found), keys(&expected));
}
