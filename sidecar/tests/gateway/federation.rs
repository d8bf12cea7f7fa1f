//! Workload identity federation of Google: the pod's token becomes one of Google's, and that one another account's. The
//! servers are Google's whatever a policy says, so these tests call the source of tokens itself.

use std::sync::Arc;

use outrigger_sidecar::upstream::{Endpoint, Federation, FetchToken, Pool, TokenFile, TokenServer, TokenSource, trust};
use serde_json::json;

use crate::clouds::{base, field, form};
use crate::fake::{Fake, json as reply};

const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k8s";
const ACCOUNT: &str = "llm@example.iam.gserviceaccount.com";
/// Its claims are `{"aud":["//iam.googleapis.com/x"]}`.
const POD_TOKEN: &str = "e30.eyJhdWQiOlsiLy9pYW0uZ29vZ2xlYXBpcy5jb20veCJdfQ.c2ln";
const FEDERATED: &str = "ya29.federated-0123456789";

fn server(fake: &Fake) -> TokenServer {
    let endpoint = Endpoint::parse(&base(fake)).unwrap();
    TokenServer::new(Arc::new(Pool::new(endpoint, None, trust(None).unwrap())))
}

/// A pod, and the token that the kubelet has written for it.
fn pod() -> (tempfile::TempDir, TokenFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{POD_TOKEN}\n")).unwrap();
    (folder, TokenFile { path: Some(path) })
}

/// A token server that gives the federated token.
async fn exchange() -> Fake {
    let token = json!({"access_token": FEDERATED, "expires_in": 3_599, "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"});
    Fake::always(reply(200, &token.to_string())).await
}

#[tokio::test]
async fn the_pods_token_is_exchanged_once_for_all_requests() {
    let (_folder, file) = pod();
    let exchange = exchange().await;
    let federation = Federation { exchange: server(&exchange), audience: AUDIENCE.to_owned(), file, account: None };
    let source = TokenSource::new(federation);
    let all = futures_util::future::join_all((0..8).map(|_| source.current())).await;
    assert!(all.iter().all(|token| token.as_ref().unwrap().authorization == format!("Bearer {FEDERATED}")));
    let asked = exchange.take_requests();
    assert_eq!((asked.len(), asked[0].target()), (1, "/v1/token"));
    let sent = form(&asked[0].body);
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", AUDIENCE),
        ("scope", "https://www.googleapis.com/auth/cloud-platform"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token", POD_TOKEN),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ] {
        assert_eq!(field(&sent, name), value);
    }
    assert!(!format!("{source:?}").contains("0123456789"), "{source:?}");
}

#[tokio::test]
async fn a_service_account_is_impersonated_with_the_exchanged_token() {
    let (_folder, file) = pod();
    let exchange = exchange().await;
    let token = json!({"accessToken": "ya29.of-the-account", "expireTime": "2100-01-01T00:00:00Z"});
    let impersonation = Fake::always(reply(200, &token.to_string())).await;
    let account = Some((ACCOUNT.to_owned(), server(&impersonation)));
    let federation = Federation { exchange: server(&exchange), audience: AUDIENCE.to_owned(), file, account };
    let fetched = federation.fetch().await.unwrap();
    assert_eq!(fetched.token.authorization, "Bearer ya29.of-the-account");
    let asked = impersonation.take_requests();
    let path = format!("/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken");
    assert_eq!((asked.len(), asked[0].target()), (1, path.as_str()));
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {FEDERATED}")));
    let body = json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "3600s"});
    assert_eq!(asked[0].json(), body);
}

#[tokio::test]
async fn a_refusal_is_told_without_the_tokens_that_it_quotes() {
    let refused = |quoted: &str| {
        let message = format!("Permission denied on {quoted}");
        reply(403, &json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": message}}).to_string())
    };
    let allowed = exchange().await;
    let no_exchange = Fake::always(refused(POD_TOKEN)).await;
    let no_account = Fake::always(refused(FEDERATED)).await;
    for exchange in [&no_exchange, &allowed] {
        let (_folder, file) = pod();
        let account = Some((ACCOUNT.to_owned(), server(&no_account)));
        let federation = Federation { exchange: server(exchange), audience: AUDIENCE.to_owned(), file, account };
        let error = federation.fetch().await.unwrap_err().to_string();
        assert!(error.contains("answered 403: PERMISSION_DENIED (Permission denied on ***)"), "{error}");
    }
    assert_eq!(no_account.asked().len(), 1, "without the first token, nobody asks for the second");
}
