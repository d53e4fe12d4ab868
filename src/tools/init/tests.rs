use std::fmt::Write as _;
use std::fs;

use super::*;
use crate::dataset::rows::Rows;
use crate::training::{TrainedModel, prepare, train};

/// A time after all test data.
const NOW: i64 = 2_000_000_000 * crate::time::SECOND;

/// Trains with the text of a project file, like `pql train`.
fn trained(toml: &str, folder: &Path) -> Result<TrainedModel> {
    let config = Config::parse(toml, &folder.join("pql.toml"), &[])?;
    let log = read_log(&config, NOW)?;
    let rows = observe(&log, &config.observation, config.model.test_size)?;
    let (catalog, _) = FeatureCatalog::fit(&log, &rows, &config.features, &config.roles)?;
    let features = crate::dataset::features::compute(&catalog, &log, &rows, &Progress::silent())?;
    let rows = Rows::from_log(log, rows, catalog, features);
    train(&config, &rows, prepare(&config, &rows)?, &Progress::silent())
}

fn day(n: usize) -> String {
    crate::time::iso_day(crate::time::DAY * i64::try_from(19_000 + n).unwrap())
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
    let guess = guess(&[folder.path().to_owned()], None, folder.path(), NOW).unwrap();
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
        NOW,
    )
    .unwrap();
    let config = Config::parse(&guess.toml, &path("pql.toml"), &[]).unwrap();
    assert_eq!(config.events[0].unpivot, ["quizzes", "exams"]);
    assert_eq!(config.events[1].event_name.as_deref(), Some("the_purchases"));
    assert_eq!(config.roles.converted, ["the_purchases"]);
    assert!(
        !guess.trainable && guess.remarks.iter().any(|r| r.contains("no model can be trained yet")),
        "{:?}",
        guess.remarks
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
    let ambiguous = guess(std::slice::from_ref(&path), None, folder.path(), NOW).unwrap();
    assert!(
        ambiguous.toml.contains("format = \"%m/%d/%Y\"") && ambiguous.toml.contains("AMBIGUOUS"),
        "{}",
        ambiguous.toml
    );
    assert!(ambiguous.remarks.iter().any(|r| r.contains("also fit")));
    fs::write(&path, format!("{head}{early}{}", row("25/04/2024"))).unwrap();
    let decided = guess(std::slice::from_ref(&path), None, folder.path(), NOW).unwrap();
    assert!(
        decided.toml.contains("format = \"%d/%m/%Y\"") && !decided.toml.contains("AMBIGUOUS"),
        "{}",
        decided.toml
    );
}

#[test]
fn odd_names_are_escaped() {
    let odd = "a \"b\" \\ \n\t\u{1}\u{2028} # é";
    let toml = format!("[roles]\nlogin = [{}] # {}\n", text::string(odd), text::string(odd));
    assert_eq!(Config::parse(&toml, Path::new("pql.toml"), &[]).unwrap().roles.login, [odd]);
}

#[test]
fn a_source_without_times_or_accounts_is_reported_with_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.csv");
    for (text, missing) in [
        ("account_id,event\na,x\n", "a time column"),
        ("event,timestamp\nx,2024-01-01\n", "an account column"),
    ] {
        fs::write(&path, text).unwrap();
        let error = guess(std::slice::from_ref(&path), None, folder.path(), NOW).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(
            error.to_string().contains(missing) && error.to_string().contains("`event`"),
            "{error}"
        );
    }
}
