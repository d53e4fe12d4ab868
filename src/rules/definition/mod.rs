//! PQL definitions: when each first holds for an account.

mod account;
mod count;
mod held;
#[cfg(test)]
mod tests;

use account::Progress;
pub use count::{Counted, counts};
pub use held::{Kinds, Pql, held, pqls};

use crate::config::{Condition, DefinitionKind, DefinitionRule};
use crate::error::Result;
use crate::log::{Events, Log, Usage};
use crate::names::nearest;
use crate::warning::{DefinitionLack, Warning};

/// A definition in the codes of one log.
#[derive(Debug, Clone)]
pub struct Definition {
    /// What it is called.
    pub name: String,
    /// What kind of PQL it makes.
    pub kind: DefinitionKind,
    /// Time after sign-up in which it has to hold, µs.
    pub within: Option<i64>,
    /// What is counted, condition by condition.
    leaves: Vec<Leaf>,
    rule: Group,
}

/// A condition that counts.
#[derive(Debug, Clone, Copy)]
enum Leaf {
    /// Events of a name, by code.
    Events { event: u16, at_least: u64 },
    /// Sum of a property, by place, over events of a name.
    Sum { event: u16, property: usize, at_least: f64 },
    /// Distinct users.
    Users(u64),
    /// Distinct event names.
    Features(u64),
    /// Distinct days, UTC, from the sign-up on.
    ActiveDays(u64),
    /// What the log has no name for.
    Never,
}

/// Conditions that must hold together, or of which one must.
#[derive(Debug, Clone)]
struct Group {
    all: bool,
    of: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Leaf(usize),
    Group(Group),
}

/// A name in a definition that the log does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Place of the definition among all, from 0.
    pub definition: usize,
    /// The definition's name.
    pub name: String,
    /// What the log lacks.
    pub lack: DefinitionLack,
}

impl From<Unknown> for Warning {
    fn from(unknown: Unknown) -> Self {
        Self::UnknownInDefinition { definition: unknown.name, lack: unknown.lack }
    }
}

impl Definition {
    /// Put definitions into the codes of a log.
    ///
    /// # Errors
    /// The first event name or property that the log does not have, or what else it cannot have.
    pub fn compile(
        rules: &[DefinitionRule],
        usage: &Usage,
    ) -> std::result::Result<Vec<Self>, Unknown> {
        let (definitions, unknown) = Self::compile_known(rules, usage);
        unknown.into_iter().next().map_or(Ok(definitions), Err)
    }

    /// Put definitions into the codes of a log that may be too short to have every name: a
    /// condition on one it does not have holds never. Answers all these names, too.
    #[must_use]
    pub fn compile_known(rules: &[DefinitionRule], usage: &Usage) -> (Vec<Self>, Vec<Unknown>) {
        let mut unknown = Vec::new();
        let mut of = |(at, rule): (usize, &DefinitionRule)| {
            let mut names = Compiling { usage, leaves: Vec::new(), lacks: Vec::new() };
            let all = !rule.all.is_empty();
            let group = names.group(all, if all { &rule.all } else { &rule.any });
            unknown.extend(names.lacks.into_iter().map(|lack| Unknown {
                definition: at,
                name: rule.name.clone(),
                lack,
            }));
            Self {
                name: rule.name.clone(),
                kind: rule.kind,
                within: rule.within.map(|d| d.0),
                leaves: names.leaves,
                rule: group,
            }
        };
        let definitions = rules.iter().enumerate().map(&mut of).collect();
        (definitions, unknown)
    }

    /// When it first holds for an account: the time at which the event that completes it was known,
    /// not before the sign-up.
    ///
    /// An event counts from when it is known, one before the sign-up from the sign-up on. With
    /// `within` it must hold before that time after the sign-up is over.
    /// # Arguments
    /// * `account` – code of an account of this part of the log
    /// * `signed_up` – its sign-up, µs UTC
    #[must_use]
    pub fn holds_at(&self, events: &Events, account: usize, signed_up: i64) -> Option<i64> {
        let end = self.within.map_or(i64::MAX, |within| signed_up.saturating_add(within));
        let mut order: Vec<(i64, usize)> =
            events.of(account).map(|at| (events.seen_at(at).max(signed_up), at)).collect();
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let mut progress = Progress::of(&self.leaves, signed_up);
        order
            .into_iter()
            .take_while(|(seen, _)| *seen < end)
            .find(|(_, at)| {
                let changed = progress.meet(events, *at);
                changed && self.rule.holds(&progress.held)
            })
            .map(|(seen, _)| seen)
    }
}

/// When each definition first holds, by definition, then account; `None` where it never does.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn times(definitions: &[Definition], log: &Log) -> Result<Vec<Vec<Option<i64>>>> {
    let parts = log.events.map(|events| {
        let of = |definition: &Definition| {
            let at =
                |account| definition.holds_at(events, account, log.accounts.signed_up[account]);
            events.accounts.clone().map(at).collect::<Vec<_>>()
        };
        definitions.iter().map(of).collect::<Vec<_>>()
    })?;
    let mut times = vec![Vec::with_capacity(log.accounts.id.len()); definitions.len()];
    for part in parts {
        times.iter_mut().zip(part).for_each(|(all, of)| all.extend(of));
    }
    Ok(times)
}

impl Group {
    fn holds(&self, held: &[bool]) -> bool {
        let holds = |node: &Node| match node {
            Node::Leaf(at) => held[*at],
            Node::Group(group) => group.holds(held),
        };
        if self.all { self.of.iter().all(holds) } else { self.of.iter().any(holds) }
    }
}

/// A definition on its way into the codes of a log.
struct Compiling<'a> {
    usage: &'a Usage,
    leaves: Vec<Leaf>,
    lacks: Vec<DefinitionLack>,
}

impl Compiling<'_> {
    fn group(&mut self, all: bool, conditions: &[Condition]) -> Group {
        let node = |condition: &Condition| {
            if condition.all.is_empty() && condition.any.is_empty() {
                let leaf = self.leaf(condition).unwrap_or_else(|lack| {
                    self.lacks.push(lack);
                    Leaf::Never
                });
                self.leaves.push(leaf);
                Node::Leaf(self.leaves.len() - 1)
            } else {
                let all = !condition.all.is_empty();
                Node::Group(self.group(all, if all { &condition.all } else { &condition.any }))
            }
        };
        Group { all, of: conditions.iter().map(node).collect() }
    }

    fn leaf(&self, condition: &Condition) -> std::result::Result<Leaf, DefinitionLack> {
        let usage = self.usage;
        let counts = [
            condition.users.map(Leaf::Users),
            condition.features.map(Leaf::Features),
            condition.active_days.map(Leaf::ActiveDays),
        ];
        if let Some(asked) = condition.features.filter(|asked| *asked > usage.names.len() as u64) {
            return Err(DefinitionLack::EventNames { asked, known: usage.names.len() });
        }
        if condition.users.is_some() && !usage.has_users() {
            return Err(DefinitionLack::Users);
        }
        if let Some(leaf) = counts.into_iter().flatten().next() {
            return Ok(leaf);
        }
        let name = condition.event.as_deref().unwrap_or_default();
        let lack = || DefinitionLack::Event {
            event: name.to_owned(),
            near: nearest(name, usage.names.iter()),
        };
        let event =
            usage.names.code(name).and_then(|code| u16::try_from(code).ok()).ok_or_else(lack)?;
        let Some(sum) = &condition.sum else {
            return Ok(Leaf::Events { event, at_least: whole(condition.at_least.unwrap_or(1.0)) });
        };
        let lack = || DefinitionLack::Property {
            property: sum.clone(),
            near: nearest(sum, usage.values.iter().map(String::as_str)),
        };
        let property = usage.values.iter().position(|value| value == sum).ok_or_else(lack)?;
        Ok(Leaf::Sum { event, property, at_least: condition.at_least.unwrap_or(1.0) })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and above 0; beyond 2⁶⁴ it saturates"
)]
fn whole(count: f64) -> u64 {
    count as u64
}
