//! Reasons why an account must not be contacted.

use std::fmt;

/// Reason why an account must not be contacted. It is scored, but never qualifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IneligibleReason {
    /// An internal or test account.
    Internal,
    /// It has an open deal.
    OpenDeal,
    /// It was contacted recently.
    Contacted,
    /// It has too few active users.
    FewUsers,
    /// It is outside of the territory.
    OutsideTerritory,
}

impl IneligibleReason {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::Internal, Self::OpenDeal, Self::Contacted, Self::FewUsers, Self::OutsideTerritory];

    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Internal => "internal-account",
            Self::OpenDeal => "open-deal",
            Self::Contacted => "recently-contacted",
            Self::FewUsers => "few-active-users",
            Self::OutsideTerritory => "outside-territory",
        }
    }

    /// Returns the reason as the end of a sentence about the account: `it has an open deal`.
    #[must_use]
    pub fn clause(self) -> &'static str {
        match self {
            Self::Internal => "it is an internal or test account",
            Self::OpenDeal => "it has an open deal",
            Self::Contacted => "it was contacted recently",
            Self::FewUsers => "it has too few active users",
            Self::OutsideTerritory => "it is outside the territory",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The reasons why an account must not be contacted at a time; none: it is eligible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IneligibleReasons(u8);

impl IneligibleReasons {
    /// Number of different sets of reasons.
    pub(crate) const SETS: u8 = 1 << IneligibleReason::ALL.len();

    /// Returns the set with a code.
    pub(crate) fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// Returns the code of the set, below [`IneligibleReasons::SETS`].
    pub(crate) fn set_code(self) -> u8 {
        self.0
    }

    /// Adds a reason if it applies.
    pub(crate) fn add(&mut self, reason: IneligibleReason, applies: bool) {
        if applies {
            self.0 |= reason.bit();
        }
    }

    /// Returns whether there is no reason.
    #[must_use]
    pub fn is_eligible(self) -> bool {
        self.0 == 0
    }

    /// Describes the reasons: `it has an open deal, it was contacted recently`.
    #[must_use]
    pub fn clauses(self) -> String {
        self.iter().map(IneligibleReason::clause).collect::<Vec<_>>().join(", ")
    }

    /// Iterates over the reasons.
    pub fn iter(self) -> impl Iterator<Item = IneligibleReason> {
        IneligibleReason::ALL.into_iter().filter(move |reason| self.0 & reason.bit() != 0)
    }
}

impl fmt::Display for IneligibleReasons {
    /// Writes the codes, such as `open-deal;few-active-users`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: Vec<&str> = self.iter().map(IneligibleReason::code).collect();
        f.write_str(&codes.join(";"))
    }
}
