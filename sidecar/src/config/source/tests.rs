use outrigger_core::SecretRef;
use outrigger_policy::{CredentialDoc, Document, FORMAT, KeyDoc, ProviderDoc};

use super::*;
use crate::gateway::Settings;
use crate::telemetry::records::Lines;

fn sources() -> PolicySources {
    PolicySources::new(Gateway::new(Settings { lines: Lines::Off, ..Settings::default() }).unwrap(), None)
}

/// A policy with these keys, by which two policies of the same sequence differ.
fn policy(sequence: u64, keys: &[&str], origin: PolicyOrigin) -> IncomingPolicy {
    let key = |name: &&str| KeyDoc { namespace: "a".to_owned(), name: (*name).to_owned(), ..KeyDoc::default() };
    let keys = keys.iter().map(key).collect();
    let document = Document { format: FORMAT, sequence, keys, ..Document::default() };
    IncomingPolicy { document, digest: None, values: KnownSecrets::new(), origin, signed: false }
}

fn secret() -> SecretRef {
    SecretRef::new("a", "s", "k").unwrap()
}

/// A policy with a provider that uses the credential.
fn with_credential(
    sequence: u64,
    origin: PolicyOrigin,
    values: KnownSecrets,
    change: impl FnOnce(&mut ProviderDoc),
) -> IncomingPolicy {
    let credential =
        CredentialDoc { name: "c".to_owned(), weight: 1, models: Vec::new(), suspended: false, secret: secret() };
    let mut provider = ProviderDoc {
        namespace: "a".to_owned(),
        name: "p".to_owned(),
        kind: "OpenAI".to_owned(),
        endpoint: Some("https://models.test/v1".to_owned()),
        credentials: vec![credential],
        ..ProviderDoc::default()
    };
    change(&mut provider);
    let mut incoming = policy(sequence, &[], origin);
    incoming.document.providers.push(provider);
    IncomingPolicy { values, ..incoming }
}

fn streamed() -> KnownSecrets {
    KnownSecrets::from([(secret(), KnownSecret { value: Some(Secret::new("sk-1")), streamed: true })])
}

/// The author of a ConfigMap cannot redirect a credential to a server of their own.
#[test]
fn a_mounted_document_cannot_redirect_a_streamed_value() {
    type Change = fn(&mut ProviderDoc);
    let elsewhere: [(&str, Change); 5] = [
        ("clear text", |provider| provider.clear_text_credentials = true),
        ("endpoint", |provider| provider.endpoint = Some("https://evil.test/v1".to_owned())),
        ("type", |provider| provider.kind = "vLLM".to_owned()),
        ("headers", |provider| drop(provider.headers.insert("host".to_owned(), "evil.test".to_owned()))),
        ("namespace", |provider| provider.namespace = "b".to_owned()),
    ];
    for (name, change) in elsewhere {
        let sources = sources();
        sources.apply(with_credential(3, PolicyOrigin::Stream, streamed(), |_| {}));
        sources.apply(with_credential(4, PolicyOrigin::Mounted, KnownSecrets::new(), change));
        assert_eq!((in_force(&sources).sequence, sources.lock().credentials.len()), (4, 0), "{name}");
        // A return to the old destination does not restore it: the operator must send it again.
        sources.apply(with_credential(5, PolicyOrigin::Mounted, KnownSecrets::new(), |_| {}));
        assert!(sources.lock().credentials.is_empty(), "{name}");
        sources.apply(with_credential(6, PolicyOrigin::Stream, streamed(), |_| {}));
        assert_eq!(sources.lock().credentials, streamed(), "{name}");
    }
}

/// The author of a ConfigMap cannot make a gateway ignore the operator.
#[test]
fn a_mounted_sequence_far_in_the_future_is_rejected() {
    let sources = sources();
    sources.apply(policy(3, &["a"], PolicyOrigin::Mounted));
    for origin in [PolicyOrigin::Mounted, PolicyOrigin::Snapshot] {
        sources.apply(policy(1 << 53, &["b"], origin));
        assert_eq!(in_force(&sources).sequence, 3);
    }
    sources.apply(policy(now_seconds() + 1_000, &["c"], PolicyOrigin::Mounted));
    sources.apply(policy(now_seconds() + 1_001, &["d"], PolicyOrigin::Stream));
    assert_eq!(in_force(&sources).keys[0].name, "d");
}

#[test]
fn a_mounted_document_with_the_same_destination_keeps_the_value() {
    let sources = sources();
    sources.apply(with_credential(3, PolicyOrigin::Stream, streamed(), |_| {}));
    sources.apply(with_credential(4, PolicyOrigin::Mounted, KnownSecrets::new(), |provider| {
        provider.max_attempts = Some(2)
    }));
    assert_eq!((in_force(&sources).sequence, sources.lock().credentials.clone()), (4, streamed()));
    // The operator may change the destination.
    sources.apply(with_credential(5, PolicyOrigin::Stream, KnownSecrets::new(), |provider| {
        provider.endpoint = Some("https://other.test/v1".to_owned());
    }));
    assert_eq!(sources.lock().credentials, streamed());
}

/// A signed document counts as the operator's, whatever its source.
#[test]
fn a_signed_document_may_redirect_a_streamed_value() {
    let sources = sources();
    sources.apply(with_credential(3, PolicyOrigin::Stream, streamed(), |_| {}));
    let moved = with_credential(4, PolicyOrigin::Mounted, KnownSecrets::new(), |provider| {
        provider.endpoint = Some("https://new.test".to_owned())
    });
    sources.apply(IncomingPolicy { signed: true, ..moved });
    assert_eq!((in_force(&sources).sequence, sources.lock().credentials.clone()), (4, streamed()));
}

fn in_force(sources: &PolicySources) -> Document {
    sources.gateway.served().unwrap().policy.document.clone()
}

#[test]
fn the_sequence_in_force_never_decreases() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let (sources, mut highest) = (sources(), 0);
        for _ in 0..50 {
            let origin = [PolicyOrigin::Stream, PolicyOrigin::Mounted, PolicyOrigin::Snapshot][random.usize(..3)];
            let sequence = random.u64(1..30);
            sources.apply(policy(sequence, &[], origin));
            highest = highest.max(sequence);
            assert_eq!((in_force(&sources).sequence, sources.installed().sequence), (highest, Some(highest)));
        }
    }
}

#[test]
fn the_operators_policy_takes_precedence_at_the_same_sequence() {
    use PolicyOrigin::{Mounted, Snapshot, Stream};
    for (first, second, replaced) in [
        (Mounted, Mounted, true),
        (Mounted, Stream, true),
        (Snapshot, Stream, true),
        (Stream, Stream, true),
        (Stream, Mounted, false),
        (Snapshot, Mounted, false),
    ] {
        let sources = sources();
        sources.apply(policy(3, &[], first));
        sources.apply(policy(3, &["k"], second));
        assert_eq!(!in_force(&sources).keys.is_empty(), replaced, "{first:?}, then {second:?}");
    }
}
