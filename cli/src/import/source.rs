//! A foreign configuration as it is read: every value knows its path, and what nobody has read is told at the end.
//!
//! ```text
//! Node::get/items/fields -> Node::text/number/whole/flag    read, so carried
//!                        -> Node::lost/idle/doubtful         told
//! Source::finish                                             what is neither is lost, and told as such
//! ```

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::report::{Fate, Report, ReportEntry};

/// A whole file, what has been read of it, and what has been told of that.
pub(crate) struct ImportSource {
    root: Value,
    /// Paths of leaves that were read, and of whatever was told of as a whole.
    done: RefCell<BTreeSet<String>>,
    entries: RefCell<Vec<ReportEntry>>,
}

/// A value of it. Its words never repeat the value: it may be a key.
#[derive(Clone)]
pub(crate) struct Node<'s> {
    source: &'s ImportSource,
    value: &'s Value,
    path: String,
}

impl ImportSource {
    pub fn new(root: Value) -> Self {
        ImportSource { root, done: RefCell::default(), entries: RefCell::default() }
    }

    pub fn root(&self) -> Node<'_> {
        Node { source: self, value: &self.root, path: String::new() }
    }

    /// Tells something of a path that no node stands for, such as a field that is absent.
    pub fn tell(&self, fate: Fate, path: &str, message: impl Into<String>) {
        let entry = ReportEntry { fate, path: path.to_owned(), message: message.into(), fields: Vec::new() };
        let mut entries = self.entries.borrow_mut();
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }

    /// Takes back that something became an object.
    pub fn take_back(&self, path: &str) {
        self.entries.borrow_mut().retain(|entry| entry.fate != Fate::Carried || entry.path != path);
    }

    /// The report: what was told, what was read under each object, and what nobody read.
    pub fn finish(self) -> Report {
        let mut order = HashMap::new();
        let mut leaves = Vec::new();
        walk(&self.root, String::new(), &mut order, &mut leaves);
        let done = self.done.into_inner();
        let mut entries = self.entries.into_inner();
        for path in unread(&self.root, String::new(), &done) {
            entries.push(ReportEntry {
                fate: Fate::Lost,
                path,
                message: "this importer does not know it, or left out what contains it: check whether you need it"
                    .to_owned(),
                fields: Vec::new(),
            });
        }
        let told: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
        for leaf in leaves.iter().filter(|leaf| done.contains(*leaf)) {
            let near = (0..entries.len())
                .filter(|at| entries[*at].fate != Fate::Doubtful && within(leaf, &entries[*at].path))
                .max_by_key(|at| (entries[*at].path.len(), entries[*at].fate == Fate::Carried));
            match near.map(|at| &mut entries[at]) {
                // A list is one thing to whoever reads the report.
                Some(entry) if entry.path != *leaf => {
                    let field = leaf[entry.path.len()..].trim_start_matches('.');
                    let field = field.rfind('[').filter(|_| field.ends_with(']')).map_or(field, |end| &field[..end]);
                    if !field.is_empty() && !entry.fields.iter().any(|known| known == field) {
                        entry.fields.push(field.to_owned());
                    }
                }
                Some(_) => {}
                None if told.contains(leaf) => {}
                None => entries.push(ReportEntry {
                    fate: Fate::Carried,
                    path: leaf.clone(),
                    message: "part of how the rest was read".to_owned(),
                    fields: Vec::new(),
                }),
            }
        }
        entries.sort_by_key(|entry| order.get(&entry.path).copied().unwrap_or_else(|| before(&entry.path, &order)));
        Report { entries }
    }
}

impl<'s> Node<'s> {
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Path of a field, whether it is there or not.
    pub fn at(&self, field: &str) -> String {
        joined(&self.path, field)
    }

    /// The value itself; that it was looked at so is no account of it.
    pub fn raw(&self) -> &'s Value {
        self.value
    }

    pub fn source(&self) -> &'s ImportSource {
        self.source
    }

    /// A field that is there and not null.
    pub fn get(&self, field: &str) -> Option<Node<'s>> {
        let node = Node { source: self.source, value: self.value.as_object()?.get(field)?, path: self.at(field) };
        if node.value.is_null() {
            node.done();
            return None;
        }
        Some(node)
    }

    pub fn is_object(&self) -> bool {
        self.value.is_object()
    }

    pub fn is_text(&self) -> bool {
        self.value.is_string()
    }

    /// Fields by name, in the file's order; anything else is told.
    pub fn fields(&self) -> Vec<(&'s str, Node<'s>)> {
        let Value::Object(fields) = self.value else {
            self.wrong("a mapping");
            return Vec::new();
        };
        if fields.is_empty() {
            self.done();
        }
        fields.keys().filter_map(|name| Some((name.as_str(), self.get(name)?))).collect()
    }

    /// The items of a list; anything else is told.
    pub fn items(&self) -> Vec<Node<'s>> {
        let Value::Array(items) = self.value else {
            self.wrong("a list");
            return Vec::new();
        };
        if items.is_empty() {
            self.done();
        }
        let item = |(index, value)| Node { source: self.source, value, path: format!("{}[{index}]", self.path) };
        items.iter().enumerate().map(item).collect()
    }

    /// The texts of a list; what is no text is told.
    pub fn texts(&self) -> Vec<&'s str> {
        self.items().iter().filter_map(Node::text).collect()
    }

    /// A text; anything else is told.
    pub fn text(&self) -> Option<&'s str> {
        self.done();
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong("a text");
        }
        text
    }

    /// A number, also one that is written as a text; anything else is told.
    pub fn number(&self) -> Option<f64> {
        self.done();
        let number = match self.value {
            Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            other => other.as_f64(),
        };
        if number.is_none() {
            self.wrong("a number");
        }
        number
    }

    /// A whole number; anything else is told.
    pub fn whole(&self) -> Option<i64> {
        let number = self.number()?;
        if number.fract() == 0.0 && number.abs() < 9e15 {
            // Within the range in which every whole number is a double.
            #[expect(clippy::cast_possible_truncation, reason = "whole, and far inside the range")]
            return Some(number as i64);
        }
        self.wrong("a whole number");
        None
    }

    /// true or false; anything else is told.
    pub fn flag(&self) -> Option<bool> {
        self.done();
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong("true or false");
        }
        flag
    }

    /// Could not be carried over.
    pub fn lost(&self, message: impl Into<String>) {
        self.tell(Fate::Lost, message);
    }

    /// Carried over in one of several readings.
    pub fn doubtful(&self, message: impl Into<String>) {
        self.tell(Fate::Doubtful, message);
    }

    /// Needs no counterpart.
    pub fn idle(&self, message: impl Into<String>) {
        self.tell(Fate::NotNeeded, message);
    }

    /// Became an object; what is read below it counts as carried there.
    pub fn became(&self, object: &str) {
        self.source.tell(Fate::Carried, &self.path, object);
    }

    /// What is lost or needless is so with all that stands in it; what is carried over is read piece by piece.
    pub fn tell(&self, fate: Fate, message: impl Into<String>) {
        let container = matches!(self.value, Value::Object(_) | Value::Array(_));
        if !container || matches!(fate, Fate::Lost | Fate::NotNeeded) {
            self.done();
        }
        self.source.tell(fate, &self.path, message);
    }

    /// Marks it as dealt with, all of it.
    pub fn done(&self) {
        self.source.done.borrow_mut().insert(self.path.clone());
    }

    /// Whether it was dealt with.
    pub fn is_done(&self) -> bool {
        self.source.done.borrow().contains(&self.path)
    }

    fn wrong(&self, expected: &str) {
        let is = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        };
        self.lost(format!("is {is} where {expected} is expected, and was left out"));
    }
}

/// `a.b`, and `a["b.c"]` for what is no plain word.
fn joined(path: &str, field: &str) -> String {
    let plain = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte));
    match (path.is_empty(), plain) {
        (true, true) => field.to_owned(),
        (false, true) => format!("{path}.{field}"),
        (_, false) => format!("{path}[{field:?}]"),
    }
}

fn within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

fn children<'v>(value: &'v Value, path: &str) -> Vec<(String, &'v Value)> {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (joined(path, name), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (format!("{path}[{index}]"), value)).collect()
        }
        _ => Vec::new(),
    }
}

/// Places of all paths, and the leaves among them.
fn walk(value: &Value, path: String, order: &mut HashMap<String, usize>, leaves: &mut Vec<String>) {
    order.insert(path.clone(), order.len());
    let children = children(value, &path);
    if children.is_empty() {
        leaves.push(path);
        return;
    }
    for (path, value) in children {
        walk(value, path, order, leaves);
    }
}

/// The outermost paths of which nothing was read or told.
fn unread(value: &Value, path: String, done: &BTreeSet<String>) -> Vec<String> {
    if done.contains(&path) || value.is_null() {
        return Vec::new();
    }
    let children = children(value, &path);
    let below: Vec<String> = children.iter().flat_map(|(path, value)| unread(value, path.clone(), done)).collect();
    let starts =
        |beginning: String| done.range(beginning.clone()..).next().is_some_and(|known| known.starts_with(&beginning));
    let touched = starts(format!("{path}.")) || starts(format!("{path}[")) || (path.is_empty() && !done.is_empty());
    match touched {
        // Containers are only passed through.
        true => below,
        false if path.is_empty() => below,
        false => vec![path],
    }
}

/// The place of a path that is not in the file: that of the nearest one that is.
fn before(path: &str, order: &HashMap<String, usize>) -> usize {
    let mut path = path;
    while let Some(end) = path.rfind(['.', '[']) {
        path = &path[..end];
        if let Some(place) = order.get(path) {
            return *place;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::format::json;
    use super::*;

    #[test]
    fn what_nobody_reads_is_told_as_far_out_as_nothing_of_it_was_read() {
        let source =
            ImportSource::new(json(r#"{"a": {"b": 1, "c": {"d": 2}}, "e": [{"f": 3}, 4], "g": null}"#).unwrap());
        let root = source.root();
        let a = root.get("a").unwrap();
        a.became("Thing a");
        assert_eq!(a.get("b").unwrap().number(), Some(1.0));
        root.get("e").unwrap().items()[1].lost("no such thing");
        let told: Vec<_> =
            source.finish().entries.into_iter().map(|entry| (entry.fate, entry.path, entry.fields)).collect();
        assert_eq!(
            told,
            [
                (Fate::Carried, "a".to_owned(), vec!["b".to_owned()]),
                (Fate::Lost, "a.c".to_owned(), vec![]),
                (Fate::Lost, "e[0]".to_owned(), vec![]),
                (Fate::Lost, "e[1]".to_owned(), vec![]),
            ]
        );
    }

    #[test]
    fn another_type_is_told_and_never_repeated() {
        let source = ImportSource::new(json(r#"{"key": 12345, "on": "hunter22"}"#).unwrap());
        assert_eq!(source.root().get("key").unwrap().text(), None);
        assert_eq!(source.root().get("on").unwrap().flag(), None);
        let report = source.finish();
        assert_eq!(report.entries.len(), 2);
        assert!(report.entries.iter().all(|entry| entry.fate == Fate::Lost));
        assert!(!report.markdown("x").contains("hunter22") && !report.markdown("x").contains("12345"));
    }

    #[test]
    fn paths_are_as_people_write_them() {
        assert_eq!(joined("a[0]", "b_c"), "a[0].b_c");
        assert_eq!(joined("a", "gpt-4.1"), "a[\"gpt-4.1\"]");
        assert!(within("a.b[0]", "a.b") && within("a.b", "a.b") && !within("a.bc", "a.b"));
    }
}
