//! `design.spline`: numeric features in straight pieces.

use std::fmt::Write as _;
use std::path::Path;

use pql::model::Model;
use serde_json::Value;

use crate::project::{Project, Run, TRIAL, dice, lines};

/// Train the model `t` with so many knots, and read its card.
#[track_caller]
pub(crate) fn card(project: &Project, knots: u8, args: &[&str]) -> (Value, Run) {
    let set = format!("design.spline={knots}");
    let run = project.train(&[&["--promote", "--set", &set], args].concat()).done();
    let version = project.text("models/t/champion");
    let card = project.text(&format!("models/t/{}/model.json", version.trim()));
    (serde_json::from_str(&card).unwrap(), run)
}

pub(crate) fn loss(card: &Value) -> f64 {
    card["evaluation"]["log_loss"]["value"].as_f64().unwrap()
}

/// The coefficients but the intercept, by design column.
fn coefficients(card: &Value) -> Vec<(String, &Value)> {
    let rows = card["coefficients"].as_array().unwrap();
    rows.iter().skip(1).map(|row| (row["feature"].as_str().unwrap().to_owned(), row)).collect()
}

fn columns(card: &Value) -> Vec<String> {
    coefficients(card).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn knots_add_columns_and_none_leaves_all_as_it_was() {
    let project = Project::trial();
    let (without, bent) = (card(&project, 0, &[]).0, card(&project, 3, &[]).0);
    project.train(&[]).done();
    let bytes = |version: &str| project.read(&format!("models/t/{version}/model.pql"));
    assert_eq!(bytes("0001"), bytes("0003"), "0 is the default");
    assert!(columns(&without).iter().all(|name| !name.contains('>') && !name.contains(" from ")));
    assert_ne!(loss(&without), loss(&bent));
    let names = columns(&bent);
    let place = |name: &str| {
        names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no `{name}` in {names:?}"))
    };
    let first = place("events_total");
    assert_eq!(names[first + 1], "events_total>0");
    assert!(names[first + 2].starts_with("events_total from "));
    let (one, three) = (columns(&card(&project, 1, &[]).0).len(), names.len());
    assert!(columns(&without).len() < one && one < three);
}

#[test]
fn a_bent_model_reads_back_and_scores_the_same() {
    let project = Project::trial();
    card(&project, 3, &[]);
    let bytes = project.read("models/t/0001/model.pql");
    let model = Model::from_bytes(&bytes, Path::new("m")).unwrap();
    assert_eq!(model.to_bytes().unwrap(), bytes);
    assert_eq!(model.config().unwrap().design.spline, 3);
    let mut other = model;
    other.preprocessor.features.iter_mut().for_each(|prepared| {
        if let pql::model::encoder::Way::Number(number) = &mut prepared.way {
            number.hinges.clear();
        }
    });
    assert!(other.to_bytes().is_err(), "columns and coefficients do not go together");
}

#[test]
fn contributions_of_a_feature_in_pieces_add_up() {
    let project = Project::trial();
    card(&project, 3, &[]);
    let ask = ["--model", "t", "--at", "2025-04-20"];
    let scores = project.pql(&[&["score", "-o", "-"], &ask[..]].concat()).done().out;
    let mut reader = csv::Reader::from_reader(scores.as_bytes());
    let scored: Vec<_> =
        reader.records().map(|row| row.unwrap()).filter(|row| !row[2].is_empty()).take(5).collect();
    assert_eq!(scored.len(), 5);
    for row in scored {
        let json = project.pql(&[&["explain", &row[0], "--json"], &ask[..]].concat()).done().out;
        let answer: Value = serde_json::from_str(&json).unwrap();
        let explanation = &answer["explanation"];
        let number = |value: &Value| value.as_f64().unwrap();
        assert_eq!(number(&explanation["probability"]), row[2].parse::<f64>().unwrap());
        let parts = explanation["contributions"].as_array().unwrap();
        let sum: f64 = parts.iter().map(|part| number(&part["contribution"])).sum();
        assert!(
            (number(&explanation["base"]) + sum - number(&explanation["log_odds"])).abs() < 1e-12
        );
        let events = parts.iter().find(|part| part["measure"] == "events_total").unwrap();
        let of_events = events["columns"].as_array().unwrap();
        assert!(of_events.len() > 2, "{events}");
        let sum: f64 = of_events.iter().map(|column| number(&column["contribution"])).sum();
        assert!((sum - number(&events["contribution"])).abs() < 1e-12);
        assert!(events["reason"].as_str().unwrap().contains("events so far, typical"), "{events}");
    }
}

/// A matrix of 300 rows with a number that is null in some, a 0/1 column and an outcome that a
/// value above 0 makes likely.
fn matrix() -> String {
    let row = |at: u64| {
        let size = if dice(at, 1) < 0.3 { 0.0 } else { 40.0 * dice(at, 2) };
        let shown = if at % 10 == 3 { String::new() } else { format!("{size:.2}") };
        let converted = u8::from(dice(at, 3) < if size > 0.0 { 0.6 } else { 0.2 });
        format!("a{at},{shown},{},{converted}", at % 2)
    };
    format!("account_id,size,paid,converted\n{}", lines(300, row))
}

#[test]
fn raw_odds_ratios_are_given_where_a_line_is_straight() {
    let project = Project::matrix();
    project.write("matrix.csv", matrix());
    let (card, _) = card(&project, 2, &["--features", "matrix.csv"]);
    let names = columns(&card);
    assert_eq!(names[..2], ["size", "size>0"]);
    assert!(names[2].starts_with("size from ") && names[3].starts_with("size from "), "{names:?}");
    assert_eq!(names[4..], ["missing_size", "paid"], "a column of two values has no bend");
    for (name, row) in coefficients(&card) {
        let straight = name != "size" && !name.contains(" from ");
        assert_eq!(row["odds_ratio_raw"].is_null(), !straight, "{name}");
        assert_eq!(row["coef_raw"].is_null(), !straight, "{name}");
    }
    assert!(card["coefficients"][0]["coef_raw"].is_null(), "no raw intercept");
    let table = project.pql(&["inspect", "t"]).done().out;
    let of_size =
        table.split("size (importance").nth(1).unwrap().split("(importance").next().unwrap();
    assert_eq!(of_size.matches("\n   size from ").count(), 2, "{table}");
    assert!(table.contains("`x from b`: by how much the slope changes at b"), "{table}");
}

#[test]
fn nulls_and_values_never_seen_are_scored() {
    let project = Project::matrix();
    project.write("matrix.csv", matrix());
    card(&project, 2, &["--features", "matrix.csv"]);
    project.write(
        "batch.csv",
        "account_id,size,paid\nnull,,1\nbelow,-50,1\nzero,0,1\nabove,1000,1\nmore,2000,1\n",
    );
    let out =
        project.pql(&["score", "--model", "t", "--features", "batch.csv", "-o", "-"]).done().out;
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let p: Vec<f64> = reader.records().map(|row| row.unwrap()[2].parse().unwrap()).collect();
    assert!(p.len() == 5 && p.iter().all(|p| *p > 0.0 && *p < 1.0), "{p:?}");
    assert!(p[3] != p[2] && p[4] != p[3] && p[0] != p[2]);
}

#[test]
fn bends_are_not_counted_where_a_model_is_said_to_have_too_many_columns() {
    let project = Project::matrix();
    let row = |at: u64| {
        let (a, b) = (dice(at, 1), dice(at, 2));
        format!("a{at},{a:.4},{b:.4},{}", u8::from(dice(at, 3) < 0.2 + 0.5 * a))
    };
    project.write("matrix.csv", format!("account_id,a,b,converted\n{}", lines(200, row)));
    let said = |knots: u8| {
        let (card, run) =
            card(&project, knots, &["--features", "matrix.csv", "--set", "model.penalty=l2"]);
        (run.err, card["coefficients"][1]["z"].is_null())
    };
    assert!(!said(0).1);
    let (words, untested) = said(10);
    assert!(!words.contains("converting training accounts per design column"), "{words}");
    assert!(untested && words.contains("z and p are null"), "{words}");
}

#[test]
fn what_knots_cannot_be_is_refused() {
    let project = Project::matrix();
    let train = |set: &str| project.train(&["--features", "matrix.csv", "--set", set]);
    train("design.spline=11").refused(2, &["`design.spline` is 11: expected 0 to 10 knots"]);
    train("design.spline=-1").refused(2, &["spline"]);
    train("design.spline=auto").refused(2, &["spline"]);
    project.replace("matrix.csv", "plan", "usage from 0.5");
    train("design.spline=0").done();
    train("design.spline=3")
        .refused(2, &["a feature cannot be named `usage from 0.5` beside `usage`"]);
    project.replace("matrix.csv", "usage from 0.5", "usage from afar");
    train("design.spline=3").done();
}

/// A log of accounts whose chance to convert rises with their events in the first week up to
/// fifteen of them, and no further.
fn saturating(project: &Project) {
    const DAY: i64 = 86_400_000_000;
    let start: i64 = 1_735_689_600_000_000;
    let mut accounts = "account_id,signed_up_at,converted_at\n".to_owned();
    let mut events = "account_id,user_id,event,timestamp\n".to_owned();
    for account in 0..1_600_u64 {
        let signed_up = start + i64::try_from(account % 200).unwrap() * DAY;
        let busy = dice(account, 1);
        let count = (0..60).filter(|at| f64::from(*at) < 60.0 * (busy - 0.2) / 0.8).count();
        let converts =
            dice(account, 2) < 0.03 + 0.5 * f64::from(u32::try_from(count.min(15)).unwrap()) / 15.0;
        let at = signed_up + 8 * DAY + i64::try_from(account % 10).unwrap() * DAY;
        writeln!(
            accounts,
            "{account},{},{}",
            pql::time::iso(signed_up),
            if converts { pql::time::iso(at) } else { String::new() }
        )
        .unwrap();
        for event in 0..i64::try_from(count).unwrap() {
            let time = signed_up + 3_600_000_000 + event * 9_000_000_000;
            writeln!(events, "{account},u,report,{}", pql::time::iso(time)).unwrap();
        }
        // The log goes on after the week that is looked at.
        writeln!(events, "{account},u,report,{}", pql::time::iso(signed_up + 20 * DAY)).unwrap();
    }
    project.write("accounts.csv", accounts);
    project.write("events.csv", events);
    project.write(
        "pql.toml",
        TRIAL.replace("values = [\"minutes\"]\n", "").replace("attributes = [\"industry\"]\n", ""),
    );
}

#[test]
fn an_effect_that_saturates_is_found_by_a_line_that_bends() {
    let project = Project::new();
    saturating(&project);
    let one = ["--set", "design.use=[\"events_total\"]"];
    let (straight, bent) = (card(&project, 0, &one).0, card(&project, 3, &one).0);
    assert!(loss(&bent) < loss(&straight) - 0.005, "{} and {}", loss(&bent), loss(&straight));
}
