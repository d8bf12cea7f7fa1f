//! A foreign configuration that tracks reads: every value knows its path, and unread values are reported at the end.
//!
//! ```text
//! Node::get/items/fields -> Node::text/number/whole/flag    read, so carried over
//! -> Node::lost/idle/doubtful         reported
//! Source::finish                                             everything else is reported as lost
//! ```

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::report::{Fate, Report, ReportEntry};

/// A file, with the paths that were read and the lines that were reported.
pub(crate) struct ImportSource {
    root: Value,
    /// Paths of leaves that were read, and of values that were reported as a whole.
    done: RefCell<BTreeSet<String>>,
    entries: RefCell<Vec<ReportEntry>>,
}

/// A value in the file. Messages never repeat the value, because it may be a key.
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

    /// Reports about a path without a node, such as an absent field.
    pub fn report(&self, fate: Fate, path: &str, message: impl Into<String>) {
        let entry = ReportEntry { fate, path: path.to_owned(), message: message.into(), fields: Vec::new() };
        let mut entries = self.entries.borrow_mut();
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }

    /// Removes the line that says that a path became an object.
    pub fn take_back(&self, path: &str) {
        self.entries.borrow_mut().retain(|entry| entry.fate != Fate::Carried || entry.path != path);
    }

    /// The report: reported lines, what was read below each object, and what was not read.
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
                message: "unknown field, or part of something that was left out: check whether you need it".to_owned(),
                fields: Vec::new(),
            });
        }
        let reported: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
        for leaf in leaves.iter().filter(|leaf| done.contains(*leaf)) {
            let near = (0..entries.len())
                .filter(|at| entries[*at].fate != Fate::Doubtful && within(leaf, &entries[*at].path))
                .max_by_key(|at| (entries[*at].path.len(), entries[*at].fate == Fate::Carried));
            match near.map(|at| &mut entries[at]) {
                // A list counts as one item in the report.
                Some(entry) if entry.path != *leaf => {
                    let field = leaf[entry.path.len()..].trim_start_matches('.');
                    let field = field.rfind('[').filter(|_| field.ends_with(']')).map_or(field, |end| &field[..end]);
                    if !field.is_empty() && !entry.fields.iter().any(|known| known == field) {
                        entry.fields.push(field.to_owned());
                    }
                }
                Some(_) => {}
                None if reported.contains(leaf) => {}
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

    /// The path of a field, whether or not it exists.
    pub fn at(&self, field: &str) -> String {
        joined(&self.path, field)
    }

    /// The value itself. This does not count as read.
    pub fn raw(&self) -> &'s Value {
        self.value
    }

    pub fn source(&self) -> &'s ImportSource {
        self.source
    }

    /// A field that exists and is not null.
    pub fn get(&self, field: &str) -> Option<Node<'s>> {
        let node = Node { source: self.source, value: self.value.as_object()?.get(field)?, path: self.at(field) };
        if node.value.is_null() {
            node.mark_handled();
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

    /// The fields by name, in the file's order. Other types are reported.
    pub fn fields(&self) -> Vec<(&'s str, Node<'s>)> {
        let Value::Object(fields) = self.value else {
            self.wrong_type("a mapping");
            return Vec::new();
        };
        if fields.is_empty() {
            self.mark_handled();
        }
        fields.keys().filter_map(|name| Some((name.as_str(), self.get(name)?))).collect()
    }

    /// The items of a list. Other types are reported.
    pub fn items(&self) -> Vec<Node<'s>> {
        let Value::Array(items) = self.value else {
            self.wrong_type("a list");
            return Vec::new();
        };
        if items.is_empty() {
            self.mark_handled();
        }
        let item = |(index, value)| Node { source: self.source, value, path: format!("{}[{index}]", self.path) };
        items.iter().enumerate().map(item).collect()
    }

    /// The texts of a list. Other items are reported.
    pub fn texts(&self) -> Vec<&'s str> {
        self.items().iter().filter_map(Node::text).collect()
    }

    /// A text. Other types are reported.
    pub fn text(&self) -> Option<&'s str> {
        self.mark_handled();
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a text");
        }
        text
    }

    /// A number, which may be written as text. Other types are reported.
    pub fn number(&self) -> Option<f64> {
        self.mark_handled();
        let number = match self.value {
            Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            other => other.as_f64(),
        };
        if number.is_none() {
            self.wrong_type("a number");
        }
        number
    }

    /// A whole number. Other types are reported.
    pub fn whole(&self) -> Option<i64> {
        let number = self.number()?;
        if number.fract() == 0.0 && number.abs() < 9e15 {
            // In the range in which every whole number is a double.
            #[expect(clippy::cast_possible_truncation, reason = "whole, and far inside the range")]
            return Some(number as i64);
        }
        self.wrong_type("a whole number");
        None
    }

    /// true or false. Other types are reported.
    pub fn flag(&self) -> Option<bool> {
        self.mark_handled();
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("true or false");
        }
        flag
    }

    /// Reports that it could not be carried over.
    pub fn lost(&self, message: impl Into<String>) {
        self.report(Fate::Lost, message);
    }

    /// Reports that one of several meanings was carried over.
    pub fn doubtful(&self, message: impl Into<String>) {
        self.report(Fate::Doubtful, message);
    }

    /// Reports that it needs no counterpart.
    pub fn idle(&self, message: impl Into<String>) {
        self.report(Fate::NotNeeded, message);
    }

    /// Reports that it became an object. Values that are read below it are listed there.
    pub fn became(&self, object: &str) {
        self.source.report(Fate::Carried, &self.path, object);
    }

    /// Reports the fate. Lost and unneeded values include everything below them; carried ones do not.
    pub fn report(&self, fate: Fate, message: impl Into<String>) {
        let container = matches!(self.value, Value::Object(_) | Value::Array(_));
        if !container || matches!(fate, Fate::Lost | Fate::NotNeeded) {
            self.mark_handled();
        }
        self.source.report(fate, &self.path, message);
    }

    /// Marks it, and everything below it, as handled.
    pub fn mark_handled(&self) {
        self.source.done.borrow_mut().insert(self.path.clone());
    }

    /// Whether it was handled.
    pub fn is_handled(&self) -> bool {
        self.source.done.borrow().contains(&self.path)
    }

    fn wrong_type(&self, expected: &str) {
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

/// `a.b`, or `a["b.c"]` if the name is no plain word.
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

/// The position of every path, and the leaves.
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

/// The outermost paths of which nothing was read or reported.
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

/// The position of a path that is not in the file: that of its nearest ancestor that is.
fn before(path: &str, order: &HashMap<String, usize>) -> usize {
    let mut path = path;
    while let Some(end) = path.rfind(['.', '[']) {
        path = &path[..end];
        if let Some(position) = order.get(path) {
            return *position;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::format::json;
    use super::*;

    #[test]
    fn the_outermost_unread_values_are_reported() {
        let source =
            ImportSource::new(json(r#"{"a": {"b": 1, "c": {"d": 2}}, "e": [{"f": 3}, 4], "g": null}"#).unwrap());
        let root = source.root();
        let a = root.get("a").unwrap();
        a.became("Thing a");
        assert_eq!(a.get("b").unwrap().number(), Some(1.0));
        root.get("e").unwrap().items()[1].lost("no such thing");
        let reported: Vec<_> =
            source.finish().entries.into_iter().map(|entry| (entry.fate, entry.path, entry.fields)).collect();
        assert_eq!(
            reported,
            [
                (Fate::Carried, "a".to_owned(), vec!["b".to_owned()]),
                (Fate::Lost, "a.c".to_owned(), vec![]),
                (Fate::Lost, "e[0]".to_owned(), vec![]),
                (Fate::Lost, "e[1]".to_owned(), vec![]),
            ]
        );
    }

    #[test]
    fn a_wrong_type_is_reported_without_the_value() {
        let source = ImportSource::new(json(r#"{"key": 12345, "on": "hunter22"}"#).unwrap());
        assert_eq!(source.root().get("key").unwrap().text(), None);
        assert_eq!(source.root().get("on").unwrap().flag(), None);
        let report = source.finish();
        assert_eq!(report.entries.len(), 2);
        assert!(report.entries.iter().all(|entry| entry.fate == Fate::Lost));
        assert!(!report.markdown("x").contains("hunter22") && !report.markdown("x").contains("12345"));
    }

    #[test]
    fn paths_have_the_usual_notation() {
        assert_eq!(joined("a[0]", "b_c"), "a[0].b_c");
        assert_eq!(joined("a", "gpt-4.1"), "a[\"gpt-4.1\"]");
        assert!(within("a.b[0]", "a.b") && within("a.b", "a.b") && !within("a.bc", "a.b"));
    }
}
