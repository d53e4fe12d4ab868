//! Times that suddenly fall on whole minutes, hours or days.

use pql_stats::counts::share;

use super::RECENT;
use super::series::{Affected, Context, Scope, most_specific};
use crate::log::daily::GRANULARITIES;
use crate::warning::LogFault;

/// Days before the checked ones whose share of round times is the reference.
const REFERENCE_DAYS: usize = 56;
/// Fewest reference days with events.
const MIN_REFERENCE_DAYS: usize = 14;
/// Smallest number of events of a day for its share to count.
const MIN_EVENTS: u32 = 10;

/// Events, and those at round times, by day.
#[derive(Clone)]
struct RoundCounts {
    events: Vec<u32>,
    /// Newest days, of each of [`GRANULARITIES`].
    round: Vec<[u32; 3]>,
}

/// A series whose times became rounder.
struct Rounded {
    affected: Affected,
    /// Index in [`GRANULARITIES`].
    unit: usize,
    share: f64,
    reference: f64,
}

/// Finds series whose times became rounder: on some newest day at least half of the times that were
/// not round before are round, and no reference day had such a share.
pub(super) fn round_times(context: &Context<'_>) -> Vec<LogFault> {
    let scopes = context.all().map(|series| series.scope);
    let found = scopes.filter_map(|scope| {
        RoundCounts::new(context, scope)?.rounded(context, scope, 0..GRANULARITIES.len())
    });
    let persists = |rounded: &Rounded, parts: &[Scope]| {
        let Some(mut counts) = RoundCounts::new(context, rounded.affected.scope) else {
            return true;
        };
        parts.iter().filter_map(|part| RoundCounts::new(context, *part)).for_each(|part| {
            counts.subtract(&part);
        });
        let scope = rounded.affected.scope;
        let days = rounded.affected.days.clone();
        counts.events[days].iter().all(|events| *events == 0)
            || counts.rounded(context, scope, rounded.unit..rounded.unit + 1).is_some()
    };
    let found = most_specific(context, found.collect(), &[], |rounded| &rounded.affected, persists);
    let fault = |rounded: Rounded| {
        let [source, event] = context.names(rounded.affected.scope);
        LogFault::RoundTimes {
            source,
            from: context.day(rounded.affected.days.start),
            unit: GRANULARITIES[rounded.unit].0.to_owned(),
            share: rounded.share,
            reference: rounded.reference,
            event,
        }
    };
    found.into_iter().map(fault).collect()
}

impl RoundCounts {
    /// Returns the counts of a scope; `None` if round times are not counted.
    fn new(context: &Context<'_>, scope: Scope) -> Option<Self> {
        let events = context.series(scope)?.counts.clone();
        let round = match scope {
            Scope::Log => {
                let mut sum = vec![[0; 3]; context.days()];
                let sources =
                    context.daily.sources.iter().flat_map(|source| source.round.iter().enumerate());
                sources.for_each(|(day, round)| {
                    sum[day].iter_mut().zip(round).for_each(|(sum, count)| *sum += count);
                });
                sum
            }
            Scope::Source(source) => context.daily.sources[source].round.clone(),
            Scope::Event(code) => context.daily.events[code].round.clone(),
        };
        (!round.is_empty()).then_some(Self { events, round })
    }

    /// Removes the events of a part.
    fn subtract(&mut self, part: &Self) {
        let events = self.events.iter_mut().zip(&part.events);
        events.for_each(|(all, part)| *all = all.saturating_sub(*part));
        // The newest days of both are the same.
        for (all, part) in self.round.iter_mut().rev().zip(part.round.iter().rev()) {
            all.iter_mut().zip(part).for_each(|(all, part)| *all = all.saturating_sub(*part));
        }
    }

    /// Returns the round times of a day.
    fn round_on(&self, day: usize, unit: usize) -> u32 {
        let index = (day + self.round.len()).checked_sub(self.events.len());
        index.map_or(0, |index| self.round[index][unit])
    }

    /// Returns the coarsest unit to which the newest times are rounded.
    fn rounded(
        &self,
        context: &Context<'_>,
        scope: Scope,
        units: std::ops::Range<usize>,
    ) -> Option<Rounded> {
        let n = context.days();
        let recent = n.saturating_sub(RECENT)..n;
        let reference: Vec<usize> = (recent.start.saturating_sub(REFERENCE_DAYS)..recent.start)
            .filter(|day| self.events[*day] > 0)
            .collect();
        if reference.len() < MIN_REFERENCE_DAYS {
            return None;
        }
        units.rev().find_map(|unit| {
            let pooled = |days: &[usize]| {
                let sum = |count: &dyn Fn(usize) -> u32| -> u64 {
                    days.iter().map(|day| u64::from(count(*day))).sum()
                };
                share(sum(&|day| self.round_on(day, unit)), sum(&|day| self.events[day]))
            };
            let is_counted = |day: &usize| self.events[*day] >= MIN_EVENTS;
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
            days.first().map(|first| Rounded {
                affected: Affected { scope, days: *first..n },
                unit,
                share: pooled(&days),
                reference: usual,
            })
        })
    }
}
