//! The columns of `pql score`, from scored rows.

use super::probability::double_column;
use super::{Added, ScoreQuery};
use crate::config::{Config, QualifyBy};
use crate::model::explain::query::ReasonColumns;
use crate::model::score::qualified::QUALIFIED_BY;
use crate::model::score::{REASON_COLUMNS, TIERS};
use crate::query::{Expression, Function, JoinKind, Order, Select, Type};

/// Columns of the parts of each reason.
const PART_COLUMNS: [[&str; 4]; 4] = [
    ["reason_1_measure", "reason_1_value", "reason_1_typical", "reason_1_contribution"],
    ["reason_2_measure", "reason_2_value", "reason_2_typical", "reason_2_contribution"],
    ["reason_3_measure", "reason_3_value", "reason_3_typical", "reason_3_contribution"],
    ["concern_1_measure", "concern_1_value", "concern_1_typical", "concern_1_contribution"],
];

/// The columns of a score table.
pub(super) struct OutputColumns<'a> {
    pub(super) query: &'a ScoreQuery<'a>,
    /// Configuration of the training.
    pub(super) config: Config,
    pub(super) added: &'a Added,
    /// The last stage.
    pub(super) from: &'a str,
    /// The reasons and the concern; `None` if no feature has an effect.
    pub(super) reasons: Option<[ReasonColumns; 4]>,
}

/// Converts µs to a time.
fn time(micros: Expression) -> Expression {
    Expression::call(Function::FromMicros, vec![micros])
}

impl OutputColumns<'_> {
    fn account(&self) -> Expression {
        Expression::column(self.from, "account_id", Type::Text)
    }

    fn cutoff(&self) -> Expression {
        Expression::column(self.from, "cutoff", Type::Integer)
    }

    fn number(&self, name: &str) -> Expression {
        double_column(self.from, name)
    }

    /// Selects the columns of `pql score`, then those that only a query has.
    pub(super) fn select(&self) -> Select {
        let probability = self.number(&self.added.probability);
        let percentile = self.number(&self.added.percentile);
        let mut columns = vec![
            ("account_id", self.account()),
            ("cutoff", time(self.cutoff())),
            ("probability", probability.clone()),
        ];
        columns.extend(self.interval());
        let [qualified, cause] = self.qualification(&probability);
        columns.extend([
            ("percentile", percentile.clone()),
            ("tier", tier(&percentile)),
            ("qualified", qualified),
            ("qualified_by", cause),
        ]);
        let [types, matched_at, definitions] = self.matches();
        let horizon_end = self.query.horizon.map_or(Expression::null(Type::Timestamp), |horizon| {
            time(self.cutoff().add(Expression::integer(horizon)))
        });
        columns.extend([types, matched_at, ("holdout", self.holdout())]);
        columns.extend(self.reason_texts());
        columns.extend([
            definitions,
            ("horizon_end", horizon_end),
            ("model", Expression::text(self.query.label)),
        ]);
        let select = columns
            .into_iter()
            .chain(self.reason_parts())
            .fold(Select::from_stage(self.from), |select, (name, value)| {
                select.column(name, value)
            });
        match self.query.definitions {
            Some(stage) => {
                let is_same = stage.output("account_id").equal(self.account());
                select.join_stage(JoinKind::Left, &stage.name, is_same)
            }
            None => select,
        }
    }

    /// Returns the ends of the interval; null without a covariance.
    fn interval(&self) -> Vec<(&'static str, Expression)> {
        let end = |name: &str| {
            let has_interval = !self.added.uncertainty.is_empty();
            if has_interval { self.number(name) } else { Expression::null(Type::Double) }
        };
        let ends = [
            ("probability_low", end(&self.added.low)),
            ("probability_high", end(&self.added.high)),
        ];
        ends.into_iter().filter(|_| self.query.with_interval).collect()
    }

    /// Returns the definitions that an account matches: types, time and names.
    fn matches(&self) -> [(&'static str, Expression); 3] {
        let stage = self.query.definitions;
        let text = |name| stage.map_or(Expression::null(Type::Text), |stage| stage.output(name));
        let matched_at =
            stage.map_or(Expression::null(Type::Timestamp), |stage| time(stage.output("pql_at")));
        [
            ("pql_types", text("pql_types")),
            ("pql_at", matched_at),
            ("pql_definitions", text("pql_definitions")),
        ]
    }

    fn reason_texts(&self) -> impl Iterator<Item = (&'static str, Expression)> {
        REASON_COLUMNS.into_iter().enumerate().map(|(index, name)| {
            let text = self.reasons.as_ref().map(|reasons| reasons[index].text.clone());
            (name, text.unwrap_or(Expression::null(Type::Text)))
        })
    }

    /// Returns the parts of the reasons: measure, value, typical value and contribution.
    fn reason_parts(&self) -> impl Iterator<Item = (&'static str, Expression)> {
        let parts = |(index, names): (usize, [&'static str; 4])| {
            let none = Expression::null;
            let values = match &self.reasons {
                Some(reasons) => {
                    let ReasonColumns { measure, value, typical, contribution, .. } =
                        reasons[index].clone();
                    [measure, value, typical, contribution]
                }
                None => [none(Type::Text), none(Type::Text), none(Type::Text), none(Type::Double)],
            };
            names.into_iter().zip(values)
        };
        PART_COLUMNS.into_iter().enumerate().flat_map(parts)
    }

    /// Returns whether a row qualifies, and by what.
    fn qualification(&self, probability: &Expression) -> [Expression; 2] {
        let threshold = Expression::double(self.query.model.threshold);
        let reached = probability.clone().greater_equal(threshold);
        let matched = self
            .query
            .definitions
            .map_or(Expression::boolean(false), |stage| stage.output("account_id").is_not_null());
        let [model, definition, both] = QUALIFIED_BY.map(Expression::text);
        let none = || Expression::null(Type::Text);
        let has_definitions = self.query.definitions.is_some();
        match self.query.qualify_by {
            QualifyBy::Model => [reached.clone(), Expression::case(vec![(reached, model)], none())],
            QualifyBy::Definition => {
                [matched.clone(), Expression::case(vec![(matched, definition)], none())]
            }
            QualifyBy::Either if !has_definitions => {
                [reached.clone(), Expression::case(vec![(reached, model)], none())]
            }
            QualifyBy::Either => [
                reached.clone().or(matched.clone()),
                Expression::case(
                    vec![
                        (reached.clone().and(matched.clone()), both),
                        (reached, model),
                        (matched, definition),
                    ],
                    none(),
                ),
            ],
            QualifyBy::Both => {
                let qualified = reached.and(matched);
                [qualified.clone(), Expression::case(vec![(qualified, both)], none())]
            }
        }
    }

    /// Returns whether an account is left alone: by the stable hash of its id.
    fn holdout(&self) -> Expression {
        /// Values of the first 13 hexadecimal digits.
        const RANGE: f64 = 4_503_599_627_370_496.0;
        let (share, seed) = (self.config.qualify.holdout, self.config.model.seed);
        if share == 0.0 {
            return Expression::boolean(false);
        }
        let purpose = Expression::text(&format!("holdout/{seed}/"));
        let key = Expression::call(Function::Concat, vec![purpose, self.account()]);
        let hash = Expression::call(Function::HashPrefix, vec![key]).cast(Type::Double);
        hash.divide(Expression::double(RANGE)).less(Expression::double(share))
    }

    /// Returns the order of the rows: highest probability first, of equal ones by account, then
    /// cutoff.
    pub(super) fn order(&self) -> Vec<Order> {
        vec![
            self.number(&self.added.probability).descending(),
            self.account().ascending(),
            self.cutoff().ascending(),
        ]
    }
}

/// Returns the tier of a percentile.
fn tier(percentile: &Expression) -> Expression {
    let [a, b, c, d] = TIERS.map(Expression::text);
    let from = |limit: f64| percentile.clone().greater_equal(Expression::double(limit));
    Expression::case(vec![(from(95.0), a), (from(80.0), b), (from(50.0), c)], d)
}
