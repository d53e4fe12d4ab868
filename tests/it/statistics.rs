//! Every statistical option of the project file changes the model and its summary.

use serde_json::Value;

use crate::project::Project;

/// Trains on the trial log with some keys set, and returns the model card and the output.
#[track_caller]
fn card(project: &Project, sets: &[&str]) -> (Value, String) {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let run = project.train(&[&["--promote"], sets.as_slice()].concat()).done();
    let version = project.text("models/t/champion");
    let card = project.text(&format!("models/t/{}/model.json", version.lines().next().unwrap()));
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
fn alpha_has_the_smallest_cross_validated_loss() {
    let project = Project::trial();
    let (chosen, messages) = card(&project, &["model.refit=false"]);
    let points = chosen["regularization_path"]["points"].as_array().unwrap();
    let loss = |point: &Value| point["log_loss"].as_f64().unwrap();
    let least = points.iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap();
    assert!(points.len() >= 20);
    assert_eq!(number(&chosen, "/alpha"), least["alpha"].as_f64().unwrap());
    assert!(messages.contains("(lowest cross-validated log loss)"), "{messages}");
    let (fixed, messages) = card(&project, &["model.alpha=3", "model.refit=false"]);
    assert!(
        fixed["regularization_path"].is_null()
            && number(&fixed, "/alpha") == 3.0
            && !messages.contains("cross-validated log loss")
    );
    let (strict, messages) = card(&project, &["model.alpha_selection=1se"]);
    assert!(
        number(&strict, "/alpha") > number(&chosen, "/alpha")
            && messages.contains("within one standard error"),
        "{messages}"
    );
    assert_ne!(coefficients(&strict), coefficients(&chosen));
}

#[test]
fn each_penalty_fits_a_different_model() {
    let project = Project::trial();
    let all = ["none", "l2", "l1", "elastic-net", "firth"].map(|penalty| {
        let set = format!("model.penalty={penalty}");
        card(&project, &[&set, "design.include=[\"events_7d\", \"active_days_7d\", \"industry\"]"])
            .0
    });
    for (i, a) in all.iter().enumerate() {
        for b in &all[i + 1..] {
            assert_ne!(coefficients(a), coefficients(b));
        }
        let errors = a["coefficients"][0]["std_error"].is_null();
        assert_eq!(errors, i == 2 || i == 3, "no standard errors after a selection");
        let tested = number(a, "/coefficients/1/z_unpenalized");
        assert!(
            (tested - number(&all[0], "/coefficients/1/z_unpenalized")).abs() < 1e-6,
            "`z_unpenalized` is that of the unpenalized fit, whatever the penalty"
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
fn each_calibration_gives_different_probabilities() {
    let project = Project::trial();
    let all = ["none", "platt", "isotonic"]
        .map(|kind| card(&project, &[&format!("model.calibration={kind}")]));
    let loss = |i: usize| number(&all[i].0, "/evaluation/log_loss/value");
    assert!(loss(0) != loss(1) && loss(1) != loss(2) && loss(0) != loss(2));
    assert!(all[2].1.contains("warning: isotonic calibration may overfit"), "{}", all[2].1);
    assert!(all[1].1.contains("Calibration: Platt"));
}

#[test]
fn each_threshold_rule_sets_the_threshold() {
    let project = Project::trial();
    let threshold = |sets: &[&str]| number(&card(&project, sets).0, "/threshold");
    let share = threshold(&[]);
    assert!(threshold(&["qualify.share=0.5"]) < share);
    assert_eq!(threshold(&["qualify.threshold=0.3"]), 0.3);
    assert_eq!(threshold(&["qualify.value={ revenue = 1000, cost = 250 }"]), 0.25);
    assert!(threshold(&["qualify.precision=0.6"]) > threshold(&["qualify.precision=0.5"]));
    assert!(threshold(&["qualify.capacity=1"]) > threshold(&["qualify.capacity=8"]));
    let run = project.pql(&["score", "t", "-o", "s.csv", "--at", "2025-04-20"]).done();
    run.stderr_has(&["conversions expected", "reach the threshold"]);
}

#[test]
fn the_expected_value_is_summed_over_qualified_accounts() {
    let project = Project::trial();
    card(&project, &["qualify.value={ revenue = 1000, cost = 250 }"]);
    let run = project.pql(&["score", "t", "-o", "-", "--at", "2025-04-20"]).done();
    let worth: f64 = rows(&run.out)
        .iter()
        .map(|row| row["probability"].parse().unwrap_or(0.0))
        .filter(|p| *p >= 0.25)
        .map(|p: f64| p * 1000.0 - 250.0)
        .sum();
    let worth = format!("{worth:.0}");
    let (thousands, rest) = worth.split_at(worth.len() - 3);
    run.stderr_has(&[&format!("worth {thousands},{rest} after the cost of contacting them")]);
}

#[test]
fn a_refit_keeps_the_metrics_of_the_first_fit() {
    let project = Project::trial();
    let (before, _) = card(&project, &["model.refit=false"]);
    let (after, messages) = card(&project, &[]);
    // The threshold is that of the final model.
    let metrics = |card: &Value| {
        let mut evaluation = card["evaluation"].as_object().unwrap().clone();
        evaluation.remove("at_threshold");
        evaluation
    };
    assert_eq!(metrics(&before), metrics(&after));
    assert_eq!(after["evaluation"]["at_threshold"]["threshold"], after["threshold"]);
    assert_ne!(coefficients(&before), coefficients(&after));
    let ratio = number(&after, "/refit/rows") / number(&before, "/train/rows");
    assert!((number(&after, "/alpha") - ratio * number(&before, "/alpha")).abs() < 1e-9);
    assert!(messages.contains("The final model is fitted on all "), "{messages}");
    // On its own log, the test rows are evaluated with their held-out probabilities.
    let run = project.pql(&["evaluate", "t", "--format", "json"]).done();
    let evaluated: Value = serde_json::from_str(&run.out).unwrap();
    run.stderr_has(&["with the probabilities from before the final refit"]);
    for metric in ["roc_auc", "log_loss", "brier", "at_threshold", "by_cutoff"] {
        assert_eq!(evaluated[metric], after["evaluation"][metric], "{metric}");
    }
    std::fs::remove_file(project.path("models/t/0002/test.parquet")).unwrap();
    project.pql(&["evaluate", "t/0002"]).fails_with(3, &["no labeled rows", "--all"]);
}

#[test]
fn an_interval_contains_its_score_and_l1_has_none() {
    let project = Project::trial();
    card(&project, &[]);
    let scores = |project: &Project| {
        let args = ["score", "t", "-o", "-", "--all", "--at", "2025-04-20"];
        rows(&project.pql(&args).done().out)
    };
    let (mut scored, mut without) = (0, 0);
    for row in scores(&project) {
        let cell = |name: &str| row[name].parse::<f64>().ok();
        match (cell("probability"), cell("probability_low"), cell("probability_high")) {
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

/// Returns the rows of a CSV with a header.
fn rows(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn a_model_without_skill_reports_it_first() {
    let project = Project::matrix();
    let lines = crate::project::lines(400, |i| {
        format!(
            "n{i},{:.3},{}",
            crate::project::dice(i, 1),
            u8::from(crate::project::dice(i, 2) < 0.2)
        )
    });
    project.write("noise.csv", format!("account_id,x,converted\n{lines}"));
    let run = project
        .pql(&[
            "train",
            "--name",
            "n",
            "--features",
            "noise.csv",
            "-v",
            "--set",
            "model.test_size=0.3",
        ])
        .done();
    assert!(
        run.out.starts_with(
            "No skill: on 131 held-out accounts (22 converted) the model ranks no better"
        ),
        "{}",
        run.out
    );
}

#[test]
fn inspect_shows_the_path_and_bars_only_on_a_terminal() {
    let project = Project::trial();
    card(&project, &[]);
    let path = project.pql(&["inspect", "t", "--regularization-path"]).done().out;
    assert_eq!(path.matches("chosen").count(), 1, "one row: {path}");
    let json: Value = serde_json::from_str(
        &project.pql(&["inspect", "t", "--regularization-path", "--format", "json"]).done().out,
    )
    .unwrap();
    assert!(json["points"].as_array().unwrap().len() >= 20);
    let csv = project.pql(&["inspect", "t", "--regularization-path", "--format", "csv"]).done().out;
    assert_eq!(csv.lines().next(), Some("alpha,log_loss,excess,excess_std_error,nonzero,chosen"));
    assert!(!project.pql(&["inspect", "t"]).done().out.contains('█'));
    card(&project, &["model.alpha=1"]);
    project
        .pql(&["inspect", "t", "--regularization-path"])
        .fails_with(2, &["no regularization path", "model.alpha"]);
    let project = Project::trained_matrix();
    for (version, penalty, why) in
        [("m/0002", "none", "no penalty"), ("m/0003", "firth", "Firth's penalty has no alpha")]
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
        project
            .pql(&["inspect", version, "--regularization-path"])
            .fails_with(2, &[why, "model.penalty"]);
    }
}
