//! Serves what a folder becomes.

use std::future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outrigger_sidecar::Gateway;
use outrigger_sidecar::config::folder_watch::FolderWatch;

use super::{RunError, blocking, compiled, has_no_provider};
use crate::folder::SourceText;
use crate::{folder, serve, style};

const STAYS: &str = "the change cannot be used: the previous policy stays in force";

/// A folder that can't be read, as it was told, and when it is looked at again.
struct UnreadableFolder {
    told: String,
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Serves what the folder becomes, and keeps the last good policy where that can't be served.
pub(super) async fn follow(
    gateway: Arc<Gateway>,
    dir: Option<&Path>,
    keys: &[String],
    mut seen: Vec<SourceText>,
    watch: Option<FolderWatch>,
) {
    let (Some(dir), Some(mut watch)) = (dir, watch) else { return future::pending().await };
    let mut sequence = 1;
    let mut unreadable: Option<UnreadableFolder> = None;
    // What the policy in force is made of.
    let mut served = seen.clone();
    loop {
        let watched = match &unreadable {
            Some(unreadable) => watch.changed_or(unreadable.pause).await,
            None => watch.changed().await,
        };
        if !watched {
            break;
        }
        let texts = match folder::texts(dir) {
            Ok(texts) => texts,
            Err(error) => {
                let told = style::whole(&error);
                if unreadable.as_ref().is_none_or(|before| before.told != told) {
                    let _ = style::fail(&error);
                    style::say(STAYS);
                    gateway.reject(&dir.display().to_string(), "", &told);
                }
                let pause = unreadable.map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
                unreadable = Some(UnreadableFolder { told, pause });
                // What comes back is a change, even if it is what was there.
                seen.clear();
                continue;
            }
        };
        unreadable = None;
        if texts == seen {
            continue;
        }
        seen = texts;
        let stays = |error: &RunError| {
            gateway.reject(&dir.display().to_string(), "", &style::whole(error));
            let _ = style::fail(error);
            style::say(STAYS);
        };
        if let Some(file) = emptied(&served, &seen) {
            stays(&RunError::Emptied(file.to_owned()));
            continue;
        }
        let next = compiled(&seen, keys, sequence + 1).await;
        style::tell(&next.findings);
        if let Some(finding) = blocking(&next) {
            serve::reject(&gateway, finding);
            style::say(STAYS);
            continue;
        }
        if has_no_provider(&next) {
            stays(&RunError::NoProvider(dir.display().to_string()));
            continue;
        }
        match serve::install(&gateway, next.document, &next.secrets, &next.from_environment) {
            Ok(revision) => {
                sequence += 1;
                served.clone_from(&seen);
                style::say(format_args!("serves revision {revision}"));
            }
            Err(error) => stays(&error.into()),
        }
    }
    future::pending().await
}

/// A file that had something in it and has nothing now: most often it is being written anew.
fn emptied<'t>(before: &[SourceText], now: &'t [SourceText]) -> Option<&'t str> {
    let blank = |text: &SourceText| text.text.trim().is_empty();
    let had = |file: &str| before.iter().any(|text| text.file == file && !blank(text));
    now.iter().find(|text| blank(text) && had(&text.file)).map(|text| text.file.as_str())
}
