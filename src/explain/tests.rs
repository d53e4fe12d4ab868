use super::*;
use crate::design::{Number, Prepared, Preprocessor, Scale, Way};

fn preprocessor() -> Preprocessor {
    let number = |typical| Number {
        log1p: false,
        bounds: None,
        fill: 0.0,
        value: Some(Scale { mean: 0.0, rest: 0.0, sd: 1.0 }),
        jump: None,
        hinges: Vec::new(),
        missing: None,
        typical,
    };
    let prepared = |feature: &str, measure: &str, window, typical| Prepared {
        feature: feature.to_owned(),
        measure: measure.to_owned(),
        window,
        way: Way::Number(number(typical)),
        missing_share: 0.0,
    };
    Preprocessor {
        features: vec![
            prepared("active_users_28d", "active_users", Some(28), 4.0),
            prepared("size", "size", None, 10.0),
            prepared("active_users_7d", "active_users", Some(7), 2.0),
        ],
    }
}

#[test]
fn windows_of_a_measure_are_added_up_and_the_heaviest_is_named() {
    let p = preprocessor();
    let measures = Measures::of(&p);
    assert_eq!(measures.names, ["active_users", "size"]);
    let (coef, x) = ([0.5, 1.0, 2.0], [1.0, -1.0, 1.0]);
    let rows = ndarray::arr2(&[[1.0, 0.0], [-1.0, 0.5], [1.0, 2.0]]);
    let sums = [0, 1].map(|measure| {
        let mut sums = [0.0; 2];
        measures.contributions(measure, &coef, rows.view(), &mut sums);
        sums
    });
    assert_eq!(sums, [[2.5, 4.0], [-1.0, 0.5]]);
    assert_eq!(measures.heaviest(0, &coef, |at| x[at]), 2);
}

#[test]
fn a_reason_reads_like_a_sentence() {
    let p = preprocessor();
    let say = |feature, value| reason(&p, feature, Raw::Number(value), 0.904);
    assert_eq!(say(2, Some(12.0)), "12 active users in the last 7 days, typical 2: +0.90");
    assert_eq!(say(1, Some(12.5)), "size = 12.5, typical 10: +0.90");
    assert_eq!(say(0, None), "active users in the last 28 days: none known, typical 4: +0.90");
}
