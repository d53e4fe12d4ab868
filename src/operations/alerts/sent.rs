//! Record of sent alerts, stored next to the scores of a run so that no alert is sent twice.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Alert, AlertKind};
use crate::error::{Error, Result};
use crate::io::write::{open_lock, open_managed};
use crate::registry::ledger::{Ledger, Run, SENT_FILE};

/// Lock file of `pql alerts` in the folder of a ledger.
const LOCK: &str = ".alerts.lock";

/// Sent alerts of a run.
#[derive(Debug)]
pub struct SentAlerts {
    ids: BTreeSet<String>,
    path: PathBuf,
    /// The file, once space for alerts is reserved.
    file: Option<SentFile>,
    /// Lock until this value is dropped. The operating system releases it if the program crashes.
    _lock: Option<File>,
}

/// The open file of sent alerts. Reserved space is cut off when the value is dropped, and a new
/// file without a record is removed.
#[derive(Debug)]
struct SentFile {
    file: File,
    path: PathBuf,
    is_new: bool,
    /// Size of all complete lines in bytes.
    complete: u64,
}

impl Drop for SentFile {
    fn drop(&mut self) {
        // After a failure, blanks at the end are no line, and the next run cuts them off.
        if self.is_new && self.complete == 0 {
            std::fs::remove_file(&self.path).ok();
        } else {
            self.file.set_len(self.complete).ok();
        }
    }
}

/// A line of the file.
#[derive(Serialize)]
struct SentRecord<'a> {
    id: &'a str,
    kind: AlertKind,
    account_id: &'a str,
}

/// The part of a line that is read.
#[derive(Deserialize)]
struct SentId {
    id: String,
}

impl SentAlerts {
    /// Reads the sent alerts without a lock.
    ///
    /// # Errors
    /// * [`Error::Read`]: the file cannot be read
    /// * [`Error::Malformed`]: it is damaged
    pub fn read(run: &Run) -> Result<Self> {
        let path = run.path.with_file_name(SENT_FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(Error::Read { path, source }),
        };
        Ok(Self { ids: parse_ids(&path, &text)?.0, path, file: None, _lock: None })
    }

    /// Opens the record to add sent alerts. Waits until another process releases the lock.
    ///
    /// # Errors
    /// * [`Error::Write`]: the folder cannot be written to
    /// * those of [`SentAlerts::read`]
    pub fn open(ledger: &Ledger, run: &Run) -> Result<Self> {
        let path = ledger.dir().join(LOCK);
        let lock = open_lock(&path)
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|source| Error::Write { path, source })?;
        Ok(Self { _lock: Some(lock), ..Self::read(run)? })
    }

    /// Reserves the space of the records of alerts, so that none is sent that cannot be recorded.
    ///
    /// # Errors
    /// * [`Error::Write`]: the file cannot be written, for example because the disk is full
    pub fn reserve(&mut self, alerts: &[Alert]) -> Result<()> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        let blank = vec![b' '; lines(alerts).map_err(failed)?.len()];
        let mut sent = SentFile::open(&self.path).map_err(failed)?;
        sent.file.write_all(&blank).map_err(failed)?;
        sent.file.sync_data().map_err(failed)?;
        sent.file.seek(SeekFrom::Start(sent.complete)).map_err(failed)?;
        self.file = Some(sent);
        Ok(())
    }

    /// Returns whether an alert has been sent.
    #[must_use]
    pub fn contains(&self, alert: &Alert) -> bool {
        self.ids.contains(&alert.id)
    }

    /// Returns whether no alert has been sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Records sent alerts, in space that was reserved.
    ///
    /// # Errors
    /// * [`Error::Write`]: the file cannot be written
    pub fn record(&mut self, alerts: &[Alert]) -> Result<()> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        let lines = lines(alerts).map_err(failed)?;
        let sent = match &mut self.file {
            Some(sent) => sent,
            None => self.file.insert(SentFile::open(&self.path).map_err(failed)?),
        };
        sent.file.write_all(lines.as_bytes()).map_err(failed)?;
        sent.complete += lines.len() as u64;
        sent.file.sync_data().map_err(failed)?;
        self.ids.extend(alerts.iter().map(|alert| alert.id.clone()));
        Ok(())
    }
}

/// Returns the lines that record alerts.
fn lines(alerts: &[Alert]) -> io::Result<String> {
    let mut lines = String::new();
    for Alert { id, kind, account_id, .. } in alerts {
        lines += &serde_json::to_string(&SentRecord { id, kind: *kind, account_id })?;
        lines.push('\n');
    }
    Ok(lines)
}

/// Parses the ids of a file. Returns them and the size of all complete lines in bytes; the last
/// line is incomplete if a program was killed while writing.
fn parse_ids(path: &Path, text: &[u8]) -> Result<(BTreeSet<String>, u64)> {
    let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    let mut ids = BTreeSet::new();
    for (row, line) in text[..complete]
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
    {
        let sent: SentId = serde_json::from_slice(line).map_err(|_| Error::Malformed {
            path: path.to_owned(),
            row: Some(row as u64 + 1),
            problem: "expected a JSON object with the `id` of a sent alert; delete the file to send all alerts of this run again".to_owned(),
            source: None,
        })?;
        ids.insert(sent.id);
    }
    Ok((ids, complete as u64))
}

impl SentFile {
    /// Opens the file at the end of its last complete line.
    fn open(path: &Path) -> io::Result<Self> {
        let is_new = !path.exists();
        let mut file = open_managed(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let (_, complete) = parse_ids(path, &text).map_err(io::Error::other)?;
        file.set_len(complete)?;
        file.seek(SeekFrom::Start(complete))?;
        Ok(Self { file, path: path.to_owned(), is_new, complete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_space_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent.ndjson");
        std::fs::write(&path, "{\"id\":\"a\"}\n{\"id\":\"b\"").unwrap();
        let mut sent = SentFile::open(&path).unwrap();
        sent.file.write_all(b"          ").unwrap();
        let text = std::fs::read(&path).unwrap();
        assert_eq!((parse_ids(&path, &text).unwrap().0.len(), text.len()), (1, 21));
        drop(sent);
        assert_eq!(std::fs::read(&path).unwrap(), b"{\"id\":\"a\"}\n");
    }

    #[test]
    fn incomplete_lines_are_ignored_and_invalid_lines_are_errors() {
        let path = Path::new("sent.ndjson");
        let (ids, complete) =
            parse_ids(path, b"{\"id\":\"a\",\"kind\":\"rose\"}\n{\"id\":\"b").unwrap();
        assert_eq!((ids.into_iter().collect::<Vec<_>>(), complete), (vec!["a".to_owned()], 25));
        assert_eq!(parse_ids(path, b"").unwrap().1, 0);
        assert!(
            parse_ids(path, b"{\"id\":\"a\"}\nx\n")
                .unwrap_err()
                .to_string()
                .contains("`sent.ndjson`, row 2")
        );
    }
}
