//! Versions of stored models, `models/NAME/VERSION`, and the champion of each name.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::write::{without_path, write_bytes};
use crate::names::{nearest, quoted};

/// Name of the model file in the folder of its version.
pub const MODEL_FILE: &str = "model.pql";
/// Name of the model card in the folder of its version.
pub const CARD_FILE: &str = "model.json";
/// Name of the file that records the promoted versions of a name, one per line, newest first: the
/// first line is the champion.
const CHAMPION_FILE: &str = "champion";
/// Name of the file that is locked while the versions or the champion of a name change.
const LOCK_FILE: &str = ".lock";
/// Prefix of a version's folder while it is written or deleted.
const STAGED: &str = ".pql-";

/// Location and label of a stored model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLocation {
    /// The model file.
    pub path: PathBuf,
    /// The model's name in score files: `NAME/VERSION`, or the file name of a model outside the
    /// models folder.
    pub label: String,
}

impl ModelLocation {
    /// Returns the location of a version.
    fn from_version(models: &Path, name: &str, version: u32) -> Self {
        Self {
            path: models.join(name).join(format!("{version:04}")).join(MODEL_FILE),
            label: label(name, version),
        }
    }
}

/// Returns `NAME/VERSION`.
fn label(name: &str, version: u32) -> String {
    format!("{name}/{version:04}")
}

/// Finds a model: a file, NAME (its champion) or NAME/VERSION under `models`.
///
/// # Errors
/// * [`Error::NoModel`]: no model has this name or version
/// * those of [`find_champion`]
pub fn find(model: &str, models: &Path) -> Result<ModelLocation> {
    let file = Path::new(model);
    let inside = file.join(MODEL_FILE);
    let file = if inside.is_file() { inside.as_path() } else { file };
    if file.is_file() {
        return Ok(ModelLocation { path: file.to_owned(), label: label_of(file) });
    }
    let model = model.trim_end_matches('/');
    let Some((name, version)) = model.split_once('/') else {
        return find_champion(model, models);
    };
    let stored =
        version_number(version).filter(|number| stored_numbers(models, name).contains(number));
    let version = stored.ok_or_else(|| missing(model, models))?;
    Ok(ModelLocation::from_version(models, name, version))
}

/// Finds the champion of a name.
///
/// # Errors
/// * [`Error::NoModel`]: no model has this name
/// * [`Error::UnusableChampion`]: no version has been promoted, or the champion has been deleted
pub fn find_champion(name: &str, models: &Path) -> Result<ModelLocation> {
    let champion =
        check_name(name).ok().and_then(|()| read_promotions(&models.join(name)).first().copied());
    let location = champion.map(|champion| ModelLocation::from_version(models, name, champion));
    if let Some(location) = location.filter(|location| location.path.is_file()) {
        return Ok(location);
    }
    let stored = stored_numbers(models, name);
    let Some(newest) = stored.last() else { return Err(missing(name, models)) };
    Err(Error::UnusableChampion {
        problem: champion.map_or_else(
            || format!("`{name}` has no champion"),
            |deleted| format!("champion `{}` has been deleted", label(name, deleted)),
        ),
        hint: Some(format!("choose one with `pql models promote {}`", label(name, *newest))),
    })
}

/// Returns the error for a model that does not exist, with the models or versions that do.
fn missing(model: &str, models: &Path) -> Error {
    let name = model_name(model);
    let names = names(models);
    let versions: Vec<String> = stored_numbers(models, name)
        .into_iter()
        .map(|version| format!("`{}`", label(name, version)))
        .collect();
    let hint = match versions.as_slice() {
        [] => nearest(name, names.iter().map(String::as_str)).map_or_else(
            || match names.as_slice() {
                [] => "`pql train --name NAME` stores a model".to_owned(),
                names => quoted(names, ["is the only stored model", "are stored"]),
            },
            |name| format!("did you mean `{name}`?"),
        ),
        [version] => format!("the only version is {version}"),
        versions => format!("the versions are {}", versions.join(", ")),
    };
    Error::NoModel { model: model.to_owned(), models: models.to_owned(), hint: Some(hint) }
}

/// Returns the name in `NAME/VERSION`, or all of another label.
#[must_use]
pub fn model_name(label: &str) -> &str {
    label.split('/').next().unwrap_or(label)
}

/// Returns `NAME/VERSION` for a file in the folder of a version, else the file's name without its
/// extension.
fn label_of(file: &Path) -> String {
    let folder_name = |path: Option<&Path>| {
        path.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned())
    };
    let version = folder_name(file.parent());
    let name = folder_name(file.parent().and_then(Path::parent));
    match (name, version) {
        (Some(name), Some(version)) if version_number(&version).is_some() => {
            format!("{name}/{version}")
        }
        _ => file
            .file_stem()
            .map_or_else(|| file.display().to_string(), |n| n.to_string_lossy().into_owned()),
    }
}

/// Returns the names under `models` that have a stored version, sorted.
fn names(models: &Path) -> Vec<String> {
    let entries = fs::read_dir(models).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !stored_numbers(models, name).is_empty())
        .collect();
    names.sort_unstable();
    names
}

/// A version in the models folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    /// Its location and label.
    pub location: ModelLocation,
    /// Whether it is the champion: the version that NAME alone stands for.
    pub is_champion: bool,
}

/// Lists the versions under `models`, by name and number.
///
/// # Arguments
/// * `name` – the versions of this name, or one `NAME/VERSION`; `None`: all
/// # Errors
/// * [`Error::NoModel`]: no model has this name or version
pub fn list(models: &Path, name: Option<&str>) -> Result<Vec<StoredVersion>> {
    if let Some(version) = name.filter(|name| name.trim_end_matches('/').contains('/')) {
        let location = find(version, models)?;
        let (name, _) = location.label.split_once('/').ok_or_else(|| missing(version, models))?;
        return Ok(list(models, Some(name))?
            .into_iter()
            .filter(|stored| stored.location.label == location.label)
            .collect());
    }
    let names = match name {
        Some(name) => vec![stored_name(models, name.trim_end_matches('/'))?.to_owned()],
        None => names(models),
    };
    Ok(names.iter().flat_map(|name| stored_versions(models, name)).collect())
}

/// Lists the versions of one name, ascending.
fn stored_versions(models: &Path, name: &str) -> Vec<StoredVersion> {
    let champion = read_promotions(&models.join(name)).first().copied();
    let stored = stored_numbers(models, name).into_iter().map(|number| StoredVersion {
        is_champion: champion == Some(number),
        location: ModelLocation::from_version(models, name, number),
    });
    stored.collect()
}

/// Checks that a name has a stored version.
///
/// # Errors
/// * [`Error::NoModel`]: it has none
fn stored_name<'a>(models: &Path, name: &'a str) -> Result<&'a str> {
    if stored_numbers(models, name).is_empty() { Err(missing(name, models)) } else { Ok(name) }
}

/// Checks that the argument of a command is a name with a stored version, but has no version
/// itself.
///
/// # Errors
/// * [`Error::Usage`]: it has a version
/// * [`Error::NoModel`]: it has no stored version
fn name_argument<'a>(models: &Path, name: &'a str, command: &str) -> Result<&'a str> {
    let name = name.trim_end_matches('/');
    if name.contains('/') {
        return Err(Error::Usage {
            problem: format!("found `{name}`, expected the name of a model without a version"),
            hint: Some(format!("`pql models {command} {}`", model_name(name))),
        });
    }
    stored_name(models, name)
}

/// Locks the versions and the champion of a name, until the file is dropped. Waits until another
/// process or thread releases the lock.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK_FILE);
    // Another user may have created the file.
    let file = File::create(&path).or_else(|_| File::open(&path));
    let locked = file.and_then(|file| match file.lock() {
        // Some network file systems have no locks: then nothing protects simultaneous changes.
        Err(e) if e.kind() != ErrorKind::Unsupported => Err(e),
        _ => Ok(file),
    });
    locked.map_err(|source| Error::Write { path, source })
}

/// Returns the promoted versions of a name, newest first; empty without a champion. Lines that are
/// no versions are ignored.
fn read_promotions(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join(CHAMPION_FILE)).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Writes the promoted versions of a name, newest first.
fn write_promotions(folder: &Path, promotions: &[u32]) -> Result<()> {
    let versions: Vec<String> = promotions.iter().map(|version| format!("{version:04}")).collect();
    write_bytes(&folder.join(CHAMPION_FILE), (versions.join("\n") + "\n").as_bytes())
}

/// Adds a version to the promotions of its name, unless it is the champion already.
fn record_promotion(folder: &Path, version: u32) -> Result<()> {
    let mut promotions = read_promotions(folder);
    if promotions.first() != Some(&version) {
        promotions.insert(0, version);
    }
    write_promotions(folder, &promotions)
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
fn previous_champion(promotions: &[u32], stored: &[u32]) -> Option<usize> {
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
    let promotions = read_promotions(&folder);
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
    let promotions = read_promotions(&folder);
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
    let staged = tempfile::Builder::new()
        .prefix(STAGED)
        .tempdir_in(folder.parent().unwrap_or(folder))
        .map_err(without_path)
        .map_err(failed)?;
    fs::rename(folder, staged.path().join("deleted")).map_err(failed)?;
    staged.close().map_err(failed)
}

/// Checks that a name can be a folder.
///
/// # Errors
/// * [`Error::Usage`]: it cannot
pub fn check_name(name: &str) -> Result<()> {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if is_plain && !name.is_empty() && !name.starts_with('.') {
        return Ok(());
    }
    Err(Error::Usage {
        problem: format!("`{name}` is not a valid model name"),
        hint: Some("use letters, digits, `-`, `_` and `.`; do not begin with `.`".to_owned()),
    })
}

/// Stores a new version: its files appear together, and the first version becomes the champion.
///
/// Returns where the model is stored, and whether it is now the champion.
/// # Arguments
/// * `write` – writes the files into a given folder
/// * `promote` – whether the new version replaces an existing champion
/// # Errors
/// * [`Error::Usage`]: the name cannot be a folder
/// * [`Error::Write`]: the folder cannot be written
pub fn add(
    models: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<()>,
    promote: bool,
) -> Result<(ModelLocation, bool)> {
    check_name(name)?;
    let folder = models.join(name);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    };
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    remove_stale(&folder);
    let staged = tempfile::Builder::new()
        .prefix(STAGED)
        .tempdir_in(&folder)
        .map_err(without_path)
        .map_err(failed(&folder))?;
    write(staged.path())?;
    let staged = staged.keep();
    make_folder_readable(&staged);
    let stored = lock(&folder).and_then(|_lock| {
        let version = move_to_next_version(&folder, &staged)?;
        let is_champion = promote || !folder.join(CHAMPION_FILE).exists();
        if is_champion {
            record_promotion(&folder, version)?;
        }
        Ok((ModelLocation::from_version(models, name, version), is_champion))
    });
    if stored.is_err() {
        // After a failure the files are useless, if they are still there.
        let _ = fs::remove_dir_all(&staged);
    }
    stored
}

/// Gives a folder the next version number, which neither a version nor a former champion has, and
/// returns it.
fn move_to_next_version(folder: &Path, staged: &Path) -> Result<u32> {
    let used = versions(folder).into_iter().chain(read_promotions(folder)).max();
    let mut number = used.unwrap_or(0).saturating_add(1);
    loop {
        let target = folder.join(format!("{number:04}"));
        match fs::rename(staged, &target) {
            Ok(()) => return Ok(number),
            // Without locks another run may have taken the number in the meantime.
            Err(_) if target.exists() && number < u32::MAX => number += 1,
            Err(source) => return Err(Error::Write { path: target, source }),
        }
    }
}

/// Removes files that interrupted runs left behind more than a day ago.
pub(crate) fn remove_stale(folder: &Path) {
    const DAY: std::time::Duration = std::time::Duration::from_hours(24);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_old = || {
            entry
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|t| t.elapsed().ok())
                .is_some_and(|age| age > DAY)
        };
        if entry.file_name().to_string_lossy().starts_with(STAGED) && is_old() {
            // Another run may remove it first.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Gives a folder the permissions of its parent; temporary folders are private.
fn make_folder_readable(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = folder
            .parent()
            .and_then(|p| fs::metadata(p).ok())
            .map_or(0o755, |m| m.permissions().mode());
        // If this fails, the current user can still score.
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(mode));
    }
}

/// Returns the number of a version's folder; `None` for another name.
fn version_number(folder_name: &str) -> Option<u32> {
    folder_name.parse().ok().filter(|number| format!("{number:04}") == folder_name)
}

/// Returns the version numbers in the folder of a name, ascending, including those without a model
/// file.
fn versions(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> =
        entries.filter_map(|e| e.file_name().to_str().and_then(version_number)).collect();
    numbers.sort_unstable();
    numbers
}

/// Returns the numbers of the versions of a name that have a model file, ascending; empty if the
/// name cannot be a folder.
fn stored_numbers(models: &Path, name: &str) -> Vec<u32> {
    if check_name(name).is_err() {
        return Vec::new();
    }
    let mut numbers = versions(&models.join(name));
    numbers.retain(|number| ModelLocation::from_version(models, name, *number).path.is_file());
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_byte(folder: &Path) -> Result<()> {
        write_bytes(&folder.join(MODEL_FILE), &[1])
    }

    /// Accepts every model file.
    #[expect(clippy::unnecessary_wraps, reason = "it has the type of a check")]
    fn any(_: &Path) -> Result<()> {
        Ok(())
    }

    /// Accepts no model file.
    fn bad(path: &Path) -> Result<()> {
        Err(Error::NotAModel { path: path.to_owned() })
    }

    fn labels(locations: &[ModelLocation]) -> Vec<&str> {
        locations.iter().map(|location| location.label.as_str()).collect()
    }

    /// Returns the labels of all versions.
    fn stored(models: &Path) -> Vec<String> {
        list(models, None).unwrap().into_iter().map(|version| version.location.label).collect()
    }

    #[test]
    fn versions_count_up_and_the_first_is_champion_until_one_is_promoted() {
        let dir = tempfile::tempdir().unwrap();
        let add = |promote| add(dir.path(), "trial", one_byte, promote).unwrap();
        assert_eq!((add(false).1, add(false).1), (true, false));
        assert_eq!(find("trial", dir.path()).unwrap().label, "trial/0001");
        assert!(add(true).1);
        assert_eq!(find("trial", dir.path()).unwrap().label, "trial/0003");
        assert_eq!(find("trial/0002", dir.path()).unwrap().label, "trial/0002");
        let file = dir.path().join("trial/0002").join(MODEL_FILE);
        assert_eq!(find(file.to_str().unwrap(), dir.path()).unwrap().label, "trial/0002");
    }

    #[test]
    fn versions_are_listed_and_one_is_promoted() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["trial", "matrix", "trial"] {
            add(dir.path(), name, one_byte, false).unwrap();
        }
        let listed = |name| {
            let stored = list(dir.path(), name).unwrap();
            let label_and_champion = |v: StoredVersion| (v.location.label, v.is_champion);
            stored.into_iter().map(label_and_champion).collect::<Vec<_>>()
        };
        let all = ["matrix/0001", "trial/0001", "trial/0002"].map(str::to_owned);
        assert_eq!(
            listed(None),
            all.clone().into_iter().zip([true, true, false]).collect::<Vec<_>>()
        );
        promote(dir.path(), &find("trial/0002", dir.path()).unwrap()).unwrap();
        assert_eq!(
            listed(Some("trial")),
            all[1..].iter().cloned().zip([false, true]).collect::<Vec<_>>()
        );
        assert_eq!(list(dir.path(), Some("trail")).unwrap_err().exit_code(), 4);
        let elsewhere =
            ModelLocation { path: dir.path().join("model.pql"), label: "model".to_owned() };
        assert_eq!(promote(dir.path(), &elsewhere).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn an_unknown_model_suggests_the_nearest_name() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        let hint = |name: &str| {
            let error = find(name, models).unwrap_err();
            assert_eq!(error.exit_code(), 4, "{error}");
            error.hint().unwrap()
        };
        assert_eq!(hint("trail"), "`pql train --name NAME` stores a model");
        add(models, "trial", one_byte, false).unwrap();
        assert_eq!(hint("trail"), "did you mean `trial`?");
        assert_eq!(hint("x"), "`trial` is the only stored model");
        assert_eq!(hint("trial/0009"), "the only version is `trial/0001`");
        // Folders without a model file are no models.
        for folder in ["trial/0099", "trail/0001", "x"] {
            fs::create_dir_all(models.join(folder)).unwrap();
        }
        assert_eq!(hint("trail"), "did you mean `trial`?");
        assert_eq!(hint("x"), "`trial` is the only stored model");
        assert_eq!(hint("trial/0099"), "the only version is `trial/0001`");
        assert_eq!(list(models, Some("x")).unwrap_err().exit_code(), 4);
        assert_eq!(add(models, "../x", one_byte, false).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_missing_or_deleted_champion_is_reported_with_the_newest_version() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        for _ in 0..2 {
            add(models, "trial", one_byte, false).unwrap();
        }
        for (history, problem) in [
            ("0007\n", "champion `trial/0007` has been deleted"),
            ("", "`trial` has no champion"),
            ("../other/0001\n", "`trial` has no champion"),
        ] {
            fs::write(models.join("trial/champion"), history).unwrap();
            for error in
                [find("trial", models), rollback(models, "trial", any)].map(Result::unwrap_err)
            {
                assert_eq!((error.exit_code(), error.to_string().as_str()), (4, problem));
                let hint = "choose one with `pql models promote trial/0002`";
                assert_eq!(error.hint().as_deref(), Some(hint));
            }
        }
        assert!(list(models, None).unwrap().iter().all(|version| !version.is_champion));
        fs::write(models.join("trial/champion"), "0007\n0001\n").unwrap();
        assert_eq!(rollback(models, "trial", any).unwrap().label, "trial/0001");
    }

    #[test]
    fn the_number_of_a_deleted_champion_is_not_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        for promote in [false, true] {
            add(models, "trial", one_byte, promote).unwrap();
        }
        fs::remove_dir_all(models.join("trial/0002")).unwrap();
        let (location, is_champion) = add(models, "trial", one_byte, false).unwrap();
        assert_eq!((location.label.as_str(), is_champion), ("trial/0003", false));
        assert!(find("trial", models).unwrap_err().to_string().contains("has been deleted"));
    }

    #[test]
    fn rollback_restores_the_previous_champion_step_by_step() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        let champion = || find("trial", models).unwrap().label;
        let promote = |label| promote(models, &find(label, models).unwrap()).unwrap();
        for promote in [false, true, true] {
            add(models, "trial", one_byte, promote).unwrap();
        }
        promote("trial/0003");
        let history = fs::read_to_string(models.join("trial/champion")).unwrap();
        assert_eq!(history, "0003\n0002\n0001\n", "promoting the champion again adds no line");
        assert_eq!(rollback(models, "trial", bad).unwrap_err().exit_code(), 4);
        assert_eq!(champion(), "trial/0003", "an unreadable version does not become the champion");
        assert_eq!(rollback(models, "trial", any).unwrap().label, "trial/0002");
        assert_eq!(champion(), "trial/0002");
        assert_eq!(rollback(models, "trial/", any).unwrap().label, "trial/0001");
        let error = rollback(models, "trial", any).unwrap_err();
        assert!(error.to_string().contains("only `trial/0001` has been promoted"), "{error}");
        assert_eq!((error.exit_code(), champion().as_str()), (4, "trial/0001"));
        for label in ["trial/0002", "trial/0003", "trial/0001"] {
            promote(label);
        }
        fs::remove_dir_all(models.join("trial/0003")).unwrap();
        assert_eq!(rollback(models, "trial", any).unwrap().label, "trial/0002");
        promote("trial/0001");
        fs::remove_dir_all(models.join("trial/0002")).unwrap();
        let error = rollback(models, "trial", any).unwrap_err();
        assert!(error.to_string().contains("former champions have been deleted"), "{error}");
        assert_eq!((error.exit_code(), champion().as_str()), (4, "trial/0001"));
        for (name, code) in [("trail", 4), ("trial/0001", 2), ("../trial", 2), ("", 4)] {
            assert_eq!(rollback(models, name, any).unwrap_err().exit_code(), code, "{name}");
        }
    }

    #[test]
    fn rollback_ignores_a_history_that_leaves_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        add(dir.path(), "trial", one_byte, false).unwrap();
        add(dir.path(), "other", one_byte, false).unwrap();
        fs::write(dir.path().join("trial/champion"), "0001\n../other/0001\n").unwrap();
        assert_eq!(rollback(dir.path(), "trial", any).unwrap_err().exit_code(), 4);
    }

    #[test]
    fn prune_keeps_the_newest_versions_and_both_champions() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        for name in ["trial", "trial", "trial", "trial", "trial", "push", "push"] {
            add(models, name, one_byte, false).unwrap();
        }
        promote(models, &find("push/0002", models).unwrap()).unwrap();
        let prune = |name, keep| prune(models, name, keep, any).unwrap();
        assert!(prune(None, 4).deleted.is_empty());
        let pruned = prune(Some("trial"), 3);
        assert_eq!(labels(&pruned.deleted), ["trial/0002"]);
        assert_eq!(labels(&pruned.kept_champions), ["trial/0001"]);
        promote(models, &find("trial/0003", models).unwrap()).unwrap();
        let pruned = prune(None, 1);
        assert_eq!(labels(&pruned.deleted), ["trial/0004"]);
        assert_eq!(labels(&pruned.kept_champions), ["trial/0003"]);
        assert_eq!(labels(&pruned.kept_previous_champions), ["trial/0001"]);
        let kept = ["push/0001", "push/0002", "trial/0001", "trial/0003", "trial/0005"];
        assert_eq!(stored(models), kept, "push/0001 is the previous champion");
        assert_eq!(rollback(models, "trial", any).unwrap().label, "trial/0001");
        let error = super::prune(models, None, 0, any).unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().contains("--keep")), (2, true));
        let left = fs::read_dir(models.join("trial")).unwrap().count();
        assert_eq!(left, 5, "nothing but three versions, the champion file and the lock");
    }

    #[test]
    fn unreadable_versions_do_not_count_as_kept() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        for _ in 0..5 {
            add(models, "trial", one_byte, false).unwrap();
        }
        let unreadable =
            ["0002", "0004", "0005"].map(|v| models.join("trial").join(v).join(MODEL_FILE));
        let check =
            |path: &Path| if unreadable.iter().any(|u| u == path) { bad(path) } else { Ok(()) };
        let pruned = prune(models, None, 1, check).unwrap();
        assert_eq!(labels(&pruned.deleted), ["trial/0002"]);
        assert_eq!(labels(&pruned.unreadable), ["trial/0005", "trial/0004"]);
        assert_eq!(stored(models), ["trial/0001", "trial/0003", "trial/0004", "trial/0005"]);
    }

    #[test]
    fn a_name_without_a_usable_champion_is_not_pruned() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        for name in ["bad", "lost", "trial"] {
            for _ in 0..3 {
                add(models, name, one_byte, false).unwrap();
            }
        }
        fs::write(models.join("lost/champion"), "0007\n").unwrap();
        let check =
            |path: &Path| if path.starts_with(models.join("bad")) { bad(path) } else { Ok(()) };
        let pruned = prune(models, None, 1, check).unwrap();
        assert_eq!(labels(&pruned.deleted), ["trial/0002"]);
        assert_eq!(stored(models).len(), 8);
        let error = pruned.check_failures().unwrap_err();
        assert_eq!(error.exit_code(), 4);
        for part in [
            "`bad` was not pruned: champion `bad/0001` cannot be read: ",
            "; `lost` was not pruned: champion `lost/0007` has been deleted",
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(prune(models, Some("trial"), 1, check).unwrap().check_failures().is_ok());
        for (name, code) in [("trail", 4), ("trial/0001", 2), ("", 4)] {
            let error = prune(models, Some(name), 1, any).unwrap_err();
            assert_eq!(error.exit_code(), code, "{name}");
        }
    }

    #[test]
    fn simultaneous_changes_keep_the_champion() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        add(models, "trial", one_byte, false).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for turn in 0..15 {
                        add(models, "trial", one_byte, turn % 2 == 0).unwrap();
                    }
                });
                scope.spawn(|| {
                    for _ in 0..30 {
                        // Prune may delete a version before it is promoted.
                        let versions = list(models, Some("trial")).unwrap();
                        let _ = promote(models, &versions[versions.len() / 2].location);
                    }
                });
                scope.spawn(|| {
                    for _ in 0..30 {
                        let pruned = prune(models, Some("trial"), 1, any).unwrap();
                        pruned.check_failures().unwrap();
                        // A second rollback in a row may find no former champion.
                        let _ = rollback(models, "trial", any);
                    }
                });
            }
        });
        assert!(find("trial", models).unwrap().path.is_file());
    }

    #[test]
    fn two_rollbacks_go_back_two_steps() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path();
        for _ in 0..3 {
            add(models, "trial", one_byte, true).unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| rollback(models, "trial", any).unwrap());
            }
        });
        assert_eq!(find("trial", models).unwrap().label, "trial/0001");
    }
}
