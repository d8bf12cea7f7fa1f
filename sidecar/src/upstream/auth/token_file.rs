//! A token that the kubelet writes into a file, and renews there: a projected service account token.
//!
//! Whoever made the pod may have chosen the file, and the LLMProvider may have chosen who gets the token. So only a
//! token is read, no other file; and never the one with which the gateway proves itself to the operator.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::AuthorizeError;

/// The longest token, in bytes.
const LONGEST: u64 = 16 << 10;

/// The file of a projected token.
#[derive(Clone, Debug)]
pub struct TokenFile {
    /// `None` if the pod has none.
    pub path: Option<PathBuf>,
}

impl TokenFile {
    /// The token that is in the file now.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn read(&self) -> Result<String, AuthorizeError> {
        let failed = |problem: String| AuthorizeError::Failed(format!("the pod's own token: {problem}"));
        let Some(path) = &self.path else {
            return Err(failed(
                "there is none for a cloud: set the annotation outrigger.dev/identity-audience, or the variable \
                               OUTRIGGER_IDENTITY_TOKEN_FILE"
                    .to_owned(),
            ));
        };
        let text = async {
            if tokio::fs::metadata(path).await?.len() > LONGEST {
                return Err(std::io::Error::other("it is too long"));
            }
            tokio::fs::read_to_string(path).await
        };
        let text = text.await.map_err(|error| failed(format!("{}: {error}", path.display())))?;
        let token = text.trim();
        check(token).map_err(|problem| failed(format!("{} {problem}", path.display())))?;
        Ok(token.to_owned())
    }
}

/// Whether it is a token (JWT) that is not meant for the operator.
fn check(token: &str) -> Result<(), &'static str> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("holds no token");
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| "holds no token")?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).map_err(|_| "holds no token")?;
    let own = |audience: &Value| audience == outrigger_sync::AUDIENCE;
    match claims.get("aud") {
        Some(Value::Array(all)) if all.iter().any(own) => Err("is the gateway's own, for the operator"),
        Some(one) if own(one) => Err("is the gateway's own, for the operator"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn only_a_token_for_others_is_read() {
        assert_eq!(check(&token(r#"{"aud":["api://AzureADTokenExchange"],"sub":"a"}"#)), Ok(()));
        assert_eq!(check(&token(r#"{"aud":"//iam.googleapis.com/x"}"#)), Ok(()));
        for own in [r#"{"aud":["x","outrigger"]}"#, r#"{"aud":"outrigger"}"#] {
            assert_eq!(check(&token(own)), Err("is the gateway's own, for the operator"), "{own}");
        }
        for other in ["sk-a-key", "a.b", "a.b.c", "", "-----BEGIN PRIVATE KEY-----", &token("[]"), &token("{}.x")] {
            assert_eq!(check(other), Err("holds no token"), "{other}");
        }
    }
}
