//! The split of random training rows.

use serde_json::Value;

use super::harness::Engine;
use super::{query, rows_of};
use crate::config::SplitScheme;
use crate::dataset::split::query::SplitQuery;
use crate::dataset::split::{RowsToSplit, SplitMethod, SplitOptions};
use crate::query::stages::OBSERVATIONS;
use crate::query::{Expression, Query, Rows, Select, Stage, Type};
use crate::time::{DAY, Zone};

/// Rows of accounts at cutoffs, with outcomes.
struct Sample {
    account: Vec<u32>,
    cutoff: Vec<i64>,
    converted: Vec<Option<bool>>,
}

impl Sample {
    /// Draws about 300 rows; the later ones have no outcome yet.
    fn new(seed: u64, days: i64, cutoffs_per_day: i64) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |n: i64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from(state % u64::try_from(n).unwrap()).unwrap()
        };
        let mut sample = Self { account: Vec::new(), cutoff: Vec::new(), converted: Vec::new() };
        for _ in 0..300 {
            let cutoff = below(days * cutoffs_per_day) * (DAY / cutoffs_per_day);
            sample.account.push(u32::try_from(below(90)).unwrap());
            sample.cutoff.push(cutoff);
            let is_open = cutoff > (days - 3) * DAY || below(30) == 0;
            sample.converted.push((!is_open).then(|| below(3) == 0));
        }
        sample
    }

    /// Returns a query of the split of each row, in the order of the rows.
    fn query(&self, split: &SplitQuery) -> Query {
        let columns = [
            ("row", Type::Integer),
            ("account_id", Type::Text),
            ("cutoff", Type::Integer),
            ("converted", Type::Integer),
        ];
        let row = |(index, number): (usize, i64)| {
            let converted = self.converted[index].map(|y| Expression::integer(i64::from(y)));
            vec![
                Expression::integer(number),
                Expression::text(&self.account[index].to_string()),
                Expression::integer(self.cutoff[index]),
                converted.unwrap_or_else(|| Expression::null(Type::Integer)),
            ]
        };
        let rows = Rows::Values {
            columns: columns.map(|(name, kind)| (name.to_owned(), kind)).to_vec(),
            rows: (0..self.account.len()).zip(1..).map(row).collect(),
        };
        let rows = Stage { name: OBSERVATIONS.to_owned(), comment: "Rows".to_owned(), rows };
        let select = Select::from_stage(OBSERVATIONS)
            .column("row", rows.output("row"))
            .column("split", split.split());
        let stages = std::iter::once(rows).chain(split.stages()).collect();
        query(stages, split.join(select))
    }
}

/// Settings, in which every way to split occurs.
fn settings() -> Vec<(SplitQuery, i64, i64)> {
    let mut settings = Vec::new();
    for scheme in [SplitScheme::Auto, SplitScheme::Time, SplitScheme::CrossValidation] {
        for (test_size, min_conversions, span, days, cutoffs_per_day) in [
            (0.2, 10, 0, 100, 1),
            (0.9, 10, 10 * DAY, 60, 24),
            (0.7, 10, 30 * DAY, 100, 5),
            (0.5, 25, 2 * DAY, 40, 3),
            (0.5, 40, 2 * DAY, 40, 3),
            (0.1, 0, DAY / 2, 9, 7),
            (0.3, 0, DAY, 10, 1),
            (0.0, 10, DAY, 20, 2),
            (0.4, 10, 50 * DAY, 20, 2),
            (0.999, 5, 0, 1, 24),
        ] {
            let options = SplitOptions { scheme, test_size, min_conversions };
            settings.push((SplitQuery { options, span }, days, cutoffs_per_day));
        }
    }
    settings
}

#[test]
#[ignore = "needs the engines of `make engines`"]
fn the_split_of_random_rows_equals_that_of_pql() {
    let mut methods = Vec::new();
    for (seed, (split, days, cutoffs_per_day)) in (0..).zip(settings()) {
        let sample = Sample::new(seed, days, cutoffs_per_day);
        let rows = RowsToSplit { account: &sample.account, converted: &sample.converted };
        let cutoffs = (&sample.cutoff[..], Zone::default());
        let expected = rows.by_time(cutoffs, split.span, split.options);
        let is_halved = expected.problem.is_some() && expected.first_test.is_some();
        methods.push((split.options.scheme, std::mem::discriminant(&expected.method), is_halved));
        let names: Vec<Value> = expected.split.iter().map(|split| split.name().into()).collect();
        let query = sample.query(&split);
        // Spark plans such a statement in seconds.
        let is_fast = |engine: &Engine| *engine != Engine::Spark || seed % 9 == 0;
        for engine in Engine::selected().into_iter().filter(is_fast) {
            let found = rows_of(engine, &query, Vec::new());
            let found: Vec<Value> = found.rows.into_iter().map(|mut row| row.remove(1)).collect();
            assert_eq!(found, names, "{split:?} in {}", engine.name());
        }
    }
    let newest = std::mem::discriminant(&SplitMethod::Newest { test_size: 0.0 });
    let crossed = std::mem::discriminant(&SplitMethod::CrossValidation);
    for expected in [(newest, false), (newest, true), (crossed, false)] {
        assert!(methods.contains(&(SplitScheme::Auto, expected.0, expected.1)), "{methods:?}");
    }
}
