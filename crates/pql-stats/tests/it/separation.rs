//! Detection of separated outcomes: constructed separations are found with their columns, and no
//! others.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use pql_stats::glm::{Logistic, Penalty, Separation, SeparationKind, separation};

use crate::lcg::Lcg;

/// Cases per test.
const CASES: u64 = 200;

/// Raw columns, and outcomes.
struct Drawn {
    columns: Vec<Vec<f64>>,
    y: Vec<bool>,
}

impl Drawn {
    /// Draws columns of integers or real numbers, and independent outcomes.
    fn noise(random: &mut Lcg, rows: usize, columns: usize) -> Self {
        let columns = (0..columns)
            .map(|j| {
                let scale = 10_f64.powi(i32::try_from(random.below(9)).unwrap() - 4);
                let whole = (random.below(2) + i64::try_from(j).unwrap()) % 2 == 0;
                (0..rows)
                    .map(|_| scale * if whole { small(random, 7) } else { real(random) })
                    .collect()
            })
            .collect();
        Self { columns, y: (0..rows).map(|_| random.chance(40)).collect() }
    }

    /// Standardizes the columns as pql does: the mean by shifted sums, then (x − mean) / sd.
    fn x(&self) -> Array2<f64> {
        let n = self.y.len();
        let mut x = Array2::zeros((n, self.columns.len()));
        for (mut into, column) in x.axis_iter_mut(Axis(1)).zip(&self.columns) {
            let count = f64::from(u32::try_from(n).unwrap());
            let mean = column[0] + column.iter().map(|v| v - column[0]).sum::<f64>() / count;
            let sd = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
            into.iter_mut().zip(column).for_each(|(x, v)| *x = (v - mean) / sd);
        }
        x
    }

    fn separation(&self) -> Option<Separation> {
        separation(self.x().view(), ArrayView1::from(&self.y))
    }

    fn converges(&self) -> bool {
        let model = Logistic { penalty: Penalty::None, max_iterations: 200, ..Logistic::default() };
        model.fit_rows(self.x().view(), ArrayView1::from(&self.y)).is_ok()
    }

    /// Repeats the first rows with the opposite outcome, so that no hyperplane separates them.
    fn mix(&mut self, rows: usize) {
        for column in &mut self.columns {
            column.extend_from_within(..rows);
        }
        let opposite: Vec<bool> = self.y[..rows].iter().map(|y| !y).collect();
        self.y.extend(opposite);
    }
}

/// Draws a number from −1 to 1.
fn real(random: &mut Lcg) -> f64 {
    small(random, 1 << 30) / f64::from(1 << 29) - 1.0
}

/// Draws an integer from 0 to `n` − 1.
fn small(random: &mut Lcg, n: i64) -> f64 {
    f64::from(i32::try_from(random.below(n)).unwrap())
}

fn index(random: &mut Lcg, n: usize) -> usize {
    usize::try_from(random.below(i64::try_from(n).unwrap())).unwrap()
}

/// Draws distinct columns, in ascending order.
fn draw_columns(random: &mut Lcg, columns: usize, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..columns).collect();
    random.shuffle(&mut all);
    all.truncate(count);
    all.sort_unstable();
    all
}

fn expect(case: u64, drawn: &Drawn, kind: SeparationKind, columns: &[usize], alone: &[usize]) {
    let expected = Separation { kind, columns: columns.to_vec(), alone: alone.to_vec() };
    assert_eq!(drawn.separation(), Some(expected), "case {case}");
}

#[test]
fn complete_separation_is_found_with_its_columns() {
    for case in 0..CASES {
        let random = &mut Lcg::new(case);
        let (p, count) = (3 + index(random, 6), 1 + index(random, 3));
        let mut drawn = Drawn::noise(random, 300, p);
        let by = draw_columns(random, p, count);
        by.iter().for_each(|j| drawn.columns[*j] = (0..300).map(|_| real(random)).collect());
        let weights: Vec<f64> = by
            .iter()
            .map(|_| (0.6 + 0.4 * real(random).abs()) * if random.chance(50) { 1.0 } else { -1.0 })
            .collect();
        for row in 0..300 {
            let sum = |drawn: &Drawn| {
                by.iter().zip(&weights).map(|(j, w)| w * drawn.columns[*j][row]).sum::<f64>() - 0.1
            };
            // Some rows are very near the hyperplane.
            let gap = 1e-6 * (1.0 + real(random).abs());
            if sum(&drawn).abs() < gap {
                drawn.columns[by[0]][row] += 2.0 * gap / weights[0] * sum(&drawn).signum();
            }
            drawn.y[row] = sum(&drawn) > 0.0;
        }
        let alone = if by.len() == 1 { by.clone() } else { Vec::new() };
        expect(case, &drawn, SeparationKind::Complete, &by, &alone);
        assert!(!drawn.converges(), "case {case}");
    }
}

#[test]
fn a_dummy_with_one_outcome_is_found() {
    for case in 0..CASES {
        let random = &mut Lcg::new(1_000 + case);
        let p = 2 + index(random, 8);
        let mut drawn = Drawn::noise(random, 60, p);
        drawn.mix(60);
        let by = index(random, p);
        let (ones, outcome) = (1 + index(random, 5), random.chance(50));
        drawn.columns[by] = vec![0.0; drawn.y.len()];
        for _ in 0..ones {
            let row = index(random, 120);
            drawn.columns[by][row] = 1.0;
            drawn.y[row] = outcome;
        }
        expect(case, &drawn, SeparationKind::Quasi, &[by], &[by]);
        assert!(!drawn.converges(), "case {case}");
    }
}

/// Draws rows of both outcomes on a hyperplane, and the others on the side of their outcome.
/// Returns the data and a row that is not on the hyperplane.
fn quasi_separated(random: &mut Lcg, p: usize, by: &[usize], whole: bool) -> (Drawn, usize) {
    let mut off_row = 0;
    let mut drawn = Drawn::noise(random, 400, p);
    let weights: Vec<f64> = by
        .iter()
        .map(|_| (1.0 + small(random, 3)) * if random.chance(50) { 1.0 } else { -1.0 })
        .collect();
    let value = |random: &mut Lcg| if whole { small(random, 9) } else { real(random) * 3.0 };
    by.iter().for_each(|j| drawn.columns[*j] = (0..400).map(|_| value(random)).collect());
    let offset = if whole { 3.0 } else { 0.3 };
    for row in 0..400 {
        if row % 4 == 0 {
            // Move the row to the hyperplane; real numbers reach it up to rounding.
            let others: f64 =
                by[1..].iter().zip(&weights[1..]).map(|(j, w)| w * drawn.columns[*j][row]).sum();
            drawn.columns[by[0]][row] = (offset - others) / weights[0];
            continue;
        }
        let sum: f64 =
            by.iter().zip(&weights).map(|(j, w)| w * drawn.columns[*j][row]).sum::<f64>() - offset;
        if sum.abs() > 1e-9 {
            drawn.y[row] = sum > 0.0;
            off_row = row;
        }
    }
    (drawn, off_row)
}

#[test]
fn quasi_separation_with_ties_is_found_with_its_columns() {
    for case in 0..CASES {
        let random = &mut Lcg::new(2_000 + case);
        let p = 4 + index(random, 7);
        let count = 2 + index(random, 3);
        let by = draw_columns(random, p, count);
        let (drawn, _) = quasi_separated(random, p, &by, case % 2 == 0);
        expect(case, &drawn, SeparationKind::Quasi, &by, &[]);
        assert!(!drawn.converges(), "case {case}");
    }
}

#[test]
fn one_hot_levels_with_one_outcome_are_found_even_with_collinear_columns() {
    for case in 0..CASES {
        let random = &mut Lcg::new(3_000 + case);
        let levels = 4 + index(random, 8);
        let mut drawn = Drawn::noise(random, 80, 3);
        drawn.mix(80);
        let count = 1 + index(random, 3);
        let pure = draw_columns(random, levels, count);
        let level: Vec<usize> = (0..160)
            .map(|row| if row < 2 * levels { row / 2 } else { index(random, levels) })
            .collect();
        let outcome: Vec<bool> = (0..levels).map(|_| random.chance(50)).collect();
        for (l, &only) in outcome.iter().enumerate() {
            // A pure level has one outcome; every other level has both outcomes at the same values.
            let rows: Vec<usize> = (0..160).filter(|row| level[*row] == l).collect();
            for &row in &rows {
                drawn.y[row] = if pure.contains(&l) { only } else { row % 2 == 0 };
            }
            if !pure.contains(&l) {
                let (a, b) = (rows[0], rows[1]);
                drawn.columns.iter_mut().for_each(|column| column[b] = column[a]);
                (drawn.y[a], drawn.y[b]) = (true, false);
            }
        }
        // The last level is the reference level and has no column; if it is pure, the columns of
        // all levels with both outcomes separate.
        for l in 0..levels - 1 {
            drawn
                .columns
                .push(level.iter().map(|level| f64::from(u8::from(*level == l))).collect());
        }
        if case % 3 == 0 {
            let sum = |row: usize| drawn.columns[0][row] / 3.0 + drawn.columns[1][row];
            let repeat = (0..160).map(sum).collect();
            drawn.columns.push(repeat);
        }
        let base = pure.contains(&(levels - 1));
        let columns: Vec<usize> =
            (0..levels - 1).filter(|l| base || pure.contains(l)).map(|l| 3 + l).collect();
        let found = drawn.separation().unwrap();
        assert_eq!(
            (found.kind, &found.columns),
            (SeparationKind::Quasi, &columns),
            "case {case}: {pure:?} of {levels}"
        );
        // If one level has both outcomes and all others the same outcome, the dummy of that level
        // separates alone.
        let mixed_level_separates =
            pure.len() == levels - 1 && pure.iter().all(|l| outcome[*l] == outcome[pure[0]]);
        let alone: Vec<usize> = (0..levels - 1)
            .filter(|l| mixed_level_separates || pure.contains(l))
            .map(|l| 3 + l)
            .collect();
        assert_eq!(found.alone, alone, "case {case}");
    }
}

#[test]
fn nearly_separated_outcomes_are_not_separated() {
    for case in 0..CASES {
        let random = &mut Lcg::new(4_000 + case);
        let p = 2 + index(random, 6);
        let by = draw_columns(random, p, 2);
        // A hyperplane with ties, and one row slightly beyond it.
        let (mut drawn, row) = quasi_separated(random, p, &by, case % 2 == 0);
        let beyond = 10_f64.powi(-i32::try_from(random.below(8)).unwrap());
        let opposite = !drawn.y[row];
        for column in &mut drawn.columns {
            let moved = column[0] + beyond * (column[row] - column[0]);
            column.push(moved);
        }
        drawn.y.push(opposite);
        assert_eq!(drawn.separation(), None, "case {case}, beyond by {beyond}");
    }
    for case in 0..CASES {
        let random = &mut Lcg::new(5_000 + case);
        let p = 1 + index(random, 10);
        let mut drawn = Drawn::noise(random, 40, p);
        drawn.mix(p + 2);
        let found = drawn.separation();
        assert_eq!(found.is_none(), drawn.converges(), "case {case}: {found:?}");
    }
}

#[test]
fn separation_of_random_data_agrees_with_convergence_of_the_fit() {
    let (mut separated, mut overlapping) = (0, 0);
    for case in 0..3 * CASES {
        let random = &mut Lcg::new(6_000 + case);
        let (n, p) = (8 + index(random, 16), 2 + index(random, 6));
        let mut drawn = Drawn::noise(random, n, p);
        (drawn.y[0], drawn.y[1]) = (true, false);
        let found = drawn.separation();
        if drawn.columns.iter().any(|c| c.iter().all(|v| *v == c[0])) {
            continue;
        }
        assert_eq!(found.is_none(), drawn.converges(), "case {case}: {found:?}");
        *(if found.is_some() { &mut separated } else { &mut overlapping }) += 1;
    }
    assert!(separated > 100 && overlapping > 100, "{separated} and {overlapping}");
}

#[test]
fn collinear_columns_do_not_separate() {
    let mut drawn = Drawn::noise(&mut Lcg::new(7), 60, 3);
    drawn.mix(60);
    let sum =
        (0..120).map(|row| drawn.columns[0][row] - 2.0 * drawn.columns[1][row] + 7.0).collect();
    drawn.columns.push(sum);
    assert!(!drawn.converges());
    assert_eq!(drawn.separation(), None);
}

#[test]
fn no_columns_or_constant_columns_do_not_separate() {
    let y = Array1::from(vec![true, false, true]);
    assert_eq!(separation(Array2::zeros((3, 0)).view(), y.view()), None);
    assert_eq!(separation(Array2::zeros((3, 1)).view(), y.view()), None);
}

#[test]
fn separation_of_100_000_rows_is_detected() {
    let (n, p) = (100_000, 40);
    let random = &mut Lcg::new(8);
    let mut x = Array2::from_shape_fn((n, p), |_| real(random) * 1.7);
    // The dummy is 1 in one of 100,000 rows.
    let mean = 1e-5_f64;
    x.column_mut(7).fill(-(mean / (1.0 - mean)).sqrt());
    x[[n / 3, 7]] = ((1.0 - mean) / mean).sqrt();
    let side = |row: usize| x[[row, 3]] - 0.5 * x[[row, 30]] + 0.1 * x[[row, 20]] - 1.2;
    let quasi: Array1<bool> = (0..n).map(|row| side(row) + real(random) > 0.0).collect();
    let weights: Vec<f64> = (0..p).map(|_| real(random)).collect();
    let all: Array1<bool> =
        x.rows().into_iter().map(|row| row.dot(&ArrayView1::from(&weights)) > 0.3).collect();
    let complete: Array1<bool> = (0..n).map(|row| side(row) > 0.0).collect();
    let few =
        Separation { kind: SeparationKind::Complete, columns: vec![3, 7, 20, 30], alone: vec![7] };
    assert_eq!(separation(x.view(), complete.view()), Some(few));
    assert_eq!(separation(x.view(), all.view()).unwrap().columns.len(), p);
    assert_eq!(
        separation(x.view(), quasi.view()),
        Some(Separation { kind: SeparationKind::Quasi, columns: vec![7], alone: vec![7] })
    );
    x.column_mut(7).fill(0.0);
    assert_eq!(separation(x.view(), quasi.view()), None);
}

#[derive(serde::Deserialize)]
struct ReferenceCase {
    x: Vec<Vec<f64>>,
    y: Vec<bool>,
    kind: String,
    columns: Vec<usize>,
}

#[test]
fn separation_agrees_with_linear_programs() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/separation.json");
    let cases: Vec<ReferenceCase> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for (index, case) in cases.into_iter().enumerate() {
        let columns =
            (0..case.x[0].len()).map(|j| case.x.iter().map(|row| row[j]).collect()).collect();
        let found = Drawn { columns, y: case.y }.separation();
        let kind = found.as_ref().map_or("none", |f| {
            if f.kind == SeparationKind::Complete { "complete" } else { "quasi" }
        });
        assert_eq!(kind, case.kind, "case {index}");
        if kind == "quasi" {
            assert_eq!(found.unwrap().columns, case.columns, "case {index}");
        }
    }
}
