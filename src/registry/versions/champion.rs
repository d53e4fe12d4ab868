//! The champion of a name: promotions, their history and the lock that protects them.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::{
    ModelLocation, UNPROMOTED_FILE, find_champion, missing, name_argument, promotion_hint,
    stored_numbers, version_number,
};
use crate::error::{Error, Result};
use crate::io::read::read_limited;
use crate::io::write::{OutputFile, open_lock, write_bytes};

/// Name of the file that records the promoted versions of a name, one per line, newest first: the
/// first line is the champion.
pub(super) const CHAMPION_FILE: &str = "champion";
/// Name of the file that is locked while the versions or the champion of a name change.
const LOCK_FILE: &str = ".lock";

/// Locks the versions and the champion of a name, until the file is dropped. Waits until another
/// process or thread releases the lock.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK_FILE);
    let file = open_lock(&path);
    let locked = file.and_then(|file| match file.lock() {
        // Some network file systems have no locks: then nothing protects simultaneous changes.
        Err(e) if e.kind() != ErrorKind::Unsupported => Err(e),
        _ => Ok(file),
    });
    locked.map_err(|source| Error::Write { path, source })
}

/// Largest file of promotions, in bytes; 200,000 promotions fit.
const MAX_CHAMPION_SIZE: u64 = 1 << 20;

/// Returns the promoted versions of a name, newest first; empty without a champion.
///
/// # Errors
/// Why the file cannot be read. The text does not repeat its content.
pub(super) fn read_promotions(folder: &Path) -> std::result::Result<Vec<u32>, String> {
    let bytes = match read_limited(&folder.join(CHAMPION_FILE), MAX_CHAMPION_SIZE) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|error| error.to_string())?,
    };
    let text = String::from_utf8(bytes).map_err(|_| "expected text in UTF-8".to_owned())?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    lines
        .map(|(number, line)| {
            let problem = || format!("line {number} is not a version, such as `0001`");
            line.parse().map_err(|_| problem())
        })
        .collect()
}

/// Returns the promoted versions of a name, newest first.
///
/// # Errors
/// * [`Error::UnusableChampion`]: their file cannot be read
pub(super) fn promotions(models: &Path, name: &str) -> Result<Vec<u32>> {
    let folder = models.join(name);
    read_promotions(&folder).map_err(|problem| Error::UnusableChampion {
        problem: format!(
            "the champion of `{name}` is unknown: cannot read `{}`: {problem}",
            folder.join(CHAMPION_FILE).display()
        ),
        hint: promotion_hint(models, name),
    })
}

/// Writes the promoted versions of a name, newest first.
fn write_promotions(folder: &Path, promotions: &[u32]) -> Result<()> {
    let versions: Vec<String> = promotions.iter().map(|version| format!("{version:04}")).collect();
    let file = OutputFile::managed(&folder.join(CHAMPION_FILE));
    write_bytes(&file, (versions.join("\n") + "\n").as_bytes())
}

/// Adds a version to the promotions of its name, unless it is the champion already.
pub(super) fn record_promotion(folder: &Path, version: u32) -> Result<()> {
    // A promotion replaces a file that cannot be read.
    let mut promotions = read_promotions(folder).unwrap_or_default();
    if promotions.first() != Some(&version) {
        promotions.insert(0, version);
    }
    write_promotions(folder, &promotions)?;
    // A file that remains only repeats a warning.
    std::fs::remove_file(folder.join(format!("{version:04}")).join(UNPROMOTED_FILE)).ok();
    Ok(())
}

/// Makes a version the champion of its name.
///
/// # Errors
/// * [`Error::Usage`]: the model is not a version in the models folder
/// * [`Error::NoModel`]: the version has been deleted
/// * [`Error::Write`]: the folder cannot be written
pub fn promote(models: &Path, location: &ModelLocation) -> Result<()> {
    let stored_version = |(name, version): (&str, &str)| {
        let version = version_number(version)?;
        let is_stored = ModelLocation::from_version(models, name, version).path == location.path;
        is_stored.then(|| (models.join(name), version))
    };
    let Some((folder, version)) = location.label.split_once('/').and_then(stored_version) else {
        return Err(Error::Usage {
            problem: format!(
                "cannot promote `{}`: it is not a version under `{}`",
                location.label,
                models.display()
            ),
            hint: Some("give NAME/VERSION, such as `trial/0002`".to_owned()),
        });
    };
    let _lock = lock(&folder)?;
    if !location.path.is_file() {
        return Err(missing(&location.label, models));
    }
    record_promotion(&folder, version)
}

/// Returns the position, in the promotions, of the newest former champion that still exists.
pub(super) fn previous_champion(promotions: &[u32], stored: &[u32]) -> Option<usize> {
    let champion = promotions.first();
    promotions.iter().position(|version| Some(version) != champion && stored.contains(version))
}

/// Makes the newest former champion that still exists the champion again, and returns it.
///
/// # Arguments
/// * `check` – reads a model file; its error leaves the champion as it is
/// # Errors
/// * [`Error::Usage`]: `name` has a version
/// * [`Error::NoModel`]: no model has this name
/// * [`Error::UnusableChampion`]: no former champion exists
/// * [`Error::Write`]: the folder cannot be written
pub fn rollback(
    models: &Path,
    name: &str,
    check: impl Fn(&Path) -> Result<()>,
) -> Result<ModelLocation> {
    let name = name_argument(models, name, "rollback")?;
    let folder = models.join(name);
    let _lock = lock(&folder)?;
    let promotions = promotions(models, name)?;
    let Some(position) = previous_champion(&promotions, &stored_numbers(models, name)) else {
        let champion = find_champion(name, models)?.label;
        let reason = if promotions.iter().all(|version| *version == promotions[0]) {
            format!("only `{champion}` has been promoted")
        } else {
            "the former champions have been deleted".to_owned()
        };
        return Err(Error::UnusableChampion {
            problem: format!("`{name}` has no previous champion: {reason}"),
            hint: Some(format!(
                "list the versions with `pql models list {name}`, then run `pql models promote \
                 NAME/VERSION`"
            )),
        });
    };
    let location = ModelLocation::from_version(models, name, promotions[position]);
    check(&location.path)?;
    write_promotions(&folder, &promotions[position..])?;
    Ok(location)
}
