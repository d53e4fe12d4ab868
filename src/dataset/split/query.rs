//! The split of the rows of a training as stages of a statement.

use super::{MAX_PURGED, MIN_TEST_ACCOUNTS, Split, SplitOptions};
use crate::config::SplitScheme;
use crate::query::stages::{OBSERVATIONS, TEST_PERIOD};
use crate::query::{Aggregate, Expression, Function, JoinKind, Rows, Select, Stage, Type};
use crate::time::DAY;

const CUTOFF_COUNTS: &str = "cutoff_counts";
const CUTOFF_DAYS: &str = "cutoff_days";
const RANKED_DAYS: &str = "ranked_days";
const HALVINGS: &str = "halvings";
const PERIODS: &str = "test_periods";
const PERIOD_ROWS: &str = "test_period_rows";
const CONVERTING: &str = "converting_accounts";
const PERIOD_CONVERSIONS: &str = "test_period_conversions";

/// Number of lengths of the test period: the shortest one is a day, also in a log of 300 years.
const LENGTHS: u32 = 18;

/// The split of the rows of [`OBSERVATIONS`] by time, as
/// [`RowsToSplit::by_time`](super::RowsToSplit::by_time).
#[derive(Debug, Clone, Copy)]
pub(crate) struct SplitQuery {
    pub(crate) options: SplitOptions,
    /// Gap + horizon, µs.
    pub(crate) span: i64,
}

fn integer(stage: &str, name: &str) -> Expression {
    Expression::column(stage, name, Type::Integer)
}

fn stage(name: &str, comment: &str, select: Select) -> Stage {
    Stage { name: name.to_owned(), comment: comment.to_owned(), rows: Rows::Select(select) }
}

/// Selects all pairs of rows of two stages.
fn pairs(a: &str, b: &str) -> Select {
    Select::from_stage(a).join_stage(JoinKind::Cross, b, Expression::boolean(true))
}

/// Returns the condition that an observation has an outcome.
fn is_labeled() -> Expression {
    integer(OBSERVATIONS, "converted").is_not_null()
}

impl SplitQuery {
    /// Returns whether the newest days may be the test set.
    fn has_period(&self) -> bool {
        self.options.scheme != SplitScheme::CrossValidation && self.options.test_size > 0.0
    }

    /// Returns the stages up to [`TEST_PERIOD`]; none if the split needs no period.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        if !self.has_period() {
            return Vec::new();
        }
        let days = [cutoff_counts(), cutoff_days(), ranked_days()];
        let period = match self.options.scheme {
            SplitScheme::Time => vec![self.configured_period()],
            SplitScheme::Auto | SplitScheme::CrossValidation => vec![
                halvings(),
                self.periods(),
                self.period_rows(),
                converting_accounts(),
                self.period_conversions(),
                self.adequate_period(),
            ],
        };
        days.into_iter().chain(period).collect()
    }

    /// Joins the stage that [`SplitQuery::split`] reads.
    pub(crate) fn join(&self, select: Select) -> Select {
        if !self.has_period() {
            return select;
        }
        select.join_stage(JoinKind::Cross, TEST_PERIOD, Expression::boolean(true))
    }

    /// Returns the split of a row of [`OBSERVATIONS`]; null if it is in neither set.
    pub(crate) fn split(&self) -> Expression {
        let set = |split: Split| Expression::text(split.name().unwrap_or_default());
        let unused = Expression::null(Type::Text);
        let without_period = match self.options.scheme {
            SplitScheme::Time => Split::Train,
            SplitScheme::Auto if self.options.test_size == 0.0 => Split::Train,
            SplitScheme::Auto | SplitScheme::CrossValidation => Split::CrossValidated,
        };
        if !self.has_period() {
            return Expression::case(vec![(is_labeled(), set(without_period))], unused);
        }
        let first_test = || integer(TEST_PERIOD, "first_test");
        let cutoff = || integer(OBSERVATIONS, "cutoff");
        let branches = vec![
            (integer(OBSERVATIONS, "converted").is_null(), unused.clone()),
            (first_test().is_null(), set(without_period)),
            (cutoff().greater_equal(first_test()), set(Split::Test)),
            (self.horizon_end(cutoff()).less_equal(first_test()), set(Split::Train)),
        ];
        Expression::case(branches, unused)
    }

    /// Returns the end of the horizon of a cutoff.
    fn horizon_end(&self, cutoff: Expression) -> Expression {
        cutoff.add(Expression::integer(self.span))
    }

    /// Returns the configured number of days in the test set: ⌈`test_size` · days⌉, tolerating
    /// rounding errors of the product.
    fn held_out(&self) -> Expression {
        let days = integer(RANKED_DAYS, "days").cast(Type::Double);
        let share = Expression::double(self.options.test_size).multiply(days);
        // ⌈x⌉ = −⌊−x⌋
        let negative = Expression::double(1e-9).subtract(share);
        let floor = Expression::call(Function::Floor, vec![negative]);
        Expression::double(0.0).subtract(floor).cast(Type::Integer)
    }

    /// Returns the stage with the configured test period.
    fn configured_period(&self) -> Stage {
        let first = Expression::aggregate(Aggregate::Min, integer(RANKED_DAYS, "first_cutoff"));
        let select = Select::from_stage(RANKED_DAYS)
            .column("first_test", first)
            .filter(integer(RANKED_DAYS, "position").equal(self.held_out()));
        stage(TEST_PERIOD, "The first cutoff of the newest days, which are the test set.", select)
    }

    /// Returns the stage with the possible test periods, longest first.
    fn periods(&self) -> Stage {
        let held_out = self.held_out().divide_whole(integer(HALVINGS, "divisor"));
        let select = pairs(RANKED_DAYS, HALVINGS)
            .column("halvings", integer(HALVINGS, "halvings"))
            .column("first_test", integer(RANKED_DAYS, "first_cutoff"))
            .filter(integer(RANKED_DAYS, "position").equal(held_out));
        let comment =
            "The possible test periods: the newest days, the newer half of them, and so on.";
        stage(PERIODS, comment, select)
    }

    /// Returns the stage with the number of rows in the sets of each period.
    fn period_rows(&self) -> Stage {
        let cutoff = || integer(CUTOFF_COUNTS, "cutoff");
        let first_test = || integer(PERIODS, "first_test");
        let rows = || Expression::aggregate(Aggregate::Sum, integer(CUTOFF_COUNTS, "observations"));
        let rows_with = |condition| {
            let rows = rows().filter(condition);
            Expression::call(Function::Coalesce, vec![rows, Expression::integer(0)])
        };
        let is_training = self.horizon_end(cutoff()).less_equal(first_test());
        let select = pairs(PERIODS, CUTOFF_COUNTS)
            .key("halvings", integer(PERIODS, "halvings"))
            .key("first_test", first_test())
            .column("all_rows", rows())
            .column("test_rows", rows_with(cutoff().greater_equal(first_test())))
            .column("training_rows", rows_with(is_training));
        let comment = "The number of test rows of each period, and of training rows, whose horizon ends before it.";
        stage(PERIOD_ROWS, comment, select)
    }

    /// Returns the stage with the number of converting accounts in the sets of each period.
    fn period_conversions(&self) -> Stage {
        let first_test = || integer(PERIODS, "first_test");
        let first = integer(CONVERTING, "first_cutoff");
        let is_training = self.horizon_end(first).less_equal(first_test());
        let is_test = integer(CONVERTING, "last_cutoff").greater_equal(first_test());
        let select = pairs(PERIODS, CONVERTING)
            .key("halvings", integer(PERIODS, "halvings"))
            .column("test_accounts", Expression::count_rows().filter(is_test))
            .column("training_accounts", Expression::count_rows().filter(is_training));
        let comment =
            "The number of accounts that convert in a test row or training row of each period.";
        stage(PERIOD_CONVERSIONS, comment, select)
    }

    /// Returns the stage with the longest period that can judge a model and leaves enough rows to
    /// train.
    fn adequate_period(&self) -> Stage {
        let rows = |name| integer(PERIOD_ROWS, name);
        let accounts = |name| integer(PERIOD_CONVERSIONS, name);
        let at_least = |value: Expression, minimum: u64| {
            value.greater_equal(Expression::integer(i64::try_from(minimum).unwrap_or(i64::MAX)))
        };
        let earlier = || rows("all_rows").subtract(rows("test_rows"));
        let purged = earlier().subtract(rows("training_rows")).cast(Type::Double);
        let most = Expression::double(MAX_PURGED).multiply(earlier().cast(Type::Double));
        let same_period = rows("halvings").equal(accounts("halvings"));
        let first = Expression::aggregate(Aggregate::Min, rows("first_test"));
        let min_conversions = self.options.min_conversions as u64;
        let select = Select::from_stage(PERIOD_ROWS)
            .join_stage(JoinKind::Inner, PERIOD_CONVERSIONS, same_period)
            .column("first_test", first)
            .filter(at_least(accounts("test_accounts"), MIN_TEST_ACCOUNTS))
            .filter(at_least(accounts("training_accounts"), min_conversions))
            .filter(purged.less_equal(most));
        let comment = "The first cutoff of the longest period with enough conversions and training rows. Without such a period it is null, and all rows are cross-validated.";
        stage(TEST_PERIOD, comment, select)
    }
}

/// Returns the stage with the number of rows with an outcome at each cutoff.
fn cutoff_counts() -> Stage {
    let select = Select::from_stage(OBSERVATIONS)
        .key("cutoff", integer(OBSERVATIONS, "cutoff"))
        .column("observations", Expression::count_rows())
        .filter(is_labeled());
    stage(CUTOFF_COUNTS, "The number of rows with an outcome at each cutoff.", select)
}

/// Returns the stage with the days of these cutoffs.
fn cutoff_days() -> Stage {
    let cutoff = || integer(CUTOFF_COUNTS, "cutoff");
    let select = Select::from_stage(CUTOFF_COUNTS)
        .key("day", cutoff().divide_whole(Expression::integer(DAY)))
        .column("first_cutoff", Expression::aggregate(Aggregate::Min, cutoff()));
    stage(CUTOFF_DAYS, "The days of these cutoffs, in UTC.", select)
}

/// Returns the stage with the position of each day.
fn ranked_days() -> Stage {
    let day = || integer(CUTOFF_DAYS, "day");
    let newest_first = vec![day().descending()];
    let select = Select::from_stage(CUTOFF_DAYS)
        .column("first_cutoff", integer(CUTOFF_DAYS, "first_cutoff"))
        .column("position", Expression::row_number(Vec::new(), newest_first))
        .column("days", Expression::over(Aggregate::CountRows, day(), Vec::new()));
    stage(RANKED_DAYS, "The position of each day, newest first, and the number of days.", select)
}

/// Returns the stage with the divisors of the length of the test period.
fn halvings() -> Stage {
    let row = |halvings: u32| [i64::from(halvings), 1 << halvings].map(Expression::integer);
    Stage {
        name: HALVINGS.to_owned(),
        comment: "How often the test period is halved.".to_owned(),
        rows: Rows::Values {
            columns: ["halvings", "divisor"].map(|name| (name.to_owned(), Type::Integer)).to_vec(),
            rows: (0..LENGTHS).map(|halvings| row(halvings).to_vec()).collect(),
        },
    }
}

/// Returns the stage with the first and last converting row of each account.
fn converting_accounts() -> Stage {
    let cutoff = || integer(OBSERVATIONS, "cutoff");
    let converts = integer(OBSERVATIONS, "converted").equal(Expression::integer(1));
    let select = Select::from_stage(OBSERVATIONS)
        .key("account_id", Expression::column(OBSERVATIONS, "account_id", Type::Text))
        .column("first_cutoff", Expression::aggregate(Aggregate::Min, cutoff()))
        .column("last_cutoff", Expression::aggregate(Aggregate::Max, cutoff()))
        .filter(converts);
    stage(CONVERTING, "The first and last row in which each account converts.", select)
}
