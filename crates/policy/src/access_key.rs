//! Access keys of AWS, as a Secret holds them.
//!
//! ```text
//! [default]                                 {"AccessKeyId": "AKIA…", "SecretAccessKey": "…"}
//! aws_access_key_id = AKIA…
//! aws_secret_access_key = …                 the same in "AccessKey" or "Credentials",
//! aws_session_token = …                     as AWS's command line prints it
//! ```

use std::fmt;

use serde_json::{Map, Value};

/// An access key of AWS, with which requests are signed.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The public part.
    pub id: String,
    pub secret: String,
    /// Of temporary keys.
    pub session: Option<String>,
}

impl fmt::Debug for AccessKey {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The longest part of a key, in bytes.
const LONGEST: usize = 16 << 10;

/// The names of a key's parts, without `_` and case: id, secret, session token.
const NAMES: [&[&str]; 3] = [
    &["accesskeyid", "awsaccesskeyid"],
    &["secretaccesskey", "awssecretaccesskey"],
    &["sessiontoken", "awssessiontoken", "awssecuritytoken", "token"],
];

impl AccessKey {
    /// Reads the value of a Secret. `None` if it is an API key of Bedrock.
    ///
    /// # Errors
    /// What is wrong with it, after "the value". It does not quote it.
    pub fn read(text: &str) -> Result<Option<Self>, &'static str> {
        let text = text.trim();
        let is_id = |text: &str| text.len() == 20 && (text.starts_with("AKIA") || text.starts_with("ASIA"));
        if text.starts_with('{') {
            let fields: Map<String, Value> =
                serde_json::from_str(text).map_err(|_| "begins like JSON and is none: was all of it copied?")?;
            return Self::of_json(&fields).map(Some);
        }
        if text.starts_with('[') || text.lines().any(|line| pair(line).is_some_and(|(name, _)| place(name).is_some())) {
            return Self::of_lines(text).map(Some);
        }
        match is_id(text) {
            true => Err("is the id of an access key without its secret: set both, as aws_access_key_id = … and \
                         aws_secret_access_key = … on two lines"),
            false => Ok(None),
        }
    }

    fn of_json(fields: &Map<String, Value>) -> Result<Self, &'static str> {
        let inner = ["AccessKey", "Credentials"].iter().find_map(|name| fields.get(*name)?.as_object());
        let mut parts = [const { None }; 3];
        for (name, value) in inner.unwrap_or(fields) {
            if let (Some(place), Some(value)) = (place(name), value.as_str()) {
                parts[place] = Some(value);
            }
        }
        Self::of_parts(parts)
    }

    /// Reads a file of AWS's command line: the profile `default`, or the only one.
    fn of_lines(text: &str) -> Result<Self, &'static str> {
        let mut profiles: Vec<(&str, [Option<&str>; 3])> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                profiles.push((name.trim(), [None; 3]));
            } else if let Some((name, value)) = pair(line)
                && let Some(place) = place(name)
            {
                if profiles.is_empty() {
                    profiles.push(("default", [None; 3]));
                }
                if let Some((_, parts)) = profiles.last_mut() {
                    parts[place] = Some(value);
                }
            }
        }
        match &profiles[..] {
            [(_, parts)] => Self::of_parts(*parts),
            several => match several.iter().find(|(name, _)| *name == "default") {
                Some((_, parts)) => Self::of_parts(*parts),
                None => Err("has several profiles, of which none is [default]: keep one"),
            },
        }
    }

    fn of_parts([id, secret, session]: [Option<&str>; 3]) -> Result<Self, &'static str> {
        let given = |part: Option<&str>| part.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
        let id = given(id).ok_or("has no aws_access_key_id")?;
        let secret = given(secret).ok_or("has no aws_secret_access_key")?;
        let session = given(session);
        // Slashes and commas separate the fields of a signature.
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("has an aws_access_key_id that is none");
        }
        let fits = |part: &str| part.len() <= LONGEST && part.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits(&id) || !fits(&secret) || !session.as_deref().is_none_or(fits) {
            return Err("has characters that no header can carry: was something else pasted with the key?");
        }
        Ok(AccessKey { id, secret, session })
    }

    /// The key that a server of credentials answers with, in JSON.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub fn of_answer(fields: &Map<String, Value>) -> Result<Self, &'static str> {
        Self::of_json(fields)
    }
}

/// Which part of a key has this name.
fn place(name: &str) -> Option<usize> {
    let mut name = name.to_ascii_lowercase();
    name.retain(|letter| letter != '_');
    NAMES.iter().position(|names| names.contains(&name.as_str()))
}

/// A setting, of a profile or of a shell.
fn pair(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let value = value.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    (!name.starts_with(['#', ';'])).then(|| (name.trim(), unquoted.unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: Option<&str>) -> AccessKey {
        AccessKey { id: "AKIDEXAMPLE".into(), secret: "s+/=1".into(), session: session.map(str::to_owned) }
    }

    #[test]
    fn keys_are_read_as_awss_tools_write_them() {
        for (text, expected) in [
            ("aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = s+/=1", key(None)),
            ("[default]\naws_access_key_id=AKIDEXAMPLE\r\naws_secret_access_key=s+/=1\r\nregion=x", key(None)),
            ("[work]\n# old = 1\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = s+/=1\n", key(None)),
            (
                "[a]\naws_access_key_id = x\n[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = s+/=1\n\
                 aws_session_token = tok==\n[b]\naws_session_token = no",
                key(Some("tok==")),
            ),
            (
                "export AWS_ACCESS_KEY_ID=\"AKIDEXAMPLE\"\nexport AWS_SECRET_ACCESS_KEY='s+/=1'\nAWS_SESSION_TOKEN=tok==",
                key(Some("tok==")),
            ),
            (r#"{"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"s+/=1"}"#, key(None)),
            (
                r#"{"AccessKey":{"UserName":"u","AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"s+/=1","Status":"Active"}}"#,
                key(None),
            ),
            (
                r#"{"Credentials":{"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"s+/=1","SessionToken":"tok=="}}"#,
                key(Some("tok==")),
            ),
        ] {
            assert_eq!(AccessKey::read(text), Ok(Some(expected)), "{text}");
        }
        for api_key in ["ABSKQmVkcm9ja0FQSUtleS0xMjM0NTY=", "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29tLw==", "x"] {
            assert_eq!(AccessKey::read(api_key), Ok(None), "{api_key}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_a_quote() {
        for (text, words) in [
            ("{", "begins like JSON"),
            ("{}", "no aws_access_key_id"),
            ("[default]", "no aws_access_key_id"),
            ("aws_access_key_id = AKIDEXAMPLE", "no aws_secret_access_key"),
            (r#"{"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":""}"#, "no aws_secret_access_key"),
            (r#"{"AccessKeyId":"AKID/1","SecretAccessKey":"s"}"#, "that is none"),
            (r#"{"AccessKeyId":"AKID","SecretAccessKey":"s\r\nx: y"}"#, "characters"),
            ("AKIAIOSFODNN7EXAMPLE", "without its secret"),
            ("[a]\naws_access_key_id=x\n[b]\naws_access_key_id=y", "several profiles"),
        ] {
            let error = AccessKey::read(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(format!("{:?}", key(Some("tok=="))), r#"AccessKey { id: "AKIDEXAMPLE", .. }"#);
    }
}
