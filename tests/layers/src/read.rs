//! Parses the files of a crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::{Error, Module};

/// Which files of a package are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceScope {
    /// Files of the library.
    Library,
    /// Also `main.rs` and `bin/`, which are crates of their own: modules `main` and `bin/NAME`.
    Package,
}

/// The syntax of each file by module, without files of tests.
pub(crate) fn files(src: &Path, scope: SourceScope) -> Result<BTreeMap<Module, syn::File>, Error> {
    let mut files = BTreeMap::new();
    add(src, scope, &mut Vec::new(), &mut files)?;
    Ok(files)
}

fn add(
    folder: &Path,
    scope: SourceScope,
    above: &mut Module,
    files: &mut BTreeMap<Module, syn::File>,
) -> Result<(), Error> {
    let is_program = |stem: &str| stem == "bin" || stem == "main";
    let failed = |source| Error::File { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
        if stem == "tests" || (scope == SourceScope::Library && is_program(&stem)) {
            continue;
        }
        if path.is_dir() {
            above.push(stem);
            add(&path, scope, above, files)?;
            above.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(|source| Error::File { path: path.clone(), source })?;
            let file = syn::parse_file(&text).map_err(|source| Error::Syntax { path: path.clone(), source })?;
            let mut module = above.clone();
            if stem != "lib" && stem != "mod" {
                module.push(stem);
            }
            files.insert(module, file);
        }
    }
    Ok(())
}
