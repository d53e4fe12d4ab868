//! Record of sent alerts, stored next to the scores of a run so that no alert is sent twice.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Alert, AlertKind};
use crate::error::{Error, Result};
use crate::registry::ledger::{Ledger, Run, SENT_FILE};

/// Lock file of `pql alerts` in the folder of a ledger.
const LOCK: &str = ".alerts.lock";

/// Sent alerts of a run.
#[derive(Debug)]
pub struct SentAlerts {
    ids: BTreeSet<String>,
    path: PathBuf,
    /// The open file after the first recorded alert.
    file: Option<File>,
    /// Lock until this value is dropped. The operating system releases it if the program crashes.
    _lock: Option<File>,
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
        let lock = File::create(&path)
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(|source| Error::Write { path, source })?;
        Ok(Self { _lock: Some(lock), ..Self::read(run)? })
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

    /// Records sent alerts.
    ///
    /// # Errors
    /// * [`Error::Write`]: the file cannot be written
    pub fn record(&mut self, alerts: &[Alert]) -> Result<()> {
        let failed = |source| Error::Write { path: self.path.clone(), source };
        let mut lines = String::new();
        for Alert { id, kind, account_id, .. } in alerts {
            lines += &serde_json::to_string(&SentRecord { id, kind: *kind, account_id })
                .map_err(|e| failed(e.into()))?;
            lines.push('\n');
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open_for_append(&self.path).map_err(failed)?),
        };
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).map_err(failed)?;
        self.ids.extend(alerts.iter().map(|alert| alert.id.clone()));
        Ok(())
    }
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

/// Opens the file at the end of its last complete line.
fn open_for_append(path: &Path) -> io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let (_, complete) = parse_ids(path, &text).map_err(io::Error::other)?;
    file.set_len(complete)?;
    file.seek(SeekFrom::Start(complete))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

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
