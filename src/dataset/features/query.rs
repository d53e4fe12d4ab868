//! Features as stages of a statement: the meaning of [`compute`](super::compute) in SQL.
//!
//! The events are joined to their observations once. From then on, only daily counts per account,
//! user and event type are read, which are much smaller.

mod daily;
mod totals;
mod values;

use values::{lifetime_feature, window_feature};

use super::catalog::FeatureCatalog;
use crate::log::ValueKind;
use crate::query::stages::{ACCOUNT_LIST, FEATURES, OBSERVATIONS};
use crate::query::{Aggregate, Expression, JoinKind, Rows, Select, Stage, Type};

const DAILY_COUNTS: &str = "daily_counts";
const USAGE: &str = "usage_totals";
const USERS: &str = "user_totals";
const DAYS: &str = "day_totals";

/// Builds the stages of a catalog.
struct FeatureQuery<'a> {
    catalog: &'a FeatureCatalog,
    /// Kinds of the attributes.
    attributes: &'a [(String, ValueKind)],
}

/// Returns the stages up to [`FEATURES`], which has the columns `account_id` and `cutoff` and the
/// features of a catalog.
///
/// They read [`CLEAN_EVENTS`](crate::query::stages::CLEAN_EVENTS), [`OBSERVATIONS`] and
/// [`ACCOUNT_LIST`]. An account may have several observations.
///
/// # Arguments
/// * `attributes` – attributes of the catalog and their kinds
pub(crate) fn feature_stages(
    catalog: &FeatureCatalog,
    attributes: &[(String, ValueKind)],
) -> Vec<Stage> {
    let query = FeatureQuery { catalog, attributes };
    let mut stages = query.daily_counts();
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

/// Selects the account and the cutoff of a stage.
fn keyed(stage: &str) -> Select {
    Select::from_stage(stage)
        .column("account_id", column(stage, "account_id", Type::Text))
        .column("cutoff", integer(stage, "cutoff"))
}

/// Groups a stage by account and cutoff.
fn grouped(stage: &str) -> Select {
    Select::from_stage(stage)
        .key("account_id", column(stage, "account_id", Type::Text))
        .key("cutoff", integer(stage, "cutoff"))
}

fn stage(name: &str, comment: &str, select: Select) -> Stage {
    Stage { name: name.to_owned(), comment: comment.to_owned(), rows: Rows::Select(select) }
}

/// Returns the condition that a stage belongs to the observation of another one.
fn same_row(a: &str, b: &str) -> Expression {
    let account = |stage| column(stage, "account_id", Type::Text);
    account(a).equal(account(b)).and(integer(a, "cutoff").equal(integer(b, "cutoff")))
}

/// Adds up a column of a group.
fn sum(value: Expression) -> Expression {
    Expression::aggregate(Aggregate::Sum, value)
}

impl FeatureQuery<'_> {
    /// Returns the names of the sums of properties in daily counts, with those of their values.
    fn sums(&self) -> Vec<(String, String)> {
        let properties = self.catalog.summed_properties.iter();
        properties.map(|name| (format!("sum_{name}"), format!("value_{name}"))).collect()
    }

    /// Returns the stage with the features.
    fn features(&self) -> Stage {
        let account = |stage| column(stage, "account_id", Type::Text);
        let mut select = keyed(OBSERVATIONS).join_stage(
            JoinKind::Inner,
            ACCOUNT_LIST,
            account(OBSERVATIONS).equal(account(ACCOUNT_LIST)),
        );
        for totals in [USAGE, USERS, DAYS] {
            select = select.join_stage(JoinKind::Left, totals, same_row(OBSERVATIONS, totals));
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
