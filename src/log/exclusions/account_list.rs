//! Own and test accounts, and accounts outside of the territory, by the account list.

use std::path::Path;

use super::Exclusions;
use super::read::Reader;
use crate::error::Result;
use crate::io::read::{self, FileOptions, RowBatch, Source};
use crate::log::cells::{self, CellLocation, NO_TIME, TimeColumn, TimeText};
use crate::log::columns::require;

/// A row of the account list.
struct ListRow {
    /// Code of the account; `None` if the log does not have it.
    account: Option<usize>,
    is_internal: bool,
    is_outside: bool,
}

/// The columns of the account list.
struct ListColumns {
    account: String,
    /// Time from which a row counts; `None`: one row per account.
    valid_from: Option<String>,
}

impl Reader<'_> {
    /// Reads the flag of internal accounts and the columns of the territory. With several rows per
    /// account, the newest one before the end of the log counts.
    pub(super) fn read_account_list(&self, exclusions: &mut Exclusions) -> Result<()> {
        if self.eligibility.internal.is_none() && self.eligibility.territory.is_empty() {
            return Ok(());
        }
        let (path, _) = self.account_list();
        let list_format = self.config.accounts.as_ref().and_then(|list| list.file_format);
        let options = FileOptions::new(self.config.input.max_line, list_format);
        let mut files = Source::open(&path, options)?;
        let (columns, names) = self.list_columns(&files)?;
        let list = self.config.accounts.as_ref();
        let format = list.and_then(|list| list.format.as_deref());
        let mut from = TimeColumn::in_zone(self.zone);
        let mut rows: Vec<ListRow> = Vec::new();
        // File and row of each time.
        let mut places: Vec<(usize, u64)> = Vec::new();
        for index in 0..files.len() {
            let file = files.file(index).to_owned();
            files.read(index, &names, &[], &mut |batch| {
                if let Some(column) = &columns.valid_from {
                    let first_row = batch.first_row;
                    let location = CellLocation { path: &file, column, first_row, rows: &[] };
                    let written = TimeText { format, null: &self.null };
                    from.push(read::column(&file, &batch.frame, column)?, written, location)?;
                    places.extend((first_row..).take(batch.frame.height()).map(|row| (index, row)));
                }
                rows.extend(self.list_rows(&batch, &file, &columns)?);
                Ok(())
            })?;
        }
        let place = |index: usize| {
            let (file, row) = places[index];
            (files.file(file).to_owned(), row)
        };
        let from = match &columns.valid_from {
            Some(column) => from.finish_located(column, place)?.0,
            None => Vec::new(),
        };
        let mut newest: Vec<Option<(i64, ListRow)>> = Vec::new();
        newest.resize_with(exclusions.outside.len(), || None);
        for (index, row) in rows.into_iter().enumerate() {
            let from = from.get(index).copied().unwrap_or(NO_TIME);
            let Some(account) = row.account.filter(|_| from < self.until) else { continue };
            if newest[account].as_ref().is_none_or(|(other, _)| from >= *other) {
                newest[account] = Some((from, row));
            }
        }
        for (account, row) in newest.into_iter().enumerate() {
            let Some((_, row)) = row else { continue };
            exclusions.internal[account] |= row.is_internal;
            exclusions.outside[account] = row.is_outside;
        }
        Ok(())
    }

    /// Returns the columns of the account list, and the names of all columns to read.
    fn list_columns(&self, files: &Source) -> Result<(ListColumns, Vec<String>)> {
        let (_, account) = self.account_list();
        let account = require(files, account, "account_id", "`accounts.account`")?;
        let internal = self.eligibility.internal.iter();
        let internal = internal.map(|column| (column, "`eligibility.internal`"));
        let territory = self.eligibility.territory.keys();
        let territory = territory.map(|column| (column, "`eligibility.territory`"));
        let mut names = vec![account.clone()];
        for (column, key) in internal.chain(territory) {
            names.push(require(files, Some(column), "", key)?);
        }
        let list = self.config.accounts.as_ref().filter(|list| list.history);
        let valid_from = list.map(|list| {
            require(files, list.valid_from.as_ref(), "valid_from", "`accounts.valid_from`")
        });
        let valid_from = valid_from.transpose()?;
        names.extend(valid_from.clone());
        names.sort_unstable();
        names.dedup();
        Ok((ListColumns { account, valid_from }, names))
    }

    /// Returns the rows of a batch.
    fn list_rows(
        &self,
        batch: &RowBatch,
        file: &Path,
        columns: &ListColumns,
    ) -> Result<Vec<ListRow>> {
        let first_row = batch.first_row;
        let location = |column| CellLocation { path: file, column, first_row, rows: &[] };
        let column = |name: &str| read::column(file, &batch.frame, name);
        let ids = cells::ids(column(&columns.account)?, location(&columns.account))?;
        let mut rows: Vec<ListRow> = ids
            .iter()
            .map(|id| ListRow {
                account: id.and_then(|id| self.accounts.code(id)),
                is_internal: false,
                is_outside: false,
            })
            .collect();
        if let Some(name) = &self.eligibility.internal {
            let flags = cells::flags(column(name)?, location(name), &self.null)?;
            rows.iter_mut().zip(flags).for_each(|(row, flag)| row.is_internal = flag);
        }
        for (name, allowed) in &self.eligibility.territory {
            let values = cells::text(column(name)?)?;
            for (row, value) in rows.iter_mut().zip(values.iter()) {
                let value = value.map(cells::level).unwrap_or_default();
                row.is_outside |= !allowed.iter().any(|level| cells::level(level) == value);
            }
        }
        Ok(rows)
    }
}
