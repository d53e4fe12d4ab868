//! Features as stages of a statement: the meaning of [`compute`](super::compute) in SQL.
//!
//! The events are joined to their observations once. The recent ones give the sessions, and all of
//! them daily counts per account, user and event type. Totals read only these counts, which are much
//! smaller.

mod daily;
mod totals;
mod values;

use std::collections::BTreeSet;

use values::{lifetime_feature, window_feature};

use super::catalog::FeatureCatalog;
use crate::log::ValueKind;
use crate::query::stages::{ACCOUNT_LIST, FEATURES, OBSERVATIONS};
use crate::query::{Aggregate, Expression, JoinKind, Rows, Select, Stage, Type};

const SESSIONS: &str = "session_totals";
const DAILY_COUNTS: &str = "daily_counts";
const USAGE: &str = "usage_totals";
const USERS: &str = "user_totals";
const DAYS: &str = "day_totals";

/// Builds the stages of a catalog.
struct FeatureQuery<'a> {
    catalog: &'a FeatureCatalog,
    /// Kinds of the attributes.
    attributes: &'a [(String, ValueKind)],
    /// The key of an observation.
    keys: &'static [(&'static str, Type)],
}

/// How many observations an account may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObservationsPerAccount {
    /// One: the account alone is their key.
    One,
    /// Several, with different cutoffs.
    Several,
}

/// Returns the stages up to [`FEATURES`], which has the columns `account_id` and `cutoff` and the
/// features of a catalog.
///
/// They read [`CLEAN_EVENTS`](crate::query::stages::CLEAN_EVENTS), [`OBSERVATIONS`] and
/// [`ACCOUNT_LIST`].
///
/// # Arguments
/// * `attributes` – attributes of the catalog and their kinds
pub(crate) fn feature_stages(
    catalog: &FeatureCatalog,
    attributes: &[(String, ValueKind)],
    observations: ObservationsPerAccount,
) -> Vec<Stage> {
    const KEYS: [(&str, Type); 2] = [("account_id", Type::Text), ("cutoff", Type::Integer)];
    let keys = match observations {
        ObservationsPerAccount::One => &KEYS[..1],
        ObservationsPerAccount::Several => &KEYS,
    };
    let query = FeatureQuery { catalog, attributes, keys };
    let mut stages = query.event_stages();
    stages.extend(query.event_totals());
    stages.extend(query.user_totals());
    stages.extend(query.day_totals());
    stages.push(query.features());
    stages
}

/// Returns a column of a stage.
fn column(stage: &str, name: &str, kind: Type) -> Expression {
    Expression::column(stage, name, kind)
}

/// Returns an integer column of a stage.
fn integer(stage: &str, name: &str) -> Expression {
    column(stage, name, Type::Integer)
}

fn stage(name: &str, comment: &str, select: Select) -> Stage {
    Stage { name: name.to_owned(), comment: comment.to_owned(), rows: Rows::Select(select) }
}

/// Adds up a column of a group.
fn sum(value: Expression) -> Expression {
    Expression::aggregate(Aggregate::Sum, value)
}

impl FeatureQuery<'_> {
    /// Returns the key of the observations of a stage.
    fn keys(&self, stage: &str) -> Vec<Expression> {
        self.keys.iter().map(|(name, kind)| column(stage, name, *kind)).collect()
    }

    /// Selects the key of the observations of a stage.
    fn keyed(&self, stage: &str) -> Select {
        self.keys.iter().fold(Select::from_stage(stage), |select, (name, kind)| {
            select.column(name, column(stage, name, *kind))
        })
    }

    /// Groups a stage by observation.
    fn grouped(&self, stage: &str) -> Select {
        Select { group_by: self.keys(stage), ..self.keyed(stage) }
    }

    /// Returns the condition that two stages belong to one observation.
    fn same_observation(&self, a: &str, b: &str) -> Expression {
        Expression::all(self.keys(a).into_iter().zip(self.keys(b)).map(|(a, b)| a.equal(b)))
    }

    /// Returns the windows in days, longest first, as the features are.
    fn windows(&self) -> Vec<i64> {
        self.catalog.windows.iter().rev().map(|window| i64::from(*window)).collect()
    }

    fn longest_window(&self) -> i64 {
        i64::from(self.catalog.longest_window())
    }

    /// Returns the starts of the windows and of those before them, in days before the cutoff.
    fn edges(&self) -> BTreeSet<i64> {
        self.windows().into_iter().flat_map(|window| [window, 2 * window]).collect()
    }

    /// Returns the names of the sums of properties in daily counts, with those of their values.
    fn sums(&self) -> Vec<(String, String)> {
        let properties = self.catalog.summed_properties.iter();
        properties.map(|name| (format!("sum_{name}"), format!("value_{name}"))).collect()
    }

    /// Returns the stage with the features.
    fn features(&self) -> Stage {
        let account = |stage| column(stage, "account_id", Type::Text);
        let mut select = Select::from_stage(OBSERVATIONS)
            .join_stage(
                JoinKind::Inner,
                ACCOUNT_LIST,
                account(OBSERVATIONS).equal(account(ACCOUNT_LIST)),
            )
            .column("account_id", account(OBSERVATIONS))
            .column("cutoff", integer(OBSERVATIONS, "cutoff"));
        for totals in [USAGE, USERS, DAYS, SESSIONS] {
            let is_same = self.same_observation(OBSERVATIONS, totals);
            select = select.join_stage(JoinKind::Left, totals, is_same);
        }
        for (name, kind) in self.attributes {
            let kind = if *kind == ValueKind::Number { Type::Double } else { Type::Text };
            let value = column(ACCOUNT_LIST, &format!("attribute_{name}"), kind);
            select = select.column(name, value);
        }
        for feature in self.catalog.features().split_off(self.attributes.len()) {
            let value = match feature.window {
                Some(window) => window_feature(&feature.measure, i64::from(window)),
                None => lifetime_feature(&feature.measure),
            };
            select = select.column(&feature.name, value);
        }
        stage(FEATURES, "The features of each observation.", select)
    }
}
