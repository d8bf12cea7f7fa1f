//! Resolves a path to the module that defines its item.

use std::collections::{BTreeMap, BTreeSet};

use crate::Module;
use crate::paths::{self, PathWords};

/// The limit of nested re-exports.
const DEEPEST: usize = 8;

pub(crate) struct ModuleNames<'a> {
    modules: &'a BTreeSet<Module>,
    /// By module: what its imports stand for. Public ones, and those of parents, can be named in other modules too.
    imports: BTreeMap<&'a Module, BTreeMap<String, PathWords>>,
}

impl<'a> ModuleNames<'a> {
    pub fn of(files: &'a BTreeMap<Module, syn::File>, modules: &'a BTreeSet<Module>) -> Self {
        let imports = files.iter().map(|(module, file)| (module, paths::imports(file).into_iter().collect()));
        ModuleNames { modules, imports: imports.collect() }
    }

    /// The module that defines a path's item, if it is in this crate.
    pub fn definer(&self, module: &Module, path: &[String]) -> Option<Module> {
        let whole = self.rooted(module, path)?;
        Some(self.follow(whole, DEEPEST))
    }

    fn rooted(&self, module: &Module, path: &[String]) -> Option<PathWords> {
        let supers = path.iter().take_while(|word| *word == "super").count();
        let (above, rest) = match path.first()?.as_str() {
            "crate" => (&[][..], &path[1..]),
            "self" => (&module[..], &path[1..]),
            "super" => (&module[..module.len().checked_sub(supers)?], &path[supers..]),
            first => {
                let child: Module = module.iter().cloned().chain([first.to_owned()]).collect();
                if !self.modules.contains(&child) {
                    return None;
                }
                (&module[..], path)
            }
        };
        Some(above.iter().chain(rest).cloned().collect())
    }

    fn follow(&self, whole: PathWords, deepest: usize) -> Module {
        let length = (0..=whole.len()).rev().find(|length| self.modules.contains(&whole[..*length])).unwrap_or(0);
        let (module, rest) = (whole[..length].to_vec(), &whole[length..]);
        let Some((name, behind)) = rest.split_first() else { return module };
        let import = self.imports.get(&module).and_then(|imports| imports.get(name));
        match import.and_then(|path| self.rooted(&module, path)) {
            Some(mut next) if deepest > 0 && next != whole => {
                next.extend_from_slice(behind);
                self.follow(next, deepest - 1)
            }
            _ => module,
        }
    }
}
