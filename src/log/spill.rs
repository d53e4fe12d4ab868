//! Columns of the log that are kept in memory, or in a temporary file where they exceed the memory
//! budget.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Mutex;

use bytemuck::Pod;

use crate::error::{Error, Result};

/// An unnamed temporary file, created when it is first needed; the system removes it when the
/// program ends for any reason.
#[derive(Debug, Default)]
pub(super) struct SpillFile {
    file: Mutex<Option<(File, u64)>>,
}

/// A column in memory or in the temporary file.
#[derive(Debug)]
pub(super) enum Stored<T> {
    InMemory(Vec<T>),
    Spilled { offset: u64, len: usize, element: PhantomData<T> },
}

impl SpillFile {
    /// Applies `work` to the file and its length.
    fn with<R>(&self, work: impl FnOnce(&mut File, &mut u64) -> std::io::Result<R>) -> Result<R> {
        let mut file = self.file.lock().expect("no thread panics while it holds the lock");
        let run = || {
            if file.is_none() {
                *file = Some((tempfile::tempfile()?, 0));
            }
            let (file, end) = file.as_mut().expect("it was just created");
            work(file, end)
        };
        // Reading fails for the same reason as writing: the device.
        run().map_err(|source| Error::Write { path: std::env::temp_dir(), source })
    }
}

impl<T: Pod> Stored<T> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::InMemory(values) => values.len(),
            Self::Spilled { len, .. } => *len,
        }
    }

    /// Returns whether the values are in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self, Self::InMemory(_))
    }

    /// Returns the size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::InMemory(values) => size_of_val(values.as_slice()),
            Self::Spilled { .. } => 0,
        }
    }

    /// Moves the values to the temporary file.
    pub(super) fn spill(&mut self, spill: &SpillFile) -> Result<()> {
        let Self::InMemory(values) = self else { return Ok(()) };
        let offset = spill.with(|file, end| {
            let offset = *end;
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(bytemuck::cast_slice(values))?;
            *end += size_of_val(values.as_slice()) as u64;
            Ok(offset)
        })?;
        *self = Self::Spilled { offset, len: values.len(), element: PhantomData };
        Ok(())
    }

    /// Returns all values.
    pub(super) fn get(&self, spill: &SpillFile) -> Result<Cow<'_, [T]>> {
        self.slice(spill, 0..self.len())
    }

    /// Returns a range of the values.
    pub(super) fn slice(&self, spill: &SpillFile, range: Range<usize>) -> Result<Cow<'_, [T]>> {
        match self {
            Self::InMemory(values) => Ok(Cow::Borrowed(&values[range])),
            Self::Spilled { offset, .. } => {
                let mut values = vec![T::zeroed(); range.len()];
                spill.with(|file, _| {
                    file.seek(SeekFrom::Start(offset + (range.start * size_of::<T>()) as u64))?;
                    file.read_exact(bytemuck::cast_slice_mut(&mut values))
                })?;
                Ok(Cow::Owned(values))
            }
        }
    }

    /// Modifies the values in place; `modify` must not add values.
    pub(super) fn modify(
        &mut self,
        spill: &SpillFile,
        modify: impl FnOnce(&mut Vec<T>),
    ) -> Result<()> {
        if let Self::InMemory(values) = self {
            modify(values);
            return Ok(());
        }
        let mut values = self.get(spill)?.into_owned();
        modify(&mut values);
        self.replace(spill, values)
    }

    /// Replaces the values in place; there must not be more of them than before.
    pub(super) fn replace(&mut self, spill: &SpillFile, values: Vec<T>) -> Result<()> {
        match self {
            Self::Spilled { offset, len, .. } if *len >= values.len() => {
                spill.with(|file, _| {
                    file.seek(SeekFrom::Start(*offset))?;
                    file.write_all(bytemuck::cast_slice(&values))
                })?;
                *len = values.len();
            }
            _ => *self = Self::InMemory(values),
        }
        Ok(())
    }
}

impl<T> Default for Stored<T> {
    fn default() -> Self {
        Self::InMemory(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spilled_values_are_read_back_unchanged() {
        let spill = SpillFile::default();
        let (mut a, mut b) =
            (Stored::InMemory(vec![1_u16, 2, 3]), Stored::InMemory(vec![-1_i64, i64::MAX]));
        a.spill(&spill).unwrap();
        b.spill(&spill).unwrap();
        assert_eq!((a.bytes(), b.bytes(), a.len(), b.len()), (0, 0, 3, 2));
        assert_eq!(*a.get(&spill).unwrap(), [1, 2, 3]);
        assert_eq!(*b.get(&spill).unwrap(), [-1, i64::MAX]);
        a.replace(&spill, vec![7, 8]).unwrap();
        assert_eq!(*a.get(&spill).unwrap(), [7, 8]);
        assert_eq!(*b.slice(&spill, 1..2).unwrap(), [i64::MAX]);
    }
}
