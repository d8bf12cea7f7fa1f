//! `outrigger diff`: what is different between two folders of objects, and which recorded requests would go elsewhere.

mod decided;
mod objects;
mod records;
mod replay;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use outrigger_compile::Source;
use thiserror::Error;

use crate::explain::{AskError, read};
use crate::folder::{self, FolderError};
use crate::look::{LoadError, LoadedPolicy, look};
use crate::style::{self, Style};

/// What the command ends with on errors: 1 is for a difference, as `diff` has it.
const FAILED: u8 = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder of objects as it was, or one file.
    old: PathBuf,
    /// The same as it is now.
    new: PathBuf,
    /// Decision records, a JSON line each as standard output has them, or an array as /decisions gives it; - is standard
    /// input.
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
    Read(#[from] AskError),
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

/// Whether anything is different.
fn diff(args: &Args) -> Result<bool, DiffError> {
    let mut stdout = io::stdout().lock();
    let style = Style::of(&stdout);
    let Some(file) = &args.replay else {
        let (old, new) = (folder::objects(&folder::texts(&args.old)?), folder::objects(&folder::texts(&args.new)?));
        return Ok(tell_objects(&mut stdout, style, &old, &new)?);
    };
    let (old, new) = (sound(&args.old)?, sound(&args.new)?);
    let bytes = read(file)?;
    let records = records::read(&bytes).map_err(|problem| DiffError::Records { file: file.clone(), problem })?;
    let objects = tell_objects(&mut stdout, style, &old.source, &new.source)?;
    let replayed = replay::replay(&old.policy, &new.policy, &records);
    writeln!(stdout)?;
    stdout.write_all(style::screen(&replayed.text(style)).as_bytes())?;
    Ok(objects || replayed.differs())
}

/// A folder whose decisions can be told.
fn sound(dir: &Path) -> Result<LoadedPolicy, DiffError> {
    let looked = look(dir, &[])?;
    style::tell(&looked.errors);
    match looked.errors.is_empty() {
        true => Ok(looked),
        false => Err(DiffError::Unsound(dir.to_owned())),
    }
}

fn tell_objects(out: &mut impl Write, style: Style, old: &Source, new: &Source) -> io::Result<bool> {
    let changes = objects::changes(&old.objects, &new.objects);
    out.write_all(style::screen(&objects::text(&changes, style)).as_bytes())?;
    Ok(!changes.is_empty())
}
