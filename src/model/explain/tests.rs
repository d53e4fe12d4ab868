use std::sync::Arc;

use pql_stats::glm::correlation;

use super::*;
use crate::model::encoder::{
    CategoricalEncoding, Encoding, FeatureEncoder, NumericEncoding, Preprocessor, Scale,
};
use crate::model::profile::{FeatureProfile, RowBands};

const SCALE: Scale = Scale { mean: 0.0, mean_low: 0.0, sd: 1.0 };

fn number(typical: Option<f64>, bounds: Option<(f64, f64)>) -> Encoding {
    Encoding::Numeric(NumericEncoding {
        log1p: false,
        bounds,
        fill: 0.0,
        value: Some(SCALE),
        jump: None,
        hinges: Vec::new(),
        missing: None,
        typical,
    })
}

fn feature(measure: &str, window: Option<u32>, encoding: Encoding) -> FeatureEncoder {
    let name = window.map_or(measure.to_owned(), |window| format!("{measure}_{window}d"));
    FeatureEncoder {
        feature: name,
        measure: measure.to_owned(),
        window,
        encoding,
        missing_share: 0.0,
    }
}

fn preprocessor() -> Preprocessor {
    let typical = |typical| number(Some(typical), None);
    Preprocessor {
        features: vec![
            feature("active_users", Some(28), typical(4.0)),
            feature("size", None, typical(10.0)),
            feature("active_users", Some(7), typical(2.0)),
        ],
    }
}

/// Returns the profile of a feature with two values.
fn profile(feature: &FeatureEncoder, values: [f64; 2]) -> FeatureProfile {
    FeatureProfile::from_numbers(&feature.feature, &values.map(Some), &RowBands::single(2))
}

/// Returns the reason of a feature, whose training rows have values from −5 to 2,000.
fn reason(feature: FeatureEncoder, value: RawValue<'_>) -> String {
    let profile = profile(&feature, [-5.0, 2_000.0]);
    let preprocessor = Preprocessor { features: vec![feature] };
    let reason = Reason { feature: 0, value, count: None };
    ReasonTemplates::new(&preprocessor, &[profile]).reason(&reason)
}

/// Returns the reason of a growth or trend of the last 28 days, with the count of this window.
fn counted(measure: &str, count_measure: &str, [value, count]: [f64; 2], typical: f64) -> String {
    let feature = |measure, typical| feature(measure, Some(28), number(Some(typical), None));
    let preprocessor =
        Preprocessor { features: vec![feature(measure, typical), feature(count_measure, 3.0)] };
    let templates = ReasonTemplates::new(&preprocessor, &[]);
    let values = [value, count];
    templates.reason(&templates.find(0, |feature| RawValue::Number(Some(values[feature]))))
}

/// Returns the reason of a measure of the last 7 days with a value and a typical value.
fn windowed(measure: &str, value: f64, typical: f64) -> String {
    let feature = feature(measure, Some(7), number(Some(typical), None));
    reason(feature, RawValue::Number(Some(value)))
}

#[test]
fn windows_of_a_measure_are_one_group() {
    let groups = Group::by_measure(&preprocessor());
    assert_eq!(groups[0].measures, ["active_users"]);
    assert_eq!((&groups[0].columns[..], &groups[1].columns[..]), (&[0, 2][..], &[1][..]));
    assert_eq!(groups[0].features, [(0, vec![0]), (2, vec![2])]);
    let x = ndarray::arr2(&[[1.0, 3.0, 1.0], [-1.0, -3.0, 1.0]]);
    let found = importance(&preprocessor(), &[0.5, 1.0, 2.0], x.view());
    let expected = (f64::midpoint(2.5_f64.powi(2), 1.5_f64.powi(2))).sqrt();
    assert_eq!(found, [("size".to_owned(), 3.0), ("active_users".to_owned(), expected)]);
}

#[test]
fn families_are_found_on_rows_and_ordered_by_importance() {
    let preprocessor = Preprocessor {
        features: [("events", 28), ("invites", 28), ("events", 7), ("logins", 7)]
            .map(|(measure, window)| feature(measure, Some(window), number(Some(0.0), None)))
            .into(),
    };
    // The logins follow the events of the last 7 days in seven of eight rows.
    let x = ndarray::arr2(&[
        [1.0, 1.0, 1.0, 1.0],
        [1.0, -1.0, 1.0, 1.0],
        [-1.0, 1.0, 1.0, 1.0],
        [-1.0, -1.0, 1.0, 1.0],
        [1.0, 1.0, -1.0, -1.0],
        [1.0, -1.0, -1.0, -1.0],
        [-1.0, 1.0, -1.0, -1.0],
        [-1.0, -1.0, -1.0, 1.0],
    ]);
    let find = |coef: [f64; 4]| {
        let importance = importance(&preprocessor, &coef, x.view());
        families(&preprocessor, &coef, (x.view(), &correlation(x.view())), &importance)
    };
    let measures = |families: &[Family]| {
        families.iter().map(|family| family.measures.join(" ")).collect::<Vec<_>>()
    };
    // Events and logins nearly cancel, but they are one family.
    let found = find([0.0, 1.5, 2.0, -2.0]);
    assert_eq!(measures(&found), ["invites", "events logins"]);
    // A row in eight differs by 4: the mean square is 2.
    assert!((found[1].importance - 2.0_f64.sqrt()).abs() < 1e-12 && found[0].importance == 1.5);
    assert_eq!(measures(&find([1.0, 0.5, 2.0, 2.0])), ["events logins", "invites"]);
    assert_eq!(measures(&find([0.0; 4])), ["events logins", "invites"]);
}

/// Returns pseudo-random numbers between −1 and 1, many of them equal.
fn draws(count: usize, state: &mut u64) -> Vec<f64> {
    let mut draw = || {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        #[expect(clippy::cast_precision_loss, reason = "four bits")]
        let step = (*state >> 60) as f64;
        step / 7.5 - 1.0
    };
    (0..count).map(|_| draw()).collect()
}

#[test]
fn a_reason_names_a_feature_that_is_not_typical_and_has_the_direction_of_its_family() {
    let family = |first: usize| Group {
        measures: Vec::new(),
        columns: (first..first + 4).collect(),
        features: vec![(first, vec![first, first + 1]), (first + 2, vec![first + 2, first + 3])],
    };
    let mut state = 1;
    let (mut opposed, mut typical_rows) = (0, 0);
    for _ in 0..5_000 {
        let contributions = Contributions {
            families: vec![family(0), family(4)],
            coef: draws(8, &mut state),
            typical: draws(8, &mut state),
        };
        let mut x = draws(8, &mut state);
        x[..2].copy_from_slice(&contributions.typical[..2]);
        let sum = |columns: &[usize]| contributions.sum(columns, |column| x[column]);
        assert_eq!(sum(&[0, 1]).to_bits(), 0.0_f64.to_bits());
        for family in &contributions.families {
            let total = sum(&family.columns);
            let feature = Contributions::leading_feature(family, total > 0.0, sum);
            let named = sum(&[feature, feature + 1]);
            assert!(total == 0.0 || named * total > 0.0, "{named} of {total}");
            let other = sum(&family.features.iter().find(|f| f.0 != feature).unwrap().1);
            opposed += usize::from(other * total < 0.0);
            typical_rows += usize::from(total == 0.0);
        }
    }
    assert!(opposed > 500 && typical_rows > 10, "{opposed} {typical_rows}");
}

#[test]
fn a_reason_reads_like_a_sentence() {
    let text = |index: usize, value| {
        reason(preprocessor().features[index].clone(), RawValue::Number(value))
    };
    assert_eq!(text(2, Some(12.0)), "12 active users in the last 7 days (typical: 2)");
    assert_eq!(text(2, Some(1.0)), "1 active user in the last 7 days (typical: 2)");
    assert_eq!(text(2, Some(0.0)), "0 active users in the last 7 days (typical: 2)");
    assert_eq!(text(2, Some(1_234.0)), "1,234 active users in the last 7 days (typical: 2)");
    assert_eq!(text(1, Some(12.5)), "size = 12.5 (typical: 10)");
    assert_eq!(text(1, None), "size is missing (typical: 10)");
    assert_eq!(text(0, None), "active users in the last 28 days: missing (typical: 4)");
    let login = |value, typical| {
        reason(
            feature("days_since_last_login", None, number(typical, None)),
            RawValue::Number(value),
        )
    };
    assert_eq!(login(Some(9.27), Some(2.0)), "9.3 days since the last login (typical: 2)");
    assert_eq!(login(Some(1.0), Some(0.25)), "1 day since the last login (typical: 0.25)");
    assert_eq!(login(None, Some(2.0)), "no login yet (typical: 2)");
    assert_eq!(login(Some(3.0), None), "3 days since the last login (typical: no login yet)");
}

#[test]
fn changes_and_shares_say_what_the_number_means() {
    let ratio = |n: f64| n.ln();
    assert_eq!(
        windowed("events_velocity", ratio(2.5), 0.0),
        "ratio of events in the last 7 days to the 7 days before: 2.5 (typical: no change)"
    );
    assert_eq!(
        windowed("logins_velocity", ratio(0.25), ratio(1.5)),
        "ratio of logins in the last 7 days to the 7 days before: 0.25 (typical: a rise)"
    );
    assert_eq!(
        windowed("users_velocity", ratio(1.5), ratio(2.0)),
        "ratio of active users in the last 7 days to the 7 days before: 1.5 (typical: a larger rise)"
    );
    assert_eq!(
        windowed("events_trend", -0.5, 0.0),
        "events per day fell by 3.5 over the last 7 days (typical: no change)"
    );
    assert_eq!(
        windowed("events_trend", 1e-4, 0.25),
        "events per day steady over the last 7 days (typical: a rise of 1.75 per day)"
    );
    assert_eq!(
        windowed("events_trend", 2.0, -0.25),
        "events per day rose by 14 over the last 7 days (typical: a fall of 1.75 per day)"
    );
    let missing = |measure: &str, typical| {
        let feature = feature(measure, Some(28), number(typical, None));
        reason(feature, RawValue::Number(None))
    };
    assert_eq!(
        missing("logins_velocity", Some(0.0)),
        "signed up in the last 56 days (typical: earlier)"
    );
    assert_eq!(
        missing("events_trend", Some(0.0)),
        "signed up in the last 28 days (typical: earlier)"
    );
    assert_eq!(
        reason(
            feature("events_velocity", Some(28), number(None, None)),
            RawValue::Number(Some(0.0))
        ),
        "ratio of events in the last 28 days to the 28 days before: 1 (typical: signed up in the last 56 days)"
    );
    assert_eq!(
        windowed("seat_utilization", 0.6, 0.2),
        "60% of seats were used in the last 7 days (typical: 20%)"
    );
    assert_eq!(
        windowed("feature_entropy", 3.0_f64.ln(), 0.0),
        "activity spread over about 3 kinds of events in the last 7 days (typical: 1)"
    );
    assert_eq!(
        windowed("sum_minutes", 1_000.5, 1.25),
        "sum of minutes in the last 7 days: 1,001 (typical: 1.25)"
    );
}

#[test]
fn a_growth_is_written_as_both_counts() {
    let growth = |now: f64, before: f64| [((now + 1.0) / (before + 1.0)).ln(), now];
    let events =
        |now, before, typical| counted("events_velocity", "events", growth(now, before), typical);
    assert_eq!(
        events(16.0, 0.0, 0.0),
        "16 events in the last 28 days, none in the 28 days before (typical: no change)"
    );
    assert_eq!(
        events(16.0, 7.0, 0.5),
        "16 events in the last 28 days, 7 in the 28 days before (typical: a smaller rise)"
    );
    assert_eq!(
        events(0.0, 4.0, 0.5),
        "no events in the last 28 days, 4 in the 28 days before (typical: a rise)"
    );
    assert_eq!(events(0.0, 0.0, 0.5), "no events in the last 56 days (typical: a rise)");
    assert_eq!(
        counted("users_velocity", "active_users", growth(1.0, 3.0), -1.5),
        "1 active user in the last 28 days, 3 in the 28 days before (typical: a larger fall)"
    );
    assert_eq!(
        counted("breadth_velocity", "features_used", growth(2.0, 2.0), 0.0),
        "2 features used in the last 28 days, 2 in the 28 days before (typical: no change)"
    );
    assert_eq!(
        counted("logins_velocity", "logins", [1.0, 16.0], 0.0),
        "ratio of logins in the last 28 days to the 28 days before: 2.72 (typical: no change)",
        "no two counts have this growth"
    );
    let trend = |value, count| counted("events_trend", "events", [value, count], 0.5);
    assert_eq!(trend(0.0, 0.0), "no events in the last 28 days (typical: a rise of 14 per day)");
    assert_eq!(
        trend(0.0, 28.0),
        "events per day steady over the last 28 days (typical: a rise of 14 per day)"
    );
}

#[test]
fn a_change_is_worded_by_its_values() {
    let numeric = |measure: &str| feature(measure, Some(28), number(Some(0.0), None));
    let preprocessor = Preprocessor {
        features: ["events_velocity", "events", "events_trend", "logins"].map(numeric).into(),
    };
    let templates = ReasonTemplates::new(&preprocessor, &[]);
    let change = |feature: usize, rows: [[Option<f64>; 4]; 2]| {
        let values =
            rows.map(|row| templates.find(feature, |feature| RawValue::Number(row[feature])));
        templates.change(&describe_feature(&preprocessor, feature), &values)
    };
    let row = |growth: Option<f64>, events: f64, trend: Option<f64>| {
        [growth, Some(events), trend, Some(events)]
    };
    let rose = row(Some(17_f64.ln()), 16.0, Some(0.5));
    let fell = row(Some((3.0_f64 / 17.0).ln()), 2.0, Some(-0.5));
    assert_eq!(
        change(0, [rose, fell]),
        "2 events in the last 28 days, 16 in the 28 days before (was: 16 events in the last 28 days, none in the 28 days before)"
    );
    assert_eq!(
        change(0, [row(None, 3.0, None), row(Some(0.0), 0.0, Some(0.0))]),
        "no events in the last 56 days (not known before the account was 56 days old)"
    );
    assert_eq!(
        change(2, [row(None, 3.0, None), fell]),
        "events per day fell by 14 over the last 28 days (not known before the account was 28 days old)"
    );
    assert_eq!(change(3, [rose, fell]), "logins in the last 28 days: 2 (was 16)");
}

#[test]
fn a_value_never_looks_like_the_typical_one() {
    assert_eq!(
        windowed("sum_minutes", 0.501, 0.5),
        "sum of minutes in the last 7 days: 0.501 (typical: 0.5)"
    );
    assert_eq!(
        windowed("events_velocity", 1e-4, 0.0),
        "ratio of events in the last 7 days to the 7 days before: 1.0001 (typical: no change)"
    );
    assert_eq!(
        windowed("sum_x", 120.4, 120.1),
        "sum of x in the last 7 days: 120.4 (typical: 120.1)"
    );
}

#[test]
fn values_beyond_the_training_rows_are_named() {
    let bounded = number(Some(4.0), Some((1.0, 120.4)));
    let users = |value| {
        reason(feature("active_users", Some(7), bounded.clone()), RawValue::Number(Some(value)))
    };
    assert_eq!(
        users(500.0),
        "500 active users in the last 7 days (counted as 120, the upper limit from training; typical: 4)"
    );
    assert_eq!(
        users(121.0),
        "121 active users in the last 7 days (counted as 120, the upper limit from training; typical: 4)"
    );
    assert_eq!(
        users(120.5),
        "121 active users in the last 7 days (counted as 120, the upper limit from training; typical: 4)"
    );
    let near = |value: f64, typical: f64, high: f64| {
        let encoding = number(Some(typical), Some((0.0, high)));
        reason(feature("events", Some(7), encoding), RawValue::Number(Some(value)))
    };
    assert_eq!(
        near(121.0, 4.0, 120.6),
        "121 events in the last 7 days (counted as 120.6, the upper limit from training; typical: 4)"
    );
    assert_eq!(
        near(2.004, 1.0, 2.0),
        "2.004 events in the last 7 days (counted as 2, the upper limit from training; typical: 1)"
    );
    assert_eq!(
        near(500.0, 2.0, 2.004),
        "500 events in the last 7 days (counted as 2.004, the upper limit from training; typical: 2)"
    );
    assert_eq!(
        near(2_000.4, 3.0, 9_000.0),
        "2,000.4 events in the last 7 days (above the highest in training, 2,000; typical: 3)"
    );
    assert_eq!(
        users(0.0),
        "0 active users in the last 7 days (counted as 1, the lower limit from training; typical: 4)"
    );
    assert_eq!(
        windowed("events", 5_000.0, 3.0),
        "5,000 events in the last 7 days (above the highest in training, 2,000; typical: 3)"
    );
    let levels = |rare: &[&str]| {
        Encoding::Categorical(CategoricalEncoding {
            reference_level: "basic".to_owned(),
            levels: vec![("gold".to_owned(), Some(SCALE))],
            rare_levels: rare.iter().map(|level| (*level).to_owned()).collect(),
            other: None,
            mode: "gold".to_owned(),
        })
    };
    let plan =
        |rare: &[&str], value| reason(feature("plan", None, levels(rare)), RawValue::Text(value));
    assert_eq!(plan(&[], Some("basic")), "plan = basic (typical: gold)");
    assert_eq!(
        plan(&[], Some("new")),
        "plan = new (not in training, counted as basic; typical: gold)"
    );
    assert_eq!(
        plan(&["old"], Some("new")),
        "plan = new (not in training, counted as a rare value; typical: gold)"
    );
    assert_eq!(plan(&["old"], Some("old")), "plan = old (typical: gold)");
    assert_eq!(
        plan(&[], None),
        "plan is missing (not in training, counted as basic; typical: gold)"
    );
}

#[test]
fn interned_texts_equal_freshly_written_ones() {
    let log = Encoding::Numeric(NumericEncoding {
        log1p: true,
        bounds: Some((0.0, 121_f64.ln())),
        fill: 0.0,
        value: Some(SCALE),
        jump: None,
        hinges: Vec::new(),
        missing: None,
        typical: Some(4.0),
    });
    let p = Preprocessor {
        features: vec![
            feature("active_users", Some(28), log),
            feature("size", None, number(Some(10.0), Some((-3.0, 30.0)))),
            feature("events_velocity", Some(7), number(Some(0.0), None)),
            feature("days_since_last_login", None, number(Some(2.5), None)),
            feature("seat_utilization", Some(7), number(None, None)),
            feature("events_trend", Some(7), number(Some(-0.1), Some((-3.0, 3.0)))),
            feature("feature_entropy", Some(7), number(Some(1.0), None)),
            feature("users_velocity", Some(28), number(Some(0.25), Some((-2.0, 2.0)))),
        ],
    };
    let profile = |feature: &FeatureEncoder| profile(feature, [-5.0, 11.0]);
    let templates = ReasonTemplates::new(&p, &p.features.iter().map(profile).collect::<Vec<_>>());
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
    let values: Vec<Option<f64>> = values.into_iter().map(Some).chain([None, None]).collect();
    let expected: Vec<Reason<'_>> = values
        .iter()
        .enumerate()
        .map(|(i, value)| {
            let count = u8::try_from(i % 5).ok().map(f64::from);
            let growth = value.map(|value| ((value.abs() % 9.0).floor() + 1.0).ln());
            let value = if i % 16 == 7 { growth } else { *value };
            Reason { feature: i % 8, value: RawValue::Number(value), count }
        })
        .collect();
    let indices: Vec<u32> =
        expected.iter().map(|reason| reasons.intern(&templates, reason)).collect();
    let texts = reasons.texts();
    for (expected, index) in expected.iter().zip(indices) {
        let text = templates.reason(expected);
        assert_eq!(*texts[index as usize], text, "{expected:?}");
    }
    let mut intern = |value| {
        let value = RawValue::Number(Some(value));
        reasons.intern(&templates, &Reason { feature: 0, value, count: None })
    };
    assert_eq!(intern(1_002.5), intern(1_002.5));
    assert!(
        reasons.texts().len() > texts.len() && reasons.texts().starts_with(&texts),
        "new texts follow those that a table has"
    );
    assert!(
        Arc::ptr_eq(&texts[0], &reasons.retained().texts()[0]),
        "later rows share the same text"
    );
}
