//! Percentiles as a query: a join with the reference distribution.

use crate::model::ReferenceDistribution;
use crate::query::{Expression, Function, Rows, Stage, Type};

/// Stage of the reference distribution.
pub(super) const REFERENCE: &str = "reference";

/// Steps of the reference distribution in a block: a row is compared with the limits of the
/// blocks, then with the steps of one block.
const BLOCK: usize = 32;

/// Columns of a block: first probability of each step.
const LOW: &str = "low";
/// Percentile of this probability.
const AT: &str = "at";
/// Percentile of a slightly larger probability.
const ABOVE: &str = "above";

/// Increase of the percentile from one of the 1,001 quantiles to the next.
const INCREASE: f64 = 0.1;

/// The part of the reference distribution from one distinct probability to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    /// First probability.
    from: f64,
    /// Next distinct probability.
    until: f64,
    /// Percentile of the first probability.
    at: f64,
    /// Percentile of a slightly larger one, from which it increases by [`INCREASE`] up to the next
    /// distinct probability; beyond 0 and 100 it is cut off.
    above: f64,
}

fn steps(reference: &ReferenceDistribution) -> Vec<Step> {
    /// Less than all probabilities.
    const BELOW: f64 = -1.0;
    /// More than all probabilities.
    const BEYOND: f64 = 2.0;
    let q = &reference.quantiles;
    let percentile = |position: f64| 100.0 * position / index(q.len() - 1);
    let starts: Vec<usize> =
        (0..q.len()).filter(|i| *i == 0 || q[*i] > q[*i - 1]).chain([q.len()]).collect();
    let mut steps = vec![Step { from: BELOW, until: q[0], at: 0.0, above: -INCREASE }];
    for range in starts.windows(2) {
        let (first, last) = (range[0], range[1] - 1);
        steps.push(Step {
            from: q[first],
            until: q.get(last + 1).copied().unwrap_or(BEYOND),
            at: percentile(f64::midpoint(index(first), index(last))),
            above: percentile(index(last)),
        });
    }
    steps
}

#[expect(clippy::cast_precision_loss, reason = "an index below 1001")]
fn index(index: usize) -> f64 {
    index as f64
}

/// Returns the name of a column of a step of a block; steps count from 1.
fn step_column(name: &str, step: usize) -> String {
    format!("{name}_{step}")
}

/// Writes the reference distribution as one constant row per block.
pub(super) fn reference_stage(reference: &ReferenceDistribution) -> Stage {
    let steps = steps(reference);
    let block = |(position, block): (usize, &[Step])| {
        let position = i64::try_from(position).expect("there are few blocks");
        // No probability reaches the steps that fill the last block.
        let end = block[block.len() - 1].until;
        let filled: Vec<Step> = (0..BLOCK)
            .map(|i| block.get(i).copied().unwrap_or(Step { from: end, ..block[0] }))
            .collect();
        let lows = filled.iter().map(|step| step.from).chain([end]);
        let percentiles = filled.iter().map(|step| step.at);
        let numbers = lows.chain(percentiles).chain(filled.iter().map(|step| step.above));
        std::iter::once(Expression::integer(position))
            .chain(numbers.map(Expression::double))
            .collect()
    };
    let doubles = |name: &'static str, count| {
        (1..=count).map(move |step| (step_column(name, step), Type::Double))
    };
    let columns = std::iter::once(("block".to_owned(), Type::Integer))
        .chain(doubles(LOW, BLOCK + 1))
        .chain(doubles(AT, BLOCK))
        .chain(doubles(ABOVE, BLOCK));
    Stage {
        name: REFERENCE.to_owned(),
        comment: "Percentiles of the training rows, in blocks: probabilities (low_), their percentiles (at_), and those of slightly larger ones (above_).".to_owned(),
        rows: Rows::Values {
            columns: columns.collect(),
            rows: steps.chunks(BLOCK).enumerate().map(block).collect(),
        },
    }
}

/// Returns the block of a probability.
pub(super) fn block(reference: &ReferenceDistribution, probability: &Expression) -> Expression {
    let steps = steps(reference);
    let limits = steps.iter().step_by(BLOCK).skip(1).enumerate();
    let branches = limits.map(|(block, step)| {
        let block = i64::try_from(block).expect("there are few blocks");
        (probability.clone().less(Expression::double(step.from)), Expression::integer(block))
    });
    let blocks = i64::try_from((steps.len() - 1) / BLOCK).expect("there are few blocks");
    Expression::case(branches.collect(), Expression::integer(blocks))
}

/// Returns the percentile of a probability, given the row of its block.
pub(super) fn percentile(stage: &Stage, probability: &Expression) -> Expression {
    let column = |name, step| stage.output(&step_column(name, step));
    let steps = (1..=BLOCK).flat_map(|step| {
        let [low, next] = [column(LOW, step), column(LOW, step + 1)];
        let share =
            probability.clone().subtract(low.clone()).divide(next.clone().subtract(low.clone()));
        let above = column(ABOVE, step).add(Expression::double(INCREASE).multiply(share));
        [
            (probability.clone().equal(low), column(AT, step)),
            (probability.clone().less(next), above),
        ]
    });
    let percentile = Expression::case(steps.collect(), Expression::double(100.0));
    let capped = Expression::call(Function::Least, vec![percentile, Expression::double(100.0)]);
    Expression::call(Function::Greatest, vec![capped, Expression::double(0.0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_the_percentiles_of_the_reference_distribution() {
        let quantiles: Vec<f64> =
            (0..=1_000).map(|i| f64::from(i - i % 7).clamp(200.0, 955.0).sqrt() / 40.0).collect();
        let reference = ReferenceDistribution { quantiles };
        let steps = steps(&reference);
        assert!(steps.windows(2).all(|pair| pair[0].until == pair[1].from));
        let tenths = (0..=10_000).map(|i| f64::from(i) / 10_000.0);
        for probability in tenths.chain(reference.quantiles.iter().copied()) {
            let step = steps.iter().find(|step| probability < step.until).unwrap();
            let found = if probability == step.from {
                step.at
            } else {
                let share = (probability - step.from) / (step.until - step.from);
                (step.above + INCREASE * share).clamp(0.0, 100.0)
            };
            let expected = reference.percentile(probability);
            assert!((found - expected).abs() < 1e-10, "{probability}: {found}, not {expected}");
        }
    }
}
