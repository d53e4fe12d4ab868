//! The files of a run: an output never replaces an input.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::TableFormat;
use crate::error::{Error, Result};
use crate::io::database;
use crate::io::read::{is_stdin, table_files};
use crate::io::remote::{covers, is_remote};

/// The inputs and the outputs of a run, compared by file identity. An output that is an input is
/// refused, whichever of the two becomes known first.
#[derive(Debug, Clone, Default)]
pub struct RunFiles(Arc<Mutex<KnownFiles>>);

#[derive(Debug, Default)]
struct KnownFiles {
    inputs: Vec<Input>,
    outputs: Vec<PathBuf>,
}

/// Something that a run reads or needs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Input {
    /// One file.
    File(PathBuf),
    /// A file, glob or folder of tables, and their format if it is not that of their extension.
    Tables(PathBuf, Option<TableFormat>),
    /// The folder of a ledger. Only the ledger replaces its files.
    Ledger(PathBuf),
}

impl Input {
    /// Lists the files; a missing input is reported when it is read.
    fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) | Self::Tables(path, _) | Self::Ledger(path) if is_remote(path) => {
                Vec::new()
            }
            Self::File(path) => vec![path.clone()],
            // What standard input is redirected from, where the system tells.
            Self::Tables(path, _) if is_stdin(path) => vec![PathBuf::from("/dev/stdin")],
            Self::Tables(path, _) if database::is_table(path) => {
                database::database_file(path).into_iter().collect()
            }
            Self::Tables(path, _) if path.is_file() => vec![path.clone()],
            Self::Tables(path, format) => table_files(path, *format).unwrap_or_default(),
            Self::Ledger(path) => table_files(path, None).unwrap_or_default(),
        }
    }

    /// Returns the path, glob or folder.
    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Tables(path, _) | Self::Ledger(path) => path,
        }
    }

    /// Returns the file that is the same as `output`, if there is one.
    fn find(&self, output: FileId) -> Option<PathBuf> {
        self.files().into_iter().find(|file| FileId::new(file).is_some_and(|id| id == output))
    }
}

impl RunFiles {
    /// Records a file that the run reads or needs.
    ///
    /// # Errors
    /// * [`Error::Usage`]: it is an output
    pub fn add_input(&self, path: &Path) -> Result<()> {
        self.add(Input::File(path.to_owned()))
    }

    /// Records a file, glob or folder of tables.
    ///
    /// # Errors
    /// * [`Error::Usage`]: one of the tables is an output
    pub fn add_tables(&self, path: &Path) -> Result<()> {
        self.add(Input::Tables(path.to_owned(), None))
    }

    /// Records a file, glob or folder of tables of a format, whatever their extension.
    ///
    /// # Errors
    /// * [`Error::Usage`]: one of the tables is an output
    pub(crate) fn add_tables_of(&self, path: &Path, format: Option<TableFormat>) -> Result<()> {
        self.add(Input::Tables(path.to_owned(), format))
    }

    /// Records the folder of a ledger.
    ///
    /// # Errors
    /// * [`Error::Usage`]: one of its files is an output
    pub fn add_ledger(&self, folder: &Path) -> Result<()> {
        self.add(Input::Ledger(folder.to_owned()))
    }

    /// Records an output.
    ///
    /// # Arguments
    /// * `path` – a file; `-` is standard output
    /// # Errors
    /// * [`Error::Usage`]: the file is an input, or another output
    pub fn output(&self, path: &Path) -> Result<OutputFile> {
        if path != Path::new("-") {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            check(&known.inputs, path)?;
            if known.outputs.iter().any(|other| is_same_output(other, path)) {
                return Err(Error::Usage {
                    problem: format!("two outputs have the same file: {}", path.display()),
                    hint: Some("choose different files".to_owned()),
                });
            }
            known.outputs.push(path.to_owned());
        }
        Ok(OutputFile { path: path.to_owned(), inputs: Some(self.clone()) })
    }

    /// Checks that the ledger does not replace a file that the run reads.
    pub(crate) fn check_ledger_file(&self, path: &Path) -> Result<()> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_read = |input: &&Input| !matches!(input, Input::Ledger(_));
        let inputs: Vec<Input> = known.inputs.iter().filter(is_read).cloned().collect();
        check(&inputs, path)
    }

    fn add(&self, input: Input) -> Result<()> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.inputs.contains(&input) {
            return Ok(());
        }
        // Recorded in any case: a caller may ignore the error, and write later.
        known.inputs.push(input);
        let added = &known.inputs[known.inputs.len() - 1..];
        known.outputs.iter().try_for_each(|output| check(added, output))
    }
}

/// A file that a run writes.
#[derive(Debug, Clone)]
pub struct OutputFile {
    path: PathBuf,
    /// The files of the run; `None` for a file of pql's own folders.
    inputs: Option<RunFiles>,
}

impl OutputFile {
    /// Returns a file in a folder that pql manages, such as a version of a model. A link in its
    /// place is replaced, never followed.
    #[must_use]
    pub fn managed(path: &Path) -> Self {
        Self { path: path.to_owned(), inputs: None }
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether this is a file of pql's own folders.
    pub(super) fn is_managed(&self) -> bool {
        self.inputs.is_none()
    }

    /// Checks that the file is not an input.
    pub(super) fn check(&self) -> Result<()> {
        let Some(RunFiles(known)) = &self.inputs else { return Ok(()) };
        check(&known.lock().unwrap_or_else(PoisonError::into_inner).inputs, &self.path)
    }
}

/// Refuses an output that is an input.
fn check(inputs: &[Input], output: &Path) -> Result<()> {
    // Objects have no identity but their names. A prefix may be listed again, so that it also
    // covers an object that does not exist yet.
    if is_remote(output) {
        let input = inputs.iter().map(Input::path).find(|input| covers(input, output));
        return input.map_or(Ok(()), |input| Err(overwrites(input, output)));
    }
    // A file that does not exist yet replaces nothing.
    let Some(id) = FileId::new(output) else { return Ok(()) };
    let Some(input) = inputs.iter().find_map(|input| input.find(id)) else { return Ok(()) };
    Err(overwrites(&input, output))
}

fn overwrites(input: &Path, output: &Path) -> Error {
    let mut problem = format!("refusing to overwrite an input file: {}", output.display());
    if input != output {
        let relation = if is_remote(output) { "a file of" } else { "the same file as" };
        problem += &format!(" ({relation} `{}`)", input.display());
    }
    Error::Usage { problem, hint: Some("choose another output file".to_owned()) }
}

/// Returns whether two outputs would replace each other.
fn is_same_output(one: &Path, other: &Path) -> bool {
    if is_remote(one) || is_remote(other) {
        return one == other;
    }
    match (FileId::new(one), FileId::new(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => {
            let resolved =
                |path: &Path| Some((resolved_folder(path)?, path.file_name()?.to_owned()));
            // Several outputs can go to one device.
            !one.exists() && resolved(one).is_some_and(|one| resolved(other) == Some(one))
        }
        _ => false,
    }
}

fn resolved_folder(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(super::atomic::folder(path)).ok()
}

/// Identifies a regular file by device and inode, so that links and other paths are recognized.
#[cfg(unix)]
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

#[cfg(unix)]
impl FileId {
    /// Returns `None` if there is no regular file; links are followed.
    fn new(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Identifies a regular file by the hash of its path without links.
#[cfg(not(unix))]
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId(blake3::Hash);

#[cfg(not(unix))]
impl FileId {
    fn new(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok().filter(|path| path.is_file())?;
        Some(Self(blake3::hash(path.as_os_str().as_encoded_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_refused_whichever_becomes_known_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.csv");
        fs::write(&path, "a\n1\n").unwrap();
        let other = folder.path().join("x").join("..").join("events.csv");
        fs::create_dir(folder.path().join("x")).unwrap();
        let inputs: [fn(&RunFiles, &Path) -> Result<()>; 3] =
            [RunFiles::add_input, RunFiles::add_tables, |files, path| {
                files.add_tables(path.parent().unwrap())
            }];
        for add in inputs {
            let files = RunFiles::default();
            add(&files, &path).unwrap();
            let error = files.output(&other).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("refusing to overwrite an input file"), "{error}");
            let files = RunFiles::default();
            let output = files.output(&other).unwrap();
            assert_eq!(add(&files, &path).unwrap_err().exit_code(), 2);
            assert!(output.check().is_err());
        }
    }

    #[test]
    fn an_output_that_becomes_an_input_later_is_refused_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let files = RunFiles::default();
        fs::write(folder.path().join("events.csv"), "a\n").unwrap();
        files.add_tables(folder.path()).unwrap();
        let output = files.output(&path).unwrap();
        assert!(output.check().is_ok());
        fs::write(&path, "a\n").unwrap();
        assert!(output.check().is_err());
    }

    #[test]
    fn two_outputs_need_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for _ in 0..2 {
            let files = RunFiles::default();
            files.output(&path).unwrap();
            assert!(files.output(&folder.path().join(".").join("a.json")).is_err());
            assert!(files.output(&folder.path().join("b.json")).is_ok());
            fs::write(&path, "").unwrap();
        }
        let files = RunFiles::default();
        for path in ["-", "-", "/dev/null", "/dev/null"] {
            assert!(files.output(Path::new(path)).is_ok(), "{path}");
        }
    }

    #[test]
    fn the_ledger_replaces_its_own_files_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let [own, foreign] = ["t@0001.csv", "events.csv"].map(|name| folder.path().join(name));
        fs::write(&own, "a\n").unwrap();
        fs::hard_link(&own, &foreign).unwrap();
        let files = RunFiles::default();
        files.add_ledger(folder.path()).unwrap();
        assert!(files.output(&own).is_err());
        assert!(files.check_ledger_file(&own).is_ok());
        files.add_tables(&foreign).unwrap();
        assert!(files.check_ledger_file(&own).is_err());
    }
}
