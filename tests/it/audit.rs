//! The leakage audit and the minimum support of features, in training and in `pql features`.

use crate::project::{PLAIN, Project, Run, dice, lines};

const DAY: i64 = 86_400_000_000;

/// An account of the trial log; times in µs.
struct Account {
    id: String,
    signed_up: i64,
    converted: Option<i64>,
}

fn accounts(project: &Project) -> Vec<Account> {
    let account = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let time = |text: &str| pql::time::parse_iso(text);
        Account {
            id: cells[0].to_owned(),
            signed_up: time(cells[1]).unwrap(),
            converted: time(cells[2]),
        }
    };
    project.text("accounts.csv").lines().skip(1).map(account).collect()
}

/// Adds events; `times` returns the event times of an account, given its number.
fn plant(project: &Project, name: &str, times: impl Fn(usize, &Account) -> Vec<i64>) {
    let mut events = project.text("events.csv");
    for (number, account) in accounts(project).iter().enumerate() {
        for time in times(number, account) {
            events += &format!("{},,{name},{},\n", account.id, pql::time::iso(time));
        }
    }
    project.write("events.csv", events);
}

/// Adds an attribute to the account list.
fn add_attribute(project: &Project, name: &str, value: impl Fn(&Account) -> String) {
    let list = accounts(project);
    let mut rows = list.iter();
    let line = |line: &str| {
        rows.next().map_or(String::new(), |account| format!("{line},{}\n", value(account)))
    };
    let text = project.text("accounts.csv");
    let (header, rest) = text.split_once('\n').unwrap();
    let body: String = rest.lines().map(line).collect();
    project.write("accounts.csv", format!("{header},{name}\n{body}"));
}

/// Returns the findings of the leakage audit.
pub(crate) fn leaks(run: &Run) -> Vec<String> {
    run.unwrapped_messages()
        .lines()
        .filter_map(|line| line.strip_prefix("warning: possible leak: "))
        .map(str::to_owned)
        .collect()
}

/// Checks that training reports exactly one leak, with these words.
#[track_caller]
fn one_leak(project: &Project, args: &[&str], words: &[&str]) {
    let found = leaks(&project.train(args).done());
    assert_eq!(found.len(), 1, "{found:?}");
    words
        .iter()
        .for_each(|word| assert!(found[0].contains(word), "`{word}` is not in: {}", found[0]));
}

#[track_caller]
fn no_leak(project: &Project, args: &[&str]) {
    let found = leaks(&project.train(args).done());
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn data_without_leakage_has_no_findings() {
    no_leak(&Project::trial(), &["--strict"]);
    let project = Project::matrix();
    no_leak(&project, &["--features", "matrix.csv", "--strict"]);
}

#[test]
fn an_event_after_the_conversion_is_a_finding_until_it_is_excluded() {
    let project = Project::trial();
    plant(&project, "invoice", |_, a| a.converted.into_iter().flat_map(|t| [t, t + DAY]).collect());
    one_leak(
        &project,
        &[],
        &[
            "converting accounts with `invoice` have it only at or after the conversion",
            "add `invoice` to `roles.exclude`",
        ],
    );
    no_leak(&project, &["--set", "roles.exclude=[\"invoice\"]", "--strict"]);
    // What a fifth of its accounts does without converting is use of the product.
    plant(&project, "invoice", |number, a| {
        if number % 4 == 0 && a.converted.is_none() { vec![a.signed_up + DAY] } else { Vec::new() }
    });
    no_leak(&project, &[]);
}

#[test]
fn an_event_just_before_the_conversion_is_a_finding_until_excluded_or_in_the_gap() {
    let project = Project::trial();
    plant(&project, "checkout", |_, a| a.converted.map(|t| t - DAY / 12).into_iter().collect());
    one_leak(
        &project,
        &[],
        &[
            "accounts with `checkout` before the conversion",
            "within 24 hours of the conversion",
            "`roles.exclude`",
            "`observation.gap = \"1d\"`",
        ],
    );
    no_leak(&project, &["--set", "roles.exclude=[\"checkout\"]"]);
    no_leak(&project, &["--set", "observation.gap=1d"]);
    one_leak(&project, &["--set", "observation.gap=12h"], &["`checkout`"]);
    let earlier = Project::trial();
    plant(&earlier, "checkout", |_, a| a.converted.map(|t| t - DAY * 5 / 4).into_iter().collect());
    no_leak(&earlier, &[]);
}

#[test]
fn many_events_of_one_account_are_no_finding() {
    for hours in [2, -2] {
        let project = Project::trial();
        let first = accounts(&project).iter().position(|a| a.converted.is_some()).unwrap();
        plant(&project, "webhook", |number, a| {
            let time = a.converted.filter(|_| number == first).map(|t| t - hours * DAY / 24);
            time.into_iter().flat_map(|t| (0..60).map(move |second| t + second)).collect()
        });
        no_leak(&project, &["--strict"]);
    }
}

#[test]
fn events_after_the_first_test_cutoff_are_not_audited() {
    let project = Project::trial();
    let late = pql::time::parse_iso("2025-04-01T00:00:00Z").unwrap();
    plant(&project, "invoice", |_, a| {
        a.converted.filter(|t| *t > late).map_or(Vec::new(), |t| vec![t, t + 1, t + DAY])
    });
    no_leak(&project, &["--set", "model.test_size=0.4"]);
    one_leak(&project, &["--set", "model.test_size=0"], &["`invoice`"]);
}

#[test]
fn an_event_of_converting_accounts_only_is_a_finding() {
    let project = Project::trial();
    plant(&project, "contract", |number, a| {
        if number % 2 == 0 && a.converted.is_some() {
            vec![a.signed_up + 3 * DAY]
        } else {
            Vec::new()
        }
    });
    let sets = [
        "--set",
        "features.event_types=4",
        "--set",
        "design.include=[\"events_7d\", \"count_contract_7d\"]",
    ];
    one_leak(
        &project,
        &sets,
        &[
            "training rows with `count_contract_7d`",
            "If `contract` is not product usage",
            "`roles.exclude`",
        ],
    );
    no_leak(&project, &["--set", "design.include=[\"events_7d\"]"]);
}

#[test]
fn a_leaking_attribute_is_a_finding_in_model_and_inspect() {
    let project = Project::trial();
    add_attribute(&project, "plan", |a| {
        if a.converted.is_some() { "team".to_owned() } else { "free".to_owned() }
    });
    let sets = ["--set", "accounts.attributes=[\"plan\"]"];
    let run = project.train(&sets).done();
    let messages = leaks(&run).join("\n");
    let words = [
        "`plan=free` alone predicts",
        "`plan=team` alone predicts",
        "training rows with `plan=team`",
        "remove it from `accounts.attributes`",
    ];
    words
        .iter()
        .for_each(|word| assert!(messages.contains(word), "`{word}` is not in: {messages}"));
    assert!(messages.contains("cross-validated AUC") && messages.contains("`plan`"), "{messages}");
    let unwrapped = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = unwrapped(&project.pql(&["inspect", "t"]).done().out);
    leaks(&run).iter().for_each(|leak| {
        let expected = unwrapped(&format!("warning: possible leak: {leak}"));
        assert!(shown.contains(&expected), "{shown}");
    });
    let card: serde_json::Value =
        serde_json::from_str(&project.text("models/t/0001/model.json")).unwrap();
    assert_eq!(
        card["findings"].as_array().unwrap().len(),
        leaks(&run).len(),
        "{}",
        card["findings"]
    );
    no_leak(&project, &[]);
}

#[test]
fn a_leaking_missing_value_is_a_finding() {
    let project = Project::trial();
    add_attribute(&project, "deal", |a| {
        a.converted.map_or(String::new(), |t| (t / DAY % 50).to_string())
    });
    let run = project.train(&["--set", "accounts.attributes=[\"deal\"]"]).done();
    let messages = leaks(&run).join("\n");
    assert!(
        messages.contains("`missing_deal` alone predicts")
            && messages.contains("training rows with `deal`"),
        "{messages}"
    );
}

#[test]
fn columns_that_leak_only_together_are_a_finding_of_the_model() {
    let project = Project::new();
    project.write("pql.toml", PLAIN);
    let line = |n: u64| {
        let (noise, converted) = (4.0 * dice(n, 1), dice(n, 2) < 0.3);
        format!(
            "{n},{:.4},{:.4},{}",
            noise + f64::from(u8::from(converted)) + 0.4 * dice(n, 3),
            noise,
            u8::from(converted)
        )
    };
    project.write("matrix.csv", format!("account_id,sum,part,converted\n{}", lines(400, line)));
    let args = ["--features", "matrix.csv", "--set", "model.penalty=l2"];
    one_leak(&project, &args, &["cross-validated AUC of", "`part`", "`sum`"]);
    project
        .train(&[&args[..], &["--strict"]].concat())
        .fails_with(5, &["possible leak: the cross-validated AUC"]);
}

#[test]
fn strict_training_stores_no_model_with_findings() {
    let project = Project::trial();
    plant(&project, "invoice", |_, a| a.converted.into_iter().flat_map(|t| [t, t + DAY]).collect());
    let words = [
        "error: leakage audit failed",
        "no model stored (`--strict`)",
        "possible leak: ",
        "`invoice`",
        "hint: exclude",
    ];
    project.train(&["--strict", "--quiet"]).fails_with(5, &words);
    assert!(!project.path("models").exists());
    project.train(&["--quiet"]).done();
    assert!(project.path("models/t/0001/model.pql").exists());
}

/// Keys that keep all event names and any number of design columns.
const ALL: [&str; 4] = [
    "--set",
    "features.event_types=9",
    "--set",
    "design.include=[\"events_7d\", \"tenure_days\", \"active_days_7d\"]",
];

/// Returns the columns that `pql features` writes, and its messages.
fn columns(project: &Project, args: &[&str]) -> (Vec<String>, String) {
    let run = project.pql(&[&["features", "-o", "-"], args].concat()).done();
    (run.out.lines().next().unwrap().split(',').map(str::to_owned).collect(), run.err)
}

#[test]
fn an_event_needs_ten_training_accounts_before_a_cutoff() {
    for (users, counted) in [(9, false), (10, true)] {
        let project = Project::trial();
        plant(
            &project,
            "rare",
            |number, a| if number < users { vec![a.signed_up + DAY] } else { Vec::new() },
        );
        // Use after their only cutoff, and of accounts that do not train, gives no support.
        plant(&project, "rare", |number, a| {
            if (20..40).contains(&number) { vec![a.signed_up + 8 * DAY] } else { Vec::new() }
        });
        plant(&project, "rare", |number, a| {
            if number % 120 > 110 { vec![a.signed_up + DAY] } else { Vec::new() }
        });
        let (columns, messages) = columns(&project, &ALL);
        assert_eq!(columns.contains(&"count_rare_7d".to_owned()), counted, "{columns:?}");
        let dropped =
            "dropped: `count_rare` occurs in 9 training accounts before the cutoff (10 required)";
        assert_eq!(messages.contains(dropped), !counted, "{messages}");
        assert_eq!(project.train(&ALL).done().err.contains(dropped), !counted);
    }
}

#[test]
fn an_event_first_seen_after_the_median_cutoff_is_dropped() {
    for (from, counted) in [(30, true), (60, false)] {
        let project = Project::trial();
        plant(&project, "beta", |number, a| {
            if (from..90).contains(&(number % 120)) { vec![a.signed_up + DAY] } else { Vec::new() }
        });
        let (columns, messages) = columns(&project, &ALL);
        assert_eq!(columns.contains(&"count_beta_7d".to_owned()), counted, "{columns:?}");
        assert_eq!(
            messages.contains("dropped: `count_beta` first occurs on 2025-03-0"),
            !counted,
            "{messages}"
        );
        assert_eq!(
            messages.contains(", after half of the training cutoffs (2025-02-"),
            !counted,
            "{messages}"
        );
    }
}

#[test]
fn a_property_needs_ten_training_accounts() {
    for (users, summed) in [(9, false), (10, true)] {
        let project = Project::trial();
        let paid: Vec<String> =
            accounts(&project).iter().take(users).map(|a| a.id.clone()).collect();
        let events = project.text("events.csv");
        let fee = |line: &str| {
            if paid.iter().any(|id| line.starts_with(id.as_str())) { "2.5" } else { "0" }
        };
        let lines: Vec<String> =
            events.lines().skip(1).map(|line| format!("{line},{}", fee(line))).collect();
        project.write(
            "events.csv",
            format!("account_id,user_id,event,timestamp,minutes,fee\n{}\n", lines.join("\n")),
        );
        project.replace("pql.toml", "[\"minutes\"]", "[\"minutes\", \"fee\"]");
        let (columns, messages) = columns(&project, &ALL);
        assert!(columns.contains(&"sum_minutes_7d".to_owned()));
        assert_eq!(columns.contains(&"sum_fee_7d".to_owned()), summed, "{columns:?}");
        assert_eq!(
            messages.contains("dropped: `sum_fee` occurs in 9 training accounts"),
            !summed,
            "{messages}"
        );
    }
}

#[test]
fn a_role_of_few_accounts_is_a_feature_but_not_in_the_design() {
    for (users, kept) in [(9, false), (10, true)] {
        let project = Project::trial();
        plant(&project, "asked", |number, a| {
            if number < users { vec![a.signed_up + 2 * DAY] } else { Vec::new() }
        });
        let sets = [
            "--set",
            "roles.hand_raise=[\"asked\"]",
            "--set",
            "design.include=[\"events_7d\", \"hand_raises_7d\"]",
        ];
        let messages = project.train(&sets).done().err;
        let words = "dropped: `hand_raises` requires the role `hand_raise`, which occurs in 9 training accounts";
        assert_eq!(messages.contains(words), !kept, "{messages}");
        let weights = project.pql(&["inspect", "t", "--format", "csv"]).done().out;
        assert_eq!(weights.contains("\nhand_raises_7d,"), kept, "{weights}");
        let (columns, messages) = columns(&project, &sets);
        assert!(
            columns.contains(&"hand_raises_7d".to_owned()) && !messages.contains("hand_raises"),
            "{messages}"
        );
    }
    let project = Project::trial();
    assert!(
        !project.train(&[]).done().err.contains("requires the role"),
        "features without any events are dropped as constant"
    );
}

#[test]
fn rare_events_beyond_the_counted_ones_are_summarized() {
    let project = Project::trial();
    for name in ["x", "y", "z"] {
        plant(
            &project,
            name,
            |number, a| if number < 4 { vec![a.signed_up + DAY] } else { Vec::new() },
        );
    }
    let (columns, messages) = columns(
        &project,
        &["--set", "features.event_types=4", "--set", "design.include=[\"events_7d\"]"],
    );
    assert_eq!(columns.iter().filter(|c| c.starts_with("count_")).count(), 3, "{columns:?}");
    assert!(
        messages.contains("`count_x` occurs in 4 training accounts")
            && !messages.contains("`count_y`"),
        "{messages}"
    );
    assert!(messages.contains("`count_*` of 2 further event types"), "{messages}");
}

#[test]
fn features_and_train_drop_the_same_counts() {
    let project = Project::trial();
    let (columns, messages) = columns(&project, &[]);
    let run = project.train(&[]).done();
    let lowered = "warning: `features.event_types` is reduced from 3 to 0: ";
    assert!(messages.contains(lowered) && run.err.contains(lowered), "{messages}\n{}", run.err);
    assert!(!columns.iter().any(|c| c.starts_with("count_")), "{columns:?}");
    let of_model = project.features(&["--model", "t"]);
    assert_eq!(
        of_model.lines().next().unwrap().split(',').collect::<Vec<_>>(),
        columns,
        "the model has the same features"
    );
    assert!(project.pql(&["inspect", "t"]).done().out.contains(lowered));
}
