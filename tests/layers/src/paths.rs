//! The paths in a file, as written.

use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, UseTree};

/// A path's segments: `["crate", "ending", "Ending"]`.
pub(crate) type PathWords = Vec<String>;

/// Every path in a file that may refer to another module. `super` and `self` inside an inline module are resolved to
/// the file's own. Needs of tests are left out.
pub(crate) fn of(file: &syn::File) -> Vec<PathWords> {
    let mut found = FoundPaths::default();
    found.visit_file(file);
    found.paths
}

/// The names that `use` brings into a file's scope, with what they stand for.
pub(crate) fn imports(file: &syn::File) -> Vec<(String, PathWords)> {
    let mut all = Vec::new();
    for item in &file.items {
        if let Item::Use(one) = item
            && !is_of_tests(&one.attrs)
        {
            flatten(&one.tree, &mut Vec::new(), &mut all);
        }
    }
    all
}

#[derive(Default)]
struct FoundPaths {
    paths: Vec<PathWords>,
    /// The number of surrounding inline modules.
    inside: usize,
}

impl FoundPaths {
    fn add(&mut self, mut words: PathWords) {
        // In an inline module, `super` is the file itself.
        let supers = words.iter().take_while(|word| *word == "super").count();
        if self.inside > 0 && supers > 0 {
            let taken = supers.min(self.inside);
            words.drain(..taken);
            if supers == taken {
                words.insert(0, "self".to_owned());
            }
        }
        self.paths.push(words);
    }
}

impl<'ast> Visit<'ast> for FoundPaths {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_of_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let of_tests = matches!(item, ImplItem::Fn(one) if is_of_tests(&one.attrs));
        if !of_tests {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.inside += 1;
        visit::visit_item_mod(self, module);
        self.inside -= 1;
    }

    fn visit_item_use(&mut self, one: &'ast ItemUse) {
        let mut all = Vec::new();
        flatten(&one.tree, &mut Vec::new(), &mut all);
        for (_, words) in all {
            self.add(words);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: PathWords = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if words.len() > 1 {
            self.add(words);
        }
        visit::visit_path(self, path);
    }

    /// The arguments of a macro are tokens without syntax, so paths are recognized by their form.
    fn visit_macro(&mut self, one: &'ast Macro) {
        let text = one.tokens.to_string().replace(" :: ", "::");
        for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            if word.contains("::") {
                self.add(word.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect());
            }
        }
        visit::visit_macro(self, one);
    }
}

fn flatten(tree: &UseTree, above: &mut PathWords, all: &mut Vec<(String, PathWords)>) {
    let mut record = |name: String, last: String| {
        let mut words = above.clone();
        if last != "self" {
            words.push(last.clone());
        }
        let name = if name == "self" { above.last().cloned().unwrap_or_default() } else { name };
        all.push((name, words));
    };
    match tree {
        UseTree::Name(one) => record(one.ident.to_string(), one.ident.to_string()),
        UseTree::Rename(one) => record(one.rename.to_string(), one.ident.to_string()),
        UseTree::Glob(_) => all.push(("*".to_owned(), above.clone())),
        UseTree::Path(one) => {
            above.push(one.ident.to_string());
            flatten(&one.tree, above, all);
            above.pop();
        }
        UseTree::Group(group) => {
            for one in &group.items {
                flatten(one, above, all);
            }
        }
    }
}

pub(crate) fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

/// The attributes of an item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(one) => &one.attrs,
        Item::Enum(one) => &one.attrs,
        Item::Fn(one) => &one.attrs,
        Item::Impl(one) => &one.attrs,
        Item::Macro(one) => &one.attrs,
        Item::Mod(one) => &one.attrs,
        Item::Static(one) => &one.attrs,
        Item::Struct(one) => &one.attrs,
        Item::Trait(one) => &one.attrs,
        Item::Type(one) => &one.attrs,
        Item::Use(one) => &one.attrs,
        _ => &[],
    }
}
