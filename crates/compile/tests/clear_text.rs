//! Which providers' credentials may be sent without TLS, and what is extracted from an authority's text.
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

/// The policy of a pod contains no provider whose credentials could be sent to the wrong server.
#[test]
fn credentials_leave_their_namespace_only_with_tls_or_permission() {
    let text = include_str!("broken/credentials-in-clear-text.yaml");
    let reached = |compiled: &outrigger_compile::Compiled, namespace: &str| {
        let key = compiled.document.keys.iter().find(|key| key.namespace == namespace && !key.keyless).unwrap();
        key.providers.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    let source = outrigger_compile::read("", text);
    // In a folder for this machine, its loopback belongs to nobody else.
    let folder = compiled(&source.objects);
    assert_eq!(reached(&folder, "search"), ["trusting", "open", "here", "combined"]);
    assert_eq!(reached(&folder, "platform"), ["clear", "combined"]);
    // In a cluster, the author of a pod controls its loopback.
    let judgements: Vec<_> = source.objects.iter().map(outrigger_compile::ObjectValidation::of).collect();
    let own_objects = |object: &outrigger_compile::Object| object.api_version.starts_with("outrigger.dev");
    let objects: Vec<_> = source.objects.iter().zip(&judgements).filter(|(object, _)| own_objects(object)).collect();
    let others: Vec<_> = source.objects.iter().filter(|object| !own_objects(object)).collect();
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
