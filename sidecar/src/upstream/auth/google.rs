//! Google's access tokens: for a service account's key, for the identity of the pod by the metadata server, and by
//! workload identity federation.
//!
//! The servers are fixed, or named by the LLMProvider. A key names its token server too (`token_uri`), but who writes
//! a Secret must not choose where gateways send requests: a key with another server than Google's is refused.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, header};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;

use super::token_file::TokenFile;
use super::token_server::{TokenRequest, TokenServer};
use super::{AccessToken, AuthorizeError, FetchToken, Fetched};

/// Google's token server, and the names that it had: all are the same one.
pub const TOKEN_SERVER: &str = "https://oauth2.googleapis.com";
const TOKEN_URIS: [&str; 4] = [
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://www.googleapis.com/oauth2/v3/token",
    "https://accounts.google.com/o/oauth2/token",
];
/// Exchanges tokens of others for Google's.
pub const EXCHANGE_SERVER: &str = "https://sts.googleapis.com";
/// Makes tokens of other service accounts.
pub const IMPERSONATION_SERVER: &str = "https://iamcredentials.googleapis.com";
/// The metadata server. By address, because whoever makes a pod controls how names are resolved in it.
pub const METADATA_SERVER: &str = "http://169.254.169.254";

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a signed claim is valid, in seconds: the most that Google accepts.
const CLAIM_SECONDS: u64 = 3_600;

/// The key of a service account, as Google's console makes it.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    token_uri: Option<String>,
}

/// A service account with its key.
pub struct ServiceAccount {
    server: TokenServer,
    email: String,
    key_id: String,
    key: RsaKeyPair,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("email", &self.email).finish_non_exhaustive()
    }
}

impl ServiceAccount {
    /// Reads a key.
    ///
    /// # Errors
    /// What is wrong with it, without the key.
    pub fn read(text: &str, server: TokenServer) -> Result<Self, String> {
        let file: KeyFile = serde_json::from_str(text)
            .map_err(|error| format!("it is not JSON with a service account's key (line {})", error.line()))?;
        if file.kind != "service_account" {
            return Err("its `type` is not service_account: use the JSON key of a service account".to_owned());
        }
        if file.token_uri.is_some_and(|uri| !TOKEN_URIS.contains(&uri.as_str())) {
            return Err(
                "its `token_uri` is not Google's: the LLMProvider names another token server, if there is one \
                        (spec.vertex.tokenEndpoint)"
                    .to_owned(),
            );
        }
        let damaged = || "its `private_key` is damaged: was all of it copied?".to_owned();
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes()).map_err(|_| damaged())?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| damaged())?;
        if file.client_email.is_empty() {
            return Err("it has no `client_email`".to_owned());
        }
        Ok(ServiceAccount { server, email: file.client_email, key_id: file.private_key_id, key })
    }

    /// A signed claim to be this account (RFC 7523), issued at `now`, in seconds since 1970.
    fn claim(&self, now: u64) -> Option<String> {
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": TOKEN_URIS[0], "iat": now, "exp": now + CLAIM_SECONDS,
        });
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(format!("{signed}.{}", encode(&signature)))
    }
}

impl FetchToken for ServiceAccount {
    type Token = AccessToken;

    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AccessToken>, AuthorizeError>> {
        async move {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let claim = self.claim(now).ok_or_else(|| AuthorizeError::Failed("the key can't sign".to_owned()))?;
            let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &claim)];
            self.server.ask(TokenRequest::form("/token", &fields, &claim)).await
        }
        .boxed()
    }
}

/// The identity of the pod or machine, by Google's metadata server: also workload identity of GKE.
#[derive(Debug)]
pub struct MetadataServer(pub TokenServer);

impl FetchToken for MetadataServer {
    type Token = AccessToken;

    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AccessToken>, AuthorizeError>> {
        async move {
            let mut headers = HeaderMap::new();
            headers.insert("metadata-flavor", HeaderValue::from_static("Google"));
            let path = "/computeMetadata/v1/instance/service-accounts/default/token";
            let request = TokenRequest { method: Method::GET, path, headers, body: String::new(), secret: "" };
            self.0.ask(request).await
        }
        .boxed()
    }
}

/// Workload identity federation: the pod's own token is exchanged for Google's.
#[derive(Debug)]
pub struct Federation {
    pub exchange: TokenServer,
    /// `//iam.googleapis.com/projects/…/workloadIdentityPools/…/providers/…`
    pub audience: String,
    pub file: TokenFile,
    /// The service account to act as, and the server that allows it.
    pub account: Option<(String, TokenServer)>,
}

impl FetchToken for Federation {
    type Token = AccessToken;

    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AccessToken>, AuthorizeError>> {
        async move {
            let subject = self.file.read().await?;
            let fields = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("audience", &*self.audience),
                ("scope", SCOPE),
                ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("subject_token", &subject),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ];
            let exchanged = self.exchange.ask(TokenRequest::form("/v1/token", &fields, &subject)).await?;
            let Some((account, server)) = &self.account else { return Ok(exchanged) };
            let mut headers = HeaderMap::new();
            let secret = exchanged.token.authorization.to_str().unwrap_or_default().to_owned();
            headers.insert(header::AUTHORIZATION, exchanged.token.authorization);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let path = format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
            let body = json!({"scope": [SCOPE], "lifetime": format!("{CLAIM_SECONDS}s")}).to_string();
            let secret = secret.trim_start_matches("Bearer ");
            server.ask(TokenRequest { method: Method::POST, path: &path, headers, body, secret }).await
        }
        .boxed()
    }
}

/// The address of the metadata server: `GCE_METADATA_HOST` names another one, for emulators.
#[must_use]
pub fn metadata_server(host: Option<&str>) -> String {
    host.map_or_else(|| METADATA_SERVER.to_owned(), |host| format!("http://{host}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;
    use crate::upstream::pool::Pool;
    use crate::upstream::{Endpoint, trust};

    const KEY: &str = include_str!("../../../tests/keys/service-account.json");

    fn server() -> TokenServer {
        let endpoint = Endpoint::parse(TOKEN_SERVER).unwrap();
        TokenServer::new(Arc::new(Pool::new(endpoint, None, trust(None).unwrap())))
    }

    fn changed(field: &str, value: Option<&str>) -> String {
        let mut key: Value = serde_json::from_str(KEY).unwrap();
        match value {
            Some(value) => key[field] = value.into(),
            None => drop(key.as_object_mut().unwrap().remove(field)),
        }
        key.to_string()
    }

    #[test]
    fn a_claim_is_signed_with_the_key() {
        let account = ServiceAccount::read(KEY, server()).unwrap();
        let claim = account.claim(1_800_000_000).unwrap();
        let (signed, signature) = claim.rsplit_once('.').unwrap();
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, account.key.public().as_ref())
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        let (head, claims) = signed.split_once('.').unwrap();
        let parsed = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
        assert_eq!(parsed(head), json!({"alg": "RS256", "typ": "JWT", "kid": "of-a-test"}));
        assert_eq!(
            parsed(claims),
            json!({
                "iss": "tests@example.iam.gserviceaccount.com",
                "scope": "https://www.googleapis.com/auth/cloud-platform",
                "aud": "https://oauth2.googleapis.com/token",
                "iat": 1_800_000_000,
                "exp": 1_800_003_600,
            })
        );
        assert!(!format!("{account:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_key_is_refused_with_a_reason_and_without_the_key() {
        assert!(ServiceAccount::read(&changed("token_uri", None), server()).is_ok());
        for (text, problem) in [
            (changed("token_uri", Some("http://169.254.169.254/latest")), "`token_uri` is not Google's"),
            (
                changed("token_uri", Some("https://oauth2.googleapis.com.evil.test/token")),
                "`token_uri` is not Google's",
            ),
            (changed("type", Some("external_account")), "`type` is not service_account"),
            (changed("private_key", Some("-----BEGIN PRIVATE KEY-----\nAAAA")), "`private_key` is damaged"),
            (changed("private_key", None), "`private_key` is damaged"),
            (changed("client_email", None), "no `client_email`"),
            ("{".to_owned(), "not JSON"),
        ] {
            let error = ServiceAccount::read(&text, server()).unwrap_err();
            assert!(error.contains(problem), "{error}");
            assert!(!error.contains("AAAA") && !error.contains("BEGIN"), "{error}");
        }
    }
}
