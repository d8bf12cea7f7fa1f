//! Which images are the sidecar's. The repository alone is not enough: the author of a pod chooses the tag, and old versions
//! with trusted faults are still in the repository.
//!
//! ```text
//! registry.example:5000/outrigger-sidecar:0.2.1@sha256:4f1c…
//! └───────────── repository ────────────┘ └tag┘ └─ digest ──┘
//! ```

use semver::{BuildMetadata, Prerelease, Version};

use super::{AttestationError, cut};

/// The images that gateways may run.
#[derive(Clone, Debug)]
pub(super) struct Images {
    /// Image references from the settings. One with tag or digest allows only that image, one without allows its
    /// repository.
    trusted: Vec<String>,
    /// The oldest allowed version of a repository's images.
    oldest: Version,
}

impl Default for Images {
    fn default() -> Self {
        Images { trusted: Vec::new(), oldest: Version::new(0, 0, 0) }
    }
}

impl Images {
    pub(super) fn new<'a>(trusted: impl IntoIterator<Item = &'a String>, oldest: Version) -> Self {
        Images { trusted: trusted.into_iter().cloned().collect(), oldest }
    }

    /// Allows an image that the settings name in full. Any other image of a trusted repository must have a tag that is a
    /// version and new enough. With a digest, the tag proves nothing, because the runtime ignores it.
    ///
    /// # Errors
    /// [`AttestationError::Image`], [`AttestationError::Version`].
    pub(super) fn check(&self, image: &str) -> Result<(), AttestationError> {
        if self.trusted.iter().any(|trusted| trusted == image && !is_repository(trusted)) {
            return Ok(());
        }
        let ImageRef { repository, tag, digest } = ImageRef::of(image);
        if !self.trusted.iter().any(|trusted| ImageRef::of(trusted).repository == repository) {
            return Err(AttestationError::Image(cut(image)));
        }
        let version = tag.filter(|_| digest.is_none()).and_then(version);
        match version {
            Some(version) if version >= self.oldest => Ok(()),
            _ => Err(AttestationError::Version { image: cut(image), least: self.oldest.to_string() }),
        }
    }
}

/// Whether a reference has neither tag nor digest.
fn is_repository(image: &str) -> bool {
    ImageRef::of(image).repository.len() == image.len()
}

struct ImageRef<'a> {
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> ImageRef<'a> {
    fn of(image: &'a str) -> Self {
        let (name, digest) = match image.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (image, None),
        };
        // A colon before the last slash belongs to a port.
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        match name[last..].find(':') {
            Some(colon) => ImageRef { repository: &name[..last + colon], tag: Some(&name[last + colon + 1..]), digest },
            None => ImageRef { repository: name, tag: None, digest },
        }
    }
}

/// A tag as a version: `0.2.1`, `v0.2.1`, `0.2`, `0.2.1-rc.1`.
pub(crate) fn version(tag: &str) -> Option<Version> {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let (numbers, before) = match tag.split_once('-') {
        Some((numbers, before)) => (numbers, Prerelease::new(before).ok()?),
        None => (tag, Prerelease::EMPTY),
    };
    let mut version = Version { major: 0, minor: 0, patch: 0, pre: before, build: BuildMetadata::EMPTY };
    let mut parts = numbers.split('.');
    version.major = number(parts.next()?)?;
    version.minor = parts.next().map_or(Some(0), number)?;
    version.patch = parts.next().map_or(Some(0), number)?;
    parts.next().is_none().then_some(version)
}

fn number(digits: &str) -> Option<u64> {
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (image, repository, tag, digest) in [
            ("a/b", "a/b", None, None),
            ("a/b:1", "a/b", Some("1"), None),
            ("a/b@sha256:0", "a/b", None, Some("sha256:0")),
            ("host:5000/b:1@sha256:0", "host:5000/b", Some("1"), Some("sha256:0")),
            ("host:5000/b", "host:5000/b", None, None),
            ("b:1", "b", Some("1"), None),
        ] {
            let parts = ImageRef::of(image);
            assert_eq!((parts.repository, parts.tag, parts.digest), (repository, tag, digest));
        }
    }

    #[test]
    fn versions() {
        for (tag, expected) in [
            ("0.2.1", Some("0.2.1")),
            ("v0.2.1", Some("0.2.1")),
            ("0.2", Some("0.2.0")),
            ("1", Some("1.0.0")),
            ("0.2.1-rc.1", Some("0.2.1-rc.1")),
            ("latest", None),
            ("", None),
            ("v", None),
            ("0.2.x", None),
            ("0..1", None),
            ("+1.0.0", None),
            ("1.2.3.4", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(version(tag).map(|version| version.to_string()).as_deref(), expected, "{tag}");
        }
    }

    #[test]
    fn an_image_needs_its_full_name_in_the_settings_or_a_version_that_is_new_enough() {
        let trusted = ["a/sidecar:dev", "mirror/sidecar", "old/sidecar@sha256:1"].map(str::to_owned);
        let images = Images::new(&trusted, Version::new(0, 2, 0));
        let check = |image: &str| images.check(image);
        for image in [
            "a/sidecar:dev",
            "a/sidecar:0.2.0",
            "a/sidecar:v0.3",
            "a/sidecar:1.0.0-rc.1",
            "mirror/sidecar:0.2.0",
            "old/sidecar@sha256:1",
            "old/sidecar:0.2.0",
        ] {
            assert_eq!(check(image), Ok(()), "{image}");
        }
        for image in [
            "a/sidecar",
            "a/sidecar:latest",
            "a/sidecar:0.1.9",
            "a/sidecar:0.2.0-rc.1",
            "a/sidecar:dev@sha256:2",
            "a/sidecar:0.3.0@sha256:2",
            "mirror/sidecar",
            "mirror/sidecar:dev",
            "old/sidecar@sha256:12",
            "old/sidecar:9.9.9@sha256:1",
        ] {
            let expected = AttestationError::Version { image: image.to_owned(), least: "0.2.0".to_owned() };
            assert_eq!(check(image), Err(expected), "{image}");
        }
        for image in ["evil/sidecar:0.2.0", "sidecar:0.2.0", "", "a/sidecar/x:0.2.0", "docker.io/a/sidecar:0.2.0"] {
            assert_eq!(check(image), Err(AttestationError::Image(image.to_owned())), "{image}");
        }
    }
}
