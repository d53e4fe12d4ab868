//! How many event names are counted, so that each design column has enough converting accounts
//! behind it.

use polars::prelude::*;

use crate::config::{Config, DesignRule};
use crate::dataset::columns::feature_column;
use crate::dataset::features::Feature;
use crate::dataset::observations::Split;
use crate::dataset::rows::Rows;
use crate::error::{Error, Result};
use crate::model::encoder::Preprocessor;
use crate::warning::Warning;

/// Converting training accounts wanted for each design column: with fewer coefficients are hardly
/// known (Peduzzi et al. 1996).
pub(crate) const PER_COLUMN: u32 = 10;

impl Rows {
    /// The same with as many event names counted as leave 10 converting training accounts for each
    /// design column, those that most training accounts used.
    ///
    /// Nothing is lowered where `design.use` names the columns, and where no model can be trained.
    /// # Errors
    /// * [`Error::MissingFeature`]: a feature has no column
    pub fn with_fewer_counts(mut self, config: &Config) -> Result<Self> {
        let train = self.of(Split::Train);
        let side = self.side(&train);
        let trains = (1..side.rows).contains(&side.positive_rows)
            && side.converting_accounts >= config.model.min_conversions as u64;
        let allowed =
            usize::try_from(side.converting_accounts).unwrap_or(usize::MAX) / PER_COLUMN as usize;
        if !trains || !config.design.keep.is_empty() || self.most_columns(config)? <= allowed {
            return Ok(self);
        }
        // What cannot be prepared is refused, and explained, later on.
        let Ok(by_rank) = self.columns_by_rank(config, &train) else { return Ok(self) };
        let (all, counted): (usize, usize) = (by_rank.iter().sum(), by_rank.len() - 1);
        let (mut counts, mut columns) = (counted, all);
        while counts > 0 && columns > allowed {
            columns -= by_rank[counts];
            counts -= 1;
        }
        if counts < counted {
            self.warnings.push(Warning::FewerEventCounts {
                configured: config.features.counts,
                counted: counts,
                accounts: side.converting_accounts,
                per_column: PER_COLUMN,
                columns: all,
            });
            self.count_only(counts)?;
        }
        Ok(self)
    }

    /// A bound of the number of design columns: a number and whether it is missing, and all levels
    /// of a text.
    fn most_columns(&self, config: &Config) -> Result<usize> {
        let most = |feature: &Feature| {
            let column = feature_column(&self.features, &feature.name)?;
            let is_text = column.dtype() == &DataType::String
                || config.design.categories.contains(&feature.name);
            if is_text {
                column
                    .n_unique()
                    .map_err(|e| Error::table(format!("feature `{}`", feature.name), e))
            } else {
                Ok(2)
            }
        };
        self.kinds.iter().map(most).sum()
    }

    /// How many design columns there are without counts, and how many more by each counted event
    /// name, the one that most accounts used first.
    ///
    /// Counts stand last: since a column is left out by those before it alone, one fit tells of any
    /// number of counts.
    fn columns_by_rank(&self, config: &Config, train: &[u32]) -> Result<Vec<usize>> {
        let counted = self.catalogue.as_ref().map_or(&[][..], |c| &c.counted);
        let rank =
            |f: &Feature| counted.iter().position(|n| f.is_count_of(n)).map_or(0, |rank| rank + 1);
        let mut order = self.kinds.clone();
        order.sort_by_key(rank);
        // Jumps and knots of a spline do not count: the penalty holds them near 0.
        let straight = DesignRule { spline: 0, ..config.design.clone() };
        let (preprocessor, _) = Preprocessor::fit(&self.features, &order, train, &straight)?;
        let mut by_rank = vec![0; counted.len() + 1];
        for column in preprocessor.columns() {
            let name = &preprocessor.features[column.feature].feature;
            by_rank[order.iter().find(|f| f.name == *name).map_or(0, rank)] += 1;
        }
        Ok(by_rank)
    }

    /// Take away the columns of all but the first counted event names.
    fn count_only(&mut self, counts: usize) -> Result<()> {
        let Some(catalogue) = &mut self.catalogue else { return Ok(()) };
        let dropped = catalogue.counted.split_off(counts);
        for feature in self
            .kinds
            .extract_if(.., |feature| dropped.iter().any(|name| feature.is_count_of(name)))
        {
            self.features
                .drop_in_place(&feature.name)
                .map_err(|e| Error::table(format!("feature `{}`", feature.name), e))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::features::{Catalogue, FeatureKind};
    use crate::log::Names;

    /// A log's rows of 200 accounts, of which so many convert: four columns, counts of `a`, `b` and
    /// `c` among them.
    fn rows(converting: u32, b_is_a: bool) -> Rows {
        let mut catalogue = Catalogue {
            windows: vec![7],
            roles: Vec::new(),
            counted: Vec::new(),
            sums: Vec::new(),
            attributes: Vec::new(),
            seats: false,
            known: Vec::new(),
            known_rows: 0,
        };
        catalogue.counted = ["a", "b", "c"].map(str::to_owned).to_vec();
        let kinds: Vec<Feature> = ["events", "count_a", "count_b", "count_c"]
            .map(|measure| Feature {
                name: format!("{measure}_7d"),
                measure: measure.to_owned(),
                window: Some(7),
                kind: FeatureKind::Count,
            })
            .to_vec();
        let value = |at: u32, row: u32| f64::from((row * (at + 3) * 37 + at * 11) % 23);
        let column = |(at, feature): (u32, &Feature)| {
            let at = if b_is_a && at == 2 { 1 } else { at };
            Column::new(
                feature.name.as_str().into(),
                (0..200).map(|row| value(at, row)).collect::<Vec<_>>(),
            )
        };
        Rows {
            features: DataFrame::new(200, (0..).zip(&kinds).map(column).collect()).unwrap(),
            kinds,
            catalogue: Some(catalogue),
            account: (0..200).collect(),
            names: Names::default(),
            cutoff: None,
            y: (0..200).map(|row| Some(row < converting)).collect(),
            split: vec![Split::Train; 200],
            first_test: None,
            left_out: Vec::new(),
            findings: Vec::new(),
            held: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn lowered(rows: Rows, config: &Config) -> (Vec<String>, Vec<Warning>) {
        let lowered = rows.with_fewer_counts(config).unwrap();
        let names: Vec<&str> =
            lowered.features.get_column_names().into_iter().map(PlSmallStr::as_str).collect();
        assert_eq!(names, lowered.kinds.iter().map(|f| f.name.as_str()).collect::<Vec<_>>());
        (lowered.catalogue.unwrap().counted, lowered.warnings)
    }

    #[test]
    fn counts_are_lowered_to_the_largest_number_that_leaves_ten_converting_accounts_a_column() {
        for (converting, counts) in [(40, 3), (39, 2), (30, 2), (29, 1), (20, 1), (19, 0), (10, 0)]
        {
            let (counted, warnings) = lowered(rows(converting, false), &Config::default());
            assert_eq!(counted, ["a", "b", "c"][..counts], "{converting} convert");
            assert_eq!(warnings.len(), usize::from(counts < 3));
        }
        let (_, warnings) = lowered(rows(29, false), &Config::default());
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "`features.counts` lowered from 20 to 1: 29 converting training accounts are fewer than 10 for each of 4 design columns"
            ]
        );
        assert_eq!(
            lowered(rows(30, true), &Config::default()).0.len(),
            3,
            "a column that repeats another is none"
        );
    }

    #[test]
    fn counts_stay_where_columns_are_named_or_no_model_is_to_be_had() {
        let mut config = Config::default();
        assert_eq!(lowered(rows(9, false), &config).0.len(), 3, "fewer than `min_conversions`");
        config.model.min_conversions = 0;
        assert_eq!(lowered(rows(0, false), &config).0.len(), 3, "one class");
        assert_eq!(lowered(rows(9, false), &config).0.len(), 0);
        config.design.keep = vec!["events_7d".to_owned(), "count_c_7d".to_owned()];
        assert_eq!(lowered(rows(10, false), &config).0.len(), 3);
    }
}
