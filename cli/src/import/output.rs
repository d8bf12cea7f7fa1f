//! Writes the imported objects: to stdout, or with the report into a folder.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::ImportError;
use super::objects::{FILES, File};
use crate::style;

/// The file with the report.
pub(super) const REPORT: &str = "REPORT.md";

/// Writes the objects to stdout.
pub(super) fn print(files: &[File]) -> Result<(), ImportError> {
    let failed = |source| ImportError::Write { path: PathBuf::from("stdout"), source };
    let text = files.iter().map(|file| file.text.as_str()).collect::<Vec<_>>().join("---\n");
    let mut stdout = io::stdout().lock();
    // Only a terminal needs escaping. A file gets the text as it is.
    let text = if stdout.is_terminal() { style::screen(&text) } else { text };
    stdout.write_all(text.as_bytes()).map_err(failed)
}

/// Writes into a folder. Files of an earlier import are removed, because they would be served too.
pub(super) fn write(dir: &Path, files: &[File], report: &str, force: bool) -> Result<(), ImportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ImportError::Write { path, source }
    };
    for name in FILES.into_iter().chain([REPORT]) {
        let path = dir.join(name);
        if fs::symlink_metadata(&path).is_err() {
            continue;
        }
        if !force {
            return Err(ImportError::Exists { path });
        }
    }
    fs::create_dir_all(dir).map_err(failed(dir))?;
    for name in FILES.into_iter().chain([REPORT]) {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path)(error)),
            _ => {}
        }
    }
    let report = File { name: REPORT, text: report.to_owned(), secret: false };
    for file in files.iter().chain([&report]) {
        let path = dir.join(file.name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if file.secret {
            options.mode(0o600);
        }
        let mut open = options.open(&path).map_err(failed(&path))?;
        open.write_all(file.text.as_bytes()).map_err(failed(&path))?;
    }
    Ok(())
}
