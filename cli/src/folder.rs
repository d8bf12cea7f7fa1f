//! The objects of a folder, or of one file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use outrigger_compile::{Source, read};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The limit of one file. Kubernetes accepts no object over 3 MiB.
const MOST_BYTES: u64 = 16 << 20;

#[derive(Debug, Error)]
pub(crate) enum FolderError {
    #[error("can't read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than {} MiB: it can't be a file of objects", path.display(), MOST_BYTES >> 20)]
    TooLarge { path: PathBuf },
    #[error("no .yaml, .yml or .json file in {}{}", dir.display(), hint(deeper.as_deref()))]
    Empty {
        dir: PathBuf,
        /// A subfolder that has some.
        deeper: Option<PathBuf>,
    },
}

fn hint(deeper: Option<&Path>) -> String {
    let hint = deeper.map(|deeper| format!(", and folders in it are not read; did you mean {}?", deeper.display()));
    hint.unwrap_or_default()
}

/// A file's text, with its name in findings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct SourceText {
    pub file: String,
    pub text: String,
}

/// The texts of a folder's files by name, or of one file.
pub(crate) fn texts(dir: &Path) -> Result<Vec<SourceText>, FolderError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Read { path, source }
    };
    if !fs::metadata(dir).map_err(failed(dir))?.is_dir() {
        return Ok(vec![text(dir)?]);
    }
    let files = files(dir).map_err(failed(dir))?;
    if files.is_empty() {
        return Err(FolderError::Empty { dir: dir.to_owned(), deeper: deeper(dir) });
    }
    files.iter().map(|path| text(path)).collect()
}

/// The files of a folder that hold objects, by name.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if is_objects(&path) && fs::metadata(&path).is_ok_and(|found| found.is_file()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The first subfolder with files of objects.
fn deeper(dir: &Path) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(dir).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders.into_iter().find(|path| path.is_dir() && files(path).is_ok_and(|files| !files.is_empty()))
}

fn text(path: &Path) -> Result<SourceText, FolderError> {
    let failed = |source| FolderError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
        return Err(FolderError::TooLarge { path: path.to_owned() });
    }
    Ok(SourceText { file: path.display().to_string(), text: fs::read_to_string(path).map_err(failed)? })
}

/// Hidden files belong to an editor or a mounted ConfigMap, and a kustomization is no object.
fn is_objects(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    !name.starts_with('.')
        && !matches!(name, "kustomization.yaml" | "kustomization.yml")
        && matches!(path.extension().and_then(|ending| ending.to_str()), Some("yaml" | "yml" | "json"))
}

/// Parses all texts together.
pub(crate) fn objects(texts: &[SourceText]) -> Source {
    let mut all = Source::default();
    for SourceText { file, text } in texts {
        let source = read(file, text);
        all.objects.extend(source.objects);
        all.findings.extend(source.findings);
        all.ignored.extend(source.ignored);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_files_are_objects() {
        for (name, expected) in [
            ("a.yaml", true),
            ("a.yml", true),
            ("a.json", true),
            ("a.md", false),
            (".a.yaml.swp", false),
            (".hidden.yaml", false),
            ("kustomization.yaml", false),
        ] {
            assert_eq!(is_objects(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_folder_is_read_by_name_and_not_deeper() {
        let folder = tempfile::tempdir().unwrap();
        let error = texts(folder.path()).unwrap_err().to_string();
        assert_eq!(error, format!("no .yaml, .yml or .json file in {}", folder.path().display()));
        let objects = folder.path().join("objects");
        fs::create_dir(&objects).unwrap();
        fs::write(objects.join("a.yaml"), "{}").unwrap();
        let error = texts(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("; did you mean {}?", objects.display())), "{error}");
        fs::create_dir(folder.path().join("deeper.yaml")).unwrap();
        for name in ["b.yaml", "a.yml", "c.txt"] {
            fs::write(folder.path().join(name), "{}").unwrap();
        }
        let names: Vec<_> = texts(folder.path()).unwrap().into_iter().map(|text| text.file).collect();
        let expected = ["a.yml", "b.yaml"].map(|name| folder.path().join(name).display().to_string());
        assert_eq!(names, expected);
        assert!(matches!(texts(&folder.path().join("none")), Err(FolderError::Read { .. })));
    }
}
