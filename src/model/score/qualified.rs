//! Decides whether an account qualifies: by the model, by a definition, or by both.

use crate::config::QualifyBy;

/// Values of the column `qualified_by`.
pub(super) const QUALIFIED_BY: [&str; 3] = ["model", "definition", "both"];

/// Returns whether a row qualifies, and the index of the cause in [`QUALIFIED_BY`]. A row without a
/// probability never qualifies, also not by a definition.
///
/// # Arguments
/// * `reached` – whether the probability reaches the threshold; `None` without a probability
/// * `matched` – whether the account matches a definition
/// * `eligible` – whether the account may be contacted; others never qualify
pub(super) fn qualification(
    by: QualifyBy,
    reached: Option<bool>,
    matched: bool,
    eligible: bool,
) -> (Option<bool>, Option<u32>) {
    let Some(reached) = reached else { return (None, None) };
    if !eligible {
        return (Some(false), None);
    }
    let (by_model, by_definition) =
        (by != QualifyBy::Definition && reached, by != QualifyBy::Model && matched);
    let qualified = match by {
        QualifyBy::Both => by_model && by_definition,
        QualifyBy::Model | QualifyBy::Definition | QualifyBy::Either => by_model || by_definition,
    };
    let cause = match (by_model, by_definition) {
        (true, true) => 2,
        (false, true) => 1,
        _ => 0,
    };
    (Some(qualified), qualified.then_some(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_qualify_rule_uses_its_criteria() {
        let found = |by, reached, matched| {
            let (qualified, cause) = qualification(by, reached, matched, true);
            (qualified, cause.map(|index| QUALIFIED_BY[index as usize]))
        };
        let (yes, no) = (Some(true), Some(false));
        for (by, expected) in [
            (
                QualifyBy::Model,
                [(yes, Some("model")), (yes, Some("model")), (no, None), (no, None)],
            ),
            (
                QualifyBy::Definition,
                [(yes, Some("definition")), (no, None), (yes, Some("definition")), (no, None)],
            ),
            (
                QualifyBy::Either,
                [(yes, Some("both")), (yes, Some("model")), (yes, Some("definition")), (no, None)],
            ),
            (QualifyBy::Both, [(yes, Some("both")), (no, None), (no, None), (no, None)]),
        ] {
            let cases = [(true, true), (true, false), (false, true), (false, false)];
            assert_eq!(
                cases.map(|(reached, matched)| found(by, Some(reached), matched)),
                expected,
                "{by:?}"
            );
            for matched in [true, false] {
                assert_eq!(found(by, None, matched), (None, None), "{by:?}");
                let ineligible = qualification(by, Some(true), matched, false);
                assert_eq!(ineligible, (Some(false), None), "{by:?}");
            }
        }
    }
}
