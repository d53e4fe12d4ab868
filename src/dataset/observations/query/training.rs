//! The observations of a training as stages of a statement.

use super::{landmark, midnight, stage};
use crate::config::{CutoffScheme, ObservationConfig};
use crate::dataset::observations::{MAX_CUTOFFS, Outcome};
use crate::query::stages::{ACCOUNT_OUTCOMES, LOG_END, LOG_START, OBSERVATIONS, TIME_PRECISION};
use crate::query::{Expression, Function, JoinKind, Rows, Select, Source, Stage, Type};

const DIGITS: &str = "digits";
const SNAPSHOT_NUMBERS: &str = "snapshot_numbers";
const SNAPSHOTS: &str = "snapshots";
const ACCOUNT_CUTOFFS: &str = "account_cutoffs";

/// Number of decimal digits of the number of a snapshot.
const PLACES: u32 = 4;
const _: () = assert!(10_u64.pow(PLACES) == MAX_CUTOFFS);

/// Returns the stages with one row per account and cutoff, and its outcome, as
/// [`observe`](crate::dataset::observations::observe).
pub(crate) fn training_stages(config: &ObservationConfig) -> Vec<Stage> {
    let mut stages = match config.cutoffs {
        CutoffScheme::Snapshot => {
            vec![digits(), snapshot_numbers(), snapshots(config), accounts_at_snapshots(config)]
        }
        CutoffScheme::Age => vec![accounts_at_age(config)],
    };
    stages.push(labeled(config));
    stages
}

/// Returns the name of an outcome, given the column `converted` of [`OBSERVATIONS`].
pub(crate) fn outcome_name() -> Expression {
    let converted = || integer(OBSERVATIONS, "converted");
    let name = |outcome: Outcome| Expression::text(outcome.name());
    let is = |value| converted().equal(Expression::integer(value));
    let branches = vec![(is(1), name(Outcome::Converted)), (is(0), name(Outcome::NotConverted))];
    Expression::case(branches, name(Outcome::Immature))
}

fn integer(stage: &str, name: &str) -> Expression {
    Expression::column(stage, name, Type::Integer)
}

fn span(span: i64) -> Expression {
    Expression::integer(span)
}

fn log_end() -> Expression {
    integer(LOG_END, LOG_END)
}

fn digits() -> Stage {
    Stage {
        name: DIGITS.to_owned(),
        comment: "The decimal digits.".to_owned(),
        rows: Rows::Values {
            columns: vec![("digit".to_owned(), Type::Integer)],
            rows: (0..10).map(|digit| vec![Expression::integer(digit)]).collect(),
        },
    }
}

/// Returns the stage with a number for each possible snapshot; every engine can compute it.
fn snapshot_numbers() -> Stage {
    let place = |place: u32| format!("d{}", 10_i64.pow(place));
    let digits = || Source::Stage(DIGITS.to_owned());
    let mut select = Select::from(digits(), &place(0));
    let mut number = integer(&place(0), "digit");
    for index in 1..PLACES {
        select = select.join(JoinKind::Cross, digits(), &place(index), Expression::boolean(true));
        let digit = integer(&place(index), "digit");
        number = number.add(digit.multiply(Expression::integer(10_i64.pow(index))));
    }
    let comment = "Numbers of snapshots: 0 is the newest one.";
    stage(SNAPSHOT_NUMBERS, comment, select.column("number", number))
}

/// Returns the stage with the cutoffs of all snapshots.
fn snapshots(config: &ObservationConfig) -> Stage {
    let dates_only = || Expression::column(TIME_PRECISION, "dates_only", Type::Boolean);
    let rounded =
        |time: Expression| Expression::case(vec![(dates_only(), midnight(time.clone()))], time);
    let newest = || rounded(log_end().subtract(span(config.gap.0 + config.horizon.0)));
    // No snapshot is before 1970, so that each number gives a valid time.
    let numbers =
        vec![integer(SNAPSHOT_NUMBERS, "number"), newest().divide_whole(span(config.every.0))];
    let number = Expression::call(Function::Least, numbers);
    let cutoff = rounded(newest().subtract(number.multiply(span(config.every.0))));
    let oldest = integer(LOG_START, LOG_START).add(span(config.min_age.0));
    let select = [LOG_START, LOG_END, TIME_PRECISION]
        .into_iter()
        .fold(Select::from_stage(SNAPSHOT_NUMBERS), |select, one_row| {
            select.join_stage(JoinKind::Cross, one_row, Expression::boolean(true))
        });
    let select = Select { distinct: true, ..select }
        .column("cutoff", cutoff.clone())
        .filter(cutoff.greater_equal(oldest));
    let comment = format!(
        "The cutoffs: every {} before the last one whose horizon is complete; with dates alone, at 00:00.",
        config.every
    );
    stage(SNAPSHOTS, &comment, select)
}

/// Selects accounts with their outcomes.
fn accounts() -> Select {
    Select::from_stage(ACCOUNT_OUTCOMES)
        .column("account_id", Expression::column(ACCOUNT_OUTCOMES, "account_id", Type::Text))
        .column("converted", integer(ACCOUNT_OUTCOMES, "converted"))
        .column("churned", integer(ACCOUNT_OUTCOMES, "churned"))
}

/// Returns the stage with the accounts that have a suitable age at each snapshot.
fn accounts_at_snapshots(config: &ObservationConfig) -> Stage {
    let cutoff = || integer(SNAPSHOTS, "cutoff");
    let at_age = |age| integer(ACCOUNT_OUTCOMES, "signed_up").add(span(age));
    let has_age = cutoff()
        .greater_equal(at_age(config.min_age.0))
        .and(cutoff().less_equal(at_age(config.max_age.0)));
    let select =
        accounts().join_stage(JoinKind::Inner, SNAPSHOTS, has_age).column("cutoff", cutoff());
    let comment = format!(
        "The accounts at each cutoff from an age of {} to an age of {}.",
        config.min_age, config.max_age
    );
    stage(ACCOUNT_CUTOFFS, &comment, select)
}

/// Returns the stage with each account at the age of observation.
fn accounts_at_age(config: &ObservationConfig) -> Stage {
    let cutoff = landmark(ACCOUNT_OUTCOMES, TIME_PRECISION, config.age.0);
    let select = accounts()
        .join_stage(JoinKind::Cross, TIME_PRECISION, Expression::boolean(true))
        .column("cutoff", cutoff);
    let comment = format!(
        "Each account has one cutoff, at an age of {}; with dates alone, at 00:00.",
        config.age
    );
    stage(ACCOUNT_CUTOFFS, &comment, select)
}

/// Returns the stage with the accounts that are open after each cutoff, and their outcomes.
fn labeled(config: &ObservationConfig) -> Stage {
    let column = |name: &str| integer(ACCOUNT_CUTOFFS, name);
    let start = || match config.gap.0 {
        0 => column("cutoff"),
        gap => column("cutoff").add(span(gap)),
    };
    let end = || column("cutoff").add(span(config.gap.0 + config.horizon.0));
    let open = |name| column(name).is_null().or(column(name).greater_equal(start()));
    let branches = vec![
        (end().greater(log_end()), Expression::null(Type::Integer)),
        (column("converted").less(end()), Expression::integer(1)),
    ];
    let mut select = Select::from_stage(ACCOUNT_CUTOFFS)
        .join_stage(JoinKind::Cross, LOG_END, Expression::boolean(true))
        .column("account_id", Expression::column(ACCOUNT_CUTOFFS, "account_id", Type::Text))
        .column("cutoff", column("cutoff"))
        .column("converted", Expression::case(branches, Expression::integer(0)))
        .filter(open("converted"))
        .filter(open("churned"));
    if config.cutoffs == CutoffScheme::Age {
        // Snapshots are between both ends of the log.
        select = select
            .join_stage(JoinKind::Cross, LOG_START, Expression::boolean(true))
            .filter(column("cutoff").less_equal(log_end()))
            .filter(column("cutoff").greater_equal(integer(LOG_START, LOG_START)));
    }
    let gap = match config.gap.0 {
        0 => String::new(),
        _ => format!(" and a gap of {}", config.gap),
    };
    let comment = format!(
        "Observations: accounts that are still open. Converted is 1 if they convert within {} after the cutoff{gap}, and null if the log ends before.",
        config.horizon
    );
    stage(OBSERVATIONS, &comment, select)
}
