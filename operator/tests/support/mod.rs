//! Shared parts of the injection tests.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outrigger_operator::inject::InjectionContext;
use outrigger_operator::seal::{Seal, VerifyingKeys};
use outrigger_operator::settings::{LedgerSettings, OperatorSettings, Repair};
use serde::Deserialize as _;
use serde_json::Value;

/// An operator with the chart's settings.
pub fn settings() -> OperatorSettings {
    OperatorSettings {
        namespace: "outrigger-system".to_owned(),
        identity: "outrigger-0".to_owned(),
        address: "10.0.0.1:10250".to_owned(),
        service: vec!["outrigger.outrigger-system.svc".to_owned()],
        service_port: 443,
        listen: ([0, 0, 0, 0], 10250).into(),
        metrics: ([0, 0, 0, 0], 8080).into(),
        webhooks: None,
        image: "registry.example/outrigger-sidecar:1".to_owned(),
        trusted_images: Vec::new(),
        least_version: semver::Version::new(0, 1, 0),
        image_pull_policy: None,
        image_pull_secrets: Vec::new(),
        provider_namespaces: Vec::new(),
        copies: false,
        openshift: false,
        repair: Repair::Report,
        certificates: None,
        ledger: LedgerSettings::None,
        migrate_from: LedgerSettings::None,
        usage_history_days: 0,
        verifying: verifying(),
    }
}

/// The keys of a replica that has read its Secret.
pub fn verifying() -> VerifyingKeys {
    let keys = VerifyingKeys::default();
    keys.set(Seal::with(&[7; 32], &[], true).unwrap().verifying());
    keys
}

/// A pod of `tests/pods`, with its namespace and settings.
pub struct Case {
    pub name: String,
    pub pod: Value,
    pub settings: OperatorSettings,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

impl Case {
    pub fn facts(&self) -> InjectionContext<'_> {
        InjectionContext {
            settings: &self.settings,
            namespace: "shop",
            labelled: self.labels.get("outrigger.dev/inject").is_some_and(|value| value == "true"),
            defaults: &self.annotations,
        }
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pods")
}

/// All cases by name.
pub fn cases() -> Vec<Case> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<Case> = files
        .filter_map(|file| {
            let name = file.file_name()?.to_str()?.strip_suffix(".yaml")?.to_owned();
            (!name.ends_with(".golden")).then(|| case(name, &std::fs::read_to_string(&file).unwrap()))
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn case(name: String, text: &str) -> Case {
    let mut documents = serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap());
    let pod = documents.next().unwrap();
    let settings_document = documents.next().unwrap_or_default();
    let strings = |at: &str| -> BTreeMap<String, String> {
        settings_document.pointer(at).map(|value| serde_json::from_value(value.clone()).unwrap()).unwrap_or_default()
    };
    let mut settings = settings();
    settings.openshift = settings_document["openshift"] == true;
    if let Some(secrets) = settings_document.get("pullSecrets") {
        settings.image_pull_secrets = serde_json::from_value(secrets.clone()).unwrap();
    }
    Case { name, pod, settings, labels: strings("/namespace/labels"), annotations: strings("/namespace/annotations") }
}
