use pql_stats::survival::FollowUp;

use super::*;
use crate::time::{DAY, NEVER, parse_iso};

/// An account that signs up on a day, becomes a PQL and converts on others; a day of −1 never
/// comes.
fn lead(signed_up: i64, held: i64, converted: i64) -> Lead {
    let at = |day: i64| if day < 0 { NEVER } else { day * DAY };
    Lead {
        signed_up: signed_up * DAY,
        held: (held >= 0).then_some(held * DAY),
        converted: at(converted),
        churned: NEVER,
        revenue: f64::NAN,
        first_revenue: f64::NAN,
    }
}

fn terms(within: Option<i64>) -> Terms {
    Terms {
        within: within.map(|days| days * DAY),
        horizon: 10 * DAY,
        until: 100 * DAY,
        date_only: false,
    }
}

fn figures(leads: &[Lead], within: Option<i64>) -> Figures {
    Figures::of(leads, &terms(within), true)
}

fn counts(rate: &Rate) -> (u64, u64, u64) {
    (rate.count, rate.of, rate.not_mature)
}

fn near(a: Option<f64>, b: f64) {
    assert!((a.unwrap() - b).abs() < 1e-12, "{a:?} is not {b}");
}

#[test]
fn who_converts_before_the_definition_holds_is_no_pql() {
    let leads = [
        lead(0, 2, 5),
        lead(0, 2, 2),
        lead(0, 5, 2),
        lead(0, -1, 4),
        lead(0, 3, -1),
        lead(0, -1, -1),
    ];
    let found = figures(&leads, Some(7));
    assert_eq!((found.sign_ups, found.pqls, found.customers), (6, 3, 2));
    assert_eq!(
        (found.already_customers, found.customers_without, found.customers_same_day),
        (1, 1, 1)
    );
    assert_eq!(counts(&found.sign_up_to_pql), (3, 6, 0));
    assert_eq!(counts(&found.pql_to_customer), (2, 3, 0));
    assert_eq!(counts(&found.sign_up_to_customer), (4, 6, 0));
    assert_eq!((found.median_days_to_pql, found.median_days_to_customer), (Some(2.0), Some(1.5)));
}

#[test]
fn only_who_is_old_enough_counts_in_a_rate() {
    // The log ends on day 100; a PQL on day 91 has no whole horizon after it, though it converted
    // already.
    let leads = [lead(80, 82, 84), lead(90, 91, 92), lead(95, 96, -1), lead(93, -1, -1)];
    let found = figures(&leads, Some(7));
    assert_eq!(counts(&found.sign_up_to_pql), (2, 3, 1));
    assert_eq!(counts(&found.pql_to_customer), (1, 1, 2));
    assert_eq!(counts(&found.sign_up_to_customer), (2, 2, 2));
    let landmark = found.landmark.unwrap();
    assert_eq!((landmark.pqls.of, landmark.pqls.not_mature, landmark.others.not_mature), (0, 2, 1));
    assert_eq!(found.pqls, 3, "what has happened is counted all the same");
}

#[test]
fn without_a_limit_the_rate_looks_as_far_as_the_horizon_and_nothing_is_compared() {
    let found = figures(&[lead(0, 9, -1), lead(0, 10, -1), lead(0, 60, -1)], None);
    assert_eq!((found.pqls, counts(&found.sign_up_to_pql)), (3, (1, 3, 0)));
    assert_eq!(found.landmark, None);
}

#[test]
fn at_the_landmark_only_free_accounts_are_compared() {
    let mut churned = lead(0, 1, -1);
    churned.churned = 6 * DAY;
    let mut churned_later = lead(0, -1, -1);
    churned_later.churned = 8 * DAY;
    let leads = [
        lead(0, 2, 7),
        lead(0, 2, 16),
        lead(0, 2, 17),
        lead(0, 2, -1),
        lead(0, 2, 6),
        lead(0, -1, 3),
        churned,
        lead(0, 8, 9),
        lead(0, -1, -1),
        lead(0, -1, -1),
        churned_later,
    ];
    let landmark = figures(&leads, Some(7)).landmark.unwrap();
    assert_eq!((landmark.converted_before, landmark.churned_before), (2, 1));
    assert_eq!(counts(&landmark.pqls), (2, 4, 0), "day 7 is in the horizon, day 17 is not");
    assert_eq!(counts(&landmark.others), (1, 4, 0), "who becomes a PQL on day 8 is none on day 7");
    near(landmark.lift, 2.0);
    let error = (0.5 - 0.25 + 1.0 - 0.25_f64).sqrt();
    near(
        landmark.lift_interval.map(|interval| interval.high),
        2.0 * (pql_stats::intervals::Z_95 * error).exp(),
    );
    let none = figures(&[lead(0, 2, 8), lead(0, -1, -1)], Some(7)).landmark.unwrap();
    assert_eq!((none.lift, none.lift_interval), (None, None), "no other converts");
    let nobody = figures(&[lead(0, 2, -1), lead(0, -1, 8)], Some(7)).landmark.unwrap();
    assert_eq!((nobody.lift, nobody.lift_interval), (Some(0.0), None));
}

#[test]
fn a_curve_by_hand() {
    // 5 at risk on day 1: 1 gets there. On day 2 one is lost. Of 3 on day 4: 1. On day 8 the last
    // two are lost.
    let followed = [(1, true), (2, false), (4, true), (8, false), (8, false)]
        .map(|(day, reached)| FollowUp { time: day * DAY, reached });
    let curve = Curve::of(followed.to_vec());
    let at = |day: i64| curve.reached(day * DAY);
    assert_eq!((at(0).share, at(0).interval, at(0).at_risk), (Some(0.0), None, 5));
    near(at(1).share, 0.2);
    near(at(4).share, 1.0 - 0.8 * 2.0 / 3.0);
    assert_eq!((at(8).at_risk, at(8).share), (2, at(4).share));
    assert_eq!((at(9).at_risk, at(9).share, at(9).interval), (0, None, None));
    let error = (1.0 / 20.0 + 1.0 / 6.0_f64).sqrt() / -(0.8 * 2.0 / 3.0_f64).ln();
    let Interval { low, high } = at(4).interval.unwrap();
    near(Some(high), 1.0 - (0.8 * 2.0 / 3.0_f64).powf((pql_stats::intervals::Z_95 * error).exp()));
    assert!(0.0 < low && low < at(4).share.unwrap() && high < 1.0);
    let all = Curve::of([DAY, 3 * DAY].map(|time| FollowUp { time, reached: true }).to_vec())
        .reached(30 * DAY);
    assert_eq!((all.share, all.interval), (Some(1.0), None), "all got there");
    assert_eq!(Curve::of(Vec::new()).reached(0).share, None);
}

#[test]
fn who_churned_stays_among_those_that_have_not_converted() {
    let mut churned = lead(0, 1, -1);
    churned.churned = 3 * DAY;
    let leads = [churned, lead(0, 1, 6)];
    let after = figures(&leads, Some(7)).converted_after[0];
    assert_eq!((after.days, after.at_risk, after.share), (7, 1, Some(0.5)));
    assert_eq!(after.if_none_churned, Some(1.0));
    let long = figures(&leads, Some(7)).converted_after[3];
    assert_eq!((long.days, long.share), (90, Some(0.5)));
    let young = Figures::of(&[lead(0, 80, -1)], &terms(None), false).converted_after;
    assert_eq!((young[1].share, young[2].share), (Some(0.0), None), "followed for 20 days");
}

#[test]
fn revenue_is_that_of_the_pqls_in_the_rate() {
    let paying =
        |revenue: f64, first_revenue: f64| Lead { revenue, first_revenue, ..lead(0, 2, 5) };
    let mut late = lead(0, 2, 40);
    late.revenue = 1_000.0;
    let mut other = lead(0, -1, 40);
    other.revenue = 30.0;
    let leads = [
        paying(120.0, 100.0),
        paying(60.0, f64::NAN),
        paying(f64::NAN, f64::NAN),
        late,
        lead(0, 2, -1),
        lead(0, 2, -1),
        other,
    ];
    let revenue = figures(&leads, Some(7)).revenue.unwrap();
    assert_eq!((revenue.customers, revenue.unknown), (2, 1));
    near(revenue.per_customer, 90.0);
    near(revenue.per_pql, 45.0);
    near(revenue.per_other_customer, 30.0);
    near(revenue.expansion, 1.2);
    assert_eq!(Figures::of(&leads, &terms(None), false).revenue, None);
    assert_eq!(figures(&[lead(0, 2, -1)], None).revenue.unwrap().per_pql, Some(0.0));
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let at = |text: &str| parse_iso(text).unwrap();
    assert_eq!(By::Week.cohort(at("2025-01-05T23:59:59Z")), "2024-12-30");
    assert_eq!(By::Week.cohort(at("2025-01-06")), "2025-01-06");
    assert_eq!(By::Week.cohort(at("1969-12-31")), "1969-12-29");
    assert_eq!(By::Month.cohort(at("2025-01-31T12:00:00Z")), "2025-01");
}

#[test]
fn sign_ups_are_set_against_the_visitors_of_their_days() {
    let traffic =
        Traffic::of([(0, 10), (DAY, 30)].into_iter(), [5, DAY + 5, DAY + 6, 2 * DAY].into_iter());
    assert_eq!((traffic.visitors, traffic.sign_ups, traffic.sign_ups_on_other_days), (40, 3, 1));
    near(traffic.share, 0.075);
    let few = Traffic::of(std::iter::once((0, 1)), [5, 6].into_iter());
    assert_eq!(few.share, None);
}
