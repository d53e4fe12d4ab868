//! Versions of stored models, `models/NAME/VERSION`, and the champion of each name.

mod champion;
mod prune;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use self::champion::{CHAMPION_FILE, lock, promotions, read_promotions, record_promotion};
pub use self::champion::{promote, rollback};
pub use self::prune::{Pruned, prune};
use crate::error::{Error, Result};
use crate::escape::one_line;
use crate::io::write::{
    OutputFile, UnfinishedFolder, create_managed_folder, sync_folder, write_bytes,
};
use crate::model::card::CARD_FILE;
use crate::names::{nearest, quoted};
use crate::training::test_set::TEST_ROWS_FILE;

/// Name of the model file in the folder of its version.
pub const MODEL_FILE: &str = "model.pql";

/// Name of the file in a version that is stored, but not yet the champion that it should become.
const UNPROMOTED_FILE: &str = ".unpromoted";

/// When a new version becomes the champion of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promotion {
    /// In any case.
    Always,
    /// If no version has been the champion before.
    IfFirst,
    /// In no case.
    Never,
}

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
    let champion = match check_name(name) {
        Ok(()) if !stored_numbers(models, name).is_empty() => {
            promotions(models, name)?.first().copied()
        }
        _ => None,
    };
    let location = champion.map(|champion| ModelLocation::from_version(models, name, champion));
    if let Some(location) = location.filter(|location| location.path.is_file()) {
        return Ok(location);
    }
    if stored_numbers(models, name).is_empty() {
        return Err(missing(name, models));
    }
    Err(Error::UnusableChampion {
        problem: champion.map_or_else(
            || format!("`{name}` has no champion"),
            |deleted| format!("champion `{}` has been deleted", label(name, deleted)),
        ),
        hint: promotion_hint(models, name),
    })
}

/// Returns the hint to promote the newest version of a name.
fn promotion_hint(models: &Path, name: &str) -> Option<String> {
    let newest = stored_numbers(models, name).pop()?;
    Some(format!("choose one with `pql models promote {}`", label(name, newest)))
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
/// extension, without hidden characters.
fn label_of(file: &Path) -> String {
    let folder_name = |path: Option<&Path>| {
        path.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned())
    };
    let version = folder_name(file.parent());
    let name = folder_name(file.parent().and_then(Path::parent));
    let label = match (name, version) {
        (Some(name), Some(version)) if version_number(&version).is_some() => {
            format!("{name}/{version}")
        }
        _ => file
            .file_stem()
            .map_or_else(|| file.display().to_string(), |n| n.to_string_lossy().into_owned()),
    };
    one_line(&label).into_owned()
}

/// Returns the files of the version whose model file is `model`.
#[must_use]
pub fn version_files(model: &Path) -> Vec<PathBuf> {
    let others = [CARD_FILE, TEST_ROWS_FILE].map(|name| model.with_file_name(name));
    std::iter::once(model.to_owned()).chain(others).collect()
}

/// Returns the files of all versions of a name, and of its champion.
#[must_use]
pub fn stored_files(models: &Path, name: &str) -> Vec<PathBuf> {
    let numbers = stored_numbers(models, name).into_iter();
    let versions = numbers.map(|number| ModelLocation::from_version(models, name, number));
    let mut files: Vec<PathBuf> =
        versions.flat_map(|version| version_files(&version.path)).collect();
    files.push(models.join(name).join(CHAMPION_FILE));
    files
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

/// Returns the newest version that was stored to become the champion, if its training was stopped
/// before that.
#[must_use]
pub fn interrupted_promotion(models: &Path, name: &str) -> Option<(String, String)> {
    let is_unpromoted = |number: &u32| {
        let model = ModelLocation::from_version(models, name, *number).path;
        model.with_file_name(UNPROMOTED_FILE).exists()
    };
    let number = stored_numbers(models, name).into_iter().rfind(is_unpromoted)?;
    let label = label(name, number);
    let problem = format!(
        "the training was interrupted before this version became the champion; run `pql models \
         promote {label}`"
    );
    Some((label, problem))
}

/// Returns what is broken about a name: its champion, versions without a model file, and a version
/// that did not become the champion.
#[must_use]
pub fn broken(models: &Path, name: &str) -> Vec<(String, String)> {
    let has_champion = models.join(name).join(CHAMPION_FILE).symlink_metadata().is_ok();
    let champion = find_champion(name, models).err().filter(|_| has_champion).map(|error| {
        let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
        (name.to_owned(), format!("{error}{hint}"))
    });
    let stored = stored_numbers(models, name);
    let incomplete = versions(&models.join(name)).into_iter().filter(|n| !stored.contains(n));
    let incomplete = incomplete.map(|number| {
        let file = ModelLocation::from_version(models, name, number).path;
        (label(name, number), format!("`{}` is missing", file.display()))
    });
    champion.into_iter().chain(incomplete).chain(interrupted_promotion(models, name)).collect()
}

/// Lists the versions of one name, ascending.
fn stored_versions(models: &Path, name: &str) -> Vec<StoredVersion> {
    let champion = read_promotions(&models.join(name)).ok().and_then(|all| all.first().copied());
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

/// Stores a new version; its files appear together.
///
/// Returns where the model is stored, and whether it is now the champion.
/// # Arguments
/// * `write` – writes the files into a given folder
/// * `promotion` – when the new version becomes the champion
/// # Errors
/// * [`Error::Usage`]: the name cannot be a folder
/// * [`Error::Write`]: the folder cannot be written
pub fn add(
    models: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<()>,
    promotion: Promotion,
) -> Result<(ModelLocation, bool)> {
    check_name(name)?;
    let folder = models.join(name);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    };
    create_managed_folder(&folder).map_err(failed(&folder))?;
    let staged = UnfinishedFolder::create(&folder).map_err(failed(&folder))?;
    write(staged.path())?;
    lock(&folder).and_then(|_lock| {
        let is_champion = match promotion {
            Promotion::Always => true,
            Promotion::IfFirst => !folder.join(CHAMPION_FILE).exists(),
            Promotion::Never => false,
        };
        if is_champion {
            write_bytes(&OutputFile::managed(&staged.path().join(UNPROMOTED_FILE)), b"")?;
        }
        let version = move_to_next_version(&folder, &staged)?;
        if is_champion {
            record_promotion(&folder, version)?;
        }
        Ok((ModelLocation::from_version(models, name, version), is_champion))
    })
}

/// Gives a folder the next version number, which neither a version nor a former champion has, and
/// returns it.
fn move_to_next_version(folder: &Path, staged: &UnfinishedFolder) -> Result<u32> {
    let promoted = read_promotions(folder).unwrap_or_default();
    let used = versions(folder).into_iter().chain(promoted).max();
    let mut number = used.unwrap_or(0).saturating_add(1);
    loop {
        let target = folder.join(format!("{number:04}"));
        match staged.rename(&target) {
            Ok(()) => {
                sync_folder(folder);
                return Ok(number);
            }
            // Without locks another run may have taken the number in the meantime.
            Err(_) if target.exists() && number < u32::MAX => number += 1,
            Err(source) => return Err(Error::Write { path: target, source }),
        }
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
