//! A mounted folder, read at one point in time.
//!
//! The kubelet replaces all files of a volume at once: `..data` is a link to a folder that never changes. Two files
//! that are read one after the other belong together only if both are read below the target of the link.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The kubelet's link.
const DATA: &str = "..data";

/// The real path of the files at this point in time.
#[derive(Debug)]
pub struct MountedFolder {
    real: PathBuf,
}

impl MountedFolder {
    /// Opens the folder in its current state.
    ///
    /// # Errors
    /// The system's error, also if the folder does not exist.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let data = dir.join(DATA);
        let dir = if data.is_dir() { data } else { dir.to_owned() };
        Ok(MountedFolder { real: fs::canonicalize(dir)? })
    }

    /// Reads a file of at most `max_bytes` bytes. `None`: there is no file of this name. A link may lead to another file of
    /// the folder, but not out of it. Only regular files are opened, no pipes, devices or folders.
    ///
    /// # Errors
    /// The system's error, or the reason why the file is not opened.
    pub fn read(&self, name: &str, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let real = match fs::canonicalize(self.real.join(name)) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if real.parent().is_none_or(|parent| !parent.starts_with(&self.real)) {
            return Err(io::Error::other("it is a link out of its folder"));
        }
        if !fs::metadata(&real)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::open(&real)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > max_bytes {
            true => Err(io::Error::other(format!("it is longer than {max_bytes} bytes"))),
            false => Ok(Some(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn reads_all_files_from_the_same_version_of_a_volume() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for (moment, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(at(moment)).unwrap();
            fs::write(at(moment).join("file"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/file", at("file")).unwrap();
        let folder = MountedFolder::open(dir.path()).unwrap();
        symlink("..2", at("next")).unwrap();
        fs::rename(at("next"), at("..data")).unwrap();
        assert_eq!(folder.read("file", 9).unwrap().unwrap(), b"one");
        assert_eq!(MountedFolder::open(dir.path()).unwrap().read("file", 9).unwrap().unwrap(), b"two");
    }

    #[test]
    fn reads_nothing_outside_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let dir = outside.path().join("mounted");
        fs::create_dir(&dir).unwrap();
        fs::create_dir(dir.join("deep")).unwrap();
        fs::write(dir.join("plain"), "p").unwrap();
        symlink(outside.path().join("secret"), dir.join("link")).unwrap();
        symlink("../secret", dir.join("relative")).unwrap();
        symlink("plain", dir.join("within")).unwrap();
        symlink("..", dir.join("up")).unwrap();
        let folder = MountedFolder::open(&dir).unwrap();
        for name in ["link", "relative", "../secret", "up/secret", "deep", ".", "..", ""] {
            assert!(folder.read(name, 9).is_err(), "{name}");
        }
        let absolute = outside.path().join("secret");
        assert!(folder.read(absolute.to_str().unwrap(), 9).is_err());
        assert_eq!(folder.read("within", 9).unwrap().unwrap(), b"p");
        assert_eq!(folder.read("none", 9).unwrap(), None);
        assert!(folder.read("plain", 0).unwrap_err().to_string().contains("longer than 0 bytes"));
    }
}
