//! Reads YAML text as objects that know their lines.

use std::collections::HashMap;

use outrigger_policy::nearest;
use serde_json::Value;

use crate::findings::finding::{Cause, Finding, Severity, SourceLocation};
use crate::read::yaml::{self, Tree, YamlNode};

/// The name of the key that pods without the annotation are bound to.
pub(crate) const DEFAULT_KEY: &str = "default";

/// The namespace of objects without one.
pub const DEFAULT_NAMESPACE: &str = "default";

/// An object in a file.
#[derive(Clone)]
pub struct Object {
    pub api_version: String,
    pub kind: String,
    /// `default` if absent; empty for a Namespace.
    pub namespace: String,
    /// Empty if absent.
    pub name: String,
    pub value: Value,
    /// The line where it begins.
    pub location: SourceLocation,
    /// The line of each path in it, such as `spec.credentials[0].weight`.
    pub lines: HashMap<String, usize>,
}

/// Hides the value: Secrets are objects too.
impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object")
            .field("object", &self.label())
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl Object {
    /// `LLMProvider default/openai`.
    #[must_use]
    pub fn label(&self) -> String {
        let name = if self.name.is_empty() { "(no name)" } else { &self.name };
        match self.namespace.as_str() {
            "" => format!("{} {name}", self.kind),
            namespace => format!("{} {namespace}/{name}", self.kind),
        }
    }

    /// The label, with the location if that is a file.
    pub(crate) fn label_and_location(&self) -> String {
        match self.location == SourceLocation::default() {
            true => self.label(),
            false => format!("{} at {}", self.label(), self.location),
        }
    }

    /// The location of a path: its own line, else that of the nearest parent.
    #[must_use]
    pub fn at(&self, path: &str) -> SourceLocation {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return SourceLocation { file: self.location.file.clone(), line: *line };
            }
            match path.rfind(['.', '[']).and_then(|end| path.get(..end)) {
                Some(parent) => path = parent,
                None => return self.location.clone(),
            }
        }
    }

    /// A finding at a path of this object.
    #[must_use]
    pub fn finding(&self, severity: Severity, path: &str, message: impl Into<String>) -> Finding {
        Finding {
            severity,
            cause: Cause::Invalid,
            location: self.at(path),
            object: self.label(),
            path: path.to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn error(&self, path: &str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Error, path, message)
    }

    pub(crate) fn warning(&self, path: &str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Warning, path, message)
    }

    /// The labels whose values are text.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.value.pointer("/metadata/labels").and_then(Value::as_object);
        labels.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }
}

/// The content of a text.
#[derive(Debug, Default)]
pub struct Source {
    /// The objects that a policy is compiled from, in the order of the text.
    pub objects: Vec<Object>,
    /// The parts that can't be read.
    pub findings: Vec<Finding>,
    /// Objects of other kinds, by label: a folder may also contain a Deployment.
    pub ignored: Vec<String>,
}

impl Source {
    /// Whether a part of the text can't be read as an object.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.findings.iter().any(|finding| finding.cause == Cause::Schema && finding.object.is_empty())
    }
}

/// Reads a text with any number of YAML documents. `file` is the name in findings.
#[must_use]
pub fn read(file: &str, text: &str) -> Source {
    let mut source = Source::default();
    for document in yaml::documents(text) {
        match document {
            Ok(tree) => unroll(file, &tree, &mut source, true),
            Err(problem) => source.findings.push(unreadable(file, problem.line, &problem.message)),
        }
    }
    source
}

fn unreadable(file: &str, line: usize, message: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        cause: Cause::Schema,
        location: SourceLocation { file: file.to_owned(), line },
        object: String::new(),
        path: String::new(),
        message: message.to_owned(),
    }
}

/// Adds an object, or those of a list.
fn unroll(file: &str, tree: &Tree, source: &mut Source, lists: bool) {
    let is_map = matches!(tree.node, YamlNode::Map(_));
    let (Some(api_version), Some(kind)) =
        (tree.get("apiVersion").and_then(Tree::text), tree.get("kind").and_then(Tree::text))
    else {
        let message = if is_map {
            "no Kubernetes object: it needs apiVersion, kind, metadata and spec"
        } else {
            "no Kubernetes object: a document must be a mapping with apiVersion, kind, metadata and spec"
        };
        source.findings.push(unreadable(file, tree.line, message));
        return;
    };
    if lists
        && kind.ends_with("List")
        && let Some(Tree { node: YamlNode::List(items), .. }) = tree.get("items")
    {
        items.iter().for_each(|item| unroll(file, item, source, false));
        return;
    }
    let metadata = |field: &str| tree.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Tree::text);
    let namespace = match kind {
        "Namespace" => "",
        _ => metadata("namespace").unwrap_or(DEFAULT_NAMESPACE),
    };
    let mut object = Object {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: metadata("name").unwrap_or_default().to_owned(),
        value: Value::Null,
        location: SourceLocation { file: file.to_owned(), line: tree.line },
        lines: HashMap::new(),
    };
    if is_ours(api_version) || matches!((api_version, kind), ("v1", "Secret" | "ConfigMap" | "Namespace")) {
        object.value = tree.unfold("", &mut object.lines);
        let mut ambiguous_booleans = Vec::new();
        tree.ambiguous_booleans("", &mut ambiguous_booleans);
        let message =
            "without quotes, kubectl takes this word for true or false: put it in quotes, or write true or false";
        source.findings.extend(ambiguous_booleans.iter().map(|path| object.warning(path, message)));
        source.objects.push(object);
    } else {
        source.ignored.push(object.label());
    }
}

/// Whether the group is `outrigger.dev`, in any version, or so similar that it is a typing error: ignoring a misspelt
/// object could ignore a budget.
pub(crate) fn is_ours(api_version: &str) -> bool {
    let (group, version) = api_version.split_once('/').unwrap_or((api_version, ""));
    let is_near = || nearest(group, [outrigger_crds::GROUP].into_iter()).is_some();
    group == outrigger_crds::GROUP || is_near() || (group == outrigger_crds::VERSION && version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_know_their_lines() {
        let text = "---\n# a comment\napiVersion: v1\nkind: List\nitems:\n- apiVersion: outrigger.dev/v1alpha1\n  \
                    kind: VirtualKey\n  metadata: {name: a, namespace: b}\n  spec:\n    team: x\n- apiVersion: apps/v1\n  \
                    kind: Deployment\n  metadata: {name: app}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n";
        let source = read("x.yaml", text);
        let seen: Vec<_> = source.objects.iter().map(|object| (object.label(), object.location.to_string())).collect();
        assert_eq!(
            seen,
            [("VirtualKey b/a".to_owned(), "x.yaml:6".to_owned()), ("Namespace n".to_owned(), "x.yaml:15".to_owned())]
        );
        assert_eq!(source.ignored, ["Deployment default/app"]);
        assert_eq!(source.objects[0].at("spec.team").line, 10);
        assert_eq!(source.objects[0].at("spec.nothing[3].here").line, 9);
        assert_eq!(source.objects[0].at("nothing").line, 6);
    }

    #[test]
    fn similar_groups_count_as_ours() {
        for (api_version, ours) in [
            ("outrigger.dev/v1alpha1", true),
            ("outrigger.dev/v1", true),
            ("outriger.dev/v1alpha1", true),
            ("Outrigger.dev/v1alpha1", true),
            ("outrigger.io/v1alpha1", true),
            ("outrigger/v1alpha1", true),
            ("outrigger.dev", true),
            ("v1alpha1", true),
            ("v1", false),
            ("apps/v1", false),
            ("argoproj.io/v1alpha1", false),
            ("operator.openshift.io/v1", false),
            ("gateway.networking.k8s.io/v1", false),
            ("monitoring.coreos.com/v1", false),
            ("external-secrets.io/v1beta1", false),
            ("serving.knative.dev/v1", false),
            ("tekton.dev/v1", false),
            ("triggers.tekton.dev/v1beta1", false),
            ("kustomize.toolkit.fluxcd.io/v1", false),
            ("cert-manager.io/v1", false),
            ("", false),
        ] {
            assert_eq!(is_ours(api_version), ours, "{api_version}");
        }
    }

    #[test]
    fn debug_hides_secrets() {
        let source = read("x", "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {apiKey: hidden}}");
        assert!(!format!("{source:?}").contains("hidden"));
    }
}
