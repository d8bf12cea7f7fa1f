//! Serves the changes of a folder.

use std::future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outrigger_sidecar::Gateway;
use outrigger_sidecar::config::folder_watch::FolderWatch;

use super::{RunError, blocking, compiled, has_no_provider};
use crate::folder::SourceText;
use crate::{folder, serve, style};

const UNCHANGED: &str = "the change cannot be used: the previous policy stays in force";

/// A folder that can't be read: the reported error, and when to try again.
struct UnreadableFolder {
    reported: String,
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Serves the folder's changes. If a change can't be served, the last good policy stays.
pub(super) async fn follow(
    gateway: Arc<Gateway>,
    dir: Option<&Path>,
    keys: &[String],
    mut last_read: Vec<SourceText>,
    watch: Option<FolderWatch>,
) {
    let (Some(dir), Some(mut watch)) = (dir, watch) else { return future::pending().await };
    let mut sequence = 1;
    let mut unreadable: Option<UnreadableFolder> = None;
    // The source of the policy in force.
    let mut served = last_read.clone();
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
                let reported = style::with_sources(&error);
                if unreadable.as_ref().is_none_or(|before| before.reported != reported) {
                    let _ = style::fail(&error);
                    style::print_line(UNCHANGED);
                    gateway.reject(&dir.display().to_string(), "", &reported);
                }
                let pause = unreadable.map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
                unreadable = Some(UnreadableFolder { reported, pause });
                // When the folder is back, even the same content is a change.
                last_read.clear();
                continue;
            }
        };
        unreadable = None;
        if texts == last_read {
            continue;
        }
        last_read = texts;
        let stays = |error: &RunError| {
            gateway.reject(&dir.display().to_string(), "", &style::with_sources(error));
            let _ = style::fail(error);
            style::print_line(UNCHANGED);
        };
        if let Some(file) = emptied_file(&served, &last_read) {
            stays(&RunError::Emptied(file.to_owned()));
            continue;
        }
        let next = compiled(&last_read, keys, sequence + 1).await;
        style::print_findings(&next.findings);
        if let Some(finding) = blocking(&next) {
            serve::reject(&gateway, finding);
            style::print_line(UNCHANGED);
            continue;
        }
        if has_no_provider(&next) {
            stays(&RunError::NoProvider(dir.display().to_string()));
            continue;
        }
        match serve::install(&gateway, next.document, &next.secrets, &next.from_environment) {
            Ok(revision) => {
                sequence += 1;
                served.clone_from(&last_read);
                style::print_line(format_args!("serves revision {revision}"));
            }
            Err(error) => stays(&error.into()),
        }
    }
    future::pending().await
}

/// A file that had objects and is empty now. Usually it is just being written.
fn emptied_file<'t>(before: &[SourceText], now: &'t [SourceText]) -> Option<&'t str> {
    let blank = |text: &SourceText| text.text.trim().is_empty();
    let had = |file: &str| before.iter().any(|text| text.file == file && !blank(text));
    now.iter().find(|text| blank(text) && had(&text.file)).map(|text| text.file.as_str())
}
