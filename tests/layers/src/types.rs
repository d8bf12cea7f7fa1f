//! The types that a package defines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Block, Item};

use crate::paths::{attributes, is_of_tests};
use crate::read::{self, SourceScope};
use crate::{Error, Module};

/// The structs, enums, unions, traits and aliases of a package by name, with the modules that define them. Programs
/// (`main.rs`, `bin/`) count; tests, associated types and types inside functions do not. Types that `kube` derives
/// count: an object beside its spec.
///
/// # Errors
/// [`Error`](enum@Error) names the file that can't be read.
pub fn types(src: &Path) -> Result<BTreeMap<String, Vec<Module>>, Error> {
    let files = read::files(src, SourceScope::Package)?;
    let mut found = BTreeMap::new();
    let mut tests = BTreeSet::new();
    for (module, file) in &files {
        tests.extend(modules_of_tests(module, file));
    }
    for (module, file) in &files {
        if tests.iter().any(|of_tests| module.starts_with(of_tests)) {
            continue;
        }
        let mut names = DefinedTypes::default();
        names.visit_file(file);
        for name in names.0 {
            found.entry(name).or_insert_with(Vec::new).push(module.clone());
        }
    }
    Ok(found)
}

/// Modules with their own files that a file declares for tests.
fn modules_of_tests(module: &Module, file: &syn::File) -> Vec<Module> {
    let declared = file.items.iter().filter_map(|item| match item {
        Item::Mod(one) if is_of_tests(&one.attrs) => Some(one.ident.to_string()),
        _ => None,
    });
    declared.map(|name| module.iter().cloned().chain([name]).collect()).collect()
}

#[derive(Default)]
struct DefinedTypes(Vec<String>);

impl<'ast> Visit<'ast> for DefinedTypes {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_of_tests(attributes(item)) {
            return;
        }
        match item {
            Item::Struct(one) => self.0.push(one.ident.to_string()),
            Item::Enum(one) => self.0.push(one.ident.to_string()),
            Item::Union(one) => self.0.push(one.ident.to_string()),
            Item::Trait(one) => self.0.push(one.ident.to_string()),
            Item::Type(one) => self.0.push(one.ident.to_string()),
            _ => {}
        }
        self.0.extend(attributes(item).iter().filter_map(derived));
        visit::visit_item(self, item);
    }

    /// Types inside functions have no name elsewhere.
    fn visit_block(&mut self, _: &'ast Block) {}
}

/// The type that `#[kube(kind = "…", struct = "…")]` generates.
fn derived(attribute: &Attribute) -> Option<String> {
    if !attribute.path().is_ident("kube") {
        return None;
    }
    let tokens = &attribute.meta.require_list().ok()?.tokens;
    let words: Vec<String> = tokens.clone().into_iter().map(|token| token.to_string()).collect();
    let value = |name: &str| {
        let at = words.windows(2).position(|pair| pair == [name, "="])?;
        Some(words.get(at + 2)?.trim_matches('"').to_owned())
    };
    value("struct").or_else(|| value("kind"))
}
