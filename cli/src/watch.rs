//! Knowing when a folder's files have changed, and are done changing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::{Instant, timeout_at};

/// An editor writes, renames and touches: this long without a further event, and it is done.
const QUIET: Duration = Duration::from_millis(60);
/// However busy a folder is, it is looked at this often.
const LONGEST: Duration = Duration::from_millis(500);

/// Watches a folder, and where links in it lead.
pub(crate) struct Watch {
    dir: PathBuf,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    events: Receiver<()>,
}

impl Watch {
    pub fn of(dir: &Path) -> notify::Result<Self> {
        // One waiting event says all that there is to say.
        let (sender, events) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // That files are read is no change: reading them is what a change leads to.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _ = sender.try_send(());
            }
        })?;
        let mut watch = Watch { dir: dir.to_owned(), watcher, watched: BTreeSet::new(), events };
        watch.arm()?;
        Ok(watch)
    }

    /// Watches folders, not files: an editor's rename, and the swap of a mounted ConfigMap's link, put new files in the
    /// place of old ones.
    fn arm(&mut self) -> notify::Result<()> {
        let folder = match self.dir.is_dir() {
            true => self.dir.clone(),
            false => parent(&self.dir),
        };
        let mut wanted = BTreeSet::from([folder.clone()]);
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
        wanted.extend(links.filter_map(|link| Some(parent(&std::fs::canonicalize(link.path()).ok()?))));
        for gone in self.watched.difference(&wanted) {
            let _ = self.watcher.unwatch(gone);
        }
        for new in wanted.difference(&self.watched) {
            let watched = self.watcher.watch(new, RecursiveMode::NonRecursive);
            // Where a link leads may be gone already; the folder itself must be there.
            if *new == folder {
                watched?;
            }
        }
        self.watched = wanted;
        Ok(())
    }

    /// Waits until something has changed and it is quiet again. False: nothing is watched any more.
    pub async fn changed(&mut self) -> bool {
        if self.events.recv().await.is_none() {
            return false;
        }
        let latest = Instant::now() + LONGEST;
        while let Ok(Some(())) = timeout_at(latest.min(Instant::now() + QUIET), self.events.recv()).await {}
        let _ = self.arm();
        true
    }
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
