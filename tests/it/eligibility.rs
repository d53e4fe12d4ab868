//! `[eligibility]`: accounts that must not be contacted are scored, but never qualify.

use crate::common::csv_rows;
use crate::project::Project;

/// A trained project in which every scored account qualifies.
fn project(eligibility: &str) -> Project {
    let project = Project::trial();
    let config = project.text("pql.toml").replace("cutoffs = \"age\"\nage = \"7d\"\n", "");
    project.write("pql.toml", config + "\n[qualify]\nthreshold = 1e-9\n");
    project.train(&["--set", "observation.until=2025-05-01"]).done();
    project.write("pql.toml", project.text("pql.toml") + "\n[eligibility]\n" + eligibility);
    project
}

type Rows = Vec<std::collections::BTreeMap<String, String>>;

fn score(project: &Project, args: &[&str]) -> (Rows, String) {
    let all = [&["score", "t", "-o", "scores.csv", "--at", "2025-05-01"], args].concat();
    let err = project.pql(&all).done().unwrapped_messages();
    (csv_rows(&project.path("scores.csv")), err)
}

/// Returns the accounts with a reason, and checks that exactly the others qualify.
#[track_caller]
fn with_reason(rows: &Rows, reason: &str) -> Vec<String> {
    for row in rows {
        let eligible = row["eligible"] == "true";
        assert_eq!(eligible, row["ineligible_reason"].is_empty(), "{row:?}");
        assert_eq!(row["qualified"], row["eligible"], "{row:?}");
        assert_eq!(row["qualified_by"].is_empty(), !eligible, "{row:?}");
        assert!(!row["probability"].is_empty() && !row["tier"].is_empty(), "{row:?}");
    }
    let has = |text: &str| text.split(';').any(|code| code == reason);
    let mut accounts: Vec<String> = rows
        .iter()
        .filter(|row| has(&row["ineligible_reason"]))
        .map(|row| row["account_id"].clone())
        .collect();
    accounts.sort();
    accounts
}

/// Returns some scored accounts.
fn scored(project: &Project) -> Vec<String> {
    let (rows, _) = score(project, &["--set", "eligibility.min_users=0"]);
    assert!(rows.len() > 20, "{}", rows.len());
    let mut accounts: Vec<String> = rows.into_iter().map(|row| row["account_id"].clone()).collect();
    accounts.sort();
    accounts
}

#[test]
fn without_the_section_the_columns_are_absent() {
    let project = project("");
    let config = project.text("pql.toml").replace("\n[eligibility]\n", "");
    let (rows, _) = score(&project, &[]);
    assert!(with_reason(&rows, "open-deal").is_empty());
    project.write("pql.toml", config);
    let (rows, _) = score(&project, &[]);
    assert!(!rows[0].contains_key("eligible") && !rows[0].contains_key("ineligible_reason"));
}

#[test]
fn an_open_deal_makes_an_account_ineligible_until_it_is_closed() {
    let project = project("deals = \"deals.csv\"\n");
    let accounts = scored_without_deals(&project);
    let [a, b, c, d] = [0, 1, 2, 3].map(|index| accounts[index].as_str());
    project.write(
        "deals.csv",
        format!(
            "account_id,opened_at,closed_at\n{a},2025-04-01,\n{b},2025-04-01,2025-04-20\n\
             {c},2025-05-02,\n{d},2025-04-01,2025-06-01\nother,2025-04-01,\n{d},,\n"
        ),
    );
    let (rows, err) = score(&project, &[]);
    assert_eq!(with_reason(&rows, "open-deal"), [a, d]);
    assert!(err.contains("2 of the") && err.contains("not eligible"), "{err}");
    assert!(err.contains("2 open-deal"), "{err}");
    let qualified = rows.len() - 2;
    assert!(
        err.contains(&format!(
            "{qualified} of the {} scored accounts qualify: they are eligible and reach the threshold",
            rows.len()
        )),
        "{err}"
    );
    let explain = |account: &str, format: &str| {
        let args = ["explain", "t", account, "--at", "2025-05-01", "--format", format];
        project.pql(&args).done().out
    };
    let text = explain(a, "table");
    assert!(
        text.contains(&format!("{a} is not eligible and does not qualify"))
            && text.contains("it has an open deal"),
        "{text}"
    );
    assert!(!explain(b, "table").contains("not eligible"));
    let json = explain(a, "json");
    assert!(
        json.contains("\"eligible\": false")
            && json.contains("\"ineligible_reason\": \"open-deal\""),
        "{json}"
    );
    assert!(explain(b, "json").contains("\"ineligible_reason\": null"));
    let run = project.pql(&["score", "t", "-v", "-o", "scores.csv", "--at", "2025-05-01"]).done();
    for reason in ["unknown account", "time missing"] {
        assert!(run.err.contains(reason), "{}", run.err);
    }
}

#[test]
fn a_deal_of_an_account_that_signs_up_later_is_no_unknown_account() {
    let project = project("deals = \"deals.csv\"\n");
    project.write("deals.csv", "account_id,opened_at,closed_at\nnone,2025-01-01,\n");
    let list = project.text("accounts.csv");
    let late = "late,2025-05-03";
    let columns = list.lines().next().unwrap().matches(',').count();
    project.write("accounts.csv", format!("{list}{late}{}\n", ",".repeat(columns - 1)));
    let reasons = |at: &str| {
        let args = ["score", "t", "-v", "-o", "scores.csv", "--at", at];
        project.pql(&args).done().unwrapped_messages()
    };
    project.write("deals.csv", "account_id,opened_at,closed_at\nlate,2025-01-01,\n");
    let err = reasons("2025-05-01");
    let later = "signs up at or after the end of the log";
    let deals = err.lines().skip_while(|line| !line.contains("deals.csv"));
    let deals: Vec<&str> = deals.take(2).collect();
    assert!(deals.iter().any(|line| line.contains(later)), "{err}");
    assert!(!err.contains("unknown account"), "{err}");
    let err = reasons("2025-05-04");
    assert!(!err.contains("unknown account"), "{err}");
}

/// Returns some scored accounts of a project whose deals are missing.
fn scored_without_deals(project: &Project) -> Vec<String> {
    project.write("deals.csv", "account_id,opened_at,closed_at\nnone,2025-01-01,\n");
    scored(project)
}

#[test]
fn deals_can_be_columns_of_the_account_list() {
    let project = project("deal_opened = \"deal_at\"\ndeal_closed = \"won_at\"\n");
    let list = project.text("accounts.csv");
    let with = |number: usize, line: &str| match number {
        0 => format!("{line},deal_at,won_at\n"),
        n if n % 4 == 0 => format!("{line},2025-04-20,\n"),
        n if n % 4 == 1 => format!("{line},2025-04-20,2025-04-25\n"),
        _ => format!("{line},,\n"),
    };
    let text: String = list.lines().enumerate().map(|(n, line)| with(n, line)).collect();
    project.write("accounts.csv", text);
    let (rows, _) = score(&project, &[]);
    let open = with_reason(&rows, "open-deal");
    assert!(!open.is_empty() && open.len() < rows.len());
    // The line n has the account n - 1.
    assert!(open.iter().all(|id| id.parse::<usize>().unwrap() % 4 == 3), "{open:?}");
}

#[test]
fn a_recent_contact_makes_an_account_ineligible() {
    let project = project("contacts = \"contacts.csv\"\n");
    project.write("contacts.csv", "account_id,contacted_at\nnone,2025-01-01\n");
    let accounts = scored(&project);
    let [a, b, c] = [0, 1, 2].map(|index| accounts[index].as_str());
    project.write(
        "contacts.csv",
        format!("account_id,contacted_at\n{a},2025-04-10\n{b},2025-03-01\n{b},2025-03-20\n{c},2025-05-02\n"),
    );
    let (rows, _) = score(&project, &[]);
    assert_eq!(with_reason(&rows, "recently-contacted"), [a]);
    let (rows, _) = score(&project, &["--set", "eligibility.contacted_within=45d"]);
    assert_eq!(with_reason(&rows, "recently-contacted"), [a, b]);
    let (rows, _) = score(&project, &["--set", "eligibility.contacted_within=7d"]);
    assert!(with_reason(&rows, "recently-contacted").is_empty());
}

#[test]
fn too_few_active_users_and_the_territory_are_reasons() {
    let project = project("min_users = 3\n");
    let (rows, _) = score(&project, &[]);
    let few = with_reason(&rows, "few-active-users");
    let (rows, _) = score(&project, &["--set", "eligibility.users_within=60d"]);
    let fewer = with_reason(&rows, "few-active-users");
    assert!(!few.is_empty() && fewer.len() < few.len(), "{few:?} {fewer:?}");
    let territory = "eligibility.territory={ industry = [\"media\", \"retail\"] }";
    let sets = ["--set", "eligibility.min_users=0", "--set", territory];
    let (rows, _) = score(&project, &sets);
    let outside = with_reason(&rows, "outside-territory");
    // Every third account has the industry NA.
    assert!(!outside.is_empty());
    assert!(outside.iter().all(|id| id.parse::<usize>().unwrap() % 3 == 2), "{outside:?}");
}

#[test]
fn own_and_test_accounts_are_internal() {
    let project = project("internal = \"is_test\"\ninternal_domains = [\"own.example\"]\n");
    let list = project.text("accounts.csv");
    let with = |number: usize, line: &str| match number {
        0 => format!("{line},is_test\n"),
        n => format!("{line},{}\n", n % 5 == 0),
    };
    let text: String = list.lines().enumerate().map(|(n, line)| with(n, line)).collect();
    project.write("accounts.csv", text);
    let (rows, _) = score(&project, &[]);
    let internal = with_reason(&rows, "internal-account");
    assert!(!internal.is_empty());
    assert!(internal.iter().all(|id| id.parse::<usize>().unwrap() % 5 == 4), "{internal:?}");
    // By its id, and because all of its users are internal.
    let rename = |text: String, from: &str, to: &str| text.replace(from, to);
    let other = rows.iter().find(|row| row["eligible"] == "true").unwrap()["account_id"].clone();
    for file in ["accounts.csv", "events.csv"] {
        let text = rename(project.text(file), &format!("\n{other},"), "\nshop.own.example,");
        project.write(file, text);
    }
    let (rows, _) = score(&project, &[]);
    assert!(with_reason(&rows, "internal-account").contains(&"shop.own.example".to_owned()));
    let user = rows.iter().find(|row| row["eligible"] == "true").unwrap()["account_id"].clone();
    project.write("users.csv", format!("user_id,account_id,internal\nstaff,{user},true\n"));
    let sets = ["--set", "users.path=users.csv"];
    let (rows, _) = score(&project, &sets);
    assert!(with_reason(&rows, "internal-account").contains(&user));
    project.write(
        "users.csv",
        format!("user_id,account_id,internal\nstaff,{user},true\nann,{user},\n"),
    );
    let (rows, _) = score(&project, &sets);
    assert!(!with_reason(&rows, "internal-account").contains(&user));
}

#[test]
fn ineligible_accounts_give_no_alert_until_they_are_eligible() {
    let project = project("deals = \"deals.csv\"\n");
    let accounts = scored_without_deals(&project);
    let account = accounts[0].as_str();
    let score = |at: &str| {
        let args = ["score", "t", "--ledger", "ledger", "--at", at];
        project.pql(&args).done();
    };
    let alerts = |kind: &str| {
        let args = ["alerts", "t", "--ledger", "ledger", "--format", "json", "--kind", kind];
        project.pql(&args).done()
    };
    let has = |text: &str, account: &str| text.contains(&format!("\"{account}\""));
    project.write(
        "deals.csv",
        format!("account_id,opened_at,closed_at\n{account},2025-04-01,2025-05-01T12:00\n"),
    );
    score("2025-05-01");
    let run = alerts("qualified");
    assert!(
        run.err.contains("1 scored account is not eligible and gives no alert ([eligibility])"),
        "{}",
        run.err
    );
    assert!(!has(&run.out, account) && has(&run.out, &accounts[1]), "{}", run.out);
    score("2025-05-02");
    let run = alerts("qualified");
    assert!(has(&run.out, account) && !has(&run.out, &accounts[1]), "{}", run.out);
    // A new deal: no alert that the account no longer qualifies.
    project.write(
        "deals.csv",
        format!("account_id,opened_at,closed_at\n{account},2025-05-02T01:00,\n"),
    );
    score("2025-05-03");
    let run = alerts("unqualified");
    assert!(!has(&run.out, account), "{}", run.out);
    assert!(run.err.contains("Skipped 1 alert of accounts that are not eligible"), "{}", run.err);
}

#[test]
fn the_funnel_and_the_evaluation_state_how_they_count_ineligible_accounts() {
    let project = project("territory = { industry = [\"media\"] }\n");
    let definition = "\n[[definition]]\nname = \"team\"\nall = [{ users = 2 }]\n";
    project.write("pql.toml", project.text("pql.toml") + definition);
    let run = project.pql(&["funnel", "--format", "json"]).done();
    assert!(run.out.contains("\"not_eligible\": 160"), "{}", run.out);
    assert!(
        run.unwrapped_messages().contains("160 accounts skipped: internal or test accounts"),
        "{}",
        run.err
    );
    let run = project.pql(&["evaluate", "t", "--all"]).done();
    assert!(run.unwrapped_messages().contains("not eligible at the cutoff"), "{}", run.err);
}

#[test]
fn invalid_settings_and_exports_are_refused() {
    let project = project("deals = \"deals.csv\"\n");
    project.write("deals.csv", "account_id,opened_at\nx,soon\n");
    let score = |args: &[&str]| {
        project.pql(&[&["score", "t", "-o", "-", "--at", "2025-05-01"], args].concat())
    };
    score(&[]).fails_with(3, &["`deals.csv`, row 1, column `opened_at`: found `soon`"]);
    project.write("deals.csv", "account,opened_at\nx,2025-01-01\n");
    score(&[]).fails_with(3, &["missing column `account_id` (`eligibility.deal_account`"]);
    for (set, words) in [
        (
            "eligibility.contacted_at=t",
            "`eligibility.contacted_at` requires `eligibility.contacts`, found none",
        ),
        (
            "eligibility.users_within=0d",
            "`eligibility.users_within`: found 0d, expected a duration above 0",
        ),
        (
            "eligibility.territory={ plan = [] }",
            "`eligibility.territory`: found no value of `plan`",
        ),
        (
            "eligibility.internal_domains=[\"own.example\", \"acme\"]",
            "`eligibility.internal_domains`, item 2: found `acme`, expected a domain such as",
        ),
        ("eligibility.min_user=3", "min_user"),
    ] {
        score(&["--set", set]).fails_with(2, &[words]);
    }
    let config = project.text("pql.toml");
    let line = config.lines().count() + 1;
    project.write("pql.toml", format!("{config}internal_domains = [\"http://x\"]\n"));
    score(&[]).fails_with(2, &[&format!("line {line}"), "item 1: found `http://x`"]);
    project.write("pql.toml", config);
    score(&["--set", "eligibility.internal=flag"])
        .fails_with(3, &["missing column `flag` (`eligibility.internal`"]);
    let sets = ["--set", "events.0.table=e", "--set", "accounts.table=a"];
    project.pql(&[&["export", "sql", "t", "--dialect", "duckdb"], &sets[..]].concat()).fails_with(
        2,
        &["[eligibility]: exported SQL does not compute which accounts are eligible"],
    );
}
