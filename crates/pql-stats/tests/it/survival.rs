//! Kaplan-Meier curves and Wilson's intervals against lifelines and statsmodels.

use std::path::Path;

use pql_stats::MICROS_PER_DAY;
use pql_stats::intervals::{Interval, wilson};
use pql_stats::survival::{FollowUp, KaplanMeier};
use serde_json::Value;

/// Asserts that two numbers are equal to 12 digits, or that both are absent.
fn assert_same(found: Option<f64>, expected: &Value) {
    let (Some(found), Some(expected)) = (found, expected.as_f64()) else {
        assert_eq!(found.map(|f| f.to_string()), expected.as_f64().map(|e| e.to_string()));
        return;
    };
    assert!(
        (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        "{found} is not {expected}"
    );
}

fn golden() -> Value {
    serde_json::from_str(
        &std::fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/survival.json"),
        )
        .unwrap(),
    )
    .unwrap()
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "a few days in microseconds")]
fn curves_equal_those_of_lifelines() {
    for case in golden()["curves"].as_array().unwrap() {
        let time = |days: &Value| (days.as_f64().unwrap() * 86_400e6).round() as i64;
        let followed = case["followed"].as_array().unwrap().iter();
        let followed = followed
            .map(|f| FollowUp { time: time(&f[0]), reached: f[1].as_bool().unwrap() })
            .collect();
        let curve = KaplanMeier::fit(followed);
        for point in case["at"].as_array().unwrap() {
            let reached = curve.reached(point["day"].as_i64().unwrap() * MICROS_PER_DAY);
            assert_eq!(reached.at_risk, point["at_risk"].as_u64().unwrap());
            assert_same(reached.share, &point["share"]);
            assert_same(reached.interval.map(|interval| interval.low), &point["interval"][0]);
            assert_same(reached.interval.map(|interval| interval.high), &point["interval"][1]);
        }
    }
}

#[test]
fn wilson_intervals_equal_those_of_statsmodels() {
    for case in golden()["wilson"].as_array().unwrap() {
        let (k, n) = (case[0].as_f64().unwrap(), case[1].as_f64().unwrap());
        let Interval { low, high } = wilson(k / n, n);
        assert_same(Some(low), &case[2][0]);
        assert_same(Some(high), &case[2][1]);
    }
}
