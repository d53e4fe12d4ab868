//! `pql models` and `pql compare`: versions, champions, and two models on the same rows.

use serde_json::Value;

use crate::project::{Project, dice, lines};

/// Creates a project with a champion on all features and a challenger on the industry only.
pub(crate) fn rivals() -> Project {
    let project = Project::simulated(1_500, 5);
    project.train(&["--set", "model.test_size=0.4"]).done();
    project
        .train(&["--set", "model.test_size=0.4", "--set", "design.include=[\"industry\"]"])
        .done();
    project
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn versions_are_listed_and_one_is_promoted() {
    let project = rivals();
    let listed = json(&project.pql(&["models", "list", "--format", "json"]).done().out);
    let values = |key: &str| {
        listed.as_array().unwrap().iter().map(|version| version[key].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (values("model"), values("champion")),
        (vec!["t/0001".into(), "t/0002".into()], vec![true.into(), false.into()])
    );
    let card = json(&project.text("models/t/0002/model.json"));
    assert_eq!(listed[1]["test"]["roc_auc"], card["evaluation"]["roc_auc"]["value"]);
    assert_eq!(listed[1]["training_rows"], card["refit"]["rows"]);
    project
        .pql(&["models", "promote", "t/0002"])
        .done()
        .stderr_has(&["t/0002 is now the champion"]);
    let run = project
        .pql(&["models", "list", "t"])
        .done()
        .stderr_has(&["*: after its test, the version was fitted again on all rows"]);
    let table = run.out;
    for header in ["trained to", "test period", "rows", "converted"] {
        assert!(table.lines().next().unwrap().contains(header), "{header}: {table}");
    }
    // Both have the same test set, whose period begins before the last training cutoff.
    let test = &listed[0]["test"];
    let day = |value: &Value| value.as_str().unwrap()[..10].to_owned();
    let row = format!(
        "{}*  {} to {}",
        day(&listed[0]["last_training_cutoff"]),
        day(&test["first_cutoff"]),
        &day(&test["last_cutoff"])[5..]
    );
    assert!(table.contains(&row), "{row}: {table}");
    let champion = table.lines().find(|line| line.contains("champion")).unwrap();
    assert!(champion.contains("t/0002"), "{table}");
    assert_eq!(project.text("models/t/champion"), "0002\n0001\n");
    let one = project.pql(&["models", "list", "t/0001/"]).done().out;
    assert!(one.contains("t/0001") && !one.contains("t/0002"), "{one}");
    // Unknown names and paths through folders are not versions.
    project.pql(&["models", "list", "nope"]).fails_with(4, &["model `nope` not found"]);
    for way in ["t/../t/0001", "../models/t/0001", "t//0001"] {
        project
            .pql(&["models", "promote", "--models", "./models", way])
            .fails_with(4, &["not found in"]);
    }
    assert_eq!(project.text("models/t/champion"), "0002\n0001\n");
    project.pql(&["models", "promote", "t/0001/"]).done();
    assert_eq!(project.text("models/t/champion"), "0001\n0002\n0001\n");
    project.pql(&["models", "promote", "t/0009"]).fails_with(4, &["model `t/0009` not found"]);
    project.pql(&["models", "list", "u"]).fails_with(4, &["model `u` not found"]);
    project.write("models/t/0002/model.pql", "no model");
    let run = project.pql(&["models", "list"]).done().stderr_has(&["warning: t/0002:"]);
    assert!(run.out.contains("unreadable"));
    project.pql(&["models", "promote", "t/0002"]).fails_with(4, &[]);
    project.pql(&["models", "list", "--models", "none"]).done().stderr_has(&["No model in `none`"]);
}

#[test]
fn promotion_requires_a_better_challenger() {
    let project = rivals();
    // Worse against better, then better against worse, on the stored test rows.
    project
        .pql(&["compare", "t/0002", "--require", "not-worse"])
        .stderr_has(&["check failed: `t/0002` is significantly worse than the champion"]);
    assert_eq!(project.pql(&["compare", "t/0002", "--promote"]).code, Some(5));
    assert_eq!(project.text("models/t/champion"), "0001\n");
    project.pql(&["models", "promote", "t/0002"]).done();
    let run = project
        .pql(&["compare", "t/0001", "-c", "pql.toml", "--promote"])
        .done()
        .stderr_has(&["t/0001 is now the champion"]);
    assert!(
        run.out.starts_with("t/0001 is better than t/0002: difference in log loss -"),
        "{}",
        run.out
    );
    assert_eq!(project.text("models/t/champion"), "0001\n0002\n0001\n");
    project
        .pql(&["compare", "t/0001"])
        .fails_with(2, &["`t/0001` is already the champion", "compare one of `t/0002`"]);
}

#[test]
fn compare_and_evaluate_agree() {
    let project = rivals();
    let compared =
        json(&project.pql(&["compare", "t/0002", "-c", "pql.toml", "--format", "json"]).done().out);
    let evaluated = |model: &str| {
        json(&project.pql(&["evaluate", model, "-c", "pql.toml", "--format", "json"]).done().out)
    };
    for (side, model) in [("challenger", "t/0002"), ("champion", "t/0001")] {
        let alone = evaluated(model);
        for metric in ["n", "log_loss", "roc_auc", "brier", "calibration_slope"] {
            assert_eq!(compared[side][metric], alone[metric], "{side} {metric}");
        }
    }
    let number = |pointer: &str| compared.pointer(pointer).unwrap().as_f64().unwrap();
    for metric in ["log_loss", "brier", "roc_auc"] {
        let less = number(&format!("/challenger/{metric}/value"))
            - number(&format!("/champion/{metric}/value"));
        assert!(
            (number(&format!("/difference/{metric}/difference")) - less).abs() < 1e-12,
            "{metric}"
        );
    }
    let tiers: f64 =
        (0..16).map(|cell| number(&format!("/tiers/{}/{}/rows", cell / 4, cell % 4))).sum();
    assert!((tiers - number("/challenger/n")).abs() < 1e-9);
    assert_eq!(
        compared["at_equal_volume"]["rows"],
        compared["champion"]["at_threshold"]["qualified"]
    );
    // Without a project file, the stored test rows are used.
    let beside = json(&project.pql(&["compare", "t/0002", "--format", "json"]).done().out);
    let card = json(&project.text("models/t/0002/model.json"));
    assert_eq!(beside["challenger"]["log_loss"], card["evaluation"]["log_loss"]);
}

#[test]
fn models_that_cannot_be_compared_are_errors_with_a_hint() {
    let project = rivals();
    project.train(&["--set", "observation.horizon=7d"]).done();
    project
        .pql(&["compare", "t/0003", "-c", "pql.toml"])
        .fails_with(3, &["predict different outcomes", "horizon` is 7d"]);
    project.train(&["--set", "features.windows=[\"3d\"]"]).done();
    project
        .pql(&["compare", "t/0001", "t/0004"])
        .fails_with(3, &["lack `", "which `t/0004` requires", "-c pql.toml"]);
    project.train(&["--set", "roles.login=[]"]).done();
    project.pql(&["compare", "t/0005"]).fails_with(3, &["`roles.login` differs"]);
    project.train(&["--set", "model.test_size=0", "--set", "design.include=[\"industry\"]"]).done();
    project.pql(&["compare", "t/0006"]).fails_with(3, &["the model has no test rows"]);
    project
        .pql(&["compare", "t/0002", "t/0006"])
        .fails_with(3, &["no labeled rows are outside the training data", "on a newer log"]);
    project.pql(&["compare", "t/0002", "t/0006", "--all"]).done();
    project.write("elsewhere.pql", project.read("models/t/0002/model.pql"));
    project.pql(&["compare", "elsewhere.pql"]).fails_with(2, &["it has no default champion"]);
}

#[test]
fn models_of_a_matrix_are_compared_on_a_matrix() {
    let project = Project::trained_matrix();
    project
        .pql(&[
            "train",
            "--name",
            "m",
            "--features",
            "matrix.csv",
            "--set",
            "model.penalty=l2",
            "--set",
            "model.alpha=500",
        ])
        .done();
    let run = project
        .pql(&["compare", "m/0002", "--features", "matrix.csv", "--report", "page.html"])
        .done();
    run.stderr_has(&[
        "the rows have no cutoffs, so training rows cannot be excluded",
        "Wrote page.html",
    ]);
    project.pql(&["compare", "m/0002", "m/0001", "-c", "pql.toml"]).fails_with(2, &["matrix"]);
    let page = project.text("page.html");
    assert!(
        page.contains("id=\"importance\"") && page.contains("L2, alpha 500"),
        "importance and provenance"
    );
}

#[test]
fn identical_models_are_reported_as_such() {
    let project = Project::trained_matrix();
    project.pql(&["train", "--name", "m", "--features", "matrix.csv"]).done();
    let run = project
        .pql(&["compare", "m/0002", "--features", "matrix.csv", "--report", "page.html"])
        .done();
    assert!(
        run.out.starts_with("m/0002 and m/0001 are identical on these rows\nCompared on "),
        "{}",
        run.out
    );
    assert_eq!(run.out.lines().count(), 2, "no tables: {}", run.out);
    assert!(project.text("page.html").contains("both models give every row the same probability."));
}

#[test]
fn too_few_conversions_give_no_verdict() {
    let project = Project::trained_matrix();
    project
        .pql(&[
            "train",
            "--name",
            "m",
            "--features",
            "matrix.csv",
            "--set",
            "model.penalty=l2",
            "--set",
            "model.alpha=500",
        ])
        .done();
    let matrix = project.text("matrix.csv");
    let place =
        matrix.lines().next().unwrap().split(',').position(|name| name == "converted").unwrap();
    // Without conversions, the model with lower probabilities would win.
    let nobody = |line: &str| {
        let cells: Vec<&str> = line
            .split(',')
            .enumerate()
            .map(|(index, cell)| if index == place { "0" } else { cell })
            .collect();
        cells.join(",") + "\n"
    };
    let (header, rows) = matrix.split_once('\n').unwrap();
    project
        .write("stale.csv", format!("{header}\n{}", rows.lines().map(nobody).collect::<String>()));
    let args = ["compare", "m/0002", "--features", "stale.csv"];
    let run = project
        .pql(&[&args[..], &["--format", "json"]].concat())
        .done()
        .stderr_has(&["warning: no verdict: no account converted", "20 accounts of each outcome"]);
    let found = json(&run.out);
    assert_eq!(found["verdict"], "no-verdict");
    let codes = found["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]);
    assert!(codes.clone().any(|code| code == "few-to-compare"), "{:?}", codes.collect::<Vec<_>>());
    for side in ["challenger", "champion"] {
        assert_eq!(found[side]["has_skill"], Value::Null, "{side}");
    }
    assert_eq!(found["difference"]["log_loss"]["interval"], Value::Null);
    for required in ["better", "not-worse"] {
        let run = project.pql(&[&args[..], &["--require", required, "--promote"]].concat());
        assert_eq!(run.code, Some(5));
        run.stderr_has(&["`m/0002` cannot be compared", "hint: no verdict: no account converted"]);
    }
    assert_eq!(project.text("models/m/champion"), "0001\n");
}

#[test]
fn a_headline_without_a_verdict_has_no_interval_below_it() {
    let project = Project::trained_matrix();
    let sets = ["--set", "model.penalty=l2", "--set", "model.alpha=500"];
    project
        .pql(&[&["train", "--name", "m", "--features", "matrix.csv"][..], &sets[..]].concat())
        .done();
    // The last rows with 19 conversions: one fewer than a verdict needs.
    let matrix = project.text("matrix.csv");
    let mut lines: Vec<&str> = matrix.lines().collect();
    let place = lines[0].split(',').position(|name| name == "converted").unwrap();
    let mut conversions = 0;
    let header = lines.remove(0);
    lines.retain(|line| {
        let converted = line.split(',').nth(place) == Some("1");
        conversions += u32::from(converted);
        !converted || conversions <= 19
    });
    project.write("few.csv", format!("{header}\n{}\n", lines.join("\n")));
    let run = project
        .pql(&["compare", "m/0002", "--features", "few.csv", "--report", "page.html"])
        .done()
        .stderr_has(&["warning: no verdict: only 19 accounts converted"]);
    let headline = "No verdict: too few conversions to compare m/0002 with m/0001\nCompared on ";
    assert!(run.out.starts_with(headline), "{}", run.out);
    assert!(!run.out.contains(" to -") && !run.out.contains(" to +"), "an interval: {}", run.out);
    let page = project.text("page.html");
    assert!(page.contains("No verdict: too few conversions."), "the lead of the page");
    assert!(!page.contains("no skill on these rows") && !page.contains("(95% CI −"), "no result");
}

#[test]
fn the_page_warns_about_training_rows() {
    let project = rivals();
    let args = ["compare", "t/0002", "-c", "pql.toml", "--all", "--report", "page.html"];
    project.pql(&args).done().stderr_has(&["may have been used to train one of the models"]);
    assert!(project.text("page.html").contains("may have been used to train one of the models"));
}

#[test]
fn a_page_that_cannot_be_written_is_an_early_error() {
    let project = rivals();
    project
        .train(&["--report", "absent/page.html"])
        .fails_with(1, &["cannot write `absent/page.html`"]);
    assert!(!project.path("models/t/0003").exists());
    project
        .pql(&["compare", "t/0001", "t/0002", "-c", "pql.toml", "--report", "absent/page.html"])
        .fails_with(1, &["cannot write"]);
}

#[test]
fn models_with_opposite_outcomes_cannot_be_compared() {
    let project = Project::new();
    project.write("pql.toml", "");
    let line = |row: u64| {
        format!("{row},{:.6},{}", dice(row, 1), if dice(row, 2) < 0.4 { "Yes" } else { "No" })
    };
    project.write("matrix.csv", format!("account_id,x,Churn\n{}", lines(400, line)));
    for positive in ["Yes", "No"] {
        let positive = format!("matrix.positive={positive}");
        let sets =
            ["--set", "matrix.label=Churn", "--set", &positive, "--set", "model.test_size=0"];
        project
            .pql(&[&["train", "--name", "m", "--features", "matrix.csv"][..], &sets[..]].concat())
            .done();
    }
    project.pql(&["compare", "m/0002"]).fails_with(
        3,
        &["predict different outcomes", "`matrix.positive` is \"No\" in the challenger"],
    );
}

#[test]
fn the_page_of_a_comparison_shows_its_numbers() {
    let project = rivals();
    let run =
        project.pql(&["compare", "t/0002", "--format", "json", "--report", "page.html"]).done();
    let (answer, page) = (json(&run.out), project.text("page.html"));
    for (id, pointer) in [
        ("log_loss", "/difference/log_loss/difference"),
        ("roc_auc", "/difference/roc_auc/difference"),
        ("rank_correlation", "/rank_correlation"),
    ] {
        let value = answer.pointer(pointer).unwrap().as_f64().unwrap();
        assert!(page.contains(&format!("<data id=\"{id}\" value=\"{value}\"")), "{id} {value}");
    }
    for id in ["roc", "gains", "reliability", "importance", "scores"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "`{id}` is not drawn");
    }
    let accounts = |page: &str| {
        page.split("Accounts with the largest disagreement").last().unwrap().matches(">a0").count()
    };
    project.pql(&["compare", "t/0002", "--report", "masked.html", "--mask"]).done();
    let masked = project.text("masked.html");
    assert!(accounts(&page) >= 10 && accounts(&masked) == 0 && masked.contains(">account 1<"));
    assert!(page.len() < 500_000 && !page.contains("http:") && !page.contains("https:"));
}
