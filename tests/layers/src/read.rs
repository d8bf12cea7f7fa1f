//! The files of a crate, parsed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::{Error, Module};

/// A file's syntax by its module. Files of tests are left out, and `main.rs`, which is a crate of its own.
pub(crate) fn files(src: &Path) -> Result<BTreeMap<Module, syn::File>, Error> {
    let mut files = BTreeMap::new();
    add(src, &mut Vec::new(), &mut files)?;
    Ok(files)
}

fn add(folder: &Path, above: &mut Module, files: &mut BTreeMap<Module, syn::File>) -> Result<(), Error> {
    let failed = |source| Error::File { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
        if stem == "tests" || stem == "bin" {
            continue;
        }
        if path.is_dir() {
            above.push(stem);
            add(&path, above, files)?;
            above.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "main" {
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
