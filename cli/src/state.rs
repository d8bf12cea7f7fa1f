//! The folder that stores spending: one for each folder of objects.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// How much of a folder's name is part of its state folder's name.
const NAME_MAX: usize = 200;

/// The accounts of a folder of objects: `$XDG_STATE_HOME/outrigger/NAME-HASH`, or below `~/.local/state`. `None` if the
/// environment has neither; then accounts end with the process.
pub(crate) fn folder(objects: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification says that a relative path must be ignored.
    let base = set("XDG_STATE_HOME").filter(|base| base.is_absolute());
    let base = base.or_else(|| Some(set("HOME")?.join(".local/state")))?;
    // The canonical path, so that different names of a folder give the same state.
    let whole = fs::canonicalize(objects).unwrap_or_else(|_| objects.to_owned());
    let name = whole.file_stem().map_or_else(|| "objects".into(), |name| name.to_string_lossy().into_owned());
    // With the hash it must fit into a file name.
    let name = &name[..name.floor_char_boundary(NAME_MAX)];
    let hash = Sha256::digest(whole.as_os_str().as_encoded_bytes());
    let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Some(base.join("outrigger").join(format!("{name}-{hash}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_for_each_folder() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str, variables: &[(&str, &str)]| {
            let variables: Vec<(String, String)> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            folder(&dir.path().join(path), &move |name| {
                variables.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone())
            })
        };
        fs::create_dir(dir.path().join("objects")).unwrap();
        let state = at("objects", &[("XDG_STATE_HOME", "/state"), ("HOME", "/home/me")]).unwrap();
        assert!(state.starts_with("/state/outrigger"), "{}", state.display());
        assert_eq!(Some(&state), at("objects/../objects/.", &[("XDG_STATE_HOME", "/state")]).as_ref());
        let long = at(&"n".repeat(250), &[("XDG_STATE_HOME", "/state")]).unwrap();
        assert!(long.file_name().unwrap().len() < 255 && long.parent() == Some(Path::new("/state/outrigger")));
        assert_ne!(Some(state), at("others", &[("XDG_STATE_HOME", "/state")]));
        let state = at("objects", &[("XDG_STATE_HOME", "relative"), ("HOME", "/home/me")]).unwrap();
        assert!(state.starts_with("/home/me/.local/state/outrigger"), "{}", state.display());
        assert_eq!(at("objects", &[("HOME", "")]), None);
    }
}
