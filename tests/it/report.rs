//! `pql report`: the content of the page, with and without test rows, and escaped names.

use crate::project::{Project, dice, lines};

/// Name of accounts, columns and values.
const HOSTILE: &str = "\"><script>window.hit=1</script><img src=x onerror='window.hit=1'>&amp;";

/// Trains a model on a matrix with hostile names.
pub(crate) fn hostile() -> Project {
    let project = Project::new();
    project.write("pql.toml", "[observation]\nhorizon = \"7d\"\n");
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let line = |row: u64| {
        let usage = dice(row, 1);
        let converted = u8::from(dice(row, 3) < 0.1 + 0.6 * usage);
        let level = if row.is_multiple_of(3) { "b" } else { HOSTILE };
        let account = quoted(&format!("{row}{HOSTILE}"));
        format!("{account},2025-0{}-10,{usage:.4},{},{converted}", 1 + row % 6, quoted(level))
    };
    let header = format!(
        "account_id,cutoff,{},{},converted",
        quoted(&format!("x{HOSTILE}")),
        quoted(&format!("level{HOSTILE}"))
    );
    project.write("rows.csv", format!("{header}\n{}", lines(600, line)));
    project.train(&["--features", "rows.csv", "--set", "model.test_size=0.3"]).done();
    project
}

/// Returns a count below a million with a thousands separator.
fn grouped(count: &serde_json::Value) -> String {
    let count = count.as_u64().unwrap();
    if count < 1_000 {
        count.to_string()
    } else {
        format!("{},{:03}", count / 1_000, count % 1_000)
    }
}

/// Checks that counts have thousands separators, and that no number has a hyphen as its sign.
fn check_numbers(page: &str) {
    for pattern in [r">\d{4,}</t[dh]>", r">-\d", r"[ (]-\d[^<]*</t[dh]>", r">[+−]0(\.0+)?<"] {
        let found = regex::Regex::new(pattern).unwrap().find(page).map(|hit| hit.as_str());
        assert_eq!(found, None, "`{pattern}`");
    }
}

fn page(project: &Project, args: &[&str]) -> String {
    project.pql(&[&["report"], args, &["-o", "-"]].concat()).done().out
}

#[test]
fn names_are_escaped() {
    let project = hostile();
    let page = page(&project, &["t"]);
    for markup in ["<script", "<img"] {
        assert!(!page.contains(markup), "`{markup}` is markup");
    }
    assert!(page.contains("&quot;&gt;&lt;script&gt;window.hit=1&lt;/script&gt;"));
    for id in ["roc", "effect-0", "effect-1", "account-2", "cutoff-auc", "correlations"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "`{id}` is not drawn");
    }
}

#[test]
fn train_and_report_write_the_same_page() {
    let project = Project::trial();
    let page_of = |name: &str| project.text(name);
    project.train(&["--report", "first.html"]).done().stderr_has(&["Wrote first.html"]);
    project.pql(&["report", "t", "-o", "second.html"]).done();
    assert!(page_of("first.html") == page_of("second.html"));
    let page = page_of("first.html");
    assert!(page.contains("Which accounts will convert in the 14 days after their first 7 days?"));
    for words in [
        "Training and test set",
        "Rows read, kept and dropped",
        "events.csv (events)",
        "Rows by month",
        "Training details",
        "<pre>",
    ] {
        assert!(page.contains(words), "`{words}` is not in the page");
    }
    assert!(page.len() < 500_000, "{} bytes", page.len());
    assert!(
        !page.contains("http:") && !page.contains("https:") && !page.contains("url("),
        "nothing is fetched"
    );
}

#[test]
fn definitions_add_a_funnel_to_the_page() {
    let project = Project::new();
    let config = crate::common::root().join("data/demo/pql.toml");
    let config = config.to_str().unwrap();
    project.pql(&["train", "-c", config, "--name", "t", "--report", "first.html"]).done();
    let drawn = page(&project, &["t", "-c", config]);
    assert!(
        drawn == project.text("first.html"),
        "`pql train` and `pql report` write the same page"
    );
    let rates: serde_json::Value = serde_json::from_str(
        &project.pql(&["funnel", "-c", config, "--format", "json"]).done().out,
    )
    .unwrap();
    let row = rates["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "hits a limit" && row["cohort"] == "all")
        .unwrap();
    let lift = row["metrics"]["landmark"]["lift"].as_f64().unwrap();
    let cells = format!(
        "<td class=\"number\">{}</td><td class=\"number\">{}</td>",
        grouped(&row["metrics"]["pqls"]),
        grouped(&row["metrics"]["customers"])
    );
    assert!(
        drawn.contains(&cells) && drawn.contains(&format!(">{lift:.2}</td>")),
        "{cells}, {lift}"
    );
    check_numbers(&drawn);
    for id in ["pqls-against-others", "funnel-cohorts"] {
        assert!(drawn.contains(&format!("id=\"{id}\"")), "`{id}` is not drawn");
    }
    assert!(drawn.contains("href=\"#funnel\"") && !page(&project, &["t"]).contains("#funnel"));
    project.write("pql.toml", "[observation]\nhorizon = \"7d\"\n");
    project
        .pql(&["report", "t", "-c", "pql.toml"])
        .done()
        .stderr_has(&["[[definition]]", "no funnel"]);
}

#[test]
fn masked_accounts_are_numbered() {
    let project = Project::trial();
    project.train(&[]).done();
    let plain = page(&project, &["t"]);
    let name = plain.split("<h3>High score: ").nth(1).unwrap().split('<').next().unwrap();
    let masked = page(&project, &["t", "--mask"]);
    assert!(
        masked.contains("<h3>High score: account 1<")
            && masked.contains("<h3>Surprising outcome: account 3<")
    );
    assert!(name.len() == 5 && plain.matches(name).count() > masked.matches(name).count());
    assert!(!masked.contains(&format!("High score: {name}")));
}

#[test]
fn without_test_rows_the_page_lists_missing_charts() {
    let project = Project::trial();
    project.train(&["--no-test-rows"]).done();
    let run = project
        .pql(&["report", "t", "-o", "-"])
        .done()
        .stderr_has(&["warning: the test rows are not stored with the model"]);
    assert!(run.out.contains("The test rows were not stored (<code>--no-test-rows</code>)."));
    for (id, drawn) in [
        ("gains", true),
        ("reliability", true),
        ("odds-ratios", true),
        ("effect-0", true),
        ("roc", false),
        ("account-0", false),
    ] {
        assert_eq!(run.out.contains(&format!("id=\"{id}\"")), drawn, "{id}");
    }
}

#[test]
fn a_model_without_an_evaluation_has_a_page() {
    let project = Project::trained_matrix();
    let page = page(&project, &["m"]);
    assert!(
        page.contains("Not evaluated: there is no test set") && page.contains("id=\"odds-ratios\"")
    );
    assert!(
        page.contains("How likely is <code>converted</code> for each row of the feature matrix?")
    );
    std::fs::remove_file(project.path("models/m/0001/model.json")).unwrap();
    let run = project.pql(&["report", "m", "-o", "-"]).done();
    assert!(run.out.contains("The model card <code>model.json</code> is missing"));
}

#[test]
fn rows_and_cards_of_another_model_are_rejected() {
    let project = Project::trial();
    project.train(&["--set", "model.refit=false"]).done();
    project.train(&["--set", "model.refit=false", "--set", "model.test_size=0.3"]).done();
    let copy = |file: &str| {
        project.write(
            &format!("models/t/0002/{file}"),
            project.read(&format!("models/t/0001/{file}")),
        );
    };
    copy("test.parquet");
    project.pql(&["report", "t/0002", "-o", "-"]).fails_with(3, &["test.parquet", "expected"]);
    copy("model.json");
    project
        .pql(&["report", "t/0002", "-o", "-"])
        .fails_with(3, &["model.json", "card of another model"]);
}

#[test]
fn every_penalty_and_calibration_has_its_chart() {
    let project = Project::trial();
    for (sets, chart) in [
        (&["model.penalty=l1"][..], "penalty-columns"),
        (&["model.penalty=firth", "features.event_types=0"], "odds-ratios"),
        (&["model.calibration=isotonic"], "account-0"),
        (&["design.spline=3"], "effect-0"),
        (&["model.refit=true"], "account-0"),
        (&["qualify.value={ revenue = 1000, cost = 250 }"], "value"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        project.train(&[&["--report", "p.html"], sets.as_slice()].concat()).done();
        let page = project.text("p.html");
        assert!(page.contains(&format!("id=\"{chart}\"")), "{sets:?}");
        // The configuration names the marks of missing values, such as NaN.
        let shown = page.split("<summary>Configuration").next().unwrap();
        assert!(!shown.contains("NaN") && !shown.contains(">inf"), "{sets:?}");
    }
}
