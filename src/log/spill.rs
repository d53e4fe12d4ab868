//! Columns of the log that wait in memory, or in a temporary file where they are larger than what
//! may stay.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Mutex;

use bytemuck::Pod;

use crate::error::{Error, Result};

/// A file without a name, made at need: it is gone with the program, whatever ends it.
#[derive(Debug, Default)]
pub(super) struct Spill {
    file: Mutex<Option<(File, u64)>>,
}

/// A column in memory or in the file.
#[derive(Debug)]
pub(super) enum Stored<T> {
    Held(Vec<T>),
    Spilled { at: u64, len: usize, of: PhantomData<T> },
}

impl Spill {
    /// Do something with the file and its length.
    fn with<R>(&self, work: impl FnOnce(&mut File, &mut u64) -> std::io::Result<R>) -> Result<R> {
        let mut file = self.file.lock().expect("nothing panics while it holds the file");
        let at_work = || {
            if file.is_none() {
                *file = Some((tempfile::tempfile()?, 0));
            }
            let (file, end) = file.as_mut().expect("it was just made");
            work(file, end)
        };
        // Reading fails for the same reasons as writing: the device.
        at_work().map_err(|source| Error::Write { path: std::env::temp_dir(), source })
    }
}

impl<T: Pod> Stored<T> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Held(values) => values.len(),
            Self::Spilled { len, .. } => *len,
        }
    }

    /// Whether the values are in memory.
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Held(values) => size_of_val(values.as_slice()),
            Self::Spilled { .. } => 0,
        }
    }

    /// Move the values to the file.
    pub(super) fn spill(&mut self, spill: &Spill) -> Result<()> {
        let Self::Held(values) = self else { return Ok(()) };
        let at = spill.with(|file, end| {
            let at = *end;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytemuck::cast_slice(values))?;
            *end += size_of_val(values.as_slice()) as u64;
            Ok(at)
        })?;
        *self = Self::Spilled { at, len: values.len(), of: PhantomData };
        Ok(())
    }

    /// All values.
    pub(super) fn get(&self, spill: &Spill) -> Result<Cow<'_, [T]>> {
        self.part(spill, 0..self.len())
    }

    /// Some of the values.
    pub(super) fn part(&self, spill: &Spill, range: Range<usize>) -> Result<Cow<'_, [T]>> {
        match self {
            Self::Held(values) => Ok(Cow::Borrowed(&values[range])),
            Self::Spilled { at, .. } => {
                let mut values = vec![T::zeroed(); range.len()];
                spill.with(|file, _| {
                    file.seek(SeekFrom::Start(at + (range.start * size_of::<T>()) as u64))?;
                    file.read_exact(bytemuck::cast_slice_mut(&mut values))
                })?;
                Ok(Cow::Owned(values))
            }
        }
    }

    /// Change the values where they are, to no more than there were.
    pub(super) fn change(&mut self, spill: &Spill, change: impl FnOnce(&mut Vec<T>)) -> Result<()> {
        if let Self::Held(values) = self {
            change(values);
            return Ok(());
        }
        let mut values = self.get(spill)?.into_owned();
        change(&mut values);
        self.replace(spill, values)
    }

    /// Replace the values by as many others, where they are.
    pub(super) fn replace(&mut self, spill: &Spill, values: Vec<T>) -> Result<()> {
        match self {
            Self::Spilled { at, len, .. } if *len >= values.len() => {
                spill.with(|file, _| {
                    file.seek(SeekFrom::Start(*at))?;
                    file.write_all(bytemuck::cast_slice(&values))
                })?;
                *len = values.len();
            }
            _ => *self = Self::Held(values),
        }
        Ok(())
    }
}

impl<T> Default for Stored<T> {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spilled_comes_back() {
        let spill = Spill::default();
        let (mut a, mut b) =
            (Stored::Held(vec![1_u16, 2, 3]), Stored::Held(vec![-1_i64, i64::MAX]));
        a.spill(&spill).unwrap();
        b.spill(&spill).unwrap();
        assert_eq!((a.bytes(), b.bytes(), a.len(), b.len()), (0, 0, 3, 2));
        assert_eq!(*a.get(&spill).unwrap(), [1, 2, 3]);
        assert_eq!(*b.get(&spill).unwrap(), [-1, i64::MAX]);
        a.replace(&spill, vec![7, 8]).unwrap();
        assert_eq!(*a.get(&spill).unwrap(), [7, 8]);
        assert_eq!(*b.part(&spill, 1..2).unwrap(), [i64::MAX]);
    }
}
