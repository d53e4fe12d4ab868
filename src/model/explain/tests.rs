use std::sync::Arc;

use super::*;
use crate::model::encoder::{Encoding, FeatureEncoder, NumericEncoding, Preprocessor, Scale};

fn preprocessor() -> Preprocessor {
    let number = |median| NumericEncoding {
        log1p: false,
        bounds: None,
        fill: 0.0,
        value: Some(Scale { mean: 0.0, mean_low: 0.0, sd: 1.0 }),
        jump: None,
        hinges: Vec::new(),
        missing: None,
        median,
    };
    let prepared = |feature: &str, measure: &str, window, median| FeatureEncoder {
        feature: feature.to_owned(),
        measure: measure.to_owned(),
        window,
        encoding: Encoding::Numeric(number(median)),
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
fn windows_of_a_measure_are_summed_and_the_largest_is_named() {
    let p = preprocessor();
    let measures = Measures::new(&p);
    assert_eq!(measures.names, ["active_users", "size"]);
    let (coef, x) = ([0.5, 1.0, 2.0], [1.0, -1.0, 1.0]);
    let rows = ndarray::arr2(&[[1.0, 0.0], [-1.0, 0.5], [1.0, 2.0]]);
    let sums = [0, 1].map(|measure| {
        let mut sums = [0.0; 2];
        measures.contributions(measure, &coef, rows.view(), &mut sums);
        sums
    });
    assert_eq!(sums, [[2.5, 4.0], [-1.0, 0.5]]);
    assert_eq!(measures.largest_feature(0, &coef, |index| x[index]), 2);
}

#[test]
fn a_reason_reads_like_a_sentence() {
    let p = preprocessor();
    let text = |feature, value| reason(&p, feature, RawValue::Number(value), 0.904);
    assert_eq!(text(2, Some(12.0)), "12 active users in the last 7 days (typical: 2): +0.90");
    assert_eq!(text(2, Some(1.0)), "1 active user in the last 7 days (typical: 2): +0.90");
    assert_eq!(text(1, Some(12.5)), "size = 12.5 (typical: 10): +0.90");
    assert_eq!(text(1, None), "size is missing (typical: 10): +0.90");
    assert_eq!(text(0, None), "active users in the last 28 days: unknown (typical: 4): +0.90");
    assert_eq!(without_contribution(&text(1, Some(12.5))), "size = 12.5 (typical: 10)");
}

#[test]
fn interned_texts_equal_freshly_written_ones() {
    let p = preprocessor();
    let templates = ReasonTemplates::new(&p);
    let mut reasons = ReasonTexts::default();
    let mut values = vec![
        0.0,
        -0.0,
        0.125,
        2.5,
        0.715,
        100.5,
        999.5,
        9.995,
        99.95,
        1e9,
        -1e9 + 1.0,
        4e-3,
        5e-3,
        f64::INFINITY,
        1e300,
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "24 bits")]
        let share = (state >> 40) as f64 / f64::from(1 << 24);
        // Of all sizes, many of them halves of the last place.
        values.extend([
            (share - 0.5) * 10.0,
            (share * 40.0 - 20.0).exp(),
            (share * 4_000.0).round() / 200.0,
            (share * 1_000.0).floor(),
        ]);
    }
    let sums = values.iter().rev().map(|v| v.clamp(-700.0, 700.0) / 3.0).collect::<Vec<_>>();
    let values: Vec<Option<f64>> = values.into_iter().map(Some).chain([None, None]).collect();
    let to_reason = |(i, (value, sum)): (usize, (&Option<f64>, &f64))| Reason {
        feature: i % 3,
        value: RawValue::Number(*value),
        contribution: *sum,
    };
    let expected: Vec<Reason<'_>> =
        values.iter().zip(sums.iter().cycle()).enumerate().map(to_reason).collect();
    let indices: Vec<u32> =
        expected.iter().map(|reason| reasons.intern(&templates, reason)).collect();
    let texts = reasons.texts();
    for (expected, index) in expected.iter().zip(indices) {
        assert_eq!(
            *texts[index as usize],
            reason(&p, expected.feature, expected.value, expected.contribution),
            "{expected:?}"
        );
    }
    let mut intern = |value| {
        reasons.intern(
            &templates,
            &Reason { feature: 0, value: RawValue::Number(Some(value)), contribution: 0.5 },
        )
    };
    assert_eq!(intern(2.5), intern(2.5));
    assert!(
        reasons.texts().len() > texts.len() && reasons.texts().starts_with(&texts),
        "new texts follow those that a table has"
    );
    assert!(
        Arc::ptr_eq(&texts[0], &reasons.retained().texts()[0]),
        "later rows share the same text"
    );
}
