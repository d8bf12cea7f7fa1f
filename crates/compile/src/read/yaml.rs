//! YAML as trees that know their lines: scalars of the 1.2 core schema, built from the parser's events in one pass.
//!
//! Refused, because parsers disagree on them: duplicate keys, keys that are not scalars, custom tags, infinities.
//! Limited: depth, and the size of expanded aliases.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};

use crate::read::scalar::{is_boolean_elsewhere, scalar};

/// No object nests this deep. Code that walks or drops a value may recurse.
const MAX_DEPTH: usize = 64;
/// The number of values in one document with expanded aliases: an object in a cluster has a megabyte and a half.
const MAX_NODES: usize = 200_000;

/// A value and the line where it begins, from 1.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub line: usize,
    pub node: YamlNode,
    /// The number of nodes, including itself.
    size: usize,
    /// Text here, but a boolean for YAML 1.1 parsers such as kubectl's.
    ambiguous_boolean: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum YamlNode {
    Scalar(Value),
    List(Vec<Tree>),
    /// In the order of the file.
    Map(Vec<YamlEntry>),
}

#[derive(Clone, Debug)]
pub(crate) struct YamlEntry {
    pub line: usize,
    pub key: String,
    pub value: Tree,
}

/// Why a document can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YamlProblem {
    pub line: usize,
    pub message: String,
}

impl Tree {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        match &self.node {
            YamlNode::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            YamlNode::Scalar(_) | YamlNode::List(_) => None,
        }
    }

    /// The text, if this is a text.
    pub fn text(&self) -> Option<&str> {
        match &self.node {
            YamlNode::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The paths of words that kubectl reads as booleans.
    pub fn ambiguous_booleans(&self, path: &str, into: &mut Vec<String>) {
        match &self.node {
            YamlNode::Scalar(_) if self.ambiguous_boolean => into.push(path.to_owned()),
            YamlNode::Scalar(_) => {}
            YamlNode::List(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| item.ambiguous_booleans(&format!("{path}[{index}]"), into));
            }
            YamlNode::Map(entries) => {
                let dot = if path.is_empty() { "" } else { "." };
                entries
                    .iter()
                    .for_each(|entry| entry.value.ambiguous_booleans(&format!("{path}{dot}{}", entry.key), into));
            }
        }
    }

    /// The value, and the line of each path in it: `spec.credentials[0].weight`.
    pub fn unfold(&self, path: &str, lines: &mut HashMap<String, usize>) -> Value {
        match &self.node {
            YamlNode::Scalar(value) => value.clone(),
            YamlNode::List(items) => {
                let item = |(index, item): (usize, &Tree)| {
                    let path = format!("{path}[{index}]");
                    let value = item.unfold(&path, lines);
                    lines.insert(path, item.line);
                    value
                };
                Value::Array(items.iter().enumerate().map(item).collect())
            }
            YamlNode::Map(entries) => {
                let mut fields = Map::new();
                for entry in entries {
                    let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
                    let value = entry.value.unfold(&path, lines);
                    lines.insert(path, entry.line);
                    fields.insert(entry.key.clone(), value);
                }
                Value::Object(fields)
            }
        }
    }
}

/// The documents of a text, without empty ones. A document that can't be read doesn't hide the others, except for those
/// after a syntax error.
pub(crate) fn documents(text: &str) -> Vec<Result<Tree, YamlProblem>> {
    let mut documents = Vec::new();
    let mut reading = YamlReader::default();
    for event in Parser::new_from_str(text) {
        match event {
            Err(error) => {
                let at = error.marker();
                let message = format!("not YAML: {} (column {}){}", error.info(), at.col() + 1, advice(error.info()));
                documents.push(Err(YamlProblem { line: at.line().max(1), message }));
                break;
            }
            Ok((Event::DocumentStart(_), _)) => reading = YamlReader::default(),
            Ok((Event::DocumentEnd, _)) => {
                let reading = std::mem::take(&mut reading);
                match (reading.problem, reading.root) {
                    (Some(problem), _) => documents.push(Err(problem)),
                    (None, Some(Tree { node: YamlNode::Scalar(Value::Null), .. }) | None) => {}
                    (None, Some(tree)) => documents.push(Ok(tree)),
                }
            }
            Ok((event, span)) => reading.take(event, span),
        }
    }
    documents
}

/// A hint: the parser reports what it expected, and seldom what was forgotten.
fn advice(info: &str) -> &'static str {
    match info {
        _ if info.contains("tab") => ": indent with spaces, not with tabs",
        "invalid indentation in quoted scalar"
        | "while scanning a quoted scalar, found unexpected end of stream"
        | "while scanning a quoted scalar, found unexpected document indicator" => {
            ": the quote that opens here is never closed"
        }
        "invalid trailing content after double-quoted scalar" => ": the quote ends before the line does",
        "invalid indentation in flow construct" => ": close the `[` or `{` before it",
        "mapping values are not allowed in this context"
        | "block sequence entries are not allowed in this context"
        | "while parsing a block mapping, did not find expected key"
        | "while parsing a block collection, did not find expected '-' indicator" => {
            ": compare the indentation with that of the lines above"
        }
        _ => "",
    }
}

/// A document that is being read.
#[derive(Default)]
struct YamlReader {
    root: Option<Tree>,
    open: Vec<OpenNode>,
    anchors: HashMap<usize, Tree>,
    nodes: usize,
    /// The first problem; the following events only end the document.
    problem: Option<YamlProblem>,
}

/// A list or mapping whose end was not read yet.
struct OpenNode {
    line: usize,
    anchor: usize,
    node: YamlNode,
    /// In a mapping: the key whose value comes next.
    key: Option<(usize, String)>,
    /// In a mapping: entries from `<<`, for keys that the mapping itself does not have.
    merged: Vec<YamlEntry>,
}

impl YamlReader {
    fn fail(&mut self, line: usize, message: impl Into<String>) {
        self.problem.get_or_insert(YamlProblem { line, message: message.into() });
        // The values are not needed any more, and must not grow.
        self.anchors.clear();
    }

    fn take(&mut self, event: Event<'_>, span: Span) {
        let line = span.start.line().max(1);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.takes_key() {
                    self.key(line, &text, style);
                    return;
                }
                match scalar(&text, style, tag.as_deref()) {
                    Ok(value) => {
                        let ambiguous_boolean =
                            style == ScalarStyle::Plain && tag.is_none() && is_boolean_elsewhere(&text);
                        self.put(Tree { line, node: YamlNode::Scalar(value), size: 1, ambiguous_boolean }, anchor);
                    }
                    Err(message) => self.fail(line, message),
                }
            }
            Event::Alias(anchor) => {
                if self.takes_key() {
                    self.fail(line, "a key can't be an alias: write it out");
                    return;
                }
                match self.anchors.get(&anchor) {
                    Some(tree) if self.nodes.saturating_add(tree.size) <= MAX_NODES => {
                        // With the line where the alias is used: that is where its author looks.
                        let tree = Tree { line, ..tree.clone() };
                        self.put(tree, 0);
                    }
                    Some(_) => self.fail(line, format!("aliases unfold to more than {MAX_NODES} values")),
                    None => self.fail(line, "the alias names an anchor that isn't complete, or is of another document"),
                }
            }
            Event::SequenceStart(anchor, tag) => self.begin(line, anchor, tag.as_deref(), YamlNode::List(Vec::new())),
            Event::MappingStart(anchor, tag) => self.begin(line, anchor, tag.as_deref(), YamlNode::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
    }

    /// Whether the next value is a key.
    fn takes_key(&self) -> bool {
        self.problem.is_none()
            && self.open.last().is_some_and(|open| matches!(open.node, YamlNode::Map(_)) && open.key.is_none())
    }

    fn key(&mut self, line: usize, text: &str, style: ScalarStyle) {
        // YAML's merge key: not in 1.2, but supported by every Kubernetes tool.
        let merge = text == "<<" && style == ScalarStyle::Plain;
        let twice = match self.open.last().map(|open| &open.node) {
            Some(YamlNode::Map(entries)) if !merge => {
                entries.iter().find(|entry| entry.key == text).map(|entry| entry.line)
            }
            _ => None,
        };
        if let Some(first) = twice {
            self.fail(line, format!("the key `{text}` occurs twice, first on line {first}: keep one"));
        } else if text.is_empty() && style == ScalarStyle::Plain {
            self.fail(line, "a key is missing before `:`");
        } else if let Some(open) = self.open.last_mut() {
            // `<<` is stored as a key that no text can be, so that a quoted "<<" stays an ordinary key.
            open.key = Some((line, if merge { MERGE.to_owned() } else { text.to_owned() }));
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, tag: Option<&Tag>, node: YamlNode) {
        if self.takes_key() {
            self.fail(
                line,
                "a key must be a word, not a list or a mapping: quote it if it is one, as in \"{{ name }}\"",
            );
        }
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            self.fail(line, "a custom tag (`!name`) is not allowed here: remove it");
        }
        if self.open.len() >= MAX_DEPTH {
            self.fail(line, format!("nested deeper than {MAX_DEPTH}"));
        }
        if self.problem.is_none() {
            self.open.push(OpenNode { line, anchor, node, key: None, merged: Vec::new() });
        }
    }

    fn end(&mut self) {
        if self.problem.is_some() {
            return;
        }
        let Some(OpenNode { line, anchor, mut node, merged, .. }) = self.open.pop() else { return };
        if let YamlNode::Map(entries) = &mut node {
            for entry in merged {
                if !entries.iter().any(|own| own.key == entry.key) {
                    entries.push(entry);
                }
            }
        }
        let size = 1 + match &node {
            YamlNode::Scalar(_) => 0,
            YamlNode::List(items) => items.iter().map(|item| item.size).sum(),
            YamlNode::Map(entries) => entries.iter().map(|entry| entry.value.size).sum::<usize>(),
        };
        self.nodes = self.nodes.saturating_sub(size - 1);
        self.put(Tree { line, node, size, ambiguous_boolean: false }, anchor);
    }

    /// Adds a complete value to its parent.
    fn put(&mut self, tree: Tree, anchor: usize) {
        if self.problem.is_some() {
            return;
        }
        self.nodes = self.nodes.saturating_add(tree.size);
        if self.nodes > MAX_NODES {
            self.fail(tree.line, format!("more than {MAX_NODES} values in one document"));
            return;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, tree.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(tree);
            return;
        };
        match &mut open.node {
            YamlNode::List(items) => items.push(tree),
            YamlNode::Map(entries) => match open.key.take() {
                Some((line, key)) if key == MERGE => match merged(tree) {
                    Some(more) => open.merged.extend(more),
                    None => self.fail(line, "`<<` takes a mapping, or a list of them"),
                },
                Some((line, key)) => entries.push(YamlEntry { line, key, value: tree }),
                None => {}
            },
            YamlNode::Scalar(_) => {}
        }
    }
}

/// Represents `<<` until its value is read: no YAML text can contain NUL.
const MERGE: &str = "\0<<";

fn merged(tree: Tree) -> Option<Vec<YamlEntry>> {
    match tree.node {
        YamlNode::Map(entries) => Some(entries),
        YamlNode::List(items) => items.into_iter().map(merged).collect::<Option<Vec<_>>>().map(|all| all.concat()),
        YamlNode::Scalar(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Vec<Result<Value, YamlProblem>> {
        documents(text).into_iter().map(|one| one.map(|tree| tree.unfold("", &mut HashMap::new()))).collect()
    }

    #[test]
    fn records_the_line_of_each_path() {
        let text = "# first\nspec:\n  list:\n  - name: a\n    weight: 1\n  - {name: b}\n  'quoted': x\n";
        let mut lines = HashMap::new();
        documents(text)[0].as_ref().unwrap().unfold("", &mut lines);
        let mut lines: Vec<_> = lines.iter().map(|(path, line)| (path.as_str(), *line)).collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                ("spec", 2),
                ("spec.list", 3),
                ("spec.list[0]", 4),
                ("spec.list[0].name", 4),
                ("spec.list[0].weight", 5),
                ("spec.list[1]", 6),
                ("spec.list[1].name", 6),
                ("spec.quoted", 7),
            ]
        );
    }

    #[test]
    fn anchors_and_merges_are_local_to_their_document() {
        assert_eq!(
            values("base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: *b\n---\nthree: *b\n"),
            [
                Ok(json!({"base": {"x": 1, "y": 2}, "one": {"y": 3, "x": 1}, "two": {"x": 1, "y": 2}})),
                Err(YamlProblem {
                    line: 5,
                    message: "the alias names an anchor that isn't complete, or is of another document".into()
                }),
            ]
        );
    }

    #[test]
    fn limits_expanded_aliases() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let problem = values(&text).remove(0).unwrap_err();
        assert_eq!(problem.message, "aliases unfold to more than 200000 values");
        let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(values(&deep), [Err(YamlProblem { line: 1, message: "nested deeper than 64".into() })]);
    }

    #[test]
    fn a_broken_document_does_not_hide_others() {
        let got = values("a: 1\n---\nb: 1\nc:\n  d: 1\n  d: 2\n---\n---\ne: 1\n---\nf: [\n");
        let problem = |line, message: &str| Err(YamlProblem { line, message: message.to_owned() });
        assert_eq!(
            got[..3],
            [
                Ok(json!({"a": 1})),
                problem(6, "the key `d` occurs twice, first on line 5: keep one"),
                Ok(json!({"e": 1}))
            ]
        );
        assert!(matches!(&got[3..], [Err(problem)] if problem.message.starts_with("not YAML: ")), "{got:?}");
        assert_eq!(values("a: .inf"), [problem(1, "no object can hold .inf or .nan: quote it if it is meant as text")]);
        assert_eq!(values("a: !Ref b"), [problem(1, "a custom tag (`!name`) is not allowed here: remove it")]);
    }
}
