//! Which providers' credentials may be sent without TLS, and what of an authority's text is taken.
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use outrigger_compile::{Inputs, OPERATOR_NAMESPACE, Object, Severity, compile};

fn compiled(objects: &[Object]) -> outrigger_compile::Compiled {
    compile(&Inputs {
        objects,
        unread: false,
        environment: &|_| None,
        keys: &[],
        without_value: Severity::Error,
        sequence: 1,
        operator_namespace: OPERATOR_NAMESPACE,
    })
}

/// What a pod obeys has no provider whose credentials it would show to whoever answers.
#[test]
fn a_credential_leaves_its_namespace_by_tls_or_by_word() {
    let text = include_str!("broken/credentials-in-clear-text.yaml");
    let reached = |compiled: &outrigger_compile::Compiled, namespace: &str| {
        let key = compiled.document.keys.iter().find(|key| key.namespace == namespace && !key.keyless).unwrap();
        key.providers.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    let source = outrigger_compile::read("", text);
    // In a folder for this machine, its own loopback is nobody else's.
    let folder = compiled(&source.objects);
    assert_eq!(reached(&folder, "search"), ["trusting", "open", "here", "combined"]);
    assert_eq!(reached(&folder, "platform"), ["clear", "combined"]);
    // In a cluster a pod's loopback is its author's.
    let judgements: Vec<_> = source.objects.iter().map(outrigger_compile::Judgement::of).collect();
    let ours = |object: &outrigger_compile::Object| object.api_version.starts_with("outrigger.dev");
    let objects: Vec<_> = source.objects.iter().zip(&judgements).filter(|(object, _)| ours(object)).collect();
    let others: Vec<_> = source.objects.iter().filter(|object| !ours(object)).collect();
    let cluster = outrigger_compile::compile_in(&outrigger_compile::Cluster {
        objects: &objects,
        others: &others,
        namespace: "search",
        operator_namespace: OPERATOR_NAMESPACE,
    });
    assert_eq!(reached(&cluster, "search"), ["trusting", "open", "combined"]);
    let authority = cluster.document.providers.iter().find(|provider| provider.name == "combined").unwrap();
    assert_eq!(
        authority.ca.as_deref(),
        Some("-----BEGIN CERTIFICATE-----\nMAcwADAAAwEA\n-----END CERTIFICATE-----\n"),
        "and no private key"
    );
    let trusting =
        |name: &str| cluster.document.providers.iter().find(|one| one.name == name).unwrap().clear_text_credentials;
    assert!(trusting("trusting") && !trusting("clear"));
}
