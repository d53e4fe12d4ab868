//! Paths in the project file, relative to its folder if possible.

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::read;
use crate::remote_path::is_remote;

/// Returns a path, glob or folder relative to `folder` if that finds the same files, else absolute.
///
/// # Errors
/// * [`Error::Read`]: the working directory is unknown
/// * [`Error::Usage`]: the path is not UTF-8, as TOML requires
pub(super) fn to_project_path(path: &Path, folder: &Path, files: &[PathBuf]) -> Result<String> {
    if read::is_stdin(path) {
        return Ok("-".to_owned());
    }
    if is_remote(path) {
        return Ok(path.to_string_lossy().into_owned());
    }
    let absolute = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        std::path::absolute(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    };
    let (whole, base) = (absolute(path)?, absolute(folder)?);
    let chosen = relative(&whole, &base)
        .filter(|short| same_files(&folder.join(short), files))
        .unwrap_or(whole);
    chosen.to_str().map(str::to_owned).ok_or_else(|| Error::Usage {
        problem: format!("`{}`: found a path that is not UTF-8, expected UTF-8", path.display()),
        hint: Some("rename the file or the folder".to_owned()),
    })
}

/// Returns the relative path between two absolute paths that share more than the root.
fn relative(whole: &Path, base: &Path) -> Option<PathBuf> {
    let (whole, base): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (whole.components().collect(), base.components().collect());
    let same = whole.iter().zip(&base).take_while(|(a, b)| a == b).count();
    let shares = whole[..same].iter().any(|part| matches!(part, Component::Normal(_)));
    let up = base[same..].iter().map(|_| Component::ParentDir);
    let route: PathBuf = up.chain(whole[same..].iter().copied()).collect();
    let route = if route.as_os_str().is_empty() { PathBuf::from(".") } else { route };
    (shares || base.len() < 2).then_some(route)
}

/// Returns whether a path finds the same files.
fn same_files(path: &Path, files: &[PathBuf]) -> bool {
    let real = |files: &[PathBuf]| {
        files.iter().map(std::fs::canonicalize).collect::<std::io::Result<Vec<_>>>().ok()
    };
    read::files(path)
        .ok()
        .and_then(|found| real(&found))
        .is_some_and(|found| real(files) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_from(path: &Path, folder: &Path) -> String {
        let text = to_project_path(path, folder, &read::files(path).unwrap()).unwrap();
        assert!(
            same_files(&folder.join(&text), &read::files(path).unwrap()),
            "{text} finds other files"
        );
        text
    }

    #[test]
    fn paths_are_relative_to_the_folder_if_that_finds_the_same_files() {
        let top = tempfile::tempdir().unwrap();
        let (data, project) = (top.path().join("data"), top.path().join("project"));
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(&project).unwrap();
        for name in ["e1.csv", "e2.csv"] {
            std::fs::write(data.join(name), "a\n1\n").unwrap();
        }
        let file = data.join("e1.csv");
        assert_eq!(written_from(&file, top.path()), "data/e1.csv");
        assert_eq!(written_from(&file, &data), "e1.csv");
        assert_eq!(written_from(&data, &data), ".");
        assert_eq!(written_from(&data.join("e*.csv"), &project), "../data/e*.csv");
        let absent =
            to_project_path(&file, &top.path().join("absent"), std::slice::from_ref(&file))
                .unwrap();
        assert!(Path::new(&absent).is_absolute(), "the folder does not exist yet: {absent}");
    }
}
