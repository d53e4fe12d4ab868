//! The number at which a monotone condition changes, to the last bit.

/// Returns the largest finite number that meets a condition; `None` if no number does.
///
/// # Arguments
/// * `holds` – a condition that holds for all numbers up to some number
pub(crate) fn last_double(holds: impl Fn(f64) -> bool) -> Option<f64> {
    let (mut met, mut unmet) = (rank(f64::MIN), rank(f64::MAX));
    if holds(f64::MAX) {
        return Some(f64::MAX);
    }
    if !holds(f64::MIN) {
        return None;
    }
    while unmet - met > 1 {
        let middle = met + (unmet - met) / 2;
        *(if holds(from_rank(middle)) { &mut met } else { &mut unmet }) = middle;
    }
    Some(from_rank(met) + 0.0)
}

/// Returns the smallest finite number that meets a condition; `None` if no number does.
///
/// # Arguments
/// * `holds` – a condition that holds for all numbers from some number on
pub(crate) fn first_double(holds: impl Fn(f64) -> bool) -> Option<f64> {
    last_double(|number| holds(-number)).map(|number| 0.0 - number)
}

/// Returns the position of a number among all numbers in ascending order.
fn rank(number: f64) -> i128 {
    let size = i128::from(number.abs().to_bits());
    if number.is_sign_negative() { -size } else { size }
}

fn from_rank(rank: i128) -> f64 {
    let size = f64::from_bits(u64::try_from(rank.unsigned_abs()).expect("it is a rank"));
    if rank < 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_is_exact() {
        assert_eq!(last_double(|x| x <= 0.1), Some(0.1));
        assert_eq!(last_double(|x| x < 0.1), Some(0.1_f64.next_down()));
        assert_eq!(last_double(|x| x.max(0.0).ln_1p() <= 0.0), Some(0.0));
        assert_eq!(last_double(|x| x <= -3.5), Some(-3.5));
        assert_eq!(first_double(|x| x >= -3.5), Some(-3.5));
        assert_eq!(first_double(|x| x > 2.0), Some(2.0_f64.next_up()));
        assert_eq!([last_double(|_| true), last_double(|_| false)], [Some(f64::MAX), None]);
        assert_eq!([first_double(|_| true), first_double(|_| false)], [Some(f64::MIN), None]);
        assert!(last_double(|x| x <= 0.0).is_some_and(f64::is_sign_positive));
    }
}
