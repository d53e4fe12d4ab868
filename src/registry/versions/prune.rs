//! Deletes old versions, and keeps the champion and the one before it.

use std::fs;
use std::path::Path;

use super::champion::{lock, previous_champion, promotions};
use super::{ModelLocation, find_champion, name_argument, names, stored_numbers};
use crate::error::{Error, Result};
use crate::io::write::{UnfinishedFolder, sync_folder};

/// Results of [`prune`].
#[derive(Debug, Default)]
pub struct Pruned {
    /// The versions that were deleted, by name and number.
    pub deleted: Vec<ModelLocation>,
    /// Champions that are older than the kept versions.
    pub kept_champions: Vec<ModelLocation>,
    /// Previous champions that are older than the kept versions.
    pub kept_previous_champions: Vec<ModelLocation>,
    /// Unreadable versions that were kept, because they are newer than the oldest kept version.
    pub unreadable: Vec<ModelLocation>,
    /// Names that were not pruned, and why.
    pub failures: Vec<(String, Error)>,
}

impl Pruned {
    /// Returns the versions, or one error for all names that were not pruned.
    ///
    /// # Errors
    /// * [`Error::UnusableChampion`]: a name has no champion that can be read
    /// * [`Error::Write`]: a folder cannot be deleted
    pub fn check_failures(self) -> Result<()> {
        let mut failures = self.failures;
        if let Some(other) = failures.iter().position(|(_, error)| error.exit_code() != 4) {
            return Err(failures.swap_remove(other).1);
        }
        let Some(hint) = failures.first().map(|(_, error)| error.hint()) else { return Ok(()) };
        let problems: Vec<String> = failures
            .iter()
            .map(|(name, error)| format!("`{name}` was not pruned: {}", error.with_sources()))
            .collect();
        Err(Error::UnusableChampion { problem: problems.join("; "), hint })
    }
}

/// Deletes old versions of each name. The champion, the previous champion, and the `keep` newest
/// other versions are kept. Unreadable versions do not count; one is deleted only if it is older
/// than the kept versions. A name without a readable champion is not pruned.
///
/// # Arguments
/// * `name` – only versions of this name; `None`: all names
/// * `keep` – versions of each name to keep besides the champions, at least 1
/// * `check` – reads a model file
/// # Errors
/// * [`Error::NoModel`]: no model has this name
/// * [`Error::Usage`]: `name` has a version, or `keep` is 0
pub fn prune(
    models: &Path,
    name: Option<&str>,
    keep: usize,
    check: impl Fn(&Path) -> Result<()>,
) -> Result<Pruned> {
    // The newest version stays, so that its number is not given to another model.
    if keep == 0 {
        return Err(Error::Usage {
            problem: "`--keep`: found 0, expected at least 1".to_owned(),
            hint: Some("`--keep 1` keeps the newest version besides the champions".to_owned()),
        });
    }
    let names = match name {
        Some(name) => vec![name_argument(models, name, "prune")?.to_owned()],
        None => names(models),
    };
    let mut pruned = Pruned::default();
    for name in names {
        if let Err(error) = prune_name(models, &name, keep, &check, &mut pruned) {
            pruned.failures.push((name, error));
        }
    }
    Ok(pruned)
}

/// Deletes old versions of one name.
fn prune_name(
    models: &Path,
    name: &str,
    keep: usize,
    check: &impl Fn(&Path) -> Result<()>,
    pruned: &mut Pruned,
) -> Result<()> {
    let folder = models.join(name);
    let _lock = lock(&folder)?;
    let champion = find_champion(name, models)?;
    check(&champion.path).map_err(|error| Error::UnusableChampion {
        problem: format!("champion `{}` cannot be read: {}", champion.label, error.with_sources()),
        hint: Some(
            "restore the file, or choose another champion with `pql models promote NAME/VERSION`"
                .to_owned(),
        ),
    })?;
    let stored = stored_numbers(models, name);
    let promotions = promotions(models, name)?;
    let previous = previous_champion(&promotions, &stored).map(|position| promotions[position]);
    let (mut kept, mut old) = (0, Vec::new());
    for version in stored.into_iter().rev() {
        let location = ModelLocation::from_version(models, name, version);
        let is_old = kept == keep;
        if promotions.first() == Some(&version) {
            pruned.kept_champions.extend(is_old.then_some(location));
        } else if previous == Some(version) {
            pruned.kept_previous_champions.extend(is_old.then_some(location));
        } else if is_old {
            old.push(location);
        } else if check(&location.path).is_ok() {
            kept += 1;
        } else {
            pruned.unreadable.push(location);
        }
    }
    for location in old.into_iter().rev() {
        delete(&location)?;
        pruned.deleted.push(location);
    }
    Ok(())
}

/// Deletes the folder of a version. It is renamed first, so that no version is left half deleted.
fn delete(location: &ModelLocation) -> Result<()> {
    let folder = location.path.parent().unwrap_or(&location.path);
    let failed = |source| Error::Write { path: folder.to_owned(), source };
    let name = folder.parent().unwrap_or(folder);
    let staged = UnfinishedFolder::create(name).map_err(failed)?;
    fs::rename(folder, staged.path().join("deleted")).map_err(failed)?;
    sync_folder(name);
    staged.close().map_err(failed)
}
