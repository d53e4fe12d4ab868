//! Accounts that are not in the account list from some day on, as when ids change their writing.

use std::collections::{BTreeMap, BTreeSet};

use super::raw_events::RawEvents;
use super::raw_source::unknown_number;
use super::volume::{DailyVolume, DayCounts};
use crate::error::{Error, Result};

/// Number of ids shown in the message.
const SHOWN: usize = 3;

/// Checks that the share of events of unknown accounts does not jump on some day.
///
/// A jump is a day on which the share rises by at least 50 percentage points from the 7 days before
/// to the 7 days from then on, while the events of known accounts at least halve. It counts if at
/// least two unknown accounts begin on the day or later, and if there are 20 events in each week or
/// one of these ids is a known id in another writing.
///
/// # Arguments
/// * `until` – end of the log if it is set, µs UTC; later days do not count
/// # Errors
/// * [`Error::AccountIdsChange`]: the share jumps in a source
pub(super) fn check(raw: &RawEvents, volume: &DailyVolume, until: Option<i64>) -> Result<()> {
    /// Events of each week that are enough without a known id in another writing.
    const MIN_EVENTS: u64 = 20;
    for (source, days) in volume.sources.iter().enumerate() {
        let days = &days[..volume.days_before(until)];
        let Some((day, before, after)) = jump(days) else { continue };
        let ids = Ids::collect(raw, source, volume, day)?;
        let pairs = ids.other_writings(raw);
        let enough = before.total().min(after.total()) >= MIN_EVENTS || !pairs.is_empty();
        if ids.new.len() < 2 || !enough {
            continue;
        }
        let (known, unknown) = if pairs.is_empty() {
            (
                ids.known.iter().copied().take(SHOWN).collect(),
                ids.new.iter().copied().take(SHOWN).collect(),
            )
        } else {
            pairs.into_iter().take(SHOWN).unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let owned = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect();
        return Err(Error::AccountIdsChange {
            path: raw.sources[source].quality.source.clone(),
            day: volume.local_day(day),
            known: owned(known),
            unknown: owned(unknown),
            share_before: before.share(),
            share_after: after.share(),
        });
    }
    Ok(())
}

/// The events of known and unknown accounts in some days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Week {
    known: u64,
    unknown: u64,
}

impl Week {
    fn new(days: &[DayCounts]) -> Self {
        Self {
            known: days.iter().map(|day| day.known).sum(),
            unknown: days.iter().map(|day| day.unknown).sum(),
        }
    }

    fn total(self) -> u64 {
        self.known + self.unknown
    }

    /// Returns the share of events of unknown accounts.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn share(self) -> f64 {
        self.unknown as f64 / self.total().max(1) as f64
    }
}

/// Returns the day with the clearest jump of the share of unknown accounts, and the weeks before it
/// and from it on.
fn jump(days: &[DayCounts]) -> Option<(usize, Week, Week)> {
    const WEEK: usize = 7;
    const MIN_JUMP: f64 = 0.5;
    let mut clearest: Option<(f64, (usize, Week, Week))> = None;
    for day in (1..days.len()).filter(|day| days[*day].unknown > 0) {
        let before = Week::new(&days[day.saturating_sub(WEEK)..day]);
        let after = Week::new(&days[day..(day + WEEK).min(days.len())]);
        let rise = after.share() - before.share();
        let halves = 2 * after.known <= before.known;
        if before.known == 0 || rise < MIN_JUMP || !halves {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "a weight")]
        let [a, b] = [before, after].map(|week| week.total() as f64);
        let clearness = rise * rise * a * b / (a + b);
        if clearest.as_ref().is_none_or(|(most, _)| clearness > *most) {
            clearest = Some((clearness, (day, before, after)));
        }
    }
    clearest.map(|(_, jump)| jump)
}

/// Ids of a source around a day.
struct Ids<'a> {
    /// Known accounts with events before the day, those with the most events first.
    known: Vec<&'a str>,
    /// Unknown accounts with events only from the day on, those with the most events first.
    new: Vec<&'a str>,
}

impl<'a> Ids<'a> {
    fn collect(
        raw: &'a RawEvents,
        source: usize,
        volume: &DailyVolume,
        day: usize,
    ) -> Result<Self> {
        let start = volume.start_of(day);
        let mut known = vec![0_u64; raw.accounts.len()];
        let (mut new, mut old) = (BTreeMap::new(), BTreeSet::new());
        for block in &raw.sources[source].blocks {
            let (accounts, times) =
                (block.account.get(&raw.spill)?, block.event_times(&raw.spill)?);
            for (index, account) in accounts.iter().enumerate() {
                let is_new = times.known_at(index) >= start;
                match unknown_number(*account) {
                    Some(number) if is_new => *new.entry(number).or_insert(0_u64) += 1,
                    Some(number) => drop(old.insert(number)),
                    None if is_new => {}
                    None => known.get_mut(*account as usize).into_iter().for_each(|n| *n += 1),
                }
            }
        }
        new.retain(|number, _| !old.contains(number) && (*number as usize) < raw.unknown.len());
        Ok(Self {
            known: most_first(
                known.into_iter().zip(raw.accounts.iter()).filter(|(events, _)| *events > 0),
            ),
            new: most_first(new.into_iter().map(|(code, n)| (n, raw.unknown.name(code)))),
        })
    }

    /// Returns pairs of a known id and a new id that write the same account differently: in another
    /// case, with other separators or leading zeros, or with a prefix or suffix.
    fn other_writings(&self, raw: &'a RawEvents) -> Vec<(&'a str, &'a str)> {
        let wanted: BTreeSet<String> = self.new.iter().flat_map(|new| keys(new)).collect();
        let mut by_key: BTreeMap<String, &str> = BTreeMap::new();
        for known in raw.accounts.iter() {
            for key in keys(known).into_iter().filter(|key| wanted.contains(key)) {
                by_key.entry(key).or_insert(known);
            }
        }
        let mut known = BTreeSet::new();
        let find = |new: &&'a str| {
            let whole = tokens(new).concat();
            let is_other = |key: &String| {
                // A part of both ids is no evidence.
                by_key
                    .get(key)
                    .copied()
                    .filter(|known| *key == whole || *key == tokens(known).concat())
            };
            keys(new).iter().find_map(is_other).map(|known| (known, *new))
        };
        // Many ids that share a known part, such as a prefix, are no other writings of it.
        self.new.iter().filter_map(find).filter(|(id, _)| known.insert(*id)).collect()
    }
}

fn most_first<'a>(ids: impl Iterator<Item = (u64, &'a str)>) -> Vec<&'a str> {
    let mut ids: Vec<(u64, &str)> = ids.collect();
    ids.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    ids.into_iter().map(|(_, id)| id).collect()
}

/// Splits an id into its words and numbers, in lower case and without leading zeros.
fn tokens(id: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut last = None;
    for c in id.chars() {
        let kind = c.is_alphanumeric().then(|| c.is_numeric());
        if let Some(is_number) = kind {
            if last != kind {
                tokens.push(String::new());
            }
            let token = tokens.last_mut().expect("it was just pushed");
            if is_number && token == "0" {
                token.clear();
            }
            token.extend(c.to_lowercase());
        }
        last = kind;
    }
    tokens
}

/// Returns the keys under which an id may be written: all of its words, and those at its start or
/// end.
fn keys(id: &str) -> Vec<String> {
    let tokens = tokens(id);
    let ends = (0..tokens.len()).map(|n| tokens[n..].concat());
    ends.chain((1..tokens.len()).map(|n| tokens[..n].concat())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_of_an_id_are_compared() {
        for (one, other) in [
            ("7", "A-7"),
            ("acme", "ACME"),
            ("7", "0007"),
            ("acme.com", "https://acme.com"),
            ("12", "workspace_12"),
            ("7", "7:eu"),
            ("ab12-cd", "AB12CD"),
        ] {
            let (a, b) = (keys(one), keys(other));
            assert!(b.contains(&a[0]) || a.contains(&b[0]), "{one} {other}: {a:?} {b:?}");
        }
        assert!(!keys("A-17").contains(&keys("7")[0]));
        assert_eq!(tokens("a00-010é"), ["a", "0", "10", "é"]);
    }

    #[test]
    fn only_an_abrupt_change_is_a_jump() {
        let day = |known, unknown| DayCounts { known, unknown, ..DayCounts::default() };
        let changed = [vec![day(100, 2); 20], vec![day(0, 95); 20]].concat();
        let (at, before, after) = jump(&changed).unwrap();
        assert_eq!((at, before.known, after.unknown), (20, 700, 665));
        // A list that gets older, and new anonymous traffic.
        let older: Vec<_> = (0..100).map(|n| day(100 - n, n)).collect();
        assert_eq!(jump(&older), None);
        let traffic = [vec![day(100, 2); 20], vec![day(100, 900); 20]].concat();
        assert_eq!(jump(&traffic), None);
    }
}
