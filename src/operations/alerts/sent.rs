//! What has been sent of a run: remembered beside its scores, so that nothing is sent twice.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Alert, Kind};
use crate::error::{Error, Result};
use crate::registry::ledger::{Ledger, Run, SENT_FILE};

/// Name of the file in the folder of a ledger that a run of `pql alerts` locks while it sends.
const LOCK: &str = ".alerts.lock";

/// The alerts of a run that have been sent.
#[derive(Debug)]
pub struct Sent {
    ids: BTreeSet<String>,
    path: PathBuf,
    /// The file, once there is something to remember.
    file: Option<File>,
    /// Held as long as this lives; the system lets go of it when the program ends, however it
    /// ends.
    _lock: Option<File>,
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    kind: Kind,
    account_id: &'a str,
}

/// What is read of it.
#[derive(Deserialize)]
struct Known {
    id: String,
}

impl Sent {
    /// Look at what has been sent; nothing can be remembered.
    ///
    /// # Errors
    /// * [`Error::Read`]: the file cannot be read
    /// * [`Error::Malformed`]: it is damaged
    pub fn look(run: &Run) -> Result<Self> {
        let path = run.path.with_file_name(SENT_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(Error::Read { path, source }),
        };
        Ok(Self { ids: known(&path, &text)?.0, path, file: None, _lock: None })
    }

    /// Open what has been sent so as to add to it; where another program does, wait until it is
    /// done.
    ///
    /// # Errors
    /// * [`Error::Write`]: the folder cannot be written to
    /// * those of [`Sent::look`]
    pub fn open(ledger: &Ledger, run: &Run) -> Result<Self> {
        let path = ledger.dir().join(LOCK);
        let lock = File::create(&path)
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|source| Error::Write { path, source })?;
        Ok(Self { _lock: Some(lock), ..Self::look(run)? })
    }

    /// Whether an alert has been sent.
    #[must_use]
    pub fn has(&self, alert: &Alert) -> bool {
        self.ids.contains(&alert.id)
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Remember alerts that were sent.
    ///
    /// # Errors
    /// * [`Error::Write`]: the file cannot be written
    pub fn remember(&mut self, alerts: &[Alert]) -> Result<()> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        let mut lines = String::new();
        for Alert { id, kind, account_id, .. } in alerts {
            lines += &serde_json::to_string(&Line { id, kind: *kind, account_id })
                .map_err(|e| failed(e.into()))?;
            lines.push('\n');
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(at_end(&self.path).map_err(failed)?),
        };
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).map_err(failed)?;
        self.ids.extend(alerts.iter().map(|alert| alert.id.clone()));
        Ok(())
    }
}

/// The ids in a file, and how many bytes its whole lines have: the last one is not whole where a
/// program was killed while it wrote.
fn known(path: &Path, text: &[u8]) -> Result<(BTreeSet<String>, u64)> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut ids = BTreeSet::new();
    for (row, line) in
        text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
    {
        let known: Known = serde_json::from_slice(line).map_err(|_| Error::Malformed {
            path: path.to_owned(),
            row: Some(row as u64 + 1),
            problem: "it should have the `id` of an alert that was sent; without the file all alerts of this run are sent again".to_owned(),
            source: None,
        })?;
        ids.insert(known.id);
    }
    Ok((ids, whole as u64))
}

/// The file, to be written on from the end of its last whole line.
fn at_end(path: &Path) -> io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let (_, whole) = known(path, &text).map_err(io::Error::other)?;
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_no_line_and_damage_is_named() {
        let path = Path::new("sent.ndjson");
        let (ids, whole) = known(path, b"{\"id\":\"a\",\"kind\":\"rose\"}\n{\"id\":\"b").unwrap();
        assert_eq!((ids.into_iter().collect::<Vec<_>>(), whole), (vec!["a".to_owned()], 25));
        assert_eq!(known(path, b"").unwrap().1, 0);
        assert!(
            known(path, b"{\"id\":\"a\"}\nx\n")
                .unwrap_err()
                .to_string()
                .contains("`sent.ndjson`, row 2")
        );
    }
}
