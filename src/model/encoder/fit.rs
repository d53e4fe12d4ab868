//! Learn on training rows how each feature becomes design columns.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use pql_stats::counts::{count, share};
use pql_stats::quantile::quantile;
use rayon::prelude::*;

use super::scale::{Scale, distinct, scale, scale_of_share};
use super::{MISSING, Number, OTHER, Prepared, Preprocessor, Text, Way, independent, spline};
use crate::config::{DesignRule, Log1p, Winsorize};
use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::features::{Feature, FeatureKind};
use crate::error::{Error, Result};
use crate::names::nearest;
use crate::warning::{DroppedFeature, FeatureDrop};

/// Skewness from which on log1p is taken of columns known from elsewhere.
const SKEWED: f64 = 1.0;

impl Preprocessor {
    /// Learn the ways of all features on the training rows, and leave out the columns that repeat
    /// others.
    ///
    /// # Arguments
    /// * `features` – a column per feature
    /// * `catalogue` – what each feature is, in the order that decides which of two equal columns
    ///   stays
    /// * `rows` – indices of the training rows
    ///
    /// Answers the preprocessor and the columns that were left out.
    /// # Errors
    /// * [`Error::NoFeatures`]: no column is left
    pub fn fit(
        features: &DataFrame,
        catalogue: &[Feature],
        rows: &[u32],
        rule: &DesignRule,
    ) -> Result<(Self, Vec<DroppedFeature>)> {
        let kept: Vec<&Feature> = catalogue
            .iter()
            .filter(|f| rule.keep.is_empty() || rule.keep.contains(&f.name))
            .collect();
        let learned: Vec<Learned> = kept
            .par_iter()
            .map(|feature| learn(features, feature, rows, rule))
            .collect::<Result<_>>()?;
        let mut left_out = Vec::new();
        let mut prepared = Vec::new();
        for learned in learned {
            left_out.extend(learned.left_out);
            prepared.push(learned.prepared);
        }
        let all = Self { features: prepared };
        if all.columns().is_empty() {
            return Err(Error::NoFeatures {
                problem: left_out.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            });
        }
        let x = all.transform(features, Some(rows))?.x;
        let repeats = independent::repeats(x.view());
        let names: Vec<String> = all.columns().into_iter().map(|c| c.name).collect();
        let mut drop = vec![false; names.len()];
        for repeat in &repeats {
            drop[repeat.column] = true;
            left_out.push(DroppedFeature::new(&names[repeat.column], repeat.reason(&names)));
        }
        Ok((all.without(&drop), left_out))
    }

    /// The same without some design columns, and without features that have none left.
    fn without(self, drop: &[bool]) -> Self {
        let mut drop = drop.iter();
        let mut strike = |scale: &mut Option<Scale>| {
            if scale.is_some() && drop.next() == Some(&true) {
                *scale = None;
            }
        };
        let mut features = Vec::new();
        for mut prepared in self.features {
            match &mut prepared.way {
                Way::Number(number) => {
                    strike(&mut number.value);
                    number.bend_scales().for_each(&mut strike);
                    strike(&mut number.missing);
                }
                Way::Text(text) => text
                    .levels
                    .iter_mut()
                    .map(|(_, s)| s)
                    .chain([&mut text.other])
                    .for_each(&mut strike),
            }
            if !prepared.columns(0).is_empty() {
                features.push(prepared);
            }
        }
        Self { features }
    }
}

/// Names in the rule that no feature has are mistakes, but for those of features that were left
/// out, and so are features that are named like the bends of others.
///
/// # Errors
/// * [`Error::Usage`]: the rule names a feature that does not exist
pub(crate) fn check_names(
    catalogue: &[Feature],
    left_out: &[DroppedFeature],
    rule: &DesignRule,
) -> Result<()> {
    let exists = |name: &String| {
        catalogue.iter().any(|f| f.name == *name) || left_out.iter().any(|l| l.covers(name))
    };
    let keys = [
        ("use", rule.keep.iter().collect::<Vec<_>>()),
        ("categories", rule.categories.iter().collect()),
        ("base", rule.base.keys().collect()),
    ];
    for (key, names) in keys {
        if let Some(name) = names.into_iter().find(|n| !exists(n)) {
            let near = nearest(name, catalogue.iter().map(|f| f.name.as_str()));
            return Err(Error::Usage {
                problem: format!("`design.{key}` names `{name}`, which is no feature"),
                hint: near.map(|n| format!("did you mean `{n}`?")),
            });
        }
    }
    if rule.spline == 0 {
        return Ok(());
    }
    let is_feature = |name: &str| catalogue.iter().any(|f| f.name == name);
    for name in catalogue.iter().map(|f| f.name.as_str()) {
        let Some(of) = spline::bend_of(name) else { continue };
        if let Some(other) =
            [of.to_owned(), format!("missing_{of}")].into_iter().find(|other| is_feature(other))
        {
            return Err(Error::Usage {
                problem: format!(
                    "with `design.spline` a feature cannot be named `{name}` beside `{other}`: design columns are named so"
                ),
                hint: Some("rename the column".to_owned()),
            });
        }
    }
    Ok(())
}

/// A base level that no training row has is a mistake; in a part of them it may be absent.
///
/// # Errors
/// * [`Error::Usage`]: `design.base` names a level that no row has, or a feature that is no text
pub(crate) fn check_bases(features: &DataFrame, rows: &[u32], rule: &DesignRule) -> Result<()> {
    for (name, level) in &rule.base {
        let column = feature_column(features, name)?;
        let is_text = column.dtype() == &DataType::String || rule.categories.contains(name);
        let levels: BTreeSet<String> = if is_text {
            texts(column, Some(rows))?.into_iter().flatten().collect()
        } else {
            BTreeSet::new()
        };
        if !levels.contains(level) {
            let near = nearest(level, levels.iter().map(String::as_str))
                .map(|n| format!("did you mean `{n}`?"));
            return Err(Error::Usage {
                problem: format!("`design.base` names the level `{level}` of `{name}`, which no training row has"),
                hint: near
                    .or_else(|| (!is_text).then(|| format!("`{name}` is a number: name it in `design.categories` to treat it as text"))),
            });
        }
    }
    Ok(())
}

/// One feature's way, and the columns it cannot have.
struct Learned {
    prepared: Prepared,
    left_out: Vec<DroppedFeature>,
}

fn learn(
    features: &DataFrame,
    feature: &Feature,
    rows: &[u32],
    rule: &DesignRule,
) -> Result<Learned> {
    let column = feature_column(features, &feature.name)?;
    let text = column.dtype() == &DataType::String || rule.categories.contains(&feature.name);
    let (way, missing, left_out) = if text {
        learn_text(feature, &texts(column, Some(rows))?, rule)
    } else {
        learn_number(feature, &numbers(column, Some(rows))?, rule)?
    };
    let missing_share = share(missing, rows.len());
    let (feature, measure, window) =
        (feature.name.clone(), feature.measure.clone(), feature.window);
    Ok(Learned { prepared: Prepared { feature, measure, window, way, missing_share }, left_out })
}

/// A way, the rows in which the feature is missing, and the columns it cannot have.
type Learnt = (Way, usize, Vec<DroppedFeature>);

fn learn_number(feature: &Feature, raw: &[Option<f64>], rule: &DesignRule) -> Result<Learnt> {
    let mut present: Vec<f64> = raw.iter().flatten().copied().collect();
    if let Some(bad) = present.iter().find(|v| !v.is_finite()) {
        return Err(Error::NotFinite { feature: feature.name.clone(), found: *bad });
    }
    let missing = raw.len() - present.len();
    present.sort_unstable_by(f64::total_cmp);
    let typical = quantile(&present, 0.5).unwrap_or(f64::NAN);
    let mut number = Number {
        log1p: false,
        bounds: None,
        fill: 0.0,
        value: None,
        jump: None,
        hinges: Vec::new(),
        missing: None,
        typical,
    };
    let mut left_out = Vec::new();
    number.log1p = rule.log1p == Log1p::Auto && takes_log(feature.kind, &present);
    if number.log1p {
        present.iter_mut().for_each(|v| *v = v.ln_1p());
    }
    // Spans have no outliers, and those of a young product pass every bound that earlier rows have
    // set.
    if let Winsorize::At(low, high) = rule.winsorize
        && feature.kind != FeatureKind::Span
    {
        let bounds = quantile(&present, low).zip(quantile(&present, high));
        number.bounds = bounds.filter(|(low, high)| low < high && distinct(&present) > 2);
    }
    if let Some((low, high)) = number.bounds {
        present.iter_mut().for_each(|v| *v = v.clamp(low, high));
    }
    number.fill = quantile(&present, 0.5).unwrap_or(0.0);
    let treated: Vec<f64> = raw.iter().map(|v| number.treat(*v)).collect();
    match scale(&treated) {
        Some(scale) => number.value = Some(scale),
        None if present.is_empty() => {
            left_out.push(DroppedFeature::new(&feature.name, FeatureDrop::AllMissing));
        }
        None if treated.iter().any(|v| *v != treated[0]) => {
            left_out.push(DroppedFeature::new(&feature.name, FeatureDrop::OutOfRange));
        }
        None => left_out.push(DroppedFeature::new(&feature.name, FeatureDrop::Constant)),
    }
    (number.jump, number.hinges) = spline::learn(&present, &treated, rule.spline);
    if missing > 0 && missing < raw.len() {
        number.missing = scale_of_share(missing, raw.len());
    }
    Ok((Way::Number(number), missing, left_out))
}

/// Counts and spans are right-skewed by nature; of other columns the training rows tell.
fn takes_log(kind: FeatureKind, sorted: &[f64]) -> bool {
    let from_zero = sorted.first().is_some_and(|min| *min >= 0.0);
    let binary = sorted.iter().all(|v| *v == 0.0 || *v == 1.0);
    from_zero
        && !binary
        && match kind {
            FeatureKind::Count | FeatureKind::Span | FeatureKind::Sum => true,
            FeatureKind::Shape => false,
            FeatureKind::Given => skewness(sorted) > SKEWED,
        }
}

fn learn_text(feature: &Feature, raw: &[Option<String>], rule: &DesignRule) -> Learnt {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in raw {
        *counts.entry(value.as_deref().unwrap_or(MISSING)).or_default() += 1;
    }
    // Ties go to the level first in byte order: `max_by` keeps the last of equals, so the order of
    // names is turned round.
    let typical = counts
        .iter()
        .max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))
        .map_or(MISSING, |(level, _)| level)
        .to_owned();
    let given = rule.base.get(&feature.name).filter(|level| counts.contains_key(level.as_str()));
    let base = given.unwrap_or(&typical).clone();
    // A text that reads like the pool belongs to it: two columns of one name would not tell which
    // is which.
    let rare = |level: &str, count: usize| level == OTHER || share(count, raw.len()) < rule.rare;
    let of = |count: usize| scale_of_share(count, raw.len());
    let (mut levels, mut pooled, mut others) = (Vec::new(), Vec::new(), 0);
    for (level, count) in &counts {
        if rare(level, *count) && !(given.is_some() && **level == base) {
            pooled.push((*level).to_owned());
            others += count;
        } else if **level != base {
            levels.push(((*level).to_owned(), of(*count)));
        }
    }
    let mut left_out = Vec::new();
    let other = of(others);
    if other.is_none() && levels.iter().all(|(_, s)| s.is_none()) {
        left_out.push(DroppedFeature::new(
            &feature.name,
            if counts.len() > 1 {
                FeatureDrop::RareLevels { levels: counts.len(), needed: rule.rare.to_string() }
            } else {
                FeatureDrop::Constant
            },
        ));
    }
    let missing = counts.get(MISSING).copied().unwrap_or(0);
    (Way::Text(Text { base, levels, pooled, other, typical }), missing, left_out)
}

/// Moment coefficient of skewness g₁ = m₃ / m₂^(3/2).
fn skewness(values: &[f64]) -> f64 {
    let n = count(values.len());
    let mean = values.iter().sum::<f64>() / n;
    let moment = |power| values.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
    moment(3) / moment(2).powf(1.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::encoder::scale::sum;

    fn fit(columns: Vec<Column>, rule: &DesignRule) -> (Preprocessor, Vec<DroppedFeature>) {
        let frame = DataFrame::new(columns[0].len(), columns).unwrap();
        let catalogue: Vec<Feature> =
            frame.get_column_names().iter().map(|n| Feature::given(n)).collect();
        let rows: Vec<u32> = (0..).take(frame.height()).collect();
        Preprocessor::fit(&frame, &catalogue, &rows, rule).unwrap()
    }

    fn linear() -> DesignRule {
        DesignRule { log1p: Log1p::Never, winsorize: Winsorize::Never, ..DesignRule::default() }
    }

    #[test]
    fn quantiles_are_of_type_7() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.25), Some(1.75));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[5.0], 0.995), Some(5.0));
    }

    #[test]
    fn a_column_a_million_deviations_from_0_lies_around_0() {
        let values: Vec<f64> = (0..301).map(|i| 1e6 + f64::from(i * i % 97) / 7.0).collect();
        let scale = scale(&values).unwrap();
        let mean = sum(values.iter().map(|v| scale.apply(*v))) / 301.0;
        assert!(mean.abs() < 1e-16 && scale.rest != 0.0, "{mean:e}");
        assert_eq!(sum([1e16, 1.0, -1e16].into_iter()), 1.0);
        assert_eq!(sum([f64::MAX, f64::MAX].into_iter()), f64::INFINITY);
    }

    #[test]
    fn a_null_takes_the_median_and_a_column_of_its_own() {
        let (p, _) =
            fit(vec![Column::new("x".into(), [Some(1.0), Some(2.0), None, Some(9.0)])], &linear());
        let names: Vec<_> = p.columns().into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["x", "missing_x"]);
        let Way::Number(x) = &p.features[0].way else { panic!("a number") };
        assert_eq!((x.fill, x.value.unwrap().mean, x.missing.unwrap().mean), (2.0, 3.5, 0.25));
    }

    #[test]
    fn nan_counts_as_null() {
        let values = |odd: Option<f64>| -> Vec<Option<f64>> {
            (0..700).map(|i| if i % 9 == 4 { odd } else { Some(f64::from(i % 50)) }).collect()
        };
        let (null, nan) = (values(None), values(Some(f64::NAN)));
        for spline in [0, 3] {
            let rule = DesignRule { spline, ..DesignRule::default() };
            let (of_null, _) = fit(vec![Column::new("x".into(), &null)], &rule);
            assert_eq!(fit(vec![Column::new("x".into(), &nan)], &rule).0, of_null);
            let design = |values: &Vec<Option<f64>>| {
                let frame =
                    DataFrame::new(values.len(), vec![Column::new("x".into(), values)]).unwrap();
                of_null.transform(&frame, None).unwrap().x
            };
            assert_eq!(design(&nan), design(&null));
        }
    }

    #[test]
    fn constant_equal_and_combined_columns_are_left_out_and_named() {
        let a = [1.0, 2.0, 3.0, 5.0, 8.0];
        let b = [2.0, 0.0, 1.0, 1.0, 7.0];
        let columns = vec![
            Column::new("a".into(), a),
            Column::new("one".into(), [1.0; 5]),
            Column::new("minus_a".into(), a.map(|v| 3.0 - 2.0 * v)),
            Column::new("b".into(), b),
            Column::new("sum".into(), [0, 1, 2, 3, 4].map(|i| a[i] + b[i])),
        ];
        let (p, left_out) = fit(columns, &linear());
        assert_eq!(p.columns().into_iter().map(|c| c.name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            left_out.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "`one` is the same in all training rows",
                "`minus_a` repeats `a`",
                "`sum` is a linear combination of `a`, `b`"
            ]
        );
    }

    #[test]
    fn rare_levels_are_pooled_and_unseen_ones_count_with_them() {
        let mut levels = vec!["a"; 60];
        levels.extend(["b"; 38]);
        levels.extend(["c", "d"]);
        let rule = DesignRule { rare: 0.02, ..linear() };
        let (p, _) = fit(vec![Column::new("x".into(), levels)], &rule);
        assert_eq!(
            p.columns().into_iter().map(|c| c.name).collect::<Vec<_>>(),
            ["x=b", "x=(other)"]
        );
        let batch =
            DataFrame::new(3, vec![Column::new("x".into(), [Some("c"), Some("new"), None])])
                .unwrap();
        let design = p.transform(&batch, None).unwrap();
        assert_eq!(design.x.row(0), design.x.row(1));
        assert_eq!(design.x.row(0), design.x.row(2));
        assert_eq!(design.unseen["x"], 2, "`new` and the missing one");
    }

    #[test]
    fn the_base_can_be_named_and_must_exist() {
        let columns = || vec![Column::new("x".into(), ["a", "a", "b", "c"])];
        let rule =
            DesignRule { base: BTreeMap::from([("x".to_owned(), "b".to_owned())]), ..linear() };
        assert_eq!(fit(columns(), &rule).0.columns()[0].name, "x=a");
        let rule =
            DesignRule { base: BTreeMap::from([("x".to_owned(), "z".to_owned())]), ..linear() };
        let frame = DataFrame::new(4, columns()).unwrap();
        assert_eq!(check_bases(&frame, &[0, 1, 2, 3], &rule).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn only_training_rows_are_learned_from() {
        let frame = |last: f64| {
            DataFrame::new(4, vec![Column::new("x".into(), [1.0, 2.0, 4.0, last])]).unwrap()
        };
        let learn = |last| {
            Preprocessor::fit(
                &frame(last),
                &[Feature::given("x")],
                &[0, 1, 2],
                &DesignRule::default(),
            )
            .unwrap()
        };
        assert_eq!(learn(3.0), learn(1e9));
    }

    #[test]
    fn spans_are_not_cut_off() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let bounds = |kind| {
            let feature = Feature { kind, ..Feature::given("x") };
            let raw: Vec<Option<f64>> = values.iter().map(|v| Some(*v)).collect();
            let (Way::Number(number), ..) =
                learn_number(&feature, &raw, &DesignRule::default()).unwrap()
            else {
                panic!("a number")
            };
            number.bounds
        };
        assert!(bounds(FeatureKind::Span).is_none() && bounds(FeatureKind::Count).is_some());
    }

    #[test]
    fn the_log_is_taken_by_kind() {
        let sorted = [0.0, 1.0, 2.0, 3.0];
        assert!(
            takes_log(FeatureKind::Count, &sorted)
                && !takes_log(FeatureKind::Shape, &sorted)
                && !takes_log(FeatureKind::Given, &sorted)
        );
        assert!(takes_log(FeatureKind::Given, &[0.0, 0.0, 0.0, 0.0, 0.0, 50.0]));
        assert!(!takes_log(FeatureKind::Given, &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), "a 0/1 column");
        assert!(!takes_log(FeatureKind::Sum, &[-1.0, 2.0, 5.0]));
    }
}
