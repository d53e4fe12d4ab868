//! Verdicts through the program: train, evaluate, models, compare, score, alerts and report.

use serde_json::Value;

use crate::project::{Project, Run, dice, lines};

/// Most lines of the summary of a training.
const SUMMARY_LINES: usize = 25;

/// What decides the outcome of the rows of a matrix.
#[derive(Clone, Copy)]
enum Signal {
    /// Chance alone.
    None,
    /// The column `usage`.
    One,
    /// The columns `usage` and `invites`, alike.
    Two,
    /// Chance, but the column `paid` nearly repeats the outcome.
    Leak,
}

/// Writes a matrix of 1,000 rows, and a project file without transforms.
fn project(signal: Signal, base_rate: f64) -> Project {
    let project = Project::new();
    project.write("pql.toml", "[design]\nlog1p = \"never\"\n");
    project.write("rows.csv", rows(signal, base_rate, 0, 1_000));
    project
}

fn rows(signal: Signal, base_rate: f64, first: u64, count: u64) -> String {
    let line = |row: u64| {
        let row = first + row;
        let [usage, invites, noise] = [1, 2, 3].map(|column| dice(row, column));
        let share = match signal {
            Signal::None | Signal::Leak => 0.5,
            Signal::One => usage,
            Signal::Two => f64::midpoint(usage, invites),
        };
        // Half of the rows with a share of 1 convert beyond the base rate.
        let converted = dice(row, 4) < base_rate * 2.0 * share * share * 2.0;
        let paid = f64::from(u8::from(converted)) + 0.2 * dice(row, 5);
        let paid =
            if matches!(signal, Signal::Leak) { format!(",{paid:.3}") } else { String::new() };
        format!("a{row},{usage:.3},{invites:.3},{noise:.3}{paid},{}", u8::from(converted))
    };
    let paid = if matches!(signal, Signal::Leak) { ",paid" } else { "" };
    format!("account_id,usage,invites,noise{paid},converted\n{}", lines(count, line))
}

fn train(project: &Project, args: &[&str]) -> Run {
    let run = project.pql(&[&["train", "--name", "t", "--features", "rows.csv"], args].concat());
    assert!(run.out.starts_with('{') || run.out.lines().count() <= SUMMARY_LINES, "{}", run.out);
    run
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns the line of the verdict, the first after the first blank line.
fn headline(run: &Run) -> &str {
    run.out.split("\n\n").nth(1).unwrap()
}

#[test]
fn noise_has_no_skill_wherever_the_model_is_used() {
    let project = project(Signal::None, 0.2);
    let run = train(&project, &[]).done();
    assert!(headline(&run).starts_with("No skill: on "), "{}", run.out);
    assert!(headline(&run).contains("docs/guide/no-skill.md"), "{}", run.out);
    let card = json(&project.text("models/t/0001/model.json"));
    assert_eq!(card["verdict"]["code"], "no-skill");
    let warning = "warning: scores of t/0001 are not proven to help. No skill: on ";
    let scored = project
        .pql(&["score", "t", "--features", "rows.csv", "-o", "scores.csv"])
        .done()
        .stderr_has(&[warning]);
    assert!(!scored.err.contains("useful"), "{}", scored.err);
    project.pql(&["report", "t"]).done().stderr_has(&[warning]);
    let page = project.text("report.html");
    let verdict = page.split("id=\"verdict\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(verdict.contains("No skill: on ") && !page.contains("seful"), "{verdict}");
    let listed = json(&project.pql(&["models", "list", "--format", "json"]).done().out);
    assert_eq!(listed[0]["verdict"]["code"], "no-skill");
    assert_eq!(listed[0]["penalty"]["kind"], "l2");
    assert!(project.pql(&["models", "list"]).done().out.contains("no skill"));
    let inspected = project.pql(&["inspect", "t"]).done().out;
    assert!(inspected.lines().nth(1).unwrap().starts_with("No skill: "), "{inspected}");
}

#[test]
fn alerts_repeat_the_verdict_of_the_model() {
    let project = project(Signal::None, 0.2);
    let with_cutoffs =
        project.text("rows.csv").lines().enumerate().fold(String::new(), |text, (number, line)| {
            let cutoff = if number == 0 { "cutoff" } else { "2025-06-01" };
            format!("{text}{line},{cutoff}\n")
        });
    train(&project, &[]).done();
    project.write("batch.csv", with_cutoffs);
    project.pql(&["score", "t", "--features", "batch.csv", "--ledger", "ledger"]).done();
    project
        .pql(&["alerts", "--ledger", "ledger", "--dry-run"])
        .done()
        .stderr_has(&["warning: scores of t/0001 are not proven to help. No skill: on "]);
    let elsewhere =
        project.pql(&["alerts", "--ledger", "ledger", "--dry-run", "--models", "none"]).done();
    assert!(!elsewhere.err.contains("No skill"), "{}", elsewhere.err);
}

#[test]
fn one_good_feature_is_no_better_than_that_feature_alone() {
    let project = project(Signal::One, 0.3);
    let run = train(&project, &["--set", "model.test_size=0.4"]).done();
    assert!(
        headline(&run).starts_with("No better than a simpler rule: `usage` alone ("),
        "{}",
        run.out
    );
    assert!(headline(&run).contains("Better than the base rate."), "{}", run.out);
    let verdict = &json(&project.text("models/t/0001/model.json"))["verdict"];
    assert_eq!(verdict["code"], "no-better-than-baselines");
    assert_eq!(verdict["data"]["unbeaten"][0]["name"], "`usage` alone");
    project
        .pql(&["score", "t", "--features", "rows.csv", "-o", "scores.csv"])
        .done()
        .stderr_has(&["No better than a simpler rule: `usage` alone"]);
}

#[test]
fn two_good_features_are_better_than_the_baselines() {
    let project = project(Signal::Two, 0.4);
    let run = train(&project, &["--set", "model.test_size=0.5", "--require", "baseline"]).done();
    assert_eq!(
        headline(&run).lines().next().unwrap().split(": ").next().unwrap(),
        "Better than the baselines"
    );
    let scored = project.pql(&["score", "t", "--features", "rows.csv", "-o", "s.csv"]).done();
    assert!(!scored.err.contains("proven"), "{}", scored.err);
}

#[test]
fn a_leak_is_suspected_before_anything_else_and_names_the_column() {
    let project = project(Signal::Leak, 0.3);
    let run = train(&project, &[]).done();
    assert!(
        headline(&run).starts_with("Leak suspected: `paid` may contain the outcome"),
        "{}",
        run.out
    );
    // With this penalty no coefficient is left, so nothing leaks into the scores.
    let zero = ["--set", "model.penalty=l1", "--set", "model.alpha=10000"];
    let run = train(&project, &zero).done();
    assert!(headline(&run).starts_with("No skill: "), "{}", run.out);
    assert!(run.out.contains("Possible leak: `paid` alone predicts"), "{}", run.out);
}

#[test]
fn a_small_test_set_is_said_first_with_the_setting_that_helps() {
    let project = project(Signal::Two, 0.25);
    let time = ["--set", "model.split=time"];
    let run = train(&project, &[&time[..], &["--set", "model.test_size=0.05"]].concat()).done();
    let first = headline(&run).lines().next().unwrap();
    assert!(
        first.starts_with("Only ")
            && first.contains("test accounts converted; a reliable verdict needs 20."),
        "{}",
        run.out
    );
    let setting = headline(&run).split("Set `").nth(1).unwrap().split('`').next().unwrap();
    let setting = setting.replace(" = ", "=");
    assert!(setting.starts_with("model.test_size="), "{setting}");
    let helped = train(&project, &[&time[..], &["--set", &setting]].concat()).done();
    assert!(!helped.out.contains("a reliable verdict needs"), "{setting}: {}", helped.out);
}

#[test]
fn a_requirement_that_is_not_met_stores_the_version_but_promotes_nothing() {
    let project = project(Signal::Two, 0.4);
    let half = ["--set", "model.test_size=0.5"];
    train(&project, &half).done();
    project.write("rows.csv", rows(Signal::None, 0.2, 0, 1_000));
    for requirement in ["skill", "baseline"] {
        let args = [&half[..], &["--require", requirement, "--promote"]].concat();
        let run = train(&project, &args);
        assert_eq!(run.code, Some(5), "{}", run.err);
        assert!(
            run.out.contains("not promoted") && run.out.contains("the champion is still t/0001"),
            "{}",
            run.out
        );
        run.stderr_has(&[
            &format!("error: check failed: `--require {requirement}`: no skill"),
            "is stored but not promoted; the champion is still t/0001",
        ]);
    }
    let run = train(&project, &["--require", "skill", "--format", "json"]);
    assert_eq!(
        (run.code, &json(&run.out)["stored"]["is_champion"]),
        (Some(5), &Value::from(false))
    );
    assert_eq!(project.names("models/t")[1..], ["0001", "0002", "0003", "0004", "champion"]);
    assert_eq!(project.text("models/t/champion"), "0001\n");
    let first =
        project.pql(&["train", "--name", "new", "--features", "rows.csv", "--require", "skill"]);
    assert_eq!(first.code, Some(5));
    first.stderr_has(&["new/0001 is stored but not promoted; there is no champion"]);
    project
        .pql(&["score", "new", "--features", "rows.csv", "-o", "-"])
        .fails_with(4, &["no champion"]);
}

#[test]
fn evaluate_judges_other_rows_by_the_same_baselines() {
    let project = project(Signal::One, 0.3);
    train(&project, &["--set", "model.test_size=0.4"]).done();
    project.write("new.csv", rows(Signal::One, 0.3, 5_000, 800));
    project.write("noise.csv", rows(Signal::None, 0.3, 9_000, 800));
    let code = |file: &str| {
        let args = ["evaluate", "t", "--features", file, "--format", "json"];
        json(&project.pql(&args).done().out)["verdict"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("new.csv"), "no-better-than-baselines");
    assert_eq!(code("noise.csv"), "no-skill");
    let out = project.pql(&["evaluate", "t", "--features", "noise.csv"]).done().out;
    assert!(out.lines().nth(1).unwrap().starts_with("No skill: on 800 accounts"), "{out}");
}

#[test]
fn metrics_on_different_test_sets_are_not_listed_side_by_side() {
    let project = project(Signal::Two, 0.4);
    train(&project, &["--set", "model.test_size=0.5"]).done();
    train(&project, &["--set", "model.test_size=0.5", "--set", "model.alpha=50"]).done();
    let same = project.pql(&["models", "list"]).done();
    assert!(same.out.lines().next().unwrap().contains("ROC AUC"), "{}", same.out);
    train(&project, &["--set", "model.test_size=0.3"]).done();
    let different = project.pql(&["models", "list"]).done();
    assert!(!different.out.contains("ROC AUC"), "{}", different.out);
    different.stderr_has(&["ROC AUC is not listed", "`pql compare`"]);
    let listed = json(&project.pql(&["models", "list", "--format", "json"]).done().out);
    let id = |version: usize| listed[version]["test"]["id"].as_str().unwrap();
    assert!(id(0) == id(1) && id(0) != id(2));
}

#[test]
fn compare_shows_the_verdict_on_each_model() {
    let project = project(Signal::Two, 0.4);
    let half = ["--set", "model.test_size=0.5"];
    train(&project, &half).done();
    let zero = ["--set", "model.penalty=l1", "--set", "model.alpha=10000"];
    train(&project, &[&half[..], &zero].concat()).done();
    let run = project.pql(&["compare", "t/0002"]).done();
    for words in [
        "t/0002 on its own test set: No skill: on ",
        "t/0001 on its own test set: Better than the baselines: ",
        "On these rows t/0002 has no skill",
    ] {
        assert!(run.out.contains(words), "`{words}` is not in: {}", run.out);
    }
    let compared = json(&project.pql(&["compare", "t/0002", "--format", "json"]).done().out);
    assert_eq!(compared["challenger"]["verdict"]["code"], "no-skill");
    assert_eq!(compared["challenger"]["has_skill"], false);
    assert_eq!(compared["champion"]["has_skill"], true);
}

#[test]
fn a_simulated_log_without_signal_has_no_skill() {
    let project = Project::new();
    let args = ["simulate", "-q", "-o", ".", "--accounts", "1500", "--events-per-account", "60"];
    project.pql(&[&args[..], &["--base-rate", "0.1", "--signal", "0"]].concat()).done();
    let run = project.pql(&["train", "--name", "t"]).done();
    assert!(run.out.contains("\n\nNo skill: on "), "{}", run.out);
    assert!(run.out.lines().count() <= SUMMARY_LINES, "{}", run.out);
}
