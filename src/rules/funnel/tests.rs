use pql_stats::survival::FollowUp;

use super::*;
use crate::time::{DAY, NEVER, parse_iso};

/// Creates an account from the days of its sign-up, first match and conversion; −1 means never.
fn journey(signed_up: i64, first_match: i64, converted: i64) -> AccountJourney {
    let time = |day: i64| if day < 0 { NEVER } else { day * DAY };
    AccountJourney {
        signed_up: signed_up * DAY,
        first_match: (first_match >= 0).then_some(first_match * DAY),
        converted: time(converted),
        churned: NEVER,
        revenue: f64::NAN,
        first_revenue: f64::NAN,
    }
}

fn window(within: Option<i64>) -> FunnelWindow {
    FunnelWindow {
        zone: crate::time::Zone::default(),
        within: within.map(|days| days * DAY),
        horizon: 10 * DAY,
        until: 100 * DAY,
        date_only: false,
    }
}

fn metrics(journeys: &[AccountJourney], within: Option<i64>) -> FunnelMetrics {
    FunnelMetrics::compute(journeys, &window(within), true)
}

fn counts(rate: &Rate) -> (u64, u64, u64) {
    (rate.count, rate.mature, rate.immature)
}

fn near(a: Option<f64>, b: f64) {
    assert!((a.unwrap() - b).abs() < 1e-12, "{a:?} is not {b}");
}

#[test]
fn accounts_that_convert_before_the_match_are_not_pqls() {
    let journeys = [
        journey(0, 2, 5),
        journey(0, 2, 2),
        journey(0, 5, 2),
        journey(0, -1, 4),
        journey(0, 3, -1),
        journey(0, -1, -1),
    ];
    let found = metrics(&journeys, Some(7));
    assert_eq!((found.sign_ups, found.pqls, found.customers), (6, 3, 2));
    assert_eq!(
        (found.already_customers, found.customers_without_match, found.customers_same_day),
        (1, 1, 1)
    );
    assert_eq!(counts(&found.sign_up_to_pql), (3, 6, 0));
    assert_eq!(counts(&found.pql_to_customer), (2, 3, 0));
    assert_eq!(counts(&found.sign_up_to_customer), (4, 6, 0));
    assert_eq!((found.median_days_to_pql, found.median_days_to_customer), (Some(2.0), Some(1.5)));
}

#[test]
fn only_mature_accounts_count_in_rates() {
    // The log ends on day 100. The horizon of a PQL on day 91 is not over, although it has
    // converted.
    let journeys =
        [journey(80, 82, 84), journey(90, 91, 92), journey(95, 96, -1), journey(93, -1, -1)];
    let found = metrics(&journeys, Some(7));
    assert_eq!(counts(&found.sign_up_to_pql), (2, 3, 1));
    assert_eq!(counts(&found.pql_to_customer), (1, 1, 2));
    assert_eq!(counts(&found.sign_up_to_customer), (2, 2, 2));
    let landmark = found.landmark.unwrap();
    assert_eq!((landmark.pqls.mature, landmark.pqls.immature, landmark.others.immature), (0, 2, 1));
    assert_eq!(found.pqls, 3, "counts include immature accounts");
}

#[test]
fn without_a_limit_the_horizon_applies_and_there_is_no_landmark() {
    let found = metrics(&[journey(0, 9, -1), journey(0, 10, -1), journey(0, 60, -1)], None);
    assert_eq!((found.pqls, counts(&found.sign_up_to_pql)), (3, (1, 3, 0)));
    assert_eq!(found.landmark, None);
}

#[test]
fn only_accounts_that_have_not_converted_count_at_the_landmark() {
    let mut churned = journey(0, 1, -1);
    churned.churned = 6 * DAY;
    let mut churned_later = journey(0, -1, -1);
    churned_later.churned = 8 * DAY;
    let journeys = [
        journey(0, 2, 7),
        journey(0, 2, 16),
        journey(0, 2, 17),
        journey(0, 2, -1),
        journey(0, 2, 6),
        journey(0, -1, 3),
        churned,
        journey(0, 8, 9),
        journey(0, -1, -1),
        journey(0, -1, -1),
        churned_later,
    ];
    let landmark = metrics(&journeys, Some(7)).landmark.unwrap();
    assert_eq!((landmark.converted_before, landmark.churned_before), (2, 1));
    assert_eq!(counts(&landmark.pqls), (2, 4, 0), "day 7 is in the horizon, day 17 is not");
    assert_eq!(counts(&landmark.others), (1, 4, 0), "a PQL from day 8 on is not a PQL on day 7");
    near(landmark.lift, 2.0);
    let error = (0.5 - 0.25 + 1.0 - 0.25_f64).sqrt();
    near(
        landmark.lift_interval.map(|interval| interval.high),
        2.0 * (pql_stats::intervals::Z_95 * error).exp(),
    );
    let none = metrics(&[journey(0, 2, 8), journey(0, -1, -1)], Some(7)).landmark.unwrap();
    assert_eq!((none.lift, none.lift_interval), (None, None), "no other converts");
    let nobody = metrics(&[journey(0, 2, -1), journey(0, -1, 8)], Some(7)).landmark.unwrap();
    assert_eq!((nobody.lift, nobody.lift_interval), (Some(0.0), None));
}

#[test]
fn kaplan_meier_curve_matches_a_manual_calculation() {
    // Day 1: 1 of 5 at risk converts. Day 2: one is censored. Day 4: 1 of 3 converts. Day 8: the
    // last two are censored.
    let followed = [(1, true), (2, false), (4, true), (8, false), (8, false)]
        .map(|(day, reached)| FollowUp { time: day * DAY, reached });
    let curve = KaplanMeier::fit(followed.to_vec());
    let at_day = |day: i64| curve.reached(day * DAY);
    assert_eq!((at_day(0).share, at_day(0).interval, at_day(0).at_risk), (Some(0.0), None, 5));
    near(at_day(1).share, 0.2);
    near(at_day(4).share, 1.0 - 0.8 * 2.0 / 3.0);
    assert_eq!((at_day(8).at_risk, at_day(8).share), (2, at_day(4).share));
    assert_eq!((at_day(9).at_risk, at_day(9).share, at_day(9).interval), (0, None, None));
    let error = (1.0 / 20.0 + 1.0 / 6.0_f64).sqrt() / -(0.8 * 2.0 / 3.0_f64).ln();
    let Interval { low, high } = at_day(4).interval.unwrap();
    near(Some(high), 1.0 - (0.8 * 2.0 / 3.0_f64).powf((pql_stats::intervals::Z_95 * error).exp()));
    assert!(0.0 < low && low < at_day(4).share.unwrap() && high < 1.0);
    let all =
        KaplanMeier::fit([DAY, 3 * DAY].map(|time| FollowUp { time, reached: true }).to_vec())
            .reached(30 * DAY);
    assert_eq!((all.share, all.interval), (Some(1.0), None), "all converted");
    assert_eq!(KaplanMeier::fit(Vec::new()).reached(0).share, None);
}

#[test]
fn churned_accounts_count_as_not_converted() {
    let mut churned = journey(0, 1, -1);
    churned.churned = 3 * DAY;
    let journeys = [churned, journey(0, 1, 6)];
    let after = metrics(&journeys, Some(7)).converted_after[0];
    assert_eq!((after.days, after.at_risk, after.share), (7, 1, Some(0.5)));
    assert_eq!(after.if_none_churned, Some(1.0));
    let long = metrics(&journeys, Some(7)).converted_after[3];
    assert_eq!((long.days, long.share), (90, Some(0.5)));
    let young = FunnelMetrics::compute(&[journey(0, 80, -1)], &window(None), false).converted_after;
    assert_eq!((young[1].share, young[2].share), (Some(0.0), None), "followed for 20 days");
}

#[test]
fn revenue_covers_the_pqls_of_the_conversion_rate() {
    let customer = |revenue: f64, first_revenue: f64| AccountJourney {
        revenue,
        first_revenue,
        ..journey(0, 2, 5)
    };
    let mut late = journey(0, 2, 40);
    late.revenue = 1_000.0;
    let mut other = journey(0, -1, 40);
    other.revenue = 30.0;
    let journeys = [
        customer(120.0, 100.0),
        customer(60.0, f64::NAN),
        customer(f64::NAN, f64::NAN),
        late,
        journey(0, 2, -1),
        journey(0, 2, -1),
        other,
    ];
    let revenue = metrics(&journeys, Some(7)).revenue.unwrap();
    assert_eq!((revenue.customers, revenue.unknown), (2, 1));
    near(revenue.per_customer, 90.0);
    near(revenue.per_pql, 45.0);
    near(revenue.per_other_customer, 30.0);
    near(revenue.expansion, 1.2);
    assert_eq!(FunnelMetrics::compute(&journeys, &window(None), false).revenue, None);
    assert_eq!(metrics(&[journey(0, 2, -1)], None).revenue.unwrap().per_pql, Some(0.0));
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let time = |text: &str| parse_iso(text).unwrap();
    assert_eq!(CohortPeriod::Week.cohort(time("2025-01-05T23:59:59Z")), "2024-12-30");
    assert_eq!(CohortPeriod::Week.cohort(time("2025-01-06")), "2025-01-06");
    assert_eq!(CohortPeriod::Week.cohort(time("1969-12-31")), "1969-12-29");
    assert_eq!(CohortPeriod::Month.cohort(time("2025-01-31T12:00:00Z")), "2025-01");
}

#[test]
fn sign_ups_are_compared_with_visitors_of_the_same_days() {
    let traffic = Traffic::compute(
        [(0, 10), (DAY, 30)].into_iter(),
        [5, DAY + 5, DAY + 6, 2 * DAY].into_iter(),
    );
    assert_eq!((traffic.visitors, traffic.sign_ups, traffic.sign_ups_on_other_days), (40, 3, 1));
    near(traffic.share, 0.075);
    let few = Traffic::compute(std::iter::once((0, 1)), [5, 6].into_iter());
    assert_eq!(few.share, None);
}
