//! Notices when the files of a folder have changed and no further change follows.
//!
//! A node has a limited number of inotify watches, which its pods share. A gateway that gets none polls instead, with a
//! longer delay.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout_at};

/// An editor writes, renames and touches a file. After this long without an event, the change is complete.
const QUIET: Duration = Duration::from_millis(60);
/// The longest delay of a notification in a folder that changes all the time.
const MAX_DELAY: Duration = Duration::from_millis(500);

/// The interval of polling without a watch. The kubelet itself takes up to a minute to update mounted files.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Why a folder cannot be watched.
pub type FollowError = notify::Error;

/// Watches a folder, and the folders that links in it lead to.
#[derive(Debug)]
pub struct FolderWatch {
    dir: PathBuf,
    method: WatchMethod,
}

#[derive(Debug)]
enum WatchMethod {
    Events { watcher: RecommendedWatcher, watched: BTreeSet<WatchedPath>, events: Receiver<()> },
    Polling { interval: Interval, state: FolderState },
}

/// A watched folder, with its device and inode: another folder at the same path needs a new watch.
type WatchedPath = (PathBuf, Option<(u64, u64)>);

/// For each file its real path, its modification time and its length.
type FolderState = BTreeMap<PathBuf, (PathBuf, Option<SystemTime>, u64)>;

impl FolderWatch {
    /// Starts to watch a folder, or a single file.
    ///
    /// # Errors
    /// If the folder does not exist, or the system has no more watches.
    pub fn of(dir: &Path) -> notify::Result<Self> {
        // One pending event is enough: it carries no information.
        let (sender, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Ignore reads: the gateway itself reads the files after a change.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _ = sender.try_send(());
            }
        })?;
        let method = WatchMethod::Events { watcher, watched: BTreeSet::new(), events };
        // Later the folder may disappear and come back. At the start, a missing one is a wrong path.
        if !dir.exists() && !parent(dir).is_dir() {
            return Err(notify::Error::path_not_found().add_path(dir.to_owned()));
        }
        let mut watch = FolderWatch { dir: dir.to_owned(), method };
        watch.arm()?;
        Ok(watch)
    }

    /// The same, but polls if the system has no more watches.
    ///
    /// # Errors
    /// If the folder does not exist.
    pub fn or_polling(dir: &Path) -> notify::Result<Self> {
        match Self::of(dir) {
            Err(error) if dir.exists() => {
                let mut watch = Self::polling(dir);
                watch.switch_to_polling(&error);
                Ok(watch)
            }
            watch => watch,
        }
    }

    fn polling(dir: &Path) -> Self {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        FolderWatch { dir: dir.to_owned(), method: WatchMethod::Polling { interval, state: folder_state(dir) } }
    }

    /// Watches folders, not files: an editor's rename, and the link swap of a mounted ConfigMap, replace files with new
    /// ones.
    fn arm(&mut self) -> notify::Result<()> {
        let WatchMethod::Events { watcher, watched, .. } = &mut self.method else { return Ok(()) };
        // A folder may disappear and come back, and a link to a folder may be swapped. Events of its parent report
        // that.
        let is_dir = self.dir.is_dir();
        let folder = if is_dir { self.dir.clone() } else { nearest_existing_parent(&self.dir) };
        let mut wanted = BTreeSet::from([watched_path(folder.clone())]);
        if is_dir && self.dir.is_symlink() {
            wanted.insert(watched_path(parent(&self.dir)));
        }
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        // In the parent of a missing folder, ignore links of other files.
        let links = entries.filter(|entry| {
            (is_dir || entry.path() == self.dir) && entry.file_type().is_ok_and(|kind| kind.is_symlink())
        });
        wanted.extend(links.filter_map(|link| Some(watched_path(parent(&std::fs::canonicalize(link.path()).ok()?)))));
        for (gone, _) in watched.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        let mut watching = Ok(());
        for (new, _) in wanted.difference(watched) {
            let result = watcher.watch(new, RecursiveMode::NonRecursive);
            // The target of a link may be gone already. The folder itself must be there.
            if *new == folder {
                watching = result;
            }
        }
        *watched = wanted;
        watching
    }

    /// Polls from now on, because the system has no more watches.
    fn switch_to_polling(&mut self, error: &notify::Error) {
        tracing::warn!(
            dir = %self.dir.display(),
            %error,
            "the folder is polled for changes every {} s: if the node's inotify limits are reached, raise them",
            POLL_INTERVAL.as_secs()
        );
        *self = Self::polling(&self.dir);
    }

    /// Waits until something has changed and no further change follows. Returns false if nothing is watched any more.
    pub async fn changed(&mut self) -> bool {
        match &mut self.method {
            WatchMethod::Events { events, .. } => {
                if events.recv().await.is_none() {
                    return false;
                }
                let latest = Instant::now() + MAX_DELAY;
                while let Ok(Some(())) = timeout_at(latest.min(Instant::now() + QUIET), events.recv()).await {}
            }
            WatchMethod::Polling { interval, state: before } => loop {
                interval.tick().await;
                let now = folder_state(&self.dir);
                if now != *before {
                    *before = now;
                    break;
                }
            },
        }
        if let Err(error) = self.arm() {
            self.switch_to_polling(&error);
        }
        true
    }

    /// Waits for a change, but at most `pause`, and then renews the watches. For content that cannot be used: the
    /// caller tries again. It waits a moment at least, because another process may write again and again.
    pub async fn changed_or(&mut self, pause: Duration) -> bool {
        let begun = Instant::now();
        let watched = match tokio::time::timeout(pause, self.changed()).await {
            Ok(watched) => watched,
            Err(_) => {
                if let Err(error) = self.arm() {
                    self.switch_to_polling(&error);
                }
                true
            }
        };
        tokio::time::sleep_until(begun + pause.min(MAX_DELAY)).await;
        watched
    }
}

/// The state of a folder, or of a single file. Files that cannot be read are left out.
fn folder_state(dir: &Path) -> FolderState {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let look = |path: PathBuf| {
        let (real, metadata) = (std::fs::canonicalize(&path).ok()?, std::fs::metadata(&path).ok()?);
        Some((path, (real, metadata.modified().ok(), metadata.len())))
    };
    entries.chain([dir.to_owned()]).filter_map(look).collect()
}

/// The nearest parent folder that exists.
fn nearest_existing_parent(path: &Path) -> PathBuf {
    let mut above = parent(path);
    while !above.is_dir() && above.parent().is_some_and(|next| !next.as_os_str().is_empty()) {
        above = parent(&above);
    }
    above
}

fn watched_path(path: PathBuf) -> WatchedPath {
    let which = std::fs::metadata(&path).ok().map(|found| (found.dev(), found.ino()));
    (path, which)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Long enough for a busy machine: the tests wait for an event, and fail if none comes.
    const EVENT_TIMEOUT: Duration = Duration::from_secs(20);

    async fn expect_change(watch: &mut FolderWatch, change: impl FnOnce()) {
        change();
        assert!(tokio::time::timeout(EVENT_TIMEOUT, watch.changed()).await.expect("an event"));
    }

    #[tokio::test]
    async fn notices_writes_renames_and_removals() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = FolderWatch::of(folder.path()).unwrap();
        expect_change(&mut watch, || fs::write(&file, "2").unwrap()).await;
        expect_change(&mut watch, || {
            let aside = folder.path().join(".a.yaml.swp");
            fs::write(&aside, "3").unwrap();
            fs::rename(&aside, &file).unwrap();
        })
        .await;
        expect_change(&mut watch, || fs::remove_file(&file).unwrap()).await;
    }

    #[tokio::test]
    async fn follows_a_single_file_through_a_rename() {
        let folder = tempfile::tempdir().unwrap();
        let (file, aside) = (folder.path().join("a.yaml"), folder.path().join("b"));
        fs::write(&file, "1").unwrap();
        let mut watch = FolderWatch::of(&file).unwrap();
        for _ in 0..2 {
            fs::write(&aside, "2").unwrap();
            expect_change(&mut watch, || fs::rename(&aside, &file).unwrap()).await;
        }
    }

    /// As the kubelet does: files are links into `..data`, which is a link that is swapped.
    #[tokio::test]
    async fn follows_a_mounted_config_map_through_its_link_swap() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two"), ("..3", "three")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let mut watch = FolderWatch::of(folder.path()).unwrap();
        for (version, text) in [("..2", "two"), ("..3", "three")] {
            expect_change(&mut watch, || {
                symlink(version, at("..tmp")).unwrap();
                fs::rename(at("..tmp"), at("..data")).unwrap();
            })
            .await;
            assert_eq!(fs::read_to_string(at("a.yaml")).unwrap(), text);
        }
    }

    /// The folder disappears and comes back: alone, with its parent, as another folder of the same name, or behind a
    /// link.
    #[tokio::test]
    async fn follows_a_folder_that_disappears_and_comes_back() {
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("a/objects");
        let make = || {
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("a.yaml"), "1").unwrap();
        };
        make();
        let mut watch = FolderWatch::of(&dir).unwrap();
        for gone in [dir.clone(), above.path().join("a")] {
            expect_change(&mut watch, || fs::remove_dir_all(&gone).unwrap()).await;
            // The folders appear one by one: write until the file is noticed.
            make();
            while !dir.join("a.yaml").exists() || fs::read_to_string(dir.join("a.yaml")).unwrap() != "2" {
                expect_change(&mut watch, || fs::write(dir.join("a.yaml"), "2").unwrap()).await;
            }
            while watch.changed_or(Duration::from_millis(300)).await && !quiet(&mut watch).await {}
            expect_change(&mut watch, || fs::write(dir.join("a.yaml"), "3").unwrap()).await;
        }
        // Replaced by another folder at once.
        expect_change(&mut watch, || {
            fs::rename(&dir, above.path().join("aside")).unwrap();
            make();
        })
        .await;
        while !quiet(&mut watch).await {}
        expect_change(&mut watch, || fs::write(dir.join("a.yaml"), "4").unwrap()).await;
    }

    /// Whether no further change is reported for a moment.
    async fn quiet(watch: &mut FolderWatch) -> bool {
        tokio::time::timeout(2 * MAX_DELAY, watch.changed()).await.is_err()
    }

    #[tokio::test]
    async fn follows_a_linked_folder_through_its_link_swap() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for release in ["one", "two"] {
            fs::create_dir(at(release)).unwrap();
            fs::write(at(release).join("a.yaml"), release).unwrap();
        }
        symlink("one", at("current")).unwrap();
        let mut watch = FolderWatch::of(&at("current")).unwrap();
        expect_change(&mut watch, || {
            symlink("two", at("next")).unwrap();
            fs::rename(at("next"), at("current")).unwrap();
        })
        .await;
        while !quiet(&mut watch).await {}
        expect_change(&mut watch, || fs::write(at("two").join("a.yaml"), "more").unwrap()).await;
    }

    /// For systems without free watches. The paused clock advances when all tasks wait.
    #[tokio::test(start_paused = true)]
    async fn polls_without_watches() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let mut watch = FolderWatch::polling(folder.path());
        expect_change(&mut watch, || {
            symlink("..2", at("..tmp")).unwrap();
            fs::rename(at("..tmp"), at("..data")).unwrap();
        })
        .await;
        expect_change(&mut watch, || fs::remove_file(at("a.yaml")).unwrap()).await;
        let quiet = tokio::time::timeout(20 * POLL_INTERVAL, watch.changed()).await;
        assert!(quiet.is_err(), "nothing has changed");
        assert!(FolderWatch::or_polling(&at("nowhere/a")).is_err(), "a wrong path is an error");
    }

    #[tokio::test]
    async fn follows_a_linked_file_at_its_target() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = elsewhere.path().join("a.yaml");
        fs::write(&target, "1").unwrap();
        symlink(&target, folder.path().join("a.yaml")).unwrap();
        let mut watch = FolderWatch::of(folder.path()).unwrap();
        expect_change(&mut watch, || fs::write(&target, "2").unwrap()).await;
    }
}
