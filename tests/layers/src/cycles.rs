//! Finds modules that need each other in circles (Tarjan's strongly connected components).

use std::collections::{BTreeMap, BTreeSet};

use crate::Module;

type Arrows = BTreeMap<Module, BTreeMap<Module, String>>;

/// Every set of two or more modules in which each reaches every other one.
pub(crate) fn components(arrows: &Arrows) -> Vec<Vec<Module>> {
    let mut search = Search::of(arrows);
    for module in arrows.keys() {
        if !search.index.contains_key(module) {
            search.visit(module);
        }
    }
    search.found
}

struct Search<'a> {
    arrows: &'a Arrows,
    index: BTreeMap<&'a Module, usize>,
    /// The lowest stack index that a module reaches.
    low: BTreeMap<&'a Module, usize>,
    stack: Vec<&'a Module>,
    on_stack: BTreeSet<&'a Module>,
    found: Vec<Vec<Module>>,
}

impl<'a> Search<'a> {
    fn of(arrows: &'a Arrows) -> Self {
        Search {
            arrows,
            index: BTreeMap::new(),
            low: BTreeMap::new(),
            stack: Vec::new(),
            on_stack: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    fn visit(&mut self, module: &'a Module) {
        let index = self.index.len();
        self.index.insert(module, index);
        let mut low = index;
        self.stack.push(module);
        self.on_stack.insert(module);
        for target in self.arrows.get(module).into_iter().flat_map(BTreeMap::keys) {
            if !self.index.contains_key(target) {
                self.visit(target);
                low = low.min(self.low[target]);
            } else if self.on_stack.contains(target) {
                low = low.min(self.index[target]);
            }
        }
        self.low.insert(module, low);
        if low == index {
            let at = self.stack.iter().position(|other| *other == module).unwrap_or(0);
            let component = self.stack.split_off(at);
            for one in &component {
                self.on_stack.remove(one);
            }
            if component.len() > 1 {
                self.found.push(component.into_iter().cloned().collect());
            }
        }
    }
}
