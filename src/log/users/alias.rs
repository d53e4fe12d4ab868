//! Ids of users that were merged into others.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use crate::config::UserSource;
use crate::error::{Error, Result};
use crate::io::read::{self, FileOptions, RowBatch, Source};
use crate::log::cells::{self, CellLocation, ColumnNotes, ColumnTypes, TimeColumn, TimeText};
use crate::log::columns::{optional_column, require};
use crate::log::interner::{Interner, NO_CODE};
use crate::log::quality::SourceQuality;
use crate::warning::{DropReason, Warning};

/// A merge of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Merge {
    /// When the ids were merged, µs UTC; the smallest number: they always are.
    from: i64,
    /// Code of the new id.
    new: u32,
}

/// The merges of each old id, in the order of their times. They have no circle.
#[derive(Debug, Default)]
pub(super) struct Aliases(HashMap<u32, Vec<Merge>, RandomState>);

/// The rows of the files.
struct AliasRows<'a> {
    old: Vec<u32>,
    new: Vec<u32>,
    from: TimeColumn,
    /// File and row of each merge.
    locations: Vec<(usize, u64)>,
    columns: [&'a str; 2],
    quality: SourceQuality,
}

impl Aliases {
    /// Returns the id into which an id is merged at a time.
    pub(super) fn next(&self, user: u32, time: i64) -> Option<u32> {
        let merges = self.0.get(&user)?;
        let started = merges.partition_point(|merge| merge.from <= time);
        started.checked_sub(1).map(|index| merges[index].new)
    }

    /// Reads the merged ids, and returns their data quality.
    pub(super) fn read(
        source: &UserSource,
        types: &ColumnTypes,
        users: &mut Interner,
        (notes, warnings): (&mut ColumnNotes, &mut Vec<Warning>),
    ) -> Result<(Self, SourceQuality)> {
        let path = source.alias.as_ref().expect("the caller has checked it");
        let mut files = Source::open(path, FileOptions::new(types.max_line, None))?;
        let old = require(&files, source.alias_old.as_ref(), "old_id", "`users.alias_old`")?;
        let new = require(&files, source.alias_new.as_ref(), "new_id", "`users.alias_new`")?;
        let key = "`users.alias_from`";
        let from = optional_column(&files, source.alias_from.as_ref(), "merged_at", key)?;
        let mut names = vec![old.clone(), new.clone()];
        names.extend(from.clone());
        names.sort_unstable();
        names.dedup();
        let mut rows = AliasRows {
            old: Vec::new(),
            new: Vec::new(),
            from: TimeColumn::in_zone(types.zone),
            locations: Vec::new(),
            columns: [&old, &new],
            quality: SourceQuality::new(path, "aliases"),
        };
        rows.quality.unread = files.unread().to_vec();
        let written = TimeText { format: source.format.as_deref(), null: &types.null };
        for index in 0..files.len() {
            let file = files.file(index).to_owned();
            files.read(index, &names, &[], &mut |batch| {
                let location =
                    CellLocation { path: &file, column: "", first_row: batch.first_row, rows: &[] };
                rows.add_batch(&batch, (index, location), users, from.as_deref().zip(Some(written)))
            })?;
        }
        warnings.extend(files.warnings(|column| match column {
            _ if column == old => Some("`users.alias_old`".to_owned()),
            _ if column == new => Some("`users.alias_new`".to_owned()),
            _ => None,
        })?);
        rows.finish(&files, users, from.as_deref(), (notes, warnings))
    }

    /// Returns an id that is merged into itself over others, if there is one.
    fn circle(&self) -> Option<u32> {
        // Whether an id is on the path; the others that were visited reach no circle.
        let mut on_path: HashMap<u32, bool, RandomState> = HashMap::default();
        let mut starts: Vec<u32> = self.0.keys().copied().collect();
        starts.sort_unstable();
        for start in starts {
            // The path from the start, with the number of merges of each id that were followed.
            let mut path: Vec<(u32, usize)> = Vec::new();
            if let Entry::Vacant(entry) = on_path.entry(start) {
                entry.insert(true);
                path.push((start, 0));
            }
            while let Some((id, followed)) = path.last_mut() {
                let (id, index) = (*id, *followed);
                *followed += 1;
                let Some(merge) = self.0.get(&id).and_then(|merges| merges.get(index)) else {
                    on_path.insert(id, false);
                    path.pop();
                    continue;
                };
                match on_path.get(&merge.new) {
                    Some(true) => return Some(merge.new),
                    Some(false) => {}
                    None => {
                        on_path.insert(merge.new, true);
                        path.push((merge.new, 0));
                    }
                }
            }
        }
        None
    }
}

impl AliasRows<'_> {
    fn add_batch(
        &mut self,
        batch: &RowBatch,
        (file, location): (usize, CellLocation<'_>),
        users: &mut Interner,
        from: Option<(&str, TimeText<'_>)>,
    ) -> Result<()> {
        let RowBatch { first_row, ref frame, .. } = *batch;
        self.quality.rows += frame.height() as u64;
        let column = |name: &str| read::column(location.path, frame, name);
        let [old, new] = self.columns;
        let old = cells::ids(column(old)?, CellLocation { column: old, ..location })?;
        let new = cells::ids(column(new)?, CellLocation { column: new, ..location })?;
        for (row, (old, new)) in (first_row..).zip(old.iter().zip(new.iter())) {
            if old.is_none() || new.is_none() {
                self.quality.drop_row(DropReason::UserMissing, location.path, row);
            }
            let mut code = |id: Option<&str>| id.map_or(NO_CODE, |id| users.intern(id));
            self.old.push(code(old));
            self.new.push(code(new));
            self.locations.push((file, row));
        }
        match from {
            Some((name, written)) => {
                self.from.push(column(name)?, written, CellLocation { column: name, ..location })
            }
            None => Ok(()),
        }
    }

    fn finish(
        mut self,
        files: &Source,
        users: &Interner,
        from: Option<&str>,
        (notes, warnings): (&mut ColumnNotes, &mut Vec<Warning>),
    ) -> Result<(Aliases, SourceQuality)> {
        let place = |index: usize| {
            let (file, row) = self.locations[index];
            (files.file(file).to_owned(), row)
        };
        let bad = |index: usize, column: &str, found: String, expected: String| {
            let ((path, row), column) = (place(index), column.to_owned());
            Error::BadValue { path, row: Some(row), column, found, expected }
        };
        let mut times = vec![i64::MIN; self.old.len()];
        if let Some(column) = from {
            let (found, absent) = std::mem::take(&mut self.from).finish_located(column, place)?;
            notes.note_marks(column, found.len() as u64, absent.marks);
            warnings.extend(absent.never.warning(column.to_owned()));
            times = found;
        }
        let mut aliases = Aliases::default();
        let pairs = || self.old.iter().copied().zip(self.new.iter().copied()).enumerate();
        // An id that is merged into itself stays as it is.
        let is_merge = |old: u32, new: u32| old != NO_CODE && new != NO_CODE && old != new;
        for (index, (old, new)) in pairs().filter(|(_, (old, new))| is_merge(*old, *new)) {
            let merge = Merge { from: times[index], new };
            let merges = aliases.0.entry(old).or_default();
            if let Some(other) = merges.iter().find(|m| m.from == merge.from && m.new != new) {
                let expected = format!(
                    "one new id of `{}` at a time; another row has `{}`",
                    users.name(old),
                    users.name(other.new)
                );
                return Err(bad(index, self.columns[1], users.name(new).to_owned(), expected));
            }
            merges.push(merge);
        }
        for merges in aliases.0.values_mut() {
            merges.sort_unstable();
            merges.dedup();
        }
        if let Some(id) = aliases.circle() {
            let (index, (_, new)) =
                pairs().find(|(_, (old, new))| *old == id && old != new).expect("it is merged");
            let expected = format!("an id that is not merged into `{}` again", users.name(id));
            return Err(bad(index, self.columns[1], users.name(new).to_owned(), expected));
        }
        self.quality.records = self.quality.rows;
        self.quality.kept = self.quality.rows - self.quality.count(DropReason::UserMissing);
        Ok((aliases, self.quality))
    }
}
