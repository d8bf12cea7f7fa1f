//! Access tokens of Microsoft Entra ID, for an application that proves itself with a secret or with the pod's own
//! token.

use std::fmt;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::token_file::TokenFile;
use super::token_server::{TokenRequest, TokenServer};
use super::{AccessToken, AuthorizeError, FetchToken, Fetched};

/// Where applications of Azure's public cloud get their tokens.
pub const AUTHORITY: &str = "https://login.microsoftonline.com";

/// How an application proves itself.
#[derive(Clone)]
pub enum EntraProof {
    Secret(String),
    /// A token of the pod, which Entra ID trusts by a federated credential.
    File(TokenFile),
}

impl fmt::Debug for EntraProof {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EntraProof::Secret(_) => f.write_str("Secret(…)"),
            EntraProof::File(file) => file.fmt(f),
        }
    }
}

/// An application in a tenant.
#[derive(Debug)]
pub struct EntraApplication {
    pub server: TokenServer,
    pub tenant: String,
    pub client: String,
    pub proof: EntraProof,
}

impl EntraApplication {
    /// What the token is for. Azure's national clouds have their own names.
    fn scope(&self) -> &'static str {
        let host = self.server.endpoint().host.as_str();
        if host.ends_with(".us") {
            "https://cognitiveservices.azure.us/.default"
        } else if host.ends_with(".cn") {
            "https://cognitiveservices.azure.cn/.default"
        } else {
            "https://cognitiveservices.azure.com/.default"
        }
    }
}

impl FetchToken for EntraApplication {
    type Token = AccessToken;

    fn fetch(&self) -> BoxFuture<'_, Result<Fetched<AccessToken>, AuthorizeError>> {
        async move {
            let (proof, secret) = match &self.proof {
                EntraProof::Secret(secret) => (vec![("client_secret", secret.as_str())], secret.clone()),
                EntraProof::File(file) => {
                    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                    (vec![("client_assertion_type", kind)], file.read().await?)
                }
            };
            let mut fields =
                vec![("grant_type", "client_credentials"), ("client_id", &self.client), ("scope", self.scope())];
            fields.extend(proof);
            if matches!(self.proof, EntraProof::File(_)) {
                fields.push(("client_assertion", &secret));
            }
            let path = format!("/{}/oauth2/v2.0/token", self.tenant);
            self.server.ask(TokenRequest::form(&path, &fields, &secret)).await
        }
        .boxed()
    }
}
