//! Percentiles as a query: a join with the reference distribution.

use crate::model::ReferenceDistribution;
use crate::query::{Expression, Rows, Stage, Type};

/// Stage of the reference distribution.
pub(super) const REFERENCE: &str = "reference";

/// Steps of the reference distribution in a block: a row is compared with the limits of the
/// blocks, then with the steps of one block.
const BLOCK: usize = 32;

/// The part of the reference distribution from one distinct probability to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    /// First probability.
    from: f64,
    /// Next distinct probability.
    until: f64,
    /// Percentile of the first probability.
    at: f64,
    /// Percentile of a slightly larger one.
    above: f64,
    /// Increase of the percentile per unit of probability.
    slope: f64,
}

fn steps(reference: &ReferenceDistribution) -> Vec<Step> {
    /// Less than all probabilities.
    const BELOW: f64 = -1.0;
    /// More than all probabilities.
    const ABOVE: f64 = 2.0;
    let q = &reference.quantiles;
    let percentile = |position: f64| 100.0 * position / index(q.len() - 1);
    let starts: Vec<usize> =
        (0..q.len()).filter(|i| *i == 0 || q[*i] > q[*i - 1]).chain([q.len()]).collect();
    let mut steps = vec![Step { from: BELOW, until: q[0], at: 0.0, above: 0.0, slope: 0.0 }];
    for range in starts.windows(2) {
        let (first, last) = (range[0], range[1] - 1);
        let until = q.get(last + 1).copied().unwrap_or(ABOVE);
        let above = percentile(index(last));
        steps.push(Step {
            from: q[first],
            until,
            at: percentile(f64::midpoint(index(first), index(last))),
            above,
            slope: if last + 1 < q.len() { percentile(1.0) / (until - q[first]) } else { 0.0 },
        });
    }
    steps
}

#[expect(clippy::cast_precision_loss, reason = "an index below 1001")]
fn index(index: usize) -> f64 {
    index as f64
}

/// Writes the reference distribution as constant rows.
pub(super) fn reference_stage(reference: &ReferenceDistribution) -> Stage {
    let row = |(position, step): (usize, Step)| {
        let block = i64::try_from(position / BLOCK).expect("there are few blocks");
        let numbers = [step.from, step.until, step.at, step.above, step.slope];
        std::iter::once(Expression::integer(block)).chain(numbers.map(Expression::double)).collect()
    };
    let double = |name: &str| (name.to_owned(), Type::Double);
    Stage {
        name: REFERENCE.to_owned(),
        comment: "Percentiles of the training rows: of a probability (percentile) and of those above it, up to the next one.".to_owned(),
        rows: Rows::Values {
            columns: vec![
                ("block".to_owned(), Type::Integer),
                double("low"),
                double("next_low"),
                double("percentile"),
                double("percentile_above"),
                double("percentile_slope"),
            ],
            rows: steps(reference).into_iter().enumerate().map(row).collect(),
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

/// Returns the condition that a row of the reference distribution belongs to a probability.
pub(super) fn matches(stage: &Stage, block: Expression, probability: &Expression) -> Expression {
    let is_block = stage.output("block").equal(block);
    let is_from = probability.clone().greater_equal(stage.output("low"));
    is_block.and(is_from).and(probability.clone().less(stage.output("next_low")))
}

/// Returns the percentile of a probability.
pub(super) fn percentile(stage: &Stage, probability: &Expression) -> Expression {
    let low = || stage.output("low");
    let excess = probability.clone().subtract(low());
    let above =
        stage.output("percentile_above").add(stage.output("percentile_slope").multiply(excess));
    let is_equal = probability.clone().equal(low());
    Expression::case(vec![(is_equal, stage.output("percentile"))], above)
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
                step.above + step.slope * (probability - step.from)
            };
            let expected = reference.percentile(probability);
            assert!((found - expected).abs() < 1e-10, "{probability}: {found}, not {expected}");
        }
    }
}
