mod columns;

use std::fmt::Write as _;
use std::fs;

use super::*;
use crate::config::Config;
use crate::io::sink::Sink;
use crate::log::{Log, ReadOptions};
use crate::time::Timestamp;
use crate::training::{TrainOptions, TrainedModel, train_on_log};

/// A time after all test data.
const NOW: i64 = 2_000_000_000 * crate::time::SECOND;

/// Trains with the text of a project file, like `pql train`.
fn trained(toml: &str, folder: &Path) -> Result<TrainedModel> {
    let config = Config::parse(toml, &folder.join("pql.toml"), &[])?;
    let options = ReadOptions { now: Timestamp(NOW), ..ReadOptions::for_training(&config) };
    let log = Log::read(&config, &options, &mut Sink::silent())?;
    train_on_log(&config, log, TrainOptions::default(), &mut Sink::silent())
}

fn day(n: usize) -> String {
    crate::time::Day::from_number(i64::try_from(19_000 + n).unwrap()).to_string()
}

/// Writes a log of 60 accounts over 140 days, in which opening reports predicts conversion.
fn demo(folder: &Path) {
    let (mut events, mut accounts) = (
        "workspace_id,user_email,\"the \"\"event\"\" name\",ts,minutes\n".to_owned(),
        "workspace_id,company_name,industry,signup_date,plan_tier,seats,became_customer_at,country\n".to_owned(),
    );
    for a in 0..60 {
        let signed_up = a;
        let converted = if a % 3 == 0 { day(signed_up + 25 + a % 40) } else { String::new() };
        writeln!(
            accounts,
            "w{a},Company {a},{},{},{},{},{converted},DE",
            ["x", "y"][a % 2],
            day(signed_up),
            ["Free", "Pro"][a % 2],
            a % 7 + 1
        )
        .unwrap();
        for step in 0..12 {
            let event_day = signed_up + step * (5 + a % 3);
            if event_day < 140 {
                let name =
                    if a % 3 == 0 || step % 4 == 0 { "report \\ opened" } else { "logged_in" };
                writeln!(
                    events,
                    "w{a},u{}@x.com,{name},{}T10:00:00,{}",
                    step % 3,
                    day(event_day),
                    step
                )
                .unwrap();
            }
        }
        writeln!(events, "w{a},,invoice_paid,{}T11:00:00,", day(signed_up + 30)).unwrap();
    }
    fs::write(folder.join("log.csv"), events).unwrap();
    fs::write(folder.join("accounts.csv"), accounts).unwrap();
}

fn guess_demo() -> (tempfile::TempDir, Guess) {
    let folder = tempfile::tempdir().unwrap();
    demo(folder.path());
    let guess = guess(
        &[folder.path().join("log.csv")],
        Some(&folder.path().join("accounts.csv")),
        folder.path(),
        &InitOptions::default(),
        NOW,
    )
    .unwrap();
    (folder, guess)
}

#[test]
fn the_guessed_project_file_is_right_and_trains() {
    let (folder, guess) = guess_demo();
    let config = Config::parse(&guess.toml, &folder.path().join("pql.toml"), &[]).unwrap();
    assert!(guess.toml.starts_with("#:schema https://"), "{}", guess.toml);
    let (source, list) = (&config.events[0], config.accounts.as_ref().unwrap());
    assert_eq!(source.path, folder.path().join("log.csv"));
    assert_eq!(source.account.as_deref(), Some("workspace_id"));
    assert_eq!(source.user.as_deref(), Some("user_email"));
    assert_eq!(source.event.as_deref(), Some("the \"event\" name"));
    assert_eq!(source.timestamp.as_deref(), Some("ts"));
    assert!(source.values.is_empty() && guess.toml.contains("# values = [\"minutes\"]"));
    assert_eq!(list.signed_up.as_deref(), Some("signup_date"));
    assert_eq!(list.converted.as_deref(), Some("became_customer_at"));
    assert_eq!(list.seats.as_deref(), Some("seats"));
    assert_eq!(list.attributes, ["industry"]);
    assert_eq!(
        (config.roles.login, config.roles.exclude),
        (vec!["logged_in".to_owned()], vec!["invoice_paid".to_owned()])
    );
    assert!(guess.toml.contains("such as [\"report \\\\ opened\"]"), "{}", guess.toml);
    assert!(
        guess.remarks.iter().any(|r| r.contains("not an attribute: `plan_tier`")),
        "{:?}",
        guess.remarks
    );
    let model = trained(&guess.toml, folder.path()).unwrap().model;
    assert!(model.split.train.converting_accounts >= 10);
}

#[test]
fn the_guess_is_deterministic() {
    let (folder, once) = guess_demo();
    let repeated = guess(
        &[folder.path().join("log.csv")],
        Some(&folder.path().join("accounts.csv")),
        folder.path(),
        &InitOptions::default(),
        NOW,
    )
    .unwrap();
    assert_eq!((once.toml, once.remarks), (repeated.toml, repeated.remarks));
}

/// Writes a month of NDJSON without an account list: 20 users, of whom the first 12 upgrade.
fn month(folder: &Path) {
    for n in 0..30 {
        let mut lines = String::new();
        for user in 0..20 {
            let mut event = |page: &str, hour: i64| {
                let ts = 1_541_030_400_000_i64 + (n * 24 + hour) * 3_600_000;
                writeln!(
                    lines,
                    "{{\"userId\":\"{user}\",\"page\":\"{page}\",\"ts\":{ts},\"level\":\"free\"}}"
                )
                .unwrap();
            };
            event(if user % 4 == n % 4 { "Home" } else { "NextSong" }, 3);
            if user < 12 && n == 9 + user {
                event("Upgrade", 4);
                event("Submit Upgrade", 5);
            }
        }
        writeln!(
            lines,
            "{{\"userId\":\"\",\"page\":\"Login\",\"ts\":{},\"level\":\"free\"}}",
            1_541_030_400_000_i64 + n * 86_400_000
        )
        .unwrap();
        fs::write(folder.join(format!("{n:02}-events.json")), lines).unwrap();
    }
}

#[test]
fn a_short_log_gets_a_short_horizon_and_trains() {
    let folder = tempfile::tempdir().unwrap();
    month(folder.path());
    let guess =
        guess(&[folder.path().to_owned()], None, folder.path(), &InitOptions::default(), NOW)
            .unwrap();
    let config = Config::parse(&guess.toml, &folder.path().join("pql.toml"), &[]).unwrap();
    assert_eq!(config.events[0].account.as_deref(), Some("userId"));
    assert_eq!(
        (config.events[0].user.as_ref(), config.events[0].event.as_deref()),
        (None, Some("page"))
    );
    assert_eq!(config.roles.converted, ["Submit Upgrade"]);
    assert_eq!(config.roles.exclude, ["Upgrade"]);
    assert!(config.observation.horizon <= crate::time::TimeSpan::days(14));
    assert!(
        guess.remarks.iter().any(|r| r.contains("short, because the log covers only")),
        "{:?}",
        guess.remarks
    );
    trained(&guess.toml, folder.path()).unwrap();
}

#[test]
fn a_daily_table_is_unpivoted_and_another_source_has_conversions() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("days.csv"), "row_id,student_id,quizzes,exams,day\n1,a,1,0,2024-01-05\n2,b,0,1,2024-01-06\n3,b,1,1,2024-01-08\n")
        .unwrap();
    fs::write(
        path("the_purchases.csv"),
        "purchase_id,student_id,purchase_type,date_purchased\n1,b,Annual,2024-01-08\n",
    )
    .unwrap();
    fs::write(
        path("students.csv"),
        "student_id,date_registered\na,2024-01-01\nb,2024-01-02\nc,2024-01-03\n",
    )
    .unwrap();
    let guess = guess(
        &[path("days.csv"), path("the_purchases.csv")],
        Some(&path("students.csv")),
        folder.path(),
        &InitOptions::default(),
        NOW,
    )
    .unwrap();
    let config = Config::parse(&guess.toml, &path("pql.toml"), &[]).unwrap();
    assert_eq!(config.events[0].unpivot, ["quizzes", "exams"]);
    assert_eq!(config.events[1].event_name.as_deref(), Some("the_purchases"));
    assert_eq!(config.roles.converted, ["the_purchases"]);
    assert!(
        guess.tasks.iter().any(|r| r.contains("no model can be trained yet")),
        "{:?}",
        guess.tasks
    );
}

#[test]
fn day_or_month_first_is_decided_by_the_whole_file_or_reported_as_ambiguous() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.csv");
    let row = |date: &str| format!("a,x,{date}\nb,y,{date}\n");
    let head = "account_id,event,timestamp\n";
    let early: String = std::iter::repeat_n(row("03/04/2024"), 30_000).collect();
    fs::write(&path, format!("{head}{early}")).unwrap();
    let ambiguous =
        guess(std::slice::from_ref(&path), None, folder.path(), &InitOptions::default(), NOW)
            .unwrap();
    assert!(
        ambiguous.toml.contains("format = \"%m/%d/%Y\"") && ambiguous.toml.contains("AMBIGUOUS"),
        "{}",
        ambiguous.toml
    );
    assert!(ambiguous.remarks.iter().any(|r| r.contains("also fit")));
    fs::write(&path, format!("{head}{early}{}", row("25/04/2024"))).unwrap();
    let decided =
        guess(std::slice::from_ref(&path), None, folder.path(), &InitOptions::default(), NOW)
            .unwrap();
    assert!(
        decided.toml.contains("format = \"%d/%m/%Y\"") && !decided.toml.contains("AMBIGUOUS"),
        "{}",
        decided.toml
    );
}

#[test]
fn odd_names_are_escaped() {
    let odd = "a \"b\" \\ \n\t\u{1}\u{2028} # é";
    let toml =
        format!("[roles]\nlogin = [{}] # {}\n", toml_page::string(odd), toml_page::string(odd));
    assert_eq!(Config::parse(&toml, Path::new("pql.toml"), &[]).unwrap().roles.login, [odd]);
}

#[test]
fn a_source_without_times_or_accounts_gets_a_file_with_fixme() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.csv");
    for (text, line, task) in [
        ("account_id,event\na,x\n", "timestamp = \"FIXME\"", "no column of `e.csv` has times"),
        ("event,timestamp\nx,2024-01-01\n", "account = \"FIXME\"", "looks like account ids"),
    ] {
        fs::write(&path, text).unwrap();
        let guess = init(&[&path], None, folder.path());
        assert!(guess.toml.contains(line), "{}", guess.toml);
        assert!(guess.tasks[0].contains(task), "{:?}", guess.tasks);
        Config::parse(&guess.toml, &folder.path().join("pql.toml"), &[]).unwrap();
    }
}

#[test]
fn a_table_of_features_gets_a_matrix_section_that_trains() {
    let row = |n: u32| {
        let tenure = n * 7_919 % 60;
        let churn = if n * 104_729 % 97 < 20 + 70 - tenure { "Yes" } else { "No" };
        format!("c{n},{tenure},{},{churn}\n", ["basic", "pro", "team"][n as usize % 3])
    };
    let rows: String = (0..300).map(row).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("customers.csv");
    fs::write(&path, format!("customerID,tenure,plan,Churn\n{rows}")).unwrap();
    let guess = init(&[&path], None, folder.path());
    assert_eq!(guess.tasks, [""; 0]);
    has(&guess, &["[matrix]\nlabel = \"Churn\"", "positive = \"Yes\"", "account = \"customerID\""]);
    let kind = "`customers.csv` is a table of features, not a log of events: it has one row per account (`customerID`) and no column of times";
    assert_eq!(guess.remarks[0], kind);
    assert_eq!(guess.features.as_deref(), Some(path.as_path()));
    let config = Config::parse(&guess.toml, &folder.path().join("pql.toml"), &[]).unwrap();
    assert_eq!(config.matrix.label.as_deref(), Some("Churn"));
    // Several rows of an account without times are a log whose times are missing.
    fs::write(&path, "account_id,event,paid\na,login,1\na,view,0\nb,login,0\n").unwrap();
    let guess = init(&[&path], None, folder.path());
    has(&guess, &["timestamp = \"FIXME\""]);
    assert_eq!(guess.features, None);
}

#[test]
fn empty_files_get_a_project_file_with_fixme() {
    let list = "account_id,signed_up,converted_at\na,2024-01-01,2024-02-01\nb,2024-01-02,\n";
    for empty in ["", "account_id,event,timestamp\n"] {
        let guess = files(&[("e.csv", empty), ("list.csv", list)]);
        assert_eq!(guess.tasks, ["`e.csv` has no rows: export the events again"]);
        has(&guess, &["# FIXME: `e.csv` has no rows", "account = \"FIXME\"", "list.csv"]);
    }
    let events = "account_id,event,timestamp\na,login,2024-01-01\nb,login,2024-01-02\n";
    let guess = files(&[("e.csv", events), ("list.csv", "account_id,signed_up\n")]);
    assert_eq!(guess.tasks, ["`list.csv` has no rows: export the accounts again"]);
}

#[test]
fn one_bad_time_does_not_hide_a_column() {
    let rows: Vec<String> = (0..30)
        .map(|n| {
            let at = if n == 7 { "pending".to_owned() } else { format!("{}T10:00:00", day(n)) };
            format!("a{},login,{at}\n", n % 9)
        })
        .collect();
    let list: Vec<String> = (0..9).map(|n| format!("a{n},{},{}\n", day(n), day(n + 5))).collect();
    let guess = files(&[
        ("e.csv", &format!("account_id,event,occurred_at\n{}", rows.concat())),
        ("list.csv", &format!("account_id,signed_up,converted_at\n{}", list.concat())),
    ]);
    has(&guess, &["\ntimestamp = \"occurred_at\""]);
    let task = &guess.tasks[0];
    assert!(task.contains("row 8") && task.contains("`pending`"), "{task}");
}

#[test]
fn ids_with_and_without_leading_zeros_are_shown_in_both_spellings() {
    let events =
        "customer,event,timestamp\n1,login,2024-01-01\n2,login,2024-01-02\n1,x,2024-01-02\n";
    let list = "customer,signed_up\n00001,2024-01-01\n00002,2024-01-01\n00003,2024-01-01\n";
    let guess = files(&[("e.csv", events), ("list.csv", list)]);
    assert!(
        guess.tasks[0].starts_with(
            "an account is `00001` in `customer` of `list.csv` and `1` in `customer` of `e.csv`"
        ),
        "{:?}",
        guess.tasks
    );
}

#[test]
fn conversions_before_the_sign_up_or_never_are_named() {
    let events: Vec<String> = (0..30).map(|n| format!("a{n},login,{}\n", day(n))).collect();
    let events = format!("account_id,event,timestamp\n{}", events.concat());
    for (converted, why) in [
        (day(0), "Fix `converted_at` (before the sign-up of 100% of accounts)"),
        (
            "1970-01-01".to_owned(),
            "Fix `converted_at` (all of its times mean never, such as 1970-01-01)",
        ),
    ] {
        let row = |n: usize| {
            let converted = if n.is_multiple_of(2) { converted.as_str() } else { "" };
            format!("a{n},{},{converted}\n", day(n + 10))
        };
        let rows: Vec<String> = (0..30).map(row).collect();
        let list = format!("account_id,signed_up,converted_at\n{}", rows.concat());
        let guess = files(&[("e.csv", &events), ("list.csv", &list)]);
        assert!(guess.tasks[0].contains(why), "{:?}", guess.tasks);
    }
}

#[test]
fn accounts_that_are_too_old_for_every_cutoff_are_named() {
    let events: Vec<String> = (0..40).map(|n| format!("a{},login,{}\n", n % 10, day(n))).collect();
    let list: Vec<String> = (0..10)
        .map(|n| format!("a{n},2015-01-01,{}\n", if n % 2 == 0 { day(20) } else { String::new() }))
        .collect();
    let guess = files(&[
        ("e.csv", &format!("account_id,event,timestamp\n{}", events.concat())),
        ("list.csv", &format!("account_id,signed_up,converted_at\n{}", list.concat())),
    ]);
    assert!(guess.tasks[0].contains("observation.max_age"), "{:?}", guess.tasks);
}

/// Writes files and guesses a project file for them; the account list is called `list.csv`.
fn files(files: &[(&str, &str)]) -> Guess {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, text) in files {
        fs::write(path(name), text).unwrap();
    }
    let events: Vec<PathBuf> =
        files.iter().filter(|(name, _)| *name != "list.csv").map(|(name, _)| path(name)).collect();
    let events: Vec<&Path> = events.iter().map(PathBuf::as_path).collect();
    let list = path("list.csv");
    init(&events, list.exists().then_some(list.as_path()), folder.path())
}

fn init(events: &[&Path], list: Option<&Path>, folder: &Path) -> Guess {
    let events: Vec<PathBuf> = events.iter().map(|path| path.to_path_buf()).collect();
    guess(&events, list, folder, &InitOptions::default(), NOW).unwrap()
}

#[track_caller]
fn has(guess: &Guess, lines: &[&str]) {
    for line in lines {
        assert!(guess.toml.contains(line), "missing {line:?} in\n{}", guess.toml);
    }
}
