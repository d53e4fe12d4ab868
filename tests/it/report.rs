//! `pql report`: what the page holds, with and without test rows, and that names cannot become
//! markup.

use crate::project::{Project, dice, lines};

/// What an account, a column, a value may be called.
const HOSTILE: &str = "\"><script>window.hit=1</script><img src=x onerror='window.hit=1'>&amp;";

/// A model of a matrix with hostile names everywhere.
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
    project.train(&["--features", "rows.csv", "--set", "model.test=0.3"]).done();
    project
}

fn page(project: &Project, args: &[&str]) -> String {
    project.pql(&[&["report"], args, &["-o", "-"]].concat()).done().out
}

#[test]
fn names_cannot_become_markup() {
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
fn a_page_drawn_at_training_is_the_one_drawn_later() {
    let project = Project::trial();
    let page_of = |name: &str| project.text(name);
    project.train(&["--report", "first.html"]).done().says(&["report of t/0001: first.html"]);
    project.pql(&["report", "t", "-o", "second.html"]).done();
    assert!(page_of("first.html") == page_of("second.html"));
    let page = page_of("first.html");
    assert!(page.contains("Which accounts convert in the 14 days that follow their first 7 days?"));
    for words in [
        "Training and test rows",
        "What was read, kept and dropped",
        "events.csv (events)",
        "Rows by month",
        "The fit",
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
fn definitions_of_a_project_file_give_the_page_a_funnel() {
    let project = Project::new();
    let config = crate::common::root().join("data/demo/pql.toml");
    let config = config.to_str().unwrap();
    project.pql(&["train", "-c", config, "--name", "t", "--report", "first.html"]).done();
    let drawn = page(&project, &["t", "-c", config]);
    assert!(drawn == project.text("first.html"), "drawn at training and later");
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
    let lift = row["figures"]["landmark"]["lift"].as_f64().unwrap();
    let cells = format!(
        "<td class=\"number\">{}</td><td class=\"number\">{}</td>",
        row["figures"]["pqls"], row["figures"]["customers"]
    );
    assert!(
        drawn.contains(&cells) && drawn.contains(&format!(">{lift:.2}</td>")),
        "{cells}, {lift}"
    );
    for id in ["pqls-against-others", "funnel-cohorts"] {
        assert!(drawn.contains(&format!("id=\"{id}\"")), "`{id}` is not drawn");
    }
    assert!(drawn.contains("href=\"#funnel\"") && !page(&project, &["t"]).contains("#funnel"));
    project.write("pql.toml", "[observation]\nhorizon = \"7d\"\n");
    project.pql(&["report", "t", "-c", "pql.toml"]).done().says(&["has no `[[definition]]`"]);
}

#[test]
fn masked_accounts_are_numbered() {
    let project = Project::trial();
    project.train(&[]).done();
    let plain = page(&project, &["t"]);
    let name = plain.split("<h3>High: ").nth(1).unwrap().split('<').next().unwrap();
    let masked = page(&project, &["t", "--mask"]);
    assert!(
        masked.contains("<h3>High: account 1<") && masked.contains("<h3>A surprise: account 3<")
    );
    assert!(name.len() == 5 && plain.matches(name).count() > masked.matches(name).count());
    assert!(!masked.contains(&format!("High: {name}")));
}

#[test]
fn without_test_rows_the_page_says_what_is_missing() {
    let project = Project::trial();
    project.train(&["--no-rows"]).done();
    let run = project
        .pql(&["report", "t", "-o", "-"])
        .done()
        .says(&["warning: the test rows are not beside the model"]);
    assert!(
        run.out.contains("the test rows were not stored")
            || run.out.contains("The test rows were not stored")
    );
    for (id, there) in [
        ("gains", true),
        ("reliability", true),
        ("odds-ratios", true),
        ("effect-0", true),
        ("roc", false),
        ("account-0", false),
    ] {
        assert_eq!(run.out.contains(&format!("id=\"{id}\"")), there, "{id}");
    }
}

#[test]
fn a_model_without_an_evaluation_says_so() {
    let project = Project::trained_matrix();
    let page = page(&project, &["m"]);
    assert!(
        page.contains("Nobody knows yet how good this model is")
            && page.contains("id=\"odds-ratios\"")
    );
    assert!(
        page.contains(
            "How likely is <code>converted</code>, from the columns of a feature matrix?"
        )
    );
    std::fs::remove_file(project.path("models/m/0001/model.json")).unwrap();
    let run = project.pql(&["report", "m", "-o", "-"]).done();
    assert!(run.out.contains("The model card is not beside the model"));
}

#[test]
fn rows_and_cards_of_another_model_are_refused() {
    let project = Project::trial();
    project.train(&[]).done();
    project.train(&["--set", "model.test=0.3"]).done();
    let copy = |file: &str| {
        project.write(
            &format!("models/t/0002/{file}"),
            project.read(&format!("models/t/0001/{file}")),
        );
    };
    copy("test.parquet");
    project
        .pql(&["report", "t/0002", "-o", "-"])
        .refused(3, &["test.parquet", "that the model was judged by"]);
    copy("model.json");
    project
        .pql(&["report", "t/0002", "-o", "-"])
        .refused(3, &["model.json", "card of another model"]);
}

#[test]
fn each_penalty_and_calibration_is_drawn() {
    let project = Project::trial();
    for (sets, there) in [
        (&["model.penalty=l1"][..], "penalty-columns"),
        (&["model.penalty=firth", "features.counts=0"], "odds-ratios"),
        (&["model.calibration=isotonic"], "account-0"),
        (&["design.spline=3"], "effect-0"),
        (&["model.refit=true"], "account-0"),
        (&["qualify.value={ deal = 1000, touch = 250 }"], "value"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        project.train(&[&["--report", "p.html"], sets.as_slice()].concat()).done();
        let page = project.text("p.html");
        assert!(page.contains(&format!("id=\"{there}\"")), "{sets:?}");
        assert!(!page.contains("NaN") && !page.contains(">inf"), "{sets:?}");
    }
}
