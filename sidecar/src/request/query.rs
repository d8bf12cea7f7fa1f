//! Parses a request's query, and writes it for the upstream without credentials and system parameters.
//!
//! Names are compared in a normal form: percent-decoded, also several times, in lower case, without punctuation. The
//! query for the upstream is encoded again.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Names of credentials, in normal form.
const CREDENTIAL_NAMES: [&str; 22] = [
    "key",
    "apikey",
    "xapikey",
    "accesstoken",
    "oauthtoken",
    "oauthtokensecret",
    "token",
    "authtoken",
    "bearertoken",
    "idtoken",
    "refreshtoken",
    "auth",
    "authorization",
    "sig",
    "signature",
    "secret",
    "clientsecret",
    "password",
    "passwd",
    "credential",
    "subscriptionkey",
    "awsaccesskeyid",
];
/// Prefixes of parameters of signed URLs.
const SIGNED_PREFIXES: [&str; 2] = ["xamz", "xgoog"];
/// Suffixes of credentials: `secret_key`, `session-token`, `cf-aig-authorization`.
const CREDENTIAL_SUFFIXES: [&str; 13] = [
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
    "consumerkey",
    "subscriptionkey",
    "token",
    "secret",
    "password",
    "signature",
    "authorization",
    "jwt",
];

/// Google's system parameters, which all of Google's APIs accept, and other names that change the request: they remove
/// usage from answers, choose another format, or set who is billed.
const SYSTEM_PARAMETERS: [&str; 19] = [
    "alt",
    "fields",
    "fieldmask",
    "prettyprint",
    "quotauser",
    "userip",
    "userproject",
    "callback",
    "jsonp",
    "httpmethod",
    "httpheaders",
    "xhttpmethodoverride",
    "xhttpmethod",
    "methodoverride",
    "uploadtype",
    "uploadprotocol",
    "uploadid",
    "xgafv",
    "outputdefaults",
];

/// Everything but these characters is percent-encoded.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The class of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParameterClass {
    /// The caller's credential. Only the gateway reads it.
    Credential,
    /// Dropped, and reported as dropped.
    System,
    /// Passed on.
    Plain,
}

/// A query, decoded.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<Parameter>);

#[derive(Clone, PartialEq, Eq)]
struct Parameter {
    name: String,
    /// `None` if there is no `=`.
    value: Option<String>,
    class: ParameterClass,
}

impl fmt::Debug for Query {
    /// Only names: a value may be the caller's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|parameter| &parameter.name)).finish()
    }
}

impl Query {
    /// Reads `alt=sse&key=AIza`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let parameter = |pair: &str| {
            let (name, value) = match pair.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (pair, None),
            };
            let name = decoded(name);
            Parameter { class: classify(&name), value: value.map(decoded), name }
        };
        Query(text.split('&').filter(|pair| !pair.is_empty()).map(parameter).collect())
    }

    /// The parameter in which Google's SDKs send their key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.iter().find(|parameter| parameter.name == "key")?.value.as_deref()
    }

    /// Whether a Gemini caller wants events instead of an array.
    #[must_use]
    pub fn wants_events(&self) -> bool {
        let is_alt = |parameter: &&Parameter| matches!(parameter.name.as_str(), "alt" | "$alt");
        self.0.iter().filter(is_alt).any(|parameter| parameter.value.as_deref() == Some("sse"))
    }

    /// Whether it has the parameter that every client of Azure sends.
    #[must_use]
    pub fn names_api_version(&self) -> bool {
        self.0.iter().any(|parameter| normalized(&parameter.name) == "apiversion")
    }

    /// The names and values that rules see: without credentials.
    #[must_use]
    pub fn seen(&self) -> Vec<(String, String)> {
        let seen = self.0.iter().filter(|parameter| parameter.class != ParameterClass::Credential);
        seen.map(|parameter| (parameter.name.clone(), parameter.value.clone().unwrap_or_default())).collect()
    }

    /// The query for a provider of the caller's dialect; without the parameter that the provider's object sets, in
    /// normal form.
    #[must_use]
    pub fn upstream(&self, set: Option<&str>) -> String {
        let mut query = String::new();
        let passes = |parameter: &&Parameter| {
            parameter.class == ParameterClass::Plain && set.is_none_or(|set| normalized(&parameter.name) != set)
        };
        for Parameter { name, value, .. } in self.0.iter().filter(passes) {
            if !query.is_empty() {
                query.push('&');
            }
            query.extend(utf8_percent_encode(name, ESCAPED));
            if let Some(value) = value {
                query.push('=');
                query.extend(utf8_percent_encode(value, ESCAPED));
            }
        }
        query
    }

    /// The dropped parameters that would change the answer: `?fields`.
    pub fn left_out(&self) -> impl Iterator<Item = String> {
        let changes = |parameter: &&Parameter| match parameter.value.as_deref() {
            // The default, which has no effect.
            Some("sse" | "json") if normalized(&parameter.name) == "alt" => false,
            _ => parameter.class == ParameterClass::System,
        };
        let clean = |c: char| if c.is_ascii_graphic() && c != ',' { c } else { '?' };
        let reported =
            move |parameter: &Parameter| format!("?{}", parameter.name.chars().take(64).map(clean).collect::<String>());
        self.0.iter().filter(changes).map(reported)
    }
}

fn decoded(text: &str) -> String {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

fn classify(name: &str) -> ParameterClass {
    let mut name = Cow::Borrowed(name);
    // Another server on the path may decode once more.
    for _ in 0..4 {
        match classify_name(&name) {
            ParameterClass::Plain if name.contains('%') => {
                let once_more = decoded(&name);
                if once_more == *name {
                    return ParameterClass::Plain;
                }
                name = once_more.into();
            }
            class => return class,
        }
    }
    // No legitimate name is encoded five times.
    ParameterClass::System
}

fn classify_name(name: &str) -> ParameterClass {
    // Some servers read `key[0]` as an element of `key`.
    let normalized = normalized(name.split('[').next().unwrap_or(name));
    let is_one =
        CREDENTIAL_NAMES.contains(&&*normalized) || SIGNED_PREFIXES.iter().any(|family| normalized.starts_with(family));
    if is_one || CREDENTIAL_SUFFIXES.iter().any(|end| normalized.ends_with(end)) {
        return ParameterClass::Credential;
    }
    // All of `$…` are system parameters; some frameworks read `_method` as an override.
    match name.trim_start().starts_with('$')
        || SYSTEM_PARAMETERS.contains(&&*normalized)
        || (normalized == "method" && name.trim().starts_with('_'))
    {
        true => ParameterClass::System,
        false => ParameterClass::Plain,
    }
}

/// The normal form of a name: lower case, without punctuation.
fn normalized(name: &str) -> Cow<'_, str> {
    match name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        true => name.into(),
        false => {
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_credentials_and_system_parameters_in_any_spelling() {
        for (name, class) in [
            ("key", ParameterClass::Credential),
            ("k%65y", ParameterClass::Credential),
            ("k%2565y", ParameterClass::Credential),
            ("k%252565y", ParameterClass::Credential),
            ("KEY", ParameterClass::Credential),
            ("$key", ParameterClass::Credential),
            ("%24key", ParameterClass::Credential),
            ("+key", ParameterClass::Credential),
            ("key%00", ParameterClass::Credential),
            ("key[0]", ParameterClass::Credential),
            ("key%5Bx%5D", ParameterClass::Credential),
            ("private_key", ParameterClass::Credential),
            ("session-token", ParameterClass::Credential),
            ("api_token", ParameterClass::Credential),
            ("cf-aig-authorization", ParameterClass::Credential),
            ("jwt", ParameterClass::Credential),
            ("access_token", ParameterClass::Credential),
            ("%24.access_token", ParameterClass::Credential),
            ("oauth_token", ParameterClass::Credential),
            ("api_key", ParameterClass::Credential),
            ("api-key", ParameterClass::Credential),
            ("apiKey", ParameterClass::Credential),
            ("X-Amz-Signature", ParameterClass::Credential),
            ("X-Amz-Security-Token", ParameterClass::Credential),
            ("X-Goog-Credential", ParameterClass::Credential),
            ("subscription-key", ParameterClass::Credential),
            ("fields", ParameterClass::System),
            ("$fields", ParameterClass::System),
            ("%24fields", ParameterClass::System),
            ("f%69elds", ParameterClass::System),
            ("%2524fields", ParameterClass::System),
            ("Fields", ParameterClass::System),
            ("alt", ParameterClass::System),
            ("$alt", ParameterClass::System),
            ("$.xgafv", ParameterClass::System),
            ("xgafv", ParameterClass::System),
            ("prettyPrint", ParameterClass::System),
            ("pretty_print", ParameterClass::System),
            ("quotaUser", ParameterClass::System),
            ("userIp", ParameterClass::System),
            ("callback", ParameterClass::System),
            ("jsonp", ParameterClass::System),
            ("$httpMethod", ParameterClass::System),
            ("httpMethod", ParameterClass::System),
            ("$req", ParameterClass::System),
            ("$ct", ParameterClass::System),
            ("$userProject", ParameterClass::System),
            ("$anything", ParameterClass::System),
            ("uploadType", ParameterClass::System),
            ("upload_protocol", ParameterClass::System),
            ("_method", ParameterClass::System),
            ("_METHOD", ParameterClass::System),
            ("__method", ParameterClass::System),
            ("fields[0]", ParameterClass::System),
            ("api-version", ParameterClass::Plain),
            ("beta", ParameterClass::Plain),
            ("keys", ParameterClass::Plain),
            ("max_tokens", ParameterClass::Plain),
            ("cache_key", ParameterClass::Plain),
            ("keyboard", ParameterClass::Plain),
            ("fieldset", ParameterClass::Plain),
            ("alternative", ParameterClass::Plain),
            ("method", ParameterClass::Plain),
            ("pageSize", ParameterClass::Plain),
        ] {
            let query = Query::parse(&format!("{name}=secret&alt=json"));
            assert_eq!(query.0[0].class, class, "{name}");
            assert_eq!(query.upstream(None).is_empty(), class != ParameterClass::Plain, "{name}");
            assert_eq!(query.left_out().count(), usize::from(class == ParameterClass::System), "{name}");
            let seen = query.seen().iter().any(|(_, value)| value == "secret");
            assert_eq!(seen, class != ParameterClass::Credential, "{name}");
            assert!(!format!("{query:?}").contains("secret"));
        }
    }

    #[test]
    fn passes_on_everything_else_with_the_same_meaning() {
        for (query, upstream) in [
            ("", ""),
            ("&&", ""),
            ("alt=sse", ""),
            ("beta=true", "beta=true"),
            ("beta", "beta"),
            ("beta=", "beta="),
            ("api-version=2024-10-21&key=a&x=1&key=b", "api-version=2024-10-21&x=1"),
            ("a=1+2%2B3", "a=1%202%2B3"),
            ("a=b=c", "a=b%3Dc"),
            ("a=%26key%3Dx", "a=%26key%3Dx"),
            ("a%26key=x", "a%26key=x"),
            ("a=%zz", "a=%25zz"),
            ("100%=a", "100%25=a"),
            ("a=b#c/../d", "a=b%23c%2F..%2Fd"),
            ("a=b%0d%0ac", "a=b%0D%0Ac"),
            ("a=\u{fc}", "a=%C3%BC"),
            ("=1", "=1"),
        ] {
            assert_eq!(Query::parse(query).upstream(None), upstream, "{query}");
            assert_eq!(Query::parse(upstream).upstream(None), upstream, "once more: {query}");
        }
    }

    #[test]
    fn finds_encoded_parameters() {
        assert_eq!(Query::parse("alt=sse&k%65y=s%65arch").key(), Some("search"));
        assert_eq!(Query::parse("keys=a").key(), None);
        for (query, events) in
            [("alt=sse", true), ("%61lt=s%73e", true), ("$alt=sse", true), ("alt=json", false), ("", false)]
        {
            assert_eq!(Query::parse(query).wants_events(), events, "{query}");
        }
    }
}
