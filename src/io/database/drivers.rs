//! Finding the drivers of databases.

use std::env::{self, consts};
use std::fs;
use std::path::{Path, PathBuf};

use adbc_core::options::AdbcVersion;
use adbc_core::{
    LOAD_FLAG_ALLOW_RELATIVE_PATHS, LOAD_FLAG_SEARCH_ENV, LOAD_FLAG_SEARCH_SYSTEM,
    LOAD_FLAG_SEARCH_USER,
};
use adbc_driver_manager::ManagedDriver;

use crate::config::ConnectionConfig;
use crate::error::{Error, Result};

/// Folders of Python in which its packages are.
const PACKAGES: [&str; 2] = ["site-packages", "dist-packages"];

/// Function that initializes `DuckDB`, whose library is no driver alone.
const DUCKDB_ENTRYPOINT: &str = "duckdb_adbc_init";

/// Loads the driver of a connection: a path, a manifest, or a name. The library of a name is
/// searched in the folders of `ADBC_DRIVER_PATH`, in the packages of Python, and by the manifests of
/// ADBC.
///
/// # Errors
/// * [`Error::Usage`]: the driver is missing, or it cannot be loaded
pub(super) fn load(name: &str, config: &ConnectionConfig) -> Result<ManagedDriver> {
    let driver = config.driver.as_str();
    let is_duckdb = driver.contains("duckdb");
    let entrypoint = config.entrypoint.as_deref().or(is_duckdb.then_some(DUCKDB_ENTRYPOINT));
    let entrypoint = entrypoint.map(str::as_bytes);
    let is_path = driver.contains(['/', '\\']);
    let flags = if is_path {
        LOAD_FLAG_ALLOW_RELATIVE_PATHS
    } else {
        LOAD_FLAG_SEARCH_ENV | LOAD_FLAG_SEARCH_USER | LOAD_FLAG_SEARCH_SYSTEM
    };
    let failed = |problem: String, hint: String| Error::Usage {
        problem: format!("connection `{name}`: {problem}"),
        hint: Some(hint),
    };
    let library = (!is_path).then(|| find_library(driver)).flatten();
    let loaded = match &library {
        Some(library) => {
            ManagedDriver::load_dynamic_from_filename(library, entrypoint, AdbcVersion::V110)
        }
        None => ManagedDriver::load_from_name(driver, entrypoint, AdbcVersion::V110, flags, None),
    };
    loaded.map_err(|error| match &library {
        _ if is_path => failed(
            format!("cannot load the driver `{driver}`: {}", error.message),
            "set `driver` to the library of an ADBC driver, or to its manifest".to_owned(),
        ),
        Some(library) => failed(
            format!("cannot load the driver `{}`: {}", library.display(), error.message),
            "install a driver for this system".to_owned(),
        ),
        None => failed(
            format!("found no ADBC driver `{driver}`: {}", error.message.trim_end()),
            install_hint(driver),
        ),
    })
}

/// Drivers whose library is in the package `adbc-driver-NAME` of Python.
const PACKAGED: [&str; 5] = ["postgresql", "sqlite", "snowflake", "bigquery", "flightsql"];

/// Returns how to install a driver.
fn install_hint(driver: &str) -> String {
    let install = if driver == "duckdb" {
        "set `driver` to the path of the library of DuckDB, such as `/usr/lib/libduckdb.so`"
            .to_owned()
    } else if !PACKAGED.contains(&driver) {
        // A misspelled name must not become the name of a package.
        format!(
            "set `driver` to the path of its library, or to one of {}, which pip installs",
            PACKAGED.join(", ")
        )
    } else {
        format!(
            "install it with `pip install adbc-driver-{driver}`, or set `driver` to the path of its library"
        )
    };
    format!(
        "{install}; pql searches the folders of ADBC_DRIVER_PATH, the packages of the Python in VIRTUAL_ENV, ~/.local or PATH, and the manifests of ADBC"
    )
}

/// Finds the library of a driver that was installed without a manifest.
fn find_library(driver: &str) -> Option<PathBuf> {
    let library = format!("{}adbc_driver_{driver}{}", consts::DLL_PREFIX, consts::DLL_SUFFIX);
    let package = PathBuf::from(format!("adbc_driver_{driver}")).join(&library);
    let paths = |name: &str| env::var_os(name).map(|paths| env::split_paths(&paths).collect());
    let own: Vec<PathBuf> = paths("ADBC_DRIVER_PATH").unwrap_or_default();
    let own = own.iter().flat_map(|folder| [folder.join(&library), folder.join(&package)]);
    let mut installations: Vec<PathBuf> =
        env::var_os("VIRTUAL_ENV").into_iter().map(PathBuf::from).collect();
    installations.extend(env::var_os("HOME").map(|home| Path::new(&home).join(".local")));
    let programs: Vec<PathBuf> = paths("PATH").unwrap_or_default();
    let has_python = |folder: &&PathBuf| {
        ["python3", "python3.exe"].iter().any(|name| folder.join(name).is_file())
    };
    installations.extend(
        programs.iter().filter(has_python).filter_map(|folder| Some(folder.parent()?.to_owned())),
    );
    let packages = installations.iter().flat_map(|folder| package_folders(folder));
    own.chain(packages.map(|folder| folder.join(&package))).find(|path| path.is_file())
}

/// Returns the folders of packages of an installation of Python, the newest version first.
fn package_folders(installation: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["lib", "lib64", "Lib"]
        .iter()
        .filter_map(|name| fs::read_dir(installation.join(name)).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"))
        })
        .collect();
    folders.sort_by(|a, b| b.cmp(a));
    let windows = installation.join("Lib");
    folders.push(windows);
    folders.iter().flat_map(|folder| PACKAGES.map(|name| folder.join(name))).collect()
}
