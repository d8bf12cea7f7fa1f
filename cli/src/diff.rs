//! `outrigger diff`: compares two folders of objects, and shows which recorded requests would be decided differently.

mod decided;
mod objects;
mod records;
mod replay;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use outrigger_compile::Source;
use thiserror::Error;

use crate::explain::{RequestInputError, read};
use crate::folder::{self, FolderError};
use crate::look::{LoadError, LoadedPolicy, load};
use crate::style::{self, Style};

/// The exit status for errors. As with `diff`, 1 means a difference.
const FAILED: u8 = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The old objects: a folder or a file.
    old: PathBuf,
    /// The new objects.
    new: PathBuf,
    /// Decision records: JSON lines as on standard output, or an array as from /decisions; - for standard input.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

#[derive(Debug, Error)]
enum DiffError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Look(#[from] LoadError),
    #[error("{} has errors, so its decisions are unknown: see above, and `outrigger check`", .0.display())]
    Unsound(PathBuf),
    #[error(transparent)]
    Read(#[from] RequestInputError),
    #[error("{}: {problem}", file.display())]
    Records { file: PathBuf, problem: records::RecordsError },
    #[error("can't write")]
    Write(#[from] io::Error),
}

pub(crate) fn main(args: &Args) -> ExitCode {
    match diff(args) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            let _ = style::fail(&error);
            ExitCode::from(FAILED)
        }
    }
}

/// Whether there is a difference.
fn diff(args: &Args) -> Result<bool, DiffError> {
    let mut stdout = io::stdout().lock();
    let style = Style::of(&stdout);
    let Some(file) = &args.replay else {
        let (old, new) = (folder::objects(&folder::texts(&args.old)?), folder::objects(&folder::texts(&args.new)?));
        return Ok(print_objects(&mut stdout, style, &old, &new)?);
    };
    let (old, new) = (load_valid(&args.old)?, load_valid(&args.new)?);
    let bytes = read(file)?;
    let records = records::read(&bytes).map_err(|problem| DiffError::Records { file: file.clone(), problem })?;
    let objects = print_objects(&mut stdout, style, &old.source, &new.source)?;
    let replayed = replay::replay(&old.policy, &new.policy, &records);
    writeln!(stdout)?;
    stdout.write_all(style::screen(&replayed.text(style)).as_bytes())?;
    Ok(objects || replayed.differs())
}

/// A folder without errors, whose decisions are certain.
fn load_valid(dir: &Path) -> Result<LoadedPolicy, DiffError> {
    let loaded = load(dir, &[])?;
    style::print_findings(&loaded.errors);
    match loaded.errors.is_empty() {
        true => Ok(loaded),
        false => Err(DiffError::Unsound(dir.to_owned())),
    }
}

fn print_objects(out: &mut impl Write, style: Style, old: &Source, new: &Source) -> io::Result<bool> {
    let changes = objects::changes(&old.objects, &new.objects);
    out.write_all(style::screen(&objects::text(&changes, style)).as_bytes())?;
    Ok(!changes.is_empty())
}
