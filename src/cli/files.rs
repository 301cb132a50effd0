//! Which files `-f` names: a file is itself, a directory its visible `*.cfg` files in byte order.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A name that cannot be read; worded as HAProxy does.
#[derive(Debug, thiserror::Error)]
#[error("Cannot open configuration file/directory {} : {}", path.display(), reason(error))]
pub struct FileError {
    pub path: PathBuf,
    pub error: io::Error,
}

/// The files behind the names, in order.
pub fn config_files(names: &[PathBuf]) -> Result<Vec<PathBuf>, FileError> {
    let mut files = Vec::new();
    for name in names {
        let fault = |error| FileError { path: name.clone(), error };
        if fs::metadata(name).map_err(fault)?.is_dir() {
            files.extend(files_of(name).map_err(fault)?);
        } else {
            files.push(name.clone());
        }
    }
    Ok(files)
}

fn files_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        if name.ends_with(b".cfg") && !name.starts_with(b".") && path.is_file() {
            files.push(path);
        }
    }
    files.sort_by(|left, right| left.as_os_str().as_bytes().cmp(right.as_os_str().as_bytes()));
    Ok(files)
}

/// The system's words without the number that Rust adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
