use polars::prelude::DataFrame;

use super::*;
use crate::dataset::split::SplitMethod;
use crate::log::Names;

/// Returns 100 rows, of which the first 20 convert.
fn rows(columns: Vec<Column>, account: Vec<u32>) -> Rows {
    Rows {
        design_features: columns.iter().map(|c| Feature::external(c.name())).collect(),
        features: DataFrame::new(100, columns).unwrap(),
        catalog: None,
        account,
        names: Names::default(),
        cutoff: None,
        y: (0..100).map(|row| Some(row < 20)).collect(),
        split: vec![Split::Train; 100],
        first_test: None,
        split_method: SplitMethod::None,
        split_problem: None,
        dropped: Vec::new(),
        findings: Vec::new(),
        definitions: Vec::new(),
        warnings: Vec::new(),
        formats: BTreeMap::new(),
        activity: None,
    }
}

/// Returns the columns with a finding, and whether it is about their AUC.
fn findings(columns: Vec<Column>, account: Vec<u32>, config: &DesignConfig) -> Vec<(String, bool)> {
    let train: Vec<u32> = (0..100).collect();
    let found = super::columns(&rows(columns, account), &train, config).unwrap();
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
fn a_column_with_an_extreme_auc_is_a_finding() {
    let ranks = || vec![("x".to_owned(), true)];
    assert_eq!(
        (findings_of_column(separating_column(72)), findings_of_column(separating_column(71))),
        (ranks(), vec![]),
        "AUC 0.9 and 0.8875"
    );
    assert_eq!(
        (findings_of_column(separating_column(8)), findings_of_column(separating_column(9))),
        (ranks(), vec![]),
        "AUC 0.1 and 0.1125"
    );
}

#[test]
fn an_auc_needs_ten_accounts_of_each_outcome_with_known_values() {
    let known_to = |last: u32| {
        column(move |row| (row < last || row >= 40).then(|| f64::from(u8::from(row < last)) - 1.0))
    };
    assert_eq!(findings_of_column(known_to(10)), [("x".to_owned(), true)]);
    assert_eq!(findings_of_column(known_to(9)), []);
    let account: Vec<u32> = (0..100).map(|row| row / 2).collect();
    assert_eq!(
        findings(vec![known_to(18)], account.clone(), &DesignConfig::default()),
        [],
        "nine accounts of two rows each"
    );
    assert_eq!(
        findings(vec![known_to(20)], account, &DesignConfig::default()),
        [("x".to_owned(), true)]
    );
}

#[test]
fn missing_values_are_audited_as_a_column() {
    let found = findings_of_column(column(|row| (row < 36).then_some(1.0)));
    assert_eq!(found, [("missing_x".to_owned(), true)], "64 of 80 others lack it: an AUC of 0.1");
    assert_eq!(findings_of_column(column(|row| (row < 37).then_some(1.0))), []);
    let found = findings_of_column(column(|row| (row >= 10).then_some(1.0)));
    assert_eq!(found, [("missing_x".to_owned(), false)], "only converting rows lack it");
}

#[test]
fn a_nearly_pure_column_is_a_finding() {
    let flag = |positive: u32, others: u32| {
        column(move |row| {
            Some(f64::from(u8::from(row < positive || (20..20 + others).contains(&row))))
        })
    };
    assert_eq!(findings_of_column(flag(10, 1)), [("x".to_owned(), false)]);
    assert_eq!(
        (findings_of_column(flag(10, 2)), findings_of_column(flag(9, 0))),
        (vec![], vec![]),
        "10 of 12, and of nine accounts"
    );
    let one_twice: Vec<u32> = (0..100).map(|row| row.max(1)).collect();
    assert_eq!(
        findings(vec![flag(10, 0)], one_twice, &DesignConfig::default()),
        [],
        "ten rows of nine accounts"
    );
    let train: Vec<u32> = (0..40).collect();
    assert_eq!(
        super::columns(
            &rows(vec![flag(10, 1)], (0..100).collect()),
            &train,
            &DesignConfig::default()
        )
        .unwrap(),
        [],
        "a base rate of 50%"
    );
}

#[test]
fn levels_are_audited_and_the_configuration_selects_candidates() {
    let plan = || {
        Column::new(
            "plan".into(),
            (0..100).map(|row| if row < 12 { Some("paid") } else { None }).collect::<Vec<_>>(),
        )
    };
    let all: Vec<u32> = (0..100).collect();
    let found = |config: DesignConfig| {
        findings(
            vec![plan(), column(|row| Some(if row < 12 { 3.0 } else { 4.0 }))],
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

/// Returns the findings for an event with these counts: accounts, converting, before, last day,
/// after.
fn event(counts: [u64; 5], gap: TimeSpan) -> Vec<&'static str> {
    let [accounts, converting, before, last_day, after] = counts;
    let found = events(
        &[EventTiming { event: "e".to_owned(), accounts, converting, before, last_day, after }],
        gap,
    );
    found
        .iter()
        .map(|f| if matches!(f, Finding::AfterConversion { .. }) { "follows" } else { "announces" })
        .collect()
}

#[test]
fn events_after_or_just_before_conversions_are_findings() {
    let event_of = |counts| event(counts, TimeSpan(0));
    assert_eq!(event_of([10, 9, 1, 0, 19]), ["follows"]);
    assert!(event_of([10, 9, 1, 0, 18]).is_empty(), "19 occurrences");
    assert!(event_of([20, 19, 2, 0, 37]).is_empty(), "37 of 39");
    assert!(event_of([10, 8, 0, 0, 50]).is_empty(), "a fifth of its accounts do not convert");
    assert_eq!(event_of([90, 9, 20, 10, 0]), ["announces"]);
    assert!(event_of([90, 9, 20, 9, 0]).is_empty());
    assert!(event_of([90, 9, 19, 19, 0]).is_empty());
    assert!(event([90, 9, 20, 20, 0], TimeSpan(DAY)).is_empty(), "a gap hides the last day");
    assert_eq!(event([90, 9, 20, 20, 0], TimeSpan(DAY - 1)), ["announces"]);
}

#[test]
fn a_model_is_listed_with_its_three_most_important_measures() {
    let importance: Vec<(String, f64)> =
        ["a", "b", "c", "d"].iter().map(|m| ((*m).to_owned(), 1.0)).collect();
    assert_eq!((model(None, &importance), model(Some(0.949), &importance)), (None, None));
    assert_eq!(
        model(Some(0.95), &importance),
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
}
