//! The first matches of definitions as stages of a statement, equal to
//! [`Definition::first_match`](super::Definition::first_match).

use crate::config::{Condition, DefinitionConfig, DefinitionKind};
use crate::log::canonical;
use crate::log::query::present;
use crate::query::stages::{ACCOUNT_LIST, CLEAN_EVENTS, DEFINITION_MATCHES};
use crate::query::{Aggregate, Expression, Function, JoinKind, Rows, Select, Stage, Type};
use crate::time::DAY;

/// Steps of accounts toward the conditions.
const STEPS: &str = "definition_steps";
/// Counts and sums of accounts over time.
const PROGRESS: &str = "definition_progress";
/// First match of each definition.
const TIMES: &str = "definition_times";

/// A count or sum that conditions compare with a minimum.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Measure {
    /// Events of a type.
    Events(String),
    /// Sum of a property over the events of a type.
    Sum { event: String, property: String },
    /// Distinct users.
    Users,
    /// Distinct event types.
    EventTypes,
    /// Distinct days.
    ActiveDays,
}

impl Measure {
    /// Returns the measure of a condition that is not a group.
    fn new(condition: &Condition) -> Self {
        let Some(event) = &condition.event else {
            return match (condition.users, condition.features) {
                (Some(_), _) => Self::Users,
                (None, Some(_)) => Self::EventTypes,
                (None, None) => Self::ActiveDays,
            };
        };
        let event = canonical(event).into_owned();
        match &condition.sum {
            Some(property) => Self::Sum { event, property: property.clone() },
            None => Self::Events(event),
        }
    }

    /// Returns the event type and property, if events of one type count.
    fn event(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Events(event) => Some((event, None)),
            Self::Sum { event, property } => Some((event, Some(property))),
            Self::Users | Self::EventTypes | Self::ActiveDays => None,
        }
    }

    /// Returns the type of its values.
    fn kind(&self) -> Type {
        if matches!(self, Self::Sum { .. }) { Type::Double } else { Type::Integer }
    }

    /// Returns nothing, as a step.
    fn zero(&self) -> Expression {
        match self.kind() {
            Type::Double => Expression::double(0.0),
            _ => Expression::integer(0),
        }
    }
}

/// The definitions and the distinct measures of their conditions.
struct DefinitionQuery<'a> {
    definitions: &'a [DefinitionConfig],
    /// Names of the columns of the measures, and the measures.
    measures: Vec<(String, Measure)>,
}

/// Returns the stages up to the one with the matching accounts,
/// [`DEFINITION_MATCHES`](crate::query::stages::DEFINITION_MATCHES): `account_id`, `pql_types`,
/// `pql_at` and `pql_definitions`.
///
/// # Arguments
/// * `definitions` – at least one definition
/// * `properties` – the properties that the events have; a condition on another one is never met
pub(crate) fn definition_stages(
    definitions: &[DefinitionConfig],
    properties: &[String],
) -> Vec<Stage> {
    let query = DefinitionQuery::new(definitions, properties);
    vec![query.steps(), query.progress(), query.times(), query.matches()]
}

fn events(name: &str, kind: Type) -> Expression {
    Expression::column(CLEAN_EVENTS, name, kind)
}

fn signed_up() -> Expression {
    Expression::column(ACCOUNT_LIST, "signed_up", Type::Integer)
}

/// Returns the later of a time of an event and the sign-up: earlier events count at the sign-up.
fn from_sign_up(time: &str) -> Expression {
    Expression::call(Function::Greatest, vec![events(time, Type::Integer), signed_up()])
}

/// Selects the events of accounts with their sign-ups.
fn events_of_accounts() -> Select {
    let account = Expression::column(ACCOUNT_LIST, "account_id", Type::Text);
    Select::from_stage(CLEAN_EVENTS).join_stage(
        JoinKind::Inner,
        ACCOUNT_LIST,
        events("account_id", Type::Text).equal(account),
    )
}

/// Returns the stage with a select, or the rows of several.
fn union(mut selects: Vec<Select>) -> Rows {
    if selects.len() == 1 { Rows::Select(selects.remove(0)) } else { Rows::Union(selects) }
}

impl<'a> DefinitionQuery<'a> {
    fn new(definitions: &'a [DefinitionConfig], properties: &[String]) -> Self {
        let mut found: Vec<Measure> = Vec::new();
        let mut conditions: Vec<&Condition> =
            definitions.iter().rev().flat_map(|d| d.all.iter().chain(&d.any).rev()).collect();
        while let Some(condition) = conditions.pop() {
            let group = condition.all.iter().chain(&condition.any);
            if group.clone().next().is_some() {
                conditions.extend(group.rev());
                continue;
            }
            let measure = Measure::new(condition);
            let is_known = match measure.event() {
                Some((_, Some(property))) => properties.iter().any(|known| known == property),
                _ => true,
            };
            if is_known && !found.contains(&measure) {
                found.push(measure);
            }
        }
        let name = |(index, measure): (usize, &Measure)| match measure {
            Measure::Events(_) => format!("events_{}", index + 1),
            Measure::Sum { .. } => format!("sum_{}", index + 1),
            Measure::Users => "users".to_owned(),
            Measure::EventTypes => "event_types".to_owned(),
            Measure::ActiveDays => "active_days".to_owned(),
        };
        let names: Vec<String> = found.iter().enumerate().map(name).collect();
        Self { definitions, measures: names.into_iter().zip(found).collect() }
    }

    /// Returns the stage with the increase of each measure by the time of the increase.
    ///
    /// The rows are events of the types that definitions name, the first event of each user, of
    /// each event type and of each day.
    fn steps(&self) -> Stage {
        let mut selects: Vec<Select> = Vec::new();
        selects.extend(self.event_steps());
        for (name, measure) in &self.measures {
            let day = || from_sign_up("time").divide_whole(Expression::integer(DAY));
            let (select, key) = match measure {
                Measure::Users => {
                    let user = || present(&events("user_id", Type::Text));
                    (events_of_accounts().filter(user().is_not_null()), user())
                }
                Measure::EventTypes => (events_of_accounts(), events("event", Type::Text)),
                Measure::ActiveDays => (events_of_accounts(), day()),
                Measure::Events(_) | Measure::Sum { .. } => continue,
            };
            let first = Expression::aggregate(Aggregate::Min, from_sign_up("known_at"));
            let mut select = select.key("account_id", events("account_id", Type::Text));
            select.group_by.push(key);
            select = select.column("moment", first);
            for (other, measure) in &self.measures {
                let step = if other == name { Expression::integer(1) } else { measure.zero() };
                select = select.column(other, step);
            }
            selects.push(select);
        }
        if selects.is_empty() {
            // No condition can be met: no steps.
            let none = events_of_accounts().filter(Expression::boolean(false));
            selects.push(
                none.column("account_id", events("account_id", Type::Text))
                    .column("moment", from_sign_up("known_at")),
            );
        }
        Stage {
            name: STEPS.to_owned(),
            comment: "Increases of the counts and sums in the PQL definitions: counted events, and the first event of each user, event type and day. An event counts from the time it is known, but not before the sign-up.".to_owned(),
            rows: union(selects),
        }
    }

    /// Selects the events of the types that definitions name, if they name any.
    fn event_steps(&self) -> Option<Select> {
        let mut names: Vec<&str> =
            self.measures.iter().filter_map(|(_, measure)| Some(measure.event()?.0)).collect();
        names.sort_unstable();
        names.dedup();
        let names: Vec<Expression> = names.into_iter().map(Expression::text).collect();
        if names.is_empty() {
            return None;
        }
        let mut select = events_of_accounts()
            .filter(events("event", Type::Text).is_in(names))
            .column("account_id", events("account_id", Type::Text))
            .column("moment", from_sign_up("known_at"));
        for (name, measure) in &self.measures {
            let step = measure.event().map_or_else(
                || measure.zero(),
                |(event, property)| {
                    let is_counted = events("event", Type::Text).equal(Expression::text(event));
                    let amount = property.map_or_else(
                        || Expression::integer(1),
                        |property| {
                            let value = events(&format!("value_{property}"), Type::Double);
                            Expression::call(Function::Coalesce, vec![value, measure.zero()])
                        },
                    );
                    Expression::case(vec![(is_counted, amount)], measure.zero())
                },
            );
            select = select.column(name, step);
        }
        Some(select)
    }

    /// Returns the stage with the value of each measure after each step. Steps of the same time
    /// count together.
    fn progress(&self) -> Stage {
        let step = |name: &str, kind| Expression::column(STEPS, name, kind);
        let mut select = Select::from_stage(STEPS)
            .column("account_id", step("account_id", Type::Text))
            .column("moment", step("moment", Type::Integer));
        for (name, measure) in &self.measures {
            let running = step(name, measure.kind()).running(
                Aggregate::Sum,
                vec![step("account_id", Type::Text)],
                vec![step("moment", Type::Integer).ascending()],
            );
            select = select.column(name, running);
        }
        Stage {
            name: PROGRESS.to_owned(),
            comment: "The counts and sums of each account after each increase.".to_owned(),
            rows: Rows::Select(select),
        }
    }

    /// Returns the stage with the first match of each definition, `matched_at_1` and so on.
    fn times(&self) -> Stage {
        let progress = |name: &str, kind| Expression::column(PROGRESS, name, kind);
        let account = || progress("account_id", Type::Text);
        let listed = Expression::column(ACCOUNT_LIST, "account_id", Type::Text);
        let mut select = Select::from_stage(PROGRESS)
            .join_stage(JoinKind::Inner, ACCOUNT_LIST, account().equal(listed))
            .key("account_id", account());
        for (number, definition) in self.definitions.iter().enumerate() {
            let all = !definition.all.is_empty();
            let group = if all { &definition.all } else { &definition.any };
            let mut is_met = self.group(all, group);
            if let Some(within) = definition.within {
                let limit = signed_up().add(Expression::integer(within.0));
                is_met = is_met.and(progress("moment", Type::Integer).less(limit));
            }
            let first = Expression::aggregate(Aggregate::Min, progress("moment", Type::Integer));
            select = select.column(&time_column(number), first.filter(is_met));
        }
        Stage {
            name: TIMES.to_owned(),
            comment: "The time at which each account first matches each PQL definition.".to_owned(),
            rows: Rows::Select(select),
        }
    }

    /// Returns whether all conditions of a group are met, or any.
    fn group(&self, all: bool, conditions: &[Condition]) -> Expression {
        let is_met = |condition: &Condition| {
            if !condition.all.is_empty() {
                return self.group(true, &condition.all);
            }
            if !condition.any.is_empty() {
                return self.group(false, &condition.any);
            }
            self.is_met(condition)
        };
        let join = if all { Expression::and } else { Expression::or };
        conditions.iter().map(is_met).reduce(join).expect("a group has conditions")
    }

    /// Returns whether a condition is met that is not a group.
    fn is_met(&self, condition: &Condition) -> Expression {
        let measure = Measure::new(condition);
        let Some((name, _)) = self.measures.iter().find(|(_, known)| *known == measure) else {
            return Expression::boolean(false);
        };
        let value = Expression::column(PROGRESS, name, measure.kind());
        if matches!(measure, Measure::Sum { .. }) {
            return value.greater_equal(Expression::double(lowest_sum(condition)));
        }
        let counts = [condition.users, condition.features, condition.active_days];
        let least = counts.into_iter().flatten().next();
        let least = least.unwrap_or_else(|| super::to_whole(condition.at_least.unwrap_or(1.0)));
        value.greater_equal(Expression::integer(i64::try_from(least).unwrap_or(i64::MAX)))
    }

    /// Returns the stage with the accounts that match, and what they match.
    fn matches(&self) -> Stage {
        let times: Vec<Expression> = (0..self.definitions.len())
            .map(|number| Expression::column(TIMES, &time_column(number), Type::Integer))
            .collect();
        let is_matched = |number: usize| times[number].clone().is_not_null();
        let all = 0..self.definitions.len();
        let names: Vec<(Expression, String)> = self
            .definitions
            .iter()
            .enumerate()
            .map(|(number, definition)| (is_matched(number), super::written_name(&definition.name)))
            .collect();
        let kinds = DefinitionKind::ALL.into_iter().filter_map(|kind| {
            let of_kind = all.clone().filter(|number| self.definitions[*number].kind == kind);
            let is_matched = of_kind.map(is_matched).reduce(Expression::or)?;
            Some((is_matched, kind.name().to_owned()))
        });
        let select = Select::from_stage(TIMES)
            .column("account_id", Expression::column(TIMES, "account_id", Type::Text))
            .column("pql_types", joined(&kinds.collect::<Vec<_>>()))
            .column("pql_at", earliest(&times))
            .column("pql_definitions", joined(&names))
            .filter(all.map(is_matched).reduce(Expression::or).expect("there are definitions"));
        Stage {
            name: DEFINITION_MATCHES.to_owned(),
            comment: "Accounts that match a PQL definition, since when, and which definitions and types they match.".to_owned(),
            rows: Rows::Select(select),
        }
    }
}

/// Returns the column with the first match of a definition.
fn time_column(number: usize) -> String {
    format!("matched_at_{}", number + 1)
}

/// Returns the smallest sum that meets a condition.
fn lowest_sum(condition: &Condition) -> f64 {
    super::lowest_sum(condition.at_least.unwrap_or(1.0))
}

/// Returns the earliest of times that may be null, at least one of which is not.
fn earliest(times: &[Expression]) -> Expression {
    if let [time] = times {
        return time.clone();
    }
    let never = || Expression::integer(i64::MAX);
    let or_never =
        |time: &Expression| Expression::call(Function::Coalesce, vec![time.clone(), never()]);
    Expression::call(Function::Least, times.iter().map(or_never).collect())
}

/// Joins the texts whose conditions are met by `;`.
fn joined(texts: &[(Expression, String)]) -> Expression {
    let mut earlier: Option<Expression> = None;
    let mut parts = Vec::new();
    for (is_met, text) in texts {
        let mut branches = Vec::new();
        if let Some(earlier) = &earlier {
            let both = is_met.clone().and(earlier.clone());
            branches.push((both, Expression::text(&format!(";{text}"))));
        }
        branches.push((is_met.clone(), Expression::text(text)));
        parts.push(Expression::case(branches, Expression::text("")));
        earlier = Some(match earlier {
            Some(earlier) => earlier.or(is_met.clone()),
            None => is_met.clone(),
        });
    }
    if parts.len() == 1 { parts.remove(0) } else { Expression::call(Function::Concat, parts) }
}
