//! Accounts that match definitions, at the end of a log and at cutoffs.

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
    /// Time of the first match, µs UTC.
    pub first_match: i64,
}

/// Returns the definitions that each account matches by the end of the log; `None`: no definition.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn pqls(definitions: &[Definition], log: &Log, accounts: &[u32]) -> Result<Vec<Option<Pql>>> {
    let times = first_matches(definitions, log)?;
    let row = |account: &u32| {
        let matched = |(definition, times): (&Definition, &Vec<Option<i64>>)| {
            times[*account as usize].map(|time| (definition.kind, time))
        };
        let mut pql: Option<Pql> = None;
        for (kind, time) in definitions.iter().zip(&times).filter_map(matched) {
            let pql =
                pql.get_or_insert(Pql { kinds: DefinitionKinds::default(), first_match: time });
            pql.kinds.add(kind);
            pql.first_match = pql.first_match.min(time);
        }
        pql
    };
    Ok(accounts.iter().map(row).collect())
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
