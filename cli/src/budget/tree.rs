//! The order of objects: Budgets above those that count against them.

use std::collections::HashSet;

use outrigger_core::ObjectRef;
use outrigger_policy::LimitOwner;

use super::objects::ObjectWithLimits;

/// An object in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TreeRow {
    pub object: usize,
    pub depth: usize,
    /// Whether it is above already, under another Budget.
    pub again: bool,
}

/// The Budget of this name.
pub(super) fn budget(objects: &[ObjectWithLimits], id: &ObjectRef) -> Option<usize> {
    objects.iter().position(|object| object.kind == LimitOwner::Budget && object.id == *id)
}

/// Whether `object` names this Budget.
pub(super) fn counts_against(object: &ObjectWithLimits, budget: &ObjectWithLimits) -> bool {
    budget.kind == LimitOwner::Budget && object.counts_against.contains(&budget.id)
}

/// The rows of the objects that are shown. Every object has one, also in a circle of Budgets. A provider without limits
/// has none, unless it is the only one.
pub(super) fn rows(objects: &[ObjectWithLimits], shown: &[usize]) -> Vec<TreeRow> {
    let is_empty = |object: &ObjectWithLimits| {
        object.kind == LimitOwner::Provider
            && object.limits.is_empty()
            && object.not_shown.is_empty()
            && object.problem.is_none()
    };
    let mut order: Vec<usize> = shown.to_vec();
    order.retain(|number| shown.len() == 1 || objects.get(*number).is_some_and(|object| !is_empty(object)));
    order.sort_by_key(|number| objects.get(*number).map(|object| (rank(object.kind), object.id.clone())));
    let mut tree = BudgetTree { objects, order: &order, placed: HashSet::new(), rows: Vec::new() };
    let is_root = |number: &usize| {
        let Some(object) = objects.get(*number) else { return false };
        !object.counts_against.iter().any(|id| budget(objects, id).is_some_and(|above| order.contains(&above)))
    };
    for root in order.iter().filter(|number| is_root(number)) {
        tree.place(*root, 0);
    }
    // What is left is in a circle.
    for number in &order {
        if !tree.placed.contains(number) {
            tree.place(*number, 0);
        }
    }
    tree.rows
}

fn rank(kind: LimitOwner) -> u8 {
    match kind {
        LimitOwner::Budget => 0,
        LimitOwner::VirtualKey => 1,
        LimitOwner::Provider => 2,
    }
}

struct BudgetTree<'a> {
    objects: &'a [ObjectWithLimits],
    order: &'a [usize],
    placed: HashSet<usize>,
    rows: Vec<TreeRow>,
}

impl BudgetTree<'_> {
    /// Without recursion: how deep Budgets lie is up to who writes them.
    fn place(&mut self, root: usize, depth: usize) {
        let mut next = vec![(root, depth)];
        while let Some((number, depth)) = next.pop() {
            let again = !self.placed.insert(number);
            self.rows.push(TreeRow { object: number, depth, again });
            let Some(object) = self.objects.get(number).filter(|_| !again) else { continue };
            let below = |number: &&usize| self.objects.get(**number).is_some_and(|one| counts_against(one, object));
            // The last one is taken first.
            next.extend(self.order.iter().filter(below).rev().map(|number| (*number, depth + 1)));
        }
    }
}
