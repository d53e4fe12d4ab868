//! Limits the number of counted event types, so that each design column has enough converting
//! accounts.

use polars::prelude::*;

use crate::config::{Config, DesignConfig};
use crate::dataset::columns::feature_column;
use crate::dataset::features::Feature;
use crate::dataset::rows::Rows;
use crate::dataset::sorted_features::SortedFeatures;
use crate::dataset::split::Split;
use crate::error::{Error, Result};
use crate::model::encoder::Preprocessor;
use crate::warning::Warning;

/// Converting training accounts required per design column; with fewer, coefficients are unreliable
/// (Peduzzi et al. 1996).
pub(crate) const ACCOUNTS_PER_COLUMN: u32 = 10;

impl Rows {
    /// Drops the rarest event counts until each design column has 10 converting training accounts.
    ///
    /// Nothing is dropped if `design.include` is set, or if no model can be trained.
    /// # Errors
    /// * [`Error::MissingFeature`]: a feature has no column
    pub fn with_fewer_counts(mut self, config: &Config) -> Result<Self> {
        let train = self.split_rows(Split::Train);
        let sample = self.sample_counts(&train);
        let can_train = (1..sample.rows).contains(&sample.positive_rows)
            && sample.converting_accounts >= config.model.min_conversions as u64;
        let allowed = usize::try_from(sample.converting_accounts).unwrap_or(usize::MAX)
            / ACCOUNTS_PER_COLUMN as usize;
        if !can_train || !config.design.include.is_empty() || self.max_columns(config)? <= allowed {
            return Ok(self);
        }
        // An error here is reported when the features are fitted.
        let Ok(by_rank) = self.columns_by_rank(config, &train) else { return Ok(self) };
        let (all, counted): (usize, usize) = (by_rank.iter().sum(), by_rank.len() - 1);
        let (mut counts, mut columns) = (counted, all);
        while counts > 0 && columns > allowed {
            columns -= by_rank[counts];
            counts -= 1;
        }
        if counts < counted {
            self.warnings.push(Warning::FewerEventCounts {
                configured: config.features.event_types,
                counted: counts,
                accounts: sample.converting_accounts,
                per_column: ACCOUNTS_PER_COLUMN,
                columns: all,
            });
            self.keep_counts(counts)?;
        }
        Ok(self)
    }

    /// Returns an upper bound of the number of design columns: two per number, and one per level of
    /// a text.
    fn max_columns(&self, config: &Config) -> Result<usize> {
        let columns = |feature: &Feature| {
            let column = feature_column(&self.features, &feature.name)?;
            let is_text = column.dtype() == &DataType::String
                || config.design.categorical.contains(&feature.name);
            if is_text {
                column
                    .n_unique()
                    .map_err(|e| Error::table(format!("the feature `{}`", feature.name), e))
            } else {
                Ok(2)
            }
        };
        self.design_features.iter().map(columns).sum()
    }

    /// Counts the design columns without event counts, then the columns of each counted event type,
    /// most frequent first.
    ///
    /// Event counts come last in the design. A column is dropped only because of earlier columns,
    /// so that one fit gives the number of columns for any number of counts.
    fn columns_by_rank(&self, config: &Config, train: &[u32]) -> Result<Vec<usize>> {
        let counted = self.catalog.as_ref().map_or(&[][..], |c| &c.counted_events);
        let rank =
            |f: &Feature| counted.iter().position(|n| f.counts_event(n)).map_or(0, |rank| rank + 1);
        let mut order = self.design_features.clone();
        order.sort_by_key(rank);
        // Spline columns do not count: the penalty keeps them near 0.
        let linear = DesignConfig { spline: 0, ..config.design.clone() };
        let (preprocessor, _) =
            Preprocessor::fit(&SortedFeatures::new(&self.features)?, &order, train, &linear)?;
        let mut by_rank = vec![0; counted.len() + 1];
        for column in preprocessor.columns() {
            let name = &preprocessor.features[column.feature].feature;
            by_rank[order.iter().find(|f| f.name == *name).map_or(0, rank)] += 1;
        }
        Ok(by_rank)
    }

    /// Drops the counts of all but the first event types.
    fn keep_counts(&mut self, counts: usize) -> Result<()> {
        let Some(catalog) = &mut self.catalog else { return Ok(()) };
        let dropped = catalog.counted_events.split_off(counts);
        for feature in self
            .design_features
            .extract_if(.., |feature| dropped.iter().any(|name| feature.counts_event(name)))
        {
            self.features
                .drop_in_place(&feature.name)
                .map_err(|e| Error::table(format!("the feature `{}`", feature.name), e))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::features::{FeatureCatalog, FeatureKind};

    /// Rows of 200 accounts with four columns, among them counts of `a`, `b` and `c`.
    fn rows(converting: u32, b_is_a: bool) -> Rows {
        let catalog = FeatureCatalog {
            windows: vec![7],
            velocity_windows: vec![7],
            trend_windows: vec![7],
            roles: Vec::new(),
            counted_events: ["a", "b", "c"].map(str::to_owned).to_vec(),
            summed_properties: Vec::new(),
            attributes: Vec::new(),
            has_seats: false,
        };
        let design_features: Vec<Feature> = ["events", "count_a", "count_b", "count_c"]
            .map(|measure| Feature {
                name: format!("{measure}_7d"),
                measure: measure.to_owned(),
                window: Some(7),
                kind: FeatureKind::Count,
            })
            .to_vec();
        let value = |i: u32, row: u32| f64::from((row * (i + 3) * 37 + i * 11) % 23);
        let column = |(i, feature): (u32, &Feature)| {
            let i = if b_is_a && i == 2 { 1 } else { i };
            Column::new(
                feature.name.as_str().into(),
                (0..200).map(|row| value(i, row)).collect::<Vec<_>>(),
            )
        };
        let columns = (0..).zip(&design_features).map(column).collect();
        let y = (0..200).map(|row| Some(row < converting)).collect();
        Rows {
            design_features,
            catalog: Some(catalog),
            ..Rows::for_tests(DataFrame::new(200, columns).unwrap(), y)
        }
    }

    fn reduced(rows: Rows, config: &Config) -> (Vec<String>, Vec<Warning>) {
        let reduced = rows.with_fewer_counts(config).unwrap();
        let names: Vec<&str> =
            reduced.features.get_column_names().into_iter().map(PlSmallStr::as_str).collect();
        assert_eq!(
            names,
            reduced.design_features.iter().map(|f| f.name.as_str()).collect::<Vec<_>>()
        );
        (reduced.catalog.unwrap().counted_events, reduced.warnings)
    }

    #[test]
    fn counts_are_reduced_to_ten_converting_accounts_per_column() {
        for (converting, counts) in [(40, 3), (39, 2), (30, 2), (29, 1), (20, 1), (19, 0), (10, 0)]
        {
            let (counted, warnings) = reduced(rows(converting, false), &Config::default());
            assert_eq!(counted, ["a", "b", "c"][..counts], "{converting} convert");
            assert_eq!(warnings.len(), usize::from(counts < 3));
        }
        let (_, warnings) = reduced(rows(29, false), &Config::default());
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "`features.event_types` is reduced from 20 to 1: 4 design columns would need 40 converting accounts (10 each), and there are 29. No change is needed; more conversions allow more event types."
            ]
        );
        assert_eq!(
            reduced(rows(30, true), &Config::default()).0.len(),
            3,
            "a redundant column does not count"
        );
    }

    #[test]
    fn counts_stay_with_configured_columns_or_without_a_model() {
        let mut config = Config::default();
        assert_eq!(reduced(rows(9, false), &config).0.len(), 3, "fewer than `min_conversions`");
        config.model.min_conversions = 0;
        assert_eq!(reduced(rows(0, false), &config).0.len(), 3, "one class");
        assert_eq!(reduced(rows(9, false), &config).0.len(), 0);
        config.design.include = vec!["events_7d".to_owned(), "count_c_7d".to_owned()];
        assert_eq!(reduced(rows(10, false), &config).0.len(), 3);
    }
}
