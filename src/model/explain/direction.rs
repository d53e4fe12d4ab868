//! Direction in which a feature changes the score.

use crate::model::Model;
use crate::model::encoder::{Encoding, Term};

/// Direction in which a measure changes the score, over all of its features.
#[derive(Debug, Clone, PartialEq)]
pub enum Direction {
    /// Larger values raise the score.
    Raises,
    /// Larger values lower the score.
    Lowers,
    /// The windows or ranges of the measure differ in sign.
    Varies,
    /// One level of a text has the largest effect.
    Level {
        /// The level.
        level: String,
        /// Whether it raises the score.
        raises: bool,
    },
    /// Only whether the value is missing matters.
    Missing {
        /// Whether a missing value raises the score.
        raises: bool,
    },
}

/// Share of the total change that must have one sign for a direction to be reported.
const CLEAR_SHARE: f64 = 0.5;

/// Returns the direction of a measure: the change in the log-odds if all its features rise from one
/// standard deviation below their mean to one above; `None` if all its coefficients are 0.
#[must_use]
pub fn direction(model: &Model, measure: &str) -> Option<Direction> {
    let (mut net, mut total) = (0.0, 0.0);
    let mut strongest: Option<(f64, Direction)> = None;
    let mut keep_strongest = |coef: f64, direction: Direction| {
        if coef != 0.0 && strongest.as_ref().is_none_or(|(size, _)| coef.abs() > *size) {
            strongest = Some((coef.abs(), direction));
        }
    };
    for (column, coef) in model.preprocessor.columns().iter().zip(&model.fit.coef) {
        let prepared = &model.preprocessor.features[column.feature];
        if prepared.measure != measure {
            continue;
        }
        let raises = *coef > 0.0;
        match column.term {
            Term::Level(level) => {
                // Per observation of the level instead of per standard deviation.
                let direction = Direction::Level { level: level.to_owned(), raises };
                keep_strongest(coef / column.scale.sd, direction);
            }
            Term::Missing => keep_strongest(*coef, Direction::Missing { raises }),
            term => {
                let Encoding::Numeric(number) = &prepared.encoding else { continue };
                let scale = number.value.unwrap_or(column.scale);
                let value = |treated: f64| term.evaluate(treated, false) / column.scale.sd;
                let change = coef * (value(scale.mean + scale.sd) - value(scale.mean - scale.sd));
                net += change;
                total += change.abs();
            }
        }
    }
    if total > 0.0 {
        return Some(match net / total {
            share if share >= CLEAR_SHARE => Direction::Raises,
            share if share <= -CLEAR_SHARE => Direction::Lowers,
            _ => Direction::Varies,
        });
    }
    strongest.map(|(_, direction)| direction)
}
