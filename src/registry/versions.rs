//! models/NAME/VERSION: versions, and which one is the champion.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::write::write_bytes;
use crate::names::nearest;

/// Name of the model file in the folder of its version.
pub const MODEL_FILE: &str = "model.pql";
/// Name of the model card beside it.
pub const CARD_FILE: &str = "model.json";
const CHAMPION: &str = "champion";
/// How the folder of a version begins while it is written.
const STAGED: &str = ".pql-";

/// A model that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The model file.
    pub path: PathBuf,
    /// What scores call it: `NAME/VERSION`, or the name of a file that lies elsewhere.
    pub label: String,
}

/// Find a model: a file, NAME (its champion) or NAME/VERSION under `models`.
///
/// # Errors
/// * [`Error::NoModel`]: there is none of that name
pub fn find(model: &str, models: &Path) -> Result<Found> {
    let file = Path::new(model);
    let inside = file.join(MODEL_FILE);
    let file = if inside.is_file() { inside.as_path() } else { file };
    if file.is_file() {
        return Ok(Found { path: file.to_owned(), label: label_of(file) });
    }
    let model = model.trim_end_matches('/');
    let (name, version) = match model.split_once('/') {
        Some((name, version)) => (name, version.to_owned()),
        None => (
            model,
            fs::read_to_string(models.join(model).join(CHAMPION))
                .map_err(|_| missing(model, models))?
                .trim()
                .to_owned(),
        ),
    };
    // A version is a number: no way through other folders is one.
    let is_version = check_name(name).is_ok() && version.bytes().all(|b| b.is_ascii_digit());
    let path = models.join(name).join(&version).join(MODEL_FILE);
    if is_version && path.is_file() {
        Ok(Found { path, label: format!("{name}/{version}") })
    } else {
        Err(missing(model, models))
    }
}

/// That there is no such model, with what there is instead.
fn missing(model: &str, models: &Path) -> Error {
    let name = name_of(model);
    let names = names(models);
    let hint = if names.iter().any(|n| n == name) {
        let versions: Vec<String> =
            versions(&models.join(name)).iter().map(|v| format!("`{name}/{v:04}`")).collect();
        let champion = models.join(name).join(CHAMPION);
        let asked = model.contains('/') || versions.is_empty();
        let gone = fs::read_to_string(&champion).ok().filter(|_| !asked).map(|version| {
            let promote = format!(
                "`pql models --promote {}` makes another the champion",
                versions.last().map_or("", |last| last.trim_matches('`'))
            );
            format!(
                "`{}` names `{}`, which is not there; {promote}; ",
                champion.display(),
                version.trim()
            )
        });
        match versions.as_slice() {
            [] => format!("`{name}` has no version: its training did not end"),
            some => format!("{}there are {}", gone.unwrap_or_default(), some.join(", ")),
        }
        .into()
    } else {
        nearest(name, names.iter().map(String::as_str)).map(|n| format!("did you mean `{n}`?"))
    };
    Error::NoModel { model: model.to_owned(), models: models.to_owned(), hint }
}

/// The name in `NAME/VERSION`, or the whole of another label.
#[must_use]
pub fn name_of(label: &str) -> &str {
    label.split('/').next().unwrap_or(label)
}

/// `NAME/VERSION` of a file that lies as the store lays it, else its name without ending.
fn label_of(file: &Path) -> String {
    let part = |path: Option<&Path>| {
        path.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned())
    };
    let (version, name) = (part(file.parent()), part(file.parent().and_then(Path::parent)));
    match (name, version) {
        (Some(name), Some(version)) if version.len() == 4 && version.parse::<u32>().is_ok() => {
            format!("{name}/{version}")
        }
        _ => file
            .file_stem()
            .map_or_else(|| file.display().to_string(), |n| n.to_string_lossy().into_owned()),
    }
}

fn names(models: &Path) -> Vec<String> {
    let entries = fs::read_dir(models).into_iter().flatten().flatten();
    entries
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A version that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where it is, and what scores call it.
    pub found: Found,
    /// Whether its name alone means it.
    pub champion: bool,
}

/// List the versions under `models`, by name and number.
///
/// # Arguments
/// * `name` – one model's alone, or `NAME/VERSION`; `None`: all
/// # Errors
/// * [`Error::NoModel`]: there is none of that name
pub fn list(models: &Path, name: Option<&str>) -> Result<Vec<Stored>> {
    if let Some(version) = name.filter(|name| name.trim_end_matches('/').contains('/')) {
        let found = find(version, models)?;
        let (name, _) = found.label.split_once('/').ok_or_else(|| missing(version, models))?;
        return Ok(list(models, Some(name))?
            .into_iter()
            .filter(|stored| stored.found.label == found.label)
            .collect());
    }
    let mut names = match name.map(|name| name.trim_end_matches('/')) {
        Some(name) if !name.is_empty() && models.join(name).is_dir() => vec![name.to_owned()],
        Some(name) => {
            return Err(find(name, models).err().unwrap_or_else(|| missing(name, models)));
        }
        None => names(models),
    };
    names.sort_unstable();
    let of_name = |name: &String| {
        let folder = models.join(name);
        let champion = fs::read_to_string(folder.join(CHAMPION)).unwrap_or_default();
        let of = |number: u32| {
            let version = format!("{number:04}");
            let found = Found {
                path: folder.join(&version).join(MODEL_FILE),
                label: format!("{name}/{version}"),
            };
            Stored { champion: version == champion.trim(), found }
        };
        versions(&folder)
            .into_iter()
            .map(of)
            .filter(|stored| stored.found.path.is_file())
            .collect::<Vec<_>>()
    };
    Ok(names.iter().flat_map(of_name).collect())
}

/// Make a version the champion of its name.
///
/// # Errors
/// * [`Error::Usage`]: the model is no version of the store
/// * [`Error::Write`]: the folder cannot be written
pub fn promote(models: &Path, found: &Found) -> Result<()> {
    let stored = |(name, version): (&str, &str)| {
        (models.join(name).join(version).join(MODEL_FILE) == found.path).then(|| version.to_owned())
    };
    let (Some(version), Some(folder)) =
        (found.label.split_once('/').and_then(stored), found.path.parent().and_then(Path::parent))
    else {
        return Err(Error::Usage {
            problem: format!(
                "`{}` is no version under `{}`, so that it cannot be promoted",
                found.label,
                models.display()
            ),
            hint: Some("name it as NAME/VERSION, such as `trial/0002`".to_owned()),
        });
    };
    write_bytes(&folder.join(CHAMPION), format!("{version}\n").as_bytes())
}

/// Check that a name can be a folder.
///
/// # Errors
/// * [`Error::Usage`]: it cannot
pub fn check_name(name: &str) -> Result<()> {
    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && !name.is_empty() && !name.starts_with('.') {
        return Ok(());
    }
    Err(Error::Usage {
        problem: format!("`{name}` cannot be the name of a model"),
        hint: Some("letters, digits, `-`, `_` and `.` make a name".to_owned()),
    })
}

/// Store a new version: its files appear together, and the first one becomes the champion.
///
/// # Arguments
/// * `write` – writes the files into the folder it is given
/// * `promote` – whether the new version becomes the champion even where there is one
///
/// Answers the model and whether it is the champion now.
/// # Errors
/// * [`Error::Write`]: the folder cannot be written
pub fn add(
    models: &Path,
    name: &str,
    write: impl FnOnce(&Path) -> Result<()>,
    promote: bool,
) -> Result<(Found, bool)> {
    check_name(name)?;
    let folder = models.join(name);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    };
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    sweep(&folder);
    let staged =
        tempfile::Builder::new().prefix(STAGED).tempdir_in(&folder).map_err(failed(&folder))?;
    write(staged.path())?;
    let mut number = versions(&folder).last().copied().unwrap_or(0).saturating_add(1);
    let staged = staged.keep();
    readable(&staged);
    let version = loop {
        let target = folder.join(format!("{number:04}"));
        match fs::rename(&staged, &target) {
            Ok(()) => break format!("{number:04}"),
            // Another run took the number meanwhile.
            Err(_) if target.exists() && number < u32::MAX => number += 1,
            Err(source) => {
                // What is left of the attempt serves nobody.
                let _ = fs::remove_dir_all(&staged);
                return Err(Error::Write { path: target, source });
            }
        }
    };
    let is_champion = if promote {
        write_bytes(&folder.join(CHAMPION), format!("{version}\n").as_bytes())?;
        true
    } else {
        claim(&folder, &version)?
    };
    Ok((
        Found { path: folder.join(&version).join(MODEL_FILE), label: format!("{name}/{version}") },
        is_champion,
    ))
}

/// Become the champion unless there is one; of several runs at once only one does.
fn claim(folder: &Path, version: &str) -> Result<bool> {
    let champion = folder.join(CHAMPION);
    let failed = |source| Error::Write { path: champion.clone(), source };
    let mut file = tempfile::Builder::new().prefix(STAGED).tempfile_in(folder).map_err(failed)?;
    file.write_all(format!("{version}\n").as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed)?;
    match file.persist_noclobber(&champion) {
        Ok(file) => {
            readable_file(&file);
            Ok(true)
        }
        Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(failed(refused.error)),
    }
}

/// Remove what a run that was killed left behind, once it is older than a day.
pub(crate) fn sweep(folder: &Path) {
    const DAY: std::time::Duration = std::time::Duration::from_hours(24);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let old = || {
            entry
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|t| t.elapsed().ok())
                .is_some_and(|age| age > DAY)
        };
        if entry.file_name().to_string_lossy().starts_with(STAGED) && old() {
            // Another run may be faster; then there is nothing left to do.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Let others read the folder, as they may read any other folder here; temporary folders are
/// private.
fn readable(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = folder
            .parent()
            .and_then(|p| fs::metadata(p).ok())
            .map_or(0o755, |m| m.permissions().mode());
        // Scoring works without it where only one user does.
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(mode));
    }
}

/// Let others read the file; temporary files are private.
fn readable_file(file: &fs::File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Scoring works without it where only one user does.
        let _ = file.set_permissions(fs::Permissions::from_mode(0o644));
    }
}

/// Version numbers of a model, ascending.
fn versions(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |name: &str| {
        (name.len() >= 4 && name.bytes().all(|b| b.is_ascii_digit()))
            .then(|| name.parse().ok())
            .flatten()
    };
    let mut numbers: Vec<u32> =
        entries.filter_map(|e| e.file_name().to_str().and_then(number)).collect();
    numbers.sort_unstable();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_byte(folder: &Path) -> Result<()> {
        write_bytes(&folder.join(MODEL_FILE), &[1])
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
            stored.into_iter().map(|of| (of.found.label, of.champion)).collect::<Vec<_>>()
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
        let elsewhere = Found { path: dir.path().join("model.pql"), label: "model".to_owned() };
        assert_eq!(promote(dir.path(), &elsewhere).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_model_that_is_not_there_is_named_with_the_nearest() {
        let dir = tempfile::tempdir().unwrap();
        add(dir.path(), "trial", one_byte, false).unwrap();
        let error = find("trail", dir.path()).unwrap_err();
        assert_eq!(
            (error.exit_code(), error.hint().as_deref()),
            (4, Some("did you mean `trial`?"))
        );
        assert_eq!(find("trial/0009", dir.path()).unwrap_err().exit_code(), 4);
        fs::write(dir.path().join("trial/champion"), "0007\n").unwrap();
        let hint = find("trial", dir.path()).unwrap_err().hint().unwrap();
        let way_out = "champion` names `0007`, which is not there; `pql models --promote trial/0001` makes another the champion";
        assert!(hint.contains(way_out), "{hint}");
        assert_eq!(add(dir.path(), "../x", one_byte, false).unwrap_err().exit_code(), 2);
    }
}
