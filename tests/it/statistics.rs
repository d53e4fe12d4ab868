//! Every statistical option of the project file changes the model, and what is said of it.

use serde_json::Value;

use crate::project::Project;

/// Train on the trial log with some keys set, and read the model card.
#[track_caller]
fn card(project: &Project, sets: &[&str]) -> (Value, String) {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let run = project.train(&[&["--promote"], sets.as_slice()].concat()).done();
    let version = project.text("models/t/champion");
    let card = project.text(&format!("models/t/{}/model.json", version.trim()));
    (serde_json::from_str(&card).unwrap(), run.out + &run.err)
}

fn number(card: &Value, pointer: &str) -> f64 {
    card.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number `{pointer}`"))
}

fn coefficients(card: &Value) -> Vec<f64> {
    let rows = card["coefficients"].as_array().unwrap();
    rows.iter().skip(1).map(|row| row["coef"].as_f64().unwrap()).collect()
}

#[test]
fn the_strength_of_the_penalty_is_at_the_least_cross_validated_loss() {
    let project = Project::trial();
    let (chosen, said) = card(&project, &[]);
    let points = chosen["path"]["points"].as_array().unwrap();
    let loss = |point: &Value| point["log_loss"].as_f64().unwrap();
    let least = points.iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap();
    assert!(points.len() >= 20);
    assert_eq!(number(&chosen, "/alpha"), least["alpha"].as_f64().unwrap());
    assert!(said.contains("at the least cross-validated log loss"), "{said}");
    let (given, said) = card(&project, &["model.alpha=3"]);
    assert!(
        given["path"].is_null()
            && number(&given, "/alpha") == 3.0
            && !said.contains("cross-validated")
    );
    let (strict, said) = card(&project, &["model.rule=1se"]);
    assert!(
        number(&strict, "/alpha") > number(&chosen, "/alpha")
            && said.contains("within a standard error"),
        "{said}"
    );
    assert_ne!(coefficients(&strict), coefficients(&chosen));
}

#[test]
fn every_penalty_fits_another_model() {
    let project = Project::trial();
    let all = ["none", "l2", "l1", "elastic-net", "firth"].map(|penalty| {
        let set = format!("model.penalty={penalty}");
        card(&project, &[&set, "design.use=[\"events_7d\", \"active_days_7d\", \"industry\"]"]).0
    });
    for (at, a) in all.iter().enumerate() {
        for b in &all[at + 1..] {
            assert_ne!(coefficients(a), coefficients(b));
        }
        let errors = a["coefficients"][0]["std_error"].is_null();
        assert_eq!(errors, at == 2 || at == 3, "no standard errors after a selection");
        let tested = number(a, "/coefficients/1/z");
        assert!(
            (tested - number(&all[0], "/coefficients/1/z")).abs() < 1e-6,
            "z is that of the unpenalised fit, whatever the penalty"
        );
    }
    let (other, _) =
        card(&project, &["model.penalty=elastic-net", "model.l1_ratio=0.9", "model.alpha=2"]);
    let (one, _) =
        card(&project, &["model.penalty=elastic-net", "model.l1_ratio=0.1", "model.alpha=2"]);
    let zeros = |card: &Value| coefficients(card).iter().filter(|c| **c == 0.0).count();
    assert!(zeros(&other) > zeros(&one));
}

#[test]
fn each_calibration_gives_other_probabilities() {
    let project = Project::trial();
    let all = ["none", "platt", "isotonic"]
        .map(|kind| card(&project, &[&format!("model.calibration={kind}")]));
    let loss = |at: usize| number(&all[at].0, "/evaluation/log_loss/value");
    assert!(loss(0) != loss(1) && loss(1) != loss(2) && loss(0) != loss(2));
    assert!(all[2].1.contains("warning: isotonic calibration on"), "{}", all[2].1);
    assert!(all[1].1.contains("Calibration: Platt"));
}

#[test]
fn each_kind_of_threshold_is_what_it_says() {
    let project = Project::trial();
    let threshold = |sets: &[&str]| number(&card(&project, sets).0, "/threshold");
    let share = threshold(&[]);
    assert!(threshold(&["qualify.share=0.5"]) < share);
    assert_eq!(threshold(&["qualify.threshold=0.3"]), 0.3);
    assert_eq!(threshold(&["qualify.value={ deal = 1000, touch = 250 }"]), 0.25);
    assert!(threshold(&["qualify.precision=0.6"]) > threshold(&["qualify.precision=0.5"]));
    assert!(threshold(&["qualify.capacity=1"]) > threshold(&["qualify.capacity=8"]));
    let run = project.pql(&["score", "--model", "t", "-o", "s.csv", "--at", "2025-04-20"]).done();
    run.says(&["conversions expected", "reach the threshold"]);
}

#[test]
fn what_a_conversion_is_worth_is_summed_over_the_qualified() {
    let project = Project::trial();
    card(&project, &["qualify.value={ deal = 1000, touch = 250 }"]);
    let run = project.pql(&["score", "--model", "t", "-o", "-", "--at", "2025-04-20"]).done();
    let worth: f64 = rows(&run.out)
        .iter()
        .map(|row| row["probability"].parse().unwrap_or(0.0))
        .filter(|p| *p >= 0.25)
        .map(|p: f64| p * 1000.0 - 250.0)
        .sum();
    run.says(&[&format!("worth {worth:.0} after the cost of contacting them")]);
}

#[test]
fn a_model_learned_again_keeps_the_metrics_of_the_fit_before() {
    let project = Project::trial();
    let (before, _) = card(&project, &[]);
    let (after, said) = card(&project, &["model.refit=true"]);
    assert_eq!(before["evaluation"], after["evaluation"]);
    assert_ne!(coefficients(&before), coefficients(&after));
    let ratio = number(&after, "/learned_again/rows") / number(&before, "/train/rows");
    assert!((number(&after, "/alpha") - ratio * number(&before, "/alpha")).abs() < 1e-9);
    assert!(said.contains("Then learned again on all"), "{said}");
    project.pql(&["evaluate", "t"]).refused(3, &["no labelled row is left", "--all"]);
}

#[test]
fn the_interval_of_a_score_holds_it_and_selection_has_none() {
    let project = Project::trial();
    card(&project, &[]);
    let scores = |project: &Project| {
        rows(&project.pql(&["score", "--model", "t", "-o", "-", "--at", "2025-04-20"]).done().out)
    };
    let (mut scored, mut without) = (0, 0);
    for row in scores(&project) {
        let of = |name: &str| row[name].parse::<f64>().ok();
        match (of("probability"), of("probability_low"), of("probability_high")) {
            (Some(p), Some(low), Some(high)) => {
                assert!(0.0 < low && low < p && p < high && high < 1.0, "{row:?}");
                scored += 1;
            }
            (None, None, None) => without += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(scored > 10 && without > 0);
    card(&project, &["model.penalty=l1"]);
    assert!(scores(&project).iter().all(|row| row["probability_low"].is_empty()));
}

/// The rows of a CSV with a header.
fn rows(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn a_model_that_tells_nothing_says_so_in_its_first_line() {
    let project = Project::matrix();
    let lines = crate::project::lines(400, |at| {
        format!(
            "n{at},{:.3},{}",
            crate::project::dice(at, 1),
            u8::from(crate::project::dice(at, 2) < 0.2)
        )
    });
    project.write("noise.csv", format!("account_id,x,converted\n{lines}"));
    let run = project
        .pql(&["train", "--name", "n", "--features", "noise.csv", "--set", "model.test=0.3"])
        .done();
    assert!(
        run.out
            .starts_with("The model does not beat the base rate of the training rows: log loss "),
        "{}",
        run.out
    );
    assert!(run.out.lines().next().unwrap().contains("converting test accounts"), "{}", run.out);
}

#[test]
fn inspect_shows_the_path_and_a_bar_only_on_a_terminal() {
    let project = Project::trial();
    card(&project, &[]);
    let path = project.pql(&["inspect", "t", "--path"]).done().out;
    assert_eq!(path.matches("chosen").count(), 2, "the header and one row: {path}");
    let json: Value = serde_json::from_str(
        &project.pql(&["inspect", "t", "--path", "--format", "json"]).done().out,
    )
    .unwrap();
    assert!(json["points"].as_array().unwrap().len() >= 20);
    let csv = project.pql(&["inspect", "t", "--path", "--format", "csv"]).done().out;
    assert_eq!(csv.lines().next(), Some("alpha,log_loss,excess,excess_se,non_zero,chosen"));
    assert!(!project.pql(&["inspect", "t"]).done().out.contains('█'));
    card(&project, &["model.alpha=1"]);
    project.pql(&["inspect", "t", "--path"]).refused(2, &["no path was tried", "model.alpha"]);
    let project = Project::trained_matrix();
    for (version, penalty, why) in
        [("m/0002", "none", "no penalty"), ("m/0003", "firth", "Firth's penalty has no strength")]
    {
        project
            .pql(&[
                "train",
                "--name",
                "m",
                "--features",
                "matrix.csv",
                "--set",
                &format!("model.penalty={penalty}"),
            ])
            .done();
        project.pql(&["inspect", version, "--path"]).refused(2, &[why, "model.penalty"]);
    }
}
