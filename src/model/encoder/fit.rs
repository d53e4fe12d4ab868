//! Fits the encoding of each feature on the training rows.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use pql_stats::counts::{count, share};
use pql_stats::quantile::quantile;
use rayon::prelude::*;

use super::scale::{Scale, count_distinct, scale, scale_from_counts};
use super::{
    CategoricalEncoding, Encoding, FeatureEncoder, MISSING, NumericEncoding, OTHER, Preprocessor,
    independent, spline,
};
use crate::config::{DesignConfig, Log1p, Winsorize};
use crate::dataset::columns::{feature_column, numbers, texts};
use crate::dataset::features::{Feature, FeatureKind};
use crate::dataset::sorted_features::{RowSubset, SortedFeatures};
use crate::error::{Error, Result};
use crate::log::cells;
use crate::names::{grouped, suggest};
use crate::warning::{DroppedFeature, FeatureDrop};

/// Skewness above which log1p is applied to columns of a matrix or account attributes.
const SKEWED: f64 = 1.0;

/// Maximum number of design columns: the time of a fit grows with its third power.
const MAX_COLUMNS: usize = 2_000;

impl Preprocessor {
    /// Fits the encoders of all features on the training rows, and drops redundant columns.
    ///
    /// Returns the preprocessor and the dropped columns.
    /// # Arguments
    /// * `features` – one column per feature, sorted
    /// * `catalog` – the features; of two equal columns, the earlier one in this order stays
    /// * `rows` – indices of the training rows
    /// # Errors
    /// * [`Error::NoFeatures`]: no column remains
    /// * [`Error::Usage`]: there are too many columns
    pub(crate) fn fit(
        features: &SortedFeatures<'_>,
        catalog: &[Feature],
        rows: &[u32],
        config: &DesignConfig,
    ) -> Result<(Self, Vec<DroppedFeature>)> {
        let subset = RowSubset::new(rows, features.frame.height());
        let kept: Vec<&Feature> = catalog
            .iter()
            .filter(|f| config.include.is_empty() || config.include.contains(&f.name))
            .collect();
        let fitted: Vec<FittedFeature> = kept
            .par_iter()
            .map(|feature| fit_feature(features, feature, &subset, config))
            .collect::<Result<_>>()?;
        let mut dropped = Vec::new();
        let mut encoders = Vec::new();
        for feature in fitted {
            dropped.extend(feature.dropped);
            encoders.push(feature.encoder);
        }
        let all = Self { features: encoders };
        if all.columns().is_empty() {
            return Err(Error::NoFeatures {
                problem: dropped.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            });
        }
        all.check_column_count()?;
        let x = all.transform(features.frame, Some(rows))?.x;
        let redundant = independent::redundant_columns(x.view());
        let names: Vec<String> = all.columns().into_iter().map(|c| c.name).collect();
        let mut drop = vec![false; names.len()];
        for column in &redundant {
            drop[column.column] = true;
            dropped.push(DroppedFeature::new(&names[column.column], column.reason(&names)));
        }
        Ok((all.drop_columns(&drop), dropped))
    }

    /// Checks the number of design columns before memory is taken for them.
    fn check_column_count(&self) -> Result<()> {
        let columns = |encoder: &FeatureEncoder| encoder.columns(0).len();
        let all: usize = self.features.iter().map(columns).sum();
        let widest = self.features.iter().max_by_key(|encoder| columns(encoder));
        let Some(widest) = widest.filter(|_| all > MAX_COLUMNS) else { return Ok(()) };
        let [all, of_widest, limit] =
            [all, columns(widest), MAX_COLUMNS].map(|columns| grouped(columns as u64));
        let feature = &widest.feature;
        Err(Error::Usage {
            problem: format!(
                "found {all} design columns, expected at most {limit}; feature `{feature}` has {of_widest} of them"
            ),
            hint: Some(
                "set a larger `design.rare`, or list the features to use in `design.include`"
                    .to_owned(),
            ),
        })
    }

    /// Drops some design columns, and the features that have no column left.
    fn drop_columns(self, drop: &[bool]) -> Self {
        let mut drop = drop.iter();
        let mut drop_next = |scale: &mut Option<Scale>| {
            if scale.is_some() && drop.next() == Some(&true) {
                *scale = None;
            }
        };
        let mut features = Vec::new();
        for mut encoder in self.features {
            match &mut encoder.encoding {
                Encoding::Numeric(number) => {
                    drop_next(&mut number.value);
                    number.spline_scales().for_each(&mut drop_next);
                    drop_next(&mut number.missing);
                }
                Encoding::Categorical(text) => text
                    .levels
                    .iter_mut()
                    .map(|(_, s)| s)
                    .chain([&mut text.other])
                    .for_each(&mut drop_next),
            }
            if !encoder.columns(0).is_empty() {
                features.push(encoder);
            }
        }
        Self { features }
    }
}

/// Checks that the features named in `[design]` exist or were dropped, and that no feature has the
/// name of a spline column of another.
///
/// # Errors
/// * [`Error::Usage`]: a feature does not exist, or has the name of a spline column
pub(crate) fn check_names(
    catalog: &[Feature],
    dropped: &[DroppedFeature],
    config: &DesignConfig,
) -> Result<()> {
    let exists = |name: &String| {
        catalog.iter().any(|f| f.name == *name) || dropped.iter().any(|l| l.covers(name))
    };
    let keys = [
        ("include", config.include.iter().collect::<Vec<_>>()),
        ("categorical", config.categorical.iter().collect()),
        ("reference_levels", config.reference_levels.keys().collect()),
    ];
    for (key, names) in keys {
        if let Some(name) = names.into_iter().find(|n| !exists(n)) {
            let hint = suggest(name, catalog.iter().map(|f| f.name.as_str()));
            return Err(Error::Usage {
                problem: format!("`design.{key}`: found `{name}`, expected the name of a feature"),
                hint,
            });
        }
    }
    if config.spline == 0 {
        return Ok(());
    }
    let is_feature = |name: &str| catalog.iter().any(|f| f.name == name);
    for name in catalog.iter().map(|f| f.name.as_str()) {
        let Some(feature) = spline::spline_feature(name) else { continue };
        if let Some(other) = [feature.to_owned(), format!("missing_{feature}")]
            .into_iter()
            .find(|other| is_feature(other))
        {
            return Err(Error::Usage {
                problem: format!("feature `{name}` has the name of a spline column of `{other}`"),
                hint: Some("rename the column, or set `design.spline = 0`".to_owned()),
            });
        }
    }
    Ok(())
}

/// Checks that the levels of `design.reference_levels` occur in the training rows. In a fold they
/// may be absent.
///
/// # Errors
/// * [`Error::Usage`]: a level does not occur, or the feature is a number
pub(crate) fn check_reference_levels(
    features: &DataFrame,
    rows: &[u32],
    config: &DesignConfig,
) -> Result<()> {
    for (name, level) in &config.reference_levels {
        let column = feature_column(features, name)?;
        let is_text = column.dtype() == &DataType::String || config.categorical.contains(name);
        let levels: BTreeSet<String> = if is_text {
            texts(column, Some(rows))?.into_iter().flatten().collect()
        } else {
            BTreeSet::new()
        };
        if !levels.contains(&*cells::level(level)) {
            let suggestion = suggest(level, levels.iter().map(String::as_str));
            return Err(Error::Usage {
                problem: format!("`design.reference_levels`: found the level `{level}` of `{name}`, which is not in the training rows"),
                hint: suggestion
                    .or_else(|| (!is_text).then(|| format!("`{name}` is a number: add it to `design.categorical` to treat it as text"))),
            });
        }
    }
    Ok(())
}

/// A fitted encoder, and the columns that were dropped.
struct FittedFeature {
    encoder: FeatureEncoder,
    dropped: Vec<DroppedFeature>,
}

fn fit_feature(
    features: &SortedFeatures<'_>,
    feature: &Feature,
    subset: &RowSubset<'_>,
    config: &DesignConfig,
) -> Result<FittedFeature> {
    let column = feature_column(features.frame, &feature.name)?;
    let rows = subset.rows;
    let is_text = column.dtype() == &DataType::String || config.categorical.contains(&feature.name);
    let FittedEncoding { encoding, missing, dropped } = if is_text {
        fit_text(feature, &texts(column, Some(rows))?, config)
    } else {
        let sorted = features.ascending(&feature.name, subset)?;
        let present = sorted.into_iter().map(|(_, value)| value).collect();
        fit_number(feature, &numbers(column, Some(rows))?, present, config)?
    };
    let missing_share = share(missing, rows.len());
    let (feature, measure, window) =
        (feature.name.clone(), feature.measure.clone(), feature.window);
    Ok(FittedFeature {
        encoder: FeatureEncoder { feature, measure, window, encoding, missing_share },
        dropped,
    })
}

/// A fitted encoding.
struct FittedEncoding {
    encoding: Encoding,
    /// Rows in which the feature is missing.
    missing: usize,
    /// Columns that were dropped.
    dropped: Vec<DroppedFeature>,
}

/// Fits the encoding of a number.
///
/// # Arguments
/// * `raw` – value of each row
/// * `present` – the values that are not missing, ascending
fn fit_number(
    feature: &Feature,
    raw: &[Option<f64>],
    mut present: Vec<f64>,
    config: &DesignConfig,
) -> Result<FittedEncoding> {
    if let Some(bad) = present.iter().find(|v| !v.is_finite()) {
        return Err(Error::NotFinite { feature: feature.name.clone(), found: *bad });
    }
    let missing = raw.len() - present.len();
    let median = lower_median(&present);
    let mut number = NumericEncoding {
        log1p: false,
        bounds: None,
        fill: 0.0,
        value: None,
        jump: None,
        hinges: Vec::new(),
        missing: None,
        typical: median.filter(|_| missing <= present.len()),
    };
    let mut dropped = Vec::new();
    number.log1p = config.log1p == Log1p::Auto && takes_log(feature.kind, &present);
    if number.log1p {
        present.iter_mut().for_each(|v| *v = v.ln_1p());
    }
    // Durations have no outliers, and those of a young product exceed any bound set by earlier
    // rows.
    if let Winsorize::Quantiles(low, high) = config.winsorize
        && feature.kind != FeatureKind::Duration
    {
        let bounds = quantile(&present, low).zip(quantile(&present, high));
        number.bounds = bounds.filter(|(low, high)| low < high && count_distinct(&present) > 2);
    }
    if let Some((low, high)) = number.bounds {
        present.iter_mut().for_each(|v| *v = v.clamp(low, high));
    }
    number.fill = median.map_or(0.0, |median| number.transform_present(median));
    let transformed: Vec<f64> = raw.iter().map(|v| number.transform(*v)).collect();
    match scale(&transformed) {
        Some(scale) => number.value = Some(scale),
        None if present.is_empty() => {
            dropped.push(DroppedFeature::new(&feature.name, FeatureDrop::AllMissing));
        }
        None if transformed.iter().any(|v| *v != transformed[0]) => {
            dropped.push(DroppedFeature::new(&feature.name, FeatureDrop::OutOfRange));
        }
        None => dropped.push(DroppedFeature::new(&feature.name, FeatureDrop::Constant)),
    }
    (number.jump, number.hinges) = spline::fit_spline(&present, &transformed, config.spline);
    if missing > 0 && missing < raw.len() {
        number.missing = scale_from_counts(missing, raw.len());
    }
    Ok(FittedEncoding { encoding: Encoding::Numeric(number), missing, dropped })
}

/// Returns the lower median, which is a value of some row.
fn lower_median(sorted: &[f64]) -> Option<f64> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// Returns whether log1p is applied: to counts, sums and durations, which are right-skewed, and to
/// other columns that are skewed in the training rows.
fn takes_log(kind: FeatureKind, sorted: &[f64]) -> bool {
    let from_zero = sorted.first().is_some_and(|min| *min >= 0.0);
    let binary = sorted.iter().all(|v| *v == 0.0 || *v == 1.0);
    from_zero
        && !binary
        && match kind {
            FeatureKind::Count | FeatureKind::Duration | FeatureKind::Sum => true,
            FeatureKind::Derived => false,
            FeatureKind::External => skewness(sorted) > SKEWED,
        }
}

fn fit_text(feature: &Feature, raw: &[Option<String>], config: &DesignConfig) -> FittedEncoding {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in raw {
        *counts.entry(value.as_deref().unwrap_or(MISSING)).or_default() += 1;
    }
    // Ties go to the first level in byte order: `max_by` keeps the last of equal ones, so the names
    // are compared in reverse.
    let mode = counts
        .iter()
        .max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))
        .map_or(MISSING, |(level, _)| level)
        .to_owned();
    let configured = config
        .reference_levels
        .get(&feature.name)
        .map(|level| cells::level(level).into_owned())
        .filter(|level| counts.contains_key(level.as_str()));
    let is_configured = configured.is_some();
    let reference_level = configured.unwrap_or_else(|| mode.clone());
    // A text equal to [`OTHER`] counts as rare: two columns cannot have the same name.
    let is_rare =
        |level: &str, count: usize| level == OTHER || share(count, raw.len()) < config.rare;
    let column = |count: usize| scale_from_counts(count, raw.len());
    let (mut levels, mut rare_levels, mut others) = (Vec::new(), Vec::new(), 0);
    for (level, count) in &counts {
        if is_rare(level, *count) && !(is_configured && **level == reference_level) {
            rare_levels.push((*level).to_owned());
            others += count;
        } else if **level != reference_level {
            levels.push(((*level).to_owned(), column(*count)));
        }
    }
    let mut dropped = Vec::new();
    let other = column(others);
    if other.is_none() && levels.iter().all(|(_, s)| s.is_none()) {
        dropped.push(DroppedFeature::new(
            &feature.name,
            if counts.len() > 1 {
                FeatureDrop::RareLevels { levels: counts.len(), needed: config.rare.to_string() }
            } else {
                FeatureDrop::Constant
            },
        ));
    }
    let missing = counts.get(MISSING).copied().unwrap_or(0);
    let encoding = CategoricalEncoding { reference_level, levels, rare_levels, other, mode };
    FittedEncoding { encoding: Encoding::Categorical(encoding), missing, dropped }
}

/// Computes the moment coefficient of skewness g₁ = m₃ / m₂^(3/2).
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

    fn fit(columns: Vec<Column>, config: &DesignConfig) -> (Preprocessor, Vec<DroppedFeature>) {
        let frame = DataFrame::new(columns[0].len(), columns).unwrap();
        let catalog: Vec<Feature> =
            frame.get_column_names().iter().map(|n| Feature::external(n)).collect();
        let rows: Vec<u32> = (0..).take(frame.height()).collect();
        Preprocessor::fit(&SortedFeatures::new(&frame).unwrap(), &catalog, &rows, config).unwrap()
    }

    fn linear() -> DesignConfig {
        DesignConfig { log1p: Log1p::Never, winsorize: Winsorize::Never, ..DesignConfig::default() }
    }

    #[test]
    fn quantiles_are_of_type_7() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.25), Some(1.75));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[5.0], 0.995), Some(5.0));
    }

    #[test]
    fn a_typical_number_is_that_of_a_row_or_missing() {
        let encoding = |present: &[f64], missing: usize| {
            let raw: Vec<Option<f64>> =
                present.iter().copied().map(Some).chain(vec![None; missing]).collect();
            let sorted = present.to_vec();
            match fit_number(&Feature::external("x"), &raw, sorted, &DesignConfig::default()) {
                Ok(FittedEncoding { encoding: Encoding::Numeric(number), .. }) => number,
                _ => panic!("no number"),
            }
        };
        assert_eq!(encoding(&[1.0, 2.0, 3.0], 4).typical, None);
        assert_eq!(encoding(&[1.0, 2.0, 3.0], 3).typical, Some(2.0));
        // The median of these would be 2.5, and a missing value would differ from the typical one.
        let number = encoding(&[1.0, 2.0, 3.0, 900.0], 1);
        assert_eq!(number.typical, Some(2.0));
        assert!(number.log1p);
        assert_eq!(number.transform(None).to_bits(), number.transform(Some(2.0)).to_bits());
    }

    #[test]
    fn the_typical_row_is_that_of_a_typical_account() {
        let texts = ["a", "b", "b", "c"].map(|level| (level != "c").then_some(level));
        let (p, _) = fit(
            vec![
                Column::new("x".into(), [0.0, 3.0, 5.0, 70.0]),
                Column::new("often".into(), [Some(1.0), None, Some(2.0), Some(2.0)]),
                Column::new("seldom".into(), [Some(1.0), None, None, None]),
                Column::new("plan".into(), texts),
            ],
            &DesignConfig { rare: 0.0, spline: 2, ..DesignConfig::default() },
        );
        assert!(p.columns().iter().any(|column| column.term.is_spline_term()));
        let typical = DataFrame::new(
            1,
            vec![
                Column::new("x".into(), [3.0]),
                Column::new("often".into(), [2.0]),
                Column::new("seldom".into(), [None::<f64>]),
                Column::new("plan".into(), ["b"]),
            ],
        )
        .unwrap();
        assert_eq!(p.typical_row(), p.transform(&typical, None).unwrap().x.row(0).to_vec());
    }

    #[test]
    fn a_column_far_from_0_is_centered() {
        let values: Vec<f64> = (0..301).map(|i| 1e6 + f64::from(i * i % 97) / 7.0).collect();
        let scale = scale(&values).unwrap();
        let mean = sum(values.iter().map(|v| scale.apply(*v))) / 301.0;
        assert!(mean.abs() < 1e-16 && scale.mean_low != 0.0, "{mean:e}");
        assert_eq!(sum([1e16, 1.0, -1e16].into_iter()), 1.0);
        assert_eq!(sum([f64::MAX, f64::MAX].into_iter()), f64::INFINITY);
    }

    #[test]
    fn missing_values_become_the_median_and_a_0_1_column() {
        let (p, _) =
            fit(vec![Column::new("x".into(), [Some(1.0), Some(2.0), None, Some(9.0)])], &linear());
        let names: Vec<_> = p.columns().into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["x", "missing_x"]);
        let Encoding::Numeric(x) = &p.features[0].encoding else { panic!("a number") };
        assert_eq!((x.fill, x.value.unwrap().mean, x.missing.unwrap().mean), (2.0, 3.5, 0.25));
    }

    #[test]
    fn nan_counts_as_missing() {
        let values = |odd: Option<f64>| -> Vec<Option<f64>> {
            (0..700).map(|i| if i % 9 == 4 { odd } else { Some(f64::from(i % 50)) }).collect()
        };
        let (null, nan) = (values(None), values(Some(f64::NAN)));
        for spline in [0, 3] {
            let config = DesignConfig { spline, ..DesignConfig::default() };
            let (expected, _) = fit(vec![Column::new("x".into(), &null)], &config);
            assert_eq!(fit(vec![Column::new("x".into(), &nan)], &config).0, expected);
            let design = |values: &Vec<Option<f64>>| {
                let frame =
                    DataFrame::new(values.len(), vec![Column::new("x".into(), values)]).unwrap();
                expected.transform(&frame, None).unwrap().x
            };
            assert_eq!(design(&nan), design(&null));
        }
    }

    #[test]
    fn constant_equal_and_combined_columns_are_dropped() {
        let a = [1.0, 2.0, 3.0, 5.0, 8.0];
        let b = [2.0, 0.0, 1.0, 1.0, 7.0];
        let columns = vec![
            Column::new("a".into(), a),
            Column::new("one".into(), [1.0; 5]),
            Column::new("minus_a".into(), a.map(|v| 3.0 - 2.0 * v)),
            Column::new("b".into(), b),
            Column::new("sum".into(), [0, 1, 2, 3, 4].map(|i| a[i] + b[i])),
        ];
        let (p, dropped) = fit(columns, &linear());
        assert_eq!(p.columns().into_iter().map(|c| c.name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            dropped.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "`one` is constant in the training rows",
                "`minus_a` duplicates `a`",
                "`sum` is a linear combination of `a`, `b`"
            ]
        );
    }

    #[test]
    fn rare_levels_are_pooled_and_unseen_ones_count_with_them() {
        let mut levels = vec!["a"; 60];
        levels.extend(["b"; 38]);
        levels.extend(["c", "d"]);
        let config = DesignConfig { rare: 0.02, ..linear() };
        let (p, _) = fit(vec![Column::new("x".into(), levels)], &config);
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
        let counts = &design.values["x"];
        assert_eq!((counts.unseen, counts.missing), (1, 1), "`new` and the missing one");
    }

    #[test]
    fn a_configured_reference_level_must_exist() {
        let columns = || vec![Column::new("x".into(), ["a", "a", "b", "c"])];
        let config = DesignConfig {
            reference_levels: BTreeMap::from([("x".to_owned(), "b".to_owned())]),
            ..linear()
        };
        assert_eq!(fit(columns(), &config).0.columns()[0].name, "x=a");
        let config = DesignConfig {
            reference_levels: BTreeMap::from([("x".to_owned(), "z".to_owned())]),
            ..linear()
        };
        let frame = DataFrame::new(4, columns()).unwrap();
        assert_eq!(
            check_reference_levels(&frame, &[0, 1, 2, 3], &config).unwrap_err().exit_code(),
            2
        );
    }

    #[test]
    fn only_training_rows_are_fitted() {
        let frame = |last: f64| {
            DataFrame::new(4, vec![Column::new("x".into(), [1.0, 2.0, 4.0, last])]).unwrap()
        };
        let learn = |last| {
            Preprocessor::fit(
                &SortedFeatures::new(&frame(last)).unwrap(),
                &[Feature::external("x")],
                &[0, 1, 2],
                &DesignConfig::default(),
            )
            .unwrap()
        };
        assert_eq!(learn(3.0), learn(1e9));
    }

    #[test]
    fn durations_are_not_winsorized() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let bounds = |kind| {
            let feature = Feature { kind, ..Feature::external("x") };
            let raw: Vec<Option<f64>> = values.iter().map(|v| Some(*v)).collect();
            let fitted = fit_number(&feature, &raw, values.clone(), &DesignConfig::default());
            let Encoding::Numeric(number) = fitted.unwrap().encoding else { panic!("a number") };
            number.bounds
        };
        assert!(bounds(FeatureKind::Duration).is_none() && bounds(FeatureKind::Count).is_some());
    }

    #[test]
    fn the_log_is_taken_by_kind() {
        let sorted = [0.0, 1.0, 2.0, 3.0];
        assert!(
            takes_log(FeatureKind::Count, &sorted)
                && !takes_log(FeatureKind::Derived, &sorted)
                && !takes_log(FeatureKind::External, &sorted)
        );
        assert!(takes_log(FeatureKind::External, &[0.0, 0.0, 0.0, 0.0, 0.0, 50.0]));
        assert!(!takes_log(FeatureKind::External, &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), "a 0/1 column");
        assert!(!takes_log(FeatureKind::Sum, &[-1.0, 2.0, 5.0]));
    }
}
