//! Knowing when a folder's files have changed, and are done changing.
//!
//! A node has only so many watches, which its pods share: a gateway that gets none looks for itself, though later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout_at};

/// An editor writes, renames and touches: this long without a further event, and it is done.
const QUIET: Duration = Duration::from_millis(60);
/// However busy a folder is, it is looked at this often.
const LONGEST: Duration = Duration::from_millis(500);

/// Without a watch it is looked at this often: the kubelet takes a minute for its copies itself.
const LOOKS: Duration = Duration::from_secs(5);

/// Why a folder cannot be followed.
pub type FollowError = notify::Error;

/// Watches a folder, and where links in it lead.
#[derive(Debug)]
pub struct Watch {
    dir: PathBuf,
    by: By,
}

#[derive(Debug)]
enum By {
    Events { watcher: RecommendedWatcher, watched: BTreeSet<PathBuf>, events: Receiver<()> },
    Looks { at: Interval, seen: Seen },
}

/// Where each file lies, when it was written and how long it is.
type Seen = BTreeMap<PathBuf, (PathBuf, Option<SystemTime>, u64)>;

impl Watch {
    /// Begins to watch a folder, or a single file.
    ///
    /// # Errors
    /// When the folder is not there, or the system watches no more.
    pub fn of(dir: &Path) -> notify::Result<Self> {
        // One waiting event says all that there is to say.
        let (sender, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // That files are read is no change: reading them is what a change leads to.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _ = sender.try_send(());
            }
        })?;
        let by = By::Events { watcher, watched: BTreeSet::new(), events };
        let mut watch = Watch { dir: dir.to_owned(), by };
        watch.arm()?;
        Ok(watch)
    }

    /// The same, which looks now and then where the system watches no more.
    ///
    /// # Errors
    /// When the folder is not there.
    pub fn or_looks(dir: &Path) -> notify::Result<Self> {
        match Self::of(dir) {
            Err(error) if dir.exists() => {
                tracing::warn!(
                    dir = %dir.display(),
                    %error,
                    "changes are looked for every {} s: if the node's inotify limits are reached, raise them",
                    LOOKS.as_secs()
                );
                Ok(Self::looks(dir))
            }
            watch => watch,
        }
    }

    fn looks(dir: &Path) -> Self {
        let mut at = tokio::time::interval(LOOKS);
        at.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Watch { dir: dir.to_owned(), by: By::Looks { at, seen: seen(dir) } }
    }

    /// Watches folders, not files: an editor's rename, and the swap of a mounted ConfigMap's link, put new files in the
    /// place of old ones.
    fn arm(&mut self) -> notify::Result<()> {
        let By::Events { watcher, watched, .. } = &mut self.by else { return Ok(()) };
        let folder = match self.dir.is_dir() {
            true => self.dir.clone(),
            false => parent(&self.dir),
        };
        let mut wanted = BTreeSet::from([folder.clone()]);
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
        wanted.extend(links.filter_map(|link| Some(parent(&std::fs::canonicalize(link.path()).ok()?))));
        for gone in watched.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        for new in wanted.difference(watched) {
            let begun = watcher.watch(new, RecursiveMode::NonRecursive);
            // Where a link leads may be gone already; the folder itself must be there.
            if *new == folder {
                begun?;
            }
        }
        *watched = wanted;
        Ok(())
    }

    /// Waits until something has changed and it is quiet again. False: nothing is watched any more.
    pub async fn changed(&mut self) -> bool {
        match &mut self.by {
            By::Events { events, .. } => {
                if events.recv().await.is_none() {
                    return false;
                }
                let latest = Instant::now() + LONGEST;
                while let Ok(Some(())) = timeout_at(latest.min(Instant::now() + QUIET), events.recv()).await {}
            }
            By::Looks { at, seen: before } => loop {
                at.tick().await;
                let now = seen(&self.dir);
                if now != *before {
                    *before = now;
                    break;
                }
            },
        }
        let _ = self.arm();
        true
    }
}

/// What there is to see of a folder, or of a single file. What can't be seen is not there.
fn seen(dir: &Path) -> Seen {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let look = |path: PathBuf| {
        let (lies, metadata) = (std::fs::canonicalize(&path).ok()?, std::fs::metadata(&path).ok()?);
        Some((path, (lies, metadata.modified().ok(), metadata.len())))
    };
    entries.chain([dir.to_owned()]).filter_map(look).collect()
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

    /// Long enough for a busy machine: the tests await an event, and fail when none comes.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn sees(watch: &mut Watch, change: impl FnOnce()) {
        change();
        assert!(tokio::time::timeout(PATIENCE, watch.changed()).await.expect("an event"));
    }

    #[tokio::test]
    async fn writes_renames_and_removals_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = Watch::of(folder.path()).unwrap();
        sees(&mut watch, || fs::write(&file, "2").unwrap()).await;
        sees(&mut watch, || {
            let aside = folder.path().join(".a.yaml.swp");
            fs::write(&aside, "3").unwrap();
            fs::rename(&aside, &file).unwrap();
        })
        .await;
        sees(&mut watch, || fs::remove_file(&file).unwrap()).await;
    }

    #[tokio::test]
    async fn a_single_file_is_followed_through_a_rename() {
        let folder = tempfile::tempdir().unwrap();
        let (file, aside) = (folder.path().join("a.yaml"), folder.path().join("b"));
        fs::write(&file, "1").unwrap();
        let mut watch = Watch::of(&file).unwrap();
        for _ in 0..2 {
            fs::write(&aside, "2").unwrap();
            sees(&mut watch, || fs::rename(&aside, &file).unwrap()).await;
        }
    }

    /// As the kubelet does it: files are links into `..data`, which is a link that is swapped.
    #[tokio::test]
    async fn a_mounted_config_map_is_followed_through_its_swap() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two"), ("..3", "three")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let mut watch = Watch::of(folder.path()).unwrap();
        for (version, text) in [("..2", "two"), ("..3", "three")] {
            sees(&mut watch, || {
                symlink(version, at("..tmp")).unwrap();
                fs::rename(at("..tmp"), at("..data")).unwrap();
            })
            .await;
            assert_eq!(fs::read_to_string(at("a.yaml")).unwrap(), text);
        }
    }

    /// Where the system watches no more. The clock moves on by itself where nobody has anything to do.
    #[tokio::test(start_paused = true)]
    async fn without_watches_changes_are_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let mut watch = Watch::looks(folder.path());
        sees(&mut watch, || {
            symlink("..2", at("..tmp")).unwrap();
            fs::rename(at("..tmp"), at("..data")).unwrap();
        })
        .await;
        sees(&mut watch, || fs::remove_file(at("a.yaml")).unwrap()).await;
        let quiet = tokio::time::timeout(20 * LOOKS, watch.changed()).await;
        assert!(quiet.is_err(), "nothing has changed");
        assert!(Watch::or_looks(&at("nowhere/a")).is_err(), "a slip in the path is told");
    }

    #[tokio::test]
    async fn a_linked_file_is_followed_where_it_lies() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = elsewhere.path().join("a.yaml");
        fs::write(&target, "1").unwrap();
        symlink(&target, folder.path().join("a.yaml")).unwrap();
        let mut watch = Watch::of(folder.path()).unwrap();
        sees(&mut watch, || fs::write(&target, "2").unwrap()).await;
    }
}
