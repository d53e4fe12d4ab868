//! Event types of a whole source.

use std::collections::HashMap;
use std::ops::ControlFlow;

use polars::prelude::DataFrame;

use super::columns::GuessedEventColumns;
use super::naming::EventTypeSource;
use super::sample::{Sample, flag};
use crate::error::Result;
use crate::io::read::{FileOptions, Source};
use crate::log::cells;

/// Maximum number of rows read of a source.
pub(super) const ROWS: u64 = 100_000_000;

/// Frequencies of the event types of a source.
#[derive(Debug, Clone)]
pub(super) struct EventTypeCounts {
    /// Event types of rows with an account, most frequent first, then by bytes.
    pub(super) names: Vec<(String, u64)>,
    /// Rows read.
    pub(super) rows: u64,
    /// Whether all rows of the source were read.
    pub(super) whole: bool,
}

impl EventTypeCounts {
    /// Counts the event types of a source.
    pub(super) fn count(sample: &Sample, columns: &GuessedEventColumns) -> Result<Self> {
        let account = columns.account.name().map(str::to_owned);
        // Without an account column, any column has one value for each row.
        let first = || sample.columns.first().map(|column| column.name.clone());
        let Some(account) = account.or_else(first) else {
            return Ok(Self { names: Vec::new(), rows: 0, whole: true });
        };
        let mut wanted = vec![account.clone()];
        match &columns.naming {
            EventTypeSource::Column(name) | EventTypeSource::Stages(name) => {
                wanted.push(name.clone());
            }
            EventTypeSource::Unpivot { columns, .. } => wanted.extend(columns.iter().cloned()),
            EventTypeSource::One(_) => {}
        }
        wanted.dedup();
        let (mut counts, mut rows) = (HashMap::new(), 0);
        let whole = visit(sample, &wanted, &mut |frame| {
            rows += frame.height() as u64;
            count_frame(frame, &account, &columns.naming, &mut counts)
        })?;
        let mut names: Vec<(String, u64)> = counts.into_iter().collect();
        names.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(Self { names, rows, whole })
    }
}

/// Returns whether a time format reads all values of a column, up to the row limit.
pub(super) fn all_fit(sample: &Sample, column: &str, format: &str) -> Result<bool> {
    let mut fits = true;
    visit(sample, &[column.to_owned()], &mut |frame| {
        for column in frame.columns() {
            let texts = cells::text(column)?;
            fits &=
                super::times::fits(texts.iter().flatten().filter(|v| !v.trim().is_empty()), format);
        }
        Ok(())
    })?;
    Ok(fits)
}

/// Visits columns of all files up to the row limit; returns whether all rows were read.
fn visit(
    sample: &Sample,
    columns: &[String],
    take: &mut dyn FnMut(&DataFrame) -> Result<()>,
) -> Result<bool> {
    let mut rows = 0;
    let mut source = Source::open(&sample.path, FileOptions::default())?;
    for index in 0..source.len() {
        let read = source.read_batches(index, columns, &mut |batch| {
            if rows >= ROWS {
                return Ok(ControlFlow::Break(()));
            }
            rows += batch.frame.height() as u64;
            take(&batch.frame).map(ControlFlow::Continue)
        });
        if read?.is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn count_frame(
    frame: &DataFrame,
    account: &str,
    naming: &EventTypeSource,
    counts: &mut HashMap<String, u64>,
) -> Result<()> {
    let mut add = |name: &str| match counts.get_mut(name) {
        Some(n) => *n += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    };
    let column = |name: &str| {
        let found = frame.columns().iter().find(|c| c.name() == name);
        found.map(cells::text).transpose()
    };
    let Some(accounts) = column(account)? else { return Ok(()) };
    let present = |text: Option<&str>| text.is_some_and(|t| !t.is_empty());
    match naming {
        EventTypeSource::One(name) => {
            accounts.iter().filter(|a| present(*a)).for_each(|_| add(name));
        }
        EventTypeSource::Column(name) | EventTypeSource::Stages(name) => {
            let Some(events) = column(name)? else { return Ok(()) };
            let named =
                accounts.iter().zip(events.iter()).filter(|(a, e)| present(*a) && present(*e));
            named.filter_map(|(_, event)| event).for_each(add);
        }
        EventTypeSource::Unpivot { columns, .. } => {
            for name in columns {
                let Some(flags) = column(name)? else { continue };
                let set = accounts.iter().zip(flags.iter()).filter(|(a, f)| {
                    present(*a) && f.is_some_and(|f| flag(f.trim()) != Some(false))
                });
                set.filter(|(_, f)| present(*f)).for_each(|_| add(name));
            }
        }
    }
    Ok(())
}
