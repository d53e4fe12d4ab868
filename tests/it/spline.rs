//! `design.spline`: piecewise linear effects of numeric features.

use std::fmt::Write as _;
use std::path::Path;

use pql::model::Model;
use serde_json::Value;

use crate::project::{Project, Run, TRIAL, dice, lines};

/// Trains the model `t` with a number of knots; returns its card and the output.
#[track_caller]
pub(crate) fn card(project: &Project, knots: u8, args: &[&str]) -> (Value, Run) {
    let set = format!("design.spline={knots}");
    let run = project.train(&[&["--promote", "--set", &set], args].concat()).done();
    let version = project.text("models/t/champion");
    let card = project.text(&format!("models/t/{}/model.json", version.lines().next().unwrap()));
    (serde_json::from_str(&card).unwrap(), run)
}

pub(crate) fn loss(card: &Value) -> f64 {
    card["evaluation"]["log_loss"]["value"].as_f64().unwrap()
}

/// Returns the coefficients without the intercept, by design column.
fn coefficients(card: &Value) -> Vec<(String, &Value)> {
    let rows = card["coefficients"].as_array().unwrap();
    rows.iter().skip(1).map(|row| (row["feature"].as_str().unwrap().to_owned(), row)).collect()
}

fn columns(card: &Value) -> Vec<String> {
    coefficients(card).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn knots_add_columns_and_0_knots_change_nothing() {
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
fn a_spline_model_round_trips_and_scores_the_same() {
    let project = Project::trial();
    card(&project, 3, &[]);
    let bytes = project.read("models/t/0001/model.pql");
    let model = Model::from_bytes(&bytes, Path::new("m")).unwrap();
    assert_eq!(model.to_bytes().unwrap(), bytes);
    assert_eq!(model.config().unwrap().design.spline, 3);
    let mut other = model;
    other.preprocessor.features.iter_mut().for_each(|encoder| {
        if let pql::model::encoder::Encoding::Numeric(number) = &mut encoder.encoding {
            number.hinges.clear();
        }
    });
    assert!(other.to_bytes().is_err(), "columns and coefficients are inconsistent");
}

#[test]
fn contributions_of_spline_columns_add_up() {
    let project = Project::trial();
    card(&project, 3, &[]);
    let time = ["--at", "2025-04-20"];
    let scores = project.pql(&[&["score", "t", "-o", "-"], &time[..]].concat()).done().out;
    let mut reader = csv::Reader::from_reader(scores.as_bytes());
    let scored: Vec<_> =
        reader.records().map(|row| row.unwrap()).filter(|row| !row[2].is_empty()).take(5).collect();
    assert_eq!(scored.len(), 5);
    for row in scored {
        let json = project
            .pql(&[&["explain", "t", &row[0], "--format", "json"], &time[..]].concat())
            .done()
            .out;
        let answer: Value = serde_json::from_str(&json).unwrap();
        let explanation = &answer["explanation"];
        let number = |value: &Value| value.as_f64().unwrap();
        assert_eq!(number(&explanation["probability"]), row[2].parse::<f64>().unwrap());
        let parts = explanation["contributions"].as_array().unwrap();
        let sum: f64 = parts.iter().map(|part| number(&part["contribution"])).sum();
        assert!(
            (number(&explanation["base"]) + sum - number(&explanation["log_odds"])).abs() < 1e-12
        );
        let features = parts.iter().flat_map(|part| part["features"].as_array().unwrap());
        let events = features.into_iter().find(|part| part["feature"] == "events_total").unwrap();
        let of_events = events["columns"].as_array().unwrap();
        assert!(of_events.len() > 2, "{events}");
        let sum: f64 = of_events.iter().map(|column| number(&column["contribution"])).sum();
        assert!((sum - number(&events["contribution"])).abs() < 1e-12);
        assert!(
            events["reason"].as_str().unwrap().contains("events since sign-up (typical"),
            "{events}"
        );
    }
}

/// Returns a matrix of 300 rows with a number that is sometimes null, a 0/1 column, and an outcome
/// that is more frequent if the number is above 0.
fn matrix() -> String {
    let row = |i: u64| {
        let size = if dice(i, 1) < 0.3 { 0.0 } else { 40.0 * dice(i, 2) };
        let shown = if i % 10 == 3 { String::new() } else { format!("{size:.2}") };
        let converted = u8::from(dice(i, 3) < if size > 0.0 { 0.6 } else { 0.2 });
        format!("a{i},{shown},{},{converted}", i % 2)
    };
    format!("account_id,size,paid,converted\n{}", lines(300, row))
}

#[test]
fn raw_odds_ratios_exist_for_linear_features() {
    let project = Project::matrix();
    project.write("matrix.csv", matrix());
    let (card, _) = card(&project, 2, &["--features", "matrix.csv"]);
    let names = columns(&card);
    assert_eq!(names[..2], ["size", "size>0"]);
    assert!(names[2].starts_with("size from ") && names[3].starts_with("size from "), "{names:?}");
    assert_eq!(names[4..], ["missing_size", "paid"], "a column of two values has no knots");
    for (name, row) in coefficients(&card) {
        let straight = name != "size" && !name.contains(" from ");
        assert_eq!(row["odds_ratio_raw"].is_null(), !straight, "{name}");
        assert_eq!(row["coef_raw"].is_null(), !straight, "{name}");
    }
    assert!(card["coefficients"][0]["coef_raw"].is_null(), "no raw intercept");
    let table = project.pql(&["inspect", "t"]).done().out;
    let group = table.lines().skip_while(|line| !line.starts_with("size ")).skip(1);
    let group = group.take_while(|line| line.starts_with("  "));
    assert_eq!(group.filter(|line| line.starts_with("  size from ")).count(), 2, "{table}");
    assert!(table.contains("`x from b`: change of the slope at b"), "{table}");
}

#[test]
fn missing_and_unseen_values_are_scored() {
    let project = Project::matrix();
    project.write("matrix.csv", matrix());
    card(&project, 2, &["--features", "matrix.csv"]);
    project.write(
        "batch.csv",
        "account_id,size,paid\nnull,,1\nbelow,-50,1\nzero,0,1\nabove,1000,1\nmore,2000,1\n",
    );
    let out = project.pql(&["score", "t", "--features", "batch.csv", "-o", "-"]).done().out;
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let p: Vec<f64> = reader.records().map(|row| row.unwrap()[2].parse().unwrap()).collect();
    assert!(p.len() == 5 && p.iter().all(|p| *p > 0.0 && *p < 1.0), "{p:?}");
    assert!(p[3] != p[2] && p[4] != p[3] && p[0] != p[2]);
}

#[test]
fn spline_columns_do_not_count_as_too_many_columns() {
    let project = Project::matrix();
    let row = |i: u64| {
        let (a, b) = (dice(i, 1), dice(i, 2));
        format!("a{i},{a:.4},{b:.4},{}", u8::from(dice(i, 3) < 0.2 + 0.5 * a))
    };
    project.write("matrix.csv", format!("account_id,a,b,converted\n{}", lines(200, row)));
    let train = |knots: u8| {
        let (card, run) =
            card(&project, knots, &["--features", "matrix.csv", "--set", "model.penalty=l2"]);
        (run.err, card["coefficients"][1]["z_unpenalized"].is_null())
    };
    assert!(!train(0).1);
    let (messages, untested) = train(10);
    assert!(!messages.contains("may overfit"), "{messages}");
    assert!(untested && messages.contains("no z and p values"), "{messages}");
}

#[test]
fn invalid_knots_are_rejected() {
    let project = Project::matrix();
    let train = |set: &str| project.train(&["--features", "matrix.csv", "--set", set]);
    train("design.spline=11").fails_with(2, &["`design.spline`: found 11, expected 0 to 10 knots"]);
    train("design.spline=-1").fails_with(2, &["spline"]);
    train("design.spline=auto").fails_with(2, &["spline"]);
    project.replace("matrix.csv", "plan", "usage from 0.5");
    train("design.spline=0").done();
    train("design.spline=3")
        .fails_with(2, &["feature `usage from 0.5` has the name of a spline column of `usage`"]);
    project.replace("matrix.csv", "usage from 0.5", "usage from afar");
    train("design.spline=3").done();
}

/// Writes a log in which the conversion probability rises with the events of the first week, up to
/// 15 events.
fn saturating(project: &Project) {
    const DAY: i64 = 86_400_000_000;
    let start: i64 = 1_735_689_600_000_000;
    let mut accounts = "account_id,signed_up_at,converted_at\n".to_owned();
    let mut events = "account_id,user_id,event,timestamp\n".to_owned();
    for account in 0..1_600_u64 {
        let signed_up = start + i64::try_from(account % 200).unwrap() * DAY;
        let busy = dice(account, 1);
        let count = (0..60).filter(|i| f64::from(*i) < 60.0 * (busy - 0.2) / 0.8).count();
        let converts =
            dice(account, 2) < 0.03 + 0.5 * f64::from(u32::try_from(count.min(15)).unwrap()) / 15.0;
        let conversion = signed_up + 8 * DAY + i64::try_from(account % 10).unwrap() * DAY;
        writeln!(
            accounts,
            "{account},{},{}",
            pql::time::iso(signed_up),
            if converts { pql::time::iso(conversion) } else { String::new() }
        )
        .unwrap();
        for event in 0..i64::try_from(count).unwrap() {
            let time = signed_up + 3_600_000_000 + event * 9_000_000_000;
            writeln!(events, "{account},u,report,{}", pql::time::iso(time)).unwrap();
        }
        // The log continues after the observed week.
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
fn a_spline_finds_an_effect_that_saturates() {
    let project = Project::new();
    saturating(&project);
    let one = ["--set", "design.include=[\"events_total\"]"];
    let (straight, bent) = (card(&project, 0, &one).0, card(&project, 3, &one).0);
    assert!(loss(&bent) < loss(&straight) - 0.005, "{} and {}", loss(&bent), loss(&straight));
}
