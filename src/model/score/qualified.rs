//! Whether an account qualifies: by the model, by a definition, or by both.

use crate::config::QualifyBy;

/// What makes a row qualify, in words.
pub(super) const WORDS: [&str; 3] = ["model", "definition", "both"];

/// Whether a row qualifies, and by what, a place among [`WORDS`].
///
/// # Arguments
/// * `reached` – whether it reaches the model's threshold; `None` for a row without a probability,
///   which neither does nor does not
/// * `held` – whether a definition has held
pub(super) fn of_row(
    by: QualifyBy,
    reached: Option<bool>,
    held: bool,
) -> (Option<bool>, Option<u32>) {
    let qualified = match by {
        QualifyBy::Definition => Some(held),
        QualifyBy::Either if held => Some(true),
        QualifyBy::Both if !held => Some(false),
        QualifyBy::Model | QualifyBy::Either | QualifyBy::Both => reached,
    };
    let (by_model, by_definition) =
        (by != QualifyBy::Definition && reached == Some(true), by != QualifyBy::Model && held);
    let what = match (by_model, by_definition) {
        (true, true) => 2,
        (false, true) => 1,
        _ => 0,
    };
    (qualified, (qualified == Some(true)).then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_qualify_asks_for_what_it_says() {
        let found = |by, reached, held| {
            let (qualified, what) = of_row(by, reached, held);
            (qualified, what.map(|place| WORDS[place as usize]))
        };
        let (yes, no) = (Some(true), Some(false));
        for (by, expected) in [
            (
                QualifyBy::Model,
                [
                    (yes, Some("model")),
                    (yes, Some("model")),
                    (no, None),
                    (no, None),
                    (None, None),
                    (None, None),
                ],
            ),
            (
                QualifyBy::Definition,
                [
                    (yes, Some("definition")),
                    (no, None),
                    (yes, Some("definition")),
                    (no, None),
                    (yes, Some("definition")),
                    (no, None),
                ],
            ),
            (
                QualifyBy::Either,
                [
                    (yes, Some("both")),
                    (yes, Some("model")),
                    (yes, Some("definition")),
                    (no, None),
                    (yes, Some("definition")),
                    (None, None),
                ],
            ),
            (
                QualifyBy::Both,
                [(yes, Some("both")), (no, None), (no, None), (no, None), (None, None), (no, None)],
            ),
        ] {
            let cases =
                [(yes, true), (yes, false), (no, true), (no, false), (None, true), (None, false)];
            assert_eq!(cases.map(|(reached, held)| found(by, reached, held)), expected, "{by:?}");
        }
    }
}
