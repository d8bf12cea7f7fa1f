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

struct Judge {
    cluster: Arc<FakeCluster>,
    pods: Arc<FakePods>,
    signer: Signer,
    verifier: Verifier,
}

/// The pod `shop/search-1` is there.
fn judge() -> Judge {
    let (cluster, pods, signer) = (Arc::new(FakeCluster::default()), Arc::new(FakePods::default()), Signer::new("one"));
    *cluster.keys.lock().unwrap() = Some(vec![signer.jwk.clone()]);
    pods.add("shop", "search-1", "uid-1", "search");
    let verifier =
        Verifier::new(Arc::clone(&cluster) as Arc<dyn TokenAuthority>, Arc::clone(&pods) as Arc<dyn PodLookup>);
    Judge { cluster, pods, signer, verifier }
}

fn good() -> Value {
    claims("shop", "search-1", "uid-1", "search")
}

/// As the API server says whose the good token is.
fn bearer() -> Bearer {
    Bearer {
        namespace: "shop".to_owned(),
        service_account: "search".to_owned(),
        pod: "search-1".to_owned(),
        uid: "uid-1".to_owned(),
    }
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = good();
    change(&mut claims);
    claims
}

#[tokio::test(start_paused = true)]
async fn tokens_are_taken_or_refused_for_what_they_are() {
    let judge = judge();
    *judge.cluster.reviews.lock().unwrap() = Some(None);
    let sign = |claims: Value| judge.signer.sign(&claims);
    let kubernetes = |field: &'static str, value: Value| with(|claims| claims["kubernetes.io"][field] = value);
    let pod_unknown =
        |namespace: &str, pod: &str| StreamRefusal::PodUnknown { namespace: namespace.to_owned(), pod: pod.to_owned() };
    let strange = Signer::new("one");
    let head = |alg: &str| URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "JWT", "kid": "one"}).to_string());
    let unsigned = |alg: &str| format!("{}.{}.", head(alg), URL_SAFE_NO_PAD.encode(good().to_string()));
    let signed = sign(good());
    let (message, signature) = signed.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(with(|claims| claims["exp"] = json!(now() + 999_999)).to_string());
    // With the published key as if it were a shared secret.
    let shared = {
        let header = jsonwebtoken::Header { kid: Some("one".to_owned()), ..jsonwebtoken::Header::default() };
        let key = jsonwebtoken::EncodingKey::from_secret(judge.signer.jwk["x"].as_str().unwrap().as_bytes());
        jsonwebtoken::encode(&header, &good(), &key).unwrap()
    };
    let cases: Vec<(&str, String, Result<(), StreamRefusal>)> = vec![
        ("good", sign(good()), Ok(())),
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
        ("wrong key", strange.sign(&good()), Err(StreamRefusal::Signature)),
        ("unknown key", Signer::new("two").sign(&good()), Err(StreamRefusal::NotAuthenticated)),
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
        let judged = judge.verifier.gateway(&token).await;
        assert_eq!(judged.as_ref().map(|_| ()), expected.as_ref().copied(), "{name}");
        if let Err(refusal) = judged {
            assert!(!refusal.to_string().contains("sk-secret"), "{name}");
        }
    }
}

/// Its token is good, and its gateway is not.
#[tokio::test]
async fn a_pod_that_somebody_reached_into_gets_nothing() {
    let judge = judge();
    let token = judge.signer.sign(&good());
    assert!(judge.verifier.gateway(&token).await.is_ok());
    judge.pods.spoil("uid-1");
    let refusal = judge.verifier.gateway(&token).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.word()), (StatusCode::FORBIDDEN, "gateway_foreign"));
    assert!(refusal.to_string().ends_with("container debugger mounts a volume that only the gateway may mount"));
}

#[tokio::test]
async fn keys_of_rsa_are_known_too() {
    let judge = judge();
    let given: Value = serde_json::from_str(include_str!("rs256.json")).unwrap();
    let unknown = json!({"kty": "XY", "kid": "odd"});
    *judge.cluster.keys.lock().unwrap() = Some(vec![unknown, given["jwk"].clone()]);
    let token = given["token"].as_str().unwrap();
    let gateway = judge.verifier.gateway(token).await.unwrap();
    assert_eq!((gateway.pod.as_str(), gateway.service_account.as_str()), ("search-1", "search"));
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode([7; 256]));
    assert_eq!(judge.verifier.gateway(&forged).await, Err(StreamRefusal::Signature));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_not_seen_yet_is_waited_for() {
    let judge = judge();
    judge.pods.remove("uid-1");
    let token = judge.signer.sign(&good());
    let seen = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        judge.pods.add("shop", "search-1", "uid-1", "search");
    };
    let (gateway, ()) = tokio::join!(judge.verifier.gateway(&token), seen);
    assert!(gateway.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_asked_for_and_not_often() {
    let judge = judge();
    let asked = || judge.cluster.asked.load(Ordering::SeqCst);
    assert!(judge.verifier.gateway(&judge.signer.sign(&good())).await.is_ok());
    assert_eq!(asked(), 1);
    let second = Signer::new("two");
    judge.cluster.keys.lock().unwrap().as_mut().unwrap().push(second.jwk.clone());
    *judge.cluster.reviews.lock().unwrap() = Some(None);
    for _ in 0..100 {
        assert_eq!(judge.verifier.gateway(&second.sign(&good())).await, Err(StreamRefusal::NotAuthenticated));
    }
    assert_eq!(asked(), 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(judge.verifier.gateway(&second.sign(&good())).await.is_ok());
    assert_eq!(asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_known_work_on_while_the_cluster_is_away_and_go_when_it_withdraws_them() {
    let judge = judge();
    let token = judge.signer.sign(&good());
    let fresh = judge.verifier.keep_fresh();
    tokio::pin!(fresh);
    let pass = |time| tokio::time::sleep(Duration::from_secs(time));
    tokio::select! { () = &mut fresh => {}, () = pass(1) => {} }
    *judge.cluster.keys.lock().unwrap() = None;
    tokio::select! { () = &mut fresh => {}, () = pass(3_600) => {} }
    assert!(judge.verifier.gateway(&judge.signer.sign(&good())).await.is_ok());
    *judge.cluster.keys.lock().unwrap() = Some(vec![Signer::new("two").jwk]);
    tokio::select! { () = &mut fresh => {}, () = pass(301) => {} }
    *judge.cluster.reviews.lock().unwrap() = Some(None);
    assert_eq!(
        judge.verifier.gateway(&token).await,
        Err(StreamRefusal::NotAuthenticated),
        "not without the cluster's word"
    );
}

#[tokio::test(start_paused = true)]
async fn where_keys_cannot_be_had_the_api_server_is_asked() {
    let judge = judge();
    *judge.cluster.keys.lock().unwrap() = None;
    let token = judge.signer.sign(&good());
    assert!(matches!(judge.verifier.gateway(&token).await, Err(StreamRefusal::Unverifiable(_))));
    *judge.cluster.reviews.lock().unwrap() = Some(Some(bearer()));
    assert!(judge.verifier.gateway(&token).await.is_ok());
    *judge.cluster.reviews.lock().unwrap() = Some(None);
    assert_eq!(judge.verifier.gateway(&token).await, Err(StreamRefusal::NotAuthenticated));
}

/// Signed by a key of a kind that is not known here, and by one beyond the most that are held.
#[tokio::test(start_paused = true)]
async fn a_cluster_whose_keys_can_not_be_used_is_asked_about_its_tokens() {
    let judge = judge();
    *judge.cluster.reviews.lock().unwrap() = Some(Some(bearer()));
    let p521 = json!({"kty": "EC", "crv": "P-521", "kid": "big", "use": "sig", "alg": "ES512", "x": "AA", "y": "AA"});
    let last = Signer::new("last");
    let many = (0..64).map(|number| Signer::new(&format!("key-{number}")).jwk);
    *judge.cluster.keys.lock().unwrap() = Some([p521].into_iter().chain(many).chain([last.jwk.clone()]).collect());
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let big = format!("{}.{}.AAAA", part(json!({"alg": "ES512", "kid": "big"})), part(good()));
    for token in [big.clone(), last.sign(&good())] {
        assert_eq!(judge.verifier.gateway(&token).await.map(|gateway| gateway.uid), Ok("uid-1".to_owned()));
    }
    *judge.cluster.reviews.lock().unwrap() = Some(None);
    assert_eq!(judge.verifier.gateway(&big).await, Err(StreamRefusal::NotAuthenticated));
}

#[tokio::test]
async fn a_refusal_is_told_in_json() {
    let world = StreamWorld::new().await;
    let token = world.pod("search-1", "search");
    let (message, _) = token.rsplit_once('.').unwrap();
    let refused = GatewayStream::open(&world, &format!("{message}.")).await.unwrap_err();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let told = "the token's signature is not by a key that the cluster publishes";
    assert_eq!(refused.error, json!({"type": "token_signature", "message": told}));
    let refused = GatewayStream::open(&world, "").await.unwrap_err();
    assert_eq!((refused.status, &refused.error["type"]), (StatusCode::UNAUTHORIZED, &json!("token_missing")));
}
