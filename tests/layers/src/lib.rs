//! The layers inside a crate: which module needs which, from its `use` lines and paths.
//!
//! An arrow goes from the file that needs an item to the file that defines it; re-exports are followed. Two needs do
//! not count: those of tests, and those of a file for its parent (`relay/stream.rs` for `relay.rs`), because a room is
//! built together with its parent.

mod cycles;
mod names;
mod paths;
mod read;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use types::types;

/// A module by its path below the crate: `["relay", "stream"]`. The root's path is empty.
pub type Module = Vec<String>;

/// Why a crate's sources can't be read.
#[derive(Debug, Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Syntax { path: PathBuf, source: syn::Error },
}

/// The modules of a crate and their arrows.
#[derive(Debug, Default)]
pub struct Graph {
    /// For each module those that it needs, with one item for which it does: `crate::ending::Ending`.
    arrows: BTreeMap<Module, BTreeMap<Module, String>>,
}

impl Graph {
    /// Reads the sources of a crate: the folder of `lib.rs`.
    ///
    /// # Errors
    /// [`Error`](enum@Error) names the file that can't be read.
    pub fn of(src: &Path) -> Result<Graph, Error> {
        let files = read::files(src, read::SourceScope::Library)?;
        let modules: BTreeSet<Module> = files.keys().cloned().collect();
        let names = names::ModuleNames::of(&files, &modules);
        let mut arrows = BTreeMap::new();
        for (module, file) in &files {
            let mut needs = BTreeMap::new();
            for path in paths::of(file) {
                if let Some(target) = names.definer(module, &path)
                    && target != *module
                    && !module.starts_with(&target)
                {
                    needs.entry(target).or_insert_with(|| path.join("::"));
                }
            }
            arrows.insert(module.clone(), needs);
        }
        Ok(Graph { arrows })
    }

    /// Circles of more than `most` modules that need each other.
    #[must_use]
    pub fn cycles(&self, most: usize) -> Vec<Vec<Module>> {
        let mut found = cycles::components(&self.arrows);
        found.retain(|cycle| cycle.len() > most);
        found
    }

    /// The arrows among these modules, one on each line: `ending -> gateway (crate::gateway::Gateway)`.
    #[must_use]
    pub fn among(&self, modules: &[Module]) -> Vec<String> {
        let path = |module: &Module| if module.is_empty() { "lib".to_owned() } else { module.join("/") };
        let from = modules.iter().filter_map(|module| Some((module, self.arrows.get(module)?)));
        let lines = from.flat_map(|(module, needs)| {
            let inside = needs.iter().filter(|(target, _)| modules.contains(target));
            inside.map(move |(target, what)| format!("{} -> {} ({what})", path(module), path(target)))
        });
        lines.collect()
    }

    /// The rooms of the crate: its modules directly below the root.
    #[must_use]
    pub fn rooms(&self) -> BTreeSet<&str> {
        self.arrows.keys().filter_map(|module| module.first().map(String::as_str)).collect()
    }

    /// The arrows between rooms that do not go down, one on each line. `layers` has the rooms from top to bottom; rooms
    /// of one layer may need each other.
    #[must_use]
    pub fn rising(&self, layers: &[Vec<String>]) -> Vec<String> {
        let depth = |module: &Module| {
            let room = module.first()?;
            layers.iter().position(|layer| layer.contains(room))
        };
        let mut lines = Vec::new();
        for (module, needs) in &self.arrows {
            for (target, what) in needs {
                if depth(target).zip(depth(module)).is_some_and(|(target, module)| target < module) {
                    lines.push(format!("{} -> {} ({what})", module.join("/"), target.join("/")));
                }
            }
        }
        lines
    }
}
