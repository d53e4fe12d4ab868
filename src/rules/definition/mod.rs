//! PQL definitions and the time when an account first matches each of them.

mod account;
mod matches;
pub(crate) mod query;
mod summary;
#[cfg(test)]
pub(crate) mod tests;

use account::ConditionCounters;
use matches::written_name;
pub use matches::{DefinitionKinds, Pql, SetNames, matches_before_cutoff, pqls};
pub use summary::{DefinitionSummary, summarize_definitions};

use crate::config::{Condition, DefinitionConfig, DefinitionKind};
use crate::error::Result;
use crate::log::{EventStore, Events, Log};
use crate::names::nearest;
use crate::warning::{MissingInput, Warning};

/// A definition, compiled to the codes of one log.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Name of the definition.
    pub name: String,
    /// Type of the definition.
    pub kind: DefinitionKind,
    /// Time limit after sign-up, µs.
    pub within: Option<i64>,
    /// The counted conditions, referenced by `root`.
    conditions: Vec<CountCondition>,
    root: ConditionGroup,
}

/// A counted condition.
#[derive(Debug, Clone, Copy)]
enum CountCondition {
    /// Number of events of a name (code).
    Events { event: u16, at_least: u64 },
    /// Sum of a property (index) over the events of a name (code).
    Sum { event: u16, property: usize, at_least: f64 },
    /// Number of distinct users.
    Users(u64),
    /// Number of distinct event names.
    Features(u64),
    /// Number of distinct UTC days since sign-up.
    ActiveDays(u64),
    /// Condition on a name that is not in the log: never met.
    Never,
}

/// Conditions of which all (or any) must be met.
#[derive(Debug, Clone)]
struct ConditionGroup {
    all: bool,
    nodes: Vec<ConditionNode>,
}

#[derive(Debug, Clone)]
enum ConditionNode {
    Count(usize),
    Group(ConditionGroup),
}

/// A name in a definition that is not in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// Index of the definition, from 0.
    pub definition: usize,
    /// Name of the definition.
    pub name: String,
    /// What is missing in the log.
    pub missing: MissingInput,
}

impl From<UnknownName> for Warning {
    fn from(unknown: UnknownName) -> Self {
        Self::UnknownInDefinition { definition: unknown.name, missing: unknown.missing }
    }
}

impl Definition {
    /// Compiles definitions to the codes of a log.
    ///
    /// # Errors
    /// The first event name, property or count that the log cannot have.
    pub fn compile(
        rules: &[DefinitionConfig],
        usage: &EventStore,
    ) -> std::result::Result<Vec<Self>, UnknownName> {
        let (definitions, unknown) = Self::compile_lenient(rules, usage);
        unknown.into_iter().next().map_or(Ok(definitions), Err)
    }

    /// Compiles definitions to the codes of a log that may be too short to contain every name. A
    /// condition on a missing name is never met. Also returns the missing names.
    #[must_use]
    pub fn compile_lenient(
        rules: &[DefinitionConfig],
        usage: &EventStore,
    ) -> (Vec<Self>, Vec<UnknownName>) {
        let mut unknown = Vec::new();
        let mut compile = |(index, rule): (usize, &DefinitionConfig)| {
            let mut compiler = Compiler { usage, conditions: Vec::new(), missing: Vec::new() };
            let all = !rule.all.is_empty();
            let root = compiler.group(all, if all { &rule.all } else { &rule.any });
            unknown.extend(compiler.missing.into_iter().map(|missing| UnknownName {
                definition: index,
                name: rule.name.clone(),
                missing,
            }));
            Self {
                name: rule.name.clone(),
                kind: rule.kind,
                within: rule.within.map(|d| d.0),
                conditions: compiler.conditions,
                root,
            }
        };
        let definitions = rules.iter().enumerate().map(&mut compile).collect();
        (definitions, unknown)
    }

    /// Returns when an account first matches: the time when the completing event became known, but
    /// not before the sign-up.
    ///
    /// An event counts from the time it is known; events before the sign-up count from the sign-up.
    /// Events of the same time count together, whatever their order. With `within`, the match must
    /// occur before the limit.
    ///
    /// # Arguments
    /// * `account` – code of an account in this part of the log
    /// * `signed_up` – sign-up of the account, µs UTC
    #[must_use]
    pub fn first_match(&self, events: &Events, account: usize, signed_up: i64) -> Option<i64> {
        let end = self.within.map_or(i64::MAX, |within| signed_up.saturating_add(within));
        let mut order: Vec<(i64, usize)> = events
            .account_range(account)
            .map(|row| (events.known_at(row).max(signed_up), row))
            .collect();
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let mut progress = ConditionCounters::new(&self.conditions, signed_up);
        let mut completes = |moment: &&[(i64, usize)]| {
            let record = |changed, (_, row): &(i64, usize)| progress.record(events, *row) | changed;
            let changed = moment.iter().fold(false, record);
            changed && self.root.is_met(&progress.met)
        };
        order
            .chunk_by(|(one, _), (other, _)| one == other)
            .take_while(|moment| moment[0].0 < end)
            .find(&mut completes)
            .map(|moment| moment[0].0)
    }
}

/// Returns when each account first matches, by definition, then account; `None`: never.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn first_matches(definitions: &[Definition], log: &Log) -> Result<Vec<Vec<Option<i64>>>> {
    let parts = log.events.map(|events| {
        let by_account = |definition: &Definition| {
            let first_match =
                |account| definition.first_match(events, account, log.accounts.signed_up[account]);
            events.accounts.clone().map(first_match).collect::<Vec<_>>()
        };
        definitions.iter().map(by_account).collect::<Vec<_>>()
    })?;
    let mut times = vec![Vec::with_capacity(log.accounts.id.len()); definitions.len()];
    for part in parts {
        times.iter_mut().zip(part).for_each(|(all, part)| all.extend(part));
    }
    Ok(times)
}

impl ConditionGroup {
    fn is_met(&self, met: &[bool]) -> bool {
        let is_met = |node: &ConditionNode| match node {
            ConditionNode::Count(index) => met[*index],
            ConditionNode::Group(group) => group.is_met(met),
        };
        if self.all { self.nodes.iter().all(is_met) } else { self.nodes.iter().any(is_met) }
    }
}

/// Compiler of one definition.
struct Compiler<'a> {
    usage: &'a EventStore,
    conditions: Vec<CountCondition>,
    missing: Vec<MissingInput>,
}

impl Compiler<'_> {
    fn group(&mut self, all: bool, conditions: &[Condition]) -> ConditionGroup {
        let node = |condition: &Condition| {
            if condition.all.is_empty() && condition.any.is_empty() {
                let count = self.count(condition).unwrap_or_else(|missing| {
                    self.missing.push(missing);
                    CountCondition::Never
                });
                self.conditions.push(count);
                ConditionNode::Count(self.conditions.len() - 1)
            } else {
                let all = !condition.all.is_empty();
                ConditionNode::Group(
                    self.group(all, if all { &condition.all } else { &condition.any }),
                )
            }
        };
        ConditionGroup { all, nodes: conditions.iter().map(node).collect() }
    }

    fn count(&self, condition: &Condition) -> std::result::Result<CountCondition, MissingInput> {
        let usage = self.usage;
        let counts = [
            condition.users.map(CountCondition::Users),
            condition.features.map(CountCondition::Features),
            condition.active_days.map(CountCondition::ActiveDays),
        ];
        if let Some(required) =
            condition.features.filter(|required| *required > usage.names.len() as u64)
        {
            return Err(MissingInput::EventTypes { required, available: usage.names.len() });
        }
        if condition.users.is_some() && !usage.has_users() {
            return Err(MissingInput::Users);
        }
        if let Some(count) = counts.into_iter().flatten().next() {
            return Ok(count);
        }
        let name = condition.event.as_deref().unwrap_or_default();
        let missing = || MissingInput::Event {
            event: name.to_owned(),
            suggestion: nearest(name, usage.names.iter()),
        };
        let event =
            usage.names.code(name).and_then(|code| u16::try_from(code).ok()).ok_or_else(missing)?;
        let Some(sum) = &condition.sum else {
            return Ok(CountCondition::Events {
                event,
                at_least: to_whole(condition.at_least.unwrap_or(1.0)),
            });
        };
        let missing = || MissingInput::Property {
            property: sum.clone(),
            suggestion: nearest(sum, usage.values.iter().map(String::as_str)),
        };
        let property = usage.values.iter().position(|value| value == sum).ok_or_else(missing)?;
        let at_least = lowest_sum(condition.at_least.unwrap_or(1.0));
        Ok(CountCondition::Sum { event, property, at_least })
    }
}

/// Returns the lowest sum that meets a minimum. Sums of decimal numbers have rounding errors, which
/// depend on the order of addition: ten times 0.1 meets a minimum of 1.
fn lowest_sum(at_least: f64) -> f64 {
    /// Tolerated relative error.
    const TOLERANCE: f64 = 1e-9;
    at_least - at_least * TOLERANCE
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and above 0; beyond 2⁶⁴ it saturates"
)]
fn to_whole(count: f64) -> u64 {
    count as u64
}
