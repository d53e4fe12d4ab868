//! Accounts that match definitions, at the end of a log and at cutoffs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Definition, first_matches};
use crate::config::DefinitionKind;
use crate::dataset::observations::Observations;
use crate::error::Result;
use crate::log::Log;

/// Set of definition types, one bit each, in the order of [`DefinitionKind::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DefinitionKinds(u8);

impl DefinitionKinds {
    /// Number of possible sets, including the empty set.
    pub const COUNT: usize = 1 << DefinitionKind::ALL.len();

    /// Returns the index of the set.
    #[must_use]
    pub fn code(self) -> u32 {
        u32::from(self.0)
    }

    /// Returns the labels of all sets in the order of their codes, such as `criteria;limit`.
    #[must_use]
    pub fn labels() -> Vec<String> {
        let label = |code: usize| {
            let kinds =
                DefinitionKind::ALL.iter().enumerate().filter(|(bit, _)| code >> bit & 1 == 1);
            kinds.map(|(_, kind)| kind.name()).collect::<Vec<_>>().join(";")
        };
        (0..Self::COUNT).map(label).collect()
    }

    fn add(&mut self, kind: DefinitionKind) {
        self.0 |=
            1 << DefinitionKind::ALL.iter().position(|k| *k == kind).expect("all kinds are listed");
    }
}

/// A product-qualified lead at the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pql {
    /// Types of the matched definitions.
    pub kinds: DefinitionKinds,
    /// Index of the names of the matched definitions in the list of [`pqls`].
    pub names: u32,
    /// Time of the first match, µs UTC.
    pub first_match: i64,
}

/// Names of each set of definitions that occurs, joined by `;`.
pub type SetNames = Vec<Arc<str>>;

/// Returns the definitions that each account matches by the end of the log (`None`: no definition),
/// and the names of each set of definitions that occurs, joined by `;`.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn pqls(
    definitions: &[Definition],
    log: &Log,
    accounts: &[u32],
) -> Result<(Vec<Option<Pql>>, SetNames)> {
    let times = first_matches(definitions, log)?;
    let mut sets: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
    let mut names = SetNames::new();
    let name = |index: &usize| written_name(&definitions[*index].name);
    let mut row = |account: &u32| {
        let time = |index: usize| times[index][*account as usize];
        let matched: Vec<usize> =
            (0..definitions.len()).filter(|index| time(*index).is_some()).collect();
        let first_match = matched.iter().filter_map(|index| time(*index)).min()?;
        let mut kinds = DefinitionKinds::default();
        matched.iter().for_each(|index| kinds.add(definitions[*index].kind));
        let next = u32::try_from(names.len()).expect("there are fewer sets than accounts");
        let set = *sets.entry(matched).or_insert_with_key(|matched| {
            names.push(matched.iter().map(name).collect::<Vec<_>>().join(";").into());
            next
        });
        Some(Pql { kinds, names: set, first_match })
    };
    Ok((accounts.iter().map(&mut row).collect(), names))
}

/// Returns the name of a definition in a list of names, where a `;` would look like two names.
pub(super) fn written_name(name: &str) -> String {
    name.replace(';', ",")
}

/// Returns, for each definition, whether each observation matches it before its cutoff.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn matches_before_cutoff(
    definitions: &[Definition],
    log: &Log,
    observations: &Observations,
) -> Result<Vec<Vec<bool>>> {
    let matches = |times: &Vec<Option<i64>>| {
        let rows = observations.account.iter().zip(&observations.cutoff);
        rows.map(|(account, cutoff)| times[*account as usize].is_some_and(|time| time < *cutoff))
            .collect()
    };
    Ok(first_matches(definitions, log)?.iter().map(matches).collect())
}
