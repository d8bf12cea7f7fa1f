//! Which images are the sidecar's. The repository alone is not enough: the author of a pod chooses the tag, and old versions
//! with known faults are still in the repository.
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
    /// As they were named: with tag or digest, that one image; without, its repository.
    known: Vec<String>,
    /// The oldest version of a known repository.
    least: Version,
}

impl Default for Images {
    fn default() -> Self {
        Images { known: Vec::new(), least: Version::new(0, 0, 0) }
    }
}

impl Images {
    pub(super) fn new<'a>(known: impl IntoIterator<Item = &'a String>, least: Version) -> Self {
        Images { known: known.into_iter().cloned().collect(), least }
    }

    /// An image that was named in full is known. Another one of a known repository is known by its tag, which must be a
    /// version that is new enough. With a digest the tag means nothing: the runtime does not look at it.
    ///
    /// # Errors
    /// [`AttestationError::Image`], [`AttestationError::Version`].
    pub(super) fn check(&self, image: &str) -> Result<(), AttestationError> {
        if self.known.iter().any(|known| known == image && !is_repository(known)) {
            return Ok(());
        }
        let ImageRef { repository, tag, digest } = ImageRef::of(image);
        if !self.known.iter().any(|known| ImageRef::of(known).repository == repository) {
            return Err(AttestationError::Image(cut(image)));
        }
        let version = tag.filter(|_| digest.is_none()).and_then(version);
        match version {
            Some(version) if version >= self.least => Ok(()),
            _ => Err(AttestationError::Version { image: cut(image), least: self.least.to_string() }),
        }
    }
}

/// Whether an image is named by its repository alone.
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
        // A colon before the last slash is a port's.
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
        for (tag, told) in [
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
            assert_eq!(version(tag).map(|version| version.to_string()).as_deref(), told, "{tag}");
        }
    }

    #[test]
    fn what_counts_is_the_whole_name_or_a_version_that_is_new_enough() {
        let known = ["a/sidecar:dev", "mirror/sidecar", "old/sidecar@sha256:1"].map(str::to_owned);
        let images = Images::new(&known, Version::new(0, 2, 0));
        let judged = |image: &str| images.check(image);
        for image in [
            "a/sidecar:dev",
            "a/sidecar:0.2.0",
            "a/sidecar:v0.3",
            "a/sidecar:1.0.0-rc.1",
            "mirror/sidecar:0.2.0",
            "old/sidecar@sha256:1",
            "old/sidecar:0.2.0",
        ] {
            assert_eq!(judged(image), Ok(()), "{image}");
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
            let told = AttestationError::Version { image: image.to_owned(), least: "0.2.0".to_owned() };
            assert_eq!(judged(image), Err(told), "{image}");
        }
        for image in ["evil/sidecar:0.2.0", "sidecar:0.2.0", "", "a/sidecar/x:0.2.0", "docker.io/a/sidecar:0.2.0"] {
            assert_eq!(judged(image), Err(AttestationError::Image(image.to_owned())), "{image}");
        }
    }
}
