//! Last good versions that are read from stored policies: which namespaces they count for, and invalid ones.

use outrigger_operator::objects::id::{ObjectId, ObjectKind};
use outrigger_operator::plan::last_good::LastGood;
use outrigger_operator::state::index::AffectedNamespaces;

use crate::story::{Story, binding, object};

const OPENAI: &str = "type: OpenAI, credentials: [{name: main, secretRef: {name: s}}], allowedNamespaces: {from: All}";

/// Two namespaces whose keys use one provider.
fn two() -> Story {
    let mut story = Story::new(false);
    let key = "{providers: [{name: openai, providerRef: {name: openai, namespace: platform}}]}";
    for line in [
        "Secret platform/s {apiKey: c2stb25l}".to_owned(),
        format!("LLMProvider platform/openai {{endpoint: 'https://good', {OPENAI}}}"),
        format!("VirtualKey one/k {key}"),
        format!("VirtualKey two/k {key}"),
    ] {
        let _ = story.apply(object(&line));
    }
    story
}

fn endpoint(story: &mut Story, of: &str) -> Option<String> {
    let plans = story.settle(AffectedNamespaces { namespaces: story.index.namespaces() });
    let revision = &plans[of].revisions[&binding(&format!("{of}/k"))];
    revision.document.providers.first().and_then(|provider| provider.endpoint.clone())
}

fn sources(story: &mut Story, of: &str) -> Vec<u8> {
    let plans = story.settle(AffectedNamespaces { namespaces: story.index.namespaces() });
    plans[of].revisions[&binding(&format!("{of}/k"))].sources.clone()
}

#[test]
fn sources_are_the_same_bytes_for_the_same_objects() {
    assert!(!sources(&mut two(), "one").is_empty());
    assert_eq!(sources(&mut two(), "one"), sources(&mut two(), "one"));
}

/// A user who may write a namespace's ConfigMaps could forge a provider of another namespace. It counts only in their
/// own namespace.
#[test]
fn stored_versions_of_other_namespaces_count_only_in_their_own_namespace() {
    let mut evil = two();
    let _ = evil.apply(object(&format!("LLMProvider platform/openai {{endpoint: 'https://evil', {OPENAI}}}")));
    let forged = sources(&mut evil, "one");
    let mut story = two();
    let honest = sources(&mut story, "two");
    let _ = story.apply(object("LLMProvider platform/openai {type: Nonsense, allowedNamespaces: {from: All}}"));
    story.last_good = LastGood::new();
    story.last_good.restore("one", &forged).unwrap();
    story.last_good.restore("two", &honest).unwrap();
    assert_eq!(endpoint(&mut story, "two").as_deref(), Some("https://good"));
    assert_eq!(endpoint(&mut story, "one").as_deref(), Some("https://evil"));
    // And not even there once the provider's own namespace has a good version.
    let _ = story.apply(object(&format!("LLMProvider platform/openai {{endpoint: 'https://new', {OPENAI}}}")));
    assert_eq!(endpoint(&mut story, "one").as_deref(), Some("https://new"));
    let _ = story.apply(object("LLMProvider platform/openai {type: Nonsense, allowedNamespaces: {from: All}}"));
    assert_eq!(endpoint(&mut story, "one").as_deref(), Some("https://new"));
}

#[test]
fn a_recreated_object_has_no_last_good_version() {
    let mut story = two();
    let written = sources(&mut story, "one");
    let _ = story.delete("LLMProvider", "platform", "openai");
    let _ = story.apply(object("LLMProvider platform/openai {type: Nonsense, allowedNamespaces: {from: All}}"));
    story.last_good = LastGood::new();
    story.last_good.restore("one", &written).unwrap();
    assert_eq!(endpoint(&mut story, "one"), None);
    let id = ObjectId { kind: ObjectKind::LlmProvider, namespace: "platform".to_owned(), name: "openai".to_owned() };
    let plans = story.settle(AffectedNamespaces { namespaces: story.index.namespaces() });
    assert_eq!(plans["platform"].verdicts[&id].serving, None);
}

#[test]
fn invalid_sources_are_ignored() {
    let mut story = two();
    let written = sources(&mut story, "one");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(b' '), 9 << 20), &mut bomb).unwrap();
    for (bytes, expected) in [
        (Vec::new(), "it is not gzip"),
        (b"plain".to_vec(), "it is not gzip"),
        (written[..written.len() / 2].to_vec(), "it is not gzip"),
        (bomb.finish().unwrap(), "it is not gzip, or over 8388608 bytes unpacked"),
        (packed("{}"), "it has another shape"),
        (packed("{\"format\": 2}"), "its format is 2"),
    ] {
        let error = LastGood::new().restore("one", &bytes).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    LastGood::new().restore("one", &packed("{\"format\": 1, \"objects\": [7, {}], \"new\": []}")).unwrap();
}

fn packed(json: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, json.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn deleted_objects_are_forgotten() {
    let mut story = two();
    let _ = endpoint(&mut story, "one");
    for (kind, namespace, name) in [
        ("VirtualKey", "one", "k"),
        ("VirtualKey", "two", "k"),
        ("LLMProvider", "platform", "openai"),
        ("Secret", "platform", "s"),
    ] {
        let changed = story.index.delete(kind, namespace, name);
        let _ = story.settle(changed);
    }
    assert_eq!(format!("{:?}", story.last_good), format!("{:?}", LastGood::new()));
}
