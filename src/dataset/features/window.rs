//! Turns the counts of a pass into the features of each window.

use pql_stats::counts::count;

use super::catalog::{PER_WINDOW, VELOCITIES, age_of};
use super::kernel::{EventView, Kernel};
use super::window_counts::WindowCounts;

impl Kernel<'_> {
    /// Turns counts by shortest window into counts of whole windows by cumulative sums.
    pub(super) fn accumulate(&mut self) {
        let plan = self.plan;
        let (k, v) = (plan.windows.len(), plan.sums.len());
        for w in 1..k {
            let (shorter, longer) = self.tallies.split_at_mut(w);
            longer[0].add(&shorter[w - 1]);
            for index in 0..v {
                self.sums[w * v + index] += self.sums[(w - 1) * v + index];
            }
        }
        for (touched, counts) in [
            (&self.touched_users, &mut self.user_count),
            (&self.touched_events, &mut self.event_count),
        ] {
            for index in touched {
                for w in index * k + 1..(index + 1) * k {
                    counts[w] += counts[w - 1];
                }
            }
        }
    }

    /// Writes the features of one window.
    pub(super) fn write_window(&self, view: EventView<'_>, cutoff: i64, w: usize, out: &mut [f64]) {
        let plan = self.plan;
        let tally = &self.tallies[w];
        let (fixed, rest) = out.split_at_mut(PER_WINDOW.len());
        fixed.copy_from_slice(&[
            f64::from(tally.events),
            f64::from(tally.logins),
            f64::from(tally.login_days),
            f64::from(tally.active_days),
            f64::from(tally.users),
            f64::from(tally.names),
            self.entropy(w),
            self.top_share(w),
            f64::from(tally.sessions),
            f64::from(tally.invites),
            f64::from(tally.limit_hits),
            f64::from(tally.hand_raises),
        ]);
        let mut rest = self.write_changes(cutoff - view.signed_up, w, rest);
        if let Some(seats) = view.seats {
            let (utilization, after) = rest.split_at_mut(1);
            utilization[0] = if seats > 0.0 { f64::from(tally.users) / seats } else { f64::NAN };
            rest = after;
        }
        let (counts, sums) = rest.split_at_mut(plan.counted.len());
        let k = plan.windows.len();
        for (out, code) in counts.iter_mut().zip(&plan.counted) {
            let touched = code.map(usize::from).filter(|c| self.event_stamp[*c] == self.stamp);
            *out = touched.map_or(0.0, |c| f64::from(self.event_count[c * k + w]));
        }
        let v = plan.sums.len();
        sums.copy_from_slice(&self.sums[w * v..(w + 1) * v]);
    }

    /// Writes the velocities and the trend of a window, which are missing for accounts younger than
    /// the days that they compare. Returns the rest of the features of the window.
    fn write_changes<'o>(&self, age: i64, w: usize, out: &'o mut [f64]) -> &'o mut [f64] {
        let plan = self.plan;
        let (window, tally, previous) =
            (plan.windows[w], &self.tallies[w], &self.tallies[w].previous);
        let of_age = |days: i64, value: f64| if age >= age_of(days) { value } else { f64::NAN };
        let mut rest = out;
        if plan.has_velocities[w] {
            let (velocities, after) = rest.split_at_mut(VELOCITIES.len());
            let pairs = [
                (tally.events, previous.events),
                (tally.logins, previous.logins),
                (tally.users, previous.users),
                (tally.names, previous.names),
            ];
            velocities.copy_from_slice(
                &pairs.map(|(now, before)| of_age(2 * window, velocity(now, before))),
            );
            rest = after;
        }
        if plan.has_trend[w] {
            let (slope, after) = rest.split_at_mut(1);
            slope[0] = of_age(window, trend(window, tally));
            rest = after;
        }
        rest
    }

    /// Computes the Shannon entropy, in nats, of the event names in a window.
    fn entropy(&self, w: usize) -> f64 {
        let (k, events) = (self.plan.windows.len(), self.tallies[w].events);
        let shares = self
            .touched_events
            .iter()
            .map(|e| self.event_count[e * k + w])
            .filter(|n| *n > 0)
            .map(|n| f64::from(n) / f64::from(events));
        // 0 − Σ, so that a single event name gives 0 and not −0.
        0.0 - shares.map(|s| s * s.ln()).sum::<f64>()
    }

    /// Computes the share of the most active user in the events with a user; NaN without any.
    fn top_share(&self, w: usize) -> f64 {
        let k = self.plan.windows.len();
        let counts = || self.touched_users.iter().map(|u| self.user_count[u * k + w]);
        match counts().sum::<u32>() {
            0 => f64::NAN,
            all => f64::from(counts().max().unwrap_or(0)) / f64::from(all),
        }
    }
}

/// Computes the growth over the preceding window, ln((now + 1) / (before + 1)).
fn velocity(now: u32, before: u32) -> f64 {
    ((f64::from(now) + 1.0) / (f64::from(before) + 1.0)).ln()
}

/// Computes the least-squares slope of the daily counts over the days of the window, oldest first:
/// Σ(x − x̄)·count / Σ(x − x̄)².
fn trend(window: i64, tally: &WindowCounts) -> f64 {
    if window == 1 {
        return 0.0;
    }
    let w = count(window.unsigned_abs());
    // With x = w − 1 − day and x̄ = (w − 1)/2, the numerator is events·(w − 1)/2 − Σ day, and
    // Σ(x − x̄)² = (w³ − w)/12.
    (f64::from(tally.events) * (w - 1.0) / 2.0 - count(tally.days.unsigned_abs()))
        / ((w * w * w - w) / 12.0)
}
