use polars::prelude::DataFrame;

use super::*;

/// Returns 100 rows, of which the first 20 convert.
fn rows(columns: Vec<Column>, account: Vec<u32>) -> Rows {
    let y = (0..100).map(|row| Some(row < 20)).collect();
    Rows { account, ..Rows::for_tests(DataFrame::new(100, columns).unwrap(), y) }
}

fn audited(rows: &Rows, train: &[u32], config: &DesignConfig) -> Vec<Finding> {
    super::columns(rows, &SortedFeatures::new(&rows.features).unwrap(), train, config).unwrap()
}

/// Returns the columns with a finding, and whether it is about their AUC.
fn findings(columns: Vec<Column>, account: Vec<u32>, config: &DesignConfig) -> Vec<(String, bool)> {
    let train: Vec<u32> = (0..100).collect();
    let found = audited(&rows(columns, account), &train, config);
    let name = |finding| match finding {
        Finding::HighAuc { column, .. } => (column, true),
        Finding::NearPure { column, .. } => (column, false),
        other => panic!("{other}"),
    };
    found.into_iter().map(name).collect()
}

fn findings_of_column(column: Column) -> Vec<(String, bool)> {
    findings(vec![column], (0..100).collect(), &DesignConfig::default())
}

fn column(value: impl Fn(u32) -> Option<f64>) -> Column {
    Column::new("x".into(), (0..100).map(value).collect::<Vec<_>>())
}

/// Returns a column in which converting rows exceed this number of the 80 others.
fn separating_column(others: u32) -> Column {
    column(|row| Some(if row < 20 { f64::from(others) + 0.5 } else { f64::from(row) - 19.0 }))
}

#[test]
fn a_column_with_a_significantly_extreme_auc_is_a_finding() {
    // 20 and 80 accounts: 1.96 standard errors at an AUC of 0.90 are 0.093.
    let ranks = || vec![("x".to_owned(), true)];
    assert_eq!(
        (findings_of_column(separating_column(80)), findings_of_column(separating_column(79))),
        (ranks(), vec![]),
        "AUC 1 and 0.9875"
    );
    assert_eq!(
        (findings_of_column(separating_column(0)), findings_of_column(separating_column(1))),
        (ranks(), vec![]),
        "AUC 0 and 0.0125"
    );
}

#[test]
fn the_auc_of_many_accounts_may_be_lower() {
    let few = || [20, 80];
    let many = || [2_000, 8_000];
    assert!(!is_extreme(0.95, few) && is_extreme(0.95, many) && is_extreme(0.05, many));
    assert!(!is_extreme(0.90, many) && !is_extreme(0.10, many));
    assert!(!is_extreme(1.0, || [100_000, 9]), "nine accounts of an outcome");
}

#[test]
fn an_auc_counts_accounts_with_known_values() {
    let known_to = |last: u32| {
        column(move |row| (row < last || row >= 40).then(|| f64::from(u8::from(row < last)) - 1.0))
    };
    assert_eq!(findings_of_column(known_to(18)), [("x".to_owned(), true)]);
    assert_eq!(findings_of_column(known_to(17)), [], "17 converting accounts");
    let pairs: Vec<u32> = (0..100).map(|row| row / 2).collect();
    assert_eq!(
        findings(vec![known_to(20)], pairs, &DesignConfig::default()),
        [],
        "ten accounts of two rows each"
    );
}

#[test]
fn missing_values_are_audited_as_a_column() {
    let found = findings_of_column(column(|row| (row < 21).then_some(0.0)));
    assert_eq!(found, [("missing_x".to_owned(), true)], "79 of 80 others lack it");
    assert_eq!(findings_of_column(column(|row| (row < 22).then_some(0.0))), []);
    let found = findings_of_column(column(|row| (row >= 16).then_some(1.0)));
    assert_eq!(found, [("missing_x".to_owned(), false)], "only converting rows lack it");
}

#[test]
fn a_nearly_pure_column_is_a_finding() {
    let flag = |positive: u32, others: u32| {
        column(move |row| {
            Some(f64::from(u8::from(row < positive || (20..20 + others).contains(&row))))
        })
    };
    assert_eq!(findings_of_column(flag(16, 0)), [("x".to_owned(), false)]);
    assert_eq!(
        (findings_of_column(flag(15, 0)), findings_of_column(flag(16, 1))),
        (vec![], vec![]),
        "lower limits of 79.6% and 73.0%"
    );
    let one_twice: Vec<u32> = (0..100).map(|row| row.max(1)).collect();
    assert_eq!(
        findings(vec![flag(16, 0)], one_twice, &DesignConfig::default()),
        [],
        "16 rows of 15 accounts"
    );
    let train: Vec<u32> = (0..40).collect();
    assert_eq!(
        audited(&rows(vec![flag(16, 0)], (0..100).collect()), &train, &DesignConfig::default()),
        [],
        "a base rate of 50%"
    );
}

#[test]
fn a_share_reaches_a_minimum_beyond_chance() {
    assert!(reaches(0.9, 100.0, PURE) && reaches(1.0, 16.0, PURE));
    assert!(!reaches(0.899, 1e6, PURE) && !reaches(1.0, 15.0, PURE) && !reaches(0.95, 20.0, PURE));
}

#[test]
fn levels_are_audited_and_the_configuration_selects_candidates() {
    let plan = || {
        Column::new(
            "plan".into(),
            (0..100).map(|row| if row < 16 { Some("paid") } else { None }).collect::<Vec<_>>(),
        )
    };
    let all: Vec<u32> = (0..100).collect();
    let found = |config: DesignConfig| {
        findings(
            vec![plan(), column(|row| Some(if row < 16 { 3.0 } else { 4.0 }))],
            all.clone(),
            &config,
        )
    };
    assert_eq!(found(DesignConfig::default()), [("plan=paid".to_owned(), false)]);
    let categories = vec!["x".to_owned()];
    assert_eq!(
        found(DesignConfig { categorical: categories, ..DesignConfig::default() }),
        [("plan=paid".to_owned(), false), ("x=3".to_owned(), false)]
    );
    assert_eq!(
        found(DesignConfig { include: vec!["x".to_owned()], ..DesignConfig::default() }),
        []
    );
}

/// Returns the findings for an event with these numbers of accounts: all, converting, before, last
/// day.
fn event(counts: [u64; 4], gap: TimeSpan) -> Vec<&'static str> {
    let [accounts, converting, before, last_day] = counts;
    let found = events(
        &[EventTiming { event: "e".to_owned(), accounts, converting, before, last_day }],
        gap,
    );
    found
        .iter()
        .map(|f| if matches!(f, Finding::AfterConversion { .. }) { "follows" } else { "announces" })
        .collect()
}

#[test]
fn events_that_accounts_have_after_or_just_before_conversions_are_findings() {
    let event_of = |counts| event(counts, TimeSpan(0));
    assert_eq!(event_of([16, 16, 0, 0]), ["follows"]);
    assert!(event_of([15, 15, 0, 0]).is_empty(), "15 accounts");
    assert_eq!(event_of([100, 90, 0, 0]), ["follows"]);
    assert!(event_of([101, 90, 0, 0]).is_empty(), "other accounts have it");
    assert_eq!(event_of([100, 100, 10, 0]), ["follows"]);
    assert!(event_of([100, 100, 11, 0]).is_empty(), "11 of 100 have it before");
    assert_eq!(event_of([90, 20, 20, 13]), ["announces"]);
    assert!(event_of([90, 20, 20, 12]).is_empty(), "a lower limit of 39%");
    assert_eq!(event_of([90, 10, 10, 8]), ["announces"]);
    assert!(event_of([90, 9, 9, 9]).is_empty(), "nine accounts");
    assert!(event([90, 20, 20, 20], TimeSpan(DAY)).is_empty(), "a gap hides the last day");
    assert_eq!(event([90, 20, 20, 20], TimeSpan(DAY - 1)), ["announces"]);
}

#[test]
fn a_model_is_listed_with_its_three_most_important_measures() {
    let importance: Vec<(String, f64)> =
        ["a", "b", "c", "d"].iter().map(|m| ((*m).to_owned(), 1.0)).collect();
    // The converting rows exceed all but a few of the others.
    let found = |others_below: u32, accounts: u32| {
        let y: Vec<bool> = (0..1_000).map(|row| row < 100).collect();
        let log_odds: Vec<f64> =
            (0..1_000)
                .map(|row| {
                    if row < 100 { 0.5 + f64::from(others_below) } else { 1_000.0 - f64::from(row) }
                })
                .collect();
        let group: Vec<u32> = (0..1_000).map(|row| row % accounts).collect();
        model(&y, &log_odds, &group, || importance.clone())
    };
    assert_eq!(found(854, 1_000), None, "an AUC of 0.949");
    assert_eq!(
        found(855, 1_000),
        Some(Finding::ModelAuc {
            auc: 0.95,
            most_important: importance[..3]
                .iter()
                .map(|(measure, importance)| MeasureImportance {
                    measure: measure.clone(),
                    importance: *importance
                })
                .collect()
        })
    );
    assert_eq!(found(855, 20), None, "20 accounts");
}
