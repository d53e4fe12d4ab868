//! `pql models` and `pql compare`: versions, champions, and two models on the same rows.

use serde_json::Value;

use crate::project::{Project, dice, lines};

/// A project with a champion of all features, and a challenger that knows the industry alone.
pub(crate) fn rivals() -> Project {
    let project = Project::new();
    project.pql(&["simulate", "-o", ".", "--accounts", "1500", "--seed", "5"]).done();
    project.train(&["--set", "model.test=0.4"]).done();
    project.train(&["--set", "model.test=0.4", "--set", "design.use=[\"industry\"]"]).done();
    project
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn versions_are_listed_and_one_is_promoted() {
    let project = rivals();
    let listed = json(&project.pql(&["models", "--json"]).done().out);
    let of = |key: &str| {
        listed.as_array().unwrap().iter().map(|version| version[key].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (of("model"), of("champion")),
        (vec!["t/0001".into(), "t/0002".into()], vec![true.into(), false.into()])
    );
    let card = json(&project.text("models/t/0002/model.json"));
    assert_eq!(listed[1]["roc_auc"], card["evaluation"]["roc_auc"]["value"]);
    assert_eq!(listed[1]["training_rows"], card["train"]["rows"]);
    let table = project
        .pql(&["models", "t", "--promote", "t/0002"])
        .done()
        .says(&["t/0002 is the champion"])
        .out;
    let champion = table.lines().find(|line| line.contains("champion")).unwrap();
    assert!(champion.contains("t/0002"), "{table}");
    assert_eq!(project.text("models/t/champion"), "0002\n");
    let one = project.pql(&["models", "t/0001/"]).done().out;
    assert!(one.contains("t/0001") && !one.contains("t/0002"), "{one}");
    // A name that is none is told before, and a way through folders is no version.
    project
        .pql(&["models", "nope", "--promote", "t/0001"])
        .refused(4, &["there is no model `nope`"]);
    for way in ["t/../t/0001", "../models/t/0001", "t//0001"] {
        project
            .pql(&["models", "--models", "./models", "--promote", way])
            .refused(4, &["there is no model"]);
    }
    assert_eq!(project.text("models/t/champion"), "0002\n");
    project.pql(&["models", "--promote", "t/0001/"]).done();
    assert_eq!(project.text("models/t/champion"), "0001\n");
    project.pql(&["models", "--promote", "t/0009"]).refused(4, &["there is no model `t/0009`"]);
    project.pql(&["models", "u"]).refused(4, &["there is no model `u`"]);
    project.write("models/t/0002/model.pql", "no model");
    let run = project.pql(&["models"]).done().says(&["warning: t/0002:"]);
    assert!(run.out.contains("cannot be read"));
    project.pql(&["models", "--promote", "t/0002"]).refused(4, &[]);
    project.pql(&["models", "--models", "none"]).done().says(&["no model under `none`"]);
}

#[test]
fn a_challenger_is_held_to_what_is_required() {
    let project = rivals();
    // The worse one against the better, and the other way round, on the rows beside them.
    project
        .pql(&["compare", "t/0002", "--require", "not-worse"])
        .says(&["the check did not hold that `t/0002` is not worse"]);
    assert_eq!(project.pql(&["compare", "t/0002", "--promote"]).code, Some(5));
    assert_eq!(project.text("models/t/champion"), "0001\n");
    project.pql(&["models", "--promote", "t/0002"]).done();
    let run = project
        .pql(&["compare", "t/0001", "-c", "pql.toml", "--promote"])
        .done()
        .says(&["t/0001 is the champion"]);
    assert!(run.out.starts_with("t/0001 is better than t/0002: log loss -"), "{}", run.out);
    assert_eq!(project.text("models/t/champion"), "0001\n");
    project
        .pql(&["compare", "t/0001"])
        .refused(2, &["`t/0001` is the champion itself", "there are also `t/0002`"]);
}

#[test]
fn both_are_judged_as_evaluate_judges_them() {
    let project = rivals();
    let compared =
        json(&project.pql(&["compare", "t/0002", "-c", "pql.toml", "--json"]).done().out);
    let judged = |model: &str| {
        json(&project.pql(&["evaluate", model, "-c", "pql.toml", "--json"]).done().out)
    };
    for (side, model) in [("challenger", "t/0002"), ("champion", "t/0001")] {
        let alone = judged(model);
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
    // The test rows beside the challenger are among them.
    let beside = json(&project.pql(&["compare", "t/0002", "--json"]).done().out);
    let card = json(&project.text("models/t/0002/model.json"));
    assert_eq!(beside["challenger"]["log_loss"], card["evaluation"]["log_loss"]);
}

#[test]
fn what_cannot_be_compared_is_refused_with_the_way_out() {
    let project = rivals();
    project.train(&["--set", "observation.horizon=7d"]).done();
    project
        .pql(&["compare", "t/0003", "-c", "pql.toml"])
        .refused(3, &["do not predict the same thing", "horizon` is 7d"]);
    project.train(&["--set", "features.windows=[\"3d\"]"]).done();
    project
        .pql(&["compare", "t/0001", "t/0004"])
        .refused(3, &["have no `", "which `t/0004` needs", "-c pql.toml"]);
    project.train(&["--set", "roles.login=[]"]).done();
    project.pql(&["compare", "t/0005"]).refused(3, &["`roles.login` differs"]);
    project.train(&["--set", "model.test=0", "--set", "design.use=[\"industry\"]"]).done();
    project.pql(&["compare", "t/0006"]).refused(3, &["the model has no test rows"]);
    project
        .pql(&["compare", "t/0002", "t/0006"])
        .refused(3, &["no row with an outcome is newer", "on a newer log"]);
    project.pql(&["compare", "t/0002", "t/0006", "--all"]).done();
    project.write("elsewhere.pql", project.read("models/t/0002/model.pql"));
    project.pql(&["compare", "elsewhere.pql"]).refused(2, &["its champion is unknown"]);
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
    run.says(&[
        "without cutoffs rows that a model has learned from cannot be told apart",
        "report of m/0002 against m/0001: page.html",
    ]);
    project.pql(&["compare", "m/0002", "m/0001", "-c", "pql.toml"]).refused(2, &["matrix"]);
    let page = project.text("page.html");
    assert!(
        page.contains("id=\"importance\"") && page.contains("l2, alpha 500"),
        "what weighs, and how each was made"
    );
}

#[test]
fn of_two_that_say_the_same_nothing_is_left_open() {
    let project = Project::trained_matrix();
    project.pql(&["train", "--name", "m", "--features", "matrix.csv"]).done();
    let run = project
        .pql(&["compare", "m/0002", "--features", "matrix.csv", "--report", "page.html"])
        .done();
    assert!(
        run.out
            .starts_with("m/0002 and m/0001 give every row the same probability: log loss +0.0000"),
        "{}",
        run.out
    );
    assert!(project.text("page.html").contains("Both give every row the same probability."));
}

#[test]
fn hardly_any_conversion_makes_no_verdict() {
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
    // Outcomes that were not brought along: of two models the one with the lower probabilities
    // would win.
    let nobody = |line: &str| {
        let cells: Vec<&str> = line
            .split(',')
            .enumerate()
            .map(|(at, cell)| if at == place { "0" } else { cell })
            .collect();
        cells.join(",") + "\n"
    };
    let (header, rows) = matrix.split_once('\n').unwrap();
    project
        .write("stale.csv", format!("{header}\n{}", rows.lines().map(nobody).collect::<String>()));
    let args = ["compare", "m/0002", "--features", "stale.csv"];
    let run = project
        .pql(&[&args[..], &["--json"]].concat())
        .done()
        .says(&["warning: 0 of ", "a verdict needs 10 that did"]);
    assert_eq!(json(&run.out)["verdict"], "undecided");
    for required in ["better", "not-worse"] {
        let run = project.pql(&[&args[..], &["--require", required, "--promote"]].concat());
        assert_eq!(run.code, Some(5));
        run.says(&["hint: 0 of "]);
    }
    assert_eq!(project.text("models/m/champion"), "0001\n");
}

#[test]
fn rows_that_a_model_has_learned_from_are_told_on_the_page_too() {
    let project = rivals();
    let args = ["compare", "t/0002", "-c", "pql.toml", "--all", "--report", "page.html"];
    project.pql(&args).done().says(&["that one of them learned from count too, as asked"]);
    assert!(
        project.text("page.html").contains("that one of them learned from count too, as asked")
    );
}

#[test]
fn a_page_that_cannot_be_written_is_told_before_anything_is_done() {
    let project = rivals();
    project
        .train(&["--report", "absent/page.html"])
        .refused(1, &["cannot write `absent/page.html`"]);
    assert!(!project.path("models/t/0003").exists());
    project
        .pql(&["compare", "t/0001", "t/0002", "-c", "pql.toml", "--report", "absent/page.html"])
        .refused(1, &["cannot write"]);
}

#[test]
fn models_of_opposite_outcomes_are_not_compared() {
    let project = Project::new();
    project.write("pql.toml", "");
    let line = |row: u64| {
        format!("{row},{:.6},{}", dice(row, 1), if dice(row, 2) < 0.4 { "Yes" } else { "No" })
    };
    project.write("matrix.csv", format!("account_id,x,Churn\n{}", lines(400, line)));
    for positive in ["Yes", "No"] {
        let positive = format!("matrix.positive={positive}");
        let sets = ["--set", "matrix.label=Churn", "--set", &positive, "--set", "model.test=0"];
        project
            .pql(&[&["train", "--name", "m", "--features", "matrix.csv"][..], &sets[..]].concat())
            .done();
    }
    project.pql(&["compare", "m/0002"]).refused(
        3,
        &["do not predict the same thing", "`matrix.positive` is \"No\" in the challenger"],
    );
}

#[test]
fn the_page_of_a_comparison_shows_its_numbers() {
    let project = rivals();
    let run = project.pql(&["compare", "t/0002", "--json", "--report", "page.html"]).done();
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
    let accounts = |page: &str| page.split("furthest apart").last().unwrap().matches(">a0").count();
    project.pql(&["compare", "t/0002", "--report", "masked.html", "--mask"]).done();
    let masked = project.text("masked.html");
    assert!(accounts(&page) >= 10 && accounts(&masked) == 0 && masked.contains(">account 1<"));
    assert!(page.len() < 500_000 && !page.contains("http:") && !page.contains("https:"));
}
