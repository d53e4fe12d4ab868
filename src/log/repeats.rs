//! Counts events without an id that are exact duplicates.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::path::Path;

use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::raw_source::{Disposition, RawBlock, RawSource};
use super::spill::SpillFile;
use crate::error::Result;
use crate::time::SECOND;
use crate::warning::Warning;

/// Minimum share of repeats for a warning.
const MIN_SHARE: f64 = 0.01;

/// Number of usage events above which only a sample is compared: those whose hash is one of
/// [`SAMPLED`]. Equal events have equal hashes, so the estimated share is unbiased.
const ALL_COMPARED: usize = 1 << 22;

/// Number of hashes of which one belongs to the sample; a power of two.
const SAMPLED: u64 = 16;

/// Times rounded to minutes or more cannot distinguish the events of a user.
const COARSE: i64 = 60 * SECOND;

/// Counts of the usage events of a table without ids, over all of its sources.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Repeats {
    /// Number of events that repeat another one in every column that is read.
    repeats: u64,
    /// Number of events.
    events: u64,
}

impl Repeats {
    /// Returns a warning if the share of repeats is at least [`MIN_SHARE`].
    pub(super) fn warning(self, source: &Path) -> Option<Warning> {
        let Self { repeats, events } = self;
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = repeats as f64 / events.max(1) as f64;
        let source = source.to_owned();
        (share >= MIN_SHARE).then_some(Warning::RepeatedEvents { source, repeats, events })
    }
}

/// Counts the repeats of each table without ids, after the events are classified. Returns the index
/// of the first source of each table with its counts.
pub(super) fn count_repeats(
    sources: &[RawSource],
    spill: &SpillFile,
) -> Result<Vec<(usize, Repeats)>> {
    let mut counts = Vec::new();
    let tables = sources.iter().map(|source| source.table).max().map_or(0, |last| last + 1);
    for table in 0..tables {
        let parts = || sources.iter().filter(|source| source.table == table);
        let Some(first) = sources.iter().position(|source| source.table == table) else { continue };
        let blocks: Vec<&RawBlock> = parts().flat_map(|source| &source.blocks).collect();
        if blocks.iter().any(|block| block.id.len() > 0) {
            continue;
        }
        let events: usize = blocks.iter().map(|block| block.len()).sum();
        let sampled = if events > ALL_COMPARED { SAMPLED } else { 1 };
        let hashes = blocks.par_iter().map(|block| hashes(block, sampled, spill));
        let hashes: Vec<(Vec<u64>, bool)> = hashes.collect::<Result<_>>()?;
        // The rows of a daily table are distinct although their times are coarse.
        if !sources[first].unpivoted && hashes.iter().all(|(_, coarse)| *coarse) {
            continue;
        }
        let mut hashes: Vec<u64> = hashes.into_iter().flat_map(|(hashes, _)| hashes).collect();
        hashes.par_sort_unstable();
        let repeats = hashes.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        let (repeats, events) = (repeats * sampled, hashes.len() as u64 * sampled);
        counts.push((first, Repeats { repeats, events }));
    }
    Ok(counts)
}

/// Returns the hashes of a block's usage events, and whether all times are coarse.
///
/// # Arguments
/// * `sampled` – number of hashes of which one is returned; 1 returns all
fn hashes(block: &RawBlock, sampled: u64, spill: &SpillFile) -> Result<(Vec<u64>, bool)> {
    let times = block.event_times(spill)?;
    let (account, user, event) =
        (block.account.get(spill)?, block.user.get(spill)?, block.event.get(spill)?);
    let values = block.values.iter().map(|values| values.get(spill)).collect::<Result<Vec<_>>>()?;
    let state = FixedState::default();
    let (mut hashes, mut coarse) = (Vec::new(), true);
    for index in 0..block.len() {
        if block.dispositions[index] != Disposition::Usage {
            continue;
        }
        coarse &= times.time[index] % COARSE == 0;
        let mut hasher = state.build_hasher();
        (account[index], event[index], times.time[index], times.known_at(index)).hash(&mut hasher);
        user.get(index).hash(&mut hasher);
        values.iter().for_each(|values| values[index].to_bits().hash(&mut hasher));
        let hash = hasher.finish();
        // The high bits: the low ones order the hash tables of other code.
        if hash >> 32 & (sampled - 1) == 0 {
            hashes.push(hash);
        }
    }
    Ok((hashes, coarse))
}
