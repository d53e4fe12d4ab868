//! What definitions say of accounts.

use super::{Definition, times};
use crate::config::DefinitionKind;
use crate::dataset::observations::Observations;
use crate::error::Result;
use crate::log::Log;

/// Kinds of the definitions that hold for an account, a bit each, in the order of
/// [`DefinitionKind::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// How many sets of kinds there are, the empty one too.
    pub const COUNT: usize = 1 << DefinitionKind::ALL.len();

    /// The place of a set among all.
    #[must_use]
    pub fn code(self) -> u32 {
        u32::from(self.0)
    }

    /// All sets of kinds in the order of their codes, in words: `criteria;limit`.
    #[must_use]
    pub fn all_in_words() -> Vec<String> {
        let words = |code: usize| {
            let held =
                DefinitionKind::ALL.iter().enumerate().filter(|(bit, _)| code >> bit & 1 == 1);
            held.map(|(_, kind)| kind.name()).collect::<Vec<_>>().join(";")
        };
        (0..Self::COUNT).map(words).collect()
    }

    fn add(&mut self, kind: DefinitionKind) {
        self.0 |=
            1 << DefinitionKind::ALL.iter().position(|k| *k == kind).expect("all kinds are listed");
    }
}

/// A product-qualified lead, as it stands at the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pql {
    /// Kinds of the definitions that have held.
    pub kinds: Kinds,
    /// When the first of them held first, µs UTC.
    pub at: i64,
}

/// For each of some accounts what definitions have held by the end of the log; `None` where none
/// has.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn pqls(definitions: &[Definition], log: &Log, accounts: &[u32]) -> Result<Vec<Option<Pql>>> {
    let times = times(definitions, log)?;
    let row = |account: &u32| {
        let held = |(definition, times): (&Definition, &Vec<Option<i64>>)| {
            times[*account as usize].map(|at| (definition.kind, at))
        };
        let mut pql: Option<Pql> = None;
        for (kind, at) in definitions.iter().zip(&times).filter_map(held) {
            let pql = pql.get_or_insert(Pql { kinds: Kinds::default(), at });
            pql.kinds.add(kind);
            pql.at = pql.at.min(at);
        }
        pql
    };
    Ok(accounts.iter().map(row).collect())
}

/// Whether each definition has held before the cutoff of each observation, by definition.
///
/// # Errors
/// * [`Error::Write`](crate::Error::Write): the temporary file of a large log fails
pub fn held(
    definitions: &[Definition],
    log: &Log,
    observations: &Observations,
) -> Result<Vec<Vec<bool>>> {
    let of = |times: &Vec<Option<i64>>| {
        let rows = observations.account.iter().zip(&observations.cutoff);
        rows.map(|(account, cutoff)| times[*account as usize].is_some_and(|at| at < *cutoff))
            .collect()
    };
    Ok(times(definitions, log)?.iter().map(of).collect())
}
