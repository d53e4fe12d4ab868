//! Times that suddenly fall on whole minutes, hours or days.

use pql_stats::counts::share;

use super::{Context, RECENT};
use crate::log::daily::{GRANULARITIES, SourceDays};
use crate::warning::LogFault;

/// Days before the checked ones whose share of round times is the reference.
const REFERENCE_DAYS: usize = 56;
/// Fewest reference days with events.
const MIN_REFERENCE_DAYS: usize = 14;
/// Smallest number of events of a day for its share to count.
const MIN_EVENTS: u32 = 10;

/// Finds sources whose times became rounder: on some newest day at least half of the times that
/// were not round before are round, and no reference day had such a share.
pub(super) fn round_times(context: &Context<'_>) -> Vec<LogFault> {
    let sources = context.daily.sources.iter().enumerate();
    sources.filter_map(|(source, days)| of_source(context, source, days)).collect()
}

fn of_source(context: &Context<'_>, source: usize, counts: &SourceDays) -> Option<LogFault> {
    let n = context.days();
    let recent = n.saturating_sub(RECENT)..n;
    let reference: Vec<usize> = (recent.start.saturating_sub(REFERENCE_DAYS)..recent.start)
        .filter(|day| counts.by_day[*day] > 0)
        .collect();
    if reference.len() < MIN_REFERENCE_DAYS {
        return None;
    }
    // The coarsest unit is named.
    for (which, (unit, _)) in GRANULARITIES.iter().enumerate().rev() {
        let pooled = |days: &[usize]| {
            let sum = |count: &dyn Fn(usize) -> u32| -> u64 {
                days.iter().map(|day| u64::from(count(*day))).sum()
            };
            share(sum(&|day| counts.round[day][which]), sum(&|day| counts.by_day[day]))
        };
        let is_counted = |day: &usize| counts.by_day[*day] >= MIN_EVENTS;
        let usual = pooled(&reference);
        let highest = reference
            .iter()
            .filter(|day| is_counted(day))
            .map(|day| pooled(&[*day]))
            .fold(usual, f64::max);
        let is_round = |day: &usize| {
            let now = pooled(&[*day]);
            now > highest && now - usual >= 0.5 * (1.0 - usual)
        };
        let days: Vec<usize> = recent.clone().filter(is_counted).filter(is_round).collect();
        if let Some(first) = days.first() {
            return Some(LogFault::RoundTimes {
                source: context.source_name(source),
                from: context.day(*first),
                unit: (*unit).to_owned(),
                share: pooled(&days),
                reference: usual,
            });
        }
    }
    None
}
