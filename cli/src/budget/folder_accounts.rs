//! How limits of a folder stand, from the accounts that `outrigger run` keeps for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use outrigger_compile::{Cause, Finding};
use outrigger_core::Money;
use outrigger_crds::LimitStatus;
use outrigger_ledger::{Book, LimitSpec, State, UnreadablePage, records};
use outrigger_policy::{AccountedLimit, Limit, LimitError, Unit};
use thiserror::Error;

use super::objects::ObjectWithLimits;
use crate::look::{self, LoadError};
use crate::state;

/// The file of accounts in a state folder.
const ACCOUNTS: &str = "accounts";
/// The file by which `outrigger run` takes a state folder.
const LOCK: &str = "lock";
/// A gateway may write a slot while it is read. It is whole the next time.
const READS: usize = 5;

#[derive(Debug, Error)]
pub(super) enum AccountsError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} can't be used: {why}. {}", path.display(), remedy(*why))]
    Unreadable { path: PathBuf, why: UnreadablePage },
    #[error("the state folder {} (--state) does not exist: name the one that `outrigger run` has", path.display())]
    NoState { path: PathBuf },
    #[error(
        "{} is a link to a file that is not there, so what is spent is not known, and `outrigger run` refuses it, too: \
         bring the file back, or stop `outrigger run` and remove the link to begin with nothing spent", path.display()
    )]
    Dangling { path: PathBuf },
    #[error("{}: an account is damaged, so what is spent is not known. To begin with nothing spent, stop `outrigger run` and move the file away", path.display())]
    Damaged { path: PathBuf },
}

fn remedy(why: UnreadablePage) -> &'static str {
    match why {
        UnreadablePage::Version(_) => "Use the outrigger that wrote it, or a newer one",
        UnreadablePage::Empty | UnreadablePage::Header => {
            "To begin with nothing spent, stop `outrigger run` and move the file away"
        }
    }
}

/// A folder's objects with what is spent.
#[derive(Debug)]
pub(super) struct FolderLimits {
    pub objects: Vec<ObjectWithLimits>,
    /// Where the figures are from.
    pub note: String,
    /// What is no object, or one that its schema does not accept.
    pub unread: Vec<Finding>,
}

/// The objects of a folder with what is spent, and a note about where that is from.
pub(super) fn read(folder: &Path, chosen: Option<&Path>, now: Timestamp) -> Result<FolderLimits, AccountsError> {
    let loaded = look::load(folder, &[])?;
    let mut unread = loaded.errors.clone();
    unread.retain(|finding| finding.cause == Cause::Schema);
    let values = loaded.source.objects.iter().map(|object| &object.value);
    let mut objects: Vec<ObjectWithLimits> = values.filter_map(ObjectWithLimits::of).collect();
    let state_folder = match chosen {
        Some(state) => Some(state.to_owned()),
        None => state::folder(folder, &|name| std::env::var(name).ok()),
    };
    let Some(state_folder) = state_folder else {
        let note =
            "nothing is kept of what is spent: neither XDG_STATE_HOME nor HOME is set. Name the folder with --state";
        return Ok(FolderLimits { objects, note: note.to_owned(), unread });
    };
    if let Some(path) = chosen.filter(|path| fs::metadata(path).is_err_and(|error| is_absent(&error))) {
        return Err(AccountsError::NoState { path: path.to_owned() });
    }
    let path = state_folder.join(ACCOUNTS);
    let now_millis = now.as_millisecond();
    let Some(mut book) = book(&path, now_millis)? else {
        let shown = state_folder.display();
        // `outrigger run` makes the lock when it begins, and the accounts when there is something to be stored.
        let note = match state_folder.join(LOCK).exists() {
            true => format!("nothing is stored yet in {shown}"),
            false => format!("no accounts in {shown}: `outrigger run` has not run with this state folder"),
        };
        return Ok(FolderLimits { objects, note, unread });
    };
    let limits = &loaded.policy.limits.all;
    let spec = |AccountedLimit { name, unit, max, window, .. }| LimitSpec { name, unit, max, window, fail_open: None };
    let specs: Vec<LimitSpec> = limits.iter().map(|limit| limit.counted().map(spec)).collect::<Result<_, _>>()?;
    let numbers = book.adopt(&specs, now_millis);
    for (limit, number) in limits.iter().zip(numbers) {
        let state = book.state(number, now_millis);
        let of = objects.iter_mut().filter(|object| object.kind == limit.id.kind && object.id == limit.id.object);
        for one in of.flat_map(|object| &mut object.limits) {
            // The path of a Budget is empty.
            if limit.id.path.is_empty() || one.name == limit.id.path {
                one.status = Some(status(&one.name, &one.window, limit, &state, now));
                one.shared = true;
            }
        }
    }
    let note = format!("accounts of {}; requests in flight count as spent", state_folder.display());
    Ok(FolderLimits { objects, note, unread })
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// The accounts of a file, which a gateway may write at the same time; `None` if there is no file.
fn book(path: &Path, now: i64) -> Result<Option<Book>, AccountsError> {
    for _ in 0..READS {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(&error) => match fs::symlink_metadata(path) {
                Ok(_) => return Err(AccountsError::Dangling { path: path.to_owned() }),
                Err(_) => return Ok(None),
            },
            Err(source) => return Err(AccountsError::Read { path: path.to_owned(), source }),
        };
        let found = records(&bytes).map_err(|why| AccountsError::Unreadable { path: path.to_owned(), why })?;
        let mut book = Book::new();
        if book.restore(found, now).damaged.is_empty() {
            return Ok(Some(book));
        }
    }
    Err(AccountsError::Damaged { path: path.to_owned() })
}

fn status(name: &str, window: &str, limit: &Limit, state: &State, now: Timestamp) -> LimitStatus {
    let shown = |amount: u64| match limit.unit {
        Unit::Money => Money::from_nanos(amount).to_string(),
        Unit::Tokens | Unit::Requests => amount.to_string(),
    };
    // The API's types have a jiff of their own.
    let time = |millis: i64| k8s_openapi::jiff::Timestamp::from_second(millis.div_euclid(1_000)).ok().map(Time);
    let gone = state.shared.map_or(0, |shared| shared.unconfirmed);
    let left = state.max.saturating_sub(state.spent).saturating_sub(state.reserved).saturating_sub(gone);
    LimitStatus {
        name: name.to_owned(),
        unit: limit.unit.word().to_owned(),
        window: window.to_owned(),
        limit: shown(state.max),
        spent: shown(state.spent),
        reserved: shown(state.reserved),
        leased: shown(0),
        unconfirmed: shown(gone),
        available: shown(left),
        worst_case_overshoot: None,
        reached: None,
        period_start: (state.start > 0).then(|| time(state.start)).flatten(),
        resets_at: state.end.and_then(time),
        raised: None,
        as_of: time(now.as_millisecond()).unwrap_or(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH)),
        workloads: Vec::new(),
    }
}
