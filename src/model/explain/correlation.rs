//! Order of correlated columns.

use ndarray::Array2;

/// Returns an order of the columns that puts correlated ones next to each other: the leaves, from
/// left to right, of the tree of average linkage on 1 − |r|.
///
/// # Source
/// Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed. (2009), §14.3.12
#[must_use]
pub fn cluster_order(correlation: &Array2<f64>) -> Vec<usize> {
    let mut clusters: Vec<Vec<usize>> =
        (0..correlation.nrows()).map(|column| vec![column]).collect();
    #[expect(clippy::cast_precision_loss, reason = "counts of columns")]
    let mean_correlation = |a: &[usize], b: &[usize]| {
        let pairs = a.iter().flat_map(|i| b.iter().map(|j| correlation[[*i, *j]].abs()));
        pairs.sum::<f64>() / (a.len() * b.len()) as f64
    };
    while clusters.len() > 1 {
        let (mut best, mut pair) = (f64::NEG_INFINITY, (0, 1));
        for b in 1..clusters.len() {
            for a in 0..b {
                let linkage = mean_correlation(&clusters[a], &clusters[b]);
                if linkage > best {
                    (best, pair) = (linkage, (a, b));
                }
            }
        }
        let joined = clusters.remove(pair.1);
        clusters[pair.0].extend(joined);
    }
    clusters.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use pql_stats::glm::correlation;

    use super::*;

    #[test]
    fn correlated_columns_are_adjacent() {
        let x = array![
            [1.0, 5.0, -2.0, 7.0],
            [2.0, 1.0, -4.1, 7.0],
            [3.0, 4.0, -6.0, 7.0],
            [4.0, 2.0, -7.9, 7.0]
        ];
        let r = correlation(x.view());
        assert!((r[[0, 2]] + 1.0).abs() < 1e-2 && r[[0, 0]] == 1.0 && r[[0, 3]] == 0.0, "{r}");
        assert_eq!(r[[1, 2]], r[[2, 1]]);
        assert_eq!(cluster_order(&r), [0, 2, 1, 3]);
        assert!(cluster_order(&Array2::zeros((0, 0))).is_empty());
    }
}
