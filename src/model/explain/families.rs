//! Families: measures that carry the same information, and share one reason.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::groups::{Group, deviations};
use crate::model::encoder::Preprocessor;

/// Absolute correlation at or above which two measures are in one family: from here on collinearity
/// severely distorts single coefficients, so that only their sum is meaningful.
///
/// # Source
/// Dormann et al., "Collinearity: a review of methods to deal with it and a simulation study
/// evaluating their performance", *Ecography* 36 (2013)
const SAME_INFORMATION: f64 = 0.7;

/// Measures that carry the same information.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Names of the measures, most important first.
    pub measures: Vec<String>,
    /// Standard deviation of the contribution of the family over the training rows.
    pub importance: f64,
}

/// Finds the families of measures on the training rows, most important first.
///
/// Two measures are related if a design column of the one and a design column of the other
/// have a correlation of at least 0.7 in absolute value. Families are the connected components of
/// this relation, so that no correlation between two families reaches 0.7.
///
/// # Arguments
/// * `x`, `correlation` – standardized design of the training rows, shape (n, p), and the
///   correlations of its columns
/// * `importance` – importance of each measure
/// # Source
/// Clusters of variables by correlation: Harrell, *Regression Modeling Strategies*, 2nd ed. (2015),
/// §4.7.1. One contribution for each group of dependent features: Jullum, Redelmeier, Aas,
/// "Efficient and simple prediction explanations with groupShapley" (2021)
#[must_use]
pub fn families(
    preprocessor: &Preprocessor,
    coef: &[f64],
    (x, correlation): (ArrayView2<'_, f64>, &Array2<f64>),
    importance: &[(String, f64)],
) -> Vec<Family> {
    let measures = Group::by_measure(preprocessor);
    let family_of = components(&measures, correlation);
    let mut members: Vec<Vec<String>> = vec![Vec::new(); measures.len()];
    for (measure, _) in importance {
        let index = measures.iter().position(|group| group.measures[0] == *measure);
        let index = index.expect("importance has the measures of the design");
        members[family_of[index]].push(measure.clone());
    }
    members.retain(|measures| !measures.is_empty());
    let groups: Vec<Group> =
        members.into_iter().map(|measures| Group::new(preprocessor, measures)).collect();
    let deviations = deviations(&groups, coef, x);
    let mut families: Vec<Family> = groups
        .into_iter()
        .zip(deviations)
        .map(|(group, importance)| Family { measures: group.measures, importance })
        .collect();
    families.sort_by(|a, b| {
        b.importance.total_cmp(&a.importance).then_with(|| a.measures.cmp(&b.measures))
    });
    families
}

/// Returns the component of each group: the smallest index of a group in it.
fn components(groups: &[Group], r: &Array2<f64>) -> Vec<usize> {
    let related = |a: &Group, b: &Group| {
        a.columns.iter().any(|i| b.columns.iter().any(|j| r[[*i, *j]].abs() >= SAME_INFORMATION))
    };
    let mut component: Vec<usize> = (0..groups.len()).collect();
    for b in 1..groups.len() {
        for a in 0..b {
            let (low, high) = (component[a].min(component[b]), component[a].max(component[b]));
            if low != high && related(&groups[a], &groups[b]) {
                component.iter_mut().filter(|c| **c == high).for_each(|c| *c = low);
            }
        }
    }
    component
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn groups(columns: &[&[usize]]) -> Vec<Group> {
        let group = |columns: &&[usize]| Group {
            measures: Vec::new(),
            columns: columns.to_vec(),
            features: Vec::new(),
        };
        columns.iter().map(group).collect()
    }

    #[test]
    fn related_measures_form_one_family_also_through_a_third_one() {
        // Columns 0 and 1 are windows of the first measure; 1 and 3 are related, and so are 3 and
        // 4.
        let r = array![
            [1.0, 0.2, 0.69, 0.1, 0.0],
            [0.2, 1.0, 0.1, -0.7, 0.3],
            [0.69, 0.1, 1.0, 0.2, 0.0],
            [0.1, -0.7, 0.2, 1.0, 0.9],
            [0.0, 0.3, 0.0, 0.9, 1.0],
        ];
        assert_eq!(components(&groups(&[&[0, 1], &[2], &[3], &[4]]), &r), [0, 1, 0, 0]);
        assert_eq!(components(&groups(&[&[4], &[2], &[3], &[0, 1]]), &r), [0, 1, 0, 0]);
        assert_eq!(components(&groups(&[&[0], &[2], &[4]]), &r), [0, 1, 2]);
        assert!(components(&[], &Array2::zeros((0, 0))).is_empty());
    }
}
