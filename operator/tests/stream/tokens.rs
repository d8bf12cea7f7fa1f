//! Which tokens open a stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use outrigger_operator::stream::cluster::Bearer;
use outrigger_operator::stream::cluster::TokenAuthority;
use outrigger_operator::stream::{PodLookup, StreamRefusal, Verifier};
use serde_json::{Value, json};

use crate::client::GatewayStream;
use crate::world::{FakeCluster, FakePods, Signer, StreamWorld, claims, now};

struct TestVerifier {
    cluster: Arc<FakeCluster>,
    pods: Arc<FakePods>,
    signer: Signer,
    verifier: Verifier,
}

/// A verifier, with the pod `shop/search-1`.
fn world() -> TestVerifier {
    let (cluster, pods, signer) = (Arc::new(FakeCluster::default()), Arc::new(FakePods::default()), Signer::new("one"));
    *cluster.keys.lock().unwrap() = Some(vec![signer.jwk.clone()]);
    pods.add("shop", "search-1", "uid-1", "search");
    let verifier =
        Verifier::new(Arc::clone(&cluster) as Arc<dyn TokenAuthority>, Arc::clone(&pods) as Arc<dyn PodLookup>);
    TestVerifier { cluster, pods, signer, verifier }
}

fn valid_claims() -> Value {
    claims("shop", "search-1", "uid-1", "search")
}

/// The API server's review of the valid token.
fn bearer() -> Bearer {
    Bearer {
        namespace: "shop".to_owned(),
        service_account: "search".to_owned(),
        pod: "search-1".to_owned(),
        uid: "uid-1".to_owned(),
    }
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = valid_claims();
    change(&mut claims);
    claims
}

#[tokio::test(start_paused = true)]
async fn tokens_are_accepted_or_refused_with_a_reason() {
    let world = world();
    *world.cluster.reviews.lock().unwrap() = Some(None);
    let sign = |claims: Value| world.signer.sign(&claims);
    let kubernetes = |field: &'static str, value: Value| with(|claims| claims["kubernetes.io"][field] = value);
    let pod_unknown =
        |namespace: &str, pod: &str| StreamRefusal::PodUnknown { namespace: namespace.to_owned(), pod: pod.to_owned() };
    let strange = Signer::new("one");
    let head = |alg: &str| URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "JWT", "kid": "one"}).to_string());
    let unsigned = |alg: &str| format!("{}.{}.", head(alg), URL_SAFE_NO_PAD.encode(valid_claims().to_string()));
    let signed = sign(valid_claims());
    let (message, signature) = signed.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(with(|claims| claims["exp"] = json!(now() + 999_999)).to_string());
    // Signed with the published key as if it were a shared secret.
    let shared = {
        let header = jsonwebtoken::Header { kid: Some("one".to_owned()), ..jsonwebtoken::Header::default() };
        let key = jsonwebtoken::EncodingKey::from_secret(world.signer.jwk["x"].as_str().unwrap().as_bytes());
        jsonwebtoken::encode(&header, &valid_claims(), &key).unwrap()
    };
    let cases: Vec<(&str, String, Result<(), StreamRefusal>)> = vec![
        ("good", sign(valid_claims()), Ok(())),
        ("one audience as a string", sign(with(|claims| claims["aud"] = json!("outrigger"))), Ok(())),
        ("several audiences", sign(with(|claims| claims["aud"] = json!(["a", "outrigger"]))), Ok(())),
        ("expired within the leeway", sign(with(|claims| claims["exp"] = json!(now() - 500))), Ok(())),
        ("expired", sign(with(|claims| claims["exp"] = json!(now() - 700))), Err(StreamRefusal::Expired)),
        ("from a clock ahead", sign(with(|claims| claims["nbf"] = json!(now() + 500))), Ok(())),
        ("later", sign(with(|claims| claims["nbf"] = json!(now() + 700))), Err(StreamRefusal::NotYet)),
        ("wrong audience", sign(with(|claims| claims["aud"] = json!(["vault"]))), Err(StreamRefusal::Audience)),
        (
            "other issuer",
            sign(with(|claims| claims["iss"] = json!("https://other.test"))),
            Err(StreamRefusal::Issuer("https://cluster.test".to_owned())),
        ),
        ("wrong key", strange.sign(&valid_claims()), Err(StreamRefusal::Signature)),
        ("unknown key", Signer::new("two").sign(&valid_claims()), Err(StreamRefusal::NotAuthenticated)),
        ("changed claims", format!("{header}.{other}.{signature}"), Err(StreamRefusal::Signature)),
        ("no signature", format!("{message}."), Err(StreamRefusal::Signature)),
        ("none", unsigned("none"), Err(StreamRefusal::NoJwt("it has no readable head of a JWT"))),
        ("NONE", unsigned("NONE"), Err(StreamRefusal::NoJwt("it has no readable head of a JWT"))),
        ("shared secret", shared, Err(StreamRefusal::Signature)),
        ("no JWT", "sk-secret".to_owned(), Err(StreamRefusal::NoJwt("it has no readable head of a JWT"))),
        ("empty parts", "..".to_owned(), Err(StreamRefusal::NoJwt("it has no readable head of a JWT"))),
        ("no pod", sign(kubernetes("pod", Value::Null)), Err(StreamRefusal::NoPod)),
        ("pod without uid", sign(kubernetes("pod", json!({"name": "search-1"}))), Err(StreamRefusal::NoPod)),
        (
            "uid mismatch",
            sign(kubernetes("pod", json!({"name": "search-1", "uid": "uid-0"}))),
            Err(pod_unknown("shop", "search-1")),
        ),
        (
            "another pod's uid",
            sign(kubernetes("pod", json!({"name": "search-2", "uid": "uid-1"}))),
            Err(pod_unknown("shop", "search-2")),
        ),
        ("other namespace", sign(kubernetes("namespace", json!("bank"))), Err(pod_unknown("bank", "search-1"))),
        (
            "other service account",
            sign(kubernetes("serviceaccount", json!({"name": "root", "uid": "r"}))),
            Err(StreamRefusal::Account { namespace: "shop".to_owned(), pod: "search-1".to_owned() }),
        ),
        (
            "no claims of Kubernetes",
            sign(with(|claims| claims["kubernetes.io"] = Value::Null)),
            Err(StreamRefusal::NoJwt("its claims are not those of a service account")),
        ),
        (
            "never ends",
            sign(with(|claims| claims["exp"] = Value::Null)),
            Err(StreamRefusal::NoJwt("its claims are not those of a service account")),
        ),
    ];
    for (name, token, expected) in cases {
        let result = world.verifier.gateway(&token).await;
        assert_eq!(result.as_ref().map(|_| ()), expected.as_ref().copied(), "{name}");
        if let Err(refusal) = result {
            assert!(!refusal.to_string().contains("sk-secret"), "{name}");
        }
    }
}

/// Its token is valid, and its gateway is not the operator's.
#[tokio::test]
async fn a_changed_pod_gets_no_stream() {
    let world = world();
    let token = world.signer.sign(&valid_claims());
    assert!(world.verifier.gateway(&token).await.is_ok());
    world.pods.mark_foreign("uid-1");
    let refusal = world.verifier.gateway(&token).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.word()), (StatusCode::FORBIDDEN, "gateway_foreign"));
    assert!(refusal.to_string().ends_with("container debugger mounts a volume that only the gateway may mount"));
}

#[tokio::test]
async fn rsa_keys_are_supported() {
    let world = world();
    let given: Value = serde_json::from_str(include_str!("rs256.json")).unwrap();
    let unknown = json!({"kty": "XY", "kid": "odd"});
    *world.cluster.keys.lock().unwrap() = Some(vec![unknown, given["jwk"].clone()]);
    let token = given["token"].as_str().unwrap();
    let gateway = world.verifier.gateway(token).await.unwrap();
    assert_eq!((gateway.pod.as_str(), gateway.service_account.as_str()), ("search-1", "search"));
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
    assert_eq!(world.verifier.gateway(&forged).await, Err(StreamRefusal::Signature));
}

#[tokio::test(start_paused = true)]
async fn a_token_waits_for_a_pod_that_is_not_cached_yet() {
    let world = world();
    world.pods.remove("uid-1");
    let token = world.signer.sign(&valid_claims());
    let seen = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.pods.add("shop", "search-1", "uid-1", "search");
    };
    let (gateway, ()) = tokio::join!(world.verifier.gateway(&token), seen);
    assert!(gateway.is_ok());
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_cause_a_refresh_at_a_limited_rate() {
    let world = world();
    let requests = || world.cluster.requests.load(Ordering::SeqCst);
    assert!(world.verifier.gateway(&world.signer.sign(&valid_claims())).await.is_ok());
    assert_eq!(requests(), 1);
    let second = Signer::new("two");
    world.cluster.keys.lock().unwrap().as_mut().unwrap().push(second.jwk.clone());
    *world.cluster.reviews.lock().unwrap() = Some(None);
    for _ in 0..100 {
        assert_eq!(world.verifier.gateway(&second.sign(&valid_claims())).await, Err(StreamRefusal::NotAuthenticated));
    }
    assert_eq!(requests(), 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(world.verifier.gateway(&second.sign(&valid_claims())).await.is_ok());
    assert_eq!(requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn cached_keys_work_during_an_outage_and_are_removed_when_withdrawn() {
    let world = world();
    let token = world.signer.sign(&valid_claims());
    let fresh = world.verifier.keep_fresh();
    tokio::pin!(fresh);
    let pass = |time| tokio::time::sleep(Duration::from_secs(time));
    tokio::select! { () = &mut fresh => {}, () = pass(1) => {} }
    *world.cluster.keys.lock().unwrap() = None;
    tokio::select! { () = &mut fresh => {}, () = pass(3_600) => {} }
    assert!(world.verifier.gateway(&world.signer.sign(&valid_claims())).await.is_ok());
    *world.cluster.keys.lock().unwrap() = Some(vec![Signer::new("two").jwk]);
    tokio::select! { () = &mut fresh => {}, () = pass(301) => {} }
    *world.cluster.reviews.lock().unwrap() = Some(None);
    assert_eq!(
        world.verifier.gateway(&token).await,
        Err(StreamRefusal::NotAuthenticated),
        "not without the cluster's word"
    );
}

#[tokio::test(start_paused = true)]
async fn without_keys_the_api_server_reviews_tokens() {
    let world = world();
    *world.cluster.keys.lock().unwrap() = None;
    let token = world.signer.sign(&valid_claims());
    assert!(matches!(world.verifier.gateway(&token).await, Err(StreamRefusal::Unverifiable(_))));
    *world.cluster.reviews.lock().unwrap() = Some(Some(bearer()));
    assert!(world.verifier.gateway(&token).await.is_ok());
    *world.cluster.reviews.lock().unwrap() = Some(None);
    assert_eq!(world.verifier.gateway(&token).await, Err(StreamRefusal::NotAuthenticated));
}

/// Signed with a key of an unsupported kind, and with one beyond the limit of cached keys.
#[tokio::test(start_paused = true)]
async fn tokens_with_unusable_keys_are_reviewed_by_the_api_server() {
    let world = world();
    *world.cluster.reviews.lock().unwrap() = Some(Some(bearer()));
    let p521 = json!({"kty": "EC", "crv": "P-521", "kid": "big", "use": "sig", "alg": "ES512", "x": "AA", "y": "AA"});
    let last = Signer::new("last");
    let many = (0..64).map(|number| Signer::new(&format!("key-{number}")).jwk);
    *world.cluster.keys.lock().unwrap() = Some([p521].into_iter().chain(many).chain([last.jwk.clone()]).collect());
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let big = format!("{}.{}.AAAA", part(json!({"alg": "ES512", "kid": "big"})), part(valid_claims()));
    for token in [big.clone(), last.sign(&valid_claims())] {
        assert_eq!(world.verifier.gateway(&token).await.map(|gateway| gateway.uid), Ok("uid-1".to_owned()));
    }
    *world.cluster.reviews.lock().unwrap() = Some(None);
    assert_eq!(world.verifier.gateway(&big).await, Err(StreamRefusal::NotAuthenticated));
}

#[tokio::test]
async fn a_refusal_is_json() {
    let world = StreamWorld::new().await;
    let token = world.pod("search-1", "search");
    let (message, _) = token.rsplit_once('.').unwrap();
    let refused = GatewayStream::open(&world, &format!("{message}.")).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let message = "the token's signature is not by a key that the cluster publishes";
    assert_eq!(refused.error, json!({"type": "token_signature", "message": message}));
    let refused = GatewayStream::open(&world, "").await.unwrap_err();
    assert_eq!((refused.status, &refused.error["type"]), (StatusCode::UNAUTHORIZED, &json!("token_missing")));
}
