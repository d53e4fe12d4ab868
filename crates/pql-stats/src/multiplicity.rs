//! Corrections of p values for multiple tests.

use crate::counts::count;

/// Adjusts p values to control the false discovery rate (Benjamini-Hochberg). Returns them in input
/// order.
///
/// # Source
/// Benjamini, Hochberg, Controlling the false discovery rate, *Journal of the Royal Statistical
/// Society B* 57 (1995)
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
    let (mut adjusted, mut least) = (vec![1.0; p.len()], 1.0_f64);
    for (from_last, index) in order.into_iter().enumerate() {
        least = least.min(p[index] * count(p.len()) / count(p.len() - from_last));
        adjusted[index] = least;
    }
    adjusted
}

/// Adjusts p values to control the family-wise error rate (Holm). Returns them in input order.
///
/// # Source
/// Holm, "A simple sequentially rejective multiple test procedure", *Scandinavian Journal of
/// Statistics* 6 (1979)
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut adjusted, mut largest) = (vec![1.0; p.len()], 0.0_f64);
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max(p[index] * count(p.len() - rank)).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-3), "found {a}, expected {b}");
    }

    #[test]
    fn benjamini_hochberg_equals_p_adjust_of_r() {
        // p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "BH"), and unsorted values.
        benjamini_hochberg(&[0.01, 0.02, 0.03, 0.04, 0.05]).into_iter().for_each(|q| near(q, 0.05));
        let q = benjamini_hochberg(&[0.5, 0.001, 0.9, 0.01]);
        [2.0 / 3.0, 0.004, 0.9, 0.02]
            .into_iter()
            .zip(q)
            .for_each(|(expected, found)| near(found, expected));
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn holm_equals_p_adjust_of_r() {
        // p.adjust(c(0.004, 0.001, 0.5), "holm"), and adjusted p values that stay monotone.
        assert_eq!(holm(&[0.004, 0.001, 0.5]), [0.008, 0.003, 0.5]);
        assert_eq!(holm(&[0.03, 0.04, 0.9]), [0.09, 0.09, 0.9]);
        assert!(holm(&[]).is_empty());
    }
}
