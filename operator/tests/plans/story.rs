//! A cluster step by step: objects are applied and deleted, and the plans after each step are compared with the file.
//!
//! A file is YAML. A line `# step: …` begins a step. First `# delete: Kind namespace/name` deletes objects, then the
//! step's objects are applied. `# pods: shop/search,batch` sets the bindings of pods, `# now: …` the time, and `#
//! restart` keeps only what was written. Lines that begin with `#>` are the expected plans, which `UPDATE=1` writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use outrigger_operator::objects::binding::Binding;
use outrigger_operator::plan::last_good::LastGood;
use outrigger_operator::plan::plan;
use outrigger_operator::plan::revision::{Delivery, NamespacePlan, PolicyRevision};
use outrigger_operator::state::index::{AffectedNamespaces, ObjectIndex};
use outrigger_operator::status::verdict::{ObjectProblem, ObjectVerdict};
use serde_json::{Value, json};

pub const NOW: &str = "2026-11-01T00:00:00Z";

/// A cluster, an operator, and the policies that it has written.
pub struct Story {
    pub index: ObjectIndex,
    pub last_good: LastGood,
    pub now: jiff::Timestamp,
    written: BTreeMap<Binding, (String, Vec<u8>)>,
    stored: BTreeMap<(String, String, String), Value>,
    clock: u64,
    /// The namespaces in the order of their plans.
    pub planned: Vec<String>,
}

impl Story {
    pub fn new(copies: bool) -> Self {
        Story {
            index: ObjectIndex::new("outrigger-system", copies),
            last_good: LastGood::new(),
            now: NOW.parse().unwrap(),
            written: BTreeMap::new(),
            stored: BTreeMap::new(),
            clock: 100,
            planned: Vec::new(),
        }
    }

    /// Applies an object as an API server stores it: with uid, generation and resourceVersion.
    pub fn apply(&mut self, mut value: Value) -> AffectedNamespaces {
        let word = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, mut namespace, name) = (word("/kind"), word("/metadata/namespace"), word("/metadata/name"));
        if namespace.is_empty() && kind != "Namespace" {
            namespace = "default".to_owned();
            value["metadata"]["namespace"] = json!(namespace);
        }
        self.clock += 1;
        let id = (kind, namespace, name);
        let before = self.stored.get(&id);
        let generation = match before {
            None => 1,
            Some(before) => {
                let changed = i64::from(before["spec"] != value["spec"]);
                before["metadata"]["generation"].as_i64().unwrap_or(1) + changed
            }
        };
        value["metadata"]["uid"] =
            before.map_or(json!(format!("uid-{}", self.clock)), |one| one["metadata"]["uid"].clone());
        value["metadata"]["generation"] = json!(generation);
        value["metadata"]["resourceVersion"] = json!(self.clock.to_string());
        value["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        self.stored.insert(id, value.clone());
        self.index.apply(&value)
    }

    pub fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.stored.contains_key(&(kind.to_owned(), namespace.to_owned(), name.to_owned()))
    }

    pub fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> AffectedNamespaces {
        self.stored.remove(&(kind.to_owned(), namespace.to_owned(), name.to_owned())).expect("it is there");
        self.index.delete(kind, namespace, name)
    }

    /// Starts a new process, which lists the cluster and reads the written policies.
    pub fn restart(&mut self) {
        let bindings =
            self.index.namespaces().iter().filter_map(|one| self.index.bindings(one).cloned()).flatten().collect();
        let mut index = ObjectIndex::new("outrigger-system", self.index.copies());
        for value in self.stored.values() {
            let _ = index.apply(value);
        }
        let _ = index.bind(bindings);
        self.index = index;
        self.last_good = LastGood::new();
        for (binding, (_, sources)) in &self.written {
            self.last_good.restore(&binding.namespace, sources).unwrap();
        }
    }

    /// Plans until nothing is left. Returns the last plan of each namespace.
    pub fn settle(&mut self, changed: AffectedNamespaces) -> BTreeMap<String, NamespacePlan> {
        let mut left: BTreeSet<String> = changed.namespaces;
        let mut plans = BTreeMap::new();
        let mut rounds = 0;
        while let Some(namespace) = left.pop_first() {
            rounds += 1;
            assert!(rounds < 100, "planning comes to an end");
            let plan = plan(&self.index, &mut self.last_good, &namespace, self.now);
            self.planned.push(namespace.clone());
            left.extend(self.index.planned(&plan).namespaces);
            plans.insert(namespace, plan);
        }
        plans
    }

    /// Writes a binding's policy. Returns whether it differs from the written one.
    pub fn write(&mut self, revision: &PolicyRevision) -> bool {
        let before = self.written.get(&revision.binding).map(|(digest, _)| digest.clone());
        if before.as_ref() == Some(&revision.digest) {
            return false;
        }
        self.written.insert(revision.binding.clone(), (revision.digest.clone(), revision.sources.clone()));
        true
    }
}

pub fn binding(text: &str) -> Binding {
    let (namespace, keys) = text.split_once('/').unwrap();
    Binding::parse(namespace, Some(keys)).unwrap()
}

/// An object from a line `Kind namespace/name {spec}`.
pub fn object(line: &str) -> Value {
    let (head, spec) = line.split_once(" {").unwrap();
    let (kind, id) = head.split_once(' ').unwrap();
    let (namespace, name) = id.split_once('/').unwrap();
    let fields: Value = serde_yaml::from_str(&format!("{{{spec}")).unwrap();
    match kind {
        "Namespace" => json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": fields}}),
        "Secret" | "ConfigMap" => json!({
            "apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}, "data": fields,
        }),
        _ => json!({
            "apiVersion": "outrigger.dev/v1alpha1", "kind": kind,
            "metadata": {"namespace": namespace, "name": name}, "spec": fields,
        }),
    }
}

/// The story's text with the present plans.
pub fn with_plans(text: &str) -> String {
    let mut story = Story::new(text.contains("# copies\n"));
    let mut out = String::new();
    let mut steps = text.split("# step:");
    out.push_str(steps.next().unwrap());
    for step in steps {
        let lines: Vec<&str> = step.lines().filter(|line| !line.starts_with("#>")).collect();
        let _ = writeln!(out, "# step:{}", lines.join("\n").trim_end());
        let mut namespaces = BTreeSet::new();
        for line in &lines {
            if let Some(what) = line.strip_prefix("# delete: ") {
                let (kind, id) = what.split_once(' ').unwrap();
                let (namespace, name) = id.split_once('/').unwrap_or(("", id));
                namespaces.extend(story.delete(kind, namespace, name).namespaces);
            } else if let Some(pods) = line.strip_prefix("# pods: ") {
                namespaces.extend(story.index.bind(pods.split(' ').map(binding).collect()).namespaces);
            } else if let Some(now) = line.strip_prefix("# now: ") {
                story.now = now.parse().unwrap();
                namespaces.extend(story.index.namespaces());
            } else if *line == "# restart" {
                story.restart();
                namespaces.extend(story.index.namespaces());
            }
        }
        let yaml = lines.get(1..).unwrap_or_default().join("\n");
        for document in serde_yaml::Deserializer::from_str(&yaml) {
            let value: Value = serde::Deserialize::deserialize(document).unwrap();
            if !value.is_null() {
                namespaces.extend(story.apply(value).namespaces);
            }
        }
        for plan in story.settle(AffectedNamespaces { namespaces }).values() {
            out.push_str(&summary(&mut story, plan));
        }
        out.push('\n');
    }
    format!("{}\n", out.trim_end())
}

fn summary(story: &mut Story, plan: &NamespacePlan) -> String {
    let mut out = String::new();
    for (id, verdict) in &plan.verdicts {
        let _ = writeln!(out, "#> {id}: {}", of_verdict(verdict));
    }
    for revision in plan.revisions.values() {
        match story.write(revision) {
            true => {
                let _ = write!(out, "#> {}: {}\n{}", revision.binding, of_keys(revision), of_revision(revision));
            }
            false => {
                let _ = writeln!(out, "#> {} is as it was", revision.binding);
            }
        }
    }
    for held in &plan.too_large {
        let _ = writeln!(out, "#> {held} stays as it was");
    }
    if let Some(at) = plan.recheck {
        let _ = writeln!(out, "#> {}: again at {at}", plan.namespace);
    }
    out
}

fn of_verdict(verdict: &ObjectVerdict) -> String {
    let ObjectVerdict { generation, refused, unresolved, warnings, serving, inactive } = verdict;
    let mut out = format!("{generation}");
    if verdict.is_sound() {
        out.push_str(" good");
    }
    if let Some(reason) = inactive {
        let _ = write!(out, ", {}", reason.word());
    }
    match serving {
        Some(serving) => out.push_str(&format!(", {serving} serves")),
        None if !verdict.is_sound() => out.push_str(", nothing serves"),
        None => {}
    }
    let of = |what: &str, problem: &ObjectProblem| {
        let ObjectProblem { reason, path, message } = problem;
        format!("\n#>   {what} {}: {path}: {message}", reason.word())
    };
    refused.iter().for_each(|problem| out.push_str(&of("not accepted,", problem)));
    unresolved.iter().for_each(|problem| out.push_str(&of("not resolved,", problem)));
    for warning in warnings {
        let _ = write!(out, "\n#>   warning: {warning}");
    }
    out
}

fn of_keys(revision: &PolicyRevision) -> String {
    let document = &revision.document;
    let default = document.default_key.as_deref().unwrap_or("nobody");
    let keys = document.keys.iter().map(|key| {
        let off = if key.suspended { " off" } else { "" };
        let entries: Vec<String> = key.providers.iter().map(|one| format!("{}*{}", one.name, one.weight)).collect();
        format!("{}{off}[{}]", key.name, entries.join(" "))
    });
    let others = match document.others.keys.as_slice() {
        [] => String::new(),
        keys => format!(", there are {}", keys.join(" ")),
    };
    format!("{default}: {}{others}", keys.collect::<Vec<_>>().join(" "))
}

fn of_revision(revision: &PolicyRevision) -> String {
    let document = &revision.document;
    let mut out = String::new();
    for provider in &document.providers {
        let credentials: Vec<String> = provider
            .credentials
            .iter()
            .map(|one| format!("{}{}", one.name, if one.suspended { " off" } else { "" }))
            .collect();
        let off = if provider.suspended { " off" } else { "" };
        let ca = if provider.ca.is_some() { " with a CA" } else { "" };
        let endpoint = provider.endpoint.as_deref().map(|url| format!(" at {url}")).unwrap_or_default();
        let _ = writeln!(
            out,
            "#>   provider {}/{}{off}{endpoint}{ca} [{}]",
            provider.namespace,
            provider.name,
            credentials.join(" ")
        );
    }
    for rule in &document.rules {
        let _ = writeln!(
            out,
            "#>   rule {}/{} to {}",
            rule.namespace,
            rule.name,
            rule.targets.first().map_or("-", |one| &one.provider)
        );
    }
    for budget in &document.budgets {
        let above = budget.parent.as_ref().map(|parent| format!(" under {parent}")).unwrap_or_default();
        let _ = writeln!(out, "#>   budget {}/{} {}{above}", budget.namespace, budget.name, budget.max);
    }
    for catalogue in &document.catalogues {
        let _ = writeln!(out, "#>   catalogue {}/{}", catalogue.namespace, catalogue.name);
    }
    for value in &revision.credentials {
        let how = if value.delivery == Delivery::Secret { "Secret" } else { "Stream" };
        let keys: Vec<&str> = value.keys.iter().map(String::as_str).collect();
        let _ = writeln!(out, "#>   {} = {} by {how} for {}", value.secret, value.value, keys.join(" "));
    }
    for (key, accounts) in &revision.allowed {
        let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
        let _ = writeln!(out, "#>   {key} only for {}", accounts.join(" "));
    }
    out
}
